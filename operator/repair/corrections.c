// Corrections (corrections.h): two states, what is published of each, and where that is not the same.
//
// What must stay true: a correction is made exactly where a reader who keeps the newest value of each key would see another value, or none, or one where there was none (R3).
#include "operator/repair/corrections.h"

#include <stdlib.h>

#include "operator/repair/corrections_private.h"
#include "proto/row_fields.h"
#include "state/row.h"

typedef struct making {
    const rwd_corrections_options *options;
    rwd_corrections_summary *summary;
    const rwd_compare_pair *pairs;
    bool same_values[RWD_SINKS_MAX];  // equal answers are equal values there
    rwd_row_difference rows;
    rwd_corrections_writer writer;
    bool ok;
    rwd_error *err;
} making;

void rwd_corrections_summary_deinit(rwd_corrections_summary *summary) {
    for (size_t i = 0; i < summary->table_count; i++) rwd_table_difference_deinit(&summary->tables[i]);
    free(summary->tables);
    *summary = (rwd_corrections_summary){0};
}

// ---------------------------------------------------------------------------------------------- what two jobs publish
// A protobuf reader knows a column by its number (proto/row_fields.h).
static size_t field_number(const rwd_job_table *table, size_t column) {
    size_t aggregates = table->schema.column_count;
    return column < aggregates ? RWD_ROW_FIELD_COLUMN + column : RWD_ROW_FIELD_DERIVED + column - aggregates;
}

static bool same_column(const rwd_job_sink *sink, const rwd_job_table *a, size_t i, const rwd_job_table *b, size_t k) {
    rwd_job_column x = rwd_job_table_column(a, i), y = rwd_job_table_column(b, k);
    bool text = sink->format == RWD_FORMAT_JSON || sink->format == RWD_FORMAT_CSV;
    if (strcmp(x.name, y.name) != 0) return false;
    if (text) return true;
    return x.type == y.type && x.list == y.list && (sink->format != RWD_FORMAT_PROTOBUF || field_number(a, i) == field_number(b, k));
}

static bool same_key_fields(const rwd_schema *a, const rwd_schema *b) {
    if (a->part_count != b->part_count || !rwd_window_same_ends(&a->window, &b->window)) return false;
    for (size_t i = 0; i < a->part_count; i++)
        if (strcmp(a->parts[i].name, b->parts[i].name) != 0 || a->parts[i].type != b->parts[i].type || a->parts[i].scale != b->parts[i].scale) return false;
    return true;
}

// Do equal answers make equal records?
static bool same_values(const rwd_job *old_job, const rwd_job *new_job, size_t s) {
    const rwd_job_sink *a = &old_job->sinks[s], *b = &new_job->sinks[s];
    const rwd_job_table *ta = &old_job->tables[a->table], *tb = &new_job->tables[b->table];
    if (strcmp(ta->schema.name, tb->schema.name) != 0 || a->format != b->format || a->column_count != b->column_count || !same_key_fields(&ta->schema, &tb->schema)) return false;
    for (size_t i = 0; i < a->column_count; i++)
        if (!same_column(a, ta, a->columns[i], tb, b->columns[i])) return false;
    return true;
}

static bool closes(const rwd_job *job, size_t table) {
    for (size_t s = 0; s < job->sink_count; s++)
        if (job->sinks[s].table == table && job->sinks[s].emit == RWD_EMIT_CLOSE) return true;
    return false;
}

// Equal rows can be published otherwise: by other conditions, derived columns or names, or because a window has closed on one side only.
static bool wants_every_row(const rwd_corrections_options *o, const rwd_compare_pair *pair) {
    const rwd_job *a = o->old_view.job, *b = o->new_view.job;
    if (!pair->old_schema || !pair->new_schema) return false;
    bool same_time = o->old_view.stream_time == o->new_view.stream_time;
    return !rwd_hash128_equal(a->sinks_hash, b->sinks_hash) || !same_key_fields(pair->old_schema, pair->new_schema) ||
           (!same_time && (closes(a, pair->old_schema->number) || closes(b, pair->new_schema->number)));
}

