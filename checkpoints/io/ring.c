// The rings' engine: attempts as requests of io_uring (J. Axboe, "Efficient IO with io_uring"; liburing 2.3). The only file that includes liburing.h.
//
// What must stay true: at most `depth` requests are known to the kernel, and the completion ring is at least as large, so it never overflows. A
// request is queued (in `queued`, its entry written, the kernel not told), with the kernel, or ended. Once the kernel refuses to be entered (a seccomp filter
// that came later), nothing is given to it any more: what it has not taken fails, what it has still ends and is found by looking.
//
// No kernel thread polls for us (IORING_SETUP_SQPOLL): it would take a core. Registered memory counts against RLIMIT_MEMLOCK of the user, over all
// processes, so a process and its clones register RWD_IO_REGISTERED_MAX at most; queues beyond that work unregistered.
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <time.h>

#include "checkpoints/io/engine_private.h"

#define RWD_IO_REFUSED_SLEEP_NS 1000000L  // between looks for completions that cannot be waited for

typedef struct ring_engine {
    rwd_io_engine engine;  // first
    struct io_uring ring;
    unsigned depth, queued_count, kernel_count, failed_count;
    rwd_io_op *queued[RWD_IO_DEPTH_MAX];
    rwd_io_op *failed[RWD_IO_DEPTH_MAX];  // ended without the kernel
    int refused;                          // errno of the call that the kernel refused for good
    const uint8_t *pool;
    size_t pool_size;                     // registered; 0: none
    atomic_size_t *registered;            // of the process and its clones
} ring_engine;

// ---- requests

static bool in_pool(const ring_engine *e, const uint8_t *data, size_t size) {
    return e->pool_size > 0 && data >= e->pool && size <= e->pool_size && (size_t)(data - e->pool) <= e->pool_size - size;
}

static void prepare(ring_engine *e, struct io_uring_sqe *sqe, rwd_io_op *op) {
    uint8_t *data = op->data ? (uint8_t *)op->data + op->moved : NULL;
    unsigned size = (unsigned)rwd_io_attempt_size(op);
    uint64_t at = op->offset + op->moved;
    bool registered = in_pool(e, data, size);
    switch (op->kind) {
    case RWD_IO_READ:
        if (registered) io_uring_prep_read_fixed(sqe, op->fd, data, size, at, 0);
        else io_uring_prep_read(sqe, op->fd, data, size, at);
        break;
    case RWD_IO_WRITE:
        if (registered) io_uring_prep_write_fixed(sqe, op->fd, data, size, at, 0);
        else io_uring_prep_write(sqe, op->fd, data, size, at);
        break;
    case RWD_IO_FSYNC: io_uring_prep_fsync(sqe, op->fd, 0); break;
    case RWD_IO_FDATASYNC: io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC); break;
    }
    io_uring_sqe_set_data(sqe, op);
}

static void fail_op(ring_engine *e, rwd_io_op *op) {
    assert(e->failed_count < RWD_IO_DEPTH_MAX);
    op->attempt = -e->refused;
    e->failed[e->failed_count++] = op;
}

// What entering the kernel came to: the first `result` of the queued requests are its own now, or -errno.
static void account(ring_engine *e, int result) {
    if (result >= 0) {
        unsigned taken = (unsigned)result < e->queued_count ? (unsigned)result : e->queued_count;
        e->queued_count -= taken;
        e->kernel_count += taken;
        memmove(e->queued, e->queued + taken, e->queued_count * sizeof(e->queued[0]));
        return;
    }
    if (result == -EINTR || result == -EAGAIN || result == -EBUSY) return;  // they stay queued
    e->refused = -result;
    for (unsigned i = 0; i < e->queued_count; i++) fail_op(e, e->queued[i]);
    e->queued_count = 0;
}

static void engine_start(rwd_io_engine *engine, rwd_io_op *ops[], size_t count) {
    ring_engine *e = (ring_engine *)engine;
    for (size_t i = 0; i < count; i++) {
        struct io_uring_sqe *sqe = e->refused ? NULL : io_uring_get_sqe(&e->ring);
        if (!sqe) {  // the ring has an entry for each of `depth`, so it is the refusal
            assert(e->refused);
            fail_op(e, ops[i]);
            continue;
        }
        prepare(e, sqe, ops[i]);
        e->queued[e->queued_count++] = ops[i];
    }
    if (e->queued_count > 0) account(e, io_uring_submit(&e->ring));
}

