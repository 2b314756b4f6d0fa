// restore: a plan, and where it is agreed to, the act: by the running operator, or here where none runs.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/admin/client.h"
#include "operator/base/log.h"
#include "operator/cli/cli_private.h"
#include "operator/cli/output.h"
#include "operator/cli/render.h"
#include "operator/cli/serve.h"
#include "operator/cli/signals.h"
#include "operator/cli/when.h"
#include "operator/config/answers.h"
#include "operator/pipeline/from_output.h"
#include "state/key_text.h"
#include "state/reader.h"

bool rwd_cli_target(const rwd_cli *cli, rwd_flag_id time_flag, rwd_flag_id id_flag, rwd_target *out, rwd_error *err) {
    const rwd_invocation *in = cli->in;
    bool named = id_flag != RWD_FLAG_ID_COUNT;  // ids are taken here
    bool by_time = rwd_given(in, time_flag), by_offset = rwd_given(in, RWD_FLAG_ID_OFFSET), by_id = named && rwd_given(in, id_flag);
    *out = (rwd_target){.kind = RWD_TARGET_CHECKPOINT, .checkpoint = by_id ? in->values[id_flag] : NULL};
    if (by_time + by_offset + by_id != 1) {
        rwd_fail(err, RWD_E_USAGE, "say one place: --%s TIME%s --offset N%s%s%s", rwd_flag_at(time_flag)->name, named ? "," : " or", named ? " or --" : "",
                 named ? rwd_flag_at(id_flag)->name : "", named ? " ID" : "");
        return rwd_error_next(err, "rewind checkpoint list%s%s", in->job ? " " : "", in->job ? in->job : "");
    }
    if (by_offset) {
        uint64_t offset = rwd_count_of(in, RWD_FLAG_ID_OFFSET, 0);
        if (offset > INT64_MAX) return rwd_fail(err, RWD_E_USAGE, "--offset: no record has such an offset");
        out->kind = RWD_TARGET_OFFSET;
        out->offset = (int64_t)offset;
    } else if (by_time) {
        out->kind = RWD_TARGET_TIME;
        return rwd_when_parse(in->values[time_flag], rwd_clock_wall_us(cli->clock), &out->time_us, err);
    }
    return true;
}

bool rwd_cli_place_target(const rwd_cli *cli, const char *flag, const char *text, rwd_target *out, rwd_error *err) {
    int64_t number;
    size_t size = strlen(text);
    *out = (rwd_target){.kind = RWD_TARGET_CHECKPOINT, .checkpoint = text};
    if (strchr(text, ':')) {
        out->kind = RWD_TARGET_TIME;
        return rwd_when_parse(text, rwd_clock_wall_us(cli->clock), &out->time_us, err);
    }
    if (strspn(text, "0123456789") != size || size == RWD_CHECKPOINT_ID - 1) return true;  // an id has so many digits, and all of them may be decimal ones
    if (rwd_int_parse(rwd_slice_str(text), &number) != RWD_PARSE_OK) return rwd_fail(err, RWD_E_USAGE, "%s: no record has offset %s", flag, text);
    out->kind = RWD_TARGET_OFFSET;
    out->offset = number;
    return true;
}

// ---- on a running operator

static void show_line(rwd_buf *answer) {
    if (isatty(STDERR_FILENO)) rwd_log_progress(rwd_buf_cstr(answer) + 1);
}

static bool went_away(const char *data, rwd_error *err) {
    rwd_fail(err, RWD_E_NO_OPERATOR, "the operator went away while it restored");
    rwd_error_at(err, "%s", data);
    return rwd_error_next(err, "start it again: it recovers by itself, to the same state, whether the restore was done or not");
}

static bool ask_operator(rwd_cli *cli, const rwd_place *place, const rwd_plan *plan, rwd_error *err) {
    const char *reason = cli->in->values[RWD_FLAG_ID_REASON];
    char who[RWD_CLI_WHO];
    rwd_cli_who(who);
    const char *args[] = {plan->base.id, who, reason};
    rwd_admin_call begin = {"restore", args, reason ? 3 : 2, cli->json}, wait = {.command = "restore-wait", .json = cli->json};
    rwd_buf answer = {0};
    bool ok = rwd_admin_ask(place->data, &begin, 0, &answer, err), under_way = ok;
    while (ok && under_way) {
        rwd_buf_clear(&answer);
        ok = rwd_admin_ask(place->data, &wait, 0, &answer, err);
        under_way = ok && answer.size > 0 && answer.data[0] == '.';
        if (under_way) show_line(&answer);
    }
    rwd_log_progress(NULL);
    if (ok) rwd_buf_append(&cli->out, answer.data, answer.size);
    else if (under_way || err->code == RWD_E_NO_OPERATOR || err->code == RWD_E_IO) ok = went_away(place->data, err);
    rwd_buf_deinit(&answer);
    return ok;
}

// ---- here

