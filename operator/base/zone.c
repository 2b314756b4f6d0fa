// Time zones by name (zone.h).
//
// What must stay true: changes rise strictly, and each changes the distance.
//
// A local time is looked up as CPython's zoneinfo does (Lib/zoneinfo/_zoneinfo.py, fold 0): a change counts from the local time at which the larger of the two
// distances, before and after it, has reached it.
#include "operator/base/zone.h"

#include <stdio.h>
#include <stdlib.h>

#include "operator/base/days.h"
#include "operator/base/fs.h"
#include "operator/base/time.h"

#define HEADER_BYTES 44u
#define TYPE_BYTES 6u
#define TYPES_MAX 256u
#define YEAR_FIRST 1
#define YEAR_LAST 9999
#define OFFSET_LEAST (-25 * 3600 + 1)  // RFC 8536, 3.2
#define OFFSET_MOST (26 * 3600 - 1)
#define RULE_HOURS_MAX 167
#define S_PER_DAY 86400LL

typedef struct change {
    int64_t utc_s;
    int32_t offset_s;  // from then on
} change;

struct rwd_zone {
    char name[RWD_ZONE_NAME_MAX + 1];
    int32_t first_s;   // before the first change
    change *changes;
    size_t count, capacity;
    rwd_hash128 hash;
};

// ---- the list of changes

static int32_t last_offset(const rwd_zone *zone) { return zone->count ? zone->changes[zone->count - 1].offset_s : zone->first_s; }

// Precondition: not before the last one. One at the same moment takes its place.
static void push(rwd_zone *zone, int64_t utc_s, int32_t offset_s) {
    if (zone->count && zone->changes[zone->count - 1].utc_s == utc_s) zone->count--;
    if (last_offset(zone) == offset_s) return;
    if (zone->count == zone->capacity) {
        zone->capacity = zone->capacity ? zone->capacity * 2 : 256;
        zone->changes = rwd_realloc(zone->changes, zone->capacity * sizeof *zone->changes);
    }
    zone->changes[zone->count++] = (change){utc_s, offset_s};
}

// ---- the rule in the last line: std offset dst [offset],start[/time],end[/time]

typedef struct day_rule {
    char kind;  // 'J': 1 to 365, 29 February never counts; 'N': 0 to 365; 'M': day of the week `day` of week `week` (5: the last) of month `month`
    int month, week, day;
    int32_t second;  // of that day, in what clocks show then
} day_rule;

typedef struct rule {
    int32_t standard_s, summer_s;
    bool changes;    // there is summer time
    day_rule start, end;
} rule;

typedef struct cursor {
    const char *p, *end;
} cursor;

static bool take(cursor *c, char wanted) {
    if (c->p == c->end || *c->p != wanted) return false;
    c->p++;
    return true;
}

static bool take_number(cursor *c, int most, int *out) {
    const char *from = c->p;
    int value = 0;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && c->p - from < 4) value = value * 10 + (*c->p++ - '0');
    *out = value;
    return c->p > from && value <= most;
}

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

static bool take_name(cursor *c) {
    const char *from = c->p;
    if (take(c, '<')) {
        while (c->p < c->end && *c->p != '>') c->p++;
        return take(c, '>');
    }
    while (c->p < c->end && is_letter(*c->p)) c->p++;
    return c->p - from >= 3;
}

