// The tables against a plain model: an array of rows per table.
//
// Random batches, freezes, sweeps, checkpoints, evictions, loads and reopenings under a memory much smaller than the state. Each
// row read is compared with the model's; each checkpoint is read back and compared with the model as it was at the freeze, key by key
// and by a digest computed here. A seed names a run: `state_model_test SEED STEPS` repeats one.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "operator/base/fs.h"
#include "operator/base/hash.h"
#include "state/reader.h"
#include "state/tables.h"
#include "state/tables_private.h"

#define TABLES 3
#define KEYS_MAX 6000
#define BATCH_MAX 300

typedef struct model_row {
    bool present;
    uint32_t size;
    uint64_t seed;
} model_row;

typedef struct model {
    model_row rows[TABLES][KEYS_MAX];
} model;

typedef struct world {
    uint64_t random;
    char root[64];
    unsigned checkpoint_number, live_number;
    size_t keys[TABLES];  // of the key space in use
    rwd_schema schemas[TABLES];
    rwd_budget budget;
    rwd_tables *tables;
    rwd_participant *participant;
    model now, frozen, durable, taken;  // taken: as of the last take, which marks are about
    bool changed[TABLES][KEYS_MAX];
    bool tracked[TABLES];
    bool frozen_open, swept;
    char last_checkpoint[128];  // empty: none
    // The checkpoint thread.
    pthread_t thread;
    char writing_dir[128];
    bool written;
    rwd_error write_error;
    unsigned fulls, checkpoints;
    bool large_rows;
} world;

static uint64_t next_random(world *w) {
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}
static size_t below(world *w, size_t n) { return (size_t)(next_random(w) % n); }

// ---------------------------------------------------------------------------------------------- keys and rows from numbers
static size_t make_key(const world *w, unsigned table, size_t number, uint8_t out[RWD_KEY_BYTES_MAX]) {
    rwd_value parts[2] = {0};
    char text[4100];
    if (table == 1) {
        parts[0] = (rwd_value){.i = (int64_t)number - 1000, .present = number % 50 != 0};
        parts[1] = (rwd_value){.i = (int64_t)number * 77, .present = true};
    } else {
        size_t length = (size_t)snprintf(text, sizeof text, "k%zu", number);
        size_t wanted = number % 97 == 0 ? 4000 : number % 7 == 0 ? 60 : length;
        for (; length < wanted; length++) text[length] = (char)('a' + length % 20);
        parts[0] = (rwd_value){.s = rwd_slice_of(text, length), .present = true};
    }
    return rwd_key_encode(&w->schemas[table], parts, out);
}

static void make_row(const model_row *row, uint8_t *out) {
    uint64_t x = row->seed;
    for (uint32_t i = 0; i < row->size; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(x >> 56);
    }
}

static model_row new_row(world *w, unsigned table) {
    model_row row = {.present = true, .seed = next_random(w)};
    uint32_t usual = w->schemas[table].row_size;
    row.size = usual;
    if (below(w, 10) == 0) row.size = (uint32_t)below(w, usual + 1);
    if (table == 2 && w->large_rows && below(w, 20) == 0) row.size = (uint32_t)below(w, below(w, 20) ? 600 : RWD_ROW_BYTES_MAX);
    return row;
}

// ---------------------------------------------------------------------------------------------- set-up
static void make_schemas(world *w) {
    rwd_error err;
    const rwd_aggregate *count = rwd_aggregate_find("count"), *sum = rwd_aggregate_find("sum"), *max = rwd_aggregate_find("max");
    rwd_schema_init(&w->schemas[0], 0, "by_name");
    assert_true(rwd_schema_add_part(&w->schemas[0], "name", RWD_TYPE_STRING, 0, &err));
    assert_true(rwd_schema_add_column(&w->schemas[0], "n", count, RWD_TYPE_INT, 0, &err));
    assert_true(rwd_schema_add_column(&w->schemas[0], "total", sum, RWD_TYPE_DECIMAL, 2, &err));
    rwd_schema_init(&w->schemas[1], 1, "by_number");
    assert_true(rwd_schema_add_part(&w->schemas[1], "a", RWD_TYPE_INT, 0, &err));
    assert_true(rwd_schema_add_part(&w->schemas[1], "b", RWD_TYPE_TIME, 0, &err));
    assert_true(rwd_schema_add_column(&w->schemas[1], "n", count, RWD_TYPE_INT, 0, &err));
    rwd_schema_init(&w->schemas[2], 2, "large");
    assert_true(rwd_schema_add_part(&w->schemas[2], "name", RWD_TYPE_STRING, 0, &err));
    assert_true(rwd_schema_add_column(&w->schemas[2], "m", max, RWD_TYPE_DECIMAL, 0, &err));
}

