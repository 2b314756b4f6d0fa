// JSON Lines of amendments (amend_file.h).
//
// What must stay true: each line costs time and memory in proportion to its length.
#include "operator/config/amend_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "operator/base/json_in.h"
#include "operator/base/json_out.h"
#include "operator/base/words.h"

void rwd_amendments_deinit(rwd_amendments *list) {
    for (size_t i = 0; i < list->count; i++) rwd_amendment_deinit(&list->items[i]);
    free(list->items);
    *list = (rwd_amendments){0};
}

// ---- members

typedef enum member { SKIP, REPLACE, INSERT, VALUE, VALUE_BASE64, KEY, KEY_BASE64, TIME, REASON, MEMBER_COUNT } member;
static const char *const members[MEMBER_COUNT] = {"skip", "replace", "insert", "value", "value_base64", "key", "key_base64", "time", "reason"};

typedef struct given {
    rwd_amendment amendment;
    bool seen[MEMBER_COUNT];
    bool null_value, null_key;
} given;

// A text; what is nested as it stands; or nothing at all.
static bool take_value(rwd_json_in *p, given *g) {
    rwd_json_pass_space(p);
    const uint8_t *from = p->at;
    if (rwd_json_word_is(p, "null")) return g->null_value = true;
    g->amendment.has_value = true;
    if (rwd_json_word_is(p, "\"")) return rwd_json_take_text(p, &g->amendment.value);
    if (p->at == p->end || (*p->at != '{' && *p->at != '[')) return rwd_json_fails(p, "a value is a text, an object, an array or null");
    bool ok = rwd_json_pass_value(p);
    rwd_buf_append(&g->amendment.value, from, (size_t)(p->at - from));
    return ok;
}

static bool take_key(rwd_json_in *p, given *g) {
    rwd_json_pass_space(p);
    if (rwd_json_word_is(p, "null")) return g->null_key = true;
    g->amendment.has_key = true;
    return rwd_json_take_quoted(p, &g->amendment.key, "a key is a text, in quotes");
}

static bool take_member(rwd_json_in *p, member which, given *g) {
    rwd_amendment *a = &g->amendment;
    switch (which) {
    case SKIP: return a->kind = RWD_AMEND_SKIP, rwd_json_take_offset(p, &a->at);
    case REPLACE: return a->kind = RWD_AMEND_REPLACE, rwd_json_take_offset(p, &a->at);
    case INSERT: return a->kind = RWD_AMEND_INSERT, rwd_json_take_offset(p, &a->at);
    case VALUE: return take_value(p, g);
    case VALUE_BASE64: return a->has_value = true, rwd_json_take_base64(p, &a->value);
    case KEY: return take_key(p, g);
    case KEY_BASE64: return a->has_key = true, rwd_json_take_base64(p, &a->key);
    case TIME: return rwd_json_take_time(p, &a->time_us);
    case REASON: return rwd_json_take_quoted(p, &a->reason, "a reason is a text, in quotes");
    case MEMBER_COUNT: break;
    }
    return rwd_json_fails(p, "no such member");
}

static bool unknown_member(const rwd_json_in *p, rwd_buf *name) {
    const char *nearest = rwd_nearest(rwd_buf_cstr(name), members, MEMBER_COUNT);
    (void)rwd_fail(p->err, RWD_E_USAGE, "there is no member \"%.40s\"%s%s%s", rwd_utf8_valid(rwd_slice_str(rwd_buf_cstr(name))) ? rwd_buf_cstr(name) : "?", nearest ? "; did you mean \"" : "",
                   nearest ? nearest : "", nearest ? "\"?" : "");
    return rwd_json_at_line(p);
}