static bool act_here(rwd_cli *cli, const rwd_place *place, const rwd_plan *plan, rwd_error *err) {
    rwd_operator_options options = {
        .job = place->job,
        .clock = cli->clock,
        .io = rwd_cli_io_tier(cli, place->job),
        .restore_to = plan->base.id,
        .reason = cli->in->values[RWD_FLAG_ID_REASON],
        .progress = isatty(STDERR_FILENO),
        .shows_error = isatty(STDERR_FILENO),
    };
    rwd_signals_block();
    return rwd_cli_run_operator(cli, &options, place->data, false, err);
}

static bool make_plan(rwd_cli *cli, rwd_place *place, const rwd_target *target, rwd_plan *out, rwd_error *err) {
    if (!rwd_place_open_reader(cli, place, err)) return false;
    rwd_plan_options options = {.job = place->job, .repo = place->repo, .io = place->io, .clock = cli->clock, .target = *target};
    bool ok = rwd_plan_make(&options, out, err);
    rwd_repo_close(place->repo);
    place->repo = NULL;
    return ok;
}

static bool restore(rwd_cli *cli, rwd_place *place, const rwd_target *target, const rwd_plan *plan, rwd_error *err) {
    bool act, shown = !rwd_given(cli->in, RWD_FLAG_ID_YES) || rwd_given(cli->in, RWD_FLAG_ID_DRY_RUN);
    if (cli->json && shown) rwd_render_plan_json(plan, target, &cli->out);
    else if (!cli->json) rwd_render_plan(plan, target, cli->in->job, &cli->out);
    if (!rwd_cli_may_act(cli, "Restore?", &act, err)) return false;
    if (!act) return true;
    return rwd_admin_is_running(place->data) ? ask_operator(cli, place, plan, err) : act_here(cli, place, plan, err);
}

// ---- from outputs

#define MARKS_NAME "rebuilt.jsonl"

// The row's key, and whether all of it is exact.
typedef struct marking {
    const rwd_job *job;
    rwd_output output;
    rwd_answers answers;
    rwd_buf key, scratch;
    uint64_t exact, estimated;
    bool worked;
    rwd_error *err;
} marking;

static void put_estimates(marking *m, const rwd_job_table *table, rwd_json_out *json, bool *out_any) {
    *out_any = false;
    for (size_t i = 0; i < table->schema.column_count; i++) {
        if (!rwd_from_output_estimated(m->job, table, i) || !rwd_answers_column(&m->answers, i)->present) continue;
        if (!*out_any) rwd_json_key(json, "estimated"), rwd_json_array(json);
        *out_any = true;
        rwd_json_string(json, table->schema.columns[i].name);
    }
    if (*out_any) rwd_json_array_end(json);
}

static bool mark_row(void *context, uint16_t number, rwd_slice key, rwd_slice row) {
    marking *m = context;
    const rwd_job_table *table = &m->job->tables[number];
    rwd_json_out json;
    bool any;
    rwd_buf_clear(&m->key);
    m->worked = rwd_answers_open(&m->answers, table, key, row.data, (uint32_t)row.size, m->err) && rwd_key_write_text(&table->schema, key, &m->scratch, &m->key);
    if (!m->worked) return false;
    rwd_json_init(&json, &m->output.text, false);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "table", table->schema.name);
    rwd_json_put_string(&json, "key", rwd_buf_cstr(&m->key));
    put_estimates(m, table, &json, &any);
    rwd_json_put_string(&json, "row", any ? "estimated" : "exact");
    rwd_json_object_end(&json);
    rwd_buf_append_char(&m->output.text, '\n');
    m->estimated += any;
    m->exact += !any;
    return m->worked = rwd_output_step(&m->output, m->err);
}

static bool mark_rows(rwd_place *place, const rwd_checkpoint *made, marking *m, rwd_error *err) {
    char dir[RWD_PATH_MAX], path[RWD_PATH_MAX];
    rwd_reader_db *reader;
    if (!rwd_repo_checkpoint_path(place->repo, made->id, dir, err) || !rwd_path_join(path, place->data, MARKS_NAME, err)) return false;
    if (!rwd_state_open(dir, &reader, err)) return false;
    bool worked = rwd_output_open(place->io, path, &m->output, err);
    if (worked) {
        worked = rwd_state_scan(reader, -1, mark_row, m, err) && m->worked && rwd_output_commit(&m->output, err);
        rwd_output_close(&m->output);
    }
    rwd_state_close(reader);
    return worked;
}

// Each row is said to be exact or estimated, in a file of the data directory.
static bool report_rebuilt(rwd_cli *cli, rwd_place *place, rwd_error *err) {
    rwd_checkpoint made;
    marking m = {.job = place->job, .worked = true, .err = err};
    if (!rwd_place_open_reader(cli, place, err) || !rwd_place_checkpoint(place, "latest", &made, err)) return false;
    bool worked = mark_rows(place, &made, &m, err);
    rwd_checkpoint_deinit(&made);
    rwd_answers_deinit(&m.answers);
    rwd_buf_deinit(&m.key);
    rwd_buf_deinit(&m.scratch);
    if (worked) rwd_cli_say("Rebuilt: %" PRIu64 " rows, %" PRIu64 " exact and %" PRIu64 " estimated; each is in %s/" MARKS_NAME, m.exact + m.estimated, m.exact, m.estimated, place->data);
    return worked;
}

