// Making a plan of a repair (R1, R3): the old and the new history at one position, and what outputs would show otherwise.
//
//   1  the lineage that C names, and the new one: --logic from one place of the input on (to another one, or to stay), amendments, or a lineage that is given as a whole (undo)
//   2  the base: the newest good checkpoint that both histories have (L2)
//   3  C0: the X of a checkpoint of the live history. The old side is that checkpoint, or with rebuild_old a shadow of the old lineage
//   4  the new side: a shadow of the new lineage, up to C0. Each record is read once, and it must be the records that the old side had (E4)
//   5  corrections (corrections.h), dead letters, invariants, sums; PLAN
//
// Nothing outside <data>/repairs/<id> is changed; an operator may run on the data directory. A plan that was killed leaves a folder without PLAN; asked for again with the same things it goes
// on there.
//
// Thread: one.
#ifndef OPERATOR_PIPELINE_REPAIR_MAKE_H
#define OPERATOR_PIPELINE_REPAIR_MAKE_H

#include "operator/config/amend_file.h"
#include "operator/pipeline/plan.h"
#include "operator/repair/repair_plan.h"
#include "operator/pipeline/shadow.h"

// Rows a second that readers are reckoned to get: for the estimate of how long they wait.
#define RWD_REPAIR_ROWS_PER_SECOND 100000

typedef struct rwd_repair_options {
    const rwd_job *job;          // current; borrowed, as the rest
    rwd_clock *clock;
    rwd_io *io;
    rwd_io_tier tier;            // of the shadow's
    rwd_repo *repo;              // as reader or as owner
    const char *who;

    // What is asked for.
    bool has_from, has_to;
    rwd_target from, to;         // [from, to): without `to` the new logic stays; without `from` amendments only
    const rwd_job *logic;        // NULL: the logic stays as it is
    const rwd_amendments *amendments;  // NULL: none
    const rwd_lineage *lineage;  // this one instead of all that; NULL: built from it
    const char *kind, *undoes;   // for PLAN; NULL: "repair", ""

    // How.
    const char *old_checkpoint;  // of the live history, at C0; NULL: its newest good one
    bool rebuild_old;
    uint64_t memory;             // of a shadow; 0: as it says
    int64_t every_ns;            // a checkpoint of the shadow on the way at most so long after the one before; 0: only where memory calls for one
    int64_t (*pace)(void *context, int64_t worked_ns);  // shadow.h
    void *pace_context;
    void (*working)(void *context, rwd_shadow *shadow);  // a shadow is about to be built; NULL: it was. May be NULL itself
    void *context;
    bool progress;
} rwd_repair_options;

// *gives* `out`. USAGE: nothing, or something impossible, is asked for; a window that may be touched has left the state already (S4). LOGIC_CHANGED: the new logic may begin at genesis only (L3).
// NO_CHECKPOINT. SOURCE_CHANGED: the records are not those that were processed (E4). Those of plans by time, shadows and comparison.
RWD_MUST bool rwd_repair_make(const rwd_repair_options *options, rwd_repair_plan *out, rwd_error *err);

// The jobs that the rows of a plan's two sides have the tables of, with the outputs that they are published to where those fit. `logics` has the plan's (rwd_repair_plan_logics). *borrowed* from it.
RWD_MUST bool rwd_repair_jobs(const rwd_repair_plan *plan, const char *folder, rwd_repo *repo, rwd_logics *logics, rwd_io *io, const rwd_job **out_old, const rwd_job **out_new, rwd_error *err);

// The newest good checkpoint of a lineage (L2) at or below a position, but for those that an invariant marks (S5). NO_CHECKPOINT. *gives*.
RWD_MUST bool rwd_repair_base(rwd_repo *repo, rwd_io *io, const rwd_lineage *lineage, int64_t at_most, rwd_checkpoint *out, rwd_error *err);

// The lowest offset whose record the two decide otherwise, or INT64_MAX: their histories are one.
int64_t rwd_lineage_differs_from(const rwd_lineage *a, const rwd_lineage *b);

#endif
