// Where one logic ends and the next begins: rows of an earlier logic, and recoveries that cross the place.
//
// A lineage's segments are stages (L1). Recovery runs with the logic of the last one. A base below the place where that begins is not replayed through: the state there is built by a shadow, with
// the earlier logic, and becomes a checkpoint of the repository; from it recovery goes on as from any other. So a kill on the way costs no more than that checkpoint, and there is one way to replay
// with an earlier logic. A shadow changes the logic between two records where the state means the same to both; else the checkpoint at the end of one stage is the base of the next.
//
// What must stay true: a record is decided by its segment's logic and no other; rows that are opened have the columns of the job that opens them.
//
// Thread: pipeline.
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/crash_point.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/config/invariants.h"
#include "operator/config/logic_compare.h"
#include "operator/pipeline/operator_private.h"
#include "operator/pipeline/shadow.h"
#include "state/migrate.h"

// ---- rows of an earlier logic

static bool has_windows(const rwd_job *job) {
    for (size_t i = 0; i < job->table_count; i++)
        if (job->tables[i].schema.window.kind != RWD_WINDOW_NONE) return true;
    return false;
}

bool rwd_may_follow(const rwd_job *before, const rwd_job *job, const rwd_facts *base, bool *out_from_nothing, rwd_error *err) {
    rwd_logic_comparison how;
    *out_from_nothing = false;
    rwd_logic_compare(before, job, &how);
    if (how.relation != RWD_LOGIC_GENESIS) return true;
    // L3: at genesis any logic may begin, since nothing was kept yet.
    *out_from_nothing = base->input_count == 0 && base->keys == 0;
    if (*out_from_nothing) return true;
    (void)rwd_fail(err, RWD_E_LOGIC_CHANGED, "the logic cannot go on from the state at offset %" PRId64 ": %s. That may begin at genesis only", base->next_offset, how.what);
    return rwd_error_next(err, "undo that change; or begin at the first offset of this history");
}

bool rwd_changes_in_place(const rwd_job *before, const rwd_job *job) {
    rwd_logic_comparison how;
    rwd_logic_compare(before, job, &how);
    if (how.relation == RWD_LOGIC_GENESIS || !rwd_logic_same_rows(before, job) || !rwd_logic_same_input(before, job)) return false;
    return before->invariant_count == job->invariant_count && rwd_hash128_equal(rwd_invariants_hash(before), rwd_invariants_hash(job));
}

// The tables of `dir` with this job's columns, in a folder of the session's own.
static bool migrate(rwd_operator *op, const rwd_job *before, const char *dir, char out[RWD_PATH_MAX], rwd_error *err) {
    size_t count = op->job->table_count;
    rwd_schema *old = rwd_calloc(RWD_TABLES_MAX, sizeof(*old));  // *borrowed* inside
    rwd_migration *how = rwd_calloc(count, sizeof(*how));
    (void)rwd_job_schemas(before, old);
    for (size_t t = 0; t < count; t++) {
        how[t] = (rwd_migration){.from = t < before->table_count ? &old[t] : NULL, .to = &op->schemas[t]};
        for (size_t i = 0; i < op->schemas[t].column_count; i++) how[t].before[i] = (int16_t)rwd_logic_column_before(before, op->job, t, i);
    }
    bool ok = rwd_path_join(out, op->live, "migrated", err) && rwd_io_mkdir(op->io, out, err) && rwd_state_migrate(dir, out, how, count, err);
    free(how);
    free(old);
    return ok;
}

bool rwd_open_base(rwd_operator *op, const rwd_checkpoint *base, const char *dir, rwd_error *err) {
    const rwd_job *before;
    char migrated[RWD_PATH_MAX];
    bool from_nothing;
    if (rwd_hash128_equal(base->facts.fingerprint, op->job->logic)) return rwd_open_participants(op, dir, err);
    if (!rwd_logics_job(op->logics, base->facts.fingerprint, &before, err) || !rwd_may_follow(before, op->job, &base->facts, &from_nothing, err)) return false;
    if (from_nothing) return rwd_open_participants(op, NULL, err);
    if (rwd_logic_same_rows(before, op->job)) return rwd_open_participants(op, dir, err);
    rwd_open_dirs dirs = {.tables = migrated, .timers = has_windows(before) ? dir : NULL, .rest = dir};
    if (!migrate(op, before, dir, migrated, err) || !rwd_open_participants_from(op, &dirs, err)) return false;
    rwd_log(RWD_LOG_INFO, "recovery", "rows of checkpoint %s were kept by an earlier logic: new aggregates begin empty at offset %" PRId64, base->id, base->facts.next_offset);
    return rwd_remove_tree(migrated, err);
}

