// diff: what two states differ in.
//
// Keys are shown as they come, in the order of the store, up to --limit; all are counted.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/cli/cli_private.h"
#include "operator/cli/export_file.h"
#include "operator/cli/grid.h"
#include "operator/cli/output.h"
#include "operator/cli/render.h"
#include "operator/cli/side.h"
#include "operator/cli/signals.h"
#include "operator/repair/difference.h"
#include "operator/sink/row_text.h"
#include "state/compare.h"
#include "state/key_text.h"

#define DIFF_LIMIT 100
#define DIFF_ALIGN_ROWS 1000             // whose widths are looked at before they are shown
#define SORT_MEMORY ((size_t)64 << 20)

typedef struct diff {
    rwd_cli *cli;
    rwd_cli_side side[2];
    rwd_compare_pair *pairs;
    rwd_table_difference *tables;  // one for each pair
    size_t pair_count;
    rwd_row_difference rows;
    rwd_compare_stats stats;
    uint64_t left, shown, more;    // keys
    rwd_output out;
    rwd_grid grid;
    rwd_buf key, text, scratch;
    bool ok;
    rwd_error *err;
} diff;

static const char *change_of(const rwd_row_difference *rows) { return !rows->present[RWD_OLD] ? "added" : !rows->present[RWD_NEW] ? "vanished" : "changed"; }

// ---- one key

static void put_json(diff *d, const rwd_table_difference *table) {
    rwd_json_out json;
    rwd_json_init(&json, &d->out.text, false);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "table", table->name);
    rwd_json_key(&json, "key");
    rwd_json_slice(&json, rwd_buf_slice(&d->key));
    rwd_json_put_string(&json, "change", change_of(&d->rows));
    rwd_json_put_object(&json, "columns");
    for (size_t i = 0; i < table->column_count; i++) {
        if (!d->rows.changed[i]) continue;
        rwd_json_put_object(&json, table->columns[i].name);
        for (int side = 0; side < 2; side++) {
            rwd_buf_clear(&d->text);
            rwd_row_difference_json(&d->rows, i, (rwd_side)side, &d->text);
            rwd_json_key(&json, side == RWD_OLD ? "old" : "new");
            rwd_json_raw(&json, rwd_buf_slice(&d->text));
        }
        rwd_buf_clear(&d->text);
        rwd_json_key(&json, "delta");
        if (rwd_row_difference_delta(&d->rows, i, &d->text)) rwd_json_raw(&json, rwd_buf_slice(&d->text));
        else rwd_json_null(&json);
        rwd_json_object_end(&json);
    }
    rwd_json_object_end(&json);
    rwd_json_object_end(&json);
    rwd_buf_append_char(&d->out.text, '\n');
}

// What stands in a cell of the listing; a side that has no row is empty.
static rwd_slice cell_of(diff *d, size_t column, rwd_side side) {
    rwd_buf_clear(&d->text);
    if (!rwd_row_difference_text(&d->rows, column, side, &d->text) && d->rows.present[side] && !d->cli->csv) rwd_buf_append_str(&d->text, "null");
    return rwd_buf_slice(&d->text);
}

static rwd_slice delta_of(diff *d, size_t column) {
    rwd_buf_clear(&d->text);
    (void)rwd_row_difference_delta(&d->rows, column, &d->text);
    return rwd_buf_slice(&d->text);
}

static void put_csv(diff *d, const rwd_table_difference *table, const char *column, rwd_slice old_text, rwd_slice new_text, rwd_slice delta) {
    const rwd_slice cells[] = {rwd_slice_str(table->name), rwd_buf_slice(&d->key), rwd_slice_str(change_of(&d->rows)), rwd_slice_str(column), old_text, new_text, delta};
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        if (i) rwd_buf_append_char(&d->out.text, ',');
        rwd_csv_quote(&d->out.text, cells[i]);
    }
    rwd_buf_append_char(&d->out.text, '\n');
}

