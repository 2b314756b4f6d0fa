// Decodes what it is given and prints what it made of it: the program that decode_oracle.py compares with Python's own parsers.
//
//   decode_records json | csv      records on stdin, each as 4 bytes of size (little-endian) and its bytes
//   decode_records json-file | csv-file PATH   the records of a file (CSV: with a header)
//
// One line a record: "ok" and the fields s d i b t f y (f as its bits), or "fault", its code and its field.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/logic/decode.h"
#include "operator/source/file.h"

static rwd_job *make_job(bool csv, bool header) {
    rwd_buf text = {0};
    rwd_buf_appendf(&text,
                    "job: oracle\nsource: {file: {path: oracle}, format: %s}\n"
                    "event: {fields: {s: {type: string%s}, d: decimal(2), i: int, b: bool, t: {type: time, format: epoch-ms}, f: float, y: bytes}}\n"
                    "tables: {t: {key: s, aggregates: {n: count()}}}\n",
                    !csv ? "json" : header ? "csv" : "csv, csv: {header: false}", csv ? "" : ", path: o.s");
    rwd_job *job;
    rwd_error err;
    if (!rwd_job_parse("oracle", rwd_buf_slice(&text), NULL, 0, &job, &err)) {
        fprintf(stderr, "%s\n", err.cause);
        exit(2);
    }
    rwd_buf_deinit(&text);
    return job;
}

static char *hex_of(rwd_slice bytes) {
    char *hex = rwd_malloc(bytes.size * 2 + 1);
    rwd_hex(bytes.data, bytes.size, hex);
    return hex;
}

static void print_record(const rwd_job *job, rwd_decoder *decoder, const rwd_record *record) {
    rwd_event event;
    rwd_fault fault;
    rwd_decoder_begin(decoder, 1);
    if (!rwd_decode(decoder, record, &event, &fault)) {
        printf("fault %s %s\n", rwd_code_name(fault.code), fault.field >= 0 ? job->event.fields[fault.field].name : "-");
        return;
    }
    const rwd_value *v = event.fields;
    char decimal[RWD_DECIMAL_TEXT_MAX];
    char *hex = hex_of(v[0].s), *more = hex_of(v[6].s);
    unsigned long long bits;
    memcpy(&bits, &v[5].f, sizeof bits);
    (void)rwd_decimal_text(v[1].d, 2, decimal);
    printf("ok %s %s %lld %d %lld %016llx %s\n", hex, decimal, (long long)v[2].i, v[3].b, (long long)v[4].i, bits, more);
    free(hex);
    free(more);
}

static int decode_stdin(const rwd_job *job, rwd_decoder *decoder) {
    uint8_t head[4];
    while (fread(head, 1, 4, stdin) == 4) {
        size_t size = rwd_get_le32(head);
        uint8_t *bytes = rwd_calloc(1, size + RWD_RECORD_PADDING);
        if (fread(bytes, 1, size, stdin) != size) return 2;
        rwd_record record = {.value = rwd_slice_of(bytes, size), .full_size = size, .fault = RWD_E_NONE};
        print_record(job, decoder, &record);
        free(bytes);
    }
    return 0;
}

static int decode_file(const rwd_job *job, bool csv, const char *path) {
    rwd_file_source_options options = {.path = path, .csv = csv, .csv_header = csv, .csv_delimiter = ',', .max_size = 1 << 20};
    rwd_error err;
    rwd_io *io;
    rwd_source *source;
    rwd_decoder *decoder;
    size_t count = 0;
    rwd_batch batch;
    if (!rwd_io_pread_new(&io, &err) || !rwd_file_source_open(&options, io, rwd_clock_system(), &source, &err)) return 2;
    const char *const *columns = source->ops->columns(source, &count);
    if (!rwd_decoder_new(job, columns, count, &decoder, &err)) return 2;
    do {
        if (!source->ops->batch(source, 100, 0, &batch, &err)) return 2;
        for (size_t i = 0; i < batch.count; i++) print_record(job, decoder, &batch.records[i]);
        source->ops->release(source);
    } while (!batch.end);
    source->ops->close(source);
    rwd_io_free(io);
    rwd_decoder_free(decoder);
    return 0;
}

int main(int argc, char **argv) {
    assert(argc >= 2);
    bool csv = strncmp(argv[1], "csv", 3) == 0;
    rwd_job *job = make_job(csv, argc == 3);
    int result;
    if (argc == 3) {
        result = decode_file(job, csv, argv[2]);
    } else {
        rwd_decoder *decoder;
        rwd_error err;
        if (!rwd_decoder_new(job, NULL, 0, &decoder, &err)) return 2;
        result = decode_stdin(job, decoder);
        rwd_decoder_free(decoder);
    }
    rwd_job_free(job);
    return result;
}
