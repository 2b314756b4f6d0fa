// The Kafka sink (kafka.h): what is committed, in one transaction of Kafka, or at least once. While a commit runs, the committer's thread owns the producer and the buffers.
//
// C6: outputs, the position with its metadata, the commit. What a failure means:
//   Kafka says that the transaction must be aborted, and aborts it   it goes again, whole, a few times; then ABORTED
//   anything else                                                    UNKNOWN   the handle is spent; recovery reads what was committed
// After either no commit happens until recovery.
//
// At least once: C is still ours, outputs, all of them acknowledged, C is still ours, the position. Outputs that were sent stay, whatever becomes of the position:
// they come again with the next try or after the next recovery. What a failure means is the same: ABORTED says that C was not moved.
#include "operator/sink/kafka.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "operator/base/crash_point.h"
#include "operator/base/log.h"
#include "operator/kafka/group.h"
#include "operator/kafka/producer.h"
#include "operator/sink/committer.h"
#include "operator/sink/kafka_metadata.h"
#include "operator/sink/kafka_position.h"
#include "operator/sink/kafka_record.h"

#define TRIES_MAX 5                        // of one transaction
#define RETRY_NS 100000000LL               // before the second try; doubled each time
#define AWAY_NS 3000000000LL               // a broker that has not answered for so long is away
#define DEAD_MARGIN (64 * 1024)            // room for headers beside a dead letter's key and value
#define MESSAGE_MAX 1000000                // librdkafka's message.max.bytes, unless the job sets it

typedef struct kafka_sink {
    rwd_sink sink;  // first
    const rwd_job *job;
    rwd_kafka_settings settings;
    rwd_clock *clock;
    const char *topic;       // where C stands
    unsigned partition;
    char *transactional_id;
    size_t dead_bytes_max;
    bool by_key[RWD_SINKS_MAX];
    rwd_committer *committer;
    rwd_kafka_wait wait;

    // The thread's while a commit runs.
    rwd_kafka_producer *producer;
    rwd_kafka_position *position;  // at least once
    rwd_hash128 cluster;     // hash of the cluster's id
    rwd_kafka_record_text record;
    rwd_buf metadata;
} kafka_sink;

static kafka_sink *self_of(const rwd_sink *sink) { return (kafka_sink *)(uintptr_t)sink; }

static bool is_transactional(const kafka_sink *self) { return self->job->delivery.mode == RWD_DELIVERY_EXACTLY_ONCE; }

// ---- a commit, on the thread

static bool send_record(kafka_sink *self, rwd_sink_stats *done, rwd_kafka_fate *fate, rwd_error *err) {
    const rwd_kafka_output *output = &self->record.output;
    done->bytes += output->key.size + output->value.size;
    return rwd_kafka_producer_send(self->producer, output, fate, err);
}

static bool send_rows(kafka_sink *self, const rwd_pending *h, size_t index, rwd_sink_stats *done, rwd_kafka_fate *fate, rwd_error *err) {
    size_t count = rwd_transaction_count(h->rows, index);
    for (size_t i = 0; i < count; i++) {
        rwd_transaction_row row = rwd_transaction_at(h->rows, index, i);
        *fate = RWD_KAFKA_ABORT;
        if (!rwd_kafka_record_of_row(self->job, &self->job->sinks[index], &row, h->lineage, &self->record, err)) return false;
        if (h->repair[0]) rwd_kafka_record_correct(&row, h->repair, rwd_buf_slice(&h->reason), &self->record);
        if (!send_record(self, done, fate, err)) return false;
    }
    done->rows += count;
    return true;
}

