// Epochs: the first touch of a slot in an epoch, copying frozen versions out, the sweep; and the tables' participant.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "state/digest_file_private.h"
#include "state/tables_private.h"

#define SWEEP_AHEAD 16  // slots of a segment, and segments, fetched ahead

static rwd_tables *tables_of(rwd_participant *self) { return (rwd_tables *)(void *)self; }

// Store key and row in one run, at `out`.
static size_t write_entry(const rwd_geometry *g, uint16_t number, const rwd_slot *slot, uint8_t *out) {
    rwd_store_key_prefix(out, number, slot->hash);
    size_t at = RWD_STORE_KEY_PREFIX;
    memcpy(out + at, rwd_slot_key(slot), slot->key_size);
    at += slot->key_size;
    if (!slot->present) return at;
    memcpy(out + at, rwd_slot_row(g, slot), slot->row_size);
    return at + slot->row_size;
}

// T3. Puts the frozen version of a slot into the outbox and clears its bit. False if there is no memory (never with `must`).
static bool copy_out(rwd_tables *tables, rwd_table *table, rwd_segment *segment, uint32_t index, bool must) {
    rwd_slot *slot = rwd_segment_slot(&table->geometry, segment, index);
    // A key that came and went within the epoch is nothing to the store.
    if (slot->present || slot->base) {
        rwd_out_entry *entry = rwd_outbox_put(&tables->outbox, slot->present ? RWD_OUT_ROW : RWD_OUT_DELETE,
                                              RWD_STORE_KEY_PREFIX + slot->key_size, slot->present ? slot->row_size : 0, must);
        if (!entry) return false;
        write_entry(&table->geometry, rwd_table_number(tables, table), slot, rwd_out_bytes(entry));
    }
    rwd_segment_clear_bit(&table->geometry, segment, rwd_tables_parity(tables) ^ 1, index);
    tables->frozen_left--;
    return true;
}

void rwd_tables_first_touch(rwd_tables *tables, rwd_table *table, rwd_slot *slot) {
    const rwd_geometry *g = &table->geometry;
    rwd_segment *segment = rwd_pool_segment_of(&tables->pool, slot);
    uint32_t index = rwd_segment_index(g, segment, slot);
    unsigned parity = rwd_tables_parity(tables);
    if (tables->freeze_open && slot->epoch == tables->epoch - 1 && rwd_segment_bit(g, segment, parity ^ 1, index))
        copy_out(tables, table, segment, index, true);
    if (slot->present) {
        // T4. The slot holds what the freeze before this epoch had.
        size_t size = write_entry(g, rwd_table_number(tables, table), slot, tables->scratch.data);
        rwd_digest_sub(tables->delta[parity], rwd_hash_bucket(slot->hash),
                       rwd_digest_entry(tables->scratch.data, size, RWD_STORE_KEY_PREFIX + slot->key_size));
    }
    slot->base = slot->present;
    slot->epoch = tables->epoch;
    rwd_segment_set_bit(g, segment, parity, index);
    size_t entry = rwd_directory_entry(table, slot->hash);
    table->dirty_entries[parity][entry / 64] |= 1ull << (entry % 64);
    tables->dirty++;
    tables->dirty_bytes += g->slot_size + (slot->key_spilled ? slot->key_size : 0) + (slot->row_spilled ? slot->row_size : 0);
}

// ---------------------------------------------------------------------------------------------- freeze and sweep
// K1. Raises the epoch; nothing is copied.
static void freeze(rwd_participant *self, int64_t next_offset) {
    rwd_tables *tables = tables_of(self);
    assert(!tables->freeze_open && tables->store);
    tables->frozen.next_offset = next_offset;
    tables->frozen.epoch = tables->epoch;
    for (size_t i = 0; i < tables->count; i++) tables->frozen.keys[i] = tables->tables[i].keys;
    tables->frozen_left = tables->dirty;
    tables->freeze_open = true;
    tables->swept = false;
    tables->sweep_table = 0;
    tables->sweep_hash = 0;
    tables->dirty = 0;
    tables->dirty_bytes = 0;
    tables->epoch++;
}

// Copies out a segment's frozen slots. `*out_done` counts them; false if the outbox has no memory now.
static bool sweep_segment(rwd_tables *tables, rwd_table *table, rwd_segment *segment, size_t *out_done) {
    const rwd_geometry *g = &table->geometry;
    unsigned parity = rwd_tables_parity(tables) ^ 1;
    const uint64_t *bits = rwd_segment_dirty_bits(g, segment, parity);
    for (uint32_t word = 0; word < g->bitmap_words; word++) {
        uint64_t ahead = bits[word];
        for (unsigned i = 0; i < SWEEP_AHEAD && ahead; i++, ahead &= ahead - 1)
            __builtin_prefetch(rwd_segment_slot(g, segment, word * 64 + (uint32_t)__builtin_ctzll(ahead)));
        for (uint64_t left = bits[word]; left; left &= left - 1) {
            if (ahead) {
                __builtin_prefetch(rwd_segment_slot(g, segment, word * 64 + (uint32_t)__builtin_ctzll(ahead)));
                ahead &= ahead - 1;
            }
            if (!copy_out(tables, table, segment, word * 64 + (uint32_t)__builtin_ctzll(left), false)) return false;
            ++*out_done;
        }
    }
    return true;
}

