// Values as text and JSON; the byte budget.
#include "state/value.h"

#include <string.h>

#include "operator/base/float.h"
#include "state/budget.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

static void check_text(rwd_value v, rwd_type type, unsigned scale, const char *text, const char *json) {
    rwd_buf out = {0};
    rwd_value_text(&v, type, scale, &out);
    assert_string_equal(rwd_buf_cstr(&out), text);
    rwd_buf_clear(&out);
    rwd_value_json(&v, type, scale, &out);
    assert_string_equal(rwd_buf_cstr(&out), json);
    rwd_buf_deinit(&out);
}

static void values_are_written_as_people_and_json_write_them(void **state) {
    (void)state;
    check_text((rwd_value){.present = false}, RWD_TYPE_INT, 0, "", "null");
    check_text((rwd_value){.i = -42, .present = true}, RWD_TYPE_INT, 0, "-42", "-42");
    check_text((rwd_value){.d = -1250, .present = true}, RWD_TYPE_DECIMAL, 2, "-12.50", "-12.50");
    check_text((rwd_value){.b = true, .present = true}, RWD_TYPE_BOOL, 0, "true", "true");
    check_text((rwd_value){.b = false, .present = true}, RWD_TYPE_BOOL, 0, "false", "false");
    check_text((rwd_value){.s = rwd_slice_str("a\"b"), .present = true}, RWD_TYPE_STRING, 0, "a\"b", "\"a\\\"b\"");
    check_text((rwd_value){.f = -0.25, .present = true}, RWD_TYPE_FLOAT, 0, "-0.25", "-0.25");
    check_text((rwd_value){.s = rwd_slice_of("\0\xFF", 2), .present = true}, RWD_TYPE_BYTES, 0, "AP8=", "\"AP8=\"");
    check_text((rwd_value){.s = rwd_slice_of("", 0), .present = true}, RWD_TYPE_BYTES, 0, "", "\"\"");
    check_text((rwd_value){.i = 1500000, .present = true}, RWD_TYPE_TIME, 0, "1970-01-01T00:00:01.500Z", "\"1970-01-01T00:00:01.500Z\"");
}

static void text_reads_back_as_the_same_value(void **state) {
    (void)state;
    test_random r = test_random_of(5);
    for (int round = 0; round < 20000; round++) {
        rwd_type type = (rwd_type)test_random_below(&r, RWD_TYPE_COUNT);
        unsigned scale = (unsigned)test_random_below(&r, RWD_DECIMAL_SCALE_MAX + 1);
        rwd_value in, back;
        rwd_error err;
        rwd_buf text = {0}, scratch = {0};
        memset(&in, 0, sizeof in);
        in.present = true;
        if (type == RWD_TYPE_DECIMAL) in.d = (rwd_i128)(int64_t)test_random_wide(&r) * (int64_t)test_random_below(&r, 1000000000);
        else if (type == RWD_TYPE_INT) in.i = (int64_t)test_random_wide(&r);
        else if (type == RWD_TYPE_TIME) in.i = (int64_t)test_random_below(&r, 4000000000000000u) - 2000000000000000;
        else if (type == RWD_TYPE_BOOL) in.b = test_random_below(&r, 2);
        else if (type == RWD_TYPE_FLOAT) in.f = (double)(int64_t)test_random_wide(&r) / (double)(1 + test_random_below(&r, 1000));
        else in.s = rwd_slice_of("some text", test_random_below(&r, 10));
        rwd_value_text(&in, type, scale, &text);
        assert_true(rwd_value_from_text(rwd_buf_slice(&text), type, scale, &scratch, &back, &err));
        rwd_buf again = {0};
        rwd_value_text(&back, type, scale, &again);
        assert_true(rwd_slice_equal(rwd_buf_slice(&text), rwd_buf_slice(&again)));
        if (type == RWD_TYPE_DECIMAL) assert_true(in.d == back.d);
        if (type == RWD_TYPE_INT || type == RWD_TYPE_TIME) assert_true(in.i == back.i);
        if (type == RWD_TYPE_FLOAT) assert_true(in.f == back.f);
        if (type == RWD_TYPE_STRING || type == RWD_TYPE_BYTES) assert_true(rwd_slice_equal(in.s, back.s));
        rwd_buf_deinit(&text);
        rwd_buf_deinit(&scratch);
        rwd_buf_deinit(&again);
    }
}

