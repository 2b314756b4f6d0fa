// A data directory opened: by its owner under a new term, or by a reader that changes nothing.
//
// What must stay true: the owner has the lock and a durable term before it creates, changes or removes anything else; what it removes at a start is
// only what an earlier term left unfinished: live/<term> of others, <id>.part, <id>.pruned.
#include "checkpoints/repository.h"

#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "checkpoints/frame.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"
#include "operator/base/log.h"
#include "proto/pack.h"
#include "proto/repository.pb-c.h"

bool rwd_repo_fail(rwd_error *err, rwd_code code, const char *path, const char *format, ...) {
    char cause[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(cause, sizeof(cause), format, args);
    va_end(args);
    (void)rwd_fail(err, code, "%s", cause);
    return rwd_error_at(err, "%s", path);
}

// ---- small framed files

bool rwd_repo_load_small(rwd_io *io, const char *path, const char magic[4], size_t limit, rwd_buf *file, rwd_slice *out_payload, rwd_error *err) {
    size_t size = 0;
    if (!rwd_io_read_file(io, path, limit, file, err)) return false;
    switch (rwd_frame_read(rwd_buf_slice(file), magic, RWD_REPO_VERSION, out_payload, &size)) {
    case RWD_FRAME_WHOLE:
        if (size == file->size) return true;
        return rwd_repo_fail(err, RWD_E_CORRUPT, path, "%zu bytes too many", file->size - size);
    case RWD_FRAME_NEWER:
        (void)rwd_repo_fail(err, RWD_E_NEWER_FORMAT, path, "was written by a newer version of the program");
        return rwd_error_next(err, "rewind version");
    case RWD_FRAME_END:
    case RWD_FRAME_TORN: return rwd_repo_fail(err, RWD_E_CORRUPT, path, "is cut short at %zu bytes", file->size);
    case RWD_FRAME_CORRUPT: break;
    }
    return rwd_repo_fail(err, RWD_E_CORRUPT, path, "does not match its checksum");
}

bool rwd_repo_save_small(rwd_io *io, const char *path, const char magic[4], rwd_slice payload, rwd_error *err) {
    rwd_buf file = {0};
    rwd_frame_append(&file, magic, RWD_REPO_VERSION, payload);
    bool ok = rwd_io_write_file(io, path, rwd_buf_slice(&file), err);
    rwd_buf_deinit(&file);
    return ok;
}

// ---- the genesis mark (C2)

#define GENESIS_MAGIC "RWGM"

static bool genesis_path(const rwd_repo *repo, char out[RWD_PATH_MAX], rwd_error *err) { return rwd_path_join(out, repo->path, "GENESIS", err); }

static bool load_genesis_mark(rwd_repo *repo, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_buf file = {0};
    rwd_slice payload;
    rwd_hash128 repository = {0};
    if (!genesis_path(repo, path, err)) return false;
    if (!rwd_path_exists(path)) return true;
    bool ok = rwd_repo_load_small(repo->io, path, GENESIS_MAGIC, RWD_SMALL_FILE_MAX, &file, &payload, err);
    Rewind__GenesisMark *mark = ok ? (Rewind__GenesisMark *)rwd_proto_unpack(&rewind__genesis_mark__descriptor, payload, RWD_SMALL_FILE_MAX) : NULL;
    if (ok) ok = mark && rwd_proto_get_hash(mark->repository, &repository) && rwd_hash128_equal(repository, repo->id);
    if (!ok && (!err || err->code == RWD_E_NONE)) ok = rwd_repo_fail(err, RWD_E_FOREIGN, path, "is of another data directory");
    repo->genesis_committed = ok;
    if (mark) rwd_proto_free(&mark->base);
    rwd_buf_deinit(&file);
    return ok;
}

bool rwd_repo_mark_genesis_committed(rwd_repo *repo, rwd_error *err) {
    char path[RWD_PATH_MAX];
    uint8_t repository[RWD_PROTO_HASH];
    Rewind__GenesisMark mark;
    rwd_buf payload = {0};
    assert(repo->owner);
    if (!genesis_path(repo, path, err)) return false;
    rewind__genesis_mark__init(&mark);
    mark.repository = rwd_proto_put_hash(repo->id, repository);
    mark.term = repo->term;
    rwd_proto_append(&payload, &mark.base);
    RWD_CRASH_POINT(genesis_before_mark);
    pthread_mutex_lock(&repo->mutex);
    bool ok = rwd_repo_save_small(repo->io, path, GENESIS_MAGIC, rwd_buf_slice(&payload), err);
    repo->genesis_committed |= ok;
    pthread_mutex_unlock(&repo->mutex);
    rwd_buf_deinit(&payload);
    if (ok) RWD_CRASH_POINT(genesis_marked);
    return ok;
}

// Reads a flag that the checkpoint thread may set.
static bool read_flag(const rwd_repo *repo, const bool *flag) {
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&repo->mutex;
    pthread_mutex_lock(mutex);
    bool value = *flag;
    pthread_mutex_unlock(mutex);
    return value;
}

bool rwd_repo_genesis_committed(const rwd_repo *repo) { return read_flag(repo, &repo->genesis_committed); }
bool rwd_repo_is_new(const rwd_repo *repo) { return read_flag(repo, &repo->is_new); }

// ---- opening

static char *user_name(void) {
    char storage[1024];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(getuid(), &entry, storage, sizeof(storage), &found) == 0 && found) return rwd_strdup(found->pw_name);
    return rwd_strf("uid %u", (unsigned)getuid());
}

