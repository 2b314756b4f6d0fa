// The job file and the lineage that C names: which of them decides, and what becomes of a job file that is another (PROTOCOL.md, L5).
//
//   its last segment is the job file's               run
//   C has named the job file's logic and sinks once  run on with the lineage's, with a warning and what to change
//   C never has                                      on_change: refuse it; or from-now: a new segment that begins at C; or replay: change_all.c
//
// from-now is a switch of lineage at C: the new lineage is kept, a checkpoint X = C under it is durable, then one commit moves C to it. What C names is live, whatever a kill leaves; the state at C is
// the same under both, so the checkpoint serves either (L2).
//
// What must stay true: history.log has a switch only once C is known to name its lineage, so what it names C has named; each switch raises the switch number by one.
//
// Thread: pipeline.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/crash_point.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/config/logic_compare.h"
#include "operator/pipeline/operator_private.h"

// ---- what C has named

static bool publishes(const rwd_job *job, const rwd_lineage *lineage) {
    const rwd_lineage_segment *last = &lineage->segments[lineage->segment_count - 1];
    return rwd_hash128_equal(last->logic, job->logic) && rwd_hash128_equal(last->sinks, job->sinks_hash);
}

static bool names_a_lineage(const rwd_history_entry *entry) {
    static const char *const kinds[] = {"genesis", "logic", "repair", "undo"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(entry->kind, kinds[i]) == 0) return true;
    return false;
}

static bool ends_with(rwd_operator *op, rwd_hash128 lineage, const rwd_job *job) {
    rwd_lineage stored;
    rwd_buf text = {0};
    rwd_error ignored;
    bool loaded = rwd_repo_load_lineage(op->repo, lineage, &stored, &text, &ignored);
    bool same = loaded && stored.segment_count > 0 && publishes(job, &stored);
    if (loaded) rwd_lineage_deinit(&stored);
    rwd_buf_deinit(&text);
    return same;
}

// Has C named a lineage whose last segment is this job's?
static bool was_named(rwd_operator *op, const rwd_job *job, bool *out_named, rwd_error *err) {
    rwd_history history = {0};
    *out_named = false;
    if (!rwd_repo_history_read(op->repo, &history, err)) return false;
    for (size_t i = history.count; i > 0 && !*out_named; i--)
        *out_named = names_a_lineage(&history.items[i - 1]) && ends_with(op, history.items[i - 1].lineage, job);
    rwd_history_deinit(&history);
    return true;
}

// ---- refused

static bool refuse_change(rwd_operator *op, const rwd_job *needed, rwd_error *err) {
    const rwd_job *job = op->options.job;
    char was[RWD_HASH128_HEX], is[RWD_HASH128_HEX], name[RWD_HASH128_HEX];
    bool same_logic = rwd_hash128_equal(needed->logic, job->logic);
    rwd_hash128_hex(same_logic ? needed->sinks_hash : needed->logic, was);
    rwd_hash128_hex(same_logic ? job->sinks_hash : job->logic, is);
    rwd_hash128_hex(rwd_lineage_id(&op->lineage), name);
    (void)rwd_fail(err, RWD_E_LOGIC_CHANGED, "the job file's %s %s, but this state was made with %s", same_logic ? "sinks have fingerprint" : "logic has fingerprint", is, was);
    (void)rwd_error_at(err, "%s", job->file);
    bool plugins = rwd_plugins_count(job->plugins.loaded) > 0;
    return rwd_error_next(err, "compare with the job file of that lineage: diff %s/lineages/%s/" RWD_LINEAGE_JOB " <(rewind config print %s)%s; to go on with it from here on: on_change: from-now",
                          op->data, name, job->file, plugins ? ", and each plugin with its copy in `plugins` there" : "");
}

static bool refuse_from_now(const rwd_job *job, const char *why, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_LOGIC_CHANGED, "on_change: from-now cannot begin this job file at an offset: %s", why);
    return rwd_error_at(err, "%s", job->file);
}

// C must be found again where it is: in the group, or beside the first output.
static bool keeps_place_of_c(const rwd_job *old, const rwd_job *new) {
    bool kafka = rwd_job_commits_to_kafka(old);
    bool outputs = old->sink_count > 0 || rwd_job_has_dead_letters(old);
    if (kafka != rwd_job_commits_to_kafka(new) || outputs != (new->sink_count > 0 || rwd_job_has_dead_letters(new))) return false;
    if (!outputs || (kafka && old->source.topic)) return true;
    if ((old->sink_count > 0) != (new->sink_count > 0)) return false;
    if (old->sink_count == 0) return true;  // where dead letters go is the job file's, as ever
    return kafka ? strcmp(old->sinks[0].topic, new->sinks[0].topic) == 0 : strcmp(rwd_path_name(old->sinks[0].path), rwd_path_name(new->sinks[0].path)) == 0;
}

