// The manual's page of keys (Markdown), one walk along the key table and the tables of types, aggregates and formats.
#include <string.h>

#include "operator/config/keys.h"
#include "state/aggregate.h"

static const char introduction[] =
    "# The job file\n\n"
    "A job file is YAML: one document of maps, lists and texts, at most 1 MiB, without anchors, aliases and tags. An unknown key is an\n"
    "error that names the nearest right one, with line and column. `rewind config check FILE` checks a file, `rewind config print FILE`\n"
    "prints it with all defaults, `rewind config schema` prints its JSON Schema.\n\n"
    "`${NAME}` in a value is the environment variable NAME, which must be set, or else the text of the file that NAME_FILE names;\n"
    "`${NAME:-default}` has a default for one that is not set or empty; `$${` stands for `${`. A flag wins over the environment variable of the key, and that over the file.\n\n"
    "In the names of keys, `NAME` is chosen by you and `[]` is an item of a list. A size is a number with B, KiB, MiB, GiB, TiB, kB,\n"
    "MB, GB or TB; a duration has d, h, m, s, ms, us and ns in that order, as in `1h30m`.\n";

static void put_cell(rwd_buf *out, const char *text) {
    for (; *text; text++) {
        if (*text == '|') rwd_buf_append_char(out, '\\');
        rwd_buf_append_char(out, *text);
    }
}

static void put_code(rwd_buf *out, const char *text) {
    rwd_buf_append_char(out, '`');
    put_cell(out, text);
    rwd_buf_append_char(out, '`');
}

static void put_path(rwd_buf *out, const rwd_key *key) {
    rwd_buf_append_char(out, '`');
    for (const char *p = key->path; *p; p++) {
        if (*p == '*') rwd_buf_append_str(out, "NAME");
        else rwd_buf_append_char(out, *p);
    }
    rwd_buf_append_char(out, '`');
}

static void put_limit(rwd_buf *out, const rwd_key *key, const char *word, int64_t limit) {
    char text[RWD_TIME_TEXT_MAX];
    if (key->kind == RWD_KEY_DURATION) {
        rwd_duration_text(limit, text);
        rwd_buf_appendf(out, "%s%s", word, text);
    } else if (key->kind == RWD_KEY_SIZE) {
        rwd_size_text((uint64_t)limit, text);
        rwd_buf_appendf(out, "%s%s", word, text);
    } else {
        rwd_buf_appendf(out, "%s%lld", word, (long long)limit);
    }
}

static void put_value(rwd_buf *out, const rwd_key *key) {
    if (key->kind == RWD_KEY_CHOICE) {
        for (size_t i = 0; i < key->word_count; i++) {
            rwd_buf_append_str(out, i ? " or " : "");
            put_code(out, key->words[i]);
        }
        return;
    }
    rwd_buf_append_str(out, rwd_key_kind_word(key));
    if (key->kind != RWD_KEY_INT && key->kind != RWD_KEY_SIZE && key->kind != RWD_KEY_DURATION) return;
    put_limit(out, key, ", ", key->min);
    put_limit(out, key, " to ", key->max);
}

static void put_row(rwd_buf *out, const rwd_key *key) {
    char environment[128];
    rwd_buf_append_str(out, "| ");
    put_path(out, key);
    rwd_buf_append_str(out, " | ");
    put_value(out, key);
    rwd_buf_append_str(out, " | ");
    if (key->fallback) put_code(out, key->fallback);
    else if (key->required) rwd_buf_append_str(out, "required");
    rwd_buf_append_str(out, " | ");
    put_code(out, key->example);
    rwd_buf_append_str(out, " | ");
    put_cell(out, key->doc);
    if (key->only) rwd_buf_appendf(out, " Only %s.", key->only);
    if (key->environment) {
        rwd_key_environment_name(key, environment);
        rwd_buf_appendf(out, " Environment: `%s`.", environment);
    }
    rwd_buf_append_str(out, " |\n");
}

// A section for each key of the top level, with all that stands below it.
static void put_section(rwd_buf *out, const rwd_key *top) {
    const rwd_key *key;
    size_t size = strlen(top->path);
    rwd_buf_appendf(out, "\n## `%s`\n\n%s\n\n| key | value | default | example | meaning |\n|---|---|---|---|---|\n", top->path, top->doc);
    for (size_t i = 1; (key = rwd_key_at(i)); i++) {
        bool below = strncmp(key->path, top->path, size) == 0 && (key->path[size] == '.' || key->path[size] == '[');
        if (below || (key == top && !rwd_key_is_container(key))) put_row(out, key);
    }
}

static void put_types(rwd_buf *out) {
#define TYPE_ROW(id, name, doc) "| `" name "` | " doc " |\n"
    static const char types[] = RWD_TYPE_TABLE(TYPE_ROW);
#undef TYPE_ROW
#define FORMAT_ROW(id, name, doc) "| `" name "` | " doc " |\n"
    static const char formats[] = RWD_FORMAT_TABLE(FORMAT_ROW);
#undef FORMAT_ROW
    rwd_buf_appendf(out, "\n## Types\n\n| type | holds |\n|---|---|\n%s", types);
    rwd_buf_appendf(out, "\n## Formats\n\n| format | is |\n|---|---|\n%s", formats);
}

static void put_aggregates(rwd_buf *out) {
    rwd_buf_append_str(out, "\n## Aggregates\n\n| aggregate | is | takes |\n|---|---|---|\n");
    const rwd_aggregate *aggregate;
    for (size_t i = 0; (aggregate = rwd_aggregate_at(i)); i++) {
        rwd_buf_appendf(out, "| `%s(", aggregate->name);
        rwd_aggregate_arguments(aggregate, out);
        rwd_buf_appendf(out, ")` | %s | ", aggregate->doc);
        const char *comma = "";
        for (unsigned t = 0; t < RWD_TYPE_COUNT; t++) {
            if (!aggregate->takes_field || !(aggregate->types & (1u << t))) continue;
            rwd_buf_appendf(out, "%s%s", comma, rwd_type_name((rwd_type)t));
            comma = ", ";
        }
        rwd_buf_append_str(out, " |\n");
    }
}

static const char time_formats[] =
    "\n## Time formats\n\n"
    "| format | is |\n|---|---|\n"
    "| `epoch-s`, `epoch-ms`, `epoch-us`, `epoch-ns` | a whole number of seconds, milli-, micro- or nanoseconds since 1970-01-01 UTC |\n"
    "| `rfc3339` | `2026-01-02T03:04:05Z`, with a fraction and another offset where there is one |\n"
    "| a pattern with % | as in strptime, for example `\"%Y-%m-%d %H:%M:%S\"` (quoted: YAML reads % otherwise); UTC unless it has %z or the field has a `zone` "
    "(a name such as `Europe/Berlin`, or `+02:00`) |\n";

void rwd_job_manual(rwd_buf *out) {
    const rwd_key *root = rwd_key_at(0), *key;
    rwd_buf_append_str(out, introduction);
    for (size_t i = 1; (key = rwd_key_at(i)); i++)
        if (rwd_key_is_inside(key, root)) put_section(out, key);
    put_types(out);
    put_aggregates(out);
    rwd_buf_append_str(out, time_formats);
}
