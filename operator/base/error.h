// Errors that carry a decision.
//
// An error says what happened (code), what the pipeline must do about it (decision), where (place), why
// (cause) and which command resolves it (next). It is a plain value owned by the caller: nothing is allocated, so
// an error can be raised when memory is gone. A function that can fail returns bool (true: it worked) and fills
// the rwd_error it was given, once, on failure only. Every code is one row of RWD_ERROR_TABLE; exit codes, decisions
// and the manual's error page come from that table.
//
// Thread: an rwd_error belongs to the thread that passes it; nothing here is shared.
#ifndef OPERATOR_BASE_ERROR_H
#define OPERATOR_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

// A result that must be looked at.
#define RWD_MUST __attribute__((warn_unused_result))
#define RWD_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

// What the pipeline does about an error.
typedef enum rwd_decision {
    RWD_RETRY,      // passing fault: the same call may work later (bounded back-off)
    RWD_SKIP,       // the event is at fault: it goes to the dead letters, with its bytes
    RWD_ABORT_TXN,  // the open transaction is lost, the state is not
    RWD_ROLLBACK,   // the state is damaged: back to the last good checkpoint
    RWD_PARK,       // cannot go on without a person: stop processing (on_stop: exit | park)
    RWD_FATAL,      // cannot go on at all
    RWD_USAGE,      // the caller's words are wrong: command line, job file
} rwd_decision;

// Exit codes of the program. Stable: scripts rely on them; new ones are only added.
typedef enum rwd_exit {
    RWD_EXIT_OK = 0,
    RWD_EXIT_DIFFERENT = 1,     // a comparison or a check found a difference
    RWD_EXIT_USAGE = 2,         // command line or job file
    RWD_EXIT_IO = 3,            // the system refused: disk full, permission, I/O error
    RWD_EXIT_CORRUPT = 4,       // bytes on disk are not what was written
    RWD_EXIT_LOCKED = 5,        // another process owns the data directory
    RWD_EXIT_INCOMPATIBLE = 6,  // another job's or a newer version's data directory, foreign commit
    RWD_EXIT_LOGIC = 7,         // the job file's logic is not the running lineage's
    RWD_EXIT_SOURCE = 8,        // the input is not what it was: shrunk, replaced, below or above what was committed
    RWD_EXIT_FENCED = 9,        // another owner took over
    RWD_EXIT_NOT_FOUND = 10,    // the key, checkpoint, or running operator asked for is not there
    RWD_EXIT_BUSY = 11,         // the operator cannot answer now: try again
    RWD_EXIT_PLUGIN = 12,       // a plugin crashed, did not return, broke its promises, or went on failing
    RWD_EXIT_INTERRUPTED = 130, // a second SIGINT
    RWD_EXIT_INTERNAL = 70,     // a bug in Rewind
} rwd_exit;

