// A Kafka partition as a source (kafka.h).
//
// What must stay true: the same records have the same hashes, whoever reads them and whenever (E4); a tombstone and an empty value differ.
//
// The cursor is the next offset and, once a record was read, time and hash of the last one: it is read again and compared wherever reading begins (C5).
#include "operator/source/kafka.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CURSOR_SIZE 8           // the next offset
#define CURSOR_LAST_SIZE 32     // and behind it time and hash of the record before it: the last one that was read
#define US_PER_MS 1000
#define NS_PER_MS 1000000LL
#define LOOK_NS 20000000
#define PARTITIONS_NS 10000000000LL  // how often the topic is asked how many partitions it has, while there are records
#define PARTITIONS_WORD " partitions="
#define PATIENCE_MS 3000        // for the first answer, where what is known serves without one

// What is remembered of the record below the cursor.
typedef struct last_record {
    bool known;
    int64_t time_us;
    rwd_hash128 hash;
} last_record;

typedef struct kafka_source {
    rwd_source base;  // first
    const rwd_job *job;
    rwd_kafka_consumer *consumer;
    rwd_clock *clock;
    char *label;
    char *origin;            // "CLUSTER/TOPIC/PARTITION"
    rwd_buf identity;        // without the count of partitions, which is no part of what the hash names
    unsigned partitions;     // of the topic when the job began
    bool proven;             // a broker has said that this is it; until then a manifest did
    int64_t asked_ns;
    int64_t unanswered_ns;   // since when it cannot be gone to where reading is to go on, for want of a broker; 0: it can
    rwd_record *records;
    size_t held;             // records of the batch in hand
    int64_t behind;          // offset behind the last batch that was released, or the assigned one
    last_record last;        // the record before it
} kafka_source;

static kafka_source *self_of(const rwd_source *source) { return (kafka_source *)(uintptr_t)source; }

// ---- which partition this is

static bool kafka_identity(rwd_source *source, rwd_buf *out, rwd_hash128 *out_hash, rwd_error *err) {
    (void)err;
    const rwd_buf *identity = &self_of(source)->identity;
    rwd_buf_append(out, identity->data, identity->size);
    rwd_buf_appendf(out, PARTITIONS_WORD "%u", self_of(source)->partitions);
    *out_hash = rwd_hash128_of(identity->data, identity->size, 0);
    return true;
}

// A table of shares by intention has no key that another partition could take away.
static bool all_partial(const rwd_job *job) {
    for (size_t i = 0; i < job->table_count; i++)
        if (!job->tables[i].partial) return false;
    return true;
}

// Keys go to other partitions when there are more of them: what a table holds is then one share of a key.
static bool check_partitions(kafka_source *self, rwd_error *err) {
    int now;
    self->asked_ns = rwd_clock_ns(self->clock);
    if (!rwd_kafka_consumer_partitions(self->consumer, &now, err)) return false;
    if ((unsigned)now == self->partitions || all_partial(self->job)) return true;
    (void)rwd_fail(err, RWD_E_SOURCE_CHANGED, "the topic has %d partitions and had %u when this job began: keys that were in this one may go on in another, and the "
                   "other way round, so that each holds a share", now, self->partitions);
    (void)rwd_error_next(err, "copy all records, by key, to a new topic with a fixed count, and run a new job on it (another name, other outputs) from `start: earliest`; "
                         "or, if shares are meant, give every table `partial: true`");
    return rwd_error_at(err, "%s", self->label);
}

// " partitions=N" at the end.
static bool split_partitions(rwd_slice *stored, unsigned *out) {
    const size_t word = sizeof(PARTITIONS_WORD) - 1;
    size_t at = stored->size;
    unsigned count = 0, unit = 1;
    for (; at > 0 && stored->size - at < 9 && stored->data[at - 1] >= '0' && stored->data[at - 1] <= '9'; at--, unit *= 10)
        count += unit * (unsigned)(stored->data[at - 1] - '0');
    if (at == stored->size || at < word || memcmp(stored->data + at - word, PARTITIONS_WORD, word) != 0) return false;
    stored->size = at - word;
    *out = count;
    return true;
}

static bool other_source(const kafka_source *self, rwd_slice stored, const rwd_buf *is, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_SOURCE_CHANGED, "this state was made from \"%.*s\", and the job reads \"%.*s\"", (int)(stored.size < 300 ? stored.size : 300),
                   (const char *)stored.data, (int)is->size, (const char *)is->data);
    (void)rwd_error_next(err, "point the job at the cluster and partition that it read, or give the new one a job name of its own");
    return rwd_error_at(err, "%s", self->label);
}

