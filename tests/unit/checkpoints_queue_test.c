// Queues of every tier: what the header promises, plainly and over a tier that misbehaves.
#include "checkpoints/io/queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoints/io/fake_disk.h"
#include "checkpoints/io/read_ahead.h"
#include "operator/base/fs.h"
#include "tests/support/random.h"
#include "tests/support/tier.h"
#include "tests/unit/test.h"

#define BLOCK ((size_t)4096)

typedef struct rig {
    char root[64];
    char path[128];
    rwd_io *io;
    rwd_io_queue *queue;
    int fd;
} rig;

static rwd_error err;

static void must(bool ok) {
    char text[2048];
    rwd_error_format(&err, text, sizeof(text));
    if (!ok) fail_msg("%s", text);
}

static int setup(void **state) {
    static rig r;
    r = (rig){.root = "queue-test-XXXXXX", .fd = -1};
    assert_non_null(mkdtemp(r.root));
    (void)snprintf(r.path, sizeof(r.path), "%s/file", r.root);
    r.io = test_tier_new();
    *state = &r;
    return 0;
}

static int teardown(void **state) {
    rig *r = *state;
    rwd_io_queue_close(r->queue);
    if (r->fd >= 0) rwd_io_close(r->io, r->fd);
    rwd_io_free(r->io);
    must(rwd_remove_tree(r->root, &err));
    return 0;
}

static void make_faulty(rig *r, rwd_io_fault_plan plan) { must(rwd_io_fault_new(r->io, &plan, &r->io, &err)); }

static void begin(rig *r, unsigned depth, unsigned buffers, size_t size) {
    rwd_io_queue_options options = {.depth = depth, .buffer_count = buffers, .buffer_size = size};
    if (r->fd < 0) must(rwd_io_open(r->io, r->path, O_RDWR | O_CREAT, 0600, &r->fd, &err));
    must(rwd_io_queue_open(r->io, &options, &r->queue, &err));
}

static void submit(rig *r, rwd_io_op *op) { rwd_io_submit(r->queue, &op, 1); }

static rwd_io_op op_of(const rig *r, rwd_io_kind kind, void *data, size_t size, uint64_t offset) {
    return (rwd_io_op){.kind = kind, .fd = r->fd, .data = data, .size = size, .offset = offset};
}

static void fill(uint8_t *data, size_t size, uint64_t seed) {
    test_random random = {seed};
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)test_random_u64(&random);
}

static size_t entries_of(const char *folder) {
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir)) count++;
    (void)closedir(dir);
    return count;
}

// Threads of this process that it made: a ring's workers are listed among them, and come and go as the kernel likes.
static size_t own_threads(void) {
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[300], name[32] = "";
        (void)snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "re");
        if (!file) continue;  // "." and "..", or it has ended meanwhile
        count += fgets(name, sizeof(name), file) && strncmp(name, "iou-", 4) != 0;
        (void)fclose(file);
    }
    (void)closedir(dir);
    return count;
}

// ---- plainly

static void the_queue_has_the_tier_that_was_asked_for(void **state) {
    rig *r = *state;
    int refused = 0;
    begin(r, 4, 2, BLOCK);
    assert_int_equal(rwd_io_queue_tier(r->queue, &refused), test_tier());
    assert_int_equal(refused, 0);
}

static void what_a_batch_writes_a_batch_reads(void **state) {
    rig *r = *state;
    enum { COUNT = 100 };
    static uint8_t wrote[COUNT][BLOCK], got[COUNT][BLOCK];
    rwd_io_op ops[COUNT], *batch[COUNT];
    begin(r, 8, 0, 0);
    fill(wrote[0], sizeof(wrote), 1);
    for (size_t i = 0; i < COUNT; i++) ops[i] = op_of(r, RWD_IO_WRITE, wrote[i], BLOCK, i * BLOCK), batch[i] = &ops[i];
    rwd_io_submit(r->queue, batch, COUNT);
    assert_int_equal(rwd_io_unfinished(r->queue), COUNT);
    size_t delivered = rwd_io_wait(r->queue, COUNT);
    assert_int_equal(delivered, COUNT);
    for (size_t i = 0; i < COUNT; i++) assert_true(ops[i].finished && ops[i].result == (int64_t)BLOCK);
    for (size_t i = 0; i < COUNT; i++) ops[i] = op_of(r, RWD_IO_READ, got[i], BLOCK, i * BLOCK);
    rwd_io_submit(r->queue, batch, COUNT);
    rwd_io_await(r->queue, &ops[COUNT - 1]);
    assert_true(ops[COUNT - 1].finished);
    rwd_io_drain(r->queue);
    assert_int_equal(rwd_io_unfinished(r->queue), 0);
    assert_memory_equal(got, wrote, sizeof(wrote));
    assert_int_equal(r->io->bytes_written, sizeof(wrote));
    assert_int_equal(r->io->bytes_read, sizeof(got));
}