static bool send_outputs(kafka_sink *self, const rwd_pending *h, rwd_sink_stats *done, rwd_kafka_fate *fate, rwd_error *err) {
    for (size_t i = 0; i < self->job->sink_count; i++) {
        if (!send_rows(self, h, i, done, fate, err)) return false;
        RWD_CRASH_POINT(kafka_output_sent);
    }
    rwd_reader run = rwd_reader_of(rwd_buf_slice(&h->dead));
    while (rwd_reader_left(&run) > 0) {
        rwd_kafka_record_of_dead_letter(&run, self->job->dead_letter_topic, h->lineage, &self->record);
        if (!send_record(self, done, fate, err)) return false;
    }
    done->dead_letters = h->dead_letters;
    if (!rwd_kafka_producer_flush(self->producer, fate, err)) return false;
    RWD_CRASH_POINT(kafka_outputs_acknowledged);
    return true;
}

static bool may_pass(const rwd_error *err) { return err->decision == RWD_RETRY || err->decision == RWD_ROLLBACK; }

static bool commit_transaction(kafka_sink *self, int64_t offset, rwd_kafka_fate *fate, rwd_error *err) {
    if (!rwd_kafka_producer_offset(self->producer, self->topic, self->partition, offset, rwd_buf_slice(&self->metadata), fate, err)) return false;
    RWD_CRASH_POINT(kafka_position_sent);
    return rwd_kafka_producer_commit(self->producer, fate, err);
}

// Another's C is in doubt, too: recovery reads whose it is, and says so.
static rwd_kafka_fate fate_of_position(const rwd_error *err) { return may_pass(err) || err->code == RWD_E_FENCED ? RWD_KAFKA_DOUBT : RWD_KAFKA_ABORT; }

static bool commit_position(kafka_sink *self, int64_t offset, rwd_kafka_fate *fate, rwd_error *err) {
    bool ok = rwd_kafka_position_commit(self->position, offset, rwd_buf_slice(&self->metadata), err);
    if (!ok) *fate = fate_of_position(err);
    return ok;
}

static bool is_still_ours(kafka_sink *self, rwd_kafka_fate *fate, rwd_error *err) {
    bool ok = !self->position || rwd_kafka_position_check(self->position, err);
    if (!ok) *fate = fate_of_position(err);
    return ok;
}

// C6: outputs -> position -> commit.
static bool try_commit(kafka_sink *self, const rwd_pending *h, int64_t offset, rwd_sink_stats *done, rwd_kafka_fate *fate, rwd_error *err) {
    *done = (rwd_sink_stats){.commits = 1};
    RWD_CRASH_POINT(kafka_before_begin);
    rwd_committer_sent(self->committer, false);
    if (!is_still_ours(self, fate, err) || !rwd_kafka_producer_begin(self->producer, fate, err)) return false;
    if (!send_outputs(self, h, done, fate, err)) return false;
    rwd_committer_sent(self->committer, true);
    if (!(self->position ? commit_position : commit_transaction)(self, offset, fate, err)) return false;
    RWD_CRASH_POINT(kafka_committed);
    return true;
}

static rwd_commit_outcome run_commit(void *context, rwd_pending *h, const rwd_commit *commit, rwd_sink_stats *done, rwd_error *err) {
    kafka_sink *self = context;
    rwd_transaction_order(h->rows, self->by_key);
    rwd_buf_clear(&self->metadata);
    rwd_kafka_metadata_encode(commit, self->cluster, &self->metadata);
    for (unsigned tries = 1;; tries++) {
        rwd_kafka_fate fate = RWD_KAFKA_DOUBT;
        if (try_commit(self, h, commit->next_offset, done, &fate, err)) {
            done->repeats = tries - 1;
            return RWD_COMMIT_COMMITTED;
        }
        if (fate == RWD_KAFKA_DOUBT) return RWD_COMMIT_UNKNOWN;
        rwd_log_error(RWD_LOG_WARN, "sink", err);
        rwd_error second;
        bool aborted = rwd_kafka_producer_abort(self->producer, &second);
        if (!aborted) rwd_log_error(RWD_LOG_WARN, "sink", &second);
        if (!may_pass(err)) return RWD_COMMIT_ABORTED;  // it has not happened; what the abort came to is the next producer's business
        if (!aborted) return RWD_COMMIT_UNKNOWN;
        if (tries == TRIES_MAX || atomic_load(&self->wait.give_up)) return RWD_COMMIT_ABORTED;
        self->clock->sleep_ns(self->clock, RETRY_NS << (tries - 1));
    }
}

