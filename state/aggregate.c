// The aggregates: count, sum, min, max. Each is a few functions over a cell and one row of the table at the end.
//
// Cells (little-endian, no padding, the same bytes in memory, in the store and under the digest):
//   count         8 bytes  how many
//   sum(int)      8 bytes  the sum; 0 when no value came
//   sum(decimal) 16 bytes  the sum; 0 when no value came
//   sum(float)    8 bytes  the sum in the order of events, rounded at each step to nearest, ties to even
//   min, max      1 byte present (0 | 1), then the value: 8 bytes (int, time, float) or 16 (decimal); all zero while absent
// A sum of no values is 0, as people expect of a running total; the least and greatest of no values are null.
//
// What must stay true: a cell changes only to another valid cell, or not at all (overflow).
#include "state/aggregate.h"

#include <assert.h>

#include "operator/base/float.h"

#define TYPE_BIT(type) (1u << RWD_TYPE_##type)

static int64_t load_i64(const uint8_t *at) {
    int64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}
static void store_i64(uint8_t *at, int64_t v) { memcpy(at, &v, sizeof v); }
static rwd_i128 load_i128(const uint8_t *at) {
    rwd_i128 v;
    memcpy(&v, at, sizeof v);
    return v;
}
static void store_i128(uint8_t *at, rwd_i128 v) { memcpy(at, &v, sizeof v); }

static double load_f64(const uint8_t *at) {
    double v;
    memcpy(&v, at, sizeof v);
    return v;
}
static void store_f64(uint8_t *at, double v) { memcpy(at, &v, sizeof v); }

static bool is_wide(rwd_type arg) { return arg == RWD_TYPE_DECIMAL; }

// ---------------------------------------------------------------------------------------------- count and sum
static rwd_code add_i64(uint8_t *cell, int64_t more) {
    int64_t sum;
    if (!rwd_i64_add(load_i64(cell), more, &sum)) return RWD_E_OVERFLOW;
    store_i64(cell, sum);
    return RWD_E_NONE;
}

static rwd_code add_i128(uint8_t *cell, rwd_i128 more) {
    rwd_i128 sum;
    if (!rwd_i128_add(load_i128(cell), more, &sum)) return RWD_E_OVERFLOW;
    store_i128(cell, sum);
    return RWD_E_NONE;
}

static rwd_code add_f64(uint8_t *cell, double more) {
    double sum;
    if (!rwd_float_normal(load_f64(cell) + more, &sum)) return RWD_E_OVERFLOW;
    store_f64(cell, sum);
    return RWD_E_NONE;
}

static rwd_code count_event(uint8_t *cell, const rwd_value *value) {
    (void)value;
    return add_i64(cell, 1);
}
static rwd_cell_update count_update(rwd_type arg) {
    (void)arg;
    return count_event;
}
static uint32_t count_size(rwd_type arg) {
    (void)arg;
    return 8;
}
static rwd_type count_result(rwd_type arg) {
    (void)arg;
    return RWD_TYPE_INT;
}
static rwd_code count_merge(rwd_type arg, uint8_t *cell, const uint8_t *other) {
    (void)arg;
    return add_i64(cell, load_i64(other));
}
static void count_read(rwd_type arg, const uint8_t *cell, rwd_value *out) {
    (void)arg;
    *out = (rwd_value){.i = load_i64(cell), .present = true};
}

static rwd_code sum_int(uint8_t *cell, const rwd_value *value) { return value->present ? add_i64(cell, value->i) : RWD_E_NONE; }
static rwd_code sum_decimal(uint8_t *cell, const rwd_value *value) { return value->present ? add_i128(cell, value->d) : RWD_E_NONE; }
static rwd_code sum_float(uint8_t *cell, const rwd_value *value) { return value->present ? add_f64(cell, value->f) : RWD_E_NONE; }
static rwd_cell_update sum_update(rwd_type arg) { return is_wide(arg) ? sum_decimal : arg == RWD_TYPE_FLOAT ? sum_float : sum_int; }
static uint32_t sum_size(rwd_type arg) { return is_wide(arg) ? 16 : 8; }
static rwd_type sum_result(rwd_type arg) { return arg; }
static rwd_code sum_merge(rwd_type arg, uint8_t *cell, const uint8_t *other) {
    if (arg == RWD_TYPE_FLOAT) return add_f64(cell, load_f64(other));
    return is_wide(arg) ? add_i128(cell, load_i128(other)) : add_i64(cell, load_i64(other));
}
static void sum_read(rwd_type arg, const uint8_t *cell, rwd_value *out) {
    *out = (rwd_value){.present = true};
    if (is_wide(arg)) out->d = load_i128(cell);
    else if (arg == RWD_TYPE_FLOAT) out->f = load_f64(cell);
    else out->i = load_i64(cell);
}

static void zero_init8(rwd_type arg, uint8_t *cell) {
    (void)arg;
    memset(cell, 0, 8);
}
static void sum_init(rwd_type arg, uint8_t *cell) { memset(cell, 0, sum_size(arg)); }

// ---------------------------------------------------------------------------------------------- min and max
static void keep_i64(uint8_t *cell, int64_t v, bool greatest) {
    if (cell[0]) {
        int64_t old = load_i64(cell + 1);
        if (greatest ? v <= old : v >= old) return;
    }
    cell[0] = 1;
    store_i64(cell + 1, v);
}

