// The Kafka sink's two threads, against the cluster that librdkafka mocks: puts go on while a commit runs, and every commit is told once.
// What stands in the topics is proved against a real broker (tests/e2e).
#include "operator/sink/kafka.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/mock_cluster.h"
#include "tests/support/random.h"
#include "tests/support/sink_job.h"

#define COMMITS 60

typedef struct kafka_rig {
    sink_job j;
    mock_cluster *mock;
    rwd_kafka_settings settings;
} kafka_rig;

static void add_topic(sink_job *j, const char *topic, rwd_emit emit) {
    j->sinks[j->job.sink_count++] = (rwd_job_sink){.topic = (char *)(uintptr_t)topic, .format = RWD_FORMAT_JSON, .emit = emit};
}

static void rig_init(kafka_rig *rig) {
    *rig = (kafka_rig){.mock = mock_cluster_new()};
    mock_cluster_topic(rig->mock, "orders", 1);
    sink_job_init(&rig->j);
    rig->settings = (rwd_kafka_settings){
        .brokers = mock_cluster_address(rig->mock), .group = "threads", .client = "threads", .any_version = true, .memory = 1 << 20, .memory_out = 1 << 20,
    };
    add_topic(&rig->j, "updates", RWD_EMIT_UPDATE);
    add_topic(&rig->j, "totals", RWD_EMIT_COMMIT);
    rig->j.job.dead_letter_topic = (char *)"dead";
    rig->j.job.source.topic = (char *)"orders";
    rig->j.job.kafka.brokers = (char *)(uintptr_t)rig->settings.brokers;
}

static void rig_deinit(kafka_rig *rig) {
    rig->j.job.dead_letter_topic = NULL;  // a constant
    sink_job_deinit(&rig->j);
    mock_cluster_free(rig->mock);
}

static rwd_sink *rig_open(kafka_rig *rig) {
    rwd_error err;
    rwd_sink *sink = NULL;
    rwd_commit c;
    bool found;
    OK(rwd_kafka_sink_open(&rig->j.job, &rig->settings, rwd_clock_system(), &rig->j.budget, &sink, &err));
    OK(sink->ops->recover(sink, &c, &found, &err));
    assert_false(found);
    return sink;
}

typedef struct watcher {
    rwd_sink *sink;
    atomic_bool stop;
} watcher;

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
    sink->ops->wait(sink, 1000000);
    rwd_commit_outcome outcome = sink->ops->poll(sink, &told, &err);
    if (outcome == RWD_COMMIT_IDLE || outcome == RWD_COMMIT_RUNNING) return;
    assert_int_equal(outcome, RWD_COMMIT_COMMITTED);
    assert_int_equal(told.next_offset, *known + 1);
    *known = told.next_offset;
}

static void puts_go_on_while_a_commit_runs(void **state) {
    (void)state;
    kafka_rig rig;
    rig_init(&rig);
    rwd_sink *sink = rig_open(&rig);
    watcher w = {.sink = sink};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, watch, &w), 0);
    test_random r = test_random_of(5);
    int64_t known = 0;
    uint64_t rows = 0, overlapped = 0;
    for (int64_t c = 1; c <= COMMITS; c++) {
        sink->ops->begin(sink);
        if (!sink->ops->ready(sink)) overlapped++;
        sink->ops->stamp(sink, 1000000 * c);
        int64_t count = (int64_t)test_random_below(&r, 50);
        for (int64_t i = 0; i < count; i++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "k%03lld", (long long)(i % 10));
            sink_put(sink, &rig.j, 0, name, c, 0, c * 100 + i);
            sink_put(sink, &rig.j, 1, name, c, 0, c * 100 + i);
        }
        rows += (uint64_t)(count + (count < 10 ? count : 10));  // of each key the newest, where the commit is what is emitted
        sink_put_dead(sink, c, "not an order");
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
    assert_int_equal(stats.rows, rows);
    assert_int_equal(stats.dead_letters, COMMITS);
    sink->ops->close(sink);
    rig_deinit(&rig);
}

static void a_running_commit_ends_before_the_sink_is_closed(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        kafka_rig rig;
        rig_init(&rig);
        rwd_sink *sink = rig_open(&rig);
        sink->ops->begin(sink);
        sink_put(sink, &rig.j, 0, "ada", 1, 0, 4);
        rwd_commit commit = sink_commit_of(5);
        sink->ops->commit_async(sink, &commit);
        sink->ops->close(sink);
        rig_deinit(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_go_on_while_a_commit_runs),
        cmocka_unit_test(a_running_commit_ends_before_the_sink_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
