// One UTF-8 sequence at a time, for the validator and the JSON writer.
//
// Thread: any; pure functions.
#ifndef OPERATOR_BASE_UTF8_PRIVATE_H
#define OPERATOR_BASE_UTF8_PRIVATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The first byte at or after `p` that is not ASCII, or `end`.
static inline const uint8_t *rwd_utf8_skip_ascii(const uint8_t *p, const uint8_t *end) {
    while (end - p >= 16) {
        uint64_t words[2];
        memcpy(words, p, 16);
        uint64_t high = (words[0] | words[1]) & 0x8080808080808080u;
        if (high) break;
        p += 16;
    }
    while (p < end && *p < 0x80) p++;
    return p;
}

// Size of the well-formed sequence at `p` (p < end), 0 if there is none (RFC 3629, section 4: the table of byte ranges).
static inline size_t rwd_utf8_sequence(const uint8_t *p, const uint8_t *end) {
    size_t left = (size_t)(end - p);
    uint8_t a = p[0];
    if (a < 0x80) return 1;
    if (a < 0xC2 || a > 0xF4 || left < 2) return 0;
    uint8_t b = p[1];
    if (a < 0xE0) return (b & 0xC0) == 0x80 ? 2 : 0;
    uint8_t low = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80;
    uint8_t high = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
    if (b < low || b > high || left < 3 || (p[2] & 0xC0) != 0x80) return 0;
    if (a < 0xF0) return 3;
    return left >= 4 && (p[3] & 0xC0) == 0x80 ? 4 : 0;
}

#endif
