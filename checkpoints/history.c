// history.log: what happened to this data directory, for ever (R7).
//
// Frames "RWHE", one after another, each around an entry of proto/history.proto whose `before` is the hash of the whole frame before it. Append-only:
// nothing here removes or changes an entry.
//
// What must stay true:
//   - an entry is durable when append returns, and what is in front of it was;
//   - bytes that end early behind the last whole entry are the beginning of one that never counted (a torn tail). They are left behind by
//     moving the whole entries to a new file, never by cutting; the same after a failed sync, whose bytes may be in the page cache only;
//   - damage is never cut away: a reader reports it, an owner says it aloud and appends behind it.
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "checkpoints/frame.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"
#include "operator/base/log.h"
#include "proto/history.pb-c.h"
#include "proto/pack.h"

#define MAGIC "RWHE"
#define VERSION 1u
#define WINDOW (1u << 20)
#define MEMORY_MAX (4 * (size_t)RWD_HISTORY_ENTRY_MAX)

_Static_assert(WINDOW > RWD_HISTORY_ENTRY_MAX + RWD_FRAME_HEADER, "an entry fits into the window");

static bool history_path(const rwd_repo *repo, char out[RWD_PATH_MAX], rwd_error *err) {
    return rwd_path_join(out, repo->path, "history.log", err);
}

// ---- reading

// A window that moves over the log.
typedef struct window {
    rwd_io *io;
    const char *path;
    int fd;
    rwd_buf bytes;
    size_t at;         // in `bytes`
    uint64_t position; // of `at` in the file
    bool at_end;       // the file ends where `bytes` does
} window;

static rwd_slice window_rest(const window *w) { return rwd_slice_of(w->bytes.data + w->at, w->bytes.size - w->at); }

// Room for a whole entry, or all that the file has.
static bool window_fill(window *w, rwd_error *err) {
    rwd_slice rest = window_rest(w);
    if (w->at_end || rest.size > RWD_HISTORY_ENTRY_MAX + RWD_FRAME_HEADER) return true;
    if (rest.size > 0) memmove(w->bytes.data, rest.data, rest.size);
    w->bytes.size = rest.size;
    w->at = 0;
    rwd_buf_reserve(&w->bytes, WINDOW);
    size_t got = 0;
    if (!rwd_io_read(w->io, w->fd, w->path, w->bytes.data + rest.size, WINDOW, w->position + rest.size, &got, err)) return false;
    w->bytes.size += got;
    w->at_end = got < WINDOW;
    return true;
}

static void window_move(window *w, size_t size) {
    w->at += size;
    w->position += size;
}

// What a walk finds.
typedef struct walk {
    uint64_t whole_end;     // behind the last whole entry
    uint64_t last_at;       // where that entry begins
    rwd_hash128 last;       // hash of its frame
    size_t count;
    bool bad;               // bytes that are no entry since the last whole one
    rwd_frame_state bad_as; // what the first of them looked like
    uint64_t bad_at;
    bool damaged;           // such bytes that are not just the torn end of the file
    uint64_t damaged_at;
    bool torn;              // the file ends inside an entry
    bool chain_broken;      // an entry does not name the one before it
    bool newer;
    uint64_t size;          // of the file
    rwd_history *collect;   // entries go here, if not NULL
    bool unchained;         // the walk begins in the middle: what is before the first entry is not known
    rwd_hash128 first;      // hash of the first entry's frame, and its end
    uint64_t first_end;
} walk;


static void collect(rwd_history *history, const Rewind__HistoryEntry *e, rwd_history_entry entry) {
    entry.kind = rwd_strdup(e->kind);
    entry.subject = rwd_strdup(e->subject);
    entry.who = rwd_strdup(e->who);
    entry.why = rwd_strdup(e->why);
    entry.at_us = e->at_us;
    entry.next_offset = e->next_offset;
    entry.term = e->term;
    size_t count = history->count;
    if ((count & (count - 1)) == 0)  // grows at powers of two
        history->items = rwd_realloc(history->items, (count == 0 ? 1 : count * 2) * sizeof(entry));
    history->items[history->count++] = entry;
}

static bool take_entry(walk *w, rwd_slice payload, uint64_t position) {
    Rewind__HistoryEntry *e = (Rewind__HistoryEntry *)rwd_proto_unpack(&rewind__history_entry__descriptor, payload, MEMORY_MAX);
    rwd_history_entry entry = {0};
    bool ok = e && rwd_proto_get_hash(e->before, &entry.before) && rwd_proto_get_hash(e->digest, &entry.digest) &&
              rwd_proto_get_hash(e->lineage, &entry.lineage);
    bool follows = w->count > 0 || !w->unchained;
    if (ok && follows && !w->damaged && !w->chain_broken && !rwd_hash128_equal(entry.before, w->last)) {
        w->chain_broken = true;
        w->damaged_at = position;
    }
    if (ok && w->collect) collect(w->collect, e, entry);
    if (e) rwd_proto_free(&e->base);
    return ok;
}

