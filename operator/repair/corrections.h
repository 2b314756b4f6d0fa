// Corrections: where what outputs show and what they ought to show differ (R3), and the file that keeps them in order until they are published.
//
// An output's *view* at a position is what a reader who keeps the newest value of each key has there:
//
//   emit: commit, update   a value for each key whose row passes the output's `where`
//   emit: close            a value for each row that passes it, of windows that have closed by the side's stream time; windows that are still open are not published yet
//
// A correction is a key whose value is not the same in both views: another value; one where there was none; none where there was one, which is a tombstone. Values are
// compared as they are published: a column that the output does not write makes no difference. A window that has left the state on the new side (S4) is no change of a result, so it is
// not corrected. With `emit: update` a key gets one correction, not its history again.
//
// The file is framed and checksummed (proto/repair.proto); equal corrections are equal bytes, but for the head. Order: tables as the new job has them, then by the
// new side's store order (bucket, key), then by output.
//
// Precondition on both sides: windows that are due have been closed (position.closings is final), so that a window is closed exactly where stream time says so.
//
// Thread: one at a time; any.
#ifndef OPERATOR_REPAIR_CORRECTIONS_H
#define OPERATOR_REPAIR_CORRECTIONS_H

#include "checkpoints/io/io.h"
#include "operator/repair/difference.h"
#include "state/compare.h"

// Bytes of corrections in one block of the file, about: what a reader holds.
#define RWD_CORRECTIONS_BLOCK (256u << 10)

// One side: a state, and the job that says what is published of it.
typedef struct rwd_view {
    const rwd_job *job;        // both sides' jobs have the same outputs in the same order; borrowed, as the rest
    rwd_reader_db *state;
    int64_t stream_time;       // RWD_TIME_NONE: none yet
    rwd_hash128 lineage;
} rwd_view;

typedef struct rwd_correction {
    size_t sink;               // index into the jobs' sinks
    rwd_slice key;
    rwd_slice old_row;         // of the old job's table; data NULL: nothing is published for the key
    rwd_slice new_row;         // of the new job's table; data NULL: tombstone
    int64_t offset;            // of the last record that the value includes: C - 1
} rwd_correction;

typedef struct rwd_corrections_count { uint64_t changed, added, vanished; } rwd_corrections_count;

typedef struct rwd_corrections_summary {
    uint64_t rows;                             // corrections
    rwd_corrections_count sinks[RWD_SINKS_MAX];
    size_t sink_count;
    rwd_table_difference *tables;              // of all rows that differ, published or not
    size_t table_count;
    rwd_compare_stats compare;
    rwd_hash128 hash;                          // over all corrections in order
} rwd_corrections_summary;
void rwd_corrections_summary_deinit(rwd_corrections_summary *summary);

typedef struct rwd_corrections_options {
    rwd_view old_view, new_view;
    int64_t next_offset;       // C: where both sides stand
    const char *repair;        // id, for the head
    const char *path;          // the file to make, durable on return; NULL: only count. An existing one is replaced
    rwd_io *io;
    size_t memory;             // for sorting, where tables are numbered in another way on the two sides
    const char *temp_dir;
    // Of every key whose rows differ, published or not, or NULL: for invariants. `table`: of the new job; a row's data NULL: that side has none. Not of tables that only the old job has,
    // or whose keys have other types there. False: `err` is set.
    bool (*see)(void *context, uint16_t table, rwd_slice key, rwd_slice old_row, rwd_slice new_row, rwd_error *err);
    void *context;
} rwd_corrections_options;

// *gives* `out`. Errors: CORRUPT, IO, DISK_FULL, and those of the callback.
RWD_MUST bool rwd_corrections_make(const rwd_corrections_options *options, rwd_corrections_summary *out, rwd_error *err);

// ---- reading the file

typedef struct rwd_corrections rwd_corrections;
// CORRUPT: it is none, or not whole. *gives*; `io` is *borrowed*.
RWD_MUST bool rwd_corrections_open(const char *path, rwd_io *io, rwd_corrections **out, rwd_error *err);
void rwd_corrections_close(rwd_corrections *corrections);
uint64_t rwd_corrections_rows(const rwd_corrections *corrections);
rwd_hash128 rwd_corrections_hash(const rwd_corrections *corrections);
int64_t rwd_corrections_next_offset(const rwd_corrections *corrections);  // C
const char *rwd_corrections_repair(const rwd_corrections *corrections);   // id; borrowed
// The next one, *borrowed* until the next call. `out_found` false: that was the last.
RWD_MUST bool rwd_corrections_next(rwd_corrections *corrections, rwd_correction *out, bool *out_found, rwd_error *err);
// Passes over so many (R4 (5): rows that were sent already).
RWD_MUST bool rwd_corrections_skip(rwd_corrections *corrections, uint64_t rows, rwd_error *err);

#endif
