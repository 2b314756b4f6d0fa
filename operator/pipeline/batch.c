// The per-event path: records become events, events touch keys, keys get new rows.
//
// A group of records goes through three passes: decode and route all of them; bring all touched keys into the hot table; apply them one by one
// in order. The first two passes change nothing, so a full table (K2) is noticed at a record boundary, where a transaction can
// end. Everything that depends on earlier events (stream time, rows) is looked at in the third pass only: results do not depend on where groups
// begin (E2). A record's events are never in two groups, so that groups begin and end at record boundaries.
//
// No allocation, no lock, no system call per event. Dead letters may cost what they like.
#include <assert.h>
#include <stdlib.h>

#include "operator/base/log.h"
#include "operator/kafka/partitioner.h"
#include "operator/pipeline/operator_private.h"
#include "operator/pipeline/shadow.h"
#include "state/key_text.h"
#include "state/sessions.h"

// So little of the hot share may be dirty (one part of so many) where more is inserted at one place than a group holds.
#define DIRTY_BEFORE_UNIT 16

// Keys go on in this block.
static void begin_keys(rwd_group *group, size_t block) {
    if (block == group->block_count) {
        group->blocks = rwd_realloc(group->blocks, (block + 1) * sizeof *group->blocks);
        group->blocks[group->block_count++] = rwd_malloc(RWD_GROUP_KEYS + group->reach * RWD_KEY_BYTES_MAX);
    }
    group->block = block;
    group->keys_used = 0;
}

void rwd_group_init(rwd_group *group, const rwd_job *job, const rwd_step *step) {
    size_t reach = step->ops->reach(step);
    uint32_t row_max = 0;
    size_t sessions = 0;
    for (size_t t = 0; t < job->table_count; t++) {
        uint32_t most = rwd_schema_row_max(&job->tables[t].schema);
        if (most > row_max) row_max = most;
        sessions += job->tables[t].schema.window.kind == RWD_WINDOW_SESSION;
    }
    if (sessions > 0 && row_max < RWD_SESSIONS_BYTES_MAX) row_max = RWD_SESSIONS_BYTES_MAX;
    size_t capacity = RWD_GROUP_MAX - 1 + (job->event.each ? RWD_EVENTS_PER_RECORD_MAX : 1);
    *group = (rwd_group){
        .events = rwd_calloc(capacity, sizeof(rwd_group_event)),
        .capacity = capacity,
        .most = RWD_GROUP_MAX,
        .ids = job->event.within_us > 0 ? rwd_calloc(capacity, sizeof(rwd_dedup_id)) : NULL,
        .reach = reach,
        .touches = rwd_calloc(capacity * reach, sizeof(rwd_touch)),
        .lists = sessions > 0 ? rwd_calloc(capacity * sessions, sizeof(rwd_touch)) : NULL,
        .row_max = row_max,
        .rows = rwd_malloc(reach * row_max),
        .merged = sessions > 0 ? rwd_malloc(row_max) : NULL,
        .row = rwd_calloc(reach, sizeof(rwd_group_row)),
    };
    begin_keys(group, 0);
}

void rwd_group_deinit(rwd_group *group) {
    free(group->events);
    free(group->ids);
    free(group->touches);
    free(group->lists);
    for (size_t i = 0; i < group->block_count; i++) free(group->blocks[i]);
    free(group->blocks);
    free(group->rows);
    free(group->merged);
    free(group->row);
    rwd_buf_deinit(&group->fault_text);
    rwd_buf_deinit(&group->key_text);
    rwd_buf_deinit(&group->key_scratch);
    *group = (rwd_group){0};
}

// A null id is no id.
static bool has_id(const rwd_operator *op, const rwd_event *event) { return op->dedup && event->fields && event->fields[op->job->event.id_field].present; }

static rwd_dedup_id id_of(const rwd_operator *op, const rwd_event *event) {
    const rwd_value *value = &event->fields[op->job->event.id_field];
    rwd_type type = op->job->event.fields[op->job->event.id_field].type;
    if (type == RWD_TYPE_STRING || type == RWD_TYPE_BYTES) return (rwd_dedup_id){.hash = rwd_dedup_hash(value->s)};
    uint8_t bytes[sizeof value->d];
    memset(bytes, 0, sizeof bytes);
    if (type == RWD_TYPE_DECIMAL) memcpy(bytes, &value->d, sizeof value->d);
    else if (type == RWD_TYPE_BOOL) bytes[0] = value->b;
    else if (type == RWD_TYPE_FLOAT) memcpy(bytes, &value->f, sizeof value->f);
    else rwd_put_le64(bytes, (uint64_t)value->i);
    return (rwd_dedup_id){.hash = rwd_dedup_hash(rwd_slice_of(bytes, sizeof bytes))};
}

