// Recovery: from an open repository to a state at C (C4), and genesis (C2).
//
//   (1) the lock is held already (rwd_operator_open)
//   (2) look at C; stop before taking over if it is foreign
//   (3) take over the output: a new commit log, outputs cut (C1)
//   (4) C as it now stands
//   (5) the newest good checkpoint of C's history with X <= C
//   (6) silent replay of [X, C): state changes, no output (C9)
//   (7) the input digest must be C's (E4)
//   (8) live at C
//
// Thread: pipeline.
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "operator/base/crash_point.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"
#include "operator/pipeline/rooms.h"
#include "operator/source/amended.h"

#define KEPT_ON_THE_WAY 2

// (2) What can be judged without touching anything.
static bool refuse_foreign(rwd_operator *op, const rwd_commit *commit, rwd_error *err) {
    char theirs[RWD_HASH128_HEX], ours[RWD_HASH128_HEX];
    bool kafka = rwd_job_commits_to_kafka(op->job);
    if (!rwd_hash128_equal(commit->repository, rwd_repo_id(op->repo))) {
        rwd_hash128_hex(commit->repository, theirs);
        rwd_hash128_hex(rwd_repo_id(op->repo), ours);
        if (rwd_repo_is_new(op->repo)) {
            rwd_fail(err, RWD_E_FOREIGN, "output is committed up to offset %" PRId64 " by repository %.8s, but this data directory is new: its checkpoints "
                     "are lost or elsewhere", commit->next_offset, theirs);
            rwd_error_at(err, "%s", op->data);
            return rwd_error_next(err, "point state.path at the directory that made this output; or bring back a copy of a checkpoint: rewind checkpoint copy %s --from DIR; "
                                  "or rebuild the state from these outputs: rewind restore %s --from-output LIST; or, to start over, %s",
                                  op->job->file, op->job->file, kafka ? "take other topics and another `group`" : "move the output and its .commits log away");
        }
        rwd_fail(err, RWD_E_FOREIGN, "output is committed by repository %.8s, not by this one (%.8s)", theirs, ours);
        rwd_error_at(err, "%s", op->data);
        return rwd_error_next(err, kafka ? "give this job a `group` and topics of its own, or point state.path at the directory that made this output"
                                         : "give this job its own output paths, or point state.path at the directory that made this output");
    }
    if (!rwd_hash128_equal(commit->source, op->source_hash)) {
        rwd_fail(err, RWD_E_FOREIGN, "output is committed for another input than %s", op->source->ops->label(op->source));
        rwd_error_at(err, "%s", op->data);
        return rwd_error_next(err, "give each input a job name or state.path of its own");
    }
    return true;
}

void rwd_set_lineage(rwd_operator *op, const rwd_lineage *lineage) {
    pthread_mutex_lock(&op->lock);
    rwd_lineage_deinit(&op->lineage);
    op->lineage = *lineage;
    pthread_mutex_unlock(&op->lock);
    rwd_amended_source_use(op->source, op->lineage.amendments, op->lineage.amendment_count);
}

// C6: another process has moved C since this one knew it: whoever that is goes on, and is not fenced by us.
bool rwd_refuse_successor(rwd_operator *op, const rwd_commit *commit, rwd_error *err) {
    if (!op->knows_c || commit->owner == op->owner) return true;
    if (commit->owner == op->known_owner && commit->next_offset == op->known_c && commit->closings == op->known_closings) return true;
    (void)rwd_fail(err, RWD_E_FENCED, "offset %" PRId64 " was committed by another process (term %" PRIu64 ") after this one", commit->next_offset, commit->term);
    (void)rwd_error_at(err, "%s", op->data);
    return rwd_error_next(err, "let one process run for each partition");
}

static void new_lineage(rwd_operator *op, int64_t genesis) {
    rwd_lineage lineage;
    rwd_lineage_init(&lineage, op->source_hash, genesis);
    rwd_lineage_add_segment(&lineage, (rwd_lineage_segment){.from = genesis, .logic = op->job->logic, .sinks = op->job->sinks_hash});
    rwd_set_lineage(op, &lineage);
}

