// What the commands share: the invocation, where output goes, and the functions behind the rows of the command table.
//
// A command appends to `out` and returns; a long one flushes now and then. It fails with an error, from which the exit code follows, or
// sets `exit_code` where it worked and found something (a difference, nothing, a plan that waits for --yes).
//
// Thread: main, except where a function says otherwise.
#ifndef OPERATOR_CLI_CLI_PRIVATE_H
#define OPERATOR_CLI_CLI_PRIVATE_H

#include "checkpoints/journal/journal.h"
#include "checkpoints/repository.h"
#include "operator/base/clock.h"
#include "operator/base/fs.h"
#include "operator/base/json_out.h"
#include "operator/cli/cli.h"
#include "operator/cli/parse.h"
#include "operator/config/job.h"
#include "operator/pipeline/operator.h"
#include "operator/pipeline/plan.h"

typedef struct rwd_cli {
    const rwd_invocation *in;
    rwd_clock *clock;
    rwd_buf out;          // for standard output
    bool json;            // -o json
    bool csv;             // -o csv, of commands that have it
    rwd_exit exit_code;   // where nothing failed
} rwd_cli;

// Writes what is in `out` to standard output and clears it.
RWD_MUST bool rwd_cli_flush(rwd_cli *cli, rwd_error *err);
// A line for people on standard error that is no error.
void rwd_cli_say(const char *format, ...) RWD_PRINTF(1, 2);
// After a plan was shown: true to go on. False and no error: nothing is to be done (--dry-run), or nobody said yes (exit_code is set).
RWD_MUST bool rwd_cli_may_act(rwd_cli *cli, const char *question, bool *out_act, rwd_error *err);

// Runs an operator from lock to end, with signals, admin socket and, if asked for, HTTP around it; appends what it came to.
RWD_MUST bool rwd_cli_run_operator(rwd_cli *cli, const rwd_operator_options *options, const char *data, bool with_http, rwd_error *err);

// An empty folder of our own below TMPDIR (/var/tmp), which the caller removes.
RWD_MUST bool rwd_cli_private_folder(char out[RWD_PATH_MAX], rwd_error *err);

// ---- where: a data directory, and what is in it

typedef struct rwd_place {
    char data[RWD_PATH_MAX];
    rwd_job *job;         // of the job file on the command line; NULL with --data
    rwd_io *io;
    rwd_repo *repo;       // once opened
} rwd_place;

// Finds the data directory by JOB, --job, --data or REWIND_DATA. Loads a job file if that is what was given.
RWD_MUST bool rwd_place_find(const rwd_cli *cli, rwd_place *out, rwd_error *err);
void rwd_place_deinit(rwd_place *place);
// --io, or REWIND_IO, or the job's state.io. `job` may be NULL.
rwd_io_tier rwd_cli_io_tier(const rwd_cli *cli, const rwd_job *job);
RWD_MUST bool rwd_place_open_reader(rwd_cli *cli, rwd_place *place, rwd_error *err);
RWD_MUST bool rwd_place_open_owner(rwd_cli *cli, rwd_place *place, rwd_error *err);
// The checkpoint that `word` names. Says what to type where there is none.
RWD_MUST bool rwd_place_checkpoint(rwd_place *place, const char *word, rwd_checkpoint *out, rwd_error *err);
// The job that made a checkpoint, and its lineage, as kept with the repository. `out_lineage` may be NULL. *gives* both.
RWD_MUST bool rwd_repo_job_of(rwd_repo *repo, const rwd_checkpoint *checkpoint, rwd_job **out_job, rwd_lineage *out_lineage, rwd_error *err);
// --table, or the only table. `number` is its index.
RWD_MUST bool rwd_find_table(const rwd_job *job, const char *name, uint16_t *out_table, rwd_error *err);

// The journal of the data directory, to be looked at: beside a running operator or without one (cmd_journal.c). *gives* both.
RWD_MUST bool rwd_cli_open_journal(rwd_cli *cli, rwd_place *place, rwd_journal **out, rwd_error *err);

// ---- who asks

#define RWD_CLI_WHO 32
// "uid 1000", for history.log.
void rwd_cli_who(char out[RWD_CLI_WHO]);

// ---- a place in the input

// One of a time, --offset and an id, by the flags that are them here; id_flag COUNT: no ids are taken. The text of an id is borrowed.
RWD_MUST bool rwd_cli_target(const rwd_cli *cli, rwd_flag_id time_flag, rwd_flag_id id_flag, rwd_target *out, rwd_error *err);

// A place as --from and --to take it: an offset; a time (operator/cli/when.h), which has a colon; else a checkpoint's id, tag or latest. `flag` is for messages; the text is borrowed.
RWD_MUST bool rwd_cli_place_target(const rwd_cli *cli, const char *flag, const char *text, rwd_target *out, rwd_error *err);

// ---- a plan of a repair, beside what runs

// What a plan is made of says `options`; how it is made is set here: a running operator is asked for a checkpoint first and keeps its pace, signals end it. Opens the place as a reader where
// it is not open yet. *gives* `out` (cmd_repair.c).
struct rwd_repair_options;
struct rwd_repair_plan;
RWD_MUST bool rwd_cli_make_plan(rwd_cli *cli, rwd_place *place, struct rwd_repair_options *options, struct rwd_repair_plan *out, rwd_error *err);

// What a command ends with, of which a signal came too late to end the replay: nobody who interrupts it wants what follows. Returns false.
bool rwd_cli_stopped(rwd_error *err);

// restore --logic, --amend: a repair with the operator paused (cmd_repair_apply.c).
RWD_MUST bool rwd_restore_otherwise(rwd_cli *cli, const rwd_target *target, rwd_error *err);

// ---- the functions of the command table

#define RWD_COMMANDS(X) \
    X(demo) X(run) X(status) X(pause) X(resume) X(restore) X(checkpoint_list) X(checkpoint_show) X(checkpoint_create) X(checkpoint_check) \
    X(checkpoint_copy) X(checkpoint_forget) X(checkpoint_prune) X(checkpoint_tag) X(journal_list) X(journal_check) X(journal_export) \
    X(journal_import) X(state_get) X(state_scan) X(state_at) X(export) X(bisect) X(diff) X(replay) X(repair_plan) X(repair_list) \
    X(repair_show) X(repair_forget) X(repair_apply) X(repair_undo) X(repair_report) X(repair_rebase) X(dlq_list) X(dlq_show) X(dlq_export) X(dlq_redrive) \
    X(config_check) X(config_print) X(config_schema) X(config_proto) X(plugin_check) X(doctor) X(generate) X(docs) X(version) X(help)
#define RWD_COMMAND_PROTOTYPE(name) bool rwd_run_##name(rwd_cli *cli, rwd_error *err);
RWD_COMMANDS(RWD_COMMAND_PROTOTYPE)
#undef RWD_COMMAND_PROTOTYPE

#endif
