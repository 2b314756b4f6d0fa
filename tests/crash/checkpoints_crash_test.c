// The process is killed at every named crash point of this room, at every passing of it. A fresh start finds what was there before or what was to be
// there, all of it good.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operator/base/crash_point.h"
#include "tests/support/checkpoints_scripts.h"
#include "tests/unit/test.h"

#define PASSINGS_MAX 100

// Which act passes which point.
typedef struct row {
    rwd_crash_point point;
    const char *script;
} row;

static const row rows[] = {
    {RWD_CRASH_POINT_lock_before_term, "open"},
    {RWD_CRASH_POINT_lock_before_term, "first open"},
    {RWD_CRASH_POINT_lock_written, "open"},
    {RWD_CRASH_POINT_lock_written, "first open"},
    {RWD_CRASH_POINT_lock_renamed, "open"},
    {RWD_CRASH_POINT_lock_renamed, "first open"},
    {RWD_CRASH_POINT_live_made, "open"},
    {RWD_CRASH_POINT_stage_before, "publish"},
    {RWD_CRASH_POINT_stage_after, "publish"},
    {RWD_CRASH_POINT_participant_written, "checkpoint thread"},
    {RWD_CRASH_POINT_publish_before_hash, "checkpoint thread"},
    {RWD_CRASH_POINT_publish_file_synced, "publish"},
    {RWD_CRASH_POINT_publish_before_manifest, "publish"},
    {RWD_CRASH_POINT_manifest_written, "publish"},
    {RWD_CRASH_POINT_manifest_written, "copy"},
    {RWD_CRASH_POINT_manifest_renamed, "genesis"},
    {RWD_CRASH_POINT_manifest_renamed, "publish"},
    {RWD_CRASH_POINT_manifest_synced, "publish"},
    {RWD_CRASH_POINT_checkpoint_renamed, "publish"},
    {RWD_CRASH_POINT_checkpoint_renamed, "genesis"},
    {RWD_CRASH_POINT_checkpoint_renamed, "copy"},
    {RWD_CRASH_POINT_checkpoint_synced, "publish"},
    {RWD_CRASH_POINT_checkpoint_synced, "genesis"},
    {RWD_CRASH_POINT_history_before_append, "publish"},
    {RWD_CRASH_POINT_history_half_append, "history"},
    {RWD_CRASH_POINT_history_half_append, "publish"},
    {RWD_CRASH_POINT_history_appended, "history"},
    {RWD_CRASH_POINT_history_synced, "history"},
    {RWD_CRASH_POINT_quarantine_noted, "quarantine"},
    {RWD_CRASH_POINT_quarantine_renamed, "quarantine"},
    {RWD_CRASH_POINT_prune_marked, "prune"},
    {RWD_CRASH_POINT_prune_between_files, "prune"},
    {RWD_CRASH_POINT_prune_between_files, "forget"},
    {RWD_CRASH_POINT_prune_done, "prune"},
    {RWD_CRASH_POINT_tag_written, "tag"},
    {RWD_CRASH_POINT_copy_file, "copy"},
    {RWD_CRASH_POINT_copy_before_publish, "copy"},
    {RWD_CRASH_POINT_repair_adopt_file, "adopt"},
    {RWD_CRASH_POINT_repair_adopt_before_publish, "adopt"},
    {RWD_CRASH_POINT_repair_pin_written, "pin"},
    {RWD_CRASH_POINT_genesis_before_mark, "genesis mark"},
    {RWD_CRASH_POINT_genesis_marked, "genesis mark"},
    {RWD_CRASH_POINT_lineage_job_written, "lineage"},
};

static rwd_error err;

static const script *script_named(const char *name) {
    for (size_t i = 0; i < script_count; i++)
        if (strcmp(scripts[i].name, name) == 0) return &scripts[i];
    fail_msg("there is no script %s", name);
    return NULL;
}

// In a process of its own: the act, with the crash point armed for its n-th passing. True: it was killed there.
static bool killed_at(fixture *fx, const script *s, rwd_crash_point point, unsigned passing) {
    char spec[100];
    (void)snprintf(spec, sizeof(spec), "%s:%u", rwd_crash_point_name(point), passing);
    pid_t child = fork();
    if (child == 0) {
        rwd_error own;
        if (!rwd_crash_points_setup(spec, &own)) _exit(2);
        _exit(fixture_open(fx, &own) && s->run(fx, &own) ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return true;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static void a_kill_at_any_named_point_leaves_the_old_or_the_new(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const script *s = script_named(rows[i].script);
        unsigned passing = 1;
        for (bool killed = true; killed; passing++) {
            fixture fx;
            char how[200];
            (void)snprintf(how, sizeof(how), "killed at %s, passing %u", rwd_crash_point_name(rows[i].point), passing);
            script_begin(&fx, s);
            killed = killed_at(&fx, s, rows[i].point, passing);
            if (!killed && passing == 1) fail_msg("%s does not pass %s", s->name, rwd_crash_point_name(rows[i].point));
            script_expect_whole(&fx, s, !killed, how);
            fixture_deinit(&fx);
            assert_true(passing < PASSINGS_MAX);
        }
    }
}

// Every point of this room is in the table above: those from the first of the room's to the last of it. Points of carrying and of the journal stand behind them: the
// program is killed there by tests of its own.
static void every_point_of_this_room_is_tried(void **state) {
    (void)state;
    for (int point = RWD_CRASH_POINT_lock_before_term; point <= RWD_CRASH_POINT_lineage_job_written; point++) {
        bool tried = false;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) tried |= (int)rows[i].point == point;
        if (!tried) fail_msg("no script is killed at %s", rwd_crash_point_name((rwd_crash_point)point));
    }
}

static void a_word_that_names_no_point_is_refused_with_the_nearest(void **state) {
    (void)state;
    assert_false(rwd_crash_points_setup("manifest-renamd", &err));
    assert_int_equal(err.code, RWD_E_USAGE);
    assert_non_null(strstr(err.cause, "manifest-renamed"));
    static const char *const bad[] = {"manifest-renamed:0", "manifest-renamed:", "manifest-renamed:x", "manifest-renamed:-1", "manifest-renamed:1x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) assert_false(rwd_crash_points_setup(bad[i], &err));
    assert_true(rwd_crash_points_setup(NULL, &err));
    assert_true(rwd_crash_points_setup("", &err));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_at_any_named_point_leaves_the_old_or_the_new),
        cmocka_unit_test(every_point_of_this_room_is_tried),
        cmocka_unit_test(a_word_that_names_no_point_is_refused_with_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
