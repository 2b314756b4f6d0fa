// Timers in sorted runs over a store (timers.h).
//
//   added -> fresh (unsorted, at most FRESH_MAX) -> run (sorted) -> the heap of runs and the store's scan -> ahead (in order, read and not passed)
//
// A *generation* is what was added between two freezes. A freeze makes the current one the frozen one: its runs no longer change, and the checkpoint
// thread merges them on its own while the pipeline goes on reading them. At thaw its timers are in the store, and the scan is opened again.
//
// What must stay true:
//   W1. All that is at or below `merged` and not passed is in `ahead`, and nothing else; all that was passed is at or below `passed`.
//   W2. The scan sees the store as of the newest thaw (or open) from behind `merged`; so no timer is seen in a run and in the store.
//   W3. Keys in `ahead` are copies: generations may go while they wait.
//
// Store keys: 0x01, due (8 bytes big-endian, sign bit flipped), table (2 bytes big-endian), key; values are empty. The key 0x00 holds the passed
// position as such a key.
#include "state/timers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "state/store_private.h"

#define FRESH_MAX 1024            // sorted at once, on the pipeline: a small part of a millisecond
#define CHUNK_SIZE (256u << 10)
#define PREFIX 11u                // bytes of a store key before the timer's own key
#define MARK_TIMER 1u
#define MARK_PASSED 0u
#define FOLDER "timers"
#define INCOMING_FILE "incoming-timers.sst"
#define CACHE_PERCENT 10          // of the store's share: timers are read once, in order
#define PRESSED_PERCENT 15        // of the hot share
#define AHEAD_MAX (2 * RWD_TIMERS_READ_MAX)  // read and not passed: what one read gives, and what is added between

// A timer in memory. The head is the key's first bytes, so that most comparisons need no other memory.
typedef struct item {
    uint64_t due;                 // sign bit flipped: orders as unsigned
    uint64_t head;
    const uint8_t *key;
    uint32_t size;
    uint16_t table;
} item;

typedef struct run {
    item *items;
    size_t count;
} run;

typedef struct chunk {
    struct chunk *next;
    size_t used, size;
    uint8_t bytes[];
} chunk;

typedef struct generation {
    chunk *chunks;                // newest first
    run *runs;
    size_t run_count, run_capacity;
    item *fresh;                  // FRESH_MAX, or NULL
    size_t fresh_count;
    uint64_t fresh_due;           // the least of them
    uint64_t count, bytes;
} generation;

// Where the merge stands in a run.
typedef struct cursor {
    const item *at, *end;
} cursor;

struct rwd_timers {
    rwd_participant participant;
    rwd_budget *budget;
    rwd_store *store;
    char live_dir[RWD_PATH_MAX];
    uint64_t store_bytes;         // told to the budget: checkpoint thread; open, discard
    generation current, frozen;
    bool freeze_open;

    cursor *heap;                 // least first
    size_t heap_count, heap_capacity;
    rwd_store_scan *scan;         // NULL: the store has nothing behind `merged`
    rwd_slice scan_key;           // its next timer, as a store key
    rwd_buf merged, passed;       // store keys

    rwd_buf ahead_bytes;          // their store keys, in no order
    struct { size_t at, size; } ahead[AHEAD_MAX];  // in ahead_bytes; in order of the timers
    size_t ahead_count;
    rwd_buf ahead_kept;           // to put ahead_bytes together anew
    uint64_t next_due;            // UINT64_MAX: none

    rwd_buf frozen_passed;        // the position at the freeze
    rwd_buf written_passed;       // and at the freeze before: the range between is done with

    bool failed;                  // the scan could not be opened at thaw: the next read says why
    rwd_error failure;
};

static uint64_t order_of(int64_t due) { return (uint64_t)due ^ (1ull << 63); }
static int64_t due_of(uint64_t order) { return (int64_t)(order ^ (1ull << 63)); }

