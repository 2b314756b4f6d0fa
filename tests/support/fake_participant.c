// See the header.
#include "tests/support/fake_participant.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "operator/base/fs.h"

static fake_participant *fake_of(const rwd_participant *self) { return (fake_participant *)(uintptr_t)self; }

static void count(fake_participant *fake, fake_call call) {
    fake->calls[call]++;
    pthread_cond_broadcast(&fake->changed);
}

static void freeze(rwd_participant *self, int64_t next_offset) {
    fake_participant *fake = fake_of(self);
    pthread_mutex_lock(&fake->mutex);
    assert(pthread_equal(pthread_self(), fake->pipeline) && !fake->is_frozen);
    fake->is_frozen = true;
    fake->frozen = fake->value;
    fake->frozen_offset = next_offset;
    fake->steps_left = fake->sweep_steps;
    fake->swept = fake->steps_left == 0;
    count(fake, FAKE_FREEZE);
    pthread_mutex_unlock(&fake->mutex);
}

static bool sweep(rwd_participant *self, size_t limit) {
    (void)limit;
    fake_participant *fake = fake_of(self);
    pthread_mutex_lock(&fake->mutex);
    assert(pthread_equal(pthread_self(), fake->pipeline) && fake->is_frozen);
    if (fake->steps_left > 0) fake->steps_left--;
    fake->swept = fake->steps_left == 0;
    bool swept = fake->swept;
    count(fake, FAKE_SWEEP);
    pthread_mutex_unlock(&fake->mutex);
    return swept;
}

static bool write_file(const char *dir, const char *name, const char *text, rwd_error *err) {
    char folder[RWD_PATH_MAX], path[RWD_PATH_MAX];
    if (!rwd_path_join(folder, dir, name, err) || !rwd_mkdirs(folder, err) || !rwd_path_join(path, folder, "value", err)) return false;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return rwd_fail(err, RWD_E_IO, "cannot create %s", path);
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    (void)close(fd);
    return ok;
}

static bool write_frozen(rwd_participant *self, const char *dir, rwd_error *err) {
    fake_participant *fake = fake_of(self);
    char text[64];
    pthread_mutex_lock(&fake->mutex);
    assert(!pthread_equal(pthread_self(), fake->pipeline) && fake->is_frozen);
    count(fake, FAKE_WRITE);
    while (!fake->swept || fake->hold_write) pthread_cond_wait(&fake->changed, &fake->mutex);
    (void)snprintf(text, sizeof(text), "%lld", (long long)fake->frozen);
    bool fail = fake->fail_write;
    pthread_mutex_unlock(&fake->mutex);
    if (fail) return rwd_fail(err, RWD_E_DISK_FULL, "the fake participant was told to fail");
    return write_file(dir, fake->name, text, err);
}

static rwd_hash128 digest(rwd_participant *self) {
    fake_participant *fake = fake_of(self);
    pthread_mutex_lock(&fake->mutex);
    count(fake, FAKE_DIGEST);
    rwd_hash128 hash = {(uint64_t)fake->frozen, 1};
    pthread_mutex_unlock(&fake->mutex);
    return hash;
}

static void end_freeze(fake_participant *fake, fake_call call) {
    pthread_mutex_lock(&fake->mutex);
    assert(pthread_equal(pthread_self(), fake->pipeline));
    assert(call == FAKE_DISCARD || fake->is_frozen);
    fake->is_frozen = false;
    count(fake, call);
    pthread_mutex_unlock(&fake->mutex);
}

static void thaw(rwd_participant *self) { end_freeze(fake_of(self), FAKE_THAW); }
static void discard(rwd_participant *self) { end_freeze(fake_of(self), FAKE_DISCARD); }

static bool open_empty(rwd_participant *self, const char *checkpoint_dir, const char *live_dir, rwd_error *err) {
    (void)self;
    (void)checkpoint_dir;
    (void)live_dir;
    (void)err;
    return true;
}

static uint64_t bytes(const rwd_participant *self) {
    (void)self;
    return sizeof(fake_participant);
}

static const rwd_participant_ops ops = {"fake", freeze, sweep, write_frozen, digest, thaw, discard, open_empty, bytes};

rwd_participant *fake_participant_init(fake_participant *fake, const char *name) {
    *fake = (fake_participant){.participant.ops = &ops, .name = name, .pipeline = pthread_self()};
    pthread_mutex_init(&fake->mutex, NULL);
    pthread_cond_init(&fake->changed, NULL);
    return &fake->participant;
}

void fake_participant_deinit(fake_participant *fake) {
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->mutex);
}

unsigned fake_participant_count(fake_participant *fake, fake_call call) {
    pthread_mutex_lock(&fake->mutex);
    unsigned calls = fake->calls[call];
    pthread_mutex_unlock(&fake->mutex);
    return calls;
}

void fake_participant_release_write(fake_participant *fake) {
    pthread_mutex_lock(&fake->mutex);
    fake->hold_write = false;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
}
