// One line of log per event that a person would want to know, each written with one write(2), so that lines of several threads
// never mix.
//
// The settings below are the program's only file-scope variables: written by rwd_log_setup before threads start, read-only after,
// except for the flag that says whether a progress line is on the terminal, which is atomic.
#include "operator/base/log.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "operator/base/clock.h"
#include "operator/base/json_out.h"
#include "operator/base/time.h"

#define MESSAGE_MAX 2048  // an error's place, cause and next command fit
#define PROGRESS_MAX 256
#define CLEAR_LINE "\r\033[K"

static struct {
    rwd_log_level least;
    bool json;
    bool terminal;
    atomic_bool progress_shown;
} log_settings = {.least = RWD_LOG_INFO};

static const char *const level_words[] = {
    [RWD_LOG_DEBUG] = "debug", [RWD_LOG_INFO] = "info", [RWD_LOG_WARN] = "warn", [RWD_LOG_ERROR] = "error", [RWD_LOG_SILENT] = "silent",
};
#define LEVELS (sizeof(level_words) / sizeof(level_words[0]))

void rwd_log_setup(rwd_log_level least, bool json) {
    log_settings.least = least;
    log_settings.json = json;
    log_settings.terminal = isatty(STDERR_FILENO) == 1;
}

bool rwd_log_level_parse(const char *word, rwd_log_level *out) {
    for (size_t i = 0; i < LEVELS; i++) {
        if (strcmp(word, level_words[i]) != 0) continue;
        *out = (rwd_log_level)i;
        return true;
    }
    return false;
}

static void write_out(const void *data, size_t size) {
    // A log that cannot be written has nowhere to say so.
    ssize_t written = write(STDERR_FILENO, data, size);
    (void)written;
}

// A message stays on its line, whatever it quotes.
static void blank_control_characters(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F) *text = ' ';
}

static void append_text_line(rwd_buf *line, const char *time, const char *level, const char *room, char *message) {
    blank_control_characters(message);
    rwd_buf_appendf(line, "%s %s %s: %s", time, level, room, message);
}

static void append_json_line(rwd_buf *line, const char *time, const char *level, const char *room, const char *message) {
    rwd_json_out json;
    rwd_json_init(&json, line, false);
    rwd_json_object(&json);
    rwd_json_key(&json, "ts");
    rwd_json_string(&json, time);
    rwd_json_key(&json, "level");
    rwd_json_string(&json, level);
    rwd_json_key(&json, "room");
    rwd_json_string(&json, room);
    rwd_json_key(&json, "msg");
    rwd_json_string(&json, message);
    rwd_json_object_end(&json);
}

void rwd_log(rwd_log_level level, const char *room, const char *format, ...) {
    assert(level < RWD_LOG_SILENT);
    if (level < log_settings.least) return;
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);

    char time[RWD_TIME_TEXT_MAX];
    int64_t now_us = rwd_clock_wall_us(rwd_clock_system());
    rwd_time_text_ms(now_us, time);
    rwd_buf line = {0};
    if (atomic_exchange(&log_settings.progress_shown, false)) rwd_buf_append_str(&line, CLEAR_LINE);
    if (log_settings.json) append_json_line(&line, time, level_words[level], room, message);
    else append_text_line(&line, time, level_words[level], room, message);
    rwd_buf_append_char(&line, '\n');
    write_out(line.data, line.size);
    rwd_buf_deinit(&line);
}

void rwd_log_error(rwd_log_level level, const char *room, const rwd_error *err) {
    char text[MESSAGE_MAX];
    rwd_error_format(err, text, sizeof(text));
    rwd_log(level, room, "%s", text);
}

void rwd_log_progress(const char *text) {
    if (!log_settings.terminal) return;
    if (!text) {
        if (atomic_exchange(&log_settings.progress_shown, false)) write_out(CLEAR_LINE, sizeof(CLEAR_LINE) - 1);
        return;
    }
    char line[PROGRESS_MAX];
    int length = snprintf(line, sizeof(line), CLEAR_LINE "%s", text);
    atomic_store(&log_settings.progress_shown, true);
    write_out(line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}
