// Plans of repairs and their corrections, for people, as JSON and as CSV (render_repair.h).
#include "operator/cli/render_repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/cli/grid.h"
#include "operator/sink/row_text.h"
#include "state/key_text.h"

#define HEX_SHOWN 16

// ---- one correction

bool rwd_correction_texts_init(rwd_correction_texts *texts, const rwd_job *old_job, const rwd_job *new_job, rwd_error *err) {
    *texts = (rwd_correction_texts){.job = {old_job, new_job}, .sink_count = new_job->sink_count};
    if (old_job->sink_count != new_job->sink_count) return rwd_fail(err, RWD_E_USAGE, "the two logics do not publish to the same outputs");
    texts->tables = rwd_calloc(texts->sink_count + 1, sizeof(*texts->tables));
    for (size_t s = 0; s < texts->sink_count; s++)
        rwd_table_difference_init(&texts->tables[s], &old_job->tables[old_job->sinks[s].table], &new_job->tables[new_job->sinks[s].table]);
    return true;
}

void rwd_correction_texts_deinit(rwd_correction_texts *texts) {
    for (size_t s = 0; texts->tables && s < texts->sink_count; s++) rwd_table_difference_deinit(&texts->tables[s]);
    free(texts->tables);
    rwd_row_difference_deinit(&texts->rows);
    rwd_buf_deinit(&texts->key);
    rwd_buf_deinit(&texts->scratch);
    *texts = (rwd_correction_texts){0};
}

bool rwd_correction_open(rwd_correction_texts *texts, const rwd_correction *c, rwd_error *err) {
    if (c->sink >= texts->sink_count) return rwd_fail(err, RWD_E_CORRUPT, "corrections name an output that the job does not have");
    const rwd_job *job = texts->job[RWD_NEW];
    const rwd_schema *schema = &job->tables[job->sinks[c->sink].table].schema;
    texts->sink = c->sink;
    texts->change = !c->old_row.data ? "added" : !c->new_row.data ? "vanished" : "changed";
    rwd_buf_clear(&texts->key);
    if (!rwd_key_write_text(schema, c->key, &texts->scratch, &texts->key)) return rwd_fail(err, RWD_E_CORRUPT, "a correction's key is none of table '%s'", schema->name);
    return rwd_row_difference_open(&texts->rows, &texts->tables[c->sink], c->key, c->old_row, c->new_row, err);
}

static bool is_written(const rwd_job_sink *sink, int16_t column) {
    for (size_t i = 0; i < sink->column_count; i++)
        if (sink->columns[i] == column) return true;
    return false;
}

bool rwd_correction_shows(const rwd_correction_texts *texts, size_t column) {
    const rwd_column_difference *c = &texts->tables[texts->sink].columns[column];
    return texts->rows.changed[column] && (is_written(&texts->job[RWD_NEW]->sinks[texts->sink], c->column[RWD_NEW]) || is_written(&texts->job[RWD_OLD]->sinks[texts->sink], c->column[RWD_OLD]));
}

double rwd_correction_size(rwd_correction_texts *texts) {
    double most = 0;
    for (size_t i = 0; i < texts->tables[texts->sink].column_count; i++) {
        double size = rwd_correction_shows(texts, i) ? rwd_row_difference_size(&texts->rows, i) : 0;
        if (size > most) most = size;
    }
    return most;
}

static const char *target_of(const rwd_correction_texts *texts) {
    const rwd_job_sink *sink = &texts->job[RWD_NEW]->sinks[texts->sink];
    return sink->topic ? sink->topic : sink->path;
}

