// The thread that commits (committer.h).
//
// What belongs to whom follows from `phase`, which the mutex guards: while RUNNING, the thread owns the committing transaction; otherwise the pipeline owns both.
#include "operator/sink/committer.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "operator/base/cond.h"

typedef enum phase { PHASE_IDLE, PHASE_RUNNING, PHASE_UNTOLD } phase;

struct rwd_committer {
    rwd_commit_work work;
    void *context;
    rwd_clock *clock;
    rwd_budget *budget;
    char lineage[RWD_HASH128_HEX];
    rwd_pending pending[2];
    size_t open_at;          // index of the pipeline's
    bool open;

    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t mutex;
    pthread_cond_t called, done;
    // Guarded by the mutex.
    phase phase;
    bool stop;
    bool usable;             // started, and nothing has failed since
    rwd_commit commit;
    rwd_commit_outcome outcome;
    rwd_error failure;
    rwd_sink_stats stats;
};

static void clear(rwd_pending *pending) {
    rwd_transaction_clear(pending->rows);
    rwd_buf_clear(&pending->dead);
    pending->dead_letters = 0;
    pending->repair[0] = '\0';
    rwd_buf_clear(&pending->reason);
}

static void account(rwd_committer *self, rwd_pending *pending, uint64_t now) {
    if (now > pending->dead_held) rwd_budget_take(self->budget, RWD_SHARE_SINK, now - pending->dead_held);
    else rwd_budget_give(self->budget, RWD_SHARE_SINK, pending->dead_held - now);
    pending->dead_held = now;
}

// The mutex is held before and after.
static void wait_until_idle(rwd_committer *self) {
    while (self->phase == PHASE_RUNNING) pthread_cond_wait(&self->done, &self->mutex);
}

// ---- the thread

// One commit from beginning to end. The mutex is held before and after, not meanwhile.
static void serve(rwd_committer *self) {
    rwd_pending *pending = &self->pending[1 - self->open_at];  // the pipeline does not swap while we run
    rwd_commit commit = self->commit;
    int64_t began = self->stats.sending_ns = rwd_clock_ns(self->clock);
    pthread_mutex_unlock(&self->mutex);
    rwd_sink_stats add = {0};
    rwd_error failure;
    rwd_error_clear(&failure);
    rwd_commit_outcome outcome = self->work(self->context, pending, &commit, &add, &failure);
    clear(pending);
    pthread_mutex_lock(&self->mutex);
    if (outcome == RWD_COMMIT_COMMITTED) {
        self->stats.commits += add.commits;
        self->stats.rows += add.rows;
        self->stats.dead_letters += add.dead_letters;
        self->stats.bytes += add.bytes;
        self->stats.repeats += add.repeats;
    }
    self->stats.sending_ns = self->stats.committing_ns = 0;
    self->stats.last_commit_ns = rwd_clock_ns(self->clock) - began;
    self->stats.last_commit_us = rwd_clock_wall_us(self->clock);
    self->outcome = outcome;
    self->failure = failure;
    self->usable = outcome == RWD_COMMIT_COMMITTED;
    self->phase = PHASE_UNTOLD;
    pthread_cond_broadcast(&self->done);
}

void rwd_committer_sent(rwd_committer *self, bool sent) {
    int64_t now = rwd_clock_ns(self->clock);
    pthread_mutex_lock(&self->mutex);
    self->stats.sending_ns = sent ? 0 : now;
    self->stats.committing_ns = sent ? now : 0;
    pthread_mutex_unlock(&self->mutex);
}