static rwd_group_event *add_event(rwd_group *group, const rwd_record *record) {
    assert(group->event_count < group->capacity);
    rwd_group_event *at = &group->events[group->event_count++];
    *at = (rwd_group_event){
        .event = {.record = record, .time_us = RWD_TIME_NONE, .ordinal = RWD_ORDINAL_NONE}, .fault = {.code = RWD_E_NONE, .field = -1},
        .first_touch = (uint32_t)group->touch_count,
    };
    return at;
}

// A sample of keys: those whose hash falls into its part, whatever the table and the window. The rest are not touched. What a key outside would make of an event (late, an overflow) is not known then.
static size_t keep_sampled(const rwd_operator *op, rwd_touch *touches, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool windowed = op->job->tables[touches[i].table].schema.window.kind != RWD_WINDOW_NONE;
        if (rwd_shadow_samples(rwd_slice_of(touches[i].key, touches[i].key_size), windowed, op->options.manner->sample)) touches[kept++] = touches[i];
    }
    return kept;
}

static void route_event(rwd_operator *op, rwd_group_event *at) {
    rwd_group *group = &op->group;
    uint32_t index = (uint32_t)(at - group->events);
    if (group->keys_used > RWD_GROUP_KEYS) begin_keys(group, group->block + 1);
    size_t touches = 0, used = 0;
    if (!op->step->ops->route(op->step, &at->event, index, group->touches + group->touch_count, &touches, group->blocks[group->block] + group->keys_used, &used,
                              &at->fault))
        return;
    if (op->options.manner && op->options.manner->sample > 0) touches = keep_sampled(op, group->touches + group->touch_count, touches);
    if (group->ids) group->ids[index] = has_id(op, &at->event) ? id_of(op, &at->event) : (rwd_dedup_id){0};
    at->touch_count = (uint32_t)touches;
    group->touch_count += touches;
    group->keys_used += used;
}

static inline bool moves(const rwd_record *record) { return record->amended != RWD_AMENDED_INSERTED; }

static inline void end_record(rwd_group_event *at) {
    at->last = true;
    at->ends_record = moves(at->event.record);
}

// A record that is one event, as all are without event.each. That of a tombstone has no fields, that of a skipped record is none.
static inline void decode_one(rwd_operator *op, const rwd_record *record) {
    rwd_group_event *at = add_event(&op->group, record);
    end_record(at);
    at->empty = record->amended == RWD_AMENDED_SKIPPED;
    if (at->empty) return;
    at->redriven = record->header && rwd_is_redriven(op, record);
    at->fault.code = record->fault;
    if (!record->tombstone && (at->fault.code != RWD_E_NONE || !rwd_decode(op->decoder, record, &at->event, &at->fault))) return;
    route_event(op, at);
}

static void decode_each(rwd_operator *op, const rwd_record *record) {
    size_t count = 0;
    bool redriven = record->header && rwd_is_redriven(op, record);
    rwd_fault fault = {.code = RWD_E_NONE, .field = -1};
    if (!rwd_decode_record(op->decoder, record, &count, &fault) || count == 0) {
        rwd_group_event *at = add_event(&op->group, record);
        end_record(at);
        at->fault = fault;
        at->redriven = redriven;
        at->empty = fault.code == RWD_E_NONE;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        rwd_group_event *at = add_event(&op->group, record);
        if (i + 1 == count) end_record(at);
        at->redriven = redriven;
        if (rwd_decode_event(op->decoder, &at->event, &at->fault)) route_event(op, at);
    }
}

// What is inserted before a record, and the record itself. At most `enough` are counted.
static size_t unit_size(const rwd_record *records, size_t count, size_t enough) {
    size_t size = 1;
    while (size < count && size < enough && !moves(&records[size - 1])) size++;
    return size;
}

