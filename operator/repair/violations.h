// Which keys begin to violate an invariant where one state takes the place of another (S5): what a plan says, and what keeps it from being applied; at C those that park do so once more.
//
// A key begins to violate an invariant if its new row does and its old one did not. An old row is judged by the new job where that can read it, else by the invariant of the same text that the old
// job has; where that has none, the row violated nothing.
//
// Thread: one at a time.
#ifndef OPERATOR_REPAIR_VIOLATIONS_H
#define OPERATOR_REPAIR_VIOLATIONS_H

#include "operator/config/invariants.h"
#include "operator/repair/repair_plan.h"

typedef struct rwd_violations {
    const rwd_job *old_job, *new_job;  // borrowed
    bool same_rows;                    // the new job can read old rows
    uint32_t old_of[RWD_INVARIANTS_MAX];  // by invariant of the new job: its bit in the old one; 0: that has none such
    rwd_answers old_answers, answers;
    rwd_invariant_tally *tallies;      // by invariant of the new job
} rwd_violations;

void rwd_violations_init(rwd_violations *violations, const rwd_job *old_job, const rwd_job *new_job);
void rwd_violations_deinit(rwd_violations *violations);
// rwd_corrections_options.see; `context` is the rwd_violations.
RWD_MUST bool rwd_violations_see(void *context, uint16_t table, rwd_slice key, rwd_slice old_row, rwd_slice new_row, rwd_error *err);
// Puts those that keys begin to violate into the plan, in place of what stands there.
void rwd_violations_note(const rwd_violations *violations, rwd_repair_plan *plan);

#endif
