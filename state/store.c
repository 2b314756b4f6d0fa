// The door to RocksDB: options, errors and lifetimes of its objects stay in this file.
//
// What must stay true: nothing is written but by ingestion; with the log off and the memtable empty, a checkpoint of the
// store holds every ingested file (a checkpoint with a log size other than 0 would leave unflushed data out in silence).
#include "state/store_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rocksdb/c.h>

#include "operator/base/fs.h"
#include "operator/base/time.h"

#define SCAN_READAHEAD (1u << 20)
#define SHORT_READAHEAD (32u << 10)
#define LOG_BYTES_MAX (1u << 20)
#define LOG_FILES_MAX 2
#define OPEN_FILES_MAX 512
#define MANIFEST_BYTES_MAX (4u << 20)
#define RUNS_TO_COMPACT 8
#define MANY_MAX 256                     // keys of one call into RocksDB
#define OPEN_ROOM (6ull << 20)           // RocksDB sets aside some 5 MiB of the disk for its manifest and logs

struct rwd_store {
    char path[RWD_PATH_MAX];
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_env_t *env;
    rocksdb_readoptions_t *read;
    rocksdb_readoptions_t *scan;
    rocksdb_ingestexternalfileoptions_t *ingest;
    rocksdb_envoptions_t *file_env;
    rocksdb_column_family_handle_t *family;
    rocksdb_compactionfilter_t *drop;  // NULL: none
    rwd_store_filter filter;
    rocksdb_t *db;
};

struct rwd_store_file {
    rwd_store *store;
    rocksdb_sstfilewriter_t *writer;
    char path[RWD_PATH_MAX];
};

struct rwd_store_scan {
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *iterator;
    rwd_buf until;
    bool started;
    bool ends_itself;  // the iterator knows no bound: the scan looks
    rwd_store *store;
};

// ---------------------------------------------------------------------------------------------- errors
static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

// Translates and frees RocksDB's message. Always false.
static bool store_fail(const rwd_store *store, char *message, const char *what, rwd_error *err) {
    rwd_code code = RWD_E_IO;
    if (begins(message, "Corruption")) code = RWD_E_CORRUPT;
    else if (strstr(message, "No space left") || strstr(message, "NoSpace")) code = RWD_E_DISK_FULL;
    else if (strstr(message, "ermission denied") || strstr(message, "Read-only file system")) code = RWD_E_PERMISSION;
    rwd_fail(err, code, "%s: %s", what, message);
    rocksdb_free(message);
    return rwd_error_at(err, "%s", store->path);
}

// ---------------------------------------------------------------------------------------------- open and close
// Measured with rows of 58 bytes, 2 M keys: LZ4 costs the writer a fifth more CPU and saves two thirds of the bytes, which are synced, hashed,
// verified at start and read back: more than it costs. Larger blocks would write and scan a little faster, but a miss decompresses a whole
// one: with 16 KiB a state four times the memory gets 76 k touches/s, with 8 KiB 95 k, with 4 KiB 90 to 110 k and a tenth more bytes.
// The filter saves a miss from looking into every run; 10 bits let one in a hundred through.
//
// The cache is one piece. In shards of half a MiB, as RocksDB makes them, it holds no filter of more than that (400 k keys): each look-up would read the whole of it again.
static rocksdb_cache_t *new_cache(uint64_t bytes) {
    rocksdb_lru_cache_options_t *options = rocksdb_lru_cache_options_create();
    rocksdb_lru_cache_options_set_capacity(options, bytes);
    rocksdb_lru_cache_options_set_num_shard_bits(options, 0);
    rocksdb_cache_t *cache = rocksdb_cache_create_lru_opts(options);
    rocksdb_lru_cache_options_destroy(options);
    return cache;
}

