// The command line, read by the tables of commands.h: `--flag value`, `--flag=value`, `-o json`, `-ojson`, `-ny`, `--` ends flags.
//
// Precedence: flag > environment.
//
// Thread: one.
#ifndef OPERATOR_CLI_PARSE_H
#define OPERATOR_CLI_PARSE_H

#include "operator/cli/commands.h"
#include "operator/config/job.h"

#define RWD_SETS_MAX 64

typedef struct rwd_invocation {
    const rwd_command *command;            // NULL: only "rewind", or "rewind --help", or "rewind checkpoint --help" (see group)
    const char *group;                     // of a group without a command, or NULL
    const char *values[RWD_FLAG_ID_COUNT]; // NULL: not given; "" for a switch. *borrowed* from argv and the environment
    bool from_environment[RWD_FLAG_ID_COUNT];
    rwd_override sets[RWD_SETS_MAX];       // --set
    char *set_keys[RWD_SETS_MAX];          // what they own
    size_t set_count;
    const char *job;                       // JOB or --job, or NULL
    const char *args[RWD_ARGS_MAX];        // behind JOB
    size_t arg_count;
} rwd_invocation;

// `environment` answers as getenv does. USAGE errors name the word and the nearest right one.
RWD_MUST bool rwd_parse_command_line(int argc, const char *const *argv, const char *(*environment)(const char *name), rwd_invocation *out,
                                     rwd_error *err);
void rwd_invocation_deinit(rwd_invocation *invocation);
static inline bool rwd_given(const rwd_invocation *in, rwd_flag_id id) { return in->values[id] != NULL; }
// A COUNT flag's number, or `fallback`.
uint64_t rwd_count_of(const rwd_invocation *in, rwd_flag_id id, uint64_t fallback);

#endif
