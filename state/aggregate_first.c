// first and last: the value at the earliest or latest event time. Ties go by offset, then by the event's place in its record.
//
// Cells, numbers little-endian:
//   int, time, float, decimal, bool   fixed: 1 byte present (0 | 1), event time 8, offset 8, ordinal 4, then the value: 8 bytes, 16 (decimal) or 1 (bool);
//                                     all zero while absent
//   string, bytes                     variable: event time 8, offset 8, ordinal 4, then the bytes; nothing while absent
// A moment names one event, so the answer does not depend on the order in which events came.
//
// What must stay true: a cell changes only to another valid cell, or not at all.
#include <assert.h>

#include "state/aggregate_private.h"

#define PRESENT 1
#define MOMENT_BYTES 20u

static void put_moment(uint8_t *at, const rwd_moment *when) {
    store_i64(at, when->time_us);
    store_i64(at + 8, when->offset);
    rwd_put_le32(at + 16, when->ordinal);
}

static rwd_moment moment_at(const uint8_t *at) { return (rwd_moment){load_i64(at), load_i64(at + 8), rwd_get_le32(at + 16)}; }

static bool is_before(const rwd_moment *a, const rwd_moment *b) {
    if (a->time_us != b->time_us) return a->time_us < b->time_us;
    if (a->offset != b->offset) return a->offset < b->offset;
    return a->ordinal < b->ordinal;
}

// Whether a value of `when` takes the place of the one kept at `at`.
static bool replaces(const uint8_t *at, const rwd_moment *when, bool latest) {
    rwd_moment kept = moment_at(at);
    return latest ? !is_before(when, &kept) : is_before(when, &kept);
}

static rwd_code keep(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when, bool latest) {
    if (!value->present || (cell[0] && !replaces(cell + 1, when, latest))) return RWD_E_NONE;
    cell[0] = PRESENT;
    put_moment(cell + 1, when);
    rwd_cell_value_put(how->arg, value, cell + 1 + MOMENT_BYTES);
    return RWD_E_NONE;
}
static rwd_code keep_first(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {
    return keep(how, cell, value, when, false);
}
static rwd_code keep_last(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {
    return keep(how, cell, value, when, true);
}
static rwd_cell_update first_update(const rwd_cell_type *how) { return is_text(how->arg) ? NULL : keep_first; }
static rwd_cell_update last_update(const rwd_cell_type *how) { return is_text(how->arg) ? NULL : keep_last; }

static rwd_code keep_text(uint8_t *tail, uint32_t *size, uint32_t room, const rwd_value *value, const rwd_moment *when, bool latest) {
    if (!value->present || (*size > 0 && !replaces(tail, when, latest))) return RWD_E_NONE;
    if (room < MOMENT_BYTES || value->s.size > room - MOMENT_BYTES) return RWD_E_TOO_LARGE;
    put_moment(tail, when);
    if (value->s.size > 0) memcpy(tail + MOMENT_BYTES, value->s.data, value->s.size);
    *size = MOMENT_BYTES + (uint32_t)value->s.size;
    return RWD_E_NONE;
}
static rwd_code first_text(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const rwd_value *value, const rwd_moment *when) {
    (void)how;
    return keep_text(tail, size, room, value, when, false);
}
static rwd_code last_text(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const rwd_value *value, const rwd_moment *when) {
    (void)how;
    return keep_text(tail, size, room, value, when, true);
}
static rwd_tail_update first_grow(const rwd_cell_type *how) { return is_text(how->arg) ? first_text : NULL; }
static rwd_tail_update last_grow(const rwd_cell_type *how) { return is_text(how->arg) ? last_text : NULL; }

static uint32_t first_size(const rwd_cell_type *how) { return is_text(how->arg) ? 0 : 1 + MOMENT_BYTES + rwd_cell_value_size(how->arg); }
static rwd_type first_result(const rwd_cell_type *how) { return how->arg; }
static bool first_valid(const rwd_cell_type *how, const uint8_t *tail, uint32_t size) {
    (void)how, (void)tail;
    return size == 0 || size >= MOMENT_BYTES;
}

static void first_read(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    *out = (rwd_value){.present = false};
    if (is_text(how->arg) && size > 0) *out = text_value(cell + MOMENT_BYTES, size - MOMENT_BYTES);
    else if (!is_text(how->arg) && cell[0]) *out = rwd_cell_value_get(how->arg, cell + 1 + MOMENT_BYTES);
}

static rwd_code merge(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size, bool latest) {
    rwd_value value;
    first_read(how, other, other_size, &value);
    if (!value.present) return RWD_E_NONE;
    rwd_moment when = moment_at(is_text(how->arg) ? other : other + 1);
    return is_text(how->arg) ? keep_text(cell, size, room, &value, &when, latest) : keep(how, cell, &value, &when, latest);
}
static rwd_code first_merge(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    return merge(how, cell, size, room, other, other_size, false);
}
static rwd_code last_merge(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    return merge(how, cell, size, room, other, other_size, true);
}

const rwd_aggregate rwd_aggregate_first = {
    .name = "first", .doc = "the value of a field at the earliest event time, ties by offset; null when there was none", .takes_field = true, .types = TYPES_ALL,
    .order_free = true, .complete = true, .dated = true, .size = first_size, .update = first_update, .grow = first_grow, .merge = first_merge, .read = first_read, .result = first_result,
    .valid = first_valid,
};
const rwd_aggregate rwd_aggregate_last = {
    .name = "last", .doc = "the value of a field at the latest event time, ties by offset; null when there was none", .takes_field = true, .types = TYPES_ALL,
    .order_free = true, .complete = true, .dated = true, .size = first_size, .update = last_update, .grow = last_grow, .merge = last_merge, .read = first_read, .result = first_result,
    .valid = first_valid,
};
