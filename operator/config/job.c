// A job from its file: the stages of job_private.h, one behind the other.
//
// What must stay true: a job is handed out whole or not at all; on any failure all that was made is freed.
#include "operator/config/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/fs.h"
#include "operator/config/job_private.h"
#include "operator/config/substitute.h"
#include "operator/config/yaml.h"

const char *rwd_format_name(rwd_format format) {
#define FORMAT_NAME(id, name, doc) name,
    static const char *const names[RWD_FORMAT_COUNT] = {RWD_FORMAT_TABLE(FORMAT_NAME)};
#undef FORMAT_NAME
    return (unsigned)format < RWD_FORMAT_COUNT ? names[format] : "?";
}

const char *rwd_raw_type_name(rwd_raw_type type) {
#define RAW_NAME(id, name, doc) name,
    static const char *const names[RWD_RAW_TYPE_COUNT] = {RWD_RAW_TABLE(RAW_NAME)};
#undef RAW_NAME
    return (unsigned)type < RWD_RAW_TYPE_COUNT ? names[type] : "?";
}

bool rwd_build_fail(rwd_job_build *b, rwd_place place, const char *cause_format, ...) {
    char cause[2 * sizeof b->err->cause];  // rwd_fail cuts it at a character
    va_list args;
    va_start(args, cause_format);
    (void)vsnprintf(cause, sizeof cause, cause_format, args);
    va_end(args);
    rwd_fail(b->err, RWD_E_CONFIG, "%s", cause);
    return rwd_place_error(b->err, b->file, place);
}

void rwd_names_append(rwd_buf *out, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) rwd_buf_appendf(out, "%s%s", i ? ", " : "", names[i]);
}

// ---- members from keys

const char *rwd_key_below(const rwd_key *key, const char *prefix) {
    size_t size = strlen(prefix);
    if (rwd_key_is_container(key) || strncmp(key->path, prefix, size) != 0) return NULL;
    const char *rest = key->path + size;
    if (size > 0 && *rest++ != '.') return NULL;
    return strpbrk(rest, "*[") ? NULL : rest;
}

bool rwd_build_fill(rwd_job_build *b, const char *prefix, const rwd_node *node, const char *name, void *base) {
    const rwd_key *key;
    for (size_t i = 0; (key = rwd_key_at(i)); i++) {
        const char *below = rwd_key_below(key, prefix);
        if (!below || key->size == 0) continue;
        const rwd_node *given = rwd_node_find(node, below);
        const char *text = given ? given->text : key->fallback;
        char path[RWD_KEY_PATH_MAX];
        (void)snprintf(path, sizeof path, "%s%s%s", name, name[0] ? "." : "", below);
        if (!text || rwd_key_read(key, path, text, base, b->err)) continue;
        return given && rwd_place_error(b->err, b->file, given->place);
    }
    return true;
}

bool rwd_build_applies(rwd_job_build *b, const char *prefix, const rwd_node *node, const char *name, const void *base) {
    const rwd_key *key;
    size_t size = strlen(prefix);
    for (size_t i = 1; (key = rwd_key_at(i)); i++) {
        if (!key->applies || !key->only || strncmp(key->path, prefix, size) != 0) continue;
        const char *below = key->path + size + (size > 0);
        if (strpbrk(below, "*[")) continue;
        const rwd_node *given = rwd_node_find(node, below);
        if (given && !key->applies(b->job, base))
            return rwd_build_fail(b, given->key_place, "%s%s%s has a meaning only %s", name, name[0] ? "." : "", below, key->only);
    }
    return true;
}

// ---- the stages

bool rwd_job_build_tree(rwd_job_build *b) {
    rwd_job *job = b->job;
    if (!rwd_build_check(b)) return false;
    if (!rwd_build_fill(b, "", b->root, "", job)) return false;
    if (job->delivery.offset_multiple > 0) job->delivery.commit_every_ns = 0;
    if (!rwd_build_plugins(b) || !rwd_build_source(b) || !rwd_build_event(b)) return false;
    if (!rwd_build_tables(b) || !rwd_build_invariants(b) || !rwd_build_sinks(b) || !rwd_build_applies(b, "", b->root, "", job)) return false;
    rwd_job_fingerprint(job);
    return true;
}

static bool build(rwd_job_build *b, rwd_slice text, const rwd_override *overrides, size_t count) {
    return rwd_yaml_parse(b->file, text, &b->arena, &b->root, b->err) && rwd_substitute(b->file, b->root, &b->arena, b->err) &&
           rwd_build_override(b, overrides, count) && rwd_job_build_tree(b);
}

void rwd_job_build_init(rwd_job_build *b, const char *name) {
    b->file = name;
    b->job = rwd_calloc(1, sizeof *b->job);
    b->job->file = rwd_strdup(name);
    b->job->source.start = (rwd_start){.offset = -1, .time_us = RWD_TIME_NONE};
}

