// The operator's own struct and the functions that its files share.
//
//   operator.c   life: new, open, run, park, free; sessions and their repetition after a rollback
//   recovery.c   C4: from the lock to live; genesis (C2)
//   change_all.c on_change: replay
//   change.c     L5: which job the lineage asks for, and job files that are another
//   stages.c     rows of an earlier logic, and recoveries that cross the place where it ends
//   batch.c      the per-event path: decode, route, resolve, apply
//   sessions.c   which sessions an event joins, and what becomes of them
//   dead.c       open dead letters, and records that were sent again
//   windows.c    what stream time makes due: windows close and leave
//   boundary.c   where batches end: commits, checkpoints, sweeps
//   pause.c      pause and resume
//   restore.c    restore, as a run of its own and while running
//   invariants.c what must hold for rows: counts, marks, parking
//   hold.c       the place where an invariant parked the job
//   apply.c      repairs: from the pause to the switch of the lineage
//   switch.c     what a switch decided, and its transactions
//   settle.c     behind a recovery: switches that a kill left half done
//   journal.c    the journal of a session
//   control.c    requests from other threads, the published status
//
// A *session* is one recovery and what follows it: its sink, tables, checkpointer and keeper. When the state turns out to be damaged, or a
// commit's fate unknown, the session ends and another begins from the last good checkpoint (decision ROLLBACK).
//
// Thread: pipeline, unless stated.
#ifndef OPERATOR_PIPELINE_OPERATOR_PRIVATE_H
#define OPERATOR_PIPELINE_OPERATOR_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "checkpoints/checkpointer.h"
#include "checkpoints/journal/journal.h"
#include "checkpoints/keeper.h"
#include "operator/config/answers.h"
#include "operator/logic/step.h"
#include "operator/pipeline/invariants.h"
#include "operator/repair/logics.h"
#include "operator/pipeline/operator.h"
#include "operator/pipeline/switch.h"
#include "operator/pipeline/watchdog.h"
#include "operator/sink/sink.h"
#include "operator/source/source.h"
#include "state/dead.h"
#include "state/dedup.h"
#include "state/tables.h"
#include "state/timers.h"

// Events that are decoded, resolved and applied together: enough to hide memory latency, few enough to stay in the L2 cache.
#define RWD_GROUP_MAX 256
// Encoded keys of one group; a group ends early when the room for one more event is not left.
#define RWD_GROUP_KEYS (256u << 10)
// A group that was interrupted by windows that closed is followed by a smaller one, down to this.
#define RWD_GROUP_MIN 16
// Windows that are closed between two looks at what else is due (S4: bounded portions).
#define RWD_CLOSE_PORTION 256
#define RWD_CLOSE_BOUNDARY 1024
// Slots swept per batch while a freeze is open: bounds the pause (K1).
#define RWD_SWEEP_SLOTS 4096
// Rows put into the hot table per batch while it is warming up.
#define RWD_WARM_ROWS 8192
// How long the pipeline sleeps at the end of its input before it looks again.
#define RWD_IDLE_NS 20000000
// A session that ends in ROLLBACK is followed by another at most this often without a commit in between.
#define RWD_ROLLBACKS_MAX 3
// Free space that must be left beside an estimate of the checkpoint before one is tried.
#define RWD_DISK_MARGIN (8ull << 20)

// What a test puts in the place of the real rooms; all NULL in the program.
typedef struct rwd_operator_hooks {
    rwd_source *(*open_source)(void *context);
    rwd_sink *(*open_sink)(void *context);
    // Before each batch while live. False: end here as if the process had died.
    bool (*at_batch)(void *context, rwd_operator *op);
    void *context;
} rwd_operator_hooks;

// Where the input stands: all that a boundary must know about the records below it.
typedef struct rwd_position {
    int64_t next_offset;     // X
    uint64_t closings;       // C7: windows closed since the last record below X
    int64_t stream_time;     // highest accepted event time
    rwd_counts counts;
    uint64_t input_count;    // E4
    rwd_hash128 input_hash;  // E4
} rwd_position;

// One event of the current group. The events of a record stand side by side.
typedef struct rwd_group_event {
    rwd_event event;
    rwd_fault fault;         // code RWD_E_NONE: decoded
    uint32_t first_touch;
    uint32_t touch_count;
    bool last;               // of its record
    bool ends_record;        // and the position moves behind it: not where the record was inserted (L6), which is one with the record that it stands before
    bool empty;              // no event, but a record that has none
    bool redriven;           // of a record that was sent again
} rwd_group_event;