// A frame whose checksum holds. An entry of a newer version counts in the chain, though nothing is known of it.
static bool take_frame(walk *w, rwd_frame_state state, rwd_slice payload, rwd_slice frame, uint64_t position) {
    if (state == RWD_FRAME_NEWER) w->newer = true;
    else if (!take_entry(w, payload, position)) return false;
    if (w->count++ == 0) {
        w->first = rwd_hash128_of(frame.data, frame.size, 0);
        w->first_end = position + frame.size;
    }
    w->last = rwd_hash128_of(frame.data, frame.size, 0);
    w->last_at = position;
    w->whole_end = position + frame.size;
    return true;
}

// Bytes that are no whole entry; on to the next place where one may begin.
static void skip_bad(walk *w, window *win, rwd_frame_state state) {
    if (!w->bad) {
        w->bad = true;
        w->bad_as = state;
        w->bad_at = win->position;
    }
    rwd_slice rest = window_rest(win);
    const uint8_t *next = rest.size > 1 ? memchr(rest.data + 1, MAGIC[0], rest.size - 1) : NULL;
    window_move(win, next ? (size_t)(next - rest.data) : rest.size);
}

// Bad bytes are a torn tail if no entry follows and they ended early; else they are damage.
static void settle_bad(walk *w, bool at_end) {
    if (!w->bad) return;
    w->bad = false;
    if (at_end && w->bad_as == RWD_FRAME_TORN) {
        w->torn = true;
    } else if (!w->damaged) {
        w->damaged = true;
        w->damaged_at = w->bad_at;
    }
}

static bool walk_run(walk *w, window *win, rwd_error *err) {
    for (;;) {
        if (!window_fill(win, err)) return false;
        rwd_slice rest = window_rest(win), payload;
        size_t size = 0;
        rwd_frame_state state = rwd_frame_read(rest, MAGIC, VERSION, &payload, &size);
        if (state == RWD_FRAME_END) break;
        if (state == RWD_FRAME_TORN && !win->at_end) state = RWD_FRAME_CORRUPT;  // an entry is never longer than the window
        bool known = state == RWD_FRAME_WHOLE || state == RWD_FRAME_NEWER;
        if (known) settle_bad(w, false);
        if (known && take_frame(w, state, payload, rwd_slice_of(rest.data, size), win->position)) window_move(win, size);
        else skip_bad(w, win, known ? RWD_FRAME_CORRUPT : state);
    }
    settle_bad(w, true);
    w->size = win->position;
    return true;
}

// From `from` on, where an entry begins. A log that is not there is empty.
static bool walk_log(rwd_repo *repo, rwd_io *io, uint64_t from, walk *w, rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!history_path(repo, path, err)) return false;
    if (!rwd_path_exists(path)) return true;
    window win = {.io = io, .path = path, .fd = -1, .position = from};
    if (!rwd_io_open(io, path, O_RDONLY, 0, &win.fd, err)) return false;
    bool ok = walk_run(w, &win, err);
    rwd_io_close(io, win.fd);
    rwd_buf_deinit(&win.bytes);
    return ok;
}

// Years of entries need not be read to find the last one: the end as an earlier owner knew it is a place to begin, if the entry that it names is still
// there and all from it on is whole.
static bool walk_from_hint(rwd_repo *repo, walk *w, bool *out_worked, rwd_error *err) {
    walk one = {.unchained = true};
    *out_worked = false;
    if (repo->history_size == 0) return true;
    if (!walk_log(repo, repo->io, repo->history_last_at, &one, err)) return false;
    *out_worked = one.first_end == repo->history_size && rwd_hash128_equal(one.first, repo->history_last) && !one.damaged && !one.chain_broken;
    if (*out_worked) *w = one;
    return true;
}

bool rwd_history_open(rwd_repo *repo, rwd_error *err) {
    walk w = {0};
    bool hinted = false;
    if (!walk_from_hint(repo, &w, &hinted, err)) return false;
    if (!hinted && !walk_log(repo, repo->io, 0, &w, err)) return false;
    repo->history_last = w.last;
    repo->history_last_at = w.last_at;
    repo->history_size = w.damaged ? w.size : w.whole_end;
    repo->history_must_move = w.torn && !w.damaged;
    if (w.count > 0 || w.damaged) repo->is_new = false;
    if (w.damaged || w.chain_broken)
        rwd_log(RWD_LOG_WARN, "checkpoint", "history.log is damaged at byte %llu; it is kept as it is, and new entries go behind it; next: "
                "rewind checkpoint list --data %s", (unsigned long long)w.damaged_at, repo->path);
    return true;
}

bool rwd_repo_history_read(rwd_repo *repo, rwd_history *out, rwd_error *err) {
    *out = (rwd_history){0};
    walk w = {.collect = out};
    char path[RWD_PATH_MAX];
    pthread_mutex_lock(&repo->mutex);
    bool ok = history_path(repo, path, err) && walk_log(repo, repo->io, 0, &w, err);
    pthread_mutex_unlock(&repo->mutex);
    if (ok && w.damaged)
        ok = rwd_repo_fail(err, RWD_E_CORRUPT, path, "damaged at byte %llu", (unsigned long long)w.damaged_at);
    if (ok && w.chain_broken)
        ok = rwd_repo_fail(err, RWD_E_CORRUPT, path, "the entry at byte %llu does not follow the one before it", (unsigned long long)w.damaged_at);
    if (ok && w.newer) ok = rwd_repo_fail(err, RWD_E_NEWER_FORMAT, path, "holds entries of a newer version of the program");
    if (!ok) rwd_history_deinit(out);
    return ok;
}

