// The command line: what is understood, and what is said about what is not.
#include "operator/cli/parse.h"

#include <stdio.h>

#include "tests/unit/test.h"

#define WORDS_MAX 16

static const char *no_environment(const char *name) {
    (void)name;
    return NULL;
}

static const char *some_environment(const char *name) {
    if (strcmp(name, "REWIND_DATA") == 0) return "/from/environment";
    if (strcmp(name, "REWIND_LOG_LEVEL") == 0) return "debug";
    return NULL;
}

static const char *bad_environment(const char *name) { return strcmp(name, "REWIND_OUTPUT") == 0 ? "xml" : NULL; }

// Parses "checkpoint list x" (words parted by one space).
static bool parse(const char *line, const char *(*environment)(const char *), rwd_invocation *out, rwd_error *err) {
    static char words[1024];
    const char *argv[WORDS_MAX] = {"rewind"};
    int argc = 1;
    (void)snprintf(words, sizeof(words), "%s", line);
    char *rest = words, *word;
    while (argc < WORDS_MAX && *words && (word = strsep(&rest, " "))) argv[argc++] = word;
    rwd_error_clear(err);
    return rwd_parse_command_line(argc, argv, environment, out, err);
}

static void every_command_is_found_by_its_words(void **state) {
    (void)state;
    const rwd_command *command;
    for (size_t i = 0; (command = rwd_command_at(i)); i++) {
        char line[512];
        rwd_invocation in;
        rwd_error err;
        (void)snprintf(line, sizeof(line), "%s --help", command->name);
        assert_true(parse(line, no_environment, &in, &err));
        assert_ptr_equal(in.command, command);
        assert_true(rwd_given(&in, RWD_FLAG_ID_HELP));
        rwd_invocation_deinit(&in);
    }
    assert_true(rwd_command_is_group("checkpoint") && rwd_command_is_group("state") && rwd_command_is_group("config"));
    assert_false(rwd_command_is_group("check") || rwd_command_is_group("run") || rwd_command_is_group("stat"));
}

// Rules that rows of the tables must keep, or the parser would be ambiguous.
// Two flags may have one name, and then one letter or none, where both take a value or neither does, and no command takes both.
static void check_flags(rwd_flag_id i, rwd_flag_id j) {
    const rwd_flag *f = rwd_flag_at(i), *g = rwd_flag_at(j);
    const rwd_command *c;
    bool same = strcmp(f->name, g->name) == 0;
    if (f->letter != 0 || same) assert_int_equal(same, f->letter == g->letter);
    if (!same) return;
    assert_int_equal(f->kind == RWD_FLAG_SWITCH, g->kind == RWD_FLAG_SWITCH);
    for (size_t k = 0; (c = rwd_command_at(k)); k++) {
        uint64_t flags = c->flags | rwd_common_flags();
        assert_false((flags >> i & 1) && (flags >> j & 1));
    }
}

static void rows_of_the_tables_do_not_contradict_each_other(void **state) {
    (void)state;
    const rwd_command *a, *b;
    for (size_t i = 0; (a = rwd_command_at(i)); i++) {
        assert_true(a->least <= a->most && a->most <= RWD_ARGS_MAX && a->run && *a->brief && *a->examples);
        assert_int_equal(a->exits[0], RWD_EXIT_OK);
        assert_int_equal(a->flags & rwd_common_flags(), 0);
        for (size_t e = 1; e < RWD_COMMAND_EXITS_MAX && a->exits[e] != RWD_EXIT_OK; e++) assert_non_null(rwd_exit_meaning(a->exits[e]));
        for (size_t j = i + 1; (b = rwd_command_at(j)); j++) assert_string_not_equal(a->name, b->name);
        assert_false(rwd_command_is_group(a->name));
    }
    for (int i = 0; i < RWD_FLAG_ID_COUNT; i++) {
        const rwd_flag *f = rwd_flag_at((rwd_flag_id)i);
        assert_true((f->kind == RWD_FLAG_SWITCH) == (*f->takes == '\0'));
        for (int j = i + 1; j < RWD_FLAG_ID_COUNT; j++) check_flags((rwd_flag_id)i, (rwd_flag_id)j);
    }
}

