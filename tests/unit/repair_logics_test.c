// Logics: what is kept with a lineage is found by the hash of each of its segments, and means the same under another job file.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/repair/logics.h"
#include "tests/unit/test.h"

#define HEAD "job: orders\nsource: {file: {path: in.jsonl}, format: json}\nstate: {path: data, memory: 64MiB}\nhttp: {listen: off}\n"
#define EVENT "event: {fields: {customer: string, amount: decimal(2), quantity: int}}\n"
#define SINK "sinks: [{table: customers, file: {path: out/a.jsonl}}]\n"

static const char first[] = HEAD EVENT "tables: {customers: {key: customer, aggregates: {revenue: sum(amount)}}}\n" SINK;
static const char second[] = HEAD EVENT "tables: {customers: {key: customer, where: quantity > 0, aggregates: {revenue: sum(amount), orders: count()}}}\n" SINK;
static const char third[] = HEAD EVENT "tables: {customers: {key: customer, aggregates: {revenue: sum(amount), orders: count()}}}\n"
                            "sinks: [{table: customers, file: {path: out/a.jsonl}, fields: [orders]}]\n";
static const char other_table[] = HEAD EVENT "tables: {amounts: {key: amount, aggregates: {n: count()}}}\nsinks: [{table: amounts, file: {path: out/b.jsonl}}]\n";

typedef struct fixture {
    char path[64];
    rwd_io *io;
    rwd_repo *repo;
} fixture;

static rwd_error err;
static void must(bool ok) {
    if (!ok) fail_msg("%s: %s", err.place, err.cause);
}

