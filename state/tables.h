// Keyed tables: a hot table in memory over RocksDB, frozen and written at checkpoints.
//
// The hot table is a write-back cache. Its slots live in segments of one size, found by the top bits of the key's hash
// through a directory (extendible hashing: Fagin, Nievergelt, Pippenger, Strong, "Extendible hashing - a fast access method for
// dynamic files", ACM TODS 1979); a full segment splits, so growth costs one segment, never the whole table. Inside a
// segment, one control byte a slot is compared 16 at a time (the idea of Abseil's Swiss tables). Keys longer than the
// slot, and rows longer than the slot, live in the spill arena.
//
// Two generations without atomics (K1, K2). Each slot carries the epoch of its last change. freeze raises the epoch: O(1). From then on a slot of the frozen
// epoch is copied out before it changes for the first time, or by the sweep that visits dirty slots in store-key order, whichever comes
// first; so the frozen version of every slot reaches the checkpoint thread exactly once, and only the pipeline thread ever reads slots. A slot is clean when its
// epoch is not above the newest durable one: thaw is O(1), too. Only clean slots are evicted.
//
// A batch of touches works in two steps: `resolve` brings the rows of all keys into the hot table (prefetch; misses by one
// batched MultiGet), then `row` and `write` cannot fail and move nothing. When resolve answers FULL, no clean slot was left, or the frozen
// share has no room for the versions that these writes would have to copy out: nothing has changed; the caller ends its
// transaction, checkpoints (or drives the sweep of the open freeze to its end), and tries again. Keys listed as changed stay in memory, so
// changes are taken before that. FULL again with nothing dirty means that the batch itself is too large: halve it.
//
// Thread: pipeline, but for the participant's write and digest (checkpoint thread).
#ifndef STATE_TABLES_H
#define STATE_TABLES_H

#include "operator/base/participant.h"
#include "state/budget.h"
#include "state/digest.h"
#include "state/schema.h"

typedef struct rwd_tables rwd_tables;

// One (event, table) pair of the current batch.
typedef struct rwd_touch {
    uint64_t hash;         // rwd_key_hash(table, key)
    const uint8_t *key;    // encoded key, borrowed until the batch ends
    uint32_t key_size;
    uint32_t event;        // index into the batch's events, for the caller
    uint16_t table;
    int64_t window;        // start of the key's window, for the caller
    void *slot;            // set by resolve; private
} rwd_touch;

typedef enum rwd_resolve { RWD_RESOLVED, RWD_RESOLVE_FULL, RWD_RESOLVE_FAILED } rwd_resolve;

// `schemas` are *borrowed* for the life of the tables. `budget` too.
RWD_MUST bool rwd_tables_new(const rwd_schema *schemas, size_t schema_count, rwd_budget *budget, rwd_tables **out, rwd_error *err);
void rwd_tables_free(rwd_tables *tables);

// The participant through which tables are frozen, written, opened and discarded. *borrows* from tables.
rwd_participant *rwd_tables_participant(rwd_tables *tables);

// Brings all touched keys into the hot table. FULL: see above. FAILED: the store could not be read (err: CORRUPT or IO).
RWD_MUST rwd_resolve rwd_tables_resolve(rwd_tables *tables, rwd_touch *touches, size_t count, rwd_error *err);
// The row of a resolved touch, or NULL if the key is absent. Valid until the next write to the same key or resolve.
const uint8_t *rwd_tables_row(rwd_tables *tables, const rwd_touch *touch, uint32_t *out_size);
// Turns a touch to another key, which must be one of those that the last resolve brought in: table, key and key_size are set, the rest is made here.
void rwd_tables_turn(rwd_tables *tables, rwd_touch *touch);
// Stores the row (copied). `size` <= RWD_ROW_BYTES_MAX.
void rwd_tables_write(rwd_tables *tables, const rwd_touch *touch, const uint8_t *row, uint32_t size);
// Removes the key.
void rwd_tables_delete(rwd_tables *tables, const rwd_touch *touch);
// The key changed since the last take, and its changes are listed: with this mark.
bool rwd_tables_is_changed(const rwd_tables *tables, const rwd_touch *touch, uint64_t *out_mark);
// Removes the key as a window that has served its time: no change of a result, so it is not listed as one, and no longer if it was.
void rwd_tables_retire(rwd_tables *tables, const rwd_touch *touch);

// Keys changed since the last take: what a commit publishes (emit: commit). Off until asked for, per table.
// A change carries a mark: what `mark` said of the row as it was at the last take (NULL: there was none), when it first changed. Without `mark`: all bits if there
// was a row, else 0. `mark` must not touch the tables.
typedef uint64_t (*rwd_change_mark)(void *context, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t row_size);
void rwd_tables_track_changes(rwd_tables *tables, uint16_t table, bool on, rwd_change_mark mark, void *context);
uint64_t rwd_tables_changed(const rwd_tables *tables);       // keys changed since the last take, all tracked tables
uint64_t rwd_tables_changed_bytes(const rwd_tables *tables); // what their copies will need
// Called once per changed key of `table` in no order, with the current row (row NULL: the key vanished); then the table's list is empty.
typedef void (*rwd_change_visit)(void *context, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t row_size, uint64_t mark);
void rwd_tables_take_changes(rwd_tables *tables, uint16_t table, rwd_change_visit visit, void *context);

// One key's row as of now, through hot table and store: for questions from the admin socket. Appends to `out`.
RWD_MUST bool rwd_tables_get(rwd_tables *tables, uint16_t table, rwd_slice key, bool *out_found, rwd_buf *out, rwd_error *err);

// A bounded step of loading the store into the hot table after open (so that misses end): at most `limit` rows are put in where
// their key is not there yet; rows beyond the memory stay in the store. True when there is nothing left to do. The reading runs ahead on a
// thread of its own.
bool rwd_tables_warm(rwd_tables *tables, size_t limit);

// True when the dirty slots have reached what the budget allows: the next boundary should checkpoint.
bool rwd_tables_pressed(const rwd_tables *tables);

typedef struct rwd_tables_stats {
    uint64_t keys;             // present, all tables
    uint64_t hot_slots;        // slots in use
    uint64_t hot_bytes;
    uint64_t dirty;            // slots changed since the last freeze
    uint64_t dirty_bytes;      // memory of theirs: more than a checkpoint of them writes
    uint64_t frozen_left;      // dirty slots of the open freeze not yet swept
    uint64_t hits, misses, evicted, splits, full;  // full: times resolve found no clean slot
    uint64_t store_reads;      // keys asked of RocksDB
    bool complete;             // every key is in the hot table: misses need no store
} rwd_tables_stats;
void rwd_tables_get_stats(const rwd_tables *tables, rwd_tables_stats *out);  // Thread: pipeline
uint64_t rwd_tables_keys(const rwd_tables *tables, uint16_t table);

#endif
