// Runs programs. On the path of every event: no allocation (but for strings that grow the scratch), no locale, no calls where an instruction will do.
//
// Dispatch is by computed goto (threaded code: Bell, "Threaded Code", CACM 16(6), 1973): each instruction jumps to the next by itself, so that the
// processor learns a jump per instruction. An instruction reads all of its operands before it writes: its result may stand where an operand does.
#include <assert.h>

#include "operator/base/time.h"
#include "operator/expr/expr_private.h"
#include "operator/expr/number_private.h"
#include "operator/expr/text_private.h"

static inline const rwd_value *operand_at(const uint8_t *const *bases, uint8_t base, uint32_t offset) { return (const void *)(bases[base] + offset); }

// ---- strings: in functions of their own, so that the loop keeps its registers

static __attribute__((noinline)) rwd_code make_concat(rwd_arena *strings, rwd_slice a, rwd_slice b, rwd_value *to) {
    if (a.size > RWD_EXPR_STRING_MAX || b.size > RWD_EXPR_STRING_MAX - a.size) return RWD_E_TOO_LARGE;
    uint8_t *bytes = rwd_arena_alloc(strings, a.size + b.size);
    if (a.size) memcpy(bytes, a.data, a.size);
    if (b.size) memcpy(bytes + a.size, b.data, b.size);
    to->s = rwd_slice_of(bytes, a.size + b.size);
    return RWD_E_NONE;
}

static __attribute__((noinline)) rwd_code make_mapped(rwd_arena *strings, rwd_slice a, bool upper, rwd_value *to) {
    if (a.size > RWD_EXPR_STRING_MAX / RWD_CASE_GROWTH) return RWD_E_TOO_LARGE;
    uint8_t *bytes = rwd_arena_alloc(strings, RWD_CASE_GROWTH * a.size);
    to->s = rwd_slice_of(bytes, upper ? rwd_text_upper(a, bytes) : rwd_text_lower(a, bytes));
    return RWD_E_NONE;
}

static rwd_code take_text(bool there, rwd_slice text, rwd_value *to) {
    to->present = there;
    if (!there) return RWD_E_NONE;
    to->s = text;
    return rwd_utf8_valid(text) ? RWD_E_NONE : RWD_E_WRONG_TYPE;
}

static __attribute__((noinline)) rwd_code take_header(const rwd_expr_record *record, rwd_slice name, rwd_value *to) {
    rwd_slice text = {0};
    bool there = record->header && record->header(record->header_context, name, &text);
    return take_text(there, text, to);
}

static __attribute__((noinline)) bool compare_scaled(rwd_i128 a, rwd_i128 b, int n, unsigned which) {
    int order = rwd_units_compare(a, b, n);
    switch (which) {
    case 0: return order == 0;
    case 1: return order != 0;
    case 2: return order < 0;
    case 3: return order <= 0;
    case 4: return order > 0;
    default: return order >= 0;
    }
}

static bool round_to_int(bool is_float, const rwd_value *a, unsigned scale, int64_t *out) {
    rwd_i128 units;
    bool fits = is_float ? rwd_units_from_float(a->f, 0, &units) : rwd_units_down(a->d, scale, &units);
    *out = (int64_t)units;
    return fits && rwd_fits_64(units);
}

static bool cut_to_int(rwd_i128 a, unsigned scale, int64_t *out) {
    rwd_i128 whole = a / rwd_pow10[scale];
    *out = (int64_t)whole;
    return rwd_fits_64(whole);
}

static bool is_time(int64_t us) { return us >= RWD_TIME_MIN && us <= RWD_TIME_MAX; }

// ---- the loop

#define OPERAND(base, offset) operand_at(bases, ip->base, ip->offset)
#define TO ((rwd_value *)(uintptr_t)OPERAND(to_base, to))
#define NEXT goto *labels[(++ip)->op]
#define GO(target_index) do { ip = program->code + (target_index); goto *labels[ip->op]; } while (0)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define FAIL(error) do { code = (error); goto fail; } while (0)

