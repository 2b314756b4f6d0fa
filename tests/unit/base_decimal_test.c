// Decimals against a second implementation that works on strings of digits, and against printf.
#include "operator/base/decimal.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

// ---- the second implementation: place the digits on a long row, one byte each, and look where the ones beyond the scale are

#define ROW 400
#define POINT 200  // digits before this index are whole ones

static rwd_parse slow_decimal_parse(const char *text, unsigned scale, rwd_i128 *out, bool *out_fraction) {
    char row[ROW];
    memset(row, 0, sizeof(row));
    const char *p = text;
    bool negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    size_t whole = strspn(p, "0123456789");
    if (whole == 0) return RWD_PARSE_MALFORMED;
    const char *whole_digits = p, *fraction_digits = "";
    size_t fraction = 0;
    p += whole;
    if (*p == '.') {
        fraction_digits = ++p;
        fraction = strspn(p, "0123456789");
        if (fraction == 0) return RWD_PARSE_MALFORMED;
        p += fraction;
    }
    long exponent = 0;
    if (*p == 'e' || *p == 'E') {
        char *end;
        p++;
        const char *digits = *p == '+' || *p == '-' ? p + 1 : p;
        if (*digits < '0' || *digits > '9') return RWD_PARSE_MALFORMED;
        exponent = strtol(p, &end, 10);
        p = end;
    }
    if (*p) return RWD_PARSE_MALFORMED;
    *out_fraction = false;
    if (exponent > 150 || exponent < -150) {  // off the row: only zero is a number then
        *out = 0;
        *out_fraction = exponent < 0;
        for (const char *d = text; *d && *d != 'e' && *d != 'E'; d++)
            if (*d >= '1' && *d <= '9') return RWD_PARSE_RANGE;
        return RWD_PARSE_OK;
    }
    for (size_t i = 0; i < whole; i++) row[POINT - (long)whole + (long)i - exponent] = (char)(whole_digits[i] - '0');
    for (size_t i = 0; i < fraction; i++) row[POINT + (long)i - exponent] = (char)(fraction_digits[i] - '0');
    for (long i = POINT + (long)scale; i < ROW; i++)
        if (row[i]) *out_fraction = true;
    for (long i = 0; i < POINT + (long)scale - 38; i++)
        if (row[i] && !*out_fraction) return RWD_PARSE_RANGE;
    if (*out_fraction) return RWD_PARSE_RANGE;
    rwd_i128 value = 0;
    for (long i = POINT + (long)scale - 38; i < POINT + (long)scale; i++) value = value * 10 + row[i];
    *out = negative ? -value : value;
    return RWD_PARSE_OK;
}

static void random_number_text(test_random *r, char *out) {
    static const char *const signs[] = {"", "", "-", "+"};
    static const uint64_t lengths[] = {3, 8, 19, 22, 45};
    size_t at = (size_t)sprintf(out, "%s", signs[test_random_below(r, 4)]);
    uint64_t whole = test_random_below(r, lengths[test_random_below(r, 5)]);
    for (uint64_t i = 0; i < whole + 1; i++) out[at++] = "000123456789"[test_random_below(r, 12)];
    if (test_random_below(r, 2)) {
        out[at++] = '.';
        uint64_t fraction = test_random_below(r, lengths[test_random_below(r, 4)]);
        for (uint64_t i = 0; i < fraction + 1; i++) out[at++] = "000000123456789"[test_random_below(r, 15)];
    }
    out[at] = '\0';
    if (test_random_below(r, 3) == 0) sprintf(out + at, "%c%+d", "eE"[test_random_below(r, 2)], (int)test_random_below(r, 90) - 45);
    if (test_random_below(r, 20) == 0) {
        size_t size = strlen(out);
        out[test_random_below(r, size)] = " .-+eE,x"[test_random_below(r, 8)];
    }
}

// The text is copied to a block of exactly its size, so that a read beyond it is seen by the sanitizer.
static rwd_slice exact_copy(const char *text, void **out_block) {
    size_t size = strlen(text);
    *out_block = malloc(size ? size : 1);
    memcpy(*out_block, text, size);
    return rwd_slice_of(*out_block, size);
}

static void decimals_parse_as_digits_on_a_row_do(void **state) {
    (void)state;
    test_random r = test_random_of(1);
    size_t met[3] = {0};
    for (int i = 0; i < 300000; i++) {
        char text[200];
        random_number_text(&r, text);
        unsigned scale = (unsigned)test_random_below(&r, RWD_DECIMAL_SCALE_MAX + 1);
        void *block;
        rwd_slice slice = exact_copy(text, &block);
        rwd_i128 expected = 0, got = 0;
        bool fraction;
        rwd_parse wanted = slow_decimal_parse(text, scale, &expected, &fraction);
        rwd_parse parsed = rwd_decimal_parse(slice, scale, &got);
        if (parsed != wanted || (wanted == RWD_PARSE_OK && got != expected)) fail_msg("'%s' at scale %u", text, scale);
        met[wanted]++;
        free(block);
    }
    for (int i = 0; i < 3; i++) assert_true(met[i] > 5000);
}

