// The event of a job: its declared fields, and its time.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/words.h"
#include "operator/config/job_private.h"
#include "operator/config/json_path.h"

int rwd_job_field(const rwd_job *job, const char *name) {
    for (size_t i = 0; i < job->event.field_count; i++)
        if (!job->event.fields[i].hidden && strcmp(job->event.fields[i].name, name) == 0) return (int)i;
    return -1;
}

bool rwd_build_unknown_field(rwd_job_build *b, rwd_place place, const char *name, const char *word) {
    const rwd_job *job = b->job;
    const char *names[RWD_FIELDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < job->event.field_count; i++)
        if (!job->event.fields[i].hidden) names[count++] = job->event.fields[i].name;
    char shown[RWD_EXCERPT_MAX];
    const char *nearest = rwd_nearest(word, names, count);
    rwd_excerpt(word, shown);
    if (nearest) return rwd_build_fail(b, place, "%s: unknown field \"%s\"; did you mean \"%s\"?", name, shown, nearest);
    rwd_buf list = {0};
    rwd_names_append(&list, names, count);
    rwd_build_fail(b, place, "%s: unknown field \"%s\"; declared under event.fields: %s", name, shown, rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    return false;
}

// ---- fields

// Does a field of protobuf hold what the job's field takes?
static bool protobuf_fits(const rwd_field *field, const rwd_proto_field *found) {
    bool integer = rwd_proto_is_integer(found->type), text = found->type == RWD_PROTO_STRING;
    switch (field->type) {
    case RWD_TYPE_STRING: return text || found->type == RWD_PROTO_ENUM;
    case RWD_TYPE_INT: return integer || found->type == RWD_PROTO_ENUM;
    case RWD_TYPE_DECIMAL: return integer || text;
    case RWD_TYPE_FLOAT: return integer || found->type == RWD_PROTO_DOUBLE || found->type == RWD_PROTO_FLOAT;
    case RWD_TYPE_BOOL: return found->type == RWD_PROTO_BOOL;
    case RWD_TYPE_BYTES: return found->type == RWD_PROTO_BYTES;
    case RWD_TYPE_TIME:
        if (field->time.kind == RWD_TIME_PROTOBUF) return rwd_proto_is_timestamp(found);
        return text || (integer && rwd_time_is_epoch(&field->time));
    case RWD_TYPE_COUNT: break;
    }
    return false;
}

static bool raw_fits(const rwd_field *field, rwd_raw_type kind) {
    switch (kind) {
    case RWD_RAW_TYPE_STRING: return true;
    case RWD_RAW_TYPE_INT32:
    case RWD_RAW_TYPE_INT64:
        if (field->type == RWD_TYPE_TIME) return rwd_time_is_epoch(&field->time);
        return field->type == RWD_TYPE_INT || field->type == RWD_TYPE_DECIMAL || field->type == RWD_TYPE_FLOAT;
    case RWD_RAW_TYPE_FLOAT64: return field->type == RWD_TYPE_FLOAT;
    case RWD_RAW_TYPE_BYTES: return field->type == RWD_TYPE_BYTES;
    case RWD_RAW_TYPE_NONE:
    case RWD_RAW_TYPE_COUNT: break;
    }
    return false;
}

static bool misfit(rwd_job_build *b, rwd_place place, const char *name, const rwd_field *field, const char *found) {
    if (field->type == RWD_TYPE_TIME)
        return rwd_build_fail(b, place, "%s: %s is %s, which is no time as %s", name, field->path, found, rwd_time_format_text(&field->time));
    return rwd_build_fail(b, place, "%s: %s is %s, which is no %s", name, field->path, found, rwd_type_name(field->type));
}

static bool dot_without_each(rwd_job_build *b, rwd_place place, const char *name, const rwd_field *field) {
    return rwd_build_fail(b, place, "%s: \"%s\" begins with a dot, which is the element that event.each names; give event.each, for example each: items", name,
                          field->path);
}

static bool check_protobuf_path(rwd_job_build *b, rwd_place place, const char *name, rwd_field *field) {
    rwd_proto_path path;
    rwd_error why;
    rwd_error_clear(&why);
    const rwd_proto_message *message = b->job->source.message_type;
    field->inside = field->path[0] == '.';
    if (field->inside && !b->job->event.each) return dot_without_each(b, place, name, field);
    if (field->inside && !rwd_proto_path_resolve_each(message, b->job->event.each, &path, &why)) return rwd_build_fail(b, place, "%s: %s", name, why.cause);
    if (field->inside) message = rwd_proto_path_end(&path)->message;
    if (!rwd_proto_path_resolve(message, field->path + field->inside, &path, &why)) return rwd_build_fail(b, place, "%s: %s", name, why.cause);
    rwd_proto_field found = *rwd_proto_path_end(&path);
    if (protobuf_fits(field, &found)) return true;
    rwd_buf type = {0};
    found.repeated = false;  // one element of it is meant
    rwd_proto_type_text(&found, &type);
    misfit(b, place, name, field, rwd_buf_cstr(&type));
    rwd_buf_deinit(&type);
    return false;
}

static bool check_raw_path(rwd_job_build *b, rwd_place place, const char *name, const rwd_field *field) {
    bool key = strcmp(field->path, "key") == 0;
    if (!key && strcmp(field->path, "value") != 0)
        return rwd_build_fail(b, place, "%s: \"%s\" is not in a raw record, which has a key and a value; write path: key, or path: value", name, field->path);
    rwd_raw_type kind = key ? b->job->source.raw_key : b->job->source.raw_value;
    if (kind == RWD_RAW_TYPE_NONE)
        return rwd_build_fail(b, place, "%s: source.raw does not say what the %s is; for example raw: {%s: string}", name, field->path, field->path);
    return raw_fits(field, kind) || misfit(b, place, name, field, rwd_raw_type_name(kind));
}

static bool check_json_path(rwd_job_build *b, rwd_place place, const char *name, rwd_field *field) {
    rwd_json_path path;
    rwd_error why;
    rwd_error_clear(&why);
    if (!rwd_json_path_parse(field->path, &path, &why)) return rwd_build_fail(b, place, "%s: %s", name, why.cause);
    field->inside = path.inside;
    rwd_json_path_deinit(&path);
    if (!field->inside || b->job->event.each) return true;
    return dot_without_each(b, place, name, field);
}

static bool check_path(rwd_job_build *b, rwd_place place, const char *name, rwd_field *field) {
    rwd_format format = b->job->source.format;
    if (format == RWD_FORMAT_PROTOBUF) return check_protobuf_path(b, place, name, field);
    if (format == RWD_FORMAT_RAW) return check_raw_path(b, place, name, field);
    if (field->type == RWD_TYPE_TIME && field->time.kind == RWD_TIME_PROTOBUF)
        return rwd_build_fail(b, place, "%s: the format protobuf-timestamp has a meaning only where source.format is protobuf", name);
    return format != RWD_FORMAT_JSON || check_json_path(b, place, name, field);
}

static bool build_each(rwd_job_build *b) {
    const rwd_node *each = rwd_node_find(b->root, "event.each");
    rwd_error why;
    rwd_error_clear(&why);
    if (each && b->job->source.format == RWD_FORMAT_PROTOBUF) {
        rwd_proto_path elements;
        return rwd_proto_path_resolve_each(b->job->source.message_type, each->text, &elements, &why) || rwd_build_fail(b, each->place, "event.each: %s", why.cause);
    }
    if (!each || b->job->source.format != RWD_FORMAT_JSON) return true;  // refused elsewhere
    rwd_json_path path;
    if (!rwd_json_path_parse(each->text, &path, &why)) return rwd_build_fail(b, each->place, "event.each: %s", why.cause);
    bool inside = path.inside;
    rwd_json_path_deinit(&path);
    return !inside || rwd_build_fail(b, each->place, "event.each: \"%s\" begins with a dot; the path of the array begins at the record", each->text);
}

// ---- defaults

static bool read_default(const rwd_field *field, rwd_buf *bytes, rwd_value *out) {
    static const rwd_time_format rfc3339 = {.kind = RWD_TIME_RFC3339};
    rwd_slice text = rwd_slice_str(field->default_text);
    if (field->type != RWD_TYPE_TIME) return rwd_value_from_text(text, field->type, field->scale, bytes, out, NULL);
    out->present = true;
    return rwd_time_parse(field->time.kind == RWD_TIME_PROTOBUF ? &rfc3339 : &field->time, text, &out->i) == RWD_PARSE_OK;
}

static bool bad_default(rwd_job_build *b, rwd_place place, const char *name, const rwd_field *field) {
    char word[RWD_EXCERPT_MAX], type[RWD_TIME_TEXT_MAX] = "";
    rwd_excerpt(field->default_text, word);
    if (field->type == RWD_TYPE_TIME)
        return rwd_build_fail(b, place, "%s.default: \"%s\" is no time as %s", name, word, rwd_time_format_text(&field->time));
    if (field->type == RWD_TYPE_DECIMAL) (void)snprintf(type, sizeof type, "(%u)", field->scale);
    return rwd_build_fail(b, place, "%s.default: \"%s\" is no %s%s", name, word, rwd_type_name(field->type), type);
}

// Two texts of one value become the same text, and so the same logic; a time stays as it is written.
static bool build_default(rwd_job_build *b, rwd_place place, const char *name, rwd_field *field) {
    rwd_buf bytes = {0}, text = {0};
    if (!field->default_text) return true;
    bool read = read_default(field, &bytes, &field->fallback);
    field->default_bytes = bytes.data;
    if (!read) return bad_default(b, place, name, field);
    if (field->type == RWD_TYPE_TIME || field->type == RWD_TYPE_STRING) return true;
    rwd_value_text(&field->fallback, field->type, field->scale, &text);
    free(field->default_text);
    field->default_text = rwd_strdup(rwd_buf_cstr(&text));
    rwd_buf_deinit(&text);
    return true;
}

static bool build_field(rwd_job_build *b, const rwd_node *node, rwd_field *field) {
    char name[RWD_KEY_PATH_MAX];
    (void)snprintf(name, sizeof name, "event.fields.%s", node->key);
    field->name = rwd_strdup(node->key);
    if (!rwd_build_fill(b, "event.fields.*", node, name, field)) return false;
    if (!rwd_build_applies(b, "event.fields.*", node, name, field)) return false;
    if (field->type != RWD_TYPE_TIME) field->time = (rwd_time_format){.kind = RWD_TIME_RFC3339};
    if (!field->path) field->path = rwd_strdup(node->key);
    const rwd_node *path = rwd_node_member(node, "path"), *fallback = rwd_node_member(node, "default");
    if (!build_default(b, fallback ? fallback->place : node->key_place, name, field)) return false;
    return check_path(b, path ? path->place : node->key_place, name, field);
}

// ---- event.time

// The time of an event is a field that nobody declared: it is decoded, but cannot be a key or be aggregated.
static bool add_hidden_field(rwd_job_build *b, const rwd_node *time, const rwd_node *name) {
    rwd_job *job = b->job;
    if (job->source.format == RWD_FORMAT_CSV && !job->source.csv_header)
        return rwd_build_fail(b, name->place,
                              "event.time.field: \"%s\" is not declared under event.fields, where it must be without a CSV header",
                              name->text);
    rwd_field *field = &job->event.fields[job->event.field_count++];
    field->hidden = true;
    field->type = RWD_TYPE_TIME;
    field->name = rwd_strdup(name->text);
    field->path = rwd_strdup(name->text);
    const rwd_node *format = rwd_node_member(time, "format");
    const rwd_node *zone = rwd_node_member(time, "zone");
    return rwd_time_format_parse(format->text, &field->time, b->err) &&  // checked before
           (!zone || rwd_key_read(rwd_key_by_path("event.fields.*.zone"), "event.time.zone", zone->text, field, b->err)) &&
           check_path(b, name->place, "event.time.field", field);
}

// An undeclared name without a format is more likely a slip than a path.
static bool time_without_format(rwd_job_build *b, const rwd_node *name) {
    const char *names[RWD_FIELDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < b->job->event.field_count; i++)
        if (b->job->event.fields[i].type == RWD_TYPE_TIME) names[count++] = b->job->event.fields[i].name;
    const char *nearest = rwd_nearest(name->text, names, count);
    if (nearest)
        return rwd_build_fail(b, name->place, "event.time.field: unknown field \"%s\"; did you mean \"%s\"?", name->text, nearest);
    return rwd_build_fail(b, name->place,
                          "event.time.field: \"%s\" is not declared under event.fields, so its format is needed: "
                          "time: {field: %s, format: rfc3339}", name->text, name->text);
}

static bool build_time(rwd_job_build *b) {
    rwd_job *job = b->job;
    const rwd_node *time = rwd_node_find(b->root, "event.time");
    if (!time) return true;
    const rwd_node *name = rwd_node_member(time, "field");
    int index = rwd_job_field(job, name->text);
    if (index < 0) {
        if (!rwd_node_member(time, "format")) return time_without_format(b, name);
        index = (int)job->event.field_count;
        if (!add_hidden_field(b, time, name)) return false;
    } else if (job->event.fields[index].type != RWD_TYPE_TIME) {
        return rwd_build_fail(b, name->place,
                              "event.time.field: \"%s\" has the type %s; declare it as a time: %s: {type: time, format: epoch-ms}",
                              name->text, rwd_type_name(job->event.fields[index].type), name->text);
    }
    job->event.time_field = (int16_t)index;
    const rwd_field *field = &job->event.fields[index];
    if (!field->optional && !field->default_text) return true;
    return rwd_build_fail(b, name->place, "event.time.field: \"%s\" %s, but every event needs a time of its own; make the field required", name->text,
                          field->optional ? "is optional" : "has a default");
}

static bool build_id(rwd_job_build *b) {
    rwd_job *job = b->job;
    const rwd_node *id = rwd_node_find(b->root, "event.id"), *dedup = rwd_node_find(b->root, "event.dedup");
    if (id) {
        int index = rwd_job_field(job, id->text);
        if (index < 0) return rwd_build_unknown_field(b, id->place, "event.id", id->text);
        job->event.id_field = (int16_t)index;
    }
    if (!dedup) return true;
    if (!id) return rwd_build_fail(b, dedup->place, "event.dedup: which field tells events apart? give event.id, for example id: event_id");
    if (job->event.time_field >= 0 || job->source.topic) return true;
    return rwd_build_fail(b, dedup->place, "event.dedup: the span is measured in event time; give event.time, for example time: {field: ts, format: epoch-ms}");
}

bool rwd_build_event(rwd_job_build *b) {
    rwd_job *job = b->job;
    const rwd_node *fields = rwd_node_find(b->root, "event.fields");
    job->event.time_field = job->event.id_field = -1;
    job->event.fields = rwd_calloc(fields->count + 1, sizeof *job->event.fields);  // and the hidden one
    if (!build_each(b)) return false;
    for (const rwd_node *node = fields->first; node; node = node->next)
        if (!build_field(b, node, &job->event.fields[job->event.field_count++])) return false;
    return build_time(b) && build_id(b);
}
