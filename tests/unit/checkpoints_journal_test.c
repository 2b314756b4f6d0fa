// The journal (J1 to J3, K3, K7) against a model: a topic whose records are known by their offset alone.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/io/fake_disk.h"
#include "checkpoints/io/queue.h"
#include "checkpoints/journal/journal.h"
#include "operator/base/fs.h"
#include "tests/support/journal_topic.h"
#include "tests/unit/test.h"

typedef struct rig {
    char root[64];
    rwd_clock *clock;
    rwd_journal *journal;
    rwd_journal_options options;
} rig;

// ---- the rig

static void open_with(rig *r, rwd_io *io) { must(rwd_journal_open(&r->options, io, r->clock, &r->journal, &err)); }

static void open_owner(rig *r) {
    r->options.term++;
    open_with(r, test_tier_new());
}

static void close_it(rig *r) {
    rwd_journal_close(r->journal);
    r->journal = NULL;
}

static bool sync_at(rwd_journal *j, int64_t offset) {
    rwd_participant *p = rwd_journal_participant(j);
    p->ops->freeze(p, offset);
    return p->ops->write(p, ".", &err);
}

static int setup(void **state) {
    static rig r;
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".";
    r = (rig){.options = {.repository = {1, 2}, .codec = RWD_JOURNAL_LZ4, .size = RWD_JOURNAL_SIZE_MIN, .keep_ns = INT64_MAX}};
    (void)snprintf(r.root, sizeof r.root, "%s/journal-test-XXXXXX", test_tier() == RWD_IO_TIER_PREAD ? memory : ".");
    assert_non_null(mkdtemp(r.root));
    r.options.data = r.root;
    r.clock = rwd_clock_virtual_new(1700000000000000);
    *state = &r;
    return 0;
}

static int teardown(void **state) {
    rig *r = *state;
    rwd_journal_close(r->journal);
    rwd_clock_virtual_free(r->clock);
    must(rwd_remove_tree(r->root, &err));
    return 0;
}

// The folder as it was, for tests that damage it in many ways.
static void start_over(rig *r) {
    close_it(r);
    must(rwd_remove_tree(r->root, &err));
    must(rwd_mkdirs(r->root, &err));
    r->options.term = 0;
    r->options.durable_to = 0;
    r->options.durable_term = 0;
}

// Path of the n-th segment file by name.
static void segment_path(const rig *r, size_t n, char out[RWD_PATH_MAX]) {
    char dir[RWD_PATH_MAX], **names;
    size_t count;
    must(rwd_path_join(dir, r->root, RWD_JOURNAL_FOLDER, &err) && rwd_list_dir(dir, &names, &count, &err));
    assert_true(n < count);
    must(rwd_path_join(out, dir, names[n], &err));
    rwd_names_free(names, count);
}

static uint64_t size_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (uint64_t)info.st_size;
}

static void flip(const char *path, uint64_t at) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= (uint8_t)(1 << at % 8);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    (void)close(fd);
}

// ---- writing and reading

static void what_is_appended_is_read_back_across_gaps(void **state) {
    rig *r = *state;
    for (int codec = 0; codec < RWD_JOURNAL_CODEC_COUNT; codec++) {
        int64_t until;
        r->options.codec = (rwd_journal_codec)codec;
        open_owner(r);
        must(append_topic(r->journal, 10, 5000) && rwd_journal_settle(r->journal, &err));
        assert_int_equal(read_topic(r->journal, 10), 5000);
        for (int64_t from = 11; from < 5000; from += 333) assert_int_equal(read_topic(r->journal, from), 5000);
        must(append_topic(r->journal, 5000, 6000) && rwd_journal_confirm(r->journal, &err));
        close_it(r);
        open_owner(r);
        assert_int_equal(read_topic(r->journal, 10), 6000);
        assert_true(rwd_journal_covers(r->journal, 5999, &until));
        assert_false(rwd_journal_covers(r->journal, 6000, &until));
        assert_int_equal(until, INT64_MAX);
        start_over(r);
    }
}

static void records_of_any_size_come_back(void **state) {
    rig *r = *state;
    static uint8_t big[3 << 20];
    const size_t sizes[] = {0, 1, 65535, 65536, 65537, 200000, sizeof big};
    open_owner(r);
    rwd_journal_begin(r->journal, 0);
    for (size_t i = 0; i < sizeof big; i++) big[i] = (uint8_t)(i * 2654435761u >> 13);
    for (size_t i = 0; i < 7; i++)
        must(rwd_journal_append(r->journal, &(rwd_journal_record){(int64_t)i, INT64_MAX - (int64_t)i, rwd_slice_of(big, sizes[i])}, 1, &err));
    must(rwd_journal_settle(r->journal, &err));
    rwd_journal_reader *reader;
    must(rwd_journal_reader_open(r->journal, 0, &reader, &err));
    for (int64_t seen = 0, next = 0; seen < 7;) {
        const rwd_journal_record *records;
        size_t count;
        must(rwd_journal_read(reader, &records, &count, &next, &err));
        assert_true(count > 0);
        for (size_t i = 0; i < count; i++, seen++) {
            assert_int_equal(records[i].time_us, INT64_MAX - seen);
            assert_true(rwd_slice_equal(records[i].raw, rwd_slice_of(big, sizes[seen])));
        }
    }
    rwd_journal_reader_close(reader);
}