static void a_read_ends_at_the_end_of_the_file(void **state) {
    rig *r = *state;
    uint8_t data[3 * BLOCK];
    begin(r, 4, 0, 0);
    must(rwd_io_write(r->io, r->fd, r->path, "12345", 5, 0, &err));
    rwd_io_op ops[3] = {op_of(r, RWD_IO_READ, data, BLOCK, 0), op_of(r, RWD_IO_READ, data + BLOCK, BLOCK, 5), op_of(r, RWD_IO_READ, data, 0, 0)};
    for (size_t i = 0; i < 3; i++) submit(r, &ops[i]);
    rwd_io_drain(r->queue);
    assert_int_equal(ops[0].result, 5);
    assert_int_equal(ops[1].result, 0);
    assert_int_equal(ops[2].result, 0);
    must(rwd_io_check(&ops[0], r->path, &err));
}

static void a_direct_read_of_an_odd_end_gives_what_is_there(void **state) {
    rig *r = *state;
    static const size_t sizes[] = {1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 77};
    begin(r, 4, 1, 4 * BLOCK);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t wrote[4 * BLOCK];
        bool direct = false;
        int fd = -1;
        fill(wrote, sizes[i], i);
        must(rwd_io_truncate(r->io, r->fd, r->path, 0, &err));
        must(rwd_io_write(r->io, r->fd, r->path, wrote, sizes[i], 0, &err));
        must(rwd_io_open_direct(r->io, r->path, O_RDONLY, 0, &fd, &direct, &err));
        uint8_t *buffer = rwd_io_buffer_take(r->queue);
        rwd_io_op op = {.kind = RWD_IO_READ, .fd = fd, .data = buffer, .size = 4 * BLOCK};
        submit(r, &op);
        rwd_io_await(r->queue, &op);
        assert_int_equal(op.result, sizes[i]);
        assert_memory_equal(buffer, wrote, sizes[i]);
        rwd_io_buffer_give(r->queue, buffer);
        rwd_io_close(r->io, fd);
    }
}

static void errors_are_results_and_have_words(void **state) {
    rig *r = *state;
    char byte = 'x';
    rwd_io_op bad = {.kind = RWD_IO_READ, .fd = 987654, .data = &byte, .size = 1};
    begin(r, 4, 0, 0);
    submit(r, &bad);
    rwd_io_drain(r->queue);
    assert_int_equal(bad.result, -EBADF);
    assert_false(rwd_io_check(&bad, "the/path", &err));
    assert_int_equal(err.code, RWD_E_IO);
    assert_string_equal(err.place, "the/path");
    int fd = open(r->path, O_RDONLY | O_CLOEXEC);
    rwd_io_op refused = {.kind = RWD_IO_WRITE, .fd = fd, .data = &byte, .size = 1};
    submit(r, &refused);
    rwd_io_drain(r->queue);
    assert_int_equal(refused.result, -EBADF);
    (void)close(fd);
    rwd_io_op sync = {.kind = RWD_IO_FDATASYNC, .fd = 987654};
    submit(r, &sync);
    rwd_io_drain(r->queue);
    assert_false(rwd_io_check(&sync, "the/path", &err));
    assert_int_equal(err.code, RWD_E_SYNC_FAILED);
}

static void buffers_are_aligned_and_come_back(void **state) {
    rig *r = *state;
    void *taken[3];
    begin(r, 4, 3, 2 * BLOCK);
    for (size_t i = 0; i < 3; i++) {
        taken[i] = rwd_io_buffer_take(r->queue);
        assert_int_equal((uintptr_t)taken[i] % RWD_IO_ALIGN, 0);
        memset(taken[i], (int)i, 2 * BLOCK);
    }
    assert_null(rwd_io_buffer_take(r->queue));
    rwd_io_buffer_give(r->queue, taken[1]);
    assert_ptr_equal(rwd_io_buffer_take(r->queue), taken[1]);
    for (size_t i = 0; i < 3; i++) assert_int_equal(((uint8_t *)taken[i])[2 * BLOCK - 1], i);
}

