// The operator: one partition in, keyed aggregates, outputs; recovery, commits, checkpoints. The only place where all rooms meet.
//
// Life: new -> run (recover, go live, end) -> free. run holds the data directory's lock and owns the pipeline thread: it is the calling
// thread. Everything else talks to it through the functions marked "any".
//
// Thread: as stated at each function.
#ifndef OPERATOR_PIPELINE_OPERATOR_H
#define OPERATOR_PIPELINE_OPERATOR_H

#include "checkpoints/repository.h"
#include "operator/config/job.h"
#include "operator/repair/logics.h"
#include "operator/pipeline/status.h"
#include "operator/source/source.h"

typedef struct rwd_operator rwd_operator;

// Someone who looks on while records are replayed, on the thread that replays. All is *borrowed* for the call; what is NULL is not asked.
typedef struct rwd_look {
    void *context;
    // A row that an event of the record is about to change. `old`, `now` NULL: it is not there. A row that leaves with its window is no change.
    void (*change)(void *context, const rwd_job *job, const rwd_record *record, uint16_t table, rwd_slice key, rwd_slice old, rwd_slice now);
    // All events of the record are applied.
    void (*behind)(void *context, const rwd_record *record);
} rwd_look;

// How a shadow replays (shadow.h has the same members).
typedef struct rwd_replay_manner {
    uint64_t memory;            // bytes, instead of state.memory
    int64_t every_ns;           // a checkpoint on the way at most so long after the one before; 0: only where memory calls for one
    uint32_t sample;            // of a million keys so many are kept up to date; 0: all
    int64_t (*pace)(void *context, int64_t worked_ns);  // behind each batch: how long to sleep; NULL: never
    void *pace_context;
    const rwd_look *look;       // NULL: nobody looks on
} rwd_replay_manner;

typedef struct rwd_operator_options {
    const rwd_job *job;         // the job file's; borrowed
    rwd_clock *clock;           // borrowed
    rwd_io_tier io;             // --io, or the job's state.io; AUTO: the best that works here
    bool fresh;                 // --fresh: start empty although something exists; what exists is moved aside, never deleted
    const char *data;           // a data directory instead of the job's own; borrowed until new has returned; NULL: the job's
    rwd_logics *logics;         // a shadow's: where jobs of earlier logics are found; borrowed; NULL: in the data directory
    rwd_repo *journal_of;       // a shadow's: whose journal is read first, and never written; borrowed; NULL: nobody's
    const char *restore_to;     // restore --to ID: recover from this checkpoint, make a new one at C, end; NULL: run
    const char *from_output;    // restore --from-output: rebuild the state at C from these outputs (from_output.h), in a new data directory; end; NULL: run
    const char *reason;         // --reason, for history.log; may be NULL
    const struct rwd_apply_order *apply;  // repair apply: recover, apply it, end; NULL: run. Borrowed
    bool progress;              // a progress line on stderr where that is a terminal
    bool shows_error;           // who calls run shows its error where the log goes: it is not logged as well
    const rwd_replay_manner *manner;  // a shadow's; borrowed; NULL: as a recovery replays
} rwd_operator_options;

// Thread: the one that will call run. Nothing is touched on disk yet.
RWD_MUST bool rwd_operator_new(const rwd_operator_options *options, rwd_operator **out, rwd_error *err);
void rwd_operator_free(rwd_operator *op);

// Takes the data directory's lock: fails at once where it cannot. Thread: pipeline.
RWD_MUST bool rwd_operator_open(rwd_operator *op, rwd_error *err);
// Recovers and runs to the end of the input (or to stop). True: ended well. False: `err` says why it stopped; with on_stop: park it returns only
// after stop. Thread: pipeline.
RWD_MUST bool rwd_operator_run(rwd_operator *op, rwd_error *err);
// Asks for the end: last commit, last checkpoint. Thread: any; async-signal-safe.
void rwd_operator_stop(rwd_operator *op);

// A consistent picture of not more than about 100 ms ago. Strings in it are copies. Thread: any.
void rwd_operator_status(rwd_operator *op, rwd_status *out);
// The open repository (owner), for checkpoint commands. Thread: any, after open.
rwd_repo *rwd_operator_repo(rwd_operator *op);
// What it runs with: the options' job, or, where the lineage in force says otherwise (L5), that one's; it may be another one later, but each stays while the operator does. Thread: any.
const rwd_job *rwd_operator_job(rwd_operator *op);
// The lineage in force and the frontier, for retention's questions. Thread: any.
void rwd_operator_lineage(rwd_operator *op, rwd_lineage *out, int64_t *out_frontier);

