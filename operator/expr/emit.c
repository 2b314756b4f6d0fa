// A typed tree to a program.
//
// A part's value is made in the place that its user names (a register, or `out`); names and constants are used where they stand. A register is taken for
// as long as its value is needed, so a program needs as many as values are pending at once.
#include <assert.h>
#include <stdlib.h>

#include "operator/expr/expr_private.h"

#define NO_CHAIN 0xFFFFu         // end of a chain of jumps whose target is not known yet

typedef struct emitter {
    rwd_compile *c;
    rwd_program *program;
    unsigned registers;  // in use
    bool failed;
} emitter;

static void emit_into(emitter *e, const rwd_expr_node *node, rwd_operand to, bool last);

// ---- places

static const rwd_operand out_operand = {.base = RWD_BASE_OUT};

static bool same_place(rwd_operand a, rwd_operand b) { return a.base == b.base && a.offset == b.offset; }

static rwd_operand take_register(emitter *e, const rwd_expr_node *node) {
    if (e->registers == RWD_EXPR_REGISTERS) {
        if (!e->failed) RWD_EXPR_FAIL(e->c, node->column, "more than %u intermediate values are pending here; make a part of it a derived column", RWD_EXPR_REGISTERS);
        e->failed = true;
        return out_operand;
    }
    return (rwd_operand){.base = RWD_BASE_REGISTERS, .offset = e->registers++ * (uint32_t)sizeof(rwd_value)};
}

static rwd_operand add_constant(emitter *e, rwd_value value) {
    rwd_program *p = e->program;
    if (p->constant_count == p->constant_capacity) {
        p->constant_capacity = p->constant_capacity ? p->constant_capacity * 2 : 4;
        rwd_value *more = rwd_aligned_alloc(_Alignof(rwd_value), p->constant_capacity * sizeof(*more));
        if (p->constant_count) memcpy(more, p->constants, p->constant_count * sizeof(*more));
        free(p->constants);
        p->constants = more;
    }
    p->constants[p->constant_count] = value;
    return (rwd_operand){.base = RWD_BASE_CONSTANTS, .offset = p->constant_count++ * (uint32_t)sizeof(rwd_value)};
}

// ---- instructions

static rwd_instruction *add(emitter *e, rwd_op op, const rwd_expr_node *node, rwd_operand a, rwd_operand b, rwd_operand to) {
    rwd_program *p = e->program;
    if (p->code_count >= RWD_EXPR_CODE_MAX) {
        if (!e->failed) RWD_EXPR_FAIL(e->c, node->column, "the expression is too long");
        e->failed = true;
        p->code_count = 0;
    }
    if (p->code_count == p->code_capacity) {
        p->code_capacity = p->code_capacity ? p->code_capacity * 2 : 8;
        p->code = rwd_realloc(p->code, p->code_capacity * sizeof(*p->code));
    }
    rwd_instruction *made = &p->code[p->code_count++];
    *made = (rwd_instruction){.op = (uint8_t)op, .a_base = a.base, .b_base = b.base, .to_base = to.base, .a = a.offset, .b = b.offset, .to = to.offset, .column = node->column};
    return made;
}

static rwd_instruction *add_unary(emitter *e, rwd_op op, const rwd_expr_node *node, rwd_operand a, rwd_operand to) { return add(e, op, node, a, a, to); }

static void add_return(emitter *e, const rwd_expr_node *node) { add(e, RWD_OP_RETURN, node, out_operand, out_operand, out_operand); }

static void move(emitter *e, const rwd_expr_node *node, rwd_operand from, rwd_operand to) {
    if (!same_place(from, to)) add(e, RWD_OP_MOVE, node, (rwd_operand){.base = RWD_BASE_VALUES}, from, to);
}

// A jump whose target is filled in later; jumps to one target form a chain through their targets.
static void add_jump(emitter *e, rwd_op op, const rwd_expr_node *node, rwd_operand a, rwd_operand b, uint16_t *chain) {
    rwd_instruction *jump = add(e, op, node, a, b, out_operand);
    jump->target = *chain;
    *chain = (uint16_t)(e->program->code_count - 1);
}

