// Placing, removing and splitting inside a segment. See segment_private.h.
#include "state/segment_private.h"

#include <assert.h>

// A load of 7/8 keeps the way to a free slot short: at this load one key in eight leaves its home group.
#define LIMIT_NUMERATOR 7
#define LIMIT_DENOMINATOR 8
#define GROUPS_MIN 2

static uint32_t round8(uint32_t n) { return (n + 7) & ~7u; }

bool rwd_geometry_init(rwd_geometry *g, uint32_t segment_size, uint32_t key_capacity, uint32_t row_capacity) {
    memset(g, 0, sizeof *g);
    g->segment_size = segment_size;
    g->key_capacity = round8(key_capacity);
    g->row_capacity = row_capacity < 8 ? 8 : row_capacity;  // room for the pointer to a spilled row
    g->slot_size = round8((uint32_t)sizeof(rwd_slot) + g->key_capacity + g->row_capacity);
    uint32_t group_bytes = 16 + RWD_GROUP_SLOTS * g->slot_size;
    for (uint32_t n = (segment_size - RWD_SEGMENT_HEADER) / group_bytes; n >= GROUPS_MIN; n--) {
        g->group_count = n;
        g->slot_count = n * RWD_GROUP_SLOTS;
        g->bitmap_words = (g->slot_count + 63) / 64;
        g->bitmap_offset = RWD_SEGMENT_HEADER + n * 16;
        g->slots_offset = g->bitmap_offset + 2 * g->bitmap_words * 8;
        g->limit = g->slot_count * LIMIT_NUMERATOR / LIMIT_DENOMINATOR;
        if (g->slots_offset + g->slot_count * g->slot_size <= segment_size) return true;
    }
    return false;
}

void rwd_segment_set_bit(const rwd_geometry *g, rwd_segment *segment, unsigned parity, uint32_t index) {
    uint64_t *word = rwd_segment_dirty_bits(g, segment, parity) + index / 64;
    uint64_t bit = 1ull << (index % 64);
    assert(!(*word & bit));
    *word |= bit;
    segment->dirty[parity]++;
}

void rwd_segment_clear_bit(const rwd_geometry *g, rwd_segment *segment, unsigned parity, uint32_t index) {
    uint64_t *word = rwd_segment_dirty_bits(g, segment, parity) + index / 64;
    uint64_t bit = 1ull << (index % 64);
    assert(*word & bit);
    *word &= ~bit;
    segment->dirty[parity]--;
}

rwd_slot *rwd_segment_place(const rwd_geometry *g, rwd_segment *segment, uint64_t hash) {
    assert(segment->used < g->limit);
    uint8_t *groups = rwd_segment_groups(segment);
    uint32_t at = rwd_hash_group(g, hash);
    for (;;) {
        uint8_t *group = groups + (size_t)at * 16;
        uint32_t free_tags = rwd_group_match(group, 0);
        if (free_tags) {
            uint32_t within = (uint32_t)__builtin_ctz(free_tags);
            group[within] = rwd_hash_tag(hash);
            segment->used++;
            rwd_slot *slot = rwd_segment_slot(g, segment, at * RWD_GROUP_SLOTS + within);
            memset(slot, 0, sizeof *slot);
            slot->hash = hash;
            return slot;
        }
        if (group[RWD_GROUP_PASSED] != RWD_GROUP_PASSED_MAX) group[RWD_GROUP_PASSED]++;
        if (++at == g->group_count) at = 0;
    }
}

void rwd_segment_remove(const rwd_geometry *g, rwd_segment *segment, rwd_slot *slot) {
    uint32_t index = rwd_segment_index(g, segment, slot);
    assert(!rwd_segment_bit(g, segment, 0, index) && !rwd_segment_bit(g, segment, 1, index));
    uint8_t *groups = rwd_segment_groups(segment);
    uint32_t own = index / RWD_GROUP_SLOTS;
    for (uint32_t at = rwd_hash_group(g, slot->hash); at != own;) {
        uint8_t *passed = groups + (size_t)at * 16 + RWD_GROUP_PASSED;
        if (*passed != RWD_GROUP_PASSED_MAX) (*passed)--;
        if (++at == g->group_count) at = 0;
    }
    groups[(size_t)own * 16 + index % RWD_GROUP_SLOTS] = 0;
    segment->used--;
}

static void move_slot(const rwd_geometry *g, rwd_segment *from, rwd_slot *slot, rwd_segment *to) {
    uint32_t index = rwd_segment_index(g, from, slot);
    rwd_slot *moved = rwd_segment_place(g, to, slot->hash);
    memcpy(moved, slot, g->slot_size);
    for (unsigned parity = 0; parity < 2; parity++) {
        if (!rwd_segment_bit(g, from, parity, index)) continue;
        rwd_segment_clear_bit(g, from, parity, index);
        rwd_segment_set_bit(g, to, parity, rwd_segment_index(g, to, moved));
    }
    if (!slot->present) {
        from->absent--;
        to->absent++;
    }
    rwd_segment_remove(g, from, slot);
}

void rwd_segment_split(const rwd_geometry *g, rwd_segment *segment, rwd_segment *upper) {
    assert(upper->used == 0 && segment->depth < 63);
    uint64_t bit = 1ull << (63 - segment->depth);
    segment->depth++;
    upper->depth = segment->depth;
    upper->first_hash = segment->first_hash | bit;
    for (uint32_t i = 0, left = segment->used; left > 0; i++) {
        if (!rwd_segment_slot_used(segment, i)) continue;
        left--;
        rwd_slot *slot = rwd_segment_slot(g, segment, i);
        if (slot->hash & bit) move_slot(g, segment, slot, upper);
    }
}
