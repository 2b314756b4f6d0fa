// ${NAME} and ${NAME:-default} in values.
#include "operator/config/substitute.h"

#include <stdlib.h>
#include <string.h>

#include "operator/base/fs.h"

static bool is_name_char(char c, bool first) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static size_t name_size(const char *text) {
    size_t size = 0;
    while (is_name_char(text[size], size == 0)) size++;
    return size;
}

// NAME; or, where that is not set and NAME_FILE is, the text of the file that it names, without the line's end: how secrets are mounted. NULL: neither. *gives*.
static bool variable(const char *name, size_t size, char **out, rwd_error *err) {
    char *copy = rwd_strndup(name, size), *file_name = rwd_strf("%s_FILE", copy);
    const char *value = getenv(copy), *path = value ? NULL : getenv(file_name);
    rwd_buf text = {0};
    bool worked = true;
    *out = value ? rwd_strdup(value) : NULL;
    if (path && path[0]) {
        worked = rwd_read_file(path, RWD_VALUE_BYTES_MAX, &text, err);
        if (!worked && err) {
            err->code = RWD_E_CONFIG;
            err->decision = RWD_USAGE;
            (void)rwd_error_next(err, "%s must name a file that can be read", file_name);
        }
        while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r')) text.size--;
        if (worked) *out = rwd_strndup(rwd_buf_cstr(&text), text.size);
    }
    rwd_buf_deinit(&text);
    free(copy);
    free(file_name);
    return worked;
}

static bool missing(const char *name, size_t size, rwd_error *err) {
    return rwd_fail(err, RWD_E_CONFIG, "the environment variable %.*s is not set; set it, or write a default: ${%.*s:-value}",
                    (int)size, name, (int)size, name);
}

// Fills in the variable at `*p` ("${..."), and moves `*p` behind it.
static bool take_variable(const char **p, rwd_buf *out, rwd_error *err) {
    const char *name = *p + 2, *end = strchr(name, '}');
    if (!end) return rwd_fail(err, RWD_E_CONFIG, "\"${\" has no \"}\"; for ${ itself write $${");
    size_t size = name_size(name);
    const char *rest = name + size;
    bool has_default = rest[0] == ':' && rest[1] == '-';
    char word[RWD_EXCERPT_MAX];
    if (size == 0 || size >= sizeof word || !(rest == end || has_default)) {
        char *inside = rwd_strndup(name, (size_t)(end - name));
        rwd_fail(err, RWD_E_CONFIG, "\"${%s}\" is not a variable; it is written ${NAME} or ${NAME:-default}", rwd_excerpt(inside, word));
        free(inside);
        return false;
    }
    char *value;
    if (!variable(name, size, &value, err)) return false;
    bool worked = true;
    if (value && (value[0] || !has_default)) {
        rwd_buf_append_str(out, value);
    } else if (!has_default) {
        worked = missing(name, size, err);
    } else {
        const char *text = rest + 2, *inner = strstr(text, "${");
        if (inner && inner < end)
            worked = rwd_fail(err, RWD_E_CONFIG, "a variable stands inside the default of another; that is not supported");
        else rwd_buf_append(out, text, (size_t)(end - text));
    }
    free(value);
    *p = end + 1;
    return worked;
}

// Fills in one text; on failure `*out_at` is where the variable begins.
static bool fill_in(const char *text, rwd_buf *out, size_t *out_at, rwd_error *err) {
    const char *p = text;
    while (*p) {
        *out_at = (size_t)(p - text);
        if (strncmp(p, "$${", 3) == 0) {
            rwd_buf_append_str(out, "${");
            p += 3;
        } else if (strncmp(p, "${", 2) == 0) {
            if (!take_variable(&p, out, err)) return false;
        } else {
            rwd_buf_append_char(out, *p++);
        }
        if (out->size > RWD_VALUE_BYTES_MAX)
            return rwd_fail(err, RWD_E_CONFIG, "with its variables filled in the value is longer than %d bytes", RWD_VALUE_BYTES_MAX);
    }
    return true;
}

static rwd_place place_inside(const rwd_node *node, size_t at) {
    rwd_place place = node->place;
    if (!node->one_line) return place;
    for (size_t i = 0; i < at; i++) place.column += ((uint8_t)node->text[i] & 0xC0) != 0x80;
    return place;
}

static bool substitute_scalar(const char *file, rwd_node *node, rwd_arena *arena, rwd_error *err) {
    if (!strstr(node->text, "${")) return true;
    rwd_buf value = {0};
    size_t where = 0;
    bool worked = fill_in(node->text, &value, &where, err);
    if (worked && !rwd_text_is_clean(rwd_buf_slice(&value)))
        worked = rwd_fail(err, RWD_E_CONFIG, "with its variables filled in the value holds a line break, a control character or bytes "
                          "that are not UTF-8");
    if (worked) {
        node->written = node->text;
        node->text = (const char *)rwd_arena_copy(arena, rwd_slice_of(rwd_buf_cstr(&value), value.size + 1)).data;
        node->bare = false;
    } else rwd_place_error(err, file, place_inside(node, where));
    rwd_buf_deinit(&value);
    return worked;
}

// The depth is the YAML door's bound.
bool rwd_substitute(const char *file, rwd_node *root, rwd_arena *arena, rwd_error *err) {
    if (root->kind == RWD_NODE_SCALAR) return substitute_scalar(file, root, arena, err);
    for (rwd_node *child = root->first; child; child = child->next)
        if (!rwd_substitute(file, child, arena, err)) return false;
    return true;
}

void rwd_substitute_escape(const char *text, rwd_buf *out) {
    for (; *text; text++) {
        if (text[0] == '$' && text[1] == '{') rwd_buf_append_char(out, '$');
        rwd_buf_append_char(out, *text);
    }
}
