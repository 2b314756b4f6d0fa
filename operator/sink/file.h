// Files as outputs, with C in an append-only commit log beside them (C1).
//
// The log is "<path of the first output>.commits" (the first sink's file, or the dead-letter file where there is no sink). An entry
// (frame "RWCE", proto/commit.proto) holds C, its metadata and the length of every output, by a name relative to the log's folder, so
// that the folder can be moved. Order of a commit: append outputs, fdatasync each, append the entry, fdatasync. A new file's folder
// is synced before its first entry. Each start, and any failed fdatasync, ends a log file: what its last valid entry says goes to a
// new file (temporary, fsync, rename, fsync of the folder) before outputs are cut and C is used; the sequence says how many commits
// there were. A log that has grown to RWD_COMMIT_LOG_MAX is ended in the same way, so it stays small however long the job runs. Its
// first entry may stand for no commit at all (sequence 0): it says that the outputs are ours, before anything is written to them. A
// torn last entry never happened; a broken entry with a valid one behind it is corruption.
// The log is flocked; who finds it locked is told who holds it.
//
// An output that exists, without a log that knows it, is never touched: EXISTS. One that the log knows and that is missing or too
// short is CORRUPT, never made again silently. Recovery cuts: who wants to judge C before that (C4 (2), (8)) looks by peek.
//
// Thread: pipeline; the work runs on the sink's thread "commit".
#ifndef OPERATOR_SINK_FILE_H
#define OPERATOR_SINK_FILE_H

#include "checkpoints/io/io.h"
#include "operator/base/clock.h"
#include "operator/base/fs.h"
#include "operator/config/job.h"
#include "operator/sink/sink.h"
#include "state/budget.h"

// `job`, `clock` and `budget` are *borrowed*, `io` is *taken* (for the sink's thread; peek and recover use it before the thread starts).
RWD_MUST bool rwd_file_sink_open(const rwd_job *job, rwd_io *io, rwd_clock *clock, rwd_budget *budget, rwd_sink **out, rwd_error *err);
// Path of the commit log of the job's outputs, whether it is there or not: what `--fresh` moves aside together with the outputs.
RWD_MUST bool rwd_file_sink_log_path(const rwd_job *job, char out[RWD_PATH_MAX], rwd_error *err);
// Names the lineage that output rows carry from now on (after recovery decided it).
void rwd_file_sink_set_lineage(rwd_sink *sink, rwd_hash128 lineage);

#endif
