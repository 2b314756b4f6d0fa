// Tokens to a tree, by precedence climbing over the table of operators.
//
// Every call counts its depth, and so does every node: neither text nor tree can be deep enough to exhaust a stack.
#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#include "operator/base/float.h"
#include "operator/base/time.h"
#include "operator/base/words.h"
#include "operator/expr/expr_private.h"
#include "state/aggregate.h"

static bool parse_ranked(rwd_compile *c, int rank, rwd_expr_node **out);

static bool is_token(const rwd_compile *c, rwd_token_kind kind, const char *text) {
    return c->token.kind == kind && rwd_slice_equal(c->token.text, rwd_slice_str(text));
}
static bool is_sign(const rwd_compile *c, const char *sign) { return is_token(c, RWD_TOKEN_SIGN, sign); }
static bool is_word(const rwd_compile *c, const char *word) { return is_token(c, RWD_TOKEN_WORD, word); }

static int shown(rwd_slice text) { return (int)(text.size < RWD_EXPR_SHOWN ? text.size : RWD_EXPR_SHOWN); }

// Words of other languages, and how it is said here.
static const struct {
    const char *theirs, *ours;
} habits[] = {
    {"between", "a range is written a >= 1 and a <= 5"},
    {"like", "a beginning is written starts_with(a, \"D\"), and parts of a string cannot be asked for"},
    {"matches", "a beginning is written starts_with(a, \"D\"), and parts of a string cannot be asked for"},
    {"when", "a choice is written if(condition, a, b)"},
    {"then", "a choice is written if(condition, a, b)"},
    {"isnull", "it is written a is null"},
    {"where", "a condition stands behind the bracket of an aggregate: sum(amount) where paid"},
    {"mod", "there is no remainder"},
};

static bool fail_expected(rwd_compile *c, const char *expected) {
    const rwd_token *t = &c->token;
    for (size_t i = 0; t->kind == RWD_TOKEN_WORD && i < sizeof(habits) / sizeof(habits[0]); i++)
        if (t->text.size == strlen(habits[i].theirs) && strncasecmp((const char *)t->text.data, habits[i].theirs, t->text.size) == 0)
            return RWD_EXPR_FAIL(c, t->column, "'%.*s' means nothing here; %s", shown(t->text), (const char *)t->text.data, habits[i].ours);
    if (t->kind == RWD_TOKEN_END) return RWD_EXPR_FAIL(c, t->column, "expected %s, but the expression ends here", expected);
    if (t->kind == RWD_TOKEN_STRING) return RWD_EXPR_FAIL(c, t->column, "expected %s, found the string \"%.*s\"", expected, shown(t->text), (const char *)t->text.data);
    return RWD_EXPR_FAIL(c, t->column, "expected %s, found '%.*s'", expected, shown(t->text), (const char *)t->text.data);
}

static bool take_sign(rwd_compile *c, const char *sign, const char *expected) {
    return is_sign(c, sign) ? rwd_lex(c) : fail_expected(c, expected);
}

// ---- nodes

rwd_expr_node *rwd_expr_node_new(rwd_compile *c, rwd_node_kind kind, uint8_t id, uint32_t column, uint32_t arg_count) {
    rwd_expr_node *node = rwd_arena_alloc(c->arena, sizeof(*node));
    *node = (rwd_expr_node){.kind = kind, .id = id, .column = column, .arg_count = arg_count, .type = RWD_TYPE_NULL, .depth = 1};
    if (arg_count) node->args = rwd_arena_alloc(c->arena, arg_count * sizeof(*node->args));
    return node;
}

// Ends the making of a node: its depth is known when its arguments are.
static bool finish(rwd_compile *c, rwd_expr_node *node, rwd_expr_node **out) {
    for (uint32_t i = 0; i < node->arg_count; i++)
        if (node->args[i]->depth >= node->depth) node->depth = (uint16_t)(node->args[i]->depth + 1);
    *out = node;
    if (node->depth <= RWD_EXPR_DEPTH_MAX) return true;
    return RWD_EXPR_FAIL(c, node->column, "more than %u operations hang on one another here; use `in` for long lists, or a derived column for a part", RWD_EXPR_DEPTH_MAX);
}

static rwd_expr_node *constant(rwd_compile *c, rwd_type type, unsigned scale, rwd_value value) {
    rwd_expr_node *node = rwd_expr_node_new(c, RWD_NODE_CONSTANT, 0, c->token.column, 0);
    node->literal = RWD_LITERAL_PLAIN;
    node->type = type;
    node->scale = (uint8_t)scale;
    node->value = value;
    node->nullable = !value.present;
    return node;
}

