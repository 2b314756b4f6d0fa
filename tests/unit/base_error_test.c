// Errors, the words that people mistype, and the build id.
#include "operator/base/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/version.h"
#include "operator/base/words.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

static void a_failure_carries_code_decision_cause_place_and_next(void **state) {
    (void)state;
    rwd_error err;
    memset(&err, 'x', sizeof(err));
    assert_false(rwd_fail(&err, RWD_E_CORRUPT, "block %d is %s", 7, "torn"));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    assert_int_equal(err.decision, RWD_ROLLBACK);
    assert_string_equal(err.cause, "block 7 is torn");
    assert_string_equal(err.place, "");
    assert_string_equal(err.next, "");
    assert_false(rwd_error_at(&err, "%s:%d", "orders.csv", 12));
    assert_false(rwd_error_next(&err, "rewind restore"));
    char text[200];
    rwd_error_format(&err, text, sizeof(text));
    assert_string_equal(text, "orders.csv:12: block 7 is torn; next: rewind restore");
    rwd_error_format(&err, text, 11);
    assert_string_equal(text, "orders.csv");
    rwd_error_clear(&err);
    assert_int_equal(err.code, RWD_E_NONE);
    assert_string_equal(err.cause, "");
}

static void the_innermost_place_and_next_command_stay(void **state) {
    (void)state;
    rwd_error err;
    rwd_fail(&err, RWD_E_IO, "a");
    rwd_error_at(&err, "inner");
    rwd_error_at(&err, "outer");
    rwd_error_next(&err, "first");
    rwd_error_next(&err, "second");
    assert_string_equal(err.place, "inner");
    assert_string_equal(err.next, "first");
}

static void an_absent_error_is_allowed(void **state) {
    (void)state;
    assert_false(rwd_fail(NULL, RWD_E_IO, "a"));
    assert_false(rwd_fail_errno(NULL, EIO, "a"));
    assert_false(rwd_error_at(NULL, "a"));
    assert_false(rwd_error_next(NULL, "a"));
}

static void a_cause_may_quote_the_error_that_it_replaces(void **state) {
    (void)state;
    rwd_error err;
    rwd_fail(&err, RWD_E_IO, "inner");
    rwd_fail(&err, RWD_E_NO_CHECKPOINT, "outer because %s", err.cause);
    assert_string_equal(err.cause, "outer because inner");
    assert_int_equal(err.code, RWD_E_NO_CHECKPOINT);
}

static void a_text_that_does_not_fit_is_cut_between_characters(void **state) {
    (void)state;
    for (size_t extra = 0; extra < 4; extra++) {
        char text[2000] = "abc";
        memset(text, 'a', extra);
        for (size_t i = extra; i + 3 < sizeof(text); i += 2) memcpy(text + i, "\xC3\xA9", 3);
        rwd_error err;
        rwd_fail(&err, RWD_E_IO, "%s", text);
        size_t size = strlen(err.cause);
        assert_true(size < sizeof(err.cause) && size > sizeof(err.cause) - 6);
        assert_string_equal(err.cause + size - 3, "...");
        assert_int_equal((size - 3 - extra) % 2, 0);
    }
}

static void system_errors_map_to_codes(void **state) {
    (void)state;
    static const struct {
        int system_error;
        rwd_code code;
    } cases[] = {{ENOSPC, RWD_E_DISK_FULL}, {EDQUOT, RWD_E_DISK_FULL}, {EACCES, RWD_E_PERMISSION}, {EPERM, RWD_E_PERMISSION},
                 {EROFS, RWD_E_PERMISSION}, {ENOMEM, RWD_E_RESOURCE},  {EMFILE, RWD_E_RESOURCE},   {ENFILE, RWD_E_RESOURCE},
                 {EIO, RWD_E_IO},           {ENOENT, RWD_E_IO}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rwd_error err;
        assert_false(rwd_fail_errno(&err, cases[i].system_error, "cannot write '%s'", "x"));
        assert_int_equal(err.code, cases[i].code);
        char expected[200];
        snprintf(expected, sizeof(expected), "cannot write 'x': %s", strerror(cases[i].system_error));
        assert_string_equal(err.cause, expected);
    }
}

