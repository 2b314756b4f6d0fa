// Aggregates against plain arithmetic over the list of values.
#include "state/aggregate.h"

#include <string.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

#define VALUES_MAX 12
#define CELL_MAX 32
#define ROUNDS 30000

typedef enum kind { COUNT, SUM, MIN, MAX } kind;
static const char *const names[] = {"count", "sum", "min", "max"};

typedef struct sample {
    bool present;
    rwd_i128 number;
} sample;

static rwd_value value_of(rwd_type type, sample s) {
    rwd_value v;
    memset(&v, 0, sizeof v);
    v.present = s.present;
    if (type == RWD_TYPE_DECIMAL) v.d = s.number;
    else if (type == RWD_TYPE_FLOAT) v.f = (double)(int64_t)s.number;
    else v.i = (int64_t)s.number;
    return v;
}

static rwd_i128 number_of(rwd_type type, const rwd_value *v) {
    if (type == RWD_TYPE_FLOAT) return (rwd_i128)v->f;
    return type == RWD_TYPE_DECIMAL ? v->d : v->i;
}

static sample random_sample(test_random *r, rwd_type type) {
    sample s = {.present = test_random_below(r, 4) != 0};
    if (!s.present) return s;
    s.number = (int64_t)test_random_wide(r);
    if (type == RWD_TYPE_FLOAT) s.number %= (int64_t)1 << 48;  // so that a dozen add up exactly
    if (type == RWD_TYPE_DECIMAL) s.number = (rwd_i128)((unsigned __int128)s.number << test_random_below(r, 62));
    return s;
}

// What the aggregate must answer, without cells: null, or a number.
static sample expected(kind k, const sample *values, size_t count) {
    sample answer = {.present = k == COUNT || k == SUM};
    if (k == COUNT) answer.number = (rwd_i128)count;
    for (size_t i = 0; i < count && k != COUNT; i++) {
        if (!values[i].present) continue;
        bool first = !answer.present;
        if (k == SUM) answer.number += values[i].number;
        else if (first || (k == MIN ? values[i].number < answer.number : values[i].number > answer.number))
            answer.number = values[i].number;
        answer.present = true;
    }
    return answer;
}

static void check_answer(const rwd_aggregate *a, rwd_type type, const uint8_t *cell, sample want) {
    rwd_value got;
    a->read(type, cell, &got);
    assert_int_equal(got.present, want.present);
    if (want.present) assert_true(number_of(a->result(type), &got) == want.number);
}

static rwd_type random_type(test_random *r, const rwd_aggregate *a) {
    if (!a->takes_field) return RWD_TYPE_INT;
    for (;;) {
        rwd_type type = (rwd_type)test_random_below(r, RWD_TYPE_COUNT);
        if (a->types & (1u << type)) return type;
    }
}

static bool sum_fits(rwd_type type, const sample *values, size_t count) {
    rwd_i128 sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (values[i].present && __builtin_add_overflow(sum, values[i].number, &sum)) return false;
        if (type != RWD_TYPE_DECIMAL && (sum > INT64_MAX || sum < INT64_MIN)) return false;
    }
    return true;
}

static void aggregates_answer_what_plain_arithmetic_does_and_merge_as_replay(void **state) {
    (void)state;
    test_random r = test_random_of(3);
    for (int round = 0; round < ROUNDS; round++) {
        kind k = (kind)test_random_below(&r, 4);
        const rwd_aggregate *a = rwd_aggregate_find(names[k]);
        rwd_type type = random_type(&r, a);
        sample values[VALUES_MAX];
        size_t count = test_random_below(&r, VALUES_MAX + 1), cut = test_random_below(&r, count + 1);
        for (size_t i = 0; i < count; i++) values[i] = random_sample(&r, type);
        if (k == SUM && (!sum_fits(type, values, count) || !sum_fits(type, values + cut, count - cut))) continue;
        uint8_t whole[CELL_MAX], head[CELL_MAX], tail[CELL_MAX];
        a->init(type, whole);
        a->init(type, head);
        a->init(type, tail);
        for (size_t i = 0; i < count; i++) {
            rwd_value v = value_of(type, values[i]);
            assert_int_equal(a->update(type)(whole, &v), RWD_E_NONE);
            assert_int_equal(a->update(type)(i < cut ? head : tail, &v), RWD_E_NONE);
        }
        check_answer(a, type, whole, expected(k, values, count));
        assert_int_equal(a->merge(type, head, tail), RWD_E_NONE);
        assert_memory_equal(head, whole, a->size(type));
    }
}

static void order_free_aggregates_give_the_same_bytes_in_any_order(void **state) {
    (void)state;
    test_random r = test_random_of(4);
    for (int round = 0; round < ROUNDS; round++) {
        const rwd_aggregate *a = rwd_aggregate_find(names[test_random_below(&r, 4)]);
        assert_true(a->order_free);
        rwd_type type = random_type(&r, a);
        sample values[VALUES_MAX];
        uint8_t one[CELL_MAX], other[CELL_MAX];
        a->init(type, one);
        a->init(type, other);
        for (size_t i = 0; i < VALUES_MAX; i++) {
            values[i] = random_sample(&r, type);
            values[i].number %= 1000000;
        }
        for (size_t i = 0; i < VALUES_MAX; i++) {
            rwd_value v = value_of(type, values[i]), w = value_of(type, values[VALUES_MAX - 1 - i]);
            assert_int_equal(a->update(type)(one, &v), RWD_E_NONE);
            assert_int_equal(a->update(type)(other, &w), RWD_E_NONE);
        }
        assert_memory_equal(one, other, a->size(type));
    }
}

