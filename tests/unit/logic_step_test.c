// The step that a job's tables define, against totals kept by hand.
#include "tests/support/random.h"
#include "state/key_text.h"
#include "state/row.h"
#include "tests/unit/logic_support.h"

#define EVENT                                                                                                                     \
    "  time: {field: ts, ahead: 1h}\n"                                                                       \
    "  fields: {customer: string, country: string, amount: decimal(2), quantity: int, ts: {type: time, format: epoch-ms}}"
#define TABLES                                                                                                                    \
    "  customers: {key: customer, aggregates: {n: count(), revenue: sum(amount), least: min(quantity), last: max(ts)}}\n"          \
    "  places: {key: [country, customer], aggregates: {units: sum(quantity)}}"

typedef struct fixture {
    rwd_job *job;
    rwd_decoder *decoder;
    rwd_step *step;
    uint8_t keys[2 * RWD_KEY_BYTES_MAX];
    rwd_touch touches[2];
    size_t touch_count, keys_used;
    rwd_fault fault;
} fixture;

static fixture f;
static int begin(void **state) {
    (void)state;
    rwd_error err;
    f.job = job_of("json", EVENT, TABLES);
    f.step = rwd_step_new(f.job);
    return rwd_decoder_new(f.job, NULL, 0, &f.decoder, &err) ? 0 : -1;
}
static int end(void **state) {
    (void)state;
    f.step->ops->free(f.step);
    rwd_decoder_free(f.decoder);
    rwd_job_free(f.job);
    return 0;
}

// An event with fields in the job's order: customer, country, amount, quantity, ts.
static rwd_event event_of(rwd_value values[5], const char *customer, const char *country, rwd_i128 cents, int64_t quantity, int64_t time_us) {
    values[0] = (rwd_value){.s = rwd_slice_str(customer), .present = true};
    values[1] = (rwd_value){.s = rwd_slice_str(country), .present = true};
    values[2] = (rwd_value){.d = cents, .present = true};
    values[3] = (rwd_value){.i = quantity, .present = true};
    values[4] = (rwd_value){.i = time_us, .present = true};
    static const rwd_record of_a_file = {.time_us = RWD_TIME_NONE};
    return (rwd_event){.fields = values, .time_us = time_us, .record = &of_a_file};
}

static bool route(const rwd_event *event) {
    return f.step->ops->route(f.step, event, 7, f.touches, &f.touch_count, f.keys, &f.keys_used, &f.fault);
}

static void an_event_touches_one_key_in_each_table(void **state) {
    (void)state;
    rwd_value values[5];
    rwd_event event = event_of(values, "anna", "DE", 1250, 3, 0);
    assert_true(route(&event));
    assert_int_equal(f.touch_count, 2);
    size_t used = 0;
    for (uint16_t t = 0; t < 2; t++) {
        const rwd_schema *schema = &f.job->tables[t].schema;
        rwd_value parts[2] = {values[t == 0 ? 0 : 1], values[0]};
        uint8_t key[RWD_KEY_BYTES_MAX];
        size_t size = rwd_key_encode(schema, parts, key);
        assert_int_equal(f.touches[t].key_size, size);
        assert_memory_equal(f.touches[t].key, key, size);
        assert_int_equal(f.touches[t].hash, rwd_key_hash(t, rwd_slice_of(key, size)));
        assert_int_equal(f.touches[t].table, t);
        assert_int_equal(f.touches[t].event, 7);
        used += size;
    }
    assert_int_equal(f.keys_used, used);
}

static void expect_keys(const char *record_key, bool customers, bool places) {
    const rwd_record record = {.tombstone = true, .time_us = RWD_TIME_NONE, .key = rwd_slice_str(record_key)};
    const rwd_event event = {.time_us = RWD_TIME_NONE, .record = &record};
    assert_true(route(&event));
    assert_int_equal(f.touch_count, (size_t)customers + places);
    rwd_buf text = {0}, scratch = {0};
    for (size_t i = 0; i < f.touch_count; i++) {
        const rwd_touch *touch = &f.touches[i];
        assert_int_equal(touch->table, customers ? i : 1);
        rwd_buf_clear(&text);
        assert_true(rwd_key_write_text(&f.job->tables[touch->table].schema, rwd_slice_of(touch->key, touch->key_size), &scratch, &text));
        assert_string_equal(rwd_buf_cstr(&text), record_key);
        uint8_t row[256] = {0};
        uint32_t size = 0;
        assert_int_equal(f.step->ops->apply(f.step, &event, touch, row, sizeof row, row, &size, &f.fault), RWD_CHANGE_DELETE);
        assert_int_equal(f.step->ops->apply(f.step, &event, touch, NULL, 0, row, &size, &f.fault), RWD_CHANGE_NONE);
    }
    rwd_buf_deinit(&text);
    rwd_buf_deinit(&scratch);
}

