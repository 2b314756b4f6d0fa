// The consumer (consumer.h): assign, batch consume on the forwarded partition queue, questions about the partition.
//
// What must stay true: offsets handed out rise, from the assigned one on; bytes handed out stay valid until the next call.
#include "operator/kafka/consumer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/log.h"
#include "operator/base/ticker.h"
#include "operator/base/time.h"
#include "operator/kafka/group.h"
#include "operator/kafka/kafka_private.h"

#define QUIET_NS 2000000000LL    // nothing was heard from a broker for so long: it is asked
#define PROBE_NS 5000000000LL    // not more often than this while it answers, at each look while it does not
#define LOOK_NS 1000000000LL
#define PROBE_MS 3000
#define BEGIN_NS 10000000000LL   // how often it is asked where the partition begins
#define AT_END -1                // in place of a time, in Kafka's ListOffsets
#define AT_BEGIN -2
#define RAW_HEAD 16             // time, size of the value, size of the key
#define ABSENT UINT32_MAX       // in place of the size of a value or key that is null

struct rwd_kafka_consumer {
    rwd_kafka_client *client;
    rd_kafka_queue_t *queue;     // of the partition
    char *topic;
    unsigned partition;
    rwd_clock *clock;
    int64_t next;                // offsets below it are not handed out; -1: nothing is assigned
    rd_kafka_message_t **messages;
    rwd_kafka_record *records;
    rwd_buf bytes;
    int64_t end_seen;            // where the end of the partition was last seen; -1: not yet
    int64_t empty_ns;            // since when batches were empty, though not at the end; 0: the last one was not
    int64_t more_ns;             // since when the probe has known of more, and batches were empty; 0: not
    // Of the probe.
    rwd_ticker *prober;
    int64_t probed_ns;           // the prober's
    int64_t begin_asked_ns;      // the prober's
    atomic_int_fast64_t begin, end, answered_ns, away_us;
};

// ---- who is there

static void lost(rwd_kafka_consumer *consumer, const char *reason) {
    int64_t silent_us = (rwd_clock_ns(consumer->clock) - atomic_load(&consumer->answered_ns)) / 1000, there = 0;
    int64_t since_us = rwd_clock_wall_us(consumer->clock) - silent_us;
    if (!atomic_compare_exchange_strong(&consumer->away_us, &there, since_us)) return;
    char since[RWD_TIME_TEXT_MAX];
    rwd_time_text_ms(since_us, since);
    rwd_log(RWD_LOG_WARN, "kafka", "no broker answers since %s (%s); waiting", since, reason);
}

static void found(rwd_kafka_consumer *consumer) {
    int64_t since_us = atomic_exchange(&consumer->away_us, 0);
    if (!since_us) return;
    char since[RWD_TIME_TEXT_MAX];
    rwd_time_text_ms(since_us, since);
    rwd_log(RWD_LOG_INFO, "kafka", "a broker answers again; there was none since %s", since);
}

// KIP-79: the offset of a time, or of one of the two above. Not by rd_kafka_query_watermark_offsets, which in 2.0.2 does not keep to its time-out. With
// read_committed the end is the last stable offset.
static rd_kafka_resp_err_t ask_offset(rwd_kafka_consumer *self, int64_t time_ms, int timeout_ms, int64_t *out) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, self->topic, (int32_t)self->partition);
    at->offset = time_ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(self->client->rk, list, timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = at->err;
    *out = at->offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

static void probe(rwd_kafka_consumer *self) {
    int64_t high;
    rd_kafka_resp_err_t code = ask_offset(self, AT_END, PROBE_MS, &high);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        atomic_store(&self->end, high);
        atomic_store(&self->answered_ns, rwd_clock_ns(self->clock));
        rwd_kafka_answered(self->client);
        found(self);
        return;
    }
    if (rwd_kafka_is_passing(code)) lost(self, rd_kafka_err2str(code));
}

