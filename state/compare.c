// Comparing two checkpoints (compare.h).
//
// What must stay true: a bucket is passed over only where both sides number and lay out the table alike and both digests say the same of it; both sides of a merge are in the order
// of the new side's store keys.
#include "state/compare.h"

#include <assert.h>
#include <stdlib.h>

#include "state/digest_file_private.h"
#include "state/reader_private.h"
#include "state/row.h"
#include "state/sort_private.h"

// ---------------------------------------------------------------------------------------------- matching tables
static bool same_parts(const rwd_schema *a, const rwd_schema *b) {
    if (a->part_count != b->part_count) return false;
    for (size_t i = 0; i < a->part_count; i++)
        if (a->parts[i].type != b->parts[i].type || a->parts[i].scale != b->parts[i].scale) return false;
    return true;
}

// The same bytes mean the same answer. Aggregates of plugins that were loaded twice are two: their names tell.
static bool same_cell(const rwd_column *a, const rwd_column *b) {
    bool takes = a->aggregate->takes_field;
    if (strcmp(a->aggregate->name, b->aggregate->name) != 0 || takes != b->aggregate->takes_field) return false;
    if (takes && (a->how.arg != b->how.arg || a->how.arg_scale != b->how.arg_scale)) return false;
    return a->size == b->size && !a->update == !b->update && memcmp(a->how.parameters, b->how.parameters, sizeof(a->how.parameters)) == 0;
}

static int16_t column_of(const rwd_schema *schema, const char *name) {
    for (size_t i = 0; i < schema->column_count; i++)
        if (strcmp(schema->columns[i].name, name) == 0) return (int16_t)i;
    return -1;
}

// Rows of sessions begin with their end.
static bool has_ends(const rwd_schema *schema) { return schema->window.kind == RWD_WINDOW_SESSION; }

static void match_columns(rwd_compare_pair *pair) {
    const rwd_schema *a = pair->old_schema, *b = pair->new_schema;
    bool same = a->column_count == b->column_count && has_ends(a) == has_ends(b);
    size_t found = 0;
    for (size_t i = 0; i < b->column_count; i++) {
        int16_t at = pair->old_column[i] = column_of(a, b->columns[i].name);
        found += at >= 0;
        pair->same_cell[i] = at >= 0 && same_cell(&a->columns[at], &b->columns[i]);
        same = same && at == (int16_t)i && pair->same_cell[i];
    }
    pair->lost_column = found < a->column_count;
    pair->same_rows = same && pair->same_keys;
}

static const rwd_schema *table_of(const rwd_schema *const *schemas, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(schemas[i]->name, name) == 0) return schemas[i];
    return NULL;
}

size_t rwd_compare_match(const rwd_schema *const *old_schemas, size_t old_count, const rwd_schema *const *new_schemas, size_t new_count, rwd_compare_pair *out) {
    size_t count = 0;
    for (size_t i = 0; i < new_count; i++) {
        rwd_compare_pair *pair = &out[count++];
        *pair = (rwd_compare_pair){.old_schema = table_of(old_schemas, old_count, new_schemas[i]->name), .new_schema = new_schemas[i]};
        if (!pair->old_schema) continue;
        pair->same_keys = same_parts(pair->old_schema, pair->new_schema);
        match_columns(pair);
    }
    for (size_t i = 0; i < old_count; i++)
        if (!table_of(new_schemas, new_count, old_schemas[i]->name)) out[count++] = (rwd_compare_pair){.old_schema = old_schemas[i]};
    return count;
}

// ---------------------------------------------------------------------------------------------- rows of two layouts
static rwd_slice answer_of(const rwd_schema *schema, size_t column, const uint8_t *row, rwd_buf *out) {
    rwd_buf_clear(out);
    rwd_row_append_json(schema, column, row, out);
    return rwd_buf_slice(out);
}

static bool ends_differ(const rwd_compare_pair *pair, const uint8_t *old_row, const uint8_t *new_row) {
    return has_ends(pair->old_schema) && has_ends(pair->new_schema) && memcmp(old_row, new_row, RWD_ROW_SESSION_BYTES) != 0;
}

bool rwd_compare_columns(const rwd_compare_pair *pair, const uint8_t *old_row, const uint8_t *new_row, bool *changed) {
    bool any = pair->lost_column || ends_differ(pair, old_row, new_row);
    rwd_buf old_text = {0}, new_text = {0};
    for (size_t i = 0; i < pair->new_schema->column_count; i++) {
        int16_t at = pair->old_column[i];
        if (at < 0) {
            changed[i] = true;
        } else if (pair->same_cell[i]) {
            changed[i] = !rwd_slice_equal(rwd_row_cell(pair->old_schema, (size_t)at, old_row), rwd_row_cell(pair->new_schema, i, new_row));
        } else {
            changed[i] = !rwd_slice_equal(answer_of(pair->old_schema, (size_t)at, old_row, &old_text), answer_of(pair->new_schema, i, new_row, &new_text));
        }
        any |= changed[i];
    }
    rwd_buf_deinit(&old_text);
    rwd_buf_deinit(&new_text);
    return any;
}

