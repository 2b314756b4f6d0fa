// The index of open dead letters against an array of all that ever failed: random failures, tries, applications, checkpoints, deaths.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "state/dead.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

#define LETTERS 20000
#define REASONS 3

typedef struct letter {
    bool there, failed;
    uint32_t attempts;
    uint8_t reason, field;
    int64_t time;
} letter;

typedef struct model {
    letter letters[LETTERS];
    size_t next;          // the first that never failed
} model;

typedef struct world {
    char root[32];
    rwd_budget budget;
    rwd_dead *dead;
    rwd_participant *participant;
    unsigned lives, checkpoints;
    model *now, *at_freeze, *saved;
    rwd_hash128 frozen_digest;
    bool frozen, written;
    char frozen_dir[64], saved_dir[64];
    pthread_t writer;
    rwd_error err, write_error;
    uint64_t closed, changed, empty;
} world;

static const rwd_code codes[REASONS] = {RWD_E_MALFORMED, RWD_E_LATE, RWD_E_OVERFLOW};
static const char *const words[REASONS] = {"malformed", "late", "overflow"};
static const char *const fields[] = {"", "amount", "line.items[0].sku"};

static test_random dice;
static uint64_t below(uint64_t n) { return test_random_below(&dice, n); }

static void must(world *w, bool worked) {
    if (worked) return;
    char text[2048];
    rwd_error_format(&w->err, text, sizeof text);
    fail_msg("%s", text);
}

// Three at an offset: what is inserted before its record, the record as a whole, and an event of it.
static rwd_dead_id id_of(size_t i) {
    return (rwd_dead_id){.offset = (int64_t)(i / 3) * 7, .inserted = i % 3 == 0 ? 2 : RWD_DEAD_RECORD, .ordinal = i % 3 == 1 ? 5 : RWD_DEAD_WHOLE};
}
static rwd_hash128 raw_hash(size_t i) { return (rwd_hash128){i * 31, i}; }

static rwd_dead_entry entry_of(size_t i, const letter *l) {
    return (rwd_dead_entry){.id = id_of(i), .code = codes[l->reason], .field = rwd_slice_str(fields[l->field]), .time_us = l->time, .hash = raw_hash(i),
                            .attempts = l->attempts, .failed = l->failed};
}

static void assert_equal(const rwd_dead_entry *found, size_t i, const letter *l) {
    rwd_dead_id id = id_of(i);
    assert_int_equal(rwd_dead_id_compare(&found->id, &id), 0);
    assert_int_equal(found->code, codes[l->reason]);
    assert_true(rwd_slice_equal(found->field, rwd_slice_str(fields[l->field])));
    assert_true(found->time_us == l->time && found->attempts == l->attempts && found->failed == l->failed && rwd_hash128_equal(found->hash, raw_hash(i)));
}

// The digest as dead.h describes it, from the model alone.
static rwd_hash128 digest_of(const model *m) {
    rwd_hash128 sum = {0};
    for (size_t i = 0; i < m->next; i++) {
        const letter *l = &m->letters[i];
        uint8_t bytes[128];
        size_t at = 46, word = strlen(words[l->reason]), field = strlen(fields[l->field]);
        rwd_dead_id id = id_of(i);
        if (!l->there) continue;
        rwd_put_be64(bytes, (uint64_t)id.offset + (1ull << 63));
        rwd_put_be32(bytes + 8, id.inserted);
        rwd_put_be32(bytes + 12, id.ordinal);
        rwd_put_be64(bytes + 16, (uint64_t)l->time);
        rwd_hash128_put(raw_hash(i), bytes + 24);
        rwd_put_be32(bytes + 40, l->attempts);
        bytes[44] = l->failed;
        bytes[45] = (uint8_t)word;
        memcpy(bytes + at, words[l->reason], word);
        memcpy(bytes + at + word, fields[l->field], field);
        sum = rwd_hash128_add(sum, rwd_hash128_of(bytes, at + word + field, RWD_DEAD_SEED));
    }
    return sum;
}

static void open_life(world *w, const char *from) {
    char dir[64];
    snprintf(dir, sizeof dir, "%s/live-%u", w->root, w->lives++);
    must(w, rwd_mkdirs(dir, &w->err));
    must(w, w->participant->ops->open(w->participant, from, dir, &w->err));
}

static void fail_some(world *w) {
    model *m = w->now;
    for (uint64_t count = 1 + below(30); count > 0 && m->next < LETTERS; count--) {
        letter *l = &m->letters[m->next];
        *l = (letter){.there = true, .reason = (uint8_t)below(REASONS), .field = (uint8_t)below(3), .time = below(9) == 0 ? RWD_TIME_NONE : (int64_t)below(1000000)};
        rwd_dead_entry entry = entry_of(m->next++, l);
        rwd_dead_add(w->dead, &entry);
    }
}

