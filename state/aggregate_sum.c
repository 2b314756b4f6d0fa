// count, sum, mean.
//
// Cells, all fixed, numbers little-endian:
//   count          8 bytes  how many
//   sum(int)       8 bytes  the sum
//   sum(decimal)  16 bytes  the sum
//   sum(float)     8 bytes  the sum in the order of events, rounded at each step to nearest, ties to even
//   mean(int, decimal)  24 bytes  how many values, 8; their sum, 16
//   mean(float)   16 bytes  how many values, 8; their sum as sum(float) has it, 8
// A sum of no values is 0, as people expect of a running total; the mean of no values is null.
//
// mean of ints and decimals is the exact quotient, rounded half-even once, when it is read. Its scale is the parameter, or 6 for ints and four digits
// more than the argument (18 at most) for decimals. An argument whose mean could be too large for that scale is an overflow.
//
// What must stay true: a cell changes only to another valid cell, or not at all (overflow).
#include <assert.h>

#include "operator/base/float.h"
#include "state/aggregate_private.h"
#include "state/wide_private.h"

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

// ---------------------------------------------------------------------------------------------- count
static rwd_code count_event(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {
    (void)how, (void)value, (void)when;
    return add_i64(cell, 1);
}
static rwd_cell_update count_update(const rwd_cell_type *how) {
    (void)how;
    return count_event;
}
static uint32_t count_size(const rwd_cell_type *how) {
    (void)how;
    return 8;
}
static rwd_type count_result(const rwd_cell_type *how) {
    (void)how;
    return RWD_TYPE_INT;
}
static rwd_code count_merge(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    (void)how, (void)size, (void)room, (void)other_size;
    return add_i64(cell, load_i64(other));
}
static void count_read(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    (void)how, (void)size;
    *out = (rwd_value){.i = load_i64(cell), .present = true};
}

const rwd_aggregate rwd_aggregate_count = {
    .name = "count", .doc = "how many events the key has had", .order_free = true, .complete = true,
    .size = count_size, .update = count_update, .merge = count_merge, .read = count_read, .result = count_result,
};

// ---------------------------------------------------------------------------------------------- sum
static rwd_code sum_int(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {
    (void)how, (void)when;
    return value->present ? add_i64(cell, value->i) : RWD_E_NONE;
}
static rwd_code sum_decimal(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {
    (void)how, (void)when;
    return value->present ? add_i128(cell, value->d) : RWD_E_NONE;
}
static rwd_code sum_float(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {
    (void)how, (void)when;
    return value->present ? add_f64(cell, value->f) : RWD_E_NONE;
}
static rwd_cell_update sum_update(const rwd_cell_type *how) {
    return how->arg == RWD_TYPE_DECIMAL ? sum_decimal : how->arg == RWD_TYPE_FLOAT ? sum_float : sum_int;
}
static uint32_t sum_size(const rwd_cell_type *how) { return rwd_cell_value_size(how->arg); }
static rwd_type sum_result(const rwd_cell_type *how) { return how->arg; }
static rwd_code sum_merge(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    (void)size, (void)room, (void)other_size;
    if (how->arg == RWD_TYPE_FLOAT) return add_f64(cell, load_f64(other));
    return how->arg == RWD_TYPE_DECIMAL ? add_i128(cell, load_i128(other)) : add_i64(cell, load_i64(other));
}
static void sum_read(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    (void)size;
    *out = rwd_cell_value_get(how->arg, cell);
}

const rwd_aggregate rwd_aggregate_sum = {
    .name = "sum", .doc = "the exact sum of a field (of floats: each step rounds); 0 when there was no value", .takes_field = true,
    .types = TYPE_BIT(INT) | TYPE_BIT(DECIMAL) | TYPE_BIT(FLOAT), .order_free = true, .complete = true, .rounded = TYPE_BIT(FLOAT),
    .size = sum_size, .update = sum_update, .merge = sum_merge, .read = sum_read, .result = sum_result,
};

// ---------------------------------------------------------------------------------------------- mean
#define MEAN_SCALE_INT 6
#define MEAN_SCALE_MORE 4  // digits beyond a decimal's own

static rwd_code mean_number(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {
    (void)when;
    if (!value->present) return RWD_E_NONE;
    rwd_i128 units = units_of(how->arg, value);
    if (units > how->limit || units < -how->limit) return RWD_E_OVERFLOW;
    rwd_code code = add_i128(cell + 8, units);
    if (code == RWD_E_NONE) store_i64(cell, load_i64(cell) + 1);
    return code;
}
static rwd_code mean_float(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {
    (void)how, (void)when;
    if (!value->present) return RWD_E_NONE;
    rwd_code code = add_f64(cell + 8, value->f);
    if (code == RWD_E_NONE) store_i64(cell, load_i64(cell) + 1);
    return code;
}
static rwd_cell_update mean_update(const rwd_cell_type *how) { return how->arg == RWD_TYPE_FLOAT ? mean_float : mean_number; }
static uint32_t mean_size(const rwd_cell_type *how) { return how->arg == RWD_TYPE_FLOAT ? 16 : 24; }
static rwd_type mean_result(const rwd_cell_type *how) { return how->arg == RWD_TYPE_FLOAT ? RWD_TYPE_FLOAT : RWD_TYPE_DECIMAL; }

static uint8_t mean_scale(const rwd_cell_type *how) {
    if (how->parameters[0] != RWD_PARAMETER_NONE) return (uint8_t)how->parameters[0];
    if (how->arg == RWD_TYPE_INT) return MEAN_SCALE_INT;
    return (uint8_t)(how->arg_scale + MEAN_SCALE_MORE < RWD_DECIMAL_SCALE_MAX ? how->arg_scale + MEAN_SCALE_MORE : RWD_DECIMAL_SCALE_MAX);
}

// A mean is not greater than the greatest value: if that has room in the answer's scale, so has the mean.
static rwd_i128 mean_limit(const rwd_cell_type *how) {
    unsigned scale = mean_scale(how);
    return how->arg == RWD_TYPE_FLOAT || scale <= how->arg_scale ? RWD_I128_MAX : RWD_I128_MAX / rwd_power_of_ten(scale - how->arg_scale);
}

static rwd_code mean_merge(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    (void)size, (void)room, (void)other_size;
    int64_t count;
    if (!rwd_i64_add(load_i64(cell), load_i64(other), &count)) return RWD_E_OVERFLOW;
    rwd_code code = how->arg == RWD_TYPE_FLOAT ? add_f64(cell + 8, load_f64(other + 8)) : add_i128(cell + 8, load_i128(other + 8));
    if (code == RWD_E_NONE) store_i64(cell, count);
    return code;
}

static void mean_read(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    (void)size;
    int64_t count = load_i64(cell);
    *out = (rwd_value){.present = count > 0};
    if (count <= 0) return;
    if (how->arg == RWD_TYPE_FLOAT) {
        double mean = load_f64(cell + 8) / (double)count;
        if (!rwd_float_normal(mean, &out->f)) out->present = false;  // only of bytes that nobody wrote
        return;
    }
    rwd_i128 sum = load_i128(cell + 8);
    rwd_wide numerator = rwd_wide_magnitude(sum), denominator = rwd_wide_of((unsigned __int128)count);
    unsigned scale = mean_scale(how);
    rwd_wide_scale(scale >= how->arg_scale ? &numerator : &denominator, scale >= how->arg_scale ? scale - how->arg_scale : how->arg_scale - scale);
    rwd_wide mean = rwd_wide_divide_half_even(&numerator, &denominator);
    out->present = rwd_wide_signed(&mean, sum < 0, &out->d);
}

const rwd_aggregate rwd_aggregate_mean = {
    .name = "mean", .doc = "the mean of a field, computed exactly and rounded half-even (of floats: each step rounds); null when there was no value", .takes_field = true,
    .types = TYPE_BIT(INT) | TYPE_BIT(DECIMAL) | TYPE_BIT(FLOAT), .order_free = true, .rounded = TYPE_BIT(FLOAT),
    .parameters = {{.name = "scale", .doc = "digits behind the point of the answer; 6 for ints, 4 more than the field has for decimals",
                    .greatest = RWD_DECIMAL_SCALE_MAX, .fallback = RWD_PARAMETER_NONE}},
    .size = mean_size, .update = mean_update, .merge = mean_merge, .read = mean_read, .result = mean_result, .scale = mean_scale, .limit = mean_limit,
};
