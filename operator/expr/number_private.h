// Exact arithmetic on units of decimals, half-even where it rounds.
//
// A decimal has at most 38 digits; a result beyond is false. The usual case, numbers that fit 64 bits, is inline.
//
// Thread: any; pure functions.
#ifndef OPERATOR_EXPR_NUMBER_PRIVATE_H
#define OPERATOR_EXPR_NUMBER_PRIVATE_H

#include "operator/base/decimal.h"

#define RWD_POW10_MAX 38u
extern const rwd_i128 rwd_pow10[RWD_POW10_MAX + 1];

static inline bool rwd_fits_64(rwd_i128 v) { return (rwd_i128)(int64_t)v == v; }
static inline bool rwd_units_fit(rwd_i128 v) { return v < rwd_pow10[RWD_POW10_MAX] && v > -rwd_pow10[RWD_POW10_MAX]; }

// a * m / d, rounded half-even; the product may be as long as it likes. Precondition: d > 0.
RWD_MUST bool rwd_units_scale(rwd_i128 a, rwd_i128 m, unsigned __int128 d, rwd_i128 *out);
RWD_MUST bool rwd_units_mul_wide(rwd_i128 a, rwd_i128 b, rwd_i128 *out);
// a / b * 10^n for n from -18 to 36, rounded half-even once. Precondition: b is not 0.
RWD_MUST bool rwd_units_div(rwd_i128 a, rwd_i128 b, int n, rwd_i128 *out);
// <0, 0, >0: a of a scale larger by `n` than that of b (n may be negative), compared by value.
int rwd_units_compare(rwd_i128 a, rwd_i128 b, int n);

static inline bool rwd_units_add(rwd_i128 a, rwd_i128 b, rwd_i128 *out) {
    if (__builtin_expect(rwd_fits_64(a) && rwd_fits_64(b), 1)) return *out = a + b, true;
    rwd_i128 sum;
    bool fits = !__builtin_add_overflow(a, b, &sum);
    return *out = sum, fits && rwd_units_fit(sum);
}
static inline bool rwd_units_sub(rwd_i128 a, rwd_i128 b, rwd_i128 *out) {
    if (__builtin_expect(rwd_fits_64(a) && rwd_fits_64(b), 1)) return *out = a - b, true;
    rwd_i128 difference;
    bool fits = !__builtin_sub_overflow(a, b, &difference);
    return *out = difference, fits && rwd_units_fit(difference);
}
static inline bool rwd_units_mul(rwd_i128 a, rwd_i128 b, rwd_i128 *out) {
    if (__builtin_expect(rwd_fits_64(a) && rwd_fits_64(b), 1)) return *out = (rwd_i128)(int64_t)a * (int64_t)b, true;
    return rwd_units_mul_wide(a, b, out);
}
static inline bool rwd_units_up(rwd_i128 a, unsigned digits, rwd_i128 *out) { return rwd_units_mul(a, rwd_pow10[digits], out); }
static inline bool rwd_units_down(rwd_i128 a, unsigned digits, rwd_i128 *out) { return rwd_units_scale(a, 1, (unsigned __int128)rwd_pow10[digits], out); }

// To and from other numbers. Floats are finite.
double rwd_units_to_float(rwd_i128 a, unsigned scale);                                   // the nearest, ties to even
RWD_MUST bool rwd_units_from_float(double value, unsigned scale, rwd_i128 *out);         // half-even from the float's exact value
RWD_MUST bool rwd_int_from_float(double value, int64_t *out);                            // towards zero

#endif
