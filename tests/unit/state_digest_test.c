// The digest: sums that know no order, and the file that keeps them.
#include "state/digest_file_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

static rwd_digest one, other;

static void add_some(rwd_digest *digest, size_t from, size_t to, bool backwards) {
    for (size_t i = from; i < to; i++) {
        uint8_t entry[16] = {0};
        rwd_put_be64(entry + 4, backwards ? to - 1 - (i - from) : i);
        rwd_digest_add(digest, (uint16_t)((backwards ? to - 1 - (i - from) : i) % RWD_BUCKETS), rwd_digest_entry(entry, 16, 12));
    }
}

static void the_digest_does_not_depend_on_order_and_forgets_what_is_subtracted(void **state) {
    (void)state;
    memset(&one, 0, sizeof one);
    memset(&other, 0, sizeof other);
    add_some(&one, 0, 20000, false);
    add_some(&other, 0, 20000, true);
    assert_memory_equal(&one, &other, sizeof one);
    uint8_t entry[16] = {0};
    rwd_put_be64(entry + 4, 777);
    rwd_digest_sub(&one, 777, rwd_digest_entry(entry, 16, 12));
    assert_false(rwd_hash128_equal(rwd_digest_root(&one), rwd_digest_root(&other)));
    rwd_digest_add(&one, 777, rwd_digest_entry(entry, 16, 12));
    assert_true(rwd_hash128_equal(rwd_digest_root(&one), rwd_digest_root(&other)));
}

static void merging_two_digests_is_the_digest_of_both(void **state) {
    (void)state;
    static rwd_digest whole;
    memset(&one, 0, sizeof one);
    memset(&other, 0, sizeof other);
    memset(&whole, 0, sizeof whole);
    add_some(&one, 0, 5000, false);
    add_some(&other, 5000, 9000, false);
    add_some(&whole, 0, 9000, false);
    rwd_digest_merge(&one, &other);
    assert_memory_equal(&one, &whole, sizeof one);
}

// The same bytes split differently between key and row are different entries.
static void the_border_between_key_and_row_counts(void **state) {
    (void)state;
    const uint8_t entry[12] = "key and row";
    assert_false(rwd_hash128_equal(rwd_digest_entry(entry, 12, 6), rwd_digest_entry(entry, 12, 7)));
}

static void the_digest_file_reads_back_and_any_flipped_byte_is_found(void **state) {
    (void)state;
    char dir[] = "state-digest-XXXXXX", path[64];
    rwd_error err;
    assert_non_null(mkdtemp(dir));
    memset(&one, 0, sizeof one);
    add_some(&one, 0, 10000, false);
    uint64_t keys[RWD_TABLES_MAX] = {12, 34}, back[RWD_TABLES_MAX];
    size_t tables;
    assert_true(rwd_digest_file_write(dir, &one, keys, 2, &err));
    assert_true(rwd_digest_file_read(dir, &other, back, &tables, &err));
    assert_memory_equal(&one, &other, sizeof one);
    assert_int_equal(tables, 2);
    assert_memory_equal(keys, back, 2 * sizeof *keys);
    assert_false(rwd_digest_file_write(dir, &one, keys, 2, &err));  // never over an old one
    snprintf(path, sizeof path, "%s/%s", dir, RWD_DIGEST_FILE);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    test_random r = test_random_of(6);
    for (int round = 0; round < 300; round++) {
        off_t at = round < 40 ? round : (off_t)test_random_below(&r, (uint64_t)size);
        uint8_t byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        uint8_t flipped = byte ^ (uint8_t)(1u << test_random_below(&r, 8));
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        assert_false(rwd_digest_file_read(dir, &other, back, &tables, &err));
        assert_true(err.code == RWD_E_CORRUPT || err.code == RWD_E_NEWER_FORMAT);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    for (off_t cut = size - 1; cut >= 0; cut = cut > 5000 ? cut - 4999 : cut - 1 - cut / 2) {
        assert_int_equal(ftruncate(fd, cut), 0);
        assert_false(rwd_digest_file_read(dir, &other, back, &tables, &err));
        assert_int_equal(err.code, RWD_E_CORRUPT);
    }
    close(fd);
    assert_true(rwd_remove_tree(dir, &err));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digest_does_not_depend_on_order_and_forgets_what_is_subtracted),
        cmocka_unit_test(merging_two_digests_is_the_digest_of_both),
        cmocka_unit_test(the_border_between_key_and_row_counts),
        cmocka_unit_test(the_digest_file_reads_back_and_any_flipped_byte_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
