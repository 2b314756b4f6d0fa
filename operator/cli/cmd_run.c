// run: an operator with its doors (signals, admin socket, HTTP) around it.
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
bool rwd_cli_run_operator(rwd_cli *cli, const rwd_operator_options *options, const char *data, bool with_http, rwd_error *err) {
    rwd_operator *op = NULL;
    doors d = {0};
    int64_t began_ns = rwd_clock_ns(cli->clock);
    if (!rwd_operator_new(options, &op, err)) return false;
    bool worked = open_doors(op, data, with_http, &d, err) && rwd_operator_run(op, err);
    close_doors(&d);
    rwd_log_progress(NULL);
    if (worked && !options->apply) summarise(cli, op, rwd_clock_ns(cli->clock) - began_ns);
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
    bool worked = rwd_cli_run_operator(cli, &options, place.data, true, err);
    rwd_place_deinit(&place);
    return worked;
}