static void every_error_code_has_an_exit_code_that_is_documented(void **state) {
    (void)state;
    for (int i = RWD_E_NONE + 1; i < RWD_E_COUNT; i++) assert_non_null(rwd_exit_meaning(rwd_code_exit((rwd_code)i)));
}

static void flags_stand_anywhere_and_in_every_form(void **state) {
    (void)state;
    static const char *const lines[] = {
        "export orders.yaml --table t --format csv -f out.csv", "export --table=t --format=csv --file=out.csv orders.yaml",
        "--log-level warn export -t t -fout.csv orders.yaml --format csv", "export -tt -f out.csv --format csv -- orders.yaml",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        rwd_invocation in;
        rwd_error err;
        assert_true(parse(lines[i], no_environment, &in, &err));
        assert_string_equal(in.command->name, "export");
        assert_string_equal(in.job, "orders.yaml");
        assert_int_equal(in.arg_count, 0);
        assert_string_equal(in.values[RWD_FLAG_ID_TABLE], "t");
        assert_string_equal(in.values[RWD_FLAG_ID_FORMAT], "csv");
        assert_string_equal(in.values[RWD_FLAG_ID_FILE], "out.csv");
        rwd_invocation_deinit(&in);
    }
}

static void letters_of_switches_may_be_joined(void **state) {
    (void)state;
    rwd_invocation in;
    rwd_error err;
    assert_true(parse("checkpoint prune -nyk 3 orders.yaml", no_environment, &in, &err));
    assert_true(rwd_given(&in, RWD_FLAG_ID_DRY_RUN) && rwd_given(&in, RWD_FLAG_ID_YES));
    assert_int_equal(rwd_count_of(&in, RWD_FLAG_ID_KEEP, 9), 3);
    assert_int_equal(rwd_count_of(&in, RWD_FLAG_ID_LIMIT, 9), 9);
    rwd_invocation_deinit(&in);
}

static void pairs_are_kept_in_order(void **state) {
    (void)state;
    rwd_invocation in;
    rwd_error err;
    assert_true(parse("run orders.yaml --set a.b=c=d -s x=", no_environment, &in, &err));
    assert_int_equal(in.set_count, 2);
    assert_string_equal(in.sets[0].key, "a.b");
    assert_string_equal(in.sets[0].value, "c=d");
    assert_string_equal(in.sets[1].key, "x");
    assert_string_equal(in.sets[1].value, "");
    rwd_invocation_deinit(&in);
}

typedef struct place_case { const char *line; bool environment; const char *job, *data, *arg; } place_case;

