// Going back by itself: a lost transaction ends the session and the next one recovers; after three in a row without a commit it stops, and says what was tried.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/pipeline/operator_private.h"
#include "operator/sink/memory.h"
#include "operator/source/memory.h"
#include "state/row.h"
#include "tests/unit/test.h"

#define RECORDS 2000
#define BATCH 50

#define JOB \
    "job: rollback\n" \
    "source: {file: {path: in.jsonl}, format: json}\n" \
    "event: {fields: {key: int}}\n" \
    "tables: {t: {key: key, aggregates: {n: count()}}}\n" \
    "sinks: [{table: t, file: {path: t.jsonl}, format: json, emit: update}]\n" \
    "state: {path: %s, memory: 64MiB}\n" \
    "delivery: {commit_at: {offset_multiple: 500}}\n" \
    "http: {listen: off}\n"

typedef struct world {
    char dir[32];
    rwd_job *job;
    rwd_memory_disk disk;
    rwd_memory_record records[RECORDS];
    rwd_sink *sink;
    bool held;
    unsigned losses;         // transactions that are still to be lost, one after the other
    int64_t lose_from;       // not before C is here
    bool happened;           // the lost ones were committed nevertheless
    uint64_t rollbacks;      // out
    rwd_error err;           // out
} world;

static rwd_source *open_source(void *context) { return rwd_memory_source_new(((world *)context)->records, RECORDS, BATCH); }

static rwd_sink *open_sink(void *context) {
    world *w = context;
    w->held = false;
    return w->sink = rwd_memory_sink_new(w->job, &w->disk);
}

static bool at_batch(void *context, rwd_operator *op) {
    world *w = context;
    bool loses = w->losses > 0 && op->frontier >= w->lose_from;
    if (w->held && op->committing >= 0) {
        w->losses--;
        w->held = false;
        rwd_memory_sink_release(w->sink, RWD_COMMIT_UNKNOWN, w->happened);
    } else if (loses && !w->held && op->committing < 0) {
        rwd_memory_sink_hold(w->sink);
        w->held = true;
    }
    return true;
}

static bool run(world *w) {
    char text[2048];
    if (!w->job) {
        strcpy(w->dir, "/tmp/rewind-rollback-XXXXXX");
        assert_non_null(mkdtemp(w->dir));
        (void)snprintf(text, sizeof(text), JOB, w->dir);
        if (!rwd_job_parse("rollback.yaml", rwd_slice_str(text), NULL, 0, &w->job, &w->err)) fail_msg("%s", w->err.cause);
        for (size_t i = 0; i < RECORDS; i++) w->records[i] = (rwd_memory_record){.offset = (int64_t)i, .time_us = RWD_TIME_NONE, .value = i % 2 ? "{\"key\":1}" : "{\"key\":2}"};
    }
    rwd_operator_options options = {.job = w->job, .clock = rwd_clock_system(), .shows_error = true};
    rwd_operator_hooks hooks = {.open_source = open_source, .open_sink = open_sink, .at_batch = at_batch, .context = w};
    rwd_operator *op = NULL;
    assert_true(rwd_operator_new_with(&options, &hooks, &op, &w->err));
    if (!rwd_operator_open(op, &w->err)) fail_msg("%s", w->err.cause);
    bool ended = rwd_operator_run(op, &w->err);
    w->rollbacks = op->status.rollbacks;
    rwd_operator_free(op);
    return ended;
}

// emit: update: the whole output is that of an uninterrupted run, each record once.
static void expect_all(const world *w) {
    assert_int_equal(w->disk.commit.next_offset, RECORDS);
    assert_int_equal(w->disk.row_count, RECORDS);
    for (size_t i = 0; i < RECORDS; i++) {
        rwd_value n;
        rwd_row_read(&w->job->tables[0].schema, 0, w->disk.rows[i].row, &n);
        assert_int_equal(w->disk.rows[i].offset, i);
        assert_int_equal(n.i, i / 2 + 1);
    }
}

static void discard(world *w) {
    rwd_memory_disk_deinit(&w->disk);
    assert_true(rwd_remove_tree(w->dir, &w->err));
    rwd_job_free(w->job);
    free(w);
}

static void three_lost_transactions_in_a_row_leave_no_trace(void **state) {
    (void)state;
    for (int happened = 0; happened < 2; happened++) {
        world *w = rwd_calloc(1, sizeof(*w));
        w->losses = 3;
        w->lose_from = 500;
        w->happened = happened;
        if (!run(w)) fail_msg("%s", w->err.cause);
        assert_int_equal(w->rollbacks, 3);
        expect_all(w);
        discard(w);
    }
}

static void the_fourth_one_ends_it_and_it_says_what_was_tried(void **state) {
    (void)state;
    world *w = rwd_calloc(1, sizeof(*w));
    w->losses = 1000;
    w->lose_from = 1000;
    assert_false(run(w));
    assert_int_equal(w->rollbacks, RWD_ROLLBACKS_MAX);
    assert_non_null(strstr(w->err.cause, "went back to the last good checkpoint 3 times ("));
    assert_null(strstr(w->err.cause, "none"));
    assert_int_equal(w->disk.commit.next_offset, 1000);
    // Nothing was lost: with the fault gone the next start goes on.
    w->losses = 0;
    if (!run(w)) fail_msg("%s", w->err.cause);
    expect_all(w);
    discard(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_lost_transactions_in_a_row_leave_no_trace),
        cmocka_unit_test(the_fourth_one_ends_it_and_it_says_what_was_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
