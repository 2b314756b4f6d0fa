// The step that the job's tables define, as plans made once: what forms a table's key, and what goes into which cell.
//
// Expressions are evaluated when an event is routed, in the order of the tables and in each: where, key, then column by column condition and argument. What
// a false condition guards is not evaluated. Each is evaluated once per event, wherever it stands; its value lies beside the event's fields, so that a slot
// (rwd_job_use) finds either.
#include "operator/logic/step.h"

#include <assert.h>
#include <stdlib.h>

#include "state/key_text.h"
#include "state/row.h"
#include "state/sessions.h"

#define EVENTS_FIRST 256  // events of a group that there is room for at first

typedef struct table_plan {
    const rwd_schema *schema;
    const rwd_job_table *table;
    bool computes;     // some aggregate has an expression or a condition
    bool conditional;  // some aggregate has a condition
} table_plan;

typedef struct job_step {
    rwd_step base;
    const rwd_job *job;
    table_plan *tables;
    size_t field_count, expr_count;
    rwd_value *computed;              // by event of the group, then by expression
    size_t capacity;                  // events
    bool *known;                      // of the event being routed, by expression
    rwd_expr_scratch *expressions;
    rwd_value parts[RWD_KEY_PARTS_MAX];      // of the key being made
    const rwd_value *args[RWD_COLUMNS_MAX];  // of the row being made
    bool wanted[RWD_COLUMNS_MAX];
    rwd_buf scratch;
} job_step;

static void step_begin(rwd_step *self) {
    job_step *step = (job_step *)self;
    if (step->expr_count > 0) rwd_expr_scratch_reset(step->expressions);
}

// ---- expressions

typedef struct routed {
    const rwd_event *event;
    uint32_t index;
    rwd_expr_record record;
} routed;

static inline const rwd_value *value_at(const job_step *step, const rwd_event *event, uint32_t index, int16_t slot) {
    size_t at = (size_t)slot;
    return at < step->field_count ? &event->fields[at] : &step->computed[index * step->expr_count + at - step->field_count];
}

static inline bool is_true(const rwd_value *value) { return value->present && value->b; }

static bool header_of(void *context, rwd_slice name, rwd_slice *out) {
    const rwd_record *record = context;
    return record->header(record, name, out);
}

static void begin_event(job_step *step, const rwd_event *event, uint32_t index, routed *out) {
    const rwd_record *record = event->record;
    *out = (routed){event, index, {.key = record->key, .has_key = record->key.data != NULL, .offset = record->offset, .timestamp_us = record->time_us}};
    if (record->header) {
        out->record.header = header_of;
        out->record.header_context = (void *)(uintptr_t)record;
    }
    if (index >= step->capacity) {
        step->capacity = (size_t)index + EVENTS_FIRST;
        step->computed = rwd_realloc(step->computed, step->capacity * step->expr_count * sizeof *step->computed);
    }
    memset(step->known, 0, step->expr_count);
}

// Its value is there; false: the event is at fault.
static bool evaluate(job_step *step, const routed *r, const rwd_job_use *use, rwd_fault *out_fault) {
    if (use->slot < (int16_t)step->field_count) return true;
    size_t at = (size_t)use->slot - step->field_count;
    if (step->known[at]) return true;
    rwd_expr_input in = {.values = r->event->fields, .record = &r->record, .event_time_us = r->event->time_us};
    rwd_code code = rwd_expr_eval(step->job->event.exprs[at], &in, step->expressions, &step->computed[r->index * step->expr_count + at]);
    step->known[at] = true;
    if (code == RWD_E_NONE) return true;
    *out_fault = (rwd_fault){.code = code, .field = -1, .use = use, .at = step->expressions->column};
    return false;
}

// What `apply` will read for the row of that table.
static bool evaluate_columns(job_step *step, const table_plan *plan, const routed *r, rwd_fault *out_fault) {
    const rwd_job_table *table = plan->table;
    if (!plan->computes) return true;
    for (size_t i = 0; i < plan->schema->column_count; i++) {
        const rwd_job_use *condition = &table->conditions[i];
        if (!evaluate(step, r, condition, out_fault)) return false;
        if (condition->slot >= 0 && !is_true(value_at(step, r->event, r->index, condition->slot))) continue;
        if (!evaluate(step, r, &table->args[i], out_fault)) return false;
    }
    return true;
}

