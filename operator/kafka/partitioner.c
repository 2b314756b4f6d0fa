// The two rules (partitioner.h).
#include "operator/kafka/partitioner.h"

#include <assert.h>

#define MURMUR_SEED 0x9747b28cu
#define MURMUR_M 0x5bd1e995u
#define CRC_POLYNOMIAL 0xedb88320u

static uint32_t murmur2(rwd_slice key) {
    uint32_t hash = MURMUR_SEED ^ (uint32_t)key.size;
    size_t at = 0;
    for (; key.size - at >= 4; at += 4) {
        uint32_t k = rwd_get_le32(key.data + at) * MURMUR_M;
        hash = (hash * MURMUR_M) ^ ((k ^ k >> 24) * MURMUR_M);
    }
    size_t rest = key.size - at;
    for (size_t i = rest; i > 0; i--) hash ^= (uint32_t)key.data[at + i - 1] << (8 * (i - 1));
    if (rest > 0) hash *= MURMUR_M;
    hash = (hash ^ hash >> 13) * MURMUR_M;
    return hash ^ hash >> 15;
}

// Bit by bit: asked once per new key.
static uint32_t crc32(rwd_slice key) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < key.size; i++) {
        crc ^= key.data[i];
        for (unsigned bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? CRC_POLYNOMIAL : 0);
    }
    return ~crc;
}

unsigned rwd_kafka_murmur2_partition(rwd_slice key, unsigned count) {
    assert(count > 0);
    return (murmur2(key) & INT32_MAX) % count;
}

unsigned rwd_kafka_crc32_partition(rwd_slice key, unsigned count) {
    assert(count > 0);
    return crc32(key) % count;
}

bool rwd_kafka_key_belongs(rwd_slice key, rwd_slice record_key, unsigned partition, unsigned count) {
    if (record_key.data && rwd_slice_equal(key, record_key)) return true;
    bool keyed = record_key.data && record_key.size > 0;
    bool by_murmur2 = !keyed || rwd_kafka_murmur2_partition(record_key, count) == partition;
    bool by_crc32 = !keyed || rwd_kafka_crc32_partition(record_key, count) == partition;
    return (by_murmur2 && rwd_kafka_murmur2_partition(key, count) == partition) || (by_crc32 && rwd_kafka_crc32_partition(key, count) == partition);
}

bool rwd_kafka_rule_is_known(rwd_slice record_key, unsigned partition, unsigned count) {
    if (!record_key.data || record_key.size == 0) return true;
    return rwd_kafka_murmur2_partition(record_key, count) == partition || rwd_kafka_crc32_partition(record_key, count) == partition;
}