// ---------------------------------------------------------------------------------------------- order
static uint64_t head_of(rwd_slice key) {
    uint8_t bytes[8] = {0};
    memcpy(bytes, key.data, key.size < 8 ? key.size : 8);
    return rwd_get_be64(bytes);
}

static int compare(const item *a, const item *b) {
    if (a->due != b->due) return a->due < b->due ? -1 : 1;
    if (a->table != b->table) return a->table < b->table ? -1 : 1;
    if (a->head != b->head) return a->head < b->head ? -1 : 1;
    return rwd_slice_compare(rwd_slice_of(a->key, a->size), rwd_slice_of(b->key, b->size));
}
static int compare_items(const void *a, const void *b) { return compare(a, b); }

static void append_store_key(rwd_buf *out, uint64_t due, uint16_t table, rwd_slice key) {
    uint8_t prefix[PREFIX] = {MARK_TIMER};
    rwd_put_be64(prefix + 1, due);
    rwd_put_be16(prefix + 9, table);
    rwd_buf_append(out, prefix, sizeof prefix);
    rwd_buf_append_slice(out, key);
}

static item item_of(rwd_slice store_key) {
    rwd_slice key = rwd_slice_of(store_key.data + PREFIX, store_key.size - PREFIX);
    return (item){.due = rwd_get_be64(store_key.data + 1), .table = rwd_get_be16(store_key.data + 9), .head = head_of(key),
                  .key = key.data, .size = (uint32_t)key.size};
}

// ---------------------------------------------------------------------------------------------- generations
static void count_bytes(rwd_timers *timers, generation *g, uint64_t bytes) {
    g->bytes += bytes;
    rwd_budget_take(timers->budget, RWD_SHARE_HOT, bytes);
}

static uint8_t *keep_key(rwd_timers *timers, generation *g, rwd_slice key) {
    if (!g->chunks || g->chunks->size - g->chunks->used < key.size) {
        size_t size = key.size > CHUNK_SIZE ? key.size : CHUNK_SIZE;
        chunk *fresh = rwd_malloc(sizeof *fresh + size);
        *fresh = (chunk){.next = g->chunks, .size = size};
        g->chunks = fresh;
        count_bytes(timers, g, sizeof *fresh + size);
    }
    uint8_t *at = g->chunks->bytes + g->chunks->used;
    memcpy(at, key.data, key.size);
    g->chunks->used += key.size;
    return at;
}

static void generation_reset(rwd_timers *timers, generation *g) {
    for (chunk *c = g->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    for (size_t i = 0; i < g->run_count; i++) free(g->runs[i].items);
    free(g->runs);
    free(g->fresh);
    rwd_budget_give(timers->budget, RWD_SHARE_HOT, g->bytes);
    *g = (generation){.fresh_due = UINT64_MAX};
}

// ---------------------------------------------------------------------------------------------- the heap
static bool cursor_less(const cursor *a, const cursor *b) { return compare(a->at, b->at) < 0; }

static void sift_down(cursor *heap, size_t count, size_t at) {
    for (;;) {
        size_t least = at, left = 2 * at + 1;
        if (left < count && cursor_less(&heap[left], &heap[least])) least = left;
        if (left + 1 < count && cursor_less(&heap[left + 1], &heap[least])) least = left + 1;
        if (least == at) return;
        cursor swap = heap[at];
        heap[at] = heap[least];
        heap[least] = swap;
        at = least;
    }
}

static void sift_up(cursor *heap, size_t at) {
    while (at > 0 && cursor_less(&heap[at], &heap[(at - 1) / 2])) {
        cursor swap = heap[at];
        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = swap;
        at = (at - 1) / 2;
    }
}

// Moves the heap's least cursor on.
static size_t heap_step(cursor *heap, size_t count) {
    if (++heap[0].at == heap[0].end) heap[0] = heap[--count];
    sift_down(heap, count, 0);
    return count;
}

static void heap_add(rwd_timers *timers, cursor c) {
    if (timers->heap_count == timers->heap_capacity) {
        timers->heap_capacity = timers->heap_capacity ? timers->heap_capacity * 2 : 64;
        timers->heap = rwd_realloc(timers->heap, timers->heap_capacity * sizeof *timers->heap);
    }
    timers->heap[timers->heap_count++] = c;
    sift_up(timers->heap, timers->heap_count - 1);
}

// The first item of a run behind a position (a store key; empty: from the beginning).
static const item *first_behind(const run *r, rwd_slice position) {
    if (position.size == 0) return r->items;
    item at = item_of(position);
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&r->items[middle], &at) <= 0) low = middle + 1;
        else high = middle;
    }
    return r->items + low;
}

