// Times against the C library's gmtime, timegm, strftime and strptime; durations and sizes against arithmetic done here.
#include "operator/base/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

static int64_t random_us(test_random *r) {
    if (test_random_below(r, 3) == 0) return (int64_t)test_random_below(r, 4102444800000000);  // 1970 to 2100
    return RWD_TIME_MIN + (int64_t)(test_random_u64(r) % (uint64_t)(RWD_TIME_MAX - RWD_TIME_MIN + 1));
}

static int64_t floor_s(int64_t us) { return us / 1000000 - (us % 1000000 < 0); }

static struct tm tm_of(int64_t us) {
    time_t seconds = floor_s(us);
    struct tm tm;
    assert_non_null(gmtime_r(&seconds, &tm));
    return tm;
}

static rwd_time_format format_of(const char *name) {
    rwd_time_format format;
    rwd_error err;
    rwd_error_clear(&err);
    if (!rwd_time_format_parse(name, &format, &err)) fail_msg("%s", err.cause);
    return format;
}

static rwd_parse parse(const char *format_name, const char *text, int64_t *out) {
    rwd_time_format format = format_of(format_name);
    size_t size = strlen(text);
    void *exact = malloc(size ? size : 1);  // a read beyond the text is seen by the sanitizer
    memcpy(exact, text, size);
    rwd_parse parsed = rwd_time_parse(&format, rwd_slice_of(exact, size), out);
    free(exact);
    return parsed;
}

static void times_read_as_gmtime_has_them(void **state) {
    (void)state;
    test_random r = test_random_of(1);
    for (int i = 0; i < 100000; i++) {
        int64_t us = random_us(&r);
        if (i % 3 == 1) us -= us % 1000;
        if (i % 3 == 2) us -= us % 1000000;
        struct tm tm = tm_of(us);
        unsigned fraction = (unsigned)(us - floor_s(us) * 1000000);
        char text[RWD_TIME_TEXT_MAX], expected[80];
        int n = snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                         tm.tm_hour, tm.tm_min, tm.tm_sec);
        if (fraction % 1000) snprintf(expected + n, sizeof(expected) - (size_t)n, ".%06uZ", fraction);
        else if (fraction) snprintf(expected + n, sizeof(expected) - (size_t)n, ".%03uZ", fraction / 1000);
        else snprintf(expected + n, sizeof(expected) - (size_t)n, "Z");
        size_t size = rwd_time_text(us, text);
        assert_int_equal(size, strlen(text));
        assert_string_equal(text, expected);
        snprintf(expected + n, sizeof(expected) - (size_t)n, ".%03uZ", fraction / 1000);
        size = rwd_time_text_ms(us, text);
        assert_int_equal(size, strlen(text));
        assert_string_equal(text, expected);
    }
    char text[RWD_TIME_TEXT_MAX];
    assert_true(rwd_time_text(RWD_TIME_NONE, text) < sizeof(text));
    assert_true(rwd_time_text(INT64_MAX, text) < sizeof(text));
}

static void a_time_reads_back_from_its_text(void **state) {
    (void)state;
    test_random r = test_random_of(2);
    rwd_time_format format = format_of("rfc3339");
    for (int i = 0; i < 100000; i++) {
        int64_t us = i == 0 ? RWD_TIME_MIN : i == 1 ? RWD_TIME_MAX : random_us(&r), back;
        char text[RWD_TIME_TEXT_MAX];
        size_t size = rwd_time_text(us, text);
        assert_int_equal(rwd_time_parse(&format, rwd_slice_of(text, size), &back), RWD_PARSE_OK);
        assert_true(back == us);
    }
}

static void rfc3339_agrees_with_timegm_on_every_field_value(void **state) {
    (void)state;
    test_random r = test_random_of(3);
    size_t good = 0;
    for (int i = 0; i < 200000; i++) {
        int year = (int)test_random_below(&r, 10000), month = (int)test_random_below(&r, 14), day = (int)test_random_below(&r, 33);
        int hour = (int)test_random_below(&r, 25), minute = (int)test_random_below(&r, 61), second = (int)test_random_below(&r, 61);
        int zone_h = (int)test_random_below(&r, 25), zone_m = (int)test_random_below(&r, 61), west = (int)test_random_below(&r, 2);
        char text[80];
        snprintf(text, sizeof(text), "%04d-%02d-%02d%c%02d:%02d:%02d.25%c%02d:%02d", year, month, day, "Tt "[test_random_below(&r, 3)],
                 hour, minute, second, west ? '-' : '+', zone_h, zone_m);
        struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute, .tm_sec = second};
        struct tm day_only = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = 12};
        int64_t seconds = timegm(&tm) - (west ? -1 : 1) * (zone_h * 3600 + zone_m * 60);
        (void)timegm(&day_only);  // a date that does not exist comes back as another one
        bool valid = year >= 1 && day_only.tm_mday == day && day_only.tm_mon == month - 1 && hour < 24 && minute < 60 && zone_h < 24 &&
                     zone_m < 60 && seconds * 1000000 >= RWD_TIME_MIN && seconds * 1000000 + 250000 <= RWD_TIME_MAX;
        int64_t us = 0;
        rwd_parse parsed = parse("rfc3339", text, &us);
        if (parsed != (valid ? RWD_PARSE_OK : RWD_PARSE_RANGE) || (valid && us != seconds * 1000000 + 250000)) fail_msg("%s", text);
        good += valid;
    }
    assert_true(good > 50000);
}

