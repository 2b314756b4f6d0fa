// The file sink: what is in the files after commits, and what recovery does with what it finds (C1). Faults and power losses at every operation:
// tests/property/sink_model_test.c.
#include "operator/sink/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "checkpoints/io/fake_disk.h"
#include "operator/base/crash_point.h"
#include "operator/sink/commit_log.h"
#include "operator/sink/transaction.h"
#include "tests/support/sink_job.h"

#define ORIGIN(offset) ",\"_offset\":" #offset ",\"_lineage\":\"0000000000000000000000000000beef\""
#define ROW(customer, orders, revenue, offset)                                                                                    \
    "{\"customer\":\"" customer "\",\"orders\":" #orders ",\"revenue\":" revenue ",\"last\":null" ORIGIN(offset) "}\n"

static int begin(void **state) {
    sink_job *j = rwd_malloc(sizeof(*j));
    sink_job_init(j);
    *state = j;
    return 0;
}

static int end(void **state) {
    sink_job_deinit(*state);
    free(*state);
    return 0;
}

static void commit(rwd_sink *sink, int64_t next_offset) {
    rwd_error err;
    rwd_commit_outcome outcome = sink_commit(sink, next_offset, &err);
    if (outcome != RWD_COMMIT_COMMITTED) fail_msg("commit of %lld: outcome %d: %s: %s", (long long)next_offset, outcome, err.place, err.cause);
    sink->ops->begin(sink);
}

static rwd_sink *start(sink_job *j, int64_t expected) {
    rwd_sink *sink = sink_open(j, NULL);
    assert_int_equal(sink_recover(sink), expected);
    sink->ops->begin(sink);
    return sink;
}

static void assert_output(const sink_job *j, const char *name, const char *expected) {
    char *path = sink_job_path(j, name);
    assert_file(path, expected);
    free(path);
}

// ---- what a commit writes

static void rows_of_a_commit_are_in_key_order_and_the_newest_of_each_key(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "out.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    sink_put(sink, j, 0, "c", 1, 100, 0);
    sink_put(sink, j, 0, "a", 1, 50, 1);
    sink_put(sink, j, 0, "c", 2, 250, 2);
    sink_put_gone(sink, j, 0, "b", 3);
    commit(sink, 4);
    sink_put(sink, j, 0, "a", 2, -1, 4);
    commit(sink, 5);
    sink->ops->close(sink);
    assert_output(j, "out.jsonl", ROW("a", 1, "0.50", 1) "{\"customer\":\"b\"" ORIGIN(3) ",\"deleted\":true}\n" ROW("c", 2, "2.50", 2)
                  ROW("a", 2, "-0.01", 4));
}

static void rows_of_emit_update_stay_in_event_order(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "out.jsonl", RWD_FORMAT_JSON, RWD_EMIT_UPDATE);
    rwd_sink *sink = start(j, -1);
    sink_put(sink, j, 0, "c", 1, 100, 0);
    sink_put(sink, j, 0, "a", 1, 50, 1);
    sink_put(sink, j, 0, "c", 2, 250, 2);
    commit(sink, 3);
    sink->ops->close(sink);
    assert_output(j, "out.jsonl", ROW("c", 1, "1.00", 0) ROW("a", 1, "0.50", 1) ROW("c", 2, "2.50", 2));
}

static void a_csv_output_has_one_header_however_often_it_is_opened(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "out.csv", RWD_FORMAT_CSV, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    commit(sink, 0);  // genesis: no rows yet
    assert_output(j, "out.csv", "customer,orders,revenue,last,_offset,_lineage,deleted\n");
    sink->ops->close(sink);
    sink = start(j, 0);
    sink_put(sink, j, 0, "a", 1, 50, 0);
    commit(sink, 1);
    sink->ops->close(sink);
    assert_output(j, "out.csv", "customer,orders,revenue,last,_offset,_lineage,deleted\n"
                  "a,1,0.50,,0,0000000000000000000000000000beef,false\n");
}

