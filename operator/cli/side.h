// A side of a comparison: a state that a word names.
//
//   live         the running operator's, as a checkpoint that it is asked for; where none runs, the newest
//   repair:ID    what the plan of a repair came to: its second state
//   a path       a data directory (its newest checkpoint), or the folder of a checkpoint
//   a file       what `export` wrote of a table as JSON Lines
//   else         a checkpoint of the job: its id, the beginning of one, a tag, or latest
//
// Thread: one.
#ifndef OPERATOR_CLI_SIDE_H
#define OPERATOR_CLI_SIDE_H

#include "operator/cli/cli_private.h"
#include "operator/repair/repair_plan.h"
#include "state/reader.h"

typedef struct rwd_cli_side {
    const char *word;          // borrowed
    bool is_file;              // an export: only the word is there
    char repair[RWD_REPAIR_ID];          // of repair:ID its id; else empty
    char data[RWD_PATH_MAX];   // the data directory that it is in
    rwd_io *io;
    rwd_repo *repo;
    rwd_checkpoint checkpoint;
    bool found, locked;
    rwd_read_lock lock;        // K6
    rwd_job *job;              // that made it
    char dir[RWD_PATH_MAX];    // the checkpoint's folder
    rwd_reader_db *state;
} rwd_cli_side;

// `place`: the job's data directory, for words that are no path; NULL: none was named. The checkpoint is verified as far as it was not before (K5): CORRUPT. Close it, whatever open answered.
RWD_MUST bool rwd_cli_side_open(rwd_cli *cli, const rwd_place *place, const char *word, rwd_cli_side *out, rwd_error *err);
void rwd_cli_side_close(rwd_cli_side *side);

// diff --why KEY: both sides are the place's own, or of its repairs. Appends to the command's output; sets its exit code. The place is opened as reader where it is not.
RWD_MUST bool rwd_diff_why(rwd_cli *cli, rwd_place *place, const rwd_cli_side sides[2], rwd_error *err);

#endif