static bool may_begin_now(rwd_operator *op, const rwd_job *needed, const rwd_job *job, rwd_error *err) {
    rwd_logic_comparison how;
    char name[RWD_HASH128_HEX];
    rwd_logic_compare(needed, job, &how);
    if (how.relation == RWD_LOGIC_GENESIS) {
        rwd_hash128_hex(rwd_lineage_id(&op->lineage), name);
        (void)refuse_from_now(job, how.what, err);
        return rwd_error_next(err, "that may begin with the first record only. Undo that change; or have all of it recomputed: rewind repair plan %s/lineages/%s/" RWD_LINEAGE_JOB " --from %" PRId64
                              " --logic %s", op->data, name, op->lineage.genesis, job->file);
    }
    if (keeps_place_of_c(needed, job)) return true;
    (void)refuse_from_now(job, "what is committed is kept beside the first output, which is another one", err);
    return rwd_error_next(err, "leave the first output as it is; others may come, go and change");
}

// ---- decided

static void warn_once(rwd_operator *op, const rwd_job *needed) {
    char what[RWD_LOGIC_WHAT_MAX], name[RWD_HASH128_HEX];
    size_t invariants = op->options.job->invariant_count - needed->invariant_count;
    if (op->warned_of_job) return;
    op->warned_of_job = true;
    rwd_hash128_hex(rwd_lineage_id(&op->lineage), name);
    rwd_job_difference(op->options.job, needed, what);
    rwd_log(RWD_LOG_WARN, "recovery", "%s is an earlier job file of this data directory: its logic is not used. What is committed goes on with that of lineage %.8s; change in the job "
            "file: %s. The whole of it: %s/lineages/%s/" RWD_LINEAGE_JOB, op->options.job->file, name, what, op->data, name);
    if (invariants > 0) rwd_log(RWD_LOG_WARN, "invariant", "%zu of %s ask for what that logic does not have, and are not looked at", invariants, op->options.job->file);
}

// The job file is not the lineage's last segment, which is `needed`.
static bool judge_other(rwd_operator *op, const rwd_job *needed, rwd_error *err) {
    const rwd_job *job = op->options.job;
    bool named;
    if (!was_named(op, job, &named, err)) return false;
    if (named) {
        warn_once(op, needed);
        return true;
    }
    if (job->on_change == RWD_ON_CHANGE_REFUSE) return refuse_change(op, needed, err);
    bool may = job->on_change == RWD_ON_CHANGE_REPLAY ? rwd_may_replay_all(needed, job, err) : may_begin_now(op, needed, job, err);
    if (!may) return false;
    op->switch_to = job;
    return true;
}

bool rwd_follow_lineage(rwd_operator *op, rwd_hash128 lineage, rwd_error *err) {
    rwd_buf text = {0};
    rwd_lineage stored = {0};
    const rwd_job *needed = op->options.job;
    bool ok = rwd_repo_load_lineage(op->repo, lineage, &stored, &text, err);
    rwd_buf_deinit(&text);
    if (!ok) return false;
    rwd_set_lineage(op, &stored);
    if (op->lineage.segment_count == 0) return rwd_fail(err, RWD_E_CORRUPT, "lineage without a segment");
    op->switch_to = NULL;
    if (!publishes(needed, &op->lineage) && (!rwd_logics_last(op->logics, &op->lineage, &needed, err) || !judge_other(op, needed, err))) return false;
    if (publishes(op->job, &op->lineage)) return true;
    op->next_job = needed;
    return rwd_fail(err, RWD_E_LOGIC_CHANGED, "the lineage in force has another job");
}

// ---- from now

static bool enter_history(rwd_operator *op, const char *who, const char *why, rwd_error *err) {
    char logic[RWD_HASH128_HEX];
    rwd_hash128_hex(op->lineage.segments[op->lineage.segment_count - 1].logic, logic);
    rwd_history_entry entry = {
        .kind = (char *)(uintptr_t)"logic", .subject = logic, .who = (char *)(uintptr_t)who, .why = (char *)(uintptr_t)why, .next_offset = op->position.next_offset,
        .digest = op->status.digest, .lineage = rwd_lineage_id(&op->lineage),
    };
    return rwd_repo_history_append(op->repo, &entry, err);
}

// The lineage of before, with a segment that begins here. One that begins here already has decided nothing.
static void add_segment(rwd_operator *op, const rwd_job *job) {
    rwd_lineage lineage;
    rwd_lineage_copy(&op->lineage, &lineage);
    if (lineage.segments[lineage.segment_count - 1].from == op->position.next_offset) lineage.segment_count--;
    rwd_lineage_add_segment(&lineage, (rwd_lineage_segment){.from = op->position.next_offset, .logic = job->logic, .sinks = job->sinks_hash});
    rwd_set_lineage(op, &lineage);
}

