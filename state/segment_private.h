// One segment of a hot table: control groups, dirty bitmaps, slots.
//
//   [header][groups: 16 bytes each][dirty bits of even epochs][of odd epochs][slots]
//
// A group is 15 tags and a count. A tag is 0 (free) or 0x80 | 7 bits of the hash. A key's home group follows from the low half of its hash; a key that
// finds its group full goes on to the next, and every group passed counts it. A search ends at a group that no key has passed. So there
// are no tombstones: taking a key out takes it off the counts on its way (the idea of Facebook's F14).
// The top bits of the hash choose the segment, so they say nothing inside it.
//
// What must stay true: used <= limit < slots, so every search finds a free slot in the end; a slot's dirty bit of parity p is set exactly while its
// version of the epoch of that parity has not been copied out.
//
// Thread: pipeline.
#ifndef STATE_SEGMENT_PRIVATE_H
#define STATE_SEGMENT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(RWD_GROUP_PORTABLE)
#include <emmintrin.h>
#endif

#include "operator/base/bytes.h"

#define RWD_GROUP_SLOTS 15
#define RWD_GROUP_PASSED 15        // index of the count
#define RWD_GROUP_PASSED_MAX 255   // a count that reached it stays: the group is passed for ever, which is slower but right

// What follows from a table's key and row sizes.
typedef struct rwd_geometry {
    uint32_t segment_size;
    uint32_t slot_size;
    uint32_t key_capacity;   // inline bytes of a key; a longer one is spilled and a pointer stands here
    uint32_t row_capacity;
    uint32_t group_count;
    uint32_t slot_count;
    uint32_t limit;          // most slots in use
    uint32_t bitmap_words;
    uint32_t bitmap_offset;
    uint32_t slots_offset;
} rwd_geometry;

typedef struct rwd_slot {
    uint64_t hash;
    uint32_t epoch;            // of its last change; 0: as the store has it since it was opened
    uint32_t change;           // its place in the table's list of changes, from 1; 0: it is not listed
    uint64_t row_size : 17;
    uint64_t key_size : 14;
    uint64_t present : 1;      // 0: there is no such key (never was, or deleted)
    uint64_t base : 1;         // the freeze before `epoch` had a row
    uint64_t key_spilled : 1;
    uint64_t row_spilled : 1;
    uint64_t referenced : 1;   // second chance
    uint64_t batch : 28;       // the resolve that touched it last: those of the current batch stay
} rwd_slot;                    // then the key, then the row
_Static_assert(sizeof(rwd_slot) == 24, "every byte here is paid for by every key");
#define RWD_BATCH_MASK ((1u << 28) - 1)

typedef struct rwd_segment {
    uint64_t first_hash;   // the least hash that belongs here: a prefix of `depth` bits, then zeroes
    uint16_t used;
    uint16_t absent;       // slots without a row
    uint16_t dirty[2];     // bits set, by parity
    uint16_t hand;         // where eviction goes on
    uint8_t depth;
    uint8_t padding[5];
} rwd_segment;

#define RWD_SEGMENT_HEADER 64u

static inline uint8_t *rwd_segment_groups(const rwd_segment *segment) { return (uint8_t *)(uintptr_t)segment + RWD_SEGMENT_HEADER; }
static inline uint64_t *rwd_segment_dirty_bits(const rwd_geometry *g, const rwd_segment *segment, unsigned parity) {
    return (uint64_t *)(void *)((uint8_t *)(uintptr_t)segment + g->bitmap_offset) + (size_t)parity * g->bitmap_words;
}
static inline rwd_slot *rwd_segment_slot(const rwd_geometry *g, const rwd_segment *segment, uint32_t index) {
    return (rwd_slot *)(void *)((uint8_t *)(uintptr_t)segment + g->slots_offset + (size_t)index * g->slot_size);
}
static inline uint32_t rwd_segment_index(const rwd_geometry *g, const rwd_segment *segment, const rwd_slot *slot) {
    return (uint32_t)((const uint8_t *)slot - (const uint8_t *)segment - g->slots_offset) / g->slot_size;
}
static inline bool rwd_segment_slot_used(const rwd_segment *segment, uint32_t index) {
    return rwd_segment_groups(segment)[index / RWD_GROUP_SLOTS * 16 + index % RWD_GROUP_SLOTS] != 0;
}

