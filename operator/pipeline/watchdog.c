// The watchdog (watchdog.h).
#include "operator/pipeline/watchdog.h"

#include <inttypes.h>
#include <stdlib.h>

#include "operator/base/log.h"
#include "operator/base/ticker.h"

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
    rwd_ticker *ticker;
    rwd_watchdog_told told;   // the thread's, as is `now`
    rwd_status now;
};

static void look(void *thread) {
    rwd_watchdog_thread *self = thread;
    self->status(self->context, &self->now);
    rwd_watchdog_tell(&self->told, &self->now);
}

bool rwd_watchdog_start(void (*status)(void *context, rwd_status *out), void *context, rwd_watchdog_thread **out, rwd_error *err) {
    rwd_watchdog_thread *self = rwd_calloc(1, sizeof *self);
    self->status = status;
    self->context = context;
    if (!rwd_ticker_start("watchdog", LOOK_NS, look, self, &self->ticker, err)) {
        free(self);
        return false;
    }
    *out = self;
    return true;
}

void rwd_watchdog_stop(rwd_watchdog_thread *self) {
    if (!self) return;
    rwd_ticker_stop(self->ticker);
    free(self);
}
