// Keys as text: the text of a key reads back as that key, and what is no key's text is refused without reading past it.
#include "state/key_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

static const rwd_type types[] = {RWD_TYPE_STRING, RWD_TYPE_INT, RWD_TYPE_DECIMAL, RWD_TYPE_BOOL, RWD_TYPE_TIME, RWD_TYPE_FLOAT, RWD_TYPE_BYTES};
static const char *const texts[] = {"", "ada", "\"quoted\", \\ and \n", "\x01\x1f", "[1,2]", "null", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "true"};

static void schema_of(rwd_schema *schema, const rwd_type *parts, size_t count) {
    rwd_error err;
    rwd_schema_init(schema, 3, "t");
    for (size_t i = 0; i < count; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "p%zu", i);
        assert_true(rwd_schema_add_part(schema, name, parts[i], parts[i] == RWD_TYPE_DECIMAL ? 2 : 0, &err));
    }
}

static rwd_value any_value(test_random *r, rwd_type type) {
    rwd_value v = {.present = true};
    const char *text = texts[test_random_below(r, sizeof texts / sizeof *texts)];
    int64_t number = (int64_t)test_random_below(r, 2000000) - 1000000;
    switch (type) {
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES: v.s = rwd_slice_str(text); break;
    case RWD_TYPE_DECIMAL: v.d = number; break;
    case RWD_TYPE_BOOL: v.b = number & 1; break;
    case RWD_TYPE_FLOAT: v.f = (double)number / 8; break;
    default: v.i = number * 1000003; break;
    }
    return v;
}

static void a_key_reads_back_from_its_text(void **state) {
    (void)state;
    test_random r = test_random_of(3);
    rwd_buf text = {0}, scratch = {0};
    for (unsigned round = 0; round < 20000; round++) {
        rwd_type parts[RWD_KEY_PARTS_MAX];
        rwd_value values[RWD_KEY_PARTS_MAX], found[RWD_KEY_PARTS_MAX];
        size_t count = 1 + test_random_below(&r, RWD_KEY_PARTS_MAX);
        for (size_t i = 0; i < count; i++) {
            parts[i] = types[test_random_below(&r, sizeof types / sizeof *types)];
            values[i] = any_value(&r, parts[i]);
            if (count > 1 && test_random_below(&r, 9) == 0) values[i] = (rwd_value){.present = false};
        }
        rwd_schema schema;
        schema_of(&schema, parts, count);
        uint8_t key[RWD_KEY_BYTES_MAX], back[RWD_KEY_BYTES_MAX];
        size_t size = rwd_key_encode(&schema, values, key);
        assert_true(size > 0);
        rwd_buf_clear(&text);
        assert_true(rwd_key_write_text(&schema, rwd_slice_of(key, size), &scratch, &text));
        assert_true(rwd_key_read_text(&schema, rwd_buf_slice(&text), &scratch, found));
        assert_int_equal(rwd_key_encode(&schema, found, back), size);
        assert_memory_equal(key, back, size);
        // Every shorter text of an array is no key; the sanitizers watch where it ends.
        for (size_t cut = 0; count > 1 && cut < text.size; cut++) {
            uint8_t *exact = rwd_malloc(cut + 1);
            memcpy(exact, text.data, cut);
            assert_false(rwd_key_read_text(&schema, rwd_slice_of(exact, cut), &scratch, found));
            free(exact);
        }
        rwd_schema_deinit(&schema);
    }
    rwd_buf_deinit(&text);
    rwd_buf_deinit(&scratch);
}

static bool reads(const rwd_type *parts, size_t count, const char *text) {
    rwd_schema schema;
    rwd_value values[RWD_KEY_PARTS_MAX];
    rwd_buf scratch = {0};
    schema_of(&schema, parts, count);
    bool ok = rwd_key_read_text(&schema, rwd_slice_str(text), &scratch, values);
    rwd_schema_deinit(&schema);
    rwd_buf_deinit(&scratch);
    return ok;
}

static void what_is_no_key_is_refused(void **state) {
    (void)state;
    static const rwd_type pair[] = {RWD_TYPE_STRING, RWD_TYPE_INT};
    static const char *const good[] = {"[\"a\",1]", " [ \"a\" , -1 ] ", "[null,null]", "[\"\\u00e9\\ud83d\\ude00\\n\\/\",7]"};
    static const char *const bad[] = {"", "a", "[]", "[\"a\"]", "[\"a\",1,2]", "[\"a\",1]x", "[a,1]", "[\"a\",\"1\"]", "[\"a\",+1]", "[\"a\",1.5]", "[\"a\" 1]",
                                      "[\"\\ud83d\",1]", "[\"\\ude00\",1]", "[\"\\x\",1]", "[\"\\u12\",1]", "[\"\n\",1]", "[\"\xff\",1]", "{\"a\":1}", "[true,1]",
                                      "[\"a\",nulls]"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(reads(pair, 2, good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (reads(pair, 2, bad[i])) fail_msg("%s was read as a key", bad[i]);
    static const rwd_type number[] = {RWD_TYPE_INT}, word[] = {RWD_TYPE_STRING};
    assert_true(reads(number, 1, "-12"));
    assert_false(reads(number, 1, "twelve"));
    assert_false(reads(number, 1, ""));
    assert_true(reads(word, 1, "[1]"));
    assert_false(reads(word, 1, "\xff"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_reads_back_from_its_text),
        cmocka_unit_test(what_is_no_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
