// Room for one more slot. In this order: drop slots of keys that are not there, split, evict clean slots, take a whole clean segment from
// the greatest table.
//
// What must stay true: only slots that are clean, not of the current batch, and not listed as changed go (T2); so every
// key of the batch stays resolved.
#include <assert.h>

#include "state/tables_private.h"

#define EVICT_PORTION 16       // slots per eviction: the scan is paid once for several misses
#define RECLAIM_PROBES 64      // segments looked at for one that can be released
#define ROOM_TRIES 256         // looks for one slot: splits, purges, segments taken from elsewhere
#define ABSENT_WORTHWHILE 8    // a segment with an eighth of absent slots is purged before it is split

static bool may_go(const rwd_tables *tables, const rwd_slot *slot) {
    return slot->epoch <= tables->durable && slot->batch != tables->batch &&
           slot->change == 0;
}

static void drop(rwd_tables *tables, rwd_table *table, rwd_segment *segment, rwd_slot *slot) {
    if (slot->key_spilled) rwd_spill_give(&tables->pool, rwd_slot_pointer(rwd_slot_key_area(slot)), slot->key_size);
    if (slot->row_spilled)
        rwd_spill_give(&tables->pool, rwd_slot_pointer(rwd_slot_row_area(&table->geometry, slot)), slot->row_size);
    if (slot->present) table->complete = false;
    else segment->absent--;
    // W1: only a slot that says what the loader would say may go without ending the load.
    if (tables->warm && (slot->present || slot->epoch != 0)) {
        rwd_warm_stop(tables->warm);
        tables->warm = NULL;
    }
    rwd_segment_remove(&table->geometry, segment, slot);
    table->used--;
    tables->moves++;
}

// Drops slots without a row. Returns how many.
static uint32_t purge_absent(rwd_tables *tables, rwd_table *table, rwd_segment *segment) {
    uint32_t dropped = 0;
    for (uint32_t i = 0; i < table->geometry.slot_count && segment->absent > 0; i++) {
        if (!rwd_segment_slot_used(segment, i)) continue;
        rwd_slot *slot = rwd_segment_slot(&table->geometry, segment, i);
        if (slot->present || !may_go(tables, slot)) continue;
        drop(tables, table, segment, slot);
        dropped++;
    }
    return dropped;
}

// Second chance: a slot used since the hand last came by is passed once. Two rounds see every slot without its chance.
static uint32_t evict(rwd_tables *tables, rwd_table *table, rwd_segment *segment, uint32_t portion) {
    uint32_t dropped = 0, slots = table->geometry.slot_count;
    if (segment->used == segment->dirty[0] + segment->dirty[1]) return 0;
    for (uint32_t seen = 0; seen < 2 * slots && dropped < portion; seen++) {
        uint32_t at = segment->hand;
        segment->hand = (uint16_t)(at + 1 == slots ? 0 : at + 1);
        if (!rwd_segment_slot_used(segment, at)) continue;
        rwd_slot *slot = rwd_segment_slot(&table->geometry, segment, at);
        if (!may_go(tables, slot)) continue;
        if (slot->referenced) {
            slot->referenced = 0;
            continue;
        }
        drop(tables, table, segment, slot);
        dropped++;
    }
    tables->stats.evicted += dropped;
    return dropped;
}

// ---------------------------------------------------------------------------------------------- reclaim
static bool all_may_go(const rwd_tables *tables, const rwd_table *table, const rwd_segment *segment) {
    if (segment->dirty[0] || segment->dirty[1]) return false;
    for (uint32_t i = 0; i < table->geometry.slot_count; i++) {
        if (!rwd_segment_slot_used(segment, i)) continue;
        if (!may_go(tables, rwd_segment_slot(&table->geometry, segment, i))) return false;
    }
    return true;
}

static void drop_all(rwd_tables *tables, rwd_table *table, rwd_segment *segment) {
    tables->stats.evicted += segment->used;
    for (uint32_t i = 0; i < table->geometry.slot_count && segment->used; i++) {
        if (rwd_segment_slot_used(segment, i)) drop(tables, table, segment, rwd_segment_slot(&table->geometry, segment, i));
    }
}

static bool has_buddy(const rwd_table *table, const rwd_segment *segment) {
    if (segment->depth == 0) return false;
    uint64_t bit = 1ull << (64 - segment->depth);
    return rwd_directory_find(table, segment->first_hash ^ bit)->depth == segment->depth;
}