static void land(emitter *e, uint16_t chain) {
    while (chain != NO_CHAIN && !e->failed) {
        uint16_t next = e->program->code[chain].target;
        e->program->code[chain].target = (uint16_t)e->program->code_count;
        chain = next;
    }
}

// ---- operands

// A conversion, round or int that changes nothing: its argument has the value.
static bool passes_on(const rwd_expr_node *node) {
    if (node->kind == RWD_NODE_CONVERT) return false;
    if (node->kind != RWD_NODE_FUNCTION) return false;
    const rwd_expr_node *arg = node->args[0];
    switch ((rwd_expr_function)node->id) {
    case RWD_EXPR_FN_ROUND: case RWD_EXPR_FN_INT: case RWD_EXPR_FN_FLOAT: return arg->type == node->type && (node->type != RWD_TYPE_DECIMAL || arg->scale == node->scale);
    default: return false;
    }
}

static const rwd_expr_node *strip(const rwd_expr_node *node) {
    while (passes_on(node)) node = node->args[0];
    return node;
}

static bool stands_somewhere(const rwd_expr_node *node) { return node->kind == RWD_NODE_CONSTANT || node->kind == RWD_NODE_NAME; }

static rwd_operand place_of(emitter *e, const rwd_expr_node *node) {
    if (node->kind == RWD_NODE_CONSTANT) return add_constant(e, node->value);
    assert(node->kind == RWD_NODE_NAME);
    return (rwd_operand){.base = RWD_BASE_VALUES, .offset = node->slot * (uint32_t)sizeof(rwd_value)};
}

// Where the value of the node is: its own place, or a register that is taken for it.
static rwd_operand operand(emitter *e, const rwd_expr_node *node) {
    node = strip(node);
    if (stands_somewhere(node)) return place_of(e, node);
    rwd_operand to = take_register(e, node);
    emit_into(e, node, to, false);
    return to;
}

// The same for the first operand of what is made in `to`, which may hold it meanwhile.
static rwd_operand first_operand(emitter *e, const rwd_expr_node *node, rwd_operand to) {
    node = strip(node);
    if (stands_somewhere(node)) return place_of(e, node);
    emit_into(e, node, to, false);
    return to;
}

static void operands(emitter *e, const rwd_expr_node *node, rwd_operand to, rwd_operand *out_a, rwd_operand *out_b) {
    *out_a = first_operand(e, node->args[0], to);
    *out_b = same_place(*out_a, to) ? operand(e, node->args[1]) : first_operand(e, node->args[1], to);
}

// ---- arithmetic

static rwd_op of_family(rwd_type type, rwd_op i, rwd_op d, rwd_op f) { return type == RWD_TYPE_DECIMAL ? d : type == RWD_TYPE_FLOAT ? f : i; }

static rwd_op arithmetic_op(const rwd_expr_node *node) {
    bool is_string = node->type == RWD_TYPE_STRING, is_time = node->type == RWD_TYPE_TIME;
    switch ((rwd_expr_operator)node->id) {
    case RWD_EXPR_ADD: return is_string ? RWD_OP_CONCAT : is_time ? RWD_OP_ADD_T : of_family(node->type, RWD_OP_ADD_I, RWD_OP_ADD_D, RWD_OP_ADD_F);
    case RWD_EXPR_SUB: return is_time ? RWD_OP_SUB_T : of_family(node->type, RWD_OP_SUB_I, RWD_OP_SUB_D, RWD_OP_SUB_F);
    case RWD_EXPR_MUL: return node->fused ? RWD_OP_MUL_DOWN : of_family(node->type, RWD_OP_MUL_I, RWD_OP_MUL_D, RWD_OP_MUL_F);
    case RWD_EXPR_DIV: return of_family(node->type, RWD_OP_COUNT, RWD_OP_DIV_D, RWD_OP_DIV_F);
    case RWD_EXPR_NEG: return of_family(node->type, RWD_OP_NEG_I, RWD_OP_NEG_D, RWD_OP_NEG_F);
    default: break;
    }
    assert(!"no arithmetic");
    return RWD_OP_COUNT;
}

