// Restore: the state at C built again from a chosen checkpoint; and asked for while the operator runs.
//
// On a running operator it is a request that ends the session at a batch boundary and names the checkpoint from which the next one recovers. That recovery is the same as any other:
// it ends at the same C, with the same state. So whatever kills the process on the way, the next start recovers by itself, and nothing is half done.
//
// What must stay true: outputs and C are not touched; a restore that fails leaves what was there, and the operator goes on by an ordinary recovery; who waits for it is always answered.
//
// Thread: as stated in operator.h; the rest is the pipeline's. Locks: op->lock over op->restore, held over nothing else.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/crash_point.h"
#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"

#define WAIT_STEP_NS 20000000LL

// ---- asked for

bool rwd_operator_restore(rwd_operator *op, const char *id, const char *who, const char *why, rwd_error *err) {
    if (rwd_refuse_phase(op, err)) return false;
    pthread_mutex_lock(&op->lock);
    rwd_restoring *r = &op->restore;
    rwd_restore_state apply = op->apply.state;
    bool free_now = r->state != RWD_RESTORE_WANTED && r->state != RWD_RESTORE_RUNNING && apply != RWD_RESTORE_WANTED && apply != RWD_RESTORE_RUNNING;
    if (free_now) {
        *r = (rwd_restoring){.state = RWD_RESTORE_WANTED};
        (void)snprintf(r->id, sizeof(r->id), "%s", id);
        (void)snprintf(r->who, sizeof(r->who), "%s", who);
        (void)snprintf(r->why, sizeof(r->why), "%s", why ? why : "");
        atomic_store(&op->restore_wanted, true);
    }
    pthread_mutex_unlock(&op->lock);
    if (free_now) return true;
    rwd_fail(err, RWD_E_BUSY, "another repair or restore is under way");
    return rwd_error_next(err, "rewind status --data %s", op->data);
}

bool rwd_operator_restore_wait(rwd_operator *op, int64_t timeout_ns, rwd_restore_result *out, rwd_error *err) {
    *out = (rwd_restore_result){0};
    for (int64_t waited = 0;; waited += WAIT_STEP_NS) {
        pthread_mutex_lock(&op->lock);
        rwd_restore_state state = op->restore.state;
        *out = op->restore.result;
        if (state == RWD_RESTORE_FAILED && err) *err = op->restore.error;
        pthread_mutex_unlock(&op->lock);
        out->state = state;
        if (state == RWD_RESTORE_FAILED) return false;
        if (state == RWD_RESTORE_DONE || waited >= timeout_ns) return true;
        op->clock->sleep_ns(op->clock, WAIT_STEP_NS);
    }
}

// ---- the session that ends

static void begin(rwd_operator *op) {
    pthread_mutex_lock(&op->lock);
    op->restore.state = RWD_RESTORE_RUNNING;
    memcpy(op->restore_to, op->restore.id, sizeof(op->restore_to));
    atomic_store(&op->restore_wanted, false);
    pthread_mutex_unlock(&op->lock);
    memcpy(op->status.restoring, op->restore_to, sizeof(op->status.restoring));
    rwd_log(RWD_LOG_WARN, "restore", "going back to checkpoint %s at offset %" PRId64 ", asked for by %s%s%s", op->restore_to, op->position.next_offset, op->restore.who,
            *op->restore.why ? ": " : "", op->restore.why);
}

void rwd_restore_begin_parked(rwd_operator *op) { begin(op); }

// What the state is now, as a checkpoint: to compare the rebuilt one with. That it cannot be had is no reason to stay: it may be why we go back.
static void keep_for_comparison(rwd_operator *op) {
    rwd_error why;
    bool ok = rwd_drive_checkpoint(op, &why);
    if (ok && op->at_boundary && op->committing < 0 && !rwd_checkpoint_is_here(op) && rwd_checkpoint_fits(op))
        ok = rwd_freeze(op, "request", true, &why) && rwd_drive_checkpoint(op, &why);
    if (!ok) rwd_log_error(RWD_LOG_WARN, "restore", &why);
}

bool rwd_restore_begin(rwd_operator *op, rwd_error *err) {
    begin(op);
    RWD_CRASH_POINT(restore_asked);
    // Where commits are fixed to offsets, what was read behind the last one is read again.
    if (op->job->delivery.offset_multiple == 0 && !rwd_end_transaction(op, true, err)) return false;
    if (!rwd_drive_commit(op, err)) return false;
    keep_for_comparison(op);
    RWD_CRASH_POINT(restore_committed);
    return true;
}