#define RWD_PARTICIPANTS_MAX 8

// What one event makes of the rows that it touches, until all of them are known to be good.
typedef struct rwd_group_row {
    rwd_change change;
    uint32_t at, size;       // in rows
    uint32_t passed, passes; // the emit: update sinks that publish the old and the new row, by bit
} rwd_group_row;

typedef struct rwd_group {
    rwd_group_event *events;  // capacity
    size_t event_count;
    size_t capacity;         // events: RWD_GROUP_MAX, and what the last record may have beyond it
    size_t record_count;     // records that they come from
    size_t most;             // events of the next group, at most: fewer where windows often close between them
    size_t reach;            // touches of one event, at most
    rwd_dedup_id *ids;       // capacity; NULL: ids are not remembered
    rwd_touch *touches;      // capacity * reach
    size_t touch_count;
    rwd_touch *lists;        // capacity * tables with sessions: the lists of open ones; NULL: there are none
    uint8_t **blocks;        // of encoded keys: each RWD_GROUP_KEYS + one event's worst case; more than one only for a record of many events
    size_t block_count, block;
    size_t keys_used;        // of the block in hand
    uint32_t row_max;        // bytes of one new row, at most
    uint8_t *rows;           // reach * row_max
    uint8_t *merged;         // row_max: of two sessions that become one; NULL: no table has sessions
    rwd_group_row *row;      // reach
    const rwd_touch *stray;  // of an event at fault with PARTIAL_KEY: the key that belongs elsewhere
    rwd_buf key_text, key_scratch;
    rwd_buf fault_text;
} rwd_group;

typedef enum rwd_request_kind { RWD_REQUEST_CHECKPOINT, RWD_REQUEST_GET } rwd_request_kind;

typedef struct rwd_request {
    rwd_request_kind kind;
    struct rwd_request *next;
    bool done, ok;
    bool begun;                  // CHECKPOINT: the state was frozen since
    rwd_error error;
    char id[RWD_CHECKPOINT_ID];  // CHECKPOINT: the answer
    const rwd_job *job;          // GET
    uint16_t table;
    rwd_slice key;
    bool found;
    rwd_buf *row;
    int64_t offset;
} rwd_request;

// The redriven record in hand (S3).
typedef struct rwd_redrive {
    const rwd_record *record;    // NULL: none
    bool open;                   // its origin is an open dead letter, and nothing has become of that yet
    bool met;                    // the event that failed is in it
    rwd_dead_entry entry;        // its field is the index's, until the next record's
    rwd_buf origin;              // the header
} rwd_redrive;

// A restore that was asked for while running. Guarded by the operator's lock.
typedef struct rwd_restoring {
    rwd_restore_state state;
    char id[RWD_CHECKPOINT_ID];
    char who[64], why[512];
    rwd_restore_result result;   // of DONE
    rwd_error error;             // of FAILED
} rwd_restoring;

// A repair that was asked for. Guarded by the operator's lock.
typedef struct rwd_applying {
    rwd_restore_state state;
    char id[RWD_REPAIR_ID];
    char who[64], why[512];
    unsigned tolerance;
    rwd_apply_result result;
    rwd_error error;
} rwd_applying;

// Where the pipeline is with it. A session ends in PAUSED, and from DECIDED on another history may count.
typedef enum rwd_apply_stage { RWD_APPLY_NONE, RWD_APPLY_PAUSED, RWD_APPLY_DECIDED, RWD_APPLY_SWITCHED } rwd_apply_stage;

