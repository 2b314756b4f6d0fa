// Windows of event time: which ones an event belongs to, when they close, when they leave the state.
//
// A window is [start, end). Tumbling windows follow each other without gaps; hopping ones begin every `advance` and overlap: both have one size, and starts are
// the times offset + k * advance, k any whole number, in UTC; or, of windows of whole days, on the clocks of a zone: there a day has 23 or 25 hours where they
// change. A window closes when stream time reaches end + grace (late events are those that come after that), and leaves the state when it reaches end + retain
// (S4). Nothing but stream time decides either.
//
// The start is the last part of the table's key, so a window's row is a row like any other.
//
// A session is as long as its events make it: each of them is [time, time + gap), and what overlaps is one session (Akidau et al., "The Dataflow Model", VLDB
// 2015, section 2.2). So it begins with its first event and ends a gap after its last; its end stands in its row (state/row.h), and its open ones are listed by
// key (state/sessions.h).
//
// Thread: pure; any.
#ifndef STATE_WINDOW_H
#define STATE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "operator/base/zone.h"

#define RWD_WINDOW_START "window_start"
#define RWD_WINDOW_END "window_end"
// Windows that one event can belong to: size / advance.
#define RWD_WINDOWS_PER_EVENT_MAX 256
// Gaps that the grace of sessions may be long.
#define RWD_SESSION_GRACE_MAX 2000

typedef enum rwd_window_kind { RWD_WINDOW_NONE, RWD_WINDOW_TUMBLING, RWD_WINDOW_HOPPING, RWD_WINDOW_SESSION } rwd_window_kind;

// Microseconds all.
typedef struct rwd_window {
    rwd_window_kind kind;
    int64_t size;      // of sessions the gap that ends one
    int64_t advance;   // size, of tumbling ones and sessions
    int64_t grace;
    int64_t retain;    // >= grace
    int64_t offset;
    const rwd_zone *zone;  // of tumbling windows of whole days; *borrowed*. NULL: UTC
} rwd_window;

// What stands at a multiple of `advance`, at or before `time`.
static inline int64_t rwd_window_multiple(const rwd_window *w, int64_t time) {
    int64_t since = time - w->offset, behind = since % w->advance;
    if (behind < 0) behind += w->advance;
    return time - behind;
}
// window.c: the same two where there is a zone.
int64_t rwd_window_zone_start(const rwd_window *w, int64_t time);
int64_t rwd_window_zone_end(const rwd_window *w, int64_t start);

// The latest start at or before `time`. Times are those of the years 1 to 9999, so nothing here overflows.
static inline int64_t rwd_window_last_start(const rwd_window *w, int64_t time) { return w->zone ? rwd_window_zone_start(w, time) : rwd_window_multiple(w, time); }
// Of a session with a single event; the end of any other window.
static inline int64_t rwd_window_end(const rwd_window *w, int64_t start) { return w->zone ? rwd_window_zone_end(w, start) : start + w->size; }
// The most that a window can be longer than its size says.
static inline int64_t rwd_window_slack(const rwd_window *w) { return w->zone ? INT64_C(2) * 86400000000 : 0; }
// Has a window of one start the same end in both (sessions: an end in its row)? And is all the rest the same, too?
static inline bool rwd_window_same_ends(const rwd_window *a, const rwd_window *b) {
    bool same_zone = a->zone && b->zone ? rwd_hash128_equal(rwd_zone_hash(a->zone), rwd_zone_hash(b->zone)) : !a->zone && !b->zone;
    return a->kind == b->kind && a->size == b->size && same_zone;
}
static inline bool rwd_window_same(const rwd_window *a, const rwd_window *b) {
    return rwd_window_same_ends(a, b) && a->advance == b->advance && a->grace == b->grace && a->retain == b->retain && a->offset == b->offset;
}
// When a window of that end closes and leaves; is it closed at that stream time?
static inline int64_t rwd_window_closes(const rwd_window *w, int64_t end) { return end + w->grace; }
static inline int64_t rwd_window_leaves(const rwd_window *w, int64_t end) { return end + w->retain; }
static inline bool rwd_window_is_closed(const rwd_window *w, int64_t end, int64_t stream_time) { return rwd_window_closes(w, end) <= stream_time; }
// Windows that hold one moment, at most.
static inline int64_t rwd_window_overlap(const rwd_window *w) { return (w->size + w->advance - 1) / w->advance; }
// Graces that a gap allows: they bound how many sessions of a key are open at a time.
static inline bool rwd_window_grace_fits(const rwd_window *w) { return w->kind != RWD_WINDOW_SESSION || w->grace / w->size < RWD_SESSION_GRACE_MAX; }

#endif
