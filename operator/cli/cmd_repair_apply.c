// repair apply, undo, report, rebase: what is done with a plan. Beside a running operator the shadow is brought up first, so that the operator's own pause is short.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/admin/client.h"
#include "operator/base/log.h"
#include "operator/cli/cli_private.h"
#include "operator/cli/pace.h"
#include "operator/cli/render_repair.h"
#include "operator/cli/signals.h"
#include "operator/config/amend_file.h"
#include "operator/repair/logics.h"
#include "operator/pipeline/repair_make.h"
#include "operator/repair/repair_plan.h"
#include "operator/pipeline/shadow.h"
#include "operator/pipeline/switch.h"
#include "operator/repair/undo.h"

// Rounds of bringing the shadow up to where the operator has come meanwhile: each is shorter than the one before, if the shadow is faster.
#define ROUNDS_MAX 3

typedef struct repairing {
    rwd_cli *cli;
    rwd_place place;
    char folder[RWD_PATH_MAX];
    rwd_repair_plan plan;
    bool planned;
} repairing;

static void repairing_deinit(repairing *r) {
    if (r->planned) rwd_repair_plan_deinit(&r->plan);
    rwd_place_deinit(&r->place);
}

static bool find(rwd_cli *cli, repairing *r, rwd_error *err) {
    *r = (repairing){.cli = cli};
    if (!rwd_place_find(cli, &r->place, err)) return false;
    if (rwd_place_open_reader(cli, &r->place, err)) return true;
    repairing_deinit(r);
    return false;
}

static bool load(repairing *r, const char *word, rwd_error *err) {
    char id[RWD_REPAIR_ID];
    if (!rwd_repair_find(r->place.data, r->place.io, word, id, err) || !rwd_repair_folder_of(r->place.data, id, r->folder, err)) return false;
    r->planned = rwd_repair_plan_load(r->folder, r->place.io, &r->plan, err);
    return r->planned;
}

static bool need_reason(const rwd_cli *cli, rwd_error *err) {
    const char *reason = cli->in->values[RWD_FLAG_ID_REASON];
    if ((reason && *reason) || rwd_given(cli->in, RWD_FLAG_ID_DRY_RUN)) return true;  // to look at a plan needs none
    return rwd_fail(err, RWD_E_USAGE, "say why, for history.log and for those who read the corrections: --reason TEXT");
}

// ---------------------------------------------------------------------------------------------- the shadow, beside the operator

typedef struct catching {
    repairing *r;
    rwd_lineage lineage;
    rwd_logics *logics;
    rwd_checkpoint base;
    rwd_shadow *shadow;
    bool built;
    rwd_pace pace;
} catching;

static bool bring_up(catching *c, int64_t until, rwd_error *err) {
    rwd_signals *signals = NULL;
    if (!rwd_signals_start_shadow(c->shadow, &signals, err)) return false;
    bool ok = c->built ? rwd_shadow_extend(c->shadow, until, err) : rwd_shadow_build(c->shadow, err);
    c->built |= ok;
    bool stopped = rwd_signals_stop(signals);
    rwd_log_progress(NULL);
    return ok && (!stopped || rwd_cli_stopped(err));
}

static bool open_shadow(catching *c, int64_t until, rwd_error *err) {
    repairing *r = c->r;
    char folder[RWD_PATH_MAX];
    c->logics = rwd_logics_new(r->place.repo, r->place.job);
    if (!rwd_path_join(folder, r->folder, RWD_REPAIR_SHADOW, err) || !rwd_repair_plan_lineage(r->folder, r->place.io, &c->lineage, err) ||
        !rwd_repair_plan_logics(&r->plan, r->folder, c->logics, err) || !rwd_repo_find(r->place.repo, r->plan.base, &c->base, err))
        return false;
    rwd_shadow_options options = {
        .job = r->place.job, .clock = r->cli->clock, .io = rwd_cli_io_tier(r->cli, r->place.job), .repo = r->place.repo, .base = &c->base, .lineage = &c->lineage, .logics = c->logics,
        .until = until, .folder = folder, .keep = true, .pace = rwd_pace_step, .pace_context = &c->pace, .progress = isatty(STDERR_FILENO),
    };
    rwd_pace_init(&c->pace, r->place.data, r->cli->clock);
    return rwd_shadow_open(&options, &c->shadow, err);
}

