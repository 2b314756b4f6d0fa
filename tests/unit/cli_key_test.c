// Keys typed on a command line, rows shown for them.
#include <stdlib.h>

#include "operator/cli/cli_private.h"
#include "operator/cli/render.h"
#include "operator/cli/serve.h"

#include "state/row.h"
#include "tests/unit/test.h"

static rwd_schema make_schema(void) {
    rwd_schema schema;
    rwd_schema_init(&schema, 0, "sales");
    assert_true(rwd_schema_add_part(&schema, "country", RWD_TYPE_STRING, 0, NULL));
    assert_true(rwd_schema_add_part(&schema, "price", RWD_TYPE_DECIMAL, 2, NULL));
    assert_true(rwd_schema_add_column(&schema, "orders", rwd_aggregate_find("count"), RWD_TYPE_INT, 0, NULL));
    assert_true(rwd_schema_add_column(&schema, "most", rwd_aggregate_find("max"), RWD_TYPE_INT, 0, NULL));
    return schema;
}

static void typed_keys_encode_as_their_values_do(void **state) {
    (void)state;
    rwd_schema schema = make_schema();
    const char *texts[] = {"NO", "-1.50"};
    uint8_t typed[RWD_KEY_BYTES_MAX], made[RWD_KEY_BYTES_MAX];
    size_t size;
    rwd_error err;
    assert_true(rwd_key_from_texts(&schema, texts, 2, typed, &size, &err));
    rwd_value parts[] = {{.s = rwd_slice_str("NO"), .present = true}, {.d = -150, .present = true}};
    assert_int_equal(size, rwd_key_encode(&schema, parts, made));
    assert_memory_equal(typed, made, size);
    const char *with_null[] = {"\\N", "-1.50"};
    assert_true(rwd_key_from_texts(&schema, with_null, 2, typed, &size, &err));
    parts[0].present = false;
    assert_int_equal(size, rwd_key_encode(&schema, parts, made));
    assert_memory_equal(typed, made, size);
    rwd_schema_deinit(&schema);
}

static void wrong_keys_are_named(void **state) {
    (void)state;
    rwd_schema schema = make_schema();
    const char *one[] = {"NO"}, *bad[] = {"NO", "cheap"};
    uint8_t key[RWD_KEY_BYTES_MAX];
    size_t size;
    rwd_error err;
    assert_false(rwd_key_from_texts(&schema, one, 1, key, &size, &err));
    assert_non_null(strstr(err.cause, "country price"));
    assert_int_equal(rwd_code_exit(err.code), RWD_EXIT_USAGE);
    assert_false(rwd_key_from_texts(&schema, bad, 2, key, &size, &err));
    assert_non_null(strstr(err.place, "price"));
    assert_int_equal(rwd_code_exit(err.code), RWD_EXIT_USAGE);
    rwd_schema_deinit(&schema);
}

static void a_row_is_shown_with_its_key_and_offset(void **state) {
    (void)state;
    rwd_job_table table = {.schema = make_schema()};
    const char *texts[] = {"NO", "2"};
    uint8_t key[RWD_KEY_BYTES_MAX], row[RWD_ROW_BYTES_MAX];
    size_t size;
    rwd_error err;
    rwd_buf out = {0};
    assert_true(rwd_key_from_texts(&table.schema, texts, 2, key, &size, &err));
    rwd_row_init(&table.schema, row);
    assert_true(rwd_render_row(&table, rwd_slice_of(key, size), rwd_slice_of(row, table.schema.row_size), 42, true, &out, &err));
    assert_string_equal(rwd_buf_cstr(&out), "{\"table\":\"sales\",\"offset\":42,\"row\":{\"country\":\"NO\",\"price\":2.00,\"orders\":0,\"most\":null}}\n");
    rwd_buf_clear(&out);
    assert_true(rwd_render_row(&table, rwd_slice_of(key, size), rwd_slice_of(row, table.schema.row_size), 42, false, &out, &err));
    assert_string_equal(rwd_buf_cstr(&out), "sales at offset 42\n"
                                            "  country           NO\n"
                                            "  price             2.00\n"
                                            "  orders            0\n"
                                            "  most              null\n");
    rwd_buf_clear(&out);
    // A row that was cut is refused, not read beyond its end.
    assert_false(rwd_render_row(&table, rwd_slice_of(key, size), rwd_slice_of(row, table.schema.row_size - 1), 42, false, &out, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    rwd_buf_deinit(&out);
    rwd_schema_deinit(&table.schema);
}

static void tables_are_found_by_name_or_by_being_alone(void **state) {
    (void)state;
    static const char two[] = "job: j\nsource: {file: {path: x}, format: json}\nevent: {fields: {a: int}}\n"
                              "tables: {first: {key: a, aggregates: {n: count()}}, second: {key: a, aggregates: {n: count()}}}\n";
    rwd_job *job;
    rwd_error err;
    uint16_t table;
    assert_true(rwd_job_parse("two", rwd_slice_str(two), NULL, 0, &job, &err));
    assert_true(rwd_find_table(job, "second", &table, &err));
    assert_int_equal(table, 1);
    assert_false(rwd_find_table(job, NULL, &table, &err));
    assert_non_null(strstr(err.cause, "first, second"));
    assert_false(rwd_find_table(job, "secnd", &table, &err));
    assert_non_null(strstr(err.cause, "did you mean 'second'"));
    rwd_job_free(job);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typed_keys_encode_as_their_values_do),
        cmocka_unit_test(wrong_keys_are_named),
        cmocka_unit_test(a_row_is_shown_with_its_key_and_offset),
        cmocka_unit_test(tables_are_found_by_name_or_by_being_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
