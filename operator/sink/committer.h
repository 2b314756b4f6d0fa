// Two transactions, and the thread that commits one of them while the pipeline fills the other: what all sinks with a thread have in common.
//
// A sink gives the commit as a function. While it runs, on the thread "commit", it owns the committing transaction and all that the sink says it needs; otherwise
// the pipeline owns everything. A commit that did not succeed is the last one: those that follow are ABORTED, for the same reason, until start is called again.
//
//   start -> begin -> put into pending -> commit_async -> begin ... poll tells what became of it, once
//
// Thread: pipeline, unless stated.
// Locks: one mutex, held for moments only, never during a commit.
#ifndef OPERATOR_SINK_COMMITTER_H
#define OPERATOR_SINK_COMMITTER_H

#include "operator/base/clock.h"
#include "operator/sink/sink.h"
#include "operator/sink/transaction.h"

// What a transaction holds.
typedef struct rwd_pending {
    rwd_transaction *rows;
    rwd_buf dead;             // dead letters, in the sink's own form
    uint64_t dead_letters;
    uint64_t dead_held;       // capacity of `dead` that is accounted
    char lineage[RWD_HASH128_HEX];
    char repair[RWD_REPAIR_ID]; // of corrections: the repair; empty: they are ordinary rows
    rwd_buf reason;             // and why
} rwd_pending;

// Commits `pending` as `commit`; `out_done` is cleared before: what it published, which counts if it is COMMITTED. Not COMMITTED: `err` says why.
// Thread: commit.
typedef rwd_commit_outcome (*rwd_commit_work)(void *context, rwd_pending *pending, const rwd_commit *commit, rwd_sink_stats *out_done, rwd_error *err);

typedef struct rwd_committer rwd_committer;

// `context`, `clock` and `budget` (NULL: nothing is accounted) are *borrowed*. Commits fail until start. *gives*.
rwd_committer *rwd_committer_new(rwd_commit_work work, void *context, rwd_clock *clock, rwd_budget *budget);
// Waits for the running commit. What is open is gone.
void rwd_committer_free(rwd_committer *committer);

// Waits until no commit runs: what the function uses may be used here until the next commit_async.
void rwd_committer_settle(rwd_committer *committer);
// The same, and forgets both transactions and an outcome that nobody has asked for; commits fail from here on.
void rwd_committer_reset(rwd_committer *committer);
// Commits are made from here on. RESOURCE: no thread could be started.
RWD_MUST bool rwd_committer_start(rwd_committer *committer, rwd_error *err);
// Waits until no commit runs. True: the transaction in hand can still be committed.
bool rwd_committer_is_usable(rwd_committer *committer);
// The open transaction cannot be committed any more, for this reason. True: it could have been until now.
bool rwd_committer_spoil(rwd_committer *committer, const rwd_error *err);
// Names the lineage that transactions carry which are ended from now on.
void rwd_committer_set_lineage(rwd_committer *committer, rwd_hash128 lineage);

// For the function: the outputs of the running commit are out; its position is next, or follows again (a second try: false). Thread: commit.
void rwd_committer_sent(rwd_committer *committer, bool sent);

void rwd_committer_begin(rwd_committer *committer);
// The open transaction. What is put into its `dead` is accounted by grown.
rwd_pending *rwd_committer_pending(rwd_committer *committer);
void rwd_committer_grown(rwd_committer *committer);
uint64_t rwd_committer_pending_bytes(const rwd_committer *committer);

// As in rwd_sink_ops.
void rwd_committer_correct(rwd_committer *committer, const char *repair, rwd_slice reason);

// As in rwd_sink_ops. stats: Thread: any.
bool rwd_committer_ready(rwd_committer *committer);
void rwd_committer_commit_async(rwd_committer *committer, const rwd_commit *commit);
rwd_commit_outcome rwd_committer_poll(rwd_committer *committer, rwd_commit *out, rwd_error *err);
void rwd_committer_wait(rwd_committer *committer, int64_t timeout_ns);
void rwd_committer_stats(rwd_committer *committer, rwd_sink_stats *out);

#endif
