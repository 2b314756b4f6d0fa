// The logics of a data directory (logics.h).
#include "operator/repair/logics.h"

#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"

// One that was handed out, owned.
typedef struct entry {
    rwd_job *job;
    bool publishes;          // with the sinks that its hash says; else it is to replay with
} entry;

struct rwd_logics {
    rwd_repo *repo;
    const rwd_job *current;
    entry *entries;
    size_t count;
};

rwd_logics *rwd_logics_new(rwd_repo *repo, const rwd_job *current) {
    rwd_logics *logics = rwd_calloc(1, sizeof(*logics));
    *logics = (rwd_logics){.repo = repo, .current = current};
    return logics;
}

void rwd_logics_free(rwd_logics *logics) {
    if (!logics) return;
    for (size_t i = 0; i < logics->count; i++) rwd_job_free(logics->entries[i].job);
    free(logics->entries);
    free(logics);
}

static const rwd_job *hand_out(rwd_logics *logics, rwd_job *job, bool publishes) {
    logics->entries = rwd_realloc(logics->entries, (logics->count + 1) * sizeof(*logics->entries));
    logics->entries[logics->count++] = (entry){job, publishes};
    return job;
}

// `sinks` NULL: whatever they are.
static const rwd_job *known(const rwd_logics *logics, rwd_hash128 logic, const rwd_hash128 *sinks) {
    const rwd_job *current = logics->current;
    if (rwd_hash128_equal(current->logic, logic) && (!sinks || rwd_hash128_equal(current->sinks_hash, *sinks))) return current;
    for (size_t i = 0; i < logics->count; i++) {
        const rwd_job *job = logics->entries[i].job;
        if (!rwd_hash128_equal(job->logic, logic) || (sinks && (!logics->entries[i].publishes || !rwd_hash128_equal(job->sinks_hash, *sinks)))) continue;
        return job;
    }
    return NULL;
}

// ---- from a job file that is kept

// L4: the same text means the same only while the program does.
static bool refuse_other_meaning(const rwd_job *job, rwd_hash128 logic, const char *file, rwd_error *err) {
    char was[RWD_HASH128_HEX], is[RWD_HASH128_HEX];
    if (rwd_hash128_equal(job->logic, logic)) return true;
    rwd_hash128_hex(logic, was);
    rwd_hash128_hex(job->logic, is);
    (void)rwd_fail(err, RWD_E_LOGIC_CHANGED, "the job file kept for logic %s has logic %s in this program: its meaning has changed, or its source is another one", was, is);
    (void)rwd_error_at(err, "%s", file);
    return rwd_error_next(err, "go on with the version of rewind that made this state: rewind checkpoint list shows it");
}

// `sinks`: with these and no others, since it is to publish.
static bool load(rwd_logics *logics, rwd_hash128 logic, const rwd_hash128 *sinks, rwd_job **out, rwd_error *err) {
    char folder[RWD_PATH_MAX], file[RWD_PATH_MAX];
    rwd_buf text = {0};
    if (!rwd_repo_logic_folder(logics->repo, logic, sinks, folder, err) || !rwd_path_join(file, folder, RWD_LINEAGE_JOB, err)) return false;
    if (!rwd_read_file(file, RWD_LOGIC_TEXT_MAX, &text, err)) return false;
    rwd_job_logic how = {
        .name = file, .text = rwd_buf_slice(&text), .folder = folder, .descriptor = RWD_LINEAGE_DESCRIPTOR, .plugins = RWD_LINEAGE_PLUGINS,
        .sinks = sinks ? RWD_SINKS_OF_LOGIC : RWD_SINKS_OF_BASE,
    };
    bool ok = rwd_job_with_logic(logics->current, &how, out, err);
    if (!ok && !sinks) {
        how.sinks = RWD_SINKS_NONE;
        ok = rwd_job_with_logic(logics->current, &how, out, err);
    }
    rwd_buf_deinit(&text);
    if (ok && !refuse_other_meaning(*out, logic, file, err)) {
        rwd_job_free(*out);
        ok = false;
    }
    return ok;
}

bool rwd_logics_job(rwd_logics *logics, rwd_hash128 logic, const rwd_job **out, rwd_error *err) {
    rwd_job *job;
    *out = known(logics, logic, NULL);
    if (*out) return true;
    if (!load(logics, logic, NULL, &job, err)) return false;
    *out = hand_out(logics, job, false);
    return true;
}