static void put_line(diff *d, const rwd_table_difference *table, const char *column, size_t index) {
    rwd_buf texts[3] = {0};
    bool any = index < table->column_count;
    if (any) {
        rwd_buf_append_slice(&texts[0], cell_of(d, index, RWD_OLD));
        rwd_buf_append_slice(&texts[1], cell_of(d, index, RWD_NEW));
        rwd_buf_append_slice(&texts[2], delta_of(d, index));
    }
    if (d->cli->csv) put_csv(d, table, column, rwd_buf_slice(&texts[0]), rwd_buf_slice(&texts[1]), rwd_buf_slice(&texts[2]));
    else {
        rwd_grid_text(&d->grid, table->name);
        rwd_grid_cell(&d->grid, rwd_buf_slice(&d->key));
        rwd_grid_text(&d->grid, change_of(&d->rows));
        rwd_grid_text(&d->grid, column);
        for (size_t i = 0; i < 3; i++) rwd_grid_cell(&d->grid, rwd_buf_slice(&texts[i]));
    }
    for (size_t i = 0; i < 3; i++) rwd_buf_deinit(&texts[i]);
}

// A line for each column that changed. Rows can differ in what they remember and answer alike: such a key is named without a column.
static bool put_key(diff *d, const rwd_table_difference *table, rwd_slice key) {
    const rwd_job_table *shape = table->table[d->rows.present[RWD_NEW] ? RWD_NEW : RWD_OLD];
    rwd_buf_clear(&d->key);
    if (!rwd_key_write_text(&shape->schema, key, &d->scratch, &d->key)) return rwd_fail(d->err, RWD_E_CORRUPT, "table %s: a key is none of this table's", table->name);
    d->shown++;
    if (d->cli->json) put_json(d, table);
    else if (!d->rows.any) put_line(d, table, "", table->column_count);
    for (size_t i = 0; i < table->column_count && !d->cli->json; i++)
        if (d->rows.changed[i]) put_line(d, table, table->columns[i].name, i);
    if (!d->cli->json && !d->cli->csv && rwd_grid_rows(&d->grid) > DIFF_ALIGN_ROWS) rwd_grid_flush(&d->grid, &d->out.text);
    return rwd_output_step(&d->out, d->err);
}

// The rows in hand differ.
static bool show_key(diff *d, rwd_table_difference *table, rwd_slice key) {
    rwd_row_difference_count(&d->rows, table);
    if (d->left == 0) {
        d->more++;
        return true;
    }
    d->left -= d->left != UINT64_MAX;
    d->ok = put_key(d, table, key);
    return d->ok;
}

static bool see(void *context, size_t pair, rwd_slice key, rwd_slice old_row, rwd_slice new_row) {
    diff *d = context;
    d->ok = rwd_row_difference_open(&d->rows, &d->tables[pair], key, old_row, new_row, d->err);
    return d->ok && show_key(d, &d->tables[pair], key);
}

// ---- what is compared

static const rwd_job_table *table_at(const rwd_job *job, const rwd_schema *schema) { return schema ? &job->tables[schema->number] : NULL; }

static bool wanted(const diff *d, const rwd_compare_pair *pair) {
    const char *only = d->cli->in->values[RWD_FLAG_ID_TABLE];
    return !only || strcmp(only, (pair->new_schema ? pair->new_schema : pair->old_schema)->name) == 0;
}

static bool match(diff *d, rwd_error *err) {
    const rwd_schema *schemas[2][RWD_TABLES_MAX];
    uint16_t table;
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < d->side[side].job->table_count; i++) schemas[side][i] = &d->side[side].job->tables[i].schema;
    d->pairs = rwd_calloc(RWD_COMPARE_PAIRS_MAX, sizeof(*d->pairs));
    size_t count = rwd_compare_match(schemas[0], d->side[0].job->table_count, schemas[1], d->side[1].job->table_count, d->pairs);
    for (size_t i = 0; i < count; i++)
        if (wanted(d, &d->pairs[i])) d->pairs[d->pair_count++] = d->pairs[i];
    if (d->pair_count == 0) return rwd_find_table(d->side[1].job, d->cli->in->values[RWD_FLAG_ID_TABLE], &table, err);
    d->tables = rwd_calloc(d->pair_count, sizeof(*d->tables));
    for (size_t i = 0; i < d->pair_count; i++)
        rwd_table_difference_init(&d->tables[i], table_at(d->side[0].job, d->pairs[i].old_schema), table_at(d->side[1].job, d->pairs[i].new_schema));
    return true;
}

