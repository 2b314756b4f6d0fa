// Rows (row.h).
//
// What must stay true: a row that apply or merge writes passes check.
#include "state/row.h"

#include <assert.h>

#include "operator/base/time.h"

void rwd_row_init(const rwd_schema *schema, uint8_t *row) { memset(row, 0, schema->row_size); }

// ---------------------------------------------------------------------------------------------- applying an event
static inline bool is_wanted(const bool *wanted, size_t i) { return !wanted || wanted[i]; }

static rwd_code apply_fixed(const rwd_schema *schema, const rwd_value *const *args, const bool *wanted, const rwd_moment *when, uint8_t *row, size_t *out_column) {
    for (size_t i = 0; i < schema->column_count; i++) {
        const rwd_column *column = &schema->columns[i];
        if (!is_wanted(wanted, i)) continue;
        rwd_code code = column->update(&column->how, row + column->offset, args[i], when);
        if (code == RWD_E_NONE) continue;
        *out_column = i;
        return code;
    }
    return RWD_E_NONE;
}

// A row being written, tails behind the fixed part.
typedef struct writing {
    uint8_t *row;
    uint32_t size, room;
} writing;

// Puts the tail that the row had at the end, to be changed there.
static bool put_tail(writing *w, const uint8_t *tail, uint32_t size) {
    if (size > w->room - w->size) return false;
    if (size > 0) memcpy(w->row + w->size, tail, size);
    return true;
}

static void end_tail(writing *w, const rwd_column *column, uint32_t size) {
    rwd_put_le32(w->row + column->offset, size);
    w->size += size;
}

static rwd_code apply_variable(const rwd_schema *schema, const uint8_t *old_row, uint32_t old_size, const rwd_value *const *args, const bool *wanted,
                               const rwd_moment *when, writing *w, size_t *out_column) {
    uint32_t old_at = schema->row_size;
    for (size_t i = 0; i < schema->column_count; i++) {
        const rwd_column *column = &schema->columns[i];
        rwd_code code = RWD_E_NONE;
        *out_column = i;
        if (column->update) {
            if (is_wanted(wanted, i)) code = column->update(&column->how, w->row + column->offset, args[i], when);
        } else {
            uint32_t size = rwd_get_le32(w->row + column->offset);
            if (size > old_size - old_at) return RWD_E_CORRUPT;
            if (!put_tail(w, old_row + old_at, size)) return RWD_E_TOO_LARGE;
            old_at += size;
            if (is_wanted(wanted, i)) code = column->grow(&column->how, w->row + w->size, &size, w->room - w->size, args[i], when);
            if (code == RWD_E_NONE) end_tail(w, column, size);
        }
        if (code != RWD_E_NONE) return code;
    }
    return RWD_E_NONE;
}

rwd_code rwd_row_apply_from(const rwd_schema *schema, const uint8_t *old_row, uint32_t old_size, const rwd_value *const *args, const bool *wanted,
                            const rwd_moment *when, uint8_t *new_row, uint32_t room, uint32_t *out_size, size_t *out_column) {
    uint32_t fixed = schema->row_size;
    assert(room >= fixed);
    if (old_row && old_size < fixed) return RWD_E_CORRUPT;
    if (old_row) memcpy(new_row, old_row, fixed);
    else memset(new_row, 0, fixed);
    *out_size = fixed;
    if (!schema->variable) return apply_fixed(schema, args, wanted, when, new_row, out_column);
    static const uint8_t nothing[1];
    writing w = {.row = new_row, .size = fixed, .room = room < RWD_ROW_BYTES_MAX ? room : RWD_ROW_BYTES_MAX};
    rwd_code code = apply_variable(schema, old_row ? old_row : nothing, old_row ? old_size : fixed, args, wanted, when, &w, out_column);
    *out_size = w.size;
    return code;
}

rwd_code rwd_row_apply(const rwd_schema *schema, const uint8_t *old_row, uint32_t old_size, const rwd_value *args, const bool *wanted,
                       const rwd_moment *when, uint8_t *new_row, uint32_t room, uint32_t *out_size, size_t *out_column) {
    const rwd_value *places[RWD_COLUMNS_MAX];
    for (size_t i = 0; i < schema->column_count; i++) places[i] = &args[i];
    return rwd_row_apply_from(schema, old_row, old_size, places, wanted, when, new_row, room, out_size, out_column);
}

rwd_code rwd_row_of_answers(const rwd_schema *schema, const rwd_value *answers, uint8_t *row, uint32_t room, uint32_t *out_size, size_t *out_column) {
    static const rwd_moment before_all = {.time_us = INT64_MIN, .offset = INT64_MIN};
    bool wanted[RWD_COLUMNS_MAX];
    for (size_t i = 0; i < schema->column_count; i++) {
        assert(schema->columns[i].aggregate->complete);
        wanted[i] = schema->columns[i].aggregate->takes_field;
    }
    // The answer of one value is that value.
    rwd_code code = rwd_row_apply(schema, NULL, 0, answers, wanted, &before_all, row, room, out_size, out_column);
    for (size_t i = 0; code == RWD_E_NONE && i < schema->column_count; i++)
        if (!wanted[i]) rwd_put_le64(row + schema->columns[i].offset, (uint64_t)answers[i].i);  // a count
    return code;
}

