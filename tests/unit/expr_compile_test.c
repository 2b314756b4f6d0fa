// What compiles, to what type and normal form; what does not, with which words and at which column.
#include "tests/unit/expr_support.h"

static rwd_expr *compiled(const char *text) {
    rwd_expr *expr;
    rwd_error err = {0};
    uint32_t column = 0;
    if (!rwd_expr_compile(text, &row_scope, &expr, &column, &err)) fail_msg("%s\n  column %u: %s", text, column, err.cause);
    return expr;
}

// ---- types and normal form

static void check_form(const char *text, const char *type, const char *normal) {
    rwd_expr *expr = compiled(text);
    char shown[32];
    if (rwd_expr_type(expr) == RWD_TYPE_DECIMAL) snprintf(shown, sizeof(shown), "decimal(%u)%s", rwd_expr_scale(expr), rwd_expr_nullable(expr) ? "?" : "");
    else snprintf(shown, sizeof(shown), "%s%s", rwd_type_name(rwd_expr_type(expr)), rwd_expr_nullable(expr) ? "?" : "");
    if (strcmp(shown, type) != 0) fail_msg("%s is %s, not %s", text, shown, type);
    if (strcmp(rwd_expr_text(expr), normal) != 0) fail_msg("%s is %s, not %s", text, rwd_expr_text(expr), normal);
    rwd_expr *again = compiled(normal);
    assert_true(rwd_expr_equal(expr, again));
    rwd_expr_free(again);
    rwd_expr_free(expr);
}

static void every_part_has_one_type_and_one_spelling(void **state) {
    (void)state;
    check_form("amount*quantity", "decimal(2)", "amount * quantity");
    check_form("amount * price", "decimal(6)", "amount * price");
    check_form("amount + price", "decimal(4)", "amount + price");
    check_form("amount+1", "decimal(2)", "amount + 1");
    check_form("quantity / 2", "decimal(6)", "quantity / 2");
    check_form("amount / 0.12345678", "decimal(8)", "amount / 0.12345678");
    check_form("round((amount / quantity), 4)", "decimal(4)", "round(amount / quantity, 4)");
    check_form("round(amount * price, 2)", "decimal(2)", "round(amount * price, 2)");
    check_form("round(amount)", "int", "round(amount)");
    check_form("ratio * 1.5 + quantity", "float", "ratio * 1.5 + quantity");
    check_form("1e3", "float", "1000e0");
    check_form("float(amount) / ratio", "float", "float(amount) / ratio");
    check_form("((quantity + 1)) * (2 * 3)", "int", "(quantity + 1) * (2 * 3)");
    check_form("quantity - (1 - 2) - 3", "int", "quantity - (1 - 2) - 3");
    check_form("- - 5", "int", "-(-5)");
    check_form("-quantity * -3", "int", "-quantity * -3");
    check_form("not (ok and (maybe or ok)) or ok", "bool?", "not (ok and (maybe or ok)) or ok");
    check_form("not ((ok))", "bool", "not ok");
    check_form("(amount > 0) == ok", "bool", "(amount > 0) == ok");
    check_form("kind in ('a',\"b\\u00e9\")", "bool", "kind in (\"a\", \"b\xC3\xA9\")");
    check_form("kind not  in('a')", "bool", "kind not in (\"a\")");
    check_form("coupon  is   not null", "bool", "coupon is not null");
    check_form("coalesce(coupon, 'none')", "string", "coalesce(coupon, \"none\")");
    check_form("coalesce(nothing, null)", "int?", "coalesce(nothing, null)");
    check_form("if(ok, amount, 0)", "decimal(2)", "if(ok, amount, 0)");
    check_form("if(ok, 1, 2.50)", "decimal(2)", "if(ok, 1, 2.50)");
    check_form("if(ok, null, amount)", "decimal(2)?", "if(ok, null, amount)");
    check_form("kind + '/' + coupon", "string?", "kind + \"/\" + coupon");
    check_form("ts > '2026-01-01T01:00:00+01:00'", "bool", "ts > \"2026-01-01T00:00:00Z\"");
    check_form("ts - shipped", "int?", "ts - shipped");
    check_form("ts + 60m", "time", "ts + 1h");
    check_form("ts - event_time > 90s", "bool", "ts - event_time > 90s");
    check_form("payload == 'x'", "bool", "payload == \"x\"");
    check_form("`in` + `if` + if + `line.items`", "int", "`in` + if + if + `line.items`");
    check_form("record.key", "string?", "record.key");
    check_form("record.offset", "int", "record.offset");
    check_form("record.timestamp", "time?", "record.timestamp");
    check_form("record . header ( 'x' )", "string?", "record.header(\"x\")");
    check_form("len(payload) + len(kind)", "int", "len(payload) + len(kind)");
    check_form("-9223372036854775808", "int", "-9223372036854775808");
    check_form("nothing is null", "bool", "nothing is null");
}

