// Durable input and output behind one interface, so that every byte that must survive can be made to fail in a test.
//
// An rwd_io does one thing at a time: names (create, rename, link, unlink, sync of a folder), which fail on full and broken disks, too, and single
// reads, writes and syncs. Bulk transfers go through a queue made from it (checkpoints/io/queue.h): many operations in flight, completions that
// live in their owner. How a queue moves bytes is the tier; single operations are plain system calls on every tier, which is the quickest for them.
// The fault tier (below) wraps another one and misbehaves, in queues, too.
//
// Short transfers, EINTR and EAGAIN end here, in one place for single operations and queues: an operation ends with all its bytes, at end of file, or with
// -errno.
//
// A failed fsync is never retried on the same file: the kernel may have dropped the dirty pages (see "fsyncgate", LWN 752063). Callers get
// SYNC_FAILED and treat what it covered as lost.
//
// Thread: an rwd_io belongs to one thread; make one per thread (cheap). A process may fork while no queue is open.
#ifndef CHECKPOINTS_IO_IO_H
#define CHECKPOINTS_IO_IO_H

#include <stdatomic.h>

#include "operator/base/bytes.h"
#include "operator/base/error.h"
#include "operator/base/hash.h"

// How queues move bytes, best last. checkpoints/io/probe.h finds the best that this machine allows.
typedef enum rwd_io_tier {
    RWD_IO_TIER_AUTO,              // not a tier: the best that works
    RWD_IO_TIER_PREAD,             // pread and pwrite, in a few threads that all queues of the rwd_io and its clones share
    RWD_IO_TIER_URING,             // io_uring
    RWD_IO_TIER_URING_REGISTERED,  // io_uring, with the queues' buffers registered
    RWD_IO_TIER_COUNT
} rwd_io_tier;
// "auto", "pread", "uring", "uring-registered". Static.
const char *rwd_io_tier_name(rwd_io_tier tier);
// The tier of that name; false where there is none.
bool rwd_io_tier_parse(const char *name, rwd_io_tier *out);

typedef enum rwd_io_kind { RWD_IO_READ, RWD_IO_WRITE, RWD_IO_FSYNC, RWD_IO_FDATASYNC } rwd_io_kind;

// An operation and its completion. Zero-initialise it and fill in the first part; it is the owner's, and must stay where it is until it is finished.
typedef struct rwd_io_op rwd_io_op;
struct rwd_io_op {
    rwd_io_kind kind;
    int fd;
    void *data;            // borrowed until completion
    size_t size;
    uint64_t offset;
    void (*done)(rwd_io_op *op);  // called when it is finished, by the thread that polls, waits or closes; may submit, must not wait. NULL: nothing
    void *owner;           // the submitter's, untouched

    bool finished;         // set when its completion is delivered; false from submit on
    int64_t result;        // once finished: bytes moved (less than size: end of file), 0 for syncs, or -errno

    // Private to the queue and the tier.
    size_t moved;          // by attempts so far
    int64_t attempt;       // what the newest attempt came to
    unsigned again;        // attempts that ended with EAGAIN
    uint64_t sequence;
    void *engine;
    rwd_io_op *next;
};

typedef struct rwd_io rwd_io;
struct rwd_io_engine;       // how a queue's attempts are made; private to this folder
struct rwd_io_engine_spec;

// What a tier does. Metadata calls return 0 or -errno.
typedef struct rwd_io_ops {
    int64_t (*attempt)(rwd_io *io, const rwd_io_op *op);  // once, now: what is left of the operation; bytes or -errno
    int (*engine)(rwd_io *io, const struct rwd_io_engine_spec *spec, struct rwd_io_engine **out);
    int (*open)(rwd_io *io, const char *path, int flags, unsigned mode);  // O_CLOEXEC is added; a descriptor or -errno
    int (*close)(rwd_io *io, int fd);
    int (*rename)(rwd_io *io, const char *from, const char *to);
    int (*link)(rwd_io *io, const char *from, const char *to);
    int (*unlink)(rwd_io *io, const char *path);
    int (*truncate)(rwd_io *io, int fd, uint64_t size);
    int (*mkdir)(rwd_io *io, const char *path, unsigned mode);
    int (*clone)(const rwd_io *io, rwd_io **out);  // a tier of the same kind for another thread
    void (*free)(rwd_io *io);
} rwd_io_ops;

struct rwd_io {
    const rwd_io_ops *ops;
    rwd_io_tier tier;               // of its queues
    uint64_t reads, writes, syncs, bytes_read, bytes_written;  // counters for metrics, of queues, too; plain, owner's thread
};

// The pread tier, untried. *gives*.
RWD_MUST bool rwd_io_pread_new(rwd_io **out, rwd_error *err);
void rwd_io_free(rwd_io *io);  // its queues must have been closed

