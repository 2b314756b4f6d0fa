// The way back: a job as the tree of a job file with all defaults filled in, one walk along the key table.
//
// What must stay true: rwd_job_parse of what is printed gives an equal job, whatever the environment holds (variables are escaped).
#include <stdlib.h>
#include <string.h>

#include "operator/config/job_private.h"
#include "operator/config/substitute.h"

static const rwd_place nowhere = {0};

static rwd_node *new_scalar(rwd_arena *arena, const char *text, bool bare) {
    rwd_buf escaped = {0};
    rwd_substitute_escape(text, &escaped);
    rwd_node *node = rwd_node_scalar(arena, rwd_buf_cstr(&escaped), nowhere);
    node->bare = bare;
    rwd_buf_deinit(&escaped);
    return node;
}

static rwd_node *new_node(rwd_arena *arena, rwd_node_kind kind) { return rwd_node_new(arena, kind, nowhere); }

static void put(rwd_arena *arena, rwd_node *map, const char *path, rwd_node *value) { rwd_node_set(arena, map, path, value, nowhere); }

// A member of `base` that has a text goes to `path` below `map`.
static void put_member(rwd_arena *arena, rwd_node *map, const char *path, const rwd_key *key, const rwd_job *job, const void *base) {
    if (key->size == 0 || (key->applies && !key->applies(job, base))) return;
    rwd_buf text = {0};
    if (rwd_key_text(key, base, &text)) put(arena, map, path, new_scalar(arena, rwd_buf_cstr(&text), rwd_key_is_bare(key)));
    rwd_buf_deinit(&text);
}

// All members of `base` whose keys stand below `prefix`.
static void put_members(rwd_arena *arena, rwd_node *map, const char *prefix, const rwd_job *job, const void *base) {
    const rwd_key *key;
    for (size_t i = 0; (key = rwd_key_at(i)); i++) {
        const char *below = rwd_key_below(key, prefix);
        if (below) put_member(arena, map, below, key, job, base);
    }
}

// ---- what users name

static rwd_node *fields_node(rwd_arena *arena, const rwd_job *job) {
    rwd_node *fields = new_node(arena, RWD_NODE_MAP);
    for (size_t i = 0; i < job->event.field_count; i++) {
        const rwd_field *field = &job->event.fields[i];
        if (field->hidden) continue;
        rwd_node *node = new_node(arena, RWD_NODE_MAP);
        put_members(arena, node, "event.fields.*", job, field);
        rwd_node *path = rwd_node_member(node, "path");
        if (path && strcmp(field->path, field->name) == 0) rwd_node_remove(node, path);
        if (node->count == 1) node = rwd_node_scalar(arena, node->first->text, nowhere);
        rwd_node_put(arena, fields, field->name, nowhere, node);
    }
    return fields;
}

// All parts are fields and have their names, so that a list says it all.
static bool key_is_plain(const rwd_job *job, const rwd_job_table *table) {
    const rwd_schema *schema = &table->schema;
    bool windowed = schema->window.kind != RWD_WINDOW_NONE;
    for (size_t i = 0; i + windowed < schema->part_count; i++) {
        int16_t slot = table->key[i].slot;
        if (slot >= (int16_t)job->event.field_count || strcmp(job->event.fields[slot].name, schema->parts[i].name) != 0) return false;
    }
    return true;
}