// ---- recovery, on the pipeline's thread

static bool at_group(const kafka_sink *self, rwd_error *err) {
    return rwd_error_at(err, "group %s, %s/%u", self->settings.group, self->topic, self->partition);
}

// C3: a C without our metadata, or from another cluster, is foreign.
static bool judge(const kafka_sink *self, const rwd_kafka_committed *found, rwd_commit *out, rwd_error *err) {
    rwd_hash128 theirs;
    rwd_slice metadata = rwd_buf_slice(&found->metadata);
    if (rwd_kafka_metadata_decode(metadata, found->offset, out, &theirs)) {
        if (rwd_hash128_equal(theirs, self->cluster)) return true;
        (void)rwd_fail(err, RWD_E_FOREIGN, "offset %" PRId64 " was committed in another cluster and copied here", found->offset);
    } else if (rwd_kafka_metadata_is_newer(metadata)) {
        (void)rwd_fail(err, RWD_E_NEWER_FORMAT, "offset %" PRId64 " was committed by a newer version of the program", found->offset);
        return at_group(self, err);
    } else {
        (void)rwd_fail(err, RWD_E_FOREIGN, "offset %" PRId64 " was committed by another program (its metadata is \"%.*s\")", found->offset,
                       (int)(metadata.size < 60 ? metadata.size : 60), metadata.size ? (const char *)metadata.data : "");
    }
    (void)rwd_error_next(err, "put back the commit that was there; or start over with another `group` and other output topics: rewind run %s --fresh",
                         self->job->file);
    return at_group(self, err);
}

static bool read_c(kafka_sink *self, bool stable, rwd_commit *out, bool *out_found, rwd_error *err) {
    rwd_kafka_committed found;
    *out = (rwd_commit){0};
    *out_found = false;
    bool ok = rwd_kafka_read_committed(&self->settings, self->topic, self->partition, stable, &found, err);
    if (ok) {
        self->cluster = rwd_hash128_of(found.cluster, strlen(found.cluster), 0);
        ok = !found.found || judge(self, &found, out, err);
        *out_found = ok && found.found;  // before its content is taken
        if (ok && stable && !is_transactional(self))
            ok = rwd_kafka_position_open(&self->settings, self->topic, self->partition, self->clock, &self->wait, &found, &self->position, err);
    }
    rwd_kafka_committed_deinit(&found);
    return ok;
}

// C4 (2): nothing is fenced yet; a transaction that is still open is looked past.
static bool kafka_peek(rwd_sink *sink, rwd_commit *out, bool *out_found, rwd_error *err) {
    kafka_sink *self = self_of(sink);
    rwd_committer_settle(self->committer);
    return rwd_kafka_group_is_free(&self->settings, err) && read_c(self, false, out, out_found, err);
}

static bool check_topics(kafka_sink *self, rwd_error *err) {
    int partitions;
    unsigned input = self->job->source.topic ? self->job->source.partition : 0;
    for (size_t i = 0; i < self->job->sink_count; i++) {
        const rwd_job_sink *sink = &self->job->sinks[i];
        if (!rwd_kafka_producer_topic(self->producer, sink->topic, &partitions, err)) return false;
        if (sink->partition != RWD_PARTITIONER_SAME || input < (unsigned)partitions) continue;
        (void)rwd_fail(err, RWD_E_TOPIC, "topic %s has %d partitions, so none of the input's number, %u, which `partition: same` asks for", sink->topic, partitions, input);
        return rwd_error_next(err, "give it at least %u partitions: kafka-topics --alter --topic %s --partitions %u", input + 1, sink->topic, input + 1);
    }
    return !self->job->dead_letter_topic || rwd_kafka_producer_topic(self->producer, self->job->dead_letter_topic, &partitions, err);
}

