// A descriptor set made by hand, for tests of decoding: no compiler is asked.
//
//   package t;  syntax proto3
//   enum Color { NONE = 0; RED = 1; BLUE = -5; }
//   message Inner { string s = 1; int32 n = 2; optional int32 maybe = 3; }
//   message M {
//     int64 i = 1; string s = 2; Inner in = 3; repeated Inner items = 4; repeated sint32 nums = 5; double d = 6; Color c = 7;
//     oneof one { string a = 8; Inner b = 9; } fixed32 f = 10; bytes y = 11; bool k = 12; uint64 u = 13; sfixed64 x = 300; int32 w = 14; float h = 15;
//   }
//
// Thread: one.
#ifndef TESTS_SUPPORT_WIRE_SET_H
#define TESTS_SUPPORT_WIRE_SET_H

#include <stdlib.h>
#include <unistd.h>

#include "operator/base/wire.h"
#include "operator/config/descriptor.h"

static inline void wire_set_field(rwd_buf *message, const char *name, uint32_t number, rwd_proto_type type, const char *type_name, bool repeated, int oneof) {
    rwd_buf field = {0};
    rwd_wire_put_sized(&field, 1, rwd_slice_str(name));
    rwd_wire_put_uint(&field, 3, number);
    rwd_wire_put_uint(&field, 4, repeated ? 3 : 1);
    rwd_wire_put_uint(&field, 5, type);
    if (type_name) rwd_wire_put_sized(&field, 6, rwd_slice_str(type_name));
    if (oneof >= 0) rwd_wire_put_uint(&field, 9, (uint64_t)oneof);
    rwd_wire_put_sized(message, 2, rwd_buf_slice(&field));
    rwd_buf_deinit(&field);
}

static inline void wire_set_value(rwd_buf *list, const char *name, int64_t number) {
    rwd_buf value = {0};
    rwd_wire_put_sized(&value, 1, rwd_slice_str(name));
    rwd_wire_put_uint(&value, 2, (uint64_t)number);
    rwd_wire_put_sized(list, 2, rwd_buf_slice(&value));
    rwd_buf_deinit(&value);
}

// Appends the set's bytes.
static inline void wire_set(rwd_buf *out) {
    static const struct { const char *name; uint32_t number; rwd_proto_type type; const char *type_name; bool repeated; int oneof; } fields[] = {
        {"i", 1, RWD_PROTO_INT64, NULL, false, -1}, {"s", 2, RWD_PROTO_STRING, NULL, false, -1}, {"in", 3, RWD_PROTO_MESSAGE, ".t.Inner", false, -1},
        {"items", 4, RWD_PROTO_MESSAGE, ".t.Inner", true, -1}, {"nums", 5, RWD_PROTO_SINT32, NULL, true, -1}, {"d", 6, RWD_PROTO_DOUBLE, NULL, false, -1},
        {"c", 7, RWD_PROTO_ENUM, ".t.Color", false, -1}, {"a", 8, RWD_PROTO_STRING, NULL, false, 0}, {"b", 9, RWD_PROTO_MESSAGE, ".t.Inner", false, 0},
        {"f", 10, RWD_PROTO_FIXED32, NULL, false, -1}, {"y", 11, RWD_PROTO_BYTES, NULL, false, -1}, {"k", 12, RWD_PROTO_BOOL, NULL, false, -1},
        {"u", 13, RWD_PROTO_UINT64, NULL, false, -1}, {"x", 300, RWD_PROTO_SFIXED64, NULL, false, -1}, {"w", 14, RWD_PROTO_INT32, NULL, false, -1},
        {"h", 15, RWD_PROTO_FLOAT, NULL, false, -1},
    };
    rwd_buf file = {0}, color = {0}, inner = {0}, m = {0}, oneof = {0};
    rwd_wire_put_sized(&color, 1, rwd_slice_str("Color"));
    wire_set_value(&color, "NONE", 0);
    wire_set_value(&color, "RED", 1);
    wire_set_value(&color, "BLUE", -5);
    rwd_wire_put_sized(&inner, 1, rwd_slice_str("Inner"));
    wire_set_field(&inner, "s", 1, RWD_PROTO_STRING, NULL, false, -1);
    wire_set_field(&inner, "n", 2, RWD_PROTO_INT32, NULL, false, -1);
    wire_set_field(&inner, "maybe", 3, RWD_PROTO_INT32, NULL, false, 0);
    rwd_wire_put_sized(&m, 1, rwd_slice_str("M"));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        wire_set_field(&m, fields[i].name, fields[i].number, fields[i].type, fields[i].type_name, fields[i].repeated, fields[i].oneof);
    rwd_wire_put_sized(&oneof, 1, rwd_slice_str("one"));
    rwd_wire_put_sized(&m, 8, rwd_buf_slice(&oneof));
    rwd_wire_put_sized(&file, 1, rwd_slice_str("t.proto"));
    rwd_wire_put_sized(&file, 2, rwd_slice_str("t"));
    rwd_wire_put_sized(&file, 4, rwd_buf_slice(&inner));
    rwd_wire_put_sized(&file, 4, rwd_buf_slice(&m));
    rwd_wire_put_sized(&file, 5, rwd_buf_slice(&color));
    rwd_wire_put_sized(&file, 12, rwd_slice_str("proto3"));
    rwd_wire_put_sized(out, 1, rwd_buf_slice(&file));
    rwd_buf_deinit(&file);
    rwd_buf_deinit(&color);
    rwd_buf_deinit(&inner);
    rwd_buf_deinit(&m);
    rwd_buf_deinit(&oneof);
}

// Writes it to a new file, whose name takes the place of the X's in `path`. False: it cannot be written.
static inline bool wire_set_file(char *path) {
    rwd_buf bytes = {0};
    wire_set(&bytes);
    int fd = mkstemp(path);
    bool written = fd >= 0 && write(fd, bytes.data, bytes.size) == (ssize_t)bytes.size && close(fd) == 0;
    rwd_buf_deinit(&bytes);
    return written;
}

#endif
