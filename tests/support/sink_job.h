// A small job made by hand, and rows for it: what the tests of the sinks publish.
//
// The table "customers" has the key (customer: string) and the columns orders = count(), revenue = sum(amount: decimal(2)), last = max(at: time).
//
// Thread: tests run one after the other.
#ifndef TESTS_SUPPORT_SINK_JOB_H
#define TESTS_SUPPORT_SINK_JOB_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/config/job.h"
#include "operator/sink/file.h"
#include "state/budget.h"
#include "state/row.h"
#include "tests/unit/test.h"

#define OK(call)                                                                                                                  \
    do {                                                                                                                          \
        rwd_error_clear(&err);                                                                                                    \
        if (!(call)) {                                                                                                            \
            char why_[2048];                                                                                                      \
            rwd_error_format(&err, why_, sizeof(why_));                                                                           \
            fail_msg("%s: %s", #call, why_);                                                                                      \
        }                                                                                                                         \
    } while (0)
#define FAILS(call, expected)                                                                                                     \
    do {                                                                                                                          \
        rwd_error_clear(&err);                                                                                                    \
        assert_false(call);                                                                                                       \
        assert_string_equal(rwd_code_name(err.code), rwd_code_name(expected));                                                    \
    } while (0)

typedef struct sink_job {
    rwd_job job;
    rwd_job_table table;
    rwd_job_sink sinks[4];
    rwd_budget budget;
    char dir[256];
} sink_job;

// A new empty folder for one test.
static inline void sink_job_init(sink_job *j) {
    rwd_error err;
    *j = (sink_job){0};
    const char *temp = getenv("TMPDIR");
    if (!temp) temp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";  // where a sync costs nothing
    (void)snprintf(j->dir, sizeof(j->dir), "%s/rewind-sink-XXXXXX", temp);
    assert_non_null(mkdtemp(j->dir));
    rwd_schema *schema = &j->table.schema;
    rwd_schema_init(schema, 0, "customers");
    OK(rwd_schema_add_part(schema, "customer", RWD_TYPE_STRING, 0, &err));
    OK(rwd_schema_add_column(schema, "orders", rwd_aggregate_find("count"), RWD_TYPE_INT, 0, &err));
    OK(rwd_schema_add_column(schema, "revenue", rwd_aggregate_find("sum"), RWD_TYPE_DECIMAL, 2, &err));
    OK(rwd_schema_add_column(schema, "last", rwd_aggregate_find("max"), RWD_TYPE_TIME, 0, &err));
    j->job.tables = &j->table;
    j->job.table_count = 1;
    j->job.sinks = j->sinks;
    OK(rwd_budget_init(&j->budget, RWD_BUDGET_MIN, &err));
}

static inline char *sink_job_path(const sink_job *j, const char *name) { return rwd_strf("%s/%s", j->dir, name); }

static inline void sink_job_add(sink_job *j, const char *name, rwd_format format, rwd_emit emit) {
    j->sinks[j->job.sink_count++] = (rwd_job_sink){.path = sink_job_path(j, name), .format = format, .emit = emit};
}

static inline void sink_job_dead_letters(sink_job *j, const char *name) { j->job.dead_letter_path = sink_job_path(j, name); }

static inline void sink_job_deinit(sink_job *j) {
    rwd_error err;
    for (unsigned i = 0; i < RWD_SHARE_COUNT; i++) assert_int_equal(j->budget.used[i], 0);
    for (size_t i = 0; i < j->job.sink_count; i++) free(j->sinks[i].path);
    free(j->job.dead_letter_path);
    rwd_schema_deinit(&j->table.schema);
    OK(rwd_remove_tree(j->dir, &err));
}

// ---- rows

typedef struct sink_row {
    uint8_t key[256];
    size_t key_size;
    uint8_t row[64];
    uint32_t row_size;
} sink_row;

static inline sink_row sink_row_of(const sink_job *j, const char *customer, int64_t orders, int64_t cents) {
    const rwd_schema *schema = &j->table.schema;
    sink_row r = {.row_size = schema->row_size};
    rwd_value key = {.s = rwd_slice_str(customer), .present = true};
    uint8_t encoded[RWD_KEY_BYTES_MAX];
    r.key_size = rwd_key_encode(schema, &key, encoded);
    assert_in_range(r.key_size, 1, sizeof(r.key));
    memcpy(r.key, encoded, r.key_size);
    rwd_row_init(schema, r.row);
    rwd_put_le64(r.row, (uint64_t)orders);  // count: 8 bytes; sum of decimals: 16
    rwd_i128 sum = cents;
    memcpy(r.row + 8, &sum, sizeof(sum));
    return r;
}

static inline void sink_put(rwd_sink *sink, const sink_job *j, size_t output, const char *customer, int64_t orders, int64_t cents, int64_t offset) {
    sink_row r = sink_row_of(j, customer, orders, cents);
    sink->ops->put_row(sink, output, rwd_slice_of(r.key, r.key_size), r.row, r.row_size, offset);
}

static inline void sink_put_gone(rwd_sink *sink, const sink_job *j, size_t output, const char *customer, int64_t offset) {
    sink_row r = sink_row_of(j, customer, 0, 0);
    sink->ops->put_row(sink, output, rwd_slice_of(r.key, r.key_size), NULL, 0, offset);
}

static inline rwd_dead_letter sink_dead_letter(int64_t offset, rwd_slice value) {
    return (rwd_dead_letter){
        .source = "orders.csv", .offset = offset, .time_us = RWD_TIME_NONE, .position = (uint64_t)offset * 10, .code = RWD_E_MISSING_FIELD,
        .field = "amount", .reason = rwd_slice_str("field 'amount': absent"), .value = value, .full_size = value.size,
    };
}

static inline void sink_put_dead(rwd_sink *sink, int64_t offset, const char *value) {
    rwd_error err;
    rwd_dead_letter letter = sink_dead_letter(offset, rwd_slice_str(value));
    OK(sink->ops->put_dead_letter(sink, &letter, &err));
}

// ---- commits

static inline rwd_sink *sink_open(sink_job *j, rwd_io *io) {
    rwd_error err;
    rwd_sink *sink = NULL;
    if (!io) OK(rwd_io_pread_new(&io, &err));
    OK(rwd_file_sink_open(&j->job, io, rwd_clock_system(), &j->budget, &sink, &err));
    rwd_file_sink_set_lineage(sink, (rwd_hash128){0xbeef, 0});
    return sink;
}

static inline rwd_commit sink_commit_of(int64_t next_offset) {
    return (rwd_commit){
        .next_offset = next_offset, .source = {1, 2}, .repository = {3, 4}, .owner = 0xfeedfacecafebeef, .term = 7, .lineage = {5, 6},
        .switch_number = 1, .input_count = (uint64_t)next_offset, .input_hash = {(uint64_t)next_offset * 31, 9},
    };
}

static inline rwd_commit_outcome sink_outcome(rwd_sink *sink, rwd_commit *out, rwd_error *err) {
    for (;;) {
        rwd_commit_outcome outcome = sink->ops->poll(sink, out, err);
        if (outcome != RWD_COMMIT_RUNNING) return outcome;
        sink->ops->wait(sink, 1000000000);
    }
}

static inline rwd_commit_outcome sink_commit(rwd_sink *sink, int64_t next_offset, rwd_error *err) {
    rwd_commit commit = sink_commit_of(next_offset), told;
    sink->ops->commit_async(sink, &commit);
    rwd_commit_outcome outcome = sink_outcome(sink, &told, err);
    assert_int_equal(told.next_offset, next_offset);
    return outcome;
}

// -1: nothing was ever committed.
static inline int64_t sink_recover(rwd_sink *sink) {
    rwd_error err;
    rwd_commit commit;
    bool found;
    OK(sink->ops->recover(sink, &commit, &found, &err));
    return found ? commit.next_offset : -1;
}

static inline int64_t sink_peek(rwd_sink *sink) {
    rwd_error err;
    rwd_commit commit;
    bool found;
    OK(sink->ops->peek(sink, &commit, &found, &err));
    return found ? commit.next_offset : -1;
}

// ---- files

// Gives the bytes with a NUL behind them; an absent file is NULL.
static inline char *file_text(const char *path) {
    rwd_error err;
    rwd_buf bytes = {0};
    if (!rwd_path_exists(path)) return NULL;
    OK(rwd_read_file(path, (size_t)1 << 30, &bytes, &err));
    (void)rwd_buf_cstr(&bytes);
    return (char *)bytes.data;
}

static inline void assert_file(const char *path, const char *expected) {
    char *text = file_text(path);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static inline void file_write(const char *path, const void *data, size_t size, bool append) {
    FILE *file = fopen(path, append ? "ab" : "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

#endif
