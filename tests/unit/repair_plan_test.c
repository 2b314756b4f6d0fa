// Plans of repairs: what is kept is found again, and nothing else is taken for one.
#include "operator/repair/repair_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "tests/support/checkpoints_fixture.h"
#include "tests/unit/test.h"

static rwd_error err;

typedef struct place {
    char data[64], folder[RWD_PATH_MAX];
    rwd_io *io;
} place;

static int setup(void **state) {
    static place p;
    p = (place){.data = "repair-plan-test-XXXXXX"};
    assert_non_null(mkdtemp(p.data));
    fixture_must(rwd_io_pread_new(&p.io, &err), &err);
    *state = &p;
    return 0;
}

static int teardown(void **state) {
    place *p = *state;
    rwd_io_free(p->io);
    fixture_must(rwd_remove_tree(p->data, &err), &err);
    return 0;
}

static rwd_repair_plan some_plan(const char *id) {
    rwd_repair_plan plan = {
        .kind = rwd_strdup("undo"), .undoes = rwd_strdup("00000000000000aa"), .created_us = 17, .who = rwd_strdup("uid 7"), .build = rwd_strdup("1.2"), .repository = {1, 2},
        .old_lineage = {3, 4}, .new_lineage = {5, 6}, .switch_number = 9, .from = 10, .to = -1, .has_logic = true, .amendments = 3, .base = "00000000000000bb", .base_offset = 8,
        .old_checkpoint = "00000000000000cc", .position = 20, .closings = 2, .records_read = 12, .records_journal = 11, .took_us = 5, .shadow_bytes = 6, .old_digest = {7, 8},
        .new_digest = {9, 10}, .rows = 100, .sink_count = 2, .table_count = 1, .dead_new = 1, .dead_resolved = 2, .violation_count = 1, .transactions = 3,
        .rows_per_transaction = 40, .readers_wait_us = 99, .approved = 110, .corrections = {11, 12}, .differs_from = 10,
    };
    memcpy(plan.id, id, sizeof(plan.id));
    plan.sinks = rwd_calloc(2, sizeof(*plan.sinks));
    plan.sinks[0] = (rwd_repair_sink){rwd_strdup("customers"), rwd_strdup("out/a.jsonl"), 1, 2, 3};
    plan.sinks[1] = (rwd_repair_sink){rwd_strdup("hourly"), rwd_strdup("out/b.jsonl"), 4, 5, 6};
    plan.tables = rwd_calloc(1, sizeof(*plan.tables));
    plan.tables[0] = (rwd_repair_table){.name = rwd_strdup("customers"), .changed = 1, .added = 2, .vanished = 3, .columns = rwd_calloc(1, sizeof(rwd_repair_column)), .column_count = 1};
    plan.tables[0].columns[0] = (rwd_repair_column){rwd_strdup("revenue"), rwd_strdup("1.50"), rwd_strdup("2.00"), rwd_strdup("0.50"), 7};
    plan.violations = rwd_calloc(1, sizeof(*plan.violations));
    plan.violations[0] = (rwd_repair_violation){rwd_strdup("customers"), rwd_strdup("revenue >= 0"), rwd_strdup("c1"), 4, true};
    return plan;
}

static void make(place *p, const char *id, int64_t created_us) {
    fixture_must(rwd_repair_folder_of(p->data, id, p->folder, &err), &err);
    fixture_must(rwd_mkdirs(p->folder, &err), &err);
    rwd_repair_plan plan = some_plan(id);
    plan.created_us = created_us;
    fixture_must(rwd_repair_plan_save(&plan, p->folder, p->io, &err), &err);
    rwd_repair_plan_deinit(&plan);
}

static void what_is_saved_is_loaded(void **state) {
    place *p = *state;
    make(p, "00000000000000ab", 17);
    rwd_repair_plan plan;
    fixture_must(rwd_repair_plan_load(p->folder, p->io, &plan, &err), &err);
    rwd_repair_plan wanted = some_plan("00000000000000ab");
    assert_string_equal(plan.id, wanted.id);
    assert_string_equal(plan.kind, wanted.kind);
    assert_string_equal(plan.undoes, wanted.undoes);
    assert_true(rwd_hash128_equal(plan.old_lineage, wanted.old_lineage) && rwd_hash128_equal(plan.new_lineage, wanted.new_lineage));
    assert_int_equal(plan.switch_number, 9);
    assert_int_equal(plan.to, -1);
    assert_string_equal(plan.base, wanted.base);
    assert_int_equal(plan.approved, 110);
    assert_int_equal(plan.sink_count, 2);
    assert_string_equal(plan.sinks[1].target, "out/b.jsonl");
    assert_int_equal(plan.sinks[1].vanished, 6);
    assert_string_equal(plan.tables[0].columns[0].delta, "0.50");
    assert_string_equal(plan.violations[0].check, "revenue >= 0");
    assert_int_equal(plan.violations[0].keys, 4);
    assert_true(plan.violations[0].parks);
    assert_true(rwd_hash128_equal(plan.corrections, wanted.corrections));
    rwd_repair_plan_deinit(&plan);
    rwd_repair_plan_deinit(&wanted);
}

