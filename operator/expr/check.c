// Types: what every part is, which conversions it needs, and what to say where a part has the wrong type.
#include <assert.h>
#include <stdlib.h>

#include "operator/base/time.h"
#include "operator/base/words.h"
#include "operator/expr/expr_private.h"

#define SCALE_FREE 0xFFu        // no `round` around states the scale
#define NAMES_SHOWN 12u         // in a message that lists what there is

static bool check(rwd_compile *c, rwd_expr_node **slot, unsigned wanted_scale);

static const rwd_expr_operator_row *operator_of(const rwd_expr_node *node) { return &rwd_expr_operators[node->id]; }
static const rwd_expr_function_row *function_of(const rwd_expr_node *node) { return &rwd_expr_functions[node->id]; }
static bool is_operator(const rwd_expr_node *node, rwd_expr_operator id) { return node->kind == RWD_NODE_OPERATOR && node->id == id; }
static bool is_number(rwd_type type) { return type == RWD_TYPE_INT || type == RWD_TYPE_DECIMAL || type == RWD_TYPE_FLOAT; }
static bool is_literal(const rwd_expr_node *node) { return node->kind == RWD_NODE_CONSTANT; }
static bool is_text(const rwd_expr_node *node) { return is_literal(node) && node->type == RWD_TYPE_STRING; }

// "decimal(2)"
#define TYPE_TEXT_MAX 16
static const char *type_text(const rwd_expr_node *node, char out[TYPE_TEXT_MAX]) {
    if (node->type == RWD_TYPE_NULL) return "null";
    if (node->type != RWD_TYPE_DECIMAL) return rwd_type_name(node->type);
    char *p = out + sizeof("decimal(") - 1;
    memcpy(out, "decimal(", sizeof("decimal(") - 1);
    if (node->scale >= 10) *p++ = (char)('0' + node->scale / 10);
    *p++ = (char)('0' + node->scale % 10);
    memcpy(p, ")", 2);
    return out;
}

// ---- conversions

static void set_type(rwd_expr_node *node, rwd_type type, unsigned scale) {
    node->type = type;
    node->scale = (uint8_t)(type == RWD_TYPE_DECIMAL ? scale : 0);
}

// `*slot` becomes a value of the type; the caller has seen that it can.
static bool convert(rwd_compile *c, rwd_expr_node **slot, rwd_type type, unsigned scale) {
    rwd_expr_node *node = *slot;
    static const rwd_time_format rfc3339 = {.kind = RWD_TIME_RFC3339};
    if (node->type == type && (type != RWD_TYPE_DECIMAL || node->scale == scale)) return true;
    if (node->type == RWD_TYPE_NULL || (is_text(node) && type == RWD_TYPE_BYTES)) {
        set_type(node, type, scale);
        return true;
    }
    if (is_text(node) && type == RWD_TYPE_TIME) {
        rwd_slice text = node->value.s;
        if (rwd_time_parse(&rfc3339, text, &node->value.i) != RWD_PARSE_OK)
            return RWD_EXPR_FAIL(c, node->column, "\"%.*s\" is no time; a time is written \"2026-01-31T12:00:00Z\"", (int)(text.size < RWD_EXPR_SHOWN ? text.size : RWD_EXPR_SHOWN),
                                 (const char *)text.data);
        set_type(node, type, 0);
        return true;
    }
    rwd_expr_node *made = rwd_expr_node_new(c, RWD_NODE_CONVERT, 0, node->column, 1);
    made->args[0] = node;
    made->nullable = node->nullable;
    made->depth = node->depth;
    set_type(made, type, scale);
    *slot = made;
    return true;
}

