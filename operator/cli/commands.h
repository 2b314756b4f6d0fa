// The table of commands and the table of flags: parser, help, manual pages and suggestions come from them.
//
// Adding a command is one row and one function; adding a flag is one row, and a bit in the commands that take it.
//
// Thread: any; the tables are constant.
#ifndef OPERATOR_CLI_COMMANDS_H
#define OPERATOR_CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "operator/base/error.h"

// What a flag takes.
typedef enum rwd_flag_kind {
    RWD_FLAG_SWITCH,  // nothing
    RWD_FLAG_TEXT,    // any text
    RWD_FLAG_CHOICE,  // one of the words in `takes`, separated by '|'
    RWD_FLAG_COUNT,   // a whole number from 0
    RWD_FLAG_PAIR,    // KEY=VALUE; may be given several times
} rwd_flag_kind;

// id, long name, letter (0: none), kind, what it takes, environment variable ("": none), help
#define RWD_FLAG_TABLE(X)                                                                                                                              \
    X(JOB, "job", 'j', TEXT, "FILE", "", "the job file, where it does not end in .yaml or .yml")                                                       \
    X(DATA, "data", 'd', TEXT, "DIR", "REWIND_DATA", "the data directory, instead of a job file")                                                      \
    X(SET, "set", 's', PAIR, "KEY=VALUE", "", "a key of the job file, with this value; may be given several times")                                    \
    X(PATCH, "set", 's', PAIR, "FIELD=VALUE", "", "a field of the JSON record, or a path into it, with this value; may be given several times")          \
    X(OUTPUT, "output", 'o', CHOICE, "table|json", "REWIND_OUTPUT", "for people or for programs; table unless given")                                  \
    X(OUTPUT_CSV, "output", 'o', CHOICE, "table|json|csv", "REWIND_OUTPUT", "for people, for programs (JSON Lines), or as CSV; table unless given")      \
    X(DRY_RUN, "dry-run", 'n', SWITCH, "", "", "print the plan, do nothing")                                                                           \
    X(YES, "yes", 'y', SWITCH, "", "", "do it without asking")                                                                                         \
    X(FRESH, "fresh", 0, SWITCH, "", "", "start empty although something exists; what exists is moved aside, never deleted")                           \
    X(TO, "to", 0, TEXT, "ID|DIR", "", "the checkpoint to go back to; of checkpoint copy the folder to copy into")                                     \
    X(FROM, "from", 0, TEXT, "DIR", "", "the folder to copy from")                                                                                     \
    X(WHY, "why", 0, TEXT, "KEY", "", "the first records behind which this key's rows differ; as output records have it, of several fields a JSON array") \
    X(REBUILD_OLD, "rebuild-old", 0, SWITCH, "", "", "build the old state again, too, instead of taking the live one as it is")                        \
    X(FROM_OUTPUT, "from-output", 0, TEXT, "LIST", "", "rebuild the state at the committed offset from these outputs of the job: topics or files, with commas between them")            \
    X(BEFORE, "before", 0, TEXT, "TIME", "", "the newest good checkpoint before the first record of this time or later: RFC 3339, or local 12:00, the last one that was")  \
    X(TIME, "time", 0, TEXT, "TIME", "", "the place before the first record of this time or later: RFC 3339, or local 12:00, the last one that was")   \
    X(OFFSET, "offset", 0, COUNT, "N", "", "the place before the record at offset N")                                                                  \
    X(FROM_PLACE, "from", 0, TEXT, "PLACE", "", "where it begins: an offset, a time (RFC 3339, or local 12:00), or a checkpoint")                      \
    X(TO_PLACE, "to", 0, TEXT, "PLACE", "", "where it ends, before the record there: an offset, a time or a checkpoint")                              \
    X(LOGIC, "logic", 0, TEXT, "FILE", "", "a job file: its event and tables are the logic from --from on")                                            \
    X(AMEND, "amend", 0, TEXT, "FILE", "", "amendments of the input: JSON Lines of {\"skip\": N}, {\"replace\": N, ...} and {\"insert\": N, ...}")       \
    X(SAMPLE, "sample", 0, TEXT, "PERCENT", "", "only so many of the keys, chosen by their hash: 1%")                                                  \
    X(MEMORY, "memory", 0, TEXT, "SIZE", "", "how much memory it may take; a quarter of state.memory unless given")                                    \
    X(TOLERANCE, "tolerance", 0, COUNT, "PERCENT", "", "so many more corrections than were approved may it come to; 0 unless given")                       \
    X(REASON, "reason", 'r', TEXT, "TEXT", "", "why, for history.log")                                                                                 \
    X(TAG, "tag", 0, TEXT, "NAME", "", "name for the new checkpoint; a tagged checkpoint is never pruned")                                             \
    X(CHECKPOINT, "checkpoint", 'c', TEXT, "ID", "", "read this checkpoint instead of the state as of now")                                            \
    X(TABLE, "table", 't', TEXT, "NAME", "", "the table; may be left out where the job has one")                                                       \
    X(KEY, "key", 0, TEXT, "KEY", "", "only this key, as output records have it: of several fields a JSON array")                                     \
    X(FORMAT, "format", 0, CHOICE, "json|csv", "", "JSON Lines or CSV; JSON Lines unless given")                                                       \
    X(FILE, "file", 'f', TEXT, "FILE", "", "write to this file, whole or not at all, readable by its owner only; standard output unless given")        \
    X(LIMIT, "limit", 'l', COUNT, "N", "", "at most N rows; 0: all; 100 unless given")                                                                 \
    X(ALL, "all", 'a', SWITCH, "", "", "every checkpoint, not just one")                                                                               \
    X(SCAN, "scan", 0, SWITCH, "", "", "also compute the state digest again from every row")                                                           \
    X(KEEP, "keep", 'k', COUNT, "N", "", "keep the newest N instead of what the job file says")                                                        \
    X(KEEP_AS, "keep", 'k', TEXT, "NAME", "", "keep the shadow, as shadows/NAME in the data directory")                                                \
    X(RECORDS, "records", 0, COUNT, "N", "", "how many records")                                                                                       \
    X(SEED, "seed", 0, COUNT, "N", "", "the same seed gives the same bytes; 1 unless given")                                                           \
    X(CHECK, "check", 0, TEXT, "EXPR", "", "a condition over a row, as in `invariants`")                                                               \
    X(KEYS, "keys", 0, COUNT, "N", "", "how many customers")                                                                                           \
    X(SKEWED, "skewed", 0, SWITCH, "", "", "few customers place most orders")                                                                          \
    X(BAD, "bad", 0, COUNT, "PPM", "", "malformed records in a million; 0 unless given")                                                               \
    X(INJECT, "inject", 0, TEXT, "LIST", "", "faults, records in a million: lost=200,gap=5,duplicated=200,late=50,malformed=100; and price=FROM..UNTIL, ids with ten times the amount")    \
    X(FAULTS, "faults", 0, TEXT, "FILE", "", "write what --inject did to this file, a line of JSON for each fault")                                     \
    X(AMENDMENTS, "amendments", 0, TEXT, "FILE", "", "write the amendments that mend what --inject did to this file, as --amend takes them")           \
    X(TRUTH, "truth", 0, TEXT, "FILE", "", "write the records as they would be without --inject to this file")                                         \
    X(RATE, "rate", 0, COUNT, "N", "", "at most N records a second; 0, the default: as fast as it goes")                                               \
    X(KEEP_FILES, "keep-files", 0, SWITCH, "", "", "leave the folder of the demonstration where it is")                                                \
    X(CODE, "code", 0, TEXT, "REASON,...", "", "only those of these reasons, as late,missing-field")                                                   \
    X(STATE, "state", 0, CHOICE, "open|failed|all", "", "open ones, or those that failed for good; all unless given")                                  \
    X(IN_PLACE, "in-place", 0, SWITCH, "", "", "write amendments of the records at their places")                                                      \
    X(SKIP, "skip", 0, SWITCH, "", "", "give the records up: amendments that skip them")                                                               \
    X(IO, "io", 0, CHOICE, "auto|pread|uring|uring-registered", "REWIND_IO", "how bulk reads and writes are made; the job file's state.io unless given")       \
    X(LOG_LEVEL, "log-level", 0, CHOICE, "debug|info|warn|error|silent", "REWIND_LOG_LEVEL", "least important log lines to show; info unless given")   \
    X(LOG_FORMAT, "log-format", 0, CHOICE, "text|json", "REWIND_LOG_FORMAT", "log lines for people or for programs")                                   \
    X(HELP, "help", 'h', SWITCH, "", "", "show the help of the command")

