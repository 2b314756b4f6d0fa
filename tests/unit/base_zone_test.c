// Time zones: well-known moments, names that are none, files that are damaged. Every other moment: tests/property/zone_oracle.py.
#include "operator/base/zone.h"

#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "operator/base/time.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

static rwd_zone *open_zone(const char *name) {
    rwd_zone *zone = NULL;
    rwd_error err;
    if (!rwd_zone_open(name, &zone, &err)) fail_msg("%s", err.cause);
    assert_string_equal(rwd_zone_name(zone), name);
    return zone;
}

static void expect_time(rwd_zone *zone, const char *local, const char *utc) {
    rwd_time_format format;
    rwd_error err;
    int64_t us;
    char text[RWD_TIME_TEXT_MAX];
    assert_true(rwd_time_format_parse("%F %T", &format, &err));
    format.zone.named = zone;
    assert_int_equal(rwd_time_parse(&format, rwd_slice_str(local), &us), RWD_PARSE_OK);
    (void)rwd_time_text(us, text);
    assert_string_equal(text, utc);
}

static void clocks_go_forward_and_back(void **state) {
    (void)state;
    rwd_zone *berlin = open_zone("Europe/Berlin"), *howe = open_zone("Australia/Lord_Howe");
    expect_time(berlin, "2026-03-29 01:59:59", "2026-03-29T00:59:59Z");
    expect_time(berlin, "2026-03-29 02:30:00", "2026-03-29T01:30:00Z");  // skipped: as much later, 03:30 there
    expect_time(berlin, "2026-03-29 03:00:00", "2026-03-29T01:00:00Z");
    expect_time(berlin, "2026-10-25 02:30:00", "2026-10-25T00:30:00Z");  // shown twice: the first
    expect_time(berlin, "2026-10-25 03:00:00", "2026-10-25T02:00:00Z");
    expect_time(berlin, "2945-07-01 12:00:00", "2945-07-01T10:00:00Z");  // by the rule for all years to come
    expect_time(howe, "2026-10-04 02:15:00", "2026-10-03T15:45:00Z");    // half an hour is skipped there
    rwd_zone_free(berlin);
    rwd_zone_free(howe);
}

static void a_time_too_far_for_its_zone_is_out_of_range(void **state) {
    (void)state;
    rwd_zone *zone = open_zone("Asia/Tokyo");
    rwd_time_format format;
    rwd_error err;
    int64_t us;
    assert_true(rwd_time_format_parse("%F %T", &format, &err));
    format.zone.named = zone;
    assert_int_equal(rwd_time_parse(&format, rwd_slice_str("0001-01-01 00:00:00"), &us), RWD_PARSE_RANGE);
    assert_int_equal(rwd_time_parse(&format, rwd_slice_str("9999-12-31 23:59:59"), &us), RWD_PARSE_OK);
    rwd_zone_free(zone);
}

static void names_that_are_none_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"Europe/Berln", "", "/etc/passwd", "../../etc/passwd", "Europe//Berlin", "Europe/", "Europe", "a b", "zone.tab", "CET-1CEST,M3.5.0,M10.5.0"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rwd_zone *zone = NULL;
        rwd_error err;
        rwd_error_clear(&err);
        assert_false(rwd_zone_open(names[i], &zone, &err));
        assert_int_equal(err.code, RWD_E_CONFIG);
    }
}

// The hash is that of what clocks show: the same under two names.
static void the_hash_tells_zones_apart_by_what_their_clocks_show(void **state) {
    (void)state;
    rwd_zone *a = open_zone("Asia/Kolkata"), *b = open_zone("Asia/Calcutta"), *c = open_zone("Asia/Tokyo");
    assert_true(rwd_hash128_equal(rwd_zone_hash(a), rwd_zone_hash(b)));
    assert_false(rwd_hash128_equal(rwd_zone_hash(a), rwd_zone_hash(c)));
    rwd_zone_free(a);
    rwd_zone_free(b);
    rwd_zone_free(c);
}

// Each copy is as long as what it holds, so that a sanitizer sees every step beyond.
static void damaged_files_are_refused_or_read_within_their_bounds(void **state) {
    (void)state;
    test_random dice = test_random_of(7);
    rwd_buf whole = {0};
    rwd_error err;
    assert_true(rwd_read_file(RWD_ZONE_FOLDER "/Europe/Dublin", RWD_ZONE_BYTES_MAX, &whole, &err));
    size_t refused = 0;
    for (unsigned i = 0; i < 1500; i++) {
        size_t size = test_random_below(&dice, 3) ? whole.size : test_random_below(&dice, whole.size);
        uint8_t *copy = rwd_malloc(size + 1);
        memcpy(copy, whole.data, size);
        for (uint64_t n = test_random_below(&dice, 4); n > 0 && size > 0; n--) {
            size_t reach = test_random_below(&dice, 2) || size < 100 ? size : 100;  // headers decide most
            copy[test_random_below(&dice, reach)] = (uint8_t)test_random_u64(&dice);
        }
        uint8_t *exact = rwd_malloc(size ? size : 1);
        memcpy(exact, copy, size);
        rwd_zone *zone = NULL;
        if (rwd_zone_read("x", rwd_slice_of(exact, size), &zone, &err)) (void)rwd_zone_at_local(zone, (int64_t)test_random_u64(&dice) >> 20);
        else refused++;
        rwd_zone_free(zone);
        free(copy);
        free(exact);
    }
    assert_true(refused > 300);
    rwd_buf_deinit(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_go_forward_and_back),
        cmocka_unit_test(a_time_too_far_for_its_zone_is_out_of_range),
        cmocka_unit_test(names_that_are_none_are_refused),
        cmocka_unit_test(the_hash_tells_zones_apart_by_what_their_clocks_show),
        cmocka_unit_test(damaged_files_are_refused_or_read_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
