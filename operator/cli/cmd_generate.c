// generate: orders that nobody placed.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "operator/cli/cli_private.h"
#include "operator/cli/output.h"
#include "operator/source/faults.h"

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

// What is made: orders as they come, or with faults and lists of these.
typedef struct making {
    rwd_generate how;
    uint64_t records, done;
    rwd_faulty *faulty;              // NULL: without faults
    rwd_output list, amendments, truth;
    bool lists, amends, tells;       // these are wanted
} making;

static bool open_list(rwd_cli *cli, rwd_io *io, rwd_flag_id flag, rwd_output *out, bool *out_wanted, rwd_error *err) {
    const char *file = cli->in->values[flag];
    *out_wanted = file != NULL;
    return !file || rwd_output_open(io, file, out, err);
}

static bool begin_faults(rwd_cli *cli, rwd_io *io, making *m, rwd_error *err) {
    const char *inject = cli->in->values[RWD_FLAG_ID_INJECT];
    rwd_faults faults;
    bool lists = cli->in->values[RWD_FLAG_ID_FAULTS] || cli->in->values[RWD_FLAG_ID_AMENDMENTS] || cli->in->values[RWD_FLAG_ID_TRUTH];
    if (!inject) return !lists || rwd_fail(err, RWD_E_USAGE, "--faults, --amendments and --truth say what --inject did, which is not given");
    if (m->how.bad_per_million) return rwd_fail(err, RWD_E_USAGE, "--bad and --inject: give --inject malformed=N instead");
    if (!rwd_faults_parse(inject, &faults, err)) return false;
    m->faulty = rwd_faulty_new(&m->how, &faults, m->records);
    return open_list(cli, io, RWD_FLAG_ID_FAULTS, &m->list, &m->lists, err) && open_list(cli, io, RWD_FLAG_ID_AMENDMENTS, &m->amendments, &m->amends, err) &&
           open_list(cli, io, RWD_FLAG_ID_TRUTH, &m->truth, &m->tells, err);
}

static bool end_faults(making *m, bool worked, rwd_error *err) {
    rwd_output *outputs[] = {m->lists ? &m->list : NULL, m->amends ? &m->amendments : NULL, m->tells ? &m->truth : NULL};
    for (size_t i = 0; i < sizeof(outputs) / sizeof(*outputs); i++) {
        worked = worked && (!outputs[i] || rwd_output_commit(outputs[i], err));
        if (outputs[i]) rwd_output_close(outputs[i]);
    }
    rwd_faulty_free(m->faulty);
    return worked;
}

// Records up to `until` true ones into the buffer; before the first, the header.
static bool append_records(making *m, uint64_t until, rwd_buf *out, rwd_error *err) {
    if (m->faulty) {
        for (; m->done < until; m->done++)
            (void)rwd_faulty_step(m->faulty, out, m->lists ? &m->list.text : NULL, m->amends ? &m->amendments.text : NULL, m->tells ? &m->truth.text : NULL);
        return (!m->lists || rwd_output_step(&m->list, err)) && (!m->amends || rwd_output_step(&m->amendments, err)) && (!m->tells || rwd_output_step(&m->truth, err));
    }
    rwd_buf_reserve(out, (until - m->done + 1) * RWD_GENERATE_BYTES_MAX);
    if (m->done == 0) out->size += rwd_generate_header(&m->how, (char *)out->data + out->size);
    for (; m->done < until; m->done++) out->size += rwd_generate_record(&m->how, m->done, (char *)out->data + out->size);
    return true;
}

static bool generate_at_once(rwd_cli *cli, rwd_io *io, making *m, rwd_error *err) {
    rwd_output output;
    if (!rwd_output_open(io, cli->in->values[RWD_FLAG_ID_FILE], &output, err)) return false;
    bool worked = true, first = true;
    uint64_t step = RWD_OUTPUT_PIECE / RWD_GENERATE_BYTES_MAX;
    for (; worked && (m->done < m->records || first); first = false) {
        uint64_t left = m->records - m->done;
        worked = append_records(m, m->done + (left < step ? left : step), &output.text, err) && rwd_output_step(&output, err);
    }
    worked = worked && rwd_output_commit(&output, err);
    rwd_output_close(&output);
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
static bool generate_slowly(rwd_cli *cli, making *m, uint64_t rate, rwd_error *err) {
    const char *file = cli->in->values[RWD_FLAG_ID_FILE];
    int fd = file ? open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : STDOUT_FILENO;
    if (fd < 0) {
        rwd_fail_errno(err, errno, "cannot make the file");
        return rwd_error_at(err, "%s", file);
    }
    rwd_buf text = {0};
    int64_t began_ns = rwd_clock_ns(cli->clock);
    bool worked = true;
    while (worked && m->done < m->records) {
        uint64_t due = (uint64_t)((double)(rwd_clock_ns(cli->clock) - began_ns) / 1e9 * (double)rate) + 1;
        if (due > m->records) due = m->records;
        uint64_t most = m->done + RWD_OUTPUT_PIECE / RWD_GENERATE_BYTES_MAX;
        bool behind = due > most;
        if (behind) due = most;
        if (due > m->done) worked = append_records(m, due, &text, err);
        worked = worked && write_piece(fd, &text, err);
        if (worked && m->done < m->records && !behind) cli->clock->sleep_ns(cli->clock, TICK_NS);
    }
    rwd_buf_deinit(&text);
    if (file) close(fd);
    return worked;
}

bool rwd_run_generate(rwd_cli *cli, rwd_error *err) {
    making m = {.records = rwd_count_of(cli->in, RWD_FLAG_ID_RECORDS, RECORDS_DEFAULT)};
    uint64_t rate = rwd_count_of(cli->in, RWD_FLAG_ID_RATE, 0);
    rwd_io *io;
    if (!read_options(cli, &m.how, err) || !rwd_io_pread_new(&io, err)) return false;
    bool worked = begin_faults(cli, io, &m, err);
    worked = worked && (rate ? generate_slowly(cli, &m, rate, err) : generate_at_once(cli, io, &m, err));
    worked = end_faults(&m, worked, err);
    rwd_io_free(io);
    return worked;
}
