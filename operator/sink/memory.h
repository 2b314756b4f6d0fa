// Outputs kept in memory, for tests: what was committed can be looked at; commits can be held back, aborted, or lost after they happened.
//
// Thread: pipeline.
#ifndef OPERATOR_SINK_MEMORY_H
#define OPERATOR_SINK_MEMORY_H

#include "operator/config/job.h"
#include "operator/sink/sink.h"

typedef struct rwd_memory_row { size_t sink; uint8_t *key; size_t key_size; uint8_t *row; uint32_t row_size; int64_t offset; char *old; } rwd_memory_row;  // old: of a correction

// The "disk" outlives the sink, so that a test can crash the operator and open another sink on it.
typedef struct rwd_memory_disk {
    rwd_commit commit; bool found;
    rwd_memory_row *rows; size_t row_count;         // committed rows, commit by commit, sorted by key for emit: commit
    int64_t *dead_offsets; rwd_code *dead_codes; size_t dead_count;
    uint64_t commits;
    char repair[RWD_REPAIR_ID], reason[256];        // of the newest transaction of corrections
} rwd_memory_disk;

rwd_sink *rwd_memory_sink_new(const rwd_job *job, rwd_memory_disk *disk);      // *borrows* both
void rwd_memory_disk_deinit(rwd_memory_disk *disk);
// The next commit stays RUNNING until released, or waited for (then it succeeds); ends as `outcome`; with UNKNOWN, `happened` says whether it did.
void rwd_memory_sink_hold(rwd_sink *sink);
void rwd_memory_sink_release(rwd_sink *sink, rwd_commit_outcome outcome, bool happened);

#endif
