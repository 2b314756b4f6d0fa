// The commit log of the file sink: where C lives when outputs are files (C1).
//
// A log file is written by one process, which holds a flock on it. It begins with one entry that was durable before the file got its name; entries are
// appended and synced one at a time. Every start, and every failed sync, ends a log file: rwd_commit_log_replace makes the next one, which begins with what
// the last entry said. So a log file never holds bytes of two processes, and it stays small.
//
// Thread: one at a time.
#ifndef OPERATOR_SINK_COMMIT_LOG_H
#define OPERATOR_SINK_COMMIT_LOG_H

#include "checkpoints/io/io.h"
#include "operator/base/fs.h"
#include "operator/config/job.h"
#include "operator/sink/sink.h"

#define RWD_COMMIT_LOG_MAX ((uint64_t)1 << 20)        // a longer one is ended and goes on in a new file
#define RWD_COMMIT_FILES_MAX (2 * (RWD_SINKS_MAX + 1))  // files an entry may name: the job's, and those of the job before it

typedef struct rwd_commit_file {
    char *name;        // relative to the log's folder where it lies in or below it, else absolute
    uint64_t length;   // committed bytes
} rwd_commit_file;

typedef struct rwd_commit_entry {
    uint64_t sequence;  // of the commit, from 1; 0: the files are known, nothing is committed
    rwd_commit commit;
    rwd_commit_file files[RWD_COMMIT_FILES_MAX];
    size_t file_count;
} rwd_commit_entry;

void rwd_commit_entry_deinit(rwd_commit_entry *entry);  // and clears it
void rwd_commit_entry_add(rwd_commit_entry *entry, const char *name, uint64_t length);
const rwd_commit_file *rwd_commit_entry_find(const rwd_commit_entry *entry, const char *name);  // or NULL

// Appends the entry as it stands in a log, frame and all.
void rwd_commit_entry_encode(const rwd_commit_entry *entry, rwd_buf *out);

// Reads the bytes of a log; `out` is its last entry, `out_any` false where it has none. A torn last entry never happened (C1). CORRUPT: an entry is broken that was
// durable (the first, or one with a whole entry behind it), or the entries do not follow each other. NEWER_FORMAT. `path` is for messages.
// `out` is given either way (deinit it).
RWD_MUST bool rwd_commit_log_scan(rwd_slice bytes, const char *path, rwd_commit_entry *out, bool *out_any, rwd_error *err);

typedef struct rwd_commit_log {
    char path[RWD_PATH_MAX];
    int fd;           // locked; -1: none
    uint64_t size;    // where the next entry goes
    rwd_buf buf;
} rwd_commit_log;

void rwd_commit_log_init(rwd_commit_log *log, const char *path);
void rwd_commit_log_close(rwd_commit_log *log, rwd_io *io);  // releases the lock

// The last entry of the log at log->path, whoever holds it. A log that is absent has none. Changes nothing.
RWD_MUST bool rwd_commit_log_read(const rwd_commit_log *log, rwd_io *io, rwd_commit_entry *out, bool *out_any, rwd_error *err);
// Takes the lock, making an empty log where there is none. LOCKED says who holds it. Held already and still the file of that name: nothing to do.
RWD_MUST bool rwd_commit_log_lock(rwd_commit_log *log, rwd_io *io, rwd_error *err);
// True while the file that we have locked is the one that bears the name: nobody put another in its place.
bool rwd_commit_log_is_ours(const rwd_commit_log *log);
// Ends the log file and goes on in a new one that begins with `first`: temporary, fsync, rename, fsync of the folder. The lock goes with it.
RWD_MUST bool rwd_commit_log_replace(rwd_commit_log *log, rwd_io *io, const rwd_commit_entry *first, rwd_error *err);
// Appends one entry, not synced. After a failure the log file must not be used any more.
RWD_MUST bool rwd_commit_log_append(rwd_commit_log *log, rwd_io *io, const rwd_commit_entry *entry, rwd_error *err);
RWD_MUST bool rwd_commit_log_sync(rwd_commit_log *log, rwd_io *io, rwd_error *err);

#endif
