// The engine without the engine: reads a file, decodes each line with the job's decoder and upserts with the job's step into the same tables. No
// commit, no checkpoint, no input digest, no output: the bare loop beside which `rewind run` is measured.
//
//   bench_engine_bare run JOB EMPTY-FOLDER   prints {"records": N, "keys": N, "seconds": S}
//   bench_engine_bare write FILE RECORDS KEYS [SEED]
//                                            writes JSON records of 120 bytes, keys spread evenly
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/bare_loop.h"
#include "tests/support/random.h"

#define READ_SIZE (1u << 20)
#define RECORD_SIZE 120

static int failed(const rwd_error *err) {
    char text[2048];
    rwd_error_format(err, text, sizeof text);
    fprintf(stderr, "bench_engine_bare: %s\n", text);
    return 1;
}

// ---- the file that both sides read

static int write_records(const char *path, uint64_t records, uint64_t keys, uint64_t seed) {
    FILE *out = fopen(path, "we");
    if (!out) return perror(path), 1;
    test_random random = {seed};
    for (uint64_t i = 0; i < records; i++) {
        char line[RECORD_SIZE + 64];
        uint64_t key = i < keys ? i : test_random_below(&random, keys);
        int size = snprintf(line, sizeof line,
                            "{\"customer\":\"c%09" PRIu64 "\",\"amount\":%" PRIu64 ".%02" PRIu64 ",\"quantity\":%" PRIu64 ",\"ts\":%" PRIu64 ",\"note\":\"",
                            key, test_random_below(&random, 1000), test_random_below(&random, 100), 1 + test_random_below(&random, 9),
                            UINT64_C(1700000000000) + i);
        assert(size > 0 && size < RECORD_SIZE - 2);
        memset(line + size, 'x', (size_t)(RECORD_SIZE - 2 - size));
        memcpy(line + RECORD_SIZE - 2, "\"}\n", 3);
        if (fwrite(line, RECORD_SIZE + 1, 1, out) != 1) return perror(path), 1;
    }
    return fclose(out) == 0 ? 0 : (perror(path), 1);
}

// ---- the loop

static bool read_all(loop *l, const char *path, rwd_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return rwd_fail(err, RWD_E_IO, "%s cannot be opened", path);
    uint8_t *buffer = rwd_malloc(READ_SIZE + RWD_RECORD_PADDING);
    size_t held = 0;
    bool ok = true;
    for (ssize_t got; ok && (got = read(fd, buffer + held, READ_SIZE - held)) > 0;) {
        held += (size_t)got;
        uint8_t *at = buffer, *end = buffer + held, *newline;
        size_t count = 0;
        while (ok && (newline = memchr(at, '\n', (size_t)(end - at)))) {
            size_t size = (size_t)(newline - at);
            l->records[count] = (rwd_record){.offset = (int64_t)(l->done + count), .time_us = RWD_TIME_NONE, .value = {at, size}, .full_size = size};
            at = newline + 1;
            if (++count < GROUP) continue;
            ok = apply(l, count, err);
            count = 0;
        }
        if (ok && count) ok = apply(l, count, err);
        held = (size_t)(end - at);
        memmove(buffer, at, held);
    }
    free(buffer);
    close(fd);
    return ok;
}

static bool run(const char *job_file, const char *live, rwd_error *err) {
    rwd_job *job;
    if (!rwd_job_load(job_file, NULL, 0, &job, err)) return false;
    loop *l = rwd_calloc(1, sizeof *l);
    if (!loop_open(job, live, l, err)) return false;

    double began = seconds_now();
    if (!read_all(l, job->source.path, err)) return false;
    double took = seconds_now() - began;

    rwd_tables_stats stats;
    rwd_tables_get_stats(l->tables, &stats);
    printf("{\"records\": %" PRIu64 ", \"keys\": %" PRIu64 ", \"seconds\": %.6f}\n", l->done, stats.keys, took);
    loop_close(l);
    free(l);
    rwd_job_free(job);
    return true;
}

int main(int argc, char **argv) {
    if (argc >= 5 && strcmp(argv[1], "write") == 0)
        return write_records(argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), argc > 5 ? strtoull(argv[5], NULL, 10) : 1);
    if (argc == 4 && strcmp(argv[1], "run") == 0) {
        rwd_error err;
        rwd_error_clear(&err);
        return run(argv[2], argv[3], &err) ? 0 : failed(&err);
    }
    fprintf(stderr, "usage: bench_engine_bare run JOB EMPTY-FOLDER | write FILE RECORDS KEYS [SEED]\n");
    return 2;
}
