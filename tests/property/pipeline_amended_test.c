// Amendments and shadows against a second way to the same state: an operator without any of that, over a file in which they were carried out by hand.
//
// Random events with ids, times, faults; random amendments; another logic between two offsets. Offsets differ between the two inputs, and nothing in these tables knows of offsets:
// so rows, stream time and counts must be equal (L1, L6). What stays the topic's own (count and hash of records, X) is that of the operator that made the base.
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
#include "operator/pipeline/shadow.h"
#include "state/reader.h"
#include "tests/support/random.h"

#define EVENTS 900
#define AMENDED_MAX 8000

static test_random chance;
static uint64_t draw(uint64_t below) { return test_random_below(&chance, below); }

// %s: folder, factor of the amount, folder
#define JOB                                                                                                                                            \
    "job: amended\n"                                                                                                                                   \
    "source: {file: {path: %s/in.jsonl}, format: json}\n"                                                                                              \
    "event: {id: id, time: {field: ts}, dedup: {within: 20s}, late: dead-letter, fields: {id: string, key: string, amount: int, ts: {type: time, format: epoch-s}}}\n" \
    "tables:\n"                                                                                                                                        \
    "  keys: {key: key, where: amount != 7, aggregates: {n: count(), s: sum(amount * %s), hi: max(amount * %s)}}\n"                                    \
    "  spans: {key: key, where: amount != 7, window: {tumbling: 10s, grace: 2s, retain: 1m}, aggregates: {n: count(), s: sum(amount * %s)}}\n"                             \
    "errors: {dead_letter: {file: {path: %s/dead.jsonl}}}\n"                                                                                           \
    "state: {path: %s, memory: 64MiB}\n"                                                                                                               \
    "checkpoints: {every: 1h}\n"                                                                                                                       \
    "http: {listen: off}\n"

typedef struct event { char *line; int64_t amount; } event;

typedef struct world {
    char dir[64];
    rwd_job *job;
    rwd_io *io;
    rwd_repo *repo;       // of what ran
    rwd_checkpoint base;  // genesis
} world;

// ---------------------------------------------------------------------------------------------- events

static int64_t now_s;

// The amount is written when it is known with which factor.
static char *text_of(int64_t amount) {
    unsigned id = (unsigned)draw(300), key = (unsigned)draw(12);
    now_s += (int64_t)draw(3);
    int64_t ts = now_s - (draw(6) == 0 ? (int64_t)draw(30) : 0);
    if (draw(25) == 0) return rwd_strdup(draw(2) ? "{\"id\": broken" : "{\"id\":\"x\",\"key\":\"k1\"}");
    return rwd_strf("{\"id\":\"i%u\",\"key\":\"k%u\",\"amount\":%" PRId64 ",\"ts\":%" PRId64 "}", id, key, amount, ts);
}

static int64_t any_amount(void) { return (int64_t)draw(10); }

// Of a line written by text_of: the same with its amount times `factor`.
static char *multiplied(const char *line, int64_t factor) {
    const char *at = strstr(line, "\"amount\":");
    if (!at || factor == 1) return rwd_strdup(line);
    at += 9;
    char *end;
    int64_t amount = strtoll(at, &end, 10);
    if (amount == 7) factor = 1;  // `where` looks at the amount itself
    return rwd_strf("%.*s%" PRId64 "%s", (int)(at - line), line, amount * factor, end);
}

static void write_lines(const char *dir, char *const *lines, size_t count) {
    char path[128];
    rwd_error err;
    rwd_io *io;
    rwd_buf text = {0};
    snprintf(path, sizeof(path), "%s/in.jsonl", dir);
    for (size_t i = 0; i < count; i++) rwd_buf_appendf(&text, "%s\n", lines[i]);
    assert_true(rwd_io_pread_new(&io, &err));
    assert_true(rwd_io_write_file(io, path, rwd_buf_slice(&text), &err));
    rwd_io_free(io);
    rwd_buf_deinit(&text);
}

// ---------------------------------------------------------------------------------------------- operators