static void show_rebuild(const rwd_job *job, const rwd_from_output *chosen, const rwd_commit *commit, rwd_buf *out) {
    rwd_buf_appendf(out, "Rebuild the state at the committed offset %" PRId64 " from outputs\n\n", commit->next_offset);
    for (size_t t = 0; t < job->table_count; t++) {
        bool any = false;
        rwd_buf_appendf(out, "  %-14s from %s", job->tables[t].schema.name, rwd_from_output_name(&job->sinks[chosen->sinks[t]]));
        for (size_t i = 0; i < job->tables[t].schema.column_count; i++) {
            if (!rwd_from_output_estimated(job, &job->tables[t], i)) continue;
            rwd_buf_appendf(out, "%s%s", any ? ", " : "; estimated, since the time of the value is not known: ", job->tables[t].schema.columns[i].name);
            any = true;
        }
        rwd_buf_append_str(out, any ? "\n" : "; exact\n");
    }
    if (job->event.within_us > 0) rwd_buf_append_str(out, "  ids            are not in outputs: events whose ids came before are not known as duplicates\n");
    if (rwd_job_has_dead_letters(job)) rwd_buf_append_str(out, "  dead letters   that are open are not known any more; the output of dead letters has them\n");
    rwd_buf_append_str(out, "\nThe repository begins at that offset and is marked as rebuilt in every manifest; nothing before it can be gone back to.\n");
}

static bool from_output(rwd_cli *cli, rwd_place *place, rwd_error *err) {
    const char *names = cli->in->values[RWD_FLAG_ID_FROM_OUTPUT];
    rwd_from_output chosen;
    rwd_commit commit;
    bool act, found;
    if (rwd_given(cli->in, RWD_FLAG_ID_TO) || rwd_given(cli->in, RWD_FLAG_ID_BEFORE) || rwd_given(cli->in, RWD_FLAG_ID_OFFSET))
        return rwd_fail(err, RWD_E_USAGE, "--from-output rebuilds the state at the committed offset; it takes no place to go back to");
    if (!rwd_from_output_choose(place->job, names, &chosen, err) || !rwd_peek_commit(place->job, cli->clock, &found, &commit, err)) return false;
    if (!found) return rwd_fail(err, RWD_E_NOT_FOUND, "nothing was committed with the outputs of this job, so there is no offset to go on from");
    if (!cli->json) show_rebuild(place->job, &chosen, &commit, &cli->out);
    if (!rwd_cli_may_act(cli, "Rebuild?", &act, err)) return false;
    if (!act) return true;
    rwd_operator_options options = {
        .job = place->job, .clock = cli->clock, .io = rwd_cli_io_tier(cli, place->job), .from_output = names, .reason = cli->in->values[RWD_FLAG_ID_REASON],
        .progress = isatty(STDERR_FILENO), .shows_error = isatty(STDERR_FILENO),
    };
    rwd_signals_block();
    return rwd_cli_run_operator(cli, &options, place->data, false, err) && report_rebuilt(cli, place, err);
}

// R1: not the same state again, but another one, whose outputs are corrected.
static bool restore_otherwise(rwd_cli *cli, rwd_error *err) {
    rwd_target target = {0};
    bool place = rwd_given(cli->in, RWD_FLAG_ID_BEFORE) || rwd_given(cli->in, RWD_FLAG_ID_OFFSET) || rwd_given(cli->in, RWD_FLAG_ID_TO);
    if (!rwd_given(cli->in, RWD_FLAG_ID_LOGIC)) {
        if (place) return rwd_fail(err, RWD_E_USAGE, "amendments say their places themselves: leave --before, --offset and --to away");
        return rwd_restore_otherwise(cli, &target, err);
    }
    return rwd_cli_target(cli, RWD_FLAG_ID_BEFORE, RWD_FLAG_ID_TO, &target, err) && rwd_restore_otherwise(cli, &target, err);
}

bool rwd_run_restore(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    rwd_plan plan;
    rwd_target target;
    if (rwd_given(cli->in, RWD_FLAG_ID_LOGIC) || rwd_given(cli->in, RWD_FLAG_ID_AMEND)) return restore_otherwise(cli, err);
    bool rebuild = rwd_given(cli->in, RWD_FLAG_ID_FROM_OUTPUT);
    if ((!rebuild && !rwd_cli_target(cli, RWD_FLAG_ID_BEFORE, RWD_FLAG_ID_TO, &target, err)) || !rwd_place_find(cli, &place, err)) return false;
    if (rebuild) {
        bool rebuilt = from_output(cli, &place, err);
        rwd_place_deinit(&place);
        return rebuilt;
    }
    bool worked = make_plan(cli, &place, &target, &plan, err);
    if (worked) {
        worked = restore(cli, &place, &target, &plan, err);
        rwd_plan_deinit(&plan);
    }
    rwd_place_deinit(&place);
    return worked;
}
