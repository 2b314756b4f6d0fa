// Tickers (ticker.h): a pause is a wait for the word to stop.
#include "operator/base/ticker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "operator/base/bytes.h"
#include "operator/base/cond.h"

struct rwd_ticker {
    const char *name;
    int64_t pause_ns;
    void (*turn)(void *context);
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stop;  // guarded by the mutex
};

// The pause before a turn. False: told to stop.
static bool pause_is_over(rwd_ticker *self) {
    struct timespec until = rwd_deadline_in(self->pause_ns);
    pthread_mutex_lock(&self->mutex);
    while (!self->stop && pthread_cond_timedwait(&self->wake, &self->mutex, &until) == 0) continue;
    bool stop = self->stop;
    pthread_mutex_unlock(&self->mutex);
    return !stop;
}

static void *run(void *argument) {
    rwd_ticker *self = argument;
    (void)pthread_setname_np(pthread_self(), self->name);
    while (pause_is_over(self)) self->turn(self->context);
    return NULL;
}

static void free_ticker(rwd_ticker *self) {
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

bool rwd_ticker_start(const char *name, int64_t pause_ns, void (*turn)(void *context), void *context, rwd_ticker **out, rwd_error *err) {
    rwd_ticker *self = rwd_calloc(1, sizeof *self);
    *self = (rwd_ticker){.name = name, .pause_ns = pause_ns, .turn = turn, .context = context};
    pthread_mutex_init(&self->mutex, NULL);
    rwd_cond_init(&self->wake);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failure = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure == 0) {
        *out = self;
        return true;
    }
    free_ticker(self);
    return rwd_fail_errno(err, failure, "cannot start the thread '%s'", name);
}

void rwd_ticker_stop(rwd_ticker *self) {
    if (!self) return;
    pthread_mutex_lock(&self->mutex);
    self->stop = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
    free_ticker(self);
}