static rwd_job *job_in(const char *dir, const char *factor) {
    rwd_job *job;
    rwd_error err;
    char *text = rwd_strf(JOB, dir, factor, factor, factor, dir, dir);
    if (!rwd_job_parse("job", rwd_slice_str(text), NULL, 0, &job, &err)) fail_msg("%s: %s", err.place, err.cause);
    free(text);
    return job;
}

static void find(world *w, const char *word, rwd_checkpoint *out) {
    rwd_error err;
    if (!rwd_repo_find(w->repo, word, out, &err)) fail_msg("%s: %s", word, err.cause);
}

// Runs the job over these lines to their end.
static world run(char *const *lines, size_t count) {
    world w = {.dir = "/tmp/rewind-amended-XXXXXX"};
    rwd_error err;
    rwd_operator *op;
    char data[4096];
    assert_non_null(mkdtemp(w.dir));
    write_lines(w.dir, lines, count);
    w.job = job_in(w.dir, "1");
    rwd_operator_options options = {.job = w.job, .clock = rwd_clock_system()};
    assert_true(rwd_operator_new(&options, &op, &err));
    if (!rwd_operator_open(op, &err) || !rwd_operator_run(op, &err)) fail_msg("%s: %s", err.place, err.cause);
    rwd_operator_free(op);
    assert_true(rwd_job_data_path(w.job, data, &err) && rwd_io_pread_new(&w.io, &err));
    assert_true(rwd_repo_open_reader(data, w.io, rwd_clock_system(), &w.repo, &err));
    rwd_checkpoint_list list;
    assert_true(rwd_repo_list(w.repo, &list, &err));
    find(&w, list.items[list.count - 1].id, &w.base);
    assert_string_equal(w.base.facts.reason, "genesis");
    rwd_checkpoint_list_deinit(&list);
    return w;
}

static void end(world *w) {
    rwd_error err;
    rwd_checkpoint_deinit(&w->base);
    rwd_repo_close(w->repo);
    rwd_io_free(w->io);
    rwd_job_free(w->job);
    assert_true(rwd_remove_tree(w->dir, &err));
}

static bool add_row(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    rwd_buf *out = context;
    char *hex = rwd_malloc(2 * row.size + 1);
    rwd_buf_appendf(out, "%u ", table);
    rwd_buf_append_slice(out, key);
    rwd_hex(row.data, row.size, hex);
    rwd_buf_appendf(out, " %s\n", hex);
    free(hex);
    return true;
}

static void rows_in(const char *dir, rwd_buf *out) {
    rwd_reader_db *reader;
    rwd_error err;
    if (!rwd_state_open(dir, &reader, &err)) fail_msg("%s: %s", err.place, err.cause);
    assert_true(rwd_state_scan(reader, -1, add_row, out, &err));
    rwd_state_close(reader);
}

static void expect_equal(world *truth, const rwd_shadow *shadow) {
    rwd_checkpoint last;
    rwd_buf want = {0}, got = {0};
    rwd_error err;
    char dir[4096];
    const rwd_facts *facts = &rwd_shadow_checkpoint(shadow)->facts;
    find(truth, "latest", &last);
    assert_true(rwd_repo_checkpoint_path(truth->repo, last.id, dir, &err));
    rows_in(dir, &want);
    rows_in(rwd_shadow_dir(shadow), &got);
    assert_true(want.size > 0);
    assert_string_equal(rwd_buf_cstr(&got), rwd_buf_cstr(&want));
    assert_int_equal(facts->stream_time, last.facts.stream_time);
    assert_int_equal(facts->counts.applied, last.facts.counts.applied);
    assert_int_equal(facts->counts.late, last.facts.counts.late);
    assert_int_equal(facts->counts.duplicate, last.facts.counts.duplicate);
    assert_int_equal(facts->counts.dead, last.facts.counts.dead);
    rwd_checkpoint_deinit(&last);
    rwd_buf_deinit(&want);
    rwd_buf_deinit(&got);
}

// ---------------------------------------------------------------------------------------------- what is to be

typedef struct story {
    char *lines[EVENTS];         // as they came
    char *carried[AMENDED_MAX];  // amendments carried out, and the other logic
    size_t carried_count;
    rwd_lineage lineage;
    int64_t switched, back;      // the other logic decides in [switched, back)
} story;

