// The file sink (file.h): transactions, and the thread that commits them.
//
// Two transactions exist: the pipeline puts into one while the thread "commit" writes the other. What belongs to whom follows from `phase`, which the mutex
// guards: while RUNNING, the thread owns the committing transaction, the outputs, the log and the io; otherwise the pipeline owns everything.
//
// C1, the order of a commit: outputs, their fdatasync, the entry, its fdatasync. What a failure means:
//   nothing of the entry was written           ABORTED   the outputs are cut back
//   an fdatasync failed, or the entry's write  UNKNOWN   recovery reads what stands there, in new files
//   the log is not the file of its name        FENCED    somebody took over; nothing was written
// After any of them no commit happens until recovery.
#include "operator/sink/file.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "operator/base/crash_point.h"
#include "operator/sink/commit_log.h"
#include "operator/sink/dead_letter_text.h"
#include "operator/sink/outputs.h"
#include "operator/sink/row_text.h"
#include "operator/sink/transaction.h"

#define TEXT_PIECE ((size_t)256 * 1024)        // formatted rows are written in pieces of about this size
#define DEAD_LETTERS_MAX ((size_t)256 * 1024)  // text of dead letters held by a transaction; what is more is written ahead of the commit

typedef struct half {
    rwd_transaction *rows;
    rwd_buf dead;            // text of dead letters not written ahead
    uint64_t dead_letters;
    uint64_t dead_held;      // capacity of `dead` that is accounted
    char lineage[RWD_HASH128_HEX];
} half;

typedef enum phase { PHASE_IDLE, PHASE_RUNNING, PHASE_UNTOLD } phase;

typedef struct file_sink {
    rwd_sink sink;  // first
    const rwd_job *job;
    rwd_io *io;
    rwd_clock *clock;
    rwd_budget *budget;
    bool by_key[RWD_SINKS_MAX];
    char lineage[RWD_HASH128_HEX];

    half halves[2];
    size_t open_half;        // the pipeline's
    bool open;

    rwd_outputs outputs;
    rwd_commit_log log;
    uint64_t sequence;       // of the last commit; 0: none yet
    rwd_commit last;         // the last commit itself
    rwd_buf text, scratch;   // of the committing thread
    uint64_t text_held;

    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    // Guarded by the mutex.
    phase phase;
    bool stop;
    bool usable;             // recovered, and nothing has failed since
    rwd_commit commit;
    rwd_commit_outcome outcome;
    rwd_error failure;
    rwd_sink_stats stats;
} file_sink;

static file_sink *self_of(const rwd_sink *sink) { return (file_sink *)(uintptr_t)sink; }

static void account(file_sink *self, uint64_t *held, uint64_t now) {
    if (now > *held) rwd_budget_take(self->budget, RWD_SHARE_SINK, now - *held);
    else rwd_budget_give(self->budget, RWD_SHARE_SINK, *held - now);
    *held = now;
}

static void clear_half(half *h) {
    rwd_transaction_clear(h->rows);
    rwd_buf_clear(&h->dead);
    h->dead_letters = 0;
}

static rwd_output *dead_output(file_sink *self) {
    assert(self->job->dead_letter_path);
    return &self->outputs.items[self->outputs.count - 1];
}

// Until the thread has nothing to do. The mutex is held before and after.
static void wait_until_idle(file_sink *self) {
    while (self->phase == PHASE_RUNNING) pthread_cond_wait(&self->done, &self->mutex);
}

// ---- a commit, on the thread

static bool flush_text(file_sink *self, rwd_output *output, size_t at_least, rwd_error *err) {
    if (self->text.size < at_least) return true;
    bool ok = rwd_output_append(output, self->io, rwd_buf_slice(&self->text), err);
    rwd_buf_clear(&self->text);
    return ok;
}

static bool append_rows(file_sink *self, const half *h, size_t index, uint64_t *rows, rwd_error *err) {
    const rwd_job_sink *sink = &self->job->sinks[index];
    rwd_output *output = &self->outputs.items[index];
    rwd_row_text how = {
        .schema = &self->job->tables[sink->table].schema,
        .columns = sink->columns,
        .column_count = sink->column_count,
        .format = sink->format,
        .with_origin = true,
        .with_deleted = true,
    };
    memcpy(how.lineage, h->lineage, sizeof(how.lineage));
    rwd_buf_clear(&self->text);
    if (output->length == 0) rwd_row_text_header(&how, &self->text);
    size_t count = rwd_transaction_count(h->rows, index);
    for (size_t i = 0; i < count; i++) {
        rwd_transaction_row row = rwd_transaction_at(h->rows, index, i);
        if (!rwd_row_text_append(&how, row.key, row.row, row.row_size, row.offset, &self->scratch, &self->text, err)) return false;
        if (!flush_text(self, output, TEXT_PIECE, err)) return false;
    }
    *rows += count;
    return flush_text(self, output, 0, err);
}

