// Why two states differ in a key: the first records behind which its rows are not the same.
//
// Both histories are replayed in shadows, one behind the other, from the newest good checkpoint that they have in common, each to its state's position; of every record only what it makes
// of the one key is kept. Where a state stands lower than the other its row stays as it is from there on.
//
// Thread: one; it may be done while an operator runs on the same data directory.
#ifndef OPERATOR_PIPELINE_WHY_H
#define OPERATOR_PIPELINE_WHY_H

#include "operator/repair/difference.h"
#include "operator/pipeline/shadow.h"

// Records that change the key, of a history: more are not kept.
#define RWD_WHY_CHANGES_MAX 100000

typedef struct rwd_why_options {
    const rwd_job *job;            // the current job; borrowed, as the rest
    rwd_repo *repo;                // where common checkpoints are; as reader or as owner
    rwd_logics *logics;            // of both histories
    rwd_io *io;
    rwd_io_tier tier;
    rwd_clock *clock;
    const char *table;
    const char *key;               // as output records have it (state/key_text.h)
    const rwd_lineage *lineage[2]; // by side
    int64_t position[2];           // X of the states
    size_t most;                   // records to name
    const char *folder;            // for shadows; not there yet, and not there any more behind it
    bool progress;
    void (*working)(void *context, rwd_shadow *shadow);  // a shadow is about to be built; NULL: it was. May be NULL itself
    void *context;
} rwd_why_options;

typedef struct rwd_why_step {
    int64_t offset;
    bool changes[2];               // the record changes the row of that side
    rwd_amend_state amended[2];    // what that side's amendments make of it, where it changes the row
    bool present[2];               // the rows behind it,
    rwd_buf row[2];                // as JSON
} rwd_why_step;

typedef struct rwd_why {
    char base[RWD_CHECKPOINT_ID];
    int64_t base_offset;
    uint64_t records;              // read by both replays
    rwd_why_step *steps;           // of the first records behind which the rows differ, in order
    size_t count;
    bool more;                     // there are more of them
} rwd_why;
void rwd_why_deinit(rwd_why *why);

// USAGE: the key is none of the table's. NOT_FOUND: no side has the table. NO_CHECKPOINT: nothing common is left. Those of shadows. *gives* `out`.
RWD_MUST bool rwd_why_run(const rwd_why_options *options, rwd_why *out, rwd_error *err);

#endif