// C4 (3), (4): a handle of our own fences all before it; then C is what the group has, with nothing pending. At least once nobody is fenced: the claim of C that
// follows is what an earlier process finds there.
static bool take_over(kafka_sink *self, rwd_commit *out, bool *out_found, rwd_error *err) {
    const char *id = is_transactional(self) ? self->transactional_id : NULL;
    if (!rwd_kafka_producer_open(&self->settings, id, self->clock, &self->wait, &self->producer, err)) return false;
    if (!check_topics(self, err) || (id && !rwd_kafka_producer_init(self->producer, err))) return false;
    RWD_CRASH_POINT(kafka_taken_over);
    return read_c(self, true, out, out_found, err);
}

static bool kafka_recover(rwd_sink *sink, rwd_commit *out, bool *out_found, rwd_error *err) {
    kafka_sink *self = self_of(sink);
    rwd_committer_reset(self->committer);
    rwd_kafka_position_close(self->position);
    rwd_kafka_producer_close(self->producer);
    self->position = NULL;
    self->producer = NULL;
    *out_found = false;
    return (take_over(self, out, out_found, err) && rwd_committer_start(self->committer, err)) || at_group(self, err);
}

static bool kafka_holds_c(const rwd_sink *sink) {
    (void)sink;
    return true;
}

// ---- the open transaction, and ending it

static void kafka_begin(rwd_sink *sink) { rwd_committer_begin(self_of(sink)->committer); }

static void kafka_stamp(rwd_sink *sink, int64_t time_us) { rwd_transaction_stamp(rwd_committer_pending(self_of(sink)->committer)->rows, time_us); }

static void kafka_put_row(rwd_sink *sink, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset) {
    kafka_sink *self = self_of(sink);
    assert(output < self->job->sink_count);
    rwd_transaction_put(rwd_committer_pending(self->committer)->rows, output, key, row, row_size, offset);
}

static void kafka_correct(rwd_sink *sink, const char *repair, rwd_slice reason) { rwd_committer_correct(self_of(sink)->committer, repair, reason); }

static void kafka_put_correction(rwd_sink *sink, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset, rwd_slice old) {
    kafka_sink *self = self_of(sink);
    assert(output < self->job->sink_count);
    rwd_transaction_put_correction(rwd_committer_pending(self->committer)->rows, output, key, row, row_size, offset, old);
}

static bool kafka_put_dead_letter(rwd_sink *sink, const rwd_dead_letter *letter, rwd_error *err) {
    kafka_sink *self = self_of(sink);
    rwd_pending *h = rwd_committer_pending(self->committer);
    assert(self->job->dead_letter_topic);
    if (!rwd_kafka_dead_letter_keep(letter, self->dead_bytes_max, &h->dead, err)) return false;
    h->dead_letters++;
    rwd_committer_grown(self->committer);
    return true;
}

static uint64_t kafka_pending_bytes(const rwd_sink *sink) { return rwd_committer_pending_bytes(self_of(sink)->committer); }

static bool kafka_ready(rwd_sink *sink) { return rwd_committer_ready(self_of(sink)->committer); }

static void kafka_commit_async(rwd_sink *sink, const rwd_commit *commit) { rwd_committer_commit_async(self_of(sink)->committer, commit); }

static rwd_commit_outcome kafka_poll(rwd_sink *sink, rwd_commit *out, rwd_error *err) { return rwd_committer_poll(self_of(sink)->committer, out, err); }

static void kafka_wait(rwd_sink *sink, int64_t timeout_ns) { rwd_committer_wait(self_of(sink)->committer, timeout_ns); }

