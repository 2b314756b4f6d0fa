// What a plugin of Rewind is: a shared object that exports rewind_plugin_v1. This header stands alone: C99, no other header of Rewind.
//
// A plugin brings decoders (the bytes of a record -> the fields of an event), aggregates (values -> a cell of bytes -> an answer) and functions (values -> a value).
// Build it with
//
//     cc -std=c99 -O2 -fPIC -shared -fvisibility=hidden -o NAME.so NAME.c
//
// Rules, on which exactly-once, restore and repair rest:
//
//   Pure         The same bytes and values give the same result, on every machine and in every order of calls for other keys: no clock, no randomness, no
//                locale, no files, no memory of what came before except a cell (aggregates). Uninitialised bytes never reach a cell.
//   Sizes        Nothing is written outside the room that is given, and nothing given as const is written.
//   Threads      Functions, and those of an aggregate, are called from several threads at once. A decoder's state is used by one thread at a time.
//   Errors       A function returns one of the codes below. It does not end the process, raise a signal, or return through longjmp or a C++ exception.
//   Lifetime     What rewind_plugin_v1 returns, and all that it points to, lives as long as the plugin is loaded, and does not change.
//
// A function that crashes, does not return within the job's plugins.timeout, writes outside its room or returns what no rule knows ends the process with a message
// that names it (exit code 12). The state is as safe as in any crash: the next start recovers.
//
// Versions: a struct begins with its own size, as the plugin was compiled. Members are only ever added at the end, so a plugin works with later versions of
// Rewind without being built again; what cannot be said so gets another symbol, rewind_plugin_v2.
//
// Thread: as above.
#ifndef OPERATOR_PLUGIN_REWIND_PLUGIN_H
#define OPERATOR_PLUGIN_REWIND_PLUGIN_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REWIND_PLUGIN_EXPORT __attribute__((visibility("default")))

/* Types of values. They and the numbers below never change. */
#define REWIND_STRING 0u  /* bytes: UTF-8 */
#define REWIND_INT 1u     /* integer */
#define REWIND_DECIMAL 2u /* integer and upper: units of 10^-scale, 128 bits in two's complement; at most 38 digits */
#define REWIND_BOOL 3u    /* integer: 0 or 1 */
#define REWIND_TIME 4u    /* integer: microseconds since 1970 UTC; the years 1 to 9999 */
#define REWIND_FLOAT 5u   /* real: finite */
#define REWIND_BYTES 6u   /* bytes */
#define REWIND_SAME 255u  /* as a result: the argument's type and scale */

#define REWIND_BIT(type) (1u << (type))
#define REWIND_NUMBERS (REWIND_BIT(REWIND_INT) | REWIND_BIT(REWIND_DECIMAL) | REWIND_BIT(REWIND_FLOAT))

/* What functions return. */
#define REWIND_OK 0
#define REWIND_MALFORMED 1 /* decode: the record is not well formed; call: it cannot take these values; the event is a dead letter */
#define REWIND_OVERFLOW 2  /* update, merge, call: the answer has no room for it; the event is a dead letter, and the cell is as it was */
#define REWIND_TOO_LARGE 3 /* update, merge: the cell would become larger than cell_max; as above */
#define REWIND_RETRY 4     /* decode: it may work later. Tried again errors.retries times, then the job stops */

/* Bounds. */
#define REWIND_NAME_MAX 63u            /* bytes of a name: lower-case letters, digits and _, beginning with a letter */
#define REWIND_CELL_MAX 32768u         /* bytes of a cell */
#define REWIND_TEXT_MAX 16777216u      /* bytes of a text that a decoder gives */
#define REWIND_REASON_MAX 200u         /* bytes of a reason, with its NUL */
#define REWIND_PARAMETERS_MAX 2u       /* of an aggregate */
#define REWIND_ARGUMENTS_MAX 8u        /* of a function */
#define REWIND_ROOM 4096u              /* bytes that a function may write a text into */
#define REWIND_PARAMETER_NONE INT64_MIN /* a parameter that the job does not give, and that has no fallback */

