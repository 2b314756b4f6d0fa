// Damage: every kind in every file of a checkpoint is found, and the fall-back is the one that K4 and K5 name.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/frame.h"
#include "checkpoints/manifest_private.h"
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

static void reopen(fixture *fx) {
    fixture_close(fx);
    fixture_must(fixture_open(fx, &err), &err);
}

// Genesis at 0, and checkpoints at 10, 20, 30; ids by number.
typedef struct chain { char id[4][RWD_CHECKPOINT_ID]; } chain;

static chain make_chain(fixture *fx) {
    chain c;
    for (int i = 0; i < 4; i++) {
        if (i == 1) fx->last[0] = '\0';  // genesis shares nothing
        fixture_must(fixture_checkpoint(fx, i * 10, c.id[i], &err), &err);
    }
    return c;
}

static bool choose(fixture *fx, int64_t frontier, char id[RWD_CHECKPOINT_ID], unsigned *skipped) {
    rwd_checkpoint c;
    if (!rwd_repo_choose(fx->repo, fx->io, &fx->lineage, frontier, 0, NULL, &c, skipped, &err)) return false;
    memcpy(id, c.id, RWD_CHECKPOINT_ID);
    assert_int_equal(c.state, RWD_CHECKPOINT_GOOD);
    rwd_checkpoint_deinit(&c);
    return true;
}

static void expect_choice(fixture *fx, int64_t frontier, const char *id, unsigned wanted_skipped) {
    char chosen[RWD_CHECKPOINT_ID];
    unsigned skipped = 99;
    fixture_must(choose(fx, frontier, chosen, &skipped), &err);
    assert_string_equal(chosen, id);
    assert_int_equal(skipped, wanted_skipped);
}

static const char *bad_path(const fixture *fx, const char *id) {
    static char path[RWD_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/checkpoints/%s.bad", fx->data, id);
    return path;
}

// ---- choice without damage

static void recovery_takes_the_newest_good_one_at_or_below_c(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    reopen(fx);
    expect_choice(fx, 30, c.id[3], 0);
    expect_choice(fx, 1000, c.id[3], 0);
}

static void a_checkpoint_above_c_means_that_c_moved_back(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    char chosen[RWD_CHECKPOINT_ID];
    unsigned skipped = 0;
    reopen(fx);
    assert_false(choose(fx, 29, chosen, &skipped));
    assert_int_equal(err.code, RWD_E_COMMIT_MOVED);
    assert_non_null(strstr(err.cause, c.id[3]));
    // By name, a person takes an earlier one.
    rwd_checkpoint named;
    fixture_must(rwd_repo_choose(fx->repo, fx->io, &fx->lineage, 29, 0, c.id[2], &named, &skipped, &err), &err);
    assert_string_equal(named.id, c.id[2]);
    rwd_checkpoint_deinit(&named);
    assert_false(rwd_repo_choose(fx->repo, fx->io, &fx->lineage, 29, 0, c.id[3], &named, &skipped, &err));
    assert_int_equal(err.code, RWD_E_NO_CHECKPOINT);
}

static void checkpoints_of_another_history_do_not_serve(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    char chosen[RWD_CHECKPOINT_ID];
    unsigned skipped = 0;
    rwd_lineage ours = fx->lineage, other;
    rwd_lineage_init(&other, ours.source, 0);
    rwd_lineage_add_segment(&other, (rwd_lineage_segment){0, {3, 4}, {5, 6}});
    rwd_lineage_add_segment(&other, (rwd_lineage_segment){20, {99, 99}, {5, 6}});  // other logic from 20 on: 10 and 20 serve, 30 does not
    fx->lineage = other;
    fixture_must(choose(fx, 25, chosen, &skipped), &err);
    assert_string_equal(chosen, c.id[2]);
    fx->lineage = ours;
    rwd_lineage_deinit(&other);
    rwd_lineage_init(&other, (rwd_hash128){77, 77}, 0);
    rwd_checkpoint named;
    assert_false(rwd_repo_choose(fx->repo, fx->io, &other, 1000, 0, NULL, &named, &skipped, &err));
    assert_int_equal(err.code, RWD_E_NO_CHECKPOINT);
    assert_false(rwd_repo_choose(fx->repo, fx->io, &other, 1000, 0, c.id[1], &named, &skipped, &err));
    assert_int_equal(err.code, RWD_E_NO_CHECKPOINT);
    rwd_lineage_deinit(&other);
}

// An error that passes is no damage, and does not make recovery fall back in silence.
static void a_passing_read_error_changes_no_choice(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    reopen(fx);
    rwd_io *clean = fx->io, *inner = NULL;
    for (uint64_t at = 1; at < 60; at++) {
        char chosen[RWD_CHECKPOINT_ID];
        unsigned skipped = 0;
        rwd_io_fault_plan plan = {.fail_at = at, .error = EIO, .path_part = "/checkpoints/"};
        fixture_must(rwd_io_clone(clean, &inner, &err), &err);
        fixture_must(rwd_io_fault_new(inner, &plan, &fx->io, &err), &err);
        bool ok = choose(fx, 30, chosen, &skipped);
        rwd_io_free(fx->io);
        fx->io = clean;
        fixture_must(ok, &err);
        assert_int_equal(skipped, 0);
        assert_string_equal(chosen, c.id[3]);
    }
}

// One that stays is damage.
static void a_file_that_cannot_be_read_is_damage(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    reopen(fx);
    rwd_io *clean = fx->io, *inner = NULL;
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/%s", c.id[3], FIXTURE_PRIVATE);
    rwd_io_fault_plan plan = {.fail_at = 1, .error = EIO, .fail_forever = true, .path_part = path};
    fixture_must(rwd_io_clone(clean, &inner, &err), &err);
    fixture_must(rwd_io_fault_new(inner, &plan, &fx->io, &err), &err);
    expect_choice(fx, 30, c.id[2], 1);
    rwd_io_free(fx->io);
    fx->io = clean;
}

// ---- damage in files of one checkpoint

typedef enum harm { FLIP, CUT, GROW, REMOVE, REPLACE_BY_FOLDER, HARM_COUNT } harm;

static void do_harm(const char *path, harm what) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    switch (what) {
    case FLIP: fixture_flip_bit(path, (uint64_t)info.st_size / 2, false); break;
    case CUT: fixture_cut(path, (uint64_t)info.st_size - 1); break;
    case GROW: fixture_cut(path, (uint64_t)info.st_size + 1); break;
    case REMOVE: assert_int_equal(unlink(path), 0); break;
    case REPLACE_BY_FOLDER:
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        break;
    case HARM_COUNT: break;
    }
}