static void redrive(world *w, size_t i, bool in_vain) {
    letter *l = &w->now->letters[i];
    rwd_dead_id id = id_of(i);
    rwd_dead_entry found, now;
    bool there;
    must(w, rwd_dead_find(w->dead, &id, &there, &found, &w->err));
    assert_int_equal(there, l->there);
    if (!there) return;
    assert_equal(&found, i, l);
    if (in_vain) {
        *l = (letter){.there = true, .attempts = l->attempts + 1, .failed = l->attempts >= 2, .reason = (uint8_t)below(REASONS), .field = (uint8_t)below(3), .time = l->time};
        now = entry_of(i, l);
        rwd_dead_change(w->dead, &found, &now);
        w->changed++;
    } else {
        l->there = false;
        rwd_dead_close(w->dead, &found);
        w->closed++;
    }
}

static void redrive_some(world *w) {
    for (uint64_t count = below(40); count > 0 && w->now->next > 0; count--) redrive(w, (size_t)below(w->now->next + 2 < LETTERS ? w->now->next + 2 : LETTERS), below(3) == 0);
}

static void redrive_all(world *w) {
    for (size_t i = 0; i < w->now->next; i++) redrive(w, i, false);
    w->empty++;
}

static void check_stats(world *w) {
    rwd_dead_stats stats;
    uint64_t open[REASONS] = {0}, failed[REASONS] = {0};
    size_t oldest = LETTERS;
    for (size_t i = w->now->next; i-- > 0;) {
        const letter *l = &w->now->letters[i];
        if (!l->there) continue;
        (l->failed ? failed : open)[l->reason]++;
        oldest = i;
    }
    rwd_dead_get_stats(w->dead, &stats);
    for (size_t r = 0; r < REASONS; r++) assert_true(stats.open[codes[r]] == open[r] && stats.failed[codes[r]] == failed[r]);
    assert_int_equal(stats.open_total, open[0] + open[1] + open[2]);
    assert_int_equal(stats.failed_total, failed[0] + failed[1] + failed[2]);
    assert_int_equal(stats.has_oldest, oldest < LETTERS);
    if (oldest == LETTERS) return;
    rwd_dead_id id = id_of(oldest);
    assert_int_equal(rwd_dead_id_compare(&stats.oldest, &id), 0);
    assert_true(stats.oldest_us == w->now->letters[oldest].time);
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

// What the folder has, in order, from a place of it on.
static void check_folder(world *w, const char *dir, const model *m) {
    rwd_dead_reader *reader;
    rwd_dead_entry entry;
    bool found;
    size_t first = below(3) ? 0 : (size_t)below(LETTERS);
    must(w, rwd_dead_reader_open(dir, &reader, &w->err));
    if (first) rwd_dead_reader_seek(reader, id_of(first).offset);
    for (size_t i = first / 3 * 3; i < m->next; i++) {
        if (!m->letters[i].there) continue;
        must(w, rwd_dead_reader_next(reader, &found, &entry, &w->err));
        assert_true(found);
        assert_equal(&entry, i, &m->letters[i]);
    }
    must(w, rwd_dead_reader_next(reader, &found, &entry, &w->err));
    assert_false(found);
    rwd_dead_reader_close(reader);
}

typedef struct expected_difference { const model *a, *b; size_t at; } expected_difference;

static bool differs(const expected_difference *d, size_t i) {
    const letter *a = &d->a->letters[i], *b = &d->b->letters[i];
    if (!a->there && !b->there) return false;
    return a->there != b->there || a->attempts != b->attempts || a->failed != b->failed || a->reason != b->reason || a->field != b->field || a->time != b->time;
}

static bool visit(void *context, const rwd_dead_entry *a, const rwd_dead_entry *b, rwd_error *err) {
    (void)err;
    expected_difference *d = context;
    while (d->at < LETTERS && !differs(d, d->at)) d->at++;
    assert_true(d->at < LETTERS);
    assert_int_equal(a != NULL, d->a->letters[d->at].there);
    assert_int_equal(b != NULL, d->b->letters[d->at].there);
    if (a) assert_equal(a, d->at, &d->a->letters[d->at]);
    if (b) assert_equal(b, d->at, &d->b->letters[d->at]);
    d->at++;
    return true;
}

static void check_difference(world *w) {
    expected_difference d = {w->saved, w->at_freeze, 0};
    must(w, rwd_dead_compare(w->saved_dir, w->frozen_dir, visit, &d, &w->err));
    while (d.at < LETTERS && !differs(&d, d.at)) d.at++;
    assert_int_equal(d.at, LETTERS);
}

static void end_freeze(world *w) {
    rwd_hash128 scanned;
    char folder[96];
    pthread_join(w->writer, NULL);
    w->err = w->write_error;
    must(w, w->written);
    w->participant->ops->thaw(w->participant);
    w->frozen = false;
    rwd_hash128 expected = digest_of(w->at_freeze);
    assert_true(rwd_hash128_equal(w->frozen_digest, expected));
    must(w, rwd_dead_scan_digest(w->frozen_dir, &scanned, &w->err));
    assert_true(rwd_hash128_equal(scanned, expected));
    check_folder(w, w->frozen_dir, w->at_freeze);
    if (w->saved_dir[0]) check_difference(w);
    snprintf(folder, sizeof folder, "%s/dead", w->frozen_dir);
    size_t there = 0;
    for (size_t i = 0; i < w->at_freeze->next; i++) there += w->at_freeze->letters[i].there;
    assert_int_equal(rwd_path_exists(folder), there > 0);
    *w->saved = *w->at_freeze;
    memcpy(w->saved_dir, w->frozen_dir, sizeof w->saved_dir);
}

static void die_and_open(world *w) {
    if (w->frozen) pthread_join(w->writer, NULL);
    w->frozen = false;
    w->participant->ops->discard(w->participant);
    open_life(w, w->saved_dir[0] ? w->saved_dir : NULL);
    *w->now = *w->saved;
    check_stats(w);
}

static void begin(world *w) {
    *w = (world){.root = "dead-XXXXXX"};
    assert_non_null(mkdtemp(w->root));
    must(w, rwd_budget_init(&w->budget, RWD_BUDGET_MIN, &w->err));
    w->dead = rwd_dead_new(&w->budget);
    w->participant = rwd_dead_participant(w->dead);
    w->now = calloc(1, sizeof *w->now);
    w->at_freeze = calloc(1, sizeof *w->at_freeze);
    w->saved = calloc(1, sizeof *w->saved);
    open_life(w, NULL);
}

static void end(world *w) {
    if (w->frozen) end_freeze(w);
    rwd_dead_free(w->dead);
    for (size_t s = 0; s < RWD_SHARE_COUNT; s++) assert_int_equal(w->budget.used[s], 0);
    free(w->now);
    free(w->at_freeze);
    free(w->saved);
    must(w, rwd_remove_tree(w->root, &w->err));
}

static void live(world *w, unsigned steps) {
    for (unsigned i = 0; i < steps; i++) {
        switch (below(12)) {
        case 0: if (!w->frozen) begin_freeze(w); break;
        case 1: if (w->frozen) end_freeze(w); break;
        case 2: if (below(6) == 0) die_and_open(w); break;
        case 3: check_stats(w); break;
        case 4: if (below(15) == 0) redrive_all(w); break;
        case 5: case 6: case 7: redrive_some(w); break;
        default: fail_some(w);
        }
    }
}

static void what_is_open_is_what_failed_and_was_not_applied(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= (getenv("REWIND_TEST_LONG") ? 40u : 4u); seed++) {
        world w;
        dice = test_random_of(seed);
        begin(&w);
        live(&w, 700);
        assert_true(w.closed > 300 && w.changed > 100 && w.checkpoints > 20 && w.lives > 2 && w.empty > 0);
        end(&w);
    }
}

