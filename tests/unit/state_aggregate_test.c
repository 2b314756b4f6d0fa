// Aggregates against plain calculations over the list of values: cells alone, and rows made of them. Their bytes are checked against a second implementation by
// tests/e2e/test_aggregates.py.
#include "state/aggregate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "state/row.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

#define VALUES_MAX 24
#define TEXT_MAX 6
#define ROUNDS 20000

typedef struct sample {
    rwd_value value;
    rwd_moment when;
    uint8_t text[TEXT_MAX];
} sample;

// A table of one column, and rows of it.
typedef struct column {
    rwd_schema schema;
} column;
typedef struct row {
    uint8_t bytes[RWD_ROW_BYTES_MAX];
    uint32_t size;
    bool began;
} row;

static void column_init(column *c, const char *name, rwd_type type, uint8_t scale, const int64_t *parameters) {
    rwd_error err;
    rwd_schema_init(&c->schema, 0, "t");
    assert_true(rwd_schema_add_column_with(&c->schema, "c", rwd_aggregate_find(name), type, scale, parameters, &err));
}

static rwd_code take(const column *c, row *r, const rwd_value *value, rwd_moment when) {
    static uint8_t next[RWD_ROW_BYTES_MAX];
    uint32_t size;
    size_t at;
    rwd_code code = rwd_row_apply(&c->schema, r->began ? r->bytes : NULL, r->size, value, NULL, &when, next, RWD_ROW_BYTES_MAX, &size, &at);
    if (code != RWD_E_NONE) return code;
    memcpy(r->bytes, next, size);
    r->size = size;
    r->began = true;
    assert_true(rwd_row_check(&c->schema, rwd_slice_of(r->bytes, r->size)));
    return code;
}

static rwd_value answer(const column *c, const row *r) {
    rwd_value value = {0};
    if (r->began) rwd_row_read(&c->schema, 0, r->bytes, &value);
    return value;
}

static rwd_code merge_into(const column *c, row *r, const row *other) {
    static uint8_t next[RWD_ROW_BYTES_MAX];
    uint32_t size;
    size_t at;
    if (!other->began) return RWD_E_NONE;
    if (!r->began) {
        *r = *other;
        return RWD_E_NONE;
    }
    rwd_code code = rwd_row_merge(&c->schema, r->bytes, r->size, other->bytes, other->size, next, RWD_ROW_BYTES_MAX, &size, &at);
    if (code != RWD_E_NONE) return code;
    memcpy(r->bytes, next, size);
    r->size = size;
    return code;
}

static void assert_same(const row *a, const row *b) {
    assert_int_equal(a->began, b->began);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->bytes, b->bytes, a->size);
}

static rwd_type random_type(test_random *r, const rwd_aggregate *a) {
    while (a->takes_field) {
        rwd_type type = (rwd_type)test_random_below(r, RWD_TYPE_COUNT);
        if (a->types >> type & 1) return type;
    }
    return RWD_TYPE_INT;
}

static void random_parameters(test_random *r, const rwd_aggregate *a, int64_t out[RWD_PARAMETERS_MAX]) {
    for (size_t i = 0; i < rwd_aggregate_parameter_count(a); i++) {
        const rwd_parameter *p = &a->parameters[i];
        bool left = !p->required && test_random_below(r, 2);
        out[i] = left ? RWD_PARAMETER_NONE : p->least + (int64_t)test_random_below(r, (uint64_t)(p->greatest - p->least) + 1);
    }
}