void rwd_restore_failed(rwd_operator *op, const rwd_error *why) {
    pthread_mutex_lock(&op->lock);
    bool any = op->restore.state == RWD_RESTORE_WANTED || op->restore.state == RWD_RESTORE_RUNNING;
    if (any) {
        op->restore.state = RWD_RESTORE_FAILED;
        op->restore.error = *why;
    }
    atomic_store(&op->restore_wanted, false);
    pthread_mutex_unlock(&op->lock);
    op->restore_to[0] = op->status.restoring[0] = '\0';
    if (!any) return;
    op->status.restore_failures++;
    rwd_log_error(RWD_LOG_WARN, "restore", why);
}

// ---- the session that begins

// The rebuilt state beside what checkpoints at the same place had: they differ only if one of them was damaged.
static void compare_rebuilt(rwd_operator *op, rwd_restore_result *result) {
    rwd_checkpoint_list list = {0};
    rwd_error ignored;
    if (!rwd_repo_list(op->repo, &list, &ignored)) return;
    for (size_t i = 0; i < list.count; i++) {
        const rwd_checkpoint *other = &list.items[i];
        bool same_place = other->facts.next_offset == op->position.next_offset && other->facts.closings == op->position.closings;
        bool same_history = rwd_hash128_equal(other->facts.history, rwd_lineage_history(&op->lineage, other->facts.next_offset));
        if (strcmp(other->id, op->checkpoint_id) == 0 || !same_place || !same_history || other->state == RWD_CHECKPOINT_BAD) continue;
        bool equal = rwd_hash128_equal(other->digest, op->status.digest);
        if (equal) result->equal++;
        else result->different++;
        rwd_log(equal ? RWD_LOG_INFO : RWD_LOG_WARN, "restore", "checkpoint %s at the same offset has %s digest", other->id, equal ? "the same" : "ANOTHER");
    }
    rwd_checkpoint_list_deinit(&list);
}

static bool enter_history(rwd_operator *op, const char *who, const char *why, rwd_error *err) {
    rwd_history_entry entry = {
        .kind = (char *)"restore", .subject = op->checkpoint_id, .who = (char *)(uintptr_t)who, .why = (char *)(uintptr_t)(why ? why : ""),
        .next_offset = op->position.next_offset, .digest = op->status.digest, .lineage = rwd_lineage_id(&op->lineage),
    };
    return rwd_repo_history_append(op->repo, &entry, err);
}

// The state at C was rebuilt; it becomes a checkpoint of its own.
static bool make_checkpoint(rwd_operator *op, const char *who, const char *why, rwd_restore_result *result, rwd_error *err) {
    RWD_CRASH_POINT(restore_rebuilt);
    if (!rwd_freeze(op, "restore", true, err) || !rwd_drive_checkpoint(op, err)) return false;
    compare_rebuilt(op, result);
    RWD_CRASH_POINT(restore_checkpoint);
    return enter_history(op, who, why, err);
}

bool rwd_finish_restore(rwd_operator *op, rwd_error *err) {
    rwd_restore_result result = {0};
    char *who = rwd_strf("uid %u", (unsigned)getuid());
    bool ok = make_checkpoint(op, who, op->options.reason, &result, err);
    free(who);
    if (ok) op->status.restores++;
    return ok && rwd_set_aside_above(op, err);
}

bool rwd_finish_live_restore(rwd_operator *op, rwd_error *err) {
    rwd_restore_result result = {.state = RWD_RESTORE_DONE};
    if (!make_checkpoint(op, op->restore.who, op->restore.why, &result, err)) return false;
    memcpy(result.from, op->restore_to, sizeof(result.from));
    memcpy(result.made, op->checkpoint_id, sizeof(result.made));
    result.frontier = op->position.next_offset;
    result.digest = op->status.digest;
    op->status.restores++;
    op->restore_to[0] = op->status.restoring[0] = '\0';
    pthread_mutex_lock(&op->lock);
    op->restore.result = result;
    op->restore.state = RWD_RESTORE_DONE;
    pthread_mutex_unlock(&op->lock);
    return true;
}