// The fresh ones become a run. Those at or below `merged` are ahead already (W1).
static void seal(rwd_timers *timers) {
    generation *g = &timers->current;
    if (g->fresh_count == 0) return;
    qsort(g->fresh, g->fresh_count, sizeof *g->fresh, compare_items);
    if (g->run_count == g->run_capacity) {
        size_t more = g->run_capacity ? g->run_capacity : 16;
        g->runs = rwd_realloc(g->runs, (g->run_capacity + more) * sizeof *g->runs);
        g->run_capacity += more;
        count_bytes(timers, g, more * sizeof *g->runs);
    }
    run sealed = {.items = rwd_realloc(g->fresh, g->fresh_count * sizeof *g->fresh), .count = g->fresh_count};
    g->runs[g->run_count++] = sealed;
    g->fresh = NULL;
    g->fresh_count = 0;
    g->fresh_due = UINT64_MAX;
    const item *at = first_behind(&sealed, rwd_buf_slice(&timers->merged));
    if (at < sealed.items + sealed.count) heap_add(timers, (cursor){at, sealed.items + sealed.count});
}

static item item_ahead(const rwd_timers *timers, size_t index) {
    return item_of(rwd_slice_of(timers->ahead_bytes.data + timers->ahead[index].at, timers->ahead[index].size));
}

static void find_next(rwd_timers *timers) {
    uint64_t next = timers->current.fresh_due;
    if (timers->ahead_count && item_ahead(timers, 0).due < next) next = item_ahead(timers, 0).due;
    if (timers->heap_count && timers->heap[0].at->due < next) next = timers->heap[0].at->due;
    if (timers->scan && rwd_get_be64(timers->scan_key.data + 1) < next) next = rwd_get_be64(timers->scan_key.data + 1);
    timers->next_due = next;
}

// ---------------------------------------------------------------------------------------------- the store
static void close_scan(rwd_timers *timers) {
    rwd_store_scan_close(timers->scan);
    timers->scan = NULL;
}

static bool step_scan(rwd_timers *timers, rwd_error *err) {
    rwd_slice value;
    if (rwd_store_scan_next(timers->scan, &timers->scan_key, &value)) {
        if (timers->scan_key.size >= PREFIX) return true;
        return rwd_fail(err, RWD_E_CORRUPT, "a timer of %zu bytes", timers->scan_key.size);
    }
    bool ok = rwd_store_scan_ok(timers->scan, err);
    close_scan(timers);
    return ok;
}

// W2: from behind `merged`.
static bool open_scan(rwd_timers *timers, rwd_error *err) {
    close_scan(timers);
    static const uint8_t first[] = {MARK_TIMER};
    rwd_buf from = {0};
    if (timers->merged.size) rwd_buf_append_slice(&from, rwd_buf_slice(&timers->merged));
    else rwd_buf_append(&from, first, sizeof first);
    if (timers->merged.size) rwd_buf_append_char(&from, '\0');  // the least key behind it
    timers->scan = rwd_store_scan_open(timers->store, rwd_buf_slice(&from), rwd_slice_of(NULL, 0));
    rwd_buf_deinit(&from);
    return step_scan(timers, err);
}

