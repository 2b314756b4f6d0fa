// The transactional producer (producer.h).
#include "operator/kafka/producer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/kafka/kafka_private.h"

#define ABORT_MS 15000
#define SLICE_MS 200             // a long wait comes by as often as this to see whether it should give up
#define FULL_MS 10               // one wait for room in the queue
#define FULL_MAX 12000           // that many waits: two minutes, above the time-out of a transaction

struct rwd_kafka_producer {
    rwd_kafka_client *client;
    rwd_clock *clock;
    rwd_kafka_wait *wait;
    rd_kafka_consumer_group_metadata_t *group;
    char *group_name, *transactional_id;
};

// ---- life

bool rwd_kafka_producer_open(const rwd_kafka_settings *settings, const char *transactional_id, rwd_clock *clock, rwd_kafka_wait *wait,
                             rwd_kafka_producer **out, rwd_error *err) {
    rd_kafka_conf_t *conf;
    rwd_kafka_client *client;
    if (!rwd_kafka_conf(settings, &conf, err)) return false;
    rwd_kafka_own(conf, "transactional.id", transactional_id);
    rwd_kafka_own(conf, "partitioner", "murmur2");  // as Java's for records that have a key, and ours do
    rwd_kafka_prefer(conf, settings, "queue.buffering.max.messages", "1000000");
    char kilobytes[32];
    (void)snprintf(kilobytes, sizeof kilobytes, "%llu", (unsigned long long)(settings->memory_out / 1024));
    rwd_kafka_prefer(conf, settings, "queue.buffering.max.kbytes", kilobytes);
    if (!rwd_kafka_new(RD_KAFKA_PRODUCER, conf, settings, &client, err)) return false;
    rwd_kafka_producer *self = rwd_calloc(1, sizeof *self);
    self->client = client;
    self->clock = clock;
    self->wait = wait;
    self->group_name = rwd_strdup(settings->group);
    self->transactional_id = rwd_strdup(transactional_id);
    self->group = rd_kafka_consumer_group_metadata_new(settings->group);
    *out = self;
    return true;
}

void rwd_kafka_producer_close(rwd_kafka_producer *self) {
    if (!self) return;
    (void)rd_kafka_purge(self->client->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_consumer_group_metadata_destroy(self->group);
    rwd_kafka_free(self->client);
    free(self->group_name);
    free(self->transactional_id);
    free(self);
}

// ---- waiting

static void waits(rwd_kafka_producer *self) { atomic_store(&self->wait->since_ns, rwd_clock_ns(self->clock)); }
static void answered(rwd_kafka_producer *self) { atomic_store(&self->wait->since_ns, 0); }

// Told to give up: what becomes of the transaction is not known any more.
static bool gives_up(const rwd_kafka_producer *self, rwd_kafka_fate *fate, rwd_error *err) {
    if (!atomic_load(&self->wait->give_up)) return false;
    *fate = RWD_KAFKA_DOUBT;
    (void)rwd_fail(err, RWD_E_BROKER, "stopped before the broker had answered");
    return true;
}

// ---- results

// Translates and frees. `topic`: whose offset it is about, or NULL. False.
static bool failed(rwd_kafka_producer *self, rd_kafka_error_t *error, const char *what, const char *topic, rwd_kafka_fate *fate, rwd_error *err) {
    rwd_kafka_need need = {.topic = topic, .topic_operation = "READ", .group = self->group_name, .transactional_id = self->transactional_id};
    if (fate) *fate = rd_kafka_error_txn_requires_abort(error) ? RWD_KAFKA_ABORT : RWD_KAFKA_DOUBT;
    (void)rwd_kafka_fail(self->client, err, rd_kafka_error_code(error), rd_kafka_error_string(error), &need, "%s", what);
    rd_kafka_error_destroy(error);
    return false;
}

// The same call once more: not where the broker has come to refuse us, which no call would ever tell.
static bool again(rwd_kafka_producer *self, rd_kafka_error_t *error) {
    bool retriable = error && rd_kafka_error_is_retriable(error) && !rd_kafka_error_is_fatal(error) && !rd_kafka_error_txn_requires_abort(error);
    (void)rd_kafka_poll(self->client->rk, 0);
    retriable = retriable && !rwd_kafka_refused(self->client);
    if (retriable) rd_kafka_error_destroy(error);
    return retriable;
}

bool rwd_kafka_producer_init(rwd_kafka_producer *self, rwd_error *err) {
    rd_kafka_error_t *error;
    rd_kafka_resp_err_t code;
    do {
        error = rd_kafka_init_transactions(self->client->rk, RWD_KAFKA_ANSWER_MS);
        code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
        if (!rwd_kafka_again(self->client, code)) break;
        rd_kafka_error_destroy(error);
    } while (true);
    if (!error) return true;
    bool later = rd_kafka_error_is_retriable(error);
    (void)failed(self, error, "cannot take over the transactions", NULL, NULL, err);
    if (later && err && err->code != RWD_E_REFUSED) err->decision = RWD_RETRY;
    return false;
}

bool rwd_kafka_producer_begin(rwd_kafka_producer *self, rwd_kafka_fate *fate, rwd_error *err) {
    rd_kafka_error_t *error = rd_kafka_begin_transaction(self->client->rk);
    return !error || failed(self, error, "cannot begin a transaction", NULL, fate, err);
}

// ---- records

static rd_kafka_headers_t *headers_of(const rwd_kafka_output *output) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(output->header_count);
    for (size_t i = 0; i < output->header_count; i++) {
        const rwd_kafka_header *header = &output->headers[i];
        (void)rd_kafka_header_add(headers, header->name, -1, header->value.data, (ssize_t)header->value.size);
    }
    return headers;
}