// The low watermark that fetches tell is an old one, or none at all (librdkafka asks for it only where statistics are on).
static void ask_begin(rwd_kafka_consumer *self, int64_t now) {
    int64_t begin;
    self->begin_asked_ns = now;
    if (ask_offset(self, AT_BEGIN, PROBE_MS, &begin) == RD_KAFKA_RESP_ERR_NO_ERROR) atomic_store(&self->begin, begin);
}

static void probe_when_quiet(void *consumer) {
    rwd_kafka_consumer *self = consumer;
    int64_t now = rwd_clock_ns(self->clock);
    bool away = atomic_load(&self->away_us) != 0;
    if (!away && (self->begin_asked_ns == 0 || now - self->begin_asked_ns >= BEGIN_NS)) ask_begin(self, now);
    if (!away && (now - atomic_load(&self->answered_ns) < QUIET_NS || now - self->probed_ns < PROBE_NS)) return;
    self->probed_ns = now;
    probe(self);
}

static bool watch(rwd_kafka_consumer *self, rwd_error *err) {
    return self->prober || rwd_ticker_start("probe", LOOK_NS, probe_when_quiet, self, &self->prober, err);
}

// The end as fetches tell it counts open transactions, too; where nothing has come for a while, the probe knows better.
static int64_t readable_end(const rwd_kafka_consumer *self) {
    int64_t low, high, end = atomic_load(&self->end);
    if (self->empty_ns && end >= 0) return end;
    rd_kafka_resp_err_t code = rd_kafka_get_watermark_offsets(self->client->rk, self->topic, (int32_t)self->partition, &low, &high);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : end;
}

void rwd_kafka_consumer_outlook(rwd_kafka_consumer *self, rwd_kafka_outlook *out) {
    *out = (rwd_kafka_outlook){.begin = atomic_load(&self->begin), .end = -1, .away_us = atomic_load(&self->away_us)};
    if (self->next < 0) return;
    int64_t end = readable_end(self), seen = self->end_seen > self->next ? self->end_seen : self->next;
    // Behind the last record there may be transaction markers, which end in an end of the partition and nothing more.
    out->end = end < 0 ? -1 : end <= self->end_seen && self->end_seen >= self->next ? self->next : end;
    bool more = self->empty_ns && atomic_load(&self->end) > seen;
    if (!more) self->more_ns = 0;
    else if (self->more_ns == 0) self->more_ns = rwd_clock_ns(self->clock);
    out->waiting_ns = self->empty_ns && out->away_us ? atomic_load(&self->answered_ns) : self->more_ns;
}

// ---- life

static bool configure(const rwd_kafka_settings *settings, rd_kafka_conf_t **out, rwd_error *err) {
    if (!rwd_kafka_conf(settings, out, err)) return false;
    rwd_kafka_own(*out, "group.id", settings->group);
    rwd_kafka_own(*out, "enable.auto.commit", "false");
    rwd_kafka_own(*out, "enable.auto.offset.store", "false");
    rwd_kafka_own(*out, "check.crcs", "true");
    rwd_kafka_own(*out, "auto.offset.reset", "error");
    rwd_kafka_own(*out, "enable.partition.eof", "true");
    rwd_kafka_own(*out, "isolation.level", "read_committed");
    rwd_kafka_prefer(*out, settings, "queued.min.messages", "1000000");  // with fewer, 2.0.2 sleeps for a second whenever its queue is full
    char kilobytes[32];
    (void)snprintf(kilobytes, sizeof kilobytes, "%" PRIu64, settings->memory < 1024 * 1024 ? 1024 : settings->memory / 1024);
    rwd_kafka_prefer(*out, settings, "queued.max.messages.kbytes", kilobytes);
    return true;
}

