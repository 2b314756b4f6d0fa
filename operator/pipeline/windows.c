// What stream time makes due (S4): windows close, and are published where a sink asks for it; windows that have served their time leave.
//
// Both happen at a record boundary, behind the record that moved the stream time, in order of (due, table, key), and the next record is applied only when
// nothing is due any more: so they fall at the same place in every run. A million of them may be due at once: they go in portions, with commits and
// checkpoints in between, and the count since the last record is a part of the position (C7), so that a crash in the midst of it neither repeats nor
// skips one.
//
// Each row of a windowed table has one timer: for its close where a sink publishes that, and from then on, or else at once, for its leaving. A timer whose
// row is gone is ignored.
//
// A window that leaves is no change of a result: no tombstone is published for it.
//
// Thread: pipeline.
#include <assert.h>

#include "operator/base/crash_point.h"
#include "operator/pipeline/operator_private.h"

static const rwd_schema *schema_of(const rwd_operator *op, uint16_t table) { return &op->job->tables[table].schema; }

static bool publishes_closes(const rwd_operator *op, uint16_t table) {
    for (size_t s = 0; s < op->job->sink_count; s++)
        if (op->job->sinks[s].table == table && op->job->sinks[s].emit == RWD_EMIT_CLOSE) return true;
    return false;
}

void rwd_window_begins(rwd_operator *op, const rwd_touch *touch) {
    const rwd_window *window = &schema_of(op, touch->table)->window;
    int64_t due = publishes_closes(op, touch->table) ? rwd_window_closes(window, touch->window) : rwd_window_leaves(window, touch->window);
    rwd_timers_add(op->timers, due, touch->table, rwd_slice_of(touch->key, touch->key_size));
}

static void publish_close(rwd_operator *op, const rwd_touch *touch, const uint8_t *row, uint32_t size) {
    if (op->sink->ops->stamp) op->sink->ops->stamp(op->sink, op->position.stream_time);  // E2: of the event that closed it
    uint32_t passes = rwd_sinks_passed(op, RWD_EMIT_CLOSE, touch->table, rwd_slice_of(touch->key, touch->key_size), row);
    for (size_t s = 0; s < op->job->sink_count; s++) {
        if (!(passes >> s & 1)) continue;
        op->sink->ops->put_row(op->sink, s, rwd_slice_of(touch->key, touch->key_size), row, size, op->position.next_offset - 1);
    }
}

// Its last value is published if that has not happened yet; then the row goes.
static void leave(rwd_operator *op, const rwd_touch *touch, bool live, const uint8_t *row, uint32_t size) {
    uint64_t passed;
    if (live && rwd_tables_is_changed(op->tables, touch, &passed)) {
        if (op->sink->ops->stamp) op->sink->ops->stamp(op->sink, op->record_time_us);  // E2: as at a commit
        rwd_put_change(op, touch->table, rwd_slice_of(touch->key, touch->key_size), row, size, passed);
    }
    if (op->watch) rwd_watch_leave(op->watch, touch, row);
    rwd_tables_retire(op->tables, touch);
}

static void close_one(rwd_operator *op, const rwd_timer *timer, const rwd_touch *touch, bool live) {
    uint32_t size = 0;
    const uint8_t *row = rwd_tables_row(op->tables, touch, &size);
    if (!row) return;
    const rwd_window *window = &schema_of(op, touch->table)->window;
    int64_t leaves = rwd_window_leaves(window, touch->window);
    if (live && publishes_closes(op, touch->table) && timer->due == rwd_window_closes(window, touch->window)) publish_close(op, touch, row, size);
    if (leaves <= op->position.stream_time) leave(op, touch, live, row, size);
    else rwd_timers_add(op->timers, leaves, touch->table, rwd_slice_of(touch->key, touch->key_size));
}

// How many may go now: during replay no more than C names (C7).
static size_t portion(const rwd_operator *op) {
    if (op->position.next_offset != op->hold_offset) return RWD_CLOSE_PORTION;
    uint64_t left = op->hold_closings > op->position.closings ? op->hold_closings - op->position.closings : 0;
    return left < RWD_CLOSE_PORTION ? (size_t)left : RWD_CLOSE_PORTION;
}

// One portion. `out_count` 0: nothing is left, or (again true) memory had to be made first.
static bool close_some(rwd_operator *op, bool live, size_t *out_count, bool *out_again, rwd_error *err) {
    size_t count = 0;
    *out_again = false;
    *out_count = 0;
    if (!rwd_timers_read(op->timers, op->position.stream_time, portion(op), op->due, &count, err)) return false;
    for (size_t i = 0; i < count; i++) {
        rwd_slice key = op->due[i].key;
        op->due_touches[i] = (rwd_touch){.hash = rwd_key_hash(op->due[i].table, key), .key = key.data, .key_size = (uint32_t)key.size,
                                         .table = op->due[i].table, .window = rwd_key_window_start(key)};
    }
    rwd_resolve resolved = count ? rwd_tables_resolve(op->tables, op->due_touches, count, err) : RWD_RESOLVED;
    while (resolved == RWD_RESOLVE_FULL && count > 1 && !rwd_can_relieve(op, live)) {
        count /= 2;
        resolved = rwd_tables_resolve(op->tables, op->due_touches, count, err);
    }
    if (resolved == RWD_RESOLVE_FAILED) return false;
    if (resolved == RWD_RESOLVE_FULL) {
        *out_again = true;
        return rwd_relieve(op, live, err);  // K2: nothing has changed; what was read is read again
    }
    for (size_t i = 0; i < count; i++) close_one(op, &op->due[i], &op->due_touches[i], live);
    rwd_timers_pass(op->timers, count);
    op->position.closings += count;
    op->at_boundary = op->at_boundary && count == 0;
    *out_count = count;
    return true;
}

bool rwd_close_windows(rwd_operator *op, bool live, rwd_error *err) {
    size_t since = 0;
    while (rwd_windows_due(op)) {
        size_t count;
        bool again;
        if (!close_some(op, live, &count, &again, err)) return false;
        if (count == 0 && !again) return true;  // held (C7)
        RWD_CRASH_POINT(windows_closed);
        since += count;
        if (since < RWD_CLOSE_BOUNDARY || !rwd_windows_due(op)) continue;
        since = 0;
        if (live && !rwd_batch_boundary(op, err)) return false;
        if (!live && op->freeze_at >= 0) rwd_checkpointer_sweep(op->checkpointer, RWD_SWEEP_SLOTS);
    }
    return true;
}
