// What expressions answer, and which errors they give an event.
#include "tests/unit/expr_support.h"

static rwd_expr_scratch scratch;

// The value of the expression over the row as text; "!word@column" for an error, "null" for null.
static void answer(const char *text, rwd_buf *out) {
    rwd_expr *expr;
    rwd_error err = {0};
    uint32_t column = 0;
    rwd_buf_clear(out);
    if (!rwd_expr_compile(text, &row_scope, &expr, &column, &err)) {
        rwd_buf_appendf(out, "%u: %s", column, err.cause);
        return;
    }
    rwd_value row[SLOTS], value;
    fill_row(row);
    rwd_expr_input in = {.values = row, .record = &row_record, .event_time_us = row[TS].i};
    rwd_code code = rwd_expr_eval(expr, &in, &scratch, &value);
    if (code) rwd_buf_appendf(out, "!%s@%u", rwd_code_name(code), scratch.column);
    else rwd_value_json(&value, rwd_expr_type(expr), rwd_expr_scale(expr), out);
    rwd_expr_free(expr);
}

static void check_answers(const char *const pairs[][2], size_t count) {
    rwd_buf out = {0};
    for (size_t i = 0; i < count; i++) {
        answer(pairs[i][0], &out);
        if (strcmp(rwd_buf_cstr(&out), pairs[i][1]) != 0) fail_msg("%s\n  is    %s\n  wants %s", pairs[i][0], rwd_buf_cstr(&out), pairs[i][1]);
    }
    rwd_buf_deinit(&out);
    rwd_expr_scratch_deinit(&scratch);
}
#define CHECK_ANSWERS(...)                                                \
    do {                                                                  \
        static const char *const pairs[][2] = {__VA_ARGS__};              \
        check_answers(pairs, sizeof(pairs) / sizeof(pairs[0]));           \
    } while (0)

static void numbers_are_exact_and_round_half_to_even(void **state) {
    (void)state;
    CHECK_ANSWERS({"amount * quantity", "37.50"}, {"quantity * amount", "37.50"}, {"amount * price", "41.666250"}, {"round(amount * price, 2)", "41.67"},
                  {"amount + price", "15.8333"}, {"price - amount", "-9.1667"}, {"quantity / 2", "1.500000"}, {"round(quantity / 2)", "2"}, {"round(5 / 2)", "2"},
                  {"round(-5 / 2)", "-2"}, {"round(7 / 2)", "4"}, {"round(1 / 8, 2)", "0.12"}, {"round(3 / 8, 2)", "0.38"}, {"amount / quantity", "4.166667"},
                  {"round(amount / quantity, 2)", "4.17"}, {"round(amount / quantity, 12)", "4.166666666667"}, {"round(amount)", "12"}, {"round(13.50)", "14"},
                  {"int(-amount)", "-12"}, {"int(2.99)", "2"}, {"abs(-amount)", "12.50"}, {"round(quantity, 2)", "3.00"}, {"1.5e0 * 2", "3"}, {"ratio + 1", "1.25"},
                  {"float(amount) * ratio", "3.125"}, {"round(0.5e0)", "0"}, {"round(2.5e0)", "2"}, {"round(ratio, 1)", "0.2"}, {"-ratio * 0", "0"},
                  {"1 == 1.00", "true"}, {"amount > 12.4999", "true"}, {"amount == 12.5000", "true"}, {"amount < price", "false"}, {"9007199254740993 == 9007199254740992.0", "false"},
                  {"9999999999999999999999999999999999999.9 > amount * 1000", "true"});
}

static void what_does_not_fit_is_an_error_of_the_event(void **state) {
    (void)state;
    CHECK_ANSWERS({"big + quantity", "!overflow@5"}, {"big * 2", "!overflow@5"}, {"-big - 1", "-9223372036854775808"}, {"-(-big - 1)", "!overflow@1"}, {"abs(-big - 1)", "!overflow@1"},
                  {"quantity / (quantity - 3)", "!division-by-zero@10"}, {"ratio / (ratio - ratio)", "!division-by-zero@7"}, {"if(quantity != 3, 1 / (quantity - 3), 0)", "0.000000"},
                  {"quantity == 3 or 1 / (quantity - 3) > 0", "true"}, {"quantity != 3 and 1 / (quantity - 3) > 0", "false"},
                  {"ts + big", "!out-of-range@4"}, {"record.header('broken')", "!wrong-type@1"}, {"ratio * 1e308 * 1e308", "!overflow@15"});
}

static void nulls_propagate_until_something_ends_them(void **state) {
    (void)state;
    CHECK_ANSWERS({"nothing + 1", "null"}, {"nothing == nothing", "null"}, {"coupon == 'x'", "null"}, {"not maybe", "null"}, {"maybe and ok", "null"}, {"ok and maybe", "null"},
                  {"maybe and not ok", "false"}, {"not ok and maybe", "false"}, {"maybe or ok", "true"}, {"ok or maybe", "true"}, {"maybe or not ok", "null"},
                  {"coupon is null", "true"}, {"coupon is not null", "false"}, {"kind is null", "false"}, {"coalesce(coupon, 'none')", "\"none\""},
                  {"coalesce(nothing, nothing, quantity)", "3"}, {"if(maybe, 1, 2)", "2"}, {"if(nothing > 1, 1, 2)", "2"}, {"nothing in (1, 2)", "null"},
                  {"3 in (nothing, 3)", "true"}, {"3 in (3, nothing)", "true"}, {"2 in (nothing, 3)", "null"}, {"2 not in (nothing, 3)", "null"}, {"2 in (1, 3)", "false"},
                  {"nothing / 0", "null"}, {"if(ok, null, 1)", "null"}, {"lower(coupon)", "null"});
}

