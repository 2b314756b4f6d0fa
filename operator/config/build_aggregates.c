// The aggregates of a table: "sum(amount * quantity) where kind == "refund"".
#include <stdio.h>
#include <string.h>

#include "operator/base/words.h"
#include "operator/config/job_private.h"
#include "operator/config/other_words.h"
#include "state/aggregate.h"

#define AGGREGATES_MAX 256  // that a message can choose from
#define PIECES_MAX (1 + RWD_PARAMETERS_MAX)

// ---- the parts of the text

typedef struct call {
    rwd_span function;
    rwd_span pieces[PIECES_MAX];  // what stands between the brackets, between commas
    size_t piece_count;           // may be more than there is room for
    rwd_span where;               // the condition; size 0: none
    const char *behind;           // what is behind the bracket and no condition; NULL: nothing
} call;

static size_t word_size(const char *text) {
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
}

// "sum", or of a plugin "shop.median".
static size_t function_size(const char *text) {
    size_t size = word_size(text);
    return text[size] == '.' ? size + 1 + word_size(text + size + 1) : size;
}

// Behind a string or a name in backticks that begins at `at`.
static const char *skip_quoted(const char *at) {
    char quote = *at++;
    for (; *at && *at != quote; at++)
        if (*at == '\\' && quote != '`' && at[1]) at++;
    return at + (*at != '\0');
}

static void end_piece(call *out, const char *from, const char *to) {
    rwd_span piece = rwd_span_trim((rwd_span){from, (size_t)(to - from)});
    if (out->piece_count < PIECES_MAX) out->pieces[out->piece_count] = piece;
    out->piece_count++;
}

// From behind the opening bracket to behind the closing one; NULL if there is none.
static const char *split_pieces(const char *at, call *out) {
    const char *from = at;
    for (unsigned depth = 1; *at;) {
        if (strchr("\"'`", *at)) {
            at = skip_quoted(at);
            continue;
        }
        depth += *at == '(';
        depth -= *at == ')';
        if (depth == 0 || (depth == 1 && *at == ',')) {
            end_piece(out, from, at);
            from = at + 1;
        }
        at++;
        if (depth == 0) return at;
    }
    return NULL;
}

static bool split_call(const char *text, call *out) {
    const char *at = text + strspn(text, " \t");
    *out = (call){.function = {at, function_size(at)}};
    at += out->function.size;
    at += strspn(at, " \t");
    if (out->function.size == 0 || *at != '(') return false;
    at = split_pieces(at + 1, out);
    if (!at) return false;
    at += strspn(at, " \t");
    if (word_size(at) == 5 && memcmp(at, "where", 5) == 0) out->where = rwd_span_trim((rwd_span){at + 5, strlen(at + 5)});
    if (*at && out->where.size == 0) out->behind = at;
    return true;
}

// ---- messages

static const rwd_aggregate *find_aggregate(const rwd_job *job, rwd_span word) {
    char name[2 * REWIND_NAME_MAX + 2];
    if (word.size >= sizeof name) return NULL;
    memcpy(name, word.from, word.size);
    name[word.size] = '\0';
    return strchr(name, '.') ? rwd_plugins_aggregate(job->plugins.loaded, name) : rwd_aggregate_find(name);
}

static const char *excerpt_of(rwd_span span, char out[RWD_EXCERPT_MAX]) {
    rwd_buf text = {0};
    rwd_buf_append(&text, span.from, span.size);
    rwd_excerpt(rwd_buf_cstr(&text), out);
    rwd_buf_deinit(&text);
    return out;
}