// ---------------------------------------------------------------------------------------------- merging
typedef struct comparing {
    const rwd_compare_options *options;
    rwd_compare_stats *stats;
    const rwd_compare_pair *pair;
    size_t index;              // of the pair
    rwd_store_scan *scan;      // of the new side; NULL: it has no such rows
    rwd_store_scan *short_old, *short_new;  // for ranges of few buckets, once there is one
    bool has_new;              // key and row of the new side that wait
    rwd_slice new_key, new_row;
    bool go_on;                // visit wants more
    bool differs[RWD_COLUMNS_MAX];
    rwd_error *err;
} comparing;

static bool check_row(const rwd_schema *schema, rwd_slice row, rwd_error *err) {
    if (rwd_row_check(schema, row)) return true;
    return rwd_fail(err, RWD_E_CORRUPT, "a row of table '%s' is not what its job makes", schema->name);
}

// False: an error.
static bool next_new(comparing *c) {
    c->has_new = c->scan && rwd_store_scan_next(c->scan, &c->new_key, &c->new_row);
    if (!c->has_new) return !c->scan || rwd_store_scan_ok(c->scan, c->err);
    c->stats->rows_read++;
    return rwd_reader_check_key(c->new_key, c->err);
}

static bool tell(comparing *c, rwd_slice store_key, rwd_slice old_row, rwd_slice new_row, bool differs) {
    if (old_row.data && !check_row(c->pair->old_schema, old_row, c->err)) return false;
    if (new_row.data && !check_row(c->pair->new_schema, new_row, c->err)) return false;
    // Another layout has other bytes for the same answers.
    if (differs && old_row.data && new_row.data && !c->pair->same_rows) differs = rwd_compare_columns(c->pair, old_row.data, new_row.data, c->differs);
    c->stats->differences += differs;
    if (!differs && !c->pair->every_row) return true;
    rwd_slice key = rwd_slice_of(store_key.data + RWD_STORE_KEY_PREFIX, store_key.size - RWD_STORE_KEY_PREFIX);
    c->go_on = c->options->visit(c->options->context, c->index, key, old_row, new_row);
    return true;
}

// All rows of the new side below `key` are the new side's own; NULL: all that are left.
static bool take_new_below(comparing *c, const rwd_slice *key) {
    while (c->go_on && c->has_new && (!key || rwd_slice_compare(c->new_key, *key) < 0))
        if (!tell(c, c->new_key, (rwd_slice){0}, c->new_row, true) || !next_new(c)) return false;
    return true;
}

// A row of the old side, under the store key that the new side would give it.
static bool take_old(comparing *c, rwd_slice key, rwd_slice row) {
    c->stats->rows_read++;
    if (!rwd_reader_check_key(key, c->err) || !take_new_below(c, &key)) return false;
    if (!c->go_on) return true;
    if (!c->has_new || !rwd_slice_equal(c->new_key, key)) return tell(c, key, row, (rwd_slice){0}, true);
    bool differs = !rwd_slice_equal(row, c->new_row) || !c->pair->same_rows;
    return tell(c, key, row, c->new_row, differs) && next_new(c);
}

// ---------------------------------------------------------------------------------------------- reading ranges of buckets
// [from, until): buckets. Few of them are read without reading far ahead, by a scan that is kept in `kept`.
static rwd_store_scan *scan_range(rwd_reader_db *side, uint16_t table, unsigned from, unsigned until, rwd_store_scan **kept) {
    uint8_t low[RWD_STORE_KEY_PREFIX], high[RWD_STORE_KEY_PREFIX];
    rwd_put_be16(low, table);
    rwd_put_be16(low + 2, (uint16_t)from);
    rwd_put_be16(high, (uint16_t)(until == RWD_BUCKETS ? table + 1 : table));
    rwd_put_be16(high + 2, (uint16_t)(until == RWD_BUCKETS ? 0 : until));
    if (until - from >= RWD_BUCKETS / 64) return rwd_store_scan_open(side->store, rwd_slice_of(low, sizeof(low)), rwd_slice_of(high, sizeof(high)));
    if (!*kept) *kept = rwd_store_scan_open_short(side->store);
    rwd_store_scan_range(*kept, rwd_slice_of(low, sizeof(low)), rwd_slice_of(high, sizeof(high)));
    return *kept;
}

static bool read_old(comparing *c, unsigned from, unsigned until) {
    if (!c->pair->old_schema) return true;
    rwd_store_scan *scan = scan_range(c->options->old_side, c->pair->old_schema->number, from, until, &c->short_old);
    rwd_slice key, row;
    bool ok = true;
    while (ok && c->go_on && rwd_store_scan_next(scan, &key, &row)) ok = take_old(c, key, row);
    ok = ok && rwd_store_scan_ok(scan, c->err);
    if (scan != c->short_old) rwd_store_scan_close(scan);
    return ok;
}