static void *commit_thread(void *argument) {
    rwd_committer *self = argument;
    (void)pthread_setname_np(pthread_self(), "commit");
    pthread_mutex_lock(&self->mutex);
    for (;;) {
        if (self->phase == PHASE_RUNNING) serve(self);
        else if (self->stop) break;
        else pthread_cond_wait(&self->called, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

// Signals are the business of the program's main thread.
static bool start_thread(rwd_committer *self, rwd_error *err) {
    if (self->thread_runs) return true;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failure = pthread_create(&self->thread, NULL, commit_thread, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) return rwd_fail_errno(err, failure, "cannot start the thread that commits");
    self->thread_runs = true;
    return true;
}

// ---- life

rwd_committer *rwd_committer_new(rwd_commit_work work, void *context, rwd_clock *clock, rwd_budget *budget) {
    rwd_committer *self = rwd_calloc(1, sizeof *self);
    self->work = work;
    self->context = context;
    self->clock = clock;
    self->budget = budget;
    for (size_t i = 0; i < 2; i++) self->pending[i].rows = rwd_transaction_new(budget);
    (void)rwd_fail(&self->failure, RWD_E_INTERNAL, "a commit before the outputs were recovered");
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->called, NULL);
    rwd_cond_init(&self->done);
    return self;
}

void rwd_committer_free(rwd_committer *self) {
    pthread_mutex_lock(&self->mutex);
    self->stop = true;
    pthread_cond_signal(&self->called);
    pthread_mutex_unlock(&self->mutex);
    if (self->thread_runs) pthread_join(self->thread, NULL);
    for (size_t i = 0; i < 2; i++) {
        rwd_transaction_free(self->pending[i].rows);
        rwd_buf_deinit(&self->pending[i].dead);
        rwd_buf_deinit(&self->pending[i].reason);
        account(self, &self->pending[i], 0);
    }
    pthread_cond_destroy(&self->called);
    pthread_cond_destroy(&self->done);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

void rwd_committer_settle(rwd_committer *self) {
    pthread_mutex_lock(&self->mutex);
    wait_until_idle(self);
    pthread_mutex_unlock(&self->mutex);
}

void rwd_committer_reset(rwd_committer *self) {
    pthread_mutex_lock(&self->mutex);
    wait_until_idle(self);
    self->phase = PHASE_IDLE;
    self->usable = false;
    pthread_mutex_unlock(&self->mutex);
    self->open = false;
    clear(&self->pending[0]);
    clear(&self->pending[1]);
}

bool rwd_committer_start(rwd_committer *self, rwd_error *err) {
    if (!start_thread(self, err)) return false;
    pthread_mutex_lock(&self->mutex);
    self->usable = true;
    pthread_mutex_unlock(&self->mutex);
    return true;
}

bool rwd_committer_is_usable(rwd_committer *self) {
    pthread_mutex_lock(&self->mutex);
    wait_until_idle(self);
    bool usable = self->usable;
    pthread_mutex_unlock(&self->mutex);
    return usable;
}

bool rwd_committer_spoil(rwd_committer *self, const rwd_error *err) {
    pthread_mutex_lock(&self->mutex);
    wait_until_idle(self);
    bool usable = self->usable;
    if (usable && err) self->failure = *err;
    self->usable = false;
    pthread_mutex_unlock(&self->mutex);
    return usable;
}

void rwd_committer_set_lineage(rwd_committer *self, rwd_hash128 lineage) { rwd_hash128_hex(lineage, self->lineage); }

// ---- the open transaction

void rwd_committer_begin(rwd_committer *self) {
    assert(!self->open);
    self->open = true;
}

rwd_pending *rwd_committer_pending(rwd_committer *self) {
    assert(self->open);
    return &self->pending[self->open_at];
}

void rwd_committer_correct(rwd_committer *self, const char *repair, rwd_slice reason) {
    rwd_pending *pending = rwd_committer_pending(self);
    assert(strlen(repair) < sizeof(pending->repair));
    memcpy(pending->repair, repair, strlen(repair) + 1);
    rwd_buf_clear(&pending->reason);
    rwd_buf_append_slice(&pending->reason, reason);
}

void rwd_committer_grown(rwd_committer *self) {
    rwd_pending *pending = &self->pending[self->open_at];
    account(self, pending, pending->dead.capacity);
}

uint64_t rwd_committer_pending_bytes(const rwd_committer *self) {
    const rwd_pending *pending = &self->pending[self->open_at];
    return rwd_transaction_bytes(pending->rows) + pending->dead.size;
}

// ---- ending it

bool rwd_committer_ready(rwd_committer *self) {
    pthread_mutex_lock(&self->mutex);
    bool ready = self->phase == PHASE_IDLE;
    pthread_mutex_unlock(&self->mutex);
    return ready;
}

void rwd_committer_commit_async(rwd_committer *self, const rwd_commit *commit) {
    rwd_pending *pending = rwd_committer_pending(self);
    self->open = false;
    memcpy(pending->lineage, self->lineage, sizeof(pending->lineage));
    pthread_mutex_lock(&self->mutex);
    assert(self->phase == PHASE_IDLE);
    self->commit = *commit;
    self->open_at = 1 - self->open_at;
    if (self->usable) {
        self->phase = PHASE_RUNNING;
        pthread_cond_signal(&self->called);
    } else {  // failed before, and nobody recovered: the reason is still the same
        clear(pending);
        self->outcome = RWD_COMMIT_ABORTED;
        self->phase = PHASE_UNTOLD;
    }
    pthread_mutex_unlock(&self->mutex);
}

rwd_commit_outcome rwd_committer_poll(rwd_committer *self, rwd_commit *out, rwd_error *err) {
    rwd_commit_outcome outcome = RWD_COMMIT_IDLE;
    pthread_mutex_lock(&self->mutex);
    if (self->phase == PHASE_RUNNING) {
        outcome = RWD_COMMIT_RUNNING;
    } else if (self->phase == PHASE_UNTOLD) {
        self->phase = PHASE_IDLE;
        outcome = self->outcome;
        *out = self->commit;
        if (outcome != RWD_COMMIT_COMMITTED && err) *err = self->failure;
    }
    pthread_mutex_unlock(&self->mutex);
    return outcome;
}

void rwd_committer_wait(rwd_committer *self, int64_t timeout_ns) {
    struct timespec until = rwd_deadline_in(timeout_ns);
    pthread_mutex_lock(&self->mutex);
    while (self->phase == PHASE_RUNNING && pthread_cond_timedwait(&self->done, &self->mutex, &until) == 0) continue;
    pthread_mutex_unlock(&self->mutex);
}

void rwd_committer_stats(rwd_committer *self, rwd_sink_stats *out) {
    pthread_mutex_lock(&self->mutex);
    *out = self->stats;
    pthread_mutex_unlock(&self->mutex);
}