bool rwd_kafka_consumer_open(const rwd_kafka_settings *settings, const char *topic, unsigned partition, rwd_clock *clock,
                             rwd_kafka_consumer **out, rwd_error *err) {
    rwd_kafka_consumer *self = rwd_calloc(1, sizeof *self);
    rd_kafka_conf_t *conf;
    self->topic = rwd_strdup(topic);
    self->partition = partition;
    self->clock = clock;
    self->next = self->end_seen = -1;
    atomic_init(&self->begin, -1);
    atomic_init(&self->end, -1);
    atomic_init(&self->answered_ns, rwd_clock_ns(clock));
    self->messages = rwd_calloc(RWD_KAFKA_BATCH_MAX, sizeof *self->messages);
    self->records = rwd_calloc(RWD_KAFKA_BATCH_MAX, sizeof *self->records);
    if (!configure(settings, &conf, err) || !rwd_kafka_new(RD_KAFKA_CONSUMER, conf, settings, &self->client, err)) {
        rwd_kafka_consumer_close(self);
        return false;
    }
    *out = self;
    return true;
}

void rwd_kafka_consumer_close(rwd_kafka_consumer *self) {
    if (!self) return;
    rwd_ticker_stop(self->prober);
    if (self->queue) rd_kafka_queue_destroy(self->queue);
    rwd_kafka_free(self->client);
    rwd_buf_deinit(&self->bytes);
    free(self->messages);
    free(self->records);
    free(self->topic);
    free(self);
}

// ---- questions

static bool at_partition(const rwd_kafka_consumer *self, rwd_error *err) { return rwd_error_at(err, "%s/%u", self->topic, self->partition); }

// All that a consumer does takes the same permission.
static bool failed(rwd_kafka_consumer *self, rd_kafka_resp_err_t code, const char *reason, const char *what, rwd_error *err) {
    rwd_kafka_need need = {.topic = self->topic, .topic_operation = "READ"};
    (void)rwd_kafka_fail(self->client, err, code, reason, &need, "%s", what);
    return at_partition(self, err);
}

static bool nobody(rwd_kafka_consumer *self, rwd_error *err) {
    return failed(self, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, "no broker is there", err);
}

bool rwd_kafka_consumer_answers(rwd_kafka_consumer *self, int patience_ms, rwd_error *err) {
    char reason[RWD_KAFKA_REASON];
    if (atomic_load(&self->away_us)) return nobody(self, err);  // the probe looks for one
    char *id = rd_kafka_clusterid(self->client->rk, patience_ms);
    if (id) {
        rd_kafka_mem_free(self->client->rk, id);
        return true;
    }
    if (!watch(self, err)) return false;
    (void)rd_kafka_poll(self->client->rk, 0);
    lost(self, rwd_kafka_lost(self->client, reason) ? reason : "none was found");
    return nobody(self, err);
}

bool rwd_kafka_consumer_cluster(rwd_kafka_consumer *self, char **out, rwd_error *err) { return rwd_kafka_cluster(self->client, out, err); }

bool rwd_kafka_consumer_partitions(rwd_kafka_consumer *self, int *out_count, rwd_error *err) {
    rd_kafka_resp_err_t code = rwd_kafka_look_at_topic(self->client, self->topic, out_count);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(self, code, NULL, "cannot look at the topic", err);
    if (self->partition < (unsigned)*out_count) return true;
    (void)rwd_fail(err, RWD_E_TOPIC, "the topic has %d partitions, 0 to %d", *out_count, *out_count - 1);
    (void)rwd_error_next(err, "correct source.kafka.partition in the job file");
    return at_partition(self, err);
}

// Asks until there is an answer, or a reason why there is none.
static rd_kafka_resp_err_t learn_offset(rwd_kafka_consumer *self, int64_t time_ms, int64_t *out) {
    rd_kafka_resp_err_t code;
    int64_t asked = rwd_kafka_asked();
    do code = ask_offset(self, time_ms, RWD_KAFKA_ANSWER_MS, out);
    while (rwd_kafka_again(self->client, asked, code));
    return code;
}

bool rwd_kafka_consumer_bounds(rwd_kafka_consumer *self, int64_t *out_low, int64_t *out_high, rwd_error *err) {
    rd_kafka_resp_err_t code = learn_offset(self, AT_BEGIN, out_low);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = learn_offset(self, AT_END, out_high);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || failed(self, code, NULL, "cannot learn where the partition begins and ends", err);
}

