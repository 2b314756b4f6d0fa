// What a job file says is what the job holds.
#include "tests/unit/config_test.h"

static void defaults_are_those_that_the_manual_promises(void **state) {
    (void)state;
    rwd_job *job = job_of(LEAST);
    assert_string_equal(job->file, "job.yaml");
    assert_false(job->source.follow);
    assert_int_equal(job->event.time_field, -1);
    assert_int_equal(job->event.ahead_us, 0);
    assert_int_equal(job->event.max_size, 1048576);
    assert_int_equal(job->sink_count, 0);
    assert_null(job->dead_letter_path);
    assert_string_equal(job->state.path, "./rewind-data");
    assert_int_equal(job->state.memory, 536870912);
    assert_int_equal(job->checkpoints.every_ns, 10000000000);
    assert_int_equal(job->checkpoints.keep_last, 30);
    assert_int_equal(job->checkpoints.keep_hourly, 24);
    assert_int_equal(job->checkpoints.keep_daily, 7);
    assert_int_equal(job->checkpoints.keep_within_us, 0);
    assert_int_equal(job->checkpoints.full_every_ns, 86400000000000);
    assert_int_equal(job->checkpoints.full_keep, 1);
    assert_int_equal(job->delivery.commit_every_ns, 200000000);
    assert_int_equal(job->delivery.offset_multiple, 0);
    assert_int_equal(job->on_stop, RWD_ON_STOP_EXIT);
    assert_string_equal(job->http.host, "127.0.0.1");
    assert_int_equal(job->http.port, 9464);
    assert_false(job->http.off);
    rwd_job_free(job);
}

static const char full[] =
    "job: a.b_c-1\n"
    "source:\n"
    "  file: {path: in.csv, follow: true}\n"
    "  format: csv\n"
    "  csv: {header: true, delimiter: \";\"}\n"
    "event:\n"
    "  time: {field: at, ahead: 90m}\n"
    "  max_size: 2000\n"
    "  fields:\n"
    "    shop: {type: string, path: Shop name}\n"
    "    price: decimal(3)\n"
    "    units: {type: int}\n"
    "    back: bool\n"
    "    at: {type: time, format: \"%d.%m.%Y %H:%M\"}\n"
    "tables:\n"
    "  shops: {key: shop, aggregates: {rows: count(), most: max( price ), units: sum(units), newest: max(at)}}\n"
    "  returns: {key: [back, shop], aggregates: {least: min(price)}}\n"
    "sinks:\n"
    "  - {table: shops, file: {path: out/shops.jsonl}, fields: [units, rows], emit: update}\n"
    "  - {table: returns, file: {path: out/returns.csv}, format: csv}\n"
    "state: {path: /data, memory: 64MiB}\n"
    "checkpoints: {every: 1m, keep: {last: 2, hourly: 3, daily: 4, within: 90m}, full: {every: 6h, keep: 0}}\n"
    "delivery: {commit_at: {offset_multiple: 1000}}\n"
    "errors: {dead_letter: {file: {path: out/dead.jsonl}}}\n"
    "on_stop: park\n"
    "http: {listen: \"[::1]:0\"}\n";

static void source_event_and_errors_hold_what_was_written(void **state) {
    (void)state;
    rwd_job *job = job_of(full);
    assert_string_equal(job->name, "a.b_c-1");
    assert_string_equal(job->source.path, "in.csv");
    assert_true(job->source.follow);
    assert_int_equal(job->source.format, RWD_FORMAT_CSV);
    assert_true(job->source.csv_header);
    assert_int_equal(job->source.csv_delimiter, ';');
    assert_int_equal(job->event.ahead_us, 5400000000);
    assert_int_equal(job->event.max_size, 2000);
    assert_int_equal(job->event.field_count, 5);
    assert_string_equal(job->event.fields[0].name, "shop");
    assert_string_equal(job->event.fields[0].path, "Shop name");
    assert_int_equal(job->event.fields[1].type, RWD_TYPE_DECIMAL);
    assert_int_equal(job->event.fields[1].scale, 3);
    assert_string_equal(job->event.fields[1].path, "price");
    assert_int_equal(job->event.fields[3].type, RWD_TYPE_BOOL);
    assert_int_equal(job->event.time_field, 4);
    assert_int_equal(job->event.fields[4].time.kind, RWD_TIME_PATTERN);
    assert_string_equal(job->event.fields[4].time.pattern, "%d.%m.%Y %H:%M");
    assert_false(job->event.fields[4].hidden);
    assert_string_equal(job->dead_letter_path, "out/dead.jsonl");
    rwd_job_free(job);
}

