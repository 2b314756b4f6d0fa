// The io tiers: whole files, injected faults, and a disk whose power fails.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/io/fake_disk.h"
#include "checkpoints/io/queue.h"
#include "operator/base/fs.h"
#include "tests/support/tier.h"
#include "tests/unit/test.h"

typedef struct folder {
    char root[64];
    rwd_io *io;
} folder;

static rwd_error err;

static void must(bool ok) {
    char text[2048];
    rwd_error_format(&err, text, sizeof(text));
    if (!ok) fail_msg("%s", text);
}

static int setup(void **state) {
    static folder f;
    f = (folder){.root = "io-test-XXXXXX"};
    assert_non_null(mkdtemp(f.root));
    f.io = test_tier_new();
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    folder *f = *state;
    rwd_io_free(f->io);
    must(rwd_remove_tree(f->root, &err));
    return 0;
}

static const char *at(const folder *f, const char *name) {
    static char paths[4][RWD_PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, RWD_PATH_MAX, "%s/%s", f->root, name);
    return path;
}

static void write_plain(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

static void expect_text(const char *path, const char *text) {
    rwd_buf bytes = {0};
    must(rwd_read_file(path, 1 << 20, &bytes, &err));
    assert_string_equal(rwd_buf_cstr(&bytes), text);
    rwd_buf_deinit(&bytes);
}

static bool exists(const char *path) { return access(path, F_OK) == 0; }

// Replaces the folder's tier by a faulty one around it.
static void make_faulty(folder *f, rwd_io_fault_plan plan) { must(rwd_io_fault_new(f->io, &plan, &f->io, &err)); }

// ---- whole files

static void a_file_is_replaced_whole_and_leaves_no_temporary(void **state) {
    folder *f = *state;
    must(rwd_io_write_file(f->io, at(f, "a"), rwd_slice_str("first"), &err));
    must(rwd_io_write_file(f->io, at(f, "a"), rwd_slice_str("second, longer"), &err));
    expect_text(at(f, "a"), "second, longer");
    struct stat info;
    assert_int_equal(stat(at(f, "a"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    char **names = NULL;
    size_t count = 0;
    must(rwd_list_dir(f->root, &names, &count, &err));
    assert_int_equal(count, 1);
    rwd_names_free(names, count);
}

static void hashes_are_those_of_the_bytes_from_cache_and_medium(void **state) {
    folder *f = *state;
    static const size_t sizes[] = {0, 1, 511, 4096, 4097, (1 << 20) - 1, 1 << 20, (1 << 20) + 5, 3 << 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *bytes = rwd_malloc(sizes[i] + 1);
        for (size_t j = 0; j < sizes[i]; j++) bytes[j] = (uint8_t)(j * 31 + j / 977);
        must(rwd_io_write_file(f->io, at(f, "a"), rwd_slice_of(bytes, sizes[i]), &err));
        rwd_hash128 wanted = rwd_hash128_of(bytes, sizes[i], 0), hash;
        uint64_t size = 0;
        for (int from = RWD_IO_FROM_CACHE; from <= RWD_IO_FROM_MEDIUM; from++) {
            must(rwd_io_hash_file(f->io, at(f, "a"), (rwd_io_from)from, NULL, &hash, &size, &err));
            assert_int_equal(size, sizes[i]);
            assert_true(rwd_hash128_equal(hash, wanted));
        }
        must(rwd_io_copy_file(f->io, at(f, "a"), at(f, "b"), NULL, &hash, &size, &err));
        assert_true(rwd_hash128_equal(hash, wanted));
        must(rwd_io_hash_file(f->io, at(f, "b"), RWD_IO_FROM_CACHE, NULL, &hash, &size, &err));
        assert_true(rwd_hash128_equal(hash, wanted));
        struct stat a, b;
        assert_int_equal(stat(at(f, "a"), &a), 0);
        assert_int_equal(stat(at(f, "b"), &b), 0);
        assert_true(a.st_ino != b.st_ino);
        assert_int_equal(unlink(at(f, "b")), 0);
        free(bytes);
    }
}

static void a_copy_does_not_replace_what_is_there(void **state) {
    folder *f = *state;
    rwd_hash128 hash;
    uint64_t size = 0;
    write_plain(at(f, "a"), "new");
    write_plain(at(f, "b"), "old");
    assert_false(rwd_io_copy_file(f->io, at(f, "a"), at(f, "b"), NULL, &hash, &size, &err));
    expect_text(at(f, "b"), "old");
}

static void a_hash_stops_when_it_is_told(void **state) {
    folder *f = *state;
    atomic_bool stop = true;
    rwd_hash128 hash;
    uint64_t size = 0;
    write_plain(at(f, "a"), "x");
    assert_false(rwd_io_hash_file(f->io, at(f, "a"), RWD_IO_FROM_CACHE, &stop, &hash, &size, &err));
    assert_int_equal(err.decision, RWD_RETRY);
}

static void a_file_that_is_too_large_is_refused_and_an_absent_one_is_named(void **state) {
    folder *f = *state;
    rwd_buf bytes = {0};
    write_plain(at(f, "a"), "12345");
    assert_false(rwd_io_read_file(f->io, at(f, "a"), 4, &bytes, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    rwd_buf_clear(&bytes);
    must(rwd_io_read_file(f->io, at(f, "a"), 5, &bytes, &err));
    assert_int_equal(bytes.size, 5);
    assert_false(rwd_io_read_file(f->io, at(f, "none"), 5, &bytes, &err));
    assert_int_equal(err.code, RWD_E_NOT_FOUND);
    assert_non_null(strstr(err.place, "none"));
    rwd_buf_deinit(&bytes);
}

static void folders_are_made_with_their_parents(void **state) {
    folder *f = *state;
    must(rwd_io_make_dirs(f->io, at(f, "x/y/z"), &err));
    must(rwd_io_make_dirs(f->io, at(f, "x/y/z"), &err));
    assert_true(exists(at(f, "x/y/z")));
    write_plain(at(f, "file"), "");
    assert_false(rwd_io_make_dirs(f->io, at(f, "file/below"), &err));
}

// ---- faults

static void the_nth_operation_fails_and_the_others_do_not(void **state) {
    folder *f = *state;
    make_faulty(f, (rwd_io_fault_plan){.fail_at = 2, .error = ENOSPC});
    int fd = -1;
    must(rwd_io_open(f->io, at(f, "a"), O_RDWR | O_CREAT, 0600, &fd, &err));
    assert_false(rwd_io_write(f->io, fd, "a", "abcdef", 6, 0, &err));
    assert_int_equal(err.code, RWD_E_DISK_FULL);
    assert_non_null(strstr(err.next, "df -h"));
    must(rwd_io_write(f->io, fd, "a", "abcdef", 6, 0, &err));
    must(rwd_io_fsync(f->io, fd, "a", &err));
    rwd_io_close(f->io, fd);
    expect_text(at(f, "a"), "abcdef");
    assert_int_equal(rwd_io_fault_count(f->io), 4);
}

static void a_write_that_fails_may_have_written_a_part(void **state) {
    folder *f = *state;
    make_faulty(f, (rwd_io_fault_plan){.fail_at = 2, .error = EIO});
    assert_false(rwd_io_write_file(f->io, at(f, "a"), rwd_slice_str("abcdef"), &err));
    assert_false(exists(at(f, "a")));
    expect_text(at(f, "a.new"), "abc");
}

static void all_later_operations_of_the_kind_fail_too_when_asked(void **state) {
    folder *f = *state;
    make_faulty(f, (rwd_io_fault_plan){.fail_at = 2, .error = EIO, .fail_forever = true});
    int fd = -1;
    must(rwd_io_open(f->io, at(f, "a"), O_RDWR | O_CREAT, 0600, &fd, &err));
    for (int i = 0; i < 3; i++) {
        assert_false(rwd_io_write(f->io, fd, "a", "abcdef", 6, 0, &err));
        must(rwd_io_fsync(f->io, fd, "a", &err));
    }
    rwd_io_close(f->io, fd);
}

static void a_failed_sync_is_told_as_lost(void **state) {
    folder *f = *state;
    make_faulty(f, (rwd_io_fault_plan){.fail_at = 3, .error = EIO});
    assert_false(rwd_io_write_file(f->io, at(f, "a"), rwd_slice_str("abcdef"), &err));
    assert_int_equal(err.code, RWD_E_SYNC_FAILED);
    assert_int_equal(err.decision, RWD_ROLLBACK);
}

static void only_paths_that_match_fail(void **state) {
    folder *f = *state;
    make_faulty(f, (rwd_io_fault_plan){.fail_at = 1, .error = EIO, .fail_forever = true, .path_part = "victim"});
    must(rwd_io_write_file(f->io, at(f, "a"), rwd_slice_str("abcdef"), &err));
    assert_false(rwd_io_write_file(f->io, at(f, "victim"), rwd_slice_str("abcdef"), &err));
}

static size_t order[64], order_size;
static void note_order(rwd_io_op *op) { order[order_size++] = (size_t)(op - (rwd_io_op *)op->owner); }

static void completions_come_in_any_order_and_transfers_in_pieces(void **state) {
    folder *f = *state;
    make_faulty(f, (rwd_io_fault_plan){.seed = 7, .reorder = 8, .short_percent = 50});
    int fd = -1;
    must(rwd_io_open(f->io, at(f, "a"), O_RDWR | O_CREAT, 0600, &fd, &err));
    rwd_io_queue *queue = NULL;
    rwd_io_queue_options options = {.depth = 16};
    must(rwd_io_queue_open(f->io, &options, &queue, &err));
    rwd_io_op ops[64], *submitted[64];
    uint8_t bytes[64][16];
    order_size = 0;
    for (size_t i = 0; i < 64; i++) {
        memset(bytes[i], (int)i, sizeof(bytes[i]));
        ops[i] = (rwd_io_op){.kind = RWD_IO_WRITE, .fd = fd, .data = bytes[i], .size = 16, .offset = i * 16, .done = note_order, .owner = ops};
        submitted[i] = &ops[i];
    }
    rwd_io_submit(queue, submitted, 64);
    rwd_io_drain(queue);
    assert_int_equal(order_size, 64);
    bool moved = false;
    for (size_t i = 0; i < 64; i++) {
        assert_true(ops[i].finished);
        assert_int_equal(ops[i].result, 16);
        moved |= order[i] != i;
    }
    assert_true(moved);
    rwd_io_queue_close(queue);
    uint8_t back[64][16];
    size_t got = 0;
    must(rwd_io_read(f->io, fd, "a", back, sizeof(back), 0, &got, &err));
    assert_int_equal(got, sizeof(back));
    assert_memory_equal(back, bytes, sizeof(back));
    rwd_io_close(f->io, fd);
}

static void clones_share_one_count(void **state) {
    folder *f = *state;
    make_faulty(f, (rwd_io_fault_plan){.fail_at = 1000, .error = EIO});
    rwd_io *other = NULL;
    must(rwd_io_clone(f->io, &other, &err));
    must(rwd_io_mkdir(f->io, at(f, "a"), &err));
    must(rwd_io_mkdir(other, at(f, "b"), &err));
    assert_int_equal(rwd_io_fault_count(f->io), 2);
    assert_int_equal(rwd_io_fault_count(other), 2);
    rwd_io_free(other);
}

// ---- power loss

static rwd_fake_disk *disk_of(folder *f, rwd_io_fault_plan plan) {
    rwd_fake_disk *disk = NULL;
    rwd_io_free(f->io);  // it may be around the disk of an earlier round
    f->io = test_tier_new();
    must(rwd_fake_disk_new(f->root, &disk, &err));
    plan.disk = disk;
    make_faulty(f, plan);
    return disk;
}

static void append_open(folder *f, const char *name, const char *text, bool sync) {
    int fd = -1;
    struct stat info;
    must(rwd_io_open(f->io, at(f, name), O_WRONLY | O_CREAT, 0600, &fd, &err));
    assert_int_equal(fstat(fd, &info), 0);
    must(rwd_io_write(f->io, fd, name, text, strlen(text), (uint64_t)info.st_size, &err));
    if (sync) must(rwd_io_fdatasync(f->io, fd, name, &err));
    rwd_io_close(f->io, fd);
}

static void power_loss_takes_bytes_that_were_not_synced(void **state) {
    folder *f = *state;
    write_plain(at(f, "log"), "old ");
    rwd_fake_disk *disk = disk_of(f, (rwd_io_fault_plan){0});
    append_open(f, "log", "synced ", true);
    append_open(f, "log", "not synced", false);
    must(rwd_fake_disk_power_loss(disk, 0, &err));
    expect_text(at(f, "log"), "old synced ");
    rwd_fake_disk_free(disk);
}

static void power_loss_takes_a_name_whose_folder_was_not_synced(void **state) {
    folder *f = *state;
    rwd_fake_disk *disk = disk_of(f, (rwd_io_fault_plan){0});
    append_open(f, "named", "synced", true);
    append_open(f, "durable", "synced", true);
    must(rwd_io_sync_dir(f->io, f->root, &err));
    append_open(f, "late", "synced", true);
    must(rwd_fake_disk_power_loss(disk, 0, &err));
    expect_text(at(f, "durable"), "synced");
    expect_text(at(f, "named"), "synced");
    assert_false(exists(at(f, "late")));
    rwd_fake_disk_free(disk);
}

static void power_loss_before_the_folder_sync_undoes_a_rename(void **state) {
    folder *f = *state;
    write_plain(at(f, "file"), "old");
    for (int step = 0; step < 2; step++) {
        rwd_fake_disk *disk = disk_of(f, (rwd_io_fault_plan){0});
        append_open(f, "file.new", "new", true);
        must(rwd_io_rename(f->io, at(f, "file.new"), at(f, "file"), &err));
        if (step == 1) must(rwd_io_sync_dir(f->io, f->root, &err));
        expect_text(at(f, "file"), "new");
        must(rwd_fake_disk_power_loss(disk, 0, &err));
        expect_text(at(f, "file"), step == 1 ? "new" : "old");
        rwd_fake_disk_free(disk);
    }
}

static void a_renamed_folder_keeps_what_is_durable_in_it(void **state) {
    folder *f = *state;
    rwd_fake_disk *disk = disk_of(f, (rwd_io_fault_plan){0});
    must(rwd_io_mkdir(f->io, at(f, "x.part"), &err));
    append_open(f, "x.part/a", "in", true);
    must(rwd_io_link(f->io, at(f, "x.part/a"), at(f, "x.part/b"), &err));
    must(rwd_io_sync_dir(f->io, at(f, "x.part"), &err));
    append_open(f, "x.part/c", "never named", true);
    must(rwd_io_rename(f->io, at(f, "x.part"), at(f, "x"), &err));
    must(rwd_io_sync_dir(f->io, f->root, &err));
    must(rwd_fake_disk_power_loss(disk, 0, &err));
    expect_text(at(f, "x/a"), "in");
    assert_false(exists(at(f, "x.part")));
    assert_false(exists(at(f, "x/c")));
    struct stat a, b;
    assert_int_equal(stat(at(f, "x/a"), &a), 0);
    assert_int_equal(stat(at(f, "x/b"), &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    rwd_fake_disk_free(disk);
}

static void bytes_under_a_failed_sync_are_lost_though_a_later_one_succeeds(void **state) {
    folder *f = *state;
    write_plain(at(f, "log"), "ok ");
    rwd_fake_disk *disk = disk_of(f, (rwd_io_fault_plan){.fail_at = 3, .error = EIO});
    int fd = -1;
    must(rwd_io_open(f->io, at(f, "log"), O_WRONLY, 0, &fd, &err));
    must(rwd_io_write(f->io, fd, "log", "lost ", 5, 3, &err));
    assert_false(rwd_io_fsync(f->io, fd, "log", &err));
    must(rwd_io_write(f->io, fd, "log", "kept", 4, 8, &err));
    must(rwd_io_fsync(f->io, fd, "log", &err));
    rwd_io_close(f->io, fd);
    expect_text(at(f, "log"), "ok lost kept");
    must(rwd_fake_disk_power_loss(disk, 0, &err));
    rwd_buf bytes = {0};
    must(rwd_read_file(at(f, "log"), 100, &bytes, &err));
    assert_int_equal(bytes.size, 12);
    assert_memory_equal(bytes.data, "ok \0\0\0\0\0kept", 12);
    rwd_buf_deinit(&bytes);
    rwd_fake_disk_free(disk);
}

static void nothing_happens_after_the_power_went(void **state) {
    folder *f = *state;
    rwd_fake_disk *disk = disk_of(f, (rwd_io_fault_plan){.power_off_at = 2});
    must(rwd_io_mkdir(f->io, at(f, "a"), &err));
    assert_false(rwd_io_sync_dir(f->io, f->root, &err));
    assert_false(rwd_io_mkdir(f->io, at(f, "b"), &err));
    must(rwd_fake_disk_power_loss(disk, 0, &err));
    assert_false(exists(at(f, "a")));
    rwd_fake_disk_free(disk);
}

// With other seeds a loss leaves some state between the durable one and the newest, and over many seeds more than one of them.
static void other_losses_leave_something_between(void **state) {
    folder *f = *state;
    unsigned none = 0, part = 0, all = 0;
    for (uint64_t seed = 1; seed < 60; seed++) {
        write_plain(at(f, "log"), "durable ");
        rwd_fake_disk *disk = disk_of(f, (rwd_io_fault_plan){0});
        append_open(f, "log", "newer", false);
        must(rwd_fake_disk_power_loss(disk, seed, &err));
        rwd_buf bytes = {0};
        must(rwd_read_file(at(f, "log"), 100, &bytes, &err));
        assert_true(bytes.size >= 8 && bytes.size <= 13);
        assert_memory_equal(bytes.data, "durable newer", bytes.size);
        if (bytes.size == 8) none++;
        else if (bytes.size == 13) all++;
        else part++;
        rwd_buf_deinit(&bytes);
        rwd_fake_disk_free(disk);
    }
    assert_true(none > 0 && part > 0 && all > 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_replaced_whole_and_leaves_no_temporary),
        TEST(hashes_are_those_of_the_bytes_from_cache_and_medium),
        TEST(a_copy_does_not_replace_what_is_there),
        TEST(a_hash_stops_when_it_is_told),
        TEST(a_file_that_is_too_large_is_refused_and_an_absent_one_is_named),
        TEST(folders_are_made_with_their_parents),
        TEST(the_nth_operation_fails_and_the_others_do_not),
        TEST(a_write_that_fails_may_have_written_a_part),
        TEST(all_later_operations_of_the_kind_fail_too_when_asked),
        TEST(a_failed_sync_is_told_as_lost),
        TEST(only_paths_that_match_fail),
        TEST(completions_come_in_any_order_and_transfers_in_pieces),
        TEST(clones_share_one_count),
        TEST(power_loss_takes_bytes_that_were_not_synced),
        TEST(power_loss_takes_a_name_whose_folder_was_not_synced),
        TEST(power_loss_before_the_folder_sync_undoes_a_rename),
        TEST(a_renamed_folder_keeps_what_is_durable_in_it),
        TEST(bytes_under_a_failed_sync_are_lost_though_a_later_one_succeeds),
        TEST(nothing_happens_after_the_power_went),
        TEST(other_losses_leave_something_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