static sample random_sample(test_random *r, rwd_type type, uint32_t number) {
    sample s = {.when = {.time_us = (int64_t)test_random_below(r, 5), .offset = number / 2, .ordinal = number % 2}};
    int64_t units = (int64_t)test_random_below(r, 1ull << (1 + test_random_below(r, 40))) * (test_random_below(r, 2) ? 1 : -1);
    s.value.present = test_random_below(r, 5) != 0;
    if (!s.value.present) return s;
    switch (type) {
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES:
        for (size_t i = 0; i < TEXT_MAX; i++) s.text[i] = (uint8_t)test_random_below(r, 3);
        s.value.s.size = test_random_below(r, TEXT_MAX);
        break;
    case RWD_TYPE_INT:
    case RWD_TYPE_TIME: s.value.i = units; break;
    case RWD_TYPE_DECIMAL: s.value.d = (rwd_i128)units * 1024; break;
    case RWD_TYPE_BOOL: s.value.b = units & 1; break;
    case RWD_TYPE_FLOAT: s.value.f = (double)units / 7 + 0.0; break;
    case RWD_TYPE_COUNT: break;
    }
    return s;
}

static rwd_value value_of(sample *s, rwd_type type) {
    rwd_value v = s->value;
    if (v.present && (type == RWD_TYPE_STRING || type == RWD_TYPE_BYTES)) v.s = rwd_slice_of(s->text, s->value.s.size);
    return v;
}

// ---------------------------------------------------------------------------------------------- what holds for all of them
typedef struct draw {
    column c;
    const rwd_aggregate *a;
    rwd_type type;
    sample samples[VALUES_MAX];
    size_t count;
} draw;

static void draw_init(draw *d, test_random *r) {
    int64_t parameters[RWD_PARAMETERS_MAX];
    size_t known = 0;
    while (rwd_aggregate_at(known)) known++;
    d->a = rwd_aggregate_at(test_random_below(r, known));
    d->type = random_type(r, d->a);
    random_parameters(r, d->a, parameters);
    column_init(&d->c, d->a->name, d->type, (uint8_t)test_random_below(r, 5), parameters);
    d->count = test_random_below(r, VALUES_MAX + 1);
    for (size_t i = 0; i < d->count; i++) d->samples[i] = random_sample(r, d->type, (uint32_t)i);
}

static bool rounds(const draw *d) { return d->a->rounded >> d->type & 1; }

static void merging_is_as_if_all_events_had_come_to_one(void **state) {
    (void)state;
    test_random r = test_random_of(3);
    static row whole, head, tail;
    for (int round = 0; round < ROUNDS; round++) {
        draw d;
        draw_init(&d, &r);
        size_t cut = test_random_below(&r, d.count + 1);
        whole.began = head.began = tail.began = false;
        whole.size = head.size = tail.size = 0;
        for (size_t i = 0; i < d.count; i++) {
            rwd_value v = value_of(&d.samples[i], d.type);
            rwd_code code = take(&d.c, &whole, &v, d.samples[i].when);
            assert_int_equal(take(&d.c, i < cut ? &head : &tail, &v, d.samples[i].when), code);
        }
        assert_int_equal(merge_into(&d.c, &head, &tail), RWD_E_NONE);
        // Few counters may have been given up: then only bounds hold, which have their own test.
        bool bounded = d.a->list && d.c.schema.columns[0].how.parameters[1] != RWD_PARAMETER_NONE && d.c.schema.columns[0].how.parameters[1] < VALUES_MAX;
        if (!rounds(&d) && !bounded && !(d.a->list && d.c.schema.columns[0].how.parameters[0] < 3)) assert_same(&head, &whole);
        rwd_schema_deinit(&d.c.schema);
    }
}

