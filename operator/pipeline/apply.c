// Applying a repair (R4), as the operator does it: the same whether it was asked for while running or is a run of its own.
//
//   asked      refused unless live lineage and switch number are the plan's                              (1)
//   PAUSED     what was read is committed, and the state at that C is a checkpoint; the session ends      (2)
//   act        the shadow to exactly C; the difference, against the approved plan                         (3)
//              lineage and amendments, checkpoint X = C, corrections, pins, SWITCH: durable               (4)
//   DECIDED    a session with nothing but the sink: the transactions                                      (5)
//   SWITCHED   history.log; the next session recovers from what C names                                   (6)
//
// What must stay true: until DECIDED nothing that was there is changed, and whatever fails is followed by an ordinary recovery of the old history; a transaction of unknown fate is
// decided by what C names (C6), never by memory; who waits is always answered.
//
// Thread: as stated in operator.h; the rest is the pipeline's. Locks: op->lock over op->apply, held over nothing else.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/crash_point.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/repair/corrections.h"
#include "operator/pipeline/dead_changes.h"
#include "operator/repair/logics.h"
#include "operator/pipeline/operator_private.h"
#include "operator/repair/repair_plan.h"
#include "operator/repair/violations.h"
#include "operator/pipeline/rooms.h"
#include "operator/pipeline/shadow.h"

#define WAIT_STEP_NS 20000000LL
#define COMPARE_MEMORY ((size_t)32 << 20)  // for sorting, where tables are numbered in another way on the two sides

// ---------------------------------------------------------------------------------------------- asked for

static void order(rwd_operator *op, const rwd_apply_order *wanted) {
    rwd_applying *a = &op->apply;
    *a = (rwd_applying){.state = RWD_RESTORE_WANTED, .tolerance = wanted->tolerance};
    (void)snprintf(a->id, sizeof(a->id), "%s", wanted->repair);
    (void)snprintf(a->who, sizeof(a->who), "%s", wanted->who);
    (void)snprintf(a->why, sizeof(a->why), "%s", wanted->why ? wanted->why : "");
    atomic_store(&op->apply_wanted, true);
}

void rwd_apply_order_first(rwd_operator *op, const rwd_apply_order *wanted) {
    pthread_mutex_lock(&op->lock);
    order(op, wanted);
    pthread_mutex_unlock(&op->lock);
}

bool rwd_operator_apply(rwd_operator *op, const rwd_apply_order *wanted, rwd_error *err) {
    if (rwd_refuse_phase(op, err)) return false;
    if (rwd_repair_number(wanted->repair) == 0) return rwd_fail(err, RWD_E_USAGE, "%.40s is no repair's id", wanted->repair);
    pthread_mutex_lock(&op->lock);
    rwd_restore_state now = op->apply.state, restore = op->restore.state;
    bool is_free = now != RWD_RESTORE_WANTED && now != RWD_RESTORE_RUNNING && restore != RWD_RESTORE_WANTED && restore != RWD_RESTORE_RUNNING;
    if (is_free) order(op, wanted);
    pthread_mutex_unlock(&op->lock);
    if (is_free) return true;
    rwd_fail(err, RWD_E_BUSY, "another repair or restore is under way");
    return rwd_error_next(err, "rewind status --data %s", op->data);
}

bool rwd_operator_apply_wait(rwd_operator *op, int64_t timeout_ns, rwd_apply_result *out, rwd_error *err) {
    for (int64_t waited = 0;; waited += WAIT_STEP_NS) {
        pthread_mutex_lock(&op->lock);
        rwd_restore_state state = op->apply.state;
        *out = op->apply.result;
        if (state == RWD_RESTORE_FAILED && err) *err = op->apply.error;
        pthread_mutex_unlock(&op->lock);
        out->state = state;
        if (state == RWD_RESTORE_FAILED) return false;
        if (state == RWD_RESTORE_DONE || waited >= timeout_ns) return true;
        op->clock->sleep_ns(op->clock, WAIT_STEP_NS);
    }
}

static void set_state(rwd_operator *op, rwd_restore_state state, const rwd_error *why) {
    pthread_mutex_lock(&op->lock);
    op->apply.state = op->apply_now.state = state;
    if (why) op->apply.error = *why;
    atomic_store(&op->apply_wanted, false);
    pthread_mutex_unlock(&op->lock);
}

