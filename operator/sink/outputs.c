// The output files of a job (outputs.h).
//
// What must stay true (C1): committed bytes are never written again and never cut; a file is cut only to a length that a durable commit log names; the
// folder of a new file is durable before an entry names the file.
#include "operator/sink/outputs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "operator/base/crash_point.h"
#include "operator/base/log.h"

#define LOG_SUFFIX ".commits"

void rwd_outputs_init(rwd_outputs *outputs, const rwd_job *job) {
    assert(job->sink_count <= RWD_SINKS_MAX);
    *outputs = (rwd_outputs){0};
    for (size_t i = 0; i < job->sink_count; i++) outputs->items[outputs->count++] = (rwd_output){.path = job->sinks[i].path, .fd = -1};
    if (job->dead_letter_path) outputs->items[outputs->count++] = (rwd_output){.path = job->dead_letter_path, .fd = -1};
}

void rwd_outputs_close(rwd_outputs *outputs, rwd_io *io) {
    for (size_t i = 0; i < outputs->count; i++) {
        rwd_output *o = &outputs->items[i];
        rwd_io_close(io, o->fd);
        free(o->name);
        *o = (rwd_output){.path = o->path, .fd = -1};
    }
}

bool rwd_outputs_log_path(const rwd_job *job, char out[RWD_PATH_MAX], rwd_error *err) {
    const char *first = job->sink_count > 0 ? job->sinks[0].path : job->dead_letter_path;
    assert(first);
    if (strlen(first) + sizeof(LOG_SUFFIX) + 8 > RWD_PATH_MAX)
        return rwd_fail(err, RWD_E_CONFIG, "the path '%.100s...' is too long for an output", first);
    (void)snprintf(out, RWD_PATH_MAX, "%s%s", first, LOG_SUFFIX);
    return true;
}

// ---- names: the log must still know its files when the job is started from another folder, or when the folder has moved

static bool real_folder_of(const char *path, char out[RWD_PATH_MAX], rwd_error *err) {
    char dir[RWD_PATH_MAX];
    rwd_path_dir(dir, path);
    if (realpath(dir, out)) return true;
    (void)rwd_fail_errno(err, errno, "cannot find the folder of an output");
    return rwd_error_at(err, "%s", dir);
}

// True if `path` (absolute) lies in or below `folder`; `*out_rest` is what follows.
static bool lies_below(const char *path, const char *folder, const char **out_rest) {
    size_t size = strlen(folder);
    if (strcmp(folder, "/") == 0) size = 0;
    if (strncmp(path, folder, size) != 0 || path[size] != '/') return false;
    *out_rest = path + size + 1;
    return true;
}

static bool name_output(rwd_output *o, const char *log_folder, rwd_error *err) {
    char folder[RWD_PATH_MAX], path[RWD_PATH_MAX];
    if (!real_folder_of(o->path, folder, err) || !rwd_path_join(path, folder, rwd_path_name(o->path), err)) return false;
    const char *rest = path;
    (void)lies_below(path, log_folder, &rest);
    free(o->name);
    o->name = rwd_strdup(rest);
    return true;
}

static bool path_of_name(const char *name, const char *log_folder, char out[RWD_PATH_MAX], rwd_error *err) {
    if (name[0] != '/') return rwd_path_join(out, log_folder, name, err);
    (void)snprintf(out, RWD_PATH_MAX, "%s", name);
    return true;
}

// ---- opening

static bool lost(const rwd_output *o, uint64_t committed, uint64_t size, rwd_error *err) {
    if (o->fd < 0) (void)rwd_fail(err, RWD_E_CORRUPT, "the output is missing, and %" PRIu64 " bytes of it are committed", committed);
    else
        (void)rwd_fail(err, RWD_E_CORRUPT, "the output has %" PRIu64 " bytes, and %" PRIu64 " are committed: it was cut or replaced", size,
                       committed);
    if (err) err->decision = RWD_PARK;  // no rollback brings the bytes back
    return rwd_error_at(err, "%s", o->path);
}

