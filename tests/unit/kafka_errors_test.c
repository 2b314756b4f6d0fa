// The published tables of Kafka's errors (operator/kafka/error.h): each row is translated as it says, and what librdkafka makes of each code that a broker can
// answer is seen with librdkafka's own broker of the tests (rdkafka_mock.h).
//
// `probes` says for each row which request is answered with its code, and what comes of that:
//
//   REACHES  the code reaches us, as the row's error
//   RETRIED  librdkafka asks again by itself, or we do, and the call works
//   LOCAL    librdkafka makes the code itself: no broker can send it, so only the translation is tested
//
// A row of the table without a probe fails.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/clock.h"
#include "operator/kafka/consumer.h"
#include "operator/kafka/group.h"
#include "operator/kafka/kafka_private.h"
#include "operator/kafka/producer.h"
#include "tests/unit/test.h"

#include <librdkafka/rdkafka_mock.h>

#define TOPIC "orders"
#define TRIES_MAX 200   // of taking a batch

// Requests, by their number in Kafka's protocol.
typedef enum request {
    LOCAL = -1, PRODUCE = 0, FETCH = 1, LIST_OFFSETS = 2, METADATA = 3, OFFSET_COMMIT = 8, OFFSET_FETCH = 9, FIND_COORDINATOR = 10, INIT_PRODUCER_ID = 22,
    ADD_PARTITIONS = 24, ADD_OFFSETS = 25, END_TXN = 26, TXN_OFFSET_COMMIT = 28,
} request;

typedef enum outcome { REACHES, RETRIED } outcome;

typedef struct table_row {
    const char *name;
    rd_kafka_resp_err_t code;
    rwd_code ours;
    const char *words, *next;
} table_row;

static const table_row rows[] = {
#define KAFKA_TEST_ROW(theirs, ours, words, next) {#theirs, RD_KAFKA_RESP_ERR_##theirs, RWD_E_##ours, words, next},
    RWD_KAFKA_ERROR_TABLE(KAFKA_TEST_ROW)
#undef KAFKA_TEST_ROW
};

typedef struct row_probe {
    const char *name;
    request asked;
    outcome outcome;
} row_probe;