static void tables_and_sinks_hold_what_was_written_in_its_order(void **state) {
    (void)state;
    rwd_job *job = job_of(full);
    assert_int_equal(job->table_count, 2);
    const rwd_job_table *shops = &job->tables[0], *returns = &job->tables[1];
    assert_int_equal(shops->schema.number, 0);
    assert_int_equal(returns->schema.number, 1);
    assert_string_equal(returns->schema.name, "returns");
    assert_int_equal(returns->schema.part_count, 2);
    assert_int_equal(returns->key[0].slot, 3);
    assert_int_equal(returns->key[1].slot, 0);
    assert_int_equal(shops->schema.column_count, 4);
    assert_string_equal(shops->schema.columns[1].name, "most");
    assert_string_equal(shops->schema.columns[1].aggregate->name, "max");
    assert_int_equal(shops->schema.columns[1].how.arg_scale, 3);
    assert_int_equal(shops->args[0].slot, -1);
    assert_int_equal(shops->args[1].slot, 1);
    assert_int_equal(shops->args[3].slot, 4);
    assert_int_equal(job->sink_count, 2);
    assert_int_equal(job->sinks[0].emit, RWD_EMIT_UPDATE);
    assert_int_equal(job->sinks[0].format, RWD_FORMAT_JSON);
    assert_int_equal(job->sinks[0].column_count, 2);
    assert_int_equal(job->sinks[0].columns[0], 2);
    assert_int_equal(job->sinks[0].columns[1], 0);
    assert_int_equal(job->sinks[1].table, 1);
    assert_int_equal(job->sinks[1].format, RWD_FORMAT_CSV);
    assert_int_equal(job->sinks[1].emit, RWD_EMIT_COMMIT);
    assert_int_equal(job->sinks[1].column_count, 1);
    rwd_job_free(job);
}

static void what_runs_the_job_holds_what_was_written(void **state) {
    (void)state;
    rwd_job *job = job_of(full);
    assert_string_equal(job->state.path, "/data");
    assert_int_equal(job->state.memory, 67108864);
    assert_int_equal(job->checkpoints.every_ns, 60000000000);
    assert_int_equal(job->checkpoints.keep_last, 2);
    assert_int_equal(job->checkpoints.keep_hourly, 3);
    assert_int_equal(job->checkpoints.keep_daily, 4);
    assert_int_equal(job->checkpoints.keep_within_us, INT64_C(5400000000));
    assert_int_equal(job->checkpoints.full_every_ns, 21600000000000);
    assert_int_equal(job->checkpoints.full_keep, 0);
    assert_int_equal(job->delivery.commit_every_ns, 0);
    assert_int_equal(job->delivery.offset_multiple, 1000);
    assert_int_equal(job->on_stop, RWD_ON_STOP_PARK);
    assert_string_equal(job->http.host, "::1");
    assert_int_equal(job->http.port, 0);
    char path[4096];
    rwd_error err;
    assert_true(rwd_job_data_path(job, path, &err));
    assert_string_equal(path, "/data/a.b_c-1/0");
    rwd_job_free(job);
}

static void json_is_a_job_file_too(void **state) {
    (void)state;
    rwd_job *job = job_of("{\"job\": \"j\", \"source\": {\"file\": {\"path\": \"in\", \"follow\": true}, \"format\": \"csv\"},"
                          " \"event\": {\"fields\": {\"a\": \"int\"}, \"max_size\": 100},"
                          " \"tables\": {\"t\": {\"key\": [\"a\"], \"aggregates\": {\"n\": \"count()\"}}}}");
    assert_true(job->source.follow);
    assert_int_equal(job->event.max_size, 100);
    rwd_job_free(job);
}

static void an_undeclared_time_field_is_decoded_but_is_no_field(void **state) {
    (void)state;
    rwd_job *job = job_of("job: j\nsource: {file: {path: in}, format: json}\n"
                          "event: {time: {field: meta.ts, format: epoch-ms}, fields: {a: int}}\n"
                          "tables: {t: {key: a, aggregates: {n: count()}}}\n");
    assert_int_equal(job->event.field_count, 2);
    assert_int_equal(job->event.time_field, 1);
    assert_true(job->event.fields[1].hidden);
    assert_string_equal(job->event.fields[1].path, "meta.ts");
    assert_int_equal(job->event.fields[1].type, RWD_TYPE_TIME);
    assert_int_equal(job->event.fields[1].time.kind, RWD_TIME_EPOCH_MS);
    rwd_job_free(job);
}

