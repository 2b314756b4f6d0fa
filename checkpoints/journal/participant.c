// K3: a checkpoint at X counts only once the journal below X is durable.
//
// What must stay true: a failed sync is never repeated on the same file. An own segment is cut to what is known durable; an inherited one, of which nothing is known, is
// set aside.
//
// Thread: freeze is the pipeline's, write the checkpoint thread's.
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/journal/journal_private.h"
#include "operator/base/crash_point.h"
#include "operator/base/log.h"

static rwd_journal *self_of(const rwd_participant *participant) { return (rwd_journal *)(uintptr_t)participant; }

static void journal_freeze(rwd_participant *participant, int64_t next_offset) {
    rwd_journal *j = self_of(participant);
    rwd_journal_flush(j);
    pthread_mutex_lock(&j->mutex);
    j->frozen = j->head;
    j->frozen_at = next_offset;
    pthread_mutex_unlock(&j->mutex);
}

static bool journal_sweep(rwd_participant *participant, size_t limit) {
    (void)participant, (void)limit;
    return true;
}

// What is to be synced, by name: the list may change meanwhile.
typedef struct pending {
    rwd_journal_name name;
    char file[96];
    int fd;
    bool own;
    uint64_t size;
} pending;

static bool wait_written(rwd_journal *j, rwd_error *err) {
    pthread_mutex_lock(&j->mutex);
    while (j->written < j->frozen && !j->failed) pthread_cond_wait(&j->changed, &j->mutex);
    bool ok = !j->failed;
    if (!ok && err) *err = j->error;
    pthread_mutex_unlock(&j->mutex);
    return ok;
}

static size_t find_pending(rwd_journal *j, pending **out) {
    size_t count = 0;
    pthread_mutex_lock(&j->mutex);
    *out = rwd_calloc(j->segment_count + 1, sizeof(**out));
    for (size_t i = 0; i < j->segment_count; i++) {
        const rwd_journal_segment *s = &j->segments[i];
        if (s->durable || s->size <= s->durable_size || s->entries.count == 0 || s->entries.items[0].from >= j->frozen_at) continue;
        pending *p = &(*out)[count++];
        *p = (pending){.name = s->name, .fd = s->fd, .own = s->own, .size = s->size};
        (void)snprintf(p->file, sizeof p->file, "%s", s->file);
    }
    pthread_mutex_unlock(&j->mutex);
    return count;
}

static void mark_durable(rwd_journal *j, const pending *p) {
    pthread_mutex_lock(&j->mutex);
    rwd_journal_segment *s = rwd_journal_segment_find(j, &p->name);
    if (s) {
        s->durable_size = p->size;
        if (!s->open && s->size == p->size) {
            s->durable = true;
            rwd_io_close(j->sync_io, s->fd);
            s->fd = -1;
        }
    }
    pthread_mutex_unlock(&j->mutex);
}

// Nobody may take for durable what the kernel has dropped: neither this index nor the next one, which would find the bytes in the page cache.
static void distrust(rwd_journal *j, const pending *p) {
    char path[RWD_PATH_MAX], aside[RWD_PATH_MAX + 8];
    rwd_error why;
    pthread_mutex_lock(&j->mutex);
    rwd_journal_segment *s = rwd_journal_segment_find(j, &p->name);
    if (s && rwd_journal_path(j, s->file, path, &why)) {
        while (s->entries.count && s->entries.items[s->entries.count - 1].at + s->entries.items[s->entries.count - 1].size > s->durable_size) s->entries.count--;
        (void)snprintf(aside, sizeof aside, "%s" RWD_JOURNAL_BAD, path);
        bool ok = p->own ? rwd_io_truncate(j->sync_io, p->fd, path, s->durable_size, &why) : rwd_io_rename(j->sync_io, path, aside, &why);
        if (!ok) rwd_log_error(RWD_LOG_WARN, "journal", &why);
    }
    pthread_mutex_unlock(&j->mutex);
}

static bool sync_one(rwd_journal *j, const pending *p, rwd_error *err) {
    char path[RWD_PATH_MAX];
    int fd = p->fd;
    if (!rwd_journal_path(j, p->file, path, err)) return false;
    if (!p->own && !rwd_io_open(j->sync_io, path, O_RDONLY, 0, &fd, err)) return err && err->code == RWD_E_NOT_FOUND;  // retention took it
    bool ok = rwd_io_fdatasync(j->sync_io, fd, path, err);
    if (!p->own) rwd_io_close(j->sync_io, fd);
    if (ok) mark_durable(j, p);
    else distrust(j, p);
    return ok;
}

static bool journal_write(rwd_participant *participant, const char *dir, rwd_error *err) {
    (void)dir;
    rwd_journal *j = self_of(participant);
    pending *all = NULL;
    if (!wait_written(j, err)) return false;
    RWD_CRASH_POINT(journal_before_sync);
    size_t count = find_pending(j, &all);
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) ok = sync_one(j, &all[i], err);
    free(all);
    return ok;
}

static rwd_hash128 journal_digest(rwd_participant *participant) {
    (void)participant;
    return (rwd_hash128){0};
}

static void journal_thaw(rwd_participant *participant) { (void)participant; }
static void journal_discard(rwd_participant *participant) { (void)participant; }

static bool journal_open(rwd_participant *participant, const char *checkpoint_dir, const char *live_dir, rwd_error *err) {
    (void)participant, (void)checkpoint_dir, (void)live_dir, (void)err;
    return true;
}

static uint64_t journal_bytes(const rwd_participant *participant) {
    rwd_journal *j = self_of(participant);
    uint64_t bytes = 0;
    for (size_t i = 0; i < RWD_JOURNAL_QUEUE; i++) bytes += j->jobs[i].plain.capacity;
    return bytes;
}

const rwd_participant_ops rwd_journal_participant_ops = {
    .name = "journal",
    .freeze = journal_freeze,
    .sweep = journal_sweep,
    .write = journal_write,
    .digest = journal_digest,
    .thaw = journal_thaw,
    .discard = journal_discard,
    .open = journal_open,
    .bytes = journal_bytes,
};

rwd_participant *rwd_journal_participant(rwd_journal *j) { return &j->participant; }
