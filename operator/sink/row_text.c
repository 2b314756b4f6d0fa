// Rows as text (row_text.h).
//
// Owns nothing. What must stay true: the same key and row give the same bytes; bytes that are no key or row of the schema are refused, never overrun.
//
// CSV tells null from the empty text: null is nothing between two commas, the empty text is "" (as PostgreSQL's COPY writes them). Lines end in LF.
#include "operator/sink/row_text.h"

#include "operator/base/json_out.h"

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

static bool has_window(const rwd_row_text *how) { return how->table->schema.window.kind != RWD_WINDOW_NONE; }
static size_t column_count(const rwd_row_text *how) { return how->columns ? how->column_count : rwd_job_table_columns(how->table); }
static size_t column_at(const rwd_row_text *how, size_t i) { return how->columns ? how->columns[i] : i; }

// CSV has a list as its JSON text.
static void put_list(line *l, size_t column, const char *name, rwd_answers *answers) {
    begin_member(l, name);
    if (l->how->format == RWD_FORMAT_JSON) {
        rwd_answers_append_json(answers, column, l->out);
        return;
    }
    rwd_buf text = {0};
    rwd_answers_append_json(answers, column, &text);
    rwd_csv_quote(l->out, rwd_buf_slice(&text));
    rwd_buf_deinit(&text);
}

// Of a key that vanished only CSV has columns, all empty.
static void put_columns(line *l, rwd_answers *answers) {
    static const rwd_value null = {0};
    bool vanished = !answers->row;
    if (vanished && l->how->format == RWD_FORMAT_JSON) return;
    for (size_t i = 0; i < column_count(l->how); i++) {
        size_t index = column_at(l->how, i);
        rwd_job_column column = rwd_job_table_column(l->how->table, index);
        if (!vanished && column.list) put_list(l, index, column.name, answers);
        else put_value(l, column.name, column.type, column.scale, vanished ? &null : rwd_answers_column(answers, index));
    }
}

static void put_origin(line *l, int64_t offset) {
    begin_member(l, "_offset");
    rwd_buf_append_int(l->out, offset);
    rwd_value lineage = {.s = rwd_slice_of(l->how->lineage, strnlen(l->how->lineage, sizeof(l->how->lineage))), .present = true};
    put_value(l, "_lineage", RWD_TYPE_STRING, 0, &lineage);
}

static void put_correction(line *l) {
    if (!l->how->repair || l->how->format != RWD_FORMAT_JSON) return;
    begin_member(l, "_repair");
    rwd_json_quote(l->out, rwd_slice_str(l->how->repair));
    begin_member(l, "_old");
    if (l->how->old.data) rwd_buf_append_slice(l->out, l->how->old);
    else rwd_buf_append_str(l->out, "null");
    begin_member(l, "_reason");
    rwd_json_quote(l->out, l->how->reason);
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
    for (size_t i = 0; i < how->table->schema.part_count; i++) put_name(&l, how->table->schema.parts[i].name);
    if (has_window(how)) put_name(&l, RWD_WINDOW_END);
    for (size_t i = 0; i < column_count(how); i++) put_name(&l, rwd_job_table_column(how->table, column_at(how, i)).name);
    if (how->with_origin) {
        put_name(&l, "_offset");
        put_name(&l, "_lineage");
    }
    if (how->with_deleted) put_name(&l, "deleted");
    rwd_buf_append_char(out, '\n');
}

bool rwd_row_text_append(const rwd_row_text *how, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset, rwd_answers *answers,
                         rwd_buf *out, rwd_error *err) {
    const rwd_schema *schema = &how->table->schema;
    if (!rwd_answers_open(answers, how->table, key, row, row_size, err)) return false;
    line l = {how, out, true};
    if (how->format == RWD_FORMAT_JSON) rwd_buf_append_char(out, '{');
    for (size_t i = 0; i < schema->part_count; i++)
        put_value(&l, schema->parts[i].name, schema->parts[i].type, schema->parts[i].scale, rwd_answers_part(answers, i));
    if (has_window(how)) put_value(&l, RWD_WINDOW_END, RWD_TYPE_TIME, 0, rwd_answers_window_end(answers));
    put_columns(&l, answers);
    if (how->with_origin) put_origin(&l, offset);
    put_correction(&l);
    if (how->with_deleted) put_deleted(&l, !row);
    if (how->format == RWD_FORMAT_JSON) rwd_buf_append_char(out, '}');
    rwd_buf_append_char(out, '\n');
    return true;
}