struct rwd_operator {
    rwd_operator_options options;
    rwd_operator_hooks hooks;
    const rwd_job *job;       // that it runs with: the job file's (options.job), or the lineage's; changed between sessions, under `lock`
    const rwd_job *next_job;  // the session ends, and the next one has this job; NULL: the same
    const rwd_job *switch_to; // L5: from the next boundary on the records are this job's; NULL: no change is wanted
    bool warned_of_job;       // that the job file is not what runs
    rwd_clock *clock;
    rwd_io *io;               // the pipeline's, lent to the source
    rwd_io *repo_io;          // the repository's, used under its mutex
    char data[4096];
    rwd_repo *repo;
    rwd_source *source;       // with the lineage's amendments
    rwd_source *raw_source;   // behind it: without them (*borrowed* from it)
    rwd_buf source_identity;
    unsigned partitions;      // of the source's topic; 1: keys can belong nowhere else
    rwd_hash128 source_hash;
    rwd_decoder *decoder;
    rwd_step *step;
    rwd_schema schemas[RWD_TABLES_MAX];  // of the job's tables, and of the lists of open sessions behind them
    size_t schema_count;
    bool has_sessions;
    rwd_budget budget;
    rwd_logics *logics;       // of the data directory, or (a shadow's) the options'; NULL before it is open
    rwd_lineage lineage;      // changed under `lock`, read by the pipeline without
    uint64_t switch_number;   // how often C's lineage was switched, as C says
    uint64_t owner;           // random, per start (C3)
    rwd_group group;
    size_t *update_sinks;     // sinks with emit: update, by index
    size_t update_sink_count;

    // The session.
    unsigned waits;           // tries in a row that ended because no broker answered
    int64_t away_us;          // wall clock of the first of them; 0: there was none
    int64_t waits_said_ns;    // when the log last said so
    unsigned session;         // number of this session in this process
    char live[4096];
    rwd_sink *sink;
    rwd_sink_stats earlier;       // of sinks that are closed: of sessions before this one
    rwd_tables *tables;
    rwd_dedup *dedup;         // NULL: ids are not remembered
    rwd_dead *dead;
    int64_t dead_since;       // dead letters of records below it are not in there; 0: all are
    const char *origin;       // of redriven records of this source; NULL: it has none
    rwd_redrive redrive;
    uint32_t inserted;        // records that amendments put before the next one of the source, and that were taken
    struct { uint64_t applied, failed, duplicate; } redriven;  // redriven records, since this start
    rwd_timers *timers;       // of windows; NULL: no table has any
    rwd_timer *due;           // RWD_CLOSE_PORTION of them
    rwd_touch *due_touches;   // two for each of them: its window's row, and of a session the list that it is in
    rwd_buf due_again;        // sessions that went on: their new timers
    rwd_journal *journal;     // our own; NULL: there is none
    rwd_journal *read_journal;  // a shadow's: another's, only read; or NULL
    int64_t journal_looked_ns;  // when the status last looked at it; 0: not yet
    rwd_checkpointer *checkpointer;
    rwd_keeper *keeper;
    bool warm;                // the hot table holds what it can
    rwd_watch *watch;         // NULL: the job has no invariants
    bool held;                // nothing is committed below commit_boundary (hold.c)
    rwd_answers answers;      // of the row that sinks' conditions look at

    char *rebuilt;            // of the base: from which outputs it was rebuilt; NULL: from none
    rwd_position position;    // behind the last applied record
    uint64_t amended[RWD_AMENDED_INSERTED + 1];  // L6: records since the base, by what amendments made of them
    int64_t frontier;         // C: known to be committed
    uint64_t frontier_closings;
    int64_t hold_offset;      // during replay: at this position no more windows are closed than
    uint64_t hold_closings;   // these (C7); -1: no such bound
    int64_t committing;       // X of the running commit, or -1
    bool at_boundary;         // the open transaction is empty: position is C or committing
    int64_t commit_boundary;  // with commit_at: the next multiple
    bool knows_c;             // this process has read or made a C: the two below say which (C6)
    int64_t known_c;
    uint64_t known_closings;
    uint64_t known_owner;
    bool inside_record;       // some events of a record, or of what is inserted before it, were applied, and not all: the state is that of no position
    int64_t record_time_us;   // of the last record: its own; where records have none, of the last applied one's event (E2)
    bool commit_started;      // a commit of this session succeeded: rollbacks may be counted anew
    unsigned tries;           // rollbacks in a row; 0: this session is none
    char tried[RWD_ROLLBACKS_MAX][RWD_CHECKPOINT_ID];  // the bases that they chose
    rwd_buf cursor;           // the source's words for position, where last_record is NULL and it is not empty
    const rwd_record *last_record; // of the current batch, behind which the cursor stands; NULL: no batch is held

