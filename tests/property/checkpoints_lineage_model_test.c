// L2, exhaustively: over all lineages of a small world, a checkpoint serves another lineage exactly where every record below its X is decided by the same logic and amended in the same way.
#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/lineage.h"
#include "tests/unit/test.h"

#define OFFSETS 5       // records 0 to 4
#define CHOICES 3       // at each offset but the first: no segment begins, or one with logic 1, or with logic 2
#define SHAPES 162      // 2 * CHOICES^(OFFSETS - 1)
#define AMENDED 8       // subsets of three amendments
#define LINEAGES (SHAPES * AMENDED)

static const rwd_amendment amendments[3] = {
    {.kind = RWD_AMEND_SKIP, .at = 1, .time_us = RWD_TIME_NONE},
    {.kind = RWD_AMEND_INSERT, .at = 1, .time_us = RWD_TIME_NONE},
    {.kind = RWD_AMEND_SKIP, .at = 3, .time_us = RWD_TIME_NONE},
};

// What became of each record below X, two digits each: its logic, and which amendments acted there.
typedef struct world {
    rwd_lineage lineage;
    char fate[OFFSETS][3];
} world;

static unsigned acting(unsigned subset, int64_t at) {
    unsigned which = 0;
    for (unsigned i = 0; i < 3; i++)
        if (subset >> i & 1 && amendments[i].at == at) which |= 1u << i;
    return which;
}

static void make(world *w, unsigned shape, unsigned subset) {
    rwd_lineage_init(&w->lineage, (rwd_hash128){1, 2}, 0);
    unsigned logic = 1 + shape % 2;
    shape /= 2;
    rwd_lineage_add_segment(&w->lineage, (rwd_lineage_segment){0, {logic, 0}, {9, 9}});
    for (int64_t at = 0; at < OFFSETS; at++) {
        if (at > 0) {
            if (shape % CHOICES > 0) {
                logic = shape % CHOICES;
                rwd_lineage_add_segment(&w->lineage, (rwd_lineage_segment){at, {logic, 0}, {9, (uint64_t)at}});  // sinks of their own: they shape no state
            }
            shape /= CHOICES;
        }
        (void)snprintf(w->fate[at], sizeof(w->fate[at]), "%u%u", logic, acting(subset, at));
    }
    for (unsigned i = 0; i < 3; i++)
        if (subset >> i & 1) rwd_lineage_add_amendment(&w->lineage, amendments[i]);
}

static bool same_below(const world *a, const world *b, int64_t x) {
    for (int64_t at = 0; at < x; at++)
        if (memcmp(a->fate[at], b->fate[at], 2) != 0) return false;
    return true;
}

static void a_checkpoint_serves_exactly_the_lineages_with_its_past(void **state) {
    (void)state;
    world *all = rwd_calloc(LINEAGES, sizeof(*all));
    rwd_hash128 *hashes = rwd_calloc(LINEAGES, sizeof(*hashes));
    for (unsigned i = 0; i < LINEAGES; i++) make(&all[i], i % SHAPES, i / SHAPES);
    for (int64_t x = 0; x <= OFFSETS; x++) {
        for (unsigned i = 0; i < LINEAGES; i++) hashes[i] = rwd_lineage_history(&all[i].lineage, x);
        for (unsigned i = 0; i < LINEAGES; i++)
            for (unsigned k = i; k < LINEAGES; k++)
                if (rwd_hash128_equal(hashes[i], hashes[k]) != same_below(&all[i], &all[k], x)) fail_msg("lineages %u and %u at %d", i, k, (int)x);
    }
    for (unsigned i = 0; i < LINEAGES; i++) rwd_lineage_deinit(&all[i].lineage);
    free(hashes);
    free(all);
}

// L1: ids tell apart what histories do not: where a segment begins that has not acted, and what it publishes.
static void every_lineage_has_an_id_of_its_own_and_comes_back_from_its_bytes(void **state) {
    (void)state;
    rwd_hash128 *ids = rwd_calloc(LINEAGES, sizeof(*ids));
    for (unsigned i = 0; i < LINEAGES; i++) {
        world w;
        rwd_lineage back;
        rwd_buf bytes = {0};
        rwd_error err;
        make(&w, i % SHAPES, i / SHAPES);
        ids[i] = rwd_lineage_id(&w.lineage);
        for (unsigned k = 0; k < i; k++) assert_false(rwd_hash128_equal(ids[k], ids[i]));
        rwd_lineage_encode(&w.lineage, &bytes);
        assert_true(rwd_lineage_decode(rwd_buf_slice(&bytes), &back, &err));
        assert_true(rwd_hash128_equal(rwd_lineage_id(&back), ids[i]));
        for (int64_t at = 0; at < OFFSETS; at++)
            assert_int_equal(back.segments[rwd_lineage_segment_at(&back, at)].logic.low + back.segments[rwd_lineage_segment_at(&back, at)].logic.high, w.fate[at][0] - '0');
        rwd_buf_deinit(&bytes);
        rwd_lineage_deinit(&back);
        rwd_lineage_deinit(&w.lineage);
    }
    free(ids);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_serves_exactly_the_lineages_with_its_past),
        cmocka_unit_test(every_lineage_has_an_id_of_its_own_and_comes_back_from_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
