// Files of amendments: what each member means, and what is said of a mistake.
#include "operator/config/amend_file.h"

#include "tests/unit/test.h"

static rwd_amendments parse(const char *text) {
    rwd_amendments list;
    rwd_error err;
    if (!rwd_amend_text_parse("a.jsonl", rwd_slice_str(text), &list, &err)) fail_msg("%s: %s", err.place, err.cause);
    return list;
}

static void is_text(const rwd_buf *buf, const char *expected) { assert_true(rwd_slice_equal(rwd_buf_slice(buf), rwd_slice_str(expected))); }

static void each_kind_is_read(void **state) {
    (void)state;
    rwd_amendments list = parse("{\"skip\": 123, \"reason\": \"test order\"}\n\n{\"replace\": 5, \"value\": \"a\\n\\u00e9\", \"key\": \"k\"}\r\n"
                                "{\"insert\": 7, \"value\": {\"a\" : [1, 2.50]}, \"time\": \"1970-01-01T00:00:01Z\"}\n");
    assert_int_equal(list.count, 3);
    assert_true(list.items[0].kind == RWD_AMEND_SKIP && list.items[0].at == 123 && !list.items[0].has_value && list.items[0].time_us == RWD_TIME_NONE);
    is_text(&list.items[0].reason, "test order");
    assert_true(list.items[1].kind == RWD_AMEND_REPLACE && list.items[1].has_key && list.items[1].has_value);
    is_text(&list.items[1].value, "a\n\xC3\xA9");
    assert_true(list.items[2].kind == RWD_AMEND_INSERT && list.items[2].time_us == 1000000 && !list.items[2].has_key);
    is_text(&list.items[2].value, "{\"a\" : [1, 2.50]}");  // as it stands: numbers keep their digits
    rwd_amendments_deinit(&list);
}

static void bytes_that_are_no_text_come_in_base64(void **state) {
    (void)state;
    rwd_amendments list = parse("{\"insert\": 0, \"value_base64\": \"/wA=\", \"key_base64\": \"AAE=\"}\n{\"insert\": 0, \"value\": null, \"key\": null}");
    assert_true(list.items[0].value.size == 2 && list.items[0].value.data[0] == 0xFF && list.items[0].key.size == 2);
    assert_false(list.items[1].has_value || list.items[1].has_key);
    rwd_amendments_deinit(&list);
}

static void a_mistake_is_named_with_file_and_line(void **state) {
    (void)state;
    static const struct { const char *text, *place, *cause; } mistakes[] = {
        {"{\"skip\": 1}\n{\"skip\": -1}", "a.jsonl:2", "an offset is wanted"},
        {"{\"skip\": 1.0}", "a.jsonl:1", "an offset is wanted"},
        {"{\"skip\": 99999999999999999999}", "a.jsonl:1", "so high an offset"},
        {"\n\n{\"skp\": 1}", "a.jsonl:3", "did you mean \"skip\""},
        {"{\"skip\": 1, \"value\": \"x\"}", "a.jsonl:1", "has no value, key or time"},
        {"{\"replace\": 1}", "a.jsonl:1", "nothing says by what"},
        {"{\"replace\": 1, \"value\": null}", "a.jsonl:1", "not replaced by null"},
        {"{\"insert\": 1}", "a.jsonl:1", "needs a \"value\""},
        {"{\"insert\": 1, \"value\": 5}", "a.jsonl:1", "a value is a text"},
        {"{\"insert\": 1, \"skip\": 1, \"value\": \"\"}", "a.jsonl:1", "one of \"skip\""},
        {"{\"value\": \"\"}", "a.jsonl:1", "one of \"skip\""},
        {"{\"insert\": 1, \"value\": \"\", \"value_base64\": \"\"}", "a.jsonl:1", "both"},
        {"{\"insert\": 1, \"value_base64\": \"!\"}", "a.jsonl:1", "no base64"},
        {"{\"insert\": 1, \"value\": \"\", \"time\": \"noon\"}", "a.jsonl:1", "no time"},
        {"{\"insert\": 1, \"value\": \"\\ud800\"}", "a.jsonl:1", "surrogate"},
        {"{\"insert\": 1, \"value\": \"\xFF\"}", "a.jsonl:1", "not UTF-8"},
        {"{\"insert\": 1, \"value\": \"a", "a.jsonl:1", "does not end"},
        {"{\"insert\": 1, \"value\": {\"a\": 1,}}", "a.jsonl:1", "name of a member"},
        {"{\"skip\": 1} {\"skip\": 2}", "a.jsonl:1", "behind the object"},
        {"{\"skip\": 1, \"skip\": 2}", "a.jsonl:1", "twice"},
        {"{\"skip\": 4}\n{\"skip\": 9}\n{\"replace\": 4, \"value\": \"\"}", "a.jsonl:3", "line 1 already"},
        {"\n \n", "a.jsonl", "no amendment"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        rwd_amendments list;
        rwd_error err;
        if (rwd_amend_text_parse("a.jsonl", rwd_slice_str(mistakes[i].text), &list, &err)) fail_msg("taken: %s", mistakes[i].text);
        assert_int_equal(err.code, RWD_E_USAGE);
        assert_string_equal(err.place, mistakes[i].place);
        if (!strstr(err.cause, mistakes[i].cause)) fail_msg("%s: %s", mistakes[i].text, err.cause);
    }
}

static void nesting_is_bounded(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_amendments list;
    rwd_error err;
    rwd_buf_append_str(&text, "{\"insert\": 1, \"value\": ");
    for (int i = 0; i < 100000; i++) rwd_buf_append_char(&text, '[');
    assert_false(rwd_amend_text_parse("a.jsonl", rwd_buf_slice(&text), &list, &err));
    assert_non_null(strstr(err.cause, "nested too deep"));
    rwd_buf_deinit(&text);
}

static void too_many_are_refused(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_amendments list;
    rwd_error err;
    for (int i = 0; i < RWD_AMENDMENTS_MAX; i++) rwd_buf_appendf(&text, "{\"skip\": %d}\n", i);
    assert_true(rwd_amend_text_parse("a.jsonl", rwd_buf_slice(&text), &list, &err));
    assert_int_equal(list.count, RWD_AMENDMENTS_MAX);
    rwd_amendments_deinit(&list);
    rwd_buf_appendf(&text, "{\"skip\": %d}\n", RWD_AMENDMENTS_MAX);
    assert_false(rwd_amend_text_parse("a.jsonl", rwd_buf_slice(&text), &list, &err));
    rwd_buf_deinit(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_read),
        cmocka_unit_test(bytes_that_are_no_text_come_in_base64),
        cmocka_unit_test(a_mistake_is_named_with_file_and_line),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(too_many_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
