// LOCK: one owner, a term that rises, and directories that are not ours.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoints/frame.h"
#include "proto/pack.h"
#include "proto/repository.pb-c.h"
#include "tests/support/checkpoints_fixture.h"
#include "tests/unit/test.h"

static rwd_error err;

static int setup(void **state) {
    static fixture fx;
    fixture_init(&fx);
    *state = &fx;
    return 0;
}

static int teardown(void **state) {
    fixture_deinit(*state);
    return 0;
}

static const char *in_data(const fixture *fx, const char *name) {
    static char path[RWD_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", fx->data, name);
    return path;
}

static bool open_as(fixture *fx, const char *job, const char *partition, bool create) {
    rwd_repo_options options = {.path = fx->data, .job = job, .partition = partition, .create = create};
    return rwd_repo_open_owner(&options, fx->io, fx->clock, &fx->repo, &err);
}

static void every_ownership_has_a_higher_term_and_the_same_repository(void **state) {
    fixture *fx = *state;
    fixture_must(fixture_open(fx, &err), &err);
    rwd_hash128 id = rwd_repo_id(fx->repo);
    assert_true(rwd_repo_is_new(fx->repo));
    for (uint64_t term = 1; term < 5; term++) {
        assert_int_equal(rwd_repo_term(fx->repo), term);
        assert_true(rwd_hash128_equal(rwd_repo_id(fx->repo), id));
        assert_true(rwd_repo_still_owner(fx->repo));
        assert_string_equal(rwd_repo_job(fx->repo), "orders");
        fixture_close(fx);
        fixture_must(fixture_open(fx, &err), &err);
    }
}

static void two_directories_have_different_repository_ids(void **state) {
    fixture *fx = *state;
    fixture other;
    fixture_init(&other);
    fixture_must(fixture_open(fx, &err), &err);
    fixture_must(fixture_open(&other, &err), &err);
    assert_false(rwd_hash128_equal(rwd_repo_id(fx->repo), rwd_repo_id(other.repo)));
    fixture_deinit(&other);
}

static void a_second_owner_is_refused_and_told_the_first_ones_process(void **state) {
    fixture *fx = *state;
    char pid[32];
    fixture_must(fixture_open(fx, &err), &err);
    rwd_repo *first = fx->repo;
    (void)snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    assert_false(fixture_open(fx, &err));
    assert_int_equal(err.code, RWD_E_LOCKED);
    assert_non_null(strstr(err.cause, pid));
    assert_non_null(strstr(err.next, "rewind status"));
    fx->repo = first;
    assert_true(rwd_repo_still_owner(first));
    fixture_close(fx);
    fixture_must(fixture_open(fx, &err), &err);  // the refused one left nothing behind
}

#define TRIES_MAX 24000  // of 5 ms

// A program that goes on until this test closes its input, started by an owner that ends.
static void own_and_start_a_program(fixture *fx, int input) {
    rwd_error own;
    if (!fixture_open(fx, &own)) _exit(1);
    if (fork() != 0) _exit(0);
    if (dup2(input, STDIN_FILENO) >= 0) execlp("cat", "cat", (char *)NULL);
    _exit(1);
}

static void the_lock_ends_with_its_process_and_is_not_inherited_by_programs(void **state) {
    fixture *fx = *state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) own_and_start_a_program(fx, ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    // The program replaces the process that forked it in its own time.
    bool opened = false;
    for (int i = 0; i < TRIES_MAX && !opened; i++) {
        opened = fixture_open(fx, &err);
        if (!opened) (void)usleep(5000);
    }
    fixture_must(opened, &err);
    assert_int_equal(rwd_repo_term(fx->repo), 2);
    (void)close(ends[1]);
    (void)close(ends[0]);
}

static void another_jobs_or_partitions_directory_is_refused(void **state) {
    fixture *fx = *state;
    fixture_must(fixture_open(fx, &err), &err);
    fixture_close(fx);
    assert_false(open_as(fx, "payments", "0", true));
    assert_int_equal(err.code, RWD_E_FOREIGN);
    assert_non_null(strstr(err.cause, "orders"));
    assert_non_null(strstr(err.cause, "payments"));
    assert_false(open_as(fx, "orders", "1", true));
    assert_int_equal(err.code, RWD_E_FOREIGN);
    assert_true(open_as(fx, NULL, NULL, false));  // a command that names no job takes what is there
    assert_int_equal(rwd_repo_term(fx->repo), 2);  // refused openings raised no term
}

static void a_newer_versions_directory_is_refused_and_left_alone(void **state) {
    fixture *fx = *state;
    fixture_must(fixture_open(fx, &err), &err);
    fixture_close(fx);
    rwd_buf before = {0}, after = {0}, newer = {0};
    rwd_slice payload;
    size_t size = 0;
    fixture_must(rwd_read_file(in_data(fx, "LOCK"), 4096, &before, &err), &err);
    assert_int_equal(rwd_frame_read(rwd_buf_slice(&before), "RWLK", 1, &payload, &size), RWD_FRAME_WHOLE);
    rwd_frame_append(&newer, "RWLK", 2, payload);
    fixture_must(rwd_io_write_file(fx->io, in_data(fx, "LOCK"), rwd_buf_slice(&newer), &err), &err);
    assert_false(fixture_open(fx, &err));
    assert_int_equal(err.code, RWD_E_NEWER_FORMAT);
    rwd_repo *reader = NULL;
    assert_false(rwd_repo_open_reader(fx->data, fx->io, fx->clock, &reader, &err));
    assert_int_equal(err.code, RWD_E_NEWER_FORMAT);
    fixture_must(rwd_read_file(in_data(fx, "LOCK"), 4096, &after, &err), &err);
    assert_true(rwd_slice_equal(rwd_buf_slice(&after), rwd_buf_slice(&newer)));
    rwd_buf_deinit(&before);
    rwd_buf_deinit(&after);
    rwd_buf_deinit(&newer);
}

static void no_flipped_bit_or_truncation_of_lock_is_believed(void **state) {
    fixture *fx = *state;
    rwd_buf lock = {0};
    char id[RWD_CHECKPOINT_ID];
    fixture_must(fixture_open(fx, &err), &err);
    fixture_must(fixture_checkpoint(fx, 0, id, &err), &err);
    fixture_close(fx);
    fixture_must(rwd_read_file(in_data(fx, "LOCK"), 4096, &lock, &err), &err);
    for (size_t i = 0; i < lock.size; i++) {
        rwd_buf bad = {0};
        rwd_buf_append_slice(&bad, rwd_buf_slice(&lock));
        bad.data[i] ^= 0x40;
        fixture_must(rwd_io_write_file(fx->io, in_data(fx, "LOCK"), rwd_buf_slice(&bad), &err), &err);
        assert_false(fixture_open(fx, &err));
        assert_int_equal(err.code, RWD_E_CORRUPT);
        bad.size = i;
        fixture_must(rwd_io_write_file(fx->io, in_data(fx, "LOCK"), rwd_buf_slice(&bad), &err), &err);
        assert_false(fixture_open(fx, &err));
        assert_int_equal(err.code, RWD_E_CORRUPT);
        rwd_buf_deinit(&bad);
    }
    fixture_must(rwd_io_write_file(fx->io, in_data(fx, "LOCK"), rwd_buf_slice(&lock), &err), &err);
    fixture_must(fixture_open(fx, &err), &err);
    rwd_buf_deinit(&lock);
}

static void a_missing_lock_beside_checkpoints_is_no_new_directory(void **state) {
    fixture *fx = *state;
    fixture_must(fixture_open(fx, &err), &err);
    fixture_must(fixture_checkpoint(fx, 0, NULL, &err), &err);
    fixture_close(fx);
    assert_int_equal(unlink(in_data(fx, "LOCK")), 0);
    assert_false(fixture_open(fx, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    assert_true(fixture_exists(fixture_path(fx, fx->last, "MANIFEST")));
}

static void an_absent_directory_is_made_only_when_asked(void **state) {
    fixture *fx = *state;
    assert_false(open_as(fx, "orders", "0", false));
    assert_int_equal(err.code, RWD_E_NOT_FOUND);
    assert_false(fixture_exists(fx->data));
    rwd_repo *reader = NULL;
    assert_false(rwd_repo_open_reader(fx->data, fx->io, fx->clock, &reader, &err));
    assert_int_equal(err.code, RWD_E_NOT_FOUND);
}

static void an_owner_whose_lock_was_replaced_publishes_and_deletes_nothing(void **state) {
    fixture *fx = *state;
    char old[RWD_CHECKPOINT_ID], dir[RWD_PATH_MAX], id[RWD_CHECKPOINT_ID];
    fixture_must(fixture_open(fx, &err), &err);
    for (int64_t x = 0; x <= 40; x += 10) fixture_must(fixture_checkpoint(fx, x, x == 10 ? old : NULL, &err), &err);
    // Someone puts a copy of LOCK in its place: another inode.
    rwd_buf lock = {0};
    fixture_must(rwd_read_file(in_data(fx, "LOCK"), 4096, &lock, &err), &err);
    fixture_must(rwd_io_write_file(fx->io, in_data(fx, "LOCK"), rwd_buf_slice(&lock), &err), &err);
    rwd_buf_deinit(&lock);
    assert_false(rwd_repo_still_owner(fx->repo));
    rwd_facts facts = fixture_facts(fx, 50, "interval");
    fixture_must(rwd_repo_stage(fx->repo, fx->io, dir, &err), &err);
    assert_false(rwd_repo_publish(fx->repo, fx->io, dir, &facts, (rwd_hash128){0}, id, &err));
    assert_int_equal(err.code, RWD_E_FENCED);
    rwd_prune_plan plan;
    assert_false(rwd_repo_prune(fx->repo, &fx->lineage, 40, &(rwd_keep){.last = 1}, true, &plan, &err));
    assert_int_equal(err.code, RWD_E_FENCED);
    assert_true(fixture_exists(fixture_path(fx, old, FIXTURE_PRIVATE)));
    assert_false(rwd_repo_tag(fx->repo, old, "keep-me", &err));
    assert_int_equal(err.code, RWD_E_FENCED);
    assert_false(rwd_repo_quarantine(fx->repo, old, "test", &err));
    assert_true(fixture_exists(fixture_path(fx, old, "MANIFEST")));
}

static void a_start_removes_what_earlier_terms_left_unfinished_and_nothing_else(void **state) {
    fixture *fx = *state;
    char dir[RWD_PATH_MAX], good[RWD_CHECKPOINT_ID], live[RWD_PATH_MAX];
    fixture_must(fixture_open(fx, &err), &err);
    fixture_must(fixture_checkpoint(fx, 10, good, &err), &err);
    fixture_must(rwd_repo_stage(fx->repo, fx->io, dir, &err), &err);
    fixture_must(fixture_write_files(fx, dir, 20, &err), &err);
    (void)snprintf(live, sizeof(live), "%s/leftover", rwd_repo_live(fx->repo));
    fixture_write(live, "in use");
    fixture_write(in_data(fx, "checkpoints/notes.txt"), "a person's");
    fixture_close(fx);
    fixture_must(fixture_open(fx, &err), &err);
    assert_false(fixture_exists(dir));
    assert_false(fixture_exists(live));
    assert_true(fixture_exists(rwd_repo_live(fx->repo)));
    assert_true(fixture_exists(in_data(fx, "checkpoints/notes.txt")));
    fixture_must(rwd_repo_verify(fx->repo, fx->io, good, RWD_VERIFY_ALL, NULL, &err), &err);
}

static void genesis_is_marked_durably(void **state) {
    fixture *fx = *state;
    fixture_must(fixture_open(fx, &err), &err);
    assert_false(rwd_repo_genesis_committed(fx->repo));
    fixture_must(rwd_repo_mark_genesis_committed(fx->repo, &err), &err);
    assert_true(rwd_repo_genesis_committed(fx->repo));
    fixture_close(fx);
    fixture_must(fixture_open(fx, &err), &err);
    assert_true(rwd_repo_genesis_committed(fx->repo));
    fixture_close(fx);
    fixture_flip_bit(in_data(fx, "GENESIS"), 20, false);
    assert_false(fixture_open(fx, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
}

static void a_reader_opens_beside_the_owner_and_changes_nothing(void **state) {
    fixture *fx = *state;
    rwd_repo *reader = NULL;
    rwd_checkpoint_list list;
    fixture_must(fixture_open(fx, &err), &err);
    fixture_must(fixture_checkpoint(fx, 0, NULL, &err), &err);
    fixture_must(rwd_repo_open_reader(fx->data, fx->io, fx->clock, &reader, &err), &err);
    assert_int_equal(rwd_repo_term(reader), 1);
    assert_false(rwd_repo_still_owner(reader));
    fixture_must(rwd_repo_list(reader, &list, &err), &err);
    assert_int_equal(list.count, 1);
    rwd_checkpoint_list_deinit(&list);
    assert_false(rwd_repo_history_append(reader, &(rwd_history_entry){.kind = (char *)(uintptr_t)"restore"}, &err));
    assert_false(rwd_repo_tag(reader, fx->last, "mine", &err));
    rwd_repo_close(reader);
    assert_true(rwd_repo_still_owner(fx->repo));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_ownership_has_a_higher_term_and_the_same_repository),
        TEST(two_directories_have_different_repository_ids),
        TEST(a_second_owner_is_refused_and_told_the_first_ones_process),
        TEST(the_lock_ends_with_its_process_and_is_not_inherited_by_programs),
        TEST(another_jobs_or_partitions_directory_is_refused),
        TEST(a_newer_versions_directory_is_refused_and_left_alone),
        TEST(no_flipped_bit_or_truncation_of_lock_is_believed),
        TEST(a_missing_lock_beside_checkpoints_is_no_new_directory),
        TEST(an_absent_directory_is_made_only_when_asked),
        TEST(an_owner_whose_lock_was_replaced_publishes_and_deletes_nothing),
        TEST(a_start_removes_what_earlier_terms_left_unfinished_and_nothing_else),
        TEST(genesis_is_marked_durably),
        TEST(a_reader_opens_beside_the_owner_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