// ---------------------------------------------------------------------------------------------- adding, reading, passing
static size_t keep_ahead(rwd_timers *timers, const item *i) {
    size_t at = timers->ahead_bytes.size;
    append_store_key(&timers->ahead_bytes, i->due, i->table, rwd_slice_of(i->key, i->size));
    return at;
}

// W1: one that the merge has gone past takes its place among those that it gave.
static void put_between(rwd_timers *timers, const item *added) {
    size_t low = 0, high = timers->ahead_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        item other = item_ahead(timers, middle);
        if (compare(&other, added) < 0) low = middle + 1;
        else high = middle;
    }
    item next = {0};
    if (low < timers->ahead_count) next = item_ahead(timers, low);
    if (low < timers->ahead_count && compare(&next, added) == 0) return;
    assert(timers->ahead_count < AHEAD_MAX && "a timer is added for one that was passed");
    memmove(&timers->ahead[low + 1], &timers->ahead[low], (timers->ahead_count - low) * sizeof timers->ahead[0]);
    timers->ahead[low].at = keep_ahead(timers, added);
    timers->ahead[low].size = timers->ahead_bytes.size - timers->ahead[low].at;
    timers->ahead_count++;
}

static bool is_merged(const rwd_timers *timers, const item *i) {
    if (timers->merged.size == 0) return false;
    item merged = item_of(rwd_buf_slice(&timers->merged));
    return compare(i, &merged) <= 0;
}

void rwd_timers_add(rwd_timers *timers, int64_t due, uint16_t table, rwd_slice key) {
    generation *g = &timers->current;
    if (!g->fresh) {
        g->fresh = rwd_malloc(FRESH_MAX * sizeof *g->fresh);
        count_bytes(timers, g, FRESH_MAX * sizeof *g->fresh);
    }
    item added = {.due = order_of(due), .head = head_of(key), .key = keep_key(timers, g, key), .size = (uint32_t)key.size, .table = table};
    g->fresh[g->fresh_count++] = added;
    g->count++;
    if (added.due < g->fresh_due) g->fresh_due = added.due;
    if (added.due < timers->next_due) timers->next_due = added.due;
    if (is_merged(timers, &added)) put_between(timers, &added);
    if (g->fresh_count == FRESH_MAX) seal(timers);
}

int64_t rwd_timers_next(const rwd_timers *timers) { return timers->next_due == UINT64_MAX ? INT64_MAX : due_of(timers->next_due); }

static void put_ahead(rwd_timers *timers, const item *i) {
    size_t at = keep_ahead(timers, i);
    timers->ahead[timers->ahead_count].at = at;
    timers->ahead[timers->ahead_count++].size = timers->ahead_bytes.size - at;
    rwd_buf_clear(&timers->merged);
    append_store_key(&timers->merged, i->due, i->table, rwd_slice_of(i->key, i->size));
}

// The least timer of all sources goes ahead, once. False in `out_found`: none is due by then.
static bool merge_one(rwd_timers *timers, uint64_t until, bool *out_found, rwd_error *err) {
    const item *least = timers->heap_count ? timers->heap[0].at : NULL;
    item stored;
    bool from_store = false;
    if (timers->scan) {
        stored = item_of(timers->scan_key);
        from_store = !least || compare(&stored, least) < 0;
        if (from_store) least = &stored;
    }
    *out_found = least && least->due <= until;
    if (!*out_found) return true;
    item last = {0};
    if (timers->merged.size) last = item_of(rwd_buf_slice(&timers->merged));
    if (!timers->merged.size || compare(&last, least) != 0) put_ahead(timers, least);
    if (from_store) return step_scan(timers, err);
    timers->heap_count = heap_step(timers->heap, timers->heap_count);
    return true;
}

