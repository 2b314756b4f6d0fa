// The independent copy (K4): checkpoints share files by hard link, so one flipped bit condemns every checkpoint that lists the file. A copy of the
// bytes ends that chain.
//
// What must stay true: bytes are read and written, never cloned; each file is compared with its hash twice, on the way in and read back from
// the medium; the source is held by a reader's lock meanwhile.
#include <stdlib.h>

#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"

typedef struct copying {
    rwd_repo *repo;
    rwd_io *io;
    const atomic_bool *stop;
    char from[RWD_PATH_MAX], to[RWD_PATH_MAX];
} copying;

static bool wrong(rwd_error *err, const char *path, const char *what) {
    return rwd_repo_fail(err, RWD_E_CORRUPT, path, "%s does not match its hash in the manifest", what);
}

// The source's file is bad for all that list it: the next verification says so without reading it.
static void condemn(const copying *c, const char *path, rwd_hash128 wanted) {
    struct stat info;
    if (stat(path, &info) != 0) return;
    pthread_mutex_lock(&c->repo->mutex);
    rwd_known_put(c->repo, &info, wanted, false, false, true);
    pthread_mutex_unlock(&c->repo->mutex);
}

static bool copy_file(const copying *c, rwd_checkpoint_file *file, rwd_error *err) {
    char from[RWD_PATH_MAX], to[RWD_PATH_MAX], dir[RWD_PATH_MAX];
    rwd_hash128 hash;
    uint64_t size = 0;
    struct stat info;
    if (!rwd_path_join(from, c->from, file->name, err) || !rwd_path_join(to, c->to, file->name, err)) return false;
    rwd_path_dir(dir, to);
    if (!rwd_io_make_dirs(c->io, dir, err) || !rwd_io_copy_file(c->io, from, to, c->stop, &hash, &size, err)) return false;
    if (!rwd_hash128_equal(hash, file->hash)) {
        condemn(c, from, file->hash);
        return wrong(err, from, "what was copied");
    }
    RWD_CRASH_POINT(copy_file);
    if (!rwd_io_hash_file(c->io, to, RWD_IO_FROM_MEDIUM, c->stop, &hash, &size, err)) return false;
    if (!rwd_hash128_equal(hash, file->hash)) return wrong(err, to, "what reads back");
    if (stat(to, &info) != 0) return rwd_repo_fail(err, RWD_E_IO, to, "has gone");
    file->inode = info.st_ino;
    pthread_mutex_lock(&c->repo->mutex);
    rwd_known_put(c->repo, &info, hash, true, true, false);
    pthread_mutex_unlock(&c->repo->mutex);
    return true;
}

static bool sync_folders(const copying *c, rwd_error *err) {
    rwd_tree tree = {0};
    if (!rwd_tree_walk(c->to, &tree, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < tree.folder_count && ok; i++) ok = rwd_io_sync_dir(c->io, tree.folders[i], err);
    rwd_tree_deinit(&tree);
    return ok && rwd_io_sync_dir(c->io, c->to, err);
}

static bool copy_all(copying *c, rwd_checkpoint *source, char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    for (size_t i = 0; i < source->file_count; i++)
        if (!copy_file(c, &source->files[i], err)) return false;
    if (!sync_folders(c, err)) return false;
    RWD_CRASH_POINT(copy_before_publish);
    rwd_checkpoint copy = *source;  // the same facts and digest; an id, an order and files of its own
    memcpy(copy.parent, source->id, sizeof(copy.parent));
    copy.parent_hash = source->manifest_hash;
    copy.facts.reason = "copy";
    copy.independent = true;
    if (!rwd_publish_staged(c->repo, c->io, c->to, &copy, "copy", err)) return false;
    memcpy(out_id, copy.id, RWD_CHECKPOINT_ID);
    return true;
}

bool rwd_repo_copy_independent(rwd_repo *repo, rwd_io *io, const char *id, const atomic_bool *stop, char out_id[RWD_CHECKPOINT_ID],
                               rwd_error *err) {
    copying c = {.repo = repo, .io = io, .stop = stop};
    rwd_read_lock lock;
    rwd_checkpoint source;
    if (!rwd_repo_read_lock(repo, id, &lock, err)) return false;
    bool ok = rwd_repo_folder(repo, id, "", c.from, err) && rwd_repo_load_manifest(repo, io, c.from, id, &source, err);
    if (ok) {
        ok = rwd_repo_stage(repo, io, c.to, err);
        if (ok && !copy_all(&c, &source, out_id, err)) {
            rwd_repo_abandon(repo, io, c.to);
            ok = false;
        }
        rwd_checkpoint_deinit(&source);
    }
    rwd_read_lock_release(&lock);
    if (ok) rwd_repo_save_known(repo, io);
    return ok;
}