static void temporary_folder(char out[RWD_PATH_MAX]) {
    const char *folder = getenv("TMPDIR");
    (void)snprintf(out, RWD_PATH_MAX, "%.4000s", folder && *folder ? folder : "/var/tmp");
}

static bool compare_all(diff *d, rwd_error *err) {
    char folder[RWD_PATH_MAX];
    temporary_folder(folder);
    rwd_compare_options options = {.old_side = d->side[0].state, .new_side = d->side[1].state, .pairs = d->pairs, .pair_count = d->pair_count, .memory = SORT_MEMORY, .temp_dir = folder,
                                   .visit = see, .context = d};
    return rwd_compare_run(&options, &d->stats, err) && d->ok;
}

// --key: its two rows are asked for.
static bool encode_key(diff *d, const rwd_schema *schema, rwd_slice text, uint8_t bytes[RWD_KEY_BYTES_MAX], rwd_slice *out, rwd_error *err) {
    rwd_value parts[RWD_KEY_PARTS_MAX];
    size_t size = rwd_key_read_text(schema, text, &d->scratch, parts) ? rwd_key_encode(schema, parts, bytes) : 0;
    *out = rwd_slice_of(bytes, size);
    if (size > 0) return true;
    (void)rwd_fail(err, RWD_E_USAGE, "'%.*s' is no key of table '%s'", (int)(text.size < 200 ? text.size : 200), (const char *)text.data, schema->name);
    return rwd_error_next(err, "give it as output records have it: a text as it is; of several fields a JSON array, --key '[\"DE\",7]'");
}

static bool get_side(diff *d, const rwd_schema *schema, int side, rwd_slice text, rwd_buf *key, rwd_buf *row, bool *out_found, rwd_error *err) {
    uint8_t bytes[RWD_KEY_BYTES_MAX];
    rwd_slice encoded;
    *out_found = false;
    if (!schema) return true;
    if (!encode_key(d, schema, text, bytes, &encoded, err)) return false;
    rwd_buf_clear(key);
    rwd_buf_append_slice(key, encoded);
    return rwd_state_get(d->side[side].state, schema->number, encoded, out_found, row, err);
}

static bool compare_key(diff *d, const char *text, rwd_error *err) {
    const rwd_compare_pair *pair = &d->pairs[0];
    uint16_t table;
    rwd_buf key = {0}, rows[2] = {0};
    bool found[2];
    if (d->pair_count != 1) return rwd_find_table(d->side[1].job, NULL, &table, err);
    bool ok = get_side(d, pair->old_schema, 0, rwd_slice_str(text), &key, &rows[0], &found[0], err) && get_side(d, pair->new_schema, 1, rwd_slice_str(text), &key, &rows[1], &found[1], err);
    if (ok && !found[0] && !found[1]) ok = rwd_fail(err, RWD_E_NOT_FOUND, "table '%s' has no key '%s' on either side", d->tables[0].name, text);
    rwd_slice none = {0}, a = ok && found[0] ? rwd_buf_slice(&rows[0]) : none, b = ok && found[1] ? rwd_buf_slice(&rows[1]) : none;
    bool differs = ok && (!found[0] || !found[1] || !pair->same_rows || !rwd_slice_equal(a, b));
    if (differs) ok = see(d, 0, rwd_buf_slice(&key), a, b) || d->ok;
    rwd_buf_deinit(&key);
    for (int side = 0; side < 2; side++) rwd_buf_deinit(&rows[side]);
    return ok;
}

// ---- beside an export

// The state's rows come in order of keys and are merged with the file's.
typedef struct beside {
    diff *d;
    rwd_export_file file;
    rwd_side side;           // that is the file
    rwd_slice only;          // --key, encoded; data NULL: all
} beside;

static bool tell_beside(beside *b, rwd_slice key, rwd_slice row, const rwd_slice *tokens) {
    diff *d = b->d;
    if (b->only.data && !rwd_slice_equal(key, b->only)) return true;
    d->stats.rows_read += (row.data != NULL) + (tokens != NULL);
    d->ok = rwd_row_difference_open_text(&d->rows, &d->tables[0], key, row, b->side, tokens, d->err);
    if (!d->ok || (row.data && tokens && !d->rows.any)) return d->ok;
    return show_key(d, &d->tables[0], key);
}

