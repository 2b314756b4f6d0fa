// The tables at the edges: full, frozen, evicted, loaded, opened again. The broad road is in property/state_model_test.c.
#include <sys/stat.h>

#include "state/digest_file_private.h"
#include "state/reader.h"
#include "tests/support/state_rig.h"

#define SMALL_HOT (160u << 10)
#define SMALL_FROZEN (64u << 10)

// The sum of a key in a finished checkpoint, or -1.
static int64_t stored_sum(rig *r, const char *checkpoint, size_t number) {
    uint8_t key[RWD_KEY_BYTES_MAX];
    size_t size = rig_key(r, number, key);
    rwd_reader_db *reader;
    rwd_buf row = {0};
    bool found;
    rig_must(rwd_state_open(checkpoint, &reader, &r->error), &r->error);
    rig_must(rwd_state_get(reader, 0, rwd_slice_of(key, size), &found, &row, &r->error), &r->error);
    int64_t sum = found ? rig_sum(r, row.data) : -1;
    rwd_buf_deinit(&row);
    rwd_state_close(reader);
    return sum;
}

// Adds to keys until no clean slot is left. Returns how many were taken.
static size_t fill(rig *r, size_t first) {
    for (size_t number = first;; number++) {
        rwd_resolve result = rig_try(r, number, 1);
        if (result == RWD_RESOLVE_FULL) return number - first;
        rig_must(result == RWD_RESOLVED, &r->error);
        assert_true(number - first < 100000);
    }
}

// PROTOCOL: a full table during a freeze.
static void a_full_table_during_a_freeze_refuses_and_loses_nothing(void **state) {
    (void)state;
    rig r;
    rig_init(&r, SMALL_HOT, SMALL_FROZEN);
    for (size_t i = 0; i < 500; i++) rig_add(&r, i, 10);
    rig_freeze(&r);
    size_t more = fill(&r, 500);
    assert_true(more > 0);
    assert_true(rig_stats(&r).full > 0);
    assert_int_equal(rig_try(&r, 500 + more, 1), RWD_RESOLVE_FULL);  // and again: nothing has changed
    assert_int_equal(rwd_tables_keys(r.tables, 0), 500 + more);
    rig_join(&r);
    rig_must(r.written, &r.error);
    r.participant->ops->thaw(r.participant);
    rig_add(&r, 500 + more, 1);  // the frozen ones are clean now and give room
    assert_true(rig_stats(&r).evicted > 0);
    for (size_t i = 0; i < 500; i++) assert_int_equal(stored_sum(&r, r.checkpoint, i), 10);
    assert_int_equal(stored_sum(&r, r.checkpoint, 500), -1);
    rig_checkpoint(&r);
    for (size_t i = 0; i <= 500 + more; i++) assert_int_equal(rig_read(&r, i), i < 500 ? 10 : 1);
    rig_deinit(&r);
}

// PROTOCOL K2: a slot is clean only after the ingest of its current version returned, and the checkpoint is durable.
static void a_frozen_slot_is_not_evicted_before_its_checkpoint_is_durable(void **state) {
    (void)state;
    rig r;
    rig_init(&r, SMALL_HOT, SMALL_FROZEN);
    size_t count = fill(&r, 0);
    rig_freeze(&r);
    assert_int_equal(rig_try(&r, count, 1), RWD_RESOLVE_FULL);  // frozen, not swept
    rig_join(&r);
    rig_must(r.written, &r.error);
    assert_int_equal(rig_try(&r, count, 1), RWD_RESOLVE_FULL);  // ingested, not known durable
    assert_int_equal(rig_stats(&r).evicted, 0);
    r.participant->ops->thaw(r.participant);
    rig_add(&r, count, 1);
    assert_true(rig_stats(&r).evicted > 0);
    for (size_t i = 0; i <= count; i++) assert_int_equal(rig_read(&r, i), 1);
    rig_deinit(&r);
}

static uint64_t bytes_below(const char *dir) {
    struct stat info;
    char **names = NULL, path[RWD_PATH_MAX];
    size_t count = 0;
    uint64_t sum = 0;
    rwd_error err;
    if (!rwd_list_dir(dir, &names, &count, &err)) return stat(dir, &info) == 0 ? (uint64_t)info.st_size : 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(rwd_path_join(path, dir, names[i], &err));
        sum += bytes_below(path);
    }
    rwd_names_free(names, count);
    return sum;
}

