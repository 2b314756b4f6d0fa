// Sides of comparisons (side.h).
#include "operator/cli/side.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "checkpoints/io/probe.h"
#include "operator/admin/client.h"
#include "operator/repair/repair_plan.h"

#define REPAIR_PREFIX "repair:"

void rwd_cli_side_close(rwd_cli_side *side) {
    rwd_state_close(side->state);
    if (side->locked) rwd_read_lock_release(&side->lock);
    if (side->found) rwd_checkpoint_deinit(&side->checkpoint);
    rwd_job_free(side->job);
    rwd_repo_close(side->repo);
    rwd_io_free(side->io);
    *side = (rwd_cli_side){0};
}

static bool no_job(const char *word, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_USAGE, "'%s' is a checkpoint of a job, and no job is named", word);
    return rwd_error_next(err, "name its job file first, or its data directory with --data; or give the path of a data directory or of a checkpoint's folder");
}

static bool is_file(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode);
}

static bool is_folder(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

// A word is a path if it has a slash, or is a folder here.
static bool is_path(const char *word) {
    bool name = strcmp(word, "live") == 0 || strcmp(word, "latest") == 0;
    return strchr(word, '/') || (!name && is_folder(word));
}

// The folder of a checkpoint is <data>/checkpoints/<id>.
static bool split_path(const char *path, char data[RWD_PATH_MAX], char id[RWD_PATH_MAX], rwd_error *err) {
    char manifest[RWD_PATH_MAX], folder[RWD_PATH_MAX], checkpoints[RWD_PATH_MAX];
    if (strlen(path) >= RWD_PATH_MAX) return rwd_fail(err, RWD_E_USAGE, "%.100s...: the path is too long", path);
    memcpy(folder, path, strlen(path) + 1);
    for (size_t size = strlen(folder); size > 1 && folder[size - 1] == '/'; size--) folder[size - 1] = '\0';
    if (!is_folder(folder)) {
        (void)rwd_fail(err, RWD_E_NOT_FOUND, "there is no such folder");
        return rwd_error_at(err, "%s", path);
    }
    memcpy(data, folder, sizeof(folder));
    (void)snprintf(id, RWD_PATH_MAX, "latest");
    if (!rwd_path_join(manifest, folder, "MANIFEST", err)) return false;
    if (!rwd_path_exists(manifest)) return true;
    (void)snprintf(id, RWD_PATH_MAX, "%s", rwd_path_name(folder));
    rwd_path_dir(checkpoints, folder);
    rwd_path_dir(data, checkpoints);
    return true;
}

// A repair's plan has a shadow: a data directory of its own, whose newest checkpoint is what the plan came to.
static bool find_repair(rwd_cli_side *side, const rwd_place *place, const char *word, char id[RWD_PATH_MAX], rwd_error *err) {
    char folder[RWD_PATH_MAX], *repair = side->repair;
    if (!rwd_io_new(place->data, RWD_IO_TIER_PREAD, &side->io, NULL, err) || !rwd_repair_find(place->data, side->io, word, repair, err)) return false;
    if (!rwd_repair_folder_of(place->data, repair, folder, err) || !rwd_path_join(side->data, folder, RWD_REPAIR_SHADOW, err)) return false;
    (void)snprintf(id, RWD_PATH_MAX, "latest");
    if (rwd_path_exists(side->data)) return true;
    (void)rwd_fail(err, RWD_E_NOT_FOUND, "the second state of repair %s is there no more", repair);
    return rwd_error_next(err, "rewind repair report --data %s %s   (where it was applied, it names the checkpoints before and after: compare those)", place->data, repair);
}

// The new checkpoint's id; where no operator runs, "latest".
static bool ask_live(const rwd_place *place, char id[RWD_PATH_MAX], rwd_error *err) {
    rwd_admin_call call = {.command = "checkpoint-create"};
    rwd_buf answer = {0};
    bool ok = rwd_admin_ask(place->data, &call, 0, &answer, err);
    if (ok) (void)snprintf(id, RWD_PATH_MAX, "%s", rwd_buf_cstr(&answer));
    else if (err->code == RWD_E_NO_OPERATOR) {
        rwd_error_clear(err);
        rwd_cli_say("No operator runs; live is the newest checkpoint.");
        (void)snprintf(id, RWD_PATH_MAX, "latest");
        ok = true;
    }
    rwd_buf_deinit(&answer);
    return ok;
}

static bool find_where(rwd_cli_side *side, const rwd_place *place, char id[RWD_PATH_MAX], rwd_error *err) {
    const char *word = side->word;
    bool repair = strncmp(word, REPAIR_PREFIX, strlen(REPAIR_PREFIX)) == 0;
    if (!repair && is_path(word)) return split_path(word, side->data, id, err);
    if (!place) return no_job(word, err);
    if (repair) return find_repair(side, place, word + strlen(REPAIR_PREFIX), id, err);
    memcpy(side->data, place->data, RWD_PATH_MAX);
    if (strcmp(word, "live") == 0) return ask_live(place, id, err);
    if ((size_t)snprintf(id, RWD_PATH_MAX, "%s", word) >= RWD_PATH_MAX) return rwd_fail(err, RWD_E_USAGE, "%.100s...: no checkpoint is named so", word);
    return true;
}

static bool open_found(rwd_cli *cli, rwd_cli_side *side, const char *id, rwd_error *err) {
    if (!side->io && !rwd_io_new(side->data, rwd_cli_io_tier(cli, NULL), &side->io, NULL, err)) return false;
    if (!rwd_repo_open_reader(side->data, side->io, cli->clock, &side->repo, err)) return false;
    if (!rwd_repo_find(side->repo, id, &side->checkpoint, err)) return rwd_error_next(err, "rewind checkpoint list --data %s", side->data);
    side->found = true;
    if (!rwd_repo_read_lock(side->repo, side->checkpoint.id, &side->lock, err)) return false;
    side->locked = true;
    return rwd_repo_verify(side->repo, side->io, side->checkpoint.id, RWD_VERIFY_NEW, NULL, err) && rwd_repo_job_of(side->repo, &side->checkpoint, &side->job, NULL, err) &&
           rwd_repo_checkpoint_path(side->repo, side->checkpoint.id, side->dir, err) && rwd_state_open(side->dir, &side->state, err);
}

bool rwd_cli_side_open(rwd_cli *cli, const rwd_place *place, const char *word, rwd_cli_side *out, rwd_error *err) {
    char id[RWD_PATH_MAX];
    *out = (rwd_cli_side){.word = word};
    bool name = strcmp(word, "live") == 0 || strcmp(word, "latest") == 0;
    out->is_file = !name && is_file(word);
    if (out->is_file) return rwd_io_pread_new(&out->io, err);
    return find_where(out, place, id, err) && open_found(cli, out, id, err);
}
