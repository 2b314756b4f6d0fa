// pause and resume.
#include <stdio.h>
#include <unistd.h>

#include "operator/admin/client.h"
#include "operator/cli/cli_private.h"

#define PAUSE_TIMEOUT_NS 60000000000

static bool ask(rwd_cli *cli, const char *command, rwd_error *err) {
    rwd_place place;
    char who[RWD_CLI_WHO];
    if (!rwd_place_find(cli, &place, err)) return false;
    rwd_cli_who(who);
    const char *why = cli->in->values[RWD_FLAG_ID_REASON];
    const char *args[] = {who, why};
    rwd_admin_call call = {.command = command, .args = args, .arg_count = why ? 2 : 1, .json = cli->json};
    bool worked = rwd_admin_ask(place.data, &call, PAUSE_TIMEOUT_NS, &cli->out, err);
    rwd_place_deinit(&place);
    return worked;
}

bool rwd_run_pause(rwd_cli *cli, rwd_error *err) { return ask(cli, "pause", err); }
bool rwd_run_resume(rwd_cli *cli, rwd_error *err) { return ask(cli, "resume", err); }
