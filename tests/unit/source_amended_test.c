// A source with amendments (L6): what acts where, what counts, and what moves X.
#include "operator/source/amended.h"

#include "operator/source/memory.h"
#include "tests/unit/test.h"

// Offset 2 is a transaction marker: there is no record.
static const rwd_memory_record records[] = {{0, 10, "zero"}, {1, 20, "one"}, {3, 30, "three"}, {4, 40, "four"}, {7, 70, "seven"}};

typedef struct rig {
    rwd_lineage lineage;
    rwd_source *source;
} rig;

static rig begin(size_t batch_max) {
    rig r;
    rwd_lineage_init(&r.lineage, (rwd_hash128){0}, 0);
    r.source = rwd_amended_source_new(rwd_memory_source_new(records, 5, batch_max), 8);
    return r;
}

static void end(rig *r) {
    r->source->ops->close(r->source);
    rwd_lineage_deinit(&r->lineage);
}

static void amend(rig *r, rwd_amend_kind kind, int64_t at, const char *value) {
    rwd_amendment a = {.kind = kind, .at = at, .has_value = value != NULL, .time_us = RWD_TIME_NONE};
    if (value) rwd_buf_append_str(&a.value, value);
    rwd_lineage_add_amendment(&r->lineage, a);
}

// Reads all from `offset` on, as "offset:value" with a sign for what happened to it, batches separated by '|'; checks what holds of every batch.
static void read_all(rig *r, int64_t offset, const char *expected) {
    rwd_buf text = {0};
    rwd_error err;
    static const char signs[] = {' ', '-', '=', '+'};
    rwd_amended_source_use(r->source, r->lineage.amendments, r->lineage.amendment_count);
    assert_true(r->source->ops->assign(r->source, offset, (rwd_slice){0}, &err));
    for (bool more = true; more;) {
        rwd_batch batch;
        assert_true(r->source->ops->batch(r->source, RWD_BATCH_MAX, 0, &batch, &err));
        if (text.size > 0 && batch.count > 0) rwd_buf_append_char(&text, '|');
        for (size_t i = 0; i < batch.count; i++) {
            const rwd_record *record = &batch.records[i];
            rwd_buf_appendf(&text, "%s%c%lld:%.*s", i ? " " : "", signs[record->amended], (long long)record->offset, (int)record->value.size, (const char *)record->value.data);
            if (record->amended == RWD_AMENDED_INSERTED) assert_true(i + 1 < batch.count && batch.records[i + 1].offset == record->offset);
        }
        more = !batch.end;
        r->source->ops->release(r->source);
    }
    assert_string_equal(rwd_buf_cstr(&text), expected);
    rwd_buf_deinit(&text);
}

static void without_amendments_batches_are_handed_on_as_they_are(void **state) {
    (void)state;
    rig r = begin(3);
    rwd_batch batch;
    rwd_error err;
    read_all(&r, 0, " 0:zero  1:one  3:three| 4:four  7:seven");
    assert_true(r.source->ops->assign(r.source, 0, (rwd_slice){0}, &err));
    assert_true(r.source->ops->batch(r.source, 10, 0, &batch, &err));
    assert_string_equal((const char *)batch.records[0].value.data, "zero");
    end(&r);
}

static void an_insert_at_a_marker_stands_before_the_next_record(void **state) {
    (void)state;
    rig r = begin(10);
    amend(&r, RWD_AMEND_INSERT, 2, "new");
    read_all(&r, 0, " 0:zero  1:one +3:new  3:three  4:four  7:seven");
    read_all(&r, 2, "+3:new  3:three  4:four  7:seven");  // behind record 1: X is 2, and the insert has not acted
    read_all(&r, 3, " 3:three  4:four  7:seven");         // X = 3 covers it
    end(&r);
}

static void several_inserts_at_one_offset_keep_their_order(void **state) {
    (void)state;
    rig r = begin(10);
    amend(&r, RWD_AMEND_INSERT, 6, "b");
    amend(&r, RWD_AMEND_INSERT, 4, "x");
    amend(&r, RWD_AMEND_INSERT, 6, "a");
    amend(&r, RWD_AMEND_INSERT, 5, "c");
    read_all(&r, 1, " 1:one  3:three +4:x  4:four +7:c +7:b +7:a  7:seven");
    end(&r);
}

static void an_insert_above_the_end_waits_for_a_record(void **state) {
    (void)state;
    rig r = begin(10);
    amend(&r, RWD_AMEND_INSERT, 8, "late");
    read_all(&r, 4, " 4:four  7:seven");
    end(&r);
}

static void an_insert_never_ends_a_batch(void **state) {
    (void)state;
    rig r = begin(1);
    amend(&r, RWD_AMEND_INSERT, 1, "a");
    amend(&r, RWD_AMEND_INSERT, 2, "b");
    amend(&r, RWD_AMEND_INSERT, 7, "c");
    read_all(&r, 0, " 0:zero|+1:a  1:one|+3:b  3:three| 4:four|+7:c  7:seven");
    end(&r);
}