bool rwd_kafka_consumer_offset_at(rwd_kafka_consumer *self, int64_t time_ms, int64_t *out, rwd_error *err) {
    int64_t low;
    rd_kafka_resp_err_t code = learn_offset(self, time_ms, out);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return *out >= 0 || rwd_kafka_consumer_bounds(self, &low, out, err);
    return failed(self, code, NULL, "cannot learn the offset of a time", err);
}

// ---- where to read

static bool assign(rwd_kafka_consumer *self, const rd_kafka_topic_partition_list_t *list, rwd_error *err) {
    rd_kafka_resp_err_t code = rd_kafka_assign(self->client->rk, list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || failed(self, code, NULL, "cannot assign the partition", err);
}

// Not by seek: 2.0.2 may hand out records from before it. The partition's queue is taken out of the common one first, so that nothing goes astray.
bool rwd_kafka_consumer_assign(rwd_kafka_consumer *self, int64_t offset, rwd_error *err) {
    if (self->next >= 0 && !assign(self, NULL, err)) return false;
    if (!self->queue) {
        self->queue = rd_kafka_queue_get_partition(self->client->rk, self->topic, (int32_t)self->partition);
        if (!self->queue) return failed(self, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, NULL, "cannot read", err);
        rd_kafka_queue_forward(self->queue, NULL);
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, self->topic, (int32_t)self->partition)->offset = offset;
    bool ok = assign(self, list, err);
    rd_kafka_topic_partition_list_destroy(list);
    self->next = offset;
    self->end_seen = -1;
    self->empty_ns = 0;
    return ok && watch(self, err);
}

void rwd_kafka_consumer_show(rwd_kafka_consumer *self, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = rwd_kafka_position_list(self->topic, self->partition, offset, rwd_slice_str(RWD_KAFKA_SHOWN));
    rd_kafka_resp_err_t code = rd_kafka_commit(self->client->rk, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) rwd_log(RWD_LOG_DEBUG, "kafka", "cannot show the group's lag: %s", rd_kafka_err2str(code));
}

// ---- batches

static rd_kafka_headers_t *headers_of(const rd_kafka_message_t *message) {
    rd_kafka_headers_t *headers = NULL;
    return rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR ? headers : NULL;
}

static void append_sized(rwd_buf *out, const void *data, size_t size) {
    uint8_t head[4];
    rwd_put_le32(head, data || size ? (uint32_t)size : ABSENT);
    rwd_buf_append(out, head, sizeof head);
    if (size) rwd_buf_append(out, data, size);
}

static void append_headers(rwd_buf *out, const rd_kafka_headers_t *headers) {
    const char *name;
    const void *value;
    size_t size;
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        append_sized(out, name, strlen(name));
        append_sized(out, value, size);
    }
}

// E4: time, value, key and headers in one run of bytes; the offset is the seed of the hash. Slices are filled in when the buffer does not move any more.
static void take_message(rwd_kafka_consumer *self, const rd_kafka_message_t *message, rwd_kafka_record *record, size_t *out_at) {
    rd_kafka_timestamp_type_t kind;
    rwd_buf *out = &self->bytes;
    int64_t time_ms = rd_kafka_message_timestamp(message, &kind);
    if (kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) time_ms = -1;
    rwd_buf_reserve(out, RAW_HEAD + message->len + message->key_len);
    uint8_t *at = out->data + out->size;
    *out_at = out->size;
    rwd_put_le64(at, (uint64_t)time_ms);
    rwd_put_le32(at + 8, message->payload ? (uint32_t)message->len : ABSENT);
    rwd_put_le32(at + 12, message->key ? (uint32_t)message->key_len : ABSENT);
    if (message->len) memcpy(at + RAW_HEAD, message->payload, message->len);
    if (message->key_len) memcpy(at + RAW_HEAD + message->len, message->key, message->key_len);
    out->size += RAW_HEAD + message->len + message->key_len;
    const rd_kafka_headers_t *headers = headers_of(message);
    if (headers) append_headers(out, headers);
    *record = (rwd_kafka_record){
        .offset = message->offset,
        .time_ms = time_ms,
        .raw = {NULL, out->size - *out_at},
        .value = {message->payload ? (const uint8_t *)"" : NULL, message->len},
        .key = {message->key ? (const uint8_t *)"" : NULL, message->key_len},
    };
}

