// Rows and dead letters as records of a topic.
//
// Thread: one at a time.
#ifndef OPERATOR_SINK_KAFKA_RECORD_H
#define OPERATOR_SINK_KAFKA_RECORD_H

#include "operator/config/answers.h"
#include "operator/kafka/producer.h"
#include "operator/sink/sink.h"
#include "operator/sink/transaction.h"

// A record in the making, and the bytes that it points at. Zero-initialised is empty.
typedef struct rwd_kafka_record_text {
    rwd_kafka_output output;
    rwd_kafka_header headers[RWD_KAFKA_HEADERS_MAX];
    rwd_buf key, value, scratch;
    rwd_answers answers;
    char offset[24], ordinal[24], size[24], key_size[24], partition[24], attempts[24], hash[RWD_HASH128_HEX];
} rwd_kafka_record_text;

void rwd_kafka_record_deinit(rwd_kafka_record_text *record);

// Fills in `record->output` from a row. CORRUPT if key or row do not decode. `lineage` is *borrowed* as long as the output is used.
RWD_MUST bool rwd_kafka_record_of_row(const rwd_job *job, const rwd_job_sink *sink, const rwd_transaction_row *row, const char *lineage,
                                      rwd_kafka_record_text *record, rwd_error *err);

// Makes a correction of it: the headers rewind-repair, rewind-old and rewind-reason. All is *borrowed*.
void rwd_kafka_record_correct(const rwd_transaction_row *row, const char *repair, rwd_slice reason, rwd_kafka_record_text *record);
// The value that a record of the row has in `sink`, whatever that is a topic or a file. Data NULL: none. *Borrowed* from `record`.
RWD_MUST bool rwd_kafka_record_value(const rwd_job_table *table, const rwd_job_sink *sink, const rwd_transaction_row *row, rwd_kafka_record_text *record, rwd_slice *out, rwd_error *err);

// The headers of a dead letter. Names are those of Kafka Streams' dead letter queues (KIP-1034) where it has one for the meaning.
#define RWD_HEADER_DEAD_TOPIC "__streams.errors.topic"          // of the source; of a file, rewind-source names it instead
#define RWD_HEADER_DEAD_PARTITION "__streams.errors.partition"
#define RWD_HEADER_DEAD_OFFSET "__streams.errors.offset"
#define RWD_HEADER_DEAD_REASON "__streams.errors.exception"     // the code's word: "late"
#define RWD_HEADER_DEAD_MESSAGE "__streams.errors.message"
#define RWD_HEADER_DEAD_SOURCE "rewind-source"
#define RWD_HEADER_DEAD_ORDINAL "rewind-ordinal"                // of an event of a record
#define RWD_HEADER_DEAD_FIELD "rewind-field"
#define RWD_HEADER_DEAD_HASH "rewind-hash"                      // of the raw record (E4)
#define RWD_HEADER_DEAD_LINEAGE "rewind-lineage"
#define RWD_HEADER_DEAD_ORIGIN "rewind-origin"                  // of a redriven record: where the event failed first
#define RWD_HEADER_DEAD_ATTEMPTS "rewind-attempts"
#define RWD_HEADER_DEAD_RESOLVED "resolved-by"                   // R6: the repair under which it is none any more; such a record has a key and no value
#define RWD_HEADER_DEAD_SIZE "rewind-size"                      // of a value that is longer than what is kept of it
#define RWD_HEADER_DEAD_KEY_SIZE "rewind-key-size"              // of a key that is

// Appends a dead letter to a run of them; of its key and value together at most `most` bytes, the key's first.
RWD_MUST bool rwd_kafka_dead_letter_keep(const rwd_dead_letter *letter, size_t most, rwd_buf *out, rwd_error *err);
// The next dead letter of a run. What it points at is in the run. Precondition: there is one.
void rwd_kafka_record_of_dead_letter(rwd_reader *run, const char *topic, const char *lineage, rwd_kafka_record_text *record);

#endif