static void amend(story *s, rwd_amend_kind kind, int64_t at, const char *value) {
    rwd_amendment a = {.kind = kind, .at = at, .has_value = value != NULL, .time_us = RWD_TIME_NONE};
    if (value) rwd_buf_append_str(&a.value, value);
    rwd_lineage_add_amendment(&s->lineage, a);
}

static void carry(story *s, int64_t offset, const char *line) {
    assert_true(s->carried_count < AMENDED_MAX);
    s->carried[s->carried_count++] = multiplied(line, offset >= s->switched && offset < s->back ? 3 : 1);
}

// Events, and beside them what becomes of each by amendments: mostly none; now and then hundreds of inserts at one place, more than a group holds.
static story tell(uint64_t seed, bool crowd) {
    chance.state = seed;
    now_s = 1000;
    story s = {.switched = (int64_t)draw(EVENTS)};
    s.back = s.switched + 1 + (int64_t)draw((uint64_t)(EVENTS - s.switched) * 2);
    rwd_lineage_init(&s.lineage, (rwd_hash128){0}, 0);
    for (int64_t i = 0; i < EVENTS; i++) {
        size_t inserts = draw(12) == 0 ? 1 + draw(3) : crowd && draw(300) == 0 ? 200 + draw(600) : 0;
        for (size_t n = 0; n < inserts; n++) {
            char *line = text_of(any_amount());
            amend(&s, RWD_AMEND_INSERT, i, line);
            carry(&s, i, line);
            free(line);
        }
        s.lines[i] = text_of(any_amount());
        uint64_t what = draw(20);
        if (what == 0) {
            amend(&s, RWD_AMEND_SKIP, i, NULL);
        } else if (what == 1) {
            char *line = text_of(any_amount());
            amend(&s, RWD_AMEND_REPLACE, i, line);
            carry(&s, i, line);
            free(line);
        } else {
            carry(&s, i, s.lines[i]);
        }
    }
    amend(&s, RWD_AMEND_INSERT, EVENTS, "{\"id\":\"none\",\"key\":\"k0\",\"amount\":5,\"ts\":99999}");  // waits: there is no record at or above it
    return s;
}

static void forget(story *s) {
    for (size_t i = 0; i < EVENTS; i++) free(s->lines[i]);
    for (size_t i = 0; i < s->carried_count; i++) free(s->carried[i]);
    rwd_lineage_deinit(&s->lineage);
}

// The base's own lineage, with the story's amendments, and the other logic in [switched, back).
static rwd_lineage lineage_of(world *w, const story *s, rwd_hash128 other) {
    rwd_lineage own, out;
    rwd_buf text = {0};
    rwd_error err;
    assert_true(rwd_repo_load_lineage(w->repo, w->base.facts.lineage, &own, &text, &err));
    rwd_lineage_init(&out, own.source, own.genesis);
    if (s->switched > 0) rwd_lineage_add_segment(&out, own.segments[0]);
    rwd_lineage_add_segment(&out, (rwd_lineage_segment){.from = s->switched, .logic = other, .sinks = own.segments[0].sinks});
    if (s->back < EVENTS) rwd_lineage_add_segment(&out, (rwd_lineage_segment){.from = s->back, .logic = own.segments[0].logic, .sinks = own.segments[0].sinks});
    for (size_t i = 0; i < s->lineage.amendment_count; i++) {
        const rwd_amendment *a = &s->lineage.amendments[i];
        rwd_amendment copy = {.kind = a->kind, .at = a->at, .has_value = a->has_value, .time_us = a->time_us};
        rwd_buf_append_slice(&copy.value, rwd_buf_slice(&a->value));
        rwd_lineage_add_amendment(&out, copy);
    }
    rwd_lineage_deinit(&own);
    rwd_buf_deinit(&text);
    return out;
}

typedef struct stopper { rwd_shadow *shadow; int batches; } stopper;

// Stops the shadow behind so many batches.
static int64_t stop_soon(void *context, int64_t worked_ns) {
    stopper *s = context;
    (void)worked_ns;
    if (s->batches >= 0 && s->batches-- == 0) rwd_shadow_stop(s->shadow);
    return 0;
}

