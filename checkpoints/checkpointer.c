// The checkpoint thread.
//
//   phase      who leaves it    by
//   IDLE       pipeline         begin
//   WRITING    thread           all participants written -> WAITING; an error -> FAILED; a cancel -> IDLE
//   WAITING    thread           committed -> PUBLISHING; a cancel -> IDLE
//   PUBLISHING thread           DONE or FAILED
//   DONE       pipeline         poll thaws -> IDLE
//   FAILED     pipeline         poll tells -> IDLE
//
// What must stay true: nothing is published before committed was called for this freeze (K1); participants' freeze, sweep and thaw run on the pipeline's thread
// only; whoever waits for a write sweeps meanwhile, because the write may wait for the sweep.
#include "checkpoints/checkpointer.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "operator/base/cond.h"
#include "operator/base/crash_point.h"
#include "operator/base/fs.h"

#define SWEEP_WHILE_WAITING 4096
#define WAIT_STEP_NS 1000000

typedef enum phase { IDLE, WRITING, WAITING, PUBLISHING, DONE, FAILED } phase;

struct rwd_checkpointer {
    rwd_repo *repo;
    rwd_io *io;
    rwd_clock *clock;
    rwd_participant **participants;
    size_t count;
    bool *swept;  // pipeline's: by participant, for the open freeze

    pthread_t thread;
    pthread_mutex_t mutex;  // over all below
    pthread_cond_t changed;
    phase phase;
    bool committed, cancelled, stop;
    rwd_facts facts;        // owned; written by begin while IDLE, read by the thread after
    int64_t began_ns;
    rwd_checkpoint_result result;
};

// ---- facts of our own

static rwd_slice own_slice(rwd_slice s) {
    if (s.size == 0) return (rwd_slice){0};
    uint8_t *copy = rwd_malloc(s.size);
    memcpy(copy, s.data, s.size);
    return rwd_slice_of(copy, s.size);
}

static void own_facts(const rwd_facts *from, rwd_facts *out) {
    *out = *from;
    out->cursor = own_slice(from->cursor);
    out->source_identity = own_slice(from->source_identity);
    out->reason = from->reason ? rwd_strdup(from->reason) : NULL;
    out->violated = from->violated ? rwd_strdup(from->violated) : NULL;
    out->rebuilt = from->rebuilt ? rwd_strdup(from->rebuilt) : NULL;
}

static void disown_facts(rwd_facts *facts) {
    free((void *)(uintptr_t)facts->cursor.data);
    free((void *)(uintptr_t)facts->source_identity.data);
    free((void *)(uintptr_t)facts->reason);
    free((void *)(uintptr_t)facts->violated);
    free((void *)(uintptr_t)facts->rebuilt);
    *facts = (rwd_facts){0};
}

// ---- the thread

static void set_phase(rwd_checkpointer *cp, phase to) {
    pthread_mutex_lock(&cp->mutex);
    cp->phase = to;
    pthread_cond_broadcast(&cp->changed);
    pthread_mutex_unlock(&cp->mutex);
}

static bool write_all(rwd_checkpointer *cp, const char *dir, rwd_hash128 *out_digest, rwd_error *err) {
    *out_digest = (rwd_hash128){0};
    for (size_t i = 0; i < cp->count; i++) {
        rwd_participant *p = cp->participants[i];
        if (!p->ops->write(p, dir, err)) return false;
        RWD_CRASH_POINT(participant_written);
        *out_digest = rwd_hash128_add(*out_digest, p->ops->digest(p));
    }
    return true;
}

// K1: blocks until the frozen boundary's commit is known to have succeeded. False: it is not wanted any more.
static bool wait_for_commit(rwd_checkpointer *cp) {
    pthread_mutex_lock(&cp->mutex);
    cp->phase = WAITING;
    while (!cp->committed && !cp->cancelled) pthread_cond_wait(&cp->changed, &cp->mutex);
    bool wanted = !cp->cancelled;
    if (wanted) cp->phase = PUBLISHING;
    pthread_mutex_unlock(&cp->mutex);
    return wanted;
}

static void end(rwd_checkpointer *cp, phase to, const rwd_checkpoint_result *result) {
    disown_facts(&cp->facts);
    pthread_mutex_lock(&cp->mutex);
    cp->result = *result;
    cp->phase = cp->cancelled ? IDLE : to;
    pthread_cond_broadcast(&cp->changed);
    pthread_mutex_unlock(&cp->mutex);
}

static void make_one(rwd_checkpointer *cp) {
    rwd_checkpoint_result result = {.next_offset = cp->facts.next_offset};
    char dir[RWD_PATH_MAX];
    bool staged = rwd_repo_stage(cp->repo, cp->io, dir, &result.error);
    bool ok = staged && write_all(cp, dir, &result.digest, &result.error);
    bool wanted = !ok || wait_for_commit(cp);
    ok = ok && wanted && rwd_repo_publish(cp->repo, cp->io, dir, &cp->facts, result.digest, result.id, &result.error);
    if (staged && !ok) rwd_repo_abandon(cp->repo, cp->io, dir);
    result.took_ns = rwd_clock_ns(cp->clock) - cp->began_ns;
    end(cp, !wanted ? IDLE : ok ? DONE : FAILED, &result);
}

static void *run(void *context) {
    rwd_checkpointer *cp = context;
    for (;;) {
        pthread_mutex_lock(&cp->mutex);
        while (cp->phase != WRITING && !cp->stop) pthread_cond_wait(&cp->changed, &cp->mutex);
        bool stop = cp->stop && cp->phase != WRITING;
        pthread_mutex_unlock(&cp->mutex);
        if (stop) return NULL;
        make_one(cp);
    }
}