// ---- literals

static bool parse_number(rwd_compile *c, bool negative, rwd_expr_node **out) {
    rwd_slice text = c->token.text;
    uint32_t column = c->token.column;
    uint8_t *copy = rwd_arena_alloc(c->arena, text.size + 2);
    copy[0] = '-';
    memcpy(copy + 1, text.data, text.size);
    rwd_slice number = negative ? rwd_slice_of(copy, text.size + 1) : text;
    const uint8_t *point = memchr(text.data, '.', text.size);
    rwd_value value = {.present = true};
    if (memchr(text.data, 'e', text.size) || memchr(text.data, 'E', text.size)) {
        if (rwd_float_parse(number, &value.f) != RWD_PARSE_OK) return RWD_EXPR_FAIL(c, column, "this number is beyond the range of a float");
        *out = constant(c, RWD_TYPE_FLOAT, 0, value);
    } else if (point) {
        size_t scale = text.size - (size_t)(point - text.data) - 1;
        if (scale > RWD_DECIMAL_SCALE_MAX)
            return RWD_EXPR_FAIL(c, column, "a decimal has at most %d digits behind its point; this one has %zu", RWD_DECIMAL_SCALE_MAX, scale);
        if (rwd_decimal_parse(number, (unsigned)scale, &value.d) != RWD_PARSE_OK) return RWD_EXPR_FAIL(c, column, "a decimal has at most 38 digits");
        *out = constant(c, RWD_TYPE_DECIMAL, (unsigned)scale, value);
    } else {
        if (rwd_int_parse(number, &value.i) != RWD_PARSE_OK)
            return RWD_EXPR_FAIL(c, column, "this number does not fit an int (64 bits); written with .0 it is a decimal");
        *out = constant(c, RWD_TYPE_INT, 0, value);
    }
    return rwd_lex(c);
}

static bool parse_duration(rwd_compile *c, rwd_expr_node **out) {
    rwd_slice text = c->token.text;
    char copy[RWD_EXPR_SHOWN + 1];
    int64_t ns;
    size_t size = text.size <= RWD_EXPR_SHOWN ? text.size : 0;
    memcpy(copy, text.data, size);
    copy[size] = '\0';
    if (size == 0 || !rwd_duration_parse(copy, &ns))
        return RWD_EXPR_FAIL(c, c->token.column, "'%.*s' is neither a number nor a duration; durations are written 250ms, 90s, 1h30m, 7d", shown(text), (const char *)text.data);
    if (ns % 1000 != 0) return RWD_EXPR_FAIL(c, c->token.column, "times count microseconds; '%s' is not a whole number of them", copy);
    *out = constant(c, RWD_TYPE_INT, 0, (rwd_value){.i = ns / 1000, .present = true});
    (*out)->literal = RWD_LITERAL_DURATION;
    return rwd_lex(c);
}

// ---- calls and metadata

static bool unknown_function(rwd_compile *c, rwd_slice word, uint32_t column) {
    const char *names[RWD_EXPR_FUNCTION_COUNT];
    for (size_t i = 0; i < RWD_EXPR_FUNCTION_COUNT; i++) names[i] = rwd_expr_functions[i].name;
    char *text = rwd_strndup((const char *)word.data, word.size);
    const char *nearest = rwd_nearest(text, names, RWD_EXPR_FUNCTION_COUNT);
    if (rwd_aggregate_find(text))
        RWD_EXPR_FAIL(c, column, "'%s' is an aggregate, which stands by itself under `aggregates`; derived columns and a sink's `where` use the name that it has there", text);
    else if (nearest) RWD_EXPR_FAIL(c, column, "there is no function '%.*s'; did you mean '%s'?", shown(word), text, nearest);
    else RWD_EXPR_FAIL(c, column, "there is no function '%.*s'; there are if, coalesce, lower, upper, starts_with, len, abs, round, int and float", shown(word), text);
    free(text);
    return false;
}

