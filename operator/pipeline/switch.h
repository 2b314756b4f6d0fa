// A switch of C's lineage (R4): what was decided, as it stands in <data>/repairs/<id>/SWITCH, and the transactions that carry it out.
//
//   SWITCH is durable  ->  a transaction with the first corrections moves C to the new lineage  ->  others follow with the rest  ->  history.log  ->  DONE
//
// Until the first of them is known to have happened, the old history is the one that counts; from then on the new one does, and the rest of the corrections is sent before anything else (R4 (5)).
//
// Thread: pipeline, but for load and deinit: any.
#ifndef OPERATOR_PIPELINE_SWITCH_H
#define OPERATOR_PIPELINE_SWITCH_H

#include "checkpoints/repository.h"
#include "operator/sink/sink.h"

typedef struct rwd_switch {
    char id[RWD_REPAIR_ID];
    char *kind, *who, *why;           // kind: "repair" | "undo"
    char *undoes;                     // of an undo: the repair that it takes back; else empty
    int64_t decided_us;
    rwd_hash128 old_lineage, new_lineage;
    rwd_hash128 old_logic, new_logic; // of the record below C: whose tables the rows have
    uint64_t switch_number;           // C's, once it has happened
    int64_t next_offset;              // C
    uint64_t old_closings, new_closings;
    int64_t time_us;                  // of the record before C
    uint64_t rows, dead;              // corrections; dead letters that are new or resolved, behind them (R6)
    rwd_hash128 corrections;          // hash over them
    char old_checkpoint[RWD_CHECKPOINT_ID], new_checkpoint[RWD_CHECKPOINT_ID];
    rwd_hash128 old_digest, new_digest;
    uint64_t transactions;            // of DONE
} rwd_switch;

// In the repair's folder: what was decided; the same, once it is in history.log; the corrections and dead letters that it decided on.
#define RWD_SWITCH_FILE "SWITCH"
#define RWD_SWITCH_DONE "DONE"
#define RWD_FINAL_CORRECTIONS "corrections.final"
#define RWD_FINAL_DEAD "dead.final"
void rwd_switch_deinit(rwd_switch *facts);
// Durable on return. `name`: SWITCH or DONE, in the repair's folder.
RWD_MUST bool rwd_switch_save(const rwd_switch *facts, const char *folder, const char *name, rwd_io *io, rwd_error *err);
// NOT_FOUND: there is none. *gives*.
RWD_MUST bool rwd_switch_load(const char *folder, const char *name, rwd_io *io, rwd_switch *out, rwd_error *err);

// What a C says about a switch (C6): the offset alone never decides.
typedef enum rwd_switch_stage {
    RWD_SWITCH_BEFORE,     // C is what stood before it
    RWD_SWITCH_UNDER_WAY,  // it has happened, and not all corrections are sent
    RWD_SWITCH_AFTER,      // it has happened, as a whole
    RWD_SWITCH_ELSEWHERE,  // neither: another owner moved C
} rwd_switch_stage;
rwd_switch_stage rwd_switch_stage_of(const rwd_switch *facts, const rwd_commit *commit);

// One correction, as it is sent. All *borrowed* until the next one is asked for.
typedef struct rwd_switch_row {
    size_t sink;
    rwd_slice key;
    rwd_slice row;     // data NULL: the key vanishes
    int64_t offset;
    rwd_slice old;     // as in rwd_sink_ops.put_correction
    const rwd_dead_letter *dead;  // this instead of all that; NULL: it is a row
} rwd_switch_row;

// Corrections in their order, from the first that is not sent yet.
typedef struct rwd_switch_rows {
    bool (*next)(void *context, rwd_switch_row *out, bool *out_found, rwd_error *err);
    void *context;
} rwd_switch_rows;

#endif
