// Ids that were seen: which events of the last `within` of stream time were applied already (S3).
//
// An id is known by the XXH3-128 of its bytes. With it goes its *moment*, the stream time behind its event. It is remembered while moment + within is
// above the stream time, exactly; what is still held beyond that is not seen.
//
// In memory: open addressing in partitions that are rebuilt one by one, 23 bytes a slot at 0.73 to 0.9 full. Behind it a RocksDB of its own has all ids up to
// the newest checkpoint. When memory runs out the oldest go from it (they are in the store already), and ids that are not in memory are asked of the
// store, whose filters answer most; nothing is forgotten early. Compaction drops what has expired.
//
// Digest (E3): ids are counted into 256ths of `within` by their moments; the digest is over all whose 256th has not wholly expired as of the newest id. It is kept
// up by addition only.
//
// Thread: pipeline, but for the participant's write.
#ifndef STATE_DEDUP_H
#define STATE_DEDUP_H

#include "operator/base/bytes.h"
#include "operator/base/participant.h"
#include "operator/base/time.h"
#include "state/budget.h"

typedef struct rwd_dedup rwd_dedup;

// An id of the current batch. Precondition for all that takes one: resolved in this batch.
typedef struct rwd_dedup_id {
    rwd_hash128 hash;   // rwd_dedup_hash of the id's bytes
    int64_t stored;     // set by resolve; private
} rwd_dedup_id;
rwd_hash128 rwd_dedup_hash(rwd_slice id);

// `within`: microseconds, > 0. `budget` is *borrowed*: memory is counted under HOT (a quarter of it at most, but for what no checkpoint has yet), RocksDB's under
// STORE.
rwd_dedup *rwd_dedup_new(rwd_budget *budget, int64_t within);
void rwd_dedup_free(rwd_dedup *dedup);
rwd_participant *rwd_dedup_participant(rwd_dedup *dedup);  // *borrows* from dedup

// Before a batch: fetches what its ids need. Errors: CORRUPT, IO.
RWD_MUST bool rwd_dedup_resolve(rwd_dedup *dedup, rwd_dedup_id *ids, size_t count, int64_t stream_time, rwd_error *err);
// Was an event with this id applied within the span, as of this stream time (RWD_TIME_NONE: none yet)?
bool rwd_dedup_seen(const rwd_dedup *dedup, const rwd_dedup_id *id, int64_t stream_time);
// Its event was applied. `moment`: the stream time behind it; never falls.
void rwd_dedup_add(rwd_dedup *dedup, const rwd_dedup_id *id, int64_t moment);

// A bounded step of loading the store into memory after open. True when there is nothing left to do. Errors are told by the next resolve.
bool rwd_dedup_warm(rwd_dedup *dedup, size_t limit);
// So many ids wait for a checkpoint that the next boundary should make one.
bool rwd_dedup_pressed(const rwd_dedup *dedup);

typedef struct rwd_dedup_stats {
    uint64_t ids;          // that the digest covers
    uint64_t in_memory;
    uint64_t bytes;        // of memory
    uint64_t store_reads;  // ids asked of RocksDB
} rwd_dedup_stats;
void rwd_dedup_get_stats(const rwd_dedup *dedup, rwd_dedup_stats *out);

// The digest of the ids in a checkpoint's folder, 0 where it has none: as stored, and found equal to the ids that are there, read one by one, but for the one
// 256th that is expiring, whose ids compaction may have dropped. DIGEST_MISMATCH if they are not. Thread: any.
RWD_MUST bool rwd_dedup_scan_digest(const char *checkpoint_dir, rwd_hash128 *out, rwd_error *err);

#endif
