// Switches of the lineage: what C says about one (C6), what is kept of it, and which of them can be taken back (R5).
#include "operator/pipeline/switch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/repair/repair_plan.h"
#include "operator/repair/undo.h"
#include "tests/support/checkpoints_fixture.h"
#include "tests/unit/test.h"

static rwd_error err;

static rwd_switch some_switch(void) {
    return (rwd_switch){
        .id = "00000000000000ab", .kind = rwd_strdup("undo"), .who = rwd_strdup("uid 7"), .why = rwd_strdup("it was right"), .undoes = rwd_strdup("00000000000000aa"), .decided_us = 17,
        .old_lineage = {1, 2}, .new_lineage = {3, 4}, .old_logic = {5, 6}, .new_logic = {7, 8}, .switch_number = 5, .next_offset = 100, .old_closings = 2, .new_closings = 3,
        .time_us = 99, .rows = 1000, .dead = 7, .corrections = {9, 10}, .old_checkpoint = "00000000000000ba", .new_checkpoint = "00000000000000bb", .old_digest = {11, 12},
        .new_digest = {13, 14}, .transactions = 3,
    };
}

// ---- C6: the offset alone never decides

static rwd_commit before(const rwd_switch *s) {
    return (rwd_commit){.next_offset = s->next_offset, .closings = s->old_closings, .lineage = s->old_lineage, .switch_number = s->switch_number - 1};
}

static rwd_commit after(const rwd_switch *s, uint64_t repair, uint64_t rows) {
    return (rwd_commit){.next_offset = s->next_offset, .closings = s->new_closings, .lineage = s->new_lineage, .switch_number = s->switch_number, .repair = repair, .repair_rows = rows};
}

static void what_stands_at_one_offset_is_told_apart_by_lineage_and_switch_number(void **state) {
    (void)state;
    rwd_switch s = some_switch();
    rwd_commit c = before(&s);
    assert_int_equal(rwd_switch_stage_of(&s, &c), RWD_SWITCH_BEFORE);
    c = after(&s, 0xab, 200);
    assert_int_equal(rwd_switch_stage_of(&s, &c), RWD_SWITCH_UNDER_WAY);
    c = after(&s, 0, 0);
    assert_int_equal(rwd_switch_stage_of(&s, &c), RWD_SWITCH_AFTER);
    c.next_offset = 5000;  // and it went on
    assert_int_equal(rwd_switch_stage_of(&s, &c), RWD_SWITCH_AFTER);
    rwd_switch_deinit(&s);
}

static void anything_else_is_another_owners(void **state) {
    (void)state;
    rwd_switch s = some_switch();
    rwd_commit c = before(&s);
    c.next_offset++;  // the old history went on
    assert_int_equal(rwd_switch_stage_of(&s, &c), RWD_SWITCH_ELSEWHERE);
    c = before(&s);
    c.closings++;
    assert_int_equal(rwd_switch_stage_of(&s, &c), RWD_SWITCH_ELSEWHERE);
    c = before(&s);
    c.switch_number += 2;  // the same lineage again, by way of another one
    assert_int_equal(rwd_switch_stage_of(&s, &c), RWD_SWITCH_ELSEWHERE);
    c = after(&s, 0xac, 200);  // another repair's
    assert_int_equal(rwd_switch_stage_of(&s, &c), RWD_SWITCH_ELSEWHERE);
    c = after(&s, 0, 0);
    c.switch_number++;
    assert_int_equal(rwd_switch_stage_of(&s, &c), RWD_SWITCH_ELSEWHERE);
    c = after(&s, 0, 0);
    c.lineage.low ^= 1;
    assert_int_equal(rwd_switch_stage_of(&s, &c), RWD_SWITCH_ELSEWHERE);
    rwd_switch_deinit(&s);
}

// ---- SWITCH

