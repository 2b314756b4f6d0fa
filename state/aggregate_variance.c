// variance and stddev of a sample (divided by n - 1), variance_pop and stddev_pop of all there is (divided by n).
//
// Cells, all fixed, numbers little-endian, all zero before the first value:
//   int, decimal  56 bytes  how many values n, 8; their sum S in units, 16; the sum of their squares Q, 32
//   float         24 bytes  n, 8; the mean, 8; the sum of squared differences from it, 8: Welford, "Note on a method for calculating corrected sums of
//                           squares and products", Technometrics 4 (1962); merged as Chan, Golub and LeVeque, "Updating formulae and a pairwise
//                           algorithm for computing sample variances" (1979)
// Of ints and decimals the answer is exact, and rounded half-even once, when it is read: variance = (n Q - S^2) / (n (n - 1)), its root is the standard
// deviation. Scale: the parameter, or 6 for ints and four digits more than the argument (18 at most) for decimals. An argument whose answer
// could be too large for that scale is an overflow. Null while n is too small to divide.
//
// What must stay true: a cell changes only to another valid cell, or not at all (overflow).
#include <assert.h>
#include <math.h>

#include "operator/base/float.h"
#include "state/aggregate_private.h"
#include "state/wide_private.h"

#define SCALE_INT 6
#define SCALE_MORE 4
#define COUNT_AT 0
#define SUM_AT 8
#define SQUARES_AT 24
#define SQUARES_LIMBS 4
#define NUMBER_BYTES 56
#define MEAN_AT 8
#define DIFFERENCES_AT 16
#define FLOAT_BYTES 24

static bool is_float(const rwd_cell_type *how) { return how->arg == RWD_TYPE_FLOAT; }

// Adds `more` squares; false beyond 256 bits, with the cell unchanged.
static bool add_squares(uint8_t *cell, const rwd_wide *more) {
    rwd_wide squares = rwd_wide_load(cell + SQUARES_AT, SQUARES_LIMBS);
    squares = rwd_wide_add(&squares, more);
    if (rwd_wide_bits(&squares) > SQUARES_LIMBS * 64) return false;
    rwd_wide_store(&squares, cell + SQUARES_AT, SQUARES_LIMBS);
    return true;
}

static rwd_code add_numbers(uint8_t *cell, int64_t count, rwd_i128 sum, const rwd_wide *squares) {
    if (!rwd_i64_add(load_i64(cell), count, &count) || !rwd_i128_add(load_i128(cell + SUM_AT), sum, &sum)) return RWD_E_OVERFLOW;
    if (!add_squares(cell, squares)) return RWD_E_OVERFLOW;
    store_i64(cell, count);
    store_i128(cell + SUM_AT, sum);
    return RWD_E_NONE;
}

