// Floats as text, against strtod and printf.
#include "operator/base/float.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

static void check_text(double value, const char *wanted) {
    char text[RWD_FLOAT_TEXT_MAX];
    assert_int_equal(rwd_float_text(value, text), strlen(wanted));
    assert_string_equal(text, wanted);
}

static void texts_are_laid_out_as_ecmascript_does(void **state) {
    (void)state;
    check_text(0, "0");
    check_text(1, "1");
    check_text(-1500, "-1500");
    check_text(0.1, "0.1");
    check_text(123.456, "123.456");
    check_text(0.000001, "0.000001");
    check_text(0.0000001, "1e-7");
    check_text(-1.5e-7, "-1.5e-7");
    check_text(100000000000000000000.0, "100000000000000000000");
    check_text(1e21, "1e+21");
    check_text(5e-324, "5e-324");
    check_text(1.7976931348623157e308, "1.7976931348623157e+308");
    check_text(9007199254740993.0, "9007199254740992");
}

static double random_double(test_random *r) {
    double v;
    do {
        uint64_t bits = test_random_u64(r);
        memcpy(&v, &bits, sizeof v);
    } while (!rwd_float_normal(v, &v));
    return v;
}

// It reads back as the same value, and no shorter run of digits does.
static void a_text_is_the_shortest_that_reads_back(void **state) {
    (void)state;
    test_random r = test_random_of(11);
    for (int round = 0; round < 50000; round++) {
        double v = random_double(&r), back;
        char text[RWD_FLOAT_TEXT_MAX], shorter[64];
        size_t size = rwd_float_text(v, text);
        assert_true(strtod(text, NULL) == v);
        assert_int_equal(rwd_float_parse(rwd_slice_of(text, size), &back), RWD_PARSE_OK);
        assert_memory_equal(&back, &v, sizeof v);
        int digits = 0, zeros = 0;  // without those that only place the point
        for (size_t i = 0; i < size && text[i] != 'e'; i++) {
            if (text[i] < '0' || text[i] > '9') continue;
            zeros = text[i] == '0' ? zeros + (digits > 0) : 0;
            digits += digits > 0 || text[i] != '0';
        }
        digits -= zeros;
        if (digits < 2 || digits > 17) continue;
        (void)snprintf(shorter, sizeof shorter, "%.*e", digits - 2, v);
        assert_true(strtod(shorter, NULL) != v);
    }
}

static void check_parse(const char *text, rwd_parse wanted, double value) {
    double got = 0;
    assert_int_equal(rwd_float_parse(rwd_slice_str(text), &got), wanted);
    if (wanted == RWD_PARSE_OK) assert_memory_equal(&got, &value, sizeof value);
}

static void what_is_read_is_the_nearest_value(void **state) {
    (void)state;
    check_parse("+1.5", RWD_PARSE_OK, 1.5);
    check_parse("-0", RWD_PARSE_OK, 0.0);
    check_parse("-0.0e5", RWD_PARSE_OK, 0.0);
    check_parse("007", RWD_PARSE_OK, 7);
    check_parse("1e-400", RWD_PARSE_OK, 0.0);
    check_parse("-1e-99999999999999999999", RWD_PARSE_OK, 0.0);
    check_parse("0e99999999999999999999", RWD_PARSE_OK, 0.0);
    check_parse("2.4703282292062328e-324", RWD_PARSE_OK, 5e-324);
    check_parse("1.7976931348623158e308", RWD_PARSE_OK, 1.7976931348623157e308);
    check_parse("0.0000001e315", RWD_PARSE_OK, 1e308);
    check_parse("1.7976931348623159e308", RWD_PARSE_RANGE, 0);
    check_parse("-1e309", RWD_PARSE_RANGE, 0);
    check_parse("1e99999999999999999999", RWD_PARSE_RANGE, 0);
    check_parse("0.001e312", RWD_PARSE_RANGE, 0);
    static const char *const others[] = {"", "+", "-", "+-1", "--1", "1.", ".5", "1e", "1e+", "1 ", " 1", "inf", "-inf", "nan", "infinity", "0x1", "1_0", "1,5", "1f"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) check_parse(others[i], RWD_PARSE_MALFORMED, 0);
}

static void long_texts_are_read_as_strtod_reads_them(void **state) {
    (void)state;
    test_random r = test_random_of(12);
    for (int round = 0; round < 2000; round++) {
        char text[1200];
        size_t size = 0, digits = 1 + test_random_below(&r, 900), point = test_random_below(&r, digits + 1);
        for (size_t i = 0; i < digits; i++) {
            text[size++] = (char)('0' + test_random_below(&r, 10));
            if (i + 1 == point && point < digits) text[size++] = '.';
        }
        size += (size_t)snprintf(text + size, sizeof text - size, "e%d", (int)test_random_below(&r, 1400) - 1000);
        double got, wanted = strtod(text, NULL);
        rwd_parse parsed = rwd_float_parse(rwd_slice_of(text, size), &got);
        assert_int_equal(parsed, __builtin_isfinite(wanted) ? RWD_PARSE_OK : RWD_PARSE_RANGE);
        if (parsed == RWD_PARSE_OK) assert_memory_equal(&got, &wanted, sizeof got);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_laid_out_as_ecmascript_does),
        cmocka_unit_test(a_text_is_the_shortest_that_reads_back),
        cmocka_unit_test(what_is_read_is_the_nearest_value),
        cmocka_unit_test(long_texts_are_read_as_strtod_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
