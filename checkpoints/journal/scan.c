// Walking a segment from block to block: what counts, what is torn, what is damaged (J1, J2).
//
// What must stay true: a block counts only if its header's checksum is right, it is of this segment, it begins where the block before it ended, and it names that
// block's checksum. Behind damage below `torn_from` the walk goes on at the next header that is of this segment and further on; there the chain begins anew.
#include <fcntl.h>
#include <stdlib.h>

#include "checkpoints/journal/journal_private.h"
#include "operator/base/log.h"

#define WINDOW (64u << 10)  // bytes read at once
#define HOP (8u << 10)      // behind a block above this, only a page is read: the next header; payloads that are not verified are passed over
#define PAGE 4096u

typedef struct walk {
    rwd_journal_scan *scan;
    rwd_buf window;
    uint64_t window_at;
    int64_t next;       // of the last good block; -1: none
    uint32_t checksum;
    bool chained;       // checksum is known
    bool hops;          // the last block was a large one
    bool lost;          // bytes were skipped
} walk;

// `size` bytes at `at`, or less at the end. *borrows* until the next call.
static bool look(walk *w, uint64_t at, size_t size, rwd_slice *out, rwd_error *err) {
    rwd_journal_scan *s = w->scan;
    uint64_t left = at < s->end ? s->end - at : 0;
    if (size > left) size = (size_t)left;
    if (at < w->window_at || at + size > w->window_at + w->window.size) {
        size_t least = w->hops ? PAGE : WINDOW, want = size > least ? size : least, got = 0;
        if (want > left) want = (size_t)left;
        rwd_buf_clear(&w->window);
        rwd_buf_reserve(&w->window, want);
        if (!rwd_io_read(s->io, s->fd, s->path, w->window.data, want, at, &got, err)) return false;
        w->window.size = got;
        w->window_at = at;
    }
    size_t begin = (size_t)(at - w->window_at), have = w->window.size - begin;
    *out = rwd_slice_of(w->window.data + begin, size < have ? size : have);
    return true;
}

typedef enum verdict { GOOD, BAD, NEWER, REFUSED } verdict;

static bool of_this_segment(const walk *w, const rwd_journal_block *b) {
    const rwd_journal_name *name = &w->scan->name;
    return rwd_hash128_equal(b->name.repository, name->repository) && b->name.term == name->term && b->name.number == name->number;
}

static bool follows(const walk *w, const rwd_journal_block *b) {
    if (w->lost) return w->next < 0 || b->from >= w->next;
    return (w->next < 0 || b->from == w->next) && (!w->chained || b->before == w->checksum);
}

// Judges the bytes at `at` as a block.
static verdict judge(walk *w, uint64_t at, rwd_journal_block *out, rwd_error *err) {
    rwd_slice bytes;
    if (!look(w, at, RWD_JOURNAL_HEADER, &bytes, err)) return REFUSED;
    if (bytes.size < RWD_JOURNAL_HEADER) return BAD;
    rwd_journal_header header = rwd_journal_block_get(bytes.data, out);
    if (header == RWD_JOURNAL_HEADER_NEWER) return NEWER;
    if (header != RWD_JOURNAL_HEADER_GOOD || !of_this_segment(w, out) || !follows(w, out)) return BAD;
    if (out->stored > w->scan->end - at - RWD_JOURNAL_HEADER) return BAD;
    if (out->next <= w->scan->verify_from) return GOOD;
    if (!look(w, at + RWD_JOURNAL_HEADER, out->stored, &bytes, err)) return REFUSED;
    return bytes.size == out->stored && rwd_crc32c(0, bytes.data, bytes.size) == out->payload_checksum ? GOOD : BAD;
}

// Behind damage: the next place at or above `at` where a header may begin.
static bool find_magic(walk *w, uint64_t *at, rwd_error *err) {
    while (*at < w->scan->end) {
        rwd_slice bytes;
        if (!look(w, *at, WINDOW, &bytes, err)) return false;
        const uint8_t *found = memmem(bytes.data, bytes.size, "RWJB", 4);
        if (found) {
            *at += (uint64_t)(found - bytes.data);
            return true;
        }
        if (bytes.size < 4) break;
        *at += bytes.size - 3;  // it may begin in the last three
        if (*at + 4 > w->scan->end) break;
    }
    *at = w->scan->end;
    return true;
}