static rwd_code update_number(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {
    (void)when;
    if (!value->present) return RWD_E_NONE;
    rwd_i128 units = units_of(how->arg, value);
    if (units > how->limit || units < -how->limit) return RWD_E_OVERFLOW;
    rwd_wide square = rwd_wide_magnitude(units);
    square = rwd_wide_multiply(&square, &square);
    return add_numbers(cell, 1, units, &square);
}

static rwd_code put_float(uint8_t *cell, int64_t count, double mean, double differences) {
    if (!rwd_float_normal(mean, &mean) || !rwd_float_normal(differences, &differences)) return RWD_E_OVERFLOW;
    store_i64(cell, count);
    store_f64(cell + MEAN_AT, mean);
    store_f64(cell + DIFFERENCES_AT, differences);
    return RWD_E_NONE;
}

static rwd_code update_float(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {
    (void)how, (void)when;
    if (!value->present) return RWD_E_NONE;
    int64_t count = load_i64(cell) + 1;
    double mean = load_f64(cell + MEAN_AT), difference = value->f - mean;
    double next = mean + difference / (double)count;
    return put_float(cell, count, next, load_f64(cell + DIFFERENCES_AT) + difference * (value->f - next));
}

static rwd_cell_update update(const rwd_cell_type *how) { return is_float(how) ? update_float : update_number; }
static uint32_t size_of(const rwd_cell_type *how) { return is_float(how) ? FLOAT_BYTES : NUMBER_BYTES; }
static rwd_type result(const rwd_cell_type *how) { return is_float(how) ? RWD_TYPE_FLOAT : RWD_TYPE_DECIMAL; }

static rwd_code merge_float(uint8_t *cell, const uint8_t *other) {
    int64_t a = load_i64(cell), b = load_i64(other), count;
    if (b == 0) return RWD_E_NONE;
    if (!rwd_i64_add(a, b, &count)) return RWD_E_OVERFLOW;
    double mean = load_f64(cell + MEAN_AT), difference = load_f64(other + MEAN_AT) - mean, part = (double)b / (double)count;
    return put_float(cell, count, mean + difference * part,
                     load_f64(cell + DIFFERENCES_AT) + load_f64(other + DIFFERENCES_AT) + difference * difference * (double)a * part);
}

static rwd_code merge(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    (void)size, (void)room, (void)other_size;
    if (is_float(how)) return merge_float(cell, other);
    rwd_wide squares = rwd_wide_load(other + SQUARES_AT, SQUARES_LIMBS);
    return add_numbers(cell, load_i64(other), load_i128(other + SUM_AT), &squares);
}

static uint8_t scale_of(const rwd_cell_type *how) {
    if (how->parameters[0] != RWD_PARAMETER_NONE) return (uint8_t)how->parameters[0];
    if (how->arg == RWD_TYPE_INT) return SCALE_INT;
    return (uint8_t)(how->arg_scale + SCALE_MORE < RWD_DECIMAL_SCALE_MAX ? how->arg_scale + SCALE_MORE : RWD_DECIMAL_SCALE_MAX);
}

// The greatest v for which 2 v^2 10^(scale - 2 arg_scale) fits: a sample's variance is at most twice the greatest square.
static rwd_i128 variance_limit(const rwd_cell_type *how) {
    if (is_float(how)) return RWD_I128_MAX;
    int more = (int)scale_of(how) - 2 * (int)how->arg_scale;
    rwd_wide most = rwd_wide_of((unsigned __int128)(RWD_I128_MAX / 2)), one = rwd_wide_of(1), rest, limit;
    if (more < 0) {
        rwd_wide_scale(&most, (unsigned)-more);
    } else {
        rwd_wide power = rwd_wide_of((unsigned __int128)rwd_power_of_ten((unsigned)more));
        most = rwd_wide_divide(&most, &power, &rest);
    }
    rwd_i128 found;
    limit = rwd_wide_root_half_even(&most, &one);
    if (rwd_wide_bits(&limit) > 0) limit = rwd_wide_subtract(&limit, &one);  // it may have been rounded up
    return rwd_wide_signed(&limit, false, &found) && found < RWD_I128_MAX / 2 ? found : RWD_I128_MAX / 2;
}

static rwd_i128 stddev_limit(const rwd_cell_type *how) {
    unsigned scale = scale_of(how);
    return scale <= how->arg_scale ? RWD_I128_MAX / 2 : RWD_I128_MAX / 2 / rwd_power_of_ten(scale - how->arg_scale);
}

// ---------------------------------------------------------------------------------------------- reading
// n Q - S^2 and n (n - 1), or n^2. False while there is no answer, or for bytes that nobody wrote.
static bool quotient(const uint8_t *cell, bool population, rwd_wide *numerator, rwd_wide *denominator) {
    int64_t n = load_i64(cell);
    if (n < (population ? 1 : 2)) return false;
    rwd_wide count = rwd_wide_of((unsigned __int128)n), squares = rwd_wide_load(cell + SQUARES_AT, SQUARES_LIMBS);
    rwd_wide sum = rwd_wide_magnitude(load_i128(cell + SUM_AT)), divisor = rwd_wide_of((unsigned __int128)(population ? n : n - 1));
    squares = rwd_wide_multiply(&squares, &count);
    sum = rwd_wide_multiply(&sum, &sum);
    if (rwd_wide_compare(&squares, &sum) < 0) return false;
    *numerator = rwd_wide_subtract(&squares, &sum);
    *denominator = rwd_wide_multiply(&count, &divisor);
    return true;
}

static void read_number(const rwd_cell_type *how, const uint8_t *cell, bool root, bool population, rwd_value *out) {
    rwd_wide numerator, denominator, answer;
    out->present = quotient(cell, population, &numerator, &denominator);
    if (!out->present) return;
    int more = (int)scale_of(how) * (root ? 2 : 1) - 2 * (int)how->arg_scale;
    rwd_wide_scale(more >= 0 ? &numerator : &denominator, (unsigned)(more >= 0 ? more : -more));
    answer = root ? rwd_wide_root_half_even(&numerator, &denominator) : rwd_wide_divide_half_even(&numerator, &denominator);
    out->present = rwd_wide_signed(&answer, false, &out->d);
}

static void read_float(const uint8_t *cell, bool root, bool population, rwd_value *out) {
    int64_t n = load_i64(cell);
    out->present = n >= (population ? 1 : 2);
    if (!out->present) return;
    double variance = load_f64(cell + DIFFERENCES_AT) / (double)(population ? n : n - 1);
    out->present = rwd_float_normal(root ? sqrt(variance) : variance, &out->f);
}

static void read_cell(const rwd_cell_type *how, const uint8_t *cell, bool root, bool population, rwd_value *out) {
    *out = (rwd_value){.present = false};
    if (is_float(how)) read_float(cell, root, population, out);
    else read_number(how, cell, root, population, out);
}

static void read_variance(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    (void)size;
    read_cell(how, cell, false, false, out);
}
static void read_stddev(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    (void)size;
    read_cell(how, cell, true, false, out);
}
static void read_variance_pop(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    (void)size;
    read_cell(how, cell, false, true, out);
}
static void read_stddev_pop(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    (void)size;
    read_cell(how, cell, true, true, out);
}

#define SPREAD(given_name, given_doc, given_read, given_limit)                                                                                                    \
    {                                                                                                                                                             \
        .name = given_name, .doc = given_doc, .takes_field = true, .types = TYPE_BIT(INT) | TYPE_BIT(DECIMAL) | TYPE_BIT(FLOAT), .order_free = true,               \
        .rounded = TYPE_BIT(FLOAT),                                                                                                                               \
        .parameters = {{.name = "scale", .doc = "digits behind the point of the answer; 6 for ints, 4 more than the field has for decimals",                      \
                        .greatest = RWD_DECIMAL_SCALE_MAX, .fallback = RWD_PARAMETER_NONE}},                                                                      \
        .size = size_of, .update = update, .merge = merge, .read = given_read, .result = result, .scale = scale_of, .limit = given_limit,                         \
    }
#define EXACTLY ", computed exactly and rounded half-even (of floats: each step rounds)"

const rwd_aggregate rwd_aggregate_variance =
    SPREAD("variance", "the variance of a sample" EXACTLY "; null below two values", read_variance, variance_limit);
const rwd_aggregate rwd_aggregate_stddev =
    SPREAD("stddev", "the standard deviation of a sample" EXACTLY "; null below two values", read_stddev, stddev_limit);
const rwd_aggregate rwd_aggregate_variance_pop =
    SPREAD("variance_pop", "the variance of all values" EXACTLY "; null when there was none", read_variance_pop, variance_limit);
const rwd_aggregate rwd_aggregate_stddev_pop =
    SPREAD("stddev_pop", "the standard deviation of all values" EXACTLY "; null when there was none", read_stddev_pop, stddev_limit);