// In this order: whatever C names is kept here, with a state at C.
static bool make_switch(rwd_operator *op, const char *what, rwd_error *err) {
    if (!rwd_logics_save(op->logics, &op->lineage, err)) return false;
    RWD_CRASH_POINT(change_lineage_kept);
    if (!rwd_freeze(op, "segment", true, err) || !rwd_drive_checkpoint(op, err)) return false;
    // R5: a change is taken back like a repair, from this checkpoint: below C the history is the old one.
    if (!rwd_repo_pin(op->repo, op->checkpoint_id, rwd_clock_wall_us(op->clock) + op->switch_to->repair.keep_us, err)) return false;
    RWD_CRASH_POINT(change_checkpoint);
    op->switch_number++;
    if (!rwd_commit_lineage(op, err)) return false;
    RWD_CRASH_POINT(change_committed);
    char *why = rwd_strf("on_change: from-now: %s", what);
    bool ok = enter_history(op, "job file", why, err);
    free(why);
    return ok;
}

bool rwd_change_now(rwd_operator *op, bool *out_done, rwd_error *err) {
    char what[RWD_LOGIC_WHAT_MAX];
    *out_done = false;
    if (!op->at_boundary && op->job->delivery.offset_multiple == 0 && !rwd_end_transaction(op, true, err)) return false;
    if (!rwd_drive_commit(op, err) || !rwd_drive_checkpoint(op, err)) return false;
    if (!op->at_boundary) return true;  // where commits are fixed to offsets: at the next of them
    const rwd_job *job = op->switch_to;
    rwd_job_difference(op->job, job, what);
    rwd_log(RWD_LOG_WARN, "operator", "on_change: from-now: records from offset %" PRId64 " on are decided by %s: %s", op->position.next_offset, job->file, what);
    add_segment(op, job);
    if (!make_switch(op, what, err)) return false;
    op->switch_to = NULL;
    op->next_job = job;
    op->warned_of_job = false;
    *out_done = true;
    return true;
}

// ---- shown

static void show_new(rwd_status *status, const rwd_job *before, const rwd_job *job, int64_t from) {
    for (size_t t = 0; t < job->table_count; t++) {
        const rwd_schema *schema = &job->tables[t].schema;
        for (size_t i = 0; i < schema->column_count && status->since_count < RWD_STATUS_SINCE_MAX; i++) {
            if (rwd_logic_column_before(before, job, t, i) >= 0) continue;
            rwd_since_status *one = &status->since[status->since_count++];
            (void)snprintf(one->table, sizeof(one->table), "%.63s", schema->name);
            (void)snprintf(one->aggregate, sizeof(one->aggregate), "%.63s", schema->columns[i].name);
            one->offset = from;
        }
    }
}

void rwd_show_lineage(rwd_operator *op) {
    rwd_status *status = &op->status;
    const rwd_lineage *lineage = &op->lineage;
    rwd_error why;
    status->earlier_job_file = op->job != op->options.job && !op->switch_to;
    status->since_count = 0;
    for (size_t i = 1; i < lineage->segment_count; i++) {
        const rwd_job *before, *job;
        rwd_logic_comparison how;
        if (rwd_hash128_equal(lineage->segments[i - 1].logic, lineage->segments[i].logic)) continue;
        if (!rwd_logics_job(op->logics, lineage->segments[i - 1].logic, &before, &why) || !rwd_logics_job(op->logics, lineage->segments[i].logic, &job, &why)) {
            rwd_log_error(RWD_LOG_WARN, "recovery", &why);
            return;
        }
        rwd_logic_compare(before, job, &how);
        if (how.relation == RWD_LOGIC_COMPATIBLE) show_new(status, before, job, lineage->segments[i].from);
    }
}

// ---- after a kill

// A repair that is not through yet enters its switch itself.
static bool repair_is_open(rwd_operator *op) {
    char repairs[RWD_PATH_MAX], folder[RWD_PATH_MAX], begun[RWD_PATH_MAX], done[RWD_PATH_MAX];
    char **names = NULL;
    size_t count = 0;
    bool open = false;
    rwd_error ignored;
    if (!rwd_path_join(repairs, op->data, "repairs", &ignored) || !rwd_list_dir(repairs, &names, &count, &ignored)) return false;
    for (size_t i = 0; i < count && !open; i++)
        open = rwd_path_join(folder, repairs, names[i], &ignored) && rwd_path_join(begun, folder, "SWITCH", &ignored) && rwd_path_join(done, folder, "DONE", &ignored) &&
               rwd_path_exists(begun) && !rwd_path_exists(done);
    rwd_names_free(names, count);
    return open;
}

bool rwd_complete_history(rwd_operator *op, rwd_error *err) {
    rwd_history history = {0};
    rwd_hash128 named = {0};
    bool switched = op->switch_number > 0 || op->lineage.segment_count > 1;  // without outputs nothing keeps the number
    if (!switched || repair_is_open(op)) return true;
    if (!rwd_repo_history_read(op->repo, &history, err)) return false;
    for (size_t i = 0; i < history.count; i++)
        if (names_a_lineage(&history.items[i])) named = history.items[i].lineage;
    rwd_history_deinit(&history);
    return rwd_hash128_equal(named, rwd_lineage_id(&op->lineage)) || enter_history(op, "recovery", "C names this lineage, and whoever moved it there died before it was entered", err);
}
