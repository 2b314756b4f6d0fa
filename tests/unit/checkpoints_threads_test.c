// The checkpoint thread and the keeper, driven as the pipeline drives them.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/checkpointer.h"
#include "checkpoints/keeper.h"
#include "tests/support/checkpoints_fixture.h"
#include "tests/support/fake_participant.h"
#include "tests/unit/test.h"

#define LONG_NS (60ll * 1000000000)  // longer than any wait takes; no test depends on how long

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

static rwd_checkpointer *checkpointer_of(fixture *fx, fake_participant fakes[], size_t count) {
    rwd_participant *participants[4];
    rwd_checkpointer *cp = NULL;
    rwd_io *io = NULL;
    static const char *const names[] = {"tables", "counters", "dead", "other"};
    for (size_t i = 0; i < count; i++) participants[i] = fake_participant_init(&fakes[i], names[i]);
    fixture_must(rwd_io_clone(fx->io, &io, &err), &err);
    fixture_must(rwd_checkpointer_new(fx->repo, participants, count, io, fx->clock, &cp, &err), &err);
    return cp;
}

// Sweeps and polls until there is an outcome.
static rwd_checkpoint_outcome drive(rwd_checkpointer *cp, rwd_checkpoint_result *result) {
    rwd_checkpoint_outcome outcome = RWD_CHECKPOINT_RUNNING;
    while (outcome == RWD_CHECKPOINT_RUNNING) {
        rwd_checkpointer_sweep(cp, 10);
        rwd_checkpointer_wait(cp, 1000000);
        outcome = rwd_checkpointer_poll(cp, result);
    }
    return outcome;
}

static size_t checkpoint_count(fixture *fx) {
    rwd_checkpoint_list list;
    fixture_must(rwd_repo_list(fx->repo, &list, &err), &err);
    size_t count = 0;
    for (size_t i = 0; i < list.count; i++) count += list.items[i].state == RWD_CHECKPOINT_GOOD || list.items[i].state == RWD_CHECKPOINT_UNVERIFIED;
    rwd_checkpoint_list_deinit(&list);
    return count;
}

// ---- the checkpoint thread

static void what_was_frozen_is_what_is_written_whatever_changes_meanwhile(void **state) {
    fixture *fx = *state;
    fake_participant fakes[2];
    rwd_checkpoint_result result;
    rwd_checkpointer *cp = checkpointer_of(fx, fakes, 2);
    rwd_facts facts = fixture_facts(fx, 100, "interval");
    char cursor[] = "cursor words";
    facts.cursor = rwd_slice_str(cursor);
    fakes[0].value = 5;
    fakes[0].sweep_steps = 20;
    fakes[0].hold_write = true;
    rwd_checkpointer_begin(cp, &facts);
    assert_true(rwd_checkpointer_busy(cp));
    memset(cursor, 'x', sizeof(cursor) - 1);  // facts are copied
    fakes[0].value = 6;
    rwd_checkpointer_committed(cp);
    assert_int_equal(rwd_checkpointer_poll(cp, &result), RWD_CHECKPOINT_RUNNING);
    fake_participant_release_write(&fakes[0]);
    assert_int_equal(drive(cp, &result), RWD_CHECKPOINT_DONE);
    assert_false(rwd_checkpointer_busy(cp));
    assert_int_equal(rwd_checkpointer_poll(cp, &result), RWD_CHECKPOINT_IDLE);  // told once
    assert_int_equal(result.next_offset, 100);
    assert_true(rwd_hash128_equal(result.digest, (rwd_hash128){5, 2}));  // (5,1) + (0,1)
    assert_int_equal(fake_participant_count(&fakes[0], FAKE_THAW), 1);
    assert_int_equal(fake_participant_count(&fakes[1], FAKE_THAW), 1);
    rwd_buf text = {0};
    rwd_checkpoint c;
    fixture_must(rwd_read_file(fixture_path(fx, result.id, "tables/value"), 100, &text, &err), &err);
    assert_string_equal(rwd_buf_cstr(&text), "5");
    fixture_must(rwd_repo_find(fx->repo, result.id, &c, &err), &err);
    assert_true(rwd_slice_equal(c.facts.cursor, rwd_slice_str("cursor words")));
    assert_true(rwd_hash128_equal(c.digest, result.digest));
    rwd_checkpoint_deinit(&c);
    rwd_buf_deinit(&text);
    rwd_checkpointer_free(cp);
}