static int setup(void **state) {
    fixture *fx = rwd_calloc(1, sizeof(*fx));
    snprintf(fx->path, sizeof(fx->path), "%s", access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm/logics-XXXXXX" : "logics-XXXXXX");
    rwd_log_setup(RWD_LOG_SILENT, false);
    must(mkdtemp(fx->path) != NULL && rwd_io_pread_new(&fx->io, &err));
    must(rwd_repo_open_owner(&(rwd_repo_options){fx->path, "orders", "0", true}, fx->io, rwd_clock_system(), &fx->repo, &err));
    *state = fx;
    return 0;
}

static int teardown(void **state) {
    fixture *fx = *state;
    rwd_repo_close(fx->repo);
    rwd_io_free(fx->io);
    must(rwd_remove_tree(fx->path, &err));
    free(fx);
    return 0;
}

static rwd_job *job_of(const char *text) {
    rwd_job *job = NULL;
    must(rwd_job_parse("job.yaml", rwd_slice_str(text), NULL, 0, &job, &err));
    return job;
}

static rwd_lineage lineage_of(const rwd_job *const *jobs, size_t count) {
    rwd_lineage lineage;
    rwd_lineage_init(&lineage, (rwd_hash128){1, 2}, 0);
    for (size_t i = 0; i < count; i++)
        rwd_lineage_add_segment(&lineage, (rwd_lineage_segment){(int64_t)i * 100, jobs[i]->logic, jobs[i]->sinks_hash});
    return lineage;
}

// Keeps first, second, third as the segments of one lineage.
static rwd_lineage keep(fixture *fx) {
    rwd_job *jobs[] = {job_of(first), job_of(second), job_of(third)};
    rwd_lineage lineage = lineage_of((const rwd_job *const *)jobs, 3);
    // Each became the last segment once, as in an operator that is given new logic.
    for (size_t count = 1; count <= 3; count++) {
        rwd_lineage part = lineage_of((const rwd_job *const *)jobs, count);
        rwd_logics *logics = rwd_logics_new(fx->repo, jobs[count - 1]);
        must(rwd_logics_save(logics, &part, &err));
        rwd_logics_free(logics);
        rwd_lineage_deinit(&part);
    }
    for (size_t i = 0; i < 3; i++) rwd_job_free(jobs[i]);
    return lineage;
}

static void every_segment_of_a_kept_lineage_has_its_logic_under_any_job_file(void **state) {
    fixture *fx = *state;
    rwd_lineage lineage = keep(fx);
    static const char *const files[] = {first, second, third, other_table};
    for (size_t f = 0; f < 4; f++) {
        rwd_job *current = job_of(files[f]);
        rwd_logics *logics = rwd_logics_new(fx->repo, current);
        for (size_t i = 0; i < lineage.segment_count; i++) {
            const rwd_job *job, *again;
            must(rwd_logics_job(logics, lineage.segments[i].logic, &job, &err));
            must(rwd_logics_job(logics, lineage.segments[i].logic, &again, &err));
            assert_ptr_equal(job, again);
            assert_true(rwd_hash128_equal(job->logic, lineage.segments[i].logic));
        }
        const rwd_job *last;
        must(rwd_logics_last(logics, &lineage, &last, &err));
        assert_true(rwd_hash128_equal(last->sinks_hash, lineage.segments[2].sinks));
        rwd_logics_free(logics);
        rwd_job_free(current);
    }
    rwd_lineage_deinit(&lineage);
}

// A repair puts a logic between two others: it is the last segment of no lineage.
static void a_logic_that_is_only_in_the_middle_is_kept_too(void **state) {
    fixture *fx = *state;
    rwd_job *current = job_of(third), *fixed = job_of(second);
    const rwd_job *added, *found;
    rwd_logics *logics = rwd_logics_new(fx->repo, current);
    must(rwd_logics_add(logics, fixed, &added, &err));
    assert_true(rwd_hash128_equal(added->logic, fixed->logic));
    assert_true(rwd_hash128_equal(added->sinks_hash, current->sinks_hash));
    const rwd_job *jobs[] = {current, added, current};
    rwd_lineage lineage = lineage_of(jobs, 3);
    must(rwd_logics_save(logics, &lineage, &err));
    must(rwd_logics_save(logics, &lineage, &err));
    rwd_logics_free(logics);
    logics = rwd_logics_new(fx->repo, current);
    must(rwd_logics_job(logics, fixed->logic, &found, &err));
    assert_true(rwd_hash128_equal(found->logic, fixed->logic));
    rwd_logics_free(logics);
    rwd_lineage_deinit(&lineage);
    rwd_job_free(current);
    rwd_job_free(fixed);
}

static void connection_and_cadences_are_the_current_job_files(void **state) {
    fixture *fx = *state;
    rwd_lineage lineage = keep(fx);
    char *moved = rwd_strf("%scheckpoints: {every: 3s}\n", third);
    rwd_job *current = job_of(moved);
    const rwd_job *job;
    rwd_logics *logics = rwd_logics_new(fx->repo, current);
    must(rwd_logics_job(logics, lineage.segments[0].logic, &job, &err));
    assert_int_equal(job->checkpoints.every_ns, INT64_C(3000000000));
    assert_int_equal(job->tables[0].schema.column_count, 1);
    assert_int_equal(job->sink_count, 0);  // the current one's publish a column that it lacks
    must(rwd_logics_job(logics, lineage.segments[1].logic, &job, &err));
    assert_int_equal(job->sink_count, 1);
    rwd_logics_free(logics);
    rwd_job_free(current);
    rwd_lineage_deinit(&lineage);
    free(moved);
}

static void a_logic_that_was_never_kept_is_not_found(void **state) {
    fixture *fx = *state;
    rwd_job *current = job_of(first);
    const rwd_job *job;
    rwd_logics *logics = rwd_logics_new(fx->repo, current);
    assert_false(rwd_logics_job(logics, (rwd_hash128){5, 5}, &job, &err));
    assert_int_equal(err.code, RWD_E_NOT_FOUND);
    rwd_logics_free(logics);
    rwd_job_free(current);
}

// L4: the text stands for what this program makes of it; a kept text that means something else now is named, never run.
static void a_text_that_means_something_else_is_refused(void **state) {
    fixture *fx = *state;
    rwd_job *current = job_of(first);
    const rwd_job *job;
    rwd_lineage lineage;
    rwd_lineage_init(&lineage, (rwd_hash128){1, 2}, 0);
    rwd_lineage_add_segment(&lineage, (rwd_lineage_segment){0, {7, 7}, {8, 8}});
    must(rwd_repo_save_lineage(fx->repo, &lineage, rwd_slice_str(second), &err));
    rwd_logics *logics = rwd_logics_new(fx->repo, current);
    assert_false(rwd_logics_job(logics, (rwd_hash128){7, 7}, &job, &err));
    assert_int_equal(err.code, RWD_E_LOGIC_CHANGED);
    rwd_logics_free(logics);
    rwd_lineage_deinit(&lineage);
    rwd_job_free(current);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_segment_of_a_kept_lineage_has_its_logic_under_any_job_file),
        TEST(a_logic_that_is_only_in_the_middle_is_kept_too),
        TEST(connection_and_cadences_are_the_current_job_files),
        TEST(a_logic_that_was_never_kept_is_not_found),
        TEST(a_text_that_means_something_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
