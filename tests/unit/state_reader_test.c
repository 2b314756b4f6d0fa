// Reading a checkpoint: scans, key order, damage, and that nothing is left behind.
#include "state/reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "state/row.h"
#include "state/sort_private.h"
#include "tests/support/random.h"
#include "tests/support/state_rig.h"

#define KEYS 3000

static void make_checkpoint(rig *r) {
    rig_init(r, 0, 0);
    for (size_t i = 0; i < KEYS; i++) rig_add(r, i, (int64_t)i);
    for (size_t i = 0; i < KEYS; i += 10) rig_add(r, i, -1);
    rig_checkpoint(r);
}

typedef struct seen {
    rig *r;
    size_t count, stop_at;
    uint8_t last[64];
    size_t last_size;
    bool sorted;
    rwd_hash128 all;
} seen;

static bool see(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    seen *s = context;
    assert_int_equal(table, 0);
    rwd_value parts[RWD_KEY_PARTS_MAX], sum;
    rwd_buf scratch = {0};
    assert_true(rwd_key_decode(&s->r->schema, key, parts, &scratch));
    char text[32] = {0};
    assert_true(parts[0].s.size < sizeof text);
    memcpy(text, parts[0].s.data, parts[0].s.size);
    size_t number = strtoull(text + 4, NULL, 10);
    rwd_row_read(&s->r->schema, 1, row.data, &sum);
    assert_true(number % 10 != 0);
    assert_int_equal(sum.i, number);
    if (s->sorted && s->count) assert_true(rwd_slice_compare(rwd_slice_of(s->last, s->last_size), key) < 0);
    memcpy(s->last, key.data, key.size);
    s->last_size = key.size;
    s->all = rwd_hash128_of(key.data, key.size, s->all.low);
    rwd_buf_deinit(&scratch);
    return ++s->count != s->stop_at;
}

static void scans_visit_each_row_once_in_the_order_asked_for(void **state) {
    (void)state;
    rig r;
    make_checkpoint(&r);
    rwd_reader_db *reader;
    rig_must(rwd_state_open(r.checkpoint, &reader, &r.error), &r.error);
    seen plain = {.r = &r}, table = {.r = &r}, other = {.r = &r}, sorted = {.r = &r, .sorted = true}, again = sorted,
         large = sorted, stopped = {.r = &r, .stop_at = 5};
    rig_must(rwd_state_scan(reader, -1, see, &plain, &r.error), &r.error);
    rig_must(rwd_state_scan(reader, 0, see, &table, &r.error), &r.error);
    rig_must(rwd_state_scan(reader, 1, see, &other, &r.error), &r.error);
    rig_must(rwd_state_scan_sorted(reader, 0, 0, r.root, see, &sorted, &r.error), &r.error);
    rig_must(rwd_state_scan_sorted(reader, 0, 0, r.root, see, &again, &r.error), &r.error);
    rig_must(rwd_state_scan_sorted(reader, 0, 1u << 30, r.root, see, &large, &r.error), &r.error);
    rig_must(rwd_state_scan_sorted(reader, 0, 0, r.root, see, &stopped, &r.error), &r.error);
    assert_int_equal(plain.count, KEYS - KEYS / 10);
    assert_int_equal(table.count, plain.count);
    assert_int_equal(other.count, 0);
    assert_int_equal(sorted.count, plain.count);
    assert_int_equal(stopped.count, 5);
    assert_true(rwd_hash128_equal(sorted.all, again.all) && rwd_hash128_equal(sorted.all, large.all));
    rwd_state_close(reader);
    rig_deinit(&r);
}

