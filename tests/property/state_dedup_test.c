// Remembered ids against a list of all that were ever added: random adds and questions, time that passes, memory that runs out, checkpoints, deaths.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "state/dedup.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

#define IDS 60000
#define WITHIN 100000

typedef struct model {
    int64_t moment[IDS];   // of the newest add; RWD_TIME_NONE: never
    int64_t now;
} model;

typedef struct world {
    char root[32];
    rwd_budget budget;
    rwd_dedup *dedup;
    rwd_participant *participant;
    unsigned lives, checkpoints;
    model *now, *at_freeze, *saved;
    rwd_hash128 saved_digest, frozen_digest;
    bool frozen, written;
    char frozen_dir[64], saved_dir[64];
    pthread_t writer;
    rwd_error err, write_error;
    uint64_t asked, twice;
} world;

static test_random dice;
static uint64_t below(uint64_t n) { return test_random_below(&dice, n); }

static void must(world *w, bool worked) {
    if (worked) return;
    char text[2048];
    rwd_error_format(&w->err, text, sizeof text);
    fail_msg("%s", text);
}

static void open_life(world *w, const char *from) {
    char dir[64];
    snprintf(dir, sizeof dir, "%s/live-%u", w->root, w->lives++);
    must(w, rwd_mkdirs(dir, &w->err));
    must(w, w->participant->ops->open(w->participant, from, dir, &w->err));
}

static rwd_hash128 hash_of(size_t number) {
    char text[32];
    int size = snprintf(text, sizeof text, "event-%zu", number);
    return rwd_dedup_hash(rwd_slice_of(text, (size_t)size));
}

// A batch as the pipeline takes it: all are fetched, then judged and added one by one.
static void batch(world *w) {
    rwd_dedup_id ids[256];
    size_t numbers[256], count = 1 + below(256), hot = below(4) == 0 ? 300 : IDS;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = below(hot);
        ids[i] = (rwd_dedup_id){.hash = hash_of(numbers[i])};
    }
    model *m = w->now;
    must(w, rwd_dedup_resolve(w->dedup, ids, count, m->now, &w->err));
    for (size_t i = 0; i < count; i++) {
        int64_t moment = m->moment[numbers[i]];
        bool expected = moment != RWD_TIME_NONE && moment + WITHIN > m->now;
        assert_int_equal(rwd_dedup_seen(w->dedup, &ids[i], m->now), expected);
        w->asked++;
        w->twice += expected;
        if (expected) continue;
        m->now = (m->now == RWD_TIME_NONE ? 1000000 : m->now) + (int64_t)below(3);
        m->moment[numbers[i]] = m->now;
        rwd_dedup_add(w->dedup, &ids[i], m->now);
    }
}

static void *write_frozen(void *context) {
    world *w = context;
    w->written = w->participant->ops->write(w->participant, w->frozen_dir, &w->write_error);
    if (w->written) w->frozen_digest = w->participant->ops->digest(w->participant);
    return NULL;
}

static void begin_freeze(world *w) {
    w->participant->ops->freeze(w->participant, 0);
    *w->at_freeze = *w->now;
    w->frozen = true;
    snprintf(w->frozen_dir, sizeof w->frozen_dir, "%s/checkpoint-%u", w->root, w->checkpoints++);
    must(w, rwd_mkdirs(w->frozen_dir, &w->err));
    assert_int_equal(pthread_create(&w->writer, NULL, write_frozen, w), 0);
}

static void end_freeze(world *w) {
    pthread_join(w->writer, NULL);
    w->err = w->write_error;
    must(w, w->written);
    w->participant->ops->thaw(w->participant);
    w->frozen = false;
    *w->saved = *w->at_freeze;
    w->saved_digest = w->frozen_digest;
    memcpy(w->saved_dir, w->frozen_dir, sizeof w->saved_dir);
}

static void clear(model *m) {
    m->now = RWD_TIME_NONE;
    for (size_t i = 0; i < IDS; i++) m->moment[i] = RWD_TIME_NONE;
}

static void die_and_open(world *w) {
    if (w->frozen) pthread_join(w->writer, NULL);
    w->frozen = false;
    w->participant->ops->discard(w->participant);
    open_life(w, w->saved_dir[0] ? w->saved_dir : NULL);
    if (w->saved_dir[0]) *w->now = *w->saved;
    else clear(w->now);
    if (!w->saved_dir[0]) return;
    begin_freeze(w);   // the same state has the same digest, whatever was loaded
    rwd_hash128 before = w->saved_digest;
    end_freeze(w);
    assert_true(rwd_hash128_equal(before, w->saved_digest));
}

static void begin(world *w, uint64_t hot) {
    *w = (world){.root = "dedup-XXXXXX"};
    assert_non_null(mkdtemp(w->root));
    must(w, rwd_budget_init(&w->budget, RWD_BUDGET_MIN, &w->err));
    w->budget.limit[RWD_SHARE_HOT] = hot;
    w->dedup = rwd_dedup_new(&w->budget, WITHIN);
    w->participant = rwd_dedup_participant(w->dedup);
    w->now = calloc(1, sizeof *w->now);
    w->at_freeze = calloc(1, sizeof *w->at_freeze);
    w->saved = calloc(1, sizeof *w->saved);
    clear(w->now);
    open_life(w, NULL);
}