static void a_job_is_found_by_file_flag_or_environment(void **state) {
    (void)state;
    static const place_case cases[] = {
        {"state get orders.yaml k", false, "orders.yaml", NULL, "k"},
        {"state get orders k", false, "orders", NULL, "k"},               // nothing else says which job: the first is it
        {"state get --data d k", false, NULL, "d", "k"},
        {"state get --data d k.yaml", false, NULL, "d", "k.yaml"},        // --data has said it: this is a key
        {"state get k", true, NULL, "/from/environment", "k"},
        {"state get orders.yaml k", true, "orders.yaml", NULL, "k"},      // a word on the line is stronger than the environment
        {"state get --job orders k", true, "orders", NULL, "k"},
        {"checkpoint show latest", true, NULL, "/from/environment", "latest"},
        {"checkpoint show orders.yml latest", true, "orders.yml", NULL, "latest"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rwd_invocation in;
        rwd_error err;
        assert_true(parse(cases[i].line, cases[i].environment ? some_environment : no_environment, &in, &err));
        assert_int_equal(in.job != NULL, cases[i].job != NULL);
        if (in.job) assert_string_equal(in.job, cases[i].job);
        assert_int_equal(rwd_given(&in, RWD_FLAG_ID_DATA), cases[i].data != NULL);
        if (cases[i].data) assert_string_equal(in.values[RWD_FLAG_ID_DATA], cases[i].data);
        assert_int_equal(in.arg_count, 1);
        assert_string_equal(in.args[0], cases[i].arg);
        rwd_invocation_deinit(&in);
    }
}

static void a_flag_is_stronger_than_the_environment(void **state) {
    (void)state;
    rwd_invocation in;
    rwd_error err;
    assert_true(parse("run orders.yaml", some_environment, &in, &err));
    assert_string_equal(in.values[RWD_FLAG_ID_LOG_LEVEL], "debug");
    rwd_invocation_deinit(&in);
    assert_true(parse("run orders.yaml --log-level error", some_environment, &in, &err));
    assert_string_equal(in.values[RWD_FLAG_ID_LOG_LEVEL], "error");
    rwd_invocation_deinit(&in);
    assert_false(parse("version", bad_environment, &in, &err));
    assert_non_null(strstr(err.cause, "REWIND_OUTPUT"));
}

typedef struct mistake { const char *line; const char *says; } mistake;

static void mistakes_are_named_with_the_nearest_right_word(void **state) {
    (void)state;
    static const mistake mistakes[] = {
        {"rnu orders.yaml", "did you mean 'run'"},
        {"checkpoint lsit", "did you mean 'list'"},
        {"chekpoint list", "did you mean 'checkpoint'"},
        {"run --frehs orders.yaml", "did you mean --fresh"},
        {"status orders.yaml -o jsno", "did you mean 'json'"},
        {"run orders.yaml --to x", "takes no flag --to"},
        {"run orders.yaml -f x", "takes no flag -f"},
        {"run orders.yaml -o", "needs a value"},
        {"run orders.yaml --output", "needs a value"},
        {"run orders.yaml --fresh=yes", "takes no value"},
        {"run orders.yaml --set a", "KEY=VALUE"},
        {"run orders.yaml --set =a", "KEY=VALUE"},
        {"run orders.yaml more", "one argument too many"},
        {"run", "needs a job file"},
        {"state scan orders.yaml --limit -1", "a whole number"},
        {"state scan orders.yaml --limit 1x", "a whole number"},
        {"state scan orders.yaml --limit 99999999999999999999", "a whole number"},
        {"state get orders.yaml", "needs KEY"},
        {"state get k", "job file, or --data"},
        {"status a.yaml --job b.yaml", "one argument too many"},
        {"status --job a --data b", "not both"},
        {"export --table a --table b x.yaml", "given twice"},
        {"export --table= x.yaml", "needs a value"},
    };
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        rwd_invocation in;
        rwd_error err;
        assert_false(parse(mistakes[i].line, no_environment, &in, &err));
        assert_int_equal(err.code, RWD_E_USAGE);
        if (!strstr(err.cause, mistakes[i].says)) fail_msg("'%s' says: %s", mistakes[i].line, err.cause);
    }
}

static void a_group_alone_is_no_command(void **state) {
    (void)state;
    rwd_invocation in;
    rwd_error err;
    assert_true(parse("checkpoint", no_environment, &in, &err));
    assert_null(in.command);
    assert_string_equal(in.group, "checkpoint");
    assert_true(parse("", no_environment, &in, &err));
    assert_true(!in.command && !in.group);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_found_by_its_words),
        cmocka_unit_test(rows_of_the_tables_do_not_contradict_each_other),
        cmocka_unit_test(every_error_code_has_an_exit_code_that_is_documented),
        cmocka_unit_test(flags_stand_anywhere_and_in_every_form),
        cmocka_unit_test(letters_of_switches_may_be_joined),
        cmocka_unit_test(pairs_are_kept_in_order),
        cmocka_unit_test(a_job_is_found_by_file_flag_or_environment),
        cmocka_unit_test(a_flag_is_stronger_than_the_environment),
        cmocka_unit_test(mistakes_are_named_with_the_nearest_right_word),
        cmocka_unit_test(a_group_alone_is_no_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