// May another record come into the group in hand?
static bool has_room(const rwd_group *group, const rwd_record *records, size_t count) {
    if (group->record_count == count) return false;
    bool inside = group->record_count > 0 && !moves(&records[group->record_count - 1]);
    if (inside) return group->event_count < RWD_GROUP_MAX;
    if (group->event_count >= group->most || group->block > 0 || group->keys_used > RWD_GROUP_KEYS) return false;
    const rwd_record *next = &records[group->record_count];
    return moves(next) || group->event_count == 0 || unit_size(next, count - group->record_count, RWD_GROUP_MAX) <= RWD_GROUP_MAX - group->event_count;
}

// Pass 1: as many records as a group holds. Faults stay with their event.
static void decode_group(rwd_operator *op, const rwd_record *records, size_t count) {
    rwd_group *group = &op->group;
    bool each = op->job->event.each != NULL;
    group->event_count = group->record_count = group->touch_count = 0;
    begin_keys(group, 0);
    rwd_decoder_begin(op->decoder, group->capacity);
    if (op->step->ops->begin) op->step->ops->begin(op->step);
    while (has_room(group, records, count)) {
        const rwd_record *record = &records[group->record_count++];
        if (each && !record->tombstone && record->amended != RWD_AMENDED_SKIPPED) decode_each(op, record);
        else decode_one(op, record);
    }
}

// For records over the size limit the sink asks for their bytes piece by piece.
typedef struct rwd_read_back { rwd_source *source; const rwd_record *record; } rwd_read_back;
static bool read_back(void *context, uint64_t at, void *out, size_t size, rwd_error *err) {
    rwd_read_back *what = context;
    return what->source->ops->read_back(what->source, what->record, at, out, size, err);
}

// An event that failed for good goes to the dead letters with its bytes; a job without dead letters stops at it.
static bool put_dead_letter(rwd_operator *op, const rwd_event *event, const rwd_fault *fault, uint32_t attempts, rwd_error *err) {
    const rwd_record *record = event->record;
    rwd_buf *text = &op->group.fault_text;
    rwd_buf_clear(text);
    rwd_fault_text(op->job, fault, text);
    const char *label = op->source->ops->label(op->source);
    if (!rwd_job_has_dead_letters(op->job)) {
        rwd_fail(err, fault->code, "%s", rwd_buf_cstr(text));
        err->decision = RWD_PARK;
        rwd_error_at(err, "%s, offset %lld", label, (long long)record->offset);
        return rwd_error_next(err, "give the job a place for such events: errors: {dead_letter: {%s}}",
                              op->job->sink_count > 0 && op->job->sinks[0].topic ? "kafka: {topic: NAME}" : "file: {path: dead.jsonl}");
    }
    rwd_read_back context = {op->source, record};
    rwd_dead_letter letter = {
        .source = label, .offset = record->offset, .time_us = record->time_us, .position = record->position, .code = fault->code,
        .field = fault->field >= 0 ? op->job->event.fields[fault->field].path : NULL, .reason = rwd_buf_slice(text),
        .key = record->key, .has_ordinal = op->job->event.each && event->ordinal != RWD_ORDINAL_NONE, .ordinal = event->ordinal,
        .value = record->value, .full_size = record->full_size, .read_back = read_back, .context = &context, .hash = record->hash,
        .topic = op->job->source.topic, .partition = op->job->source.partition, .attempts = attempts,
        .origin = attempts > 0 ? rwd_buf_cstr(&op->redrive.origin) : NULL,
    };
    return op->sink->ops->put_dead_letter(op->sink, &letter, err);
}

// E2: outputs have the time of the record that made them; where that has none, of its event.
static int64_t time_of(const rwd_group_event *at) {
    return at->event.record->time_us != RWD_TIME_NONE ? at->event.record->time_us : at->event.time_us;
}

