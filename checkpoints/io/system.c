// The tier of system calls: single operations and names at once, queues with the engine that its tier names.
//
// What must stay true: an attempt is one system call. What its clones share (threads, the count of registered bytes) lives until the last of them is freed.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/io/engine_private.h"

typedef struct shared {
    pthread_mutex_t mutex;
    unsigned users;
    rwd_io_threads *threads;
    atomic_size_t registered;  // bytes, of the queues of all users
} shared;

typedef struct system_io {
    rwd_io io;  // first: an rwd_io is cast to its tier
    shared *shared;
} system_io;

int64_t rwd_io_system_attempt(const rwd_io_op *op) {
    size_t size = rwd_io_attempt_size(op);
    uint8_t *data = (uint8_t *)op->data + op->moved;
    off_t at = (off_t)(op->offset + op->moved);
    ssize_t result = -1;
    switch (op->kind) {
    case RWD_IO_READ: result = pread(op->fd, data, size, at); break;
    case RWD_IO_WRITE: result = pwrite(op->fd, data, size, at); break;
    case RWD_IO_FSYNC: result = fsync(op->fd); break;
    case RWD_IO_FDATASYNC: result = fdatasync(op->fd); break;
    }
    return result < 0 ? -errno : result;
}

static int64_t tier_attempt(rwd_io *io, const rwd_io_op *op) { (void)io; return rwd_io_system_attempt(op); }

static int tier_engine(rwd_io *io, const rwd_io_engine_spec *spec, rwd_io_engine **out) {
    shared *s = ((system_io *)io)->shared;
    return io->tier == RWD_IO_TIER_PREAD ? rwd_io_threads_engine(s->threads, spec, out) : rwd_io_ring_engine(&s->registered, io->tier, spec, out);
}

static int tier_open(rwd_io *io, const char *path, int flags, unsigned mode) {
    (void)io;
    int fd = 0;
    do fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
    while (fd < 0 && errno == EINTR);
    return fd >= 0 ? fd : -errno;
}

// After EINTR the descriptor is closed on Linux; closing again could hit another thread's.
static int tier_close(rwd_io *io, int fd) { (void)io; return close(fd) == 0 ? 0 : -errno; }
static int tier_rename(rwd_io *io, const char *from, const char *to) { (void)io; return rename(from, to) == 0 ? 0 : -errno; }
static int tier_link(rwd_io *io, const char *from, const char *to) { (void)io; return link(from, to) == 0 ? 0 : -errno; }
static int tier_unlink(rwd_io *io, const char *path) { (void)io; return unlink(path) == 0 ? 0 : -errno; }
static int tier_mkdir(rwd_io *io, const char *path, unsigned mode) { (void)io; return mkdir(path, (mode_t)mode) == 0 ? 0 : -errno; }

static int tier_truncate(rwd_io *io, int fd, uint64_t size) {
    (void)io;
    int result = 0;
    do result = ftruncate(fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

static void tier_free(rwd_io *io) {
    shared *s = ((system_io *)io)->shared;
    free(io);
    pthread_mutex_lock(&s->mutex);
    bool last = --s->users == 0;
    pthread_mutex_unlock(&s->mutex);
    if (!last) return;
    rwd_io_threads_free(s->threads);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

static int tier_clone(const rwd_io *io, rwd_io **out);

static const rwd_io_ops system_ops = {
    .attempt = tier_attempt, .engine = tier_engine, .open = tier_open, .close = tier_close, .rename = tier_rename,
    .link = tier_link, .unlink = tier_unlink, .truncate = tier_truncate, .mkdir = tier_mkdir, .clone = tier_clone, .free = tier_free,
};

static rwd_io *new_io(shared *s, rwd_io_tier tier) {
    system_io *io = rwd_calloc(1, sizeof(*io));
    io->io.ops = &system_ops;
    io->io.tier = tier;
    io->shared = s;
    pthread_mutex_lock(&s->mutex);
    s->users++;
    pthread_mutex_unlock(&s->mutex);
    return &io->io;
}

static int tier_clone(const rwd_io *io, rwd_io **out) {
    *out = new_io(((const system_io *)io)->shared, io->tier);
    return 0;
}

rwd_io *rwd_io_of_tier(rwd_io_tier tier) {
    shared *s = rwd_calloc(1, sizeof(*s));
    pthread_mutex_init(&s->mutex, NULL);
    s->threads = rwd_io_threads_new();
    return new_io(s, tier);
}

bool rwd_io_pread_new(rwd_io **out, rwd_error *err) {
    (void)err;
    *out = rwd_io_of_tier(RWD_IO_TIER_PREAD);
    return true;
}