static void rfc3339_refuses_other_shapes(void **state) {
    (void)state;
    static const char *const bad[] = {"", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04Z", "2026-1-02T03:04:05Z",
                                      "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+0200", "2026-01-02T03:04:05+02", "02026-01-02T03:04:05Z",
                                      "2026-01-02T03:04:05Zx", " 2026-01-02T03:04:05Z", "2026-01-02_03:04:05Z", "2026/01/02T03:04:05Z",
                                      "2026-01-02T03:04:05,5Z", "-026-01-02T03:04:05Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t us;
        if (parse("rfc3339", bad[i], &us) != RWD_PARSE_MALFORMED) fail_msg("'%s'", bad[i]);
    }
}

static void digits_below_microseconds_are_cut_downwards(void **state) {
    (void)state;
    int64_t us;
    assert_int_equal(parse("rfc3339", "1969-12-31T23:59:59.9999999999Z", &us), RWD_PARSE_OK);
    assert_true(us == -1);
    assert_int_equal(parse("rfc3339", "1970-01-01T00:00:00.0000019Z", &us), RWD_PARSE_OK);
    assert_true(us == 1);
    assert_int_equal(parse("epoch-ns", "-1", &us), RWD_PARSE_OK);
    assert_true(us == -1);
    assert_int_equal(parse("epoch-ns", "-1000", &us), RWD_PARSE_OK);
    assert_true(us == -1);
    assert_int_equal(parse("epoch-ns", "1999", &us), RWD_PARSE_OK);
    assert_true(us == 1);
}

static void epoch_numbers_scale_to_microseconds_or_are_out_of_range(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t per_s;
    } units[] = {{"epoch-s", 1}, {"epoch-ms", 1000}, {"epoch-us", 1000000}, {"epoch-ns", 1000000000}};
    test_random r = test_random_of(4);
    for (int i = 0; i < 100000; i++) {
        size_t u = test_random_below(&r, 4);
        int64_t number = (int64_t)test_random_wide(&r);
        if (test_random_below(&r, 2)) number = (int64_t)(0 - (uint64_t)number);
        __int128 exact = (__int128)number * 1000000;
        __int128 us = exact / units[u].per_s - (exact % units[u].per_s < 0);
        bool valid = us >= RWD_TIME_MIN && us <= RWD_TIME_MAX;
        char text[32];
        snprintf(text, sizeof(text), "%lld", (long long)number);
        int64_t from_text = 0, from_number = 0;
        rwd_time_format format = format_of(units[u].name);
        assert_int_equal(parse(units[u].name, text, &from_text), valid ? RWD_PARSE_OK : RWD_PARSE_RANGE);
        assert_int_equal(rwd_time_from_number(&format, number, &from_number), valid ? RWD_PARSE_OK : RWD_PARSE_RANGE);
        if (valid) assert_true(from_text == us && from_number == us);
    }
    int64_t us;
    assert_int_equal(parse("epoch-s", "1.5", &us), RWD_PARSE_MALFORMED);
    assert_int_equal(parse("epoch-s", "", &us), RWD_PARSE_MALFORMED);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"  // the patterns are a table
static void patterns_agree_with_strftime_and_strptime(void **state) {
    (void)state;
    static const char *const patterns[] = {
        "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%Y%m%d%H%M%S", "%d %b %Y %T", "%B %e, %Y %R",
        "%F%t%T",            "%D %H",          "%Y %j %M",          "%d.%m.%y",     "%s",          "%%%F%%",
        "%Y-%m-%dT%H:%M:%S%z",
    };
    test_random r = test_random_of(5);
    for (int i = 0; i < 60000; i++) {
        const char *pattern = patterns[test_random_below(&r, 13)];
        int64_t us = random_us(&r);
        if (us < -30610224000000000) us += 31556952000000000LL;  // strftime pads years below 1000 differently
        if (strstr(pattern, "y") || strstr(pattern, "D")) us = (int64_t)test_random_below(&r, 3124224000000000);  // 1970 to 2068
        struct tm tm = tm_of(us), read = {.tm_mday = 1};
        char text[128];
        assert_true(strftime(text, sizeof(text), pattern, &tm) > 0);
        int64_t expected = floor_s(us);
        if (!strstr(pattern, "%s")) {  // strptime reads no negative ones
            const char *rest = strptime(text, pattern, &read);
            assert_true(rest && *rest == '\0');
            if (strstr(pattern, "%j")) read.tm_mon = 0, read.tm_mday = read.tm_yday + 1;
            expected = timegm(&read);
        }
        int64_t got = 0;
        rwd_parse parsed = parse(pattern, text, &got);
        if (parsed != RWD_PARSE_OK || got != expected * 1000000) fail_msg("'%s' by '%s'", text, pattern);
    }
}
#pragma GCC diagnostic pop

