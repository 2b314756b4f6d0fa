// The pace of replays (pace.h).
#include "operator/cli/pace.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "operator/admin/client.h"
#include "operator/pipeline/status.h"

#define ASK_EVERY_NS 100000000LL
#define LOOK_AGAIN_NS 5000000000LL  // for an operator, where none ran
#define ASK_TIMEOUT_NS 1000000000LL
#define LAG_TOO_MUCH_US 400000
#define LAG_TO_MIND_US 200000
#define SHARE_LEAST 0.02
#define SHARE_UNKNOWN 0.5
#define SHARE_STEP 0.05
#define SLEEP_MAX_NS 1000000000LL
#define NICE 10
// linux/ioprio.h: of this process; best effort, the last of its levels.
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_LAST (2 << 13 | 7)

double rwd_pace_share(double share, int64_t lag_us) {
    if (lag_us == RWD_LAG_UNKNOWN) return SHARE_UNKNOWN;
    if (lag_us > LAG_TOO_MUCH_US) share *= 0.5;
    else if (lag_us > LAG_TO_MIND_US) share *= 0.8;
    else share += SHARE_STEP;
    return share < SHARE_LEAST ? SHARE_LEAST : share > 1 ? 1 : share;
}

// What is left of the machine goes to the replay. Where that is not allowed, the pace alone must do.
static void step_back(void) {
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_LAST);
}

// True: an operator answered.
static bool ask(rwd_pace *pace, int64_t *out_lag_us) {
    rwd_admin_call call = {.command = "lag"};
    rwd_buf answer = {0};
    rwd_error ignored;
    bool ok = rwd_admin_ask(pace->data, &call, ASK_TIMEOUT_NS, &answer, &ignored);
    *out_lag_us = ok ? strtoll(rwd_buf_cstr(&answer), NULL, 10) : ignored.code == RWD_E_NO_OPERATOR ? 0 : LAG_TOO_MUCH_US + 1;  // one that does not answer has enough to do
    rwd_buf_deinit(&answer);
    return ok || ignored.code != RWD_E_NO_OPERATOR;
}

static void look(rwd_pace *pace) {
    int64_t now = rwd_clock_ns(pace->clock), lag;
    if (pace->asked_ns != 0 && now - pace->asked_ns < (pace->beside ? ASK_EVERY_NS : LOOK_AGAIN_NS)) return;
    bool beside = ask(pace, &lag);
    if (beside && !pace->beside) {
        step_back();
        pace->share = SHARE_UNKNOWN;
    }
    pace->beside = beside;
    pace->asked_ns = now;
    pace->share = beside ? rwd_pace_share(pace->share, lag) : 1;
}

void rwd_pace_init(rwd_pace *pace, const char *data, rwd_clock *clock) {
    *pace = (rwd_pace){.clock = clock, .share = 1};
    (void)snprintf(pace->data, sizeof(pace->data), "%s", data);
    look(pace);
}

int64_t rwd_pace_step(void *context, int64_t worked_ns) {
    rwd_pace *pace = context;
    look(pace);
    double sleep = (double)worked_ns * (1 / pace->share - 1);
    return sleep > (double)SLEEP_MAX_NS ? SLEEP_MAX_NS : (int64_t)sleep;
}