static bool exists(const rwd_output *o, uint64_t size, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_EXISTS, "the output is there already (%" PRIu64 " bytes), and no commit log of this job knows it", size);
    (void)rwd_error_next(err, "move it away (mv %s %s.old), or use another path", o->path, o->path);
    return rwd_error_at(err, "%s", o->path);
}

static bool file_size(const rwd_output *o, uint64_t *out, rwd_error *err) {
    struct stat file;
    if (fstat(o->fd, &file) != 0) (void)rwd_fail_errno(err, errno, "cannot ask for the size of the output");
    else if (!S_ISREG(file.st_mode)) (void)rwd_fail(err, RWD_E_CONFIG, "an output must be a regular file: it is cut when a commit did not happen");
    else {
        *out = (uint64_t)file.st_size;
        return true;
    }
    return rwd_error_at(err, "%s", o->path);
}

// An absent file is made only if nothing of it was ever committed. O_EXCL: through no symbolic link into a folder that is not synced.
static bool open_or_make(rwd_output *o, rwd_io *io, uint64_t committed, bool *out_made, rwd_error *err) {
    struct stat there;
    *out_made = lstat(o->path, &there) != 0 && errno == ENOENT;
    if (!*out_made) return rwd_io_open(io, o->path, O_WRONLY | O_NONBLOCK, 0, &o->fd, err);  // a pipe is refused, not waited for
    if (committed > 0) return lost(o, committed, 0, err);
    return rwd_io_open(io, o->path, O_WRONLY | O_CREAT | O_EXCL, 0600, &o->fd, err);
}

// The folder of a new file, and those above it: a predecessor may have made them and died before they were durable.
static bool sync_folders(const rwd_output *o, rwd_io *io, rwd_error *err) {
    char dir[RWD_PATH_MAX], above[RWD_PATH_MAX];
    rwd_path_dir(dir, o->path);
    if (!rwd_io_sync_dir(io, dir, err)) return false;
    for (;;) {
        rwd_path_dir(above, dir);
        if (strcmp(above, dir) == 0) return true;
        rwd_error why;
        if (!rwd_io_sync_dir(io, above, &why) && why.code != RWD_E_PERMISSION) {  // not ours to read: not ours to make
            if (err) *err = why;
            return false;
        }
        memcpy(dir, above, sizeof(dir));
    }
}

static bool open_output(rwd_output *o, rwd_io *io, const char *log_folder, const rwd_commit_entry *known, rwd_error *err) {
    if (!name_output(o, log_folder, err)) return false;
    const rwd_commit_file *file = rwd_commit_entry_find(known, o->name);
    uint64_t size = 0, committed = file ? file->length : 0;
    bool made;
    if (!open_or_make(o, io, committed, &made, err) || !file_size(o, &size, err)) return false;
    if (size < committed) return lost(o, committed, size, err);
    if (!file && size > 0) return exists(o, size, err);
    o->committed = o->length = committed;
    return (file && !made) || sync_folders(o, io, err);
}

// Paths may differ and still lead to one file.
static bool distinct(const rwd_outputs *outputs, const char *log_path, rwd_error *err) {
    struct stat files[RWD_OUTPUTS_MAX + 1];
    size_t count = 0;
    if (stat(log_path, &files[count]) == 0) count++;
    for (size_t i = 0; i < outputs->count; i++, count++) {
        const rwd_output *o = &outputs->items[i];
        if (fstat(o->fd, &files[count]) != 0) return rwd_fail_errno(err, errno, "cannot look at the output %s", o->path);
        for (size_t j = 0; j < count; j++) {
            if (files[j].st_ino != files[count].st_ino || files[j].st_dev != files[count].st_dev) continue;
            (void)rwd_fail(err, RWD_E_CONFIG, "this output is the same file as another one of the job; each needs its own");
            return rwd_error_at(err, "%s", o->path);
        }
    }
    return true;
}

