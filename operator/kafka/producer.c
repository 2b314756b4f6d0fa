// The producer (producer.h).
//
// A plain one counts its delivery reports: a flush has succeeded when each record sent since begin was acknowledged. A record of it is tried until a broker takes or
// refuses it (message.timeout.ms 0), so that a broker that is away delays output and repeats none; in transactions their time-out bounds it.
#include "operator/kafka/producer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/kafka/kafka_private.h"

#define ABORT_MS 15000
#define FULL_MS 10               // one wait for room in the queue
#define FULL_MAX 12000           // that many waits: two minutes, above the time-out of a transaction

struct rwd_kafka_producer {
    rwd_kafka_client *client;
    rwd_clock *clock;
    rwd_kafka_wait *wait;
    rd_kafka_consumer_group_metadata_t *group;
    char *group_name;
    char *transactional_id;  // NULL: a plain one
    // Of a plain one, since begin. Delivery reports are served by the calls that wait, on their thread.
    uint64_t sent, acknowledged;
    rd_kafka_resp_err_t refusal;   // of the first record that was refused
    char refused_topic[RWD_KAFKA_NAME];
};

// ---- life

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
    (void)rk, (void)opaque;
    rwd_kafka_producer *self = message->_private;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        self->acknowledged++;
    } else if (self->refusal == RD_KAFKA_RESP_ERR_NO_ERROR) {
        self->refusal = message->err;
        (void)snprintf(self->refused_topic, sizeof self->refused_topic, "%s", rd_kafka_topic_name(message->rkt));
    }
}

