// The partitioners are those of the clients: Java's own test values (Kafka's UtilsTest.testMurmur2), and the check value of CRC-32.
#include "operator/kafka/partitioner.h"

#include <stdio.h>

#include "tests/unit/test.h"

static void murmur2_is_javas(void **state) {
    (void)state;
    static const struct {
        const char *key;
        int32_t hash;
    } cases[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned count = 1; count < 1000; count += 37)
            assert_int_equal(rwd_kafka_murmur2_partition(rwd_slice_str(cases[i].key), count), (unsigned)(cases[i].hash & INT32_MAX) % count);
}

static void crc32_is_zlibs(void **state) {
    (void)state;
    for (unsigned count = 1; count < 1000; count += 37)
        assert_int_equal(rwd_kafka_crc32_partition(rwd_slice_str("123456789"), count), 0xcbf43926u % count);
    assert_int_equal(rwd_kafka_crc32_partition(rwd_slice_str(""), 7), 0);
}

// A key that goes where `rule` says, and one that goes elsewhere by both.
static void keys_of(unsigned (*rule)(rwd_slice, unsigned), unsigned partition, unsigned count, char here[32], char elsewhere[32]) {
    for (unsigned i = 0, found = 0; found < 2; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key-%u", i);
        rwd_slice slice = rwd_slice_str(key);
        unsigned murmur2 = rwd_kafka_murmur2_partition(slice, count), crc32 = rwd_kafka_crc32_partition(slice, count);
        if (rule(slice, count) == partition && murmur2 != crc32) memcpy(here, key, sizeof key);
        else if (murmur2 != partition && crc32 != partition) memcpy(elsewhere, key, sizeof key);
        else continue;
        found = (here[0] != '\0') + (elsewhere[0] != '\0');
    }
}

static void a_key_belongs_where_the_records_own_rule_puts_it(void **state) {
    (void)state;
    unsigned (*const rules[])(rwd_slice, unsigned) = {rwd_kafka_murmur2_partition, rwd_kafka_crc32_partition};
    const rwd_slice none = rwd_slice_of(NULL, 0);
    char here[2][32] = {0}, elsewhere[32] = "";
    for (size_t r = 0; r < 2; r++) keys_of(rules[r], 1, 3, here[r], elsewhere);
    for (size_t r = 0; r < 2; r++) {
        rwd_slice own = rwd_slice_str(here[r]), stray = rwd_slice_str(elsewhere);
        assert_true(rwd_kafka_key_belongs(own, own, 1, 3));
        assert_true(rwd_kafka_key_belongs(own, none, 1, 3));
        assert_false(rwd_kafka_key_belongs(rwd_slice_str(here[1 - r]), own, 1, 3));  // by the other rule only
        assert_false(rwd_kafka_key_belongs(stray, own, 1, 3));
        assert_false(rwd_kafka_key_belongs(stray, none, 1, 3));
        assert_true(rwd_kafka_key_belongs(stray, stray, 1, 3));  // the record's own, by whatever rule it came here
        assert_true(rwd_kafka_rule_is_known(own, 1, 3));
        assert_false(rwd_kafka_rule_is_known(stray, 1, 3));
        assert_false(rwd_kafka_key_belongs(own, stray, 1, 3));
    }
    assert_true(rwd_kafka_rule_is_known(none, 1, 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(murmur2_is_javas),
        cmocka_unit_test(crc32_is_zlibs),
        cmocka_unit_test(a_key_belongs_where_the_records_own_rule_puts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