// Marks the touches of windows that are closed already. LATE: in some table all of them are, and such an event goes to the dead letters whole; or, where
// late events are dropped, there is nothing left of it.
static rwd_code admit(rwd_operator *op, const rwd_group_event *at) {
    rwd_group *group = &op->group;
    const rwd_touch *touches = group->touches + at->first_touch;
    bool drop = op->job->event.late == RWD_LATE_DROP, any = at->touch_count == 0, late = false;
    if (!op->timers) {
        for (uint32_t i = 0; i < at->touch_count; i++) group->row[i].change = RWD_CHANGE_WRITE;
        return RWD_E_NONE;
    }
    for (uint32_t i = 0; i < at->touch_count;) {
        uint16_t table = touches[i].table;
        bool open = false;
        if (rwd_is_session(op, &touches[i])) {
            open = rwd_sessions_admits(op, at, &touches[i]);
            for (size_t k = 0; k < RWD_SESSION_TOUCHES; k++) group->row[i + k].change = RWD_CHANGE_NONE;
            if (open) group->row[i + RWD_SESSION_MADE].change = RWD_CHANGE_WRITE;
            i += RWD_SESSION_TOUCHES;
        } else {
            for (; i < at->touch_count && touches[i].table == table; i++) {
                bool admitted = op->step->ops->admits(op->step, &touches[i], op->position.stream_time);
                group->row[i].change = admitted ? RWD_CHANGE_WRITE : RWD_CHANGE_NONE;
                open |= admitted;
            }
        }
        any |= open;
        late |= !open;
        if (!open) op->late[table]++;
    }
    return late && (!drop || !any) ? RWD_E_LATE : RWD_E_NONE;
}

// Is the record's key this number, as Kafka's own serializers write it: 4 or 8 bytes, big-endian?
static bool is_binary(const rwd_schema *schema, rwd_slice text, rwd_slice record_key) {
    size_t parts = schema->part_count - (schema->window.kind != RWD_WINDOW_NONE);
    rwd_value value;
    uint8_t bytes[8];
    if (parts != 1 || schema->parts[0].type != RWD_TYPE_INT || (record_key.size != 4 && record_key.size != 8)) return false;
    if (!rwd_value_from_text(text, RWD_TYPE_INT, 0, NULL, &value, NULL)) return false;
    rwd_put_be64(bytes, (uint64_t)value.i);
    bool fits = record_key.size == 8 || value.i == (int32_t)value.i;
    return fits && memcmp(bytes + sizeof bytes - record_key.size, record_key.data, record_key.size) == 0;
}

// A new key must belong to this partition: else other partitions hold shares of it, too, and what is published is not its total.
static bool belongs_here(rwd_operator *op, const rwd_group_event *at, const rwd_touch *touch) {
    const rwd_job_table *table = &op->job->tables[touch->table];
    rwd_group *group = &op->group;
    if (op->partitions <= 1 || table->partial) return true;
    rwd_buf_clear(&group->key_text);
    bool decoded = rwd_key_write_partition_text(&table->schema, rwd_slice_of(touch->key, touch->key_size), &group->key_scratch, &group->key_text);
    assert(decoded && "the step encoded it");
    (void)decoded;
    if (rwd_kafka_key_belongs(rwd_buf_slice(&group->key_text), at->event.record->key, op->job->source.partition, op->partitions)) return true;
    if (is_binary(&table->schema, rwd_buf_slice(&group->key_text), at->event.record->key)) return true;
    group->stray = touch;
    return false;
}

// Never a dead letter: the event is good, the job is not.
static bool refuse_stray(rwd_operator *op, const rwd_group_event *at, rwd_error *err) {
    const rwd_record *record = at->event.record;
    const rwd_buf *key = &op->group.key_text;
    const char *table = op->job->tables[op->group.stray->table].schema.name;
    unsigned partition = op->job->source.partition;
    bool known = rwd_kafka_rule_is_known(record->key, partition, op->partitions);
    rwd_fail(err, RWD_E_PARTIAL_KEY, "table %s: the key %.*s%s: %u partitions may each hold a share of it, and none of them its total", table,
             (int)(key->size < 200 ? key->size : 200), (const char *)key->data,
             known ? " belongs to another partition of the topic" : " is not the record's, and the topic's own keys follow neither murmur2 nor crc32", op->partitions);
    rwd_error_at(err, "%s, offset %lld", op->source->ops->label(op->source), (long long)record->offset);
    return rwd_error_next(err, "if shares are meant: tables.%s.partial: true, and start again; else write the records to a topic whose key is this table's, and run a new "
                          "job on it (another name, other outputs) from `start: earliest`", table);
}