// The room that is asked for before a checkpoint is tried.
static void a_checkpoint_writes_less_than_its_dirty_slots_take_in_memory(void **state) {
    (void)state;
    rig r;
    rig_init(&r, 16u << 20, 4u << 20);
    rig_checkpoint(&r);
    uint64_t empty = bytes_below(r.checkpoint);
    for (size_t i = 0; i < 30000; i++) rig_add(&r, i, (int64_t)(i * 0x9E3779B97F4A7C15u));
    uint64_t dirty = rig_stats(&r).dirty_bytes;
    rig_checkpoint(&r);
    assert_in_range(bytes_below(r.checkpoint) - empty, 30000, dirty);
    assert_int_equal(rig_stats(&r).dirty_bytes, 0);
    rig_deinit(&r);
}

// Writes a row of `size` bytes that say whose they are; where there is no room, after a checkpoint.
static void write_sized(rig *r, size_t number, uint32_t size) {
    uint8_t key[RWD_KEY_BYTES_MAX], row[2048];
    rwd_touch touch;
    for (int tries = 0; rig_resolve(r, number, &touch, key) != RWD_RESOLVED; tries++) {
        assert_true(tries < 2);
        rig_checkpoint(r);
    }
    memset(row, (int)(number % 251), size);
    rwd_tables_write(r->tables, &touch, row, size);
}

static void check_sized(rig *r, size_t number, uint32_t size) {
    uint8_t key[RWD_KEY_BYTES_MAX];
    rwd_touch touch;
    uint32_t found;
    if (rig_resolve(r, number, &touch, key) != RWD_RESOLVED) {
        rig_checkpoint(r);
        assert_int_equal(rig_resolve(r, number, &touch, key), RWD_RESOLVED);
    }
    const uint8_t *row = rwd_tables_row(r->tables, &touch, &found);
    assert_non_null(row);
    assert_int_equal(found, size);
    for (uint32_t i = 0; i < size; i++) assert_int_equal(row[i], number % 251);
}

// Only rows that are there grow, so nothing is put in and nothing would be evicted for it.
static void rows_that_grow_with_each_write_make_room_by_evicting_others(void **state) {
    (void)state;
    static const uint32_t sizes[] = {20, 100, 700, 40, 900, 16};
    enum { KEYS = 400 };
    rig r;
    uint64_t limit = 256u << 10, most = 0;
    rig_init(&r, limit, 64u << 10);
    rig_checkpoint(&r);
    for (size_t round = 0; round < sizeof sizes / sizeof *sizes; round++) {
        for (size_t i = 0; i < KEYS; i++) {
            write_sized(&r, i, sizes[round] + (uint32_t)(i % 7) * 16);
            uint64_t used = atomic_load(&r.budget.used[RWD_SHARE_HOT]);
            if (used > most) most = used;
        }
        for (size_t i = 0; i < KEYS; i++) check_sized(&r, i, sizes[round] + (uint32_t)(i % 7) * 16);
    }
    assert_true(most <= limit + limit / 4);  // what is free in blocks of other sizes is not given back
    assert_true(rig_stats(&r).evicted > 0);
    rig_checkpoint(&r);
    assert_int_equal(rig_stats(&r).dirty_bytes, 0);
    rig_deinit(&r);
}

// A batch whose rows all grow cannot be refused any more: it goes over the share by what they grow.
static void what_a_batch_took_over_the_share_is_given_back(void **state) {
    (void)state;
    enum { KEYS = 400, SIZE = 900, LARGE = 2000 };
    static uint8_t keys[KEYS][RWD_KEY_BYTES_MAX], row[SIZE];
    rwd_touch touches[KEYS];
    rig r;
    uint64_t limit = 256u << 10;
    rig_init(&r, limit, 64u << 10);
    for (size_t i = 0; i < KEYS; i++) {
        touches[i] = (rwd_touch){.key = keys[i], .key_size = (uint32_t)rig_key(&r, i, keys[i])};
        touches[i].hash = rwd_key_hash(0, rwd_slice_of(keys[i], touches[i].key_size));
    }
    rig_must(rwd_tables_resolve(r.tables, touches, KEYS, &r.error) == RWD_RESOLVED, &r.error);
    for (size_t i = 0; i < KEYS; i++) {
        memset(row, (int)(i % 251), SIZE);
        rwd_tables_write(r.tables, &touches[i], row, SIZE);
    }
    assert_true(atomic_load(&r.budget.used[RWD_SHARE_HOT]) > limit);
    rig_checkpoint(&r);
    for (size_t i = KEYS; i < KEYS + 100; i++) write_sized(&r, i, LARGE);   // each needs a mapping of its own
    rig_checkpoint(&r);
    for (size_t i = 0; i < KEYS + 100; i++) check_sized(&r, i, i < KEYS ? SIZE : LARGE);
    assert_true(atomic_load(&r.budget.used[RWD_SHARE_HOT]) <= limit + LARGE);
    rig_deinit(&r);
}

