// What can be taken back (R5): switches of the lineage are a stack, as history.log has them. A repair, or a change of the logic, is put on top; an undo takes the top off.
//
// Thread: one.
#ifndef OPERATOR_REPAIR_UNDO_H
#define OPERATOR_REPAIR_UNDO_H

#include "checkpoints/repository.h"
#include "operator/sink/sink.h"

typedef struct rwd_undoable {
    char id[RWD_REPAIR_ID];        // of the repair on top; empty: what is on top is no repair, but a change of the job file
    rwd_hash128 lineage;           // the one below it: what undo goes back to
    int64_t at_us, next_offset;    // when it was switched, and at which C
} rwd_undoable;

// `live`: the lineage that C names. NOT_FOUND: nothing is there to be taken back. CORRUPT: history.log ends with another lineage than C.
RWD_MUST bool rwd_find_undoable(rwd_repo *repo, rwd_hash128 live, rwd_undoable *out, rwd_error *err);

#endif
