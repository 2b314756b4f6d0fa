// A job that is printed and read again is the same job, whatever is in it.
//
// Jobs are written at random: names, types, keys, sinks, and paths made of the characters that YAML, JSON and variables care about.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/config/job.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

#define ROUNDS 400

// ---- jobs at random

// Pieces that a writer gets wrong: words and numbers of YAML, signs, quotes, variables, other alphabets.
static const char *const pieces[] = {
    "a", "Z", "0", "1e3", "0x1F", "-", ".y", "...", "true", "null", "no", "~", " ", ": ", " #", "#", "'", "\"", "\\", "\\n", "$", "$$", "${", "}", "${A:-b}",
    "$${", "[", "]", "{", ",", "&", "*", "!", "|", ">", "%", "@", "`", "?", "/", "-1", "12:30:45", "2026-01-02", "\t", "\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x8e\x88", "=", "<<",
};

static void random_text(test_random *r, rwd_buf *out) {
    for (uint64_t i = 1 + test_random_below(r, 6); i > 0; i--) rwd_buf_append_str(out, pieces[test_random_below(r, sizeof pieces / sizeof *pieces)]);
    rwd_buf_append_char(out, 'x');  // not empty, and no folder
}

// In single quotes nothing but a quote is special to YAML; "${" is to us.
static void put_quoted(test_random *r, rwd_buf *out, const char *unique) {
    rwd_buf text = {0};
    rwd_buf_append_str(&text, unique);
    random_text(r, &text);
    rwd_buf_append_char(out, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'') rwd_buf_append_char(out, '\'');
        if (text.data[i] == '$' && i + 1 < text.size && text.data[i + 1] == '{') rwd_buf_append_char(out, '$');
        rwd_buf_append_char(out, (char)text.data[i]);
    }
    rwd_buf_append_char(out, '\'');
    rwd_buf_deinit(&text);
}

static const char *one_of(test_random *r, const char *const *words, size_t count) { return words[test_random_below(r, count)]; }
#define ONE_OF(r, ...) one_of(r, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
static bool coin(test_random *r) { return test_random_below(r, 2) == 0; }

// Fields: f0 is an int, f1 a decimal, f2 a time, so that every aggregate has what it takes; the rest is anything.
static unsigned put_event(test_random *r, rwd_buf *out, bool paths, bool json) {
    unsigned count = 3 + (unsigned)test_random_below(r, 5);
    rwd_buf_append_str(out, "event:\n");
    if (coin(r)) {
        if (paths && coin(r)) rwd_buf_appendf(out, "  time: {field: hidden.at, format: %s, ahead: %s}\n", ONE_OF(r,
                            "epoch-ms", "rfc3339", "'%F %T'", "'%F %T', zone: '+14:00'", "'%F %T', zone: America/New_York"),
                                               ONE_OF(r, "0", "1h", "90m5us"));
        else rwd_buf_appendf(out, "  time: {field: f2, ahead: %s}\n", ONE_OF(r, "0", "7d", "1500ms"));
    }
    if (coin(r)) rwd_buf_appendf(out, "  max_size: %llu\n", 64 + (unsigned long long)test_random_below(r, 1 << 30));
    if (coin(r)) rwd_buf_appendf(out, "  missing: %s\n", ONE_OF(r, "drop", "dead-letter"));
    bool each = json && coin(r);
    if (each) rwd_buf_appendf(out, "  each: %s\n", ONE_OF(r, "items", "a.b[3]", "'a[\"b.c\"].d'", "'[\"it''s\"]'"));
    rwd_buf_append_str(out, "  fields:\n");
    for (unsigned i = 0; i < count; i++) {
        const char *type = i == 0 ? "int" : i == 1 ? ONE_OF(r, "decimal(0)", "decimal(18)") : i == 2 ? "time" : ONE_OF(r, "string", "bool", "int", "decimal(2)");
        rwd_buf_appendf(out, "    f%u: {type: %s", i, type);
        if (i == 2 && coin(r))
            rwd_buf_appendf(out, ", format: %s", ONE_OF(r,
                            "epoch-s", "epoch-ms", "epoch-us", "epoch-ns", "'%Y/%j'", "'%d.%m.%y %H:%M:%S.%f %z'", "'%F %T', zone: '-03:30'", "'%F %T', zone: Europe/Berlin", "'%F', zone: Z"));
        if (paths && coin(r)) {
            rwd_buf_append_str(out, ", path: ");
            put_quoted(r, out, "p");
        } else if (each && coin(r)) {
            rwd_buf_appendf(out, ", path: %s", ONE_OF(r, ".", ".sku", "'.[0]'", "'.[\"x.y\"].z[12]'", "'x.y[0]'"));
        }
        if (i > 2 && coin(r)) rwd_buf_append_str(out, ", optional: true");
        else if (i == 0 && coin(r)) rwd_buf_appendf(out, ", default: %s", ONE_OF(r, "5", "'-0'", "1e3"));
        else if (i == 1 && coin(r)) rwd_buf_appendf(out, ", default: %s", ONE_OF(r, "5", "-7.00", "'1e2'"));
        rwd_buf_append_str(out, "}\n");
    }
    return count;
}

