// Log lines through a pipe, the progress line on a pseudo terminal, and the clocks.
#include "operator/base/log.h"

#include <pthread.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "operator/base/bytes.h"
#include "operator/base/clock.h"
#include "operator/base/time.h"
#include "tests/unit/test.h"

typedef struct capture {
    int saved;
    int read_end;
    char text[1 << 20];
} capture;

// From here on stderr goes to `write_end`; what is read back is limited by what a pipe holds.
static void begin(capture *c, int read_end, int write_end) {
    c->read_end = read_end;
    c->saved = dup(STDERR_FILENO);
    assert_true(dup2(write_end, STDERR_FILENO) >= 0);
    close(write_end);
}

static const char *end(capture *c) {
    dup2(c->saved, STDERR_FILENO);
    close(c->saved);
    size_t size = 0;
    ssize_t n;
    while (size < sizeof(c->text) - 1 && (n = read(c->read_end, c->text + size, sizeof(c->text) - 1 - size)) > 0) size += (size_t)n;
    c->text[size] = '\0';
    close(c->read_end);
    return c->text;
}

static void begin_pipe(capture *c) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    begin(c, ends[0], ends[1]);
}

static capture captured;

static void a_line_has_time_level_room_and_message(void **state) {
    (void)state;
    begin_pipe(&captured);
    rwd_log_setup(RWD_LOG_INFO, false);
    rwd_log(RWD_LOG_WARN, "checkpoint", "took %d ms\nand a %s", 12, "\x1B[31mcolour");
    const char *text = end(&captured);
    assert_string_equal(text + 24, " warn checkpoint: took 12 ms and a  [31mcolour\n");
    rwd_time_format format = {.kind = RWD_TIME_RFC3339};
    int64_t us, now = rwd_clock_wall_us(rwd_clock_system());
    assert_int_equal(rwd_time_parse(&format, rwd_slice_of(text, 24), &us), RWD_PARSE_OK);
    assert_true(us <= now);
}

static void a_json_line_is_one_object(void **state) {
    (void)state;
    begin_pipe(&captured);
    rwd_log_setup(RWD_LOG_INFO, true);
    rwd_log(RWD_LOG_ERROR, "sink", "say \"%s\"", "a\nb");
    const char *text = end(&captured);
    assert_memory_equal(text, "{\"ts\":\"", 7);
    assert_string_equal(text + 7 + 24, "\",\"level\":\"error\",\"room\":\"sink\",\"msg\":\"say \\\"a\\nb\\\"\"}\n");
}

static void lines_below_the_level_are_not_written(void **state) {
    (void)state;
    for (int least = RWD_LOG_DEBUG; least <= RWD_LOG_SILENT; least++) {
        begin_pipe(&captured);
        rwd_log_setup((rwd_log_level)least, false);
        for (int level = RWD_LOG_DEBUG; level < RWD_LOG_SILENT; level++) rwd_log((rwd_log_level)level, "room", "line");
        const char *text = end(&captured);
        int lines = 0;
        for (const char *p = text; *p; p++) lines += *p == '\n';
        assert_int_equal(lines, RWD_LOG_SILENT - least);
    }
    rwd_log_level level;
    assert_true(rwd_log_level_parse("warn", &level) && level == RWD_LOG_WARN);
    assert_true(rwd_log_level_parse("silent", &level) && level == RWD_LOG_SILENT);
    assert_false(rwd_log_level_parse("WARN", &level));
}

static void an_error_is_logged_in_its_one_line_form(void **state) {
    (void)state;
    rwd_error err;
    rwd_fail(&err, RWD_E_IO, "cannot write");
    rwd_error_at(&err, "a.txt");
    rwd_error_next(&err, "rewind doctor");
    begin_pipe(&captured);
    rwd_log_setup(RWD_LOG_INFO, false);
    rwd_log_error(RWD_LOG_ERROR, "sink", &err);
    assert_string_equal(end(&captured) + 24, " error sink: a.txt: cannot write; next: rewind doctor\n");
}

enum { THREADS = 4, LINES = 100 };

