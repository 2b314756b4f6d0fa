// Segments from mapped chunks, and the spill arena. See pool_private.h.
//
// What must stay true: every segment is either in the free list, or bare, or handed out as a table's segment, or a slab; bare ones have no memory and are not
// accounted; a slab is in the partial list of its class exactly while it has a free block; a slab without live blocks does not exist.
#include "state/pool_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "operator/base/bytes.h"

struct rwd_slab {
    rwd_slab *next, *previous;
    void *free_blocks;       // linked through their first word
    uint32_t class_index;
    uint32_t live;           // blocks handed out
    uint32_t fresh;          // offset behind the last block ever handed out
    bool listed;
};

#define SLAB_HEADER 64u
_Static_assert(sizeof(rwd_slab) <= SLAB_HEADER, "blocks begin behind the slab's header");

static size_t class_size(unsigned class_index) {
    size_t base = (size_t)32 << (class_index / 2);
    return class_index % 2 ? base + base / 2 : base;
}

// The smallest class that holds `size`, or RWD_SPILL_CLASSES if it needs a mapping of its own.
static unsigned class_of(const rwd_pool *pool, size_t size) {
    if (size > pool->segment_size / 4) return RWD_SPILL_CLASSES;
    for (unsigned i = 0; i < RWD_SPILL_CLASSES; i++) {
        if (class_size(i) >= size) return i;
    }
    return RWD_SPILL_CLASSES;
}

// In front of a block that has a mapping of its own.
typedef struct rwd_big_block {
    struct rwd_big_block *next, *previous;
    size_t bytes;
} rwd_big_block;
#define BIG_HEADER 64u
#define BIG_SHARE 16  // one part in so many of the HOT share

static size_t big_size(size_t size) { return (size + BIG_HEADER + 4095) & ~(size_t)4095; }

void rwd_pool_init(rwd_pool *pool, rwd_budget *budget, uint32_t segment_size, uint32_t chunk_size) {
    assert((segment_size & (segment_size - 1)) == 0 && (chunk_size & (chunk_size - 1)) == 0);
    assert(segment_size >= 2048 && segment_size <= chunk_size);
    memset(pool, 0, sizeof *pool);
    pool->budget = budget;
    pool->segment_size = segment_size;
    pool->chunk_size = chunk_size;
}

static void give_big(rwd_pool *pool, rwd_big_block *block) {
    size_t bytes = block->bytes;
    if (block->previous) block->previous->next = block->next;
    else pool->big = block->next;
    if (block->next) block->next->previous = block->previous;
    munmap(block, bytes);
    rwd_budget_give(pool->budget, RWD_SHARE_HOT, bytes);
    pool->mapped_bytes -= bytes;
}

void rwd_pool_reset(rwd_pool *pool) {
    while (pool->big) give_big(pool, pool->big);
    rwd_feeder_stop(pool->feeder);
    rwd_budget_take(pool->budget, RWD_SHARE_HOT, pool->bare_count * pool->segment_size);  // chunks are given as wholes
    free(pool->bare);
    for (size_t i = 0; i < pool->chunk_count; i++) rwd_chunk_unmap(pool->budget, pool->chunks[i], pool->chunk_size);
    free(pool->chunks);
    rwd_pool_init(pool, pool->budget, pool->segment_size, pool->chunk_size);
}

// Chunks stay for good; a part of the share is kept from them, so that a large block can always be had by giving up others.
static uint64_t kept_from_chunks(const rwd_pool *pool) { return pool->budget->limit[RWD_SHARE_HOT] / BIG_SHARE; }

// `must`: over the share, if need be.
static bool take_share(rwd_pool *pool, uint64_t bytes, uint64_t kept, bool must) {
    if (rwd_budget_try(pool->budget, RWD_SHARE_HOT, bytes, kept)) return true;
    if (must) rwd_budget_take(pool->budget, RWD_SHARE_HOT, bytes);
    return must;
}

