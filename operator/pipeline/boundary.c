// Where batches end: transactions, checkpoints, and the waiting that both may need.
//
//   K1  a freeze happens only where a transaction ends, and becomes a checkpoint only once that commit is known;
//   C1  outputs and C are committed together by the sink, on its own thread: the pipeline goes on meanwhile;
//   K2  when no clean slot is left, the pipeline commits and checkpoints early, or waits.
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "operator/base/crash_point.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"

// How often a skipped checkpoint is said again.
#define RWD_DISK_WARN_NS 60000000000LL

void rwd_commit_metadata(const rwd_operator *op, rwd_commit *out) {
    *out = (rwd_commit){
        .next_offset = op->position.next_offset,
        .closings = op->position.closings,
        .source = op->source_hash,
        .repository = rwd_repo_id(op->repo),
        .owner = op->owner,
        .term = rwd_repo_term(op->repo),
        .lineage = rwd_lineage_id(&op->lineage),
        .switch_number = op->switch_number,
        .input_count = op->position.input_count,
        .input_hash = op->position.input_hash,
    };
}

// ---------------------------------------------------------------------------------------------- commits

static bool publishes(const rwd_job_sink *sink, uint16_t table) { return sink->table == table && sink->emit == RWD_EMIT_COMMIT; }

_Static_assert(RWD_SINKS_MAX <= 32, "a bit for each sink");

uint32_t rwd_sinks_passed(rwd_operator *op, rwd_emit emit, uint16_t table, rwd_slice key, const uint8_t *row) {
    uint32_t passed = 0;
    bool begun = false;
    for (size_t s = 0; row && s < op->job->sink_count; s++) {
        const rwd_job_sink *sink = &op->job->sinks[s];
        if (sink->table != table || sink->emit != emit) continue;
        if (sink->where && !begun) rwd_answers_begin(&op->answers, &op->job->tables[table], key, row);
        begun |= sink->where != NULL;
        if (rwd_answers_pass(&op->answers, sink->where)) passed |= (uint32_t)1 << s;
    }
    return passed;
}

static uint64_t mark_change(void *context, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t row_size) {
    rwd_operator *op = context;
    (void)row_size;
    uint64_t watched = op->watch && rwd_watch_wants(op->watch, table) ? rwd_watch_mark(op->watch, table, key, row) : 0;
    return watched | rwd_sinks_passed(op, RWD_EMIT_COMMIT, table, key, row);
}

// Without conditions and invariants the tables know by themselves whether a key was there.
void rwd_track_changes(rwd_operator *op) {
    if (op->watch) rwd_watch_live(op->watch, op->position.next_offset);
    for (size_t t = 0; t < op->job->table_count; t++) {
        bool watched = op->watch && rwd_watch_wants(op->watch, (uint16_t)t), tracked = watched, judged = watched;
        for (size_t s = 0; s < op->job->sink_count; s++) {
            bool wanted = publishes(&op->job->sinks[s], (uint16_t)t);
            tracked |= wanted;
            judged |= wanted && op->job->sinks[s].where;
        }
        if (tracked) rwd_tables_track_changes(op->tables, (uint16_t)t, true, judged ? mark_change : NULL, op);
    }
}

// E1. Several sinks may want one table: its changes are taken once and put into each that the row passes now, or passed at the last commit.
void rwd_put_change(void *context, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t row_size, uint64_t passed) {
    rwd_operator *op = context;
    uint32_t passes = rwd_sinks_passed(op, RWD_EMIT_COMMIT, table, key, row);
    for (size_t s = 0; s < op->job->sink_count; s++) {
        if (!publishes(&op->job->sinks[s], table)) continue;
        bool now = passes >> s & 1, before = passed >> s & 1;
        if (now || before) op->sink->ops->put_row(op->sink, s, key, now ? row : NULL, now ? row_size : 0, op->position.next_offset - 1);
    }
}

static void take_change(void *context, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t row_size, uint64_t mark) {
    rwd_operator *op = context;
    rwd_put_change(op, table, key, row, row_size, mark);
    if (op->watch && rwd_watch_wants(op->watch, table)) rwd_watch_change(op->watch, table, key, row, mark);
}

