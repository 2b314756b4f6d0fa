// Runs programs. On the path of every event: no allocation (but for strings that grow the scratch), no locale, no calls where an instruction will do.
//
// Threaded code (Bell, "Threaded Code", CACM 16(6), 1973): each instruction is a function that ends in a call of the next one's. Optimised, that call is a jump, so
// that no stack grows and the processor learns a jump per instruction; not optimised (sanitizers), the stack is as deep as a program is long, which
// RWD_EXPR_CODE_MAX bounds. An instruction reads all of its operands before it writes: its result may stand where an operand does.
#include <assert.h>
#include <stdlib.h>

#include "operator/base/time.h"
#include "operator/expr/expr_private.h"
#include "operator/expr/number_private.h"
#include "operator/expr/text_private.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

static inline const rwd_value *value_at(const void *base, uint32_t offset) { return (const void *)((const uint8_t *)base + offset); }

// Equality of strings of 2 to 16 bytes without a call: two loads that may overlap. Precondition: is_short(a).
static inline bool is_short(rwd_slice a) { return a.size - 2 <= 14; }
static inline bool same_short(rwd_slice a, rwd_slice b) {
#define SAME(type)                                                                      \
    type a1, a2, b1, b2;                                                                \
    memcpy(&a1, a.data, sizeof(type)), memcpy(&b1, b.data, sizeof(type));               \
    memcpy(&a2, a.data + a.size - sizeof(type), sizeof(type));                          \
    memcpy(&b2, b.data + a.size - sizeof(type), sizeof(type));                          \
    return LIKELY(a1 == b1) && LIKELY(a2 == b2);
    if (!LIKELY(a.size == b.size)) return false;
    if (LIKELY(a.size < 8)) {
        if (LIKELY(a.size >= 4)) { SAME(uint32_t) }
        SAME(uint16_t)
    }
    SAME(uint64_t)
#undef SAME
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

#define PARAMETERS const rwd_instruction *ip, const rwd_value *values, rwd_expr_scratch *scratch, rwd_value *out
#define ARGUMENTS ip, values, scratch, out
#define OP(id) static rwd_code op_##id(PARAMETERS)
#define GO_TO(next) return (next)->run(next, values, scratch, out)
#define NEXT do { if (ip->op) return RWD_E_NONE; GO_TO(ip + 1); } while (0)
#define GO GO_TO(ip + ip->target)
#define FAIL(error) return fail_at(ip, scratch, error)

static rwd_code fail_at(const rwd_instruction *ip, rwd_expr_scratch *scratch, rwd_code code) {
    scratch->column = ip->column;
    return code;
}

static inline rwd_code answer_false(rwd_value *to) {
    to->b = false;
    to->present = true;
    return RWD_E_NONE;
}

// Where operands stand: anywhere, or where the kind says (rwd_kind).
#define ANY(x) value_at(scratch->bases[ip->x##_base], ip->x)
#define FIELD(x) value_at(values, ip->x)
#define CONSTANT(x) value_at(ip, ip->x)
#define OUT(x) out
#define TO ((rwd_value *)(uintptr_t)ANY(to))
#define OPERANDS(A, B, T) const rwd_value *a = A(a), *b = B(b); rwd_value *to = T;
// Whether both are there; a constant that a kind tells is.
#define KNOWN(A, B) (HAS_##A(a) & HAS_##B(b))
#define HAS_ANY(x) x->present
#define HAS_FIELD(x) x->present
#define HAS_OUT(x) x->present
#define HAS_CONSTANT(x) ((void)x, true)

// An instruction for each kind: `make(name, where a, where b, where the result, ...)`.
#define FOR_ANY(make, id, ...) make(id##_ANY, ANY, ANY, TO, __VA_ARGS__)
#define FOR_FIELDS(make, id, ...) FOR_ANY(make, id, __VA_ARGS__) make(id##_FF, FIELD, FIELD, out, __VA_ARGS__) make(id##_FC, FIELD, CONSTANT, out, __VA_ARGS__)
#define FOR_ALL(make, id, ...)                                                                                                           \
    FOR_FIELDS(make, id, __VA_ARGS__)                                                                                                    \
    make(id##_OF, OUT, FIELD, out, __VA_ARGS__) make(id##_OC, OUT, CONSTANT, out, __VA_ARGS__) make(id##_FO, FIELD, OUT, out, __VA_ARGS__)

// Null in, null out: `...` runs where the operands are there.
#define UNARY(id, ...) OP(id) { const rwd_value *a = ANY(a); rwd_value *to = TO; if (LIKELY(a->present)) { __VA_ARGS__ } else to->present = false; NEXT; }
#define BINARY_OF(name, A, B, T, ...)                                                                                                    \
    OP(name) {                                                                                                                           \
        OPERANDS(A, B, T)                                                                                                                \
        if (LIKELY(KNOWN(A, B))) { __VA_ARGS__ } else to->present = false;                                                   \
        NEXT;                                                                                                                            \
    }
#define BINARY(id, ...) BINARY_OF(id, ANY, ANY, TO, __VA_ARGS__)
#define BINARY_ALL(id, ...) FOR_ALL(BINARY_OF, id, __VA_ARGS__)
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
#define FAST_OF(name, A, B, T, slow_id, is_usual, usual)                                                                                 \
    static __attribute__((noinline)) rwd_code op_##name##_wide(PARAMETERS) { OPERANDS(A, B, T) RUN_SLOW(slow_id, b) NEXT; }              \
    OP(name) {                                                                                                                           \
        OPERANDS(A, B, T)                                                                                                                \
        if (LIKELY(KNOWN(A, B))) { if (LIKELY(is_usual)) usual else return op_##name##_wide(ARGUMENTS); } else to->present = false; \
        NEXT;                                                                                                                            \
    }
#define FAST_ALL(id, is_usual, usual, ...) SLOW_BODY(id, __VA_ARGS__) FOR_ALL(FAST_OF, id, id, is_usual, usual)
// A result, or the event's error.
#define GIVE(member, value) { to->member = (value); to->present = true; }
// `call` leaves the result in `result`, not in its place: gcc 12 reads operands of an overflow builtin again after it has stored the result.
#define CHECKED(member, type, call, error) { type result; if (!LIKELY(call)) FAIL(error); GIVE(member, result) }
#define CHECKED_I(call, error) CHECKED(i, int64_t, call, error)
#define CHECKED_D(call) CHECKED(d, rwd_i128, call, RWD_E_OVERFLOW)
#define GIVE_FLOAT(value) { double result = (value) + 0.0; if (!LIKELY(__builtin_isfinite(result))) FAIL(RWD_E_OVERFLOW); GIVE(f, result) }

// Comparisons: `test` where `is_usual`, else `other`, which may call functions and therefore stands in an instruction of its own.
#define WITH_OTHER(make, name, A, B, T, is_usual, test, other)                                                                           \
    static __attribute__((noinline)) make(name##_other, A, B, T, , other)                                                                \
    static make(name, A, B, T, if (!LIKELY(is_usual)) return op_##name##_other(ARGUMENTS);, test)
#define COMPARE_ONE(name, A, B, T, elsewhere, test)                                                                                      \
    rwd_code op_##name(PARAMETERS) {                                                                                                     \
        OPERANDS(A, B, T)                                                                                                                \
        if (LIKELY(KNOWN(A, B))) { elsewhere bool answer = (test); GIVE(b, answer) } else to->present = false;               \
        NEXT;                                                                                                                            \
    }
#define UNLESS_ONE(name, A, B, T, elsewhere, test)                                                                                       \
    rwd_code op_##name(PARAMETERS) {                                                                                                     \
        const rwd_value *a = A(a), *b = B(b);                                                                                            \
        if (KNOWN(A, B)) { elsewhere if (test) NEXT; }                                                                                   \
        GO;                                                                                                                              \
    }
// Parts of an `and` (RWD_ALL). False, whatever the others are; else unknown where one is.
#define FIRST_ONE(name, A, B, T, elsewhere, test)                                                                                        \
    rwd_code op_##name(PARAMETERS) {                                                                                                     \
        OPERANDS(A, B, T)                                                                                                                \
        bool known = KNOWN(A, B);                                                                                                        \
        if (LIKELY(known)) { elsewhere if (!LIKELY(test)) return answer_false(to); }                                                           \
        to->b = true;                                                                                                                    \
        to->present = known;                                                                                                             \
        NEXT;                                                                                                                            \
    }
#define ALSO_ONE(name, A, B, T, elsewhere, test)                                                                                         \
    rwd_code op_##name(PARAMETERS) {                                                                                                     \
        OPERANDS(A, B, T)                                                                                                                \
        if (LIKELY(KNOWN(A, B))) { elsewhere if (!LIKELY(test)) return answer_false(to); } else to->present = false;                           \
        NEXT;                                                                                                                            \
    }
#define COMPARE_OF(name, A, B, T, ...) WITH_OTHER(COMPARE_ONE, name, A, B, T, __VA_ARGS__)
#define UNLESS_OF(name, A, B, T, ...) WITH_OTHER(UNLESS_ONE, name, A, B, T, __VA_ARGS__)
#define FIRST_OF(name, A, B, T, ...) WITH_OTHER(FIRST_ONE, name, A, B, T, __VA_ARGS__)
#define ALSO_OF(name, A, B, T, ...) WITH_OTHER(ALSO_ONE, name, A, B, T, __VA_ARGS__)
#define COMPARE(id, ...) FOR_ALL(COMPARE_OF, id, __VA_ARGS__)
#define UNLESS(id, ...) FOR_FIELDS(UNLESS_OF, UNLESS_##id, __VA_ARGS__)
#define FIRST(id, ...) FOR_FIELDS(FIRST_OF, FIRST_##id, __VA_ARGS__)
#define ALSO(id, ...) FOR_FIELDS(ALSO_OF, ALSO_##id, __VA_ARGS__)
#define NUMBER_COMPARISONS(make, kind, member)                                                                                           \
    make(EQ_##kind, true, a->member == b->member, false) make(NE_##kind, true, a->member != b->member, false)                            \
    make(LT_##kind, true, a->member < b->member, false) make(LE_##kind, true, a->member <= b->member, false)                             \
    make(GT_##kind, true, a->member > b->member, false) make(GE_##kind, true, a->member >= b->member, false)
#define STRING_COMPARISONS(make)                                                                                                         \
    make(EQ_S, is_short(a->s), same_short(a->s, b->s), rwd_slice_equal(a->s, b->s))                                                     \
    make(NE_S, is_short(a->s), !same_short(a->s, b->s), !rwd_slice_equal(a->s, b->s))                                                   \
    make(LT_S, false, false, rwd_slice_compare(a->s, b->s) < 0) make(LE_S, false, false, rwd_slice_compare(a->s, b->s) <= 0)             \
    make(GT_S, false, false, rwd_slice_compare(a->s, b->s) > 0) make(GE_S, false, false, rwd_slice_compare(a->s, b->s) >= 0)

OP(BEGIN) {
    scratch->bases[RWD_BASE_VALUES] = (const uint8_t *)values;
    scratch->bases[RWD_BASE_CONSTANTS] = (const uint8_t *)CONSTANT(a);
    scratch->bases[RWD_BASE_REGISTERS] = (const uint8_t *)scratch->registers;
    scratch->bases[RWD_BASE_OUT] = (const uint8_t *)out;
    GO_TO(ip + 1);
}
OP(RETURN) {
    (void)ip, (void)values, (void)scratch, (void)out;
    return RWD_E_NONE;
}
OP(RETURN_IF_FALSE) {
    const rwd_value *a = ANY(a);
    if (a->present && !a->b) return RWD_E_NONE;
    NEXT;
}
OP(RETURN_IF_TRUE) {
    const rwd_value *a = ANY(a);
    if (a->present && a->b) return RWD_E_NONE;
    NEXT;
}

OP(JUMP) {
    GO;
}
OP(JUMP_IF_FALSE) {
    const rwd_value *a = ANY(a);
    if (a->present && !a->b) GO;
    NEXT;
}
OP(JUMP_IF_TRUE) {
    const rwd_value *a = ANY(a);
    if (a->present && a->b) GO;
    NEXT;
}
OP(JUMP_IF_PRESENT) {
    if (ANY(a)->present) GO;
    NEXT;
}
OP(JUMP_UNLESS_TRUE) {
    const rwd_value *a = ANY(a);
    if (!a->present || !a->b) GO;
    NEXT;
}

#define MOVE_OF(name, A, B, T, ...) OP(name) { *T = *B(b); NEXT; }
FOR_FIELDS(MOVE_OF, MOVE)
OP(META_KEY) {
    rwd_code code = take_text(scratch->in->record->has_key, scratch->in->record->key, TO);
    if (code) FAIL(code);
    NEXT;
}
OP(META_HEADER) {
    rwd_code code = take_header(scratch->in->record, ANY(a)->s, TO);
    if (code) FAIL(code);
    NEXT;
}
OP(META_OFFSET) {
    rwd_value *to = TO;
    GIVE(i, scratch->in->record->offset)
    NEXT;
}
OP(META_TIMESTAMP) {
    rwd_value *to = TO;
    to->i = scratch->in->record->timestamp_us;
    to->present = to->i != RWD_TIME_NONE;
    NEXT;
}
OP(META_EVENT_TIME) {
    rwd_value *to = TO;
    to->i = scratch->in->event_time_us;
    to->present = to->i != RWD_TIME_NONE;
    NEXT;
}

// Three values: what one side decides, it decides whatever the other is.
OP(AND) {
    const rwd_value *a = ANY(a), *b = ANY(b);
    bool no = (a->present && !a->b) || (b->present && !b->b), known = a->present && b->present;
    *TO = (rwd_value){.b = !no, .present = no || known};
    NEXT;
}
OP(OR) {
    const rwd_value *a = ANY(a), *b = ANY(b);
    bool yes = (a->present && a->b) || (b->present && b->b), known = a->present && b->present;
    *TO = (rwd_value){.b = yes, .present = yes || known};
    NEXT;
}
UNARY(NOT, bool answer = !a->b; GIVE(b, answer))
OP(IS_NULL) {
    const rwd_value *a = ANY(a);
    rwd_value *to = TO;
    bool answer = !a->present;
    GIVE(b, answer)
    NEXT;
}
OP(IS_NOT_NULL) {
    const rwd_value *a = ANY(a);
    rwd_value *to = TO;
    bool answer = a->present;
    GIVE(b, answer)
    NEXT;
}

BINARY_ALL(ADD_I, CHECKED_I(!__builtin_add_overflow(a->i, b->i, &result), RWD_E_OVERFLOW))
BINARY_ALL(SUB_I, CHECKED_I(!__builtin_sub_overflow(a->i, b->i, &result), RWD_E_OVERFLOW))
BINARY_ALL(MUL_I, CHECKED_I(!__builtin_mul_overflow(a->i, b->i, &result), RWD_E_OVERFLOW))
UNARY(NEG_I, CHECKED_I(!__builtin_sub_overflow((int64_t)0, a->i, &result), RWD_E_OVERFLOW))
UNARY(ABS_I, CHECKED_I(!__builtin_sub_overflow(a->i < 0 ? (int64_t)0 : a->i, a->i < 0 ? a->i : (int64_t)0, &result), RWD_E_OVERFLOW))
BINARY_ALL(ADD_T, CHECKED_I(!__builtin_add_overflow(a->i, b->i, &result) && is_time(result), RWD_E_OUT_OF_RANGE))
BINARY_ALL(SUB_T, CHECKED_I(!__builtin_sub_overflow(a->i, b->i, &result) && is_time(result), RWD_E_OUT_OF_RANGE))

FAST_ALL(ADD_D, rwd_fits_64(a->d) && rwd_fits_64(b->d), GIVE(d, a->d + b->d), CHECKED_D(rwd_units_add(a->d, b->d, &result)))
FAST_ALL(SUB_D, rwd_fits_64(a->d) && rwd_fits_64(b->d), GIVE(d, a->d - b->d), CHECKED_D(rwd_units_sub(a->d, b->d, &result)))
FAST_ALL(MUL_D, rwd_fits_64(a->d) && rwd_fits_64(b->d), GIVE(d, (rwd_i128)(int64_t)a->d * (int64_t)b->d), CHECKED_D(rwd_units_mul_wide(a->d, b->d, &result)))
FAST_ALL(MUL_DI, rwd_fits_64(a->d), GIVE(d, (rwd_i128)(int64_t)a->d * b->i), CHECKED_D(rwd_units_mul_wide(a->d, b->i, &result)))
SLOW_BINARY(MUL_DOWN, CHECKED_D(rwd_units_scale(a->d, b->d, (unsigned __int128)rwd_pow10[(unsigned)ip->n], &result)))
SLOW_BINARY(DIV_D, if (b->d == 0) FAIL(RWD_E_DIVISION_BY_ZERO); CHECKED_D(rwd_units_div(a->d, b->d, ip->n, &result)))
UNARY(NEG_D, CHECKED_D(rwd_units_sub(0, a->d, &result)))
UNARY(ABS_D, CHECKED_D(rwd_units_sub(a->d < 0 ? 0 : a->d, a->d < 0 ? a->d : 0, &result)))

BINARY_ALL(ADD_F, GIVE_FLOAT(a->f + b->f))
BINARY_ALL(SUB_F, GIVE_FLOAT(a->f - b->f))
BINARY_ALL(MUL_F, GIVE_FLOAT(a->f * b->f))
BINARY_ALL(DIV_F, if (b->f == 0) FAIL(RWD_E_DIVISION_BY_ZERO); GIVE_FLOAT(a->f / b->f))
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
    rwd_code code = call_extern(scratch, ANY(a), ANY(b), TO);
    if (code) FAIL(code);
    NEXT;
}

BINARY(CONCAT, rwd_code code = make_concat(&scratch->strings, a->s, b->s, to); if (code) FAIL(code); to->present = true;)
UNARY(LOWER, rwd_code code = make_mapped(&scratch->strings, a->s, false, to); if (code) FAIL(code); to->present = true;)
UNARY(UPPER, rwd_code code = make_mapped(&scratch->strings, a->s, true, to); if (code) FAIL(code); to->present = true;)
COMPARE(STARTS_WITH, a->s.size < b->s.size, false, b->s.size == 0 || memcmp(a->s.data, b->s.data, b->s.size) == 0)
UNARY(LEN_S, GIVE(i, rwd_text_length(a->s)))
UNARY(LEN_B, GIVE(i, (int64_t)a->s.size))

NUMBER_COMPARISONS(COMPARE, I, i)
NUMBER_COMPARISONS(COMPARE, D, d)
NUMBER_COMPARISONS(COMPARE, F, f)
STRING_COMPARISONS(COMPARE)
BINARY(EQ_B, bool answer = a->b == b->b; GIVE(b, answer))
BINARY(NE_B, bool answer = a->b != b->b; GIVE(b, answer))
BINARY(COMPARE_SCALED, bool answer = compare_scaled(a->d, b->d, ip->n, ip->extra); GIVE(b, answer))
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

static rwd_kind kind_of(const rwd_instruction *ip, const rwd_value *constants) {
    if (ip->to_base != RWD_BASE_OUT) return RWD_KIND_ANY;
    if (ip->b_base == RWD_BASE_CONSTANTS && !value_at(constants, ip->b)->present) return RWD_KIND_ANY;
    if (ip->a_base == RWD_BASE_VALUES && ip->b_base == RWD_BASE_VALUES) return RWD_KIND_FF;
    if (ip->a_base == RWD_BASE_VALUES && ip->b_base == RWD_BASE_CONSTANTS) return RWD_KIND_FC;
    if (ip->a_base == RWD_BASE_VALUES && ip->b_base == RWD_BASE_OUT) return RWD_KIND_FO;
    if (ip->a_base == RWD_BASE_OUT && ip->b_base == RWD_BASE_VALUES) return RWD_KIND_OF;
    if (ip->a_base == RWD_BASE_OUT && ip->b_base == RWD_BASE_CONSTANTS) return RWD_KIND_OC;
    return RWD_KIND_ANY;
}

// Code and constants into one piece of memory, so that a constant is so many bytes behind an instruction.
static void join(rwd_program *program) {
    size_t code_size = program->code_count * sizeof(*program->code), constants_size = program->constant_count * sizeof(*program->constants);
    uint8_t *joined = rwd_aligned_alloc(_Alignof(rwd_value), code_size + constants_size);
    static_assert(sizeof(rwd_instruction) % _Alignof(rwd_value) == 0, "constants stand behind instructions");
    memcpy(joined, program->code, code_size);
    if (constants_size) memcpy(joined + code_size, program->constants, constants_size);
    free(program->code);
    free(program->constants);
    program->code = (rwd_instruction *)(void *)joined;
    program->constants = NULL;
    program->code[0].a = (uint32_t)code_size;
}

void rwd_program_link(rwd_program *program) {
    static rwd_handler *const handlers[][RWD_KIND_COUNT] = {
#define ONE(id) {op_##id, op_##id, op_##id, op_##id, op_##id, op_##id},
#define FIELDS(id) {op_##id##_ANY, op_##id##_FF, op_##id##_FC, op_##id##_ANY, op_##id##_ANY, op_##id##_ANY},
#define ALL(id) {op_##id##_ANY, op_##id##_FF, op_##id##_FC, op_##id##_OF, op_##id##_OC, op_##id##_FO},
        RWD_OP_TABLE(ONE, FIELDS, ALL)
#undef ONE
#undef FIELDS
#undef ALL
    };
    join(program);
    const rwd_value *constants = (const void *)(program->code + program->code_count);
    bool by_base = false;
    for (uint32_t i = 0; i < program->code_count; i++) {
        rwd_instruction *ip = &program->code[i];
        rwd_handler *any = handlers[ip->op][RWD_KIND_ANY];
        ip->run = handlers[ip->op][kind_of(ip, constants)];
        if (ip->run == any) by_base |= ip->op != RWD_OP_BEGIN && ip->op != RWD_OP_RETURN && ip->op != RWD_OP_JUMP;
        else if (ip->b_base == RWD_BASE_CONSTANTS) ip->b += (program->code_count - i) * (uint32_t)sizeof(*ip);
        ip->op = i + 1 < program->code_count && program->code[i + 1].op == RWD_OP_RETURN;
        if (ip->target) ip->target = (uint16_t)(ip->target - i);  // jumps go forward
    }
    program->start = by_base ? program->code : program->code + 1;
}

static inline rwd_code run(const rwd_program *program, const rwd_expr_input *in, rwd_expr_scratch *scratch, rwd_value *out) {
    scratch->in = in;
    return program->start->run(program->start, in->values, scratch, out);
}

rwd_code rwd_program_run(const rwd_program *program, const rwd_expr_input *in, rwd_expr_scratch *scratch, rwd_value *out) { return run(program, in, scratch, out); }

// ---- the door

rwd_code rwd_expr_eval(const rwd_expr *expr, const rwd_expr_input *in, rwd_expr_scratch *scratch, rwd_value *out) { return run(&expr->program, in, scratch, out); }

rwd_code rwd_expr_test(const rwd_expr *expr, const rwd_expr_input *in, rwd_expr_scratch *scratch, bool *out) {
    assert(expr->type == RWD_TYPE_BOOL);
    rwd_value value;
    rwd_code code = run(&expr->program, in, scratch, &value);
    *out = code == RWD_E_NONE && value.present && value.b;
    return code;
}

void rwd_expr_scratch_reset(rwd_expr_scratch *scratch) { rwd_arena_reset(&scratch->strings); }
void rwd_expr_scratch_deinit(rwd_expr_scratch *scratch) { rwd_arena_deinit(&scratch->strings); }
