// The file sink (file.h): what is committed, into files. While a commit runs, the committer's thread owns the outputs, the log and the io.
//
// C1, the order of a commit: outputs, their fdatasync, the entry, its fdatasync. What a failure means:
//   nothing of the entry was written           ABORTED   the outputs are cut back
//   an fdatasync failed, or the entry's write  UNKNOWN   recovery reads what stands there, in new files
//   the log is not the file of its name        FENCED    somebody took over; nothing was written
// After any of them no commit happens until recovery.
#include "operator/sink/file.h"

#include <assert.h>
#include <stdlib.h>

#include "operator/base/crash_point.h"
#include "operator/sink/commit_log.h"
#include "operator/sink/committer.h"
#include "operator/sink/dead_letter_text.h"
#include "operator/sink/outputs.h"
#include "operator/sink/row_proto.h"

#define TEXT_PIECE ((size_t)256 * 1024)        // formatted rows are written in pieces of about this size
#define DEAD_LETTERS_MAX ((size_t)256 * 1024)  // text of dead letters held by a transaction; what is more is written ahead of the commit

typedef struct file_sink {
    rwd_sink sink;  // first
    const rwd_job *job;
    rwd_io *io;
    rwd_budget *budget;
    bool by_key[RWD_SINKS_MAX];
    rwd_committer *committer;

    // The thread's while a commit runs.
    rwd_outputs outputs;
    rwd_commit_log log;
    uint64_t sequence;       // of the last commit; 0: none yet
    rwd_commit last;         // the last commit itself
    rwd_buf text;
    rwd_answers answers;
    uint64_t text_held;
} file_sink;

static file_sink *self_of(const rwd_sink *sink) { return (file_sink *)(uintptr_t)sink; }

static rwd_output *dead_output(file_sink *self) {
    assert(self->job->dead_letter_path);
    return &self->outputs.items[self->outputs.count - 1];
}

// ---- a commit, on the thread

static bool flush_text(file_sink *self, rwd_output *output, size_t at_least, rwd_error *err) {
    if (self->text.size < at_least) return true;
    bool ok = rwd_output_append(output, self->io, rwd_buf_slice(&self->text), err);
    rwd_buf_clear(&self->text);
    return ok;
}

static bool append_rows(file_sink *self, const rwd_pending *h, size_t index, uint64_t *rows, rwd_error *err) {
    const rwd_job_sink *sink = &self->job->sinks[index];
    rwd_output *output = &self->outputs.items[index];
    rwd_row_text how = {
        .table = &self->job->tables[sink->table],
        .columns = sink->columns,
        .column_count = sink->column_count,
        .format = sink->format,
        .with_origin = true,
        .with_deleted = true,
    };
    memcpy(how.lineage, h->lineage, sizeof(how.lineage));
    if (h->repair[0]) how.repair = h->repair, how.reason = rwd_buf_slice(&h->reason);
    rwd_buf_clear(&self->text);
    if (output->length == 0) rwd_row_text_header(&how, &self->text);
    size_t count = rwd_transaction_count(h->rows, index);
    for (size_t i = 0; i < count; i++) {
        rwd_transaction_row row = rwd_transaction_at(h->rows, index, i);
        how.old = row.old;
        bool written = how.format == RWD_FORMAT_PROTOBUF
                           ? rwd_row_proto_append(&how, true, row.key, row.row, row.row_size, row.offset, &self->answers, &self->text, err)
                           : rwd_row_text_append(&how, row.key, row.row, row.row_size, row.offset, &self->answers, &self->text, err);
        if (!written) return false;
        if (!flush_text(self, output, TEXT_PIECE, err)) return false;
    }
    *rows += count;
    return flush_text(self, output, 0, err);
}

