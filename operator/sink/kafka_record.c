// What a topic's records look like (kafka_record.h).
//
// What must stay true: the same row gives the same key, value and headers (E1).
#include "operator/sink/kafka_record.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "operator/base/time.h"
#include "operator/sink/row_proto.h"
#include "state/key_text.h"

#define US_PER_MS 1000
#define ABSENT UINT32_MAX

void rwd_kafka_record_deinit(rwd_kafka_record_text *record) {
    rwd_buf_deinit(&record->key);
    rwd_buf_deinit(&record->value);
    rwd_buf_deinit(&record->scratch);
    rwd_answers_deinit(&record->answers);
}

static void begin(rwd_kafka_record_text *record, const char *topic, int64_t time_us) {
    record->output = (rwd_kafka_output){.topic = topic, .partition = -1, .time_ms = time_us == RWD_TIME_NONE ? -1 : time_us / US_PER_MS, .headers = record->headers};
}

static void add_header(rwd_kafka_record_text *record, const char *name, rwd_slice value) {
    assert(record->output.header_count < RWD_KAFKA_HEADERS_MAX);
    record->headers[record->output.header_count++] = (rwd_kafka_header){name, value};
}

static void add_number(rwd_kafka_record_text *record, const char *name, int64_t value, char text[24]) {
    (void)snprintf(text, 24, "%" PRId64, value);
    add_header(record, name, rwd_slice_str(text));
}

// ---- rows

// A text without bytes is a text: only NULL is no key, or a tombstone.
static rwd_slice not_null(const rwd_buf *buf) { return rwd_slice_of(buf->size ? buf->data : (const uint8_t *)"", buf->size); }

static bool put_key(const rwd_schema *schema, rwd_slice key, rwd_kafka_record_text *record, rwd_error *err) {
    rwd_buf_clear(&record->key);
    if (!rwd_key_write_text(schema, key, &record->scratch, &record->key))
        return rwd_fail(err, RWD_E_CORRUPT, "table %s: a key of %zu bytes is not a key of this table", schema->name, key.size);
    record->output.key = not_null(&record->key);
    return true;
}

// A value as Kafka's own serializers write it.
static void put_raw(const rwd_value *value, rwd_type type, uint8_t scale, rwd_raw_type kind, rwd_buf *out) {
    uint8_t bytes[8];
    uint64_t bits = (uint64_t)value->i;
    switch (kind) {
    case RWD_RAW_TYPE_STRING: rwd_value_text(value, type, scale, out); return;
    case RWD_RAW_TYPE_BYTES: rwd_buf_append_slice(out, value->s); return;
    case RWD_RAW_TYPE_FLOAT64: memcpy(&bits, &value->f, sizeof bits);  // fall through
    case RWD_RAW_TYPE_INT64:
        rwd_put_be64(bytes, bits);
        rwd_buf_append(out, bytes, sizeof bytes);
        return;
    case RWD_RAW_TYPE_NONE:
    case RWD_RAW_TYPE_INT32:
    case RWD_RAW_TYPE_COUNT: break;
    }
    assert(!"refused by the job file's checks");
}

// The one key field, not as text. A null is no key.
static bool put_raw_key(const rwd_schema *schema, const rwd_job_sink *sink, rwd_slice key, rwd_kafka_record_text *record, rwd_error *err) {
    rwd_value parts[RWD_KEY_PARTS_MAX];
    if (sink->raw_key == RWD_RAW_TYPE_NONE) return true;
    rwd_buf_clear(&record->scratch);
    rwd_buf_clear(&record->key);
    if (!rwd_key_decode(schema, key, parts, &record->scratch))
        return rwd_fail(err, RWD_E_CORRUPT, "table %s: a key of %zu bytes is not a key of this table", schema->name, key.size);
    if (!parts[0].present) return true;
    put_raw(&parts[0], schema->parts[0].type, schema->parts[0].scale, sink->raw_key, &record->key);
    record->output.key = not_null(&record->key);
    return true;
}

// The one column. A null has no bytes, as Kafka's serializers have it.
static bool put_raw_value(const rwd_job_table *table, const rwd_job_sink *sink, const rwd_transaction_row *row, rwd_kafka_record_text *record, rwd_error *err) {
    rwd_job_column column = rwd_job_table_column(table, sink->columns[0]);
    rwd_answers *answers = &record->answers;
    if (!rwd_answers_open(answers, table, row->key, row->row, row->row_size, err)) return false;
    rwd_buf_clear(&record->value);
    if (sink->raw_value == RWD_RAW_TYPE_STRING) {
        if (rwd_answers_append_text(answers, sink->columns[0], &record->value)) record->output.value = not_null(&record->value);
        return true;
    }
    const rwd_value *value = rwd_answers_column(answers, sink->columns[0]);
    if (!value->present) return true;
    put_raw(value, column.type, column.scale, sink->raw_value, &record->value);
    record->output.value = not_null(&record->value);
    return true;
}