// A chunk that is ready, or one mapped here.
static void *new_chunk(rwd_pool *pool, bool must) {
    if (!pool->feeder && !pool->unfed) {
        pool->feeder = rwd_feeder_start(pool->budget, pool->chunk_size, kept_from_chunks(pool));
        pool->unfed = !pool->feeder;
    }
    void *chunk = pool->feeder ? rwd_feeder_take(pool->feeder) : NULL;
    if (chunk) return chunk;
    if (!rwd_budget_try(pool->budget, RWD_SHARE_HOT, pool->chunk_size, kept_from_chunks(pool))) {
        // What was left of the share since that look, the feeder may have taken: then it makes a chunk of it now.
        chunk = pool->feeder ? rwd_feeder_take(pool->feeder) : NULL;
        if (chunk || !must) return chunk;
        rwd_budget_take(pool->budget, RWD_SHARE_HOT, pool->chunk_size);
    }
    return rwd_chunk_map(pool->chunk_size);
}

static bool map_chunk(rwd_pool *pool, bool must) {
    uint8_t *chunk = new_chunk(pool, must);
    if (!chunk) return false;
    if (pool->chunk_count == pool->chunk_capacity) {
        pool->chunk_capacity = pool->chunk_capacity ? pool->chunk_capacity * 2 : 64;
        pool->chunks = rwd_realloc(pool->chunks, pool->chunk_capacity * sizeof *pool->chunks);
    }
    pool->chunks[pool->chunk_count++] = chunk;
    pool->mapped_bytes += pool->chunk_size;
    for (size_t at = pool->chunk_size; at > 0; at -= pool->segment_size) {
        void **segment = (void *)(chunk + at - pool->segment_size);
        *segment = pool->free_segments;
        pool->free_segments = segment;
    }
    pool->free_count += pool->chunk_size / pool->segment_size;
    return true;
}

static uint64_t used_of_share(const rwd_pool *pool) { return atomic_load_explicit(&pool->budget->used[RWD_SHARE_HOT], memory_order_relaxed); }

// Gives a free segment's memory to the system. Its addresses stay ours.
static void strip(rwd_pool *pool, void *segment) {
    if (pool->bare_count == pool->bare_capacity) {
        pool->bare_capacity = pool->bare_capacity ? pool->bare_capacity * 2 : 64;
        pool->bare = rwd_realloc(pool->bare, pool->bare_capacity * sizeof *pool->bare);
    }
    if (madvise(segment, pool->segment_size, MADV_DONTNEED) != 0) memset(segment, 0, pool->segment_size);
    pool->bare[pool->bare_count++] = segment;
    pool->mapped_bytes -= pool->segment_size;
    rwd_budget_give(pool->budget, RWD_SHARE_HOT, pool->segment_size);
}

// Free segments make room for `bytes` of the share.
static void trim(rwd_pool *pool, uint64_t bytes) {
    while (pool->free_segments && used_of_share(pool) + bytes > pool->budget->limit[RWD_SHARE_HOT]) {
        void **segment = pool->free_segments;
        pool->free_segments = *segment;
        pool->free_count--;
        strip(pool, segment);
    }
}

// A bare segment gets memory again.
static void *dress(rwd_pool *pool, bool must) {
    if (pool->bare_count == 0) return NULL;
    if (!take_share(pool, pool->segment_size, kept_from_chunks(pool), must)) return NULL;
    pool->mapped_bytes += pool->segment_size;
    pool->taken_count++;
    return pool->bare[--pool->bare_count];
}

void *rwd_pool_take(rwd_pool *pool, bool must) {
    void *bare = pool->free_segments ? NULL : dress(pool, must);
    if (bare) return bare;
    if (!pool->free_segments && !map_chunk(pool, must)) return NULL;
    void **segment = pool->free_segments;
    pool->free_segments = *segment;
    pool->free_count--;
    pool->taken_count++;
    *segment = NULL;
    return segment;
}

void rwd_pool_give(rwd_pool *pool, void *segment) {
    assert(pool->taken_count > 0);
    pool->taken_count--;
    if (used_of_share(pool) > pool->budget->limit[RWD_SHARE_HOT]) {
        strip(pool, segment);
        return;
    }
    memset(segment, 0, pool->segment_size);
    *(void **)segment = pool->free_segments;
    pool->free_segments = segment;
    pool->free_count++;
}

