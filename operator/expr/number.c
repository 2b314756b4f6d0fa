// Exact arithmetic where 64 bits are not enough, and conversions between decimals and floats.
#include <assert.h>

#include "operator/base/float.h"
#include "operator/expr/number_private.h"

typedef unsigned __int128 u128;

const rwd_i128 rwd_pow10[RWD_POW10_MAX + 1] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000,
    100000000000000, 1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000,
#define HIGH(low) (rwd_i128)1000000000000000000 * low
    HIGH(10), HIGH(100), HIGH(1000), HIGH(10000), HIGH(100000), HIGH(1000000), HIGH(10000000), HIGH(100000000), HIGH(1000000000), HIGH(10000000000),
    HIGH(100000000000), HIGH(1000000000000), HIGH(10000000000000), HIGH(100000000000000), HIGH(1000000000000000), HIGH(10000000000000000),
    HIGH(100000000000000000), HIGH(1000000000000000000), HIGH(1000000000000000000) * 10, HIGH(1000000000000000000) * 100,
#undef HIGH
};

static u128 magnitude(rwd_i128 v) { return v < 0 ? 0 - (u128)v : (u128)v; }

// The 256-bit product of two numbers.
static void multiply(u128 a, u128 b, u128 *out_high, u128 *out_low) {
    uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64), b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
    u128 low = (u128)a0 * b0, middle1 = (u128)a0 * b1, middle2 = (u128)a1 * b0, high = (u128)a1 * b1;
    u128 carry = (low >> 64) + (uint64_t)middle1 + (uint64_t)middle2;
    *out_low = (carry << 64) | (uint64_t)low;
    *out_high = high + (middle1 >> 64) + (middle2 >> 64) + (carry >> 64);
}

// Quotient and remainder of a 256-bit number, bit by bit: what is this long is rare. Precondition: high < d, so that the quotient fits.
static u128 divide(u128 high, u128 low, u128 d, u128 *out_rest) {
    u128 rest = high, quotient = 0;
    for (int bit = 127; bit >= 0; bit--) {
        bool carry = rest >> 127;
        rest = (rest << 1) | (low >> bit & 1);
        if (!carry && rest < d) continue;
        rest -= d;
        quotient |= (u128)1 << bit;
    }
    *out_rest = rest;
    return quotient;
}

bool rwd_units_scale(rwd_i128 a, rwd_i128 m, u128 d, rwd_i128 *out) {
    assert(d > 0);
    bool negative = (a < 0) != (m < 0);
    u128 high, low, quotient, rest;
    multiply(magnitude(a), magnitude(m), &high, &low);
    if (high >= d) return false;
    if (high) {
        quotient = divide(high, low, d, &rest);
    } else if (low <= UINT64_MAX && d <= UINT64_MAX) {
        quotient = (uint64_t)low / (uint64_t)d;
        rest = (uint64_t)low % (uint64_t)d;
    } else {
        quotient = low / d;
        rest = low - quotient * d;
    }
    u128 lack = d - rest;  // to the next whole one
    if (rest > lack || (rest == lack && (quotient & 1))) quotient++;
    if (quotient >= (u128)rwd_pow10[RWD_POW10_MAX]) return false;
    *out = negative ? -(rwd_i128)quotient : (rwd_i128)quotient;
    return true;
}

bool rwd_units_mul_wide(rwd_i128 a, rwd_i128 b, rwd_i128 *out) { return !__builtin_mul_overflow(a, b, out) && rwd_units_fit(*out); }

bool rwd_units_div(rwd_i128 a, rwd_i128 b, int n, rwd_i128 *out) {
    assert(b != 0 && n <= (int)RWD_POW10_MAX && n >= -(int)RWD_POW10_MAX);
    u128 d = magnitude(b);
    rwd_i128 m = b < 0 ? -1 : 1;
    if (n >= 0) return rwd_units_scale(a, m * rwd_pow10[n], d, out);
    // A divisor beyond 128 bits is at least twice the largest dividend: the quotient is a half at most, which rounds to zero.
    if (__builtin_mul_overflow(d, (u128)rwd_pow10[-n], &d)) return *out = 0, true;
    return rwd_units_scale(a, m, d, out);
}

int rwd_units_compare(rwd_i128 a, rwd_i128 b, int n) {
    // The side with the smaller scale is brought to the larger one; if that does not fit, it is the larger in size.
    rwd_i128 *smaller = n < 0 ? &a : &b;
    bool positive = *smaller > 0;
    if (__builtin_mul_overflow(*smaller, rwd_pow10[n < 0 ? -n : n], smaller)) return positive == (n < 0) ? 1 : -1;
    return (a > b) - (a < b);
}

// ---- floats

#define EXACT_MAX ((rwd_i128)1 << 53)  // whole numbers up to here are floats

double rwd_units_to_float(rwd_i128 a, unsigned scale) {
    static const double pow10[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    assert(scale <= RWD_DECIMAL_SCALE_MAX);
    // Of two exact numbers, IEEE division gives the nearest to the true quotient.
    if (a <= EXACT_MAX && a >= -EXACT_MAX) return (double)a / pow10[scale];
    char text[RWD_DECIMAL_TEXT_MAX];
    double value;
    size_t size = rwd_decimal_text(a, scale, text);
    rwd_parse parse = rwd_float_parse(rwd_slice_of(text, size), &value);
    assert(parse == RWD_PARSE_OK);
    return value;
}

// A float is m * 2^e with m below 2^53; m * 10^scale is below 2^113.
bool rwd_units_from_float(double value, unsigned scale, rwd_i128 *out) {
    assert(scale <= RWD_DECIMAL_SCALE_MAX);
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    int biased = (int)(bits >> 52 & 0x7FF);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    u128 units = (u128)(biased ? fraction | (uint64_t)1 << 52 : fraction) * (u128)rwd_pow10[scale];
    int exponent = (biased ? biased : 1) - 1075;
    if (exponent >= 0) {
        if (exponent > 126 || units >> (127 - exponent)) return false;
        units <<= exponent;
    } else if (exponent <= -128) {
        units = 0;
    } else {
        u128 one = (u128)1 << -exponent, rest = units & (one - 1), half = one >> 1;
        units >>= -exponent;
        if (rest > half || (rest == half && (units & 1))) units++;
    }
    if (units >= (u128)rwd_pow10[RWD_POW10_MAX]) return false;
    *out = bits >> 63 ? -(rwd_i128)units : (rwd_i128)units;
    return true;
}

bool rwd_int_from_float(double value, int64_t *out) {
    if (!(value >= -0x1p63 && value < 0x1p63)) return false;
    *out = (int64_t)value;
    return true;
}
