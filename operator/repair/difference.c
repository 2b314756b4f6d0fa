// Differences of rows (difference.h).
//
// What must stay true: a column is said to have changed exactly where its answers would be shown in other words.
#include "operator/repair/difference.h"

#include <math.h>
#include <stdlib.h>

#include "operator/base/float.h"
#include "operator/base/json_in.h"

static bool is_real(rwd_type type) { return type == RWD_TYPE_FLOAT; }
static bool is_exact(rwd_type type) { return type == RWD_TYPE_INT || type == RWD_TYPE_DECIMAL; }
static bool is_number(const rwd_job_column *column) { return !column->list && (is_real(column->type) || is_exact(column->type)); }
static unsigned scale_of(const rwd_job_column *column) { return column->type == RWD_TYPE_DECIMAL ? column->scale : 0; }

// ---------------------------------------------------------------------------------------------- tables
static int16_t find_column(const rwd_job_table *table, const char *name) {
    for (size_t i = 0; table && i < rwd_job_table_columns(table); i++)
        if (strcmp(rwd_job_table_column(table, i).name, name) == 0) return (int16_t)i;
    return -1;
}

static void describe(const rwd_table_difference *table, rwd_column_difference *column) {
    column->number = true;
    for (int side = 0; side < 2; side++) {
        if (column->column[side] < 0) continue;
        rwd_job_column here = rwd_job_table_column(table->table[side], (size_t)column->column[side]);
        column->number &= is_number(&here);
        column->real |= is_real(here.type);
        if (scale_of(&here) > column->scale) column->scale = (uint8_t)scale_of(&here);
    }
    if (column->column[RWD_OLD] >= 0 && column->column[RWD_NEW] >= 0) {
        rwd_job_column a = rwd_job_table_column(table->table[RWD_OLD], (size_t)column->column[RWD_OLD]), b = rwd_job_table_column(table->table[RWD_NEW], (size_t)column->column[RWD_NEW]);
        column->same_type = a.type == b.type && a.scale == b.scale && a.list == b.list;
    }
    for (int side = 0; side < 2; side++) column->sum[side].known = column->number;
}

void rwd_table_difference_init(rwd_table_difference *table, const rwd_job_table *old_table, const rwd_job_table *new_table) {
    size_t old_count = old_table ? rwd_job_table_columns(old_table) : 0, new_count = new_table ? rwd_job_table_columns(new_table) : 0;
    *table = (rwd_table_difference){.table = {old_table, new_table}, .name = (new_table ? new_table : old_table)->schema.name};
    table->columns = rwd_calloc(old_count + new_count + 1, sizeof(*table->columns));
    for (size_t i = 0; i < new_count; i++) {
        const char *name = rwd_job_table_column(new_table, i).name;
        table->columns[table->column_count++] = (rwd_column_difference){.name = name, .column = {find_column(old_table, name), (int16_t)i}};
    }
    for (size_t i = 0; i < old_count; i++) {
        const char *name = rwd_job_table_column(old_table, i).name;
        if (find_column(new_table, name) < 0) table->columns[table->column_count++] = (rwd_column_difference){.name = name, .column = {(int16_t)i, -1}};
    }
    for (size_t i = 0; i < table->column_count; i++) describe(table, &table->columns[i]);
}

void rwd_table_difference_deinit(rwd_table_difference *table) {
    free(table->columns);
    *table = (rwd_table_difference){0};
}

// ---------------------------------------------------------------------------------------------- rows
void rwd_row_difference_deinit(rwd_row_difference *rows) {
    for (int side = 0; side < 2; side++) {
        rwd_answers_deinit(&rows->answers[side]);
        rwd_buf_deinit(&rows->text[side]);
    }
    *rows = (rwd_row_difference){0};
}

// Of a side that is text: the column's token; data NULL: null.
static rwd_slice token_of(const rwd_row_difference *rows, size_t column, rwd_side side) {
    int16_t at = rows->table->columns[column].column[side];
    rwd_slice token = rows->present[side] && at >= 0 ? rows->tokens[side][at] : (rwd_slice){0};
    return rwd_slice_equal(token, rwd_slice_str("null")) ? (rwd_slice){0} : token;
}

