// Switches that a kill left half done: corrections that are not sent, a history.log that does not say what happened (R4 (5), R7).
//
// What must stay true: C decides. What it says is under way is completed before anything is read; what it says has happened is in history.log before the operator is live; a SWITCH
// that C knows nothing of never happened.
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
#include "operator/sink/kafka_record.h"

bool rwd_repair_folder(const rwd_operator *op, const char *id, char out[4096], rwd_error *err) { return rwd_repair_folder_of(op->data, id, out, err); }

// ---- corrections, as the sink takes them

typedef struct sending {
    rwd_corrections *corrections;
    rwd_dead_changes *dead;     // NULL: there are none
    const rwd_job *old_job;
    rwd_kafka_record_text old;  // values of old rows
} sending;

// The value that stands published, as the output writes values.
static bool old_value(sending *s, const rwd_correction *c, rwd_slice *out, rwd_error *err) {
    *out = rwd_slice_of(NULL, 0);
    if (!c->old_row.data) return true;
    const rwd_job_sink *sink = &s->old_job->sinks[c->sink];
    rwd_transaction_row row = {.key = c->key, .row = c->old_row.data, .row_size = (uint32_t)c->old_row.size, .offset = c->offset, .time_us = RWD_TIME_NONE};
    return rwd_kafka_record_value(&s->old_job->tables[sink->table], sink, &row, &s->old, out, err);
}

static bool next_row(void *context, rwd_switch_row *out, bool *out_found, rwd_error *err) {
    sending *s = context;
    rwd_correction c;
    if (!rwd_corrections_next(s->corrections, &c, out_found, err)) return false;
    if (!*out_found) {
        *out = (rwd_switch_row){0};
        return !s->dead || rwd_dead_changes_next(s->dead, &out->dead, out_found, err);
    }
    *out = (rwd_switch_row){.sink = c.sink, .key = c.key, .row = c.new_row, .offset = c.offset};
    return old_value(s, &c, &out->old, err);
}

bool rwd_publishing_job(rwd_logics *logics, const rwd_lineage *lineage, rwd_hash128 logic, const rwd_job **out, rwd_error *err) {
    if (!rwd_logics_last(logics, lineage, out, err)) return false;
    return rwd_hash128_equal((*out)->logic, logic) || rwd_logics_job(logics, logic, out, err);
}

// The job that made the old lineage's outputs.
static bool old_job(rwd_operator *op, rwd_logics *logics, const rwd_switch *facts, const rwd_job **out, rwd_error *err) {
    rwd_lineage old;
    rwd_buf text = {0};
    bool ok = rwd_repo_load_lineage(op->repo, facts->old_lineage, &old, &text, err);
    rwd_buf_deinit(&text);
    if (!ok) return false;
    ok = rwd_publishing_job(logics, &old, facts->old_logic, out, err);
    rwd_lineage_deinit(&old);
    return ok;
}

bool rwd_send_corrections(rwd_operator *op, const rwd_switch *facts, rwd_commit *commit, uint64_t *out_transactions, rwd_error *err) {
    char folder[RWD_PATH_MAX], path[RWD_PATH_MAX];
    sending s = {0};
    rwd_logics *logics = rwd_logics_new(op->repo, op->job);
    bool ok = rwd_repair_folder(op, facts->id, folder, err) && rwd_path_join(path, folder, RWD_FINAL_CORRECTIONS, err) && old_job(op, logics, facts, &s.old_job, err) &&
              rwd_corrections_open(path, op->repo_io, &s.corrections, err);
    if (ok && !rwd_hash128_equal(rwd_corrections_hash(s.corrections), facts->corrections)) {
        ok = rwd_fail(err, RWD_E_CORRUPT, "these are not the corrections that repair %s decided on", facts->id);
        (void)rwd_error_at(err, "%s", path);
    }
    rwd_switch_rows all = {.next = next_row, .context = &s};
    uint64_t sent = commit->repair_rows, rows = sent < facts->rows ? sent : facts->rows;
    if (ok && facts->dead > 0) ok = rwd_dead_changes_open(folder, op->repo_io, op, facts->id, &s.dead, err) && rwd_dead_changes_skip(s.dead, sent - rows, err);
    ok = ok && rwd_corrections_skip(s.corrections, rows, err) && rwd_switch_send(op, facts, &all, commit, out_transactions, err);
    if (s.corrections) rwd_corrections_close(s.corrections);
    rwd_dead_changes_close(s.dead);
    rwd_kafka_record_deinit(&s.old);
    rwd_logics_free(logics);
    return ok;
}

// ---- behind a kill

bool rwd_settle_corrections(rwd_operator *op, rwd_commit *commit, rwd_error *err) {
    char id[RWD_REPAIR_ID], folder[RWD_PATH_MAX];
    rwd_switch facts;
    uint64_t transactions = 0;
    if (commit->repair == 0) return true;
    rwd_repair_id_of(commit->repair, id);
    if (!rwd_repair_folder(op, id, folder, err) || !rwd_switch_load(folder, RWD_SWITCH_FILE, op->repo_io, &facts, err)) {
        if (err->code == RWD_E_NOT_FOUND || err->code == RWD_E_CORRUPT) {
            err->decision = RWD_PARK;
            (void)rwd_error_next(err, "repair %s is published in part, and its folder is needed for the rest: put it back", id);
        }
        return false;
    }
    bool ok = rwd_switch_stage_of(&facts, commit) == RWD_SWITCH_UNDER_WAY ||
              rwd_fail(err, RWD_E_CORRUPT, "repair %s is under way, and its folder says otherwise", id);
    if (ok) rwd_log(RWD_LOG_WARN, "repair", "%s: %" PRIu64 " of %" PRIu64 " corrections are published; the rest goes first", id, commit->repair_rows, facts.rows + facts.dead);
    ok = ok && rwd_send_corrections(op, &facts, commit, &transactions, err);
    rwd_switch_deinit(&facts);
    return ok;
}

