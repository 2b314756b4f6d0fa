// The repository: what is published is found again, whatever is not ours is refused, and words name what they should.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/frame.h"
#include "checkpoints/manifest_private.h"
#include "tests/support/checkpoints_fixture.h"
#include "tests/unit/test.h"

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

static void open_must(fixture *fx) {
    rwd_error err;
    fixture_must(fixture_open(fx, &err), &err);
}

static void checkpoint_must(fixture *fx, int64_t next_offset, char id[RWD_CHECKPOINT_ID]) {
    rwd_error err;
    fixture_must(fixture_checkpoint(fx, next_offset, id, &err), &err);
}

static void a_checkpoint_holds_every_fact_it_was_given(void **state) {
    fixture *fx = *state;
    rwd_error err;
    char dir[RWD_PATH_MAX], id[RWD_CHECKPOINT_ID];
    rwd_checkpoint c;
    open_must(fx);
    rwd_facts facts = fixture_facts(fx, 500, "request");
    facts.frontier = 499;
    facts.violated = "revenue >= 0";
    facts.dead = (rwd_dead_facts){.known = true, .since = 12, .open = 3, .failed = 2};
    fixture_must(rwd_repo_stage(fx->repo, fx->io, dir, &err), &err);
    fixture_must(fixture_write_files(fx, dir, 500, &err), &err);
    fixture_must(rwd_repo_publish(fx->repo, fx->io, dir, &facts, (rwd_hash128){41, 42}, id, &err), &err);
    rwd_hash128 repository = rwd_repo_id(fx->repo);
    fixture_close(fx);
    open_must(fx);
    fixture_must(rwd_repo_find(fx->repo, id, &c, &err), &err);
    assert_string_equal(c.id, id);
    assert_string_equal(c.parent, "");
    assert_true(rwd_hash128_equal(c.repository, repository));
    assert_int_equal(c.term, 1);
    assert_int_equal(c.sequence, 1);
    assert_int_equal(c.facts.next_offset, 500);
    assert_int_equal(c.facts.frontier, 499);
    assert_true(rwd_slice_equal(c.facts.cursor, facts.cursor));
    assert_true(rwd_slice_equal(c.facts.source_identity, facts.source_identity));
    assert_true(rwd_hash128_equal(c.facts.source, facts.source));
    assert_int_equal(c.facts.stream_time, facts.stream_time);
    assert_memory_equal(&c.facts.counts, &facts.counts, sizeof(facts.counts));
    assert_int_equal(c.facts.input_count, facts.input_count);
    assert_true(rwd_hash128_equal(c.facts.input_hash, facts.input_hash));
    assert_true(rwd_hash128_equal(c.facts.lineage, facts.lineage));
    assert_true(rwd_hash128_equal(c.facts.history, facts.history));
    assert_true(rwd_hash128_equal(c.facts.fingerprint, facts.fingerprint));
    assert_int_equal(c.facts.keys, 77);
    assert_string_equal(c.facts.reason, "request");
    assert_string_equal(c.facts.violated, "revenue >= 0");
    assert_true(c.facts.dead.known && c.facts.dead.since == 12 && c.facts.dead.open == 3 && c.facts.dead.failed == 2);
    assert_true(rwd_hash128_equal(c.digest, (rwd_hash128){41, 42}));
    assert_int_equal(c.created_us, 1700000000000000);
    assert_true(strlen(c.build) > 0);
    assert_false(c.independent);
    assert_int_equal(c.file_count, 3);
    assert_int_equal(c.state, RWD_CHECKPOINT_UNVERIFIED);
    for (size_t i = 0; i < c.file_count; i++) {
        struct stat info;
        rwd_buf bytes = {0};
        assert_int_equal(stat(fixture_path(fx, id, c.files[i].name), &info), 0);
        assert_int_equal(c.files[i].inode, info.st_ino);
        assert_int_equal(c.files[i].size, info.st_size);
        fixture_must(rwd_read_file(fixture_path(fx, id, c.files[i].name), 1 << 20, &bytes, &err), &err);
        assert_true(rwd_hash128_equal(c.files[i].hash, rwd_hash128_of(bytes.data, bytes.size, 0)));
        rwd_buf_deinit(&bytes);
    }
    rwd_checkpoint_deinit(&c);
}