// Timers and remembered ids use the same share, and come when tables have taken all of it.
static void what_others_take_of_the_share_is_given_up_for_good(void **state) {
    (void)state;
    rig r;
    uint64_t limit = 1u << 20, others = 300u << 10;
    rig_init(&r, limit, SMALL_FROZEN);
    size_t count = fill(&r, 0), checkpoints = 0;
    rig_checkpoint(&r);
    rwd_budget_take(&r.budget, RWD_SHARE_HOT, others);
    for (size_t i = 0; i < 3000; i++) {
        size_t number = i * 7919 % count;
        for (int tries = 0; rig_try(&r, number, 1) == RWD_RESOLVE_FULL; tries++) {
            assert_true(tries < 2);
            rig_checkpoint(&r);
            checkpoints++;
        }
        assert_true(atomic_load(&r.budget.used[RWD_SHARE_HOT]) <= limit);
    }
    assert_in_range(checkpoints, 0, 3);                 // not one for each batch
    assert_true(rig_stats(&r).hot_slots > count / 3);   // and what fits stays in memory
    rwd_budget_give(&r.budget, RWD_SHARE_HOT, others);
    for (size_t i = 0; i < count; i++) assert_true(rig_read(&r, i) >= 1);
    rig_deinit(&r);
}

static void nothing_later_than_the_freeze_reaches_the_checkpoint(void **state) {
    (void)state;
    rig r;
    rig_init(&r, 4u << 20, 1u << 20);
    for (size_t i = 0; i < 3000; i++) rig_add(&r, i, 5);
    rig_checkpoint(&r);
    for (size_t i = 0; i < 3000; i += 2) rig_add(&r, i, 5);
    rig_freeze(&r);
    for (size_t i = 0; i < 3000; i++) {  // changed, removed and new, while the sweep goes on
        rig_add(&r, i, i % 3 ? 1000 : -1);
        rig_add(&r, 3000 + i, 7);
        if (i % 100 == 0) rig_sweep(&r, 5);
    }
    rig_join(&r);
    rig_must(r.written, &r.error);
    r.participant->ops->thaw(r.participant);
    for (size_t i = 0; i < 3000; i += 7) {
        assert_int_equal(stored_sum(&r, r.checkpoint, i), i % 2 ? 5 : 10);
        assert_int_equal(stored_sum(&r, r.checkpoint, 3000 + i), -1);
        assert_int_equal(rig_read(&r, i), i % 3 ? (i % 2 ? 1005 : 1010) : -1);
    }
    rig_checkpoint(&r);
    for (size_t i = 0; i < 3000; i += 7) assert_int_equal(stored_sum(&r, r.checkpoint, i), i % 3 ? (i % 2 ? 1005 : 1010) : -1);
    rig_deinit(&r);
}

// The frozen share bounds the copies that writes force while the sweep stands still: resolve refuses rather than go beyond.
static void copies_of_frozen_rows_stay_within_their_share(void **state) {
    (void)state;
    rig r;
    rig_init(&r, 4u << 20, SMALL_FROZEN);
    for (size_t i = 0; i < 8000; i++) rig_add(&r, i, 1);
    rig_freeze(&r);
    size_t i = 0;
    while (i < 8000 && rig_try(&r, i, 1) == RWD_RESOLVED) i++;
    assert_true(i > 100 && i < 8000);
    assert_true(atomic_load(&r.budget.used[RWD_SHARE_FROZEN]) <= SMALL_FROZEN);
    rig_join(&r);
    rig_must(r.written, &r.error);
    r.participant->ops->thaw(r.participant);
    assert_int_equal(atomic_load(&r.budget.used[RWD_SHARE_FROZEN]), 0);
    for (size_t k = 0; k < 8000; k += 11) assert_int_equal(stored_sum(&r, r.checkpoint, k), 1);
    rig_deinit(&r);
}

