// The logics of a data directory: from the hash of a segment's logic (L4) to a job that replays with it.
//
// A logic is found in the current job, in those that were added (--logic FILE), and in the job files that are kept with lineages; its descriptor set and plugins likewise. All that is not logic
// (connection, state, journal, ...) is the current job's.
//
// A checkpoint's rows have the tables of the logic that its manifest names as fingerprint: that of the record below X, which need not be the last segment's of its lineage.
//
// Thread: one at a time; jobs that were handed out stay until free, and may be read by any.
#ifndef OPERATOR_REPAIR_LOGICS_H
#define OPERATOR_REPAIR_LOGICS_H

#include "checkpoints/repository.h"
#include "operator/config/job.h"

#define RWD_LOGIC_TEXT_MAX ((size_t)1 << 20)  // of a job file

typedef struct rwd_logics rwd_logics;

// `repo` (as owner or reader) and `current` are *borrowed*.
rwd_logics *rwd_logics_new(rwd_repo *repo, const rwd_job *current);
// Ends all jobs that it handed out, but for `current`.
void rwd_logics_free(rwd_logics *logics);

// To replay with. *borrowed* until free. Its sinks (and invariants) are the current job's where they fit to the tables of that logic, else it has none. Errors: NOT_FOUND (kept nowhere), LOGIC_CHANGED
// (this program means something else by the text that is kept), CORRUPT.
RWD_MUST bool rwd_logics_job(rwd_logics *logics, rwd_hash128 logic, const rwd_job **out, rwd_error *err);
// The job of the lineage's last segment, with the sinks that it publishes to. *borrowed* until free. Errors: as above.
RWD_MUST bool rwd_logics_last(rwd_logics *logics, const rwd_lineage *lineage, const rwd_job **out, rwd_error *err);
// Adds the logic of another job file (--logic FILE). *Borrows* `job` for the call. `out` is the current job with that logic and its own sinks, *borrowed* until free: `out->logic` is the hash for
// a segment. CONFIG: the current sinks name what the tables do not have.
RWD_MUST bool rwd_logics_add(rwd_logics *logics, const rwd_job *job, const rwd_job **out, rwd_error *err);

// Keeps a lineage with the job files of all its segments, each known here. Durable on return; one that is kept already is left as it is. The repository is open as owner.
RWD_MUST bool rwd_logics_save(rwd_logics *logics, const rwd_lineage *lineage, rwd_error *err);
// The same in another repository, a shadow's.
RWD_MUST bool rwd_logics_save_in(rwd_logics *logics, rwd_repo *repo, const rwd_lineage *lineage, rwd_error *err);

#endif
