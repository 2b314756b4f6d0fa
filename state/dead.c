// The index of open dead letters (dead.h).
//
// A *generation* is what changed between two freezes: entries as they are now, and marks of those that were closed. Look-ups ask the current generation, the frozen one, the store, in that order.
//
// What must stay true:
//   D1. The store that the pipeline sees has exactly what the newest durable checkpoint has; where that has none there is no store (NULL).
//   D2. The checkpoint thread reads the frozen generation and writes to `made`, which becomes the pipeline's store at thaw.
//
// Beside the entries the store's key 0x00 holds their digest and how many there are by reason: digest (16), and for each reason the size of its word (1), the word, open (8), failed for good (8).
#include "state/dead.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "state/store_private.h"

#define FOLDER "dead"
#define INCOMING_FILE "incoming-dead.sst"
#define KEY_BYTES 16u
#define FIXED_BYTES 30u           // of a value, before the reason's word
#define FIELD_MAX 4096u           // of a field's name: what the pipeline gives is shorter
#define SUMMARY_KEY 0u
#define CACHE_PERCENT 5           // of the store's share
#define READER_CACHE (1u << 20)
#define PRESSED_PERCENT 5         // of the hot share
#define FIRST_SLOTS 64u

typedef struct item {
    uint8_t key[KEY_BYTES];
    size_t at;                    // in values
    uint32_t size;                // 0: closed
} item;

typedef struct generation {
    item *items;                  // in order of the first change
    size_t count, capacity;
    uint32_t *slots;              // open addressing: index + 1, or 0
    size_t slot_count;            // a power of two, or 0
    rwd_buf values;
    uint64_t counted;             // bytes told to the budget
} generation;

// What is there in all: pipeline's, and a copy as of the freeze.
typedef struct totals {
    rwd_hash128 sum;
    uint64_t open[RWD_E_COUNT], failed[RWD_E_COUNT];
    uint64_t count;
} totals;

struct rwd_dead {
    rwd_participant participant;
    rwd_budget *budget;
    char live_dir[RWD_PATH_MAX];
    rwd_store *store;             // D1
    rwd_store *made;              // D2: checkpoint thread, while a freeze is open
    unsigned stores;              // folders made below live_dir
    uint64_t store_bytes;         // told to the budget: checkpoint thread; open, discard
    generation current, frozen;
    totals now, at_freeze;
    bool freeze_open;
    rwd_buf found;                // what find gave
    bool has_oldest, oldest_stale;
    uint8_t oldest[KEY_BYTES];    // of what is there; where stale: nothing below it is there
    int64_t oldest_us;
    bool broken;                  // the oldest could not be looked for: the next find says why
    rwd_error failure;
};

// ---------------------------------------------------------------------------------------------- keys and values
static void key_of(const rwd_dead_id *id, uint8_t out[KEY_BYTES]) {
    rwd_put_be64(out, (uint64_t)id->offset ^ (1ull << 63));
    rwd_put_be32(out + 8, id->inserted);
    rwd_put_be32(out + 12, id->ordinal);
}

static rwd_dead_id id_of(const uint8_t *key) {
    return (rwd_dead_id){.offset = (int64_t)(rwd_get_be64(key) ^ (1ull << 63)), .inserted = rwd_get_be32(key + 8), .ordinal = rwd_get_be32(key + 12)};
}

int rwd_dead_id_compare(const rwd_dead_id *a, const rwd_dead_id *b) {
    uint8_t x[KEY_BYTES], y[KEY_BYTES];
    key_of(a, x);
    key_of(b, y);
    return memcmp(x, y, KEY_BYTES);
}

static void append_value(const rwd_dead_entry *entry, rwd_buf *out) {
    uint8_t fixed[FIXED_BYTES];
    rwd_slice word = rwd_slice_str(rwd_code_name(entry->code));
    rwd_put_be64(fixed, (uint64_t)entry->time_us);
    rwd_hash128_put(entry->hash, fixed + 8);
    rwd_put_be32(fixed + 24, entry->attempts);
    fixed[28] = entry->failed;
    fixed[29] = (uint8_t)word.size;
    rwd_buf_append(out, fixed, sizeof fixed);
    rwd_buf_append_slice(out, word);
    rwd_buf_append(out, entry->field.data, entry->field.size < FIELD_MAX ? entry->field.size : FIELD_MAX);
}