static rwd_node *table_node(rwd_arena *arena, const rwd_job *job, const rwd_job_table *table) {
    const rwd_schema *schema = &table->schema;
    rwd_node *node = new_node(arena, RWD_NODE_MAP), *key = new_node(arena, RWD_NODE_LIST), *aggregates = new_node(arena, RWD_NODE_MAP);
    bool windowed = schema->window.kind != RWD_WINDOW_NONE;
    if (key_is_plain(job, table)) {
        for (size_t i = 0; i + windowed < schema->part_count; i++) rwd_node_append(key, new_scalar(arena, table->key[i].text, false));
        if (key->count == 1) key = new_scalar(arena, table->key[0].text, false);
    } else {
        key = new_node(arena, RWD_NODE_MAP);
        for (size_t i = 0; i + windowed < schema->part_count; i++)
            rwd_node_put(arena, key, schema->parts[i].name, nowhere, new_scalar(arena, table->key[i].text, false));
    }
    for (size_t i = 0; i < schema->column_count; i++) {
        const rwd_column *column = &schema->columns[i];
        rwd_buf call = {0};
        rwd_buf_appendf(&call, "%s(", column->aggregate->name);
        rwd_column_arguments(column, table->args[i].text, &call);
        rwd_buf_append_char(&call, ')');
        if (table->conditions[i].text) rwd_buf_appendf(&call, " where %s", table->conditions[i].text);
        rwd_node_put(arena, aggregates, column->name, nowhere, new_scalar(arena, rwd_buf_cstr(&call), false));
        rwd_buf_deinit(&call);
    }
    put(arena, node, "key", key);
    if (table->where.text) put(arena, node, "where", new_scalar(arena, table->where.text, false));
    put_members(arena, node, "tables.*", job, table);
    put(arena, node, "aggregates", aggregates);
    rwd_node *derived = new_node(arena, RWD_NODE_MAP);
    for (size_t i = 0; i < table->derived_count; i++)
        rwd_node_put(arena, derived, table->derived[i].name, nowhere, new_scalar(arena, rwd_expr_text(table->derived[i].expr), false));
    if (derived->count > 0) put(arena, node, "derived", derived);
    return node;
}

static rwd_node *tables_node(rwd_arena *arena, const rwd_job *job) {
    rwd_node *tables = new_node(arena, RWD_NODE_MAP);
    for (size_t i = 0; i < job->table_count; i++)
        rwd_node_put(arena, tables, job->tables[i].schema.name, nowhere, table_node(arena, job, &job->tables[i]));
    return tables;
}

static rwd_node *invariants_node(rwd_arena *arena, const rwd_job *job) {
    if (job->invariant_count == 0) return NULL;
    rwd_node *invariants = new_node(arena, RWD_NODE_LIST);
    for (size_t i = 0; i < job->invariant_count; i++) {
        const rwd_job_invariant *invariant = &job->invariants[i];
        rwd_node *node = new_node(arena, RWD_NODE_MAP);
        put(arena, node, "table", new_scalar(arena, job->tables[invariant->table].schema.name, false));
        put(arena, node, "check", new_scalar(arena, rwd_expr_text(invariant->check), false));
        put_members(arena, node, "invariants[]", job, invariant);
        rwd_node_append(invariants, node);
    }
    return invariants;
}

static rwd_node *sinks_node(rwd_arena *arena, const rwd_job *job) {
    rwd_node *sinks = new_node(arena, RWD_NODE_LIST);
    for (size_t i = 0; i < job->sink_count; i++) {
        const rwd_job_sink *sink = &job->sinks[i];
        const rwd_job_table *table = &job->tables[sink->table];
        rwd_node *node = new_node(arena, RWD_NODE_MAP), *columns = new_node(arena, RWD_NODE_LIST);
        put(arena, node, "table", new_scalar(arena, table->schema.name, false));
        put_members(arena, node, "sinks[]", job, sink);
        for (size_t c = 0; c < sink->column_count; c++)
            rwd_node_append(columns, new_scalar(arena, rwd_job_table_column(table, sink->columns[c]).name, false));
        put(arena, node, "fields", columns);
        if (sink->where) put(arena, node, "where", new_scalar(arena, rwd_expr_text(sink->where), false));
        rwd_node_append(sinks, node);
    }
    return sinks;
}

// Values as they were written: what variables brought may be secret.
static rwd_node *properties_node(rwd_arena *arena, const rwd_job *job) {
    if (job->kafka.property_count == 0) return NULL;
    rwd_node *map = new_node(arena, RWD_NODE_MAP);
    for (size_t i = 0; i < job->kafka.property_count; i++) {
        const rwd_kafka_property *property = &job->kafka.properties[i];
        rwd_node *value = property->written ? rwd_node_scalar(arena, property->written, nowhere) : new_scalar(arena, property->value, false);
        rwd_node_put(arena, map, property->name, nowhere, value);
    }
    return map;
}

