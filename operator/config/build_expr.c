// Expressions of a job file: compiled where they stand, and each kept once.
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/config/answers.h"
#include "operator/config/job_private.h"

// ---- places

// The place of a byte of a scalar's text; false: only where the scalar begins is known (quotes, several lines, variables).
static bool place_inside(const rwd_node *node, const char *at, rwd_place *out) {
    *out = node->place;
    if (!node->one_line || node->written) return false;
    for (const char *p = node->text; p < at; p++) out->column += ((uint8_t)*p & 0xC0) != 0x80;
    return true;
}

bool rwd_build_fail_in(rwd_job_build *b, const rwd_node *node, const char *at, const char *cause_format, ...) {
    char cause[2 * sizeof b->err->cause];
    va_list args;
    va_start(args, cause_format);
    (void)vsnprintf(cause, sizeof cause, cause_format, args);
    va_end(args);
    rwd_place place;
    (void)place_inside(node, at, &place);
    return rwd_build_fail(b, place, "%s", cause);
}

rwd_span rwd_span_trim(rwd_span span) {
    while (span.size > 0 && (*span.from == ' ' || *span.from == '\t')) span = (rwd_span){span.from + 1, span.size - 1};
    while (span.size > 0 && (span.from[span.size - 1] == ' ' || span.from[span.size - 1] == '\t')) span.size--;
    return span;
}

// The byte of code point `column`, which counts from 1.
static const char *byte_of_column(rwd_span span, uint32_t column) {
    const char *end = span.from + span.size, *at = span.from;
    for (; at < end; at++)
        if (((uint8_t)*at & 0xC0) != 0x80 && column-- <= 1) return at;
    return end;
}

static bool fail_at_column(rwd_job_build *b, const rwd_node *node, rwd_span span, const char *name, uint32_t column, const char *cause) {
    rwd_place place;
    if (place_inside(node, byte_of_column(span, column), &place)) return rwd_build_fail(b, place, "%s: %s", name, cause);
    return rwd_build_fail(b, place, "%s: %s (character %u of the expression)", name, cause, column);
}

// ---- compiling

// It fails where its text ends, in a list whose next item goes on as only the rest of an expression does.
static bool is_cut_short(const rwd_node *node, rwd_span span, uint32_t column) {
    const rwd_node *rest = node->next;
    bool at_end = byte_of_column(span, column) == span.from + span.size;
    return at_end && node->bare && !node->key && rest && rest->kind == RWD_NODE_SCALAR && memchr(span.from, '(', span.size) && (strchr(rest->text, ')') || rest->next);
}

bool rwd_build_compile(rwd_job_build *b, const rwd_node *node, rwd_span span, const char *name, const rwd_expr_scope *scope, rwd_expr **out) {
    rwd_buf text = {0};
    rwd_error why;
    uint32_t column = 1;
    rwd_expr *given = NULL;
    rwd_error_clear(&why);
    rwd_buf_append(&text, span.from, span.size);
    bool worked = rwd_expr_compile(rwd_buf_cstr(&text), scope, &given, &column, &why);
    rwd_buf_deinit(&text);
    if (!worked && is_cut_short(node, span, column)) return fail_at_column(b, node, span, name, column, RWD_COMMA_ENDS);
    if (!worked) return fail_at_column(b, node, span, name, column, why.cause);
    // Only one that is very long can be too long in its normal form.
    worked = rwd_expr_compile(rwd_expr_text(given), scope, out, NULL, &why);
    rwd_expr_free(given);
    return worked || fail_at_column(b, node, span, name, 1, why.cause);
}

bool rwd_build_is_condition(rwd_job_build *b, const rwd_node *node, rwd_span span, const char *name, const rwd_expr *expr) {
    if (rwd_expr_type(expr) == RWD_TYPE_BOOL) return true;
    return rwd_build_fail_in(b, node, span.from, "%s: a condition is true or false, and this is of type %s; for example: amount > 0", name,
                             rwd_type_name(rwd_expr_type(expr)));
}

// ---- over events

static void fill_scope(const rwd_job *job, rwd_expr_name *names, rwd_expr_scope *scope) {
    *scope = (rwd_expr_scope){.names = names, .noun = "field", .metadata = RWD_EXPR_META_ALL, .metadata_null = RWD_EXPR_META_ALL,
                              .externs = job->plugins.functions, .extern_count = job->plugins.function_count};
    for (size_t i = 0; i < job->event.field_count; i++) {
        const rwd_field *field = &job->event.fields[i];
        if (field->hidden) continue;
        names[scope->count++] = (rwd_expr_name){.name = field->name, .type = field->type, .scale = field->scale, .nullable = field->optional, .slot = (uint32_t)i};
    }
}

static const char *keep_text(rwd_job *job, const char *text) {
    return (const char *)rwd_arena_copy(&job->event.texts, rwd_slice_of(text, strlen(text) + 1)).data;
}

