// Rows with other columns: what goes on goes on byte for byte, what begins is as before any event, and the state that comes of it is whole.
#include "state/migrate.h"

#include "state/reader.h"
#include "state/row.h"
#include "state/sessions.h"
#include "tests/support/random.h"
#include "tests/support/state_rig.h"

#define KEYS 2000

typedef struct column { const char *name, *aggregate; rwd_type type; int64_t parameter; } column;

static void make_schema(rwd_schema *schema, uint16_t number, const column *columns, size_t count) {
    rwd_error err;
    rwd_schema_init(schema, number, "customers");
    rig_must(rwd_schema_add_part(schema, "customer", RWD_TYPE_STRING, 0, &err), &err);
    for (size_t i = 0; i < count; i++) {
        int64_t parameters[RWD_PARAMETERS_MAX] = {columns[i].parameter, RWD_PARAMETER_NONE};
        rig_must(rwd_schema_add_column_with(schema, columns[i].name, rwd_aggregate_find(columns[i].aggregate), columns[i].type, 0, parameters, &err), &err);
    }
}

static const column old_columns[] = {
    {"n", "count", RWD_TYPE_INT, RWD_PARAMETER_NONE}, {"word", "last", RWD_TYPE_STRING, RWD_PARAMETER_NONE}, {"s", "sum", RWD_TYPE_INT, RWD_PARAMETER_NONE},
    {"low", "min", RWD_TYPE_STRING, RWD_PARAMETER_NONE},
};
static const column new_columns[] = {
    {"first", "first", RWD_TYPE_STRING, RWD_PARAMETER_NONE}, {"s", "sum", RWD_TYPE_INT, RWD_PARAMETER_NONE}, {"low", "min", RWD_TYPE_STRING, RWD_PARAMETER_NONE},
    {"mean", "mean", RWD_TYPE_INT, RWD_PARAMETER_NONE}, {"word", "last", RWD_TYPE_STRING, RWD_PARAMETER_NONE}, {"n", "count", RWD_TYPE_INT, RWD_PARAMETER_NONE},
};
static const int16_t before[] = {-1, 2, 3, -1, 1, 0};

static const char *const words[] = {"", "a", "paper", "a longer word than most of them are", "zebra"};

// One more event into a row of the schema.
static void apply(const rwd_schema *schema, rwd_buf *row, const char *word, int64_t number, int64_t time) {
    rwd_value args[RWD_COLUMNS_MAX];
    static uint8_t to[RWD_ROW_BYTES_MAX];
    uint32_t size;
    size_t at;
    for (size_t i = 0; i < schema->column_count; i++) {
        bool text = schema->columns[i].how.arg == RWD_TYPE_STRING;
        args[i] = text ? (rwd_value){.s = rwd_slice_str(word), .present = true} : (rwd_value){.i = number, .present = true};
    }
    rwd_moment when = {.time_us = time, .offset = time};
    assert_int_equal(rwd_row_apply(schema, row->size ? row->data : NULL, (uint32_t)row->size, args, NULL, &when, to, sizeof(to), &size, &at), RWD_E_NONE);
    rwd_buf_clear(row);
    rwd_buf_append(row, to, size);
}

static void check_column(const rwd_schema *a, size_t i, const uint8_t *row, const rwd_schema *b, size_t k, const uint8_t *other) {
    rwd_buf one = {0}, two = {0};
    rwd_row_append_json(a, i, row, &one);
    rwd_row_append_json(b, k, other, &two);
    assert_string_equal(rwd_buf_cstr(&one), rwd_buf_cstr(&two));
    rwd_buf_deinit(&one);
    rwd_buf_deinit(&two);
}