static bool open_new(comparing *c, unsigned from, unsigned until) {
    if (c->pair->new_schema) c->scan = scan_range(c->options->new_side, c->pair->new_schema->number, from, until, &c->short_new);
    return next_new(c);
}

static void close_new(comparing *c) {
    if (c->scan != c->short_new) rwd_store_scan_close(c->scan);
    c->scan = NULL;
    c->has_new = false;
}

static bool compare_range(comparing *c, unsigned from, unsigned until) {
    bool ok = open_new(c, from, until) && read_old(c, from, until) && take_new_below(c, NULL);
    close_new(c);
    return ok;
}

static bool compare_unequal(comparing *c, const bool *unequal) {
    bool ok = true;
    for (unsigned from = 0; ok && c->go_on && from < RWD_BUCKETS; from++) {
        if (!unequal[from]) continue;
        unsigned until = from + 1;
        while (until < RWD_BUCKETS && unequal[until]) until++;
        ok = compare_range(c, from, until);
        from = until;
    }
    return ok;
}

// ---------------------------------------------------------------------------------------------- another number: sorted first
typedef struct sorting {
    comparing *c;
    rwd_sort *sort;
    rwd_buf key;
    bool ok;
} sorting;

static bool sort_old(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    (void)table;
    sorting *s = context;
    uint8_t prefix[RWD_STORE_KEY_PREFIX];
    uint16_t number = s->c->pair->new_schema->number;
    rwd_store_key_prefix(prefix, number, rwd_key_hash(number, key));
    rwd_buf_clear(&s->key);
    rwd_buf_append(&s->key, prefix, sizeof(prefix));
    rwd_buf_append_slice(&s->key, key);
    s->ok = rwd_sort_add(s->sort, rwd_buf_slice(&s->key), row, s->c->err);
    return s->ok;
}

static bool take_sorted(void *context, rwd_slice key, rwd_slice row) {
    sorting *s = context;
    s->ok = take_old(s->c, key, row);
    return s->ok && s->c->go_on;
}

static bool compare_sorted(comparing *c) {
    sorting s = {.c = c, .sort = rwd_sort_new(c->options->memory, c->options->temp_dir), .ok = true};
    bool ok = rwd_state_scan(c->options->old_side, c->pair->old_schema->number, sort_old, &s, c->err) && s.ok;
    ok = ok && open_new(c, 0, RWD_BUCKETS) && rwd_sort_finish(s.sort, take_sorted, &s, c->err) && s.ok && take_new_below(c, NULL);
    close_new(c);
    rwd_sort_free(s.sort);
    rwd_buf_deinit(&s.key);
    return ok;
}

// ---------------------------------------------------------------------------------------------- all tables
// Where keys have other types a row of one side is never one of the other's.
static bool compare_apart(comparing *c) { return read_old(c, 0, RWD_BUCKETS) && open_new(c, 0, RWD_BUCKETS) && take_new_below(c, NULL); }

static bool compare_pair(comparing *c, const bool *unequal) {
    const rwd_compare_pair *pair = c->pair;
    if (!pair->old_schema || !pair->new_schema) return compare_range(c, 0, RWD_BUCKETS);
    if (!pair->same_keys) {
        bool ok = compare_apart(c);
        close_new(c);
        return ok;
    }
    if (pair->old_schema->number != pair->new_schema->number) return compare_sorted(c);
    return pair->same_rows && !pair->every_row ? compare_unequal(c, unequal) : compare_range(c, 0, RWD_BUCKETS);
}

static bool read_digests(const rwd_compare_options *options, bool *unequal, rwd_compare_stats *stats, rwd_error *err) {
    rwd_digest *digests = rwd_malloc(2 * sizeof(*digests));
    bool ok = rwd_state_stored_digest(options->old_side->dir, &digests[0], err) && rwd_state_stored_digest(options->new_side->dir, &digests[1], err);
    for (size_t i = 0; ok && i < RWD_BUCKETS; i++) {
        unequal[i] = !rwd_hash128_equal(digests[0].buckets[i], digests[1].buckets[i]);
        stats->buckets += unequal[i];
    }
    stats->same_digest = ok && stats->buckets == 0;
    free(digests);
    return ok;
}

bool rwd_compare_run(const rwd_compare_options *options, rwd_compare_stats *out, rwd_error *err) {
    bool unequal[RWD_BUCKETS];
    *out = (rwd_compare_stats){0};
    if (!read_digests(options, unequal, out, err)) return false;
    comparing c = {.options = options, .stats = out, .go_on = true, .err = err};
    bool ok = true;
    for (size_t i = 0; ok && c.go_on && i < options->pair_count; i++) {
        c.pair = &options->pairs[i];
        c.index = i;
        ok = compare_pair(&c, unequal);
    }
    rwd_store_scan_close(c.short_old);
    rwd_store_scan_close(c.short_new);
    return ok;
}
