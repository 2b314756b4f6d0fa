// The normal form: one spelling for equal trees. It is what fingerprints are made of, so a change here changes them all.
#include <assert.h>

#include "operator/base/json_out.h"
#include "operator/base/time.h"
#include "operator/expr/expr_private.h"

#define RANK_PRIMARY 100  // needs no parentheses anywhere

static void put(const rwd_expr_node *node, int least_rank, rwd_buf *out);

static const rwd_expr_node *without_conversions(const rwd_expr_node *node) {
    while (node->kind == RWD_NODE_CONVERT) node = node->args[0];
    return node;
}

static int rank_of(const rwd_expr_node *node) {
    if (node->kind == RWD_NODE_OPERATOR) return rwd_expr_operators[node->id].rank;
    if (node->kind != RWD_NODE_CONSTANT || !node->value.present) return RANK_PRIMARY;
    bool negative = (node->type == RWD_TYPE_INT && node->value.i < 0) || (node->type == RWD_TYPE_DECIMAL && node->value.d < 0) ||
                    (node->type == RWD_TYPE_FLOAT && node->value.f < 0);
    return negative ? rwd_expr_operators[RWD_EXPR_NEG].rank : RANK_PRIMARY;
}

static void put_name(rwd_slice name, rwd_buf *out) {
    bool plain = !(name.data[0] >= '0' && name.data[0] <= '9') && !rwd_expr_is_word((const char *)name.data, name.size);
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        plain &= c == '_' || (uint8_t)((c | 0x20) - 'a') < 26 || (uint8_t)(c - '0') < 10;
    }
    if (rwd_slice_equal(name, rwd_slice_str("event_time"))) plain = false;
    if (!plain) rwd_buf_append_char(out, '`');
    rwd_buf_append_slice(out, name);
    if (!plain) rwd_buf_append_char(out, '`');
}

static void put_constant(const rwd_expr_node *node, rwd_buf *out) {
    size_t before = out->size;
    if (!node->value.present) {
        rwd_buf_append_str(out, "null");
    } else if (node->type == RWD_TYPE_STRING || node->type == RWD_TYPE_BYTES) {
        rwd_json_quote(out, node->value.s);
    } else if (node->literal == RWD_LITERAL_DURATION) {
        char text[RWD_TIME_TEXT_MAX];
        rwd_duration_text(node->value.i * 1000, text);
        rwd_buf_append_str(out, text);
    } else {
        rwd_value_json(&node->value, node->type, node->scale, out);
    }
    // A float is told by its exponent.
    if (node->value.present && node->type == RWD_TYPE_FLOAT && !memchr(out->data + before, 'e', out->size - before)) rwd_buf_append_str(out, "e0");
}

static void put_list(const rwd_expr_node *node, uint32_t first, rwd_buf *out) {
    rwd_buf_append_char(out, '(');
    for (uint32_t i = first; i < node->arg_count; i++) {
        if (i > first) rwd_buf_append_str(out, ", ");
        put(node->args[i], 0, out);
    }
    rwd_buf_append_char(out, ')');
}

static void put_operator(const rwd_expr_node *node, rwd_buf *out) {
    const rwd_expr_operator_row *row = &rwd_expr_operators[node->id];
    bool compares = row->rank == rwd_expr_operators[RWD_EXPR_EQ].rank;
    if (row->form == RWD_EXPR_PREFIX) {
        rwd_buf_append_str(out, row->text);
        if (node->id == RWD_EXPR_NOT) rwd_buf_append_char(out, ' ');
        // "--1" would be one sign after the other, and "-1" a literal.
        const rwd_expr_node *arg = without_conversions(node->args[0]);
        bool ambiguous = node->id == RWD_EXPR_NEG && arg->kind == RWD_NODE_CONSTANT;
        put(arg, ambiguous ? RANK_PRIMARY + 1 : row->rank + (node->id == RWD_EXPR_NEG), out);
        return;
    }
    put(node->args[0], row->rank + compares, out);
    if (row->form == RWD_EXPR_POSTFIX) {
        rwd_buf_append_str(out, node->negated ? " is not null" : " is null");
    } else if (row->form == RWD_EXPR_LIST) {
        rwd_buf_append_str(out, node->negated ? " not in " : " in ");
        put_list(node, 1, out);
    } else {
        rwd_buf_appendf(out, " %s ", row->text);
        put(node->args[1], row->rank + 1, out);
    }
}

static void put_meta(const rwd_expr_node *node, rwd_buf *out) {
    static const char *const names[] = {
#define ROW(id, name, type, doc) name,
        RWD_EXPR_META_TABLE(ROW)
#undef ROW
    };
    rwd_buf_append_str(out, names[node->id]);
    if (node->id != RWD_EXPR_META_HEADER) return;
    rwd_buf_append_char(out, '(');
    rwd_json_quote(out, node->name);
    rwd_buf_append_char(out, ')');
}

static void put(const rwd_expr_node *node, int least_rank, rwd_buf *out) {
    node = without_conversions(node);
    bool parentheses = rank_of(node) < least_rank;
    if (parentheses) rwd_buf_append_char(out, '(');
    switch (node->kind) {
    case RWD_NODE_CONSTANT: put_constant(node, out); break;
    case RWD_NODE_NAME: put_name(node->name, out); break;
    case RWD_NODE_META: put_meta(node, out); break;
    case RWD_NODE_OPERATOR: put_operator(node, out); break;
    case RWD_NODE_FUNCTION:
        rwd_buf_append_str(out, rwd_expr_functions[node->id].name);
        put_list(node, 0, out);
        break;
    case RWD_NODE_EXTERN:
        rwd_buf_append_str(out, node->external->name);
        put_list(node, 0, out);
        break;
    case RWD_NODE_CONVERT: assert(!"conversions are passed over");
    }
    if (parentheses) rwd_buf_append_char(out, ')');
}

void rwd_expr_canonical(const rwd_expr_node *root, rwd_buf *out) { put(root, 0, out); }
