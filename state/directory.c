// Segments by the top bits of the hash: extendible hashing.
//
// What must stay true: the entries that point to a segment of depth d are the 2^(depth-d) ones whose top d bits are the segment's prefix.
#include <assert.h>
#include <stdlib.h>

#include "state/tables_private.h"

// Points the segment's entries at it.
static void enter(rwd_table *table, rwd_segment *segment) {
    size_t from = rwd_directory_entry(table, segment->first_hash);
    size_t count = (size_t)1 << (table->depth - segment->depth);
    for (size_t i = 0; i < count; i++) table->directory[from + i] = segment;
}

static size_t bit_words(size_t entries) { return (entries + 63) / 64; }
static size_t directory_bytes(size_t entries) { return entries * sizeof(rwd_segment *) + 2 * bit_words(entries) * sizeof(uint64_t); }

void rwd_directory_init(rwd_tables *tables, rwd_table *table) {
    table->directory = rwd_malloc(sizeof *table->directory);
    for (unsigned parity = 0; parity < 2; parity++) table->dirty_entries[parity] = rwd_calloc(1, sizeof(uint64_t));
    rwd_budget_take(tables->budget, RWD_SHARE_HOT, directory_bytes(1));
    table->depth = 0;
    table->directory[0] = rwd_pool_take(&tables->pool, true);
    table->segments = 1;
    table->used = 0;
    table->release_hand = 0;
    table->expected_depth = 0;
}

void rwd_directory_deinit(rwd_tables *tables, rwd_table *table) {
    if (!table->directory) return;
    rwd_budget_give(tables->budget, RWD_SHARE_HOT, directory_bytes(rwd_directory_entries(table)));
    free(table->directory);
    free(table->dirty_entries[0]);
    free(table->dirty_entries[1]);
    table->directory = NULL;
    table->segments = 0;
}

// Each entry becomes two; what was under a dirty one may be under either.
static uint64_t *double_bits(uint64_t *bits, size_t entries) {
    uint64_t *twice = rwd_calloc(bit_words(entries * 2), sizeof *twice);
    for (size_t i = 0; i < entries; i++) {
        if (bits[i / 64] >> (i % 64) & 1) twice[i * 2 / 64] |= 3ull << (i * 2 % 64);
    }
    free(bits);
    return twice;
}

static bool double_entries(rwd_tables *tables, rwd_table *table) {
    size_t old = rwd_directory_entries(table), more = directory_bytes(old * 2) - directory_bytes(old);
    if (table->depth == RWD_DIRECTORY_DEPTH_MAX || !rwd_budget_try(tables->budget, RWD_SHARE_HOT, more, 0)) return false;
    table->directory = rwd_realloc(table->directory, old * 2 * sizeof *table->directory);
    for (size_t i = old; i-- > 0;) table->directory[2 * i] = table->directory[2 * i + 1] = table->directory[i];
    for (unsigned parity = 0; parity < 2; parity++) table->dirty_entries[parity] = double_bits(table->dirty_entries[parity], old);
    table->depth++;
    return true;
}

size_t rwd_directory_next_dirty(const rwd_table *table, unsigned parity, size_t entry) {
    const uint64_t *bits = table->dirty_entries[parity];
    size_t entries = rwd_directory_entries(table);
    if (entry >= entries) return entries;
    uint64_t word = bits[entry / 64] & (~0ull << (entry % 64));
    for (size_t at = entry / 64;; word = bits[at]) {
        if (word) return at * 64 + (size_t)__builtin_ctzll(word);
        if (++at >= bit_words(entries)) return entries;
    }
}

void rwd_directory_set_clean(rwd_table *table, unsigned parity) {
    memset(table->dirty_entries[parity], 0, bit_words(rwd_directory_entries(table)) * sizeof(uint64_t));
}

// Hashes that crowd under one prefix must not inflate the directory.
static bool may_double(const rwd_table *table) { return rwd_directory_entries(table) * 2 <= (table->segments + 1) * RWD_DIRECTORY_SLACK; }

bool rwd_directory_split(rwd_tables *tables, rwd_table *table, rwd_segment *segment) {
    if (segment->depth == table->depth && table->depth == RWD_DIRECTORY_DEPTH_MAX) return false;
    rwd_segment *upper = rwd_pool_take(&tables->pool, false);
    if (!upper) return false;
    if (segment->depth == table->depth && !(may_double(table) && double_entries(tables, table))) {
        rwd_pool_give(&tables->pool, upper);
        return false;
    }
    if (segment->used) tables->stats.splits++;
    rwd_segment_split(&table->geometry, segment, upper);
    enter(table, upper);
    table->segments++;
    tables->moves++;
    return true;
}

void rwd_directory_expect(rwd_tables *tables, rwd_table *table, uint64_t keys) {
    // Hashes scatter: with segments nine tenths full on average one in a hundred is split once more.
    uint64_t per_segment = (uint64_t)table->geometry.limit * 9 / 10;
    table->expected_depth = 0;
    while (table->expected_depth < RWD_DIRECTORY_DEPTH_MAX && (per_segment << table->expected_depth) < keys) table->expected_depth++;
    while (table->depth < table->expected_depth && double_entries(tables, table)) continue;
}

bool rwd_segment_end(const rwd_segment *segment, uint64_t *out_hash) {
    if (segment->depth == 0) return false;
    return !__builtin_add_overflow(segment->first_hash, 1ull << (64 - segment->depth), out_hash);
}

bool rwd_directory_release(rwd_tables *tables, rwd_table *table, rwd_segment *segment) {
    assert(segment->used == 0);
    if (segment->depth == 0) return false;
    uint64_t bit = 1ull << (64 - segment->depth);
    rwd_segment *buddy = rwd_directory_find(table, segment->first_hash ^ bit);
    if (buddy->depth != segment->depth) return false;
    buddy->depth--;
    buddy->first_hash &= ~bit;
    enter(table, buddy);
    rwd_pool_give(&tables->pool, segment);
    table->segments--;
    tables->moves++;
    return true;
}
