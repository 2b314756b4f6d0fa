// Reading JSON from a text (json_in.h).
//
// What must stay true: nothing is read beyond the text; nesting is bounded by NESTING_MAX.
#include "operator/base/json_in.h"

#include "operator/base/time.h"

#define NESTING_MAX 64

bool rwd_json_at_line(const rwd_json_in *p) {
    (void)rwd_error_at(p->err, "%s:%zu", p->name, p->line);
    return false;
}

bool rwd_json_fails(const rwd_json_in *p, const char *cause) {
    (void)rwd_fail(p->err, RWD_E_USAGE, "%s (byte %zu)", cause, (size_t)(p->at - p->begin) + 1);
    return rwd_json_at_line(p);
}

void rwd_json_pass_space(rwd_json_in *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r' || *p->at == '\n')) p->at++;
}

bool rwd_json_next_is(rwd_json_in *p, char c) {
    rwd_json_pass_space(p);
    if (p->at == p->end || *p->at != (uint8_t)c) return false;
    p->at++;
    return true;
}

bool rwd_json_word_is(rwd_json_in *p, const char *word) {
    size_t size = strlen(word);
    if ((size_t)(p->end - p->at) < size || memcmp(p->at, word, size) != 0) return false;
    p->at += size;
    return true;
}

static bool hex4(rwd_json_in *p, uint32_t *out) {
    uint8_t bytes[2];
    if (p->end - p->at < 4 || !rwd_unhex((const char *)p->at, 4, bytes)) return rwd_json_fails(p, "\\u wants four hexadecimal digits");
    p->at += 4;
    *out = rwd_get_be16(bytes);
    return true;
}

static void append_utf8(rwd_buf *out, uint32_t c) {
    uint8_t bytes[4];
    size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; c >>= 6) bytes[i] = (uint8_t)(0x80 | (c & 0x3F));
    static const uint8_t first[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    bytes[0] = (uint8_t)(first[size] | c);
    rwd_buf_append(out, bytes, size);
}

