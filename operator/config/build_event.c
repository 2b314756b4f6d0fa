// The event of a job: its declared fields, and its time.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/words.h"
#include "operator/config/job_private.h"

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

// "a.b" names member b of member a: no part may be empty.
static bool path_has_empty_part(const char *path) {
    size_t size = strlen(path);
    return path[0] == '.' || path[size - 1] == '.' || strstr(path, "..");
}

static bool check_path(rwd_job_build *b, rwd_place place, const char *name, const char *path) {
    if (b->job->source.format != RWD_FORMAT_JSON || !path_has_empty_part(path)) return true;
    return rwd_build_fail(b, place, "%s: \"%s\" has an empty part; a.b is member b of member a", name, path);
}

static bool build_field(rwd_job_build *b, const rwd_node *node, rwd_field *field) {
    char name[RWD_KEY_PATH_MAX];
    (void)snprintf(name, sizeof name, "event.fields.%s", node->key);
    field->name = rwd_strdup(node->key);
    if (!rwd_build_fill(b, "event.fields.*", node, name, field)) return false;
    if (!rwd_build_applies(b, "event.fields.*", node, name, field)) return false;
    if (field->type != RWD_TYPE_TIME) field->time = (rwd_time_format){.kind = RWD_TIME_RFC3339};
    if (!field->path) field->path = rwd_strdup(node->key);
    const rwd_node *path = rwd_node_member(node, "path");
    return !path || check_path(b, path->place, name, field->path);
}

// ---- event.time

// The time of an event is a field that nobody declared: it is decoded, but cannot be a key or be aggregated.
static bool add_hidden_field(rwd_job_build *b, const rwd_node *time, const rwd_node *name) {
    rwd_job *job = b->job;
    if (job->source.format == RWD_FORMAT_CSV && !job->source.csv_header)
        return rwd_build_fail(b, name->place,
                              "event.time.field: \"%s\" is not declared under event.fields, where it must be without a CSV header",
                              name->text);
    if (!check_path(b, name->place, "event.time.field", name->text)) return false;
    rwd_field *field = &job->event.fields[job->event.field_count++];
    field->hidden = true;
    field->type = RWD_TYPE_TIME;
    field->name = rwd_strdup(name->text);
    field->path = rwd_strdup(name->text);
    const rwd_node *format = rwd_node_member(time, "format");
    return rwd_time_format_parse(format->text, &field->time, b->err);  // checked before
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
    return true;
}

bool rwd_build_event(rwd_job_build *b) {
    rwd_job *job = b->job;
    const rwd_node *fields = rwd_node_find(b->root, "event.fields");
    job->event.time_field = -1;
    job->event.fields = rwd_calloc(fields->count + 1, sizeof *job->event.fields);  // and the hidden one
    for (const rwd_node *node = fields->first; node; node = node->next)
        if (!build_field(b, node, &job->event.fields[job->event.field_count++])) return false;
    return build_time(b);
}
