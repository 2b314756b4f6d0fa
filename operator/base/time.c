// Times and durations as text. Parsing reads no locale and no TZ: the same bytes give the same time everywhere.
#include "operator/base/time.h"

#include "operator/base/days.h"
#include "operator/base/words.h"

#define US_PER_S 1000000LL
#define S_PER_DAY 86400LL
#define YEAR_MIN 1
#define YEAR_MAX 9999

// ---- a moment as its parts

typedef struct moment {
    int64_t year;
    unsigned month, day, hour, minute, second, microsecond;
    unsigned day_of_year;  // in place of month and day, if not 0
    int64_t offset_s;      // east of Greenwich
} moment;

// Every part in its range? A second of 60 (a leap second) is the beginning of the next minute, as in POSIX.
static rwd_parse to_us(const moment *m, const rwd_zone *zone, int64_t *out_us) {
    if (m->year < YEAR_MIN || m->year > YEAR_MAX || m->hour > 23 || m->minute > 59 || m->second > 60) return RWD_PARSE_RANGE;
    int64_t days;
    if (m->day_of_year) {
        if (m->day_of_year > 365u + rwd_year_is_leap(m->year)) return RWD_PARSE_RANGE;
        days = rwd_days_from_civil(m->year, 1, 1) + m->day_of_year - 1;
    } else {
        if (m->month < 1 || m->month > 12 || m->day < 1 || m->day > rwd_days_in_month(m->year, m->month)) return RWD_PARSE_RANGE;
        days = rwd_days_from_civil(m->year, m->month, m->day);
    }
    int64_t local = days * S_PER_DAY + m->hour * 3600 + m->minute * 60 + m->second;
    int64_t seconds = local - (zone ? rwd_zone_at_local(zone, local) : m->offset_s);
    int64_t us = seconds * US_PER_S + m->microsecond;
    if (us < RWD_TIME_MIN || us > RWD_TIME_MAX) return RWD_PARSE_RANGE;
    *out_us = us;
    return RWD_PARSE_OK;
}

// ---- a cursor over the text; each step returns false where the text is not what it has to be

typedef struct cursor {
    const uint8_t *p;
    const uint8_t *end;
} cursor;

static bool is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }
static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool take_char(cursor *c, char wanted) {
    if (c->p == c->end || *c->p != (uint8_t)wanted) return false;
    c->p++;
    return true;
}

// Between `least` and `most` digits.
static bool take_digits(cursor *c, unsigned least, unsigned most, unsigned *out) {
    unsigned value = 0, count = 0;
    for (; count < most && c->p < c->end && is_digit(*c->p); count++) value = value * 10 + (unsigned)(*c->p++ - '0');
    *out = value;
    return count >= least;
}

static bool take_year(cursor *c, unsigned least, int64_t *out) {
    unsigned year;
    bool worked = take_digits(c, least, 4, &year);
    *out = year;
    return worked;
}

// The digits of a fraction of a second; those beyond microseconds are cut.
static bool take_fraction(cursor *c, unsigned most, unsigned *out_us) {
    unsigned us = 0, count = 0;
    for (; count < most && c->p < c->end && is_digit(*c->p); count++, c->p++)
        if (count < 6) us = us * 10 + (unsigned)(*c->p - '0');
    for (unsigned i = count; i < 6; i++) us *= 10;
    *out_us = us;
    return count > 0;
}