// ---------------------------------------------------------------------------------------------- nothing is left behind
static rwd_hash128 tree_hash(const char *path, rwd_hash128 hash) {
    char **names;
    size_t count;
    rwd_error err;
    rig_must(rwd_list_dir(path, &names, &count, &err), &err);
    for (size_t i = 0; i < count; i++) {
        char child[512];
        struct stat s;
        snprintf(child, sizeof child, "%s/%s", path, names[i]);
        assert_int_equal(lstat(child, &s), 0);
        hash = rwd_hash128_of(names[i], strlen(names[i]), hash.low);
        if (S_ISDIR(s.st_mode)) {
            hash = tree_hash(child, hash);
            continue;
        }
        int64_t facts[] = {s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec, (int64_t)s.st_ino};
        hash = rwd_hash128_of(facts, sizeof facts, hash.low);
    }
    rwd_names_free(names, count);
    return hash;
}

static void reading_creates_and_changes_nothing(void **state) {
    (void)state;
    rig r;
    make_checkpoint(&r);
    rwd_hash128 before = tree_hash(r.checkpoint, (rwd_hash128){0});
    rwd_digest *digest = malloc(sizeof *digest);
    uint64_t keys;
    for (int round = 0; round < 3; round++) {
        rwd_reader_db *reader;
        rig_must(rwd_state_open(r.checkpoint, &reader, &r.error), &r.error);
        rig_must(rwd_state_scan_digest(reader, digest, &keys, &r.error), &r.error);
        assert_true(rwd_hash128_equal(before, tree_hash(r.checkpoint, (rwd_hash128){0})));
        rwd_state_close(reader);
    }
    assert_true(rwd_hash128_equal(before, tree_hash(r.checkpoint, (rwd_hash128){0})));
    assert_int_equal(keys, KEYS - KEYS / 10);
    assert_true(rwd_hash128_equal(rwd_digest_root(digest), r.participant->ops->digest(r.participant)));
    free(digest);
    rig_deinit(&r);
}

// ---------------------------------------------------------------------------------------------- damage
static void table_file(const rig *r, char out[512]) {
    char folder[256];
    char **names;
    size_t count;
    rwd_error err;
    snprintf(folder, sizeof folder, "%s/%s", r->checkpoint, RWD_TABLES_FOLDER);
    rig_must(rwd_list_dir(folder, &names, &count, &err), &err);
    out[0] = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]);
        if (size > 4 && strcmp(names[i] + size - 4, ".sst") == 0) snprintf(out, 512, "%s/%s", folder, names[i]);
    }
    assert_true(out[0]);
    rwd_names_free(names, count);
}

