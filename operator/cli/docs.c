// The pages of the reference manual.
#include "operator/cli/docs.h"

#include "operator/base/crash_point.h"
#include "operator/base/words.h"
#include "operator/cli/commands.h"
#include "operator/cli/help.h"
#include "operator/config/job.h"
#include "operator/expr/expr.h"
#include "operator/expr/language.h"
#include "operator/kafka/error.h"
#include "operator/kafka/properties.h"
#include "operator/pipeline/status.h"
#include "proto/row_fields.h"
#include "state/aggregate.h"
#include "state/budget.h"

// ---- metrics

// Prose, broken into lines.
static void say(rwd_buf *out, const char *text) {
    rwd_help_text(text, out);
    rwd_buf_append_char(out, '\n');
}

static void metric_row(rwd_buf *out, const char *name, const char *type, const char *unit, const char *help) {
    rwd_buf_appendf(out, "| `rewind_%s%s` | %s | %s | %s |\n", name, strcmp(type, "counter") == 0 ? "_total" : "", type, unit, help);
}

static void metrics_page(rwd_buf *out) {
    rwd_buf_append_str(out, "# Metrics\n\n");
    say(out, "GET `/metrics` at `http.listen` gives OpenMetrics text, version 1.0. Counters begin with the process unless they say \"since genesis\".");
    rwd_buf_append_str(out, "| metric | type | unit | what it says |\n|---|---|---|---|\n"
                            "| `rewind_operator_info` | info | | labels `name` (job), `version`, `source`, `io_tier` |\n"
                            "| `rewind_plugin_info` | info | | labels `plugin`, `hash` (of its file); jobs with plugins |\n"
                            "| `rewind_phase` | stateset | | label `rewind_phase`: 1 for what the operator is doing, 0 for the others |\n"
                            "| `rewind_stuck_seconds` | gauge | seconds | for how long nothing has moved in a stage, label `stage`; 0: it moves |\n"
                            "| `rewind_table_keys` | gauge | | keys present, label `table` |\n"
                            "| `rewind_invariant_violations` | gauge | | keys for which an invariant does not hold, labels `table`, `check`, `on_violation`; jobs with invariants |\n"
                            "| `rewind_start_time_seconds` | gauge | seconds | when this process started |\n");
#define RWD_METRIC_ROW(name, type, unit, help, member, divisor) metric_row(out, name, type, unit, help);
    RWD_METRIC_TABLE(RWD_METRIC_ROW)
#undef RWD_METRIC_ROW
    rwd_buf_append_str(out, "\n## Phases\n\n| phase | `/readyz` | what it means |\n|---|---|---|\n");
#define RWD_PHASE_ROW(id, name, ready, doc) rwd_buf_appendf(out, "| %s | %s | %s |\n", name, (ready) ? "200" : "503", doc);
    RWD_PHASE_TABLE(RWD_PHASE_ROW)
#undef RWD_PHASE_ROW
    rwd_buf_append_str(out, "\n## Stages\n\nWhat the watchdog looks at.\n\n| stage | stuck after | what that means |\n|---|---|---|\n");
#define RWD_STAGE_ROW(id, name, seconds, doc) rwd_buf_appendf(out, "| %s | %d s | %s |\n", name, seconds, doc);
    RWD_STAGE_TABLE(RWD_STAGE_ROW)
#undef RWD_STAGE_ROW
    rwd_buf_append_str(out, "\n## Pages\n\n| page | what it says |\n|---|---|\n"
                            "| `/metrics` | the metrics above |\n"
                            "| `/livez` | 200 unless a pipeline that reads has not moved for a minute |\n"
                            "| `/readyz` | 200 while records are read, or may be, and no stage is stuck; else 503 with the phase, what is stuck since when, the reason and the command to type |\n"
                            "| `/startupz` | 200 once recovery is over, or while it waits for a broker |\n"
                            "| `/status` | what `rewind status -o json` prints |\n");
    rwd_buf_append_str(out, "\n## Memory\n\n`state.memory` is shared out once, at the start. "
                            "What librdkafka may hold is taken out first: an eighth of it for records read ahead, and an eighth for outputs "
                            "on their way, where source and outputs are topics.\n\n| share | percent | what it holds |\n|---|---|---|\n");
#define RWD_SHARE_ROW(id, name, doc, percent) rwd_buf_appendf(out, "| %s | %d | %s |\n", name, percent, doc);
    RWD_BUDGET_TABLE(RWD_SHARE_ROW)
#undef RWD_SHARE_ROW
}

