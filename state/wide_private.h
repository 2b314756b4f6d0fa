// Unsigned whole numbers of 512 bits, for exact quotients and roots: mean, variance, standard deviation.
//
// They are used when an answer is read, not when an event is counted. What fits 128 bits goes a short way.
//
// What must stay true: no operation loses bits; those that could are asserted, and the limits on arguments (rwd_cell_type.limit) keep all cells below.
//
// Thread: values; any.
#ifndef STATE_WIDE_PRIVATE_H
#define STATE_WIDE_PRIVATE_H

#include "operator/base/decimal.h"

#define RWD_WIDE_LIMBS 8

typedef struct rwd_wide {
    uint64_t limb[RWD_WIDE_LIMBS];  // the lowest first
} rwd_wide;

rwd_i128 rwd_power_of_ten(unsigned exponent);  // 0 .. 38

rwd_wide rwd_wide_of(unsigned __int128 v);
rwd_wide rwd_wide_load(const uint8_t *bytes, unsigned limbs);          // little-endian
void rwd_wide_store(const rwd_wide *v, uint8_t *bytes, unsigned limbs);
rwd_wide rwd_wide_magnitude(rwd_i128 v);                               // without its sign
int rwd_wide_compare(const rwd_wide *a, const rwd_wide *b);
unsigned rwd_wide_bits(const rwd_wide *v);                             // 0 for zero
rwd_wide rwd_wide_add(const rwd_wide *a, const rwd_wide *b);
rwd_wide rwd_wide_subtract(const rwd_wide *a, const rwd_wide *b);      // a >= b
rwd_wide rwd_wide_multiply(const rwd_wide *a, const rwd_wide *b);
void rwd_wide_scale(rwd_wide *v, unsigned exponent);                   // times 10^exponent
rwd_wide rwd_wide_divide(const rwd_wide *a, const rwd_wide *b, rwd_wide *out_rest);  // b > 0
rwd_wide rwd_wide_divide_half_even(const rwd_wide *a, const rwd_wide *b);
// The root of a / b, rounded half-even to a whole number.
rwd_wide rwd_wide_root_half_even(const rwd_wide *a, const rwd_wide *b);
// With a sign, as 128 bits; false if it does not fit.
bool rwd_wide_signed(const rwd_wide *v, bool negative, rwd_i128 *out);

#endif
