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

#include "operator/base/fs.h"

#define PIECE (1u << 20)         // of a hash or copy
#define DIRECT_ALIGNMENT 4096    // what O_DIRECT asks for at most on the file systems that we know
#define TEMPORARY_SUFFIX ".new"

void rwd_io_free(rwd_io *io) {
    if (io) io->ops->free(io);
}

bool rwd_io_clone(const rwd_io *io, rwd_io **out, rwd_error *err) {
    int result = io->ops->clone(io, out);
    return result == 0 || rwd_fail_errno(err, -result, "cannot make another %s tier", io->ops->name);
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

static int64_t run_one(rwd_io *io, rwd_io_op *op) {
    rwd_io_op *done = NULL;
    io->ops->submit(io, &op, 1);
    size_t count = io->ops->wait(io, 1, &done, 1);
    assert(count == 1 && done == op);  // nothing else is in flight on this thread's tier
    (void)count;
    return op->result;
}

bool rwd_io_read(rwd_io *io, int fd, const char *path, void *data, size_t size, uint64_t offset, size_t *out_read, rwd_error *err) {
    rwd_io_op op = {.kind = RWD_IO_READ, .fd = fd, .data = data, .size = size, .offset = offset};
    int64_t result = run_one(io, &op);
    if (result < 0) return fail(err, (int)-result, "read", path);
    *out_read = (size_t)result;
    return true;
}

bool rwd_io_write(rwd_io *io, int fd, const char *path, const void *data, size_t size, uint64_t offset, rwd_error *err) {
    rwd_io_op op = {.kind = RWD_IO_WRITE, .fd = fd, .data = (void *)(uintptr_t)data, .size = size, .offset = offset};
    int64_t result = run_one(io, &op);
    if (result < 0) return fail(err, (int)-result, "write", path);
    assert((size_t)result == size);
    return true;
}

static bool sync_one(rwd_io *io, rwd_io_kind kind, int fd, const char *path, rwd_error *err) {
    rwd_io_op op = {.kind = kind, .fd = fd};
    int64_t result = run_one(io, &op);
    if (result == 0) return true;
    char words[128];
    (void)rwd_fail(err, RWD_E_SYNC_FAILED, "cannot make it durable (fsync: %s); what was written since the last sync counts as lost",
                   strerror_r((int)-result, words, sizeof(words)));
    return rwd_error_at(err, "%s", path);
}

bool rwd_io_fsync(rwd_io *io, int fd, const char *path, rwd_error *err) { return sync_one(io, RWD_IO_FSYNC, fd, path, err); }
bool rwd_io_fdatasync(rwd_io *io, int fd, const char *path, rwd_error *err) { return sync_one(io, RWD_IO_FDATASYNC, fd, path, err); }

bool rwd_io_open(rwd_io *io, const char *path, int flags, unsigned mode, int *out_fd, rwd_error *err) {
    int fd = io->ops->open(io, path, flags, mode);
    if (fd < 0) return fail(err, -fd, flags & O_CREAT ? "create" : "open", path);
    *out_fd = fd;
    return true;
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

// A walk over the bytes of a file in pieces: hashed, and written to `to_fd` unless that is -1.
typedef struct pass {
    rwd_io *io;
    const char *path, *to_path;
    int fd, to_fd;
    const atomic_bool *stop;
    rwd_hasher *hasher;
    uint8_t *piece;  // PIECE bytes, aligned for O_DIRECT
    uint64_t at;
} pass;

static bool pass_run(pass *p, rwd_error *err) {
    for (;;) {
        size_t got = 0;
        if (p->stop && atomic_load_explicit(p->stop, memory_order_relaxed)) {
            (void)rwd_fail(err, RWD_E_IO, "stopped before its end");
            if (err) err->decision = RWD_RETRY;
            return rwd_error_at(err, "%s", p->path);
        }
        if (!rwd_io_read(p->io, p->fd, p->path, p->piece, PIECE, p->at, &got, err)) return false;
        if (got == 0) return true;
        rwd_hasher_update(p->hasher, p->piece, got);
        if (p->to_fd >= 0 && !rwd_io_write(p->io, p->to_fd, p->to_path, p->piece, got, p->at, err)) return false;
        p->at += got;
        if (got < PIECE) return true;  // end of file; O_DIRECT must not be asked for an unaligned offset
    }
}

static void pass_begin(pass *p) {
    p->hasher = rwd_hasher_new();
    p->piece = aligned_alloc(DIRECT_ALIGNMENT, PIECE);
    if (!p->piece) abort();  // as rwd_malloc
}

static void pass_end(pass *p, rwd_hash128 *out_hash, uint64_t *out_size) {
    *out_hash = rwd_hasher_finish(p->hasher);
    *out_size = p->at;
    rwd_hasher_free(p->hasher);
    free(p->piece);
}

// Opens for reading; with MEDIUM past the page cache, or plainly where the file system cannot do that (EINVAL).
static bool open_from(rwd_io *io, const char *path, rwd_io_from from, int *out_fd, rwd_error *err) {
    if (from == RWD_IO_FROM_MEDIUM) {
        int fd = io->ops->open(io, path, O_RDONLY | O_DIRECT, 0);
        if (fd >= 0) {
            *out_fd = fd;
            return true;
        }
        if (fd != -EINVAL) return fail(err, -fd, "open", path);
    }
    if (!rwd_io_open(io, path, O_RDONLY, 0, out_fd, err)) return false;
    (void)posix_fadvise(*out_fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return true;
}

bool rwd_io_hash_file(rwd_io *io, const char *path, rwd_io_from from, const atomic_bool *stop, rwd_hash128 *out_hash, uint64_t *out_size,
                      rwd_error *err) {
    pass p = {.io = io, .path = path, .to_fd = -1, .fd = -1, .stop = stop};
    if (!open_from(io, path, from, &p.fd, err)) return false;
    pass_begin(&p);
    bool ok = pass_run(&p, err);
    pass_end(&p, out_hash, out_size);
    rwd_io_close(io, p.fd);
    return ok;
}

bool rwd_io_copy_file(rwd_io *io, const char *from, const char *to, const atomic_bool *stop, rwd_hash128 *out_hash, uint64_t *out_size,
                      rwd_error *err) {
    pass p = {.io = io, .path = from, .to_path = to, .fd = -1, .to_fd = -1, .stop = stop};
    if (!open_from(io, from, RWD_IO_FROM_CACHE, &p.fd, err)) return false;
    bool ok = rwd_io_open(io, to, O_WRONLY | O_CREAT | O_EXCL, 0600, &p.to_fd, err);
    if (ok) {
        pass_begin(&p);
        ok = pass_run(&p, err);
        pass_end(&p, out_hash, out_size);
        ok = ok && rwd_io_fsync(io, p.to_fd, to, err);
    }
    rwd_io_close(io, p.to_fd);
    rwd_io_close(io, p.fd);
    return ok;
}
