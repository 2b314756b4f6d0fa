// UTF-8, JSON strings, base64 and hex: the validator agrees with a slow one, and what is quoted is valid whatever came in.
#include "operator/base/bytes.h"
#include "operator/base/json_out.h"

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "plain text that is longer than sixteen bytes", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8C\x8D", "\xED\x9F\xBF\xEE\x80\x80", "\xF4\x8F\xBF\xBF",
    "\xED\xA0\x80", "\xC0\x80", "Zm9vYg==", "00ff7f80", "quote \" back \\ line \n", NULL,
};

static bool slow_valid(const uint8_t *p, size_t size) {
    for (size_t i = 0; i < size;) {
        size_t length = p[i] < 0x80 ? 1 : p[i] >> 5 == 6 ? 2 : p[i] >> 4 == 14 ? 3 : p[i] >> 3 == 30 ? 4 : 0;
        if (length == 0 || length > size - i) return false;
        uint32_t point = length == 1 ? p[i] : p[i] & (0xFFu >> (length + 1));
        for (size_t j = 1; j < length; j++) {
            if (p[i + j] >> 6 != 2) return false;
            point = point << 6 | (p[i + j] & 63);
        }
        size_t shortest = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        if (shortest != length || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
        i += length;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rwd_slice text = rwd_slice_of(data, size);
    FUZZ_CHECK(rwd_utf8_valid(text) == slow_valid(data, size));
    rwd_buf out = {0}, back = {0};
    rwd_json_quote(&out, text);
    FUZZ_CHECK(rwd_utf8_valid(rwd_buf_slice(&out)));
    rwd_buf_clear(&out);
    rwd_base64_append(&out, text);
    FUZZ_CHECK(rwd_base64_decode(rwd_buf_slice(&out), &back) && rwd_slice_equal(rwd_buf_slice(&back), text));
    rwd_buf_clear(&out);
    rwd_buf_clear(&back);
    if (rwd_base64_decode(text, &back)) {
        rwd_base64_append(&out, rwd_buf_slice(&back));
        FUZZ_CHECK(rwd_slice_equal(rwd_buf_slice(&out), text));
    }
    rwd_buf_clear(&back);
    rwd_buf_reserve(&back, size);
    if (size % 2 == 0 && rwd_unhex((const char *)data, size, back.data)) {
        char *hex = rwd_malloc(size + 1);
        rwd_hex(back.data, size / 2, hex);
        FUZZ_CHECK(rwd_slice_equal(rwd_slice_of(hex, size), text));
        free(hex);
    }
    rwd_buf_deinit(&out);
    rwd_buf_deinit(&back);
    return 0;
}
