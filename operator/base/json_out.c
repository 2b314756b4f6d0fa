// Writes JSON text into a buffer (RFC 8259).
#include "operator/base/json_out.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/time.h"
#include "operator/base/utf8_private.h"

static const char replacement[] = "\xEF\xBF\xBD";  // U+FFFD

// Bytes that stand for themselves inside quotes.
static bool is_plain(uint8_t c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

static void append_escaped(rwd_buf *out, uint8_t c) {
    static const char hex[] = "0123456789abcdef";
    const char unicode[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    switch (c) {
    case '"': rwd_buf_append(out, "\\\"", 2); return;
    case '\\': rwd_buf_append(out, "\\\\", 2); return;
    case '\n': rwd_buf_append(out, "\\n", 2); return;
    case '\r': rwd_buf_append(out, "\\r", 2); return;
    case '\t': rwd_buf_append(out, "\\t", 2); return;
    case '\b': rwd_buf_append(out, "\\b", 2); return;
    case '\f': rwd_buf_append(out, "\\f", 2); return;
    default: rwd_buf_append(out, unicode, sizeof(unicode));
    }
}

// A byte that begins no well-formed sequence becomes one U+FFFD.
void rwd_json_quote(rwd_buf *out, rwd_slice text) {
    const uint8_t *p = text.data, *end = text.data + text.size;
    rwd_buf_reserve(out, text.size + 2);
    rwd_buf_append_char(out, '"');
    while (p < end) {
        const uint8_t *run = p;
        size_t size = 0;
        while (p < end && (is_plain(*p) || (*p >= 0x80 && (size = rwd_utf8_sequence(p, end)) > 0))) p += *p < 0x80 ? 1 : size;
        rwd_buf_append(out, run, (size_t)(p - run));
        if (p == end) break;
        if (*p < 0x80) append_escaped(out, *p);
        else rwd_buf_append(out, replacement, sizeof(replacement) - 1);
        p++;
    }
    rwd_buf_append_char(out, '"');
}

void rwd_json_init(rwd_json_out *json, rwd_buf *out, bool indent) {
    *json = (rwd_json_out){.out = out, .indent = indent};
    json->first[0] = true;
}

static void new_line(rwd_json_out *json) {
    rwd_buf_append_char(json->out, '\n');
    for (unsigned i = 0; i < json->depth; i++) rwd_buf_append(json->out, "  ", 2);
}

// What stands before a value or key: nothing behind a key, else the comma and the line.
static void separate(rwd_json_out *json) {
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (json->depth == 0) return;
    if (!json->first[json->depth]) rwd_buf_append_char(json->out, ',');
    json->first[json->depth] = false;
    if (json->indent) new_line(json);
}

static void open_level(rwd_json_out *json, char bracket) {
    assert(json->depth + 1 < RWD_JSON_DEPTH_MAX);
    separate(json);
    rwd_buf_append_char(json->out, bracket);
    json->first[++json->depth] = true;
}

static void close_level(rwd_json_out *json, char bracket) {
    assert(json->depth > 0 && !json->after_key);
    bool empty = json->first[json->depth--];
    if (json->indent && !empty) new_line(json);
    rwd_buf_append_char(json->out, bracket);
}

void rwd_json_object(rwd_json_out *json) { open_level(json, '{'); }
void rwd_json_object_end(rwd_json_out *json) { close_level(json, '}'); }
void rwd_json_array(rwd_json_out *json) { open_level(json, '['); }
void rwd_json_array_end(rwd_json_out *json) { close_level(json, ']'); }

void rwd_json_key_slice(rwd_json_out *json, rwd_slice key) {
    assert(json->depth > 0 && !json->after_key);
    separate(json);
    rwd_json_quote(json->out, key);
    rwd_buf_append(json->out, ": ", json->indent ? 2 : 1);
    json->after_key = true;
}

void rwd_json_key(rwd_json_out *json, const char *key) { rwd_json_key_slice(json, rwd_slice_str(key)); }

void rwd_json_slice(rwd_json_out *json, rwd_slice text) {
    separate(json);
    rwd_json_quote(json->out, text);
}

void rwd_json_string(rwd_json_out *json, const char *text) {
    if (text) rwd_json_slice(json, rwd_slice_str(text));
    else rwd_json_null(json);
}

void rwd_json_raw(rwd_json_out *json, rwd_slice token) {
    separate(json);
    rwd_buf_append_slice(json->out, token);
}

void rwd_json_int(rwd_json_out *json, int64_t value) {
    separate(json);
    rwd_buf_append_int(json->out, value);
}

void rwd_json_uint(rwd_json_out *json, uint64_t value) {
    separate(json);
    if (value <= INT64_MAX) rwd_buf_append_int(json->out, (int64_t)value);
    else rwd_buf_appendf(json->out, "%llu", (unsigned long long)value);
}

// Any decimal of at most 15 digits survives the way through a double, so for ordinary numbers 15 digits are the shortest text if
// they read back the same; the smallest numbers hold fewer digits and are tried from one on. The program never calls setlocale, so
// the point is a point.
void rwd_json_float(rwd_json_out *json, double value) {
    if (!isfinite(value)) {
        rwd_json_null(json);
        return;
    }
    char text[40];
    int length = 0;
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        length = snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    rwd_json_raw(json, rwd_slice_of(text, (size_t)length));
}

void rwd_json_bool(rwd_json_out *json, bool value) { rwd_json_raw(json, rwd_slice_str(value ? "true" : "false")); }
void rwd_json_null(rwd_json_out *json) { rwd_json_raw(json, rwd_slice_str("null")); }

// ---- members

void rwd_json_put_string(rwd_json_out *json, const char *key, const char *text) {
    rwd_json_key(json, key);
    rwd_json_string(json, text);
}

void rwd_json_put_int(rwd_json_out *json, const char *key, int64_t value) {
    rwd_json_key(json, key);
    rwd_json_int(json, value);
}

void rwd_json_put_uint(rwd_json_out *json, const char *key, uint64_t value) {
    rwd_json_key(json, key);
    rwd_json_uint(json, value);
}

void rwd_json_put_bool(rwd_json_out *json, const char *key, bool value) {
    rwd_json_key(json, key);
    rwd_json_bool(json, value);
}

void rwd_json_put_seconds(rwd_json_out *json, const char *key, int64_t ns) {
    rwd_json_key(json, key);
    rwd_json_float(json, (double)ns / 1e9);
}

void rwd_json_put_time(rwd_json_out *json, const char *key, int64_t us) {
    char text[RWD_TIME_TEXT_MAX];
    if (us != RWD_TIME_NONE) rwd_time_text(us, text);
    rwd_json_put_string(json, key, us == RWD_TIME_NONE ? NULL : text);
}

void rwd_json_put_hash(rwd_json_out *json, const char *key, rwd_hash128 hash) {
    char hex[RWD_HASH128_HEX];
    rwd_hash128_hex(hash, hex);
    rwd_json_put_string(json, key, hex);
}

void rwd_json_put_object(rwd_json_out *json, const char *key) {
    rwd_json_key(json, key);
    rwd_json_object(json);
}
