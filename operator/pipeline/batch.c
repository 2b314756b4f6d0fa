// The per-event path: records become events, events touch keys, keys get new rows.
//
// A group of records goes through three passes: decode and route all of them; bring all touched keys into the hot table; apply them one by one
// in order. The first two passes change nothing, so a full table (K2) is noticed at a record boundary, where a transaction can
// end. Everything that depends on earlier events (stream time, rows) is looked at in the third pass only: results do not depend on where groups
// begin (E2).
//
// No allocation, no lock, no system call per event. Dead letters may cost what they like.
#include <assert.h>
#include <stdlib.h>

#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"

void rwd_group_init(rwd_group *group, const rwd_job *job) {
    size_t tables = job->table_count;
    *group = (rwd_group){
        .events = rwd_calloc(RWD_GROUP_MAX, sizeof(rwd_group_event)),
        .touches = rwd_calloc(RWD_GROUP_MAX * tables, sizeof(rwd_touch)),
        .keys = rwd_malloc(RWD_GROUP_KEYS + tables * RWD_KEY_BYTES_MAX),
        .rows = rwd_malloc(tables * RWD_ROW_BYTES_MAX),
        .row_sizes = rwd_calloc(tables, sizeof(uint32_t)),
    };
}

void rwd_group_deinit(rwd_group *group) {
    free(group->events);
    free(group->touches);
    free(group->keys);
    free(group->rows);
    free(group->row_sizes);
    rwd_buf_deinit(&group->fault_text);
    *group = (rwd_group){0};
}

// Pass 1: as many records as a group holds. Faults stay with their event.
static void decode_group(rwd_operator *op, const rwd_record *records, size_t count) {
    rwd_group *group = &op->group;
    group->event_count = group->touch_count = group->keys_used = 0;
    rwd_decoder_begin(op->decoder, RWD_GROUP_MAX);
    while (group->event_count < count && group->event_count < RWD_GROUP_MAX && group->keys_used <= RWD_GROUP_KEYS) {
        const rwd_record *record = &records[group->event_count];
        uint32_t index = (uint32_t)group->event_count++;
        rwd_group_event *at = &group->events[index];
        at->first_touch = (uint32_t)group->touch_count;
        at->touch_count = 0;
        at->event.record = record;
        at->fault = (rwd_fault){.code = record->fault, .field = -1};
        if (record->tombstone) {
            at->event.time_us = RWD_TIME_NONE;
            continue;
        }
        if (at->fault.code != RWD_E_NONE || !rwd_decode(op->decoder, record, &at->event, &at->fault)) continue;
        at->fault.code = RWD_E_NONE;
        size_t touches = 0, used = 0;
        if (!op->step->ops->route(op->step, &at->event, index, group->touches + group->touch_count, &touches,
                                  group->keys + group->keys_used, &used, &at->fault))
            continue;
        at->touch_count = (uint32_t)touches;
        group->touch_count += touches;
        group->keys_used += used;
    }
}

// For records over the size limit the sink asks for their bytes piece by piece.
typedef struct rwd_read_back { rwd_source *source; const rwd_record *record; } rwd_read_back;
static bool read_back(void *context, uint64_t at, void *out, size_t size, rwd_error *err) {
    rwd_read_back *what = context;
    return what->source->ops->read_back(what->source, what->record, at, out, size, err);
}

// An event that failed for good goes to the dead letters with its bytes; a job without dead letters stops at it.
static bool put_dead_letter(rwd_operator *op, const rwd_record *record, const rwd_fault *fault, rwd_error *err) {
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
        .key = record->key,
        .value = record->value, .full_size = record->full_size, .read_back = read_back, .context = &context,
    };
    return op->sink->ops->put_dead_letter(op->sink, &letter, err);
}

// E2: outputs have the time of the record that made them; where that has none, of its event.
static int64_t time_of(const rwd_group_event *at) {
    return at->event.record->time_us != RWD_TIME_NONE ? at->event.record->time_us : at->event.time_us;
}

