// The tables of a job: keys, conditions and windows; their aggregates are in build_aggregates.c.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/words.h"
#include "operator/config/job_private.h"
#include "state/sessions.h"

// A member of every output row says that a key vanished.
static const char deleted[] = "deleted";

bool rwd_build_row_name(rwd_job_build *b, rwd_place place, const char *name, const char *word) {
    if (strcmp(word, RWD_WINDOW_START) == 0 || strcmp(word, RWD_WINDOW_END) == 0)
        return rwd_build_fail(b, place, "%s: the name \"%s\" is taken: rows of tables with windows have it", name, word);
    if (strcmp(word, deleted) != 0) return true;
    return rwd_build_fail(b, place, "%s: the name \"%s\" is taken: it marks rows whose key vanished", name, deleted);
}

// ---- keys

// "{NAME: lower(country), kind: kind}": the key as it would be written with names.
static void named_form(const rwd_job *job, const rwd_node *list, rwd_buf *out) {
    char word[RWD_EXCERPT_MAX];
    for (const rwd_node *item = list->first; item; item = item->next) {
        rwd_buf_append_str(out, item == list->first ? "{" : ", ");
        rwd_buf_appendf(out, "%s: %s", rwd_job_field(job, item->text) >= 0 ? item->text : "NAME", rwd_excerpt(item->text, word));
    }
    rwd_buf_append_char(out, '}');
}

static bool unnamed(rwd_job_build *b, const rwd_node *list, const rwd_node *item, const char *name) {
    rwd_buf form = {0};
    char word[RWD_EXCERPT_MAX];
    named_form(b->job, list, &form);
    rwd_build_fail(b, item->place, "%s: \"%s\" is no plain field, so it needs a name in rows; write: key: %s", name, rwd_excerpt(item->text, word),
                   rwd_buf_cstr(&form));
    rwd_buf_deinit(&form);
    return false;
}

static bool build_part(rwd_job_build *b, const rwd_node *list, const rwd_node *item, const char *name, rwd_job_table *out) {
    rwd_type type;
    uint8_t scale;
    rwd_job_use *use = &out->key[out->schema.part_count];
    if (!rwd_build_use(b, item, rwd_span_of(item), name, use, &type, &scale)) return false;
    bool plain = use->slot < (int16_t)b->job->event.field_count;
    if (!item->key && !plain) return unnamed(b, list, item, name);
    const char *part = item->key ? item->key : b->job->event.fields[use->slot].name;
    rwd_place place = item->key ? item->key_place : item->place;
    return rwd_build_row_name(b, place, name, part) &&
           (rwd_schema_add_part(&out->schema, part, type, scale, b->err) || rwd_place_error(b->err, b->file, place));
}

static bool build_key(rwd_job_build *b, const rwd_node *table, rwd_job_table *out) {
    char name[RWD_KEY_PATH_MAX], part[2 * RWD_KEY_PATH_MAX];
    (void)snprintf(name, sizeof name, "tables.%s.key", table->key);
    const rwd_node *list = rwd_node_member(table, "key");
    for (const rwd_node *item = list->first; item; item = item->next) {
        (void)snprintf(part, sizeof part, "%s%s%.200s", name, item->key ? "." : "", item->key ? item->key : "");
        if (!build_part(b, list, item, part, out)) return false;
    }
    return true;
}

static bool build_where(rwd_job_build *b, const rwd_node *table, rwd_job_table *out) {
    char name[RWD_KEY_PATH_MAX];
    (void)snprintf(name, sizeof name, "tables.%s.where", table->key);
    const rwd_node *where = rwd_node_member(table, "where");
    out->where.slot = -1;
    return !where || rwd_build_condition(b, where, rwd_span_of(where), name, &out->where);
}

// ---- windows

static bool has_time(rwd_job_build *b, const rwd_node *window, const char *name) {
    if (b->job->event.time_field >= 0 || b->job->source.topic) return true;
    return rwd_build_fail(b, window->place, "%s: windows need to know when an event happened; give event.time, for example time: {field: ts, format: epoch-ms}", name);
}

