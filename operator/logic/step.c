// The step that the job's tables define, as plans made once: which fields form a table's key, and which field goes into which cell.
#include "operator/logic/step.h"

#include <assert.h>
#include <stdlib.h>

#include "state/key_text.h"
#include "state/row.h"

typedef struct table_plan {
    const rwd_schema *schema;
    const int16_t *key_fields;
    const int16_t *column_fields;  // or -1: the aggregate takes no value
} table_plan;

typedef struct job_step {
    rwd_step base;
    const rwd_job *job;
    table_plan *tables;
    rwd_value args[RWD_COLUMNS_MAX];  // of the row being made
    rwd_buf scratch;
} job_step;

// S2: `ahead` is measured on the record's time. A file's records have none, so there it is measured on stream time, and is off unless the job sets it; the
// first event has nothing to be measured on.
static rwd_code judge(rwd_step *self, const rwd_event *event, int64_t stream_time) {
    int64_t ahead = ((job_step *)self)->job->event.ahead_us, limit;
    int64_t base = event->record->time_us != RWD_TIME_NONE ? event->record->time_us : stream_time;
    if (ahead == 0 || base == RWD_TIME_NONE || event->time_us == RWD_TIME_NONE) return RWD_E_NONE;
    if (__builtin_add_overflow(base, ahead, &limit)) return RWD_E_NONE;
    return event->time_us > limit ? RWD_E_FUTURE : RWD_E_NONE;
}

// The key part that makes a key too long: the longest text.
static int16_t longest_part(const table_plan *plan, const rwd_event *event) {
    int16_t longest = plan->key_fields[0];
    size_t size = 0;
    for (size_t i = 0; i < plan->schema->part_count; i++) {
        if (plan->key_fields[i] < 0) continue;  // the window's start
        const rwd_value *value = &event->fields[plan->key_fields[i]];
        bool varies = plan->schema->parts[i].type == RWD_TYPE_STRING || plan->schema->parts[i].type == RWD_TYPE_BYTES;
        if (!varies || !value->present || value->s.size <= size) continue;
        size = value->s.size;
        longest = plan->key_fields[i];
    }
    return longest;
}

static size_t reach(const rwd_step *self) {
    const job_step *step = (const job_step *)self;
    size_t sum = 0;
    for (size_t t = 0; t < step->job->table_count; t++) {
        const rwd_window *window = &step->job->tables[t].schema.window;
        sum += window->kind == RWD_WINDOW_NONE ? 1 : (size_t)rwd_window_overlap(window);
    }
    return sum;
}

static bool admits(const rwd_step *self, const rwd_touch *touch, int64_t stream_time) {
    const rwd_window *window = &((const job_step *)self)->job->tables[touch->table].schema.window;
    return window->kind == RWD_WINDOW_NONE || !rwd_window_is_closed(window, touch->window, stream_time);
}

// One row of a table. False: the key is too long.
static bool touch_one(const table_plan *plan, const rwd_value *parts, int64_t window, uint32_t event_index, rwd_touch *out, uint8_t *key) {
    size_t size = rwd_key_encode(plan->schema, parts, key);
    *out = (rwd_touch){
        .hash = rwd_key_hash(plan->schema->number, rwd_slice_of(key, size)),
        .key = key,
        .key_size = (uint32_t)size,
        .event = event_index,
        .table = plan->schema->number,
        .window = window,
    };
    return size > 0;
}

// One touch for each window that the event belongs to, the earliest first. `*out_count` and `*out_used` go on.
static bool touch_windows(const table_plan *plan, rwd_value *parts, const rwd_event *event, uint32_t event_index, rwd_touch *touches, size_t *out_count,
                          uint8_t *keys, size_t *out_used) {
    const rwd_window *window = &plan->schema->window;
    int64_t last = rwd_window_last_start(window, event->time_us);
    int64_t first = last - (window->size - 1 - (event->time_us - last)) / window->advance * window->advance;
    rwd_value *start = &parts[plan->schema->part_count - 1];
    start->present = true;
    for (start->i = first; start->i <= last; start->i += window->advance) {
        if (!touch_one(plan, parts, start->i, event_index, &touches[*out_count], keys + *out_used)) return false;
        *out_used += touches[(*out_count)++].key_size;
    }
    return true;
}

// Window bounds are times, too, and times are those of the years 1 to 9999.
static bool has_windows(const rwd_window *window, int64_t time) {
    return time - RWD_TIME_MIN >= window->size && RWD_TIME_MAX - time >= window->size;
}

static bool windows_of_time(const job_step *step, const rwd_window *window, const rwd_event *event, rwd_fault *out_fault) {
    if (event->time_us != RWD_TIME_NONE && has_windows(window, event->time_us)) return true;
    bool none = event->time_us == RWD_TIME_NONE;
    *out_fault = (rwd_fault){.code = none ? RWD_E_MISSING_FIELD : RWD_E_OUT_OF_RANGE, .field = step->job->event.time_field,
                             .why = none ? "the record has no time" : "the window would begin or end outside the years 1 to 9999"};
    return false;
}