static rwd_code code_of(rwd_slice word) {
    for (int code = RWD_E_NONE + 1; code < RWD_E_COUNT; code++)
        if (rwd_slice_equal(word, rwd_slice_str(rwd_code_name((rwd_code)code)))) return (rwd_code)code;
    return RWD_E_NONE;
}

static bool take_word(rwd_slice word, rwd_code *out, rwd_error *err) {
    *out = code_of(word);
    if (*out != RWD_E_NONE) return true;
    return rwd_fail(err, RWD_E_NEWER_FORMAT, "a dead letter's reason, '%.*s', is none that this version knows", (int)word.size, (const char *)word.data);
}

// From the store: untrusted.
static bool decode(rwd_slice key, rwd_slice value, rwd_dead_entry *out, rwd_error *err) {
    if (key.size != KEY_BYTES || value.size < FIXED_BYTES || value.data[28] > 1 || value.size - FIXED_BYTES < value.data[29])
        return rwd_fail(err, RWD_E_CORRUPT, "an entry of the dead letters is not one");
    size_t word = value.data[29];
    *out = (rwd_dead_entry){
        .id = id_of(key.data), .time_us = (int64_t)rwd_get_be64(value.data), .hash = rwd_hash128_get(value.data + 8), .attempts = rwd_get_be32(value.data + 24),
        .failed = value.data[28] == 1, .field = rwd_slice_of(value.data + FIXED_BYTES + word, value.size - FIXED_BYTES - word),
    };
    return take_word(rwd_slice_of(value.data + FIXED_BYTES, word), &out->code, err);
}

static rwd_hash128 hash_of(rwd_slice key, rwd_slice value, rwd_buf *scratch) {
    rwd_buf_clear(scratch);
    rwd_buf_append_slice(scratch, key);
    rwd_buf_append_slice(scratch, value);
    return rwd_hash128_of(scratch->data, scratch->size, RWD_DEAD_SEED);
}

static rwd_hash128 hash_of_entry(const rwd_dead_entry *entry) {
    uint8_t key[KEY_BYTES];
    rwd_buf bytes = {0};
    key_of(&entry->id, key);
    rwd_buf_append(&bytes, key, sizeof key);
    append_value(entry, &bytes);
    rwd_hash128 hash = rwd_hash128_of(bytes.data, bytes.size, RWD_DEAD_SEED);
    rwd_buf_deinit(&bytes);
    return hash;
}

static void count_in(totals *t, const rwd_dead_entry *entry) {
    t->sum = rwd_hash128_add(t->sum, hash_of_entry(entry));
    (entry->failed ? t->failed : t->open)[entry->code]++;
    t->count++;
}

static void count_out(totals *t, const rwd_dead_entry *entry) {
    t->sum = rwd_hash128_sub(t->sum, hash_of_entry(entry));
    (entry->failed ? t->failed : t->open)[entry->code]--;
    t->count--;
}

// ---------------------------------------------------------------------------------------------- generations
static void count_bytes(rwd_dead *dead, generation *g) {
    uint64_t bytes = g->capacity * sizeof *g->items + g->slot_count * sizeof *g->slots + g->values.capacity;
    if (bytes > g->counted) rwd_budget_take(dead->budget, RWD_SHARE_HOT, bytes - g->counted);
    g->counted = bytes;
}

static void generation_reset(rwd_dead *dead, generation *g) {
    free(g->items);
    free(g->slots);
    rwd_buf_deinit(&g->values);
    rwd_budget_give(dead->budget, RWD_SHARE_HOT, g->counted);
    *g = (generation){0};
}

static size_t slot_of(const generation *g, const uint8_t *key) {
    size_t at = (size_t)rwd_hash64(key, KEY_BYTES, 0) & (g->slot_count - 1);
    while (g->slots[at] && memcmp(g->items[g->slots[at] - 1].key, key, KEY_BYTES) != 0) at = (at + 1) & (g->slot_count - 1);
    return at;
}

static item *generation_find(const generation *g, const uint8_t *key) {
    if (g->count == 0) return NULL;
    uint32_t index = g->slots[slot_of(g, key)];
    return index ? &g->items[index - 1] : NULL;
}

