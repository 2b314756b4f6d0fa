// plugin check: what a plugin is, and whether its aggregates keep what they promise.
#include <inttypes.h>

#include "operator/cli/cli_private.h"
#include "operator/plugin/plugin.h"

#define ROUNDS 300                       // for each type that an aggregate takes
#define TIMEOUT_NS INT64_C(10000000000)  // of one call, as plugins.timeout

static void describe(const rwd_plugin_facts *plugin, rwd_buf *out) {
    char hash[RWD_HASH128_HEX];
    rwd_hash128_hex(plugin->hash, hash);
    rwd_buf_appendf(out, "plugin %s%s%s: %s\n  ABI %d, hash %s\n", plugin->name, plugin->version ? " " : "", plugin->version ? plugin->version : "", plugin->doc,
                    RWD_PLUGIN_ABI, hash);
    for (size_t i = 0; i < plugin->decoder_count; i++)
        rwd_buf_appendf(out, "  decoder %s.%s: %s\n", plugin->name, plugin->decoders[i].name, plugin->decoders[i].doc ? plugin->decoders[i].doc : "");
    for (size_t i = 0; i < plugin->aggregate_count; i++) {
        rwd_buf_appendf(out, "  aggregate %s(", plugin->aggregates[i].name);
        rwd_aggregate_arguments(&plugin->aggregates[i], out);
        rwd_buf_appendf(out, "): %s\n", plugin->aggregates[i].doc);
    }
}

static bool check(rwd_cli *cli, rwd_plugins *plugins, rwd_error *err) {
    const char *file = cli->in->args[0];
    bool good;
    if (!rwd_plugins_load(plugins, file, file, err)) return false;
    describe(rwd_plugins_at(plugins, 0), &cli->out);
    rwd_plugin_check(rwd_plugins_at(plugins, 0), rwd_count_of(cli->in, RWD_FLAG_ID_SEED, 1), ROUNDS, &cli->out, &good);
    if (!good) cli->exit_code = RWD_EXIT_DIFFERENT;
    return true;
}

bool rwd_run_plugin_check(rwd_cli *cli, rwd_error *err) {
    rwd_plugins *plugins;
    if (!rwd_plugins_new(TIMEOUT_NS, &plugins, err)) return false;
    bool worked = check(cli, plugins, err);
    rwd_plugins_free(plugins);
    return worked;
}
