// The open sessions of a key: a list by which an event finds those that it joins.
//
// Each table with sessions has a second one beside it that nobody sees: its key is that of the table without the window's start, its row the list of the
// key's open sessions, in order of their starts. Open ones do not overlap, so an event joins at most two of them. A session that is closed is listed no more:
// it takes no more events. The list follows from the rows and stream time; it is state as they are, in the digest, in checkpoints, and gone with the last session.
//
// Encoding: for each session start and end, 8 bytes little-endian each.
//
// Thread: pure functions over the caller's bytes; any.
#ifndef STATE_SESSIONS_H
#define STATE_SESSIONS_H

#include "state/schema.h"

#define RWD_SESSION_BYTES 16u
// Listed at a time: ends of open sessions are a gap apart, and reach from stream time - grace to a gap behind stream time; one more may lie ahead of it.
#define RWD_SESSIONS_OPEN_MAX (RWD_SESSION_GRACE_MAX + 4)
#define RWD_SESSIONS_BYTES_MAX (RWD_SESSIONS_OPEN_MAX * RWD_SESSION_BYTES)
_Static_assert(RWD_SESSIONS_BYTES_MAX <= RWD_ROW_BYTES_MAX, "a list is a row");
// Those that one event touches: the one that it makes or makes longer, and one that vanishes into it.
#define RWD_SESSIONS_JOINED_MAX 2
// Bytes of the key's last part: the mark, and the window's start.
#define RWD_WINDOW_START_BYTES 9u

typedef struct rwd_session {
    int64_t start, end;
} rwd_session;

// The schema of the lists of `table`, a table with sessions, under its own number. What it holds is *borrowed* from there: it is not to be deinitialised.
void rwd_sessions_schema(const rwd_schema *table, uint16_t number, rwd_schema *out);

// The key of a session as that of its key's list.
static inline rwd_slice rwd_sessions_key(rwd_slice key) { return rwd_slice_of(key.data, key.size - RWD_WINDOW_START_BYTES); }

// What a list of `size` bytes holds: how many, and one of them.
static inline size_t rwd_sessions_count(uint32_t size) { return size / RWD_SESSION_BYTES; }
static inline rwd_session rwd_sessions_at(const uint8_t *list, size_t index) {
    const uint8_t *at = list + index * RWD_SESSION_BYTES;
    return (rwd_session){(int64_t)rwd_get_le64(at), (int64_t)rwd_get_le64(at + 8)};
}

// Sessions of the list that are open at that stream time and that the moment's own [time, time + gap) overlaps, earliest first.
size_t rwd_sessions_joined(const rwd_window *window, const uint8_t *list, uint32_t size, int64_t time, int64_t stream_time,
                           rwd_session out[RWD_SESSIONS_JOINED_MAX]);
// Does an event of that time belong to a session that is still open? It does where its own would be, or where it lies inside of one that is. An older one
// would give a session a start that may have been another's, closed since.
bool rwd_sessions_admit(const rwd_window *window, const uint8_t *list, uint32_t size, int64_t time, int64_t stream_time);
// The list with `merged` in the place of those that it overlaps, without those that are closed; into `out` (room for RWD_SESSIONS_BYTES_MAX). Returns its size.
uint32_t rwd_sessions_put(const rwd_window *window, const uint8_t *list, uint32_t size, const rwd_session *merged, int64_t stream_time, uint8_t *out);
// The list without the session of that start, into `out`. Returns its size.
uint32_t rwd_sessions_remove(const uint8_t *list, uint32_t size, int64_t start, uint8_t *out);

#endif