// Behind "(": expressions with commas, up to ")". `*out_items` is of the arena.
static bool parse_items(rwd_compile *c, rwd_expr_node ***out_items, uint32_t *out_count) {
    rwd_expr_node **items = NULL;
    uint32_t count = 0, capacity = 0;
    for (;;) {
        if (count == RWD_EXPR_ITEMS_MAX) return RWD_EXPR_FAIL(c, c->token.column, "there are more than %u items", RWD_EXPR_ITEMS_MAX);
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 4;
            rwd_expr_node **more = rwd_arena_alloc(c->arena, capacity * sizeof(*more));
            if (count) memcpy(more, items, count * sizeof(*items));
            items = more;
        }
        if (!parse_ranked(c, 1, &items[count])) return false;
        count++;
        if (is_sign(c, ")")) break;
        if (!is_sign(c, ",")) return fail_expected(c, "',' or ')'");
        if (!rwd_lex(c)) return false;
    }
    *out_items = items;
    *out_count = count;
    return rwd_lex(c);
}

static bool parse_call(rwd_compile *c, rwd_slice word, uint32_t column, rwd_expr_node **out) {
    uint8_t id = 0;
    while (id < RWD_EXPR_FUNCTION_COUNT && !rwd_slice_equal(word, rwd_slice_str(rwd_expr_functions[id].name))) id++;
    if (id == RWD_EXPR_FUNCTION_COUNT) return unknown_function(c, word, column);
    const rwd_expr_function_row *row = &rwd_expr_functions[id];
    rwd_expr_node *node = rwd_expr_node_new(c, RWD_NODE_FUNCTION, id, column, 0);
    if (!rwd_lex(c)) return false;
    if (!is_sign(c, ")")) {
        if (!parse_items(c, &node->args, &node->arg_count)) return false;
    } else if (!rwd_lex(c)) {
        return false;
    }
    if (node->arg_count < row->least || node->arg_count > row->most) {
        const char *plural = node->arg_count == 1 ? "" : "s";
        return RWD_EXPR_FAIL(c, column, "%s has %u argument%s here; it is written %s", row->name, node->arg_count, plural, row->call);
    }
    return finish(c, node, out);
}

// Behind "plugin": ".name(".
static bool parse_extern(rwd_compile *c, rwd_slice plugin, uint32_t column, rwd_expr_node **out) {
    uint32_t point = c->token.column;
    if (!rwd_lex(c)) return false;
    rwd_slice word = c->token.text;
    bool is_name = c->token.kind == RWD_TOKEN_WORD;
    if (is_name && !rwd_lex(c)) return false;
    if (!is_name || !is_sign(c, "("))
        return RWD_EXPR_FAIL(c, point, "a name that holds a point stands in backticks; metadata is record.key, record.offset, record.timestamp, record.header(\"name\")");
    const rwd_expr_extern *found = NULL;
    for (size_t i = 0; i < c->scope->extern_count && !found; i++) {
        const char *name = c->scope->externs[i].name;
        bool same = strncmp(name, (const char *)plugin.data, plugin.size) == 0 && name[plugin.size] == '.' && rwd_slice_equal(rwd_slice_str(name + plugin.size + 1), word);
        if (same) found = &c->scope->externs[i];
    }
    if (!found)
        return RWD_EXPR_FAIL(c, column, "there is no function '%.*s.%.*s'; those of plugins are named PLUGIN.FUNCTION, and the plugin's file stands under plugins.files",
                             shown(plugin), (const char *)plugin.data, shown(word), (const char *)word.data);
    rwd_expr_node *node = rwd_expr_node_new(c, RWD_NODE_EXTERN, 0, column, 0);
    node->external = found;
    if (!rwd_lex(c)) return false;
    if (!is_sign(c, ")")) {
        if (!parse_items(c, &node->args, &node->arg_count)) return false;
    } else if (!rwd_lex(c)) {
        return false;
    }
    if (node->arg_count != found->arg_count)
        return RWD_EXPR_FAIL(c, column, "%s has %u argument%s here; it takes %u", found->name, node->arg_count, node->arg_count == 1 ? "" : "s", found->arg_count);
    return finish(c, node, out);
}

static bool parse_header(rwd_compile *c, rwd_expr_node *node) {
    if (!take_sign(c, "(", "'(': a header is written record.header(\"name\")")) return false;
    if (c->token.kind != RWD_TOKEN_STRING) return fail_expected(c, "the header's name as a string, such as record.header(\"source\")");
    node->name = c->token.text;
    return rwd_lex(c) && take_sign(c, ")", "')'");
}