// K1: all is written, but the commit is not known; there is no checkpoint until it is.
static void nothing_is_published_before_the_commit_is_known(void **state) {
    fixture *fx = *state;
    fake_participant fakes[1];
    rwd_checkpoint_result result;
    rwd_checkpointer *cp = checkpointer_of(fx, fakes, 1);
    rwd_facts facts = fixture_facts(fx, 100, "interval");
    rwd_checkpointer_begin(cp, &facts);
    rwd_checkpointer_sweep(cp, 10);
    while (fake_participant_count(&fakes[0], FAKE_DIGEST) == 0) (void)usleep(1000);
    rwd_checkpointer_wait(cp, 20000000);
    assert_int_equal(rwd_checkpointer_poll(cp, &result), RWD_CHECKPOINT_RUNNING);
    assert_int_equal(checkpoint_count(fx), 0);
    rwd_checkpointer_committed(cp);
    assert_int_equal(drive(cp, &result), RWD_CHECKPOINT_DONE);
    assert_int_equal(checkpoint_count(fx), 1);
    rwd_checkpointer_free(cp);
}

static void an_abandoned_checkpoint_leaves_nothing_and_another_may_begin(void **state) {
    fixture *fx = *state;
    fake_participant fakes[1];
    rwd_checkpoint_result result;
    rwd_checkpointer *cp = checkpointer_of(fx, fakes, 1);
    rwd_facts facts = fixture_facts(fx, 100, "interval");
    fakes[0].sweep_steps = 5;  // abandon sweeps, since the write waits for it
    rwd_checkpointer_begin(cp, &facts);
    rwd_checkpointer_abandon(cp);
    assert_false(rwd_checkpointer_busy(cp));
    assert_int_equal(rwd_checkpointer_poll(cp, &result), RWD_CHECKPOINT_IDLE);
    assert_int_equal(checkpoint_count(fx), 0);
    assert_int_equal(fake_participant_count(&fakes[0], FAKE_THAW), 0);
    fakes[0].participant.ops->discard(&fakes[0].participant);
    char **names = NULL;
    size_t count = 0;
    fixture_must(rwd_list_dir(fixture_path(fx, "", ""), &names, &count, &err), &err);
    assert_int_equal(count, 0);
    rwd_names_free(names, count);
    rwd_checkpointer_begin(cp, &facts);
    rwd_checkpointer_committed(cp);
    assert_int_equal(drive(cp, &result), RWD_CHECKPOINT_DONE);
    rwd_checkpointer_free(cp);
}

static void a_failed_write_is_told_and_leaves_nothing(void **state) {
    fixture *fx = *state;
    fake_participant fakes[2];
    rwd_checkpoint_result result;
    rwd_checkpointer *cp = checkpointer_of(fx, fakes, 2);
    rwd_facts facts = fixture_facts(fx, 100, "interval");
    fakes[1].fail_write = true;
    rwd_checkpointer_begin(cp, &facts);
    rwd_checkpointer_committed(cp);
    assert_int_equal(drive(cp, &result), RWD_CHECKPOINT_FAILED);
    assert_int_equal(result.error.code, RWD_E_DISK_FULL);
    assert_int_equal(fake_participant_count(&fakes[0], FAKE_THAW), 0);
    assert_int_equal(checkpoint_count(fx), 0);
    rwd_checkpointer_free(cp);
}

static void it_can_be_freed_at_any_moment(void **state) {
    fixture *fx = *state;
    for (unsigned moment = 0; moment < 4; moment++) {
        fake_participant fakes[1];
        rwd_checkpointer *cp = checkpointer_of(fx, fakes, 1);
        rwd_facts facts = fixture_facts(fx, 100 + moment, "interval");
        fakes[0].sweep_steps = 3;
        if (moment > 0) rwd_checkpointer_begin(cp, &facts);
        if (moment > 1) rwd_checkpointer_committed(cp);
        if (moment > 2) rwd_checkpointer_sweep(cp, 10);
        rwd_checkpointer_free(cp);
        fake_participant_deinit(&fakes[0]);
    }
}

