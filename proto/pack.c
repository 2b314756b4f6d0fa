// Packing and bounded unpacking. What must stay true: no input makes unpacking take more memory than it was given.
#include "proto/pack.h"

#include <stdlib.h>

void rwd_proto_append(rwd_buf *out, const ProtobufCMessage *message) {
    size_t size = protobuf_c_message_get_packed_size(message);
    rwd_buf_reserve(out, size);
    out->size += protobuf_c_message_pack(message, out->data + out->size);
}

// What is left of the memory that one unpacking may take.
typedef struct allowance {
    size_t left;
} allowance;

static void *take_allowed(void *context, size_t size) {
    allowance *allowed = context;
    if (size > allowed->left) return NULL;
    allowed->left -= size;
    return malloc(size);
}

static void give_back(void *context, void *memory) {
    (void)context;
    free(memory);
}

ProtobufCMessage *rwd_proto_unpack(const ProtobufCMessageDescriptor *descriptor, rwd_slice bytes, size_t memory) {
    allowance allowed = {memory};
    ProtobufCAllocator allocator = {take_allowed, give_back, &allowed};
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.size, bytes.data);
}

void rwd_proto_free(ProtobufCMessage *message) {
    if (message) protobuf_c_message_free_unpacked(message, NULL);
}

ProtobufCBinaryData rwd_proto_put_hash(rwd_hash128 hash, uint8_t storage[RWD_PROTO_HASH]) {
    rwd_hash128_put(hash, storage);
    return (ProtobufCBinaryData){RWD_PROTO_HASH, storage};
}

bool rwd_proto_get_hash(ProtobufCBinaryData field, rwd_hash128 *out) {
    *out = (rwd_hash128){0};
    if (field.len == 0) return true;
    if (field.len != RWD_PROTO_HASH) return false;
    *out = rwd_hash128_get(field.data);
    return true;
}