// "Z", "+02:00", "+0200" or "+02" (the last two only if `loose`). Hours and minutes out of range are for the caller: it sees
// them in `*out_good`.
static bool take_offset(cursor *c, bool loose, int64_t *out_s, bool *out_good) {
    *out_good = true;
    *out_s = 0;
    if (take_char(c, 'Z') || take_char(c, 'z')) return true;
    bool west = c->p < c->end && *c->p == '-';
    if (!west && (c->p == c->end || *c->p != '+')) return false;
    c->p++;
    unsigned hours, minutes = 0;
    if (!take_digits(c, 2, 2, &hours)) return false;
    bool colon = take_char(c, ':');
    if (!colon && !loose) return false;
    bool more = colon || (c->p < c->end && is_digit(*c->p));
    if (more && !take_digits(c, 2, 2, &minutes)) return false;
    *out_good = hours <= 23 && minutes <= 59;
    *out_s = (west ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
    return true;
}

// ---- RFC 3339

static rwd_parse parse_rfc3339(rwd_slice text, int64_t *out_us) {
    cursor c = {text.data, text.data + text.size};
    moment m = {0};
    bool shape = take_year(&c, 4, &m.year) && take_char(&c, '-') && take_digits(&c, 2, 2, &m.month) && take_char(&c, '-') &&
                 take_digits(&c, 2, 2, &m.day) && (take_char(&c, 'T') || take_char(&c, 't') || take_char(&c, ' ')) &&
                 take_digits(&c, 2, 2, &m.hour) && take_char(&c, ':') && take_digits(&c, 2, 2, &m.minute) &&
                 take_char(&c, ':') && take_digits(&c, 2, 2, &m.second);
    if (!shape) return RWD_PARSE_MALFORMED;
    if (take_char(&c, '.') && !take_fraction(&c, UINT32_MAX, &m.microsecond)) return RWD_PARSE_MALFORMED;
    bool good;
    if (!take_offset(&c, false, &m.offset_s, &good) || c.p != c.end) return RWD_PARSE_MALFORMED;
    return good ? to_us(&m, NULL, out_us) : RWD_PARSE_RANGE;
}

// ---- strptime patterns

static const char *const month_names[12] = {
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december",
};

// The English name of a month, in full or its first three letters, in any case.
static bool take_month_name(cursor *c, unsigned *out) {
    for (unsigned i = 0; i < 12; i++) {
        size_t full = strlen(month_names[i]), same = 0;
        while (same < full && c->p + same < c->end && (c->p[same] | 0x20) == (uint8_t)month_names[i][same]) same++;
        if (same < 3) continue;
        c->p += same == full ? full : 3;
        *out = i + 1;
        return true;
    }
    return false;
}

// "AM" or "PM", in any case.
static bool take_half(cursor *c, bool *out_pm) {
    if (c->end - c->p < 2 || (c->p[1] | 0x20) != 'm') return false;
    uint8_t letter = c->p[0] | 0x20;
    if (letter != 'a' && letter != 'p') return false;
    *out_pm = letter == 'p';
    c->p += 2;
    return true;
}

static void skip_spaces(cursor *c) {
    while (c->p < c->end && is_space(*c->p)) c->p++;
}

// What a walk along a pattern has found so far.
typedef struct found {
    moment m;
    int64_t epoch_s;
    unsigned twelve;  // of %I
    bool has_epoch, has_twelve, pm, good;
} found;

static bool take_epoch(cursor *c, found *f) {
    const uint8_t *from = c->p;
    if (c->p < c->end && *c->p == '-') c->p++;
    while (c->p < c->end && is_digit(*c->p)) c->p++;
    rwd_parse parsed = rwd_int_parse(rwd_slice_of(from, (size_t)(c->p - from)), &f->epoch_s);
    f->has_epoch = true;
    if (parsed == RWD_PARSE_RANGE) f->good = false;
    return parsed != RWD_PARSE_MALFORMED;
}

static bool take_two_digit_year(cursor *c, found *f) {
    unsigned year;
    if (!take_digits(c, 2, 2, &year)) return false;
    f->m.year = year + (year < 69 ? 2000 : 1900);  // as POSIX has it
    return true;
}

static bool take_day_of_year(cursor *c, found *f) {
    if (!take_digits(c, 1, 3, &f->m.day_of_year)) return false;
    if (f->m.day_of_year == 0) f->good = false;
    return true;
}

static bool take_zone(cursor *c, found *f) {
    bool good;
    if (!take_offset(c, true, &f->m.offset_s, &good)) return false;
    f->good = f->good && good;
    return true;
}

static bool take_twelve(cursor *c, found *f) {
    if (!take_digits(c, 1, 2, &f->twelve)) return false;
    f->has_twelve = true;
    if (f->twelve < 1 || f->twelve > 12) f->good = false;
    return true;
}

static bool take_pattern(cursor *c, const char *pattern, found *f);

static bool take_conversion(cursor *c, char conversion, found *f) {
    switch (conversion) {
    case 'Y': return take_year(c, 1, &f->m.year);
    case 'y': return take_two_digit_year(c, f);
    case 'm': return take_digits(c, 1, 2, &f->m.month);
    case 'b':
    case 'B': return take_month_name(c, &f->m.month);
    case 'e': skip_spaces(c); return take_digits(c, 1, 2, &f->m.day);
    case 'd': return take_digits(c, 1, 2, &f->m.day);
    case 'j': return take_day_of_year(c, f);
    case 'H': return take_digits(c, 1, 2, &f->m.hour);
    case 'I': return take_twelve(c, f);
    case 'p': return take_half(c, &f->pm);
    case 'M': return take_digits(c, 1, 2, &f->m.minute);
    case 'S': return take_digits(c, 1, 2, &f->m.second);
    case 'f': return take_fraction(c, 6, &f->m.microsecond);
    case 'z': return take_zone(c, f);
    case 's': return take_epoch(c, f);
    case 'T': return take_pattern(c, "%H:%M:%S", f);
    case 'R': return take_pattern(c, "%H:%M", f);
    case 'D': return take_pattern(c, "%m/%d/%y", f);
    case 'F': return take_pattern(c, "%Y-%m-%d", f);
    case 'n':
    case 't': skip_spaces(c); return true;
    default: return take_char(c, conversion);  // %%: others were refused at set-up
    }
}

// White space in a pattern stands for any amount of it, none too.
static bool take_pattern(cursor *c, const char *pattern, found *f) {
    for (const char *p = pattern; *p; p++) {
        if (is_space((uint8_t)*p)) {
            skip_spaces(c);
        } else if (*p != '%') {
            if (!take_char(c, *p)) return false;
        } else if (!take_conversion(c, *++p, f)) {
            return false;
        }
    }
    return true;
}

static rwd_parse parse_pattern(const rwd_time_format *format, rwd_slice text, int64_t *out_us) {
    cursor c = {text.data, text.data + text.size};
    found f = {.good = true, .m.offset_s = format->zone.fixed_s};
    if (!take_pattern(&c, format->pattern, &f) || c.p != c.end) return RWD_PARSE_MALFORMED;
    if (!f.good) return RWD_PARSE_RANGE;
    if (f.has_epoch) {
        if (f.epoch_s < RWD_TIME_MIN / US_PER_S || f.epoch_s > RWD_TIME_MAX / US_PER_S) return RWD_PARSE_RANGE;
        *out_us = f.epoch_s * US_PER_S + f.m.microsecond;
        return RWD_PARSE_OK;
    }
    if (f.has_twelve) f.m.hour = f.twelve % 12 + (f.pm ? 12 : 0);
    return to_us(&f.m, format->zone.named, out_us);
}

// ---- formats by name

static const char *const format_names[] = {
    [RWD_TIME_EPOCH_S] = "epoch-s",   [RWD_TIME_EPOCH_MS] = "epoch-ms", [RWD_TIME_EPOCH_US] = "epoch-us",
    [RWD_TIME_EPOCH_NS] = "epoch-ns", [RWD_TIME_RFC3339] = "rfc3339",   [RWD_TIME_PROTOBUF] = "protobuf-timestamp",
};
#define FORMAT_NAMES (sizeof(format_names) / sizeof(format_names[0]))

// Does the pattern hold one of these conversions? %D, %F, %T and %R count as what they stand for.
static bool pattern_has(const char *pattern, const char *conversions) {
    for (const char *p = pattern; *p; p++)
        if (*p == '%' && strchr(conversions, *++p)) return true;
    return false;
}

static bool pattern_check(const char *pattern, rwd_error *err) {
    for (const char *p = pattern; *p; p++) {
        if (*p != '%') continue;
        p++;
        if (*p == '\0') return rwd_fail(err, RWD_E_CONFIG, "time pattern '%s' ends in a single %%", pattern);
        if (!strchr("YymbBedjHIpMSfzsTRDFnt%", *p))
            return rwd_fail(err, RWD_E_CONFIG, "time pattern '%s' has the unknown conversion %%%c", pattern, *p);
    }
    bool year = pattern_has(pattern, "YyDF"), month = pattern_has(pattern, "mbBDF"), day = pattern_has(pattern, "deDF");
    bool date = pattern_has(pattern, "s") || (year && ((month && day) || pattern_has(pattern, "j")));
    if (!date)
        return rwd_fail(err, RWD_E_CONFIG, "time pattern '%s' has no whole date: it needs %%F, or %%Y %%m %%d, or %%Y %%j, or %%s",
                        pattern);
    if (pattern_has(pattern, "I") != pattern_has(pattern, "p"))
        return rwd_fail(err, RWD_E_CONFIG, "time pattern '%s': %%I and %%p go together", pattern);
    return true;
}

// Words that other systems use for our formats.
static const char *other_format(const char *text) {
    static const struct {
        const char *theirs, *ours;
    } words[] = {
        {"unix", "epoch-s"},          {"epoch", "epoch-s"},        {"seconds", "epoch-s"}, {"millis", "epoch-ms"},    {"milliseconds", "epoch-ms"},
        {"unix-ms", "epoch-ms"},      {"epoch-millis", "epoch-ms"}, {"iso", "rfc3339"},     {"iso8601", "rfc3339"},    {"iso-8601", "rfc3339"},
        {"microseconds", "epoch-us"}, {"nanoseconds", "epoch-ns"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i].theirs) == 0) return words[i].ours;
    return NULL;
}