// ---- errors

static void errors_page(rwd_buf *out) {
    rwd_buf_append_str(out, "# Exit codes and errors\n\n");
    say(out, "A command that fails prints one line on standard error: where, what, and the command to type next. With `-o json` it is a JSON object with the "
             "members `error`, `exit_code`, `place`, `cause` and `next`.");
    rwd_buf_append_str(out, "## Exit codes\n\nThey are stable; new ones are only added.\n\n| code | what it means |\n|---|---|\n");
    const rwd_exit_row *row;
    for (size_t i = 0; (row = rwd_exit_at(i)); i++) rwd_buf_appendf(out, "| %d | %s |\n", (int)row->code, row->meaning);
    rwd_buf_append_str(out, "\n## Errors\n\n");
    say(out, "The word stands in JSON and in dead letters. The decision is what the operator does: `skip` sends the event to the dead letters, `park` and `fatal` "
             "stop it (`on_stop`), `rollback` goes back to the last good checkpoint, `retry` tries again.");
    rwd_buf_append_str(out, "| error | decision | exit code | what it means |\n|---|---|---|---|\n");
    for (int i = RWD_E_NONE + 1; i < RWD_E_COUNT; i++) {
        rwd_code code = (rwd_code)i;
        rwd_decision decision = rwd_code_decision(code);
        rwd_buf_appendf(out, "| %s | %s | ", rwd_code_name(code), rwd_decision_name(decision));
        if (decision == RWD_SKIP) rwd_buf_append_str(out, "-");
        else rwd_buf_appendf(out, "%d", (int)rwd_code_exit(code));
        rwd_buf_appendf(out, " | %s |\n", rwd_code_meaning(code));
    }
}

// ---- Kafka

static void kafka_row(rwd_buf *out, const char *theirs, rwd_code code, const char *words, const char *next) {
    // librdkafka's own codes begin with an underscore, and show themselves with two.
    rwd_buf_appendf(out, "| `%s%s` | %s | %s | %s | %s |\n", theirs[0] == '_' ? "_" : "", theirs, rwd_code_name(code), rwd_decision_name(rwd_code_decision(code)),
                    words, next);
}

static void kafka_page(rwd_buf *out) {
    rwd_buf_append_str(out, "# Kafka: errors and properties\n\n");
    say(out, "What the codes of brokers and of librdkafka mean here. The error and its decision are those of the page of errors: `retry` waits and tries again, "
             "`park` stops, `rollback` makes a new producer and goes on from what was committed. A code that is not here is `kafka`.");
    rwd_buf_append_str(out, "## Errors\n\n| code | error | decision | what it means | what to do |\n|---|---|---|---|---|\n");
#define KAFKA_ROW(theirs, ours, words, next) kafka_row(out, #theirs, RWD_E_##ours, words, next);
    RWD_KAFKA_ERROR_TABLE(KAFKA_ROW)
#undef KAFKA_ROW
    rwd_buf_append_str(out, "\n## Refused connections\n\n");
    say(out, "A question that no broker answers fails with one of the codes above, whether the broker is down or refuses the connection. A refusal that stands for some "
             "seconds is the error `refused`, which stops the job. An unclear one may also be a broker, or a proxy before it, that is going away: it stops a job that "
             "is starting, after 15 seconds, and a job that has read from the broker before waits.");
    rwd_buf_append_str(out, "| what it means | what to do | |\n|---|---|---|\n");
#define KAFKA_SURE ""
#define KAFKA_UNCLEAR "unclear"
#define KAFKA_REFUSAL_ROW(name, code, verify_error, piece, certainty, words, next) rwd_buf_append_str(out, "| " words " | " next " | " KAFKA_##certainty " |\n");
    RWD_KAFKA_REFUSAL_TABLE(KAFKA_REFUSAL_ROW)
#undef KAFKA_REFUSAL_ROW
#undef KAFKA_UNCLEAR
#undef KAFKA_SURE
    rwd_buf_append_str(out, "\n## Properties that a job cannot set\n\n| property | why |\n|---|---|\n");
#define KAFKA_OWNED_ROW(name, why) rwd_buf_append_str(out, "| `" name "` | " why " |\n");
    RWD_KAFKA_OWNED_TABLE(KAFKA_OWNED_ROW)
#undef KAFKA_OWNED_ROW
}

