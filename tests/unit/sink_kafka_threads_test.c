// The Kafka sink's two threads, against the cluster that librdkafka mocks: puts go on while a commit runs, and every commit is told once.
// In both modes of delivery; and what comes of errors where there are no transactions. What stands in the topics is proved against a real broker (tests/e2e).
#include "operator/sink/kafka.h"

#include <pthread.h>
#include <stdatomic.h>

#include "operator/kafka/group.h"
#include "tests/support/mock_cluster.h"
#include "tests/support/random.h"
#include "tests/support/sink_job.h"

#define COMMITS 60

// Requests and codes, by their numbers in Kafka's protocol.
enum { PRODUCE = 0, OFFSET_COMMIT = 8, OFFSET_FETCH = 9 };
enum { REQUEST_TIMED_OUT = 7, MSG_SIZE_TOO_LARGE = 10, OFFSET_METADATA_TOO_LARGE = 12, COORDINATOR_LOAD_IN_PROGRESS = 14, GROUP_AUTHORIZATION_FAILED = 30 };

typedef struct kafka_rig {
    sink_job j;
    mock_cluster *mock;
    rwd_kafka_settings settings;
} kafka_rig;

static void add_topic(sink_job *j, const char *topic, rwd_emit emit) {
    j->sinks[j->job.sink_count++] = (rwd_job_sink){.topic = (char *)(uintptr_t)topic, .format = RWD_FORMAT_JSON, .emit = emit};
}

