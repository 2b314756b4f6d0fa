// How fast a replay may go beside a running operator: fast while that keeps up, slower as soon as it falls behind, so that its lag stays under a second.
//
// The share of the time that the replay works is cut where the operator's lag grows and grown again while there is none (additive increase, multiplicative decrease: Chiu and Jain,
// "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989). Where the operator's lag is not known (a file), the replay takes half the time.
//
// Thread: one.
#ifndef OPERATOR_CLI_PACE_H
#define OPERATOR_CLI_PACE_H

#include "operator/base/clock.h"
#include "operator/base/fs.h"

typedef struct rwd_pace {
    char data[RWD_PATH_MAX];
    rwd_clock *clock;
    double share;          // of the time in which the replay works
    int64_t asked_ns;      // when the operator was last asked; 0: never
    bool beside;           // one runs
} rwd_pace;

// Asks whether an operator runs on that data directory. If so, this process also steps back behind it: its threads get less of the processors and of the disks.
void rwd_pace_init(rwd_pace *pace, const char *data, rwd_clock *clock);
// rwd_shadow_options.pace; `context` is the rwd_pace.
int64_t rwd_pace_step(void *context, int64_t worked_ns);
// What a share becomes with that lag (RWD_LAG_UNKNOWN, or microseconds). Pure.
double rwd_pace_share(double share, int64_t lag_us);

#endif