static void expect_undeletable(rwd_slice key) {
    const rwd_record record = {.tombstone = true, .time_us = RWD_TIME_NONE, .key = key};
    const rwd_event event = {.time_us = RWD_TIME_NONE, .record = &record};
    assert_false(route(&event));
    assert_int_equal(f.fault.code, RWD_E_MALFORMED);
    assert_int_equal(f.fault.field, -1);
}

static void a_tombstone_deletes_its_key_where_keys_have_that_form(void **state) {
    (void)state;
    f.job->source.tombstone = RWD_TOMBSTONE_DELETE;
    expect_keys("anna", true, false);
    expect_keys("[\"DE\",\"anna\"]", true, true);
    expect_keys("", true, false);
    expect_undeletable(rwd_slice_of(NULL, 0));
    expect_undeletable(rwd_slice_str("\xff"));
    f.job->source.tombstone = RWD_TOMBSTONE_IGNORE;
    expect_keys("anna", false, false);
}

static void a_key_that_is_too_long_is_too_large_and_names_its_longest_part(void **state) {
    (void)state;
    char *name = rwd_malloc(RWD_KEY_BYTES_MAX + 1);
    memset(name, 'x', RWD_KEY_BYTES_MAX);
    name[RWD_KEY_BYTES_MAX] = '\0';
    rwd_value values[5];
    rwd_event event = event_of(values, "anna", name, 1250, 3, 0);
    assert_false(route(&event));
    assert_int_equal(f.fault.code, RWD_E_TOO_LARGE);
    assert_int_equal(f.fault.field, 1);
    rwd_buf words = {0};
    rwd_fault_text(f.job, &f.fault, &words);
    assert_string_equal(rwd_buf_cstr(&words), "field 'country': the key is too long");
    rwd_buf_deinit(&words);
    free(name);
}

static void rows_are_the_totals_of_their_events(void **state) {
    (void)state;
    test_random random = test_random_of(3);
    uint8_t rows[2][RWD_ROW_BYTES_MAX], next[RWD_ROW_BYTES_MAX];
    int64_t count = 0, least = INT64_MAX, last = INT64_MIN, units = 0;
    rwd_i128 revenue = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t quantity = (int64_t)test_random_below(&random, 200) - 100, time = (int64_t)test_random_below(&random, 1000000);
        rwd_i128 cents = (rwd_i128)test_random_u64(&random) * 1000003 - ((rwd_i128)1 << 80);
        rwd_value values[5], read;
        rwd_event event = event_of(values, "anna", "DE", cents, quantity, time);
        assert_true(route(&event));
        for (int t = 0; t < 2; t++) {
            uint32_t size = 0, old_size = f.job->tables[t].schema.row_size;
            assert_int_equal(f.step->ops->apply(f.step, &event, &f.touches[t], i ? rows[t] : NULL, i ? old_size : 0, next, &size, &f.fault), RWD_CHANGE_WRITE);
            assert_int_equal(size, old_size);
            memcpy(rows[t], next, size);
        }
        count++;
        revenue += cents;
        units += quantity;
        if (quantity < least) least = quantity;
        if (time > last) last = time;
        const rwd_schema *customers = &f.job->tables[0].schema;
        rwd_row_read(customers, 0, rows[0], &read);
        assert_int_equal(read.i, count);
        rwd_row_read(customers, 1, rows[0], &read);
        assert_true(read.d == revenue);
        rwd_row_read(customers, 2, rows[0], &read);
        assert_int_equal(read.i, least);
        rwd_row_read(customers, 3, rows[0], &read);
        assert_int_equal(read.i, last);
        rwd_row_read(&f.job->tables[1].schema, 0, rows[1], &read);
        assert_int_equal(read.i, units);
    }
}

