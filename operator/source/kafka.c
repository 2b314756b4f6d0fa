// A Kafka partition as a source (kafka.h).
//
// What must stay true: the same records have the same hashes, whoever reads them and whenever (E4); a tombstone and an empty value differ.
#include "operator/source/kafka.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define CURSOR_SIZE 8
#define US_PER_MS 1000

typedef struct kafka_source {
    rwd_source base;  // first
    const rwd_job *job;
    rwd_kafka_consumer *consumer;
    char *label;
    rwd_buf identity;
    rwd_record *records;
    size_t held;             // records of the batch in hand
    int64_t behind;          // offset behind the last batch that was released, or the assigned one
} kafka_source;

static kafka_source *self_of(const rwd_source *source) { return (kafka_source *)(uintptr_t)source; }

// ---- which partition this is

static bool kafka_identity(rwd_source *source, rwd_buf *out, rwd_hash128 *out_hash, rwd_error *err) {
    (void)err;
    const rwd_buf *identity = &self_of(source)->identity;
    rwd_buf_append(out, identity->data, identity->size);
    *out_hash = rwd_hash128_of(identity->data, identity->size, 0);
    return true;
}

static bool kafka_check_identity(rwd_source *source, rwd_slice stored, rwd_error *err) {
    kafka_source *self = self_of(source);
    if (rwd_slice_equal(stored, rwd_buf_slice(&self->identity))) return true;
    (void)rwd_fail(err, RWD_E_SOURCE_CHANGED, "this state was made from \"%.*s\", and the job reads \"%.*s\"", (int)(stored.size < 300 ? stored.size : 300),
                   (const char *)stored.data, (int)self->identity.size, (const char *)self->identity.data);
    (void)rwd_error_next(err, "point the job at the cluster and partition that it read, or give the new one a job name of its own");
    return rwd_error_at(err, "%s", self->label);
}

static bool learn_identity(kafka_source *self, rwd_error *err) {
    int partitions;
    char *cluster;
    if (!rwd_kafka_consumer_cluster(self->consumer, &cluster, err)) return false;
    rwd_buf_appendf(&self->identity, "kafka cluster=%s topic=%s partition=%u", cluster, self->job->source.topic, self->job->source.partition);
    free(cluster);
    return rwd_kafka_consumer_partitions(self->consumer, &partitions, err);
}

// ---- where to read

static bool kafka_bounds(rwd_source *source, int64_t *out_low, int64_t *out_high, rwd_error *err) {
    return rwd_kafka_consumer_bounds(self_of(source)->consumer, out_low, out_high, err);
}

static bool check_start(kafka_source *self, int64_t offset, int64_t low, int64_t high, rwd_error *err) {
    if (offset >= low && offset <= high) return true;
    (void)rwd_fail(err, RWD_E_POSITION, "source.kafka.start: offset %" PRId64 " is not in the partition, which holds [%" PRId64 ", %" PRId64 ")", offset, low, high);
    return rwd_error_at(err, "%s", self->label);
}

static bool kafka_start(rwd_source *source, int64_t *out, rwd_error *err) {
    kafka_source *self = self_of(source);
    const rwd_start *start = &self->job->source.start;
    int64_t low, high;
    if (start->time_us != RWD_TIME_NONE) {
        // The first record at or after the time: a time between two milliseconds is the later one's.
        int64_t time_ms = start->time_us / US_PER_MS + (start->time_us % US_PER_MS > 0);
        return rwd_kafka_consumer_offset_at(self->consumer, time_ms, out, err);
    }
    if (!rwd_kafka_consumer_bounds(self->consumer, &low, &high, err)) return false;
    *out = start->offset >= 0 ? start->offset : start->at == RWD_START_LATEST ? high : low;
    return check_start(self, *out, low, high, err);
}

static bool kafka_assign(rwd_source *source, int64_t offset, rwd_slice cursor, rwd_error *err) {
    kafka_source *self = self_of(source);
    assert(self->held == 0 && "release the last batch first");
    if (cursor.size > 0 && (cursor.size != CURSOR_SIZE || (int64_t)rwd_get_le64(cursor.data) != offset)) {
        (void)rwd_fail(err, RWD_E_POSITION, "the cursor does not stand at offset %" PRId64, offset);
        return rwd_error_at(err, "%s", self->label);
    }
    self->behind = offset;
    return rwd_kafka_consumer_assign(self->consumer, offset, err);
}