static void start_at(rwd_operator *op, const rwd_facts *facts) {
    op->position = (rwd_position){
        .next_offset = facts->next_offset, .closings = facts->closings, .stream_time = facts->stream_time, .counts = facts->counts, .input_count = facts->input_count,
        .input_hash = facts->input_hash,
    };
    memset(op->amended, 0, sizeof(op->amended));
    free(op->rebuilt);
    op->rebuilt = facts->rebuilt ? rwd_strdup(facts->rebuilt) : NULL;
    op->last_record = NULL;
    rwd_buf_clear(&op->cursor);
    rwd_buf_append_slice(&op->cursor, facts->cursor);
    // A checkpoint that was made before the index was kept has none: it begins there, as the index of a job without dead letters.
    op->dead_since = facts->dead.known ? facts->dead.since : facts->counts.dead > 0 ? facts->next_offset : 0;
    if (facts->dead.known || facts->counts.dead == 0) return;
    rwd_log(RWD_LOG_WARN, "recovery", "the checkpoint is older than the index of open dead letters: those of records below offset %" PRId64 " are in the dead-letter output only, and "
            "cannot be redriven. To have them, too, build the state again from a checkpoint before them: rewind restore --offset N", facts->next_offset);
}

bool rwd_commit_lineage(rwd_operator *op, rwd_error *err) {
    rwd_commit commit;
    rwd_commit_metadata(op, &commit);
    op->sink->ops->commit_async(op->sink, &commit);
    op->committing = commit.next_offset;
    RWD_CRASH_POINT(change_committing);
    return rwd_drive_commit(op, err);
}

static bool commit_genesis(rwd_operator *op, rwd_error *err) {
    op->sink->ops->begin(op->sink);
    rwd_commit commit;
    rwd_commit_metadata(op, &commit);
    op->sink->ops->commit_async(op->sink, &commit);
    op->committing = commit.next_offset;
    RWD_CRASH_POINT(genesis_committing);
    if (!rwd_drive_commit(op, err)) return false;
    RWD_CRASH_POINT(genesis_committed);
    // Without outputs nothing keeps C, so there is nothing to mark: a place for dead letters may still be given later.
    return !op->sink->ops->holds_c(op->sink) || rwd_repo_mark_genesis_committed(op->repo, err);
}

// C6: whoever took over says so in C's metadata before it reads on. So one that slept meanwhile finds another owner there, and is fenced for good; else the two
// would fence each other until one of them had something to commit.
static bool claim(rwd_operator *op, const rwd_commit *commit, rwd_error *err) {
    if (!rwd_job_commits_to_kafka(op->job) || op->options.restore_to || commit->owner == op->owner) return true;
    op->sink->ops->begin(op->sink);
    rwd_commit ours;
    rwd_commit_metadata(op, &ours);
    op->sink->ops->commit_async(op->sink, &ours);
    op->committing = ours.next_offset;
    RWD_CRASH_POINT(kafka_claim);
    return rwd_drive_commit(op, err);
}

// C2: a durable empty checkpoint at S, then C = S, then the mark; only then is anything read.
static bool genesis(rwd_operator *op, rwd_error *err) {
    int64_t low = 0, high = 0;
    if (!op->source->ops->bounds(op->source, &low, &high, err)) return false;
    if (op->source->ops->start && !op->source->ops->start(op->source, &low, err)) return false;
    new_lineage(op, low);
    if (!op->source->ops->assign(op->source, low, rwd_slice_of(NULL, 0), err)) return false;
    start_at(op, &(rwd_facts){.next_offset = low, .stream_time = RWD_TIME_NONE});
    op->frontier = low;
    if (!rwd_open_participants(op, NULL, err)) return false;
    if (!rwd_logics_save(op->logics, &op->lineage, err) || !rwd_freeze(op, "genesis", true, err) || !rwd_drive_checkpoint(op, err)) return false;
    RWD_CRASH_POINT(genesis_checkpoint);
    return rwd_confirm_journal(op, err) && commit_genesis(op, err);
}

// E4: records between a checkpoint and C are not what they were. Only a checkpoint at C itself would not need them, and older ones need more.
static bool advise_on_range(const rwd_operator *op, rwd_error *err) {
    rwd_error_at(err, "%s", op->source->ops->label(op->source));
    if (rwd_job_commits_to_kafka(op->job))
        return rwd_error_next(err, "compaction, retention or a new topic took them; start over with another `group` and other output topics: rewind run %s --fresh",
                              op->job->file);
    return rwd_error_next(err, "put back the input as it was; or start over, with all that is there moved aside: rewind run %s --fresh", op->job->file);
}

// Nothing is left of a replay to `to` where the input ends, and ends there: what lies between is no record.
static bool ends_at(rwd_operator *op, int64_t to) {
    int64_t low, high;
    rwd_error ignored;
    return op->source->ops->bounds(op->source, &low, &high, &ignored) && high >= to;
}

