// The door of protobuf-c: packing into a buffer, and unpacking bytes that nobody vouches for.
//
// Messages are the generated structs of proto/*.proto (include "proto/<name>.pb-c.h").
//
// Thread: any; pure functions.
#ifndef PROTO_PACK_H
#define PROTO_PACK_H

#include <protobuf-c/protobuf-c.h>

#include "operator/base/bytes.h"
#include "operator/base/hash.h"

#define RWD_PROTO_HASH 16  // bytes of a hash field

// Appends the packed message.
void rwd_proto_append(rwd_buf *out, const ProtobufCMessage *message);
// NULL if the bytes are no such message, or if the message would take more than `memory` bytes: two bytes on the wire
// can stand for a hundred in memory, so the size of the input alone is no bound. *gives*: free with rwd_proto_free.
ProtobufCMessage *rwd_proto_unpack(const ProtobufCMessageDescriptor *descriptor, rwd_slice bytes, size_t memory);
void rwd_proto_free(ProtobufCMessage *message);

// A hash as a bytes field; `storage` must live as long as the message.
ProtobufCBinaryData rwd_proto_put_hash(rwd_hash128 hash, uint8_t storage[RWD_PROTO_HASH]);
// An empty field is the zero hash; any other size than 16 is false.
RWD_MUST bool rwd_proto_get_hash(ProtobufCBinaryData field, rwd_hash128 *out);
static inline rwd_slice rwd_proto_slice(ProtobufCBinaryData field) { return rwd_slice_of(field.data, field.len); }
static inline ProtobufCBinaryData rwd_proto_bytes(rwd_slice slice) {
    return (ProtobufCBinaryData){slice.size, (uint8_t *)(uintptr_t)slice.data};
}

#endif