static void tell_and_compare(uint64_t seed, bool crowd) {
    rwd_error err;
    rwd_shadow *shadow;
    rwd_hash128 whole;
    char folder[128];
    story s = tell(seed, crowd);
    world origin = run(s.lines, EVENTS), truth = run(s.carried, s.carried_count);
    rwd_job *other = job_in(origin.dir, "3");
    const rwd_job *known;
    rwd_logics *logics = rwd_logics_new(origin.repo, origin.job);
    assert_true(rwd_logics_add(logics, other, &known, &err));
    rwd_lineage lineage = lineage_of(&origin, &s, known->logic);
    snprintf(folder, sizeof(folder), "%s/shadow", origin.dir);
    rwd_shadow_options options = {.job = origin.job, .clock = rwd_clock_system(), .io = RWD_IO_TIER_PREAD, .repo = origin.repo, .base = &origin.base, .lineage = &lineage, .logics = logics,
                                  .until = EVENTS, .folder = folder};

    // At once.
    if (!rwd_shadow_new(&options, &shadow, &err) || !rwd_shadow_build(shadow, &err)) fail_msg("%s: %s", err.place, err.cause);
    expect_equal(&truth, shadow);
    rwd_checkpoint last;
    rwd_shadow_progress progress;
    find(&origin, "latest", &last);
    const rwd_facts *facts = &rwd_shadow_checkpoint(shadow)->facts;
    assert_true(facts->input_count == last.facts.input_count && rwd_hash128_equal(facts->input_hash, last.facts.input_hash) && facts->next_offset == EVENTS);
    rwd_shadow_get_progress(shadow, &progress);
    assert_true(progress.amended.waiting == 1 && progress.amended.missed == 0 && progress.at == EVENTS && progress.records == EVENTS);
    assert_int_equal(progress.amended.skipped + progress.amended.replaced + progress.amended.inserted + 1, lineage.amendment_count);
    whole = rwd_shadow_checkpoint(shadow)->digest;
    rwd_shadow_free(shadow);
    assert_false(rwd_path_exists(folder));

    // In parts, by an owner that is stopped, and others that go on.
    options.keep = true;
    options.every_ns = 1;
    options.until = draw(2) ? (int64_t)draw(EVENTS) : s.switched;  // where one logic ends, too
    assert_true(rwd_shadow_new(&options, &shadow, &err));
    if (!rwd_shadow_build(shadow, &err)) fail_msg("%s: %s", err.place, err.cause);
    rwd_shadow_free(shadow);
    assert_false(rwd_shadow_new(&options, &shadow, &err));
    assert_int_equal(err.code, RWD_E_EXISTS);
    stopper soon = {.batches = (int)draw(2)};
    options.pace = stop_soon;
    options.pace_context = &soon;
    assert_true(rwd_shadow_open(&options, &shadow, &err));
    soon.shadow = shadow;
    if (!rwd_shadow_build(shadow, &err)) assert_int_equal(err.code, RWD_E_BUSY);
    else if (!rwd_shadow_extend(shadow, EVENTS, &err)) assert_int_equal(err.code, RWD_E_BUSY);
    rwd_shadow_free(shadow);
    options.pace = NULL;
    options.keep = false;
    assert_true(rwd_shadow_open(&options, &shadow, &err));
    if (!rwd_shadow_build(shadow, &err) || !rwd_shadow_extend(shadow, EVENTS, &err)) fail_msg("%s: %s", err.place, err.cause);
    assert_true(rwd_hash128_equal(rwd_shadow_checkpoint(shadow)->digest, whole));
    expect_equal(&truth, shadow);
    rwd_shadow_free(shadow);

    rwd_checkpoint_deinit(&last);
    rwd_lineage_deinit(&lineage);
    rwd_logics_free(logics);
    rwd_job_free(other);
    end(&origin);
    end(&truth);
    forget(&s);
}

static void a_shadow_with_amendments_equals_an_input_in_which_they_were_carried_out(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) tell_and_compare(seed, false);
}