void rwd_render_correction_json(rwd_correction_texts *texts, rwd_buf *out) {
    const rwd_table_difference *table = &texts->tables[texts->sink];
    rwd_json_out json;
    rwd_buf text = {0};
    rwd_json_init(&json, out, false);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "output", target_of(texts));
    rwd_json_put_string(&json, "table", table->name);
    rwd_json_key(&json, "key");
    rwd_json_slice(&json, rwd_buf_slice(&texts->key));
    rwd_json_put_string(&json, "change", texts->change);
    rwd_json_put_object(&json, "columns");
    for (size_t i = 0; i < table->column_count; i++) {
        if (!rwd_correction_shows(texts, i)) continue;
        rwd_json_put_object(&json, table->columns[i].name);
        for (int what = 0; what < 3; what++) {
            rwd_buf_clear(&text);
            bool known = true;
            if (what < 2) rwd_row_difference_json(&texts->rows, i, (rwd_side)what, &text);
            else known = rwd_row_difference_delta(&texts->rows, i, &text);
            rwd_json_key(&json, what == 0 ? "old" : what == 1 ? "new" : "delta");
            if (known) rwd_json_raw(&json, rwd_buf_slice(&text));
            else rwd_json_null(&json);
        }
        rwd_json_object_end(&json);
    }
    rwd_json_object_end(&json);
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
    rwd_buf_deinit(&text);
}

static void cell_text(rwd_correction_texts *texts, size_t column, int what, rwd_buf *out) {
    rwd_buf_clear(out);
    if (what < 2) (void)rwd_row_difference_text(&texts->rows, column, (rwd_side)what, out);
    else (void)rwd_row_difference_delta(&texts->rows, column, out);
}

static void csv_line(rwd_correction_texts *texts, const char *column, size_t index, rwd_buf *out) {
    const rwd_table_difference *table = &texts->tables[texts->sink];
    const rwd_slice cells[] = {rwd_slice_str(target_of(texts)), rwd_slice_str(table->name), rwd_buf_slice(&texts->key), rwd_slice_str(texts->change), rwd_slice_str(column)};
    rwd_buf text = {0};
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        if (i) rwd_buf_append_char(out, ',');
        rwd_csv_quote(out, cells[i]);
    }
    for (int what = 0; what < 3; what++) {
        if (index < table->column_count) cell_text(texts, index, what, &text);
        rwd_buf_append_char(out, ',');
        rwd_csv_quote(out, rwd_buf_slice(&text));
    }
    rwd_buf_append_char(out, '\n');
    rwd_buf_deinit(&text);
}

void rwd_render_correction_csv(rwd_correction_texts *texts, rwd_buf *out) {
    const rwd_table_difference *table = &texts->tables[texts->sink];
    bool any = false;
    for (size_t i = 0; i < table->column_count; i++) {
        if (!rwd_correction_shows(texts, i)) continue;
        csv_line(texts, table->columns[i].name, i, out);
        any = true;
    }
    if (!any) csv_line(texts, "", table->column_count, out);
}

void rwd_render_corrections_columns(rwd_grid *grid) {
    static const char *const titles[] = {"output", "key", "change", "column", "old", "new", "delta"};
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) rwd_grid_column(grid, titles[i], i > 3);
}

static void grid_line(rwd_correction_texts *texts, const char *column, size_t index, rwd_grid *grid) {
    rwd_buf text = {0};
    rwd_grid_text(grid, target_of(texts));
    rwd_grid_cell(grid, rwd_buf_slice(&texts->key));
    rwd_grid_text(grid, texts->change);
    rwd_grid_text(grid, column);
    for (int what = 0; what < 3; what++) {
        if (index < texts->tables[texts->sink].column_count) cell_text(texts, index, what, &text);
        rwd_grid_cell(grid, rwd_buf_slice(&text));
    }
    rwd_buf_deinit(&text);
}

void rwd_render_correction_cells(rwd_correction_texts *texts, rwd_grid *grid) {
    const rwd_table_difference *table = &texts->tables[texts->sink];
    bool any = false;
    for (size_t i = 0; i < table->column_count; i++) {
        if (!rwd_correction_shows(texts, i)) continue;
        grid_line(texts, table->columns[i].name, i, grid);
        any = true;
    }
    if (!any) grid_line(texts, "", table->column_count, grid);
}

// ---- the plan

static void put_time(rwd_buf *out, int64_t us) {
    char text[RWD_TIME_TEXT_MAX];
    rwd_time_text(us, text);
    rwd_buf_append_str(out, text);
}