    // Checkpoints of this session.
    int64_t freeze_at;        // X of the running checkpoint, or -1
    uint64_t freeze_closings;
    bool freeze_waits;        // its commit is not known yet (K1)
    const char *freeze_reason;
    int64_t checkpoint_at;    // X of the newest known one, or -1
    uint64_t checkpoint_closings;
    char checkpoint_id[RWD_CHECKPOINT_ID];
    int64_t checkpoint_started_ns, commit_started_ns;
    int64_t disk_warned_ns;

    // Pause.
    rwd_io *pause_io;         // used under pause_lock
    pthread_mutex_t pause_lock;
    atomic_bool paused;
    char pause_why[512];      // guarded by lock: who, when, why

    // Restore while running.
    rwd_restoring restore;
    atomic_bool restore_wanted;
    char restore_to[RWD_CHECKPOINT_ID];  // this session, or the next, recovers from it; empty: from the best there is

    // Repair.
    rwd_applying apply;
    rwd_applying apply_now;   // the pipeline's own copy of what it is about
    atomic_bool apply_wanted;
    rwd_apply_stage apply_stage;
    rwd_switch apply_facts;   // of DECIDED and SWITCHED
    char apply_checkpoint[RWD_CHECKPOINT_ID];  // of PAUSED: the state at C
    int64_t apply_time_us;    // the record's before C
    int64_t apply_began_ns;

    // Liveness.
    rwd_watchdog dog;
    rwd_watchdog_thread *dog_thread;
    int64_t caught_up_us;     // wall clock: when the input was last known to have nothing more; 0: not yet

    // Status and requests.
    rwd_status status;        // the pipeline's own
    pthread_mutex_t lock;     // guards published and requests
    pthread_cond_t answered;
    rwd_status published;     // the copy that others see
    rwd_request *requests;
    atomic_bool has_requests;
    bool serving;             // requests can be answered (guarded by lock)
    atomic_bool stop;
    int64_t stop_seen_ns;     // when a wait first saw it; 0: none did
    int64_t published_ns;
    int64_t rate_ns;          // for the rate: when and how many
    uint64_t rate_read;
    int64_t replay_began_ns;
    uint64_t replay_base;     // counts.read when this start went live
    uint64_t late[RWD_TABLES_MAX];  // events for which all windows of a table were closed, since this start
};

// As rwd_operator_new, with other rooms. For tests.
RWD_MUST bool rwd_operator_new_with(const rwd_operator_options *options, const rwd_operator_hooks *hooks, rwd_operator **out, rwd_error *err);

// operator.c
// A session begins, from the source (if it is not open yet) to an empty state; and ends, whatever it came to.
RWD_MUST bool rwd_open_session(rwd_operator *op, rwd_error *err);
void rwd_drop_sink(rwd_operator *op);
void rwd_close_session(rwd_operator *op);
// A portion of loading the state into memory after it was opened.
void rwd_warm_up(rwd_operator *op);
// Makes the decoder from the columns that the source has.
RWD_MUST bool rwd_open_decoder(rwd_operator *op, rwd_error *err);
// All that a checkpoint is made of, from its folder (NULL: empty).
RWD_MUST bool rwd_open_participants(rwd_operator *op, const char *checkpoint_dir, rwd_error *err);
// The same from several folders: where rows have other columns than in the checkpoint (stages.c), where it has no timers.
typedef struct rwd_open_dirs { const char *tables, *timers, *rest; } rwd_open_dirs;
RWD_MUST bool rwd_open_participants_from(rwd_operator *op, const rwd_open_dirs *dirs, rwd_error *err);
// Between sessions: all that follows from the job is made again from this one, which stays while the operator does.
void rwd_take_job(rwd_operator *op, const rwd_job *job);
// Between two records of a session: the same, with source, tables and all that checkpoints are made of as they are. Both jobs stay while the operator does. Precondition: rwd_changes_in_place, no
// batch is held, and no checkpoint is running.
RWD_MUST bool rwd_take_job_in_place(rwd_operator *op, const rwd_job *job, rwd_error *err);

