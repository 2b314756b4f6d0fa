// Expressions as objects: compiling, what they are made of, constants.
#include <assert.h>
#include <stdlib.h>

#include "operator/expr/expr_private.h"

// ---- constants

static const char *words_of(rwd_code code) {
    switch (code) {
    case RWD_E_OVERFLOW: return "the number does not fit";
    case RWD_E_DIVISION_BY_ZERO: return "a division by zero";
    case RWD_E_OUT_OF_RANGE: return "a time beyond the years 1 to 9999";
    case RWD_E_TOO_LARGE: return "a string that is too long";
    default: return rwd_code_meaning(code);
    }
}

// The node's value, whose arguments are constants.
static bool evaluate(rwd_compile *c, const rwd_expr_node *node, rwd_value *out) {
    rwd_program program;
    if (!rwd_expr_emit(c, node, &program)) return false;
    rwd_expr_scratch *scratch = rwd_aligned_alloc(_Alignof(rwd_expr_scratch), sizeof(*scratch));
    memset(scratch, 0, sizeof(*scratch));
    rwd_code code = rwd_program_run(&program, &(rwd_expr_input){0}, scratch, out);
    if (code == RWD_E_NONE && out->present && (node->type == RWD_TYPE_STRING || node->type == RWD_TYPE_BYTES)) out->s = rwd_arena_copy(c->arena, out->s);
    if (code) RWD_EXPR_FAIL(c, scratch->column, "this is an error for every event: %s", words_of(code));
    rwd_expr_scratch_deinit(scratch);
    free(scratch);
    rwd_program_deinit(&program);
    return code == RWD_E_NONE;
}

bool rwd_expr_fold(rwd_compile *c, rwd_expr_node **root) {
    rwd_expr_node *node = *root;
    bool constant = node->arg_count > 0;
    for (uint32_t i = 0; i < node->arg_count; i++) {
        if (!rwd_expr_fold(c, &node->args[i])) return false;
        constant &= node->args[i]->kind == RWD_NODE_CONSTANT;
    }
    if (!constant || node->kind == RWD_NODE_EXTERN) return true;  // a plugin is called for events only
    rwd_value value = {0};
    if (!evaluate(c, node, &value)) return false;
    rwd_expr_node *folded = rwd_expr_node_new(c, RWD_NODE_CONSTANT, 0, node->column, 0);
    folded->type = node->type;
    folded->scale = node->scale;
    folded->value = value;
    folded->nullable = !value.present;
    *root = folded;
    return true;
}

// ---- what is read

static void note_slot(rwd_expr *expr, uint32_t slot) {
    size_t at = 0;
    while (at < expr->slot_count && expr->slots[at] < slot) at++;
    if (at < expr->slot_count && expr->slots[at] == slot) return;
    expr->slots = rwd_realloc(expr->slots, (expr->slot_count + 1) * sizeof(*expr->slots));
    memmove(expr->slots + at + 1, expr->slots + at, (expr->slot_count - at) * sizeof(*expr->slots));
    expr->slots[at] = slot;
    expr->slot_count++;
}

static void note_header(rwd_expr *expr, rwd_slice name) {
    size_t at = 0;
    while (at < expr->header_name_count && rwd_slice_compare(expr->header_names[at], name) < 0) at++;
    if (at < expr->header_name_count && rwd_slice_equal(expr->header_names[at], name)) return;
    expr->header_names = rwd_realloc(expr->header_names, (expr->header_name_count + 1) * sizeof(*expr->header_names));
    memmove(expr->header_names + at + 1, expr->header_names + at, (expr->header_name_count - at) * sizeof(*expr->header_names));
    expr->header_names[at] = name;
    expr->header_name_count++;
}

static void note_reads(rwd_expr *expr, const rwd_expr_node *node) {
    if (node->kind == RWD_NODE_NAME) note_slot(expr, node->slot);
    if (node->kind == RWD_NODE_META) expr->metadata |= 1u << node->id;
    if (node->kind == RWD_NODE_META && node->id == RWD_EXPR_META_HEADER) note_header(expr, node->name);
    for (uint32_t i = 0; i < node->arg_count; i++) note_reads(expr, node->args[i]);
}

