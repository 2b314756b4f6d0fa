// bench_io FOLDER MIB: bulk reads, appends and hashing on each tier, beside bare loops over the same file in the same run.
//
// CPU is that of the whole process, threads and the kernel's work on its behalf included (getrusage). Everything goes past the page cache, where the file
// system can: what the kernel copies would hide what the tiers cost. Figures of a round are taken turn by turn, the best of ROUNDS is printed.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "checkpoints/io/probe.h"
#include "checkpoints/io/read_ahead.h"
#include "operator/base/fs.h"

#define ROUNDS 5
#define BLOCK ((size_t)64 << 10)
#define PIECE ((size_t)256 << 10)
#define DEPTH 4u

typedef struct figure {
    double seconds, cpu;
} figure;

typedef enum thing { READ, APPEND, HASH, THINGS } thing;
static const char *const thing_names[THINGS] = {"read", "append", "hash"};

static rwd_error err;

static void must(bool ok) {
    char text[2048];
    if (ok) return;
    rwd_error_format(&err, text, sizeof(text));
    (void)fprintf(stderr, "bench_io: %s\n", text);
    exit(1);
}

static figure now(void) {
    struct timespec time;
    struct rusage use;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    (void)getrusage(RUSAGE_SELF, &use);
    return (figure){(double)time.tv_sec + (double)time.tv_nsec / 1e9,
                    (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) + (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6};
}

static int open_at(rwd_io *io, const char *path, int flags) {
    bool direct = false;
    int fd = -1;
    must(rwd_io_open_direct(io, path, flags, 0600, &fd, &direct, &err));
    return fd;
}

static void read_all(rwd_io *io, const char *path) {
    rwd_io_queue_options options = {.depth = DEPTH, .buffer_count = DEPTH, .buffer_size = PIECE};
    rwd_io_queue *queue = NULL;
    rwd_read_ahead *reader = NULL;
    rwd_slice piece;
    int fd = open_at(io, path, O_RDONLY);
    must(rwd_io_queue_open(io, &options, &queue, &err));
    rwd_read_ahead_options what = {.fd = fd, .path = path, .until = UINT64_MAX, .ahead = DEPTH, .piece = PIECE};
    must(rwd_read_ahead_open(queue, &what, &reader, &err));
    do must(rwd_read_ahead_next(reader, &piece, &err));
    while (piece.size > 0);
    rwd_read_ahead_close(reader);
    rwd_io_queue_close(queue);
    rwd_io_close(io, fd);
}

// As the journal does: a block is submitted when a buffer is free, over space that the file has.
static void append_all(rwd_io *io, const char *path, size_t blocks) {
    rwd_io_queue_options options = {.depth = DEPTH, .buffer_count = DEPTH, .buffer_size = BLOCK};
    rwd_io_queue *queue = NULL;
    rwd_io_op ops[DEPTH];
    int fd = open_at(io, path, O_WRONLY);
    must(rwd_io_queue_open(io, &options, &queue, &err));
    for (size_t i = 0; i < blocks; i++) {
        rwd_io_op *op = &ops[i % DEPTH];
        if (i >= DEPTH) {
            rwd_io_await(queue, op);
            must(rwd_io_check(op, path, &err));
        } else {
            *op = (rwd_io_op){.data = rwd_io_buffer_take(queue)};
            memset(op->data, (int)i, BLOCK);
        }
        *op = (rwd_io_op){.kind = RWD_IO_WRITE, .fd = fd, .data = op->data, .size = BLOCK, .offset = i * BLOCK};
        rwd_io_submit(queue, &op, 1);
    }
    rwd_io_drain(queue);
    rwd_io_queue_close(queue);
    rwd_io_close(io, fd);
}

static void run(thing what, rwd_io *io, const char *path, size_t blocks) {
    rwd_hash128 hash;
    uint64_t size = 0;
    switch (what) {
    case READ: read_all(io, path); break;
    case APPEND: append_all(io, path, blocks); break;
    case HASH: must(rwd_io_hash_file(io, path, RWD_IO_FROM_MEDIUM, NULL, &hash, &size, &err)); break;
    case THINGS: break;
    }
}

static void better(figure *best, figure began) {
    figure ended = now(), took = {ended.seconds - began.seconds, ended.cpu - began.cpu};
    if (best->seconds == 0 || took.seconds < best->seconds) best->seconds = took.seconds;
    if (best->cpu == 0 || took.cpu < best->cpu) best->cpu = took.cpu;
}

// One read after the other, in the thread itself; and a hash of bytes that are in memory.
static void bare(rwd_io *io, const char *path, size_t blocks, figure *read, figure *hash) {
    uint8_t *piece = aligned_alloc(RWD_IO_ALIGN, PIECE);
    int fd = open_at(io, path, O_RDONLY);
    if (!piece) abort();
    figure began = now();
    for (size_t at = 0; at < blocks * BLOCK; at += PIECE)
        if (pread(fd, piece, PIECE, (off_t)at) <= 0) exit(1);
    better(read, began);
    rwd_io_close(io, fd);
    began = now();
    rwd_hasher *hasher = rwd_hasher_new();
    for (size_t at = 0; at < blocks * BLOCK; at += PIECE) rwd_hasher_update(hasher, piece, PIECE);
    (void)rwd_hasher_finish(hasher);
    better(hash, began);
    rwd_hasher_free(hasher);
    free(piece);
}

static void print(const char *name, const char *tier, figure f, double bytes, figure beside) {
    printf("%-8s %-17s %8.0f MiB/s %8.3f CPU-s/GB %7.1f us/64 KiB   %5.2f of the CPU, %5.2f of the speed of pread\n", name, tier, bytes / f.seconds / (1 << 20),
           f.cpu / bytes * 1e9, f.cpu / bytes * 65536 * 1e6, f.cpu / beside.cpu, beside.seconds / f.seconds);
}

int main(int argc, char **argv) {
    if (argc != 3) return (void)fprintf(stderr, "usage: bench_io FOLDER MIB\n"), 2;
    char path[RWD_PATH_MAX];
    size_t blocks = (size_t)strtoul(argv[2], NULL, 10) * 16;
    rwd_io *ios[RWD_IO_TIER_COUNT] = {0};
    figure best[RWD_IO_TIER_COUNT][THINGS] = {0}, read = {0}, hash = {0};
    must(rwd_path_join(path, argv[1], "bench-io", &err));
    for (rwd_io_tier tier = RWD_IO_TIER_PREAD; tier < RWD_IO_TIER_COUNT; tier++)
        if (!rwd_io_new(argv[1], tier, &ios[tier], NULL, &err)) printf("%s is not to be had: %s\n", rwd_io_tier_name(tier), err.cause);
    (void)close(open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600));
    append_all(ios[RWD_IO_TIER_PREAD], path, blocks);
    for (int round = 0; round < ROUNDS; round++) {
        bare(ios[RWD_IO_TIER_PREAD], path, blocks, &read, &hash);
        for (thing what = READ; what < THINGS; what++) {
            for (rwd_io_tier tier = RWD_IO_TIER_PREAD; tier < RWD_IO_TIER_COUNT; tier++) {
                if (!ios[tier]) continue;
                figure began = now();
                run(what, ios[tier], path, blocks);
                better(&best[tier][what], began);
            }
        }
    }
    double bytes = (double)blocks * BLOCK;
    for (thing what = READ; what < THINGS; what++)
        for (rwd_io_tier tier = RWD_IO_TIER_PREAD; tier < RWD_IO_TIER_COUNT; tier++)
            if (ios[tier]) print(thing_names[what], rwd_io_tier_name(tier), best[tier][what], bytes, best[RWD_IO_TIER_PREAD][what]);
    print("read", "bare, one by one", read, bytes, best[RWD_IO_TIER_PREAD][READ]);
    print("hash", "bare, in memory", hash, bytes, best[RWD_IO_TIER_PREAD][HASH]);
    double slower = read.seconds > hash.seconds ? read.seconds : hash.seconds;
    for (rwd_io_tier tier = RWD_IO_TIER_PREAD; tier < RWD_IO_TIER_COUNT; tier++) {
        if (ios[tier]) printf("hash of a file, %s: %.2f of the slower of bare read and bare hash\n", rwd_io_tier_name(tier), slower / best[tier][HASH].seconds);
        rwd_io_free(ios[tier]);
    }
    (void)unlink(path);
    return 0;
}