bool rwd_job_parse(const char *name, rwd_slice text, const rwd_override *overrides, size_t override_count, rwd_job **out,
                   rwd_error *err) {
    rwd_job_build b = {.err = err};
    rwd_error unasked;
    if (!err) b.err = &unasked;
    rwd_error_clear(b.err);
    rwd_job_build_init(&b, name);
    bool worked = build(&b, text, overrides, override_count);
    rwd_arena_deinit(&b.arena);
    if (worked) *out = b.job;
    else rwd_job_free(b.job);
    return worked;
}

bool rwd_job_load(const char *file, const rwd_override *overrides, size_t override_count, rwd_job **out, rwd_error *err) {
    rwd_buf text = {0};
    if (!rwd_path_exists(file)) {
        rwd_fail(err, RWD_E_CONFIG, "there is no such job file");
        return rwd_error_at(err, "%s", file);
    }
    bool worked = rwd_read_file(file, RWD_YAML_BYTES_MAX, &text, err);
    if (worked) worked = rwd_job_parse(file, rwd_buf_slice(&text), overrides, override_count, out, err);
    else if (err && err->code == RWD_E_TOO_LARGE) {
        rwd_fail(err, RWD_E_CONFIG, "this is no job file: it is larger than %zu bytes", RWD_YAML_BYTES_MAX);
        rwd_error_at(err, "%s", file);
    }
    rwd_buf_deinit(&text);
    return worked;
}

static void free_table(rwd_job_table *table) {
    rwd_zone_free(table->window.zone.named);
    for (size_t i = 0; i < table->derived_count; i++) {
        free(table->derived[i].name);
        rwd_expr_free(table->derived[i].expr);
    }
    rwd_schema_deinit(&table->schema);
}

rwd_job_column rwd_job_table_column(const rwd_job_table *table, size_t index) {
    if (index < table->schema.column_count) {
        const rwd_column *column = &table->schema.columns[index];
        return (rwd_job_column){column->name, rwd_column_type(column), rwd_column_scale(column), rwd_column_is_list(column)};
    }
    const rwd_job_derived *derived = &table->derived[index - table->schema.column_count];
    return (rwd_job_column){derived->name, rwd_expr_type(derived->expr), (uint8_t)rwd_expr_scale(derived->expr), false};
}

void rwd_job_free(rwd_job *job) {
    if (!job) return;
    for (size_t i = 0; i < job->event.field_count; i++) {
        free(job->event.fields[i].name);
        free(job->event.fields[i].path);
        free(job->event.fields[i].default_text);
        free(job->event.fields[i].default_bytes);
        rwd_zone_free(job->event.fields[i].time.zone.named);
    }
    for (size_t i = 0; i < job->event.expr_count; i++) rwd_expr_free(job->event.exprs[i]);
    free(job->event.exprs);
    rwd_arena_deinit(&job->event.texts);
    for (size_t i = 0; i < job->table_count; i++) free_table(&job->tables[i]);
    for (size_t i = 0; i < job->plugins.file_count; i++) free(job->plugins.files[i]);
    free(job->plugins.files);
    free(job->plugins.folder);
    free(job->plugins.functions);
    rwd_plugins_free(job->plugins.loaded);
    free(job->source.decoder);
    for (size_t i = 0; i < job->invariant_count; i++) rwd_expr_free(job->invariants[i].check);
    free(job->invariants);
    for (size_t i = 0; i < job->sink_count; i++) {
        free(job->sinks[i].path);
        free(job->sinks[i].topic);
        free(job->sinks[i].columns);
        rwd_expr_free(job->sinks[i].where);
    }
    for (size_t i = 0; i < job->kafka.property_count; i++) {
        free(job->kafka.properties[i].name);
        free(job->kafka.properties[i].value);
        free(job->kafka.properties[i].written);
    }
    free(job->kafka.properties);
    free(job->kafka.brokers);
    free(job->group);
    free(job->source.topic);
    free(job->source.descriptor);
    free(job->source.message);
    rwd_descriptor_free(job->source.types);
    free(job->dead_letter_topic);
    free(job->event.each);
    free(job->event.fields);
    free(job->tables);
    free(job->sinks);
    free(job->file);
    free(job->name);
    free(job->source.path);
    free(job->dead_letter_path);
    free(job->state.path);
    free(job->http.host);
    free(job->logic_text);
    free(job->sinks_text);
    free(job);
}

bool rwd_job_commits_to_kafka(const rwd_job *job) {
    return job->sink_count > 0 ? job->sinks[0].topic != NULL : job->dead_letter_topic != NULL;
}

void rwd_job_partition_text(const rwd_job *job, char out[RWD_PARTITION_TEXT]) {
    (void)snprintf(out, RWD_PARTITION_TEXT, "%u", job->source.topic ? job->source.partition : 0);
}

bool rwd_job_data_path(const rwd_job *job, char out[4096], rwd_error *err) {
    char job_path[RWD_PATH_MAX], partition[RWD_PARTITION_TEXT];
    rwd_job_partition_text(job, partition);
    return rwd_path_join(job_path, job->state.path, job->name, err) && rwd_path_join(out, job_path, partition, err);
}