static void a_total_that_would_overflow_is_a_fault_and_the_old_row_stays(void **state) {
    (void)state;
    uint8_t row[RWD_ROW_BYTES_MAX], before[RWD_ROW_BYTES_MAX], next[RWD_ROW_BYTES_MAX];
    uint32_t size = 0;
    rwd_value values[5];
    rwd_event event = event_of(values, "anna", "DE", 0, INT64_MAX, 0);
    assert_true(route(&event));
    assert_int_equal(f.step->ops->apply(f.step, &event, &f.touches[1], NULL, 0, row, &size, &f.fault), RWD_CHANGE_WRITE);
    memcpy(before, row, size);
    event = event_of(values, "anna", "DE", 0, 1, 0);
    assert_int_equal(f.step->ops->apply(f.step, &event, &f.touches[1], row, size, next, &size, &f.fault), RWD_CHANGE_FAULT);
    assert_int_equal(f.fault.code, RWD_E_OVERFLOW);
    assert_int_equal(f.fault.field, 3);
    assert_memory_equal(row, before, f.job->tables[1].schema.row_size);
}

// S2 for files.
static void an_event_too_far_ahead_of_stream_time_is_future(void **state) {
    (void)state;
    const int64_t hour = 3600000000;
    rwd_value values[5];
    rwd_event event = event_of(values, "anna", "DE", 0, 0, 10 * hour);
    assert_int_equal(f.step->ops->judge(f.step, &event, 9 * hour), RWD_E_NONE);
    assert_int_equal(f.step->ops->judge(f.step, &event, 9 * hour - 1), RWD_E_FUTURE);
    assert_int_equal(f.step->ops->judge(f.step, &event, 20 * hour), RWD_E_NONE);
}

static void where_records_have_a_time_that_decides(void **state) {
    (void)state;
    const int64_t hour = 3600000000;
    rwd_value values[5];
    rwd_event event = event_of(values, "anna", "DE", 0, 0, 10 * hour);
    event.record = &(rwd_record){.time_us = 9 * hour};
    assert_int_equal(f.step->ops->judge(f.step, &event, RWD_TIME_NONE), RWD_E_NONE);
    assert_int_equal(f.step->ops->judge(f.step, &event, 0), RWD_E_NONE);
    event.record = &(rwd_record){.time_us = 9 * hour - 1};
    assert_int_equal(f.step->ops->judge(f.step, &event, RWD_TIME_NONE), RWD_E_FUTURE);
    assert_int_equal(f.step->ops->judge(f.step, &event, 20 * hour), RWD_E_FUTURE);
}

static void the_first_event_is_never_future(void **state) {
    (void)state;
    rwd_value values[5];
    rwd_event event = event_of(values, "anna", "DE", 0, 0, RWD_TIME_MAX);
    assert_int_equal(f.step->ops->judge(f.step, &event, RWD_TIME_NONE), RWD_E_NONE);
}

static void nothing_is_future_unless_ahead_is_set(void **state) {
    (void)state;
    rwd_job *job = job_of("json", "  time: {field: ts, format: epoch-ms}\n  fields: {customer: string}", "  t: {key: customer, aggregates: {n: count()}}");
    rwd_step *step = rwd_step_new(job);
    rwd_value values[5];
    rwd_event event = event_of(values, "anna", "DE", 0, 0, RWD_TIME_MAX);
    assert_int_equal(step->ops->judge(step, &event, 0), RWD_E_NONE);
    step->ops->free(step);
    rwd_job_free(job);
}

// ---- expressions

#define EXPRESSION_TABLES                                                                                                        \
    "  sales: {key: {who: upper(customer), big: amount > 100}, where: quantity != 0,\n"                                          \
    "          aggregates: {n: count() where quantity > 0, value: sum(amount * quantity), price: max(amount / quantity), refunds: sum(-quantity) where quantity < 0}}\n" \
    "  ratios: {key: country, where: amount * quantity > 0, aggregates: {worst: \"min(round(amount / (quantity - 7), 2)) where quantity >= 7\"}}"

typedef struct expressions {
    rwd_job *job;
    rwd_step *step;
    uint8_t keys[2 * RWD_KEY_BYTES_MAX];
    rwd_touch touches[2];
    size_t touch_count, keys_used;
    rwd_fault fault;
} expressions;

static void begin_expressions(expressions *e) {
    *e = (expressions){.job = job_of("json", EVENT, EXPRESSION_TABLES)};
    e->step = rwd_step_new(e->job);
    e->step->ops->begin(e->step);
}
static void end_expressions(expressions *e) {
    e->step->ops->free(e->step);
    rwd_job_free(e->job);
}
static bool route_of(expressions *e, const rwd_event *event, uint32_t index) {
    return e->step->ops->route(e->step, event, index, e->touches, &e->touch_count, e->keys, &e->keys_used, &e->fault);
}

