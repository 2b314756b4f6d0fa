// history.log: the chain, its torn end, and damage in its middle.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/frame.h"
#include "tests/support/checkpoints_fixture.h"
#include "tests/unit/test.h"

static rwd_error err;

static int setup(void **state) {
    static fixture fx;
    fixture_init(&fx);
    fixture_must(fixture_open(&fx, &err), &err);
    *state = &fx;
    return 0;
}

static int teardown(void **state) {
    fixture_deinit(*state);
    return 0;
}

static const char *log_path(const fixture *fx) {
    static char path[RWD_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/history.log", fx->data);
    return path;
}

static uint64_t log_size(const fixture *fx) {
    struct stat info;
    return stat(log_path(fx), &info) == 0 ? (uint64_t)info.st_size : 0;
}

static void append(fixture *fx, const char *subject) {
    rwd_history_entry entry = {.kind = (char *)(uintptr_t)"restore", .subject = (char *)(uintptr_t)subject, .why = (char *)(uintptr_t)"RRRR RWHE"};
    fixture_must(rwd_repo_history_append(fx->repo, &entry, &err), &err);
}

static void reopen(fixture *fx) {
    fixture_close(fx);
    fixture_must(fixture_open(fx, &err), &err);
}

static void expect_subjects(fixture *fx, size_t count, const char *const *subjects) {
    rwd_history history;
    fixture_must(rwd_repo_history_read(fx->repo, &history, &err), &err);
    assert_int_equal(history.count, count);
    for (size_t i = 0; i < count; i++) assert_string_equal(history.items[i].subject, subjects[i]);
    rwd_history_deinit(&history);
}
#define SUBJECTS(...) sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__}

static void an_entry_says_what_who_why_and_when(void **state) {
    fixture *fx = *state;
    rwd_history history;
    rwd_history_entry entry = {.kind = (char *)(uintptr_t)"restore", .subject = (char *)(uintptr_t)"abc", .who = (char *)(uintptr_t)"ann",
                               .why = (char *)(uintptr_t)"numbers are off", .next_offset = 123, .digest = {1, 2}, .lineage = {3, 4}};
    fixture_must(rwd_repo_history_append(fx->repo, &entry, &err), &err);
    append(fx, "def");
    fixture_must(rwd_repo_history_read(fx->repo, &history, &err), &err);
    assert_int_equal(history.count, 2);
    const rwd_history_entry *first = &history.items[0];
    assert_string_equal(first->kind, "restore");
    assert_string_equal(first->subject, "abc");
    assert_string_equal(first->who, "ann");
    assert_string_equal(first->why, "numbers are off");
    assert_int_equal(first->next_offset, 123);
    assert_int_equal(first->at_us, 1700000000000000);
    assert_int_equal(first->term, 1);
    assert_true(rwd_hash128_equal(first->digest, (rwd_hash128){1, 2}));
    assert_true(rwd_hash128_equal(first->lineage, (rwd_hash128){3, 4}));
    assert_true(rwd_hash128_equal(first->before, (rwd_hash128){0}));
    assert_true(strlen(history.items[1].who) > 0);
    rwd_history_deinit(&history);
}

// The chain computed by hand from the bytes of the file.
static void each_entry_holds_the_hash_of_the_frame_before_it(void **state) {
    fixture *fx = *state;
    for (int i = 0; i < 5; i++) append(fx, "x");
    reopen(fx);
    for (int i = 0; i < 5; i++) append(fx, "y");
    rwd_buf bytes = {0};
    rwd_history history;
    fixture_must(rwd_read_file(log_path(fx), 1 << 20, &bytes, &err), &err);
    fixture_must(rwd_repo_history_read(fx->repo, &history, &err), &err);
    assert_int_equal(history.count, 10);
    rwd_hash128 before = {0};
    size_t at = 0;
    for (size_t i = 0; i < history.count; i++) {
        size_t size = RWD_FRAME_HEADER + rwd_get_le32(bytes.data + at + 8);
        assert_true(rwd_hash128_equal(history.items[i].before, before));
        before = rwd_hash128_of(bytes.data + at, size, 0);
        at += size;
    }
    assert_int_equal(at, bytes.size);
    rwd_buf_deinit(&bytes);
    rwd_history_deinit(&history);
}

static void checkpoints_and_quarantines_are_entered(void **state) {
    fixture *fx = *state;
    char a[RWD_CHECKPOINT_ID], b[RWD_CHECKPOINT_ID];
    rwd_history history;
    fixture_must(fixture_checkpoint(fx, 0, a, &err), &err);
    fixture_must(fixture_checkpoint(fx, 70, b, &err), &err);
    fixture_must(rwd_repo_tag(fx->repo, b, "before-sale", &err), &err);
    fixture_must(rwd_repo_quarantine(fx->repo, a, "a reason", &err), &err);
    fixture_must(rwd_repo_history_read(fx->repo, &history, &err), &err);
    assert_int_equal(history.count, 4);
    static const char *const kinds[] = {"genesis", "checkpoint", "tag", "quarantine"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(history.items[i].kind, kinds[i]);
        assert_string_equal(history.items[i].subject, i == 0 || i == 3 ? a : b);
    }
    assert_int_equal(history.items[1].next_offset, 70);
    assert_true(rwd_hash128_equal(history.items[1].digest, (rwd_hash128){41, 42}));
    assert_string_equal(history.items[2].why, "before-sale");
    assert_string_equal(history.items[3].why, "a reason");
    rwd_history_deinit(&history);
}

static void a_torn_tail_never_counted_at_any_length(void **state) {
    fixture *fx = *state;
    append(fx, "one");
    append(fx, "two");
    uint64_t whole = log_size(fx);
    append(fx, "torn");
    uint64_t end = log_size(fx);
    rwd_buf bytes = {0};
    fixture_must(rwd_read_file(log_path(fx), 1 << 20, &bytes, &err), &err);
    for (uint64_t size = whole + 1; size < end; size++) {
        fixture_close(fx);
        fixture_must(rwd_io_write_file(fx->io, log_path(fx), rwd_slice_of(bytes.data, size), &err), &err);
        fixture_must(fixture_open(fx, &err), &err);
        expect_subjects(fx, SUBJECTS("one", "two"));
        append(fx, "three");
        expect_subjects(fx, SUBJECTS("one", "two", "three"));
    }
    rwd_buf_deinit(&bytes);
}

static void a_tail_of_zeros_never_counted(void **state) {
    fixture *fx = *state;
    append(fx, "one");
    uint64_t whole = log_size(fx);
    assert_int_equal(truncate(log_path(fx), (off_t)whole + 5000), 0);
    reopen(fx);
    append(fx, "two");
    expect_subjects(fx, SUBJECTS("one", "two"));
}

static void any_flipped_bit_before_the_last_entry_is_found(void **state) {
    fixture *fx = *state;
    append(fx, "one");
    append(fx, "two");
    uint64_t before_last = log_size(fx);
    append(fx, "three");
    for (uint64_t at = 0; at < before_last; at++) {
        rwd_history history;
        fixture_flip_bit(log_path(fx), at, false);
        assert_false(rwd_repo_history_read(fx->repo, &history, &err));
        assert_int_equal(err.code, RWD_E_CORRUPT);
        fixture_flip_bit(log_path(fx), at, false);
    }
    expect_subjects(fx, SUBJECTS("one", "two", "three"));
}

static void a_flipped_bit_in_the_last_entry_is_damage_and_not_cut_away(void **state) {
    fixture *fx = *state;
    append(fx, "one");
    append(fx, "two");
    uint64_t end = log_size(fx);
    rwd_history history;
    fixture_flip_bit(log_path(fx), end - 3, false);
    assert_false(rwd_repo_history_read(fx->repo, &history, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    reopen(fx);
    append(fx, "three");
    assert_true(log_size(fx) > end);
    assert_false(rwd_repo_history_read(fx->repo, &history, &err));
    fixture_flip_bit(log_path(fx), end - 3, false);  // healed: the new entry stands behind it, but follows the one before
    assert_false(rwd_repo_history_read(fx->repo, &history, &err));
    assert_non_null(strstr(err.cause, "does not follow"));
}

static void a_removed_or_exchanged_entry_is_found(void **state) {
    fixture *fx = *state;
    uint64_t ends[4] = {0};
    for (size_t i = 1; i < 4; i++) {
        append(fx, "same");
        ends[i] = log_size(fx);
    }
    rwd_buf bytes = {0}, without = {0};
    rwd_history history;
    fixture_must(rwd_read_file(log_path(fx), 1 << 20, &bytes, &err), &err);
    rwd_buf_append(&without, bytes.data, ends[1]);
    rwd_buf_append(&without, bytes.data + ends[2], ends[3] - ends[2]);
    fixture_must(rwd_io_write_file(fx->io, log_path(fx), rwd_buf_slice(&without), &err), &err);
    assert_false(rwd_repo_history_read(fx->repo, &history, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    rwd_buf_clear(&without);
    rwd_buf_append(&without, bytes.data + ends[1], ends[2] - ends[1]);
    rwd_buf_append(&without, bytes.data, ends[1]);
    fixture_must(rwd_io_write_file(fx->io, log_path(fx), rwd_buf_slice(&without), &err), &err);
    assert_false(rwd_repo_history_read(fx->repo, &history, &err));
    rwd_buf_deinit(&bytes);
    rwd_buf_deinit(&without);
}

static void a_long_history_is_read_through_its_window(void **state) {
    fixture *fx = *state;
    rwd_history history;
    char *why = rwd_malloc(12001);
    memset(why, 'R', 12000);
    why[12000] = '\0';
    for (int i = 0; i < 200; i++) {
        rwd_history_entry entry = {.kind = (char *)(uintptr_t)"restore", .subject = (char *)(uintptr_t)"s", .why = why};
        fixture_must(rwd_repo_history_append(fx->repo, &entry, &err), &err);
    }
    assert_true(log_size(fx) > 2u << 20);
    reopen(fx);
    append(fx, "last");
    fixture_must(rwd_repo_history_read(fx->repo, &history, &err), &err);
    assert_int_equal(history.count, 201);
    assert_string_equal(history.items[199].why, why);
    rwd_history_deinit(&history);
    free(why);
}

// What an owner has remembered is where the next one begins to read; a hint that is wrong costs reading all of it.
static void the_end_of_a_long_history_is_found_without_reading_all_of_it(void **state) {
    fixture *fx = *state;
    char *why = rwd_malloc(12001);
    memset(why, 'R', 12000);
    why[12000] = '\0';
    for (int i = 0; i < 300; i++) {
        rwd_history_entry entry = {.kind = (char *)(uintptr_t)"restore", .subject = (char *)(uintptr_t)"s", .why = why};
        fixture_must(rwd_repo_history_append(fx->repo, &entry, &err), &err);
    }
    free(why);
    fixture_must(fixture_checkpoint(fx, 10, NULL, &err), &err);
    fixture_must(rwd_repo_verify(fx->repo, fx->io, fx->last, RWD_VERIFY_ALL, NULL, &err), &err);  // remembers
    append(fx, "behind the hint");
    uint64_t before = fx->io->bytes_read;
    reopen(fx);
    assert_true(fx->io->bytes_read - before < log_size(fx) / 2);
    append(fx, "and on");
    rwd_history history;
    fixture_must(rwd_repo_history_read(fx->repo, &history, &err), &err);
    assert_int_equal(history.count, 303);
    rwd_history_deinit(&history);
    // Another log in its place, as long: the hint does not fit, so all of it is read.
    rwd_buf bytes = {0};
    fixture_must(rwd_read_file(log_path(fx), 16u << 20, &bytes, &err), &err);
    fixture_must(rwd_io_write_file(fx->io, log_path(fx), rwd_slice_of(bytes.data, RWD_FRAME_HEADER + rwd_get_le32(bytes.data + 8)), &err), &err);
    reopen(fx);
    append(fx, "after the first");
    fixture_must(rwd_repo_history_read(fx->repo, &history, &err), &err);
    assert_int_equal(history.count, 2);
    rwd_history_deinit(&history);
    rwd_buf_deinit(&bytes);
}

static void a_directory_with_a_history_is_not_new(void **state) {
    fixture *fx = *state;
    assert_true(rwd_repo_is_new(fx->repo));
    append(fx, "one");
    reopen(fx);
    assert_false(rwd_repo_is_new(fx->repo));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_entry_says_what_who_why_and_when),
        TEST(each_entry_holds_the_hash_of_the_frame_before_it),
        TEST(checkpoints_and_quarantines_are_entered),
        TEST(a_torn_tail_never_counted_at_any_length),
        TEST(a_tail_of_zeros_never_counted),
        TEST(any_flipped_bit_before_the_last_entry_is_found),
        TEST(a_flipped_bit_in_the_last_entry_is_damage_and_not_cut_away),
        TEST(a_removed_or_exchanged_entry_is_found),
        TEST(a_long_history_is_read_through_its_window),
        TEST(the_end_of_a_long_history_is_found_without_reading_all_of_it),
        TEST(a_directory_with_a_history_is_not_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