bool rwd_kafka_record_from_raw(int64_t offset, rwd_slice raw, rwd_kafka_record *out) {
    if (raw.size < RAW_HEAD) return false;
    uint32_t value = rwd_get_le32(raw.data + 8), key = rwd_get_le32(raw.data + 12);
    uint64_t value_size = value == ABSENT ? 0 : value, key_size = key == ABSENT ? 0 : key;
    if (value_size + key_size > raw.size - RAW_HEAD) return false;
    *out = (rwd_kafka_record){
        .offset = offset,
        .time_ms = (int64_t)rwd_get_le64(raw.data),
        .raw = raw,
        .value = {value == ABSENT ? NULL : raw.data + RAW_HEAD, (size_t)value_size},
        .key = {key == ABSENT ? NULL : raw.data + RAW_HEAD + value_size, (size_t)key_size},
    };
    return true;
}

// A slice behind its size; a null one has no data.
static bool take_sized(rwd_reader *in, rwd_slice *out) {
    uint32_t size;
    *out = rwd_slice_of(NULL, 0);
    if (!rwd_reader_le32(in, &size)) return false;
    return size == ABSENT || rwd_reader_take(in, size, out);
}

bool rwd_kafka_raw_next_header(rwd_slice raw, size_t *at, rwd_slice *out_name, rwd_slice *out_value) {
    rwd_kafka_record record;
    if (*at == 0) {
        if (!rwd_kafka_record_from_raw(0, raw, &record)) return false;
        *at = RAW_HEAD + record.value.size + record.key.size;
    }
    rwd_reader in = rwd_reader_of(rwd_slice_of(raw.data + *at, raw.size - *at));
    if (rwd_reader_left(&in) == 0 || !take_sized(&in, out_name) || !take_sized(&in, out_value)) return false;
    *at = raw.size - rwd_reader_left(&in);
    return true;
}

bool rwd_kafka_record_header(rwd_slice raw, rwd_slice name, rwd_slice *out) {
    rwd_slice found, value;
    *out = rwd_slice_of(NULL, 0);
    for (size_t at = 0; rwd_kafka_raw_next_header(raw, &at, &found, &value);)
        if (rwd_slice_equal(found, name)) *out = value;
    return out->data != NULL;
}

void rwd_kafka_raw_begin(int64_t time_ms, rwd_slice value, rwd_slice key, rwd_buf *out) {
    uint8_t head[RAW_HEAD];
    rwd_put_le64(head, (uint64_t)time_ms);
    rwd_put_le32(head + 8, value.data ? (uint32_t)value.size : ABSENT);
    rwd_put_le32(head + 12, key.data ? (uint32_t)key.size : ABSENT);
    rwd_buf_append(out, head, sizeof head);
    rwd_buf_append_slice(out, value);
    rwd_buf_append_slice(out, key);
}

void rwd_kafka_raw_header(rwd_slice name, rwd_slice value, rwd_buf *out) {
    append_sized(out, name.data, name.size);
    append_sized(out, value.data, value.size);
}

static bool position_error(rwd_kafka_consumer *self, rwd_error *err) {
    int64_t low, high;
    rwd_error second;
    if (rwd_kafka_consumer_bounds(self, &low, &high, &second))
        (void)rwd_fail(err, RWD_E_POSITION, "offset %" PRId64 " is not in the partition, which holds [%" PRId64 ", %" PRId64 "): records were %s", self->next, low,
                       high, self->next < low ? "removed before they were read" : "taken away from its end");
    return at_partition(self, err);
}

