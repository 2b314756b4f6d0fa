// A shadow that changes its logic in place, between two records, against one that writes its state at each such place and opens it again: digest, counts, stream time and invariants are equal (L1).
//
// Random lineages of random logics over random events with ids, times and faults. A shadow that is built to the end changes in place wherever rows mean the same to both logics; one that is asked for
// each place by itself ends there, and another operator opens what it left. The checkpoints that the first one made tell how often it opened its state again: where it had to, and nowhere else.
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
#include "tests/support/random.h"

#define EVENTS 700
#define SEGMENTS_MAX 6
#define ROUNDS 8

static test_random chance;
static uint64_t draw(uint64_t below) { return test_random_below(&chance, below); }

// ---------------------------------------------------------------------------------------------- logics

// What may change in place, and what may not: the order of columns, new ones, and what a source takes of a logic.
typedef struct logic {
    unsigned factor, from;
    bool drops_late, drops_missing, drops_duplicates, other_field, swapped, small;
    unsigned columns;  // more than at first: L3 takes none away
} logic;

static const char *const more_columns[] = {"", ", hi: max(amount)", ", hi: max(amount), kinds: distinct(id)"};

static rwd_job *job_of(const char *dir, const logic *l) {
    rwd_job *job;
    rwd_error err;
    char *first = l->swapped ? rwd_strf("s: sum(amount * %u), n: count()", l->factor) : rwd_strf("n: count(), s: sum(amount * %u)", l->factor);
    char *text = rwd_strf(
        "job: stages\n"
        "source: {file: {path: %s/in.jsonl}, format: json}\n"
        "event: {id: id, time: {field: ts}, dedup: {within: 20s, duplicates: %s}, late: %s, missing: %s, max_size: %s,\n"
        "  fields: {id: string, key: string, amount: {type: int, path: %s}, ts: {type: time, format: epoch-s}}}\n"
        "tables:\n"
        "  keys: {key: key, where: amount >= %u, aggregates: {%s, first: first(amount)%s}}\n"
        "  spans: {key: key, window: {tumbling: 10s, grace: 2s, retain: 1m}, aggregates: {n: count(), s: sum(amount * %u)}}\n"
        "  visits: {key: key, window: {session: 4s, grace: 2s, retain: 1m}, aggregates: {n: count(), s: sum(amount * %u)}}\n"
        "invariants: [{table: keys, check: s < 400}]\n"
        "errors: {dead_letter: {file: {path: %s/dead.jsonl}}}\n"
        "state: {path: %s, memory: 64MiB}\n"
        "checkpoints: {every: 1h}\n"
        "http: {listen: off}\n",
        dir, l->drops_duplicates ? "drop" : "dead-letter", l->drops_late ? "drop" : "dead-letter", l->drops_missing ? "drop" : "dead-letter", l->small ? "80B" : "1MiB",
        l->other_field ? "other" : "amount", l->from, first, more_columns[l->columns], l->factor, l->factor, dir, dir);
    if (!rwd_job_parse("job", rwd_slice_str(text), NULL, 0, &job, &err)) fail_msg("%s: %s", err.place, err.cause);
    free(text);
    free(first);
    return job;
}

// A logic that may follow: mostly one that may follow in place.
static logic after(const logic *before) {
    logic l = {.factor = 1 + (unsigned)draw(3), .from = (unsigned)draw(4), .drops_late = draw(2), .drops_missing = draw(2), .drops_duplicates = draw(2), .other_field = draw(3) == 0,
               .swapped = before->swapped, .small = before->small, .columns = before->columns};
    uint64_t what = draw(8);
    if (what == 0) l.swapped = !l.swapped;
    else if (what == 1) l.small = !l.small;
    else if (what == 2 && l.columns < 2) l.columns++;
    return l;
}

static bool goes_on_in_place(const logic *a, const logic *b) { return a->swapped == b->swapped && a->small == b->small && a->columns == b->columns; }

// ---------------------------------------------------------------------------------------------- a story

typedef struct story {
    char dir[64];
    logic logics[SEGMENTS_MAX];
    int64_t from[SEGMENTS_MAX + 1];  // and where all ends
    size_t segments;
    rwd_job *jobs[SEGMENTS_MAX];     // [0] is the one that ran
    rwd_logics *known;
    rwd_io *io;
    rwd_repo *repo;
    rwd_checkpoint base;             // genesis
    rwd_lineage lineage;
} story;

