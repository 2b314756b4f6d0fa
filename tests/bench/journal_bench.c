// bench_journal FOLDER RECORDS: what appending to the journal and replaying from it cost, each beside a bare loop over the same bytes in the same run.
//
// append   records as Kafka's consumer hands them out, in batches. Beside it: the same bytes copied together and written, 64 KiB at a time. What checksums and codecs take is measured apart.
// replay   the journal's reader, then decode and upsert. Beside it: the same records in a plain file, read in large pieces, then decode and upsert.
//
// CPU is that of the whole process, threads and the kernel's work on its behalf included; the best of ROUNDS is printed.
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "checkpoints/io/probe.h"
#include "checkpoints/journal/journal.h"
#include "operator/base/fs.h"
#include "operator/kafka/consumer.h"
#include "tests/bench/bare_loop.h"
#include "tests/support/random.h"

#define ROUNDS 3
#define BATCH 4096
#define DISTINCT 65536       // records that are handed out again and again
#define KEYS 100000
#define VALUE 120
#define RAW_MOST 160
#define PIECE ((size_t)1 << 20)
#define JOURNAL_SIZE (64ull << 30)

#define JOB \
    "job: bench\n" \
    "source: {file: {path: none.jsonl}, format: json}\n" \
    "event: {fields: {customer: string, amount: decimal(2), quantity: int, ts: {type: time, format: epoch-ms}}}\n" \
    "tables:\n" \
    "  customers: {key: customer, aggregates: {orders: count(), revenue: sum(amount), most: max(quantity), last: max(ts)}}\n" \
    "state: {path: none, memory: 512MiB}\n"

typedef struct figure { double seconds, cpu, own; } figure;  // own: of the calling thread

typedef struct bench {
    const char *folder;
    size_t count;             // records
    rwd_job *job;
    uint8_t *bytes;           // DISTINCT * RAW_MOST
    rwd_journal_record records[DISTINCT];
    uint64_t raw_bytes;       // of `count` records
    figure append_bare, replay_bare;
} bench;

static rwd_error err;

static void must(bool ok) {
    char text[2048];
    if (ok) return;
    rwd_error_format(&err, text, sizeof text);
    (void)fprintf(stderr, "bench_journal: %s\n", text);
    exit(1);
}

