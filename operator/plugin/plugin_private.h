// What the files of this room share: a loaded plugin, and values on their way in and out.
//
// Thread: as plugin.h says.
#ifndef OPERATOR_PLUGIN_PLUGIN_PRIVATE_H
#define OPERATOR_PLUGIN_PLUGIN_PRIVATE_H

#include "operator/plugin/guard_private.h"
#include "operator/plugin/plugin.h"

// What a row of aggregates points to (rwd_aggregate.context).
typedef struct rwd_plugin_aggregate {
    const void *owner;       // of the guard: the plugins
    const char *title;
    rewind_aggregate it;     // as the plugin has it; members that it does not know are zero
    char *name;              // "shop.median"
    char *update, *merge, *read, *check;  // "shop.median.update": for messages
} rwd_plugin_aggregate;

// Reads the plugin's aggregates into rows. CONFIG: a mistake in its table.
RWD_MUST bool rwd_plugin_aggregate_init(const rewind_aggregate *theirs, const void *owner, const char *title, const char *plugin, rwd_plugin_aggregate *self,
                                        rwd_aggregate *out, rwd_error *err);
void rwd_plugin_aggregate_deinit(rwd_plugin_aggregate *self);

// The same of a function.
RWD_MUST bool rwd_plugin_function_init(const rewind_function *theirs, const void *owner, const char *title, const char *plugin, rwd_plugin_function *self, rwd_error *err);
void rwd_plugin_function_deinit(rwd_plugin_function *self);

// A value for a plugin. `type` and `scale` are set.
void rwd_plugin_value_put(rwd_type type, uint8_t scale, const rwd_value *value, rewind_value *out);
// The way back: RWD_E_NONE, OUT_OF_RANGE, or WRONG_TYPE: a text that is not UTF-8. Bytes are *borrowed* from where the plugin says they are.
rwd_code rwd_plugin_value_get(const rewind_value *value, rwd_value *out);
// By "plugin.decoder", or NULL; with the plugin's title. *borrows*.
const rewind_decoder *rwd_plugins_decoder(const rwd_plugins *plugins, const char *name, const char **out_title);
// A name as rewind_plugin.h wants it: letters, digits and _.
bool rwd_plugin_is_name(const char *text);

#endif
