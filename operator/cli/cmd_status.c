// status, version, config, docs: what is asked and answered at once.
#include <stdio.h>

#include "operator/admin/client.h"
#include "operator/base/version.h"
#include "operator/cli/cli_private.h"
#include "operator/cli/docs.h"
#include "operator/cli/render.h"
#include "operator/sink/row_proto.h"

#define STATUS_TIMEOUT_NS 10000000000

// ---- status

static void offline_json(rwd_cli *cli, const rwd_place *place, const rwd_checkpoint *newest) {
    rwd_json_out json;
    rwd_json_init(&json, &cli->out, true);
    rwd_json_object(&json);
    rwd_json_key(&json, "job");
    rwd_json_string(&json, rwd_repo_job(place->repo));
    rwd_json_key(&json, "phase");
    rwd_json_string(&json, "not-running");
    rwd_json_key(&json, "ready");
    rwd_json_bool(&json, false);
    rwd_json_key(&json, "data");
    rwd_json_string(&json, place->data);
    rwd_json_key(&json, "newest_checkpoint");
    if (newest) rwd_render_checkpoint_json(newest, false, &json);
    else rwd_json_null(&json);
    rwd_json_object_end(&json);
    rwd_buf_append_char(&cli->out, '\n');
}

static bool offline_status(rwd_cli *cli, rwd_place *place, rwd_error *err) {
    rwd_checkpoint newest;
    if (!rwd_place_open_reader(cli, place, err)) return false;
    bool found = rwd_repo_find(place->repo, "latest", &newest, err);
    if (!found && err->code != RWD_E_NOT_FOUND) return false;
    rwd_error_clear(err);
    cli->exit_code = RWD_EXIT_NOT_FOUND;
    if (cli->json) offline_json(cli, place, found ? &newest : NULL);
    else {
        rwd_buf_appendf(&cli->out, "%s: not running\n  data           %s\n", rwd_repo_job(place->repo), place->data);
        if (found) rwd_render_checkpoint(&newest, false, rwd_clock_wall_us(cli->clock), &cli->out);
        else rwd_buf_append_str(&cli->out, "  no checkpoint yet\n");
    }
    if (found) rwd_checkpoint_deinit(&newest);
    return true;
}

bool rwd_run_status(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    if (!rwd_place_find(cli, &place, err)) return false;
    rwd_admin_call call = {.command = "status", .json = cli->json};
    bool worked = rwd_admin_ask(place.data, &call, STATUS_TIMEOUT_NS, &cli->out, err);
    if (!worked && err->code == RWD_E_NO_OPERATOR) {
        rwd_error_clear(err);
        worked = offline_status(cli, &place, err);
    }
    rwd_place_deinit(&place);
    return worked;
}

// ---- version, config, docs

bool rwd_run_version(rwd_cli *cli, rwd_error *err) {
    (void)err;
    if (!cli->json) {
        rwd_buf_appendf(&cli->out, "rewind %s\n", rwd_version_text());
        return true;
    }
    rwd_json_out json;
    rwd_json_init(&json, &cli->out, true);
    rwd_json_object(&json);
    rwd_json_key(&json, "version");
    rwd_json_string(&json, rwd_version_number());
    rwd_json_key(&json, "build");
    rwd_json_string(&json, rwd_version_text());
    rwd_json_object_end(&json);
    rwd_buf_append_char(&cli->out, '\n');
    return true;
}

bool rwd_run_config_check(rwd_cli *cli, rwd_error *err) {
    rwd_job *job;
    char logic[RWD_HASH128_HEX], data[RWD_PATH_MAX];
    if (!rwd_job_load(cli->in->job, cli->in->sets, cli->in->set_count, &job, err)) return false;
    bool worked = rwd_job_data_path(job, data, err);
    if (worked) rwd_hash128_hex(job->logic, logic);
    if (worked && cli->json) {
        rwd_json_out json;
        rwd_json_init(&json, &cli->out, true);
        rwd_json_object(&json);
        rwd_json_key(&json, "job");
        rwd_json_string(&json, job->name);
        rwd_json_key(&json, "fingerprint");
        rwd_json_string(&json, logic);
        rwd_json_key(&json, "data");
        rwd_json_string(&json, data);
        rwd_json_object_end(&json);
        rwd_buf_append_char(&cli->out, '\n');
    } else if (worked) {
        rwd_buf_appendf(&cli->out, "%s: fine. Job '%s', %zu table%s, %zu output%s, logic %s, data in %s\n", cli->in->job, job->name, job->table_count,
                        job->table_count == 1 ? "" : "s", job->sink_count, job->sink_count == 1 ? "" : "s", logic, data);
    }
    rwd_job_free(job);
    return worked;
}

bool rwd_run_config_print(rwd_cli *cli, rwd_error *err) {
    rwd_job *job;
    if (!rwd_job_load(cli->in->job, cli->in->sets, cli->in->set_count, &job, err)) return false;
    rwd_job_print(job, cli->json, &cli->out);
    rwd_job_free(job);
    return true;
}

bool rwd_run_config_schema(rwd_cli *cli, rwd_error *err) {
    (void)err;
    rwd_job_schema(&cli->out);
    return true;
}

bool rwd_run_config_proto(rwd_cli *cli, rwd_error *err) {
    rwd_job *job;
    if (!rwd_job_load(cli->in->job, cli->in->sets, cli->in->set_count, &job, err)) return false;
    bool worked = rwd_row_proto_schema(job, &cli->out, err);
    rwd_job_free(job);
    return worked;
}

bool rwd_run_docs(rwd_cli *cli, rwd_error *err) { return rwd_docs_page(cli->in->args[0], &cli->out, err); }
