// Windows of days on the clocks of a zone (window.h).
#include "state/window.h"

#define US 1000000

// Local times are microseconds since 1970-01-01T00:00:00 on the clocks there.
static int64_t floor_seconds(int64_t us) { return us / US - (us % US < 0); }
static int64_t to_local(const rwd_window *w, int64_t utc) { return utc + (int64_t)rwd_zone_at(w->zone, floor_seconds(utc)) * US; }
static int64_t to_utc(const rwd_window *w, int64_t local) { return local - (int64_t)rwd_zone_at_local(w->zone, floor_seconds(local)) * US; }

// Where clocks go back over a start, the local time alone does not tell on which side of it a moment is: so the windows beside are asked, too.
int64_t rwd_window_zone_start(const rwd_window *w, int64_t time) {
    int64_t local = rwd_window_multiple(w, to_local(w, time));
    while (to_utc(w, local) > time) local -= w->size;
    while (to_utc(w, local + w->size) <= time) local += w->size;
    return to_utc(w, local);
}

// A start that clocks skip comes out later on them than it is: its multiple is the nearest.
int64_t rwd_window_zone_end(const rwd_window *w, int64_t start) {
    int64_t local = rwd_window_multiple(w, to_local(w, start) + w->size / 2);
    while (to_utc(w, local) > start) local -= w->size;
    while (to_utc(w, local + w->size) <= start) local += w->size;
    return to_utc(w, local + w->size);
}