static void set_table_options(rwd_store *store, uint64_t cache_bytes) {
    store->cache = new_cache(cache_bytes);
    store->table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(store->table, store->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(store->table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(store->table, 1);
    rocksdb_block_based_options_set_format_version(store->table, 5);
    rocksdb_block_based_options_set_block_size(store->table, 8 << 10);
    rocksdb_block_based_options_set_whole_key_filtering(store->table, 1);
    rocksdb_block_based_options_set_filter_policy(store->table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(store->options, store->table);
    rocksdb_options_set_compression(store->options, rocksdb_lz4_compression);
}

// Compaction runs behind the pipeline's back on the same two cores: one thread. It keeps its CPU priority: at a lower one it holds
// RocksDB's lock while it waits for a core, and on a busy machine checkpoints then took seconds instead of a tenth of one.
//
// Every file that compaction writes must be hashed again by the next checkpoint, so the rewriting is what counts. Measured over 30 checkpoints
// of a store of 2 M keys, bytes of new files per byte checkpointed: with 1 % of the keys dirty each time, universal 1.9, leveled 7.4; with 10 %,
// universal with a trigger of 4 runs 2.7, 8 runs 2.0, 16 runs 1.4 (and twice the files to merge in a scan), leveled 2.0 to 3.1.
static void set_background_options(rwd_store *store) {
    store->env = rocksdb_create_default_env();
    rocksdb_env_set_background_threads(store->env, 1);
    rocksdb_env_set_high_priority_background_threads(store->env, 1);
    rocksdb_options_set_env(store->options, store->env);
    rocksdb_options_set_max_background_jobs(store->options, 2);
    rocksdb_options_set_max_subcompactions(store->options, 1);
    rocksdb_options_set_compaction_style(store->options, rocksdb_universal_compaction);
    rocksdb_options_set_level0_file_num_compaction_trigger(store->options, RUNS_TO_COMPACT);
}

static void set_housekeeping_options(rwd_store *store, rwd_store_mode mode) {
    rocksdb_options_t *o = store->options;
    rocksdb_options_set_create_if_missing(o, mode == RWD_STORE_CREATE);
    rocksdb_options_set_error_if_exists(o, mode == RWD_STORE_CREATE);
    rocksdb_options_set_paranoid_checks(o, 1);
    rocksdb_options_set_info_log_level(o, 3);  // errors
    rocksdb_options_set_max_log_file_size(o, LOG_BYTES_MAX);
    rocksdb_options_set_keep_log_file_num(o, LOG_FILES_MAX);
    rocksdb_options_set_max_manifest_file_size(o, MANIFEST_BYTES_MAX);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    rocksdb_options_set_max_open_files(o, OPEN_FILES_MAX);
    // The memtable stays empty; it still allocates a first block.
    rocksdb_options_set_write_buffer_size(o, 1 << 20);
    rocksdb_options_set_arena_block_size(o, 4 << 10);
    // Opening must not read every file: recovery waits for it.
    rocksdb_options_set_skip_stats_update_on_db_open(o, 1);
    rocksdb_options_set_skip_checking_sst_file_sizes_on_db_open(o, 1);
}

static void set_operation_options(rwd_store *store) {
    store->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(store->read, 1);
    store->ingest = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(store->ingest, 1);
    rocksdb_ingestexternalfileoptions_set_allow_blocking_flush(store->ingest, 0);
    store->file_env = rocksdb_envoptions_create();
}

// RocksDB built with assertions, as Debian's is, ends the process when its own log cannot be written.
static bool has_room(const rwd_store *store, rwd_store_mode mode, rwd_error *err) {
    uint64_t free_bytes;
    char have[RWD_TIME_TEXT_MAX], want[RWD_TIME_TEXT_MAX];
    rwd_error ignored;
    if (mode == RWD_STORE_READ_ONLY || !rwd_disk_free(store->path, &free_bytes, &ignored) || free_bytes >= OPEN_ROOM) return true;
    rwd_size_text(free_bytes, have);
    rwd_size_text(OPEN_ROOM, want);
    (void)rwd_fail(err, RWD_E_DISK_FULL, "no space left to open the state: %s are free, and it takes up to %s", have, want);
    (void)rwd_error_next(err, "free space there: df -h %s", store->path);
    return rwd_error_at(err, "%s", store->path);
}

static rocksdb_t *open_db(rwd_store *store, rwd_store_mode mode, char **message) {
    const char *names[] = {"default"};
    const rocksdb_options_t *options[] = {store->options};
    if (mode == RWD_STORE_READ_ONLY)
        return rocksdb_open_for_read_only_column_families(store->options, store->path, 1, names, options, &store->family, 0, message);
    return rocksdb_open_column_families(store->options, store->path, 1, names, options, &store->family, message);
}

static unsigned char drops(void *state, int level, const char *key, size_t key_size, const char *value, size_t value_size, char **new_value,
                           size_t *new_size, unsigned char *changed) {
    (void)level, (void)new_value, (void)new_size, (void)changed;
    const rwd_store_filter *filter = state;
    return filter->is_done(filter->context, rwd_slice_of(key, key_size), rwd_slice_of(value, value_size));
}
static void no_destructor(void *state) { (void)state; }
static const char *filter_name(void *state) {
    (void)state;
    return "done";
}

static void set_filter(rwd_store *store, const rwd_store_filter *filter) {
    if (!filter) return;
    store->filter = *filter;
    store->drop = rocksdb_compactionfilter_create(&store->filter, no_destructor, drops, filter_name);
    rocksdb_options_set_compaction_filter(store->options, store->drop);
}

bool rwd_store_open(const char *dir, rwd_store_mode mode, uint64_t cache_bytes, rwd_store **out, rwd_error *err) {
    return rwd_store_open_filtered(dir, mode, cache_bytes, NULL, out, err);
}

bool rwd_store_open_filtered(const char *dir, rwd_store_mode mode, uint64_t cache_bytes, const rwd_store_filter *filter, rwd_store **out,
                             rwd_error *err) {
    rwd_store *store = rwd_calloc(1, sizeof *store);
    if ((size_t)snprintf(store->path, sizeof store->path, "%s", dir) >= sizeof store->path) {
        free(store);
        return rwd_fail(err, RWD_E_USAGE, "the path is longer than %d bytes", RWD_PATH_MAX);
    }
    store->options = rocksdb_options_create();
    set_table_options(store, cache_bytes);
    set_background_options(store);
    set_housekeeping_options(store, mode);
    set_operation_options(store);
    set_filter(store, filter);
    char *message = NULL;
    if (has_room(store, mode, err)) {
        store->db = open_db(store, mode, &message);
        if (store->db) {
            *out = store;
            return true;
        }
        store_fail(store, message, "cannot open the store", err);
    }
    rwd_store_close(store);
    return false;
}

void rwd_store_close(rwd_store *store) {
    if (!store) return;
    if (store->db) {
        rocksdb_cancel_all_background_work(store->db, 1);
        rocksdb_column_family_handle_destroy(store->family);
        rocksdb_close(store->db);
    }
    rocksdb_envoptions_destroy(store->file_env);
    rocksdb_ingestexternalfileoptions_destroy(store->ingest);
    rocksdb_readoptions_destroy(store->read);
    rocksdb_options_destroy(store->options);
    if (store->drop) rocksdb_compactionfilter_destroy(store->drop);
    rocksdb_block_based_options_destroy(store->table);
    rocksdb_cache_destroy(store->cache);
    rocksdb_env_destroy(store->env);
    free(store);
}

// ---------------------------------------------------------------------------------------------- reading
bool rwd_store_get(rwd_store *store, rwd_slice key, bool *out_found, rwd_buf *out, rwd_error *err) {
    char *message = NULL;
    rocksdb_pinnableslice_t *value =
        rocksdb_get_pinned_cf(store->db, store->read, store->family, (const char *)key.data, key.size, &message);
    if (message) return store_fail(store, message, "cannot read a key", err);
    *out_found = value != NULL;
    if (!value) return true;
    size_t size;
    const char *bytes = rocksdb_pinnableslice_value(value, &size);
    rwd_buf_append(out, bytes, size);
    rocksdb_pinnableslice_destroy(value);
    return true;
}

// One call into RocksDB. `*go_on` is false when visit stopped.
static bool get_some(rwd_store *store, const rwd_slice *keys, size_t first, size_t count, rwd_store_visit visit, void *context,
                     bool *go_on, rwd_error *err) {
    const char *data[MANY_MAX];
    size_t sizes[MANY_MAX];
    rocksdb_pinnableslice_t *values[MANY_MAX];
    char *messages[MANY_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        data[i] = (const char *)keys[first + i].data;
        sizes[i] = keys[first + i].size;
    }
    rocksdb_batched_multi_get_cf(store->db, store->read, store->family, count, data, sizes, values, messages, true);
    bool worked = true;
    for (size_t i = 0; i < count; i++) {
        if (messages[i]) {
            if (worked) worked = store_fail(store, messages[i], "cannot read a key", err);
            else rocksdb_free(messages[i]);
            continue;
        }
        rwd_slice value = {0};
        if (values[i]) value.data = (const uint8_t *)rocksdb_pinnableslice_value(values[i], &value.size);
        if (worked && *go_on) *go_on = visit(context, first + i, value);
        if (values[i]) rocksdb_pinnableslice_destroy(values[i]);
    }
    return worked;
}

bool rwd_store_get_many(rwd_store *store, const rwd_slice *keys, size_t count, rwd_store_visit visit, void *context,
                        rwd_error *err) {
    bool go_on = true;
    for (size_t first = 0; first < count && go_on; first += MANY_MAX) {
        size_t some = count - first < MANY_MAX ? count - first : MANY_MAX;
        if (!get_some(store, keys, first, some, visit, context, &go_on, err)) return false;
    }
    return true;
}

static rwd_store_scan *new_scan(rwd_store *store, size_t readahead) {
    rwd_store_scan *scan = rwd_calloc(1, sizeof *scan);
    scan->store = store;
    scan->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(scan->options, 1);
    rocksdb_readoptions_set_fill_cache(scan->options, 0);
    rocksdb_readoptions_set_readahead_size(scan->options, readahead);
    rocksdb_readoptions_set_background_purge_on_iterator_cleanup(scan->options, 0);
    return scan;
}

static void begin_at(rwd_store_scan *scan, rwd_slice from) {
    if (from.size) rocksdb_iter_seek(scan->iterator, (const char *)from.data, from.size);
    else rocksdb_iter_seek_to_first(scan->iterator);
    scan->started = false;
}

rwd_store_scan *rwd_store_scan_open(rwd_store *store, rwd_slice from, rwd_slice until) {
    rwd_store_scan *scan = new_scan(store, SCAN_READAHEAD);
    if (until.size) {
        rwd_buf_append_slice(&scan->until, until);
        rocksdb_readoptions_set_iterate_upper_bound(scan->options, (const char *)scan->until.data, scan->until.size);
    }
    scan->iterator = rocksdb_create_iterator_cf(store->db, scan->options, store->family);
    begin_at(scan, from);
    return scan;
}

rwd_store_scan *rwd_store_scan_open_short(rwd_store *store) {
    rwd_store_scan *scan = new_scan(store, SHORT_READAHEAD);
    scan->ends_itself = true;
    scan->iterator = rocksdb_create_iterator_cf(store->db, scan->options, store->family);
    return scan;
}

void rwd_store_scan_range(rwd_store_scan *scan, rwd_slice from, rwd_slice until) {
    assert(scan->ends_itself);
    rwd_buf_clear(&scan->until);
    rwd_buf_append_slice(&scan->until, until);
    begin_at(scan, from);
}

bool rwd_store_scan_next(rwd_store_scan *scan, rwd_slice *out_key, rwd_slice *out_value) {
    if (scan->started && rocksdb_iter_valid(scan->iterator)) rocksdb_iter_next(scan->iterator);
    scan->started = true;
    if (!rocksdb_iter_valid(scan->iterator)) return false;
    out_key->data = (const uint8_t *)rocksdb_iter_key(scan->iterator, &out_key->size);
    if (scan->ends_itself && rwd_slice_compare(*out_key, rwd_buf_slice(&scan->until)) >= 0) return false;
    out_value->data = (const uint8_t *)rocksdb_iter_value(scan->iterator, &out_value->size);
    return true;
}

bool rwd_store_scan_ok(rwd_store_scan *scan, rwd_error *err) {
    char *message = NULL;
    rocksdb_iter_get_error(scan->iterator, &message);
    return message ? store_fail(scan->store, message, "cannot read on", err) : true;
}

void rwd_store_scan_close(rwd_store_scan *scan) {
    if (!scan) return;
    rocksdb_iter_destroy(scan->iterator);
    rocksdb_readoptions_destroy(scan->options);
    rwd_buf_deinit(&scan->until);
    free(scan);
}

// ---------------------------------------------------------------------------------------------- writing
bool rwd_store_file_begin(rwd_store *store, const char *path, rwd_store_file **out, rwd_error *err) {
    rwd_store_file *file = rwd_calloc(1, sizeof *file);
    file->store = store;
    snprintf(file->path, sizeof file->path, "%s", path);
    file->writer = rocksdb_sstfilewriter_create(store->file_env, store->options);
    char *message = NULL;
    rocksdb_sstfilewriter_open(file->writer, path, &message);
    if (message) {
        store_fail(store, message, "cannot create a state file", err);
        rwd_store_file_abandon(file);
        return false;
    }
    *out = file;
    return true;
}

bool rwd_store_file_put(rwd_store_file *file, rwd_slice key, rwd_slice value, rwd_error *err) {
    char *message = NULL;
    rocksdb_sstfilewriter_put(file->writer, (const char *)key.data, key.size, (const char *)value.data, value.size, &message);
    return message ? store_fail(file->store, message, "cannot write a state file", err) : true;
}

bool rwd_store_file_delete(rwd_store_file *file, rwd_slice key, rwd_error *err) {
    char *message = NULL;
    rocksdb_sstfilewriter_delete(file->writer, (const char *)key.data, key.size, &message);
    return message ? store_fail(file->store, message, "cannot write a state file", err) : true;
}

bool rwd_store_file_delete_range(rwd_store_file *file, rwd_slice from, rwd_slice until, rwd_error *err) {
    char *message = NULL;
    rocksdb_sstfilewriter_delete_range(file->writer, (const char *)from.data, from.size, (const char *)until.data, until.size, &message);
    return message ? store_fail(file->store, message, "cannot write a state file", err) : true;
}

static void end_file(rwd_store_file *file) {
    rocksdb_sstfilewriter_destroy(file->writer);
    free(file);
}

bool rwd_store_file_ingest(rwd_store_file *file, rwd_error *err) {
    rwd_store *store = file->store;
    char *message = NULL;
    const char *paths[] = {file->path};
    rocksdb_sstfilewriter_finish(file->writer, &message);
    if (!message) rocksdb_ingest_external_file_cf(store->db, store->family, paths, 1, store->ingest, &message);
    if (message) {
        rwd_store_file_abandon(file);
        return store_fail(store, message, "cannot bring a state file into the store", err);
    }
    end_file(file);
    return true;
}

void rwd_store_file_abandon(rwd_store_file *file) {
    if (!file) return;
    unlink(file->path);
    end_file(file);
}

bool rwd_store_checkpoint(rwd_store *store, const char *dir, rwd_error *err) {
    char *message = NULL;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(store->db, &message);
    if (message) return store_fail(store, message, "cannot begin a checkpoint of the store", err);
    rocksdb_checkpoint_create(checkpoint, dir, 0, &message);
    rocksdb_checkpoint_object_destroy(checkpoint);
    return message ? store_fail(store, message, "cannot write a checkpoint of the store", err) : true;
}

static uint64_t property(rwd_store *store, const char *name) {
    uint64_t value = 0;
    return rocksdb_property_int(store->db, name, &value) == 0 ? value : 0;
}

uint64_t rwd_store_memory(rwd_store *store) {
    return rocksdb_cache_get_usage(store->cache) + property(store, "rocksdb.estimate-table-readers-mem") +
           property(store, "rocksdb.cur-size-all-mem-tables");
}

void rwd_store_count_memory(rwd_store *store, rwd_budget *budget, uint64_t *counted) {
    uint64_t now = rwd_store_memory(store);
    if (now > *counted) rwd_budget_take(budget, RWD_SHARE_STORE, now - *counted);
    else rwd_budget_give(budget, RWD_SHARE_STORE, *counted - now);
    *counted = now;
}

void rwd_store_get_shape(rwd_store *store, rwd_store_shape *out) {
    *out = (rwd_store_shape){
        .bytes = property(store, "rocksdb.live-sst-files-size"),
        .pending_bytes = property(store, "rocksdb.estimate-pending-compaction-bytes"),
        .compacting = property(store, "rocksdb.num-running-compactions") != 0,
    };
    for (int level = 0; level < 7; level++) {
        char name[64];
        snprintf(name, sizeof name, "rocksdb.num-files-at-level%d", level);
        char *text = rocksdb_property_value(store->db, name);
        if (text) out->files += strtoull(text, NULL, 10);
        rocksdb_free(text);
    }
}
