// Rows as text: order of members, nulls, quoting, keys that vanished, bytes that are no row. Values against other parsers:
// tests/property/row_text_oracle.py.
#include "operator/sink/row_text.h"

#include <stdlib.h>

#include "state/row.h"
#include "tests/unit/test.h"

typedef struct table {
    rwd_job_table table;
    uint8_t key[RWD_KEY_BYTES_MAX];
    size_t key_size;
    uint8_t row[256];
} table;

static void set(table *t, const char *column, rwd_value value) {
    for (size_t i = 0; i < t->table.schema.column_count; i++) {
        const rwd_column *c = &t->table.schema.columns[i];
        if (strcmp(c->name, column) == 0) assert_int_equal(c->update(&c->how, t->row + c->offset, &value, &(rwd_moment){0}), RWD_E_NONE);
    }
}

// Key ("country", "kind" or null); orders 3, revenue -12.50, first absent, last a time.
static void make(table *t, const char *country, const char *kind) {
    rwd_error err;
    *t = (table){0};
    rwd_schema_init(&t->table.schema, 1, "hourly");
    assert_true(rwd_schema_add_part(&t->table.schema, "country", RWD_TYPE_STRING, 0, &err));
    assert_true(rwd_schema_add_part(&t->table.schema, "kind", RWD_TYPE_STRING, 0, &err));
    assert_true(rwd_schema_add_column(&t->table.schema, "orders", rwd_aggregate_find("count"), RWD_TYPE_INT, 0, &err));
    assert_true(rwd_schema_add_column(&t->table.schema, "revenue", rwd_aggregate_find("sum"), RWD_TYPE_DECIMAL, 2, &err));
    assert_true(rwd_schema_add_column(&t->table.schema, "first", rwd_aggregate_find("min"), RWD_TYPE_TIME, 0, &err));
    assert_true(rwd_schema_add_column(&t->table.schema, "last", rwd_aggregate_find("max"), RWD_TYPE_TIME, 0, &err));
    rwd_value parts[2] = {{.s = rwd_slice_str(country), .present = true}, {.present = kind != NULL}};
    if (kind) parts[1].s = rwd_slice_str(kind);
    t->key_size = rwd_key_encode(&t->table.schema, parts, t->key);
    rwd_row_init(&t->table.schema, t->row);
    for (int i = 0; i < 3; i++) set(t, "orders", (rwd_value){.present = true});
    set(t, "revenue", (rwd_value){.d = -1250, .present = true});
    set(t, "last", (rwd_value){.i = 1767323045000000, .present = true});
}

static void assert_line(table *t, const rwd_row_text *how, bool deleted, const char *expected) {
    rwd_answers answers = {0};
    rwd_buf out = {0};
    rwd_error err;
    assert_true(rwd_row_text_append(how, rwd_slice_of(t->key, t->key_size), deleted ? NULL : t->row, deleted ? 0 : t->table.schema.row_size, 41, &answers,
                                    &out, &err));
    assert_string_equal(rwd_buf_cstr(&out), expected);
    rwd_answers_deinit(&answers);
    rwd_buf_deinit(&out);
}

static void assert_header(const rwd_row_text *how, const char *expected) {
    rwd_buf out = {0};
    rwd_row_text_header(how, &out);
    assert_string_equal(rwd_buf_cstr(&out), expected);
    rwd_buf_deinit(&out);
}

static void json_has_key_fields_then_columns_then_origin(void **state) {
    (void)state;
    table t;
    make(&t, "France", "sale");
    rwd_row_text how = {.table = &t.table, .format = RWD_FORMAT_JSON, .with_origin = true, .with_deleted = true, .lineage = "00ff"};
    assert_line(&t, &how, false,
                "{\"country\":\"France\",\"kind\":\"sale\",\"orders\":3,\"revenue\":-12.50,\"first\":null,\"last\":\"2026-01-02T03:04:05Z\","
                "\"_offset\":41,\"_lineage\":\"00ff\"}\n");
    assert_header(&how, "");
    rwd_schema_deinit(&t.table.schema);
}