// code, its word (in dead letters and JSON), decision, exit code, what it means (one line of the manual)
#define RWD_ERROR_TABLE(X)                                                                                                        \
    X(USAGE, "usage", RWD_USAGE, RWD_EXIT_USAGE, "the command line has a word that is not understood")                            \
    X(CONFIG, "config", RWD_USAGE, RWD_EXIT_USAGE, "the job file has a mistake; line and column are in the message")              \
    X(NOT_FOUND, "not-found", RWD_USAGE, RWD_EXIT_NOT_FOUND, "what was asked for does not exist")                                 \
    X(NO_OPERATOR, "no-operator", RWD_USAGE, RWD_EXIT_NOT_FOUND, "no operator is running on this data directory")                 \
    X(BUSY, "busy", RWD_RETRY, RWD_EXIT_BUSY, "the operator cannot answer now; try again")                                        \
    X(IO, "io", RWD_PARK, RWD_EXIT_IO, "the system refused an operation on a file")                                               \
    X(DISK_FULL, "disk-full", RWD_PARK, RWD_EXIT_IO, "no space is left on the file system")                                       \
    X(PERMISSION, "permission", RWD_PARK, RWD_EXIT_IO, "a file or folder may not be read or written")                             \
    X(RESOURCE, "resource", RWD_FATAL, RWD_EXIT_IO, "memory, descriptors or threads ran out")                                     \
    X(SYNC_FAILED, "sync-failed", RWD_ROLLBACK, RWD_EXIT_IO, "an fsync failed: what it covered is not known to be on disk")       \
    X(CORRUPT, "corrupt", RWD_ROLLBACK, RWD_EXIT_CORRUPT, "a file's bytes do not match their checksum")                           \
    X(NO_CHECKPOINT, "no-checkpoint", RWD_PARK, RWD_EXIT_CORRUPT, "no good checkpoint serves the committed position")             \
    X(DIGEST_MISMATCH, "digest-mismatch", RWD_ROLLBACK, RWD_EXIT_CORRUPT, "state or input does not have the digest it must have") \
    X(LOCKED, "locked", RWD_FATAL, RWD_EXIT_LOCKED, "another process owns the data directory or the output")                      \
    X(NETWORK_FS, "network-fs", RWD_FATAL, RWD_EXIT_INCOMPATIBLE, "the data directory is on a network file system")               \
    X(FOREIGN, "foreign", RWD_PARK, RWD_EXIT_INCOMPATIBLE, "the data directory or the commits belong to another job")             \
    X(NEWER_FORMAT, "newer-format", RWD_PARK, RWD_EXIT_INCOMPATIBLE, "written by a newer version of the program")                 \
    X(LOGIC_CHANGED, "logic-changed", RWD_PARK, RWD_EXIT_LOGIC, "the job file's logic is not the logic that made this state")     \
    X(EXISTS, "exists", RWD_PARK, RWD_EXIT_INCOMPATIBLE, "something is there that a new job would overwrite")                     \
    X(SOURCE_CHANGED, "source-changed", RWD_PARK, RWD_EXIT_SOURCE, "the input shrank or was replaced")                            \
    X(SOURCE_HEADER, "source-header", RWD_PARK, RWD_EXIT_SOURCE, "the input's header lacks a column that the job needs")          \
    X(POSITION, "position", RWD_PARK, RWD_EXIT_SOURCE, "the committed position is not inside the input")                          \
    X(PARTIAL_KEY, "partial-key", RWD_PARK, RWD_EXIT_SOURCE, "a new key belongs to another partition of the topic")                \
    X(COMMIT_MOVED, "commit-moved", RWD_PARK, RWD_EXIT_INCOMPATIBLE, "the committed position moved back below a checkpoint")      \
    X(FENCED, "fenced", RWD_FATAL, RWD_EXIT_FENCED, "another owner took over; this one has stopped")                              \
    X(BROKER, "broker", RWD_RETRY, RWD_EXIT_IO, "no broker answers now; the same may work later")                                 \
    X(REFUSED, "refused", RWD_PARK, RWD_EXIT_IO, "the broker refuses this client: credentials, certificate or permissions")       \
    X(TOPIC, "topic", RWD_PARK, RWD_EXIT_SOURCE, "a topic or partition does not exist")                                           \
    X(KAFKA, "kafka", RWD_PARK, RWD_EXIT_IO, "the broker or its client library cannot do what is asked")                          \
    X(PRODUCER, "producer", RWD_ROLLBACK, RWD_EXIT_IO, "the producer of the transactions is done with; recovery makes another")   \
    X(MALFORMED, "malformed", RWD_SKIP, RWD_EXIT_OK, "the record cannot be parsed")                                               \
    X(MISSING_FIELD, "missing-field", RWD_SKIP, RWD_EXIT_OK, "a required field is absent, empty or null")                         \
    X(WRONG_TYPE, "wrong-type", RWD_SKIP, RWD_EXIT_OK, "a field does not have its declared type")                                 \
    X(OUT_OF_RANGE, "out-of-range", RWD_SKIP, RWD_EXIT_OK, "a number or time does not fit its declared type")                     \
    X(TOO_LARGE, "too-large", RWD_SKIP, RWD_EXIT_OK, "a record, key or field is above its size limit")                            \
    X(OVERFLOW, "overflow", RWD_SKIP, RWD_EXIT_OK, "an aggregate or the value of an expression would overflow")                   \
    X(DIVISION_BY_ZERO, "division-by-zero", RWD_SKIP, RWD_EXIT_OK, "an expression divides by zero")                                       \
    X(LATE, "late", RWD_SKIP, RWD_EXIT_OK, "the windows that the event belongs to are closed")                                    \
    X(DUPLICATE, "duplicate", RWD_SKIP, RWD_EXIT_OK, "an event with this id was applied within event.dedup.within")                \
    X(FUTURE, "future", RWD_SKIP, RWD_EXIT_OK, "the event's time is further ahead than event.time.ahead allows")                  \
    X(PLUGIN, "plugin", RWD_PARK, RWD_EXIT_PLUGIN, "a plugin failed: it says that a record may pass later, and went on saying so")   \
    X(INVARIANT, "invariant", RWD_PARK, RWD_EXIT_DIFFERENT, "an invariant of the job does not hold")                              \
    X(INTERNAL, "internal", RWD_FATAL, RWD_EXIT_INTERNAL, "a bug in Rewind")