// ---------------------------------------------------------------------------------------------- merging
rwd_code rwd_row_merge(const rwd_schema *schema, const uint8_t *row, uint32_t size, const uint8_t *other, uint32_t other_size, uint8_t *new_row,
                       uint32_t room, uint32_t *out_size, size_t *out_column) {
    if (!rwd_row_check(schema, rwd_slice_of(row, size)) || !rwd_row_check(schema, rwd_slice_of(other, other_size))) return RWD_E_CORRUPT;
    writing w = {.row = new_row, .size = schema->row_size, .room = room < RWD_ROW_BYTES_MAX ? room : RWD_ROW_BYTES_MAX};
    uint32_t at = schema->row_size, other_at = schema->row_size;
    memcpy(new_row, row, schema->row_size);
    for (size_t i = 0; i < schema->column_count; i++) {
        const rwd_column *column = &schema->columns[i];
        uint32_t cell = column->size, other_cell = column->size;
        rwd_code code;
        *out_column = i;
        if (column->update) {
            code = column->aggregate->merge(&column->how, new_row + column->offset, &cell, cell, other + column->offset, other_cell);
        } else {
            cell = rwd_get_le32(row + column->offset);
            other_cell = rwd_get_le32(other + column->offset);
            if (!put_tail(&w, row + at, cell)) return RWD_E_TOO_LARGE;
            at += cell;
            code = column->aggregate->merge(&column->how, new_row + w.size, &cell, w.room - w.size, other + other_at, other_cell);
            other_at += other_cell;
            if (code == RWD_E_NONE) end_tail(&w, column, cell);
        }
        if (code != RWD_E_NONE) return code;
    }
    *out_size = w.size;
    return RWD_E_NONE;
}

// ---------------------------------------------------------------------------------------------- reading
bool rwd_row_check(const rwd_schema *schema, rwd_slice row) {
    if (row.size < schema->row_size || row.size > RWD_ROW_BYTES_MAX) return false;
    if (schema->window.kind == RWD_WINDOW_SESSION) {
        int64_t end = (int64_t)rwd_get_le64(row.data);
        if (end < RWD_TIME_MIN || end > RWD_TIME_MAX) return false;
    }
    size_t at = schema->row_size;
    for (size_t i = 0; schema->variable && i < schema->column_count; i++) {
        const rwd_column *column = &schema->columns[i];
        if (column->update) continue;
        uint32_t size = rwd_get_le32(row.data + column->offset);
        if (size > row.size - at || !column->aggregate->valid(&column->how, row.data + at, size)) return false;
        at += size;
    }
    return at == row.size;
}

static const uint8_t *cell_of(const rwd_schema *schema, size_t column, const uint8_t *row, uint32_t *out_size) {
    assert(column < schema->column_count);
    const rwd_column *c = &schema->columns[column];
    *out_size = c->size;
    if (c->update) return row + c->offset;
    const uint8_t *tail = row + schema->row_size;
    for (size_t i = 0; i < column; i++)
        if (!schema->columns[i].update) tail += rwd_get_le32(row + schema->columns[i].offset);
    *out_size = rwd_get_le32(row + c->offset);
    return tail;
}

rwd_slice rwd_row_cell(const rwd_schema *schema, size_t column, const uint8_t *row) {
    uint32_t size;
    const uint8_t *cell = cell_of(schema, column, row, &size);
    return rwd_slice_of(cell, size);
}

void rwd_row_read(const rwd_schema *schema, size_t column, const uint8_t *row, rwd_value *out) {
    uint32_t size;
    const uint8_t *cell = cell_of(schema, column, row, &size);
    const rwd_column *c = &schema->columns[column];
    assert(!c->aggregate->list);
    c->aggregate->read(&c->how, cell, size, out);
}

static void append_list(const rwd_schema *schema, size_t column, const uint8_t *row, rwd_buf *out) {
    uint32_t size;
    const uint8_t *cell = cell_of(schema, column, row, &size);
    schema->columns[column].aggregate->json(&schema->columns[column].how, cell, size, out);
}

void rwd_row_append_json(const rwd_schema *schema, size_t column, const uint8_t *row, rwd_buf *out) {
    const rwd_column *c = &schema->columns[column];
    rwd_value value;
    if (c->aggregate->list) {
        append_list(schema, column, row, out);
        return;
    }
    rwd_row_read(schema, column, row, &value);
    rwd_value_json(&value, rwd_column_type(c), rwd_column_scale(c), out);
}

bool rwd_row_append_text(const rwd_schema *schema, size_t column, const uint8_t *row, rwd_buf *out) {
    const rwd_column *c = &schema->columns[column];
    rwd_value value;
    if (c->aggregate->list) {
        append_list(schema, column, row, out);
        return true;
    }
    rwd_row_read(schema, column, row, &value);
    rwd_value_text(&value, rwd_column_type(c), rwd_column_scale(c), out);
    return value.present;
}
