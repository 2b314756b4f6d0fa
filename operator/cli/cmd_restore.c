// restore: a plan, and where it is agreed to, the act: by the running operator, or here where none runs.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/admin/client.h"
#include "operator/base/log.h"
#include "operator/cli/cli_private.h"
#include "operator/cli/render.h"
#include "operator/cli/serve.h"
#include "operator/cli/signals.h"
#include "operator/cli/when.h"

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
    char who[32];
    (void)snprintf(who, sizeof(who), "uid %u", (unsigned)getuid());
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

bool rwd_run_restore(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    rwd_plan plan;
    rwd_target target;
    if (!rwd_cli_target(cli, RWD_FLAG_ID_BEFORE, RWD_FLAG_ID_TO, &target, err) || !rwd_place_find(cli, &place, err)) return false;
    bool worked = make_plan(cli, &place, &target, &plan, err);
    if (worked) {
        worked = restore(cli, &place, &target, &plan, err);
        rwd_plan_deinit(&plan);
    }
    rwd_place_deinit(&place);
    return worked;
}