bool rwd_timers_read(rwd_timers *timers, int64_t until, size_t max, rwd_timer *out, size_t *out_count, rwd_error *err) {
    assert(max <= RWD_TIMERS_READ_MAX);
    if (timers->failed) {
        *err = timers->failure;
        return false;
    }
    uint64_t limit = order_of(until);
    if (timers->current.fresh_due <= limit) seal(timers);
    bool found = true;
    while (timers->ahead_count < max && found) {
        if (!merge_one(timers, limit, &found, err)) return false;
    }
    size_t count = 0;
    for (; count < timers->ahead_count && count < max; count++) {
        item i = item_ahead(timers, count);
        if (i.due > limit) break;
        out[count] = (rwd_timer){.due = due_of(i.due), .table = i.table, .key = rwd_slice_of(i.key, i.size)};
    }
    *out_count = count;
    find_next(timers);
    return true;
}

void rwd_timers_pass(rwd_timers *timers, size_t count) {
    assert(count <= timers->ahead_count);
    if (count == 0) return;
    rwd_buf_clear(&timers->passed);
    rwd_buf_append(&timers->passed, timers->ahead_bytes.data + timers->ahead[count - 1].at, timers->ahead[count - 1].size);
    timers->ahead_count -= count;
    memmove(timers->ahead, timers->ahead + count, timers->ahead_count * sizeof timers->ahead[0]);
    rwd_buf_clear(&timers->ahead_kept);
    for (size_t i = 0; i < timers->ahead_count; i++) {
        size_t at = timers->ahead_kept.size;
        rwd_buf_append(&timers->ahead_kept, timers->ahead_bytes.data + timers->ahead[i].at, timers->ahead[i].size);
        timers->ahead[i].at = at;
    }
    rwd_buf kept = timers->ahead_kept;
    timers->ahead_kept = timers->ahead_bytes;
    timers->ahead_bytes = kept;
    find_next(timers);
}

bool rwd_timers_pressed(const rwd_timers *timers) {
    return !timers->freeze_open && timers->current.bytes > timers->budget->limit[RWD_SHARE_HOT] / 100 * PRESSED_PERCENT;
}

uint64_t rwd_timers_in_memory(const rwd_timers *timers, uint64_t *out_bytes) {
    *out_bytes = timers->current.bytes + timers->frozen.bytes;
    return timers->current.count + timers->frozen.count;
}

// ---------------------------------------------------------------------------------------------- the participant
static rwd_timers *timers_of(rwd_participant *self) { return (rwd_timers *)(void *)self; }
static void copy_buf(rwd_buf *to, const rwd_buf *from) {
    rwd_buf_clear(to);
    rwd_buf_append_slice(to, rwd_buf_slice(from));
}

static void freeze(rwd_participant *self, int64_t next_offset) {
    (void)next_offset;
    rwd_timers *timers = timers_of(self);
    assert(!timers->freeze_open && timers->frozen.count == 0);
    seal(timers);
    timers->frozen = timers->current;
    timers->current = (generation){.fresh_due = UINT64_MAX};
    copy_buf(&timers->frozen_passed, &timers->passed);
    timers->freeze_open = true;
    find_next(timers);
}

static bool sweep(rwd_participant *self, size_t limit) {
    (void)self;
    (void)limit;
    return true;
}

typedef struct writing {
    rwd_timers *timers;
    rwd_store_file *file;
    cursor *heap;
    size_t heap_count;
    rwd_buf key, before;
    rwd_error *err;
} writing;

static void gather_runs(writing *w) {
    const generation *g = &w->timers->frozen;
    w->heap = rwd_malloc((g->run_count + 1) * sizeof *w->heap);
    for (size_t i = 0; i < g->run_count; i++) {
        const run *r = &g->runs[i];
        const item *at = first_behind(r, rwd_buf_slice(&w->timers->frozen_passed));  // what came and was passed since is not written
        if (at == r->items + r->count) continue;
        w->heap[w->heap_count++] = (cursor){at, r->items + r->count};
        sift_up(w->heap, w->heap_count - 1);
    }
}

