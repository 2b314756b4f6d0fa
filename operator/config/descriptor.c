// Reads a descriptor set: first everything that is declared, then the names that fields refer to.
//
// What must stay true: all that is handed out lives in the arena or in the kept bytes, and is complete: each field of a message type points to its
// message, each of an enum type to its enum.
#include "operator/config/descriptor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/float.h"
#include "operator/base/fs.h"
#include "operator/base/wire.h"
#include "operator/base/words.h"

// Numbers of descriptor.proto.
enum { SET_FILE = 1 };
enum { FILE_PACKAGE = 2, FILE_MESSAGE = 4, FILE_ENUM = 5, FILE_SYNTAX = 12 };
enum { MESSAGE_NAME = 1, MESSAGE_FIELD = 2, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, MESSAGE_OPTIONS = 7 };
enum { OPTIONS_MAP_ENTRY = 7 };
enum { FIELD_NAME = 1, FIELD_NUMBER = 3, FIELD_LABEL = 4, FIELD_TYPE = 5, FIELD_TYPE_NAME = 6, FIELD_DEFAULT = 7, FIELD_ONEOF = 9, FIELD_PROTO3_OPTIONAL = 17 };
enum { LABEL_REPEATED = 3 };
enum { ENUM_NAME = 1, ENUM_VALUE = 2, VALUE_NAME = 1, VALUE_NUMBER = 2 };

struct rwd_descriptor {
    rwd_buf bytes;
    rwd_hash128 hash;
    rwd_arena arena;
    rwd_proto_message **messages;  // sorted by name once all are there
    size_t message_count;
    rwd_proto_enum **enums;
    size_t enum_count;
};

typedef struct parse {
    rwd_descriptor *set;
    const uint8_t *begin;   // of the whole set, for positions
    rwd_error *err;
    bool proto3, editions;  // of the file in hand
} parse;

// A field of the set that waits for its type.
typedef struct pending {
    const char *type_name;
    rwd_slice default_text;
} pending;

static bool wrong(parse *p, const uint8_t *at, const char *what) {
    return rwd_fail(p->err, RWD_E_CONFIG, "this is no descriptor set: at byte %zu %s", (size_t)(at - p->begin), what);
}

// ---- items: one field of one of descriptor.proto's messages

typedef struct item {
    uint32_t number;
    rwd_wire wire;
    uint64_t value;    // varints
    rwd_slice bytes;   // sized
    const uint8_t *at;
} item;

// The next item. False: the end, or a mistake (`*out_ok` false, the error set).
static bool next_item(parse *p, rwd_wire_reader *r, item *out, bool *out_ok) {
    *out_ok = true;
    if (r->at == r->end) return false;
    *out = (item){.at = r->at};
    bool read = rwd_wire_tag(r, &out->number, &out->wire);
    if (read && out->wire == RWD_WIRE_VARINT) read = rwd_wire_varint(r, &out->value);
    else if (read && out->wire == RWD_WIRE_SIZED) read = rwd_wire_sized(r, &out->bytes);
    else if (read) read = rwd_wire_skip(r, out->number, out->wire);
    if (!read) *out_ok = wrong(p, r->at, r->why);
    return read;
}

static bool is_sized(const item *i, uint32_t number) { return i->number == number && i->wire == RWD_WIRE_SIZED; }
static bool is_varint(const item *i, uint32_t number) { return i->number == number && i->wire == RWD_WIRE_VARINT; }