static bool where_is_c(const repairing *r, int64_t *out, rwd_error *err) {
    rwd_commit c;
    bool found = false;
    if (!rwd_peek_commit(r->place.job, r->cli->clock, &found, &c, err)) return false;
    *out = found ? c.next_offset : r->plan.position;
    return true;
}

// R4: the operator goes on meanwhile. What is left when it pauses is what it reads while this ends.
static bool catch_up(repairing *r, rwd_error *err) {
    catching c = {.r = r};
    int64_t at = -1, until = 0;
    bool ok = where_is_c(r, &until, err) && open_shadow(&c, until, err);
    for (unsigned round = 0; ok && round < ROUNDS_MAX && at < until; round++) {
        ok = bring_up(&c, until, err);
        at = until;
        ok = ok && where_is_c(r, &until, err);
    }
    rwd_shadow_free(c.shadow);
    rwd_checkpoint_deinit(&c.base);
    rwd_lineage_deinit(&c.lineage);
    rwd_logics_free(c.logics);
    return ok;
}

// ---------------------------------------------------------------------------------------------- the act

static bool went_away(const char *data, rwd_error *err) {
    rwd_fail(err, RWD_E_NO_OPERATOR, "the operator went away while it applied the repair");
    rwd_error_at(err, "%s", data);
    return rwd_error_next(err, "start it again: it completes what was begun, or goes on as before; `rewind repair list` says which");
}

static bool ask_operator(repairing *r, const rwd_apply_order *order, rwd_error *err) {
    char tolerance[16];
    (void)snprintf(tolerance, sizeof(tolerance), "%u", order->tolerance);
    const char *args[] = {order->repair, order->who, order->why, tolerance};
    rwd_admin_call begin = {"repair-apply", args, 4, false}, wait = {.command = "repair-wait"};
    rwd_buf answer = {0};
    bool ok = rwd_admin_ask(r->place.data, &begin, 0, &answer, err), under_way = ok;
    while (ok && under_way) {
        rwd_buf_clear(&answer);
        ok = rwd_admin_ask(r->place.data, &wait, 0, &answer, err);
        under_way = ok && answer.size > 0 && answer.data[0] == '.';
        if (under_way && isatty(STDERR_FILENO)) rwd_log_progress(rwd_buf_cstr(&answer) + 1);
    }
    rwd_log_progress(NULL);
    if (!ok && (under_way || err->code == RWD_E_NO_OPERATOR || err->code == RWD_E_IO)) (void)went_away(r->place.data, err);
    rwd_buf_deinit(&answer);
    return ok;
}

static bool act_here(repairing *r, const rwd_apply_order *order, rwd_error *err) {
    rwd_operator_options options = {
        .job = r->place.job, .clock = r->cli->clock, .io = rwd_cli_io_tier(r->cli, r->place.job), .apply = order, .reason = order->why, .progress = isatty(STDERR_FILENO),
        .shows_error = true,
    };
    return rwd_cli_run_operator(r->cli, &options, r->place.data, false, err);
}

static const char *taken_back(const char *undoes) { return *undoes ? undoes : "the last change of the job file"; }