// As the pipeline does: a checkpoint when the tables are pressed or full, then on.
static void add_under_pressure(rig *r, size_t number, int64_t amount) {
    if (rwd_tables_pressed(r->tables)) rig_checkpoint(r);
    rwd_resolve result = rig_try(r, number, amount);
    if (result == RWD_RESOLVED) return;
    rig_must(result == RWD_RESOLVE_FULL, &r->error);
    rig_checkpoint(r);
    rig_add(r, number, amount);
}

static void state_several_times_the_budget_stays_right(void **state) {
    (void)state;
    rig r;
    rig_init(&r, SMALL_HOT, SMALL_FROZEN);
    size_t keys = 12000;  // some eight times what fits
    for (size_t round = 1; round <= 3; round++) {
        for (size_t i = 0; i < keys; i++) add_under_pressure(&r, i * 7919 % keys, (int64_t)round);
    }
    rig_checkpoint(&r);
    rwd_tables_stats stats = rig_stats(&r);
    assert_int_equal(stats.keys, keys);
    assert_true(stats.hot_slots * 4 < keys);
    assert_true(stats.hot_bytes <= SMALL_HOT);
    assert_false(stats.complete);
    for (size_t i = 0; i < keys; i++) assert_int_equal(rig_read(&r, i), 6);
    rig_deinit(&r);
}

static void load_all(rig *r) {
    while (!rwd_tables_warm(r->tables, 100)) usleep(50);
}

static void after_loading_misses_ask_the_store_nothing(void **state) {
    (void)state;
    rig r;
    rig_init(&r, 0, 0);
    for (size_t i = 0; i < 20000; i++) rig_add(&r, i, 3);
    rig_checkpoint(&r);
    r.participant->ops->discard(r.participant);
    rig_open(&r, r.checkpoint);
    assert_false(rig_stats(&r).complete);
    assert_int_equal(rig_stats(&r).keys, 20000);
    assert_int_equal(rig_read(&r, 7), 3);  // before it is loaded: from the store
    assert_int_equal(rig_stats(&r).store_reads, 1);
    load_all(&r);
    assert_true(rig_stats(&r).complete);
    for (size_t i = 0; i < 21000; i++) assert_int_equal(rig_read(&r, i), i < 20000 ? 3 : -1);
    assert_int_equal(rig_stats(&r).store_reads, 1);
    assert_true(rig_stats(&r).splits < 10);  // of segments with the one key read before; else they are split while empty
    rig_deinit(&r);
}

// W1: what is loaded is as old as the opening.
static void loading_never_brings_back_what_was_changed_or_removed_meanwhile(void **state) {
    (void)state;
    rig r;
    rig_init(&r, 0, 0);
    for (size_t i = 0; i < 20000; i++) rig_add(&r, i, 3);
    rig_checkpoint(&r);
    r.participant->ops->discard(r.participant);
    rig_open(&r, r.checkpoint);
    for (size_t i = 0; i < 20000; i += 2) rig_add(&r, i, i % 4 ? -1 : 1);
    rig_checkpoint(&r);  // they are clean from here on
    load_all(&r);
    for (size_t i = 0; i < 20000; i++) assert_int_equal(rig_read(&r, i), i % 2 ? 3 : i % 4 ? -1 : 4);
    rig_deinit(&r);
}

// W1: once a changed row has left memory, its key may be in the store in a newer version than the one that was read.
static void loading_ends_when_a_changed_row_leaves_memory(void **state) {
    (void)state;
    rig r;
    rig_init(&r, SMALL_HOT, SMALL_FROZEN);
    for (size_t i = 0; i < 3000; i++) add_under_pressure(&r, i, 2);
    rig_checkpoint(&r);
    r.participant->ops->discard(r.participant);
    rig_open(&r, r.checkpoint);
    for (size_t i = 0; i < 3000; i++) {
        add_under_pressure(&r, i, 1);
        rwd_tables_warm(r.tables, 1);
        if (i % 50 == 0) rig_checkpoint(&r);
    }
    load_all(&r);
    assert_true(rig_stats(&r).evicted > 0);
    for (size_t i = 0; i < 3000; i++) assert_int_equal(rig_read(&r, i), 3);
    rig_deinit(&r);
}

