// Lineages kept with the repository: lineages/<id>/LINEAGE and job.yaml, the normalised job file that made the last segment, with what that one needs; and the same of each other logic under
// lineages/<id>/logics/<logic>/.
//
// What must stay true: LINEAGE is written last, so a folder with it has the other files; nothing here is ever changed or removed.
#include "checkpoints/frame.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"

#define MAGIC "RWLN"
#define LOGICS_FOLDER "logics"
#define LINEAGE_FILE_MAX (RWD_AMENDMENT_BYTES_MAX + (4u << 20))  // and the heads of segments and amendments

typedef struct paths {
    char folder[RWD_PATH_MAX], lineage[RWD_PATH_MAX], job[RWD_PATH_MAX];
} paths;

static bool paths_of(const rwd_repo *repo, rwd_hash128 id, paths *out, rwd_error *err) {
    char lineages[RWD_PATH_MAX], hex[RWD_HASH128_HEX];
    rwd_hash128_hex(id, hex);
    return rwd_path_join(lineages, repo->path, "lineages", err) && rwd_path_join(out->folder, lineages, hex, err) &&
           rwd_path_join(out->lineage, out->folder, "LINEAGE", err) && rwd_path_join(out->job, out->folder, RWD_LINEAGE_JOB, err);
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

static bool is_last(const rwd_lineage *lineage, rwd_hash128 logic) {
    return lineage->segment_count > 0 && rwd_hash128_equal(lineage->segments[lineage->segment_count - 1].logic, logic);
}

// lineages/<id>, or logics/<logic> below it.
static bool folder_of_logic(const paths *p, bool last, rwd_hash128 logic, char out[RWD_PATH_MAX], rwd_error *err) {
    char logics[RWD_PATH_MAX], hex[RWD_HASH128_HEX];
    if (last) return memcpy(out, p->folder, RWD_PATH_MAX), true;
    rwd_hash128_hex(logic, hex);
    return rwd_path_join(logics, p->folder, LOGICS_FOLDER, err) && rwd_path_join(out, logics, hex, err);
}

static bool save_in(rwd_repo *repo, const char *folder, const char *name, rwd_slice bytes, rwd_error *err) {
    char path[RWD_PATH_MAX];
    return rwd_path_join(path, folder, name, err) && rwd_io_make_dirs(repo->io, folder, err) && rwd_io_write_file(repo->io, path, bytes, err);
}

static bool save_locked(rwd_repo *repo, const char *folder, const rwd_kept_logic *kept, rwd_error *err) {
    char plugins[RWD_PATH_MAX];
    if (!rwd_path_join(plugins, folder, RWD_LINEAGE_PLUGINS, err)) return false;
    for (size_t i = 0; i < kept->plugin_count; i++)
        if (!save_in(repo, plugins, kept->plugins[i].name, kept->plugins[i].bytes, err)) return false;
    if (kept->descriptor.size > 0 && !save_in(repo, folder, RWD_LINEAGE_DESCRIPTOR, kept->descriptor, err)) return false;
    return save_in(repo, folder, RWD_LINEAGE_JOB, kept->job_text, err);  // last: a folder with it has the others
}

bool rwd_repo_save_logic(rwd_repo *repo, const rwd_lineage *lineage, const rwd_kept_logic *kept, rwd_error *err) {
    paths p;
    char folder[RWD_PATH_MAX];
    if (!paths_of(repo, rwd_lineage_id(lineage), &p, err) || !folder_of_logic(&p, is_last(lineage, kept->logic), kept->logic, folder, err)) return false;
    if (kept->job_text.size > RWD_JOB_TEXT_MAX) return rwd_fail(err, RWD_E_USAGE, "a job file has at most %u bytes", RWD_JOB_TEXT_MAX);
    if (rwd_path_exists(p.lineage)) return true;
    if (!rwd_repo_still_owner(repo)) return rwd_repo_fail(err, RWD_E_FENCED, repo->path, "another owner took this data directory over");
    pthread_mutex_lock(&repo->mutex);
    bool ok = save_locked(repo, folder, kept, err);
    pthread_mutex_unlock(&repo->mutex);
    return ok;
}

// ---- found again

static bool read_lineage(rwd_repo *repo, const char *path, rwd_lineage *out, rwd_error *err) {
    rwd_buf file = {0};
    rwd_slice payload;
    bool ok = rwd_repo_load_small(repo->io, path, MAGIC, LINEAGE_FILE_MAX, &file, &payload, err) && rwd_lineage_decode(payload, out, err);
    rwd_buf_deinit(&file);
    return ok || rwd_error_at(err, "%s", path);
}

// 2: as its last segment; 1: beside that; 0: not, or the lineage cannot be read: then another one may have it.
static int look_into(rwd_repo *repo, const char *name, rwd_hash128 logic, const rwd_hash128 *sinks, char out[RWD_PATH_MAX]) {
    rwd_hash128 id;
    paths p;
    char job[RWD_PATH_MAX];
    rwd_lineage lineage;
    rwd_error ignored;
    if (!rwd_hash128_parse(name, &id) || !paths_of(repo, id, &p, &ignored) || !rwd_path_exists(p.lineage) || !read_lineage(repo, p.lineage, &lineage, &ignored)) return 0;
    bool last = is_last(&lineage, logic);
    bool publishes = last && (!sinks || rwd_hash128_equal(lineage.segments[lineage.segment_count - 1].sinks, *sinks));
    rwd_lineage_deinit(&lineage);
    if (sinks && !publishes) return 0;
    if (!folder_of_logic(&p, last, logic, out, &ignored) || !rwd_path_join(job, out, RWD_LINEAGE_JOB, &ignored) || !rwd_path_exists(job)) return 0;
    return last ? 2 : 1;
}

bool rwd_repo_logic_folder(rwd_repo *repo, rwd_hash128 logic, const rwd_hash128 *sinks, char out[4096], rwd_error *err) {
    char lineages[RWD_PATH_MAX], found[RWD_PATH_MAX], hex[RWD_HASH128_HEX];
    char **names = NULL;
    size_t count = 0;
    int best = 0;
    if (!rwd_path_join(lineages, repo->path, "lineages", err)) return false;
    if (rwd_path_exists(lineages) && !rwd_list_dir(lineages, &names, &count, err)) return false;
    pthread_mutex_lock(&repo->mutex);
    for (size_t i = 0; i < count && best < 2; i++) {
        int how = look_into(repo, names[i], logic, sinks, found);
        if (how <= best) continue;
        best = how;
        memcpy(out, found, RWD_PATH_MAX);
    }
    pthread_mutex_unlock(&repo->mutex);
    rwd_names_free(names, count);
    rwd_hash128_hex(logic, hex);
    return best > 0 || rwd_repo_fail(err, RWD_E_NOT_FOUND, repo->path, "no lineage that is kept here has logic %s", hex);
}

static bool load_locked(rwd_repo *repo, rwd_hash128 id, const paths *p, rwd_lineage *out, rwd_buf *out_job_text, rwd_error *err) {
    if (!rwd_path_exists(p->lineage)) {
        char hex[RWD_HASH128_HEX];
        rwd_hash128_hex(id, hex);
        return rwd_repo_fail(err, RWD_E_NOT_FOUND, repo->path, "lineage %s is not kept here", hex);
    }
    if (!read_lineage(repo, p->lineage, out, err)) return false;
    bool ok = true;
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