static bool compute_sessions(rwd_operator *op, rwd_group_event *at, uint32_t touch, uint32_t *used) {
    const rwd_touch *made = op->group.touches + at->first_touch + touch + RWD_SESSION_MADE;
    uint32_t size;
    if (!rwd_sessions_compute(op, at, touch, used)) return false;
    if (rwd_tables_row(op->tables, made, &size) || belongs_here(op, at, made)) return true;
    at->fault = (rwd_fault){.code = RWD_E_PARTIAL_KEY, .field = -1};
    return false;
}

// What the event makes of each row that it touches. Nothing changes yet.
static bool compute_rows(rwd_operator *op, rwd_group_event *at) {
    rwd_group *group = &op->group;
    const rwd_touch *touches = group->touches + at->first_touch;
    uint32_t used = 0;
    for (uint32_t i = 0; i < at->touch_count; i++) {
        if (op->has_sessions && rwd_is_session(op, &touches[i])) {
            if (group->row[i + RWD_SESSION_MADE].change == RWD_CHANGE_WRITE && !compute_sessions(op, at, i, &used)) return false;
            i += RWD_SESSION_TOUCHES - 1;
            continue;
        }
        if (group->row[i].change == RWD_CHANGE_NONE) continue;
        uint32_t old_size = 0;
        const uint8_t *old = rwd_tables_row(op->tables, &touches[i], &old_size);
        rwd_group_row *row = &group->row[i];
        row->at = used;
        row->change = op->step->ops->apply(op->step, &at->event, &touches[i], old, old_size, group->rows + used, &row->size, &at->fault);
        if (row->change == RWD_CHANGE_FAULT) return false;
        if (!old && row->change == RWD_CHANGE_WRITE && !belongs_here(op, at, &touches[i])) {
            at->fault = (rwd_fault){.code = RWD_E_PARTIAL_KEY, .field = -1};
            return false;
        }
        if (row->change == RWD_CHANGE_WRITE) used += row->size;
    }
    return true;
}

// Which emit: update sinks publish a row as it is, and as it will be. Nothing has changed yet.
static void compare_updates(rwd_operator *op, const rwd_group_event *at) {
    rwd_group *group = &op->group;
    const rwd_touch *touches = group->touches + at->first_touch;
    for (uint32_t i = 0; i < at->touch_count; i++) {
        rwd_group_row *row = &group->row[i];
        uint32_t size;
        rwd_slice key = rwd_slice_of(touches[i].key, touches[i].key_size);
        if (row->change == RWD_CHANGE_NONE) continue;
        row->passed = rwd_sinks_passed(op, RWD_EMIT_UPDATE, touches[i].table, key, rwd_tables_row(op->tables, &touches[i], &size));
        row->passes = rwd_sinks_passed(op, RWD_EMIT_UPDATE, touches[i].table, key, row->change == RWD_CHANGE_WRITE ? group->rows + row->at : NULL);
    }
}

// emit: update: one row per event and table; a key that no longer passes is published as one that vanished.
static void put_updates(rwd_operator *op, const rwd_group_event *at) {
    const rwd_group *group = &op->group;
    const rwd_touch *touches = group->touches + at->first_touch;
    if (op->update_sink_count > 0 && op->sink->ops->stamp) op->sink->ops->stamp(op->sink, time_of(at));
    for (size_t s = 0; s < op->update_sink_count; s++) {
        size_t sink = op->update_sinks[s];
        for (uint32_t i = 0; i < at->touch_count; i++) {
            if (op->job->sinks[sink].table != touches[i].table) continue;
            const rwd_group_row *row = &group->row[i];
            if (row->change == RWD_CHANGE_NONE) continue;
            bool gone = !(row->passes >> sink & 1);
            if (gone && !(row->passed >> sink & 1)) continue;
            op->sink->ops->put_row(op->sink, sink, rwd_slice_of(touches[i].key, touches[i].key_size), gone ? NULL : group->rows + row->at,
                                   gone ? 0 : row->size, at->event.record->offset);
        }
    }
}

// What is about to change, for who looks on.
static void show_changes(const rwd_operator *op, const rwd_look *look, const rwd_group_event *at) {
    const rwd_touch *touches = op->group.touches + at->first_touch;
    for (uint32_t i = 0; look->change && i < at->touch_count; i++) {
        const rwd_group_row *row = &op->group.row[i];
        uint32_t size = 0;
        if (row->change == RWD_CHANGE_NONE) continue;
        const uint8_t *old = rwd_tables_row(op->tables, &touches[i], &size);
        rwd_slice now = row->change == RWD_CHANGE_WRITE ? rwd_slice_of(op->group.rows + row->at, row->size) : rwd_slice_of(NULL, 0);
        look->change(look->context, op->job, at->event.record, touches[i].table, rwd_slice_of(touches[i].key, touches[i].key_size),
                     rwd_slice_of(old, old ? size : 0), now);
    }
}

