// Nanoseconds per evaluation of expressions that jobs have, beside the same arithmetic in hand-written C (nulls and overflow included), in turns in one run; each
// figure is the best of its rounds.
//
//   bench_expr [--small]
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "operator/expr/expr.h"

#define ROWS 1024u
#define ROUNDS 400

enum { AMOUNT, FEE, QUANTITY, LIMIT, KIND, SLOTS };
static const rwd_expr_name names[SLOTS] = {
    {"amount", RWD_TYPE_DECIMAL, 2, true, AMOUNT}, {"fee", RWD_TYPE_DECIMAL, 2, true, FEE}, {"quantity", RWD_TYPE_INT, 0, true, QUANTITY},
    {"limit", RWD_TYPE_INT, 0, true, LIMIT},       {"kind", RWD_TYPE_STRING, 0, true, KIND},
};

// The same in C: what a person would write for this one job, with the same care.
typedef rwd_code bare(const rwd_value *v, rwd_value *out);

static rwd_code product(const rwd_value *v, rwd_value *out) {
    if (!v[AMOUNT].present || !v[QUANTITY].present) return out->present = false, RWD_E_NONE;
    rwd_i128 result;
    if (__builtin_mul_overflow(v[AMOUNT].d, (rwd_i128)v[QUANTITY].i, &result)) return RWD_E_OVERFLOW;
    out->d = result;
    out->present = true;
    return RWD_E_NONE;
}

static rwd_code condition(const rwd_value *v, rwd_value *out) {
    // false if either is false, null if neither is and one is null
    bool known = v[KIND].present;
    bool is = known && rwd_slice_equal(v[KIND].s, rwd_slice_of("refund", 6));
    out->b = false;
    out->present = true;
    if (known && !is) return RWD_E_NONE;
    if (v[AMOUNT].present && v[AMOUNT].d <= 0) return RWD_E_NONE;
    out->present = known && v[AMOUNT].present;
    out->b = true;
    return RWD_E_NONE;
}

static rwd_code above(const rwd_value *v, rwd_value *out) {
    if (!v[QUANTITY].present || !v[LIMIT].present || v[QUANTITY].i <= v[LIMIT].i) return out->i = 0, out->present = true, RWD_E_NONE;
    int64_t result;
    if (__builtin_sub_overflow(v[QUANTITY].i, v[LIMIT].i, &result)) return RWD_E_OVERFLOW;
    out->i = result;
    out->present = true;
    return RWD_E_NONE;
}

static rwd_code net(const rwd_value *v, rwd_value *out) {
    if (!v[AMOUNT].present || !v[QUANTITY].present || !v[FEE].present) return out->present = false, RWD_E_NONE;
    rwd_i128 result;
    if (__builtin_mul_overflow(v[AMOUNT].d, (rwd_i128)v[QUANTITY].i, &result) || __builtin_sub_overflow(result, v[FEE].d, &result)) return RWD_E_OVERFLOW;
    out->d = result;
    out->present = true;
    return RWD_E_NONE;
}

static rwd_code plain(const rwd_value *v, rwd_value *out) {
    *out = v[AMOUNT];
    return RWD_E_NONE;
}

static const struct {
    const char *text;
    bare *same;
} jobs[] = {
    {"amount * quantity", product},
    {"amount * quantity - fee", net},
    {"kind == \"refund\" and amount > 0", condition},
    {"if(quantity > limit, quantity - limit, 0)", above},
    {"amount", plain},
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

// Values as a job has them: most are there, kinds and signs mixed in no order that a processor could learn by heart.
static void fill(rwd_value (*rows)[SLOTS]) {
    static const char *const kinds[] = {"sale", "refund", "refund", "refund"};
    uint64_t state = 1;
    for (size_t i = 0; i < ROWS; i++) {
        uint64_t r = state = state * 6364136223846793005u + 1442695040888963407u;
        memset(rows[i], 0, sizeof(rows[i]));
        for (int s = 0; s < SLOTS; s++) rows[i][s].present = true;
        rows[i][AMOUNT].d = (int64_t)(r >> 40) % 100000;
        rows[i][FEE].d = (int64_t)(r >> 30) % 100;
        rows[i][QUANTITY].i = (int64_t)(r >> 50) % 20 + 1;
        rows[i][LIMIT].i = 1;
        rows[i][KIND].s = rwd_slice_str(kinds[i / 256]);
    }
}

static void measure(rwd_value (*rows)[SLOTS], size_t which, int rounds) {
    static const rwd_expr_scope scope = {.names = names, .count = SLOTS, .noun = "field"};
    rwd_expr *expr;
    rwd_error err;
    if (!rwd_expr_compile(jobs[which].text, &scope, &expr, NULL, &err)) {
        fprintf(stderr, "%s\n", err.cause);
        exit(1);
    }
    rwd_expr_scratch scratch = {0};
    rwd_value *ours = rwd_aligned_alloc(_Alignof(rwd_value), ROWS * sizeof(*ours)), *theirs = rwd_aligned_alloc(_Alignof(rwd_value), ROWS * sizeof(*theirs));
    bare *volatile same = jobs[which].same;  // a call, as that of a compiled expression is
    double best = 1e18, best_bare = 1e18;
    for (int round = 0; round < rounds; round++) {
        double start = now();
        for (size_t i = 0; i < ROWS; i++)
            if (rwd_expr_eval(expr, &(rwd_expr_input){.values = rows[i]}, &scratch, &ours[i])) exit(1);
        double middle = now();
        for (size_t i = 0; i < ROWS; i++)
            if (same(rows[i], &theirs[i])) exit(1);
        double end = now();
        if (middle - start < best) best = middle - start;
        if (end - middle < best_bare) best_bare = end - middle;
    }
    for (size_t i = 0; i < ROWS; i++) {
        rwd_type type = rwd_expr_type(expr);
        bool equal = type == RWD_TYPE_BOOL ? ours[i].b == theirs[i].b : type == RWD_TYPE_INT ? ours[i].i == theirs[i].i : ours[i].d == theirs[i].d;
        if (ours[i].present != theirs[i].present || !equal) {
            fprintf(stderr, "%s: row %zu differs\n", jobs[which].text, i);
            exit(1);
        }
    }
    printf("%-44s %6.1f ns  bare %6.1f ns  %5.2f times\n", jobs[which].text, best / ROWS, best_bare / ROWS, best / best_bare);
    free(ours);
    free(theirs);
    rwd_expr_free(expr);
}

int main(int argc, char **argv) {
    bool small = argc > 1 && strcmp(argv[1], "--small") == 0;
    rwd_value(*rows)[SLOTS] = rwd_aligned_alloc(_Alignof(rwd_value), ROWS * sizeof(*rows));
    fill(rows);
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) measure(rows, i, small ? ROUNDS / 10 : ROUNDS * 5);
    free(rows);
    return 0;
}
