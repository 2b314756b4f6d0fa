// Rebuilding from outputs (from_output.h).
//
// The rows of an output are read by the same decoder as events: a job of the one purpose is made whose fields are the members of the output's rows.
//
// What must stay true: nothing of the outputs is changed but what recovery cuts anyway; what was read is below C; a checkpoint is made only of the whole.
#include "operator/pipeline/from_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/base/json_out.h"
#include "operator/base/log.h"
#include "operator/base/words.h"
#include "operator/kafka/consumer.h"
#include "operator/logic/decode.h"
#include "operator/pipeline/operator_private.h"
#include "operator/pipeline/rooms.h"
#include "operator/source/file.h"
#include "state/key_text.h"
#include "state/row.h"

#define LOOK_EVERY 4096          // rows between two looks at invariants and at whether to stop
#define ROW_BYTES_MAX (1u << 30) // of a row as text
#define WAIT_NS 100000000LL
#define NAMES_MAX 16384          // of --from-output

const char *rwd_from_output_name(const rwd_job_sink *sink) { return sink->topic ? sink->topic : sink->path; }

bool rwd_from_output_estimated(const rwd_job *job, const rwd_job_table *table, size_t column) {
    return job->event.time_field >= 0 && column < table->schema.column_count && table->schema.columns[column].aggregate->dated;
}

// ---- which output is a table's

static bool has_column(const rwd_job_sink *sink, size_t column) {
    for (size_t i = 0; i < sink->column_count; i++)
        if (sink->columns[i] == column) return true;
    return false;
}

static void add_reason(rwd_buf *out, const char *reason) { rwd_buf_appendf(out, "%s%s", out->size ? "; " : "", reason); }

// All that is in the way, as one sentence.
static void what_is_missing(const rwd_job *job, const rwd_job_sink *sink, rwd_buf *out) {
    const rwd_job_table *table = &job->tables[sink->table];
    bool windowed = table->schema.window.kind != RWD_WINDOW_NONE;
    char text[512];
    if (windowed) add_reason(out, "its windows close by a stream time that outputs do not have");
    if (sink->emit == RWD_EMIT_CLOSE && !windowed) add_reason(out, "it has no open windows (emit: close)");
    if (sink->where) add_reason(out, "rows that its `where` does not take are not in it");
    if (sink->format != RWD_FORMAT_JSON && sink->format != RWD_FORMAT_CSV) add_reason(out, "only rows of json and csv are read back");
    for (size_t i = 0; i < table->schema.column_count; i++) {
        const rwd_column *column = &table->schema.columns[i];
        bool complete = column->aggregate->complete, there = has_column(sink, i);
        if (complete && there) continue;
        if (!complete) (void)snprintf(text, sizeof text, "%.200s is a %s, whose state is more than its answer", column->name, column->aggregate->name);
        else (void)snprintf(text, sizeof text, "%.200s is not among its fields", column->name);
        add_reason(out, text);
    }
    if (table->partial && sink->topic) add_reason(out, "other partitions publish shares of the same keys");
}