static void columns_come_in_the_order_asked_for(void **state) {
    (void)state;
    table t;
    make(&t, "France", "sale");
    const uint16_t columns[] = {3, 0};
    rwd_row_text how = {.table = &t.table, .columns = columns, .column_count = 2, .format = RWD_FORMAT_JSON};
    assert_line(&t, &how, false, "{\"country\":\"France\",\"kind\":\"sale\",\"last\":\"2026-01-02T03:04:05Z\",\"orders\":3}\n");
    how.format = RWD_FORMAT_CSV;
    assert_header(&how, "country,kind,last,orders\n");
    assert_line(&t, &how, false, "France,sale,2026-01-02T03:04:05Z,3\n");
    rwd_schema_deinit(&t.table.schema);
}

static void a_key_that_vanished_has_its_key_and_says_deleted(void **state) {
    (void)state;
    table t;
    make(&t, "France", NULL);
    rwd_row_text how = {.table = &t.table, .format = RWD_FORMAT_JSON, .with_origin = true, .with_deleted = true, .lineage = "00ff"};
    assert_line(&t, &how, true, "{\"country\":\"France\",\"kind\":null,\"_offset\":41,\"_lineage\":\"00ff\",\"deleted\":true}\n");
    how.format = RWD_FORMAT_CSV;
    assert_header(&how, "country,kind,orders,revenue,first,last,_offset,_lineage,deleted\n");
    assert_line(&t, &how, true, "France,,,,,,41,00ff,true\n");
    assert_line(&t, &how, false, "France,,3,-12.50,,2026-01-02T03:04:05Z,41,00ff,false\n");
    rwd_schema_deinit(&t.table.schema);
}

static void csv_quotes_what_rfc_4180_says_and_tells_null_from_empty(void **state) {
    (void)state;
    table t;
    make(&t, "a,b", "say \"hi\"\n");
    const uint16_t columns[] = {0};
    rwd_row_text how = {.table = &t.table, .columns = columns, .column_count = 1, .format = RWD_FORMAT_CSV};
    assert_line(&t, &how, false, "\"a,b\",\"say \"\"hi\"\"\n\",3\n");
    rwd_schema_deinit(&t.table.schema);
    make(&t, "", NULL);
    assert_line(&t, &how, false, "\"\",,3\n");
    rwd_schema_deinit(&t.table.schema);
}

static void json_escapes_keys(void **state) {
    (void)state;
    table t;
    make(&t, "\"\\\x01", "\xC3\xA9");
    const uint16_t columns[] = {0};
    rwd_row_text how = {.table = &t.table, .columns = columns, .column_count = 1, .format = RWD_FORMAT_JSON};
    assert_line(&t, &how, false, "{\"country\":\"\\\"\\\\\\u0001\",\"kind\":\"\xC3\xA9\",\"orders\":3}\n");
    rwd_schema_deinit(&t.table.schema);
}

static void bytes_that_are_no_key_or_row_are_corrupt(void **state) {
    (void)state;
    table t;
    make(&t, "France", "sale");
    rwd_row_text how = {.table = &t.table, .format = RWD_FORMAT_JSON};
    rwd_answers answers = {0};
    rwd_buf out = {0};
    rwd_error err;
    assert_false(rwd_row_text_append(&how, rwd_slice_of(t.key, t.key_size - 1), t.row, t.table.schema.row_size, 0, &answers, &out, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    assert_false(rwd_row_text_append(&how, rwd_slice_of(t.key, t.key_size), t.row, t.table.schema.row_size - 1, 0, &answers, &out, &err));
    assert_int_equal(err.code, RWD_E_CORRUPT);
    assert_int_equal(out.size, 0);
    rwd_answers_deinit(&answers);
    rwd_buf_deinit(&out);
    rwd_schema_deinit(&t.table.schema);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_key_fields_then_columns_then_origin),
        cmocka_unit_test(columns_come_in_the_order_asked_for),
        cmocka_unit_test(a_key_that_vanished_has_its_key_and_says_deleted),
        cmocka_unit_test(csv_quotes_what_rfc_4180_says_and_tells_null_from_empty),
        cmocka_unit_test(json_escapes_keys),
        cmocka_unit_test(bytes_that_are_no_key_or_row_are_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
