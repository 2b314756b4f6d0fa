// Key encoding against the order and the identity of the values themselves.
#include "state/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/float.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

#define ROUNDS 40000

static void random_schema(test_random *r, rwd_schema *schema) {
    rwd_error err;
    rwd_schema_init(schema, 3, "t");
    size_t parts = 1 + test_random_below(r, 3);
    for (size_t i = 0; i < parts; i++) {
        char name[8] = {'p', (char)('a' + i)};
        assert_true(rwd_schema_add_part(schema, name, (rwd_type)test_random_below(r, RWD_TYPE_COUNT), 2, &err));
    }
}

// Any bits that are a value, or one of few small numbers.
static double random_float(test_random *r) {
    double v;
    uint64_t bits = test_random_u64(r);
    memcpy(&v, &bits, sizeof v);
    if (test_random_below(r, 3) == 0 || !rwd_float_normal(v, &v)) v = (double)test_random_below(r, 5) - 2;
    return v;
}

// Short strings over few bytes, so that equal ones, prefixes and zeroes come up often.
static void random_value(test_random *r, rwd_type type, rwd_value *out, uint8_t text[16]) {
    static const uint8_t letters[] = {0x00, 0x01, 0xFF, 'a'};
    memset(out, 0, sizeof *out);
    out->present = test_random_below(r, 6) != 0;
    if (!out->present) return;
    size_t size = test_random_below(r, 6);
    switch (type) {
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES:
        for (size_t i = 0; i < size; i++) text[i] = letters[test_random_below(r, sizeof letters)];
        out->s = rwd_slice_of(text, size);
        break;
    case RWD_TYPE_INT:
    case RWD_TYPE_TIME: out->i = (int64_t)test_random_wide(r) * (test_random_below(r, 2) ? 1 : -1); break;
    case RWD_TYPE_DECIMAL:
        out->d = (rwd_i128)(((unsigned __int128)test_random_wide(r) << test_random_below(r, 65)) ^ test_random_wide(r));
        if (test_random_below(r, 2)) out->d = -out->d;
        break;
    case RWD_TYPE_BOOL: out->b = test_random_below(r, 2); break;
    case RWD_TYPE_FLOAT: out->f = random_float(r); break;
    case RWD_TYPE_COUNT: abort();
    }
}

static int compare_numbers(rwd_i128 a, rwd_i128 b) { return (a > b) - (a < b); }

// The order that people mean: nulls first, then by value, part by part.
static int compare_values(const rwd_schema *schema, const rwd_value *a, const rwd_value *b) {
    for (size_t i = 0; i < schema->part_count; i++) {
        int order = (int)a[i].present - (int)b[i].present;
        if (order) return order;
        if (!a[i].present) continue;
        switch (schema->parts[i].type) {
        case RWD_TYPE_STRING:
        case RWD_TYPE_BYTES: {
            size_t common = a[i].s.size < b[i].s.size ? a[i].s.size : b[i].s.size;
            order = common ? memcmp(a[i].s.data, b[i].s.data, common) : 0;
            if (!order) order = compare_numbers((rwd_i128)a[i].s.size, (rwd_i128)b[i].s.size);
            break;
        }
        case RWD_TYPE_DECIMAL: order = compare_numbers(a[i].d, b[i].d); break;
        case RWD_TYPE_BOOL: order = (int)a[i].b - (int)b[i].b; break;
        case RWD_TYPE_FLOAT: order = (a[i].f > b[i].f) - (a[i].f < b[i].f); break;
        default: order = compare_numbers(a[i].i, b[i].i); break;
        }
        if (order) return order;
    }
    return 0;
}

static int sign(int v) { return (v > 0) - (v < 0); }