static bool kafka_check_identity(rwd_source *source, rwd_slice stored, rwd_error *err) {
    kafka_source *self = self_of(source);
    unsigned pinned = self->partitions;
    (void)split_partitions(&stored, &pinned);  // a job that began before counts were kept has the one that is there now
    if (!rwd_slice_equal(stored, rwd_buf_slice(&self->identity))) return other_source(self, stored, &self->identity, err);
    self->partitions = pinned;
    return !self->proven || check_partitions(self, err);
}

// CLUSTER/TOPIC/PARTITION, of the identity.
static void name_origin(kafka_source *self) {
    static const char word[] = "kafka cluster=";
    const char *cluster = rwd_buf_cstr(&self->identity) + sizeof word - 1;
    free(self->origin);
    self->origin = rwd_strf("%.*s/%s/%u", (int)strcspn(cluster, " "), cluster, self->job->source.topic, self->job->source.partition);
}

static bool ask_identity(const kafka_source *self, rwd_buf *out, rwd_error *err) {
    char *cluster;
    if (!rwd_kafka_consumer_cluster(self->consumer, &cluster, err)) return false;
    rwd_buf_appendf(out, "kafka cluster=%s topic=%s partition=%u", cluster, self->job->source.topic, self->job->source.partition);
    free(cluster);
    return true;
}

static bool learn_identity(kafka_source *self, rwd_error *err) {
    int partitions;
    if (!ask_identity(self, &self->identity, err) || !rwd_kafka_consumer_partitions(self->consumer, &partitions, err)) return false;
    name_origin(self);
    self->partitions = (unsigned)partitions;
    self->asked_ns = rwd_clock_ns(self->clock);
    self->proven = true;
    return true;
}

// What a manifest says, if it is of this partition of this topic: of which cluster, a broker will say.
static bool take_known(kafka_source *self, rwd_slice known) {
    unsigned partitions = 1;
    if (!split_partitions(&known, &partitions)) return false;
    char *end = rwd_strf(" topic=%s partition=%u", self->job->source.topic, self->job->source.partition);
    size_t size = strlen(end);
    bool ours = known.size > size && memcmp(known.data + known.size - size, end, size) == 0;
    free(end);
    if (!ours) return false;
    rwd_buf_append_slice(&self->identity, known);
    name_origin(self);
    self->partitions = partitions;
    return true;
}

// Before anything is asked of a broker. BROKER: none answers yet.
static bool prove(kafka_source *self, rwd_error *err) {
    rwd_buf is = {0};
    if (self->proven) return true;
    if (!rwd_kafka_consumer_answers(self->consumer, PATIENCE_MS, err) || !ask_identity(self, &is, err)) return false;
    bool same = rwd_slice_equal(rwd_buf_slice(&is), rwd_buf_slice(&self->identity)) || other_source(self, rwd_buf_slice(&self->identity), &is, err);
    rwd_buf_deinit(&is);
    self->proven = same && check_partitions(self, err);
    return self->proven;
}

static unsigned kafka_partitions(const rwd_source *source) { return self_of(source)->partitions; }
static const char *kafka_origin(const rwd_source *source) { return self_of(source)->origin; }

// ---- where to read

static bool kafka_bounds(rwd_source *source, int64_t *out_low, int64_t *out_high, rwd_error *err) {
    return prove(self_of(source), err) && rwd_kafka_consumer_bounds(self_of(source)->consumer, out_low, out_high, err);
}

static bool check_start(kafka_source *self, int64_t offset, int64_t low, int64_t high, rwd_error *err) {
    if (offset >= low && offset <= high) return true;
    (void)rwd_fail(err, RWD_E_POSITION, "source.kafka.start: offset %" PRId64 " is not in the partition, which holds [%" PRId64 ", %" PRId64 ")", offset, low, high);
    (void)rwd_error_next(err, "write one of these offsets, earliest, latest or {time: T}");
    return rwd_error_at(err, "%s", self->label);
}

// A time between two milliseconds is the later one's.
static bool kafka_offset_for(rwd_source *source, int64_t time_us, int64_t *out, rwd_error *err) {
    int64_t time_ms = time_us / US_PER_MS + (time_us % US_PER_MS > 0);
    return prove(self_of(source), err) && rwd_kafka_consumer_offset_at(self_of(source)->consumer, time_ms, out, err);
}