static const row_probe probes[] = {
    {"_TRANSPORT", LOCAL, REACHES},
    {"_ALL_BROKERS_DOWN", LOCAL, REACHES},
    {"_RESOLVE", LOCAL, REACHES},
    {"_TIMED_OUT", LOCAL, REACHES},
    {"_TIMED_OUT_QUEUE", LOCAL, REACHES},
    {"_MSG_TIMED_OUT", LOCAL, REACHES},
    {"_WAIT_COORD", LOCAL, REACHES},
    {"_IN_PROGRESS", LOCAL, REACHES},
    {"_RETRY", LOCAL, REACHES},
    {"REQUEST_TIMED_OUT", PRODUCE, RETRIED},
    {"BROKER_NOT_AVAILABLE", PRODUCE, RETRIED},
    {"LEADER_NOT_AVAILABLE", PRODUCE, RETRIED},
    {"NOT_LEADER_FOR_PARTITION", FETCH, RETRIED},
    {"REPLICA_NOT_AVAILABLE", PRODUCE, RETRIED},
    {"PREFERRED_LEADER_NOT_AVAILABLE", LIST_OFFSETS, RETRIED},
    {"FENCED_LEADER_EPOCH", FETCH, RETRIED},
    {"UNKNOWN_LEADER_EPOCH", FETCH, RETRIED},
    {"OFFSET_NOT_AVAILABLE", LIST_OFFSETS, RETRIED},
    {"NETWORK_EXCEPTION", INIT_PRODUCER_ID, RETRIED},
    {"COORDINATOR_LOAD_IN_PROGRESS", INIT_PRODUCER_ID, RETRIED},
    {"COORDINATOR_NOT_AVAILABLE", FIND_COORDINATOR, RETRIED},
    {"NOT_COORDINATOR", TXN_OFFSET_COMMIT, RETRIED},
    {"NOT_ENOUGH_REPLICAS", PRODUCE, RETRIED},
    {"NOT_ENOUGH_REPLICAS_AFTER_APPEND", PRODUCE, RETRIED},
    {"KAFKA_STORAGE_ERROR", PRODUCE, RETRIED},
    {"UNSTABLE_OFFSET_COMMIT", OFFSET_FETCH, RETRIED},
    {"CONCURRENT_TRANSACTIONS", ADD_PARTITIONS, RETRIED},
    {"THROTTLING_QUOTA_EXCEEDED", LIST_OFFSETS, RETRIED},
    {"_AUTHENTICATION", LOCAL, REACHES},
    {"SASL_AUTHENTICATION_FAILED", LIST_OFFSETS, REACHES},
    {"UNSUPPORTED_SASL_MECHANISM", LIST_OFFSETS, REACHES},
    {"ILLEGAL_SASL_STATE", LIST_OFFSETS, REACHES},
    {"_SSL", LOCAL, REACHES},
    {"SECURITY_DISABLED", LIST_OFFSETS, REACHES},
    {"TOPIC_AUTHORIZATION_FAILED", FETCH, REACHES},
    {"GROUP_AUTHORIZATION_FAILED", ADD_OFFSETS, REACHES},
    {"TRANSACTIONAL_ID_AUTHORIZATION_FAILED", INIT_PRODUCER_ID, REACHES},
    {"CLUSTER_AUTHORIZATION_FAILED", INIT_PRODUCER_ID, REACHES},
    {"UNKNOWN_TOPIC_OR_PART", METADATA, REACHES},
    {"_UNKNOWN_TOPIC", LOCAL, REACHES},
    {"_UNKNOWN_PARTITION", LOCAL, REACHES},
    {"TOPIC_EXCEPTION", METADATA, REACHES},
    {"OFFSET_OUT_OF_RANGE", FETCH, REACHES},
    {"_AUTO_OFFSET_RESET", LOCAL, REACHES},
    {"MSG_SIZE_TOO_LARGE", PRODUCE, REACHES},
    {"RECORD_LIST_TOO_LARGE", PRODUCE, REACHES},
    {"INVALID_MSG_SIZE", PRODUCE, REACHES},
    {"INVALID_RECORD", PRODUCE, REACHES},
    {"POLICY_VIOLATION", PRODUCE, REACHES},
    {"OFFSET_METADATA_TOO_LARGE", TXN_OFFSET_COMMIT, REACHES},
    {"INVALID_TRANSACTION_TIMEOUT", INIT_PRODUCER_ID, REACHES},
    {"UNSUPPORTED_VERSION", LIST_OFFSETS, REACHES},
    {"_UNSUPPORTED_FEATURE", LOCAL, REACHES},
    {"UNSUPPORTED_FOR_MESSAGE_FORMAT", PRODUCE, REACHES},
    {"UNSUPPORTED_COMPRESSION_TYPE", PRODUCE, REACHES},
    {"INVALID_GROUP_ID", ADD_OFFSETS, REACHES},
    {"UNKNOWN_MEMBER_ID", OFFSET_COMMIT, REACHES},
    // librdkafka itself says _FENCED of both, which is a row with the same decision.
    {"PRODUCER_FENCED", END_TXN, REACHES},
    {"_FENCED", LOCAL, REACHES},
    {"INVALID_PRODUCER_EPOCH", END_TXN, REACHES},
    {"INVALID_PRODUCER_ID_MAPPING", ADD_OFFSETS, REACHES},
    {"UNKNOWN_PRODUCER_ID", PRODUCE, REACHES},
    {"INVALID_TXN_STATE", ADD_PARTITIONS, REACHES},
    {"OUT_OF_ORDER_SEQUENCE_NUMBER", PRODUCE, REACHES},
    {"TRANSACTION_COORDINATOR_FENCED", END_TXN, REACHES},
    {"_FATAL", LOCAL, REACHES},
    {"_PURGE_QUEUE", LOCAL, REACHES},
    {"_PURGE_INFLIGHT", LOCAL, REACHES},
};

static const row_probe *probe_of(const char *name) {
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        if (strcmp(probes[i].name, name) == 0) return &probes[i];
    return NULL;
}

// ---- the broker of the tests

typedef struct rig {
    rd_kafka_t *owner;
    rd_kafka_mock_cluster_t *cluster;
    rwd_kafka_settings settings;
} rig;