static void write_events(const char *dir) {
    char path[128];
    rwd_error err;
    rwd_io *io;
    rwd_buf text = {0};
    int64_t now_s = 1000;
    snprintf(path, sizeof(path), "%s/in.jsonl", dir);
    for (size_t i = 0; i < EVENTS; i++) {
        unsigned id = (unsigned)draw(250), key = (unsigned)draw(10), amount = (unsigned)draw(8), other = (unsigned)draw(8);
        now_s += (int64_t)draw(3);
        int64_t ts = now_s - (draw(6) == 0 ? (int64_t)draw(30) : 0);
        if (draw(25) == 0) rwd_buf_append_str(&text, draw(2) ? "{\"id\": broken\n" : "{\"id\":\"x\",\"key\":\"k1\"}\n");
        else rwd_buf_appendf(&text, "{\"id\":\"i%u\",\"key\":\"k%u\",\"amount\":%u,\"other\":%u,\"ts\":%" PRId64 "%s}\n", id, key, amount, other, ts,
                             draw(8) ? "" : ",\"note\":\"a longer one, this\"");
    }
    assert_true(rwd_io_pread_new(&io, &err) && rwd_io_write_file(io, path, rwd_buf_slice(&text), &err));
    rwd_io_free(io);
    rwd_buf_deinit(&text);
}

// The first logic runs over all events, so that there is a genesis to begin at.
static void run_first(story *s) {
    rwd_error err;
    rwd_operator *op;
    char data[4096];
    rwd_checkpoint_list list;
    rwd_operator_options options = {.job = s->jobs[0], .clock = rwd_clock_system()};
    assert_true(rwd_operator_new(&options, &op, &err));
    if (!rwd_operator_open(op, &err) || !rwd_operator_run(op, &err)) fail_msg("%s: %s", err.place, err.cause);
    rwd_operator_free(op);
    assert_true(rwd_job_data_path(s->jobs[0], data, &err) && rwd_io_pread_new(&s->io, &err) && rwd_repo_open_reader(data, s->io, rwd_clock_system(), &s->repo, &err));
    assert_true(rwd_repo_list(s->repo, &list, &err));
    assert_true(rwd_repo_find(s->repo, list.items[list.count - 1].id, &s->base, &err));
    rwd_checkpoint_list_deinit(&list);
}

static void make_lineage(story *s) {
    rwd_lineage own;
    rwd_buf text = {0};
    rwd_error err;
    const rwd_job *job;
    assert_true(rwd_repo_load_lineage(s->repo, s->base.facts.lineage, &own, &text, &err));
    s->known = rwd_logics_new(s->repo, s->jobs[0]);
    rwd_lineage_init(&s->lineage, own.source, own.genesis);
    rwd_lineage_add_segment(&s->lineage, own.segments[0]);
    for (size_t i = 1; i < s->segments; i++) {
        if (!rwd_logics_add(s->known, s->jobs[i], &job, &err)) fail_msg("%s: %s", err.place, err.cause);
        rwd_lineage_add_segment(&s->lineage, (rwd_lineage_segment){.from = s->from[i], .logic = job->logic, .sinks = job->sinks_hash});
    }
    rwd_lineage_deinit(&own);
    rwd_buf_deinit(&text);
}

static void tell(uint64_t seed, story *s) {
    chance.state = seed;
    *s = (story){.dir = "/tmp/rewind-stages-XXXXXX", .logics = {{.factor = 1}}, .segments = 2 + (size_t)draw(SEGMENTS_MAX - 1)};
    assert_non_null(mkdtemp(s->dir));
    write_events(s->dir);
    for (size_t i = 1; i < s->segments; i++) {
        // Sometimes an earlier one comes again, as behind the `--to` of a repair.
        bool again = i > 1 && draw(3) == 0 && goes_on_in_place(&s->logics[i - 2], &s->logics[i - 1]);
        s->logics[i] = again ? s->logics[i - 2] : after(&s->logics[i - 1]);
        s->from[i] = s->from[i - 1] + 1 + (int64_t)draw(EVENTS / (SEGMENTS_MAX - 1));
    }
    s->from[s->segments] = EVENTS;
    for (size_t i = 0; i < s->segments; i++) s->jobs[i] = job_of(s->dir, &s->logics[i]);
    run_first(s);
    make_lineage(s);
}

static void forget(story *s) {
    rwd_error err;
    rwd_logics_free(s->known);
    rwd_lineage_deinit(&s->lineage);
    rwd_checkpoint_deinit(&s->base);
    rwd_repo_close(s->repo);
    rwd_io_free(s->io);
    for (size_t i = 0; i < s->segments; i++) rwd_job_free(s->jobs[i]);
    assert_true(rwd_remove_tree(s->dir, &err));
}