static void each_code_has_a_word_made_of_its_name(void **state) {
    (void)state;
#define RWD_NAME(name, word, decision, exit_code, meaning) {RWD_E_##name, #name, decision, exit_code, meaning},
    static const struct {
        rwd_code code;
        const char *name;
        rwd_decision decision;
        rwd_exit exit_code;
        const char *meaning;
    } rows[] = {RWD_ERROR_TABLE(RWD_NAME)};
#undef RWD_NAME
    assert_int_equal(sizeof(rows) / sizeof(rows[0]), RWD_E_COUNT - 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char word[40] = "";
        for (size_t j = 0; rows[i].name[j]; j++) word[j] = rows[i].name[j] == '_' ? '-' : (char)tolower(rows[i].name[j]);
        assert_string_equal(rwd_code_name(rows[i].code), word);
        assert_int_equal(rwd_code_decision(rows[i].code), rows[i].decision);
        assert_int_equal(rwd_code_exit(rows[i].code), rows[i].exit_code);
        assert_string_equal(rwd_code_meaning(rows[i].code), rows[i].meaning);
        // Only what an event can do wrong ends without an exit code.
        assert_int_equal(rows[i].exit_code == RWD_EXIT_OK, rows[i].decision == RWD_SKIP);
    }
    for (int d = RWD_RETRY; d <= RWD_USAGE; d++) assert_string_not_equal(rwd_decision_name((rwd_decision)d), "unknown");
}

// ---- words

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

// The definition, by recursion.
static size_t slow_distance(const char *a, const char *b) {
    if (!*a || !*b) return strlen(a) + strlen(b);
    if (*a == *b) return slow_distance(a + 1, b + 1);
    size_t best = least(slow_distance(a + 1, b), least(slow_distance(a, b + 1), slow_distance(a + 1, b + 1))) + 1;
    if (a[1] && b[1] && a[0] == b[1] && a[1] == b[0]) best = least(best, slow_distance(a + 2, b + 2) + 1);
    return best;
}

static void the_nearest_word_is_the_first_of_least_distance(void **state) {
    (void)state;
    test_random r = test_random_of(1);
    for (int i = 0; i < 400; i++) {
        char words[5][7];
        const char *candidates[5];
        for (size_t w = 0; w < 5; w++) {
            size_t size = test_random_below(&r, 6);
            for (size_t j = 0; j < size; j++) words[w][j] = "abc"[test_random_below(&r, 3)];
            words[w][size] = '\0';
            candidates[w] = words[w];
        }
        size_t count = 4, best = SIZE_MAX, at = 0, size = strlen(words[4]);
        for (size_t w = 0; w < count; w++) {
            size_t d = slow_distance(words[4], words[w]);
            if (d < best) best = d, at = w;
        }
        size_t limit = size / 3 > 1 ? size / 3 : 1;
        assert_ptr_equal(rwd_nearest(words[4], candidates, count), best <= limit ? candidates[at] : NULL);
    }
}

static void mistyped_words_find_the_right_one_and_strange_ones_nothing(void **state) {
    (void)state;
    static const char *const keys[] = {"source", "event", "tables", "sinks", "checkpoints", "delivery"};
    assert_string_equal(rwd_nearest("chekpoints", keys, 6), "checkpoints");
    assert_string_equal(rwd_nearest("sikns", keys, 6), "sinks");
    assert_string_equal(rwd_nearest("table", keys, 6), "tables");
    assert_null(rwd_nearest("banana", keys, 6));
    assert_null(rwd_nearest("", keys, 6));
    assert_null(rwd_nearest("x", NULL, 0));
    char huge[1000];
    memset(huge, 'a', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_null(rwd_nearest(huge, keys, 6));
}

static void the_build_id_begins_with_the_version(void **state) {
    (void)state;
    size_t size = strlen(rwd_version_number());
    assert_true(size >= 5);
    assert_memory_equal(rwd_version_text(), rwd_version_number(), size);
    const char *rest = rwd_version_text() + size;
    assert_true(*rest == '\0' || (strncmp(rest, " (", 2) == 0 && rest[strlen(rest) - 1] == ')'));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_carries_code_decision_cause_place_and_next),
        cmocka_unit_test(the_innermost_place_and_next_command_stay),
        cmocka_unit_test(an_absent_error_is_allowed),
        cmocka_unit_test(a_cause_may_quote_the_error_that_it_replaces),
        cmocka_unit_test(a_text_that_does_not_fit_is_cut_between_characters),
        cmocka_unit_test(system_errors_map_to_codes),
        cmocka_unit_test(each_code_has_a_word_made_of_its_name),
        cmocka_unit_test(the_nearest_word_is_the_first_of_least_distance),
        cmocka_unit_test(mistyped_words_find_the_right_one_and_strange_ones_nothing),
        cmocka_unit_test(the_build_id_begins_with_the_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