// ---- compiling

static void describe(rwd_expr *expr, const rwd_expr_node *root) {
    expr->type = root->type;
    expr->scale = root->scale;
    expr->plain_slot = root->kind == RWD_NODE_NAME ? (int64_t)root->slot : -1;
    expr->is_constant = root->kind == RWD_NODE_CONSTANT;
    expr->constant = root->value;
    note_reads(expr, root);
}

static bool compile(rwd_compile *c, const char *text, rwd_expr *expr) {
    size_t size = strnlen(text, RWD_EXPR_TEXT_MAX + 1);
    if (size > RWD_EXPR_TEXT_MAX) return RWD_EXPR_FAIL(c, 1, "an expression has at most %u bytes", RWD_EXPR_TEXT_MAX);
    // Names and strings stay where the text is, so it is copied first.
    rwd_slice copy = rwd_arena_copy(c->arena, rwd_slice_of(text, size + 1));
    if (!rwd_utf8_valid(rwd_slice_of(text, size))) return RWD_EXPR_FAIL(c, 1, "the expression is not UTF-8");
    rwd_expr_node *root;
    if (!rwd_expr_parse(c, (const char *)copy.data, &root) || !rwd_expr_check(c, &root)) return false;
    rwd_buf normal = {0};
    rwd_expr_canonical(root, &normal);
    expr->text = rwd_strndup((const char *)normal.data, normal.size);
    rwd_buf_deinit(&normal);
    expr->nullable = root->nullable;  // by the rules of types, whatever constants turn out to be
    if (!rwd_expr_fold(c, &root) || !rwd_expr_emit(c, root, &expr->program)) return false;
    describe(expr, root);
    return true;
}

bool rwd_expr_compile(const char *text, const rwd_expr_scope *scope, rwd_expr **out, uint32_t *out_column, rwd_error *err) {
    assert(text && scope && out);
    rwd_expr *expr = rwd_aligned_alloc(_Alignof(rwd_expr), sizeof(*expr));
    memset(expr, 0, sizeof(*expr));
    rwd_compile c = {.scope = scope, .arena = &expr->arena, .column = 1, .err = err};
    bool compiled = compile(&c, text, expr);
    if (!compiled) {
        rwd_expr_free(expr);
        expr = NULL;
        if (out_column) *out_column = c.column;
    }
    *out = expr;
    return compiled;
}

void rwd_expr_free(rwd_expr *expr) {
    if (!expr) return;
    rwd_program_deinit(&expr->program);
    free(expr->slots);
    free(expr->header_names);
    free(expr->text);
    rwd_arena_deinit(&expr->arena);
    free(expr);
}

// ---- questions

rwd_type rwd_expr_type(const rwd_expr *expr) { return expr->type; }
unsigned rwd_expr_scale(const rwd_expr *expr) { return expr->scale; }
bool rwd_expr_nullable(const rwd_expr *expr) { return expr->nullable; }
int64_t rwd_expr_plain_slot(const rwd_expr *expr) { return expr->plain_slot; }
const rwd_value *rwd_expr_constant(const rwd_expr *expr) { return expr->is_constant ? &expr->constant : NULL; }
unsigned rwd_expr_metadata(const rwd_expr *expr) { return expr->metadata; }
const char *rwd_expr_text(const rwd_expr *expr) { return expr->text; }

const uint32_t *rwd_expr_slots(const rwd_expr *expr, size_t *out_count) {
    *out_count = expr->slot_count;
    return expr->slots;
}

const rwd_slice *rwd_expr_headers(const rwd_expr *expr, size_t *out_count) {
    *out_count = expr->header_name_count;
    return expr->header_names;
}

bool rwd_expr_equal(const rwd_expr *a, const rwd_expr *b) {
    return a->type == b->type && a->scale == b->scale && strcmp(a->text, b->text) == 0 && a->slot_count == b->slot_count &&
           (a->slot_count == 0 || memcmp(a->slots, b->slots, a->slot_count * sizeof(*a->slots)) == 0);
}