static const rwd_look *look_of(const rwd_operator *op) { return op->options.manner ? op->options.manner->look : NULL; }

static void change_rows(rwd_operator *op, const rwd_group_event *at) {
    const rwd_group *group = &op->group;
    const rwd_touch *touches = group->touches + at->first_touch;
    for (uint32_t i = 0; i < at->touch_count; i++) {
        const rwd_group_row *row = &group->row[i];
        uint32_t size;
        bool windowed = op->timers && op->schemas[touches[i].table].window.kind != RWD_WINDOW_NONE;
        if (row->change == RWD_CHANGE_NONE) continue;
        if (windowed && row->change == RWD_CHANGE_WRITE && !rwd_tables_row(op->tables, &touches[i], &size))
            rwd_window_begins(op, &touches[i], group->rows + row->at);
        if (row->change == RWD_CHANGE_DELETE) rwd_tables_delete(op->tables, &touches[i]);
        else rwd_tables_write(op->tables, &touches[i], group->rows + row->at, row->size);
    }
}

// All rows of one event change, or none.
static bool apply_event(rwd_operator *op, rwd_group_event *at, bool live) {
    rwd_code code = op->step->ops->judge(op->step, &at->event, op->position.stream_time);
    const rwd_dedup_id *id = has_id(op, &at->event) ? &op->group.ids[at - op->group.events] : NULL;
    if (code == RWD_E_NONE && id && rwd_dedup_seen(op->dedup, id, op->position.stream_time)) code = RWD_E_DUPLICATE;
    if (code == RWD_E_NONE) code = admit(op, at);
    if (code != RWD_E_NONE) {
        at->fault = (rwd_fault){.code = code, .field = code == RWD_E_DUPLICATE ? op->job->event.id_field : op->job->event.time_field};
        return false;
    }
    if (!compute_rows(op, at)) return false;
    if (live && op->update_sink_count > 0) compare_updates(op, at);
    if (look_of(op)) show_changes(op, look_of(op), at);
    change_rows(op, at);
    if (at->event.time_us != RWD_TIME_NONE && at->event.time_us > op->position.stream_time) op->position.stream_time = at->event.time_us;
    // S3: only now. While no event had a time there is nothing to measure a span on.
    if (id && op->position.stream_time != RWD_TIME_NONE) rwd_dedup_add(op->dedup, id, op->position.stream_time);
    if (live) put_updates(op, at);
    return true;
}

static void pass_record(rwd_operator *op, const rwd_record *record) {
    op->position.counts.read++;
    op->position.input_count++;
    op->position.input_hash = rwd_hash128_add(op->position.input_hash, record->hash);
    op->position.closings = 0;
    op->position.next_offset = record->offset + 1;  // L6: X is the last delivered record's offset + 1
    op->last_record = record;
}

// Is the event at fault for what event.missing speaks of?
static bool is_missing(const rwd_fault *fault) {
    return fault->field >= 0 && (fault->code == RWD_E_MISSING_FIELD || fault->code == RWD_E_WRONG_TYPE || fault->code == RWD_E_OUT_OF_RANGE);
}

// S1: the record may be good, so it is no dead letter.
static bool refuse_for_plugin(rwd_operator *op, const rwd_group_event *at, rwd_error *err) {
    rwd_fail(err, RWD_E_PLUGIN, "the decoder %s says that this record may pass later, and said so again after %u retries: %s", op->job->source.decoder,
             op->job->retries, at->fault.why);
    rwd_error_at(err, "%s, offset %lld", op->source->ops->label(op->source), (long long)at->event.record->offset);
    return rwd_error_next(err, "find out what the plugin waits for, and start again; or give it more time: errors: {retries: %u}", op->job->retries * 2 + 2);
}