// ---------------------------------------------------------------------------------------------- one key
static bool is_published(making *m, rwd_side side, size_t s, rwd_slice key) {
    const rwd_view *view = side == RWD_OLD ? &m->options->old_view : &m->options->new_view;
    const rwd_job_sink *sink = &view->job->sinks[s];
    const rwd_schema *schema = &view->job->tables[sink->table].schema;
    if (!m->rows.present[side]) return false;
    if (sink->emit == RWD_EMIT_CLOSE) {
        int64_t end = rwd_row_window_end(schema, rwd_key_window_start(key), m->rows.answers[side].row);
        if (view->stream_time == RWD_TIME_NONE || !rwd_window_is_closed(&schema->window, end, view->stream_time)) return false;
    }
    return rwd_answers_pass(&m->rows.answers[side], sink->where);
}

// The new side's columns come first in a table's differences, in their order.
static bool same_answers(const making *m, size_t s) {
    const rwd_job_sink *sink = &m->options->new_view.job->sinks[s];
    const rwd_schema *schema = &m->options->new_view.job->tables[sink->table].schema;
    if (!m->same_values[s]) return false;
    if (schema->window.kind == RWD_WINDOW_SESSION &&
        rwd_row_window_end(schema, 0, m->rows.answers[RWD_OLD].row) != rwd_row_window_end(schema, 0, m->rows.answers[RWD_NEW].row))
        return false;
    for (size_t i = 0; i < sink->column_count; i++)
        if (m->rows.changed[sink->columns[i]]) return false;
    return true;
}

// What stands published under a key of other types cannot be named by outputs whose keys have the new ones.
static bool refuse_key(making *m, const rwd_compare_pair *pair) {
    rwd_fail(m->err, RWD_E_LOGIC_CHANGED, "the keys of table %s have other types in the new logic, so what is published under the old ones cannot be taken back", pair->old_schema->name);
    return rwd_error_next(m->err, "run the new logic as a job of its own: another name, other outputs");
}

static bool put(making *m, size_t s, rwd_slice key, rwd_slice old_row, rwd_slice new_row) {
    rwd_corrections_summary *summary = m->summary;
    rwd_corrections_count *count = &summary->sinks[s];
    rwd_correction correction = {.sink = s, .key = key, .old_row = old_row, .new_row = new_row, .offset = m->options->next_offset - 1};
    if (!old_row.data) count->added++;
    else if (!new_row.data) count->vanished++;
    else count->changed++;
    summary->rows++;
    return rwd_corrections_write(&m->writer, &correction, m->err);
}

static bool correct(making *m, const rwd_compare_pair *pair, rwd_slice key, rwd_slice old_row, rwd_slice new_row) {
    const rwd_job *old_job = m->options->old_view.job, *new_job = m->options->new_view.job;
    const rwd_slice none = {0};
    bool apart = pair->old_schema && pair->new_schema && !pair->same_keys;
    for (size_t s = 0; s < new_job->sink_count; s++) {
        bool here = old_row.data ? pair->old_schema->number == old_job->sinks[s].table : pair->new_schema->number == new_job->sinks[s].table;
        if (!here) continue;
        bool before = is_published(m, RWD_OLD, s, key), now = is_published(m, RWD_NEW, s, key);
        if ((!before && !now) || (before && now && same_answers(m, s))) continue;
        if (apart && old_row.data) return refuse_key(m, pair);
        if (!put(m, s, key, before ? old_row : none, now ? new_row : none)) return false;
    }
    return true;
}

// S4: a window that has served its time left by itself, and its last value stands.
static bool has_left(const making *m, const rwd_compare_pair *pair, rwd_slice key, rwd_slice old_row, rwd_slice new_row) {
    const rwd_schema *schema = pair->new_schema;
    int64_t now = m->options->new_view.stream_time;
    if (new_row.data || !schema || !pair->same_keys || schema->window.kind == RWD_WINDOW_NONE || now == RWD_TIME_NONE) return false;
    return rwd_window_leaves(&schema->window, rwd_row_window_end(pair->old_schema, rwd_key_window_start(key), old_row.data)) <= now;
}

static bool see(making *m, const rwd_compare_pair *pair, rwd_slice key, rwd_slice old_row, rwd_slice new_row) {
    const rwd_corrections_options *o = m->options;
    if (!o->see || !pair->new_schema) return true;
    bool comparable = pair->same_keys || !pair->old_schema || !old_row.data;
    return !comparable || o->see(o->context, pair->new_schema->number, key, old_row, new_row, m->err);
}