static void put_tables(test_random *r, rwd_buf *out, unsigned fields, unsigned tables, unsigned columns[]) {
    rwd_buf_append_str(out, "tables:\n");
    for (unsigned t = 0; t < tables; t++) {
        unsigned first = (unsigned)test_random_below(r, fields), second = (first + 1 + (unsigned)test_random_below(r, fields - 1)) % fields;
        rwd_buf_appendf(out, "  t%u:\n    key: ", t);
        switch (test_random_below(r, 3)) {
        case 0: rwd_buf_appendf(out, "f%u\n", first); break;
        case 1: rwd_buf_appendf(out, "[f%u, f%u]\n", first, second); break;
        default: rwd_buf_appendf(out, "{f%u: f%u, k: %s}\n", first, first, ONE_OF(r, "-f0", "f1  * f0", "f1", "'coalesce(record.key, \"${A:-\\u00e9} '' # : x\")'", "event_time"));
        }
        if (coin(r)) rwd_buf_appendf(out, "    where: %s\n", ONE_OF(r, "f0 > 1 and f1 != 0.5", "true", "'f2 >= \"2026-01-02T03:04:05Z\" or f0 in (1, 2, -3)'", "not (f0 is null)"));
        if (coin(r)) rwd_buf_appendf(out, "    derived: {d: %s, e: \"d is null\"}\n", ONE_OF(r, "c0", "-1", "'coalesce(c0, c0)  == c0'", "\"'x' + \\\"${A:-b}\\\"\""));
        rwd_buf_append_str(out, "    aggregates:\n");
        columns[t] = 1 + (unsigned)test_random_below(r, 12);
        for (unsigned c = 0; c < columns[t]; c++)
            rwd_buf_appendf(out, "      c%u: %s\n", c, ONE_OF(r, "count()", "sum(f0)", "sum(f1)", "min(f0)", "max(f1)", "min(f2)", "max(f2)", "sum(if(f0 > 1, f1, 0) / 7) where f0*2 == 4",
                                                                        "max(f2 + 1h30m) where (record.offset > 5)", "count() where false"));
    }
}

static void put_sinks(test_random *r, rwd_buf *out, unsigned tables, const unsigned columns[]) {
    unsigned count = (unsigned)test_random_below(r, 4);
    if (count > 0) rwd_buf_append_str(out, "sinks:\n");
    for (unsigned i = 0; i < count; i++) {
        unsigned table = (unsigned)test_random_below(r, tables);
        char unique[16];
        (void)snprintf(unique, sizeof unique, "s%u-", i);
        rwd_buf_appendf(out, "  - table: t%u\n    format: %s\n    emit: %s\n    file: {path: ", table, ONE_OF(r, "json", "csv"), ONE_OF(r, "commit", "update"));
        put_quoted(r, out, unique);
        rwd_buf_append_str(out, "}\n");
        if (coin(r)) rwd_buf_appendf(out, "    where: %s\n", ONE_OF(r, "c0 is not null", "not (c0 is null or false)", "true"));
        if (coin(r)) rwd_buf_appendf(out, "    fields: [c%u]\n", (unsigned)test_random_below(r, columns[table]));
    }
}