// ---- completions

static size_t collect(ring_engine *e, rwd_io_op *done[], size_t capacity) {
    struct io_uring_cqe *cqes[RWD_IO_DEPTH_MAX];
    size_t count = 0;
    while (e->failed_count > 0 && count < capacity) done[count++] = e->failed[--e->failed_count];
    size_t room = capacity - count < RWD_IO_DEPTH_MAX ? capacity - count : RWD_IO_DEPTH_MAX;
    unsigned found = e->kernel_count > 0 && room > 0 ? io_uring_peek_batch_cqe(&e->ring, cqes, (unsigned)room) : 0;
    for (unsigned i = 0; i < found; i++) {
        rwd_io_op *op = io_uring_cqe_get_data(cqes[i]);
        op->attempt = cqes[i]->res;
        done[count++] = op;
    }
    io_uring_cq_advance(&e->ring, found);
    e->kernel_count -= found;
    return count;
}

static void rest(void) {
    struct timespec time = {.tv_nsec = RWD_IO_REFUSED_SLEEP_NS};
    (void)nanosleep(&time, NULL);
}

static size_t engine_reap(rwd_io_engine *engine, bool wait, rwd_io_op *done[], size_t capacity) {
    ring_engine *e = (ring_engine *)engine;
    for (;;) {
        if (e->queued_count > 0) account(e, io_uring_submit(&e->ring));
        size_t count = collect(e, done, capacity);
        if (count > 0 || !wait || e->queued_count + e->kernel_count == 0) return count;
        if (e->refused || e->kernel_count == 0) rest();  // nothing to wait for in the kernel, or no way to
        else account(e, io_uring_submit_and_wait(&e->ring, 1));
    }
}

// ---- life

static void unregister_pool(ring_engine *e) {
    if (e->pool_size == 0) return;
    (void)io_uring_unregister_buffers(&e->ring);  // at once: closing the ring gives memory back some time later
    atomic_fetch_sub(e->registered, e->pool_size);
    e->pool_size = 0;
}

static void engine_free(rwd_io_engine *engine) {
    ring_engine *e = (ring_engine *)engine;
    assert(e->queued_count + e->kernel_count + e->failed_count == 0);
    unregister_pool(e);
    io_uring_queue_exit(&e->ring);
    free(e);
}

static const rwd_io_engine_ops ring_engine_ops = {.start = engine_start, .reap = engine_reap, .free = engine_free};

// The whole pool is one registered range. 0 or -errno.
static int register_pool(ring_engine *e, const rwd_io_engine_spec *spec) {
    size_t size = spec->buffer_count * spec->buffer_size;
    struct iovec range = {spec->pool, size};
    if (size == 0) return 0;
    if (atomic_fetch_add(e->registered, size) + size > RWD_IO_REGISTERED_MAX) {
        atomic_fetch_sub(e->registered, size);
        return -ENOMEM;
    }
    int result = io_uring_register_buffers(&e->ring, &range, 1);
    if (result != 0) {
        atomic_fetch_sub(e->registered, size);
        return result;
    }
    e->pool = spec->pool;
    e->pool_size = size;
    return 0;
}

// Completions are handled when we enter the kernel anyway, not by interrupting us (since Linux 5.19).
static int open_ring(ring_engine *e) {
    struct io_uring_params params = {.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG};
    int result = io_uring_queue_init_params(e->depth, &e->ring, &params);
    if (result != -EINVAL) return result;
    params = (struct io_uring_params){0};
    return io_uring_queue_init_params(e->depth, &e->ring, &params);
}

int rwd_io_ring_engine(atomic_size_t *registered, rwd_io_tier tier, const rwd_io_engine_spec *spec, rwd_io_engine **out) {
    ring_engine *e = rwd_calloc(1, sizeof(*e));
    e->engine.ops = &ring_engine_ops;
    e->engine.tier = RWD_IO_TIER_URING;
    e->depth = spec->depth;
    e->registered = registered;
    int result = open_ring(e);
    if (result != 0) {
        free(e);
        return result;
    }
    (void)io_uring_ring_dontfork(&e->ring);  // a child must not drive its parent's ring
    if (tier == RWD_IO_TIER_URING_REGISTERED) {
        e->engine.refused_pool = register_pool(e, spec);
        if (e->engine.refused_pool == 0) e->engine.tier = tier;
    }
    *out = &e->engine;
    return 0;
}
