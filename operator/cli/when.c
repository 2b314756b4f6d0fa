// Times on the command line (when.h).
#include "operator/cli/when.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "operator/base/time.h"

#define US_PER_S INT64_C(1000000)

static bool two_digits(const char *at, int below, int *out) {
    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9') return false;
    *out = (at[0] - '0') * 10 + (at[1] - '0');
    return *out < below;
}

// "HH:MM" or "HH:MM:SS"
static bool time_of_day(const char *text, struct tm *out) {
    size_t size = strlen(text);
    if ((size != 5 && size != 8) || text[2] != ':' || (size == 8 && text[5] != ':')) return false;
    out->tm_sec = 0;
    return two_digits(text, 24, &out->tm_hour) && two_digits(text + 3, 60, &out->tm_min) && (size == 5 || two_digits(text + 6, 60, &out->tm_sec));
}

// Today's, or where that is still to come, yesterday's: by the calendar, so that the hour is right where clocks change.
static bool last_one(const char *text, int64_t now_us, int64_t *out_us) {
    time_t now = (time_t)(now_us / US_PER_S);
    for (int days = 0; days < 2; days++) {
        struct tm local;
        if (!localtime_r(&now, &local) || !time_of_day(text, &local)) return false;
        local.tm_mday -= days;
        local.tm_isdst = -1;
        time_t then = mktime(&local);
        if (then == (time_t)-1 || then > now) continue;
        *out_us = (int64_t)then * US_PER_S;
        return true;
    }
    return false;
}

bool rwd_when_parse(const char *text, int64_t now_us, int64_t *out_us, rwd_error *err) {
    const rwd_time_format rfc3339 = {.kind = RWD_TIME_RFC3339};
    if (rwd_time_parse(&rfc3339, rwd_slice_of(text, strlen(text)), out_us) == RWD_PARSE_OK || last_one(text, now_us, out_us)) return true;
    rwd_fail(err, RWD_E_USAGE, "'%.100s' is no time", text);
    return rwd_error_next(err, "write it as 2026-03-01T12:00:00Z, with an offset as 2026-03-01T13:00:00+01:00, or, of this day or the last, in local time as 12:00");
}