// Where such events are dropped, nothing is left but a count.
static bool is_dropped(rwd_operator *op, const rwd_fault *fault) {
    if (fault->code == RWD_E_LATE) op->position.counts.late++;
    if (fault->code == RWD_E_LATE && op->job->event.late == RWD_LATE_DROP) return true;
    if (fault->code == RWD_E_DUPLICATE) op->position.counts.duplicate++;
    if (fault->code == RWD_E_DUPLICATE && op->job->event.duplicates == RWD_DUPLICATES_DROP) return true;
    if (op->job->event.missing != RWD_MISSING_DROP || !is_missing(fault)) return false;
    op->position.counts.dropped++;
    return true;
}

// A dead letter. `again`: of an event that was redriven, and failed once more.
static bool bury(rwd_operator *op, const rwd_group_event *at, bool again, bool live, rwd_error *err) {
    uint32_t attempts = again ? rwd_redrive_fails(op, &at->fault) : 0;
    // C9: what lies below C was sent before and is not sent again.
    if (live && !put_dead_letter(op, &at->event, &at->fault, attempts, err)) return false;
    if (!again) rwd_dead_letter_opens(op, &at->event, &at->fault);
    op->position.counts.dead++;
    return true;
}

static bool refuse(rwd_operator *op, const rwd_group_event *at, rwd_error *err) {
    return at->fault.code == RWD_E_PARTIAL_KEY ? refuse_stray(op, at, err) : refuse_for_plugin(op, at, err);
}

static bool is_refused(const rwd_fault *fault) { return fault->code == RWD_E_PARTIAL_KEY || fault->code == RWD_E_PLUGIN; }

static bool take_event(rwd_operator *op, rwd_group_event *at, bool live, bool *out_applied, rwd_error *err) {
    *out_applied = !at->empty && at->fault.code == RWD_E_NONE && apply_event(op, at, live);
    if (*out_applied) op->position.counts.applied++;
    if (*out_applied || at->empty) return true;
    if (is_refused(&at->fault)) return refuse(op, at, err);
    return is_dropped(op, &at->fault) || bury(op, at, false, live, err);
}

// What failed then, once more.
static bool take_again(rwd_operator *op, rwd_group_event *at, bool live, bool *out_applied, rwd_error *err) {
    *out_applied = !at->empty && at->fault.code == RWD_E_NONE && apply_event(op, at, live);
    if (*out_applied) op->position.counts.applied++;
    bool failed = !*out_applied && !at->empty;
    if (failed && is_refused(&at->fault)) return refuse(op, at, err);
    if (failed && !is_dropped(op, &at->fault)) return bury(op, at, true, live, err);
    rwd_redrive_closes(op);
    return true;
}

// S3: an event of a redriven record. Of a record of many events only the one that failed is looked at; where the record as a whole did, its events are new ones.
static bool take_redriven(rwd_operator *op, rwd_group_event *at, bool live, bool *out_applied, rwd_error *err) {
    rwd_redrive *redrive = &op->redrive;
    if (!rwd_redrive_begins(op, at->event.record, err)) return false;
    bool ok = true, open = redrive->open, whole = redrive->entry.id.ordinal == RWD_DEAD_WHOLE;
    if (open && rwd_redrive_is_about(op, &at->event) && (whole || !at->empty)) ok = take_again(op, at, live, out_applied, err);
    else if (open && whole) ok = take_event(op, at, live, out_applied, err);
    redrive->met |= open && whole;
    if (!ok || !at->last) return ok;
    if (redrive->open && redrive->met) rwd_redrive_closes(op);
    else if (redrive->open) (void)rwd_redrive_fails(op, NULL);
    redrive->record = NULL;
    return true;
}

// Pass 3, in order of offsets, from the event `*at_event` on to `end`; it ends early behind a record that makes windows due. `out_done`: records of the group.
static bool apply_group(rwd_operator *op, bool live, size_t *at_event, size_t end, size_t *out_done, rwd_error *err) {
    rwd_group *group = &op->group;
    while (*at_event < end) {
        rwd_group_event *at = &group->events[*at_event];
        const rwd_record *record = at->event.record;
        assert(record->offset >= op->position.next_offset && "offsets rise");
        bool applied = false;
        if (!(at->redriven ? take_redriven(op, at, live, &applied, err) : take_event(op, at, live, &applied, err))) return false;
        if (applied || record->time_us != RWD_TIME_NONE) op->record_time_us = time_of(at);  // E2
        op->at_boundary = false;
        op->inside_record = !at->ends_record;
        ++*at_event;
        if (at->last) {
            op->amended[record->amended]++;
            op->inserted = moves(record) ? 0 : op->inserted + 1;
            ++*out_done;
        }
        if (!at->ends_record) continue;
        pass_record(op, record);
        if (look_of(op) && look_of(op)->behind) look_of(op)->behind(look_of(op)->context, record);
        if (rwd_windows_due(op)) return true;
    }
    return true;
}