// Behind "record".
static bool parse_record(rwd_compile *c, uint32_t column, rwd_expr_node **out) {
    static const char *const parts[] = {"key", "offset", "timestamp", "header"};
    static const uint8_t ids[] = {RWD_EXPR_META_KEY, RWD_EXPR_META_OFFSET, RWD_EXPR_META_TIMESTAMP, RWD_EXPR_META_HEADER};
    if (!rwd_lex(c)) return false;
    size_t part = 0;
    while (part < 4 && !is_word(c, parts[part])) part++;
    if (part == 4) {
        char *word = rwd_strndup((const char *)c->token.text.data, c->token.text.size);
        const char *nearest = c->token.kind == RWD_TOKEN_WORD ? rwd_nearest(word, parts, 4) : NULL;
        if (nearest) RWD_EXPR_FAIL(c, c->token.column, "a record has no '%.*s'; did you mean record.%s?", RWD_EXPR_SHOWN, word, nearest);
        else fail_expected(c, "key, offset, timestamp or header behind 'record.'");
        free(word);
        return false;
    }
    *out = rwd_expr_node_new(c, RWD_NODE_META, ids[part], column, 0);
    return rwd_lex(c) && (ids[part] != RWD_EXPR_META_HEADER || parse_header(c, *out));
}

static bool parse_word(rwd_compile *c, rwd_expr_node **out) {
    rwd_slice word = c->token.text;
    uint32_t column = c->token.column;
    if (is_word(c, "true") || is_word(c, "false")) {
        *out = constant(c, RWD_TYPE_BOOL, 0, (rwd_value){.b = is_word(c, "true"), .present = true});
        return rwd_lex(c);
    }
    if (is_word(c, "null")) {
        *out = constant(c, RWD_TYPE_NULL, 0, (rwd_value){0});
        return rwd_lex(c);
    }
    if (rwd_expr_is_word((const char *)word.data, word.size)) return fail_expected(c, "a value");
    if (!rwd_lex(c)) return false;
    if (is_sign(c, "(")) return parse_call(c, word, column, out);
    if (is_sign(c, ".") && rwd_slice_equal(word, rwd_slice_str("record"))) return parse_record(c, column, out);
    if (is_sign(c, ".")) return parse_extern(c, word, column, out);
    bool is_event_time = rwd_slice_equal(word, rwd_slice_str("event_time")) && (c->scope->metadata & RWD_EXPR_META_BIT(EVENT_TIME));
    *out = rwd_expr_node_new(c, is_event_time ? RWD_NODE_META : RWD_NODE_NAME, is_event_time ? RWD_EXPR_META_EVENT_TIME : 0, column, 0);
    (*out)->name = word;
    return true;
}

static bool parse_primary(rwd_compile *c, rwd_expr_node **out) {
    switch (c->token.kind) {
    case RWD_TOKEN_NUMBER: return parse_number(c, false, out);
    case RWD_TOKEN_DURATION: return parse_duration(c, out);
    case RWD_TOKEN_STRING:
        *out = constant(c, RWD_TYPE_STRING, 0, (rwd_value){.s = c->token.text, .present = true});
        return rwd_lex(c);
    case RWD_TOKEN_WORD: return parse_word(c, out);
    case RWD_TOKEN_QUOTED_NAME:
        *out = rwd_expr_node_new(c, RWD_NODE_NAME, 0, c->token.column, 0);
        (*out)->name = c->token.text;
        return rwd_lex(c);
    case RWD_TOKEN_SIGN:
        if (!is_sign(c, "(")) break;
        return rwd_lex(c) && parse_ranked(c, 1, out) && take_sign(c, ")", "an operator or ')'");
    case RWD_TOKEN_END: break;
    }
    return fail_expected(c, "a value");
}

// ---- operators

static bool parse_prefix(rwd_compile *c, rwd_expr_node **out) {
    uint32_t column = c->token.column;
    rwd_expr_operator id = is_word(c, "not") ? RWD_EXPR_NOT : is_sign(c, "-") ? RWD_EXPR_NEG : RWD_EXPR_OPERATOR_COUNT;
    if (id == RWD_EXPR_OPERATOR_COUNT) return parse_primary(c, out);
    if (!rwd_lex(c)) return false;
    if (id == RWD_EXPR_NEG && c->token.kind == RWD_TOKEN_NUMBER) {
        if (!parse_number(c, true, out)) return false;
        (*out)->column = column;
        return true;
    }
    rwd_expr_node *node = rwd_expr_node_new(c, RWD_NODE_OPERATOR, (uint8_t)id, column, 1);
    return parse_ranked(c, rwd_expr_operators[id].rank, &node->args[0]) && finish(c, node, out);
}

