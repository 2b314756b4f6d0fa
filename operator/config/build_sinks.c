// The outputs of a job, and that no file is used twice.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/base/words.h"
#include "operator/config/job_private.h"
#include "proto/row_fields.h"

// ---- the columns of the table

static bool unknown_column(rwd_job_build *b, const rwd_node *item, const char *name, const rwd_job_table *table) {
    const char *names[RWD_COLUMNS_MAX + RWD_DERIVED_MAX];
    char word[RWD_EXCERPT_MAX];
    rwd_excerpt(item->text, word);
    for (size_t i = 0; i < table->schema.part_count; i++) {
        if (strcmp(table->schema.parts[i].name, item->text) == 0)
            return rwd_build_fail(b, item->place, "%s.fields: \"%s\" is a key field, which every row has anyway; list aggregates only",
                                  name, word);
    }
    size_t count = rwd_job_table_columns(table);
    for (size_t i = 0; i < count; i++) names[i] = rwd_job_table_column(table, i).name;
    const char *nearest = rwd_nearest(item->text, names, count);
    if (nearest)
        return rwd_build_fail(b, item->place, "%s.fields: unknown aggregate \"%s\"; did you mean \"%s\"?", name, word, nearest);
    rwd_buf list = {0};
    rwd_names_append(&list, names, count);
    rwd_build_fail(b, item->place, "%s.fields: unknown aggregate \"%s\"; table %s has: %s", name, word, table->schema.name, rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    return false;
}

static bool add_column(rwd_job_build *b, const rwd_node *item, const char *name, const rwd_job_table *table, rwd_job_sink *sink) {
    size_t index = 0, count = rwd_job_table_columns(table);
    while (index < count && strcmp(rwd_job_table_column(table, index).name, item->text) != 0) index++;
    if (index == count) return unknown_column(b, item, name, table);
    for (size_t i = 0; i < sink->column_count; i++)
        if (sink->columns[i] == index) return rwd_build_fail(b, item->place, "%s.fields: \"%s\" stands twice", name, item->text);
    sink->columns[sink->column_count++] = (uint16_t)index;
    return true;
}

static bool build_columns(rwd_job_build *b, const rwd_node *node, const char *name, rwd_job_sink *sink) {
    const rwd_job_table *table = &b->job->tables[sink->table];
    const rwd_node *list = rwd_node_member(node, "fields");
    sink->columns = rwd_calloc(list ? list->count : rwd_job_table_columns(table), sizeof *sink->columns);
    if (!list) {
        for (size_t i = 0; i < rwd_job_table_columns(table); i++) sink->columns[sink->column_count++] = (uint16_t)i;
        return true;
    }
    for (const rwd_node *item = list->first; item; item = item->next)
        if (!add_column(b, item, name, table, sink)) return false;
    return true;
}

static bool build_where(rwd_job_build *b, const rwd_node *node, const char *name, rwd_job_sink *sink) {
    char path[2 * RWD_KEY_PATH_MAX];
    const rwd_node *where = rwd_node_member(node, "where");
    (void)snprintf(path, sizeof path, "%s.where", name);
    return !where || rwd_build_row_condition(b, where, path, &b->job->tables[sink->table], &sink->where);
}

// ---- files

// The path from the root, without empty parts, "." and "..": "./out//a" and "out/a" are one file. By its text alone, since an output
// and its folder need not exist yet.
static void normal_path(const char *path, rwd_buf *out) {
    char folder[RWD_PATH_MAX];
    if (path[0] != '/' && getcwd(folder, sizeof folder)) rwd_buf_append_str(out, folder);
    while (*path) {
        size_t size = strcspn(path, "/");
        if (size == 2 && memcmp(path, "..", 2) == 0) {
            while (out->size > 0 && out->data[out->size - 1] != '/') out->size--;
            if (out->size > 0) out->size--;
        } else if (size > 0 && !(size == 1 && path[0] == '.')) {
            if (out->size == 0 || out->data[out->size - 1] != '/') rwd_buf_append_char(out, '/');
            rwd_buf_append(out, path, size);
        }
        path += size + (path[size] == '/');
    }
}

static bool is_same_file(const char *a, const char *b) {
    rwd_buf x = {0}, y = {0};
    normal_path(a, &x);
    normal_path(b, &y);
    bool same = rwd_slice_equal(rwd_buf_slice(&x), rwd_buf_slice(&y));
    rwd_buf_deinit(&x);
    rwd_buf_deinit(&y);
    return same;
}

static bool is_folder_name(const char *path) {
    const char *name = rwd_path_name(path);
    return name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

// Is this output the input, or one of the first `count` sinks? Their commits are kept beside the first output.
static bool check_output(rwd_job_build *b, rwd_place place, const char *name, const char *path, size_t count) {
    const rwd_job *job = b->job;
    if (is_folder_name(path)) return rwd_build_fail(b, place, "%s: \"%s\" is a folder; a file is needed", name, path);
    if (job->source.path && is_same_file(path, job->source.path))
        return rwd_build_fail(b, place, "%s: \"%s\" is the input (source.file.path); write somewhere else", name, path);
    for (size_t i = 0; i < count; i++)
        if (is_same_file(path, job->sinks[i].path))
            return rwd_build_fail(b, place, "%s: \"%s\" is already the file of sinks[%zu]", name, path, i);
    if (count == 0) return true;
    char *log = rwd_strf("%s.commits", job->sinks[0].path);
    bool same = is_same_file(path, log);
    free(log);
    return !same || rwd_build_fail(b, place, "%s: \"%s\" is where the commits of sinks[0] are kept; take another name", name, path);
}

// ---- topics

// As Kafka has it.
static bool is_topic_name(const char *topic) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = strlen(topic);
    return size > 0 && size < 250 && strspn(topic, allowed) == size && strcmp(topic, ".") != 0 && strcmp(topic, "..") != 0;
}

static bool check_topic(rwd_job_build *b, rwd_place place, const char *name, const char *topic, size_t count) {
    const rwd_job *job = b->job;
    char word[RWD_EXCERPT_MAX];
    if (!is_topic_name(topic))
        return rwd_build_fail(b, place, "%s: \"%s\" is no name of a topic: letters, digits, '.', '_' and '-', at most 249", name, rwd_excerpt(topic, word));
    if (job->source.topic && strcmp(topic, job->source.topic) == 0)
        return rwd_build_fail(b, place, "%s: \"%s\" is the input (source.kafka.topic); write somewhere else", name, topic);
    if (!job->kafka.brokers)
        return rwd_build_fail(b, place, "%s: with a file as source, kafka.brokers is needed; for example kafka: {brokers: \"localhost:9092\"}", name);
    for (size_t i = 0; i < count; i++)
        if (job->sinks[i].topic && strcmp(topic, job->sinks[i].topic) == 0)
            return rwd_build_fail(b, place, "%s: \"%s\" is already the topic of sinks[%zu]", name, topic, i);
    return true;
}

// C1: progress is committed in one place, together with all output.
static bool check_kind(rwd_job_build *b, rwd_place place, const char *name, bool topic, size_t count) {
    if (count == 0 || (b->job->sinks[0].topic != NULL) == topic) return true;
    return rwd_build_fail(b, place, "%s is a %s, and sinks[0] is a %s; outputs are committed together, so all of them must be topics or all files", name,
                          topic ? "topic" : "file", topic ? "file" : "topic");
}

static bool check_sink(rwd_job_build *b, const rwd_node *node, const rwd_job_sink *sink, size_t index) {
    char name[RWD_KEY_PATH_MAX];
    (void)snprintf(name, sizeof name, "sinks[%zu].%s", index, sink->topic ? "kafka.topic" : "file.path");
    rwd_place place = rwd_node_find(node, sink->topic ? "kafka.topic" : "file.path")->place;
    if (!check_kind(b, place, name, sink->topic != NULL, index)) return false;
    if (sink->topic) return check_topic(b, place, name, sink->topic, index);
    return check_output(b, place, name, sink->path, index);
}

static bool check_emit(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_job_sink *sink) {
    const rwd_schema *schema = &b->job->tables[sink->table].schema;
    if (sink->emit != RWD_EMIT_CLOSE || schema->window.kind != RWD_WINDOW_NONE) return true;
    return rwd_build_fail(b, rwd_node_member(node, "emit")->place, "%s.emit: table %s has no windows that could close; give it a `window`, or take emit: commit", name,
                          schema->name);
}

// ---- formats that are not text

// Can a raw value of this kind hold every value of the type?
static bool raw_holds(rwd_raw_type kind, rwd_type type) {
    switch (kind) {
    case RWD_RAW_TYPE_STRING: return true;
    case RWD_RAW_TYPE_INT64: return type == RWD_TYPE_INT;
    case RWD_RAW_TYPE_FLOAT64: return type == RWD_TYPE_FLOAT;
    case RWD_RAW_TYPE_BYTES: return type == RWD_TYPE_BYTES;
    case RWD_RAW_TYPE_INT32:
    case RWD_RAW_TYPE_NONE:
    case RWD_RAW_TYPE_COUNT: break;
    }
    return false;
}

static bool check_raw_sink(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_job_sink *sink) {
    const rwd_job_table *table = &b->job->tables[sink->table];
    const rwd_schema *schema = &table->schema;
    rwd_place place = rwd_node_member(node, "format")->place;
    if (!sink->topic) return rwd_build_fail(b, place, "%s.format: raw records have a key and a value, which a file has not; write them to a topic", name);
    if (schema->window.kind != RWD_WINDOW_NONE)
        return rwd_build_fail(b, place, "%s.format: a raw record has no place for the window of table %s; take json, csv or protobuf", name, schema->name);
    if (sink->column_count != 1)
        return rwd_build_fail(b, place, "%s: a raw value is one aggregate, and the sink has %zu; name one: fields: [%s]", name, sink->column_count,
                              rwd_job_table_column(table, sink->columns[0]).name);
    rwd_job_column column = rwd_job_table_column(table, sink->columns[0]);
    if (sink->raw_value == RWD_RAW_TYPE_NONE)
        return rwd_build_fail(b, place, "%s.raw.value is missing; for example raw: {key: string, value: string}", name);
    if (!raw_holds(sink->raw_value, column.type))
        return rwd_build_fail(b, place, "%s.raw.value: %s is no form of \"%s\", which has the type %s; value: string is", name,
                              rwd_raw_type_name(sink->raw_value), column.name, rwd_type_name(column.type));
    bool key_fits = sink->raw_key == RWD_RAW_TYPE_NONE || sink->raw_key == RWD_RAW_TYPE_STRING ||
                    (schema->part_count == 1 && raw_holds(sink->raw_key, schema->parts[0].type));
    return key_fits || rwd_build_fail(b, place, "%s.raw.key: %s is no form of the key of table %s; key: string is", name, rwd_raw_type_name(sink->raw_key),
                                      schema->name);
}

// Names of the row's own fields are taken.
static bool check_protobuf_sink(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_job_sink *sink) {
#define FIELD_NAME(id, number, field_name, type, doc) field_name,
    static const char *const taken[] = {RWD_ROW_FIELD_TABLE(FIELD_NAME)};
#undef FIELD_NAME
    const rwd_job_table *table = &b->job->tables[sink->table];
    const rwd_schema *schema = &table->schema;
    for (size_t i = 0; i < schema->part_count + rwd_job_table_columns(table); i++) {
        const char *field = i < schema->part_count ? schema->parts[i].name : rwd_job_table_column(table, i - schema->part_count).name;
        for (size_t t = 0; t < sizeof taken / sizeof *taken; t++)
            if (strcmp(field, taken[t]) == 0)
                return rwd_build_fail(b, rwd_node_member(node, "format")->place,
                                      "%s.format: \"%s\" of table %s is a name that rows of protobuf have for themselves; give it another name", name, field,
                                      schema->name);
    }
    return true;
}

static bool check_format(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_job_sink *sink) {
    if (sink->format == RWD_FORMAT_RAW) return check_raw_sink(b, node, name, sink);
    return sink->format != RWD_FORMAT_PROTOBUF || check_protobuf_sink(b, node, name, sink);
}

static bool build_sink(rwd_job_build *b, const rwd_node *node, size_t index) {
    char name[RWD_KEY_PATH_MAX];
    (void)snprintf(name, sizeof name, "sinks[%zu]", index);
    rwd_job_sink *sink = &b->job->sinks[index];
    return rwd_build_fill(b, "sinks[]", node, name, sink) && rwd_build_find_table(b, node, name, &sink->table) && check_emit(b, node, name, sink) && build_columns(b, node, name, sink) &&
           build_where(b, node, name, sink) &&
           rwd_build_applies(b, "sinks[]", node, name, sink) && check_format(b, node, name, sink) && check_sink(b, node, sink, index);
}

static bool check_dead_letters(rwd_job_build *b) {
    static const char file[] = "errors.dead_letter.file.path", topic[] = "errors.dead_letter.kafka.topic";
    const rwd_node *path_node = rwd_node_find(b->root, file), *topic_node = rwd_node_find(b->root, topic);
    size_t count = b->job->sink_count;
    if (path_node)
        return check_kind(b, path_node->place, file, false, count) && check_output(b, path_node->place, file, b->job->dead_letter_path, count);
    if (topic_node)
        return check_kind(b, topic_node->place, topic, true, count) && check_topic(b, topic_node->place, topic, b->job->dead_letter_topic, count);
    return true;
}

bool rwd_build_sinks(rwd_job_build *b) {
    const rwd_node *sinks = rwd_node_find(b->root, "sinks");
    b->job->sinks = rwd_calloc(sinks ? sinks->count : 0, sizeof *b->job->sinks);
    size_t index = 0;
    for (const rwd_node *node = sinks ? sinks->first : NULL; node; node = node->next) {
        b->job->sink_count++;
        if (!build_sink(b, node, index++)) return false;
    }
    return check_dead_letters(b);
}
