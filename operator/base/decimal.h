// Exact numbers: 128-bit scaled integers, and their text.
//
// A decimal of scale S is an integer that counts units of 10^-S. All arithmetic says when it would overflow.
//
// Thread: any; pure functions.
#ifndef OPERATOR_BASE_DECIMAL_H
#define OPERATOR_BASE_DECIMAL_H

#include "operator/base/bytes.h"

typedef __int128 rwd_i128;
#define RWD_I128_MAX ((rwd_i128)(((unsigned __int128)1 << 127) - 1))
#define RWD_I128_MIN (-RWD_I128_MAX - 1)
#define RWD_DECIMAL_SCALE_MAX 18
#define RWD_DECIMAL_TEXT_MAX 48  // longest text of any value, with NUL

typedef enum rwd_parse { RWD_PARSE_OK, RWD_PARSE_MALFORMED, RWD_PARSE_RANGE } rwd_parse;

// Text to number. `number` is as in JSON and CSV: optional sign (+ too), digits, optional fraction, optional exponent; no
// spaces; leading zeros are accepted. A decimal whose value needs digits beyond `scale` is RWD_PARSE_RANGE ("1.50" fits scale
// 1, "1.55" does not), and so is one outside of +-(10^38 - 1) units. An int must be whole ("1.0" and "1e3" are, "1.5" is MALFORMED) and fit int64.
// Exponents are bounded before they are used. Never reads beyond the slice.
RWD_MUST rwd_parse rwd_decimal_parse(rwd_slice text, unsigned scale, rwd_i128 *out);
RWD_MUST rwd_parse rwd_int_parse(rwd_slice text, int64_t *out);

// Number to text: "-12.50" at scale 2 (always `scale` digits after the point). Returns the length without NUL.
size_t rwd_decimal_text(rwd_i128 value, unsigned scale, char out[RWD_DECIMAL_TEXT_MAX]);

// Sums; false where the type cannot hold it.
static inline bool rwd_i128_add(rwd_i128 a, rwd_i128 b, rwd_i128 *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool rwd_i64_add(int64_t a, int64_t b, int64_t *out) { return !__builtin_add_overflow(a, b, out); }

#endif
