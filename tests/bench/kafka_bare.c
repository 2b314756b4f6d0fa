// The Kafka job without the operator: consumes a partition with librdkafka, with the operator's properties, decodes each record with the job's decoder, and upserts
// with the job's step into the same tables. No commit, no checkpoint, no input digest, no output.
//
//   bench_kafka_bare run JOB EMPTY-FOLDER RECORDS      reads so many records; prints {"records": N, "seconds": S, "cpu": C}, of those behind the first tenth
//   bench_kafka_bare write BROKERS TOPIC FORMAT RECORDS KEYS
//                                                      produces records of some 100 bytes, FORMAT json, protobuf or raw, keys spread evenly
//
// Thread: one of its own, beside librdkafka's.
#include <assert.h>
#include <stdio.h>
#include <sys/resource.h>

#include <librdkafka/rdkafka.h>

#include "tests/bench/bare_loop.h"
#include "tests/support/random.h"

#define BATCH 4096
#define RECORD_SIZE 107
#define RAW_KEY_SIZE 92

static double cpu_now(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int failed(const rwd_error *err) {
    char text[2048];
    rwd_error_format(err, text, sizeof text);
    fprintf(stderr, "bench_kafka_bare: %s\n", text);
    return 1;
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *const (*properties)[2], size_t count) {
    char reason[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < count; i++) {
        if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], reason, sizeof reason) == RD_KAFKA_CONF_OK) continue;
        fprintf(stderr, "bench_kafka_bare: %s\n", reason);
        exit(1);
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, reason, sizeof reason);
    if (!rk) fprintf(stderr, "bench_kafka_bare: %s\n", reason);
    return rk;
}

// ---- writing

static size_t put_text(uint8_t *out, unsigned field, const char *text, size_t size) {
    out[0] = (uint8_t)(field << 3 | 2);
    out[1] = (uint8_t)size;
    memcpy(out + 2, text, size);
    return size + 2;
}

static size_t put_varint(uint8_t *out, unsigned field, uint64_t value) {
    size_t size = 0;
    out[size++] = (uint8_t)(field << 3);
    for (; value >= 0x80; value >>= 7) out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    return size;
}

typedef struct made {
    uint8_t key[RAW_KEY_SIZE + 1], value[RECORD_SIZE + 64];
    size_t key_size, value_size;
} made;

static void make_json(made *m, uint64_t key, test_random *random, uint64_t ts) {
    char *line = (char *)m->value;
    int size = snprintf(line, sizeof m->value, "{\"customer\":\"c%09" PRIu64 "\",\"amount\":%" PRIu64 ".%02" PRIu64 ",\"quantity\":%" PRIu64 ",\"ts\":%" PRIu64 ",\"note\":\"", key,
                        test_random_below(random, 1000), test_random_below(random, 100), 1 + test_random_below(random, 9), ts);
    memset(line + size, 'x', (size_t)(RECORD_SIZE - 2 - size));
    memcpy(line + RECORD_SIZE - 2, "\"}", 2);
    m->value_size = RECORD_SIZE;
}

// message Row { string customer = 1; string amount = 2; int64 quantity = 3; int64 ts = 4; string note = 5; }
static void make_protobuf(made *m, uint64_t key, test_random *random, uint64_t ts) {
    char text[64];
    int size = snprintf(text, sizeof text, "c%09" PRIu64, key);
    uint8_t *at = m->value;
    at += put_text(at, 1, text, (size_t)size);
    size = snprintf(text, sizeof text, "%" PRIu64 ".%02" PRIu64, test_random_below(random, 1000), test_random_below(random, 100));
    at += put_text(at, 2, text, (size_t)size);
    at += put_varint(at, 3, 1 + test_random_below(random, 9));
    at += put_varint(at, 4, ts);
    memset(text, 'x', sizeof text);
    at += put_text(at, 5, text, sizeof text);
    m->value_size = (size_t)(at - m->value);
}

static void make_raw(made *m, uint64_t key, test_random *random) {
    memset(m->key, 'x', RAW_KEY_SIZE);
    (void)snprintf((char *)m->key, sizeof m->key, "c%09" PRIu64, key);
    m->key[10] = 'x';
    m->key_size = RAW_KEY_SIZE;
    uint64_t value = __builtin_bswap64(test_random_below(random, 100000));
    memcpy(m->value, &value, sizeof value);
    m->value_size = sizeof value;
}