static void emit_arithmetic(emitter *e, const rwd_expr_node *node, rwd_operand to) {
    rwd_operand a, b;
    if (node->arg_count == 1) {
        add_unary(e, arithmetic_op(node), node, first_operand(e, node->args[0], to), to);
        return;
    }
    operands(e, node, to, &a, &b);
    rwd_op op = arithmetic_op(node);
    const rwd_expr_node *left = node->args[0], *right = node->args[1];
    if (op == RWD_OP_MUL_D && right->type == RWD_TYPE_INT) op = RWD_OP_MUL_DI;
    rwd_instruction *made = add(e, op, node, a, b, to);
    if (op == RWD_OP_MUL_DOWN) made->n = (int8_t)(left->scale + right->scale - node->scale);
    if (op == RWD_OP_DIV_D) made->n = (int8_t)(node->scale - left->scale + right->scale);
}

// From one number type to another; `down` is what rounding takes a decimal's scale to.
static void emit_conversion(emitter *e, const rwd_expr_node *node, rwd_op from_int, rwd_op from_decimal, rwd_op from_float, rwd_operand to) {
    const rwd_expr_node *arg = node->args[0];
    rwd_operand a = first_operand(e, arg, to);
    rwd_instruction *made = add_unary(e, of_family(arg->type, from_int, from_decimal, from_float), node, a, to);
    made->n = (int8_t)(arg->type == RWD_TYPE_DECIMAL ? arg->scale : node->scale);
}

static void emit_to_decimal(emitter *e, const rwd_expr_node *node, rwd_operand to) {
    const rwd_expr_node *arg = node->args[0];
    int up = node->scale - arg->scale;
    if (arg->type != RWD_TYPE_DECIMAL) {
        emit_conversion(e, node, RWD_OP_I_TO_D, RWD_OP_COUNT, RWD_OP_F_TO_D, to);
        return;
    }
    rwd_operand a = first_operand(e, arg, to);
    add_unary(e, up >= 0 ? RWD_OP_D_UP : RWD_OP_D_DOWN, node, a, to)->n = (int8_t)(up >= 0 ? up : -up);
}

static void emit_convert(emitter *e, const rwd_expr_node *node, rwd_operand to) {
    if (node->type == RWD_TYPE_DECIMAL) emit_to_decimal(e, node, to);
    else emit_conversion(e, node, RWD_OP_I_TO_F, RWD_OP_D_TO_F, RWD_OP_COUNT, to);
}

// ---- comparisons

static bool is_comparison(const rwd_expr_node *node) { return node->kind == RWD_NODE_OPERATOR && node->id >= RWD_EXPR_EQ && node->id <= RWD_EXPR_GE; }

static rwd_op comparison_op(rwd_type type, unsigned which) {
    switch (type) {
    case RWD_TYPE_INT: case RWD_TYPE_TIME: return (rwd_op)(RWD_OP_EQ_I + which);
    case RWD_TYPE_DECIMAL: return (rwd_op)(RWD_OP_EQ_D + which);
    case RWD_TYPE_FLOAT: return (rwd_op)(RWD_OP_EQ_F + which);
    case RWD_TYPE_STRING: case RWD_TYPE_BYTES: return (rwd_op)(RWD_OP_EQ_S + which);
    case RWD_TYPE_BOOL: assert(which < 2); return (rwd_op)(RWD_OP_EQ_B + which);
    case RWD_TYPE_COUNT: break;
    }
    assert(!"type out of range");
    return RWD_OP_COUNT;
}

static void add_comparison(emitter *e, const rwd_expr_node *node, unsigned which, const rwd_expr_node *left, const rwd_expr_node *right, rwd_operand a, rwd_operand b,
                           rwd_operand to) {
    if (left->type != RWD_TYPE_DECIMAL || left->scale == right->scale) {
        add(e, comparison_op(left->type, which), node, a, b, to);
        return;
    }
    rwd_instruction *made = add(e, RWD_OP_COMPARE_SCALED, node, a, b, to);
    made->n = (int8_t)(left->scale - right->scale);
    made->extra = (uint8_t)which;
}

static void emit_comparison(emitter *e, const rwd_expr_node *node, rwd_operand to) {
    rwd_operand a, b;
    operands(e, node, to, &a, &b);
    add_comparison(e, node, node->id - RWD_EXPR_EQ, node->args[0], node->args[1], a, b, to);
}

