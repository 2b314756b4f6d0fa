// A checkpoint's tables with other columns (migrate.h).
//
// Keys keep their order, so rows go from a scan into one sorted file, which the new store takes in whole.
#include "state/migrate.h"

#include <assert.h>
#include <stdlib.h>

#include "state/digest_file_private.h"
#include "state/reader.h"
#include "state/row.h"
#include "state/store_private.h"
#include "state/tables_private.h"

#define MIGRATE_CACHE (8u << 20)

// ---- a row

static rwd_slice tail_of(const rwd_schema *schema, const uint8_t *row, size_t column) {
    size_t at = schema->row_size;
    for (size_t i = 0; i < column; i++)
        if (!schema->columns[i].update) at += rwd_get_le32(row + schema->columns[i].offset);
    return rwd_slice_of(row + at, rwd_get_le32(row + schema->columns[column].offset));
}

bool rwd_row_migrate(const rwd_migration *how, rwd_slice row, rwd_buf *out, rwd_error *err) {
    const rwd_schema *from = how->from, *to = how->to;
    assert(from);
    if (!rwd_row_check(from, row)) return rwd_fail(err, RWD_E_CORRUPT, "a row of table '%s' is not as its columns say", from->name);
    rwd_buf_clear(out);
    rwd_buf_reserve(out, to->row_size);
    memset(out->data, 0, to->row_size);
    out->size = to->row_size;
    if (to->window.kind == RWD_WINDOW_SESSION) memcpy(out->data, row.data, RWD_ROW_SESSION_BYTES);
    for (size_t i = 0; i < to->column_count; i++) {
        if (how->before[i] < 0) continue;
        const rwd_column *now = &to->columns[i], *was = &from->columns[how->before[i]];
        assert(now->size == was->size);
        memcpy(out->data + now->offset, row.data + was->offset, was->size);
        if (!was->update) rwd_buf_append_slice(out, tail_of(from, row.data, (size_t)how->before[i]));
    }
    return out->size <= RWD_ROW_BYTES_MAX || rwd_fail(err, RWD_E_TOO_LARGE, "a row of table '%s' would have %zu bytes with its new aggregates, of %d at most", to->name, out->size, RWD_ROW_BYTES_MAX);
}

// ---- all of them

typedef struct migrating {
    const rwd_migration *tables;
    size_t count;
    rwd_store *store;
    rwd_store_file *file;    // opened for the first row
    char incoming[RWD_PATH_MAX];
    rwd_digest digest;
    uint64_t keys[RWD_TABLES_MAX];
    rwd_buf entry;           // store key, and the row behind it
    rwd_buf row;
    rwd_error *err;
    bool failed;
} migrating;

static bool put(migrating *m, uint16_t table, rwd_slice key, rwd_slice row) {
    uint64_t hash = rwd_key_hash(table, key);
    uint8_t prefix[RWD_STORE_KEY_PREFIX];
    rwd_store_key_prefix(prefix, table, hash);
    rwd_buf_clear(&m->entry);
    rwd_buf_append(&m->entry, prefix, sizeof(prefix));
    rwd_buf_append_slice(&m->entry, key);
    size_t key_size = m->entry.size;
    rwd_buf_append_slice(&m->entry, row);
    rwd_digest_add(&m->digest, rwd_hash_bucket(hash), rwd_digest_entry(m->entry.data, m->entry.size, key_size));
    m->keys[table]++;
    if (!m->file && !rwd_store_file_begin(m->store, m->incoming, &m->file, m->err)) return false;
    return rwd_store_file_put(m->file, rwd_slice_of(m->entry.data, key_size), row, m->err);
}

// A list of open sessions stays as it is, under the number that its table gives it now.
static bool migrate_list(migrating *m, uint16_t table, rwd_slice key, rwd_slice row) {
    for (size_t t = 0; t < m->count; t++) {
        const rwd_migration *how = &m->tables[t];
        if (how->from && how->from->window.kind == RWD_WINDOW_SESSION && how->from->sessions == table) return put(m, how->to->sessions, key, row);
    }
    return rwd_fail(m->err, RWD_E_CORRUPT, "the store holds a row of table %u, which the earlier logic has not", table);
}

// Its tables, and the lists of open sessions.
static size_t numbers(const migrating *m) {
    size_t count = m->count;
    for (size_t t = 0; t < m->count; t++) count += m->tables[t].to->window.kind == RWD_WINDOW_SESSION;
    return count;
}

static bool migrate_row(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    migrating *m = context;
    if (table >= m->count || !m->tables[table].from) m->failed = !migrate_list(m, table, key, row);
    else m->failed = !rwd_row_migrate(&m->tables[table], row, &m->row, m->err) || !put(m, table, key, rwd_buf_slice(&m->row));
    return !m->failed;
}

static bool migrate_rows(migrating *m, const char *from_dir) {
    rwd_reader_db *reader;
    if (!rwd_state_open(from_dir, &reader, m->err)) return false;
    bool ok = rwd_state_scan(reader, -1, migrate_row, m, m->err) && !m->failed;
    rwd_state_close(reader);
    rwd_store_file *file = m->file;
    m->file = NULL;
    if (ok && file) return rwd_store_file_ingest(file, m->err);
    rwd_store_file_abandon(file);
    return ok;
}

bool rwd_state_migrate(const char *from_dir, const char *to_dir, const rwd_migration *tables, size_t count, rwd_error *err) {
    char store_dir[RWD_PATH_MAX];
    migrating *m = rwd_calloc(1, sizeof(*m));
    m->tables = tables;
    m->count = count;
    m->err = err;
    bool ok = rwd_path_join(store_dir, to_dir, RWD_TABLES_FOLDER, err) && rwd_path_join(m->incoming, to_dir, RWD_INCOMING_FILE, err) &&
              rwd_store_open(store_dir, RWD_STORE_CREATE, MIGRATE_CACHE, &m->store, err);
    if (ok) {
        ok = migrate_rows(m, from_dir) && rwd_digest_file_write(to_dir, &m->digest, m->keys, numbers(m), err);
        rwd_store_close(m->store);
    }
    rwd_buf_deinit(&m->entry);
    rwd_buf_deinit(&m->row);
    free(m);
    return ok;
}