// emit: commit publishes the newest value of every key changed since the last commit (E1). S5: the same keys are looked at.
static void put_changes(rwd_operator *op) {
    for (size_t t = 0; t < op->job->table_count; t++) {
        bool wanted = op->watch && rwd_watch_wants(op->watch, (uint16_t)t);
        for (size_t s = 0; s < op->job->sink_count; s++) wanted |= publishes(&op->job->sinks[s], (uint16_t)t);
        if (wanted) rwd_tables_take_changes(op->tables, (uint16_t)t, take_change, op);
    }
}

static void committed(rwd_operator *op, const rwd_commit *commit) {
    op->frontier = commit->next_offset;
    op->frontier_closings = commit->closings;
    op->committing = -1;
    op->commit_started = true;
    op->knows_c = true;
    op->known_c = commit->next_offset;
    op->known_closings = commit->closings;
    op->known_owner = commit->owner;
    RWD_CRASH_POINT(commit_known);
    if (op->freeze_waits && op->freeze_at == commit->next_offset && op->freeze_closings == commit->closings) {
        op->freeze_waits = false;
        rwd_checkpointer_committed(op->checkpointer);  // K1
    }
    if (op->keeper) rwd_keeper_notify(op->keeper, &op->lineage, op->frontier, NULL);
}

static bool poll_commit(rwd_operator *op, rwd_error *err) {
    if (op->committing < 0) return true;
    rwd_commit commit;
    rwd_error why;
    switch (op->sink->ops->poll(op->sink, &commit, &why)) {
    case RWD_COMMIT_IDLE:
    case RWD_COMMIT_RUNNING: return true;
    case RWD_COMMIT_COMMITTED: committed(op, &commit); return true;
    case RWD_COMMIT_ABORTED:
    case RWD_COMMIT_FENCED: *err = why; return false;
    case RWD_COMMIT_UNKNOWN:
        // C6: neither memory nor the offset decides; recovery reads what stands there.
        *err = why;
        err->decision = RWD_ROLLBACK;
        return false;
    }
    return rwd_fail(err, RWD_E_INTERNAL, "the sink gave an outcome that does not exist");
}

// Precondition: the sink is ready.
static void commit_here(rwd_operator *op) {
    rwd_commit commit;
    rwd_commit_metadata(op, &commit);
    RWD_CRASH_POINT(commit_begin);
    if (op->journal) rwd_journal_flush(op->journal);  // a kill soon after leaves [X, C) to be replayed without the topic
    op->sink->ops->commit_async(op->sink, &commit);
    op->committing = commit.next_offset;
    op->at_boundary = true;
    op->commit_started_ns = rwd_clock_ns(op->clock);
    op->sink->ops->begin(op->sink);
}

// C3: brokers forget a position that is not committed again for long; the same C, in a transaction.
static void commit_idle(rwd_operator *op, int64_t now) {
    bool due = op->at_boundary && op->committing < 0 && now - op->commit_started_ns >= op->job->delivery.idle_every_ns;
    if (due && rwd_job_commits_to_kafka(op->job) && op->sink->ops->ready(op->sink)) commit_here(op);
}

bool rwd_end_transaction(rwd_operator *op, bool must, rwd_error *err) {
    if (op->at_boundary) return true;  // nothing was read since the last one
    if (!poll_commit(op, err)) return false;
    if (op->committing >= 0 || !op->sink->ops->ready(op->sink)) {
        if (!must) return true;
        if (!rwd_drive_commit(op, err)) return false;
    }
    assert(op->sink->ops->ready(op->sink));
    if (op->sink->ops->stamp) op->sink->ops->stamp(op->sink, op->record_time_us);
    put_changes(op);
    // S5: before anything of it is sent.
    if (op->watch && !rwd_watch_judge(op->watch, op->source->ops->label(op->source), op->position.next_offset, err)) {
        rwd_remember_hold(op, err);
        return false;
    }
    commit_here(op);
    return true;
}

// ---------------------------------------------------------------------------------------------- checkpoints