// ---------------------------------------------------------------------------------------------- spill arena
static void list_slab(rwd_pool *pool, rwd_slab *slab) {
    rwd_slab **head = &pool->partial[slab->class_index];
    slab->previous = NULL;
    slab->next = *head;
    if (*head) (*head)->previous = slab;
    *head = slab;
    slab->listed = true;
}

static void unlist_slab(rwd_pool *pool, rwd_slab *slab) {
    if (slab->previous) slab->previous->next = slab->next;
    else pool->partial[slab->class_index] = slab->next;
    if (slab->next) slab->next->previous = slab->previous;
    slab->listed = false;
}

static bool slab_is_full(const rwd_pool *pool, const rwd_slab *slab) {
    return !slab->free_blocks && slab->fresh + class_size(slab->class_index) > pool->segment_size;
}

static void *take_big(rwd_pool *pool, size_t size, bool must) {
    size_t bytes = big_size(size);
    trim(pool, bytes);
    if (!take_share(pool, bytes, 0, must)) return NULL;
    rwd_big_block *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
        fputs("rewind: out of memory\n", stderr);
        abort();
    }
    *block = (rwd_big_block){.next = pool->big, .bytes = bytes};
    if (pool->big) pool->big->previous = block;
    pool->big = block;
    pool->mapped_bytes += bytes;
    return (uint8_t *)block + BIG_HEADER;
}

void *rwd_spill_take(rwd_pool *pool, size_t size, bool must) {
    unsigned class_index = class_of(pool, size);
    if (class_index == RWD_SPILL_CLASSES) return take_big(pool, size, must);
    rwd_slab *slab = pool->partial[class_index];
    if (!slab) {
        slab = rwd_pool_take(pool, must);
        if (!slab) return NULL;
        slab->class_index = class_index;
        slab->fresh = SLAB_HEADER;
        list_slab(pool, slab);
        pool->slab_free_bytes += pool->segment_size;
    }
    void **block = slab->free_blocks;
    if (block) {
        slab->free_blocks = *block;
    } else {
        block = (void *)((uint8_t *)slab + slab->fresh);
        slab->fresh += (uint32_t)class_size(class_index);
    }
    slab->live++;
    pool->slab_free_bytes -= class_size(class_index);
    if (slab_is_full(pool, slab)) unlist_slab(pool, slab);
    return block;
}

void rwd_spill_give(rwd_pool *pool, void *block, size_t size) {
    if (class_of(pool, size) == RWD_SPILL_CLASSES) {
        give_big(pool, (rwd_big_block *)(void *)((uint8_t *)block - BIG_HEADER));
        return;
    }
    rwd_slab *slab = rwd_pool_segment_of(pool, block);
    assert(slab->live > 0 && slab->class_index == class_of(pool, size));
    *(void **)block = slab->free_blocks;
    slab->free_blocks = block;
    slab->live--;
    pool->slab_free_bytes += class_size(slab->class_index);
    if (!slab->listed) list_slab(pool, slab);
    if (slab->live == 0) {
        unlist_slab(pool, slab);
        pool->slab_free_bytes -= pool->segment_size;
        rwd_pool_give(pool, slab);
    }
}

// Free blocks of slabs count by half: not all of them have a size that is asked for.
bool rwd_pool_over(rwd_pool *pool) {
    trim(pool, 0);
    return used_of_share(pool) > pool->budget->limit[RWD_SHARE_HOT] + pool->slab_free_bytes / 2;
}

bool rwd_pool_fits(const rwd_pool *pool, size_t size) {
    uint64_t large = 2 * (uint64_t)big_size(size), chunks = pool->free_count >= 2 ? 0 : 2ull * pool->chunk_size + kept_from_chunks(pool);
    return rwd_budget_fits(pool->budget, RWD_SHARE_HOT, large + chunks);
}

bool rwd_spill_same_class(const rwd_pool *pool, size_t a, size_t b) {
    unsigned class_a = class_of(pool, a);
    if (class_a != class_of(pool, b)) return false;
    return class_a != RWD_SPILL_CLASSES || big_size(a) == big_size(b);
}