// Null in, null out: `...` runs where the operands are there.
#define UNARY(id, ...) L_##id: { const rwd_value *a = OPERAND(a_base, a); rwd_value *to = TO; if (LIKELY(a->present)) { __VA_ARGS__ } else to->present = false; NEXT; }
#define BINARY(id, ...)                                                                                                                  \
    L_##id: {                                                                                                                            \
        const rwd_value *a = OPERAND(a_base, a), *b = OPERAND(b_base, b);                                                                \
        rwd_value *to = TO;                                                                                                              \
        if (LIKELY(a->present & b->present)) { __VA_ARGS__ } else to->present = false;                                                   \
        NEXT;                                                                                                                            \
    }
// A result, or the event's error.
#define GIVE(member, value) { to->member = (value); to->present = true; }
// `call` leaves the result in `result`, not in its place: gcc 12 reads operands of an overflow builtin again after it has stored the result.
#define CHECKED(member, type, call, error) { type result; if (!LIKELY(call)) FAIL(error); GIVE(member, result) }
#define CHECKED_I(call, error) CHECKED(i, int64_t, call, error)
#define CHECKED_D(call) CHECKED(d, rwd_i128, call, RWD_E_OVERFLOW)
#define GIVE_FLOAT(value) { double result = (value) + 0.0; if (!LIKELY(__builtin_isfinite(result))) FAIL(RWD_E_OVERFLOW); GIVE(f, result) }

#define COMPARE(id, test) BINARY(id, bool answer = (test); GIVE(b, answer))
#define UNLESS(id, test)                                                                              \
    L_UNLESS_##id: {                                                                                  \
        const rwd_value *a = OPERAND(a_base, a), *b = OPERAND(b_base, b);                             \
        if ((a->present & b->present) && (test)) NEXT;                                                \
        GO(ip->target);                                                                               \
    }
