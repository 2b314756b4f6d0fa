// Any bytes as a job file: refused with a place and a cause, or a job that prints and reads back as itself.
#include "operator/config/job.h"

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "job: j\nsource: {file: {path: in}, format: json}\nevent: {fields: {a: string, b: decimal(2)}}\n"
    "tables: {t: {key: a, aggregates: {n: count(), s: sum(b)}}}\n",
    "job: j\nsource:\n  file: {path: in.csv, follow: true}\n  format: csv\n  csv: {header: false, delimiter: \";\"}\nevent:\n  time: {field: c, ahead: 1h}\n"
    "  max_size: 64KiB\n  fields: {a: int, b: bool, c: {type: time, format: \"%F %T\"}}\n"
    "tables:\n  t:\n    key: [a, b]\n    aggregates:\n      n: count()\n      m: max(c)\n"
    "sinks:\n  - {table: t, file: {path: out}, format: csv, fields: [m], emit: update}\n",
    "job: ${A:-j}\nsource: {file: {path: \"$${x\"}, format: json}\nevent: {time: {field: m.ts, format: epoch-ms}, fields: {a: int}}\n"
    "tables: {t: {key: a, aggregates: {n: count()}}}\n"
    "state: {path: d, memory: 64MiB}\ncheckpoints: {every: 1s, keep: {last: 2}, full: {every: 1h, keep: 0}}\n"
    "delivery: {commit_at: {offset_multiple: 10}}\nerrors: {dead_letter: {file: {path: dead}}}\non_stop: park\nhttp: {listen: \"[::1]:0\"}\n",
    "{\"job\": \"j\", \"sinks\": [{\"file\": &a {}}, *a]}", "a: [b, {c: d\n---\n", "? {a: b}\n: - c\n", "job: |\n  text\n", NULL,
};

static void check_again(const rwd_job *job, bool json) {
    rwd_buf printed = {0};
    rwd_job *again;
    rwd_error err;
    rwd_job_print(job, json, &printed);
    FUZZ_CHECK(rwd_job_parse("printed", rwd_buf_slice(&printed), NULL, 0, &again, &err));
    FUZZ_CHECK(rwd_hash128_equal(job->logic, again->logic) && rwd_hash128_equal(job->sinks_hash, again->sinks_hash));
    rwd_job_free(again);
    rwd_buf_deinit(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rwd_job *job;
    rwd_error err;
    if (rwd_job_parse("job", rwd_slice_of(data, size), NULL, 0, &job, &err)) {
        check_again(job, false);
        check_again(job, true);
        rwd_job_free(job);
    } else {
        FUZZ_CHECK(err.code == RWD_E_CONFIG && err.cause[0] && err.place[0]);
        FUZZ_CHECK(rwd_utf8_valid(rwd_slice_str(err.cause)));
    }
    return 0;
}