// What waits counts from the broker's last answer, not from when it began.
static void kafka_stats(rwd_sink *sink, rwd_sink_stats *out) {
    kafka_sink *self = self_of(sink);
    rwd_committer_stats(self->committer, out);
    int64_t since = atomic_load(&self->wait.since_ns);
    if (out->sending_ns) out->sending_ns = since;
    if (out->committing_ns) out->committing_ns = since;
    if (!out->sending_ns && !out->committing_ns) return;
    int64_t silent = rwd_clock_ns(self->clock) - since;
    if (silent > AWAY_NS) out->away_us = rwd_clock_wall_us(self->clock) - silent / 1000;
}

static void kafka_give_up(rwd_sink *sink) { atomic_store(&self_of(sink)->wait.give_up, true); }

// ---- life

static void kafka_close(rwd_sink *sink) {
    kafka_sink *self = self_of(sink);
    rwd_committer_free(self->committer);
    rwd_kafka_position_close(self->position);
    rwd_kafka_producer_close(self->producer);
    rwd_kafka_record_deinit(&self->record);
    rwd_buf_deinit(&self->metadata);
    free(self->transactional_id);
    free(self);
}

static const rwd_sink_ops kafka_ops = {
    .name = "kafka",
    .peek = kafka_peek,
    .recover = kafka_recover,
    .holds_c = kafka_holds_c,
    .begin = kafka_begin,
    .stamp = kafka_stamp,
    .put_row = kafka_put_row,
    .correct = kafka_correct,
    .put_correction = kafka_put_correction,
    .put_dead_letter = kafka_put_dead_letter,
    .pending_bytes = kafka_pending_bytes,
    .ready = kafka_ready,
    .commit_async = kafka_commit_async,
    .poll = kafka_poll,
    .wait = kafka_wait,
    .stats = kafka_stats,
    .give_up = kafka_give_up,
    .close = kafka_close,
};

// C1: C stands at the source's partition; with a file as source, at partition 0 of the first topic.
static void choose_place(kafka_sink *self) {
    const rwd_job *job = self->job;
    self->topic = job->source.topic ? job->source.topic : job->sink_count > 0 ? job->sinks[0].topic : job->dead_letter_topic;
    self->partition = job->source.topic ? job->source.partition : 0;
    self->transactional_id = rwd_strf("rewind/%s/%s/%u", self->settings.group, self->topic, self->partition);  // C7
}

static size_t largest_dead_letter(const rwd_job *job) {
    long long most = MESSAGE_MAX;
    for (size_t i = 0; i < job->kafka.property_count; i++)
        if (strcmp(job->kafka.properties[i].name, "message.max.bytes") == 0) most = strtoll(job->kafka.properties[i].value, NULL, 10);
    return (size_t)(most > 2 * DEAD_MARGIN ? most - DEAD_MARGIN : most / 2);
}

bool rwd_kafka_sink_open(const rwd_job *job, const rwd_kafka_settings *settings, rwd_clock *clock, rwd_budget *budget, rwd_sink **out,
                         rwd_error *err) {
    assert(rwd_job_commits_to_kafka(job));
    (void)err;
    kafka_sink *self = rwd_calloc(1, sizeof(*self));
    self->sink.ops = &kafka_ops;
    self->job = job;
    self->settings = *settings;
    self->settings.any_version |= !is_transactional(self);
    self->clock = clock;
    self->dead_bytes_max = largest_dead_letter(job);
    for (size_t i = 0; i < job->sink_count; i++) self->by_key[i] = job->sinks[i].emit == RWD_EMIT_COMMIT;
    self->committer = rwd_committer_new(run_commit, self, clock, budget);
    choose_place(self);
    *out = &self->sink;
    return true;
}

void rwd_kafka_sink_set_lineage(rwd_sink *sink, rwd_hash128 lineage) { rwd_committer_set_lineage(self_of(sink)->committer, lineage); }