// ---- aggregates and formats

static void type_names(rwd_buf *out, unsigned types) {
    bool first = true;
    for (int i = 0; i < RWD_TYPE_COUNT; i++) {
        if (!(types >> i & 1)) continue;
        rwd_buf_appendf(out, "%s%s", first ? "" : ", ", rwd_type_name((rwd_type)i));
        first = false;
    }
}

static void result_names(const rwd_aggregate *a, rwd_buf *out) {
    unsigned results = 0;
    for (int t = 0; t < RWD_TYPE_COUNT; t++) {
        rwd_cell_type how = {.arg = (rwd_type)t};
        if (!a->takes_field || (a->types >> t & 1)) results |= 1u << a->result(&how);
    }
    if (a->list) rwd_buf_append_str(out, "a list");
    else type_names(out, results);
}

static void aggregate_row(const rwd_aggregate *a, rwd_buf *out) {
    rwd_buf_appendf(out, "| `%s(", a->name);
    rwd_aggregate_arguments(a, out);
    rwd_buf_append_str(out, ")` | ");
    if (a->takes_field) type_names(out, a->types);
    rwd_buf_append_str(out, " | ");
    result_names(a, out);
    rwd_buf_append_str(out, a->order_free ? " | no" : " | yes");
    if (a->rounded) rwd_buf_append_str(out, "; of ");
    type_names(out, a->rounded);
    rwd_buf_appendf(out, "%s | %s |\n", a->rounded ? " yes" : "", a->doc);
}

static void aggregate_notes(const rwd_aggregate *a, rwd_buf *out) {
    size_t count = rwd_aggregate_parameter_count(a);
    if (count == 0 && !a->error) return;
    rwd_buf_appendf(out, "\n## %s\n\n", a->name);
    for (size_t i = 0; i < count; i++) {
        const rwd_parameter *p = &a->parameters[i];
        char least[RWD_DECIMAL_TEXT_MAX], greatest[RWD_DECIMAL_TEXT_MAX];
        (void)rwd_decimal_text(p->least, p->scale, least);
        (void)rwd_decimal_text(p->greatest, p->scale, greatest);
        rwd_buf_appendf(out, "- `%s`%s, %s to %s: %s.\n", p->name, p->required ? "" : " (optional)", least, greatest, p->doc);
    }
    if (a->error) rwd_buf_appendf(out, "%sError: %s.\n", count ? "\n" : "", a->error);
}

static void aggregates_page(rwd_buf *out) {
    rwd_buf_append_str(out, "# Aggregates\n\n");
    say(out, "An aggregate of a table takes one field, or none, and literals behind it. A null changes nothing. Numbers are exact unless an error is stated below; those of floats are "
             "rounded after each event. An event that would overflow an aggregate goes to the dead letters and changes no table. A list is a JSON array (in CSV: its text).");
    rwd_buf_append_str(out, "| aggregate | takes | answers | depends on order | |\n|---|---|---|---|---|\n");
    const rwd_aggregate *a;
    for (size_t i = 0; (a = rwd_aggregate_at(i)); i++) aggregate_row(a, out);
    for (size_t i = 0; (a = rwd_aggregate_at(i)); i++) aggregate_notes(a, out);
}