// Nothing has changed since the newest checkpoint.
bool rwd_checkpoint_is_here(const rwd_operator *op) {
    return op->checkpoint_at == op->position.next_offset && op->checkpoint_closings == op->position.closings;
}

bool rwd_checkpoint_fits(rwd_operator *op) {
    rwd_tables_stats stats;
    rwd_tables_get_stats(op->tables, &stats);
    uint64_t free_bytes = 0;
    rwd_error ignored;
    if (!rwd_disk_free(op->data, &free_bytes, &ignored)) return true;  // then the attempt says what is wrong
    uint64_t need = stats.dirty_bytes + RWD_DISK_MARGIN;
    if (free_bytes >= need) return true;
    int64_t now = rwd_clock_ns(op->clock);
    if (op->disk_warned_ns == 0 || now - op->disk_warned_ns > RWD_DISK_WARN_NS) {
        op->disk_warned_ns = now;
        char have[RWD_TIME_TEXT_MAX], want[RWD_TIME_TEXT_MAX];
        rwd_size_text(free_bytes, have);
        rwd_size_text(need, want);
        rwd_log(RWD_LOG_WARN, "checkpoint", "skipped: %s: %s are free, a checkpoint may need %s. Output goes on; a restart will replay from offset %" PRId64
                ". Free space, or: rewind checkpoint prune --data %s", op->data, have, want, op->checkpoint_at, op->data);
    }
    return false;
}

// The cursor that belongs to position: behind the last applied record, while its batch is in hand; as it was kept then; or, before any, where the
// source was assigned.
static bool fill_cursor(rwd_operator *op, rwd_error *err) {
    if (!op->last_record && op->cursor.size > 0) return true;
    rwd_buf_clear(&op->cursor);
    return op->source->ops->cursor(op->source, op->last_record, &op->cursor, err);
}

bool rwd_release_batch(rwd_operator *op, rwd_error *err) {
    bool ok = !op->last_record || fill_cursor(op, err);
    op->source->ops->release(op->source);
    op->last_record = NULL;
    return ok;
}

bool rwd_freeze(rwd_operator *op, const char *reason, bool committed_already, rwd_error *err) {
    assert(op->freeze_at < 0 && !rwd_checkpointer_busy(op->checkpointer));
    if (!fill_cursor(op, err)) return false;
    if (op->watch) rwd_watch_look(op->watch);
    char *violated = op->watch ? rwd_watch_violated(op->watch) : NULL;
    rwd_tables_stats stats;
    rwd_tables_get_stats(op->tables, &stats);
    rwd_dead_stats dead;
    rwd_dead_get_stats(op->dead, &dead);
    rwd_facts facts = {
        .next_offset = op->position.next_offset,
        .closings = op->position.closings,
        .frontier = committed_already ? op->frontier : op->position.next_offset,
        .cursor = rwd_buf_slice(&op->cursor),
        .source_identity = rwd_buf_slice(&op->source_identity),
        .source = op->source_hash,
        .stream_time = op->position.stream_time,
        .counts = op->position.counts,
        .dead = {.known = true, .since = op->dead_since, .open = dead.open_total, .failed = dead.failed_total},
        .input_count = op->position.input_count,
        .input_hash = op->position.input_hash,
        .lineage = rwd_lineage_id(&op->lineage),
        .history = rwd_lineage_history(&op->lineage, op->position.next_offset),
        .fingerprint = op->job->logic,
        .keys = stats.keys,
        .reason = reason,
        .violated = violated,
        .rebuilt = op->rebuilt,
    };
    op->freeze_at = facts.next_offset;
    op->freeze_closings = facts.closings;
    op->freeze_waits = !committed_already;
    op->freeze_reason = reason;
    op->checkpoint_started_ns = rwd_clock_ns(op->clock);
    rwd_begin_checkpoints(op);
    rwd_checkpointer_begin(op->checkpointer, &facts);
    free(violated);
    RWD_CRASH_POINT(freeze_begun);
    if (committed_already) rwd_checkpointer_committed(op->checkpointer);
    return true;
}