// All rows of one event change, or none.
static bool apply_event(rwd_operator *op, rwd_group_event *at, bool live) {
    rwd_group *group = &op->group;
    rwd_code code = op->step->ops->judge(op->step, &at->event, op->position.stream_time);
    if (code != RWD_E_NONE) {
        at->fault = (rwd_fault){.code = code, .field = op->job->event.time_field};
        return false;
    }
    rwd_touch *touches = group->touches + at->first_touch;
    for (uint32_t i = 0; i < at->touch_count; i++) {
        uint32_t old_size = 0;
        const uint8_t *old = rwd_tables_row(op->tables, &touches[i], &old_size);
        if (!op->step->ops->apply(op->step, &at->event, &touches[i], old, old_size, group->rows + (size_t)touches[i].table * RWD_ROW_BYTES_MAX,
                                  &group->row_sizes[touches[i].table], &at->fault))
            return false;
    }
    for (uint32_t i = 0; i < at->touch_count; i++) {
        uint16_t table = touches[i].table;
        rwd_tables_write(op->tables, &touches[i], group->rows + (size_t)table * RWD_ROW_BYTES_MAX, group->row_sizes[table]);
    }
    if (at->event.time_us != RWD_TIME_NONE && at->event.time_us > op->position.stream_time) op->position.stream_time = at->event.time_us;
    if (!live) return true;
    if (op->update_sink_count > 0 && op->sink->ops->stamp) op->sink->ops->stamp(op->sink, time_of(at));
    for (size_t s = 0; s < op->update_sink_count; s++) {
        size_t sink = op->update_sinks[s];
        for (uint32_t i = 0; i < at->touch_count; i++) {
            uint16_t table = touches[i].table;
            if (op->job->sinks[sink].table == table)
                op->sink->ops->put_row(op->sink, sink, rwd_slice_of(touches[i].key, touches[i].key_size),
                                       group->rows + (size_t)table * RWD_ROW_BYTES_MAX, group->row_sizes[table], at->event.record->offset);
        }
    }
    return true;
}

// Pass 3, in order of offsets.
static bool apply_group(rwd_operator *op, bool live, size_t *out_done, rwd_error *err) {
    rwd_group *group = &op->group;
    for (size_t i = 0; i < group->event_count; i++) {
        rwd_group_event *at = &group->events[i];
        const rwd_record *record = at->event.record;
        assert(record->offset >= op->position.next_offset && "offsets rise");
        if (at->fault.code == RWD_E_NONE && apply_event(op, at, live)) {
            op->position.counts.applied++;
            op->record_time_us = time_of(at);
        } else {
            // C9: what lies below C was sent before and is not sent again.
            if (live && !put_dead_letter(op, record, &at->fault, err)) return false;
            op->position.counts.dead++;
        }
        op->position.counts.read++;
        op->position.input_count++;
        op->position.input_hash = rwd_hash128_add(op->position.input_hash, record->hash);
        op->position.next_offset = record->offset + 1;  // L6: X is the last delivered record's offset + 1
        op->last_record = record;
        op->at_boundary = false;
        (*out_done)++;
    }
    return true;
}

bool rwd_apply_records(rwd_operator *op, const rwd_record *records, size_t count, int64_t until, bool live, size_t *out_done, rwd_error *err) {
    *out_done = 0;
    if (!op->decoder && count > 0 && !rwd_open_decoder(op, err)) return false;
    while (*out_done < count) {
        size_t most = count - *out_done;
        if (most > RWD_GROUP_MAX) most = RWD_GROUP_MAX;
        while (most > 0 && records[*out_done + most - 1].offset >= until) most--;
        if (most == 0) return true;
        decode_group(op, records + *out_done, most);
        for (;;) {
            rwd_resolve resolved = rwd_tables_resolve(op->tables, op->group.touches, op->group.touch_count, err);
            if (resolved == RWD_RESOLVED) break;
            if (resolved == RWD_RESOLVE_FAILED) return false;
            if (!rwd_relieve(op, live, err)) return false;  // K2: the table is as it was; this is a record boundary
        }
        if (!apply_group(op, live, out_done, err)) return false;
    }
    return true;
}
