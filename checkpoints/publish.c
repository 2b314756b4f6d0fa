// Writing a checkpoint (K3): stage, then publish or abandon.
//
//   1. stage makes <id>.part, empty; participants write their files into it
//   2. hash the new files; a parent's hash is reused for the same inode only
//   3. fsync the new files, every folder, the staged folder
//   4. MANIFEST: temporary, fsync, rename, fsync of the folder
//   5. <id>.part gets its name <id>; fsync of checkpoints/
//   6. read the manifest back; history entry
//
// What must stay true: the name <id> exists only when all below it is durable; nothing is built on a file that was found bad.
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/manifest_private.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"
#include "operator/base/log.h"
#include "operator/base/version.h"

static void make_id(const rwd_repo *repo, uint64_t sequence, char out[RWD_CHECKPOINT_ID]) {
    uint8_t bytes[32];
    rwd_hash128_put(repo->id, bytes);
    rwd_put_be64(bytes + 16, repo->term);
    rwd_put_be64(bytes + 24, sequence);
    uint8_t id[8];
    rwd_put_be64(id, rwd_hash64(bytes, sizeof(bytes), 0));
    rwd_hex(id, sizeof(id), out);
}

bool rwd_repo_stage(rwd_repo *repo, rwd_io *io, char out_dir[4096], rwd_error *err) {
    char id[RWD_CHECKPOINT_ID];
    assert(repo->owner);
    pthread_mutex_lock(&repo->mutex);
    uint64_t sequence = ++repo->sequence;
    pthread_mutex_unlock(&repo->mutex);
    make_id(repo, sequence, id);
    RWD_CRASH_POINT(stage_before);
    if (!rwd_repo_folder(repo, id, RWD_SUFFIX_PART, out_dir, err) || !rwd_io_mkdir(io, out_dir, err)) return false;
    RWD_CRASH_POINT(stage_after);
    return true;
}

void rwd_repo_abandon(rwd_repo *repo, rwd_io *io, const char *stage_dir) {
    (void)repo;
    (void)io;
    rwd_error err;
    if (!rwd_remove_tree(stage_dir, &err)) rwd_log_error(RWD_LOG_WARN, "checkpoint", &err);  // the next start removes what is left
}

// The id and sequence that stage gave to `stage_dir`.
static bool id_of_stage(rwd_repo *repo, const char *stage_dir, rwd_checkpoint *c, rwd_error *err) {
    const char *name = rwd_path_name(stage_dir);
    size_t size = strlen(name), suffix = strlen(RWD_SUFFIX_PART);
    if (size == RWD_CHECKPOINT_ID - 1 + suffix && strcmp(name + RWD_CHECKPOINT_ID - 1, RWD_SUFFIX_PART) == 0) {
        pthread_mutex_lock(&repo->mutex);
        uint64_t newest = repo->sequence;
        pthread_mutex_unlock(&repo->mutex);
        for (uint64_t sequence = newest; sequence > 0; sequence--) {
            make_id(repo, sequence, c->id);
            if (memcmp(c->id, name, RWD_CHECKPOINT_ID - 1) != 0) continue;
            c->sequence = sequence;
            return true;
        }
    }
    return rwd_repo_fail(err, RWD_E_USAGE, stage_dir, "was not staged by this owner");
}

// ---- 2 and 3: hashes and fsync

static bool sync_file(rwd_io *io, const char *path, rwd_error *err) {
    int fd = -1;
    if (!rwd_io_open(io, path, O_RDONLY, 0, &fd, err)) return false;
    bool ok = rwd_io_fsync(io, fd, path, err);
    rwd_io_close(io, fd);
    return ok;
}

// The parent, whose files may go on in the new checkpoint. Where it stands by now: a quarantined one keeps its good hashes.
typedef struct parent {
    char id[RWD_CHECKPOINT_ID];  // empty: none
    rwd_checkpoint checkpoint;   // zeroed where its manifest cannot be read any more
    char folder[RWD_PATH_MAX];
} parent;

static bool load_parent(rwd_repo *repo, rwd_io *io, parent *p, rwd_error *err) {
    rwd_error why;
    *p = (parent){0};
    pthread_mutex_lock(&repo->mutex);
    memcpy(p->id, repo->base, sizeof(p->id));
    pthread_mutex_unlock(&repo->mutex);
    if (!p->id[0]) return true;
    static const char *const suffixes[] = {"", RWD_SUFFIX_BAD, RWD_SUFFIX_PRUNED};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        rwd_error_clear(&why);
        if (!rwd_repo_folder(repo, p->id, suffixes[i], p->folder, err)) return false;
        if (rwd_repo_load_manifest(repo, io, p->folder, p->id, &p->checkpoint, &why)) return true;
        if (why.code != RWD_E_NOT_FOUND && why.code != RWD_E_CORRUPT) {
            if (err) *err = why;
            return false;
        }
    }
    return true;  // only its name goes into the child: its hashes are not reused
}

