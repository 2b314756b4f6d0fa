// The output files of a job: the sinks', in the job's order, and the dead letters' as the last one.
//
// Each has a committed length, which the commit log knows, and a length, which is what was appended since. Bytes beyond the committed length are nobody's: recovery
// cuts them off.
//
// Thread: one at a time.
#ifndef OPERATOR_SINK_OUTPUTS_H
#define OPERATOR_SINK_OUTPUTS_H

#include "operator/sink/commit_log.h"

#define RWD_OUTPUTS_MAX (RWD_SINKS_MAX + 1)

typedef struct rwd_output {
    const char *path;    // as the job has it, *borrowed*
    char *name;          // as the commit log has it
    int fd;
    uint64_t committed;
    uint64_t length;
} rwd_output;

typedef struct rwd_outputs {
    rwd_output items[RWD_OUTPUTS_MAX];
    size_t count;
} rwd_outputs;

void rwd_outputs_init(rwd_outputs *outputs, const rwd_job *job);  // *borrows* the paths
void rwd_outputs_close(rwd_outputs *outputs, rwd_io *io);         // the files; they can be opened again
// Path of the commit log: that of the first output, and ".commits".
RWD_MUST bool rwd_outputs_log_path(const rwd_job *job, char out[RWD_PATH_MAX], rwd_error *err);

// Opens all outputs and compares them with the log's last entry (`known`; without any: an empty one). Makes those that are new, with their folders, durably, and
// changes nothing else. EXISTS: an output has bytes and the log does not know it. CORRUPT: an output lost committed bytes. CONFIG: two outputs are one file.
RWD_MUST bool rwd_outputs_open(rwd_outputs *outputs, rwd_io *io, const char *log_path, const rwd_commit_entry *known, rwd_error *err);
// Adds every output to an entry: with its committed length, or with what was appended.
void rwd_outputs_describe(const rwd_outputs *outputs, bool appended, rwd_commit_entry *entry);
// Cuts every output to its committed length, durably; also the files of `known` that are no outputs any more.
RWD_MUST bool rwd_outputs_cut(rwd_outputs *outputs, rwd_io *io, const char *log_path, const rwd_commit_entry *known, rwd_error *err);

RWD_MUST bool rwd_output_append(rwd_output *output, rwd_io *io, rwd_slice bytes, rwd_error *err);
// fdatasync of every output that has grown.
RWD_MUST bool rwd_outputs_sync(rwd_outputs *outputs, rwd_io *io, rwd_error *err);
void rwd_outputs_committed(rwd_outputs *outputs);  // what was appended is committed now
// What was appended is gone: gives its space back. A file that cannot be cut now is cut by the next recovery.
void rwd_outputs_drop(rwd_outputs *outputs, rwd_io *io);

#endif
