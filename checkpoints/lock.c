// LOCK: one owner at a time, and what its data directory is (K6).
//
// LOCK is replaced, not rewritten, so that it is whole at every moment: under the flock of the old file the new one is written
// beside it, locked, made durable and renamed over it. Whoever waits for the old file's lock finds that the name leads elsewhere and begins again. Its inode
// number therefore belongs to one term, and still_owner can tell at a glance.
//
// What must stay true: a term is durable before anything is written under it; a descriptor that holds the flock is O_CLOEXEC.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "checkpoints/frame.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"
#include "proto/pack.h"
#include "proto/repository.pb-c.h"

#define MAGIC "RWLK"
#define ATTEMPTS_MAX 100  // at a lock whose file others keep replacing

// What LOCK says.
typedef struct contents {
    bool there;
    rwd_hash128 repository;
    char *job, *partition;
    uint64_t term;
    int64_t pid;
} contents;

static void contents_deinit(contents *c) {
    free(c->job);
    free(c->partition);
    *c = (contents){0};
}

static bool parse(rwd_slice payload, contents *out) {
    Rewind__Lock *lock = (Rewind__Lock *)rwd_proto_unpack(&rewind__lock__descriptor, payload, RWD_SMALL_FILE_MAX);
    if (!lock) return false;
    bool ok = lock->repository.len == RWD_PROTO_HASH && lock->term > 0 && rwd_proto_get_hash(lock->repository, &out->repository);
    if (ok) {
        out->there = true;
        out->job = rwd_strdup(lock->job);
        out->partition = rwd_strdup(lock->partition);
        out->term = lock->term;
        out->pid = lock->pid;
    }
    rwd_proto_free(&lock->base);
    return ok;
}

static bool load(rwd_io *io, const char *path, contents *out, rwd_error *err) {
    rwd_buf file = {0};
    rwd_slice payload;
    *out = (contents){0};
    bool ok = rwd_repo_load_small(io, path, MAGIC, RWD_SMALL_FILE_MAX, &file, &payload, err);
    if (ok && !parse(payload, out)) ok = rwd_repo_fail(err, RWD_E_CORRUPT, path, "does not say whose data directory this is");
    rwd_buf_deinit(&file);
    return ok;
}

static bool is_empty(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && info.st_size == 0;
}

static bool locked_by_other(const rwd_repo *repo, rwd_error *err) {
    contents now = {0};
    bool known = load(repo->io, repo->lock_path, &now, NULL);
    if (known) (void)rwd_repo_fail(err, RWD_E_LOCKED, repo->path, "process %lld owns this data directory", (long long)now.pid);
    else (void)rwd_repo_fail(err, RWD_E_LOCKED, repo->path, "another process is about to own this data directory");
    contents_deinit(&now);
    return rwd_error_next(err, "rewind status --data %s", repo->path);
}

// The flock of the file that has the name LOCK at this moment.
static bool lock_current(const rwd_repo *repo, bool create, int *out_fd, rwd_error *err) {
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        int fd = -1;
        if (!rwd_io_open(repo->io, repo->lock_path, create ? O_RDWR | O_CREAT : O_RDWR, 0600, &fd, err)) return false;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            int system_error = errno;
            rwd_io_close(repo->io, fd);
            if (system_error == EWOULDBLOCK) return locked_by_other(repo, err);
            return rwd_fail_errno(err, system_error, "cannot lock %s", repo->lock_path);
        }
        struct stat held, named;
        if (fstat(fd, &held) == 0 && stat(repo->lock_path, &named) == 0 && held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
            *out_fd = fd;
            return true;
        }
        rwd_io_close(repo->io, fd);
    }
    return locked_by_other(repo, err);
}

static bool same_job(const rwd_repo *repo, const contents *c, const rwd_repo_options *options, rwd_error *err) {
    if (options->job && strcmp(c->job, options->job) != 0) {
        (void)rwd_repo_fail(err, RWD_E_FOREIGN, repo->path, "this is the data directory of job %.100s, not of %.100s", c->job, options->job);
        return rwd_error_next(err, "rewind checkpoint list --data %s", repo->path);
    }
    if (options->partition && strcmp(c->partition, options->partition) != 0) {
        (void)rwd_repo_fail(err, RWD_E_FOREIGN, repo->path, "this is the data directory of partition %.100s, not of %.100s", c->partition,
                            options->partition);
        return rwd_error_next(err, "rewind checkpoint list --data %s", repo->path);
    }
    return true;
}

static bool new_contents(const rwd_repo_options *options, contents *out, rwd_error *err) {
    uint8_t random[RWD_PROTO_HASH];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) return rwd_fail_errno(err, errno, "cannot get random bytes");
    *out = (contents){.repository = rwd_hash128_get(random), .job = rwd_strdup(options->job), .partition = rwd_strdup(options->partition)};
    return true;
}

