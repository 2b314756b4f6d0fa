// JSON Lines of amendments (amend_file.h).
//
// What must stay true: nothing is read beyond the line, and each line costs time and memory in proportion to its length; nesting is bounded by NESTING_MAX.
#include "operator/config/amend_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "operator/base/json_out.h"
#include "operator/base/words.h"

#define NESTING_MAX 64

typedef struct parsing {
    const char *name;
    size_t line;
    const uint8_t *at, *end;     // of the line
    const uint8_t *begin;
    rwd_error *err;
} parsing;

void rwd_amendments_deinit(rwd_amendments *list) {
    for (size_t i = 0; i < list->count; i++) rwd_amendment_deinit(&list->items[i]);
    free(list->items);
    *list = (rwd_amendments){0};
}

static bool at_line(const parsing *p) {
    (void)rwd_error_at(p->err, "%s:%zu", p->name, p->line);
    return false;
}

static bool fails(const parsing *p, const char *cause) {
    (void)rwd_fail(p->err, RWD_E_USAGE, "%s (byte %zu)", cause, (size_t)(p->at - p->begin) + 1);
    return at_line(p);
}

// ---- JSON

static void pass_space(parsing *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r')) p->at++;
}

static bool next_is(parsing *p, char c) {
    pass_space(p);
    if (p->at == p->end || *p->at != (uint8_t)c) return false;
    p->at++;
    return true;
}

static bool word_is(parsing *p, const char *word) {
    size_t size = strlen(word);
    if ((size_t)(p->end - p->at) < size || memcmp(p->at, word, size) != 0) return false;
    p->at += size;
    return true;
}

