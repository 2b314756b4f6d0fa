// run and restore: an operator with its doors (signals, admin socket, HTTP) around it.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/admin/client.h"
#include "operator/admin/server.h"
#include "operator/base/log.h"
#include "operator/cli/cli_private.h"
#include "operator/cli/serve.h"
#include "operator/cli/signals.h"
#include "operator/http/http.h"
#include "operator/pipeline/operator.h"
#include "operator/pipeline/rooms.h"

typedef struct doors {
    rwd_signals *signals;
    rwd_admin *admin;
    rwd_http *http;
} doors;

static void http_status(void *op, rwd_status *out) { rwd_operator_status(op, out); }

static bool open_http(rwd_operator *op, doors *d, rwd_error *err) {
    const rwd_job *job = rwd_operator_job(op);
    if (job->http.off) return true;
    rwd_http_options options = {.host = job->http.host, .port = job->http.port, .status = http_status, .context = op};
    if (!rwd_http_start(&options, &d->http, err)) return false;
    rwd_log(RWD_LOG_INFO, "http", "listening on %s:%u", job->http.host, (unsigned)rwd_http_port(d->http));
    return true;
}

// The lock comes first: whoever has it may replace the socket file.
static bool open_doors(rwd_operator *op, const char *data, bool with_http, doors *d, rwd_error *err) {
    rwd_admin_service service = {op, rwd_serve_operator};
    return rwd_signals_start(op, &d->signals, err) && rwd_operator_open(op, err) && rwd_admin_start(data, &service, &d->admin, err) &&
           (!with_http || open_http(op, d, err));
}

static void close_doors(doors *d) {
    rwd_http_stop(d->http);
    rwd_admin_stop(d->admin);
    rwd_signals_stop(d->signals);
}

static void summarise(rwd_cli *cli, rwd_operator *op, int64_t took_ns) {
    rwd_status *status = rwd_calloc(1, sizeof(*status));
    rwd_operator_status(op, status);
    if (cli->json) rwd_status_summary_json(status, took_ns, &cli->out);
    else rwd_status_summary(status, took_ns, &cli->out);
    free(status);
}

// Runs an operator from lock to end, and tells what it came to.
static bool run_operator(rwd_cli *cli, const rwd_operator_options *options, const char *data, bool with_http, rwd_error *err) {
    rwd_operator *op = NULL;
    doors d = {0};
    int64_t began_ns = rwd_clock_ns(cli->clock);
    if (!rwd_operator_new(options, &op, err)) return false;
    bool worked = open_doors(op, data, with_http, &d, err) && rwd_operator_run(op, err);
    close_doors(&d);
    rwd_log_progress(NULL);
    if (worked) summarise(cli, op, rwd_clock_ns(cli->clock) - began_ns);
    rwd_operator_free(op);
    return worked;
}

bool rwd_run_run(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    rwd_signals_block();
    if (!rwd_place_find(cli, &place, err)) return false;
    rwd_operator_options options = {
        .job = place.job,
        .clock = cli->clock,
        .io = rwd_cli_io_tier(cli, place.job),
        .fresh = rwd_given(cli->in, RWD_FLAG_ID_FRESH),
        .reason = cli->in->values[RWD_FLAG_ID_REASON],
        .progress = isatty(STDERR_FILENO),
        .shows_error = isatty(STDERR_FILENO),
    };
    bool worked = run_operator(cli, &options, place.data, true, err);
    rwd_place_deinit(&place);
    return worked;
}

// ---- restore

// C as it stands in the outputs. Jobs without outputs have none: there the newest checkpoint is the truth.
static bool peek_frontier(rwd_cli *cli, const rwd_job *job, bool *out_found, int64_t *out_frontier, rwd_error *err) {
    *out_found = false;
    if (!rwd_job_has_outputs(job)) return true;
    rwd_budget budget;
    rwd_io *io;
    rwd_sink *sink;
    rwd_commit commit;
    if (!rwd_budget_init(&budget, job->state.memory, err) || !rwd_io_pread_new(&io, err)) return false;
    bool worked = rwd_open_sink(job, io, cli->clock, &budget, &sink, err);
    if (worked) {
        worked = sink->ops->peek(sink, &commit, out_found, err);
        sink->ops->close(sink);
    }
    rwd_io_free(io);
    if (worked && *out_found) *out_frontier = commit.next_offset;
    return worked;
}

typedef struct restore_plan {
    rwd_checkpoint base;
    int64_t frontier;    // -1: none is known
    size_t passed_over;  // newer checkpoints that are not used
} restore_plan;