// ---- what an event touches

// S2: `ahead` is measured on the record's time. A file's records have none, so there it is measured on stream time, and is off unless the job sets it; the
// first event has nothing to be measured on.
static rwd_code judge(rwd_step *self, const rwd_event *event, int64_t stream_time) {
    int64_t ahead = ((job_step *)self)->job->event.ahead_us, limit;
    int64_t base = event->record->time_us != RWD_TIME_NONE ? event->record->time_us : stream_time;
    if (ahead == 0 || base == RWD_TIME_NONE || event->time_us == RWD_TIME_NONE) return RWD_E_NONE;
    if (__builtin_add_overflow(base, ahead, &limit)) return RWD_E_NONE;
    return event->time_us > limit ? RWD_E_FUTURE : RWD_E_NONE;
}

static size_t reach(const rwd_step *self) {
    const job_step *step = (const job_step *)self;
    size_t sum = 0;
    for (size_t t = 0; t < step->job->table_count; t++) {
        const rwd_window *window = &step->job->tables[t].schema.window;
        sum += window->kind == RWD_WINDOW_NONE ? 1 : window->kind == RWD_WINDOW_SESSION ? RWD_SESSION_TOUCHES : (size_t)rwd_window_overlap(window);
    }
    return sum;
}

static bool admits(const rwd_step *self, const rwd_touch *touch, int64_t stream_time) {
    const rwd_window *window = &((const job_step *)self)->job->tables[touch->table].schema.window;
    return window->kind == RWD_WINDOW_NONE || !rwd_window_is_closed(window, rwd_window_end(window, touch->window), stream_time);
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
    int64_t first = window->zone ? last : last - (window->size - 1 - (event->time_us - last)) / window->advance * window->advance;
    rwd_value *start = &parts[plan->schema->part_count - 1];
    start->present = true;
    for (start->i = first; start->i <= last; start->i += window->advance) {
        if (!touch_one(plan, parts, start->i, event_index, &touches[*out_count], keys + *out_used)) return false;
        *out_used += touches[(*out_count)++].key_size;
    }
    return true;
}

// Room for a key each; only that of a session that begins with the event is filled in.
static bool touch_sessions(const table_plan *plan, rwd_value *parts, const rwd_event *event, uint32_t event_index, rwd_touch *touches, size_t *out_count,
                           uint8_t *keys, size_t *out_used) {
    parts[plan->schema->part_count - 1] = (rwd_value){.i = event->time_us, .present = true};
    rwd_touch *own = &touches[*out_count];
    uint8_t *key = keys + *out_used;
    if (!touch_one(plan, parts, event->time_us, event_index, own, key)) return false;
    uint32_t size = own->key_size;
    for (size_t i = 1; i < RWD_SESSION_LIST; i++) {
        own[i] = own[0];
        own[i].key = memcpy(key + i * size, key, size);
    }
    rwd_touch *list = &own[RWD_SESSION_LIST];
    *list = own[0];
    list->table = plan->schema->sessions;
    list->key_size = size - RWD_WINDOW_START_BYTES;
    list->hash = rwd_key_hash(list->table, rwd_slice_of(list->key, list->key_size));
    *out_count += RWD_SESSION_TOUCHES;
    *out_used += RWD_SESSION_LIST * size;
    return true;
}

// Window bounds are times, too, and times are those of the years 1 to 9999.
static bool has_windows(const rwd_window *window, int64_t time) {
    int64_t most = window->size + rwd_window_slack(window);
    return time - RWD_TIME_MIN >= most && RWD_TIME_MAX - time >= most;
}

static bool windows_of_time(const job_step *step, const rwd_window *window, const rwd_event *event, rwd_fault *out_fault) {
    if (event->time_us != RWD_TIME_NONE && has_windows(window, event->time_us)) return true;
    bool none = event->time_us == RWD_TIME_NONE;
    *out_fault = (rwd_fault){.code = none ? RWD_E_MISSING_FIELD : RWD_E_OUT_OF_RANGE, .field = step->job->event.time_field,
                             .why = none ? "the record has no time" : "the window would begin or end outside the years 1 to 9999"};
    return false;
}

