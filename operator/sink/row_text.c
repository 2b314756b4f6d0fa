// Rows as text (row_text.h).
//
// Owns nothing. What must stay true: the same key and row give the same bytes; bytes that are no key or row of the schema are refused, never overrun.
//
// CSV tells null from the empty text: null is nothing between two commas, the empty text is "" (as PostgreSQL's COPY writes them). Lines end in LF.
#include "operator/sink/row_text.h"

#include "operator/base/json_out.h"
#include "state/row.h"

// ---- CSV

static bool must_quote(rwd_slice text) {
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == ',' || c == '"' || c == '\n' || c == '\r') return true;
    }
    return false;
}

void rwd_csv_quote(rwd_buf *out, rwd_slice text) {
    if (!must_quote(text)) {
        rwd_buf_append_slice(out, text);
        return;
    }
    rwd_buf_reserve(out, text.size + 2);
    rwd_buf_append_char(out, '"');
    const uint8_t *from = text.data, *end = text.data + text.size;
    for (;;) {
        const uint8_t *quote = memchr(from, '"', (size_t)(end - from));
        if (!quote) break;
        rwd_buf_append(out, from, (size_t)(quote + 1 - from));
        rwd_buf_append_char(out, '"');
        from = quote + 1;
    }
    rwd_buf_append(out, from, (size_t)(end - from));
    rwd_buf_append_char(out, '"');
}

// ---- members: what both formats have in common

// Where the next member of a line goes.
typedef struct line {
    const rwd_row_text *how;
    rwd_buf *out;
    bool first;
} line;

static void begin_member(line *l, const char *name) {
    if (!l->first) rwd_buf_append_char(l->out, ',');
    l->first = false;
    if (l->how->format != RWD_FORMAT_JSON) return;
    rwd_json_quote(l->out, rwd_slice_str(name));
    rwd_buf_append_char(l->out, ':');
}

static void put_value(line *l, const char *name, rwd_type type, uint8_t scale, const rwd_value *value) {
    begin_member(l, name);
    if (l->how->format == RWD_FORMAT_JSON) rwd_value_json(value, type, scale, l->out);
    else if (!value->present || (type != RWD_TYPE_STRING && type != RWD_TYPE_BYTES)) rwd_value_text(value, type, scale, l->out);
    else if (value->s.size == 0) rwd_buf_append_str(l->out, "\"\"");  // unquoted it would be null
    else if (type == RWD_TYPE_BYTES) rwd_base64_append(l->out, value->s);
    else rwd_csv_quote(l->out, value->s);
}

// Windows have an end behind their start, the last of the key's parts.
static void put_window_end(line *l, const rwd_value *start) {
    const rwd_window *window = &l->how->schema->window;
    if (window->kind == RWD_WINDOW_NONE) return;
    put_value(l, RWD_WINDOW_END, RWD_TYPE_TIME, 0, &(rwd_value){.i = rwd_window_end(window, start->i), .present = start->present});
}

static size_t column_count(const rwd_row_text *how) { return how->columns ? how->column_count : how->schema->column_count; }
static size_t column_at(const rwd_row_text *how, size_t i) { return how->columns ? how->columns[i] : i; }

// CSV has a list as its JSON text.
static void put_list(line *l, size_t column, const uint8_t *row) {
    const rwd_schema *schema = l->how->schema;
    begin_member(l, schema->columns[column].name);
    if (l->how->format == RWD_FORMAT_JSON) {
        rwd_row_append_json(schema, column, row, l->out);
        return;
    }
    rwd_buf text = {0};
    rwd_row_append_json(schema, column, row, &text);
    rwd_csv_quote(l->out, rwd_buf_slice(&text));
    rwd_buf_deinit(&text);
}

// Of a key that vanished only CSV has columns, all empty.
static void put_columns(line *l, const uint8_t *row) {
    const rwd_schema *schema = l->how->schema;
    if (!row && l->how->format == RWD_FORMAT_JSON) return;
    for (size_t i = 0; i < column_count(l->how); i++) {
        size_t index = column_at(l->how, i);
        const rwd_column *column = &schema->columns[index];
        rwd_value value = {0};
        if (row && rwd_column_is_list(column)) {
            put_list(l, index, row);
            continue;
        }
        if (row) rwd_row_read(schema, index, row, &value);
        put_value(l, column->name, rwd_column_type(column), rwd_column_scale(column), &value);
    }
}

static void put_origin(line *l, int64_t offset) {
    begin_member(l, "_offset");
    rwd_buf_append_int(l->out, offset);
    rwd_value lineage = {.s = rwd_slice_of(l->how->lineage, strnlen(l->how->lineage, sizeof(l->how->lineage))), .present = true};
    put_value(l, "_lineage", RWD_TYPE_STRING, 0, &lineage);
}

static void put_deleted(line *l, bool deleted) {
    if (!deleted && l->how->format == RWD_FORMAT_JSON) return;
    put_value(l, "deleted", RWD_TYPE_BOOL, 0, &(rwd_value){.b = deleted, .present = true});
}

// ---- lines

static void put_name(line *l, const char *name) {
    begin_member(l, name);
    rwd_csv_quote(l->out, rwd_slice_str(name));
}

void rwd_row_text_header(const rwd_row_text *how, rwd_buf *out) {
    if (how->format != RWD_FORMAT_CSV) return;
    line l = {how, out, true};
    for (size_t i = 0; i < how->schema->part_count; i++) put_name(&l, how->schema->parts[i].name);
    if (how->schema->window.kind != RWD_WINDOW_NONE) put_name(&l, RWD_WINDOW_END);
    for (size_t i = 0; i < column_count(how); i++) put_name(&l, how->schema->columns[column_at(how, i)].name);
    if (how->with_origin) {
        put_name(&l, "_offset");
        put_name(&l, "_lineage");
    }
    if (how->with_deleted) put_name(&l, "deleted");
    rwd_buf_append_char(out, '\n');
}

bool rwd_row_text_append(const rwd_row_text *how, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset, rwd_buf *scratch,
                         rwd_buf *out, rwd_error *err) {
    const rwd_schema *schema = how->schema;
    rwd_value parts[RWD_KEY_PARTS_MAX];
    rwd_buf_clear(scratch);
    if (!rwd_key_decode(schema, key, parts, scratch))
        return rwd_fail(err, RWD_E_CORRUPT, "table %s: a key of %zu bytes is not a key of this table", schema->name, key.size);
    if (row && !rwd_row_check(schema, rwd_slice_of(row, row_size)))
        return rwd_fail(err, RWD_E_CORRUPT, "table %s: %u bytes are no row of this table", schema->name, row_size);
    line l = {how, out, true};
    if (how->format == RWD_FORMAT_JSON) rwd_buf_append_char(out, '{');
    for (size_t i = 0; i < schema->part_count; i++)
        put_value(&l, schema->parts[i].name, schema->parts[i].type, schema->parts[i].scale, &parts[i]);
    put_window_end(&l, &parts[schema->part_count - 1]);
    put_columns(&l, row);
    if (how->with_origin) put_origin(&l, offset);
    if (how->with_deleted) put_deleted(&l, !row);
    if (how->format == RWD_FORMAT_JSON) rwd_buf_append_char(out, '}');
    rwd_buf_append_char(out, '\n');
    return true;
}
