// Floating point numbers (IEEE 754 binary64) and their text, whatever the locale.
//
// The values that the program keeps are finite, and zero has one form: -0.0 becomes 0.0 where it enters. So equal values have equal bytes.
//
// Thread: any; pure functions.
#ifndef OPERATOR_BASE_FLOAT_H
#define OPERATOR_BASE_FLOAT_H

#include "operator/base/decimal.h"

#define RWD_FLOAT_TEXT_MAX 32  // longest text of any value, with NUL

// The nearest value to a number written as for rwd_decimal_parse (so neither "inf" nor "nan"). RANGE: its size is above the largest finite value; what is
// too small to be told from zero is 0. Never reads beyond the slice.
RWD_MUST rwd_parse rwd_float_parse(rwd_slice text, double *out);

// The shortest digits that read back as the same value, laid out as ECMAScript's Number::toString does (ECMA-262, as in RFC 8785): 0.1, 1500, 1e+21. Returns the
// length without NUL. Precondition: `value` is finite.
size_t rwd_float_text(double value, char out[RWD_FLOAT_TEXT_MAX]);

// -0.0 becomes 0.0. False: not finite.
static inline bool rwd_float_normal(double value, double *out) {
    *out = value + 0.0;
    return __builtin_isfinite(value);
}

#endif