static void a_leap_is_a_hole_and_can_be_filled(void **state) {
    rig *r = *state;
    int64_t until;
    open_owner(r);
    must(append_topic(r->journal, 0, 1000) && append_topic(r->journal, 2000, 3000) && rwd_journal_confirm(r->journal, &err));
    assert_int_equal(read_topic(r->journal, 0), 1000);
    assert_false(rwd_journal_covers(r->journal, 1000, &until));
    assert_int_equal(until, 2000);
    must(append_topic(r->journal, 1000, 2000) && rwd_journal_settle(r->journal, &err));
    assert_int_equal(read_topic(r->journal, 0), 3000);
    close_it(r);
    open_owner(r);
    assert_int_equal(read_topic(r->journal, 0), 3000);
}

// E4: what was read to fill a hole is wrong, or may be, until the digest was compared.
static void what_nobody_confirmed_is_gone_at_the_next_start(void **state) {
    rig *r = *state;
    int64_t until;
    open_owner(r);
    must(append_topic(r->journal, 0, 500) && rwd_journal_confirm(r->journal, &err));
    close_it(r);
    open_owner(r);
    must(append_topic(r->journal, 500, 900) && rwd_journal_settle(r->journal, &err) && sync_at(r->journal, 900));
    assert_int_equal(read_topic(r->journal, 0), 900);
    close_it(r);
    open_owner(r);
    assert_int_equal(read_topic(r->journal, 0), 500);
    assert_false(rwd_journal_covers(r->journal, 500, &until));
}

static void an_unreadable_folder_of_a_reader_is_an_empty_journal(void **state) {
    rig *r = *state;
    rwd_journal_stats stats;
    open_with(r, test_tier_new());
    rwd_journal_get_stats(r->journal, &stats);
    assert_int_equal(stats.segments, 0);
    assert_int_equal(stats.first, -1);
    assert_int_equal(read_topic(r->journal, 5), 5);
}

// ---- beside its owner

static rwd_journal *open_beside(rig *r) {
    rwd_journal *reader;
    must(rwd_journal_open_reader(r->root, r->options.repository, r->options.durable_to, test_tier_new(), r->clock, &reader, &err));
    assert_true(rwd_journal_is_reader(reader));
    return reader;
}

static void look_again(rig *r, rwd_journal *reader) {
    r->clock->sleep_ns(r->clock, RWD_JOURNAL_LOOK_AGAIN_NS);
    must(rwd_journal_refresh(reader, &err));
}

static void a_reader_follows_what_the_owner_writes_and_deletes(void **state) {
    rig *r = *state;
    rwd_io *io = test_tier_new();
    rwd_journal_stats stats;
    r->options.codec = RWD_JOURNAL_PLAIN;
    open_owner(r);
    must(rwd_journal_confirm(r->journal, &err));
    rwd_journal *reader = open_beside(r);
    assert_int_equal(read_topic(reader, 0), 0);
    for (int64_t at = 0; at < 4000; at += 500) {  // one segment grows, then others follow
        must(append_topic(r->journal, at, at + 500) && rwd_journal_settle(r->journal, &err));
        if (at >= 2000) rwd_journal_begin(r->journal, at + 500);
        look_again(r, reader);
        assert_int_equal(read_topic(reader, 0), at + 500);
    }
    rwd_journal_range *ours, *theirs;
    assert_int_equal(rwd_journal_ranges(reader, &ours), 1);
    assert_int_equal(rwd_journal_ranges(r->journal, &theirs), 1);
    assert_true(ours[0].from == theirs[0].from && ours[0].next == theirs[0].next);
    free(ours);
    free(theirs);
    // The owner deletes the oldest segment while the reader still has it in its index: a hole, no error.
    r->options.keep_ns = 0;
    close_it(r);
    open_owner(r);
    r->clock->sleep_ns(r->clock, 3600000000000LL * 24 * 365 * 100);
    must(rwd_journal_prune(r->journal, io, 2500, NULL, &err));
    rwd_journal_get_stats(r->journal, &stats);
    assert_int_equal(stats.first, 2500);
    assert_int_equal(read_topic(reader, 0), 0);
    assert_int_equal(read_topic(reader, 2500), 4000);
    look_again(r, reader);
    check_ranges(reader);
    rwd_journal_close(reader);
    rwd_io_free(io);
}