static void set_up(rig *r) {
    char reason[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rwd_kafka_own(conf, "log_level", "0");
    r->owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    assert_non_null(r->owner);
    r->cluster = rd_kafka_mock_cluster_new(r->owner, 1);
    assert_non_null(r->cluster);
    assert_int_equal(rd_kafka_mock_topic_create(r->cluster, TOPIC, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    r->settings = (rwd_kafka_settings){
        .brokers = rd_kafka_mock_cluster_bootstraps(r->cluster), .group = "group", .client = "test", .memory = 1 << 20, .memory_out = 1 << 20,
    };
}

static void tear_down(rig *r) {
    rd_kafka_mock_cluster_destroy(r->cluster);
    rd_kafka_destroy(r->owner);
}

// ---- what a job does

static bool write_one(rwd_kafka_producer *producer, rwd_kafka_fate *fate, rwd_error *err) {
    rwd_kafka_output output = {.topic = TOPIC, .key = rwd_slice_str("k"), .value = rwd_slice_str("v"), .time_ms = -1};
    return rwd_kafka_producer_begin(producer, fate, err) && rwd_kafka_producer_send(producer, &output, fate, err) &&
           rwd_kafka_producer_flush(producer, fate, err) && rwd_kafka_producer_offset(producer, TOPIC, 0, 1, rwd_slice_str("metadata"), fate, err) &&
           rwd_kafka_producer_commit(producer, fate, err);
}

// A transaction from taking over to its commit.
static bool do_transaction(const rig *r, rwd_error *err) {
    rwd_kafka_producer *producer;
    rwd_kafka_fate fate;
    rwd_kafka_wait wait = {0};
    if (!rwd_kafka_producer_open(&r->settings, "rewind/group/orders/0", rwd_clock_system(), &wait, &producer, err)) return false;
    bool ok = rwd_kafka_producer_init(producer, err) && write_one(producer, &fate, err);
    rwd_kafka_producer_close(producer);
    return ok;
}

// Where the partition begins and ends, and its first record if asked for.
static bool do_read(const rig *r, bool first, rwd_error *err) {
    rwd_kafka_consumer *consumer;
    rwd_kafka_batch batch = {0};
    int64_t low, high;
    int partitions;
    if (!rwd_kafka_consumer_open(&r->settings, TOPIC, 0, rwd_clock_system(), &consumer, err)) return false;
    bool ok = rwd_kafka_consumer_partitions(consumer, &partitions, err) && rwd_kafka_consumer_bounds(consumer, &low, &high, err) &&
              (!first || rwd_kafka_consumer_assign(consumer, low, err));
    for (unsigned tries = 0; first && ok && batch.count == 0 && tries < TRIES_MAX; tries++) ok = rwd_kafka_consumer_batch(consumer, 10, 50000000, &batch, err);
    if (first && ok && batch.count == 0) ok = rwd_fail(err, RWD_E_BUSY, "no record comes");
    rwd_kafka_consumer_close(consumer);
    return ok;
}

static bool do_look_at_group(const rig *r, rwd_error *err) {
    rwd_kafka_committed found;
    if (!rwd_kafka_read_committed(&r->settings, TOPIC, 0, false, &found, err)) return false;
    rwd_kafka_committed_deinit(&found);
    return true;
}

static bool do_commit_plainly(const rig *r, rwd_error *err) {
    rwd_kafka_group *group;
    rwd_kafka_wait wait = {0};
    if (!rwd_kafka_group_open(&r->settings, TOPIC, 0, rwd_clock_system(), &wait, &group, err)) return false;
    bool ok = rwd_kafka_group_commit(group, 1, rwd_slice_str("metadata"), err);
    rwd_kafka_group_close(group);
    return ok;
}

static bool do_what_asks(const rig *r, request asked, rwd_error *err) {
    switch (asked) {
    case FETCH: return do_read(r, true, err);
    case LIST_OFFSETS: case METADATA: return do_read(r, false, err);
    case OFFSET_COMMIT: return do_commit_plainly(r, err);
    case OFFSET_FETCH: return do_look_at_group(r, err);
    default: return do_transaction(r, err);
    }
}

// ---- tests

static void assert_is_row(const table_row *row, const rwd_error *err) {
    if (err->code != row->ours || !strstr(err->cause, row->words)) fail_msg("%s: %s: %s", row->name, rwd_code_name(err->code), err->cause);
    assert_int_equal(err->decision, rwd_code_decision(row->ours));
    assert_non_null(strstr(err->cause, rd_kafka_err2name(row->code)));
    assert_string_equal(err->next, row->next);
}

static void test_each_row_is_translated_as_it_says(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rwd_error err;
        assert_false(rwd_kafka_fail(NULL, &err, rows[i].code, NULL, NULL, "cannot do it"));
        assert_is_row(&rows[i], &err);
        for (size_t j = 0; j < i; j++) assert_int_not_equal(rows[i].code, rows[j].code);
    }
}

static void test_a_code_without_a_row_stops_with_the_librarys_words(void **state) {
    (void)state;
    rwd_error err;
    assert_false(rwd_kafka_fail(NULL, &err, RD_KAFKA_RESP_ERR_NO_REASSIGNMENT_IN_PROGRESS, NULL, NULL, "cannot do it"));
    assert_int_equal(err.code, RWD_E_KAFKA);
    assert_non_null(strstr(err.cause, rd_kafka_err2str(RD_KAFKA_RESP_ERR_NO_REASSIGNMENT_IN_PROGRESS)));
}

static void test_each_row_has_a_probe(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!probe_of(rows[i].name)) fail_msg("%s has no probe", rows[i].name);
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        bool local = probes[i].name[0] == '_';
        if (local != (probes[i].asked == LOCAL)) fail_msg("%s: only codes of librdkafka's own are local", probes[i].name);
    }
    assert_int_equal(sizeof probes / sizeof *probes, sizeof rows / sizeof *rows);
}

