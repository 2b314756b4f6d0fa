// Outputs kept in memory (memory.h).
//
// The disk is the test's; the sink owns the open transaction and the one that is being committed. What must stay true: the disk changes only where a commit
// happens, by all of its rows and dead letters at once.
#include "operator/sink/memory.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/sink/transaction.h"

typedef struct dead_letters {
    int64_t *offsets;
    rwd_code *codes;
    size_t count, capacity;
} dead_letters;

typedef struct half {
    rwd_transaction *rows;
    dead_letters dead;
} half;

typedef struct memory_sink {
    rwd_sink sink;  // first
    rwd_memory_disk *disk;
    bool by_key[RWD_SINKS_MAX];
    half halves[2];
    size_t open_half;
    bool open, hold, running, untold, usable;
    rwd_commit commit;
    rwd_commit_outcome outcome;
    atomic_uint_fast64_t commits, rows, dead;
} memory_sink;

static memory_sink *self_of(const rwd_sink *sink) { return (memory_sink *)(uintptr_t)sink; }

static void clear_half(half *h) {
    rwd_transaction_clear(h->rows);
    h->dead.count = 0;
}

// ---- the disk

static void keep_row(rwd_memory_disk *disk, size_t output, const rwd_transaction_row *row) {
    disk->rows = rwd_realloc(disk->rows, (disk->row_count + 1) * sizeof(rwd_memory_row));
    rwd_memory_row *kept = &disk->rows[disk->row_count++];
    *kept = (rwd_memory_row){.sink = output, .key_size = row->key.size, .row_size = row->row_size, .offset = row->offset};
    kept->key = rwd_malloc(row->key.size + 1);
    memcpy(kept->key, row->key.data, row->key.size);
    if (row->old.data) kept->old = rwd_strf("%.*s", (int)row->old.size, (const char *)row->old.data);
    if (!row->row) return;
    kept->row = rwd_malloc(row->row_size + 1);
    memcpy(kept->row, row->row, row->row_size);
}

static void keep_dead(rwd_memory_disk *disk, const dead_letters *dead) {
    size_t count = disk->dead_count + dead->count;
    if (dead->count == 0) return;
    disk->dead_offsets = rwd_realloc(disk->dead_offsets, count * sizeof(int64_t));
    disk->dead_codes = rwd_realloc(disk->dead_codes, count * sizeof(rwd_code));
    memcpy(disk->dead_offsets + disk->dead_count, dead->offsets, dead->count * sizeof(int64_t));
    memcpy(disk->dead_codes + disk->dead_count, dead->codes, dead->count * sizeof(rwd_code));
    disk->dead_count = count;
}

static void happen(memory_sink *self, half *h) {
    rwd_memory_disk *disk = self->disk;
    size_t before = disk->row_count;
    rwd_transaction_order(h->rows, self->by_key);
    for (size_t output = 0; output < RWD_SINKS_MAX; output++) {
        for (size_t i = 0; i < rwd_transaction_count(h->rows, output); i++) {
            rwd_transaction_row row = rwd_transaction_at(h->rows, output, i);
            keep_row(disk, output, &row);
        }
    }
    keep_dead(disk, &h->dead);
    disk->commit = self->commit;
    disk->found = true;
    disk->commits++;
    atomic_fetch_add_explicit(&self->commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->rows, disk->row_count - before, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->dead, h->dead.count, memory_order_relaxed);
}

void rwd_memory_disk_deinit(rwd_memory_disk *disk) {
    for (size_t i = 0; i < disk->row_count; i++) {
        free(disk->rows[i].key);
        free(disk->rows[i].row);
        free(disk->rows[i].old);
    }
    free(disk->rows);
    free(disk->dead_offsets);
    free(disk->dead_codes);
    *disk = (rwd_memory_disk){0};
}

// ---- the sink

static bool memory_peek(rwd_sink *sink, rwd_commit *out, bool *out_found, rwd_error *err) {
    (void)err;
    *out = self_of(sink)->disk->commit;
    *out_found = self_of(sink)->disk->found;
    return true;
}

static bool memory_recover(rwd_sink *sink, rwd_commit *out, bool *out_found, rwd_error *err) {
    memory_sink *self = self_of(sink);
    clear_half(&self->halves[0]);
    clear_half(&self->halves[1]);
    self->open = self->running = self->untold = self->hold = false;
    self->usable = true;
    return memory_peek(sink, out, out_found, err);
}

static bool memory_holds_c(const rwd_sink *sink) {
    (void)sink;
    return true;
}

static void memory_begin(rwd_sink *sink) {
    assert(!self_of(sink)->open);
    self_of(sink)->open = true;
}

static void memory_put_row(rwd_sink *sink, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset) {
    memory_sink *self = self_of(sink);
    assert(self->open);
    rwd_transaction_put(self->halves[self->open_half].rows, output, key, row, row_size, offset);
}

static void memory_correct(rwd_sink *sink, const char *repair, rwd_slice reason) {
    rwd_memory_disk *disk = self_of(sink)->disk;
    (void)snprintf(disk->repair, sizeof(disk->repair), "%s", repair);
    (void)snprintf(disk->reason, sizeof(disk->reason), "%.*s", (int)reason.size, (const char *)reason.data);
}

static void memory_put_correction(rwd_sink *sink, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset, rwd_slice old) {
    memory_sink *self = self_of(sink);
    assert(self->open);
    rwd_transaction_put_correction(self->halves[self->open_half].rows, output, key, row, row_size, offset, old);
}