static void grow(generation *g) {
    if (g->count == g->capacity) {
        g->capacity = g->capacity ? g->capacity * 2 : FIRST_SLOTS / 2;
        g->items = rwd_realloc(g->items, g->capacity * sizeof *g->items);
    }
    if (g->slot_count >= g->count * 2 + 2) return;
    free(g->slots);
    g->slot_count = g->slot_count ? g->slot_count * 2 : FIRST_SLOTS;
    g->slots = rwd_calloc(g->slot_count, sizeof *g->slots);
    for (size_t i = 0; i < g->count; i++) g->slots[slot_of(g, g->items[i].key)] = (uint32_t)i + 1;
}

// `entry` NULL: it is closed.
static void generation_set(rwd_dead *dead, const uint8_t *key, const rwd_dead_entry *entry) {
    generation *g = &dead->current;
    item *at = generation_find(g, key);
    if (!at) {
        grow(g);
        assert(g->count < UINT32_MAX);
        at = &g->items[g->count++];
        memcpy(at->key, key, KEY_BYTES);
        g->slots[slot_of(g, key)] = (uint32_t)g->count;
    }
    at->at = g->values.size;
    if (entry) append_value(entry, &g->values);
    at->size = (uint32_t)(g->values.size - at->at);
    count_bytes(dead, g);
}

static rwd_slice value_of(const generation *g, const item *i) { return rwd_slice_of(g->values.data + i->at, i->size); }

// ---------------------------------------------------------------------------------------------- adding, finding, closing
void rwd_dead_add(rwd_dead *dead, const rwd_dead_entry *entry) {
    assert(entry->code > RWD_E_NONE && entry->code < RWD_E_COUNT);
    uint8_t key[KEY_BYTES];
    key_of(&entry->id, key);
    generation_set(dead, key, entry);
    count_in(&dead->now, entry);
    if (dead->has_oldest) return;
    dead->has_oldest = true;
    dead->oldest_stale = false;
    memcpy(dead->oldest, key, KEY_BYTES);
    dead->oldest_us = entry->time_us;
}

// In memory: NULL if nothing is known of the key there.
static const item *find_in_memory(const rwd_dead *dead, const uint8_t *key, const generation **out) {
    const item *i = generation_find(&dead->current, key);
    *out = &dead->current;
    if (i) return i;
    *out = &dead->frozen;
    return generation_find(&dead->frozen, key);
}

bool rwd_dead_find(rwd_dead *dead, const rwd_dead_id *id, bool *out_found, rwd_dead_entry *out, rwd_error *err) {
    uint8_t key[KEY_BYTES];
    const generation *g;
    *out_found = false;
    if (dead->broken) {
        *err = dead->failure;
        return false;
    }
    if (dead->now.count == 0) return true;
    key_of(id, key);
    const item *i = find_in_memory(dead, key, &g);
    rwd_buf_clear(&dead->found);
    if (i) {
        *out_found = i->size > 0;
        rwd_buf_append_slice(&dead->found, value_of(g, i));
    } else if (dead->store && !rwd_store_get(dead->store, rwd_slice_of(key, sizeof key), out_found, &dead->found, err)) {
        return false;
    }
    return !*out_found || decode(rwd_slice_of(key, sizeof key), rwd_buf_slice(&dead->found), out, err);
}

void rwd_dead_change(rwd_dead *dead, const rwd_dead_entry *found, const rwd_dead_entry *now) {
    assert(rwd_dead_id_compare(&found->id, &now->id) == 0);
    uint8_t key[KEY_BYTES];
    key_of(&now->id, key);
    count_out(&dead->now, found);
    count_in(&dead->now, now);
    generation_set(dead, key, now);
}

void rwd_dead_close(rwd_dead *dead, const rwd_dead_entry *found) {
    uint8_t key[KEY_BYTES];
    key_of(&found->id, key);
    count_out(&dead->now, found);
    generation_set(dead, key, NULL);
    if (dead->now.count == 0) dead->has_oldest = false;
    else if (memcmp(key, dead->oldest, KEY_BYTES) == 0) dead->oldest_stale = true;
}

bool rwd_dead_pressed(const rwd_dead *dead) {
    return !dead->freeze_open && dead->current.counted > dead->budget->limit[RWD_SHARE_HOT] / 100 * PRESSED_PERCENT;
}