static bool kafka_start(rwd_source *source, int64_t *out, rwd_error *err) {
    kafka_source *self = self_of(source);
    const rwd_start *start = &self->job->source.start;
    int64_t low, high;
    if (!prove(self, err)) return false;
    if (start->time_us != RWD_TIME_NONE) return kafka_offset_for(source, start->time_us, out, err);
    if (!rwd_kafka_consumer_bounds(self->consumer, &low, &high, err)) return false;
    *out = start->offset >= 0 ? start->offset : start->at == RWD_START_LATEST ? high : low;
    return check_start(self, *out, low, high, err);
}

// ---- the cursor, and whether the topic is still the one that was read (C5)

static void put_cursor(int64_t next, const last_record *last, rwd_buf *out) {
    uint8_t bytes[CURSOR_LAST_SIZE];
    rwd_put_le64(bytes, (uint64_t)next);
    rwd_put_le64(bytes + 8, (uint64_t)last->time_us);
    rwd_hash128_put(last->hash, bytes + 16);
    rwd_buf_append(out, bytes, last->known ? CURSOR_LAST_SIZE : CURSOR_SIZE);
}

static bool take_cursor(const kafka_source *self, rwd_slice cursor, int64_t offset, last_record *out, rwd_error *err) {
    *out = (last_record){0};
    if (cursor.size == 0) return true;
    bool sized = cursor.size == CURSOR_SIZE || cursor.size == CURSOR_LAST_SIZE;
    if (!sized || (int64_t)rwd_get_le64(cursor.data) != offset) {
        (void)rwd_fail(err, RWD_E_POSITION, "the cursor does not stand at offset %" PRId64, offset);
        return rwd_error_at(err, "%s", self->label);
    }
    if (cursor.size == CURSOR_LAST_SIZE)
        *out = (last_record){true, (int64_t)rwd_get_le64(cursor.data + 8), rwd_hash128_get(cursor.data + 16)};
    return true;
}

static bool start_over_hint(const kafka_source *self, rwd_error *err) {
    (void)rwd_error_next(err, "put back the topic that was there; or start over with another `group` and other output topics: rewind run %s --fresh",
                         self->job->file);
    return rwd_error_at(err, "%s", self->label);
}

static void time_words(int64_t time_us, char out[RWD_TIME_TEXT_MAX]) {
    size_t size = time_us == RWD_TIME_NONE ? 0 : rwd_time_text(time_us, out);
    if (size == 0) (void)snprintf(out, RWD_TIME_TEXT_MAX, "no time");
    else out[size] = '\0';
}

// C5: librdkafka 2.0.2 tells no topic's id. What tells a topic that was made anew from the one that was read is the last record that was read.
static bool compare_last(const kafka_source *self, const rwd_kafka_record *now, const last_record *then, rwd_error *err) {
    int64_t time_us = now->time_ms < 0 ? RWD_TIME_NONE : now->time_ms * US_PER_MS;
    if (time_us == then->time_us && rwd_hash128_equal(rwd_hash128_of(now->raw.data, now->raw.size, (uint64_t)now->offset), then->hash)) return true;
    char was[RWD_TIME_TEXT_MAX], is[RWD_TIME_TEXT_MAX];
    time_words(then->time_us, was);
    time_words(time_us, is);
    (void)rwd_fail(err, RWD_E_SOURCE_CHANGED, "the record at offset %" PRId64 " (%s) is not the one that was read there (%s): the topic was made anew, or lost records",
                   now->offset, is, was);
    return start_over_hint(self, err);
}

// Reads the record before `offset` again. Where the topic does not hold it any more, nothing can be told. Afterwards reading goes on at `offset`.
static bool read_last_again(kafka_source *self, int64_t offset, const last_record *then, rwd_error *err) {
    int64_t until = rwd_clock_ns(self->clock) + RWD_KAFKA_ANSWER_MS * NS_PER_MS;
    rwd_kafka_batch batch = {0};
    if (!rwd_kafka_consumer_assign(self->consumer, offset - 1, err)) return false;
    while (batch.count == 0 && !batch.end) {
        if (!rwd_kafka_consumer_batch(self->consumer, 1, LOOK_NS, &batch, err)) return false;
        if (batch.count > 0 || batch.end || rwd_clock_ns(self->clock) < until) continue;
        (void)rwd_fail(err, RWD_E_BROKER, "the record at offset %" PRId64 ", the last one that was read, does not come", offset - 1);
        return rwd_error_at(err, "%s", self->label);
    }
    if (batch.count == 0 || batch.records[0].offset != offset - 1) return rwd_kafka_consumer_assign(self->consumer, offset, err);
    return compare_last(self, &batch.records[0], then, err);
}