// ---- the pipeline's side

bool rwd_checkpointer_new(rwd_repo *repo, rwd_participant *const participants[], size_t count, rwd_io *io, rwd_clock *clock,
                          rwd_checkpointer **out, rwd_error *err) {
    rwd_checkpointer *cp = rwd_calloc(1, sizeof(*cp));
    cp->repo = repo;
    cp->io = io;
    cp->clock = clock;
    cp->count = count;
    cp->participants = rwd_calloc(count + 1, sizeof(rwd_participant *));
    for (size_t i = 0; i < count; i++) cp->participants[i] = participants[i];
    cp->swept = rwd_calloc(count + 1, sizeof(bool));
    pthread_mutex_init(&cp->mutex, NULL);
    rwd_cond_init(&cp->changed);
    int result = pthread_create(&cp->thread, NULL, run, cp);
    if (result == 0) {
        *out = cp;
        return true;
    }
    cp->thread = pthread_self();  // there is none to join
    rwd_checkpointer_free(cp);
    return rwd_fail_errno(err, result, "cannot start the checkpoint thread");
}

static phase phase_of(const rwd_checkpointer *checkpointer) {
    rwd_checkpointer *cp = (rwd_checkpointer *)(uintptr_t)checkpointer;
    pthread_mutex_lock(&cp->mutex);
    phase now = cp->phase;
    pthread_mutex_unlock(&cp->mutex);
    return now;
}

static bool is_working(phase p) { return p == WRITING || p == WAITING || p == PUBLISHING; }

bool rwd_checkpointer_busy(const rwd_checkpointer *cp) { return phase_of(cp) != IDLE; }

void rwd_checkpointer_begin(rwd_checkpointer *cp, const rwd_facts *facts) {
    assert(!rwd_checkpointer_busy(cp));
    for (size_t i = 0; i < cp->count; i++) {
        cp->participants[i]->ops->freeze(cp->participants[i], facts->next_offset);
        cp->swept[i] = false;
    }
    own_facts(facts, &cp->facts);
    cp->began_ns = rwd_clock_ns(cp->clock);
    pthread_mutex_lock(&cp->mutex);
    cp->committed = cp->cancelled = false;
    cp->phase = WRITING;
    pthread_cond_broadcast(&cp->changed);
    pthread_mutex_unlock(&cp->mutex);
}

void rwd_checkpointer_sweep(rwd_checkpointer *cp, size_t limit) {
    for (size_t i = 0; i < cp->count; i++)
        if (!cp->swept[i]) cp->swept[i] = cp->participants[i]->ops->sweep(cp->participants[i], limit);
}

void rwd_checkpointer_committed(rwd_checkpointer *cp) {
    pthread_mutex_lock(&cp->mutex);
    cp->committed = true;
    pthread_cond_broadcast(&cp->changed);
    pthread_mutex_unlock(&cp->mutex);
}

static bool all_swept(const rwd_checkpointer *cp) {
    for (size_t i = 0; i < cp->count; i++)
        if (!cp->swept[i]) return false;
    return true;
}

// Waits at most `timeout_ns` for the thread to have something to poll for.
static void wait_while_working(rwd_checkpointer *cp, int64_t timeout_ns) {
    struct timespec until = rwd_deadline_in(timeout_ns);
    pthread_mutex_lock(&cp->mutex);
    while (is_working(cp->phase) && pthread_cond_timedwait(&cp->changed, &cp->mutex, &until) == 0) {}
    pthread_mutex_unlock(&cp->mutex);
}

void rwd_checkpointer_wait(rwd_checkpointer *cp, int64_t timeout_ns) { wait_while_working(cp, timeout_ns); }

void rwd_checkpointer_abandon(rwd_checkpointer *cp) {
    pthread_mutex_lock(&cp->mutex);
    cp->cancelled = true;
    pthread_cond_broadcast(&cp->changed);
    pthread_mutex_unlock(&cp->mutex);
    while (is_working(phase_of(cp))) {
        rwd_checkpointer_sweep(cp, SWEEP_WHILE_WAITING);
        wait_while_working(cp, all_swept(cp) ? 1000 * (int64_t)WAIT_STEP_NS : WAIT_STEP_NS);
    }
    set_phase(cp, IDLE);
}

rwd_checkpoint_outcome rwd_checkpointer_poll(rwd_checkpointer *cp, rwd_checkpoint_result *out) {
    phase now = phase_of(cp);
    if (now == IDLE) return RWD_CHECKPOINT_IDLE;
    if (is_working(now)) return RWD_CHECKPOINT_RUNNING;
    *out = cp->result;  // the thread is done with it
    for (size_t i = 0; i < cp->count && now == DONE; i++) cp->participants[i]->ops->thaw(cp->participants[i]);
    set_phase(cp, IDLE);
    return now == DONE ? RWD_CHECKPOINT_DONE : RWD_CHECKPOINT_FAILED;
}

void rwd_checkpointer_free(rwd_checkpointer *cp) {
    if (!cp) return;
    if (!pthread_equal(cp->thread, pthread_self())) {
        rwd_checkpointer_abandon(cp);
        pthread_mutex_lock(&cp->mutex);
        cp->stop = true;
        pthread_cond_broadcast(&cp->changed);
        pthread_mutex_unlock(&cp->mutex);
        pthread_join(cp->thread, NULL);
    }
    pthread_cond_destroy(&cp->changed);
    pthread_mutex_destroy(&cp->mutex);
    disown_facts(&cp->facts);
    rwd_io_free(cp->io);
    free(cp->participants);
    free(cp->swept);
    free(cp);
}