static void columns_go_on_by_name_and_new_ones_are_as_before_any_event(void **state) {
    (void)state;
    rwd_schema from, to;
    rwd_error err;
    make_schema(&from, 0, old_columns, 4);
    make_schema(&to, 0, new_columns, 6);
    rwd_migration how = {.from = &from, .to = &to};
    memcpy(how.before, before, sizeof(before));
    test_random r = test_random_of(7);
    uint8_t *empty = rwd_calloc(1, to.row_size);
    for (unsigned round = 0; round < 300; round++) {
        rwd_buf row = {0}, out = {0};
        for (uint64_t n = 1 + test_random_below(&r, 4); n > 0; n--) apply(&from, &row, words[test_random_below(&r, 5)], (int64_t)test_random_below(&r, 1000), (int64_t)test_random_below(&r, 50));
        rig_must(rwd_row_migrate(&how, rwd_buf_slice(&row), &out, &err), &err);
        assert_true(rwd_row_check(&to, rwd_buf_slice(&out)));
        for (size_t i = 0; i < 6; i++) {
            if (before[i] < 0) check_column(&to, i, out.data, &to, i, empty);
            else check_column(&to, i, out.data, &from, (size_t)before[i], row.data);
        }
        apply(&to, &out, "go", 5, 99);  // and the next event finds it usable
        apply(&from, &row, "go", 5, 99);
        for (size_t i = 0; i < 6; i++)
            if (before[i] >= 0) check_column(&to, i, out.data, &from, (size_t)before[i], row.data);
        row.size--;
        assert_false(rwd_row_migrate(&how, rwd_buf_slice(&row), &out, &err));
        assert_int_equal(err.code, RWD_E_CORRUPT);
        rwd_buf_deinit(&row);
        rwd_buf_deinit(&out);
    }
    free(empty);
    rwd_schema_deinit(&from);
    rwd_schema_deinit(&to);
}

static void a_row_that_would_be_too_large_is_refused(void **state) {
    (void)state;
    static const column one[] = {{"word", "last", RWD_TYPE_STRING, RWD_PARAMETER_NONE}};
    static const column two[] = {{"word", "last", RWD_TYPE_STRING, RWD_PARAMETER_NONE}, {"mean", "mean", RWD_TYPE_INT, RWD_PARAMETER_NONE}};
    rwd_schema from, to;
    rwd_buf row = {0}, out = {0};
    rwd_error err;
    make_schema(&from, 0, one, 1);
    make_schema(&to, 0, two, 2);
    rwd_migration how = {.from = &from, .to = &to, .before = {0, -1}};
    apply(&from, &row, "x", 0, 1);
    char *word = rwd_malloc(RWD_ROW_BYTES_MAX);
    memset(word, 'x', RWD_ROW_BYTES_MAX);
    word[RWD_ROW_BYTES_MAX - row.size] = '\0';  // the row then has RWD_ROW_BYTES_MAX + 1 - what one letter took
    apply(&from, &row, word, 0, 2);
    assert_false(rwd_row_migrate(&how, rwd_buf_slice(&row), &out, &err));
    assert_int_equal(err.code, RWD_E_TOO_LARGE);
    free(word);
    rwd_buf_deinit(&row);
    rwd_buf_deinit(&out);
    rwd_schema_deinit(&from);
    rwd_schema_deinit(&to);
}

// What the participant opens: each row, a digest that a scan confirms, and keys by table.
static void check_opened(rig *r, const char *dir, const rwd_schema *schemas) {
    rwd_tables *tables;
    rwd_tables_stats stats;
    char live[64];
    snprintf(live, sizeof(live), "%s/live-migrated", r->root);
    rig_must(rwd_mkdirs(live, &r->error) && rwd_tables_new(schemas, 2, &r->budget, &tables, &r->error), &r->error);
    rwd_participant *participant = rwd_tables_participant(tables);
    rig_must(participant->ops->open(participant, dir, live, &r->error), &r->error);
    rwd_tables_get_stats(tables, &stats);
    assert_int_equal(stats.keys, KEYS - KEYS / 10);
    assert_int_equal(rwd_tables_keys(tables, 1), 0);
    for (size_t i = 0; i < KEYS; i++) {
        uint8_t key[RWD_KEY_BYTES_MAX];
        rwd_buf row = {0};
        bool found;
        size_t size = rig_key(r, i, key);
        rig_must(rwd_tables_get(tables, 0, rwd_slice_of(key, size), &found, &row, &r->error), &r->error);
        assert_int_equal(found, i % 10 != 0);
        if (found) {
            rwd_value sum, most;
            rwd_row_read(&schemas[0], 1, row.data, &sum);
            rwd_row_read(&schemas[0], 0, row.data, &most);
            assert_int_equal(sum.i, i);
            assert_false(most.present);
        }
        rwd_buf_deinit(&row);
    }
    participant->ops->discard(participant);
    rwd_tables_free(tables);
}

