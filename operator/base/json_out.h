// Writes JSON text into a buffer: commas, quotes and escapes are its business. RFC 8259; a byte that is not
// part of valid UTF-8 becomes U+FFFD.
//
// Thread: one at a time.
#ifndef OPERATOR_BASE_JSON_OUT_H
#define OPERATOR_BASE_JSON_OUT_H

#include "operator/base/bytes.h"
#include "operator/base/hash.h"

#define RWD_JSON_DEPTH_MAX 32

typedef struct rwd_json_out {
    rwd_buf *out;          // borrowed
    unsigned depth;
    bool indent;           // two spaces a level; otherwise one line
    bool first[RWD_JSON_DEPTH_MAX];
    bool after_key;
} rwd_json_out;

void rwd_json_init(rwd_json_out *json, rwd_buf *out, bool indent);
void rwd_json_object(rwd_json_out *json);
void rwd_json_object_end(rwd_json_out *json);
void rwd_json_array(rwd_json_out *json);
void rwd_json_array_end(rwd_json_out *json);
void rwd_json_key(rwd_json_out *json, const char *key);
void rwd_json_key_slice(rwd_json_out *json, rwd_slice key);
void rwd_json_string(rwd_json_out *json, const char *text);  // NULL writes null
void rwd_json_slice(rwd_json_out *json, rwd_slice text);
void rwd_json_int(rwd_json_out *json, int64_t value);
void rwd_json_uint(rwd_json_out *json, uint64_t value);
void rwd_json_float(rwd_json_out *json, double value);       // shortest text that reads back the same; NaN and infinities are null
void rwd_json_bool(rwd_json_out *json, bool value);
void rwd_json_null(rwd_json_out *json);
void rwd_json_raw(rwd_json_out *json, rwd_slice token);      // a number token made elsewhere

// Members: a key and its value.
void rwd_json_put_string(rwd_json_out *json, const char *key, const char *text);  // NULL writes null
void rwd_json_put_int(rwd_json_out *json, const char *key, int64_t value);
void rwd_json_put_uint(rwd_json_out *json, const char *key, uint64_t value);
void rwd_json_put_bool(rwd_json_out *json, const char *key, bool value);
void rwd_json_put_seconds(rwd_json_out *json, const char *key, int64_t ns);        // as a number of seconds
void rwd_json_put_time(rwd_json_out *json, const char *key, int64_t us);           // RFC 3339, microseconds since 1970; RWD_TIME_NONE writes null
void rwd_json_put_hash(rwd_json_out *json, const char *key, rwd_hash128 hash);     // in hexadecimal
void rwd_json_put_object(rwd_json_out *json, const char *key);                     // begins one: end it with rwd_json_object_end

// Just the quoted and escaped string, appended to `out`.
void rwd_json_quote(rwd_buf *out, rwd_slice text);

#endif