// The type in which all of the arguments can stand; false: there is none. A literal string can be a time or bytes, a literal decimal a float, null anything.
static bool common_type(rwd_expr_node *const *args, uint32_t count, rwd_type *out_type, unsigned *out_scale) {
    unsigned types = 0, scale = 0;
    bool text = false, fraction = false;
    for (uint32_t i = 0; i < count; i++) {
        const rwd_expr_node *arg = args[i];
        if (arg->type == RWD_TYPE_NULL) continue;
        if (arg->scale > scale) scale = arg->scale;
        if (is_text(arg)) text = true;
        else if (is_literal(arg) && arg->type == RWD_TYPE_DECIMAL) fraction = true;
        else types |= 1u << arg->type;
    }
#define BIT(id) (1u << RWD_TYPE_##id)
    if (text && types == 0 && !fraction) types = BIT(STRING);
    if (text && types != BIT(STRING) && types != BIT(TIME) && types != BIT(BYTES)) return false;
    if (fraction && (types & BIT(FLOAT)) == 0) types |= BIT(DECIMAL);
    if (types == (BIT(INT) | BIT(DECIMAL))) types = BIT(DECIMAL);
    if (types == (BIT(INT) | BIT(FLOAT))) types = BIT(FLOAT);
#undef BIT
    if (types & (types - 1)) return false;
    *out_type = RWD_TYPE_NULL;
    for (int t = 0; t < RWD_TYPE_COUNT; t++)
        if (types == 1u << t) *out_type = (rwd_type)t;
    *out_scale = *out_type == RWD_TYPE_DECIMAL ? scale : 0;
    return true;
}

static bool convert_all(rwd_compile *c, rwd_expr_node **args, uint32_t count, rwd_type type, unsigned scale) {
    for (uint32_t i = 0; i < count; i++)
        if (!convert(c, &args[i], type, scale)) return false;
    return true;
}

// ---- mistakes

static bool fail_null(rwd_compile *c, const rwd_expr_node *null) {
    return RWD_EXPR_FAIL(c, null->column, "null as an operand makes the answer null whatever the rest is; to ask for it write `x is null`");
}

// The first literal null among the arguments is an error.
static bool refuse_null(rwd_compile *c, const rwd_expr_node *node) {
    for (uint32_t i = 0; i < node->arg_count; i++)
        if (node->args[i]->type == RWD_TYPE_NULL) return fail_null(c, node->args[i]);
    return true;
}

static bool fail_mixed(rwd_compile *c, uint32_t column, const char *what, const rwd_expr_node *a, const rwd_expr_node *b) {
    char left[TYPE_TEXT_MAX], right[TYPE_TEXT_MAX];
    type_text(a, left);
    type_text(b, right);
    if (is_number(a->type) && is_number(b->type))
        return RWD_EXPR_FAIL(c, column, "%s: %s and %s do not mix, since the answer could not be exact; write float(...) around the %s", what, type_text(a, left),
                             type_text(b, right), a->type == RWD_TYPE_DECIMAL ? "first" : "second");
    return RWD_EXPR_FAIL(c, column, "%s: %s and %s do not go together", what, type_text(a, left), type_text(b, right));
}

// The two arguments that do not go together: the first with a type, and the first after it that does not fit.
static bool fail_items(rwd_compile *c, const char *what, rwd_expr_node *const *args, uint32_t count) {
    rwd_type type;
    unsigned scale;
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t j = 0; j < i; j++) {
            rwd_expr_node *pair[] = {args[j], args[i]};
            if (!common_type(pair, 2, &type, &scale)) return fail_mixed(c, args[i]->column, what, args[j], args[i]);
        }
    return RWD_EXPR_FAIL(c, args[count - 1]->column, "%s: int, decimal and float do not mix; write float(...) around the decimal", what);
}

static bool fail_operands(rwd_compile *c, const rwd_expr_node *node) {
    char left[TYPE_TEXT_MAX], right[TYPE_TEXT_MAX];
    const rwd_expr_operator_row *row = operator_of(node);
    if (node->arg_count == 1)
        return RWD_EXPR_FAIL(c, node->column, "'%s' cannot take a value of type %s; it takes %s", row->text, type_text(node->args[0], left), row->takes);
    const rwd_expr_node *a = node->args[0], *b = node->args[1];
    if (is_number(a->type) && is_number(b->type)) return fail_mixed(c, node->column, row->text, a, b);
    if (a->type != b->type && strstr(row->takes, "same kind"))
        return RWD_EXPR_FAIL(c, node->column, "'%s' cannot compare %s and %s; both sides must be of one kind", row->text, type_text(a, left), type_text(b, right));
    return RWD_EXPR_FAIL(c, node->column, "'%s' cannot take %s and %s; it takes %s", row->text, type_text(a, left), type_text(b, right), row->takes);
}

