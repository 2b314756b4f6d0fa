// Keys from untrusted bytes: what is accepted encodes back to the same bytes, so a key has one encoding.
#include "state/schema.h"

#include "tests/fuzz/fuzz.h"

// The first byte chooses the types of the parts, the rest is the key.
const char *const fuzz_seeds[] = {
    "\x01\x01" "abc", "\x06\x01" "12345678", "\x10", "\x1b\x01" "0123456789abcdef\x01\x01", "\x00", "\x41\x01" "12345678\x01x", NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    rwd_schema schema;
    rwd_schema_init(&schema, 0, "t");
    unsigned types = data[0];
    for (unsigned i = 0; i < 3 && (i == 0 || types); i++, types /= RWD_TYPE_COUNT) {
        char name[2] = {(char)('a' + i)};
        FUZZ_CHECK(rwd_schema_add_part(&schema, name, (rwd_type)(types % RWD_TYPE_COUNT), 0, NULL));
    }
    rwd_value parts[RWD_KEY_PARTS_MAX];
    rwd_buf scratch = {0};
    rwd_slice key = rwd_slice_of(data + 1, size - 1);
    if (rwd_key_decode(&schema, key, parts, &scratch)) {
        uint8_t again[RWD_KEY_BYTES_MAX];
        size_t again_size = rwd_key_encode(&schema, parts, again);
        FUZZ_CHECK(rwd_slice_equal(key, rwd_slice_of(again, again_size)));
    }
    rwd_buf_deinit(&scratch);
    rwd_schema_deinit(&schema);
    return 0;
}
