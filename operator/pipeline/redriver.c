// Sending again (redriver.h).
#include "operator/pipeline/redriver.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/kafka/consumer.h"
#include "operator/kafka/producer.h"
#include "operator/pipeline/operator_private.h"
#include "operator/pipeline/rooms.h"

#define NAME_BYTES_MAX 4096     // of all names of a record's headers
#define HEADERS_OF_OURS 2

struct rwd_redriver {
    const rwd_job *job;
    const char *origin;
    rwd_kafka_settings settings;
    rwd_kafka_wait wait;
    rwd_kafka_producer *producer;
    rwd_kafka_header headers[RWD_KAFKA_HEADERS_MAX];
    char names[NAME_BYTES_MAX];
    rwd_buf header;
    char retries[16];
};

bool rwd_redriver_open(const rwd_job *job, const char *origin, rwd_clock *clock, rwd_redriver **out, rwd_error *err) {
    assert(job->source.topic && origin);
    rwd_redriver *r = rwd_calloc(1, sizeof *r);
    r->job = job;
    r->origin = origin;
    r->settings = rwd_kafka_settings_of(job, RWD_BUDGET_MIN);
    rwd_kafka_fate fate;
    if (!rwd_kafka_producer_open(&r->settings, NULL, clock, &r->wait, &r->producer, err) || !rwd_kafka_producer_begin(r->producer, &fate, err)) {
        rwd_redriver_close(r);
        return false;
    }
    (void)snprintf(r->retries, sizeof r->retries, "%u", job->retries);
    *out = r;
    return true;
}

void rwd_redriver_close(rwd_redriver *r) {
    if (!r) return;
    rwd_kafka_producer_close(r->producer);
    rwd_buf_deinit(&r->header);
    free(r);
}

static bool is_ours(rwd_slice name) { return rwd_slice_equal(name, rwd_slice_str(RWD_HEADER_ORIGIN)) || rwd_slice_equal(name, rwd_slice_str(RWD_HEADER_RETRIES)); }

// The record's own headers, but for those of an earlier try. False: they do not fit.
static bool take_headers(rwd_slice raw, rwd_kafka_header *out, char *names, size_t *out_count) {
    size_t used = 0;
    rwd_slice name, value;
    *out_count = 0;
    for (size_t at = 0; rwd_kafka_raw_next_header(raw, &at, &name, &value);) {
        if (is_ours(name)) continue;
        if (*out_count == RWD_KAFKA_HEADERS_MAX - HEADERS_OF_OURS || name.size >= NAME_BYTES_MAX - used || memchr(name.data, '\0', name.size)) return false;
        memcpy(names + used, name.data, name.size);
        names[used + name.size] = '\0';
        out[(*out_count)++] = (rwd_kafka_header){names + used, value};
        used += name.size + 1;
    }
    return true;
}

const char *rwd_redriver_refuses(const rwd_job *job, const rwd_dead_item *item) {
    rwd_kafka_header headers[RWD_KAFKA_HEADERS_MAX];
    char names[NAME_BYTES_MAX];
    size_t count;
    if (item->entry.failed || item->entry.attempts >= job->retries) return "tried as often as errors.retries allows";
    if (item->entry.id.inserted != RWD_DEAD_RECORD) return "put in by an amendment, so no record of the topic";
    if (item->found == RWD_DEAD_NOWHERE) return "the record is not found any more";
    if (item->full_size > item->value.size) return "the record was cut in the dead-letter output, and is nowhere else";
    if (!take_headers(item->raw, headers, names, &count)) return "the record has too many headers";
    return NULL;
}

bool rwd_redriver_send(rwd_redriver *r, const rwd_dead_item *item, rwd_slice value, rwd_error *err) {
    size_t count;
    bool fits = take_headers(item->raw, r->headers, r->names, &count);
    assert(fits && "told by rwd_redriver_refuses");
    if (!fits) return rwd_fail(err, RWD_E_INTERNAL, "a record that was refused is sent");
    rwd_buf_clear(&r->header);
    rwd_origin_text(r->origin, &item->entry.id, &r->header);
    r->headers[count++] = (rwd_kafka_header){RWD_HEADER_ORIGIN, rwd_buf_slice(&r->header)};
    r->headers[count++] = (rwd_kafka_header){RWD_HEADER_RETRIES, rwd_slice_str(r->retries)};
    rwd_kafka_output output = {
        .topic = r->job->source.topic, .partition = (int)r->job->source.partition, .key = item->has_key ? item->key : rwd_slice_of(NULL, 0), .value = value,
        .time_ms = item->time_us == RWD_TIME_NONE ? -1 : item->time_us / 1000, .headers = r->headers, .header_count = count,
    };
    rwd_kafka_fate fate;
    return rwd_kafka_producer_send(r->producer, &output, &fate, err);
}

bool rwd_redriver_flush(rwd_redriver *r, rwd_error *err) {
    rwd_kafka_fate fate;
    return rwd_kafka_producer_flush(r->producer, &fate, err);
}
