// The keeper: a background thread that verifies files not verified yet (K5), applies retention (K6, K7; the journal's, too) and makes the independent copy (K4).
//
// Thread: functions are the pipeline's; the work runs on the keeper's own thread at low priority.
#ifndef CHECKPOINTS_KEEPER_H
#define CHECKPOINTS_KEEPER_H

#include "checkpoints/journal/journal.h"
#include "checkpoints/repository.h"

typedef struct rwd_keeper rwd_keeper;

typedef struct rwd_keeper_options {
    rwd_keep keep;
    int64_t full_every_ns;   // age of the newest independent copy that calls for another; 0: never
    unsigned full_keep;
    rwd_journal *journal;    // *borrowed*; NULL: there is none
} rwd_keeper_options;

RWD_MUST bool rwd_keeper_new(rwd_repo *repo, rwd_io *io /* taken */, rwd_clock *clock, const rwd_keeper_options *options, rwd_keeper **out, rwd_error *err);
void rwd_keeper_free(rwd_keeper *keeper);  // stops soon, even inside a copy or verification
// Tells that a commit of our own succeeded with this frontier (deletion needs one since it was decided, K6); with a new id, that a checkpoint was made, which
// is no commit.
void rwd_keeper_notify(rwd_keeper *keeper, const rwd_lineage *lineage, int64_t frontier, const char *new_checkpoint_id);
// A checkpoint that was found bad in the background since the last call: true, with its id and reason. K5: the caller takes the rollback
// road if live files share the damage.
bool rwd_keeper_found_bad(rwd_keeper *keeper, char out_id[RWD_CHECKPOINT_ID], rwd_error *out_why);
// K7: X of the earliest good checkpoint of C's history from which up to C nothing was missing when retention last looked: in the journal alone, and in the journal or the topic. -1: there is none,
// or it did not look yet. It is noted in the repository, too.
typedef struct rwd_horizon { int64_t journal, any; } rwd_horizon;
rwd_horizon rwd_keeper_horizon(rwd_keeper *keeper);
// The first offset that the topic still has, as last heard; -1: not known. (What compaction took is not told by it.)
void rwd_keeper_tell_begin(rwd_keeper *keeper, int64_t begin);
// Waits until there is nothing left to do (end of a run), at most `timeout_ns`. True: there is nothing left.
bool rwd_keeper_drain(rwd_keeper *keeper, int64_t timeout_ns);

#endif
