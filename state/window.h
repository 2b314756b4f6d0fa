// Windows of event time: which ones an event belongs to, when they close, when they leave the state.
//
// A window is [start, start + size). Tumbling windows follow each other without gaps; hopping ones begin every `advance` and overlap. Starts are the
// times offset + k * advance, k any whole number, in UTC. A window closes when stream time reaches end + grace (late events are those that come
// after that), and leaves the state when it reaches end + retain (S4). Nothing but stream time decides either.
//
// The start is the last part of the table's key, so a window's row is a row like any other.
//
// Thread: pure; any.
#ifndef STATE_WINDOW_H
#define STATE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define RWD_WINDOW_START "window_start"
#define RWD_WINDOW_END "window_end"
// Windows that one event can belong to: size / advance.
#define RWD_WINDOWS_PER_EVENT_MAX 256

typedef enum rwd_window_kind { RWD_WINDOW_NONE, RWD_WINDOW_TUMBLING, RWD_WINDOW_HOPPING } rwd_window_kind;

// Microseconds all.
typedef struct rwd_window {
    rwd_window_kind kind;
    int64_t size;
    int64_t advance;   // size, of tumbling ones
    int64_t grace;
    int64_t retain;    // >= grace
    int64_t offset;
} rwd_window;

// The latest start at or before `time`. Times are those of the years 1 to 9999, so nothing here overflows.
static inline int64_t rwd_window_last_start(const rwd_window *w, int64_t time) {
    int64_t since = time - w->offset, behind = since % w->advance;
    if (behind < 0) behind += w->advance;
    return time - behind;
}
static inline int64_t rwd_window_end(const rwd_window *w, int64_t start) { return start + w->size; }
static inline int64_t rwd_window_closes(const rwd_window *w, int64_t start) { return start + w->size + w->grace; }
static inline int64_t rwd_window_leaves(const rwd_window *w, int64_t start) { return start + w->size + w->retain; }
static inline bool rwd_window_is_closed(const rwd_window *w, int64_t start, int64_t stream_time) {
    return rwd_window_closes(w, start) <= stream_time;
}
// Windows that hold one moment, at most.
static inline int64_t rwd_window_overlap(const rwd_window *w) { return (w->size + w->advance - 1) / w->advance; }

#endif
