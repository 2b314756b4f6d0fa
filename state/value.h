// Typed values: what a field of an event holds, and what an aggregate answers.
//
// Thread: values.
#ifndef STATE_VALUE_H
#define STATE_VALUE_H

#include "operator/base/decimal.h"

// name in job files, what it holds (one line of the manual)
#define RWD_TYPE_TABLE(X)                                                                        \
    X(STRING, "string", "text, UTF-8")                                                           \
    X(INT, "int", "whole number, 64 bits signed")                                                \
    X(DECIMAL, "decimal", "exact number of a stated scale, 128 bits: decimal(2) counts cents")   \
    X(BOOL, "bool", "true or false")                                                             \
    X(TIME, "time", "a moment, microseconds, UTC")                                               \
    X(FLOAT, "float", "IEEE 754 binary64; never infinite or not a number; -0 is 0")              \
    X(BYTES, "bytes", "any bytes; as text, base64 (RFC 4648)")

typedef enum rwd_type {
#define RWD_TYPE_ENUM(id, name, doc) RWD_TYPE_##id,
    RWD_TYPE_TABLE(RWD_TYPE_ENUM)
#undef RWD_TYPE_ENUM
        RWD_TYPE_COUNT
} rwd_type;

const char *rwd_type_name(rwd_type type);  // static

// A value. Which member holds it follows from the declared type, which travels apart (schema, field).
typedef struct rwd_value {
    union {
        int64_t i;   // INT, TIME (microseconds)
        rwd_i128 d;  // DECIMAL, units of its declared scale
        bool b;      // BOOL
        double f;    // FLOAT: finite, and never -0.0 (rwd_float_normal)
        rwd_slice s; // STRING, BYTES; borrowed
    };
    bool present;    // false: null
} rwd_value;

// The text of a value, as it stands in CSV and as key text: "true", "12.50", RFC 3339 for times, base64 for bytes; null is empty. Appends.
void rwd_value_text(const rwd_value *value, rwd_type type, unsigned scale, rwd_buf *out);
// The value as a JSON token: numbers exact, strings, times and bytes quoted, null. Appends.
void rwd_value_json(const rwd_value *value, rwd_type type, unsigned scale, rwd_buf *out);
// Reads the text form back (keys typed on a command line). A string is *borrowed* from `text`. BYTES are appended to `scratch` and *borrowed* from there, so
// several that are to live together need room reserved for them all (at most the size of their texts); where no type is BYTES it may be NULL.
RWD_MUST bool rwd_value_from_text(rwd_slice text, rwd_type type, unsigned scale, rwd_buf *scratch, rwd_value *out, rwd_error *err);

#endif
