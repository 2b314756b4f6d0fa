// The commit log: entries in frames "RWCE" (checkpoints/frame.h) with a CommitEntry in each (proto/commit.proto), one behind the other.
//
// What must stay true (C1):
//   - an entry is believed only if its frame is whole, and all entries before it are;
//   - the first entry of a file was durable before the file got its name, and an entry is appended only after the one before it was synced: so a broken
//     first entry, or a broken one with a whole one behind it, is damage, and anything else that is broken at the end never happened;
//   - nothing is appended to a log file that another process wrote: lock, read, replace, and only then append.
#include "operator/sink/commit_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "checkpoints/frame.h"
#include "operator/base/crash_point.h"
#include "proto/commit.pb-c.h"
#include "proto/pack.h"

#define VERSION 1
#define ENTRY_PAYLOAD_MAX ((size_t)RWD_COMMIT_FILES_MAX * (RWD_PATH_MAX + 32) + 256)
#define ENTRY_MEMORY_MAX (4 * ENTRY_PAYLOAD_MAX)
#define LOG_READ_MAX ((size_t)(RWD_COMMIT_LOG_MAX + 2 * ENTRY_PAYLOAD_MAX))
#define LOCK_TRIES 16           // a predecessor that ends at this moment may replace the file between our open and our lock
#define LOCKS_FILE_MAX ((size_t)4 << 20)
#define TEMPORARY_SUFFIX ".new"

static const char magic[4] = {'R', 'W', 'C', 'E'};

// ---- entries

void rwd_commit_entry_deinit(rwd_commit_entry *entry) {
    for (size_t i = 0; i < entry->file_count; i++) free(entry->files[i].name);
    *entry = (rwd_commit_entry){0};
}

void rwd_commit_entry_add(rwd_commit_entry *entry, const char *name, uint64_t length) {
    assert(entry->file_count < RWD_COMMIT_FILES_MAX);
    entry->files[entry->file_count++] = (rwd_commit_file){rwd_strdup(name), length};
}

const rwd_commit_file *rwd_commit_entry_find(const rwd_commit_entry *entry, const char *name) {
    for (size_t i = 0; i < entry->file_count; i++) {
        if (strcmp(entry->files[i].name, name) == 0) return &entry->files[i];
    }
    return NULL;
}

void rwd_commit_entry_encode(const rwd_commit_entry *entry, rwd_buf *out) {
    const rwd_commit *c = &entry->commit;
    uint8_t source[RWD_PROTO_HASH], repository[RWD_PROTO_HASH], lineage[RWD_PROTO_HASH], input[RWD_PROTO_HASH];
    Rewind__CommitFile files[RWD_COMMIT_FILES_MAX];
    Rewind__CommitFile *list[RWD_COMMIT_FILES_MAX];
    Rewind__CommitEntry message = REWIND__COMMIT_ENTRY__INIT;
    message.sequence = entry->sequence;
    message.next_offset = c->next_offset;
    message.closings = c->closings;
    message.source = rwd_proto_put_hash(c->source, source);
    message.repository = rwd_proto_put_hash(c->repository, repository);
    message.owner = c->owner;
    message.term = c->term;
    message.lineage = rwd_proto_put_hash(c->lineage, lineage);
    message.switch_number = c->switch_number;
    message.repair = c->repair;
    message.repair_rows = c->repair_rows;
    message.input_count = c->input_count;
    message.input_hash = rwd_proto_put_hash(c->input_hash, input);
    for (size_t i = 0; i < entry->file_count; i++) {
        files[i] = (Rewind__CommitFile)REWIND__COMMIT_FILE__INIT;
        files[i].name = entry->files[i].name;
        files[i].length = entry->files[i].length;
        list[i] = &files[i];
    }
    message.n_files = entry->file_count;
    message.files = list;
    rwd_buf payload = {0};
    rwd_proto_append(&payload, &message.base);
    rwd_frame_append(out, magic, VERSION, rwd_buf_slice(&payload));
    rwd_buf_deinit(&payload);
}