static void a_reader_changes_nothing(void **state) {
    rig *r = *state;
    char part[RWD_PATH_MAX], now[RWD_PATH_MAX];
    open_owner(r);
    must(append_topic(r->journal, 0, 300) && rwd_journal_settle(r->journal, &err));  // not confirmed: a .part
    segment_path(r, 0, part);
    rwd_journal *reader = open_beside(r);
    assert_int_equal(read_topic(reader, 0), 0);
    rwd_journal_close(reader);
    segment_path(r, 0, now);
    assert_string_equal(part, now);
}

// R2, against a walk over the model.
static void the_first_record_of_a_time_is_found_by_the_headers(void **state) {
    rig *r = *state;
    rwd_buf bytes = {0};
    open_owner(r);
    must(append_topic(r->journal, 0, 3000) && append_topic(r->journal, 4000, 6000) && append_topic(r->journal, 2500, 3500) && rwd_journal_settle(r->journal, &err));
    for (int64_t time = 1700000000000000 - 200000; time < 1700000000000000 + 6200000; time += 9973) {
        for (int64_t from = 0; from < 6100; from += 1700) {
            int64_t wanted = -1, found;
            for (int64_t o = from; o < 6000 && wanted < 0; o++) {
                if (!is_record(o) || (o >= 3500 && o < 4000)) continue;
                rwd_journal_record record = record_at(o, &bytes);
                if (record.time_us != INT64_MIN && record.time_us >= time) wanted = o;
            }
            must(rwd_journal_offset_for(r->journal, from, time, &found, &err));
            assert_int_equal(found, wanted);
        }
    }
    rwd_buf_deinit(&bytes);
}

// ---- torn and damaged

// Four small blocks [0,100) [100,200) ... in one segment; their places.
static void four_blocks(rig *r, uint64_t at[5]) {
    char path[RWD_PATH_MAX];
    open_owner(r);
    must(rwd_journal_confirm(r->journal, &err));
    at[0] = 0;
    for (int i = 0; i < 4; i++) {
        must(append_topic(r->journal, 100 * i, 100 * (i + 1)) && rwd_journal_settle(r->journal, &err));
        segment_path(r, 0, path);
        at[i + 1] = size_of(path);
    }
    close_it(r);
}

static void a_tail_torn_anywhere_leaves_the_blocks_before_it(void **state) {
    rig *r = *state;
    uint64_t at[5];
    char path[RWD_PATH_MAX];
    four_blocks(r, at);
    segment_path(r, 0, path);
    for (uint64_t size = at[4]; size > at[2]; size -= size > at[3] + 300 || size < at[3] - 300 ? 97 : 1) {
        assert_int_equal(truncate(path, (off_t)size), 0);
        open_owner(r);
        assert_int_equal(read_topic(r->journal, 0), size == at[4] ? 400 : size >= at[3] ? 300 : 200);
        close_it(r);
    }
    open_owner(r);
    must(append_topic(r->journal, 200, 600) && rwd_journal_confirm(r->journal, &err));  // into a segment of its own (J2)
    assert_int_equal(read_topic(r->journal, 0), 600);
    close_it(r);
    open_owner(r);
    assert_int_equal(read_topic(r->journal, 0), 600);
}

// J2: the third block was torn and written again, shorter; what stood behind it is valid by itself, and stale.
static void a_tail_rewritten_shorter_hides_the_stale_blocks_behind_it(void **state) {
    rig *r = *state;
    uint64_t at[5];
    char path[RWD_PATH_MAX];
    rwd_buf file = {0}, shorter = {0};
    four_blocks(r, at);
    segment_path(r, 0, path);
    must(rwd_read_file(path, 1 << 20, &file, &err));
    rwd_journal_block b, second;
    assert_int_equal(rwd_journal_block_get(file.data + at[2], &b), RWD_JOURNAL_HEADER_GOOD);
    assert_int_equal(rwd_journal_block_get(file.data + at[1], &second), RWD_JOURNAL_HEADER_GOOD);
    // [200, 300) without records, right behind the second block; then, where it happens to end, the old fourth one.
    rwd_journal_block empty = {.name = b.name, .from = 200, .next = 300, .min_time = INT64_MIN, .max_time = INT64_MIN, .before = second.checksum};
    uint8_t header[RWD_JOURNAL_HEADER];
    rwd_journal_block_put(&empty, header);
    rwd_buf_append(&shorter, file.data, at[2]);
    rwd_buf_append(&shorter, header, sizeof header);
    rwd_buf_append(&shorter, file.data + at[3], file.size - at[3]);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, shorter.data, shorter.size), (ssize_t)shorter.size);
    (void)close(fd);
    r->options.durable_to = 200;
    open_owner(r);
    int64_t until;
    assert_true(rwd_journal_covers(r->journal, 0, &until));
    assert_int_equal(until, 300);
    rwd_buf_deinit(&file);
    rwd_buf_deinit(&shorter);
}

