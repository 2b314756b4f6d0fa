// Lineages kept with the repository: lineages/<id>/LINEAGE and job.yaml, the normalised job file that made the last segment, and what that one needs.
//
// What must stay true: LINEAGE is written last, so a folder with it has the other files; nothing here is ever changed or removed.
#include "checkpoints/frame.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"

#define MAGIC "RWLN"
#define LINEAGE_FILE_MAX (RWD_AMENDMENT_BYTES_MAX + (4u << 20))  // and the heads of segments and amendments

typedef struct paths {
    char folder[RWD_PATH_MAX], lineage[RWD_PATH_MAX], job[RWD_PATH_MAX];
} paths;

static bool paths_of(const rwd_repo *repo, rwd_hash128 id, paths *out, rwd_error *err) {
    char lineages[RWD_PATH_MAX], hex[RWD_HASH128_HEX];
    rwd_hash128_hex(id, hex);
    return rwd_path_join(lineages, repo->path, "lineages", err) && rwd_path_join(out->folder, lineages, hex, err) &&
           rwd_path_join(out->lineage, out->folder, "LINEAGE", err) && rwd_path_join(out->job, out->folder, "job.yaml", err);
}

bool rwd_repo_save_lineage(rwd_repo *repo, const rwd_lineage *lineage, rwd_slice job_text, rwd_error *err) {
    paths p;
    rwd_buf bytes = {0};
    if (!paths_of(repo, rwd_lineage_id(lineage), &p, err)) return false;
    if (job_text.size > RWD_JOB_TEXT_MAX) return rwd_fail(err, RWD_E_USAGE, "a job file has at most %u bytes", RWD_JOB_TEXT_MAX);
    if (rwd_path_exists(p.lineage)) return true;  // its id is the hash of what it says
    if (!rwd_repo_still_owner(repo)) return rwd_repo_fail(err, RWD_E_FENCED, repo->path, "another owner took this data directory over");
    rwd_lineage_encode(lineage, &bytes);
    pthread_mutex_lock(&repo->mutex);
    bool ok = rwd_io_make_dirs(repo->io, p.folder, err) && rwd_io_write_file(repo->io, p.job, job_text, err);
    if (ok) RWD_CRASH_POINT(lineage_job_written);
    ok = ok && rwd_repo_save_small(repo->io, p.lineage, MAGIC, rwd_buf_slice(&bytes), err);
    pthread_mutex_unlock(&repo->mutex);
    rwd_buf_deinit(&bytes);
    return ok;
}

// A file that the lineage's job needs, in `folder` of the lineage's own.
static bool save_beside(rwd_repo *repo, const paths *p, const char *folder, const char *name, rwd_slice bytes, rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, folder, name, err)) return false;
    if (rwd_path_exists(p->lineage)) return true;
    if (!rwd_repo_still_owner(repo)) return rwd_repo_fail(err, RWD_E_FENCED, repo->path, "another owner took this data directory over");
    pthread_mutex_lock(&repo->mutex);
    bool ok = rwd_io_make_dirs(repo->io, folder, err) && rwd_io_write_file(repo->io, path, bytes, err);
    pthread_mutex_unlock(&repo->mutex);
    return ok;
}

bool rwd_repo_save_descriptor(rwd_repo *repo, const rwd_lineage *lineage, rwd_slice descriptor, rwd_error *err) {
    paths p;
    return paths_of(repo, rwd_lineage_id(lineage), &p, err) && save_beside(repo, &p, p.folder, RWD_LINEAGE_DESCRIPTOR, descriptor, err);
}

bool rwd_repo_save_plugin(rwd_repo *repo, const rwd_lineage *lineage, const char *name, rwd_slice bytes, rwd_error *err) {
    paths p;
    char folder[RWD_PATH_MAX];
    return paths_of(repo, rwd_lineage_id(lineage), &p, err) && rwd_path_join(folder, p.folder, RWD_LINEAGE_PLUGINS, err) &&
           save_beside(repo, &p, folder, name, bytes, err);
}

static bool load_locked(rwd_repo *repo, rwd_hash128 id, const paths *p, rwd_lineage *out, rwd_buf *out_job_text, rwd_error *err) {
    rwd_buf file = {0};
    rwd_slice payload;
    if (!rwd_path_exists(p->lineage)) {
        char hex[RWD_HASH128_HEX];
        rwd_hash128_hex(id, hex);
        return rwd_repo_fail(err, RWD_E_NOT_FOUND, repo->path, "lineage %s is not kept here", hex);
    }
    bool ok = rwd_repo_load_small(repo->io, p->lineage, MAGIC, LINEAGE_FILE_MAX, &file, &payload, err) && rwd_lineage_decode(payload, out, err);
    rwd_buf_deinit(&file);
    if (!ok) return rwd_error_at(err, "%s", p->lineage);
    if (!rwd_hash128_equal(rwd_lineage_id(out), id)) ok = rwd_repo_fail(err, RWD_E_CORRUPT, p->lineage, "is another lineage than its folder's name says");
    ok = ok && rwd_io_read_file(repo->io, p->job, RWD_JOB_TEXT_MAX, out_job_text, err);
    if (!ok) rwd_lineage_deinit(out);
    return ok;
}

bool rwd_repo_load_lineage(rwd_repo *repo, rwd_hash128 id, rwd_lineage *out, rwd_buf *out_job_text, rwd_error *err) {
    paths p;
    if (!paths_of(repo, id, &p, err)) return false;
    pthread_mutex_lock(&repo->mutex);
    bool ok = load_locked(repo, id, &p, out, out_job_text, err);
    pthread_mutex_unlock(&repo->mutex);
    return ok;
}