typedef enum rwd_flag_id {
#define RWD_FLAG_ENUM(id, name, letter, kind, takes, environment, help) RWD_FLAG_ID_##id,
    RWD_FLAG_TABLE(RWD_FLAG_ENUM)
#undef RWD_FLAG_ENUM
        RWD_FLAG_ID_COUNT
} rwd_flag_id;
// A command takes one of OUTPUT and OUTPUT_CSV, of SET and PATCH, of FROM and FROM_PLACE, of TO and TO_PLACE.
#define RWD_FLAG_BIT(id) (UINT64_C(1) << RWD_FLAG_ID_##id)
_Static_assert(RWD_FLAG_ID_COUNT <= 64, "one bit a flag");

typedef struct rwd_flag {
    const char *name;
    char letter;
    rwd_flag_kind kind;
    const char *takes;
    const char *environment;
    const char *help;
} rwd_flag;
// The row of a flag. Never NULL.
const rwd_flag *rwd_flag_at(rwd_flag_id id);

// What the first argument may be.
typedef enum rwd_job_argument {
    RWD_JOB_NEVER,
    RWD_JOB_REQUIRED,  // JOB is the first argument
    RWD_JOB_MAY,       // as FINDS, but none need be named
    RWD_JOB_FINDS,     // JOB, or --job, or --data, or REWIND_DATA finds the data directory
} rwd_job_argument;

#define RWD_ARGS_MAX 16
#define RWD_COMMAND_EXITS_MAX 12

struct rwd_cli;
typedef bool (*rwd_command_run)(struct rwd_cli *cli, rwd_error *err);

typedef struct rwd_command {
    const char *name;        // one word, or group and word: "checkpoint list"
    rwd_job_argument job;
    const char *args;        // behind JOB, for the synopsis: "TABLE KEY..."
    size_t least, most;      // how many of them
    uint64_t flags;          // bits; what every command takes is added
    const char *brief;       // one line
    const char *about;       // paragraphs, separated by an empty line
    const char *examples;    // one command a line
    rwd_exit exits[RWD_COMMAND_EXITS_MAX];  // that it is likely to give, OK first; the list ends with the next OK
    rwd_command_run run;
} rwd_command;

const rwd_command *rwd_command_at(size_t index);  // NULL behind the last
const rwd_command *rwd_command_find(const char *name);
// True if some command is called "<word> ...".
bool rwd_command_is_group(const char *word);
// Flags that every command takes.
uint64_t rwd_common_flags(void);

// What an exit code means; NULL for a number that is none of ours.
typedef struct rwd_exit_row { rwd_exit code; const char *meaning; } rwd_exit_row;
const rwd_exit_row *rwd_exit_at(size_t index);    // NULL behind the last
const char *rwd_exit_meaning(rwd_exit code);

#endif
