// Shadows (shadow.h): an operator with a folder of its own and no outputs, that recovers to a place and is asked for nothing more.
//
// What must stay true: the sink inside takes nothing; the base's repository is only read; checkpoints that memory calls for on the way go into the shadow's own repository.
#include "operator/pipeline/shadow.h"

#include <stdlib.h>

#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"
#include "operator/sink/none.h"

struct rwd_shadow {
    rwd_shadow_options options;
    char folder[RWD_PATH_MAX];
    rwd_operator *op;
    bool built;
    rwd_checkpoint result;
    char dir[RWD_PATH_MAX];
};

static rwd_sink *no_outputs(void *context) {
    (void)context;
    return rwd_none_sink_new();
}

bool rwd_shadow_new(const rwd_shadow_options *options, rwd_shadow **out, rwd_error *err) {
    rwd_shadow *shadow = rwd_calloc(1, sizeof(*shadow));
    rwd_operator_options run = {.job = options->job, .clock = options->clock, .io = options->io, .data = shadow->folder, .journal_of = options->repo,
                                 .progress = options->progress, .shows_error = true};
    rwd_operator_hooks hooks = {.open_sink = no_outputs};
    shadow->options = *options;
    bool ok = strlen(options->folder) < sizeof(shadow->folder) || rwd_fail(err, RWD_E_USAGE, "%.200s...: the path is too long", options->folder);
    if (ok) memcpy(shadow->folder, options->folder, strlen(options->folder) + 1);
    ok = ok && rwd_operator_new_with(&run, &hooks, &shadow->op, err);
    if (!ok) {
        free(shadow);
        return false;
    }
    *out = shadow;
    return true;
}

void rwd_shadow_free(rwd_shadow *shadow) {
    rwd_error err;
    if (!shadow) return;
    rwd_operator_free(shadow->op);
    if (shadow->built) rwd_checkpoint_deinit(&shadow->result);
    if (rwd_path_exists(shadow->folder) && !rwd_remove_tree(shadow->folder, &err)) rwd_log_error(RWD_LOG_WARN, "shadow", &err);
    free(shadow);
}

rwd_operator *rwd_shadow_operator(rwd_shadow *shadow) { return shadow->op; }
const rwd_checkpoint *rwd_shadow_checkpoint(const rwd_shadow *shadow) { return &shadow->result; }
const char *rwd_shadow_dir(const rwd_shadow *shadow) { return shadow->dir; }

static bool load_lineage(const rwd_shadow *shadow, rwd_lineage *out, rwd_error *err) {
    rwd_buf text = {0};
    bool ok = rwd_repo_load_lineage(shadow->options.repo, shadow->options.base->facts.lineage, out, &text, err);
    rwd_buf_deinit(&text);
    return ok;
}

static bool rebuild(rwd_shadow *shadow, rwd_error *err) {
    char base[RWD_PATH_MAX];
    rwd_lineage lineage;
    rwd_operator *op = shadow->op;
    if (!rwd_repo_checkpoint_path(shadow->options.repo, shadow->options.base->id, base, err) || !load_lineage(shadow, &lineage, err)) return false;
    return rwd_rebuild(op, &lineage, shadow->options.base, base, shadow->options.until, err) && rwd_freeze(op, "shadow", true, err) && rwd_drive_checkpoint(op, err);
}

bool rwd_shadow_build(rwd_shadow *shadow, rwd_error *err) {
    rwd_operator *op = shadow->op;
    bool ok = rwd_operator_open(op, err);
    if (ok) {
        ok = rwd_open_session(op, err) && rebuild(shadow, err);
        rwd_close_session(op);  // what was built is on disk; memory is wanted back
        rwd_log_progress(NULL);
    }
    shadow->built = ok && rwd_repo_find(op->repo, op->checkpoint_id, &shadow->result, err);
    return shadow->built && rwd_repo_checkpoint_path(op->repo, shadow->result.id, shadow->dir, err);
}
