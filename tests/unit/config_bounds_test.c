// A job file is input like any other: everything in it is bounded, and what is above a bound is refused with a clear line.
#include <unistd.h>

#include "operator/config/yaml.h"
#include "tests/unit/config_test.h"

#define BEGIN "job: j\nsource: {file: {path: in}, format: json}\n"

static void assert_refused_text(rwd_buf *text, const char *place, const char *cause) {
    assert_refused(rwd_buf_cstr(text), place, cause);
    rwd_buf_deinit(text);
}

static void a_file_above_its_size_is_refused(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_buf_append_str(&text, LEAST);
    while (text.size <= RWD_YAML_BYTES_MAX) rwd_buf_append_str(&text, "# nothing\n");
    rwd_job *job;
    rwd_error err;
    assert_false(rwd_job_parse("job.yaml", rwd_buf_slice(&text), NULL, 0, &job, &err));
    assert_non_null(strstr(err.cause, "at most 1048576 are read"));
    rwd_buf_deinit(&text);
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_buf_append_str(&text, "job: ");
    for (int i = 0; i < 100000; i++) rwd_buf_append_char(&text, '[');
    assert_refused_text(&text, "job.yaml:1:21", "maps and lists are nested deeper than 16");
}

static void a_million_values_are_refused(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_buf_append_str(&text, "job: [");
    for (int i = 0; i < 300000; i++) rwd_buf_append_str(&text, "a,");
    rwd_job *job;
    rwd_error err;
    assert_false(rwd_job_parse("job.yaml", rwd_buf_slice(&text), NULL, 0, &job, &err));
    assert_string_equal(err.cause, "a job file has at most 16384 values");
    rwd_buf_deinit(&text);
}

// "f0: int, f1: int": `count` members named with `letter`.
static void append_members(rwd_buf *text, const char *letter, int count, const char *value) {
    for (int i = 0; i < count; i++) rwd_buf_appendf(text, "%s%s%d: %s", i ? ", " : "", letter, i, value);
}

static void more_fields_than_an_event_has_are_refused(void **state) {
    (void)state;
    for (int count = RWD_FIELDS_MAX - 1; count <= RWD_FIELDS_MAX; count++) {
        rwd_buf text = {0};
        rwd_buf_append_str(&text, BEGIN "event: {time: {field: at, format: epoch-s}, fields: {");
        append_members(&text, "f", count, "int");
        rwd_buf_append_str(&text, "}}\ntables: {t: {key: f0, aggregates: {n: count()}}}\n");
        if (count == RWD_FIELDS_MAX) {
            assert_refused_text(&text, "job.yaml:3:53", "event.fields has 256 entries; at most 255 are possible");
            continue;
        }
        rwd_job *job = job_of(rwd_buf_cstr(&text));
        assert_int_equal(job->event.field_count, RWD_FIELDS_MAX);
        rwd_job_free(job);
        rwd_buf_deinit(&text);
    }
}

static void more_tables_columns_key_parts_and_sinks_than_there_can_be_are_refused(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_buf_append_str(&text, BEGIN "event: {fields: {a: int}}\ntables: {");
    append_members(&text, "t", RWD_TABLES_MAX + 1, "{key: a, aggregates: {n: count()}}");
    rwd_buf_append_str(&text, "}\n");
    assert_refused_text(&text, "job.yaml:4:9", "tables has 65 entries; at most 64 are possible");

    rwd_buf_append_str(&text, BEGIN "event: {fields: {a: int}}\ntables: {t: {key: a, aggregates: {");
    append_members(&text, "n", RWD_COLUMNS_MAX + 1, "count()");
    rwd_buf_append_str(&text, "}}}\n");
    assert_refused_text(&text, "job.yaml:4:34", "tables.t.aggregates has 65 entries; at most 64 are possible");

    rwd_buf_append_str(&text, BEGIN "event: {fields: {a: int}}\ntables: {t: {key: [a,a,a,a,a,a,a,a,a], aggregates: {n: count()}}}\n");
    assert_refused_text(&text, "job.yaml:4:19", "tables.t.key has 9 entries; at most 8 are possible");

    rwd_buf_append_str(&text, LEAST "sinks:\n");
    for (int i = 0; i <= RWD_SINKS_MAX; i++) rwd_buf_appendf(&text, "- file: {path: out/%d}\n", i);
    assert_refused_text(&text, "job.yaml:6:1", "sinks has 33 entries; at most 32 are possible");
}

static void the_most_of_everything_is_accepted(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_buf_append_str(&text, BEGIN "event: {fields: {");
    append_members(&text, "f", RWD_FIELDS_MAX - 1, "decimal(18)");
    rwd_buf_append_str(&text, "}}\ntables:\n");
    for (int t = 0; t < RWD_TABLES_MAX; t++) {
        rwd_buf_appendf(&text, "  t%d:\n    key: [f0, f1, f2, f3, f4, f5, f6, f7]\n    aggregates: {", t);
        append_members(&text, "n", RWD_COLUMNS_MAX, "sum(f9)");
        rwd_buf_append_str(&text, "}\n");
    }
    rwd_buf_append_str(&text, "sinks:\n");
    for (int i = 0; i < RWD_SINKS_MAX; i++) rwd_buf_appendf(&text, "- {table: t%d, file: {path: out/%d}}\n", i, i);
    rwd_job *job = job_of(rwd_buf_cstr(&text));
    rwd_buf printed = {0};
    rwd_job_print(job, false, &printed);
    rwd_job *again = job_of(rwd_buf_cstr(&printed));
    assert_true(rwd_hash128_equal(job->logic, again->logic));
    rwd_job_free(job);
    rwd_job_free(again);
    rwd_buf_deinit(&printed);
    rwd_buf_deinit(&text);
}

