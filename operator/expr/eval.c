// Runs programs. On the path of every event: no allocation (but for strings that grow the scratch), no locale, no calls where an instruction will do.
//
// Threaded code (Bell, "Threaded Code", CACM 16(6), 1973): each instruction is a function that ends in a call of the next one's. Optimised, that call is a jump, so
// that no stack grows and the processor learns a jump per instruction; not optimised (sanitizers), the stack is as deep as a program is long, which
// RWD_EXPR_CODE_MAX bounds. An instruction reads all of its operands before it writes: its result may stand where an operand does.
#include <assert.h>

#include "operator/base/time.h"
#include "operator/expr/expr_private.h"
#include "operator/expr/number_private.h"
#include "operator/expr/text_private.h"

static inline const rwd_value *operand_at(const uint8_t *const *bases, uint8_t base, uint32_t offset) { return (const void *)(bases[base] + offset); }

// Equality of short strings without a call: two loads that may overlap cover every size from 4 to 16.
static inline bool same_bytes(rwd_slice a, rwd_slice b) {
    if (a.size != b.size) return false;
    if (a.size > 16) return memcmp(a.data, b.data, a.size) == 0;
    if (a.size >= 8) {
        uint64_t a1, a2, b1, b2;
        memcpy(&a1, a.data, 8), memcpy(&b1, b.data, 8);
        memcpy(&a2, a.data + a.size - 8, 8), memcpy(&b2, b.data + b.size - 8, 8);
        return ((a1 ^ b1) | (a2 ^ b2)) == 0;
    }
    if (a.size >= 4) {
        uint32_t a1, a2, b1, b2;
        memcpy(&a1, a.data, 4), memcpy(&b1, b.data, 4);
        memcpy(&a2, a.data + a.size - 4, 4), memcpy(&b2, b.data + b.size - 4, 4);
        return ((a1 ^ b1) | (a2 ^ b2)) == 0;
    }
    for (size_t i = 0; i < a.size; i++)
        if (a.data[i] != b.data[i]) return false;
    return true;
}

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

// Precondition: the constant's text is what emit put there.
static __attribute__((noinline)) rwd_code call_extern(rwd_expr_scratch *scratch, const rwd_value *args, const rwd_value *function, rwd_value *to) {
    const rwd_expr_extern *f = (const void *)function->s.data;
    rwd_value answer = {0};
    rwd_code code = f->call(f->context, args, &scratch->strings, &answer);
    *to = answer;
    return code;
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

// ---- instructions

#define PARAMETERS const rwd_instruction *ip, const rwd_expr_input *in, rwd_expr_scratch *scratch, rwd_value *out
#define OP(id) static rwd_code op_##id(PARAMETERS)
#define GO_TO(next) return (next)->run(next, in, scratch, out)
#define NEXT do { if (ip->op) return RWD_E_NONE; GO_TO(ip + 1); } while (0)
#define GO GO_TO(ip + ip->target)
#define OPERAND(base, offset) operand_at(scratch->bases, ip->base, ip->offset)
#define TO ((rwd_value *)(uintptr_t)OPERAND(to_base, to))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define FAIL(error) return fail_at(ip, scratch, error)

static rwd_code fail_at(const rwd_instruction *ip, rwd_expr_scratch *scratch, rwd_code code) {
    scratch->column = ip->column;
    return code;
}

// Null in, null out: `...` runs where the operands are there.
#define UNARY(id, ...) OP(id) { const rwd_value *a = OPERAND(a_base, a); rwd_value *to = TO; if (LIKELY(a->present)) { __VA_ARGS__ } else to->present = false; NEXT; }
#define BINARY(id, ...)                                                                                                                  \
    OP(id) {                                                                                                                             \
        const rwd_value *a = OPERAND(a_base, a), *b = OPERAND(b_base, b);                                                                \
        rwd_value *to = TO;                                                                                                              \
        if (LIKELY(a->present & b->present)) { __VA_ARGS__ } else to->present = false;                                                   \
        NEXT;                                                                                                                            \
    }
// The same with `...` in a function of its own: a variable whose address is given away would keep the instruction from ending in a jump.
#define SLOW_BODY(id, ...)                                                                                                               \
    static __attribute__((noinline)) rwd_code slow_##id(const rwd_instruction *ip, rwd_expr_scratch *scratch, const rwd_value *a, const rwd_value *b, rwd_value *to) { \
        (void)ip, (void)b, (void)scratch;                                                                                                                         \
        { __VA_ARGS__ }                                                                                                                  \
        return RWD_E_NONE;                                                                                                               \
    }
