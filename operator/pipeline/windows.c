// What stream time makes due (S4): windows close, and are published where a sink asks for it; windows that have served their time leave.
//
// Both happen at a record boundary, behind the record that moved the stream time, in order of (due, table, key), and the next record is applied only when
// nothing is due any more: so they fall at the same place in every run. A million of them may be due at once: they go in portions, with commits and
// checkpoints in between, and the count since the last record is a part of the position (C7), so that a crash in the midst of it neither repeats nor
// skips one.
//
// Each row of a windowed table has one timer: for its close where a sink publishes that, and from then on, or else at once, for its leaving. A timer whose
// row is gone is ignored. A session always has one for its close, since it is listed as open until then; when it comes and the session has gone on meanwhile, it
// gets another, in its order among those that are due.
//
// A window that leaves is no change of a result: no tombstone is published for it.
//
// Thread: pipeline.
#include <assert.h>

#include "operator/base/crash_point.h"
#include "operator/pipeline/operator_private.h"
#include "state/row.h"
#include "state/sessions.h"

static const rwd_schema *schema_of(const rwd_operator *op, uint16_t table) { return &op->schemas[table]; }

static bool publishes_closes(const rwd_operator *op, uint16_t table) {
    for (size_t s = 0; s < op->job->sink_count; s++)
        if (op->job->sinks[s].table == table && op->job->sinks[s].emit == RWD_EMIT_CLOSE) return true;
    return false;
}

void rwd_window_begins(rwd_operator *op, const rwd_touch *touch, const uint8_t *row) {
    const rwd_schema *schema = schema_of(op, touch->table);
    int64_t end = rwd_row_window_end(schema, touch->window, row);
    bool closes = schema->window.kind == RWD_WINDOW_SESSION || publishes_closes(op, touch->table);
    int64_t due = closes ? rwd_window_closes(&schema->window, end) : rwd_window_leaves(&schema->window, end);
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

// A closed session is listed no more. `list` is the touch of the key's list.
static void unlist(rwd_operator *op, const rwd_touch *session, const rwd_touch *list) {
    uint32_t size;
    const uint8_t *row = rwd_tables_row(op->tables, list, &size);
    if (!row) return;
    uint32_t left = rwd_sessions_remove(row, size, session->window, op->group.rows);
    if (left == 0) rwd_tables_delete(op->tables, list);
    else if (left < size) rwd_tables_write(op->tables, list, op->group.rows, left);
}

// `list`: of a session; else it is not looked at.
static void close_one(rwd_operator *op, const rwd_timer *timer, const rwd_touch *touch, const rwd_touch *list, bool live) {
    uint32_t size = 0;
    const uint8_t *row = rwd_tables_row(op->tables, touch, &size);
    if (!row) return;
    const rwd_schema *schema = schema_of(op, touch->table);
    int64_t end = rwd_row_window_end(schema, touch->window, row), leaves = rwd_window_leaves(&schema->window, end);
    bool closes = timer->due == rwd_window_closes(&schema->window, end);
    if (live && closes && publishes_closes(op, touch->table)) publish_close(op, touch, row, size);
    if (closes && schema->window.kind == RWD_WINDOW_SESSION) unlist(op, touch, list);
    if (leaves <= op->position.stream_time) leave(op, touch, live, row, size);
    else rwd_timers_add(op->timers, leaves, touch->table, rwd_slice_of(touch->key, touch->key_size));
}

// ---- sessions that went on

// When the session's close is due, if that is later than this timer says.
static bool goes_on(const rwd_operator *op, const rwd_timer *timer, const rwd_touch *touch, int64_t *out_due) {
    const rwd_schema *schema = schema_of(op, touch->table);
    uint32_t size;
    const uint8_t *row = schema->window.kind == RWD_WINDOW_SESSION ? rwd_tables_row(op->tables, touch, &size) : NULL;
    if (row) *out_due = rwd_window_closes(&schema->window, rwd_row_window_end(schema, touch->window, row));
    return row && timer->due < *out_due;
}

static bool comes_before(const rwd_timer *a, const rwd_timer *b) {
    if (a->due != b->due) return a->due < b->due;
    if (a->table != b->table) return a->table < b->table;
    return rwd_slice_compare(a->key, b->key) < 0;
}

// How many of the timers can be done with before another takes its place among them: that of a session that went on, and is due by now all the same.
static size_t undisturbed(const rwd_operator *op, size_t count) {
    rwd_timer first = {0};
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (any && !comes_before(&op->due[i], &first)) return i;
        rwd_timer again = op->due[i];
        if (!goes_on(op, &op->due[i], &op->due_touches[i], &again.due) || again.due > op->position.stream_time) continue;
        if (!any || comes_before(&again, &first)) first = again;
        any = true;
    }
    return count;
}

