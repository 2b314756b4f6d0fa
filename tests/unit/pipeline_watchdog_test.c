// The watchdog, on a clock that moves when told.
#include "operator/pipeline/watchdog.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/test.h"

#define S 1000000000LL
#define WALL 1700000000000000LL

typedef struct kennel {
    rwd_clock *clock;
    rwd_watchdog dog;
    rwd_status status;
} kennel;

static int begin(void **state) {
    kennel *k = rwd_calloc(1, sizeof *k);
    k->clock = rwd_clock_virtual_new(WALL);
    rwd_clock_virtual_advance(k->clock, S);  // a time of 0 means that nothing waits
    k->status.phase = RWD_PHASE_RUNNING;
    *state = k;
    return 0;
}

static int end(void **state) {
    kennel *k = *state;
    rwd_clock_virtual_free(k->clock);
    free(k);
    return 0;
}

static const rwd_status *look(kennel *k, int64_t after_ns) {
    rwd_clock_virtual_advance(k->clock, after_ns);
    rwd_watchdog_look(&k->dog, k->clock, &k->status);
    return &k->status;
}

static size_t stuck_stages(const rwd_status *status) {
    size_t count = 0;
    for (int i = 0; i < RWD_STAGE_COUNT; i++) count += status->stuck_us[i] != 0;
    return count;
}

static void every_stage_is_named_once_its_bound_is_over(void **state) {
    kennel *k = *state;
    static const int64_t bounds[RWD_STAGE_COUNT] = {10, 10, 10, 10, 120};
    for (int i = 0; i < RWD_STAGE_COUNT; i++) {
        int64_t began_us = rwd_clock_wall_us(k->clock);
        rwd_watchdog_begin(&k->dog, (rwd_stage)i, rwd_clock_ns(k->clock));
        assert_int_equal(stuck_stages(look(k, bounds[i] * S - 1)), 0);
        assert_true(rwd_status_ready(&k->status, NULL));
        assert_int_equal(stuck_stages(look(k, 1)), 1);
        assert_int_equal(k->status.stuck_us[i], began_us);
        assert_int_equal(k->status.stuck_ns[i], bounds[i] * S);
        rwd_buf why = {0};
        assert_false(rwd_status_ready(&k->status, &why));
        char named[64];
        (void)snprintf(named, sizeof named, "stuck: %s since 2023-11-14T", rwd_stage_name((rwd_stage)i));
        if (!strstr(rwd_buf_cstr(&why), named)) fail_msg("'%s' is not in: %s", named, rwd_buf_cstr(&why));
        rwd_buf_deinit(&why);
        rwd_watchdog_end(&k->dog, (rwd_stage)i);
        assert_int_equal(stuck_stages(look(k, 0)), 0);
    }
}

static void waiting_counts_from_when_it_began_until_something_moves(void **state) {
    kennel *k = *state;
    rwd_watchdog_begin(&k->dog, RWD_STAGE_COMMIT, rwd_clock_ns(k->clock));
    (void)look(k, 6 * S);
    rwd_watchdog_begin(&k->dog, RWD_STAGE_COMMIT, rwd_clock_ns(k->clock));  // it waits already
    assert_int_equal(look(k, 6 * S)->stuck_ns[RWD_STAGE_COMMIT], 12 * S);
    rwd_watchdog_end(&k->dog, RWD_STAGE_COMMIT);
    rwd_watchdog_begin(&k->dog, RWD_STAGE_COMMIT, rwd_clock_ns(k->clock));
    assert_int_equal(stuck_stages(look(k, 6 * S)), 0);
}

static void stages_are_named_beside_each_other(void **state) {
    kennel *k = *state;
    rwd_watchdog_begin(&k->dog, RWD_STAGE_FETCH, rwd_clock_ns(k->clock));
    rwd_watchdog_begin(&k->dog, RWD_STAGE_SINK, rwd_clock_ns(k->clock) + S);
    assert_int_equal(stuck_stages(look(k, 10 * S)), 1);
    assert_int_equal(stuck_stages(look(k, S)), 2);
    assert_true(k->status.stuck_ns[RWD_STAGE_FETCH] > k->status.stuck_ns[RWD_STAGE_SINK]);
}

static void a_phase_in_which_nothing_is_read_is_not_ready(void **state) {
    kennel *k = *state;
    static const rwd_phase silent[] = {RWD_PHASE_STARTING, RWD_PHASE_VERIFYING, RWD_PHASE_REPLAYING, RWD_PHASE_PAUSED, RWD_PHASE_STOPPING, RWD_PHASE_PARKED, RWD_PHASE_ENDED};
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        k->status.phase = silent[i];
        assert_false(rwd_status_ready(&k->status, NULL));
    }
    k->status.phase = RWD_PHASE_WAITING;
    assert_true(rwd_status_ready(&k->status, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_stage_is_named_once_its_bound_is_over, begin, end),
        cmocka_unit_test_setup_teardown(waiting_counts_from_when_it_began_until_something_moves, begin, end),
        cmocka_unit_test_setup_teardown(stages_are_named_beside_each_other, begin, end),
        cmocka_unit_test_setup_teardown(a_phase_in_which_nothing_is_read_is_not_ready, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
