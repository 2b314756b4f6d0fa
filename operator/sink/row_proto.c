// Rows as messages of Protocol Buffers.
#include "operator/sink/row_proto.h"

#include <assert.h>

#include "operator/base/decimal.h"
#include "operator/base/wire.h"
#include "proto/row_fields.h"

#define US_PER_S 1000000
#define NS_PER_US 1000
enum { TIMESTAMP_SECONDS = 1, TIMESTAMP_NANOS = 2 };

static bool has_window(const rwd_schema *schema) { return schema->window.kind != RWD_WINDOW_NONE; }

// The last key part of a table with windows is the window's start, whatever its place.
static uint32_t part_number(const rwd_schema *schema, size_t part) {
    return has_window(schema) && part + 1 == schema->part_count ? RWD_ROW_FIELD_WINDOW_START : RWD_ROW_FIELD_KEY + (uint32_t)part;
}

static uint32_t column_number(const rwd_schema *schema, size_t column) {
    return column < schema->column_count ? RWD_ROW_FIELD_COLUMN + (uint32_t)column : RWD_ROW_FIELD_DERIVED + (uint32_t)(column - schema->column_count);
}

// ---- rows

static void put_time(uint32_t number, int64_t us, rwd_buf *out) {
    int64_t seconds = us / US_PER_S, rest = us % US_PER_S;
    if (rest < 0) {
        seconds--;
        rest += US_PER_S;
    }
    rwd_wire_put_tag(out, number, RWD_WIRE_SIZED);
    size_t length_at = out->size;
    rwd_buf_append_char(out, 0);  // of less than 128 bytes
    if (seconds != 0) rwd_wire_put_uint(out, TIMESTAMP_SECONDS, (uint64_t)seconds);
    if (rest != 0) rwd_wire_put_uint(out, TIMESTAMP_NANOS, (uint64_t)rest * NS_PER_US);
    out->data[length_at] = (uint8_t)(out->size - length_at - 1);
}

static void put_value(uint32_t number, rwd_type type, uint8_t scale, const rwd_value *value, rwd_buf *out) {
    if (!value->present) return;
    char text[RWD_DECIMAL_TEXT_MAX];
    switch (type) {
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES: rwd_wire_put_sized(out, number, value->s); return;
    case RWD_TYPE_INT: rwd_wire_put_uint(out, number, (uint64_t)value->i); return;
    case RWD_TYPE_DECIMAL: rwd_wire_put_sized(out, number, rwd_slice_of(text, rwd_decimal_text(value->d, scale, text))); return;
    case RWD_TYPE_BOOL: rwd_wire_put_uint(out, number, value->b); return;
    case RWD_TYPE_TIME: put_time(number, value->i, out); return;
    case RWD_TYPE_FLOAT: rwd_wire_put_double(out, number, value->f); return;
    case RWD_TYPE_COUNT: break;
    }
    assert(!"type out of range");
}

// A list is its JSON text.
static void put_list(uint32_t number, size_t column, rwd_answers *answers, rwd_buf *out) {
    rwd_buf text = {0};
    rwd_answers_append_json(answers, column, &text);
    rwd_wire_put_sized(out, number, rwd_buf_slice(&text));
    rwd_buf_deinit(&text);
}

static void put_columns(const rwd_row_text *how, rwd_answers *answers, rwd_buf *out) {
    size_t count = how->columns ? how->column_count : rwd_job_table_columns(how->table);
    for (size_t i = 0; i < count; i++) {
        size_t index = how->columns ? how->columns[i] : i;
        rwd_job_column column = rwd_job_table_column(how->table, index);
        uint32_t number = column_number(&how->table->schema, index);
        if (column.list) put_list(number, index, answers, out);
        else put_value(number, column.type, column.scale, rwd_answers_column(answers, index), out);
    }
}

// Puts the length of what stands in [begin, end of out) before it.
static void put_length(size_t begin, rwd_buf *out) {
    size_t size = out->size - begin;
    rwd_wire_put_varint(out, size);
    uint8_t length[RWD_WIRE_VARINT_MAX];
    size_t length_size = out->size - begin - size;
    memcpy(length, out->data + begin + size, length_size);
    memmove(out->data + begin + length_size, out->data + begin, size);
    memcpy(out->data + begin, length, length_size);
}

bool rwd_row_proto_append(const rwd_row_text *how, bool delimited, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset, rwd_answers *answers,
                          rwd_buf *out, rwd_error *err) {
    const rwd_schema *schema = &how->table->schema;
    size_t begin = out->size;
    if (!rwd_answers_open(answers, how->table, key, row, row_size, err)) return false;
    for (size_t i = 0; i < schema->part_count; i++)
        put_value(part_number(schema, i), schema->parts[i].type, schema->parts[i].scale, rwd_answers_part(answers, i), out);
    if (has_window(schema)) put_value(RWD_ROW_FIELD_WINDOW_END, RWD_TYPE_TIME, 0, rwd_answers_window_end(answers), out);
    if (how->with_origin) {
        if (offset != 0) rwd_wire_put_uint(out, RWD_ROW_FIELD_OFFSET, (uint64_t)offset);
        rwd_wire_put_sized(out, RWD_ROW_FIELD_LINEAGE, rwd_slice_of(how->lineage, strnlen(how->lineage, sizeof(how->lineage))));
    }
    if (how->with_deleted && !row) rwd_wire_put_uint(out, RWD_ROW_FIELD_DELETED, 1);
    if (how->repair) {
        rwd_wire_put_sized(out, RWD_ROW_FIELD_REPAIR, rwd_slice_str(how->repair));
        if (how->old.data) rwd_wire_put_sized(out, RWD_ROW_FIELD_OLD, how->old);
        rwd_wire_put_sized(out, RWD_ROW_FIELD_REASON, how->reason);
    }
    if (row) put_columns(how, answers, out);
    if (delimited) put_length(begin, out);
    return true;
}

