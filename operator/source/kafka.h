// A partition of a Kafka topic: committed records, by explicit offsets.
//
// Its identity is the cluster's id, the topic and the partition. Beside it the count of partitions is kept that the topic had when the job began: with another one
// it stops, at a start or while it runs, unless every table is partial. The cursor is the offset with time and hash of the record before it; assign compares that
// record with what the topic now holds there (C5), SOURCE_CHANGED where it is another. Without a broker a batch is empty and not the end, so the pipeline
// waits. E4 covers a record's time, value, key and headers.
//
// Thread: pipeline.
#ifndef OPERATOR_SOURCE_KAFKA_H
#define OPERATOR_SOURCE_KAFKA_H

#include "operator/config/job.h"
#include "operator/kafka/consumer.h"
#include "operator/source/source.h"

// `job` and `clock` are *borrowed*. BROKER where no broker answers, TOPIC where the partition does not exist. *gives*: close through ops.
// `known`: the identity that a manifest has, or empty. With it no broker is needed to begin: the source is taken for the one that was read, and whatever asks a broker
// fails with BROKER until one answers, and then first compares (SOURCE_CHANGED).
RWD_MUST bool rwd_kafka_source_open(const rwd_job *job, const rwd_kafka_settings *settings, rwd_slice known, rwd_clock *clock, rwd_source **out, rwd_error *err);

#endif