static void a_checkpoint_is_opened_with_new_aggregates_and_a_new_table(void **state) {
    (void)state;
    static const column wider[] = {{"most", "max", RWD_TYPE_INT, RWD_PARAMETER_NONE}, {"s", "sum", RWD_TYPE_INT, RWD_PARAMETER_NONE}, {"n", "count", RWD_TYPE_INT, RWD_PARAMETER_NONE}};
    rig r;
    rwd_schema schemas[2];
    rwd_digest stored, scanned;
    rwd_reader_db *reader;
    uint64_t keys;
    char to[64];
    rig_init(&r, 0, 0);
    for (size_t i = 0; i < KEYS; i++) rig_add(&r, i, (int64_t)i);
    for (size_t i = 0; i < KEYS; i += 10) rig_add(&r, i, -1);
    rig_checkpoint(&r);
    make_schema(&schemas[0], 0, wider, 3);
    make_schema(&schemas[1], 1, wider, 3);
    rwd_migration how[2] = {{.from = &r.schema, .to = &schemas[0], .before = {-1, 1, 0}}, {.to = &schemas[1]}};
    snprintf(to, sizeof(to), "%s/migrated", r.root);
    rig_must(rwd_mkdirs(to, &r.error) && rwd_state_migrate(r.checkpoint, to, how, 2, &r.error), &r.error);
    rig_must(rwd_state_stored_digest(to, &stored, &r.error) && rwd_state_open(to, &reader, &r.error), &r.error);
    rig_must(rwd_state_scan_digest(reader, &scanned, &keys, &r.error), &r.error);
    assert_memory_equal(&stored, &scanned, sizeof(stored));
    assert_int_equal(keys, KEYS - KEYS / 10);
    rwd_state_close(reader);
    check_opened(&r, to, schemas);
    rwd_schema_deinit(&schemas[0]);
    rwd_schema_deinit(&schemas[1]);
    rig_deinit(&r);
}

static void make_sessions(rwd_schema *schema, const char *const *names, size_t count, uint16_t lists) {
    rwd_error err;
    const rwd_window window = {.kind = RWD_WINDOW_SESSION, .size = 10, .advance = 10, .grace = 5, .retain = 5};
    rwd_schema_init(schema, 0, "visits");
    assert_true(rwd_schema_add_part(schema, "customer", RWD_TYPE_STRING, 0, &err) && rwd_schema_add_window(schema, &window, &err));
    for (size_t i = 0; i < count; i++) assert_true(rwd_schema_add_column(schema, names[i], rwd_aggregate_find("count"), RWD_TYPE_INT, 0, &err));
    schema->sessions = lists;
}

static void put_row(rig *r, uint16_t table, const uint8_t *key, size_t size, const uint8_t *row, uint32_t row_size) {
    rwd_touch touch = {.key = key, .key_size = (uint32_t)size, .table = table, .hash = rwd_key_hash(table, rwd_slice_of(key, size))};
    rig_must(rwd_tables_resolve(r->tables, &touch, 1, &r->error) == RWD_RESOLVED, &r->error);
    rwd_tables_write(r->tables, &touch, row, row_size);
}

