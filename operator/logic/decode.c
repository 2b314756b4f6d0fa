// The decoder: raw fields to typed values, and faults as text (decode.h has the table of what is accepted).
#include <assert.h>
#include <stdlib.h>

#include "operator/base/float.h"
#include "operator/logic/decode_private.h"
#include "operator/source/csv.h"

bool rwd_decoder_new(const rwd_job *job, const char *const *columns, size_t column_count, rwd_decoder **out, rwd_error *err) {
    rwd_csv_plan *csv = NULL;
    if (job->source.format == RWD_FORMAT_CSV && !rwd_csv_plan_new(job, columns, column_count, &csv, err)) return false;
    rwd_extern_plan *plugin = NULL;
    if (job->source.format == RWD_FORMAT_PLUGIN && !rwd_extern_plan_new(job, &plugin, err)) return false;
    rwd_decoder *decoder = rwd_calloc(1, sizeof *decoder);
    decoder->plugin = plugin;
    decoder->job = job;
    decoder->csv = csv;
    if (job->source.format == RWD_FORMAT_JSON) decoder->json = rwd_json_plan_new(job);
    if (job->source.format == RWD_FORMAT_PROTOBUF) decoder->proto = rwd_proto_plan_new(job);
    decoder->raw = rwd_calloc(job->event.field_count + 1, sizeof *decoder->raw);
    if (job->event.each) decoder->around = rwd_calloc(job->event.field_count + 1, sizeof *decoder->around);
    *out = decoder;
    return true;
}

void rwd_decoder_free(rwd_decoder *decoder) {
    if (!decoder) return;
    rwd_json_plan_free(decoder->json);
    rwd_csv_plan_free(decoder->csv);
    rwd_proto_plan_free(decoder->proto);
    rwd_extern_plan_free(decoder->plugin);
    rwd_arena_deinit(&decoder->arena);
    free(decoder->values);
    free(decoder->around);
    free(decoder->raw);
    free(decoder);
}

void rwd_decoder_begin(rwd_decoder *decoder, size_t max) {
    rwd_arena_reset(&decoder->arena);
    decoder->event_count = 0;
    if (max <= decoder->event_capacity) return;
    free(decoder->values);
    decoder->values = rwd_calloc(max * decoder->job->event.field_count + 1, sizeof *decoder->values);
    decoder->event_capacity = max;
}

size_t rwd_utf8_valid_size(rwd_slice text) {
    size_t at = 0;
    while (at < text.size) {
        uint8_t lead = text.data[at];
        size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if (size > text.size - at || !rwd_utf8_valid(rwd_slice_of(text.data + at, size))) return at;
        at += size;
    }
    return at;
}

// ---------------------------------------------------------------------------------------------- raw field to value

static const rwd_i128 pow10_i128[] = {
    1LL, 10LL, 100LL, 1000LL, 10000LL, 100000LL, 1000000LL, 10000000LL, 100000000LL, 1000000000LL, 10000000000LL, 100000000000LL,
    1000000000000LL, 10000000000000LL, 100000000000000LL, 1000000000000000LL, 10000000000000000LL, 100000000000000000LL,
    1000000000000000000LL,
};
_Static_assert(sizeof pow10_i128 / sizeof pow10_i128[0] == RWD_DECIMAL_SCALE_MAX + 1, "a power for every scale");

// A field and what is being made of it.
typedef struct conversion {
    rwd_decoder *decoder;
    const rwd_field *field;
    const rwd_raw *raw;
    rwd_value *value;
} conversion;

static rwd_code code_of(rwd_parse parsed) {
    return parsed == RWD_PARSE_OK ? RWD_E_NONE : parsed == RWD_PARSE_RANGE ? RWD_E_OUT_OF_RANGE : RWD_E_WRONG_TYPE;
}

static inline rwd_slice raw_text(const rwd_raw *raw) { return rwd_slice_of(raw->at, raw->size); }