static int write_records(const char *brokers, const char *topic, const char *format, uint64_t records, uint64_t keys) {
    const char *const properties[][2] = {{"bootstrap.servers", brokers}, {"linger.ms", "50"}, {"batch.num.messages", "20000"}, {"queue.buffering.max.messages", "1000000"}};
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, properties, sizeof properties / sizeof *properties);
    if (!rk) return 1;
    rd_kafka_topic_t *to = rd_kafka_topic_new(rk, topic, NULL);
    test_random random = {1};
    for (uint64_t i = 0; i < records; i++) {
        made m = {.key_size = 0};
        uint64_t key = i < keys ? i : test_random_below(&random, keys), ts = UINT64_C(1700000000000) + i;
        if (format[0] == 'j') make_json(&m, key, &random, ts);
        else if (format[0] == 'p') make_protobuf(&m, key, &random, ts);
        else make_raw(&m, key, &random);
        while (rd_kafka_produce(to, 0, RD_KAFKA_MSG_F_COPY, m.value, m.value_size, m.key_size ? m.key : NULL, m.key_size, NULL) != 0) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) return fprintf(stderr, "%s\n", rd_kafka_err2str(rd_kafka_last_error())), 1;
            rd_kafka_poll(rk, 100);
        }
        if (i % 10000 == 0) rd_kafka_poll(rk, 0);
    }
    bool flushed = rd_kafka_flush(rk, 60000) == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_destroy(to);
    rd_kafka_destroy(rk);
    return flushed ? 0 : 1;
}

// ---- the loop

static rwd_record record_of(const rd_kafka_message_t *m) {
    return (rwd_record){.offset = m->offset, .time_us = rd_kafka_message_timestamp(m, NULL) * 1000, .value = {m->payload, m->len}, .full_size = m->len,
                        .key = {m->key, m->key_len}};
}

static bool take(loop *l, rd_kafka_message_t **messages, size_t count, rwd_error *err) {
    size_t held = 0;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        if (!messages[i]->err) l->records[held++] = record_of(messages[i]);
        if (held < GROUP && i + 1 < count) continue;
        ok = apply(l, held, err);
        held = 0;
    }
    for (size_t i = 0; i < count; i++) rd_kafka_message_destroy(messages[i]);
    return ok;
}

static bool consume(loop *l, const rwd_job *job, uint64_t wanted, rwd_error *err) {
    char kilobytes[32];
    (void)snprintf(kilobytes, sizeof kilobytes, "%" PRIu64, job->state.memory / 8 / 1024);
    const char *const properties[][2] = {
        {"bootstrap.servers", job->kafka.brokers}, {"group.id", "bench-bare"}, {"enable.auto.commit", "false"}, {"enable.auto.offset.store", "false"},
        {"check.crcs", "true"}, {"auto.offset.reset", "error"}, {"enable.partition.eof", "true"}, {"isolation.level", "read_committed"},
        {"queued.min.messages", "1000000"}, {"queued.max.messages.kbytes", kilobytes},
    };
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, properties, sizeof properties / sizeof *properties);
    if (!rk) return rwd_fail(err, RWD_E_KAFKA, "no consumer");
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, job->source.topic, (int32_t)job->source.partition)->offset = 0;
    if (rd_kafka_assign(rk, list)) return rwd_fail(err, RWD_E_KAFKA, "cannot assign the partition");
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(rk, job->source.topic, (int32_t)job->source.partition);
    rd_kafka_queue_forward(queue, NULL);
    static rd_kafka_message_t *messages[BATCH];
    double began = 0, cpu = 0;
    uint64_t first = 0;
    while (l->done < wanted) {
        ssize_t got = rd_kafka_consume_batch_queue(queue, 1000, messages, BATCH);
        if (got < 0 || !take(l, messages, (size_t)got, err)) return false;
        if (first == 0 && l->done >= wanted / 10) first = l->done, began = seconds_now(), cpu = cpu_now();
    }
    printf("{\"records\": %" PRIu64 ", \"seconds\": %.6f, \"cpu\": %.6f}\n", l->done - first, seconds_now() - began, cpu_now() - cpu);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return true;
}

static bool run(const char *job_file, const char *live, uint64_t wanted, rwd_error *err) {
    rwd_job *job;
    if (!rwd_job_load(job_file, NULL, 0, &job, err)) return false;
    loop *l = rwd_calloc(1, sizeof *l);
    if (!loop_open(job, live, l, err)) return false;
    bool ok = consume(l, job, wanted, err);
    loop_close(l);
    free(l);
    rwd_job_free(job);
    return ok;
}

int main(int argc, char **argv) {
    rwd_error err;
    if (argc == 7 && strcmp(argv[1], "write") == 0) return write_records(argv[2], argv[3], argv[4], strtoull(argv[5], NULL, 10), strtoull(argv[6], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "run") == 0) return run(argv[2], argv[3], strtoull(argv[4], NULL, 10), &err) ? 0 : failed(&err);
    fprintf(stderr, "usage: bench_kafka_bare run JOB EMPTY-FOLDER RECORDS | write BROKERS TOPIC FORMAT RECORDS KEYS\n");
    return 2;
}