static void emit_in(emitter *e, const rwd_expr_node *node, rwd_operand to) {
    const rwd_expr_node *const *items = (const rwd_expr_node *const *)node->args;
    rwd_operand x = operand(e, items[0]);
    uint16_t end = NO_CHAIN;
    bool unknown = false;  // an item before this one may have been null
    for (uint32_t i = 1; i < node->arg_count; i++) {
        unsigned registers = e->registers;
        rwd_operand equal = unknown ? take_register(e, node) : to;
        rwd_operand item = operand(e, items[i]);
        add_comparison(e, node, 0, items[0], items[i], x, item, equal);
        if (unknown) add(e, RWD_OP_OR, node, to, equal, to);
        unknown |= items[i]->nullable;
        e->registers = registers;
        if (i + 1 < node->arg_count) add_jump(e, RWD_OP_JUMP_IF_TRUE, node, to, to, &end);
    }
    land(e, end);
    if (node->negated) add_unary(e, RWD_OP_NOT, node, to, to);
}

// ---- logic: what is not needed is not evaluated

// A comparison that one instruction makes.
static bool is_direct(const rwd_expr_node *node) {
    if (!is_comparison(node)) return false;
    const rwd_expr_node *left = node->args[0];
    return left->type != RWD_TYPE_BOOL && (left->type != RWD_TYPE_DECIMAL || left->scale == node->args[1]->scale);
}

static bool is_all(const rwd_expr_node *node) {
    if (node->kind == RWD_NODE_OPERATOR && node->id == RWD_EXPR_AND) return is_all(node->args[0]) && is_all(node->args[1]);
    return is_direct(node);
}

// The parts of an `and` that is the program's answer, from left to right: a false one ends it (RWD_ALL).
static void emit_all(emitter *e, const rwd_expr_node *node, rwd_operand to, bool first) {
    if (!is_comparison(node)) {
        emit_all(e, node->args[0], to, first);
        emit_all(e, node->args[1], to, false);
        return;
    }
    static const rwd_op families[][2] = {
        [RWD_TYPE_INT] = {RWD_OP_FIRST_EQ_I, RWD_OP_ALSO_EQ_I},     [RWD_TYPE_TIME] = {RWD_OP_FIRST_EQ_I, RWD_OP_ALSO_EQ_I},
        [RWD_TYPE_DECIMAL] = {RWD_OP_FIRST_EQ_D, RWD_OP_ALSO_EQ_D}, [RWD_TYPE_FLOAT] = {RWD_OP_FIRST_EQ_F, RWD_OP_ALSO_EQ_F},
        [RWD_TYPE_STRING] = {RWD_OP_FIRST_EQ_S, RWD_OP_ALSO_EQ_S},  [RWD_TYPE_BYTES] = {RWD_OP_FIRST_EQ_S, RWD_OP_ALSO_EQ_S},
    };
    unsigned registers = e->registers;
    rwd_operand a = operand(e, node->args[0]), b = operand(e, node->args[1]);
    add(e, (rwd_op)(families[node->args[0]->type][!first] + (node->id - RWD_EXPR_EQ)), node, a, b, to);
    e->registers = registers;
}

static void emit_logic(emitter *e, const rwd_expr_node *node, rwd_operand to, bool last) {
    bool is_and = node->id == RWD_EXPR_AND;
    const rwd_expr_node *left = node->args[0], *right = node->args[1];
    uint16_t end = NO_CHAIN;
    if (last && is_all(node)) {
        emit_all(e, node, to, true);
        add_return(e, node);
        return;
    }
    emit_into(e, left, to, false);
    if (last) add_unary(e, is_and ? RWD_OP_RETURN_IF_FALSE : RWD_OP_RETURN_IF_TRUE, node, to, to);
    else add_jump(e, is_and ? RWD_OP_JUMP_IF_FALSE : RWD_OP_JUMP_IF_TRUE, node, to, to, &end);
    if (!left->nullable) {
        emit_into(e, right, to, last);
    } else {
        rwd_operand b = operand(e, right);
        add(e, is_and ? RWD_OP_AND : RWD_OP_OR, node, to, b, to);
        if (last) add_return(e, node);
    }
    land(e, end);
}