// Makes a checkpoint at the next boundary and waits until it is durable. `tag` may be NULL. Thread: any but pipeline.
RWD_MUST bool rwd_operator_checkpoint(rwd_operator *op, const char *tag, char out_id[RWD_CHECKPOINT_ID], rwd_error *err);
// Stops (or starts again) reading and publishing at the next batch boundary, where the open transaction is ended. Remembered in the data directory, over restarts, until
// the opposite is asked for. Checkpoints, state_get and the idle commit (C3) go on. Waits up to RWD_PAUSE_WAIT_NS for it to be in effect: while the operator recovers,
// or no broker takes the last commit, it comes later. `why` may be NULL. BUSY: parked or ending. Thread: any but pipeline.
#define RWD_PAUSE_WAIT_NS 5000000000LL
RWD_MUST bool rwd_operator_pause(rwd_operator *op, bool pause, const char *who, const char *why, rwd_status *out, bool *out_in_effect, rwd_error *err);
// Restore on a running, paused or parked operator: at the next batch boundary what was read is committed, and the state at that C is built again from checkpoint `id`; then it goes on.
// Returns at once: the outcome is for restore_wait. BUSY: in another phase, or another restore is under way. Thread: any but pipeline.
RWD_MUST bool rwd_operator_restore(rwd_operator *op, const char *id, const char *who, const char *why, rwd_error *err);
typedef enum rwd_restore_state { RWD_RESTORE_NONE, RWD_RESTORE_WANTED, RWD_RESTORE_RUNNING, RWD_RESTORE_DONE, RWD_RESTORE_FAILED } rwd_restore_state;
typedef struct rwd_restore_result {
    rwd_restore_state state;
    char from[RWD_CHECKPOINT_ID], made[RWD_CHECKPOINT_ID];  // of DONE, as the rest: the base, and the checkpoint of the rebuilt state
    int64_t frontier;           // C
    rwd_hash128 digest;
    unsigned equal, different;  // checkpoints at C whose digest is the rebuilt state's, and whose is not
} rwd_restore_result;
// The newest restore, once it is DONE or after `timeout_ns`, whichever comes first. False: it FAILED, and `err` says why; the operator went on as it was. Thread: any but pipeline.
RWD_MUST bool rwd_operator_restore_wait(rwd_operator *op, int64_t timeout_ns, rwd_restore_result *out, rwd_error *err);
// Apply (R4): at the next place where a transaction ends, what was read is committed: that is C. The shadow of the repair is brought to exactly C, the difference made again and compared
// with what was approved; then lineage, checkpoint and corrections are made durable, and published in one transaction or several, the first of which moves C to the new lineage. Then it
// goes on, by a recovery from what C names. Returns at once, as restore does: what came of it, refusals too, is for apply_wait. BUSY: in another phase, or another one or a restore is
// under way. Thread: any but pipeline.
typedef struct rwd_apply_order {
    const char *repair;         // id
    const char *who, *why;
    unsigned tolerance;         // percent of the approved corrections by which there may be more
} rwd_apply_order;
RWD_MUST bool rwd_operator_apply(rwd_operator *op, const rwd_apply_order *order, rwd_error *err);
typedef struct rwd_apply_result {
    rwd_restore_state state;
    char made[RWD_CHECKPOINT_ID];  // of DONE, as the rest: the checkpoint of the new history at C
    int64_t frontier;           // C
    uint64_t rows, transactions;
    int64_t paused_ns;          // how long nothing was read
    rwd_hash128 lineage, digest;
} rwd_apply_result;
// As restore_wait.
RWD_MUST bool rwd_operator_apply_wait(rwd_operator *op, int64_t timeout_ns, rwd_apply_result *out, rwd_error *err);
// One key's row as of the next batch boundary; `out_offset` is the next offset there. `job`: whose table and key these are; BUSY: it runs with another one by now. Thread: any but pipeline.
RWD_MUST bool rwd_operator_state_get(rwd_operator *op, const rwd_job *job, uint16_t table, rwd_slice key, bool *out_found, rwd_buf *out_row, int64_t *out_offset, rwd_error *err);

#endif