static void stream_time_before_the_first_event_stays_unknown(void **state) {
    fixture *fx = *state;
    rwd_error err;
    char dir[RWD_PATH_MAX], id[RWD_CHECKPOINT_ID];
    rwd_checkpoint c;
    open_must(fx);
    rwd_facts facts = fixture_facts(fx, 0, "genesis");
    facts.stream_time = INT64_MIN;
    fixture_must(rwd_repo_stage(fx->repo, fx->io, dir, &err), &err);
    fixture_must(rwd_repo_publish(fx->repo, fx->io, dir, &facts, (rwd_hash128){0}, id, &err), &err);
    fixture_must(rwd_repo_find(fx->repo, "latest", &c, &err), &err);
    assert_int_equal(c.facts.stream_time, INT64_MIN);
    assert_int_equal(c.file_count, 0);
    assert_true(c.pinned);
    assert_null(c.facts.violated);
    assert_false(c.facts.dead.known);  // as in manifests that are older than the index
    rwd_checkpoint_deinit(&c);
}

static void a_child_names_its_parent_and_the_hash_of_its_manifest(void **state) {
    fixture *fx = *state;
    rwd_error err;
    char a[RWD_CHECKPOINT_ID], b[RWD_CHECKPOINT_ID];
    rwd_checkpoint c;
    rwd_buf bytes = {0};
    open_must(fx);
    checkpoint_must(fx, 0, a);
    checkpoint_must(fx, 100, b);
    fixture_must(rwd_repo_find(fx->repo, b, &c, &err), &err);
    fixture_must(rwd_read_file(fixture_path(fx, a, "MANIFEST"), 1 << 20, &bytes, &err), &err);
    assert_string_equal(c.parent, a);
    assert_true(rwd_hash128_equal(c.parent_hash, rwd_hash128_of(bytes.data, bytes.size, 0)));
    rwd_buf_deinit(&bytes);
    rwd_checkpoint_deinit(&c);
}

static void a_shared_file_is_read_once_and_a_new_one_is_hashed(void **state) {
    fixture *fx = *state;
    rwd_error err;
    char a[RWD_CHECKPOINT_ID], dir[RWD_PATH_MAX], id[RWD_CHECKPOINT_ID];
    open_must(fx);
    checkpoint_must(fx, 10, a);
    rwd_facts facts = fixture_facts(fx, 20, "interval");
    fixture_must(rwd_repo_stage(fx->repo, fx->io, dir, &err), &err);
    fixture_must(fixture_write_files(fx, dir, 20, &err), &err);
    uint64_t before = fx->io->bytes_read;
    fixture_must(rwd_repo_publish(fx->repo, fx->io, dir, &facts, (rwd_hash128){0}, id, &err), &err);
    uint64_t after = fx->io->bytes_read;
    rwd_checkpoint parent, child;
    fixture_must(rwd_repo_find(fx->repo, a, &parent, &err), &err);
    fixture_must(rwd_repo_find(fx->repo, id, &child, &err), &err);
    struct stat m1, m2;
    assert_int_equal(stat(fixture_path(fx, a, "MANIFEST"), &m1), 0);
    assert_int_equal(stat(fixture_path(fx, id, "MANIFEST"), &m2), 0);
    uint64_t private_bytes = 2 * strlen("only in the checkpoint at 20");
    struct stat lock;
    char path[RWD_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/LOCK", fx->data);
    assert_int_equal(stat(path, &lock), 0);
    // Parent's manifest, private files, own manifest read back, LOCK: and not the shared file.
    assert_int_equal(after - before, (uint64_t)m1.st_size + (uint64_t)m2.st_size + private_bytes + (uint64_t)lock.st_size);
    assert_true(rwd_hash128_equal(parent.files[2].hash, child.files[2].hash));
    assert_string_equal(child.files[2].name, FIXTURE_SHARED);
    assert_int_equal(parent.files[2].inode, child.files[2].inode);
    rwd_checkpoint_deinit(&parent);
    rwd_checkpoint_deinit(&child);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_checkpoint_holds_every_fact_it_was_given, setup, teardown),
        cmocka_unit_test_setup_teardown(stream_time_before_the_first_event_stays_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(a_child_names_its_parent_and_the_hash_of_its_manifest, setup, teardown),
        cmocka_unit_test_setup_teardown(a_shared_file_is_read_once_and_a_new_one_is_hashed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
