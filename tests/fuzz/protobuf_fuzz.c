// Messages from untrusted bytes: an event or a fault, decided by the record alone; not one byte beyond it is read, though records carry padding.
//
// The record is a block of exactly its size, so that a sanitizer sees the first byte too far.
#include <string.h>

#include "operator/logic/decode.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/wire_set.h"

const char *const fuzz_seeds[] = {
    "\x08\x05\x12\x03""abc\x1a\x05\x0a\x01x\x10\x07\x22\x03\x0a\x01p\x22\x03\x0a\x01q\x2a\x03\x01\x02\x03\x38\x01\x42\x01o",
    "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x12\xff\xff\xff\xff\x03""a", "\x1a\x80\x80\x80\x80\x04",
    "\x0b\x0c", "\x23\x24", "\xa3\x06\xa4\x06", "\x02\x01", "\x07", "\x31""12345678", "\x55""1234", "\x2a\x02\xff\xff", "\x28\x05\x28\x06\x2a\x01\x04", "\x4a\x02\x10\x01\x42\x01z", NULL,
};

static rwd_job *make_job(const char *framing) {
    rwd_buf text = {0};
    rwd_error err;
    rwd_job *job;
    char path[] = "protobuf_fuzz.XXXXXX";
    FUZZ_CHECK(wire_set_file(path));
    rwd_buf_appendf(&text,
                    "job: fuzz\nsource: {file: {path: fuzz}, format: protobuf, protobuf: {descriptor: %s, message: t.M, framing: %s}}\n"
                    "event: {fields: {i: int, s: string, n: {type: int, path: in.n}, second: {type: string, path: 'items[1].s'}, num: {type: decimal(2), path: 'nums[2]'},\n"
                    "  d: float, c: string, number: {type: int, path: c}, f: int, k: bool, u: decimal(18), x: {type: time, format: epoch-us}}}\n"
                    "tables: {t: {key: s, aggregates: {n: count()}}}\n",
                    path, framing);
    FUZZ_CHECK(rwd_job_parse("fuzz", rwd_buf_slice(&text), NULL, 0, &job, &err));
    FUZZ_CHECK(unlink(path) == 0);
    rwd_buf_deinit(&text);
    return job;
}

static void decode(const rwd_job *job, rwd_decoder *decoder, const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, data, size);
    rwd_record record = {.value = rwd_slice_of(exact, size), .full_size = size, .fault = RWD_E_NONE};
    rwd_event event;
    rwd_fault fault;
    rwd_buf text = {0};
    rwd_decoder_begin(decoder, 1);
    if (rwd_decode(decoder, &record, &event, &fault)) {
        for (size_t i = 0; i < job->event.field_count; i++) {
            if (job->event.fields[i].type == RWD_TYPE_STRING) FUZZ_CHECK(rwd_utf8_valid(event.fields[i].s));
            rwd_value_text(&event.fields[i], job->event.fields[i].type, job->event.fields[i].scale, &text);
        }
    } else {
        FUZZ_CHECK(rwd_code_decision(fault.code) == RWD_SKIP && fault.at <= size && fault.field < (int)job->event.field_count);
        rwd_fault_text(job, &fault, &text);
        FUZZ_CHECK(text.size > 0);
    }
    FUZZ_CHECK(size == 0 || memcmp(exact, data, size) == 0);
    rwd_buf_deinit(&text);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static rwd_job *bare, *confluent;
    static rwd_decoder *bare_decoder, *confluent_decoder;
    rwd_error err;
    if (!bare) {
        bare = make_job("none");
        confluent = make_job("confluent");
        FUZZ_CHECK(rwd_decoder_new(bare, NULL, 0, &bare_decoder, &err) && rwd_decoder_new(confluent, NULL, 0, &confluent_decoder, &err));
    }
    decode(bare, bare_decoder, data, size);
    decode(confluent, confluent_decoder, data, size);
    return 0;
}
