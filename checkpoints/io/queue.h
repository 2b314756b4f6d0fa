// Many reads, writes and syncs in flight, for bulk work: journal blocks, read-ahead, hashing.
//
// The owner fills in operations (rwd_io_op, in memory of its own), submits them in batches, and finds out about completions by polling, waiting, or a
// callback. Nothing is allocated for an operation, submitting never fails and never waits for the disk, and what goes wrong is the operation's result.
// At most `depth` operations are in flight; more wait in the queue, in their order, and begin while the owner polls or waits.
//
// What must stay true:
// - Completions come in any order. Reads and writes that overlap are not ordered: wait for the first before submitting the second.
// - A sync begins when all writes to its descriptor that were submitted before it have completed, and covers them. If one of them fails, the sync
//   is not made and fails with the same error: nobody takes for durable what was not written. Writes submitted after it may run beside it. A failed
//   sync is never repeated (io.h).
// - An operation ends once, with all its bytes, at end of file, or with -errno; short transfers, EINTR and EAGAIN do not come through.
//
// Descriptors may be open with O_DIRECT (rwd_io_open_direct): then offset, size and address of each operation must be multiples of RWD_IO_ALIGN. Only a
// read that ends at the end of the file moves another number of bytes.
//
// Thread: a queue belongs to the thread of the rwd_io it was made from. It may move to another one with it, while nothing is in flight.
#ifndef CHECKPOINTS_IO_QUEUE_H
#define CHECKPOINTS_IO_QUEUE_H

#include "checkpoints/io/io.h"

#define RWD_IO_DEPTH_MAX 64u               // operations in flight, of one queue
#define RWD_IO_ALIGN 4096u                 // what O_DIRECT asks for at most on the file systems that we know; pool buffers have it
#define RWD_IO_POOL_MAX ((size_t)64 << 20) // bytes of one queue's pool
// Bytes that an rwd_io and its clones register with the kernel: locked memory counts per user, over all processes, and 8 MiB are a common limit.
// Half of it is for what hashes and copies whole files, while it does; a pool that lives long should stay below the other half.
#define RWD_IO_REGISTERED_MAX ((size_t)1 << 20)

typedef struct rwd_io_queue rwd_io_queue;

typedef struct rwd_io_queue_options {
    unsigned depth;         // 1 to RWD_IO_DEPTH_MAX
    unsigned buffer_count;  // buffers of the pool; 0: none
    size_t buffer_size;     // of each; a multiple of RWD_IO_ALIGN
} rwd_io_queue_options;

// *gives* a queue of io's tier; `io` is *borrowed* until it is closed. Fails with RESOURCE when threads or memory run out.
RWD_MUST bool rwd_io_queue_open(rwd_io *io, const rwd_io_queue_options *options, rwd_io_queue **out, rwd_error *err);
// Cancels, then frees. Every operation is finished (and its callback called) when it returns; no descriptor or thread of the queue is left. NULL is ignored.
void rwd_io_queue_close(rwd_io_queue *queue);

// The tier that this queue got: a pool may be beyond what may be registered, and works unregistered then. `out_refused` (may be NULL) says why: errno, or 0.
rwd_io_tier rwd_io_queue_tier(const rwd_io_queue *queue, int *out_refused);

// Begins the operations. Each is *borrowed*, with its data, until it is finished. Never waits.
void rwd_io_submit(rwd_io_queue *queue, rwd_io_op *ops[], size_t count);
// Delivers what has completed: sets `finished` and `result`, calls `done`. Never waits for the disk. Returns how many were delivered.
size_t rwd_io_poll(rwd_io_queue *queue);
// Delivers at least that many completions, or all there are to come where they are fewer. Returns how many.
size_t rwd_io_wait(rwd_io_queue *queue, size_t at_least);
// Waits until this operation, which was submitted here, is finished; delivers others that complete meanwhile. Returns at once if it is finished.
void rwd_io_await(rwd_io_queue *queue, const rwd_io_op *op);
// Waits until nothing is unfinished.
void rwd_io_drain(rwd_io_queue *queue);
// What has not begun is finished with -ECANCELED; what is in flight is waited for, since the kernel does not give regular files' transfers back.
void rwd_io_cancel(rwd_io_queue *queue);
// Submitted and not finished.
size_t rwd_io_unfinished(const rwd_io_queue *queue);

// A buffer of the pool: `buffer_size` bytes, aligned to RWD_IO_ALIGN, registered with the kernel where the tier can. NULL when all are taken. It
// is the taker's until given back. Any other memory may be used for operations, too.
void *rwd_io_buffer_take(rwd_io_queue *queue);
void rwd_io_buffer_give(rwd_io_queue *queue, void *buffer);

// The result of a finished operation in words, as rwd_io_read, rwd_io_write and rwd_io_fsync say it: true if it worked (a read may have ended at
// end of file; see op->result). `path` is for the message.
RWD_MUST bool rwd_io_check(const rwd_io_op *op, const char *path, rwd_error *err);

// Opens past the page cache (O_DIRECT), or plainly where the file system cannot; `out_direct` says which. The descriptor is the caller's.
RWD_MUST bool rwd_io_open_direct(rwd_io *io, const char *path, int flags, unsigned mode, int *out_fd, bool *out_direct, rwd_error *err);
// From now on transfers of an open descriptor go past the page cache, or through it; none is in flight. False: the file system cannot.
RWD_MUST bool rwd_io_set_direct(int fd, bool direct);

#endif
