// The grammar of json_path.h, read from left to right.
#include "operator/config/json_path.h"

#include <stdlib.h>
#include <string.h>

#include "operator/config/node.h"

#define INDEX_DIGITS_MAX 7

void rwd_json_path_deinit(rwd_json_path *path) {
    for (size_t i = 0; i < path->count; i++) free(path->steps[i].name);
    *path = (rwd_json_path){0};
}

static bool refuse(const char *text, const char *why, rwd_error *err) {
    char word[RWD_EXCERPT_MAX];
    return rwd_fail(err, RWD_E_CONFIG, "\"%s\" %s", rwd_excerpt(text, word), why);
}

static bool add_step(const char *text, rwd_json_path *out, char *name, uint32_t index, rwd_error *err) {
    if (out->count == RWD_JSON_STEPS_MAX) {
        free(name);
        char word[RWD_EXCERPT_MAX];
        return rwd_fail(err, RWD_E_CONFIG, "\"%s\" has more than %d steps", rwd_excerpt(text, word), RWD_JSON_STEPS_MAX);
    }
    out->steps[out->count++] = (rwd_json_step){.name = name, .index = index};
    return true;
}

// `*at` is behind the opening quote, then behind the closing one. NULL: there is none.
static char *take_quoted(const char **at, char quote) {
    rwd_buf name = {0};
    const char *p = *at;
    for (; *p && *p != quote; p++) {
        if (*p == '\\' && p[1]) p++;
        rwd_buf_append_char(&name, *p);
    }
    char *result = *p ? rwd_strndup(rwd_buf_cstr(&name), name.size) : NULL;
    rwd_buf_deinit(&name);
    *at = p + (*p != '\0');
    return result;
}

// "[0]" or "[\"name\"]".
static bool take_brackets(const char *text, const char **at, rwd_json_path *out, rwd_error *err) {
    const char *p = *at + 1;
    char *name = NULL;
    uint32_t index = 0;
    if (*p == '"' || *p == '\'') {
        char quote = *p++;
        name = take_quoted(&p, quote);
        if (!name) return refuse(text, "opens a quote that is never closed", err);
    } else {
        size_t digits = strspn(p, "0123456789");
        unsigned long value = digits > 0 && digits <= INDEX_DIGITS_MAX ? strtoul(p, NULL, 10) : 0;
        if (digits == 0) return refuse(text, "has brackets without an index: items[0] is the first element, and a[\"b.c\"] the member b.c of a", err);
        if (digits > INDEX_DIGITS_MAX || value > RWD_JSON_INDEX_MAX) return refuse(text, "has an index that is too large", err);
        index = (uint32_t)value;
        p += digits;
    }
    if (*p != ']') {
        free(name);
        return refuse(text, "has a bracket that is not closed behind its index or name", err);
    }
    *at = p + 1;
    return add_step(text, out, name, index, err);
}

// A part between dots: a name, or brackets, and then more brackets.
static bool take_part(const char *text, const char **at, rwd_json_path *out, rwd_error *err) {
    size_t size = strcspn(*at, ".[");
    if (size > 0) {
        if (!add_step(text, out, rwd_strndup(*at, size), 0, err)) return false;
        *at += size;
    } else if (**at != '[') {
        return refuse(text, "has an empty part; a.b is member b of member a", err);
    }
    while (**at == '[')
        if (!take_brackets(text, at, out, err)) return false;
    return true;
}

static bool take_path(const char *text, rwd_json_path *out, rwd_error *err) {
    const char *at = text;
    out->inside = *at == '.';
    if (out->inside && at[1] == '\0') return true;
    if (out->inside) at++;
    for (;;) {
        if (!take_part(text, &at, out, err)) return false;
        if (*at == '\0') break;
        if (*at != '.') return refuse(text, "has a name right behind a bracket; a dot belongs between them", err);
        at++;
    }
    if (out->inside || out->steps[0].name) return true;
    return refuse(text, "begins with an index, but a record is an object; begin with the name of a member", err);
}

bool rwd_json_path_parse(const char *text, rwd_json_path *out, rwd_error *err) {
    *out = (rwd_json_path){0};
    if (take_path(text, out, err)) return true;
    rwd_json_path_deinit(out);
    return false;
}
