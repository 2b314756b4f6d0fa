// Quarantine: a bad checkpoint gets the name <id>.bad and is never deleted by us; why is in its folder, in the log and in history.log.
#include <stdlib.h>

#include "checkpoints/frame.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"
#include "operator/base/log.h"
#include "proto/pack.h"
#include "proto/repository.pb-c.h"

#define MAGIC "RWNT"
#define NOTE_NAME "WHY"

char *rwd_note_load(rwd_io *io, const char *folder) {
    char path[RWD_PATH_MAX], *text = NULL;
    rwd_buf file = {0};
    rwd_slice payload;
    if (rwd_path_join(path, folder, NOTE_NAME, NULL) && rwd_repo_load_small(io, path, MAGIC, RWD_SMALL_FILE_MAX, &file, &payload, NULL)) {
        Rewind__Note *note = (Rewind__Note *)rwd_proto_unpack(&rewind__note__descriptor, payload, 2 * (size_t)RWD_SMALL_FILE_MAX);
        if (note) text = rwd_strdup(note->text);
        if (note) rwd_proto_free(&note->base);
    }
    rwd_buf_deinit(&file);
    return text;
}

// Best effort: a disk that is full must not keep a bad checkpoint in place. The reason is in history.log, too.
static void save_note(rwd_repo *repo, const char *folder, const char *why) {
    char path[RWD_PATH_MAX];
    rwd_buf payload = {0};
    Rewind__Note note;
    rewind__note__init(&note);
    note.text = (char *)(uintptr_t)why;
    note.at_us = rwd_clock_wall_us(repo->clock);
    rwd_proto_append(&payload, &note.base);
    if (rwd_path_join(path, folder, NOTE_NAME, NULL) && !rwd_repo_save_small(repo->io, path, MAGIC, rwd_buf_slice(&payload), NULL))
        rwd_log(RWD_LOG_WARN, "checkpoint", "cannot write %s", path);
    rwd_buf_deinit(&payload);
}

static bool set_aside_locked(rwd_repo *repo, const char *id, const char *why, rwd_error *err) {
    char from[RWD_PATH_MAX], to[RWD_PATH_MAX];
    if (!rwd_repo_folder(repo, id, "", from, err) || !rwd_repo_folder(repo, id, RWD_SUFFIX_BAD, to, err)) return false;
    save_note(repo, from, why);
    RWD_CRASH_POINT(quarantine_noted);
    if (!rwd_io_rename(repo->io, from, to, err)) return false;
    RWD_CRASH_POINT(quarantine_renamed);
    if (!rwd_io_sync_dir(repo->io, repo->checkpoints, err)) return false;
    rwd_history_entry entry = {.kind = (char *)(uintptr_t)"quarantine", .subject = (char *)(uintptr_t)id, .why = (char *)(uintptr_t)why};
    return rwd_history_append_locked(repo, &entry, err);
}

bool rwd_repo_quarantine(rwd_repo *repo, const char *id, const char *why, rwd_error *err) {
    if (!rwd_repo_still_owner(repo)) return rwd_repo_fail(err, RWD_E_FENCED, repo->path, "only the owner of a data directory sets a checkpoint aside");
    rwd_log(RWD_LOG_WARN, "checkpoint", "checkpoint %s is bad and is set aside as %s.bad: %s", id, id, why);
    pthread_mutex_lock(&repo->mutex);
    bool ok = set_aside_locked(repo, id, why, err);
    pthread_mutex_unlock(&repo->mutex);
    return ok;
}