// A wrapper (*takes* `inner`) that misbehaves as its plan says; the same seed misbehaves the same way. For tests. Clones share the
// plan and the count of operations. Every call but close is one operation, and so is each attempt at a transfer that was cut short or refused.
// A write that is made to fail writes its first half; a sync that is made to fail loses what it covered for good, as kernels do: a later sync
// of the same file succeeds without it (seen with `disk` only).
//
// Power loss: give the plan a `disk` (checkpoints/io/fake_disk.h) that knows what has reached the medium, and stop the power at the n-th operation. From
// then on every operation fails with EIO and changes nothing. The test lets the code unwind, calls rwd_fake_disk_power_loss, and opens again:
//
//   rwd_fake_disk_new(dir, &disk, &err);
//   rwd_io_fault_new(pread, &(rwd_io_fault_plan){.disk = disk, .power_off_at = n}, &io, &err);
//   ... run the code under test with io; free everything ...
//   rwd_fake_disk_power_loss(disk, seed, &err);     // dir now holds what was durable (seed 0) or a state that a loss can leave (other seeds)
struct rwd_fake_disk;
typedef struct rwd_io_fault_plan {
    uint64_t seed;
    uint64_t fail_at;        // the n-th operation of any kind from 1 fails with `error`; 0: none
    int error;               // EIO, ENOSPC, ...
    bool fail_forever;       // and all later ones of that kind as well
    unsigned reorder;        // a queue's operations run, and complete, shuffled among up to this many
    unsigned short_percent;  // chance that a transfer moves the first half only
    unsigned again_percent;  // chance that an attempt ends with EINTR (transfers) or EAGAIN, and does nothing
    bool lazy;               // a queue's operations run when they are waited for, and a poll finds none
    const char *path_part;   // only operations on paths or descriptors opened with this in their path; NULL: all. *borrowed*
    struct rwd_fake_disk *disk;   // told of every operation; *borrowed*. NULL: none
    uint64_t power_off_at;   // the n-th operation and all later ones fail and do nothing; 0: never
} rwd_io_fault_plan;
RWD_MUST bool rwd_io_fault_new(rwd_io *inner, const rwd_io_fault_plan *plan, rwd_io **out, rwd_error *err);
uint64_t rwd_io_fault_count(const rwd_io *io);  // operations seen so far, of all clones: lets a test try every fail_at

// A tier of the same kind for another thread, as the caller's was made. *gives*.
RWD_MUST bool rwd_io_clone(const rwd_io *io, rwd_io **out, rwd_error *err);

// One operation, waited for. `path` is for the message. A write that cannot be completed is an error (DISK_FULL, IO, ...);
// a read returns less than `size` at end of file only.
RWD_MUST bool rwd_io_read(rwd_io *io, int fd, const char *path, void *data, size_t size, uint64_t offset, size_t *out_read, rwd_error *err);
RWD_MUST bool rwd_io_write(rwd_io *io, int fd, const char *path, const void *data, size_t size, uint64_t offset, rwd_error *err);
RWD_MUST bool rwd_io_fsync(rwd_io *io, int fd, const char *path, rwd_error *err);
RWD_MUST bool rwd_io_fdatasync(rwd_io *io, int fd, const char *path, rwd_error *err);
RWD_MUST bool rwd_io_open(rwd_io *io, const char *path, int flags, unsigned mode, int *out_fd, rwd_error *err);
void rwd_io_close(rwd_io *io, int fd);  // -1 is ignored
RWD_MUST bool rwd_io_rename(rwd_io *io, const char *from, const char *to, rwd_error *err);
RWD_MUST bool rwd_io_link(rwd_io *io, const char *from, const char *to, rwd_error *err);
RWD_MUST bool rwd_io_unlink(rwd_io *io, const char *path, rwd_error *err);
RWD_MUST bool rwd_io_truncate(rwd_io *io, int fd, const char *path, uint64_t size, rwd_error *err);
RWD_MUST bool rwd_io_mkdir(rwd_io *io, const char *path, rwd_error *err);  // 0700; existing is an error
RWD_MUST bool rwd_io_sync_dir(rwd_io *io, const char *path, rwd_error *err);

// A whole small file, atomically and durably: temporary, fsync, rename, fsync of the folder. 0600.
RWD_MUST bool rwd_io_write_file(rwd_io *io, const char *path, rwd_slice bytes, rwd_error *err);
// A folder that may be there already, with its missing parents; each new name is made durable. 0700.
RWD_MUST bool rwd_io_make_dirs(rwd_io *io, const char *path, rwd_error *err);
// A whole file of at most `limit` bytes, appended to `out`. Absent is NOT_FOUND, larger is CORRUPT.
RWD_MUST bool rwd_io_read_file(rwd_io *io, const char *path, size_t limit, rwd_buf *out, rwd_error *err);

// Hash of a file's bytes with read-ahead; also its size. MEDIUM reads past the page cache where the file system can, so that it says what is
// on the disk and evicts nothing that others use. `stop` (may be NULL) is polled: true ends early with RETRY as the decision.
typedef enum rwd_io_from { RWD_IO_FROM_CACHE, RWD_IO_FROM_MEDIUM } rwd_io_from;
RWD_MUST bool rwd_io_hash_file(rwd_io *io, const char *path, rwd_io_from from, const atomic_bool *stop, rwd_hash128 *out_hash, uint64_t *out_size,
                               rwd_error *err);
// Copies the bytes (never a reflink: K4 wants an independent copy), fsyncs the copy. Fails if `to` exists.
RWD_MUST bool rwd_io_copy_file(rwd_io *io, const char *from, const char *to, const atomic_bool *stop, rwd_hash128 *out_hash, uint64_t *out_size,
                               rwd_error *err);

#endif