// The contents that go on: LOCK's own, or new ones where nothing was ever kept here.
static bool judge(const rwd_repo *repo, const rwd_repo_options *options, contents *out, rwd_error *err) {
    if (!is_empty(repo->lock_path)) return load(repo->io, repo->lock_path, out, err) && same_job(repo, out, options, err);
    if (rwd_path_exists(repo->checkpoints) || rwd_path_exists(repo->pruned)) {
        (void)rwd_repo_fail(err, RWD_E_CORRUPT, repo->lock_path, "LOCK is gone or empty, but there are checkpoints beside it");
        return rwd_error_next(err, "ls -l %s", repo->checkpoints);
    }
    if (!options->create) return rwd_repo_fail(err, RWD_E_NOT_FOUND, repo->path, "no data directory: LOCK is empty and nothing else is here");
    return new_contents(options, out, err);
}

static void encode(const contents *c, rwd_buf *out) {
    uint8_t repository[RWD_PROTO_HASH];
    Rewind__Lock lock;
    rewind__lock__init(&lock);
    lock.repository = rwd_proto_put_hash(c->repository, repository);
    lock.job = c->job;
    lock.partition = c->partition;
    lock.term = c->term;
    lock.pid = c->pid;
    rwd_buf payload = {0};
    rwd_proto_append(&payload, &lock.base);
    rwd_frame_append(out, MAGIC, RWD_REPO_VERSION, rwd_buf_slice(&payload));
    rwd_buf_deinit(&payload);
}

// Puts a new LOCK in place of the one that we hold. `out_fd` holds the new one's flock.
static bool replace(rwd_repo *repo, const contents *c, int *out_fd, rwd_error *err) {
    char beside[RWD_PATH_MAX];
    rwd_buf bytes = {0};
    int fd = -1;
    if (!rwd_path_join(beside, repo->path, "LOCK.new", err)) return false;
    encode(c, &bytes);
    bool ok = rwd_io_open(repo->io, beside, O_RDWR | O_CREAT | O_TRUNC, 0600, &fd, err);
    if (ok && flock(fd, LOCK_EX | LOCK_NB) != 0) ok = rwd_fail_errno(err, errno, "cannot lock %s", beside);
    ok = ok && rwd_io_write(repo->io, fd, beside, bytes.data, bytes.size, 0, err) && rwd_io_fsync(repo->io, fd, beside, err);
    rwd_buf_deinit(&bytes);
    if (ok) RWD_CRASH_POINT(lock_written);
    ok = ok && rwd_io_rename(repo->io, beside, repo->lock_path, err);
    if (ok) RWD_CRASH_POINT(lock_renamed);
    ok = ok && rwd_io_sync_dir(repo->io, repo->path, err);
    if (ok) *out_fd = fd;
    else rwd_io_close(repo->io, fd);
    return ok;
}

static void take_over(rwd_repo *repo, contents *c) {
    repo->id = c->repository;
    repo->term = c->term;
    repo->job = c->job;
    repo->partition = c->partition;
    *c = (contents){0};
}

bool rwd_repo_lock(rwd_repo *repo, const rwd_repo_options *options, rwd_error *err) {
    int old = -1;
    contents c = {0};
    if (!lock_current(repo, options->create, &old, err)) return false;
    bool ok = judge(repo, options, &c, err);
    if (ok) {
        RWD_CRASH_POINT(lock_before_term);
        c.term++;
        c.pid = getpid();
        ok = replace(repo, &c, &repo->lock_fd, err);
    }
    rwd_io_close(repo->io, old);
    struct stat info;
    if (ok && fstat(repo->lock_fd, &info) != 0) ok = rwd_fail_errno(err, errno, "cannot look at %s", repo->lock_path);
    if (ok) {
        repo->lock_inode = info.st_ino;
        take_over(repo, &c);
    }
    contents_deinit(&c);
    return ok;
}

bool rwd_repo_read_lock_file(rwd_repo *repo, rwd_error *err) {
    contents c = {0};
    if (!load(repo->io, repo->lock_path, &c, err)) return false;
    take_over(repo, &c);
    return true;
}

bool rwd_repo_still_owner(rwd_repo *repo) {
    if (!repo->owner) return false;
    struct stat named;
    if (stat(repo->lock_path, &named) != 0 || named.st_ino != repo->lock_inode) return false;
    contents now = {0};
    pthread_mutex_lock(&repo->mutex);
    bool ours = load(repo->io, repo->lock_path, &now, NULL) && now.term == repo->term && rwd_hash128_equal(now.repository, repo->id);
    pthread_mutex_unlock(&repo->mutex);
    contents_deinit(&now);
    return ours;
}
