// What librdkafka's and the broker's error codes mean here: one table from code to decision to message.
//
// Each row names a code as librdkafka does, the error of ours that it becomes (whose decision and exit code stand in operator/base/error.h), what it means in
// words, and what to look at next. A code without a row becomes KAFKA, with librdkafka's own words. The manual's page is printed from this table.
//
// Thread: any; constant.
#ifndef OPERATOR_KAFKA_ERROR_H
#define OPERATOR_KAFKA_ERROR_H

#include "operator/base/error.h"

// librdkafka's name without RD_KAFKA_RESP_ERR_, ours, what it means, what to do
#define RWD_KAFKA_ERROR_TABLE(X)                                                                                                                       \
    /* the broker is away, or busy: the same call works later */                                                                                       \
    X(_TRANSPORT, BROKER, "the connection to the broker broke", "is the broker up, and is its address right?")                                         \
    X(_ALL_BROKERS_DOWN, BROKER, "no broker can be reached", "is the broker up, and is its address right?")                                            \
    X(_RESOLVE, BROKER, "the broker's name cannot be resolved", "is the name right, and does DNS know it?")                                            \
    X(_TIMED_OUT, BROKER, "the broker did not answer in time", "is the broker up and not overloaded?")                                                 \
    X(_TIMED_OUT_QUEUE, BROKER, "the request was not sent in time", "is the broker up and not overloaded?")                                            \
    X(_MSG_TIMED_OUT, BROKER, "a record was not acknowledged in time", "is the broker up and not overloaded?")                                         \
    X(_WAIT_COORD, BROKER, "the group's coordinator is not known yet", "is __consumer_offsets healthy?")                                               \
    X(_IN_PROGRESS, BROKER, "an earlier request is still running", "")                                                                                 \
    X(_RETRY, BROKER, "the broker asks to try again", "")                                                                                              \
    X(REQUEST_TIMED_OUT, BROKER, "the broker did not finish in time", "are all replicas up?")                                                          \
    X(BROKER_NOT_AVAILABLE, BROKER, "the broker is not available", "is the broker up?")                                                                \
    X(LEADER_NOT_AVAILABLE, BROKER, "the partition has no leader now", "are the brokers of its replicas up?")                                          \
    X(NOT_LEADER_FOR_PARTITION, BROKER, "the partition's leader has moved", "")                                                                        \
    X(REPLICA_NOT_AVAILABLE, BROKER, "a replica is not available", "are the brokers of its replicas up?")                                              \
    X(PREFERRED_LEADER_NOT_AVAILABLE, BROKER, "the partition's leader is not available", "")                                                           \
    X(FENCED_LEADER_EPOCH, BROKER, "the partition's leader has changed", "")                                                                           \
    X(UNKNOWN_LEADER_EPOCH, BROKER, "the broker does not know its newest leader yet", "")                                                              \
    X(OFFSET_NOT_AVAILABLE, BROKER, "the new leader does not know its end yet", "")                                                                    \
    X(NETWORK_EXCEPTION, BROKER, "the broker lost the connection", "")                                                                                 \
    X(COORDINATOR_LOAD_IN_PROGRESS, BROKER, "the coordinator is loading", "")                                                                          \
    X(COORDINATOR_NOT_AVAILABLE, BROKER, "the coordinator is not available", "are the brokers of __consumer_offsets and __transaction_state up?")       \
    X(NOT_COORDINATOR, BROKER, "the coordinator has moved", "")                                                                                        \
    X(NOT_ENOUGH_REPLICAS, BROKER, "fewer replicas are in sync than the topic needs", "are all brokers up? look at min.insync.replicas")               \
    X(NOT_ENOUGH_REPLICAS_AFTER_APPEND, BROKER, "fewer replicas are in sync than the topic needs", "are all brokers up? look at min.insync.replicas")  \
    X(KAFKA_STORAGE_ERROR, BROKER, "the broker's disk fails", "look at the broker's log")                                                              \
    X(UNSTABLE_OFFSET_COMMIT, BROKER, "a transaction with this group's offset is still open", "")                                                      \
    X(CONCURRENT_TRANSACTIONS, BROKER, "the broker still ends an earlier transaction", "")                                                             \
    X(THROTTLING_QUOTA_EXCEEDED, BROKER, "the broker slows this client down", "")                                                                      \
    /* refused: a person must change something */                                                                                                      \
    X(_AUTHENTICATION, REFUSED, "the broker does not accept the credentials", "check sasl.username, sasl.password and sasl.mechanism")                 \
    X(SASL_AUTHENTICATION_FAILED, REFUSED, "the broker does not accept the credentials", "check sasl.username, sasl.password and sasl.mechanism")      \
    X(UNSUPPORTED_SASL_MECHANISM, REFUSED, "the broker does not offer this SASL mechanism", "check sasl.mechanism")                                    \
    X(ILLEGAL_SASL_STATE, REFUSED, "the broker did not expect SASL here", "check security.protocol and the port")                                      \
    X(_SSL, REFUSED, "TLS failed", "check ssl.ca.location, the certificate's dates and names, and the port")                                           \
    X(SECURITY_DISABLED, REFUSED, "the broker has no access control", "")                                                                              \
    X(TOPIC_AUTHORIZATION_FAILED, REFUSED, "permission on the topic is missing", "grant READ (source) or WRITE (sinks) and DESCRIBE on the topic")     \
    X(GROUP_AUTHORIZATION_FAILED, REFUSED, "permission on the consumer group is missing", "grant READ and DESCRIBE on the group")                      \
    X(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, REFUSED, "permission on the transactional id is missing", "grant WRITE and DESCRIBE on the transactional id") \
    X(CLUSTER_AUTHORIZATION_FAILED, REFUSED, "permission on the cluster is missing", "grant IDEMPOTENT_WRITE on the cluster")                          \
    X(UNKNOWN_TOPIC_OR_PART, TOPIC, "there is no such topic or partition", "create it, or correct its name in the job file")                           \
    X(_UNKNOWN_TOPIC, TOPIC, "there is no such topic", "create it, or correct its name in the job file")                                               \
    X(_UNKNOWN_PARTITION, TOPIC, "the topic has no such partition", "correct the partition in the job file")                                           \
    X(TOPIC_EXCEPTION, TOPIC, "the topic's name is not valid", "correct its name in the job file")                                                     \
    X(OFFSET_OUT_OF_RANGE, POSITION, "the offset is not in the partition", "")                                                                         \
    X(_AUTO_OFFSET_RESET, POSITION, "the offset is not in the partition any more, or not yet", "")                                                     \
    X(MSG_SIZE_TOO_LARGE, KAFKA, "a record is larger than the topic accepts", "raise max.message.bytes of the topic")                                  \
    X(RECORD_LIST_TOO_LARGE, KAFKA, "a batch of records is larger than the topic's segments", "lower batch.size in the properties")                    \
    X(INVALID_MSG_SIZE, KAFKA, "a record's size is refused", "raise fetch.message.max.bytes in the properties")                                        \
    X(INVALID_RECORD, KAFKA, "the broker refuses a record", "look at the topic's settings")                                                            \
    X(POLICY_VIOLATION, KAFKA, "the broker's policy refuses it", "look at the broker's settings")                                                      \
    X(OFFSET_METADATA_TOO_LARGE, KAFKA, "the broker accepts no 256 bytes of metadata with an offset", "raise offset.metadata.max.bytes of the broker") \
    X(INVALID_TRANSACTION_TIMEOUT, KAFKA, "the transaction's time-out is above the broker's", "raise transaction.max.timeout.ms of the broker")        \
    X(UNSUPPORTED_VERSION, KAFKA, "the broker is too old", "transactions with stable offsets need a broker of version 2.5 or newer")                   \
    X(_UNSUPPORTED_FEATURE, KAFKA, "the broker is too old", "transactions with stable offsets need a broker of version 2.5 or newer")                  \
    X(UNSUPPORTED_FOR_MESSAGE_FORMAT, KAFKA, "the topic's message format is too old", "transactions need message format 2")                            \
    X(UNSUPPORTED_COMPRESSION_TYPE, KAFKA, "the compression is not supported", "look at compression.type")                                             \
    X(INVALID_GROUP_ID, KAFKA, "the broker refuses the name of the group", "correct `group` in the job file")                                          \
    /* the transaction's producer is done with; recovery reads what was committed (C6) */                                                              \
    X(PRODUCER_FENCED, PRODUCER, "another producer with this transactional id has begun", "")                                                          \
    X(_FENCED, PRODUCER, "another producer with this transactional id has begun", "")                                                                  \
    X(INVALID_PRODUCER_EPOCH, PRODUCER, "the broker has ended this producer's transactions", "")                                                       \
    X(INVALID_PRODUCER_ID_MAPPING, PRODUCER, "the broker has forgotten this transactional id", "")                                                     \
    X(UNKNOWN_PRODUCER_ID, PRODUCER, "the broker has forgotten this producer", "")                                                                     \
    X(INVALID_TXN_STATE, PRODUCER, "the broker has another idea of this transaction's state", "")                                                      \
    X(OUT_OF_ORDER_SEQUENCE_NUMBER, PRODUCER, "the broker has lost records of this producer", "")                                                      \
    X(TRANSACTION_COORDINATOR_FENCED, PRODUCER, "the transaction's coordinator has changed", "")                                                       \
    X(_FATAL, PRODUCER, "the producer cannot go on", "")                                                                                               \
    X(_PURGE_QUEUE, PRODUCER, "records of an aborted transaction were dropped", "")                                                                    \
    X(_PURGE_INFLIGHT, PRODUCER, "records of an aborted transaction were dropped", "")

#endif