static bool take_files(const Rewind__CommitEntry *message, rwd_commit_entry *out) {
    if (message->n_files > RWD_COMMIT_FILES_MAX) return false;
    for (size_t i = 0; i < message->n_files; i++) {
        const char *name = message->files[i]->name;
        uint64_t length = message->files[i]->length;
        if (name[0] == '\0' || strlen(name) >= RWD_PATH_MAX || length > INT64_MAX) return false;
        if (rwd_commit_entry_find(out, name)) return false;
        rwd_commit_entry_add(out, name, length);
    }
    return true;
}

static bool take_entry(const Rewind__CommitEntry *message, rwd_commit_entry *out) {
    rwd_commit *c = &out->commit;
    out->sequence = message->sequence;
    c->next_offset = message->next_offset;
    c->closings = message->closings;
    c->owner = message->owner;
    c->term = message->term;
    c->switch_number = message->switch_number;
    c->repair = message->repair;
    c->repair_rows = message->repair_rows;
    c->input_count = message->input_count;
    return c->next_offset >= 0 && rwd_proto_get_hash(message->source, &c->source) &&
           rwd_proto_get_hash(message->repository, &c->repository) && rwd_proto_get_hash(message->lineage, &c->lineage) &&
           rwd_proto_get_hash(message->input_hash, &c->input_hash) && take_files(message, out);
}

// False: no such message, or its numbers make no sense. `out` may hold a part of it then.
static bool decode(rwd_slice payload, rwd_commit_entry *out) {
    if (payload.size > ENTRY_PAYLOAD_MAX) return false;
    ProtobufCMessage *message = rwd_proto_unpack(&rewind__commit_entry__descriptor, payload, ENTRY_MEMORY_MAX);
    if (!message) return false;
    bool ok = take_entry((const Rewind__CommitEntry *)(const void *)message, out);
    rwd_proto_free(message);
    return ok;
}

// ---- reading

static bool corrupt(const char *path, size_t at, const char *what, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_CORRUPT, "the commit log is damaged at byte %zu: %s", at, what);
    if (err) err->decision = RWD_PARK;  // no rollback repairs it
    return rwd_error_at(err, "%s", path);
}

// Anything behind `bytes`' first byte that is a whole frame of ours?
static bool whole_entry_behind(rwd_slice bytes) {
    const uint8_t *at = bytes.data + 1, *end = bytes.data + bytes.size;
    while (at < end && (at = memmem(at, (size_t)(end - at), magic, sizeof(magic)))) {
        rwd_slice payload, rest = rwd_slice_of(at, (size_t)(end - at));
        size_t size;
        bool plausible = rest.size >= RWD_FRAME_HEADER && rwd_get_le32(at + 8) <= ENTRY_PAYLOAD_MAX;
        rwd_frame_state state = plausible ? rwd_frame_read(rest, magic, VERSION, &payload, &size) : RWD_FRAME_TORN;
        if (state == RWD_FRAME_WHOLE || state == RWD_FRAME_NEWER) return true;
        at++;
    }
    return false;
}

// Entry by entry. `next` is the one behind `last`; they change places when it is good.
static bool take_next(rwd_slice payload, const char *path, size_t at, rwd_commit_entry *last, bool any, rwd_error *err) {
    rwd_commit_entry next = {0};
    const char *wrong = NULL;
    if (!decode(payload, &next)) wrong = "the checksum is right, but this is no commit entry";
    else if (any && next.sequence != last->sequence + 1) wrong = "the entry does not follow the one before it";
    if (wrong) {
        rwd_commit_entry_deinit(&next);
        return corrupt(path, at, wrong, err);
    }
    rwd_commit_entry_deinit(last);
    *last = next;
    return true;
}

