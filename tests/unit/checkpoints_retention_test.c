// Retention, tags, words that name checkpoints, and independent copies.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

#define CHAIN 8
typedef struct chain { char id[CHAIN][RWD_CHECKPOINT_ID]; } chain;

// Genesis at 0, checkpoints at 10 .. 70.
static chain make_chain(fixture *fx) {
    chain c;
    for (int i = 0; i < CHAIN; i++) fixture_must(fixture_checkpoint(fx, i * 10, c.id[i], &err), &err);
    return c;
}

static bool has_files(const fixture *fx, const char *id) { return fixture_exists(fixture_path(fx, id, FIXTURE_PRIVATE)); }

static rwd_prune_plan prune(fixture *fx, unsigned last, unsigned full, int64_t frontier, bool act) {
    rwd_prune_plan plan;
    fixture_must(rwd_repo_prune(fx->repo, &fx->lineage, frontier, &(rwd_keep){.last = last, .full = full}, act, &plan, &err), &err);
    return plan;
}

static void prune_now(fixture *fx, unsigned last) {
    rwd_prune_plan plan = prune(fx, last, 0, 70, true);
    rwd_prune_plan_deinit(&plan);
}

// Bit i: checkpoint i of the chain still has its files.
static unsigned what_is_left(const fixture *fx, const chain *c) {
    unsigned left = 0;
    for (unsigned i = 0; i < CHAIN; i++) left |= has_files(fx, c->id[i]) ? 1u << i : 0;
    return left;
}

static void the_newest_and_genesis_stay(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    prune_now(fx, 3);
    assert_int_equal(what_is_left(fx, &c), 0xE1);
}

static void the_newest_two_good_ones_stay_whatever_is_said(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    prune_now(fx, 0);
    assert_int_equal(what_is_left(fx, &c), 0xC1);
}

// The case of K5 and K7: the newest ones turn out bad; those that are good stay, bad ones do not count.
static void bad_ones_do_not_count_as_good(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    fixture_close(fx);
    fixture_flip_bit(fixture_path(fx, c.id[7], FIXTURE_PRIVATE), 3, false);
    fixture_flip_bit(fixture_path(fx, c.id[5], FIXTURE_DEEP), 3, false);
    fixture_must(fixture_open(fx, &err), &err);
    prune_now(fx, 0);
    assert_int_equal(what_is_left(fx, &c), 0xF1);  // 6 and 4 are the good ones; 7 and 5 are for those who judge them
}

static void checkpoints_of_another_history_do_not_count(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    rwd_lineage other;
    rwd_prune_plan plan;
    rwd_lineage_init(&other, fx->lineage.source, 0);
    rwd_lineage_add_segment(&other, (rwd_lineage_segment){0, {3, 4}, {5, 6}});
    rwd_lineage_add_segment(&other, (rwd_lineage_segment){30, {99, 99}, {5, 6}});  // 0 .. 30 are of this history, too
    fixture_must(rwd_repo_prune(fx->repo, &other, 70, &(rwd_keep){.last = 1}, true, &plan, &err), &err);
    assert_int_equal(what_is_left(fx, &c), 0x8D);
    rwd_prune_plan_deinit(&plan);
    rwd_lineage_deinit(&other);
}

static void a_pinned_one_stays_until_its_time_has_come(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    int64_t now = rwd_clock_wall_us(fx->clock);
    fixture_must(rwd_repo_pin(fx->repo, c.id[2], now + 1000, &err), &err);
    fixture_must(rwd_repo_pin(fx->repo, c.id[3], now + 5000, &err), &err);
    fixture_must(rwd_repo_pin(fx->repo, c.id[3], now + 2000, &err), &err);  // the later time counts
    prune_now(fx, 0);
    assert_int_equal(what_is_left(fx, &c), 0xCD);
    rwd_clock_virtual_advance(fx->clock, 1000 * 1000);
    prune_now(fx, 0);
    assert_int_equal(what_is_left(fx, &c), 0xC9);
    fixture_must(rwd_repo_pin(fx->repo, c.id[7], now + 9000, &err), &err);  // those whose time has come are forgotten, others are not
    fixture_close(fx);
    fixture_must(fixture_open(fx, &err), &err);
    rwd_checkpoint pinned;
    fixture_must(rwd_repo_find(fx->repo, c.id[3], &pinned, &err), &err);
    assert_true(pinned.pinned);
    assert_true(pinned.pinned_until_us == now + 5000);
    rwd_checkpoint_deinit(&pinned);
    rwd_clock_virtual_advance(fx->clock, 4000 * 1000);
    prune_now(fx, 0);
    assert_int_equal(what_is_left(fx, &c), 0xC1);
}