// ---------------------------------------------------------------------------------------------- the oldest
static void oldest_of(const generation *g, const rwd_dead *dead, const generation *newer, rwd_slice *key, rwd_slice *value) {
    for (size_t i = 0; i < g->count; i++) {
        const item *at = &g->items[i];
        if (at->size == 0 || memcmp(at->key, dead->oldest, KEY_BYTES) < 0 || (newer && generation_find(newer, at->key))) continue;
        if (key->data && memcmp(at->key, key->data, KEY_BYTES) >= 0) continue;
        *key = rwd_slice_of(at->key, KEY_BYTES);
        *value = value_of(g, at);
    }
}

static bool find_oldest(rwd_dead *dead, rwd_error *err) {
    rwd_slice key = {0}, value = {0}, stored_key, stored_value;
    const generation *ignored;
    oldest_of(&dead->current, dead, NULL, &key, &value);
    oldest_of(&dead->frozen, dead, &dead->current, &key, &value);
    rwd_store_scan *scan = dead->store ? rwd_store_scan_open(dead->store, rwd_slice_of(dead->oldest, KEY_BYTES), rwd_slice_of(NULL, 0)) : NULL;
    bool more = false;
    while (scan && (more = rwd_store_scan_next(scan, &stored_key, &stored_value)) && stored_key.size == KEY_BYTES && find_in_memory(dead, stored_key.data, &ignored)) continue;
    if (more && (!key.data || rwd_slice_compare(stored_key, key) < 0)) {
        key = stored_key;
        value = stored_value;
    }
    rwd_dead_entry entry;
    bool ok = (!scan || more || rwd_store_scan_ok(scan, err)) && (key.data || rwd_fail(err, RWD_E_CORRUPT, "of the dead letters not one is there")) &&
              decode(key, value, &entry, err);
    if (ok) {
        key_of(&entry.id, dead->oldest);
        dead->oldest_us = entry.time_us;
        dead->oldest_stale = false;
    }
    rwd_store_scan_close(scan);
    return ok;
}

void rwd_dead_get_stats(rwd_dead *dead, rwd_dead_stats *out) {
    *out = (rwd_dead_stats){.bytes = dead->current.counted + dead->frozen.counted};
    for (size_t i = 0; i < RWD_E_COUNT; i++) {
        out->open_total += out->open[i] = dead->now.open[i];
        out->failed_total += out->failed[i] = dead->now.failed[i];
    }
    if (dead->has_oldest && dead->oldest_stale && !dead->broken) dead->broken = !find_oldest(dead, &dead->failure);
    out->has_oldest = dead->has_oldest && !dead->oldest_stale;
    out->oldest = id_of(dead->oldest);
    out->oldest_us = dead->oldest_us;
}

// ---------------------------------------------------------------------------------------------- the participant
static rwd_dead *dead_of(rwd_participant *self) { return (rwd_dead *)(void *)self; }

static void freeze(rwd_participant *self, int64_t next_offset) {
    (void)next_offset;
    rwd_dead *dead = dead_of(self);
    assert(!dead->freeze_open && dead->frozen.count == 0);
    dead->frozen = dead->current;
    dead->current = (generation){0};
    dead->at_freeze = dead->now;
    dead->made = dead->store;
    dead->freeze_open = true;
}

static bool sweep(rwd_participant *self, size_t limit) {
    (void)self;
    (void)limit;
    return true;
}

static void append_summary(const totals *t, rwd_buf *out) {
    uint8_t bytes[16];
    rwd_hash128_put(t->sum, bytes);
    rwd_buf_append(out, bytes, sizeof bytes);
    for (int code = RWD_E_NONE + 1; code < RWD_E_COUNT; code++) {
        if (t->open[code] == 0 && t->failed[code] == 0) continue;
        rwd_slice word = rwd_slice_str(rwd_code_name((rwd_code)code));
        rwd_buf_append_char(out, (char)word.size);
        rwd_buf_append_slice(out, word);
        rwd_put_be64(bytes, t->open[code]);
        rwd_put_be64(bytes + 8, t->failed[code]);
        rwd_buf_append(out, bytes, sizeof bytes);
    }
}