static bool memory_put_dead_letter(rwd_sink *sink, const rwd_dead_letter *letter, rwd_error *err) {
    (void)err;
    memory_sink *self = self_of(sink);
    dead_letters *dead = &self->halves[self->open_half].dead;
    assert(self->open);
    if (dead->count == dead->capacity) {
        dead->capacity = dead->capacity * 2 + 16;
        dead->offsets = rwd_realloc(dead->offsets, dead->capacity * sizeof(int64_t));
        dead->codes = rwd_realloc(dead->codes, dead->capacity * sizeof(rwd_code));
    }
    dead->offsets[dead->count] = letter->offset;
    dead->codes[dead->count++] = letter->code;
    return true;
}

static uint64_t memory_pending_bytes(const rwd_sink *sink) {
    const memory_sink *self = self_of(sink);
    return rwd_transaction_bytes(self->halves[self->open_half].rows);
}

static bool memory_ready(rwd_sink *sink) { return !self_of(sink)->running && !self_of(sink)->untold; }

static void finish(memory_sink *self, rwd_commit_outcome outcome, bool happened) {
    half *h = &self->halves[1 - self->open_half];
    if (happened) happen(self, h);
    clear_half(h);
    self->running = false;
    self->untold = true;
    self->outcome = outcome;
    self->usable = outcome == RWD_COMMIT_COMMITTED;
}

static void memory_commit_async(rwd_sink *sink, const rwd_commit *commit) {
    memory_sink *self = self_of(sink);
    assert(self->open && memory_ready(sink));
    self->open = false;
    self->open_half = 1 - self->open_half;
    self->commit = *commit;
    self->running = true;
    if (!self->usable) finish(self, RWD_COMMIT_ABORTED, false);  // failed before, and nobody recovered
    else if (!self->hold) finish(self, RWD_COMMIT_COMMITTED, true);
}

void rwd_memory_sink_hold(rwd_sink *sink) { self_of(sink)->hold = true; }

void rwd_memory_sink_release(rwd_sink *sink, rwd_commit_outcome outcome, bool happened) {
    memory_sink *self = self_of(sink);
    assert(outcome != RWD_COMMIT_IDLE && outcome != RWD_COMMIT_RUNNING);
    self->hold = false;
    if (!self->running) return;
    finish(self, outcome, outcome == RWD_COMMIT_COMMITTED || (outcome == RWD_COMMIT_UNKNOWN && happened));
}

static rwd_commit_outcome memory_poll(rwd_sink *sink, rwd_commit *out, rwd_error *err) {
    memory_sink *self = self_of(sink);
    if (self->running) return RWD_COMMIT_RUNNING;
    if (!self->untold) return RWD_COMMIT_IDLE;
    self->untold = false;
    *out = self->commit;
    switch (self->outcome) {
    case RWD_COMMIT_ABORTED: (void)rwd_fail(err, RWD_E_IO, "the commit was aborted"); break;
    case RWD_COMMIT_FENCED: (void)rwd_fail(err, RWD_E_FENCED, "another owner took over"); break;
    case RWD_COMMIT_UNKNOWN: (void)rwd_fail(err, RWD_E_SYNC_FAILED, "whether the commit happened is not known"); break;
    default: break;
    }
    return self->outcome;
}

// Who waits for a held commit sees it succeed: that is what time does.
static void memory_wait(rwd_sink *sink, int64_t timeout_ns) {
    (void)timeout_ns;
    if (self_of(sink)->running) rwd_memory_sink_release(sink, RWD_COMMIT_COMMITTED, true);
}

static void memory_stats(rwd_sink *sink, rwd_sink_stats *out) {
    memory_sink *self = self_of(sink);
    *out = (rwd_sink_stats){
        .commits = atomic_load_explicit(&self->commits, memory_order_relaxed),
        .rows = atomic_load_explicit(&self->rows, memory_order_relaxed),
        .dead_letters = atomic_load_explicit(&self->dead, memory_order_relaxed),
    };
}

// A commit that is held back when the sink is closed did not happen.
static void memory_close(rwd_sink *sink) {
    memory_sink *self = self_of(sink);
    for (size_t i = 0; i < 2; i++) {
        rwd_transaction_free(self->halves[i].rows);
        free(self->halves[i].dead.offsets);
        free(self->halves[i].dead.codes);
    }
    free(self);
}

static const rwd_sink_ops memory_ops = {
    .name = "memory",
    .peek = memory_peek,
    .recover = memory_recover,
    .holds_c = memory_holds_c,
    .begin = memory_begin,
    .put_row = memory_put_row,
    .correct = memory_correct,
    .put_correction = memory_put_correction,
    .put_dead_letter = memory_put_dead_letter,
    .pending_bytes = memory_pending_bytes,
    .ready = memory_ready,
    .commit_async = memory_commit_async,
    .poll = memory_poll,
    .wait = memory_wait,
    .stats = memory_stats,
    .close = memory_close,
};

rwd_sink *rwd_memory_sink_new(const rwd_job *job, rwd_memory_disk *disk) {
    memory_sink *self = rwd_calloc(1, sizeof(*self));
    self->sink.ops = &memory_ops;
    self->disk = disk;
    for (size_t i = 0; i < job->sink_count; i++) self->by_key[i] = job->sinks[i].emit == RWD_EMIT_COMMIT;
    for (size_t i = 0; i < 2; i++) self->halves[i].rows = rwd_transaction_new(NULL);
    return &self->sink;
}