// [+-]hh[:mm[:ss]]
static bool take_seconds(cursor *c, int hours_most, int32_t *out) {
    bool minus = take(c, '-');
    if (!minus) (void)take(c, '+');
    int hours, minutes = 0, seconds = 0;
    if (!take_number(c, hours_most, &hours)) return false;
    if (take(c, ':') && (!take_number(c, 59, &minutes) || (take(c, ':') && !take_number(c, 59, &seconds)))) return false;
    *out = (minus ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool take_day(cursor *c, day_rule *out) {
    *out = (day_rule){.second = 2 * 3600};
    if (take(c, 'M')) {
        out->kind = 'M';
        bool worked = take_number(c, 12, &out->month) && take(c, '.') && take_number(c, 5, &out->week) && take(c, '.') && take_number(c, 6, &out->day);
        if (!worked || out->month < 1 || out->week < 1) return false;
    } else {
        out->kind = take(c, 'J') ? 'J' : 'N';
        if (!take_number(c, 365, &out->day) || (out->kind == 'J' && out->day < 1)) return false;
    }
    return !take(c, '/') || take_seconds(c, RULE_HOURS_MAX, &out->second);
}

static bool parse_rule(rwd_slice text, rule *out) {
    cursor c = {(const char *)text.data, (const char *)text.data + text.size};
    int32_t west;
    *out = (rule){0};
    if (!take_name(&c) || !take_seconds(&c, 24, &west)) return false;
    out->standard_s = out->summer_s = -west;
    if (c.p == c.end) return true;
    if (!take_name(&c)) return false;
    out->summer_s = out->standard_s + 3600;
    if (c.p < c.end && *c.p != ',') {
        if (!take_seconds(&c, 24, &west)) return false;
        out->summer_s = -west;
    }
    out->changes = true;
    return take(&c, ',') && take_day(&c, &out->start) && take(&c, ',') && take_day(&c, &out->end) && c.p == c.end;
}

// Seconds since 1970 on the clocks before the change.
static int64_t local_of(const day_rule *day, int64_t year) {
    int64_t first = rwd_days_from_civil(year, 1, 1), days;
    if (day->kind == 'J') {
        days = first + day->day - 1 + (rwd_year_is_leap(year) && day->day > 59);
    } else if (day->kind == 'N') {
        days = first + day->day;
    } else {
        int64_t month = rwd_days_from_civil(year, (unsigned)day->month, 1);
        int64_t weekday = ((month + 4) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
        days = month + ((day->day - weekday) % 7 + 7) % 7 + 7 * (day->week - 1);
        if (days - month >= (int64_t)rwd_days_in_month(year, (unsigned)day->month)) days -= 7;
    }
    return days * S_PER_DAY + day->second;
}

static void push_behind(rwd_zone *zone, bool any, int64_t behind, int64_t utc_s, int32_t offset_s) {
    if (any && utc_s <= behind) return;
    if (zone->count && utc_s < zone->changes[zone->count - 1].utc_s) return;
    push(zone, utc_s, offset_s);
}

// The years behind `behind` (`any`: there is something before them).
static void apply_rule(rwd_zone *zone, const rule *r, bool any, int64_t behind) {
    if (!r->changes) {
        if (!any) zone->first_s = r->standard_s;
        else if (last_offset(zone) != r->standard_s) push(zone, behind + 1, r->standard_s);
        return;
    }
    for (int64_t year = YEAR_FIRST; year <= YEAR_LAST; year++) {
        if (any && (rwd_days_from_civil(year + 1, 1, 1) + 8) * S_PER_DAY < behind) continue;
        int64_t start = local_of(&r->start, year) - r->standard_s, end = local_of(&r->end, year) - r->summer_s;
        if (start <= end) push_behind(zone, any, behind, start, r->summer_s);
        push_behind(zone, any, behind, end, r->standard_s);
        if (start > end) push_behind(zone, any, behind, start, r->summer_s);
    }
}

// ---- TZif

typedef struct block {
    uint32_t utc_marks, standard_marks, leaps, times, types, characters;
} block;

static bool read_header(rwd_slice bytes, size_t at, block *out) {
    if (bytes.size - at < HEADER_BYTES || memcmp(bytes.data + at, "TZif", 4) != 0) return false;
    const uint8_t *counts = bytes.data + at + 20;
    *out = (block){rwd_get_be32(counts), rwd_get_be32(counts + 4), rwd_get_be32(counts + 8), rwd_get_be32(counts + 12), rwd_get_be32(counts + 16), rwd_get_be32(counts + 20)};
    // Each is a count of things of a byte at least, so that the sums below cannot overflow.
    return out->utc_marks <= RWD_ZONE_BYTES_MAX && out->standard_marks <= RWD_ZONE_BYTES_MAX && out->leaps <= RWD_ZONE_BYTES_MAX && out->times <= RWD_ZONE_BYTES_MAX &&
           out->types >= 1 && out->types <= TYPES_MAX && out->characters <= RWD_ZONE_BYTES_MAX;
}

static size_t block_bytes(const block *b, size_t time_bytes) {
    return b->times * (time_bytes + 1) + b->types * (size_t)TYPE_BYTES + b->characters + b->leaps * (time_bytes + 4) + b->standard_marks + b->utc_marks;
}

static bool offset_of_type(const uint8_t *types, uint32_t index, int32_t *out) {
    *out = (int32_t)rwd_get_be32(types + (size_t)index * TYPE_BYTES);
    return *out >= OFFSET_LEAST && *out <= OFFSET_MOST;
}

// The changes that the file lists. Those before the year 1 only say how it begins.
static bool read_changes(rwd_zone *zone, const uint8_t *at, const block *b, int64_t *out_last) {
    const uint8_t *indexes = at + b->times * 8, *types = indexes + b->times;
    int64_t before = INT64_MIN;
    if (!offset_of_type(types, 0, &zone->first_s)) return false;
    for (uint32_t i = 0; i < b->times; i++) {
        int64_t utc_s = (int64_t)rwd_get_be64(at + i * 8);
        int32_t offset_s;
        if (indexes[i] >= b->types || !offset_of_type(types, indexes[i], &offset_s) || (i > 0 && utc_s <= before)) return false;
        before = utc_s;
        if (utc_s < RWD_TIME_MIN / 1000000 - 2 * S_PER_DAY) zone->first_s = offset_s;
        else if (utc_s <= RWD_TIME_MAX / 1000000 + 2 * S_PER_DAY) push(zone, utc_s, offset_s);
    }
    *out_last = before;
    return true;
}

static const char *read_tzif(rwd_zone *zone, rwd_slice bytes) {
    static const char broken[] = "is not as RFC 8536 says";
    block old, b;
    if (bytes.size > RWD_ZONE_BYTES_MAX || !read_header(bytes, 0, &old)) return broken;
    if (bytes.data[4] < '2') return "has no 64-bit times";
    size_t at = HEADER_BYTES + block_bytes(&old, 4);
    if (at > bytes.size || !read_header(bytes, at, &b)) return broken;
    at += HEADER_BYTES;
    size_t size = block_bytes(&b, 8);
    if (size > bytes.size - at) return broken;
    if (b.leaps > 0) return "counts leap seconds, which event times do not";
    int64_t last;
    if (!read_changes(zone, bytes.data + at, &b, &last)) return broken;
    rwd_slice rest = rwd_slice_of(bytes.data + at + size, bytes.size - at - size);
    if (rest.size < 2 || rest.data[0] != '\n') return broken;
    const uint8_t *end = memchr(rest.data + 1, '\n', rest.size - 1);
    rwd_slice line = rwd_slice_of(rest.data + 1, end ? (size_t)(end - rest.data - 1) : 0);
    rule r;
    if (!end || (line.size > 0 && !parse_rule(line, &r))) return broken;
    if (line.size > 0) apply_rule(zone, &r, b.times > 0, last);
    return NULL;
}

// ---- opening

static void make_hash(rwd_zone *zone) {
    rwd_buf bytes = {0};
    uint8_t entry[12];
    rwd_put_be32(entry, (uint32_t)zone->first_s);
    rwd_buf_append(&bytes, entry, 4);
    for (size_t i = 0; i < zone->count; i++) {
        rwd_put_be64(entry, (uint64_t)zone->changes[i].utc_s);
        rwd_put_be32(entry + 8, (uint32_t)zone->changes[i].offset_s);
        rwd_buf_append(&bytes, entry, sizeof entry);
    }
    zone->hash = rwd_hash128_of(bytes.data, bytes.size, 0);
    rwd_buf_deinit(&bytes);
}

bool rwd_zone_read(const char *name, rwd_slice bytes, rwd_zone **out, rwd_error *err) {
    rwd_zone *zone = rwd_calloc(1, sizeof *zone);
    (void)snprintf(zone->name, sizeof zone->name, "%s", name);
    const char *why = read_tzif(zone, bytes);
    if (why) {
        rwd_zone_free(zone);
        return rwd_fail(err, RWD_E_CONFIG, "the data of the time zone '%s' %s", name, why);
    }
    make_hash(zone);
    *out = zone;
    return true;
}

// Letters, digits, '_', '+', '-' and single '/' between them: never a way out of the folder.
static bool is_zone_name(const char *name) {
    size_t size = strlen(name);
    if (size == 0 || size > RWD_ZONE_NAME_MAX) return false;
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool word = is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-';
        bool slash = c == '/' && i > 0 && i + 1 < size && name[i - 1] != '/';
        if (!word && !slash) return false;
    }
    return true;
}

bool rwd_zone_open(const char *name, rwd_zone **out, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_buf bytes = {0};
    rwd_error why;
    if (!is_zone_name(name))
        return rwd_fail(err, RWD_E_CONFIG, "'%.80s' is no time zone; it is a name of the IANA database, such as Europe/Berlin, or a distance from UTC, such as +02:00", name);
    (void)snprintf(path, sizeof path, RWD_ZONE_FOLDER "/%s", name);
    bool worked = rwd_read_file(path, RWD_ZONE_BYTES_MAX, &bytes, &why);
    if (worked) worked = rwd_zone_read(name, rwd_buf_slice(&bytes), out, err);
    else rwd_fail(err, RWD_E_CONFIG, "there is no time zone '%s' in %s; names are as in Europe/Berlin, and the package tzdata has them", name, RWD_ZONE_FOLDER);
    rwd_buf_deinit(&bytes);
    return worked;
}

void rwd_zone_free(rwd_zone *zone) {
    if (!zone) return;
    free(zone->changes);
    free(zone);
}

const char *rwd_zone_name(const rwd_zone *zone) { return zone->name; }
rwd_hash128 rwd_zone_hash(const rwd_zone *zone) { return zone->hash; }

// ---- looking up

static int32_t offset_before(const rwd_zone *zone, size_t index) { return index > 0 ? zone->changes[index - 1].offset_s : zone->first_s; }

int32_t rwd_zone_at(const rwd_zone *zone, int64_t utc_s) {
    size_t low = 0, high = zone->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->changes[middle].utc_s <= utc_s) low = middle + 1;
        else high = middle;
    }
    return offset_before(zone, low);
}

int32_t rwd_zone_at_local(const rwd_zone *zone, int64_t local_s) {
    size_t low = 0, high = zone->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int32_t before = offset_before(zone, middle), after = zone->changes[middle].offset_s;
        if (zone->changes[middle].utc_s + (before > after ? before : after) <= local_s) low = middle + 1;
        else high = middle;
    }
    return offset_before(zone, low);
}
