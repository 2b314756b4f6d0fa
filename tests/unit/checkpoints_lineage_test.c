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
    rwd_put_be32(bytes.data, 3);
    assert_false(rwd_lineage_decode(rwd_buf_slice(&bytes), &back, &err));
    assert_int_equal(err.code, RWD_E_NEWER_FORMAT);
    rwd_put_be32(bytes.data, 1);
    rwd_put_be32(bytes.data + 28, 0xFFFFFFFF);
    assert_false(rwd_lineage_decode(rwd_buf_slice(&bytes), &back, &err));
    rwd_buf_deinit(&bytes);
    rwd_lineage_deinit(&lineage);
}

// ---- amendments

static rwd_buf text_of(const char *text) {
    rwd_buf buf = {0};
    rwd_buf_append_str(&buf, text);
    return buf;
}

static rwd_amendment skip_at(int64_t at) { return (rwd_amendment){.kind = RWD_AMEND_SKIP, .at = at, .time_us = RWD_TIME_NONE}; }

static rwd_amendment amendment_of(rwd_amend_kind kind, int64_t at, const char *value, const char *reason) {
    return (rwd_amendment){.kind = kind, .at = at, .has_value = true, .value = text_of(value), .time_us = RWD_TIME_NONE, .reason = text_of(reason)};
}

static rwd_lineage amended(rwd_amendment amendment) {
    rwd_lineage lineage = LINEAGE(SEGMENT(10, 7, 1));
    rwd_error err;
    assert_true(rwd_lineage_check_amendment(&lineage, &amendment, &err));
    rwd_lineage_add_amendment(&lineage, amendment);
    return lineage;
}

static void history_covers_the_amendments_below_x(void **state) {
    (void)state;
    check_history(LINEAGE(SEGMENT(10, 7, 1)), amended(skip_at(50)), 50, true);
    check_history(LINEAGE(SEGMENT(10, 7, 1)), amended(skip_at(50)), 51, false);
    check_history(amended(skip_at(50)), amended(skip_at(49)), 51, false);
    check_history(amended(amendment_of(RWD_AMEND_INSERT, 50, "a", "")), amended(amendment_of(RWD_AMEND_INSERT, 50, "b", "")), 51, false);
    check_history(amended(amendment_of(RWD_AMEND_INSERT, 50, "a", "")), amended(amendment_of(RWD_AMEND_REPLACE, 50, "a", "")), 51, false);
    rwd_amendment timed = amendment_of(RWD_AMEND_INSERT, 50, "a", "");
    timed.time_us = 0;
    check_history(amended(amendment_of(RWD_AMEND_INSERT, 50, "a", "")), amended(timed), 51, false);
}

static void a_reason_is_in_the_id_and_in_no_history(void **state) {
    (void)state;
    rwd_lineage a = amended(amendment_of(RWD_AMEND_REPLACE, 50, "a", "typo")), b = amended(amendment_of(RWD_AMEND_REPLACE, 50, "a", "fraud"));
    assert_false(rwd_hash128_equal(rwd_lineage_id(&a), rwd_lineage_id(&b)));
    check_history(a, b, 51, true);
}

static void amendments_are_kept_in_the_order_in_which_they_act(void **state) {
    (void)state;
    rwd_lineage a = LINEAGE(SEGMENT(10, 7, 1));
    rwd_lineage_add_amendment(&a, amendment_of(RWD_AMEND_REPLACE, 70, "late", ""));
    rwd_lineage_add_amendment(&a, amendment_of(RWD_AMEND_REPLACE, 50, "record", ""));
    rwd_lineage_add_amendment(&a, amendment_of(RWD_AMEND_INSERT, 50, "first", ""));
    rwd_lineage_add_amendment(&a, amendment_of(RWD_AMEND_INSERT, 50, "second", ""));
    rwd_lineage_add_amendment(&a, amendment_of(RWD_AMEND_INSERT, 20, "early", ""));
    static const char *const order[] = {"early", "first", "second", "record", "late"};
    assert_int_equal(a.amendment_count, 5);
    for (size_t i = 0; i < 5; i++) assert_true(rwd_slice_equal(rwd_buf_slice(&a.amendments[i].value), rwd_slice_str(order[i])));
    rwd_lineage_add_amendment(&a, skip_at(50));  // a newer word on the same record
    assert_int_equal(a.amendment_count, 5);
    assert_int_equal(a.amendments[3].kind, RWD_AMEND_SKIP);
    assert_int_equal(a.amendment_bytes, strlen("earlyfirstsecondlate"));
    rwd_lineage_deinit(&a);
}

static void check_refused(rwd_amendment amendment) {
    rwd_lineage lineage = LINEAGE(SEGMENT(10, 7, 1));
    rwd_error err;
    assert_false(rwd_lineage_check_amendment(&lineage, &amendment, &err));
    assert_int_equal(err.code, RWD_E_USAGE);
    rwd_amendment_deinit(&amendment);
    rwd_lineage_deinit(&lineage);
}

static void amendments_that_say_nothing_or_too_much_are_refused(void **state) {
    (void)state;
    check_refused(skip_at(9));  // below genesis
    check_refused(amendment_of(RWD_AMEND_SKIP, 50, "a", ""));
    check_refused((rwd_amendment){.kind = RWD_AMEND_REPLACE, .at = 50, .time_us = RWD_TIME_NONE});
    rwd_amendment large = skip_at(50);
    rwd_buf_reserve(&large.reason, RWD_AMENDMENT_BYTES_MAX + 1);
    large.reason.size = RWD_AMENDMENT_BYTES_MAX + 1;
    check_refused(large);
}

