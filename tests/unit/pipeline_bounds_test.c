// What is bounded while a sink is slow: the open transaction, whatever its outputs emit.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/pipeline/operator_private.h"
#include "operator/sink/memory.h"
#include "operator/source/memory.h"
#include "tests/unit/test.h"

#define RECORDS 20000
#define BATCH 50
#define LIMIT (64u << 10)    // of the SINK share
#define RECORD_BYTES 1024    // more than one record's row takes in a transaction

#define JOB \
    "job: bounds\n" \
    "source: {file: {path: in.jsonl}, format: json}\n" \
    "event: {fields: {key: int}}\n" \
    "tables: {t: {key: key, aggregates: {n: count()}}}\n" \
    "sinks: [{table: t, file: {path: t.jsonl}, format: json, emit: %s}]\n" \
    "state: {path: %s, memory: 64MiB}\n" \
    "delivery: {commit_every: 1h}\n" \
    "http: {listen: off}\n"

typedef struct world {
    rwd_job *job;
    rwd_memory_disk disk;
    rwd_memory_record records[RECORDS];
    rwd_sink *sink;
    uint64_t most;  // bytes that the open transaction held
} world;

static rwd_source *open_source(void *context) { return rwd_memory_source_new(((world *)context)->records, RECORDS, BATCH); }

static rwd_sink *open_sink(void *context) {
    world *w = context;
    return w->sink = rwd_memory_sink_new(w->job, &w->disk);
}

static bool at_batch(void *context, rwd_operator *op) {
    world *w = context;
    op->budget.limit[RWD_SHARE_SINK] = LIMIT;
    uint64_t held = op->sink->ops->pending_bytes(op->sink) + rwd_tables_changed_bytes(op->tables);
    if (held > w->most) w->most = held;
    if (op->committing < 0) rwd_memory_sink_hold(w->sink);  // every commit takes until it is waited for
    return true;
}

static void run(world *w, const char *emit, const char *dir) {
    char text[2048];
    rwd_error err;
    (void)snprintf(text, sizeof(text), JOB, emit, dir);
    if (!rwd_job_parse("bounds.yaml", rwd_slice_str(text), NULL, 0, &w->job, &err)) fail_msg("%s", err.cause);
    for (size_t i = 0; i < RECORDS; i++)
        w->records[i] = (rwd_memory_record){.offset = (int64_t)i, .time_us = RWD_TIME_NONE, .value = i % 2 ? "{\"key\":1}" : "{\"key\":2}"};
    rwd_operator_options options = {.job = w->job, .clock = rwd_clock_system()};
    rwd_operator_hooks hooks = {.open_source = open_source, .open_sink = open_sink, .at_batch = at_batch, .context = w};
    rwd_operator *op = NULL;
    assert_true(rwd_operator_new_with(&options, &hooks, &op, &err));
    if (!rwd_operator_open(op, &err) || !rwd_operator_run(op, &err)) fail_msg("%s", err.cause);
    rwd_operator_free(op);
}

static void a_slow_sink_slows_the_fetch_and_grows_no_queue(void **state) {
    (void)state;
    static const char *const emits[] = {"update", "commit"};
    for (size_t i = 0; i < 2; i++) {
        char dir[] = "/tmp/rewind-bounds-XXXXXX";
        rwd_error err;
        assert_non_null(mkdtemp(dir));
        world *w = rwd_calloc(1, sizeof(*w));
        run(w, emits[i], dir);
        assert_int_equal(w->disk.commit.next_offset, RECORDS);
        assert_in_range(w->most, 1, LIMIT + (uint64_t)BATCH * RECORD_BYTES);
        if (i == 0) assert_int_equal(w->disk.row_count, RECORDS);
        rwd_memory_disk_deinit(&w->disk);
        rwd_job_free(w->job);
        free(w);
        assert_true(rwd_remove_tree(dir, &err));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_slow_sink_slows_the_fetch_and_grows_no_queue)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