// Jumps along the chain unless the condition is true. What follows runs only if it is.
static void emit_unless(emitter *e, const rwd_expr_node *node, uint16_t *chain) {
    unsigned registers = e->registers;
    bool is_and = node->kind == RWD_NODE_OPERATOR && node->id == RWD_EXPR_AND;
    if (is_and && !node->args[0]->nullable) {
        emit_unless(e, node->args[0], chain);
        emit_unless(e, node->args[1], chain);
        return;
    }
    if (is_direct(node)) {
        const rwd_expr_node *left = node->args[0];
        rwd_operand a = operand(e, left), b = operand(e, node->args[1]);
        rwd_op op = (rwd_op)(RWD_OP_UNLESS_EQ_I + (comparison_op(left->type, node->id - RWD_EXPR_EQ) - RWD_OP_EQ_I));
        add_jump(e, op, node, a, b, chain);
    } else {
        rwd_operand a = operand(e, node);
        add_jump(e, RWD_OP_JUMP_UNLESS_TRUE, node, a, a, chain);
    }
    e->registers = registers;
}

static void emit_if(emitter *e, const rwd_expr_node *node, rwd_operand to, bool last) {
    uint16_t otherwise = NO_CHAIN, end = NO_CHAIN;
    emit_unless(e, node->args[0], &otherwise);
    emit_into(e, node->args[1], to, last);
    if (!last) add_jump(e, RWD_OP_JUMP, node, to, to, &end);
    land(e, otherwise);
    emit_into(e, node->args[2], to, last);
    land(e, end);
}

static void emit_coalesce(emitter *e, const rwd_expr_node *node, rwd_operand to) {
    uint16_t end = NO_CHAIN;
    for (uint32_t i = 0; i < node->arg_count; i++) {
        emit_into(e, node->args[i], to, false);
        if (!node->args[i]->nullable) break;
        if (i + 1 < node->arg_count) add_jump(e, RWD_OP_JUMP_IF_PRESENT, node, to, to, &end);
    }
    land(e, end);
}

// ---- nodes

static void emit_function(emitter *e, const rwd_expr_node *node, rwd_operand to) {
    const rwd_expr_node *arg = node->args[0];
    rwd_operand a, b;
    switch ((rwd_expr_function)node->id) {
    case RWD_EXPR_FN_COALESCE: emit_coalesce(e, node, to); return;
    case RWD_EXPR_FN_LOWER: add_unary(e, RWD_OP_LOWER, node, first_operand(e, arg, to), to); return;
    case RWD_EXPR_FN_UPPER: add_unary(e, RWD_OP_UPPER, node, first_operand(e, arg, to), to); return;
    case RWD_EXPR_FN_STARTS_WITH:
        operands(e, node, to, &a, &b);
        add(e, RWD_OP_STARTS_WITH, node, a, b, to);
        return;
    case RWD_EXPR_FN_LEN: add_unary(e, arg->type == RWD_TYPE_STRING ? RWD_OP_LEN_S : RWD_OP_LEN_B, node, first_operand(e, arg, to), to); return;
    case RWD_EXPR_FN_ABS: add_unary(e, of_family(node->type, RWD_OP_ABS_I, RWD_OP_ABS_D, RWD_OP_ABS_F), node, first_operand(e, arg, to), to); return;
    case RWD_EXPR_FN_ROUND:
        if (node->type == RWD_TYPE_DECIMAL) emit_to_decimal(e, node, to);
        else emit_conversion(e, node, RWD_OP_COUNT, RWD_OP_D_ROUND_I, RWD_OP_F_ROUND_I, to);
        return;
    case RWD_EXPR_FN_INT: emit_conversion(e, node, RWD_OP_COUNT, RWD_OP_D_TO_I, RWD_OP_F_TO_I, to); return;
    case RWD_EXPR_FN_FLOAT: emit_conversion(e, node, RWD_OP_I_TO_F, RWD_OP_D_TO_F, RWD_OP_COUNT, to); return;
    case RWD_EXPR_FN_IF: case RWD_EXPR_FUNCTION_COUNT: break;
    }
    assert(!"function out of range");
}