static void live_dir(world *w, char out[128]) {
    rwd_error err;
    snprintf(out, 128, "%s/live-%u", w->root, w->live_number++);
    assert_true(rwd_mkdirs(out, &err));
}

static void must(bool worked, const rwd_error *err) {
    if (worked) return;
    char text[2048];
    rwd_error_format(err, text, sizeof text);
    fail_msg("%s", text);
}

static world *new_world(uint64_t seed, uint64_t hot, uint64_t frozen, const rwd_tables_sizes *sizes) {
    world *w = calloc(1, sizeof *w);
    w->random = seed * 0x9E3779B97F4A7C15u + 1;
    strcpy(w->root, "state-model-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    make_schemas(w);
    rwd_error err;
    must(rwd_budget_init(&w->budget, RWD_BUDGET_MIN, &err), &err);
    w->budget.limit[RWD_SHARE_HOT] = hot;
    w->budget.limit[RWD_SHARE_FROZEN] = frozen;
    must(rwd_tables_new_sized(w->schemas, TABLES, &w->budget, sizes, &w->tables, &err), &err);
    w->participant = rwd_tables_participant(w->tables);
    char dir[128];
    live_dir(w, dir);
    must(w->participant->ops->open(w->participant, NULL, dir, &err), &err);
    for (unsigned t = 0; t < TABLES; t++) w->keys[t] = KEYS_MAX;
    return w;
}

// ---------------------------------------------------------------------------------------------- checkpoints
static void *write_thread(void *context) {
    world *w = context;
    w->written = w->participant->ops->write(w->participant, w->writing_dir, &w->write_error);
    return NULL;
}

static void begin_checkpoint(world *w) {
    rwd_error err;
    w->participant->ops->freeze(w->participant, 0);
    w->frozen = w->now;
    w->frozen_open = true;
    w->swept = false;
    snprintf(w->writing_dir, sizeof w->writing_dir, "%s/checkpoint-%u", w->root, w->checkpoint_number++);
    must(rwd_mkdirs(w->writing_dir, &err), &err);
    assert_int_equal(pthread_create(&w->thread, NULL, write_thread, w), 0);
}

typedef struct comparing {
    const world *w;
    bool seen[TABLES][KEYS_MAX];
    size_t rows;
} comparing;

// The number of a key, from its bytes.
static size_t key_number(const world *w, unsigned table, rwd_slice key) {
    rwd_buf scratch = {0};
    rwd_value parts[RWD_KEY_PARTS_MAX];
    assert_true(rwd_key_decode(&w->schemas[table], key, parts, &scratch));
    size_t number;
    if (table == 1) {
        number = (size_t)(parts[1].i / 77);
    } else {
        char text[16] = {0};
        memcpy(text, parts[0].s.data, parts[0].s.size < 15 ? parts[0].s.size : 15);
        number = (size_t)strtoull(text + 1, NULL, 10);
    }
    rwd_buf_deinit(&scratch);
    assert_true(number < KEYS_MAX);
    return number;
}

static bool compare_row(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    static uint8_t expected[RWD_ROW_BYTES_MAX];
    comparing *c = context;
    size_t number = key_number(c->w, table, key);
    const model_row *m = &c->w->frozen.rows[table][number];
    assert_true(m->present);
    assert_false(c->seen[table][number]);
    assert_int_equal(m->size, row.size);
    make_row(m, expected);
    assert_memory_equal(expected, row.data, row.size);
    c->seen[table][number] = true;
    c->rows++;
    return true;
}

// The digest of the frozen model, computed here without the state's own digest functions.
static void model_digest(const world *w, rwd_digest *out, size_t *out_rows) {
    static uint8_t entry[4 + RWD_KEY_BYTES_MAX + RWD_ROW_BYTES_MAX];
    memset(out, 0, sizeof *out);
    *out_rows = 0;
    for (unsigned t = 0; t < TABLES; t++) {
        for (size_t k = 0; k < KEYS_MAX; k++) {
            const model_row *m = &w->frozen.rows[t][k];
            if (!m->present) continue;
            size_t key_size = make_key(w, t, k, entry + 4);
            uint64_t bucket = rwd_hash64(entry + 4, key_size, t) >> 52;
            entry[0] = 0;
            entry[1] = (uint8_t)t;
            entry[2] = (uint8_t)(bucket >> 8);
            entry[3] = (uint8_t)bucket;
            make_row(m, entry + 4 + key_size);
            out->buckets[bucket] =
                rwd_hash128_add(out->buckets[bucket], rwd_hash128_of(entry, 4 + key_size + m->size, 4 + key_size));
            ++*out_rows;
        }
    }
}

static void check_checkpoint(world *w) {
    rwd_error err;
    rwd_reader_db *reader;
    must(rwd_state_open(w->writing_dir, &reader, &err), &err);
    comparing *c = calloc(1, sizeof *c);
    c->w = w;
    must(rwd_state_scan(reader, -1, compare_row, c, &err), &err);
    static rwd_digest expected, stored, scanned;
    size_t rows;
    uint64_t keys;
    model_digest(w, &expected, &rows);
    assert_int_equal(rows, c->rows);
    must(rwd_state_stored_digest(w->writing_dir, &stored, &err), &err);
    assert_memory_equal(&expected, &stored, sizeof expected);
    must(rwd_state_scan_digest(reader, &scanned, &keys, &err), &err);
    assert_memory_equal(&expected, &scanned, sizeof expected);
    assert_int_equal(keys, rows);
    rwd_hash128 root = rwd_digest_root(&expected);
    assert_true(rwd_hash128_equal(root, w->participant->ops->digest(w->participant)));
    rwd_state_close(reader);
    free(c);
}

static void take_changes(world *w);

static bool sweep(world *w, size_t limit) {
    if (w->frozen_open && !w->swept) w->swept = w->participant->ops->sweep(w->participant, limit);
    return w->swept;
}

// Sweeps to the end, joins the thread, checks the checkpoint, thaws.
static void finish_checkpoint(world *w) {
    if (!w->frozen_open) return;
    while (!sweep(w, 1000)) usleep(50);
    pthread_join(w->thread, NULL);
    must(w->written, &w->write_error);
    check_checkpoint(w);
    w->participant->ops->thaw(w->participant);
    w->frozen_open = false;
    w->durable = w->frozen;
    if (w->last_checkpoint[0]) must(rwd_remove_tree(w->last_checkpoint, &w->write_error), &w->write_error);
    strcpy(w->last_checkpoint, w->writing_dir);
    w->checkpoints++;
}

// ---------------------------------------------------------------------------------------------- steps
static uint8_t key_bytes[BATCH_MAX][RWD_KEY_BYTES_MAX];

// K2: no clean slot left: end the transaction (what it changed is taken), checkpoint, try again; a batch that does not fit even then is halved.
static size_t resolve(world *w, rwd_touch *touches, size_t count) {
    rwd_error err;
    for (bool clean = false;;) {
        rwd_resolve result = rwd_tables_resolve(w->tables, touches, count, &err);
        if (result == RWD_RESOLVED) return count;
        must(result == RWD_RESOLVE_FULL, &err);
        w->fulls++;
        if (clean) {
            assert_true(count > 1);
            count = (count + 1) / 2;
        }
        take_changes(w);
        finish_checkpoint(w);
        begin_checkpoint(w);
        finish_checkpoint(w);
        clean = true;
    }
}

static void check_touch(world *w, const rwd_touch *touch, const model_row *m) {
    static uint8_t expected[RWD_ROW_BYTES_MAX];
    uint32_t size;
    const uint8_t *row = rwd_tables_row(w->tables, touch, &size);
    assert_int_equal(row != NULL, m->present);
    if (!row) return;
    assert_int_equal(size, m->size);
    make_row(m, expected);
    assert_memory_equal(row, expected, size);
}

static void step_batch(world *w) {
    static rwd_touch touches[BATCH_MAX];
    static uint8_t row[RWD_ROW_BYTES_MAX];
    size_t count = 1 + below(w, BATCH_MAX), hot_range = 1 + below(w, KEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        unsigned table = (unsigned)below(w, TABLES);
        size_t number = below(w, 3) ? below(w, w->keys[table]) : below(w, hot_range < w->keys[table] ? hot_range : w->keys[table]);
        size_t size = make_key(w, table, number, key_bytes[i]);
        touches[i] = (rwd_touch){.key = key_bytes[i], .key_size = (uint32_t)size, .table = (uint16_t)table, .event = (uint32_t)number};
        touches[i].hash = rwd_key_hash((uint16_t)table, rwd_slice_of(key_bytes[i], size));
    }
    count = resolve(w, touches, count);
    for (size_t i = 0; i < count; i++) {
        const rwd_touch *touch = &touches[i];
        model_row *m = &w->now.rows[touch->table][touch->event];
        check_touch(w, touch, m);
        size_t what = below(w, 10);
        if (what < 7) {
            *m = new_row(w, touch->table);
            make_row(m, row);
            rwd_tables_write(w->tables, touch, row, m->size);
            w->changed[touch->table][touch->event] = true;
        } else if (what < 9) {
            if (m->present) w->changed[touch->table][touch->event] = true;
            *m = (model_row){0};
            rwd_tables_delete(w->tables, touch);
        }
        check_touch(w, touch, m);
        if (below(w, 40) == 0) sweep(w, 1 + below(w, 20));
    }
}

static void step_get(world *w) {
    static uint8_t expected[RWD_ROW_BYTES_MAX];
    uint8_t key[RWD_KEY_BYTES_MAX];
    unsigned table = (unsigned)below(w, TABLES);
    size_t number = below(w, w->keys[table]);
    size_t size = make_key(w, table, number, key);
    const model_row *m = &w->now.rows[table][number];
    rwd_buf out = {0};
    bool found;
    rwd_error err;
    must(rwd_tables_get(w->tables, (uint16_t)table, rwd_slice_of(key, size), &found, &out, &err), &err);
    assert_int_equal(found, m->present);
    make_row(m, expected);
    if (found) assert_true(rwd_slice_equal(rwd_buf_slice(&out), rwd_slice_of(expected, m->size)));
    rwd_buf_deinit(&out);
}

static uint64_t mark_of(void *context, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t row_size) {
    (void)key_number(context, table, key);  // it is one of the table's
    return row ? rwd_hash64(row, row_size, table) | 1 : 0;
}

static void check_mark(const world *w, unsigned table, size_t number, uint64_t mark) {
    static uint8_t before[RWD_ROW_BYTES_MAX];
    const model_row *m = &w->taken.rows[table][number];
    if (m->present) make_row(m, before);
    uint64_t expected = !m->present ? 0 : table == 0 ? UINT64_MAX : rwd_hash64(before, m->size, table) | 1;
    assert_true(mark == expected);
}

static void visit_change(void *context, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t row_size, uint64_t mark) {
    static uint8_t expected[RWD_ROW_BYTES_MAX];
    world *w = context;
    size_t number = key_number(w, table, key);
    const model_row *m = &w->now.rows[table][number];
    assert_true(w->changed[table][number]);
    w->changed[table][number] = false;
    check_mark(w, table, number, mark);
    assert_int_equal(row != NULL, m->present);
    if (!row) return;
    make_row(m, expected);
    assert_true(rwd_slice_equal(rwd_slice_of(row, row_size), rwd_slice_of(expected, m->size)));
}

static void take_changes(world *w) {
    uint64_t listed = rwd_tables_changed(w->tables), expected = 0, bytes = 0;
    uint8_t key[RWD_KEY_BYTES_MAX];
    for (unsigned t = 0; t < TABLES; t++) {
        if (!w->tracked[t]) continue;
        for (size_t k = 0; k < KEYS_MAX; k++) {
            if (!w->changed[t][k]) continue;
            expected++;
            bytes += make_key(w, t, k, key) + w->now.rows[t][k].size;
        }
    }
    assert_int_equal(listed, expected);
    assert_int_equal(rwd_tables_changed_bytes(w->tables), bytes);
    for (unsigned t = 0; t < TABLES; t++) {
        if (w->tracked[t]) rwd_tables_take_changes(w->tables, (uint16_t)t, visit_change, w);
        for (size_t k = 0; k < KEYS_MAX; k++) {
            assert_true(!w->tracked[t] || !w->changed[t][k]);
            w->changed[t][k] = false;
        }
    }
    w->taken = w->now;
    assert_int_equal(rwd_tables_changed(w->tables), 0);
    assert_int_equal(rwd_tables_changed_bytes(w->tables), 0);
}

static void check_counts(world *w) {
    uint64_t all = 0;
    for (unsigned t = 0; t < TABLES; t++) {
        uint64_t keys = 0;
        for (size_t k = 0; k < KEYS_MAX; k++) keys += w->now.rows[t][k].present;
        assert_int_equal(rwd_tables_keys(w->tables, (uint16_t)t), keys);
        all += keys;
    }
    rwd_tables_stats stats;
    rwd_tables_get_stats(w->tables, &stats);
    assert_int_equal(stats.keys, all);
    if (stats.complete) assert_true(stats.hot_slots >= all);
}

// Back to the last checkpoint, as after a crash or a rollback.
static void step_reopen(world *w) {
    rwd_error err;
    finish_checkpoint(w);
    w->participant->ops->discard(w->participant);
    assert_int_equal(atomic_load(&w->budget.used[RWD_SHARE_HOT]), 0);
    assert_int_equal(atomic_load(&w->budget.used[RWD_SHARE_FROZEN]), 0);
    char dir[128];
    live_dir(w, dir);
    const char *from = w->last_checkpoint[0] ? w->last_checkpoint : NULL;
    must(w->participant->ops->open(w->participant, from, dir, &err), &err);
    w->now = w->taken = w->durable;
    memset(w->changed, 0, sizeof w->changed);
}

static void step(world *w) {
    size_t what = below(w, 100);
    if (what < 60) step_batch(w);
    else if (what < 75) sweep(w, 1 + below(w, 400));
    else if (what < 80) step_get(w);
    else if (what < 84) rwd_tables_warm(w->tables, 1 + below(w, 3000));
    else if (what < 90) take_changes(w);
    else if (what < 95) w->frozen_open ? finish_checkpoint(w) : begin_checkpoint(w);
    else if (what < 98) check_counts(w);
    else if (below(w, 6) == 0) step_reopen(w);
}

static void run_world(uint64_t seed, unsigned steps, uint64_t hot, uint64_t frozen, size_t keys, bool large_rows) {
    const rwd_tables_sizes sizes = {.segment = 4096, .pool_chunk = 16384, .out_chunk = 4096};
    world *w = new_world(seed, hot, frozen, &sizes);
    w->large_rows = large_rows;
    for (unsigned t = 0; t < TABLES; t++) {
        w->keys[t] = keys;
        w->tracked[t] = below(w, 3) != 0;
        rwd_tables_track_changes(w->tables, (uint16_t)t, w->tracked[t], t == 0 ? NULL : mark_of, w);
    }
    for (unsigned i = 0; i < steps; i++) step(w);
    take_changes(w);
    finish_checkpoint(w);
    begin_checkpoint(w);
    finish_checkpoint(w);
    rwd_tables_stats stats;
    rwd_tables_get_stats(w->tables, &stats);
    print_message("seed %llu: %u checkpoints, %u full, %llu evicted, %llu store reads, %llu splits\n", (unsigned long long)seed,
                  w->checkpoints, w->fulls, (unsigned long long)stats.evicted, (unsigned long long)stats.store_reads,
                  (unsigned long long)stats.splits);
    rwd_tables_free(w->tables);
    for (unsigned t = 0; t < TABLES; t++) rwd_schema_deinit(&w->schemas[t]);
    assert_true(rwd_remove_tree(w->root, NULL));
    free(w);
}

static unsigned long long chosen_seed;
static unsigned chosen_steps = 250;

static void tables_equal_the_model_when_all_fits(void **state) {
    (void)state;
    run_world(chosen_seed ? chosen_seed : 11, chosen_steps, 64u << 20, 4u << 20, KEYS_MAX, true);
}

static void tables_equal_the_model_when_the_state_is_several_times_the_memory(void **state) {
    (void)state;
    run_world(chosen_seed ? chosen_seed : 12, chosen_steps, 320u << 10, 64u << 10, KEYS_MAX, false);
    run_world(chosen_seed ? chosen_seed : 13, chosen_steps, 640u << 10, 256u << 10, KEYS_MAX, true);
}

static void tables_equal_the_model_when_keys_collide_in_few_slots(void **state) {
    (void)state;
    run_world(chosen_seed ? chosen_seed : 14, chosen_steps, 256u << 10, 32u << 10, 200, true);
}

int main(int argc, char **argv) {
    if (argc > 1) chosen_seed = strtoull(argv[1], NULL, 10);
    if (argc > 2) chosen_steps = (unsigned)strtoul(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_equal_the_model_when_all_fits),
        cmocka_unit_test(tables_equal_the_model_when_the_state_is_several_times_the_memory),
        cmocka_unit_test(tables_equal_the_model_when_keys_collide_in_few_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
