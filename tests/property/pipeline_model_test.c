// The operator against a model of a hundred lines: random events, commits with every outcome, checkpoints, lives that end anywhere, restores.
//
// Whatever happens, once the input is read to its end: the view of the committed output, the dead letters and the state digest equal those of the model
// and of an uninterrupted run (E1), and no committed record is there twice (C9).
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"
#include "operator/sink/memory.h"
#include "operator/source/memory.h"
#include "state/dead.h"
#include "state/reader.h"
#include "state/row.h"
#include "tests/support/random.h"

#define KEYS 40
#define EVENTS_MAX 3000

static test_random chance;
static uint64_t draw(uint64_t below) { return test_random_below(&chance, below); }

// ---------------------------------------------------------------------------------------------- the model

typedef struct model_row { bool present; int64_t count, sum, least, most; } model_row;
typedef struct model {
    model_row by_key[KEYS];
    model_row by_kind[2];
    int64_t dead[EVENTS_MAX];
    size_t dead_count;
} model;

static void model_add(model_row *row, int64_t amount) {
    if (!row->present) *row = (model_row){true, 0, 0, amount, amount};
    row->count++;
    row->sum += amount;
    if (amount < row->least) row->least = amount;
    if (amount > row->most) row->most = amount;
}

typedef struct world {
    char dir[64];
    rwd_memory_record records[EVENTS_MAX];
    char *texts[EVENTS_MAX];
    size_t count;
    model truth;
    rwd_job *job;
    rwd_memory_disk disk;
    rwd_source *source;
    rwd_sink *sink;
    bool violent;   // lives end, commits fail
    bool held;
    unsigned lives;
} world;

static void make_events(world *w, size_t count) {
    w->count = count;
    int64_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned key = (unsigned)draw(KEYS), kind = (unsigned)draw(2);
        int64_t amount = (int64_t)draw(2000000) - 1000000;
        offset += 1 + (draw(10) == 0 ? (int64_t)draw(3) : 0);  // gaps are legal
        if (draw(20) == 0) {
            w->texts[i] = rwd_strdup(draw(2) ? "{\"key\":\"k1\",\"kind\":true" : "{\"key\":\"k1\",\"kind\":false,\"amount\":\"x\"}");
            w->truth.dead[w->truth.dead_count++] = offset;
        } else {
            w->texts[i] = rwd_strf("{\"key\":\"k%u\",\"kind\":%s,\"amount\":%" PRId64 "}", key, kind ? "true" : "false", amount);
            model_add(&w->truth.by_key[key], amount);
            model_add(&w->truth.by_kind[kind], amount);
        }
        w->records[i] = (rwd_memory_record){.offset = offset, .time_us = RWD_TIME_NONE, .value = w->texts[i]};
    }
}

// ---------------------------------------------------------------------------------------------- the operator in that world

#define JOB \
    "job: model\n" \
    "source: {file: {path: in.jsonl}, format: json}\n" \
    "event: {fields: {key: string, kind: bool, amount: int}}\n" \
    "tables:\n" \
    "  keys: {key: key, aggregates: {n: count(), s: sum(amount), lo: min(amount), hi: max(amount)}}\n" \
    "  kinds: {key: kind, aggregates: {n: count(), s: sum(amount), lo: min(amount), hi: max(amount)}}\n" \
    "sinks:\n" \
    "  - {table: keys, file: {path: keys.jsonl}, format: json}\n" \
    "  - {table: kinds, file: {path: kinds.jsonl}, format: json, emit: %s}\n" \
    "errors: {dead_letter: {file: {path: dead.jsonl}}}\n" \
    "state: {path: %s, memory: 64MiB}\n" \
    "checkpoints: {every: %s, keep: {last: 3}}\n" \
    "delivery: {%s}\n" \
    "http: {listen: off}\n"

static rwd_source *open_source(void *context) {
    world *w = context;
    w->source = rwd_memory_source_new(w->records, w->count, 1 + draw(60));
    return w->source;
}

static rwd_sink *open_sink(void *context) {
    world *w = context;
    w->held = false;
    return w->sink = rwd_memory_sink_new(w->job, &w->disk);
}

static bool at_batch(void *context, rwd_operator *op) {
    world *w = context;
    if (w->violent && draw(3) == 0) op->commit_started_ns = 0;      // a commit is due
    if (w->violent && draw(8) == 0) op->checkpoint_started_ns = 0;  // a checkpoint is due
    if (w->held) {
        static const rwd_commit_outcome outcomes[] = {RWD_COMMIT_COMMITTED, RWD_COMMIT_COMMITTED, RWD_COMMIT_UNKNOWN};
        if (draw(3) == 0) {
            rwd_memory_sink_release(w->sink, outcomes[draw(w->violent ? 3 : 2)], draw(2) == 0);
            w->held = false;
        }
    } else if (draw(4) == 0) {
        rwd_memory_sink_hold(w->sink);
        w->held = true;
    }
    if (w->violent && draw(25) == 0) {
        if (w->held) rwd_memory_sink_release(w->sink, RWD_COMMIT_UNKNOWN, draw(2) == 0);
        return false;
    }
    return true;
}

