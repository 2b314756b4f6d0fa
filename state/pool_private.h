// The memory of the hot tables: segments of one size, and a spill arena of size classes on top of them.
//
// Chunks are mapped from the system and cut into segments. A chunk is accounted to the HOT share when it is mapped, and stays until deinit, so
// that a full table works in a steady amount of memory. Where the share is exceeded (others use it, too, and blocks that had to be had went over it),
// segments that are free give their memory back to the system, and get it again when there is room. Segments are aligned to their size: the segment of any address inside one is
// found by a mask.
//
// The spill arena cuts segments ("slabs") into blocks of one size class each. An empty slab goes back to the pool at once.
// Blocks above the greatest class are mapped one by one.
//
// Thread: pipeline.
#ifndef STATE_POOL_PRIVATE_H
#define STATE_POOL_PRIVATE_H

#include "state/budget.h"
#include "state/feeder_private.h"

#define RWD_SEGMENT_SIZE (64u << 10)
#define RWD_POOL_CHUNK_SIZE (2u << 20)  // one huge page
#define RWD_SPILL_CLASSES 20            // 32, 48, 64, 96, ... up to a quarter of a segment

typedef struct rwd_slab rwd_slab;

typedef struct rwd_pool {
    rwd_budget *budget;
    uint32_t segment_size;  // power of two
    uint32_t chunk_size;    // multiple of it, power of two
    rwd_feeder *feeder;     // from the first chunk on
    bool unfed;             // there could be no feeder
    void **chunks;
    size_t chunk_count, chunk_capacity;
    void *free_segments;    // linked through their first word
    size_t free_count;
    void **bare;            // segments without memory
    size_t bare_count, bare_capacity;
    size_t taken_count;     // segments handed out
    uint64_t mapped_bytes;  // chunks and big blocks, without what is bare
    uint64_t slab_free_bytes;  // in slabs, but in no block handed out
    rwd_slab *partial[RWD_SPILL_CLASSES];  // slabs with a free block
    struct rwd_big_block *big;             // blocks of a mapping of their own
} rwd_pool;

void rwd_pool_init(rwd_pool *pool, rwd_budget *budget, uint32_t segment_size, uint32_t chunk_size);
// Unmaps everything; segments and blocks still out are gone with it. The pool is as after init.
void rwd_pool_reset(rwd_pool *pool);

// A segment of zero bytes, or NULL when the share is used up. `must`: goes over the share rather than fail.
void *rwd_pool_take(rwd_pool *pool, bool must);
void rwd_pool_give(rwd_pool *pool, void *segment);

// A block of at least `size` bytes. NULL and `must` as above. The same `size` is needed to give it back.
void *rwd_spill_take(rwd_pool *pool, size_t size, bool must);
void rwd_spill_give(rwd_pool *pool, void *block, size_t size);
// True if what is handed out, beside other users' memory of the HOT share, is more than the share. What is free is given back first.
bool rwd_pool_over(rwd_pool *pool);
// True if two spill blocks of `size` bytes together can be had for sure.
bool rwd_pool_fits(const rwd_pool *pool, size_t size);
// True if a block of size `a` has room for `b` bytes and is not much too large for it.
bool rwd_spill_same_class(const rwd_pool *pool, size_t a, size_t b);

static inline void *rwd_pool_segment_of(const rwd_pool *pool, const void *address) {
    return (void *)((uintptr_t)address & ~(uintptr_t)(pool->segment_size - 1));
}

#endif
