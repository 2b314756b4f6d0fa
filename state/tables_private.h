// The tables from inside: what their files share.
//
//   tables.c      the contract of tables.h: resolve, row, write, delete, changes
//   directory.c   segments by hash: growing, splitting, releasing
//   evict.c       room for one more slot: purge, split, evict, reclaim
//   freeze.c      epochs: first touch, copy on write, sweep; the participant
//   writer.c      checkpoint thread: frozen versions into a sorted file, the store, the checkpoint
//   warm.c        loader thread: the store into the hot table after open
//
// What must stay true:
//   T1. A key that is present has its newest version in its slot, or, if it has no slot, in the store.
//   T2. A slot with epoch > durable never leaves memory; so a key without a slot is in the store as of now, at any time (K2).
//   T3. A frozen version reaches the outbox exactly once: whoever copies it clears its bit (K1).
//   T4. delta[parity of an epoch] is, over the keys changed in that epoch, the sum of H(at its freeze) less H(at the freeze before): the
//       second part is kept up by first_touch, the first by the writer.
//
// Thread: pipeline, but for what rwd_frozen and rwd_tables say.
#ifndef STATE_TABLES_PRIVATE_H
#define STATE_TABLES_PRIVATE_H

#include "operator/base/fs.h"
#include "state/outbox_private.h"
#include "state/pool_private.h"
#include "state/segment_private.h"
#include "state/store_private.h"
#include "state/tables.h"
#include "state/warm_private.h"

#define RWD_KEY_INLINE_MAX 64    // a longer inline key area would cost every short key
#define RWD_STRING_INLINE 24     // bytes kept for a string part, its marks included
#define RWD_ROW_INLINE_MAX 4096  // so that a segment holds at least a few slots
#define RWD_DIRECTORY_DEPTH_MAX 26
#define RWD_DIRECTORY_SLACK 64   // directory entries per segment, at most: hashes that crowd under one prefix do not inflate it
#define RWD_TABLES_FOLDER "tables"
#define RWD_INCOMING_FILE "incoming.sst"

// A key that changed since the last take. One that was retired finds no slot any more.
typedef struct rwd_change {
    uint64_t hash;
    uint64_t mark;
} rwd_change;

typedef struct rwd_table {
    const rwd_schema *schema;
    rwd_geometry geometry;
    rwd_segment **directory;  // 2^depth entries, by the top bits of the hash
    uint64_t *dirty_entries[2];  // by parity, a bit per entry: slots under it may be dirty. The sweep skips the others unseen
    unsigned depth;
    unsigned expected_depth;  // of segments that hold what the store holds
    size_t segments;
    size_t release_hand;      // directory index where the search for a segment to release goes on
    uint64_t keys;            // present
    uint64_t used;            // slots
    bool complete;            // every present key has a slot
    bool tracked;
    rwd_change_mark mark;     // NULL: a mark says whether there was a row
    void *mark_context;
    rwd_change *changed;      // the slots whose `change` is a place in it
    size_t changed_count, changed_capacity;
    uint64_t changed_bytes;
} rwd_table;

// What belongs to the open freeze. Written by freeze, then read by the writer.
typedef struct rwd_frozen {
    int64_t next_offset;
    uint32_t epoch;
    uint64_t keys[RWD_TABLES_MAX];
} rwd_frozen;

struct rwd_tables {
    rwd_participant participant;
    const rwd_schema *schemas;
    size_t count;
    rwd_budget *budget;
    rwd_pool pool;
    rwd_table *tables;

    uint32_t epoch;           // of changes now; the parity chooses bits and delta
    uint32_t durable;         // newest epoch that is in the store and in a durable checkpoint
    bool freeze_open;         // epoch - 1 is frozen and not yet thawed
    bool swept;               // no frozen bit is left
    uint32_t batch;
    uint64_t moves;           // raised whenever a slot moved or went
    uint64_t dirty;           // slots of the current epoch
    uint64_t dirty_bytes;     // memory of theirs
    uint64_t frozen_left;     // frozen bits set
    size_t sweep_table;
    uint64_t sweep_hash;      // least hash not yet swept
    rwd_digest *delta[2];     // current: pipeline; frozen: writer

    rwd_frozen frozen;
    rwd_outbox outbox;
    rwd_digest *base;         // of the newest checkpoint written or opened: writer; open
    rwd_store *store;
    uint64_t store_bytes;     // told to the budget: writer; open, discard
    char live_dir[RWD_PATH_MAX];
    rwd_warm *warm;           // NULL: not loading
    bool warm_skipped;        // a row found no room

