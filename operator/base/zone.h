// Time zones by name: how far a place's clocks are from UTC, at any time of the years 1 to 9999.
//
// Read from the system's time zone data: compiled files of the IANA database in the TZif format (RFC 8536), their 64-bit part, and the rule in their last line
// (POSIX's TZ, with RFC 8536's hours up to 167) for the years behind it. Everything is read once, into one list of changes; what is not as the format says is
// refused, never overrun.
//
// A local time that clocks skip (in spring) is taken with the distance before the change: it comes out as much later as was skipped. One that they show
// twice (in autumn) is its first. java.time and Python's datetime (fold=0) do the same.
//
// Thread: a zone is immutable once made; any.
#ifndef OPERATOR_BASE_ZONE_H
#define OPERATOR_BASE_ZONE_H

#include "operator/base/hash.h"

#define RWD_ZONE_FOLDER "/usr/share/zoneinfo"
#define RWD_ZONE_NAME_MAX 64
#define RWD_ZONE_BYTES_MAX (256u << 10)

typedef struct rwd_zone rwd_zone;

// "Europe/Berlin". *gives*. CONFIG: there is no such zone, its data is not as the format says, or has leap seconds (zones "right/...").
RWD_MUST bool rwd_zone_open(const char *name, rwd_zone **out, rwd_error *err);
// From the bytes of such a file: untrusted. *gives*. CONFIG: as above.
RWD_MUST bool rwd_zone_read(const char *name, rwd_slice bytes, rwd_zone **out, rwd_error *err);
void rwd_zone_free(rwd_zone *zone);

const char *rwd_zone_name(const rwd_zone *zone);  // *borrowed*
// Of what its clocks show and when, not of the file: two editions of the data that say the same have the same.
rwd_hash128 rwd_zone_hash(const rwd_zone *zone);

// Seconds east of Greenwich at a moment, and at a local time; both in seconds since 1970-01-01T00:00:00, of UTC or on the clocks there.
int32_t rwd_zone_at(const rwd_zone *zone, int64_t utc_s);
int32_t rwd_zone_at_local(const rwd_zone *zone, int64_t local_s);

#endif
