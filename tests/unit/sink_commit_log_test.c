// The commit log (C1): what is believed, what is torn, what is damage; who may write.
#include "operator/sink/commit_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "checkpoints/frame.h"
#include "tests/support/random.h"
#include "tests/support/sink_job.h"

typedef struct place {
    char dir[64];
    char path[128];
    rwd_io *io;
} place;

static int begin(void **state) {
    rwd_error err;
    place *p = rwd_calloc(1, sizeof(*p));
    (void)snprintf(p->dir, sizeof(p->dir), "/tmp/rewind-log-XXXXXX");
    if (!mkdtemp(p->dir)) return 1;
    (void)snprintf(p->path, sizeof(p->path), "%s/out.commits", p->dir);
    OK(rwd_io_pread_new(&p->io, &err));
    *state = p;
    return 0;
}

static int end(void **state) {
    rwd_error err;
    place *p = *state;
    rwd_io_free(p->io);
    OK(rwd_remove_tree(p->dir, &err));
    free(p);
    return 0;
}

static rwd_commit_entry entry_of(uint64_t sequence) {
    rwd_commit_entry e = {.sequence = sequence, .commit = sink_commit_of((int64_t)sequence * 100)};
    rwd_commit_entry_add(&e, "out.jsonl", sequence * 1000);
    rwd_commit_entry_add(&e, "/elsewhere/dead.jsonl", sequence);
    return e;
}

static void append_entry(rwd_buf *log, uint64_t sequence) {
    rwd_commit_entry e = entry_of(sequence);
    rwd_commit_entry_encode(&e, log);
    rwd_commit_entry_deinit(&e);
}

// The sequence of the last entry; -1: there is none.
static int64_t scan(const rwd_buf *log) {
    rwd_error err;
    rwd_commit_entry last;
    bool any;
    OK(rwd_commit_log_scan(rwd_buf_slice(log), "log", &last, &any, &err));
    int64_t sequence = any ? (int64_t)last.sequence : -1;
    rwd_commit_entry_deinit(&last);
    return sequence;
}

static void assert_refused(const rwd_buf *log, rwd_code code) {
    rwd_error err;
    rwd_commit_entry last;
    bool any;
    FAILS(rwd_commit_log_scan(rwd_buf_slice(log), "log", &last, &any, &err), code);
    assert_string_equal(err.place, "log");
    rwd_commit_entry_deinit(&last);
}

static void an_entry_reads_back_as_it_was_written(void **state) {
    (void)state;
    rwd_buf log = {0};
    append_entry(&log, 3);
    rwd_error err;
    rwd_commit_entry last, wanted = entry_of(3);
    bool any;
    OK(rwd_commit_log_scan(rwd_buf_slice(&log), "log", &last, &any, &err));
    assert_true(any);
    assert_int_equal(last.sequence, 3);
    assert_memory_equal(&last.commit, &wanted.commit, sizeof(rwd_commit));
    assert_int_equal(last.file_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(last.files[i].name, wanted.files[i].name);
        assert_int_equal(last.files[i].length, wanted.files[i].length);
    }
    rwd_commit_entry_deinit(&last);
    rwd_commit_entry_deinit(&wanted);
    rwd_buf_deinit(&log);
}

// However much of the last entry is there, it never happened.
static void an_entry_torn_at_any_byte_never_happened(void **state) {
    (void)state;
    rwd_buf log = {0};
    append_entry(&log, 1);
    append_entry(&log, 2);
    size_t whole = log.size;
    append_entry(&log, 3);
    size_t full = log.size;
    assert_int_equal(scan(&log), 3);
    for (log.size = whole; log.size < full; log.size++) assert_int_equal(scan(&log), 2);
    // The same with the file's new length there and its bytes not: zeros from any place on.
    for (size_t from = whole; from < full; from++) {
        rwd_buf holes = {0};
        rwd_buf_append(&holes, log.data, from);
        for (size_t i = from; i < full; i++) rwd_buf_append_char(&holes, 0);
        bool ends_in_zeros = memcmp(holes.data, log.data, full) == 0;
        assert_int_equal(scan(&holes), ends_in_zeros ? 3 : 2);
        rwd_buf_deinit(&holes);
    }
    rwd_buf_deinit(&log);
}

