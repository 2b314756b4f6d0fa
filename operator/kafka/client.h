// What every client of a cluster needs to be told.
//
// This folder is the only door to librdkafka: its types, threads and errors stay in here.
//
// Thread: any; borrowed for the time of a call.
#ifndef OPERATOR_KAFKA_CLIENT_H
#define OPERATOR_KAFKA_CLIENT_H

#include <stdatomic.h>

#include "operator/kafka/properties.h"

#define RWD_KAFKA_ANSWER_MS 10000  // how long one question waits for its answer before the caller decides again

typedef struct rwd_kafka_settings {
    const char *brokers;
    const char *group;
    const char *client;                      // client.id: the job's name
    const rwd_kafka_property *properties;    // the job's
    size_t property_count;
    bool proven;                             // a broker has answered with these settings: a connection that ends early is then a broker that is away
    bool any_version;                        // a broker that knows no stable offsets is taken, too: where nothing is committed in transactions, and for tests
    uint64_t memory;                         // bytes of records that a consumer may hold ahead
    uint64_t memory_out;                     // bytes of records that a producer may hold until they are acknowledged
} rwd_kafka_settings;

// What another thread sees of calls that wait, and how it ends them.
typedef struct rwd_kafka_wait {
    atomic_bool give_up;               // they end soon, in doubt
    atomic_int_fast64_t since_ns;      // monotonic: since when a call waits without any answer; 0: none does
} rwd_kafka_wait;

#endif
