// What a consumer group has committed for one partition, and whether anyone subscribes with it; and commits without transactions.
//
// Thread: any; a call makes a client of its own and ends it. An rwd_kafka_group is one: one thread at a time.
#ifndef OPERATOR_KAFKA_GROUP_H
#define OPERATOR_KAFKA_GROUP_H

#include "operator/base/clock.h"
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

// The group's offset of one partition, read and committed without transactions, again and again. Calls wait as long as it takes for a broker to answer, unless they
// are told to give up; they come by in bounded slices to see.
typedef struct rwd_kafka_group rwd_kafka_group;

// Settings, topic, clock and wait are *borrowed*. *gives*.
RWD_MUST bool rwd_kafka_group_open(const rwd_kafka_settings *settings, const char *topic, unsigned partition, rwd_clock *clock, rwd_kafka_wait *wait,
                                   rwd_kafka_group **out, rwd_error *err);
void rwd_kafka_group_close(rwd_kafka_group *group);
// What is committed now, past what transactions may still change; `cluster` stays NULL. BROKER: told to give up.
RWD_MUST bool rwd_kafka_group_read(rwd_kafka_group *group, rwd_kafka_committed *out, rwd_error *err);
// An OffsetCommit of no member of the group: brokers take it while the group has none, and fence nobody. BROKER: it may have happened or not.
RWD_MUST bool rwd_kafka_group_commit(rwd_kafka_group *group, int64_t offset, rwd_slice metadata, rwd_error *err);

#endif
