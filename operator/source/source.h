// Where records come from: one partition, read in order of offsets.
//
// Implementations: a file (file.h), a Kafka partition (kafka.h), the journal and what is behind it (journaled.h), any of them with amendments
// (amended.h), and a list in memory (memory.h, for tests).
// Records are handed out in batches; their bytes stay valid until the batch is released. Offsets rise; gaps are legal.
//
// Thread: pipeline.
#ifndef OPERATOR_SOURCE_SOURCE_H
#define OPERATOR_SOURCE_SOURCE_H

#include "operator/base/bytes.h"
#include "operator/base/hash.h"
#include "operator/base/time.h"

#define RWD_BATCH_MAX 4096
#define RWD_RECORD_PADDING 64
#define RWD_RECORD_SIZE_MAX (1u << 30)  // no job's size limit is above this

// L6: what a lineage's amendments made of it (amended.h).
typedef enum rwd_amend_state {
    RWD_AMENDED_NOT,
    RWD_AMENDED_SKIPPED,   // it makes no event; it moves X, and its hash counts
    RWD_AMENDED_REPLACED,  // value, key and time are others; its hash is that of the topic's own
    RWD_AMENDED_INSERTED,  // not of the topic: it counts nothing and moves nothing, has the offset of the record that it stands before, and never ends a batch; its hash is of its value
} rwd_amend_state;

typedef struct rwd_record {
    int64_t offset;
    int64_t time_us;       // the record's own time, RWD_TIME_NONE where there is none (files)
    rwd_slice value;       // borrowed until release; followed by RWD_RECORD_PADDING readable bytes; data NULL: none, and the record is a tombstone or at fault
    uint64_t full_size;    // of the raw record; above value.size when it is over the size limit (value then holds its beginning)
    uint64_t position;     // where its raw bytes begin, in the source's own terms (files: byte)
    rwd_hash128 hash;      // E4: XXH3-128 of the whole raw record, seed = offset
    rwd_code fault;        // RWD_E_NONE, or why it cannot be decoded: TOO_LARGE, MALFORMED (a quote that never ends)
    rwd_slice key;         // borrowed as the value is; data NULL: none (files)
    bool tombstone;        // no value, and that is no fault: the job says what it means
    rwd_amend_state amended;
    rwd_slice raw;         // borrowed: all that is hashed, for the journal; data NULL: this source is not journaled (files)
    // The value of the last header of that name (*borrowed* from raw); false: there is none, or it is null. NULL: records of this source have none (files).
    bool (*header)(const struct rwd_record *record, rwd_slice name, rwd_slice *out);
} rwd_record;

typedef struct rwd_batch {
    const rwd_record *records;
    size_t count;
    bool end;              // there is nothing behind these records now (a file that is not followed: for good)
} rwd_batch;

// What a source knows of what is to come. To be shown; nothing but a log line, a metric and a probe rests on it (C8).
typedef struct rwd_outlook {
    int64_t begin;             // first offset that is there, as last heard of; -1: unknown
    int64_t end;               // readable up to here, as last heard of; -1: unknown. Equal to the last record's offset + 1: caught up
    int64_t waiting_ns;        // monotonic: since when records that are there do not come, or nobody answers who was asked; 0: neither
    int64_t away_us;           // wall clock: since when nobody answers; 0: somebody does
} rwd_outlook;

typedef struct rwd_source rwd_source;
typedef struct rwd_source_ops {
    const char *name;
    // What this source is, as bytes that are kept in every manifest; `out_hash` names it in lineages. Files: path, and hash of the header
    // and first bytes. Appends.
    RWD_MUST bool (*identity)(rwd_source *self, rwd_buf *out, rwd_hash128 *out_hash, rwd_error *err);
    // SOURCE_CHANGED if `stored`, from a manifest, is not this source. What `stored` pins holds from here on, in `identity`, too.
    RWD_MUST bool (*check_identity)(rwd_source *self, rwd_slice stored, rwd_error *err);
    // First offset there is, and first offset there is not (-1: unknown until read, as in files).
    RWD_MUST bool (*bounds)(rwd_source *self, int64_t *out_low, int64_t *out_high, rwd_error *err);
    // Where a job that never ran begins. NULL: at the first offset there is.
    RWD_MUST bool (*start)(rwd_source *self, int64_t *out, rwd_error *err);
    // The first offset whose record's own time is at or after `time_us`; behind the last one where there is none. NULL: records have no time of their own.
    RWD_MUST bool (*offset_for)(rwd_source *self, int64_t time_us, int64_t *out, rwd_error *err);
    // Goes to `offset`: by `cursor` (from `cursor` below, kept in a manifest), or, with an empty cursor, from the beginning.
    // SOURCE_CHANGED if the bytes before the cursor are not what they were.
    RWD_MUST bool (*assign)(rwd_source *self, int64_t offset, rwd_slice cursor, rwd_error *err);
    // At most `max` (<= RWD_BATCH_MAX) records; waits up to `timeout_ns` for the first (followed files). An empty batch with `end` false: nothing yet.
    RWD_MUST bool (*batch)(rwd_source *self, size_t max, int64_t timeout_ns, rwd_batch *out, rwd_error *err);
    // Ends the batch; without one it does nothing.
    void (*release)(rwd_source *self);
    // The cursor behind `last`, a record of the current batch. NULL: behind the last batch that was released, or, where none was since
    // assign, at the assigned position. Appends.
    RWD_MUST bool (*cursor)(rwd_source *self, const rwd_record *last, rwd_buf *out, rwd_error *err);
    // Bytes [at, at + size) of a record's raw bytes, again: for dead letters of records over the limit. The batch is not released.
    RWD_MUST bool (*read_back)(rwd_source *self, const rwd_record *record, uint64_t at, void *out, size_t size, rwd_error *err);
    // A record from the raw bytes that it had when it was read here: equal to what batch gave then. `raw` is *borrowed*, and followed by RWD_RECORD_PADDING readable
    // bytes. NULL: this source is not journaled.
    RWD_MUST bool (*from_raw)(rwd_source *self, int64_t offset, rwd_slice raw, rwd_record *out, rwd_error *err);
    // How many partitions its topic had when this job began. NULL: there is only this one.
    unsigned (*partitions)(const rwd_source *self);
    // "CLUSTER/TOPIC/PARTITION", of which the origin of a redriven record of this source speaks (S3). NULL: records of this source are not redriven (files). *borrows*.
    const char *(*origin)(const rwd_source *self);
    // Names "orders.csv" or "orders/0" for messages. *borrows*.
    const char *(*label)(const rwd_source *self);
    // Position and size for progress: bytes read so far and bytes in all (0: unknown).
    void (*progress)(const rwd_source *self, uint64_t *out_done, uint64_t *out_total);
    // NULL: nothing is known. Asks nobody and waits for nothing.
    void (*outlook)(rwd_source *self, rwd_outlook *out);
    // NULL: there is no place for it. Shows others how far a job has come whose C is kept elsewhere (C1). Waits for nothing, may fail unseen.
    void (*show)(rwd_source *self, int64_t offset);
    // CSV: names of the columns from the header, NULL where there is none. *borrows*.
    const char *const *(*columns)(const rwd_source *self, size_t *out_count);
    void (*close)(rwd_source *self);
} rwd_source_ops;

struct rwd_source {
    const rwd_source_ops *ops;
};

#endif