#define NUMBER_COMPARISONS(make, kind, member)                                                        \
    make(EQ_##kind, a->member == b->member) make(NE_##kind, a->member != b->member)                   \
    make(LT_##kind, a->member < b->member) make(LE_##kind, a->member <= b->member)                    \
    make(GT_##kind, a->member > b->member) make(GE_##kind, a->member >= b->member)
#define STRING_COMPARISONS(make)                                                                                                  \
    make(EQ_S, rwd_slice_equal(a->s, b->s)) make(NE_S, !rwd_slice_equal(a->s, b->s))                                              \
    make(LT_S, rwd_slice_compare(a->s, b->s) < 0) make(LE_S, rwd_slice_compare(a->s, b->s) <= 0)                                  \
    make(GT_S, rwd_slice_compare(a->s, b->s) > 0) make(GE_S, rwd_slice_compare(a->s, b->s) >= 0)

rwd_code rwd_program_run(const rwd_program *program, const rwd_expr_input *in, rwd_expr_scratch *scratch, rwd_value *out) {
    static const void *const labels[] = {
#define LABEL(id) &&L_##id,
        RWD_OP_TABLE(LABEL)
#undef LABEL
    };
    const uint8_t **bases = scratch->bases;
    bases[RWD_BASE_VALUES] = (const uint8_t *)in->values;
    bases[RWD_BASE_CONSTANTS] = (const uint8_t *)program->constants;
    bases[RWD_BASE_REGISTERS] = (const uint8_t *)scratch->registers;
    bases[RWD_BASE_OUT] = (const uint8_t *)out;
    const rwd_instruction *ip = program->code;
    rwd_code code;
    goto *labels[ip->op];

L_RETURN:
    return RWD_E_NONE;
L_RETURN_IF_FALSE: {
    const rwd_value *a = OPERAND(a_base, a);
    if (a->present && !a->b) return RWD_E_NONE;
    NEXT;
}
L_RETURN_IF_TRUE: {
    const rwd_value *a = OPERAND(a_base, a);
    if (a->present && a->b) return RWD_E_NONE;
    NEXT;
}

L_JUMP:
    GO(ip->target);
L_JUMP_IF_FALSE: {
    const rwd_value *a = OPERAND(a_base, a);
    if (a->present && !a->b) GO(ip->target);
    NEXT;
}
L_JUMP_IF_TRUE: {
    const rwd_value *a = OPERAND(a_base, a);
    if (a->present && a->b) GO(ip->target);
    NEXT;
}
L_JUMP_IF_PRESENT:
    if (OPERAND(a_base, a)->present) GO(ip->target);
    NEXT;
L_JUMP_UNLESS_TRUE: {
    const rwd_value *a = OPERAND(a_base, a);
    if (!a->present || !a->b) GO(ip->target);
    NEXT;
}

L_MOVE: {
    const rwd_value *a = OPERAND(a_base, a);
    *TO = *a;
    NEXT;
}
L_META_KEY:
    code = take_text(in->record->has_key, in->record->key, TO);
    if (code) goto fail;
    NEXT;
L_META_HEADER:
    code = take_header(in->record, program->headers[ip->target], TO);
    if (code) goto fail;
    NEXT;
L_META_OFFSET: {
    rwd_value *to = TO;
    GIVE(i, in->record->offset)
    NEXT;
}
L_META_TIMESTAMP: {
    rwd_value *to = TO;
    to->i = in->record->timestamp_us;
    to->present = to->i != RWD_TIME_NONE;
    NEXT;
}
L_META_EVENT_TIME: {
    rwd_value *to = TO;
    to->i = in->event_time_us;
    to->present = to->i != RWD_TIME_NONE;
    NEXT;
}

// Three values: what one side decides, it decides whatever the other is.
L_AND: {
    const rwd_value *a = OPERAND(a_base, a), *b = OPERAND(b_base, b);
    bool no = (a->present && !a->b) || (b->present && !b->b), known = a->present && b->present;
    *TO = (rwd_value){.b = !no, .present = no || known};
    NEXT;
}
L_OR: {
    const rwd_value *a = OPERAND(a_base, a), *b = OPERAND(b_base, b);
    bool yes = (a->present && a->b) || (b->present && b->b), known = a->present && b->present;
    *TO = (rwd_value){.b = yes, .present = yes || known};
    NEXT;
}
UNARY(NOT, bool answer = !a->b; GIVE(b, answer))
L_IS_NULL: {
    const rwd_value *a = OPERAND(a_base, a);
    rwd_value *to = TO;
    bool answer = !a->present;
    GIVE(b, answer)
    NEXT;
}
L_IS_NOT_NULL: {
    const rwd_value *a = OPERAND(a_base, a);
    rwd_value *to = TO;
    bool answer = a->present;
    GIVE(b, answer)
    NEXT;
}

BINARY(ADD_I, CHECKED_I(!__builtin_add_overflow(a->i, b->i, &result), RWD_E_OVERFLOW))
BINARY(SUB_I, CHECKED_I(!__builtin_sub_overflow(a->i, b->i, &result), RWD_E_OVERFLOW))
BINARY(MUL_I, CHECKED_I(!__builtin_mul_overflow(a->i, b->i, &result), RWD_E_OVERFLOW))
UNARY(NEG_I, CHECKED_I(!__builtin_sub_overflow((int64_t)0, a->i, &result), RWD_E_OVERFLOW))
UNARY(ABS_I, CHECKED_I(!__builtin_sub_overflow(a->i < 0 ? (int64_t)0 : a->i, a->i < 0 ? a->i : (int64_t)0, &result), RWD_E_OVERFLOW))
BINARY(ADD_T, CHECKED_I(!__builtin_add_overflow(a->i, b->i, &result) && is_time(result), RWD_E_OUT_OF_RANGE))
BINARY(SUB_T, CHECKED_I(!__builtin_sub_overflow(a->i, b->i, &result) && is_time(result), RWD_E_OUT_OF_RANGE))

BINARY(ADD_D, CHECKED_D(rwd_units_add(a->d, b->d, &result)))
BINARY(SUB_D, CHECKED_D(rwd_units_sub(a->d, b->d, &result)))
BINARY(MUL_D, CHECKED_D(rwd_units_mul(a->d, b->d, &result)))
BINARY(MUL_DI, CHECKED_D(rwd_units_mul(a->d, b->i, &result)))
BINARY(MUL_DOWN, CHECKED_D(rwd_units_scale(a->d, b->d, (unsigned __int128)rwd_pow10[(unsigned)ip->n], &result)))
BINARY(DIV_D, if (b->d == 0) FAIL(RWD_E_DIVISION); CHECKED_D(rwd_units_div(a->d, b->d, ip->n, &result)))
UNARY(NEG_D, CHECKED_D(rwd_units_sub(0, a->d, &result)))
UNARY(ABS_D, CHECKED_D(rwd_units_sub(a->d < 0 ? 0 : a->d, a->d < 0 ? a->d : 0, &result)))

BINARY(ADD_F, GIVE_FLOAT(a->f + b->f))
BINARY(SUB_F, GIVE_FLOAT(a->f - b->f))
BINARY(MUL_F, GIVE_FLOAT(a->f * b->f))
BINARY(DIV_F, if (b->f == 0) FAIL(RWD_E_DIVISION); GIVE_FLOAT(a->f / b->f))
UNARY(NEG_F, GIVE_FLOAT(0.0 - a->f))
UNARY(ABS_F, GIVE_FLOAT(a->f < 0 ? -a->f : a->f))

UNARY(I_TO_D, CHECKED_D(rwd_units_up(a->i, (unsigned)ip->n, &result)))
UNARY(D_UP, CHECKED_D(rwd_units_up(a->d, (unsigned)ip->n, &result)))
UNARY(D_DOWN, CHECKED_D(rwd_units_down(a->d, (unsigned)ip->n, &result)))
UNARY(D_TO_I, CHECKED_I(cut_to_int(a->d, (unsigned)ip->n, &result), RWD_E_OVERFLOW))
UNARY(D_ROUND_I, CHECKED_I(round_to_int(false, a, (unsigned)ip->n, &result), RWD_E_OVERFLOW))
UNARY(I_TO_F, GIVE(f, (double)a->i))
UNARY(D_TO_F, GIVE(f, rwd_units_to_float(a->d, (unsigned)ip->n)))
UNARY(F_TO_D, CHECKED_D(rwd_units_from_float(a->f, (unsigned)ip->n, &result)))
UNARY(F_TO_I, CHECKED_I(rwd_int_from_float(a->f, &result), RWD_E_OVERFLOW))
UNARY(F_ROUND_I, CHECKED_I(round_to_int(true, a, 0, &result), RWD_E_OVERFLOW))

BINARY(CONCAT, code = make_concat(&scratch->strings, a->s, b->s, to); if (code) goto fail; to->present = true;)
UNARY(LOWER, code = make_mapped(&scratch->strings, a->s, false, to); if (code) goto fail; to->present = true;)
UNARY(UPPER, code = make_mapped(&scratch->strings, a->s, true, to); if (code) goto fail; to->present = true;)
COMPARE(STARTS_WITH, a->s.size >= b->s.size && (b->s.size == 0 || memcmp(a->s.data, b->s.data, b->s.size) == 0))
UNARY(LEN_S, GIVE(i, rwd_text_length(a->s)))
UNARY(LEN_B, GIVE(i, (int64_t)a->s.size))

NUMBER_COMPARISONS(COMPARE, I, i)
NUMBER_COMPARISONS(COMPARE, D, d)
NUMBER_COMPARISONS(COMPARE, F, f)
STRING_COMPARISONS(COMPARE)
COMPARE(EQ_B, a->b == b->b)
COMPARE(NE_B, a->b != b->b)
COMPARE(COMPARE_SCALED, compare_scaled(a->d, b->d, ip->n, ip->extra))
NUMBER_COMPARISONS(UNLESS, I, i)
NUMBER_COMPARISONS(UNLESS, D, d)
NUMBER_COMPARISONS(UNLESS, F, f)
STRING_COMPARISONS(UNLESS)

fail:
    scratch->column = ip->column;
    return code;
}

// ---- the door

rwd_code rwd_expr_eval(const rwd_expr *expr, const rwd_expr_input *in, rwd_expr_scratch *scratch, rwd_value *out) {
    return rwd_program_run(&expr->program, in, scratch, out);
}

rwd_code rwd_expr_test(const rwd_expr *expr, const rwd_expr_input *in, rwd_expr_scratch *scratch, bool *out) {
    assert(expr->type == RWD_TYPE_BOOL);
    rwd_value value;
    rwd_code code = rwd_program_run(&expr->program, in, scratch, &value);
    *out = code == RWD_E_NONE && value.present && value.b;
    return code;
}

void rwd_expr_scratch_reset(rwd_expr_scratch *scratch) { rwd_arena_reset(&scratch->strings); }
void rwd_expr_scratch_deinit(rwd_expr_scratch *scratch) { rwd_arena_deinit(&scratch->strings); }
