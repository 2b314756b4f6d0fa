// The pace of a replay beside an operator: what its lag makes of the share of time that the replay works.
#include "operator/cli/pace.h"

#include "operator/pipeline/status.h"
#include "tests/unit/test.h"

static void without_lag_it_grows_to_all_of_the_time(void **state) {
    (void)state;
    double share = 0.5;
    for (int i = 0; i < 100; i++) {
        double next = rwd_pace_share(share, 0);
        assert_true(next >= share && next <= 1);
        share = next;
    }
    assert_true(share == 1);
}

static void lag_cuts_it_and_much_lag_cuts_it_more(void **state) {
    (void)state;
    assert_true(rwd_pace_share(0.8, 300000) < 0.8);
    assert_true(rwd_pace_share(0.8, 900000) < rwd_pace_share(0.8, 300000));
}

static void it_never_comes_to_a_stop(void **state) {
    (void)state;
    double share = 1;
    for (int i = 0; i < 1000; i++) share = rwd_pace_share(share, INT64_MAX);
    assert_true(share > 0);
    assert_true(rwd_pace_share(share, 0) > share);
}

static void with_a_lag_that_nobody_knows_it_is_half(void **state) {
    (void)state;
    assert_true(rwd_pace_share(1, RWD_LAG_UNKNOWN) == 0.5);
}

// A replay that works a share s of the time sleeps (1 - s) / s as long as it worked.
static void sleep_follows_from_the_share(void **state) {
    (void)state;
    rwd_clock *clock = rwd_clock_virtual_new(0);  // it stands still, so that nobody is asked again
    rwd_clock_virtual_advance(clock, 1);
    rwd_pace pace = {.clock = clock, .share = 0.25, .asked_ns = rwd_clock_ns(clock), .beside = true};
    assert_int_equal(rwd_pace_step(&pace, 1000), 3000);
    pace.share = 1;
    assert_int_equal(rwd_pace_step(&pace, 1000), 0);
    rwd_clock_virtual_free(clock);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_lag_it_grows_to_all_of_the_time), cmocka_unit_test(lag_cuts_it_and_much_lag_cuts_it_more),
        cmocka_unit_test(it_never_comes_to_a_stop), cmocka_unit_test(with_a_lag_that_nobody_knows_it_is_half),
        cmocka_unit_test(sleep_follows_from_the_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