static bool put_value(const rwd_job_table *table, const rwd_job_sink *sink, const rwd_transaction_row *row, rwd_kafka_record_text *record, rwd_error *err) {
    rwd_row_text how = {.table = table, .columns = sink->columns, .column_count = sink->column_count, .format = sink->format};
    if (sink->format == RWD_FORMAT_RAW) return put_raw_value(table, sink, row, record, err);
    rwd_buf_clear(&record->value);
    if (sink->format == RWD_FORMAT_PROTOBUF) {
        if (!rwd_row_proto_append(&how, false, row->key, row->row, row->row_size, row->offset, &record->answers, &record->value, err)) return false;
        record->output.value = not_null(&record->value);
        return true;
    }
    if (!rwd_row_text_append(&how, row->key, row->row, row->row_size, row->offset, &record->answers, &record->value, err)) return false;
    record->value.size--;  // its newline
    record->output.value = not_null(&record->value);
    return true;
}

bool rwd_kafka_record_of_row(const rwd_job *job, const rwd_job_sink *sink, const rwd_transaction_row *row, const char *lineage,
                             rwd_kafka_record_text *record, rwd_error *err) {
    const rwd_job_table *table = &job->tables[sink->table];
    const rwd_schema *schema = &table->schema;
    begin(record, sink->topic, row->time_us);
    if (sink->partition == RWD_PARTITIONER_SAME) record->output.partition = job->source.topic ? (int)job->source.partition : 0;
    bool text_key = sink->format != RWD_FORMAT_RAW || sink->raw_key == RWD_RAW_TYPE_STRING;
    if (!(text_key ? put_key(schema, row->key, record, err) : put_raw_key(schema, sink, row->key, record, err))) return false;
    if (row->row && !put_value(table, sink, row, record, err)) return false;
    add_number(record, "rewind-offset", row->offset, record->offset);
    add_header(record, "rewind-lineage", rwd_slice_str(lineage));
    return true;
}

void rwd_kafka_record_correct(const rwd_transaction_row *row, const char *repair, rwd_slice reason, rwd_kafka_record_text *record) {
    add_header(record, "rewind-repair", rwd_slice_str(repair));
    if (row->old.data) add_header(record, "rewind-old", row->old);
    add_header(record, "rewind-reason", reason);
}

bool rwd_kafka_record_value(const rwd_job_table *table, const rwd_job_sink *sink, const rwd_transaction_row *row, rwd_kafka_record_text *record, rwd_slice *out, rwd_error *err) {
    record->output.value = rwd_slice_of(NULL, 0);
    if (!put_value(table, sink, row, record, err)) return false;
    *out = record->output.value;
    return true;
}

// ---- dead letters: offset, ordinal, time, code, whole size, whole key's size, partition, attempts, hash; then sized: source, topic, origin, resolved by, field, reason, key, value

static void keep_u64(rwd_buf *out, uint64_t value) {
    uint8_t bytes[8];
    rwd_put_le64(bytes, value);
    rwd_buf_append(out, bytes, sizeof bytes);
}

static void keep_size(rwd_buf *out, uint32_t size) {
    uint8_t bytes[4];
    rwd_put_le32(bytes, size);
    rwd_buf_append(out, bytes, sizeof bytes);
}

static void keep_slice(rwd_buf *out, rwd_slice slice) {
    keep_size(out, slice.data ? (uint32_t)slice.size : ABSENT);
    rwd_buf_append(out, slice.data, slice.size);
}

static void keep_text(rwd_buf *out, const char *text) { keep_slice(out, text ? rwd_slice_str(text) : rwd_slice_of(NULL, 0)); }

static bool keep_value(const rwd_dead_letter *letter, size_t most, rwd_buf *out, rwd_error *err) {
    if (!letter->value.data && letter->full_size == 0) {
        keep_size(out, ABSENT);
        return true;
    }
    size_t whole = letter->full_size < most ? (size_t)letter->full_size : most;
    size_t here = letter->value.size < whole ? letter->value.size : whole;
    keep_size(out, (uint32_t)whole);
    rwd_buf_append(out, letter->value.data, here);
    if (here == whole) return true;
    rwd_buf_reserve(out, whole - here);
    if (!letter->read_back(letter->context, here, out->data + out->size, whole - here, err)) return false;
    out->size += whole - here;
    return true;
}

