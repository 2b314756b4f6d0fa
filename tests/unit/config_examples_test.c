// The examples that are handed out are right.
#include "operator/base/fs.h"
#include "tests/unit/config_test.h"

static const char *folder;

static rwd_job *example(const char *name) {
    char path[RWD_PATH_MAX];
    rwd_job *job;
    rwd_error err;
    if (!rwd_path_join(path, folder, name, &err) || !rwd_job_load(path, NULL, 0, &job, &err)) fail_msg("%s: %s", err.place, err.cause);
    return job;
}

static void every_example_loads(void **state) {
    (void)state;
    char **names;
    size_t count, loaded = 0;
    rwd_error err;
    if (!rwd_list_dir(folder, &names, &count, &err)) fail_msg("%s: %s", err.place, err.cause);
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]);
        if (size < 5 || strcmp(names[i] + size - 5, ".yaml") != 0) continue;
        rwd_job_free(example(names[i]));
        loaded++;
    }
    rwd_names_free(names, count);
    assert_true(loaded >= 2);
}

static void online_retail_reads_the_file_that_the_environment_names(void **state) {
    (void)state;
    unsetenv("ONLINE_RETAIL_CSV");
    rwd_job *job = example("online-retail.yaml");
    assert_string_equal(job->source.path, "online-retail.csv");
    assert_int_equal(job->table_count, 3);
    assert_int_equal(job->tables[0].schema.column_count, 8);
    assert_int_equal(job->tables[1].schema.column_count, 8);
    assert_int_equal(job->tables[2].schema.column_count, 8);
    rwd_job_free(job);
    setenv("ONLINE_RETAIL_CSV", "/data/rows.csv", 1);
    job = example("online-retail.yaml");
    unsetenv("ONLINE_RETAIL_CSV");
    assert_string_equal(job->source.path, "/data/rows.csv");
    rwd_job_free(job);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    folder = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_loads),
        cmocka_unit_test(online_retail_reads_the_file_that_the_environment_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