static bool write_runs(writing *w) {
    static const uint8_t empty[1];
    while (w->heap_count) {
        const item *i = w->heap[0].at;
        rwd_buf_clear(&w->key);
        append_store_key(&w->key, i->due, i->table, rwd_slice_of(i->key, i->size));
        bool again = rwd_slice_equal(rwd_buf_slice(&w->key), rwd_buf_slice(&w->before));
        if (!again && !rwd_store_file_put(w->file, rwd_buf_slice(&w->key), rwd_slice_of(empty, 0), w->err)) return false;
        copy_buf(&w->before, &w->key);
        w->heap_count = heap_step(w->heap, w->heap_count);
    }
    return true;
}

// One range tombstone over what was passed since the last checkpoint, and the position itself.
static bool write_passed(writing *w) {
    static const uint8_t mark[] = {MARK_PASSED}, first[] = {MARK_TIMER};
    rwd_timers *timers = w->timers;
    rwd_slice passed = rwd_buf_slice(&timers->frozen_passed), from = rwd_buf_slice(&timers->written_passed);
    if (!rwd_store_file_put(w->file, rwd_slice_of(mark, sizeof mark), passed, w->err)) return false;
    if (passed.size == 0 || rwd_slice_equal(passed, from)) return true;
    if (from.size == 0) from = rwd_slice_of(first, sizeof first);
    rwd_buf_clear(&w->key);
    rwd_buf_append_slice(&w->key, passed);
    rwd_buf_append_char(&w->key, '\0');
    return rwd_store_file_delete_range(w->file, from, rwd_buf_slice(&w->key), w->err);
}

static bool write_file(writing *w) {
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, w->timers->live_dir, INCOMING_FILE, w->err)) return false;
    if (!rwd_store_file_begin(w->timers->store, path, &w->file, w->err)) return false;
    bool ok = write_passed(w) && write_runs(w);
    rwd_store_file *file = w->file;
    if (ok) return rwd_store_file_ingest(file, w->err);
    rwd_store_file_abandon(file);
    return false;
}

// Thread: checkpoint.
static bool write_frozen(rwd_participant *self, const char *dir, rwd_error *err) {
    writing w = {.timers = timers_of(self), .err = err};
    char folder[RWD_PATH_MAX];
    gather_runs(&w);
    bool ok = write_file(&w) && rwd_path_join(folder, dir, FOLDER, err) && rwd_store_checkpoint(w.timers->store, folder, err);
    if (ok) {
        copy_buf(&w.timers->written_passed, &w.timers->frozen_passed);
        rwd_store_count_memory(w.timers->store, w.timers->budget, &w.timers->store_bytes);
    }
    rwd_buf_deinit(&w.key);
    rwd_buf_deinit(&w.before);
    free(w.heap);
    return ok;
}

static rwd_hash128 digest(rwd_participant *self) {
    (void)self;
    return (rwd_hash128){0};  // timers follow from the rows
}

static void thaw(rwd_participant *self) {
    rwd_timers *timers = timers_of(self);
    assert(timers->freeze_open);
    timers->freeze_open = false;
    generation_reset(timers, &timers->frozen);
    timers->heap_count = 0;
    for (size_t i = 0; i < timers->current.run_count; i++) {
        const run *r = &timers->current.runs[i];
        const item *at = first_behind(r, rwd_buf_slice(&timers->merged));
        if (at < r->items + r->count) heap_add(timers, (cursor){at, r->items + r->count});
    }
    if (!open_scan(timers, &timers->failure)) timers->failed = true;
    find_next(timers);
}

