// The pipeline's thread puts while the thread "commit" commits: what ends up in the files is what was put, commit by commit.
#include "operator/sink/file.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/random.h"
#include "tests/support/sink_job.h"

#define COMMITS 300

typedef struct watcher {
    rwd_sink *sink;
    atomic_bool stop;
} watcher;

// Metrics are read from any thread.
static void *watch(void *argument) {
    watcher *w = argument;
    uint64_t last = 0;
    while (!atomic_load(&w->stop)) {
        rwd_sink_stats stats;
        w->sink->ops->stats(w->sink, &stats);
        if (stats.commits < last) return (void *)(uintptr_t) "commits went back";
        last = stats.commits;
        usleep(100);
    }
    return NULL;
}

static void drain(rwd_sink *sink, int64_t *known) {
    rwd_error err;
    rwd_commit told;
    rwd_commit_outcome outcome = sink_outcome(sink, &told, &err);
    if (outcome == RWD_COMMIT_IDLE) return;
    assert_int_equal(outcome, RWD_COMMIT_COMMITTED);
    assert_int_equal(told.next_offset, *known + 1);
    *known = told.next_offset;
}

static void expect_row(rwd_buf *expected, const char *customer, int64_t orders, int64_t offset) {
    rwd_buf_appendf(expected, "{\"customer\":\"%s\",\"orders\":%lld,\"revenue\":0.00,\"last\":null,\"_offset\":%lld,\"_lineage\":\"%032x\"}\n", customer,
                    (long long)orders, (long long)offset, 0xbeefu);
}

static void puts_go_on_while_a_commit_runs(void **state) {
    (void)state;
    sink_job j;
    sink_job_init(&j);
    sink_job_add(&j, "update.jsonl", RWD_FORMAT_JSON, RWD_EMIT_UPDATE);
    sink_job_add(&j, "commit.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    sink_job_dead_letters(&j, "dead.jsonl");
    rwd_sink *sink = sink_open(&j, NULL);
    assert_int_equal(sink_recover(sink), -1);
    watcher w = {.sink = sink};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, watch, &w), 0);
    test_random r = test_random_of(11);
    rwd_buf updates = {0}, commits = {0};
    int64_t known = 0;
    uint64_t overlapped = 0;
    for (int64_t c = 1; c <= COMMITS; c++) {
        sink->ops->begin(sink);
        bool was_ready = sink->ops->ready(sink);
        int64_t rows = (int64_t)test_random_below(&r, 200);
        for (int64_t i = 0; i < rows; i++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "k%03lld", (long long)i);
            sink_put(sink, &j, 0, name, c, 0, i);
            sink_put(sink, &j, 1, name, c, 0, i);
            expect_row(&updates, name, c, i);
            expect_row(&commits, name, c, i);
        }
        if (c % 16 == 0) {
            char *large = rwd_calloc(1, 300000);
            memset(large, 'x', 299999);
            sink_put_dead(sink, c, large);
            free(large);
        }
        if (!was_ready) overlapped++;
        while (!sink->ops->ready(sink)) drain(sink, &known);
        rwd_commit commit = sink_commit_of(c);
        sink->ops->commit_async(sink, &commit);
    }
    while (known < COMMITS) drain(sink, &known);
    assert_true(overlapped > 0);
    atomic_store(&w.stop, true);
    void *wrong;
    assert_int_equal(pthread_join(thread, &wrong), 0);
    assert_null(wrong);
    rwd_sink_stats stats;
    sink->ops->stats(sink, &stats);
    assert_int_equal(stats.commits, COMMITS);
    assert_int_equal(stats.dead_letters, COMMITS / 16);
    sink->ops->close(sink);
    assert_file(j.sinks[0].path, rwd_buf_cstr(&updates));
    assert_file(j.sinks[1].path, rwd_buf_cstr(&commits));
    rwd_buf_deinit(&updates);
    rwd_buf_deinit(&commits);
    sink_job_deinit(&j);
}

static void a_running_commit_ends_before_the_sink_is_closed(void **state) {
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        sink_job j;
        sink_job_init(&j);
        sink_job_add(&j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
        rwd_sink *sink = sink_open(&j, NULL);
        assert_int_equal(sink_recover(sink), -1);
        sink->ops->begin(sink);
        rwd_commit commit = sink_commit_of(5);
        sink->ops->commit_async(sink, &commit);
        sink->ops->close(sink);
        sink = sink_open(&j, NULL);
        assert_int_equal(sink_recover(sink), 5);
        sink->ops->close(sink);
        sink_job_deinit(&j);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_go_on_while_a_commit_runs),
        cmocka_unit_test(a_running_commit_ends_before_the_sink_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