static void strings_are_counted_and_ordered_by_code_point(void **state) {
    (void)state;
    CHECK_ANSWERS({"len('\xC3\xA9t\xC3\xA9 \xF0\x9F\x98\x80')", "5"}, {"len(payload)", "3"}, {"upper('stra\xC3\x9F" "e \xC3\xA9')", "\"STRA\xC3\x9F" "E \xC3\x89\""},
                  {"lower('\xC3\x89\xCE\xA3\xC4\xB0')", "\"\xC3\xA9\xCF\x83i\""}, {"lower('\xC8\xBA')", "\"\xE2\xB1\xA5\""}, {"'Z' < 'a'", "true"}, {"'\xEF\xBF\xBD' < '\xF0\x9F\x98\x80'", "true"},
                  {"starts_with(kind, 'ref')", "true"}, {"starts_with(kind, '')", "true"}, {"starts_with('', kind)", "false"}, {"kind + '-' + upper(kind)", "\"refund-REFUND\""},
                  {"kind in ('sale', 'refund')", "true"}, {"kind not in ('sale', 'gift')", "true"}, {"'\\u0041\\ud83d\\ude00' == 'A\xF0\x9F\x98\x80'", "true"});
}

static void times_move_by_durations(void **state) {
    (void)state;
    CHECK_ANSWERS({"ts", "\"2026-01-01T00:00:00Z\""}, {"ts + 1h30m", "\"2026-01-01T01:30:00Z\""}, {"ts - 1d", "\"2025-12-31T00:00:00Z\""}, {"ts - '2025-12-31T23:59:59Z'", "1000000"},
                  {"ts == '2026-01-01T00:00:00Z'", "true"}, {"ts in ('2026-01-01T00:00:00Z')", "true"}, {"event_time - ts < 1ms", "true"}, {"ts > shipped", "null"});
}

static void metadata_of_the_record_is_at_hand(void **state) {
    (void)state;
    CHECK_ANSWERS({"record.key", "\"k1\""}, {"record.offset + 1", "43"}, {"record.timestamp", "null"}, {"record.header('source')", "\"web\""}, {"record.header('none')", "null"},
                  {"coalesce(record.header('none'), record.header('source'), 'x') == 'web'", "true"});
}

static void a_null_condition_counts_as_false(void **state) {
    (void)state;
    static const struct { const char *text; bool is; } cases[] = {{"maybe", false}, {"ok", true}, {"coupon == 'x'", false}, {"kind == 'refund' and amount > 0", true}};
    for (size_t i = 0; i < 4; i++) {
        rwd_expr *expr;
        rwd_value row[SLOTS];
        bool is;
        fill_row(row);
        assert_true(rwd_expr_compile(cases[i].text, &row_scope, &expr, NULL, NULL));
        assert_int_equal(rwd_expr_test(expr, &(rwd_expr_input){.values = row}, &scratch, &is), RWD_E_NONE);
        assert_int_equal(is, cases[i].is);
        rwd_expr_free(expr);
    }
}

// `kind` against a constant and against a field, as an answer, as parts of an `and` and as a condition; each string in memory of just its size.
static void check_equality(const char *kind, const char *other) {
    static const char *const forms[] = {"kind == %s",        "kind == %s and kind == %s",       "not (kind != %s)",
                                        "if(kind == %s, true, false)", "not if(kind != %s, true, false)", "quantity == 3 and kind == %s"};
    bool is = strcmp(kind, other) == 0, found;
    char constant[64], text[200];
    snprintf(constant, sizeof constant, "\"%s\"", other);
    for (size_t form = 0; form < 2 * (sizeof forms / sizeof forms[0]); form++) {
        const char *right = form % 2 ? "coupon" : constant;
        rwd_expr *expr;
        rwd_value row[SLOTS];
        uint8_t *a = malloc(strlen(kind) + (strlen(kind) == 0)), *b = malloc(strlen(other) + (strlen(other) == 0));
        memcpy(a, kind, strlen(kind)), memcpy(b, other, strlen(other));
        fill_row(row);
        row[KIND].s = rwd_slice_of(a, strlen(kind));
        row[COUPON] = (rwd_value){.s = rwd_slice_of(b, strlen(other)), .present = true};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, forms[form / 2], right, right);
#pragma GCC diagnostic pop
        assert_true(rwd_expr_compile(text, &row_scope, &expr, NULL, NULL));
        assert_int_equal(rwd_expr_test(expr, &(rwd_expr_input){.values = row}, &scratch, &found), RWD_E_NONE);
        if (found != is) fail_msg("%s with kind \"%s\" and coupon \"%s\" is %d", text, kind, other, found);
        rwd_expr_free(expr);
        free(a);
        free(b);
    }
}

static void strings_of_every_length_differ_in_any_byte(void **state) {
    (void)state;
    for (size_t size = 0; size <= 20; size++) {
        char kind[32] = "abcdefghijklmnopqrstuvwxyz", other[32];
        kind[size] = 0;
        strcpy(other, kind);
        check_equality(kind, other);
        for (size_t at = 0; at < size; at++) {
            other[at] = '#';
            check_equality(kind, other);
            other[at] = kind[at];
        }
        strcat(other, "+");
        check_equality(kind, other);
        check_equality(other, kind);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_exact_and_round_half_to_even),
        cmocka_unit_test(what_does_not_fit_is_an_error_of_the_event),
        cmocka_unit_test(nulls_propagate_until_something_ends_them),
        cmocka_unit_test(strings_are_counted_and_ordered_by_code_point),
        cmocka_unit_test(times_move_by_durations),
        cmocka_unit_test(metadata_of_the_record_is_at_hand),
        cmocka_unit_test(a_null_condition_counts_as_false),
        cmocka_unit_test(strings_of_every_length_differ_in_any_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
