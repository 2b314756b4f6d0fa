// Every operation of everything that the repository does is made to fail, and the power to go, one by one. Afterwards a fresh start finds what was
// there before or what was to be there, never something in between; and what was reported done is done.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "checkpoints/io/fake_disk.h"
#include "tests/support/checkpoints_scripts.h"
#include "tests/unit/test.h"

static rwd_error err;

// ---- the trial

typedef struct trial {
    bool ok;               // what the act said
    uint64_t open_ops, all_ops;
} trial;

// The act on a faulty tier, in place of the fixture's own.
static trial act(fixture *fx, const script *s, const rwd_io_fault_plan *plan) {
    trial t = {0};
    rwd_io *clean = fx->io, *inner = NULL;
    fixture_must(rwd_io_clone(clean, &inner, &err), &err);
    fixture_must(rwd_io_fault_new(inner, plan, &fx->io, &err), &err);
    rwd_error failed;
    bool opened = fixture_open(fx, &failed);
    t.open_ops = rwd_io_fault_count(fx->io);
    t.ok = opened && s->run(fx, &failed);
    t.all_ops = rwd_io_fault_count(fx->io);
    fixture_close(fx);
    rwd_io_free(fx->io);
    fx->io = clean;
    return t;
}

static void try_plan(const script *s, rwd_io_fault_plan plan, bool power_loss, uint64_t seed) {
    fixture fx;
    rwd_fake_disk *disk = NULL;
    char how[100];
    script_begin(&fx, s);
    if (power_loss) fixture_must(rwd_fake_disk_new(fx.root, &disk, &err), &err);
    plan.disk = disk;
    trial t = act(&fx, s, &plan);
    (void)snprintf(how, sizeof(how), "error at %llu, power off at %llu, power loss %d, seed %llu", (unsigned long long)plan.fail_at,
                   (unsigned long long)plan.power_off_at, power_loss, (unsigned long long)seed);
    if (power_loss) fixture_must(rwd_fake_disk_power_loss(disk, seed, &err), &err);
    script_expect_whole(&fx, s, t.ok, how);
    rwd_fake_disk_free(disk);
    fixture_deinit(&fx);
}

// How many operations opening takes, and all of it.
static trial measure(const script *s) {
    fixture fx;
    script_begin(&fx, s);
    trial t = act(&fx, s, &(rwd_io_fault_plan){0});
    assert_true(t.ok);
    assert_true(fixture_open(&fx, &err) && s->done(&fx));
    fixture_deinit(&fx);
    return t;
}

#define EVERY_OPERATION(s, at)                                                                                                    \
    const script *s = &scripts[which];                                                                                            \
    trial measured = measure(s);                                                                                                  \
    for (uint64_t at = s->opens ? 1 : measured.open_ops + 1; at <= measured.all_ops + 1; at++)

static void an_error_in_any_operation_leaves_the_old_or_the_new(void **state) {
    (void)state;
    for (size_t which = 0; which < script_count; which++) {
        EVERY_OPERATION(s, at) {
            try_plan(s, (rwd_io_fault_plan){.fail_at = at, .error = EIO}, false, 0);
            try_plan(s, (rwd_io_fault_plan){.fail_at = at, .error = ENOSPC, .fail_forever = true}, false, 0);  // a disk stays full
        }
    }
}

static void a_power_loss_at_any_operation_leaves_the_old_or_the_new(void **state) {
    (void)state;
    for (size_t which = 0; which < script_count; which++) {
        EVERY_OPERATION(s, at) try_plan(s, (rwd_io_fault_plan){.power_off_at = at}, true, 0);
    }
}

static void a_power_loss_that_keeps_some_of_the_rest_leaves_the_old_or_the_new(void **state) {
    (void)state;
    for (size_t which = 0; which < script_count; which++) {
        EVERY_OPERATION(s, at) {
            for (uint64_t seed = 1; seed <= 2; seed++) try_plan(s, (rwd_io_fault_plan){.power_off_at = at}, true, at * 977 + seed);
        }
    }
}

// A sync that fails, and then the power: what was not durable may be gone, what was is not.
static void a_failed_sync_and_then_a_power_loss_leave_the_old_or_the_new(void **state) {
    (void)state;
    for (size_t which = 0; which < script_count; which++) {
        EVERY_OPERATION(s, at) try_plan(s, (rwd_io_fault_plan){.fail_at = at, .error = EIO}, true, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_in_any_operation_leaves_the_old_or_the_new),
        cmocka_unit_test(a_power_loss_at_any_operation_leaves_the_old_or_the_new),
        cmocka_unit_test(a_power_loss_that_keeps_some_of_the_rest_leaves_the_old_or_the_new),
        cmocka_unit_test(a_failed_sync_and_then_a_power_loss_leave_the_old_or_the_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
