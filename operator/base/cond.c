// Condition variables with deadlines (cond.h).
#include "operator/base/cond.h"

#include <assert.h>

#define SECOND 1000000000LL

void rwd_cond_init(pthread_cond_t *cond) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

struct timespec rwd_deadline_in(int64_t ns) {
    struct timespec until;
    assert(ns >= 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t rest = until.tv_nsec + ns % SECOND;
    until.tv_sec += (time_t)(ns / SECOND + rest / SECOND);
    until.tv_nsec = (long)(rest % SECOND);
    return until;
}