static bool fail_argument(rwd_compile *c, const rwd_expr_node *node, uint32_t at) {
    char text[TYPE_TEXT_MAX];
    const rwd_expr_node *arg = node->args[at];
    return RWD_EXPR_FAIL(c, arg->column, "%s cannot take a value of type %s here; it is written %s", function_of(node)->name, type_text(arg, text), function_of(node)->call);
}

// ---- names and metadata

static bool fail_name(rwd_compile *c, const rwd_expr_node *node) {
    const rwd_expr_scope *scope = c->scope;
    char *word = rwd_strndup((const char *)node->name.data, node->name.size);
    const char **names = rwd_malloc((scope->count + 1) * sizeof(*names));
    size_t count = 0;
    for (; count < scope->count; count++) names[count] = scope->names[count].name;
    if (scope->metadata & RWD_EXPR_META_BIT(EVENT_TIME)) names[count++] = "event_time";
    const char *nearest = rwd_nearest(word, names, count);
    bool is_function = false;
    for (size_t i = 0; i < RWD_EXPR_FUNCTION_COUNT; i++) is_function |= strcmp(word, rwd_expr_functions[i].name) == 0;
    rwd_buf list = {0};
    for (size_t i = 0; i < count && i < NAMES_SHOWN; i++) rwd_buf_appendf(&list, "%s%.*s", i ? ", " : "", (int)RWD_EXPR_SHOWN, names[i]);
    if (count > NAMES_SHOWN) rwd_buf_append_str(&list, ", ...");
    int shown = (int)RWD_EXPR_SHOWN;
    if (is_function) RWD_EXPR_FAIL(c, node->column, "%s is a function; it is written with parentheses, %s(...)", word, word);
    else if (nearest) RWD_EXPR_FAIL(c, node->column, "there is no %s '%.*s'; did you mean '%s'?", scope->noun, shown, word, nearest);
    else if (node->beside_text)
        RWD_EXPR_FAIL(c, node->column, "there is no %s '%.*s'; a text stands in quotes: '%.*s'", scope->noun, shown, word, shown, word);
    else if (count) RWD_EXPR_FAIL(c, node->column, "there is no %s '%.*s'; there are %s", scope->noun, shown, word, rwd_buf_cstr(&list));
    else RWD_EXPR_FAIL(c, node->column, "there is no %s '%.*s'; no names can be used here", scope->noun, shown, word);
    rwd_buf_deinit(&list);
    free(names);
    free(word);
    return false;
}

static bool check_name(rwd_compile *c, rwd_expr_node *node) {
    for (size_t i = 0; i < c->scope->count; i++) {
        const rwd_expr_name *name = &c->scope->names[i];
        if (!rwd_slice_equal(node->name, rwd_slice_str(name->name))) continue;
        set_type(node, name->type, name->scale);
        node->nullable = name->nullable;
        node->slot = name->slot;
        return true;
    }
    return fail_name(c, node);
}

static bool check_meta(rwd_compile *c, rwd_expr_node *node) {
    static const struct { const char *name; rwd_type type; } metadata[] = {
#define ROW(id, name, type, doc) {name, RWD_TYPE_##type},
        RWD_EXPR_META_TABLE(ROW)
#undef ROW
    };
    if (!(c->scope->metadata >> node->id & 1))
        return RWD_EXPR_FAIL(c, node->column, "%s is not known here: this expression is not evaluated for a single record", metadata[node->id].name);
    set_type(node, metadata[node->id].type, 0);
    node->nullable = node->id == RWD_EXPR_META_HEADER || (c->scope->metadata_null >> node->id & 1);
    return true;
}

