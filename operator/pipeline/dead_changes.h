// Dead letters that a repair changes (R6): those that the new history has and the old has not, and those that are none any more. Kept in the repair's folder until they are published.
//
// A new one has the record's bytes, from the journal or the source, where those still have it; a resolved one its key. Both name the record by its offset, as every dead letter does.
//
// Thread: one.
#ifndef OPERATOR_PIPELINE_DEAD_CHANGES_H
#define OPERATOR_PIPELINE_DEAD_CHANGES_H

#include "checkpoints/repository.h"
#include "operator/pipeline/operator.h"
#include "operator/sink/sink.h"

typedef struct rwd_dead_changes_options {
    const char *old_dir, *new_dir;  // of both checkpoints; borrowed, as the rest
    const rwd_lineage *lineage;     // the new one: records that it inserts are nowhere else
    const rwd_job *job;
    rwd_repo *repo;
    rwd_io *io;
    rwd_clock *clock;
    const char *folder;             // the repair's
} rwd_dead_changes_options;

// Writes the file, durable on return, in the order of ids; none is made where nothing changes. Those of CORRUPT state, IO; a record that is gone is no error.
RWD_MUST bool rwd_dead_changes_make(const rwd_dead_changes_options *options, uint64_t *out_count, rwd_error *err);

typedef struct rwd_dead_changes rwd_dead_changes;
// `op` names the source; `repair` is who resolves. *gives*.
RWD_MUST bool rwd_dead_changes_open(const char *folder, rwd_io *io, rwd_operator *op, const char *repair, rwd_dead_changes **out, rwd_error *err);
void rwd_dead_changes_close(rwd_dead_changes *changes);
// *Borrowed* until the next call.
RWD_MUST bool rwd_dead_changes_next(rwd_dead_changes *changes, const rwd_dead_letter **out, bool *out_found, rwd_error *err);
RWD_MUST bool rwd_dead_changes_skip(rwd_dead_changes *changes, uint64_t count, rwd_error *err);

#endif