static inline uint32_t rwd_hash_group(const rwd_geometry *g, uint64_t hash) {
    return (uint32_t)(((hash & 0xFFFFFFFFu) * g->group_count) >> 32);
}
static inline uint8_t rwd_hash_tag(uint64_t hash) { return (uint8_t)(0x80 | ((hash >> 32) & 0x7F)); }

// Bit i: tag i of the group equals `tag`.
static inline uint32_t rwd_group_match(const uint8_t *group, uint8_t tag) {
#if defined(__SSE2__) && !defined(RWD_GROUP_PORTABLE)
    __m128i tags = _mm_loadu_si128((const __m128i *)(const void *)group);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) & 0x7FFF;
#else
    uint32_t mask = 0;
    for (unsigned i = 0; i < RWD_GROUP_SLOTS; i++) mask |= (uint32_t)(group[i] == tag) << i;
    return mask;
#endif
}

static inline uint8_t *rwd_slot_key_area(const rwd_slot *slot) { return (uint8_t *)(uintptr_t)slot + sizeof *slot; }
static inline uint8_t *rwd_slot_row_area(const rwd_geometry *g, const rwd_slot *slot) {
    return rwd_slot_key_area(slot) + g->key_capacity;
}
static inline uint8_t *rwd_slot_pointer(const uint8_t *area) {
    uint8_t *p;
    memcpy(&p, area, sizeof p);
    return p;
}
static inline const uint8_t *rwd_slot_key(const rwd_slot *slot) {
    const uint8_t *area = rwd_slot_key_area(slot);
    return slot->key_spilled ? rwd_slot_pointer(area) : area;
}
static inline uint8_t *rwd_slot_row(const rwd_geometry *g, const rwd_slot *slot) {
    uint8_t *area = rwd_slot_row_area(g, slot);
    return slot->row_spilled ? rwd_slot_pointer(area) : area;
}
static inline bool rwd_slot_is(const rwd_slot *slot, uint64_t hash, const uint8_t *key, uint32_t key_size) {
    return slot->hash == hash && slot->key_size == key_size && memcmp(rwd_slot_key(slot), key, key_size) == 0;
}

// The slot of a key, or NULL.
static inline rwd_slot *rwd_segment_find(const rwd_geometry *g, const rwd_segment *segment, uint64_t hash, const uint8_t *key,
                                         uint32_t key_size) {
    uint32_t at = rwd_hash_group(g, hash);
    const uint8_t *groups = rwd_segment_groups(segment);
    for (uint32_t probed = 0; probed < g->group_count; probed++) {
        const uint8_t *group = groups + (size_t)at * 16;
        for (uint32_t match = rwd_group_match(group, rwd_hash_tag(hash)); match; match &= match - 1) {
            rwd_slot *slot = rwd_segment_slot(g, segment, at * RWD_GROUP_SLOTS + (uint32_t)__builtin_ctz(match));
            if (rwd_slot_is(slot, hash, key, key_size)) return slot;
        }
        if (group[RWD_GROUP_PASSED] == 0) return NULL;
        if (++at == g->group_count) at = 0;
    }
    return NULL;
}

static inline bool rwd_segment_bit(const rwd_geometry *g, const rwd_segment *segment, unsigned parity, uint32_t index) {
    return rwd_segment_dirty_bits(g, segment, parity)[index / 64] >> (index % 64) & 1;
}
void rwd_segment_set_bit(const rwd_geometry *g, rwd_segment *segment, unsigned parity, uint32_t index);
void rwd_segment_clear_bit(const rwd_geometry *g, rwd_segment *segment, unsigned parity, uint32_t index);

// Sizes for a table. False if a slot does not fit a segment at least a few times (an impossible row is caught by the schema's bounds).
RWD_MUST bool rwd_geometry_init(rwd_geometry *g, uint32_t segment_size, uint32_t key_capacity, uint32_t row_capacity);

// Takes a free slot for `hash`: tags it and sets its hash; the rest of the slot is zero. Precondition: used < limit.
rwd_slot *rwd_segment_place(const rwd_geometry *g, rwd_segment *segment, uint64_t hash);
// Frees a slot. Its bits must be clear; its spilled blocks are the caller's business.
void rwd_segment_remove(const rwd_geometry *g, rwd_segment *segment, rwd_slot *slot);
// Moves the slots whose hash has the bit below the segment's prefix set into `upper` (empty), with their bits. Both get one bit deeper.
void rwd_segment_split(const rwd_geometry *g, rwd_segment *segment, rwd_segment *upper);

#endif