// C5: the partition must still hold, or be able to go on at, `offset`.
static bool check_held(const kafka_source *self, int64_t offset, int64_t low, int64_t high, rwd_error *err) {
    if (offset >= low && offset <= high) return true;
    (void)rwd_fail(err, RWD_E_POSITION, "offset %" PRId64 " is not in the partition, which holds [%" PRId64 ", %" PRId64 "): records were %s", offset, low, high,
                   offset < low ? "removed before they were read" : "taken away from its end");
    return start_over_hint(self, err);
}

static bool go_to(kafka_source *self, int64_t offset, const last_record *last, rwd_error *err) {
    int64_t low, high;
    if (!prove(self, err) || !rwd_kafka_consumer_bounds(self->consumer, &low, &high, err) || !check_held(self, offset, low, high, err)) return false;
    self->behind = offset;
    self->last = *last;
    if (last->known && offset > low) return read_last_again(self, offset, last, err);
    return rwd_kafka_consumer_assign(self->consumer, offset, err);
}

static bool kafka_assign(rwd_source *source, int64_t offset, rwd_slice cursor, rwd_error *err) {
    kafka_source *self = self_of(source);
    last_record last;
    rwd_error why;
    assert(self->held == 0 && "release the last batch first");
    if (!take_cursor(self, cursor, offset, &last, err)) return false;
    bool there = go_to(self, offset, &last, &why), away = !there && why.decision == RWD_RETRY;
    if (!there && err) *err = why;
    if (!away) self->unanswered_ns = 0;
    else if (self->unanswered_ns == 0) self->unanswered_ns = rwd_clock_ns(self->clock);
    return there;
}

static last_record last_of(const rwd_record *record) { return (last_record){true, record->time_us, record->hash}; }

static bool kafka_cursor(rwd_source *source, const rwd_record *last, rwd_buf *out, rwd_error *err) {
    (void)err;
    const kafka_source *self = self_of(source);
    last_record before = last ? last_of(last) : self->last;
    put_cursor(last ? last->offset + 1 : self->behind, &before, out);
    return true;
}

// ---- records

static bool header_of(const rwd_record *record, rwd_slice name, rwd_slice *out) { return rwd_kafka_record_header(record->raw, name, out); }

static void take_record(const kafka_source *self, const rwd_kafka_record *from, rwd_record *to) {
    *to = (rwd_record){
        .offset = from->offset,
        .time_us = from->time_ms < 0 ? RWD_TIME_NONE : from->time_ms * US_PER_MS,
        .value = from->value,  // without one, nothing is decoded
        .full_size = from->value.size,
        .hash = rwd_hash128_of(from->raw.data, from->raw.size, (uint64_t)from->offset),
        .fault = from->value.size > self->job->event.max_size ? RWD_E_TOO_LARGE : RWD_E_NONE,
        .key = from->key,
        .raw = from->raw,
        .header = header_of,
    };
    if (from->value.data) return;
    if (self->job->source.tombstone == RWD_TOMBSTONE_DEAD_LETTER) to->fault = RWD_E_MALFORMED;
    else to->tombstone = true;
}

// Before records are handed out: those that came since the count changed are not to be applied. An answer that cannot be had now is asked for again.
static bool recheck_partitions(kafka_source *self, rwd_error *err) {
    if (rwd_clock_ns(self->clock) - self->asked_ns < PARTITIONS_NS) return true;
    return check_partitions(self, err) || err->decision == RWD_RETRY;
}

static bool kafka_batch(rwd_source *source, size_t max, int64_t timeout_ns, rwd_batch *out, rwd_error *err) {
    kafka_source *self = self_of(source);
    rwd_kafka_batch batch;
    assert(self->held == 0 && "release the last batch first");
    if (!rwd_kafka_consumer_batch(self->consumer, max < RWD_KAFKA_BATCH_MAX ? max : RWD_KAFKA_BATCH_MAX, timeout_ns, &batch, err))
        return err->code == RWD_E_POSITION ? start_over_hint(self, err) : false;
    if (batch.count > 0 && !recheck_partitions(self, err)) return false;
    for (size_t i = 0; i < batch.count; i++) take_record(self, &batch.records[i], &self->records[i]);
    self->held = batch.count;
    *out = (rwd_batch){self->records, batch.count, batch.end};
    return true;
}

