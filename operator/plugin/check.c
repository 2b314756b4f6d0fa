// rewind plugin check: random values against what a plugin's aggregates claim.
//
// A claim that does not hold is a state that a replay does not reproduce, or a merge that loses events: found here, it costs nothing.
#include <stdlib.h>

#include "operator/base/time.h"
#include "operator/plugin/plugin_private.h"

#define EVENTS_MAX 40
#define TEXT_BYTES_MAX 12

typedef struct trial {
    const rwd_aggregate *aggregate;
    rwd_cell_type how;
    rwd_value values[EVENTS_MAX];
    uint8_t texts[EVENTS_MAX][TEXT_BYTES_MAX];
    rwd_moment moments[EVENTS_MAX];
    size_t count;
    uint64_t seed;
    const char *broken;  // the claim, or NULL
} trial;

typedef struct cell {
    uint8_t bytes[REWIND_CELL_MAX];
    uint32_t size;
} cell;

// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
static uint64_t next(trial *t) {
    uint64_t z = t->seed += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t below(trial *t, uint64_t bound) { return next(t) % bound; }

// Small numbers meet often, large ones find what overflows.
static int64_t random_int(trial *t) {
    uint64_t bits = below(t, 64);
    int64_t number = (int64_t)(next(t) >> bits);
    return below(t, 2) ? -number : number;
}

static void random_value(trial *t, size_t i) {
    rwd_value *v = &t->values[i];
    *v = (rwd_value){.present = below(t, 12) != 0};
    switch (t->how.arg) {
    case RWD_TYPE_INT: v->i = random_int(t); break;
    case RWD_TYPE_TIME: v->i = (int64_t)below(t, (uint64_t)RWD_TIME_MAX); break;
    case RWD_TYPE_DECIMAL: v->d = (rwd_i128)random_int(t) * (below(t, 4) ? 1 : (rwd_i128)1000000000000000); break;
    case RWD_TYPE_BOOL: v->b = below(t, 2); break;
    case RWD_TYPE_FLOAT: v->f = (double)(random_int(t) >> 11) / 1024.0; break;
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES:
        v->s = rwd_slice_of(t->texts[i], below(t, TEXT_BYTES_MAX + 1));
        for (size_t c = 0; c < v->s.size; c++) t->texts[i][c] = t->how.arg == RWD_TYPE_STRING ? (uint8_t)('a' + below(t, 4)) : (uint8_t)next(t);
        break;
    case RWD_TYPE_COUNT: break;
    }
}

static void make_trial(trial *t, rwd_type type) {
    const rwd_aggregate *a = t->aggregate;
    t->how = (rwd_cell_type){.arg = type, .arg_scale = type == RWD_TYPE_DECIMAL ? (uint8_t)below(t, 7) : 0, .context = a->context, .limit = RWD_I128_MAX};
    for (size_t i = 0; i < rwd_aggregate_parameter_count(a); i++) {
        const rwd_parameter *p = &a->parameters[i];
        uint64_t span = (uint64_t)p->greatest - (uint64_t)p->least;
        bool given = p->required || below(t, 2);
        t->how.parameters[i] = given ? (int64_t)((uint64_t)p->least + (span == UINT64_MAX ? next(t) : below(t, span + 1))) : p->fallback;
    }
    t->count = below(t, EVENTS_MAX + 1);
    for (size_t i = 0; i < t->count; i++) {
        random_value(t, i);
        t->moments[i] = (rwd_moment){.time_us = (int64_t)below(t, 1000), .offset = (int64_t)i};
    }
}

static void empty(const trial *t, cell *c) {
    c->size = t->aggregate->size(&t->how);
    memset(c->bytes, 0, c->size);
}

// An event that does not fit leaves the cell as it was.
static void take(trial *t, cell *c, size_t i) {
    uint8_t old[REWIND_CELL_MAX];
    uint32_t size = c->size;
    memcpy(old, c->bytes, size);
    rwd_cell_update update = t->aggregate->update(&t->how);
    rwd_code code = update ? update(&t->how, c->bytes, &t->values[i], &t->moments[i])
                           : t->aggregate->grow(&t->how)(&t->how, c->bytes, &c->size, sizeof c->bytes, &t->values[i], &t->moments[i]);
    if (code != RWD_E_NONE && (c->size != size || memcmp(c->bytes, old, size) != 0)) t->broken = "a value that does not fit changes the cell";
    if (!update && !t->aggregate->valid(&t->how, c->bytes, c->size)) t->broken = "check refuses what update wrote";
}

// False: the two have no room together.
static bool join(trial *t, cell *c, const cell *other) {
    rwd_code code = t->aggregate->merge(&t->how, c->bytes, &c->size, sizeof c->bytes, other->bytes, other->size);
    if (code == RWD_E_NONE && !t->aggregate->update(&t->how) && !t->aggregate->valid(&t->how, c->bytes, c->size)) t->broken = "check refuses what merge wrote";
    return code == RWD_E_NONE;
}

static bool equal(const cell *a, const cell *b) { return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0; }

static void expect_equal(trial *t, const cell *a, const cell *b, const char *claim) {
    if (!t->broken && !equal(a, b)) t->broken = claim;
}

// The values that the cell has room for, in their order; the others are taken out of the trial.
static void run(trial *t, cell *out) {
    empty(t, out);
    for (size_t i = 0; i < t->count; i++) take(t, out, i);
}

static void check_repeats(trial *t, const cell *all, cell *a, cell *b) {
    empty(t, a);
    empty(t, b);
    for (size_t i = 0; i < t->count; i++) {
        take(t, a, i);
        take(t, b, t->count - 1 - i);  // another key's
    }
    expect_equal(t, a, all, "the same values give other bytes when another key's come in between");
}

static void check_empty(trial *t, const cell *all, cell *a, cell *b) {
    *a = *all;
    empty(t, b);
    if (!join(t, a, b)) t->broken = "merging an empty cell fails";
    expect_equal(t, a, all, "merging an empty cell changes the cell");
    empty(t, a);
    if (!join(t, a, all)) t->broken = "merging into an empty cell fails";
    expect_equal(t, a, all, "merging into an empty cell gives other bytes");
}

static void check_splits(trial *t, const cell *all, cell *a, cell *b) {
    empty(t, a);
    empty(t, b);
    for (size_t i = 0; i < t->count; i++) take(t, below(t, 2) ? a : b, i);
    if (join(t, a, b)) expect_equal(t, a, all, "order_free: values split over two cells and merged give other bytes");
}

static void check_order(trial *t, const cell *all, cell *a) {
    size_t order[EVENTS_MAX];
    for (size_t i = 0; i < t->count; i++) {
        size_t other = below(t, i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    empty(t, a);
    for (size_t i = 0; i < t->count; i++) take(t, a, order[i]);
    expect_equal(t, a, all, "order_free: another order of the values gives other bytes");
}

static bool same_answer(trial *t, const cell *a) {
    rwd_value first, second;
    rwd_buf x = {0}, y = {0};
    rwd_type type = t->aggregate->result(&t->how);
    t->aggregate->read(&t->how, a->bytes, a->size, &first);
    t->aggregate->read(&t->how, a->bytes, a->size, &second);
    rwd_value_json(&first, type, t->aggregate->scale(&t->how), &x);
    rwd_value_json(&second, type, t->aggregate->scale(&t->how), &y);
    bool same = rwd_slice_equal(rwd_buf_slice(&x), rwd_buf_slice(&y));
    rwd_buf_deinit(&x);
    rwd_buf_deinit(&y);
    return same;
}

// Whether any of the values is refused depends on those before it, so only what is always taken can be compared in another order.
static bool all_fit(trial *t, cell *c) {
    empty(t, c);
    for (size_t i = 0; i < t->count; i++) {
        rwd_cell_update update = t->aggregate->update(&t->how);
        rwd_code code = update ? update(&t->how, c->bytes, &t->values[i], &t->moments[i])
                               : t->aggregate->grow(&t->how)(&t->how, c->bytes, &c->size, sizeof c->bytes, &t->values[i], &t->moments[i]);
        if (code != RWD_E_NONE) return false;
    }
    return true;
}

static void try_once(trial *t, rwd_type type, cell *all, cell *a, cell *b) {
    const rwd_plugin_aggregate *context = t->aggregate->context;
    make_trial(t, type);
    run(t, all);
    check_repeats(t, all, a, b);
    check_empty(t, all, a, b);
    if (!t->broken && !same_answer(t, all)) t->broken = "read gives another answer for the same cell";
    bool free_of_order = t->aggregate->takes_field ? context->it.order_free & REWIND_BIT(type) : context->it.order_free != 0;
    if (t->broken || !free_of_order || !all_fit(t, a)) return;
    check_order(t, all, a);
    check_splits(t, all, a, b);
}

static void check_aggregate(const rwd_aggregate *aggregate, uint64_t seed, unsigned rounds, rwd_buf *out, bool *out_good) {
    trial *t = rwd_calloc(1, sizeof *t);
    cell *cells = rwd_calloc(3, sizeof *cells);
    t->aggregate = aggregate;
    t->seed = seed;
    for (unsigned type = 0; type < RWD_TYPE_COUNT && !t->broken; type++) {
        if (aggregate->takes_field ? !(aggregate->types & REWIND_BIT(type)) : type != RWD_TYPE_INT) continue;
        for (unsigned i = 0; i < rounds && !t->broken; i++) try_once(t, (rwd_type)type, &cells[0], &cells[1], &cells[2]);
    }
    rwd_buf_appendf(out, "%s(", aggregate->name);
    rwd_aggregate_arguments(aggregate, out);
    rwd_buf_append_str(out, "): ");
    if (!t->broken) rwd_buf_append_str(out, "good\n");
    else rwd_buf_appendf(out, "broken: %s; argument of type %s, %zu values, seed %llu\n", t->broken, rwd_type_name(t->how.arg), t->count, (unsigned long long)seed);
    *out_good &= !t->broken;
    free(cells);
    free(t);
}

// Random arguments, each twice, with another call in between.
static void check_function(const rwd_plugin_function *f, uint64_t seed, unsigned rounds, rwd_buf *out, bool *out_good) {
    trial *t = rwd_calloc(1, sizeof *t);
    rwd_arena arena = {0};
    bool same = true;
    t->seed = seed;
    for (unsigned i = 0; i < rounds && same; i++) {
        rwd_value args[2][REWIND_ARGUMENTS_MAX], answers[3];
        rwd_code codes[3];
        for (uint32_t a = 0; a < f->arg_count; a++) {
            t->how = (rwd_cell_type){.arg = f->args[a].type, .arg_scale = f->args[a].scale};
            for (size_t k = 0; k < 2; k++) {
                random_value(t, k);
                args[k][a] = t->values[k];
            }
            if (f->args[a].type == RWD_TYPE_STRING || f->args[a].type == RWD_TYPE_BYTES)
                for (size_t k = 0; k < 2; k++)
                    if (args[k][a].present) args[k][a].s = rwd_arena_copy(&arena, args[k][a].s);
        }
        for (size_t k = 0; k < 3; k++) codes[k] = rwd_plugin_function_call(f, args[k % 2], &arena, &answers[k]);
        rwd_buf x = {0}, y = {0};
        if (codes[0] == RWD_E_NONE) rwd_value_json(&answers[0], f->result.type, f->result.scale, &x);
        if (codes[2] == RWD_E_NONE) rwd_value_json(&answers[2], f->result.type, f->result.scale, &y);
        same = codes[0] == codes[2] && rwd_slice_equal(rwd_buf_slice(&x), rwd_buf_slice(&y));
        rwd_buf_deinit(&x);
        rwd_buf_deinit(&y);
        rwd_arena_reset(&arena);
    }
    rwd_buf_appendf(out, "%s(", f->name);
    for (uint32_t a = 0; a < f->arg_count; a++) rwd_buf_appendf(out, "%s%s", a > 0 ? ", " : "", rwd_type_name(f->args[a].type));
    if (same) rwd_buf_append_str(out, "): good\n");
    else rwd_buf_appendf(out, "): broken: the same values give another answer; seed %llu\n", (unsigned long long)seed);
    *out_good &= same;
    rwd_arena_deinit(&arena);
    free(t);
}

void rwd_plugin_check(const rwd_plugin_facts *plugin, uint64_t seed, unsigned rounds, rwd_buf *out, bool *out_good) {
    *out_good = true;
    for (size_t i = 0; i < plugin->function_count; i++) check_function(&plugin->functions[i], seed, rounds, out, out_good);
    for (size_t i = 0; i < plugin->aggregate_count; i++) check_aggregate(&plugin->aggregates[i], seed, rounds, out, out_good);
}
