// The file of corrections: what is read is what was written, and damage is never read as something else.
#include "operator/repair/corrections_private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/random.h"
#include "tests/unit/test.h"

#define PATH "corrections-test"

static void must(bool worked, const rwd_error *err) {
    char text[2048];
    if (worked) return;
    rwd_error_format(err, text, sizeof(text));
    fail_msg("%s", text);
}

static rwd_io *io_of(void) {
    rwd_io *io;
    rwd_error err;
    must(rwd_io_pread_new(&io, &err), &err);
    return io;
}

// Correction number i, made anew whenever it is asked for.
typedef struct made { uint8_t key[300], rows[2][4000]; rwd_correction correction; } made;

static void make(uint64_t i, made *out) {
    test_random random = {i * 77 + 1};
    memset(out, 0, sizeof(*out));
    for (size_t k = 0; k < sizeof(out->key); k++) out->key[k] = (uint8_t)test_random_u64(&random);
    for (size_t k = 0; k < sizeof(out->rows); k++) out->rows[k / 4000][k % 4000] = (uint8_t)test_random_u64(&random);
    rwd_correction *c = &out->correction;
    c->sink = test_random_below(&random, RWD_SINKS_MAX);
    c->key = rwd_slice_of(out->key, 1 + test_random_below(&random, 299));
    unsigned which = (unsigned)test_random_below(&random, 3);
    if (which != 0) c->old_row = rwd_slice_of(out->rows[0], 1 + test_random_below(&random, i % 50 ? 60 : 3999));
    if (which != 1) c->new_row = rwd_slice_of(out->rows[1], 1 + test_random_below(&random, i % 50 ? 60 : 3999));
    c->offset = 41;
}

static rwd_hash128 write_file(rwd_io *io, uint64_t count) {
    rwd_corrections_writer w;
    rwd_error err;
    rwd_hash128 hash;
    rwd_corrections_head head = {.repair = "00000000000000ab", .next_offset = 42};
    made *m = malloc(sizeof(*m));
    must(rwd_corrections_writer_open(&w, PATH, io, &head, &err), &err);
    for (uint64_t i = 0; i < count; i++) {
        make(i, m);
        must(rwd_corrections_write(&w, &m->correction, &err), &err);
    }
    must(rwd_corrections_writer_commit(&w, &hash, &err), &err);
    rwd_corrections_writer_close(&w);
    free(m);
    return hash;
}

static void check_same(const rwd_correction *a, const rwd_correction *b) {
    assert_int_equal(a->sink, b->sink);
    assert_int_equal(a->offset, b->offset);
    assert_true(rwd_slice_equal(a->key, b->key) && rwd_slice_equal(a->old_row, b->old_row) && rwd_slice_equal(a->new_row, b->new_row));
    assert_int_equal(!a->old_row.data, !b->old_row.data);
    assert_int_equal(!a->new_row.data, !b->new_row.data);
}

// Reads all from `skipped` on. False: the error.
static bool read_file(rwd_io *io, uint64_t count, uint64_t skipped, rwd_error *err) {
    rwd_corrections *c;
    rwd_correction found;
    bool any = true, ok = rwd_corrections_open(PATH, io, &c, err);
    made *m = malloc(sizeof(*m));
    if (ok) {
        assert_int_equal(rwd_corrections_rows(c), count);
        assert_int_equal(rwd_corrections_next_offset(c), 42);
        assert_string_equal(rwd_corrections_repair(c), "00000000000000ab");
        ok = rwd_corrections_skip(c, skipped, err);
        for (uint64_t i = skipped; ok && any; i++) {
            ok = rwd_corrections_next(c, &found, &any, err);
            if (!ok || !any) assert_true(!ok || i == count || skipped > count);
            if (!ok || !any) break;
            make(i, m);
            check_same(&found, &m->correction);
        }
        rwd_corrections_close(c);
    }
    free(m);
    return ok;
}

static void corrections_come_back_as_they_were_written(void **state) {
    (void)state;
    rwd_error err;
    rwd_io *io = io_of();
    const uint64_t counts[] = {0, 1, 2, 20000};
    rwd_hash128 last = {0};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        rwd_hash128 hash = write_file(io, counts[i]);
        assert_false(rwd_hash128_equal(hash, last));
        assert_true(rwd_hash128_equal(hash, write_file(io, counts[i])));
        last = hash;
        must(read_file(io, counts[i], 0, &err), &err);
        must(read_file(io, counts[i], counts[i] / 2, &err), &err);
        must(read_file(io, counts[i], counts[i], &err), &err);
        must(read_file(io, counts[i], counts[i] + 5, &err), &err);
    }
    assert_int_equal(access(PATH ".part", F_OK), -1);
    assert_int_equal(unlink(PATH), 0);
    rwd_io_free(io);
}

static void a_damaged_or_cut_file_is_corrupt(void **state) {
    (void)state;
    rwd_error err;
    rwd_io *io = io_of();
    struct stat whole;
    (void)write_file(io, 3000);
    assert_int_equal(stat(PATH, &whole), 0);
    int fd = open(PATH, O_RDWR | O_CLOEXEC);
    test_random random = test_random_of(9);
    for (int round = 0; round < 200; round++) {
        off_t at = (off_t)test_random_below(&random, (uint64_t)whole.st_size);
        if (round < 60) at = round;                                  // the head
        else if (round < 120) at = whole.st_size - 1 - (round - 60); // the tail
        uint8_t byte, flipped;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        flipped = byte ^ (uint8_t)(1u << test_random_below(&random, 8));
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        assert_false(read_file(io, 3000, 0, &err));
        assert_true(err.code == RWD_E_CORRUPT || err.code == RWD_E_NEWER_FORMAT);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    must(read_file(io, 3000, 0, &err), &err);
    for (off_t left = whole.st_size - 1; left > 0; left -= 1 + left / 7) {
        assert_int_equal(ftruncate(fd, left), 0);
        assert_false(read_file(io, 3000, 0, &err));
        assert_int_equal(err.code, RWD_E_CORRUPT);
    }
    close(fd);
    assert_int_equal(unlink(PATH), 0);
    rwd_io_free(io);
}

static void a_writer_that_is_closed_early_leaves_nothing(void **state) {
    (void)state;
    rwd_error err;
    rwd_io *io = io_of();
    rwd_corrections_writer w;
    rwd_corrections_head head = {.repair = "x"};
    must(rwd_corrections_writer_open(&w, PATH, io, &head, &err), &err);
    rwd_corrections_writer_close(&w);
    assert_int_equal(access(PATH, F_OK), -1);
    assert_int_equal(access(PATH ".part", F_OK), -1);
    rwd_io_free(io);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corrections_come_back_as_they_were_written),
        cmocka_unit_test(a_damaged_or_cut_file_is_corrupt),
        cmocka_unit_test(a_writer_that_is_closed_early_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