bool rwd_time_format_parse(const char *text, rwd_time_format *out, rwd_error *err) {
    *out = (rwd_time_format){0};
    for (size_t i = 0; i < FORMAT_NAMES; i++) {
        if (strcmp(text, format_names[i]) != 0) continue;
        out->kind = (rwd_time_kind)i;
        return true;
    }
    if (!strchr(text, '%')) {
        const char *nearest = other_format(text);
        if (!nearest) nearest = rwd_nearest(text, format_names, FORMAT_NAMES);
        return rwd_fail(err, RWD_E_CONFIG,
                        "'%s' is not a time format%s%s%s; known are epoch-s, epoch-ms, epoch-us, epoch-ns, rfc3339, protobuf-timestamp and "
                        "patterns with %%, such as \"%%Y-%%m-%%d %%H:%%M:%%S\"",
                        text, nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
    }
    size_t size = strlen(text);
    if (size >= sizeof(out->pattern))
        return rwd_fail(err, RWD_E_CONFIG, "a time pattern has at most %zu characters, this one has %zu", sizeof(out->pattern) - 1,
                        size);
    if (!pattern_check(text, err)) return false;
    out->kind = RWD_TIME_PATTERN;
    memcpy(out->pattern, text, size + 1);
    return true;
}

bool rwd_zone_parse(const char *text, int32_t *out_s) {
    rwd_slice slice = rwd_slice_str(text);
    cursor c = {slice.data, slice.data + slice.size};
    int64_t seconds;
    bool good;
    if (!take_offset(&c, false, &seconds, &good) || !good || c.p != c.end) return false;
    *out_s = (int32_t)seconds;
    return true;
}

bool rwd_time_lacks_zone(const rwd_time_format *format) { return format->kind == RWD_TIME_PATTERN && !pattern_has(format->pattern, "zs"); }

const char *rwd_time_format_text(const rwd_time_format *format) {
    return format->kind == RWD_TIME_PATTERN ? format->pattern : format_names[format->kind];
}

rwd_parse rwd_time_from_parts(int64_t seconds, int64_t nanos, int64_t *out_us) {
    if (nanos < 0 || nanos > 999999999 || seconds < RWD_TIME_MIN / US_PER_S || seconds > RWD_TIME_MAX / US_PER_S) return RWD_PARSE_RANGE;
    *out_us = seconds * US_PER_S + nanos / 1000;
    return RWD_PARSE_OK;
}

rwd_parse rwd_time_from_number(const rwd_time_format *format, int64_t number, int64_t *out_us) {
    int64_t us;
    bool overflow = false;
    switch (format->kind) {
    case RWD_TIME_EPOCH_S: overflow = __builtin_mul_overflow(number, US_PER_S, &us); break;
    case RWD_TIME_EPOCH_MS: overflow = __builtin_mul_overflow(number, 1000LL, &us); break;
    case RWD_TIME_EPOCH_US: us = number; break;
    case RWD_TIME_EPOCH_NS: us = number / 1000 - (number % 1000 < 0); break;
    default: return RWD_PARSE_MALFORMED;
    }
    if (overflow || us < RWD_TIME_MIN || us > RWD_TIME_MAX) return RWD_PARSE_RANGE;
    *out_us = us;
    return RWD_PARSE_OK;
}

rwd_parse rwd_time_parse(const rwd_time_format *format, rwd_slice text, int64_t *out_us) {
    if (format->kind == RWD_TIME_RFC3339) return parse_rfc3339(text, out_us);
    if (format->kind == RWD_TIME_PATTERN) return parse_pattern(format, text, out_us);
    int64_t number;
    rwd_parse parsed = rwd_int_parse(text, &number);
    return parsed == RWD_PARSE_OK ? rwd_time_from_number(format, number, out_us) : parsed;
}

// ---- numbers to text

// `count` digits of `value`, zeros in front.
static char *put_digits(char *out, uint64_t value, unsigned count) {
    for (unsigned i = count; i-- > 0; value /= 10) out[i] = (char)('0' + value % 10);
    return out + count;
}

static char *put_part(char *out, char before, uint64_t value) {
    *out++ = before;
    return put_digits(out, value, 2);
}

void rwd_zone_text(int32_t seconds, char out[RWD_TIME_TEXT_MAX]) {
    unsigned minutes = (unsigned)(seconds < 0 ? -seconds : seconds) / 60;
    char *end = put_part(out, seconds < 0 ? '-' : '+', minutes / 60);
    *put_part(end, ':', minutes % 60) = '\0';
}

// At least four digits; beyond the range that parses there may be six, and a sign.
static char *put_year(char *out, int64_t year) {
    if (year < 0) *out++ = '-';
    uint64_t value = (uint64_t)(year < 0 ? -year : year);
    return put_digits(out, value, value > YEAR_MAX ? 6 : 4);
}

// "2026-01-02T03:04:05"; gives its end, and the microseconds that are left.
static char *put_seconds(int64_t us, char *out, unsigned *out_us) {
    int64_t seconds = us / US_PER_S, rest = us % US_PER_S;
    if (rest < 0) {
        seconds--;
        rest += US_PER_S;
    }
    *out_us = (unsigned)rest;
    int64_t days = seconds / S_PER_DAY - (seconds % S_PER_DAY < 0);
    unsigned second = (unsigned)(seconds - days * S_PER_DAY);
    int64_t year;
    unsigned month, day;
    rwd_civil_from_days(days, &year, &month, &day);
    out = put_year(out, year);
    out = put_part(out, '-', month);
    out = put_part(out, '-', day);
    out = put_part(out, 'T', second / 3600);
    out = put_part(out, ':', second / 60 % 60);
    return put_part(out, ':', second % 60);
}

// The fraction with so many digits, "Z" and the end.
static size_t put_end(char *start, char *out, unsigned fraction, unsigned digits) {
    if (digits) {
        *out++ = '.';
        out = put_digits(out, fraction, digits);
    }
    memcpy(out, "Z", 2);
    return (size_t)(out + 1 - start);
}

size_t rwd_time_text_ms(int64_t us, char out[RWD_TIME_TEXT_MAX]) {
    unsigned fraction;
    char *at = put_seconds(us, out, &fraction);
    return put_end(out, at, fraction / 1000, 3);
}

size_t rwd_time_text(int64_t us, char out[RWD_TIME_TEXT_MAX]) {
    unsigned fraction;
    char *at = put_seconds(us, out, &fraction);
    if (fraction == 0) return put_end(out, at, 0, 0);
    return fraction % 1000 == 0 ? put_end(out, at, fraction / 1000, 3) : put_end(out, at, fraction, 6);
}