static void *log_lines(void *arg) {
    for (int i = 0; i < LINES; i++) rwd_log(RWD_LOG_INFO, "thread", "%s line %d end", (const char *)arg, i);
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state) {
    (void)state;
    static const char *const names[THREADS] = {"aaaa", "bbbb", "cccc", "dddd"};
    pthread_t threads[THREADS];
    begin_pipe(&captured);
    rwd_log_setup(RWD_LOG_INFO, false);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, log_lines, (void *)(uintptr_t)names[i]), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    char *text = (char *)(uintptr_t)end(&captured), *save = NULL;
    int next[THREADS] = {0}, count = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), count++) {
        char name[5];
        int number, used = 0;
        assert_int_equal(sscanf(line + 24, " info thread: %4s line %d end%n", name, &number, &used), 2);
        assert_int_equal(line[24 + used], 0);
        assert_int_equal(next[name[0] - 'a']++, number);
    }
    assert_int_equal(count, THREADS * LINES);
}

static void progress_is_one_line_on_a_terminal_that_a_log_line_replaces(void **state) {
    (void)state;
    int master, slave;
    if (openpty(&master, &slave, NULL, NULL, NULL) != 0) skip();
    struct termios raw;
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    begin(&captured, master, slave);
    rwd_log_setup(RWD_LOG_INFO, false);
    rwd_log_progress("10 %");
    rwd_log_progress("20 %");
    rwd_log(RWD_LOG_INFO, "room", "line");
    rwd_log_progress(NULL);  // nothing is shown now
    rwd_log_progress("30 %");
    rwd_log_progress(NULL);
    const char *text = end(&captured);
    char after[200];
    const char *log_line = strstr(text, "20 %");
    assert_non_null(log_line);
    assert_true(strncmp(text, "\r\033[K10 %\r\033[K20 %\r\033[K", 18) == 0);
    snprintf(after, sizeof(after), "%s", strstr(log_line, " info room"));
    assert_string_equal(after, " info room: line\n\r\033[K30 %\r\033[K");
}

static void progress_is_silent_where_there_is_no_terminal(void **state) {
    (void)state;
    begin_pipe(&captured);
    rwd_log_setup(RWD_LOG_INFO, false);
    rwd_log_progress("10 %");
    rwd_log_progress(NULL);
    assert_string_equal(end(&captured), "");
}

// ---- clocks

static void the_virtual_clock_stands_still_until_told(void **state) {
    (void)state;
    rwd_clock *clock = rwd_clock_virtual_new(1000000);
    int64_t start = rwd_clock_ns(clock);
    assert_int_equal(rwd_clock_wall_us(clock), 1000000);
    assert_int_equal(rwd_clock_ns(clock), start);
    rwd_clock_virtual_advance(clock, 5000);
    assert_int_equal(rwd_clock_ns(clock), start + 5000);
    assert_int_equal(rwd_clock_wall_us(clock), 1000005);
    clock->sleep_ns(clock, 3600000000000);
    assert_int_equal(rwd_clock_ns(clock), start + 5000 + 3600000000000);
    clock->sleep_ns(clock, -5);
    assert_int_equal(rwd_clock_ns(clock), start + 5000 + 3600000000000);
    rwd_clock_virtual_free(clock);
}

static void the_system_clock_does_not_go_back(void **state) {
    (void)state;
    rwd_clock *clock = rwd_clock_system();
    int64_t last = rwd_clock_ns(clock), start = last;
    for (int i = 0; i < 1000; i++) {
        int64_t now = rwd_clock_ns(clock);
        assert_true(now >= last);
        last = now;
    }
    clock->sleep_ns(clock, 1000000);
    assert_true(rwd_clock_ns(clock) - start >= 1000000);
    clock->sleep_ns(clock, 0);
    assert_true(rwd_clock_wall_us(clock) > 1700000000000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_room_and_message),
        cmocka_unit_test(a_json_line_is_one_object),
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(an_error_is_logged_in_its_one_line_form),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
        cmocka_unit_test(progress_is_one_line_on_a_terminal_that_a_log_line_replaces),
        cmocka_unit_test(progress_is_silent_where_there_is_no_terminal),
        cmocka_unit_test(the_virtual_clock_stands_still_until_told),
        cmocka_unit_test(the_system_clock_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
