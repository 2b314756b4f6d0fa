// The watchdog (watchdog.h).
#include "operator/pipeline/watchdog.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "operator/base/log.h"

#define LOOK_NS 500000000L

static const struct {
    const char *name, *doc;
    int64_t bound_ns;
} stages[RWD_STAGE_COUNT] = {
#define STAGE_ROW(id, name, seconds, doc) {name, doc, seconds * INT64_C(1000000000)},
    RWD_STAGE_TABLE(STAGE_ROW)
#undef STAGE_ROW
};

void rwd_watchdog_begin(rwd_watchdog *dog, rwd_stage stage, int64_t now_ns) {
    if (atomic_load_explicit(&dog->since_ns[stage], memory_order_relaxed) == 0) atomic_store_explicit(&dog->since_ns[stage], now_ns, memory_order_relaxed);
}

void rwd_watchdog_since(rwd_watchdog *dog, rwd_stage stage, int64_t since_ns) {
    atomic_store_explicit(&dog->since_ns[stage], since_ns, memory_order_relaxed);
}

void rwd_watchdog_look(const rwd_watchdog *dog, rwd_clock *clock, rwd_status *out) {
    int64_t now = rwd_clock_ns(clock), wall = rwd_clock_wall_us(clock);
    for (int i = 0; i < RWD_STAGE_COUNT; i++) {
        int64_t since = atomic_load_explicit(&dog->since_ns[i], memory_order_relaxed);
        bool stuck = since != 0 && now - since >= stages[i].bound_ns;
        out->stuck_ns[i] = stuck ? now - since : 0;
        out->stuck_us[i] = stuck ? wall - (now - since) / 1000 : 0;
    }
}

static void tell_stage(rwd_stage stage, int64_t *told_us, int64_t now_us) {
    if ((*told_us != 0) == (now_us != 0)) return;
    char since[RWD_TIME_TEXT_MAX];
    rwd_time_text_ms(now_us ? now_us : *told_us, since);
    if (now_us) rwd_log(RWD_LOG_WARN, "watchdog", "%s is stuck since %s: %s", stages[stage].name, since, stages[stage].doc);
    else rwd_log(RWD_LOG_INFO, "watchdog", "%s moves again; it was stuck since %s", stages[stage].name, since);
    *told_us = now_us;
}

void rwd_watchdog_tell(rwd_watchdog_told *told, const rwd_status *now) {
    for (int i = 0; i < RWD_STAGE_COUNT; i++) tell_stage((rwd_stage)i, &told->stuck_us[i], now->stuck_us[i]);
    if ((told->sink_away_us != 0) == (now->sink_away_us != 0)) return;
    char since[RWD_TIME_TEXT_MAX];
    rwd_time_text_ms(now->sink_away_us ? now->sink_away_us : told->sink_away_us, since);
    if (now->sink_away_us) rwd_log(RWD_LOG_WARN, "sink", "no broker takes the output since %s; waiting", since);
    else rwd_log(RWD_LOG_INFO, "sink", "a broker takes the output again; none did since %s", since);
    told->sink_away_us = now->sink_away_us;
}

// ---- the thread

struct rwd_watchdog_thread {
    void (*status)(void *context, rwd_status *out);
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stop;                // guarded by the mutex
    rwd_watchdog_told told;   // the thread's, as is `now`
    rwd_status now;
};

static bool told_to_stop(rwd_watchdog_thread *self) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&self->mutex);
    while (!self->stop && pthread_cond_timedwait(&self->wake, &self->mutex, &until) == 0) continue;
    bool stop = self->stop;
    pthread_mutex_unlock(&self->mutex);
    return stop;
}

static void *watch(void *argument) {
    rwd_watchdog_thread *self = argument;
    (void)pthread_setname_np(pthread_self(), "watchdog");
    while (!told_to_stop(self)) {
        self->status(self->context, &self->now);
        rwd_watchdog_tell(&self->told, &self->now);
    }
    return NULL;
}

bool rwd_watchdog_start(void (*status)(void *context, rwd_status *out), void *context, rwd_watchdog_thread **out, rwd_error *err) {
    rwd_watchdog_thread *self = rwd_calloc(1, sizeof *self);
    self->status = status;
    self->context = context;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigset_t all, before;
    sigfillset(&all);  // signals are the business of the program's main thread
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failure = pthread_create(&self->thread, NULL, watch, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure == 0) {
        *out = self;
        return true;
    }
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->mutex);
    free(self);
    return rwd_fail_errno(err, failure, "cannot start the watchdog's thread");
}

void rwd_watchdog_stop(rwd_watchdog_thread *self) {
    if (!self) return;
    pthread_mutex_lock(&self->mutex);
    self->stop = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}