static void formats_page(rwd_buf *out) {
    rwd_buf_append_str(out, "# Formats and types\n\n## Formats\n\n| format | |\n|---|---|\n");
#define RWD_FORMAT_ROW(id, name, doc) rwd_buf_append_str(out, "| `" name "` | " doc " |\n");
    RWD_FORMAT_TABLE(RWD_FORMAT_ROW)
#undef RWD_FORMAT_ROW
    rwd_buf_append_char(out, '\n');
    say(out, "Input, text: an empty line is no record; a UTF-8 byte order mark at the start is passed over; lines end in LF or CRLF; a CSV row may hold quoted newlines.\n\n"
             "Output, `export` and `state scan -o json`: key fields, then aggregates, in the order of the job file. Decimals and integers are exact number tokens, times "
             "are RFC 3339 in UTC, floats have the fewest digits that read back as the same number, bytes are base64 text, null is "
             "`null` (CSV: empty). The same row gives the same bytes every time. Output rows also have `_offset` (the last record that the "
             "value includes) and `_lineage`; a key that vanished has `\"deleted\": true`.");
    rwd_buf_append_str(out, "## Raw keys and values\n\n| kind | |\n|---|---|\n");
#define RAW_ROW(id, name, doc) rwd_buf_append_str(out, "| `" name "` | " doc " |\n");
    RWD_RAW_TABLE(RAW_ROW)
#undef RAW_ROW
    rwd_buf_append_str(out, "\n## Rows as protobuf\n\n");
    say(out, "`rewind config proto JOB` prints the .proto. Key fields have the numbers 1 to 8, a window's start and end 9 and 10, aggregates 32 and on in their "
             "order in the table, whatever a sink writes of them. A decimal is its exact text, a time a google.protobuf.Timestamp, null an absent field.");
    rwd_buf_append_str(out, "| number | name | type | in files |\n|---|---|---|---|\n");
#define ROW_FIELD(id, number, name, type, doc) rwd_buf_appendf(out, "| %d | `" name "` | " type " | " doc " |\n", number);
    RWD_ROW_FIELD_TABLE(ROW_FIELD)
#undef ROW_FIELD
    rwd_buf_append_char(out, '\n');
    rwd_buf_append_str(out, "## Types\n\n| type | what it holds |\n|---|---|\n");
#define RWD_TYPE_ROW(id, name, doc) rwd_buf_append_str(out, "| `" name "` | " doc " |\n");
    RWD_TYPE_TABLE(RWD_TYPE_ROW)
#undef RWD_TYPE_ROW
    rwd_buf_append_str(out, "\n## Times\n\n");
    rwd_help_text("A field of type time, and `event.time.field`, has a format: `epoch-s`, `epoch-ms`, `epoch-us`, `epoch-ns`, `rfc3339`, "
                  "`protobuf-timestamp` (a google.protobuf.Timestamp), or a pattern that holds `%`: "
                  "`%Y %m %d %H %M %S %f %z %y %j %b %B %e %I %p %T %D %F %R %s %n %t %%`, as in strptime(3), with `%f` for 1 to 6 digits of a second and `%z` for `Z`, "
                  "`+hh:mm` or `+hhmm`. Without `%z` a time is UTC. No locale and no TZ is read.", out);
}

// ---- expressions

static void operator_row(rwd_buf *out, const rwd_expr_operator_row *row) {
    rwd_buf_appendf(out, "| `%s` | %d | `%s` | %s |\n", row->text, row->rank, row->takes, row->doc);
}

