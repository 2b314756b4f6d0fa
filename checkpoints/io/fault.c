// The fault tier: passes operations on to another tier, and misbehaves where its plan says so.
//
// A queue's operations are kept here and run when they are reaped, one by one, in an order that the seed chooses, each through an engine of the inner
// tier: so they run and complete shuffled, and what had not run when the power went never happens. Clones share one plan, one count and one
// table of descriptors.
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "checkpoints/io/engine_private.h"
#include "checkpoints/io/fake_disk.h"

#define NO_KIND 1000  // what a call on names counts as: they fail together with `fail_forever`

typedef struct shared {
    pthread_mutex_t mutex;
    unsigned users;
    rwd_io_fault_plan plan;
    uint64_t count;
    bool failing;           // fail_at was reached
    unsigned failing_kind;
    bool *watched;          // by descriptor: its path held path_part when it was opened
    size_t watched_size;
} shared;

typedef struct fault_tier {
    rwd_io io;  // first
    rwd_io *inner;
    shared *shared;
    uint64_t random;
} fault_tier;

typedef struct fault_engine {
    rwd_io_engine engine;  // first
    fault_tier *tier;
    rwd_io_engine *inner;
    rwd_io_op *held[RWD_IO_DEPTH_MAX];  // started, not run yet
    size_t held_count;
} fault_engine;

typedef enum verdict { GO_ON, FAIL, POWER_OFF } verdict;

static uint64_t next_random(fault_tier *tier) {  // xorshift64 (Marsaglia, "Xorshift RNGs", 2003)
    uint64_t x = tier->random;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return tier->random = x;
}

static bool path_matches(const shared *s, const char *path) { return !s->plan.path_part || strstr(path, s->plan.path_part); }

static bool descriptor_matches(const shared *s, int fd) {
    return !s->plan.path_part || (fd >= 0 && (size_t)fd < s->watched_size && s->watched[fd]);
}

// Counts one operation and says what becomes of it. The mutex is held.
static verdict judge(shared *s, unsigned kind, bool matches) {
    if (s->plan.power_off_at != 0 && s->count >= s->plan.power_off_at) return POWER_OFF;
    if (!matches) return GO_ON;
    s->count++;
    if (s->count == s->plan.power_off_at) {
        if (s->plan.disk) rwd_fake_disk_power_off(s->plan.disk);
        return POWER_OFF;
    }
    if (s->count == s->plan.fail_at) {
        s->failing = true;
        s->failing_kind = kind;
        return FAIL;
    }
    return s->failing && s->plan.fail_forever && kind == s->failing_kind ? FAIL : GO_ON;
}

// What is under a misbehaving attempt: a system call, or an engine with nothing else under way.
static int64_t run_inner(fault_tier *tier, rwd_io_engine *engine, rwd_io_op *op) {
    rwd_io_op *done = NULL;
    if (!engine) return tier->inner->ops->attempt(tier->inner, op);
    engine->ops->start(engine, &op, 1);
    size_t count = engine->ops->reap(engine, true, &done, 1);
    assert(count == 1 && done == op);
    (void)count;
    return op->attempt;
}

static bool is_transfer(const rwd_io_op *op) { return op->kind == RWD_IO_READ || op->kind == RWD_IO_WRITE; }

// The first half of a transfer, in whole blocks where the file is open past the page cache: 0 where that leaves nothing.
static size_t half_of(const rwd_io_op *op) {
    size_t half = rwd_io_attempt_size(op) / 2;
    int flags = fcntl(op->fd, F_GETFL);
    return flags >= 0 && (flags & O_DIRECT) ? half / RWD_IO_ALIGN * RWD_IO_ALIGN : half;
}

static int64_t run_half(fault_tier *tier, rwd_io_engine *engine, const rwd_io_op *op) {
    rwd_io_op half = *op;
    half.size = op->moved + half_of(op);
    return run_inner(tier, engine, &half);
}

static bool chance(fault_tier *tier, unsigned percent) { return percent > 0 && next_random(tier) % 100 < percent; }

// Where a queue's write went, for the disk: system calls alone are taken to reach it in order.
static int64_t run_written(fault_tier *tier, rwd_io_engine *engine, const rwd_io_op *op, int64_t result) {
    const rwd_io_fault_plan *plan = &tier->shared->plan;
    if (engine && plan->disk && op->kind == RWD_IO_WRITE && result > 0) rwd_fake_disk_wrote(plan->disk, op->fd, op->offset + op->moved, (uint64_t)result);
    return result;
}

static int64_t run_good(fault_tier *tier, rwd_io_engine *engine, rwd_io_op *op) {
    const rwd_io_fault_plan *plan = &tier->shared->plan;
    if (is_transfer(op)) {
        if (chance(tier, plan->again_percent)) return next_random(tier) % 2 ? -EINTR : -EAGAIN;
        if (half_of(op) > 0 && chance(tier, plan->short_percent)) return run_written(tier, engine, op, run_half(tier, engine, op));
        return run_written(tier, engine, op, run_inner(tier, engine, op));
    }
    int64_t result = run_inner(tier, engine, op);
    if (plan->disk) rwd_fake_disk_synced(plan->disk, op->fd, result == 0);
    return result;
}