bool rwd_commit_log_scan(rwd_slice bytes, const char *path, rwd_commit_entry *out, bool *out_any, rwd_error *err) {
    *out = (rwd_commit_entry){0};
    *out_any = false;
    for (size_t at = 0;;) {
        rwd_slice payload, rest = rwd_slice_of(bytes.data + at, bytes.size - at);
        size_t size = 0;
        switch (rwd_frame_read(rest, magic, VERSION, &payload, &size)) {
        case RWD_FRAME_END: return true;
        case RWD_FRAME_WHOLE:
            if (!take_next(payload, path, at, out, *out_any, err)) return false;
            *out_any = true;
            at += size;
            break;
        case RWD_FRAME_NEWER:
            (void)rwd_fail(err, RWD_E_NEWER_FORMAT, "the commit log was written by a newer version of rewind (entry at byte %zu)", at);
            (void)rwd_error_next(err, "use the version that wrote it: rewind version");
            return rwd_error_at(err, "%s", path);
        case RWD_FRAME_TORN:
        case RWD_FRAME_CORRUPT:
            if (at == 0) return corrupt(path, at, "the first entry is broken, and it was durable", err);
            if (whole_entry_behind(rest)) return corrupt(path, at, "an entry is broken, and whole ones stand behind it", err);
            return true;  // torn: it never happened
        }
    }
}

bool rwd_commit_log_read(const rwd_commit_log *log, rwd_io *io, rwd_commit_entry *out, bool *out_any, rwd_error *err) {
    rwd_buf bytes = {0};
    rwd_error why;
    rwd_error_clear(&why);
    *out = (rwd_commit_entry){0};
    *out_any = false;
    bool ok = rwd_io_read_file(io, log->path, LOG_READ_MAX, &bytes, &why);
    if (ok) ok = rwd_commit_log_scan(rwd_buf_slice(&bytes), log->path, out, out_any, &why);
    else if (why.code == RWD_E_NOT_FOUND) ok = true;
    if (!ok && err) *err = why;
    rwd_buf_deinit(&bytes);
    return ok;
}

// ---- the lock

void rwd_commit_log_init(rwd_commit_log *log, const char *path) {
    assert(strlen(path) + sizeof(TEMPORARY_SUFFIX) <= sizeof(log->path));
    *log = (rwd_commit_log){.fd = -1};
    (void)snprintf(log->path, sizeof(log->path), "%s", path);
}

void rwd_commit_log_close(rwd_commit_log *log, rwd_io *io) {
    rwd_io_close(io, log->fd);
    log->fd = -1;
    rwd_buf_deinit(&log->buf);
}

