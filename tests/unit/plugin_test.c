// Plugins without a job: rows that plugin aggregates make, against a model; values in and out; what is refused; guards of threads.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "operator/plugin/plugin_private.h"
#include "state/row.h"

#include "tests/support/random.h"
#include "tests/unit/test.h"

static const char *shop_file;

static rwd_plugins *shop(void) {
    rwd_plugins *plugins;
    rwd_error err;
    assert_true(rwd_plugins_new(INT64_C(60000000000), &plugins, &err));
    if (!rwd_plugins_load(plugins, "./shop.so", shop_file, &err)) fail_msg("%s", err.cause);
    return plugins;
}

typedef struct table {
    rwd_plugins *plugins;
    rwd_schema schema;
} table;

static void table_init(table *t) {
    const int64_t bound[RWD_PARAMETERS_MAX] = {250};
    rwd_error err;
    t->plugins = shop();
    rwd_schema_init(&t->schema, 0, "t");
    assert_true(rwd_schema_add_column(&t->schema, "spread", rwd_plugins_aggregate(t->plugins, "shop.range"), RWD_TYPE_INT, 0, &err));
    assert_true(rwd_schema_add_column(&t->schema, "note", rwd_plugins_aggregate(t->plugins, "shop.longest"), RWD_TYPE_STRING, 0, &err));
    assert_true(rwd_schema_add_column_with(&t->schema, "large", rwd_plugins_aggregate(t->plugins, "shop.above"), RWD_TYPE_INT, 0, bound, &err));
}

static void table_deinit(table *t) {
    rwd_schema_deinit(&t->schema);
    rwd_plugins_free(t->plugins);
}

static rwd_code apply(const table *t, const uint8_t *old, uint32_t old_size, int64_t number, const char *text, uint8_t *new_row, uint32_t *size, size_t *column) {
    const rwd_moment when = {.time_us = 1, .offset = 1};
    const rwd_value args[3] = {{.i = number, .present = true}, {.s = text ? rwd_slice_str(text) : (rwd_slice){0}, .present = text != NULL}, {.i = number, .present = true}};
    return rwd_row_apply(&t->schema, old, old_size, args, NULL, &when, new_row, RWD_ROW_BYTES_MAX, size, column);
}

static void rows_are_those_of_a_model(void **state) {
    (void)state;
    table t;
    test_random r = test_random_of(7);
    table_init(&t);
    for (int round = 0; round < 200; round++) {
        static uint8_t rows[2][RWD_ROW_BYTES_MAX];
        char texts[20][12], longest[12] = "";
        bool any = false;
        int64_t least = INT64_MAX, greatest = INT64_MIN, large = 0;
        uint32_t size = 0;
        size_t column, count = 1 + test_random_below(&r, 19);
        for (size_t i = 0; i < count; i++) {
            int64_t number = (int64_t)test_random_below(&r, 20) - 10;
            size_t length = test_random_below(&r, sizeof texts[i] - 1);
            bool null = test_random_below(&r, 5) == 0;
            for (size_t c = 0; c < length; c++) texts[i][c] = (char)('a' + test_random_below(&r, 3));
            texts[i][length] = '\0';
            assert_int_equal(apply(&t, i ? rows[i % 2] : NULL, size, number, null ? NULL : texts[i], rows[(i + 1) % 2], &size, &column), RWD_E_NONE);
            if (number < least) least = number;
            if (number > greatest) greatest = number;
            large += number >= 3;
            if (null) continue;
            if (!any || length > strlen(longest) || (length == strlen(longest) && strcmp(texts[i], longest) < 0)) memcpy(longest, texts[i], sizeof longest);
            any = true;
        }
        const uint8_t *row = rows[count % 2];
        rwd_value value;
        assert_true(rwd_row_check(&t.schema, rwd_slice_of(row, size)));
        rwd_row_read(&t.schema, 0, row, &value);
        assert_true(value.present && value.i == greatest - least);
        rwd_row_read(&t.schema, 1, row, &value);
        assert_int_equal(value.present, any);
        if (any) assert_true(rwd_slice_equal(value.s, rwd_slice_str(longest)));
        rwd_row_read(&t.schema, 2, row, &value);
        assert_int_equal(value.i, large);
    }
    table_deinit(&t);
}

