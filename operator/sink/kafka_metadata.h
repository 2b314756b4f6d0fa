// What travels with C in Kafka (C3): text, since brokers keep metadata as text.
//
//   "rewind1 " and base64 of   repository 16, owner 8, term 8, lineage 16, switch number 8, input count 8, input hash 16, source 16, cluster 16,
//                              progress, CRC32C of all before it 4; hashes as rwd_hash128_put has them, numbers big-endian
//
// Progress is nothing; or closings 8 (C7); or closings 8, repair 8, its rows 8 (R4 (5)). So a C without progress reads as it always did.
//
// Thread: pure; any.
#ifndef OPERATOR_SINK_KAFKA_METADATA_H
#define OPERATOR_SINK_KAFKA_METADATA_H

#include "operator/sink/sink.h"

#define RWD_KAFKA_METADATA_MAX 256

// Appends. `cluster` is the hash of the cluster's id.
void rwd_kafka_metadata_encode(const rwd_commit *commit, rwd_hash128 cluster, rwd_buf *out);
// False: not ours, or damaged. `offset` is the C that it travelled with.
bool rwd_kafka_metadata_decode(rwd_slice text, int64_t offset, rwd_commit *out, rwd_hash128 *out_cluster);
// Written by a newer version of the program?
bool rwd_kafka_metadata_is_newer(rwd_slice text);

#endif