static void keep_i128(uint8_t *cell, rwd_i128 v, bool greatest) {
    if (cell[0]) {
        rwd_i128 old = load_i128(cell + 1);
        if (greatest ? v <= old : v >= old) return;
    }
    cell[0] = 1;
    store_i128(cell + 1, v);
}

static void keep_f64(uint8_t *cell, double v, bool greatest) {
    if (cell[0]) {
        double old = load_f64(cell + 1);
        if (greatest ? v <= old : v >= old) return;
    }
    cell[0] = 1;
    store_f64(cell + 1, v);
}

static rwd_code min_i64(uint8_t *cell, const rwd_value *value) {
    if (value->present) keep_i64(cell, value->i, false);
    return RWD_E_NONE;
}
static rwd_code min_i128(uint8_t *cell, const rwd_value *value) {
    if (value->present) keep_i128(cell, value->d, false);
    return RWD_E_NONE;
}
static rwd_code max_i64(uint8_t *cell, const rwd_value *value) {
    if (value->present) keep_i64(cell, value->i, true);
    return RWD_E_NONE;
}
static rwd_code max_i128(uint8_t *cell, const rwd_value *value) {
    if (value->present) keep_i128(cell, value->d, true);
    return RWD_E_NONE;
}
static rwd_code min_f64(uint8_t *cell, const rwd_value *value) {
    if (value->present) keep_f64(cell, value->f, false);
    return RWD_E_NONE;
}
static rwd_code max_f64(uint8_t *cell, const rwd_value *value) {
    if (value->present) keep_f64(cell, value->f, true);
    return RWD_E_NONE;
}
static rwd_cell_update min_update(rwd_type arg) { return is_wide(arg) ? min_i128 : arg == RWD_TYPE_FLOAT ? min_f64 : min_i64; }
static rwd_cell_update max_update(rwd_type arg) { return is_wide(arg) ? max_i128 : arg == RWD_TYPE_FLOAT ? max_f64 : max_i64; }
static uint32_t extreme_size(rwd_type arg) { return is_wide(arg) ? 17 : 9; }
static void extreme_init(rwd_type arg, uint8_t *cell) { memset(cell, 0, extreme_size(arg)); }
static rwd_type extreme_result(rwd_type arg) { return arg; }

static void extreme_read(rwd_type arg, const uint8_t *cell, rwd_value *out) {
    *out = (rwd_value){.present = cell[0] != 0};
    if (is_wide(arg)) out->d = load_i128(cell + 1);
    else if (arg == RWD_TYPE_FLOAT) out->f = load_f64(cell + 1);
    else out->i = load_i64(cell + 1);
}
static rwd_code min_merge(rwd_type arg, uint8_t *cell, const uint8_t *other) {
    rwd_value value;
    extreme_read(arg, other, &value);
    return min_update(arg)(cell, &value);
}
static rwd_code max_merge(rwd_type arg, uint8_t *cell, const uint8_t *other) {
    rwd_value value;
    extreme_read(arg, other, &value);
    return max_update(arg)(cell, &value);
}

// ---------------------------------------------------------------------------------------------- the table
static const rwd_aggregate aggregates[] = {
    {.name = "count", .doc = "how many events the key has had", .takes_field = false, .types = 0, .order_free = true,
     .size = count_size, .init = zero_init8, .update = count_update, .merge = count_merge, .read = count_read,
     .result = count_result},
    {.name = "sum", .doc = "the exact sum of a field (of floats: each step rounds); 0 when there was no value", .takes_field = true,
     .types = TYPE_BIT(INT) | TYPE_BIT(DECIMAL) | TYPE_BIT(FLOAT), .order_free = true, .rounded = TYPE_BIT(FLOAT),
     .size = sum_size, .init = sum_init, .update = sum_update, .merge = sum_merge, .read = sum_read, .result = sum_result},
    {.name = "min", .doc = "the least value of a field; null when there was none", .takes_field = true,
     .types = TYPE_BIT(INT) | TYPE_BIT(DECIMAL) | TYPE_BIT(TIME) | TYPE_BIT(FLOAT), .order_free = true,
     .size = extreme_size, .init = extreme_init, .update = min_update, .merge = min_merge, .read = extreme_read,
     .result = extreme_result},
    {.name = "max", .doc = "the greatest value of a field; null when there was none", .takes_field = true,
     .types = TYPE_BIT(INT) | TYPE_BIT(DECIMAL) | TYPE_BIT(TIME) | TYPE_BIT(FLOAT), .order_free = true,
     .size = extreme_size, .init = extreme_init, .update = max_update, .merge = max_merge, .read = extreme_read,
     .result = extreme_result},
};

const rwd_aggregate *rwd_aggregate_at(size_t index) {
    return index < sizeof aggregates / sizeof *aggregates ? &aggregates[index] : NULL;
}

const rwd_aggregate *rwd_aggregate_find(const char *name) {
    for (size_t i = 0; i < sizeof aggregates / sizeof *aggregates; i++) {
        if (strcmp(aggregates[i].name, name) == 0) return &aggregates[i];
    }
    return NULL;
}