static bool make_plan(rwd_cli *cli, rwd_place *place, restore_plan *out, rwd_error *err) {
    const char *to = cli->in->values[RWD_FLAG_ID_TO];
    rwd_checkpoint_list list;
    bool found;
    *out = (restore_plan){.frontier = -1};
    if (!rwd_place_open_reader(cli, place, err) || !rwd_place_checkpoint(place, to, &out->base, err)) return false;
    bool worked = rwd_repo_list(place->repo, &list, err);
    if (worked) {
        for (size_t i = 0; i < list.count && strcmp(list.items[i].id, out->base.id) != 0; i++) out->passed_over++;
        rwd_checkpoint_list_deinit(&list);
        worked = peek_frontier(cli, place->job, &found, &out->frontier, err);
    }
    if (worked && out->base.state == RWD_CHECKPOINT_PRUNED)
        worked = rwd_fail(err, RWD_E_NOT_FOUND, "checkpoint %s was pruned: only its manifest is left", out->base.id);
    if (!worked) rwd_checkpoint_deinit(&out->base);
    rwd_repo_close(place->repo);
    place->repo = NULL;
    return worked;
}

static void show_plan(rwd_cli *cli, const restore_plan *plan) {
    const rwd_checkpoint *base = &plan->base;
    int64_t x = base->facts.next_offset, replay = plan->frontier > x ? plan->frontier - x : 0;
    char made[RWD_TIME_TEXT_MAX], digest[RWD_HASH128_HEX];
    rwd_time_text_ms(base->created_us, made);
    rwd_hash128_hex(base->digest, digest);
    rwd_buf_appendf(&cli->out, "restore %s\n", cli->in->job);
    rwd_buf_appendf(&cli->out, "  base         checkpoint %s at offset X = %" PRId64 ", made %s, digest %s\n", base->id, x, made, digest);
    rwd_buf_appendf(&cli->out, "  passed over  %zu newer checkpoint%s (kept)\n", plan->passed_over, plan->passed_over == 1 ? "" : "s");
    if (plan->frontier >= 0)
        rwd_buf_appendf(&cli->out, "  replay       %" PRId64 " offsets silently, [%" PRId64 ", %" PRId64 "), up to the committed C\n", replay, x, x + replay);
    else rwd_buf_append_str(&cli->out, "  replay       nothing: this job has no outputs, so the checkpoint is the truth\n");
    rwd_buf_append_str(&cli->out, "  then         a new checkpoint; outputs stay as they are\n"
                                  "  result       the logic is unchanged, so this is the same state, rebuilt\n");
}

static void show_plan_json(rwd_cli *cli, const restore_plan *plan) {
    const rwd_checkpoint *base = &plan->base;
    rwd_json_out json;
    rwd_json_init(&json, &cli->out, true);
    rwd_json_object(&json);
    rwd_json_key(&json, "base");
    rwd_json_string(&json, base->id);
    rwd_json_key(&json, "next_offset");
    rwd_json_int(&json, base->facts.next_offset);
    rwd_json_key(&json, "committed");
    if (plan->frontier >= 0) rwd_json_int(&json, plan->frontier);
    else rwd_json_null(&json);
    rwd_json_key(&json, "offsets_to_replay");
    rwd_json_int(&json, plan->frontier > base->facts.next_offset ? plan->frontier - base->facts.next_offset : 0);
    rwd_json_key(&json, "passed_over");
    rwd_json_uint(&json, plan->passed_over);
    rwd_json_object_end(&json);
    rwd_buf_append_char(&cli->out, '\n');
}

static bool restore(rwd_cli *cli, rwd_place *place, const restore_plan *plan, rwd_error *err) {
    bool act;
    bool shown = !rwd_given(cli->in, RWD_FLAG_ID_YES) || rwd_given(cli->in, RWD_FLAG_ID_DRY_RUN);
    if (cli->json && shown) show_plan_json(cli, plan);
    else if (!cli->json) show_plan(cli, plan);
    if (!rwd_cli_may_act(cli, "Restore?", &act, err)) return false;
    if (!act) return true;
    rwd_operator_options options = {
        .job = place->job,
        .clock = cli->clock,
        .io = rwd_cli_io_tier(cli, place->job),
        .restore_to = plan->base.id,
        .reason = cli->in->values[RWD_FLAG_ID_REASON],
        .progress = isatty(STDERR_FILENO),
        .shows_error = isatty(STDERR_FILENO),
    };
    return run_operator(cli, &options, place->data, false, err);
}

bool rwd_run_restore(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    restore_plan plan;
    rwd_signals_block();
    if (!rwd_given(cli->in, RWD_FLAG_ID_TO)) {
        rwd_fail(err, RWD_E_USAGE, "say which checkpoint to go back to with --to");
        return rwd_error_next(err, "rewind checkpoint list %s", cli->in->job);
    }
    if (!rwd_place_find(cli, &place, err)) return false;
    bool worked = true;
    if (!rwd_given(cli->in, RWD_FLAG_ID_DRY_RUN) && rwd_admin_is_running(place.data)) {
        rwd_fail(err, RWD_E_LOCKED, "the operator is running: restore changes live state and needs it stopped");
        rwd_error_at(err, "%s", place.data);
        worked = rwd_error_next(err, "stop it (SIGTERM), then rewind restore %s --to %s", cli->in->job, cli->in->values[RWD_FLAG_ID_TO]);
    }
    worked = worked && make_plan(cli, &place, &plan, err);
    if (worked) {
        worked = restore(cli, &place, &plan, err);
        rwd_checkpoint_deinit(&plan.base);
    }
    rwd_place_deinit(&place);
    return worked;
}
