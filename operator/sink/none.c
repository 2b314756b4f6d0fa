// No outputs (none.h). Owns the outcome that has not been told yet.
#include "operator/sink/none.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct none_sink {
    rwd_sink sink;  // first
    rwd_commit commit;
    bool open, untold;
    atomic_uint_fast64_t commits;
} none_sink;

static none_sink *self_of(rwd_sink *sink) { return (none_sink *)sink; }

// There is no record of C: the caller goes by its checkpoints.
static bool none_recover(rwd_sink *sink, rwd_commit *out, bool *out_found, rwd_error *err) {
    (void)err;
    none_sink *self = self_of(sink);
    self->open = self->untold = false;
    *out = (rwd_commit){0};
    *out_found = false;
    return true;
}

static bool none_peek(rwd_sink *sink, rwd_commit *out, bool *out_found, rwd_error *err) {
    (void)sink, (void)err;
    *out = (rwd_commit){0};
    *out_found = false;
    return true;
}

static bool none_holds_c(const rwd_sink *sink) {
    (void)sink;
    return false;
}

static void none_begin(rwd_sink *sink) {
    assert(!self_of(sink)->open);
    self_of(sink)->open = true;
}

static void none_put_row(rwd_sink *sink, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset) {
    (void)sink, (void)output, (void)key, (void)row, (void)row_size, (void)offset;
    assert(!"a job without sinks puts no rows");
}

// A repair of a job without outputs moves the lineage, and corrects nothing.
static void none_correct(rwd_sink *sink, const char *repair, rwd_slice reason) { (void)sink, (void)repair, (void)reason; }

static void none_put_correction(rwd_sink *sink, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset, rwd_slice old) {
    (void)old;
    none_put_row(sink, output, key, row, row_size, offset);
}

static bool none_put_dead_letter(rwd_sink *sink, const rwd_dead_letter *letter, rwd_error *err) {
    (void)sink;
    return rwd_fail(err, RWD_E_INTERNAL, "a dead letter of a job that has no place for them (offset %lld)", (long long)letter->offset);
}

static uint64_t none_pending_bytes(const rwd_sink *sink) {
    (void)sink;
    return 0;
}

static bool none_ready(rwd_sink *sink) { return !self_of(sink)->untold; }

static void none_commit_async(rwd_sink *sink, const rwd_commit *commit) {
    none_sink *self = self_of(sink);
    assert(self->open && !self->untold);
    self->commit = *commit;
    self->open = false;
    self->untold = true;
    atomic_fetch_add_explicit(&self->commits, 1, memory_order_relaxed);
}

static rwd_commit_outcome none_poll(rwd_sink *sink, rwd_commit *out, rwd_error *err) {
    (void)err;
    none_sink *self = self_of(sink);
    if (!self->untold) return RWD_COMMIT_IDLE;
    self->untold = false;
    *out = self->commit;
    return RWD_COMMIT_COMMITTED;
}

static void none_wait(rwd_sink *sink, int64_t timeout_ns) { (void)sink, (void)timeout_ns; }

static void none_stats(rwd_sink *sink, rwd_sink_stats *out) {
    *out = (rwd_sink_stats){.commits = atomic_load_explicit(&self_of(sink)->commits, memory_order_relaxed)};
}

static void none_close(rwd_sink *sink) { free(self_of(sink)); }

static const rwd_sink_ops none_ops = {
    .name = "none",
    .peek = none_peek,
    .recover = none_recover,
    .holds_c = none_holds_c,
    .begin = none_begin,
    .put_row = none_put_row,
    .correct = none_correct,
    .put_correction = none_put_correction,
    .put_dead_letter = none_put_dead_letter,
    .pending_bytes = none_pending_bytes,
    .ready = none_ready,
    .commit_async = none_commit_async,
    .poll = none_poll,
    .wait = none_wait,
    .stats = none_stats,
    .close = none_close,
};

rwd_sink *rwd_none_sink_new(void) {
    none_sink *self = rwd_calloc(1, sizeof(*self));
    self->sink.ops = &none_ops;
    return &self->sink;
}