// The text of a CELL or STRING: borrowed from the record unless it holds escapes.
static inline rwd_slice plain_text(const conversion *c) {
    if (!c->raw->escaped) return raw_text(c->raw);
    uint8_t *copy = rwd_arena_alloc(&c->decoder->arena, c->raw->size);
    size_t size = c->raw->kind == RWD_RAW_CELL ? rwd_csv_unescape(raw_text(c->raw), copy) : rwd_json_unescape(raw_text(c->raw), copy);
    return rwd_slice_of(copy, size);
}

static inline bool is_text(const rwd_raw *raw) { return raw->kind == RWD_RAW_CELL || raw->kind == RWD_RAW_STRING; }

static rwd_code to_string(const conversion *c) {
    if (!is_text(c->raw)) return RWD_E_WRONG_TYPE;
    c->value->s = plain_text(c);
    return RWD_E_NONE;
}

// A whole number in binary as an int64.
static rwd_code integer(const rwd_raw *raw, int64_t *out) {
    if (raw->digits > (uint64_t)INT64_MAX + raw->negative) return RWD_E_OUT_OF_RANGE;
    *out = raw->negative ? (int64_t)(0 - raw->digits) : (int64_t)raw->digits;
    return RWD_E_NONE;
}

static rwd_code to_int(const conversion *c) {
    const rwd_raw *raw = c->raw;
    if (raw->kind == RWD_RAW_INTEGER) return integer(raw, &c->value->i);
    if (raw->kind == RWD_RAW_NUMBER && raw->simple && raw->fraction == 0) {
        c->value->i = raw->negative ? -(int64_t)raw->digits : (int64_t)raw->digits;
        return RWD_E_NONE;
    }
    if (raw->kind == RWD_RAW_NUMBER) return code_of(rwd_int_parse(raw_text(raw), &c->value->i));
    return raw->kind == RWD_RAW_CELL ? code_of(rwd_int_parse(plain_text(c), &c->value->i)) : RWD_E_WRONG_TYPE;
}

static rwd_code to_decimal(const conversion *c) {
    const rwd_raw *raw = c->raw;
    if (raw->kind == RWD_RAW_NUMBER && raw->simple && raw->fraction <= c->field->scale) {
        rwd_i128 units = (rwd_i128)raw->digits * pow10_i128[c->field->scale - raw->fraction];
        c->value->d = raw->negative ? -units : units;
        return RWD_E_NONE;
    }
    if (raw->kind == RWD_RAW_INTEGER) {
        rwd_i128 units = (rwd_i128)raw->digits * pow10_i128[c->field->scale];  // 20 digits and 18 zeros: at most 38
        c->value->d = raw->negative ? -units : units;
        return RWD_E_NONE;
    }
    if (raw->kind == RWD_RAW_NUMBER) return code_of(rwd_decimal_parse(raw_text(raw), c->field->scale, &c->value->d));
    return is_text(raw) ? code_of(rwd_decimal_parse(plain_text(c), c->field->scale, &c->value->d)) : RWD_E_WRONG_TYPE;
}

static rwd_code to_bool(const conversion *c) {
    if (c->raw->kind == RWD_RAW_BOOL) {
        c->value->b = c->raw->truth;
        return RWD_E_NONE;
    }
    if (c->raw->kind != RWD_RAW_CELL) return RWD_E_WRONG_TYPE;
    rwd_slice text = plain_text(c);
    c->value->b = rwd_slice_equal(text, rwd_slice_str("true"));
    return c->value->b || rwd_slice_equal(text, rwd_slice_str("false")) ? RWD_E_NONE : RWD_E_WRONG_TYPE;
}