static void note_pause(rwd_operator *op, int64_t began_ns) {
    int64_t took = rwd_clock_ns(op->clock) - began_ns;
    if (took > op->status.pause_max_ns) op->status.pause_max_ns = took;
}

static bool poll_checkpoint(rwd_operator *op, rwd_error *err) {
    if (op->freeze_at < 0) return true;
    rwd_checkpoint_result result;
    switch (rwd_checkpointer_poll(op->checkpointer, &result)) {
    case RWD_CHECKPOINT_IDLE:
    case RWD_CHECKPOINT_RUNNING: return true;
    case RWD_CHECKPOINT_DONE:
        RWD_CRASH_POINT(checkpoint_thawed);
        op->freeze_at = -1;
        op->checkpoint_at = result.next_offset;
        op->checkpoint_closings = op->freeze_closings;
        memcpy(op->checkpoint_id, result.id, sizeof(op->checkpoint_id));
        op->status.checkpoints++;
        op->status.digest = result.digest;
        op->status.checkpoint_us = rwd_clock_wall_us(op->clock);
        op->status.checkpoint_ns = rwd_clock_ns(op->clock) - op->checkpoint_started_ns;
        rwd_answer_checkpoints(op, result.id, NULL);
        if (op->source->ops->show && !rwd_job_commits_to_kafka(op->job)) op->source->ops->show(op->source, result.next_offset);
        if (op->keeper) rwd_keeper_notify(op->keeper, &op->lineage, op->frontier, result.id);
        return true;
    case RWD_CHECKPOINT_FAILED:
        op->freeze_at = -1;
        op->freeze_waits = false;
        op->status.checkpoint_failures++;
        rwd_answer_checkpoints(op, NULL, &result.error);
        *err = result.error;
        return false;
    }
    return rwd_fail(err, RWD_E_INTERNAL, "the checkpointer gave an outcome that does not exist");
}

// A checkpoint that came back from elsewhere has other inodes than its manifest says: those that its files have now count as well, set aside or not.
static bool in_use(rwd_operator *op, const char *id, const rwd_checkpoint_file *file) {
    struct stat live, theirs;
    char path[RWD_PATH_MAX], folder[RWD_PATH_MAX], aside[RWD_PATH_MAX + 8];
    rwd_error ignored;
    if (!rwd_path_join(path, op->live, file->name, &ignored) || stat(path, &live) != 0) return false;
    if ((uint64_t)live.st_ino == file->inode) return true;
    if (!rwd_repo_checkpoint_path(op->repo, id, folder, &ignored)) return false;
    (void)snprintf(aside, sizeof(aside), "%s.bad", folder);
    if (rwd_path_join(path, folder, file->name, &ignored) && stat(path, &theirs) == 0) return theirs.st_ino == live.st_ino;
    return rwd_path_join(path, aside, file->name, &ignored) && stat(path, &theirs) == 0 && theirs.st_ino == live.st_ino;
}

// Do the files in use share bytes with that checkpoint? Where it cannot be told, they do.
static bool shares_with_live(rwd_operator *op, const char *id) {
    rwd_checkpoint_list list = {0};
    rwd_error ignored;
    if (!rwd_repo_list(op->repo, &list, &ignored)) return true;
    bool known = false, shared = false;
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.items[i].id, id) != 0 || list.items[i].file_count == 0) continue;
        known = true;
        for (size_t f = 0; f < list.items[i].file_count; f++) shared |= in_use(op, id, &list.items[i].files[f]);
    }
    rwd_checkpoint_list_deinit(&list);
    return shared || !known;
}

static bool poll_keeper(rwd_operator *op, rwd_error *err) {
    char id[RWD_CHECKPOINT_ID];
    rwd_error why;
    if (!op->keeper || !rwd_keeper_found_bad(op->keeper, id, &why)) return true;
    op->status.quarantined++;
    if (!shares_with_live(op, id)) return true;  // said aloud by the keeper; what is in use is not touched by it
    // K5: the files in use are links to bytes of the same checkpoint; what was read from them is not to be trusted.
    *err = why;
    err->decision = RWD_ROLLBACK;
    return false;
}