// Each kind of harm in each private file of the newest: found, set aside, and the one before it taken.
static void harm_in_a_private_file_condemns_its_checkpoint_only(void **state) {
    fixture *fx = *state;
    static const char *const files[] = {"MANIFEST", FIXTURE_PRIVATE, FIXTURE_DEEP};
    chain c = make_chain(fx);
    (void)c;
    char previous[RWD_CHECKPOINT_ID], newest[RWD_CHECKPOINT_ID];
    int64_t x = 30;
    memcpy(previous, fx->last, sizeof(previous));
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        for (harm what = FLIP; what < HARM_COUNT; what++) {
            x += 10;
            fixture_must(fixture_checkpoint(fx, x, newest, &err), &err);
            fixture_close(fx);
            do_harm(fixture_path(fx, newest, files[i]), what);
            fixture_must(fixture_open(fx, &err), &err);
            expect_choice(fx, x, previous, 1);
            assert_true(fixture_exists(bad_path(fx, newest)));  // set aside, not deleted
            assert_false(fixture_exists(fixture_path(fx, newest, "")));
            expect_choice(fx, x, previous, 0);
            memcpy(fx->last, previous, sizeof(fx->last));
        }
    }
}

static void a_quarantined_one_is_listed_with_its_reason_and_is_in_the_history(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    rwd_history history;
    rwd_checkpoint bad;
    reopen(fx);
    fixture_flip_bit(fixture_path(fx, c.id[3], FIXTURE_PRIVATE), 3, false);
    expect_choice(fx, 30, c.id[2], 1);
    fixture_must(rwd_repo_find(fx->repo, c.id[3], &bad, &err), &err);
    assert_int_equal(bad.state, RWD_CHECKPOINT_BAD);
    assert_non_null(strstr(bad.why_bad, FIXTURE_PRIVATE));
    assert_int_equal(bad.facts.next_offset, 30);
    rwd_checkpoint_deinit(&bad);
    fixture_must(rwd_repo_history_read(fx->repo, &history, &err), &err);
    const rwd_history_entry *last = &history.items[history.count - 1];
    assert_string_equal(last->kind, "quarantine");
    assert_string_equal(last->subject, c.id[3]);
    assert_non_null(strstr(last->why, FIXTURE_PRIVATE));
    rwd_history_deinit(&history);
    fixture_must(rwd_repo_find(fx->repo, "latest", &bad, &err), &err);
    assert_string_equal(bad.id, c.id[2]);
    rwd_checkpoint_deinit(&bad);
}