// Every byte of a header, and places all over the payload: below durable_to the block is a hole and what is behind it is found; above it is the end.
static void a_flipped_bit_anywhere_in_a_block_is_a_hole_below_a_checkpoint_and_the_end_above(void **state) {
    rig *r = *state;
    uint64_t at[5];
    char path[RWD_PATH_MAX];
    four_blocks(r, at);
    segment_path(r, 0, path);
    uint64_t step = (at[3] - at[2] - RWD_JOURNAL_HEADER) / 40 + 1;
    for (uint64_t place = at[2]; place < at[3]; place += place < at[2] + RWD_JOURNAL_HEADER ? 1 : step) {
        flip(path, place);
        for (int below = 0; below < 2; below++) {
            int64_t until;
            r->options.durable_to = below ? 400 : 200;
            open_owner(r);
            assert_int_equal(read_topic(r->journal, 0), 200);
            assert_int_equal(read_topic(r->journal, 300), below ? 400 : 300);
            assert_false(rwd_journal_covers(r->journal, 200, &until));
            assert_int_equal(until, below ? 300 : INT64_MAX);
            must(append_topic(r->journal, 200, below ? 300 : 400) && rwd_journal_settle(r->journal, &err));  // refilled
            assert_int_equal(read_topic(r->journal, 0), 400);
            close_it(r);
        }
        flip(path, place);
    }
}

static void a_check_reads_every_payload(void **state) {
    rig *r = *state;
    uint64_t at[5];
    char path[RWD_PATH_MAX];
    rwd_journal_segment_info *all;
    size_t count;
    four_blocks(r, at);
    segment_path(r, 0, path);
    r->options.durable_to = 400;
    for (int damaged = 0; damaged < 2; damaged++) {
        if (damaged) flip(path, at[1] + RWD_JOURNAL_HEADER + 5);
        open_owner(r);
        rwd_io *io = test_tier_new();
        must(rwd_journal_check(r->journal, io, NULL, &all, &count, &err));
        assert_int_equal(count, 1);
        assert_int_equal(all[0].blocks, 4);
        assert_int_equal(all[0].why[0] != '\0', damaged);
        free(all);
        rwd_io_free(io);
        close_it(r);
    }
}

// Three segments of several blocks, all durable and in the index on disk; the first one's path.
static void indexed_segments(rig *r, char path[RWD_PATH_MAX], char index[RWD_PATH_MAX]) {
    open_owner(r);
    must(rwd_journal_confirm(r->journal, &err));
    for (int64_t from = 0; from < 3000; from += 1000) {
        must(append_topic(r->journal, from, from + 400) && rwd_journal_settle(r->journal, &err) && append_topic(r->journal, from + 400, from + 1000));
        rwd_journal_begin(r->journal, from + 1000);
    }
    must(sync_at(r->journal, 3000));
    close_it(r);
    r->options.durable_to = 3000;
    r->options.durable_term = r->options.term + 1;
    open_owner(r);  // writes it
    close_it(r);
    segment_path(r, 0, path);
    must(rwd_path_join(index, r->root, "journal.index", &err));
    assert_true(rwd_path_exists(index));
}

static void the_index_on_disk_spares_the_walk_and_is_checked_when_blocks_are_read(void **state) {
    rig *r = *state;
    char path[RWD_PATH_MAX], index[RWD_PATH_MAX];
    int64_t until;
    indexed_segments(r, path, index);
    flip(path, 3);  // a header: nobody walks over it
    open_owner(r);
    assert_true(rwd_journal_covers(r->journal, 0, &until));
    assert_int_equal(until, 3000);
    assert_int_equal(read_topic(r->journal, 0), 0);  // found when it is read
    check_ranges(r->journal);
    assert_int_equal(read_topic(r->journal, 1000), 3000);
    close_it(r);
    flip(path, 3);
    assert_int_equal(truncate(path, (off_t)size_of(path) - 1), 0);  // another size: walked through
    open_owner(r);
    assert_true(rwd_journal_covers(r->journal, 0, &until));
    assert_true(until < 1000);
    check_ranges(r->journal);
}

static void a_damaged_index_is_no_index(void **state) {
    rig *r = *state;
    char path[RWD_PATH_MAX], index[RWD_PATH_MAX];
    rwd_buf bytes = {0};
    indexed_segments(r, path, index);
    must(rwd_read_file(index, 1 << 20, &bytes, &err));
    for (size_t at = 0; at <= bytes.size; at += 7) {
        int fd = open(index, O_WRONLY | O_TRUNC | O_CLOEXEC);
        if (at % 2) bytes.data[at % bytes.size] ^= 0x40;
        size_t size = at % 2 ? bytes.size : at;
        assert_int_equal(write(fd, bytes.data, size), (ssize_t)size);
        (void)close(fd);
        if (at % 2) bytes.data[at % bytes.size] ^= 0x40;
        open_owner(r);
        assert_int_equal(read_topic(r->journal, 0), 3000);
        close_it(r);
    }
    rwd_buf_deinit(&bytes);
}

