// The queue above the engines: order, depth, syncs that cover what came before, repeated attempts, delivery (queue.h).
//
// What must stay true: an operation is pending (in the list, in the order of submission), flying (in `flying`, with the engine), or finished. `flying`
// never has more than `depth`. A sync leaves the list only when no earlier write to its descriptor is pending or flying.
#include "checkpoints/io/queue.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "checkpoints/io/engine_private.h"

#define RWD_IO_AGAIN_MAX 200u        // attempts that end with EAGAIN before it is the operation's result: a fifth of a second
#define RWD_IO_AGAIN_SLEEP_NS 1000000L

struct rwd_io_queue {
    rwd_io *io;
    rwd_io_engine *engine;
    unsigned depth;
    rwd_io_op *head, *tail;                // pending
    size_t unfinished;
    rwd_io_op *flying[RWD_IO_DEPTH_MAX];
    unsigned in_flight;
    uint64_t sequence;
    uint8_t *pool;
    unsigned buffer_count, free_count;
    size_t buffer_size;
    void **free_buffers;
};

// ---- one operation

// O_DIRECT refuses the unaligned offset that is left when a read has reached the end of a file, and reading there would only say so once more.
static bool at_end(const rwd_io_op *op) {
    struct stat info;
    return op->kind == RWD_IO_READ && op->moved > 0 && fstat(op->fd, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size <= op->offset + op->moved;
}

static bool is_sync(const rwd_io_op *op) { return op->kind == RWD_IO_FSYNC || op->kind == RWD_IO_FDATASYNC; }

static void count_op(rwd_io *io, const rwd_io_op *op) {
    if (is_sync(op)) io->syncs++;
    else if (op->kind == RWD_IO_READ) io->reads++, io->bytes_read += op->moved;
    else io->writes++, io->bytes_written += op->moved;
}

static bool over(rwd_io *io, rwd_io_op *op, int64_t result) {
    op->result = result;
    count_op(io, op);
    return true;
}

// Passing refusals are few, and rest a little: EAGAIN is memory or a full queue in the kernel.
static bool try_again(rwd_io_op *op) {
    if (op->attempt == -EINTR) return true;
    if (op->attempt != -EAGAIN || op->again++ >= RWD_IO_AGAIN_MAX) return false;
    struct timespec rest = {.tv_nsec = RWD_IO_AGAIN_SLEEP_NS};
    (void)nanosleep(&rest, NULL);
    return true;
}

bool rwd_io_settle(rwd_io *io, rwd_io_op *op) {
    int64_t got = op->attempt;
    if (is_sync(op)) return over(io, op, got);  // EINTR is an answer, too: a sync is never repeated
    if (got == -EINVAL && at_end(op)) return over(io, op, (int64_t)op->moved);
    if (got < 0) return !try_again(op) && over(io, op, got);
    if (got == 0 && op->kind == RWD_IO_WRITE && op->size > 0) return over(io, op, -EIO);  // a write that moves nothing would be asked for ever
    op->moved += (size_t)got;
    assert(op->moved <= op->size);
    return (got == 0 || op->moved == op->size || at_end(op)) && over(io, op, (int64_t)op->moved);
}

// ---- lists

static void push(rwd_io_queue *q, rwd_io_op *op) {
    op->next = NULL;
    if (q->tail) q->tail->next = op;
    else q->head = op;
    q->tail = op;
}

// Takes `op`, which stands behind `before` (NULL: at the head), out of the pending ones.
static void unlink_pending(rwd_io_queue *q, rwd_io_op *before, rwd_io_op *op) {
    if (before) before->next = op->next;
    else q->head = op->next;
    if (q->tail == op) q->tail = before;
    op->next = NULL;
}

static void land(rwd_io_queue *q, const rwd_io_op *op) {
    for (unsigned i = 0; i < q->in_flight; i++) {
        if (q->flying[i] != op) continue;
        q->flying[i] = q->flying[--q->in_flight];
        return;
    }
    assert(!"an operation that was not in flight completed");
}

// The operation belongs to its owner again; the callback may submit others.
static void deliver(rwd_io_queue *q, rwd_io_op *op) {
    q->unfinished--;
    op->finished = true;
    if (op->done) op->done(op);
}

// ---- order between writes and syncs

static bool blocked(const rwd_io_queue *q, const rwd_io_op *sync) {
    for (unsigned i = 0; i < q->in_flight; i++)
        if (q->flying[i]->kind == RWD_IO_WRITE && q->flying[i]->fd == sync->fd && q->flying[i]->sequence < sync->sequence) return true;
    return false;
}

// The syncs that were to cover a write that failed fail with it; a result other than 0 marks them.
static size_t doom_syncs(rwd_io_queue *q, const rwd_io_op *write) {
    size_t count = 0;
    for (rwd_io_op *op = q->head; op; op = op->next) {
        if (!is_sync(op) || op->fd != write->fd || op->sequence < write->sequence || op->result != 0) continue;
        op->result = write->result;
        count++;
    }
    return count;
}

// Begins what may begin, in order; a sync that must wait does not hold up what is behind it.
static void begin(rwd_io_queue *q) {
    rwd_io_op *batch[RWD_IO_DEPTH_MAX];
    size_t count = 0;
    for (rwd_io_op *op = q->head, *before = NULL, *next = NULL; op && q->in_flight < q->depth; op = next) {
        next = op->next;
        if (is_sync(op) && (op->result != 0 || blocked(q, op))) {
            before = op;
            continue;
        }
        unlink_pending(q, before, op);
        q->flying[q->in_flight++] = op;
        batch[count++] = op;
    }
    if (count > 0) q->engine->ops->start(q->engine, batch, count);
}

static size_t deliver_doomed(rwd_io_queue *q) {
    size_t delivered = 0;
    for (rwd_io_op *op = q->head, *before = NULL; op;) {
        if (op->result == 0) {
            before = op;
            op = op->next;
            continue;
        }
        unlink_pending(q, before, op);
        deliver(q, op);
        delivered++;
        before = NULL;
        op = q->head;  // the callback may have changed the list
    }
    return delivered;
}

// ---- the loop

// Takes in what has ended, waiting for something if asked to, and begins what that makes room for. Returns how many were delivered.
static size_t pump(rwd_io_queue *q, bool wait) {
    rwd_io_op *ended[RWD_IO_DEPTH_MAX], *again[RWD_IO_DEPTH_MAX];
    size_t repeat = 0, over = 0, doomed = 0;
    if (q->in_flight == 0) return 0;
    size_t count = q->engine->ops->reap(q->engine, wait, ended, RWD_IO_DEPTH_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!rwd_io_settle(q->io, ended[i])) {
            again[repeat++] = ended[i];
            continue;
        }
        land(q, ended[i]);
        if (ended[i]->kind == RWD_IO_WRITE && ended[i]->result < 0) doomed += doom_syncs(q, ended[i]);
        ended[over++] = ended[i];
    }
    if (repeat > 0) q->engine->ops->start(q->engine, again, repeat);
    begin(q);
    for (size_t i = 0; i < over; i++) deliver(q, ended[i]);
    if (doomed > 0) over += deliver_doomed(q);
    begin(q);
    return over;
}