// One life. True: it came to the end of the input.
static bool live(world *w) {
    rwd_operator_options options = {.job = w->job, .clock = rwd_clock_system()};
    rwd_operator_hooks hooks = {.open_source = open_source, .open_sink = open_sink, .at_batch = at_batch, .context = w};
    rwd_operator *op = NULL;
    rwd_error err;
    assert_true(rwd_operator_new_with(&options, &hooks, &op, &err));
    if (!rwd_operator_open(op, &err)) fail_msg("open: %s", err.cause);
    bool ended = rwd_operator_run(op, &err);
    if (!ended && err.code != RWD_E_FENCED && err.decision != RWD_ROLLBACK) fail_msg("%s: %s (%s)", err.place, err.cause, rwd_code_name(err.code));
    rwd_operator_free(op);
    w->lives++;
    return ended;
}

static void restore_something(world *w) {
    char data[4096];
    rwd_error err;
    assert_true(rwd_job_data_path(w->job, data, &err));
    rwd_io *io = NULL;
    rwd_repo *repo = NULL;
    assert_true(rwd_io_pread_new(&io, &err));
    assert_true(rwd_repo_open_reader(data, io, rwd_clock_system(), &repo, &err));
    rwd_checkpoint_list list;
    assert_true(rwd_repo_list(repo, &list, &err));
    char id[RWD_CHECKPOINT_ID] = "";
    size_t from = draw(list.count);
    for (size_t i = 0; i < list.count && !id[0]; i++) {
        const rwd_checkpoint *c = &list.items[(from + i) % list.count];
        if (c->state == RWD_CHECKPOINT_GOOD || c->state == RWD_CHECKPOINT_UNVERIFIED) memcpy(id, c->id, sizeof(id));
    }
    rwd_checkpoint_list_deinit(&list);
    rwd_repo_close(repo);
    rwd_io_free(io);
    assert_true(id[0]);
    rwd_operator_options options = {.job = w->job, .clock = rwd_clock_system(), .restore_to = id};
    rwd_operator_hooks hooks = {.open_source = open_source, .open_sink = open_sink, .context = w};
    rwd_operator *op = NULL;
    assert_true(rwd_operator_new_with(&options, &hooks, &op, &err));
    assert_true(rwd_operator_open(op, &err));
    if (!rwd_operator_run(op, &err)) fail_msg("restore to %s: %s", id, err.cause);
    rwd_operator_free(op);
}

// ---------------------------------------------------------------------------------------------- comparing

static void expect_row(const rwd_schema *schema, const rwd_memory_row *row, const model_row *want) {
    assert_non_null(row);
    assert_true(want->present);
    const int64_t numbers[] = {want->count, want->sum, want->least, want->most};
    for (size_t c = 0; c < 4; c++) {
        rwd_value value;
        rwd_row_read(schema, c, row->row, &value);
        assert_true(value.present);
        assert_int_equal(value.i, numbers[c]);
    }
}

static const rwd_memory_row *newest(const rwd_memory_disk *disk, size_t sink, rwd_slice key) {
    for (size_t i = disk->row_count; i-- > 0;)
        if (disk->rows[i].sink == sink && rwd_slice_equal(rwd_slice_of(disk->rows[i].key, disk->rows[i].key_size), key)) return &disk->rows[i];
    return NULL;
}

static void expect_view(const world *w) {
    uint8_t key[RWD_KEY_BYTES_MAX];
    for (size_t k = 0; k < KEYS; k++) {
        char name[16];
        snprintf(name, sizeof(name), "k%zu", k);
        rwd_value part = {.s = rwd_slice_str(name), .present = true};
        const rwd_schema *schema = &w->job->tables[0].schema;
        const rwd_memory_row *row = newest(&w->disk, 0, rwd_slice_of(key, rwd_key_encode(schema, &part, key)));
        if (w->truth.by_key[k].present) expect_row(schema, row, &w->truth.by_key[k]);
        else assert_null(row);
    }
    for (size_t k = 0; k < 2; k++) {
        rwd_value part = {.b = k == 1, .present = true};
        const rwd_schema *schema = &w->job->tables[1].schema;
        const rwd_memory_row *row = newest(&w->disk, 1, rwd_slice_of(key, rwd_key_encode(schema, &part, key)));
        if (w->truth.by_kind[k].present) expect_row(schema, row, &w->truth.by_kind[k]);
    }
    assert_int_equal(w->disk.dead_count, w->truth.dead_count);
    for (size_t i = 0; i < w->truth.dead_count; i++) assert_int_equal(w->disk.dead_offsets[i], w->truth.dead[i]);
    assert_int_equal(w->disk.commit.next_offset, w->records[w->count - 1].offset + 1);
    assert_int_equal(w->disk.commit.input_count, w->count);
}

