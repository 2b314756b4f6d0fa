// Bytes as text: hex, base64 and the validity of UTF-8 (declared in bytes.h).
#include "operator/base/bytes.h"
#include "operator/base/utf8_private.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void rwd_hex(const void *data, size_t size, char *out) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = hex_digits[bytes[i] >> 4];
        out[2 * i + 1] = hex_digits[bytes[i] & 15];
    }
    out[2 * size] = '\0';
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

bool rwd_unhex(const char *text, size_t text_size, uint8_t *out) {
    if (text_size % 2 != 0) return false;
    for (size_t i = 0; i < text_size; i += 2) {
        int high = hex_value(text[i]), low = hex_value(text[i + 1]);
        if (high < 0 || low < 0) return false;
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void rwd_base64_append(rwd_buf *out, rwd_slice data) {
    rwd_buf_reserve(out, (data.size / 3 + 1) * 4);
    for (size_t i = 0; i < data.size; i += 3) {
        size_t left = data.size - i;
        uint32_t bits = (uint32_t)data.data[i] << 16;
        if (left > 1) bits |= (uint32_t)data.data[i + 1] << 8;
        if (left > 2) bits |= data.data[i + 2];
        uint8_t *p = out->data + out->size;
        p[0] = (uint8_t)base64_digits[bits >> 18];
        p[1] = (uint8_t)base64_digits[bits >> 12 & 63];
        p[2] = left > 1 ? (uint8_t)base64_digits[bits >> 6 & 63] : '=';
        p[3] = left > 2 ? (uint8_t)base64_digits[bits & 63] : '=';
        out->size += 4;
    }
}

static int base64_value(uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

// Each run of bytes has one text: padding must be there and unused bits must be zero (RFC 4648, 3.5).
bool rwd_base64_bytes(rwd_slice text, uint8_t *out, size_t *out_size) {
    if (text.size % 4 != 0) return false;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i += 4) {
        bool last = i + 4 == text.size;
        size_t pads = !last || text.data[i + 3] != '=' ? 0 : text.data[i + 2] != '=' ? 1 : 2;
        uint32_t bits = 0;
        for (size_t j = 0; j < 4; j++) {
            int value = j < 4 - pads ? base64_value(text.data[i + j]) : 0;
            if (value < 0) return false;
            bits = bits << 6 | (uint32_t)value;
        }
        if ((bits & ((1u << (8 * pads)) - 1)) != 0) return false;
        for (size_t j = 0; j < 3 - pads; j++) out[size++] = (uint8_t)(bits >> (16 - 8 * j));
    }
    *out_size = size;
    return true;
}

bool rwd_base64_decode(rwd_slice text, rwd_buf *out) {
    size_t size;
    rwd_buf_reserve(out, text.size / 4 * 3);
    if (!rwd_base64_bytes(text, out->data + out->size, &size)) return false;
    out->size += size;
    return true;
}

bool rwd_utf8_valid(rwd_slice text) {
    const uint8_t *p = text.data, *end = text.data + text.size;
    while (p < end) {
        p = rwd_utf8_skip_ascii(p, end);
        if (p == end) return true;
        size_t size = rwd_utf8_sequence(p, end);
        if (size == 0) return false;
        p += size;
    }
    return true;
}
