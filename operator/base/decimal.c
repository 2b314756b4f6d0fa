// Exact numbers and their text. On the path of every event: no allocation, no locale, no floating point.
#include "operator/base/decimal.h"

#include <assert.h>

#define DIGITS_MAX 38          // a decimal holds at most 38 digits: +-(10^38 - 1) units
#define U64_DIGITS 18          // so many digits fit uint64 whatever they are
#define EXPONENT_LIMIT 1000000000000000LL  // beyond it exponents are alike; far above any text's length

typedef unsigned __int128 u128;

static const uint64_t pow10_u64[U64_DIGITS + 1] = {
    1ULL, 10ULL, 100ULL, 1000ULL, 10000ULL, 100000ULL, 1000000ULL, 10000000ULL, 100000000ULL, 1000000000ULL, 10000000000ULL,
    100000000000ULL, 1000000000000ULL, 10000000000000ULL, 100000000000000ULL, 1000000000000000ULL, 10000000000000000ULL,
    100000000000000000ULL, 1000000000000000000ULL,
};

static bool is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

// A number as its parts: value = digits * 10^exponent, where `digits` neither begins nor ends with a zero digit.
typedef struct number {
    bool negative;
    u128 digits;       // valid if digit_count <= DIGITS_MAX
    size_t digit_count;  // 0: the value is zero
    int64_t exponent;  // of the last digit
} number;

// "e-12" after the mantissa; saturates at EXPONENT_LIMIT.
static bool parse_exponent(const uint8_t *p, const uint8_t *end, int64_t *out) {
    bool negative = false;
    if (p < end && (*p == '+' || *p == '-')) negative = *p++ == '-';
    if (p == end) return false;
    int64_t exponent = 0;
    for (; p < end; p++) {
        if (!is_digit(*p)) return false;
        if (exponent < EXPONENT_LIMIT) exponent = exponent * 10 + (*p - '0');
    }
    *out = negative ? -exponent : exponent;
    return true;
}

// The whole grammar; false if the text is not of it.
static bool parse_number(rwd_slice text, number *out) {
    const uint8_t *p = text.data, *end = text.data + text.size;
    *out = (number){0};
    if (p < end && (*p == '+' || *p == '-')) out->negative = *p++ == '-';
    int64_t zeros = 0;     // zero digits since the last other digit
    int64_t fraction = 0;  // digits after the point
    bool point = false, digit = false;
    for (; p < end; p++) {
        if (*p == '.') {
            if (point || !digit) return false;
            point = true;
            digit = false;  // at least one has to follow
            continue;
        }
        if (!is_digit(*p)) break;
        digit = true;
        fraction += point;
        if (*p == '0') {
            zeros += out->digit_count > 0;
            continue;
        }
        // The zeros before this digit turn out to be significant.
        out->digit_count += (size_t)zeros + 1;
        if (out->digit_count <= DIGITS_MAX) {
            for (; zeros > 0; zeros--) out->digits *= 10;
            out->digits = out->digits * 10 + (unsigned)(*p - '0');
        }
        zeros = 0;
    }
    if (!digit) return false;
    int64_t exponent = 0;
    if (p < end && (*p != 'e' && *p != 'E')) return false;
    if (p < end && !parse_exponent(p + 1, end, &exponent)) return false;
    out->exponent = exponent - fraction + zeros;
    return true;
}

// The number in units of 10^-scale; false if it needs more digits than there are. `*out_whole` tells whether it at least is a whole
// count of units.
static bool to_units(const number *n, unsigned scale, rwd_i128 *out, bool *out_whole) {
    int64_t shift = n->exponent + (int64_t)scale;
    *out = 0;
    *out_whole = true;
    if (n->digit_count == 0) return true;
    *out_whole = shift >= 0;
    if (shift < 0 || n->digit_count > DIGITS_MAX || shift > (int64_t)(DIGITS_MAX - n->digit_count)) return false;
    u128 units = n->digits;
    for (; shift > U64_DIGITS; shift -= U64_DIGITS) units *= pow10_u64[U64_DIGITS];
    units *= pow10_u64[shift];
    *out = n->negative ? -(rwd_i128)units : (rwd_i128)units;
    return true;
}

