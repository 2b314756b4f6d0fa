// Jobs from text, for the tests of operator/config.
//
// Thread: one.
#ifndef TESTS_UNIT_CONFIG_TEST_H
#define TESTS_UNIT_CONFIG_TEST_H

#include <stdlib.h>
#include <string.h>

#include "operator/config/job.h"

#include "tests/unit/test.h"

// The least that a job file must say.
#define LEAST                                                      \
    "job: orders\n"                                                \
    "source: {file: {path: orders.jsonl}, format: json}\n"         \
    "event: {fields: {customer: string, amount: decimal(2)}}\n"    \
    "tables: {customers: {key: customer, aggregates: {orders: count(), revenue: sum(amount)}}}\n"

static inline rwd_job *job_with(const char *text, const rwd_override *overrides, size_t count) {
    rwd_job *job = NULL;
    rwd_error err;
    if (!rwd_job_parse("job.yaml", rwd_slice_str(text), overrides, count, &job, &err)) fail_msg("%s: %s\n%s", err.place, err.cause, text);
    return job;
}

static inline rwd_job *job_of(const char *text) { return job_with(text, NULL, 0); }

// The job file is wrong, and the message is exactly this.
static inline void assert_refused_with(const char *text, const rwd_override *overrides, size_t count, const char *place, const char *cause) {
    rwd_job *job = NULL;
    rwd_error err;
    if (rwd_job_parse("job.yaml", rwd_slice_str(text), overrides, count, &job, &err)) {
        rwd_job_free(job);
        fail_msg("accepted: %s", text);
    }
    assert_int_equal(err.code, RWD_E_CONFIG);
    assert_string_equal(err.cause, cause);
    assert_string_equal(err.place, place);
}

static inline void assert_refused(const char *text, const char *place, const char *cause) { assert_refused_with(text, NULL, 0, place, cause); }

#endif