static void more_inserts_than_a_batch_holds_stay_with_their_record(void **state) {
    (void)state;
    rig r = begin(10);
    rwd_batch batch;
    rwd_error err;
    for (int i = 0; i < RWD_BATCH_MAX + 10; i++) amend(&r, RWD_AMEND_INSERT, 7, "n");
    rwd_amended_source_use(r.source, r.lineage.amendments, r.lineage.amendment_count);
    assert_true(r.source->ops->assign(r.source, 4, (rwd_slice){0}, &err));
    assert_true(r.source->ops->batch(r.source, RWD_BATCH_MAX, 0, &batch, &err));
    assert_int_equal(batch.count, RWD_BATCH_MAX + 12);
    assert_int_equal(batch.records[batch.count - 1].amended, RWD_AMENDED_NOT);
    end(&r);
}

static void what_is_skipped_or_replaced_counts_as_the_topics_own(void **state) {
    (void)state;
    rig r = begin(10);
    rwd_batch batch;
    rwd_buf cursor = {0};
    rwd_error err;
    amend(&r, RWD_AMEND_SKIP, 1, NULL);
    amend(&r, RWD_AMEND_REPLACE, 3, "other");
    amend(&r, RWD_AMEND_REPLACE, 2, "none");
    read_all(&r, 0, " 0:zero -1:one =3:other  4:four  7:seven");
    assert_true(r.source->ops->assign(r.source, 0, (rwd_slice){0}, &err));
    assert_true(r.source->ops->batch(r.source, 10, 0, &batch, &err));
    assert_true(rwd_hash128_equal(batch.records[1].hash, rwd_hash128_of("one", 3, 1)));
    assert_true(rwd_hash128_equal(batch.records[2].hash, rwd_hash128_of("three", 5, 3)));
    assert_true(r.source->ops->cursor(r.source, &batch.records[2], &cursor, &err));
    assert_true(r.source->ops->assign(r.source, 4, rwd_buf_slice(&cursor), &err));  // the source's own words
    rwd_buf_deinit(&cursor);
    end(&r);
}

static void time_and_key_are_those_of_the_place_unless_given(void **state) {
    (void)state;
    rig r = begin(10);
    rwd_batch batch;
    rwd_error err;
    amend(&r, RWD_AMEND_INSERT, 3, "a");
    rwd_amendment timed = {.kind = RWD_AMEND_INSERT, .at = 3, .has_key = true, .has_value = false, .time_us = 99};
    rwd_buf_append_str(&timed.key, "k");
    rwd_lineage_add_amendment(&r.lineage, timed);
    rwd_amendment moved = {.kind = RWD_AMEND_REPLACE, .at = 4, .time_us = 44};
    rwd_lineage_add_amendment(&r.lineage, moved);
    rwd_amended_source_use(r.source, r.lineage.amendments, r.lineage.amendment_count);
    assert_true(r.source->ops->assign(r.source, 3, (rwd_slice){0}, &err));
    assert_true(r.source->ops->batch(r.source, 10, 0, &batch, &err));
    assert_true(batch.records[0].time_us == 30 && !batch.records[0].key.data && !batch.records[0].tombstone);
    assert_true(batch.records[1].time_us == 99 && batch.records[1].tombstone && rwd_slice_equal(batch.records[1].key, rwd_slice_str("k")));
    assert_true(batch.records[2].time_us == 30);
    assert_true(batch.records[3].time_us == 44 && rwd_slice_equal(batch.records[3].value, rwd_slice_str("four")));
    end(&r);
}

static void an_amended_value_has_the_records_limit(void **state) {
    (void)state;
    rig r = begin(10);
    rwd_batch batch;
    rwd_error err;
    char piece[4];
    amend(&r, RWD_AMEND_INSERT, 0, "123456789");
    amend(&r, RWD_AMEND_REPLACE, 0, "12345678");
    rwd_amended_source_use(r.source, r.lineage.amendments, r.lineage.amendment_count);
    assert_true(r.source->ops->assign(r.source, 0, (rwd_slice){0}, &err));
    assert_true(r.source->ops->batch(r.source, 10, 0, &batch, &err));
    assert_int_equal(batch.records[0].fault, RWD_E_TOO_LARGE);
    assert_int_equal(batch.records[1].fault, RWD_E_NONE);
    assert_true(r.source->ops->read_back(r.source, &batch.records[0], 5, piece, 4, &err));
    assert_memory_equal(piece, "6789", 4);
    assert_true(r.source->ops->read_back(r.source, &batch.records[2], 1, piece, 2, &err));
    assert_memory_equal(piece, "ne", 2);
    end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_amendments_batches_are_handed_on_as_they_are),
        cmocka_unit_test(an_insert_at_a_marker_stands_before_the_next_record),
        cmocka_unit_test(several_inserts_at_one_offset_keep_their_order),
        cmocka_unit_test(an_insert_above_the_end_waits_for_a_record),
        cmocka_unit_test(an_insert_never_ends_a_batch),
        cmocka_unit_test(more_inserts_than_a_batch_holds_stay_with_their_record),
        cmocka_unit_test(what_is_skipped_or_replaced_counts_as_the_topics_own),
        cmocka_unit_test(time_and_key_are_those_of_the_place_unless_given),
        cmocka_unit_test(an_amended_value_has_the_records_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