static void end(world *w) {
    if (w->frozen) end_freeze(w);
    rwd_dedup_free(w->dedup);
    for (size_t s = 0; s < RWD_SHARE_COUNT; s++) assert_int_equal(w->budget.used[s], 0);
    free(w->now);
    free(w->at_freeze);
    free(w->saved);
    must(w, rwd_remove_tree(w->root, &w->err));
}

static void live(world *w, unsigned steps) {
    for (unsigned i = 0; i < steps; i++) {
        switch (below(14)) {
        case 0: if (!w->frozen) begin_freeze(w); break;
        case 1: if (w->frozen) end_freeze(w); break;
        case 2: if (below(25) == 0) die_and_open(w); break;
        case 3: if (w->now->now != RWD_TIME_NONE) w->now->now += (int64_t)below(40); break;
        case 4: if (below(200) == 0 && w->now->now != RWD_TIME_NONE) w->now->now += WITHIN; break;
        case 5: (void)rwd_dedup_warm(w->dedup, 1 + below(5000)); break;
        default: batch(w);
        }
    }
}

static unsigned steps_wanted(void) { return getenv("REWIND_TEST_LONG") ? 60000 : 3000; }

static void every_answer_is_that_of_a_list(void **state) {
    (void)state;
    world w;
    dice = test_random_of(7);
    begin(&w, 35u << 20);
    live(&w, steps_wanted());
    assert_true(w.twice > w.asked / 50 && w.twice < w.asked && w.checkpoints > 50 && w.lives > 5);
    end(&w);
}

static void with_little_memory_the_store_remembers_the_rest(void **state) {
    (void)state;
    world w;
    rwd_dedup_stats stats;
    dice = test_random_of(8);
    begin(&w, 3u << 20);
    live(&w, steps_wanted());
    rwd_dedup_get_stats(w.dedup, &stats);
    assert_true(stats.store_reads > 10000 && w.twice > w.asked / 50);
    end(&w);
}

static void a_leap_of_many_years_forgets_what_is_behind_it(void **state) {
    (void)state;
    world w;
    dice = test_random_of(9);
    begin(&w, 35u << 20);
    live(&w, 50);
    for (int leap = 0; leap < 4; leap++) {
        w.now->now += 300000000000000;   // nine and a half years
        live(&w, 100);
    }
    end(&w);
}

static void add_new(world *w, size_t first, size_t count, int64_t step) {
    for (size_t i = first; i < first + count; i++) {
        rwd_dedup_id id = {.hash = hash_of(i)};
        must(w, rwd_dedup_resolve(w->dedup, &id, 1, w->now->now, &w->err));
        w->now->now = (w->now->now == RWD_TIME_NONE ? 1000000 : w->now->now) + step;
        w->now->moment[i] = w->now->now;
        rwd_dedup_add(w->dedup, &id, w->now->now);
    }
}

static void expect_seen(world *w, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rwd_dedup_id id = {.hash = hash_of(i)};
        must(w, rwd_dedup_resolve(w->dedup, &id, 1, w->now->now, &w->err));
        assert_true(rwd_dedup_seen(w->dedup, &id, w->now->now));
    }
}

// The runs of a checkpoint are merged at any time, also between its freeze and its links, while the stream time has gone far on.
static void a_checkpoint_has_what_is_remembered_at_its_own_time(void **state) {
    (void)state;
    world w;
    begin(&w, 35u << 20);
    for (size_t i = 0; i < 1000; i += 100) {
        add_new(&w, i, 100, 1);
        begin_freeze(&w);
        end_freeze(&w);
    }
    w.participant->ops->freeze(w.participant, 0);
    *w.at_freeze = *w.now;
    add_new(&w, 1000, 1, 10 * WITHIN);
    for (unsigned i = 0; i < 40; i++) {   // each puts its file beside the others, which are merged meanwhile
        snprintf(w.frozen_dir, sizeof w.frozen_dir, "%s/checkpoint-%u", w.root, w.checkpoints++);
        must(&w, rwd_mkdirs(w.frozen_dir, &w.err) && w.participant->ops->write(w.participant, w.frozen_dir, &w.err));
    }
    w.participant->ops->thaw(w.participant);
    rwd_hash128 digest;
    must(&w, rwd_dedup_scan_digest(w.frozen_dir, &digest, &w.err));
    w.participant->ops->discard(w.participant);
    open_life(&w, w.frozen_dir);
    *w.now = *w.at_freeze;
    expect_seen(&w, 1000);
    end(&w);
}

static void loading_stays_within_the_memory(void **state) {
    (void)state;
    world w;
    rwd_dedup_stats stats;
    begin(&w, 3u << 20);
    add_new(&w, 0, IDS, 1);
    begin_freeze(&w);
    end_freeze(&w);
    w.participant->ops->discard(w.participant);
    open_life(&w, w.saved_dir);
    while (!rwd_dedup_warm(w.dedup, 1000)) {}
    rwd_dedup_get_stats(w.dedup, &stats);
    assert_in_range(stats.in_memory, 1000, IDS / 2);
    assert_in_range(stats.bytes, 1, (3u << 20) / 4);
    expect_seen(&w, IDS);
    end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_that_of_a_list),
        cmocka_unit_test(with_little_memory_the_store_remembers_the_rest),
        cmocka_unit_test(a_leap_of_many_years_forgets_what_is_behind_it),
        cmocka_unit_test(a_checkpoint_has_what_is_remembered_at_its_own_time),
        cmocka_unit_test(loading_stays_within_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