bool rwd_kafka_producer_send(rwd_kafka_producer *self, const rwd_kafka_output *output, rwd_kafka_fate *fate, rwd_error *err) {
    assert(output->header_count <= RWD_KAFKA_HEADERS_MAX);
    rd_kafka_headers_t *headers = headers_of(output);
    rd_kafka_resp_err_t code;
    for (unsigned tries = 0;; tries++) {
        code = rd_kafka_producev(self->client->rk, RD_KAFKA_V_TOPIC(output->topic), RD_KAFKA_V_PARTITION(output->partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                 RD_KAFKA_V_KEY(output->key.data, output->key.size), RD_KAFKA_V_VALUE((void *)(uintptr_t)output->value.data, output->value.size),
                                 RD_KAFKA_V_TIMESTAMP(output->time_ms < 0 ? 0 : output->time_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {  // the headers are librdkafka's now
            if (tries > 0) answered(self);
            return true;
        }
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || tries == FULL_MAX || atomic_load(&self->wait->give_up)) break;
        if (tries == 0) waits(self);
        (void)rd_kafka_poll(self->client->rk, FULL_MS);
    }
    rd_kafka_headers_destroy(headers);
    if (gives_up(self, fate, err)) return false;
    *fate = rd_kafka_fatal_error(self->client->rk, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR ? RWD_KAFKA_ABORT : RWD_KAFKA_DOUBT;
    rwd_kafka_need need = {.topic = output->topic, .topic_operation = "WRITE"};
    return rwd_kafka_fail(self->client, err, code, NULL, &need, "cannot write to topic %s", output->topic);
}

bool rwd_kafka_producer_flush(rwd_kafka_producer *self, rwd_kafka_fate *fate, rwd_error *err) {
    rd_kafka_resp_err_t code;
    int left = rd_kafka_outq_len(self->client->rk);
    waits(self);
    while ((code = rd_kafka_flush(self->client->rk, SLICE_MS)) == RD_KAFKA_RESP_ERR__TIMED_OUT) {
        if (gives_up(self, fate, err)) return false;
        int now_left = rd_kafka_outq_len(self->client->rk);
        if (now_left < left) waits(self);  // some were acknowledged
        left = now_left;
    }
    answered(self);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    *fate = RWD_KAFKA_ABORT;
    return rwd_kafka_fail(self->client, err, code, NULL, NULL, "cannot write the output");
}

// ---- the end of a transaction

bool rwd_kafka_producer_offset(rwd_kafka_producer *self, const char *topic, unsigned partition, int64_t offset, rwd_slice metadata,
                               rwd_kafka_fate *fate, rwd_error *err) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, topic, (int32_t)partition);
    at->offset = offset;
    at->metadata = rwd_malloc(metadata.size + 1);  // librdkafka frees it with free()
    memcpy(at->metadata, metadata.data, metadata.size);
    at->metadata_size = metadata.size;
    waits(self);
    rd_kafka_error_t *error = rd_kafka_send_offsets_to_transaction(self->client->rk, list, self->group, RWD_KAFKA_OFFSET_MS);
    answered(self);
    rd_kafka_topic_partition_list_destroy(list);
    return !error || failed(self, error, "cannot put the position into the transaction", topic, fate, err);
}

bool rwd_kafka_producer_commit(rwd_kafka_producer *self, rwd_kafka_fate *fate, rwd_error *err) {
    rd_kafka_error_t *error;
    waits(self);
    // A call that timed out goes on where it was when it is repeated.
    do {
        if (gives_up(self, fate, err)) return false;
        error = rd_kafka_commit_transaction(self->client->rk, SLICE_MS);
    } while (again(self, error));
    answered(self);
    return !error || failed(self, error, "cannot commit the transaction", NULL, fate, err);
}

bool rwd_kafka_producer_abort(rwd_kafka_producer *self, rwd_error *err) {
    if (atomic_load(&self->wait->give_up)) return rwd_fail(err, RWD_E_BROKER, "stopped before the transaction was aborted");
    waits(self);
    rd_kafka_error_t *error = rd_kafka_abort_transaction(self->client->rk, ABORT_MS);
    answered(self);
    return !error || failed(self, error, "cannot abort the transaction", NULL, NULL, err);
}

// ---- questions

bool rwd_kafka_producer_topic(rwd_kafka_producer *self, const char *name, int *out_partitions, rwd_error *err) {
    rwd_kafka_need need = {.topic = name, .topic_operation = "WRITE"};
    rd_kafka_resp_err_t code = rwd_kafka_look_at_topic(self->client, name, out_partitions);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || rwd_kafka_fail(self->client, err, code, NULL, &need, "cannot write to topic %s", name);
}