static void put_lineage(rwd_buf *out, rwd_hash128 id) {
    char hex[RWD_HASH128_HEX];
    rwd_hash128_hex(id, hex);
    rwd_buf_appendf(out, "%.*s", HEX_SHOWN, hex);
}

static void put_asked(const rwd_repair_plan *p, rwd_buf *out) {
    rwd_buf_append_str(out, "  asked for    ");
    if (rwd_repair_is_undo(p)) rwd_buf_appendf(out, "undo of %s%s: the history as it was before", *p->undoes ? "repair " : "the last change of the job file", p->undoes);
    else if (p->has_logic && p->to >= 0) rwd_buf_appendf(out, "another logic for the records of [%" PRId64 ", %" PRId64 ")", p->from, p->to);
    else if (p->has_logic) rwd_buf_appendf(out, "another logic from offset %" PRId64 " on", p->from);
    if (p->amendments) rwd_buf_appendf(out, "%s%" PRIu64 " amendment%s", p->has_logic ? ", and " : "", p->amendments, p->amendments == 1 ? "" : "s");
    rwd_buf_appendf(out, "; histories part at offset %" PRId64 "\n  lineage      ", p->differs_from);
    put_lineage(out, p->old_lineage);
    rwd_buf_append_str(out, " is live, ");
    put_lineage(out, p->new_lineage);
    rwd_buf_appendf(out, " is planned; switch %" PRIu64 "\n", p->switch_number);
}

static void put_made(const rwd_repair_plan *p, rwd_buf *out) {
    rwd_buf_appendf(out, "  compared     at C0 = %" PRId64 ": the live state (checkpoint %s)%s, and a shadow\n", p->position, p->old_checkpoint, p->rebuilt_old ? ", built again," : "");
    rwd_buf_appendf(out, "  base         checkpoint %s at offset X = %" PRId64 "\n", p->base, p->base_offset);
    rwd_buf_appendf(out, "  read         %" PRIu64 " records%s", p->records_read, p->rebuilt_old ? " twice" : " once");
    if (p->records_journal >= p->records_read && p->records_read) rwd_buf_append_str(out, ", from the journal");
    else if (p->records_journal) rwd_buf_appendf(out, ", about %" PRIu64 " of them from the journal", p->records_journal);
    else rwd_buf_append_str(out, ", from the source");
    rwd_buf_appendf(out, ", in %.1f s\n", (double)p->took_us / 1e6);
}

static void put_outputs(const rwd_repair_plan *p, rwd_buf *out) {
    rwd_grid grid;
    static const char *const titles[] = {"  output", "table", "changed", "added", "vanished"};
    if (p->sink_count == 0) return;
    rwd_grid_init(&grid);
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) rwd_grid_column(&grid, titles[i], i > 1);
    for (size_t i = 0; i < p->sink_count; i++) {
        char name[RWD_GRID_CELL_MAX + 8];
        (void)snprintf(name, sizeof(name), "  %.*s", RWD_GRID_CELL_MAX, p->sinks[i].target);
        rwd_grid_text(&grid, name);
        rwd_grid_text(&grid, p->sinks[i].table);
        rwd_grid_int(&grid, (int64_t)p->sinks[i].changed);
        rwd_grid_int(&grid, (int64_t)p->sinks[i].added);
        rwd_grid_int(&grid, (int64_t)p->sinks[i].vanished);
    }
    rwd_buf_append_str(out, "\nkeys to correct\n");
    rwd_grid_flush(&grid, out);
    rwd_grid_deinit(&grid);
}

