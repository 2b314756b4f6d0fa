// Reading the tables of a checkpoint. See reader.h.
//
// What must stay true: nothing is created or changed below the checkpoint's folder.
#include "state/reader.h"

#include <assert.h>
#include <stdlib.h>

#include "state/digest_file_private.h"
#include "state/reader_private.h"
#include "state/sort_private.h"
#include "state/tables_private.h"

#define READER_CACHE (8u << 20)

bool rwd_state_open(const char *dir, rwd_reader_db **out, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_store *store;
    if (!rwd_path_join(path, dir, RWD_TABLES_FOLDER, err) || !rwd_store_open(path, RWD_STORE_READ_ONLY, READER_CACHE, &store, err))
        return false;
    *out = rwd_calloc(1, sizeof **out);
    (*out)->store = store;
    memcpy((*out)->dir, dir, strlen(dir) + 1);  // shorter than `path`
    return true;
}

void rwd_state_close(rwd_reader_db *reader) {
    if (!reader) return;
    rwd_store_close(reader->store);
    free(reader);
}

bool rwd_state_get(rwd_reader_db *reader, uint16_t table, rwd_slice key, bool *out_found, rwd_buf *out, rwd_error *err) {
    rwd_buf store_key = {0};
    uint8_t prefix[RWD_STORE_KEY_PREFIX];
    rwd_store_key_prefix(prefix, table, rwd_key_hash(table, key));
    rwd_buf_append(&store_key, prefix, sizeof prefix);
    rwd_buf_append_slice(&store_key, key);
    bool worked = rwd_store_get(reader->store, rwd_buf_slice(&store_key), out_found, out, err);
    rwd_buf_deinit(&store_key);
    return worked;
}

bool rwd_reader_check_key(rwd_slice key, rwd_error *err) {
    if (key.size >= RWD_STORE_KEY_PREFIX && rwd_get_be16(key.data) < RWD_TABLES_MAX && rwd_get_be16(key.data + 2) < RWD_BUCKETS)
        return true;
    return rwd_fail(err, RWD_E_CORRUPT, "the store holds a key that is not a table's");
}

static rwd_store_scan *open_scan(rwd_reader_db *reader, int table) {
    if (table < 0) return rwd_store_scan_open(reader->store, (rwd_slice){0}, (rwd_slice){0});
    uint8_t from[2], until[2];
    rwd_put_be16(from, (uint16_t)table);
    rwd_put_be16(until, (uint16_t)(table + 1));
    return rwd_store_scan_open(reader->store, rwd_slice_of(from, 2), rwd_slice_of(until, 2));
}

bool rwd_state_scan(rwd_reader_db *reader, int table, rwd_row_visit visit, void *context, rwd_error *err) {
    assert(table < RWD_TABLES_MAX);
    rwd_store_scan *scan = open_scan(reader, table);
    rwd_slice key, row;
    bool worked = true, go_on = true;
    while (worked && go_on && rwd_store_scan_next(scan, &key, &row)) {
        worked = rwd_reader_check_key(key, err);
        if (!worked) break;
        rwd_slice own = rwd_slice_of(key.data + RWD_STORE_KEY_PREFIX, key.size - RWD_STORE_KEY_PREFIX);
        go_on = visit(context, rwd_get_be16(key.data), own, row);
    }
    if (worked && go_on) worked = rwd_store_scan_ok(scan, err);
    rwd_store_scan_close(scan);
    return worked;
}

// ---------------------------------------------------------------------------------------------- in key order
typedef struct sorting {
    rwd_sort *sort;
    rwd_error *err;
    bool failed;
    rwd_row_visit visit;
    void *context;
    uint16_t table;
} sorting;

static bool add_row(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    (void)table;
    sorting *s = context;
    s->failed = !rwd_sort_add(s->sort, key, row, s->err);
    return !s->failed;
}

static bool pass_row(void *context, rwd_slice key, rwd_slice row) {
    sorting *s = context;
    return s->visit(s->context, s->table, key, row);
}

bool rwd_state_scan_sorted(rwd_reader_db *reader, uint16_t table, size_t memory, const char *temp_dir, rwd_row_visit visit,
                           void *context, rwd_error *err) {
    sorting s = {.sort = rwd_sort_new(memory, temp_dir), .err = err, .visit = visit, .context = context, .table = table};
    bool worked =
        rwd_state_scan(reader, table, add_row, &s, err) && !s.failed && rwd_sort_finish(s.sort, pass_row, &s, err);
    rwd_sort_free(s.sort);
    return worked;
}

// ---------------------------------------------------------------------------------------------- digest
bool rwd_state_stored_digest(const char *dir, rwd_digest *out, rwd_error *err) {
    uint64_t keys[RWD_TABLES_MAX];
    size_t tables;
    return rwd_digest_file_read(dir, out, keys, &tables, err);
}

typedef struct digesting {
    rwd_digest *digest;
    uint64_t keys;
    rwd_buf entry;
} digesting;

// The bucket is worked out from the key, not taken from the stored prefix: a row in a wrong bucket is found.
static bool digest_row(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    digesting *d = context;
    uint64_t hash = rwd_key_hash(table, key);
    uint8_t prefix[RWD_STORE_KEY_PREFIX];
    rwd_store_key_prefix(prefix, table, hash);
    rwd_buf_clear(&d->entry);
    rwd_buf_append(&d->entry, prefix, sizeof prefix);
    rwd_buf_append_slice(&d->entry, key);
    rwd_buf_append_slice(&d->entry, row);
    rwd_digest_add(d->digest, rwd_hash_bucket(hash), rwd_digest_entry(d->entry.data, d->entry.size, sizeof prefix + key.size));
    d->keys++;
    return true;
}

bool rwd_state_scan_digest(rwd_reader_db *reader, rwd_digest *out, uint64_t *out_keys, rwd_error *err) {
    memset(out, 0, sizeof *out);
    digesting d = {.digest = out};
    bool worked = rwd_state_scan(reader, -1, digest_row, &d, err);
    rwd_buf_deinit(&d.entry);
    *out_keys = d.keys;
    return worked;
}