static void a_plan_says_what_goes_and_why_the_rest_stays_and_removes_nothing(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    fixture_must(rwd_repo_tag(fx->repo, c.id[2], "before-sale", &err), &err);
    rwd_prune_plan plan = prune(fx, 3, 0, 70, false);
    assert_int_equal(plan.count, CHAIN);
    assert_int_equal(what_is_left(fx, &c), 0xFF);
    unsigned going = 0;
    uint64_t freed = 0;
    for (size_t i = 0; i < plan.count; i++) {
        assert_string_equal(plan.items[i].id, c.id[CHAIN - 1 - i]);  // newest first
        assert_false(plan.items[i].removed);
        if (plan.items[i].why_kept) continue;
        going |= 1u << (CHAIN - 1 - i);
        freed += 2 * strlen("only in the checkpoint at 10");  // the shared file has other names
    }
    assert_int_equal(going, 0x1A);
    assert_int_equal(plan.freed, freed);
    assert_non_null(strstr(plan.items[5].why_kept, "tag"));
    assert_non_null(strstr(plan.items[7].why_kept, "genesis"));
    rwd_prune_plan_deinit(&plan);
    plan = prune(fx, 3, 0, 70, true);
    assert_int_equal(what_is_left(fx, &c), 0xE5);
    for (size_t i = 0; i < plan.count; i++) assert_int_equal(plan.items[i].removed, plan.items[i].why_kept == NULL);
    rwd_prune_plan_deinit(&plan);
}

static void a_pruned_checkpoint_keeps_its_manifest_so_the_chain_can_be_walked(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    rwd_checkpoint_list list;
    prune_now(fx, 2);
    fixture_close(fx);
    fixture_must(fixture_open(fx, &err), &err);
    fixture_must(rwd_repo_list(fx->repo, &list, &err), &err);
    assert_int_equal(list.count, CHAIN);
    for (size_t i = 0; i < CHAIN; i++) {
        const rwd_checkpoint *item = &list.items[i];
        assert_string_equal(item->id, c.id[CHAIN - 1 - i]);
        bool pruned = i >= 2 && i < CHAIN - 1;
        assert_int_equal(item->state, pruned ? RWD_CHECKPOINT_PRUNED : item->state);
        assert_int_equal(item->facts.next_offset, (CHAIN - 1 - (int)i) * 10);
        if (i + 1 == CHAIN) continue;
        assert_string_equal(item->parent, list.items[i + 1].id);
        assert_true(rwd_hash128_equal(item->parent_hash, list.items[i + 1].manifest_hash));
    }
    rwd_checkpoint_list_deinit(&list);
    assert_false(rwd_repo_verify(fx->repo, fx->io, c.id[3], RWD_VERIFY_SIZES, NULL, &err));
    assert_int_equal(err.code, RWD_E_NOT_FOUND);
    assert_non_null(strstr(err.cause, "pruned"));
}

static void reader_holding_a_checkpoint_that_retention_wants(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    rwd_repo *reader = NULL;
    rwd_read_lock lock, again;
    fixture_must(rwd_repo_open_reader(fx->data, fx->io, fx->clock, &reader, &err), &err);
    fixture_must(rwd_repo_read_lock(reader, c.id[1], &lock, &err), &err);
    fixture_must(rwd_repo_read_lock(reader, c.id[1], &again, &err), &err);  // readers share
    rwd_prune_plan plan = prune(fx, 2, 0, 70, true);
    assert_int_equal(what_is_left(fx, &c), 0xC3);
    assert_non_null(strstr(plan.items[6].why_kept, "reader"));
    rwd_prune_plan_deinit(&plan);
    uint64_t freed = 0;
    assert_false(rwd_repo_forget(fx->repo, &fx->lineage, 70, c.id[1], true, &freed, &err));
    assert_non_null(strstr(err.cause, "reader"));
    fixture_must(rwd_repo_verify(reader, fx->io, c.id[1], RWD_VERIFY_ALL, NULL, &err), &err);
    rwd_read_lock_release(&lock);
    prune_now(fx, 2);
    assert_int_equal(what_is_left(fx, &c), 0xC3);
    rwd_read_lock_release(&again);
    prune_now(fx, 2);
    assert_int_equal(what_is_left(fx, &c), 0xC1);
    assert_false(rwd_repo_read_lock(reader, c.id[1], &lock, &err));
    assert_int_equal(err.code, RWD_E_NOT_FOUND);
    rwd_repo_close(reader);
}