typedef struct rewind_value {
    uint32_t type;
    uint32_t scale;   /* DECIMAL: digits behind the point */
    uint32_t present; /* 0: null */
    uint32_t reserved;
    int64_t integer;  /* INT, BOOL, TIME; DECIMAL: the lower 64 bits */
    int64_t upper;    /* DECIMAL: the upper 64 bits; -1 or 0, by the sign, where `integer` has room for the number */
    double real;      /* FLOAT */
    const uint8_t *bytes; /* STRING, BYTES */
    uint64_t byte_count;
} rewind_value;

/* ---- decoders: source: {format: plugin, plugin: {decoder: PLUGIN.NAME}} */

/* A field that the job declares. Texts end with NUL and live as long as the decoder's state. */
typedef struct rewind_field {
    const char *name;
    const char *path; /* the field's `path`, or its name: what it means is the decoder's business */
    uint32_t type;
    uint32_t scale;
} rewind_field;

typedef struct rewind_record {
    uint32_t size;
    uint32_t reserved;
    const uint8_t *value;
    uint64_t value_size;
    const uint8_t *key; /* NULL: none, as in files */
    uint64_t key_size;
    int64_t offset;
    int64_t time_us; /* the record's own; INT64_MIN: none */
} rewind_record;

/* Where a decoder puts what it found. values[i] is the job's i-th field: type and scale are set and stay, `present` is 0. Bytes are borrowed from the record, or from
 * the decoder's state until its next call. */
typedef struct rewind_event {
    uint32_t size;
    uint32_t value_count;
    rewind_value *values;
    char *reason;  /* REWIND_REASON_MAX bytes for MALFORMED and RETRY: UTF-8 text that ends with NUL */
    uint64_t at;   /* MALFORMED: the byte of the record's value where the mistake is */
} rewind_event;

typedef struct rewind_decoder {
    uint32_t size;
    const char *name;
    const char *doc; /* one line */
    /* Looks at the fields of a job before the first record. Not OK: `reason` (REWIND_REASON_MAX bytes) says why, and the job file is refused.
     * `*out_state` is handed to the other two. NULL: there is nothing to look at, and the state is NULL. */
    int32_t (*open)(const rewind_field *fields, uint32_t count, void **out_state, char *reason);
    void (*close)(void *state); /* NULL: nothing to close */
    int32_t (*decode)(void *state, const rewind_record *record, rewind_event *out);
} rewind_decoder;

/* ---- aggregates: NAME: PLUGIN.AGGREGATE(field, parameter...) */

/* A number behind the field, as a whole number of units of 10^-scale. */
typedef struct rewind_parameter {
    const char *name; /* NULL: there is none */
    const char *doc;
    uint32_t scale;   /* at most 18 */
    uint32_t required;
    int64_t least, greatest;
    int64_t fallback; /* where it is not given and not required; or REWIND_PARAMETER_NONE */
} rewind_parameter;

/* What the job asks of its aggregate. */
typedef struct rewind_call {
    uint32_t size;
    uint32_t type;  /* of the argument */
    uint32_t scale;
    uint32_t reserved;
    int64_t parameters[REWIND_PARAMETERS_MAX];
} rewind_call;

/* When an event happened. No two events have the same. */
typedef struct rewind_moment {
    int64_t time_us; /* event time; INT64_MIN: none */
    int64_t offset;
    uint32_t ordinal; /* of the event in its record */
    uint32_t reserved;
} rewind_moment;

/* A cell: what is kept for a key. A fixed one has cell_size bytes, always, which are all zero before the first value. A variable one has none before the first value, and
 * at most cell_max. Any alignment: use memcpy. Its bytes are canonical: they are compared and hashed, so equal histories give equal bytes. */
typedef struct rewind_cell {
    uint8_t *bytes;
    uint32_t size;
    uint32_t room;
} rewind_cell;

typedef struct rewind_bytes {
    const uint8_t *bytes;
    uint32_t size;
    uint32_t reserved;
} rewind_bytes;