// ---------------------------------------------------------------------------------------------- both ways

static rwd_shadow *begin(const story *s, const char *name, int64_t until, int64_t every_ns) {
    char folder[128];
    rwd_error err;
    rwd_shadow *shadow;
    snprintf(folder, sizeof(folder), "%s/%s", s->dir, name);
    rwd_shadow_options options = {.job = s->jobs[0], .clock = rwd_clock_system(), .io = RWD_IO_TIER_PREAD, .repo = s->repo, .base = &s->base, .lineage = &s->lineage, .logics = s->known,
                                  .until = until, .folder = folder, .keep = true, .every_ns = every_ns};
    if (!rwd_shadow_new(&options, &shadow, &err) || !rwd_shadow_build(shadow, &err)) fail_msg("%s: %s", err.place, err.cause);
    return shadow;
}

static size_t checkpoints_of(const story *s, const char *name) {
    char folder[128];
    rwd_error err;
    rwd_repo *repo;
    rwd_checkpoint_list list;
    snprintf(folder, sizeof(folder), "%s/%s", s->dir, name);
    assert_true(rwd_repo_open_reader(folder, s->io, rwd_clock_system(), &repo, &err) && rwd_repo_list(repo, &list, &err));
    size_t count = list.count;
    rwd_checkpoint_list_deinit(&list);
    rwd_repo_close(repo);
    return count;
}

// Which of the keys is named depends on the order of looks.
static size_t counted(const char *violated) { return violated ? strcspn(violated, ",") : 0; }

static void expect_equal(const rwd_shadow *a, const rwd_shadow *b) {
    const rwd_checkpoint *x = rwd_shadow_checkpoint(a), *y = rwd_shadow_checkpoint(b);
    const rwd_facts *f = &x->facts, *g = &y->facts;
    assert_true(rwd_hash128_equal(x->digest, y->digest));
    assert_true(f->next_offset == EVENTS && g->next_offset == EVENTS && f->closings == g->closings && f->stream_time == g->stream_time && f->keys == g->keys);
    assert_true(f->input_count == g->input_count && rwd_hash128_equal(f->input_hash, g->input_hash));
    assert_memory_equal(&f->counts, &g->counts, sizeof(f->counts));
    assert_true(f->dead.open == g->dead.open && f->dead.failed == g->dead.failed && f->dead.since == g->dead.since);
    assert_true(rwd_hash128_equal(f->history, g->history) && rwd_hash128_equal(f->fingerprint, g->fingerprint) && rwd_hash128_equal(f->lineage, g->lineage));
    assert_int_equal(counted(f->violated), counted(g->violated));
    if (f->violated) assert_memory_equal(f->violated, g->violated, counted(f->violated));
}

static void a_logic_that_changes_in_place_leaves_the_state_that_one_opened_again_leaves(void **state) {
    size_t in_place = 0, opened = 0, violated = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        story s;
        rwd_error err;
        size_t reopened = 0;
        tell(seed, &s);
        rwd_shadow *whole = begin(&s, "whole", EVENTS, 0), *busy = begin(&s, "busy", EVENTS, 1), *parts = begin(&s, "parts", s.from[1], 0);
        for (size_t i = 2; i <= s.segments; i++)
            if (!rwd_shadow_extend(parts, s.from[i], &err)) fail_msg("%s: %s", err.place, err.cause);
        expect_equal(whole, parts);
        expect_equal(busy, parts);
        for (size_t i = 1; i < s.segments && s.from[i] < EVENTS; i++) {
            bool goes_on = goes_on_in_place(&s.logics[i - 1], &s.logics[i]);
            reopened += !goes_on;
            in_place += goes_on;
        }
        assert_int_equal(checkpoints_of(&s, "whole"), reopened + 1);
        opened += reopened;
        violated += rwd_shadow_checkpoint(whole)->facts.violated != NULL;
        rwd_shadow_free(whole);
        rwd_shadow_free(busy);
        rwd_shadow_free(parts);
        forget(&s);
    }
    assert_true(in_place > ROUNDS / 2 && opened > 0 && violated > 0);
}

int main(void) {
    rwd_log_setup(getenv("VERBOSE") ? RWD_LOG_DEBUG : RWD_LOG_SILENT, false);
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_logic_that_changes_in_place_leaves_the_state_that_one_opened_again_leaves)};
    return cmocka_run_group_tests_name("pipeline_stages", tests, NULL, NULL);
}