void rwd_row_difference_json(rwd_row_difference *rows, size_t column, rwd_side side, rwd_buf *out) {
    int16_t at = rows->table->columns[column].column[side];
    rwd_slice token = rows->tokens[side] ? token_of(rows, column, side) : (rwd_slice){0};
    if (token.data) rwd_buf_append_slice(out, token);
    else if (!rows->tokens[side] && rows->present[side] && at >= 0) rwd_answers_append_json(&rows->answers[side], (size_t)at, out);
    else rwd_buf_append_str(out, "null");
}

// A quoted one without its quotes and escapes.
static bool token_text(rwd_slice token, rwd_buf *out) {
    rwd_error ignored;
    rwd_json_in in = {.name = "", .at = token.data, .begin = token.data, .end = token.data + token.size, .err = &ignored};
    if (!token.data) return false;
    if (token.data[0] == '"') return rwd_json_take_quoted(&in, out, "");
    rwd_buf_append_slice(out, token);
    return true;
}

bool rwd_row_difference_text(rwd_row_difference *rows, size_t column, rwd_side side, rwd_buf *out) {
    int16_t at = rows->table->columns[column].column[side];
    if (rows->tokens[side]) return token_text(token_of(rows, column, side), out);
    return rows->present[side] && at >= 0 && rwd_answers_append_text(&rows->answers[side], (size_t)at, out);
}

static bool differs(rwd_row_difference *rows, size_t column) {
    for (int side = 0; side < 2; side++) {
        rwd_buf_clear(&rows->text[side]);
        rwd_row_difference_json(rows, column, (rwd_side)side, &rows->text[side]);
    }
    return !rwd_slice_equal(rwd_buf_slice(&rows->text[RWD_OLD]), rwd_buf_slice(&rows->text[RWD_NEW]));
}

static void find_changes(rwd_row_difference *rows) {
    rows->any = false;
    for (size_t i = 0; i < rows->table->column_count; i++) rows->any |= rows->changed[i] = differs(rows, i);
}

bool rwd_row_difference_open_text(rwd_row_difference *rows, const rwd_table_difference *table, rwd_slice key, rwd_slice row, rwd_side side, const rwd_slice *tokens, rwd_error *err) {
    rwd_side other = side == RWD_OLD ? RWD_NEW : RWD_OLD;
    rows->table = table;
    rows->present[other] = row.data != NULL;
    rows->present[side] = tokens != NULL;
    rows->tokens[other] = NULL;
    rows->tokens[side] = tokens;
    if (row.data && !rwd_answers_open(&rows->answers[other], table->table[other], key, row.data, (uint32_t)row.size, err)) return false;
    find_changes(rows);
    return true;
}

bool rwd_row_difference_open(rwd_row_difference *rows, const rwd_table_difference *table, rwd_slice key, rwd_slice old_row, rwd_slice new_row, rwd_error *err) {
    rwd_slice row[2] = {old_row, new_row};
    rows->table = table;
    for (int side = 0; side < 2; side++) {
        rows->tokens[side] = NULL;
        rows->present[side] = row[side].data != NULL;
        if (rows->present[side] && !rwd_answers_open(&rows->answers[side], table->table[side], key, row[side].data, (uint32_t)row[side].size, err)) return false;
    }
    find_changes(rows);
    return true;
}

// ---------------------------------------------------------------------------------------------- numbers
static bool scaled_up(rwd_i128 units, unsigned by, rwd_i128 *out) {
    for (unsigned i = 0; i < by; i++)
        if (__builtin_mul_overflow(units, (rwd_i128)10, &units)) return false;
    *out = units;
    return true;
}

static rwd_amount amount_of_token(const rwd_column_difference *column, rwd_slice token) {
    rwd_amount found = {.known = true};
    if (!token.data) return found;
    if (column->real) found.known = rwd_float_parse(token, &found.real) == RWD_PARSE_OK;
    else found.known = rwd_decimal_parse(token, column->scale, &found.units) == RWD_PARSE_OK;
    return found;
}