static double clock_of(clockid_t clock) {
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static figure now(void) { return (figure){clock_of(CLOCK_MONOTONIC), clock_of(CLOCK_PROCESS_CPUTIME_ID), clock_of(CLOCK_THREAD_CPUTIME_ID)}; }

static void better(figure *best, figure began) {
    figure ended = now(), took = {ended.seconds - began.seconds, ended.cpu - began.cpu, ended.own - began.own};
    if (best->seconds == 0 || took.cpu < best->cpu) *best = took;
}

static void path_of(const bench *b, const char *name, char out[RWD_PATH_MAX]) { must(rwd_path_join(out, b->folder, name, &err)); }

static void make_records(bench *b) {
    test_random random = {1};
    b->bytes = rwd_malloc((size_t)DISTINCT * RAW_MOST);
    for (size_t i = 0; i < DISTINCT; i++) {
        char line[VALUE + 64];
        rwd_buf raw = {0};
        int size = snprintf(line, sizeof line, "{\"customer\":\"c%09" PRIu64 "\",\"amount\":%" PRIu64 ".%02" PRIu64 ",\"quantity\":%" PRIu64 ",\"ts\":%" PRIu64 ",\"note\":\"",
                            test_random_below(&random, KEYS), test_random_below(&random, 1000), test_random_below(&random, 100), 1 + test_random_below(&random, 9), UINT64_C(1700000000000) + i);
        memset(line + size, 'x', (size_t)(VALUE - 2 - size));
        memcpy(line + VALUE - 2, "\"}", 2);
        rwd_kafka_raw_begin((int64_t)(1700000000000 + i), rwd_slice_of(line, VALUE), rwd_slice_of(NULL, 0), &raw);
        uint8_t *at = b->bytes + i * RAW_MOST;
        memcpy(at, raw.data, raw.size);
        b->records[i] = (rwd_journal_record){.time_us = (int64_t)(1700000000000 + i) * 1000, .raw = rwd_slice_of(at, raw.size)};
        rwd_buf_deinit(&raw);
    }
    b->raw_bytes = b->count * b->records[0].raw.size;
}

// The next batch; offsets go on.
static size_t batch_at(const bench *b, size_t at, rwd_journal_record *out) {
    size_t count = b->count - at < BATCH ? b->count - at : BATCH;
    for (size_t i = 0; i < count; i++) {
        out[i] = b->records[(at + i) % DISTINCT];
        out[i].offset = (int64_t)(at + i);
    }
    return count;
}

// ---- append

static void append_bare(bench *b) {
    char path[RWD_PATH_MAX];
    path_of(b, "plain", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uint8_t *block = rwd_malloc(RWD_JOURNAL_BLOCK_SIZE + RAW_MOST);
    size_t used = 0;
    figure began = now();
    for (size_t i = 0; i < b->count; i++) {
        rwd_slice raw = b->records[i % DISTINCT].raw;
        memcpy(block + used, raw.data, raw.size);
        used += raw.size;
        if (used < RWD_JOURNAL_BLOCK_SIZE) continue;
        if (write(fd, block, used) != (ssize_t)used) exit(1);
        used = 0;
    }
    if (used && write(fd, block, used) != (ssize_t)used) exit(1);
    better(&b->append_bare, began);
    free(block);
    (void)close(fd);
}

static void data_of(const bench *b, rwd_journal_codec codec, char out[RWD_PATH_MAX]) {
    char name[16];
    (void)snprintf(name, sizeof name, "codec-%d", (int)codec);
    path_of(b, name, out);
}

static uint64_t append(const bench *b, rwd_io_tier tier, rwd_journal_codec codec, figure *best) {
    static rwd_journal_record records[BATCH];
    char data[RWD_PATH_MAX];
    rwd_journal *journal;
    rwd_io *io;
    rwd_journal_stats stats;
    data_of(b, codec, data);
    must((!rwd_path_exists(data) || rwd_remove_tree(data, &err)) && rwd_io_new(b->folder, tier, &io, NULL, &err));
    rwd_journal_options options = {.data = data, .repository = {1, 2}, .term = 1, .codec = codec, .size = JOURNAL_SIZE, .keep_ns = INT64_MAX};
    must(rwd_journal_open(&options, io, rwd_clock_system(), &journal, &err) && rwd_journal_confirm(journal, &err));
    rwd_journal_begin(journal, 0);
    figure began = now();
    for (size_t at = 0; at < b->count;) {
        size_t count = batch_at(b, at, records);
        must(rwd_journal_append(journal, records, count, &err));
        at += count;
    }
    must(rwd_journal_settle(journal, &err));
    better(best, began);
    rwd_journal_get_stats(journal, &stats);
    rwd_journal_close(journal);
    return stats.bytes;
}

// Of what a block is made, each alone: seconds of CPU for 64 KiB.
static double copying(const bench *b, size_t blocks) {
    static rwd_journal_record records[BATCH];
    rwd_buf payload = {0};
    int64_t expected = 0, time = 0;
    size_t done = 0;
    double began = clock_of(CLOCK_THREAD_CPUTIME_ID);
    for (size_t at = 0; done < blocks && at < b->count;) {
        size_t count = batch_at(b, at, records);
        for (size_t i = 0; i < count; i++) {
            rwd_journal_record_put(&payload, &records[i], &expected, &time);
            if (payload.size < RWD_JOURNAL_BLOCK_SIZE) continue;
            rwd_buf_clear(&payload);
            done++;
        }
        at += count;
    }
    double took = clock_of(CLOCK_THREAD_CPUTIME_ID) - began;
    rwd_buf_deinit(&payload);
    return done ? took / (double)done : 0;
}

static double checksumming(const bench *b, size_t blocks) {
    uint32_t sum = 0;
    double began = clock_of(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < blocks; i++) sum ^= rwd_crc32c(0, b->bytes + i % 64 * RWD_JOURNAL_BLOCK_SIZE, RWD_JOURNAL_BLOCK_SIZE);
    double took = clock_of(CLOCK_THREAD_CPUTIME_ID) - began;
    return sum == 0x12345678u ? 0 : took / (double)blocks;
}

static double compressing(const bench *b, rwd_journal_codec codec, size_t blocks) {
    size_t room = rwd_journal_bound(codec, RWD_JOURNAL_BLOCK_SIZE), all = 0;
    uint8_t *out = rwd_malloc(room);
    double began = clock_of(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < blocks; i++) all += rwd_journal_compress(codec, rwd_slice_of(b->bytes + i % 64 * RWD_JOURNAL_BLOCK_SIZE, RWD_JOURNAL_BLOCK_SIZE), out, room);
    double took = clock_of(CLOCK_THREAD_CPUTIME_ID) - began;
    free(out);
    return all == 0 ? 0 : took / (double)blocks;
}

// ---- replay

static void live_of(const bench *b, char out[RWD_PATH_MAX]) {
    path_of(b, "live", out);
    if (rwd_path_exists(out)) must(rwd_remove_tree(out, &err));
    must(rwd_mkdirs(out, &err));
}

static void take(loop *l, size_t *count, int64_t offset, rwd_slice raw) {
    rwd_kafka_record record;
    if (!rwd_kafka_record_from_raw(offset, raw, &record)) exit(1);
    l->records[(*count)++] = (rwd_record){.offset = offset, .time_us = record.time_ms * 1000, .value = record.value, .full_size = record.value.size, .raw = raw};
    if (*count < GROUP) return;
    must(apply(l, *count, &err));
    *count = 0;
}

static void replay_bare(bench *b) {
    char path[RWD_PATH_MAX], live[RWD_PATH_MAX];
    static loop l;
    path_of(b, "plain", path);
    live_of(b, live);
    must(loop_open(b->job, live, &l, &err));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = b->records[0].raw.size, held = 0, count = 0;
    int64_t offset = 0;
    uint8_t *piece = rwd_malloc(PIECE + RWD_JOURNAL_PADDING);
    figure began = now();
    for (ssize_t got; (got = read(fd, piece + held, PIECE - held)) > 0;) {
        held += (size_t)got;
        size_t at = 0;
        for (; held - at >= size; at += size) take(&l, &count, offset++, rwd_slice_of(piece + at, size));
        if (count > 0) must(apply(&l, count, &err));
        count = 0;
        memmove(piece, piece + at, held - at);
        held -= at;
    }
    better(&b->replay_bare, began);
    if (l.done != b->count) exit(1);
    free(piece);
    (void)close(fd);
    loop_close(&l);
    l = (loop){0};
}

// With `l` NULL the records are only taken apart.
static void read_journal(const bench *b, rwd_io_tier tier, rwd_journal_codec codec, loop *l, figure *best) {
    char data[RWD_PATH_MAX];
    rwd_journal *journal;
    rwd_journal_reader *reader;
    rwd_io *io;
    int64_t at = 0, before;
    data_of(b, codec, data);
    must(rwd_io_new(b->folder, tier, &io, NULL, &err) && rwd_journal_open_reader(data, (rwd_hash128){1, 2}, (int64_t)b->count, io, rwd_clock_system(), &journal, &err));
    figure began = now();
    must(rwd_journal_reader_open(journal, 0, &reader, &err));
    do {
        const rwd_journal_record *records;
        size_t records_count, count = 0;
        before = at;
        must(rwd_journal_read(reader, &records, &records_count, &at, &err));
        for (size_t i = 0; l && i < records_count; i++) take(l, &count, records[i].offset, records[i].raw);
        if (count > 0) must(apply(l, count, &err));
    } while (at != before);
    better(best, began);
    rwd_journal_reader_close(reader);
    rwd_journal_close(journal);
    if (at != (int64_t)b->count) exit(1);
}

static void replay(const bench *b, rwd_io_tier tier, rwd_journal_codec codec, figure *best) {
    char live[RWD_PATH_MAX];
    static loop l;
    live_of(b, live);
    must(loop_open(b->job, live, &l, &err));
    read_journal(b, tier, codec, &l, best);
    loop_close(&l);
    l = (loop){0};
}

// ---- what it came to

static double per_record(const bench *b, double seconds) { return seconds / (double)b->count * 1e9; }
static double per_block(const bench *b, double seconds) { return seconds / ((double)b->raw_bytes / (double)RWD_JOURNAL_BLOCK_SIZE) * 1e6; }

static void show_append(bench *b, const bool *has) {
    size_t blocks = (size_t)(b->raw_bytes / RWD_JOURNAL_BLOCK_SIZE);
    if (blocks > 4000) blocks = 4000;
    double copy = copying(b, blocks) * 1e6, crc = checksumming(b, blocks) * 1e6, base = per_record(b, b->replay_bare.cpu);
    printf("append: for 64 KiB copying into a block takes %.1f us of CPU, the checksum %.1f us\n", copy, crc);
    for (rwd_io_tier tier = RWD_IO_TIER_PREAD; tier < RWD_IO_TIER_COUNT; tier++)
        for (int codec = 0; has[tier] && codec < RWD_JOURNAL_CODEC_COUNT; codec++) {
            figure best = {0};
            uint64_t bytes = 0;
            double coding = codec == RWD_JOURNAL_PLAIN ? 0 : compressing(b, (rwd_journal_codec)codec, blocks) * 1e6;
            for (int round = 0; round < ROUNDS; round++) bytes = append(b, tier, (rwd_journal_codec)codec, &best);
            double io = per_block(b, best.cpu) - copy - crc - coding;
            printf("append  %-17s %-5s %6.2f M records/s  %4.0f ns of CPU a record (pipeline %3.0f): %4.1f %% of bare read, decode and upsert (at most 15 %% with none)\n"
                   "        for 64 KiB: codec %.1f us, io %.1f us (at most 10); bare write %.1f us. On disk %.2f of the records' bytes\n",
                   rwd_io_tier_name(tier), rwd_journal_codec_name((rwd_journal_codec)codec), (double)b->count / best.seconds / 1e6, per_record(b, best.cpu), per_record(b, best.own),
                   per_record(b, best.cpu) / base * 100, coding, io, per_block(b, b->append_bare.cpu), (double)bytes / (double)b->raw_bytes);
        }
}

// As a start and each session do it: by the headers, and by the index on disk.
static void show_opening(const bench *b) {
    char data[RWD_PATH_MAX];
    double took[2];
    rwd_journal *journal;
    rwd_journal_stats stats;
    rwd_io *io;
    data_of(b, RWD_JOURNAL_LZ4, data);
    for (int indexed = 0; indexed < 2; indexed++) {
        double began = clock_of(CLOCK_MONOTONIC);
        must(rwd_io_new(b->folder, RWD_IO_TIER_PREAD, &io, NULL, &err) &&
             rwd_journal_open_reader(data, (rwd_hash128){1, 2}, (int64_t)b->count, io, rwd_clock_system(), &journal, &err));
        took[indexed] = clock_of(CLOCK_MONOTONIC) - began;
        rwd_journal_get_stats(journal, &stats);
        rwd_journal_close(journal);
        rwd_journal_options owner = {.data = data, .repository = {1, 2}, .term = 3, .durable_to = (int64_t)b->count, .durable_term = 2, .codec = RWD_JOURNAL_LZ4,
                                     .size = JOURNAL_SIZE, .keep_ns = INT64_MAX};
        must(rwd_io_new(b->folder, RWD_IO_TIER_PREAD, &io, NULL, &err) && rwd_journal_open(&owner, io, rwd_clock_system(), &journal, &err));
        rwd_journal_close(journal);
    }
    printf("open    %" PRIu64 " blocks by their headers %.1f ms, by the index %.1f ms\n", stats.blocks, took[0] * 1e3, took[1] * 1e3);
}

static void show_replay(bench *b, const bool *has) {
    double bare_speed = (double)b->count / b->replay_bare.seconds;
    printf("replay  bare read, decode and upsert       %6.2f M records/s  %4.0f ns of CPU a record\n", bare_speed / 1e6, per_record(b, b->replay_bare.cpu));
    double pread_cpu[RWD_JOURNAL_CODEC_COUNT] = {0};
    for (rwd_io_tier tier = RWD_IO_TIER_PREAD; tier < RWD_IO_TIER_COUNT; tier++)
        for (int codec = 0; has[tier] && codec < RWD_JOURNAL_CODEC_COUNT; codec++) {
            figure best = {0}, alone = {0};
            for (int round = 0; round < ROUNDS; round++) {
                replay(b, tier, (rwd_journal_codec)codec, &best);
                read_journal(b, tier, (rwd_journal_codec)codec, NULL, &alone);
            }
            if (tier == RWD_IO_TIER_PREAD) pread_cpu[codec] = alone.cpu;
            printf("replay  %-17s %-5s               %6.2f M records/s  %4.0f ns of CPU a record: %.2f of the bare speed (at least 0.80); reading alone %.3f CPU-s/GB, %.2f of pread's\n",
                   rwd_io_tier_name(tier), rwd_journal_codec_name((rwd_journal_codec)codec), (double)b->count / best.seconds / 1e6, per_record(b, best.cpu),
                   (double)b->count / best.seconds / bare_speed, alone.cpu / (double)b->raw_bytes * 1e9, pread_cpu[codec] > 0 ? alone.cpu / pread_cpu[codec] : 1.0);
        }
}

int main(int argc, char **argv) {
    if (argc != 3) return (void)fprintf(stderr, "usage: bench_journal FOLDER RECORDS\n"), 2;
    static bench b;
    bool has[RWD_IO_TIER_COUNT] = {false};
    b.folder = argv[1];
    b.count = strtoull(argv[2], NULL, 10);
    must(rwd_job_parse("bench.yaml", rwd_slice_str(JOB), NULL, 0, &b.job, &err));
    make_records(&b);
    for (rwd_io_tier tier = RWD_IO_TIER_PREAD; tier < RWD_IO_TIER_COUNT; tier++) {
        rwd_io *io;
        has[tier] = rwd_io_new(b.folder, tier, &io, NULL, &err);
        if (has[tier]) rwd_io_free(io);
        else printf("%s is not to be had: %s\n", rwd_io_tier_name(tier), err.cause);
    }
    for (int round = 0; round < ROUNDS; round++) {
        append_bare(&b);
        replay_bare(&b);
    }
    show_append(&b, has);
    show_replay(&b, has);
    show_opening(&b);
    free(b.bytes);
    rwd_job_free(b.job);
    return 0;
}
