// Verification (K5): manifest, sizes, hashes.
//
// What must stay true: a file is read at most once for one level of trust: what was read back is remembered by inode, size, time of change and hash. A
// file that was found bad stays bad for all checkpoints that list it. A file that cannot be read is damage, like one that reads wrongly; a
// file that we may not open, or for which there is no memory, is not.
#include <errno.h>

#include "checkpoints/manifest_private.h"
#include "checkpoints/repository_private.h"

typedef struct check {
    rwd_repo *repo;
    rwd_io *io;
    rwd_verify level;
    const atomic_bool *stop;
    char folder[RWD_PATH_MAX];
} check;

// Whether the file need not be read again at this level; whether it is known to be bad.
static bool trusted(const check *c, const struct stat *info, rwd_hash128 hash, bool *out_bad) {
    pthread_mutex_lock(&c->repo->mutex);
    const rwd_known_file *known = rwd_known_find(&c->repo->known, info->st_ino);
    *out_bad = rwd_known_is_bad(known, info);
    bool matches = rwd_known_matches(known, info, hash);
    bool enough = c->level == RWD_VERIFY_NEW ? matches && known->read_back : c->level == RWD_VERIFY_MEDIUM && matches && known->from_medium;
    pthread_mutex_unlock(&c->repo->mutex);
    return enough;
}

static void remember(const check *c, const struct stat *info, rwd_hash128 hash, bool bad) {
    pthread_mutex_lock(&c->repo->mutex);
    rwd_known_put(c->repo, info, hash, !bad, !bad && c->level != RWD_VERIFY_NEW, bad);
    pthread_mutex_unlock(&c->repo->mutex);
}

static bool unreadable(const rwd_error *why) { return why->code == RWD_E_IO && why->decision != RWD_RETRY; }

static bool damage(rwd_error *err, const char *path, rwd_error why) {
    if (!unreadable(&why) && why.code != RWD_E_NOT_FOUND) {
        if (err) *err = why;
        return false;
    }
    return rwd_repo_fail(err, RWD_E_CORRUPT, path, why.code == RWD_E_NOT_FOUND ? "is missing" : "cannot be read (%s)", why.cause);
}

// An error that has passed when the file is read once more is no damage.
static bool hash_twice(const check *c, const char *path, rwd_hash128 *out_hash, rwd_error *why) {
    rwd_io_from from = c->level == RWD_VERIFY_NEW ? RWD_IO_FROM_CACHE : RWD_IO_FROM_MEDIUM;
    uint64_t size = 0;
    rwd_error_clear(why);
    return rwd_io_hash_file(c->io, path, from, c->stop, out_hash, &size, why) ||
           (unreadable(why) && rwd_io_hash_file(c->io, path, from, c->stop, out_hash, &size, why));
}

static bool check_hash(const check *c, const char *path, const struct stat *info, rwd_hash128 wanted, rwd_error *err) {
    rwd_hash128 hash;
    rwd_error why;
    bool bad = false;
    if (trusted(c, info, wanted, &bad)) return true;
    if (bad) return rwd_repo_fail(err, RWD_E_CORRUPT, path, "does not match its hash in the manifest");
    if (!hash_twice(c, path, &hash, &why)) {
        if (unreadable(&why)) remember(c, info, wanted, true);
        return damage(err, path, why);
    }
    bool good = rwd_hash128_equal(hash, wanted);
    remember(c, info, wanted, !good);
    return good || rwd_repo_fail(err, RWD_E_CORRUPT, path, "does not match its hash in the manifest");
}

static bool check_file(const check *c, const rwd_checkpoint_file *file, rwd_error *err) {
    char path[RWD_PATH_MAX];
    struct stat info;
    if (!rwd_path_join(path, c->folder, file->name, err)) return false;
    if (lstat(path, &info) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return rwd_repo_fail(err, RWD_E_CORRUPT, path, "is missing");
        (void)rwd_fail_errno(err, errno, "cannot look at it");
        return rwd_error_at(err, "%s", path);
    }
    if (!S_ISREG(info.st_mode)) return rwd_repo_fail(err, RWD_E_CORRUPT, path, "is not a file");
    if ((uint64_t)info.st_size != file->size)
        return rwd_repo_fail(err, RWD_E_CORRUPT, path, "has %lld bytes, the manifest says %llu", (long long)info.st_size, (unsigned long long)file->size);
    return c->level == RWD_VERIFY_SIZES || check_hash(c, path, &info, file->hash, err);
}

// Where there is no folder of that name: what became of it.
static bool not_there(rwd_repo *repo, const char *id, rwd_error *err) {
    char path[RWD_PATH_MAX];
    const char *fate = "is not there";
    if (rwd_repo_folder(repo, id, RWD_SUFFIX_BAD, path, NULL) && rwd_path_exists(path)) fate = "was found bad";
    if (rwd_repo_folder(repo, id, RWD_SUFFIX_PRUNED, path, NULL) && rwd_path_exists(path)) fate = "was pruned: only its manifest is left";
    if (rwd_path_join(path, repo->pruned, id, NULL) && rwd_path_exists(path)) fate = "was pruned: only its manifest is left";
    (void)rwd_fail(err, RWD_E_NOT_FOUND, "checkpoint %s %s", id, fate);
    return rwd_error_next(err, "rewind checkpoint list --data %s", repo->path);
}

bool rwd_repo_verify(rwd_repo *repo, rwd_io *io, const char *id, rwd_verify level, const atomic_bool *stop, rwd_error *err) {
    check c = {.repo = repo, .io = io, .level = level, .stop = stop};
    rwd_checkpoint checkpoint;
    rwd_error why;
    rwd_error_clear(&why);
    if (!rwd_repo_folder(repo, id, "", c.folder, err)) return false;
    bool loaded = rwd_repo_load_manifest(repo, io, c.folder, id, &checkpoint, &why) ||
                  (unreadable(&why) && rwd_repo_load_manifest(repo, io, c.folder, id, &checkpoint, &why));
    if (!loaded) {
        if (!rwd_path_exists(c.folder)) return not_there(repo, id, err);
        char path[RWD_PATH_MAX];
        return rwd_path_join(path, c.folder, RWD_MANIFEST_NAME, err) && damage(err, path, why);
    }
    bool ok = true;
    for (size_t i = 0; i < checkpoint.file_count && ok; i++) ok = check_file(&c, &checkpoint.files[i], err);
    rwd_checkpoint_deinit(&checkpoint);
    if (level != RWD_VERIFY_SIZES) rwd_repo_save_known(repo, io);
    if (!ok && err && err->code == RWD_E_NOT_FOUND && !rwd_path_exists(c.folder)) return not_there(repo, id, err);
    return ok;
}
