// Open dead letters: which events failed for good and were not applied since (S3, R6).
//
// One is known by where it failed: the record's offset, and of a record of many events the event's ordinal. With it go the reason and the field, its time, the hash of the record's raw bytes, and how
// often it was sent again in vain. It is closed when its event is applied; one that failed too often is *failed for good*, and stays.
//
// In memory is what changed since the newest durable checkpoint; the rest is in a RocksDB of its own. There is none while there are no dead letters, nor a folder in checkpoints.
//
// Digest (E3): the sum modulo 2^128 of XXH3-128(key || value, seed RWD_DEAD_SEED) of all that are there, kept up by addition and subtraction; of none it is 0.
//
//   key     offset (8 bytes big-endian, sign bit flipped), inserted (4, big-endian), ordinal (4, big-endian)
//   value   time (8, big-endian), hash (16), attempts (4, big-endian), failed for good (1: 0 or 1), size of the reason's word (1), the word, the field's name (the rest)
//
// Thread: pipeline, but for the participant's write.
#ifndef STATE_DEAD_H
#define STATE_DEAD_H

#include "operator/base/bytes.h"
#include "operator/base/participant.h"
#include "operator/base/time.h"
#include "state/budget.h"

#define RWD_DEAD_SEED 0x64656164ull   // "dead"
#define RWD_DEAD_WHOLE UINT32_MAX     // ordinal: the record as a whole
#define RWD_DEAD_RECORD UINT32_MAX    // inserted: the record that the source has at the offset; else the how manieth that an amendment puts before it, from 0

typedef struct rwd_dead rwd_dead;

typedef struct rwd_dead_id {
    int64_t offset;
    uint32_t inserted;
    uint32_t ordinal;
} rwd_dead_id;
// By offset, what is inserted first, ordinal: <0, 0, >0.
int rwd_dead_id_compare(const rwd_dead_id *a, const rwd_dead_id *b);

typedef struct rwd_dead_entry {
    rwd_dead_id id;
    rwd_code code;        // why the newest try failed
    rwd_slice field;      // at fault; empty: none
    int64_t time_us;      // the record's own; where it has none, the stream time that it met; RWD_TIME_NONE: there was none yet
    rwd_hash128 hash;     // of the record's raw bytes, as the source has it (E4)
    uint32_t attempts;    // redriven so often, in vain
    bool failed;          // for good: it is not applied any more
} rwd_dead_entry;

// `budget` is *borrowed*: memory is counted under HOT, RocksDB's under STORE.
rwd_dead *rwd_dead_new(rwd_budget *budget);
void rwd_dead_free(rwd_dead *dead);
rwd_participant *rwd_dead_participant(rwd_dead *dead);  // *borrows* from dead

// An event failed for good. Precondition: its id is not there. The field is copied.
void rwd_dead_add(rwd_dead *dead, const rwd_dead_entry *entry);
// False in `out_found`: not there. The field is *borrowed* until the next call. Errors: CORRUPT, IO.
RWD_MUST bool rwd_dead_find(rwd_dead *dead, const rwd_dead_id *id, bool *out_found, rwd_dead_entry *out, rwd_error *err);
// The entry that find gave, as it is from now on; of the same id.
void rwd_dead_change(rwd_dead *dead, const rwd_dead_entry *found, const rwd_dead_entry *now);
// The entry that find gave is applied.
void rwd_dead_close(rwd_dead *dead, const rwd_dead_entry *found);
// So many changes wait for a checkpoint that the next boundary should make one.
bool rwd_dead_pressed(const rwd_dead *dead);

typedef struct rwd_dead_stats {
    uint64_t open[RWD_E_COUNT];    // by code, without those that failed for good
    uint64_t failed[RWD_E_COUNT];  // for good
    uint64_t open_total, failed_total;
    uint64_t bytes;                // of memory
    bool has_oldest;               // of both
    rwd_dead_id oldest;
    int64_t oldest_us;             // its time
} rwd_dead_stats;
// Cheap, but where the oldest one was closed since: then it is looked for. What cannot be read for that is told by the next find.
void rwd_dead_get_stats(rwd_dead *dead, rwd_dead_stats *out);

// ---------------------------------------------------------------------------------------------- a finished checkpoint
// Those in a checkpoint's folder, in order of ids; none where it has none. Thread: any, one reader.
typedef struct rwd_dead_reader rwd_dead_reader;
RWD_MUST bool rwd_dead_reader_open(const char *checkpoint_dir, rwd_dead_reader **out, rwd_error *err);
// The first one at or above `offset` comes next.
void rwd_dead_reader_seek(rwd_dead_reader *reader, int64_t offset);
// False in `out_found`: there are no more. The field is *borrowed* until the next call.
RWD_MUST bool rwd_dead_reader_next(rwd_dead_reader *reader, bool *out_found, rwd_dead_entry *out, rwd_error *err);
void rwd_dead_reader_close(rwd_dead_reader *reader);

// The digest of those in a checkpoint's folder, from every one of them. DIGEST_MISMATCH if it is not the stored one. Thread: any.
RWD_MUST bool rwd_dead_scan_digest(const char *checkpoint_dir, rwd_hash128 *out, rwd_error *err);

// R6: what two checkpoints differ in, in order of ids. `a` NULL: only the second has it (new); `b` NULL: only the first does (resolved); else both do, with other contents. The
// callback returns false to stop, with `err` set. Thread: any.
typedef bool (*rwd_dead_difference)(void *context, const rwd_dead_entry *a, const rwd_dead_entry *b, rwd_error *err);
RWD_MUST bool rwd_dead_compare(const char *dir_a, const char *dir_b, rwd_dead_difference visit, void *context, rwd_error *err);

#endif
