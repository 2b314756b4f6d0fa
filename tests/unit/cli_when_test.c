// Times on the command line.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "operator/base/time.h"
#include "operator/cli/when.h"
#include "tests/unit/test.h"

#define S INT64_C(1000000)
#define NOON (INT64_C(1772366400) * S)  // 2026-03-01T12:00:00Z
static rwd_error err;

static int64_t when(const char *text, int64_t now_us) {
    int64_t us = 0;
    if (!rwd_when_parse(text, now_us, &us, &err)) fail_msg("%s: %s", text, err.cause);
    return us;
}

static void zone(const char *name) {
    assert_int_equal(setenv("TZ", name, 1), 0);
    tzset();
}

static void a_time_with_its_zone_means_the_same_everywhere(void **state) {
    (void)state;
    zone("America/New_York");
    assert_int_equal(when("2026-03-01T12:00:00Z", NOON), NOON);
    assert_int_equal(when("2026-03-01T13:00:00.5+01:00", NOON), NOON + S / 2);
}

static void a_time_of_day_is_the_last_one_that_was(void **state) {
    (void)state;
    zone("UTC0");
    assert_int_equal(when("12:00", NOON), NOON);
    assert_int_equal(when("11:59:30", NOON), NOON - 30 * S);
    assert_int_equal(when("12:00", NOON - 1 * S), NOON - 86400 * S);
    assert_int_equal(when("23:59", NOON), NOON - (12 * 3600 + 60) * S);
    zone("XYZ-2");  // two hours ahead of UTC
    assert_int_equal(when("12:00", NOON), NOON - 2 * 3600 * S);
    assert_int_equal(when("14:00:01", NOON), NOON - 86399 * S);
}

static void where_clocks_change_the_hour_is_the_calendars(void **state) {
    (void)state;
    zone("CET-1CEST,M3.5.0,M10.5.0/3");
    int64_t after = INT64_C(1774767600) * S;  // 2026-03-29T07:00:00Z, 09:00 of summer time, which began that night
    assert_int_equal(when("08:00", after), after - 3600 * S);
    assert_int_equal(when("10:00", after), after - 22 * 3600 * S);  // yesterday's, of winter time: 09:00Z
    zone("UTC0");
}

static void what_is_no_time_is_refused_with_what_is(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "noon", "24:00", "12:60", "12:00:60", "1:00", "12.00", "12:00:", "2026-03-01", "2026-13-01T12:00:00Z", "12:00 ", "123:0", "12:00:00:00"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int64_t us;
        assert_false(rwd_when_parse(wrong[i], NOON, &us, &err));
        assert_int_equal(err.code, RWD_E_USAGE);
        assert_non_null(strstr(err.next, "12:00"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_with_its_zone_means_the_same_everywhere),
        cmocka_unit_test(a_time_of_day_is_the_last_one_that_was),
        cmocka_unit_test(where_clocks_change_the_hour_is_the_calendars),
        cmocka_unit_test(what_is_no_time_is_refused_with_what_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