static void a_lost_segment_is_a_hole(void **state) {
    rig *r = *state;
    char path[RWD_PATH_MAX];
    int64_t until;
    open_owner(r);
    must(rwd_journal_confirm(r->journal, &err));
    for (int64_t from = 0; from < 3000; from += 1000) {
        must(append_topic(r->journal, from, from + 1000));
        rwd_journal_begin(r->journal, from + 1000);
    }
    close_it(r);
    segment_path(r, 1, path);
    assert_int_equal(unlink(path), 0);
    r->options.durable_to = 3000;
    open_owner(r);
    assert_int_equal(read_topic(r->journal, 0), 1000);
    assert_false(rwd_journal_covers(r->journal, 1000, &until));
    assert_int_equal(until, 2000);
    assert_int_equal(read_topic(r->journal, 2000), 3000);
}

static void what_is_no_segment_is_passed_over(void **state) {
    rig *r = *state;
    char path[RWD_PATH_MAX];
    rwd_journal_stats stats;
    open_owner(r);
    must(append_topic(r->journal, 0, 1000) && rwd_journal_confirm(r->journal, &err));
    close_it(r);
    for (int i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/" RWD_JOURNAL_FOLDER "/%020d-%016d-%08d.jnl", r->root, i, 7, i + 1);
        if (i == 0) assert_int_equal(mkdir(path, 0700), 0);
        else if (i == 1) assert_int_equal(mkfifo(path, 0600), 0);
        else if (i == 2) assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
        else assert_int_equal(symlink("nowhere", strcat(path, ".other")), 0);
    }
    open_owner(r);
    rwd_journal_get_stats(r->journal, &stats);
    assert_int_equal(stats.segments, 2);  // the empty one is a segment without blocks
    assert_int_equal(read_topic(r->journal, 0), 1000);
}

// Records go to the disk only as long as they leave the room that they must.
static void the_last_room_of_a_disk_is_left(void **state) {
    rig *r = *state;
    rwd_journal_stats stats;
    r->options.room = (uint64_t)1 << 62;
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        r->options.on_full_continue = goes_on;
        open_owner(r);
        bool ok = append_topic(r->journal, 0, 3000) && rwd_journal_settle(r->journal, &err);
        assert_int_equal(ok, goes_on);
        if (!ok) assert_int_equal(err.code, RWD_E_DISK_FULL);
        if (!ok) assert_non_null(strstr(err.next, "on_full"));
        rwd_journal_get_stats(r->journal, &stats);
        assert_int_equal(stats.suspended, goes_on);
        assert_int_equal(stats.records, 0);
        start_over(r);
    }
}

// An owner that slept goes on writing into its own segment: the new owner's are others, and both say the same.
static void a_zombie_writes_into_its_own_segments_only(void **state) {
    rig *r = *state;
    open_owner(r);
    must(rwd_journal_confirm(r->journal, &err) && append_topic(r->journal, 0, 1000) && rwd_journal_settle(r->journal, &err));
    rwd_journal *zombie = r->journal;
    open_owner(r);
    must(rwd_journal_confirm(r->journal, &err) && append_topic(r->journal, 1000, 2500) && rwd_journal_settle(r->journal, &err));
    must(append_topic(zombie, 1000, 2000) && rwd_journal_settle(zombie, &err));
    assert_int_equal(read_topic(r->journal, 0), 2500);
    rwd_journal_close(zombie);
    close_it(r);
    open_owner(r);
    assert_int_equal(read_topic(r->journal, 0), 2500);
    check_ranges(r->journal);
}

// ---- faults

// What a process does: fills a hole below C and confirms it, appends, syncs at two checkpoints, `count` offsets each time. *synced: the newest X whose sync worked; 0: none.
static bool life(rig *r, rwd_io *io, int64_t count, int64_t *synced) {
    *synced = r->options.durable_to;
    if (!rwd_journal_open(&r->options, io, r->clock, &r->journal, &err)) return false;
    int64_t at, until;
    at = rwd_journal_covers(r->journal, 0, &until) ? until : 0;
    bool ok = append_topic(r->journal, at, at + count) && rwd_journal_confirm(r->journal, &err);
    for (int i = 1; i < 3 && ok; i++) {
        ok = append_topic(r->journal, at + count * i, at + count * (i + 1)) && sync_at(r->journal, at + count * (i + 1));
        if (ok) *synced = at + count * (i + 1);
    }
    return ok;
}

static void check_after(rig *r, int64_t synced) {
    int64_t until = 0;
    r->options.durable_to = synced;
    open_owner(r);
    check_ranges(r->journal);
    if (synced > 0) {
        assert_true(rwd_journal_covers(r->journal, 0, &until));
        assert_true(until >= synced);
    }
    close_it(r);
}