bool rwd_commit_log_is_ours(const rwd_commit_log *log) {
    struct stat held, named;
    return log->fd >= 0 && fstat(log->fd, &held) == 0 && stat(log->path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

// Who holds a flock on the file: the kernel's list says (proc(5)). 0: not known, as across containers.
static long holder_of(int fd) {
    struct stat file;
    rwd_buf text = {0};
    rwd_error ignored;
    long holder = 0;
    if (fstat(fd, &file) == 0 && rwd_read_file("/proc/locks", LOCKS_FILE_MAX, &text, &ignored)) {
        for (char *save = NULL, *line = strtok_r((char *)(uintptr_t)rwd_buf_cstr(&text), "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
            char kind[16];
            long pid;
            unsigned major_number, minor_number;
            unsigned long inode;
            if (sscanf(line, "%*d: %15s %*s %*s %ld %x:%x:%lu", kind, &pid, &major_number, &minor_number, &inode) != 5) continue;
            if (strcmp(kind, "FLOCK") == 0 && inode == file.st_ino && major_number == major(file.st_dev) && minor_number == minor(file.st_dev))
                holder = pid;
        }
    }
    rwd_buf_deinit(&text);
    return holder;
}

static bool locked_by_another(const rwd_commit_log *log, long holder, rwd_error *err) {
    if (holder > 0) {
        (void)rwd_fail(err, RWD_E_LOCKED, "process %ld writes these outputs", holder);
        (void)rwd_error_next(err, "kill %ld   (it commits and ends), or wait for it", holder);
    } else {
        (void)rwd_fail(err, RWD_E_LOCKED, "another process writes these outputs");
        (void)rwd_error_next(err, "fuser -v %s", log->path);
    }
    return rwd_error_at(err, "%s", log->path);
}

// One try: true with log->fd set, or false with `err`; `out_again` if the file was replaced meanwhile.
static bool try_lock(rwd_commit_log *log, rwd_io *io, bool *out_again, rwd_error *err) {
    *out_again = false;
    if (!rwd_io_open(io, log->path, O_RDWR | O_CREAT, 0600, &log->fd, err)) return false;
    bool ok = flock(log->fd, LOCK_EX | LOCK_NB) == 0;
    int failure = errno;
    if (ok && rwd_commit_log_is_ours(log)) return true;
    if (ok) {
        *out_again = true;
        (void)locked_by_another(log, 0, err);
    } else if (failure == EWOULDBLOCK) {
        (void)locked_by_another(log, holder_of(log->fd), err);
    } else {
        (void)rwd_fail_errno(err, failure, "cannot lock the commit log");
        (void)rwd_error_at(err, "%s", log->path);
    }
    rwd_io_close(io, log->fd);
    log->fd = -1;
    return false;
}

bool rwd_commit_log_lock(rwd_commit_log *log, rwd_io *io, rwd_error *err) {
    if (rwd_commit_log_is_ours(log)) return true;
    rwd_io_close(io, log->fd);
    log->fd = -1;
    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        bool again;
        if (try_lock(log, io, &again, err)) return true;
        if (!again) return false;
    }
    return false;
}

// ---- writing

// The new file under its temporary name, locked and durable. What an earlier attempt left is removed, never written to.
static bool write_new(rwd_commit_log *log, rwd_io *io, const char *temporary, int *out_fd, rwd_error *err) {
    if (rwd_path_exists(temporary) && !rwd_io_unlink(io, temporary, err)) return false;
    if (!rwd_io_open(io, temporary, O_RDWR | O_CREAT | O_EXCL, 0600, out_fd, err)) return false;
    if (flock(*out_fd, LOCK_EX | LOCK_NB) != 0) {
        (void)rwd_fail_errno(err, errno, "cannot lock the new commit log");
        return rwd_error_at(err, "%s", temporary);
    }
    return rwd_io_write(io, *out_fd, temporary, log->buf.data, log->buf.size, 0, err) && rwd_io_fsync(io, *out_fd, temporary, err);
}

bool rwd_commit_log_replace(rwd_commit_log *log, rwd_io *io, const rwd_commit_entry *first, rwd_error *err) {
    assert(log->fd >= 0);
    char temporary[RWD_PATH_MAX + sizeof(TEMPORARY_SUFFIX)], dir[RWD_PATH_MAX];
    (void)snprintf(temporary, sizeof(temporary), "%s%s", log->path, TEMPORARY_SUFFIX);
    rwd_path_dir(dir, log->path);
    rwd_buf_clear(&log->buf);
    rwd_commit_entry_encode(first, &log->buf);
    int fd = -1;
    bool ok = write_new(log, io, temporary, &fd, err);
    if (ok) RWD_CRASH_POINT(sink_log_written);
    if (!ok || !rwd_io_rename(io, temporary, log->path, err)) {
        rwd_io_close(io, fd);
        if (fd >= 0) (void)io->ops->unlink(io, temporary);  // the next attempt would do it, too
        return false;
    }
    RWD_CRASH_POINT(sink_log_renamed);
    rwd_io_close(io, log->fd);
    log->fd = fd;
    log->size = log->buf.size;
    return rwd_io_sync_dir(io, dir, err);
}

bool rwd_commit_log_append(rwd_commit_log *log, rwd_io *io, const rwd_commit_entry *entry, rwd_error *err) {
    assert(log->fd >= 0);
    rwd_buf_clear(&log->buf);
    rwd_commit_entry_encode(entry, &log->buf);
    size_t size = log->buf.size, first = 0;
    if (atomic_load_explicit(&rwd_crash_points_armed, memory_order_relaxed)) {  // so that a test can kill us in the middle
        first = size / 2;
        if (!rwd_io_write(io, log->fd, log->path, log->buf.data, first, log->size, err)) return false;
        RWD_CRASH_POINT(sink_entry_torn);
    }
    if (!rwd_io_write(io, log->fd, log->path, log->buf.data + first, size - first, log->size + first, err)) return false;
    log->size += size;
    return true;
}

bool rwd_commit_log_sync(rwd_commit_log *log, rwd_io *io, rwd_error *err) { return rwd_io_fdatasync(io, log->fd, log->path, err); }
