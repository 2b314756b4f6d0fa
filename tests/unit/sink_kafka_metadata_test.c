// What travels with C in Kafka.
#include "operator/sink/kafka_metadata.h"

#include "tests/support/random.h"
#include "tests/unit/test.h"

static rwd_hash128 any_hash(test_random *random) { return (rwd_hash128){test_random_u64(random), test_random_u64(random)}; }

static rwd_commit any_commit(test_random *random) {
    return (rwd_commit){
        .next_offset = (int64_t)(test_random_u64(random) >> 1), .source = any_hash(random), .repository = any_hash(random), .owner = test_random_u64(random),
        .term = test_random_u64(random), .lineage = any_hash(random), .switch_number = test_random_u64(random), .input_count = test_random_u64(random),
        .input_hash = any_hash(random),
    };
}

static void assert_same(const rwd_commit *a, const rwd_commit *b) {
    assert_int_equal(a->next_offset, b->next_offset);
    assert_true(rwd_hash128_equal(a->source, b->source));
    assert_true(rwd_hash128_equal(a->repository, b->repository));
    assert_int_equal(a->owner, b->owner);
    assert_int_equal(a->term, b->term);
    assert_true(rwd_hash128_equal(a->lineage, b->lineage));
    assert_int_equal(a->switch_number, b->switch_number);
    assert_int_equal(a->input_count, b->input_count);
    assert_true(rwd_hash128_equal(a->input_hash, b->input_hash));
    assert_int_equal(a->closings, b->closings);
    assert_int_equal(a->repair, b->repair);
    assert_int_equal(a->repair_rows, b->repair_rows);
}

static void what_is_encoded_is_decoded_and_is_short_text(void **state) {
    (void)state;
    test_random random = test_random_of(1);
    for (int i = 0; i < 1000; i++) {
        rwd_commit in = any_commit(&random), out;
        if (i % 3 > 0) in.closings = test_random_u64(&random);
        if (i % 2) in.repair = test_random_u64(&random) | 1, in.repair_rows = test_random_u64(&random);
        rwd_hash128 cluster = any_hash(&random), got;
        rwd_buf text = {0};
        rwd_kafka_metadata_encode(&in, cluster, &text);
        assert_true(text.size <= RWD_KAFKA_METADATA_MAX);
        for (size_t c = 0; c < text.size; c++) assert_in_range(text.data[c], ' ', '~');
        assert_true(rwd_kafka_metadata_decode(rwd_buf_slice(&text), in.next_offset, &out, &got));
        assert_same(&in, &out);
        assert_true(rwd_hash128_equal(cluster, got));
        rwd_buf_deinit(&text);
    }
}

// As programs wrote it that knew nothing of repairs.
static void metadata_of_earlier_versions_reads_as_it_did(void **state) {
    (void)state;
    static const char plain[] = "rewind1 AAAAAAAAAAQAAAAAAAAAA/7t+s7K/r7vAAAAAAAAAAcAAAAAAAAABgAAAAAAAAAFAAAAAAAAAAEA"
                                "AAAAAAAAKgAAAAAAAAAJAAAAAAAABRYAAAAAAAAAAgAAAAAAAAABAAAAAAAAAAwAAAAAAAAACxi2TKo=";
    rwd_commit out;
    rwd_hash128 cluster;
    assert_true(rwd_kafka_metadata_decode(rwd_slice_str(plain), 42, &out, &cluster));
    assert_int_equal(out.owner, 0xfeedfacecafebeef);
    assert_int_equal(out.input_count, 42);
    assert_int_equal(out.closings, 0);
    assert_int_equal(out.repair, 0);
}

static void any_other_text_is_foreign(void **state) {
    (void)state;
    test_random random = test_random_of(2);
    rwd_commit in = any_commit(&random), out;
    rwd_hash128 cluster = any_hash(&random);
    rwd_buf text = {0};
    rwd_kafka_metadata_encode(&in, cluster, &text);
    for (size_t size = 0; size < text.size; size++) assert_false(rwd_kafka_metadata_decode(rwd_slice_of(text.data, size), 1, &out, &cluster));
    for (size_t at = 0; at < text.size; at++) {
        uint8_t was = text.data[at];
        text.data[at] = was == 'A' ? 'B' : 'A';
        assert_false(rwd_kafka_metadata_decode(rwd_buf_slice(&text), 1, &out, &cluster));
        text.data[at] = was;
    }
    assert_false(rwd_kafka_metadata_decode(rwd_slice_str("consumer of orders"), 1, &out, &cluster));
    rwd_buf_deinit(&text);
}

static void a_newer_form_is_known_as_such(void **state) {
    (void)state;
    assert_true(rwd_kafka_metadata_is_newer(rwd_slice_str("rewind2 abc")));
    assert_false(rwd_kafka_metadata_is_newer(rwd_slice_str("rewind1 abc")));
    assert_false(rwd_kafka_metadata_is_newer(rwd_slice_str("rewind")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded_and_is_short_text),
        cmocka_unit_test(metadata_of_earlier_versions_reads_as_it_did),
        cmocka_unit_test(any_other_text_is_foreign),
        cmocka_unit_test(a_newer_form_is_known_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