void rwd_apply_failed(rwd_operator *op, const rwd_error *why) {
    pthread_mutex_lock(&op->lock);
    bool any = op->apply.state == RWD_RESTORE_WANTED || op->apply.state == RWD_RESTORE_RUNNING;
    pthread_mutex_unlock(&op->lock);
    if (any) set_state(op, RWD_RESTORE_FAILED, why);
    if (op->apply_stage >= RWD_APPLY_DECIDED) rwd_switch_deinit(&op->apply_facts);
    op->apply_stage = RWD_APPLY_NONE;
    if (!any) return;
    op->status.repair_failures++;
    rwd_log_error(RWD_LOG_WARN, "repair", why);
}

// What came before the switch is undone by an ordinary recovery; what came behind it is completed by one.
bool rwd_apply_goes_on(rwd_operator *op, const rwd_error *why) {
    bool again = why->decision == RWD_ROLLBACK || why->decision == RWD_RETRY || why->decision == RWD_ABORT_TXN;
    if (op->apply_stage == RWD_APPLY_SWITCHED) return false;               // the recovery behind it decides for itself
    if (op->apply_stage == RWD_APPLY_DECIDED && again) return false;       // tried again: C says what is left to do (C6)
    rwd_apply_failed(op, why);
    return !op->options.apply && !atomic_load(&op->stop) && why->code != RWD_E_FENCED;
}

// ---------------------------------------------------------------------------------------------- (1), (2)

static bool load_plan(rwd_operator *op, char folder[RWD_PATH_MAX], rwd_repair_plan *out, rwd_error *err) {
    return rwd_repair_folder(op, op->apply_now.id, folder, err) && rwd_repair_plan_load(folder, op->repo_io, out, err);
}

// What to type to have it planned on what is live. An undo always is.
static bool next_again(const rwd_operator *op, const rwd_repair_plan *plan, const char *more, rwd_error *err) {
    const char *job = op->job->file;
    if (rwd_repair_is_undo(plan)) return rwd_error_next(err, "rewind repair undo %s%s", job, more);
    return rwd_error_next(err, "rewind repair rebase %s %s%s", job, plan->id, more);
}

// The history has moved on: what was approved was compared with another one.
static bool refuse_other_lineage(const rwd_operator *op, const rwd_repair_plan *plan, rwd_error *err) {
    if (rwd_hash128_equal(rwd_lineage_id(&op->lineage), plan->old_lineage) && op->switch_number == plan->switch_number) return false;
    rwd_fail(err, RWD_E_LOGIC_CHANGED, "repair %s was planned on switch %" PRIu64 " of the lineage, and %" PRIu64 " is live: another repair was applied or undone since", plan->id,
             plan->switch_number, op->switch_number);
    (void)next_again(op, plan, "", err);
    return true;
}

static bool refuse_plan(rwd_operator *op, rwd_error *err) {
    char folder[RWD_PATH_MAX];
    rwd_repair_plan plan;
    if (!load_plan(op, folder, &plan, err)) return true;
    bool refused = refuse_other_lineage(op, &plan, err) || rwd_repair_refuse_violations(&plan, op->job->file, err);
    rwd_repair_plan_deinit(&plan);
    return refused;
}

// Where commits are fixed to offsets they fall nowhere else.
static bool refuse_place(rwd_operator *op, bool idle, rwd_error *err) {
    if (!idle) return false;
    rwd_fail(err, RWD_E_BUSY, "a repair is applied where a commit falls, next at offset %" PRId64 ", and the input ends at %" PRId64 " for now", op->commit_boundary, op->position.next_offset);
    return !rwd_error_next(err, "try again when more records have come");
}

static bool pause_here(rwd_operator *op, rwd_error *err) {
    RWD_CRASH_POINT(repair_asked);
    op->apply_began_ns = rwd_clock_ns(op->clock);
    op->apply_time_us = op->record_time_us;
    if (!rwd_end_transaction(op, true, err) || !rwd_drive_commit(op, err) || !rwd_drive_checkpoint(op, err)) return false;
    if (!rwd_checkpoint_is_here(op)) {
        if (!rwd_checkpoint_fits(op)) {
            rwd_fail(err, RWD_E_DISK_FULL, "there is no room for the checkpoint that a repair begins with");
            return rwd_error_at(err, "%s", op->data);
        }
        if (!rwd_freeze(op, "repair", true, err) || !rwd_drive_checkpoint(op, err)) return false;
    }
    memcpy(op->apply_checkpoint, op->checkpoint_id, sizeof(op->apply_checkpoint));
    RWD_CRASH_POINT(repair_paused);
    return true;
}

