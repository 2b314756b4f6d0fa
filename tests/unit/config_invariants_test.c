// Invariants: what a job file may say, and what a row violates.
#include "operator/config/invariants.h"

#include "state/row.h"
#include "tests/unit/config_test.h"

#define WITH LEAST "invariants:\n"
#define CHECKED                                                                       \
    LEAST                                                                             \
    "invariants:\n"                                                                   \
    "  - {check: revenue >= 0}\n"                                                     \
    "  - {table: customers, check: 'revenue/orders   < 100', on_violation: park}\n"   \
    "  - {table: customers, check: revenue / (orders - 2) > 0.00}\n"

static void they_are_held_as_written(void **state) {
    (void)state;
    rwd_job *job = job_of(CHECKED);
    rwd_buf text = {0};
    assert_int_equal(job->invariant_count, 3);
    assert_int_equal(job->invariants[0].on_violation, RWD_ON_VIOLATION_ALERT);
    assert_int_equal(job->invariants[1].on_violation, RWD_ON_VIOLATION_PARK);
    assert_true(rwd_invariants_has(job, 0));
    rwd_invariant_text(job, 1, &text);
    assert_string_equal(rwd_buf_cstr(&text), "customers: revenue / orders < 100");
    rwd_buf_deinit(&text);
    rwd_job_free(job);
}

static void what_is_printed_gives_the_same_ones(void **state) {
    (void)state;
    rwd_job *job = job_of(CHECKED);
    rwd_buf text = {0};
    rwd_job_print(job, false, &text);
    rwd_job *again = job_of(rwd_buf_cstr(&text));
    assert_true(rwd_hash128_equal(rwd_invariants_hash(job), rwd_invariants_hash(again)));
    assert_int_equal(again->invariants[1].on_violation, RWD_ON_VIOLATION_PARK);
    rwd_buf_deinit(&text);
    rwd_job_free(again);
    rwd_job_free(job);
}

static void they_are_no_part_of_the_logic(void **state) {
    (void)state;
    rwd_job *with = job_of(CHECKED), *without = job_of(LEAST);
    assert_true(rwd_hash128_equal(with->logic, without->logic));
    assert_true(rwd_hash128_equal(with->sinks_hash, without->sinks_hash));
    assert_false(rwd_hash128_equal(rwd_invariants_hash(with), rwd_invariants_hash(without)));
    assert_false(rwd_invariants_has(without, 0));
    rwd_job_free(with);
    rwd_job_free(without);
}

static void mistakes_are_said_with_their_place(void **state) {
    (void)state;
    assert_refused(WITH "  - {table: custommers, check: revenue >= 0}\n", "job.yaml:6:13", "invariants[0].table: unknown table \"custommers\"; did you mean \"customers\"?");
    assert_refused(WITH "  - {table: customers}\n", "job.yaml:6:5", "invariants[0].check is missing; for example check: revenue >= 0");
    assert_refused(WITH "  - {check: revenue}\n", "job.yaml:6:13",
                   "invariants[0].check: a condition is true or false, and this is of type decimal; for example: amount > 0");
    assert_refused(WITH "  - {check: revenu > 0}\n", "job.yaml:6:13", "invariants[0].check: there is no column 'revenu'; did you mean 'revenue'?");
    assert_refused(WITH "  - {check: revenue > 0, on_violation: stop}\n", "job.yaml:6:40",
                   "invariants[0].on_violation: unknown word \"stop\"; known here: alert, park");
}

// A row of so many orders that come to so many cents each.
static uint32_t row_of(const rwd_job *job, int orders, int64_t cents, uint8_t *row) {
    const rwd_schema *schema = &job->tables[0].schema;
    rwd_value args[2] = {{.present = true}, {.d = cents, .present = true}};
    uint8_t next[256];
    uint32_t size = schema->row_size;
    size_t column;
    rwd_row_init(schema, row);
    for (int i = 0; i < orders; i++) {
        assert_int_equal(rwd_row_apply(schema, row, size, args, NULL, &(rwd_moment){0}, next, sizeof next, &size, &column), RWD_E_NONE);
        memcpy(row, next, size);
    }
    return size;
}