static void a_commit_carries_its_metadata(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "out.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    commit(sink, 7);
    sink->ops->close(sink);
    rwd_error err;
    rwd_commit told, wanted = sink_commit_of(7);
    bool found;
    sink = sink_open(j, NULL);
    OK(sink->ops->peek(sink, &told, &found, &err));
    assert_true(found);
    assert_memory_equal(&told, &wanted, sizeof(told));
    OK(sink->ops->recover(sink, &told, &found, &err));
    assert_true(found);
    assert_memory_equal(&told, &wanted, sizeof(told));
    sink->ops->close(sink);
}

// ---- corrections (R4)

static void put_correction(rwd_sink *sink, const sink_job *j, size_t output, const char *customer, int64_t orders, const char *old) {
    sink_row r = sink_row_of(j, customer, orders, 100);
    bool gone = orders == 0;
    sink->ops->put_correction(sink, output, rwd_slice_of(r.key, r.key_size), gone ? NULL : r.row, gone ? 0 : r.row_size, 9, old ? rwd_slice_str(old) : rwd_slice_of(NULL, 0));
}

static void a_correction_says_which_repair_made_it_what_it_replaces_and_why(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "out.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    sink_job_add(j, "out.csv", RWD_FORMAT_CSV, RWD_EMIT_UPDATE);
    rwd_sink *sink = start(j, -1);
    sink->ops->correct(sink, "00000000000000ab", rwd_slice_str("wrong \"price\""));
    put_correction(sink, j, 0, "b", 0, "{\"customer\":\"b\"}");
    put_correction(sink, j, 0, "a", 2, NULL);
    put_correction(sink, j, 1, "a", 2, "a,1");
    commit(sink, 10);
    sink_put(sink, j, 0, "a", 3, 100, 10);  // an ordinary one after it
    commit(sink, 11);
    sink->ops->close(sink);
#define REPAIR(old) ",\"_repair\":\"00000000000000ab\",\"_old\":" old ",\"_reason\":\"wrong \\\"price\\\"\""
    assert_output(j, "out.jsonl", "{\"customer\":\"a\",\"orders\":2,\"revenue\":1.00,\"last\":null" ORIGIN(9) REPAIR("null") "}\n"
                  "{\"customer\":\"b\"" ORIGIN(9) REPAIR("{\"customer\":\"b\"}") ",\"deleted\":true}\n" ROW("a", 3, "1.00", 10));
    // A CSV file keeps the columns that its header says.
    assert_output(j, "out.csv", "customer,orders,revenue,last,_offset,_lineage,deleted\na,2,1.00,,9,0000000000000000000000000000beef,false\n");
}

static void an_old_value_over_the_bound_is_left_out(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "out.jsonl", RWD_FORMAT_JSON, RWD_EMIT_UPDATE);
    rwd_sink *sink = start(j, -1);
    size_t size = RWD_CORRECTION_OLD_MAX + 2;
    char *text = rwd_malloc(size + 1);
    memset(text, '1', size);
    text[size] = '\0';
    sink->ops->correct(sink, "00000000000000ab", rwd_slice_str("x"));
    put_correction(sink, j, 0, "a", 2, text);
    text[size - 2] = '\0';  // at the bound
    put_correction(sink, j, 0, "b", 2, text);
    commit(sink, 10);
    sink->ops->close(sink);
    char *path = sink_job_path(j, "out.jsonl"), *all = file_text(path);
    char *line = strchr(all, '\n');
    assert_non_null(line);
    assert_non_null(memmem(all, (size_t)(line - all), "\"_old\":null", 11));
    assert_non_null(strstr(line, text));
    free(all);
    free(path);
    free(text);
}

static void a_commit_carries_how_far_a_repair_has_come(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "out.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    rwd_commit wanted = sink_commit_of(7), told;
    rwd_error err;
    bool found;
    wanted.repair = 0xab;
    wanted.repair_rows = 200000;
    sink->ops->correct(sink, "00000000000000ab", rwd_slice_str("x"));
    put_correction(sink, j, 0, "a", 2, NULL);
    sink->ops->commit_async(sink, &wanted);
    assert_int_equal(sink_outcome(sink, &told, &err), RWD_COMMIT_COMMITTED);
    sink->ops->close(sink);
    sink = sink_open(j, NULL);
    OK(sink->ops->recover(sink, &told, &found, &err));
    assert_memory_equal(&told, &wanted, sizeof(told));
    sink->ops->close(sink);
}