// What is rounded is rounded to nearest after each event, as the machine's own addition does it.
static void a_sum_of_floats_is_the_sum_in_the_order_of_events(void **state) {
    (void)state;
    const rwd_aggregate *a = rwd_aggregate_find("sum");
    assert_true(a->rounded == 1u << RWD_TYPE_FLOAT);
    test_random r = test_random_of(6);
    for (int round = 0; round < 1000; round++) {
        uint8_t cell[CELL_MAX];
        volatile double sum = 0;
        a->init(RWD_TYPE_FLOAT, cell);
        for (int i = 0; i < VALUES_MAX; i++) {
            rwd_value v = {.f = (double)(int64_t)test_random_wide(&r) / (double)(1 + test_random_below(&r, 1000)), .present = true};
            assert_int_equal(a->update(RWD_TYPE_FLOAT)(cell, &v), RWD_E_NONE);
            sum += v.f;
        }
        rwd_value got;
        a->read(RWD_TYPE_FLOAT, cell, &got);
        assert_true(got.f == sum);
    }
}

static void a_sum_of_floats_never_becomes_infinite_nor_minus_zero(void **state) {
    (void)state;
    const rwd_aggregate *a = rwd_aggregate_find("sum");
    uint8_t cell[CELL_MAX], before[CELL_MAX];
    const double edge = 1.7976931348623157e308;
    for (int sign = -1; sign <= 1; sign += 2) {
        rwd_value v = {.f = sign * edge, .present = true}, back = {.f = -sign * edge, .present = true}, got;
        a->init(RWD_TYPE_FLOAT, cell);
        assert_int_equal(a->update(RWD_TYPE_FLOAT)(cell, &v), RWD_E_NONE);
        memcpy(before, cell, sizeof cell);
        assert_int_equal(a->update(RWD_TYPE_FLOAT)(cell, &v), RWD_E_OVERFLOW);
        assert_int_equal(a->merge(RWD_TYPE_FLOAT, cell, before), RWD_E_OVERFLOW);
        assert_memory_equal(cell, before, a->size(RWD_TYPE_FLOAT));
        assert_int_equal(a->update(RWD_TYPE_FLOAT)(cell, &back), RWD_E_NONE);
        a->read(RWD_TYPE_FLOAT, cell, &got);
        assert_true(got.f == 0 && !__builtin_signbit(got.f));
    }
}

static void check_overflow(const char *name, rwd_type type, rwd_i128 edge, rwd_i128 more) {
    const rwd_aggregate *a = rwd_aggregate_find(name);
    uint8_t cell[CELL_MAX], before[CELL_MAX], other[CELL_MAX];
    a->init(type, cell);
    a->init(type, other);
    rwd_value v = value_of(type, (sample){true, edge}), w = value_of(type, (sample){true, more});
    assert_int_equal(a->update(type)(cell, &v), RWD_E_NONE);
    assert_int_equal(a->update(type)(other, &w), RWD_E_NONE);
    memcpy(before, cell, sizeof cell);
    assert_int_equal(a->update(type)(cell, &w), RWD_E_OVERFLOW);
    assert_memory_equal(cell, before, a->size(type));
    assert_int_equal(a->merge(type, cell, other), RWD_E_OVERFLOW);
    assert_memory_equal(cell, before, a->size(type));
}

static void an_overflow_is_reported_and_leaves_the_cell_unchanged(void **state) {
    (void)state;
    check_overflow("sum", RWD_TYPE_INT, INT64_MAX, 1);
    check_overflow("sum", RWD_TYPE_INT, INT64_MIN, -1);
    check_overflow("sum", RWD_TYPE_DECIMAL, RWD_I128_MAX, 1);
    check_overflow("sum", RWD_TYPE_DECIMAL, RWD_I128_MIN, -1);
    const rwd_aggregate *count = rwd_aggregate_find("count");
    uint8_t cell[8], before[8];
    memset(cell, 0xFF, 8);
    cell[7] = 0x7F;
    memcpy(before, cell, 8);
    assert_int_equal(count->update(RWD_TYPE_INT)(cell, NULL), RWD_E_OVERFLOW);
    assert_memory_equal(cell, before, 8);
}

static void every_aggregate_is_found_by_its_name(void **state) {
    (void)state;
    size_t count = 0;
    for (const rwd_aggregate *a; (a = rwd_aggregate_at(count)); count++) {
        assert_ptr_equal(rwd_aggregate_find(a->name), a);
        assert_true(strlen(a->doc) > 0);
        assert_int_equal(a->takes_field, a->types != 0);
    }
    assert_int_equal(count, 4);
    assert_null(rwd_aggregate_find("median"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aggregates_answer_what_plain_arithmetic_does_and_merge_as_replay),
        cmocka_unit_test(order_free_aggregates_give_the_same_bytes_in_any_order),
        cmocka_unit_test(a_sum_of_floats_is_the_sum_in_the_order_of_events),
        cmocka_unit_test(a_sum_of_floats_never_becomes_infinite_nor_minus_zero),
        cmocka_unit_test(an_overflow_is_reported_and_leaves_the_cell_unchanged),
        cmocka_unit_test(every_aggregate_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