static void what_does_not_fit_is_the_events_fault(void **state) {
    (void)state;
    static uint8_t first[RWD_ROW_BYTES_MAX], second[RWD_ROW_BYTES_MAX];
    char text[1200];
    table t;
    uint32_t size, next;
    size_t column;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    table_init(&t);
    assert_int_equal(apply(&t, NULL, 0, INT64_MIN, "a", first, &size, &column), RWD_E_NONE);
    assert_int_equal(apply(&t, first, size, 1, "a", second, &next, &column), RWD_E_OVERFLOW);
    assert_int_equal(column, 0);
    assert_int_equal(apply(&t, first, size, INT64_MIN, text, second, &next, &column), RWD_E_TOO_LARGE);
    assert_int_equal(column, 1);
    text[1023] = '\0';
    assert_int_equal(apply(&t, first, size, INT64_MIN, text, second, &next, &column), RWD_E_NONE);
    table_deinit(&t);
}

static void values_come_back_as_they_went(void **state) {
    (void)state;
    const rwd_i128 most = (rwd_i128)10000000000000000000ull * (rwd_i128)10000000000000000000ull - 1;
    const struct { rwd_type type; rwd_value value; } cases[] = {
        {RWD_TYPE_INT, {.i = INT64_MIN, .present = true}}, {RWD_TYPE_INT, {.i = INT64_MAX, .present = true}}, {RWD_TYPE_DECIMAL, {.d = most, .present = true}},
        {RWD_TYPE_DECIMAL, {.d = -most, .present = true}}, {RWD_TYPE_DECIMAL, {.d = -1, .present = true}}, {RWD_TYPE_BOOL, {.b = true, .present = true}},
        {RWD_TYPE_FLOAT, {.f = -1.5, .present = true}}, {RWD_TYPE_TIME, {.i = -1, .present = true}}, {RWD_TYPE_INT, {.present = false}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rewind_value out;
        rwd_value back;
        rwd_buf a = {0}, b = {0};
        rwd_plugin_value_put(cases[i].type, 2, &cases[i].value, &out);
        assert_int_equal(rwd_plugin_value_get(&out, &back), RWD_E_NONE);
        rwd_value_json(&cases[i].value, cases[i].type, 2, &a);
        rwd_value_json(&back, cases[i].type, 2, &b);
        assert_string_equal(rwd_buf_cstr(&a), rwd_buf_cstr(&b));
        rwd_buf_deinit(&a);
        rwd_buf_deinit(&b);
    }
}

static void values_outside_their_type_are_refused(void **state) {
    (void)state;
    rwd_value out;
    const rewind_value wrong[] = {
        {.type = REWIND_DECIMAL, .present = 1, .upper = INT64_MAX}, {.type = REWIND_DECIMAL, .present = 1, .upper = INT64_MIN}, {.type = REWIND_BOOL, .present = 1, .integer = 2},
        {.type = REWIND_TIME, .present = 1, .integer = INT64_MAX}, {.type = REWIND_FLOAT, .present = 1, .real = __builtin_inf()},
        {.type = REWIND_FLOAT, .present = 1, .real = __builtin_nan("")},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_int_equal(rwd_plugin_value_get(&wrong[i], &out), RWD_E_OUT_OF_RANGE);
    const rewind_value text = {.type = REWIND_STRING, .present = 1, .bytes = (const uint8_t *)"\xC3", .byte_count = 1};
    assert_int_equal(rwd_plugin_value_get(&text, &out), RWD_E_WRONG_TYPE);
}

static int32_t some_update(const rewind_call *call, rewind_cell *cell, const rewind_value *value, const rewind_moment *when) {
    (void)call, (void)cell, (void)value, (void)when;
    return REWIND_OK;
}
static int32_t some_merge(const rewind_call *call, rewind_cell *cell, const rewind_bytes *other) {
    (void)call, (void)cell, (void)other;
    return REWIND_OK;
}
static void some_read(const rewind_call *call, const rewind_bytes *cell, rewind_value *out) { (void)call, (void)cell, (void)out; }
static int32_t some_check(const rewind_call *call, const rewind_bytes *cell) {
    (void)call, (void)cell;
    return REWIND_MALFORMED;
}

static const rewind_aggregate good = {.size = sizeof(rewind_aggregate), .types = REWIND_BIT(REWIND_INT), .cell_max = 8, .result = REWIND_INT, .name = "good",
                                      .update = some_update, .merge = some_merge, .read = some_read, .check = some_check};

static bool is_taken(const rewind_aggregate *theirs, rwd_plugin_aggregate *self) {
    rwd_aggregate row;
    rwd_error err;
    memset(self, 0, sizeof *self);
    return rwd_plugin_aggregate_init(theirs, NULL, "plugin test", "test", self, &row, &err);
}

static void a_plugin_of_an_earlier_header_lacks_only_what_it_did_not_know(void **state) {
    (void)state;
    rwd_plugin_aggregate self;
    rewind_aggregate older = good;
    assert_true(is_taken(&good, &self));
    assert_true(self.it.check == some_check);
    rwd_plugin_aggregate_deinit(&self);
    older.size = offsetof(rewind_aggregate, check);
    assert_true(is_taken(&older, &self));
    assert_null(self.it.check);
    rwd_plugin_aggregate_deinit(&self);
}

static void wrong_tables_are_refused(void **state) {
    (void)state;
    rwd_plugin_aggregate self;
    rewind_aggregate wrong[9];
    for (size_t i = 0; i < 9; i++) wrong[i] = good;
    wrong[0].update = NULL;
    wrong[1].name = "Good";
    wrong[2].cell_size = 8;  // and cell_max
    wrong[3].cell_max = REWIND_CELL_MAX + 1;
    wrong[4].result = 7;
    wrong[5].types = 1u << 7;
    wrong[6].result_scale = 19;
    wrong[7].parameters[0] = (rewind_parameter){.name = "p", .least = 2, .greatest = 1};
    wrong[8].parameters[0] = (rewind_parameter){.name = "p", .least = 1, .greatest = 2, .fallback = 3};
    for (size_t i = 0; i < 9; i++) {
        assert_false(is_taken(&wrong[i], &self));
        rwd_plugin_aggregate_deinit(&self);
    }
}

static void *read_once(void *argument) {
    const rwd_aggregate *range = argument;
    const rwd_cell_type how = {.arg = RWD_TYPE_INT, .context = range->context};
    const uint8_t cell[17] = {0};
    rwd_value value;
    range->read(&how, cell, sizeof cell, &value);
    return value.present ? argument : NULL;
}

static void threads_give_their_guards_back(void **state) {
    (void)state;
    rwd_plugins *plugins = shop();
    for (int i = 0; i < 3 * RWD_GUARD_THREADS_MAX; i++) {
        pthread_t threads[2];
        void *answer;
        for (size_t t = 0; t < 2; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, read_once, (void *)(uintptr_t)rwd_plugins_aggregate(plugins, "shop.range")), 0);
        for (size_t t = 0; t < 2; t++) {
            assert_int_equal(pthread_join(threads[t], &answer), 0);
            assert_null(answer);
        }
    }
    rwd_plugins_free(plugins);
}

static void what_is_loaded_is_what_was_hashed(void **state) {
    (void)state;
    rwd_plugins *plugins = shop();
    const rwd_plugin_facts *facts = rwd_plugins_at(plugins, 0);
    assert_string_equal(facts->name, "shop");
    assert_true(rwd_hash128_equal(facts->hash, rwd_hash128_of(facts->bytes.data, facts->bytes.size, 0)));
    assert_int_equal(facts->aggregate_count, 3);
    assert_true(rwd_plugins_has_decoder(plugins, "shop.logfmt"));
    assert_false(rwd_plugins_has_decoder(plugins, "shop.logfmt2"));
    assert_false(rwd_plugins_has_decoder(plugins, "sho.logfmt"));
    assert_null(rwd_plugins_aggregate(plugins, "range"));
    rwd_error err;
    assert_false(rwd_plugins_load(plugins, "./shop.so", shop_file, &err));
    assert_non_null(strstr(err.cause, "both named shop"));
    rwd_plugins_free(plugins);
}

int main(int argc, char **argv) {
    assert_int_equal(argc, 2);
    shop_file = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_of_a_model),
        cmocka_unit_test(what_does_not_fit_is_the_events_fault),
        cmocka_unit_test(values_come_back_as_they_went),
        cmocka_unit_test(values_outside_their_type_are_refused),
        cmocka_unit_test(a_plugin_of_an_earlier_header_lacks_only_what_it_did_not_know),
        cmocka_unit_test(wrong_tables_are_refused),
        cmocka_unit_test(threads_give_their_guards_back),
        cmocka_unit_test(what_is_loaded_is_what_was_hashed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