// Of those made on the way the newest two serve: more would only hold files.
static void prune_on_the_way(rwd_operator *op) {
    rwd_prune_plan pruned = {0};
    rwd_error why;
    if (!rwd_repo_prune(op->repo, &op->lineage, op->position.next_offset, &(rwd_keep){.last = KEPT_ON_THE_WAY}, true, &pruned, &why)) rwd_log_error(RWD_LOG_WARN, "shadow", &why);
    rwd_prune_plan_deinit(&pruned);
}

// A shadow that is killed goes on from the newest of these. The batch is in hand, and a record ends here.
static bool checkpoint_on_the_way(rwd_operator *op, rwd_error *err) {
    const rwd_replay_manner *manner = op->options.manner;
    if (op->freeze_at >= 0) return rwd_poll_outcomes(op, err);
    if (!manner || manner->every_ns == 0 || rwd_clock_ns(op->clock) - op->checkpoint_started_ns < manner->every_ns) return true;
    if (rwd_checkpoint_is_here(op) || !rwd_checkpoint_fits(op)) return true;
    prune_on_the_way(op);
    return rwd_freeze(op, "shadow", true, err);
}

static void keep_pace(rwd_operator *op, int64_t worked_ns) {
    const rwd_replay_manner *manner = op->options.manner;
    int64_t left = manner && manner->pace ? manner->pace(manner->pace_context, worked_ns) : 0;
    for (; left > 0 && !atomic_load(&op->stop); left -= RWD_IDLE_NS) {
        op->clock->sleep_ns(op->clock, left < RWD_IDLE_NS ? left : RWD_IDLE_NS);
        rwd_publish(op, false);
    }
}

// (6) Silent replay up to C. `committed`: the last record below `to` is known to have been at to - 1; else there may be none there (a shadow's place).
static bool replay(rwd_operator *op, int64_t from, int64_t to, bool committed, rwd_error *err) {
    int64_t began = rwd_clock_ns(op->clock);
    op->replay_began_ns = began;
    op->status.replay_from = from;
    op->status.replay_to = to;
    if (from < to) rwd_set_phase(op, RWD_PHASE_REPLAYING);
    while (op->position.next_offset < to) {
        if (atomic_load(&op->stop)) {
            rwd_fail(err, RWD_E_BUSY, "stopped during silent replay, at offset %" PRId64 " of %" PRId64, op->position.next_offset, to);
            return rwd_error_next(err, "start the same command again; outputs stand as they were");
        }
        rwd_batch batch;
        if (!op->source->ops->batch(op->source, RWD_BATCH_MAX, RWD_IDLE_NS, &batch, err)) return false;
        int64_t batch_began = rwd_clock_ns(op->clock);
        size_t done = 0;
        bool ok = rwd_apply_records(op, batch.records, batch.count, to, false, &done, err);
        // C8: caught up by a delivered offset at or above the target, never by a count.
        bool past = ok && done < batch.count;
        if (ok && past && committed && op->position.next_offset < to) {
            ok = rwd_fail(err, RWD_E_SOURCE_CHANGED, "of the committed records [%" PRId64 ", %" PRId64 ") the input has none from offset %" PRId64 " on any more",
                          from, to, op->position.next_offset);
            advise_on_range(op, err);
        }
        ok = ok && checkpoint_on_the_way(op, err);
        if (ok && op->freeze_at >= 0) rwd_checkpointer_sweep(op->checkpointer, RWD_SWEEP_SLOTS);
        if (ok && op->watch) rwd_watch_look(op->watch);
        if (ok) rwd_warm_up(op);
        rwd_error second;
        bool released = rwd_release_batch(op, ok ? err : &second);
        if (!ok || !released) return false;
        if (past && !committed) break;
        // The batch reaches beyond C: go live from here, by the cursor.
        if (past && !op->source->ops->assign(op->source, to, rwd_buf_slice(&op->cursor), err)) return false;
        if (batch.count == 0 && batch.end && !committed) {
            if (ends_at(op, to)) break;
            rwd_fail(err, RWD_E_POSITION, "the input ends at offset %" PRId64 ", below %" PRId64, op->position.next_offset, to);
            return rwd_error_at(err, "%s", op->source->ops->label(op->source));
        }
        if (batch.count == 0 && batch.end && op->position.next_offset < to) {
            rwd_fail(err, RWD_E_POSITION, "the input ends at offset %" PRId64 ", below the committed offset %" PRId64, op->position.next_offset, to);
            return advise_on_range(op, err);
        }
        rwd_publish(op, false);
        keep_pace(op, rwd_clock_ns(op->clock) - batch_began);
    }
    op->status.recovery_replay_ns = rwd_clock_ns(op->clock) - began;
    return true;
}