static void hundreds_of_inserts_at_one_place_are_one_with_their_record(void **state) {
    (void)state;
    for (uint64_t seed = 201; seed <= 202; seed++) tell_and_compare(seed, true);
}

// Keys that memory cannot hold all of, and between them more inserts at one place than a group holds, so that there is no boundary for long: room is made before them (K2).
#define LARGE_KEY 4000
#define LARGE_CROWD 1500
static char *large_line(unsigned key) {
    char *line = rwd_strf("{\"id\":\"l%u\",\"key\":\"%0*u\",\"amount\":1,\"ts\":%u}", key, LARGE_KEY, key, 1000 + key / 10);
    return line;
}

static void a_crowd_of_inserts_finds_room_where_memory_is_full(void **state) {
    (void)state;
    enum { BEFORE = 3800, AFTER = 200 };
    static char *lines[BEFORE + AFTER], *carried[BEFORE + AFTER + LARGE_CROWD];
    rwd_error err;
    rwd_shadow *shadow;
    rwd_lineage lineage;
    rwd_buf text = {0};
    char folder[128];
    for (unsigned i = 0; i < BEFORE + AFTER; i++) lines[i] = large_line(i < BEFORE ? i : i + LARGE_CROWD);
    for (unsigned i = 0; i < LARGE_CROWD; i++) carried[BEFORE + i] = large_line(BEFORE + i);
    memcpy(carried, lines, BEFORE * sizeof(*lines));
    memcpy(carried + BEFORE + LARGE_CROWD, lines + BEFORE, AFTER * sizeof(*lines));
    world origin = run(lines, BEFORE + AFTER), truth = run(carried, BEFORE + AFTER + LARGE_CROWD);
    assert_true(rwd_repo_load_lineage(origin.repo, origin.base.facts.lineage, &lineage, &text, &err));
    for (unsigned i = 0; i < LARGE_CROWD; i++) {
        rwd_amendment a = {.kind = RWD_AMEND_INSERT, .at = BEFORE, .has_value = true, .time_us = RWD_TIME_NONE};
        rwd_buf_append_str(&a.value, carried[BEFORE + i]);
        rwd_lineage_add_amendment(&lineage, a);
    }
    snprintf(folder, sizeof(folder), "%s/shadow", origin.dir);
    rwd_shadow_options options = {.job = origin.job, .clock = rwd_clock_system(), .repo = origin.repo, .base = &origin.base, .lineage = &lineage, .until = BEFORE + AFTER, .folder = folder};
    if (!rwd_shadow_new(&options, &shadow, &err) || !rwd_shadow_build(shadow, &err)) fail_msg("%s: %s", err.place, err.cause);
    expect_equal(&truth, shadow);
    rwd_shadow_free(shadow);
    rwd_lineage_deinit(&lineage);
    rwd_buf_deinit(&text);
    end(&origin);
    end(&truth);
    for (size_t i = 0; i < BEFORE + AFTER; i++) free(lines[i]);
    for (size_t i = 0; i < LARGE_CROWD; i++) free(carried[BEFORE + i]);
}

static void a_base_above_the_lowest_amendment_is_refused(void **state) {
    (void)state;
    rwd_error err;
    rwd_shadow *shadow;
    rwd_checkpoint last;
    char folder[128];
    story s = tell(7, false);
    world origin = run(s.lines, EVENTS);
    s.switched = EVENTS + 1;
    rwd_lineage lineage = lineage_of(&origin, &s, (rwd_hash128){1, 1});
    snprintf(folder, sizeof(folder), "%s/shadow", origin.dir);
    find(&origin, "latest", &last);
    rwd_shadow_options options = {.job = origin.job, .clock = rwd_clock_system(), .repo = origin.repo, .base = &last, .lineage = &lineage, .until = EVENTS, .folder = folder};
    assert_false(rwd_shadow_new(&options, &shadow, &err));
    assert_int_equal(err.code, RWD_E_NO_CHECKPOINT);
    rwd_checkpoint_deinit(&last);
    rwd_lineage_deinit(&lineage);
    end(&origin);
    forget(&s);
}

