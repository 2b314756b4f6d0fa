// A verified checkpoint carried from one data directory to another: to a folder elsewhere, and back after the disk is lost.
//
// The folder has the layout of a data directory, so that every command that reads one reads it. What makes a checkpoint of use goes with it: who the repository is (LOCK), the mark of
// genesis, the lineages, history.log up to now, the journal from the checkpoint's X on, and its tag. MANIFEST goes byte for byte, so ids and the chain of parents stay what they are.
//
// What must stay true: the checkpoint gets its name last, when all in it is durable and read back from the medium; nobody owns the target meanwhile; nothing that the target has is changed, unless it
// has no checkpoint at all and so is nobody's yet.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "checkpoints/manifest_private.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"

#define COMPARE_STEP ((size_t)64 << 10)
#define SMALL_MAX ((size_t)256 << 20)  // a plugin may have a debugger's tables
#define CARRY_SMALL_MAX ((uint64_t)64 << 20)  // a plugin, a lineage with its amendments

typedef struct carry {
    rwd_repo *from;
    rwd_repo *to;                 // as reader; NULL: nothing is there yet that is one
    const char *folder;           // of the target
    rwd_io *io;
    rwd_checkpoint_list there;    // of the target
    int lock_fd;
    bool anew;                    // the target has no checkpoint: it becomes the source's repository
    rwd_carried *out;
} carry;

// ---- the target

// K6: an operator holds it exclusively; so do we while we write.
static bool lock_target(carry *c, rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, c->folder, "LOCK", err)) return false;
    c->lock_fd = open(path, O_RDWR | O_CLOEXEC);
    if (c->lock_fd < 0) return errno == ENOENT || rwd_fail_errno(err, errno, "cannot open %s", path);
    if (flock(c->lock_fd, LOCK_EX | LOCK_NB) == 0) return true;
    (void)rwd_repo_fail(err, RWD_E_LOCKED, c->folder, "an operator owns it, or another copy is at work");
    return rwd_error_next(err, "stop it first: rewind status --data %s", c->folder);
}

static bool look_at_target(carry *c, rwd_clock *clock, rwd_error *err) {
    char path[RWD_PATH_MAX];
    c->anew = true;
    if (!rwd_path_join(path, c->folder, "LOCK", err)) return false;
    if (!rwd_path_exists(path)) {
        char **names = NULL;
        size_t count = 0;
        if (!rwd_path_exists(c->folder)) return true;
        if (!rwd_list_dir(c->folder, &names, &count, err)) return false;
        rwd_names_free(names, count);
        return count == 0 || rwd_repo_fail(err, RWD_E_EXISTS, c->folder, "is neither empty nor a data directory");
    }
    if (!rwd_repo_open_reader(c->folder, c->io, clock, &c->to, err) || !rwd_repo_list_with(c->to, c->io, false, &c->there, err)) return false;
    c->anew = rwd_repo_is_new(c->to);
    if (c->anew || rwd_hash128_equal(rwd_repo_id(c->from), rwd_repo_id(c->to))) return true;
    return rwd_repo_fail(err, RWD_E_FOREIGN, c->folder, "holds checkpoints of another data directory");
}

// ---- small things that go with it

// Copies a file that the target lacks, or with `over` in any case. One that the source lacks is nothing.
static bool carry_small(carry *c, const char *name, bool over, rwd_error *err) {
    char from[RWD_PATH_MAX], to[RWD_PATH_MAX];
    rwd_buf bytes = {0};
    if (!rwd_path_join(from, rwd_repo_path(c->from), name, err) || !rwd_path_join(to, c->folder, name, err)) return false;
    if (!rwd_path_exists(from) || (!over && rwd_path_exists(to))) return true;
    bool ok = rwd_io_read_file(c->io, from, CARRY_SMALL_MAX, &bytes, err) && rwd_io_write_file(c->io, to, rwd_buf_slice(&bytes), err);
    rwd_buf_deinit(&bytes);
    return ok;
}

// With the folder that it stands in.
static bool carry_file_of_lineage(carry *c, const char *id, const char *file, rwd_error *err) {
    char name[RWD_PATH_MAX], to[RWD_PATH_MAX], folder[RWD_PATH_MAX];
    (void)snprintf(name, sizeof(name), "lineages/%.200s/%.3000s", id, file);
    if (!rwd_path_join(to, c->folder, name, err)) return false;
    rwd_path_dir(folder, to);
    return rwd_io_make_dirs(c->io, folder, err) && carry_small(c, name, false, err);
}