    size_t evict_table;       // where the search for spilled keys to evict goes on
    uint64_t evict_hash;
    uint32_t *misses;         // touches of the current resolve that the store must answer
    size_t misses_capacity;
    rwd_slice *miss_keys;
    rwd_buf miss_bytes;
    rwd_buf scratch;          // one entry
    rwd_tables_stats stats;   // the counters
};

// Sizes that tests make small.
typedef struct rwd_tables_sizes {
    uint32_t segment, pool_chunk, out_chunk;
} rwd_tables_sizes;
RWD_MUST bool rwd_tables_new_sized(const rwd_schema *schemas, size_t schema_count, rwd_budget *budget,
                                   const rwd_tables_sizes *sizes, rwd_tables **out, rwd_error *err);

static inline uint16_t rwd_table_number(const rwd_tables *tables, const rwd_table *table) {
    return (uint16_t)(table - tables->tables);
}

// ------------------------------------------------------------------ directory.c
static inline size_t rwd_directory_entry(const rwd_table *table, uint64_t hash) {
    return table->depth ? (size_t)(hash >> (64 - table->depth)) : 0;
}
static inline rwd_segment *rwd_directory_find(const rwd_table *table, uint64_t hash) {
    return table->directory[rwd_directory_entry(table, hash)];
}
static inline size_t rwd_directory_entries(const rwd_table *table) { return (size_t)1 << table->depth; }
// The first dirty entry at or behind `entry`; the number of entries if there is none.
size_t rwd_directory_next_dirty(const rwd_table *table, unsigned parity, size_t entry);
void rwd_directory_set_clean(rwd_table *table, unsigned parity);
// One empty segment that holds every hash. Goes over the budget if it must: a table without a segment cannot be.
void rwd_directory_init(rwd_tables *tables, rwd_table *table);
void rwd_directory_deinit(rwd_tables *tables, rwd_table *table);  // the segments go with the pool
// Says how many keys are to come, so that the loader splits segments before they hold anything to move.
void rwd_directory_expect(rwd_tables *tables, rwd_table *table, uint64_t keys);
// Splits a segment in two. False, with nothing changed, if there is no memory for it or the directory is at its bound.
bool rwd_directory_split(rwd_tables *tables, rwd_table *table, rwd_segment *segment);
// Gives an empty segment back; its neighbour of the same depth takes over its hashes. False if there is none.
bool rwd_directory_release(rwd_tables *tables, rwd_table *table, rwd_segment *segment);
// The least hash behind the segment; false if it is the last.
bool rwd_segment_end(const rwd_segment *segment, uint64_t *out_hash);

// ------------------------------------------------------------------ evict.c
// The segment for `hash`, with room for one more slot; NULL if no clean slot is left. May move and drop slots.
rwd_segment *rwd_tables_room(rwd_tables *tables, rwd_table *table, uint64_t hash);
// A spill block, evicting if need be; NULL if no clean slot is left.
void *rwd_tables_spill(rwd_tables *tables, size_t size);
// Evicts until the hot table is within its share, after rows that grew went over it. False if no clean slot is left before that.
bool rwd_tables_shrink(rwd_tables *tables);

// ------------------------------------------------------------------ freeze.c
extern const rwd_participant_ops rwd_tables_ops;
// Before a slot changes for the first time in the current epoch.
void rwd_tables_first_touch(rwd_tables *tables, rwd_table *table, rwd_slot *slot);
static inline unsigned rwd_tables_parity(const rwd_tables *tables) { return tables->epoch & 1; }

// ------------------------------------------------------------------ tables.c
// A new slot for a key that has none: with a row, or absent (row NULL). NULL if there is no room; never evicts slots of the current batch.
rwd_slot *rwd_tables_insert(rwd_tables *tables, rwd_table *table, uint64_t hash, rwd_slice key, const uint8_t *row,
                            uint32_t row_size);
static inline size_t rwd_slot_entry_size(const rwd_slot *slot) {
    return rwd_out_entry_size(RWD_STORE_KEY_PREFIX + slot->key_size, slot->present ? slot->row_size : 0);
}

// ------------------------------------------------------------------ writer.c
RWD_MUST bool rwd_tables_write_frozen(rwd_tables *tables, const char *dir, rwd_error *err);

#endif