static void answer_with(const rig *r, request asked, rd_kafka_resp_err_t code) {
    if (asked == METADATA) rd_kafka_mock_topic_set_error(r->cluster, TOPIC, code);
    else rd_kafka_mock_push_request_errors(r->cluster, (int16_t)asked, 1, code);
}

static void run_probe(const table_row *row, const row_probe *probe) {
    rig r;
    rwd_error err = {0};
    set_up(&r);
    if (probe->asked == FETCH) assert_true(do_transaction(&r, &err));
    answer_with(&r, probe->asked, row->code);
    bool worked = do_what_asks(&r, probe->asked, &err);
    if (probe->outcome == RETRIED && !worked) fail_msg("%s: it was not asked again: %s", row->name, err.cause);
    if (probe->outcome == REACHES && worked) fail_msg("%s: it did not reach us", row->name);
    if (!worked && (err.code != row->ours || err.decision != rwd_code_decision(row->ours))) fail_msg("%s: %s: %s", row->name, rwd_code_name(err.code), err.cause);
    tear_down(&r);
}

static void test_what_comes_of_each_code_that_a_broker_can_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const row_probe *probe = probe_of(rows[i].name);
        if (probe && probe->asked != LOCAL) run_probe(&rows[i], probe);
    }
}

// librdkafka's own broker knows OffsetFetch up to a version from before Kafka 2.5.
static void test_a_broker_that_knows_no_stable_offsets_is_refused(void **state) {
    (void)state;
    rig r;
    rwd_error err;
    rwd_kafka_committed found;
    set_up(&r);
    assert_false(rwd_kafka_read_committed(&r.settings, TOPIC, 0, true, &found, &err));
    assert_int_equal(err.code, RWD_E_KAFKA);
    assert_int_equal(err.decision, RWD_PARK);
    assert_non_null(strstr(err.cause, "the broker is too old"));
    assert_non_null(strstr(err.next, "2.5"));
    assert_true(rwd_kafka_read_committed(&r.settings, TOPIC, 0, false, &found, &err));
    assert_false(found.found);
    rwd_kafka_committed_deinit(&found);
    tear_down(&r);
}

// A row above that says as much would hide it.
static void test_each_refusal_is_found_by_its_own_words(void **state) {
    (void)state;
    for (size_t i = 0; i < RWD_KAFKA_REFUSAL_COUNT; i++) {
        const rwd_kafka_refusal *row = &rwd_kafka_refusals[i];
        char reason[256];
        (void)snprintf(reason, sizeof reason, "ssl://broker:9093/bootstrap: %s (after 3ms)", row->piece);
        int code = row->code == RWD_KAFKA_ANY ? RD_KAFKA_RESP_ERR__TRANSPORT : row->code;
        assert_ptr_equal(rwd_kafka_refusal_of(code, row->verify_error, reason), row);
    }
    assert_null(rwd_kafka_refusal_of(RD_KAFKA_RESP_ERR__TRANSPORT, 0, "Connect to ipv4#127.0.0.1:9092 failed: Connection refused"));
    assert_null(rwd_kafka_refusal_of(RD_KAFKA_RESP_ERR__TRANSPORT, 0, "Disconnected (after 5000ms in state UP)"));
    assert_null(rwd_kafka_refusal_of(RD_KAFKA_RESP_ERR__TRANSPORT, 10, "Connection setup timed out in state CONNECT"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_is_translated_as_it_says),
        cmocka_unit_test(test_a_code_without_a_row_stops_with_the_librarys_words),
        cmocka_unit_test(test_each_row_has_a_probe),
        cmocka_unit_test(test_a_broker_that_knows_no_stable_offsets_is_refused),
        cmocka_unit_test(test_each_refusal_is_found_by_its_own_words),
        cmocka_unit_test(test_what_comes_of_each_code_that_a_broker_can_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
