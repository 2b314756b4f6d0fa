// The wire format of Protocol Buffers.
#include "operator/base/wire.h"

#include <assert.h>

bool rwd_wire_long_varint(rwd_wire_reader *r, uint64_t *out) {
    const uint8_t *p = r->at;
    size_t most = rwd_wire_left(r) < RWD_WIRE_VARINT_MAX ? rwd_wire_left(r) : RWD_WIRE_VARINT_MAX;
    uint64_t value = 0;
    for (size_t i = 0; i < most; i++) {
        value |= (uint64_t)(p[i] & 0x7F) << (7 * i);
        if (p[i] >= 0x80) continue;
        // The tenth byte has room for the last of 64 bits.
        if (i == RWD_WIRE_VARINT_MAX - 1 && p[i] > 1) return rwd_wire_bad(r, "a varint has more than 64 bits");
        r->at += i + 1;
        *out = value;
        return true;
    }
    return rwd_wire_bad(r, most == RWD_WIRE_VARINT_MAX ? "a varint has more than 10 bytes" : "the record ends inside a varint");
}

bool rwd_wire_skip_group(rwd_wire_reader *r, uint32_t number, rwd_wire wire) {
    uint32_t open[RWD_WIRE_NESTING_MAX];
    size_t depth = 0;
    for (;;) {
        if (wire == RWD_WIRE_GROUP) {
            if (depth == RWD_WIRE_NESTING_MAX) return rwd_wire_bad(r, "nested too deeply");
            open[depth++] = number;
        } else if (wire == RWD_WIRE_GROUP_END) {
            if (depth == 0 || open[--depth] != number) return rwd_wire_bad(r, "the end of a group that did not begin");
        } else if (!rwd_wire_skip(r, number, wire)) {
            return false;
        }
        if (depth == 0) return true;
        if (r->at == r->end) return rwd_wire_bad(r, "a group has no end");
        if (!rwd_wire_tag(r, &number, &wire)) return false;
    }
}

void rwd_wire_put_varint(rwd_buf *out, uint64_t value) {
    uint8_t bytes[RWD_WIRE_VARINT_MAX];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    rwd_buf_append(out, bytes, size);
}

void rwd_wire_put_tag(rwd_buf *out, uint32_t number, rwd_wire wire) {
    assert(number >= 1 && number <= RWD_WIRE_NUMBER_MAX);
    rwd_wire_put_varint(out, (uint64_t)number << 3 | wire);
}

void rwd_wire_put_sized(rwd_buf *out, uint32_t number, rwd_slice bytes) {
    rwd_wire_put_tag(out, number, RWD_WIRE_SIZED);
    rwd_wire_put_varint(out, bytes.size);
    rwd_buf_append_slice(out, bytes);
}

void rwd_wire_put_uint(rwd_buf *out, uint32_t number, uint64_t value) {
    rwd_wire_put_tag(out, number, RWD_WIRE_VARINT);
    rwd_wire_put_varint(out, value);
}

void rwd_wire_put_double(rwd_buf *out, uint32_t number, double value) {
    uint8_t bytes[8];
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    rwd_put_le64(bytes, bits);
    rwd_wire_put_tag(out, number, RWD_WIRE_FIXED64);
    rwd_buf_append(out, bytes, sizeof bytes);
}