// ---- damage in a shared file

static void harm_in_a_shared_file_condemns_all_that_list_it_and_ends_at_genesis(void **state) {
    for (harm what = FLIP; what < REMOVE; what++) {
        fixture *fx = *state;
        chain c = make_chain(fx);
        reopen(fx);
        do_harm(fixture_path(fx, c.id[2], FIXTURE_SHARED), what);
        expect_choice(fx, 30, c.id[0], 3);
        for (int i = 1; i < 4; i++) assert_true(fixture_exists(bad_path(fx, c.id[i])));
        (void)teardown(state);
        (void)setup(state);
    }
}

static void harm_in_a_shared_file_ends_at_the_independent_copy(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    char copy[RWD_CHECKPOINT_ID];
    fixture_must(rwd_repo_copy_independent(fx->repo, fx->io, c.id[2], NULL, copy, &err), &err);
    reopen(fx);
    expect_choice(fx, 30, c.id[3], 0);
    fixture_flip_bit(fixture_path(fx, c.id[1], FIXTURE_SHARED), 5, false);
    expect_choice(fx, 30, copy, 2);
}

static void harm_in_the_copy_leaves_the_others_alone(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    char copy[RWD_CHECKPOINT_ID];
    fixture_must(rwd_repo_copy_independent(fx->repo, fx->io, c.id[3], NULL, copy, &err), &err);
    reopen(fx);
    fixture_flip_bit(fixture_path(fx, copy, FIXTURE_SHARED), 5, false);
    for (int i = 0; i < 4; i++) fixture_must(rwd_repo_verify(fx->repo, fx->io, c.id[i], RWD_VERIFY_ALL, NULL, &err), &err);
    assert_false(rwd_repo_verify(fx->repo, fx->io, copy, RWD_VERIFY_ALL, NULL, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
}

static void a_shared_file_that_one_checkpoint_lost_is_still_good_in_the_others(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    reopen(fx);
    assert_int_equal(unlink(fixture_path(fx, c.id[3], FIXTURE_SHARED)), 0);
    expect_choice(fx, 30, c.id[2], 1);
}

static void a_bad_parent_does_not_make_its_child_bad(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    reopen(fx);
    fixture_flip_bit(fixture_path(fx, c.id[2], FIXTURE_PRIVATE), 5, false);
    expect_choice(fx, 30, c.id[3], 0);
    fixture_flip_bit(fixture_path(fx, c.id[2], "MANIFEST"), 40, false);
    expect_choice(fx, 30, c.id[3], 1);  // an unreadable manifest is set aside wherever it is
}

static void when_nothing_is_good_it_stops_and_says_so(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    char chosen[RWD_CHECKPOINT_ID];
    unsigned skipped = 0;
    reopen(fx);
    for (int i = 0; i < 4; i++) fixture_flip_bit(fixture_path(fx, c.id[i], "MANIFEST"), 30, false);
    assert_false(choose(fx, 30, chosen, &skipped));
    assert_int_equal(err.code, RWD_E_NO_CHECKPOINT);
    assert_int_equal(skipped, 4);
    assert_false(rwd_repo_is_new(fx->repo));
    reopen(fx);
    assert_false(rwd_repo_is_new(fx->repo));  // never started empty where anything is
}

// ---- what is read, and when

static void decay_in_a_file_that_was_read_back_is_left_to_the_full_check(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    reopen(fx);
    expect_choice(fx, 30, c.id[3], 0);
    reopen(fx);
    fixture_flip_bit(fixture_path(fx, c.id[3], FIXTURE_PRIVATE), 5, true);
    fixture_must(rwd_repo_verify(fx->repo, fx->io, c.id[3], RWD_VERIFY_NEW, NULL, &err), &err);
    assert_false(rwd_repo_verify(fx->repo, fx->io, c.id[3], RWD_VERIFY_MEDIUM, NULL, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    // Once known, it is known at every level.
    assert_false(rwd_repo_verify(fx->repo, fx->io, c.id[3], RWD_VERIFY_NEW, NULL, &err));
    // And after the next start as well.
    reopen(fx);
    assert_false(rwd_repo_verify(fx->repo, fx->io, c.id[3], RWD_VERIFY_NEW, NULL, &err));
}

// Damage that shows itself while the files are in use: what was once read back vouches for nothing any more.
static void after_distrust_decay_is_found_in_files_that_were_read_back(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    reopen(fx);
    expect_choice(fx, 30, c.id[3], 0);
    fixture_flip_bit(fixture_path(fx, c.id[3], FIXTURE_PRIVATE), 5, true);
    expect_choice(fx, 30, c.id[3], 0);
    rwd_repo_distrust(fx->repo);
    expect_choice(fx, 30, c.id[2], 1);
}

static void decay_in_a_file_that_was_never_read_back_is_found_at_the_start(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    reopen(fx);
    fixture_flip_bit(fixture_path(fx, c.id[3], FIXTURE_PRIVATE), 5, true);
    expect_choice(fx, 30, c.id[2], 1);
}

static void files_that_were_read_back_are_not_read_again_at_the_next_start(void **state) {
    fixture *fx = *state;
    (void)make_chain(fx);
    reopen(fx);
    char chosen[RWD_CHECKPOINT_ID];
    unsigned skipped = 0;
    fixture_must(rwd_repo_verify(fx->repo, fx->io, fx->last, RWD_VERIFY_NEW, NULL, &err), &err);
    reopen(fx);
    uint64_t before = fx->io->bytes_read;
    fixture_must(choose(fx, 30, chosen, &skipped), &err);
    uint64_t manifests_only = fx->io->bytes_read - before;
    // Without the hint the same start reads the three files, too.
    fixture_close(fx);
    char verified[RWD_PATH_MAX];
    (void)snprintf(verified, sizeof(verified), "%s/verified", fx->data);
    assert_int_equal(unlink(verified), 0);
    fixture_must(fixture_open(fx, &err), &err);
    before = fx->io->bytes_read;
    fixture_must(choose(fx, 30, chosen, &skipped), &err);
    uint64_t files = strlen("the same in every checkpoint, by hard link") + 2 * strlen("only in the checkpoint at 30");
    assert_true(fx->io->bytes_read - before >= manifests_only + files);
}

static void a_damaged_hint_costs_reading_and_nothing_else(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    reopen(fx);
    expect_choice(fx, 30, c.id[3], 0);
    fixture_close(fx);
    char verified[RWD_PATH_MAX];
    (void)snprintf(verified, sizeof(verified), "%s/verified", fx->data);
    fixture_flip_bit(verified, 30, false);
    fixture_must(fixture_open(fx, &err), &err);
    expect_choice(fx, 30, c.id[3], 0);
}

static void nothing_is_built_on_a_file_that_was_found_bad(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    fixture_flip_bit(fixture_path(fx, c.id[3], FIXTURE_SHARED), 5, true);
    assert_false(rwd_repo_verify(fx->repo, fx->io, c.id[3], RWD_VERIFY_ALL, NULL, &err));
    assert_false(fixture_checkpoint(fx, 40, NULL, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    assert_int_equal(err.decision, RWD_ROLLBACK);
}

// What was found bad is that file, not whatever has its inode number after it is gone.
static void a_new_file_in_place_of_a_bad_one_is_judged_by_its_own_bytes(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    rwd_buf bytes = {0};
    const char *path = fixture_path(fx, c.id[3], FIXTURE_PRIVATE);
    fixture_must(rwd_read_file(path, 1 << 20, &bytes, &err), &err);
    fixture_flip_bit(path, 5, true);
    assert_false(rwd_repo_verify(fx->repo, fx->io, c.id[3], RWD_VERIFY_ALL, NULL, &err));
    fixture_write(path, rwd_buf_cstr(&bytes));  // a person puts the bytes back: same inode, another time of change
    struct timespec later[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 4000000000}};  // clocks may tick more slowly than this test
    assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
    fixture_must(rwd_repo_verify(fx->repo, fx->io, c.id[3], RWD_VERIFY_ALL, NULL, &err), &err);
    fixture_must(fixture_checkpoint(fx, 40, NULL, &err), &err);
    rwd_buf_deinit(&bytes);
}

// A file that decayed before it went into the next checkpoint keeps the hash that it had when it was written, even when its parent is set aside.
static void a_damaged_file_does_not_get_a_new_good_hash(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    char id[RWD_CHECKPOINT_ID];
    fixture_flip_bit(fixture_path(fx, c.id[3], FIXTURE_SHARED), 5, true);
    fixture_must(rwd_repo_quarantine(fx->repo, c.id[3], "for the test", &err), &err);
    memcpy(fx->last, c.id[2], sizeof(fx->last));  // another name of the same file
    fixture_must(fixture_checkpoint(fx, 40, id, &err), &err);
    assert_false(rwd_repo_verify(fx->repo, fx->io, id, RWD_VERIFY_ALL, NULL, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
}

static void a_checkpoint_of_another_directory_is_not_taken_for_ours(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    fixture other;
    char command[512];
    fixture_init(&other);
    fixture_must(fixture_open(&other, &err), &err);
    fixture_must(fixture_checkpoint(&other, 30, NULL, &err), &err);
    (void)snprintf(command, sizeof(command), "cp -a %s %s/checkpoints/", fixture_path(&other, other.last, ""), fx->data);
    assert_int_equal(system(command), 0);
    expect_choice(fx, 30, c.id[3], 1);
    assert_true(fixture_exists(bad_path(fx, other.last)));
    fixture_deinit(&other);
}

static void a_folder_renamed_to_another_id_is_not_believed(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    assert_int_equal(rename(fixture_path(fx, c.id[3], ""), fixture_path(fx, "00000000000000aa", "")), 0);
    expect_choice(fx, 30, c.id[2], 1);
    assert_true(fixture_exists(bad_path(fx, "00000000000000aa")));
}

static void a_manifest_of_a_newer_version_stops_the_start(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    char chosen[RWD_CHECKPOINT_ID];
    unsigned skipped = 0;
    rwd_buf bytes = {0}, newer = {0};
    fixture_must(rwd_read_file(fixture_path(fx, c.id[3], "MANIFEST"), 1 << 20, &bytes, &err), &err);
    // The frame of a version 2: as the layout at the head of frame.h says, with its checksum.
    rwd_put_le32(bytes.data + 4, 2);
    uint32_t crc = rwd_crc32c(0, bytes.data, 12);
    rwd_put_le32(bytes.data + 12, rwd_crc32c(crc, bytes.data + 16, bytes.size - 16));
    fixture_must(rwd_io_write_file(fx->io, fixture_path(fx, c.id[3], "MANIFEST"), rwd_buf_slice(&bytes), &err), &err);
    assert_false(choose(fx, 30, chosen, &skipped));
    assert_int_equal(err.code, RWD_E_NEWER_FORMAT);
    assert_true(fixture_exists(fixture_path(fx, c.id[3], "MANIFEST")));
    rwd_buf_deinit(&bytes);
    rwd_buf_deinit(&newer);
}

// ---- hostile manifests

static void expect_hostile(fixture *fx, rwd_checkpoint *c) {
    rwd_buf bytes = {0};
    rwd_checkpoint back;
    rwd_manifest_encode(c, &bytes);
    assert_false(rwd_manifest_decode(rwd_buf_slice(&bytes), &back, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    assert_null(back.files);
    rwd_buf_deinit(&bytes);
    (void)fx;
}

static void names_that_leave_the_folder_are_refused(void **state) {
    fixture *fx = *state;
    static const char *const names[] = {"../x", "/etc/passwd", "a/../b", "a//b", "", ".", "..", "a/", "MANIFEST", "./a", "a/."};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        rwd_checkpoint_file file = {.name = (char *)(uintptr_t)names[i], .size = 1};
        rwd_checkpoint c = {.id = "0123456789abcdef", .files = &file, .file_count = 1};
        expect_hostile(fx, &c);
    }
}

static void ids_offsets_sizes_and_orders_that_cannot_be_are_refused(void **state) {
    fixture *fx = *state;
    rwd_checkpoint_file twice[2] = {{.name = (char *)(uintptr_t)"a"}, {.name = (char *)(uintptr_t)"a"}};
    rwd_checkpoint_file unsorted[2] = {{.name = (char *)(uintptr_t)"b"}, {.name = (char *)(uintptr_t)"a"}};
    rwd_checkpoint_file huge = {.name = (char *)(uintptr_t)"a", .size = UINT64_MAX};
    rwd_checkpoint c = {.id = "0123456789abcdef", .files = twice, .file_count = 2};
    expect_hostile(fx, &c);
    c.files = unsorted;
    expect_hostile(fx, &c);
    c.files = &huge;
    c.file_count = 1;
    expect_hostile(fx, &c);
    expect_hostile(fx, &(rwd_checkpoint){.id = "0123456789abcdeF"});
    expect_hostile(fx, &(rwd_checkpoint){.id = "../../../../etc/"});
    expect_hostile(fx, &(rwd_checkpoint){.id = "0123456789abcdef", .parent = "nonsense"});
    expect_hostile(fx, &(rwd_checkpoint){.id = "0123456789abcdef", .facts = {.next_offset = -1}});
    expect_hostile(fx, &(rwd_checkpoint){.id = "0123456789abcdef", .facts = {.frontier = INT64_MIN}});
    char *text = rwd_malloc(RWD_MANIFEST_WORDS_MAX + 2);
    memset(text, 'x', RWD_MANIFEST_WORDS_MAX + 1);
    text[RWD_MANIFEST_WORDS_MAX + 1] = '\0';
    expect_hostile(fx, &(rwd_checkpoint){.id = "0123456789abcdef", .facts = {.violated = text}});
    expect_hostile(fx, &(rwd_checkpoint){.id = "0123456789abcdef", .facts = {.cursor = rwd_slice_str(text)}});
    free(text);
}

// Three bytes on the wire stand for a file entry of more than fifty in memory.
static void a_small_manifest_that_would_take_much_memory_is_refused(void **state) {
    (void)state;
    static const uint8_t empty_file[] = {0xBA, 0x01, 0x00};  // field 23, no bytes
    rwd_buf payload = {0}, bytes = {0};
    rwd_checkpoint c;
    while (payload.size < (15u << 20)) rwd_buf_append(&payload, empty_file, sizeof(empty_file));
    rwd_frame_append(&bytes, "RWMF", 1, rwd_buf_slice(&payload));
    assert_false(rwd_manifest_decode(rwd_buf_slice(&bytes), &c, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    assert_non_null(strstr(err.cause, "does not hold a manifest"));
    rwd_buf_deinit(&payload);
    rwd_buf_deinit(&bytes);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(recovery_takes_the_newest_good_one_at_or_below_c),
        TEST(a_checkpoint_above_c_means_that_c_moved_back),
        TEST(checkpoints_of_another_history_do_not_serve),
        TEST(a_passing_read_error_changes_no_choice),
        TEST(a_file_that_cannot_be_read_is_damage),
        TEST(harm_in_a_private_file_condemns_its_checkpoint_only),
        TEST(a_quarantined_one_is_listed_with_its_reason_and_is_in_the_history),
        TEST(harm_in_a_shared_file_condemns_all_that_list_it_and_ends_at_genesis),
        TEST(harm_in_a_shared_file_ends_at_the_independent_copy),
        TEST(harm_in_the_copy_leaves_the_others_alone),
        TEST(a_shared_file_that_one_checkpoint_lost_is_still_good_in_the_others),
        TEST(a_bad_parent_does_not_make_its_child_bad),
        TEST(when_nothing_is_good_it_stops_and_says_so),
        TEST(decay_in_a_file_that_was_read_back_is_left_to_the_full_check),
        TEST(after_distrust_decay_is_found_in_files_that_were_read_back),
        TEST(decay_in_a_file_that_was_never_read_back_is_found_at_the_start),
        TEST(files_that_were_read_back_are_not_read_again_at_the_next_start),
        TEST(a_damaged_hint_costs_reading_and_nothing_else),
        TEST(nothing_is_built_on_a_file_that_was_found_bad),
        TEST(a_new_file_in_place_of_a_bad_one_is_judged_by_its_own_bytes),
        TEST(a_damaged_file_does_not_get_a_new_good_hash),
        TEST(a_checkpoint_of_another_directory_is_not_taken_for_ours),
        TEST(a_folder_renamed_to_another_id_is_not_believed),
        TEST(a_manifest_of_a_newer_version_stops_the_start),
        TEST(names_that_leave_the_folder_are_refused),
        TEST(a_small_manifest_that_would_take_much_memory_is_refused),
        TEST(ids_offsets_sizes_and_orders_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
