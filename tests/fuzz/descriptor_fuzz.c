// Descriptor sets from untrusted bytes: read or refused, never a byte beyond them; what was read can be asked.
//
// The input is copied to a block of exactly its size, so that a sanitizer sees the first byte too far.
#include "operator/config/descriptor.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/wire_set.h"

// A set of one file with message "M" {string s = 1; M m = 2; repeated int32 r = 3;} and enum "E" {A = 0;}.
const char *const fuzz_seeds[] = {
    "\x0a\x37\x0a\x01""f\x12\x01p\x22\x26\x0a\x01M\x12\x09\x0a\x01s\x18\x01 \x01(\x09\x12\x0e\x0a\x01m\x18\x02 \x01(\x0b""2\x04.p.M\x12\x06\x0a\x01r\x18\x03 \x03(\x05*\x07\x0a\x01""E\x12\x02\x0a\x01",
    "\x0a\x02\x22", "\x0a\x00", "\x0a\x7f", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", NULL,
};

static void ask(const rwd_descriptor *set) {
    static const char *const paths[] = {"in.s", "items[1].n", "nums[0]", "c", "b.maybe", "s", "m.s", "m.m.m.s", "r[1]", "r", "x", "m[0]", "..", "", "m."};
    rwd_error err;
    const rwd_proto_message *message = rwd_descriptor_message(set, "p.M", &err);
    if (!message) message = rwd_descriptor_message(set, "t.M", &err);
    (void)rwd_descriptor_message(set, "nothing", &err);
    rwd_proto_path path;
    for (size_t i = 0; message && i < sizeof paths / sizeof *paths; i++) {
        if (!rwd_proto_path_resolve(message, paths[i], &path, &err)) {
            FUZZ_CHECK(err.code == RWD_E_CONFIG && err.cause[0]);
            continue;
        }
        rwd_buf text = {0};
        const rwd_proto_field *field = rwd_proto_path_end(&path);
        rwd_proto_type_text(field, &text);
        FUZZ_CHECK(text.size > 0 && path.count >= 1 && field->number >= 1 && field->type >= RWD_PROTO_DOUBLE && field->type < RWD_PROTO_TYPE_END);
        FUZZ_CHECK((field->type == RWD_PROTO_MESSAGE) == (field->message != NULL));
        rwd_buf_deinit(&text);
    }
}

static void parse(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, data, size);
    rwd_descriptor *set;
    rwd_error err;
    rwd_error_clear(&err);
    if (rwd_descriptor_parse(rwd_slice_of(exact, size), &set, &err)) {
        ask(set);
        rwd_descriptor_free(set);
    } else {
        FUZZ_CHECK(err.code == RWD_E_CONFIG && err.cause[0]);
    }
    free(exact);
}

// The input itself, and a good set that the input damages: of each three bytes two say where and the third what.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rwd_buf good = {0};
    parse(data, size);
    wire_set(&good);
    for (size_t i = 0; i + 3 <= size; i += 3) good.data[(data[i] | (size_t)data[i + 1] << 8) % good.size] ^= data[i + 2];
    parse(good.data, good.size);
    rwd_buf_deinit(&good);
    return 0;
}
