// The tables of a job: keys and aggregates, resolved against the declared fields.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/words.h"
#include "operator/config/job_private.h"
#include "state/aggregate.h"

#define AGGREGATES_MAX 64  // in the table of aggregates

// A member of every output row says that a key vanished.
static const char deleted[] = "deleted";

static bool check_row_name(rwd_job_build *b, rwd_place place, const char *name, const char *word) {
    if (strcmp(word, RWD_WINDOW_START) == 0 || strcmp(word, RWD_WINDOW_END) == 0)
        return rwd_build_fail(b, place, "%s: the name \"%s\" is taken: rows of tables with windows have it", name, word);
    if (strcmp(word, deleted) != 0) return true;
    return rwd_build_fail(b, place, "%s: the name \"%s\" is taken: it marks rows whose key vanished", name, deleted);
}

// ---- keys

static bool build_key(rwd_job_build *b, const rwd_node *table, rwd_job_table *out) {
    char name[RWD_KEY_PATH_MAX];
    (void)snprintf(name, sizeof name, "tables.%s.key", table->key);
    const rwd_node *list = rwd_node_member(table, "key");
    for (const rwd_node *item = list->first; item; item = item->next) {
        int index = rwd_job_field(b->job, item->text);
        if (index < 0) return rwd_build_unknown_field(b, item->place, name, item->text);
        if (!check_row_name(b, item->place, name, item->text)) return false;
        const rwd_field *field = &b->job->event.fields[index];
        out->key_fields[out->schema.part_count] = (int16_t)index;
        if (!rwd_schema_add_part(&out->schema, field->name, field->type, field->scale, b->err))
            return rwd_place_error(b->err, b->file, item->place);
    }
    return true;
}

// ---- aggregates

// "sum ( amount )" as its two words. The argument may be empty.
typedef struct call {
    char function[RWD_EXCERPT_MAX];
    char argument[RWD_KEY_PATH_MAX];
} call;

static bool copy_trimmed(const char *from, const char *end, char *out, size_t capacity) {
    while (from < end && (*from == ' ' || *from == '\t')) from++;
    while (end > from && (end[-1] == ' ' || end[-1] == '\t')) end--;
    size_t size = (size_t)(end - from);
    if (size >= capacity) return false;
    memmove(out, from, size);
    out[size] = '\0';
    return true;
}

static bool split_call(const char *text, call *out) {
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close || close < open || strspn(close + 1, " \t") != strlen(close + 1)) return false;
    return copy_trimmed(text, open, out->function, sizeof out->function) &&
           copy_trimmed(open + 1, close, out->argument, sizeof out->argument) && out->function[0] != '\0';
}

static bool not_a_call(rwd_job_build *b, const rwd_node *node, const char *name) {
    char word[RWD_EXCERPT_MAX];
    const rwd_aggregate *aggregate = rwd_aggregate_find(node->text);
    rwd_excerpt(node->text, word);
    if (aggregate) {
        rwd_buf arguments = {0};
        rwd_aggregate_arguments(aggregate, &arguments);
        rwd_build_fail(b, node->place, "%s: \"%s\" needs brackets: %s(%s)", name, word, aggregate->name, rwd_buf_cstr(&arguments));
        rwd_buf_deinit(&arguments);
        return false;
    }
    return rwd_build_fail(b, node->place, "%s: expected a function of a field, for example count() or sum(amount), found \"%s\"",
                          name, word);
}

