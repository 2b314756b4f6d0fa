// Time as something that is handed in: the system's, or a virtual one in tests.
//
// No decision about state or output reads a clock (PROTOCOL.md E2): clocks pace commits, checkpoints and progress only.
//
// Thread: any; a virtual clock may be advanced from one thread and read from others.
#ifndef OPERATOR_BASE_CLOCK_H
#define OPERATOR_BASE_CLOCK_H

#include <stdint.h>

typedef struct rwd_clock rwd_clock;
struct rwd_clock {
    int64_t (*monotonic_ns)(rwd_clock *clock);  // never goes back; for intervals
    int64_t (*wall_us)(rwd_clock *clock);       // microseconds since 1970-01-01T00:00:00Z; for people
    void (*sleep_ns)(rwd_clock *clock, int64_t ns);
};

// The system's clock: static, never freed.
rwd_clock *rwd_clock_system(void);

// A clock that stands still until told: sleeping moves it forward at once. *gives*; free with rwd_clock_virtual_free.
rwd_clock *rwd_clock_virtual_new(int64_t wall_us);
void rwd_clock_virtual_advance(rwd_clock *clock, int64_t ns);
void rwd_clock_virtual_free(rwd_clock *clock);

static inline int64_t rwd_clock_ns(rwd_clock *clock) { return clock->monotonic_ns(clock); }
static inline int64_t rwd_clock_wall_us(rwd_clock *clock) { return clock->wall_us(clock); }

#endif
