// What the formats share: a record is first taken apart into raw fields, then every declared field is turned into its type.
//
//   decode.c        the decoder, raw field -> typed value, faults as text
//   decode_json.c   JSON -> raw fields, over the tokens that json_index.cpp finds
//   decode_csv.c    CSV row -> raw fields
//   decode_protobuf.c  message of Protocol Buffers -> raw fields, by a plan of what to take
//   decode_plugin.c  what a plugin's decoder gives -> raw fields
//   decode_raw.c    key and value as Kafka's serializers write them -> raw fields
//
// The first mistake decides the fault: first whether the record as a whole is well formed, then the fields in their declared order. So a
// fault depends on the record's bytes and the job only.
//
// Thread: pipeline.
#ifndef OPERATOR_LOGIC_DECODE_PRIVATE_H
#define OPERATOR_LOGIC_DECODE_PRIVATE_H

#include "operator/logic/decode.h"

typedef enum rwd_raw_kind {
    RWD_RAW_ABSENT,   // not in the record, null, or an empty unquoted CSV field
    RWD_RAW_CELL,     // text of a CSV field
    RWD_RAW_STRING,   // text of a JSON string
    RWD_RAW_NUMBER,   // a JSON number
    RWD_RAW_BOOL,     // a JSON true or false
    RWD_RAW_NESTED,   // a JSON object or array
    RWD_RAW_INTEGER,  // binary: (negative ? - : +) digits
    RWD_RAW_REAL,     // binary: a floating point number, perhaps infinite or none
    RWD_RAW_BYTES,    // binary
    RWD_RAW_MOMENT,   // a Timestamp: digits are its seconds (signed), and its nanoseconds
    RWD_RAW_VALUE,    // of the field's own type: a plugin's
    RWD_RAW_TOO_BIG,  // a number that its own format has no room for
} rwd_raw_kind;

typedef struct rwd_raw {
    const uint8_t *at;   // the text, borrowed from the record (without quotes)
    uint32_t size;
    uint8_t kind;        // rwd_raw_kind
    bool escaped;        // CELL, STRING: the text needs unescaping
    bool simple;         // NUMBER: value = (negative ? - : +) digits / 10^fraction, at most 18 digits, no exponent
    bool negative;
    uint8_t fraction;
    bool truth;          // BOOL
    union {
        uint64_t digits;
        double real;     // REAL
        const rwd_value *value;  // VALUE
    };
    int64_t nanos;       // MOMENT
} rwd_raw;

typedef struct rwd_json_plan rwd_json_plan;
typedef struct rwd_csv_plan rwd_csv_plan;
typedef struct rwd_proto_plan rwd_proto_plan;
typedef struct rwd_extern_plan rwd_extern_plan;

struct rwd_decoder {
    const rwd_job *job;
    rwd_json_plan *json;  // one of the four, or none: raw
    rwd_csv_plan *csv;
    rwd_proto_plan *proto;
    rwd_extern_plan *plugin;
    rwd_raw *raw;         // one per field, of the record in hand; and one for the array of event.each
    rwd_value *values;    // the batch's
    size_t event_count, event_capacity;
    const rwd_record *record;  // in hand
    uint32_t ordinal;          // of its next event
    // With event.each: the fields around the array, read once for all events; and the first of them that is at fault, or field -1.
    rwd_value *around;
    rwd_fault around_fault;
    rwd_arena arena;      // unescaped texts of the batch
};

static inline bool rwd_fault_set(rwd_fault *out, rwd_code code, int field, size_t at, const char *why) {
    *out = (rwd_fault){.code = code, .field = (int16_t)field, .at = (uint32_t)at, .why = why};
    return false;
}

rwd_json_plan *rwd_json_plan_new(const rwd_job *job);
void rwd_json_plan_free(rwd_json_plan *plan);
// Fills `raw` (all ABSENT before). False: the fault, MALFORMED or WRONG_TYPE of the whole record.
RWD_MUST bool rwd_json_take_apart(rwd_json_plan *plan, rwd_slice record, rwd_raw *raw, rwd_fault *out_fault);
// Of jobs with event.each, behind take_apart: how many elements the array has. False: the fault of the record, WRONG_TYPE.
RWD_MUST bool rwd_json_open_each(rwd_json_plan *plan, const rwd_raw *raw, size_t *out_count, rwd_fault *out_fault);
// Fills the raw fields whose paths begin at the element (all ABSENT before) from the next one of them.
void rwd_json_next_element(rwd_json_plan *plan, rwd_raw *raw);
// The text of a JSON string that holds escapes, already found valid: `out` has room for text.size bytes; returns the size.
size_t rwd_json_unescape(rwd_slice text, uint8_t *out);

RWD_MUST bool rwd_csv_plan_new(const rwd_job *job, const char *const *columns, size_t column_count, rwd_csv_plan **out, rwd_error *err);
void rwd_csv_plan_free(rwd_csv_plan *plan);
RWD_MUST bool rwd_csv_take_apart(const rwd_csv_plan *plan, rwd_slice record, rwd_raw *raw, rwd_fault *out_fault);

rwd_proto_plan *rwd_proto_plan_new(const rwd_job *job);
void rwd_proto_plan_free(rwd_proto_plan *plan);
RWD_MUST bool rwd_proto_take_apart(rwd_proto_plan *plan, rwd_slice record, rwd_raw *raw, rwd_fault *out_fault);
// As their namesakes of JSON. All elements have been read once when this has worked: a fault of one is the record's.
RWD_MUST bool rwd_proto_open_each(rwd_proto_plan *plan, rwd_raw *raw, size_t *out_count, rwd_fault *out_fault);
void rwd_proto_next_element(rwd_proto_plan *plan, rwd_raw *raw);

RWD_MUST bool rwd_extern_plan_new(const rwd_job *job, rwd_extern_plan **out, rwd_error *err);
void rwd_extern_plan_free(rwd_extern_plan *plan);
RWD_MUST bool rwd_extern_take_apart(rwd_extern_plan *plan, const rwd_record *record, rwd_arena *arena, rwd_raw *raw, rwd_fault *out_fault);

RWD_MUST bool rwd_raw_take_apart(const rwd_job *job, const rwd_record *record, rwd_raw *raw, rwd_fault *out_fault);

// First byte that is not part of valid UTF-8, or the size.
size_t rwd_utf8_valid_size(rwd_slice text);

#endif