void rwd_history_deinit(rwd_history *history) {
    for (size_t i = 0; i < history->count; i++) {
        free(history->items[i].kind);
        free(history->items[i].subject);
        free(history->items[i].who);
        free(history->items[i].why);
    }
    free(history->items);
    *history = (rwd_history){0};
}

// ---- writing

static char *field(const char *text) { return (char *)(uintptr_t)(text ? text : ""); }

static void encode(const rwd_repo *repo, const rwd_history_entry *entry, rwd_buf *out) {
    uint8_t hashes[3][RWD_PROTO_HASH];
    Rewind__HistoryEntry e;
    rewind__history_entry__init(&e);
    e.kind = field(entry->kind);
    e.subject = field(entry->subject);
    e.who = field(entry->who ? entry->who : repo->who);
    char *why = rwd_strndup(field(entry->why), RWD_HISTORY_ENTRY_MAX / 4);  // the one text of any length
    e.why = why;
    e.at_us = rwd_clock_wall_us(repo->clock);
    e.next_offset = entry->next_offset;
    e.term = repo->term;
    e.digest = rwd_proto_put_hash(entry->digest, hashes[0]);
    e.lineage = rwd_proto_put_hash(entry->lineage, hashes[1]);
    e.before = rwd_proto_put_hash(repo->history_last, hashes[2]);
    rwd_buf payload = {0};
    rwd_proto_append(&payload, &e.base);
    free(why);
    assert(payload.size <= RWD_HISTORY_ENTRY_MAX);
    rwd_frame_append(out, MAGIC, VERSION, rwd_buf_slice(&payload));
    rwd_buf_deinit(&payload);
}

// The whole entries in a file of their own, in place of the one with a tail that nobody vouches for.
static bool move_whole_entries(rwd_repo *repo, const char *path, rwd_error *err) {
    rwd_buf bytes = {0};
    bool ok = repo->history_size == 0 || rwd_io_read_file(repo->io, path, SIZE_MAX / 2, &bytes, err);
    if (ok && bytes.size < repo->history_size) ok = rwd_repo_fail(err, RWD_E_CORRUPT, path, "has become shorter");
    ok = ok && rwd_io_write_file(repo->io, path, rwd_slice_of(bytes.data, repo->history_size), err);
    rwd_buf_deinit(&bytes);
    if (ok) repo->history_must_move = false;
    return ok;
}

// Two writes, so that a crash between them leaves what a torn write would.
static bool write_frame(rwd_repo *repo, const char *path, int fd, rwd_slice frame, rwd_error *err) {
    size_t half = frame.size / 2;
    if (!rwd_io_write(repo->io, fd, path, frame.data, half, repo->history_size, err)) return false;
    RWD_CRASH_POINT(history_half_append);
    if (!rwd_io_write(repo->io, fd, path, frame.data + half, frame.size - half, repo->history_size + half, err)) return false;
    RWD_CRASH_POINT(history_appended);
    return rwd_io_fsync(repo->io, fd, path, err);
}

static bool append_frame(rwd_repo *repo, const char *path, rwd_slice frame, rwd_error *err) {
    bool first = !rwd_path_exists(path);
    int fd = -1;
    if (!rwd_io_open(repo->io, path, O_WRONLY | O_CREAT, 0600, &fd, err)) return false;
    bool ok = write_frame(repo, path, fd, frame, err);
    rwd_io_close(repo->io, fd);
    return ok && (!first || rwd_io_sync_dir(repo->io, repo->path, err));
}

bool rwd_history_append_locked(rwd_repo *repo, const rwd_history_entry *entry, rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!repo->owner) return rwd_repo_fail(err, RWD_E_USAGE, repo->path, "only the owner of a data directory writes its history");
    if (!history_path(repo, path, err)) return false;
    RWD_CRASH_POINT(history_before_append);
    if (repo->history_must_move && !move_whole_entries(repo, path, err)) return false;
    rwd_buf frame = {0};
    encode(repo, entry, &frame);
    bool ok = append_frame(repo, path, rwd_buf_slice(&frame), err);
    if (ok) {
        RWD_CRASH_POINT(history_synced);
        repo->history_last = rwd_hash128_of(frame.data, frame.size, 0);
        repo->history_last_at = repo->history_size;
        repo->history_size += frame.size;
    } else {
        repo->history_must_move = true;
    }
    rwd_buf_deinit(&frame);
    return ok;
}

bool rwd_repo_history_append(rwd_repo *repo, const rwd_history_entry *entry, rwd_error *err) {
    pthread_mutex_lock(&repo->mutex);
    bool ok = rwd_history_append_locked(repo, entry, err);
    pthread_mutex_unlock(&repo->mutex);
    return ok;
}
