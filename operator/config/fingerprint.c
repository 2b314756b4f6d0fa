// The fingerprints of a job (L4): what decides a step's result, and what decides what is published, each as text of one form and
// its hash.
//
// One fact a line, texts quoted as in JSON, so that two jobs differ in a line that a person can read. What is not here (path of the
// source, folders of outputs, memory, cadences) never changes a result.
#include <inttypes.h>
#include <string.h>

#include "operator/base/fs.h"
#include "operator/base/json_out.h"
#include "operator/config/keys.h"
#include "operator/config/job_private.h"

#define FINGERPRINT_FORMAT 1  // of these texts; raised when their form changes

static void quote(rwd_buf *out, const char *text) { rwd_json_quote(out, rwd_slice_str(text)); }

// " name=VALUE" of the key at `path`, as `config print` writes it.
static void put_key(rwd_buf *out, const char *path, const void *base) {
    rwd_buf text = {0};
    const rwd_key *key = rwd_key_by_path(path);
    rwd_buf_appendf(out, " %s=", rwd_key_name(key));
    if (rwd_key_text(key, base, &text)) rwd_json_quote(out, rwd_buf_slice(&text));
    rwd_buf_deinit(&text);
}

static void put_source(const rwd_job *job, rwd_buf *out) {
    rwd_buf_append_str(out, "source");
    put_key(out, "source.format", job);
    if (job->source.format == RWD_FORMAT_CSV) {
        put_key(out, "source.csv.header", job);
        put_key(out, "source.csv.delimiter", job);
    }
    if (job->source.format == RWD_FORMAT_PROTOBUF) {
        char hash[RWD_HASH128_HEX];
        rwd_hash128_hex(rwd_descriptor_hash(job->source.types), hash);
        rwd_buf_appendf(out, " descriptor=%s", hash);
        put_key(out, "source.protobuf.message", job);
        put_key(out, "source.protobuf.framing", job);
    }
    if (job->source.format == RWD_FORMAT_RAW) {
        put_key(out, "source.raw.key", job);
        put_key(out, "source.raw.value", job);
    }
    if (job->source.format == RWD_FORMAT_PLUGIN) put_key(out, "source.plugin.decoder", job);
    if (job->source.topic) put_key(out, "source.tombstone", job);  // and records have a time of their own
    rwd_buf_append_char(out, '\n');
}

// Where the files are does not matter.
static void put_plugins(const rwd_job *job, rwd_buf *out) {
    for (size_t i = 0; i < rwd_plugins_count(job->plugins.loaded); i++) {
        const rwd_plugin_facts *plugin = rwd_plugins_at(job->plugins.loaded, i);
        char hash[RWD_HASH128_HEX];
        rwd_hash128_hex(plugin->hash, hash);
        rwd_buf_append_str(out, "plugin ");
        quote(out, plugin->name);
        rwd_buf_appendf(out, " abi=%d hash=%s\n", RWD_PLUGIN_ABI, hash);
    }
}

// L4: what its clocks show decides what a text means.
static void put_zone_data(rwd_buf *out, const rwd_zone *zone) {
    char hex[RWD_HASH128_HEX];
    if (!zone) return;
    rwd_hash128_hex(rwd_zone_hash(zone), hex);
    rwd_buf_appendf(out, " zone-data=%s", hex);
}

static void put_event(const rwd_job *job, rwd_buf *out) {
    rwd_buf_append_str(out, "event");
    put_key(out, "event.max_size", job);
    if (job->event.each) put_key(out, "event.each", job);
    if (job->event.missing != RWD_MISSING_DEAD_LETTER) put_key(out, "event.missing", job);
    if (job->event.late != RWD_LATE_DEAD_LETTER) put_key(out, "event.late", job);
    if (job->event.within_us > 0) {
        rwd_buf_append_str(out, " id=");
        quote(out, job->event.fields[job->event.id_field].name);
        put_key(out, "event.dedup.within", job);
        put_key(out, "event.dedup.duplicates", job);
    }
    if (job->event.time_field >= 0) {
        rwd_buf_append_str(out, " time=");
        quote(out, job->event.fields[job->event.time_field].name);
        put_key(out, "event.time.ahead", job);
    }
    rwd_buf_append_char(out, '\n');
    for (size_t i = 0; i < job->event.field_count; i++) {
        const rwd_field *field = &job->event.fields[i];
        rwd_buf_append_str(out, field->hidden ? "time " : "field ");
        quote(out, field->name);
        put_key(out, "event.fields.*.type", field);
        put_key(out, "event.fields.*.path", field);
        if (field->type == RWD_TYPE_TIME) put_key(out, "event.fields.*.format", field);
        if (field->time.zone.fixed_s != 0 || field->time.zone.named) put_key(out, "event.fields.*.zone", field);
        put_zone_data(out, field->time.zone.named);
        if (field->optional) rwd_buf_append_str(out, " optional");
        if (field->default_text) put_key(out, "event.fields.*.default", field);
        rwd_buf_append_char(out, '\n');
    }
}

// Nothing where `text` is NULL.
static void put_text(rwd_buf *out, const char *before, const char *text) {
    if (!text) return;
    rwd_buf_append_str(out, before);
    quote(out, text);
}

