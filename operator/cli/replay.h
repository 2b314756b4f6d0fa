// What the files of `rewind replay` share.
//
// Thread: main.
#ifndef OPERATOR_CLI_REPLAY_H
#define OPERATOR_CLI_REPLAY_H

#include "operator/cli/cli_private.h"
#include "operator/cli/pace.h"
#include "operator/config/amend_file.h"
#include "operator/pipeline/shadow.h"

typedef struct rwd_replay {
    rwd_cli *cli;
    rwd_place place;
    rwd_job *kept_job;           // without a job file: the newest checkpoint's
    rwd_job *file_job;           // of --logic
    const rwd_job *job;          // the current one
    const rwd_job *logic;        // of --logic, as it is replayed; NULL: the history's own
    rwd_logics *logics;
    rwd_amendments amendments;   // of --amend
    bool amended;
    int64_t from, to;
    uint32_t sample;             // 0: all keys
    uint64_t memory;             // 0: unless said otherwise
    bool has_base, locked;
    rwd_plan plan;               // of the base
    rwd_read_lock lock;
    rwd_lineage lineage;         // that is replayed
    char folder[RWD_PATH_MAX];   // that the shadow's is in, or which it is
    bool temporary;              // it goes again
    rwd_pace pace;
} rwd_replay;

// What came of it, appended to the output. `live`: a checkpoint of the job's own history at the same X, or NULL.
void rwd_render_replay(const rwd_replay *replay, const rwd_shadow *shadow, const rwd_shadow_progress *progress, const rwd_checkpoint *live, rwd_json_out *json, rwd_buf *out);

// --sample, with another logic or amendments: what the keys of the sample differ in at the end, and which changes are the largest. With `json` as members of the object in hand.
RWD_MUST bool rwd_replay_compare(const rwd_replay *replay, const rwd_shadow *old_side, const rwd_shadow *new_side, rwd_json_out *json, rwd_buf *out, rwd_error *err);

#endif