static void show_done(const rwd_switch *done, bool json_wanted, rwd_buf *out) {
    char digest[RWD_HASH128_HEX], lineage[RWD_HASH128_HEX];
    rwd_hash128_hex(done->new_digest, digest);
    rwd_hash128_hex(done->new_lineage, lineage);
    if (!json_wanted) {
        bool undo = strcmp(done->kind, "undo") == 0;
        rwd_buf_appendf(out, "%s %s%s%s at C = %" PRId64 ": %" PRIu64 " correction%s published\n", done->kind, done->id, undo ? " took back " : " is applied",
                        undo ? taken_back(done->undoes) : "", done->next_offset, done->rows, done->rows == 1 ? "" : "s");
        rwd_buf_appendf(out, "lineage %s, switch %" PRIu64 "; the state is checkpoint %s, digest %s\n", lineage, done->switch_number, done->new_checkpoint, digest);
        return;
    }
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "repair", done->id);
    rwd_json_put_string(&json, "kind", done->kind);
    rwd_json_put_string(&json, "undoes", *done->undoes ? done->undoes : NULL);
    rwd_json_put_int(&json, "committed", done->next_offset);
    rwd_json_put_uint(&json, "corrections", done->rows);
    rwd_json_put_string(&json, "lineage", lineage);
    rwd_json_put_uint(&json, "switch_number", done->switch_number);
    rwd_json_put_string(&json, "checkpoint", done->new_checkpoint);
    rwd_json_put_string(&json, "digest", digest);
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
}

static void show_outputs(const rwd_repair_plan *plan, const char *before, rwd_buf *out) {
    for (size_t i = 0; i < plan->sink_count; i++) {
        const rwd_repair_sink *s = &plan->sinks[i];
        rwd_buf_appendf(out, "%s%s: %" PRIu64 " changed, %" PRIu64 " added, %" PRIu64 " vanished\n", before, s->target, s->changed, s->added, s->vanished);
    }
}

// What a person looks at before saying yes; `repair show` has all of it.
static void show_plan(const rwd_repair_plan *plan, rwd_buf *out) {
    bool undo = rwd_repair_is_undo(plan);
    rwd_buf_appendf(out, "%s %s%s%s, planned at offset %" PRId64 ": %" PRIu64 " correction%s in %" PRIu64 " transaction%s\n", plan->kind, plan->id, undo ? ", takes back " : "",
                    undo ? taken_back(plan->undoes) : "", plan->position, plan->rows, plan->rows == 1 ? "" : "s", plan->transactions, plan->transactions == 1 ? "" : "s");
    show_outputs(plan, "  ", out);
}

static void show_rebased_json(const rwd_repair_plan *plan, const char *was, rwd_buf *out) {
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "repair", plan->id);
    rwd_json_put_string(&json, "rebased_from", was);
    rwd_json_put_uint(&json, "corrections", plan->rows);
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
}

static bool refuse_done(const repairing *r, rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, r->folder, RWD_SWITCH_DONE, err)) return true;
    if (!rwd_path_exists(path)) return false;
    rwd_fail(err, RWD_E_USAGE, "repair %s is applied already", r->plan.id);
    rwd_error_next(err, "rewind repair report %s %s; to take it back: rewind repair undo %s", r->cli->in->job, r->plan.id, r->cli->in->job);
    return true;
}

static bool apply(repairing *r, rwd_error *err) {
    char who[RWD_CLI_WHO];
    rwd_switch done;
    rwd_cli_who(who);
    rwd_apply_order order = {.repair = r->plan.id, .who = who, .why = r->cli->in->values[RWD_FLAG_ID_REASON], .tolerance = (unsigned)rwd_count_of(r->cli->in, RWD_FLAG_ID_TOLERANCE, 0)};
    bool running = rwd_admin_is_running(r->place.data);
    if (!catch_up(r, err) || !(running ? ask_operator(r, &order, err) : act_here(r, &order, err)) || !rwd_switch_load(r->folder, RWD_SWITCH_DONE, r->place.io, &done, err)) return false;
    show_done(&done, r->cli->json, &r->cli->out);
    rwd_switch_deinit(&done);
    return true;
}

static bool agree_and_apply(repairing *r, const char *question, rwd_error *err) {
    bool act = false;
    if (rwd_repair_refuse_violations(&r->plan, r->cli->in->job, err)) return false;
    if (!rwd_cli_may_act(r->cli, question, &act, err)) return false;
    return !act || apply(r, err);
}