static void loading_stops_where_the_memory_does(void **state) {
    (void)state;
    rig r;
    rig_init(&r, SMALL_HOT, SMALL_FROZEN);
    for (size_t i = 0; i < 6000; i++) add_under_pressure(&r, i, 2);
    rig_checkpoint(&r);
    r.participant->ops->discard(r.participant);
    rig_open(&r, r.checkpoint);
    load_all(&r);
    assert_false(rig_stats(&r).complete);
    assert_true(rig_stats(&r).hot_slots > 500);  // most of what fits
    assert_int_equal(rig_stats(&r).evicted, 0);
    assert_true(rig_stats(&r).hot_bytes <= SMALL_HOT);
    for (size_t i = 0; i < 6000; i++) assert_int_equal(rig_read(&r, i), 2);
    rig_deinit(&r);
}

// PROTOCOL K4: a live store links the files of its checkpoint and must never write to them.
static void going_on_leaves_the_files_of_a_checkpoint_untouched(void **state) {
    (void)state;
    rig r;
    rig_init(&r, 0, 0);
    for (size_t i = 0; i < 5000; i++) rig_add(&r, i, 1);
    rig_checkpoint(&r);
    char folder[128];
    snprintf(folder, sizeof folder, "%s/%s", r.checkpoint, RWD_TABLES_FOLDER);
    char **names;
    size_t count;
    rig_must(rwd_list_dir(folder, &names, &count, &r.error), &r.error);
    rwd_buf before[32] = {0};
    assert_true(count > 3 && count <= 32);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count; i++) {
            char path[512];
            rwd_buf bytes = {0};
            snprintf(path, sizeof path, "%s/%s", folder, names[i]);
            rig_must(rwd_read_file(path, 64u << 20, pass ? &bytes : &before[i], &r.error), &r.error);
            if (pass) assert_true(rwd_slice_equal(rwd_buf_slice(&bytes), rwd_buf_slice(&before[i])));
            rwd_buf_deinit(&bytes);
        }
        if (pass) break;
        r.participant->ops->discard(r.participant);
        rig_open(&r, r.checkpoint);
        for (size_t round = 0; round < 12; round++) {  // enough files for a compaction
            for (size_t i = 0; i < 5000; i += 3) rig_add(&r, i, 1);
            rig_checkpoint(&r);
        }
    }
    for (size_t i = 0; i < count; i++) rwd_buf_deinit(&before[i]);
    rwd_names_free(names, count);
    rig_deinit(&r);
}

static void a_checkpoint_of_nothing_new_equals_the_one_before(void **state) {
    (void)state;
    rig r;
    rig_init(&r, 0, 0);
    rig_checkpoint(&r);  // genesis: empty
    rwd_hash128 empty = r.participant->ops->digest(r.participant);
    rig_add(&r, 1, 1);
    rig_checkpoint(&r);
    rwd_hash128 one = r.participant->ops->digest(r.participant);
    assert_false(rwd_hash128_equal(empty, one));
    rig_checkpoint(&r);
    assert_true(rwd_hash128_equal(one, r.participant->ops->digest(r.participant)));
    rig_add(&r, 1, -1);
    rig_add(&r, 2, 1);
    rig_add(&r, 2, -1);
    rig_checkpoint(&r);
    assert_true(rwd_hash128_equal(empty, r.participant->ops->digest(r.participant)));
    assert_int_equal(stored_sum(&r, r.checkpoint, 1), -1);
    rig_deinit(&r);
}

static void a_failed_write_says_so_and_the_tables_can_be_discarded(void **state) {
    (void)state;
    rig r;
    rig_init(&r, 0, 0);
    for (size_t i = 0; i < 1000; i++) rig_add(&r, i, 1);
    rig_checkpoint(&r);
    char good[64];
    strcpy(good, r.checkpoint);
    for (size_t i = 0; i < 1000; i++) rig_add(&r, i, 1);
    rig_freeze(&r);
    char path[128];
    snprintf(path, sizeof path, "%s/%s", r.checkpoint, RWD_TABLES_FOLDER);  // in the way of the store's checkpoint
    rig_must(rwd_mkdirs(path, &r.error), &r.error);
    rig_join(&r);
    assert_false(r.written);
    assert_true(strlen(r.error.cause) > 0);
    r.participant->ops->discard(r.participant);
    rig_open(&r, good);
    for (size_t i = 0; i < 1000; i++) assert_int_equal(rig_read(&r, i), 1);
    rig_deinit(&r);
}

