// Record ends: the same however the bytes are cut into pieces; no byte outside of a piece is read (each piece is a block of its own).
#include <string.h>

#include "operator/source/framing.h"

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "a,b\n\"1\n2\",3\r\n", "\"\"\"\"\n\"\n", "a\"b\n,\"c\"d\"\n\"e", "0123456789abcdef\",\"0123456789abcdef\n\"\"\n", "{\"a\":\"\\n\"}\n\n{}", NULL,
};

static void check(bool csv, const uint8_t *data, size_t size) {
    rwd_framing whole = rwd_framing_of(csv, ','), pieces = whole;
    size_t at = 0, end = 0;
    uint32_t random = (uint32_t)size * 2654435761u + csv;
    while (at < size) {
        if (end <= at) end = at + rwd_framing_find(&whole, data + at, size - at);  // of the record that holds `at`
        random = random * 1664525u + 1013904223u;
        size_t piece_size = 1 + (random >> 16) % 33;
        if (piece_size > size - at) piece_size = size - at;
        uint8_t *piece = malloc(piece_size);
        memcpy(piece, data + at, piece_size);
        size_t found = rwd_framing_find(&pieces, piece, piece_size);
        free(piece);
        if (found == piece_size) {
            FUZZ_CHECK(end >= at + piece_size);
            at += piece_size;
        } else {
            FUZZ_CHECK(end == at + found && data[end] == '\n');
            at = end + 1;
        }
    }
    FUZZ_CHECK(whole.state == pieces.state || end < size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check(true, data, size);
    check(false, data, size);
    return 0;
}