static void expressions_page(rwd_buf *out) {
    rwd_buf_append_str(out, "# Expressions\n\n");
    say(out, "The language of expressions, from the tables that the program reads it by. [Expressions](../expressions.md) tells how it is used.");
    rwd_buf_append_str(out, "## Operators\n\n");
    say(out, "A higher rank binds tighter. Operators of one rank group from left to right; comparisons do not chain.");
    rwd_buf_append_str(out, "| operator | rank | takes and gives | |\n|---|---|---|---|\n");
    for (size_t i = 0; i < RWD_EXPR_OPERATOR_COUNT; i++) operator_row(out, &rwd_expr_operators[i]);
    rwd_buf_append_str(out, "\n## Functions\n\n| function | gives | |\n|---|---|---|\n");
    for (size_t i = 0; i < RWD_EXPR_FUNCTION_COUNT; i++)
        rwd_buf_appendf(out, "| `%s` | %s | %s |\n", rwd_expr_functions[i].call, rwd_expr_functions[i].gives, rwd_expr_functions[i].doc);
    rwd_buf_append_str(out, "\n## Literals\n\n| literal | type | |\n|---|---|---|\n");
#define LITERAL_ROW(text, type, doc) rwd_buf_append_str(out, "| `" text "` | " type " | " doc " |\n");
    RWD_EXPR_LITERAL_TABLE(LITERAL_ROW)
#undef LITERAL_ROW
    rwd_buf_append_str(out, "\n## Metadata\n\n| name | type | |\n|---|---|---|\n");
#define META_ROW(id, name, type, doc) rwd_buf_appendf(out, "| `" name "` | %s | " doc " |\n", rwd_type_name(RWD_TYPE_##type));
    RWD_EXPR_META_TABLE(META_ROW)
#undef META_ROW
    rwd_buf_append_str(out, "\n## Words\n\nAs names these stand in backticks:");
#define WORD_ROW(word) rwd_buf_append_str(out, " `" word "`");
    RWD_EXPR_WORD_TABLE(WORD_ROW)
#undef WORD_ROW
    rwd_buf_append_str(out, ".\n\n## Grammar\n\n");
    say(out, "`{ }` is any number of times, `[ ]` at most once. Infix and prefix operators are those above; their ranks tell how they group.");
    rwd_buf_append_str(out, "```\n");
#define GRAMMAR_ROW(rule, text) rwd_buf_append_str(out, rule " = " text "\n");
    RWD_EXPR_GRAMMAR_TABLE(GRAMMAR_ROW)
#undef GRAMMAR_ROW
    rwd_buf_append_str(out, "```\n");
    rwd_buf_append_str(out, "\n## Bounds\n\n| | |\n|---|---|\n");
    rwd_buf_appendf(out, "| bytes of an expression | %u |\n| nesting, and operators in a row | %u |\n| items of a list | %u |\n| intermediate values at once | %u |\n",
                    RWD_EXPR_TEXT_MAX, RWD_EXPR_DEPTH_MAX, RWD_EXPR_ITEMS_MAX, RWD_EXPR_REGISTERS);
    rwd_buf_appendf(out, "| bytes of a string that an expression makes | %u |\n| digits of a decimal | 38 |\n| of these behind the point | %d |\n", RWD_EXPR_STRING_MAX,
                    RWD_DECIMAL_SCALE_MAX);
}

// ---- crash points

static void crash_points_page(rwd_buf *out) {
    rwd_buf_append_str(out, "# Crash points\n\n");
    say(out, "Named places where a test can kill the process: `REWIND_CRASH_POINT=name` raises SIGKILL at the first passing, `REWIND_CRASH_POINT=name:n` at the n-th. They "
             "are in every build, so that what is tested is what is shipped.");
    rwd_buf_append_str(out, "| name | where it stands |\n|---|---|\n");
    for (int i = 0; i < RWD_CRASH_POINT_COUNT; i++)
        rwd_buf_appendf(out, "| %s | %s |\n", rwd_crash_point_name((rwd_crash_point)i), rwd_crash_point_where((rwd_crash_point)i));
}

// ---- the table of pages

static const struct {
    rwd_docs_row row;
    void (*make)(rwd_buf *out);
} pages[] = {
    {{"commands", "every command and flag"}, rwd_help_manual},
    {{"config", "every key of a job file"}, rwd_job_manual},
    {{"metrics", "every metric, and the HTTP pages"}, metrics_page},
    {{"errors", "exit codes and errors"}, errors_page},
    {{"kafka", "errors of brokers, and properties that a job cannot set"}, kafka_page},
    {{"aggregates", "every aggregate"}, aggregates_page},
    {{"expressions", "the language of expressions"}, expressions_page},
    {{"formats", "formats of input and output, types, times"}, formats_page},
    {{"crash-points", "where tests can kill the process"}, crash_points_page},
};
#define PAGE_COUNT (sizeof(pages) / sizeof(pages[0]))

const rwd_docs_row *rwd_docs_at(size_t index) { return index < PAGE_COUNT ? &pages[index].row : NULL; }

bool rwd_docs_page(const char *name, rwd_buf *out, rwd_error *err) {
    const char *names[PAGE_COUNT];
    for (size_t i = 0; i < PAGE_COUNT; i++) {
        names[i] = pages[i].row.name;
        if (strcmp(names[i], name) != 0) continue;
        pages[i].make(out);
        return true;
    }
    const char *nearest = rwd_nearest(name, names, PAGE_COUNT);
    if (nearest) rwd_fail(err, RWD_E_USAGE, "there is no page '%s'; did you mean '%s'?", name, nearest);
    else rwd_fail(err, RWD_E_USAGE, "there is no page '%s'", name);
    return rwd_error_next(err, "rewind help docs");
}
