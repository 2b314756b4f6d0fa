// Records per second of rwd_decode beside the bare library, in turns in one run; each line is the best of its rounds.
//
//   bench_decode [--json]
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "operator/logic/decode.h"
#include "operator/source/generate.h"

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

// Records as they stand in a file, one behind the other.
static input *make_input(bool csv) {
    rwd_generate options = {.seed = 1, .csv = csv, .keys = 1000000, .start_ms = 1767225600000, .per_second = 1000};
    input *in = rwd_calloc(1, sizeof *in);
    in->bytes = rwd_malloc(RECORDS * RWD_GENERATE_BYTES_MAX + RWD_RECORD_PADDING);
    for (size_t i = 0; i < RECORDS; i++) {
        size_t size = rwd_generate_record(&options, 1000000 + i, (char *)in->bytes + in->total);
        in->records[i] = in->bytes + in->total;
        in->sizes[i] = (uint32_t)size - 1;
        in->total += size;
    }
    return in;
}

static rwd_decoder *make_decoder(bool csv, bool all, rwd_job **out_job) {
    const char *fields = all ? "id: int, ts: {type: time, format: epoch-ms}, customer: string, country: string, sku: string, quantity: int, amount: decimal(2)"
                             : "ts: {type: time, format: epoch-ms}, customer: string, quantity: int, amount: decimal(2)";
    rwd_buf text = {0};
    rwd_buf_appendf(&text, "job: bench\nsource: {file: {path: bench}, format: %s}\nevent: {fields: {%s}}\ntables: {t: {key: customer, aggregates: {n: count()}}}\n",
                    csv ? "csv" : "json", fields);
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

static void measure(bool csv, bool all, bool json) {
    input *in = make_input(csv);
    rwd_job *job;
    rwd_decoder *decoder = make_decoder(csv, all, &job);
    double ours = 1e9, bare = 1e9;
    uint64_t sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double begin = seconds_now();
        sum += decode_all(job, decoder, in);
        double middle = seconds_now();
        if (!csv) sum += bench_bare_json(in->records, in->sizes, RECORDS, all);
        double end = seconds_now();
        if (middle - begin < ours) ours = middle - begin;
        if (end - middle < bare) bare = end - middle;
    }
    double size = (double)in->total / RECORDS, rate = RECORDS / ours, bare_rate = RECORDS / bare;
    const char *format = csv ? "csv" : "json";
    if (json) {
        printf("{\"format\": \"%s\", \"fields\": %d, \"record_bytes\": %.1f, \"records_per_second\": %.0f", format, all ? 7 : 4, size, rate);
        if (!csv) printf(", \"bare_records_per_second\": %.0f, \"ratio\": %.3f", bare_rate, rate / bare_rate);
        printf("}\n");
    } else {
        printf("%-4s %d fields of records of %.0f bytes: %.2f M/s, %.0f MB/s", format, all ? 7 : 4, size, rate / 1e6, rate * size / 1e6);
        if (!csv) printf("; bare simdjson on demand %.2f M/s; ratio %.2f", bare_rate / 1e6, rate / bare_rate);
        printf("%s\n", sum == 0 ? "!" : "");
    }
    rwd_decoder_free(decoder);
    rwd_job_free(job);
    free(in->bytes);
    free(in);
}

int main(int argc, char **argv) {
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    measure(false, false, json);
    measure(false, true, json);
    measure(true, false, json);
    measure(true, true, json);
    return 0;
}