// (7)
static bool check_input(rwd_operator *op, const rwd_commit *commit, int64_t from, rwd_error *err) {
    if (op->position.input_count == commit->input_count && rwd_hash128_equal(op->position.input_hash, commit->input_hash)) return true;
    rwd_fail(err, RWD_E_SOURCE_CHANGED, "the records of [%" PRId64 ", %" PRId64 ") are not those that were committed: %" PRIu64 " records below it then, %" PRIu64
             " now%s", from, commit->next_offset, commit->input_count, op->position.input_count,
             op->position.input_count == commit->input_count ? ", with other bytes" : "");
    return advise_on_range(op, err);
}

// Below C a checkpoint is made only by silent replay, when memory is short.
static bool was_made_by_replay(const rwd_checkpoint *c) { return c->facts.next_offset < c->facts.frontier; }

// (7) failed: what silent replay published on its way rests on the same wrong records, and would be chosen again when the right ones are back. All of this
// term goes; and all of the base's term, if the base is such a one, left by a replay that did not come to its end. True: the base went.
static bool set_aside_replayed(rwd_operator *op, const rwd_checkpoint *base) {
    rwd_checkpoint_list list = {0};
    rwd_error why;
    bool base_went = false;
    if (!rwd_repo_list(op->repo, &list, &why)) return rwd_log_error(RWD_LOG_WARN, "recovery", &why), false;
    for (size_t i = 0; i < list.count; i++) {
        const rwd_checkpoint *c = &list.items[i];
        bool suspect = c->term == rwd_repo_term(op->repo) || (was_made_by_replay(base) && c->term == base->term);
        if (!suspect || !was_made_by_replay(c) || c->state == RWD_CHECKPOINT_BAD || c->state == RWD_CHECKPOINT_PRUNED) continue;
        if (!rwd_repo_quarantine(op->repo, c->id, "silent replay made it from records that are not those that were committed", &why))
            rwd_log_error(RWD_LOG_WARN, "recovery", &why);
        else base_went |= strcmp(c->id, base->id) == 0;
    }
    rwd_checkpoint_list_deinit(&list);
    return base_went;
}

static bool open_state(rwd_operator *op, const rwd_checkpoint *base, rwd_error *err) {
    char dir[RWD_PATH_MAX];
    int64_t began = rwd_clock_ns(op->clock);
    if (!rwd_repo_checkpoint_path(op->repo, base->id, dir, err)) return false;
    // K6: retention, asked for through the admin socket, may be at work since before the last session ended.
    rwd_read_lock lock;
    if (!rwd_repo_read_lock(op->repo, base->id, &lock, err)) {
        if (err->code == RWD_E_NOT_FOUND) err->decision = RWD_RETRY;  // it took this one: choose again
        return false;
    }
    bool opened = rwd_open_base(op, base, dir, err);
    rwd_read_lock_release(&lock);
    if (!opened) return false;
    op->status.recovery_open_ns = rwd_clock_ns(op->clock) - began;
    return true;
}

// What the base pins about the source (the count of its partitions) goes into the next manifests, too.
static bool check_source(rwd_operator *op, rwd_slice stored, rwd_error *err) {
    if (!op->source->ops->check_identity(op->source, stored, err)) return false;
    if (!op->source->ops->partitions) return true;
    op->partitions = op->source->ops->partitions(op->source);
    rwd_buf_clear(&op->source_identity);
    return op->source->ops->identity(op->source, &op->source_identity, &op->source_hash, err);
}

// (5) A base below the place where the lineage's last logic begins leads to one at that place.
static bool choose_base(rwd_operator *op, const rwd_commit *commit, rwd_checkpoint *out, unsigned *out_skipped, rwd_error *err) {
    char crossed[RWD_CHECKPOINT_ID] = "";
    for (;;) {
        unsigned skipped = 0;
        const char *only = *crossed ? crossed : rwd_restore_base(op);
        if (!rwd_repo_choose(op->repo, op->io, &op->lineage, commit->next_offset, commit->closings, only, out, &skipped, err)) return false;
        *out_skipped += skipped;
        int64_t boundary = rwd_stage_boundary(&op->lineage, out->facts.next_offset);
        if (*crossed || boundary < 0) return true;
        bool ok = boundary <= commit->next_offset;
        if (!ok) rwd_fail(err, RWD_E_CORRUPT, "the lineage has a segment from offset %" PRId64 ", above what is committed, %" PRId64, boundary, commit->next_offset);
        ok = ok && rwd_cross_boundary(op, out, boundary, commit->next_offset, crossed, err);
        rwd_checkpoint_deinit(out);
        if (!ok) return false;
    }
}