bool rwd_outputs_open(rwd_outputs *outputs, rwd_io *io, const char *log_path, const rwd_commit_entry *known, rwd_error *err) {
    char log_folder[RWD_PATH_MAX], dir[RWD_PATH_MAX];
    if (!real_folder_of(log_path, log_folder, err)) return false;
    for (size_t i = 0; i < outputs->count; i++) {
        rwd_path_dir(dir, outputs->items[i].path);
        if (!rwd_io_make_dirs(io, dir, err)) return false;
        if (!open_output(&outputs->items[i], io, log_folder, known, err)) return false;
    }
    if (!distinct(outputs, log_path, err)) return false;
    RWD_CRASH_POINT(sink_outputs_opened);
    return true;
}

void rwd_outputs_describe(const rwd_outputs *outputs, bool appended, rwd_commit_entry *entry) {
    for (size_t i = 0; i < outputs->count; i++) {
        const rwd_output *o = &outputs->items[i];
        rwd_commit_entry_add(entry, o->name, appended ? o->length : o->committed);
    }
}

// ---- cutting

static bool cut(rwd_output *o, rwd_io *io, rwd_error *err) {
    uint64_t size;
    if (!file_size(o, &size, err)) return false;
    o->length = o->committed;
    if (size <= o->committed) return true;
    if (!rwd_io_truncate(io, o->fd, o->path, o->committed, err) || !rwd_io_fdatasync(io, o->fd, o->path, err)) return false;
    RWD_CRASH_POINT(sink_output_cut);
    return true;
}

static bool is_output(const rwd_outputs *outputs, const char *name) {
    for (size_t i = 0; i < outputs->count; i++) {
        if (strcmp(outputs->items[i].name, name) == 0) return true;
    }
    return false;
}

// A file of the job before this one keeps its committed bytes and nothing else. If it is gone, that is its owner's affair.
static bool cut_former(const char *log_folder, const rwd_commit_file *file, rwd_io *io, rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!path_of_name(file->name, log_folder, path, err)) return false;
    rwd_output o = {.path = path, .fd = -1, .committed = file->length};
    uint64_t size = 0;
    rwd_error why;
    if (!rwd_io_open(io, path, O_WRONLY | O_NONBLOCK, 0, &o.fd, &why) || !file_size(&o, &size, &why)) {
        rwd_log(RWD_LOG_INFO, "sink", "%s is no output of this job any more, and cannot be opened: left alone", path);
        rwd_io_close(io, o.fd);
        return true;
    }
    bool ok = cut(&o, io, err);
    rwd_io_close(io, o.fd);
    return ok;
}

bool rwd_outputs_cut(rwd_outputs *outputs, rwd_io *io, const char *log_path, const rwd_commit_entry *known, rwd_error *err) {
    char log_folder[RWD_PATH_MAX];
    if (!real_folder_of(log_path, log_folder, err)) return false;
    for (size_t i = 0; i < outputs->count; i++) {
        if (!cut(&outputs->items[i], io, err)) return false;
    }
    for (size_t i = 0; i < known->file_count; i++) {
        if (!is_output(outputs, known->files[i].name) && !cut_former(log_folder, &known->files[i], io, err)) return false;
    }
    return true;
}

// ---- a commit

bool rwd_output_append(rwd_output *output, rwd_io *io, rwd_slice bytes, rwd_error *err) {
    if (bytes.size == 0) return true;
    if (!rwd_io_write(io, output->fd, output->path, bytes.data, bytes.size, output->length, err)) return false;
    output->length += bytes.size;
    return true;
}

bool rwd_outputs_sync(rwd_outputs *outputs, rwd_io *io, rwd_error *err) {
    for (size_t i = 0; i < outputs->count; i++) {
        rwd_output *o = &outputs->items[i];
        if (o->length == o->committed) continue;
        if (!rwd_io_fdatasync(io, o->fd, o->path, err)) return false;
        RWD_CRASH_POINT(sink_output_synced);
    }
    return true;
}

void rwd_outputs_committed(rwd_outputs *outputs) {
    for (size_t i = 0; i < outputs->count; i++) outputs->items[i].committed = outputs->items[i].length;
}

void rwd_outputs_drop(rwd_outputs *outputs, rwd_io *io) {
    for (size_t i = 0; i < outputs->count; i++) {
        rwd_output *o = &outputs->items[i];
        if (o->fd >= 0) (void)io->ops->truncate(io, o->fd, o->committed);
        o->length = o->committed;
    }
}