static void put_rest(test_random *r, rwd_buf *out) {
    if (coin(r)) {
        rwd_buf_append_str(out, "state: {path: ");
        put_quoted(r, out, "d");
        rwd_buf_appendf(out, ", memory: %s}\n", ONE_OF(r, "64MiB", "100000000", "16TiB", "1GB", "512MiB"));
    }
    if (coin(r))
        rwd_buf_appendf(out, "checkpoints: {every: %s, keep: {last: %llu, hourly: %llu, within: %s}, full: {every: %s, keep: %llu}}\n",
                        ONE_OF(r, "10ms", "1m30s", "24h"), 2 + (unsigned long long)test_random_below(r, 99999), (unsigned long long)test_random_below(r, 100001),
                        ONE_OF(r, "0", "36h", "1ms"), ONE_OF(r, "365d", "1h", "10000001ns"), (unsigned long long)test_random_below(r, 1001));
    if (coin(r)) rwd_buf_appendf(out, "delivery: {%s}\n", ONE_OF(r, "commit_every: 1ms", "commit_every: 1h", "commit_at: {offset_multiple: 1000000000000}"));
    if (coin(r)) {
        rwd_buf_append_str(out, "errors: {dead_letter: {file: {path: ");
        put_quoted(r, out, "dead");
        rwd_buf_append_str(out, "}}}\n");
    }
    if (coin(r)) rwd_buf_appendf(out, "on_stop: %s\n", ONE_OF(r, "exit", "park"));
    if (coin(r)) rwd_buf_appendf(out, "http: {listen: %s}\n", ONE_OF(r, "off", "'[::]:1'", "localhost:65535", "0.0.0.0:0"));
}

static void random_job(test_random *r, rwd_buf *out) {
    unsigned columns[4], tables = 1 + (unsigned)test_random_below(r, 4);
    bool csv = coin(r), header = !csv || coin(r);
    rwd_buf_appendf(out, "job: %s\nsource:\n  file:\n    follow: %s\n    path: ", ONE_OF(r, "orders", "1", "true", "0x1", "...a", "'-'"), ONE_OF(r, "true", "false"));
    put_quoted(r, out, "in");
    rwd_buf_appendf(out, "\n  format: %s\n", csv ? "csv" : "json");
    if (csv) rwd_buf_appendf(out, "  csv: {header: %s, delimiter: %s}\n", header ? "true" : "false", ONE_OF(r, "','", "\"\\t\"", "';'", "'|'", "' '", "'#'", "'\\'", "''''", "'1'", "'$'"));
    unsigned fields = put_event(r, out, header && csv, !csv);
    put_tables(r, out, fields, tables, columns);
    put_sinks(r, out, tables, columns);
    put_rest(r, out);
}

// ---- equal

static void assert_text_equal(const char *a, const char *b) {
    assert_int_equal(a == NULL, b == NULL);
    if (a) assert_string_equal(a, b);
}