static bool key_too_long(const table_plan *plan, const rwd_event *event, rwd_fault *out_fault) {
    *out_fault = (rwd_fault){.code = RWD_E_TOO_LARGE, .field = longest_part(plan, event), .why = "the key is too long"};
    return false;
}

// A key that one table cannot have may be another's: only one that is no table's is at fault. Windows are not deleted: they close and leave by stream time.
static bool route_tombstone(job_step *step, const rwd_event *event, uint32_t event_index, rwd_touch *touches, size_t *out_count, uint8_t *keys,
                            size_t *out_used, rwd_fault *out_fault) {
    rwd_value parts[RWD_KEY_PARTS_MAX];
    if (step->job->source.tombstone != RWD_TOMBSTONE_DELETE) return true;
    for (size_t t = 0; event->record->key.data && t < step->job->table_count; t++) {
        const table_plan *plan = &step->tables[t];
        if (plan->schema->window.kind != RWD_WINDOW_NONE || !rwd_key_read_text(plan->schema, event->record->key, &step->scratch, parts)) continue;
        if (!touch_one(plan, parts, RWD_TIME_NONE, event_index, &touches[*out_count], keys + *out_used)) continue;  // no row has so long a key
        *out_used += touches[(*out_count)++].key_size;
    }
    if (*out_count > 0) return true;
    *out_fault = (rwd_fault){
        .code = RWD_E_MALFORMED, .field = -1,
        .why = event->record->key.data ? "no value, and its key is no key of any table" : "neither value nor key: it says nothing of what to delete",
    };
    return false;
}

static bool route(rwd_step *self, const rwd_event *event, uint32_t event_index, rwd_touch *touches, size_t *out_count, uint8_t *keys,
                  size_t *out_used, rwd_fault *out_fault) {
    job_step *step = (job_step *)self;
    *out_count = *out_used = 0;
    if (event->record->tombstone) return route_tombstone(step, event, event_index, touches, out_count, keys, out_used, out_fault);
    for (size_t t = 0; t < step->job->table_count; t++) {
        const table_plan *plan = &step->tables[t];
        bool windowed = plan->schema->window.kind != RWD_WINDOW_NONE;
        rwd_value parts[RWD_KEY_PARTS_MAX];
        for (size_t i = 0; i + windowed < plan->schema->part_count; i++) parts[i] = event->fields[plan->key_fields[i]];
        if (windowed) {
            if (!windows_of_time(step, &plan->schema->window, event, out_fault)) return false;
            if (!touch_windows(plan, parts, event, event_index, touches, out_count, keys, out_used)) return key_too_long(plan, event, out_fault);
            continue;
        }
        if (!touch_one(plan, parts, RWD_TIME_NONE, event_index, &touches[*out_count], keys + *out_used)) return key_too_long(plan, event, out_fault);
        *out_used += touches[(*out_count)++].key_size;
    }
    return true;
}

static rwd_change apply(rwd_step *self, const rwd_event *event, const rwd_touch *touch, const uint8_t *old_row, uint32_t old_size, uint8_t *new_row,
                  uint32_t *out_size, rwd_fault *out_fault) {
    job_step *step = (job_step *)self;
    if (event->record->tombstone) return old_row ? RWD_CHANGE_DELETE : RWD_CHANGE_NONE;
    const table_plan *plan = &step->tables[touch->table];
    const rwd_schema *schema = plan->schema;
    const rwd_moment when = {.time_us = event->time_us, .offset = event->record->offset};
    size_t column = 0;
    for (size_t i = 0; i < schema->column_count; i++)
        if (plan->column_fields[i] >= 0) step->args[i] = event->fields[plan->column_fields[i]];
    rwd_code code = rwd_row_apply(schema, old_row, old_size, step->args, NULL, &when, new_row, rwd_schema_row_max(schema), out_size, &column);
    if (code == RWD_E_NONE) return RWD_CHANGE_WRITE;
    const char *why = code == RWD_E_OVERFLOW ? "the total would overflow" : code == RWD_E_TOO_LARGE ? "the row would be too large" : NULL;
    *out_fault = (rwd_fault){.code = code, .field = plan->column_fields[column], .why = why};
    return RWD_CHANGE_FAULT;
}

static void step_free(rwd_step *self) {
    job_step *step = (job_step *)self;
    free(step->tables);
    rwd_buf_deinit(&step->scratch);
    free(step);
}

static const rwd_step_ops job_step_ops = {.judge = judge, .reach = reach, .route = route, .admits = admits, .apply = apply, .free = step_free};

rwd_step *rwd_step_new(const rwd_job *job) {
    assert(job->table_count <= RWD_TABLES_MAX);
    job_step *step = rwd_calloc(1, sizeof *step);
    step->base.ops = &job_step_ops;
    step->job = job;
    step->tables = rwd_calloc(job->table_count + 1, sizeof *step->tables);
    for (size_t t = 0; t < job->table_count; t++) {
        const rwd_job_table *table = &job->tables[t];
        step->tables[t] = (table_plan){.schema = &table->schema, .key_fields = table->key_fields, .column_fields = table->column_fields};
    }
    return &step->base;
}