// S5: what a repair would violate keeps it from being applied; of an undo only what parks.
static void a_plan_that_violates_an_invariant_is_refused_and_an_undo_only_if_it_parks(void **state) {
    (void)state;
    for (int undo = 0; undo < 2; undo++) {
        for (int parks = 0; parks < 2; parks++) {
            rwd_repair_plan plan = some_plan("00000000000000ab");
            free(plan.kind);
            plan.kind = rwd_strdup(undo ? "undo" : "repair");
            plan.violations[0].parks = parks;
            assert_int_equal(rwd_repair_refuse_violations(&plan, "orders.yaml", &err), !undo || parks);
            if (!undo || parks) assert_int_equal(err.code, RWD_E_INVARIANT);
            rwd_repair_plan_deinit(&plan);
        }
    }
}

static void a_damaged_plan_is_refused(void **state) {
    place *p = *state;
    char path[RWD_PATH_MAX];
    make(p, "00000000000000ab", 17);
    fixture_must(rwd_path_join(path, p->folder, RWD_REPAIR_PLAN_FILE, &err), &err);
    fixture_flip_bit(path, 40, false);
    rwd_repair_plan plan;
    assert_false(rwd_repair_plan_load(p->folder, p->io, &plan, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
}

static void the_lineage_beside_it_is_found_again(void **state) {
    place *p = *state;
    make(p, "00000000000000ab", 17);
    rwd_lineage lineage, back;
    rwd_lineage_init(&lineage, (rwd_hash128){1, 2}, 3);
    rwd_lineage_add_segment(&lineage, (rwd_lineage_segment){3, {4, 5}, {6, 7}});
    rwd_lineage_add_segment(&lineage, (rwd_lineage_segment){30, {8, 9}, {6, 7}});
    fixture_must(rwd_repair_plan_save_lineage(&lineage, p->folder, p->io, &err), &err);
    fixture_must(rwd_repair_plan_lineage(p->folder, p->io, &back, &err), &err);
    assert_true(rwd_hash128_equal(rwd_lineage_id(&lineage), rwd_lineage_id(&back)));
    rwd_lineage_deinit(&lineage);
    rwd_lineage_deinit(&back);
}

static void expect_found(place *p, const char *word, const char *id) {
    char found[RWD_REPAIR_ID];
    fixture_must(rwd_repair_find(p->data, p->io, word, found, &err), &err);
    assert_string_equal(found, id);
}

static void expect_not_found(place *p, const char *word, rwd_code code) {
    char found[RWD_REPAIR_ID];
    assert_false(rwd_repair_find(p->data, p->io, word, found, &err));
    assert_int_equal(err.code, code);
}

static void a_repair_is_named_by_the_beginning_of_its_id(void **state) {
    place *p = *state;
    expect_not_found(p, "latest", RWD_E_NOT_FOUND);
    make(p, "12ab000000000001", 30);
    make(p, "12cd000000000002", 40);
    make(p, "ff00000000000003", 20);
    fixture_must(rwd_repair_folder_of(p->data, "ee00000000000004", p->folder, &err), &err);
    fixture_must(rwd_mkdirs(p->folder, &err), &err);  // no PLAN: it was killed before it was one
    expect_found(p, "12ab000000000001", "12ab000000000001");
    expect_found(p, "f", "ff00000000000003");
    expect_found(p, "latest", "12cd000000000002");
    expect_not_found(p, "12", RWD_E_USAGE);
    expect_not_found(p, "ee", RWD_E_NOT_FOUND);
    expect_not_found(p, "", RWD_E_NOT_FOUND);
}

static void an_id_is_16_digits(void **state) {
    (void)state;
    char id[RWD_REPAIR_ID];
    assert_int_equal(rwd_repair_number("00000000000000ab"), 0xab);
    assert_int_equal(rwd_repair_number("00000000000000AB"), 0);
    assert_int_equal(rwd_repair_number("ab"), 0);
    assert_int_equal(rwd_repair_number("00000000000000ab1"), 0);
    rwd_repair_id_of(UINT64_MAX, id);
    assert_string_equal(id, "ffffffffffffffff");
    assert_true(rwd_repair_number(id) == UINT64_MAX);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_saved_is_loaded),
        TEST(a_plan_that_violates_an_invariant_is_refused_and_an_undo_only_if_it_parks),
        TEST(a_damaged_plan_is_refused),
        TEST(the_lineage_beside_it_is_found_again),
        TEST(a_repair_is_named_by_the_beginning_of_its_id),
        cmocka_unit_test(an_id_is_16_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
