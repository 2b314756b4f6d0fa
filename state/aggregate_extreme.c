// min and max.
//
// Cells:
//   int, time, float, decimal, bool   fixed: 1 byte present (0 | 1), then the value, little-endian: 8 bytes, 16 (decimal) or 1 (bool); all zero while absent
//   string, bytes                     variable: 1 byte 0x01, then the bytes; nothing while absent
// Texts are ordered by their bytes, which is the order of code points. The least and greatest of no values are null.
//
// What must stay true: a cell changes only to another valid cell, or not at all.
#include <assert.h>

#include "state/aggregate_private.h"

#define PRESENT 1
#define TEXT_HEADER 1u

#define KEEP(name, type, load, store)                                                              \
    static rwd_code name(uint8_t *cell, type v, bool greatest) {                                   \
        if (cell[0]) {                                                                             \
            type old = load(cell + 1);                                                             \
            if (greatest ? v <= old : v >= old) return RWD_E_NONE;                                 \
        }                                                                                          \
        cell[0] = PRESENT;                                                                         \
        store(cell + 1, v);                                                                        \
        return RWD_E_NONE;                                                                         \
    }
static bool load_bool(const uint8_t *at) { return *at != 0; }
static void store_bool(uint8_t *at, bool v) { *at = v; }
KEEP(keep_i64, int64_t, load_i64, store_i64)
KEEP(keep_i128, rwd_i128, load_i128, store_i128)
KEEP(keep_f64, double, load_f64, store_f64)
KEEP(keep_bool, bool, load_bool, store_bool)

#define UPDATE(name, keep, member, greatest)                                                                                            \
    static rwd_code name(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {                      \
        (void)how, (void)when;                                                                                                          \
        return value->present ? keep(cell, value->member, greatest) : RWD_E_NONE;                                                       \
    }
UPDATE(min_i64, keep_i64, i, false)
UPDATE(max_i64, keep_i64, i, true)
UPDATE(min_i128, keep_i128, d, false)
UPDATE(max_i128, keep_i128, d, true)
UPDATE(min_f64, keep_f64, f, false)
UPDATE(max_f64, keep_f64, f, true)
UPDATE(min_bool, keep_bool, b, false)
UPDATE(max_bool, keep_bool, b, true)

static const rwd_cell_update updates[RWD_TYPE_COUNT][2] = {
    [RWD_TYPE_INT] = {min_i64, max_i64},   [RWD_TYPE_TIME] = {min_i64, max_i64},    [RWD_TYPE_DECIMAL] = {min_i128, max_i128},
    [RWD_TYPE_FLOAT] = {min_f64, max_f64}, [RWD_TYPE_BOOL] = {min_bool, max_bool},
};
static rwd_cell_update min_update(const rwd_cell_type *how) { return updates[how->arg][0]; }
static rwd_cell_update max_update(const rwd_cell_type *how) { return updates[how->arg][1]; }

static rwd_code keep_text(uint8_t *tail, uint32_t *size, uint32_t room, rwd_slice text, bool greatest) {
    if (*size > 0) {
        int order = rwd_slice_compare(text, rwd_slice_of(tail + TEXT_HEADER, *size - TEXT_HEADER));
        if (greatest ? order <= 0 : order >= 0) return RWD_E_NONE;
    }
    if (room < TEXT_HEADER || text.size > room - TEXT_HEADER) return RWD_E_TOO_LARGE;
    tail[0] = PRESENT;
    if (text.size > 0) memcpy(tail + TEXT_HEADER, text.data, text.size);
    *size = TEXT_HEADER + (uint32_t)text.size;
    return RWD_E_NONE;
}
static rwd_code min_text(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const rwd_value *value, const rwd_moment *when) {
    (void)how, (void)when;
    return value->present ? keep_text(tail, size, room, value->s, false) : RWD_E_NONE;
}
static rwd_code max_text(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const rwd_value *value, const rwd_moment *when) {
    (void)how, (void)when;
    return value->present ? keep_text(tail, size, room, value->s, true) : RWD_E_NONE;
}
static rwd_tail_update min_grow(const rwd_cell_type *how) { return is_text(how->arg) ? min_text : NULL; }
static rwd_tail_update max_grow(const rwd_cell_type *how) { return is_text(how->arg) ? max_text : NULL; }

static uint32_t extreme_size(const rwd_cell_type *how) { return is_text(how->arg) ? 0 : 1 + rwd_cell_value_size(how->arg); }
static rwd_type extreme_result(const rwd_cell_type *how) { return how->arg; }
static bool extreme_valid(const rwd_cell_type *how, const uint8_t *tail, uint32_t size) {
    (void)how;
    return size == 0 || tail[0] == PRESENT;
}

static void extreme_read(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    *out = (rwd_value){.present = false};
    if (is_text(how->arg) && size > 0) *out = text_value(cell + TEXT_HEADER, size - TEXT_HEADER);
    else if (!is_text(how->arg) && cell[0]) *out = rwd_cell_value_get(how->arg, cell + 1);
}

static rwd_code merge(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size, bool greatest) {
    static const rwd_moment never = {0};
    rwd_value value;
    extreme_read(how, other, other_size, &value);
    if (!value.present) return RWD_E_NONE;
    return is_text(how->arg) ? keep_text(cell, size, room, value.s, greatest) : updates[how->arg][greatest](how, cell, &value, &never);
}
static rwd_code min_merge(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    return merge(how, cell, size, room, other, other_size, false);
}
static rwd_code max_merge(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    return merge(how, cell, size, room, other, other_size, true);
}

const rwd_aggregate rwd_aggregate_min = {
    .name = "min", .doc = "the least value of a field; null when there was none", .takes_field = true, .types = TYPES_ALL, .order_free = true, .complete = true,
    .size = extreme_size, .update = min_update, .grow = min_grow, .merge = min_merge, .read = extreme_read, .result = extreme_result, .valid = extreme_valid,
};
const rwd_aggregate rwd_aggregate_max = {
    .name = "max", .doc = "the greatest value of a field; null when there was none", .takes_field = true, .types = TYPES_ALL, .order_free = true, .complete = true,
    .size = extreme_size, .update = max_update, .grow = max_grow, .merge = max_merge, .read = extreme_read, .result = extreme_result, .valid = extreme_valid,
};
