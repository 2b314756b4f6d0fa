// What is below a queue: something that makes attempts at operations and reports what each came to, in any order.
//
// An engine knows nothing of short transfers, repetition, or order between operations: queue.c sees to them. An attempt covers what is left of an
// operation: `size - moved` bytes at `data + moved` and `offset + moved`, at most RWD_IO_ATTEMPT_MAX.
//
// Thread: its queue's; an engine that has threads hides them.
#ifndef CHECKPOINTS_IO_ENGINE_PRIVATE_H
#define CHECKPOINTS_IO_ENGINE_PRIVATE_H

#include "checkpoints/io/queue.h"

#define RWD_IO_ATTEMPT_MAX ((size_t)1 << 30)  // system calls take a little less than 2 GiB, a ring's length has 32 bits
#define RWD_IO_THREADS 4u                     // of the pread tier: all queues of an rwd_io and its clones together

typedef struct rwd_io_engine rwd_io_engine;

typedef struct rwd_io_engine_spec {
    unsigned depth;         // attempts under way at most
    uint8_t *pool;          // the queue's buffers, one behind the other; *borrowed* until the engine is freed. NULL: none
    unsigned buffer_count;
    size_t buffer_size;
} rwd_io_engine_spec;

typedef struct rwd_io_engine_ops {
    // Begins an attempt at each. The queue keeps to the depth.
    void (*start)(rwd_io_engine *engine, rwd_io_op *ops[], size_t count);
    // Attempts that ended, with op->attempt set; waits for one if `wait` and any is under way.
    size_t (*reap)(rwd_io_engine *engine, bool wait, rwd_io_op *done[], size_t capacity);
    void (*free)(rwd_io_engine *engine);  // nothing is under way
} rwd_io_engine_ops;

struct rwd_io_engine {
    const rwd_io_engine_ops *ops;
    rwd_io_tier tier;
    int refused_pool;  // -errno of registering the pool, where the tier would have
};

// Bytes that an attempt at `op` covers.
static inline size_t rwd_io_attempt_size(const rwd_io_op *op) {
    size_t left = op->size - op->moved;
    return left < RWD_IO_ATTEMPT_MAX ? left : RWD_IO_ATTEMPT_MAX;
}
// An attempt by a system call: bytes or -errno. Any thread.
int64_t rwd_io_system_attempt(const rwd_io_op *op);
// Takes in what op->attempt came to. True: the operation is over and its result set. False: it needs another attempt.
bool rwd_io_settle(rwd_io *io, rwd_io_op *op);

// The threads of the pread tier: shared by engines, there while any engine is.
typedef struct rwd_io_threads rwd_io_threads;
rwd_io_threads *rwd_io_threads_new(void);
void rwd_io_threads_free(rwd_io_threads *threads);  // no engine is left
// 0 or -errno.
int rwd_io_threads_engine(rwd_io_threads *threads, const rwd_io_engine_spec *spec, rwd_io_engine **out);

// An engine of one of the uring tiers. `registered` counts the bytes that a process and its clones have registered; *borrowed* until the engine is freed. A pool
// that cannot be registered is used without. 0 or -errno.
int rwd_io_ring_engine(atomic_size_t *registered, rwd_io_tier tier, const rwd_io_engine_spec *spec, rwd_io_engine **out);

// An rwd_io of that tier, untried. *gives*.
rwd_io *rwd_io_of_tier(rwd_io_tier tier);

#endif