// ---- arithmetic

static bool check_product(rwd_compile *c, rwd_expr_node *node, unsigned wanted_scale) {
    unsigned scale = (unsigned)node->args[0]->scale + node->args[1]->scale;
    if (wanted_scale < scale) {
        scale = wanted_scale;
        node->fused = true;
    }
    if (scale > RWD_DECIMAL_SCALE_MAX)
        return RWD_EXPR_FAIL(c, node->column, "this product would have %u digits behind its point, %d is the most; round it, as in round(a * b, 6)", scale, RWD_DECIMAL_SCALE_MAX);
    set_type(node, RWD_TYPE_DECIMAL, scale);
    // Both as decimals of their own scale; an int on the right stays one, since a product with it is cheaper.
    return convert(c, &node->args[0], RWD_TYPE_DECIMAL, node->args[0]->scale) &&
           ((!node->fused && node->args[1]->type == RWD_TYPE_INT) || convert(c, &node->args[1], RWD_TYPE_DECIMAL, node->args[1]->scale));
}

static bool check_quotient(rwd_compile *c, rwd_expr_node *node, unsigned wanted_scale) {
    unsigned scale = RWD_EXPR_DIVISION_SCALE;
    for (int i = 0; i < 2; i++)
        if (node->args[i]->scale > scale) scale = node->args[i]->scale;
    node->fused = wanted_scale != SCALE_FREE;
    set_type(node, RWD_TYPE_DECIMAL, node->fused ? wanted_scale : scale);
    for (int i = 0; i < 2; i++)
        if (!convert(c, &node->args[i], RWD_TYPE_DECIMAL, node->args[i]->scale)) return false;
    return true;
}

static bool check_numbers(rwd_compile *c, rwd_expr_node *node, unsigned wanted_scale) {
    rwd_type type;
    unsigned scale;
    if (!is_number(node->args[0]->type) || !is_number(node->args[1]->type) || !common_type(node->args, 2, &type, &scale)) return fail_operands(c, node);
    if (type == RWD_TYPE_INT && node->id == RWD_EXPR_DIV) return check_quotient(c, node, wanted_scale);
    if (type == RWD_TYPE_DECIMAL && node->id == RWD_EXPR_DIV) return check_quotient(c, node, wanted_scale);
    if (type == RWD_TYPE_DECIMAL && node->id == RWD_EXPR_MUL) {
        // With the int on the right.
        return check_product(c, node, wanted_scale);
    }
    set_type(node, type, scale);
    return convert_all(c, node->args, 2, type, scale);
}

static bool check_arithmetic(rwd_compile *c, rwd_expr_node *node, unsigned wanted_scale) {
    rwd_expr_node **args = node->args;
    if (!refuse_null(c, node)) return false;
    rwd_type a = args[0]->type, b = args[1]->type;
    bool adds = node->id == RWD_EXPR_ADD, subtracts = node->id == RWD_EXPR_SUB;
    if (adds && a == RWD_TYPE_STRING && b == RWD_TYPE_STRING) {
        set_type(node, RWD_TYPE_STRING, 0);
        return true;
    }
    if ((adds || subtracts) && a == RWD_TYPE_TIME && b == RWD_TYPE_INT) {
        set_type(node, RWD_TYPE_TIME, 0);
        return true;
    }
    if (subtracts && (a == RWD_TYPE_TIME || b == RWD_TYPE_TIME) && (a == b || is_text(args[0]) || is_text(args[1]))) {
        set_type(node, RWD_TYPE_INT, 0);
        return convert_all(c, args, 2, RWD_TYPE_TIME, 0);
    }
    return check_numbers(c, node, wanted_scale);
}

// ---- comparisons and logic

static bool is_ordered(rwd_type type) { return is_number(type) || type == RWD_TYPE_STRING || type == RWD_TYPE_TIME; }