// The parent's file that is this very file: same inode, and still under the parent's name, so that the inode was not used again.
static const rwd_checkpoint_file *inherited(const parent *p, const char *path) {
    struct stat info, theirs;
    if (stat(path, &info) != 0 || info.st_nlink < 2) return NULL;
    for (size_t i = 0; i < p->checkpoint.file_count; i++) {
        const rwd_checkpoint_file *f = &p->checkpoint.files[i];
        char their_path[RWD_PATH_MAX];
        if (f->inode != info.st_ino || f->size != (uint64_t)info.st_size || !rwd_path_join(their_path, p->folder, f->name, NULL)) continue;
        if (stat(their_path, &theirs) == 0 && theirs.st_ino == info.st_ino && theirs.st_dev == info.st_dev) return f;
    }
    return NULL;
}

static bool known_bad(rwd_repo *repo, const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return true;
    pthread_mutex_lock(&repo->mutex);
    bool bad = rwd_known_is_bad(rwd_known_find(&repo->known, info.st_ino), &info);
    pthread_mutex_unlock(&repo->mutex);
    return bad;
}

static void remember(rwd_repo *repo, const char *path, rwd_hash128 hash) {
    struct stat info;
    if (stat(path, &info) != 0) return;
    pthread_mutex_lock(&repo->mutex);
    rwd_known_put(repo, &info, hash, false, false, false);
    pthread_mutex_unlock(&repo->mutex);
}

static bool settle_file(rwd_repo *repo, rwd_io *io, const parent *p, const char *dir, rwd_checkpoint_file *file, rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, dir, file->name, err)) return false;
    const rwd_checkpoint_file *same = inherited(p, path);
    if (same) {  // durable and hashed since the parent, unless it was damaged meanwhile
        file->hash = same->hash;
        return !known_bad(repo, path) || rwd_repo_fail(err, RWD_E_CORRUPT, path, "was found damaged: nothing is built on it");
    }
    uint64_t size = 0;
    if (!rwd_io_hash_file(io, path, RWD_IO_FROM_CACHE, NULL, &file->hash, &size, err) || !sync_file(io, path, err)) return false;
    if (size != file->size) return rwd_repo_fail(err, RWD_E_IO, path, "changed while it was hashed");
    remember(repo, path, file->hash);
    RWD_CRASH_POINT(publish_file_synced);
    return true;
}

static bool settle_tree(rwd_repo *repo, rwd_io *io, const parent *p, const char *dir, rwd_tree *tree, rwd_error *err) {
    for (size_t i = 0; i < tree->file_count; i++)
        if (!settle_file(repo, io, p, dir, &tree->files[i], err)) return false;
    for (size_t i = 0; i < tree->folder_count; i++)
        if (!rwd_io_sync_dir(io, tree->folders[i], err)) return false;
    return rwd_io_sync_dir(io, dir, err);
}

// ---- 4 to 6

static bool write_manifest(rwd_io *io, const char *dir, rwd_slice bytes, rwd_error *err) {
    char path[RWD_PATH_MAX], temporary[RWD_PATH_MAX];
    int fd = -1;
    if (!rwd_path_join(path, dir, RWD_MANIFEST_NAME, err) || !rwd_path_join(temporary, dir, RWD_MANIFEST_NAME ".new", err)) return false;
    RWD_CRASH_POINT(publish_before_manifest);
    if (!rwd_io_open(io, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd, err)) return false;
    bool ok = rwd_io_write(io, fd, temporary, bytes.data, bytes.size, 0, err) && rwd_io_fsync(io, fd, temporary, err);
    rwd_io_close(io, fd);
    if (!ok) return false;
    RWD_CRASH_POINT(manifest_written);
    if (!rwd_io_rename(io, temporary, path, err)) return false;
    RWD_CRASH_POINT(manifest_renamed);
    if (!rwd_io_sync_dir(io, dir, err)) return false;
    RWD_CRASH_POINT(manifest_synced);
    return true;
}

static bool give_name(rwd_repo *repo, rwd_io *io, const char *stage_dir, const char *folder, rwd_error *err) {
    if (!rwd_repo_still_owner(repo)) return rwd_repo_fail(err, RWD_E_FENCED, repo->path, "another owner took this data directory over");
    if (!rwd_io_rename(io, stage_dir, folder, err)) return false;
    RWD_CRASH_POINT(checkpoint_renamed);
    if (!rwd_io_sync_dir(io, repo->checkpoints, err)) return false;
    RWD_CRASH_POINT(checkpoint_synced);
    return true;
}

