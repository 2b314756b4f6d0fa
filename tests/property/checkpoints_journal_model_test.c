// The journal against a model, over random acts: appending with leaps, confirming, syncing at checkpoints, starts, power losses, damage, retention, looks by a reader beside it.
//
// Whatever happens: what is said to be covered is the topic's own records (J1); what was synced below a checkpoint's X is there after a power loss (K3); what lies at or above the floor is there after
// retention (K7); and what a process that ended wrote and confirmed is there for the next one.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/io/fake_disk.h"
#include "operator/base/fs.h"
#include "tests/support/journal_topic.h"

#define OFFSETS 5000
#define SEEDS 40
#define ACTS 70

typedef struct world {
    char root[64];
    rwd_clock *clock;
    rwd_journal_options options;
    rwd_fake_disk *disk;
    rwd_journal *journal;
    test_random random;
    bool confirmed;
    bool written[OFFSETS];  // covered, and confirmed
    bool fresh[OFFSETS];    // covered, and not confirmed yet
    bool synced[OFFSETS];   // below a checkpoint's X
    bool doubt[OFFSETS];    // in a segment that was damaged: what of it is bad may show itself only when a newer one that covers the same is gone
} world;

static int64_t below(world *w, uint64_t bound) { return (int64_t)test_random_below(&w->random, bound); }

static rwd_io *faulty(world *w) {
    rwd_io *io;
    must(rwd_io_fault_new(test_tier_new(), &(rwd_io_fault_plan){.seed = test_random_u64(&w->random), .disk = w->disk, .reorder = 4, .short_percent = 5, .again_percent = 5}, &io, &err));
    return io;
}

static void begin(world *w) {
    w->options.term++;
    w->confirmed = false;
    must(rwd_journal_open(&w->options, faulty(w), w->clock, &w->journal, &err));
}

static void end(world *w) {
    rwd_journal_close(w->journal);
    w->journal = NULL;
    memset(w->fresh, 0, sizeof w->fresh);
}

static void covered(rwd_journal *journal, bool *out) {
    rwd_journal_range *ranges;
    memset(out, 0, OFFSETS);
    size_t count = rwd_journal_ranges(journal, &ranges);
    for (size_t i = 0; i < count; i++)
        for (int64_t o = ranges[i].from; o < ranges[i].next; o++) out[o] = true;
    free(ranges);
}

// All of `least` is covered, and what is covered is right.
static void expect(world *w, const bool *least) {
    bool now[OFFSETS];
    check_ranges(w->journal);
    covered(w->journal, now);
    for (int64_t o = 0; o < OFFSETS; o++)
        if (least[o] && !now[o] && !w->doubt[o]) fail_msg("offset %lld is not covered any more", (long long)o);
}

// The model takes over what was found: acts that may lose something were judged already.
static void take_over(world *w) {
    covered(w->journal, w->written);
    for (int64_t o = 0; o < OFFSETS; o++) w->synced[o] = w->synced[o] && w->written[o];
}

// ---- acts

static void append(world *w) {
    int64_t until, from = below(w, OFFSETS - 1), next = from + 1 + below(w, 600);
    if (rwd_journal_position(w->journal) >= 0 && below(w, 3) > 0) from = rwd_journal_position(w->journal), next = from + 1 + below(w, 600);
    if (from >= OFFSETS || rwd_journal_covers(w->journal, from, &until)) return;
    must(rwd_journal_settle(w->journal, &err));
    if (rwd_journal_covers(w->journal, from, &until)) return;
    if (next > until) next = until;
    if (next > OFFSETS) next = OFFSETS;
    must(append_topic(w->journal, from, next) && rwd_journal_settle(w->journal, &err));
    for (int64_t o = from; o < next; o++) *(w->confirmed ? &w->written[o] : &w->fresh[o]) = true;
    if (below(w, 4) == 0) rwd_journal_begin(w->journal, next < OFFSETS && !rwd_journal_covers(w->journal, next, &until) ? next : OFFSETS);
}

static void confirm(world *w) {
    must(rwd_journal_confirm(w->journal, &err));
    for (int64_t o = 0; o < OFFSETS; o++) w->written[o] |= w->fresh[o], w->fresh[o] = false;
    w->confirmed = true;
}

// A checkpoint at X: E4 held before it.
static void checkpoint(world *w) {
    rwd_participant *p = rwd_journal_participant(w->journal);
    int64_t x = below(w, OFFSETS);
    if (!w->confirmed) confirm(w);
    p->ops->freeze(p, x);
    must(p->ops->write(p, ".", &err));
    for (int64_t o = 0; o < x; o++) w->synced[o] |= w->written[o];
    if (x >= w->options.durable_to) w->options.durable_to = x, w->options.durable_term = w->options.term;
}

