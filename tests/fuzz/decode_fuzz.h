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

static inline void fuzz_event(const rwd_job *job, const rwd_event *event, rwd_buf *out) {
    for (size_t i = 0; i < job->event.field_count; i++) {
        const rwd_field *field = &job->event.fields[i];
        FUZZ_CHECK(event->fields[i].present || field->optional);
        if (field->type == RWD_TYPE_STRING && event->fields[i].present) FUZZ_CHECK(rwd_utf8_valid(event->fields[i].s));
        rwd_value_text(&event->fields[i], field->type, field->scale, out);
        rwd_buf_append_char(out, '|');
    }
}

static inline void fuzz_fault(const rwd_job *job, const rwd_fault *fault, size_t size, rwd_buf *out) {
    size_t before = out->size;
    FUZZ_CHECK(rwd_code_decision(fault->code) == RWD_SKIP);
    FUZZ_CHECK(fault->at <= size && fault->field < (int)job->event.field_count);
    rwd_fault_text(job, fault, out);
    FUZZ_CHECK(out->size > before);
}

// The record in a block of its own, followed by `padding` again and again.
static inline fuzz_answer fuzz_decode(const rwd_job *job, rwd_decoder *decoder, const uint8_t *data, size_t size, const char *padding) {
    uint8_t *bytes = malloc(size + RWD_RECORD_PADDING);
    if (size) memcpy(bytes, data, size);
    for (size_t i = 0; i < RWD_RECORD_PADDING; i++) bytes[size + i] = (uint8_t)padding[i % strlen(padding)];
    rwd_record record = {.value = rwd_slice_of(bytes, size), .full_size = size, .fault = RWD_E_NONE};
    fuzz_answer answer = {0};
    size_t count = 0;
    rwd_decoder_begin(decoder, RWD_EVENTS_PER_RECORD_MAX);
    answer.ok = rwd_decode_record(decoder, &record, &count, &answer.fault);
    if (!answer.ok) fuzz_fault(job, &answer.fault, size, &answer.text);
    FUZZ_CHECK(answer.ok || count == 0);
    for (size_t i = 0; i < count; i++) {
        rwd_event event;
        rwd_fault fault;
        if (rwd_decode_event(decoder, &event, &fault)) fuzz_event(job, &event, &answer.text);
        else fuzz_fault(job, &fault, size, &answer.text);
        FUZZ_CHECK(event.record == &record && event.ordinal == i);
    }
    FUZZ_CHECK(size == 0 || memcmp(bytes, data, size) == 0);
    free(bytes);
    return answer;
}

// A job, made when it is first needed.
typedef struct fuzz_subject {
    rwd_job *job;
    rwd_decoder *decoder;
} fuzz_subject;

static inline void fuzz_subject_of(fuzz_subject *subject, const char *format, const char *event) {
    rwd_error err;
    rwd_buf text = {0};
    if (subject->job) return;
    rwd_buf_appendf(&text, "job: fuzz\nsource: {file: {path: fuzz}, format: %s}\nevent: {%s}\ntables: {t: {key: s, aggregates: {n: count()}}}\n", format, event);
    FUZZ_CHECK(rwd_job_parse("fuzz", rwd_buf_slice(&text), NULL, 0, &subject->job, &err));
    FUZZ_CHECK(rwd_decoder_new(subject->job, NULL, 0, &subject->decoder, &err));
    rwd_buf_deinit(&text);
}

#define FUZZ_FIELDS "s: string, d: decimal(2), i: int, b: bool, t: {type: time, format: epoch-ms}"

// The event's answer does not depend on what stands behind the record.
static inline void fuzz_twice(const fuzz_subject *subject, const uint8_t *data, size_t size) {
    const rwd_job *job = subject->job;
    rwd_decoder *decoder = subject->decoder;
    fuzz_answer a = fuzz_decode(job, decoder, data, size, "\"}]0,:"), b = fuzz_decode(job, decoder, data, size, "\\\n");
    FUZZ_CHECK(a.ok == b.ok && rwd_slice_equal(rwd_buf_slice(&a.text), rwd_buf_slice(&b.text)));
    FUZZ_CHECK(a.ok || (a.fault.code == b.fault.code && a.fault.field == b.fault.field && a.fault.at == b.fault.at));
    rwd_buf_deinit(&a.text);
    rwd_buf_deinit(&b.text);
}

// `format` as in a job file, with what stands behind it.
static inline void fuzz_one(const char *format, const uint8_t *data, size_t size) {
    static fuzz_subject subject;
    bool json = format[0] == 'j';
    fuzz_subject_of(&subject, format, json ? "fields: {" FUZZ_FIELDS ", longer_name: {type: string, path: o.p.longer_name}}" : "fields: {" FUZZ_FIELDS ", longer_name: string}");
    fuzz_twice(&subject, data, size);
}

#endif