static bool read_back(rwd_io *io, const char *folder, rwd_slice bytes, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_buf file = {0};
    if (!rwd_path_join(path, folder, RWD_MANIFEST_NAME, err)) return false;
    bool ok = rwd_io_read_file(io, path, RWD_MANIFEST_MAX, &file, err);
    if (ok && !rwd_slice_equal(rwd_buf_slice(&file), bytes)) ok = rwd_repo_fail(err, RWD_E_CORRUPT, path, "reads back as something else than was written");
    rwd_buf_deinit(&file);
    return ok;
}

static bool enter_history(rwd_repo *repo, const rwd_checkpoint *c, const char *kind, rwd_error *err) {
    rwd_history_entry entry = {.kind = (char *)(uintptr_t)kind, .subject = (char *)(uintptr_t)c->id, .why = (char *)(uintptr_t)c->facts.reason,
                               .next_offset = c->facts.next_offset, .digest = c->digest, .lineage = c->facts.lineage};
    pthread_mutex_lock(&repo->mutex);
    bool ok = rwd_history_append_locked(repo, &entry, err);
    repo->is_new = false;
    pthread_mutex_unlock(&repo->mutex);
    return ok;
}

bool rwd_publish_staged(rwd_repo *repo, rwd_io *io, const char *stage_dir, rwd_checkpoint *c, const char *kind, rwd_error *err) {
    char folder[RWD_PATH_MAX];
    rwd_buf bytes = {0};
    if (!id_of_stage(repo, stage_dir, c, err) || !rwd_repo_folder(repo, c->id, "", folder, err)) return false;
    c->repository = repo->id;
    c->term = repo->term;
    c->created_us = rwd_clock_wall_us(repo->clock);
    c->build = (char *)(uintptr_t)rwd_version_text();
    rwd_manifest_encode(c, &bytes);
    bool ok = bytes.size <= RWD_MANIFEST_MAX || rwd_fail(err, RWD_E_RESOURCE, "the manifest would have %zu bytes, more than %u", bytes.size, RWD_MANIFEST_MAX);
    ok = ok && write_manifest(io, stage_dir, rwd_buf_slice(&bytes), err) && give_name(repo, io, stage_dir, folder, err) &&
         read_back(io, folder, rwd_buf_slice(&bytes), err) && enter_history(repo, c, kind, err);
    c->build = NULL;
    rwd_buf_deinit(&bytes);
    return ok;
}

static bool facts_fit(const rwd_facts *f, rwd_error *err) {
    size_t texts[] = {f->cursor.size, f->source_identity.size, f->reason ? strlen(f->reason) : 0, f->violated ? strlen(f->violated) : 0, f->rebuilt ? strlen(f->rebuilt) : 0};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i] > RWD_MANIFEST_WORDS_MAX) return rwd_fail(err, RWD_E_RESOURCE, "a text of %zu bytes is too long for a manifest", texts[i]);
    return true;
}

static bool publish_tree(rwd_repo *repo, rwd_io *io, const char *stage_dir, const rwd_facts *facts, rwd_hash128 digest, const parent *p,
                         rwd_tree *tree, char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    if (!settle_tree(repo, io, p, stage_dir, tree, err)) return false;
    rwd_checkpoint c = {.facts = *facts, .digest = digest, .files = tree->files, .file_count = tree->file_count};
    memcpy(c.parent, p->id, sizeof(c.parent));
    c.parent_hash = p->checkpoint.manifest_hash;  // zero where it cannot be read any more
    bool genesis = facts->reason && strcmp(facts->reason, "genesis") == 0;
    if (!rwd_publish_staged(repo, io, stage_dir, &c, genesis ? "genesis" : "checkpoint", err)) return false;
    pthread_mutex_lock(&repo->mutex);
    memcpy(repo->base, c.id, sizeof(repo->base));
    pthread_mutex_unlock(&repo->mutex);
    memcpy(out_id, c.id, RWD_CHECKPOINT_ID);
    return true;
}

bool rwd_repo_publish(rwd_repo *repo, rwd_io *io, const char *stage_dir, const rwd_facts *facts, rwd_hash128 digest,
                      char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    rwd_tree tree = {0};
    parent p;
    RWD_CRASH_POINT(publish_before_hash);
    if (!facts_fit(facts, err) || !load_parent(repo, io, &p, err)) return false;
    bool ok = rwd_tree_walk(stage_dir, &tree, err) && publish_tree(repo, io, stage_dir, facts, digest, &p, &tree, out_id, err);
    rwd_tree_deinit(&tree);
    rwd_checkpoint_deinit(&p.checkpoint);
    return ok;
}
