// The JSON writer: strings against a reader written from RFC 8259, numbers against strtod, structure against texts written by hand.
#include "operator/base/json_out.h"
#include "operator/base/time.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

// Reads one quoted string at `p` by the grammar of RFC 8259, section 7; only \u00XX of the \u escapes is met here.
static const uint8_t *read_string(const uint8_t *p, const uint8_t *end, rwd_buf *out) {
    assert_true(p < end && *p == '"');
    for (p++; p < end && *p != '"'; p++) {
        assert_true(*p >= 0x20);
        if (*p != '\\') {
            rwd_buf_append_char(out, (char)*p);
            continue;
        }
        p++;
        static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        const char *letter = strchr(letters, *p);
        if (letter) {
            rwd_buf_append_char(out, meanings[letter - letters]);
        } else {
            assert_true(*p == 'u' && p[1] == '0' && p[2] == '0');
            uint8_t c;
            assert_true(rwd_unhex((const char *)p + 3, 2, &c));
            rwd_buf_append_char(out, (char)c);
            p += 4;
        }
    }
    assert_true(p < end);
    return p + 1;
}

static void a_quoted_string_reads_back(void **state) {
    (void)state;
    test_random r = test_random_of(1);
    for (int i = 0; i < 20000; i++) {
        static const char *const pieces[] = {"plain", "\"", "\\", "/", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x8C\x8D", "\x7F"};
        rwd_buf text = {0}, quoted = {0}, back = {0};
        for (uint64_t n = test_random_below(&r, 10); n > 0; n--) {
            if (test_random_below(&r, 3)) rwd_buf_append_str(&text, pieces[test_random_below(&r, 8)]);
            else rwd_buf_append_char(&text, (char)test_random_below(&r, 0x20));
        }
        rwd_json_quote(&quoted, rwd_buf_slice(&text));
        const uint8_t *end = quoted.data + quoted.size;
        assert_ptr_equal(read_string(quoted.data, end, &back), end);
        assert_true(rwd_slice_equal(rwd_buf_slice(&back), rwd_buf_slice(&text)));
        rwd_buf_deinit(&text);
        rwd_buf_deinit(&quoted);
        rwd_buf_deinit(&back);
    }
}

static void whatever_the_bytes_the_output_is_utf8(void **state) {
    (void)state;
    test_random r = test_random_of(2);
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[12];
        size_t size = test_random_below(&r, sizeof(bytes));
        for (size_t j = 0; j < size; j++) bytes[j] = (uint8_t)(test_random_below(&r, 2) ? 0x80 + test_random_below(&r, 0x80) : 'a');
        rwd_buf quoted = {0}, back = {0};
        rwd_json_quote(&quoted, rwd_slice_of(bytes, size));
        assert_true(rwd_utf8_valid(rwd_buf_slice(&quoted)));
        read_string(quoted.data, quoted.data + quoted.size, &back);
        if (rwd_utf8_valid(rwd_slice_of(bytes, size))) assert_true(rwd_slice_equal(rwd_buf_slice(&back), rwd_slice_of(bytes, size)));
        else assert_non_null(memmem(back.data, back.size, "\xEF\xBF\xBD", 3));
        rwd_buf_deinit(&quoted);
        rwd_buf_deinit(&back);
    }
    rwd_buf quoted = {0};
    rwd_json_quote(&quoted, rwd_slice_of("a\xFF" "b\xE2\x82", 5));
    assert_string_equal(rwd_buf_cstr(&quoted), "\"a\xEF\xBF\xBD" "b\xEF\xBF\xBD\xEF\xBF\xBD\"");
    rwd_buf_deinit(&quoted);
}

static void write_sample(rwd_json_out *json) {
    rwd_json_object(json);
    rwd_json_key(json, "a");
    rwd_json_int(json, -1);
    rwd_json_key(json, "b");
    rwd_json_array(json);
    rwd_json_uint(json, UINT64_MAX);
    rwd_json_bool(json, true);
    rwd_json_null(json);
    rwd_json_string(json, NULL);
    rwd_json_string(json, "x");
    rwd_json_array(json);
    rwd_json_array_end(json);
    rwd_json_array_end(json);
    rwd_json_key_slice(json, rwd_slice_str("c\n"));
    rwd_json_object(json);
    rwd_json_object_end(json);
    rwd_json_key(json, "d");
    rwd_json_raw(json, rwd_slice_str("12.50"));
    rwd_json_object_end(json);
}