// Moves the sweep to `entry` of its table (behind the last: to the next table), telling the writer which buckets are complete.
static void sweep_to(rwd_tables *tables, const rwd_table *table, size_t entry) {
    uint16_t number = (uint16_t)tables->sweep_table;
    if (entry == rwd_directory_entries(table)) {
        rwd_outbox_mark(&tables->outbox, number, RWD_BUCKETS);
        tables->sweep_table++;
        tables->sweep_hash = 0;
        return;
    }
    uint16_t bucket = rwd_hash_bucket(tables->sweep_hash);
    tables->sweep_hash = table->depth ? (uint64_t)entry << (64 - table->depth) : 0;
    if (rwd_hash_bucket(tables->sweep_hash) != bucket)
        rwd_outbox_mark(&tables->outbox, number, rwd_hash_bucket(tables->sweep_hash));
}

// The next segments with frozen slots, and the entries where they are met. Their memory is fetched ahead together: with few dirty keys
// among many, the sweep is nothing but waits for memory.
typedef struct sweep_window {
    rwd_segment *segments[SWEEP_AHEAD];
    size_t entries[SWEEP_AHEAD];
    size_t count;
} sweep_window;

static void look_ahead(const rwd_tables *tables, const rwd_table *table, sweep_window *window) {
    const rwd_geometry *g = &table->geometry;
    unsigned parity = rwd_tables_parity(tables) ^ 1;
    size_t entries = rwd_directory_entries(table), entry = rwd_directory_entry(table, tables->sweep_hash);
    for (window->count = 0; window->count < SWEEP_AHEAD; window->count++) {
        entry = rwd_directory_next_dirty(table, parity, entry);
        if (entry == entries) break;
        rwd_segment *segment = table->directory[entry];
        window->segments[window->count] = segment;
        window->entries[window->count] = entry;
        const uint8_t *bits = (const uint8_t *)rwd_segment_dirty_bits(g, segment, parity);
        __builtin_prefetch(segment);
        __builtin_prefetch(bits);
        __builtin_prefetch(bits + 64);
        while (entry < entries && table->directory[entry] == segment) entry++;
    }
    for (size_t i = 0; i < window->count; i++) {
        const uint64_t *bits = rwd_segment_dirty_bits(g, window->segments[i], parity);
        uint32_t word = 0;
        while (word + 1 < g->bitmap_words && !bits[word]) word++;
        if (!bits[word]) continue;
        const uint8_t *slot = (const uint8_t *)rwd_segment_slot(g, window->segments[i], word * 64 + (uint32_t)__builtin_ctzll(bits[word]));
        __builtin_prefetch(slot);
        __builtin_prefetch(slot + 64);
    }
}

static void end_sweep(rwd_tables *tables) {
    // Entries whose slots were all copied when they changed were not visited.
    for (size_t i = 0; i < tables->count; i++) rwd_directory_set_clean(&tables->tables[i], rwd_tables_parity(tables) ^ 1);
    rwd_outbox_end(&tables->outbox);
    tables->swept = true;
}

// Sweeps the segments of one window. False if the outbox has no memory now: the sweep goes on where it stopped.
static bool sweep_some(rwd_tables *tables, size_t limit, size_t *done) {
    assert(tables->sweep_table < tables->count);
    rwd_table *table = &tables->tables[tables->sweep_table];
    size_t entries = rwd_directory_entries(table), next = 0;
    sweep_window window;
    look_ahead(tables, table, &window);
    for (size_t i = 0; i < window.count; i++) {
        if (*done >= limit) return true;
        sweep_to(tables, table, window.entries[i]);
        if (!sweep_segment(tables, table, window.segments[i], done)) return false;
        ++*done;
        for (next = window.entries[i]; next < entries && table->directory[next] == window.segments[i];) next++;
        if (next < entries) sweep_to(tables, table, next);
    }
    if (window.count < SWEEP_AHEAD || next == entries) sweep_to(tables, table, entries);
    return true;
}

static bool sweep(rwd_participant *self, size_t limit) {
    rwd_tables *tables = tables_of(self);
    if (!tables->freeze_open || tables->swept) return true;
    for (size_t done = 0; tables->frozen_left > 0 && done < limit;) {
        if (!sweep_some(tables, limit, &done)) return false;
    }
    if (tables->frozen_left > 0) return false;
    end_sweep(tables);
    return true;
}