bool rwd_poll_outcomes(rwd_operator *op, rwd_error *err) {
    return poll_commit(op, err) && poll_checkpoint(op, err) && poll_keeper(op, err);
}

bool rwd_out_of_time(rwd_operator *op) {
    if (!atomic_load(&op->stop)) return false;
    int64_t now = rwd_clock_ns(op->clock);
    if (op->stop_seen_ns == 0) op->stop_seen_ns = now;
    return now - op->stop_seen_ns >= op->job->stop_timeout_ns;
}

bool rwd_drive_commit(rwd_operator *op, rwd_error *err) {
    while (op->committing >= 0) {
        if (op->sink->ops->give_up && rwd_out_of_time(op)) {
            rwd_fail(err, RWD_E_BROKER, "stopped before the commit of offset %" PRId64 " was answered; committed is %" PRId64, op->committing, op->frontier);
            return rwd_error_next(err, "start it again: it goes on from what was committed");
        }
        rwd_watchdog_end(&op->dog, RWD_STAGE_DECODE);  // it is the sink that is waited for
        op->sink->ops->wait(op->sink, RWD_IDLE_NS);
        if (!poll_commit(op, err)) return false;
        rwd_publish(op, false);
    }
    return true;
}

bool rwd_drive_checkpoint(rwd_operator *op, rwd_error *err) {
    while (op->freeze_at >= 0) {
        if (op->freeze_waits && !rwd_drive_commit(op, err)) return false;
        rwd_watchdog_end(&op->dog, RWD_STAGE_DECODE);  // it is the checkpoint that is waited for
        rwd_checkpointer_sweep(op->checkpointer, RWD_SWEEP_SLOTS * 4);
        rwd_checkpointer_wait(op->checkpointer, 1000000);
        if (!poll_checkpoint(op, err)) return false;
        rwd_publish(op, false);
    }
    return true;
}

static bool is_between_fixed_commits(const rwd_operator *op, bool live) { return live && op->job->delivery.offset_multiple > 0 && !op->at_boundary; }

bool rwd_can_relieve(const rwd_operator *op, bool live) {
    return op->freeze_at >= 0 || (!op->inside_record && !is_between_fixed_commits(op, live) && !rwd_checkpoint_is_here(op));
}

bool rwd_relieve(rwd_operator *op, bool live, rwd_error *err) {
    if (op->freeze_at >= 0) return rwd_drive_checkpoint(op, err);  // slots are clean once it is durable
    if (is_between_fixed_commits(op, live)) {
        rwd_fail(err, RWD_E_RESOURCE, "state.memory cannot hold the keys that change between two commits fixed to offsets");
        return rwd_error_next(err, "raise state.memory, or lower delivery.commit_at.offset_multiple (now %" PRId64 ")",
                              op->job->delivery.offset_multiple);
    }
    bool inside = op->inside_record;
    if (live && !inside && !rwd_end_transaction(op, true, err)) return false;
    if (inside || rwd_checkpoint_is_here(op)) {
        rwd_fail(err, RWD_E_RESOURCE, "state.memory cannot hold the keys of one record%s", inside ? " and of what amendments insert before it" : "");
        return rwd_error_next(err, "raise state.memory (now %" PRIu64 " bytes)", op->job->state.memory);
    }
    if (!rwd_checkpoint_fits(op)) {
        rwd_fail(err, RWD_E_DISK_FULL, "the changed keys no longer fit into state.memory, and no checkpoint can be written");
        rwd_error_at(err, "%s", op->data);
        return rwd_error_next(err, "free space there, or: rewind checkpoint prune --data %s", op->data);
    }
    bool known = !live || op->committing < 0;
    return rwd_freeze(op, "memory", known, err) && rwd_drive_checkpoint(op, err);
}

// ---------------------------------------------------------------------------------------------- what is due

// What the open transaction holds: rows and dead letters put already, and keys whose newest value will be put at its end.
static uint64_t pending_bytes(rwd_operator *op) { return op->sink->ops->pending_bytes(op->sink) + rwd_tables_changed_bytes(op->tables); }