static bool unknown_aggregate(rwd_job_build *b, const rwd_node *node, const char *name, const char *word) {
    const char *names[AGGREGATES_MAX];
    size_t count = 0;
    for (const rwd_aggregate *a; count < AGGREGATES_MAX && (a = rwd_aggregate_at(count)); count++) names[count] = a->name;
    const char *nearest = rwd_nearest(word, names, count);
    if (nearest) return rwd_build_fail(b, node->place, "%s: unknown aggregate \"%s\"; did you mean \"%s\"?", name, word, nearest);
    rwd_buf list = {0};
    rwd_names_append(&list, names, count);
    rwd_build_fail(b, node->place, "%s: unknown aggregate \"%s\"; known are: %s", name, word, rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    return false;
}

static bool is_word(const char *text) {
    return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789")] == '\0';
}

// The field that the aggregate reads, -1 for count().
static bool find_argument(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_aggregate *aggregate, const char *argument,
                          int *out) {
    char word[RWD_EXCERPT_MAX];
    *out = -1;
    rwd_excerpt(argument, word);
    if (!aggregate->takes_field) {
        if (argument[0] == '\0') return true;
        return rwd_build_fail(b, node->place, "%s: %s() takes no field, found \"%s\"", name, aggregate->name, word);
    }
    if (argument[0] == '\0')
        return rwd_build_fail(b, node->place, "%s: %s() needs a field, for example %s(amount)", name, aggregate->name, aggregate->name);
    if (!is_word(argument))
        return rwd_build_fail(b, node->place, "%s: \"%s\" is not the name of a field; %s() takes one declared field", name, word,
                              aggregate->name);
    *out = rwd_job_field(b->job, argument);
    return *out >= 0 || rwd_build_unknown_field(b, node->place, name, argument);
}

// ---- literals behind the field

static bool wrong_count(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_aggregate *aggregate) {
    rwd_buf arguments = {0};
    rwd_aggregate_arguments(aggregate, &arguments);
    rwd_build_fail(b, node->place, "%s: %s() is written %s(%s)", name, aggregate->name, aggregate->name, rwd_buf_cstr(&arguments));
    rwd_buf_deinit(&arguments);
    return false;
}

static bool read_literal(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_aggregate *aggregate, const rwd_parameter *parameter,
                         const char *text, int64_t *out) {
    rwd_i128 units;
    char word[RWD_EXCERPT_MAX], least[RWD_DECIMAL_TEXT_MAX], greatest[RWD_DECIMAL_TEXT_MAX];
    if (rwd_decimal_parse(rwd_slice_str(text), parameter->scale, &units) == RWD_PARSE_OK && units >= parameter->least && units <= parameter->greatest) {
        *out = (int64_t)units;
        return true;
    }
    rwd_excerpt(text, word);
    (void)rwd_decimal_text(parameter->least, parameter->scale, least);
    (void)rwd_decimal_text(parameter->greatest, parameter->scale, greatest);
    return rwd_build_fail(b, node->place, "%s: %s of %s() is a number from %s to %s, found \"%s\"", name, parameter->name, aggregate->name, least, greatest,
                          word);
}

// Cuts the literals off `argument`, which is left with the field.
static bool take_literals(rwd_job_build *b, const rwd_node *node, const char *name, const rwd_aggregate *aggregate, char *argument,
                          int64_t out[RWD_PARAMETERS_MAX]) {
    size_t count = rwd_aggregate_parameter_count(aggregate), given = 0;
    char literal[RWD_KEY_PATH_MAX];
    char *comma = strchr(argument, ',');
    if (comma && !aggregate->takes_field) return true;  // which find_argument refuses
    for (char *at = comma; at; given++) {
        char *end = strchr(at + 1, ',');
        if (given == count) return wrong_count(b, node, name, aggregate);
        if (!copy_trimmed(at + 1, end ? end : at + strlen(at), literal, sizeof literal)) return wrong_count(b, node, name, aggregate);
        if (!read_literal(b, node, name, aggregate, &aggregate->parameters[given], literal, &out[given])) return false;
        at = end;
    }
    for (size_t i = given; i < count; i++) {
        if (aggregate->parameters[i].required) return wrong_count(b, node, name, aggregate);
        out[i] = RWD_PARAMETER_NONE;
    }
    if (comma) return copy_trimmed(argument, comma, argument, RWD_KEY_PATH_MAX);
    return true;
}

static bool build_column(rwd_job_build *b, const rwd_node *node, const char *table, rwd_job_table *out) {
    char name[RWD_KEY_PATH_MAX];
    call parts;
    int index;
    int64_t parameters[RWD_PARAMETERS_MAX] = {0};
    (void)snprintf(name, sizeof name, "tables.%s.aggregates.%s", table, node->key);
    if (!check_row_name(b, node->key_place, name, node->key)) return false;
    if (!split_call(node->text, &parts)) return not_a_call(b, node, name);
    const rwd_aggregate *aggregate = rwd_aggregate_find(parts.function);
    if (!aggregate) return unknown_aggregate(b, node, name, parts.function);
    if (!take_literals(b, node, name, aggregate, parts.argument, parameters)) return false;
    if (!find_argument(b, node, name, aggregate, parts.argument, &index)) return false;
    const rwd_field *field = index >= 0 ? &b->job->event.fields[index] : NULL;
    out->column_fields[out->schema.column_count] = (int16_t)index;
    rwd_type type = field ? field->type : RWD_TYPE_INT;
    if (!rwd_schema_add_column_with(&out->schema, node->key, aggregate, type, field ? field->scale : 0, parameters, b->err))
        return rwd_place_error(b->err, b->file, node->place);
    return true;
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
    if (window->retain < window->grace)
        return rwd_build_fail(b, node->place, "%s.retain: is shorter than grace: a window would leave before it closes", name);
    return true;
}

static bool build_window(rwd_job_build *b, const rwd_node *table, rwd_job_table *out) {
    char name[RWD_KEY_PATH_MAX];
    (void)snprintf(name, sizeof name, "tables.%s.window", table->key);
    const rwd_node *node = rwd_node_member(table, "window");
    if (!node) return true;
    if (!has_time(b, node, name)) return false;
    bool hops = out->window.hopping_us > 0;
    if (hops && out->window.advance_us == 0)
        return rwd_build_fail(b, node->place, "%s.advance is missing; for example %s: {hopping: 1h, advance: 5m}", name, name);
    rwd_window window = {
        .kind = hops ? RWD_WINDOW_HOPPING : RWD_WINDOW_TUMBLING, .size = hops ? out->window.hopping_us : out->window.tumbling_us,
        .grace = out->window.grace_us, .retain = out->window.retain_us, .offset = out->window.offset_us,
    };
    window.advance = hops ? out->window.advance_us : window.size;
    if (!check_window(b, node, name, &window)) return false;
    out->key_fields[out->schema.part_count] = -1;
    if (!rwd_schema_add_window(&out->schema, &window, b->err)) return rwd_place_error(b->err, b->file, node->place);
    return true;
}

static bool build_table(rwd_job_build *b, const rwd_node *node, rwd_job_table *out) {
    char path[RWD_KEY_PATH_MAX];
    (void)snprintf(path, sizeof path, "tables.%s", node->key);
    if (!rwd_build_fill(b, "tables.*", node, path, out) || !rwd_build_applies(b, "tables.*", node, path, out)) return false;
    if (!build_key(b, node, out) || !build_window(b, node, out)) return false;
    for (const rwd_node *column = rwd_node_member(node, "aggregates")->first; column; column = column->next)
        if (!build_column(b, column, node->key, out)) return false;
    return true;
}

bool rwd_build_tables(rwd_job_build *b) {
    const rwd_node *tables = rwd_node_find(b->root, "tables");
    b->job->tables = rwd_calloc(tables->count, sizeof *b->job->tables);
    for (const rwd_node *node = tables->first; node; node = node->next) {
        rwd_job_table *table = &b->job->tables[b->job->table_count];
        rwd_schema_init(&table->schema, (uint16_t)b->job->table_count++, node->key);
        if (!build_table(b, node, table)) return false;
    }
    return true;
}