bool rwd_kafka_producer_open(const rwd_kafka_settings *settings, const char *transactional_id, rwd_clock *clock, rwd_kafka_wait *wait,
                             rwd_kafka_producer **out, rwd_error *err) {
    rd_kafka_conf_t *conf;
    rwd_kafka_client *client;
    if (!rwd_kafka_conf(settings, &conf, err)) return false;
    if (transactional_id) {
        rwd_kafka_own(conf, "transactional.id", transactional_id);
    } else {
        rwd_kafka_own(conf, "enable.idempotence", "true");
        rwd_kafka_own(conf, "message.timeout.ms", "0");
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    }
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
    self->transactional_id = transactional_id ? rwd_strdup(transactional_id) : NULL;
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

static void waits(rwd_kafka_producer *self) { rwd_kafka_wait_begin(self->wait, self->clock); }
static void answered(rwd_kafka_producer *self) { rwd_kafka_wait_end(self->wait); }

// Told to give up, or a plain producer's broker has come to refuse us, which no record would ever tell: what becomes of the transaction is not known any more.
static bool gives_up(rwd_kafka_producer *self, rwd_kafka_fate *fate, rwd_error *err) {
    bool ends = rwd_kafka_gives_up(self->wait, err);
    if (!ends && !self->transactional_id && rwd_kafka_refused(self->client)) {
        (void)rwd_kafka_fail(self->client, err, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, NULL, NULL, "cannot write the output");
        ends = true;
    }
    if (ends) *fate = RWD_KAFKA_DOUBT;
    return ends;
}

static rwd_kafka_fate fate_of_handle(const rwd_kafka_producer *self) {
    return rd_kafka_fatal_error(self->client->rk, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR ? RWD_KAFKA_ABORT : RWD_KAFKA_DOUBT;
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
    assert(self->transactional_id);
    rd_kafka_error_t *error;
    rd_kafka_resp_err_t code;
    do {
        error = rd_kafka_init_transactions(self->client->rk, RWD_KAFKA_ANSWER_MS);
        code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
        if (!rwd_kafka_unclear(self->client, code)) break;
        rd_kafka_error_destroy(error);
    } while (true);
    if (!error) return true;
    bool later = rd_kafka_error_is_retriable(error);
    (void)failed(self, error, "cannot take over the transactions", NULL, NULL, err);
    if (later && err && err->code != RWD_E_REFUSED) err->decision = RWD_RETRY;
    return false;
}

bool rwd_kafka_producer_begin(rwd_kafka_producer *self, rwd_kafka_fate *fate, rwd_error *err) {
    self->sent = self->acknowledged = 0;
    self->refusal = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!self->transactional_id) return true;
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
                                 RD_KAFKA_V_TIMESTAMP(output->time_ms < 0 ? 0 : output->time_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(self), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {  // the headers are librdkafka's now
            if (tries > 0) answered(self);
            self->sent++;
            return true;
        }
        bool full = code == RD_KAFKA_RESP_ERR__QUEUE_FULL && (tries < FULL_MAX || !self->transactional_id);
        if (!full || gives_up(self, fate, err)) break;
        if (tries == 0) waits(self);
        (void)rd_kafka_poll(self->client->rk, FULL_MS);
    }
    rd_kafka_headers_destroy(headers);
    if (gives_up(self, fate, err)) return false;
    *fate = fate_of_handle(self);
    rwd_kafka_need need = {.topic = output->topic, .topic_operation = "WRITE"};
    return rwd_kafka_fail(self->client, err, code, NULL, &need, "cannot write to topic %s", output->topic);
}

// Until nothing is on its way any more. False: the wait ended before.
static bool drain(rwd_kafka_producer *self, rd_kafka_resp_err_t *out_code, rwd_kafka_fate *fate, rwd_error *err) {
    int left = rd_kafka_outq_len(self->client->rk);
    waits(self);
    while ((*out_code = rd_kafka_flush(self->client->rk, RWD_KAFKA_SLICE_MS)) == RD_KAFKA_RESP_ERR__TIMED_OUT) {
        if (gives_up(self, fate, err)) return false;
        int now_left = rd_kafka_outq_len(self->client->rk);
        if (now_left < left) waits(self);  // some were acknowledged
        left = now_left;
    }
    answered(self);
    return true;
}

// All delivery reports of a plain producer are in.
static bool judge_reports(rwd_kafka_producer *self, rwd_kafka_fate *fate, rwd_error *err) {
    rwd_kafka_need need = {.topic = self->refused_topic, .topic_operation = "WRITE"};
    rwd_kafka_answered(self->client);
    if (self->acknowledged == self->sent) return true;
    *fate = fate_of_handle(self);
    if (self->refusal != RD_KAFKA_RESP_ERR_NO_ERROR)
        return rwd_kafka_fail(self->client, err, self->refusal, NULL, &need, "cannot write to topic %s", self->refused_topic);
    return rwd_fail(err, RWD_E_INTERNAL, "of %" PRIu64 " records %" PRIu64 " were acknowledged, and none was refused", self->sent, self->acknowledged);
}

bool rwd_kafka_producer_flush(rwd_kafka_producer *self, rwd_kafka_fate *fate, rwd_error *err) {
    rd_kafka_resp_err_t code;
    if (!drain(self, &code, fate, err)) return false;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return self->transactional_id || judge_reports(self, fate, err);
    *fate = RWD_KAFKA_ABORT;
    return rwd_kafka_fail(self->client, err, code, NULL, NULL, "cannot write the output");
}

// ---- the end of a transaction

bool rwd_kafka_producer_offset(rwd_kafka_producer *self, const char *topic, unsigned partition, int64_t offset, rwd_slice metadata,
                               rwd_kafka_fate *fate, rwd_error *err) {
    assert(self->transactional_id);
    rd_kafka_topic_partition_list_t *list = rwd_kafka_position_list(topic, partition, offset, metadata);
    waits(self);
    rd_kafka_error_t *error = rd_kafka_send_offsets_to_transaction(self->client->rk, list, self->group, RWD_KAFKA_OFFSET_MS);
    answered(self);
    rd_kafka_topic_partition_list_destroy(list);
    return !error || failed(self, error, "cannot put the position into the transaction", topic, fate, err);
}

bool rwd_kafka_producer_commit(rwd_kafka_producer *self, rwd_kafka_fate *fate, rwd_error *err) {
    assert(self->transactional_id);
    rd_kafka_error_t *error;
    waits(self);
    // A call that timed out goes on where it was when it is repeated.
    do {
        if (gives_up(self, fate, err)) return false;
        error = rd_kafka_commit_transaction(self->client->rk, RWD_KAFKA_SLICE_MS);
    } while (again(self, error));
    answered(self);
    return !error || failed(self, error, "cannot commit the transaction", NULL, fate, err);
}

bool rwd_kafka_producer_abort(rwd_kafka_producer *self, rwd_error *err) {
    rwd_kafka_fate fate;
    rd_kafka_resp_err_t code;
    if (!self->transactional_id) return drain(self, &code, &fate, err);
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