static void text_of_another_type_is_refused_by_name(void **state) {
    (void)state;
    rwd_value v;
    rwd_error err;
    rwd_buf scratch = {0};
    assert_false(rwd_value_from_text(rwd_slice_str("yes"), RWD_TYPE_BOOL, 0, &scratch, &v, &err));
    assert_int_equal(err.code, RWD_E_WRONG_TYPE);
    assert_non_null(strstr(err.cause, "\"yes\" is not a value of type bool"));
    assert_false(rwd_value_from_text(rwd_slice_str("1.234"), RWD_TYPE_DECIMAL, 2, &scratch, &v, &err));
    assert_int_equal(err.code, RWD_E_OUT_OF_RANGE);
    assert_false(rwd_value_from_text(rwd_slice_str("99999999999999999999"), RWD_TYPE_INT, 0, &scratch, &v, &err));
    assert_int_equal(err.code, RWD_E_OUT_OF_RANGE);
    assert_false(rwd_value_from_text(rwd_slice_str("noon"), RWD_TYPE_TIME, 0, &scratch, &v, &err));
    assert_int_equal(err.code, RWD_E_WRONG_TYPE);
    assert_false(rwd_value_from_text(rwd_slice_str("nan"), RWD_TYPE_FLOAT, 0, &scratch, &v, &err));
    assert_int_equal(err.code, RWD_E_WRONG_TYPE);
    assert_false(rwd_value_from_text(rwd_slice_str("1e309"), RWD_TYPE_FLOAT, 0, &scratch, &v, &err));
    assert_int_equal(err.code, RWD_E_OUT_OF_RANGE);
    assert_false(rwd_value_from_text(rwd_slice_str("AP9="), RWD_TYPE_BYTES, 0, &scratch, &v, &err));
    assert_int_equal(err.code, RWD_E_WRONG_TYPE);
    rwd_buf_deinit(&scratch);
}

static void the_budget_is_shared_out_and_kept(void **state) {
    (void)state;
    rwd_budget budget;
    rwd_error err;
    assert_false(rwd_budget_init(&budget, RWD_BUDGET_MIN - 1, &err));
    assert_int_equal(err.code, RWD_E_CONFIG);
    assert_true(rwd_budget_init(&budget, 1000000000, &err));
    uint64_t sum = 0;
    for (int i = 0; i < RWD_SHARE_COUNT; i++) sum += budget.limit[i];
    assert_int_equal(sum, 1000000000);
    rwd_budget_set_aside(&budget, 400000000);  // what a library holds is not shared
    sum = 0;
    for (int i = 0; i < RWD_SHARE_COUNT; i++) sum += budget.limit[i];
    assert_int_equal(sum, 600000000);
    rwd_budget_set_aside(&budget, 0);
    uint64_t limit = budget.limit[RWD_SHARE_SINK];
    assert_true(rwd_budget_fits(&budget, RWD_SHARE_SINK, limit));
    assert_false(rwd_budget_fits(&budget, RWD_SHARE_SINK, limit + 1));
    rwd_budget_take(&budget, RWD_SHARE_SINK, limit - 1);
    assert_true(rwd_budget_fits(&budget, RWD_SHARE_SINK, 1));
    assert_false(rwd_budget_fits(&budget, RWD_SHARE_SINK, 2));
    assert_true(rwd_budget_fits(&budget, RWD_SHARE_HOT, 2));
    rwd_budget_take(&budget, RWD_SHARE_SINK, 5);
    assert_false(rwd_budget_fits(&budget, RWD_SHARE_SINK, 0));
    rwd_budget_give(&budget, RWD_SHARE_SINK, limit + 4);
    assert_true(rwd_budget_fits(&budget, RWD_SHARE_SINK, limit));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_written_as_people_and_json_write_them),
        cmocka_unit_test(text_reads_back_as_the_same_value),
        cmocka_unit_test(text_of_another_type_is_refused_by_name),
        cmocka_unit_test(the_budget_is_shared_out_and_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