static void ints_parse_as_digits_on_a_row_do(void **state) {
    (void)state;
    test_random r = test_random_of(2);
    size_t met[3] = {0};
    for (int i = 0; i < 300000; i++) {
        char text[200];
        random_number_text(&r, text);
        void *block;
        rwd_slice slice = exact_copy(text, &block);
        rwd_i128 expected = 0;
        int64_t got = 0;
        bool fraction = false;
        rwd_parse wanted = slow_decimal_parse(text, 0, &expected, &fraction);
        if (wanted == RWD_PARSE_RANGE && fraction) wanted = RWD_PARSE_MALFORMED;
        if (wanted == RWD_PARSE_OK && (expected > INT64_MAX || expected < INT64_MIN)) wanted = RWD_PARSE_RANGE;
        rwd_parse parsed = rwd_int_parse(slice, &got);
        if (parsed != wanted || (wanted == RWD_PARSE_OK && got != expected)) fail_msg("'%s'", text);
        met[wanted]++;
        free(block);
    }
    for (int i = 0; i < 3; i++) assert_true(met[i] > 5000);
}

static void edges_of_the_range_are_exact(void **state) {
    (void)state;
    rwd_i128 d;
    int64_t n;
    assert_int_equal(rwd_int_parse(rwd_slice_str("9223372036854775807"), &n), RWD_PARSE_OK);
    assert_true(n == INT64_MAX);
    assert_int_equal(rwd_int_parse(rwd_slice_str("-9223372036854775808"), &n), RWD_PARSE_OK);
    assert_true(n == INT64_MIN);
    assert_int_equal(rwd_int_parse(rwd_slice_str("9223372036854775808"), &n), RWD_PARSE_RANGE);
    assert_int_equal(rwd_int_parse(rwd_slice_str("-9223372036854775809"), &n), RWD_PARSE_RANGE);
    rwd_slice most = rwd_slice_str("99999999999999999999999999999999999999");
    assert_int_equal(rwd_decimal_parse(most, 0, &d), RWD_PARSE_OK);
    assert_int_equal(rwd_decimal_parse(rwd_slice_str("100000000000000000000000000000000000000"), 0, &d), RWD_PARSE_RANGE);
    assert_int_equal(rwd_decimal_parse(most, 1, &d), RWD_PARSE_RANGE);
    assert_int_equal(rwd_decimal_parse(rwd_slice_str("1.50"), 1, &d), RWD_PARSE_OK);
    assert_true(d == 15);
    assert_int_equal(rwd_decimal_parse(rwd_slice_str("1.55"), 1, &d), RWD_PARSE_RANGE);
}

static void huge_exponents_are_bounded_before_use(void **state) {
    (void)state;
    rwd_i128 d = 1;
    int64_t n;
    static const char *const large[] = {"1e99999999999999999999999", "1e9223372036854775807", "-1e2147483648"};
    static const char *const small[] = {"1e-99999999999999999999999", "1e-9223372036854775808"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(rwd_decimal_parse(rwd_slice_str(large[i]), 18, &d), RWD_PARSE_RANGE);
        assert_int_equal(rwd_int_parse(rwd_slice_str(large[i]), &n), RWD_PARSE_RANGE);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rwd_decimal_parse(rwd_slice_str(small[i]), 18, &d), RWD_PARSE_RANGE);
        assert_int_equal(rwd_int_parse(rwd_slice_str(small[i]), &n), RWD_PARSE_MALFORMED);
    }
    assert_int_equal(rwd_decimal_parse(rwd_slice_str("-0.000e99999999999999999999"), 2, &d), RWD_PARSE_OK);
    assert_true(d == 0);
}

static void a_million_zeros_are_a_number_too(void **state) {
    (void)state;
    rwd_buf text = {0};
    for (int i = 0; i < 1000000; i++) rwd_buf_append_char(&text, '0');
    rwd_buf_append_str(&text, "7.5");
    for (int i = 0; i < 1000000; i++) rwd_buf_append_char(&text, '0');
    rwd_i128 d;
    assert_int_equal(rwd_decimal_parse(rwd_buf_slice(&text), 2, &d), RWD_PARSE_OK);
    assert_true(d == 750);
    rwd_buf_append_char(&text, '1');
    assert_int_equal(rwd_decimal_parse(rwd_buf_slice(&text), 2, &d), RWD_PARSE_RANGE);
    rwd_buf_deinit(&text);
}

