// A shadow: the state at a place of the input, built apart from the live one.
//
// It is made from a checkpoint and the records behind it, by the same replay as a recovery, with outputs off: nothing is committed, no dead letter is written, no offset moves. It has a folder
// of its own, with a repository of its own, in which its result is a checkpoint; of the data directory that the base is in nothing but the base's files and the journal is read: the
// journal first, the topic for the rest. While it is built it takes
// as much memory as an operator of the job does (state.memory), and as much of its folder as the state does: table files are linked where that is on the same file system as the base's, else copied.
//
//   new   -> build -> read the checkpoint in rwd_shadow_dir -> free
//
// Thread: new, build and free from one thread; the operator inside may be stopped, and its status asked for, from any (operator.h).
#ifndef OPERATOR_PIPELINE_SHADOW_H
#define OPERATOR_PIPELINE_SHADOW_H

#include "operator/pipeline/operator.h"

typedef struct rwd_shadow rwd_shadow;

typedef struct rwd_shadow_options {
    const rwd_job *job;          // what the records are replayed with; borrowed, as the rest
    rwd_clock *clock;
    rwd_io_tier io;
    rwd_repo *repo;              // where the base is; as reader or as owner
    const rwd_checkpoint *base;  // good; held by a reader's lock of the caller's until build has returned (K6)
    int64_t until;               // N: the records below it are in the result. Not below the base's X
    const char *folder;          // does not exist yet; free removes it. Who dies before leaves it behind
    bool progress;               // a progress line on stderr where that is a terminal
} rwd_shadow_options;

// *gives*.
RWD_MUST bool rwd_shadow_new(const rwd_shadow_options *options, rwd_shadow **out, rwd_error *err);
// Removes the folder.
void rwd_shadow_free(rwd_shadow *shadow);
// For signals and status. Borrowed.
rwd_operator *rwd_shadow_operator(rwd_shadow *shadow);
// Replays up to N and makes the result durable in the folder. POSITION: the input ends below N. BUSY: stopped. Errors of source and state as in a recovery; a broker that is away is waited for.
RWD_MUST bool rwd_shadow_build(rwd_shadow *shadow, rwd_error *err);
// Of the result: all that a manifest says, X being the offset behind the last record below N; and its folder, to be read with state/reader.h. Borrowed.
const rwd_checkpoint *rwd_shadow_checkpoint(const rwd_shadow *shadow);
const char *rwd_shadow_dir(const rwd_shadow *shadow);

#endif