static void patterns_know_fractions_zones_and_names(void **state) {
    (void)state;
    int64_t us, base = 1767323045000000;  // 2026-01-02T03:04:05Z
    static const struct {
        const char *pattern, *text;
        int64_t offset_us;
    } cases[] = {
        {"%F %T.%f", "2026-01-02 03:04:05.25", 250000},
        {"%F %T.%f", "2026-01-02 03:04:05.000001", 1},
        {"%F %T%z", "2026-01-02 05:04:05+02:00", 0},
        {"%F %T%z", "2026-01-01 20:04:05-0700", 0},
        {"%F %T%z", "2026-01-02 04:04:05+01", 0},
        {"%F %T%z", "2026-01-02 03:04:05Z", 0},
        {"%d %b %Y %T", "2 jAnUaRy 2026 3:4:5", 0},
        {"%d %B %Y %T", "02 Jan 2026   03:04:05", 0},
        {"%Y-%m-%d %I:%M:%S %p", "2026-01-02 03:04:05 am", 0},
        {"%Y-%m-%d %I:%M:%S%p", "2026-01-02 3:04:05PM", 12 * 3600000000LL},
        {"%Y-%m-%d %I:%M:%S%p", "2026-01-02 12:04:05AM", -3 * 3600000000LL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (parse(cases[i].pattern, cases[i].text, &us) != RWD_PARSE_OK || us != base + cases[i].offset_us) fail_msg("%s", cases[i].text);
    }
    assert_int_equal(parse("%F", "2025-02-29", &us), RWD_PARSE_RANGE);
    assert_int_equal(parse("%F", "2024-02-29", &us), RWD_PARSE_OK);
    assert_int_equal(parse("%Y %j", "2025 366", &us), RWD_PARSE_RANGE);
    assert_int_equal(parse("%Y %j", "2025 000", &us), RWD_PARSE_RANGE);
    assert_int_equal(parse("%F %I %p", "2025-01-01 13 AM", &us), RWD_PARSE_RANGE);
    assert_int_equal(parse("%F", "2025-02-2", &us), RWD_PARSE_OK);
    assert_int_equal(parse("%F", "2025-02-", &us), RWD_PARSE_MALFORMED);
    assert_int_equal(parse("%F", "2025-02-03 ", &us), RWD_PARSE_MALFORMED);
    assert_int_equal(parse("%d %b %Y", "03 Foo 2025", &us), RWD_PARSE_MALFORMED);
    assert_int_equal(parse("%F %T.%f", "2026-01-02 03:04:05.1234567", &us), RWD_PARSE_MALFORMED);
    assert_int_equal(parse("%s", "99999999999999999999", &us), RWD_PARSE_RANGE);
    assert_int_equal(parse("%s", "-", &us), RWD_PARSE_MALFORMED);
}

static void a_format_that_cannot_work_is_refused_with_its_reason(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"epoch-mz", "epoch-ms"}, {"rfc3393", "rfc3339"}, {"%Q-%Y", "%Q"}, {"%Y-%m-%d %", "single %"}, {"%H:%M", "no whole date"},
        {"%Y-%m", "no whole date"}, {"%F %I", "%I and %p"}, {"%F %H %p", "%I and %p"}, {"2026", "not a time format"},
        {"%F 0123456789012345678901234567890123456789012345678901234567890123", "at most 63"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rwd_time_format format;
        rwd_error err;
        assert_false(rwd_time_format_parse(cases[i][0], &format, &err));
        assert_int_equal(err.code, RWD_E_CONFIG);
        if (!strstr(err.cause, cases[i][1])) fail_msg("%s: %s", cases[i][0], err.cause);
    }
}