static void encoded_keys_order_and_equal_as_their_values_do(void **state) {
    (void)state;
    test_random r = test_random_of(1);
    for (int round = 0; round < ROUNDS; round++) {
        rwd_schema schema;
        random_schema(&r, &schema);
        rwd_value a[RWD_KEY_PARTS_MAX], b[RWD_KEY_PARTS_MAX];
        uint8_t text[2][RWD_KEY_PARTS_MAX][16], key_a[RWD_KEY_BYTES_MAX], key_b[RWD_KEY_BYTES_MAX];
        for (size_t i = 0; i < schema.part_count; i++) {
            random_value(&r, schema.parts[i].type, &a[i], text[0][i]);
            if (test_random_below(&r, 2)) b[i] = a[i];
            else random_value(&r, schema.parts[i].type, &b[i], text[1][i]);
        }
        rwd_slice x = rwd_slice_of(key_a, rwd_key_encode(&schema, a, key_a));
        rwd_slice y = rwd_slice_of(key_b, rwd_key_encode(&schema, b, key_b));
        assert_int_equal(sign(rwd_slice_compare(x, y)), sign(compare_values(&schema, a, b)));
        rwd_schema_deinit(&schema);
    }
}

static void decoding_gives_back_what_was_encoded(void **state) {
    (void)state;
    test_random r = test_random_of(2);
    rwd_buf scratch = {0};
    for (int round = 0; round < ROUNDS; round++) {
        rwd_schema schema;
        random_schema(&r, &schema);
        rwd_value in[RWD_KEY_PARTS_MAX], out[RWD_KEY_PARTS_MAX];
        uint8_t text[RWD_KEY_PARTS_MAX][16], key[RWD_KEY_BYTES_MAX];
        for (size_t i = 0; i < schema.part_count; i++) random_value(&r, schema.parts[i].type, &in[i], text[i]);
        size_t size = rwd_key_encode(&schema, in, key);
        rwd_buf_clear(&scratch);
        assert_true(rwd_key_decode(&schema, rwd_slice_of(key, size), out, &scratch));
        assert_int_equal(compare_values(&schema, in, out), 0);
        rwd_schema_deinit(&schema);
    }
    rwd_buf_deinit(&scratch);
}

static void a_key_cut_or_continued_is_refused(void **state) {
    (void)state;
    rwd_error err;
    rwd_schema schema;
    rwd_schema_init(&schema, 0, "t");
    assert_true(rwd_schema_add_part(&schema, "s", RWD_TYPE_STRING, 0, &err));
    assert_true(rwd_schema_add_part(&schema, "d", RWD_TYPE_DECIMAL, 2, &err));
    rwd_value parts[] = {{.s = rwd_slice_of("a\0b", 3), .present = true}, {.d = -5, .present = true}};
    uint8_t key[RWD_KEY_BYTES_MAX];
    size_t size = rwd_key_encode(&schema, parts, key);
    rwd_value out[RWD_KEY_PARTS_MAX];
    rwd_buf scratch = {0};
    for (size_t cut = 0; cut < size; cut++) {
        rwd_buf_clear(&scratch);
        assert_false(rwd_key_decode(&schema, rwd_slice_of(key, cut), out, &scratch));
    }
    rwd_buf_clear(&scratch);
    key[size] = 0;
    assert_false(rwd_key_decode(&schema, rwd_slice_of(key, size + 1), out, &scratch));
    rwd_buf_deinit(&scratch);
    rwd_schema_deinit(&schema);
}