static void many_checkpoints_follow_each_other(void **state) {
    fixture *fx = *state;
    fake_participant fakes[3];
    rwd_checkpointer *cp = checkpointer_of(fx, fakes, 3);
    char last[RWD_CHECKPOINT_ID] = "";
    for (int i = 0; i < 30; i++) {
        rwd_checkpoint_result result;
        rwd_checkpoint c;
        rwd_facts facts = fixture_facts(fx, i * 10, i == 0 ? "genesis" : "interval");
        fakes[0].value = i;
        rwd_checkpointer_begin(cp, &facts);
        if (i % 2) rwd_checkpointer_sweep(cp, 1);
        rwd_checkpointer_committed(cp);
        assert_int_equal(drive(cp, &result), RWD_CHECKPOINT_DONE);
        fixture_must(rwd_repo_find(fx->repo, "latest", &c, &err), &err);
        assert_string_equal(c.id, result.id);
        assert_string_equal(c.parent, last);
        memcpy(last, c.id, sizeof(last));
        rwd_checkpoint_deinit(&c);
    }
    rwd_checkpointer_free(cp);
}

// ---- the keeper

static rwd_keeper *keeper_of(fixture *fx, rwd_keeper_options options) {
    rwd_keeper *keeper = NULL;
    rwd_io *io = NULL;
    fixture_must(rwd_io_clone(fx->io, &io, &err), &err);
    fixture_must(rwd_keeper_new(fx->repo, io, fx->clock, &options, &keeper, &err), &err);
    return keeper;
}

static bool pruned(fixture *fx, const char *id) { return !fixture_exists(fixture_path(fx, id, "MANIFEST")); }

static void decay_is_found_in_the_background_and_told_once(void **state) {
    fixture *fx = *state;
    char ids[3][RWD_CHECKPOINT_ID], found[RWD_CHECKPOINT_ID];
    rwd_error why;
    for (int i = 0; i < 3; i++) fixture_must(fixture_checkpoint(fx, i * 10, ids[i], &err), &err);
    for (int i = 0; i < 3; i++) fixture_must(rwd_repo_verify(fx->repo, fx->io, ids[i], RWD_VERIFY_NEW, NULL, &err), &err);
    fixture_close(fx);
    fixture_must(fixture_open(fx, &err), &err);
    fixture_flip_bit(fixture_path(fx, ids[1], FIXTURE_PRIVATE), 3, true);  // decay after it had been read back
    rwd_keeper *keeper = keeper_of(fx, (rwd_keeper_options){.keep = {.last = 10}});
    rwd_keeper_drain(keeper, LONG_NS);
    assert_true(rwd_keeper_found_bad(keeper, found, &why));
    assert_string_equal(found, ids[1]);
    assert_int_equal(why.code, RWD_E_CORRUPT);
    assert_int_equal(why.decision, RWD_ROLLBACK);
    assert_false(rwd_keeper_found_bad(keeper, found, &why));
    assert_true(pruned(fx, ids[1]));  // set aside
    assert_false(pruned(fx, ids[0]) || pruned(fx, ids[2]));
    rwd_keeper_free(keeper);
}

static void decay_in_a_shared_file_is_told_for_each_checkpoint(void **state) {
    fixture *fx = *state;
    char ids[3][RWD_CHECKPOINT_ID], found[RWD_CHECKPOINT_ID];
    rwd_error why;
    for (int i = 0; i < 3; i++) fixture_must(fixture_checkpoint(fx, i * 10, ids[i], &err), &err);
    fixture_flip_bit(fixture_path(fx, ids[1], FIXTURE_SHARED), 3, true);
    rwd_keeper *keeper = keeper_of(fx, (rwd_keeper_options){.keep = {.last = 10}});
    rwd_keeper_drain(keeper, LONG_NS);
    for (int i = 2; i >= 0; i--) {  // newest first
        assert_true(rwd_keeper_found_bad(keeper, found, &why));
        assert_string_equal(found, ids[i]);
    }
    rwd_keeper_free(keeper);
}

