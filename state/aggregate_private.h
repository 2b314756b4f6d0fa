// What the families of aggregates share: loads and stores, the plain bytes of values, and the list of families.
//
// Fixed cells keep numbers little-endian. Where values are compared or hashed as bytes (distinct, topk), their *plain bytes* are used: as in a key
// (state/schema.h), but a text is just its bytes. So the order of plain bytes is the order of values.
//
// Thread: pure; any.
#ifndef STATE_AGGREGATE_PRIVATE_H
#define STATE_AGGREGATE_PRIVATE_H

#include <string.h>

#include "state/aggregate.h"

#define TYPE_BIT(type) (1u << RWD_TYPE_##type)
#define TYPES_ALL ((1u << RWD_TYPE_COUNT) - 1)
#define TYPES_TEXT (TYPE_BIT(STRING) | TYPE_BIT(BYTES))

extern const rwd_aggregate rwd_aggregate_count, rwd_aggregate_sum, rwd_aggregate_mean;                     // aggregate_sum.c
extern const rwd_aggregate rwd_aggregate_min, rwd_aggregate_max;                                           // aggregate_extreme.c
extern const rwd_aggregate rwd_aggregate_first, rwd_aggregate_last;                                        // aggregate_first.c
extern const rwd_aggregate rwd_aggregate_variance, rwd_aggregate_stddev, rwd_aggregate_variance_pop, rwd_aggregate_stddev_pop;  // aggregate_variance.c
extern const rwd_aggregate rwd_aggregate_distinct;                                                         // aggregate_distinct.c
extern const rwd_aggregate rwd_aggregate_quantile;                                                         // aggregate_quantile.c
extern const rwd_aggregate rwd_aggregate_topk;                                                             // aggregate_topk.c

static inline int64_t load_i64(const uint8_t *at) {
    int64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline void store_i64(uint8_t *at, int64_t v) { memcpy(at, &v, sizeof v); }
static inline rwd_i128 load_i128(const uint8_t *at) {
    rwd_i128 v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline void store_i128(uint8_t *at, rwd_i128 v) { memcpy(at, &v, sizeof v); }
static inline double load_f64(const uint8_t *at) {
    double v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline void store_f64(uint8_t *at, double v) { memcpy(at, &v, sizeof v); }

static inline bool is_text(rwd_type type) { return type == RWD_TYPE_STRING || type == RWD_TYPE_BYTES; }

// A number as units: of an int or decimal argument.
static inline rwd_i128 units_of(rwd_type type, const rwd_value *value) { return type == RWD_TYPE_DECIMAL ? value->d : value->i; }

// Bytes of a value in a fixed cell, little-endian; 0 for texts.
uint32_t rwd_cell_value_size(rwd_type type);
void rwd_cell_value_put(rwd_type type, const rwd_value *value, uint8_t *out);
rwd_value rwd_cell_value_get(rwd_type type, const uint8_t *in);
// A text in a cell is borrowed.
static inline rwd_value text_value(const uint8_t *bytes, uint32_t size) { return (rwd_value){.s = rwd_slice_of(bytes, size), .present = true}; }

#define RWD_PLAIN_MAX 16  // of any value but a text
// Plain bytes of a value. Texts are *borrowed* as they are; others are written to `room`.
rwd_slice rwd_plain_bytes(rwd_type type, const rwd_value *value, uint8_t room[RWD_PLAIN_MAX]);
uint32_t rwd_plain_size(rwd_type type);  // 0: as many as the text has
rwd_value rwd_plain_value(rwd_type type, rwd_slice bytes);

// LEB128 (DWARF 5, section 7.6), unsigned: 7 bits a byte, low bits first, in the fewest bytes. At most 10 bytes.
#define RWD_VARINT_MAX 10
uint32_t rwd_varint_put(uint8_t *out, uint64_t v);
uint32_t rwd_varint_size(uint64_t v);
// Moves `*at` behind the number; false beyond `end`, and for what is not the shortest form.
static inline bool rwd_varint_get(const uint8_t **at, const uint8_t *end, uint64_t *out) {
    uint64_t v = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        if (shift == 63 && byte > 1) return false;
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte & 0x80) continue;
        *out = v;
        return byte != 0 || shift == 0;
    }
    return false;
}

#endif