// (5) to (7), from a known C.
static bool recover_to(rwd_operator *op, const rwd_commit *commit, bool check, rwd_error *err) {
    rwd_set_phase(op, RWD_PHASE_VERIFYING);
    rwd_checkpoint base;
    unsigned skipped = 0;
    int64_t began = rwd_clock_ns(op->clock);
    if (!choose_base(op, commit, &base, &skipped, err)) return false;
    op->status.recovery_verify_ns = rwd_clock_ns(op->clock) - began;
    op->status.quarantined += skipped;
    rwd_log(RWD_LOG_INFO, "recovery", "from checkpoint %s at offset %" PRId64 "; silent replay of [%" PRId64 ", %" PRId64 ")%s", base.id,
            base.facts.next_offset, base.facts.next_offset, commit->next_offset, skipped ? "; newer ones were bad and are quarantined" : "");
    int64_t from = base.facts.next_offset;
    if (op->tries > 0) memcpy(op->tried[op->tries - 1], base.id, sizeof(base.id));
    bool ok = check_source(op, base.facts.source_identity, err) && open_state(op, &base, err) &&
              op->source->ops->assign(op->source, from, base.facts.cursor, err);
    if (ok) {
        start_at(op, &base.facts);
        op->frontier = commit->next_offset;
        op->frontier_closings = commit->closings;
        op->checkpoint_at = from;
        op->checkpoint_closings = base.facts.closings;
        op->hold_offset = commit->next_offset;
        op->hold_closings = 0;  // none before (7): a checkpoint made among them would be at C, and its records are not known to be good
        op->status.digest = base.digest;
        op->status.checkpoint_us = base.created_us;
        memcpy(op->checkpoint_id, base.id, sizeof(op->checkpoint_id));
        ok = replay(op, from, commit->next_offset, true, err);
        if (ok && check && !check_input(op, commit, from, err)) {
            ok = false;
            if (set_aside_replayed(op, &base) && !op->options.restore_to) err->decision = RWD_ROLLBACK;
        }
        op->hold_closings = commit->closings;
        ok = ok && rwd_confirm_journal(op, err);
        ok = ok && rwd_close_windows(op, false, err);  // C7: those that were closed behind the last record below C
        op->hold_offset = -1;
    }
    rwd_checkpoint_deinit(&base);
    return ok;
}

bool rwd_rebuild(rwd_operator *op, const rwd_lineage *lineage, const rwd_checkpoint *base, const char *base_dir, int64_t until, rwd_error *err) {
    int64_t from = base->facts.next_offset;
    rwd_set_lineage(op, lineage);
    bool ok = check_source(op, base->facts.source_identity, err) && rwd_open_base(op, base, base_dir, err) &&
              op->source->ops->assign(op->source, from, base->facts.cursor, err);
    if (!ok) return false;
    start_at(op, &base->facts);
    op->frontier = until;
    op->checkpoint_at = -1;  // of the shadow's own there is none here yet
    op->checkpoint_started_ns = rwd_clock_ns(op->clock);
    return replay(op, from, until, false, err) && rwd_close_windows(op, false, err);
}

// No other decoder or step sees the rest of the batch in which the place lies: it is read again from there.
bool rwd_rebuild_on(rwd_operator *op, const rwd_job *job, int64_t until, rwd_error *err) {
    int64_t from = op->position.next_offset;
    assert(rwd_changes_in_place(op->job, job));
    if (!rwd_drive_checkpoint(op, err) || !rwd_take_job_in_place(op, job, err) || !op->source->ops->assign(op->source, from, rwd_buf_slice(&op->cursor), err)) return false;
    op->frontier = until;
    op->checkpoint_at = -1;  // one that was made right here names the earlier logic
    return replay(op, from, until, false, err) && rwd_close_windows(op, false, err);
}