static void what_it_reads_is_known(void **state) {
    (void)state;
    rwd_expr *expr = compiled("if(kind == 'a', quantity, nothing) + quantity + len(coalesce(record.header('x'), record.header('a'), '')) + record.offset");
    size_t count;
    const uint32_t *slots = rwd_expr_slots(expr, &count);
    assert_int_equal(count, 3);
    assert_int_equal(slots[0], QUANTITY);
    assert_int_equal(slots[1], KIND);
    assert_int_equal(slots[2], NOTHING);
    const rwd_slice *headers = rwd_expr_headers(expr, &count);
    assert_int_equal(count, 2);
    assert_true(rwd_slice_equal(headers[0], TEXT("a")) && rwd_slice_equal(headers[1], TEXT("x")));
    assert_int_equal(rwd_expr_metadata(expr), RWD_EXPR_META_BIT(HEADER) | RWD_EXPR_META_BIT(OFFSET));
    assert_int_equal(rwd_expr_plain_slot(expr), -1);
    assert_null(rwd_expr_constant(expr));
    rwd_expr_free(expr);
    expr = compiled("(`amount`)");
    assert_int_equal(rwd_expr_plain_slot(expr), AMOUNT);
    rwd_expr_free(expr);
}

static void constants_are_folded(void **state) {
    (void)state;
    rwd_expr *expr = compiled("lower('A' + 'B')");
    const rwd_value *value = rwd_expr_constant(expr);
    assert_true(value && value->present && rwd_slice_equal(value->s, TEXT("ab")));
    rwd_expr_free(expr);
    expr = compiled("round(2 / 3, 2)");
    value = rwd_expr_constant(expr);
    assert_true(value && value->d == 67);
    rwd_expr_free(expr);
}

static void equal_expressions_are_equal_whatever_their_spelling(void **state) {
    (void)state;
    rwd_expr *a = compiled("amount*(quantity)+1"), *b = compiled(" ( amount * quantity ) + 1 "), *c = compiled("amount * (quantity + 1)");
    assert_true(rwd_expr_equal(a, b));
    assert_false(rwd_expr_equal(a, c));
    rwd_expr_free(a);
    rwd_expr_free(b);
    rwd_expr_free(c);
}

// ---- mistakes

