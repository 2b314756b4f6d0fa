// Sessions: which of them an event joins, and what becomes of them (state/sessions.h says what a session is).
//
// An event makes a session of its own, makes one longer, or bridges two; one that is made longer at its beginning gets another key, and of two that become one
// the later one vanishes: so an event writes one session's row, deletes at most one, and writes the key's list where a start or an end has moved.
//
// All rows that a group of events may need are brought into memory before the first of them is applied, as for other tables. Which sessions those are is known
// from the lists as they are then: events of the group only make sessions longer or begin new ones, and each new one has the start of its event or of one that
// it joined. So what an event joins when its turn comes is among what it and the events before it gathered. What closes in between ends the group's part
// (run_group), and gathering begins anew; within one record nothing is taken away, and whether a session is still open is asked again.
//
// Thread: pipeline.
#include <assert.h>

#include "operator/pipeline/operator_private.h"
#include "state/row.h"
#include "state/sessions.h"

// The touch's own room for a key holds another start.
static void set_start(rwd_touch *touch, int64_t start) {
    assert(touch->key_size > RWD_WINDOW_START_BYTES);
    rwd_put_be64((uint8_t *)(uintptr_t)touch->key + touch->key_size - 8, (uint64_t)start ^ (1ull << 63));
    touch->window = start;
}

static void aim(rwd_touch *touch, int64_t start) {
    set_start(touch, start);
    touch->hash = rwd_key_hash(touch->table, rwd_slice_of(touch->key, touch->key_size));
}

static const uint8_t *list_of(rwd_operator *op, const rwd_touch *touches, uint32_t *out_size) {
    *out_size = 0;
    return rwd_tables_row(op->tables, &touches[RWD_SESSION_LIST], out_size);
}

// The session that begins with the event is needed unless it lies in one that is open; of the events of one record the earlier ones may have closed that by then.
static void gather(rwd_operator *op, int64_t time, rwd_touch *touches) {
    rwd_session joined[RWD_SESSIONS_JOINED_MAX];
    uint32_t size;
    const uint8_t *list = list_of(op, touches, &size);
    size_t count = rwd_sessions_joined(&op->schemas[touches->table].window, list, size, time, op->position.stream_time, joined);
    bool inside = count > 0 && joined[0].start <= time && !op->job->event.each;
    int64_t starts[RWD_SESSION_LIST];
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) starts[wanted++] = joined[i].start;
    if (!inside) starts[wanted++] = time;
    for (size_t i = 0; i < RWD_SESSION_LIST; i++) aim(&touches[i], starts[i < wanted ? i : 0]);
}

// Where the next touches of a table with sessions begin, from `*touch` of the event `*event` on. False: the events have no more.
static bool next_sessions(rwd_operator *op, size_t *event, uint32_t *touch, size_t end) {
    const rwd_group *group = &op->group;
    for (; *event < end; ++*event, *touch = 0) {
        const rwd_group_event *at = &group->events[*event];
        for (; *touch < at->touch_count; ++*touch)
            if (rwd_is_session(op, &group->touches[at->first_touch + *touch])) return true;
    }
    return false;
}

rwd_resolve rwd_sessions_gather(rwd_operator *op, size_t at_event, size_t end, rwd_error *err) {
    rwd_group *group = &op->group;
    size_t count = 0, event = at_event;
    for (uint32_t touch = 0; next_sessions(op, &event, &touch, end); touch += RWD_SESSION_TOUCHES)
        group->lists[count++] = group->touches[group->events[event].first_touch + touch + RWD_SESSION_LIST];
    rwd_resolve resolved = rwd_tables_resolve(op->tables, group->lists, count, err);
    if (resolved != RWD_RESOLVED) return resolved;
    count = 0;
    event = at_event;
    for (uint32_t touch = 0; next_sessions(op, &event, &touch, end); touch += RWD_SESSION_TOUCHES) {
        const rwd_group_event *at = &group->events[event];
        rwd_touch *touches = group->touches + at->first_touch + touch;
        touches[RWD_SESSION_LIST].slot = group->lists[count++].slot;
        gather(op, at->event.time_us, touches);
    }
    return RWD_RESOLVED;
}

bool rwd_sessions_admits(rwd_operator *op, const rwd_group_event *at, const rwd_touch *touch) {
    uint32_t size;
    const uint8_t *list = list_of(op, touch, &size);
    return rwd_sessions_admit(&op->schemas[touch->table].window, list, size, at->event.time_us, op->position.stream_time);
}