// No C where C is kept: lawful only for a genesis checkpoint whose commit never happened (C2); else someone took C away (C5).
static bool without_c(rwd_operator *op, const rwd_checkpoint *newest, rwd_error *err) {
    if (!rwd_follow_lineage(op, newest->facts.lineage, err)) return false;
    // The mark precedes the first record, so checkpoints above S without it were made by a job that had no outputs: the newest one's X is the truth.
    rwd_commit pinned = {
        .next_offset = newest->facts.next_offset, .closings = newest->facts.closings, .input_count = newest->facts.input_count, .input_hash = newest->facts.input_hash,
    };
    return recover_to(op, &pinned, true, err) && commit_genesis(op, err);
}

static bool recover_existing(rwd_operator *op, const rwd_commit *commit, bool found, rwd_error *err) {
    // C2: killed between C = S and the mark. Without it a C that is lost later would look like one that never was.
    if (found && !rwd_repo_genesis_committed(op->repo) && !rwd_repo_mark_genesis_committed(op->repo, err)) return false;
    if (found) return recover_to(op, commit, true, err) && claim(op, commit, err);
    rwd_checkpoint newest;
    if (!rwd_repo_find(op->repo, "latest", &newest, err)) return false;
    bool ok;
    if (op->sink->ops->holds_c(op->sink)) {
        ok = without_c(op, &newest, err);
    } else {
        // C1: no outputs: the newest checkpoint's X is the truth. Its manifest is enough; its files may be bad.
        ok = rwd_follow_lineage(op, newest.facts.lineage, err);
        rwd_commit truth = {
            .lineage = newest.facts.lineage,
            .next_offset = newest.facts.next_offset, .closings = newest.facts.closings, .input_count = newest.facts.input_count, .input_hash = newest.facts.input_hash,
        };
        ok = ok && rwd_settle_history(op, &truth, err) && recover_to(op, &truth, true, err);
    }
    rwd_checkpoint_deinit(&newest);
    return ok;
}

// A usable checkpoint of the lineage in force.
static bool serves(const rwd_operator *op, const rwd_checkpoint *c) {
    bool whole = c->state == RWD_CHECKPOINT_GOOD || c->state == RWD_CHECKPOINT_UNVERIFIED;
    return whole && rwd_hash128_equal(c->facts.history, rwd_lineage_history(&op->lineage, c->facts.next_offset));
}

// (8) judged early: an older commit log put back in the place of the newer one must not get outputs cut.
static bool refuse_moved_back(rwd_operator *op, const rwd_commit *commit, rwd_error *err) {
    rwd_checkpoint_list list = {0};
    if (!rwd_repo_list(op->repo, &list, err)) return false;
    const rwd_checkpoint *above = NULL, *below = NULL;
    for (size_t i = 0; i < list.count; i++) {
        const rwd_checkpoint *c = &list.items[i];
        if (!serves(op, c)) continue;
        const rwd_checkpoint **side = rwd_facts_above(&c->facts, commit->next_offset, commit->closings) ? &above : &below;
        if (!*side || c->facts.next_offset > (*side)->facts.next_offset) *side = c;
    }
    if (above) {
        bool kafka = rwd_job_commits_to_kafka(op->job);
        rwd_fail(err, RWD_E_COMMIT_MOVED, "checkpoint %s is at offset %" PRId64 ", but the %s says that only offsets below %" PRId64
                 " are committed: it has moved back", above->id, above->facts.next_offset, kafka ? "group" : "commit log", commit->next_offset);
        rwd_error_at(err, "%s", op->data);
        rwd_error_next(err, "%s: rewind restore %s --to %s",
                       kafka ? "put back the group's newest offset with its metadata; or, to publish again from this one on"
                             : "put back the newest commit log with its outputs; or, to go on from these", op->job->file, below ? below->id : "ID");
    }
    bool ok = !above;
    rwd_checkpoint_list_deinit(&list);
    return ok;
}

bool rwd_set_aside_above(rwd_operator *op, rwd_error *err) {
    rwd_checkpoint_list list = {0};
    if (!rwd_repo_list(op->repo, &list, err)) return false;
    char *why = rwd_strf("it is above the committed offset %" PRId64 ", from which restore went on", op->frontier);
    bool ok = true;
    for (size_t i = 0; i < list.count && ok; i++)
        if (serves(op, &list.items[i]) && rwd_facts_above(&list.items[i].facts, op->frontier, op->frontier_closings)) ok = rwd_repo_quarantine(op->repo, list.items[i].id, why, err);
    free(why);
    rwd_checkpoint_list_deinit(&list);
    return ok;
}