static bool hex4(parsing *p, uint32_t *out) {
    uint8_t bytes[2];
    if (p->end - p->at < 4 || !rwd_unhex((const char *)p->at, 4, bytes)) return fails(p, "\\u wants four hexadecimal digits");
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
static bool take_code_point(parsing *p, rwd_buf *out) {
    uint32_t high, low;
    if (!hex4(p, &high)) return false;
    if (high >= 0xDC00 && high <= 0xDFFF) return fails(p, "the second half of a surrogate pair without the first");
    if (high < 0xD800 || high > 0xDBFF) return append_utf8(out, high), true;
    if (!word_is(p, "\\u")) return fails(p, "half a surrogate pair");
    if (!hex4(p, &low)) return false;
    if (low < 0xDC00 || low > 0xDFFF) return fails(p, "half a surrogate pair");
    append_utf8(out, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
    return true;
}

static bool take_escape(parsing *p, rwd_buf *out) {
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    if (p->at == p->end) return fails(p, "a text that does not end");
    if (*p->at == 'u') return p->at++, take_code_point(p, out);
    const char *found = *p->at ? strchr(letters, *p->at) : NULL;
    if (!found) return fails(p, "no such escape");
    p->at++;
    rwd_buf_append_char(out, bytes[found - letters]);
    return true;
}

// Behind the opening quote. Appends the text without escapes.
static bool take_text(parsing *p, rwd_buf *out) {
    for (;;) {
        const uint8_t *from = p->at;
        while (p->at < p->end && *p->at != '"' && *p->at != '\\' && *p->at >= 0x20) p->at++;
        rwd_buf_append(out, from, (size_t)(p->at - from));
        if (p->at == p->end) return fails(p, "a text that does not end");
        if (*p->at < 0x20) return fails(p, "a control character in a text");
        if (*p->at++ == '"') return true;
        if (!take_escape(p, out)) return false;
    }
}

static bool take_quoted(parsing *p, rwd_buf *out, const char *wanted) {
    return next_is(p, '"') ? take_text(p, out) : fails(p, wanted);
}

static bool pass_digits(parsing *p) {
    const uint8_t *from = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') p->at++;
    return p->at > from;
}

static bool pass_number(parsing *p) {
    (void)word_is(p, "-");
    if (!word_is(p, "0") && !pass_digits(p)) return fails(p, "no JSON value");
    if (word_is(p, ".") && !pass_digits(p)) return fails(p, "a number that ends in its point");
    if (!word_is(p, "e") && !word_is(p, "E")) return true;
    if (!word_is(p, "+")) (void)word_is(p, "-");
    return pass_digits(p) || fails(p, "a number without digits in its exponent");
}

static bool pass_value(parsing *p, unsigned depth, rwd_buf *scratch);

// Behind the opening bracket.
static bool pass_members(parsing *p, bool named, unsigned depth, rwd_buf *scratch) {
    char close = named ? '}' : ']';
    if (next_is(p, close)) return true;
    do {
        rwd_buf_clear(scratch);
        if (named && !take_quoted(p, scratch, "the name of a member is wanted, in quotes")) return false;
        if (named && !next_is(p, ':')) return fails(p, "':' is wanted");
        if (!pass_value(p, depth, scratch)) return false;
    } while (next_is(p, ','));
    return next_is(p, close) || fails(p, named ? "',' or '}' is wanted" : "',' or ']' is wanted");
}

// One value of any kind. The recursion is bounded.
static bool pass_value(parsing *p, unsigned depth, rwd_buf *scratch) {
    pass_space(p);
    if (depth > NESTING_MAX) return fails(p, "nested too deep");
    if (word_is(p, "{")) return pass_members(p, true, depth + 1, scratch);
    if (word_is(p, "[")) return pass_members(p, false, depth + 1, scratch);
    rwd_buf_clear(scratch);
    if (word_is(p, "\"")) return take_text(p, scratch);
    return word_is(p, "true") || word_is(p, "false") || word_is(p, "null") || pass_number(p);
}

// ---- members

typedef enum member { SKIP, REPLACE, INSERT, VALUE, VALUE_BASE64, KEY, KEY_BASE64, TIME, REASON, MEMBER_COUNT } member;
static const char *const members[MEMBER_COUNT] = {"skip", "replace", "insert", "value", "value_base64", "key", "key_base64", "time", "reason"};

typedef struct given {
    rwd_amendment amendment;
    bool seen[MEMBER_COUNT];
    bool null_value, null_key;
} given;

static bool take_offset(parsing *p, int64_t *out) {
    uint64_t value = 0;
    pass_space(p);
    const uint8_t *from = p->at;
    for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
        if (value > (INT64_MAX - 9) / 10) return fails(p, "no record has so high an offset");
        value = value * 10 + (uint64_t)(*p->at - '0');
    }
    size_t digits = (size_t)(p->at - from);
    if (digits == 0 || (digits > 1 && *from == '0') || (p->at < p->end && (*p->at == '.' || *p->at == 'e' || *p->at == 'E')))
        return fails(p, "an offset is wanted, a whole number from 0");
    *out = (int64_t)value;
    return true;
}

static bool take_base64(parsing *p, rwd_buf *out) {
    rwd_buf text = {0};
    bool ok = take_quoted(p, &text, "base64 is wanted, in quotes");
    if (ok && !rwd_base64_decode(rwd_buf_slice(&text), out)) ok = fails(p, "no base64 (RFC 4648, padded)");
    rwd_buf_deinit(&text);
    return ok;
}

static bool take_time(parsing *p, int64_t *out) {
    const rwd_time_format rfc3339 = {.kind = RWD_TIME_RFC3339};
    rwd_buf text = {0};
    bool ok = take_quoted(p, &text, "a time is wanted, in quotes");
    if (ok && rwd_time_parse(&rfc3339, rwd_buf_slice(&text), out) != RWD_PARSE_OK) ok = fails(p, "no time; write it as 2026-03-01T12:00:00Z");
    rwd_buf_deinit(&text);
    return ok;
}

// A text; what is nested as it stands; or nothing at all.
static bool take_value(parsing *p, given *g) {
    rwd_buf scratch = {0};
    pass_space(p);
    const uint8_t *from = p->at;
    if (word_is(p, "null")) return g->null_value = true;
    g->amendment.has_value = true;
    if (word_is(p, "\"")) return take_text(p, &g->amendment.value);
    if (p->at == p->end || (*p->at != '{' && *p->at != '[')) return fails(p, "a value is a text, an object, an array or null");
    bool ok = pass_value(p, 0, &scratch);
    rwd_buf_deinit(&scratch);
    rwd_buf_append(&g->amendment.value, from, (size_t)(p->at - from));
    return ok;
}

static bool take_key(parsing *p, given *g) {
    pass_space(p);
    if (word_is(p, "null")) return g->null_key = true;
    g->amendment.has_key = true;
    return take_quoted(p, &g->amendment.key, "a key is a text, in quotes");
}

static bool take_member(parsing *p, member which, given *g) {
    rwd_amendment *a = &g->amendment;
    switch (which) {
    case SKIP: return a->kind = RWD_AMEND_SKIP, take_offset(p, &a->at);
    case REPLACE: return a->kind = RWD_AMEND_REPLACE, take_offset(p, &a->at);
    case INSERT: return a->kind = RWD_AMEND_INSERT, take_offset(p, &a->at);
    case VALUE: return take_value(p, g);
    case VALUE_BASE64: return a->has_value = true, take_base64(p, &a->value);
    case KEY: return take_key(p, g);
    case KEY_BASE64: return a->has_key = true, take_base64(p, &a->key);
    case TIME: return take_time(p, &a->time_us);
    case REASON: return take_quoted(p, &a->reason, "a reason is a text, in quotes");
    case MEMBER_COUNT: break;
    }
    return fails(p, "no such member");
}

static bool unknown_member(const parsing *p, rwd_buf *name) {
    const char *nearest = rwd_nearest(rwd_buf_cstr(name), members, MEMBER_COUNT);
    (void)rwd_fail(p->err, RWD_E_USAGE, "there is no member \"%.40s\"%s%s%s", rwd_utf8_valid(rwd_slice_str(rwd_buf_cstr(name))) ? rwd_buf_cstr(name) : "?", nearest ? "; did you mean \"" : "",
                   nearest ? nearest : "", nearest ? "\"?" : "");
    return at_line(p);
}

static bool take_one(parsing *p, rwd_buf *name, given *g) {
    rwd_buf_clear(name);
    if (!take_quoted(p, name, "the name of a member is wanted, in quotes")) return false;
    size_t which = 0;
    while (which < MEMBER_COUNT && !rwd_slice_equal(rwd_buf_slice(name), rwd_slice_str(members[which]))) which++;
    if (which == MEMBER_COUNT) return unknown_member(p, name);
    if (g->seen[which]) return fails(p, "a member is there twice");
    g->seen[which] = true;
    return next_is(p, ':') ? take_member(p, (member)which, g) : fails(p, "':' is wanted");
}

// Do the members make sense together?
static bool is_whole(const parsing *p, const given *g) {
    const rwd_amendment *a = &g->amendment;
    if (g->seen[SKIP] + g->seen[REPLACE] + g->seen[INSERT] != 1) return fails(p, "one of \"skip\", \"replace\" and \"insert\" is wanted");
    if (g->seen[VALUE] && g->seen[VALUE_BASE64]) return fails(p, "\"value\" and \"value_base64\" are there both");
    if (g->seen[KEY] && g->seen[KEY_BASE64]) return fails(p, "\"key\" and \"key_base64\" are there both");
    bool gives = g->seen[VALUE] || g->seen[VALUE_BASE64] || g->seen[KEY] || g->seen[KEY_BASE64] || g->seen[TIME];
    if (a->kind == RWD_AMEND_SKIP && gives) return fails(p, "a record that is skipped has no value, key or time");
    if (a->kind == RWD_AMEND_REPLACE && (g->null_value || g->null_key)) return fails(p, "a record is not replaced by null; skip it, and insert one without");
    if (a->kind == RWD_AMEND_REPLACE && !gives) return fails(p, "nothing says by what it is replaced: \"value\", \"key\" or \"time\"");
    if (a->kind == RWD_AMEND_INSERT && !g->seen[VALUE] && !g->seen[VALUE_BASE64]) return fails(p, "what is inserted needs a \"value\" or \"value_base64\"");
    return true;
}

static bool take_line(parsing *p, given *g) {
    rwd_buf name = {0};
    bool ok = next_is(p, '{') || fails(p, "an object is wanted: {\"skip\": N}, {\"replace\": N, ...} or {\"insert\": N, ...}");
    if (ok && !next_is(p, '}')) {
        do ok = take_one(p, &name, g);
        while (ok && next_is(p, ','));
        if (ok && !next_is(p, '}')) ok = fails(p, "',' or '}' is wanted");
    }
    rwd_buf_deinit(&name);
    pass_space(p);
    if (ok && p->at < p->end) ok = fails(p, "there is something behind the object");
    return ok && is_whole(p, g);
}

// ---- the file

static size_t bytes_of(const rwd_amendment *a) { return a->key.size + a->value.size + a->reason.size; }

typedef struct place { int64_t at; size_t index; } place;

static int compare_places(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

// An offset is skipped or replaced once. `lines`: of each amendment.
static bool check_once(const parsing *p, const rwd_amendments *list, const size_t *lines) {
    place *places = rwd_calloc(list->count + 1, sizeof(*places));
    size_t count = 0;
    bool ok = true;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind != RWD_AMEND_INSERT) places[count++] = (place){list->items[i].at, i};
    qsort(places, count, sizeof(*places), compare_places);
    for (size_t i = 1; i < count && ok; i++) {
        if (places[i].at != places[i - 1].at) continue;
        ok = rwd_fail(p->err, RWD_E_USAGE, "offset %" PRId64 " is skipped or replaced in line %zu already", places[i].at, lines[places[i - 1].index]);
        (void)rwd_error_at(p->err, "%s:%zu", p->name, lines[places[i].index]);
    }
    free(places);
    return ok;
}

typedef struct reading {
    parsing p;
    rwd_amendments *out;
    size_t *lines;
    size_t capacity, bytes;
} reading;

static bool keep(reading *r, rwd_amendment *amendment) {
    rwd_amendments *out = r->out;
    r->bytes += bytes_of(amendment);
    if (out->count == RWD_AMENDMENTS_MAX || r->bytes > RWD_AMENDMENT_BYTES_MAX) {
        (void)rwd_fail(r->p.err, RWD_E_USAGE, "there are more than %d amendments, or they have more than %u bytes", RWD_AMENDMENTS_MAX, RWD_AMENDMENT_BYTES_MAX);
        return at_line(&r->p);
    }
    if (out->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 64;
        out->items = rwd_realloc(out->items, r->capacity * sizeof(*out->items));
        r->lines = rwd_realloc(r->lines, r->capacity * sizeof(*r->lines));
    }
    r->lines[out->count] = r->p.line;
    out->items[out->count++] = *amendment;
    *amendment = (rwd_amendment){0};
    return true;
}

static bool read_line(reading *r, const uint8_t *begin, const uint8_t *end) {
    given g = {.amendment = {.time_us = RWD_TIME_NONE}};
    parsing *p = &r->p;
    p->line++;
    p->begin = p->at = begin;
    p->end = end;
    pass_space(p);
    if (p->at == p->end) return true;
    bool ok = rwd_utf8_valid(rwd_slice_of(begin, (size_t)(end - begin))) || fails(p, "the line is not UTF-8");
    ok = ok && take_line(p, &g) && keep(r, &g.amendment);
    rwd_amendment_deinit(&g.amendment);
    return ok;
}

bool rwd_amend_text_parse(const char *name, rwd_slice text, rwd_amendments *out, rwd_error *err) {
    *out = (rwd_amendments){0};
    reading r = {.p = {.name = name, .err = err}, .out = out};
    bool ok = true;
    for (size_t at = 0; ok && at < text.size;) {
        const uint8_t *begin = text.data + at, *end = memchr(begin, '\n', text.size - at);
        if (!end) end = text.data + text.size;
        ok = read_line(&r, begin, end);
        at = (size_t)(end - text.data) + 1;
    }
    ok = ok && check_once(&r.p, out, r.lines);
    if (ok && out->count == 0) {
        ok = rwd_fail(err, RWD_E_USAGE, "it has no amendment");
        (void)rwd_error_at(err, "%s", name);
    }
    free(r.lines);
    if (!ok) rwd_amendments_deinit(out);
    return ok;
}

bool rwd_amend_file_load(const char *path, rwd_amendments *out, rwd_error *err) {
    rwd_buf text = {0};
    *out = (rwd_amendments){0};
    bool ok = rwd_read_file(path, RWD_AMEND_FILE_MAX, &text, err) && rwd_amend_text_parse(path, rwd_buf_slice(&text), out, err);
    rwd_buf_deinit(&text);
    return ok;
}

bool rwd_amendments_add_to(const rwd_amendments *list, rwd_lineage *lineage, rwd_error *err) {
    for (size_t i = 0; i < list->count; i++) {
        const rwd_amendment *from = &list->items[i];
        rwd_amendment copy = {.kind = from->kind, .at = from->at, .has_key = from->has_key, .has_value = from->has_value, .time_us = from->time_us};
        if (!rwd_lineage_check_amendment(lineage, from, err)) return false;
        rwd_buf_append_slice(&copy.key, rwd_buf_slice(&from->key));
        rwd_buf_append_slice(&copy.value, rwd_buf_slice(&from->value));
        rwd_buf_append_slice(&copy.reason, rwd_buf_slice(&from->reason));
        rwd_lineage_add_amendment(lineage, copy);
    }
    return true;
}

// As text where it is one, so that a person can read it.
static void put_bytes(rwd_json_out *json, member text, member base64, const rwd_buf *bytes) {
    if (rwd_utf8_valid(rwd_buf_slice(bytes))) {
        rwd_json_key(json, members[text]);
        rwd_json_slice(json, rwd_buf_slice(bytes));
        return;
    }
    rwd_buf encoded = {0};
    rwd_base64_append(&encoded, rwd_buf_slice(bytes));
    rwd_json_put_string(json, members[base64], rwd_buf_cstr(&encoded));
    rwd_buf_deinit(&encoded);
}

void rwd_amendment_write(const rwd_amendment *a, rwd_buf *out) {
    rwd_json_out json;
    rwd_json_init(&json, out, false);
    rwd_json_object(&json);
    rwd_json_put_int(&json, members[a->kind == RWD_AMEND_SKIP ? SKIP : a->kind == RWD_AMEND_REPLACE ? REPLACE : INSERT], a->at);
    if (a->has_key) put_bytes(&json, KEY, KEY_BASE64, &a->key);
    if (a->has_value) put_bytes(&json, VALUE, VALUE_BASE64, &a->value);
    if (a->kind == RWD_AMEND_INSERT && !a->has_value) rwd_json_put_string(&json, members[VALUE], NULL);
    if (a->time_us != RWD_TIME_NONE) rwd_json_put_time(&json, members[TIME], a->time_us);
    if (a->reason.size > 0) {
        rwd_json_key(&json, members[REASON]);
        rwd_json_slice(&json, rwd_buf_slice(&a->reason));
    }
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
}
