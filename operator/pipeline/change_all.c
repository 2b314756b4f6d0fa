// on_change: replay: a job file whose logic holds from genesis on (L5). A repair of the whole history, planned and applied by the operator itself before it reads on.
//
// What must stay true: until the repair's switch the old history is in force, and nothing is read meanwhile; killed on the way, the next start plans on where this one was, or recovers by what C
// names.
//
// Thread: pipeline.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/log.h"
#include "operator/config/logic_compare.h"
#include "operator/pipeline/operator_private.h"
#include "operator/pipeline/repair_make.h"

#define SHADOW_EVERY_NS INT64_C(30000000000)  // what a kill costs of the replay, at most

typedef struct working {
    rwd_operator *op;
    rwd_shadow *shadow;  // that is being built; NULL: none is
} working;

static bool refuse(const rwd_job *job, const char *what, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_LOGIC_CHANGED, "on_change: replay corrects what stands in the outputs, and %s", what);
    (void)rwd_error_at(err, "%s", job->file);
    return rwd_error_next(err, "change the outputs first, with on_change: from-now; then the logic");
}

static bool same_text(const char *a, const char *b) { return (!a && !b) || (a && b && strcmp(a, b) == 0); }

bool rwd_may_replay_all(const rwd_job *needed, const rwd_job *job, rwd_error *err) {
    if (needed->sink_count != job->sink_count) return refuse(job, "there are others now", err);
    for (size_t i = 0; i < job->sink_count; i++) {
        const rwd_job_sink *old = &needed->sinks[i], *new = &job->sinks[i];
        if (!same_text(old->path, new->path) || !same_text(old->topic, new->topic)) return refuse(job, "they are others now, or stand in another order", err);
        if (old->format != new->format || old->emit != new->emit) return refuse(job, "one has another format or `emit` now", err);
    }
    return true;
}

static void is_built(void *context, rwd_shadow *shadow) { ((working *)context)->shadow = shadow; }

static int64_t keep_alive(void *context, int64_t worked_ns) {
    working *w = context;
    (void)worked_ns;
    rwd_publish(w->op, false);
    if (atomic_load(&w->op->stop) && w->shadow) rwd_shadow_stop(w->shadow);
    return 0;
}

static bool make_plan(rwd_operator *op, rwd_repair_plan *out, rwd_error *err) {
    working w = {.op = op};
    rwd_repair_options options = {
        .job = op->options.job, .clock = op->clock, .io = op->repo_io, .tier = op->options.io, .repo = op->repo, .who = "job file", .has_from = true,
        .from = {.kind = RWD_TARGET_OFFSET, .offset = op->lineage.genesis}, .logic = op->options.job, .every_ns = SHADOW_EVERY_NS, .pace = keep_alive, .pace_context = &w,
        .working = is_built, .context = &w, .progress = op->options.progress,
    };
    rwd_set_phase(op, RWD_PHASE_REPAIRING);
    rwd_publish(op, true);
    return rwd_repair_make(&options, out, err);
}

bool rwd_change_all(rwd_operator *op, rwd_error *err) {
    char what[RWD_LOGIC_WHAT_MAX], why[RWD_LOGIC_WHAT_MAX + 32];
    rwd_repair_plan plan;
    rwd_job_difference(op->job, op->switch_to, what);
    rwd_log(RWD_LOG_WARN, "operator", "on_change: replay: all records from offset %" PRId64 " on are decided by %s: %s", op->lineage.genesis, op->switch_to->file, what);
    if (!make_plan(op, &plan, err)) return false;
    (void)snprintf(why, sizeof(why), "on_change: replay: %s", what);
    rwd_apply_order order = {.repair = plan.id, .who = "job file", .why = why, .tolerance = UINT32_MAX};
    rwd_apply_order_first(op, &order);
    rwd_repair_plan_deinit(&plan);
    op->switch_to = NULL;
    return true;
}