static void put_table(const rwd_repair_table *table, rwd_buf *out) {
    rwd_grid grid;
    static const char *const titles[] = {"  column", "rows", "old", "new", "delta"};
    rwd_buf_appendf(out, "\nstate of %s: %" PRIu64 " changed, %" PRIu64 " added, %" PRIu64 " vanished\n", table->name, table->changed, table->added, table->vanished);
    if (table->column_count == 0) return;
    rwd_grid_init(&grid);
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) rwd_grid_column(&grid, titles[i], i > 0);
    for (size_t i = 0; i < table->column_count; i++) {
        const rwd_repair_column *c = &table->columns[i];
        rwd_buf name = {0};
        rwd_buf_appendf(&name, "  %s", c->name);
        rwd_grid_cell(&grid, rwd_buf_slice(&name));
        rwd_buf_deinit(&name);
        rwd_grid_int(&grid, (int64_t)c->changed);
        rwd_grid_text(&grid, c->before);
        rwd_grid_text(&grid, c->after);
        rwd_grid_text(&grid, c->delta);
    }
    rwd_grid_flush(&grid, out);
    rwd_grid_deinit(&grid);
}

void rwd_render_repair(const rwd_repair_plan *p, rwd_buf *out) {
    rwd_buf_appendf(out, "repair %s, planned ", p->id);
    put_time(out, p->created_us);
    rwd_buf_appendf(out, " by %s\n", p->who);
    put_asked(p, out);
    put_made(p, out);
    if (p->sink_count == 0) rwd_buf_append_str(out, "\nThe job has no outputs: only the state would be another.\n");
    else if (p->rows == 0) rwd_buf_append_str(out, "\nOutputs show already what they ought to: nothing is to be corrected.\n");
    else put_outputs(p, out);
    for (size_t i = 0; i < p->table_count; i++) put_table(&p->tables[i], out);
}

static void put_violations(const rwd_repair_plan *p, rwd_buf *out) {
    if (p->violation_count == 0) rwd_buf_append_str(out, "  invariants   no key begins to violate one\n");
    for (size_t i = 0; i < p->violation_count; i++)
        rwd_buf_appendf(out, "  VIOLATED     %s: by %" PRIu64 " keys that did not, such as %s\n", p->violations[i].check, p->violations[i].keys, p->violations[i].key);
}

void rwd_render_repair_end(const rwd_repair_plan *p, const char *job, bool applied, rwd_buf *out) {
    char size[RWD_TIME_TEXT_MAX];
    rwd_size_text(p->shadow_bytes, size);
    rwd_buf_append_char(out, '\n');
    if (p->dead_new || p->dead_resolved) rwd_buf_appendf(out, "  dead letters %" PRIu64 " new, %" PRIu64 " resolved\n", p->dead_new, p->dead_resolved);
    else rwd_buf_append_str(out, "  dead letters the same\n");
    put_violations(p, out);
    rwd_buf_appendf(out, "  publishing   %" PRIu64 " corrections in %" PRIu64 " transaction%s; who reads committed records only waits about %.2f s (at %d rows a second)\n", p->rows,
                    p->transactions, p->transactions == 1 ? "" : "s", (double)p->readers_wait_us / 1e6, RWD_REPAIR_ROWS_PER_SECOND);
    rwd_buf_appendf(out, "  costs        %s for the second state until then; the operator stands still while it catches up from C0 to C, and for the transaction\n", size);
    rwd_error why;
    if (applied) return;
    if (rwd_repair_refuse_violations(p, job, &why)) rwd_buf_append_str(out, "  next         correct the logic, the amendments, or the invariant, and plan again: what violates one is not applied\n");
    else rwd_buf_appendf(out, "  next         rewind repair apply %s %s --reason TEXT\n", job, p->id);
}