// Rows of the file below `key`; NULL: all that are left.
static bool file_below(beside *b, const rwd_slice *key) {
    diff *d = b->d;
    while (d->ok && b->file.key_size && (!key || rwd_slice_compare(rwd_slice_of(b->file.key, b->file.key_size), *key) < 0))
        d->ok = tell_beside(b, rwd_slice_of(b->file.key, b->file.key_size), (rwd_slice){0}, b->file.tokens) && rwd_export_file_next(&b->file, d->err);
    return d->ok;
}

static bool row_beside(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    (void)table;
    beside *b = context;
    diff *d = b->d;
    if (!file_below(b, &key)) return false;
    bool both = b->file.key_size && rwd_slice_equal(rwd_slice_of(b->file.key, b->file.key_size), key);
    d->ok = tell_beside(b, key, row, both ? b->file.tokens : NULL);
    if (d->ok && both) d->ok = rwd_export_file_next(&b->file, d->err);
    return d->ok;
}

static bool compare_beside(diff *d, rwd_error *err) {
    rwd_side side = d->side[0].is_file ? RWD_OLD : RWD_NEW;
    const rwd_cli_side *state = &d->side[side == RWD_OLD ? 1 : 0];
    const char *key = d->cli->in->values[RWD_FLAG_ID_KEY];
    uint8_t only[RWD_KEY_BYTES_MAX];
    uint16_t number;
    char folder[RWD_PATH_MAX];
    beside *b = rwd_calloc(1, sizeof(*b));
    *b = (beside){.d = d, .side = side, .file = {.fd = -1}};
    temporary_folder(folder);
    bool ok = rwd_find_table(state->job, d->cli->in->values[RWD_FLAG_ID_TABLE], &number, err);
    const rwd_job_table *table = ok ? &state->job->tables[number] : NULL;
    if (ok) {
        d->tables = rwd_calloc(1, sizeof(*d->tables));
        d->pair_count = 1;
        rwd_table_difference_init(&d->tables[0], table, table);
        if (key) ok = encode_key(d, &table->schema, rwd_slice_str(key), only, &b->only, err);
    }
    ok = ok && rwd_export_file_open(d->side[side].io, d->side[side].word, table, &b->file, err) && rwd_export_file_next(&b->file, err);
    ok = ok && rwd_state_scan_sorted(state->state, number, SORT_MEMORY, folder, row_beside, b, err) && d->ok && file_below(b, NULL);
    rwd_export_file_close(&b->file);
    free(b);
    return ok;
}

// ---- what it comes to

static uint64_t keys_of(const diff *d) {
    uint64_t keys = 0;
    for (size_t i = 0; i < d->pair_count; i++) keys += d->tables[i].changed + d->tables[i].added + d->tables[i].vanished;
    return keys;
}

static bool with_file(const diff *d) { return d->side[0].is_file || d->side[1].is_file; }

// Ids that are remembered, open dead letters: in the digest, in no table.
static bool rest_differs(const diff *d) {
    bool all = !rwd_given(d->cli->in, RWD_FLAG_ID_TABLE) && !rwd_given(d->cli->in, RWD_FLAG_ID_KEY) && !with_file(d);
    return all && d->stats.same_digest && !rwd_hash128_equal(d->side[0].checkpoint.digest, d->side[1].checkpoint.digest);
}

static void put_side_json(rwd_json_out *json, const char *name, const rwd_cli_side *side) {
    rwd_json_put_object(json, name);
    rwd_json_put_string(json, "side", side->word);
    if (side->is_file) {
        rwd_json_object_end(json);
        return;
    }
    rwd_json_put_string(json, "checkpoint", side->checkpoint.id);
    rwd_json_put_int(json, "next_offset", side->checkpoint.facts.next_offset);
    rwd_json_put_hash(json, "digest", side->checkpoint.digest);
    rwd_json_object_end(json);
}

static void put_raw(rwd_json_out *json, const char *key, bool known, rwd_buf *text) {
    rwd_json_key(json, key);
    if (known) rwd_json_raw(json, rwd_buf_slice(text));
    else rwd_json_null(json);
    rwd_buf_clear(text);
}