// A literal number beside a decimal takes its scale where that is exact, so that nothing is scaled per event.
static bool align_literal(rwd_compile *c, rwd_expr_node **slot, unsigned scale) {
    rwd_expr_node *node = *slot;
    bool small = node->type == RWD_TYPE_INT || (node->type == RWD_TYPE_DECIMAL && node->value.d >= INT64_MIN && node->value.d <= INT64_MAX);
    unsigned to = is_literal(node) && small && node->scale < scale ? scale : node->scale;
    return convert(c, slot, RWD_TYPE_DECIMAL, to);
}

// Both sides in one type; decimals may keep scales that differ.
static bool convert_pair(rwd_compile *c, rwd_expr_node **a, rwd_expr_node **b, rwd_type type, unsigned scale) {
    if (type != RWD_TYPE_DECIMAL) return convert(c, a, type, scale) && convert(c, b, type, scale);
    unsigned a_scale = (*a)->scale, b_scale = (*b)->scale;
    return align_literal(c, a, b_scale) && align_literal(c, b, a_scale);
}

static bool check_comparison(rwd_compile *c, rwd_expr_node *node) {
    rwd_type type;
    unsigned scale;
    if (!refuse_null(c, node)) return false;
    if (!common_type(node->args, 2, &type, &scale)) return fail_operands(c, node);
    if (node->id != RWD_EXPR_EQ && node->id != RWD_EXPR_NE && !is_ordered(type)) return fail_operands(c, node);
    set_type(node, RWD_TYPE_BOOL, 0);
    return convert_pair(c, &node->args[0], &node->args[1], type, scale);
}

static bool check_in(rwd_compile *c, rwd_expr_node *node) {
    rwd_type type;
    unsigned scale;
    if (!refuse_null(c, node)) return false;
    if (!common_type(node->args, node->arg_count, &type, &scale)) return fail_items(c, "in", node->args, node->arg_count);
    set_type(node, RWD_TYPE_BOOL, 0);
    if (!convert(c, &node->args[0], type, node->args[0]->scale)) return false;
    for (uint32_t i = 1; i < node->arg_count; i++)
        if (!convert_pair(c, &node->args[0], &node->args[i], type, scale)) return false;
    return true;
}

static bool check_logic(rwd_compile *c, rwd_expr_node *node) {
    if (!refuse_null(c, node)) return false;
    for (uint32_t i = 0; i < node->arg_count; i++)
        if (node->args[i]->type != RWD_TYPE_BOOL) {
            char text[TYPE_TEXT_MAX];
            return RWD_EXPR_FAIL(c, node->args[i]->column, "'%s' needs a bool, this is %s; write a comparison, such as x > 0", operator_of(node)->text, type_text(node->args[i], text));
        }
    set_type(node, RWD_TYPE_BOOL, 0);
    return true;
}

static bool check_operator(rwd_compile *c, rwd_expr_node *node, unsigned wanted_scale) {
    switch ((rwd_expr_operator)node->id) {
    case RWD_EXPR_OR: case RWD_EXPR_AND: case RWD_EXPR_NOT: return check_logic(c, node);
    case RWD_EXPR_EQ: case RWD_EXPR_NE: case RWD_EXPR_LT: case RWD_EXPR_LE: case RWD_EXPR_GT: case RWD_EXPR_GE: return check_comparison(c, node);
    case RWD_EXPR_IN: return check_in(c, node);
    case RWD_EXPR_IS_NULL:
        if (!refuse_null(c, node)) return false;
        set_type(node, RWD_TYPE_BOOL, 0);
        node->nullable = false;
        return true;
    case RWD_EXPR_ADD: case RWD_EXPR_SUB: case RWD_EXPR_MUL: case RWD_EXPR_DIV: return check_arithmetic(c, node, wanted_scale);
    case RWD_EXPR_NEG:
        if (!refuse_null(c, node)) return false;
        if (!is_number(node->args[0]->type)) return fail_operands(c, node);
        set_type(node, node->args[0]->type, node->args[0]->scale);
        return true;
    case RWD_EXPR_OPERATOR_COUNT: break;
    }
    assert(!"operator out of range");
    return false;
}

// ---- functions

