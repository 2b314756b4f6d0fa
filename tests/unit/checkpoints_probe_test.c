// The choice of a tier, in children whose system calls are refused by a seccomp filter, as containers do it.
#include "checkpoints/io/probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoints/io/queue.h"
#include "tests/unit/test.h"

static rwd_error err;

// From now on `number` fails with `error` in this process.
static bool refuse_call(unsigned number, int error) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Whether this kernel lets us have all tiers, so that a refusal is the filter's.
static void need_rings(void) {
    rwd_io *io = NULL;
    if (!rwd_io_new(".", RWD_IO_TIER_URING_REGISTERED, &io, NULL, &err)) {
        print_message("skipped: %s\n", err.cause);
        skip();
    }
    rwd_io_free(io);
}

static bool hash_works(rwd_io *io) {
    rwd_hash128 hash;
    uint64_t size = 0;
    return rwd_io_hash_file(io, "/proc/self/exe", RWD_IO_FROM_CACHE, NULL, &hash, &size, &err) && size > 4096;
}

// What a child with that filter finds: its exit code is the tier. The reason and a forced tier are checked in it.
static int tier_of_child(unsigned number, int error) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rwd_io *io = NULL, *forced = NULL;
        rwd_io_probe probe;
        if (!refuse_call(number, error)) _exit(100);
        if (!rwd_io_new(".", RWD_IO_TIER_AUTO, &io, &probe, &err) || io->tier != probe.tier || !hash_works(io)) _exit(101);
        if (!strstr(probe.refused[RWD_IO_TIER_URING_REGISTERED], strerrordesc_np(error))) _exit(102);
        if (rwd_io_new(".", RWD_IO_TIER_URING_REGISTERED, &forced, NULL, &err) || err.code != RWD_E_RESOURCE) _exit(103);
        if (!strstr(err.cause, strerrordesc_np(error)) || !err.next[0]) _exit(104);
        if (!rwd_io_new(".", RWD_IO_TIER_PREAD, &forced, NULL, &err) || !hash_works(forced)) _exit(105);
        _exit((int)probe.tier);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const int refusals[] = {EPERM, ENOSYS, EINVAL, ENOMEM, EOPNOTSUPP, EACCES};

static void a_kernel_that_refuses_rings_leaves_pread(void **state) {
    (void)state;
    need_rings();
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        assert_int_equal(tier_of_child(SYS_io_uring_setup, refusals[i]), RWD_IO_TIER_PREAD);
}

static void a_filter_that_lets_setup_pass_and_refuses_enter_leaves_pread(void **state) {
    (void)state;
    need_rings();
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        assert_int_equal(tier_of_child(SYS_io_uring_enter, refusals[i]), RWD_IO_TIER_PREAD);
}

static void a_limit_on_locked_memory_leaves_rings_without_registered_buffers(void **state) {
    (void)state;
    need_rings();
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        assert_int_equal(tier_of_child(SYS_io_uring_register, refusals[i]), RWD_IO_TIER_URING);
}

// A ring that worked and is refused later gives errors, not a hang, and what it has done before stays done.
static void a_ring_that_is_refused_later_fails_its_operations(void **state) {
    (void)state;
    need_rings();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rwd_io *io = NULL;
        rwd_io_queue *queue = NULL;
        rwd_io_queue_options options = {.depth = 2, .buffer_count = 1, .buffer_size = 4096};
        if (!rwd_io_new(".", RWD_IO_TIER_URING, &io, NULL, &err) || !rwd_io_queue_open(io, &options, &queue, &err)) _exit(100);
        uint8_t *buffer = rwd_io_buffer_take(queue);
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        rwd_io_op ops[5], *batch[5];
        for (size_t i = 0; i < 5; i++) ops[i] = (rwd_io_op){.kind = RWD_IO_READ, .fd = fd, .data = buffer, .size = 64}, batch[i] = &ops[i];
        rwd_io_submit(queue, batch, 1);
        rwd_io_drain(queue);
        if (!refuse_call(SYS_io_uring_enter, EPERM)) _exit(101);
        rwd_io_submit(queue, batch + 1, 4);
        rwd_io_drain(queue);
        for (size_t i = 0; i < 5; i++)
            if (ops[i].result != (i == 0 ? 64 : -EPERM)) _exit(102);
        rwd_io_queue_close(queue);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void the_trial_leaves_nothing(void **state) {
    (void)state;
    char folder[] = "probe-test-XXXXXX", below[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(below, sizeof(below), "%s/not/yet/there", folder);
    rwd_io *io = NULL;
    rwd_io_probe probe;
    assert_true(rwd_io_new(below, RWD_IO_TIER_AUTO, &io, &probe, &err));
    assert_false(probe.forced);
    rwd_io_free(io);
    assert_int_equal(rmdir(folder), 0);  // it is empty
}

static void the_choice_is_told_with_its_reasons(void **state) {
    (void)state;
    rwd_buf text = {0};
    rwd_io_probe probe = {.tier = RWD_IO_TIER_PREAD};
    (void)snprintf(probe.refused[RWD_IO_TIER_URING_REGISTERED], RWD_IO_REASON_MAX, "this");
    (void)snprintf(probe.refused[RWD_IO_TIER_URING], RWD_IO_REASON_MAX, "that");
    rwd_io_probe_text(&probe, &text);
    assert_string_equal(rwd_buf_cstr(&text), "pread (uring-registered: this; uring: that)");
    rwd_buf_clear(&text);
    rwd_io_probe_text(&(rwd_io_probe){.tier = RWD_IO_TIER_URING, .forced = true}, &text);
    assert_string_equal(rwd_buf_cstr(&text), "uring, as asked for");
    rwd_buf_deinit(&text);
    for (rwd_io_tier tier = RWD_IO_TIER_AUTO; tier < RWD_IO_TIER_COUNT; tier++) {
        rwd_io_tier again;
        assert_true(rwd_io_tier_parse(rwd_io_tier_name(tier), &again));
        assert_int_equal(again, tier);
    }
    rwd_io_tier none;
    assert_false(rwd_io_tier_parse("ring", &none));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kernel_that_refuses_rings_leaves_pread),
        cmocka_unit_test(a_filter_that_lets_setup_pass_and_refuses_enter_leaves_pread),
        cmocka_unit_test(a_limit_on_locked_memory_leaves_rings_without_registered_buffers),
        cmocka_unit_test(a_ring_that_is_refused_later_fails_its_operations),
        cmocka_unit_test(the_trial_leaves_nothing),
        cmocka_unit_test(the_choice_is_told_with_its_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