static void an_error_at_any_operation_loses_nothing_that_a_checkpoint_counts_on(void **state) {
    rig *r = *state;
    const int errors[] = {EIO, ENOSPC};
    for (size_t e = 0; e < 2; e++) {
        bool failed = true;
        for (uint64_t n = 1; failed; n++) {
            int64_t synced;
            rwd_io *io = test_tier_new(), *faulty;
            r->options.on_full_continue = n % 2;
            must(rwd_io_fault_new(io, &(rwd_io_fault_plan){.seed = n, .fail_at = n, .error = errors[e], .reorder = 4, .short_percent = 10, .again_percent = 10}, &faulty, &err));
            r->options.term = 1;
            failed = !life(r, faulty, 600, &synced);
            uint64_t done = r->journal ? rwd_io_fault_count(faulty) : n;
            close_it(r);
            failed |= done >= n;
            if (!r->options.on_full_continue || errors[e] != ENOSPC) check_after(r, synced);
            else check_after(r, 0);
            start_over(r);
        }
    }
}

// What is there stays there: whatever read, open or look fails, it is an error or right, and the next process finds all of it.
static void an_error_at_any_read_is_an_error_and_loses_nothing(void **state) {
    rig *r = *state;
    open_owner(r);
    must(rwd_journal_confirm(r->journal, &err));
    for (int64_t from = 0; from < 3000; from += 1000) {
        must(append_topic(r->journal, from, from + 1000));
        rwd_journal_begin(r->journal, from + 1000);
    }
    close_it(r);
    bool failed = true;
    for (uint64_t n = 1; failed; n++)
        for (int known = 0; known < 2; known++) {
            rwd_io *faulty;
            rwd_journal_reader *reader = NULL;
            int64_t at = 0, before = -1;
            must(rwd_io_fault_new(test_tier_new(), &(rwd_io_fault_plan){.seed = n, .fail_at = n, .error = EIO, .reorder = 4, .short_percent = 20, .again_percent = 20}, &faulty, &err));
            rwd_journal *j = NULL;
            bool ok = rwd_journal_open_reader(r->root, r->options.repository, known ? 3000 : 0, faulty, r->clock, &j, &err) && rwd_journal_reader_open(j, 0, &reader, &err);
            while (ok && at != before) {
                const rwd_journal_record *records;
                size_t count;
                before = at;
                ok = rwd_journal_read(reader, &records, &count, &at, &err);
            }
            if (ok) assert_int_equal(at, 3000);
            else assert_int_equal(err.code, RWD_E_IO);
            failed = !ok;
            rwd_journal_reader_close(reader);
            rwd_journal_close(j);
            j = NULL;
        }
    open_owner(r);
    assert_int_equal(read_topic(r->journal, 0), 3000);
}

static void lose_power_anywhere(rig *r, int64_t count, uint64_t seeds) {
    bool cut = true;
    for (uint64_t n = 1; cut; n++)
        for (uint64_t seed = 0; seed < seeds; seed++) {
            int64_t synced;
            rwd_fake_disk *disk;
            rwd_io *io = test_tier_new(), *faulty;
            must(rwd_fake_disk_new(r->root, &disk, &err));
            must(rwd_io_fault_new(io, &(rwd_io_fault_plan){.seed = n, .disk = disk, .power_off_at = n, .reorder = 4}, &faulty, &err));
            r->options.term = 1;
            cut = !life(r, faulty, count, &synced);
            close_it(r);
            must(rwd_fake_disk_power_loss(disk, seed, &err));
            rwd_fake_disk_free(disk);
            check_after(r, synced);
            start_over(r);
        }
}

static void a_power_loss_at_any_operation_loses_nothing_that_a_checkpoint_counts_on(void **state) { lose_power_anywhere(*state, 600, 4); }

// ---- writes of a full buffer, past the page cache

// A block fills a buffer, so that most of them go past the page cache, and what was wanted at once through it.
static void write_full_buffers(rig *r) {
    r->options.write_size = 20 * RWD_IO_ALIGN;
    r->options.codec = RWD_JOURNAL_PLAIN;
}

static void full_buffers_come_back_whatever_was_wanted_at_once_between_them(void **state) {
    rig *r = *state;
    const size_t sizes[] = {0, 20 * RWD_IO_ALIGN, 40 * RWD_IO_ALIGN};
    for (size_t i = 0; i < 3; i++)
        for (int64_t step = 50; step <= 6000; step = step * 3 + 7) {
            char path[RWD_PATH_MAX];
            rwd_journal_stats stats;
            write_full_buffers(r);
            r->options.write_size = sizes[i];
            open_owner(r);
            must(rwd_journal_confirm(r->journal, &err));
            for (int64_t at = 0; at < 12000; at += step) {
                must(append_topic(r->journal, at, at + step));
                if (at / step % 3 == 0) rwd_journal_flush(r->journal);
                if (at / step % 5 == 0) must(rwd_journal_settle(r->journal, &err));
                if (at / step % 5 == 0) assert_int_equal(read_topic(r->journal, at), at + step);
            }
            must(rwd_journal_settle(r->journal, &err));
            int64_t end = rwd_journal_position(r->journal);
            assert_int_equal(read_topic(r->journal, 0), end);
            rwd_journal_get_stats(r->journal, &stats);
            segment_path(r, 0, path);
            if (stats.segments == 1) assert_int_equal(size_of(path), stats.bytes);  // nothing but blocks
            close_it(r);
            open_owner(r);
            assert_int_equal(read_topic(r->journal, 0), end);
            start_over(r);
        }
}