static void rig_init(kafka_rig *rig, rwd_delivery_mode mode) {
    *rig = (kafka_rig){.mock = mock_cluster_new()};
    mock_cluster_topic(rig->mock, "orders", 1);
    sink_job_init(&rig->j);
    rig->settings = (rwd_kafka_settings){
        .brokers = mock_cluster_address(rig->mock), .group = "threads", .client = "threads", .any_version = true, .memory = 1 << 20, .memory_out = 1 << 20,
    };
    add_topic(&rig->j, "updates", RWD_EMIT_UPDATE);
    add_topic(&rig->j, "totals", RWD_EMIT_COMMIT);
    rig->j.job.delivery.mode = mode;
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

static void puts_go_on_while_commits_run(rwd_delivery_mode mode) {
    kafka_rig rig;
    rig_init(&rig, mode);
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

static void puts_go_on_while_a_transaction_runs(void **state) {
    (void)state;
    puts_go_on_while_commits_run(RWD_DELIVERY_EXACTLY_ONCE);
}

static void puts_go_on_while_a_commit_without_transactions_runs(void **state) {
    (void)state;
    puts_go_on_while_commits_run(RWD_DELIVERY_AT_LEAST_ONCE);
}

static void a_running_commit_ends_before_the_sink_is_closed(void **state) {
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        kafka_rig rig;
        rig_init(&rig, i % 2 ? RWD_DELIVERY_AT_LEAST_ONCE : RWD_DELIVERY_EXACTLY_ONCE);
        rwd_sink *sink = rig_open(&rig);
        sink->ops->begin(sink);
        sink_put(sink, &rig.j, 0, "ada", 1, 0, 4);
        rwd_commit commit = sink_commit_of(5);
        sink->ops->commit_async(sink, &commit);
        sink->ops->close(sink);
        rig_deinit(&rig);
    }
}

// ---- at least once: what comes of errors

static rwd_commit_outcome put_and_commit(kafka_rig *rig, rwd_sink *sink, int64_t offset, rwd_error *err) {
    sink->ops->begin(sink);
    sink->ops->stamp(sink, 1000000);
    sink_put(sink, &rig->j, 0, "ada", offset, 0, offset - 1);
    sink_put(sink, &rig->j, 1, "ada", offset, 0, offset - 1);
    sink_put_dead(sink, offset, "not an order");
    return sink_commit(sink, offset, err);
}

// Not by peek: librdkafka's broker lists no members of groups.
static int64_t group_offset(const kafka_rig *rig) {
    rwd_error err;
    rwd_kafka_committed found;
    OK(rwd_kafka_read_committed(&rig->settings, "orders", 0, false, &found, &err));
    int64_t offset = found.found ? found.offset : -1;
    rwd_kafka_committed_deinit(&found);
    return offset;
}

static void assert_commits(kafka_rig *rig, rwd_sink *sink, int64_t offset) {
    rwd_error err;
    rwd_error_clear(&err);
    if (put_and_commit(rig, sink, offset, &err) != RWD_COMMIT_COMMITTED) fail_msg("offset %lld: %s", (long long)offset, err.cause);
    assert_int_equal(group_offset(rig), offset);
}

static void an_answer_that_does_not_come_is_looked_for(void **state) {
    (void)state;
    kafka_rig rig;
    rwd_sink_stats stats;
    rig_init(&rig, RWD_DELIVERY_AT_LEAST_ONCE);
    rwd_sink *sink = rig_open(&rig);
    assert_commits(&rig, sink, 1);
    mock_cluster_answer(rig.mock, OFFSET_FETCH, 2, COORDINATOR_LOAD_IN_PROGRESS);
    assert_commits(&rig, sink, 2);
    mock_cluster_answer(rig.mock, OFFSET_COMMIT, 3, REQUEST_TIMED_OUT);
    assert_commits(&rig, sink, 3);
    mock_cluster_answer(rig.mock, PRODUCE, 2, REQUEST_TIMED_OUT);
    assert_commits(&rig, sink, 4);
    sink->ops->stats(sink, &stats);
    assert_int_equal(stats.commits, 4);
    assert_int_equal(stats.repeats, 0);  // none of these is a reason to send outputs again
    sink->ops->close(sink);
    rig_deinit(&rig);
}

static void a_refused_record_leaves_the_position_where_it_was(void **state) {
    (void)state;
    kafka_rig rig;
    rwd_error err;
    rig_init(&rig, RWD_DELIVERY_AT_LEAST_ONCE);
    rwd_sink *sink = rig_open(&rig);
    assert_commits(&rig, sink, 5);
    mock_cluster_answer(rig.mock, PRODUCE, 1, MSG_SIZE_TOO_LARGE);
    assert_int_equal(put_and_commit(&rig, sink, 6, &err), RWD_COMMIT_ABORTED);
    assert_string_equal(rwd_code_name(err.code), rwd_code_name(RWD_E_KAFKA));
    assert_non_null(strstr(err.cause, "cannot write to topic"));
    assert_int_equal(put_and_commit(&rig, sink, 7, &err), RWD_COMMIT_ABORTED);  // nothing goes on behind it
    assert_int_equal(sink_recover(sink), 5);
    assert_commits(&rig, sink, 6);
    sink->ops->close(sink);
    rig_deinit(&rig);
}

static void a_refused_position_is_told_as_the_broker_says(void **state) {
    (void)state;
    static const struct { int answer; rwd_code code; } cases[] = {{OFFSET_METADATA_TOO_LARGE, RWD_E_KAFKA}, {GROUP_AUTHORIZATION_FAILED, RWD_E_REFUSED}};
    for (size_t i = 0; i < 2; i++) {
        kafka_rig rig;
        rwd_error err;
        rig_init(&rig, RWD_DELIVERY_AT_LEAST_ONCE);
        rwd_sink *sink = rig_open(&rig);
        assert_commits(&rig, sink, 5);
        mock_cluster_answer(rig.mock, OFFSET_COMMIT, 1, cases[i].answer);
        assert_int_equal(put_and_commit(&rig, sink, 6, &err), RWD_COMMIT_ABORTED);
        assert_string_equal(rwd_code_name(err.code), rwd_code_name(cases[i].code));
        assert_int_equal(group_offset(&rig), 5);
        sink->ops->close(sink);
        rig_deinit(&rig);
    }
}

// Both know the same C; the one that commits later finds another's.
static void a_position_of_another_owner_is_not_written_over(void **state) {
    (void)state;
    kafka_rig rig;
    rwd_error err;
    rig_init(&rig, RWD_DELIVERY_AT_LEAST_ONCE);
    rwd_sink *first = rig_open(&rig), *second = rig_open(&rig);
    assert_commits(&rig, first, 10);
    assert_int_equal(put_and_commit(&rig, second, 20, &err), RWD_COMMIT_UNKNOWN);  // recovery says who it was
    assert_string_equal(rwd_code_name(err.code), rwd_code_name(RWD_E_FENCED));
    assert_int_equal(group_offset(&rig), 10);
    assert_int_equal(sink_recover(second), 10);
    assert_commits(&rig, second, 20);
    assert_int_equal(put_and_commit(&rig, first, 11, &err), RWD_COMMIT_UNKNOWN);
    assert_int_equal(group_offset(&rig), 20);
    first->ops->close(first);
    second->ops->close(second);
    rig_deinit(&rig);
}

static void *give_up_soon(void *argument) {
    rwd_sink *sink = argument;
    usleep(300000);
    sink->ops->give_up(sink);
    return NULL;
}

static void a_commit_without_a_broker_ends_when_it_is_given_up(void **state) {
    (void)state;
    kafka_rig rig;
    rwd_error err;
    pthread_t thread;
    rig_init(&rig, RWD_DELIVERY_AT_LEAST_ONCE);
    rwd_sink *sink = rig_open(&rig);
    assert_commits(&rig, sink, 1);
    mock_cluster_sleep(rig.mock, true);
    assert_int_equal(pthread_create(&thread, NULL, give_up_soon, sink), 0);
    assert_int_equal(put_and_commit(&rig, sink, 2, &err), RWD_COMMIT_UNKNOWN);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_non_null(strstr(err.cause, "stopped before the broker had answered"));
    sink->ops->close(sink);
    rig_deinit(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_go_on_while_a_transaction_runs),
        cmocka_unit_test(puts_go_on_while_a_commit_without_transactions_runs),
        cmocka_unit_test(a_running_commit_ends_before_the_sink_is_closed),
        cmocka_unit_test(an_answer_that_does_not_come_is_looked_for),
        cmocka_unit_test(a_refused_record_leaves_the_position_where_it_was),
        cmocka_unit_test(a_refused_position_is_told_as_the_broker_says),
        cmocka_unit_test(a_position_of_another_owner_is_not_written_over),
        cmocka_unit_test(a_commit_without_a_broker_ends_when_it_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
