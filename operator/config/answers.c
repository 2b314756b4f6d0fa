// What a row answers (answers.h).
#include "operator/config/answers.h"

#include <assert.h>

#include "state/row.h"

void rwd_answers_deinit(rwd_answers *answers) {
    rwd_buf_deinit(&answers->texts);
    rwd_expr_scratch_deinit(&answers->scratch);
}

void rwd_answers_begin(rwd_answers *answers, const rwd_job_table *table, rwd_slice key, const uint8_t *row) {
    answers->table = table;
    answers->key = key;
    answers->row = row;
    memset(answers->known, 0, sizeof answers->known);
    rwd_expr_scratch_reset(&answers->scratch);
}

static bool take_key(rwd_answers *answers) {
    const rwd_schema *schema = &answers->table->schema;
    rwd_buf_clear(&answers->texts);
    if (!rwd_key_decode(schema, answers->key, answers->values, &answers->texts)) return false;
    memset(answers->known, true, schema->part_count);
    return true;
}

bool rwd_answers_open(rwd_answers *answers, const rwd_job_table *table, rwd_slice key, const uint8_t *row, uint32_t row_size, rwd_error *err) {
    const rwd_schema *schema = &table->schema;
    rwd_answers_begin(answers, table, key, row);
    if (!take_key(answers)) return rwd_fail(err, RWD_E_CORRUPT, "table %s: a key of %zu bytes is not a key of this table", schema->name, key.size);
    if (row && !rwd_row_check(schema, rwd_slice_of(row, row_size)))
        return rwd_fail(err, RWD_E_CORRUPT, "table %s: %u bytes are no row of this table", schema->name, row_size);
    return true;
}

static void find(rwd_answers *answers, size_t slot);

// What the expression reads is there.
static rwd_expr_input input_of(rwd_answers *answers, const rwd_expr *expr) {
    size_t count;
    const uint32_t *slots = rwd_expr_slots(expr, &count);
    for (size_t i = 0; i < count; i++) find(answers, slots[i]);
    return (rwd_expr_input){.values = answers->values, .event_time_us = RWD_TIME_NONE};
}

// A derived column reads only what stands before it, so this ends.
static void derive(rwd_answers *answers, const rwd_expr *expr, size_t slot) {
    rwd_expr_input in = input_of(answers, expr);
    if (rwd_expr_eval(expr, &in, &answers->scratch, &answers->values[slot]) != RWD_E_NONE) answers->values[slot] = (rwd_value){0};
}

static void find_window_end(rwd_answers *answers) {
    const rwd_schema *schema = &answers->table->schema;
    size_t start = schema->part_count - 1;
    find(answers, start);
    const rwd_value *from = &answers->values[start];
    bool known = from->present && (answers->row || schema->window.kind != RWD_WINDOW_SESSION);  // a session that vanished has no end
    answers->values[RWD_ROW_SLOT_WINDOW_END] = (rwd_value){.i = known ? rwd_row_window_end(schema, from->i, answers->row) : 0, .present = known};
}

static void find(rwd_answers *answers, size_t slot) {
    if (answers->known[slot]) return;
    if (slot < RWD_ROW_SLOT_WINDOW_END) {
        bool decoded = take_key(answers);
        assert(decoded && answers->known[slot] && "the table's own key");
        (void)decoded;
        return;
    }
    if (slot == RWD_ROW_SLOT_WINDOW_END) find_window_end(answers);
    else if (slot < RWD_ROW_SLOT_DERIVED) rwd_row_read(&answers->table->schema, slot - RWD_ROW_SLOT_COLUMN, answers->row, &answers->values[slot]);
    else derive(answers, answers->table->derived[slot - RWD_ROW_SLOT_DERIVED].expr, slot);
    answers->known[slot] = true;
}

static const rwd_value *answer(rwd_answers *answers, size_t slot) {
    find(answers, slot);
    return &answers->values[slot];
}

const rwd_value *rwd_answers_part(rwd_answers *answers, size_t part) { return answer(answers, part); }
const rwd_value *rwd_answers_window_end(rwd_answers *answers) { return answer(answers, RWD_ROW_SLOT_WINDOW_END); }

const rwd_value *rwd_answers_column(rwd_answers *answers, size_t column) {
    assert(answers->row);
    size_t aggregates = answers->table->schema.column_count;
    return answer(answers, column < aggregates ? RWD_ROW_SLOT_COLUMN + column : RWD_ROW_SLOT_DERIVED + column - aggregates);
}

void rwd_answers_append_json(rwd_answers *answers, size_t column, rwd_buf *out) {
    rwd_job_column what = rwd_job_table_column(answers->table, column);
    if (what.list) rwd_row_append_json(&answers->table->schema, column, answers->row, out);
    else rwd_value_json(rwd_answers_column(answers, column), what.type, what.scale, out);
}

bool rwd_answers_append_text(rwd_answers *answers, size_t column, rwd_buf *out) {
    rwd_job_column what = rwd_job_table_column(answers->table, column);
    if (what.list) return rwd_row_append_text(&answers->table->schema, column, answers->row, out);
    const rwd_value *value = rwd_answers_column(answers, column);
    rwd_value_text(value, what.type, what.scale, out);
    return value->present;
}

bool rwd_answers_pass(rwd_answers *answers, const rwd_expr *condition) {
    bool pass = true;
    if (!condition) return true;
    rwd_expr_input in = input_of(answers, condition);
    return rwd_expr_test(condition, &in, &answers->scratch, &pass) == RWD_E_NONE && pass;
}

bool rwd_answers_deny(rwd_answers *answers, const rwd_expr *condition) {
    rwd_value value = {0};
    rwd_expr_input in = input_of(answers, condition);
    return rwd_expr_eval(condition, &in, &answers->scratch, &value) == RWD_E_NONE && value.present && !value.b;
}
