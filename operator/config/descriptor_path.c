// From a message to the field that a path names.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/words.h"
#include "operator/config/descriptor.h"

#define NAME_MAX_BYTES 256   // of one step
#define INDEX_DIGITS_MAX 6

void rwd_proto_type_text(const rwd_proto_field *field, rwd_buf *out) {
    static const char *const names[RWD_PROTO_TYPE_END] = {
        [RWD_PROTO_DOUBLE] = "double", [RWD_PROTO_FLOAT] = "float", [RWD_PROTO_INT64] = "int64", [RWD_PROTO_UINT64] = "uint64", [RWD_PROTO_INT32] = "int32",
        [RWD_PROTO_FIXED64] = "fixed64", [RWD_PROTO_FIXED32] = "fixed32", [RWD_PROTO_BOOL] = "bool", [RWD_PROTO_STRING] = "string", [RWD_PROTO_GROUP] = "group",
        [RWD_PROTO_BYTES] = "bytes", [RWD_PROTO_UINT32] = "uint32", [RWD_PROTO_SFIXED32] = "sfixed32", [RWD_PROTO_SFIXED64] = "sfixed64",
        [RWD_PROTO_SINT32] = "sint32", [RWD_PROTO_SINT64] = "sint64",
    };
    const char *name = field->message ? field->message->name : field->enumeration ? field->enumeration->name : names[field->type];
    rwd_buf_appendf(out, "%s%.200s", field->repeated ? "repeated " : "", name);
}

static const char google_timestamp[] = "google.protobuf.Timestamp";

bool rwd_proto_is_timestamp(const rwd_proto_field *field) {
    const rwd_proto_message *m = field->message;
    return field->type == RWD_PROTO_MESSAGE && strcmp(m->name, google_timestamp) == 0 && m->field_count == 2 && m->fields[0].number == 1 &&
           m->fields[0].type == RWD_PROTO_INT64 && !m->fields[0].repeated && m->fields[1].number == 2 && m->fields[1].type == RWD_PROTO_INT32 &&
           !m->fields[1].repeated;
}

static bool unknown_field(const rwd_proto_message *m, const char *word, rwd_error *err) {
    const char **names = rwd_calloc(m->field_count, sizeof *names);
    rwd_buf list = {0};
    for (size_t i = 0; i < m->field_count; i++) {
        names[i] = m->fields[i].name;
        if (i < 20) rwd_buf_appendf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    if (m->field_count > 20) rwd_buf_append_str(&list, ", ...");
    const char *nearest = rwd_nearest(word, names, m->field_count);
    if (nearest) rwd_fail(err, RWD_E_CONFIG, "message %.200s has no field \"%.100s\"; did you mean \"%.200s\"?", m->name, word, nearest);
    else rwd_fail(err, RWD_E_CONFIG, "message %.200s has no field \"%.100s\"; it has: %s", m->name, word, rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    free(names);
    return false;
}

static const rwd_proto_field *find_field(const rwd_proto_message *m, const char *name) {
    for (size_t i = 0; i < m->field_count; i++)
        if (strcmp(m->fields[i].name, name) == 0) return &m->fields[i];
    return NULL;
}

// "items[3]" as "items" and 3; without brackets the index is -1.
static bool split_step(const char *text, size_t size, char name[NAME_MAX_BYTES], int32_t *out_index) {
    const char *bracket = memchr(text, '[', size);
    size_t length = bracket ? (size_t)(bracket - text) : size;
    *out_index = -1;
    if (length == 0 || length >= NAME_MAX_BYTES) return false;
    (void)snprintf(name, NAME_MAX_BYTES, "%.*s", (int)length, text);
    if (!bracket) return true;
    size_t digits = strspn(bracket + 1, "0123456789");
    if (digits == 0 || digits > INDEX_DIGITS_MAX || length + 1 + digits + 1 != size || bracket[1 + digits] != ']') return false;
    *out_index = (int32_t)strtol(bracket + 1, NULL, 10);
    return true;
}

// What event.each names.
static bool take_each(const rwd_proto_message *m, const rwd_proto_field *f, int32_t index, rwd_error *err) {
    if (f->repeated && f->type == RWD_PROTO_MESSAGE && index < 0) return true;
    if (f->repeated && index >= 0) return rwd_fail(err, RWD_E_CONFIG, "%.200s.%.200s[%d] is one element; write it without [%d] for all of them", m->name, f->name, index, index);
    rwd_buf type = {0};
    rwd_proto_type_text(f, &type);
    rwd_fail(err, RWD_E_CONFIG, "%.200s.%.200s is %s; events are the elements of a repeated message", m->name, f->name, rwd_buf_cstr(&type));
    rwd_buf_deinit(&type);
    return false;
}

static bool take_step(const rwd_proto_message *m, const char *path, const char *text, size_t size, bool last, bool each, rwd_proto_step *out, rwd_error *err) {
    char name[NAME_MAX_BYTES];
    if (!split_step(text, size, name, &out->index))
        return rwd_fail(err, RWD_E_CONFIG, "\"%.100s\" is no path; for example customer.id, or items[0].sku for the first item", path);
    if (m->editions) return rwd_fail(err, RWD_E_CONFIG, "message %.200s is declared in a file of an edition; proto2 and proto3 can be read", m->name);
    const rwd_proto_field *f = out->field = find_field(m, name);
    if (!f) return unknown_field(m, name, err);
    if (f->repeated && f->message && f->message->map_entry)
        return rwd_fail(err, RWD_E_CONFIG, "%.200s.%.200s is a map, whose entries have no order: it cannot be read", m->name, name);
    if (last && each) return take_each(m, f, out->index, err);
    if (f->repeated && out->index < 0)
        return rwd_fail(err, RWD_E_CONFIG, "%.200s.%.200s is repeated; name one element, the first of them is %.200s[0]", m->name, name, name);
    if (!f->repeated && out->index >= 0) return rwd_fail(err, RWD_E_CONFIG, "%.200s.%.200s is not repeated; write it without [%d]", m->name, name, out->index);
    if (f->type == RWD_PROTO_GROUP) return rwd_fail(err, RWD_E_CONFIG, "%.200s.%.200s is a group, which cannot be read; messages can", m->name, name);
    if (!last && !f->message) return rwd_fail(err, RWD_E_CONFIG, "%.200s.%.200s is no message, so nothing is inside of it", m->name, name);
    return true;
}

static bool resolve(const rwd_proto_message *message, const char *path, bool each, rwd_proto_path *out, rwd_error *err) {
    const char *at = path;
    out->count = 0;
    for (;;) {
        size_t size = strcspn(at, ".");
        bool last = at[size] == '\0';
        if (out->count == RWD_PROTO_PATH_MAX) return rwd_fail(err, RWD_E_CONFIG, "a path has at most %d steps", RWD_PROTO_PATH_MAX);
        rwd_proto_step *step = &out->steps[out->count++];
        if (!take_step(message, path, at, size, last, each, step, err)) return false;
        if (last) return true;
        message = step->field->message;
        at += size + 1;
    }
}

bool rwd_proto_path_resolve(const rwd_proto_message *message, const char *path, rwd_proto_path *out, rwd_error *err) { return resolve(message, path, false, out, err); }

bool rwd_proto_path_resolve_each(const rwd_proto_message *message, const char *path, rwd_proto_path *out, rwd_error *err) {
    return resolve(message, path, true, out, err);
}
