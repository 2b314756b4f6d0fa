// The system's clock and the virtual one.
#include "operator/base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "operator/base/bytes.h"

#define NS_PER_S 1000000000LL

static int64_t system_monotonic_ns(rwd_clock *clock) {
    (void)clock;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t system_wall_us(rwd_clock *clock) {
    (void)clock;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void system_sleep_ns(rwd_clock *clock, int64_t ns) {
    (void)clock;
    if (ns <= 0) return;
    struct timespec left = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {}
}

rwd_clock *rwd_clock_system(void) {
    // Never written: it is not const only because a virtual clock, behind the same pointer type, is.
    static rwd_clock system_clock = {system_monotonic_ns, system_wall_us, system_sleep_ns};
    return &system_clock;
}

typedef struct virtual_clock {
    rwd_clock base;  // first: a virtual clock is an rwd_clock
    int64_t wall_start_us;
    _Atomic int64_t ns;  // since it was made
} virtual_clock;

static int64_t virtual_monotonic_ns(rwd_clock *clock) { return atomic_load(&((virtual_clock *)clock)->ns); }

static int64_t virtual_wall_us(rwd_clock *clock) {
    return ((virtual_clock *)clock)->wall_start_us + virtual_monotonic_ns(clock) / 1000;
}

void rwd_clock_virtual_advance(rwd_clock *clock, int64_t ns) {
    if (ns > 0) atomic_fetch_add(&((virtual_clock *)clock)->ns, ns);
}

rwd_clock *rwd_clock_virtual_new(int64_t wall_us) {
    virtual_clock *clock = rwd_calloc(1, sizeof(*clock));
    clock->base = (rwd_clock){virtual_monotonic_ns, virtual_wall_us, rwd_clock_virtual_advance};
    clock->wall_start_us = wall_us;
    return &clock->base;
}

void rwd_clock_virtual_free(rwd_clock *clock) { free(clock); }
