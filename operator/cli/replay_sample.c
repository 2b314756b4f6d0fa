// A sample of another history beside the same sample of the job's own (replay.h): keys that differ, sums, the largest changes, invariants.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/cli/render.h"
#include "operator/cli/replay.h"
#include "operator/config/invariants.h"
#include "state/compare.h"
#include "state/key_text.h"

#define LARGEST_SHOWN 10
#define SORT_MEMORY ((size_t)16 << 20)

typedef struct change {
    double size;
    const char *table, *column;  // borrowed
    rwd_buf key, texts[3];       // old, new, delta
} change;

typedef struct comparing {
    const rwd_job *jobs[2];
    rwd_compare_pair *pairs;
    rwd_table_difference *tables;
    size_t pair_count;
    rwd_row_difference rows;
    rwd_answers answers;
    rwd_invariant_tally *tallies;  // of the new side's job
    change largest[LARGEST_SHOWN];  // the greatest first
    size_t shown;
    rwd_buf scratch;
    bool ok;
    rwd_error *err;
} comparing;

static void change_deinit(change *c) {
    rwd_buf_deinit(&c->key);
    for (size_t i = 0; i < 3; i++) rwd_buf_deinit(&c->texts[i]);
}

// A place among the largest, or NULL. Of equal ones the first stays ahead.
static change *place_for(comparing *c, double size) {
    size_t at = c->shown;
    while (at > 0 && size > c->largest[at - 1].size) at--;
    if (at == LARGEST_SHOWN) return NULL;
    if (c->shown == LARGEST_SHOWN) change_deinit(&c->largest[--c->shown]);
    memmove(&c->largest[at + 1], &c->largest[at], (c->shown - at) * sizeof(*c->largest));
    c->shown++;
    c->largest[at] = (change){.size = size};
    return &c->largest[at];
}

static bool note_largest(comparing *c, const rwd_table_difference *table, rwd_slice key) {
    const rwd_job_table *shape = table->table[c->rows.present[RWD_NEW] ? RWD_NEW : RWD_OLD];
    for (size_t i = 0; i < table->column_count; i++) {
        if (!c->rows.changed[i] || !table->columns[i].number) continue;
        change *at = place_for(c, fabs(rwd_row_difference_size(&c->rows, i)));
        if (!at) continue;
        at->table = table->name;
        at->column = table->columns[i].name;
        if (!rwd_key_write_text(&shape->schema, key, &c->scratch, &at->key)) return rwd_fail(c->err, RWD_E_CORRUPT, "table %s: a key is none of this table's", table->name);
        for (int side = 0; side < 2; side++) rwd_row_difference_json(&c->rows, i, (rwd_side)side, &at->texts[side]);
        (void)rwd_row_difference_delta(&c->rows, i, &at->texts[2]);
    }
    return true;
}

static bool tally(comparing *c, const rwd_compare_pair *pair, rwd_slice key, rwd_slice old_row, rwd_slice new_row) {
    if (!pair->new_schema || !pair->same_rows || !rwd_invariants_has(c->jobs[1], pair->new_schema->number)) return true;
    return rwd_invariants_tally(c->tallies, &c->answers, c->jobs[1], pair->new_schema->number, key, old_row.data, (uint32_t)old_row.size, new_row.data, (uint32_t)new_row.size, c->err);
}

static bool see(void *context, size_t pair, rwd_slice key, rwd_slice old_row, rwd_slice new_row) {
    comparing *c = context;
    rwd_table_difference *table = &c->tables[pair];
    c->ok = rwd_row_difference_open(&c->rows, table, key, old_row, new_row, c->err);
    if (!c->ok) return false;
    rwd_row_difference_count(&c->rows, table);
    c->ok = note_largest(c, table, key) && tally(c, &c->pairs[pair], key, old_row, new_row);
    return c->ok;
}

// ---- shown

static void put_largest(const comparing *c, rwd_buf *out) {
    rwd_grid grid;
    static const char *const titles[] = {"table", "key", "column", "old", "new", "delta"};
    if (c->shown == 0) return;
    rwd_buf_append_str(out, "largest changes\n");
    rwd_grid_init(&grid);
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) rwd_grid_column(&grid, titles[i], i > 2);
    for (size_t i = 0; i < c->shown; i++) {
        const change *at = &c->largest[i];
        rwd_grid_text(&grid, at->table);
        rwd_grid_cell(&grid, rwd_buf_slice(&at->key));
        rwd_grid_text(&grid, at->column);
        for (size_t t = 0; t < 3; t++) rwd_grid_cell(&grid, rwd_buf_slice(&at->texts[t]));
    }
    rwd_grid_flush(&grid, out);
    rwd_grid_deinit(&grid);
}

static void put_text(const comparing *c, rwd_buf *out) {
    uint64_t keys = 0;
    rwd_buf name = {0};
    for (size_t i = 0; i < c->pair_count; i++) keys += c->tables[i].changed + c->tables[i].added + c->tables[i].vanished;
    rwd_buf_appendf(out, "of the sampled keys %" PRIu64 " differ from the job's own history\n", keys);
    for (size_t i = 0; i < c->pair_count; i++)
        if (c->tables[i].changed + c->tables[i].added + c->tables[i].vanished > 0) rwd_render_table_difference(&c->tables[i], out);
    put_largest(c, out);
    for (size_t i = 0; i < c->jobs[1]->invariant_count; i++) {
        const rwd_invariant_tally *t = &c->tallies[i];
        if (t->before + t->after == 0) continue;
        rwd_buf_clear(&name);
        rwd_invariant_text(c->jobs[1], i, &name);
        rwd_buf_appendf(out, "invariant %s: violated by %" PRIu64 " of the keys that differ, before by %" PRIu64 "\n", rwd_buf_cstr(&name), t->after, t->before);
    }
    rwd_buf_deinit(&name);
}