// Its arguments stand side by side.
static void emit_extern(emitter *e, const rwd_expr_node *node, rwd_operand to) {
    rwd_operand first = to;
    for (uint32_t i = 0; i < node->arg_count; i++) {
        rwd_operand at = take_register(e, node);
        if (i == 0) first = at;
    }
    for (uint32_t i = 0; i < node->arg_count && !e->failed; i++) {
        rwd_operand at = {.base = first.base, .offset = first.offset + i * (uint32_t)sizeof(rwd_value)};
        emit_into(e, node->args[i], at, false);
    }
    rwd_operand function = add_constant(e, (rwd_value){.s = rwd_slice_of((const uint8_t *)node->external, sizeof(*node->external)), .present = true});
    add(e, RWD_OP_CALL, node, first, function, to)->n = (int8_t)node->arg_count;
}

static void emit_operator(emitter *e, const rwd_expr_node *node, rwd_operand to) {
    switch ((rwd_expr_operator)node->id) {
    case RWD_EXPR_NOT: add_unary(e, RWD_OP_NOT, node, first_operand(e, node->args[0], to), to); return;
    case RWD_EXPR_EQ: case RWD_EXPR_NE: case RWD_EXPR_LT: case RWD_EXPR_LE: case RWD_EXPR_GT: case RWD_EXPR_GE: emit_comparison(e, node, to); return;
    case RWD_EXPR_IN: emit_in(e, node, to); return;
    case RWD_EXPR_IS_NULL:
        add_unary(e, node->negated ? RWD_OP_IS_NOT_NULL : RWD_OP_IS_NULL, node, first_operand(e, node->args[0], to), to);
        return;
    case RWD_EXPR_ADD: case RWD_EXPR_SUB: case RWD_EXPR_MUL: case RWD_EXPR_DIV: case RWD_EXPR_NEG: emit_arithmetic(e, node, to); return;
    case RWD_EXPR_OR: case RWD_EXPR_AND: case RWD_EXPR_OPERATOR_COUNT: break;
    }
    assert(!"operator out of range");
}

static void emit_meta(emitter *e, const rwd_expr_node *node, rwd_operand to) {
    static const rwd_op ops[] = {
#define ROW(id, name, type, doc) RWD_OP_META_##id,
        RWD_EXPR_META_TABLE(ROW)
#undef ROW
    };
    // The name of a header is an operand.
    rwd_operand name = node->id == RWD_EXPR_META_HEADER ? add_constant(e, (rwd_value){.s = node->name, .present = true}) : to;
    add_unary(e, ops[node->id], node, name, to);
}

// `last`: this is the program's answer, and the program ends here.
static void emit_into(emitter *e, const rwd_expr_node *node, rwd_operand to, bool last) {
    if (e->failed) return;
    unsigned registers = e->registers;
    node = strip(node);
    bool is_logic = node->kind == RWD_NODE_OPERATOR && (node->id == RWD_EXPR_AND || node->id == RWD_EXPR_OR);
    bool is_if = node->kind == RWD_NODE_FUNCTION && node->id == RWD_EXPR_FN_IF;
    if (is_logic) emit_logic(e, node, to, last);
    else if (is_if) emit_if(e, node, to, last);
    else if (stands_somewhere(node)) move(e, node, place_of(e, node), to);
    else if (node->kind == RWD_NODE_META) emit_meta(e, node, to);
    else if (node->kind == RWD_NODE_CONVERT) emit_convert(e, node, to);
    else if (node->kind == RWD_NODE_EXTERN) emit_extern(e, node, to);
    else if (node->kind == RWD_NODE_FUNCTION) emit_function(e, node, to);
    else emit_operator(e, node, to);
    if (last && !is_logic && !is_if) add_return(e, node);
    e->registers = registers;
}

bool rwd_expr_emit(rwd_compile *c, const rwd_expr_node *root, rwd_program *out) {
    *out = (rwd_program){0};
    emitter e = {.c = c, .program = out};
    add(&e, RWD_OP_BEGIN, root, out_operand, out_operand, out_operand);
    emit_into(&e, root, out_operand, true);
    if (e.failed) rwd_program_deinit(out);
    else rwd_program_link(out);
    return !e.failed;
}

void rwd_program_deinit(rwd_program *program) {
    free(program->code);
    free(program->constants);
    *program = (rwd_program){0};
}
