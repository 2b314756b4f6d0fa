// The list of aggregates, and what their families share (aggregate_private.h).
//
// What must stay true: every row has either `update` or `grow` for each of its types, as `size` says.
#include "state/aggregate.h"

#include <assert.h>

#include "operator/base/float.h"
#include "state/aggregate_private.h"

static const rwd_aggregate *const aggregates[] = {
    &rwd_aggregate_count,
    &rwd_aggregate_sum,
    &rwd_aggregate_min,
    &rwd_aggregate_max,
    &rwd_aggregate_mean,
    &rwd_aggregate_first,
    &rwd_aggregate_last,
    &rwd_aggregate_variance,
    &rwd_aggregate_stddev,
    &rwd_aggregate_variance_pop,
    &rwd_aggregate_stddev_pop,
    &rwd_aggregate_distinct,
    &rwd_aggregate_quantile,
    &rwd_aggregate_topk,
};
#define AGGREGATE_COUNT (sizeof aggregates / sizeof *aggregates)

const rwd_aggregate *rwd_aggregate_at(size_t index) { return index < AGGREGATE_COUNT ? aggregates[index] : NULL; }

const rwd_aggregate *rwd_aggregate_find(const char *name) {
    for (size_t i = 0; i < AGGREGATE_COUNT; i++) {
        if (strcmp(aggregates[i]->name, name) == 0) return aggregates[i];
    }
    return NULL;
}

size_t rwd_aggregate_parameter_count(const rwd_aggregate *aggregate) {
    size_t count = 0;
    while (count < RWD_PARAMETERS_MAX && aggregate->parameters[count].name) count++;
    return count;
}

void rwd_aggregate_arguments(const rwd_aggregate *aggregate, rwd_buf *out) {
    size_t optional = 0;
    if (aggregate->takes_field) rwd_buf_append_str(out, "FIELD");
    for (size_t i = 0; i < rwd_aggregate_parameter_count(aggregate); i++) {
        const rwd_parameter *p = &aggregate->parameters[i];
        if (!p->required) optional++;
        rwd_buf_append_str(out, p->required ? ", " : "[, ");
        for (const char *c = p->name; *c; c++) rwd_buf_append_char(out, (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c));
    }
    for (; optional > 0; optional--) rwd_buf_append_char(out, ']');
}

// ---------------------------------------------------------------------------------------------- values in fixed cells
uint32_t rwd_cell_value_size(rwd_type type) {
    switch (type) {
    case RWD_TYPE_INT:
    case RWD_TYPE_TIME:
    case RWD_TYPE_FLOAT: return 8;
    case RWD_TYPE_DECIMAL: return 16;
    case RWD_TYPE_BOOL: return 1;
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES:
    case RWD_TYPE_COUNT: break;
    }
    return 0;
}

// Bytes that nobody wrote are read as some number.
static double some_float(double v) { return rwd_float_normal(v, &v) ? v : 0; }

void rwd_cell_value_put(rwd_type type, const rwd_value *value, uint8_t *out) {
    switch (type) {
    case RWD_TYPE_INT:
    case RWD_TYPE_TIME: store_i64(out, value->i); return;
    case RWD_TYPE_FLOAT: store_f64(out, value->f); return;
    case RWD_TYPE_DECIMAL: store_i128(out, value->d); return;
    case RWD_TYPE_BOOL: *out = value->b; return;
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES:
    case RWD_TYPE_COUNT: break;
    }
    assert(!"a text has no place in a fixed cell");
}

rwd_value rwd_cell_value_get(rwd_type type, const uint8_t *in) {
    rwd_value value = {.present = true};
    switch (type) {
    case RWD_TYPE_INT:
    case RWD_TYPE_TIME: value.i = load_i64(in); break;
    case RWD_TYPE_FLOAT: value.f = some_float(load_f64(in)); break;
    case RWD_TYPE_DECIMAL: value.d = load_i128(in); break;
    case RWD_TYPE_BOOL: value.b = *in != 0; break;
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES:
    case RWD_TYPE_COUNT: assert(!"a text has no place in a fixed cell");
    }
    return value;
}

// ---------------------------------------------------------------------------------------------- plain bytes
#define SIGN64 (1ull << 63)

uint32_t rwd_plain_size(rwd_type type) { return rwd_cell_value_size(type); }

rwd_slice rwd_plain_bytes(rwd_type type, const rwd_value *value, uint8_t room[RWD_PLAIN_MAX]) {
    uint64_t bits;
    switch (type) {
    case RWD_TYPE_INT:
    case RWD_TYPE_TIME: rwd_put_be64(room, (uint64_t)value->i ^ SIGN64); break;
    case RWD_TYPE_FLOAT:
        memcpy(&bits, &value->f, sizeof bits);
        rwd_put_be64(room, bits & SIGN64 ? ~bits : bits ^ SIGN64);
        break;
    case RWD_TYPE_DECIMAL:
        rwd_put_be64(room, (uint64_t)((unsigned __int128)value->d >> 64) ^ SIGN64);
        rwd_put_be64(room + 8, (uint64_t)value->d);
        break;
    case RWD_TYPE_BOOL: room[0] = value->b; break;
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES: return value->s;
    case RWD_TYPE_COUNT: assert(!"type out of range");
    }
    return rwd_slice_of(room, rwd_plain_size(type));
}

rwd_value rwd_plain_value(rwd_type type, rwd_slice bytes) {
    rwd_value value = {.present = true};
    uint64_t bits;
    switch (type) {
    case RWD_TYPE_INT:
    case RWD_TYPE_TIME: value.i = (int64_t)(rwd_get_be64(bytes.data) ^ SIGN64); break;
    case RWD_TYPE_FLOAT:
        bits = rwd_get_be64(bytes.data);
        bits = bits & SIGN64 ? bits ^ SIGN64 : ~bits;
        memcpy(&value.f, &bits, sizeof bits);
        value.f = some_float(value.f);
        break;
    case RWD_TYPE_DECIMAL:
        value.d = (rwd_i128)((unsigned __int128)(rwd_get_be64(bytes.data) ^ SIGN64) << 64 | rwd_get_be64(bytes.data + 8));
        break;
    case RWD_TYPE_BOOL: value.b = bytes.data[0] != 0; break;
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES: value.s = bytes; break;
    case RWD_TYPE_COUNT: assert(!"type out of range");
    }
    return value;
}

// ---------------------------------------------------------------------------------------------- LEB128
uint32_t rwd_varint_put(uint8_t *out, uint64_t v) {
    uint32_t size = 0;
    for (; v >= 0x80; v >>= 7) out[size++] = (uint8_t)(v | 0x80);
    out[size++] = (uint8_t)v;
    return size;
}

uint32_t rwd_varint_size(uint64_t v) {
    uint32_t size = 1;
    for (; v >= 0x80; v >>= 7) size++;
    return size;
}
