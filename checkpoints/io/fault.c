// The fault tier: passes operations on to another tier, and misbehaves where its plan says so.
//
// Every operation runs to its end when it is submitted; completions are handed out later, shuffled. Clones share one plan, one
// count and one table of descriptors.
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "checkpoints/io/fake_disk.h"
#include "checkpoints/io/io.h"

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
    rwd_io_op **done;  // run, not handed out yet
    size_t done_count, done_capacity;
} fault_tier;

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

static int64_t run_inner(fault_tier *tier, rwd_io_op *op) {
    rwd_io_op *done = NULL;
    tier->inner->ops->submit(tier->inner, &op, 1);
    size_t count = tier->inner->ops->wait(tier->inner, 1, &done, 1);
    assert(count == 1 && done == op);
    (void)count;
    return op->result;
}

// A part of a transfer, from its beginning or from `done` on.
static int64_t run_part(fault_tier *tier, const rwd_io_op *op, size_t done, size_t size) {
    rwd_io_op part = {.kind = op->kind, .fd = op->fd, .data = (uint8_t *)op->data + done, .size = size, .offset = op->offset + done};
    return run_inner(tier, &part);
}

static int64_t run_halves(fault_tier *tier, const rwd_io_op *op) {
    int64_t first = run_part(tier, op, 0, op->size / 2);
    if (first < (int64_t)(op->size / 2)) return first;
    int64_t second = run_part(tier, op, op->size / 2, op->size - op->size / 2);
    return second < 0 ? second : first + second;
}

static int64_t run_good(fault_tier *tier, rwd_io_op *op) {
    bool transfer = op->kind == RWD_IO_READ || op->kind == RWD_IO_WRITE;
    if (transfer && op->size > 1 && next_random(tier) % 100 < tier->shared->plan.short_percent) return run_halves(tier, op);
    int64_t result = run_inner(tier, op);
    if (!transfer && tier->shared->plan.disk) rwd_fake_disk_synced(tier->shared->plan.disk, op->fd, result == 0);
    return result;
}

static int64_t run_bad(fault_tier *tier, const rwd_io_op *op) {
    const rwd_io_fault_plan *plan = &tier->shared->plan;
    if (op->kind == RWD_IO_WRITE && op->size > 1) (void)run_part(tier, op, 0, op->size / 2);
    if ((op->kind == RWD_IO_FSYNC || op->kind == RWD_IO_FDATASYNC) && plan->disk) rwd_fake_disk_synced(plan->disk, op->fd, false);
    return -plan->error;
}

static void run_op(fault_tier *tier, rwd_io_op *op) {
    shared *s = tier->shared;
    pthread_mutex_lock(&s->mutex);
    switch (judge(s, op->kind, descriptor_matches(s, op->fd))) {
    case GO_ON: op->result = run_good(tier, op); break;
    case FAIL: op->result = run_bad(tier, op); break;
    case POWER_OFF: op->result = -EIO; break;
    }
    pthread_mutex_unlock(&s->mutex);
}

static void tier_submit(rwd_io *io, rwd_io_op *ops[], size_t count) {
    fault_tier *tier = (fault_tier *)io;
    if (tier->done_count + count > tier->done_capacity) {
        tier->done_capacity = (tier->done_count + count) * 2;
        tier->done = rwd_realloc(tier->done, tier->done_capacity * sizeof(rwd_io_op *));
    }
    for (size_t i = 0; i < count; i++) {
        run_op(tier, ops[i]);
        tier->done[tier->done_count++] = ops[i];
    }
}

static size_t tier_wait(rwd_io *io, size_t at_least, rwd_io_op *done[], size_t capacity) {
    fault_tier *tier = (fault_tier *)io;
    size_t count = 0;
    while (count < at_least && count < capacity && tier->done_count > 0) {
        size_t among = tier->shared->plan.reorder < tier->done_count ? tier->shared->plan.reorder : tier->done_count;
        size_t pick = among > 1 ? (size_t)(next_random(tier) % among) : 0;
        done[count++] = tier->done[pick];
        memmove(tier->done + pick, tier->done + pick + 1, (--tier->done_count - pick) * sizeof(rwd_io_op *));
    }
    return count;
}

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
    free(tier->done);
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
    .name = "fault", .submit = tier_submit, .wait = tier_wait, .open = tier_open, .close = tier_close, .rename = tier_rename,
    .link = tier_link, .unlink = tier_unlink, .truncate = tier_truncate, .mkdir = tier_mkdir, .clone = tier_clone, .free = tier_free,
};

static rwd_io *tier_new(rwd_io *inner, shared *s) {
    fault_tier *tier = rwd_calloc(1, sizeof(*tier));
    tier->io.ops = &fault_ops;
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