static bool check_choice(rwd_compile *c, rwd_expr_node *node, uint32_t first) {
    rwd_type type;
    unsigned scale;
    rwd_expr_node **args = node->args + first;
    uint32_t count = node->arg_count - first;
    if (!common_type(args, count, &type, &scale)) return fail_items(c, function_of(node)->name, args, count);
    if (type == RWD_TYPE_NULL) return RWD_EXPR_FAIL(c, args[0]->column, "%s gives nothing but null here", function_of(node)->name);
    set_type(node, type, scale);
    node->nullable = node->id == RWD_EXPR_FN_COALESCE;
    for (uint32_t i = 0; i < count; i++) {
        if (node->id == RWD_EXPR_FN_COALESCE) node->nullable &= args[i]->nullable;
        else node->nullable |= args[i]->nullable;
    }
    return convert_all(c, args, count, type, scale);
}

static bool check_if(rwd_compile *c, rwd_expr_node *node) {
    char text[TYPE_TEXT_MAX];
    rwd_expr_node *condition = node->args[0];
    if (condition->type != RWD_TYPE_BOOL)
        return RWD_EXPR_FAIL(c, condition->column, "the condition of if must be a bool, this is %s; write a comparison, such as x > 0", type_text(condition, text));
    return check_choice(c, node, 1);
}

// N of round(x, N).
static bool round_scale(rwd_compile *c, const rwd_expr_node *node, unsigned *out) {
    const rwd_expr_node *n = node->args[1];
    if (!is_literal(n) || n->type != RWD_TYPE_INT || n->value.i < 0 || n->value.i > RWD_DECIMAL_SCALE_MAX)
        return RWD_EXPR_FAIL(c, n->column, "the digits of round must be a number from 0 to %d, written out", RWD_DECIMAL_SCALE_MAX);
    *out = (unsigned)n->value.i;
    return true;
}

static bool check_function(rwd_compile *c, rwd_expr_node *node) {
    rwd_expr_function id = (rwd_expr_function)node->id;
    rwd_type first = node->args[0]->type;
    unsigned scale;
    if (id == RWD_EXPR_FN_IF) return check_if(c, node);
    if (id == RWD_EXPR_FN_COALESCE) return check_choice(c, node, 0);
    if (!refuse_null(c, node)) return false;
    switch (id) {
    case RWD_EXPR_FN_LOWER: case RWD_EXPR_FN_UPPER:
        set_type(node, RWD_TYPE_STRING, 0);
        return first == RWD_TYPE_STRING || fail_argument(c, node, 0);
    case RWD_EXPR_FN_STARTS_WITH:
        set_type(node, RWD_TYPE_BOOL, 0);
        if (first != RWD_TYPE_STRING) return fail_argument(c, node, 0);
        return node->args[1]->type == RWD_TYPE_STRING || fail_argument(c, node, 1);
    case RWD_EXPR_FN_LEN:
        set_type(node, RWD_TYPE_INT, 0);
        return first == RWD_TYPE_STRING || first == RWD_TYPE_BYTES || fail_argument(c, node, 0);
    case RWD_EXPR_FN_ABS:
        set_type(node, first, node->args[0]->scale);
        return is_number(first) || fail_argument(c, node, 0);
    case RWD_EXPR_FN_ROUND:
        if (!is_number(first)) return fail_argument(c, node, 0);
        set_type(node, RWD_TYPE_INT, 0);
        if (node->arg_count == 1) return true;
        if (!round_scale(c, node, &scale)) return false;
        set_type(node, RWD_TYPE_DECIMAL, scale);
        return true;
    case RWD_EXPR_FN_INT:
        set_type(node, RWD_TYPE_INT, 0);
        return is_number(first) || fail_argument(c, node, 0);
    case RWD_EXPR_FN_FLOAT:
        set_type(node, RWD_TYPE_FLOAT, 0);
        return is_number(first) || fail_argument(c, node, 0);
    case RWD_EXPR_FN_IF: case RWD_EXPR_FN_COALESCE: case RWD_EXPR_FUNCTION_COUNT: break;
    }
    assert(!"function out of range");
    return false;
}

