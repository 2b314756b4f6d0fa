// Days since 1970-01-01 and dates of the proleptic Gregorian calendar.
//
// By the algorithms of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (days_from_civil, civil_from_days): a year begins in March, so that the leap
// day is its last.
//
// Thread: any; pure functions.
#ifndef OPERATOR_BASE_DAYS_H
#define OPERATOR_BASE_DAYS_H

#include <stdbool.h>
#include <stdint.h>

#define RWD_DAYS_PER_ERA 146097LL  // 400 years

// The day of a date, and the date of a day. `month` is 1 to 12.
static inline int64_t rwd_days_from_civil(int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * RWD_DAYS_PER_ERA + day_of_era - 719468;
}
static inline void rwd_civil_from_days(int64_t days, int64_t *out_year, unsigned *out_month, unsigned *out_day) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - (RWD_DAYS_PER_ERA - 1)) / RWD_DAYS_PER_ERA;
    int64_t day_of_era = days - era * RWD_DAYS_PER_ERA;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    *out_day = (unsigned)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    *out_month = (unsigned)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    *out_year = year_of_era + era * 400 + (*out_month <= 2);
}

// Has the year a 29 February; how many days has the month?
static inline bool rwd_year_is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }
static inline unsigned rwd_days_in_month(int64_t year, unsigned month) {
    static const uint8_t days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && rwd_year_is_leap(year) ? 29 : days[month];
}

#endif