static void take(walk *w, const rwd_journal_block *b, uint64_t at) {
    rwd_journal_entry_add(w->scan->entries, b, at);
    w->scan->damaged += w->lost;
    w->next = b->next;
    w->checksum = b->checksum;
    w->chained = true;
    w->lost = false;
    w->hops = b->stored > HOP;
    w->scan->size = at + RWD_JOURNAL_HEADER + b->stored;
}

// Where the walk goes on behind a bad block: `at` moves. False: it ends here.
static bool pass_damage(walk *w, uint64_t *at, const rwd_journal_block *bad, bool known, rwd_error *err, bool *ok) {
    rwd_journal_scan *s = w->scan;
    int64_t reached = w->next >= 0 ? w->next : 0;
    if (reached >= s->torn_from) {
        s->torn = true;
        return false;
    }
    w->lost = true;
    w->chained = false;
    // A payload that is bad behind a good header is passed over by its size.
    *at += known ? RWD_JOURNAL_HEADER + (uint64_t)bad->stored : 1;
    if (!known && !find_magic(w, at, err)) {
        *ok = false;
        return false;
    }
    return true;
}

bool rwd_journal_scan_run(rwd_journal_scan *scan, rwd_error *err) {
    walk w = {.scan = scan, .next = scan->inside ? scan->after : -1, .chained = !scan->inside};
    uint64_t at = scan->at;
    bool ok = true;
    scan->size = at;
    while (ok && at < scan->end && !(scan->stop && atomic_load_explicit(scan->stop, memory_order_relaxed))) {
        rwd_journal_block b = {0};
        verdict v = judge(&w, at, &b, err);
        if (v == GOOD) {
            take(&w, &b, at);
            at = scan->size;
            continue;
        }
        scan->newer |= v == NEWER;
        ok = v != REFUSED;
        bool known = v == BAD && of_this_segment(&w, &b) && follows(&w, &b) && b.stored <= scan->end - at - RWD_JOURNAL_HEADER;
        if (!ok || v == NEWER || !pass_damage(&w, &at, &b, known, err, &ok)) break;
    }
    scan->torn |= w.lost;  // with nothing good behind it, damage cannot be told from a torn end; coverage tells whether anything is missing
    rwd_buf_deinit(&w.window);
    return ok;
}

// ---- a block that turned out bad while it was read

static void replace_entry(rwd_journal_segment *s, uint64_t at, const rwd_journal_entries *better) {
    rwd_journal_entries all = {0};
    all.items = rwd_calloc(s->entries.count + better->count + 1, sizeof(*all.items));
    all.capacity = s->entries.count + better->count + 1;
    for (size_t i = 0; i < s->entries.count; i++) {
        if (s->entries.items[i].at != at) all.items[all.count++] = s->entries.items[i];
        else for (size_t k = 0; k < better->count; k++) all.items[all.count++] = better->items[k];
    }
    free(s->entries.items);
    s->entries = all;
}

bool rwd_journal_rescan(rwd_journal *j, rwd_io *io, const rwd_journal_name *name, uint64_t at, rwd_error *err) {
    rwd_journal_entries good = {0};
    char path[RWD_PATH_MAX];
    int fd = -1;
    pthread_mutex_lock(&j->mutex);
    rwd_journal_segment *s = rwd_journal_segment_find(j, name);
    const rwd_journal_entry *entry = NULL;
    for (size_t i = 0; s && i < s->entries.count; i++)
        if (s->entries.items[i].at == at) entry = &s->entries.items[i];
    bool ok = !entry || (rwd_journal_path(j, s->file, path, err) && rwd_io_open(io, path, O_RDONLY, 0, &fd, err));
    if (ok && entry) {
        rwd_journal_scan scan = {.io = io, .fd = fd, .path = path, .name = *name, .at = at, .end = at + entry->size, .verify_from = -1, .torn_from = INT64_MAX,
                                 .inside = true, .after = -1, .entries = &good};
        int64_t from = entry->from, next = entry->next;
        ok = rwd_journal_scan_run(&scan, err);
        // Right by its checksums, and yet not to be understood: then this is no damage of the disk.
        if (ok && good.count == 1 && good.items[0].size == entry->size) ok = rwd_journal_fail(j, err, RWD_E_CORRUPT, s->file, "has a block that cannot be decoded");
        if (ok) {
            replace_entry(s, at, &good);
            j->stats.damaged++;
            rwd_log(RWD_LOG_WARN, "journal", "%s: a block within [%lld, %lld) is damaged: its records are read from the topic, if it still has them", path,
                    (long long)from, (long long)next);
        }
    }
    rwd_io_close(io, fd);
    pthread_mutex_unlock(&j->mutex);
    free(good.items);
    return ok;
}
