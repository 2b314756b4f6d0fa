// The durable keyed store behind the hot tables: RocksDB, and nothing of it shows here.
//
// There is no write-ahead log and nothing is ever put into the memtable: all that enters is a sorted file, ingested whole (K2).
// Store keys are ordered by bytes. Blocks are checked against their checksums on every read.
//
// Errors: damaged bytes are CORRUPT, a full disk DISK_FULL, refusals PERMISSION, all else IO.
//
// Thread: reads from any thread; `begin`..`ingest` and `checkpoint` from one thread at a time; open and close alone.
#ifndef STATE_STORE_PRIVATE_H
#define STATE_STORE_PRIVATE_H

#include "operator/base/bytes.h"
#include "state/budget.h"

typedef struct rwd_store rwd_store;
typedef struct rwd_store_file rwd_store_file;
typedef struct rwd_store_scan rwd_store_scan;

typedef enum rwd_store_mode {
    RWD_STORE_CREATE,     // a new, empty store; `dir` must not hold one
    RWD_STORE_OPEN,       // one that exists, to read and to ingest into; compaction runs
    RWD_STORE_READ_ONLY,  // creates and changes nothing in `dir`
} rwd_store_mode;

// `cache_bytes`: what RocksDB may hold in memory.
RWD_MUST bool rwd_store_open(const char *dir, rwd_store_mode mode, uint64_t cache_bytes, rwd_store **out, rwd_error *err);
// The same, and compaction drops entries of which `is_done` says so. It runs on RocksDB's thread, at any time until close.
typedef struct rwd_store_filter {
    bool (*is_done)(void *context, rwd_slice key, rwd_slice value);
    void *context;
} rwd_store_filter;
RWD_MUST bool rwd_store_open_filtered(const char *dir, rwd_store_mode mode, uint64_t cache_bytes, const rwd_store_filter *filter, rwd_store **out,
                                      rwd_error *err);
void rwd_store_close(rwd_store *store);

// Makes the folder `to` (must not exist) a store of its own with the same content: table files are linked, for they never change; the
// rest is copied (K4).
RWD_MUST bool rwd_store_copy(const char *from, const char *to, rwd_error *err);

// ------------------------------------------------------------------ reading
RWD_MUST bool rwd_store_get(rwd_store *store, rwd_slice key, bool *out_found, rwd_buf *out, rwd_error *err);
// Reads many keys, sorted and without doubles. `visit` is called for each in order; `value.data` is NULL where there is none. It returns
// false to stop: then the function returns true, early.
typedef bool (*rwd_store_visit)(void *context, size_t index, rwd_slice value);
RWD_MUST bool rwd_store_get_many(rwd_store *store, const rwd_slice *keys, size_t count, rwd_store_visit visit, void *context,
                                 rwd_error *err);

// All entries with from <= key < until (both may be empty slices: no bound), in order, as they stood when the scan began.
rwd_store_scan *rwd_store_scan_open(rwd_store *store, rwd_slice from, rwd_slice until);
// For short ranges, one after the other, each begun with `range`: nothing is read far ahead of what is asked for, and what it takes to begin is paid once. All of them as the store stood
// when it was opened.
rwd_store_scan *rwd_store_scan_open_short(rwd_store *store);
void rwd_store_scan_range(rwd_store_scan *scan, rwd_slice from, rwd_slice until);
// The next entry, *borrowed* until the next call; false at the end or on an error.
bool rwd_store_scan_next(rwd_store_scan *scan, rwd_slice *out_key, rwd_slice *out_value);
// After scan_next returned false: true if it was the end.
RWD_MUST bool rwd_store_scan_ok(rwd_store_scan *scan, rwd_error *err);
void rwd_store_scan_close(rwd_store_scan *scan);

// ------------------------------------------------------------------ writing
// Begins a sorted file at `path`. Keys must come in rising order.
RWD_MUST bool rwd_store_file_begin(rwd_store *store, const char *path, rwd_store_file **out, rwd_error *err);
RWD_MUST bool rwd_store_file_put(rwd_store_file *file, rwd_slice key, rwd_slice value, rwd_error *err);
RWD_MUST bool rwd_store_file_delete(rwd_store_file *file, rwd_slice key, rwd_error *err);
// Deletes all keys from <= key < until that the store holds before the file comes; keys of the file itself must lie outside.
RWD_MUST bool rwd_store_file_delete_range(rwd_store_file *file, rwd_slice from, rwd_slice until, rwd_error *err);
// Completes the file, moves it into the store, and ends `file` (whatever the result). At least one key must be in it.
RWD_MUST bool rwd_store_file_ingest(rwd_store_file *file, rwd_error *err);
void rwd_store_file_abandon(rwd_store_file *file);
// Makes `dir` (must not exist) a copy of the store as of now, by hard links where the file system allows.
RWD_MUST bool rwd_store_checkpoint(rwd_store *store, const char *dir, rwd_error *err);

// Memory that RocksDB holds now: its cache and the readers of open files.
uint64_t rwd_store_memory(rwd_store *store);
// Tells the budget (share STORE) what that is now; `counted` is what it was told before.
void rwd_store_count_memory(rwd_store *store, rwd_budget *budget, uint64_t *counted);

// Sorted runs and bytes of the store's files: for measurements.
typedef struct rwd_store_shape {
    uint64_t files, bytes;
    uint64_t pending_bytes;  // that compaction would like to rewrite
    bool compacting;
} rwd_store_shape;
void rwd_store_get_shape(rwd_store *store, rwd_store_shape *out);

#endif