// The operator that the next token begins between or behind operands, or the count.
static rwd_expr_operator next_operator(const rwd_compile *c) {
    if (is_word(c, "not") || is_word(c, "in")) return RWD_EXPR_IN;
    if (is_word(c, "is")) return RWD_EXPR_IS_NULL;
    for (int id = 0; id < RWD_EXPR_OPERATOR_COUNT; id++) {
        const rwd_expr_operator_row *row = &rwd_expr_operators[id];
        if (row->form == RWD_EXPR_INFIX && (is_sign(c, row->text) || is_word(c, row->text))) return (rwd_expr_operator)id;
    }
    return RWD_EXPR_OPERATOR_COUNT;
}

// "[not] in (a, b)" behind `left`: the node's first argument is `left`.
static bool parse_in(rwd_compile *c, rwd_expr_node *left, rwd_expr_node **out) {
    rwd_expr_node *node = rwd_expr_node_new(c, RWD_NODE_OPERATOR, RWD_EXPR_IN, c->token.column, 0);
    node->negated = is_word(c, "not");
    if (node->negated && !rwd_lex(c)) return false;
    if (!is_word(c, "in")) return fail_expected(c, "'in' behind 'not'");
    if (!rwd_lex(c) || !take_sign(c, "(", "'(': a list is written (a, b, c)")) return false;
    rwd_expr_node **items;
    uint32_t count;
    if (!parse_items(c, &items, &count)) return false;
    node->arg_count = count + 1;
    node->args = rwd_arena_alloc(c->arena, node->arg_count * sizeof(*node->args));
    node->args[0] = left;
    memcpy(node->args + 1, items, count * sizeof(*items));
    return finish(c, node, out);
}

static bool parse_is_null(rwd_compile *c, rwd_expr_node *left, rwd_expr_node **out) {
    rwd_expr_node *node = rwd_expr_node_new(c, RWD_NODE_OPERATOR, RWD_EXPR_IS_NULL, c->token.column, 1);
    node->args[0] = left;
    if (!rwd_lex(c)) return false;
    node->negated = is_word(c, "not");
    if (node->negated && !rwd_lex(c)) return false;
    if (!is_word(c, "null")) return fail_expected(c, "'null' or 'not null' behind 'is'");
    return rwd_lex(c) && finish(c, node, out);
}

static bool parse_infix(rwd_compile *c, rwd_expr_operator id, rwd_expr_node *left, rwd_expr_node **out) {
    rwd_expr_node *node = rwd_expr_node_new(c, RWD_NODE_OPERATOR, (uint8_t)id, c->token.column, 2);
    node->args[0] = left;
    return rwd_lex(c) && parse_ranked(c, rwd_expr_operators[id].rank + 1, &node->args[1]) && finish(c, node, out);
}

static bool parse_operators(rwd_compile *c, int rank, rwd_expr_node **out) {
    rwd_expr_node *left;
    if (!parse_prefix(c, &left)) return false;
    bool compared = false;
    for (;;) {
        rwd_expr_operator id = next_operator(c);
        if (id == RWD_EXPR_OPERATOR_COUNT || rwd_expr_operators[id].rank < rank) break;
        bool compares = rwd_expr_operators[id].rank == rwd_expr_operators[RWD_EXPR_EQ].rank;
        if (compares && compared) return RWD_EXPR_FAIL(c, c->token.column, "comparisons do not chain; write a < b and b < c, or use parentheses");
        compared = compares;
        bool parsed = id == RWD_EXPR_IN ? parse_in(c, left, &left) : id == RWD_EXPR_IS_NULL ? parse_is_null(c, left, &left) : parse_infix(c, id, left, &left);
        if (!parsed) return false;
    }
    *out = left;
    return true;
}

static bool parse_ranked(rwd_compile *c, int rank, rwd_expr_node **out) {
    if (c->depth == RWD_EXPR_DEPTH_MAX) return RWD_EXPR_FAIL(c, c->token.column, "this is nested more than %u deep", RWD_EXPR_DEPTH_MAX);
    c->depth++;
    bool parsed = parse_operators(c, rank, out);
    c->depth--;
    return parsed;
}

bool rwd_expr_parse(rwd_compile *c, const char *text, rwd_expr_node **out) {
    const uint8_t *start = (const uint8_t *)text;
    c->lexer = (rwd_lexer){.start = start, .at = start, .end = start + strlen(text), .counted = start, .arena = c->arena};
    if (!rwd_lex(c)) return false;
    if (c->token.kind == RWD_TOKEN_END) return RWD_EXPR_FAIL(c, 1, "the expression is empty");
    if (!parse_ranked(c, 1, out)) return false;
    return c->token.kind == RWD_TOKEN_END || fail_expected(c, "an operator or the end");
}