static void restart(world *w) {
    end(w);
    begin(w);
    expect(w, w->written);
}

static void lose_power(world *w) {
    end(w);
    must(rwd_fake_disk_power_loss(w->disk, (uint64_t)below(w, 4), &err));
    begin(w);
    expect(w, w->synced);
    take_over(w);
}

static void damage_file(world *w, const char *path) {
    struct stat info;
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;  // not confirmed: gone
    assert_int_equal(fstat(fd, &info), 0);
    off_t at = info.st_size > 0 ? (off_t)below(w, (uint64_t)info.st_size) : 0;
    if (info.st_size > 0 && below(w, 4) == 0) {
        assert_int_equal(ftruncate(fd, at), 0);
    } else if (info.st_size > 0) {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= (uint8_t)(1 << below(w, 8));
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    (void)close(fd);
}

static void damage(world *w) {
    char dir[RWD_PATH_MAX], path[RWD_PATH_MAX];
    rwd_journal_segment_info *all;
    size_t count = rwd_journal_list(w->journal, &all);
    end(w);
    if (count > 0) {
        const rwd_journal_segment_info *one = &all[below(w, count)];
        must(rwd_path_join(dir, w->root, RWD_JOURNAL_FOLDER, &err) && rwd_path_join(path, dir, one->name, &err));
        damage_file(w, path);
        for (int64_t o = one->first; o >= 0 && o < one->next && o < OFFSETS; o++) w->doubt[o] = true;
    }
    free(all);
    begin(w);
    check_ranges(w->journal);
    take_over(w);
}

static void prune(world *w) {
    int64_t floor = below(w, OFFSETS);
    rwd_io *io = faulty(w);
    bool least[OFFSETS];
    w->clock->sleep_ns(w->clock, w->options.keep_ns / 4);
    must(rwd_journal_prune(w->journal, io, floor, NULL, &err));
    rwd_io_free(io);
    for (int64_t o = 0; o < OFFSETS; o++) least[o] = o >= floor && (w->written[o] || w->fresh[o]);
    expect(w, least);
    bool now[OFFSETS];
    covered(w->journal, now);
    for (int64_t o = 0; o < OFFSETS; o++) w->written[o] &= now[o], w->fresh[o] &= now[o], w->synced[o] &= now[o];
}

static void look_beside(world *w) {
    rwd_journal *reader;
    bool now[OFFSETS];
    must(rwd_journal_settle(w->journal, &err) && rwd_journal_open_reader(w->root, w->options.repository, w->options.durable_to, test_tier_new(), w->clock, &reader, &err));
    check_ranges(reader);
    covered(reader, now);
    for (int64_t o = 0; o < OFFSETS; o++)
        if (w->written[o] && !now[o] && !w->doubt[o]) fail_msg("a reader does not see offset %lld", (long long)o);
    rwd_journal_close(reader);
}

static void act(world *w) {
    switch (below(w, 20)) {
    case 0: confirm(w); break;
    case 1: case 2: checkpoint(w); break;
    case 3: case 4: restart(w); break;
    case 5: lose_power(w); break;
    case 6: damage(w); break;
    case 7: prune(w); break;
    case 8: look_beside(w); break;
    default: append(w); break;
    }
}

static void the_journal_keeps_its_word(void **state) {
    (void)state;
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".";
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        world *w = rwd_calloc(1, sizeof *w);
        w->random = (test_random){seed * 7919};
        w->options = (rwd_journal_options){.repository = {seed, 2}, .codec = (rwd_journal_codec)(seed % RWD_JOURNAL_CODEC_COUNT), .size = RWD_JOURNAL_SIZE_MIN, .keep_ns = INT64_C(3600000000000)};
        (void)snprintf(w->root, sizeof w->root, "%s/journal-model-XXXXXX", test_tier() == RWD_IO_TIER_PREAD ? memory : ".");
        assert_non_null(mkdtemp(w->root));
        w->options.data = w->root;
        w->clock = rwd_clock_virtual_new(INT64_C(1900000000000000));
        must(rwd_fake_disk_new(w->root, &w->disk, &err));
        begin(w);
        for (int i = 0; i < ACTS; i++) act(w);
        end(w);
        rwd_fake_disk_free(w->disk);
        rwd_clock_virtual_free(w->clock);
        must(rwd_remove_tree(w->root, &err));
        free(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_journal_keeps_its_word)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