static void bytes_that_are_no_text_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *place, *cause;
    } cases[] = {
        {"job: a\njob\xff: b\n", 14, "job.yaml:2:4", "the job file is not UTF-8 text"},
        {"job: \xed\xa0\x80\n", 9, "job.yaml:1:6", "the job file is not UTF-8 text"},
        {"job: a\x01\n", 8, "job.yaml:1:7", "a control character stands here"},
        {"job: a\0\n", 8, "job.yaml:1:7", "a control character stands here"},
        {"job: \"a\\0\"\n", 11, "job.yaml:1:6", "the text holds a line break or a control character"},
        {"job: |\n  a\n  b\n", 15, "job.yaml:1:6", "the text holds a line break or a control character"},
        {"\"jo\\eb\": a\n", 11, "job.yaml:1:1", "the text holds a line break or a control character"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rwd_job *job;
        rwd_error err;
        assert_false(rwd_job_parse("job.yaml", rwd_slice_of(cases[i].bytes, cases[i].size), NULL, 0, &job, &err));
        assert_string_equal(err.cause, cases[i].cause);
        assert_string_equal(err.place, cases[i].place);
    }
}

static void what_yaml_can_do_and_a_job_file_need_not_is_refused(void **state) {
    (void)state;
    assert_refused("job: &a j\nsource: *a\n", "job.yaml:1:6", "anchors (&name) are not supported; write the value itself");
    assert_refused("job: *a\n", "job.yaml:1:6", "aliases (*name) are not supported; write the value itself");
    assert_refused("job: !!str j\n", "job.yaml:1:6", "tags (!word) are not supported; write the value itself");
    assert_refused("sinks: !list [a]\n", "job.yaml:1:8", "tags (!word) are not supported; write the value itself");
    assert_refused("sinks: &a {b: c}\n", "job.yaml:1:8", "anchors (&name) are not supported; write the value itself");
    assert_refused("? [a]\n: b\n", "job.yaml:1:3", "a key is a word, not a map or a list");
    assert_refused("job: j\n...\n---\njob: k\n", "job.yaml:3:1", "a second document begins here; a job file is one document");
}

static void long_words_are_cut_in_messages_at_a_character(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_buf_append_str(&text, "job: j\n");
    for (int i = 0; i < 100; i++) rwd_buf_append_str(&text, "\xc3\xa9");
    rwd_buf_append_str(&text, ": 1\n");
    rwd_job *job;
    rwd_error err;
    assert_false(rwd_job_parse("job.yaml", rwd_buf_slice(&text), NULL, 0, &job, &err));
    assert_true(rwd_utf8_valid(rwd_slice_str(err.cause)));
    assert_non_null(strstr(err.cause, "\xc3\xa9...\"; known here: job, group"));
    rwd_buf_deinit(&text);
}

static void a_file_that_is_not_there_or_is_a_folder_is_named(void **state) {
    (void)state;
    rwd_job *job;
    rwd_error err;
    assert_false(rwd_job_load("no-such-job.yaml", NULL, 0, &job, &err));
    assert_int_equal(err.code, RWD_E_CONFIG);
    assert_string_equal(err.place, "no-such-job.yaml");
    assert_string_equal(err.cause, "there is no such job file");
    assert_false(rwd_job_load(".", NULL, 0, &job, &err));
    assert_string_equal(err.place, ".");
}

static void a_file_is_read_from_where_it_is(void **state) {
    (void)state;
    char path[] = "config-job-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, LEAST, strlen(LEAST)), strlen(LEAST));
    close(fd);
    rwd_job *job;
    rwd_error err;
    bool loaded = rwd_job_load(path, NULL, 0, &job, &err);
    unlink(path);
    assert_true(loaded);
    assert_string_equal(job->file, path);
    rwd_job_free(job);
}

static void nobody_has_to_ask_for_the_reason(void **state) {
    (void)state;
    rwd_job *job;
    assert_false(rwd_job_parse("job.yaml", rwd_slice_str("jbo: 1\n"), NULL, 0, &job, NULL));
    assert_false(rwd_job_load("no-such-job.yaml", NULL, 0, &job, NULL));
    rwd_job_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_above_its_size_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(a_million_values_are_refused),
        cmocka_unit_test(more_fields_than_an_event_has_are_refused),
        cmocka_unit_test(more_tables_columns_key_parts_and_sinks_than_there_can_be_are_refused),
        cmocka_unit_test(the_most_of_everything_is_accepted),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(what_yaml_can_do_and_a_job_file_need_not_is_refused),
        cmocka_unit_test(long_words_are_cut_in_messages_at_a_character),
        cmocka_unit_test(a_file_that_is_not_there_or_is_a_folder_is_named),
        cmocka_unit_test(a_file_is_read_from_where_it_is),
        cmocka_unit_test(nobody_has_to_ask_for_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