void rwd_io_submit(rwd_io_queue *q, rwd_io_op *ops[], size_t count) {
    for (size_t i = 0; i < count; i++) {
        rwd_io_op *op = ops[i];
        op->finished = false;
        op->result = 0;
        op->moved = 0;
        op->again = 0;
        op->sequence = ++q->sequence;
        push(q, op);
    }
    q->unfinished += count;
    begin(q);
}

size_t rwd_io_poll(rwd_io_queue *q) { return q->unfinished > 0 ? pump(q, false) : 0; }

size_t rwd_io_wait(rwd_io_queue *q, size_t at_least) {
    size_t delivered = rwd_io_poll(q);
    while (delivered < at_least && q->unfinished > 0) delivered += pump(q, true);
    return delivered;
}

void rwd_io_await(rwd_io_queue *q, const rwd_io_op *op) {
    while (!op->finished) {
        assert(q->unfinished > 0);  // it was not submitted here
        (void)pump(q, true);
    }
}

void rwd_io_drain(rwd_io_queue *q) {
    while (q->unfinished > 0) (void)pump(q, true);
}

void rwd_io_cancel(rwd_io_queue *q) {
    rwd_io_op *op = q->head;
    q->head = q->tail = NULL;
    while (op) {
        rwd_io_op *next = op->next;
        op->next = NULL;
        op->result = -ECANCELED;
        deliver(q, op);
        op = next;
    }
    rwd_io_drain(q);
}