static rwd_code to_time(const conversion *c) {
    const rwd_time_format *format = &c->field->time;
    const rwd_raw *raw = c->raw;
    if (raw->kind == RWD_RAW_MOMENT) return code_of(rwd_time_from_parts((int64_t)raw->digits, raw->nanos, &c->value->i));
    if (raw->kind == RWD_RAW_INTEGER) {
        int64_t number;
        rwd_code code = integer(raw, &number);
        return code == RWD_E_NONE ? code_of(rwd_time_from_number(format, number, &c->value->i)) : code;
    }
    if (is_text(raw)) return code_of(rwd_time_parse(format, plain_text(c), &c->value->i));
    if (!rwd_time_is_epoch(format) || raw->kind != RWD_RAW_NUMBER) return RWD_E_WRONG_TYPE;
    if (!raw->simple || raw->fraction > 0) return code_of(rwd_time_parse(format, raw_text(raw), &c->value->i));
    return code_of(rwd_time_from_number(format, raw->negative ? -(int64_t)raw->digits : (int64_t)raw->digits, &c->value->i));
}

// Up to 2^53 and 10^22 doubles are exact, so one division rounds as the whole number would be (Clinger, 1990).
#define EXACT_DIGITS_MAX ((uint64_t)1 << 53)

static rwd_code to_float(const conversion *c) {
    static const double pow10_f64[RWD_DECIMAL_SCALE_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                                                1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    const rwd_raw *raw = c->raw;
    if (raw->kind == RWD_RAW_NUMBER && raw->simple && raw->digits <= EXACT_DIGITS_MAX) {
        double value = (double)raw->digits / pow10_f64[raw->fraction];
        return rwd_float_normal(raw->negative ? -value : value, &c->value->f) ? RWD_E_NONE : RWD_E_OUT_OF_RANGE;
    }
    if (raw->kind == RWD_RAW_REAL) return rwd_float_normal(raw->real, &c->value->f) ? RWD_E_NONE : RWD_E_OUT_OF_RANGE;
    if (raw->kind == RWD_RAW_INTEGER) {
        double value = (double)raw->digits;
        c->value->f = raw->negative ? -value : value;
        return RWD_E_NONE;
    }
    if (raw->kind == RWD_RAW_NUMBER) return code_of(rwd_float_parse(raw_text(raw), &c->value->f));
    return raw->kind == RWD_RAW_CELL ? code_of(rwd_float_parse(plain_text(c), &c->value->f)) : RWD_E_WRONG_TYPE;
}

static rwd_code to_bytes(const conversion *c) {
    if (c->raw->kind == RWD_RAW_BYTES) {
        c->value->s = raw_text(c->raw);
        return RWD_E_NONE;
    }
    if (!is_text(c->raw)) return RWD_E_WRONG_TYPE;
    rwd_slice text = plain_text(c);
    uint8_t *bytes = rwd_arena_alloc(&c->decoder->arena, text.size);
    size_t size = 0;
    if (!rwd_base64_bytes(text, bytes, &size)) return RWD_E_WRONG_TYPE;
    c->value->s = rwd_slice_of(bytes, size);
    return RWD_E_NONE;
}

static rwd_code absent(const conversion *c) {
    *c->value = c->field->fallback;  // null where there is none
    return c->value->present || c->field->optional ? RWD_E_NONE : RWD_E_MISSING_FIELD;
}

static inline rwd_code convert(const conversion *c) {
    if (c->raw->kind == RWD_RAW_ABSENT) return absent(c);
    if (c->raw->kind == RWD_RAW_TOO_BIG) return RWD_E_OUT_OF_RANGE;
    c->value->present = true;
    if (c->raw->kind == RWD_RAW_VALUE) {
        *c->value = *c->raw->value;
        return RWD_E_NONE;
    }
    switch (c->field->type) {
    case RWD_TYPE_STRING: return to_string(c);
    case RWD_TYPE_INT: return to_int(c);
    case RWD_TYPE_DECIMAL: return to_decimal(c);
    case RWD_TYPE_BOOL: return to_bool(c);
    case RWD_TYPE_TIME: return to_time(c);
    case RWD_TYPE_FLOAT: return to_float(c);
    case RWD_TYPE_BYTES: return to_bytes(c);
    case RWD_TYPE_COUNT: break;
    }
    assert(!"type out of range");
    return RWD_E_WRONG_TYPE;
}

// ---------------------------------------------------------------------------------------------- records

static bool take_apart(rwd_decoder *decoder, const rwd_record *record, rwd_fault *out_fault) {
    if (decoder->json) return rwd_json_take_apart(decoder->json, record->value, decoder->raw, out_fault);
    if (decoder->csv) return rwd_csv_take_apart(decoder->csv, record->value, decoder->raw, out_fault);
    if (decoder->proto) return rwd_proto_take_apart(decoder->proto, record->value, decoder->raw, out_fault);
    if (decoder->plugin) return rwd_extern_take_apart(decoder->plugin, record, &decoder->arena, decoder->raw, out_fault);
    return rwd_raw_take_apart(decoder->job, record, decoder->raw, out_fault);
}

// The byte of the record at which a field stands. What is not there (a default, a key) stands at its beginning.
static size_t position_in(rwd_slice record, const uint8_t *at) {
    uintptr_t begin = (uintptr_t)record.data, byte = (uintptr_t)at;
    return byte >= begin && byte - begin <= record.size ? byte - begin : 0;
}

// With event.each an event is read in two parts.
typedef enum part { WHOLE, AROUND, INSIDE } part;

// Makes the values of these fields, up to the first faulty one. The only loop over fields: conversions are inlined into it.
static bool make_values(rwd_decoder *decoder, part which, rwd_value *values, rwd_fault *out_fault) {
    const rwd_job *job = decoder->job;
    for (size_t i = 0; i < job->event.field_count; i++) {
        if (which != WHOLE && job->event.fields[i].inside != (which == INSIDE)) continue;
        conversion c = {decoder, &job->event.fields[i], &decoder->raw[i], &values[i]};
        rwd_code code = convert(&c);
        if (code == RWD_E_NONE) continue;
        const uint8_t *at = decoder->raw[i].kind == RWD_RAW_ABSENT ? NULL : decoder->raw[i].at;
        return rwd_fault_set(out_fault, code, (int)i, position_in(decoder->record->value, at), NULL);
    }
    return true;
}

_Static_assert(RWD_EVENTS_PER_RECORD_MAX == 4096, "the message below names it");

static bool open_each(rwd_decoder *decoder, size_t *out_count, rwd_fault *out_fault) {
    size_t count = 0;
    bool opened = decoder->json ? rwd_json_open_each(decoder->json, decoder->raw, &count, out_fault) : rwd_proto_open_each(decoder->proto, decoder->raw, &count, out_fault);
    if (!opened) return false;
    if (count > RWD_EVENTS_PER_RECORD_MAX) return rwd_fault_set(out_fault, RWD_E_TOO_LARGE, -1, 0, "more events in one record than are possible (4096)");
    decoder->around_fault.field = -1;
    if (count > 0) (void)!make_values(decoder, AROUND, decoder->around, &decoder->around_fault);  // a fault is that of each event
    *out_count = count;
    return true;
}

bool rwd_decode_record(rwd_decoder *decoder, const rwd_record *record, size_t *out_count, rwd_fault *out_fault) {
    const rwd_job *job = decoder->job;
    *out_count = 0;
    if (record->fault != RWD_E_NONE) return rwd_fault_set(out_fault, record->fault, -1, 0, NULL);
    if (record->value.size > RWD_RECORD_SIZE_MAX) return rwd_fault_set(out_fault, RWD_E_TOO_LARGE, -1, 0, NULL);
    for (size_t i = 0; i <= job->event.field_count; i++) decoder->raw[i].kind = RWD_RAW_ABSENT;
    if (!take_apart(decoder, record, out_fault)) return false;
    decoder->record = record;
    decoder->ordinal = 0;
    if (job->event.each) return open_each(decoder, out_count, out_fault);
    *out_count = 1;
    return true;
}

// The first faulty field of both parts gives the fault.
static bool make_element(rwd_decoder *decoder, rwd_value *values, rwd_fault *out_fault) {
    const rwd_job *job = decoder->job;
    for (size_t i = 0; i < job->event.field_count; i++)
        if (job->event.fields[i].inside) decoder->raw[i].kind = RWD_RAW_ABSENT;
    if (decoder->json) rwd_json_next_element(decoder->json, decoder->raw);
    else rwd_proto_next_element(decoder->proto, decoder->raw);
    bool good = make_values(decoder, INSIDE, values, out_fault);
    const rwd_fault *around = &decoder->around_fault;
    if (around->field >= 0 && (good || around->field < out_fault->field)) {
        *out_fault = *around;
        return false;
    }
    for (size_t i = 0; i < job->event.field_count; i++)
        if (!job->event.fields[i].inside) values[i] = decoder->around[i];
    return good;
}

bool rwd_decode_event(rwd_decoder *decoder, rwd_event *out, rwd_fault *out_fault) {
    assert(decoder->event_count < decoder->event_capacity && "more events than rwd_decoder_begin was told");
    const rwd_job *job = decoder->job;
    const rwd_record *record = decoder->record;
    size_t count = job->event.field_count;
    rwd_value *values = decoder->values + decoder->event_count * count;
    out->record = record;
    out->ordinal = decoder->ordinal++;
    if (!(job->event.each ? make_element(decoder, values, out_fault) : make_values(decoder, WHOLE, values, out_fault))) return false;
    int time_field = job->event.time_field;
    out->fields = values;
    out->time_us = time_field >= 0 ? values[time_field].i : record->time_us;
    decoder->event_count++;
    return true;
}

bool rwd_decode(rwd_decoder *decoder, const rwd_record *record, rwd_event *out, rwd_fault *out_fault) {
    assert(!decoder->job->event.each);
    size_t count;
    return rwd_decode_record(decoder, record, &count, out_fault) && rwd_decode_event(decoder, out, out_fault);
}

// "decimal(2)", "time as epoch-ms", ...
static void append_type(const rwd_field *field, rwd_buf *out) {
    rwd_buf_append_str(out, rwd_type_name(field->type));
    if (field->type == RWD_TYPE_DECIMAL) rwd_buf_appendf(out, "(%u)", field->scale);
    if (field->type == RWD_TYPE_TIME) rwd_buf_appendf(out, " as %s", rwd_time_format_text(&field->time));
}

// "tables.customers.aggregates.ratio: a division by zero: a / b, at character 5"
static void append_use(const rwd_fault *fault, rwd_buf *out) {
    rwd_buf_appendf(out, "%s: %s: %s", fault->use->place, fault->why ? fault->why : rwd_code_meaning(fault->code), fault->use->text);
    if (fault->at > 0) rwd_buf_appendf(out, ", at character %u", fault->at);
}

void rwd_fault_text(const rwd_job *job, const rwd_fault *fault, rwd_buf *out) {
    if (fault->use) {
        append_use(fault, out);
        return;
    }
    if (fault->field < 0) {
        rwd_buf_append_str(out, fault->why ? fault->why : rwd_code_meaning(fault->code));
        if (fault->why) rwd_buf_appendf(out, ", at byte %u of the record", fault->at);
        return;
    }
    const rwd_field *field = &job->event.fields[fault->field];
    rwd_buf_appendf(out, "field '%s'", field->name);
    if (strcmp(field->name, field->path) != 0) rwd_buf_appendf(out, " (%s)", field->path);
    rwd_buf_append_str(out, ": ");
    switch (fault->code) {
    case RWD_E_MISSING_FIELD: rwd_buf_append_str(out, "is not there"); break;
    case RWD_E_WRONG_TYPE:
    case RWD_E_OUT_OF_RANGE:
        rwd_buf_append_str(out, fault->code == RWD_E_WRONG_TYPE ? "is not of type " : "does not fit ");
        append_type(field, out);
        rwd_buf_appendf(out, ", at byte %u of the record", fault->at);
        break;
    default: rwd_buf_append_str(out, fault->why ? fault->why : rwd_code_meaning(fault->code)); break;
    }
}