static void what_was_decided_is_found_again_and_nothing_else_is_taken_for_it(void **state) {
    (void)state;
    char folder[] = "switch-test-XXXXXX", path[RWD_PATH_MAX];
    rwd_io *io;
    assert_non_null(mkdtemp(folder));
    fixture_must(rwd_io_pread_new(&io, &err), &err);
    rwd_switch s = some_switch(), back;
    fixture_must(rwd_switch_save(&s, folder, RWD_SWITCH_FILE, io, &err), &err);
    fixture_must(rwd_switch_load(folder, RWD_SWITCH_FILE, io, &back, &err), &err);
    assert_string_equal(back.id, s.id);
    assert_string_equal(back.kind, s.kind);
    assert_string_equal(back.who, s.who);
    assert_string_equal(back.why, s.why);
    assert_string_equal(back.undoes, s.undoes);
    assert_string_equal(back.old_checkpoint, s.old_checkpoint);
    assert_string_equal(back.new_checkpoint, s.new_checkpoint);
    assert_true(rwd_hash128_equal(back.old_lineage, s.old_lineage) && rwd_hash128_equal(back.new_lineage, s.new_lineage));
    assert_true(rwd_hash128_equal(back.old_logic, s.old_logic) && rwd_hash128_equal(back.new_logic, s.new_logic));
    assert_true(rwd_hash128_equal(back.old_digest, s.old_digest) && rwd_hash128_equal(back.new_digest, s.new_digest) && rwd_hash128_equal(back.corrections, s.corrections));
    assert_int_equal(back.decided_us, 17);
    assert_int_equal(back.switch_number, 5);
    assert_int_equal(back.next_offset, 100);
    assert_int_equal(back.old_closings, 2);
    assert_int_equal(back.new_closings, 3);
    assert_int_equal(back.time_us, 99);
    assert_int_equal(back.rows, 1000);
    assert_int_equal(back.dead, 7);
    assert_int_equal(back.transactions, 3);
    rwd_switch_deinit(&back);
    assert_false(rwd_switch_load(folder, RWD_SWITCH_DONE, io, &back, &err));
    assert_int_equal(err.code, RWD_E_NOT_FOUND);
    fixture_must(rwd_path_join(path, folder, RWD_SWITCH_FILE, &err), &err);
    for (uint64_t at = 0; at < 200; at += 13) {
        fixture_flip_bit(path, at, false);
        assert_false(rwd_switch_load(folder, RWD_SWITCH_FILE, io, &back, &err));
        fixture_flip_bit(path, at, false);
    }
    rwd_switch_deinit(&s);
    rwd_io_free(io);
    fixture_must(rwd_remove_tree(folder, &err), &err);
}

// ---- the stack

static void enter(fixture *fx, const char *kind, const char *subject, uint64_t lineage) {
    rwd_history_entry entry = {.kind = (char *)(uintptr_t)kind, .subject = (char *)(uintptr_t)subject, .lineage = {lineage, 0}, .next_offset = (int64_t)lineage * 10};
    fixture_must(rwd_repo_history_append(fx->repo, &entry, &err), &err);
}

static void expect_top(fixture *fx, uint64_t live, const char *id, uint64_t below) {
    rwd_undoable top;
    fixture_must(rwd_find_undoable(fx->repo, (rwd_hash128){live, 0}, &top, &err), &err);
    assert_string_equal(top.id, id);
    assert_int_equal(top.lineage.low, below);
}

static void expect_none(fixture *fx, uint64_t live, rwd_code code) {
    rwd_undoable top;
    assert_false(rwd_find_undoable(fx->repo, (rwd_hash128){live, 0}, &top, &err));
    assert_int_equal(err.code, code);
}

static void switches_are_a_stack(void **state) {
    (void)state;
    fixture fx;
    fixture_init(&fx);
    fixture_must(fixture_open(&fx, &err), &err);
    enter(&fx, "genesis", "x", 1);
    expect_none(&fx, 1, RWD_E_NOT_FOUND);
    enter(&fx, "checkpoint", "y", 1);  // no switch
    enter(&fx, "repair", "00000000000000a1", 2);
    expect_top(&fx, 2, "00000000000000a1", 1);
    enter(&fx, "repair", "00000000000000a2", 3);
    enter(&fx, "logic", "0123", 4);
    expect_top(&fx, 4, "", 3);         // a change of the job file
    expect_none(&fx, 3, RWD_E_CORRUPT);  // C names another one than history.log
    enter(&fx, "undo", "00000000000000a3", 3);
    expect_top(&fx, 3, "00000000000000a2", 2);
    enter(&fx, "undo", "00000000000000a4", 2);
    expect_top(&fx, 2, "00000000000000a1", 1);  // further back
    enter(&fx, "repair", "00000000000000a5", 3);  // and on from there, to a lineage that was live once
    expect_top(&fx, 3, "00000000000000a5", 2);
    enter(&fx, "undo", "00000000000000a6", 2);
    enter(&fx, "undo", "00000000000000a7", 1);
    expect_none(&fx, 1, RWD_E_NOT_FOUND);
    fixture_deinit(&fx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_at_one_offset_is_told_apart_by_lineage_and_switch_number),
        cmocka_unit_test(anything_else_is_another_owners),
        cmocka_unit_test(what_was_decided_is_found_again_and_nothing_else_is_taken_for_it),
        cmocka_unit_test(switches_are_a_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
