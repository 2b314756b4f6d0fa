// Reads one partition, by explicit offsets, committed records only.
//
// Records are copied out of librdkafka's buffers into one run of bytes per batch, in the form that is hashed (E4), so that every value is followed by readable
// bytes and librdkafka's memory is free at once. That costs a copy of about 100 bytes a record and saves a hash over pieces.
//
// While nothing comes, a thread of ours ("probe") asks the broker now and then for the partition's end: librdkafka says when a connection breaks, but neither that a
// broker has stopped answering nor that it is back.
//
// Thread: one at a time. librdkafka fetches ahead on threads of its own.
#ifndef OPERATOR_KAFKA_CONSUMER_H
#define OPERATOR_KAFKA_CONSUMER_H

#include "operator/base/clock.h"
#include "operator/kafka/client.h"

#define RWD_KAFKA_BATCH_MAX 4096
#define RWD_KAFKA_PADDING 64       // readable bytes behind the last record of a batch

typedef struct rwd_kafka_record {
    int64_t offset;
    int64_t time_ms;      // -1: none
    rwd_slice raw;        // all of it that E4 covers: time, sizes, value, key, headers
    rwd_slice value;      // data NULL: a tombstone
    rwd_slice key;        // data NULL: none
} rwd_kafka_record;

// The value of the last header of that name, looked for in the record's raw bytes (*borrows*). False: there is none, or it is null.
bool rwd_kafka_record_header(rwd_slice raw, rwd_slice name, rwd_slice *out);

typedef struct rwd_kafka_batch {
    const rwd_kafka_record *records;  // borrowed until the next call
    size_t count;
    bool end;                         // the end of the partition stands behind them
} rwd_kafka_batch;

// Takes raw bytes of an earlier batch apart again; slices *borrow* from them. False: they are none.
RWD_MUST bool rwd_kafka_record_from_raw(int64_t offset, rwd_slice raw, rwd_kafka_record *out);

// The raw bytes of a record, appended: time, value and key (data NULL: none); then its headers, one by one and in their order.
void rwd_kafka_raw_begin(int64_t time_ms, rwd_slice value, rwd_slice key, rwd_buf *out);
void rwd_kafka_raw_header(rwd_slice name, rwd_slice value, rwd_buf *out);
// The header at `*at` (0: the first), behind which it goes. False: there is none any more.
bool rwd_kafka_raw_next_header(rwd_slice raw, size_t *at, rwd_slice *out_name, rwd_slice *out_value);

typedef struct rwd_kafka_consumer rwd_kafka_consumer;

// Connects in the background. Settings and clock are *borrowed*, topic is copied. *gives*.
RWD_MUST bool rwd_kafka_consumer_open(const rwd_kafka_settings *settings, const char *topic, unsigned partition, rwd_clock *clock,
                                      rwd_kafka_consumer **out, rwd_error *err);
void rwd_kafka_consumer_close(rwd_kafka_consumer *consumer);

// Does a broker answer within `patience_ms`? Where none does, that is known from then on (outlook), until one is found.
RWD_MUST bool rwd_kafka_consumer_answers(rwd_kafka_consumer *consumer, int patience_ms, rwd_error *err);
// The cluster's id. *gives* a string. BROKER where nobody answers.
RWD_MUST bool rwd_kafka_consumer_cluster(rwd_kafka_consumer *consumer, char **out, rwd_error *err);
// TOPIC where the topic or partition does not exist; `out_count` is how many partitions the topic has.
RWD_MUST bool rwd_kafka_consumer_partitions(rwd_kafka_consumer *consumer, int *out_count, rwd_error *err);
// First offset that is there, and the first that is not: behind the last committed record.
RWD_MUST bool rwd_kafka_consumer_bounds(rwd_kafka_consumer *consumer, int64_t *out_low, int64_t *out_high, rwd_error *err);
// First offset whose record's time is at or after `time_ms`; the end where there is none.
RWD_MUST bool rwd_kafka_consumer_offset_at(rwd_kafka_consumer *consumer, int64_t time_ms, int64_t *out, rwd_error *err);

// Goes to an offset, forward or back.
RWD_MUST bool rwd_kafka_consumer_assign(rwd_kafka_consumer *consumer, int64_t offset, rwd_error *err);
// At most `max` records, in order of offsets; waits up to `timeout_ns` for the first. Without a broker: an empty batch, and a line in the log that says since when.
RWD_MUST bool rwd_kafka_consumer_batch(rwd_kafka_consumer *consumer, size_t max, int64_t timeout_ns, rwd_kafka_batch *out, rwd_error *err);
// Commits the offset for the group, so that its tools show the lag (RWD_KAFKA_SHOWN). Waits for nothing; a failure is a line in the debug log.
void rwd_kafka_consumer_show(rwd_kafka_consumer *consumer, int64_t offset);

// What is known of the partition beyond what was handed out. Asks nobody, waits for nothing. To be shown (C8).
typedef struct rwd_kafka_outlook {
    int64_t begin;        // first offset that is there, as last heard of; -1: unknown
    int64_t end;          // readable up to here, as last heard of; -1: unknown. Behind the last record of the last batch: there is nothing more
    int64_t waiting_ns;   // monotonic: since when records that are there do not come, or batches are asked for and no broker answers; 0: neither
    int64_t away_us;      // wall clock: since when no broker answers; 0: one does
} rwd_kafka_outlook;
void rwd_kafka_consumer_outlook(rwd_kafka_consumer *consumer, rwd_kafka_outlook *out);

#endif