// The start of a window reads nothing, and a plain field needs no text beside its name.
static bool is_named_after(const rwd_job_table *table, size_t part, const rwd_job *job) {
    int16_t slot = table->key[part].slot;
    return slot < 0 || (slot < (int16_t)job->event.field_count && strcmp(job->event.fields[slot].name, table->schema.parts[part].name) == 0);
}

static void put_table(const rwd_job_table *table, const rwd_job *job, rwd_buf *out) {
    rwd_buf_append_str(out, "table ");
    quote(out, table->schema.name);
    rwd_buf_append_str(out, " key=");
    for (size_t i = 0; i < table->schema.part_count; i++) {
        if (i > 0) rwd_buf_append_char(out, ',');
        quote(out, table->schema.parts[i].name);
        put_text(out, "=", is_named_after(table, i, job) ? NULL : table->key[i].text);
    }
    put_text(out, " where=", table->where.text);
    if (table->schema.window.kind != RWD_WINDOW_NONE) {
        const rwd_window *w = &table->schema.window;
        if (w->kind == RWD_WINDOW_SESSION) rwd_buf_append_str(out, " session");
        rwd_buf_appendf(out, " window=%" PRId64 "/%" PRId64 "+%" PRId64 " grace=%" PRId64 " retain=%" PRId64, w->size, w->advance, w->offset, w->grace, w->retain);
        put_zone_data(out, w->zone);
    }
    rwd_buf_append_char(out, '\n');
    for (size_t i = 0; i < table->schema.column_count; i++) {
        rwd_buf_append_str(out, "aggregate ");
        quote(out, table->schema.columns[i].name);
        rwd_buf_appendf(out, " %s(", table->schema.columns[i].aggregate->name);
        put_text(out, "", table->args[i].text);
        rwd_column_arguments(&table->schema.columns[i], NULL, out);
        rwd_buf_append_char(out, ')');
        put_text(out, " where=", table->conditions[i].text);
        rwd_buf_append_char(out, '\n');
    }
}

// An output is known by its file's name: where its folder stands does not change what is published.
static void put_output(rwd_buf *out, const char *path, const char *topic) {
    rwd_buf_append_str(out, topic ? " topic=" : " file=");
    quote(out, topic ? topic : rwd_path_name(path));
}

// Derived columns decide what is published, and nothing else.
static void put_derived(const rwd_job_table *table, const rwd_job *job, rwd_buf *out) {
    bool published = false;
    for (size_t i = 0; i < job->sink_count; i++) published |= &job->tables[job->sinks[i].table] == table;
    for (size_t i = 0; published && i < table->derived_count; i++) {
        rwd_buf_append_str(out, "derived table=");
        quote(out, table->schema.name);
        put_text(out, " ", table->derived[i].name);
        put_text(out, "=", rwd_expr_text(table->derived[i].expr));
        rwd_buf_append_char(out, '\n');
    }
}

static void put_sink(const rwd_job_sink *sink, const rwd_job *job, rwd_buf *out) {
    const rwd_job_table *table = &job->tables[sink->table];
    const rwd_schema *schema = &table->schema;
    rwd_buf_append_str(out, "sink table=");
    quote(out, schema->name);
    put_output(out, sink->path, sink->topic);
    put_key(out, "sinks[].format", sink);
    put_key(out, "sinks[].emit", sink);
    if (sink->partition != RWD_PARTITIONER_MURMUR2) put_key(out, "sinks[].kafka.partition", sink);
    if (sink->format == RWD_FORMAT_RAW) {
        put_key(out, "sinks[].raw.key", sink);
        put_key(out, "sinks[].raw.value", sink);
    }
    rwd_buf_append_str(out, " fields=");
    for (size_t i = 0; i < sink->column_count; i++) {
        if (i > 0) rwd_buf_append_char(out, ',');
        quote(out, rwd_job_table_column(table, sink->columns[i]).name);
    }
    put_text(out, " where=", sink->where ? rwd_expr_text(sink->where) : NULL);
    rwd_buf_append_char(out, '\n');
}

// The buffer's bytes become the job's.
static char *finish(rwd_buf *text, rwd_hash128 *out_hash) {
    *out_hash = rwd_hash128_of(text->data, text->size, 0);
    rwd_buf_append_char(text, '\0');
    return (char *)text->data;
}

void rwd_job_fingerprint(rwd_job *job) {
    rwd_buf logic = {0}, sinks = {0};
    rwd_buf_appendf(&logic, "logic %d step=%d\n", FINGERPRINT_FORMAT, RWD_STEP_VERSION);
    put_plugins(job, &logic);
    put_source(job, &logic);
    put_event(job, &logic);
    for (size_t i = 0; i < job->table_count; i++) put_table(&job->tables[i], job, &logic);
    job->logic_text = finish(&logic, &job->logic);

    rwd_buf_appendf(&sinks, "sinks %d\n", FINGERPRINT_FORMAT);
    for (size_t i = 0; i < job->table_count; i++) put_derived(&job->tables[i], job, &sinks);
    for (size_t i = 0; i < job->sink_count; i++) put_sink(&job->sinks[i], job, &sinks);
    // Where dead letters go decides nothing that is published: a job that stopped for want of a place gets one and goes on.
    job->sinks_text = finish(&sinks, &job->sinks_hash);
}
