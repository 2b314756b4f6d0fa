// Plugins: shared objects that bring decoders, aggregates and functions (rewind_plugin.h is what their authors see).
//
// A plugin's file is read once; its hash and its code are of the same bytes, since what is loaded is a sealed copy in memory (memfd_create(2)). The hash is part of
// the job's logic (L4). A call that goes wrong ends the process with a message that names it, and RWD_EXIT_PLUGIN.
//
// Thread: making and freeing: one at a time. Aggregates: any. A decoder: the thread that it was opened for.
#ifndef OPERATOR_PLUGIN_PLUGIN_H
#define OPERATOR_PLUGIN_PLUGIN_H

#include "operator/base/hash.h"
#include "operator/plugin/rewind_plugin.h"
#include "state/aggregate.h"

#define RWD_PLUGIN_ABI 1
#define RWD_PLUGINS_MAX 16                    // of a job
#define RWD_PLUGIN_ENTRIES_MAX 64             // decoders of a plugin, aggregates, and functions
#define RWD_PLUGIN_ANSWER_MAX (1u << 20)      // bytes of a text that a function gives
#define RWD_PLUGIN_BYTES_MAX (64u << 20)      // of a file

typedef struct rwd_plugins rwd_plugins;       // those of a job

// `timeout_ns`: a call that takes longer ends the process. *gives*.
RWD_MUST bool rwd_plugins_new(int64_t timeout_ns, rwd_plugins **out, rwd_error *err);
// Frees all; nothing of theirs may be in use. NULL is fine.
void rwd_plugins_free(rwd_plugins *plugins);
// Loads one more. `path` is shown in messages; the file is read from `file`. Errors: CONFIG (no plugin, another version, a mistake in its tables; a name or file name that
// another one has), and those of reading.
RWD_MUST bool rwd_plugins_load(rwd_plugins *plugins, const char *path, const char *file, rwd_error *err);

// A function for expressions.
typedef struct rwd_plugin_function {
    char *name;                // "shop.tax"
    const char *doc;
    struct { rwd_type type; uint8_t scale; } args[REWIND_ARGUMENTS_MAX], result;
    uint32_t arg_count;
    bool takes_null;           // else null in is null out
    const void *owner;         // the rest is the room's own
    const char *title;
    rewind_function it;
} rwd_plugin_function;

// The function of `args`, one for each that it has and of its type. A text is in the arena. RWD_E_NONE, or what makes the event a dead letter: WRONG_TYPE (it cannot take
// these values), OVERFLOW, TOO_LARGE.
rwd_code rwd_plugin_function_call(const rwd_plugin_function *function, const rwd_value *args, rwd_arena *arena, rwd_value *out);

typedef struct rwd_plugin_facts {
    const char *name, *doc, *version;  // version: NULL: it says none
    const char *path;
    rwd_hash128 hash;                  // XXH3-128 of the file
    rwd_slice bytes;                   // of the file
    const rewind_decoder *decoders;    // decoder_count of them
    size_t decoder_count;
    const rwd_aggregate *aggregates;   // aggregate_count of them, named "plugin.aggregate"
    size_t aggregate_count;
    const rwd_plugin_function *functions;  // function_count of them, named "plugin.function"
    size_t function_count;
} rwd_plugin_facts;

size_t rwd_plugins_count(const rwd_plugins *plugins);  // NULL: 0
// *borrows* until free.
const rwd_plugin_facts *rwd_plugins_at(const rwd_plugins *plugins, size_t index);
// "shop.median", or NULL.
const rwd_aggregate *rwd_plugins_aggregate(const rwd_plugins *plugins, const char *name);
bool rwd_plugins_has_decoder(const rwd_plugins *plugins, const char *name);

// ---- decoding

typedef struct rwd_plugin_decoder rwd_plugin_decoder;

// `fields` are *borrowed*; `retries`: how often a passing fault is tried again, with back-off (S1). *gives*. CONFIG: the plugin does not like the fields. Precondition:
// rwd_plugins_has_decoder.
RWD_MUST bool rwd_plugin_decoder_new(rwd_plugins *plugins, const char *name, const rewind_field *fields, size_t field_count, unsigned retries,
                                     rwd_plugin_decoder **out, rwd_error *err);
void rwd_plugin_decoder_free(rwd_plugin_decoder *decoder);

// Why a record could not be decoded.
typedef struct rwd_plugin_fault {
    rwd_code code;    // MALFORMED; PLUGIN: a passing fault that stayed
    uint64_t at;
    const char *why;  // in the arena
} rwd_plugin_fault;

// Fills `values`, one per field, and with each a code: NONE, WRONG_TYPE or OUT_OF_RANGE. Texts are the record's or in `arena`. False: the fault says why.
RWD_MUST bool rwd_plugin_decode(rwd_plugin_decoder *decoder, const rewind_record *record, rwd_arena *arena, rwd_value *values, rwd_code *codes,
                                rwd_plugin_fault *out_fault);

// ---- checking

// Feeds the functions and aggregates of a plugin random values, and compares what its tables claim: the same values give the same bytes, whatever is computed in between; an empty cell
// merged changes nothing; where it is order-free, neither order nor splits change a byte. Appends a line for each function and aggregate. `out_good`: no claim was broken.
void rwd_plugin_check(const rwd_plugin_facts *plugin, uint64_t seed, unsigned rounds, rwd_buf *out, bool *out_good);

#endif