static void durations_add_their_terms(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {{"0", 0}, {"0s", 0}, {"200ms", 200000000}, {"10s", 10000000000}, {"5m", 300000000000}, {"1h", 3600000000000},
                 {"24h", 86400000000000}, {"7d", 604800000000000}, {"1h30m", 5400000000000}, {"1d2h3m4s5ms6us7ns", 93784005006007},
                 {"007s", 7000000000}, {"9223372036854775807ns", INT64_MAX}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ns;
        assert_true(rwd_duration_parse(cases[i].text, &ns));
        assert_true(ns == cases[i].ns);
    }
    static const char *const bad[] = {"", "10", "s", "-1s", "1.5h", "1 s", "1s ", "1m1h", "1s1s", "1x", "1S", "9223372036854775808ns",
                                      "106752d", "99999999999999999999999s", "106751d24h", "1h30"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ns;
        if (rwd_duration_parse(bad[i], &ns)) fail_msg("%s", bad[i]);
    }
}

static void a_duration_reads_back_from_its_text(void **state) {
    (void)state;
    char text[RWD_TIME_TEXT_MAX];
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {{0, "0"}, {86400000000000, "1d"}, {5400000000000, "90m"}, {200000000, "200ms"}, {86400000000001, "1d1ns"},
                 {-10000000000, "-10s"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rwd_duration_text(cases[i].ns, text);
        assert_string_equal(text, cases[i].text);
    }
    test_random r = test_random_of(6);
    for (int i = 0; i < 100000; i++) {
        static const int64_t scales[] = {1, 1000, 1000000, 1000000000, 60000000000, 3600000000000, 86400000000000};
        int64_t scale = scales[test_random_below(&r, 7)], back;
        int64_t ns = (int64_t)(test_random_wide(&r) >> 1) / scale * scale;
        rwd_duration_text(ns, text);
        assert_true(rwd_duration_parse(text, &back));
        assert_true(back == ns);
    }
    rwd_duration_text(INT64_MIN, text);
    assert_string_equal(text, "-9223372036854775808ns");
}

static void sizes_know_binary_and_decimal_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {{"0", 0}, {"1048576", 1048576}, {"10B", 10}, {"64KiB", 65536}, {"512MiB", 536870912}, {"20GiB", 21474836480},
                 {"1TiB", 1099511627776}, {"100MB", 100000000}, {"1kB", 1000}, {"1KB", 1000}, {"2GB", 2000000000},
                 {"3TB", 3000000000000}, {"18446744073709551615", UINT64_MAX}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes;
        assert_true(rwd_size_parse(cases[i].text, &bytes));
        assert_true(bytes == cases[i].bytes);
    }
    static const char *const bad[] = {"", "MiB", "-1", "1.5GiB", "1 MiB", "1mib", "1MiBs", "18446744073709551616", "16777216TiB", "1Ki"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t bytes;
        if (rwd_size_parse(bad[i], &bytes)) fail_msg("%s", bad[i]);
    }
}

static void sizes_read_well_and_are_within_half_a_tenth(void **state) {
    (void)state;
    char text[RWD_TIME_TEXT_MAX];
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 B"}, {1023, "1023 B"}, {1024, "1 KiB"}, {1536, "1.5 KiB"}, {536870912, "512 MiB"}, {1048575, "1 MiB"},
                 {UINT64_MAX, "16 EiB"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rwd_size_text(cases[i].bytes, text);
        assert_string_equal(text, cases[i].text);
    }
    test_random r = test_random_of(7);
    for (int i = 0; i < 100000; i++) {
        uint64_t bytes = test_random_wide(&r);
        rwd_size_text(bytes, text);
        char unit[8];
        double value;
        assert_int_equal(sscanf(text, "%lf %7s", &value, unit), 2);
        const char *units = "BKMGTPE";
        double scale = 1;
        for (const char *u = units; *u != unit[0]; u++) scale *= 1024;
        double error = value * scale - (double)bytes;
        assert_true(error <= 0.0501 * scale && error >= -0.0501 * scale && value < 1024);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_read_as_gmtime_has_them),
        cmocka_unit_test(a_time_reads_back_from_its_text),
        cmocka_unit_test(rfc3339_agrees_with_timegm_on_every_field_value),
        cmocka_unit_test(rfc3339_refuses_other_shapes),
        cmocka_unit_test(digits_below_microseconds_are_cut_downwards),
        cmocka_unit_test(epoch_numbers_scale_to_microseconds_or_are_out_of_range),
        cmocka_unit_test(patterns_agree_with_strftime_and_strptime),
        cmocka_unit_test(patterns_know_fractions_zones_and_names),
        cmocka_unit_test(a_format_that_cannot_work_is_refused_with_its_reason),
        cmocka_unit_test(durations_add_their_terms),
        cmocka_unit_test(a_duration_reads_back_from_its_text),
        cmocka_unit_test(sizes_know_binary_and_decimal_units),
        cmocka_unit_test(sizes_read_well_and_are_within_half_a_tenth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