static bool init(rwd_repo *repo, const char *path, rwd_io *io, rwd_clock *clock, rwd_error *err) {
    pthread_mutex_init(&repo->mutex, NULL);
    repo->io = io;
    repo->clock = clock;
    repo->lock_fd = -1;
    repo->who = user_name();
    if (strlen(path) >= sizeof(repo->path)) return rwd_fail(err, RWD_E_USAGE, "the path of the data directory is too long");
    memcpy(repo->path, path, strlen(path) + 1);
    return rwd_path_join(repo->checkpoints, path, "checkpoints", err) && rwd_path_join(repo->pruned, path, "pruned", err) &&
           rwd_path_join(repo->lock_path, path, "LOCK", err);
}

// K6: flock and rename mean on a network file system what its server makes of them.
static bool refuse_network_fs(const char *path, rwd_error *err) {
    char there[RWD_PATH_MAX];
    memcpy(there, path, strlen(path) + 1);
    while (!rwd_path_exists(there)) {
        char parent[RWD_PATH_MAX];
        rwd_path_dir(parent, there);
        if (strcmp(parent, there) == 0) break;
        memcpy(there, parent, sizeof(there));
    }
    const char *name = rwd_network_fs(there);
    if (!name) return true;
    (void)rwd_repo_fail(err, RWD_E_NETWORK_FS, path, "is on a network file system (%s), where locks and renames are not dependable; "
                        "set state.path to a local disk", name);
    return rwd_error_next(err, "df -h %s", there);
}

static bool has_names(const char *path) {
    char **names = NULL;
    size_t count = 0;
    if (!rwd_list_dir(path, &names, &count, NULL)) return false;
    rwd_names_free(names, count);
    return count > 0;
}

