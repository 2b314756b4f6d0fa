// Timers: which keys have something to do when stream time reaches a moment.
//
// A timer is (due, table, key). Timers come off in that order and in no other; what has come off is below the *passed* position, which is a part of
// the state: two runs over the same records pass the same timers at the same places. A timer is added above that position only, so nothing is ever
// taken out of the middle; whoever no longer needs one ignores it when it comes.
//
// In memory are those added since the newest durable checkpoint, in sorted runs that a heap merges; the others are in a RocksDB of their own,
// read in order. A checkpoint writes the new ones as one sorted file, with one range tombstone over what has been passed.
//
// Timers follow from the rows that they belong to, so they are not in the state's digest; the files that hold them are verified as all are.
//
// Thread: pipeline, but for the participant's write.
#ifndef STATE_TIMERS_H
#define STATE_TIMERS_H

#include "operator/base/bytes.h"
#include "operator/base/participant.h"
#include "state/budget.h"

// Timers that rwd_timers_read gives at a time, at most.
#define RWD_TIMERS_READ_MAX 4096

typedef struct rwd_timers rwd_timers;

typedef struct rwd_timer {
    int64_t due;         // of the stream time: microseconds
    uint16_t table;
    rwd_slice key;       // encoded; *borrowed* until the next read, pass, thaw or discard
} rwd_timer;

// `budget` is *borrowed*: memory is counted under HOT, RocksDB's under STORE.
rwd_timers *rwd_timers_new(rwd_budget *budget);
void rwd_timers_free(rwd_timers *timers);
// *borrows* from timers.
rwd_participant *rwd_timers_participant(rwd_timers *timers);

// Precondition: (due, table, key) is above all that was passed so far. The same timer twice is one. The key is copied. One that is not above all that was
// read, too, voids what the last read gave: it is a part of what the next one gives.
void rwd_timers_add(rwd_timers *timers, int64_t due, uint16_t table, rwd_slice key);

// When the next one is due; INT64_MAX: there is none. Constant time.
int64_t rwd_timers_next(const rwd_timers *timers);

// The next timers with due <= `until`, at most `max` (<= RWD_TIMERS_READ_MAX), in order, into `out`. Changes nothing that another read would not see.
// Errors: CORRUPT, IO.
RWD_MUST bool rwd_timers_read(rwd_timers *timers, int64_t until, size_t max, rwd_timer *out, size_t *out_count, rwd_error *err);
// The first `count` of those that the last read gave are done with.
void rwd_timers_pass(rwd_timers *timers, size_t count);

// True when so many wait in memory that the next boundary should checkpoint.
bool rwd_timers_pressed(const rwd_timers *timers);
// Timers in memory, and their bytes.
uint64_t rwd_timers_in_memory(const rwd_timers *timers, uint64_t *out_bytes);

#endif
