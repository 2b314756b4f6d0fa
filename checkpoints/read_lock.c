// Readers' locks (K6): a shared flock on MANIFEST while a checkpoint's files are read. Retention takes it exclusively, or leaves the checkpoint alone.
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "checkpoints/manifest_private.h"
#include "checkpoints/repository_private.h"

bool rwd_repo_read_lock(rwd_repo *repo, const char *id, rwd_read_lock *out, rwd_error *err) {
    char folder[RWD_PATH_MAX], path[RWD_PATH_MAX];
    struct stat held, named;
    out->fd = -1;
    if (!rwd_repo_folder(repo, id, "", folder, err) || !rwd_path_join(path, folder, RWD_MANIFEST_NAME, err)) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    // The lock counts only if the name still leads to what is locked: pruning may have taken it in between.
    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino) {
        out->fd = fd;
        return true;
    }
    int system_error = fd < 0 ? errno : ENOENT;
    if (fd >= 0) (void)close(fd);
    if (system_error != ENOENT) return rwd_fail_errno(err, system_error, "cannot open %s", path);
    (void)rwd_fail(err, RWD_E_NOT_FOUND, "checkpoint %s is not there, or is being pruned", id);
    return rwd_error_next(err, "rewind checkpoint list --data %s", repo->path);
}

void rwd_read_lock_release(rwd_read_lock *lock) {
    if (lock->fd >= 0) (void)close(lock->fd);
    lock->fd = -1;
}
