// The mocked cluster (mock_cluster.h), held by a client that does nothing else.
#include "tests/support/mock_cluster.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

struct mock_cluster {
    rd_kafka_t *holder;
    rd_kafka_mock_cluster_t *cluster;
};

mock_cluster *mock_cluster_new(void) {
    char why[512];
    mock_cluster *mock = calloc(1, sizeof *mock);
    if (!mock) abort();
    mock->holder = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof why);
    if (mock->holder) mock->cluster = rd_kafka_mock_cluster_new(mock->holder, 1);
    if (!mock->cluster) abort();
    return mock;
}

void mock_cluster_free(mock_cluster *mock) {
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->holder);
    free(mock);
}

const char *mock_cluster_address(const mock_cluster *mock) { return rd_kafka_mock_cluster_bootstraps(mock->cluster); }

void mock_cluster_topic(mock_cluster *mock, const char *topic, int partitions) {
    if (rd_kafka_mock_topic_create(mock->cluster, topic, partitions, 1) != RD_KAFKA_RESP_ERR_NO_ERROR) abort();
}

void mock_cluster_answer(mock_cluster *mock, int request, unsigned count, int code) {
    for (unsigned i = 0; i < count; i++) rd_kafka_mock_push_request_errors(mock->cluster, (int16_t)request, 1, (rd_kafka_resp_err_t)code);
}

void mock_cluster_sleep(mock_cluster *mock, bool asleep) {
    if (asleep) (void)rd_kafka_mock_broker_set_down(mock->cluster, 1);
    else (void)rd_kafka_mock_broker_set_up(mock->cluster, 1);
}