// The record boundary nearest below the middle of [at_event, end), or `end` if there is none.
static size_t half_of(const rwd_group *group, size_t at_event, size_t end) {
    for (size_t at = at_event + (end - at_event) / 2; at > at_event; at--)
        if (group->events[at - 1].ends_record) return at;
    return end;
}

// Brings the rows of the events from `at_event` on into memory; of fewer of them, up to `*out_end`, where memory cannot hold all.
static bool resolve_group(rwd_operator *op, size_t at_event, bool live, size_t *out_end, rwd_error *err) {
    rwd_group *group = &op->group;
    size_t first = group->events[at_event].first_touch, end = group->event_count;
    size_t left = group->event_count - at_event;
    if (op->dedup && !rwd_dedup_resolve(op->dedup, group->ids + at_event, left, op->position.stream_time, err)) return false;
    for (;;) {
        size_t behind = end < group->event_count ? group->events[end].first_touch : group->touch_count;
        *out_end = end;
        rwd_resolve resolved = op->has_sessions ? rwd_sessions_gather(op, at_event, end, err) : RWD_RESOLVED;
        if (resolved == RWD_RESOLVED) resolved = rwd_tables_resolve(op->tables, group->touches + first, behind - first, err);
        if (resolved == RWD_RESOLVED) return true;
        if (resolved == RWD_RESOLVE_FAILED) return false;
        if (!rwd_can_relieve(op, live)) end = half_of(group, at_event, end);
        if (end < *out_end) continue;
        if (!rwd_relieve(op, live, err)) return false;  // K2: the table is as it was; this is a record boundary
    }
}

// All of a decoded group, with the windows that close between its records.
static bool run_group(rwd_operator *op, bool live, size_t *out_done, rwd_error *err) {
    rwd_group *group = &op->group;
    bool interrupted = false;
    for (size_t at = 0; at < group->event_count;) {
        size_t end;
        if (!resolve_group(op, at, live, &end, err) || !apply_group(op, live, &at, end, out_done, err)) return false;
        interrupted |= end < group->event_count;
        if (op->inside_record || !rwd_windows_due(op)) continue;
        interrupted |= at < group->event_count;
        if (!rwd_close_windows(op, live, err)) return false;
    }
    if (interrupted && group->most > RWD_GROUP_MIN) group->most /= 2;
    else if (!interrupted && group->most < RWD_GROUP_MAX) group->most *= 2;
    return true;
}

// A group of its own does not hold what begins here, so that no boundary comes for long: next to nothing may be dirty.
static bool make_room_for_unit(rwd_operator *op, const rwd_record *records, size_t count, bool live, rwd_error *err) {
    rwd_tables_stats stats;
    if (moves(records) || op->inside_record) return true;
    if (!op->job->event.each && unit_size(records, count, RWD_GROUP_MAX + 1) <= RWD_GROUP_MAX) return true;
    rwd_tables_get_stats(op->tables, &stats);
    bool clean = stats.dirty_bytes < op->budget.limit[RWD_SHARE_HOT] / DIRTY_BEFORE_UNIT;
    return clean || !rwd_can_relieve(op, live) || rwd_relieve(op, live, err);
}

bool rwd_apply_records(rwd_operator *op, const rwd_record *records, size_t count, int64_t until, bool live, size_t *out_done, rwd_error *err) {
    *out_done = 0;
    if (!op->decoder && count > 0 && !rwd_open_decoder(op, err)) return false;
    while (count > 0 && records[count - 1].offset >= until) count--;
    while (*out_done < count) {
        const rwd_record *next = records + *out_done;
        if (!make_room_for_unit(op, next, count - *out_done, live, err)) return false;
        decode_group(op, next, count - *out_done);
        if (!run_group(op, live, out_done, err)) return false;
    }
    return true;
}