bool rwd_apply_begin(rwd_operator *op, bool idle, bool *out_begun, rwd_error *err) {
    rwd_error why;
    bool fixed = op->job->delivery.offset_multiple > 0 && !op->at_boundary;
    *out_begun = false;
    if (fixed && !idle) return true;
    pthread_mutex_lock(&op->lock);
    op->apply_now = op->apply;
    pthread_mutex_unlock(&op->lock);
    rwd_error_clear(&why);
    if ((fixed && refuse_place(op, idle, &why)) || refuse_plan(op, &why)) {
        rwd_apply_failed(op, &why);
        if (op->options.apply) *err = why;
        return !op->options.apply;
    }
    set_state(op, RWD_RESTORE_RUNNING, NULL);
    rwd_log(RWD_LOG_WARN, "repair", "%s: applying it at offset %" PRId64 ", asked for by %s: %s", op->apply_now.id, op->position.next_offset, op->apply_now.who, op->apply_now.why);
    op->apply_stage = RWD_APPLY_PAUSED;
    *out_begun = true;
    return pause_here(op, err);
}

// ---------------------------------------------------------------------------------------------- (3)

// What act has in hand.
typedef struct act {
    rwd_operator *op;
    char folder[RWD_PATH_MAX], corrections[RWD_PATH_MAX];
    rwd_repair_plan plan;
    rwd_lineage lineage;           // the new one
    rwd_logics *logics;
    const rwd_job *old_job, *new_job;
    rwd_shadow *shadow;
    rwd_checkpoint base, before;   // of the shadow; the state at C
    rwd_read_lock lock;            // on it (K6)
    bool locked;
    uint64_t rows, dead;
    rwd_hash128 hash;              // of the corrections
} act;

static void act_deinit(act *a) {
    if (a->locked) rwd_read_lock_release(&a->lock);
    rwd_shadow_free(a->shadow);
    rwd_checkpoint_deinit(&a->before);
    rwd_checkpoint_deinit(&a->base);
    rwd_lineage_deinit(&a->lineage);
    rwd_logics_free(a->logics);
    rwd_repair_plan_deinit(&a->plan);
}

static bool find_lineage(act *a, rwd_error *err) {
    rwd_operator *op = a->op;
    a->logics = rwd_logics_new(op->repo, op->options.job);  // as plans are made: outputs are the job file's
    return rwd_repair_plan_lineage(a->folder, op->repo_io, &a->lineage, err) && rwd_repair_plan_logics(&a->plan, a->folder, a->logics, err);
}

// While the shadow is brought up: the operator is alive, and may be asked to stop.
static int64_t keep_alive(void *context, int64_t worked_ns) {
    act *a = context;
    (void)worked_ns;
    rwd_publish(a->op, false);
    if (atomic_load(&a->op->stop)) rwd_shadow_stop(a->shadow);
    return 0;
}

// (3) What is left of it is what came since it was caught up beside us.
static bool build_shadow(act *a, rwd_error *err) {
    rwd_operator *op = a->op;
    char folder[RWD_PATH_MAX];
    if (!rwd_path_join(folder, a->folder, RWD_REPAIR_SHADOW, err) || !rwd_repo_find(op->repo, a->plan.base, &a->base, err)) return false;
    rwd_shadow_options options = {
        .job = op->job, .clock = op->clock, .io = op->options.io, .repo = op->repo, .base = &a->base, .lineage = &a->lineage, .logics = a->logics, .until = op->position.next_offset,
        .folder = folder, .keep = true, .pace = keep_alive, .pace_context = a,
    };
    if (!rwd_shadow_open(&options, &a->shadow, err) || !rwd_shadow_build(a->shadow, err)) return false;
    RWD_CRASH_POINT(repair_built);
    int64_t at = rwd_shadow_checkpoint(a->shadow)->facts.next_offset;
    return at == op->position.next_offset ||
           rwd_fail(err, RWD_E_SOURCE_CHANGED, "the shadow of repair %s ends at offset %" PRId64 ", and %" PRId64 " is committed: records between are gone from the input", a->plan.id, at,
                    op->position.next_offset);
}

