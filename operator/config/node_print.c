// Writes the tree of a job file as YAML or JSON.
//
// What must stay true: what is written reads back as the same tree. A text is quoted unless it can be nothing but text in YAML 1.1 and
// 1.2; inside quotes JSON's escapes serve both, since texts hold no control characters but tab (rwd_text_is_clean).
#include <string.h>
#include <strings.h>

#include "operator/base/json_out.h"
#include "operator/config/node.h"

#define LINE_MAX_COLUMNS 100
#define INDENT 2

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What YAML 1.1 or 1.2 reads as something else than text.
static bool is_special_word(const char *text) {
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0) return true;
    return false;
}

static bool looks_like_number(const char *text) {
    if (text[0] == '0' && text[1] && strchr("xXoObB", text[1])) return true;
    return strspn(text, "0123456789+-._eE") == strlen(text);
}

static bool is_plain(const char *text) {
    bool begins_well = is_letter(text[0]) || is_digit(text[0]) || text[0] == '_' || text[0] == '/' || strncmp(text, "./", 2) == 0 ||
                       strncmp(text, "../", 3) == 0;
    if (!begins_well || is_special_word(text) || looks_like_number(text)) return false;
    for (const char *p = text; *p; p++)
        if (!is_letter(*p) && !is_digit(*p) && !strchr("_./()+-", *p)) return false;
    return true;
}

static void put_text(const char *text, rwd_buf *out) {
    if (is_plain(text)) rwd_buf_append_str(out, text);
    else rwd_json_quote(out, rwd_slice_str(text));
}

static void put_scalar(const rwd_node *node, rwd_buf *out) {
    if (node->bare) rwd_buf_append_str(out, node->text);
    else put_text(node->text, out);
}

static bool holds_scalars_only(const rwd_node *node) {
    for (const rwd_node *child = node->first; child; child = child->next)
        if (child->kind != RWD_NODE_SCALAR) return false;
    return true;
}

static void put_flow(const rwd_node *node, rwd_buf *out) {
    bool map = node->kind == RWD_NODE_MAP;
    rwd_buf_append_char(out, map ? '{' : '[');
    for (const rwd_node *child = node->first; child; child = child->next) {
        if (child != node->first) rwd_buf_append_str(out, ", ");
        if (map) {
            put_text(child->key, out);
            rwd_buf_append_str(out, ": ");
        }
        put_scalar(child, out);
    }
    rwd_buf_append_char(out, map ? '}' : ']');
}

static void indent_to(unsigned column, rwd_buf *out) {
    for (unsigned i = 0; i < column; i++) rwd_buf_append_char(out, ' ');
}

// Writes the value in what is left of the line, if it fits there.
static bool put_in_line(const rwd_node *node, unsigned column, rwd_buf *out) {
    if (node->kind == RWD_NODE_SCALAR) {
        put_scalar(node, out);
        return true;
    }
    if (!holds_scalars_only(node)) return false;
    size_t before = out->size;
    put_flow(node, out);
    if (node->count == 0 || out->size - before + column <= LINE_MAX_COLUMNS) return true;
    out->size = before;
    return false;
}

// `column` is where the block's keys and dashes stand; the first of them is already indented. The depth is that of job files.
static void put_block(const rwd_node *node, unsigned column, rwd_buf *out) {
    for (const rwd_node *child = node->first; child; child = child->next) {
        if (child != node->first) indent_to(column, out);
        size_t before = out->size;
        if (node->kind == RWD_NODE_LIST) {
            rwd_buf_append_str(out, "- ");
            if (child->kind != RWD_NODE_SCALAR && child->count > 0 && !(child->kind == RWD_NODE_LIST)) {
                put_block(child, column + INDENT, out);
                continue;
            }
        } else {
            put_text(child->key, out);
            rwd_buf_append_str(out, ": ");
        }
        if (put_in_line(child, column + (unsigned)(out->size - before), out)) {
            rwd_buf_append_char(out, '\n');
            continue;
        }
        out->data[out->size - 1] = '\n';
        indent_to(column + INDENT, out);
        put_block(child, column + INDENT, out);
    }
}

void rwd_node_yaml(const rwd_node *root, rwd_buf *out) { put_block(root, 0, out); }

static void put_json(const rwd_node *node, rwd_json_out *json) {
    if (node->kind == RWD_NODE_SCALAR) {
        if (node->bare) rwd_json_raw(json, rwd_slice_str(node->text));
        else rwd_json_string(json, node->text);
        return;
    }
    bool map = node->kind == RWD_NODE_MAP;
    if (map) rwd_json_object(json);
    else rwd_json_array(json);
    for (const rwd_node *child = node->first; child; child = child->next) {
        if (map) rwd_json_key(json, child->key);
        put_json(child, json);
    }
    if (map) rwd_json_object_end(json);
    else rwd_json_array_end(json);
}

void rwd_node_json(const rwd_node *root, rwd_buf *out) {
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    put_json(root, &json);
    rwd_buf_append_char(out, '\n');
}