static bool take_one(rwd_json_in *p, rwd_buf *name, given *g) {
    rwd_buf_clear(name);
    if (!rwd_json_take_quoted(p, name, "the name of a member is wanted, in quotes")) return false;
    size_t which = 0;
    while (which < MEMBER_COUNT && !rwd_slice_equal(rwd_buf_slice(name), rwd_slice_str(members[which]))) which++;
    if (which == MEMBER_COUNT) return unknown_member(p, name);
    if (g->seen[which]) return rwd_json_fails(p, "a member is there twice");
    g->seen[which] = true;
    return rwd_json_next_is(p, ':') ? take_member(p, (member)which, g) : rwd_json_fails(p, "':' is wanted");
}

// Do the members make sense together?
static bool is_whole(const rwd_json_in *p, const given *g) {
    const rwd_amendment *a = &g->amendment;
    if (g->seen[SKIP] + g->seen[REPLACE] + g->seen[INSERT] != 1) return rwd_json_fails(p, "one of \"skip\", \"replace\" and \"insert\" is wanted");
    if (g->seen[VALUE] && g->seen[VALUE_BASE64]) return rwd_json_fails(p, "\"value\" and \"value_base64\" are there both");
    if (g->seen[KEY] && g->seen[KEY_BASE64]) return rwd_json_fails(p, "\"key\" and \"key_base64\" are there both");
    bool gives = g->seen[VALUE] || g->seen[VALUE_BASE64] || g->seen[KEY] || g->seen[KEY_BASE64] || g->seen[TIME];
    if (a->kind == RWD_AMEND_SKIP && gives) return rwd_json_fails(p, "a record that is skipped has no value, key or time");
    if (a->kind == RWD_AMEND_REPLACE && (g->null_value || g->null_key)) return rwd_json_fails(p, "a record is not replaced by null; skip it, and insert one without");
    if (a->kind == RWD_AMEND_REPLACE && !gives) return rwd_json_fails(p, "nothing says by what it is replaced: \"value\", \"key\" or \"time\"");
    if (a->kind == RWD_AMEND_INSERT && !g->seen[VALUE] && !g->seen[VALUE_BASE64]) return rwd_json_fails(p, "what is inserted needs a \"value\" or \"value_base64\"");
    return true;
}

static bool take_line(rwd_json_in *p, given *g) {
    rwd_buf name = {0};
    bool ok = rwd_json_next_is(p, '{') || rwd_json_fails(p, "an object is wanted: {\"skip\": N}, {\"replace\": N, ...} or {\"insert\": N, ...}");
    if (ok && !rwd_json_next_is(p, '}')) {
        do ok = take_one(p, &name, g);
        while (ok && rwd_json_next_is(p, ','));
        if (ok && !rwd_json_next_is(p, '}')) ok = rwd_json_fails(p, "',' or '}' is wanted");
    }
    rwd_buf_deinit(&name);
    rwd_json_pass_space(p);
    if (ok && p->at < p->end) ok = rwd_json_fails(p, "there is something behind the object");
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
static bool check_once(const rwd_json_in *p, const rwd_amendments *list, const size_t *lines) {
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
    rwd_json_in p;
    rwd_amendments *out;
    size_t *lines;
    size_t capacity, bytes;
} reading;

static bool keep(reading *r, rwd_amendment *amendment) {
    rwd_amendments *out = r->out;
    r->bytes += bytes_of(amendment);
    if (out->count == RWD_AMENDMENTS_MAX || r->bytes > RWD_AMENDMENT_BYTES_MAX) {
        (void)rwd_fail(r->p.err, RWD_E_USAGE, "there are more than %d amendments, or they have more than %u bytes", RWD_AMENDMENTS_MAX, RWD_AMENDMENT_BYTES_MAX);
        return rwd_json_at_line(&r->p);
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
    rwd_json_in *p = &r->p;
    p->line++;
    p->begin = p->at = begin;
    p->end = end;
    rwd_json_pass_space(p);
    if (p->at == p->end) return true;
    bool ok = rwd_utf8_valid(rwd_slice_of(begin, (size_t)(end - begin))) || rwd_json_fails(p, "the line is not UTF-8");
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