// change.c
// L5: sets the lineage that C names and says whether this session's job is its last segment's. A false return with `next_job` set: the session is to end, and that job to be taken.
RWD_MUST bool rwd_follow_lineage(rwd_operator *op, rwd_hash128 lineage, rwd_error *err);
// Live, between records, with `switch_to`: begins its segment here. `out_done`: C names it, and the session is to end for `next_job`; false: not at a boundary yet.
RWD_MUST bool rwd_change_now(rwd_operator *op, bool *out_done, rwd_error *err);
// What people are told of the lineage, into the status: aggregates that begin above genesis, and whether the job file is what runs.
void rwd_show_lineage(rwd_operator *op);
// change_all.c. May outputs of the one be corrected to those of the other?
RWD_MUST bool rwd_may_replay_all(const rwd_job *needed, const rwd_job *job, rwd_error *err);
// Live, before anything is read: plans the repair of the whole history, and orders it. `switch_to` is NULL behind it.
RWD_MUST bool rwd_change_all(rwd_operator *op, rwd_error *err);
// A switch that C names and history.log does not (a kill came between) is entered.
RWD_MUST bool rwd_complete_history(rwd_operator *op, rwd_error *err);

// stages.c
// May state made by `before` be opened by `job` (L3)? `out_from_nothing`: nothing of it, since it is that of genesis. LOGIC_CHANGED says why not.
RWD_MUST bool rwd_may_follow(const rwd_job *before, const rwd_job *job, const rwd_facts *base, bool *out_from_nothing, rwd_error *err);
// May an operator that runs with `before` go on with `job` at any record, with all that it holds as it is? Else its state is to be written, and opened by the other. L3 allows `job` there. Pure.
bool rwd_changes_in_place(const rwd_job *before, const rwd_job *job);
// Opens the participants from a checkpoint in `dir`, whose rows may be an earlier logic's.
RWD_MUST bool rwd_open_base(rwd_operator *op, const rwd_checkpoint *base, const char *dir, rwd_error *err);
// Where the last logic of the lineage begins, if that is above `x`; else -1.
int64_t rwd_stage_boundary(const rwd_lineage *lineage, int64_t x);
// The state at `boundary`, from a base below it, as a checkpoint of the repository.
RWD_MUST bool rwd_cross_boundary(rwd_operator *op, const rwd_checkpoint *base, int64_t boundary, int64_t frontier, char out_id[RWD_CHECKPOINT_ID], rwd_error *err);

// recovery.c. From an open repository to live at C: fills session, position, frontier, lineage.
RWD_MUST bool rwd_recover(rwd_operator *op, rwd_error *err);
// Other threads ask for the lineage (retention), so it changes under the lock. *Takes* `lineage`.
void rwd_set_lineage(rwd_operator *op, const rwd_lineage *lineage);
// Commits C where it stands, with the lineage and switch number as they are now; no transaction is open then. Precondition: live, and the open transaction is empty.
RWD_MUST bool rwd_commit_lineage(rwd_operator *op, rwd_error *err);
// A shadow's: from a checkpoint, in `base_dir`, to the state at `until`; nothing is looked up or committed. *Takes* `lineage`. The session is open.
RWD_MUST bool rwd_rebuild(rwd_operator *op, const rwd_lineage *lineage, const rwd_checkpoint *base, const char *base_dir, int64_t until, rwd_error *err);
// Behind that: goes on to `until` with `job`, to which it may change in place.
RWD_MUST bool rwd_rebuild_on(rwd_operator *op, const rwd_job *job, int64_t until, rwd_error *err);
// Genesis at a C that there is: the state is what `fill` makes of an empty one, marked as rebuilt with `mark`; a checkpoint of it becomes durable, then C is committed again as ours (as C2).
RWD_MUST bool rwd_genesis_at(rwd_operator *op, const rwd_commit *commit, const char *mark, bool (*fill)(void *context, rwd_operator *op, rwd_error *err), void *context, rwd_error *err);
// The second half alone: an earlier try was killed behind the checkpoint.
RWD_MUST bool rwd_genesis_again(rwd_operator *op, const rwd_checkpoint *made, rwd_error *err);
// from_output.c. Instead of a recovery: the state is rebuilt from the outputs that options.from_output names.
RWD_MUST bool rwd_recover_from_output(rwd_operator *op, rwd_error *err);
// After a restore: C4 (8) stops at checkpoints above C, and a person has decided to go on from C. They are set aside, never deleted.
RWD_MUST bool rwd_set_aside_above(rwd_operator *op, rwd_error *err);