static int64_t run_bad(fault_tier *tier, rwd_io_engine *engine, const rwd_io_op *op) {
    const rwd_io_fault_plan *plan = &tier->shared->plan;
    if (op->kind == RWD_IO_WRITE && half_of(op) > 0) (void)run_written(tier, engine, op, run_half(tier, engine, op));
    if (!is_transfer(op) && plan->disk) rwd_fake_disk_synced(plan->disk, op->fd, false);
    return -plan->error;
}

static int64_t run_attempt(fault_tier *tier, rwd_io_engine *engine, rwd_io_op *op) {
    shared *s = tier->shared;
    int64_t result = -EIO;
    pthread_mutex_lock(&s->mutex);
    switch (judge(s, op->kind, descriptor_matches(s, op->fd))) {
    case GO_ON: result = run_good(tier, engine, op); break;
    case FAIL: result = run_bad(tier, engine, op); break;
    case POWER_OFF: break;
    }
    pthread_mutex_unlock(&s->mutex);
    return result;
}

static int64_t tier_attempt(rwd_io *io, const rwd_io_op *op) {
    rwd_io_op own = *op;
    return run_attempt((fault_tier *)io, NULL, &own);
}

// ---- queues

static void engine_start(rwd_io_engine *engine, rwd_io_op *ops[], size_t count) {
    fault_engine *e = (fault_engine *)engine;
    for (size_t i = 0; i < count; i++) {
        assert(e->held_count < RWD_IO_DEPTH_MAX);
        e->held[e->held_count++] = ops[i];
    }
}

// One at a time while it is waited for, so that others stay under way behind it; a poll takes a random number of them.
static size_t engine_reap(rwd_io_engine *engine, bool wait, rwd_io_op *done[], size_t capacity) {
    fault_engine *e = (fault_engine *)engine;
    size_t count = 0;
    size_t most = wait ? 1 : e->tier->shared->plan.lazy || e->held_count == 0 ? 0 : (size_t)(next_random(e->tier) % (e->held_count + 1));
    while (count < most && count < capacity && e->held_count > 0) {
        size_t among = e->tier->shared->plan.reorder < e->held_count ? e->tier->shared->plan.reorder : e->held_count;
        size_t pick = among > 1 ? (size_t)(next_random(e->tier) % among) : 0;
        rwd_io_op *op = e->held[pick];
        memmove(e->held + pick, e->held + pick + 1, (--e->held_count - pick) * sizeof(e->held[0]));
        op->attempt = run_attempt(e->tier, e->inner, op);
        done[count++] = op;
    }
    return count;
}

static void engine_free(rwd_io_engine *engine) {
    fault_engine *e = (fault_engine *)engine;
    assert(e->held_count == 0);
    e->inner->ops->free(e->inner);
    free(e);
}

static const rwd_io_engine_ops fault_engine_ops = {.start = engine_start, .reap = engine_reap, .free = engine_free};

static int tier_engine(rwd_io *io, const rwd_io_engine_spec *spec, rwd_io_engine **out) {
    fault_tier *tier = (fault_tier *)io;
    rwd_io_engine *inner = NULL;
    int result = tier->inner->ops->engine(tier->inner, spec, &inner);
    if (result != 0) return result;
    fault_engine *e = rwd_calloc(1, sizeof(*e));
    e->engine = (rwd_io_engine){&fault_engine_ops, inner->tier, inner->refused_pool};
    e->tier = tier;
    e->inner = inner;
    *out = &e->engine;
    return 0;
}

// ---- names

// A call on one or two names. 0 or more: done.
#define ON_NAMES(tier, path, other, call)                                                                                         \
    shared *s = (tier)->shared;                                                                                                   \
    pthread_mutex_lock(&s->mutex);                                                                                                \
    verdict verdict_ = judge(s, NO_KIND, path_matches(s, path) || path_matches(s, other));                                        \
    int result = verdict_ == GO_ON ? (call) : verdict_ == FAIL ? -s->plan.error : -EIO;                                           \
    if (result >= 0 && s->plan.disk) rwd_fake_disk_named(s->plan.disk, path), rwd_fake_disk_named(s->plan.disk, other);                     \
    pthread_mutex_unlock(&s->mutex);                                                                                              \
    return result

static void watch(shared *s, int fd, bool matches) {
    if (fd < 0) return;
    if ((size_t)fd >= s->watched_size) {
        size_t size = (size_t)fd + 64;
        s->watched = rwd_realloc(s->watched, size * sizeof(bool));
        memset(s->watched + s->watched_size, 0, (size - s->watched_size) * sizeof(bool));
        s->watched_size = size;
    }
    s->watched[fd] = matches;
}

