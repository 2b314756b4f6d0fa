// What the tests of decoding and of the step share: a job from a few words, a record from a text, a fault as a word.
//
// Thread: one.
#ifndef TESTS_UNIT_LOGIC_SUPPORT_H
#define TESTS_UNIT_LOGIC_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>

#include "operator/logic/decode.h"
#include "operator/logic/step.h"

#include "tests/unit/test.h"

// A job over `format` with these lines under event: and under tables:.
static inline rwd_job *job_of(const char *format, const char *event, const char *tables) {
    rwd_buf text = {0};
    rwd_buf_appendf(&text, "job: test\nsource: {file: {path: test.txt}, format: %s}\nevent:\n%s\ntables:\n%s\n", format, event, tables);
    rwd_job *job = NULL;
    rwd_error err;
    if (!rwd_job_parse("test.yaml", rwd_buf_slice(&text), NULL, 0, &job, &err)) {
        char words[2048];
        rwd_error_format(&err, words, sizeof words);
        fail_msg("%s\n%s", words, rwd_buf_cstr(&text));
    }
    rwd_buf_deinit(&text);
    return job;
}

// A record whose bytes are followed by hostile padding, so that reading on is noticed.
typedef struct text_record {
    rwd_record record;
    uint8_t *bytes;
} text_record;

static inline text_record record_of_bytes(const void *text, size_t size) {
    uint8_t *bytes = malloc(size + RWD_RECORD_PADDING);
    memcpy(bytes, text, size);
    for (size_t i = 0; i < RWD_RECORD_PADDING; i++) bytes[size + i] = (uint8_t)"9}]\",:"[i % 6];
    return (text_record){{.value = rwd_slice_of(bytes, size), .full_size = size, .fault = RWD_E_NONE}, bytes};
}
static inline text_record record_of(const char *text) { return record_of_bytes(text, strlen(text)); }

static inline void put_event_text(const rwd_job *job, const rwd_event *event, rwd_buf *out) {
    for (size_t i = 0; i < job->event.field_count; i++) {
        const rwd_field *field = &job->event.fields[i];
        if (i) rwd_buf_append_char(out, '|');
        if (event->fields[i].present) rwd_value_text(&event->fields[i], field->type, field->scale, out);
        else rwd_buf_append_str(out, "null");
        assert_true(event->fields[i].present || field->optional);
    }
}

static inline void put_fault_text(const rwd_job *job, const rwd_fault *fault, size_t size, rwd_buf *out) {
    rwd_buf_appendf(out, "!%s", rwd_code_name(fault->code));
    if (fault->field >= 0) rwd_buf_appendf(out, " %s", job->event.fields[fault->field].name);
    assert_true(fault->at <= size);
}

// Decodes one record: an event's fields joined by '|', or "!code field"; several events joined by " ; ". As a new string.
static inline char *decode_bytes(const rwd_job *job, const char *const *columns, size_t column_count, const void *text, size_t size) {
    rwd_decoder *decoder;
    rwd_error err;
    assert_true(rwd_decoder_new(job, columns, column_count, &decoder, &err));
    text_record r = record_of_bytes(text, size);
    rwd_decoder_begin(decoder, RWD_EVENTS_PER_RECORD_MAX);
    rwd_event event;
    rwd_fault fault;
    rwd_buf out = {0};
    size_t count = 0;
    if (!rwd_decode_record(decoder, &r.record, &count, &fault)) put_fault_text(job, &fault, size, &out);
    for (size_t i = 0; i < count; i++) {
        if (i) rwd_buf_append_str(&out, " ; ");
        if (rwd_decode_event(decoder, &event, &fault)) put_event_text(job, &event, &out);
        else put_fault_text(job, &fault, size, &out);
        assert_int_equal(event.ordinal, i);
    }
    char *result = rwd_strdup(rwd_buf_cstr(&out));
    rwd_buf_deinit(&out);
    rwd_decoder_free(decoder);
    free(r.bytes);
    return result;
}

static inline void check_decode(const rwd_job *job, const char *text, const char *wanted) {
    char *got = decode_bytes(job, NULL, 0, text, strlen(text));
    if (strcmp(got, wanted) != 0) fail_msg("%s\n  gives  %s\n  wanted %s", text, got, wanted);
    free(got);
}

#endif