// E4: both histories have read the same records.
static bool check_input(const act *a, rwd_error *err) {
    const rwd_facts *theirs = &rwd_shadow_checkpoint(a->shadow)->facts;
    const rwd_position *ours = &a->op->position;
    if (theirs->input_count == ours->input_count && rwd_hash128_equal(theirs->input_hash, ours->input_hash)) return true;
    rwd_fail(err, RWD_E_SOURCE_CHANGED, "the shadow of repair %s was not made from the records that are committed: %" PRIu64 " below offset %" PRId64 " there, %" PRIu64 " here", a->plan.id,
             theirs->input_count, ours->next_offset, ours->input_count);
    return next_again(a->op, &a->plan, "", err);
}

static bool refuse_more(const act *a, rwd_error *err) {
    uint64_t tolerated = a->plan.approved / 100 * a->op->apply_now.tolerance + a->plan.approved % 100 * a->op->apply_now.tolerance / 100;
    if (a->rows <= a->plan.approved || a->rows - a->plan.approved <= tolerated) return false;
    rwd_fail(err, RWD_E_BUSY, "repair %s comes to %" PRIu64 " corrections by now, and %" PRIu64 " are approved", a->plan.id, a->rows, a->plan.approved);
    (void)next_again(a->op, &a->plan, "   (it shows what came since; or allow more: --tolerance PERCENT)", err);
    return true;
}

// S5, as of C: what came since the plan may violate an invariant, too. Those that alert do so in a moment; what one that parks keeps back is not published here either.
static bool refuse_violations(act *a, const rwd_violations *violations, rwd_error *err) {
    rwd_violations_note(violations, &a->plan);
    for (size_t i = 0; i < a->plan.violation_count; i++) {
        const rwd_repair_violation *v = &a->plan.violations[i];
        if (!v->parks) continue;
        rwd_fail(err, RWD_E_INVARIANT, "the state that %s %s makes at offset %" PRId64 " violates invariant %s by %" PRIu64 " keys that did not, such as %s", a->plan.kind, a->plan.id,
                 a->op->position.next_offset, v->check, v->keys, v->key);
        (void)next_again(a->op, &a->plan, "   (it shows what came since; or start the job with on_violation: alert)", err);
        return true;
    }
    return false;
}

static bool compare(act *a, rwd_reader_db *before, rwd_reader_db *after, rwd_error *err) {
    rwd_corrections_summary summary = {0};
    rwd_violations violations;
    rwd_violations_init(&violations, a->old_job, a->new_job);
    const rwd_facts *facts = &rwd_shadow_checkpoint(a->shadow)->facts;
    rwd_corrections_options options = {
        .old_view = {a->old_job, before, a->before.facts.stream_time, a->plan.old_lineage},
        .new_view = {a->new_job, after, facts->stream_time, a->plan.new_lineage},
        .next_offset = facts->next_offset, .repair = a->plan.id, .path = a->corrections, .io = a->op->repo_io, .memory = COMPARE_MEMORY, .temp_dir = a->folder,
        .see = rwd_violations_see, .context = &violations,
    };
    bool ok = rwd_corrections_make(&options, &summary, err);
    a->rows = summary.rows;
    a->hash = summary.hash;
    ok = ok && !refuse_more(a, err) && !refuse_violations(a, &violations, err);
    rwd_corrections_summary_deinit(&summary);
    rwd_violations_deinit(&violations);
    return ok;
}

// R6. A job without a place for them has none.
static bool compare_dead(act *a, const char *before, rwd_error *err) {
    rwd_operator *op = a->op;
    rwd_dead_changes_options options = {
        .old_dir = before, .new_dir = rwd_shadow_dir(a->shadow), .lineage = &a->lineage, .job = op->job, .repo = op->repo, .io = op->repo_io, .clock = op->clock, .folder = a->folder,
    };
    bool ok = !rwd_job_has_dead_letters(op->job) || rwd_dead_changes_make(&options, &a->dead, err);
    if (ok) RWD_CRASH_POINT(repair_compared);
    return ok;
}