// Removes what earlier terms left unfinished. Nothing that ever counted is among it.
static bool clean_folder(const char *folder, const char *keep, const char *suffix, rwd_error *err) {
    char **names = NULL;
    size_t count = 0;
    if (!rwd_list_dir(folder, &names, &count, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        char path[RWD_PATH_MAX];
        size_t size = strlen(names[i]), end = strlen(suffix);
        if ((keep && strcmp(names[i], keep) == 0) || size < end || strcmp(names[i] + size - end, suffix) != 0) continue;
        ok = rwd_path_join(path, folder, names[i], err) && rwd_remove_tree(path, err);
    }
    rwd_names_free(names, count);
    return ok;
}

static bool make_live(rwd_repo *repo, rwd_error *err) {
    char live[RWD_PATH_MAX], term[32];
    (void)snprintf(term, sizeof(term), "%llu", (unsigned long long)repo->term);
    if (!rwd_path_join(live, repo->path, "live", err) || !rwd_path_join(repo->live, live, term, err)) return false;
    if (!rwd_io_make_dirs(repo->io, repo->live, err)) return false;
    RWD_CRASH_POINT(live_made);
    return clean_folder(live, term, "", err);
}

static bool open_as_owner(rwd_repo *repo, const rwd_repo_options *options, rwd_error *err) {
    if (!refuse_network_fs(options->path, err)) return false;
    if (options->create && !rwd_io_make_dirs(repo->io, repo->path, err)) return false;
    if (!rwd_repo_lock(repo, options, err)) return false;
    repo->owner = true;
    if (!rwd_io_make_dirs(repo->io, repo->checkpoints, err) || !rwd_io_make_dirs(repo->io, repo->pruned, err)) return false;
    if (!make_live(repo, err) || !clean_folder(repo->checkpoints, NULL, RWD_SUFFIX_PART, err)) return false;
    repo->is_new = !has_names(repo->checkpoints) && !has_names(repo->pruned);
    rwd_known_load(repo);
    if (!rwd_history_open(repo, err) || !load_genesis_mark(repo, err)) return false;
    return rwd_repo_finish_pruning(repo, repo->io, err);
}

bool rwd_repo_open_owner(const rwd_repo_options *options, rwd_io *io, rwd_clock *clock, rwd_repo **out, rwd_error *err) {
    assert(!options->create || (options->job && options->partition));
    rwd_repo *repo = rwd_calloc(1, sizeof(*repo));
    if (err) rwd_error_clear(err);
    if (init(repo, options->path, io, clock, err) && open_as_owner(repo, options, err)) {
        *out = repo;
        return true;
    }
    rwd_repo_close(repo);
    return false;
}

static bool open_as_reader(rwd_repo *repo, rwd_error *err) {
    if (!rwd_path_exists(repo->lock_path)) {
        (void)rwd_repo_fail(err, RWD_E_NOT_FOUND, repo->path, "no data directory (there is no LOCK)");
        return rwd_error_next(err, "rewind doctor");
    }
    if (!rwd_repo_read_lock_file(repo, err) || !load_genesis_mark(repo, err)) return false;
    repo->is_new = !has_names(repo->checkpoints) && !has_names(repo->pruned);
    rwd_known_load(repo);
    return true;
}

bool rwd_repo_open_reader(const char *path, rwd_io *io, rwd_clock *clock, rwd_repo **out, rwd_error *err) {
    rwd_repo *repo = rwd_calloc(1, sizeof(*repo));
    if (err) rwd_error_clear(err);
    if (init(repo, path, io, clock, err) && open_as_reader(repo, err)) {
        *out = repo;
        return true;
    }
    rwd_repo_close(repo);
    return false;
}

// live/<term> stays: it belongs to a process that may still have its files open, and the next start removes it.
void rwd_repo_close(rwd_repo *repo) {
    if (!repo) return;
    rwd_io_close(repo->io, repo->lock_fd);
    rwd_known_deinit(&repo->known);
    pthread_mutex_destroy(&repo->mutex);
    free(repo->job);
    free(repo->partition);
    free(repo->who);
    free(repo);
}

rwd_hash128 rwd_repo_id(const rwd_repo *repo) { return repo->id; }
uint64_t rwd_repo_term(const rwd_repo *repo) { return repo->term; }
const char *rwd_repo_path(const rwd_repo *repo) { return repo->path; }
const char *rwd_repo_job(const rwd_repo *repo) { return repo->job; }
const char *rwd_repo_live(const rwd_repo *repo) { return repo->live; }