static void another_lineage_does_not_go_on_with_a_shadow(void **state) {
    (void)state;
    rwd_error err;
    rwd_shadow *shadow;
    char folder[128];
    story s = tell(8, false);
    world origin = run(s.lines, EVENTS);
    s.switched = EVENTS + 1;
    rwd_lineage lineage = lineage_of(&origin, &s, (rwd_hash128){1, 1});
    snprintf(folder, sizeof(folder), "%s/shadow", origin.dir);
    rwd_shadow_options options = {.job = origin.job, .clock = rwd_clock_system(), .repo = origin.repo, .base = &origin.base, .until = 100, .folder = folder, .keep = true};
    assert_true(rwd_shadow_new(&options, &shadow, &err));
    if (!rwd_shadow_build(shadow, &err)) fail_msg("%s: %s", err.place, err.cause);
    rwd_shadow_free(shadow);
    options.lineage = &lineage;
    assert_false(rwd_shadow_open(&options, &shadow, &err));
    assert_int_equal(err.code, RWD_E_EXISTS);
    rwd_lineage_deinit(&lineage);
    end(&origin);
    forget(&s);
}

// Of the keys of a sample each row is that of the whole; the others stay as they were in the base.
typedef struct sampled { rwd_buf rows; bool only; } sampled;
static bool add_sampled(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    sampled *s = context;
    if (!s->only || rwd_shadow_samples(key, table == 1, RWD_SAMPLE_ALL / 3)) return add_row(&s->rows, table, key, row);
    return true;
}

static void a_sample_has_the_rows_of_its_keys_and_no_other(void **state) {
    (void)state;
    rwd_error err;
    rwd_shadow *shadow;
    rwd_checkpoint last;
    rwd_reader_db *reader;
    char folder[128], dir[4096];
    story s = tell(9, false);
    world origin = run(s.lines, EVENTS);
    snprintf(folder, sizeof(folder), "%s/shadow", origin.dir);
    rwd_shadow_options options = {.job = origin.job, .clock = rwd_clock_system(), .repo = origin.repo, .base = &origin.base, .until = EVENTS, .folder = folder, .sample = RWD_SAMPLE_ALL / 3};
    assert_true(rwd_shadow_new(&options, &shadow, &err));
    if (!rwd_shadow_build(shadow, &err)) fail_msg("%s: %s", err.place, err.cause);
    find(&origin, "latest", &last);
    assert_false(rwd_hash128_equal(rwd_shadow_checkpoint(shadow)->facts.history, last.facts.history));
    assert_true(rwd_repo_checkpoint_path(origin.repo, last.id, dir, &err));
    sampled want = {.only = true}, got = {.only = false};
    assert_true(rwd_state_open(dir, &reader, &err) && rwd_state_scan(reader, -1, add_sampled, &want, &err));
    rwd_state_close(reader);
    assert_true(rwd_state_open(rwd_shadow_dir(shadow), &reader, &err) && rwd_state_scan(reader, -1, add_sampled, &got, &err));
    rwd_state_close(reader);
    assert_true(want.rows.size > 0);
    assert_string_equal(rwd_buf_cstr(&got.rows), rwd_buf_cstr(&want.rows));
    rwd_buf_deinit(&want.rows);
    rwd_buf_deinit(&got.rows);
    rwd_checkpoint_deinit(&last);
    rwd_shadow_free(shadow);
    end(&origin);
    forget(&s);
}

int main(void) {
    rwd_log_setup(getenv("VERBOSE") ? RWD_LOG_DEBUG : RWD_LOG_SILENT, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shadow_with_amendments_equals_an_input_in_which_they_were_carried_out),
        cmocka_unit_test(hundreds_of_inserts_at_one_place_are_one_with_their_record),
        cmocka_unit_test(a_crowd_of_inserts_finds_room_where_memory_is_full),
        cmocka_unit_test(a_base_above_the_lowest_amendment_is_refused),
        cmocka_unit_test(another_lineage_does_not_go_on_with_a_shadow),
        cmocka_unit_test(a_sample_has_the_rows_of_its_keys_and_no_other),
    };
    return cmocka_run_group_tests_name("pipeline_amended", tests, NULL, NULL);
}