bool rwd_run_repair_apply(rwd_cli *cli, rwd_error *err) {
    repairing r;
    rwd_signals_block();
    bool ok = need_reason(cli, err) && find(cli, &r, err);
    if (!ok) return false;
    ok = load(&r, cli->in->args[0], err) && !refuse_done(&r, err);
    if (ok && !cli->json) show_plan(&r.plan, &cli->out);
    ok = ok && agree_and_apply(&r, "Apply it?", err);
    repairing_deinit(&r);
    return ok;
}

// ---------------------------------------------------------------------------------------------- undo

static bool find_top(repairing *r, rwd_undoable *out, rwd_error *err) {
    rwd_commit c;
    bool found = false;
    rwd_checkpoint latest;
    if (!rwd_peek_commit(r->place.job, r->cli->clock, &found, &c, err)) return false;
    if (!found) {  // C1: without outputs the newest checkpoint is the truth
        if (!rwd_repo_find(r->place.repo, "latest", &latest, err)) return false;
        c.lineage = latest.facts.lineage;
        rwd_checkpoint_deinit(&latest);
    }
    return rwd_find_undoable(r->place.repo, c.lineage, out, err);
}

// R5: only what is on top can be taken back.
static bool is_the_one(const repairing *r, const rwd_undoable *top, rwd_error *err) {
    char id[RWD_REPAIR_ID];
    if (r->cli->in->arg_count == 0) return true;
    if (!rwd_repair_find(r->place.data, r->place.io, r->cli->in->args[0], id, err)) return false;
    if (strcmp(id, top->id) == 0) return true;
    rwd_fail(err, RWD_E_USAGE, "repair %s is not what was switched last: %s is", id, *top->id ? top->id : "a change of the job file");
    return rwd_error_next(err, "take that back first: rewind repair undo %s", r->cli->in->job);
}

static bool plan_undo(repairing *r, const rwd_undoable *top, rwd_error *err) {
    rwd_lineage target;
    rwd_buf text = {0};
    bool ok = rwd_repo_load_lineage(r->place.repo, top->lineage, &target, &text, err);
    rwd_buf_deinit(&text);
    if (!ok) return false;
    rwd_repair_options options = {.lineage = &target, .kind = "undo", .undoes = top->id};
    r->planned = ok = rwd_cli_make_plan(r->cli, &r->place, &options, &r->plan, err);
    rwd_lineage_deinit(&target);
    return ok && rwd_repair_folder_of(r->place.data, r->plan.id, r->folder, err);
}

bool rwd_run_repair_undo(rwd_cli *cli, rwd_error *err) {
    repairing r;
    rwd_undoable top;
    rwd_signals_block();
    bool ok = need_reason(cli, err) && find(cli, &r, err);
    if (!ok) return false;
    ok = find_top(&r, &top, err) && is_the_one(&r, &top, err) && plan_undo(&r, &top, err);
    if (ok && !cli->json) show_plan(&r.plan, &cli->out);
    ok = ok && agree_and_apply(&r, "Take it back?", err);
    repairing_deinit(&r);
    return ok;
}

// ---------------------------------------------------------------------------------------------- restore --logic, --amend

static bool tell(const repairing *r, const char *command, const char *why, rwd_error *err) {
    char who[RWD_CLI_WHO];
    rwd_buf answer = {0};
    rwd_cli_who(who);
    const char *args[] = {who, why};
    rwd_admin_call call = {command, args, why ? 2 : 1, false};
    bool ok = rwd_admin_ask(r->place.data, &call, 0, &answer, err);
    rwd_buf_deinit(&answer);
    return ok;
}

static bool plan_restore(repairing *r, const rwd_target *target, const rwd_job *logic, const rwd_amendments *amendments, rwd_error *err) {
    rwd_repair_options options = {.has_from = logic != NULL, .from = *target, .logic = logic, .amendments = amendments};
    r->planned = rwd_cli_make_plan(r->cli, &r->place, &options, &r->plan, err);
    return r->planned && rwd_repair_folder_of(r->place.data, r->plan.id, r->folder, err);
}

