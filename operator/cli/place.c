// Finding the data directory and what is in it.
#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/io/probe.h"
#include "operator/base/fs.h"
#include "operator/base/words.h"
#include "operator/cli/cli_private.h"
#include "operator/repair/logics.h"

bool rwd_place_find(const rwd_cli *cli, rwd_place *out, rwd_error *err) {
    const rwd_invocation *in = cli->in;
    *out = (rwd_place){0};
    const char *data = in->values[RWD_FLAG_ID_DATA];
    if (in->job) {
        // Of some commands --set says something else.
        size_t sets = in->command->flags & RWD_FLAG_BIT(SET) ? in->set_count : 0;
        if (!rwd_job_load(in->job, in->sets, sets, &out->job, err)) return false;
        if (rwd_job_data_path(out->job, out->data, err)) return true;
        rwd_place_deinit(out);
        return false;
    }
    if (!data) {
        rwd_fail(err, RWD_E_USAGE, "say which job: name its job file, or its data directory with --data");
        return rwd_error_next(err, "rewind %s JOB%s%s", in->command->name, *in->command->args ? " " : "", in->command->args);
    }
    if (in->set_count > 0 && in->command->flags & RWD_FLAG_BIT(SET)) return rwd_fail(err, RWD_E_USAGE, "--set changes a job file, and none is given");
    if (strlen(data) >= sizeof(out->data)) return rwd_fail(err, RWD_E_USAGE, "--data: the path is too long");
    memcpy(out->data, data, strlen(data) + 1);
    return true;
}

void rwd_place_deinit(rwd_place *place) {
    rwd_repo_close(place->repo);
    rwd_io_free(place->io);
    rwd_job_free(place->job);
    *place = (rwd_place){0};
}

rwd_io_tier rwd_cli_io_tier(const rwd_cli *cli, const rwd_job *job) {
    rwd_io_tier tier = job ? (rwd_io_tier)job->state.io : RWD_IO_TIER_AUTO;
    const char *word = cli->in->values[RWD_FLAG_ID_IO];
    if (word) (void)rwd_io_tier_parse(word, &tier);  // the parser let only these words pass
    return tier;
}

static bool need_io(const rwd_cli *cli, rwd_place *place, rwd_error *err) {
    return place->io || rwd_io_new(place->data, rwd_cli_io_tier(cli, place->job), &place->io, NULL, err);
}

static bool need_directory(const rwd_place *place, rwd_error *err) {
    if (rwd_path_exists(place->data)) return true;
    rwd_fail(err, RWD_E_NOT_FOUND, "there is no data directory here: the job has not run yet");
    rwd_error_at(err, "%s", place->data);
    return rwd_error_next(err, place->job ? "rewind run %s" : "rewind run JOB", place->job ? place->job->file : "");
}

bool rwd_place_open_reader(rwd_cli *cli, rwd_place *place, rwd_error *err) {
    return need_directory(place, err) && need_io(cli, place, err) && rwd_repo_open_reader(place->data, place->io, cli->clock, &place->repo, err);
}

bool rwd_place_open_owner(rwd_cli *cli, rwd_place *place, rwd_error *err) {
    if (!need_directory(place, err) || !need_io(cli, place, err)) return false;
    // Whose directory it is stands in it; the job file, where there is one, must say the same.
    rwd_repo *reader;
    if (!rwd_repo_open_reader(place->data, place->io, cli->clock, &reader, err)) return false;
    char *job = rwd_strdup(place->job ? place->job->name : rwd_repo_job(reader));
    rwd_repo_close(reader);
    char path[RWD_PATH_MAX];
    memcpy(path, place->data, sizeof(path));
    for (size_t size = strlen(path); size > 1 && path[size - 1] == '/'; size--) path[size - 1] = '\0';
    rwd_repo_options options = {.path = place->data, .job = job, .partition = rwd_path_name(path), .create = false};
    bool worked = rwd_repo_open_owner(&options, place->io, cli->clock, &place->repo, err);
    free(job);
    return worked;
}

bool rwd_place_checkpoint(rwd_place *place, const char *word, rwd_checkpoint *out, rwd_error *err) {
    if (rwd_repo_find(place->repo, word, out, err)) return true;
    return rwd_error_next(err, "rewind checkpoint list --data %s", place->data);
}

bool rwd_repo_job_of(rwd_repo *repo, const rwd_checkpoint *checkpoint, rwd_job **out_job, rwd_lineage *out_lineage, rwd_error *err) {
    rwd_lineage lineage;
    rwd_buf text = {0};
    if (!rwd_repo_load_lineage(repo, checkpoint->facts.lineage, &lineage, &text, err)) {
        rwd_buf_deinit(&text);
        return false;
    }
    // The rows are those of the logic below X, which need not be the lineage's last.
    char folder[RWD_PATH_MAX], name[RWD_PATH_MAX], descriptor[RWD_PATH_MAX], plugins[RWD_PATH_MAX];
    rwd_buf_clear(&text);
    bool found = rwd_repo_logic_folder(repo, checkpoint->facts.fingerprint, NULL, folder, err) && rwd_path_join(name, folder, RWD_LINEAGE_JOB, err) &&
                 rwd_path_join(descriptor, folder, RWD_LINEAGE_DESCRIPTOR, err) && rwd_path_join(plugins, folder, RWD_LINEAGE_PLUGINS, err) &&
                 rwd_read_file(name, RWD_LOGIC_TEXT_MAX, &text, err);
    // Descriptor set and plugins as they were, wherever the job's own may be by now.
    rwd_override kept[2];
    size_t kept_count = 0;
    if (found && rwd_path_exists(descriptor)) kept[kept_count++] = (rwd_override){"source.protobuf.descriptor", descriptor};
    if (found && rwd_path_exists(plugins)) kept[kept_count++] = (rwd_override){"plugins.folder", plugins};
    bool worked = found && (!out_job || rwd_job_parse(name, rwd_buf_slice(&text), kept, kept_count, out_job, err));
    rwd_buf_deinit(&text);
    if (worked && out_lineage) *out_lineage = lineage;
    else rwd_lineage_deinit(&lineage);
    return worked;
}

bool rwd_find_table(const rwd_job *job, const char *name, uint16_t *out_table, rwd_error *err) {
    const char *names[RWD_TABLES_MAX];
    for (size_t i = 0; i < job->table_count; i++) {
        names[i] = job->tables[i].schema.name;
        if (name && strcmp(names[i], name) != 0) continue;
        *out_table = (uint16_t)i;
        if (name || job->table_count == 1) return true;
    }
    rwd_buf list = {0};
    for (size_t i = 0; i < job->table_count; i++) rwd_buf_appendf(&list, "%s%s", i ? ", " : "", names[i]);
    const char *nearest = name ? rwd_nearest(name, names, job->table_count) : NULL;
    if (!name) rwd_fail(err, RWD_E_USAGE, "the job has several tables, say which with --table: %s", rwd_buf_cstr(&list));
    else if (nearest) rwd_fail(err, RWD_E_NOT_FOUND, "there is no table '%s'; did you mean '%s'?", name, nearest);
    else rwd_fail(err, RWD_E_NOT_FOUND, "there is no table '%s'; there are: %s", name, rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    return false;
}