static bool kafka_cursor(rwd_source *source, const rwd_record *last, rwd_buf *out, rwd_error *err) {
    (void)err;
    uint8_t bytes[CURSOR_SIZE];
    rwd_put_le64(bytes, (uint64_t)(last ? last->offset + 1 : self_of(source)->behind));
    rwd_buf_append(out, bytes, sizeof bytes);
    return true;
}

// ---- records

static void take_record(const kafka_source *self, const rwd_kafka_record *from, rwd_record *to) {
    *to = (rwd_record){
        .offset = from->offset,
        .time_us = from->time_ms < 0 ? RWD_TIME_NONE : from->time_ms * US_PER_MS,
        .value = from->value.data ? from->value : rwd_slice_of("", 0),
        .full_size = from->value.size,
        .hash = rwd_hash128_of(from->raw.data, from->raw.size, (uint64_t)from->offset),
        .fault = from->value.size > self->job->event.max_size ? RWD_E_TOO_LARGE : RWD_E_NONE,
        .key = from->key,
    };
    if (from->value.data) return;
    if (self->job->source.tombstone == RWD_TOMBSTONE_IGNORE) to->tombstone = true;
    else to->fault = RWD_E_MALFORMED;
}

static bool kafka_batch(rwd_source *source, size_t max, int64_t timeout_ns, rwd_batch *out, rwd_error *err) {
    kafka_source *self = self_of(source);
    rwd_kafka_batch batch;
    assert(self->held == 0 && "release the last batch first");
    if (!rwd_kafka_consumer_batch(self->consumer, max < RWD_KAFKA_BATCH_MAX ? max : RWD_KAFKA_BATCH_MAX, timeout_ns, &batch, err)) return false;
    for (size_t i = 0; i < batch.count; i++) take_record(self, &batch.records[i], &self->records[i]);
    self->held = batch.count;
    *out = (rwd_batch){self->records, batch.count, batch.end};
    return true;
}

static void kafka_release(rwd_source *source) {
    kafka_source *self = self_of(source);
    if (self->held > 0) self->behind = self->records[self->held - 1].offset + 1;
    self->held = 0;
}

static bool kafka_read_back(rwd_source *source, const rwd_record *record, uint64_t at, void *out, size_t size, rwd_error *err) {
    (void)source, (void)err;
    assert(at <= record->value.size && size <= record->value.size - at);
    if (size) memcpy(out, record->value.data + at, size);
    return true;
}

// ---- for people

static const char *kafka_label(const rwd_source *source) { return self_of(source)->label; }

// What is to come is counted in records, not in bytes.
static void kafka_progress(const rwd_source *source, uint64_t *out_done, uint64_t *out_total) {
    (void)source;
    *out_done = *out_total = 0;
}

static const char *const *kafka_columns(const rwd_source *source, size_t *out_count) {
    (void)source;
    *out_count = 0;
    return NULL;
}

// ---- life

static void kafka_close(rwd_source *source) {
    kafka_source *self = self_of(source);
    rwd_kafka_consumer_close(self->consumer);
    rwd_buf_deinit(&self->identity);
    free(self->records);
    free(self->label);
    free(self);
}

static const rwd_source_ops kafka_source_ops = {
    .name = "kafka",
    .identity = kafka_identity,
    .check_identity = kafka_check_identity,
    .bounds = kafka_bounds,
    .start = kafka_start,
    .assign = kafka_assign,
    .batch = kafka_batch,
    .release = kafka_release,
    .cursor = kafka_cursor,
    .read_back = kafka_read_back,
    .label = kafka_label,
    .progress = kafka_progress,
    .columns = kafka_columns,
    .close = kafka_close,
};

_Static_assert(RWD_KAFKA_PADDING >= RWD_RECORD_PADDING && RWD_KAFKA_BATCH_MAX >= RWD_BATCH_MAX, "what the decoder may read is there");

bool rwd_kafka_source_open(const rwd_job *job, const rwd_kafka_settings *settings, rwd_clock *clock, rwd_source **out, rwd_error *err) {
    assert(job->source.topic);
    kafka_source *self = rwd_calloc(1, sizeof *self);
    self->base.ops = &kafka_source_ops;
    self->job = job;
    self->label = rwd_strf("%s/%u", job->source.topic, job->source.partition);
    self->records = rwd_calloc(RWD_BATCH_MAX, sizeof *self->records);
    if (!rwd_kafka_consumer_open(settings, job->source.topic, job->source.partition, clock, &self->consumer, err) || !learn_identity(self, err)) {
        kafka_close(&self->base);
        return false;
    }
    *out = &self->base;
    return true;
}
