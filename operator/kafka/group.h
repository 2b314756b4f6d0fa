// What a consumer group has committed for one partition, and whether anyone subscribes with it.
//
// Thread: any; a call makes a client of its own and ends it.
#ifndef OPERATOR_KAFKA_GROUP_H
#define OPERATOR_KAFKA_GROUP_H

#include "operator/kafka/client.h"

// Metadata of an offset that only shows lag: that of a job whose C is not in Kafka (C1). It is never trusted, and reads as if nothing were committed.
#define RWD_KAFKA_SHOWN "rewind: shows lag only"

typedef struct rwd_kafka_committed {
    bool found;          // false: the group never committed for this partition, or the broker has forgotten it, or the offset only shows lag
    int64_t offset;
    rwd_buf metadata;    // owned
    char *cluster;       // id of the cluster that answered; owned
} rwd_kafka_committed;

void rwd_kafka_committed_deinit(rwd_kafka_committed *committed);

// `stable`: not while a transaction may still change it (C4 (4)); BROKER says that it is not stable yet, or that nobody answers.
RWD_MUST bool rwd_kafka_read_committed(const rwd_kafka_settings *settings, const char *topic, unsigned partition, bool stable,
                                       rwd_kafka_committed *out, rwd_error *err);
// FOREIGN if the group has members: somebody subscribes with its name (C4 (2)).
RWD_MUST bool rwd_kafka_group_is_free(const rwd_kafka_settings *settings, rwd_error *err);

#endif
