// generate: orders that nobody placed.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "operator/cli/cli_private.h"
#include "operator/cli/output.h"
#include "operator/source/generate.h"

#define RECORDS_DEFAULT 1000
#define KEYS_DEFAULT 10000
#define SEED_DEFAULT 1
#define START_MS 1767225600000       // 2026-01-01T00:00:00Z
#define EVENT_TIME_PER_SECOND 1000
#define PER_MILLION 1000000
#define TICK_NS 20000000             // of --rate

static bool read_options(const rwd_cli *cli, rwd_generate *out, rwd_error *err) {
    const rwd_invocation *in = cli->in;
    const char *format = in->values[RWD_FLAG_ID_FORMAT];
    if (strcmp(in->args[0], "orders") != 0) return rwd_fail(err, RWD_E_USAGE, "rewind generate makes orders, not '%s'", in->args[0]);
    uint64_t bad = rwd_count_of(in, RWD_FLAG_ID_BAD, 0), keys = rwd_count_of(in, RWD_FLAG_ID_KEYS, KEYS_DEFAULT);
    if (bad > PER_MILLION) return rwd_fail(err, RWD_E_USAGE, "--bad counts records in a million, so it is at most %d", PER_MILLION);
    if (keys < 1 || keys > RWD_GENERATE_KEYS_MAX) return rwd_fail(err, RWD_E_USAGE, "--keys is from 1 to %llu", RWD_GENERATE_KEYS_MAX);
    *out = (rwd_generate){
        .seed = rwd_count_of(in, RWD_FLAG_ID_SEED, SEED_DEFAULT),
        .csv = format && strcmp(format, "csv") == 0,
        .keys = keys,
        .skewed = rwd_given(in, RWD_FLAG_ID_SKEWED),
        .start_ms = START_MS,
        .per_second = EVENT_TIME_PER_SECOND,
        .bad_per_million = (uint32_t)bad,
    };
    return true;
}

// Records [from, until) into the buffer; before the first, the header.
static void append_records(const rwd_generate *how, uint64_t from, uint64_t until, rwd_buf *out) {
    rwd_buf_reserve(out, (until - from + 1) * RWD_GENERATE_BYTES_MAX);
    if (from == 0) out->size += rwd_generate_header(how, (char *)out->data + out->size);
    for (uint64_t i = from; i < until; i++) out->size += rwd_generate_record(how, i, (char *)out->data + out->size);
}

static bool generate_at_once(rwd_cli *cli, const rwd_generate *how, uint64_t records, rwd_error *err) {
    rwd_io *io;
    rwd_output output;
    if (!rwd_io_pread_new(&io, err)) return false;
    bool worked = rwd_output_open(io, cli->in->values[RWD_FLAG_ID_FILE], &output, err);
    uint64_t step = RWD_OUTPUT_PIECE / RWD_GENERATE_BYTES_MAX;
    for (uint64_t i = 0; worked && (i < records || i == 0); i += step) {
        append_records(how, i, records - i < step ? records : i + step, &output.text);
        worked = rwd_output_step(&output, err);
    }
    worked = worked && rwd_output_commit(&output, err);
    rwd_output_close(&output);
    rwd_io_free(io);
    return worked;
}

static bool write_piece(int fd, rwd_buf *text, rwd_error *err) {
    size_t at = 0;
    while (at < text->size) {
        ssize_t written = write(fd, text->data + at, text->size - at);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return rwd_fail_errno(err, errno, "cannot write the records");
        at += (size_t)written;
    }
    rwd_buf_clear(text);
    return true;
}

// In place, as time goes by: for a job that follows the file.
static bool generate_slowly(rwd_cli *cli, const rwd_generate *how, uint64_t records, uint64_t rate, rwd_error *err) {
    const char *file = cli->in->values[RWD_FLAG_ID_FILE];
    int fd = file ? open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : STDOUT_FILENO;
    if (fd < 0) {
        rwd_fail_errno(err, errno, "cannot make the file");
        return rwd_error_at(err, "%s", file);
    }
    rwd_buf text = {0};
    int64_t began_ns = rwd_clock_ns(cli->clock);
    bool worked = true;
    for (uint64_t done = 0; worked && done < records;) {
        uint64_t due = (uint64_t)((double)(rwd_clock_ns(cli->clock) - began_ns) / 1e9 * (double)rate) + 1;
        if (due > records) due = records;
        uint64_t most = done + RWD_OUTPUT_PIECE / RWD_GENERATE_BYTES_MAX;
        bool behind = due > most;
        if (behind) due = most;
        if (due > done) append_records(how, done, due, &text);
        if (due > done) done = due;
        worked = write_piece(fd, &text, err);
        if (worked && done < records && !behind) cli->clock->sleep_ns(cli->clock, TICK_NS);
    }
    rwd_buf_deinit(&text);
    if (file) close(fd);
    return worked;
}

bool rwd_run_generate(rwd_cli *cli, rwd_error *err) {
    rwd_generate how;
    if (!read_options(cli, &how, err)) return false;
    uint64_t records = rwd_count_of(cli->in, RWD_FLAG_ID_RECORDS, RECORDS_DEFAULT), rate = rwd_count_of(cli->in, RWD_FLAG_ID_RATE, 0);
    return rate ? generate_slowly(cli, &how, records, rate, err) : generate_at_once(cli, &how, records, err);
}