// Behind "\u".
static bool take_code_point(rwd_json_in *p, rwd_buf *out) {
    uint32_t high, low;
    if (!hex4(p, &high)) return false;
    if (high >= 0xDC00 && high <= 0xDFFF) return rwd_json_fails(p, "the second half of a surrogate pair without the first");
    if (high < 0xD800 || high > 0xDBFF) return append_utf8(out, high), true;
    if (!rwd_json_word_is(p, "\\u")) return rwd_json_fails(p, "half a surrogate pair");
    if (!hex4(p, &low)) return false;
    if (low < 0xDC00 || low > 0xDFFF) return rwd_json_fails(p, "half a surrogate pair");
    append_utf8(out, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
    return true;
}

static bool take_escape(rwd_json_in *p, rwd_buf *out) {
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    if (p->at == p->end) return rwd_json_fails(p, "a text that does not end");
    if (*p->at == 'u') return p->at++, take_code_point(p, out);
    const char *found = *p->at ? strchr(letters, *p->at) : NULL;
    if (!found) return rwd_json_fails(p, "no such escape");
    p->at++;
    rwd_buf_append_char(out, bytes[found - letters]);
    return true;
}

// Behind the opening quote. Appends the text without escapes.
bool rwd_json_take_text(rwd_json_in *p, rwd_buf *out) {
    for (;;) {
        const uint8_t *from = p->at;
        while (p->at < p->end && *p->at != '"' && *p->at != '\\' && *p->at >= 0x20) p->at++;
        rwd_buf_append(out, from, (size_t)(p->at - from));
        if (p->at == p->end) return rwd_json_fails(p, "a text that does not end");
        if (*p->at < 0x20) return rwd_json_fails(p, "a control character in a text");
        if (*p->at++ == '"') return true;
        if (!take_escape(p, out)) return false;
    }
}

bool rwd_json_take_quoted(rwd_json_in *p, rwd_buf *out, const char *wanted) {
    return rwd_json_next_is(p, '"') ? rwd_json_take_text(p, out) : rwd_json_fails(p, wanted);
}

static bool pass_digits(rwd_json_in *p) {
    const uint8_t *from = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') p->at++;
    return p->at > from;
}

static bool pass_number(rwd_json_in *p) {
    (void)rwd_json_word_is(p, "-");
    if (!rwd_json_word_is(p, "0") && !pass_digits(p)) return rwd_json_fails(p, "no JSON value");
    if (rwd_json_word_is(p, ".") && !pass_digits(p)) return rwd_json_fails(p, "a number that ends in its point");
    if (!rwd_json_word_is(p, "e") && !rwd_json_word_is(p, "E")) return true;
    if (!rwd_json_word_is(p, "+")) (void)rwd_json_word_is(p, "-");
    return pass_digits(p) || rwd_json_fails(p, "a number without digits in its exponent");
}

static bool pass_nested(rwd_json_in *p, unsigned depth, rwd_buf *scratch);

// Behind the opening bracket.
static bool pass_members(rwd_json_in *p, bool named, unsigned depth, rwd_buf *scratch) {
    char close = named ? '}' : ']';
    if (rwd_json_next_is(p, close)) return true;
    do {
        rwd_buf_clear(scratch);
        if (named && !rwd_json_take_quoted(p, scratch, "the name of a member is wanted, in quotes")) return false;
        if (named && !rwd_json_next_is(p, ':')) return rwd_json_fails(p, "':' is wanted");
        if (!pass_nested(p, depth, scratch)) return false;
    } while (rwd_json_next_is(p, ','));
    return rwd_json_next_is(p, close) || rwd_json_fails(p, named ? "',' or '}' is wanted" : "',' or ']' is wanted");
}

// One value of any kind. The recursion is bounded.
static bool pass_nested(rwd_json_in *p, unsigned depth, rwd_buf *scratch) {
    rwd_json_pass_space(p);
    if (depth > NESTING_MAX) return rwd_json_fails(p, "nested too deep");
    if (rwd_json_word_is(p, "{")) return pass_members(p, true, depth + 1, scratch);
    if (rwd_json_word_is(p, "[")) return pass_members(p, false, depth + 1, scratch);
    rwd_buf_clear(scratch);
    if (rwd_json_word_is(p, "\"")) return rwd_json_take_text(p, scratch);
    return rwd_json_word_is(p, "true") || rwd_json_word_is(p, "false") || rwd_json_word_is(p, "null") || pass_number(p);
}

bool rwd_json_pass_value(rwd_json_in *p) {
    rwd_buf scratch = {0};
    bool ok = pass_nested(p, 0, &scratch);
    rwd_buf_deinit(&scratch);
    return ok;
}

bool rwd_json_take_offset(rwd_json_in *p, int64_t *out) {
    uint64_t value = 0;
    rwd_json_pass_space(p);
    const uint8_t *from = p->at;
    for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
        if (value > (INT64_MAX - 9) / 10) return rwd_json_fails(p, "no record has so high an offset");
        value = value * 10 + (uint64_t)(*p->at - '0');
    }
    size_t digits = (size_t)(p->at - from);
    if (digits == 0 || (digits > 1 && *from == '0') || (p->at < p->end && (*p->at == '.' || *p->at == 'e' || *p->at == 'E')))
        return rwd_json_fails(p, "an offset is wanted, a whole number from 0");
    *out = (int64_t)value;
    return true;
}

bool rwd_json_take_base64(rwd_json_in *p, rwd_buf *out) {
    rwd_buf text = {0};
    bool ok = rwd_json_take_quoted(p, &text, "base64 is wanted, in quotes");
    if (ok && !rwd_base64_decode(rwd_buf_slice(&text), out)) ok = rwd_json_fails(p, "no base64 (RFC 4648, padded)");
    rwd_buf_deinit(&text);
    return ok;
}

bool rwd_json_take_time(rwd_json_in *p, int64_t *out) {
    const rwd_time_format rfc3339 = {.kind = RWD_TIME_RFC3339};
    rwd_buf text = {0};
    bool ok = rwd_json_take_quoted(p, &text, "a time is wanted, in quotes");
    if (ok && rwd_time_parse(&rfc3339, rwd_buf_slice(&text), out) != RWD_PARSE_OK) ok = rwd_json_fails(p, "no time; write it as 2026-03-01T12:00:00Z");
    rwd_buf_deinit(&text);
    return ok;
}