// Infinities, NaN and -0.0 are no values, so no key holds them.
static void a_float_that_is_no_value_is_no_key(void **state) {
    (void)state;
    rwd_error err;
    rwd_schema schema;
    rwd_schema_init(&schema, 0, "t");
    assert_true(rwd_schema_add_part(&schema, "f", RWD_TYPE_FLOAT, 0, &err));
    const struct { double v; bool good; } cases[] = {{__builtin_inf(), false}, {-__builtin_inf(), false}, {__builtin_nan(""), false}, {-0.0, false}, {0.0, true}, {1e308, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rwd_value part = {.f = cases[i].v, .present = true}, out[RWD_KEY_PARTS_MAX];
        uint8_t key[RWD_KEY_BYTES_MAX];
        rwd_buf scratch = {0};
        size_t size = rwd_key_encode(&schema, &part, key);
        assert_int_equal(size, 9);
        assert_int_equal(rwd_key_decode(&schema, rwd_slice_of(key, size), out, &scratch), cases[i].good);
        rwd_buf_deinit(&scratch);
    }
    rwd_schema_deinit(&schema);
}

// The longest that fits is accepted, one byte more is not: for plain bytes, and for zeroes, which take two bytes each.
static void a_key_longer_than_its_bound_is_not_encoded(void **state) {
    (void)state;
    rwd_error err;
    rwd_schema schema;
    rwd_schema_init(&schema, 0, "t");
    assert_true(rwd_schema_add_part(&schema, "s", RWD_TYPE_STRING, 0, &err));
    uint8_t *text = calloc(1, RWD_KEY_BYTES_MAX + 1), key[RWD_KEY_BYTES_MAX];
    for (size_t zeroes = 0; zeroes < 2; zeroes++) {
        memset(text, zeroes ? 0 : 'x', RWD_KEY_BYTES_MAX + 1);
        size_t cost = zeroes + 1, longest = (RWD_KEY_BYTES_MAX - 3) / cost;
        rwd_value part = {.s = rwd_slice_of(text, longest), .present = true};
        assert_int_equal(rwd_key_encode(&schema, &part, key), longest * cost + 3);
        part.s.size = longest + 1;
        assert_int_equal(rwd_key_encode(&schema, &part, key), 0);
    }
    free(text);
    rwd_schema_deinit(&schema);
}

static void the_store_key_prefix_is_table_and_top_bits_of_the_hash(void **state) {
    (void)state;
    uint8_t out[RWD_STORE_KEY_PREFIX];
    rwd_store_key_prefix(out, 0x0203, 0xABC0000000000000u);
    const uint8_t expected[] = {0x02, 0x03, 0x0A, 0xBC};
    assert_memory_equal(out, expected, sizeof expected);
    assert_int_not_equal(rwd_key_hash(1, rwd_slice_str("k")), rwd_key_hash(2, rwd_slice_str("k")));
}

// ---------------------------------------------------------------------------------------------- schema
static void a_schema_refuses_what_cannot_be(void **state) {
    (void)state;
    rwd_error err;
    rwd_schema schema;
    rwd_schema_init(&schema, 0, "orders");
    const rwd_aggregate *sum = rwd_aggregate_find("sum");
    assert_true(rwd_schema_add_part(&schema, "customer", RWD_TYPE_STRING, 0, &err));
    assert_false(rwd_schema_add_part(&schema, "customer", RWD_TYPE_INT, 0, &err));
    assert_int_equal(err.code, RWD_E_CONFIG);
    assert_false(rwd_schema_add_column(&schema, "customer", sum, RWD_TYPE_INT, 0, &err));
    assert_false(rwd_schema_add_column(&schema, "when", sum, RWD_TYPE_TIME, 0, &err));
    assert_non_null(strstr(err.cause, "int, decimal"));
    for (size_t i = 0; i < RWD_COLUMNS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%zu", i);
        assert_true(rwd_schema_add_column(&schema, name, sum, RWD_TYPE_DECIMAL, 2, &err));
    }
    assert_false(rwd_schema_add_column(&schema, "one-more", sum, RWD_TYPE_DECIMAL, 2, &err));
    for (size_t i = 1; i < RWD_KEY_PARTS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%zu", i);
        assert_true(rwd_schema_add_part(&schema, name, RWD_TYPE_INT, 0, &err));
    }
    assert_false(rwd_schema_add_part(&schema, "one-more", RWD_TYPE_INT, 0, &err));
    assert_int_equal(schema.row_size, RWD_COLUMNS_MAX * 16);
    rwd_schema_deinit(&schema);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoded_keys_order_and_equal_as_their_values_do),
        cmocka_unit_test(decoding_gives_back_what_was_encoded),
        cmocka_unit_test(a_key_cut_or_continued_is_refused),
        cmocka_unit_test(a_float_that_is_no_value_is_no_key),
        cmocka_unit_test(a_key_longer_than_its_bound_is_not_encoded),
        cmocka_unit_test(the_store_key_prefix_is_table_and_top_bits_of_the_hash),
        cmocka_unit_test(a_schema_refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