// A flipped byte is an error, or, in the few bytes that carry nothing, the rows are as they were. It is never other rows.
static void a_flipped_byte_in_a_table_file_is_corruption_and_never_other_rows(void **state) {
    (void)state;
    rig r;
    make_checkpoint(&r);
    char path[512];
    table_file(&r, path);
    rwd_hash128 good = r.participant->ops->digest(r.participant);
    r.participant->ops->discard(r.participant);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    test_random random = test_random_of(20);
    rwd_digest *digest = malloc(sizeof *digest);
    unsigned found = 0;
    for (int round = 0; round < 60; round++) {
        off_t at = (off_t)test_random_below(&random, (uint64_t)size);
        uint8_t byte, flipped;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        flipped = byte ^ 0x10;
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        rwd_reader_db *reader;
        uint64_t keys;
        bool worked = rwd_state_open(r.checkpoint, &reader, &r.error);
        if (worked) {
            worked = rwd_state_scan_digest(reader, digest, &keys, &r.error);
            rwd_state_close(reader);
        }
        if (worked) assert_true(rwd_hash128_equal(rwd_digest_root(digest), good));
        else {
            assert_int_equal(r.error.code, RWD_E_CORRUPT);
            found++;
        }
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    assert_true(found > 40);
    close(fd);
    free(digest);
    rig_deinit(&r);
}

static void a_damaged_block_makes_resolve_fail_as_corrupt(void **state) {
    (void)state;
    rig r;
    make_checkpoint(&r);
    char path[512];
    table_file(&r, path);
    r.participant->ops->discard(r.participant);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t noise[512];
    memset(noise, 0xA5, sizeof noise);
    assert_int_equal(pwrite(fd, noise, sizeof noise, 1000), sizeof noise);  // in the first block of rows
    close(fd);
    rig_open(&r, r.checkpoint);
    unsigned failed = 0;
    for (size_t i = 0; i < KEYS; i++) {
        rwd_resolve result = rig_try(&r, i, 1);
        if (result == RWD_RESOLVED) continue;
        assert_int_equal(result, RWD_RESOLVE_FAILED);
        assert_int_equal(r.error.code, RWD_E_CORRUPT);
        failed++;
    }
    assert_true(failed > 0);
    while (!rwd_tables_warm(r.tables, 1000)) usleep(50);
    assert_false(rig_stats(&r).complete);  // the load met the damage too
    rig_deinit(&r);
}

static void a_missing_checkpoint_is_an_error_with_its_path(void **state) {
    (void)state;
    rwd_reader_db *reader;
    rwd_error err;
    assert_false(rwd_state_open("no-such-folder", &reader, &err));
    assert_non_null(strstr(err.place, "no-such-folder"));
}

// ---------------------------------------------------------------------------------------------- sorting
static int by_bytes(const void *a, const void *b) {
    return rwd_slice_compare(*(const rwd_slice *)a, *(const rwd_slice *)b);
}

typedef struct expecting {
    const rwd_slice *keys;
    size_t at;
} expecting;

static bool expect_next(void *context, rwd_slice key, rwd_slice row) {
    expecting *e = context;
    assert_true(rwd_slice_equal(key, e->keys[e->at]));
    assert_int_equal(row.size, key.size % 7 * 50);
    for (size_t i = 0; i < row.size; i++) assert_int_equal(row.data[i], (uint8_t)key.size);
    e->at++;
    return true;
}

// Enough rows for more runs than are merged at once.
static void sorting_with_little_memory_equals_sorting_in_memory(void **state) {
    (void)state;
    test_random random = test_random_of(21);
    size_t count = 60000;
    rwd_slice *keys = calloc(count, sizeof *keys);
    rwd_error err;
    char dir[] = "state-sort-XXXXXX";
    assert_non_null(mkdtemp(dir));
    rwd_sort *sort = rwd_sort_new(1, dir);
    uint8_t row[400];
    for (size_t i = 0; i < count; i++) {
        size_t size = 4 + test_random_below(&random, test_random_below(&random, 50) ? 12 : 200);
        uint8_t *key = malloc(size);
        for (size_t k = 0; k < size; k++) key[k] = (uint8_t)test_random_below(&random, 4);
        rwd_put_be32(key + size - 4, (uint32_t)i);  // no two are equal
        keys[i] = rwd_slice_of(key, size);
        memset(row, (int)size, sizeof row);
        rig_must(rwd_sort_add(sort, keys[i], rwd_slice_of(row, size % 7 * 50), &err), &err);
    }
    qsort(keys, count, sizeof *keys, by_bytes);
    expecting e = {.keys = keys};
    rig_must(rwd_sort_finish(sort, expect_next, &e, &err), &err);
    assert_int_equal(e.at, count);
    rwd_sort_free(sort);
    assert_int_equal(rmdir(dir), 0);  // nothing was left in it
    for (size_t i = 0; i < count; i++) free((void *)(uintptr_t)keys[i].data);
    free(keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scans_visit_each_row_once_in_the_order_asked_for),
        cmocka_unit_test(reading_creates_and_changes_nothing),
        cmocka_unit_test(a_flipped_byte_in_a_table_file_is_corruption_and_never_other_rows),
        cmocka_unit_test(a_damaged_block_makes_resolve_fail_as_corrupt),
        cmocka_unit_test(a_missing_checkpoint_is_an_error_with_its_path),
        cmocka_unit_test(sorting_with_little_memory_equals_sorting_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
