// What every tier's users share: one operation waited for, errors in words, and the few compound operations on whole files.
//
// What must stay true: a failed sync is SYNC_FAILED and is never repeated here; every name that a compound operation made durable was synced by way
// of its folder.
#include "checkpoints/io/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "checkpoints/io/engine_private.h"
#include "checkpoints/io/read_ahead.h"
#include "operator/base/fs.h"

#define PIECE ((size_t)128 << 10)  // of a hash or copy: with AHEAD of them half of what may be registered, the rest is for long-lived queues
#define AHEAD 4u                   // pieces in flight
#define TEMPORARY_SUFFIX ".new"

static const char *const tier_names[RWD_IO_TIER_COUNT] = {"auto", "pread", "uring", "uring-registered"};

const char *rwd_io_tier_name(rwd_io_tier tier) { return tier_names[tier]; }

bool rwd_io_tier_parse(const char *name, rwd_io_tier *out) {
    for (rwd_io_tier tier = RWD_IO_TIER_AUTO; tier < RWD_IO_TIER_COUNT; tier++) {
        if (strcmp(name, tier_names[tier]) != 0) continue;
        *out = tier;
        return true;
    }
    return false;
}

void rwd_io_free(rwd_io *io) {
    if (io) io->ops->free(io);
}

bool rwd_io_clone(const rwd_io *io, rwd_io **out, rwd_error *err) {
    int result = io->ops->clone(io, out);
    return result == 0 || rwd_fail_errno(err, -result, "cannot make another %s tier", rwd_io_tier_name(io->tier));
}

// An error of a system call on `path`: what was tried, the system's words, and the command that shows why.
static bool fail(rwd_error *err, int system_error, const char *what, const char *path) {
    (void)rwd_fail_errno(err, system_error, "cannot %s", what);
    if (system_error == ENOENT && err) err->code = RWD_E_NOT_FOUND, err->decision = rwd_code_decision(RWD_E_NOT_FOUND);
    if (err && err->code == RWD_E_DISK_FULL) (void)rwd_error_next(err, "df -h %s", path);
    if (err && err->code == RWD_E_PERMISSION) (void)rwd_error_next(err, "ls -ld %s", path);
    if (err && err->code == RWD_E_IO) (void)rwd_error_next(err, "dmesg | tail, then start again once the disk works");
    return rwd_error_at(err, "%s", path);
}

// A failed transfer or sync in words.
static bool check(rwd_io_kind kind, int64_t result, const char *path, rwd_error *err) {
    if (result >= 0) return true;
    if (kind == RWD_IO_READ || kind == RWD_IO_WRITE) return fail(err, (int)-result, kind == RWD_IO_READ ? "read" : "write", path);
    char words[128];
    (void)rwd_fail(err, RWD_E_SYNC_FAILED, "cannot make it durable (fsync: %s); what was written since the last sync counts as lost",
                   strerror_r((int)-result, words, sizeof(words)));
    return rwd_error_at(err, "%s", path);
}

bool rwd_io_check(const rwd_io_op *op, const char *path, rwd_error *err) {
    assert(op->finished);
    return check(op->kind, op->result, path, err);
}

// One operation, by system calls.
static bool run_one(rwd_io *io, rwd_io_op *op, const char *path, rwd_error *err) {
    do op->attempt = io->ops->attempt(io, op);
    while (!rwd_io_settle(io, op));
    return check(op->kind, op->result, path, err);
}

bool rwd_io_read(rwd_io *io, int fd, const char *path, void *data, size_t size, uint64_t offset, size_t *out_read, rwd_error *err) {
    rwd_io_op op = {.kind = RWD_IO_READ, .fd = fd, .data = data, .size = size, .offset = offset};
    if (!run_one(io, &op, path, err)) return false;
    *out_read = (size_t)op.result;
    return true;
}

bool rwd_io_write(rwd_io *io, int fd, const char *path, const void *data, size_t size, uint64_t offset, rwd_error *err) {
    rwd_io_op op = {.kind = RWD_IO_WRITE, .fd = fd, .data = (void *)(uintptr_t)data, .size = size, .offset = offset};
    if (!run_one(io, &op, path, err)) return false;
    assert((size_t)op.result == size);
    return true;
}

bool rwd_io_fsync(rwd_io *io, int fd, const char *path, rwd_error *err) {
    rwd_io_op op = {.kind = RWD_IO_FSYNC, .fd = fd};
    return run_one(io, &op, path, err);
}

bool rwd_io_fdatasync(rwd_io *io, int fd, const char *path, rwd_error *err) {
    rwd_io_op op = {.kind = RWD_IO_FDATASYNC, .fd = fd};
    return run_one(io, &op, path, err);
}

bool rwd_io_open(rwd_io *io, const char *path, int flags, unsigned mode, int *out_fd, rwd_error *err) {
    int fd = io->ops->open(io, path, flags, mode);
    if (fd < 0) return fail(err, -fd, flags & O_CREAT ? "create" : "open", path);
    *out_fd = fd;
    return true;
}

