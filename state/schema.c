// Schemas, and the canonical encodings of keys (schema.h says how they look).
//
// What must stay true: rwd_key_decode accepts exactly the bytes that rwd_key_encode writes, so a key has one encoding.
#include "state/schema.h"

#include <assert.h>
#include <stdlib.h>

#include "operator/base/float.h"
#include "operator/base/hash.h"

#define PART_NULL 0x00
#define PART_PRESENT 0x01
#define STRING_END 0x01     // behind 0x00
#define STRING_ZERO 0xFF    // behind 0x00
#define TAIL_SIZE_BYTES 4

void rwd_schema_init(rwd_schema *schema, uint16_t number, const char *name) {
    assert(number < RWD_TABLES_MAX);
    memset(schema, 0, sizeof *schema);
    schema->number = number;
    schema->name = rwd_strdup(name);
}

void rwd_schema_deinit(rwd_schema *schema) {
    for (size_t i = 0; i < schema->part_count; i++) free(schema->parts[i].name);
    for (size_t i = 0; i < schema->column_count; i++) free(schema->columns[i].name);
    free(schema->name);
    memset(schema, 0, sizeof *schema);
}

// A key part and a column may not share a name either: both are fields of the output.
static bool name_is_free(const rwd_schema *schema, const char *name, rwd_error *err) {
    for (size_t i = 0; i < schema->part_count; i++) {
        if (strcmp(schema->parts[i].name, name) == 0)
            return rwd_fail(err, RWD_E_CONFIG, "table %s: the name \"%s\" is already a key field", schema->name, name);
    }
    for (size_t i = 0; i < schema->column_count; i++) {
        if (strcmp(schema->columns[i].name, name) == 0)
            return rwd_fail(err, RWD_E_CONFIG, "table %s: the name \"%s\" is already an aggregate", schema->name, name);
    }
    return true;
}

bool rwd_schema_add_part(rwd_schema *schema, const char *name, rwd_type type, uint8_t scale, rwd_error *err) {
    assert(type < RWD_TYPE_COUNT);
    if (schema->part_count == RWD_KEY_PARTS_MAX)
        return rwd_fail(err, RWD_E_CONFIG, "table %s: a key has at most %d fields", schema->name, RWD_KEY_PARTS_MAX);
    if (!name_is_free(schema, name, err)) return false;
    schema->parts[schema->part_count++] = (rwd_key_part){.name = rwd_strdup(name), .type = type, .scale = scale};
    return true;
}