// dead.c
// The headers of a redriven record: what it comes from, and how often that may fail in all before it has failed for good.
#define RWD_HEADER_ORIGIN "rewind-origin"
#define RWD_HEADER_RETRIES "rewind-retries"
#define RWD_REDRIVE_RETRIES 3  // of a record that does not say
// "SOURCE/OFFSET[/ORDINAL]", SOURCE being what the source's `origin` answers. False: it is not of this source.
bool rwd_origin_parse(const char *source, rwd_slice origin, rwd_dead_id *out);
void rwd_origin_text(const char *source, const rwd_dead_id *id, rwd_buf *out);
// Was it sent again, from a dead letter of this source?
bool rwd_is_redriven(const rwd_operator *op, const rwd_record *record);
// An event failed for good.
void rwd_dead_letter_opens(rwd_operator *op, const rwd_event *event, const rwd_fault *fault);
// Before the first event of a redriven record is looked at; again for the same record it does nothing. Then op->redrive says what it is about.
RWD_MUST bool rwd_redrive_begins(rwd_operator *op, const rwd_record *record, rwd_error *err);
// Is this event, or the record as a whole, what failed then?
bool rwd_redrive_is_about(const rwd_operator *op, const rwd_event *event);
// Precondition of both: op->redrive.open. It is applied (or, by the job's rules, dropped); it failed again, `fault` NULL: it is not in the record any more. Returns how often it has.
void rwd_redrive_closes(rwd_operator *op);
uint32_t rwd_redrive_fails(rwd_operator *op, const rwd_fault *fault);

// batch.c
void rwd_group_init(rwd_group *group, const rwd_job *job, const rwd_step *step);
void rwd_group_deinit(rwd_group *group);
// Applies records [0, count) whose offsets are below `until`; `out_done` of them were (fewer than asked only on a false return, or where a record at or
// above `until` begins). `live`: outputs and dead letters are put into the open transaction (C9). On a false return position stands behind the last applied
// record.
RWD_MUST bool rwd_apply_records(rwd_operator *op, const rwd_record *records, size_t count, int64_t until, bool live, size_t *out_done, rwd_error *err);

// windows.c
// Windows are to be closed, or to leave, before the next record.
static inline bool rwd_windows_due(const rwd_operator *op) {
    return op->timers && rwd_timers_next(op->timers) <= op->position.stream_time;
}
// Closes what is due, in portions with boundaries between them; `live`: closed windows are published. Precondition: a record boundary.
RWD_MUST bool rwd_close_windows(rwd_operator *op, bool live, rwd_error *err);
// A windowed table gets a new row.
void rwd_window_begins(rwd_operator *op, const rwd_touch *touch, const uint8_t *row);

// sessions.c
static inline bool rwd_is_session(const rwd_operator *op, const rwd_touch *touch) { return op->schemas[touch->table].window.kind == RWD_WINDOW_SESSION; }
// Brings the lists of the events [at_event, end) into memory, and turns the events' touches to the sessions that they may join, to be brought there, too.
RWD_MUST rwd_resolve rwd_sessions_gather(rwd_operator *op, size_t at_event, size_t end, rwd_error *err);
// Does the event, whose touches of a table with sessions begin at `touch`, belong to a session that is still open?
bool rwd_sessions_admits(rwd_operator *op, const rwd_group_event *at, const rwd_touch *touch);
// What the event makes of the sessions of one table, whose touches begin at `touch` of its own. New rows go to group->rows + *used. False: the event is at fault.
bool rwd_sessions_compute(rwd_operator *op, rwd_group_event *at, uint32_t touch, uint32_t *used);

// C6: false where another process moved C since this one knew it: it is not fenced by us.
RWD_MUST bool rwd_refuse_successor(rwd_operator *op, const rwd_commit *commit, rwd_error *err);