static rwd_node *source_properties_node(rwd_arena *arena, const rwd_job *job) { return job->source.topic ? properties_node(arena, job) : NULL; }
static rwd_node *sink_properties_node(rwd_arena *arena, const rwd_job *job) { return job->source.topic ? NULL : properties_node(arena, job); }

static const rwd_field *time_field(const rwd_job *job) {
    return job->event.time_field < 0 ? NULL : &job->event.fields[job->event.time_field];
}

static rwd_node *time_field_node(rwd_arena *arena, const rwd_job *job) {
    return time_field(job) ? new_scalar(arena, time_field(job)->name, false) : NULL;
}

static rwd_node *id_node(rwd_arena *arena, const rwd_job *job) {
    return job->event.id_field < 0 ? NULL : new_scalar(arena, job->event.fields[job->event.id_field].name, false);
}

// How a time is written is a property of the field, so the row of the fields says it.
static rwd_node *time_format_node(rwd_arena *arena, const rwd_job *job) {
    if (!time_field(job) || !time_field(job)->hidden) return NULL;
    rwd_buf text = {0};
    rwd_node *node = NULL;
    const rwd_key *format = rwd_key_by_path("event.fields.*.format");
    if (rwd_key_text(format, time_field(job), &text)) node = new_scalar(arena, rwd_buf_cstr(&text), false);
    rwd_buf_deinit(&text);
    return node;
}

static rwd_node *time_zone_node(rwd_arena *arena, const rwd_job *job) {
    if (!time_field(job) || !time_field(job)->hidden || !rwd_time_lacks_zone(&time_field(job)->time)) return NULL;
    rwd_buf text = {0};
    rwd_node *node = NULL;
    if (rwd_key_text(rwd_key_by_path("event.fields.*.zone"), time_field(job), &text)) node = new_scalar(arena, rwd_buf_cstr(&text), false);
    rwd_buf_deinit(&text);
    return node;
}

static rwd_node *plugin_files_node(rwd_arena *arena, const rwd_job *job) {
    if (job->plugins.file_count == 0) return NULL;
    rwd_node *list = new_node(arena, RWD_NODE_LIST);
    for (size_t i = 0; i < job->plugins.file_count; i++) rwd_node_append(list, new_scalar(arena, job->plugins.files[i], false));
    return list;
}

// ---- the walk

// Keys that are more than a member of the job.
static const struct {
    const char *path;
    rwd_node *(*make)(rwd_arena *arena, const rwd_job *job);
} made_by_hand[] = {
    {"source.kafka.properties", source_properties_node},
    {"kafka.properties", sink_properties_node},
    {"plugins.files", plugin_files_node},
    {"event.id", id_node},
    {"event.time.field", time_field_node},
    {"event.time.format", time_format_node},
    {"event.time.zone", time_zone_node},
    {"event.fields", fields_node},
    {"tables", tables_node},
    {"invariants", invariants_node},
    {"sinks", sinks_node},
};

static rwd_node *job_node(rwd_arena *arena, const rwd_job *job) {
    rwd_node *root = new_node(arena, RWD_NODE_MAP);
    const rwd_key *key;
    for (size_t i = 0; (key = rwd_key_at(i)); i++) {
        if (rwd_key_is_settable(key)) put_member(arena, root, key->path, key, job, job);
        for (size_t h = 0; h < sizeof made_by_hand / sizeof *made_by_hand; h++) {
            if (strcmp(made_by_hand[h].path, key->path) != 0) continue;
            rwd_node *node = made_by_hand[h].make(arena, job);
            if (node) put(arena, root, key->path, node);
        }
    }
    return root;
}

void rwd_job_print(const rwd_job *job, bool json, rwd_buf *out) {
    rwd_arena arena = {0};
    rwd_node *root = job_node(&arena, job);
    if (json) rwd_node_json(root, out);
    else rwd_node_yaml(root, out);
    rwd_arena_deinit(&arena);
}