static bool type_is_taken(const rwd_schema *schema, const char *name, const rwd_aggregate *aggregate, rwd_type type,
                          rwd_error *err) {
    if (!aggregate->takes_field || (aggregate->types & (1u << type))) return true;
    rwd_buf list = {0};
    for (unsigned t = 0; t < RWD_TYPE_COUNT; t++) {
        if (!(aggregate->types & (1u << t))) continue;
        rwd_buf_appendf(&list, "%s%s", list.size ? ", " : "", rwd_type_name((rwd_type)t));
    }
    rwd_fail(err, RWD_E_CONFIG, "table %s: %s: %s() does not take a %s; it takes: %s", schema->name, name, aggregate->name,
             rwd_type_name(type), rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    return false;
}

bool rwd_schema_add_window(rwd_schema *schema, const rwd_window *window, rwd_error *err) {
    assert(schema->window.kind == RWD_WINDOW_NONE && window->size > 0 && window->advance > 0 && window->retain >= window->grace);
    assert(schema->column_count == 0 && rwd_window_grace_fits(window));
    schema->window = *window;
    if (window->kind == RWD_WINDOW_SESSION) schema->row_size = RWD_ROW_SESSION_BYTES;
    return rwd_schema_add_part(schema, RWD_WINDOW_START, RWD_TYPE_TIME, 0, err);
}

int64_t rwd_key_window_start(rwd_slice key) {
    assert(key.size > 8);
    return (int64_t)(rwd_get_be64(key.data + key.size - 8) ^ (1ull << 63));
}

static void set_parameters(const rwd_aggregate *aggregate, const int64_t *given, rwd_cell_type *how) {
    for (size_t i = 0; i < rwd_aggregate_parameter_count(aggregate); i++) {
        const rwd_parameter *p = &aggregate->parameters[i];
        how->parameters[i] = given && given[i] != RWD_PARAMETER_NONE ? given[i] : p->fallback;
        assert(!p->required || (given && given[i] != RWD_PARAMETER_NONE));
        assert(how->parameters[i] == RWD_PARAMETER_NONE || (how->parameters[i] >= p->least && how->parameters[i] <= p->greatest));
    }
}

bool rwd_schema_add_column_with(rwd_schema *schema, const char *name, const rwd_aggregate *aggregate, rwd_type arg_type, uint8_t arg_scale,
                                const int64_t *parameters, rwd_error *err) {
    assert(arg_type < RWD_TYPE_COUNT);
    if (schema->column_count == RWD_COLUMNS_MAX)
        return rwd_fail(err, RWD_E_CONFIG, "table %s: a table has at most %d aggregates", schema->name, RWD_COLUMNS_MAX);
    if (!name_is_free(schema, name, err) || !type_is_taken(schema, name, aggregate, arg_type, err)) return false;
    rwd_cell_type how = {.arg = arg_type, .arg_scale = arg_type == RWD_TYPE_DECIMAL ? arg_scale : 0, .context = aggregate->context};
    set_parameters(aggregate, parameters, &how);
    how.limit = aggregate->limit ? aggregate->limit(&how) : RWD_I128_MAX;
    uint32_t size = aggregate->size(&how);
    bool variable = size == 0;
    if (variable) size = TAIL_SIZE_BYTES;
    if (size > RWD_ROW_BYTES_MAX - schema->row_size)
        return rwd_fail(err, RWD_E_CONFIG, "table %s: %s: a row has at most %d bytes", schema->name, name, RWD_ROW_BYTES_MAX);
    schema->columns[schema->column_count++] = (rwd_column){
        .name = rwd_strdup(name),
        .aggregate = aggregate,
        .how = how,
        .offset = schema->row_size,
        .size = size,
        .update = variable ? NULL : aggregate->update(&how),
        .grow = variable ? aggregate->grow(&how) : NULL,
    };
    schema->row_size += size;
    schema->variable |= variable;
    return true;
}

bool rwd_schema_add_column(rwd_schema *schema, const char *name, const rwd_aggregate *aggregate, rwd_type arg_type, uint8_t arg_scale, rwd_error *err) {
    return rwd_schema_add_column_with(schema, name, aggregate, arg_type, arg_scale, NULL, err);
}

rwd_type rwd_column_type(const rwd_column *column) { return column->aggregate->result(&column->how); }

uint8_t rwd_column_scale(const rwd_column *column) {
    if (rwd_column_type(column) != RWD_TYPE_DECIMAL) return 0;
    return column->aggregate->scale ? column->aggregate->scale(&column->how) : column->how.arg_scale;
}

void rwd_column_arguments(const rwd_column *column, const char *field, rwd_buf *out) {
    size_t count = rwd_aggregate_parameter_count(column->aggregate);
    while (count > 0 && column->how.parameters[count - 1] == column->aggregate->parameters[count - 1].fallback) count--;
    if (field) rwd_buf_append_str(out, field);
    for (size_t i = 0; i < count; i++) {
        char text[RWD_DECIMAL_TEXT_MAX];
        rwd_buf_append_str(out, ", ");
        rwd_buf_append(out, text, rwd_decimal_text(column->how.parameters[i], column->aggregate->parameters[i].scale, text));
    }
}

// ---------------------------------------------------------------------------------------------- keys: encoding
static void put_be128_ordered(uint8_t *out, rwd_i128 v) {
    unsigned __int128 bits = (unsigned __int128)v ^ ((unsigned __int128)1 << 127);
    rwd_put_be64(out, (uint64_t)(bits >> 64));
    rwd_put_be64(out + 8, (uint64_t)bits);
}

static rwd_i128 get_be128_ordered(const uint8_t *in) {
    unsigned __int128 bits = ((unsigned __int128)rwd_get_be64(in) << 64) | rwd_get_be64(in + 8);
    return (rwd_i128)(bits ^ ((unsigned __int128)1 << 127));
}

static uint64_t ordered_of_float(double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits >> 63 ? ~bits : bits | (1ull << 63);
}

// False for what is never written: infinities, what is not a number, -0.0.
static bool float_of_ordered(uint64_t ordered, double *out) {
    uint64_t bits = ordered >> 63 ? ordered & ~(1ull << 63) : ~ordered;
    double v;
    memcpy(&v, &bits, sizeof v);
    return rwd_float_normal(v, out) && ordered_of_float(*out) == ordered;
}

// Returns the bytes written, or 0 if `room` is too small.
static size_t encode_string(rwd_slice s, uint8_t *out, size_t room) {
    size_t at = 0;
    const uint8_t *from = s.data, *end = s.data + s.size;
    while (from < end) {
        const uint8_t *zero = memchr(from, 0, (size_t)(end - from));
        size_t run = (size_t)((zero ? zero : end) - from);
        if (run > room - at) return 0;
        memcpy(out + at, from, run);
        at += run;
        from += run;
        if (!zero) break;
        if (room - at < 2) return 0;
        out[at++] = 0;
        out[at++] = STRING_ZERO;
        from++;
    }
    if (room - at < 2) return 0;
    out[at++] = 0;
    out[at++] = STRING_END;
    return at;
}

static size_t encode_part(rwd_type type, const rwd_value *value, uint8_t *out, size_t room) {
    switch (type) {
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES: return encode_string(value->s, out, room);
    case RWD_TYPE_FLOAT:
        if (room < 8) return 0;
        rwd_put_be64(out, ordered_of_float(value->f));
        return 8;
    case RWD_TYPE_INT:
    case RWD_TYPE_TIME:
        if (room < 8) return 0;
        rwd_put_be64(out, (uint64_t)value->i ^ (1ull << 63));
        return 8;
    case RWD_TYPE_DECIMAL:
        if (room < 16) return 0;
        put_be128_ordered(out, value->d);
        return 16;
    case RWD_TYPE_BOOL:
        if (room < 1) return 0;
        out[0] = value->b;
        return 1;
    case RWD_TYPE_COUNT: break;
    }
    assert(!"type out of range");
    return 0;
}

size_t rwd_key_encode(const rwd_schema *schema, const rwd_value parts[], uint8_t *out) {
    size_t at = 0;
    for (size_t i = 0; i < schema->part_count; i++) {
        if (at == RWD_KEY_BYTES_MAX) return 0;
        if (!parts[i].present) {
            out[at++] = PART_NULL;
            continue;
        }
        out[at++] = PART_PRESENT;
        size_t size = encode_part(schema->parts[i].type, &parts[i], out + at, RWD_KEY_BYTES_MAX - at);
        if (size == 0) return 0;
        at += size;
    }
    return at;
}

// ---------------------------------------------------------------------------------------------- keys: decoding
static bool decode_string(rwd_reader *in, rwd_value *value, rwd_buf *scratch) {
    size_t begin = scratch->size;
    for (;;) {
        const uint8_t *zero = memchr(in->at, 0, rwd_reader_left(in));
        if (!zero || in->end - zero < 2) return false;
        rwd_buf_append(scratch, in->at, (size_t)(zero - in->at));
        in->at = zero + 2;
        if (zero[1] == STRING_END) break;
        if (zero[1] != STRING_ZERO) return false;
        rwd_buf_append_char(scratch, 0);
    }
    value->s = rwd_slice_of(scratch->data + begin, scratch->size - begin);
    return true;
}

static bool decode_part(rwd_type type, rwd_reader *in, rwd_value *value, rwd_buf *scratch) {
    rwd_slice bytes;
    uint8_t flag;
    switch (type) {
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES: return rwd_reader_left(in) > 0 && decode_string(in, value, scratch);
    case RWD_TYPE_FLOAT: return rwd_reader_take(in, 8, &bytes) && float_of_ordered(rwd_get_be64(bytes.data), &value->f);
    case RWD_TYPE_INT:
    case RWD_TYPE_TIME:
        if (!rwd_reader_take(in, 8, &bytes)) return false;
        value->i = (int64_t)(rwd_get_be64(bytes.data) ^ (1ull << 63));
        return true;
    case RWD_TYPE_DECIMAL:
        if (!rwd_reader_take(in, 16, &bytes)) return false;
        value->d = get_be128_ordered(bytes.data);
        return true;
    case RWD_TYPE_BOOL:
        if (!rwd_reader_u8(in, &flag) || flag > 1) return false;
        value->b = flag;
        return true;
    case RWD_TYPE_COUNT: break;
    }
    assert(!"type out of range");
    return false;
}

bool rwd_key_decode(const rwd_schema *schema, rwd_slice key, rwd_value parts[RWD_KEY_PARTS_MAX], rwd_buf *scratch) {
    if (key.size > RWD_KEY_BYTES_MAX) return false;
    // Decoded strings are never longer than the key, so the buffer does not move while the parts borrow from it.
    rwd_buf_reserve(scratch, key.size + 1);
    rwd_reader in = rwd_reader_of(key);
    for (size_t i = 0; i < schema->part_count; i++) {
        uint8_t present;
        if (!rwd_reader_u8(&in, &present) || present > PART_PRESENT) return false;
        memset(&parts[i], 0, sizeof parts[i]);
        parts[i].present = present == PART_PRESENT;
        if (parts[i].present && !decode_part(schema->parts[i].type, &in, &parts[i], scratch)) return false;
    }
    return rwd_reader_left(&in) == 0;
}

uint64_t rwd_key_hash(uint16_t table, rwd_slice key) { return rwd_hash64(key.data, key.size, table); }