static bool not_a_call(rwd_job_build *b, const rwd_node *node, const char *name) {
    char word[RWD_EXCERPT_MAX];
    const rwd_aggregate *aggregate = find_aggregate(b->job, rwd_span_trim(rwd_span_of(node)));
    rwd_excerpt(node->text, word);
    if (aggregate) {
        rwd_buf arguments = {0};
        rwd_aggregate_arguments(aggregate, &arguments);
        rwd_build_fail(b, node->place, "%s: \"%s\" needs brackets: %s(%s)", name, word, aggregate->name, rwd_buf_cstr(&arguments));
        rwd_buf_deinit(&arguments);
        return false;
    }
    const char *open = strchr(node->text, '(');
    if (open && word_size(node->text) == (size_t)(open - node->text))
        return rwd_build_fail(b, node->place, "%s: the bracket of \"%s\" is never closed", name, word);
    return rwd_build_fail(b, node->place, "%s: expected an aggregate, for example count() or sum(amount), found \"%s\"; what is computed from aggregates stands under `derived`", name,
                          word);
}

static bool something_behind(rwd_job_build *b, const rwd_node *node, const char *name, const char *behind) {
    char word[RWD_EXCERPT_MAX];
    if (word_size(behind) == 5 && memcmp(behind, "where", 5) == 0)
        return rwd_build_fail_in(b, node, behind, "%s: behind `where` the condition is missing: sum(amount) where quantity > 0", name);
    return rwd_build_fail_in(b, node, behind, "%s: found \"%s\" behind the bracket, where only a condition may stand: sum(amount) where quantity > 0; what is computed "
                             "from aggregates stands under `derived`", name, rwd_excerpt(behind, word));
}