// All that is not in the two fingerprints; they hold the source's format, the event, the tables and the sinks.
static void assert_jobs_equal(const rwd_job *a, const rwd_job *b) {
    assert_string_equal(a->logic_text, b->logic_text);
    assert_string_equal(a->sinks_text, b->sinks_text);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->source.path, b->source.path);
    assert_int_equal(a->source.follow, b->source.follow);
    assert_int_equal(a->source.csv_header, b->source.csv_header);
    assert_int_equal(a->source.csv_delimiter, b->source.csv_delimiter);
    assert_int_equal(a->event.max_size, b->event.max_size);
    assert_int_equal(a->event.ahead_us, b->event.ahead_us);
    assert_int_equal(a->event.time_field, b->event.time_field);
    assert_int_equal(a->event.field_count, b->event.field_count);
    for (size_t i = 0; i < a->event.field_count; i++) {
        assert_string_equal(a->event.fields[i].path, b->event.fields[i].path);
        assert_int_equal(a->event.fields[i].hidden, b->event.fields[i].hidden);
        assert_int_equal(a->event.fields[i].time.zone.fixed_s, b->event.fields[i].time.zone.fixed_s);
        assert_int_equal(!a->event.fields[i].time.zone.named, !b->event.fields[i].time.zone.named);
        assert_int_equal(a->event.fields[i].inside, b->event.fields[i].inside);
        assert_int_equal(a->event.fields[i].optional, b->event.fields[i].optional);
        assert_int_equal(a->event.fields[i].fallback.present, b->event.fields[i].fallback.present);
        assert_int_equal(a->event.fields[i].time.kind, b->event.fields[i].time.kind);
        assert_string_equal(a->event.fields[i].time.pattern, b->event.fields[i].time.pattern);
    }
    for (size_t i = 0; i < a->sink_count; i++) assert_string_equal(a->sinks[i].path, b->sinks[i].path);
    assert_text_equal(a->dead_letter_path, b->dead_letter_path);
    assert_string_equal(a->state.path, b->state.path);
    assert_int_equal(a->state.memory, b->state.memory);
    assert_int_equal(a->checkpoints.every_ns, b->checkpoints.every_ns);
    assert_int_equal(a->checkpoints.keep_last, b->checkpoints.keep_last);
    assert_int_equal(a->checkpoints.keep_hourly, b->checkpoints.keep_hourly);
    assert_int_equal(a->checkpoints.keep_daily, b->checkpoints.keep_daily);
    assert_int_equal(a->checkpoints.keep_within_us, b->checkpoints.keep_within_us);
    assert_int_equal(a->checkpoints.full_every_ns, b->checkpoints.full_every_ns);
    assert_int_equal(a->checkpoints.full_keep, b->checkpoints.full_keep);
    assert_int_equal(a->delivery.commit_every_ns, b->delivery.commit_every_ns);
    assert_int_equal(a->delivery.offset_multiple, b->delivery.offset_multiple);
    assert_int_equal(a->on_stop, b->on_stop);
    assert_text_equal(a->http.host, b->http.host);
    assert_int_equal(a->http.port, b->http.port);
    assert_int_equal(a->http.off, b->http.off);
}

static rwd_job *parse(const char *name, rwd_slice text) {
    rwd_job *job = NULL;
    rwd_error err;
    if (!rwd_job_parse(name, text, NULL, 0, &job, &err)) fail_msg("%s: %s\n%.*s", err.place, err.cause, (int)text.size, (const char *)text.data);
    return job;
}

static void check_round_trip(const rwd_job *job, bool json) {
    rwd_buf printed = {0}, again = {0};
    rwd_job_print(job, json, &printed);
    rwd_job *other = parse(json ? "printed.json" : "printed.yaml", rwd_buf_slice(&printed));
    assert_jobs_equal(job, other);
    rwd_job_print(other, json, &again);
    assert_true(rwd_slice_equal(rwd_buf_slice(&printed), rwd_buf_slice(&again)));
    rwd_job_free(other);
    rwd_buf_deinit(&printed);
    rwd_buf_deinit(&again);
}

static void a_printed_job_is_the_same_job_when_it_is_read_again(void **state) {
    (void)state;
    test_random r = test_random_of(3);
    for (int i = 0; i < ROUNDS; i++) {
        rwd_buf text = {0};
        random_job(&r, &text);
        rwd_job *job = parse("random.yaml", rwd_buf_slice(&text));
        check_round_trip(job, false);
        check_round_trip(job, true);
        rwd_job_free(job);
        rwd_buf_deinit(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_printed_job_is_the_same_job_when_it_is_read_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