rwd_io_tier rwd_io_queue_tier(const rwd_io_queue *q, int *out_refused) {
    if (out_refused) *out_refused = -q->engine->refused_pool;
    return q->engine->tier;
}

size_t rwd_io_unfinished(const rwd_io_queue *q) { return q->unfinished; }

// ---- the pool, and the life of a queue

static void make_pool(rwd_io_queue *q, const rwd_io_queue_options *options) {
    if (options->buffer_count == 0) return;
    q->buffer_count = q->free_count = options->buffer_count;
    q->buffer_size = options->buffer_size;
    q->pool = aligned_alloc(RWD_IO_ALIGN, q->buffer_count * q->buffer_size);
    if (!q->pool) abort();  // as rwd_malloc
    q->free_buffers = rwd_calloc(q->buffer_count, sizeof(*q->free_buffers));
    for (unsigned i = 0; i < q->buffer_count; i++) q->free_buffers[q->buffer_count - 1 - i] = q->pool + (size_t)i * q->buffer_size;
}

void *rwd_io_buffer_take(rwd_io_queue *q) { return q->free_count > 0 ? q->free_buffers[--q->free_count] : NULL; }

void rwd_io_buffer_give(rwd_io_queue *q, void *buffer) {
    assert((uint8_t *)buffer >= q->pool && (uint8_t *)buffer < q->pool + q->buffer_count * q->buffer_size);
    assert(((size_t)((uint8_t *)buffer - q->pool)) % q->buffer_size == 0 && q->free_count < q->buffer_count);
    q->free_buffers[q->free_count++] = buffer;
}

bool rwd_io_queue_open(rwd_io *io, const rwd_io_queue_options *options, rwd_io_queue **out, rwd_error *err) {
    assert(options->depth > 0 && options->depth <= RWD_IO_DEPTH_MAX);
    assert(options->buffer_count == 0 || (options->buffer_size > 0 && options->buffer_size % RWD_IO_ALIGN == 0));
    assert(options->buffer_count == 0 || options->buffer_size <= RWD_IO_POOL_MAX / options->buffer_count);
    rwd_io_queue *q = rwd_calloc(1, sizeof(*q));
    q->io = io;
    q->depth = options->depth;
    make_pool(q, options);
    rwd_io_engine_spec spec = {.depth = q->depth, .pool = q->pool, .buffer_count = q->buffer_count, .buffer_size = q->buffer_size};
    int result = io->ops->engine(io, &spec, &q->engine);
    if (result == 0) {
        *out = q;
        return true;
    }
    rwd_io_queue_close(q);
    return rwd_fail(err, RWD_E_RESOURCE, "cannot make a queue for input and output (%s)", strerrordesc_np(-result));
}

void rwd_io_queue_close(rwd_io_queue *q) {
    if (!q) return;
    if (q->engine) {
        rwd_io_cancel(q);
        q->engine->ops->free(q->engine);
    }
    free(q->pool);
    free(q->free_buffers);
    free(q);
}
