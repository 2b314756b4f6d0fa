// Strings: case and length, by code points. Simple case mappings of Unicode (The Unicode Standard, 5.18: one code point to one, no locale).
#include "operator/expr/text_private.h"

#include <assert.h>

static uint32_t map(uint32_t c, const rwd_case_run *runs, size_t count) {
    size_t low = 0, high = count;  // the first run that ends at or behind c
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (runs[middle].last < c) low = middle + 1;
        else high = middle;
    }
    if (low == count || c < runs[low].first || (c - runs[low].first) % runs[low].step != 0) return c;
    return c + (uint32_t)runs[low].delta;
}

// The code point at `p` and its size, or 0 where there is none.
static size_t decode(const uint8_t *p, const uint8_t *end, uint32_t *out) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = *p >= 0xF0 ? 4 : *p >= 0xE0 ? 3 : *p >= 0xC0 ? 2 : 0;
    if (size == 0 || (size_t)(end - p) < size) return 0;
    uint32_t c = *p & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    *out = c;
    return c >= least[size] && c <= 0x10FFFF ? size : 0;
}

static size_t encode(uint32_t c, uint8_t *out) {
    if (c < 0x80) return out[0] = (uint8_t)c, 1;
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; c >>= 6) out[i] = (uint8_t)(0x80 | (c & 0x3F));
    out[0] = (uint8_t)(0xF00u >> size | c);
    return size;
}

static size_t map_text(rwd_slice text, uint8_t *out, uint8_t first_letter, const rwd_case_run *runs, size_t count) {
    const uint8_t *p = text.data, *end = p + text.size;
    uint8_t *to = out;
    while (p < end) {
        uint32_t c;
        size_t size = 0;
        if (*p < 0x80) {
            bool is_letter = (uint8_t)(*p - first_letter) < 26;
            *to++ = (uint8_t)(*p++ ^ (is_letter ? 0x20 : 0));
        } else if ((size = decode(p, end, &c)) != 0) {
            to += encode(map(c, runs, count), to);
            p += size;
        } else {
            *to++ = *p++;
        }
    }
    assert((size_t)(to - out) <= RWD_CASE_GROWTH * text.size);
    return (size_t)(to - out);
}

size_t rwd_text_lower(rwd_slice text, uint8_t *out) { return map_text(text, out, 'A', rwd_lower_runs, rwd_lower_run_count); }
size_t rwd_text_upper(rwd_slice text, uint8_t *out) { return map_text(text, out, 'a', rwd_upper_runs, rwd_upper_run_count); }

int64_t rwd_text_length(rwd_slice text) {
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) count += (text.data[i] & 0xC0) != 0x80;
    return (int64_t)count;
}
