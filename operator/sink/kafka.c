// The Kafka sink (kafka.h): transactions, and the thread that commits them.
//
// Two transactions exist: the pipeline puts into one while the thread "commit" sends the other, in one transaction of Kafka. What belongs to whom follows from
// `phase`, which the mutex guards: while RUNNING, the thread owns the committing half and the producer; otherwise the pipeline owns everything.
//
// C6: outputs, the position with its metadata, the commit. What a failure means:
//   Kafka says that the transaction must be aborted, and aborts it   it goes again, whole, a few times; then ABORTED
//   anything else                                                    UNKNOWN   the handle is spent; recovery reads what was committed
// After either no commit happens until recovery.
#include "operator/sink/kafka.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "operator/base/crash_point.h"
#include "operator/base/log.h"
#include "operator/kafka/group.h"
#include "operator/kafka/producer.h"
#include "operator/sink/kafka_metadata.h"
#include "operator/sink/kafka_record.h"
#include "operator/sink/transaction.h"

#define TRIES_MAX 5                        // of one transaction
#define RETRY_NS 100000000LL               // before the second try; doubled each time
#define DEAD_VALUE_MARGIN (64 * 1024)      // room for key and headers beside a dead letter's value
#define MESSAGE_MAX 1000000                // librdkafka's message.max.bytes, unless the job sets it

typedef struct half {
    rwd_transaction *rows;
    rwd_buf dead;            // run of dead letters
    uint64_t dead_letters;
    uint64_t dead_held;      // capacity of `dead` that is accounted
    char lineage[RWD_HASH128_HEX];
} half;

typedef enum phase { PHASE_IDLE, PHASE_RUNNING, PHASE_UNTOLD } phase;

typedef struct kafka_sink {
    rwd_sink sink;  // first
    const rwd_job *job;
    rwd_kafka_settings settings;
    rwd_clock *clock;
    rwd_budget *budget;
    const char *topic;       // where C stands
    unsigned partition;
    char *transactional_id;
    size_t dead_value_max;
    bool by_key[RWD_SINKS_MAX];
    char lineage[RWD_HASH128_HEX];

    half halves[2];
    size_t open_half;        // the pipeline's
    bool open;

    rwd_kafka_producer *producer;
    rwd_hash128 cluster;     // hash of the cluster's id
    rwd_kafka_record_text record;
    rwd_buf metadata;

    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    // Guarded by the mutex.
    phase phase;
    bool stop;
    bool usable;             // recovered, and nothing has failed since
    rwd_commit commit;
    rwd_commit_outcome outcome;
    rwd_error failure;
    rwd_sink_stats stats;
} kafka_sink;

static kafka_sink *self_of(const rwd_sink *sink) { return (kafka_sink *)(uintptr_t)sink; }

static void clear_half(half *h) {
    rwd_transaction_clear(h->rows);
    rwd_buf_clear(&h->dead);
    h->dead_letters = 0;
}

// Until the thread has nothing to do. The mutex is held before and after.
static void wait_until_idle(kafka_sink *self) {
    while (self->phase == PHASE_RUNNING) pthread_cond_wait(&self->done, &self->mutex);
}

// ---- a commit, on the thread

static bool send_record(kafka_sink *self, rwd_sink_stats *done, rwd_kafka_fate *fate, rwd_error *err) {
    const rwd_kafka_output *output = &self->record.output;
    done->bytes += output->key.size + output->value.size;
    return rwd_kafka_producer_send(self->producer, output, fate, err);
}

static bool send_rows(kafka_sink *self, const half *h, size_t index, rwd_sink_stats *done, rwd_kafka_fate *fate, rwd_error *err) {
    size_t count = rwd_transaction_count(h->rows, index);
    for (size_t i = 0; i < count; i++) {
        rwd_transaction_row row = rwd_transaction_at(h->rows, index, i);
        *fate = RWD_KAFKA_ABORT;
        if (!rwd_kafka_record_of_row(self->job, &self->job->sinks[index], &row, h->lineage, &self->record, err)) return false;
        if (!send_record(self, done, fate, err)) return false;
    }
    done->rows += count;
    return true;
}