// More than may be registered: the queue works, and says which tier it got.
static void memory_beyond_the_registered_bound_is_used_unregistered(void **state) {
    rig *r = *state;
    rwd_io_queue *second = NULL;
    rwd_io *clone = NULL;
    int refused = 0;
    rwd_io_queue_options options = {.depth = 2, .buffer_count = 1, .buffer_size = BLOCK};
    begin(r, 2, 1, RWD_IO_REGISTERED_MAX);
    must(rwd_io_clone(r->io, &clone, &err));
    must(rwd_io_queue_open(clone, &options, &second, &err));
    bool registered = test_tier() == RWD_IO_TIER_URING_REGISTERED;
    assert_int_equal(rwd_io_queue_tier(second, &refused), registered ? RWD_IO_TIER_URING : test_tier());
    assert_int_equal(refused, registered ? ENOMEM : 0);
    uint8_t *buffer = rwd_io_buffer_take(second);
    fill(buffer, BLOCK, 3);
    rwd_io_op write = op_of(r, RWD_IO_WRITE, buffer, BLOCK, 0), *one = &write;
    rwd_io_submit(second, &one, 1);
    rwd_io_drain(second);
    assert_int_equal(write.result, BLOCK);
    rwd_io_queue_close(second);
    rwd_io_queue_close(r->queue);
    must(rwd_io_queue_open(clone, &options, &r->queue, &err));  // what was given back can be registered again
    assert_int_equal(rwd_io_queue_tier(r->queue, NULL), test_tier());
    rwd_io_queue_close(r->queue);
    r->queue = NULL;
    rwd_io_free(clone);
}

typedef struct chain {
    rig *rig;
    rwd_io_op op;
    uint8_t byte;
    unsigned left;
} chain;

static void write_the_next(rwd_io_op *op) {
    chain *c = op->owner;
    assert_int_equal(op->result, 1);
    if (--c->left == 0) return;
    op->offset++;
    submit(c->rig, op);
}

static void a_callback_may_submit(void **state) {
    rig *r = *state;
    chain c = {.rig = r, .byte = 'c', .left = 50};
    begin(r, 1, 0, 0);
    c.op = op_of(r, RWD_IO_WRITE, &c.byte, 1, 0);
    c.op.done = write_the_next;
    c.op.owner = &c;
    submit(r, &c.op);
    rwd_io_drain(r->queue);
    assert_int_equal(c.left, 0);
    struct stat info;
    assert_int_equal(fstat(r->fd, &info), 0);
    assert_int_equal(info.st_size, 50);
}

static void closing_finishes_everything_and_leaves_nothing(void **state) {
    rig *r = *state;
    enum { COUNT = 60 };
    static uint8_t data[COUNT][BLOCK];
    rwd_io_op ops[COUNT], *batch[COUNT];
    must(rwd_io_open(r->io, r->path, O_RDWR | O_CREAT, 0600, &r->fd, &err));
    size_t descriptors = entries_of("/proc/self/fd"), threads = own_threads();
    begin(r, 4, 2, BLOCK);
    for (size_t i = 0; i < COUNT; i++) ops[i] = op_of(r, RWD_IO_WRITE, data[i], BLOCK, i * BLOCK), batch[i] = &ops[i];
    rwd_io_submit(r->queue, batch, COUNT);
    rwd_io_queue_close(r->queue);
    r->queue = NULL;
    size_t cancelled = 0;
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(ops[i].finished);
        assert_true(ops[i].result == (int64_t)BLOCK || ops[i].result == -ECANCELED);
        cancelled += ops[i].result < 0;
    }
    assert_true(cancelled >= COUNT - 8);
    assert_int_equal(entries_of("/proc/self/fd"), descriptors);
    // A thread that was joined is listed until the kernel has put it away.
    while (own_threads() != threads) usleep(1000);
}

