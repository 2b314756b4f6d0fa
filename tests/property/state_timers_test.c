// Timers against a sorted list: random adds, reads, passes, checkpoints in the middle of a read, deaths and openings from any checkpoint.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "state/timers.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

#define MODEL_MAX 20000

typedef struct entry {
    int64_t due;
    uint16_t table;
    char key[24];
    size_t size;
} entry;

typedef struct model {
    entry items[MODEL_MAX];  // in order
    size_t count;
} model;

static test_random dice;
static uint64_t below(uint64_t n) { return test_random_below(&dice, n); }

static int order(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->due != y->due) return x->due < y->due ? -1 : 1;
    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    return rwd_slice_compare(rwd_slice_of(x->key, x->size), rwd_slice_of(y->key, y->size));
}

static void model_add(model *m, const entry *e) {
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (order(&m->items[middle], e) < 0) low = middle + 1;
        else high = middle;
    }
    if (low < m->count && order(&m->items[low], e) == 0) return;
    assert_true(m->count < MODEL_MAX);
    memmove(m->items + low + 1, m->items + low, (m->count - low) * sizeof *m->items);
    m->items[low] = *e;
    m->count++;
}

static void model_pass(model *m, size_t count) {
    memmove(m->items, m->items + count, (m->count - count) * sizeof *m->items);
    m->count -= count;
}

typedef struct world {
    char root[32];
    rwd_budget budget;
    rwd_timers *timers;
    rwd_participant *participant;
    unsigned lives, checkpoints;
    int64_t now;
    int64_t passed_due;   // of the last one passed
    size_t passed;        // by the last read: as many may be added among those that were read
    model *model;
    char frozen_dir[64];
    bool frozen, written;
    pthread_t writer;
    rwd_error write_error;
    model *at_freeze, *saved;
    int64_t now_at_freeze, now_saved;
    char saved_dir[64];
    rwd_error err;
} world;

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

static void check_reads(world *w) {
    static rwd_timer out[RWD_TIMERS_READ_MAX];
    size_t count, most = 1 + (size_t)below(60), due = 0;
    must(w, rwd_timers_read(w->timers, w->now, most, out, &count, &w->err));
    while (due < w->model->count && due < most && w->model->items[due].due <= w->now) due++;
    assert_int_equal(count, due);
    for (size_t i = 0; i < count; i++) {
        const entry *e = &w->model->items[i];
        assert_int_equal(out[i].due, e->due);
        assert_int_equal(out[i].table, e->table);
        assert_int_equal(out[i].key.size, e->size);
        assert_memory_equal(out[i].key.data, e->key, e->size);
    }
    size_t passed = count ? (size_t)below(count + 1) : 0;
    w->passed = passed;
    if (passed > 0) w->passed_due = w->model->items[passed - 1].due;
    rwd_timers_pass(w->timers, passed);
    model_pass(w->model, passed);
    assert_int_equal(rwd_timers_next(w->timers), w->model->count ? w->model->items[0].due : INT64_MAX);
}

static void add_some(world *w) {
    for (uint64_t n = below(200); n > 0 && w->model->count < MODEL_MAX / 2; n--) {
        int64_t from = w->now;
        if (w->passed > 0 && w->passed_due < w->now && below(3) == 0) {
            from = w->passed_due + (int64_t)below((uint64_t)(w->now - w->passed_due));
            w->passed--;
        }
        entry e = {.due = from + 1 + (int64_t)below(50) * (int64_t)below(40), .table = (uint16_t)below(3)};
        e.size = (size_t)snprintf(e.key, sizeof e.key, "k%llu", (unsigned long long)below(500)) ;
        if (below(4) == 0) e.size += (size_t)snprintf(e.key + e.size, sizeof e.key - e.size, "-a longer key");
        rwd_timers_add(w->timers, e.due, e.table, rwd_slice_of(e.key, e.size));
        model_add(w->model, &e);
    }
    assert_int_equal(rwd_timers_next(w->timers), w->model->count ? w->model->items[0].due : INT64_MAX);
}

static void *write_frozen(void *context) {
    world *w = context;
    w->written = w->participant->ops->write(w->participant, w->frozen_dir, &w->write_error);
    return NULL;
}

static void begin_freeze(world *w) {
    w->participant->ops->freeze(w->participant, 0);
    *w->at_freeze = *w->model;
    w->now_at_freeze = w->now;
    w->frozen = true;
    snprintf(w->frozen_dir, sizeof w->frozen_dir, "%s/checkpoint-%u", w->root, w->checkpoints++);
    must(w, rwd_mkdirs(w->frozen_dir, &w->err));
    assert_int_equal(pthread_create(&w->writer, NULL, write_frozen, w), 0);
}

static void end_freeze(world *w) {
    pthread_join(w->writer, NULL);
    w->err = w->write_error;
    must(w, w->written);
    if (below(2)) check_reads(w);  // written, and not yet thawed
    w->participant->ops->thaw(w->participant);
    w->frozen = false;
    *w->saved = *w->at_freeze;
    w->now_saved = w->now_at_freeze;
    memcpy(w->saved_dir, w->frozen_dir, sizeof w->saved_dir);
}

static void die_and_open(world *w) {
    if (w->frozen) pthread_join(w->writer, NULL);
    w->participant->ops->discard(w->participant);
    w->frozen = false;
    w->passed = 0;
    open_life(w, w->saved_dir[0] ? w->saved_dir : NULL);
    if (w->saved_dir[0]) *w->model = *w->saved;
    else w->model->count = 0;
    w->now = w->saved_dir[0] ? w->now_saved : 0;
}

static void any_run_gives_what_a_sorted_list_gives(void **state) {
    (void)state;
    dice = test_random_of(20260101);
    world w = {.root = "timers-XXXXXX"};
    assert_non_null(mkdtemp(w.root));
    must(&w, rwd_budget_init(&w.budget, RWD_BUDGET_MIN, &w.err));
    w.timers = rwd_timers_new(&w.budget);
    w.participant = rwd_timers_participant(w.timers);
    w.model = calloc(1, sizeof *w.model);
    w.at_freeze = calloc(1, sizeof *w.at_freeze);
    w.saved = calloc(1, sizeof *w.saved);
    open_life(&w, NULL);
    unsigned steps = getenv("REWIND_TEST_LONG") ? 40000 : 4000;
    for (unsigned i = 0; i < steps; i++) {
        switch (below(12)) {
        case 0: case 1: case 2: add_some(&w); break;
        case 3: w.now += (int64_t)below(60); break;
        case 4: if (!w.frozen) begin_freeze(&w); break;
        case 5: if (w.frozen) end_freeze(&w); break;
        case 6: if (below(12) == 0) die_and_open(&w); break;
        default: check_reads(&w);
        }
    }
    if (w.frozen) end_freeze(&w);
    assert_true(w.checkpoints > 50 && w.lives > 5);
    rwd_timers_free(w.timers);
    for (size_t s = 0; s < RWD_SHARE_COUNT; s++) assert_int_equal(w.budget.used[s], 0);
    free(w.model);
    free(w.at_freeze);
    free(w.saved);
    must(&w, rwd_remove_tree(w.root, &w.err));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_run_gives_what_a_sorted_list_gives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