static void without_a_csv_header_columns_go_by_order_alone(void **state) {
    (void)state;
#define NO_HEADER(event) \
    "job: j\nsource: {file: {path: in}, format: csv, csv: {header: false}}\nevent: " event "\ntables: {t: {key: a, aggregates: {n: count()}}}\n"
    rwd_job *job = job_of(NO_HEADER("{time: {field: b}, fields: {a: int, b: time}}"));
    assert_false(job->source.csv_header);
    assert_int_equal(job->event.time_field, 1);
    rwd_job_free(job);
    assert_refused(NO_HEADER("{fields: {a: {type: int, path: x}}}"), "job.yaml:3:33",
                   "event.fields.a.path has a meaning only where the source is not CSV without a header (columns then go by their order)");
    assert_refused(NO_HEADER("{time: {field: ts, format: rfc3339}, fields: {a: int}}"), "job.yaml:3:23",
                   "event.time.field: \"ts\" is not declared under event.fields, where it must be without a CSV header");
#undef NO_HEADER
}

static void addresses_are_host_and_port_or_off(void **state) {
    (void)state;
    static const struct {
        const char *listen, *host;
        int port;
    } good[] = {{"0.0.0.0:80", "0.0.0.0", 80}, {"localhost:65535", "localhost", 65535}, {"\"[fe80::1%eth0]:1\"", "fe80::1%eth0", 1}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *text = rwd_strf("%shttp: {listen: %s}\n", LEAST, good[i].listen);
        rwd_job *job = job_of(text);
        assert_string_equal(job->http.host, good[i].host);
        assert_int_equal(job->http.port, good[i].port);
        rwd_job_free(job);
        free(text);
    }
    rwd_job *job = job_of(LEAST "http: {listen: off}\n");
    assert_true(job->http.off);
    rwd_job_free(job);
    static const char *const bad[] = {":80", "host:", "host:65536", "host:-1", "::1:80", "a b:80", "host:8a", "[]:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *text = rwd_strf("%shttp: {listen: \"%s\"}\n", LEAST, bad[i]);
        char *cause = rwd_strf("http.listen: expected HOST:PORT or off, for example 0.0.0.0:9464, found \"%s\"", bad[i]);
        assert_refused(text, "job.yaml:5:16", cause);
        free(cause);
        free(text);
    }
}

static void a_job_cannot_be_named_like_a_folder_that_exists(void **state) {
    (void)state;
    static const char *const bad[] = {".", "..", "a/b", "\\u00e9", "", "a b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *text = rwd_strf("job: \"%s\"\n%s", bad[i], strchr(LEAST, '\n') + 1);
        rwd_job *job;
        rwd_error err;
        assert_false(rwd_job_parse("job.yaml", rwd_slice_str(text), NULL, 0, &job, &err));
        assert_string_equal(err.place, "job.yaml:1:6");
        assert_non_null(strstr(err.cause, "job: expected a name"));
        free(text);
    }
}

static void names_of_rows_are_not_taken_twice(void **state) {
    (void)state;
    assert_refused("job: j\nsource: {file: {path: in}, format: json}\nevent: {fields: {a: int}}\n"
                   "tables: {t: {key: a, aggregates: {deleted: count()}}}\n",
                   "job.yaml:4:35", "tables.t.aggregates.deleted: the name \"deleted\" is taken: it marks rows whose key vanished");
    assert_refused("job: j\nsource: {file: {path: in}, format: json}\nevent: {fields: {a: int}}\n"
                   "tables: {t: {key: [a, a], aggregates: {n: count()}}}\n",
                   "job.yaml:4:23", "table t: the name \"a\" is already a key field");
    assert_refused(LEAST "sinks: [{file: {path: x}, fields: [orders, orders]}]\n", "job.yaml:5:44", "sinks[0].fields: \"orders\" stands twice");
}

static void a_path_in_a_record_has_no_empty_part(void **state) {
    (void)state;
    assert_refused("job: j\nsource: {file: {path: in}, format: json}\nevent: {fields: {a: {type: int, path: b..c}}}\n"
                   "tables: {t: {key: a, aggregates: {n: count()}}}\n",
                   "job.yaml:3:39", "event.fields.a: \"b..c\" has an empty part; a.b is member b of member a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_that_the_manual_promises),
        cmocka_unit_test(source_event_and_errors_hold_what_was_written),
        cmocka_unit_test(tables_and_sinks_hold_what_was_written_in_its_order),
        cmocka_unit_test(what_runs_the_job_holds_what_was_written),
        cmocka_unit_test(json_is_a_job_file_too),
        cmocka_unit_test(an_undeclared_time_field_is_decoded_but_is_no_field),
        cmocka_unit_test(without_a_csv_header_columns_go_by_order_alone),
        cmocka_unit_test(addresses_are_host_and_port_or_off),
        cmocka_unit_test(a_job_cannot_be_named_like_a_folder_that_exists),
        cmocka_unit_test(names_of_rows_are_not_taken_twice),
        cmocka_unit_test(a_path_in_a_record_has_no_empty_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
