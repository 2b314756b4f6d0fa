// Times and durations as text.
//
// Event times are int64 microseconds since 1970-01-01T00:00:00Z (proleptic Gregorian, no leap seconds), whatever the source's
// unit.
// Range: years 0001 to 9999. Parsing is our own and reads no locale and no TZ: the same bytes give the same time everywhere.
//
// Thread: any; pure functions.
#ifndef OPERATOR_BASE_TIME_H
#define OPERATOR_BASE_TIME_H

#include "operator/base/decimal.h"
#include "operator/base/zone.h"

#define RWD_TIME_MIN (-62135596800000000LL)  // 0001-01-01T00:00:00Z
#define RWD_TIME_MAX 253402300799999999LL    // 9999-12-31T23:59:59.999999Z
#define RWD_TIME_NONE INT64_MIN
#define RWD_TIME_TEXT_MAX 40

// How a time is written: one row of the table of formats, or a strptime pattern. PROTOBUF is google.protobuf.Timestamp, which is no text.
typedef enum rwd_time_kind {
    RWD_TIME_EPOCH_S, RWD_TIME_EPOCH_MS, RWD_TIME_EPOCH_US, RWD_TIME_EPOCH_NS, RWD_TIME_RFC3339, RWD_TIME_PROTOBUF, RWD_TIME_PATTERN,
} rwd_time_kind;

// What clocks show: so many seconds east of Greenwich, or, where `named` is not NULL, what they do there. Whoever set it owns it.
typedef struct rwd_time_zone {
    int32_t fixed_s;
    rwd_zone *named;
} rwd_time_zone;

typedef struct rwd_time_format {
    rwd_time_kind kind;
    // Of RWD_TIME_PATTERN: %Y %m %d %H %M %S %f (1-6 digits) %z (+hh:mm, +hhmm, +hh, Z) %y %j %b %B (English) %e %I %p %T %D %F
    // %R %s %n %t %%. White space stands for any amount of it; a number may have fewer digits than its most.
    char pattern[64];
    rwd_time_zone zone;  // of a pattern that does not read one
} rwd_time_format;

// "epoch-ms", "rfc3339", or a pattern that holds a '%'. An unknown name or conversion is named in `err`.
RWD_MUST bool rwd_time_format_parse(const char *text, rwd_time_format *out, rwd_error *err);

// "+05:30", "-08:00", "Z" as seconds east of Greenwich, at most 23:59.
RWD_MUST bool rwd_zone_parse(const char *text, int32_t *out_s);
void rwd_zone_text(int32_t seconds, char out[RWD_TIME_TEXT_MAX]);  // "+05:30"
// A pattern whose texts do not say their zone: neither %z nor %s.
bool rwd_time_lacks_zone(const rwd_time_format *format);

// Its word in job files, or its pattern.
const char *rwd_time_format_text(const rwd_time_format *format);
// A whole number of seconds, or of parts of one?
static inline bool rwd_time_is_epoch(const rwd_time_format *format) { return format->kind <= RWD_TIME_EPOCH_NS; }

// Text to microseconds. Nanoseconds are cut towards minus infinity. A pattern without %z has the zone that is set; without a date it is refused at
// set-up. A part outside of its range (month 13, 30 February) is RWD_PARSE_RANGE; second 60 is the beginning of the next minute.
RWD_MUST rwd_parse rwd_time_parse(const rwd_time_format *format, rwd_slice text, int64_t *out_us);
// The same for a whole number (epoch-*): used where the source has a number, not a text.
RWD_MUST rwd_parse rwd_time_from_number(const rwd_time_format *format, int64_t number, int64_t *out_us);

// The same for google.protobuf.Timestamp: nanoseconds are 0 to 999999999, also before 1970. OUT_OF_RANGE else.
RWD_MUST rwd_parse rwd_time_from_parts(int64_t seconds, int64_t nanos, int64_t *out_us);

// "2026-01-02T03:04:05Z", with as many fraction digits (0, 3 or 6) as needed. Returns the length.
size_t rwd_time_text(int64_t us, char out[RWD_TIME_TEXT_MAX]);
// The same with three fraction digits, always (log lines).
size_t rwd_time_text_ms(int64_t us, char out[RWD_TIME_TEXT_MAX]);

// "200ms", "10s", "5m", "1h", "24h", "7d", "1h30m", "0"; result in nanoseconds. The way back is exact: one term ("90m") or all
// ("1d1ns"), whichever is shorter.
RWD_MUST bool rwd_duration_parse(const char *text, int64_t *out_ns);
void rwd_duration_text(int64_t ns, char out[RWD_TIME_TEXT_MAX]);

// "512MiB", "20GiB", "64KiB", "100MB", "1048576"; and back ("512 MiB" for people, one decimal).
RWD_MUST bool rwd_size_parse(const char *text, uint64_t *out_bytes);
void rwd_size_text(uint64_t bytes, char out[RWD_TIME_TEXT_MAX]);

#endif
