// A file read once from front to back, in pieces, with several reads in flight.
//
// Thread: its queue's.
#ifndef CHECKPOINTS_IO_READ_AHEAD_H
#define CHECKPOINTS_IO_READ_AHEAD_H

#include "checkpoints/io/queue.h"

#define RWD_READ_AHEAD_MAX 16u  // pieces in flight, of one file

typedef struct rwd_read_ahead rwd_read_ahead;

typedef struct rwd_read_ahead_options {
    int fd;            // *borrowed* until closed
    const char *path;  // for messages; *borrowed*
    uint64_t from;     // first byte; a multiple of RWD_IO_ALIGN if fd is open with O_DIRECT
    uint64_t until;    // stop before this byte, or at end of file; UINT64_MAX: end of file
    unsigned ahead;    // pieces in flight, 1 to RWD_READ_AHEAD_MAX: as many buffers are taken from the queue's pool, which must have them
    size_t piece;      // bytes of one; at most the queue's buffer_size
} rwd_read_ahead_options;

// Begins to read. `queue` is *borrowed*; it may be used for other things meanwhile. *gives*.
RWD_MUST bool rwd_read_ahead_open(rwd_io_queue *queue, const rwd_read_ahead_options *options, rwd_read_ahead **out, rwd_error *err);
// The next piece, in order: full ones, then what is left before the end, then empty for ever. *borrows* until the next call. After an error the
// same error comes again.
RWD_MUST bool rwd_read_ahead_next(rwd_read_ahead *reader, rwd_slice *out, rwd_error *err);
// Waits for what is in flight and gives the buffers back. NULL is ignored.
void rwd_read_ahead_close(rwd_read_ahead *reader);

#endif