static void forget_removes_one_and_enters_it(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    uint64_t freed = 0;
    rwd_history history;
    fixture_must(rwd_repo_forget(fx->repo, &fx->lineage, 70, c.id[3], false, &freed, &err), &err);
    assert_int_equal(freed, 2 * strlen("only in the checkpoint at 30"));
    assert_int_equal(what_is_left(fx, &c), 0xFF);
    fixture_must(rwd_repo_forget(fx->repo, &fx->lineage, 70, c.id[3], true, &freed, &err), &err);
    assert_int_equal(what_is_left(fx, &c), 0xF7);
    fixture_must(rwd_repo_history_read(fx->repo, &history, &err), &err);
    assert_string_equal(history.items[history.count - 1].kind, "forget");
    assert_string_equal(history.items[history.count - 1].subject, c.id[3]);
    rwd_history_deinit(&history);
    static const int kept[] = {0, 6, 7};
    for (size_t i = 0; i < 3; i++) {
        assert_false(rwd_repo_forget(fx->repo, &fx->lineage, 70, c.id[kept[i]], true, &freed, &err));
        assert_int_equal(err.code, RWD_E_USAGE);
    }
    assert_false(rwd_repo_forget(fx->repo, &fx->lineage, 70, c.id[3], true, &freed, &err));
    fixture_must(rwd_repo_tag(fx->repo, c.id[2], "mine", &err), &err);
    assert_false(rwd_repo_forget(fx->repo, &fx->lineage, 70, "mine", true, &freed, &err));
    fixture_must(rwd_repo_tag(fx->repo, c.id[2], "", &err), &err);
    fixture_must(rwd_repo_forget(fx->repo, &fx->lineage, 70, c.id[2], true, &freed, &err), &err);
    assert_int_equal(what_is_left(fx, &c), 0xF3);
}

// ---- independent copies

static void a_copy_is_a_checkpoint_of_its_own_with_bytes_of_its_own(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    char id[RWD_CHECKPOINT_ID];
    rwd_checkpoint copy, source;
    fixture_must(rwd_repo_copy_independent(fx->repo, fx->io, c.id[5], NULL, id, &err), &err);
    fixture_must(rwd_repo_find(fx->repo, id, &copy, &err), &err);
    fixture_must(rwd_repo_find(fx->repo, c.id[5], &source, &err), &err);
    assert_true(copy.independent);
    assert_false(source.independent);
    assert_string_equal(copy.parent, c.id[5]);
    assert_string_equal(copy.facts.reason, "copy");
    assert_int_equal(copy.facts.next_offset, 50);
    assert_true(rwd_hash128_equal(copy.digest, source.digest));
    assert_true(rwd_hash128_equal(copy.facts.history, source.facts.history));
    assert_int_equal(copy.file_count, source.file_count);
    for (size_t i = 0; i < copy.file_count; i++) {
        struct stat a, b;
        assert_int_equal(stat(fixture_path(fx, id, copy.files[i].name), &a), 0);
        assert_int_equal(stat(fixture_path(fx, c.id[5], copy.files[i].name), &b), 0);
        assert_true(a.st_ino != b.st_ino);
        assert_int_equal(a.st_nlink, 1);
        assert_int_equal(copy.files[i].inode, a.st_ino);
        assert_true(rwd_hash128_equal(copy.files[i].hash, source.files[i].hash));
    }
    fixture_must(rwd_repo_verify(fx->repo, fx->io, id, RWD_VERIFY_ALL, NULL, &err), &err);
    rwd_checkpoint_deinit(&copy);
    rwd_checkpoint_deinit(&source);
}

static void a_copy_whose_file_is_linked_elsewhere_is_independent_no_more(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    char id[RWD_CHECKPOINT_ID], live[RWD_PATH_MAX];
    rwd_checkpoint copy;
    fixture_must(rwd_repo_copy_independent(fx->repo, fx->io, c.id[5], NULL, id, &err), &err);
    (void)snprintf(live, sizeof(live), "%s/in-use.sst", rwd_repo_live(fx->repo));
    assert_int_equal(link(fixture_path(fx, id, FIXTURE_SHARED), live), 0);
    fixture_must(rwd_repo_find(fx->repo, id, &copy, &err), &err);
    assert_false(copy.independent);
    rwd_checkpoint_deinit(&copy);
}

