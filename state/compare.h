// Compares the tables of two checkpoints: which keys are on one side only, or have other rows.
//
// Tables are matched by name, columns by name; a column of one side only counts as changed in every row. Where both sides lay out a table alike, equal rows have equal bytes, and buckets of equal
// digests (digest.h) are not read: states that are equal are told apart without reading a key, and of two that differ in a few keys only their buckets are read. Where a
// table has another number on the two sides, or another layout, it is read whole; the old side is brought into the new side's order by an external merge sort.
//
// Differences come in the order of (pair, bucket, key), which is the order of the new side's store; a table whose keys have other types on the two sides has first all its old rows, then all
// its new ones. Memory is bounded: a row of each side, and what sorting may use.
//
// The caller holds both checkpoints' reader locks (K6). Nothing is created or changed inside their folders.
//
// Thread: one at a time; any.
#ifndef STATE_COMPARE_H
#define STATE_COMPARE_H

#include "state/reader.h"

// A table, as each side has it.
typedef struct rwd_compare_pair {
    const rwd_schema *old_schema, *new_schema;  // *borrowed*; NULL: that side has no such table
    bool same_keys;    // a key has the same bytes on both sides
    bool same_rows;    // and so has a row: names and cells of all columns are the same
    bool every_row;    // for the caller to set: rows that are equal are visited, too, and no bucket is passed over
    int16_t old_column[RWD_COLUMNS_MAX];    // by column of the new side: its place on the old one; -1: it has none of that name
    bool same_cell[RWD_COLUMNS_MAX];        // by column of the new side: it has the same bytes for the same answer there
    bool lost_column;                       // the old side has a column that the new one has not
} rwd_compare_pair;

#define RWD_COMPARE_PAIRS_MAX (2 * RWD_TABLES_MAX)

// Matches the tables: those of the new side in their order, then those that only the old side has. `out` has room for old_count + new_count. Returns how many.
size_t rwd_compare_match(const rwd_schema *const *old_schemas, size_t old_count, const rwd_schema *const *new_schemas, size_t new_count, rwd_compare_pair *out);

// Of two rows of a pair with same_keys, in one pass: which columns of the new side have another answer or are not on the old one. `changed` has room for them all. True: any has,
// or the old side has one more, or a session has another end. Precondition: both rows passed rwd_row_check.
bool rwd_compare_columns(const rwd_compare_pair *pair, const uint8_t *old_row, const uint8_t *new_row, bool *changed);

// One difference. `pair` is the index. A row's data is NULL where that side has none. All *borrowed* for the call. False: stop here.
typedef bool (*rwd_compare_visit)(void *context, size_t pair, rwd_slice key, rwd_slice old_row, rwd_slice new_row);

typedef struct rwd_compare_options {
    rwd_reader_db *old_side, *new_side;  // *borrowed*, as the rest
    const rwd_compare_pair *pairs;
    size_t pair_count;
    size_t memory;         // bytes of rows that sorting holds, where it must
    const char *temp_dir;  // for the runs of it, unlinked files
    rwd_compare_visit visit;
    void *context;
} rwd_compare_options;

typedef struct rwd_compare_stats {
    bool same_digest;      // of all tables, bucket by bucket
    unsigned buckets;      // that differ
    uint64_t rows_read;    // of both sides
    uint64_t differences;  // visited, equal rows of `every_row` not counted
} rwd_compare_stats;

// CORRUPT: a row is none of its table's. `out` is filled in whatever the result.
RWD_MUST bool rwd_compare_run(const rwd_compare_options *options, rwd_compare_stats *out, rwd_error *err);

#endif