// Where an output's folder is does not belong to what is published: it is where the current job file says, for those that it names.
static void take_folders(const rwd_job *current, rwd_job *job) {
    for (size_t i = 0; i < job->sink_count; i++) {
        for (size_t k = 0; job->sinks[i].path && k < current->sink_count; k++) {
            if (!current->sinks[k].path || strcmp(rwd_path_name(current->sinks[k].path), rwd_path_name(job->sinks[i].path)) != 0) continue;
            free(job->sinks[i].path);
            job->sinks[i].path = rwd_strdup(current->sinks[k].path);
        }
    }
}

bool rwd_logics_last(rwd_logics *logics, const rwd_lineage *lineage, const rwd_job **out, rwd_error *err) {
    rwd_job *job;
    if (lineage->segment_count == 0) return rwd_fail(err, RWD_E_CORRUPT, "lineage without a segment");
    const rwd_lineage_segment *last = &lineage->segments[lineage->segment_count - 1];
    *out = known(logics, last->logic, &last->sinks);
    if (*out) return true;
    if (!load(logics, last->logic, &last->sinks, &job, err)) return false;
    take_folders(logics->current, job);
    *out = hand_out(logics, job, true);
    return true;
}

bool rwd_logics_add(rwd_logics *logics, const rwd_job *job, const rwd_job **out, rwd_error *err) {
    rwd_job *with;
    rwd_buf text = {0};
    rwd_job_print(job, false, &text);
    rwd_job_logic how = {.name = job->file, .text = rwd_buf_slice(&text), .sinks = RWD_SINKS_OF_BASE};
    bool ok = rwd_job_with_logic(logics->current, &how, &with, err);
    rwd_buf_deinit(&text);
    if (!ok) return false;
    *out = known(logics, with->logic, &with->sinks_hash);
    if (*out) rwd_job_free(with);
    else *out = hand_out(logics, with, true);
    return true;
}

// ---- kept

static bool save(rwd_repo *repo, const rwd_lineage *lineage, const rwd_job *job, rwd_buf *text, rwd_error *err) {
    rwd_kept_file plugins[RWD_PLUGINS_MAX];
    rwd_job_print(job, false, text);
    rwd_kept_logic kept = {.logic = job->logic, .job_text = rwd_buf_slice(text), .plugins = plugins, .plugin_count = rwd_plugins_count(job->plugins.loaded)};
    if (job->source.types) kept.descriptor = rwd_descriptor_bytes(job->source.types);
    for (size_t i = 0; i < kept.plugin_count; i++) {
        const rwd_plugin_facts *plugin = rwd_plugins_at(job->plugins.loaded, i);
        plugins[i] = (rwd_kept_file){rwd_path_name(plugin->path), plugin->bytes};
    }
    return rwd_repo_save_logic(repo, lineage, &kept, err);
}

// Only the last segment's sinks are published to: the job files of the others are kept for their logic.
static bool save_others(rwd_logics *logics, rwd_repo *repo, const rwd_lineage *lineage, rwd_error *err) {
    const rwd_lineage_segment *last = &lineage->segments[lineage->segment_count - 1];
    for (size_t i = 0; i + 1 < lineage->segment_count; i++) {
        const rwd_job *job;
        rwd_buf text = {0};
        if (rwd_hash128_equal(lineage->segments[i].logic, last->logic)) continue;
        bool ok = rwd_logics_job(logics, lineage->segments[i].logic, &job, err) && save(repo, lineage, job, &text, err);
        rwd_buf_deinit(&text);
        if (!ok) return false;
    }
    return true;
}

bool rwd_logics_save(rwd_logics *logics, const rwd_lineage *lineage, rwd_error *err) { return rwd_logics_save_in(logics, logics->repo, lineage, err); }

bool rwd_logics_save_in(rwd_logics *logics, rwd_repo *repo, const rwd_lineage *lineage, rwd_error *err) {
    const rwd_job *job;
    rwd_buf text = {0};
    bool ok = rwd_logics_last(logics, lineage, &job, err) && save_others(logics, repo, lineage, err) && save(repo, lineage, job, &text, err) &&
              rwd_repo_save_lineage(repo, lineage, rwd_buf_slice(&text), err);
    rwd_buf_deinit(&text);
    return ok;
}