// ---- the .proto

_Static_assert(RWD_ROW_FIELD_KEY + RWD_KEY_PARTS_MAX <= RWD_ROW_FIELD_WINDOW_START && RWD_ROW_FIELD_REASON < RWD_ROW_FIELD_COLUMN &&
                   RWD_ROW_FIELD_COLUMN + RWD_COLUMNS_MAX <= RWD_ROW_FIELD_DERIVED, "numbers do not meet");

static bool is_written(const rwd_job *job, size_t table) {
    for (size_t i = 0; i < job->sink_count; i++)
        if (job->sinks[i].table == table && job->sinks[i].format == RWD_FORMAT_PROTOBUF) return true;
    return false;
}

static bool has_times(const rwd_job_table *table) {
    const rwd_schema *schema = &table->schema;
    for (size_t i = 0; i < schema->part_count; i++)
        if (schema->parts[i].type == RWD_TYPE_TIME) return true;
    for (size_t i = 0; i < rwd_job_table_columns(table); i++)
        if (rwd_job_table_column(table, i).type == RWD_TYPE_TIME) return true;
    return false;
}

// A job's name as a package: what no identifier has becomes '_'.
static void put_package(const rwd_job *job, rwd_buf *out) {
    rwd_buf_append_str(out, "package rewind.");
    if (job->name[0] >= '0' && job->name[0] <= '9') rwd_buf_append_char(out, '_');
    for (const char *p = job->name; *p; p++) {
        bool fits = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        rwd_buf_append_char(out, fits ? *p : '_');
    }
    rwd_buf_append_str(out, ";\n");
}

static void put_field(const char *name, rwd_type type, uint8_t scale, bool list, uint32_t number, rwd_buf *out) {
    static const char *const types[RWD_TYPE_COUNT] = {
        [RWD_TYPE_STRING] = "string", [RWD_TYPE_INT] = "int64", [RWD_TYPE_DECIMAL] = "string", [RWD_TYPE_BOOL] = "bool",
        [RWD_TYPE_TIME] = ".google.protobuf.Timestamp", [RWD_TYPE_FLOAT] = "double", [RWD_TYPE_BYTES] = "bytes",
    };
    rwd_buf_appendf(out, "  optional %s %s = %u [json_name = \"%s\"];", types[type], name, number, name);
    if (type == RWD_TYPE_DECIMAL) rwd_buf_appendf(out, "  // decimal(%u)", scale);
    if (list) rwd_buf_append_str(out, "  // a list, as JSON");
    rwd_buf_append_char(out, '\n');
}

static void put_message(const rwd_job_table *table, rwd_buf *out) {
    const rwd_schema *schema = &table->schema;
    rwd_buf_appendf(out, "\nmessage %s {\n", schema->name);
    for (size_t i = 0; i < schema->part_count; i++)
        put_field(schema->parts[i].name, schema->parts[i].type, schema->parts[i].scale, false, part_number(schema, i), out);
    if (has_window(schema)) put_field(RWD_WINDOW_END, RWD_TYPE_TIME, 0, false, RWD_ROW_FIELD_WINDOW_END, out);
    for (size_t i = 0; i < rwd_job_table_columns(table); i++) {
        rwd_job_column column = rwd_job_table_column(table, i);
        put_field(column.name, column.type, column.scale, column.list, column_number(schema, i), out);
    }
    rwd_buf_append_str(out, "\n  // In files; records of Kafka say it in their headers, and a key that vanished is a tombstone.\n");
#define ROW_FIELD(id, number, name, type, doc) rwd_buf_appendf(out, "  " type " " name " = %u [json_name = \"" name "\"];  // " doc "\n", number);
    RWD_ROW_FIELD_TABLE(ROW_FIELD)
#undef ROW_FIELD
    rwd_buf_append_str(out, "}\n");
}

bool rwd_row_proto_schema(const rwd_job *job, rwd_buf *out, rwd_error *err) {
    bool any = false, times = false;
    for (size_t t = 0; t < job->table_count; t++) {
        any = any || is_written(job, t);
        times = times || (is_written(job, t) && has_times(&job->tables[t]));
    }
    if (!any) {
        (void)rwd_fail(err, RWD_E_CONFIG, "no sink of the job has the format protobuf");
        (void)rwd_error_at(err, "%s", job->file);
        return rwd_error_next(err, "sinks: [{table: %s, format: protobuf, ...}]", job->tables[0].schema.name);
    }
    rwd_buf_appendf(out, "// Rows of job %s. A field that is not set is null.\nsyntax = \"proto3\";\n", job->name);
    put_package(job, out);
    if (times) rwd_buf_append_str(out, "import \"google/protobuf/timestamp.proto\";\n");
    for (size_t t = 0; t < job->table_count; t++)
        if (is_written(job, t)) put_message(&job->tables[t], out);
    return true;
}