static void a_checkpoint_without_them_has_no_folder_and_the_digest_0(void **state) {
    (void)state;
    world w;
    begin(&w);
    begin_freeze(&w);
    end_freeze(&w);
    assert_true(rwd_hash128_equal(w.frozen_digest, (rwd_hash128){0}));
    assert_int_equal(w.participant->ops->bytes(w.participant), 0);
    open_life(&w, NULL);   // opening is cheap as well: no store is made
    end(&w);
}

static void many_of_them_make_the_next_boundary_a_checkpoint(void **state) {
    (void)state;
    world w;
    begin(&w);
    for (int64_t i = 0; !rwd_dead_pressed(w.dead); i++) {
        assert_in_range(i, 0, 10000000);
        rwd_dead_add(w.dead, &(rwd_dead_entry){.id = {i, RWD_DEAD_RECORD, RWD_DEAD_WHOLE}, .code = RWD_E_LATE, .field = rwd_slice_str("ts")});
    }
    assert_in_range(w.participant->ops->bytes(w.participant), 1, w.budget.limit[RWD_SHARE_HOT] / 5);
    w.participant->ops->freeze(w.participant, 0);
    assert_false(rwd_dead_pressed(w.dead));
    w.participant->ops->discard(w.participant);
    end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_open_is_what_failed_and_was_not_applied),
        cmocka_unit_test(a_checkpoint_without_them_has_no_folder_and_the_digest_0),
        cmocka_unit_test(many_of_them_make_the_next_boundary_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