// C is committed, and the mark is set, only behind a durable genesis checkpoint (C2), and genesis is pinned (K7).
static bool refuse_lost_checkpoints(rwd_operator *op, bool found, rwd_error *err) {
    if (!rwd_repo_is_new(op->repo) || (!found && !rwd_repo_genesis_committed(op->repo))) return true;
    rwd_fail(err, RWD_E_NO_CHECKPOINT, "this data directory was in use, and all its checkpoints are gone");
    rwd_error_at(err, "%s/checkpoints", op->data);
    return rwd_error_next(err, "put the folder back; or bring back a copy: rewind checkpoint copy %s --from DIR; or start over, with all that is there moved aside: rewind run %s --fresh",
                          op->job->file, op->job->file);
}

// C5: C was committed, and is kept beside the outputs. Judged before anything is made there: the folder may just not be mounted.
static bool refuse_lost_commits(rwd_operator *op, rwd_error *err) {
    if (!op->sink->ops->holds_c(op->sink) || !rwd_repo_genesis_committed(op->repo)) return true;
    bool kafka = rwd_job_commits_to_kafka(op->job);
    rwd_fail(err, RWD_E_POSITION, "checkpoints exist, but nothing says what was committed: %s", kafka ? "the group has no offset any more" : "the commit log is gone");
    rwd_error_at(err, "%s", op->data);
    if (kafka)
        return rwd_error_next(err, "is `group` as it was, and offsets.retention.minutes of the broker above delivery.idle_every? To start over, take other topics "
                              "and another group, and: rewind run %s --fresh", op->job->file);
    return rwd_error_next(err, "put the outputs and their .commits log back where the job file says; or start over with: rewind run %s --fresh", op->job->file);
}

// (2) All that can be refused without touching outputs: foreign commits, lost checkpoints or commits, other logic, a C that moved back.
// In Kafka a look past open transactions may miss the newest commit: absence and order are judged at (4) there.
static bool refuse_early(rwd_operator *op, const rwd_commit *commit, bool found, bool stable, rwd_error *err) {
    bool early = !stable && rwd_job_commits_to_kafka(op->job);
    if (found && (!refuse_foreign(op, commit, err) || !rwd_refuse_successor(op, commit, err))) return false;
    if (!refuse_lost_checkpoints(op, found, err)) return false;
    if (!found) return early || refuse_lost_commits(op, err);
    if (!rwd_follow_lineage(op, commit->lineage, err)) return false;
    return early || op->options.restore_to || refuse_moved_back(op, commit, err);
}

// C5: another cluster, topic or partition than the state was made from. Judged before anything there is asked or fenced.
static bool refuse_other_source(rwd_operator *op, rwd_error *err) {
    rwd_checkpoint newest;
    rwd_error why;
    if (!op->job->source.topic || rwd_repo_is_new(op->repo)) return true;
    if (!rwd_repo_find(op->repo, "latest", &newest, &why)) return true;  // refuse_lost_checkpoints and the choice of a base say more
    bool ok = op->source->ops->check_identity(op->source, newest.facts.source_identity, err);
    rwd_checkpoint_deinit(&newest);
    return ok;
}

// Without a broker C is not known, but that all below the newest checkpoint is committed (K1). A restore that ends there needs nobody; the next start goes on to C.
static bool serves_without_broker(const rwd_operator *op) {
    return op->options.restore_to && op->journal && rwd_job_commits_to_kafka(op->job) && !rwd_repo_is_new(op->repo);
}

static bool restore_without_broker(rwd_operator *op, rwd_error *err) {
    rwd_checkpoint newest;
    if (!rwd_repo_find(op->repo, "latest", &newest, err)) return false;
    rwd_log(RWD_LOG_WARN, "restore", "no broker answers: the state is built again up to offset %" PRId64 ", the newest checkpoint's; what was committed since is for the next start",
            newest.facts.next_offset);
    rwd_commit known = {
        .next_offset = newest.facts.next_offset, .closings = newest.facts.closings, .input_count = newest.facts.input_count, .input_hash = newest.facts.input_hash,
    };
    bool ok = rwd_follow_lineage(op, newest.facts.lineage, err) && recover_to(op, &known, true, err);
    rwd_checkpoint_deinit(&newest);
    return ok;
}

