// A shadow: the state at a place of the input, built apart from the live one.
//
// It is made from a checkpoint and the records behind it, by the same replay as a recovery, with outputs off: nothing is committed, no dead letter is written, no offset moves. It has a folder
// of its own, with a repository of its own, in which its result is a checkpoint; of the data directory that the base is in nothing but the base's files and the journal is read: the
// journal first, the topic for the rest. Table files are linked where the folder is on the same file system as the base's, else copied.
//
// What is replayed is a lineage (L1): the base's own, or another one whose history below the base's X is the base's. It goes in stages, one for each segment with a logic of its own. Where the state
// means the same to two of them, the logic is changed in place, between two records; else the checkpoint at the end of one is the base of the next. Amendments act as they do in an operator with that
// lineage (L6).
//
//   new, or open -> build -> read the checkpoint in rwd_shadow_dir -> extend, as often as wanted -> free
//
// A shadow that was killed is opened again and goes on from its newest checkpoint. What it was begun with is kept in the folder, as <folder>/SHADOW.
//
// With `sample` only some of the keys are kept up to date, chosen by their hash; what the others would have made of an event (late, an overflow) is not known then, and the result serves no lineage.
//
// Thread: new, open, build, extend, and free from one thread; stop and progress from any.
#ifndef OPERATOR_PIPELINE_SHADOW_H
#define OPERATOR_PIPELINE_SHADOW_H

#include "operator/repair/logics.h"
#include "operator/pipeline/operator.h"

// Of a sample: all keys.
#define RWD_SAMPLE_ALL 1000000u
// Of state.memory, unless another amount is given.
#define RWD_SHADOW_MEMORY_PART 4

typedef struct rwd_shadow rwd_shadow;

typedef struct rwd_shadow_options {
    const rwd_job *job;          // the current job: where records are, what logic they are replayed with where there are no `logics`; borrowed, as the rest
    rwd_clock *clock;
    rwd_io_tier io;
    rwd_repo *repo;              // where the base is; as reader or as owner
    const rwd_checkpoint *base;  // good; held by a reader's lock of the caller's while it is built (K6)
    const rwd_lineage *lineage;  // what is replayed; NULL: the base's own
    rwd_logics *logics;          // the jobs of its segments; NULL: all have the job's logic
    int64_t until;               // N: the records below it are in the result. Not below the base's X
    const char *folder;          // of the shadow; made where it is not there
    bool keep;                   // free leaves the folder there
    uint64_t memory;             // bytes, at least RWD_BUDGET_MIN; 0: state.memory / RWD_SHADOW_MEMORY_PART, or that least
    int64_t every_ns;            // a checkpoint on the way at most so long after the one before, so that a kill costs no more; 0: only where memory calls for one
    uint32_t sample;             // keys kept up to date, of RWD_SAMPLE_ALL; 0: all
    // Behind each batch, `worked_ns` after it came: how long to sleep, in nanoseconds. NULL: never. On the building thread.
    int64_t (*pace)(void *context, int64_t worked_ns);
    void *pace_context;
    const rwd_look *look;        // who looks on (operator.h); borrowed; NULL: nobody
    const atomic_bool *stop;     // as rwd_shadow_stop, while a broker is waited for; NULL: that alone
    bool progress;               // a progress line on stderr where that is a terminal
} rwd_shadow_options;

// The folder does not exist, or is empty (EXISTS). *gives*.
RWD_MUST bool rwd_shadow_new(const rwd_shadow_options *options, rwd_shadow **out, rwd_error *err);
// The folder may be there: then build goes on from the newest good checkpoint in it that is not above `until`. EXISTS: it was begun with another base, lineage or sample.
RWD_MUST bool rwd_shadow_open(const rwd_shadow_options *options, rwd_shadow **out, rwd_error *err);
// Removes the folder, unless it is to be kept.
void rwd_shadow_free(rwd_shadow *shadow);
// Ends build and extend soon, with BUSY; a later open goes on from there.
void rwd_shadow_stop(rwd_shadow *shadow);
// Replays up to N and makes the result durable in the folder. POSITION: the input ends below N. BUSY: stopped. LOCKED: it is being built elsewhere. LOGIC_CHANGED: the job of a segment is
// not known, or its rows are others. Errors of source and state as in a recovery; a broker that is away is waited for.
RWD_MUST bool rwd_shadow_build(rwd_shadow *shadow, rwd_error *err);
// Built: goes on to `until`, which is not below its X. Where it fails, the result is the newest checkpoint on the way.
RWD_MUST bool rwd_shadow_extend(rwd_shadow *shadow, int64_t until, rwd_error *err);
// Of the result: all that a manifest says, X being the offset behind the last record below N; and its folder, to be read with state/reader.h. Borrowed; changed by extend.
const rwd_checkpoint *rwd_shadow_checkpoint(const rwd_shadow *shadow);
const char *rwd_shadow_dir(const rwd_shadow *shadow);
const rwd_lineage *rwd_shadow_lineage(const rwd_shadow *shadow);

typedef struct rwd_amend_counts {
    uint64_t skipped, replaced, inserted;
    uint64_t missed;             // to be skipped or replaced, and no record is at that offset
    uint64_t waiting;            // at or above X: they act when a record is there
} rwd_amend_counts;

typedef struct rwd_shadow_progress {
    int64_t from, at, until;     // the base's X; the next offset; N
    int64_t resumed_at;          // X of the checkpoint that an earlier process left, from which this one went on; -1: none
    uint64_t records;            // read by this one
    int64_t ns, left_ns;         // since the first of them; at that pace: until the end; 0: unknown, or none is left
    double rate;                 // records per second, lately
    rwd_amend_counts amended;    // what came of amendments from resumed_at, or else the base, on. Once it is built
} rwd_shadow_progress;
void rwd_shadow_get_progress(rwd_shadow *shadow, rwd_shadow_progress *out);

// Does a sample of so many keys of RWD_SAMPLE_ALL hold this one? All windows of a key are in it, or none. Pure.
bool rwd_shadow_samples(rwd_slice key, bool windowed, uint32_t sample);

#endif
