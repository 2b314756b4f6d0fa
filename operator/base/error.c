// Errors that carry a decision: the table's lookups and the setters of rwd_error. Nothing here allocates, so an error can be
// raised when memory is gone.
#include "operator/base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef struct code_row {
    const char *word;
    const char *meaning;
    rwd_decision decision;
    rwd_exit exit_code;
} code_row;

#define RWD_ERROR_ROW(name, word, decision, exit_code, meaning) [RWD_E_##name] = {word, meaning, decision, exit_code},
static const code_row code_rows[RWD_E_COUNT] = {
    [RWD_E_NONE] = {"none", "no error", RWD_RETRY, RWD_EXIT_OK},
    RWD_ERROR_TABLE(RWD_ERROR_ROW)
};
#undef RWD_ERROR_ROW

static const code_row *row_of(rwd_code code) {
    assert((unsigned)code < RWD_E_COUNT);
    return &code_rows[code];
}

const char *rwd_code_name(rwd_code code) { return row_of(code)->word; }
const char *rwd_code_meaning(rwd_code code) { return row_of(code)->meaning; }
rwd_decision rwd_code_decision(rwd_code code) { return row_of(code)->decision; }
rwd_exit rwd_code_exit(rwd_code code) { return row_of(code)->exit_code; }

const char *rwd_decision_name(rwd_decision decision) {
    switch (decision) {
    case RWD_RETRY: return "retry";
    case RWD_SKIP: return "skip";
    case RWD_ABORT_TXN: return "abort-txn";
    case RWD_ROLLBACK: return "rollback";
    case RWD_PARK: return "park";
    case RWD_FATAL: return "fatal";
    case RWD_USAGE: return "usage";
    }
    return "unknown";
}

void rwd_error_clear(rwd_error *err) {
    err->code = RWD_E_NONE;
    err->decision = RWD_RETRY;
    err->place[0] = err->cause[0] = err->next[0] = '\0';
}

// Fills one text of an error. A text that does not fit ends in "..." and never inside a UTF-8 character.
static RWD_PRINTF(3, 0) void set_text(char *out, size_t capacity, const char *format, va_list args) {
    int wanted = vsnprintf(out, capacity, format, args);
    if (wanted < 0) {
        out[0] = '\0';
        return;
    }
    if ((size_t)wanted < capacity) return;
    size_t end = capacity - sizeof("...");
    while (end > 0 && ((unsigned char)out[end] & 0xC0) == 0x80) end--;
    memcpy(out + end, "...", sizeof("..."));
}

bool rwd_fail(rwd_error *err, rwd_code code, const char *cause_format, ...) {
    assert(code != RWD_E_NONE);
    if (!err) return false;
    char cause[sizeof(err->cause)];  // the arguments may point into `err`
    va_list args;
    va_start(args, cause_format);
    set_text(cause, sizeof(cause), cause_format, args);
    va_end(args);
    rwd_error_clear(err);
    err->code = code;
    err->decision = rwd_code_decision(code);
    memcpy(err->cause, cause, sizeof(cause));
    return false;
}

static rwd_code code_of_errno(int system_error) {
    switch (system_error) {
    case ENOSPC:
    case EDQUOT: return RWD_E_DISK_FULL;
    case EACCES:
    case EPERM:
    case EROFS: return RWD_E_PERMISSION;
    case ENOMEM:
    case EMFILE:
    case ENFILE: return RWD_E_RESOURCE;
    default: return RWD_E_IO;
    }
}

bool rwd_fail_errno(rwd_error *err, int system_error, const char *cause_format, ...) {
    if (!err) return false;
    char words[128], cause[sizeof(err->cause)];
    va_list args;
    va_start(args, cause_format);
    set_text(cause, sizeof(cause), cause_format, args);
    va_end(args);
    return rwd_fail(err, code_of_errno(system_error), "%s: %s", cause, strerror_r(system_error, words, sizeof(words)));
}

bool rwd_error_at(rwd_error *err, const char *place_format, ...) {
    if (!err || err->place[0] != '\0') return false;
    va_list args;
    va_start(args, place_format);
    set_text(err->place, sizeof(err->place), place_format, args);
    va_end(args);
    return false;
}

bool rwd_error_next(rwd_error *err, const char *next_format, ...) {
    if (!err || err->next[0] != '\0') return false;
    va_list args;
    va_start(args, next_format);
    set_text(err->next, sizeof(err->next), next_format, args);
    va_end(args);
    return false;
}

void rwd_error_format(const rwd_error *err, char *out, size_t capacity) {
    if (capacity == 0) return;
    const char *after_place = err->place[0] ? ": " : "";
    const char *cause = err->cause[0] ? err->cause : rwd_code_meaning(err->code);
    const char *before_next = err->next[0] ? "; next: " : "";
    (void)snprintf(out, capacity, "%s%s%s%s%s", err->place, after_place, cause, before_next, err->next);
}