static bool send_outputs(kafka_sink *self, half *h, rwd_sink_stats *done, rwd_kafka_fate *fate, rwd_error *err) {
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

// C6: outputs -> position -> commit.
static bool try_commit(kafka_sink *self, half *h, rwd_sink_stats *done, rwd_kafka_fate *fate, rwd_error *err) {
    *done = (rwd_sink_stats){.commits = 1};
    RWD_CRASH_POINT(kafka_before_begin);
    if (!rwd_kafka_producer_begin(self->producer, fate, err)) return false;
    if (!send_outputs(self, h, done, fate, err)) return false;
    if (!rwd_kafka_producer_offset(self->producer, self->topic, self->partition, self->commit.next_offset, rwd_buf_slice(&self->metadata), fate, err))
        return false;
    RWD_CRASH_POINT(kafka_position_sent);
    if (!rwd_kafka_producer_commit(self->producer, fate, err)) return false;
    RWD_CRASH_POINT(kafka_committed);
    return true;
}

static bool may_pass(const rwd_error *err) { return err->decision == RWD_RETRY || err->decision == RWD_ROLLBACK; }

static rwd_commit_outcome run_commit(kafka_sink *self, half *h, rwd_sink_stats *done, rwd_error *err) {
    rwd_transaction_order(h->rows, self->by_key);
    rwd_buf_clear(&self->metadata);
    rwd_kafka_metadata_encode(&self->commit, self->cluster, &self->metadata);
    for (unsigned tries = 1;; tries++) {
        rwd_kafka_fate fate = RWD_KAFKA_DOUBT;
        if (try_commit(self, h, done, &fate, err)) return RWD_COMMIT_COMMITTED;
        *done = (rwd_sink_stats){0};
        if (fate == RWD_KAFKA_DOUBT) return RWD_COMMIT_UNKNOWN;
        rwd_log_error(RWD_LOG_WARN, "sink", err);
        rwd_error second;
        if (!rwd_kafka_producer_abort(self->producer, &second)) {
            rwd_log_error(RWD_LOG_WARN, "sink", &second);
            return RWD_COMMIT_UNKNOWN;
        }
        if (tries == TRIES_MAX || !may_pass(err)) return RWD_COMMIT_ABORTED;
        self->clock->sleep_ns(self->clock, RETRY_NS << (tries - 1));
    }
}

// One commit from beginning to end. The mutex is held before and after, not meanwhile.
static void serve(kafka_sink *self) {
    half *h = &self->halves[1 - self->open_half];  // the pipeline does not swap while we run
    pthread_mutex_unlock(&self->mutex);
    int64_t began = rwd_clock_ns(self->clock);
    rwd_sink_stats add;
    rwd_error failure;
    rwd_error_clear(&failure);
    rwd_commit_outcome outcome = run_commit(self, h, &add, &failure);
    clear_half(h);
    pthread_mutex_lock(&self->mutex);
    self->stats.commits += add.commits;
    self->stats.rows += add.rows;
    self->stats.dead_letters += add.dead_letters;
    self->stats.bytes += add.bytes;
    self->stats.last_commit_ns = rwd_clock_ns(self->clock) - began;
    self->stats.last_commit_us = rwd_clock_wall_us(self->clock);
    self->outcome = outcome;
    self->failure = failure;
    self->usable = outcome == RWD_COMMIT_COMMITTED;
    self->phase = PHASE_UNTOLD;
    pthread_cond_broadcast(&self->done);
}

static void *commit_thread(void *argument) {
    kafka_sink *self = argument;
    (void)pthread_setname_np(pthread_self(), "commit");
    pthread_mutex_lock(&self->mutex);
    for (;;) {
        if (self->phase == PHASE_RUNNING) serve(self);
        else if (self->stop) break;
        else pthread_cond_wait(&self->work, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

// Signals are the business of the program's main thread.
static bool start_thread(kafka_sink *self, rwd_error *err) {
    if (self->thread_runs) return true;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failure = pthread_create(&self->thread, NULL, commit_thread, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) return rwd_fail_errno(err, failure, "cannot start the thread that commits");
    self->thread_runs = true;
    return true;
}

// ---- recovery, on the pipeline's thread

static bool at_group(const kafka_sink *self, rwd_error *err) {
    return rwd_error_at(err, "group %s, %s/%u", self->settings.group, self->topic, self->partition);
}

// C3: a C without our metadata, or from another cluster, is foreign.
static bool judge(const kafka_sink *self, const rwd_kafka_committed *found, const rwd_hash128 *cluster, rwd_commit *out, rwd_error *err) {
    rwd_hash128 theirs;
    rwd_slice metadata = rwd_buf_slice(&found->metadata);
    if (rwd_kafka_metadata_decode(metadata, found->offset, out, &theirs)) {
        if (!cluster || rwd_hash128_equal(theirs, *cluster)) return true;
        (void)rwd_fail(err, RWD_E_FOREIGN, "offset %" PRId64 " was committed in another cluster and copied here", found->offset);
    } else if (rwd_kafka_metadata_is_newer(metadata)) {
        (void)rwd_fail(err, RWD_E_NEWER_FORMAT, "offset %" PRId64 " was committed by a newer version of the program", found->offset);
        return at_group(self, err);
    } else {
        (void)rwd_fail(err, RWD_E_FOREIGN, "offset %" PRId64 " was committed by another program (its metadata is \"%.*s\")", found->offset,
                       (int)(metadata.size < 60 ? metadata.size : 60), metadata.size ? (const char *)metadata.data : "");
    }
    (void)rwd_error_next(err, "give the job a group of its own (`group: NAME`), or put back the commit that was there");
    return at_group(self, err);
}

static bool read_c(kafka_sink *self, bool stable, const rwd_hash128 *cluster, rwd_commit *out, bool *out_found, rwd_error *err) {
    rwd_kafka_committed found;
    *out = (rwd_commit){0};
    *out_found = false;
    if (!rwd_kafka_read_committed(&self->settings, self->topic, self->partition, stable, &found, err)) return false;
    bool ok = !found.found || judge(self, &found, cluster, out, err);
    *out_found = ok && found.found;
    rwd_kafka_committed_deinit(&found);
    return ok;
}

// C4 (2): nothing is fenced yet; a transaction that is still open is looked past.
static bool kafka_peek(rwd_sink *sink, rwd_commit *out, bool *out_found, rwd_error *err) {
    kafka_sink *self = self_of(sink);
    pthread_mutex_lock(&self->mutex);
    wait_until_idle(self);
    pthread_mutex_unlock(&self->mutex);
    return rwd_kafka_group_is_free(&self->settings, err) && read_c(self, false, NULL, out, out_found, err);
}

static bool check_topics(kafka_sink *self, rwd_error *err) {
    for (size_t i = 0; i < self->job->sink_count; i++)
        if (!rwd_kafka_producer_topic(self->producer, self->job->sinks[i].topic, err)) return false;
    return !self->job->dead_letter_topic || rwd_kafka_producer_topic(self->producer, self->job->dead_letter_topic, err);
}

static bool learn_cluster(kafka_sink *self, rwd_error *err) {
    char *id;
    if (!rwd_kafka_producer_cluster(self->producer, &id, err)) return false;
    self->cluster = rwd_hash128_of(id, strlen(id), 0);
    free(id);
    return true;
}

// C4 (3), (4): a handle of our own fences all before it; then C is what the group has, with nothing pending.
static bool take_over(kafka_sink *self, rwd_commit *out, bool *out_found, rwd_error *err) {
    if (!rwd_kafka_producer_open(&self->settings, self->transactional_id, &self->producer, err)) return false;
    if (!learn_cluster(self, err) || !check_topics(self, err) || !rwd_kafka_producer_init(self->producer, err)) return false;
    RWD_CRASH_POINT(kafka_taken_over);
    return read_c(self, true, &self->cluster, out, out_found, err);
}

static bool kafka_recover(rwd_sink *sink, rwd_commit *out, bool *out_found, rwd_error *err) {
    kafka_sink *self = self_of(sink);
    pthread_mutex_lock(&self->mutex);
    wait_until_idle(self);
    self->phase = PHASE_IDLE;
    self->usable = false;
    pthread_mutex_unlock(&self->mutex);
    self->open = false;
    clear_half(&self->halves[0]);
    clear_half(&self->halves[1]);
    rwd_kafka_producer_close(self->producer);
    self->producer = NULL;
    *out_found = false;
    if (!take_over(self, out, out_found, err) || !start_thread(self, err)) return at_group(self, err);
    pthread_mutex_lock(&self->mutex);
    self->usable = true;
    pthread_mutex_unlock(&self->mutex);
    return true;
}

static bool kafka_holds_c(const rwd_sink *sink) {
    (void)sink;
    return true;
}

// ---- the open transaction, on the pipeline's thread

static void kafka_begin(rwd_sink *sink) {
    kafka_sink *self = self_of(sink);
    assert(!self->open);
    self->open = true;
}

static void kafka_stamp(rwd_sink *sink, int64_t time_us) {
    kafka_sink *self = self_of(sink);
    rwd_transaction_stamp(self->halves[self->open_half].rows, time_us);
}

static void kafka_put_row(rwd_sink *sink, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset) {
    kafka_sink *self = self_of(sink);
    assert(self->open && output < self->job->sink_count);
    rwd_transaction_put(self->halves[self->open_half].rows, output, key, row, row_size, offset);
}

static bool kafka_put_dead_letter(rwd_sink *sink, const rwd_dead_letter *letter, rwd_error *err) {
    kafka_sink *self = self_of(sink);
    half *h = &self->halves[self->open_half];
    assert(self->open && self->job->dead_letter_topic);
    if (!rwd_kafka_dead_letter_keep(letter, self->dead_value_max, &h->dead, err)) return false;
    h->dead_letters++;
    if (h->dead.capacity > h->dead_held) {
        rwd_budget_take(self->budget, RWD_SHARE_SINK, h->dead.capacity - h->dead_held);
        h->dead_held = h->dead.capacity;
    }
    return true;
}

static uint64_t kafka_pending_bytes(const rwd_sink *sink) {
    const kafka_sink *self = self_of(sink);
    const half *h = &self->halves[self->open_half];
    return rwd_transaction_bytes(h->rows) + h->dead.size;
}

// ---- ending it

static bool kafka_ready(rwd_sink *sink) {
    kafka_sink *self = self_of(sink);
    pthread_mutex_lock(&self->mutex);
    bool ready = self->phase == PHASE_IDLE;
    pthread_mutex_unlock(&self->mutex);
    return ready;
}

static void kafka_commit_async(rwd_sink *sink, const rwd_commit *commit) {
    kafka_sink *self = self_of(sink);
    assert(self->open);
    self->open = false;
    half *h = &self->halves[self->open_half];
    memcpy(h->lineage, self->lineage, sizeof(h->lineage));
    pthread_mutex_lock(&self->mutex);
    assert(self->phase == PHASE_IDLE);
    self->commit = *commit;
    self->open_half = 1 - self->open_half;
    if (self->usable) {
        self->phase = PHASE_RUNNING;
        pthread_cond_signal(&self->work);
    } else {  // failed before, and nobody recovered: the reason is still the same
        clear_half(h);
        self->outcome = RWD_COMMIT_ABORTED;
        self->phase = PHASE_UNTOLD;
    }
    pthread_mutex_unlock(&self->mutex);
}

static rwd_commit_outcome kafka_poll(rwd_sink *sink, rwd_commit *out, rwd_error *err) {
    kafka_sink *self = self_of(sink);
    rwd_commit_outcome outcome = RWD_COMMIT_IDLE;
    pthread_mutex_lock(&self->mutex);
    if (self->phase == PHASE_RUNNING) {
        outcome = RWD_COMMIT_RUNNING;
    } else if (self->phase == PHASE_UNTOLD) {
        self->phase = PHASE_IDLE;
        outcome = self->outcome;
        *out = self->commit;
        if (outcome != RWD_COMMIT_COMMITTED && err) *err = self->failure;
    }
    pthread_mutex_unlock(&self->mutex);
    return outcome;
}

static void kafka_wait(rwd_sink *sink, int64_t timeout_ns) {
    kafka_sink *self = self_of(sink);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_ns % 1000000000;
    until.tv_sec += timeout_ns / 1000000000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&self->mutex);
    while (self->phase == PHASE_RUNNING && pthread_cond_timedwait(&self->done, &self->mutex, &until) == 0) continue;
    pthread_mutex_unlock(&self->mutex);
}

static void kafka_stats(rwd_sink *sink, rwd_sink_stats *out) {
    kafka_sink *self = self_of(sink);
    pthread_mutex_lock(&self->mutex);
    *out = self->stats;
    pthread_mutex_unlock(&self->mutex);
}

// ---- life

static void kafka_close(rwd_sink *sink) {
    kafka_sink *self = self_of(sink);
    pthread_mutex_lock(&self->mutex);
    self->stop = true;
    pthread_cond_signal(&self->work);
    pthread_mutex_unlock(&self->mutex);
    if (self->thread_runs) pthread_join(self->thread, NULL);
    for (size_t i = 0; i < 2; i++) {
        half *h = &self->halves[i];
        rwd_transaction_free(h->rows);
        rwd_buf_deinit(&h->dead);
        rwd_budget_give(self->budget, RWD_SHARE_SINK, h->dead_held);
    }
    rwd_kafka_producer_close(self->producer);
    rwd_kafka_record_deinit(&self->record);
    rwd_buf_deinit(&self->metadata);
    free(self->transactional_id);
    pthread_cond_destroy(&self->work);
    pthread_cond_destroy(&self->done);
    pthread_mutex_destroy(&self->mutex);
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
    .put_dead_letter = kafka_put_dead_letter,
    .pending_bytes = kafka_pending_bytes,
    .ready = kafka_ready,
    .commit_async = kafka_commit_async,
    .poll = kafka_poll,
    .wait = kafka_wait,
    .stats = kafka_stats,
    .close = kafka_close,
};

static void init_threads(kafka_sink *self) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->work, NULL);
    pthread_cond_init(&self->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

// C1: C stands at the source's partition; with a file as source, at partition 0 of the first topic.
static void choose_place(kafka_sink *self) {
    const rwd_job *job = self->job;
    self->topic = job->source.topic ? job->source.topic : job->sink_count > 0 ? job->sinks[0].topic : job->dead_letter_topic;
    self->partition = job->source.topic ? job->source.partition : 0;
    self->transactional_id = rwd_strf("rewind/%s/%s/%u", self->settings.group, self->topic, self->partition);  // C7
}

static size_t largest_dead_value(const rwd_job *job) {
    long long most = MESSAGE_MAX;
    for (size_t i = 0; i < job->kafka.property_count; i++)
        if (strcmp(job->kafka.properties[i].name, "message.max.bytes") == 0) most = strtoll(job->kafka.properties[i].value, NULL, 10);
    return most > 2 * DEAD_VALUE_MARGIN ? (size_t)most - DEAD_VALUE_MARGIN : DEAD_VALUE_MARGIN;
}

bool rwd_kafka_sink_open(const rwd_job *job, const rwd_kafka_settings *settings, rwd_clock *clock, rwd_budget *budget, rwd_sink **out,
                         rwd_error *err) {
    assert(rwd_job_commits_to_kafka(job));
    (void)err;
    kafka_sink *self = rwd_calloc(1, sizeof(*self));
    self->sink.ops = &kafka_ops;
    self->job = job;
    self->settings = *settings;
    self->clock = clock;
    self->budget = budget;
    self->dead_value_max = largest_dead_value(job);
    for (size_t i = 0; i < job->sink_count; i++) self->by_key[i] = job->sinks[i].emit == RWD_EMIT_COMMIT;
    for (size_t i = 0; i < 2; i++) self->halves[i].rows = rwd_transaction_new(budget);
    choose_place(self);
    (void)rwd_fail(&self->failure, RWD_E_INTERNAL, "a commit before the outputs were recovered");
    init_threads(self);
    *out = &self->sink;
    return true;
}

void rwd_kafka_sink_set_lineage(rwd_sink *sink, rwd_hash128 lineage) { rwd_hash128_hex(lineage, self_of(sink)->lineage); }