static void a_power_loss_loses_nothing_that_a_checkpoint_counts_on_past_the_page_cache_either(void **state) {
    write_full_buffers(*state);
    lose_power_anywhere(*state, 2000, 3);
}

// EINVAL is what a file system says that takes O_DIRECT and then not the write: it goes through the page cache. EIO is what it is.
static void a_write_past_the_page_cache_that_is_refused_goes_through_it(void **state) {
    rig *r = *state;
    const int errors[] = {EINVAL, EIO, ENOSPC};
    unsigned saved = 0;
    write_full_buffers(r);
    for (size_t e = 0; e < 3; e++) {
        bool reached = true;
        for (uint64_t n = 1; reached; n++) {
            int64_t synced;
            rwd_io *faulty;
            must(rwd_io_fault_new(test_tier_new(), &(rwd_io_fault_plan){.seed = n, .fail_at = n, .error = errors[e], .short_percent = 20, .again_percent = 10}, &faulty, &err));
            r->options.term = 1;
            bool ok = life(r, faulty, 2000, &synced);
            reached = !r->journal || rwd_io_fault_count(faulty) >= n;
            saved += ok && reached && errors[e] == EINVAL;
            close_it(r);
            check_after(r, synced);
            start_over(r);
        }
    }
    char path[RWD_PATH_MAX];
    must(rwd_path_join(path, r->root, "probe", &err));
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (rwd_io_set_direct(fd, true)) assert_true(saved > 0);
    (void)close(fd);
}

// K3: the newest checkpoint's X is in a segment of an earlier process, which never synced it: the next one does.
static void inherited_segments_are_synced_too(void **state) {
    rig *r = *state;
    rwd_fake_disk *disk;
    rwd_io *io = test_tier_new(), *faulty;
    must(rwd_fake_disk_new(r->root, &disk, &err));
    for (int process = 0; process < 2; process++) {
        must(rwd_io_fault_new(process ? test_tier_new() : io, &(rwd_io_fault_plan){.disk = disk}, &faulty, &err));
        r->options.term++;
        open_with(r, faulty);
        if (process == 0) must(append_topic(r->journal, 0, 700) && rwd_journal_confirm(r->journal, &err));
        else must(sync_at(r->journal, 700));
        close_it(r);
    }
    must(rwd_fake_disk_power_loss(disk, 0, &err));
    rwd_fake_disk_free(disk);
    r->options.durable_to = 700;
    open_owner(r);
    assert_int_equal(read_topic(r->journal, 0), 700);
}

static void a_full_disk_is_an_error_or_a_hole_as_the_job_says(void **state) {
    rig *r = *state;
    for (int go_on = 0; go_on < 2; go_on++) {
        rwd_io *io = test_tier_new(), *faulty;
        int64_t until;
        rwd_journal_stats stats;
        r->options.on_full_continue = go_on;
        // The 3rd operation on the segment is the first write behind open and sync of its folder.
        must(rwd_io_fault_new(io, &(rwd_io_fault_plan){.fail_at = 2, .error = ENOSPC, .path_part = ".jnl"}, &faulty, &err));
        r->options.term++;
        open_with(r, faulty);
        bool ok = append_topic(r->journal, 0, 100) && rwd_journal_settle(r->journal, &err);
        assert_int_equal(ok, go_on);
        if (!go_on) assert_int_equal(err.code, RWD_E_DISK_FULL);
        rwd_journal_get_stats(r->journal, &stats);
        assert_int_equal(stats.suspended, go_on);
        if (go_on) {
            must(append_topic(r->journal, 100, 200) && rwd_journal_settle(r->journal, &err));  // too soon to try again
            r->clock->sleep_ns(r->clock, 11000000000);
            must(append_topic(r->journal, 200, 300) && rwd_journal_settle(r->journal, &err) && sync_at(r->journal, 300));
            rwd_journal_get_stats(r->journal, &stats);
            assert_false(stats.suspended);
            assert_false(rwd_journal_covers(r->journal, 100, &until));
            assert_int_equal(until, 200);
            assert_int_equal(read_topic(r->journal, 200), 300);
        }
        start_over(r);
    }
}

// ---- what may go

static void fill_megabytes(rwd_journal *j, int64_t from, unsigned megabytes) {
    static uint8_t noise[4096];
    test_random random = {9};
    for (size_t i = 0; i < sizeof noise; i += 8) rwd_put_le64(noise + i, test_random_u64(&random));
    if (rwd_journal_position(j) != from) rwd_journal_begin(j, from);
    for (unsigned i = 0; i < megabytes * 256; i++)
        must(rwd_journal_append(j, &(rwd_journal_record){from + i, 0, rwd_slice_of(noise, sizeof noise)}, 1, &err));
    must(rwd_journal_settle(j, &err));
}