static void expect_row(const expressions *e, const rwd_event *event, size_t touch, const char *key, const char *columns) {
    const rwd_schema *schema = &e->job->tables[e->touches[touch].table].schema;
    uint8_t row[RWD_ROW_BYTES_MAX];
    uint32_t size = 0;
    rwd_fault fault;
    rwd_buf text = {0}, scratch = {0};
    assert_true(rwd_key_write_text(schema, rwd_slice_of(e->touches[touch].key, e->touches[touch].key_size), &scratch, &text));
    assert_string_equal(rwd_buf_cstr(&text), key);
    assert_int_equal(e->step->ops->apply(e->step, event, &e->touches[touch], NULL, 0, row, &size, &fault), RWD_CHANGE_WRITE);
    rwd_buf_clear(&text);
    for (size_t i = 0; i < schema->column_count; i++) {
        rwd_buf_append_str(&text, i ? " " : "");
        rwd_row_append_json(schema, i, row, &text);
    }
    assert_string_equal(rwd_buf_cstr(&text), columns);
    rwd_buf_deinit(&text);
    rwd_buf_deinit(&scratch);
}

static void keys_conditions_and_arguments_may_be_expressions(void **state) {
    (void)state;
    expressions e;
    begin_expressions(&e);
    assert_int_equal(e.job->event.expr_count, 11);
    rwd_value values[5], more[5];
    rwd_event sale = event_of(values, "Anna", "DE", 1250, 10, 0), refund = event_of(more, "Bert", "FR", 25000, -2, 0);
    assert_true(route_of(&e, &sale, 300));  // beyond the room that there is at first
    assert_int_equal(e.touch_count, 2);
    expect_row(&e, &sale, 0, "[\"ANNA\",false]", "1 125.00 1.250000 0");
    expect_row(&e, &sale, 1, "DE", "4.17");
    assert_true(route_of(&e, &refund, 0));
    assert_int_equal(e.touch_count, 1);
    expect_row(&e, &refund, 0, "[\"BERT\",true]", "0 -500.00 -125.000000 2");
    end_expressions(&e);
}

static void a_table_is_not_touched_where_its_condition_is_false_and_evaluates_nothing_then(void **state) {
    (void)state;
    expressions e;
    begin_expressions(&e);
    rwd_value values[5];
    rwd_event nothing = event_of(values, "Anna", "DE", 1250, 0, 0);  // amount / quantity would be at fault
    assert_true(route_of(&e, &nothing, 0));
    assert_int_equal(e.touch_count, 0);
    values[3].present = false;
    assert_true(route_of(&e, &nothing, 0));
    assert_int_equal(e.touch_count, 0);
    end_expressions(&e);
}

static void a_fault_in_an_expression_names_its_place_in_the_job(void **state) {
    (void)state;
    expressions e;
    begin_expressions(&e);
    rwd_value values[5];
    rwd_event event = event_of(values, "Anna", "DE", 1250, 7, 0);
    assert_false(route_of(&e, &event, 0));
    assert_int_equal(e.fault.code, RWD_E_DIVISION_BY_ZERO);
    rwd_buf words = {0};
    rwd_fault_text(e.job, &e.fault, &words);
    assert_string_equal(rwd_buf_cstr(&words),
                        "tables.ratios.aggregates.worst: an expression divides by zero: round(amount / (quantity - 7), 2), at character 14");
    rwd_buf_deinit(&words);
    end_expressions(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_touches_one_key_in_each_table),
        cmocka_unit_test(a_tombstone_deletes_its_key_where_keys_have_that_form),
        cmocka_unit_test(a_key_that_is_too_long_is_too_large_and_names_its_longest_part),
        cmocka_unit_test(rows_are_the_totals_of_their_events),
        cmocka_unit_test(a_total_that_would_overflow_is_a_fault_and_the_old_row_stays),
        cmocka_unit_test(an_event_too_far_ahead_of_stream_time_is_future),
        cmocka_unit_test(where_records_have_a_time_that_decides),
        cmocka_unit_test(the_first_event_is_never_future),
        cmocka_unit_test(nothing_is_future_unless_ahead_is_set),
        cmocka_unit_test(keys_conditions_and_arguments_may_be_expressions),
        cmocka_unit_test(a_table_is_not_touched_where_its_condition_is_false_and_evaluates_nothing_then),
        cmocka_unit_test(a_fault_in_an_expression_names_its_place_in_the_job),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
