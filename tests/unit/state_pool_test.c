// Segments and spill blocks: no two overlap, all comes back, the share is kept.
#include "state/pool_private.h"

#include <string.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

#define SEGMENT 4096u
#define CHUNK 16384u
#define BLOCKS 600

static rwd_budget budget_of(uint64_t hot) {
    rwd_budget budget;
    rwd_error err;
    assert_true(rwd_budget_init(&budget, RWD_BUDGET_MIN, &err));
    budget.limit[RWD_SHARE_HOT] = hot;
    return budget;
}

static uint64_t used(rwd_budget *budget) { return atomic_load(&budget->used[RWD_SHARE_HOT]); }

// The pool and its feeder's thread take from one share: whichever comes first, all chunks that fit come to be, and no more.
static void segments_end_with_the_share_and_are_aligned(void) {
    rwd_budget budget = budget_of(10 * CHUNK);
    rwd_pool pool;
    rwd_pool_init(&pool, &budget, SEGMENT, CHUNK);
    void *taken[64];
    size_t count = 0;
    while ((taken[count] = rwd_pool_take(&pool, false))) {
        assert_int_equal((uintptr_t)taken[count] % SEGMENT, 0);
        memset(taken[count], (int)count, SEGMENT);
        count++;
    }
    assert_int_equal(count, 9 * CHUNK / SEGMENT);  // a part is kept for large blocks
    assert_int_equal(used(&budget), 9 * CHUNK);
    assert_non_null(rwd_pool_take(&pool, true));  // one that must be
    for (size_t i = 0; i < count; i++) {
        const uint8_t *bytes = taken[i];
        for (size_t at = 0; at < SEGMENT; at++) assert_int_equal(bytes[at], (uint8_t)i);
    }
    rwd_pool_give(&pool, taken[3]);
    uint8_t *again = rwd_pool_take(&pool, false);
    assert_ptr_equal(again, taken[3]);
    for (size_t at = 0; at < SEGMENT; at++) assert_int_equal(again[at], 0);
    rwd_pool_reset(&pool);
    assert_int_equal(used(&budget), 0);
}

static void segments_end_with_the_share_in_any_order_of_threads(void **state) {
    (void)state;
    for (unsigned round = 0; round < 300; round++) segments_end_with_the_share_and_are_aligned();
}

typedef struct block {
    uint8_t *at;
    size_t size;
    uint8_t mark;
} block;

static void check_block(const block *b) {
    for (size_t i = 0; i < b->size; i++) assert_int_equal(b->at[i], b->mark);
}

static void spill_blocks_of_any_size_keep_their_bytes_until_given_back(void **state) {
    (void)state;
    rwd_budget budget = budget_of(256 * CHUNK);
    rwd_pool pool;
    rwd_pool_init(&pool, &budget, SEGMENT, CHUNK);
    test_random r = test_random_of(7);
    block blocks[BLOCKS] = {0};
    for (int round = 0; round < 40000; round++) {
        block *b = &blocks[test_random_below(&r, BLOCKS)];
        if (b->at) {
            check_block(b);
            rwd_spill_give(&pool, b->at, b->size);
            b->at = NULL;
            continue;
        }
        b->size = 1 + test_random_below(&r, test_random_below(&r, 30) ? 300 : 9000);
        b->at = rwd_spill_take(&pool, b->size, false);
        if (!b->at) continue;
        b->mark = (uint8_t)round;
        memset(b->at, b->mark, b->size);
        assert_true(used(&budget) <= budget.limit[RWD_SHARE_HOT]);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (!blocks[i].at) continue;
        check_block(&blocks[i]);
        rwd_spill_give(&pool, blocks[i].at, blocks[i].size);
    }
    assert_int_equal(pool.taken_count, 0);  // every slab is gone
    assert_null(pool.big);
    rwd_pool_reset(&pool);
    assert_int_equal(used(&budget), 0);
}

static void a_spill_block_beyond_the_share_is_refused_unless_it_must_be(void **state) {
    (void)state;
    rwd_budget budget = budget_of(4 * CHUNK);
    rwd_pool pool;
    rwd_pool_init(&pool, &budget, SEGMENT, CHUNK);
    size_t count = 0;
    while (rwd_spill_take(&pool, 1000, false)) count++;
    assert_true(count > 0 && count * 1000 <= 4 * CHUNK);
    assert_null(rwd_spill_take(&pool, 60000, false));
    assert_non_null(rwd_spill_take(&pool, 60000, true));
    assert_non_null(rwd_spill_take(&pool, 1000, true));
    rwd_pool_reset(&pool);
    assert_int_equal(used(&budget), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_end_with_the_share_in_any_order_of_threads),
        cmocka_unit_test(spill_blocks_of_any_size_keep_their_bytes_until_given_back),
        cmocka_unit_test(a_spill_block_beyond_the_share_is_refused_unless_it_must_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