// (3) The difference at C.
static bool make_corrections(act *a, rwd_error *err) {
    char dir[RWD_PATH_MAX];
    rwd_operator *op = a->op;
    rwd_reader_db *before = NULL, *after = NULL;
    if (!rwd_path_join(a->corrections, a->folder, RWD_FINAL_CORRECTIONS, err) || !rwd_repo_find(op->repo, op->apply_checkpoint, &a->before, err) ||
        !rwd_repo_read_lock(op->repo, a->before.id, &a->lock, err))
        return false;
    a->locked = true;
    bool ok = rwd_publishing_job(a->logics, &op->lineage, a->before.facts.fingerprint, &a->old_job, err) &&
              rwd_publishing_job(a->logics, &a->lineage, rwd_shadow_checkpoint(a->shadow)->facts.fingerprint, &a->new_job, err) &&
              rwd_repo_checkpoint_path(op->repo, a->before.id, dir, err) && rwd_state_open(dir, &before, err) && rwd_state_open(rwd_shadow_dir(a->shadow), &after, err) &&
              compare(a, before, after, err);
    if (before) rwd_state_close(before);
    if (after) rwd_state_close(after);
    return ok && compare_dead(a, dir, err);
}

// ---------------------------------------------------------------------------------------------- (4)

static bool adopt(act *a, char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    rwd_operator *op = a->op;
    const rwd_checkpoint *shadow = rwd_shadow_checkpoint(a->shadow);
    rwd_facts facts = shadow->facts;
    facts.frontier = facts.next_offset;
    facts.lineage = rwd_lineage_id(&a->lineage);
    facts.history = rwd_lineage_history(&a->lineage, facts.next_offset);
    facts.reason = "repair";
    return rwd_repo_adopt(op->repo, op->repo_io, rwd_shadow_dir(a->shadow), shadow, &facts, &a->base, out_id, err);
}

static void decide(const act *a, rwd_switch *out) {
    rwd_operator *op = a->op;
    const rwd_checkpoint *shadow = rwd_shadow_checkpoint(a->shadow);
    *out = (rwd_switch){
        .kind = rwd_strdup(rwd_repair_is_undo(&a->plan) ? "undo" : "repair"), .who = rwd_strdup(op->apply_now.who), .why = rwd_strdup(op->apply_now.why), .undoes = rwd_strdup(a->plan.undoes),
        .decided_us = rwd_clock_wall_us(op->clock), .old_lineage = a->plan.old_lineage, .new_lineage = a->plan.new_lineage, .switch_number = a->plan.switch_number + 1,
        .old_logic = a->before.facts.fingerprint, .new_logic = shadow->facts.fingerprint, .next_offset = op->position.next_offset,
        .old_closings = op->position.closings, .new_closings = shadow->facts.closings, .time_us = op->apply_time_us,
        .rows = a->rows, .dead = a->dead, .corrections = a->hash, .old_digest = a->before.digest, .new_digest = shadow->digest,
    };
    memcpy(out->id, a->plan.id, sizeof(out->id));
    memcpy(out->old_checkpoint, a->before.id, sizeof(out->old_checkpoint));
}

// (4) All of it durable, SWITCH last.
static bool make_durable(act *a, rwd_error *err) {
    rwd_operator *op = a->op;
    rwd_switch facts;
    if (!rwd_logics_save(a->logics, &a->lineage, err)) return false;
    RWD_CRASH_POINT(repair_lineage);
    decide(a, &facts);
    bool ok = rwd_repo_pin(op->repo, a->before.id, rwd_clock_wall_us(op->clock) + op->job->repair.keep_us, err);
    // C1: without outputs that checkpoint is the switch, so what was decided stands there before it.
    ok = ok && (rwd_job_has_outputs(op->job) || rwd_switch_save(&facts, a->folder, RWD_SWITCH_FILE, op->repo_io, err)) && adopt(a, facts.new_checkpoint, err);
    if (ok) RWD_CRASH_POINT(repair_adopted);
    ok = ok && rwd_switch_save(&facts, a->folder, RWD_SWITCH_FILE, op->repo_io, err);
    if (!ok) {
        rwd_switch_deinit(&facts);
        return false;
    }
    op->apply_facts = facts;
    op->apply_stage = RWD_APPLY_DECIDED;
    RWD_CRASH_POINT(repair_decided);
    return true;
}

static bool is_whole(const act *a, rwd_error *err) {
    return rwd_hash128_equal(rwd_lineage_id(&a->lineage), a->plan.new_lineage) ||
           rwd_fail(err, RWD_E_CORRUPT, "the lineage in the folder of repair %s is not the one that it was planned with", a->plan.id);
}

