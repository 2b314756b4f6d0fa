// The system-call tier: operations wait in a queue and run, one after another, when they are waited for.
//
// What must stay true: an operation ends with all its bytes, at end of file, or with -errno; EINTR and short transfers end here.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/io/io.h"

typedef struct pread_tier {
    rwd_io io;  // first: an rwd_io is cast to its tier
    rwd_io_op *head, *tail;
} pread_tier;

static void tier_submit(rwd_io *io, rwd_io_op *ops[], size_t count) {
    pread_tier *tier = (pread_tier *)io;
    for (size_t i = 0; i < count; i++) {
        ops[i]->next = NULL;
        if (tier->tail) tier->tail->next = ops[i];
        else tier->head = ops[i];
        tier->tail = ops[i];
    }
}

static ssize_t transfer_once(const rwd_io_op *op, size_t done) {
    uint8_t *data = (uint8_t *)op->data + done;
    off_t at = (off_t)(op->offset + done);
    return op->kind == RWD_IO_READ ? pread(op->fd, data, op->size - done, at) : pwrite(op->fd, data, op->size - done, at);
}

// O_DIRECT refuses the unaligned offset that is left when a read has reached the end of a file.
static bool at_end(const rwd_io_op *op, size_t done) {
    struct stat info;
    return op->kind == RWD_IO_READ && done > 0 && fstat(op->fd, &info) == 0 && (uint64_t)info.st_size <= op->offset + done;
}

static int64_t transfer(const rwd_io_op *op) {
    size_t done = 0;
    while (done < op->size) {
        ssize_t moved = transfer_once(op, done);
        if (moved < 0 && errno == EINTR) continue;
        if (moved < 0 && errno == EINVAL && at_end(op, done)) break;
        if (moved < 0) return -errno;
        if (moved == 0 && op->kind == RWD_IO_WRITE) return -EIO;  // a write that moves nothing would be asked for ever
        if (moved == 0) break;
        done += (size_t)moved;
    }
    return (int64_t)done;
}

static int64_t run(rwd_io *io, const rwd_io_op *op) {
    int64_t result = 0;
    switch (op->kind) {
    case RWD_IO_READ:
        result = transfer(op);
        io->reads++;
        if (result > 0) io->bytes_read += (uint64_t)result;
        return result;
    case RWD_IO_WRITE:
        result = transfer(op);
        io->writes++;
        if (result > 0) io->bytes_written += (uint64_t)result;
        return result;
    case RWD_IO_FSYNC:
        io->syncs++;
        return fsync(op->fd) == 0 ? 0 : -errno;  // EINTR is an answer: a sync is never repeated
    case RWD_IO_FDATASYNC:
        io->syncs++;
        return fdatasync(op->fd) == 0 ? 0 : -errno;
    }
    return -EINVAL;
}

static size_t tier_wait(rwd_io *io, size_t at_least, rwd_io_op *done[], size_t capacity) {
    pread_tier *tier = (pread_tier *)io;
    size_t count = 0;
    while (count < at_least && count < capacity && tier->head) {
        rwd_io_op *op = tier->head;
        tier->head = op->next;
        if (!tier->head) tier->tail = NULL;
        op->next = NULL;
        op->result = run(io, op);
        done[count++] = op;
    }
    return count;
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

static void tier_free(rwd_io *io) { free(io); }
static int tier_clone(const rwd_io *io, rwd_io **out);

static const rwd_io_ops pread_ops = {
    .name = "pread", .submit = tier_submit, .wait = tier_wait, .open = tier_open, .close = tier_close, .rename = tier_rename,
    .link = tier_link, .unlink = tier_unlink, .truncate = tier_truncate, .mkdir = tier_mkdir, .clone = tier_clone, .free = tier_free,
};

static rwd_io *tier_new(void) {
    pread_tier *tier = rwd_calloc(1, sizeof(*tier));
    tier->io.ops = &pread_ops;
    return &tier->io;
}

static int tier_clone(const rwd_io *io, rwd_io **out) {
    (void)io;
    *out = tier_new();
    return 0;
}

bool rwd_io_pread_new(rwd_io **out, rwd_error *err) {
    (void)err;
    *out = tier_new();
    return true;
}
