// One line of log per event that a person would want to know, to stderr: "2026-01-02T03:04:05.678Z warn checkpoint: message".
// With the JSON format each line is an object {"ts","level","room","msg"}. Secrets are never passed in.
//
// Thread: any. A line is written with one write(2). Level and format are set once, before threads start.
#ifndef OPERATOR_BASE_LOG_H
#define OPERATOR_BASE_LOG_H

#include "operator/base/error.h"

typedef enum rwd_log_level { RWD_LOG_DEBUG, RWD_LOG_INFO, RWD_LOG_WARN, RWD_LOG_ERROR, RWD_LOG_SILENT } rwd_log_level;

void rwd_log_setup(rwd_log_level least, bool json);
RWD_MUST bool rwd_log_level_parse(const char *word, rwd_log_level *out);  // "debug", "info", "warn", "error", "silent"

// `room` names who speaks: "pipeline", "checkpoint", "sink", ...
void rwd_log(rwd_log_level level, const char *room, const char *format, ...) RWD_PRINTF(3, 4);
// An error in its one-line form.
void rwd_log_error(rwd_log_level level, const char *room, const rwd_error *err);

// The log and the progress line share the terminal: `rwd_log_progress` shows one line that the next log line replaces;
// NULL takes it away. Does nothing where stderr is not a terminal.
void rwd_log_progress(const char *text);

#endif