bool rwd_io_open_direct(rwd_io *io, const char *path, int flags, unsigned mode, int *out_fd, bool *out_direct, rwd_error *err) {
    int fd = io->ops->open(io, path, flags | O_DIRECT, mode);
    *out_direct = fd >= 0;
    if (fd == -EINVAL) return rwd_io_open(io, path, flags, mode, out_fd, err);
    if (fd < 0) return fail(err, -fd, flags & O_CREAT ? "create" : "open", path);
    *out_fd = fd;
    return true;
}

bool rwd_io_set_direct(int fd, bool direct) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

void rwd_io_close(rwd_io *io, int fd) {
    if (fd >= 0) (void)io->ops->close(io, fd);
}

bool rwd_io_rename(rwd_io *io, const char *from, const char *to, rwd_error *err) {
    int result = io->ops->rename(io, from, to);
    return result == 0 || fail(err, -result, "rename to its final name", from);
}

bool rwd_io_link(rwd_io *io, const char *from, const char *to, rwd_error *err) {
    int result = io->ops->link(io, from, to);
    return result == 0 || fail(err, -result, "link", to);
}

bool rwd_io_unlink(rwd_io *io, const char *path, rwd_error *err) {
    int result = io->ops->unlink(io, path);
    return result == 0 || fail(err, -result, "remove", path);
}

bool rwd_io_truncate(rwd_io *io, int fd, const char *path, uint64_t size, rwd_error *err) {
    int result = io->ops->truncate(io, fd, size);
    return result == 0 || fail(err, -result, "cut", path);
}

bool rwd_io_mkdir(rwd_io *io, const char *path, rwd_error *err) {
    int result = io->ops->mkdir(io, path, 0700);
    return result == 0 || fail(err, -result, "make the folder", path);
}

bool rwd_io_sync_dir(rwd_io *io, const char *path, rwd_error *err) {
    int fd = -1;
    if (!rwd_io_open(io, path, O_RDONLY | O_DIRECTORY, 0, &fd, err)) return false;
    bool ok = rwd_io_fsync(io, fd, path, err);
    rwd_io_close(io, fd);
    return ok;
}

bool rwd_io_make_dirs(rwd_io *io, const char *path, rwd_error *err) {
    struct stat info;
    if (stat(path, &info) == 0) return S_ISDIR(info.st_mode) || fail(err, ENOTDIR, "use it as a folder", path);
    char parent[RWD_PATH_MAX];
    rwd_path_dir(parent, path);
    if (!rwd_io_make_dirs(io, parent, err)) return false;
    int result = io->ops->mkdir(io, path, 0700);
    if (result != 0 && result != -EEXIST) return fail(err, -result, "make the folder", path);  // another process may be as quick
    return rwd_io_sync_dir(io, parent, err);
}

// The bytes under a name of its own, durable.
static bool write_temporary(rwd_io *io, const char *path, rwd_slice bytes, rwd_error *err) {
    int fd = -1;
    if (!rwd_io_open(io, path, O_WRONLY | O_CREAT | O_TRUNC, 0600, &fd, err)) return false;
    bool ok = rwd_io_write(io, fd, path, bytes.data, bytes.size, 0, err) && rwd_io_fsync(io, fd, path, err);
    rwd_io_close(io, fd);
    return ok;
}

bool rwd_io_write_file(rwd_io *io, const char *path, rwd_slice bytes, rwd_error *err) {
    char temporary[RWD_PATH_MAX], dir[RWD_PATH_MAX];
    size_t size = strlen(path);
    if (size + sizeof(TEMPORARY_SUFFIX) > sizeof(temporary)) return fail(err, ENAMETOOLONG, "write", path);
    memcpy(temporary, path, size);
    memcpy(temporary + size, TEMPORARY_SUFFIX, sizeof(TEMPORARY_SUFFIX));
    rwd_path_dir(dir, path);
    return write_temporary(io, temporary, bytes, err) && rwd_io_rename(io, temporary, path, err) && rwd_io_sync_dir(io, dir, err);
}

bool rwd_io_read_file(rwd_io *io, const char *path, size_t limit, rwd_buf *out, rwd_error *err) {
    int fd = -1;
    if (!rwd_io_open(io, path, O_RDONLY, 0, &fd, err)) return false;
    bool ok = true;
    uint64_t at = 0;
    for (;;) {
        size_t piece = limit + 1 - at < PIECE ? (size_t)(limit + 1 - at) : PIECE, got = 0;
        rwd_buf_reserve(out, piece);
        ok = rwd_io_read(io, fd, path, out->data + out->size, piece, at, &got, err);
        if (!ok) break;
        out->size += got;
        at += got;
        if (at > limit) {
            (void)rwd_fail(err, RWD_E_CORRUPT, "larger than the %zu bytes that such a file can have", limit);
            ok = rwd_error_at(err, "%s", path);
            break;
        }
        if (got < piece) break;
    }
    rwd_io_close(io, fd);
    return ok;
}