bool rwd_kafka_dead_letter_keep(const rwd_dead_letter *letter, size_t most, rwd_buf *out, rwd_error *err) {
    size_t before = out->size;
    rwd_slice key = rwd_slice_of(letter->key.data, letter->key.size < most ? letter->key.size : most);
    keep_u64(out, (uint64_t)letter->offset);
    keep_u64(out, letter->has_ordinal ? letter->ordinal : UINT64_MAX);
    keep_u64(out, (uint64_t)letter->time_us);
    keep_u64(out, (uint64_t)letter->code);
    keep_u64(out, letter->full_size);
    keep_u64(out, letter->key.size);
    keep_u64(out, letter->partition);
    keep_u64(out, letter->attempts);
    keep_u64(out, letter->hash.low);
    keep_u64(out, letter->hash.high);
    keep_slice(out, rwd_slice_str(letter->source));
    keep_text(out, letter->topic);
    keep_text(out, letter->origin);
    keep_text(out, letter->resolved_by);
    keep_text(out, letter->field);
    keep_slice(out, letter->reason);
    keep_slice(out, key);
    if (keep_value(letter, most - key.size, out, err)) return true;
    out->size = before;
    return false;
}

static uint64_t take_u64(rwd_reader *run) {
    uint64_t value = 0;
    bool ok = rwd_reader_le64(run, &value);
    assert(ok);
    (void)ok;
    return value;
}

static rwd_slice take_slice(rwd_reader *run) {
    uint32_t size = 0;
    rwd_slice slice = {0};
    bool ok = rwd_reader_le32(run, &size);
    if (ok && size == ABSENT) return rwd_slice_of(NULL, 0);
    ok = ok && rwd_reader_take(run, size, &slice);
    assert(ok);
    (void)ok;
    return slice;
}

static void add_source(rwd_kafka_record_text *record, rwd_slice source, rwd_slice topic, int64_t partition, int64_t offset) {
    if (topic.data) {
        add_header(record, RWD_HEADER_DEAD_TOPIC, topic);
        add_number(record, RWD_HEADER_DEAD_PARTITION, partition, record->partition);
    } else {
        add_header(record, RWD_HEADER_DEAD_SOURCE, source);
    }
    add_number(record, RWD_HEADER_DEAD_OFFSET, offset, record->offset);
}

void rwd_kafka_record_of_dead_letter(rwd_reader *run, const char *topic, const char *lineage, rwd_kafka_record_text *record) {
    int64_t offset = (int64_t)take_u64(run);
    int64_t ordinal = (int64_t)take_u64(run);
    int64_t time_us = (int64_t)take_u64(run);
    rwd_code code = (rwd_code)take_u64(run);
    uint64_t full_size = take_u64(run), key_size = take_u64(run);
    int64_t partition = (int64_t)take_u64(run), attempts = (int64_t)take_u64(run);
    rwd_hash128 hash = {.low = take_u64(run)};
    hash.high = take_u64(run);
    rwd_slice source = take_slice(run), source_topic = take_slice(run), origin = take_slice(run), resolved_by = take_slice(run), field = take_slice(run);
    begin(record, topic, time_us);
    add_source(record, source, source_topic, partition, offset);
    if (ordinal >= 0) add_number(record, RWD_HEADER_DEAD_ORDINAL, ordinal, record->ordinal);
    add_header(record, RWD_HEADER_DEAD_REASON, rwd_slice_str(rwd_code_name(code)));
    if (field.data) add_header(record, RWD_HEADER_DEAD_FIELD, field);
    add_header(record, RWD_HEADER_DEAD_MESSAGE, take_slice(run));
    rwd_hash128_hex(hash, record->hash);
    if (resolved_by.data) add_header(record, RWD_HEADER_DEAD_RESOLVED, resolved_by);
    else add_header(record, RWD_HEADER_DEAD_HASH, rwd_slice_str(record->hash));
    add_header(record, RWD_HEADER_DEAD_LINEAGE, rwd_slice_str(lineage));
    if (origin.data) {
        add_header(record, RWD_HEADER_DEAD_ORIGIN, origin);
        add_number(record, RWD_HEADER_DEAD_ATTEMPTS, attempts, record->attempts);
    }
    record->output.key = take_slice(run);
    record->output.value = take_slice(run);
    if (full_size > record->output.value.size) add_number(record, RWD_HEADER_DEAD_SIZE, (int64_t)full_size, record->size);
    if (key_size > record->output.key.size) add_number(record, RWD_HEADER_DEAD_KEY_SIZE, (int64_t)key_size, record->key_size);
}