static void put_totals_json(rwd_json_out *json, const rwd_table_difference *table, rwd_buf *text) {
    rwd_json_object(json);
    rwd_json_put_string(json, "table", table->name);
    rwd_json_put_uint(json, "changed", table->changed);
    rwd_json_put_uint(json, "added", table->added);
    rwd_json_put_uint(json, "vanished", table->vanished);
    rwd_json_put_object(json, "columns");
    for (size_t i = 0; i < table->column_count; i++) {
        const rwd_column_difference *column = &table->columns[i];
        if (column->changed == 0) continue;
        rwd_json_put_object(json, column->name);
        rwd_json_put_uint(json, "changed", column->changed);
        rwd_buf_clear(text);
        put_raw(json, "old", rwd_column_difference_sum(column, RWD_OLD, text), text);
        put_raw(json, "new", rwd_column_difference_sum(column, RWD_NEW, text), text);
        put_raw(json, "delta", rwd_column_difference_delta(column, text), text);
        rwd_json_object_end(json);
    }
    rwd_json_object_end(json);
    rwd_json_object_end(json);
}

static void put_summary_json(diff *d, bool equal) {
    rwd_json_out json;
    rwd_json_init(&json, &d->out.text, false);
    rwd_json_object(&json);
    rwd_json_put_object(&json, "summary");
    rwd_json_put_bool(&json, "equal", equal);
    put_side_json(&json, "old", &d->side[0]);
    put_side_json(&json, "new", &d->side[1]);
    rwd_json_put_uint(&json, "keys", keys_of(d));
    rwd_json_put_uint(&json, "shown", d->shown);
    rwd_json_put_bool(&json, "rest_differs", rest_differs(d));
    rwd_json_key(&json, "tables");
    rwd_json_array(&json);
    for (size_t i = 0; i < d->pair_count; i++) put_totals_json(&json, &d->tables[i], &d->text);
    rwd_json_array_end(&json);
    rwd_json_put_uint(&json, "buckets_read", d->stats.buckets);
    rwd_json_put_uint(&json, "rows_read", d->stats.rows_read);
    rwd_json_object_end(&json);
    rwd_json_object_end(&json);
    rwd_buf_append_char(&d->out.text, '\n');
}

static void put_side(diff *d, const char *name, const rwd_cli_side *side) {
    char digest[RWD_HASH128_HEX];
    if (side->is_file) {
        rwd_buf_appendf(&d->out.text, "%s  %s: an export\n", name, side->word);
        return;
    }
    rwd_hash128_hex(side->checkpoint.digest, digest);
    rwd_buf_appendf(&d->out.text, "%s  %s: checkpoint %s at offset %" PRId64 ", digest %s\n", name, side->word, side->checkpoint.id, side->checkpoint.facts.next_offset, digest);
}

void rwd_render_table_difference(const rwd_table_difference *table, rwd_buf *out) {
    rwd_grid grid;
    rwd_buf text = {0};
    static const char *const titles[] = {"", "rows", "old", "new", "delta"};
    rwd_buf_appendf(out, "%s: %" PRIu64 " changed, %" PRIu64 " added, %" PRIu64 " vanished\n", table->name, table->changed, table->added, table->vanished);
    rwd_grid_init(&grid);
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) rwd_grid_column(&grid, titles[i], i > 0);
    size_t lines = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        const rwd_column_difference *column = &table->columns[i];
        if (column->changed == 0) continue;
        lines++;
        rwd_buf_clear(&text);
        rwd_buf_appendf(&text, "  %s", column->name);
        rwd_grid_cell(&grid, rwd_buf_slice(&text));
        rwd_grid_int(&grid, (int64_t)column->changed);
        for (int what = 0; what < 3; what++) {
            rwd_buf_clear(&text);
            if (what < 2) (void)rwd_column_difference_sum(column, (rwd_side)what, &text);
            else (void)rwd_column_difference_delta(column, &text);
            rwd_grid_cell(&grid, rwd_buf_slice(&text));
        }
    }
    if (lines) rwd_grid_flush(&grid, out);
    rwd_grid_deinit(&grid);
    rwd_buf_deinit(&text);
}

