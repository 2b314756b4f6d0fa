// The sink in memory and the sink of a job without outputs: they keep to the contract that the pipeline relies on.
#include "operator/sink/memory.h"

#include "operator/sink/none.h"
#include "tests/support/sink_job.h"

static void a_held_commit_changes_the_disk_only_when_it_happens(void **state) {
    (void)state;
    sink_job j;
    rwd_error err;
    rwd_commit told;
    sink_job_init(&j);
    sink_job_add(&j, "a", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_memory_disk disk = {0};
    rwd_sink *sink = rwd_memory_sink_new(&j.job, &disk);
    assert_int_equal(sink_recover(sink), -1);
    sink->ops->begin(sink);
    sink_put(sink, &j, 0, "b", 1, 1, 0);
    sink_put(sink, &j, 0, "a", 1, 1, 1);
    sink_put(sink, &j, 0, "b", 2, 2, 2);
    sink_put_dead(sink, 3, "x");
    rwd_commit commit = sink_commit_of(4);
    rwd_memory_sink_hold(sink);
    sink->ops->commit_async(sink, &commit);
    sink->ops->begin(sink);
    assert_false(sink->ops->ready(sink));
    assert_int_equal(sink->ops->poll(sink, &told, &err), RWD_COMMIT_RUNNING);
    assert_int_equal(disk.row_count, 0);
    rwd_memory_sink_release(sink, RWD_COMMIT_COMMITTED, true);
    assert_int_equal(sink->ops->poll(sink, &told, &err), RWD_COMMIT_COMMITTED);
    assert_int_equal(sink->ops->poll(sink, &told, &err), RWD_COMMIT_IDLE);
    assert_int_equal(told.next_offset, 4);
    assert_int_equal(disk.row_count, 2);
    assert_int_equal(disk.rows[0].offset, 1);  // "a", then the newest of "b"
    assert_int_equal(disk.rows[1].offset, 2);
    assert_int_equal(disk.dead_count, 1);
    assert_int_equal(disk.dead_offsets[0], 3);
    assert_int_equal(sink_peek(sink), 4);
    sink->ops->close(sink);
    rwd_memory_disk_deinit(&disk);
    sink_job_deinit(&j);
}

static void an_unknown_commit_is_there_or_not_and_recovery_says_which(void **state) {
    (void)state;
    for (int happened = 0; happened < 2; happened++) {
        sink_job j;
        rwd_error err;
        rwd_commit told;
        sink_job_init(&j);
        sink_job_add(&j, "a", RWD_FORMAT_JSON, RWD_EMIT_UPDATE);
        rwd_memory_disk disk = {0};
        rwd_sink *sink = rwd_memory_sink_new(&j.job, &disk);
        assert_int_equal(sink_recover(sink), -1);
        sink->ops->begin(sink);
        sink_put(sink, &j, 0, "b", 1, 1, 0);
        rwd_commit commit = sink_commit_of(4);
        rwd_memory_sink_hold(sink);
        sink->ops->commit_async(sink, &commit);
        rwd_memory_sink_release(sink, RWD_COMMIT_UNKNOWN, happened);
        assert_int_equal(sink->ops->poll(sink, &told, &err), RWD_COMMIT_UNKNOWN);
        sink->ops->begin(sink);
        assert_int_equal(sink_commit(sink, 5, &err), RWD_COMMIT_ABORTED);  // nothing goes on before recovery
        assert_int_equal(sink_recover(sink), happened ? 4 : -1);
        assert_int_equal(disk.row_count, (size_t)happened);
        sink->ops->begin(sink);
        assert_int_equal(sink_commit(sink, 5, &err), RWD_COMMIT_COMMITTED);
        sink->ops->close(sink);
        rwd_memory_disk_deinit(&disk);
        sink_job_deinit(&j);
    }
}

static void a_job_without_outputs_commits_at_once_and_keeps_nothing(void **state) {
    (void)state;
    rwd_error err;
    rwd_sink_stats stats;
    rwd_sink *sink = rwd_none_sink_new();
    assert_false(sink->ops->holds_c(sink));
    assert_int_equal(sink_recover(sink), -1);
    for (int64_t c = 1; c < 4; c++) {
        sink->ops->begin(sink);
        assert_true(sink->ops->ready(sink));
        assert_int_equal(sink_commit(sink, c, &err), RWD_COMMIT_COMMITTED);
        assert_int_equal(sink_outcome(sink, &(rwd_commit){0}, &err), RWD_COMMIT_IDLE);
    }
    sink->ops->stats(sink, &stats);
    assert_int_equal(stats.commits, 3);
    assert_int_equal(sink_recover(sink), -1);
    sink->ops->close(sink);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_held_commit_changes_the_disk_only_when_it_happens),
        cmocka_unit_test(an_unknown_commit_is_there_or_not_and_recovery_says_which),
        cmocka_unit_test(a_job_without_outputs_commits_at_once_and_keeps_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