static bool append_outputs(file_sink *self, half *h, uint64_t *rows, rwd_error *err) {
    rwd_transaction_order(h->rows, self->by_key);
    for (size_t i = 0; i < self->job->sink_count; i++) {
        if (!append_rows(self, h, i, rows, err)) return false;
        RWD_CRASH_POINT(sink_output_appended);
    }
    if (!self->job->dead_letter_path) return true;
    return rwd_output_append(dead_output(self), self->io, rwd_buf_slice(&h->dead), err);
}

// The log has become long: it goes on in a new file, which begins with the last commit.
static bool renew_log(file_sink *self, rwd_error *err) {
    if (self->log.size < RWD_COMMIT_LOG_MAX) return true;
    rwd_commit_entry last = {.sequence = self->sequence, .commit = self->last};
    rwd_outputs_describe(&self->outputs, false, &last);
    bool ok = rwd_commit_log_replace(&self->log, self->io, &last, err);
    rwd_commit_entry_deinit(&last);
    return ok;
}

// What may fail before the entry is written, and then did not happen.
static bool write_outputs(file_sink *self, half *h, uint64_t *rows, rwd_error *err) {
    RWD_CRASH_POINT(sink_before_append);
    return renew_log(self, err) && append_outputs(self, h, rows, err);
}

// C1: outputs are durable before the entry is written; the commit has happened once the entry is.
static bool write_entry(file_sink *self, rwd_error *err) {
    if (!rwd_outputs_sync(&self->outputs, self->io, err)) return false;
    RWD_CRASH_POINT(sink_outputs_synced);
    rwd_commit_entry entry = {.sequence = self->sequence + 1, .commit = self->commit};
    rwd_outputs_describe(&self->outputs, true, &entry);
    bool ok = rwd_commit_log_append(&self->log, self->io, &entry, err);
    rwd_commit_entry_deinit(&entry);
    if (!ok) return false;
    RWD_CRASH_POINT(sink_entry_appended);
    if (!rwd_commit_log_sync(&self->log, self->io, err)) return false;
    RWD_CRASH_POINT(sink_entry_synced);
    return true;
}

static uint64_t grown(const rwd_outputs *outputs) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < outputs->count; i++) bytes += outputs->items[i].length - outputs->items[i].committed;
    return bytes;
}

static bool still_ours(const file_sink *self, rwd_error *err) {
    if (rwd_commit_log_is_ours(&self->log)) return true;
    (void)rwd_fail(err, RWD_E_FENCED, "the commit log was replaced or removed: another process has taken over these outputs");
    return rwd_error_at(err, "%s", self->log.path);
}

// Uncommitted bytes are given back at once, since the disk may be full; but only in files that are still ours.
static void drop_appended(file_sink *self) {
    if (rwd_commit_log_is_ours(&self->log)) rwd_outputs_drop(&self->outputs, self->io);
}

static rwd_commit_outcome run_commit(file_sink *self, half *h, rwd_sink_stats *out_done, rwd_error *err) {
    uint64_t rows = 0;
    *out_done = (rwd_sink_stats){0};
    if (!still_ours(self, err)) return RWD_COMMIT_FENCED;
    if (!write_outputs(self, h, &rows, err)) {
        drop_appended(self);
        return RWD_COMMIT_ABORTED;
    }
    if (!write_entry(self, err)) return RWD_COMMIT_UNKNOWN;
    self->sequence++;
    self->last = self->commit;
    *out_done = (rwd_sink_stats){.commits = 1, .rows = rows, .dead_letters = h->dead_letters, .bytes = grown(&self->outputs)};
    rwd_outputs_committed(&self->outputs);
    return RWD_COMMIT_COMMITTED;
}