static rwd_amendment random_amendment(test_random *r, int64_t genesis) {
    rwd_amendment a = skip_at(genesis + (int64_t)test_random_below(r, 8));
    a.kind = (rwd_amend_kind)(1 + test_random_below(r, 3));
    if (a.kind != RWD_AMEND_SKIP) {
        a.has_value = a.kind == RWD_AMEND_REPLACE || test_random_below(r, 2);
        a.has_key = test_random_below(r, 2);
        if (a.has_value) a.value = text_of("some bytes" + test_random_below(r, 10));
        if (a.has_key) a.key = text_of("key" + test_random_below(r, 4));
        if (test_random_below(r, 2)) a.time_us = (int64_t)test_random_below(r, 1u << 30);
    }
    if (test_random_below(r, 2)) a.reason = text_of("because");
    return a;
}

static void amended_lineages_read_back_and_none_of_their_beginnings_do(void **state) {
    (void)state;
    test_random r = test_random_of(3);
    for (unsigned round = 0; round < 200; round++) {
        rwd_lineage lineage = LINEAGE(SEGMENT(10, 7, 1), SEGMENT(14, 8, 1)), back, copy, none;
        rwd_buf bytes = {0};
        rwd_error err;
        for (uint64_t i = 1 + test_random_below(&r, 9); i > 0; i--) rwd_lineage_add_amendment(&lineage, random_amendment(&r, 10));
        rwd_lineage_encode(&lineage, &bytes);
        assert_true(rwd_lineage_decode(rwd_buf_slice(&bytes), &back, &err));
        rwd_lineage_copy(&lineage, &copy);
        assert_true(rwd_hash128_equal(rwd_lineage_id(&back), rwd_lineage_id(&lineage)));
        assert_true(rwd_hash128_equal(rwd_lineage_id(&copy), rwd_lineage_id(&lineage)));
        assert_int_equal(back.amendment_bytes, lineage.amendment_bytes);
        assert_int_equal(copy.amendment_bytes, lineage.amendment_bytes);
        for (int64_t x = 10; x < 20; x++) assert_true(rwd_hash128_equal(rwd_lineage_history(&back, x), rwd_lineage_history(&lineage, x)));
        for (size_t size = 0; size < bytes.size; size++) assert_false(rwd_lineage_decode(rwd_slice_of(bytes.data, size), &none, &err));
        rwd_buf_append_char(&bytes, '\0');
        assert_false(rwd_lineage_decode(rwd_buf_slice(&bytes), &none, &err));
        rwd_buf_deinit(&bytes);
        rwd_lineage_deinit(&lineage);
        rwd_lineage_deinit(&back);
        rwd_lineage_deinit(&copy);
    }
}

// Two skips of one record are bytes that no lineage has: their order would be in the id and would mean nothing.
static void amendments_in_an_order_that_none_has_are_corrupt(void **state) {
    (void)state;
    rwd_lineage lineage = LINEAGE(SEGMENT(10, 7, 1)), none;
    rwd_buf bytes = {0};
    rwd_error err;
    rwd_lineage_add_amendment(&lineage, skip_at(20));
    rwd_lineage_add_amendment(&lineage, skip_at(21));
    rwd_lineage_encode(&lineage, &bytes);
    uint8_t *second = bytes.data + bytes.size - 30;
    rwd_put_be64(second + 2, 20);
    assert_false(rwd_lineage_decode(rwd_buf_slice(&bytes), &none, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    rwd_put_be64(second + 2, 19);
    assert_false(rwd_lineage_decode(rwd_buf_slice(&bytes), &none, &err));
    rwd_put_be64(second + 2, 21);
    second[0] = 4;
    assert_false(rwd_lineage_decode(rwd_buf_slice(&bytes), &none, &err));
    rwd_buf_deinit(&bytes);
    rwd_lineage_deinit(&lineage);
}

static void an_offset_belongs_to_the_last_segment_that_begins_at_or_below_it(void **state) {
    (void)state;
    rwd_lineage lineage = LINEAGE(SEGMENT(10, 7, 1), SEGMENT(100, 8, 1), SEGMENT(101, 7, 1));
    assert_int_equal(rwd_lineage_segment_at(&lineage, 10), 0);
    assert_int_equal(rwd_lineage_segment_at(&lineage, 99), 0);
    assert_int_equal(rwd_lineage_segment_at(&lineage, 100), 1);
    assert_int_equal(rwd_lineage_segment_at(&lineage, 101), 2);
    assert_int_equal(rwd_lineage_segment_at(&lineage, 5000), 2);
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
        cmocka_unit_test(history_covers_the_amendments_below_x),
        cmocka_unit_test(a_reason_is_in_the_id_and_in_no_history),
        cmocka_unit_test(amendments_are_kept_in_the_order_in_which_they_act),
        cmocka_unit_test(amendments_that_say_nothing_or_too_much_are_refused),
        cmocka_unit_test(amended_lineages_read_back_and_none_of_their_beginnings_do),
        cmocka_unit_test(amendments_in_an_order_that_none_has_are_corrupt),
        cmocka_unit_test(an_offset_belongs_to_the_last_segment_that_begins_at_or_below_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