static void a_process_without_open_queues_may_fork(void **state) {
    rig *r = *state;
    uint8_t data[BLOCK];
    fill(data, sizeof(data), 5);
    begin(r, 4, 0, 0);
    rwd_io_op op = op_of(r, RWD_IO_WRITE, data, sizeof(data), 0);
    submit(r, &op);
    rwd_io_queue_close(r->queue);
    r->queue = NULL;
    pid_t child = fork();
    if (child == 0) {
        rwd_io_queue_options options = {.depth = 2};
        rwd_io_op again = op_of(r, RWD_IO_WRITE, data, sizeof(data), 0), *one = &again;
        if (!rwd_io_queue_open(r->io, &options, &r->queue, &err)) _exit(1);
        rwd_io_submit(r->queue, &one, 1);
        rwd_io_drain(r->queue);
        _exit(again.result == (int64_t)sizeof(data) ? 0 : 2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

// ---- reading ahead

static void expect_pieces(rig *r, const uint8_t *bytes, uint64_t from, uint64_t until, size_t size, unsigned ahead, size_t piece) {
    rwd_read_ahead *reader = NULL;
    rwd_read_ahead_options options = {.fd = r->fd, .path = r->path, .from = from, .until = until, .ahead = ahead, .piece = piece};
    must(rwd_read_ahead_open(r->queue, &options, &reader, &err));
    uint64_t at = from, end = until < size ? until : size;
    for (;;) {
        rwd_slice slice;
        must(rwd_read_ahead_next(reader, &slice, &err));
        if (slice.size == 0) break;
        assert_true(at + slice.size <= end);
        assert_true(slice.size == piece || at + slice.size == end);
        assert_memory_equal(slice.data, bytes + at, slice.size);
        at += slice.size;
    }
    assert_int_equal(at, end > from ? end : from);
    rwd_slice slice;
    must(rwd_read_ahead_next(reader, &slice, &err));
    assert_int_equal(slice.size, 0);
    rwd_read_ahead_close(reader);
}

static void read_ahead_gives_a_file_in_order(void **state) {
    rig *r = *state;
    static const size_t sizes[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 7 * BLOCK, 40 * BLOCK + 9};
    static uint8_t bytes[41 * BLOCK];
    fill(bytes, sizeof(bytes), 11);
    make_faulty(r, (rwd_io_fault_plan){.seed = 5, .reorder = 8, .short_percent = 20, .again_percent = 5});
    begin(r, 3, 8, 2 * BLOCK);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        must(rwd_io_truncate(r->io, r->fd, r->path, 0, &err));
        must(rwd_io_write(r->io, r->fd, r->path, bytes, sizes[i], 0, &err));
        for (unsigned ahead = 1; ahead <= 8; ahead += 3) {
            expect_pieces(r, bytes, 0, UINT64_MAX, sizes[i], ahead, 2 * BLOCK);
            expect_pieces(r, bytes, 0, UINT64_MAX, sizes[i], ahead, 1000);
            expect_pieces(r, bytes, BLOCK, 5 * BLOCK + 3, sizes[i], ahead, BLOCK);
        }
    }
}

static void read_ahead_may_be_given_up_and_repeats_its_error(void **state) {
    rig *r = *state;
    static uint8_t bytes[20 * BLOCK];
    rwd_read_ahead *reader = NULL;
    rwd_slice slice;
    make_faulty(r, (rwd_io_fault_plan){.fail_at = 5, .error = EIO});  // open, write, two pieces, and the third
    begin(r, 4, 4, BLOCK);
    must(rwd_io_write(r->io, r->fd, r->path, bytes, sizeof(bytes), 0, &err));
    rwd_read_ahead_options options = {.fd = r->fd, .path = r->path, .until = UINT64_MAX, .ahead = 4, .piece = BLOCK};
    must(rwd_read_ahead_open(r->queue, &options, &reader, &err));
    for (int i = 0; i < 2; i++) must(rwd_read_ahead_next(reader, &slice, &err));
    for (int i = 0; i < 2; i++) {
        assert_false(rwd_read_ahead_next(reader, &slice, &err));
        assert_int_equal(err.code, RWD_E_IO);
    }
    rwd_read_ahead_close(reader);
    for (int i = 0; i < 4; i++) assert_non_null(rwd_io_buffer_take(r->queue));
}

// ---- order of syncs

static rwd_io_op *sequence[64];
static size_t sequence_size;
static void note(rwd_io_op *op) { sequence[sequence_size++] = op; }

static void a_sync_comes_after_the_writes_before_it(void **state) {
    rig *r = *state;
    static uint8_t data[BLOCK];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        rwd_io_op ops[20], *batch[20];
        rwd_io *faulty = NULL, *clone = NULL;
        rwd_io_fault_plan plan = {.seed = seed, .reorder = 16, .short_percent = 30, .again_percent = 10};
        must(rwd_io_clone(r->io, &clone, &err));
        must(rwd_io_fault_new(clone, &plan, &faulty, &err));
        rwd_io_queue_options options = {.depth = 6};
        rwd_io_queue *queue = NULL;
        must(rwd_io_queue_open(faulty, &options, &queue, &err));
        if (r->fd < 0) must(rwd_io_open(r->io, r->path, O_RDWR | O_CREAT, 0600, &r->fd, &err));
        sequence_size = 0;
        for (size_t i = 0; i < 20; i++) {
            ops[i] = op_of(r, i % 10 == 9 ? RWD_IO_FDATASYNC : RWD_IO_WRITE, data, i % 10 == 9 ? 0 : BLOCK, i * BLOCK);
            ops[i].done = note;
            batch[i] = &ops[i];
        }
        rwd_io_submit(queue, batch, 20);
        rwd_io_drain(queue);
        assert_int_equal(sequence_size, 20);
        size_t place[20];
        for (size_t i = 0; i < 20; i++) place[sequence[i] - ops] = i;
        for (size_t i = 0; i < 9; i++) assert_true(place[i] < place[9]);
        for (size_t i = 0; i < 19; i++) assert_true(i == 9 || place[i] < place[19]);
        rwd_io_queue_close(queue);
        rwd_io_free(faulty);
    }
}

static void a_sync_over_a_write_that_failed_is_not_made(void **state) {
    rig *r = *state;
    static uint8_t data[BLOCK];
    make_faulty(r, (rwd_io_fault_plan){.fail_at = 3, .error = ENOSPC});  // open, a write, and this one
    begin(r, 4, 0, 0);
    rwd_io_op ops[5] = {op_of(r, RWD_IO_WRITE, data, BLOCK, 0), op_of(r, RWD_IO_WRITE, data, BLOCK, BLOCK), op_of(r, RWD_IO_FDATASYNC, NULL, 0, 0),
                        op_of(r, RWD_IO_WRITE, data, BLOCK, 0), op_of(r, RWD_IO_FSYNC, NULL, 0, 0)};
    rwd_io_op *batch[5] = {&ops[0], &ops[1], &ops[2], &ops[3], &ops[4]};
    rwd_io_submit(r->queue, batch, 3);
    rwd_io_drain(r->queue);
    assert_int_equal(ops[1].result, -ENOSPC);
    assert_int_equal(ops[2].result, -ENOSPC);
    assert_false(rwd_io_check(&ops[2], r->path, &err));
    assert_int_equal(err.code, RWD_E_SYNC_FAILED);
    assert_int_equal(rwd_io_fault_count(r->io), 3);
    rwd_io_submit(r->queue, batch + 3, 2);  // what comes later is another matter
    rwd_io_drain(r->queue);
    assert_int_equal(ops[4].result, 0);
}

// ---- misbehaviour

static void what_has_not_begun_is_cancelled(void **state) {
    rig *r = *state;
    static uint8_t data[BLOCK];
    rwd_io_op ops[10], *batch[10];
    make_faulty(r, (rwd_io_fault_plan){.lazy = true});
    begin(r, 2, 0, 0);
    for (size_t i = 0; i < 10; i++) ops[i] = op_of(r, RWD_IO_WRITE, data, BLOCK, i * BLOCK), batch[i] = &ops[i];
    rwd_io_submit(r->queue, batch, 10);
    assert_int_equal(rwd_io_poll(r->queue), 0);
    assert_false(ops[0].finished);
    rwd_io_cancel(r->queue);
    for (size_t i = 0; i < 10; i++) assert_int_equal(ops[i].result, i < 2 ? (int64_t)BLOCK : -ECANCELED);
    assert_int_equal(rwd_io_unfinished(r->queue), 0);
}

static void a_refusal_that_never_passes_becomes_the_result(void **state) {
    rig *r = *state;
    char byte = 'x';
    make_faulty(r, (rwd_io_fault_plan){.fail_at = 2, .error = EAGAIN, .fail_forever = true});
    begin(r, 1, 0, 0);
    rwd_io_op op = op_of(r, RWD_IO_WRITE, &byte, 1, 0);
    submit(r, &op);
    rwd_io_drain(r->queue);
    assert_int_equal(op.result, -EAGAIN);
}

// Random batches against a model: a file of blocks whose bytes are known, or unknown where a write failed.
enum { BLOCKS = 40, BATCH = 12 };

typedef struct model {
    rig *rig;
    test_random random;
    bool unknown[BLOCKS];
    uint8_t bytes[BLOCKS][64];
    uint8_t buffers[BATCH][64];
    rwd_io_op ops[BATCH];
    size_t failed;
} model;

static void check_batch(model *m, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const rwd_io_op *op = &m->ops[i];
        size_t block = (size_t)(op->offset / 64);
        assert_true(op->finished);
        m->failed += op->result < 0;
        if (op->kind == RWD_IO_WRITE) {
            m->unknown[block] = op->result < 0;
            if (op->result >= 0) assert_int_equal(op->result, 64), memcpy(m->bytes[block], op->data, 64);
        } else if (op->kind == RWD_IO_READ && op->result >= 0) {
            assert_int_equal(op->result, 64);
            if (!m->unknown[block]) assert_memory_equal(op->data, m->bytes[block], 64);
        }
    }
}

