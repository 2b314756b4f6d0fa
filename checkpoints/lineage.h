// Lineage: which logic holds where (PROTOCOL.md, L1, L2, L4).
//
// A lineage is a genesis position, a list of segments (from offset, logic, sinks) and amendments. Its id is the hash of that list. The history hash
// below X covers what can have shaped the state at X: the genesis, the segments that begin below X and the amendments below X. (A segment that begins at
// X or later has not acted yet; sinks shape no state; neighbours with the same logic count as one.) A checkpoint serves every lineage whose history below
// its X has the same hash.
//
// Thread: values; one thread at a time.
#ifndef CHECKPOINTS_LINEAGE_H
#define CHECKPOINTS_LINEAGE_H

#include "operator/base/hash.h"
#include "operator/base/bytes.h"

#define RWD_LINEAGE_SEGMENTS_MAX 4096

typedef struct rwd_lineage_segment {
    int64_t from;          // first offset that this logic decides
    rwd_hash128 logic;     // fingerprint: all that decides a step's result (L4)
    rwd_hash128 sinks;     // all that decides what is published
} rwd_lineage_segment;

typedef struct rwd_lineage {
    rwd_hash128 source;    // identity of the partition, as pinned at genesis
    int64_t genesis;       // S
    rwd_lineage_segment *segments;
    size_t segment_count;
} rwd_lineage;

void rwd_lineage_init(rwd_lineage *lineage, rwd_hash128 source, int64_t genesis);
void rwd_lineage_deinit(rwd_lineage *lineage);
void rwd_lineage_copy(const rwd_lineage *from, rwd_lineage *out);
void rwd_lineage_add_segment(rwd_lineage *lineage, rwd_lineage_segment segment);  // `from` rises
rwd_hash128 rwd_lineage_id(const rwd_lineage *lineage);
rwd_hash128 rwd_lineage_history(const rwd_lineage *lineage, int64_t next_offset);
// The fixed-width canonical bytes that are hashed and stored, and the way back (untrusted).
void rwd_lineage_encode(const rwd_lineage *lineage, rwd_buf *out);
RWD_MUST bool rwd_lineage_decode(rwd_slice bytes, rwd_lineage *out, rwd_error *err);

#endif