// All that a lineage's folder has; LINEAGE last: a folder with it has the others.
static bool carry_lineage(carry *c, const char *id, rwd_error *err) {
    char name[RWD_PATH_MAX], from[RWD_PATH_MAX];
    rwd_tree tree = {0};
    (void)snprintf(name, sizeof(name), "lineages/%.200s", id);
    if (!rwd_path_join(from, rwd_repo_path(c->from), name, err) || !rwd_tree_walk(from, &tree, err)) return false;
    bool ok = true;
    for (int last = 0; last < 2; last++)
        for (size_t i = 0; i < tree.file_count && ok; i++)
            if ((strcmp(tree.files[i].name, "LINEAGE") == 0) == last) ok = carry_file_of_lineage(c, id, tree.files[i].name, err);
    rwd_tree_deinit(&tree);
    return ok;
}

static bool carry_lineages(carry *c, rwd_error *err) {
    char path[RWD_PATH_MAX];
    char **names = NULL;
    size_t count = 0;
    if (!rwd_path_join(path, rwd_repo_path(c->from), "lineages", err) || !rwd_list_dir(path, &names, &count, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) ok = carry_lineage(c, names[i], err);
    rwd_names_free(names, count);
    return ok;
}

// True if the shorter of two logs is the beginning of the other. `out_longer`: the source's is the longer one.
static bool same_beginning(int from, int to, bool *out_longer) {
    uint8_t a[COMPARE_STEP], b[COMPARE_STEP];
    for (off_t at = 0;;) {
        ssize_t n = pread(from, a, sizeof(a), at), m = pread(to, b, sizeof(b), at);
        if (n < 0 || m < 0) return false;
        size_t both = (size_t)(n < m ? n : m);
        if (memcmp(a, b, both) != 0) return false;
        *out_longer = n > m;
        if (n != m || n == 0) return true;
        at += n;
    }
}

static bool compare_histories(const char *from, const char *to, bool *out_longer, rwd_error *err) {
    int a = open(from, O_RDONLY | O_CLOEXEC), b = open(to, O_RDONLY | O_CLOEXEC);
    bool same = a >= 0 && b >= 0 && same_beginning(a, b, out_longer);
    if (a >= 0) (void)close(a);
    if (b >= 0) (void)close(b);
    return same || rwd_repo_fail(err, RWD_E_FOREIGN, to, "is not the beginning of the other history, nor the other way round: both went on by themselves");
}

// R7: the longer history wins; two that went apart stop it.
static bool carry_history(carry *c, rwd_error *err) {
    char from[RWD_PATH_MAX], to[RWD_PATH_MAX], beside[RWD_PATH_MAX];
    rwd_hash128 hash;
    uint64_t size;
    bool longer = true;
    if (!rwd_path_join(from, rwd_repo_path(c->from), "history.log", err) || !rwd_path_join(to, c->folder, "history.log", err) ||
        !rwd_path_join(beside, c->folder, "history.log.new", err))
        return false;
    if (!c->anew && rwd_path_exists(to) && !compare_histories(from, to, &longer, err)) return false;
    if (!longer) return true;
    if (rwd_path_exists(beside) && !rwd_io_unlink(c->io, beside, err)) return false;
    return rwd_io_copy_file(c->io, from, beside, NULL, &hash, &size, err) && rwd_io_rename(c->io, beside, to, err) && rwd_io_sync_dir(c->io, c->folder, err);
}

// ---- the checkpoint

// A file of the target with these very bytes.
static bool find_there(const carry *c, const rwd_checkpoint_file *file, char out[RWD_PATH_MAX]) {
    for (size_t i = 0; i < c->there.count; i++) {
        const rwd_checkpoint *other = &c->there.items[i];
        char folder[RWD_PATH_MAX];
        if (other->state == RWD_CHECKPOINT_BAD || !rwd_repo_folder(c->to, other->id, "", folder, NULL)) continue;
        for (size_t f = 0; f < other->file_count; f++)
            if (other->files[f].size == file->size && rwd_hash128_equal(other->files[f].hash, file->hash) && rwd_path_join(out, folder, other->files[f].name, NULL)) return true;
    }
    return false;
}

static bool is_whole(carry *c, const char *path, const rwd_checkpoint_file *file, rwd_error *err) {
    rwd_hash128 hash;
    uint64_t size = 0;
    if (!rwd_io_hash_file(c->io, path, RWD_IO_FROM_MEDIUM, NULL, &hash, &size, err)) return false;
    return (size == file->size && rwd_hash128_equal(hash, file->hash)) || rwd_repo_fail(err, RWD_E_CORRUPT, path, "what reads back does not match its hash in the manifest");
}

static bool carry_file(carry *c, const char *from, const char *to, const rwd_checkpoint_file *file, rwd_error *err) {
    char source[RWD_PATH_MAX], path[RWD_PATH_MAX], same[RWD_PATH_MAX], folder[RWD_PATH_MAX];
    rwd_hash128 hash;
    uint64_t size = 0;
    rwd_error ignored;
    if (!rwd_path_join(source, from, file->name, err) || !rwd_path_join(path, to, file->name, err)) return false;
    rwd_path_dir(folder, path);
    if (!rwd_io_make_dirs(c->io, folder, err)) return false;
    if (find_there(c, file, same) && link(same, path) == 0) {
        if (is_whole(c, path, file, &ignored)) return c->out->linked++, true;
        if (!rwd_io_unlink(c->io, path, err)) return false;  // damaged there: bytes of its own
    }
    if (!rwd_io_copy_file(c->io, source, path, NULL, &hash, &size, err)) return false;
    c->out->copied++;
    c->out->bytes += size;
    RWD_CRASH_POINT(carry_file);
    return is_whole(c, path, file, err);
}

static bool sync_folders(carry *c, const char *to, rwd_error *err) {
    rwd_tree tree = {0};
    if (!rwd_tree_walk(to, &tree, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < tree.folder_count && ok; i++) ok = rwd_io_sync_dir(c->io, tree.folders[i], err);
    rwd_tree_deinit(&tree);
    return ok && rwd_io_sync_dir(c->io, to, err);
}

static bool carry_manifest(carry *c, const char *from, const char *to, rwd_error *err) {
    char source[RWD_PATH_MAX], path[RWD_PATH_MAX];
    rwd_buf bytes = {0};
    if (!rwd_path_join(source, from, RWD_MANIFEST_NAME, err) || !rwd_path_join(path, to, RWD_MANIFEST_NAME, err)) return false;
    bool ok = rwd_io_read_file(c->io, source, RWD_MANIFEST_MAX, &bytes, err) && rwd_io_write_file(c->io, path, rwd_buf_slice(&bytes), err);
    rwd_buf_deinit(&bytes);
    return ok;
}

static bool carry_checkpoint(carry *c, const rwd_checkpoint *checkpoint, rwd_error *err) {
    char from[RWD_PATH_MAX], folder[RWD_PATH_MAX], to[RWD_PATH_MAX], part[RWD_PATH_MAX];
    if (!rwd_repo_folder(c->from, checkpoint->id, "", from, err) || !rwd_path_join(folder, c->folder, "checkpoints", err) ||
        !rwd_path_join(to, folder, checkpoint->id, err))
        return false;
    (void)snprintf(part, sizeof(part), "%.4000s%s", to, RWD_SUFFIX_PART);
    if (rwd_path_exists(to)) return c->out->was_there = true, true;
    if (rwd_path_exists(part) && !rwd_remove_tree(part, err)) return false;  // of a copy that died
    if (!rwd_io_make_dirs(c->io, part, err)) return false;
    for (size_t i = 0; i < checkpoint->file_count; i++)
        if (!carry_file(c, from, part, &checkpoint->files[i], err)) return false;
    if (!sync_folders(c, part, err) || !carry_manifest(c, from, part, err)) return false;
    RWD_CRASH_POINT(carry_before_name);
    return rwd_io_rename(c->io, part, to, err) && rwd_io_sync_dir(c->io, folder, err);
}

// What a repository is comes first: a folder that is left without the checkpoint is known to have lost it.
static bool carry_all(carry *c, const rwd_checkpoint *checkpoint, rwd_error *err) {
    return rwd_io_make_dirs(c->io, c->folder, err) && carry_small(c, "LOCK", c->anew, err) && carry_small(c, "GENESIS", c->anew, err) && carry_lineages(c, err) &&
           carry_history(c, err) && rwd_carry_journal(c->from, c->folder, checkpoint->facts.next_offset, c->io, c->out, err) && carry_checkpoint(c, checkpoint, err) &&
           rwd_tags_carry(c->from, c->folder, checkpoint->id, c->io, err);
}

bool rwd_repo_carry(rwd_repo *from, const char *folder, const char *word, rwd_io *io, rwd_clock *clock, rwd_carried *out, rwd_error *err) {
    carry c = {.from = from, .folder = folder, .io = io, .lock_fd = -1, .out = out};
    rwd_checkpoint checkpoint;
    rwd_read_lock lock;
    *out = (rwd_carried){0};
    if (!rwd_repo_find(from, word, &checkpoint, err)) return false;
    memcpy(out->id, checkpoint.id, sizeof(out->id));
    out->next_offset = checkpoint.facts.next_offset;
    bool ok = rwd_repo_read_lock(from, checkpoint.id, &lock, err);
    if (ok) {
        ok = rwd_repo_verify(from, io, checkpoint.id, RWD_VERIFY_ALL, NULL, err) && lock_target(&c, err) && look_at_target(&c, clock, err) &&
             carry_all(&c, &checkpoint, err);
        rwd_read_lock_release(&lock);
    }
    if (c.lock_fd >= 0) (void)close(c.lock_fd);
    rwd_checkpoint_list_deinit(&c.there);
    rwd_repo_close(c.to);
    rwd_checkpoint_deinit(&checkpoint);
    return ok;
}