static bool find_sink(const rwd_job *job, const char *name, size_t *out, rwd_error *err) {
    const char *names[RWD_SINKS_MAX];
    for (size_t i = 0; i < job->sink_count; i++) {
        names[i] = rwd_from_output_name(&job->sinks[i]);
        *out = i;
        if (strcmp(names[i], name) == 0) return true;
    }
    const char *nearest = rwd_nearest(name, names, job->sink_count);
    return rwd_fail(err, RWD_E_NOT_FOUND, "the job has no output '%s'%s%s%s", name, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static bool take_sink(const rwd_job *job, const char *name, rwd_from_output *out, rwd_error *err) {
    size_t index = 0;
    rwd_buf missing = {0};
    if (!find_sink(job, name, &index, err)) return false;
    const rwd_job_sink *sink = &job->sinks[index];
    what_is_missing(job, sink, &missing);
    bool ok = missing.size == 0;
    if (!ok) rwd_fail(err, RWD_E_USAGE, "table %s cannot be rebuilt from %s: %.600s", job->tables[sink->table].schema.name, name, rwd_buf_cstr(&missing));
    else out->sinks[sink->table] = index;
    rwd_buf_deinit(&missing);
    return ok;
}

static bool all_tables(const rwd_job *job, const rwd_from_output *chosen, rwd_error *err) {
    rwd_buf missing = {0};
    for (size_t t = 0; t < job->table_count; t++)
        if (chosen->sinks[t] == SIZE_MAX) rwd_buf_appendf(&missing, "%s%s", missing.size ? ", " : "", job->tables[t].schema.name);
    bool ok = missing.size == 0;
    if (!ok) rwd_fail(err, RWD_E_USAGE, "--from-output names no output of the tables: %s; every table of the job must be rebuilt", rwd_buf_cstr(&missing));
    rwd_buf_deinit(&missing);
    return ok;
}

bool rwd_from_output_choose(const rwd_job *job, const char *names, rwd_from_output *out, rwd_error *err) {
    char name[RWD_PATH_MAX];
    for (size_t t = 0; t < RWD_TABLES_MAX; t++) out->sinks[t] = SIZE_MAX;
    if (job->delivery.mode == RWD_DELIVERY_AT_LEAST_ONCE)
        return rwd_fail(err, RWD_E_CONFIG, "with delivery.mode: at-least-once the outputs may be ahead of the committed offset: what would be rebuilt is the state of no place");
    for (const char *at = names; *at;) {
        size_t size = strcspn(at, ",");
        if (size == 0 || size >= sizeof name) return rwd_fail(err, RWD_E_USAGE, "--from-output: topics or files, with commas between them");
        memcpy(name, at, size);
        name[size] = '\0';
        if (!take_sink(job, name, out, err)) return false;
        at += size + (at[size] == ',');
    }
    return all_tables(job, out, err);
}

// ---- a job whose events are the rows of an output

// How a member is found: by a path, by its column's name, or, without a header, by its place.
typedef enum finding { BY_PATH, BY_NAME, BY_PLACE } finding;

static void put_field(rwd_json_out *json, size_t number, const char *member, rwd_type type, uint8_t scale, finding how) {
    char name[24], kind[32];
    rwd_buf path = {0};
    (void)snprintf(name, sizeof name, "f%zu", number);
    if (type == RWD_TYPE_DECIMAL) (void)snprintf(kind, sizeof kind, "decimal(%u)", scale);
    else (void)snprintf(kind, sizeof kind, "%s", rwd_type_name(type));
    if (how == BY_PATH) rwd_buf_appendf(&path, "[\"%s\"]", member);
    else rwd_buf_append_str(&path, member);
    rwd_json_put_object(json, name);
    rwd_json_put_string(json, "type", kind);
    if (how != BY_PLACE) rwd_json_put_string(json, "path", rwd_buf_cstr(&path));
    rwd_json_put_bool(json, "optional", true);
    rwd_json_object_end(json);
    rwd_buf_deinit(&path);
}

// The parts of the key, the sink's columns in their order; of a file, which says so in each row, offset and deletion.
static void put_fields(rwd_json_out *json, const rwd_job *job, const rwd_job_sink *sink) {
    const rwd_job_table *table = &job->tables[sink->table];
    const rwd_schema *schema = &table->schema;
    finding how = sink->format == RWD_FORMAT_JSON ? BY_PATH : sink->path ? BY_NAME : BY_PLACE;
    size_t n = 0;
    for (size_t i = 0; i < schema->part_count; i++) put_field(json, n++, schema->parts[i].name, schema->parts[i].type, schema->parts[i].scale, how);
    for (size_t i = 0; i < sink->column_count; i++) {
        rwd_job_column column = rwd_job_table_column(table, sink->columns[i]);
        put_field(json, n++, column.name, column.list ? RWD_TYPE_STRING : column.type, column.scale, how);
    }
    if (!sink->path) return;
    put_field(json, n++, "_offset", RWD_TYPE_INT, 0, how);
    put_field(json, n++, "deleted", RWD_TYPE_BOOL, 0, how);
}

static bool make_reader_job(const rwd_job *job, const rwd_job_sink *sink, rwd_job **out, rwd_error *err) {
    rwd_buf text = {0};
    rwd_json_out json;
    rwd_json_init(&json, &text, false);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "job", "rows");
    rwd_json_put_object(&json, "source");
    rwd_json_put_object(&json, "file");
    rwd_json_put_string(&json, "path", "rows");
    rwd_json_object_end(&json);
    rwd_json_put_string(&json, "format", sink->format == RWD_FORMAT_CSV ? "csv" : "json");
    if (sink->format == RWD_FORMAT_CSV) {
        rwd_json_put_object(&json, "csv");
        rwd_json_put_bool(&json, "header", sink->path != NULL);
        rwd_json_object_end(&json);
    }
    rwd_json_object_end(&json);
    rwd_json_put_object(&json, "event");
    rwd_json_put_string(&json, "max_size", "1GiB");
    rwd_json_put_object(&json, "fields");
    put_fields(&json, job, sink);
    rwd_json_object_end(&json);
    rwd_json_object_end(&json);
    rwd_json_put_object(&json, "tables");
    rwd_json_put_object(&json, "t");
    rwd_json_put_string(&json, "key", "f0");
    rwd_json_put_object(&json, "aggregates");
    rwd_json_put_string(&json, "n", "count()");
    rwd_json_object_end(&json);
    rwd_json_object_end(&json);
    rwd_json_object_end(&json);
    rwd_json_object_end(&json);
    bool ok = rwd_job_parse(rwd_from_output_name(sink), rwd_buf_slice(&text), NULL, 0, out, err);
    rwd_buf_deinit(&text);
    return ok;
}

// ---- rows into tables

typedef struct filling {
    rwd_operator *op;
    const rwd_from_output *chosen;
    const rwd_commit *commit;
    uint64_t rows;           // read, of all outputs
    // Of the output in hand.
    const rwd_job_sink *sink;
    const rwd_job_table *table;
    rwd_job *job;            // of its rows
    rwd_decoder *decoder;
    uint8_t *row;
    uint32_t room;
    uint8_t key[RWD_KEY_BYTES_MAX];
    rwd_buf scratch;
} filling;

static bool bad_row(const filling *f, const char *why, int64_t place, rwd_error *err) {
    rwd_fail(err, RWD_E_CORRUPT, "a row of the output is none of table %s: %s", f->table->schema.name, why);
    return rwd_error_at(err, "%s, %s %" PRId64, rwd_from_output_name(f->sink), f->sink->topic ? "offset" : "row", place);
}

static bool store(filling *f, size_t key_size, const uint8_t *row, uint32_t size, rwd_error *err) {
    rwd_operator *op = f->op;
    rwd_slice key = rwd_slice_of(f->key, key_size);
    rwd_touch touch = {.hash = rwd_key_hash(f->sink->table, key), .key = key.data, .key_size = (uint32_t)key.size, .table = f->sink->table};
    rwd_resolve resolved = rwd_tables_resolve(op->tables, &touch, 1, err);
    if (resolved == RWD_RESOLVE_FULL) {
        rwd_fail(err, RWD_E_RESOURCE, "state.memory cannot hold the tables while they are rebuilt");
        return rwd_error_next(err, "raise state.memory for this command (now %" PRIu64 " bytes): --set state.memory=SIZE", op->job->state.memory);
    }
    if (resolved != RWD_RESOLVED) return false;
    if (row) rwd_tables_write(op->tables, &touch, row, size);
    else rwd_tables_delete(op->tables, &touch);
    if (++f->rows % LOOK_EVERY != 0) return true;
    if (op->watch) rwd_watch_look(op->watch);
    rwd_publish(op, false);
    return !atomic_load(&op->stop) || rwd_fail(err, RWD_E_BUSY, "stopped while the state was rebuilt; nothing was changed");
}

// Answers of all aggregates, by column: derived ones are computed again.
static bool store_values(filling *f, const rwd_value *fields, int64_t place, rwd_error *err) {
    const rwd_schema *schema = &f->table->schema;
    rwd_value answers[RWD_COLUMNS_MAX] = {0};
    uint32_t size;
    size_t column;
    for (size_t i = 0; i < f->sink->column_count; i++)
        if (f->sink->columns[i] < schema->column_count) answers[f->sink->columns[i]] = fields[schema->part_count + i];
    for (size_t i = 0; i < schema->column_count; i++)
        if (!schema->columns[i].aggregate->takes_field && !answers[i].present) return bad_row(f, "a count is missing", place, err);
    rwd_code code = rwd_row_of_answers(schema, answers, f->row, f->room, &size, &column);
    if (code != RWD_E_NONE) return bad_row(f, "a value does not fit its aggregate", place, err);
    size_t key_size = rwd_key_encode(schema, fields, f->key);
    return store(f, key_size, f->row, size, err);
}

static bool decode_row(filling *f, const rwd_record *record, rwd_event *out, rwd_error *err) {
    rwd_fault fault = {.code = record->fault, .field = -1};
    rwd_decoder_begin(f->decoder, 1);
    if (record->fault == RWD_E_NONE && rwd_decode(f->decoder, record, out, &fault)) return true;
    rwd_buf why = {0};
    rwd_fault_text(f->job, &fault, &why);
    (void)bad_row(f, rwd_buf_cstr(&why), record->offset, err);
    rwd_buf_deinit(&why);
    return false;
}

static bool above_c(const filling *f, int64_t offset, int64_t place, rwd_error *err) {
    rwd_fail(err, RWD_E_POSITION, "the output has a row of record %" PRId64 ", and only offsets below %" PRId64 " are committed", offset, f->commit->next_offset);
    rwd_error_at(err, "%s, %s %" PRId64, rwd_from_output_name(f->sink), f->sink->topic ? "offset" : "row", place);
    return rwd_error_next(err, "is it written by another job, too?");
}

static bool take_file_row(filling *f, const rwd_record *record, rwd_error *err) {
    rwd_event event;
    if (!decode_row(f, record, &event, err)) return false;
    const rwd_value *fields = event.fields, *offset = &fields[f->table->schema.part_count + f->sink->column_count], *deleted = offset + 1;
    if (!offset->present) return bad_row(f, "it does not say which record it is of", record->offset, err);
    if (offset->i >= f->commit->next_offset) return above_c(f, offset->i, record->offset, err);
    if (deleted->present && deleted->b) return store(f, rwd_key_encode(&f->table->schema, fields, f->key), NULL, 0, err);
    return store_values(f, fields, record->offset, err);
}

static bool open_rows(filling *f, const char *const *columns, size_t count, rwd_error *err) { return rwd_decoder_new(f->job, columns, count, &f->decoder, err); }

static bool fill_from_file(filling *f, rwd_error *err) {
    rwd_source *source;
    bool csv = f->sink->format == RWD_FORMAT_CSV;
    rwd_file_source_options options = {.path = f->sink->path, .csv = csv, .csv_header = true, .csv_delimiter = ',', .max_size = ROW_BYTES_MAX,
                                       .memory = f->op->budget.limit[RWD_SHARE_SOURCE]};
    if (!rwd_file_source_open(&options, f->op->io, f->op->clock, &source, err)) return false;
    size_t columns = 0;
    const char *const *names = source->ops->columns(source, &columns);
    bool empty = csv && !names;  // nothing was ever published
    bool ok = empty || (open_rows(f, names, columns, err) && source->ops->assign(source, 0, rwd_slice_of(NULL, 0), err)), end = empty;
    while (ok && !end) {
        rwd_batch batch;
        ok = source->ops->batch(source, RWD_BATCH_MAX, WAIT_NS, &batch, err);
        for (size_t i = 0; ok && i < batch.count; i++) ok = take_file_row(f, &batch.records[i], err);
        end = ok && batch.count == 0 && batch.end;
        source->ops->release(source);
    }
    source->ops->close(source);
    return ok;
}

static bool take_message(filling *f, const rwd_kafka_record *message, rwd_error *err) {
    const rwd_schema *schema = &f->table->schema;
    rwd_slice text;
    rwd_value offset = {0}, parts[RWD_KEY_PARTS_MAX];
    rwd_event event;
    rwd_record record = {.offset = message->offset, .time_us = RWD_TIME_NONE, .value = message->value, .full_size = message->value.size, .key = message->key};
    if (!rwd_kafka_record_header(message->raw, rwd_slice_str("rewind-offset"), &text) || !rwd_value_from_text(text, RWD_TYPE_INT, 0, NULL, &offset, NULL))
        return bad_row(f, "it has no header rewind-offset, so no operator wrote it", message->offset, err);
    if (offset.i >= f->commit->next_offset) return above_c(f, offset.i, message->offset, err);
    if (message->value.data) return decode_row(f, &record, &event, err) && store_values(f, event.fields, message->offset, err);
    if (!rwd_key_read_text(schema, message->key, &f->scratch, parts)) return bad_row(f, "the key of a tombstone is none", message->offset, err);
    return store(f, rwd_key_encode(schema, parts, f->key), NULL, 0, err);
}

static bool read_partition(filling *f, rwd_kafka_consumer *consumer, rwd_error *err) {
    int64_t low, high;
    bool end = false;
    if (!rwd_kafka_consumer_bounds(consumer, &low, &high, err) || !rwd_kafka_consumer_assign(consumer, low, err)) return false;
    for (end = low >= high; !end;) {
        rwd_kafka_batch batch;
        if (!rwd_kafka_consumer_batch(consumer, RWD_KAFKA_BATCH_MAX, WAIT_NS, &batch, err)) return false;
        for (size_t i = 0; i < batch.count; i++)
            if (!take_message(f, &batch.records[i], err)) return false;
        end = batch.end || (batch.count > 0 && batch.records[batch.count - 1].offset + 1 >= high);
        if (atomic_load(&f->op->stop)) return rwd_fail(err, RWD_E_BUSY, "stopped while the state was rebuilt; nothing was changed");
    }
    return true;
}

// Which rows of a topic are this partition's: all, where the input has one; else those of the partition with the same number, if that is how the sink publishes.
static bool which_partitions(const filling *f, const rwd_kafka_settings *settings, unsigned *out_first, unsigned *out_count, rwd_error *err) {
    rwd_kafka_consumer *consumer;
    int count;
    *out_first = f->op->job->source.topic ? f->op->job->source.partition : 0;
    *out_count = 1;
    if (f->sink->partition == RWD_PARTITIONER_SAME) return true;
    if (f->op->partitions > 1) {
        rwd_fail(err, RWD_E_CONFIG, "the input has %u partitions, and operators of all of them publish to %s: which rows are this one's cannot be told", f->op->partitions, f->sink->topic);
        return rwd_error_next(err, "only outputs with `partition: same` can be taken apart again");
    }
    *out_first = 0;
    if (!rwd_kafka_consumer_open(settings, f->sink->topic, 0, f->op->clock, &consumer, err)) return false;
    bool ok = rwd_kafka_consumer_partitions(consumer, &count, err);
    rwd_kafka_consumer_close(consumer);
    *out_count = ok ? (unsigned)count : 0;
    return ok;
}

static bool fill_from_topic(filling *f, rwd_error *err) {
    rwd_kafka_settings settings = rwd_kafka_settings_of(f->op->job, f->op->budget.total);
    unsigned first, count;
    if (!open_rows(f, NULL, 0, err) || !which_partitions(f, &settings, &first, &count, err)) return false;
    for (unsigned p = first; p < first + count; p++) {
        rwd_kafka_consumer *consumer;
        if (!rwd_kafka_consumer_open(&settings, f->sink->topic, p, f->op->clock, &consumer, err)) return false;
        bool ok = read_partition(f, consumer, err);
        rwd_kafka_consumer_close(consumer);
        if (!ok) return false;
    }
    return true;
}

static bool fill_table(filling *f, size_t table, rwd_error *err) {
    f->sink = &f->op->job->sinks[f->chosen->sinks[table]];
    f->table = &f->op->job->tables[table];
    f->room = rwd_schema_row_max(&f->table->schema);
    f->row = rwd_malloc(f->room);
    f->decoder = NULL;
    f->job = NULL;
    bool ok = make_reader_job(f->op->job, f->sink, &f->job, err) && (f->sink->topic ? fill_from_topic(f, err) : fill_from_file(f, err));
    rwd_decoder_free(f->decoder);
    rwd_job_free(f->job);
    free(f->row);
    return ok;
}

static bool fill_all(void *context, rwd_operator *op, rwd_error *err) {
    filling *f = context;
    bool ok = true;
    for (size_t t = 0; ok && t < op->job->table_count; t++) ok = fill_table(f, t, err);
    rwd_buf_deinit(&f->scratch);
    if (ok) rwd_log(RWD_LOG_INFO, "restore", "%" PRIu64 " rows read from outputs, up to the committed offset %" PRId64, f->rows, f->commit->next_offset);
    return ok;
}

// ---- instead of a recovery

static bool refuse_state(rwd_operator *op, const char *what, rwd_error *err) {
    rwd_fail(err, RWD_E_EXISTS, "%s: a state is rebuilt from outputs only where there is none", what);
    rwd_error_at(err, "%s", op->data);
    return rwd_error_next(err, "rewind checkpoint list --all --data %s; to rebuild all the same, move the folder away", op->data);
}

// An earlier try was killed between its checkpoint and the commit.
static bool find_earlier(rwd_operator *op, const rwd_commit *commit, rwd_checkpoint *out, bool *out_found, rwd_error *err) {
    *out_found = false;
    if (rwd_repo_is_new(op->repo)) return true;
    if (rwd_repo_genesis_committed(op->repo)) return refuse_state(op, "checkpoints were made here", err);
    if (!rwd_repo_find(op->repo, "latest", out, err)) return false;
    bool same = out->facts.rebuilt && out->facts.next_offset == commit->next_offset && out->facts.input_count == commit->input_count &&
                rwd_hash128_equal(out->facts.input_hash, commit->input_hash);
    if (same) return *out_found = true;
    rwd_checkpoint_deinit(out);
    return refuse_state(op, "there is a checkpoint", err);
}

static bool read_commit(rwd_operator *op, rwd_commit *out, rwd_error *err) {
    bool found = false;
    rwd_commit stable;
    if (!op->sink->ops->peek(op->sink, out, &found, err)) return false;
    if (!found) return rwd_fail(err, RWD_E_NOT_FOUND, "nothing was committed with the outputs of this job, so there is no offset to go on from");
    if (!rwd_hash128_equal(out->source, op->source_hash)) return rwd_fail(err, RWD_E_FOREIGN, "output is committed for another input than %s", op->source->ops->label(op->source));
    if (!op->sink->ops->recover(op->sink, &stable, &found, err)) return false;
    if (!found) return rwd_fail(err, RWD_E_POSITION, "the committed offset went away while it was read");
    *out = stable;
    return true;
}

static bool enter_history(rwd_operator *op, rwd_error *err) {
    char *who = rwd_strf("uid %u", (unsigned)getuid());
    rwd_history_entry entry = {
        .kind = (char *)"rebuild", .subject = op->checkpoint_id, .who = who, .why = (char *)(uintptr_t)(op->options.reason ? op->options.reason : ""),
        .next_offset = op->position.next_offset, .digest = op->status.digest, .lineage = rwd_lineage_id(&op->lineage),
    };
    bool ok = rwd_repo_history_append(op->repo, &entry, err);
    free(who);
    return ok;
}

bool rwd_recover_from_output(rwd_operator *op, rwd_error *err) {
    rwd_from_output chosen;
    rwd_commit commit;
    rwd_checkpoint earlier;
    bool again;
    rwd_set_phase(op, RWD_PHASE_STARTING);
    if (!rwd_from_output_choose(op->job, op->options.from_output, &chosen, err) || !read_commit(op, &commit, err)) return false;
    if (!find_earlier(op, &commit, &earlier, &again, err)) return false;
    bool ok;
    if (again) {
        ok = rwd_genesis_again(op, &earlier, err);
        rwd_checkpoint_deinit(&earlier);
    } else {
        filling f = {.op = op, .chosen = &chosen, .commit = &commit};
        char *mark = rwd_strf("from %.*s at offset %" PRId64, NAMES_MAX, op->options.from_output, commit.next_offset);
        rwd_set_phase(op, RWD_PHASE_REPLAYING);
        ok = rwd_genesis_at(op, &commit, mark, fill_all, &f, err);
        free(mark);
    }
    if (ok) op->status.restores++;
    return ok && enter_history(op, err);
}