static rwd_slice key_of(const rwd_job *job, const char *customer, uint8_t *out) {
    rwd_value part = {.s = rwd_slice_str(customer), .present = true};
    return rwd_slice_of(out, rwd_key_encode(&job->tables[0].schema, &part, out));
}

static void a_row_violates_what_is_false_and_not_what_is_null_or_cannot_be_evaluated(void **state) {
    (void)state;
    rwd_job *job = job_of(CHECKED);
    rwd_answers answers = {0};
    uint8_t row[256], bytes[RWD_KEY_BYTES_MAX];
    rwd_slice key = key_of(job, "a", bytes);
    row_of(job, 3, 500, row);
    assert_int_equal(rwd_invariants_violated(&answers, job, 0, key, row, false), 0);
    row_of(job, 3, 10000, row);
    assert_int_equal(rwd_invariants_violated(&answers, job, 0, key, row, false), 1u << 1);
    assert_int_equal(rwd_invariants_parking(job, 7), 1u << 1);
    row_of(job, 1, 500, row);
    assert_int_equal(rwd_invariants_violated(&answers, job, 0, key, row, false), 1u << 2);
    row_of(job, 2, 500, row);  // the third divides by zero
    assert_int_equal(rwd_invariants_violated(&answers, job, 0, key, row, false), 0);
    row_of(job, 0, 0, row);    // the second divides by zero, the third is 0 / -2
    assert_int_equal(rwd_invariants_violated(&answers, job, 0, key, row, false), 1u << 2);
    assert_int_equal(rwd_invariants_violated(&answers, job, 0, key, NULL, false), 0);
    rwd_answers_deinit(&answers);
    rwd_job_free(job);
}

static void changed_rows_are_counted_by_what_they_were_and_are(void **state) {
    (void)state;
    rwd_job *job = job_of(CHECKED);
    rwd_answers answers = {0};
    rwd_invariant_tally tallies[3] = {0};
    uint8_t bad[256], good[256], bytes[RWD_KEY_BYTES_MAX];
    uint32_t bad_size = row_of(job, 3, -1, bad), good_size = row_of(job, 3, 1, good);
    rwd_error err;
    assert_true(rwd_invariants_tally(tallies, &answers, job, 0, key_of(job, "begins", bytes), good, good_size, bad, bad_size, &err));
    assert_true(rwd_invariants_tally(tallies, &answers, job, 0, key_of(job, "is new", bytes), NULL, 0, bad, bad_size, &err));
    assert_true(rwd_invariants_tally(tallies, &answers, job, 0, key_of(job, "goes on", bytes), bad, bad_size, bad, bad_size, &err));
    assert_true(rwd_invariants_tally(tallies, &answers, job, 0, key_of(job, "ends", bytes), bad, bad_size, good, good_size, &err));
    assert_true(rwd_invariants_tally(tallies, &answers, job, 0, key_of(job, "leaves", bytes), bad, bad_size, NULL, 0, &err));
    assert_int_equal(tallies[0].before, 3);
    assert_int_equal(tallies[0].after, 3);
    assert_int_equal(tallies[0].begun, 2);
    assert_int_equal(tallies[0].ended, 2);
    assert_string_equal(tallies[0].key, "begins");
    assert_string_equal(tallies[0].row, "{\"orders\":3,\"revenue\":-0.03}");
    assert_int_equal(tallies[1].after, 0);
    assert_false(rwd_invariants_tally(tallies, &answers, job, 0, key_of(job, "x", bytes), NULL, 0, bad, 3, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    rwd_answers_deinit(&answers);
    rwd_job_free(job);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_held_as_written),
        cmocka_unit_test(what_is_printed_gives_the_same_ones),
        cmocka_unit_test(they_are_no_part_of_the_logic),
        cmocka_unit_test(mistakes_are_said_with_their_place),
        cmocka_unit_test(a_row_violates_what_is_false_and_not_what_is_null_or_cannot_be_evaluated),
        cmocka_unit_test(changed_rows_are_counted_by_what_they_were_and_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