// A walk over the bytes of a file in pieces, several of them in flight: hashed, and written to `to_fd` unless that is -1.
typedef struct pass {
    rwd_io *io;
    const char *path, *to_path;
    int fd, to_fd;
    const atomic_bool *stop;
    rwd_hasher *hasher;
    uint64_t at;
} pass;

static bool take_piece(pass *p, rwd_slice piece, rwd_error *err) {
    rwd_hasher_update(p->hasher, piece.data, piece.size);
    if (p->to_fd >= 0 && !rwd_io_write(p->io, p->to_fd, p->to_path, piece.data, piece.size, p->at, err)) return false;
    p->at += piece.size;
    return true;
}

static bool stopped(const pass *p, rwd_error *err) {
    if (!p->stop || !atomic_load_explicit(p->stop, memory_order_relaxed)) return false;
    (void)rwd_fail(err, RWD_E_IO, "stopped before its end");
    if (err) err->decision = RWD_RETRY;
    (void)rwd_error_at(err, "%s", p->path);
    return true;
}

static bool pass_read(pass *p, rwd_read_ahead *reader, rwd_error *err) {
    for (;;) {
        rwd_slice piece;
        if (stopped(p, err) || !rwd_read_ahead_next(reader, &piece, err)) return false;
        if (piece.size == 0) return true;
        if (!take_piece(p, piece, err)) return false;
    }
}

static bool pass_run(pass *p, rwd_error *err) {
    rwd_io_queue_options sizes = {.depth = AHEAD, .buffer_count = AHEAD, .buffer_size = PIECE};
    rwd_read_ahead_options options = {.fd = p->fd, .path = p->path, .until = UINT64_MAX, .ahead = AHEAD, .piece = PIECE};
    rwd_io_queue *queue = NULL;
    rwd_read_ahead *reader = NULL;
    if (!rwd_io_queue_open(p->io, &sizes, &queue, err)) return false;
    bool ok = rwd_read_ahead_open(queue, &options, &reader, err) && pass_read(p, reader, err);
    rwd_read_ahead_close(reader);
    rwd_io_queue_close(queue);
    return ok;
}

// A file of one piece is not worth a queue.
static bool pass_run_small(pass *p, rwd_error *err) {
    size_t got = 0;
    uint8_t *piece = aligned_alloc(RWD_IO_ALIGN, PIECE);
    if (!piece) abort();  // as rwd_malloc
    bool ok = !stopped(p, err) && rwd_io_read(p->io, p->fd, p->path, piece, PIECE, 0, &got, err) && take_piece(p, rwd_slice_of(piece, got), err);
    free(piece);
    return ok;
}

static bool pass_all(pass *p, rwd_hash128 *out_hash, uint64_t *out_size, rwd_error *err) {
    struct stat info;
    bool small = fstat(p->fd, &info) == 0 && (uint64_t)info.st_size < PIECE;
    p->hasher = rwd_hasher_new();
    bool ok = small ? pass_run_small(p, err) : pass_run(p, err);
    *out_hash = rwd_hasher_finish(p->hasher);
    *out_size = p->at;
    rwd_hasher_free(p->hasher);
    return ok;
}

// Opens for reading; with MEDIUM past the page cache, or plainly where the file system cannot do that.
static bool open_from(rwd_io *io, const char *path, rwd_io_from from, int *out_fd, rwd_error *err) {
    bool direct = false;
    if (from == RWD_IO_FROM_MEDIUM) {
        if (!rwd_io_open_direct(io, path, O_RDONLY, 0, out_fd, &direct, err)) return false;
    } else if (!rwd_io_open(io, path, O_RDONLY, 0, out_fd, err)) {
        return false;
    }
    if (!direct) (void)posix_fadvise(*out_fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return true;
}

bool rwd_io_hash_file(rwd_io *io, const char *path, rwd_io_from from, const atomic_bool *stop, rwd_hash128 *out_hash, uint64_t *out_size,
                      rwd_error *err) {
    pass p = {.io = io, .path = path, .to_fd = -1, .fd = -1, .stop = stop};
    if (!open_from(io, path, from, &p.fd, err)) return false;
    bool ok = pass_all(&p, out_hash, out_size, err);
    rwd_io_close(io, p.fd);
    return ok;
}

bool rwd_io_copy_file(rwd_io *io, const char *from, const char *to, const atomic_bool *stop, rwd_hash128 *out_hash, uint64_t *out_size,
                      rwd_error *err) {
    pass p = {.io = io, .path = from, .to_path = to, .fd = -1, .to_fd = -1, .stop = stop};
    if (!open_from(io, from, RWD_IO_FROM_CACHE, &p.fd, err)) return false;
    bool ok = rwd_io_open(io, to, O_WRONLY | O_CREAT | O_EXCL, 0600, &p.to_fd, err);
    ok = ok && pass_all(&p, out_hash, out_size, err) && rwd_io_fsync(io, p.to_fd, to, err);
    rwd_io_close(io, p.to_fd);
    rwd_io_close(io, p.fd);
    return ok;
}