static const struct {
    const char *text;
    uint32_t column;
    const char *cause;
} mistakes[] = {
    {"", 1, "the expression is empty"},
    {"amout * 2", 1, "there is no field 'amout'; did you mean 'amount'?"},
    {"amount * quantiy", 10, "there is no field 'quantiy'; did you mean 'quantity'?"},
    {"amount * kind", 8, "'*' cannot take decimal(2) and string; it takes number * number"},
    {"ratio * amount", 7, "*: float and decimal(2) do not mix, since the answer could not be exact; write float(...) around the second"},
    {"kind = \"refund\"", 6, "write '==' instead of '='"},
    {"ok && maybe", 4, "write 'and' instead of '&&'"},
    {"not amount", 5, "'not' needs a bool, this is decimal(2); write a comparison, such as x > 0"},
    {"amount > 0 and quantity", 16, "'and' needs a bool, this is int; write a comparison, such as x > 0"},
    {"1 < quantity < 5", 14, "comparisons do not chain; write a < b and b < c, or use parentheses"},
    {"coupon == null", 11, "null as an operand makes the answer null whatever the rest is; to ask for it write `x is null`"},
    {"if(amount, 1, 2)", 4, "the condition of if must be a bool, this is decimal(2); write a comparison, such as x > 0"},
    {"if(ok, 1, \"x\")", 11, "if: int and string do not go together"},
    {"if(ok, 1)", 1, "if has 2 arguments here; it is written if(bool, a, b)"},
    {"lowr(kind)", 1, "there is no function 'lowr'; did you mean 'lower'?"},
    {"lower(amount)", 7, "lower cannot take a value of type decimal(2) here; it is written lower(string)"},
    {"(amount + 1", 12, "expected an operator or ')', but the expression ends here"},
    {"amount +", 9, "expected a value, but the expression ends here"},
    {"amount + ) 2", 10, "expected a value, found ')'"},
    {"kind in \"refund\"", 9, "expected '(': a list is written (a, b, c), found the string \"refund\""},
    {"kind in (\"refund\", 3)", 20, "in: string and int do not go together"},
    {"\"refund", 1, "this string has no closing \""},
    {"kind == \"ré\\q\"", 12, "this escape is not known; \\\" \\' \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX are"},
    {"'é' + amout", 7, "there is no field 'amout'; did you mean 'amount'?"},
    {"ts > \"yesterday\"", 6, "\"yesterday\" is no time; a time is written \"2026-01-31T12:00:00Z\""},
    {"ts + 1x", 6, "'1x' is neither a number nor a duration; durations are written 250ms, 90s, 1h30m, 7d"},
    {"1.5.2", 1, "this is not a number; numbers are written 12, 12.50 or 1.5e3, and durations 1h30m or 250ms"},
    {".5", 1, "a digit has to stand before the point of a number: write 0.5, not .5"},
    {"12345678901234567890", 1, "this number does not fit an int (64 bits); written with .0 it is a decimal"},
    {"price * price * price * price * price", 31, "this product would have 20 digits behind its point, 18 is the most; round it, as in round(a * b, 6)"},
    {"round(amount, 19)", 15, "the digits of round must be a number from 0 to 18, written out"},
    {"round(amount, quantity)", 15, "the digits of round must be a number from 0 to 18, written out"},
    {"record.ofset", 8, "a record has no 'ofset'; did you mean record.offset?"},
    {"record.header(source)", 15, "expected the header's name as a string, such as record.header(\"source\"), found 'source'"},
    {"line.items", 5, "a name that holds a point stands in backticks; metadata is record.key, record.offset, record.timestamp, record.header(\"name\")"},
    {"lower", 1, "lower is a function; it is written with parentheses, lower(...)"},
    {"amount 2", 8, "expected an operator or the end, found '2'"},
    {"null", 1, "this is null and nothing else"},
    {"1 / 0", 3, "this is an error for every event: a division by zero"},
    {"lower(kind) @ 2", 13, "'@' means nothing here"},
    {"and ok", 1, "expected a value, found 'and'"},
    {"ok and", 7, "expected a value, but the expression ends here"},
    {"kind is 3", 9, "expected 'null' or 'not null' behind 'is', found '3'"},
    {"kind not \"a\"", 10, "expected 'in' behind 'not', found the string \"a\""},
    {"ok < maybe", 4, "'<' cannot take bool and bool; it takes number, string, time < same kind: bool"},
    {"-kind", 1, "'-' cannot take a value of type string; it takes - number"},
    {"1ns + 2", 1, "times count microseconds; '1ns' is not a whole number of them"},
    {"coalesce(coupon, 1)", 18, "coalesce: string and int do not go together"},
    {"9223372036854775807 + 1", 21, "this is an error for every event: the number does not fit"},
    {"zzz", 1, "there is no field 'zzz'; there are amount, price, quantity, big, kind, coupon, ts, shipped, ok, maybe, ratio, payload, ..."},
};

static void a_mistake_has_its_column_and_says_what_to_do(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        rwd_expr *expr = NULL;
        rwd_error err = {0};
        uint32_t column = 0;
        bool made = rwd_expr_compile(mistakes[i].text, &row_scope, &expr, &column, &err);
        rwd_expr_free(expr);
        if (made) fail_msg("%s: compiles", mistakes[i].text);
        assert_int_equal(err.code, RWD_E_CONFIG);
        if (column != mistakes[i].column || strcmp(err.cause, mistakes[i].cause) != 0)
            fail_msg("%s\n  is    %u: %s\n  wants %u: %s", mistakes[i].text, column, err.cause, mistakes[i].column, mistakes[i].cause);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_has_one_type_and_one_spelling),
        cmocka_unit_test(what_it_reads_is_known),
        cmocka_unit_test(constants_are_folded),
        cmocka_unit_test(equal_expressions_are_equal_whatever_their_spelling),
        cmocka_unit_test(a_mistake_has_its_column_and_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