bool rwd_recover(rwd_operator *op, rwd_error *err) {
    rwd_set_phase(op, RWD_PHASE_STARTING);
    rwd_commit commit = {0};
    bool found = false;
    if (!refuse_other_source(op, err)) return false;
    if (serves_without_broker(op) && rwd_source_is_alone(op->source)) return restore_without_broker(op, err);
    if (!op->sink->ops->peek(op->sink, &commit, &found, err)) return err->code == RWD_E_BROKER && serves_without_broker(op) && restore_without_broker(op, err);
    if (!refuse_early(op, &commit, found, false, err)) return false;    // (2)
    RWD_CRASH_POINT(recovery_peeked);
    if (!op->sink->ops->recover(op->sink, &commit, &found, err) || !refuse_early(op, &commit, found, true, err)) return false;  // (3), (4)
    RWD_CRASH_POINT(recovery_taken_over);
    if (found) {
        op->knows_c = true;
        op->switch_number = commit.switch_number;
        op->known_c = commit.next_offset;
        op->known_closings = commit.closings;
        op->known_owner = commit.owner;
    }
    // R4 (5): what C says of a repair comes before all else.
    if (found && (!rwd_settle_corrections(op, &commit, err) || !rwd_settle_history(op, &commit, err))) return false;
    bool ok = rwd_repo_is_new(op->repo) ? genesis(op, err) : recover_existing(op, &commit, found, err) && rwd_complete_history(op, err);
    if (!ok) return false;
    RWD_CRASH_POINT(recovery_done);
    return true;                                                                       // (8)
}

// The source stands at C. A topic is gone to; a file is read up to there, which shows whether it still is what was committed.
static bool stand_at(rwd_operator *op, const rwd_commit *commit, rwd_error *err) {
    const rwd_source_ops *source = op->source->ops;
    if (op->job->source.topic) return source->assign(op->source, commit->next_offset, rwd_slice_of(NULL, 0), err);
    uint64_t count = 0;
    rwd_hash128 hash = {0};
    rwd_batch batch = {0};
    bool done = commit->next_offset == 0;
    if (!source->assign(op->source, 0, rwd_slice_of(NULL, 0), err)) return false;
    while (!done) {
        if (!source->batch(op->source, RWD_BATCH_MAX, RWD_IDLE_NS, &batch, err)) return false;
        for (size_t i = 0; i < batch.count && !done; i++) {
            done = batch.records[i].offset >= commit->next_offset;
            if (done) break;
            count++;
            hash = rwd_hash128_add(hash, batch.records[i].hash);
            op->last_record = &batch.records[i];
        }
        done |= batch.count == 0 && batch.end;
        if (!rwd_release_batch(op, err)) return false;
    }
    if (count == commit->input_count && rwd_hash128_equal(hash, commit->input_hash)) return true;
    rwd_fail(err, RWD_E_SOURCE_CHANGED, "the records of [0, %" PRId64 ") are not those that were committed: a file whose beginning is gone has other offsets", commit->next_offset);
    return rwd_error_at(err, "%s", source->label(op->source));
}

bool rwd_genesis_at(rwd_operator *op, const rwd_commit *commit, const char *mark, bool (*fill)(void *context, rwd_operator *op, rwd_error *err), void *context, rwd_error *err) {
    rwd_facts facts = {
        .next_offset = commit->next_offset, .closings = commit->closings, .stream_time = RWD_TIME_NONE, .counts = {.read = commit->input_count}, .input_count = commit->input_count,
        .input_hash = commit->input_hash, .dead = {.known = true, .since = commit->next_offset}, .rebuilt = mark,
    };
    new_lineage(op, commit->next_offset);
    start_at(op, &facts);
    op->frontier = commit->next_offset;
    op->frontier_closings = commit->closings;
    if (!stand_at(op, commit, err) || !rwd_open_participants(op, NULL, err) || !fill(context, op, err)) return false;
    if (!rwd_logics_save(op->logics, &op->lineage, err) || !rwd_freeze(op, "genesis", true, err) || !rwd_drive_checkpoint(op, err)) return false;
    RWD_CRASH_POINT(genesis_checkpoint);
    return rwd_confirm_journal(op, err) && commit_genesis(op, err);
}

bool rwd_genesis_again(rwd_operator *op, const rwd_checkpoint *made, rwd_error *err) {
    rwd_buf text = {0};
    rwd_lineage lineage;
    bool ok = rwd_repo_load_lineage(op->repo, made->facts.lineage, &lineage, &text, err);
    rwd_buf_deinit(&text);
    if (!ok) return false;
    rwd_set_lineage(op, &lineage);
    start_at(op, &made->facts);
    op->frontier = made->facts.next_offset;
    memcpy(op->checkpoint_id, made->id, sizeof(op->checkpoint_id));
    op->checkpoint_at = made->facts.next_offset;
    op->status.digest = made->digest;
    return commit_genesis(op, err);
}