bool rwd_apply_act(rwd_operator *op, rwd_error *err) {
    act a = {.op = op};
    rwd_set_phase(op, RWD_PHASE_REPAIRING);
    rwd_publish(op, true);
    if (!load_plan(op, a.folder, &a.plan, err)) return false;
    bool ok = !refuse_other_lineage(op, &a.plan, err) && find_lineage(&a, err) && is_whole(&a, err) && build_shadow(&a, err) && check_input(&a, err) && make_corrections(&a, err) &&
              make_durable(&a, err);
    act_deinit(&a);
    return ok;
}

// ---------------------------------------------------------------------------------------------- (5), (6)

// The sink as the new history publishes: its job may have other tables.
static bool open_sink(rwd_operator *op, const rwd_job *job, rwd_error *err) {
    if (op->hooks.open_sink) op->sink = op->hooks.open_sink(op->hooks.context);
    return op->hooks.open_sink || rwd_open_sink(job, op->io, op->clock, &op->budget, &op->sink, err);
}

// C6: what C names decides what is left to do, the first time as well as after a commit of unknown fate.
static bool carry_out(rwd_operator *op, rwd_error *err) {
    rwd_commit c;
    bool found = false;
    if (!op->sink->ops->holds_c(op->sink)) return true;  // C1: checkpoints are the truth
    if (!op->sink->ops->recover(op->sink, &c, &found, err) || (found && !rwd_refuse_successor(op, &c, err))) return false;
    switch (found ? rwd_switch_stage_of(&op->apply_facts, &c) : RWD_SWITCH_ELSEWHERE) {
    case RWD_SWITCH_AFTER: return true;
    case RWD_SWITCH_BEFORE:
    case RWD_SWITCH_UNDER_WAY: return rwd_send_corrections(op, &op->apply_facts, &c, &op->apply_facts.transactions, err);
    case RWD_SWITCH_ELSEWHERE: break;
    }
    return rwd_fail(err, RWD_E_FENCED, "another process moved the position while repair %s was to be published", op->apply_facts.id);
}

static bool switch_lineage(rwd_operator *op, rwd_error *err) {
    rwd_lineage lineage;
    rwd_buf text = {0};
    const rwd_job *job = NULL;
    bool ok = rwd_repo_load_lineage(op->repo, op->apply_facts.new_lineage, &lineage, &text, err);
    rwd_buf_deinit(&text);
    if (!ok) return false;
    rwd_logics *logics = rwd_logics_new(op->repo, op->job);
    ok = rwd_publishing_job(logics, &lineage, op->apply_facts.new_logic, &job, err) && open_sink(op, job, err) && carry_out(op, err);
    // The sink may look at the job until it is closed.
    rwd_drop_sink(op);
    rwd_logics_free(logics);
    rwd_lineage_deinit(&lineage);
    return ok;
}

bool rwd_apply_switch(rwd_operator *op, rwd_error *err) {
    rwd_set_phase(op, RWD_PHASE_REPAIRING);
    if (!switch_lineage(op, err) || !rwd_settle_switch(op, &op->apply_facts, err)) return false;
    op->apply_stage = RWD_APPLY_SWITCHED;
    return true;
}

void rwd_apply_finish(rwd_operator *op) {
    rwd_switch *facts = &op->apply_facts;
    rwd_apply_result result = {
        .state = RWD_RESTORE_DONE, .frontier = facts->next_offset, .rows = facts->rows, .transactions = facts->transactions, .lineage = facts->new_lineage, .digest = facts->new_digest,
        .paused_ns = rwd_clock_ns(op->clock) - op->apply_began_ns,
    };
    memcpy(result.made, facts->new_checkpoint, sizeof(result.made));
    op->status.repairs++;
    rwd_log(RWD_LOG_WARN, "repair", "%s is applied at offset %" PRId64 ": %" PRIu64 " corrections", facts->id, facts->next_offset, facts->rows);
    rwd_switch_deinit(facts);
    op->apply_stage = RWD_APPLY_NONE;
    pthread_mutex_lock(&op->lock);
    op->apply.result = result;
    op->apply.state = RWD_RESTORE_DONE;
    pthread_mutex_unlock(&op->lock);
}