// One commit from beginning to end. The mutex is held before and after, not meanwhile.
static void serve(file_sink *self) {
    half *h = &self->halves[1 - self->open_half];  // the pipeline does not swap while we run
    pthread_mutex_unlock(&self->mutex);
    int64_t began = rwd_clock_ns(self->clock);
    rwd_sink_stats add;
    rwd_error failure;
    rwd_error_clear(&failure);
    rwd_commit_outcome outcome = run_commit(self, h, &add, &failure);
    clear_half(h);
    account(self, &self->text_held, self->text.capacity + self->scratch.capacity + self->log.buf.capacity);
    pthread_mutex_lock(&self->mutex);
    self->stats.commits += add.commits;
    self->stats.rows += add.rows;
    self->stats.dead_letters += add.dead_letters;
    self->stats.bytes += add.bytes;
    self->stats.last_commit_ns = rwd_clock_ns(self->clock) - began;
    self->stats.last_commit_us = rwd_clock_wall_us(self->clock);
    self->outcome = outcome;
    self->failure = failure;
    self->usable = outcome == RWD_COMMIT_COMMITTED;
    self->phase = PHASE_UNTOLD;
    pthread_cond_broadcast(&self->done);
}

static void *commit_thread(void *argument) {
    file_sink *self = argument;
    (void)pthread_setname_np(pthread_self(), "commit");
    pthread_mutex_lock(&self->mutex);
    for (;;) {
        if (self->phase == PHASE_RUNNING) serve(self);
        else if (self->stop) break;
        else pthread_cond_wait(&self->work, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

// Signals are the business of the program's main thread.
static bool start_thread(file_sink *self, rwd_error *err) {
    if (self->thread_runs) return true;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failure = pthread_create(&self->thread, NULL, commit_thread, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) return rwd_fail_errno(err, failure, "cannot start the thread that commits");
    self->thread_runs = true;
    return true;
}

// ---- recovery, on the pipeline's thread

static bool with_advice(const file_sink *self, rwd_error *err) {
    if (err && err->code == RWD_E_CORRUPT)
        (void)rwd_error_next(err, "put back a copy of the file; or start over: rewind run %s --fresh   (what is there is moved aside)",
                             self->job->file ? self->job->file : "JOB");
    return false;
}

static bool file_peek(rwd_sink *sink, rwd_commit *out, bool *out_found, rwd_error *err) {
    file_sink *self = self_of(sink);
    pthread_mutex_lock(&self->mutex);
    wait_until_idle(self);
    pthread_mutex_unlock(&self->mutex);
    rwd_commit_entry last;
    bool any;
    bool ok = rwd_commit_log_read(&self->log, self->io, &last, &any, err);
    *out_found = ok && any && last.sequence > 0;
    *out = last.commit;
    rwd_commit_entry_deinit(&last);
    return ok || with_advice(self, err);
}

// The entry that a new log file begins with: the last commit, with all that are outputs now and all that were. Former outputs
// are named once more, so that what is behind their committed bytes is cut however often we are killed.
static void restate(const file_sink *self, const rwd_commit_entry *last, rwd_commit_entry *out) {
    *out = (rwd_commit_entry){.sequence = last->sequence, .commit = last->commit};
    rwd_outputs_describe(&self->outputs, false, out);
    for (size_t i = 0; i < last->file_count && out->file_count < RWD_COMMIT_FILES_MAX; i++) {
        const rwd_commit_file *file = &last->files[i];
        if (!rwd_commit_entry_find(out, file->name)) rwd_commit_entry_add(out, file->name, file->length);
    }
}

// C1: the lock; what is known; what is there; a new log file with it, durable; only then the cut.
static bool take_over(file_sink *self, rwd_commit_entry *last, rwd_error *err) {
    char dir[RWD_PATH_MAX];
    bool any;
    rwd_path_dir(dir, self->log.path);
    if (!rwd_io_make_dirs(self->io, dir, err) || !rwd_commit_log_lock(&self->log, self->io, err)) return false;
    if (!rwd_commit_log_read(&self->log, self->io, last, &any, err)) return false;
    if (!rwd_outputs_open(&self->outputs, self->io, self->log.path, last, err)) return false;
    rwd_commit_entry first;
    restate(self, last, &first);
    bool ok = rwd_commit_log_replace(&self->log, self->io, &first, err) &&
              rwd_outputs_cut(&self->outputs, self->io, self->log.path, &first, err);
    rwd_commit_entry_deinit(&first);
    return ok;
}

static void forget_transactions(file_sink *self) {
    self->open = false;
    clear_half(&self->halves[0]);
    clear_half(&self->halves[1]);
}

static bool file_recover(rwd_sink *sink, rwd_commit *out, bool *out_found, rwd_error *err) {
    file_sink *self = self_of(sink);
    pthread_mutex_lock(&self->mutex);
    wait_until_idle(self);
    self->phase = PHASE_IDLE;
    self->usable = false;
    pthread_mutex_unlock(&self->mutex);
    forget_transactions(self);
    rwd_outputs_close(&self->outputs, self->io);
    rwd_commit_entry last = {0};
    bool ok = take_over(self, &last, err) && start_thread(self, err);
    *out = last.commit;
    *out_found = ok && last.sequence > 0;
    self->sequence = last.sequence;
    self->last = last.commit;
    rwd_commit_entry_deinit(&last);
    if (!ok) return with_advice(self, err);
    RWD_CRASH_POINT(sink_recovered);
    pthread_mutex_lock(&self->mutex);
    self->usable = true;
    pthread_mutex_unlock(&self->mutex);
    return true;
}

static bool file_holds_c(const rwd_sink *sink) {
    (void)sink;
    return true;
}

// ---- the open transaction, on the pipeline's thread

static void file_begin(rwd_sink *sink) {
    file_sink *self = self_of(sink);
    assert(!self->open);
    self->open = true;
}

static void file_put_row(rwd_sink *sink, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset) {
    file_sink *self = self_of(sink);
    assert(self->open && output < self->job->sink_count);
    rwd_transaction_put(self->halves[self->open_half].rows, output, key, row, row_size, offset);
}

// Dead letters too many or too large to be held: appended to their file before the commit that they belong to, once the running one has ended. If that commit
// does not come, recovery cuts them off. A sink that has failed loses them with the transaction; poll says so.
static bool write_ahead(file_sink *self, half *h, rwd_error *err) {
    pthread_mutex_lock(&self->mutex);
    wait_until_idle(self);
    bool usable = self->usable;
    pthread_mutex_unlock(&self->mutex);
    bool ok = true;
    if (usable) ok = still_ours(self, err) && rwd_output_append(dead_output(self), self->io, rwd_buf_slice(&h->dead), err);
    if (usable) RWD_CRASH_POINT(sink_dead_ahead);
    rwd_buf_clear(&h->dead);
    return ok;
}

// Half a dead letter may be in the file: the open transaction cannot be committed any more.
static bool spoil(file_sink *self, const rwd_error *err) {
    pthread_mutex_lock(&self->mutex);
    wait_until_idle(self);
    bool usable = self->usable;
    if (usable && err) self->failure = *err;
    self->usable = false;
    pthread_mutex_unlock(&self->mutex);
    if (usable) drop_appended(self);
    return false;
}

static bool file_put_dead_letter(rwd_sink *sink, const rwd_dead_letter *letter, rwd_error *err) {
    file_sink *self = self_of(sink);
    half *h = &self->halves[self->open_half];
    assert(self->open && self->job->dead_letter_path);
    rwd_buf piece = {0};
    bool ok = true;
    rwd_dead_letter_head(letter, &h->dead);
    for (uint64_t at = 0; ok && at < letter->full_size; at += RWD_DEAD_PIECE) {
        ok = rwd_dead_letter_piece(letter, at, &piece, &h->dead, err);
        if (ok && h->dead.size > DEAD_LETTERS_MAX) ok = write_ahead(self, h, err);
    }
    rwd_dead_letter_tail(&h->dead);
    h->dead_letters++;
    account(self, &h->dead_held, h->dead.capacity);
    rwd_buf_deinit(&piece);
    return ok || spoil(self, err);
}

static uint64_t file_pending_bytes(const rwd_sink *sink) {
    const file_sink *self = self_of(sink);
    const half *h = &self->halves[self->open_half];
    return rwd_transaction_bytes(h->rows) + h->dead.size;
}

// ---- ending it

static bool file_ready(rwd_sink *sink) {
    file_sink *self = self_of(sink);
    pthread_mutex_lock(&self->mutex);
    bool ready = self->phase == PHASE_IDLE;
    pthread_mutex_unlock(&self->mutex);
    return ready;
}

static void file_commit_async(rwd_sink *sink, const rwd_commit *commit) {
    file_sink *self = self_of(sink);
    assert(self->open);
    self->open = false;
    half *h = &self->halves[self->open_half];
    memcpy(h->lineage, self->lineage, sizeof(h->lineage));
    pthread_mutex_lock(&self->mutex);
    assert(self->phase == PHASE_IDLE);
    self->commit = *commit;
    self->open_half = 1 - self->open_half;
    if (self->usable) {
        self->phase = PHASE_RUNNING;
        pthread_cond_signal(&self->work);
    } else {  // failed before, and nobody recovered: the reason is still the same
        clear_half(h);
        self->outcome = RWD_COMMIT_ABORTED;
        self->phase = PHASE_UNTOLD;
    }
    pthread_mutex_unlock(&self->mutex);
}

static rwd_commit_outcome file_poll(rwd_sink *sink, rwd_commit *out, rwd_error *err) {
    file_sink *self = self_of(sink);
    rwd_commit_outcome outcome = RWD_COMMIT_IDLE;
    pthread_mutex_lock(&self->mutex);
    if (self->phase == PHASE_RUNNING) {
        outcome = RWD_COMMIT_RUNNING;
    } else if (self->phase == PHASE_UNTOLD) {
        self->phase = PHASE_IDLE;
        outcome = self->outcome;
        *out = self->commit;
        if (outcome != RWD_COMMIT_COMMITTED && err) *err = self->failure;
    }
    pthread_mutex_unlock(&self->mutex);
    return outcome;
}

static void file_wait(rwd_sink *sink, int64_t timeout_ns) {
    file_sink *self = self_of(sink);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_ns % 1000000000;
    until.tv_sec += timeout_ns / 1000000000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&self->mutex);
    while (self->phase == PHASE_RUNNING && pthread_cond_timedwait(&self->done, &self->mutex, &until) == 0) continue;
    pthread_mutex_unlock(&self->mutex);
}

static void file_stats(rwd_sink *sink, rwd_sink_stats *out) {
    file_sink *self = self_of(sink);
    pthread_mutex_lock(&self->mutex);
    *out = self->stats;
    pthread_mutex_unlock(&self->mutex);
}

// ---- life

static void file_close(rwd_sink *sink) {
    file_sink *self = self_of(sink);
    pthread_mutex_lock(&self->mutex);
    self->stop = true;
    pthread_cond_signal(&self->work);
    pthread_mutex_unlock(&self->mutex);
    if (self->thread_runs) pthread_join(self->thread, NULL);
    for (size_t i = 0; i < 2; i++) {
        half *h = &self->halves[i];
        rwd_transaction_free(h->rows);
        rwd_buf_deinit(&h->dead);
        account(self, &h->dead_held, 0);
    }
    rwd_outputs_close(&self->outputs, self->io);
    rwd_commit_log_close(&self->log, self->io);
    rwd_buf_deinit(&self->text);
    rwd_buf_deinit(&self->scratch);
    account(self, &self->text_held, 0);
    rwd_io_free(self->io);
    pthread_cond_destroy(&self->work);
    pthread_cond_destroy(&self->done);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

static const rwd_sink_ops file_ops = {
    .name = "file",
    .peek = file_peek,
    .recover = file_recover,
    .holds_c = file_holds_c,
    .begin = file_begin,
    .put_row = file_put_row,
    .put_dead_letter = file_put_dead_letter,
    .pending_bytes = file_pending_bytes,
    .ready = file_ready,
    .commit_async = file_commit_async,
    .poll = file_poll,
    .wait = file_wait,
    .stats = file_stats,
    .close = file_close,
};

static void init_threads(file_sink *self) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->work, NULL);
    pthread_cond_init(&self->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool rwd_file_sink_open(const rwd_job *job, rwd_io *io, rwd_clock *clock, rwd_budget *budget, rwd_sink **out, rwd_error *err) {
    assert(job->sink_count > 0 || job->dead_letter_path);
    char log_path[RWD_PATH_MAX];
    if (!rwd_outputs_log_path(job, log_path, err)) {
        rwd_io_free(io);
        return false;
    }
    file_sink *self = rwd_calloc(1, sizeof(*self));
    self->sink.ops = &file_ops;
    self->job = job;
    self->io = io;
    self->clock = clock;
    self->budget = budget;
    for (size_t i = 0; i < job->sink_count; i++) self->by_key[i] = job->sinks[i].emit == RWD_EMIT_COMMIT;
    for (size_t i = 0; i < 2; i++) self->halves[i].rows = rwd_transaction_new(budget);
    rwd_outputs_init(&self->outputs, job);
    rwd_commit_log_init(&self->log, log_path);
    (void)rwd_fail(&self->failure, RWD_E_INTERNAL, "a commit before the outputs were recovered");
    init_threads(self);
    *out = &self->sink;
    return true;
}

void rwd_file_sink_set_lineage(rwd_sink *sink, rwd_hash128 lineage) { rwd_hash128_hex(lineage, self_of(sink)->lineage); }

bool rwd_file_sink_log_path(const rwd_job *job, char out[RWD_PATH_MAX], rwd_error *err) { return rwd_outputs_log_path(job, out, err); }
