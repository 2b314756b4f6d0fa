// What the fuzz targets of decoding share: one job, and the claim that a record's answer depends on its bytes only.
//
// Thread: one.
#ifndef TESTS_FUZZ_DECODE_FUZZ_H
#define TESTS_FUZZ_DECODE_FUZZ_H

#include <string.h>

#include "operator/logic/decode.h"

#include "tests/fuzz/fuzz.h"

typedef struct fuzz_answer {
    bool ok;
    rwd_fault fault;
    rwd_buf text;
} fuzz_answer;

// The record in a block of its own, followed by `padding` again and again.
static inline fuzz_answer fuzz_decode(const rwd_job *job, rwd_decoder *decoder, const uint8_t *data, size_t size, const char *padding) {
    uint8_t *bytes = malloc(size + RWD_RECORD_PADDING);
    if (size) memcpy(bytes, data, size);
    for (size_t i = 0; i < RWD_RECORD_PADDING; i++) bytes[size + i] = (uint8_t)padding[i % strlen(padding)];
    rwd_record record = {.value = rwd_slice_of(bytes, size), .full_size = size, .fault = RWD_E_NONE};
    rwd_event event;
    fuzz_answer answer = {0};
    rwd_decoder_begin(decoder, 1);
    answer.ok = rwd_decode(decoder, &record, &event, &answer.fault);
    if (answer.ok) {
        FUZZ_CHECK(event.record == &record);
        for (size_t i = 0; i < job->event.field_count; i++) {
            const rwd_field *field = &job->event.fields[i];
            FUZZ_CHECK(event.fields[i].present);
            if (field->type == RWD_TYPE_STRING) FUZZ_CHECK(rwd_utf8_valid(event.fields[i].s));
            rwd_value_text(&event.fields[i], field->type, field->scale, &answer.text);
            rwd_buf_append_char(&answer.text, '|');
        }
    } else {
        FUZZ_CHECK(rwd_code_decision(answer.fault.code) == RWD_SKIP);
        FUZZ_CHECK(answer.fault.at <= size && answer.fault.field < (int)job->event.field_count);
        rwd_fault_text(job, &answer.fault, &answer.text);
        FUZZ_CHECK(answer.text.size > 0);
    }
    FUZZ_CHECK(size == 0 || memcmp(bytes, data, size) == 0);
    free(bytes);
    return answer;
}

// `format` as in a job file, with what stands behind it.
static inline void fuzz_one(const char *format, const uint8_t *data, size_t size) {
    static rwd_job *job;
    static rwd_decoder *decoder;
    rwd_error err;
    if (!job) {
        rwd_buf text = {0};
        rwd_buf_appendf(&text,
                        "job: fuzz\nsource: {file: {path: fuzz}, format: %s}\n"
                        "event: {fields: {s: string, d: decimal(2), i: int, b: bool, t: {type: time, format: epoch-ms}, longer_name: %s}}\n"
                        "tables: {t: {key: s, aggregates: {n: count()}}}\n",
                        format, format[0] == 'j' ? "{type: string, path: o.p.longer_name}" : "string");
        FUZZ_CHECK(rwd_job_parse("fuzz", rwd_buf_slice(&text), NULL, 0, &job, &err));
        FUZZ_CHECK(rwd_decoder_new(job, NULL, 0, &decoder, &err));
        rwd_buf_deinit(&text);
    }
    fuzz_answer a = fuzz_decode(job, decoder, data, size, "\"}]0,:"), b = fuzz_decode(job, decoder, data, size, "\\\n");
    FUZZ_CHECK(a.ok == b.ok && rwd_slice_equal(rwd_buf_slice(&a.text), rwd_buf_slice(&b.text)));
    FUZZ_CHECK(a.ok || (a.fault.code == b.fault.code && a.fault.field == b.fault.field && a.fault.at == b.fault.at));
    rwd_buf_deinit(&a.text);
    rwd_buf_deinit(&b.text);
}

#endif
