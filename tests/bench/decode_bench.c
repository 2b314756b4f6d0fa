// Records per second of rwd_decode beside the bare library, in turns in one run; each line is the best of its rounds.
//
//   bench_decode [--json]
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tests/bench/order.pb-c.h>  // made at build time

#include "operator/logic/decode.h"
#include "operator/source/generate.h"

#include "operator/base/wire.h"
#include "tests/bench/decode_bare.h"

#define RECORDS 20000u
#define GROUP 256u
#define ROUNDS 60

typedef struct input {
    uint8_t *bytes;
    const uint8_t *records[RECORDS];
    uint32_t sizes[RECORDS];
    uint64_t total;
} input;

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

typedef enum kind { JSON, CSV, PROTOBUF } kind;
static const char *const names[] = {"json", "csv", "protobuf"};
static const char *const bare_names[] = {"simdjson on demand", NULL, "protobuf-c unpack"};

static size_t put_order(const rwd_generate *options, uint64_t i, uint8_t *out) {
    rwd_order order = rwd_generate_order(options, i);
    rwd_buf text = {0};
    char word[32];
    rwd_wire_put_uint(&text, 1, order.id);
    rwd_wire_put_uint(&text, 2, (uint64_t)order.ts_ms);
    rwd_wire_put_sized(&text, 3, rwd_slice_of(word, (size_t)snprintf(word, sizeof word, "c%07llu", (unsigned long long)order.customer)));
    rwd_wire_put_sized(&text, 4, rwd_slice_str(order.country));
    rwd_wire_put_sized(&text, 5, rwd_slice_of(word, (size_t)snprintf(word, sizeof word, "s%04u", order.sku)));
    rwd_wire_put_uint(&text, 6, (uint64_t)order.quantity);
    rwd_wire_put_uint(&text, 7, (uint64_t)order.cents << 1 ^ (uint64_t)(order.cents >> 63));
    memcpy(out, text.data, text.size);
    size_t size = text.size;
    rwd_buf_deinit(&text);
    return size;
}

// Records as they stand in a file, one behind the other.
static input *make_input(kind format) {
    bool csv = format == CSV;
    rwd_generate options = {.seed = 1, .csv = csv, .keys = 1000000, .start_ms = 1767225600000, .per_second = 1000};
    input *in = rwd_calloc(1, sizeof *in);
    in->bytes = rwd_malloc(RECORDS * RWD_GENERATE_BYTES_MAX + RWD_RECORD_PADDING);
    for (size_t i = 0; i < RECORDS; i++) {
        uint8_t *at = in->bytes + in->total;
        size_t size = format == PROTOBUF ? put_order(&options, 1000000 + i, at) : rwd_generate_record(&options, 1000000 + i, (char *)at);
        in->records[i] = at;
        in->sizes[i] = (uint32_t)size - (format != PROTOBUF);
        in->total += size;
    }
    return in;
}

static rwd_decoder *make_decoder(kind format, bool all, rwd_job **out_job) {
    static const char *const words[] = {"json", "csv", "protobuf, protobuf: {descriptor: '" RWD_ORDER_DESCRIPTOR "', message: bench.Order}"};
    const char *amount = format == PROTOBUF ? "{type: decimal(0), path: cents}" : "decimal(2)";
    bool csv = format == CSV;
    const char *fields = all ? "id: int, ts: {type: time, format: epoch-ms}, customer: string, country: string, sku: string, quantity: int, amount: "
                             : "ts: {type: time, format: epoch-ms}, customer: string, quantity: int, amount: ";
    rwd_buf text = {0};
    rwd_buf_appendf(&text, "job: bench\nsource: {file: {path: bench}, format: %s}\nevent: {fields: {%s%s}}\ntables: {t: {key: customer, aggregates: {n: count()}}}\n",
                    words[format], fields, amount);
    static const char *const columns[] = {"id", "ts", "customer", "country", "sku", "quantity", "amount"};
    rwd_decoder *decoder;
    rwd_error err;
    if (!rwd_job_parse("bench", rwd_buf_slice(&text), NULL, 0, out_job, &err) || !rwd_decoder_new(*out_job, csv ? columns : NULL, 7, &decoder, &err)) {
        fprintf(stderr, "%s\n", err.cause);
        exit(1);
    }
    rwd_buf_deinit(&text);
    return decoder;
}

static uint64_t decode_all(const rwd_job *job, rwd_decoder *decoder, const input *in) {
    uint64_t sum = 0;
    for (size_t i = 0; i < RECORDS; i++) {
        if (i % GROUP == 0) rwd_decoder_begin(decoder, GROUP);
        rwd_record record = {.value = rwd_slice_of(in->records[i], in->sizes[i]), .full_size = in->sizes[i], .fault = RWD_E_NONE};
        rwd_event event;
        rwd_fault fault;
        if (!rwd_decode(decoder, &record, &event, &fault)) exit(1);
        sum += (uint64_t)event.fields[job->event.field_count - 1].d;
    }
    return sum;
}

static uint64_t bare_protobuf(const input *in) {
    uint64_t sum = 0;
    for (size_t i = 0; i < RECORDS; i++) {
        Bench__Order *order = bench__order__unpack(NULL, in->sizes[i], in->records[i]);
        if (!order) exit(1);
        sum += (uint64_t)order->cents + (uint64_t)order->quantity + (uint64_t)order->ts + (uint8_t)order->customer[0];
        bench__order__free_unpacked(order, NULL);
    }
    return sum;
}

static void measure(kind of, bool all, bool json) {
    bool compared = bare_names[of] != NULL;
    input *in = make_input(of);
    rwd_job *job;
    rwd_decoder *decoder = make_decoder(of, all, &job);
    double ours = 1e9, bare = 1e9;
    uint64_t sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double begin = seconds_now();
        sum += decode_all(job, decoder, in);
        double middle = seconds_now();
        if (of == JSON) sum += bench_bare_json(in->records, in->sizes, RECORDS, all);
        if (of == PROTOBUF) sum += bare_protobuf(in);
        double end = seconds_now();
        if (middle - begin < ours) ours = middle - begin;
        if (end - middle < bare) bare = end - middle;
    }
    double size = (double)in->total / RECORDS, rate = RECORDS / ours, bare_rate = RECORDS / bare;
    const char *format = names[of];
    if (json) {
        printf("{\"format\": \"%s\", \"fields\": %d, \"record_bytes\": %.1f, \"records_per_second\": %.0f", format, all ? 7 : 4, size, rate);
        if (compared) printf(", \"bare_records_per_second\": %.0f, \"ratio\": %.3f", bare_rate, rate / bare_rate);
        printf("}\n");
    } else {
        printf("%-8s %d fields of records of %.0f bytes: %.2f M/s, %.0f MB/s", format, all ? 7 : 4, size, rate / 1e6, rate * size / 1e6);
        if (compared) printf("; bare %s %.2f M/s; ratio %.2f", bare_names[of], bare_rate / 1e6, rate / bare_rate);
        printf("%s\n", sum == 0 ? "!" : "");
    }
    rwd_decoder_free(decoder);
    rwd_job_free(job);
    free(in->bytes);
    free(in);
}

int main(int argc, char **argv) {
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    for (kind of = JSON; of <= PROTOBUF; of++) {
        measure(of, false, json);
        measure(of, true, json);
    }
    return 0;
}