static bool unknown_aggregate(rwd_job_build *b, const rwd_node *node, const char *name, rwd_span function) {
    char word[RWD_EXCERPT_MAX];
    const char *other = rwd_other_aggregate(excerpt_of(function, word));
    if (other) return rwd_build_fail(b, node->place, "%s: unknown aggregate \"%s\"; here it is written %s", name, word, other);
    const char *names[AGGREGATES_MAX];
    size_t count = 0;
    for (const rwd_aggregate *a; count < AGGREGATES_MAX && (a = rwd_aggregate_at(count)); count++) names[count] = a->name;
    for (size_t i = 0; i < rwd_plugins_count(b->job->plugins.loaded); i++) {
        const rwd_plugin_facts *plugin = rwd_plugins_at(b->job->plugins.loaded, i);
        for (size_t a = 0; a < plugin->aggregate_count && count < AGGREGATES_MAX; a++) names[count++] = plugin->aggregates[a].name;
    }
    const char *nearest = rwd_nearest(word, names, count);
    if (nearest) return rwd_build_fail(b, node->place, "%s: unknown aggregate \"%s\"; did you mean \"%s\"?", name, word, nearest);
    rwd_buf list = {0};
    rwd_names_append(&list, names, count);
    rwd_build_fail(b, node->place, "%s: unknown aggregate \"%s\"; known are: %s", name, word, rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    return false;
}

// ---- literals behind the argument

static bool wrong_count(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_aggregate *aggregate) {
    rwd_buf arguments = {0};
    rwd_aggregate_arguments(aggregate, &arguments);
    rwd_build_fail(b, node->place, "%s: %s() is written %s(%s)", name, aggregate->name, aggregate->name, rwd_buf_cstr(&arguments));
    rwd_buf_deinit(&arguments);
    return false;
}

static bool read_literal(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_aggregate *aggregate, const rwd_parameter *parameter,
                         rwd_span text, int64_t *out) {
    rwd_i128 units;
    char word[RWD_EXCERPT_MAX], least[RWD_DECIMAL_TEXT_MAX], greatest[RWD_DECIMAL_TEXT_MAX];
    if (rwd_decimal_parse(rwd_slice_of(text.from, text.size), parameter->scale, &units) == RWD_PARSE_OK && units >= parameter->least &&
        units <= parameter->greatest) {
        *out = (int64_t)units;
        return true;
    }
    (void)rwd_decimal_text(parameter->least, parameter->scale, least);
    (void)rwd_decimal_text(parameter->greatest, parameter->scale, greatest);
    return rwd_build_fail_in(b, node, text.from, "%s: %s of %s() is a number from %s to %s, found \"%s\"", name, parameter->name, aggregate->name, least, greatest,
                             excerpt_of(text, word));
}

static bool read_literals(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_aggregate *aggregate, const call *parts,
                          int64_t out[RWD_PARAMETERS_MAX]) {
    size_t count = rwd_aggregate_parameter_count(aggregate), given = parts->piece_count - 1;
    if (!aggregate->takes_field) return true;
    if (given > count) return wrong_count(b, node, name, aggregate);
    for (size_t i = 0; i < count; i++) {
        out[i] = RWD_PARAMETER_NONE;
        if (i >= given && aggregate->parameters[i].required) return wrong_count(b, node, name, aggregate);
        if (i < given && !read_literal(b, node, name, aggregate, &aggregate->parameters[i], parts->pieces[1 + i], &out[i])) return false;
    }
    return true;
}

// ---- columns

static bool build_argument(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_aggregate *aggregate, const call *parts, rwd_job_use *out,
                           rwd_type *out_type, uint8_t *out_scale) {
    rwd_span argument = parts->pieces[0];
    char word[RWD_EXCERPT_MAX];
    *out = (rwd_job_use){.slot = -1};
    if (!aggregate->takes_field) {
        if (argument.size == 0 && parts->piece_count == 1) return true;
        bool of_different = argument.size > 8 && memcmp(argument.from, "distinct", 8) == 0;
        return rwd_build_fail_in(b, node, argument.from, "%s: %s() takes nothing, found \"%s\"; %s", name, aggregate->name, excerpt_of(argument, word),
                                 of_different ? "different values are counted by distinct(FIELD)" : "write count(), or count() where CONDITION to count some events only");
    }
    if (argument.size == 0)
        return rwd_build_fail(b, node->place, "%s: %s() needs a field or an expression, for example %s(amount)", name, aggregate->name, aggregate->name);
    return rwd_build_use(b, node, argument, name, out, out_type, out_scale);
}

static bool build_condition(rwd_job_build *b, const rwd_node *node, const char *name, const call *parts, rwd_job_use *out) {
    char place[RWD_KEY_PATH_MAX + 8];
    *out = (rwd_job_use){.slot = -1};
    if (parts->where.size == 0) return true;
    (void)snprintf(place, sizeof place, "%s where", name);
    return rwd_build_condition(b, node, parts->where, place, out);
}

static bool build_column(rwd_job_build *b, const rwd_node *node, const char *table, rwd_job_table *out) {
    char name[RWD_KEY_PATH_MAX];
    call parts;
    rwd_type type = RWD_TYPE_INT;
    uint8_t scale = 0;
    int64_t parameters[RWD_PARAMETERS_MAX] = {0};
    size_t at = out->schema.column_count;
    (void)snprintf(name, sizeof name, "tables.%s.aggregates.%s", table, node->key);
    if (!rwd_build_row_name(b, node->key_place, name, node->key)) return false;
    if (!split_call(node->text, &parts)) return not_a_call(b, node, name);
    const rwd_aggregate *aggregate = find_aggregate(b->job, parts.function);
    if (!aggregate) return unknown_aggregate(b, node, name, parts.function);
    if (parts.behind) return something_behind(b, node, name, parts.behind);
    if (!read_literals(b, node, name, aggregate, &parts, parameters)) return false;
    if (!build_argument(b, node, name, aggregate, &parts, &out->args[at], &type, &scale)) return false;
    if (!build_condition(b, node, name, &parts, &out->conditions[at])) return false;
    if (!rwd_schema_add_column_with(&out->schema, node->key, aggregate, type, scale, parameters, b->err)) return rwd_place_error(b->err, b->file, node->place);
    return true;
}

bool rwd_build_aggregates(rwd_job_build *b, const rwd_node *table, rwd_job_table *out) {
    for (const rwd_node *column = rwd_node_member(table, "aggregates")->first; column; column = column->next)
        if (!build_column(b, column, table->key, out)) return false;
    return true;
}
