// Lineages: what the id and the history hash cover, and bytes that nobody vouches for.
#include <stdlib.h>

#include "checkpoints/lineage.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

static rwd_lineage lineage_of(size_t count, const rwd_lineage_segment *segments) {
    rwd_lineage lineage;
    rwd_lineage_init(&lineage, (rwd_hash128){1, 2}, 10);
    for (size_t i = 0; i < count; i++) rwd_lineage_add_segment(&lineage, segments[i]);
    return lineage;
}

#define LINEAGE(...) lineage_of(sizeof((rwd_lineage_segment[]){__VA_ARGS__}) / sizeof(rwd_lineage_segment), (rwd_lineage_segment[]){__VA_ARGS__})
#define SEGMENT(from, logic, sinks) {(from), {(logic), 0}, {(sinks), 0}}

static void check_history(rwd_lineage a, rwd_lineage b, int64_t x, bool equal) {
    assert_int_equal(rwd_hash128_equal(rwd_lineage_history(&a, x), rwd_lineage_history(&b, x)), equal);
    rwd_lineage_deinit(&a);
    rwd_lineage_deinit(&b);
}

static void history_below_x_ignores_segments_that_have_not_acted(void **state) {
    (void)state;
    check_history(LINEAGE(SEGMENT(10, 7, 1)), LINEAGE(SEGMENT(10, 7, 1), SEGMENT(100, 8, 1)), 100, true);
    check_history(LINEAGE(SEGMENT(10, 7, 1)), LINEAGE(SEGMENT(10, 7, 1), SEGMENT(100, 8, 1)), 101, false);
    check_history(LINEAGE(SEGMENT(10, 7, 1)), LINEAGE(SEGMENT(10, 8, 1)), 10, true);
    check_history(LINEAGE(SEGMENT(10, 7, 1)), LINEAGE(SEGMENT(10, 8, 1)), 11, false);
}

static void sinks_shape_no_state(void **state) {
    (void)state;
    check_history(LINEAGE(SEGMENT(10, 7, 1)), LINEAGE(SEGMENT(10, 7, 2)), 500, true);
    check_history(LINEAGE(SEGMENT(10, 7, 1)), LINEAGE(SEGMENT(10, 7, 1), SEGMENT(100, 7, 2)), 500, true);
    check_history(LINEAGE(SEGMENT(10, 7, 1), SEGMENT(100, 7, 2), SEGMENT(200, 8, 2)), LINEAGE(SEGMENT(10, 7, 1), SEGMENT(200, 8, 1)), 500, true);
    rwd_lineage a = LINEAGE(SEGMENT(10, 7, 1)), b = LINEAGE(SEGMENT(10, 7, 2));
    assert_false(rwd_hash128_equal(rwd_lineage_id(&a), rwd_lineage_id(&b)));
    rwd_lineage_deinit(&a);
    rwd_lineage_deinit(&b);
}

static void where_a_segment_begins_matters(void **state) {
    (void)state;
    check_history(LINEAGE(SEGMENT(10, 7, 1), SEGMENT(100, 8, 1)), LINEAGE(SEGMENT(10, 7, 1), SEGMENT(101, 8, 1)), 500, false);
}

static void source_and_genesis_are_in_every_history(void **state) {
    (void)state;
    rwd_lineage a, b, c;
    rwd_lineage_init(&a, (rwd_hash128){1, 2}, 10);
    rwd_lineage_init(&b, (rwd_hash128){1, 3}, 10);
    rwd_lineage_init(&c, (rwd_hash128){1, 2}, 11);
    assert_false(rwd_hash128_equal(rwd_lineage_history(&a, 10), rwd_lineage_history(&b, 10)));
    assert_false(rwd_hash128_equal(rwd_lineage_history(&a, 10), rwd_lineage_history(&c, 10)));
    rwd_lineage_deinit(&a);
    rwd_lineage_deinit(&b);
    rwd_lineage_deinit(&c);
}

static void a_lineage_reads_back_from_its_bytes(void **state) {
    (void)state;
    test_random r = test_random_of(2);
    for (unsigned round = 0; round < 200; round++) {
        rwd_lineage lineage, back;
        rwd_buf bytes = {0}, again = {0};
        rwd_error err;
        int64_t from = (int64_t)test_random_below(&r, 1000);
        rwd_lineage_init(&lineage, (rwd_hash128){test_random_u64(&r), test_random_u64(&r)}, from);
        for (uint64_t i = test_random_below(&r, 6); i > 0; i--) {
            rwd_lineage_add_segment(&lineage, (rwd_lineage_segment){from, {test_random_u64(&r), 1}, {2, test_random_u64(&r)}});
            from += 1 + (int64_t)test_random_below(&r, 1 << 30);
        }
        rwd_lineage_encode(&lineage, &bytes);
        assert_true(rwd_lineage_decode(rwd_buf_slice(&bytes), &back, &err));
        rwd_lineage_encode(&back, &again);
        assert_true(rwd_slice_equal(rwd_buf_slice(&bytes), rwd_buf_slice(&again)));
        assert_int_equal(back.genesis, lineage.genesis);
        assert_int_equal(back.segment_count, lineage.segment_count);
        assert_true(rwd_hash128_equal(rwd_lineage_id(&back), rwd_lineage_id(&lineage)));
        for (size_t size = 0; size < bytes.size; size++) {  // no beginning of it is a lineage
            rwd_lineage none;
            assert_false(rwd_lineage_decode(rwd_slice_of(bytes.data, size), &none, &err));
            assert_int_equal(err.code, RWD_E_CORRUPT);
        }
        rwd_buf_deinit(&bytes);
        rwd_buf_deinit(&again);
        rwd_lineage_deinit(&lineage);
        rwd_lineage_deinit(&back);
    }
}

static void segments_out_of_order_and_newer_encodings_are_refused(void **state) {
    (void)state;
    rwd_lineage lineage = LINEAGE(SEGMENT(10, 7, 1), SEGMENT(100, 8, 1)), back;
    rwd_buf bytes = {0};
    rwd_error err;
    rwd_lineage_encode(&lineage, &bytes);
    rwd_put_be64(bytes.data + 32 + 40, 10);
    assert_false(rwd_lineage_decode(rwd_buf_slice(&bytes), &back, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    rwd_put_be64(bytes.data + 32 + 40, (uint64_t)-5);
    assert_false(rwd_lineage_decode(rwd_buf_slice(&bytes), &back, &err));
    rwd_put_be64(bytes.data + 32 + 40, 100);
    rwd_put_be32(bytes.data, 2);
    assert_false(rwd_lineage_decode(rwd_buf_slice(&bytes), &back, &err));
    assert_int_equal(err.code, RWD_E_NEWER_FORMAT);
    rwd_put_be32(bytes.data, 1);
    rwd_put_be32(bytes.data + 28, 0xFFFFFFFF);
    assert_false(rwd_lineage_decode(rwd_buf_slice(&bytes), &back, &err));
    rwd_buf_deinit(&bytes);
    rwd_lineage_deinit(&lineage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_below_x_ignores_segments_that_have_not_acted),
        cmocka_unit_test(sinks_shape_no_state),
        cmocka_unit_test(where_a_segment_begins_matters),
        cmocka_unit_test(source_and_genesis_are_in_every_history),
        cmocka_unit_test(a_lineage_reads_back_from_its_bytes),
        cmocka_unit_test(segments_out_of_order_and_newer_encodings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
