// To which partition a key belongs, by the rules of the two common clients.
//
//   murmur2   Java's: the positive part of MurmurHash2 (Austin Appleby; Kafka's org.apache.kafka.common.utils.Utils.murmur2, seed 0x9747b28c) modulo the count
//   crc32     librdkafka's `consistent` and `consistent_random`, its default: CRC-32 (IEEE 802.3, reflected, as zlib's) modulo the count
//
// Records without a key go anywhere; so do those with an empty one by librdkafka's default.
//
// Thread: pure; any.
#ifndef OPERATOR_KAFKA_PARTITIONER_H
#define OPERATOR_KAFKA_PARTITIONER_H

#include "operator/base/bytes.h"

// Precondition: count > 0.
unsigned rwd_kafka_murmur2_partition(rwd_slice key, unsigned count);
unsigned rwd_kafka_crc32_partition(rwd_slice key, unsigned count);

// Does a record of the key `key` belong to this partition? Judged by one record of it, so that every replay judges alike: its own key (data NULL: none) shows which
// of the two rules its topic may follow. The record's own key belongs where the record is, whatever the rule.
bool rwd_kafka_key_belongs(rwd_slice key, rwd_slice record_key, unsigned partition, unsigned count);
// Can this record be where it is by one of the two rules?
bool rwd_kafka_rule_is_known(rwd_slice record_key, unsigned partition, unsigned count);

#endif
