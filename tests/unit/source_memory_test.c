// The list of records as a source: what other tests rely on.
#include "operator/source/memory.h"

#include "tests/unit/test.h"

static const rwd_memory_record records[] = {{0, 10, "a"}, {1, 20, "b"}, {5, 30, "c"}, {6, RWD_TIME_NONE, "d"}};

static void batches_are_cut_where_the_test_wants(void **state) {
    (void)state;
    rwd_source *source = rwd_memory_source_new(records, 4, 3);
    rwd_batch batch;
    rwd_error err;
    assert_true(source->ops->assign(source, 0, (rwd_slice){0}, &err));
    assert_true(source->ops->batch(source, 10, 0, &batch, &err));
    assert_int_equal(batch.count, 3);
    assert_false(batch.end);
    assert_int_equal(batch.records[2].offset, 5);
    assert_int_equal(batch.records[2].time_us, 30);
    assert_true(rwd_hash128_equal(batch.records[2].hash, rwd_hash128_of("c", 1, 5)));
    source->ops->release(source);
    assert_true(source->ops->batch(source, 10, 0, &batch, &err));
    assert_int_equal(batch.count, 1);
    assert_true(batch.end);
    source->ops->close(source);
}

static void a_cursor_leads_behind_gaps(void **state) {
    (void)state;
    rwd_source *source = rwd_memory_source_new(records, 4, 10);
    rwd_batch batch;
    rwd_buf cursor = {0};
    rwd_error err;
    assert_true(source->ops->batch(source, 2, 0, &batch, &err));
    assert_true(source->ops->cursor(source, &batch.records[1], &cursor, &err));
    assert_true(source->ops->assign(source, 2, rwd_buf_slice(&cursor), &err));
    assert_true(source->ops->batch(source, 10, 0, &batch, &err));
    assert_int_equal(batch.records[0].offset, 5);
    assert_false(source->ops->assign(source, 3, rwd_buf_slice(&cursor), &err));
    assert_int_equal(err.code, RWD_E_POSITION);
    rwd_buf_deinit(&cursor);
    source->ops->close(source);
}

static void what_is_appended_comes_at_the_end(void **state) {
    (void)state;
    rwd_source *source = rwd_memory_source_new(records, 1, 10);
    rwd_batch batch;
    rwd_error err;
    assert_true(source->ops->batch(source, 10, 0, &batch, &err));
    assert_true(batch.count == 1 && batch.end);
    source->ops->release(source);
    rwd_memory_source_append(source, records + 1, 3);
    assert_true(source->ops->batch(source, 10, 0, &batch, &err));
    assert_true(batch.count == 3 && batch.end);
    int64_t low, high;
    assert_true(source->ops->bounds(source, &low, &high, &err));
    assert_true(low == 0 && high == 7);
    source->ops->close(source);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_cut_where_the_test_wants),
        cmocka_unit_test(a_cursor_leads_behind_gaps),
        cmocka_unit_test(what_is_appended_comes_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