static bool check_window(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_window *window) {
    if (window->advance > window->size)
        return rwd_build_fail(b, rwd_node_member(node, "advance")->place, "%s.advance: is longer than the windows, so events between them would be in none", name);
    if (rwd_window_overlap(window) > RWD_WINDOWS_PER_EVENT_MAX)
        return rwd_build_fail(b, rwd_node_member(node, "advance")->place, "%s.advance: an event would be in %lld windows; at most %d are supported", name,
                              (long long)rwd_window_overlap(window), RWD_WINDOWS_PER_EVENT_MAX);
    if (!rwd_window_grace_fits(window))
        return rwd_build_fail(b, rwd_node_member(node, "grace")->place, "%s.grace: is %lld times the gap that ends a session; less than %d times is supported, since so many sessions of a "
                              "key could be open at a time", name, (long long)(window->grace / window->size), RWD_SESSION_GRACE_MAX);
    const rwd_node *retain = rwd_node_member(node, "retain");
    if (window->retain < window->grace)
        return rwd_build_fail(b, (retain ? retain : node)->place, "%s.retain: is shorter than grace: a window would leave before it closes", name);
    return true;
}

static bool build_window(rwd_job_build *b, const rwd_node *table, rwd_job_table *out) {
    char name[RWD_KEY_PATH_MAX];
    (void)snprintf(name, sizeof name, "tables.%s.window", table->key);
    const rwd_node *node = rwd_node_member(table, "window");
    if (!node) return true;
    if (!has_time(b, node, name)) return false;
    bool hops = out->window.hopping_us > 0, sessions = out->window.session_us > 0;
    if (hops && out->window.advance_us == 0)
        return rwd_build_fail(b, node->place, "%s.advance is missing; for example window: {hopping: 1h, advance: 5m}", name);
    rwd_window window = {
        .kind = sessions ? RWD_WINDOW_SESSION : hops ? RWD_WINDOW_HOPPING : RWD_WINDOW_TUMBLING,
        .size = sessions ? out->window.session_us : hops ? out->window.hopping_us : out->window.tumbling_us,
        .grace = out->window.grace_us, .retain = out->window.retain_us, .offset = out->window.offset_us,
    };
    window.offset -= (int64_t)out->window.zone.fixed_s * 1000000;
    window.zone = out->window.zone.named;
    window.advance = hops ? out->window.advance_us : window.size;
    if (!check_window(b, node, name, &window)) return false;
    out->key[out->schema.part_count].slot = -1;
    if (!rwd_schema_add_window(&out->schema, &window, b->err)) return rwd_place_error(b->err, b->file, node->place);
    return true;
}

// ---- derived columns

static bool name_is_taken(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_job_table *table) {
    const rwd_schema *schema = &table->schema;
    for (size_t i = 0; i < schema->part_count; i++)
        if (strcmp(schema->parts[i].name, node->key) == 0)
            return !rwd_build_fail(b, node->key_place, "%s: \"%s\" is a part of the key; take another name", name, node->key);
    for (size_t i = 0; i < schema->column_count; i++)
        if (strcmp(schema->columns[i].name, node->key) == 0)
            return !rwd_build_fail(b, node->key_place, "%s: \"%s\" is an aggregate; take another name", name, node->key);
    return false;
}

static bool build_derived(rwd_job_build *b, const rwd_node *table, rwd_job_table *out) {
    char name[RWD_KEY_PATH_MAX];
    const rwd_node *map = rwd_node_member(table, "derived");
    for (const rwd_node *node = map ? map->first : NULL; node; node = node->next) {
        rwd_expr *expr;
        (void)snprintf(name, sizeof name, "tables.%s.derived.%s", table->key, node->key);
        if (!rwd_build_row_name(b, node->key_place, name, node->key) || name_is_taken(b, node, name, out)) return false;
        if (!rwd_build_row_expr(b, node, name, out, &expr)) return false;
        out->derived[out->derived_count++] = (rwd_job_derived){.name = rwd_strdup(node->key), .expr = expr};
    }
    return true;
}