static void run_batch(model *m) {
    bool used[BLOCKS] = {0};
    rwd_io_op *batch[BATCH];
    size_t count = 0;
    for (size_t i = 0; i < BATCH; i++) {
        size_t block = (size_t)test_random_below(&m->random, BLOCKS);
        if (used[block]) continue;
        used[block] = true;
        rwd_io_kind kind = (rwd_io_kind)test_random_below(&m->random, 10) < 1 ? RWD_IO_FDATASYNC : test_random_below(&m->random, 2) ? RWD_IO_WRITE : RWD_IO_READ;
        if (kind == RWD_IO_WRITE) fill(m->buffers[count], 64, test_random_u64(&m->random));
        m->ops[count] = op_of(m->rig, kind, m->buffers[count], kind == RWD_IO_FDATASYNC ? 0 : 64, block * 64);
        batch[count] = &m->ops[count];
        count++;
    }
    size_t cut = (size_t)test_random_below(&m->random, count + 1);
    rwd_io_submit(m->rig->queue, batch, cut);
    (void)rwd_io_poll(m->rig->queue);
    rwd_io_submit(m->rig->queue, batch + cut, count - cut);
    rwd_io_drain(m->rig->queue);
    check_batch(m, count);
}

static void random_batches_do_what_a_model_does(void **state) {
    rig *r = *state;
    size_t failed = 0;
    rwd_io *clean = r->io;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        model m = {.rig = r, .random = test_random_of(seed)};
        rwd_io *clone = NULL;
        rwd_io_fault_plan plan = {.seed = seed, .reorder = (unsigned)test_random_below(&m.random, 8), .short_percent = (unsigned)test_random_below(&m.random, 50),
                                  .again_percent = (unsigned)test_random_below(&m.random, 4), .lazy = seed % 3 == 0,
                                  .fail_at = seed % 4 ? test_random_below(&m.random, 150) : 0, .error = EIO};
        must(rwd_io_clone(clean, &clone, &err));
        if (seed % 5) must(rwd_io_fault_new(clone, &plan, &r->io, &err));  // every fifth without faults
        else r->io = clone;
        r->fd = open(r->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_int_equal(ftruncate(r->fd, BLOCKS * 64), 0);
        rwd_io_queue_options options = {.depth = 1 + (unsigned)test_random_below(&m.random, 10)};
        must(rwd_io_queue_open(r->io, &options, &r->queue, &err));
        for (int i = 0; i < 25; i++) run_batch(&m);
        failed += m.failed;
        rwd_io_queue_close(r->queue);
        r->queue = NULL;
        (void)close(r->fd);
        r->fd = -1;
        rwd_io_free(r->io);
    }
    r->io = clean;
    assert_true(failed > 10);
}