// ---- recoveries that cross the place

int64_t rwd_stage_boundary(const rwd_lineage *lineage, int64_t x) {
    size_t i = lineage->segment_count - 1;
    while (i > 0 && rwd_hash128_equal(lineage->segments[i - 1].logic, lineage->segments[i].logic)) i--;
    return i > 0 && lineage->segments[i].from > x ? lineage->segments[i].from : -1;
}

// A stop that comes meanwhile must reach the shadow.
typedef struct crossing { rwd_operator *op; rwd_shadow *shadow; } crossing;

static int64_t watch_stop(void *context, int64_t worked_ns) {
    crossing *c = context;
    (void)worked_ns;
    if (atomic_load(&c->op->stop)) rwd_shadow_stop(c->shadow);
    rwd_shadow_progress now;
    rwd_shadow_get_progress(c->shadow, &now);
    c->op->status.position = now.at;
    rwd_publish(c->op, false);
    return 0;
}

// What the shadow made, under the lineage that C names. `frontier` as in every checkpoint that recovery makes below C.
static bool adopt(rwd_operator *op, const rwd_checkpoint *made, const char *dir, const rwd_checkpoint *base, int64_t frontier, char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    rwd_facts facts = made->facts;
    facts.frontier = frontier;
    facts.lineage = rwd_lineage_id(&op->lineage);
    facts.history = rwd_lineage_history(&op->lineage, facts.next_offset);
    facts.reason = "segment";
    return rwd_repo_adopt(op->repo, op->io, dir, made, &facts, base, out_id, err);
}

static bool build(rwd_operator *op, const rwd_checkpoint *base, int64_t boundary, int64_t frontier, char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    char folder[RWD_PATH_MAX];
    crossing c = {.op = op};
    if (!rwd_path_join(folder, op->live, "crossing", err)) return false;
    rwd_shadow_options options = {
        .job = op->options.job, .clock = op->clock, .io = op->options.io, .repo = op->repo, .base = base, .lineage = &op->lineage, .logics = op->logics, .until = boundary,
        .folder = folder, .pace = watch_stop, .pace_context = &c, .stop = &op->stop, .progress = op->options.progress,
    };
    if (!rwd_shadow_new(&options, &c.shadow, err)) return false;
    bool ok = rwd_shadow_build(c.shadow, err) && adopt(op, rwd_shadow_checkpoint(c.shadow), rwd_shadow_dir(c.shadow), base, frontier, out_id, err);
    rwd_shadow_free(c.shadow);
    return ok;
}

bool rwd_cross_boundary(rwd_operator *op, const rwd_checkpoint *base, int64_t boundary, int64_t frontier, char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    rwd_read_lock lock;
    assert(boundary > base->facts.next_offset && boundary <= frontier);
    rwd_log(RWD_LOG_INFO, "recovery", "checkpoint %s at offset %" PRId64 " lies below the segment from %" PRId64 ": the state there is built with the earlier logic first", base->id,
            base->facts.next_offset, boundary);
    rwd_set_phase(op, RWD_PHASE_REPLAYING);
    op->status.replay_from = base->facts.next_offset;
    op->status.replay_to = boundary;
    if (!rwd_repo_read_lock(op->repo, base->id, &lock, err)) {
        if (err->code == RWD_E_NOT_FOUND) err->decision = RWD_RETRY;  // retention took this one: choose again
        return false;
    }
    bool ok = build(op, base, boundary, frontier, out_id, err);
    rwd_read_lock_release(&lock);
    if (ok) RWD_CRASH_POINT(boundary_crossed);
    return ok;
}