// boundary.c
// From here on the keys that change are published at commits, where a sink asks for that.
void rwd_track_changes(rwd_operator *op);
// A changed row of a table, into the open transaction. `passed`: a bit for each sink that the key's row passed at the last commit; the upper half is the watch's.
void rwd_put_change(void *context, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t row_size, uint64_t passed);
// A bit for each sink with this emit that publishes the row (NULL: none does).
uint32_t rwd_sinks_passed(rwd_operator *op, rwd_emit emit, uint16_t table, rwd_slice key, const uint8_t *row);
// Ends the batch in hand; the cursor behind its last applied record is kept, so that a freeze may come later.
RWD_MUST bool rwd_release_batch(rwd_operator *op, rwd_error *err);
// Ends the open transaction here, if it has anything and the sink is ready; `must` waits for the sink. Precondition: a record boundary.
RWD_MUST bool rwd_end_transaction(rwd_operator *op, bool must, rwd_error *err);
// Takes the outcomes of a running commit and a running checkpoint.
RWD_MUST bool rwd_poll_outcomes(rwd_operator *op, rwd_error *err);
// At the end of a batch: commits and checkpoints that are due.
RWD_MUST bool rwd_batch_boundary(rwd_operator *op, rwd_error *err);
// Nothing has changed since the newest checkpoint / there is room for another; a warning says where there is none.
bool rwd_checkpoint_is_here(const rwd_operator *op);
bool rwd_checkpoint_fits(rwd_operator *op);
// Freezes here. Precondition: the transaction that ends at position is committing or committed, or we are replaying; nothing is frozen.
RWD_MUST bool rwd_freeze(rwd_operator *op, const char *reason, bool committed, rwd_error *err);
// Waits until no checkpoint is running / no commit is running.
RWD_MUST bool rwd_drive_checkpoint(rwd_operator *op, rwd_error *err);
RWD_MUST bool rwd_drive_commit(rwd_operator *op, rwd_error *err);
// No clean slot was left (K2): commit (live), checkpoint, wait; then resolving works again.
RWD_MUST bool rwd_relieve(rwd_operator *op, bool live, rwd_error *err);
// False where that cannot help, since nothing can be cleaned here (between two commits fixed to offsets; inside a record): fewer keys at a time may.
bool rwd_can_relieve(const rwd_operator *op, bool live);
// Last commit, last checkpoint. `input_ended`: there is nothing more to come, as against being asked to stop.
RWD_MUST bool rwd_finish(rwd_operator *op, bool input_ended, rwd_error *err);
void rwd_commit_metadata(const rwd_operator *op, rwd_commit *out);
// Told to stop, and stop_timeout is over. Looked at where the pipeline waits for a sink that can be given up.
bool rwd_out_of_time(rwd_operator *op);

// restore.c
// Where this recovery begins: a checkpoint's id, or NULL for the best there is.
static inline const char *rwd_restore_base(const rwd_operator *op) { return *op->restore_to ? op->restore_to : op->options.restore_to; }
// At a batch boundary, wanted: commits what was read. The session is to end, and the next to begin from restore_to.
RWD_MUST bool rwd_restore_begin(rwd_operator *op, rwd_error *err);
void rwd_restore_begin_parked(rwd_operator *op);
// Behind a recovery: the rebuilt state becomes a checkpoint, is compared, and entered in history.log.
RWD_MUST bool rwd_finish_restore(rwd_operator *op, rwd_error *err);
RWD_MUST bool rwd_finish_live_restore(rwd_operator *op, rwd_error *err);
// A wanted or running one will not come to its end. Without one it does nothing.
void rwd_restore_failed(rwd_operator *op, const rwd_error *why);
// apply.c
// At a record boundary, wanted: true where the session is to end for it, in PAUSED. False and no error: it was refused, or has to wait for a commit's place.
RWD_MUST bool rwd_apply_begin(rwd_operator *op, bool idle, bool *out_begun, rwd_error *err);
// Between sessions, in PAUSED: the shadow to C, the difference, all that the switch needs. DECIDED behind it.
RWD_MUST bool rwd_apply_act(rwd_operator *op, rwd_error *err);
// A session of its own, in DECIDED: the transactions. SWITCHED behind it.
RWD_MUST bool rwd_apply_switch(rwd_operator *op, rwd_error *err);
// Behind the recovery that follows. NONE behind it.
void rwd_apply_finish(rwd_operator *op);
// A session ended with an error while a repair was under way: true where an ordinary recovery follows whatever the error. What the error decides, else.
bool rwd_apply_goes_on(rwd_operator *op, const rwd_error *why);
// What a run is there for, before its first session.
void rwd_apply_order_first(rwd_operator *op, const rwd_apply_order *order);
// A wanted or running one will not come to its end. Without one it does nothing.
void rwd_apply_failed(rwd_operator *op, const rwd_error *why);