static bool is_in_history(rwd_operator *op, const rwd_switch *facts, bool *out_found, rwd_error *err) {
    rwd_history history;
    *out_found = false;
    if (!rwd_repo_history_read(op->repo, &history, err)) return false;
    for (size_t i = 0; i < history.count && !*out_found; i++)
        *out_found = strcmp(history.items[i].kind, facts->kind) == 0 && strcmp(history.items[i].subject, facts->id) == 0;
    rwd_history_deinit(&history);
    return true;
}

// The shadow has served; what was decided and what was sent stay, for the report.
static void remove_shadow(const char *folder) {
    char path[RWD_PATH_MAX];
    rwd_error err;
    if (!rwd_path_join(path, folder, RWD_REPAIR_SHADOW, &err)) return;
    if (rwd_path_exists(path) && !rwd_remove_tree(path, &err)) rwd_log_error(RWD_LOG_WARN, "repair", &err);
}

bool rwd_settle_switch(rwd_operator *op, const rwd_switch *facts, rwd_error *err) {
    char folder[RWD_PATH_MAX], done[RWD_PATH_MAX];
    bool found = false;
    if (!rwd_repair_folder(op, facts->id, folder, err) || !rwd_path_join(done, folder, RWD_SWITCH_DONE, err)) return false;
    if (rwd_path_exists(done)) return true;
    if (!is_in_history(op, facts, &found, err)) return false;
    if (!found) {
        rwd_history_entry entry = {
            .kind = facts->kind, .subject = (char *)(uintptr_t)facts->id, .who = facts->who, .why = facts->why, .next_offset = facts->next_offset, .digest = facts->new_digest,
            .lineage = facts->new_lineage,
        };
        if (!rwd_repo_history_append(op->repo, &entry, err)) return false;
    }
    RWD_CRASH_POINT(repair_entered);
    if (!rwd_switch_save(facts, folder, RWD_SWITCH_DONE, op->repo_io, err)) return false;
    remove_shadow(folder);
    RWD_CRASH_POINT(repair_done);
    return true;
}

// What C knows nothing of never happened: the plan is a plan again.
static bool take_back(rwd_operator *op, const char *folder, rwd_error *err) {
    char path[RWD_PATH_MAX];
    return rwd_path_join(path, folder, RWD_SWITCH_FILE, err) && rwd_io_unlink(op->repo_io, path, err);
}

// Without outputs the newest checkpoint is the truth (C1): its lineage says it alone.
static bool has_happened(rwd_operator *op, const rwd_switch *facts, const rwd_commit *c) {
    if (!op->sink->ops->holds_c(op->sink)) return rwd_hash128_equal(facts->new_lineage, c->lineage);
    rwd_switch_stage stage = rwd_switch_stage_of(facts, c);
    return stage == RWD_SWITCH_AFTER || stage == RWD_SWITCH_UNDER_WAY;
}

// The newest SWITCH without DONE that made this C. Several may say so, where an apply was killed before its switch and another one followed.
static bool find_unsettled(rwd_operator *op, const rwd_commit *commit, rwd_switch *out, bool *out_found, rwd_error *err) {
    char repairs[RWD_PATH_MAX], folder[RWD_PATH_MAX], done[RWD_PATH_MAX], **names = NULL;
    size_t count = 0;
    *out_found = false;
    if (!rwd_path_join(repairs, op->data, "repairs", err)) return false;
    if (!rwd_path_exists(repairs)) return true;
    if (!rwd_list_dir(repairs, &names, &count, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        rwd_switch facts;
        rwd_error why;
        if (rwd_repair_number(names[i]) == 0) continue;
        ok = rwd_path_join(folder, repairs, names[i], err) && rwd_path_join(done, folder, RWD_SWITCH_DONE, err);
        if (!ok || rwd_path_exists(done) || !rwd_switch_load(folder, RWD_SWITCH_FILE, op->repo_io, &facts, &why)) continue;
        bool happened = has_happened(op, &facts, commit);
        if (happened && (!*out_found || facts.decided_us > out->decided_us)) {
            if (*out_found) rwd_switch_deinit(out);
            *out = facts;
            *out_found = true;
        } else {
            rwd_switch_deinit(&facts);
            ok = happened || take_back(op, folder, err);
        }
    }
    rwd_names_free(names, count);
    if (!ok && *out_found) rwd_switch_deinit(out);
    return ok;
}

bool rwd_settle_history(rwd_operator *op, const rwd_commit *commit, rwd_error *err) {
    rwd_switch facts;
    bool found = false;
    if (!find_unsettled(op, commit, &facts, &found, err)) return false;
    bool ok = !found || rwd_settle_switch(op, &facts, err);
    if (found) rwd_switch_deinit(&facts);
    return ok;
}