// ---- what an event makes of sessions

// The sessions that it joins as one row, before it is applied; NULL: there is none. `out_size` of it.
static bool row_before(rwd_operator *op, rwd_group_event *at, rwd_touch *touches, const rwd_session *joined, size_t count, const uint8_t **out, uint32_t *out_size) {
    *out = NULL;
    *out_size = 0;
    if (count == 0) return true;
    rwd_touch *first = &touches[RWD_SESSION_MADE], *second = &touches[RWD_SESSION_GONE];
    set_start(first, joined[0].start);
    rwd_tables_turn(op->tables, first);
    *out = rwd_tables_row(op->tables, first, out_size);
    assert(*out && "listed, so it is there");
    if (count == 1) return true;
    set_start(second, joined[1].start);
    rwd_tables_turn(op->tables, second);
    uint32_t other_size = 0, size = *out_size;
    const uint8_t *other = rwd_tables_row(op->tables, second, &other_size);
    assert(other && "listed, so it is there");
    rwd_slice row = rwd_slice_of(*out, size);
    *out = op->group.merged;
    return op->step->ops->merge(op->step, first->table, row, rwd_slice_of(other, other_size), op->group.merged, out_size, &at->fault) == RWD_CHANGE_WRITE;
}

// The touch that vanishes, if one does: the second of two, or one that begins earlier from now on.
static void turn_touches(rwd_operator *op, rwd_touch *touches, const rwd_session *joined, size_t count, int64_t start, rwd_group_row *rows) {
    rwd_touch *made = &touches[RWD_SESSION_MADE], *gone = &touches[RWD_SESSION_GONE];
    if (count == RWD_SESSIONS_JOINED_MAX) rows[RWD_SESSION_GONE].change = RWD_CHANGE_DELETE;  // it is turned to it already
    if (count > 0 && joined[0].start == start) return;
    if (count > 0) {
        assert(count == 1 && "who begins before the first of two is a gap away from the second");
        set_start(gone, joined[0].start);
        rwd_tables_turn(op->tables, gone);
        rows[RWD_SESSION_GONE].change = RWD_CHANGE_DELETE;
    }
    set_start(made, start);
    rwd_tables_turn(op->tables, made);
}

static void change_list(rwd_operator *op, rwd_touch *touches, const rwd_session *made, rwd_group_row *row, uint32_t *used) {
    uint32_t size;
    const uint8_t *list = list_of(op, touches, &size);
    row->at = *used;
    row->size = rwd_sessions_put(&op->schemas[touches->table].window, list, size, made, op->position.stream_time, op->group.rows + *used);
    if (list && row->size == size && memcmp(list, op->group.rows + *used, size) == 0) return;
    row->change = RWD_CHANGE_WRITE;
    *used += row->size;
}

bool rwd_sessions_compute(rwd_operator *op, rwd_group_event *at, uint32_t touch, uint32_t *used) {
    rwd_group *group = &op->group;
    rwd_touch *touches = group->touches + at->first_touch + touch;
    rwd_group_row *rows = group->row + touch, *row = &rows[RWD_SESSION_MADE];
    const rwd_window *window = &op->schemas[touches->table].window;
    rwd_session joined[RWD_SESSIONS_JOINED_MAX];
    uint32_t size;
    const uint8_t *list = list_of(op, touches, &size), *old;
    size_t count = rwd_sessions_joined(window, list, size, at->event.time_us, op->position.stream_time, joined);
    rwd_session made = {at->event.time_us, at->event.time_us + window->size};
    if (count > 0 && joined[0].start < made.start) made.start = joined[0].start;
    if (count > 0 && joined[count - 1].end > made.end) made.end = joined[count - 1].end;
    if (!row_before(op, at, touches, joined, count, &old, &size)) return false;
    row->at = *used;
    row->change = op->step->ops->apply(op->step, &at->event, &touches[RWD_SESSION_MADE], old, size, group->rows + *used, &row->size, &at->fault);
    if (row->change == RWD_CHANGE_FAULT) return false;
    rwd_row_set_window_end(group->rows + *used, made.end);
    *used += row->size;
    turn_touches(op, touches, joined, count, made.start, rows);
    change_list(op, touches, &made, &rows[RWD_SESSION_LIST], used);
    return true;
}