static int tier_open(rwd_io *io, const char *path, int flags, unsigned mode) {
    fault_tier *tier = (fault_tier *)io;
    shared *s = tier->shared;
    pthread_mutex_lock(&s->mutex);
    bool matches = path_matches(s, path);
    verdict v = judge(s, NO_KIND, matches);
    int fd = v == GO_ON ? tier->inner->ops->open(tier->inner, path, flags, mode) : v == FAIL ? -s->plan.error : -EIO;
    watch(s, fd, matches);
    if (fd >= 0 && (flags & O_CREAT) && s->plan.disk) rwd_fake_disk_named(s->plan.disk, path);
    pthread_mutex_unlock(&s->mutex);
    return fd;
}

static int tier_close(rwd_io *io, int fd) {
    fault_tier *tier = (fault_tier *)io;
    return tier->inner->ops->close(tier->inner, fd);
}

static int tier_rename(rwd_io *io, const char *from, const char *to) {
    fault_tier *tier = (fault_tier *)io;
    ON_NAMES(tier, from, to, tier->inner->ops->rename(tier->inner, from, to));
}

static int tier_link(rwd_io *io, const char *from, const char *to) {
    fault_tier *tier = (fault_tier *)io;
    ON_NAMES(tier, from, to, tier->inner->ops->link(tier->inner, from, to));
}

static int tier_unlink(rwd_io *io, const char *path) {
    fault_tier *tier = (fault_tier *)io;
    ON_NAMES(tier, path, path, tier->inner->ops->unlink(tier->inner, path));
}

static int tier_mkdir(rwd_io *io, const char *path, unsigned mode) {
    fault_tier *tier = (fault_tier *)io;
    ON_NAMES(tier, path, path, tier->inner->ops->mkdir(tier->inner, path, mode));
}

static int tier_truncate(rwd_io *io, int fd, uint64_t size) {
    fault_tier *tier = (fault_tier *)io;
    shared *s = tier->shared;
    pthread_mutex_lock(&s->mutex);
    verdict v = judge(s, NO_KIND, descriptor_matches(s, fd));
    int result = v == GO_ON ? tier->inner->ops->truncate(tier->inner, fd, size) : v == FAIL ? -s->plan.error : -EIO;
    if (result == 0 && s->plan.disk) rwd_fake_disk_truncated(s->plan.disk, fd, size);
    pthread_mutex_unlock(&s->mutex);
    return result;
}

static void tier_free(rwd_io *io) {
    fault_tier *tier = (fault_tier *)io;
    shared *s = tier->shared;
    rwd_io_free(tier->inner);
    free(tier);
    pthread_mutex_lock(&s->mutex);
    bool last = --s->users == 0;
    pthread_mutex_unlock(&s->mutex);
    if (!last) return;
    pthread_mutex_destroy(&s->mutex);
    free(s->watched);
    free(s);
}

static int tier_clone(const rwd_io *io, rwd_io **out);

static const rwd_io_ops fault_ops = {
    .attempt = tier_attempt, .engine = tier_engine, .open = tier_open, .close = tier_close, .rename = tier_rename,
    .link = tier_link, .unlink = tier_unlink, .truncate = tier_truncate, .mkdir = tier_mkdir, .clone = tier_clone, .free = tier_free,
};

static rwd_io *tier_new(rwd_io *inner, shared *s) {
    fault_tier *tier = rwd_calloc(1, sizeof(*tier));
    tier->io.ops = &fault_ops;
    tier->io.tier = inner->tier;
    tier->inner = inner;
    tier->shared = s;
    tier->random = s->plan.seed * 2 + 1;  // xorshift must not begin at 0
    s->users++;
    return &tier->io;
}

static int tier_clone(const rwd_io *io, rwd_io **out) {
    const fault_tier *tier = (const fault_tier *)io;
    rwd_io *inner = NULL;
    int result = tier->inner->ops->clone(tier->inner, &inner);
    if (result != 0) return result;
    pthread_mutex_lock(&tier->shared->mutex);
    *out = tier_new(inner, tier->shared);
    pthread_mutex_unlock(&tier->shared->mutex);
    return 0;
}

bool rwd_io_fault_new(rwd_io *inner, const rwd_io_fault_plan *plan, rwd_io **out, rwd_error *err) {
    (void)err;
    assert(plan->fail_at == 0 || plan->error > 0);
    shared *s = rwd_calloc(1, sizeof(*s));
    pthread_mutex_init(&s->mutex, NULL);
    s->plan = *plan;
    *out = tier_new(inner, s);
    return true;
}

uint64_t rwd_io_fault_count(const rwd_io *io) {
    assert(io->ops == &fault_ops);
    shared *s = ((const fault_tier *)io)->shared;
    pthread_mutex_lock(&s->mutex);
    uint64_t count = s->count;
    pthread_mutex_unlock(&s->mutex);
    return count;
}
