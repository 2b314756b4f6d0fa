// One segment against a list: place, find, remove, split, in any order, with hashes that collide.
#include "state/segment_private.h"

#include <stdlib.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

#define SIZE 16384u
#define KEYS 400

typedef struct entry {
    uint64_t hash;
    uint32_t key;
    bool in, bit[2];
} entry;

static rwd_slot *find(const rwd_geometry *g, const rwd_segment *s, const entry *e) {
    return rwd_segment_find(g, s, e->hash, (const uint8_t *)&e->key, sizeof e->key);
}

static void place(const rwd_geometry *g, rwd_segment *s, entry *e) {
    rwd_slot *slot = rwd_segment_place(g, s, e->hash);
    slot->key_size = sizeof e->key;
    slot->present = 1;
    memcpy(rwd_slot_key_area(slot), &e->key, sizeof e->key);
    e->in = true;
}

static void check_all(const rwd_geometry *g, const rwd_segment *s, const entry *entries, uint64_t mask, uint64_t prefix) {
    uint32_t used = 0;
    uint32_t dirty[2] = {0};
    for (size_t i = 0; i < KEYS; i++) {
        const entry *e = &entries[i];
        bool here = e->in && (e->hash & mask) == prefix;
        rwd_slot *slot = find(g, s, e);
        assert_int_equal(slot != NULL, here);
        if (!here) continue;
        used++;
        for (unsigned p = 0; p < 2; p++) {
            assert_int_equal(rwd_segment_bit(g, s, p, rwd_segment_index(g, s, slot)), e->bit[p]);
            dirty[p] += e->bit[p];
        }
    }
    assert_int_equal(s->used, used);
    assert_int_equal(s->dirty[0], dirty[0]);
    assert_int_equal(s->dirty[1], dirty[1]);
}

static void flip_bit(const rwd_geometry *g, rwd_segment *s, entry *e, unsigned p) {
    uint32_t index = rwd_segment_index(g, s, find(g, s, e));
    if (e->bit[p]) rwd_segment_clear_bit(g, s, p, index);
    else rwd_segment_set_bit(g, s, p, index);
    e->bit[p] = !e->bit[p];
}

// `crowd`: how many different home groups and tags there are; 1 makes every search pass the same full groups.
static void run(uint64_t seed, uint64_t crowd) {
    test_random r = test_random_of(seed);
    rwd_geometry g;
    assert_true(rwd_geometry_init(&g, SIZE, 8, 16));
    rwd_segment *s = aligned_alloc(SIZE, SIZE), *upper = aligned_alloc(SIZE, SIZE);
    memset(s, 0, SIZE);
    memset(upper, 0, SIZE);
    entry entries[KEYS] = {0};
    for (uint32_t i = 0; i < KEYS; i++) {
        uint64_t home = test_random_below(&r, crowd) * 0x0123456789ABCDu;
        entries[i] = (entry){.hash = (test_random_u64(&r) & 0xFFFFFF0000000000u) | (home & 0xFFFFFFFFFFu), .key = i};
    }
    for (int round = 0; round < 6000; round++) {
        entry *e = &entries[test_random_below(&r, KEYS)];
        if (!e->in && s->used < g.limit) place(&g, s, e);
        else if (e->in && test_random_below(&r, 2)) flip_bit(&g, s, e, (unsigned)test_random_below(&r, 2));
        else if (e->in && !e->bit[0] && !e->bit[1]) {
            rwd_segment_remove(&g, s, find(&g, s, e));
            e->in = false;
        }
        if (round % 200 == 0) check_all(&g, s, entries, 0, 0);
    }
    rwd_segment_split(&g, s, upper);
    uint64_t top = 1ull << 63;
    check_all(&g, s, entries, top, 0);
    check_all(&g, upper, entries, top, top);
    free(s);
    free(upper);
}

static void a_segment_equals_a_list_under_placing_removing_and_splitting(void **state) {
    (void)state;
    run(8, 1000000);
    run(9, 1000000);
}

static void a_segment_equals_a_list_when_all_keys_have_few_homes(void **state) {
    (void)state;
    run(10, 1);
    run(11, 3);
}

static void a_row_too_large_for_a_segment_is_refused(void **state) {
    (void)state;
    rwd_geometry g;
    assert_false(rwd_geometry_init(&g, SIZE, 8, SIZE / 16));
    assert_true(rwd_geometry_init(&g, SIZE, 8, SIZE / 64));
    assert_true(g.limit < g.slot_count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_equals_a_list_under_placing_removing_and_splitting),
        cmocka_unit_test(a_segment_equals_a_list_when_all_keys_have_few_homes),
        cmocka_unit_test(a_row_too_large_for_a_segment_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
