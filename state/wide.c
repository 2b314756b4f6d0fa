// Whole numbers of 512 bits (wide_private.h): the schoolbook ways, bit by bit where a quotient or a root is asked for.
#include "state/wide_private.h"

#include <assert.h>

typedef unsigned __int128 u128;

rwd_i128 rwd_power_of_ten(unsigned exponent) {
    assert(exponent <= 38);
    rwd_i128 power = 1;
    for (; exponent > 0; exponent--) power *= 10;
    return power;
}

rwd_wide rwd_wide_of(u128 v) { return (rwd_wide){.limb = {(uint64_t)v, (uint64_t)(v >> 64)}}; }

rwd_wide rwd_wide_load(const uint8_t *bytes, unsigned limbs) {
    assert(limbs <= RWD_WIDE_LIMBS);
    rwd_wide v = {{0}};
    memcpy(v.limb, bytes, limbs * 8);
    return v;
}

void rwd_wide_store(const rwd_wide *v, uint8_t *bytes, unsigned limbs) {
    assert(limbs <= RWD_WIDE_LIMBS && rwd_wide_bits(v) <= limbs * 64);
    memcpy(bytes, v->limb, limbs * 8);
}

rwd_wide rwd_wide_magnitude(rwd_i128 v) { return rwd_wide_of(v < 0 ? -(u128)v : (u128)v); }

static u128 low(const rwd_wide *v) { return (u128)v->limb[1] << 64 | v->limb[0]; }

int rwd_wide_compare(const rwd_wide *a, const rwd_wide *b) {
    for (int i = RWD_WIDE_LIMBS - 1; i >= 0; i--) {
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    }
    return 0;
}

unsigned rwd_wide_bits(const rwd_wide *v) {
    for (int i = RWD_WIDE_LIMBS - 1; i >= 0; i--) {
        if (v->limb[i]) return (unsigned)i * 64 + 64 - (unsigned)__builtin_clzll(v->limb[i]);
    }
    return 0;
}

rwd_wide rwd_wide_add(const rwd_wide *a, const rwd_wide *b) {
    rwd_wide sum;
    uint64_t carry = 0;
    for (unsigned i = 0; i < RWD_WIDE_LIMBS; i++) {
        u128 s = (u128)a->limb[i] + b->limb[i] + carry;
        sum.limb[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
    assert(carry == 0);
    return sum;
}

rwd_wide rwd_wide_subtract(const rwd_wide *a, const rwd_wide *b) {
    rwd_wide rest;
    uint64_t borrow = 0;
    for (unsigned i = 0; i < RWD_WIDE_LIMBS; i++) {
        u128 d = (u128)a->limb[i] - b->limb[i] - borrow;
        rest.limb[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    assert(borrow == 0);
    return rest;
}

rwd_wide rwd_wide_multiply(const rwd_wide *a, const rwd_wide *b) {
    assert(rwd_wide_bits(a) + rwd_wide_bits(b) <= RWD_WIDE_LIMBS * 64);
    rwd_wide product = {{0}};
    for (unsigned i = 0; i < RWD_WIDE_LIMBS; i++) {
        uint64_t carry = 0;
        for (unsigned j = 0; a->limb[i] && i + j < RWD_WIDE_LIMBS; j++) {
            u128 p = (u128)a->limb[i] * b->limb[j] + product.limb[i + j] + carry;
            product.limb[i + j] = (uint64_t)p;
            carry = (uint64_t)(p >> 64);
        }
    }
    return product;
}

void rwd_wide_scale(rwd_wide *v, unsigned exponent) {
    rwd_wide power = rwd_wide_of((u128)rwd_power_of_ten(exponent));
    *v = rwd_wide_multiply(v, &power);
}

static void double_up(rwd_wide *v, unsigned low_bit) {
    for (unsigned i = RWD_WIDE_LIMBS - 1; i > 0; i--) v->limb[i] = v->limb[i] << 1 | v->limb[i - 1] >> 63;
    v->limb[0] = v->limb[0] << 1 | low_bit;
}

rwd_wide rwd_wide_divide(const rwd_wide *a, const rwd_wide *b, rwd_wide *out_rest) {
    assert(rwd_wide_bits(b) > 0 && rwd_wide_bits(b) < RWD_WIDE_LIMBS * 64);
    if (rwd_wide_bits(a) <= 128 && rwd_wide_bits(b) <= 128) {
        *out_rest = rwd_wide_of(low(a) % low(b));
        return rwd_wide_of(low(a) / low(b));
    }
    rwd_wide quotient = {{0}}, rest = {{0}};
    for (unsigned i = rwd_wide_bits(a); i-- > 0;) {
        double_up(&rest, (unsigned)(a->limb[i / 64] >> (i % 64) & 1));
        bool fits = rwd_wide_compare(&rest, b) >= 0;
        if (fits) rest = rwd_wide_subtract(&rest, b);
        double_up(&quotient, fits);
    }
    *out_rest = rest;
    return quotient;
}

static void add_one(rwd_wide *v) {
    rwd_wide one = rwd_wide_of(1);
    *v = rwd_wide_add(v, &one);
}

rwd_wide rwd_wide_divide_half_even(const rwd_wide *a, const rwd_wide *b) {
    rwd_wide rest, quotient = rwd_wide_divide(a, b, &rest);
    rwd_wide left = rwd_wide_subtract(b, &rest);
    int half = rwd_wide_compare(&rest, &left);
    if (half > 0 || (half == 0 && (quotient.limb[0] & 1))) add_one(&quotient);
    return quotient;
}

static u128 root_of_128(u128 v) {
    u128 root = 0, bit = (u128)1 << 126;
    while (bit > v) bit >>= 2;
    for (; bit; bit >>= 2) {
        bool fits = v >= root + bit;
        if (fits) v -= root + bit;
        root = (root >> 1) + (fits ? bit : 0);
    }
    return root;
}

// The whole part of the root: its bits from the top, each kept while the square does not pass v.
static rwd_wide whole_root(const rwd_wide *v) {
    if (rwd_wide_bits(v) <= 128) return rwd_wide_of(root_of_128(low(v)));
    rwd_wide root = {{0}};
    for (unsigned i = (rwd_wide_bits(v) + 1) / 2; i-- > 0;) {
        rwd_wide tried = root;
        tried.limb[i / 64] |= 1ull << (i % 64);
        rwd_wide square = rwd_wide_multiply(&tried, &tried);
        if (rwd_wide_compare(&square, v) <= 0) root = tried;
    }
    return root;
}

rwd_wide rwd_wide_root_half_even(const rwd_wide *a, const rwd_wide *b) {
    rwd_wide rest, quotient = rwd_wide_divide(a, b, &rest), root = whole_root(&quotient);
    // Against the middle to the next: a/b to (root + 1/2)^2, that is 4a to (2 root + 1)^2 b.
    rwd_wide four = rwd_wide_of(4), middle = root;
    double_up(&middle, 1);
    middle = rwd_wide_multiply(&middle, &middle);
    middle = rwd_wide_multiply(&middle, b);
    rwd_wide times_four = rwd_wide_multiply(a, &four);
    int half = rwd_wide_compare(&times_four, &middle);
    if (half > 0 || (half == 0 && (root.limb[0] & 1))) add_one(&root);
    return root;
}

bool rwd_wide_signed(const rwd_wide *v, bool negative, rwd_i128 *out) {
    if (rwd_wide_bits(v) > 127) return false;
    *out = negative ? -(rwd_i128)low(v) : (rwd_i128)low(v);
    return true;
}