// Untrusted.
static bool decode_summary(rwd_slice bytes, totals *out, rwd_error *err) {
    rwd_reader reader = rwd_reader_of(bytes);
    rwd_slice piece;
    *out = (totals){0};
    bool ok = rwd_reader_take(&reader, 16, &piece);
    if (ok) out->sum = rwd_hash128_get(piece.data);
    while (ok && rwd_reader_left(&reader)) {
        uint8_t size;
        rwd_slice word;
        rwd_code code;
        ok = rwd_reader_u8(&reader, &size) && rwd_reader_take(&reader, size, &word) && rwd_reader_take(&reader, 16, &piece);
        if (!ok) break;
        if (!take_word(word, &code, err)) return false;
        out->open[code] = rwd_get_be64(piece.data);
        out->failed[code] = rwd_get_be64(piece.data + 8);
        out->count += out->open[code] + out->failed[code];
    }
    return ok || rwd_fail(err, RWD_E_CORRUPT, "the summary of the dead letters is not one");
}

static int by_key(const void *a, const void *b) {
    const item *const *x = a, *const *y = b;
    return memcmp((*x)->key, (*y)->key, KEY_BYTES);
}

static bool write_items(const generation *g, rwd_store_file *file, rwd_error *err) {
    const item **sorted = rwd_malloc((g->count + 1) * sizeof *sorted);
    for (size_t i = 0; i < g->count; i++) sorted[i] = &g->items[i];
    qsort(sorted, g->count, sizeof *sorted, by_key);
    bool ok = true;
    for (size_t i = 0; ok && i < g->count; i++) {
        rwd_slice key = rwd_slice_of(sorted[i]->key, KEY_BYTES);
        ok = sorted[i]->size ? rwd_store_file_put(file, key, value_of(g, sorted[i]), err) : rwd_store_file_delete(file, key, err);
    }
    free(sorted);
    return ok;
}

static bool write_file(rwd_dead *dead, rwd_error *err) {
    static const uint8_t summary_key[] = {SUMMARY_KEY};
    char path[RWD_PATH_MAX];
    rwd_store_file *file;
    if (!rwd_path_join(path, dead->live_dir, INCOMING_FILE, err) || !rwd_store_file_begin(dead->made, path, &file, err)) return false;
    rwd_buf summary = {0};
    append_summary(&dead->at_freeze, &summary);
    bool ok = rwd_store_file_put(file, rwd_slice_of(summary_key, sizeof summary_key), rwd_buf_slice(&summary), err) && write_items(&dead->frozen, file, err);
    rwd_buf_deinit(&summary);
    if (ok) return rwd_store_file_ingest(file, err);
    rwd_store_file_abandon(file);
    return false;
}

static bool store_folder(rwd_dead *dead, char out[RWD_PATH_MAX], rwd_error *err) {
    char name[32];
    (void)snprintf(name, sizeof name, FOLDER "-%u", ++dead->stores);
    return rwd_path_join(out, dead->live_dir, name, err);
}

static bool open_store(rwd_dead *dead, const char *dir, rwd_store_mode mode, rwd_store **out, rwd_error *err) {
    return rwd_store_open(dir, mode, dead->budget->limit[RWD_SHARE_STORE] / 100 * CACHE_PERCENT, out, err);
}

// Thread: checkpoint.
static bool write_frozen(rwd_participant *self, const char *dir, rwd_error *err) {
    rwd_dead *dead = dead_of(self);
    char folder[RWD_PATH_MAX];
    if (dead->at_freeze.count == 0) return true;
    if (!dead->made && (!store_folder(dead, folder, err) || !open_store(dead, folder, RWD_STORE_CREATE, &dead->made, err))) return false;
    if (dead->frozen.count > 0 && !write_file(dead, err)) return false;
    if (!rwd_path_join(folder, dir, FOLDER, err) || !rwd_store_checkpoint(dead->made, folder, err)) return false;
    rwd_store_count_memory(dead->made, dead->budget, &dead->store_bytes);
    return true;
}

static rwd_hash128 digest(rwd_participant *self) { return dead_of(self)->at_freeze.sum; }

static void close_store(rwd_dead *dead) {
    if (dead->made != dead->store) rwd_store_close(dead->made);
    rwd_store_close(dead->store);
    dead->store = dead->made = NULL;
    rwd_budget_give(dead->budget, RWD_SHARE_STORE, dead->store_bytes);
    dead->store_bytes = 0;
}