static void structure_has_its_commas_on_one_line_or_indented(void **state) {
    (void)state;
    rwd_buf out = {0};
    rwd_json_out json;
    rwd_json_init(&json, &out, false);
    write_sample(&json);
    assert_string_equal(rwd_buf_cstr(&out),
                        "{\"a\":-1,\"b\":[18446744073709551615,true,null,null,\"x\",[]],\"c\\n\":{},\"d\":12.50}");
    rwd_buf_clear(&out);
    rwd_json_init(&json, &out, true);
    write_sample(&json);
    assert_string_equal(rwd_buf_cstr(&out), "{\n  \"a\": -1,\n  \"b\": [\n    18446744073709551615,\n    true,\n    null,\n    null,\n"
                                            "    \"x\",\n    []\n  ],\n  \"c\\n\": {},\n  \"d\": 12.50\n}");
    rwd_buf_deinit(&out);
}

static void float_text(double value, char out[64]) {
    rwd_buf text = {0};
    rwd_json_out json;
    rwd_json_init(&json, &text, false);
    rwd_json_float(&json, value);
    assert_true(text.size < 64);
    memcpy(out, rwd_buf_cstr(&text), text.size + 1);
    rwd_buf_deinit(&text);
}

// Digits of the mantissa without zeros at its ends.
static size_t significant_digits(const char *text) {
    size_t count = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text == '0') zeros += count > 0;
        if (*text < '1' || *text > '9') continue;
        count += zeros + 1;
        zeros = 0;
    }
    return count;
}

static void floats_are_the_shortest_text_that_reads_back(void **state) {
    (void)state;
    test_random r = test_random_of(3);
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = i % 4 == 0 ? test_random_wide(&r) : test_random_u64(&r);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (i % 4 == 1) value = (double)(int64_t)test_random_below(&r, 2000000) / 100;
        char text[64], shortest[64];
        float_text(value, text);
        if (!isfinite(value)) {
            assert_string_equal(text, "null");
            continue;
        }
        assert_true(strtod(text, NULL) == value);
        int least = 0;
        do snprintf(shortest, sizeof(shortest), "%.*e", least, value);
        while (strtod(shortest, NULL) != value && least++ < 16);
        assert_int_equal(significant_digits(text), significant_digits(shortest));
    }
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"}, {0.1, "0.1"}, {1e23, "1e+23"}, {5e-324, "5e-324"}, {-12.5, "-12.5"}, {0.30000000000000004, "0.30000000000000004"},
                 {NAN, "null"}, {-INFINITY, "null"}, {100, "100"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        float_text(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void members_are_keys_with_values(void **state) {
    (void)state;
    rwd_buf out = {0};
    rwd_json_out json;
    rwd_json_init(&json, &out, false);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "s", NULL);
    rwd_json_put_int(&json, "i", -1);
    rwd_json_put_uint(&json, "u", UINT64_MAX);
    rwd_json_put_bool(&json, "b", true);
    rwd_json_put_seconds(&json, "d", 1500000000);
    rwd_json_put_time(&json, "t", 0);
    rwd_json_put_time(&json, "never", RWD_TIME_NONE);
    rwd_json_put_object(&json, "o");
    rwd_json_put_hash(&json, "h", (rwd_hash128){0});
    rwd_json_object_end(&json);
    rwd_json_object_end(&json);
    assert_non_null(strstr(rwd_buf_cstr(&out), "\"s\":null,\"i\":-1,\"u\":18446744073709551615,\"b\":true,\"d\":1.5,\"t\":\"1970-01-01T00:00:00"));
    assert_non_null(strstr(rwd_buf_cstr(&out), "\"never\":null,\"o\":{\"h\":\"00000000000000000000000000000000\"}}"));
    rwd_buf_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_keys_with_values),
        cmocka_unit_test(a_quoted_string_reads_back),
        cmocka_unit_test(whatever_the_bytes_the_output_is_utf8),
        cmocka_unit_test(structure_has_its_commas_on_one_line_or_indented),
        cmocka_unit_test(floats_are_the_shortest_text_that_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
