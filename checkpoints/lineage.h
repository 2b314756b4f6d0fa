// Lineage: which logic holds where (PROTOCOL.md, L1, L2, L4).
//
// A lineage is a genesis position, a list of segments (from offset, logic, sinks) and amendments. Its id is the hash of that list. The history hash
// below X covers what can have shaped the state at X: the genesis, the segments that begin below X and the amendments below X. (A segment that begins at
// X or later has not acted yet; sinks shape no state; neighbours with the same logic count as one.) A checkpoint serves every lineage whose history below
// its X has the same hash.
//
// Amendments (L6) change what the input says at an offset, for this lineage and each later replay of it. Those below X have acted at X.
//
// Thread: values; one thread at a time.
#ifndef CHECKPOINTS_LINEAGE_H
#define CHECKPOINTS_LINEAGE_H

#include "operator/base/bytes.h"
#include "operator/base/hash.h"
#include "operator/base/time.h"

#define RWD_LINEAGE_SEGMENTS_MAX 4096
#define RWD_AMENDMENTS_MAX 65536
#define RWD_AMENDMENT_BYTES_MAX (16u << 20)  // keys, values and reasons of all of a lineage's amendments

typedef struct rwd_lineage_segment {
    int64_t from;          // first offset that this logic decides
    rwd_hash128 logic;     // fingerprint: all that decides a step's result (L4)
    rwd_hash128 sinks;     // all that decides what is published
} rwd_lineage_segment;

typedef enum rwd_amend_kind {
    RWD_AMEND_SKIP = 1,     // the record at the place makes no event
    RWD_AMEND_REPLACE = 2,  // it has what is given here instead of its own
    RWD_AMEND_INSERT = 3,   // another record acts immediately before the first one at or above the place
} rwd_amend_kind;

typedef struct rwd_amendment {
    rwd_amend_kind kind;
    int64_t at;
    bool has_key, has_value;  // false: REPLACE keeps the record's own, INSERT has none; never set for SKIP
    rwd_buf key, value;       // owned, as the reason; empty where not given
    int64_t time_us;          // RWD_TIME_NONE: as the record at its place
    rwd_buf reason;           // for people: in the lineage's id, in no history
    rwd_hash128 hash;         // of all but the reason; made by add
} rwd_amendment;
void rwd_amendment_deinit(rwd_amendment *amendment);

typedef struct rwd_lineage {
    rwd_hash128 source;    // identity of the partition, as pinned at genesis
    int64_t genesis;       // S
    rwd_lineage_segment *segments;
    size_t segment_count;
    rwd_amendment *amendments;  // by `at`; at one place first those that insert, in the order they were added in, then the one that skips or replaces
    size_t amendment_count;
    size_t amendment_bytes;     // of their keys, values and reasons
} rwd_lineage;

void rwd_lineage_init(rwd_lineage *lineage, rwd_hash128 source, int64_t genesis);
void rwd_lineage_deinit(rwd_lineage *lineage);
void rwd_lineage_copy(const rwd_lineage *from, rwd_lineage *out);
void rwd_lineage_add_segment(rwd_lineage *lineage, rwd_lineage_segment segment);  // `from` rises
// May it be added? USAGE says why not: below genesis, something given to a skip, too many or too large.
RWD_MUST bool rwd_lineage_check_amendment(const rwd_lineage *lineage, const rwd_amendment *amendment, rwd_error *err);
// *Takes* what the check lets pass. One that skips or replaces takes the place of an earlier one that skips or replaces there.
void rwd_lineage_add_amendment(rwd_lineage *lineage, rwd_amendment amendment);
// The logic that decides the record at `offset`: the index of its segment. Precondition: there is a segment, and `offset` is not below the first one.
size_t rwd_lineage_segment_at(const rwd_lineage *lineage, int64_t offset);
rwd_hash128 rwd_lineage_id(const rwd_lineage *lineage);
rwd_hash128 rwd_lineage_history(const rwd_lineage *lineage, int64_t next_offset);
// The canonical bytes that are hashed and stored, and the way back (untrusted).
void rwd_lineage_encode(const rwd_lineage *lineage, rwd_buf *out);
RWD_MUST bool rwd_lineage_decode(rwd_slice bytes, rwd_lineage *out, rwd_error *err);

#endif