typedef struct rewind_aggregate {
    uint32_t size;
    uint32_t types;      /* bits of the types that the argument may have; 0: there is no argument */
    uint32_t order_free; /* bits of those for which neither the order of events nor how they are merged changes a byte of the cell */
    uint32_t cell_size;  /* of a fixed cell; 0: variable */
    uint32_t cell_max;   /* of a variable cell */
    uint32_t result;     /* type of the answer, or REWIND_SAME */
    uint32_t result_scale; /* of a decimal answer */
    uint32_t reserved;
    const char *name;
    const char *doc;     /* one line */
    rewind_parameter parameters[REWIND_PARAMETERS_MAX];
    /* Takes a value into the cell; a null is never handed over. */
    int32_t (*update)(const rewind_call *call, rewind_cell *cell, const rewind_value *value, const rewind_moment *when);
    /* As if the events of `other` came behind those of the cell. A cell before its first value changes nothing. */
    int32_t (*merge)(const rewind_call *call, rewind_cell *cell, const rewind_bytes *other);
    /* The answer; type and scale are set, `present` is 0. Bytes are borrowed from the cell. */
    void (*read)(const rewind_call *call, const rewind_bytes *cell, rewind_value *out);
    /* OK: these are bytes that update or merge writes. NULL: every cell within the bounds is. */
    int32_t (*check)(const rewind_call *call, const rewind_bytes *cell);
} rewind_aggregate;

/* ---- functions: in any expression of a job, PLUGIN.NAME(expression, ...) */

typedef struct rewind_room {
    uint8_t *bytes;
    uint32_t size; /* REWIND_ROOM */
    uint32_t reserved;
} rewind_room;

typedef struct rewind_function {
    uint32_t size;
    uint32_t arg_count;                    /* 1 to REWIND_ARGUMENTS_MAX */
    uint32_t types[REWIND_ARGUMENTS_MAX];  /* of each; numbers of the job become it where that is exact, or it is FLOAT */
    uint32_t scales[REWIND_ARGUMENTS_MAX]; /* of each DECIMAL */
    uint32_t result;
    uint32_t result_scale;                 /* of a DECIMAL */
    uint32_t takes_null;                   /* 0: where an argument is null so is the answer, and there is no call */
    uint32_t reserved;
    const char *name;
    const char *doc;                       /* one line */
    /* The same values give the same answer, always. `args` are arg_count values; of `out` type and scale are set, and `present` is 0. Bytes of the answer stand in an
     * argument, in `room`, or are the plugin's own and never change. */
    int32_t (*call)(const rewind_value *args, uint32_t count, rewind_room *room, rewind_value *out);
} rewind_function;

/* ---- the plugin */

typedef struct rewind_plugin {
    uint32_t size;
    uint32_t reserved;
    const char *name;
    const char *doc;     /* one line */
    const char *version; /* the plugin's own, for people; or NULL */
    const rewind_decoder *const *decoders;     /* ends with NULL; or NULL: none */
    const rewind_aggregate *const *aggregates; /* the same */
    const rewind_function *const *functions;   /* the same */
} rewind_plugin;

/* The one symbol that a plugin exports. */
REWIND_PLUGIN_EXPORT const rewind_plugin *rewind_plugin_v1(void);

/* ---- setting values */

static inline void rewind_set_int(rewind_value *value, int64_t number) {
    value->present = 1;
    value->integer = number;
    value->upper = number < 0 ? -1 : 0;
}
static inline void rewind_set_float(rewind_value *value, double number) {
    value->present = 1;
    value->real = number;
}
static inline void rewind_set_bytes(rewind_value *value, const void *bytes, uint64_t count) {
    value->present = 1;
    value->bytes = (const uint8_t *)bytes;
    value->byte_count = count;
}
/* Copies at most what has room, and returns `code`. */
static inline int32_t rewind_because(int32_t code, char *reason, const char *why) {
    size_t count = strlen(why);
    if (count > REWIND_REASON_MAX - 1) count = REWIND_REASON_MAX - 1;
    memcpy(reason, why, count);
    reason[count] = '\0';
    return code;
}

#ifdef __cplusplus
}
#endif

#endif