static void the_oldest_segments_go_when_there_is_too_much_but_never_above_the_floor(void **state) {
    rig *r = *state;
    rwd_journal_stats stats;
    rwd_io *io = test_tier_new();
    uint64_t freed = 0;
    r->options.codec = RWD_JOURNAL_PLAIN;
    open_owner(r);
    fill_megabytes(r->journal, 0, 24);
    must(rwd_journal_confirm(r->journal, &err));
    must(rwd_journal_prune(r->journal, io, 512, &freed, &err));  // 2 MiB may go
    rwd_journal_get_stats(r->journal, &stats);
    assert_true(freed > 0 && stats.first > 0 && stats.first <= 512);
    must(rwd_journal_prune(r->journal, io, 24 * 256, &freed, &err));
    rwd_journal_get_stats(r->journal, &stats);
    assert_true(stats.bytes <= r->options.size && stats.bytes > r->options.size - (3 << 20));
    assert_int_equal(stats.holes, 0);
    rwd_io_free(io);
}

static void old_segments_go_though_there_is_room(void **state) {
    rig *r = *state;
    rwd_journal_stats stats;
    rwd_io *io = test_tier_new();
    r->options.keep_ns = 1000000000LL * 3600;
    r->options.codec = RWD_JOURNAL_PLAIN;
    open_owner(r);
    fill_megabytes(r->journal, 0, 4);
    must(rwd_journal_confirm(r->journal, &err));
    r->clock->sleep_ns(r->clock, 2000000000LL * 3600);
    fill_megabytes(r->journal, 4 * 256, 2);
    must(rwd_journal_prune(r->journal, io, 6 * 256, NULL, &err));
    rwd_journal_get_stats(r->journal, &stats);
    assert_true(stats.first >= 3 * 256 && stats.first <= 4 * 256);
    assert_int_equal(stats.next, 6 * 256);
    rwd_io_free(io);
}

// K7: pins are never cut: then stop.
static void where_all_must_stay_and_is_too_much_appending_stops(void **state) {
    rig *r = *state;
    static uint8_t bytes[1 << 20];
    rwd_io *io = test_tier_new();
    bool ok = true;
    r->options.codec = RWD_JOURNAL_PLAIN;
    open_owner(r);
    must(rwd_journal_confirm(r->journal, &err) && rwd_journal_prune(r->journal, io, 0, NULL, &err));
    rwd_journal_begin(r->journal, 0);
    int64_t i = 0;
    for (; i < 40 && ok; i++) ok = rwd_journal_append(r->journal, &(rwd_journal_record){i, 0, rwd_slice_of(bytes, sizeof bytes)}, 1, &err) && rwd_journal_settle(r->journal, &err);
    assert_false(ok);
    assert_int_equal(err.code, RWD_E_DISK_FULL);
    assert_true(i > 16 && i < 22);
    rwd_io_free(io);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_appended_is_read_back_across_gaps, setup, teardown),
        cmocka_unit_test_setup_teardown(records_of_any_size_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_leap_is_a_hole_and_can_be_filled, setup, teardown),
        cmocka_unit_test_setup_teardown(what_nobody_confirmed_is_gone_at_the_next_start, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unreadable_folder_of_a_reader_is_an_empty_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_follows_what_the_owner_writes_and_deletes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_record_of_a_time_is_found_by_the_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tail_torn_anywhere_leaves_the_blocks_before_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tail_rewritten_shorter_hides_the_stale_blocks_behind_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flipped_bit_anywhere_in_a_block_is_a_hole_below_a_checkpoint_and_the_end_above, setup, teardown),
        cmocka_unit_test_setup_teardown(a_check_reads_every_payload, setup, teardown),
        cmocka_unit_test_setup_teardown(the_index_on_disk_spares_the_walk_and_is_checked_when_blocks_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_index_is_no_index, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_segment_is_a_hole, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_segment_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_room_of_a_disk_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(a_zombie_writes_into_its_own_segments_only, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_at_any_operation_loses_nothing_that_a_checkpoint_counts_on, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_at_any_read_is_an_error_and_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_power_loss_at_any_operation_loses_nothing_that_a_checkpoint_counts_on, setup, teardown),
        cmocka_unit_test_setup_teardown(full_buffers_come_back_whatever_was_wanted_at_once_between_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_power_loss_loses_nothing_that_a_checkpoint_counts_on_past_the_page_cache_either, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_past_the_page_cache_that_is_refused_goes_through_it, setup, teardown),
        cmocka_unit_test_setup_teardown(inherited_segments_are_synced_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_an_error_or_a_hole_as_the_job_says, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_segments_go_when_there_is_too_much_but_never_above_the_floor, setup, teardown),
        cmocka_unit_test_setup_teardown(old_segments_go_though_there_is_room, setup, teardown),
        cmocka_unit_test_setup_teardown(where_all_must_stay_and_is_too_much_appending_stops, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