// The end stays before the columns, and the lists of open sessions move behind the tables that the job has now.
static void sessions_keep_their_end_and_their_list(void **state) {
    (void)state;
    static const char *const one[] = {"n"}, *const two[] = {"m", "n"};
    rig r;
    rwd_schema schemas[2], later[2];
    rwd_reader_db *reader;
    uint8_t key[RWD_KEY_BYTES_MAX], row[64] = {0}, list[RWD_SESSION_BYTES];
    rwd_buf found_row = {0}, found_list = {0};
    bool found;
    char to[64];
    rig_init(&r, 0, 0);
    rwd_tables_free(r.tables);
    make_sessions(&schemas[0], one, 1, 1);
    rwd_sessions_schema(&schemas[0], 1, &schemas[1]);
    rig_must(rwd_tables_new(schemas, 2, &r.budget, &r.tables, &r.error), &r.error);
    r.participant = rwd_tables_participant(r.tables);
    rig_open(&r, NULL);
    rwd_value parts[] = {{.s = rwd_slice_str("anna"), .present = true}, {.i = 1000, .present = true}};
    size_t size = rwd_key_encode(&schemas[0], parts, key);
    rwd_row_set_window_end(row, 1234);
    row[schemas[0].columns[0].offset] = 7;
    put_row(&r, 0, key, size, row, schemas[0].row_size);
    rwd_put_le64(list, 1000);
    rwd_put_le64(list + 8, 1234);
    put_row(&r, 1, key, size - RWD_WINDOW_START_BYTES, list, sizeof(list));
    rig_checkpoint(&r);
    make_sessions(&later[0], two, 2, 2);
    make_schema(&later[1], 1, new_columns, 1);
    rwd_migration how[2] = {{.from = &schemas[0], .to = &later[0], .before = {-1, 0}}, {.to = &later[1]}};
    snprintf(to, sizeof(to), "%s/migrated", r.root);
    rig_must(rwd_mkdirs(to, &r.error) && rwd_state_migrate(r.checkpoint, to, how, 2, &r.error) && rwd_state_open(to, &reader, &r.error), &r.error);
    rig_must(rwd_state_get(reader, 0, rwd_slice_of(key, size), &found, &found_row, &r.error), &r.error);
    assert_true(found && rwd_row_check(&later[0], rwd_buf_slice(&found_row)));
    assert_int_equal(rwd_row_window_end(&later[0], 1000, found_row.data), 1234);
    assert_int_equal(found_row.data[later[0].columns[1].offset], 7);
    assert_int_equal(found_row.data[later[0].columns[0].offset], 0);
    rig_must(rwd_state_get(reader, 2, rwd_sessions_key(rwd_slice_of(key, size)), &found, &found_list, &r.error), &r.error);
    assert_true(found && rwd_slice_equal(rwd_buf_slice(&found_list), rwd_slice_of(list, sizeof(list))));
    rwd_state_close(reader);
    rwd_buf_deinit(&found_row);
    rwd_buf_deinit(&found_list);
    rwd_tables_free(r.tables);
    r.tables = NULL;
    rwd_schema_deinit(&schemas[0]);
    rwd_schema_deinit(&later[0]);
    rwd_schema_deinit(&later[1]);
    rig_deinit(&r);
}

static void an_empty_state_stays_one(void **state) {
    (void)state;
    rig r;
    rwd_digest stored;
    static rwd_digest none;
    char to[64];
    rig_init(&r, 0, 0);
    rig_checkpoint(&r);
    rwd_migration how = {.from = &r.schema, .to = &r.schema, .before = {0, 1}};
    snprintf(to, sizeof(to), "%s/migrated", r.root);
    rig_must(rwd_mkdirs(to, &r.error) && rwd_state_migrate(r.checkpoint, to, &how, 1, &r.error), &r.error);
    rig_must(rwd_state_stored_digest(to, &stored, &r.error), &r.error);
    assert_memory_equal(&stored, &none, sizeof(stored));
    rig_deinit(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_go_on_by_name_and_new_ones_are_as_before_any_event),
        cmocka_unit_test(a_row_that_would_be_too_large_is_refused),
        cmocka_unit_test(a_checkpoint_is_opened_with_new_aggregates_and_a_new_table),
        cmocka_unit_test(sessions_keep_their_end_and_their_list),
        cmocka_unit_test(an_empty_state_stays_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
