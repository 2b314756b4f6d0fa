// A repair's plan: what was asked for, what it stands on, what it comes to. It is what a person approves, and what apply is held to (R4).
//
// In <data>/repairs/<id>/ stand PLAN (this; proto/repair.proto), `lineage` (the new lineage, in a frame "RWRL"), `logic.yaml` (the job file of --logic, normalised; what it needs stands
// beside it as with lineages), and the shadow's folder. PLAN is written last: a folder without it is no plan.
//
// Thread: values; any.
#ifndef OPERATOR_REPAIR_REPAIR_PLAN_H
#define OPERATOR_REPAIR_REPAIR_PLAN_H

#include "checkpoints/repository.h"
#include "operator/repair/logics.h"
#include "operator/sink/sink.h"

#define RWD_REPAIR_PLAN_FILE "PLAN"
#define RWD_REPAIR_LINEAGE_FILE "lineage"
#define RWD_REPAIR_LOGIC_FILE "logic.yaml"
#define RWD_REPAIR_AMENDMENTS_FILE "amendments.jsonl"
#define RWD_REPAIR_SHADOW "shadow"

typedef struct rwd_repair_sink { char *table, *target; uint64_t changed, added, vanished; } rwd_repair_sink;
typedef struct rwd_repair_column { char *name, *before, *after, *delta; uint64_t changed; } rwd_repair_column;
typedef struct rwd_repair_table { char *name; uint64_t changed, added, vanished; rwd_repair_column *columns; size_t column_count; } rwd_repair_table;
typedef struct rwd_repair_violation { char *table, *check, *key; uint64_t keys; bool parks; } rwd_repair_violation;

// Members as in proto/repair.proto. Strings are owned; none is NULL once it was loaded.
typedef struct rwd_repair_plan {
    char id[RWD_REPAIR_ID];
    char *kind, *undoes;          // "repair" | "undo"; of an undo: the repair that it takes back, else empty
    int64_t created_us;
    char *who, *build;
    rwd_hash128 repository, old_lineage, new_lineage;
    uint64_t switch_number;
    int64_t from, to;             // to: -1: the new logic stays
    bool has_logic;
    uint64_t amendments;
    bool rebuilt_old;
    char base[RWD_CHECKPOINT_ID], old_checkpoint[RWD_CHECKPOINT_ID];
    int64_t base_offset, position;
    uint64_t closings;
    uint64_t records_read, records_journal;
    int64_t took_us;
    uint64_t shadow_bytes;
    rwd_hash128 old_digest, new_digest;
    uint64_t rows;
    rwd_repair_sink *sinks;
    size_t sink_count;
    rwd_repair_table *tables;
    size_t table_count;
    uint64_t dead_new, dead_resolved;
    rwd_repair_violation *violations;
    size_t violation_count;
    uint64_t transactions, rows_per_transaction;
    int64_t readers_wait_us;
    uint64_t approved;
    rwd_hash128 corrections;
    int64_t differs_from;         // lowest offset at which the lineages differ
} rwd_repair_plan;
void rwd_repair_plan_deinit(rwd_repair_plan *plan);
void rwd_repair_plan_clear_violations(rwd_repair_plan *plan);
// It takes back what was switched last: a repair (`undoes`), or a change of the job file (R5).
bool rwd_repair_is_undo(const rwd_repair_plan *plan);
// S5: a state that is wrong by the job's own words is not put in the place of another; but the way back stays open: of an undo only what parks counts, since what alerts was published before.
// True, with INVARIANT: it is refused. `job` is for the command to type.
bool rwd_repair_refuse_violations(const rwd_repair_plan *plan, const char *job, rwd_error *err);

// PLAN in the repair's folder. Durable on return. `io` is *borrowed*.
RWD_MUST bool rwd_repair_plan_save(const rwd_repair_plan *plan, const char *folder, rwd_io *io, rwd_error *err);
// NOT_FOUND: there is no such plan. CORRUPT. *gives*.
RWD_MUST bool rwd_repair_plan_load(const char *folder, rwd_io *io, rwd_repair_plan *out, rwd_error *err);
// The new lineage. Durable on return; *gives*.
RWD_MUST bool rwd_repair_plan_save_lineage(const rwd_lineage *lineage, const char *folder, rwd_io *io, rwd_error *err);
RWD_MUST bool rwd_repair_plan_lineage(const char *folder, rwd_io *io, rwd_lineage *out, rwd_error *err);
// Adds the logic of logic.yaml, where the plan has one, to what `logics` knows.
RWD_MUST bool rwd_repair_plan_logics(const rwd_repair_plan *plan, const char *folder, rwd_logics *logics, rwd_error *err);

// 16 hex digits to the number that stands in C's metadata, and back. 0: they are none.
uint64_t rwd_repair_number(const char *id);
void rwd_repair_id_of(uint64_t number, char out[RWD_REPAIR_ID]);

// <data>/repairs/<id>
RWD_MUST bool rwd_repair_folder_of(const char *data, const char *id, char out[4096], rwd_error *err);
// The id of the repair that `word` names: an id, or the beginning of one, of a folder with a PLAN; "latest": the one that was planned last. NOT_FOUND, USAGE (several).
RWD_MUST bool rwd_repair_find(const char *data, rwd_io *io, const char *word, char out[RWD_REPAIR_ID], rwd_error *err);

#endif
