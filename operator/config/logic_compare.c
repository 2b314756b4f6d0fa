// Two logics side by side (logic_compare.h).
#include "operator/config/logic_compare.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct comparing {
    const rwd_job *old, *new;
    rwd_logic_comparison *out;
} comparing;

static bool differs(comparing *c, const char *format, ...) RWD_PRINTF(2, 3);
static bool differs(comparing *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->out->what, sizeof(c->out->what), format, args);
    va_end(args);
    c->out->relation = RWD_LOGIC_GENESIS;
    return false;
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static int find_column(const rwd_job_table *table, const char *name) {
    for (size_t i = 0; i < table->schema.column_count; i++)
        if (strcmp(table->schema.columns[i].name, name) == 0) return (int)i;
    return -1;
}

int rwd_logic_column_before(const rwd_job *old, const rwd_job *new, size_t table, size_t column) {
    return table < old->table_count ? find_column(&old->tables[table], new->tables[table].schema.columns[column].name) : -1;
}

bool rwd_logic_same_rows(const rwd_job *old, const rwd_job *new) {
    if (old->table_count != new->table_count) return false;
    for (size_t t = 0; t < new->table_count; t++) {
        if (old->tables[t].schema.column_count != new->tables[t].schema.column_count) return false;
        for (size_t i = 0; i < new->tables[t].schema.column_count; i++)
            if (rwd_logic_column_before(old, new, t, i) != (int)i) return false;
    }
    return true;
}

// What sources take of a logic.
bool rwd_logic_same_input(const rwd_job *old, const rwd_job *new) {
    bool csv = new->source.format == RWD_FORMAT_CSV;
    if (old->source.format != new->source.format || old->source.tombstone != new->source.tombstone || old->event.max_size != new->event.max_size) return false;
    if (csv && (old->source.csv_header != new->source.csv_header || old->source.csv_delimiter != new->source.csv_delimiter)) return false;
    for (size_t t = 0; t < old->table_count && t < new->table_count; t++)
        if (old->tables[t].partial != new->tables[t].partial) return false;
    return old->table_count == new->table_count;
}

// ---- what state is shaped by

static bool same_key(comparing *c, size_t t) {
    const rwd_job_table *a = &c->old->tables[t], *b = &c->new->tables[t];
    if (a->schema.part_count != b->schema.part_count) return differs(c, "the key of table '%s' has other parts", a->schema.name);
    for (size_t i = 0; i < a->schema.part_count; i++) {
        const rwd_key_part *x = &a->schema.parts[i], *y = &b->schema.parts[i];
        if (strcmp(x->name, y->name) != 0 || !same_text(a->key[i].text, b->key[i].text)) return differs(c, "the key of table '%s' has other parts", a->schema.name);
        if (x->type != y->type || x->scale != y->scale) return differs(c, "part '%s' of the key of table '%s' has another type", x->name, a->schema.name);
    }
    return true;
}

static bool same_window(comparing *c, size_t t) {
    const rwd_window *a = &c->old->tables[t].schema.window, *b = &c->new->tables[t].schema.window;
    return rwd_window_same(a, b) || differs(c, "table '%s' has another window", c->old->tables[t].schema.name);
}

// A plugin's aggregate is what its bytes are.
static bool same_plugin(comparing *c, const char *aggregate) {
    const char *dot = strchr(aggregate, '.');
    if (!dot) return true;
    size_t size = (size_t)(dot - aggregate);
    const rwd_hash128 *hashes[2] = {NULL, NULL};
    const rwd_job *jobs[2] = {c->old, c->new};
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < rwd_plugins_count(jobs[side]->plugins.loaded); i++) {
            const rwd_plugin_facts *plugin = rwd_plugins_at(jobs[side]->plugins.loaded, i);
            if (strlen(plugin->name) == size && memcmp(plugin->name, aggregate, size) == 0) hashes[side] = &plugin->hash;
        }
    }
    return hashes[0] && hashes[1] && rwd_hash128_equal(*hashes[0], *hashes[1]);
}

static bool same_cell(comparing *c, const rwd_column *a, const rwd_column *b) {
    bool same = strcmp(a->aggregate->name, b->aggregate->name) == 0 && a->size == b->size && a->how.arg == b->how.arg && a->how.arg_scale == b->how.arg_scale &&
                memcmp(a->how.parameters, b->how.parameters, sizeof(a->how.parameters)) == 0;
    return same && rwd_column_type(a) == rwd_column_type(b) && rwd_column_scale(a) == rwd_column_scale(b) && same_plugin(c, a->aggregate->name);
}

static bool same_columns(comparing *c, size_t t) {
    const rwd_job_table *a = &c->old->tables[t], *b = &c->new->tables[t];
    for (size_t i = 0; i < a->schema.column_count; i++) {
        const rwd_column *column = &a->schema.columns[i];
        int now = find_column(b, column->name);
        if (now < 0) return differs(c, "aggregate '%s' of table '%s' is gone", column->name, a->schema.name);
        if (!same_cell(c, column, &b->schema.columns[now])) return differs(c, "aggregate '%s' of table '%s' has another type", column->name, a->schema.name);
    }
    return true;
}