static bool commit_due(rwd_operator *op, int64_t now) {
    if (op->at_boundary || op->held || op->job->delivery.offset_multiple > 0) return false;
    if (now - op->commit_started_ns >= op->job->delivery.commit_every_ns) return true;
    return pending_bytes(op) > op->budget.limit[RWD_SHARE_SINK] / 2;
}

static const char *checkpoint_due(rwd_operator *op, int64_t now) {
    if (op->freeze_at >= 0) return NULL;
    if (rwd_checkpoint_requested(op)) return "request";
    if (rwd_checkpoint_is_here(op)) return NULL;
    if (rwd_tables_pressed(op->tables) || (op->timers && rwd_timers_pressed(op->timers)) || (op->dedup && rwd_dedup_pressed(op->dedup)) ||
        rwd_dead_pressed(op->dead)) return "memory";
    return !op->held && now - op->checkpoint_started_ns >= op->job->checkpoints.every_ns ? "interval" : NULL;
}

// The open transaction has reached its share of the memory: a slow sink slows the fetch, never grows a queue.
static bool bound_transaction(rwd_operator *op, rwd_error *err) {
    if (op->job->delivery.offset_multiple == 0) return rwd_end_transaction(op, true, err);
    if (op->at_boundary) return true;
    rwd_fail(err, RWD_E_RESOURCE, "state.memory cannot hold the output between two commits fixed to offsets");
    return rwd_error_next(err, "raise state.memory, or lower delivery.commit_at.offset_multiple (now %" PRId64 ")", op->job->delivery.offset_multiple);
}

bool rwd_batch_boundary(rwd_operator *op, rwd_error *err) {
    int64_t now = rwd_clock_ns(op->clock);
    if (!rwd_poll_outcomes(op, err)) return false;
    const char *reason = checkpoint_due(op, now);
    if ((reason && op->job->delivery.offset_multiple == 0) || commit_due(op, now)) {
        if (!rwd_end_transaction(op, false, err)) return false;
    }
    commit_idle(op, now);
    if (pending_bytes(op) > op->budget.limit[RWD_SHARE_SINK] && !bound_transaction(op, err)) return false;
    if (reason && op->at_boundary) {
        if (rwd_checkpoint_fits(op)) {
            if (!rwd_freeze(op, reason, op->committing < 0, err)) return false;
        } else {
            op->checkpoint_started_ns = now;  // tried again after the next interval
            op->status.checkpoints_skipped++;
            rwd_error full;
            rwd_fail(&full, RWD_E_DISK_FULL, "no room for a checkpoint at %s", op->data);
            rwd_answer_checkpoints(op, NULL, &full);
        }
    }
    if (op->freeze_at >= 0) rwd_checkpointer_sweep(op->checkpointer, RWD_SWEEP_SLOTS);
    if (op->freeze_at >= 0 || reason) note_pause(op, now);
    rwd_warm_up(op);
    rwd_publish(op, false);
    return true;
}

bool rwd_finish(rwd_operator *op, bool input_ended, rwd_error *err) {
    rwd_set_phase(op, RWD_PHASE_STOPPING);
    if (op->job->delivery.offset_multiple > 0 && !input_ended && !op->at_boundary) {
        // Commits fixed to offsets fall nowhere else: what was read behind the last one is read again by the next start. A state that no
        // transaction ends cannot be frozen either (K1).
        return rwd_drive_checkpoint(op, err) && rwd_drive_commit(op, err);
    }
    if (!rwd_end_transaction(op, true, err) || !rwd_drive_checkpoint(op, err) || !rwd_drive_commit(op, err)) return false;
    if (!rwd_checkpoint_is_here(op)) {
        if (!rwd_checkpoint_fits(op)) {
            rwd_fail(err, RWD_E_DISK_FULL, "output is committed up to offset %" PRId64 ", but there is no room for the last checkpoint", op->frontier);
            rwd_error_at(err, "%s", op->data);
            return rwd_error_next(err, "free space there and run again: it replays from offset %" PRId64, op->checkpoint_at);
        }
        if (!rwd_freeze(op, "final", true, err) || !rwd_drive_checkpoint(op, err)) return false;
    }
    return true;
}