static bool append_outputs(file_sink *self, const rwd_pending *h, uint64_t *rows, rwd_error *err) {
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
static bool write_outputs(file_sink *self, const rwd_pending *h, uint64_t *rows, rwd_error *err) {
    RWD_CRASH_POINT(sink_before_append);
    return renew_log(self, err) && append_outputs(self, h, rows, err);
}

// C1: outputs are durable before the entry is written; the commit has happened once the entry is.
static bool write_entry(file_sink *self, const rwd_commit *commit, rwd_error *err) {
    if (!rwd_outputs_sync(&self->outputs, self->io, err)) return false;
    RWD_CRASH_POINT(sink_outputs_synced);
    rwd_commit_entry entry = {.sequence = self->sequence + 1, .commit = *commit};
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

static rwd_commit_outcome commit_files(file_sink *self, const rwd_pending *h, const rwd_commit *commit, rwd_sink_stats *out_done, rwd_error *err) {
    uint64_t rows = 0;
    if (!still_ours(self, err)) return RWD_COMMIT_FENCED;
    if (!write_outputs(self, h, &rows, err)) {
        drop_appended(self);
        return RWD_COMMIT_ABORTED;
    }
    rwd_committer_sent(self->committer, true);
    if (!write_entry(self, commit, err)) return RWD_COMMIT_UNKNOWN;
    self->sequence++;
    self->last = *commit;
    *out_done = (rwd_sink_stats){.commits = 1, .rows = rows, .dead_letters = h->dead_letters, .bytes = grown(&self->outputs)};
    rwd_outputs_committed(&self->outputs);
    return RWD_COMMIT_COMMITTED;
}

static void account(file_sink *self, uint64_t now) {
    if (now > self->text_held) rwd_budget_take(self->budget, RWD_SHARE_SINK, now - self->text_held);
    else rwd_budget_give(self->budget, RWD_SHARE_SINK, self->text_held - now);
    self->text_held = now;
}

static rwd_commit_outcome run_commit(void *context, rwd_pending *h, const rwd_commit *commit, rwd_sink_stats *out_done, rwd_error *err) {
    file_sink *self = context;
    rwd_commit_outcome outcome = commit_files(self, h, commit, out_done, err);
    account(self, self->text.capacity + self->log.buf.capacity);
    return outcome;
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
    rwd_committer_settle(self->committer);
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

static bool file_recover(rwd_sink *sink, rwd_commit *out, bool *out_found, rwd_error *err) {
    file_sink *self = self_of(sink);
    rwd_committer_reset(self->committer);
    rwd_outputs_close(&self->outputs, self->io);
    rwd_commit_entry last = {0};
    bool ok = take_over(self, &last, err);
    *out = last.commit;
    *out_found = ok && last.sequence > 0;
    self->sequence = last.sequence;
    self->last = last.commit;
    rwd_commit_entry_deinit(&last);
    if (!ok) return with_advice(self, err);
    RWD_CRASH_POINT(sink_recovered);
    return rwd_committer_start(self->committer, err);
}

static bool file_holds_c(const rwd_sink *sink) {
    (void)sink;
    return true;
}

// ---- the open transaction, on the pipeline's thread

static void file_begin(rwd_sink *sink) { rwd_committer_begin(self_of(sink)->committer); }

static void file_put_row(rwd_sink *sink, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset) {
    file_sink *self = self_of(sink);
    assert(output < self->job->sink_count);
    rwd_transaction_put(rwd_committer_pending(self->committer)->rows, output, key, row, row_size, offset);
}

static void file_correct(rwd_sink *sink, const char *repair, rwd_slice reason) { rwd_committer_correct(self_of(sink)->committer, repair, reason); }

static void file_put_correction(rwd_sink *sink, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset, rwd_slice old) {
    file_sink *self = self_of(sink);
    assert(output < self->job->sink_count);
    rwd_transaction_put_correction(rwd_committer_pending(self->committer)->rows, output, key, row, row_size, offset, old);
}

// Dead letters too many or too large to be held: appended to their file before the commit that they belong to, once the running one has ended. If that commit
// does not come, recovery cuts them off. A sink that has failed loses them with the transaction; poll says so.
static bool write_ahead(file_sink *self, rwd_pending *h, rwd_error *err) {
    bool usable = rwd_committer_is_usable(self->committer);
    bool ok = true;
    if (usable) ok = still_ours(self, err) && rwd_output_append(dead_output(self), self->io, rwd_buf_slice(&h->dead), err);
    if (usable) RWD_CRASH_POINT(sink_dead_ahead);
    rwd_buf_clear(&h->dead);
    return ok;
}

// Half a dead letter may be in the file: the open transaction cannot be committed any more.
static bool spoil(file_sink *self, const rwd_error *err) {
    if (rwd_committer_spoil(self->committer, err)) drop_appended(self);
    return false;
}

static bool file_put_dead_letter(rwd_sink *sink, const rwd_dead_letter *letter, rwd_error *err) {
    file_sink *self = self_of(sink);
    rwd_pending *h = rwd_committer_pending(self->committer);
    assert(self->job->dead_letter_path);
    rwd_buf piece = {0};
    bool ok = true;
    rwd_dead_letter_head(letter, &h->dead);
    for (uint64_t at = 0; ok && at < letter->full_size; at += RWD_DEAD_PIECE) {
        ok = rwd_dead_letter_piece(letter, at, &piece, &h->dead, err);
        if (ok && h->dead.size > DEAD_LETTERS_MAX) ok = write_ahead(self, h, err);
    }
    rwd_dead_letter_tail(letter, &h->dead);
    h->dead_letters++;
    rwd_committer_grown(self->committer);
    rwd_buf_deinit(&piece);
    return ok || spoil(self, err);
}

static uint64_t file_pending_bytes(const rwd_sink *sink) { return rwd_committer_pending_bytes(self_of(sink)->committer); }

// ---- ending it

static bool file_ready(rwd_sink *sink) { return rwd_committer_ready(self_of(sink)->committer); }

static void file_commit_async(rwd_sink *sink, const rwd_commit *commit) { rwd_committer_commit_async(self_of(sink)->committer, commit); }

static rwd_commit_outcome file_poll(rwd_sink *sink, rwd_commit *out, rwd_error *err) { return rwd_committer_poll(self_of(sink)->committer, out, err); }

static void file_wait(rwd_sink *sink, int64_t timeout_ns) { rwd_committer_wait(self_of(sink)->committer, timeout_ns); }

static void file_stats(rwd_sink *sink, rwd_sink_stats *out) { rwd_committer_stats(self_of(sink)->committer, out); }

// ---- life

static void file_close(rwd_sink *sink) {
    file_sink *self = self_of(sink);
    rwd_committer_free(self->committer);
    rwd_outputs_close(&self->outputs, self->io);
    rwd_commit_log_close(&self->log, self->io);
    rwd_buf_deinit(&self->text);
    rwd_answers_deinit(&self->answers);
    account(self, 0);
    rwd_io_free(self->io);
    free(self);
}

static const rwd_sink_ops file_ops = {
    .name = "file",
    .peek = file_peek,
    .recover = file_recover,
    .holds_c = file_holds_c,
    .begin = file_begin,
    .put_row = file_put_row,
    .correct = file_correct,
    .put_correction = file_put_correction,
    .put_dead_letter = file_put_dead_letter,
    .pending_bytes = file_pending_bytes,
    .ready = file_ready,
    .commit_async = file_commit_async,
    .poll = file_poll,
    .wait = file_wait,
    .stats = file_stats,
    .close = file_close,
};

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
    self->budget = budget;
    for (size_t i = 0; i < job->sink_count; i++) self->by_key[i] = job->sinks[i].emit == RWD_EMIT_COMMIT;
    self->committer = rwd_committer_new(run_commit, self, clock, budget);
    rwd_outputs_init(&self->outputs, job);
    rwd_commit_log_init(&self->log, log_path);
    *out = &self->sink;
    return true;
}

void rwd_file_sink_set_lineage(rwd_sink *sink, rwd_hash128 lineage) { rwd_committer_set_lineage(self_of(sink)->committer, lineage); }

bool rwd_file_sink_log_path(const rwd_job *job, char out[RWD_PATH_MAX], rwd_error *err) { return rwd_outputs_log_path(job, out, err); }
