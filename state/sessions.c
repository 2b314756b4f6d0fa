// Lists of open sessions (sessions.h).
#include "state/sessions.h"

#include <assert.h>

void rwd_sessions_schema(const rwd_schema *table, uint16_t number, rwd_schema *out) {
    assert(table->window.kind == RWD_WINDOW_SESSION);
    *out = (rwd_schema){.number = number, .name = table->name, .part_count = table->part_count - 1, .row_size = RWD_SESSION_BYTES};
    memcpy(out->parts, table->parts, out->part_count * sizeof *out->parts);
}

static bool is_open(const rwd_window *window, const rwd_session *session, int64_t stream_time) {
    return !rwd_window_is_closed(window, session->end, stream_time);
}

size_t rwd_sessions_joined(const rwd_window *window, const uint8_t *list, uint32_t size, int64_t time, int64_t stream_time,
                           rwd_session out[RWD_SESSIONS_JOINED_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < rwd_sessions_count(size); i++) {
        rwd_session session = rwd_sessions_at(list, i);
        if (session.start >= time + window->size) break;
        if (session.end <= time || !is_open(window, &session, stream_time)) continue;
        assert(count < RWD_SESSIONS_JOINED_MAX && "open sessions are a gap long and do not overlap");
        out[count++] = session;
    }
    return count;
}

bool rwd_sessions_admit(const rwd_window *window, const uint8_t *list, uint32_t size, int64_t time, int64_t stream_time) {
    if (!rwd_window_is_closed(window, time + window->size, stream_time)) return true;
    rwd_session joined[RWD_SESSIONS_JOINED_MAX];
    return rwd_sessions_joined(window, list, size, time, stream_time, joined) > 0 && joined[0].start <= time;
}

static uint32_t append(uint8_t *out, uint32_t size, const rwd_session *session) {
    assert(size + RWD_SESSION_BYTES <= RWD_SESSIONS_BYTES_MAX);
    rwd_put_le64(out + size, (uint64_t)session->start);
    rwd_put_le64(out + size + 8, (uint64_t)session->end);
    return size + RWD_SESSION_BYTES;
}

uint32_t rwd_sessions_put(const rwd_window *window, const uint8_t *list, uint32_t size, const rwd_session *merged, int64_t stream_time, uint8_t *out) {
    uint32_t used = 0;
    bool placed = false;
    for (size_t i = 0; i < rwd_sessions_count(size); i++) {
        rwd_session session = rwd_sessions_at(list, i);
        bool overlaps = session.start < merged->end && merged->start < session.end;
        if (overlaps || !is_open(window, &session, stream_time)) continue;
        if (!placed && session.start > merged->start) used = append(out, used, merged);
        placed |= session.start > merged->start;
        used = append(out, used, &session);
    }
    return placed ? used : append(out, used, merged);
}

uint32_t rwd_sessions_remove(const uint8_t *list, uint32_t size, int64_t start, uint8_t *out) {
    uint32_t used = 0;
    for (size_t i = 0; i < rwd_sessions_count(size); i++) {
        rwd_session session = rwd_sessions_at(list, i);
        if (session.start != start) used = append(out, used, &session);
    }
    return used;
}
