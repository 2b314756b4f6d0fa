// Any text as an expression: refused with a column inside of it, or compiled, the same again from its normal form, and evaluated over rows at the edges.
#include "operator/base/time.h"
#include "operator/expr/expr.h"

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "if(kind == \"refund\", -amount, amount) * quantity", "round(amount / quantity, 2) + 1.25 - price", "coalesce(coupon, lower(kind), 'x') in ('a', \"b\", kind)",
    "not (ok and maybe) or ts - event_time > 1h30m", "record.offset + len(record.header('h')) is not null", "starts_with(upper(kind) + record.key, 'R\\u00e9\\ud83d\\ude00')",
    "abs(-ratio) * 1.5e300 + float(amount) / ratio", "int(amount) + round(ratio) - -9223372036854775808", "`kind` != coupon == (nothing is null)", "amount * price * price * price",
    "ts > '2026-01-01T00:00:00Z' and payload == 'abc'", "((((((((1))))))))", "1 in (2, 3, nothing) or null", "quantity not in (1, nothing)", NULL,
};

enum { AMOUNT, PRICE, QUANTITY, NOTHING, KIND, COUPON, TS, OK_FLAG, MAYBE, RATIO, PAYLOAD, SLOTS };

static const rwd_expr_name names[SLOTS] = {
    {"amount", RWD_TYPE_DECIMAL, 2, false, AMOUNT}, {"price", RWD_TYPE_DECIMAL, 5, false, PRICE}, {"quantity", RWD_TYPE_INT, 0, false, QUANTITY},
    {"nothing", RWD_TYPE_INT, 0, true, NOTHING},    {"kind", RWD_TYPE_STRING, 0, false, KIND},    {"coupon", RWD_TYPE_STRING, 0, true, COUPON},
    {"ts", RWD_TYPE_TIME, 0, false, TS},            {"ok", RWD_TYPE_BOOL, 0, false, OK_FLAG},     {"maybe", RWD_TYPE_BOOL, 0, true, MAYBE},
    {"ratio", RWD_TYPE_FLOAT, 0, false, RATIO},     {"payload", RWD_TYPE_BYTES, 0, false, PAYLOAD},
};
static const rwd_expr_scope scope = {.names = names, .count = SLOTS, .noun = "field", .metadata = RWD_EXPR_META_ALL, .metadata_null = RWD_EXPR_META_ALL};

static bool header(void *context, rwd_slice name, rwd_slice *out) {
    *out = *(const rwd_slice *)context;
    return name.size != 1 || name.data[0] != 'x';
}

// Rows that are likely to break something: 0 small, 1 the least, 2 the greatest, 3 null where that may be.
static void fill(rwd_value row[SLOTS], int which, rwd_slice text) {
    rwd_i128 most = RWD_I128_MAX;
    int64_t whole = which == 0 ? 3 : which == 1 ? INT64_MIN : INT64_MAX;
    for (size_t i = 0; i < SLOTS; i++) row[i] = (rwd_value){.present = which != 3 || !names[i].nullable};
    row[AMOUNT].d = row[PRICE].d = which == 0 ? 0 : which == 1 ? -most : most;
    row[QUANTITY].i = row[NOTHING].i = whole;
    row[KIND].s = row[COUPON].s = row[PAYLOAD].s = which == 0 ? (rwd_slice){0} : text;
    row[TS].i = which == 1 ? RWD_TIME_MIN : RWD_TIME_MAX;
    row[OK_FLAG].b = row[MAYBE].b = which == 1;
    row[RATIO].f = which == 0 ? 0 : which == 1 ? -0x1.fffffffffffffp1023 : 0x1p-1074;
}

static void check_value(const rwd_expr *expr, const rwd_value *value) {
    if (!value->present) {
        FUZZ_CHECK(rwd_expr_nullable(expr));
        return;
    }
    rwd_buf text = {0};
    rwd_value_json(value, rwd_expr_type(expr), rwd_expr_scale(expr), &text);
    rwd_buf_deinit(&text);
    if (rwd_expr_type(expr) == RWD_TYPE_FLOAT) FUZZ_CHECK(__builtin_isfinite(value->f) && (value->f != 0 || !__builtin_signbit(value->f)));
    if (rwd_expr_type(expr) == RWD_TYPE_TIME) FUZZ_CHECK(value->i >= RWD_TIME_MIN && value->i <= RWD_TIME_MAX);
    FUZZ_CHECK(!rwd_expr_constant(expr) || rwd_expr_constant(expr)->present);
}

static void check_rows(const rwd_expr *expr, const rwd_expr *again, rwd_slice text, uint32_t columns) {
    rwd_expr_scratch scratch = {0}, scratch_again = {0};
    for (int which = 0; which < 4; which++) {
        rwd_value row[SLOTS], value, value_again;
        fill(row, which, text);
        rwd_expr_record record = {.key = text, .has_key = which != 3, .offset = which, .timestamp_us = which == 3 ? RWD_TIME_NONE : 0, .header = header, .header_context = &text};
        rwd_expr_input in = {.values = row, .record = &record, .event_time_us = which == 3 ? RWD_TIME_NONE : RWD_TIME_MAX};
        rwd_code code = rwd_expr_eval(expr, &in, &scratch, &value);
        FUZZ_CHECK(code == rwd_expr_eval(again, &in, &scratch_again, &value_again));
        if (code) {
            FUZZ_CHECK(rwd_code_decision(code) == RWD_SKIP && scratch.column >= 1 && scratch.column <= columns);
            continue;
        }
        check_value(expr, &value);
        FUZZ_CHECK(value.present == value_again.present);
    }
    rwd_expr_scratch_deinit(&scratch);
    rwd_expr_scratch_deinit(&scratch_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = rwd_strndup((const char *)data, size);
    size_t length = strlen(text);
    uint32_t column = 0, columns = (uint32_t)length + 1;
    rwd_expr *expr, *again;
    rwd_error err = {0};
    if (rwd_expr_compile(text, &scope, &expr, &column, &err)) {
        FUZZ_CHECK(rwd_expr_compile(rwd_expr_text(expr), &scope, &again, NULL, &err));
        FUZZ_CHECK(rwd_expr_equal(expr, again));
        check_rows(expr, again, rwd_slice_of(data, size), columns);
        rwd_expr_free(again);
        rwd_expr_free(expr);
    } else {
        FUZZ_CHECK(err.code == RWD_E_CONFIG && err.cause[0] && column >= 1 && column <= columns);
    }
    free(text);
    return 0;
}