static rwd_code open_code(rig *r, const char *checkpoint) {
    char dir[64];
    snprintf(dir, sizeof dir, "%s/live-%u", r->root, r->live++);
    rig_must(rwd_mkdirs(dir, &r->error), &r->error);
    bool worked = r->participant->ops->open(r->participant, checkpoint, dir, &r->error);
    return worked ? RWD_E_NONE : r->error.code;
}

static void a_checkpoint_that_cannot_be_opened_is_named_and_another_can_be_tried(void **state) {
    (void)state;
    rig r;
    rig_init(&r, 0, 0);
    for (size_t i = 0; i < 100; i++) rig_add(&r, i, 1);
    rig_checkpoint(&r);
    char good[64], bad[80], path[160];
    strcpy(good, r.checkpoint);
    snprintf(bad, sizeof bad, "%s/empty", r.root);
    rig_must(rwd_mkdirs(bad, &r.error), &r.error);
    r.participant->ops->discard(r.participant);
    assert_int_equal(open_code(&r, bad), RWD_E_IO);
    assert_non_null(strstr(r.error.place, bad));
    rwd_digest *digest = calloc(1, sizeof *digest);
    uint64_t keys[2] = {0};
    rig_must(rwd_digest_file_write(bad, digest, keys, 2, &r.error), &r.error);
    assert_int_equal(open_code(&r, bad), RWD_E_LOGIC_CHANGED);  // two tables, and the job has one
    snprintf(path, sizeof path, "%s/%s", bad, RWD_DIGEST_FILE);
    assert_int_equal(unlink(path), 0);
    rig_must(rwd_digest_file_write(bad, digest, keys, 1, &r.error), &r.error);
    snprintf(path, sizeof path, "%s/%s", bad, RWD_TABLES_FOLDER);
    rig_must(rwd_mkdirs(path, &r.error), &r.error);
    assert_int_not_equal(open_code(&r, bad), RWD_E_NONE);  // no store in it
    assert_int_equal(atomic_load(&r.budget.used[RWD_SHARE_HOT]), 0);
    assert_int_equal(open_code(&r, good), RWD_E_NONE);
    for (size_t i = 0; i < 100; i++) assert_int_equal(rig_read(&r, i), 1);
    free(digest);
    rig_deinit(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_table_during_a_freeze_refuses_and_loses_nothing),
        cmocka_unit_test(a_frozen_slot_is_not_evicted_before_its_checkpoint_is_durable),
        cmocka_unit_test(a_checkpoint_writes_less_than_its_dirty_slots_take_in_memory),
        cmocka_unit_test(rows_that_grow_with_each_write_make_room_by_evicting_others),
        cmocka_unit_test(what_a_batch_took_over_the_share_is_given_back),
        cmocka_unit_test(what_others_take_of_the_share_is_given_up_for_good),
        cmocka_unit_test(nothing_later_than_the_freeze_reaches_the_checkpoint),
        cmocka_unit_test(copies_of_frozen_rows_stay_within_their_share),
        cmocka_unit_test(state_several_times_the_budget_stays_right),
        cmocka_unit_test(after_loading_misses_ask_the_store_nothing),
        cmocka_unit_test(loading_never_brings_back_what_was_changed_or_removed_meanwhile),
        cmocka_unit_test(loading_ends_when_a_changed_row_leaves_memory),
        cmocka_unit_test(loading_stops_where_the_memory_does),
        cmocka_unit_test(going_on_leaves_the_files_of_a_checkpoint_untouched),
        cmocka_unit_test(a_checkpoint_of_nothing_new_equals_the_one_before),
        cmocka_unit_test(a_checkpoint_that_cannot_be_opened_is_named_and_another_can_be_tried),
        cmocka_unit_test(a_failed_write_says_so_and_the_tables_can_be_discarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