static bool plan_and_restore(repairing *r, const rwd_target *target, rwd_error *err) {
    const char *const *values = r->cli->in->values;
    rwd_job *logic = NULL;
    rwd_amendments amendments = {0};
    bool ok = (!values[RWD_FLAG_ID_LOGIC] || rwd_job_load(values[RWD_FLAG_ID_LOGIC], NULL, 0, &logic, err)) &&
              (!values[RWD_FLAG_ID_AMEND] || rwd_amend_file_load(values[RWD_FLAG_ID_AMEND], &amendments, err)) &&
              plan_restore(r, target, logic, values[RWD_FLAG_ID_AMEND] ? &amendments : NULL, err);
    rwd_job_free(logic);
    rwd_amendments_deinit(&amendments);
    if (ok && !r->cli->json) show_plan(&r->plan, &r->cli->out);
    return ok && agree_and_apply(r, "Restore with it?", err);
}

// R1: a repair with the operator paused from before the plan until behind the apply, so that nothing wrong is published meanwhile.
static bool restore_paused(repairing *r, const rwd_target *target, rwd_error *err) {
    char paused[RWD_PATH_MAX];
    rwd_error second;
    if (!rwd_path_join(paused, r->place.data, "PAUSED", err)) return false;
    bool acts = rwd_given(r->cli->in, RWD_FLAG_ID_YES) && !rwd_given(r->cli->in, RWD_FLAG_ID_DRY_RUN);
    bool pauses = acts && rwd_admin_is_running(r->place.data) && !rwd_path_exists(paused);  // who paused it before resumes it
    if (pauses && !tell(r, "pause", "restore with other logic or records", err)) return false;
    bool ok = plan_and_restore(r, target, err);
    if (!pauses || tell(r, "resume", NULL, &second)) return ok;
    if (ok) *err = second;
    return false;
}

bool rwd_restore_otherwise(rwd_cli *cli, const rwd_target *target, rwd_error *err) {
    repairing r;
    rwd_signals_block();
    if (!need_reason(cli, err) || !find(cli, &r, err)) return false;
    bool ok = restore_paused(&r, target, err);
    repairing_deinit(&r);
    return ok;
}

// ---------------------------------------------------------------------------------------------- rebase

// What a plan asks for, so that it can be asked again: places are offsets by now.
typedef struct asked { rwd_job *logic; rwd_amendments amendments; } asked;

static void asked_deinit(asked *a) {
    rwd_job_free(a->logic);
    rwd_amendments_deinit(&a->amendments);
}

static bool load_asked(const repairing *r, asked *out, rwd_error *err) {
    char logic[RWD_PATH_MAX], amendments[RWD_PATH_MAX];
    *out = (asked){0};
    if (!rwd_path_join(logic, r->folder, RWD_REPAIR_LOGIC_FILE, err) || !rwd_path_join(amendments, r->folder, RWD_REPAIR_AMENDMENTS_FILE, err)) return false;
    if (r->plan.has_logic && !rwd_job_load(logic, NULL, 0, &out->logic, err)) return false;
    return r->plan.amendments == 0 || rwd_amend_file_load(amendments, &out->amendments, err);
}

static bool plan_again(repairing *r, const asked *a, rwd_repair_plan *out, rwd_error *err) {
    rwd_repair_options options = {
        .has_from = r->plan.has_logic, .has_to = r->plan.has_logic && r->plan.to >= 0, .from = {.kind = RWD_TARGET_OFFSET, .offset = r->plan.from},
        .to = {.kind = RWD_TARGET_OFFSET, .offset = r->plan.to}, .logic = a->logic, .amendments = a->amendments.count > 0 ? &a->amendments : NULL, .rebuild_old = r->plan.rebuilt_old,
    };
    return rwd_cli_make_plan(r->cli, &r->place, &options, out, err);
}

