// What a checkpoint is made of: a part of the operator's knowledge that can be frozen, written, and opened again.
//
// Tables are one; dedup ids, the dead-letter index and counters are others. The pipeline drives all participants through
// the same steps:
//
//   freeze(X)    pipeline   O(1); from now on "frozen" means: as of the batch boundary whose next offset is X (K1)
//   sweep        pipeline   a bounded portion of the work that only the owner of the state can do for the frozen set
//   write        checkpoint writes all that is frozen into files below `dir`; returns when those files are complete (not synced)
//   digest       checkpoint of what was frozen; valid after write
//   thaw         pipeline   the checkpoint is durable: what was frozen is clean (K2)
//   discard      pipeline   forget everything (rollback); open may follow
//   open         pipeline   start from the files that an earlier write left, or empty
//
// There is at most one freeze at a time. write runs on the checkpoint thread while the pipeline goes on changing the state; nothing
// later than the freeze may reach the files (K2). A failed write is final for this process: the state must be discarded.
#ifndef OPERATOR_BASE_PARTICIPANT_H
#define OPERATOR_BASE_PARTICIPANT_H

#include <stdint.h>

#include "operator/base/error.h"
#include "operator/base/hash.h"

typedef struct rwd_participant rwd_participant;

typedef struct rwd_participant_ops {
    const char *name;  // folder or file name prefix inside a checkpoint; one word
    // Thread: pipeline. Precondition: no freeze is open.
    void (*freeze)(rwd_participant *self, int64_t next_offset);
    // Thread: pipeline. Does about `limit` units of work; true when nothing is left to sweep for the open freeze.
    bool (*sweep)(rwd_participant *self, size_t limit);
    // Thread: checkpoint. Blocks until swept and written below `dir` (exists, empty or holds other participants' files).
    RWD_MUST bool (*write)(rwd_participant *self, const char *dir, rwd_error *err);
    // Thread: checkpoint, after write. Digest of the frozen set.
    rwd_hash128 (*digest)(rwd_participant *self);
    // Thread: pipeline, after write returned true and the manifest is durable.
    void (*thaw)(rwd_participant *self);
    // Thread: pipeline; no write is running.
    void (*discard)(rwd_participant *self);
    // Thread: pipeline. `checkpoint_dir` NULL: empty. `live_dir` is this process's own folder for files in use (exists, empty).
    RWD_MUST bool (*open)(rwd_participant *self, const char *checkpoint_dir, const char *live_dir, rwd_error *err);
    // Thread: pipeline. Memory in use.
    uint64_t (*bytes)(const rwd_participant *self);
} rwd_participant_ops;

struct rwd_participant {
    const rwd_participant_ops *ops;
};

#endif
