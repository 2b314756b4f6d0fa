// Values set in JSON texts: what stands where, and that all else stays as it was.
#include "operator/config/json_patch.h"
#include "tests/unit/test.h"

typedef struct example { const char *json, *path, *value, *patched; } example;

static bool patch(const char *json, const char *path, const char *value, rwd_buf *out, rwd_error *err) {
    rwd_json_path parsed;
    rwd_error none;
    assert_true(rwd_json_path_parse(path, &parsed, &none));
    bool ok = rwd_json_patch(rwd_slice_str(json), &parsed, rwd_slice_str(value), out, err);
    rwd_json_path_deinit(&parsed);
    return ok;
}

static void a_value_is_put_in_its_place(void **state) {
    (void)state;
    static const example examples[] = {
        {"{\"a\": 1, \"b\" : 2 }", "b", "\"x\"", "{\"a\": 1, \"b\" : \"x\" }"},
        {"{\"a\":{\"b\":[1,{\"c\":3}]}}", "a.b[1].c", "null", "{\"a\":{\"b\":[1,{\"c\":null}]}}"},
        {"{\"a\":1,\"a\":2}", "a", "3", "{\"a\":1,\"a\":3}"},                        // the last one counts
        {"{\"a\\u0062\":1}", "ab", "2", "{\"a\\u0062\":2}"},
        {"{\"\\ud83d\\ude00\":1}", "\xF0\x9F\x98\x80", "2", "{\"\\ud83d\\ude00\":2}"},
        {" {\n \"a\" : [ 1 , 2 ] }\n", "a[0]", "7", " {\n \"a\" : [ 7 , 2 ] }\n"},
        {"{\"a\":\"}\",\"b\":\"\\\"\"}", "b", "1", "{\"a\":\"}\",\"b\":1}"},
        {"{}", "a", "1", "{\"a\":1}"},
        {"{\"a\":1}", "b.c.d", "true", "{\"a\":1,\"b\":{\"c\":{\"d\":true}}}"},
        {"{\"a\":{}}", "a.b", "1", "{\"a\":{\"b\":1}}"},
        {"{\"a.b\":1}", "[\"a.b\"]", "2", "{\"a.b\":2}"},
    };
    rwd_buf out = {0};
    rwd_error err;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        rwd_buf_clear(&out);
        rwd_buf_append_str(&out, "before ");
        if (!patch(examples[i].json, examples[i].path, examples[i].value, &out, &err)) fail_msg("%s: %s", examples[i].json, err.cause);
        assert_string_equal(rwd_buf_cstr(&out) + strlen("before "), examples[i].patched);
    }
    rwd_buf_deinit(&out);
}

static void where_there_is_no_place_nothing_is_written(void **state) {
    (void)state;
    static const char *const examples[][2] = {
        {"", "a"}, {"{", "a"}, {"[1,2]", "a"}, {"7", "a"}, {"{\"a\":1} x", "a"}, {"{\"a\":1}", "a.b"}, {"{\"a\":[1]}", "a[1]"}, {"{}", "a[0]"}, {"{\"a\":tru}", "a"},
        {"{\"a\":\"\xFF\"}", "a"}, {"{\"a\":[", "a[0]"},
    };
    rwd_buf out = {0};
    rwd_error err;
    rwd_buf_append_str(&out, "before");
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        if (patch(examples[i][0], examples[i][1], "1", &out, &err)) fail_msg("%s: %s", examples[i][0], rwd_buf_cstr(&out));
        assert_int_equal(err.code, RWD_E_MALFORMED);
        assert_string_equal(rwd_buf_cstr(&out), "before");
    }
    rwd_buf_deinit(&out);
}

static void what_was_typed_is_a_text_unless_it_is_another_value(void **state) {
    (void)state;
    static const struct { const char *typed; bool plain; const char *json; } examples[] = {
        {"12", true, "12"}, {"12", false, "\"12\""}, {"-1.5e3", true, "-1.5e3"}, {"true", true, "true"}, {"null", true, "null"}, {"null", false, "\"null\""},
        {"x\"y", true, "\"x\\\"y\""}, {"", true, "\"\""}, {"01", true, "\"01\""}, {"1 2", true, "\"1 2\""}, {"{}", true, "\"{}\""}, {"[1]", true, "\"[1]\""}, {"1,2", true, "\"1,2\""},
    };
    rwd_buf out = {0};
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        rwd_buf_clear(&out);
        rwd_json_typed(rwd_slice_str(examples[i].typed), examples[i].plain, &out);
        assert_string_equal(rwd_buf_cstr(&out), examples[i].json);
    }
    rwd_buf_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_put_in_its_place),
        cmocka_unit_test(where_there_is_no_place_nothing_is_written),
        cmocka_unit_test(what_was_typed_is_a_text_unless_it_is_another_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
