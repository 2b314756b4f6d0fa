// A checkpoint that was built beside the repository (a shadow's) becomes one of its own (R4 (4)).
//
// What must stay true: each file is what the shadow's manifest says, read again after it stands here; the order is K3's; the shadow's files are linked where
// that works, else copied, and stay as they are.
#include <fcntl.h>
#include <stdlib.h>

#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"

typedef struct adoption {
    rwd_repo *repo;
    rwd_io *io;
    const char *from;
    char to[RWD_PATH_MAX];
} adoption;

static bool adopt_file(const adoption *a, rwd_checkpoint_file *file, rwd_error *err) {
    char from[RWD_PATH_MAX], to[RWD_PATH_MAX], folder[RWD_PATH_MAX];
    rwd_hash128 hash;
    uint64_t size = 0;
    struct stat info;
    rwd_error ignored;
    int fd = -1;
    if (!rwd_path_join(from, a->from, file->name, err) || !rwd_path_join(to, a->to, file->name, err)) return false;
    rwd_path_dir(folder, to);
    if (!rwd_io_make_dirs(a->io, folder, err)) return false;
    if (!rwd_io_link(a->io, from, to, &ignored) && !rwd_io_copy_file(a->io, from, to, NULL, &hash, &size, err)) return false;
    if (!rwd_io_hash_file(a->io, to, RWD_IO_FROM_CACHE, NULL, &hash, &size, err)) return false;
    if (size != file->size || !rwd_hash128_equal(hash, file->hash)) return rwd_repo_fail(err, RWD_E_CORRUPT, from, "does not match its hash in the shadow's manifest");
    if (!rwd_io_open(a->io, to, O_RDONLY, 0, &fd, err)) return false;
    bool ok = rwd_io_fsync(a->io, fd, to, err);
    rwd_io_close(a->io, fd);
    if (!ok || stat(to, &info) != 0) return ok ? rwd_repo_fail(err, RWD_E_IO, to, "has gone") : false;
    file->inode = info.st_ino;
    pthread_mutex_lock(&a->repo->mutex);
    rwd_known_put(a->repo, &info, hash, false, false, false);
    pthread_mutex_unlock(&a->repo->mutex);
    RWD_CRASH_POINT(repair_adopt_file);
    return true;
}

static bool sync_folders(const adoption *a, rwd_error *err) {
    rwd_tree tree = {0};
    if (!rwd_tree_walk(a->to, &tree, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < tree.folder_count && ok; i++) ok = rwd_io_sync_dir(a->io, tree.folders[i], err);
    rwd_tree_deinit(&tree);
    return ok && rwd_io_sync_dir(a->io, a->to, err);
}

static bool adopt_all(adoption *a, const rwd_checkpoint *shadow, const rwd_facts *facts, const rwd_checkpoint *parent, char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    rwd_checkpoint_file *files = rwd_calloc(shadow->file_count + 1, sizeof(*files));  // names are borrowed
    bool ok = true;
    for (size_t i = 0; i < shadow->file_count && ok; i++) {
        files[i] = shadow->files[i];
        ok = adopt_file(a, &files[i], err);
    }
    ok = ok && sync_folders(a, err);
    if (ok) {
        RWD_CRASH_POINT(repair_adopt_before_publish);
        rwd_checkpoint c = {.facts = *facts, .digest = shadow->digest, .files = files, .file_count = shadow->file_count};
        if (parent) {
            memcpy(c.parent, parent->id, sizeof(c.parent));
            c.parent_hash = parent->manifest_hash;
        }
        ok = rwd_publish_staged(a->repo, a->io, a->to, &c, "checkpoint", err);
        if (ok) memcpy(out_id, c.id, RWD_CHECKPOINT_ID);
    }
    free(files);
    return ok;
}

bool rwd_repo_adopt(rwd_repo *repo, rwd_io *io, const char *folder, const rwd_checkpoint *shadow, const rwd_facts *facts, const rwd_checkpoint *parent,
                    char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    adoption a = {.repo = repo, .io = io, .from = folder};
    if (!rwd_repo_stage(repo, io, a.to, err)) return false;
    if (adopt_all(&a, shadow, facts, parent, out_id, err)) return true;
    if (rwd_path_exists(a.to)) rwd_repo_abandon(repo, io, a.to);
    return false;
}