static bool has_table(const rwd_job *job, const char *name) {
    for (size_t i = 0; i < job->table_count; i++)
        if (strcmp(job->tables[i].schema.name, name) == 0) return true;
    return false;
}

// Store keys begin with a table's place in the job file.
static bool same_tables(comparing *c) {
    for (size_t t = 0; t < c->old->table_count; t++) {
        const char *name = c->old->tables[t].schema.name;
        if (!has_table(c->new, name)) return differs(c, "table '%s' is gone", name);
        if (t >= c->new->table_count || strcmp(c->new->tables[t].schema.name, name) != 0)
            return differs(c, "table '%s' stands in another place: a new table goes behind those that are there", name);
        if (!same_key(c, t) || !same_window(c, t) || !same_columns(c, t)) return false;
    }
    // Lists of open sessions are tables behind the job's own, and would change their numbers.
    bool sessions = false;
    for (size_t t = 0; t < c->old->table_count; t++) sessions |= c->old->tables[t].schema.window.kind == RWD_WINDOW_SESSION;
    if (sessions && c->new->table_count > c->old->table_count) return differs(c, "table '%s' is new, beside windows of sessions", c->new->tables[c->old->table_count].schema.name);
    return true;
}

static bool same_ids(comparing *c) {
    const rwd_job *a = c->old, *b = c->new;
    if (a->event.within_us != b->event.within_us) return differs(c, "event.dedup.within is another span");
    if (a->event.within_us == 0) return true;
    const rwd_field *x = &a->event.fields[a->event.id_field], *y = &b->event.fields[b->event.id_field];
    bool same = strcmp(x->name, y->name) == 0 && x->type == y->type && x->scale == y->scale;
    return same || differs(c, "event.id is another field: the ids that are remembered are not its own");
}

// ---- what differs, for people

static void say(rwd_logic_comparison *out, const char *format, ...) RWD_PRINTF(2, 3);
static void say(rwd_logic_comparison *out, const char *format, ...) {
    size_t size = strlen(out->what);
    va_list args;
    va_start(args, format);
    if (size > 0 && size + 2 < sizeof(out->what)) size += (size_t)snprintf(out->what + size, sizeof(out->what) - size, "; ");
    (void)vsnprintf(out->what + size, sizeof(out->what) - size, format, args);
    va_end(args);
}

// The next line of a fingerprint's text that the other one has not, or NULL.
static const char *other_line(const char *text, const char *in, int *out_size) {
    for (const char *line = text; *line;) {
        size_t size = strcspn(line, "\n");
        bool found = false;
        for (const char *at = in; *at && !found;) {
            size_t other = strcspn(at, "\n");
            found = other == size && memcmp(at, line, size) == 0;
            at += other + (at[other] == '\n');
        }
        *out_size = (int)(size < 120 ? size : 120);
        if (!found) return line;
        line += size + (line[size] == '\n');
    }
    return NULL;
}

static bool say_lines(rwd_logic_comparison *out, const char *had, const char *has) {
    int had_size = 0, has_size = 0;
    const char *was = other_line(had, has, &had_size), *is = other_line(has, had, &has_size);
    if (was && is) say(out, "%.*s -> %.*s", had_size, was, has_size, is);
    else if (was) say(out, "without %.*s", had_size, was);
    else if (is) say(out, "with %.*s", has_size, is);
    return was || is;
}

void rwd_job_difference(const rwd_job *have, const rwd_job *want, char out[RWD_LOGIC_WHAT_MAX]) {
    rwd_logic_comparison what = {.what = ""};
    if (!say_lines(&what, have->logic_text, want->logic_text) && !say_lines(&what, have->sinks_text, want->sinks_text)) say(&what, "the order of its parts");
    memcpy(out, what.what, RWD_LOGIC_WHAT_MAX);
}

static void describe(comparing *c) {
    for (size_t t = 0; t < c->new->table_count; t++) {
        const rwd_job_table *table = &c->new->tables[t];
        if (t >= c->old->table_count) {
            say(c->out, "table '%s' is new", table->schema.name);
            c->out->new_columns += table->schema.column_count;
            continue;
        }
        for (size_t i = 0; i < table->schema.column_count; i++) {
            if (find_column(&c->old->tables[t], table->schema.columns[i].name) >= 0) continue;
            say(c->out, "aggregate '%s' of table '%s' is new", table->schema.columns[i].name, table->schema.name);
            c->out->new_columns++;
        }
    }
    (void)say_lines(c->out, c->old->logic_text, c->new->logic_text);
}

void rwd_logic_compare(const rwd_job *old, const rwd_job *new, rwd_logic_comparison *out) {
    comparing c = {old, new, out};
    *out = (rwd_logic_comparison){.relation = RWD_LOGIC_SAME};
    if (rwd_hash128_equal(old->logic, new->logic)) return;
    if (!same_tables(&c) || !same_ids(&c)) return;
    out->relation = RWD_LOGIC_COMPATIBLE;
    describe(&c);
}