static void newest_digest(const world *w, rwd_hash128 *out) {
    char data[4096], dir[4096];
    rwd_error err;
    assert_true(rwd_job_data_path(w->job, data, &err));
    rwd_io *io = NULL;
    rwd_repo *repo = NULL;
    assert_true(rwd_io_pread_new(&io, &err));
    assert_true(rwd_repo_open_reader(data, io, rwd_clock_system(), &repo, &err));
    rwd_checkpoint checkpoint;
    assert_true(rwd_repo_find(repo, "latest", &checkpoint, &err));
    assert_int_equal(checkpoint.facts.next_offset, w->records[w->count - 1].offset + 1);
    assert_true(rwd_repo_checkpoint_path(repo, checkpoint.id, dir, &err));
    rwd_reader_db *reader = NULL;
    if (!rwd_state_open(dir, &reader, &err)) fail_msg("%s: %s", err.place, err.cause);
    static rwd_digest scanned;
    uint64_t keys = 0;
    assert_true(rwd_state_scan_digest(reader, &scanned, &keys, &err));
    rwd_hash128 dead;
    if (!rwd_dead_scan_digest(dir, &dead, &err)) fail_msg("%s", err.cause);
    *out = rwd_hash128_add(rwd_digest_root(&scanned), dead);
    assert_int_equal(checkpoint.facts.dead.open, w->truth.dead_count);  // E1: what failed and was not applied
    assert_true(rwd_hash128_equal(*out, checkpoint.digest));  // kept up from dirty keys, and from scratch
    rwd_state_close(reader);
    rwd_checkpoint_deinit(&checkpoint);
    rwd_repo_close(repo);
    rwd_io_free(io);
}

static world *new_world(uint64_t seed, const char *emit, const char *every, const char *delivery) {
    world *w = rwd_calloc(1, sizeof(*w));
    snprintf(w->dir, sizeof(w->dir), "/tmp/rewind-model-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    char *text = rwd_strf(JOB, emit, w->dir, every, delivery);
    rwd_error err;
    if (!rwd_job_parse("model", rwd_slice_str(text), NULL, 0, &w->job, &err)) fail_msg("%s: %s", err.place, err.cause);
    free(text);
    chance.state = seed;
    make_events(w, 200 + draw(EVENTS_MAX - 200));
    return w;
}

static void free_world(world *w) {
    rwd_error err;
    assert_true(rwd_remove_tree(w->dir, &err));
    for (size_t i = 0; i < w->count; i++) free(w->texts[i]);
    rwd_memory_disk_deinit(&w->disk);
    rwd_job_free(w->job);
    free(w);
}

// The same events twice: lives that end anywhere, and one that does not.
static void compare_lives(uint64_t seed, const char *emit, const char *delivery, bool bytes) {
    world *calm = new_world(seed, emit, "1h", delivery), *wild = new_world(seed, emit, "1h", delivery);
    assert_true(live(calm));
    expect_view(calm);
    wild->violent = true;
    while (!live(wild)) {
        if (draw(6) == 0) restore_something(wild);
        if (wild->lives > 60) wild->violent = false;
    }
    expect_view(wild);
    rwd_hash128 a, b;
    newest_digest(calm, &a);
    newest_digest(wild, &b);
    assert_true(rwd_hash128_equal(a, b));
    assert_true(rwd_hash128_equal(calm->disk.commit.input_hash, wild->disk.commit.input_hash));
    if (bytes) {  // E1: record for record
        assert_int_equal(calm->disk.row_count, wild->disk.row_count);
        for (size_t i = 0; i < calm->disk.row_count; i++) {
            const rwd_memory_row *x = &calm->disk.rows[i], *y = &wild->disk.rows[i];
            assert_int_equal(x->sink, y->sink);
            assert_true(rwd_slice_equal(rwd_slice_of(x->key, x->key_size), rwd_slice_of(y->key, y->key_size)));
            assert_true(rwd_slice_equal(rwd_slice_of(x->row, x->row_size), rwd_slice_of(y->row, y->row_size)));
            assert_int_equal(x->offset, y->offset);
        }
    }
    free_world(calm);
    free_world(wild);
}

static void lives_that_end_anywhere_leave_the_view_of_one_that_did_not(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) compare_lives(seed, "commit", "commit_every: 10ms", false);
}

static void with_commits_fixed_to_offsets_the_output_is_the_same_record_for_record(void **state) {
    (void)state;
    for (uint64_t seed = 101; seed <= 112; seed++) compare_lives(seed, "update", "commit_at: {offset_multiple: 37}", true);
}

int main(void) {
    rwd_log_setup(getenv("VERBOSE") ? RWD_LOG_DEBUG : RWD_LOG_SILENT, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_that_end_anywhere_leave_the_view_of_one_that_did_not),
        cmocka_unit_test(with_commits_fixed_to_offsets_the_output_is_the_same_record_for_record),
    };
    return cmocka_run_group_tests_name("pipeline_model", tests, NULL, NULL);
}