static bool visit(void *context, size_t index, rwd_slice key, rwd_slice old_row, rwd_slice new_row) {
    making *m = context;
    const rwd_compare_pair *pair = &m->pairs[index];
    rwd_table_difference *table = &m->summary->tables[index];
    if (has_left(m, pair, key, old_row, new_row)) return true;
    m->ok = rwd_row_difference_open(&m->rows, table, key, old_row, new_row, m->err);
    bool differs = !old_row.data || !new_row.data || m->rows.any || (pair->same_rows && !rwd_slice_equal(old_row, new_row));
    if (m->ok && differs) {
        rwd_row_difference_count(&m->rows, table);
        m->ok = see(m, pair, key, old_row, new_row);
    }
    m->ok = m->ok && correct(m, pair, key, old_row, new_row);
    return m->ok;
}

// ---------------------------------------------------------------------------------------------- all of them
static const rwd_job_table *table_at(const rwd_job *job, const rwd_schema *schema) { return schema ? &job->tables[schema->number] : NULL; }

static void begin_tables(making *m, rwd_compare_pair *pairs, size_t count) {
    const rwd_corrections_options *o = m->options;
    m->summary->tables = rwd_calloc(count + 1, sizeof(*m->summary->tables));
    m->summary->table_count = count;
    for (size_t i = 0; i < count; i++) {
        pairs[i].every_row = wants_every_row(o, &pairs[i]);
        rwd_table_difference_init(&m->summary->tables[i], table_at(o->old_view.job, pairs[i].old_schema), table_at(o->new_view.job, pairs[i].new_schema));
    }
}

static bool compare(making *m, rwd_compare_pair *pairs) {
    const rwd_corrections_options *o = m->options;
    const rwd_schema *old_schemas[RWD_TABLES_MAX], *new_schemas[RWD_TABLES_MAX];
    const rwd_job *a = o->old_view.job, *b = o->new_view.job;
    for (size_t i = 0; i < a->table_count; i++) old_schemas[i] = &a->tables[i].schema;
    for (size_t i = 0; i < b->table_count; i++) new_schemas[i] = &b->tables[i].schema;
    size_t count = rwd_compare_match(old_schemas, a->table_count, new_schemas, b->table_count, pairs);
    begin_tables(m, pairs, count);
    rwd_compare_options options = {.old_side = o->old_view.state, .new_side = o->new_view.state, .pairs = pairs, .pair_count = count, .memory = o->memory, .temp_dir = o->temp_dir,
                                   .visit = visit, .context = m};
    return rwd_compare_run(&options, &m->summary->compare, m->err) && m->ok;
}

bool rwd_corrections_make(const rwd_corrections_options *options, rwd_corrections_summary *out, rwd_error *err) {
    const rwd_job *old_job = options->old_view.job, *new_job = options->new_view.job;
    *out = (rwd_corrections_summary){.sink_count = new_job->sink_count};
    if (old_job->sink_count != new_job->sink_count) return rwd_fail(err, RWD_E_USAGE, "the two logics do not publish to the same outputs");
    rwd_compare_pair *pairs = rwd_calloc(RWD_COMPARE_PAIRS_MAX, sizeof(*pairs));
    making *m = rwd_calloc(1, sizeof(*m));
    *m = (making){.options = options, .summary = out, .pairs = pairs, .ok = true, .err = err};
    for (size_t s = 0; s < new_job->sink_count; s++) m->same_values[s] = same_values(old_job, new_job, s);
    rwd_corrections_head head = {options->repair, options->next_offset, options->old_view.lineage, options->new_view.lineage};
    bool ok = rwd_corrections_writer_open(&m->writer, options->path, options->io, &head, err) && compare(m, pairs) && rwd_corrections_writer_commit(&m->writer, &out->hash, err);
    rwd_corrections_writer_close(&m->writer);
    rwd_row_difference_deinit(&m->rows);
    free(m);
    free(pairs);
    if (!ok) rwd_corrections_summary_deinit(out);
    return ok;
}
