// The checkpoint thread: turns a freeze into a published checkpoint while the pipeline goes on.
//
//   pipeline                                  checkpoint thread
//   freeze all participants, begin(facts)  -> stage; participants write
//   sweep(limit) at each batch
//   committed(known good)                  -> publish only after this (K1)
//   poll -> DONE                           <- durable
//   (thaw is called by poll)
//
// Thread: every function is the pipeline's.
#ifndef CHECKPOINTS_CHECKPOINTER_H
#define CHECKPOINTS_CHECKPOINTER_H

#include "checkpoints/repository.h"
#include "operator/base/participant.h"

typedef struct rwd_checkpointer rwd_checkpointer;

// `repo`, `clock` and `participants` are *borrowed*; `io` is *taken*, for the thread's own use.
RWD_MUST bool rwd_checkpointer_new(rwd_repo *repo, rwd_participant *const participants[], size_t count, rwd_io *io, rwd_clock *clock,
                                   rwd_checkpointer **out, rwd_error *err);
// Waits for a running write to end (its result is dropped), stops the thread.
void rwd_checkpointer_free(rwd_checkpointer *checkpointer);

bool rwd_checkpointer_busy(const rwd_checkpointer *checkpointer);
// Freezes all participants and starts writing. Facts are copied. Precondition: not busy, at a boundary that ends a transaction.
void rwd_checkpointer_begin(rwd_checkpointer *checkpointer, const rwd_facts *facts);
// A portion of the sweep; call once per batch while busy. `limit` slots.
void rwd_checkpointer_sweep(rwd_checkpointer *checkpointer, size_t limit);
// K1: the commit whose boundary was frozen is known to have succeeded.
void rwd_checkpointer_committed(rwd_checkpointer *checkpointer);

// The commit of the frozen boundary did not succeed, or the state rolls back: waits for the running write to end (sweeping meanwhile), drops its result
// and what it wrote. Not busy afterwards; nothing is thawed: the caller discards the participants.
void rwd_checkpointer_abandon(rwd_checkpointer *checkpointer);

typedef enum rwd_checkpoint_outcome { RWD_CHECKPOINT_IDLE, RWD_CHECKPOINT_RUNNING, RWD_CHECKPOINT_DONE, RWD_CHECKPOINT_FAILED } rwd_checkpoint_outcome;
typedef struct rwd_checkpoint_result {
    char id[RWD_CHECKPOINT_ID];
    int64_t next_offset;
    rwd_hash128 digest;
    int64_t took_ns;
    rwd_error error;   // of FAILED
} rwd_checkpoint_result;
// DONE and FAILED are told once; after DONE the participants are thawed. After FAILED they must be discarded before another begin (participant.h).
// The digest is the sum (rwd_hash128_add) of the participants' digests.
rwd_checkpoint_outcome rwd_checkpointer_poll(rwd_checkpointer *checkpointer, rwd_checkpoint_result *out);
// Blocks up to `timeout_ns` for something to poll for (used when the pipeline has nothing else to do). Sweep first: the thread may wait for it.
void rwd_checkpointer_wait(rwd_checkpointer *checkpointer, int64_t timeout_ns);

#endif