static void a_broken_entry_with_a_whole_one_behind_it_is_corruption(void **state) {
    (void)state;
    rwd_buf log = {0};
    append_entry(&log, 1);
    size_t second = log.size;
    append_entry(&log, 2);
    size_t third = log.size;
    append_entry(&log, 3);
    for (size_t at = second; at < third; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            log.data[at] ^= (uint8_t)(1u << bit);
            assert_refused(&log, RWD_E_CORRUPT);
            log.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    rwd_buf_deinit(&log);
}

static void a_broken_first_entry_is_corruption_since_it_was_durable(void **state) {
    (void)state;
    rwd_buf log = {0};
    append_entry(&log, 1);
    for (size_t at = 0; at < log.size; at++) {
        log.data[at] ^= 0x10;
        assert_refused(&log, RWD_E_CORRUPT);
        log.data[at] ^= 0x10;
    }
    size_t full = log.size;
    for (log.size = 1; log.size < full; log.size++) assert_refused(&log, RWD_E_CORRUPT);
    log.size = 0;
    assert_int_equal(scan(&log), -1);
    rwd_buf_deinit(&log);
}

static void entries_that_do_not_follow_each_other_are_corruption(void **state) {
    (void)state;
    const uint64_t pairs[][2] = {{1, 1}, {1, 3}, {2, 1}, {0, 2}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        rwd_buf log = {0};
        append_entry(&log, pairs[i][0]);
        append_entry(&log, pairs[i][1]);
        assert_refused(&log, RWD_E_CORRUPT);
        rwd_buf_deinit(&log);
    }
}

static void a_newer_entry_is_refused_and_a_damaged_version_is_not_taken_for_one(void **state) {
    (void)state;
    rwd_buf log = {0};
    append_entry(&log, 1);
    rwd_frame_append(&log, "RWCE", 2, rwd_slice_str("from the future"));
    assert_refused(&log, RWD_E_NEWER_FORMAT);
    log.data[4] = 2;  // the version, without its checksum
    assert_refused(&log, RWD_E_CORRUPT);
    rwd_buf_deinit(&log);
}

static void a_whole_frame_that_is_no_entry_is_corruption(void **state) {
    (void)state;
    rwd_buf log = {0};
    append_entry(&log, 1);
    rwd_frame_append(&log, "RWCE", 1, rwd_slice_str("\xff\xff\xff\xff"));
    assert_refused(&log, RWD_E_CORRUPT);
    rwd_buf_deinit(&log);
}

static void the_lock_names_who_holds_it(void **state) {
    place *p = *state;
    rwd_error err;
    int ready[2], stop[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(stop), 0);
    pid_t child = fork();
    if (child == 0) {
        char c;
        int fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        bool held = fd >= 0 && flock(fd, LOCK_EX) == 0 && write(ready[1], "x", 1) == 1 && read(stop[0], &c, 1) == 1;
        _exit(held ? 0 : 1);
    }
    char c;
    assert_int_equal(read(ready[0], &c, 1), 1);
    rwd_commit_log log;
    rwd_commit_log_init(&log, p->path);
    FAILS(rwd_commit_log_lock(&log, p->io, &err), RWD_E_LOCKED);
    char pid[32];
    (void)snprintf(pid, sizeof(pid), "process %d ", (int)child);
    bool listed = strstr(err.cause, "another process") == NULL;  // some containers hide the kernel's list
    if (listed) assert_non_null(strstr(err.cause, pid));
    assert_int_equal(write(stop[1], "x", 1), 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    OK(rwd_commit_log_lock(&log, p->io, &err));
    rwd_commit_log_close(&log, p->io);
    close(ready[0]), close(ready[1]), close(stop[0]), close(stop[1]);
}

// The lock goes along with a replacement: at no time can another one take it.
static void a_replaced_log_stays_locked(void **state) {
    place *p = *state;
    rwd_error err;
    rwd_commit_log log, other;
    rwd_commit_log_init(&log, p->path);
    rwd_commit_log_init(&other, p->path);
    OK(rwd_commit_log_lock(&log, p->io, &err));
    for (uint64_t i = 0; i < 3; i++) {
        rwd_commit_entry e = entry_of(i);
        OK(rwd_commit_log_replace(&log, p->io, &e, &err));
        rwd_commit_entry_deinit(&e);
        assert_true(rwd_commit_log_is_ours(&log));
        FAILS(rwd_commit_log_lock(&other, p->io, &err), RWD_E_LOCKED);
    }
    rwd_commit_log_close(&log, p->io);
    OK(rwd_commit_log_lock(&other, p->io, &err));
    rwd_commit_log_close(&other, p->io);
}

// What an attempt that was killed left under the temporary name is removed, not written to: somebody may still hold it.
static void a_left_over_temporary_log_is_not_written_to(void **state) {
    place *p = *state;
    rwd_error err;
    char *temporary = rwd_strf("%s.new", p->path);
    file_write(temporary, "left over", 9, false);
    int held = open(temporary, O_RDONLY | O_CLOEXEC);
    rwd_commit_log log;
    rwd_commit_log_init(&log, p->path);
    OK(rwd_commit_log_lock(&log, p->io, &err));
    rwd_commit_entry e = entry_of(1);
    OK(rwd_commit_log_replace(&log, p->io, &e, &err));
    rwd_commit_entry_deinit(&e);
    char bytes[16];
    assert_int_equal(read(held, bytes, sizeof(bytes)), 9);
    assert_memory_equal(bytes, "left over", 9);
    assert_false(rwd_path_exists(temporary));
    close(held);
    rwd_commit_log_close(&log, p->io);
    free(temporary);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_reads_back_as_it_was_written),
        cmocka_unit_test(an_entry_torn_at_any_byte_never_happened),
        cmocka_unit_test(a_broken_entry_with_a_whole_one_behind_it_is_corruption),
        cmocka_unit_test(a_broken_first_entry_is_corruption_since_it_was_durable),
        cmocka_unit_test(entries_that_do_not_follow_each_other_are_corruption),
        cmocka_unit_test(a_newer_entry_is_refused_and_a_damaged_version_is_not_taken_for_one),
        cmocka_unit_test(a_whole_frame_that_is_no_entry_is_corruption),
        cmocka_unit_test_setup_teardown(the_lock_names_who_holds_it, begin, end),
        cmocka_unit_test_setup_teardown(a_replaced_log_stays_locked, begin, end),
        cmocka_unit_test_setup_teardown(a_left_over_temporary_log_is_not_written_to, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