static void thaw(rwd_participant *self) {
    rwd_tables *tables = tables_of(self);
    assert(tables->freeze_open && tables->swept);
    tables->durable = tables->epoch - 1;
    tables->freeze_open = false;
}

// ---------------------------------------------------------------------------------------------- write, digest
static bool write_frozen(rwd_participant *self, const char *dir, rwd_error *err) {
    return rwd_tables_write_frozen(tables_of(self), dir, err);
}

static rwd_hash128 digest(rwd_participant *self) { return rwd_digest_root(tables_of(self)->base); }

// ---------------------------------------------------------------------------------------------- open and discard
static void discard(rwd_participant *self) {
    rwd_tables *tables = tables_of(self);
    rwd_warm_stop(tables->warm);
    tables->warm = NULL;
    rwd_store_close(tables->store);
    tables->store = NULL;
    rwd_budget_give(tables->budget, RWD_SHARE_STORE, tables->store_bytes);
    tables->store_bytes = 0;
    rwd_outbox_reset(&tables->outbox);
    for (size_t i = 0; i < tables->count; i++) {
        rwd_table *table = &tables->tables[i];
        rwd_directory_deinit(tables, table);
        table->keys = table->used = 0;
        table->complete = false;
        table->changed_count = 0;
        table->changed_bytes = 0;
    }
    rwd_pool_reset(&tables->pool);
    memset(tables->delta[0], 0, sizeof *tables->delta[0]);
    memset(tables->delta[1], 0, sizeof *tables->delta[1]);
    memset(tables->base, 0, sizeof *tables->base);
    tables->freeze_open = false;
    tables->dirty = tables->dirty_bytes = tables->frozen_left = 0;
}

static bool take_over(rwd_tables *tables, const char *checkpoint_dir, const char *store_dir, rwd_error *err) {
    uint64_t keys[RWD_TABLES_MAX];
    size_t count;
    if (!rwd_digest_file_read(checkpoint_dir, tables->base, keys, &count, err)) return false;
    if (count != tables->count) {
        rwd_fail(err, RWD_E_LOGIC_CHANGED, "the checkpoint has %zu tables, the job file has %zu", count, tables->count);
        return rwd_error_at(err, "%s", checkpoint_dir);
    }
    char from[RWD_PATH_MAX];
    if (!rwd_path_join(from, checkpoint_dir, RWD_TABLES_FOLDER, err) || !rwd_store_copy(from, store_dir, err)) return false;
    for (size_t i = 0; i < count; i++) {
        tables->tables[i].keys = keys[i];
        tables->tables[i].complete = keys[i] == 0;
        rwd_directory_expect(tables, &tables->tables[i], keys[i]);
    }
    return true;
}

static bool open_parts(rwd_tables *tables, const char *checkpoint_dir, const char *live_dir, rwd_error *err) {
    char store_dir[RWD_PATH_MAX];
    if (!rwd_path_join(store_dir, live_dir, RWD_TABLES_FOLDER, err)) return false;
    snprintf(tables->live_dir, sizeof tables->live_dir, "%s", live_dir);
    if (checkpoint_dir && !take_over(tables, checkpoint_dir, store_dir, err)) return false;
    uint64_t cache = tables->budget->limit[RWD_SHARE_STORE] / 2;
    if (!rwd_store_open(store_dir, checkpoint_dir ? RWD_STORE_OPEN : RWD_STORE_CREATE, cache, &tables->store, err)) return false;
    return !checkpoint_dir || rwd_warm_start(tables->store, &tables->warm, err);
}

static bool open_tables(rwd_participant *self, const char *checkpoint_dir, const char *live_dir, rwd_error *err) {
    rwd_tables *tables = tables_of(self);
    assert(!tables->store);
    tables->epoch = 1;
    tables->durable = 0;
    tables->swept = true;
    tables->warm_skipped = false;
    tables->evict_table = 0;
    tables->evict_hash = 0;
    tables->stats = (rwd_tables_stats){0};
    for (size_t i = 0; i < tables->count; i++) {
        rwd_table *table = &tables->tables[i];
        rwd_directory_init(tables, table);
        table->keys = 0;
        table->complete = !checkpoint_dir;
    }
    if (open_parts(tables, checkpoint_dir, live_dir, err)) return true;
    discard(self);
    return false;
}

static uint64_t bytes(const rwd_participant *self) {
    const rwd_tables *tables = (const rwd_tables *)(const void *)self;
    static const rwd_share shares[] = {RWD_SHARE_HOT, RWD_SHARE_FROZEN, RWD_SHARE_STORE};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        sum += atomic_load_explicit(&tables->budget->used[shares[i]], memory_order_relaxed);
    return sum;
}

const rwd_participant_ops rwd_tables_ops = {
    .name = RWD_TABLES_FOLDER,
    .freeze = freeze,
    .sweep = sweep,
    .write = write_frozen,
    .digest = digest,
    .thaw = thaw,
    .discard = discard,
    .open = open_tables,
    .bytes = bytes,
};
