// Floating point numbers and their text.
#include "operator/base/float.h"

#include <assert.h>

#include "operator/base/float_chars_private.h"

#define EXPONENT_LIMIT 1000000000000000LL  // beyond it exponents are alike; far above any text's length
#define PLAIN_POINT_MIN (-5)  // ECMA-262: 0.000001 is plain, 1e-7 is not;
#define PLAIN_POINT_MAX 21    // so is 100000000000000000000, and 1e+21 is not

static bool is_digit(const char *p, const char *end) { return p < end && *p >= '0' && *p <= '9'; }

static const char *skip_digits(const char *p, const char *end) {
    while (is_digit(p, end)) p++;
    return p;
}

// The grammar of rwd_decimal_parse, behind its sign.
static bool is_number(const char *p, const char *end) {
    if (!is_digit(p, end)) return false;
    p = skip_digits(p, end);
    if (p < end && *p == '.') {
        if (!is_digit(++p, end)) return false;
        p = skip_digits(p, end);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        if (!is_digit(p, end)) return false;
        p = skip_digits(p, end);
    }
    return p == end;
}

// Of a number that no double can hold: is it too large (or too small)? The power of ten of its first digit that is not 0 decides.
static bool is_large(const char *p, const char *end) {
    int64_t power = -1, exponent = 0;
    bool fraction = false, significant = false;
    for (; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        power -= fraction && !significant;
        significant = significant || *p != '0';
        power += !fraction && significant;
    }
    bool negative = end - p > 1 && p[1] == '-';
    for (; p < end; p++)
        if (is_digit(p, end) && exponent < EXPONENT_LIMIT) exponent = exponent * 10 + (*p - '0');
    return power + (negative ? -exponent : exponent) > 0;
}

rwd_parse rwd_float_parse(rwd_slice text, double *out) {
    const char *p = (const char *)text.data, *end = p + text.size;
    bool negative = false;
    double value = 0;
    if (p < end && (*p == '+' || *p == '-')) negative = *p++ == '-';
    if (!is_number(p, end)) return RWD_PARSE_MALFORMED;
    if (!rwd_float_from_chars(p, end, &value)) {
        if (is_large(p, end)) return RWD_PARSE_RANGE;
        value = 0;
    }
    return rwd_float_normal(negative ? -value : value, out) ? RWD_PARSE_OK : RWD_PARSE_RANGE;
}

// ---- text

// A value as its digits, and where the point stands from their beginning: 1250 is "125" and 4.
typedef struct shortest {
    char digits[RWD_FLOAT_TEXT_MAX];
    int count;
    int point;
} shortest;

static shortest shortest_of(double value) {
    char text[RWD_FLOAT_TEXT_MAX];
    shortest s = {.count = 0};
    const char *p = text, *end = text + rwd_float_to_chars(value, text, sizeof text);
    for (; *p != 'e'; p++)
        if (*p != '.') s.digits[s.count++] = *p;
    bool negative = p[1] == '-';
    for (p += 2; p < end; p++) s.point = s.point * 10 + (*p - '0');
    s.point = (negative ? -s.point : s.point) + 1;
    return s;
}

static char *put(char *out, const char *digits, int count) { return (char *)memcpy(out, digits, (size_t)count) + count; }
static char *put_zeros(char *out, int count) { return (char *)memset(out, '0', (size_t)count) + count; }

static char *put_scientific(char *out, const shortest *s) {
    int exponent = s->point - 1, divisor = 100;
    *out++ = s->digits[0];
    if (s->count > 1) *out++ = '.';
    out = put(out, s->digits + 1, s->count - 1);
    *out++ = 'e';
    *out++ = exponent < 0 ? '-' : '+';
    if (exponent < 0) exponent = -exponent;
    while (divisor > 1 && exponent < divisor) divisor /= 10;
    for (; divisor > 0; divisor /= 10) *out++ = (char)('0' + exponent / divisor % 10);
    return out;
}

static char *put_plain(char *out, const shortest *s) {
    if (s->point >= s->count) return put_zeros(put(out, s->digits, s->count), s->point - s->count);
    if (s->point <= 0) return put(put_zeros(put(out, "0.", 2), -s->point), s->digits, s->count);
    out = put(out, s->digits, s->point);
    *out++ = '.';
    return put(out, s->digits + s->point, s->count - s->point);
}

size_t rwd_float_text(double value, char out[RWD_FLOAT_TEXT_MAX]) {
    assert(__builtin_isfinite(value));
    shortest s = shortest_of(value < 0 ? -value : value);
    char *end = out;
    if (value < 0) *end++ = '-';
    bool plain = s.point >= PLAIN_POINT_MIN && s.point <= PLAIN_POINT_MAX;
    end = plain ? put_plain(end, &s) : put_scientific(end, &s);
    *end = '\0';
    return (size_t)(end - out);
}
