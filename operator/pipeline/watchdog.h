// Names the stage that does not move.
//
// Whoever works in a stage says when it begins to wait there and when it has moved on; the watchdog compares with the stage's bound (RWD_STAGE_TABLE). It is asked
// when somebody looks, so a pipeline that hangs inside a call is named as well; a thread looks every half second, and tells the log.
//
// Thread: begin, since and end: pipeline. The rest: any.
#ifndef OPERATOR_PIPELINE_WATCHDOG_H
#define OPERATOR_PIPELINE_WATCHDOG_H

#include <stdatomic.h>

#include "operator/base/clock.h"
#include "operator/pipeline/status.h"

typedef struct rwd_watchdog {
    atomic_int_fast64_t since_ns[RWD_STAGE_COUNT];  // monotonic; 0: nothing waits there
} rwd_watchdog;

// Waiting begins now, unless it has begun before.
void rwd_watchdog_begin(rwd_watchdog *dog, rwd_stage stage, int64_t now_ns);
// Waiting began then; 0: it does not wait.
void rwd_watchdog_since(rwd_watchdog *dog, rwd_stage stage, int64_t since_ns);
static inline void rwd_watchdog_end(rwd_watchdog *dog, rwd_stage stage) { rwd_watchdog_since(dog, stage, 0); }

// Fills what is stuck: the wall clock of when it began, and for how long.
void rwd_watchdog_look(const rwd_watchdog *dog, rwd_clock *clock, rwd_status *out);

// What the log was told last.
typedef struct rwd_watchdog_told {
    int64_t stuck_us[RWD_STAGE_COUNT];
    int64_t sink_away_us;
} rwd_watchdog_told;
// Tells the log what is new.
void rwd_watchdog_tell(rwd_watchdog_told *told, const rwd_status *now);

// The thread that looks. The status function and its context are *borrowed*. *gives*.
typedef struct rwd_watchdog_thread rwd_watchdog_thread;
RWD_MUST bool rwd_watchdog_start(void (*status)(void *context, rwd_status *out), void *context, rwd_watchdog_thread **out, rwd_error *err);
void rwd_watchdog_stop(rwd_watchdog_thread *thread);  // NULL is fine

#endif
