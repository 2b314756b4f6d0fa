// Decodes what it is given and prints what it made of it: the program that decode_oracle.py compares with Python's own parsers.
//
//   decode_records json | csv | each    records on stdin, each as 4 bytes of size (little-endian) and its bytes; each: JSON, an event for each element of o.e
//   decode_records json-file | csv-file PATH   the records of a file (CSV: with a header)
//
// One line a record: "ok" and the fields s d i b t f y (f as its bits, null as -), or "fault", its code and its field; of several events with " | " between them.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/logic/decode.h"
#include "operator/source/file.h"

static const char each_event[] = "each: o.e, fields: {s: {type: string, path: '.[\"s.t\"]', optional: true}, d: {type: decimal(2), path: '.x[1].d'}, "
                                 "i: {type: int, path: .i, default: -7}, b: {type: bool, path: 'o.e[1].b', optional: true}, t: {type: time, format: epoch-ms}, "
                                 "f: {type: float, path: '.x[0]', optional: true}, y: {type: bytes, path: .y, optional: true}}";

static rwd_job *make_job(bool csv, bool header, bool each) {
    rwd_buf text = {0};
    char *event = each ? rwd_strdup(each_event) : rwd_strf("fields: {s: {type: string%s}, d: decimal(2), i: int, b: bool, t: {type: time, format: epoch-ms}, f: float, "
                                                           "y: bytes}", csv ? "" : ", path: o.s");
    rwd_buf_appendf(&text, "job: oracle\nsource: {file: {path: oracle}, format: %s}\nevent: {%s}\ntables: {t: {key: s, aggregates: {n: count()}}}\n",
                    !csv ? "json" : header ? "csv" : "csv, csv: {header: false}", event);
    free(event);
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

static void print_value(const rwd_field *field, const rwd_value *v) {
    char decimal[RWD_DECIMAL_TEXT_MAX];
    unsigned long long bits;
    char *hex = NULL;
    if (!v->present) {
        printf(" -");
        return;
    }
    switch (field->type) {
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES: printf(" %s", hex = hex_of(v->s)); break;
    case RWD_TYPE_DECIMAL:
        (void)rwd_decimal_text(v->d, 2, decimal);
        printf(" %s", decimal);
        break;
    case RWD_TYPE_BOOL: printf(" %d", v->b); break;
    case RWD_TYPE_FLOAT:
        memcpy(&bits, &v->f, sizeof bits);
        printf(" %016llx", bits);
        break;
    default: printf(" %lld", (long long)v->i); break;
    }
    free(hex);
}

static void print_fault(const rwd_job *job, const rwd_fault *fault) {
    printf("fault %s %s", rwd_code_name(fault->code), fault->field >= 0 ? job->event.fields[fault->field].name : "-");
}

static void print_record(const rwd_job *job, rwd_decoder *decoder, const rwd_record *record) {
    rwd_event event;
    rwd_fault fault;
    size_t count;
    rwd_decoder_begin(decoder, RWD_EVENTS_PER_RECORD_MAX);
    if (!rwd_decode_record(decoder, record, &count, &fault)) print_fault(job, &fault);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) printf(" | ");
        if (!rwd_decode_event(decoder, &event, &fault)) {
            print_fault(job, &fault);
            continue;
        }
        printf("ok");
        for (size_t f = 0; f < job->event.field_count; f++) print_value(&job->event.fields[f], &event.fields[f]);
    }
    printf("\n");
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
    rwd_job *job = make_job(csv, argc == 3, strcmp(argv[1], "each") == 0);
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