// A side's answer as a number; nothing counts as 0.
static rwd_amount amount_of(rwd_row_difference *rows, size_t column, rwd_side side) {
    const rwd_column_difference *c = &rows->table->columns[column];
    rwd_amount none = {.known = true};
    if (rows->tokens[side]) return amount_of_token(c, token_of(rows, column, side));
    if (!rows->present[side] || c->column[side] < 0) return none;
    rwd_job_column what = rwd_job_table_column(rows->table->table[side], (size_t)c->column[side]);
    const rwd_value *value = rwd_answers_column(&rows->answers[side], (size_t)c->column[side]);
    if (!value->present) return none;
    rwd_amount found = {.known = true};
    if (is_real(what.type)) {
        found.real = value->f;
        return found;
    }
    rwd_i128 units = what.type == RWD_TYPE_INT ? value->i : value->d;
    if (c->real) found.real = (double)units / pow(10, (double)scale_of(&what));
    else found.known = scaled_up(units, c->scale - scale_of(&what), &found.units);
    return found;
}

static rwd_amount plus(rwd_amount a, rwd_amount b) {
    rwd_amount sum = {.known = a.known && b.known, .real = a.real + b.real};
    sum.known = sum.known && rwd_i128_add(a.units, b.units, &sum.units);
    return sum;
}

static rwd_amount minus(rwd_amount a, rwd_amount b) {
    rwd_amount left = {.known = a.known && b.known, .real = a.real - b.real};
    left.known = left.known && !__builtin_sub_overflow(a.units, b.units, &left.units);
    return left;
}

static bool put_amount(const rwd_column_difference *column, rwd_amount amount, rwd_buf *out) {
    char text[RWD_DECIMAL_TEXT_MAX];
    double real;
    if (!column->number || !amount.known) return false;
    if (!column->real) {
        rwd_buf_append(out, text, rwd_decimal_text(amount.units, column->scale, text));
        return true;
    }
    if (!rwd_float_normal(amount.real, &real)) return false;
    rwd_value value = {.f = real, .present = true};
    rwd_value_text(&value, RWD_TYPE_FLOAT, 0, out);
    return true;
}

bool rwd_row_difference_delta(rwd_row_difference *rows, size_t column, rwd_buf *out) {
    const rwd_column_difference *c = &rows->table->columns[column];
    return c->number && put_amount(c, minus(amount_of(rows, column, RWD_NEW), amount_of(rows, column, RWD_OLD)), out);
}

double rwd_row_difference_size(rwd_row_difference *rows, size_t column) {
    const rwd_column_difference *c = &rows->table->columns[column];
    if (!c->number) return 0;
    rwd_amount delta = minus(amount_of(rows, column, RWD_NEW), amount_of(rows, column, RWD_OLD));
    double size = c->real ? delta.real : (double)delta.units / pow(10, (double)c->scale);
    return size < 0 ? -size : size;
}

void rwd_row_difference_count(rwd_row_difference *rows, rwd_table_difference *table) {
    if (!rows->present[RWD_OLD]) table->added++;
    else if (!rows->present[RWD_NEW]) table->vanished++;
    else table->changed++;
    for (size_t i = 0; i < table->column_count; i++) {
        rwd_column_difference *c = &table->columns[i];
        c->changed += rows->changed[i];
        for (int side = 0; side < 2 && c->number && rows->changed[i]; side++) c->sum[side] = plus(c->sum[side], amount_of(rows, i, (rwd_side)side));
    }
}

bool rwd_column_difference_sum(const rwd_column_difference *column, rwd_side side, rwd_buf *out) { return put_amount(column, column->sum[side], out); }

bool rwd_column_difference_delta(const rwd_column_difference *column, rwd_buf *out) {
    return put_amount(column, minus(column->sum[RWD_NEW], column->sum[RWD_OLD]), out);
}
