// A producer of transactions: outputs and an offset, committed together (C6). Without a transactional id it is a plain idempotent one: outputs only.
//
// Calls follow each other as in a transaction: init once; then begin, send ..., flush, offset, commit, or abort after a failure. A plain producer has no init, offset
// and commit: what is flushed has been taken by the broker, whatever follows. Each failing call says in `fate` what is known of the transaction:
//
//   ABORT   it has not happened, and the handle goes on once abort succeeded (plain: some records may stand there)
//   DOUBT   it may have happened, or the handle is spent: close it; what the group has committed tells (C6)
//
// Calls wait as long as it takes for a broker to answer, unless they are told to give up.
//
// Thread: one at a time; an rwd_kafka_wait: any.
#ifndef OPERATOR_KAFKA_PRODUCER_H
#define OPERATOR_KAFKA_PRODUCER_H

#include "operator/base/clock.h"
#include "operator/kafka/client.h"

#define RWD_KAFKA_HEADERS_MAX 64
#define RWD_KAFKA_OFFSET_MS 15000  // of sending the offset, which cannot be interrupted; longer is doubt (C6)

typedef enum rwd_kafka_fate { RWD_KAFKA_ABORT, RWD_KAFKA_DOUBT } rwd_kafka_fate;

typedef struct rwd_kafka_header {
    const char *name;
    rwd_slice value;
} rwd_kafka_header;

// A record to be written. All is copied.
typedef struct rwd_kafka_output {
    const char *topic;
    int partition;        // -1: by the key
    rwd_slice key;        // data NULL: none
    rwd_slice value;      // data NULL: a tombstone
    int64_t time_ms;      // -1: now
    const rwd_kafka_header *headers;
    size_t header_count;
} rwd_kafka_output;

typedef struct rwd_kafka_producer rwd_kafka_producer;

// *gives*. Settings, clock and wait are *borrowed*. `transactional_id` NULL: a plain one.
RWD_MUST bool rwd_kafka_producer_open(const rwd_kafka_settings *settings, const char *transactional_id, rwd_clock *clock, rwd_kafka_wait *wait,
                                      rwd_kafka_producer **out, rwd_error *err);
// What is open and not committed is given up, not aborted: its successor's init does that.
void rwd_kafka_producer_close(rwd_kafka_producer *producer);
// Fences every earlier producer of this transactional id, and ends its transaction. BROKER where nobody answers.
RWD_MUST bool rwd_kafka_producer_init(rwd_kafka_producer *producer, rwd_error *err);

RWD_MUST bool rwd_kafka_producer_begin(rwd_kafka_producer *producer, rwd_kafka_fate *fate, rwd_error *err);
RWD_MUST bool rwd_kafka_producer_send(rwd_kafka_producer *producer, const rwd_kafka_output *output, rwd_kafka_fate *fate, rwd_error *err);
// Waits until what was sent is acknowledged. A plain producer fails here where a record was refused; in transactions offset or commit does.
RWD_MUST bool rwd_kafka_producer_flush(rwd_kafka_producer *producer, rwd_kafka_fate *fate, rwd_error *err);
RWD_MUST bool rwd_kafka_producer_offset(rwd_kafka_producer *producer, const char *topic, unsigned partition, int64_t offset, rwd_slice metadata,
                                        rwd_kafka_fate *fate, rwd_error *err);
RWD_MUST bool rwd_kafka_producer_commit(rwd_kafka_producer *producer, rwd_kafka_fate *fate, rwd_error *err);
// Plain: waits until nothing of it is on its way any more. False: in doubt.
RWD_MUST bool rwd_kafka_producer_abort(rwd_kafka_producer *producer, rwd_error *err);

// How many partitions a topic has. TOPIC where it does not exist.
RWD_MUST bool rwd_kafka_producer_topic(rwd_kafka_producer *producer, const char *topic, int *out_partitions, rwd_error *err);

#endif
