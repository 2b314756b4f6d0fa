// Which of librdkafka's properties a job may set.
#include "operator/kafka/properties.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static void what_promises_rest_on_cannot_be_set(void **state) {
    (void)state;
#define OWNED(property, why)                                                                \
    {                                                                                       \
        rwd_error err;                                                                      \
        assert_false(rwd_kafka_property_check(property, "1", &err));                        \
        assert_int_equal(err.code, RWD_E_CONFIG);                                           \
        assert_non_null(strstr(err.cause, property));                                       \
        assert_non_null(strstr(err.cause, why));                                            \
    }
    RWD_KAFKA_OWNED_TABLE(OWNED)
#undef OWNED
}

static void all_else_that_librdkafka_knows_passes(void **state) {
    (void)state;
    static const char *const good[][2] = {
        {"security.protocol", "ssl"}, {"sasl.mechanism", "SCRAM-SHA-512"}, {"sasl.username", "me"}, {"sasl.password", "secret"},
        {"ssl.ca.location", "/etc/ca.pem"}, {"fetch.message.max.bytes", "2097152"}, {"compression.type", "zstd"}, {"linger.ms", "0"},
        {"transaction.timeout.ms", "30000"}, {"socket.keepalive.enable", "true"}, {"queued.max.messages.kbytes", "4096"},
    };
    rwd_error err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(rwd_kafka_property_check(good[i][0], good[i][1], &err));
}

static void an_unknown_name_or_value_is_refused(void **state) {
    (void)state;
    rwd_error err;
    assert_false(rwd_kafka_property_check("security.protocl", "ssl", &err));
    assert_non_null(strstr(err.cause, "security.protocl"));
    assert_false(rwd_kafka_property_check("security.protocol", "telepathy", &err));
    assert_int_equal(err.code, RWD_E_CONFIG);
    assert_non_null(strstr(err.cause, "security.protocol"));
}

static void secrets_are_known_by_name(void **state) {
    (void)state;
    static const char *const secrets[] = {"sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password"};
    static const char *const others[] = {"sasl.username", "ssl.ca.location", "security.protocol"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) assert_true(rwd_kafka_property_is_secret(secrets[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_false(rwd_kafka_property_is_secret(others[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_promises_rest_on_cannot_be_set),
        cmocka_unit_test(all_else_that_librdkafka_knows_passes),
        cmocka_unit_test(an_unknown_name_or_value_is_refused),
        cmocka_unit_test(secrets_are_known_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
