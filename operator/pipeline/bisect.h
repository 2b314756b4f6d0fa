// Bisect: the first offset at which something became untrue of a table's rows. Reads, and changes nothing of the data directory.
//
// What is asked is a condition over rows of one table, as an invariant's: untrue where some key's row makes it false (or the one key's that is asked for). It is looked for in two steps.
//
//   1. By checkpoints, from the newest at or below N down: down to the newest at which it was untrue, and on to the nearest one below that at which it was true still.
//      Where it is true at the newest checkpoint, the records between that and N are replayed first.
//   2. By records: the interval above that checkpoint is replayed in a shadow, and each changed row is looked at. The first record behind which it is untrue is the answer.
//
// So where it flips several times, the answer is the first flip behind the nearest checkpoint that it was true at; a time in which it was untrue between two checkpoints at which it was true
// is not seen, but in the last interval.
//
// Thread: one; it may be done while an operator runs on the same data directory.
#ifndef OPERATOR_PIPELINE_BISECT_H
#define OPERATOR_PIPELINE_BISECT_H

#include "operator/pipeline/shadow.h"

// Bytes of the record that are kept to be shown.
#define RWD_BISECT_RECORD_MAX (1u << 20)

typedef struct rwd_bisect_options {
    const rwd_job *job;          // the current job; borrowed, as the rest
    rwd_repo *repo;              // as reader or as owner
    rwd_io *io;
    rwd_io_tier tier;
    rwd_clock *clock;
    const char *table;           // NULL: the only one
    const char *check;
    const char *key;             // as output records have it (state/key_text.h); NULL: any
    int64_t until;               // N; -1: C, or where an invariant parked the job behind it
    const char *folder;          // for shadows; not there yet, and not there any more behind it
    bool progress;
    // A shadow is about to be built, and was: for who may stop it. NULL: nobody.
    bool (*begun)(void *context, rwd_shadow *shadow, rwd_error *err);
    void (*ended)(void *context);
    void *context;
} rwd_bisect_options;

typedef enum rwd_bisect_outcome {
    RWD_BISECT_HOLDS,   // it is true at N, and at every checkpoint that was looked at
    RWD_BISECT_FOUND,
    RWD_BISECT_BEFORE,  // it is untrue at every checkpoint that is left: it became so before the oldest
} rwd_bisect_outcome;

typedef enum rwd_bisect_verdict { RWD_BISECT_TRUE, RWD_BISECT_UNTRUE, RWD_BISECT_UNKNOWN } rwd_bisect_verdict;
const char *rwd_bisect_verdict_text(rwd_bisect_verdict verdict);  // static

typedef struct rwd_bisect_place {
    char id[RWD_CHECKPOINT_ID];
    int64_t next_offset;
    rwd_bisect_verdict verdict;
    char why[200];               // of UNKNOWN
} rwd_bisect_place;

typedef struct rwd_bisect {
    rwd_bisect_outcome outcome;
    char *table, *check;         // the check in normal form
    int64_t until;
    rwd_bisect_place *places;    // that were looked at, newest first
    size_t place_count;
    int64_t from, to;            // [from, to) was replayed, last; -1: nothing was
    uint64_t records;            // read by replays
    // FOUND:
    char base[RWD_CHECKPOINT_ID];
    int64_t offset, time_us;     // of the record: its own time, or RWD_TIME_NONE
    rwd_amend_state amended;     // INSERTED: an amendment in front of that offset
    uint64_t record_size;
    rwd_buf record, record_key;  // its value and key, cut
    bool has_record_key;
    rwd_buf key, before, after;  // the row's key as text, and the row behind and in front of the record as JSON; `before` empty: there was none
} rwd_bisect;
void rwd_bisect_deinit(rwd_bisect *bisect);

// Errors: USAGE (the check, the key), NOT_FOUND (the table), NO_CHECKPOINT (none is at or below N), and those of sink, source, repository and shadow. *gives* `out`.
RWD_MUST bool rwd_bisect_run(const rwd_bisect_options *options, rwd_bisect *out, rwd_error *err);

#endif