// K6: the checkpoint that calls for pruning and the commit that allows it are not the same.
static void pruning_waits_for_a_commit_after_the_decision(void **state) {
    fixture *fx = *state;
    char ids[6][RWD_CHECKPOINT_ID];
    for (int i = 0; i < 6; i++) fixture_must(fixture_checkpoint(fx, i * 10, ids[i], &err), &err);
    rwd_keeper *keeper = keeper_of(fx, (rwd_keeper_options){.keep = {.last = 2}});
    rwd_keeper_drain(keeper, LONG_NS);
    for (int i = 0; i < 6; i++) assert_false(pruned(fx, ids[i]));  // never told to
    rwd_keeper_notify(keeper, &fx->lineage, 50, ids[5]);
    rwd_keeper_drain(keeper, LONG_NS);
    for (int i = 0; i < 6; i++) assert_false(pruned(fx, ids[i]));  // decided
    rwd_keeper_notify(keeper, &fx->lineage, 50, ids[5]);
    rwd_keeper_drain(keeper, LONG_NS);
    for (int i = 0; i < 6; i++) assert_false(pruned(fx, ids[i]));  // another checkpoint of the same commit is no commit
    rwd_keeper_notify(keeper, &fx->lineage, 51, NULL);
    rwd_keeper_drain(keeper, LONG_NS);
    for (int i = 0; i < 6; i++) assert_int_equal(pruned(fx, ids[i]), i >= 1 && i < 4);
    rwd_keeper_free(keeper);
}