// A message that is no record. True: reading goes on.
static bool take_event(rwd_kafka_consumer *self, const rd_kafka_message_t *message, bool *out_end, rwd_error *err) {
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        *out_end = true;
        self->end_seen = message->offset;
        return true;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN: lost(self, rd_kafka_message_errstr(message)); return true;
    default: break;
    }
    (void)failed(self, message->err, rd_kafka_message_errstr(message), "cannot read", err);
    if (err->decision == RWD_RETRY) {
        lost(self, rd_kafka_message_errstr(message));
        return true;
    }
    return err->code == RWD_E_POSITION ? position_error(self, err) : false;
}

static ssize_t receive(rwd_kafka_consumer *self, size_t max, int64_t timeout_ns) {
    ssize_t count = rd_kafka_consume_batch_queue(self->queue, 0, self->messages, max);
    if (count != 0 || timeout_ns <= 0) return count;
    int timeout_ms = (int)(timeout_ns / 1000000);
    count = rd_kafka_consume_batch_queue(self->queue, timeout_ms > 0 ? timeout_ms : 1, self->messages, 1);  // waits until it has all that it may take
    if (count != 1) return count;
    ssize_t more = rd_kafka_consume_batch_queue(self->queue, 0, self->messages + 1, max - 1);
    return more > 0 ? 1 + more : 1;
}

static void fill_slices(rwd_kafka_consumer *self, const size_t *places, size_t count) {
    rwd_buf_reserve(&self->bytes, RWD_KAFKA_PADDING);
    memset(self->bytes.data + self->bytes.size, 0, RWD_KAFKA_PADDING);
    for (size_t i = 0; i < count; i++) {
        rwd_kafka_record *record = &self->records[i];
        record->raw.data = self->bytes.data + places[i];
        if (record->value.data) record->value.data = record->raw.data + RAW_HEAD;
        if (record->key.data) record->key.data = record->raw.data + RAW_HEAD + record->value.size;
    }
}

// Hears of lost connections. False: the broker refuses new ones.
static bool look_around(rwd_kafka_consumer *self, rwd_error *err) {
    char reason[RWD_KAFKA_REASON];
    (void)rd_kafka_poll(self->client->rk, 0);
    if (rwd_kafka_lost(self->client, reason)) lost(self, reason);
    if (!atomic_load(&self->away_us) || !rwd_kafka_refused(self->client)) return true;
    return failed(self, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, NULL, "cannot read", err);
}

bool rwd_kafka_consumer_batch(rwd_kafka_consumer *self, size_t max, int64_t timeout_ns, rwd_kafka_batch *out, rwd_error *err) {
    assert(self->next >= 0 && max > 0 && max <= RWD_KAFKA_BATCH_MAX);
    size_t places[RWD_KAFKA_BATCH_MAX], taken = 0;
    bool ok = true, end = false;
    rwd_buf_clear(&self->bytes);
    ssize_t count = receive(self, max, timeout_ns);
    if (count < 0) return failed(self, rd_kafka_last_error(), NULL, "cannot read", err);
    for (ssize_t i = 0; i < count; i++) {
        const rd_kafka_message_t *message = self->messages[i];
        if (ok && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            ok = take_event(self, message, &end, err);
        } else if (ok && message->offset >= self->next) {
            take_message(self, message, &self->records[taken], &places[taken]);
            self->next = message->offset + 1;
            taken++;
            end = false;
        }
        rd_kafka_message_destroy(self->messages[i]);
    }
    fill_slices(self, places, taken);
    if (taken > 0 || end) {
        atomic_store(&self->answered_ns, rwd_clock_ns(self->clock));
        self->empty_ns = 0;
    } else if (self->empty_ns == 0) {
        self->empty_ns = rwd_clock_ns(self->clock);
    }
    *out = (rwd_kafka_batch){self->records, taken, end};
    return ok && (taken > 0 || look_around(self, err));
}