// ---- power loss

enum { RECORDS = 24, RECORD = 700 };
static uint8_t records[RECORDS][RECORD];

// Appends records, all in flight at once, with a sync after each third of them. Returns how many are known to be durable.
static size_t append_until_the_power_goes(rig *r, uint64_t seed, uint64_t power_off_at, rwd_fake_disk *disk) {
    rwd_io *clone = NULL, *faulty = NULL;
    rwd_io_fault_plan plan = {.seed = seed, .reorder = 16, .short_percent = 20, .disk = disk, .power_off_at = power_off_at};
    rwd_io_op ops[RECORDS], syncs[3], *batch[RECORDS + 3];
    rwd_io_queue_options options = {.depth = 8};
    int fd = -1;
    size_t count = 0, durable = 0;
    must(rwd_io_clone(r->io, &clone, &err));
    must(rwd_io_fault_new(clone, &plan, &faulty, &err));
    must(rwd_io_open(faulty, r->path, O_RDWR, 0, &fd, &err));
    must(rwd_io_queue_open(faulty, &options, &r->queue, &err));
    for (size_t i = 0; i < RECORDS; i++) {
        ops[i] = (rwd_io_op){.kind = RWD_IO_WRITE, .fd = fd, .data = records[i], .size = RECORD, .offset = i * RECORD};
        batch[count++] = &ops[i];
        if (i % 8 != 7) continue;
        syncs[i / 8] = (rwd_io_op){.kind = RWD_IO_FDATASYNC, .fd = fd};
        batch[count++] = &syncs[i / 8];
    }
    rwd_io_submit(r->queue, batch, count);
    rwd_io_drain(r->queue);
    for (size_t i = 0; i < 3 && syncs[i].result == 0; i++) durable = (i + 1) * 8;
    rwd_io_queue_close(r->queue);
    r->queue = NULL;
    rwd_io_close(faulty, fd);
    rwd_io_free(faulty);
    return durable;
}