void rwd_render_repair_json(const rwd_repair_plan *p, const char *state, rwd_json_out *json) {
    rwd_json_object(json);
    rwd_json_put_string(json, "id", p->id);
    rwd_json_put_string(json, "kind", p->kind);
    rwd_json_put_string(json, "undoes", *p->undoes ? p->undoes : NULL);
    rwd_json_put_string(json, "state", state);
    rwd_json_put_time(json, "created", p->created_us);
    rwd_json_put_string(json, "who", p->who);
    rwd_json_put_hash(json, "old_lineage", p->old_lineage);
    rwd_json_put_hash(json, "new_lineage", p->new_lineage);
    rwd_json_put_uint(json, "switch_number", p->switch_number);
    rwd_json_put_int(json, "from", p->from);
    rwd_json_key(json, "to");
    if (p->to >= 0) rwd_json_int(json, p->to);
    else rwd_json_null(json);
    rwd_json_put_bool(json, "logic", p->has_logic);
    rwd_json_put_uint(json, "amendments", p->amendments);
    rwd_json_put_int(json, "differs_from", p->differs_from);
    rwd_json_put_string(json, "base", p->base);
    rwd_json_put_int(json, "base_offset", p->base_offset);
    rwd_json_put_int(json, "position", p->position);
    rwd_json_put_string(json, "checkpoint", p->old_checkpoint);
    rwd_json_put_bool(json, "rebuilt_old", p->rebuilt_old);
    rwd_json_put_uint(json, "records_read", p->records_read);
    rwd_json_put_uint(json, "records_from_journal", p->records_journal);
    rwd_json_put_seconds(json, "took_seconds", p->took_us * 1000);
    rwd_json_put_uint(json, "shadow_bytes", p->shadow_bytes);
    rwd_json_put_hash(json, "old_digest", p->old_digest);
    rwd_json_put_hash(json, "new_digest", p->new_digest);
    rwd_json_put_uint(json, "corrections", p->rows);
    rwd_json_put_hash(json, "corrections_hash", p->corrections);
    rwd_json_key(json, "outputs");
    rwd_json_array(json);
    for (size_t i = 0; i < p->sink_count; i++) {
        rwd_json_object(json);
        rwd_json_put_string(json, "output", p->sinks[i].target);
        rwd_json_put_string(json, "table", p->sinks[i].table);
        rwd_json_put_uint(json, "changed", p->sinks[i].changed);
        rwd_json_put_uint(json, "added", p->sinks[i].added);
        rwd_json_put_uint(json, "vanished", p->sinks[i].vanished);
        rwd_json_object_end(json);
    }
    rwd_json_array_end(json);
    rwd_json_key(json, "tables");
    rwd_json_array(json);
    for (size_t i = 0; i < p->table_count; i++) {
        const rwd_repair_table *t = &p->tables[i];
        rwd_json_object(json);
        rwd_json_put_string(json, "table", t->name);
        rwd_json_put_uint(json, "changed", t->changed);
        rwd_json_put_uint(json, "added", t->added);
        rwd_json_put_uint(json, "vanished", t->vanished);
        rwd_json_put_object(json, "columns");
        for (size_t c = 0; c < t->column_count; c++) {
            const char *texts[] = {t->columns[c].before, t->columns[c].after, t->columns[c].delta};
            rwd_json_put_object(json, t->columns[c].name);
            rwd_json_put_uint(json, "changed", t->columns[c].changed);
            for (int what = 0; what < 3; what++) {
                rwd_json_key(json, what == 0 ? "old" : what == 1 ? "new" : "delta");
                if (*texts[what]) rwd_json_raw(json, rwd_slice_str(texts[what]));
                else rwd_json_null(json);
            }
            rwd_json_object_end(json);
        }
        rwd_json_object_end(json);
        rwd_json_object_end(json);
    }
    rwd_json_array_end(json);
    rwd_json_put_uint(json, "dead_letters_new", p->dead_new);
    rwd_json_put_uint(json, "dead_letters_resolved", p->dead_resolved);
    rwd_json_key(json, "violations");
    rwd_json_array(json);
    for (size_t i = 0; i < p->violation_count; i++) {
        rwd_json_object(json);
        rwd_json_put_string(json, "table", p->violations[i].table);
        rwd_json_put_string(json, "check", p->violations[i].check);
        rwd_json_put_uint(json, "keys", p->violations[i].keys);
        rwd_json_put_string(json, "key", p->violations[i].key);
        rwd_json_put_string(json, "on_violation", p->violations[i].parks ? "park" : "alert");
        rwd_json_object_end(json);
    }
    rwd_json_array_end(json);
    rwd_json_put_uint(json, "transactions", p->transactions);
    rwd_json_put_uint(json, "rows_per_transaction", p->rows_per_transaction);
    rwd_json_put_seconds(json, "readers_wait_seconds", p->readers_wait_us * 1000);
    rwd_json_object_end(json);
}