// Takes the expression: an equal one that is there already serves as well.
static bool add_expr(rwd_job_build *b, const rwd_node *node, rwd_expr *expr, rwd_job_use *out) {
    rwd_job *job = b->job;
    size_t at = 0;
    while (at < job->event.expr_count && !rwd_expr_equal(job->event.exprs[at], expr)) at++;
    out->slot = (int16_t)(job->event.field_count + at);
    if (at < job->event.expr_count) {
        rwd_expr_free(expr);
        return true;
    }
    if (at == RWD_EVENT_EXPRS_MAX) {
        rwd_expr_free(expr);
        return rwd_build_fail(b, node->place, "the tables have more than %d different expressions over events", RWD_EVENT_EXPRS_MAX);
    }
    job->event.exprs = rwd_realloc(job->event.exprs, (at + 1) * sizeof *job->event.exprs);
    job->event.exprs[job->event.expr_count++] = expr;
    job->event.metadata |= rwd_expr_metadata(expr);
    return true;
}

static bool build_use(rwd_job_build *b, const rwd_node *node, rwd_span span, const char *name, bool condition, rwd_job_use *out, rwd_type *out_type,
                      uint8_t *out_scale) {
    rwd_expr_name names[RWD_FIELDS_MAX];
    rwd_expr_scope scope;
    rwd_expr *expr;
    fill_scope(b->job, names, &scope);
    if (!rwd_build_compile(b, node, span, name, &scope, &expr)) return false;
    if (condition && !rwd_build_is_condition(b, node, span, name, expr)) {
        rwd_expr_free(expr);
        return false;
    }
    *out_type = rwd_expr_type(expr);
    *out_scale = (uint8_t)rwd_expr_scale(expr);
    *out = (rwd_job_use){.slot = (int16_t)rwd_expr_plain_slot(expr), .text = keep_text(b->job, rwd_expr_text(expr)), .place = keep_text(b->job, name)};
    if (out->slot < 0) return add_expr(b, node, expr, out);
    rwd_expr_free(expr);
    return true;
}

bool rwd_build_use(rwd_job_build *b, const rwd_node *node, rwd_span span, const char *name, rwd_job_use *out, rwd_type *out_type, uint8_t *out_scale) {
    return build_use(b, node, span, name, false, out, out_type, out_scale);
}

bool rwd_build_condition(rwd_job_build *b, const rwd_node *node, rwd_span span, const char *name, rwd_job_use *out) {
    rwd_type type;
    uint8_t scale;
    return build_use(b, node, span, name, true, out, &type, &scale);
}

// ---- over rows

#define ROW_NAMES_MAX RWD_ROW_SLOTS

static void add_name(rwd_expr_name *names, rwd_expr_scope *scope, const char *name, rwd_type type, uint8_t scale, size_t slot) {
    names[scope->count++] = (rwd_expr_name){.name = name, .type = type, .scale = type == RWD_TYPE_DECIMAL ? scale : 0, .nullable = true, .slot = (uint32_t)slot};
}

// A list has no value that an expression could take. `job` NULL: functions of plugins are not at hand.
static void fill_row_scope(const rwd_job *job, const rwd_job_table *table, rwd_expr_name *names, rwd_expr_scope *scope) {
    const rwd_schema *schema = &table->schema;
    *scope = (rwd_expr_scope){.names = names, .noun = "column"};
    if (job) scope->externs = job->plugins.functions, scope->extern_count = job->plugins.function_count;
    for (size_t i = 0; i < schema->part_count; i++) add_name(names, scope, schema->parts[i].name, schema->parts[i].type, schema->parts[i].scale, i);
    if (schema->window.kind != RWD_WINDOW_NONE) add_name(names, scope, RWD_WINDOW_END, RWD_TYPE_TIME, 0, RWD_ROW_SLOT_WINDOW_END);
    for (size_t i = 0; i < rwd_job_table_columns(table); i++) {
        rwd_job_column column = rwd_job_table_column(table, i);
        size_t slot = i < schema->column_count ? RWD_ROW_SLOT_COLUMN + i : RWD_ROW_SLOT_DERIVED + i - schema->column_count;
        if (!column.list) add_name(names, scope, column.name, column.type, column.scale, slot);
    }
}

bool rwd_build_row_expr(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_job_table *table, rwd_expr **out) {
    rwd_expr_name names[ROW_NAMES_MAX];
    rwd_expr_scope scope;
    fill_row_scope(b->job, table, names, &scope);
    return rwd_build_compile(b, node, rwd_span_of(node), name, &scope, out);
}

bool rwd_build_row_condition(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_job_table *table, rwd_expr **out) {
    return rwd_build_row_expr(b, node, name, table, out) && rwd_build_is_condition(b, node, rwd_span_of(node), name, *out);
}

bool rwd_answers_compile(const rwd_job_table *table, const char *what, const char *text, rwd_expr **out, rwd_error *err) {
    rwd_expr_name names[ROW_NAMES_MAX];
    rwd_expr_scope scope;
    rwd_error why;
    uint32_t column = 1;
    fill_row_scope(NULL, table, names, &scope);
    rwd_error_clear(&why);
    if (!rwd_expr_compile(text, &scope, out, &column, &why)) return rwd_fail(err, RWD_E_USAGE, "%s: %s (character %u of the expression)", what, why.cause, column);
    if (rwd_expr_type(*out) == RWD_TYPE_BOOL) return true;
    rwd_fail(err, RWD_E_USAGE, "%s: a condition is true or false, and this is of type %s", what, rwd_type_name(rwd_expr_type(*out)));
    rwd_expr_free(*out);
    return false;
}