static void thaw(rwd_participant *self) {
    rwd_dead *dead = dead_of(self);
    assert(dead->freeze_open);
    dead->freeze_open = false;
    generation_reset(dead, &dead->frozen);
    if (dead->at_freeze.count == 0) close_store(dead);
    else dead->store = dead->made;
    dead->made = NULL;
}

static void discard(rwd_participant *self) {
    rwd_dead *dead = dead_of(self);
    if (!dead->made) dead->made = dead->store;
    close_store(dead);
    generation_reset(dead, &dead->current);
    generation_reset(dead, &dead->frozen);
    dead->now = dead->at_freeze = (totals){0};
    dead->freeze_open = dead->has_oldest = dead->oldest_stale = dead->broken = false;
}

static bool read_summary(rwd_store *store, totals *out, rwd_error *err) {
    static const uint8_t key[] = {SUMMARY_KEY};
    rwd_buf bytes = {0};
    bool found, ok = rwd_store_get(store, rwd_slice_of(key, sizeof key), &found, &bytes, err);
    ok = ok && (found || rwd_fail(err, RWD_E_CORRUPT, "the summary of the dead letters is missing")) && decode_summary(rwd_buf_slice(&bytes), out, err);
    rwd_buf_deinit(&bytes);
    return ok;
}

static bool open_parts(rwd_dead *dead, const char *checkpoint_dir, rwd_error *err) {
    char from[RWD_PATH_MAX], to[RWD_PATH_MAX];
    if (!checkpoint_dir) return true;
    if (!rwd_path_join(from, checkpoint_dir, FOLDER, err)) return false;
    if (!rwd_path_exists(from)) return true;
    if (!store_folder(dead, to, err) || !rwd_store_copy(from, to, err) || !open_store(dead, to, RWD_STORE_OPEN, &dead->store, err)) return false;
    if (!read_summary(dead->store, &dead->now, err)) return false;
    memset(dead->oldest, 0, KEY_BYTES);
    dead->oldest[0] = SUMMARY_KEY + 1;  // the least key of an entry, and none is below it
    dead->has_oldest = dead->oldest_stale = dead->now.count > 0;
    return true;
}

static bool open_dead(rwd_participant *self, const char *checkpoint_dir, const char *live_dir, rwd_error *err) {
    rwd_dead *dead = dead_of(self);
    assert(!dead->store);
    (void)snprintf(dead->live_dir, sizeof dead->live_dir, "%s", live_dir);
    if (open_parts(dead, checkpoint_dir, err)) return true;
    discard(self);
    return false;
}

static uint64_t bytes(const rwd_participant *self) {
    const rwd_dead *dead = (const rwd_dead *)(const void *)self;
    return dead->current.counted + dead->frozen.counted;
}

static const rwd_participant_ops dead_ops = {
    .name = FOLDER, .freeze = freeze, .sweep = sweep, .write = write_frozen, .digest = digest, .thaw = thaw, .discard = discard, .open = open_dead, .bytes = bytes,
};

rwd_dead *rwd_dead_new(rwd_budget *budget) {
    rwd_dead *dead = rwd_calloc(1, sizeof *dead);
    dead->participant.ops = &dead_ops;
    dead->budget = budget;
    return dead;
}

void rwd_dead_free(rwd_dead *dead) {
    if (!dead) return;
    discard(&dead->participant);
    rwd_buf_deinit(&dead->found);
    free(dead);
}

rwd_participant *rwd_dead_participant(rwd_dead *dead) { return &dead->participant; }

// ---------------------------------------------------------------------------------------------- a finished checkpoint
struct rwd_dead_reader {
    rwd_store *store;             // NULL: the checkpoint has none
    rwd_store_scan *scan;
    totals stored;
    rwd_slice key, value;         // of the newest entry
};