static unsigned copies(fixture *fx, int64_t *out_newest_x) {
    rwd_checkpoint_list list;
    unsigned count = 0;
    *out_newest_x = -1;
    fixture_must(rwd_repo_list(fx->repo, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) {
        if (!list.items[i].independent || list.items[i].state == RWD_CHECKPOINT_PRUNED) continue;
        count++;
        if (list.items[i].facts.next_offset > *out_newest_x) *out_newest_x = list.items[i].facts.next_offset;
    }
    rwd_checkpoint_list_deinit(&list);
    return count;
}

static void an_independent_copy_is_made_and_made_anew_when_it_is_old(void **state) {
    fixture *fx = *state;
    char id[RWD_CHECKPOINT_ID];
    int64_t x = 0;
    rwd_keeper *keeper = keeper_of(fx, (rwd_keeper_options){.keep = {.last = 10}, .full_every_ns = 3600ll * 1000000000, .full_keep = 1});
    fixture_must(fixture_checkpoint(fx, 0, id, &err), &err);
    rwd_keeper_notify(keeper, &fx->lineage, 0, id);
    rwd_keeper_drain(keeper, LONG_NS);
    assert_int_equal(copies(fx, &x), 0);  // genesis holds nothing
    fixture_must(fixture_checkpoint(fx, 10, id, &err), &err);
    rwd_keeper_notify(keeper, &fx->lineage, 10, id);
    rwd_keeper_drain(keeper, LONG_NS);
    assert_int_equal(copies(fx, &x), 1);
    assert_int_equal(x, 10);
    fixture_must(fixture_checkpoint(fx, 20, id, &err), &err);
    rwd_keeper_notify(keeper, &fx->lineage, 20, id);
    rwd_keeper_drain(keeper, LONG_NS);
    assert_int_equal(copies(fx, &x), 1);
    assert_int_equal(x, 10);  // not old yet
    rwd_clock_virtual_advance(fx->clock, 3600ll * 1000000000);
    fixture_must(fixture_checkpoint(fx, 30, id, &err), &err);
    rwd_keeper_notify(keeper, &fx->lineage, 30, id);
    rwd_keeper_drain(keeper, LONG_NS);
    rwd_keeper_notify(keeper, &fx->lineage, 31, NULL);
    rwd_keeper_drain(keeper, LONG_NS);
    assert_int_equal(copies(fx, &x), 1);  // full_keep: the older one went
    assert_int_equal(x, 30);
    rwd_keeper_free(keeper);
}

// What the keeper has read back need not be read at the next start.
static void what_the_keeper_verified_is_remembered(void **state) {
    fixture *fx = *state;
    rwd_checkpoint c;
    fixture_must(fixture_checkpoint(fx, 10, NULL, &err), &err);
    fixture_close(fx);
    fixture_must(fixture_open(fx, &err), &err);
    fixture_must(rwd_repo_find(fx->repo, "latest", &c, &err), &err);
    assert_int_equal(c.state, RWD_CHECKPOINT_UNVERIFIED);
    rwd_checkpoint_deinit(&c);
    rwd_keeper *keeper = keeper_of(fx, (rwd_keeper_options){.keep = {.last = 10}});
    rwd_keeper_drain(keeper, LONG_NS);
    rwd_keeper_free(keeper);
    fixture_close(fx);
    fixture_must(fixture_open(fx, &err), &err);
    fixture_must(rwd_repo_find(fx->repo, "latest", &c, &err), &err);
    assert_int_equal(c.state, RWD_CHECKPOINT_GOOD);
    rwd_checkpoint_deinit(&c);
}

// Both threads at once, a reader in a third place: all that is left at the end is good.
static void checkpoints_pruning_copies_and_readers_go_on_side_by_side(void **state) {
    fixture *fx = *state;
    fake_participant fakes[2];
    rwd_repo *reader = NULL;
    rwd_keeper *keeper = keeper_of(fx, (rwd_keeper_options){.keep = {.last = 3}, .full_every_ns = 1, .full_keep = 2});
    rwd_checkpointer *cp = checkpointer_of(fx, fakes, 2);
    fixture_must(rwd_repo_open_reader(fx->data, fx->io, fx->clock, &reader, &err), &err);
    for (int i = 0; i < 40; i++) {
        rwd_checkpoint_result result;
        rwd_checkpoint_list list;
        rwd_error why;
        char bad[RWD_CHECKPOINT_ID];
        rwd_facts facts = fixture_facts(fx, i * 10, i == 0 ? "genesis" : "interval");
        fakes[0].value = i;
        rwd_checkpointer_begin(cp, &facts);
        rwd_checkpointer_committed(cp);
        rwd_keeper_notify(keeper, &fx->lineage, i * 10, NULL);
        fixture_must(rwd_repo_list(reader, &list, &err), &err);
        rwd_checkpoint_list_deinit(&list);
        assert_int_equal(drive(cp, &result), RWD_CHECKPOINT_DONE);
        rwd_keeper_notify(keeper, &fx->lineage, i * 10, result.id);
        if (i % 3 == 0) fixture_must(rwd_repo_tag(fx->repo, result.id, "newest-tag", &err) || rwd_repo_tag(fx->repo, "newest-tag", "", &err), &err);
        assert_false(rwd_keeper_found_bad(keeper, bad, &why));
    }
    rwd_keeper_drain(keeper, LONG_NS);
    rwd_keeper_free(keeper);
    rwd_checkpointer_free(cp);
    rwd_repo_close(reader);
    rwd_checkpoint_list list;
    rwd_history history;
    fixture_must(rwd_repo_list(fx->repo, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_not_equal(list.items[i].state, RWD_CHECKPOINT_BAD);
        if (list.items[i].state != RWD_CHECKPOINT_PRUNED)
            fixture_must(rwd_repo_verify(fx->repo, fx->io, list.items[i].id, RWD_VERIFY_ALL, NULL, &err), &err);
    }
    rwd_checkpoint_list_deinit(&list);
    fixture_must(rwd_repo_history_read(fx->repo, &history, &err), &err);
    rwd_history_deinit(&history);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_frozen_is_what_is_written_whatever_changes_meanwhile),
        TEST(nothing_is_published_before_the_commit_is_known),
        TEST(an_abandoned_checkpoint_leaves_nothing_and_another_may_begin),
        TEST(a_failed_write_is_told_and_leaves_nothing),
        TEST(it_can_be_freed_at_any_moment),
        TEST(many_checkpoints_follow_each_other),
        TEST(decay_is_found_in_the_background_and_told_once),
        TEST(decay_in_a_shared_file_is_told_for_each_checkpoint),
        TEST(pruning_waits_for_a_commit_after_the_decision),
        TEST(an_independent_copy_is_made_and_made_anew_when_it_is_old),
        TEST(what_the_keeper_verified_is_remembered),
        TEST(checkpoints_pruning_copies_and_readers_go_on_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