bool rwd_run_repair_rebase(rwd_cli *cli, rwd_error *err) {
    repairing r;
    asked a = {0};
    rwd_repair_plan plan;
    rwd_signals_block();
    if (!find(cli, &r, err)) return false;
    bool ok = load(&r, cli->in->args[0], err) && !refuse_done(&r, err);
    if (ok && rwd_repair_is_undo(&r.plan)) {
        ok = rwd_fail(err, RWD_E_USAGE, "%s is an undo, which is always planned on what is live", r.plan.id);
        (void)rwd_error_next(err, "rewind repair undo %s", cli->in->job);
    }
    ok = ok && load_asked(&r, &a, err) && plan_again(&r, &a, &plan, err);
    if (ok && cli->json) show_rebased_json(&plan, r.plan.id, &cli->out);
    else if (ok) show_plan(&plan, &cli->out), rwd_buf_appendf(&cli->out, "it stands for %s, on the history that is live\nnext: rewind repair show %s %s\n", r.plan.id, cli->in->job, plan.id);
    if (ok) rwd_repair_plan_deinit(&plan);
    asked_deinit(&a);
    repairing_deinit(&r);
    return ok;
}

// ---------------------------------------------------------------------------------------------- report

static void put_time(rwd_buf *out, const char *label, int64_t us) {
    char text[RWD_TIME_TEXT_MAX];
    rwd_time_text_ms(us, text);
    rwd_buf_appendf(out, "%-14s%s\n", label, text);
}

static void put_hash(rwd_buf *out, const char *label, rwd_hash128 hash) {
    char text[RWD_HASH128_HEX];
    rwd_hash128_hex(hash, text);
    rwd_buf_appendf(out, "%-14s%s\n", label, text);
}

static void report_tables(const rwd_repair_plan *plan, rwd_buf *out) {
    for (size_t i = 0; i < plan->table_count; i++) {
        const rwd_repair_table *t = &plan->tables[i];
        rwd_buf_appendf(out, "table %s: %" PRIu64 " keys changed, %" PRIu64 " added, %" PRIu64 " vanished\n", t->name, t->changed, t->added, t->vanished);
        for (size_t c = 0; c < t->column_count; c++) {
            const rwd_repair_column *column = &t->columns[c];
            if (*column->before || *column->after)
                rwd_buf_appendf(out, "  %s: %" PRIu64 " rows, sum %s -> %s (%s)\n", column->name, column->changed, column->before, column->after, column->delta);
            else rwd_buf_appendf(out, "  %s: %" PRIu64 " rows\n", column->name, column->changed);
        }
    }
}

static void report_asked(const rwd_repair_plan *plan, rwd_buf *out) {
    rwd_buf_appendf(out, "%-14s%s%s%s\n", plan->kind, plan->id, rwd_repair_is_undo(plan) ? ", takes back " : "", rwd_repair_is_undo(plan) ? taken_back(plan->undoes) : "");
    put_time(out, "planned", plan->created_us);
    rwd_buf_appendf(out, "%-14s%s\n", "planned by", plan->who);
    if (plan->to >= 0) rwd_buf_appendf(out, "%-14s[%" PRId64 ", %" PRId64 ")\n", "offsets", plan->from, plan->to);
    else rwd_buf_appendf(out, "%-14sfrom %" PRId64 " on\n", "offsets", plan->from);
    rwd_buf_appendf(out, "%-14s%s, %" PRIu64 " amendment%s\n", "with", plan->has_logic ? "another logic" : "the same logic", plan->amendments, plan->amendments == 1 ? "" : "s");
    rwd_buf_appendf(out, "%-14s%s at offset %" PRId64 ", %" PRIu64 " records read\n", "from", plan->base, plan->base_offset, plan->records_read);
    put_hash(out, "old lineage", plan->old_lineage);
    put_hash(out, "new lineage", plan->new_lineage);
}