// Frees one segment of the table with the most of them, other than `spare`. True if one is free now.
static bool reclaim(rwd_tables *tables, const rwd_segment *spare) {
    rwd_table *greatest = tables->tables;
    for (size_t i = 1; i < tables->count; i++) {
        if (tables->tables[i].segments > greatest->segments) greatest = &tables->tables[i];
    }
    size_t mask = ((size_t)1 << greatest->depth) - 1;
    for (unsigned probe = 0; probe < RECLAIM_PROBES; probe++) {
        rwd_segment *segment = greatest->directory[greatest->release_hand & mask];
        greatest->release_hand = (greatest->release_hand + 1) & mask;
        if (segment == spare || !has_buddy(greatest, segment) || !all_may_go(tables, greatest, segment)) continue;
        drop_all(tables, greatest, segment);
        return rwd_directory_release(tables, greatest, segment);
    }
    return false;
}

// True if the table has less than an equal share of the segments: then another's segment is fairer than its own slots.
static bool below_fair_share(const rwd_tables *tables, const rwd_table *table) {
    return table->segments * tables->count * 2 < tables->pool.taken_count;
}

// ---------------------------------------------------------------------------------------------- room
rwd_segment *rwd_tables_room(rwd_tables *tables, rwd_table *table, uint64_t hash) {
    // Bounded: where all slots stay on one side of a split, the empty half could be reclaimed and split off again without end.
    for (unsigned tries = 0; tries < ROOM_TRIES; tries++) {
        rwd_segment *segment = rwd_directory_find(table, hash);
        if (segment->used < table->geometry.limit) return segment;
        if (segment->absent * ABSENT_WORTHWHILE > segment->used && purge_absent(tables, table, segment)) continue;
        if (rwd_directory_split(tables, table, segment)) continue;
        // Where a segment is free and the split failed all the same, the directory is at its bound: another segment would not help.
        bool short_of_segments = !tables->pool.free_segments;
        if (short_of_segments && below_fair_share(tables, table) && reclaim(tables, segment)) continue;
        if (evict(tables, table, segment, EVICT_PORTION)) continue;
        if (short_of_segments && reclaim(tables, segment)) continue;
        return NULL;
    }
    return NULL;
}

// One look at every segment: of the next one, everything that may go.
static uint32_t evict_next(rwd_tables *tables) {
    rwd_table *table = &tables->tables[tables->evict_table];
    rwd_segment *segment = rwd_directory_find(table, tables->evict_hash);
    if (!rwd_segment_end(segment, &tables->evict_hash)) {
        tables->evict_hash = 0;
        tables->evict_table = (tables->evict_table + 1) % tables->count;
    }
    return evict(tables, table, segment, table->geometry.slot_count);
}

static size_t all_segments(const rwd_tables *tables) {
    size_t count = 0;
    for (size_t i = 0; i < tables->count; i++) count += tables->tables[i].segments;
    return count;
}

// Only spilled keys and rows are freed slot by slot.
static bool spills(const rwd_tables *tables) { return tables->pool.big || tables->pool.taken_count > all_segments(tables); }

bool rwd_tables_shrink(rwd_tables *tables) {
    while (rwd_pool_over(&tables->pool) && reclaim(tables, NULL)) {}
    if (!spills(tables)) return !rwd_pool_over(&tables->pool);
    for (size_t probes = all_segments(tables); probes > 0 && rwd_pool_over(&tables->pool); probes--) (void)evict_next(tables);
    return !rwd_pool_over(&tables->pool);
}

// Whole segments are the quickest way to a free block: one becomes a slab for many, and the memory of a few makes a large one. Where no segment is clean as a
// whole, single slots may still free a block of the right class.
void *rwd_tables_spill(rwd_tables *tables, size_t size) {
    void *block = rwd_spill_take(&tables->pool, size, false);
    size_t enough = size / tables->pool.segment_size + 2;
    for (; !block && enough > 0 && reclaim(tables, NULL); enough--) block = rwd_spill_take(&tables->pool, size, false);
    for (size_t probes = all_segments(tables); !block && probes > 0; probes--)
        if (evict_next(tables)) block = rwd_spill_take(&tables->pool, size, false);
    return block;
}