bool rwd_dead_reader_open(const char *checkpoint_dir, rwd_dead_reader **out, rwd_error *err) {
    char dir[RWD_PATH_MAX];
    rwd_dead_reader *reader = rwd_calloc(1, sizeof *reader);
    bool ok = rwd_path_join(dir, checkpoint_dir, FOLDER, err);
    if (ok && rwd_path_exists(dir)) ok = rwd_store_open(dir, RWD_STORE_READ_ONLY, READER_CACHE, &reader->store, err) && read_summary(reader->store, &reader->stored, err);
    if (!ok) {
        rwd_dead_reader_close(reader);
        return false;
    }
    rwd_dead_reader_seek(reader, INT64_MIN);
    *out = reader;
    return true;
}

void rwd_dead_reader_seek(rwd_dead_reader *reader, int64_t offset) {
    uint8_t key[KEY_BYTES];
    key_of(&(rwd_dead_id){.offset = offset < 0 ? 0 : offset}, key);
    rwd_store_scan_close(reader->scan);
    reader->scan = reader->store ? rwd_store_scan_open(reader->store, rwd_slice_of(key, sizeof key), rwd_slice_of(NULL, 0)) : NULL;
}

bool rwd_dead_reader_next(rwd_dead_reader *reader, bool *out_found, rwd_dead_entry *out, rwd_error *err) {
    *out_found = reader->scan && rwd_store_scan_next(reader->scan, &reader->key, &reader->value);
    if (!*out_found) return !reader->scan || rwd_store_scan_ok(reader->scan, err);
    return decode(reader->key, reader->value, out, err);
}

void rwd_dead_reader_close(rwd_dead_reader *reader) {
    if (!reader) return;
    rwd_store_scan_close(reader->scan);
    rwd_store_close(reader->store);
    free(reader);
}

bool rwd_dead_scan_digest(const char *checkpoint_dir, rwd_hash128 *out, rwd_error *err) {
    rwd_dead_reader *reader;
    rwd_buf scratch = {0};
    *out = (rwd_hash128){0};
    if (!rwd_dead_reader_open(checkpoint_dir, &reader, err)) return false;
    bool ok, found = true;
    uint64_t count = 0;
    rwd_dead_entry entry;
    while ((ok = rwd_dead_reader_next(reader, &found, &entry, err)) && found) {
        *out = rwd_hash128_add(*out, hash_of(reader->key, reader->value, &scratch));
        count++;
    }
    if (ok && (count != reader->stored.count || !rwd_hash128_equal(*out, reader->stored.sum)))
        ok = rwd_fail(err, RWD_E_DIGEST_MISMATCH, "%llu dead letters are there, and there should be %llu, or others", (unsigned long long)count,
                      (unsigned long long)reader->stored.count);
    rwd_buf_deinit(&scratch);
    rwd_dead_reader_close(reader);
    return ok;
}

// One side of a comparison, at its next entry.
typedef struct side {
    rwd_dead_reader *reader;
    bool has;
    rwd_dead_entry entry;
} side;

static bool step(side *s, rwd_error *err) { return rwd_dead_reader_next(s->reader, &s->has, &s->entry, err); }

static bool compare_next(side *a, side *b, rwd_dead_difference visit, void *context, rwd_error *err) {
    int order = !a->has ? 1 : !b->has ? -1 : rwd_dead_id_compare(&a->entry.id, &b->entry.id);
    bool same = order == 0 && rwd_slice_equal(a->reader->value, b->reader->value);
    if (!same && !visit(context, order <= 0 ? &a->entry : NULL, order >= 0 ? &b->entry : NULL, err)) return false;
    return (order > 0 || step(a, err)) && (order < 0 || step(b, err));
}

static bool compare_all(side *a, side *b, rwd_dead_difference visit, void *context, rwd_error *err) {
    if (rwd_hash128_equal(a->reader->stored.sum, b->reader->stored.sum) && a->reader->stored.count == b->reader->stored.count) return true;
    if (!step(a, err) || !step(b, err)) return false;
    while (a->has || b->has)
        if (!compare_next(a, b, visit, context, err)) return false;
    return true;
}

bool rwd_dead_compare(const char *dir_a, const char *dir_b, rwd_dead_difference visit, void *context, rwd_error *err) {
    side a = {0}, b = {0};
    bool ok = rwd_dead_reader_open(dir_a, &a.reader, err) && rwd_dead_reader_open(dir_b, &b.reader, err) && compare_all(&a, &b, visit, context, err);
    rwd_dead_reader_close(a.reader);
    rwd_dead_reader_close(b.reader);
    return ok;
}
