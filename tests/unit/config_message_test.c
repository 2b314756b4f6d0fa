// Wrong job files, each with the mistake that a person makes, and the line that they get to read.
//
// tests/golden/job/NAME.yaml has the mistake, NAME.txt the message; an empty one says that the file is right. The messages are written by hand: each must say
// what is wrong, where, and what would be right, without a manual.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/fs.h"
#include "operator/config/job.h"

#include "tests/unit/test.h"

#define CASES_MIN 30

static const char *folder;

static bool ends_with(const char *text, const char *end) {
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static void read_case(const char *name, rwd_buf *out) {
    char path[RWD_PATH_MAX];
    rwd_error err;
    if (!rwd_path_join(path, folder, name, &err) || !rwd_read_file(path, 1 << 20, out, &err)) fail_msg("%s: %s", err.place, err.cause);
}

// What the program says of a file; nothing if it is right.
static void said_of(const char *name, rwd_slice text, char *out, size_t capacity) {
    rwd_job *job;
    rwd_error err;
    out[0] = '\0';
    if (rwd_job_parse(name, text, NULL, 0, &job, &err)) {
        rwd_job_free(job);
        return;
    }
    assert_int_equal(err.code, RWD_E_CONFIG);
    rwd_error_format(&err, out, capacity);
}

static bool case_holds(const char *name) {
    rwd_buf yaml = {0}, expected = {0};
    char said[2048];
    char *text_name = rwd_strf("%.*s.txt", (int)(strlen(name) - strlen(".yaml")), name);
    read_case(name, &yaml);
    read_case(text_name, &expected);
    if (expected.size > 0 && expected.data[expected.size - 1] == '\n') expected.size--;
    said_of(name, rwd_buf_slice(&yaml), said, sizeof said);
    bool same = strcmp(said, rwd_buf_cstr(&expected)) == 0;
    if (!same) print_error("%s\n  must say: %s\n  says:     %s\n", name, rwd_buf_cstr(&expected), said);
    free(text_name);
    rwd_buf_deinit(&yaml);
    rwd_buf_deinit(&expected);
    return same;
}

static void each_mistake_is_named_with_its_place_and_what_would_be_right(void **state) {
    (void)state;
    char **names;
    size_t count, cases = 0, wrong = 0;
    rwd_error err;
    if (!rwd_list_dir(folder, &names, &count, &err)) fail_msg("%s: %s", err.place, err.cause);
    for (size_t i = 0; i < count; i++) {
        if (!ends_with(names[i], ".yaml")) continue;
        cases++;
        wrong += !case_holds(names[i]);
    }
    rwd_names_free(names, count);
    assert_true(cases >= CASES_MIN);
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    folder = argv[1];
    unsetenv("REWIND_GOLDEN_NOT_SET");
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_mistake_is_named_with_its_place_and_what_would_be_right)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