static void put_summary(diff *d, bool equal) {
    rwd_buf *out = &d->out.text;
    rwd_grid_flush(&d->grid, out);
    if (d->shown) rwd_buf_append_char(out, '\n');
    if (d->more) rwd_buf_appendf(out, "%" PRIu64 " more keys are not shown: --limit 0 shows all\n\n", d->more);
    put_side(d, "old", &d->side[0]);
    put_side(d, "new", &d->side[1]);
    for (size_t i = 0; i < d->pair_count; i++)
        if (d->tables[i].changed + d->tables[i].added + d->tables[i].vanished > 0) rwd_render_table_difference(&d->tables[i], out);
    if (equal) rwd_buf_append_str(out, "equal\n");
    else if (rest_differs(d)) rwd_buf_append_str(out, "all rows are equal; what is remembered beside them (ids of events, open dead letters) differs\n");
}

static bool finish(diff *d, rwd_error *err) {
    bool equal = keys_of(d) == 0 && !rest_differs(d);
    if (d->cli->json) put_summary_json(d, equal);
    else if (!d->cli->csv) put_summary(d, equal);
    if (!equal) d->cli->exit_code = RWD_EXIT_DIFFERENT;
    return rwd_output_commit(&d->out, err);
}

static void begin(diff *d) {
    static const char *const titles[] = {"table", "key", "change", "column", "old", "new", "delta"};
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        if (d->cli->csv) rwd_buf_appendf(&d->out.text, "%s%s", i ? "," : "", titles[i]);
        else rwd_grid_column(&d->grid, titles[i], i > 3);
    }
    if (d->cli->csv) rwd_buf_append_char(&d->out.text, '\n');
}

static bool run(diff *d, rwd_error *err) {
    const char *key = d->cli->in->values[RWD_FLAG_ID_KEY];
    begin(d);
    if (d->side[0].is_file && d->side[1].is_file) {
        (void)rwd_fail(err, RWD_E_USAGE, "both are files: one side is a state, which says what their columns are");
        return rwd_error_next(err, "exports of equal rows are equal bytes: cmp, or diff, tells");
    }
    if (with_file(d)) return compare_beside(d, err) && finish(d, err);
    return match(d, err) && (key ? compare_key(d, key, err) : compare_all(d, err)) && finish(d, err);
}

bool rwd_run_diff(rwd_cli *cli, rwd_error *err) {
    rwd_place place = {0};
    uint64_t limit = rwd_count_of(cli->in, RWD_FLAG_ID_LIMIT, DIFF_LIMIT);
    bool named = cli->in->job || cli->in->values[RWD_FLAG_ID_DATA];
    if (rwd_given(cli->in, RWD_FLAG_ID_WHY)) rwd_signals_block();
    if (named && !rwd_place_find(cli, &place, err)) return false;
    diff *d = rwd_calloc(1, sizeof(*d));
    *d = (diff){.cli = cli, .left = limit ? limit : UINT64_MAX, .ok = true, .err = err};
    rwd_grid_init(&d->grid);
    bool ok = true;
    for (int side = 0; side < 2 && ok; side++) ok = rwd_cli_side_open(cli, named ? &place : NULL, cli->in->args[side], &d->side[side], err);
    bool why = rwd_given(cli->in, RWD_FLAG_ID_WHY);
    if (ok && why) ok = rwd_diff_why(cli, &place, d->side, err);
    else ok = ok && rwd_output_open(d->side[0].io, cli->in->values[RWD_FLAG_ID_FILE], &d->out, err);
    if (ok && !why) {
        ok = run(d, err);
        rwd_output_close(&d->out);
    }
    for (size_t i = 0; i < d->pair_count; i++) rwd_table_difference_deinit(&d->tables[i]);
    for (int side = 0; side < 2; side++) rwd_cli_side_close(&d->side[side]);
    rwd_row_difference_deinit(&d->rows);
    rwd_grid_deinit(&d->grid);
    rwd_buf_deinit(&d->key);
    rwd_buf_deinit(&d->text);
    rwd_buf_deinit(&d->scratch);
    free(d->tables);
    free(d->pairs);
    free(d);
    rwd_place_deinit(&place);
    return ok;
}