// An argument becomes what the function takes where that is exact, or a float.
static bool fits_argument(const rwd_expr_node *arg, rwd_type type, unsigned scale) {
    if (arg->type == RWD_TYPE_NULL) return true;
    if (arg->type == type) return type != RWD_TYPE_DECIMAL || arg->scale <= scale;
    if (type == RWD_TYPE_DECIMAL) return arg->type == RWD_TYPE_INT;
    if (type == RWD_TYPE_FLOAT) return is_number(arg->type);
    return is_text(arg) && (type == RWD_TYPE_TIME || type == RWD_TYPE_BYTES);
}

static bool check_extern(rwd_compile *c, rwd_expr_node *node) {
    const rwd_expr_extern *f = node->external;
    for (uint32_t i = 0; i < f->arg_count; i++) {
        const rwd_expr_node *arg = node->args[i];
        char is[TYPE_TEXT_MAX], wanted[TYPE_TEXT_MAX];
        if (fits_argument(arg, f->args[i].type, f->args[i].scale)) {
            if (!convert(c, &node->args[i], f->args[i].type, f->args[i].scale)) return false;
            continue;
        }
        rwd_expr_node like = {.type = f->args[i].type, .scale = f->args[i].scale};
        return RWD_EXPR_FAIL(c, arg->column, "argument %u of %s is a %s, this is %s%s", i + 1, f->name, type_text(&like, wanted), type_text(arg, is),
                             arg->type == RWD_TYPE_DECIMAL && like.type == RWD_TYPE_DECIMAL ? "; round(x, N) gives it fewer digits" : "");
    }
    set_type(node, f->result.type, f->result.scale);
    node->nullable = true;
    return true;
}

// ---- the tree

// The scale that `round` around its first argument states for a product or quotient there.
static bool inner_scale(rwd_compile *c, const rwd_expr_node *node, uint32_t at, unsigned *out) {
    *out = SCALE_FREE;
    if (node->kind != RWD_NODE_FUNCTION || node->id != RWD_EXPR_FN_ROUND || at != 0) return true;
    if (!is_operator(node->args[0], RWD_EXPR_MUL) && !is_operator(node->args[0], RWD_EXPR_DIV)) return true;
    if (node->arg_count == 1) {
        *out = 0;
        return true;
    }
    return round_scale(c, node, out);
}

static bool is_comparison(const rwd_expr_node *node) {
    return node->kind == RWD_NODE_OPERATOR && ((node->id >= RWD_EXPR_EQ && node->id <= RWD_EXPR_GE) || node->id == RWD_EXPR_IN);
}

static bool check(rwd_compile *c, rwd_expr_node **slot, unsigned wanted_scale) {
    rwd_expr_node *node = *slot;
    for (uint32_t i = 0; i < node->arg_count; i++) {
        unsigned scale;
        node->args[i]->beside_text = i > 0 && is_comparison(node) && node->args[0]->type == RWD_TYPE_STRING;
        if (!inner_scale(c, node, i, &scale) || !check(c, &node->args[i], scale)) return false;
        node->nullable |= node->args[i]->nullable;
    }
    switch (node->kind) {
    case RWD_NODE_CONSTANT: return true;
    case RWD_NODE_NAME: return check_name(c, node);
    case RWD_NODE_META: return check_meta(c, node);
    case RWD_NODE_OPERATOR: return check_operator(c, node, wanted_scale);
    case RWD_NODE_FUNCTION: return check_function(c, node);
    case RWD_NODE_EXTERN: return check_extern(c, node);
    case RWD_NODE_CONVERT: break;
    }
    assert(!"a conversion before types are known");
    return false;
}

bool rwd_expr_check(rwd_compile *c, rwd_expr_node **root) {
    if (!check(c, root, SCALE_FREE)) return false;
    return (*root)->type != RWD_TYPE_NULL || RWD_EXPR_FAIL(c, (*root)->column, "this is null and nothing else");
}