// switch.c
void rwd_sink_set_lineage(rwd_operator *op, rwd_hash128 lineage);
// Sends what is left of the corrections, in the sink that is open and recovered. `commit`: C as it was read, and as it is behind it.
RWD_MUST bool rwd_switch_send(rwd_operator *op, const rwd_switch *facts, const rwd_switch_rows *rows, rwd_commit *commit, uint64_t *out_transactions, rwd_error *err);

// settle.c
// Recovery, between (4) and (5): the rest of the corrections where C says that some are not sent (R4 (5)). The sink is recovered.
RWD_MUST bool rwd_settle_corrections(rwd_operator *op, rwd_commit *commit, rwd_error *err);
// C is what the switch made: it goes into history.log, and its folder says DONE. Done already: nothing is.
RWD_MUST bool rwd_settle_switch(rwd_operator *op, const rwd_switch *facts, rwd_error *err);
// Behind (4): a switch that has happened and is not in history.log; those that were decided and have not happened are forgotten.
RWD_MUST bool rwd_settle_history(rwd_operator *op, const rwd_commit *commit, rwd_error *err);
// <data>/repairs/<id>
RWD_MUST bool rwd_repair_folder(const rwd_operator *op, const char *id, char out[4096], rwd_error *err);
// The job whose tables rows have that the logic made, with the outputs of the lineage where those fit.
RWD_MUST bool rwd_publishing_job(struct rwd_logics *logics, const rwd_lineage *lineage, rwd_hash128 logic, const rwd_job **out, rwd_error *err);
// Sends with the corrections that are kept in the repair's folder, from where `commit` stands.
RWD_MUST bool rwd_send_corrections(rwd_operator *op, const rwd_switch *facts, rwd_commit *commit, uint64_t *out_transactions, rwd_error *err);

// journal.c. Opens the session's journal and hands it to the source, if the job has one.
RWD_MUST bool rwd_open_session_journal(rwd_operator *op, rwd_error *err);
void rwd_close_session_journal(rwd_operator *op);
// E4 held at C: what was read from the topic on the way there counts from now on (J3).
RWD_MUST bool rwd_confirm_journal(rwd_operator *op, rwd_error *err);
// What of it belongs into the status.
void rwd_fill_journal_status(rwd_operator *op);

// hold.c. The open transaction broke an invariant that parks: its end is remembered.
void rwd_remember_hold(rwd_operator *op, const rwd_error *why);
// Going live: what was remembered is in force, or forgotten where it has no meaning any more. / It was looked at there again, and nothing was found.
RWD_MUST bool rwd_load_hold(rwd_operator *op, rwd_error *err);
RWD_MUST bool rwd_lift_hold(rwd_operator *op, rwd_error *err);
// The place that is remembered in a data directory; -1: none is. Thread: any.
int64_t rwd_hold_place(const char *data);

// pause.c. As the data directory remembers it, before the pipeline runs.
RWD_MUST bool rwd_load_pause(rwd_operator *op, rwd_error *err);
// At a batch boundary while paused, and at the first one after.
void rwd_show_pause(rwd_operator *op);
void rwd_end_pause(rwd_operator *op);

// control.c
void rwd_control_init(rwd_operator *op);
void rwd_control_deinit(rwd_operator *op);
// Refuses (true) what a person asks of a running operator while it is not where a session can end: BUSY. Any thread.
bool rwd_refuse_phase(rwd_operator *op, rwd_error *err);
// Answers what can be answered at a batch boundary.
void rwd_serve_requests(rwd_operator *op);
// The state is being frozen: the requests that are here now are those that this checkpoint answers.
void rwd_begin_checkpoints(rwd_operator *op);
// Those that wait for the checkpoint that was begun get its id; a failure is told to all.
void rwd_answer_checkpoints(rwd_operator *op, const char *id, const rwd_error *failure);
// Someone waits for a checkpoint that is not begun yet.
bool rwd_checkpoint_requested(rwd_operator *op);
// From now on requests are answered (true), or refused with the reason (false).
void rwd_set_serving(rwd_operator *op, bool serving);
void rwd_set_phase(rwd_operator *op, rwd_phase phase);
// Publishes status and progress, at most every 100 ms unless `force`.
void rwd_publish(rwd_operator *op, bool force);

#endif
