// librdkafka's properties: which ones a job may set, and which ones Rewind owns because its promises rest on them.
//
// Thread: any; constant.
#ifndef OPERATOR_KAFKA_PROPERTIES_H
#define OPERATOR_KAFKA_PROPERTIES_H

#include "operator/base/bytes.h"

#define RWD_KAFKA_PROPERTIES_MAX 128

typedef struct rwd_kafka_property {
    char *name;
    char *value;
    char *written;   // as the job file has it, variables not filled in: what may be shown
} rwd_kafka_property;

// name, why a job cannot set it
#define RWD_KAFKA_OWNED_TABLE(X)                                                                     \
    X("bootstrap.servers", "it is `brokers` of the job file")                                        \
    X("metadata.broker.list", "it is `brokers` of the job file")                                     \
    X("group.id", "it is `group` of the job file")                                                   \
    X("client.id", "it is the name of the job")                                                      \
    X("group.instance.id", "the partition is assigned by the job file, not by a group")              \
    X("partition.assignment.strategy", "the partition is assigned by the job file, not by a group")  \
    X("enable.auto.commit", "progress is committed together with the output, by Rewind alone")       \
    X("auto.commit.enable", "progress is committed together with the output, by Rewind alone")       \
    X("auto.commit.interval.ms", "progress is committed together with the output, by Rewind alone")  \
    X("enable.auto.offset.store", "progress is committed together with the output, by Rewind alone") \
    X("auto.offset.reset", "where reading begins is decided by `start` and by what was committed")   \
    X("enable.partition.eof", "Rewind needs to know where the end is")                               \
    X("isolation.level", "records of aborted transactions must not be read")                         \
    X("check.crcs", "damaged records must not be read")                                              \
    X("transactional.id", "it names the owner of the partition's output")                            \
    X("enable.idempotence", "exactly once needs it")                                                 \
    X("enable.gapless.guarantee", "exactly once needs another setting")                              \
    X("acks", "exactly once needs all replicas")                                                     \
    X("request.required.acks", "exactly once needs all replicas")                                    \
    X("partitioner", "output goes where Java's default partitioner would put it")                    \
    X("message.timeout.ms", "a transaction's time-out bounds it")                                    \
    X("delivery.timeout.ms", "a transaction's time-out bounds it")                                   \
    X("max.in.flight", "the order of output rests on it")                                            \
    X("max.in.flight.requests.per.connection", "the order of output rests on it")                    \
    X("retries", "exactly once needs all that there are")                                            \
    X("message.send.max.retries", "exactly once needs all that there are")                           \
    X("api.version.request", "what a broker can do must be known")                                   \
    X("log_level", "the log has one level, --log-level")                                             \
    X("log.queue", "the log is Rewind's")                                                            \
    X("plugin.library.paths", "foreign code does not belong into this process")                      \
    X("delivery.report.only.error", "the producer is Rewind's")                                      \
    X("max.poll.interval.ms", "a group does not watch over the partition")

// May a job set it to this? Errors: CONFIG without a place.
RWD_MUST bool rwd_kafka_property_check(const char *name, const char *value, rwd_error *err);
// Is its value a secret? Then it must come from outside the job file.
bool rwd_kafka_property_is_secret(const char *name);

#endif
