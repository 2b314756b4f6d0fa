// Keys and values as Kafka's own serializers write them (org.apache.kafka.common.serialization), to raw fields.
#include <string.h>

#include "operator/logic/decode_private.h"

static bool wrong_size(const char *why, rwd_fault *out_fault) { return rwd_fault_set(out_fault, RWD_E_MALFORMED, -1, 0, why); }

static void put_integer(rwd_raw *raw, int64_t value) {
    raw->kind = RWD_RAW_INTEGER;
    raw->negative = value < 0;
    raw->digits = value < 0 ? -(uint64_t)value : (uint64_t)value;
}

// One of the two parts of a record. A part that is null is absent.
static bool take_part(rwd_slice bytes, rwd_raw_type type, bool key, rwd_raw *out, rwd_fault *out_fault) {
    *out = (rwd_raw){.at = bytes.data, .size = (uint32_t)bytes.size, .kind = RWD_RAW_ABSENT};
    if (type == RWD_RAW_TYPE_NONE || !bytes.data) return true;
    switch (type) {
    case RWD_RAW_TYPE_STRING:
        out->kind = RWD_RAW_CELL;
        if (rwd_utf8_valid(bytes)) return true;
        return rwd_fault_set(out_fault, RWD_E_MALFORMED, -1, key ? 0 : rwd_utf8_valid_size(bytes), key ? "the key is not valid UTF-8" : "not valid UTF-8");
    case RWD_RAW_TYPE_BYTES: out->kind = RWD_RAW_BYTES; return true;
    case RWD_RAW_TYPE_INT32:
        if (bytes.size != 4) return wrong_size(key ? "the key does not have 4 bytes" : "the value does not have 4 bytes", out_fault);
        put_integer(out, (int32_t)rwd_get_be32(bytes.data));
        return true;
    default:
        if (bytes.size != 8) return wrong_size(key ? "the key does not have 8 bytes" : "the value does not have 8 bytes", out_fault);
        if (type == RWD_RAW_TYPE_INT64) {
            put_integer(out, (int64_t)rwd_get_be64(bytes.data));
            return true;
        }
        uint64_t bits = rwd_get_be64(bytes.data);
        out->kind = RWD_RAW_REAL;
        memcpy(&out->real, &bits, sizeof bits);
        return true;
    }
}

bool rwd_raw_take_apart(const rwd_job *job, const rwd_record *record, rwd_raw *raw, rwd_fault *out_fault) {
    rwd_raw key, value;
    if (!take_part(record->key, job->source.raw_key, true, &key, out_fault)) return false;
    if (!take_part(record->value, job->source.raw_value, false, &value, out_fault)) return false;
    for (size_t i = 0; i < job->event.field_count; i++) raw[i] = strcmp(job->event.fields[i].path, "key") == 0 ? key : value;
    return true;
}
