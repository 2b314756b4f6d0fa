// See the header. Files are written by plain calls: what a participant writes does not go through our io.
#include "tests/support/checkpoints_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operator/base/log.h"
#include "tests/support/tier.h"
#include "tests/unit/test.h"

void fixture_must(bool ok, const rwd_error *err) {
    if (ok) return;
    char text[2048];
    rwd_error_format(err, text, sizeof(text));
    fail_msg("%s", text);
}

static void init_at(fixture *fx, const char *pattern) {
    *fx = (fixture){0};
    (void)snprintf(fx->root, sizeof(fx->root), "%s", pattern);
    rwd_log_setup(RWD_LOG_SILENT, false);
    assert_non_null(mkdtemp(fx->root));
    (void)snprintf(fx->data, sizeof(fx->data), "%s/data", fx->root);
    fx->clock = rwd_clock_virtual_new(1700000000000000);
    fx->io = test_tier_new();
    rwd_lineage_init(&fx->lineage, (rwd_hash128){1, 2}, 0);
    rwd_lineage_add_segment(&fx->lineage, (rwd_lineage_segment){0, {3, 4}, {5, 6}});
}

void fixture_init(fixture *fx) { init_at(fx, "checkpoints-test-XXXXXX"); }

void fixture_init_in_memory(fixture *fx) {
    init_at(fx, access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm/checkpoints-test-XXXXXX" : "checkpoints-test-XXXXXX");
}

void fixture_deinit(fixture *fx) {
    rwd_error err;
    fixture_close(fx);
    rwd_io_free(fx->io);
    rwd_clock_virtual_free(fx->clock);
    rwd_lineage_deinit(&fx->lineage);
    fixture_must(rwd_remove_tree(fx->root, &err), &err);
}

bool fixture_open(fixture *fx, rwd_error *err) {
    rwd_repo_options options = {.path = fx->data, .job = "orders", .partition = "0", .create = true};
    return rwd_repo_open_owner(&options, fx->io, fx->clock, &fx->repo, err);
}

void fixture_close(fixture *fx) {
    rwd_repo_close(fx->repo);
    fx->repo = NULL;
}

rwd_facts fixture_facts(const fixture *fx, int64_t next_offset, const char *reason) {
    return (rwd_facts){
        .next_offset = next_offset,
        .frontier = next_offset,
        .cursor = rwd_slice_str("byte 1234"),
        .source_identity = rwd_slice_str("orders.csv inode 7"),
        .source = {11, 12},
        .stream_time = 1600000000000000,
        .counts = {.read = 9, .applied = 8, .late = 7, .duplicate = 6, .dead = 5, .dropped = 4},
        .input_count = (uint64_t)next_offset,
        .input_hash = {21, 22},
        .lineage = rwd_lineage_id(&fx->lineage),
        .history = rwd_lineage_history(&fx->lineage, next_offset),
        .fingerprint = {31, 32},
        .keys = 77,
        .reason = reason,
    };
}

bool fixture_exists(const char *path) { return access(path, F_OK) == 0; }

void fixture_write(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

const char *fixture_path(const fixture *fx, const char *id, const char *name) {
    static char paths[4][RWD_PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, RWD_PATH_MAX, "%s/checkpoints/%s%s%s", fx->data, id, name[0] ? "/" : "", name);
    return path;
}

bool fixture_write_files(fixture *fx, const char *dir, int64_t next_offset, rwd_error *err) {
    char path[RWD_PATH_MAX], text[256];
    (void)snprintf(path, sizeof(path), "%s/tables/deeper", dir);
    if (!rwd_mkdirs(path, err)) return false;
    (void)snprintf(path, sizeof(path), "%s/%s", dir, FIXTURE_SHARED);
    if (!fx->last[0] || link(fixture_path(fx, fx->last, FIXTURE_SHARED), path) != 0) fixture_write(path, "the same in every checkpoint, by hard link");
    (void)snprintf(path, sizeof(path), "%s/%s", dir, FIXTURE_PRIVATE);
    (void)snprintf(text, sizeof(text), "only in the checkpoint at %lld", (long long)next_offset);
    fixture_write(path, text);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, FIXTURE_DEEP);
    fixture_write(path, text);
    return true;
}

bool fixture_checkpoint(fixture *fx, int64_t next_offset, char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    char dir[RWD_PATH_MAX], id[RWD_CHECKPOINT_ID];
    rwd_facts facts = fixture_facts(fx, next_offset, next_offset == 0 ? "genesis" : "interval");
    if (!rwd_repo_stage(fx->repo, fx->io, dir, err)) return false;
    bool ok = fixture_write_files(fx, dir, next_offset, err) && rwd_repo_publish(fx->repo, fx->io, dir, &facts, (rwd_hash128){41, 42}, id, err);
    if (!ok) {
        rwd_repo_abandon(fx->repo, fx->io, dir);
        return false;
    }
    memcpy(fx->last, id, sizeof(fx->last));
    if (out_id) memcpy(out_id, id, RWD_CHECKPOINT_ID);
    return true;
}

void fixture_flip_bit(const char *path, uint64_t at, bool keep_time) {
    struct stat info;
    uint8_t byte = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    struct timespec times[2] = {info.st_atim, info.st_mtim};
    if (keep_time) assert_int_equal(futimens(fd, times), 0);
    (void)close(fd);
}

void fixture_cut(const char *path, uint64_t size) { assert_int_equal(truncate(path, (off_t)size), 0); }
