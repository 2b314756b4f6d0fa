// Message types from a descriptor set: what `protoc --include_imports --descriptor_set_out=FILE` writes (google.protobuf.FileDescriptorSet, as
// descriptor.proto of Protocol Buffers defines it), for syntax proto2 and proto3.
//
// The bytes are untrusted: they are read by the bounded reader of operator/base/wire.h, and whatever a set holds that no message could mean (a number twice, a type
// that is not in the set) is an error. Options, services, extensions and comments are passed over.
//
// Thread: a descriptor is immutable once read; any.
#ifndef OPERATOR_CONFIG_DESCRIPTOR_H
#define OPERATOR_CONFIG_DESCRIPTOR_H

#include "operator/base/hash.h"
#include "state/value.h"

#define RWD_DESCRIPTOR_BYTES_MAX ((size_t)8 << 20)
#define RWD_DESCRIPTOR_TYPES_MAX 65536   // messages, and enums, of a set
#define RWD_DESCRIPTOR_FIELDS_MAX 4096   // of a message; values of an enum
#define RWD_DESCRIPTOR_NESTING_MAX 32    // of messages declared in messages
#define RWD_DESCRIPTOR_NAME_MAX 1024     // bytes of a full name
#define RWD_PROTO_PATH_MAX 32            // steps of a field's path

// As FieldDescriptorProto.Type has them.
typedef enum rwd_proto_type {
    RWD_PROTO_DOUBLE = 1, RWD_PROTO_FLOAT, RWD_PROTO_INT64, RWD_PROTO_UINT64, RWD_PROTO_INT32, RWD_PROTO_FIXED64, RWD_PROTO_FIXED32, RWD_PROTO_BOOL,
    RWD_PROTO_STRING, RWD_PROTO_GROUP, RWD_PROTO_MESSAGE, RWD_PROTO_BYTES, RWD_PROTO_UINT32, RWD_PROTO_ENUM, RWD_PROTO_SFIXED32, RWD_PROTO_SFIXED64,
    RWD_PROTO_SINT32, RWD_PROTO_SINT64, RWD_PROTO_TYPE_END
} rwd_proto_type;

typedef struct rwd_proto_enum {
    const char *name;                                      // "shop.Kind"
    struct { const char *name; int32_t number; } *values;  // as declared
    size_t value_count;
} rwd_proto_enum;

typedef struct rwd_proto_message rwd_proto_message;

typedef struct rwd_proto_field {
    const char *name;
    uint32_t number;
    rwd_proto_type type;
    bool repeated;
    bool presence;                // absent is told from the default: a message, a oneof's member, `optional`
    bool has_default;             // proto2: it names one
    int32_t oneof;                // its number in the message, or -1
    uint64_t default_bits;        // numbers, bool, enum: as on the wire
    rwd_slice default_bytes;      // string, bytes
    const rwd_proto_message *message;   // MESSAGE, GROUP
    const rwd_proto_enum *enumeration;  // ENUM
} rwd_proto_field;

struct rwd_proto_message {
    const char *name;             // "shop.Order"
    rwd_proto_field *fields;      // by number
    size_t field_count;
    bool map_entry;
    bool editions;                // declared in a file of an edition, whose rules are not known here
    uint16_t place[RWD_DESCRIPTOR_NESTING_MAX];  // its number in its file, or in the message around it, from the outside in
    size_t place_count;
};

typedef struct rwd_descriptor rwd_descriptor;

// Reads a set. `bytes` are copied where needed. CONFIG says what is wrong and at which byte. *gives*.
RWD_MUST bool rwd_descriptor_parse(rwd_slice bytes, rwd_descriptor **out, rwd_error *err);
// The same from a file; the place of an error is its path. Its bytes are kept.
RWD_MUST bool rwd_descriptor_load(const char *path, rwd_descriptor **out, rwd_error *err);
void rwd_descriptor_free(rwd_descriptor *set);
rwd_hash128 rwd_descriptor_hash(const rwd_descriptor *set);  // of its bytes (L4)
rwd_slice rwd_descriptor_bytes(const rwd_descriptor *set);   // *borrows*

// The message of that name, with its package: or NULL with CONFIG, which names the nearest.
const rwd_proto_message *rwd_descriptor_message(const rwd_descriptor *set, const char *name, rwd_error *err);

// ---- paths (descriptor_path.c)

typedef struct rwd_proto_step {
    const rwd_proto_field *field;
    int32_t index;                // of a repeated field: which element; else -1
} rwd_proto_step;

typedef struct rwd_proto_path {
    rwd_proto_step steps[RWD_PROTO_PATH_MAX];
    size_t count;
} rwd_proto_path;

// "customer.id", "items[0].sku": from a message to a field of it, or of a message inside. CONFIG names the nearest field.
RWD_MUST bool rwd_proto_path_resolve(const rwd_proto_message *message, const char *path, rwd_proto_path *out, rwd_error *err);
// "order.items": to a repeated field of messages, all of whose elements are meant. CONFIG: it is none.
RWD_MUST bool rwd_proto_path_resolve_each(const rwd_proto_message *message, const char *path, rwd_proto_path *out, rwd_error *err);
static inline const rwd_proto_field *rwd_proto_path_end(const rwd_proto_path *path) { return path->steps[path->count - 1].field; }
// google.protobuf.Timestamp, by its name and its two fields.
bool rwd_proto_is_timestamp(const rwd_proto_field *field);
// "repeated shop.Item", "sint64": for messages. Appends.
void rwd_proto_type_text(const rwd_proto_field *field, rwd_buf *out);
static inline bool rwd_proto_is_integer(rwd_proto_type type) {
    return type != RWD_PROTO_DOUBLE && type != RWD_PROTO_FLOAT && type != RWD_PROTO_BOOL && type != RWD_PROTO_STRING && type != RWD_PROTO_GROUP &&
           type != RWD_PROTO_MESSAGE && type != RWD_PROTO_BYTES && type != RWD_PROTO_ENUM;
}

#endif
