// Where a long text goes: standard output as it comes, or a file that is there whole or not at all.
//
// Thread: one.
#ifndef OPERATOR_CLI_OUTPUT_H
#define OPERATOR_CLI_OUTPUT_H

#include "checkpoints/io/io.h"
#include "operator/base/fs.h"

#define RWD_OUTPUT_PIECE ((size_t)256 << 10)  // bytes gathered before they are written

typedef struct rwd_output {
    rwd_io *io;                    // borrowed
    int fd;
    char path[RWD_PATH_MAX];       // the file, or empty: standard output
    char temporary[RWD_PATH_MAX];
    uint64_t written;
    rwd_buf text;                  // append here, then call rwd_output_step
} rwd_output;

// `path` NULL: standard output. A file is written under a temporary name beside it, mode 0600.
RWD_MUST bool rwd_output_open(rwd_io *io, const char *path, rwd_output *out, rwd_error *err);
// Writes what has been gathered, once it is enough to be worth it.
RWD_MUST bool rwd_output_step(rwd_output *out, rwd_error *err);
// Writes the rest; a file is made durable and gets its name.
RWD_MUST bool rwd_output_commit(rwd_output *out, rwd_error *err);
// Frees; what was not committed is gone.
void rwd_output_close(rwd_output *out);

#endif
