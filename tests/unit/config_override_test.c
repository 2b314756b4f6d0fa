// Flag over environment over file, and variables inside of values.
#include "tests/unit/config_test.h"

#define DELIVERED(value) LEAST "delivery: " value "\n"

static void forget_environment(void) {
    static const char *const names[] = {"REWIND_CHECKPOINTS_EVERY", "REWIND_STATE_PATH", "REWIND_SOURCE_FILE_PATH", "REWIND_STATE_MEMORY",
                                        "REWIND_DELIVERY_COMMIT_EVERY", "REWIND_DELIVERY_COMMIT_AT_OFFSET_MULTIPLE", "RWD_TEST_A", "RWD_TEST_B"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
}

static int forget(void **state) {
    (void)state;
    forget_environment();
    return 0;
}

static void flag_wins_over_environment_and_environment_over_file(void **state) {
    (void)state;
    static const char text[] = LEAST "checkpoints: {every: 1s}\n";
    const rwd_override flags[] = {{"checkpoints.every", "3s"}};
    rwd_job *job = job_of(text);
    assert_int_equal(job->checkpoints.every_ns, 1000000000);
    rwd_job_free(job);
    setenv("REWIND_CHECKPOINTS_EVERY", "2s", 1);
    job = job_of(text);
    assert_int_equal(job->checkpoints.every_ns, 2000000000);
    rwd_job_free(job);
    job = job_with(text, flags, 1);
    assert_int_equal(job->checkpoints.every_ns, 3000000000);
    rwd_job_free(job);
}

static void the_last_flag_of_a_key_wins(void **state) {
    (void)state;
    const rwd_override flags[] = {{"http.listen", "off"}, {"on_stop", "park"}, {"http.listen", "h:1"}};
    rwd_job *job = job_with(LEAST, flags, 3);
    assert_string_equal(job->http.host, "h");
    assert_int_equal(job->on_stop, RWD_ON_STOP_PARK);
    rwd_job_free(job);
}

static void an_override_brings_what_the_file_lacks(void **state) {
    (void)state;
    static const char text[] = "source: {format: json}\nevent: {fields: {a: int}}\ntables: {t: {key: a, aggregates: {n: count()}}}\n";
    const rwd_override flags[] = {{"job", "given"}, {"errors.dead_letter.file.path", "dead"}};
    setenv("REWIND_SOURCE_FILE_PATH", "from-environment", 1);
    rwd_job *job = job_with(text, flags, 2);
    assert_string_equal(job->name, "given");
    assert_string_equal(job->source.path, "from-environment");
    assert_string_equal(job->dead_letter_path, "dead");
    rwd_job_free(job);
}

static void an_empty_environment_variable_sets_nothing(void **state) {
    (void)state;
    setenv("REWIND_STATE_PATH", "", 1);
    rwd_job *job = job_of(LEAST);
    assert_string_equal(job->state.path, "./rewind-data");
    rwd_job_free(job);
}

static void commits_at_offsets_from_above_replace_commits_by_time(void **state) {
    (void)state;
    const rwd_override at[] = {{"delivery.commit_at.offset_multiple", "7"}}, every[] = {{"delivery.commit_every", "5ms"}};
    rwd_job *job = job_with(DELIVERED("{commit_every: 1s}"), at, 1);
    assert_int_equal(job->delivery.offset_multiple, 7);
    assert_int_equal(job->delivery.commit_every_ns, 0);
    rwd_job_free(job);
    job = job_with(DELIVERED("{commit_at: {offset_multiple: 9}}"), every, 1);
    assert_int_equal(job->delivery.offset_multiple, 0);
    assert_int_equal(job->delivery.commit_every_ns, 5000000);
    rwd_job_free(job);
    setenv("REWIND_DELIVERY_COMMIT_EVERY", "1s", 1);
    job = job_with(LEAST, at, 1);
    assert_int_equal(job->delivery.offset_multiple, 7);
    rwd_job_free(job);
}

static void both_ways_to_commit_on_one_level_are_an_error(void **state) {
    (void)state;
    const rwd_override flags[] = {{"delivery.commit_at.offset_multiple", "7"}, {"delivery.commit_every", "5ms"}};
    assert_refused_with(LEAST, flags, 2, "--set", "delivery.commit_at and delivery.commit_every exclude each other; keep one");
    setenv("REWIND_DELIVERY_COMMIT_EVERY", "1s", 1);
    setenv("REWIND_DELIVERY_COMMIT_AT_OFFSET_MULTIPLE", "5", 1);
    assert_refused(LEAST, "REWIND_DELIVERY_COMMIT_AT_OFFSET_MULTIPLE", "delivery.commit_at and delivery.commit_every exclude each other; keep one");
}

static void a_wrong_override_names_itself_as_the_place(void **state) {
    (void)state;
    const rwd_override misspelt[] = {{"checkpoint.every", "5s"}}, wrong[] = {{"checkpoints.keep.last", "1"}};
    assert_refused_with(LEAST, misspelt, 1, "--set", "unknown key \"checkpoint.every\"; did you mean \"checkpoints.every\"?");
    assert_refused_with(LEAST, wrong, 1, "--set", "checkpoints.keep.last: 1 is too small; the least is 2");
    setenv("REWIND_STATE_MEMORY", "much", 1);
    assert_refused(LEAST, "REWIND_STATE_MEMORY", "state.memory: expected a size in B, KiB, MiB, GiB or TiB, for example 2GiB, found \"much\"");
}

static void what_a_user_names_cannot_be_set_from_outside(void **state) {
    (void)state;
    static const char *const keys[] = {"tables.customers.key", "tables.*.key[]", "sinks", "", "source", "event.fields.*.type"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const rwd_override flag = {keys[i], "x"};
        rwd_job *job;
        rwd_error err;
        assert_false(rwd_job_parse("job.yaml", rwd_slice_str(LEAST), &flag, 1, &job, &err));
        assert_non_null(strstr(err.cause, "unknown key"));
    }
}

static void an_override_cannot_bring_what_no_file_could(void **state) {
    (void)state;
    const rwd_override flags[] = {{"state.path", "a\nb"}};
    assert_refused_with(LEAST, flags, 1, "--set", "state.path: the value is too long, is not UTF-8, or holds a line break or a control character");
    setenv("REWIND_STATE_PATH", "\xff", 1);
    assert_refused(LEAST, "REWIND_STATE_PATH", "state.path: the value is too long, is not UTF-8, or holds a line break or a control character");
}

// ---- variables

static void assert_path(const char *written, const char *expected) {
    char *text = rwd_strf("%sstate: {path: \"%s\"}\n", LEAST, written);
    rwd_job *job = job_of(text);
    assert_string_equal(job->state.path, expected);
    rwd_job_free(job);
    free(text);
}

static void variables_are_filled_in_inside_of_any_value(void **state) {
    (void)state;
    setenv("RWD_TEST_A", "one", 1);
    setenv("RWD_TEST_B", "", 1);
    assert_path("${RWD_TEST_A}", "one");
    assert_path("x/${RWD_TEST_A}-${RWD_TEST_A}/y", "x/one-one/y");
    assert_path("x${RWD_TEST_B}", "x");
    assert_path("${RWD_TEST_B:-default}", "default");
    assert_path("${RWD_TEST_NONE:-a b:-$c}", "a b:-$c");
    assert_path("${RWD_TEST_A:-default}", "one");
    assert_path("x${RWD_TEST_NONE:-}", "x");
}

static void what_is_filled_in_is_not_filled_in_again(void **state) {
    (void)state;
    setenv("RWD_TEST_A", "${RWD_TEST_B}", 1);
    assert_path("${RWD_TEST_A}", "${RWD_TEST_B}");
}

static void dollars_that_are_no_variables_stay(void **state) {
    (void)state;
    assert_path("$HOME $ $$ }", "$HOME $ $$ }");
    assert_path("$${NAME}", "${NAME}");
    assert_path("$$${NAME}", "$${NAME}");
}

static void variables_can_be_numbers_words_and_fields(void **state) {
    (void)state;
    setenv("RWD_TEST_A", "7", 1);
    setenv("RWD_TEST_B", "customer", 1);
    rwd_job *job = job_of("job: j\nsource: {file: {path: in, follow: \"${RWD_TEST_NONE:-true}\"}, format: json}\n"
                          "event: {fields: {customer: string}}\ntables: {t: {key: \"${RWD_TEST_B}\", aggregates: {n: count()}}}\n"
                          "checkpoints: {keep: {last: \"${RWD_TEST_A}\"}}\n");
    assert_true(job->source.follow);
    assert_int_equal(job->checkpoints.keep_last, 7);
    rwd_job_free(job);
}

static void a_wrong_variable_is_named_at_its_column(void **state) {
    (void)state;
#define STATE_PATH(value) LEAST "state:\n  path: " value "\n"
    assert_refused(STATE_PATH("a/${RWD_TEST_NONE}"), "job.yaml:6:11",
                   "the environment variable RWD_TEST_NONE is not set; set it, or write a default: ${RWD_TEST_NONE:-value}");
    assert_refused(STATE_PATH("a/${1}"), "job.yaml:6:11", "\"${1}\" is not a variable; it is written ${NAME} or ${NAME:-default}");
    assert_refused(STATE_PATH("a/${A:b}"), "job.yaml:6:11", "\"${A:b}\" is not a variable; it is written ${NAME} or ${NAME:-default}");
    assert_refused(STATE_PATH("a/${NONE:-${OTHER}}"), "job.yaml:6:11", "a variable stands inside the default of another; that is not supported");
    setenv("RWD_TEST_A", "two\nlines", 1);
    assert_refused(STATE_PATH("${RWD_TEST_A}"), "job.yaml:6:9",
                   "with its variables filled in the value holds a line break, a control character or bytes that are not UTF-8");
    assert_refused(STATE_PATH("\"${RWD_TEST_NONE:-}\""), "job.yaml:6:9", "state.path: expected a path, for example /var/lib/rewind, found \"\"");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, forget, forget)
    const struct CMUnitTest tests[] = {
        TEST(flag_wins_over_environment_and_environment_over_file),
        TEST(the_last_flag_of_a_key_wins),
        TEST(an_override_brings_what_the_file_lacks),
        TEST(an_empty_environment_variable_sets_nothing),
        TEST(commits_at_offsets_from_above_replace_commits_by_time),
        TEST(both_ways_to_commit_on_one_level_are_an_error),
        TEST(a_wrong_override_names_itself_as_the_place),
        TEST(what_a_user_names_cannot_be_set_from_outside),
        TEST(an_override_cannot_bring_what_no_file_could),
        TEST(variables_are_filled_in_inside_of_any_value),
        TEST(what_is_filled_in_is_not_filled_in_again),
        TEST(dollars_that_are_no_variables_stay),
        TEST(variables_can_be_numbers_words_and_fields),
        TEST(a_wrong_variable_is_named_at_its_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
