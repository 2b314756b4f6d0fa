// The cluster that librdkafka mocks: enough of a broker for threads and errors, not for what a transaction means.
//
// Thread: one at a time; the cluster has threads of its own.
#ifndef TESTS_SUPPORT_MOCK_CLUSTER_H
#define TESTS_SUPPORT_MOCK_CLUSTER_H

#include <stdbool.h>

typedef struct mock_cluster mock_cluster;

// One broker. *gives*.
mock_cluster *mock_cluster_new(void);
void mock_cluster_free(mock_cluster *mock);
// "HOST:PORT", *borrowed*.
const char *mock_cluster_address(const mock_cluster *mock);
void mock_cluster_topic(mock_cluster *mock, const char *topic, int partitions);
// The next `count` requests of this kind (its number in Kafka's protocol) are answered with this code of Kafka's.
void mock_cluster_answer(mock_cluster *mock, int request, unsigned count, int code);
// Answers nobody, or does again.
void mock_cluster_sleep(mock_cluster *mock, bool asleep);

#endif