// The usual case: sign, digits, perhaps a fraction, 18 digits at most in all. False: the general way has to look at it.
static inline bool parse_short(rwd_slice text, unsigned scale, int64_t *out) {
    const uint8_t *p = text.data, *end = text.data + text.size;
    if (text.size == 0 || text.size > U64_DIGITS) return false;
    bool negative = *p == '-';
    p += negative;
    const uint8_t *digits = p;
    uint64_t value = 0;
    for (; p < end && is_digit(*p); p++) value = value * 10 + (unsigned)(*p - '0');
    if (p == digits) return false;
    unsigned fraction = 0;
    if (p < end) {
        if (*p++ != '.' || p == end) return false;
        for (; p < end && is_digit(*p); p++, fraction++) value = value * 10 + (unsigned)(*p - '0');
        if (p < end || fraction > scale) return false;
    }
    uint64_t units;
    if (__builtin_mul_overflow(value, pow10_u64[scale - fraction], &units) || units > INT64_MAX) return false;
    *out = negative ? -(int64_t)units : (int64_t)units;
    return true;
}

rwd_parse rwd_decimal_parse(rwd_slice text, unsigned scale, rwd_i128 *out) {
    assert(scale <= RWD_DECIMAL_SCALE_MAX);
    int64_t units;
    if (parse_short(text, scale, &units)) {
        *out = units;
        return RWD_PARSE_OK;
    }
    number n;
    bool whole;
    if (!parse_number(text, &n)) return RWD_PARSE_MALFORMED;
    return to_units(&n, scale, out, &whole) ? RWD_PARSE_OK : RWD_PARSE_RANGE;
}

rwd_parse rwd_int_parse(rwd_slice text, int64_t *out) {
    if (parse_short(text, 0, out)) return RWD_PARSE_OK;
    number n;
    rwd_i128 value;
    bool whole;
    if (!parse_number(text, &n)) return RWD_PARSE_MALFORMED;
    if (!to_units(&n, 0, &value, &whole)) return whole ? RWD_PARSE_RANGE : RWD_PARSE_MALFORMED;
    if (value < INT64_MIN || value > INT64_MAX) return RWD_PARSE_RANGE;
    *out = (int64_t)value;
    return RWD_PARSE_OK;
}

// Writes `value` in digits that end before `end`, at least `least` of them; returns where they begin.
static char *digits_before(char *end, uint64_t value, unsigned least) {
    char *p = end;
    while (value || (size_t)(end - p) < least) {
        *--p = (char)('0' + value % 10);
        value /= 10;
    }
    return p;
}

size_t rwd_decimal_text(rwd_i128 value, unsigned scale, char out[RWD_DECIMAL_TEXT_MAX]) {
    assert(scale <= RWD_DECIMAL_SCALE_MAX);
    bool negative = value < 0;
    u128 units = negative ? 0 - (u128)value : (u128)value;
    char digits[RWD_DECIMAL_TEXT_MAX];
    char *end = digits + sizeof(digits), *p = end;
    while (units > UINT64_MAX) {
        p = digits_before(p, (uint64_t)(units % pow10_u64[U64_DIGITS]), U64_DIGITS);
        units /= pow10_u64[U64_DIGITS];
    }
    p = digits_before(p, (uint64_t)units, 0);
    while ((size_t)(end - p) < scale + 1) *--p = '0';

    size_t whole = (size_t)(end - p) - scale, length = 0;
    if (negative) out[length++] = '-';
    memcpy(out + length, p, whole);
    length += whole;
    if (scale) {
        out[length++] = '.';
        memcpy(out + length, p + whole, scale);
        length += scale;
    }
    out[length] = '\0';
    return length;
}
