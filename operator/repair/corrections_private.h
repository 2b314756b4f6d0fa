// Writing a file of corrections (corrections.h).
//
// Thread: one at a time.
#ifndef OPERATOR_REPAIR_CORRECTIONS_PRIVATE_H
#define OPERATOR_REPAIR_CORRECTIONS_PRIVATE_H

#include "operator/base/fs.h"
#include "operator/repair/corrections.h"

typedef struct rwd_corrections_writer {
    rwd_io *io;                   // borrowed
    char path[RWD_PATH_MAX];      // empty: nothing is written, only counted
    char temporary[RWD_PATH_MAX];
    int fd;
    uint64_t written, rows;
    rwd_buf block, frame;
    rwd_hasher *hasher;
} rwd_corrections_writer;

typedef struct rwd_corrections_head {
    const char *repair;
    int64_t next_offset;
    rwd_hash128 old_lineage, new_lineage;
} rwd_corrections_head;

// `path` NULL: only counts and hashes. Close it, whatever open answered.
RWD_MUST bool rwd_corrections_writer_open(rwd_corrections_writer *writer, const char *path, rwd_io *io, const rwd_corrections_head *head, rwd_error *err);
RWD_MUST bool rwd_corrections_write(rwd_corrections_writer *writer, const rwd_correction *correction, rwd_error *err);
// The tail; durable, under its name.
RWD_MUST bool rwd_corrections_writer_commit(rwd_corrections_writer *writer, rwd_hash128 *out_hash, rwd_error *err);
// What was not committed is gone.
void rwd_corrections_writer_close(rwd_corrections_writer *writer);

#endif