static void discard(rwd_participant *self) {
    rwd_timers *timers = timers_of(self);
    close_scan(timers);
    rwd_store_close(timers->store);
    timers->store = NULL;
    rwd_budget_give(timers->budget, RWD_SHARE_STORE, timers->store_bytes);
    timers->store_bytes = 0;
    generation_reset(timers, &timers->current);
    generation_reset(timers, &timers->frozen);
    rwd_buf *const bufs[] = {&timers->merged, &timers->passed, &timers->frozen_passed, &timers->written_passed, &timers->ahead_bytes, &timers->ahead_kept};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) rwd_buf_clear(bufs[i]);
    timers->heap_count = timers->ahead_count = 0;
    timers->freeze_open = timers->failed = false;
    timers->next_due = UINT64_MAX;
}

// The passed position, from the store: untrusted.
static bool read_passed(rwd_timers *timers, rwd_error *err) {
    static const uint8_t mark[] = {MARK_PASSED};
    bool found;
    if (!rwd_store_get(timers->store, rwd_slice_of(mark, sizeof mark), &found, &timers->passed, err)) return false;
    if (timers->passed.size && (timers->passed.size < PREFIX || timers->passed.data[0] != MARK_TIMER))
        return rwd_fail(err, RWD_E_CORRUPT, "the position of the timers is not one");
    copy_buf(&timers->merged, &timers->passed);
    copy_buf(&timers->written_passed, &timers->passed);
    return true;
}

static bool open_parts(rwd_timers *timers, const char *checkpoint_dir, const char *live_dir, rwd_error *err) {
    char store_dir[RWD_PATH_MAX], from[RWD_PATH_MAX];
    if (!rwd_path_join(store_dir, live_dir, FOLDER, err)) return false;
    snprintf(timers->live_dir, sizeof timers->live_dir, "%s", live_dir);
    if (checkpoint_dir && (!rwd_path_join(from, checkpoint_dir, FOLDER, err) || !rwd_store_copy(from, store_dir, err))) return false;
    uint64_t cache = timers->budget->limit[RWD_SHARE_STORE] / 100 * CACHE_PERCENT;
    if (!rwd_store_open(store_dir, checkpoint_dir ? RWD_STORE_OPEN : RWD_STORE_CREATE, cache, &timers->store, err)) return false;
    return !checkpoint_dir || (read_passed(timers, err) && open_scan(timers, err));
}

static bool open_timers(rwd_participant *self, const char *checkpoint_dir, const char *live_dir, rwd_error *err) {
    rwd_timers *timers = timers_of(self);
    assert(!timers->store);
    if (!open_parts(timers, checkpoint_dir, live_dir, err)) {
        discard(self);
        return false;
    }
    find_next(timers);
    return true;
}

static uint64_t bytes(const rwd_participant *self) {
    const rwd_timers *timers = (const rwd_timers *)(const void *)self;
    return timers->current.bytes + timers->frozen.bytes;
}

static const rwd_participant_ops timers_ops = {
    .name = FOLDER, .freeze = freeze, .sweep = sweep, .write = write_frozen, .digest = digest, .thaw = thaw, .discard = discard,
    .open = open_timers, .bytes = bytes,
};

rwd_timers *rwd_timers_new(rwd_budget *budget) {
    rwd_timers *timers = rwd_calloc(1, sizeof *timers);
    timers->participant.ops = &timers_ops;
    timers->budget = budget;
    timers->current.fresh_due = timers->frozen.fresh_due = UINT64_MAX;
    timers->next_due = UINT64_MAX;
    return timers;
}

void rwd_timers_free(rwd_timers *timers) {
    if (!timers) return;
    discard(&timers->participant);
    rwd_buf *const bufs[] = {&timers->merged, &timers->passed, &timers->frozen_passed, &timers->written_passed, &timers->ahead_bytes, &timers->ahead_kept};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) rwd_buf_deinit(bufs[i]);
    free(timers->heap);
    free(timers);
}

rwd_participant *rwd_timers_participant(rwd_timers *timers) { return &timers->participant; }