#define RUN_SLOW(id, b) { rwd_code code = slow_##id(ip, scratch, a, b, to); if (!LIKELY(code == RWD_E_NONE)) return code; }
#define SLOW_UNARY(id, ...) SLOW_BODY(id, __VA_ARGS__) UNARY(id, RUN_SLOW(id, a))
#define SLOW_BINARY(id, ...) SLOW_BODY(id, __VA_ARGS__) BINARY(id, RUN_SLOW(id, b))
// The usual case here; the other in an instruction of its own, which this one ends in, so that it saves no registers.
#define FAST_BINARY(id, is_usual, usual, ...)                                                                                            \
    SLOW_BINARY(id##_wide, __VA_ARGS__)                                                                                                  \
    BINARY(id, if (LIKELY(is_usual)) usual else return op_##id##_wide(ip, in, scratch, out);)
// A result, or the event's error.
#define GIVE(member, value) { to->member = (value); to->present = true; }
// `call` leaves the result in `result`, not in its place: gcc 12 reads operands of an overflow builtin again after it has stored the result.
#define CHECKED(member, type, call, error) { type result; if (!LIKELY(call)) FAIL(error); GIVE(member, result) }
#define CHECKED_I(call, error) CHECKED(i, int64_t, call, error)
#define CHECKED_D(call) CHECKED(d, rwd_i128, call, RWD_E_OVERFLOW)
#define GIVE_FLOAT(value) { double result = (value) + 0.0; if (!LIKELY(__builtin_isfinite(result))) FAIL(RWD_E_OVERFLOW); GIVE(f, result) }

#define COMPARE(id, test) BINARY(id, bool answer = (test); GIVE(b, answer))
#define UNLESS(id, test)                                                                              \
    OP(UNLESS_##id) {                                                                                  \
        const rwd_value *a = OPERAND(a_base, a), *b = OPERAND(b_base, b);                             \
        if ((a->present & b->present) && (test)) NEXT;                                                \
        GO;                                                                               \
    }
// Parts of an `and` (RWD_ALL). False, whatever the others are; else unknown where one is.
#define FIRST(id, test)                                                                               \
    OP(FIRST_##id) {                                                                                  \
        const rwd_value *a = OPERAND(a_base, a), *b = OPERAND(b_base, b);                             \
        rwd_value *to = TO;                                                                           \
        bool known = a->present & b->present, answer = !known || (test);                              \
        to->b = answer;                                                                               \
        to->present = known;                                                                          \
        if (!answer) return RWD_E_NONE;                                                               \
        NEXT;                                                                                         \
    }
#define ALSO(id, test)                                                                                \
    OP(ALSO_##id) {                                                                                   \
        const rwd_value *a = OPERAND(a_base, a), *b = OPERAND(b_base, b);                             \
        rwd_value *to = TO;                                                                           \
        bool known = a->present & b->present, answer = !known || (test);                              \
        to->b = answer;                                                                               \
        to->present = (to->present & known) | (answer ^ true);                                        \
        if (!answer) return RWD_E_NONE;                                                               \
        NEXT;                                                                                         \
    }
#define NUMBER_COMPARISONS(make, kind, member)                                                        \
    make(EQ_##kind, a->member == b->member) make(NE_##kind, a->member != b->member)                   \
    make(LT_##kind, a->member < b->member) make(LE_##kind, a->member <= b->member)                    \
    make(GT_##kind, a->member > b->member) make(GE_##kind, a->member >= b->member)
#define STRING_COMPARISONS(make)                                                                                                  \
    make(EQ_S, same_bytes(a->s, b->s)) make(NE_S, !same_bytes(a->s, b->s))                                              \
    make(LT_S, rwd_slice_compare(a->s, b->s) < 0) make(LE_S, rwd_slice_compare(a->s, b->s) <= 0)                                  \
    make(GT_S, rwd_slice_compare(a->s, b->s) > 0) make(GE_S, rwd_slice_compare(a->s, b->s) >= 0)

OP(RETURN) {
    (void)ip, (void)in, (void)scratch, (void)out;
    return RWD_E_NONE;
}
OP(RETURN_IF_FALSE) {
    const rwd_value *a = OPERAND(a_base, a);
    if (a->present && !a->b) return RWD_E_NONE;
    NEXT;
}
OP(RETURN_IF_TRUE) {
    const rwd_value *a = OPERAND(a_base, a);
    if (a->present && a->b) return RWD_E_NONE;
    NEXT;
}

OP(JUMP) {
    GO;
}
OP(JUMP_IF_FALSE) {
    const rwd_value *a = OPERAND(a_base, a);
    if (a->present && !a->b) GO;
    NEXT;
}
OP(JUMP_IF_TRUE) {
    const rwd_value *a = OPERAND(a_base, a);
    if (a->present && a->b) GO;
    NEXT;
}
OP(JUMP_IF_PRESENT) {
    if (OPERAND(a_base, a)->present) GO;
    NEXT;
}
OP(JUMP_UNLESS_TRUE) {
    const rwd_value *a = OPERAND(a_base, a);
    if (!a->present || !a->b) GO;
    NEXT;
}

OP(MOVE) {
    const rwd_value *a = OPERAND(a_base, a);
    *TO = *a;
    NEXT;
}
OP(META_KEY) {
    rwd_code code = take_text(in->record->has_key, in->record->key, TO);
    if (code) FAIL(code);
    NEXT;
}
OP(META_HEADER) {
    rwd_code code = take_header(in->record, OPERAND(a_base, a)->s, TO);
    if (code) FAIL(code);
    NEXT;
}
OP(META_OFFSET) {
    rwd_value *to = TO;
    GIVE(i, in->record->offset)
    NEXT;
}
OP(META_TIMESTAMP) {
    rwd_value *to = TO;
    to->i = in->record->timestamp_us;
    to->present = to->i != RWD_TIME_NONE;
    NEXT;
}
OP(META_EVENT_TIME) {
    rwd_value *to = TO;
    to->i = in->event_time_us;
    to->present = to->i != RWD_TIME_NONE;
    NEXT;
}

// Three values: what one side decides, it decides whatever the other is.
OP(AND) {
    const rwd_value *a = OPERAND(a_base, a), *b = OPERAND(b_base, b);
    bool no = (a->present && !a->b) || (b->present && !b->b), known = a->present && b->present;
    *TO = (rwd_value){.b = !no, .present = no || known};
    NEXT;
}
OP(OR) {
    const rwd_value *a = OPERAND(a_base, a), *b = OPERAND(b_base, b);
    bool yes = (a->present && a->b) || (b->present && b->b), known = a->present && b->present;
    *TO = (rwd_value){.b = yes, .present = yes || known};
    NEXT;
}
UNARY(NOT, bool answer = !a->b; GIVE(b, answer))
OP(IS_NULL) {
    const rwd_value *a = OPERAND(a_base, a);
    rwd_value *to = TO;
    bool answer = !a->present;
    GIVE(b, answer)
    NEXT;
}
OP(IS_NOT_NULL) {
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
FAST_BINARY(MUL_D, rwd_fits_64(a->d) && rwd_fits_64(b->d), GIVE(d, (rwd_i128)(int64_t)a->d * (int64_t)b->d), CHECKED_D(rwd_units_mul_wide(a->d, b->d, &result)))
FAST_BINARY(MUL_DI, rwd_fits_64(a->d), GIVE(d, (rwd_i128)(int64_t)a->d * b->i), CHECKED_D(rwd_units_mul_wide(a->d, b->i, &result)))
SLOW_BINARY(MUL_DOWN, CHECKED_D(rwd_units_scale(a->d, b->d, (unsigned __int128)rwd_pow10[(unsigned)ip->n], &result)))
SLOW_BINARY(DIV_D, if (b->d == 0) FAIL(RWD_E_DIVISION_BY_ZERO); CHECKED_D(rwd_units_div(a->d, b->d, ip->n, &result)))
UNARY(NEG_D, CHECKED_D(rwd_units_sub(0, a->d, &result)))
UNARY(ABS_D, CHECKED_D(rwd_units_sub(a->d < 0 ? 0 : a->d, a->d < 0 ? a->d : 0, &result)))

BINARY(ADD_F, GIVE_FLOAT(a->f + b->f))
BINARY(SUB_F, GIVE_FLOAT(a->f - b->f))
BINARY(MUL_F, GIVE_FLOAT(a->f * b->f))
BINARY(DIV_F, if (b->f == 0) FAIL(RWD_E_DIVISION_BY_ZERO); GIVE_FLOAT(a->f / b->f))
UNARY(NEG_F, GIVE_FLOAT(0.0 - a->f))
UNARY(ABS_F, GIVE_FLOAT(a->f < 0 ? -a->f : a->f))

// 10^18, the most that a scale asks for, fits 64 bits.
UNARY(I_TO_D, GIVE(d, (rwd_i128)a->i * (int64_t)rwd_pow10[(unsigned)ip->n]))
SLOW_UNARY(D_UP, CHECKED_D(rwd_units_up(a->d, (unsigned)ip->n, &result)))
SLOW_UNARY(D_DOWN, CHECKED_D(rwd_units_down(a->d, (unsigned)ip->n, &result)))
SLOW_UNARY(D_TO_I, CHECKED_I(cut_to_int(a->d, (unsigned)ip->n, &result), RWD_E_OVERFLOW))
SLOW_UNARY(D_ROUND_I, CHECKED_I(round_to_int(false, a, (unsigned)ip->n, &result), RWD_E_OVERFLOW))
UNARY(I_TO_F, GIVE(f, (double)a->i))
SLOW_UNARY(D_TO_F, GIVE(f, rwd_units_to_float(a->d, (unsigned)ip->n)))
SLOW_UNARY(F_TO_D, CHECKED_D(rwd_units_from_float(a->f, (unsigned)ip->n, &result)))
SLOW_UNARY(F_TO_I, CHECKED_I(rwd_int_from_float(a->f, &result), RWD_E_OVERFLOW))
SLOW_UNARY(F_ROUND_I, CHECKED_I(round_to_int(true, a, 0, &result), RWD_E_OVERFLOW))

OP(CALL) {
    rwd_code code = call_extern(scratch, OPERAND(a_base, a), OPERAND(b_base, b), TO);
    if (code) FAIL(code);
    NEXT;
}

BINARY(CONCAT, rwd_code code = make_concat(&scratch->strings, a->s, b->s, to); if (code) FAIL(code); to->present = true;)
UNARY(LOWER, rwd_code code = make_mapped(&scratch->strings, a->s, false, to); if (code) FAIL(code); to->present = true;)
UNARY(UPPER, rwd_code code = make_mapped(&scratch->strings, a->s, true, to); if (code) FAIL(code); to->present = true;)
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
NUMBER_COMPARISONS(FIRST, I, i)
NUMBER_COMPARISONS(FIRST, D, d)
NUMBER_COMPARISONS(FIRST, F, f)
STRING_COMPARISONS(FIRST)
NUMBER_COMPARISONS(ALSO, I, i)
NUMBER_COMPARISONS(ALSO, D, d)
NUMBER_COMPARISONS(ALSO, F, f)
STRING_COMPARISONS(ALSO)

// ---- programs

void rwd_program_link(rwd_program *program) {
    static rwd_handler *const handlers[] = {
#define HANDLER(id) op_##id,
        RWD_OP_TABLE(HANDLER)
#undef HANDLER
    };
    for (uint32_t i = 0; i < program->code_count; i++) {
        rwd_instruction *ip = &program->code[i];
        ip->run = handlers[ip->op];
        ip->op = i + 1 < program->code_count && program->code[i + 1].op == RWD_OP_RETURN;
        if (ip->target) ip->target = (uint16_t)(ip->target - i);  // jumps go forward
    }
}

rwd_code rwd_program_run(const rwd_program *program, const rwd_expr_input *in, rwd_expr_scratch *scratch, rwd_value *out) {
    const uint8_t **bases = scratch->bases;
    bases[RWD_BASE_VALUES] = (const uint8_t *)in->values;
    bases[RWD_BASE_CONSTANTS] = (const uint8_t *)program->constants;
    bases[RWD_BASE_REGISTERS] = (const uint8_t *)scratch->registers;
    bases[RWD_BASE_OUT] = (const uint8_t *)out;
    return program->code->run(program->code, in, scratch, out);
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
