// Where going back leads: from a place that a person names to a checkpoint and what is replayed from there. Reads, and changes nothing.
//
//   a checkpoint   by its id
//   an offset      N
//   a time         N is the first offset whose record's time is at or after it (R2). Records of a file have no time of their own: there it is the first record whose event's
//                  time is, if the job says what that is (event.time), found by reading from the nearest checkpoint whose stream time is below.
//
// The base is the newest good checkpoint of C's history at or below N and C. When a checkpoint was made never chooses. One that an invariant marks (S5) is passed over, unless
// it is named.
//
// Thread: one; it may be done while an operator runs on the same data directory.
#ifndef OPERATOR_PIPELINE_PLAN_H
#define OPERATOR_PIPELINE_PLAN_H

#include "checkpoints/repository.h"
#include "operator/config/job.h"
#include "operator/sink/sink.h"

// Records behind N that are looked at for earlier times.
#define RWD_PLAN_LOOK_MAX 1000000

typedef enum rwd_target_kind { RWD_TARGET_CHECKPOINT, RWD_TARGET_OFFSET, RWD_TARGET_TIME } rwd_target_kind;

typedef struct rwd_target {
    rwd_target_kind kind;
    const char *checkpoint;  // id, beginning of one, tag or latest; borrowed
    int64_t offset;
    int64_t time_us;
} rwd_target;

// Why a checkpoint that is nearer to C is not the base.
typedef enum rwd_passed_why {
    RWD_PASSED_ABOVE,    // its X is above the place
    RWD_PASSED_NOT_ASKED,// another one was named
    RWD_PASSED_BAD,      // set aside, or it does not verify now
    RWD_PASSED_MARKED,   // an invariant did not hold there
    RWD_PASSED_HISTORY,  // other logic, source or start made it
    RWD_PASSED_PRUNED,   // only its manifest is left
    RWD_PASSED_COUNT
} rwd_passed_why;
// "above the place". Static.
const char *rwd_passed_text(rwd_passed_why why);

typedef struct rwd_passed {
    char id[RWD_CHECKPOINT_ID];
    int64_t next_offset;
    rwd_passed_why why;
    char more[200];          // what is wrong with it, where anything is
} rwd_passed;

typedef struct rwd_plan {
    int64_t place;           // N; of a named checkpoint its X
    bool has_record;         // the first record at or above N
    int64_t record_offset, record_time_us;  // its own time, or its event's; RWD_TIME_NONE: none
    uint64_t record_size;
    bool event_times;        // times are those of events
    uint64_t looked_at;      // of a time: records behind N that were looked at,
    bool looked_at_all;      // up to C;
    uint64_t earlier;        // so many have a time below it,
    int64_t earlier_offset, earlier_time_us;  // and this is the first of them
    rwd_checkpoint base;
    rwd_lineage lineage;     // the history that C names
    bool has_frontier;       // outputs say what is committed
    int64_t frontier;        // C; without outputs, or without a broker that says it, the X of the newest checkpoint
    bool no_broker;          // none answered: what is behind that X is not looked at, and is for the next start
    uint64_t records;        // to replay: those of [X, C)
    double rate;             // records per second: the most that was seen between two checkpoints; 0: unknown
    uint64_t keys;           // in the newest checkpoint: no more than these, and those that are new since, are touched
    rwd_passed *passed;      // newest first
    size_t passed_count;
} rwd_plan;
void rwd_plan_deinit(rwd_plan *plan);

typedef struct rwd_plan_options {
    const rwd_job *job;      // borrowed, as the rest
    rwd_repo *repo;
    rwd_io *io;
    rwd_clock *clock;
    rwd_target target;
    bool above_c;            // N may be above C: what is wanted is a state, not a way back
    bool place_only;         // the record at an offset is not wanted: nothing is read for it, and `has_record` is false
} rwd_plan_options;

// C as it stands in the outputs. `out_found` false: there are no outputs, or nothing was committed.
RWD_MUST bool rwd_peek_commit(const rwd_job *job, rwd_clock *clock, bool *out_found, rwd_commit *out, rwd_error *err);
// Errors: NOT_FOUND (no such checkpoint), NO_CHECKPOINT (none serves the place), USAGE (a time without times; an offset below the beginning), and those of source, sink
// and repository. *gives* `out`.
RWD_MUST bool rwd_plan_make(const rwd_plan_options *options, rwd_plan *out, rwd_error *err);

#endif
