// Typed values as text and as JSON tokens, and text back to values.
//
// Owns nothing. What must stay true: text written by rwd_value_text reads back as the same value (strings: as the same bytes).
#include "state/value.h"

#include <assert.h>

#include "operator/base/float.h"
#include "operator/base/json_out.h"
#include "operator/base/time.h"

const char *rwd_type_name(rwd_type type) {
    static const char *const names[] = {
#define RWD_TYPE_NAME(id, name, doc) name,
        RWD_TYPE_TABLE(RWD_TYPE_NAME)
#undef RWD_TYPE_NAME
    };
    assert(type < RWD_TYPE_COUNT);
    return names[type];
}

void rwd_value_text(const rwd_value *value, rwd_type type, unsigned scale, rwd_buf *out) {
    if (!value->present) return;
    char text[RWD_DECIMAL_TEXT_MAX];
    _Static_assert(sizeof text >= RWD_TIME_TEXT_MAX && sizeof text >= RWD_FLOAT_TEXT_MAX, "room for any text of bounded length");
    switch (type) {
    case RWD_TYPE_STRING: rwd_buf_append_slice(out, value->s); return;
    case RWD_TYPE_INT: rwd_buf_append_int(out, value->i); return;
    case RWD_TYPE_DECIMAL: rwd_buf_append(out, text, rwd_decimal_text(value->d, scale, text)); return;
    case RWD_TYPE_BOOL: rwd_buf_append_str(out, value->b ? "true" : "false"); return;
    case RWD_TYPE_TIME: rwd_buf_append(out, text, rwd_time_text(value->i, text)); return;
    case RWD_TYPE_FLOAT: rwd_buf_append(out, text, rwd_float_text(value->f, text)); return;
    case RWD_TYPE_BYTES: rwd_base64_append(out, value->s); return;
    case RWD_TYPE_COUNT: break;
    }
    assert(!"type out of range");
}

void rwd_value_json(const rwd_value *value, rwd_type type, unsigned scale, rwd_buf *out) {
    if (!value->present) {
        rwd_buf_append_str(out, "null");
    } else if (type == RWD_TYPE_STRING) {
        rwd_json_quote(out, value->s);
    } else if (type == RWD_TYPE_TIME || type == RWD_TYPE_BYTES) {
        rwd_buf_append_char(out, '"');
        rwd_value_text(value, type, scale, out);
        rwd_buf_append_char(out, '"');
    } else {
        rwd_value_text(value, type, scale, out);
    }
}

static bool parse_failed(rwd_parse parse, rwd_slice text, rwd_type type, rwd_error *err) {
    if (parse == RWD_PARSE_OK) return false;
    int shown = (int)(text.size < 64 ? text.size : 64);
    rwd_fail(err, parse == RWD_PARSE_RANGE ? RWD_E_OUT_OF_RANGE : RWD_E_WRONG_TYPE, "\"%.*s\" is not %s %s", shown,
             (const char *)text.data, parse == RWD_PARSE_RANGE ? "within the range of" : "a value of type", rwd_type_name(type));
    return true;
}

static rwd_parse bytes_from_text(rwd_slice text, rwd_buf *scratch, rwd_value *out) {
    size_t before = scratch->size;
    if (!rwd_base64_decode(text, scratch)) return RWD_PARSE_MALFORMED;
    out->s = rwd_slice_of(scratch->data + before, scratch->size - before);
    return RWD_PARSE_OK;
}

bool rwd_value_from_text(rwd_slice text, rwd_type type, unsigned scale, rwd_buf *scratch, rwd_value *out, rwd_error *err) {
    static const rwd_time_format rfc3339 = {.kind = RWD_TIME_RFC3339};
    *out = (rwd_value){.present = true};
    rwd_parse parse = RWD_PARSE_OK;
    switch (type) {
    case RWD_TYPE_STRING: out->s = text; return true;
    case RWD_TYPE_INT: parse = rwd_int_parse(text, &out->i); break;
    case RWD_TYPE_DECIMAL: parse = rwd_decimal_parse(text, scale, &out->d); break;
    case RWD_TYPE_BOOL:
        out->b = rwd_slice_equal(text, rwd_slice_str("true"));
        if (!out->b && !rwd_slice_equal(text, rwd_slice_str("false"))) parse = RWD_PARSE_MALFORMED;
        break;
    case RWD_TYPE_TIME: parse = rwd_time_parse(&rfc3339, text, &out->i); break;
    case RWD_TYPE_FLOAT: parse = rwd_float_parse(text, &out->f); break;
    case RWD_TYPE_BYTES: parse = bytes_from_text(text, scratch, out); break;
    case RWD_TYPE_COUNT: assert(!"type out of range");
    }
    return !parse_failed(parse, text, type, err);
}