static void a_bad_source_makes_no_copy(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    char id[RWD_CHECKPOINT_ID];
    rwd_checkpoint_list list;
    fixture_must(rwd_repo_verify(fx->repo, fx->io, c.id[5], RWD_VERIFY_ALL, NULL, &err), &err);
    fixture_flip_bit(fixture_path(fx, c.id[5], FIXTURE_DEEP), 3, true);
    fixture_must(rwd_repo_verify(fx->repo, fx->io, c.id[5], RWD_VERIFY_NEW, NULL, &err), &err);
    assert_false(rwd_repo_copy_independent(fx->repo, fx->io, c.id[5], NULL, id, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    fixture_must(rwd_repo_list(fx->repo, &list, &err), &err);
    assert_int_equal(list.count, CHAIN);
    rwd_checkpoint_list_deinit(&list);
    assert_false(rwd_repo_verify(fx->repo, fx->io, c.id[5], RWD_VERIFY_NEW, NULL, &err));
}

static void the_newest_copy_of_the_history_stays_and_older_ones_go_by_number(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    char copies[3][RWD_CHECKPOINT_ID];
    for (int i = 0; i < 3; i++) fixture_must(rwd_repo_copy_independent(fx->repo, fx->io, c.id[3 + i], NULL, copies[i], &err), &err);
    rwd_prune_plan plan = prune(fx, 0, 0, 70, true);
    rwd_prune_plan_deinit(&plan);
    for (int i = 0; i < 3; i++) assert_true(has_files(fx, copies[i]));
    plan = prune(fx, 0, 1, 70, true);
    rwd_prune_plan_deinit(&plan);
    assert_false(has_files(fx, copies[0]));
    assert_false(has_files(fx, copies[1]));
    assert_true(has_files(fx, copies[2]));
    uint64_t freed = 0;
    assert_false(rwd_repo_forget(fx->repo, &fx->lineage, 70, copies[2], true, &freed, &err));
    assert_non_null(strstr(err.cause, "independent"));
    assert_int_equal(what_is_left(fx, &c), 0xC1);  // copies do not take the places of the newest two
}

// ---- words

static void an_id_a_beginning_of_it_a_tag_and_latest_name_a_checkpoint(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    rwd_checkpoint found;
    char prefix[RWD_CHECKPOINT_ID];
    fixture_must(rwd_repo_tag(fx->repo, c.id[2], "before-sale", &err), &err);
    fixture_must(rwd_repo_find(fx->repo, "before-sale", &found, &err), &err);
    assert_string_equal(found.id, c.id[2]);
    assert_string_equal(found.tag, "before-sale");
    assert_true(found.pinned);
    rwd_checkpoint_deinit(&found);
    fixture_must(rwd_repo_find(fx->repo, "latest", &found, &err), &err);
    assert_string_equal(found.id, c.id[7]);
    rwd_checkpoint_deinit(&found);
    memcpy(prefix, c.id[4], sizeof(prefix));
    prefix[RWD_CHECKPOINT_ID - 2] = '\0';
    fixture_must(rwd_repo_find(fx->repo, prefix, &found, &err), &err);
    assert_string_equal(found.id, c.id[4]);
    rwd_checkpoint_deinit(&found);
    static const char *const none[] = {"", "nosuch", "0123456789abcdef", "latest1"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_false(rwd_repo_find(fx->repo, none[i], &found, &err));
        assert_int_equal(err.code, RWD_E_NOT_FOUND);
        assert_non_null(strstr(err.next, "rewind checkpoint list"));
    }
}

static void an_ambiguous_beginning_is_refused_and_its_ids_are_named(void **state) {
    fixture *fx = *state;
    char ids[40][RWD_CHECKPOINT_ID];
    rwd_checkpoint found;
    for (int i = 0; i < 40; i++) fixture_must(fixture_checkpoint(fx, i, ids[i], &err), &err);
    // Of 40 ids two begin with the same digit.
    int first = -1, second = -1;
    for (int i = 0; i < 40 && first < 0; i++)
        for (int j = i + 1; j < 40 && first < 0; j++)
            if (ids[i][0] == ids[j][0]) first = i, second = j;
    assert_true(first >= 0);
    char prefix[2] = {ids[first][0], '\0'};
    assert_false(rwd_repo_find(fx->repo, prefix, &found, &err));
    assert_int_equal(err.code, RWD_E_USAGE);
    assert_non_null(strstr(err.cause, "beginning of"));
    (void)second;
}

static void a_tag_is_unique_moves_and_is_removed(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    rwd_checkpoint found;
    fixture_must(rwd_repo_tag(fx->repo, c.id[2], "one", &err), &err);
    assert_false(rwd_repo_tag(fx->repo, c.id[3], "one", &err));
    assert_int_equal(err.code, RWD_E_USAGE);
    assert_non_null(strstr(err.cause, c.id[2]));
    fixture_must(rwd_repo_tag(fx->repo, c.id[2], "other", &err), &err);  // a checkpoint has one tag: the new one takes its place
    fixture_must(rwd_repo_tag(fx->repo, c.id[3], "one", &err), &err);
    fixture_close(fx);
    fixture_must(fixture_open(fx, &err), &err);
    fixture_must(rwd_repo_find(fx->repo, "one", &found, &err), &err);
    assert_string_equal(found.id, c.id[3]);
    rwd_checkpoint_deinit(&found);
    fixture_must(rwd_repo_tag(fx->repo, "one", "", &err), &err);
    assert_false(rwd_repo_find(fx->repo, "one", &found, &err));
    fixture_must(rwd_repo_find(fx->repo, "other", &found, &err), &err);
    rwd_checkpoint_deinit(&found);
}

static void tags_that_read_as_something_else_are_refused(void **state) {
    fixture *fx = *state;
    chain c = make_chain(fx);
    static const char *const refused[] = {"latest", "live", "abc", "0", "has space", "a/b", "..\n", "caf\xc3\xa9"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_false(rwd_repo_tag(fx->repo, c.id[2], refused[i], &err));
        assert_int_equal(err.code, RWD_E_USAGE);
    }
    char tag[RWD_TAG_MAX + 1];
    memset(tag, 'x', RWD_TAG_MAX);
    tag[RWD_TAG_MAX] = '\0';
    assert_false(rwd_repo_tag(fx->repo, c.id[2], tag, &err));
    tag[RWD_TAG_MAX - 1] = '\0';
    fixture_must(rwd_repo_tag(fx->repo, c.id[2], tag, &err), &err);
    fixture_must(rwd_repo_quarantine(fx->repo, c.id[3], "test", &err), &err);
    assert_false(rwd_repo_tag(fx->repo, c.id[3], "bad-one", &err));
}

static void a_lineage_is_kept_with_its_job_file(void **state) {
    fixture *fx = *state;
    rwd_lineage back;
    rwd_buf text = {0};
    fixture_must(rwd_repo_save_lineage(fx->repo, &fx->lineage, rwd_slice_str("job: orders\n"), &err), &err);
    fixture_must(rwd_repo_save_lineage(fx->repo, &fx->lineage, rwd_slice_str("job: orders\n"), &err), &err);
    fixture_must(rwd_repo_load_lineage(fx->repo, rwd_lineage_id(&fx->lineage), &back, &text, &err), &err);
    assert_true(rwd_hash128_equal(rwd_lineage_id(&back), rwd_lineage_id(&fx->lineage)));
    assert_string_equal(rwd_buf_cstr(&text), "job: orders\n");
    rwd_lineage_deinit(&back);
    rwd_buf_deinit(&text);
    assert_false(rwd_repo_load_lineage(fx->repo, (rwd_hash128){1, 1}, &back, &text, &err));
    assert_int_equal(err.code, RWD_E_NOT_FOUND);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_newest_and_genesis_stay),
        TEST(the_newest_two_good_ones_stay_whatever_is_said),
        TEST(bad_ones_do_not_count_as_good),
        TEST(checkpoints_of_another_history_do_not_count),
        TEST(a_pinned_one_stays_until_its_time_has_come),
        TEST(a_plan_says_what_goes_and_why_the_rest_stays_and_removes_nothing),
        TEST(a_pruned_checkpoint_keeps_its_manifest_so_the_chain_can_be_walked),
        TEST(reader_holding_a_checkpoint_that_retention_wants),
        TEST(forget_removes_one_and_enters_it),
        TEST(a_copy_is_a_checkpoint_of_its_own_with_bytes_of_its_own),
        TEST(a_copy_whose_file_is_linked_elsewhere_is_independent_no_more),
        TEST(a_bad_source_makes_no_copy),
        TEST(the_newest_copy_of_the_history_stays_and_older_ones_go_by_number),
        TEST(an_id_a_beginning_of_it_a_tag_and_latest_name_a_checkpoint),
        TEST(an_ambiguous_beginning_is_refused_and_its_ids_are_named),
        TEST(a_tag_is_unique_moves_and_is_removed),
        TEST(tags_that_read_as_something_else_are_refused),
        TEST(a_lineage_is_kept_with_its_job_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