static bool build_table(rwd_job_build *b, const rwd_node *node, rwd_job_table *out) {
    char path[RWD_KEY_PATH_MAX];
    (void)snprintf(path, sizeof path, "tables.%s", node->key);
    if (!rwd_build_fill(b, "tables.*", node, path, out) || !rwd_build_applies(b, "tables.*", node, path, out)) return false;
    return build_key(b, node, out) && build_where(b, node, out) && build_window(b, node, out) && rwd_build_aggregates(b, node, out) && build_derived(b, node, out);
}

// Lists of open sessions have the numbers behind those of the tables.
static bool number_sessions(rwd_job_build *b, rwd_place place) {
    size_t next = b->job->table_count;
    for (size_t i = 0; i < b->job->table_count; i++)
        if (b->job->tables[i].schema.window.kind == RWD_WINDOW_SESSION) b->job->tables[i].schema.sessions = (uint16_t)next++;
    return next <= RWD_TABLES_MAX || rwd_build_fail(b, place, "tables: %zu, and %zu of them have sessions: together at most %d are possible", b->job->table_count,
                                                    next - b->job->table_count, RWD_TABLES_MAX);
}

size_t rwd_job_schemas(const rwd_job *job, rwd_schema *out) {
    size_t count = job->table_count;
    for (size_t i = 0; i < job->table_count; i++) {
        out[i] = job->tables[i].schema;
        if (out[i].window.kind != RWD_WINDOW_SESSION) continue;
        assert(out[i].sessions == count);
        rwd_sessions_schema(&out[i], out[i].sessions, &out[count]);
        count++;
    }
    return count;
}

bool rwd_build_tables(rwd_job_build *b) {
    const rwd_node *tables = rwd_node_find(b->root, "tables");
    b->job->tables = rwd_calloc(tables->count, sizeof *b->job->tables);
    for (const rwd_node *node = tables->first; node; node = node->next) {
        rwd_job_table *table = &b->job->tables[b->job->table_count];
        rwd_schema_init(&table->schema, (uint16_t)b->job->table_count++, node->key);
        if (!build_table(b, node, table)) return false;
    }
    return number_sessions(b, tables->key_place);
}

// ---- the table that others speak of

static size_t table_names(const rwd_job *job, const char *out[RWD_TABLES_MAX]) {
    for (size_t i = 0; i < job->table_count; i++) out[i] = job->tables[i].schema.name;
    return job->table_count;
}

bool rwd_build_find_table(rwd_job_build *b, const rwd_node *node, const char *name, uint16_t *out) {
    const char *names[RWD_TABLES_MAX];
    size_t count = table_names(b->job, names);
    const rwd_node *table = rwd_node_member(node, "table");
    *out = 0;
    if (!table && count == 1) return true;
    bool worked = false;
    rwd_buf list = {0};
    rwd_names_append(&list, names, count);
    if (!table) {
        rwd_build_fail(b, node->place, "%s.table is missing; there are %zu tables: %s", name, count, rwd_buf_cstr(&list));
    } else {
        size_t i = 0;
        while (i < count && strcmp(names[i], table->text) != 0) i++;
        worked = i < count;
        *out = (uint16_t)i;
    }
    if (table && !worked) {
        char word[RWD_EXCERPT_MAX];
        const char *nearest = rwd_nearest(table->text, names, count);
        rwd_excerpt(table->text, word);
        if (nearest) rwd_build_fail(b, table->place, "%s.table: unknown table \"%s\"; did you mean \"%s\"?", name, word, nearest);
        else rwd_build_fail(b, table->place, "%s.table: unknown table \"%s\"; there are: %s", name, word, rwd_buf_cstr(&list));
    }
    rwd_buf_deinit(&list);
    return worked;
}