static void report_done(const rwd_switch *done, rwd_buf *out) {
    put_time(out, "applied", done->decided_us);
    rwd_buf_appendf(out, "%-14s%s\n%-14s%s\n", "applied by", done->who, "why", done->why);
    rwd_buf_appendf(out, "%-14s%" PRId64 ", switch %" PRIu64 "\n", "at C", done->next_offset, done->switch_number);
    rwd_buf_appendf(out, "%-14s%" PRIu64 "\n", "corrections", done->rows);
    if (done->dead > 0) rwd_buf_appendf(out, "%-14s%" PRIu64 " new or resolved\n", "dead letters", done->dead);
    rwd_buf_appendf(out, "%-14scheckpoint %s\n", "before", done->old_checkpoint);
    put_hash(out, "  digest", done->old_digest);
    rwd_buf_appendf(out, "%-14scheckpoint %s\n", "after", done->new_checkpoint);
    put_hash(out, "  digest", done->new_digest);
}

static void report_json(const rwd_repair_plan *plan, const rwd_switch *done, rwd_buf *out) {
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "repair", plan->id);
    rwd_json_put_string(&json, "kind", plan->kind);
    rwd_json_put_string(&json, "undoes", *plan->undoes ? plan->undoes : NULL);
    rwd_json_put_time(&json, "planned_at", plan->created_us);
    rwd_json_put_string(&json, "planned_by", plan->who);
    rwd_json_put_int(&json, "from", plan->from);
    if (plan->to >= 0) rwd_json_put_int(&json, "to", plan->to);
    rwd_json_put_bool(&json, "other_logic", plan->has_logic);
    rwd_json_put_uint(&json, "amendments", plan->amendments);
    rwd_json_put_string(&json, "base", plan->base);
    rwd_json_put_int(&json, "base_offset", plan->base_offset);
    rwd_json_put_uint(&json, "records_read", plan->records_read);
    rwd_json_put_hash(&json, "old_lineage", plan->old_lineage);
    rwd_json_put_hash(&json, "new_lineage", plan->new_lineage);
    rwd_json_put_bool(&json, "applied", done != NULL);
    if (done) {
        rwd_json_put_time(&json, "applied_at", done->decided_us);
        rwd_json_put_string(&json, "applied_by", done->who);
        rwd_json_put_string(&json, "why", done->why);
        rwd_json_put_int(&json, "committed", done->next_offset);
        rwd_json_put_uint(&json, "switch_number", done->switch_number);
        rwd_json_put_uint(&json, "corrections", done->rows);
        rwd_json_put_uint(&json, "dead_letters", done->dead);
        rwd_json_put_string(&json, "checkpoint_before", done->old_checkpoint);
        rwd_json_put_hash(&json, "digest_before", done->old_digest);
        rwd_json_put_string(&json, "checkpoint_after", done->new_checkpoint);
        rwd_json_put_hash(&json, "digest_after", done->new_digest);
    }
    rwd_json_key(&json, "plan");
    rwd_render_repair_json(plan, done ? "applied" : "planned", &json);
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
}

static void report(const repairing *r, const rwd_switch *done) {
    rwd_buf *out = &r->cli->out;
    if (r->cli->json) {
        report_json(&r->plan, done, out);
        return;
    }
    report_asked(&r->plan, out);
    if (done) report_done(done, out);
    else rwd_buf_append_str(out, "not applied\n");
    rwd_buf_append_str(out, "as it was planned:\n");
    show_outputs(&r->plan, "output ", out);
    report_tables(&r->plan, out);
}

bool rwd_run_repair_report(rwd_cli *cli, rwd_error *err) {
    repairing r;
    rwd_switch done;
    rwd_error why;
    if (!find(cli, &r, err)) return false;
    bool ok = load(&r, cli->in->args[0], err);
    if (ok) {
        bool applied = rwd_switch_load(r.folder, RWD_SWITCH_DONE, r.place.io, &done, &why);
        ok = applied || why.code == RWD_E_NOT_FOUND;
        if (ok) report(&r, applied ? &done : NULL);
        else *err = why;
        if (applied) rwd_switch_deinit(&done);
    }
    repairing_deinit(&r);
    return ok;
}