typedef enum rwd_code {
    RWD_E_NONE = 0,
#define RWD_ERROR_ENUM(name, word, decision, exit_code, meaning) RWD_E_##name,
    RWD_ERROR_TABLE(RWD_ERROR_ENUM)
#undef RWD_ERROR_ENUM
        RWD_E_COUNT
} rwd_code;

typedef struct rwd_error {
    rwd_code code;
    rwd_decision decision;
    char place[512];  // file, topic/partition/offset, line and column: where
    char cause[768];  // what is wrong, in words
    char next[512];   // the next command to type, or empty
} rwd_error;

// Clears `err` to "no error".
void rwd_error_clear(rwd_error *err);

// Sets code (with its decision from the table) and cause; clears place and next. Returns false, so that a caller can
// write `return rwd_fail(err, RWD_E_IO, ...)`. `err` may be NULL: then nothing is recorded.
bool rwd_fail(rwd_error *err, rwd_code code, const char *cause_format, ...) RWD_PRINTF(3, 4);

// The same from errno value `system_error`: ENOSPC and EDQUOT become DISK_FULL, EACCES, EPERM and EROFS become PERMISSION,
// ENOMEM, EMFILE and ENFILE become RESOURCE, all else IO; the cause ends with the system's words.
bool rwd_fail_errno(rwd_error *err, int system_error, const char *cause_format, ...) RWD_PRINTF(3, 4);

// Adds the place, or the next command, to an error already set. Both return false, to end a function with. Setting
// twice keeps the first (the innermost place knows best).
bool rwd_error_at(rwd_error *err, const char *place_format, ...) RWD_PRINTF(2, 3);
bool rwd_error_next(rwd_error *err, const char *next_format, ...) RWD_PRINTF(2, 3);

// "orders.csv:12: ..." in one line of text: place, cause, next command. Gives at most `capacity` bytes with a closing NUL.
void rwd_error_format(const rwd_error *err, char *out, size_t capacity);

// Properties of a code, from the table. The strings are static. `rwd_code_name` is the lower-case word with dashes
// that appears in dead letters and JSON ("missing-field").
const char *rwd_code_name(rwd_code code);
const char *rwd_code_meaning(rwd_code code);
rwd_decision rwd_code_decision(rwd_code code);
rwd_exit rwd_code_exit(rwd_code code);
const char *rwd_decision_name(rwd_decision decision);

#endif