static void put_raw(rwd_json_out *json, const char *key, const rwd_buf *text) {
    rwd_json_key(json, key);
    if (text->size > 0) rwd_json_raw(json, rwd_buf_slice(text));
    else rwd_json_null(json);
}

static void put_changes_json(const comparing *c, rwd_json_out *json) {
    rwd_json_key(json, "largest");
    rwd_json_array(json);
    for (size_t i = 0; i < c->shown; i++) {
        const change *at = &c->largest[i];
        rwd_json_object(json);
        rwd_json_put_string(json, "table", at->table);
        rwd_json_key(json, "key");
        rwd_json_slice(json, rwd_buf_slice(&at->key));
        rwd_json_put_string(json, "column", at->column);
        put_raw(json, "old", &at->texts[0]);
        put_raw(json, "new", &at->texts[1]);
        put_raw(json, "delta", &at->texts[2]);
        rwd_json_object_end(json);
    }
    rwd_json_array_end(json);
}

static void put_json(const comparing *c, rwd_json_out *json) {
    rwd_buf name = {0};
    rwd_json_key(json, "tables");
    rwd_json_array(json);
    for (size_t i = 0; i < c->pair_count; i++) {
        rwd_json_object(json);
        rwd_json_put_string(json, "table", c->tables[i].name);
        rwd_json_put_uint(json, "changed", c->tables[i].changed);
        rwd_json_put_uint(json, "added", c->tables[i].added);
        rwd_json_put_uint(json, "vanished", c->tables[i].vanished);
        rwd_json_object_end(json);
    }
    rwd_json_array_end(json);
    put_changes_json(c, json);
    rwd_json_key(json, "invariants");
    rwd_json_array(json);
    for (size_t i = 0; i < c->jobs[1]->invariant_count; i++) {
        rwd_buf_clear(&name);
        rwd_invariant_text(c->jobs[1], i, &name);
        rwd_json_object(json);
        rwd_json_put_string(json, "invariant", rwd_buf_cstr(&name));
        rwd_json_put_uint(json, "violated_before", c->tallies[i].before);
        rwd_json_put_uint(json, "violated", c->tallies[i].after);
        rwd_json_object_end(json);
    }
    rwd_json_array_end(json);
    rwd_buf_deinit(&name);
}

// ---- compared

static bool find_jobs(const rwd_replay *r, const rwd_shadow *old_side, const rwd_shadow *new_side, comparing *c) {
    return rwd_logics_job(r->logics, rwd_shadow_checkpoint(old_side)->facts.fingerprint, &c->jobs[0], c->err) &&
           rwd_logics_job(r->logics, rwd_shadow_checkpoint(new_side)->facts.fingerprint, &c->jobs[1], c->err);
}

static void match(comparing *c) {
    const rwd_schema *schemas[2][RWD_TABLES_MAX];
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < c->jobs[side]->table_count; i++) schemas[side][i] = &c->jobs[side]->tables[i].schema;
    c->pairs = rwd_calloc(RWD_COMPARE_PAIRS_MAX, sizeof(*c->pairs));
    c->pair_count = rwd_compare_match(schemas[0], c->jobs[0]->table_count, schemas[1], c->jobs[1]->table_count, c->pairs);
    c->tables = rwd_calloc(c->pair_count + 1, sizeof(*c->tables));
    for (size_t i = 0; i < c->pair_count; i++) {
        const rwd_schema *old = c->pairs[i].old_schema, *now = c->pairs[i].new_schema;
        rwd_table_difference_init(&c->tables[i], old ? &c->jobs[0]->tables[old->number] : NULL, now ? &c->jobs[1]->tables[now->number] : NULL);
    }
    c->tallies = rwd_calloc(c->jobs[1]->invariant_count + 1, sizeof(*c->tallies));
}

static bool run(const rwd_replay *r, comparing *c, const char *old_dir, const char *new_dir) {
    rwd_reader_db *sides[2] = {NULL, NULL};
    rwd_compare_stats stats;
    bool ok = rwd_state_open(old_dir, &sides[0], c->err) && rwd_state_open(new_dir, &sides[1], c->err);
    rwd_compare_options options = {.old_side = sides[0], .new_side = sides[1], .pairs = c->pairs, .pair_count = c->pair_count, .memory = SORT_MEMORY, .temp_dir = r->folder,
                                   .visit = see, .context = c};
    ok = ok && rwd_compare_run(&options, &stats, c->err) && c->ok;
    for (int side = 0; side < 2; side++) rwd_state_close(sides[side]);
    return ok;
}

bool rwd_replay_compare(const rwd_replay *r, const rwd_shadow *old_side, const rwd_shadow *new_side, rwd_json_out *json, rwd_buf *out, rwd_error *err) {
    comparing *c = rwd_calloc(1, sizeof(*c));
    *c = (comparing){.ok = true, .err = err};
    bool ok = find_jobs(r, old_side, new_side, c);
    if (ok) {
        match(c);
        ok = run(r, c, rwd_shadow_dir(old_side), rwd_shadow_dir(new_side));
    }
    if (ok && json) put_json(c, json);
    else if (ok) put_text(c, out);
    for (size_t i = 0; i < c->shown; i++) change_deinit(&c->largest[i]);
    for (size_t i = 0; i < c->pair_count; i++) rwd_table_difference_deinit(&c->tables[i]);
    rwd_row_difference_deinit(&c->rows);
    rwd_answers_deinit(&c->answers);
    rwd_buf_deinit(&c->scratch);
    free(c->tables);
    free(c->pairs);
    free(c->tallies);
    free(c);
    return ok;
}
