// Retention against a model that goes by the names of hours and days in a calendar: random times at which checkpoints are made (a clock that goes back now and then),
// random rules, and what stays must be exactly what the model says.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/support/checkpoints_fixture.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

#define ROUNDS 40
#define MOST 24
#define MINUTE_NS INT64_C(60000000000)

static test_random dice;
static uint64_t below(uint64_t n) { return test_random_below(&dice, n); }

typedef struct made {
    char id[RWD_CHECKPOINT_ID];
    int64_t created_us;
    char hour[16], day[16];
    bool stays;
} made;

static void name_times(made *m) {
    time_t seconds = (time_t)(m->created_us / 1000000);
    struct tm utc;
    assert_non_null(gmtime_r(&seconds, &utc));
    assert_true(strftime(m->hour, sizeof(m->hour), "%Y-%m-%d %H", &utc) > 0);
    assert_true(strftime(m->day, sizeof(m->day), "%Y-%m-%d", &utc) > 0);
}

// Names sort as times do: the greatest `wanted` names, and of each the checkpoint that was made last.
static void model_spans(made *all, size_t count, size_t name_at, unsigned wanted) {
    char bound[16] = "~";
    for (unsigned n = 0; n < wanted; n++) {
        const char *best = "";
        for (size_t i = 0; i < count; i++) {
            const char *name = (const char *)&all[i] + name_at;
            if (strcmp(name, bound) < 0 && strcmp(name, best) > 0) best = name;
        }
        if (!*best) return;
        size_t last = 0;
        for (size_t i = 0; i < count; i++)
            if (strcmp((const char *)&all[i] + name_at, best) == 0) last = i;
        all[last].stays = true;
        memcpy(bound, best, sizeof(bound));
    }
}

static void model(made *all, size_t count, const rwd_keep *keep) {
    int64_t newest = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        all[i].stays = i == 0 || count - i <= 2 || count - i <= keep->last;  // genesis; K5; the newest
        if (all[i].created_us > newest) newest = all[i].created_us;
    }
    for (size_t i = 0; i < count && keep->within_us > 0; i++)
        if (all[i].created_us >= newest - keep->within_us) all[i].stays = true;
    model_spans(all, count, offsetof(made, hour), keep->hourly);
    model_spans(all, count, offsetof(made, day), keep->daily);
}

static void make(fixture *fx, made *all, size_t count) {
    rwd_error err;
    int64_t scale = (int64_t)(1 + below(600)) * MINUTE_NS;  // a minute to ten hours from one to the next
    for (size_t i = 0; i < count; i++) {
        int64_t step = (int64_t)below((uint64_t)scale);
        rwd_clock_virtual_advance(fx->clock, below(8) == 0 ? -step : step);
        fixture_must(fixture_checkpoint(fx, (int64_t)i * 10, all[i].id, &err), &err);
        all[i].created_us = rwd_clock_wall_us(fx->clock);
        name_times(&all[i]);
    }
}

static void compare(const made *all, size_t count, const rwd_prune_plan *plan) {
    assert_int_equal(plan->count, count);
    for (size_t i = 0; i < count; i++) {
        const rwd_prune_item *item = &plan->items[count - 1 - i];
        assert_string_equal(item->id, all[i].id);
        if (all[i].stays != (item->why_kept != NULL))
            fail_msg("checkpoint %zu of %zu, made at %s: the model says that it %s, and: %s", i, count, all[i].hour, all[i].stays ? "stays" : "goes",
                     item->why_kept ? item->why_kept : "it goes");
    }
}

static void what_stays_is_what_the_model_says(void **state) {
    (void)state;
    dice = test_random_of(7);
    for (int round = 0; round < ROUNDS; round++) {
        fixture fx;
        made all[MOST];
        rwd_error err;
        size_t count = 3 + below(MOST - 2);
        fixture_init_in_memory(&fx);
        fixture_must(fixture_open(&fx, &err), &err);
        make(&fx, all, count);
        for (int rules = 0; rules < 6; rules++) {
            rwd_keep keep = {.last = (unsigned)below(6), .hourly = (unsigned)below(8), .daily = (unsigned)below(4),
                             .within_us = below(2) ? (int64_t)below(3000) * 60000000 : 0, .full = 1};
            rwd_prune_plan plan;
            model(all, count, &keep);
            fixture_must(rwd_repo_prune(fx.repo, &fx.lineage, (int64_t)(count - 1) * 10, &keep, false, &plan, &err), &err);
            compare(all, count, &plan);
            rwd_prune_plan_deinit(&plan);
        }
        fixture_deinit(&fx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_stays_is_what_the_model_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