static void kafka_release(rwd_source *source) {
    kafka_source *self = self_of(source);
    if (self->held > 0) {
        const rwd_record *last = &self->records[self->held - 1];
        self->behind = last->offset + 1;
        self->last = last_of(last);
    }
    self->held = 0;
}

static bool kafka_read_back(rwd_source *source, const rwd_record *record, uint64_t at, void *out, size_t size, rwd_error *err) {
    (void)source, (void)err;
    assert(at <= record->value.size && size <= record->value.size - at);
    if (size) memcpy(out, record->value.data + at, size);
    return true;
}

static bool kafka_from_raw(rwd_source *source, int64_t offset, rwd_slice raw, rwd_record *out, rwd_error *err) {
    kafka_source *self = self_of(source);
    rwd_kafka_record record;
    if (!rwd_kafka_record_from_raw(offset, raw, &record)) {
        (void)rwd_fail(err, RWD_E_CORRUPT, "what was kept of the record at offset %" PRId64 " is no record", offset);
        return rwd_error_at(err, "%s", self->label);
    }
    take_record(self, &record, out);
    return true;
}

// ---- for people

static const char *kafka_label(const rwd_source *source) { return self_of(source)->label; }

// What is to come is counted in records, not in bytes.
static void kafka_progress(const rwd_source *source, uint64_t *out_done, uint64_t *out_total) {
    (void)source;
    *out_done = *out_total = 0;
}

static void kafka_outlook(rwd_source *source, rwd_outlook *out) {
    rwd_kafka_outlook known;
    rwd_kafka_consumer_outlook(self_of(source)->consumer, &known);
    *out = (rwd_outlook){.begin = known.begin, .end = known.end, .waiting_ns = known.waiting_ns ? known.waiting_ns : self_of(source)->unanswered_ns, .away_us = known.away_us};
}

static void kafka_show(rwd_source *source, int64_t offset) { rwd_kafka_consumer_show(self_of(source)->consumer, offset); }

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
    free(self->origin);
    free(self);
}

static const rwd_source_ops kafka_source_ops = {
    .name = "kafka",
    .identity = kafka_identity,
    .check_identity = kafka_check_identity,
    .bounds = kafka_bounds,
    .start = kafka_start,
    .offset_for = kafka_offset_for,
    .assign = kafka_assign,
    .batch = kafka_batch,
    .release = kafka_release,
    .cursor = kafka_cursor,
    .read_back = kafka_read_back,
    .from_raw = kafka_from_raw,
    .partitions = kafka_partitions,
    .origin = kafka_origin,
    .label = kafka_label,
    .progress = kafka_progress,
    .outlook = kafka_outlook,
    .show = kafka_show,
    .columns = kafka_columns,
    .close = kafka_close,
};

_Static_assert(RWD_KAFKA_PADDING >= RWD_RECORD_PADDING && RWD_KAFKA_BATCH_MAX >= RWD_BATCH_MAX, "what the decoder may read is there");

static bool begin(kafka_source *self, const rwd_kafka_settings *settings, rwd_slice known, rwd_error *err) {
    rwd_error away;
    if (!rwd_kafka_consumer_open(settings, self->job->source.topic, self->job->source.partition, self->clock, &self->consumer, err)) return false;
    if (known.size == 0 || rwd_kafka_consumer_answers(self->consumer, PATIENCE_MS, &away)) return learn_identity(self, err);
    if (away.decision == RWD_RETRY && take_known(self, known)) return true;
    if (err) *err = away;
    return false;
}

bool rwd_kafka_source_open(const rwd_job *job, const rwd_kafka_settings *settings, rwd_slice known, rwd_clock *clock, rwd_source **out, rwd_error *err) {
    assert(job->source.topic);
    kafka_source *self = rwd_calloc(1, sizeof *self);
    self->base.ops = &kafka_source_ops;
    self->job = job;
    self->clock = clock;
    self->label = rwd_strf("%s/%u", job->source.topic, job->source.partition);
    self->records = rwd_calloc(RWD_BATCH_MAX, sizeof *self->records);
    if (!begin(self, settings, known, err)) {
        kafka_close(&self->base);
        return false;
    }
    *out = &self->base;
    return true;
}
