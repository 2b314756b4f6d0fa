// A scope and a row for tests of expressions.
//
// Thread: tests run one after the other.
#ifndef TESTS_UNIT_EXPR_SUPPORT_H
#define TESTS_UNIT_EXPR_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>

#include "operator/base/time.h"
#include "operator/expr/expr.h"

#include "tests/unit/test.h"

#define TEXT(text) rwd_slice_of(text, sizeof(text) - 1)

enum { AMOUNT, PRICE, QUANTITY, BIG, KIND, COUPON, TS, SHIPPED, OK_FLAG, MAYBE, RATIO, PAYLOAD, NOTHING, IN_WORD, IF_WORD, DOTTED, SLOTS };

static const rwd_expr_name row_names[] = {
    {"amount", RWD_TYPE_DECIMAL, 2, false, AMOUNT},
    {"price", RWD_TYPE_DECIMAL, 4, false, PRICE},
    {"quantity", RWD_TYPE_INT, 0, false, QUANTITY},
    {"big", RWD_TYPE_INT, 0, false, BIG},
    {"kind", RWD_TYPE_STRING, 0, false, KIND},
    {"coupon", RWD_TYPE_STRING, 0, true, COUPON},
    {"ts", RWD_TYPE_TIME, 0, false, TS},
    {"shipped", RWD_TYPE_TIME, 0, true, SHIPPED},
    {"ok", RWD_TYPE_BOOL, 0, false, OK_FLAG},
    {"maybe", RWD_TYPE_BOOL, 0, true, MAYBE},
    {"ratio", RWD_TYPE_FLOAT, 0, false, RATIO},
    {"payload", RWD_TYPE_BYTES, 0, false, PAYLOAD},
    {"nothing", RWD_TYPE_INT, 0, true, NOTHING},
    {"in", RWD_TYPE_INT, 0, false, IN_WORD},
    {"if", RWD_TYPE_INT, 0, false, IF_WORD},
    {"line.items", RWD_TYPE_INT, 0, false, DOTTED},
};
static const rwd_expr_scope row_scope = {
    .names = row_names, .count = sizeof(row_names) / sizeof(row_names[0]), .noun = "field", .metadata = RWD_EXPR_META_ALL,
    .metadata_null = RWD_EXPR_META_BIT(KEY) | RWD_EXPR_META_BIT(TIMESTAMP),
};

static inline void fill_row(rwd_value row[SLOTS]) {
    static const uint8_t payload[] = {0, 1, 0xFF};
    memset(row, 0, SLOTS * sizeof(*row));
    for (int i = 0; i < SLOTS; i++) row[i].present = true;
    row[AMOUNT].d = 1250;      // 12.50
    row[PRICE].d = 33333;      // 3.3333
    row[QUANTITY].i = 3;
    row[BIG].i = INT64_MAX;
    row[KIND].s = TEXT("refund");
    row[COUPON].present = false;
    row[TS].i = 1767225600000000;  // 2026-01-01T00:00:00Z
    row[SHIPPED].present = false;
    row[OK_FLAG].b = true;
    row[MAYBE].present = false;
    row[RATIO].f = 0.25;
    row[PAYLOAD].s = rwd_slice_of(payload, sizeof(payload));
    row[NOTHING].present = false;
    row[IN_WORD].i = 7;
    row[IF_WORD].i = 8;
    row[DOTTED].i = 9;
}

static inline bool find_header(void *context, rwd_slice name, rwd_slice *out) {
    (void)context;
    if (rwd_slice_equal(name, TEXT("source"))) return *out = TEXT("web"), true;
    if (rwd_slice_equal(name, TEXT("broken"))) return *out = TEXT("\xFF"), true;
    return false;
}

static const rwd_expr_record row_record = {.key = {(const uint8_t *)"k1", 2}, .has_key = true, .offset = 42, .timestamp_us = RWD_TIME_NONE, .header = find_header};

#endif
