// The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding): a bounded reader and a writer.
//
// A message is a run of fields, each a tag (number and wire type, as a varint) and a value. The reader takes untrusted bytes: it never looks at a byte at or
// behind its end, and is strict where the format is: a varint has at most 10 bytes and 64 bits, a field number is 1 to 2^29 - 1, a length ends inside the run.
//
// Thread: values; pure functions.
#ifndef OPERATOR_BASE_WIRE_H
#define OPERATOR_BASE_WIRE_H

#include "operator/base/bytes.h"

#define RWD_WIRE_VARINT_MAX 10
#define RWD_WIRE_NUMBER_MAX ((1u << 29) - 1)
#define RWD_WIRE_NESTING_MAX 100  // of groups in groups and messages in messages, as in the implementations of its authors

typedef enum rwd_wire {
    RWD_WIRE_VARINT = 0,
    RWD_WIRE_FIXED64 = 1,
    RWD_WIRE_SIZED = 2,        // strings, bytes, messages, packed numbers
    RWD_WIRE_GROUP = 3,
    RWD_WIRE_GROUP_END = 4,
    RWD_WIRE_FIXED32 = 5,
} rwd_wire;

// Where in untrusted bytes a reader stands. After a failed read `at` is where the mistake is, and `why` says which (static words).
typedef struct rwd_wire_reader {
    const uint8_t *at, *end;
    const char *why;
} rwd_wire_reader;

static inline rwd_wire_reader rwd_wire_reader_of(rwd_slice bytes) { return (rwd_wire_reader){bytes.data, bytes.data + bytes.size, NULL}; }
static inline size_t rwd_wire_left(const rwd_wire_reader *r) { return (size_t)(r->end - r->at); }
static inline bool rwd_wire_bad(rwd_wire_reader *r, const char *why) {
    r->why = why;
    return false;
}

// The general case of rwd_wire_varint.
RWD_MUST bool rwd_wire_long_varint(rwd_wire_reader *r, uint64_t *out);

static inline RWD_MUST bool rwd_wire_varint(rwd_wire_reader *r, uint64_t *out) {
    if (r->at == r->end || *r->at >= 0x80) return rwd_wire_long_varint(r, out);
    *out = *r->at++;
    return true;
}

// The tag of a field: number and wire type, both judged.
static inline RWD_MUST bool rwd_wire_tag(rwd_wire_reader *r, uint32_t *out_number, rwd_wire *out_wire) {
    const uint8_t *begin = r->at;
    uint64_t tag;
    if (!rwd_wire_varint(r, &tag)) return false;
    *out_number = (uint32_t)(tag >> 3);
    *out_wire = (rwd_wire)(tag & 7);
    if (tag >= 8 && tag <= UINT32_MAX && *out_wire <= RWD_WIRE_FIXED32) return true;
    r->at = begin;
    return rwd_wire_bad(r, *out_wire > RWD_WIRE_FIXED32 ? "a field has a wire type that does not exist" : "a field's number is not between 1 and 536870911");
}

static inline RWD_MUST bool rwd_wire_fixed32(rwd_wire_reader *r, uint32_t *out) {
    if (rwd_wire_left(r) < 4) return rwd_wire_bad(r, "the record ends inside a number of 4 bytes");
    *out = rwd_get_le32(r->at);
    r->at += 4;
    return true;
}

static inline RWD_MUST bool rwd_wire_fixed64(rwd_wire_reader *r, uint64_t *out) {
    if (rwd_wire_left(r) < 8) return rwd_wire_bad(r, "the record ends inside a number of 8 bytes");
    *out = rwd_get_le64(r->at);
    r->at += 8;
    return true;
}

static inline RWD_MUST bool rwd_wire_sized(rwd_wire_reader *r, rwd_slice *out) {
    const uint8_t *begin = r->at;
    uint64_t size;
    if (!rwd_wire_varint(r, &size)) return false;
    if (size > rwd_wire_left(r)) {
        r->at = begin;
        return rwd_wire_bad(r, "a length leads beyond the end");
    }
    *out = rwd_slice_of(r->at, (size_t)size);
    r->at += size;
    return true;
}

// The groups of rwd_wire_skip.
RWD_MUST bool rwd_wire_skip_group(rwd_wire_reader *r, uint32_t number, rwd_wire wire);

// Passes over the value of field `number`, all groups inside of it included.
static inline RWD_MUST bool rwd_wire_skip(rwd_wire_reader *r, uint32_t number, rwd_wire wire) {
    uint64_t value;
    uint32_t half;
    rwd_slice bytes;
    switch (wire) {
    case RWD_WIRE_VARINT: return rwd_wire_varint(r, &value);
    case RWD_WIRE_FIXED64: return rwd_wire_fixed64(r, &value);
    case RWD_WIRE_FIXED32: return rwd_wire_fixed32(r, &half);
    case RWD_WIRE_SIZED: return rwd_wire_sized(r, &bytes);
    default: return rwd_wire_skip_group(r, number, wire);
    }
}

static inline int64_t rwd_wire_zigzag(uint64_t value) { return (int64_t)(value >> 1) ^ -(int64_t)(value & 1); }

// ---- writing. All append.
void rwd_wire_put_varint(rwd_buf *out, uint64_t value);
void rwd_wire_put_tag(rwd_buf *out, uint32_t number, rwd_wire wire);
void rwd_wire_put_sized(rwd_buf *out, uint32_t number, rwd_slice bytes);   // a whole field
void rwd_wire_put_uint(rwd_buf *out, uint32_t number, uint64_t value);     // a whole field
void rwd_wire_put_double(rwd_buf *out, uint32_t number, double value);     // a whole field

#endif