// The longest text among the parts is to blame.
static bool key_too_long(const job_step *step, const table_plan *plan, const rwd_value *parts, rwd_fault *out_fault) {
    size_t longest = 0, size = 0;
    for (size_t i = 0; i < plan->schema->part_count; i++) {
        bool varies = plan->schema->parts[i].type == RWD_TYPE_STRING || plan->schema->parts[i].type == RWD_TYPE_BYTES;
        if (!varies || !parts[i].present || parts[i].s.size <= size) continue;
        size = parts[i].s.size;
        longest = i;
    }
    const rwd_job_use *use = &plan->table->key[longest];
    bool plain = use->slot < (int16_t)step->field_count;
    *out_fault = (rwd_fault){.code = RWD_E_TOO_LARGE, .field = plain ? use->slot : -1, .use = plain ? NULL : use, .why = "the key is too long"};
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

// The touches of one table that takes the event.
static bool route_table(job_step *step, const table_plan *plan, const routed *r, rwd_touch *touches, size_t *out_count, uint8_t *keys, size_t *out_used,
                        rwd_fault *out_fault) {
    bool windowed = plan->schema->window.kind != RWD_WINDOW_NONE;
    rwd_value *parts = step->parts;
    for (size_t i = 0; i + windowed < plan->schema->part_count; i++) {
        const rwd_job_use *use = &plan->table->key[i];
        if (!evaluate(step, r, use, out_fault)) return false;
        parts[i] = *value_at(step, r->event, r->index, use->slot);
    }
    if (windowed) {
        if (!windows_of_time(step, &plan->schema->window, r->event, out_fault)) return false;
        bool sessions = plan->schema->window.kind == RWD_WINDOW_SESSION;
        return (sessions ? touch_sessions : touch_windows)(plan, parts, r->event, r->index, touches, out_count, keys, out_used) ||
               key_too_long(step, plan, parts, out_fault);
    }
    if (!touch_one(plan, parts, RWD_TIME_NONE, r->index, &touches[*out_count], keys + *out_used)) return key_too_long(step, plan, parts, out_fault);
    *out_used += touches[(*out_count)++].key_size;
    return true;
}

static bool route(rwd_step *self, const rwd_event *event, uint32_t event_index, rwd_touch *touches, size_t *out_count, uint8_t *keys,
                  size_t *out_used, rwd_fault *out_fault) {
    job_step *step = (job_step *)self;
    routed r = {.event = event, .index = event_index};
    *out_count = *out_used = 0;
    if (event->record->tombstone) return route_tombstone(step, event, event_index, touches, out_count, keys, out_used, out_fault);
    if (step->expr_count > 0) begin_event(step, event, event_index, &r);
    for (size_t t = 0; t < step->job->table_count; t++) {
        const table_plan *plan = &step->tables[t];
        const rwd_job_use *where = &plan->table->where;
        if (where->slot >= 0) {
            if (!evaluate(step, &r, where, out_fault)) return false;
            if (!is_true(value_at(step, event, event_index, where->slot))) continue;
        }
        if (!route_table(step, plan, &r, touches, out_count, keys, out_used, out_fault) || !evaluate_columns(step, plan, &r, out_fault)) return false;
    }
    return true;
}

// ---- rows

static rwd_change total_fault(const job_step *step, const rwd_job_use *use, rwd_code code, rwd_fault *out_fault) {
    const char *why = code == RWD_E_OVERFLOW ? "the total would overflow" : code == RWD_E_TOO_LARGE ? "the row would be too large" : NULL;
    bool plain = use->slot < (int16_t)step->field_count;
    *out_fault = (rwd_fault){.code = code, .field = plain ? use->slot : -1, .use = plain ? NULL : use, .why = why};
    return RWD_CHANGE_FAULT;
}

static rwd_change apply(rwd_step *self, const rwd_event *event, const rwd_touch *touch, const uint8_t *old_row, uint32_t old_size, uint8_t *new_row,
                  uint32_t *out_size, rwd_fault *out_fault) {
    job_step *step = (job_step *)self;
    if (event->record->tombstone) return old_row ? RWD_CHANGE_DELETE : RWD_CHANGE_NONE;
    const table_plan *plan = &step->tables[touch->table];
    const rwd_schema *schema = plan->schema;
    const rwd_moment when = {.time_us = event->time_us, .offset = event->record->offset, .ordinal = event->ordinal};
    size_t column = 0;
    for (size_t i = 0; plan->conditional && i < schema->column_count; i++) {
        int16_t slot = plan->table->conditions[i].slot;
        step->wanted[i] = slot < 0 || is_true(value_at(step, event, touch->event, slot));
    }
    for (size_t i = 0; i < schema->column_count; i++) {
        int16_t slot = plan->table->args[i].slot;
        if (slot >= 0) step->args[i] = value_at(step, event, touch->event, slot);
    }
    rwd_code code = rwd_row_apply_from(schema, old_row, old_size, step->args, plan->conditional ? step->wanted : NULL, &when, new_row, rwd_schema_row_max(schema),
                                  out_size, &column);
    if (code == RWD_E_NONE) return RWD_CHANGE_WRITE;
    return total_fault(step, &plan->table->args[column], code, out_fault);
}

static rwd_change merge(rwd_step *self, uint16_t table, rwd_slice row, rwd_slice other, uint8_t *new_row, uint32_t *out_size, rwd_fault *out_fault) {
    job_step *step = (job_step *)self;
    const rwd_schema *schema = step->tables[table].schema;
    size_t column = 0;
    rwd_code code = rwd_row_merge(schema, row.data, (uint32_t)row.size, other.data, (uint32_t)other.size, new_row, rwd_schema_row_max(schema), out_size, &column);
    if (code == RWD_E_NONE) return RWD_CHANGE_WRITE;
    return total_fault(step, &step->tables[table].table->args[column], code, out_fault);
}

static void step_free(rwd_step *self) {
    job_step *step = (job_step *)self;
    free(step->tables);
    free(step->computed);
    free(step->known);
    if (step->expressions) rwd_expr_scratch_deinit(step->expressions);
    free(step->expressions);
    rwd_buf_deinit(&step->scratch);
    free(step);
}

static const rwd_step_ops job_step_ops = {.begin = step_begin, .judge = judge, .reach = reach, .route = route, .admits = admits, .apply = apply, .merge = merge,
                                          .free = step_free};

static table_plan plan_of(const rwd_job *job, const rwd_job_table *table) {
    table_plan plan = {.schema = &table->schema, .table = table};
    for (size_t i = 0; i < table->schema.column_count; i++) {
        plan.conditional |= table->conditions[i].slot >= 0;
        plan.computes |= table->conditions[i].slot >= 0 || table->args[i].slot >= (int16_t)job->event.field_count;
    }
    return plan;
}

static void make_room_for_expressions(job_step *step) {
    if (step->expr_count == 0) return;
    step->capacity = EVENTS_FIRST;
    step->computed = rwd_calloc(step->capacity * step->expr_count, sizeof *step->computed);
    step->known = rwd_calloc(step->expr_count, sizeof *step->known);
    step->expressions = rwd_aligned_alloc(_Alignof(rwd_expr_scratch), sizeof *step->expressions);
    memset(step->expressions, 0, sizeof *step->expressions);
}

rwd_step *rwd_step_new(const rwd_job *job) {
    assert(job->table_count <= RWD_TABLES_MAX);
    job_step *step = rwd_calloc(1, sizeof *step);
    step->base.ops = &job_step_ops;
    step->job = job;
    step->field_count = job->event.field_count;
    step->expr_count = job->event.expr_count;
    step->tables = rwd_calloc(job->table_count + 1, sizeof *step->tables);
    for (size_t t = 0; t < job->table_count; t++) step->tables[t] = plan_of(job, &job->tables[t]);
    make_room_for_expressions(step);
    return &step->base;
}