static void texts_that_are_no_numbers_are_malformed(void **state) {
    (void)state;
    static const char *const bad[] = {"", "-", "+", ".", "1.", ".5", "-.5", "1..2", "1.2.3", "1e", "1e+", "e5", " 1", "1 ", "0x10",
                                      "1,5", "--1", "+-1", "NaN", "inf", "1e5.0", "1_000", "\xC2\xA0" "1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        rwd_i128 d;
        int64_t n;
        assert_int_equal(rwd_decimal_parse(rwd_slice_str(bad[i]), 2, &d), RWD_PARSE_MALFORMED);
        assert_int_equal(rwd_int_parse(rwd_slice_str(bad[i]), &n), RWD_PARSE_MALFORMED);
    }
    int64_t n;
    assert_int_equal(rwd_int_parse(rwd_slice_of("1\0", 2), &n), RWD_PARSE_MALFORMED);
}

static void a_decimal_reads_back_from_its_text(void **state) {
    (void)state;
    test_random r = test_random_of(3);
    for (int i = 0; i < 300000; i++) {
        unsigned __int128 bits = (unsigned __int128)test_random_u64(&r) << 64 | test_random_u64(&r);
        rwd_i128 value = (rwd_i128)(bits >> (2 + test_random_below(&r, 126)));  // up to 2^126, below the limit of 10^38
        if (test_random_below(&r, 2)) value = -value;
        unsigned scale = (unsigned)test_random_below(&r, RWD_DECIMAL_SCALE_MAX + 1);
        char text[RWD_DECIMAL_TEXT_MAX];
        size_t size = rwd_decimal_text(value, scale, text);
        assert_int_equal(size, strlen(text));
        const char *point = strchr(text, '.');
        assert_int_equal(point ? strlen(point + 1) : 0, scale);
        rwd_i128 back;
        assert_int_equal(rwd_decimal_parse(rwd_slice_of(text, size), scale, &back), RWD_PARSE_OK);
        assert_true(back == value);
    }
}

static void small_decimals_read_as_printf_has_them(void **state) {
    (void)state;
    test_random r = test_random_of(4);
    for (int i = 0; i < 100000; i++) {
        int64_t value = (int64_t)test_random_wide(&r);
        char text[RWD_DECIMAL_TEXT_MAX], expected[64];
        rwd_decimal_text(value, 0, text);
        snprintf(expected, sizeof(expected), "%lld", (long long)value);
        assert_string_equal(text, expected);
        rwd_decimal_text(value, 3, text);
        snprintf(expected, sizeof(expected), "%s%lld.%03d", value < 0 && value > -1000 ? "-" : "", (long long)(value / 1000),
                 abs((int)(value % 1000)));
        assert_string_equal(text, expected);
    }
}

static void the_widest_values_have_text(void **state) {
    (void)state;
    char text[RWD_DECIMAL_TEXT_MAX];
    rwd_decimal_text(RWD_I128_MIN, 0, text);
    assert_string_equal(text, "-170141183460469231731687303715884105728");
    rwd_decimal_text(RWD_I128_MAX, 18, text);
    assert_string_equal(text, "170141183460469231731.687303715884105727");
    rwd_decimal_text(0, 2, text);
    assert_string_equal(text, "0.00");
    rwd_decimal_text(-5, 2, text);
    assert_string_equal(text, "-0.05");
}

static void sums_say_when_they_overflow(void **state) {
    (void)state;
    rwd_i128 wide;
    int64_t narrow;
    assert_true(rwd_i128_add(RWD_I128_MAX, RWD_I128_MIN, &wide) && wide == -1);
    assert_false(rwd_i128_add(RWD_I128_MAX, 1, &wide));
    assert_false(rwd_i128_add(RWD_I128_MIN, -1, &wide));
    assert_true(rwd_i64_add(INT64_MAX, INT64_MIN, &narrow) && narrow == -1);
    assert_false(rwd_i64_add(INT64_MAX, 1, &narrow));
    assert_false(rwd_i64_add(INT64_MIN, -1, &narrow));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_parse_as_digits_on_a_row_do),
        cmocka_unit_test(ints_parse_as_digits_on_a_row_do),
        cmocka_unit_test(edges_of_the_range_are_exact),
        cmocka_unit_test(huge_exponents_are_bounded_before_use),
        cmocka_unit_test(a_million_zeros_are_a_number_too),
        cmocka_unit_test(texts_that_are_no_numbers_are_malformed),
        cmocka_unit_test(a_decimal_reads_back_from_its_text),
        cmocka_unit_test(small_decimals_read_as_printf_has_them),
        cmocka_unit_test(the_widest_values_have_text),
        cmocka_unit_test(sums_say_when_they_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