static char *copy_text(parse *p, rwd_slice text) {
    char *copy = rwd_arena_alloc(&p->set->arena, text.size + 1);
    if (text.size) memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

// "shop" and "Order" give "shop.Order"; NULL where that is too long.
static const char *join(parse *p, const char *scope, rwd_slice name) {
    size_t size = strlen(scope), dot = size > 0;
    if (size + dot + name.size > RWD_DESCRIPTOR_NAME_MAX) {
        (void)wrong(p, name.data, "a name is too long");
        return NULL;
    }
    char *text = rwd_arena_alloc(&p->set->arena, size + dot + name.size + 1);
    memcpy(text, scope, size);
    if (dot) text[size] = '.';
    if (name.size) memcpy(text + size + dot, name.data, name.size);
    text[size + dot + name.size] = '\0';
    return text;
}

static bool is_identifier(rwd_slice text, bool dotted) {
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (dotted && c == '.') continue;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return text.size > 0;
}

// How often `number` stands in `bytes`, at most `most` times.
static bool count_items(parse *p, rwd_slice bytes, uint32_t number, size_t most, size_t *out) {
    rwd_wire_reader r = rwd_wire_reader_of(bytes);
    item i;
    bool ok;
    *out = 0;
    while (next_item(p, &r, &i, &ok)) {
        if (is_sized(&i, number) && ++*out > most) return wrong(p, i.at, "a type has too many members");
    }
    return ok;
}

// The first text of number `number`, a name.
static bool find_name(parse *p, rwd_slice bytes, uint32_t number, rwd_slice *out) {
    rwd_wire_reader r = rwd_wire_reader_of(bytes);
    item i;
    bool ok, found = false;
    while (next_item(p, &r, &i, &ok)) {
        if (!is_sized(&i, number)) continue;
        *out = i.bytes;
        found = true;
    }
    if (!ok) return false;
    return (found && is_identifier(*out, false)) || wrong(p, bytes.data, "something has no name, or one that is none");
}

// ---- enums

static bool parse_value(parse *p, rwd_slice bytes, const char **out_name, int32_t *out_number) {
    rwd_wire_reader r = rwd_wire_reader_of(bytes);
    rwd_slice name = {0};
    item i;
    bool ok;
    *out_number = 0;
    while (next_item(p, &r, &i, &ok))
        if (is_varint(&i, VALUE_NUMBER)) *out_number = (int32_t)i.value;
    if (!ok || !find_name(p, bytes, VALUE_NAME, &name)) return false;
    *out_name = copy_text(p, name);
    return true;
}

static bool parse_enum(parse *p, rwd_slice bytes, const char *scope) {
    rwd_slice name;
    size_t count;
    item i;
    bool ok;
    if (p->set->enum_count == RWD_DESCRIPTOR_TYPES_MAX) return wrong(p, bytes.data, "there are too many enums");
    if (!find_name(p, bytes, ENUM_NAME, &name) || !count_items(p, bytes, ENUM_VALUE, RWD_DESCRIPTOR_FIELDS_MAX, &count)) return false;
    rwd_proto_enum *e = rwd_arena_alloc(&p->set->arena, sizeof *e);
    *e = (rwd_proto_enum){.name = join(p, scope, name)};
    if (!e->name) return false;
    e->values = rwd_arena_alloc(&p->set->arena, (count + 1) * sizeof *e->values);
    rwd_wire_reader r = rwd_wire_reader_of(bytes);
    while (next_item(p, &r, &i, &ok)) {
        if (!is_sized(&i, ENUM_VALUE)) continue;
        if (!parse_value(p, i.bytes, &e->values[e->value_count].name, &e->values[e->value_count].number)) return false;
        e->value_count++;
    }
    if (!ok) return false;
    p->set->enums = rwd_realloc(p->set->enums, (p->set->enum_count + 1) * sizeof *p->set->enums);
    p->set->enums[p->set->enum_count++] = e;
    return true;
}

// ---- fields

static void take_field_item(parse *p, const item *i, rwd_proto_field *f, pending *later, uint64_t *label) {
    if (is_varint(i, FIELD_NUMBER)) f->number = i->value <= RWD_WIRE_NUMBER_MAX ? (uint32_t)i->value : 0;
    else if (is_varint(i, FIELD_LABEL)) *label = i->value;
    else if (is_varint(i, FIELD_TYPE)) f->type = i->value < RWD_PROTO_TYPE_END ? (rwd_proto_type)i->value : 0;
    else if (is_varint(i, FIELD_ONEOF)) f->oneof = i->value <= INT32_MAX ? (int32_t)i->value : -1;
    else if (is_varint(i, FIELD_PROTO3_OPTIONAL)) f->presence = f->presence || i->value != 0;
    else if (is_sized(i, FIELD_TYPE_NAME)) later->type_name = is_identifier(i->bytes, true) ? copy_text(p, i->bytes) : "?";
    else if (is_sized(i, FIELD_DEFAULT)) {
        later->default_text = i->bytes;
        f->has_default = true;
    }
}

// The field's type name and default wait in `later` until all types are known.
static bool parse_field(parse *p, rwd_slice bytes, rwd_proto_field *f, pending *later) {
    rwd_wire_reader r = rwd_wire_reader_of(bytes);
    rwd_slice name;
    uint64_t label = 0;
    item i;
    bool ok;
    *f = (rwd_proto_field){.oneof = -1, .presence = !p->proto3};
    *later = (pending){0};
    while (next_item(p, &r, &i, &ok)) take_field_item(p, &i, f, later, &label);
    if (!ok || !find_name(p, bytes, FIELD_NAME, &name)) return false;
    if (f->number == 0 || f->type == 0) return wrong(p, bytes.data, "a field has a number or a type that there is not");
    bool composed = f->type == RWD_PROTO_MESSAGE || f->type == RWD_PROTO_GROUP;
    if ((composed || f->type == RWD_PROTO_ENUM) && !later->type_name) return wrong(p, bytes.data, "a field does not name its type");
    f->name = copy_text(p, name);
    f->repeated = label == LABEL_REPEATED;
    f->presence = !f->repeated && (f->presence || composed || f->oneof >= 0);
    f->has_default = f->has_default && !f->repeated && !composed;
    return true;
}

// ---- messages

typedef struct declared {
    rwd_proto_message message;
    pending *later;   // one per field
} declared;

static int compare_fields(const void *a, const void *b) {
    uint32_t x = ((const rwd_proto_field *)a)->number, y = ((const rwd_proto_field *)b)->number;
    return (x > y) - (x < y);
}

// Fields are few and nearly always in the order of their numbers: insertion keeps fields and what waits for them together.
static void sort_fields(declared *d) {
    rwd_proto_field *fields = d->message.fields;
    for (size_t i = 1; i < d->message.field_count; i++) {
        rwd_proto_field field = fields[i];
        pending later = d->later[i];
        size_t at = i;
        for (; at > 0 && compare_fields(&fields[at - 1], &field) > 0; at--) {
            fields[at] = fields[at - 1];
            d->later[at] = d->later[at - 1];
        }
        fields[at] = field;
        d->later[at] = later;
    }
}

static bool parse_fields(parse *p, rwd_slice bytes, declared *d) {
    rwd_proto_message *m = &d->message;
    rwd_wire_reader r = rwd_wire_reader_of(bytes);
    size_t count;
    item i;
    bool ok;
    if (!count_items(p, bytes, MESSAGE_FIELD, RWD_DESCRIPTOR_FIELDS_MAX, &count)) return false;
    m->fields = rwd_arena_alloc(&p->set->arena, (count + 1) * sizeof *m->fields);
    d->later = rwd_arena_alloc(&p->set->arena, (count + 1) * sizeof *d->later);
    while (next_item(p, &r, &i, &ok)) {
        if (!is_sized(&i, MESSAGE_FIELD)) continue;
        if (!parse_field(p, i.bytes, &m->fields[m->field_count], &d->later[m->field_count])) return false;
        m->field_count++;
    }
    if (!ok) return false;
    sort_fields(d);
    for (size_t f = 1; f < m->field_count; f++)
        if (m->fields[f - 1].number == m->fields[f].number) return wrong(p, bytes.data, "a message has two fields of one number");
    return true;
}

static bool is_map_entry(parse *p, rwd_slice options, bool *out) {
    rwd_wire_reader r = rwd_wire_reader_of(options);
    item i;
    bool ok;
    while (next_item(p, &r, &i, &ok))
        if (is_varint(&i, OPTIONS_MAP_ENTRY)) *out = i.value != 0;
    return ok;
}

static bool parse_message(parse *p, rwd_slice bytes, const char *scope, const rwd_proto_message *outside, size_t index);

// What is declared inside a message.
static bool parse_inside(parse *p, rwd_slice bytes, rwd_proto_message *m) {
    rwd_wire_reader r = rwd_wire_reader_of(bytes);
    size_t nested = 0;
    item i;
    bool ok;
    while (next_item(p, &r, &i, &ok)) {
        if (is_sized(&i, MESSAGE_NESTED) && !parse_message(p, i.bytes, m->name, m, nested++)) return false;
        if (is_sized(&i, MESSAGE_ENUM) && !parse_enum(p, i.bytes, m->name)) return false;
        if (is_sized(&i, MESSAGE_OPTIONS) && !is_map_entry(p, i.bytes, &m->map_entry)) return false;
    }
    return ok;
}

static bool parse_message(parse *p, rwd_slice bytes, const char *scope, const rwd_proto_message *outside, size_t index) {
    size_t depth = outside ? outside->place_count : 0;
    rwd_slice name;
    if (depth == RWD_DESCRIPTOR_NESTING_MAX) return wrong(p, bytes.data, "messages are declared in messages too deeply");
    if (p->set->message_count == RWD_DESCRIPTOR_TYPES_MAX || index > UINT16_MAX) return wrong(p, bytes.data, "there are too many messages");
    if (!find_name(p, bytes, MESSAGE_NAME, &name)) return false;
    declared *d = rwd_arena_alloc(&p->set->arena, sizeof *d);
    *d = (declared){.message = {.name = join(p, scope, name), .editions = p->editions, .place_count = depth + 1}};
    if (!d->message.name) return false;
    if (outside) memcpy(d->message.place, outside->place, sizeof outside->place);
    d->message.place[depth] = (uint16_t)index;
    if (!parse_fields(p, bytes, d)) return false;
    p->set->messages = rwd_realloc(p->set->messages, (p->set->message_count + 1) * sizeof *p->set->messages);
    p->set->messages[p->set->message_count++] = &d->message;
    return parse_inside(p, bytes, &d->message);
}

static bool parse_file(parse *p, rwd_slice bytes) {
    rwd_wire_reader r = rwd_wire_reader_of(bytes);
    rwd_slice package = {0}, syntax = {0};
    size_t index = 0;
    item i;
    bool ok;
    while (next_item(p, &r, &i, &ok)) {
        if (is_sized(&i, FILE_PACKAGE)) package = i.bytes;
        if (is_sized(&i, FILE_SYNTAX)) syntax = i.bytes;
    }
    if (!ok) return false;
    p->proto3 = rwd_slice_equal(syntax, rwd_slice_str("proto3"));
    p->editions = !p->proto3 && syntax.size > 0 && !rwd_slice_equal(syntax, rwd_slice_str("proto2"));
    if (package.size > RWD_DESCRIPTOR_NAME_MAX || (package.size > 0 && !is_identifier(package, true))) return wrong(p, bytes.data, "a package has no name");
    const char *scope = copy_text(p, package);
    r = rwd_wire_reader_of(bytes);
    while (next_item(p, &r, &i, &ok)) {
        if (is_sized(&i, FILE_MESSAGE) && !parse_message(p, i.bytes, scope, NULL, index++)) return false;
        if (is_sized(&i, FILE_ENUM) && !parse_enum(p, i.bytes, scope)) return false;
    }
    return ok;
}

// ---- names

static int compare_messages(const void *a, const void *b) { return strcmp((*(rwd_proto_message *const *)a)->name, (*(rwd_proto_message *const *)b)->name); }
static int compare_enums(const void *a, const void *b) { return strcmp((*(rwd_proto_enum *const *)a)->name, (*(rwd_proto_enum *const *)b)->name); }

static rwd_proto_message *find_message(const rwd_descriptor *set, const char *name) {
    rwd_proto_message wanted = {.name = name}, *key = &wanted;
    rwd_proto_message **found = set->message_count ? bsearch(&key, set->messages, set->message_count, sizeof *set->messages, compare_messages) : NULL;
    return found ? *found : NULL;
}

static const rwd_proto_enum *find_enum(const rwd_descriptor *set, const char *name) {
    rwd_proto_enum wanted = {.name = name}, *key = &wanted;
    rwd_proto_enum **found = set->enum_count ? bsearch(&key, set->enums, set->enum_count, sizeof *set->enums, compare_enums) : NULL;
    return found ? *found : NULL;
}

// ---- defaults of proto2

static bool default_number(rwd_slice text, rwd_proto_type type, uint64_t *out) {
    int64_t number = 0;
    if (type == RWD_PROTO_UINT64 || type == RWD_PROTO_FIXED64) {
        rwd_i128 wide;
        bool good = rwd_decimal_parse(text, 0, &wide) == RWD_PARSE_OK && wide >= 0 && wide <= UINT64_MAX;
        *out = good ? (uint64_t)wide : 0;
        return good;
    }
    if (rwd_int_parse(text, &number) != RWD_PARSE_OK) return false;
    bool zigzag = type == RWD_PROTO_SINT32 || type == RWD_PROTO_SINT64;
    *out = zigzag ? (uint64_t)number << 1 ^ (uint64_t)(number >> 63) : (uint64_t)number;
    return true;
}

static bool default_float(rwd_slice text, rwd_proto_type type, uint64_t *out) {
    double value = 0;
    if (rwd_slice_equal(text, rwd_slice_str("inf"))) value = __builtin_inf();
    else if (rwd_slice_equal(text, rwd_slice_str("-inf"))) value = -__builtin_inf();
    else if (rwd_slice_equal(text, rwd_slice_str("nan"))) value = __builtin_nan("");
    else if (rwd_float_parse(text, &value) != RWD_PARSE_OK) return false;
    float narrow = (float)value;
    uint32_t bits = 0;
    if (type == RWD_PROTO_DOUBLE) {
        memcpy(out, &value, sizeof value);
        return true;
    }
    memcpy(&bits, &narrow, sizeof narrow);
    *out = bits;
    return true;
}

static int digit_value(uint8_t c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16; }

// One escape of C behind its backslash: \n, \", \x41, \101. Returns what it takes, 0 if it is none.
static size_t take_escape(const uint8_t *p, const uint8_t *end, uint8_t *out) {
    static const char from[] = "abfnrtv\\'\"?", to[] = "\a\b\f\n\r\t\v\\'\"?";
    if (p == end) return 0;
    const char *known = memchr(from, *p, sizeof from - 1);
    if (known) {
        *out = (uint8_t)to[known - from];
        return 1;
    }
    int base = *p == 'x' || *p == 'X' ? 16 : 8;
    size_t begin = base == 16, at = begin, most = 3;  // "x" and two digits, or three
    unsigned value = 0;
    for (; at < most && p + at < end && digit_value(p[at]) < base; at++) value = value * (unsigned)base + (unsigned)digit_value(p[at]);
    *out = (uint8_t)value;
    return at > begin && value <= 255 ? at : 0;
}

// The bytes of a default are written as a literal of C.
static bool default_bytes(parse *p, rwd_slice text, rwd_slice *out) {
    uint8_t *bytes = rwd_arena_alloc(&p->set->arena, text.size + 1);
    size_t size = 0;
    const uint8_t *at = text.data, *end = text.data + text.size;
    while (at < end) {
        if (*at != '\\') {
            bytes[size++] = *at++;
            continue;
        }
        size_t taken = take_escape(at + 1, end, &bytes[size++]);
        if (taken == 0) return false;
        at += 1 + taken;
    }
    *out = rwd_slice_of(bytes, size);
    return true;
}

static bool default_enum(const rwd_proto_enum *e, rwd_slice text, uint64_t *out) {
    for (size_t i = 0; i < e->value_count; i++) {
        if (!rwd_slice_equal(text, rwd_slice_str(e->values[i].name))) continue;
        *out = (uint64_t)(int64_t)e->values[i].number;
        return true;
    }
    return false;
}

static bool take_default(parse *p, rwd_proto_field *f, rwd_slice text) {
    switch (f->type) {
    case RWD_PROTO_STRING: f->default_bytes = rwd_slice_of(copy_text(p, text), text.size); return rwd_utf8_valid(text);
    case RWD_PROTO_BYTES: return default_bytes(p, text, &f->default_bytes);
    case RWD_PROTO_BOOL:
        f->default_bits = rwd_slice_equal(text, rwd_slice_str("true"));
        return f->default_bits || rwd_slice_equal(text, rwd_slice_str("false"));
    case RWD_PROTO_ENUM: return default_enum(f->enumeration, text, &f->default_bits);
    case RWD_PROTO_FLOAT:
    case RWD_PROTO_DOUBLE: return default_float(text, f->type, &f->default_bits);
    default: return default_number(text, f->type, &f->default_bits);
    }
}

// ---- the second pass

static bool unresolved(parse *p, const rwd_proto_message *m, const rwd_proto_field *f, const char *type_name) {
    (void)rwd_fail(p->err, RWD_E_CONFIG, "the descriptor set lacks the type %.200s of %.200s.%.200s", type_name, m->name, f->name);
    return rwd_error_next(p->err, "write the set with all imports: protoc --include_imports --descriptor_set_out=FILE ...");
}

static bool resolve(parse *p, rwd_proto_message *m) {
    const declared *d = (const declared *)m;
    for (size_t i = 0; i < m->field_count; i++) {
        rwd_proto_field *f = &m->fields[i];
        const char *name = d->later[i].type_name ? d->later[i].type_name : "";
        if (*name == '.') name++;
        if (f->type == RWD_PROTO_MESSAGE || f->type == RWD_PROTO_GROUP) f->message = find_message(p->set, name);
        if (f->type == RWD_PROTO_ENUM) f->enumeration = find_enum(p->set, name);
        bool composed = f->type == RWD_PROTO_MESSAGE || f->type == RWD_PROTO_GROUP;
        if ((composed && !f->message) || (f->type == RWD_PROTO_ENUM && !f->enumeration)) return unresolved(p, m, f, name);
        if (f->has_default && !take_default(p, f, d->later[i].default_text))
            return rwd_fail(p->err, RWD_E_CONFIG, "this is no descriptor set: the default of %.200s.%.200s is no value of its type", m->name, f->name);
    }
    return true;
}

static bool resolve_all(parse *p) {
    rwd_descriptor *set = p->set;
    if (set->message_count) qsort(set->messages, set->message_count, sizeof *set->messages, compare_messages);
    if (set->enum_count) qsort(set->enums, set->enum_count, sizeof *set->enums, compare_enums);
    for (size_t i = 1; i < set->message_count; i++)
        if (strcmp(set->messages[i - 1]->name, set->messages[i]->name) == 0)
            return rwd_fail(p->err, RWD_E_CONFIG, "this is no descriptor set: it has the message %.200s twice", set->messages[i]->name);
    for (size_t i = 0; i < set->message_count; i++)
        if (!resolve(p, set->messages[i])) return false;
    return set->message_count > 0 || rwd_fail(p->err, RWD_E_CONFIG, "the descriptor set has no message");
}

static bool parse_set(parse *p, rwd_slice bytes) {
    rwd_wire_reader r = rwd_wire_reader_of(bytes);
    item i;
    bool ok;
    while (next_item(p, &r, &i, &ok))
        if (is_sized(&i, SET_FILE) && !parse_file(p, i.bytes)) return false;
    return ok && resolve_all(p);
}

bool rwd_descriptor_parse(rwd_slice bytes, rwd_descriptor **out, rwd_error *err) {
    rwd_descriptor *set = rwd_calloc(1, sizeof *set);
    if (bytes.size > RWD_DESCRIPTOR_BYTES_MAX) {
        free(set);
        return rwd_fail(err, RWD_E_CONFIG, "a descriptor set has at most %zu bytes", RWD_DESCRIPTOR_BYTES_MAX);
    }
    rwd_buf_reserve(&set->bytes, bytes.size + 1);
    rwd_buf_append_slice(&set->bytes, bytes);
    set->hash = rwd_hash128_of(set->bytes.data, set->bytes.size, 0);
    parse p = {.set = set, .begin = set->bytes.data, .err = err};
    bool worked = parse_set(&p, rwd_buf_slice(&set->bytes));
    if (worked) *out = set;
    else rwd_descriptor_free(set);
    return worked;
}

bool rwd_descriptor_load(const char *path, rwd_descriptor **out, rwd_error *err) {
    rwd_buf bytes = {0};
    rwd_error why;
    rwd_error_clear(&why);
    bool worked = rwd_read_file(path, RWD_DESCRIPTOR_BYTES_MAX, &bytes, &why);
    if (!worked) (void)rwd_fail(err, RWD_E_CONFIG, "cannot read the descriptor set: %s", why.cause);
    else worked = rwd_descriptor_parse(rwd_buf_slice(&bytes), out, err);
    rwd_buf_deinit(&bytes);
    if (worked) return true;
    (void)rwd_error_at(err, "%s", path);
    return rwd_error_next(err, "protoc --include_imports --descriptor_set_out=%s FILE.proto", path);
}

void rwd_descriptor_free(rwd_descriptor *set) {
    if (!set) return;
    rwd_buf_deinit(&set->bytes);
    rwd_arena_deinit(&set->arena);
    free(set->messages);
    free(set->enums);
    free(set);
}

rwd_hash128 rwd_descriptor_hash(const rwd_descriptor *set) { return set->hash; }
rwd_slice rwd_descriptor_bytes(const rwd_descriptor *set) { return rwd_buf_slice(&set->bytes); }

const rwd_proto_message *rwd_descriptor_message(const rwd_descriptor *set, const char *name, rwd_error *err) {
    const rwd_proto_message *found = find_message(set, name);
    if (found && !found->map_entry) return found;
    const char **names = rwd_calloc(set->message_count, sizeof *names);
    size_t count = 0;
    const char *same = NULL;   // "Order" for "shop.Order"
    for (size_t i = 0; i < set->message_count; i++) {
        if (set->messages[i]->map_entry) continue;
        names[count++] = set->messages[i]->name;
        const char *dot = strrchr(set->messages[i]->name, '.');
        if (dot && strcmp(dot + 1, name) == 0) same = set->messages[i]->name;
    }
    const char *nearest = same ? same : rwd_nearest(name, names, count);
    rwd_buf list = {0};
    for (size_t i = 0; i < count && i < 20; i++) rwd_buf_appendf(&list, "%s%s", i ? ", " : "", names[i]);
    if (count > 20) rwd_buf_append_str(&list, ", ...");
    if (nearest) rwd_fail(err, RWD_E_CONFIG, "unknown message \"%.200s\"; did you mean \"%s\"?", name, nearest);
    else rwd_fail(err, RWD_E_CONFIG, "unknown message \"%.200s\"; the descriptor set has: %s", name, rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    free(names);
    return NULL;
}