// Each byte of a record is there, or zero, or behind the end of the file. True: it is whole.
static bool record_is_lawful(rwd_slice file, size_t which) {
    size_t at = which * RECORD, same = 0;
    for (size_t i = 0; i < RECORD && at + i < file.size; i++) {
        if (file.data[at + i] == records[which][i]) same++;
        else assert_int_equal(file.data[at + i], 0);
    }
    return same == RECORD;
}

static void power_loss_keeps_what_was_synced_and_any_subset_of_the_rest(void **state) {
    rig *r = *state;
    unsigned gaps = 0, cut = 0;
    for (size_t i = 0; i < RECORDS; i++)
        for (size_t k = 0; k < RECORD; k++) records[i][k] = (uint8_t)(1 + (i * 31 + k) % 255);
    for (uint64_t seed = 0; seed < 120; seed++) {
        rwd_fake_disk *disk = NULL;
        rwd_buf file = {0};
        int fd = open(r->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
        must(rwd_fake_disk_new(r->root, &disk, &err));
        size_t durable = append_until_the_power_goes(r, seed, 2 + seed % 37, disk);
        must(rwd_fake_disk_power_loss(disk, seed, &err));
        must(rwd_read_file(r->path, 1 << 20, &file, &err));
        size_t whole = 0;
        bool before = true;
        for (size_t i = 0; i < RECORDS; i++) {
            bool there = record_is_lawful(rwd_buf_slice(&file), i);
            if (i < durable) assert_true(there);
            gaps += there && !before;
            before = there;
            whole += there;
        }
        cut += whole < RECORDS;
        if (seed == 0) assert_int_equal(whole, durable);
        rwd_buf_deinit(&file);
        rwd_fake_disk_free(disk);
    }
    assert_true(gaps > 20 && cut > 60);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_queue_has_the_tier_that_was_asked_for),
        TEST(what_a_batch_writes_a_batch_reads),
        TEST(a_read_ends_at_the_end_of_the_file),
        TEST(a_direct_read_of_an_odd_end_gives_what_is_there),
        TEST(errors_are_results_and_have_words),
        TEST(buffers_are_aligned_and_come_back),
        TEST(memory_beyond_the_registered_bound_is_used_unregistered),
        TEST(a_callback_may_submit),
        TEST(closing_finishes_everything_and_leaves_nothing),
        TEST(a_process_without_open_queues_may_fork),
        TEST(read_ahead_gives_a_file_in_order),
        TEST(read_ahead_may_be_given_up_and_repeats_its_error),
        TEST(a_sync_comes_after_the_writes_before_it),
        TEST(a_sync_over_a_write_that_failed_is_not_made),
        TEST(what_has_not_begun_is_cancelled),
        TEST(a_refusal_that_never_passes_becomes_the_result),
        TEST(random_batches_do_what_a_model_does),
        TEST(power_loss_keeps_what_was_synced_and_any_subset_of_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