static void order_free_aggregates_give_the_same_bytes_in_any_order(void **state) {
    (void)state;
    test_random r = test_random_of(4);
    static row one, other;
    for (int round = 0; round < ROUNDS; round++) {
        draw d;
        size_t order[VALUES_MAX];
        draw_init(&d, &r);
        one.began = other.began = false;
        one.size = other.size = 0;
        for (size_t i = 0; i < d.count; i++) {
            size_t j = test_random_below(&r, i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        for (size_t i = 0; i < d.count && d.a->order_free && !rounds(&d); i++) {
            rwd_value v = value_of(&d.samples[i], d.type), w = value_of(&d.samples[order[i]], d.type);
            // What has no room in the answer's scale is refused whenever it comes.
            (void)take(&d.c, &one, &v, d.samples[i].when);
            (void)take(&d.c, &other, &w, d.samples[order[i]].when);
        }
        assert_same(&one, &other);
        rwd_schema_deinit(&d.c.schema);
    }
}

static void a_null_and_what_is_not_wanted_change_nothing(void **state) {
    (void)state;
    test_random r = test_random_of(5);
    static row kept;
    static uint8_t next[RWD_ROW_BYTES_MAX];
    for (int round = 0; round < 2000; round++) {
        draw d;
        draw_init(&d, &r);
        kept.began = false;
        kept.size = 0;
        for (size_t i = 0; i < d.count; i++) {
            rwd_value v = value_of(&d.samples[i], d.type), null = {.present = false};
            bool wanted = false;
            uint32_t size;
            size_t at;
            (void)take(&d.c, &kept, &v, d.samples[i].when);
            if (!kept.began) continue;
            assert_int_equal(rwd_row_apply(&d.c.schema, kept.bytes, kept.size, &v, &wanted, &d.samples[i].when, next, sizeof next, &size, &at), RWD_E_NONE);
            assert_true(rwd_slice_equal(rwd_slice_of(next, size), rwd_slice_of(kept.bytes, kept.size)));
            if (!d.a->takes_field) continue;
            assert_int_equal(rwd_row_apply(&d.c.schema, kept.bytes, kept.size, &null, NULL, &d.samples[i].when, next, sizeof next, &size, &at), RWD_E_NONE);
            assert_true(rwd_slice_equal(rwd_slice_of(next, size), rwd_slice_of(kept.bytes, kept.size)));
        }
        rwd_schema_deinit(&d.c.schema);
    }
}

// ---------------------------------------------------------------------------------------------- each against a plain calculation
static void sums_and_means_are_those_of_the_list(void **state) {
    (void)state;
    test_random r = test_random_of(6);
    static row sum, mean, count;
    for (int round = 0; round < 3000; round++) {
        column sums, means, counts;
        column_init(&sums, "sum", RWD_TYPE_INT, 0, NULL);
        column_init(&means, "mean", RWD_TYPE_INT, 0, (int64_t[]){2, 0});
        column_init(&counts, "count", RWD_TYPE_INT, 0, NULL);
        int64_t total = 0, present = 0;
        size_t n = 1 + test_random_below(&r, VALUES_MAX);
        sum.began = mean.began = count.began = false;
        sum.size = mean.size = count.size = 0;
        for (size_t i = 0; i < n; i++) {
            sample s = random_sample(&r, RWD_TYPE_INT, (uint32_t)i);
            if (s.value.present) total += s.value.i, present++;
            assert_int_equal(take(&sums, &sum, &s.value, s.when), RWD_E_NONE);
            assert_int_equal(take(&means, &mean, &s.value, s.when), RWD_E_NONE);
            assert_int_equal(take(&counts, &count, &s.value, s.when), RWD_E_NONE);
        }
        assert_int_equal(answer(&sums, &sum).i, total);
        assert_int_equal(answer(&counts, &count).i, n);
        rwd_value got = answer(&means, &mean);
        assert_int_equal(got.present, present > 0);
        if (present) {
            // |mean - total/present| in hundredths is at most a half, and a half only where the answer is even.
            int64_t twice = 2 * (100 * total - (int64_t)got.d * present);
            assert_true(twice >= -present && twice <= present);
            if (twice == present || twice == -present) assert_int_equal((int64_t)(got.d % 2), 0);
        }
        rwd_schema_deinit(&sums.schema);
        rwd_schema_deinit(&means.schema);
        rwd_schema_deinit(&counts.schema);
    }
}

static void distinct_is_exact_while_small_and_within_its_error_beyond(void **state) {
    (void)state;
    static const struct { int64_t precision; int64_t most; } cases[] = {{12, 200000}, {14, 60000}, {8, 20000}, {6, 2000}};
    static row r;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        column c;
        column_init(&c, "distinct", RWD_TYPE_INT, 0, (int64_t[]){cases[k].precision, 0});
        double registers = (double)(1 << cases[k].precision), bound = 5 * 1.04 / sqrt(registers);
        r.began = false;
        r.size = 0;
        for (int64_t i = 1; i <= cases[k].most; i++) {
            rwd_value v = {.i = i * 7919, .present = true};
            assert_int_equal(take(&c, &r, &v, (rwd_moment){0}), RWD_E_NONE);
            if (i % 3 == 0) assert_int_equal(take(&c, &r, &v, (rwd_moment){0}), RWD_E_NONE);
            if (i > 64 && i % 97) continue;
            int64_t got = answer(&c, &r).i;
            if (i <= (int64_t)registers / 8) assert_int_equal(got, i);
            else if (!(fabs((double)(got - i)) <= bound * (double)i + 1)) fail_msg("%lld instead of %lld at precision %lld", (long long)got, (long long)i, (long long)cases[k].precision);
            else assert_true(fabs((double)(got - i)) <= bound * (double)i + 1);
        }
        assert_true(r.size <= 4 + 1 + (uint32_t)registers);
        rwd_schema_deinit(&c.schema);
    }
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void a_quantile_is_within_its_error_of_the_value_at_that_rank(void **state) {
    (void)state;
    test_random r = test_random_of(8);
    static row kept;
    static int64_t values[3000];
    for (int round = 0; round < 40; round++) {
        column c;
        int64_t q = (int64_t)test_random_below(&r, 1000001);
        size_t n = 1 + test_random_below(&r, sizeof values / sizeof *values);
        unsigned bits = 1 + (unsigned)test_random_below(&r, 15);  // fewer binades than are kept
        column_init(&c, "quantile", RWD_TYPE_INT, 0, (int64_t[]){q, 0});
        kept.began = false;
        kept.size = 0;
        for (size_t i = 0; i < n; i++) {
            values[i] = (int64_t)test_random_below(&r, 1ull << bits) * (round % 2 && test_random_below(&r, 2) ? -1 : 1);
            rwd_value v = {.i = values[i], .present = true};
            assert_int_equal(take(&c, &kept, &v, (rwd_moment){0}), RWD_E_NONE);
        }
        qsort(values, n, sizeof *values, by_value);
        int64_t exact = values[(size_t)((unsigned __int128)q * (n - 1) / 1000000)], got = answer(&c, &kept).i;
        assert_true(llabs(got - exact) * 128 <= llabs(exact));
        rwd_schema_deinit(&c.schema);
    }
}

static void a_quantile_keeps_the_highest_bins_where_values_spread_over_too_many(void **state) {
    (void)state;
    column high, low;
    static row a, b;
    column_init(&high, "quantile", RWD_TYPE_FLOAT, 0, (int64_t[]){1000000, 0});
    column_init(&low, "quantile", RWD_TYPE_FLOAT, 0, (int64_t[]){0, 0});
    for (int i = 0; i < 5000; i++) {
        rwd_value v = {.f = ldexp(1, i % 2000 - 1000), .present = true};
        assert_int_equal(take(&high, &a, &v, (rwd_moment){0}), RWD_E_NONE);
        assert_int_equal(take(&low, &b, &v, (rwd_moment){0}), RWD_E_NONE);
    }
    assert_true(fabs(answer(&high, &a).f / ldexp(1, 999) - 1) < 1.0 / 127);
    assert_true(fabs(answer(&low, &b).f / ldexp(1, 999 - 1023) - 1) < 1.0 / 127);  // one bin per power of two: 1024 of them are kept
    rwd_schema_deinit(&high.schema);
    rwd_schema_deinit(&low.schema);
}

// Counters as the list shows them: value, count, error.
typedef struct listed {
    int64_t value, count, error;
} listed;

static size_t listed_of(const column *c, const row *r, listed *out) {
    rwd_buf text = {0};
    size_t count = 0;
    rwd_row_append_json(&c->schema, 0, r->bytes, &text);
    for (const char *at = rwd_buf_cstr(&text); (at = strstr(at, "{\"value\":")); count++) {
        at += 9;
        char *end;
        out[count].value = strtoll(at, &end, 10);
        out[count].count = strtoll(end + 9, &end, 10);
        out[count].error = strncmp(end, ",\"error\":", 9) == 0 ? strtoll(end + 9, &end, 10) : 0;
        at = end;
    }
    rwd_buf_deinit(&text);
    return count;
}

static void check_topk_bounds(const column *c, const row *r, const int64_t *counts, int64_t n, int64_t counters) {
    listed list[100];
    size_t count = listed_of(c, r, list);
    for (size_t i = 0; i < count; i++) {
        assert_true(list[i].count >= counts[list[i].value] && list[i].count - list[i].error <= counts[list[i].value]);
        assert_true(list[i].error <= n / counters);
    }
    // With k = counters all are listed: none that came more often than n / counters is missing.
    for (int64_t v = 0; v < 64; v++) {
        bool found = false;
        for (size_t i = 0; i < count; i++) found |= list[i].value == v;
        if (counts[v] > n / counters) assert_true(found);
    }
}

static void topk_keeps_its_bounds_also_when_merged(void **state) {
    (void)state;
    test_random r = test_random_of(9);
    static row whole, head, tail;
    for (int round = 0; round < 200; round++) {
        column c;
        int64_t counters = 1 + (int64_t)test_random_below(&r, 30), counts[64] = {0};
        int64_t n = 1 + (int64_t)test_random_below(&r, 400), cut = (int64_t)test_random_below(&r, (uint64_t)n);
        column_init(&c, "topk", RWD_TYPE_INT, 0, (int64_t[]){counters, counters});
        whole.began = head.began = tail.began = false;
        whole.size = head.size = tail.size = 0;
        for (int64_t i = 0; i < n; i++) {
            rwd_value v = {.i = (int64_t)(test_random_below(&r, 64) & test_random_below(&r, 64)), .present = true};
            counts[v.i]++;
            assert_int_equal(take(&c, &whole, &v, (rwd_moment){0}), RWD_E_NONE);
            assert_int_equal(take(&c, i < cut ? &head : &tail, &v, (rwd_moment){0}), RWD_E_NONE);
        }
        check_topk_bounds(&c, &whole, counts, n, counters);
        assert_int_equal(merge_into(&c, &head, &tail), RWD_E_NONE);
        assert_true(rwd_row_check(&c.schema, rwd_slice_of(head.bytes, head.size)));
        check_topk_bounds(&c, &head, counts, n, counters);
        rwd_schema_deinit(&c.schema);
    }
}

// ---------------------------------------------------------------------------------------------- bounds
static void check_overflow(const char *name, rwd_type type, uint8_t scale, rwd_i128 edge, rwd_i128 more) {
    column c;
    static row kept, other, before;
    kept.began = other.began = false;
    kept.size = other.size = 0;
    rwd_value v = {.present = true}, w = {.present = true};
    if (type == RWD_TYPE_DECIMAL) v.d = edge, w.d = more;
    else v.i = (int64_t)edge, w.i = (int64_t)more;
    column_init(&c, name, type, scale, NULL);
    assert_int_equal(take(&c, &kept, &v, (rwd_moment){0}), RWD_E_NONE);
    assert_int_equal(take(&c, &other, &w, (rwd_moment){0}), RWD_E_NONE);
    before = kept;
    assert_int_equal(take(&c, &kept, &w, (rwd_moment){0}), RWD_E_OVERFLOW);
    assert_same(&kept, &before);
    assert_int_equal(merge_into(&c, &kept, &other), RWD_E_OVERFLOW);
    rwd_schema_deinit(&c.schema);
}

static void check_refused(const char *name, rwd_type type, uint8_t scale, rwd_i128 good, rwd_i128 bad) {
    column c;
    static row kept;
    kept.began = false;
    kept.size = 0;
    rwd_value v = {.present = true}, w = {.present = true};
    if (type == RWD_TYPE_DECIMAL) v.d = good, w.d = bad;
    else v.i = (int64_t)good, w.i = (int64_t)bad;
    column_init(&c, name, type, scale, NULL);
    for (int i = 0; i < 3; i++) assert_int_equal(take(&c, &kept, &v, (rwd_moment){0}), RWD_E_NONE);
    v.d = type == RWD_TYPE_DECIMAL ? -v.d : v.d;
    assert_int_equal(take(&c, &kept, &v, (rwd_moment){0}), RWD_E_NONE);
    assert_true(answer(&c, &kept).present);
    assert_int_equal(take(&c, &kept, &w, (rwd_moment){0}), RWD_E_OVERFLOW);
    rwd_schema_deinit(&c.schema);
}

static void an_overflow_is_reported_and_leaves_the_row_unchanged(void **state) {
    (void)state;
    check_overflow("sum", RWD_TYPE_INT, 0, INT64_MAX, 1);
    check_overflow("sum", RWD_TYPE_INT, 0, INT64_MIN, -1);
    check_overflow("sum", RWD_TYPE_DECIMAL, 0, RWD_I128_MAX, 1);
    check_overflow("sum", RWD_TYPE_DECIMAL, 0, RWD_I128_MIN, -1);
    check_overflow("mean", RWD_TYPE_DECIMAL, 18, RWD_I128_MAX, 1);
    // What could have no room in the answer is refused before it is taken.
    check_refused("mean", RWD_TYPE_DECIMAL, 2, RWD_I128_MAX / 10000, RWD_I128_MAX / 10000 + 1);
    check_refused("variance", RWD_TYPE_INT, 0, 9000000000000000, INT64_MAX);
    check_refused("stddev", RWD_TYPE_DECIMAL, 2, RWD_I128_MAX / 20000, RWD_I128_MAX / 20000 + 1);
}

static void a_row_that_would_be_too_large_is_the_events_error(void **state) {
    (void)state;
    rwd_schema schema;
    rwd_error err;
    rwd_schema_init(&schema, 0, "t");
    assert_true(rwd_schema_add_column(&schema, "n", rwd_aggregate_find("count"), RWD_TYPE_INT, 0, &err));
    assert_true(rwd_schema_add_column(&schema, "least", rwd_aggregate_find("min"), RWD_TYPE_STRING, 0, &err));
    assert_true(rwd_schema_add_column(&schema, "last", rwd_aggregate_find("last"), RWD_TYPE_BYTES, 0, &err));
    assert_int_equal(rwd_schema_row_max(&schema), RWD_ROW_BYTES_MAX);
    static uint8_t text[RWD_ROW_BYTES_MAX], old[RWD_ROW_BYTES_MAX], next[RWD_ROW_BYTES_MAX];
    uint32_t fixed = 8 + 4 + 4, size, again;
    size_t at;
    rwd_moment when = {.time_us = 1};
    rwd_value args[] = {{.present = false}, {.s = rwd_slice_of(text, 100), .present = true}, {.s = rwd_slice_of(text, RWD_ROW_BYTES_MAX - fixed - 101 - 20), .present = true}};
    assert_int_equal(rwd_row_apply(&schema, NULL, 0, args, NULL, &when, old, RWD_ROW_BYTES_MAX, &size, &at), RWD_E_NONE);
    assert_int_equal(size, RWD_ROW_BYTES_MAX);
    args[2].s.size++;
    when.time_us = 2;
    assert_int_equal(rwd_row_apply(&schema, old, size, args, NULL, &when, next, RWD_ROW_BYTES_MAX, &again, &at), RWD_E_TOO_LARGE);
    assert_int_equal(at, 2);
    args[2].s.size = 0;  // the row shrinks
    assert_int_equal(rwd_row_apply(&schema, old, size, args, NULL, &when, next, RWD_ROW_BYTES_MAX, &again, &at), RWD_E_NONE);
    assert_int_equal(again, fixed + 101 + 20);
    rwd_value got;
    rwd_row_read(&schema, 2, next, &got);
    assert_true(got.present && got.s.size == 0);
    rwd_row_read(&schema, 1, next, &got);
    assert_int_equal(got.s.size, 100);
    rwd_schema_deinit(&schema);
}

static void bytes_that_are_no_row_are_told_from_rows(void **state) {
    (void)state;
    test_random r = test_random_of(12);
    static row kept;
    unsigned refused = 0;
    for (int round = 0; round < 6000; round++) {
        draw d;
        draw_init(&d, &r);
        kept.began = false;
        kept.size = 0;
        for (size_t i = 0; i < d.count; i++) {
            rwd_value v = value_of(&d.samples[i], d.type);
            (void)take(&d.c, &kept, &v, d.samples[i].when);
        }
        if (kept.began && kept.size > 0) {
            assert_false(rwd_row_check(&d.c.schema, rwd_slice_of(kept.bytes, kept.size - 1)));
            assert_false(rwd_row_check(&d.c.schema, rwd_slice_of(kept.bytes, kept.size + 1)));
            kept.bytes[test_random_below(&r, kept.size)] ^= (uint8_t)(1u << test_random_below(&r, 8));
            // Whatever passes can be read.
            if (rwd_row_check(&d.c.schema, rwd_slice_of(kept.bytes, kept.size))) {
                rwd_buf text = {0};
                rwd_row_append_json(&d.c.schema, 0, kept.bytes, &text);
                rwd_buf_deinit(&text);
            } else {
                refused++;
            }
        }
        rwd_schema_deinit(&d.c.schema);
    }
    assert_true(refused > 100);
}

static void every_aggregate_is_found_by_its_name(void **state) {
    (void)state;
    size_t count = 0;
    for (const rwd_aggregate *a; (a = rwd_aggregate_at(count)); count++) {
        assert_ptr_equal(rwd_aggregate_find(a->name), a);
        assert_true(strlen(a->doc) > 0);
        assert_int_equal(a->takes_field, a->types != 0);
        assert_true(a->list ? a->json != NULL : a->read != NULL);
        for (unsigned t = 0; t < RWD_TYPE_COUNT; t++) {
            if (!(a->types >> t & 1)) continue;
            rwd_cell_type how = {.arg = (rwd_type)t, .parameters = {a->parameters[0].least, a->parameters[1].least}};
            assert_true(a->size(&how) ? a->update(&how) != NULL : a->grow(&how) != NULL && a->valid != NULL);
        }
    }
    assert_int_equal(count, 14);
    assert_null(rwd_aggregate_find("median"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merging_is_as_if_all_events_had_come_to_one),
        cmocka_unit_test(order_free_aggregates_give_the_same_bytes_in_any_order),
        cmocka_unit_test(a_null_and_what_is_not_wanted_change_nothing),
        cmocka_unit_test(sums_and_means_are_those_of_the_list),
        cmocka_unit_test(distinct_is_exact_while_small_and_within_its_error_beyond),
        cmocka_unit_test(a_quantile_is_within_its_error_of_the_value_at_that_rank),
        cmocka_unit_test(a_quantile_keeps_the_highest_bins_where_values_spread_over_too_many),
        cmocka_unit_test(topk_keeps_its_bounds_also_when_merged),
        cmocka_unit_test(an_overflow_is_reported_and_leaves_the_row_unchanged),
        cmocka_unit_test(a_row_that_would_be_too_large_is_the_events_error),
        cmocka_unit_test(bytes_that_are_no_row_are_told_from_rows),
        cmocka_unit_test(every_aggregate_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