static void keep_for_later(rwd_operator *op, const rwd_timer *timer, int64_t due) {
    uint8_t head[14];
    rwd_put_be64(head, (uint64_t)due);
    rwd_put_be16(head + 8, timer->table);
    rwd_put_be32(head + 10, (uint32_t)timer->key.size);
    rwd_buf_append(&op->due_again, head, sizeof head);
    rwd_buf_append_slice(&op->due_again, timer->key);
}

// Behind the pass: these may stand among the timers that were read.
static void add_again(rwd_operator *op) {
    for (size_t at = 0; at < op->due_again.size;) {
        const uint8_t *head = op->due_again.data + at;
        rwd_slice key = rwd_slice_of(head + 14, rwd_get_be32(head + 10));
        rwd_timers_add(op->timers, (int64_t)rwd_get_be64(head), rwd_get_be16(head + 8), key);
        at += 14 + key.size;
    }
    rwd_buf_clear(&op->due_again);
}

// ---- portions

static rwd_touch touch_of(uint16_t table, rwd_slice key) {
    return (rwd_touch){.hash = rwd_key_hash(table, key), .key = key.data, .key_size = (uint32_t)key.size, .table = table};
}

// The rows of the first `count` timers that were read, and behind them the lists of those that are sessions, into memory.
static rwd_resolve resolve_due(rwd_operator *op, size_t count, rwd_error *err) {
    size_t lists = 0;
    for (size_t i = 0; i < count; i++) {
        const rwd_timer *timer = &op->due[i];
        const rwd_schema *schema = schema_of(op, timer->table);
        op->due_touches[i] = touch_of(timer->table, timer->key);
        op->due_touches[i].window = rwd_key_window_start(timer->key);
        if (schema->window.kind == RWD_WINDOW_SESSION) op->due_touches[count + lists++] = touch_of(schema->sessions, rwd_sessions_key(timer->key));
    }
    return count > 0 ? rwd_tables_resolve(op->tables, op->due_touches, count + lists, err) : RWD_RESOLVED;
}

// The first `count` of the `resolved` timers.
static void close_resolved(rwd_operator *op, size_t count, size_t resolved, bool live) {
    const rwd_touch *list = op->due_touches + resolved;
    for (size_t i = 0; i < count; i++) {
        int64_t due;
        bool session = rwd_is_session(op, &op->due_touches[i]);
        if (goes_on(op, &op->due[i], &op->due_touches[i], &due)) keep_for_later(op, &op->due[i], due);
        else close_one(op, &op->due[i], &op->due_touches[i], list, live);
        list += session;
    }
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
    rwd_resolve resolved = resolve_due(op, count, err);
    while (resolved == RWD_RESOLVE_FULL && count > 1 && !rwd_can_relieve(op, live)) {
        count /= 2;
        resolved = resolve_due(op, count, err);
    }
    if (resolved == RWD_RESOLVE_FAILED) return false;
    if (resolved == RWD_RESOLVE_FULL) {
        *out_again = true;
        return rwd_relieve(op, live, err);  // K2: nothing has changed; what was read is read again
    }
    size_t most = op->has_sessions ? undisturbed(op, count) : count;
    close_resolved(op, most, count, live);
    rwd_timers_pass(op->timers, most);
    add_again(op);
    op->position.closings += most;
    op->at_boundary = op->at_boundary && most == 0;
    *out_count = most;
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