static void a_commit_without_rows_leaves_the_outputs_alone(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "out.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    sink_put(sink, j, 0, "a", 1, 50, 0);
    commit(sink, 1);
    commit(sink, 1);  // idle: C again
    assert_output(j, "out.jsonl", ROW("a", 1, "0.50", 0));
    sink->ops->close(sink);
    sink = start(j, 1);
    sink->ops->close(sink);
}

static void folders_are_made_for_their_owner_only(void **state) {
    sink_job *j = *state;
    umask(0);
    sink_job_add(j, "a/b/out.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    sink_job_dead_letters(j, "c/dead.jsonl");
    rwd_sink *sink = start(j, -1);
    commit(sink, 0);
    sink->ops->close(sink);
    const char *const names[] = {"a", "a/b", "c", "a/b/out.jsonl", "a/b/out.jsonl.commits", "c/dead.jsonl"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct stat file;
        char *path = sink_job_path(j, names[i]);
        assert_int_equal(stat(path, &file), 0);
        assert_int_equal(file.st_mode & 0777, S_ISDIR(file.st_mode) ? 0700 : 0600);
        free(path);
    }
}

// ---- dead letters

static void a_dead_letter_is_a_line_with_place_reason_and_bytes(void **state) {
    sink_job *j = *state;
    sink_job_dead_letters(j, "dead.jsonl");  // a job may have nothing else
    rwd_sink *sink = start(j, -1);
    sink_put_dead(sink, 3, "a,\"b\"");
    sink_put_dead(sink, 4, "\xff\xfe");
    commit(sink, 5);
    sink->ops->close(sink);
    assert_output(j, "dead.jsonl",
                  "{\"source\":\"orders.csv\",\"offset\":3,\"position\":30,\"time\":null,\"reason\":\"missing-field\",\"field\":\"amount\","
                  "\"message\":\"field 'amount': absent\",\"size\":5,\"text\":\"a,\\\"b\\\"\",\"value\":\"YSwiYiI=\"}\n"
                  "{\"source\":\"orders.csv\",\"offset\":4,\"position\":40,\"time\":null,\"reason\":\"missing-field\",\"field\":\"amount\","
                  "\"message\":\"field 'amount': absent\",\"size\":2,\"value\":\"//4=\"}\n");
    char *log = sink_job_path(j, "dead.jsonl.commits");
    assert_true(rwd_path_exists(log));
    free(log);
}

static void one_of_a_redriven_record_says_where_it_comes_from(void **state) {
    sink_job *j = *state;
    rwd_error err;
    sink_job_dead_letters(j, "dead.jsonl");
    rwd_sink *sink = start(j, -1);
    rwd_dead_letter letter = {.source = "orders/0", .offset = 9, .time_us = RWD_TIME_NONE, .code = RWD_E_LATE, .reason = rwd_slice_str("late"), .value = rwd_slice_str("x"), .full_size = 1,
                              .origin = "c1/orders/0/7/2", .attempts = 2};
    OK(sink->ops->put_dead_letter(sink, &letter, &err));
    commit(sink, 10);
    sink->ops->close(sink);
    assert_output(j, "dead.jsonl", "{\"source\":\"orders/0\",\"offset\":9,\"position\":0,\"time\":null,\"reason\":\"late\",\"field\":null,\"message\":\"late\",\"origin\":\"c1/orders/0/7/2\","
                  "\"attempts\":2,\"size\":1,\"text\":\"x\",\"value\":\"eA==\"}\n");
}

#define LARGE ((uint64_t)20 << 20)
static uint8_t byte_at(uint64_t at) { return (uint8_t)(at * 2654435761u >> 13); }

static bool read_large(void *context, uint64_t at, void *out, size_t size, rwd_error *err) {
    (void)err;
    uint64_t *largest = context;
    if (size > *largest) *largest = size;
    for (size_t i = 0; i < size; i++) ((uint8_t *)out)[i] = byte_at(at + i);
    return true;
}

static void put_large(rwd_sink *sink, uint64_t *largest) {
    rwd_error err;
    uint8_t head[64];
    for (size_t i = 0; i < sizeof(head); i++) head[i] = byte_at(i);
    rwd_dead_letter letter = {.source = "s", .offset = 9, .time_us = 0, .code = RWD_E_TOO_LARGE, .reason = rwd_slice_str("too large"),
                              .value = rwd_slice_of(head, sizeof(head)), .full_size = LARGE, .read_back = read_large, .context = largest};
    OK(sink->ops->put_dead_letter(sink, &letter, &err));
}

static void a_record_over_the_limit_is_kept_whole_and_never_held_whole(void **state) {
    sink_job *j = *state;
    sink_job_dead_letters(j, "dead.jsonl");
    rwd_sink *sink = start(j, -1);
    uint64_t largest = 0;
    sink_put_dead(sink, 8, "before");
    put_large(sink, &largest);
    assert_in_range(largest, 1, LARGE / 100);
    assert_in_range(sink->ops->pending_bytes(sink), 0, LARGE / 20);
    assert_in_range(j->budget.used[RWD_SHARE_SINK], 0, LARGE / 20);
    sink_put_dead(sink, 10, "after");
    commit(sink, 11);
    sink->ops->close(sink);
    char *path = sink_job_path(j, "dead.jsonl"), *text = file_text(path);
    char *first_end = strchr(text, '\n'), *second_end = strchr(first_end + 1, '\n'), *value = strstr(first_end, "\"value\":\"") + 9;
    assert_non_null(strstr(first_end, "\"size\":20971520,\"value\":"));
    assert_int_equal(second_end[-1], '}');
    rwd_buf bytes = {0};
    assert_true(rwd_base64_decode(rwd_slice_of(value, (size_t)(second_end - 2 - value)), &bytes));
    assert_int_equal(bytes.size, LARGE);
    for (uint64_t i = 0; i < LARGE; i++)
        if (bytes.data[i] != byte_at(i)) fail_msg("byte %llu", (unsigned long long)i);
    assert_non_null(strstr(second_end, "\"text\":\"after\""));
    rwd_buf_deinit(&bytes);
    free(text);
    free(path);
}

static void dead_letters_written_ahead_are_cut_where_their_commit_did_not_come(void **state) {
    sink_job *j = *state;
    sink_job_dead_letters(j, "dead.jsonl");
    rwd_sink *sink = start(j, -1);
    commit(sink, 0);
    uint64_t largest = 0;
    put_large(sink, &largest);
    sink->ops->close(sink);
    struct stat file;
    assert_int_equal(stat(j->job.dead_letter_path, &file), 0);
    assert_true(file.st_size > 1000);
    sink = start(j, 0);
    assert_output(j, "dead.jsonl", "");
    sink->ops->close(sink);
}

static bool fail_late(void *context, uint64_t at, void *out, size_t size, rwd_error *err) {
    if (at > LARGE / 2) return rwd_fail(err, RWD_E_SOURCE_CHANGED, "the input shrank");
    return read_large(context, at, out, size, err);
}

static void half_a_dead_letter_is_never_committed(void **state) {
    sink_job *j = *state;
    rwd_error err;
    uint64_t largest = 0;
    sink_job_dead_letters(j, "dead.jsonl");
    rwd_sink *sink = start(j, -1);
    commit(sink, 0);
    rwd_dead_letter letter = {.source = "s", .offset = 9, .code = RWD_E_TOO_LARGE, .full_size = LARGE, .read_back = fail_late, .context = &largest};
    FAILS(sink->ops->put_dead_letter(sink, &letter, &err), RWD_E_SOURCE_CHANGED);
    assert_int_equal(sink_commit(sink, 10, &err), RWD_COMMIT_ABORTED);
    assert_int_equal(err.code, RWD_E_SOURCE_CHANGED);
    assert_int_equal(sink_recover(sink), 0);
    assert_output(j, "dead.jsonl", "");
    sink->ops->close(sink);
}

// ---- what recovery finds

static void what_was_not_committed_is_cut(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    sink_job_add(j, "b.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    sink_put(sink, j, 0, "a", 1, 50, 0);
    commit(sink, 1);
    sink_put(sink, j, 0, "never", 1, 50, 1);
    sink->ops->close(sink);
    for (size_t i = 0; i < 2; i++) file_write(j->sinks[i].path, "{\"half\":", 8, true);  // appended, not committed, and then killed
    sink = start(j, 1);
    assert_output(j, "a.jsonl", ROW("a", 1, "0.50", 0));
    assert_output(j, "b.jsonl", "");
    sink->ops->close(sink);
}

static void an_output_that_no_log_knows_is_never_touched(void **state) {
    sink_job *j = *state;
    rwd_error err;
    rwd_commit c;
    bool found;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    sink_job_add(j, "b.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    file_write(j->sinks[1].path, "precious\n", 9, false);
    rwd_sink *sink = sink_open(j, NULL);
    assert_int_equal(sink_peek(sink), -1);
    FAILS(sink->ops->recover(sink, &c, &found, &err), RWD_E_EXISTS);
    assert_string_equal(err.place, j->sinks[1].path);
    assert_non_null(strstr(err.next, "mv "));
    FAILS(sink->ops->recover(sink, &c, &found, &err), RWD_E_EXISTS);  // not on a second try either
    sink->ops->close(sink);
    assert_output(j, "b.jsonl", "precious\n");
}

static void an_empty_file_may_become_an_output(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    file_write(j->sinks[0].path, "", 0, false);
    rwd_sink *sink = start(j, -1);
    sink_put(sink, j, 0, "a", 1, 50, 0);
    commit(sink, 1);
    sink->ops->close(sink);
    assert_output(j, "a.jsonl", ROW("a", 1, "0.50", 0));
}

static void lost_committed_bytes_stop_the_sink_and_are_not_made_up(void **state) {
    sink_job *j = *state;
    rwd_error err;
    rwd_commit c;
    bool found;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    sink_put(sink, j, 0, "a", 1, 50, 0);
    commit(sink, 1);
    sink->ops->close(sink);
    assert_int_equal(truncate(j->sinks[0].path, 5), 0);
    sink = sink_open(j, NULL);
    FAILS(sink->ops->recover(sink, &c, &found, &err), RWD_E_CORRUPT);
    assert_string_equal(err.place, j->sinks[0].path);
    assert_non_null(strstr(err.next, "--fresh"));
    assert_int_equal(unlink(j->sinks[0].path), 0);
    FAILS(sink->ops->recover(sink, &c, &found, &err), RWD_E_CORRUPT);
    assert_non_null(strstr(err.cause, "missing"));
    assert_false(rwd_path_exists(j->sinks[0].path));
    sink->ops->close(sink);
}

static void a_broken_log_names_file_and_byte_and_changes_nothing(void **state) {
    sink_job *j = *state;
    rwd_error err;
    rwd_commit c;
    bool found;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    sink_put(sink, j, 0, "a", 1, 50, 0);
    commit(sink, 1);
    commit(sink, 2);
    sink->ops->close(sink);
    char *path = sink_job_path(j, "a.jsonl.commits");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\xff", 1, 20), 1);
    close(fd);
    char *before = file_text(path);
    sink = sink_open(j, NULL);
    FAILS(sink->ops->peek(sink, &c, &found, &err), RWD_E_CORRUPT);
    FAILS(sink->ops->recover(sink, &c, &found, &err), RWD_E_CORRUPT);
    assert_string_equal(err.place, path);
    assert_non_null(strstr(err.cause, "at byte 0"));
    assert_int_equal(err.decision, RWD_PARK);
    sink->ops->close(sink);
    assert_file(path, before);
    free(before);
    free(path);
}

static void a_sink_added_later_begins_empty_and_a_dropped_one_keeps_what_it_had(void **state) {
    sink_job *j = *state;
    rwd_error err;
    rwd_commit c;
    bool found;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    sink_job_add(j, "b.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    sink_put(sink, j, 1, "b", 1, 50, 0);
    commit(sink, 1);
    sink->ops->close(sink);
    char *dropped = j->sinks[1].path;
    file_write(dropped, "torn", 4, true);
    j->sinks[1].path = sink_job_path(j, "c.jsonl");
    sink = start(j, 1);
    assert_file(dropped, ROW("b", 1, "0.50", 0));  // cut once more
    sink_put(sink, j, 1, "c", 1, 50, 1);
    commit(sink, 2);
    sink->ops->close(sink);
    assert_output(j, "c.jsonl", ROW("c", 1, "0.50", 1));
    // It would have a gap now: it does not become an output again by itself.
    char *added = j->sinks[1].path;
    j->sinks[1].path = dropped;
    sink = sink_open(j, NULL);
    FAILS(sink->ops->recover(sink, &c, &found, &err), RWD_E_EXISTS);
    sink->ops->close(sink);
    free(added);
}

static void the_log_knows_its_outputs_from_any_folder(void **state) {
    sink_job *j = *state;
    char before[RWD_PATH_MAX];
    assert_non_null(getcwd(before, sizeof(before)));
    sink_job_add(j, "out/a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    sink_job_add(j, "out/below/b.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    sink_job_dead_letters(j, "dead.jsonl");
    rwd_sink *sink = start(j, -1);
    sink_put(sink, j, 1, "b", 1, 50, 0);
    commit(sink, 1);
    sink->ops->close(sink);
    assert_int_equal(chdir(j->dir), 0);
    char *const absolute[] = {j->sinks[0].path, j->sinks[1].path};
    j->sinks[0].path = (char *)(uintptr_t)"./out/a.jsonl";
    j->sinks[1].path = (char *)(uintptr_t)"out/../out/below/b.jsonl";
    sink = start(j, 1);
    sink->ops->close(sink);
    j->sinks[0].path = absolute[0];
    j->sinks[1].path = absolute[1];
    assert_int_equal(chdir(before), 0);
}

static void two_outputs_that_are_one_file_are_refused(void **state) {
    sink_job *j = *state;
    rwd_error err;
    rwd_commit c;
    bool found;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    sink_job_add(j, "./a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = sink_open(j, NULL);
    FAILS(sink->ops->recover(sink, &c, &found, &err), RWD_E_CONFIG);
    sink->ops->close(sink);
}

static void what_is_no_regular_file_is_refused(void **state) {
    sink_job *j = *state;
    rwd_error err;
    rwd_commit c;
    bool found;
    sink_job_add(j, "pipe", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    assert_int_equal(mkfifo(j->sinks[0].path, 0600), 0);
    rwd_sink *sink = sink_open(j, NULL);
    rwd_error_clear(&err);
    assert_false(sink->ops->recover(sink, &c, &found, &err));
    assert_string_equal(err.place, j->sinks[0].path);
    int reader = open(j->sinks[0].path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    FAILS(sink->ops->recover(sink, &c, &found, &err), RWD_E_CONFIG);
    close(reader);
    sink->ops->close(sink);
}

static void a_second_owner_is_refused_and_may_look(void **state) {
    sink_job *j = *state;
    rwd_error err;
    rwd_commit c;
    bool found;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *first = start(j, -1), *second = sink_open(j, NULL);
    commit(first, 1);
    FAILS(second->ops->recover(second, &c, &found, &err), RWD_E_LOCKED);
    assert_int_equal(sink_peek(second), 1);
    commit(first, 2);
    assert_int_equal(sink_peek(second), 2);
    first->ops->close(first);
    assert_int_equal(sink_recover(second), 2);
    second->ops->close(second);
}

// An output with a long name, so that entries are large.
static void add_deep(sink_job *j, char c) {
    char name[1100];
    memset(name, c, sizeof(name));
    for (size_t i = 150; i < sizeof(name); i += 150) name[i] = '/';
    name[sizeof(name) - 1] = '\0';
    sink_job_add(j, name, RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
}

static void a_long_log_goes_on_in_a_new_file_that_knows_as_much(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    for (char c = 'x'; c <= 'z'; c++) add_deep(j, c);
    rwd_sink *sink = start(j, -1);
    char *path = sink_job_path(j, "a.jsonl.commits");
    sink_put(sink, j, 0, "a", 1, 50, 0);
    commit(sink, 1);
    unsigned renewals = 0;
    struct stat file = {0}, before;
    assert_int_equal(stat(path, &before), 0);
    for (int64_t c = 2; renewals < 2; c++) {
        commit(sink, c);
        assert_int_equal(stat(path, &file), 0);
        if (file.st_ino != before.st_ino) renewals++;
        assert_in_range(file.st_size, 1, RWD_COMMIT_LOG_MAX + 4096);
        before = file;
        if (renewals == 2 || c % 97 == 0) assert_int_equal(sink_peek(sink), c);
        assert_in_range(c, 2, 2000);
    }
    sink->ops->close(sink);
    rwd_sink *again = sink_open(j, NULL);
    int64_t c = sink_peek(again);
    assert_int_equal(sink_recover(again), c);
    assert_output(j, "a.jsonl", ROW("a", 1, "0.50", 0));
    again->ops->close(again);
    free(path);
}

// ---- the cases of C1

// Case: entries behind a torn one. Whoever appended to the log of a process that was killed in the middle of an entry would hide its
// own entries behind the torn one.
static void entries_behind_a_torn_one(void **state) {
    sink_job *j = *state;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    commit(sink, 1);
    commit(sink, 2);
    sink->ops->close(sink);
    char *path = sink_job_path(j, "a.jsonl.commits");
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(truncate(path, file.st_size - 7), 0);
    sink = start(j, 1);  // the torn one never happened
    commit(sink, 2);
    commit(sink, 3);
    sink->ops->close(sink);
    sink = start(j, 3);
    sink->ops->close(sink);
    free(path);
}

// C1's order in recovery: the new log has its name before any output is cut.
static void outputs_are_cut_only_under_a_log_that_says_so(void **state) {
    sink_job *j = *state;
    rwd_error err;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    sink_put(sink, j, 0, "a", 1, 50, 0);
    commit(sink, 1);
    sink->ops->close(sink);
    file_write(j->sinks[0].path, "torn", 4, true);
    pid_t child = fork();
    if (child == 0) {
        if (!rwd_crash_points_setup("sink-log-renamed", &err)) _exit(3);
        (void)sink_recover(sink_open(j, NULL));
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_output(j, "a.jsonl", ROW("a", 1, "0.50", 0) "torn");
    sink = start(j, 1);
    assert_output(j, "a.jsonl", ROW("a", 1, "0.50", 0));
    sink->ops->close(sink);
}

static rwd_io *disk_io(struct rwd_fake_disk *disk, const char *path_part, uint64_t fail_at) {
    rwd_error err;
    rwd_io *inner, *io;
    rwd_io_fault_plan plan = {.disk = disk, .path_part = path_part, .fail_at = fail_at, .error = EIO};
    OK(rwd_io_pread_new(&inner, &err));
    OK(rwd_io_fault_new(inner, &plan, &io, &err));
    return io;
}

// Case: an entry seen in the page cache that a power loss then takes. The sync of the log fails after its entry was written; recovery sees the entry and
// goes on from it; so it must survive the power loss that follows.
static void an_entry_seen_in_the_page_cache_that_a_power_loss_then_takes(void **state) {
    sink_job *j = *state;
    rwd_error err;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    rwd_sink *sink = start(j, -1);
    commit(sink, 1);
    sink->ops->close(sink);
    bool seen = false;
    for (uint64_t n = 1; !seen; n++) {
        rwd_fake_disk *disk;
        OK(rwd_fake_disk_new(j->dir, &disk, &err));
        sink = sink_open(j, disk_io(disk, ".commits", n));
        rwd_commit c;
        bool found;
        rwd_error why;
        rwd_commit_outcome outcome = RWD_COMMIT_IDLE;
        int64_t now = -1;
        if (sink->ops->recover(sink, &c, &found, &why)) {
            now = c.next_offset;
            sink->ops->begin(sink);
            sink_put(sink, j, 0, "a", 1, 50, 1);
            outcome = sink_commit(sink, now + 1, &why);
        }
        sink->ops->close(sink);
        if (outcome == RWD_COMMIT_UNKNOWN && why.code == RWD_E_SYNC_FAILED) {
            sink = sink_open(j, disk_io(disk, NULL, 0));
            int64_t recovered = sink_recover(sink);
            seen = recovered == now + 1;  // there, by way of the page cache alone
            sink->ops->close(sink);
            OK(rwd_fake_disk_power_loss(disk, 0, &err));
            sink = sink_open(j, disk_io(disk, NULL, 0));
            assert_int_equal(sink_recover(sink), recovered);
            sink->ops->close(sink);
            if (seen) assert_output(j, "a.jsonl", ROW("a", 1, "0.50", 1));
        }
        rwd_fake_disk_free(disk);
        assert_in_range(n, 1, 100);
    }
}

// A zombie keeps its descriptors; a new owner has put a new log file in the place of its log. (Its lock keeps others away; so the test gives the name to
// a copy, as somebody would do who restores a backup under a running process.)
static void zombie_holding_the_old_log_cannot_append_to_the_new_one(void **state) {
    sink_job *j = *state;
    rwd_error err;
    sink_job_add(j, "a.jsonl", RWD_FORMAT_JSON, RWD_EMIT_COMMIT);
    sink_job_dead_letters(j, "dead.jsonl");
    rwd_sink *zombie = start(j, -1);
    sink_put(zombie, j, 0, "a", 1, 50, 0);
    commit(zombie, 1);
    char *path = sink_job_path(j, "a.jsonl.commits"), *copy = sink_job_path(j, "copy");
    char moved[RWD_PATH_MAX + 16];
    rwd_io *io;
    rwd_hash128 hash;
    uint64_t size;
    OK(rwd_io_pread_new(&io, &err));
    OK(rwd_io_copy_file(io, path, copy, NULL, &hash, &size, &err));
    rwd_io_free(io);
    assert_int_equal(rename(copy, path), 0);
    rwd_sink *owner = start(j, 1);
    sink_put(owner, j, 0, "b", 1, 50, 1);
    commit(owner, 2);
    sink_put(zombie, j, 0, "z", 1, 50, 1);
    assert_int_equal(sink_commit(zombie, 9, &err), RWD_COMMIT_FENCED);
    assert_int_equal(err.code, RWD_E_FENCED);
    zombie->ops->begin(zombie);
    uint64_t largest = 0;
    put_large(zombie, &largest);  // nor does it write ahead
    commit(owner, 3);
    zombie->ops->close(zombie);
    owner->ops->close(owner);
    owner = start(j, 3);
    assert_output(j, "a.jsonl", ROW("a", 1, "0.50", 0) ROW("b", 1, "0.50", 1));
    assert_output(j, "dead.jsonl", "");
    owner->ops->close(owner);
    (void)snprintf(moved, sizeof(moved), "%s.new", path);
    assert_false(rwd_path_exists(moved));
    free(path);
    free(copy);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(rows_of_a_commit_are_in_key_order_and_the_newest_of_each_key),
        TEST(rows_of_emit_update_stay_in_event_order),
        TEST(a_csv_output_has_one_header_however_often_it_is_opened),
        TEST(a_commit_carries_its_metadata),
        TEST(a_correction_says_which_repair_made_it_what_it_replaces_and_why),
        TEST(an_old_value_over_the_bound_is_left_out),
        TEST(a_commit_carries_how_far_a_repair_has_come),
        TEST(a_commit_without_rows_leaves_the_outputs_alone),
        TEST(folders_are_made_for_their_owner_only),
        TEST(a_dead_letter_is_a_line_with_place_reason_and_bytes),
        TEST(one_of_a_redriven_record_says_where_it_comes_from),
        TEST(a_record_over_the_limit_is_kept_whole_and_never_held_whole),
        TEST(dead_letters_written_ahead_are_cut_where_their_commit_did_not_come),
        TEST(half_a_dead_letter_is_never_committed),
        TEST(what_was_not_committed_is_cut),
        TEST(an_output_that_no_log_knows_is_never_touched),
        TEST(an_empty_file_may_become_an_output),
        TEST(lost_committed_bytes_stop_the_sink_and_are_not_made_up),
        TEST(a_broken_log_names_file_and_byte_and_changes_nothing),
        TEST(a_sink_added_later_begins_empty_and_a_dropped_one_keeps_what_it_had),
        TEST(the_log_knows_its_outputs_from_any_folder),
        TEST(two_outputs_that_are_one_file_are_refused),
        TEST(what_is_no_regular_file_is_refused),
        TEST(a_second_owner_is_refused_and_may_look),
        TEST(a_long_log_goes_on_in_a_new_file_that_knows_as_much),
        TEST(entries_behind_a_torn_one),
        TEST(outputs_are_cut_only_under_a_log_that_says_so),
        TEST(an_entry_seen_in_the_page_cache_that_a_power_loss_then_takes),
        TEST(zombie_holding_the_old_log_cannot_append_to_the_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
