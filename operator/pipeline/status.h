// What an operator says about itself: one struct, from which /status, /metrics, `rewind status`, the progress line and the end summary come.
//
// Every metric is one row of RWD_METRIC_TABLE: name, kind, unit, help, and the member of rwd_status that holds it.
//
// Thread: a value; copied out under the operator's status lock.
#ifndef OPERATOR_PIPELINE_STATUS_H
#define OPERATOR_PIPELINE_STATUS_H

#include "operator/base/error.h"
#include "operator/base/hash.h"
#include "operator/base/time.h"

// id, word, may records be read now (/readyz), what it means
#define RWD_PHASE_TABLE(X)                                                                  \
    X(STARTING, "starting", false, "taking the lock, reading C")                            \
    X(VERIFYING, "verifying", false, "choosing and verifying a checkpoint")                 \
    X(REPLAYING, "replaying", false, "silent replay from the checkpoint to C")              \
    X(RUNNING, "running", true, "reading, aggregating, publishing")                         \
    X(WAITING, "waiting", true, "at the end of the input, waiting for more")                \
    X(REPAIRING, "repairing", false, "a repair is being applied: nothing is read until its corrections are published")  \
    X(PAUSED, "paused", false, "told to pause: nothing is read or published until `rewind resume`") \
    X(STOPPING, "stopping", false, "last commit, last checkpoint")                          \
    X(PARKED, "parked", false, "stopped on an error, holding the lock; the reason says why") \
    X(ENDED, "ended", false, "done")

typedef enum rwd_phase {
#define RWD_PHASE_ENUM(id, name, ready, doc) RWD_PHASE_##id,
    RWD_PHASE_TABLE(RWD_PHASE_ENUM)
#undef RWD_PHASE_ENUM
        RWD_PHASE_COUNT
} rwd_phase;
// From the table: its word, and whether records may be read. Static.
const char *rwd_phase_name(rwd_phase phase);
bool rwd_phase_ready(rwd_phase phase);

// id, word, seconds without movement until it counts as stuck, what it means
#define RWD_STAGE_TABLE(X)                                                                        \
    X(FETCH, "fetch", 10, "there are records to read, or no broker answers, and none come")       \
    X(DECODE, "decode", 10, "the pipeline is held by one batch of records")                       \
    X(SINK, "sink", 10, "outputs are sent or written and nobody takes them")                      \
    X(COMMIT, "commit", 10, "outputs are out, and their commit does not come to its end")         \
    X(CHECKPOINT, "checkpoint", 120, "a checkpoint is being written and does not come to its end")

typedef enum rwd_stage {
#define RWD_STAGE_ENUM(id, name, seconds, doc) RWD_STAGE_##id,
    RWD_STAGE_TABLE(RWD_STAGE_ENUM)
#undef RWD_STAGE_ENUM
        RWD_STAGE_COUNT
} rwd_stage;
// From the table: its word. Static.
const char *rwd_stage_name(rwd_stage stage);

// In place of a lag that is not known.
#define RWD_LAG_UNKNOWN (-1)

// Tables named one by one in a status; a job with more has the rest in `keys` only.
#define RWD_STATUS_TABLES_MAX 64

typedef struct rwd_table_status {
    char name[64];              // cut where it is longer
    uint64_t keys;
    bool windowed;
    uint64_t late;              // of a windowed one: events that came after all their windows were closed, since this start
} rwd_table_status;

#define RWD_STATUS_PLUGINS_MAX 16
typedef struct rwd_plugin_status {
    char name[64];
    rwd_hash128 hash;           // of its file
} rwd_plugin_status;

// An aggregate that the lineage has not had from genesis on (L3).
typedef struct rwd_since_status {
    char table[64], aggregate[64];  // cut where they are longer
    int64_t offset;                 // records below it are not in it
} rwd_since_status;
#define RWD_STATUS_SINCE_MAX 64     // more are not shown

typedef struct rwd_invariant_status {
    char table[64];             // cut where they are longer
    char check[256];
    bool parks;
    uint64_t violations;        // keys that violate it, as of the last commit
    char key[256], row[512];    // one of them; empty: none is known
} rwd_invariant_status;
#define RWD_STATUS_INVARIANTS_MAX 32

typedef struct rwd_status {
    rwd_phase phase;
    char reason[1024];          // of PARKED, or while a broker is waited for: the error in one line; of PAUSED: who and why
    char next[512];             // the command to type
    int64_t stuck_us[RWD_STAGE_COUNT];  // wall clock: since when nothing moves there; 0: it does
    int64_t stuck_ns[RWD_STAGE_COUNT];  // for how long
    int64_t source_away_us, sink_away_us;  // wall clock: since when no broker answers; 0: one does
    int64_t source_away_ns, sink_away_ns;  // for how long
    char job[128];
    char data[1024];            // data directory
    char source[1024];          // label
    char version[64];
    rwd_hash128 repository, lineage, fingerprint;
    uint64_t term;
    uint64_t pid;
    int64_t started_us;         // wall clock
    int64_t heartbeat_ns;       // monotonic clock when the pipeline thread last came by; 0: it does not say (/livez then trusts it)

    int64_t genesis;            // S
    int64_t position;           // next offset to read
    int64_t frontier;           // C
    int64_t replay_from, replay_to; // of the recovery of this start: [X, C)
    uint64_t source_done, source_total;  // bytes
    int64_t lag_records;        // readable and not read, as last heard of; RWD_LAG_UNKNOWN. Shown, never acted upon (C8)
    int64_t lag_s;              // how long the oldest of them has waited, at most; 0: there are none; RWD_LAG_UNKNOWN
    int64_t lag_us;             // the same, finer
    int64_t stream_time;        // RWD_TIME_NONE: none
    uint64_t read, applied, late, duplicate, dead, dropped;   // since genesis
    uint64_t dead_open, dead_failed;  // dead letters that are waiting, and that failed for good
    uint64_t dead_open_by[RWD_E_COUNT], dead_failed_by[RWD_E_COUNT];  // by code
    uint64_t dead_bytes;        // of memory
    int64_t dead_oldest;        // offset of the oldest of both; -1: there are none
    int64_t dead_oldest_us;     // its time; 0: it has none
    int64_t dead_since;         // those of records below it are not known; 0: all are
    uint64_t redriven, redriven_failed, redriven_duplicate;  // redriven records, since this start
    uint64_t read_live;         // since this start, replay excluded
    uint64_t dedup_ids;         // remembered
    uint64_t dedup_bytes;       // of memory
    uint64_t dedup_reads;       // ids asked of the store
    double rate;                // records per second over the last seconds
    rwd_hash128 input_hash;
    rwd_hash128 digest;         // of the newest checkpoint

    uint64_t keys, hot_slots, hot_bytes, dirty, hits, misses, evicted, splits, full, store_reads;
    rwd_table_status tables[RWD_STATUS_TABLES_MAX];
    size_t table_count;
    rwd_plugin_status plugins[RWD_STATUS_PLUGINS_MAX];
    size_t plugin_count;
    uint64_t earlier_job_file;  // 1: the job file is not what runs: the lineage in force is (L5)
    rwd_since_status since[RWD_STATUS_SINCE_MAX];
    size_t since_count;
    rwd_invariant_status invariants[RWD_STATUS_INVARIANTS_MAX];
    size_t invariant_count;
    bool hot_complete;
    uint64_t memory_total, memory_kafka, memory_hot, memory_frozen, memory_sink, memory_source, memory_resident;

    uint64_t commits, commit_repeats, rows, output_bytes;
    int64_t last_commit_us, last_commit_ns;
    uint64_t checkpoints, checkpoint_failures, checkpoints_skipped;
    char checkpoint_id[17];
    int64_t checkpoint_offset;  // X of the newest
    int64_t checkpoint_us;      // when
    int64_t checkpoint_ns;      // how long
    bool checkpoint_running;
    int64_t pause_max_ns;       // longest pause of the pipeline for a freeze or a sweep portion
    uint64_t quarantined;
    int64_t recovery_verify_ns, recovery_open_ns, recovery_replay_ns;
    int64_t replay_left_ns;     // while REPLAYING: how long the rest will take at the pace so far; 0: unknown, or none is left
    char restoring[17];         // the checkpoint that a restore is going back to; empty: none is
    uint64_t restores, restore_failures;
    uint64_t rollbacks;         // times it went back to the last good checkpoint by itself
    uint64_t repairs, repair_failures, switch_number;
    char io_tier[24];

    bool journal_on;            // there is one; else none of these has a meaning
    uint64_t journal_suspended; // 1: no room, and the job goes on without
    uint64_t journal_bytes, journal_segments, journal_blocks, journal_records;
    uint64_t journal_appended;  // bytes, by this session
    uint64_t journal_holes, journal_damaged, journal_waits;
    int64_t journal_first, journal_next, journal_durable;  // offsets; -1: none
    int64_t horizon;            // K7: X of the earliest good checkpoint from which up to C nothing is missing in journal or topic; -1: none, or not known yet; -1 for files
    int64_t journal_horizon;    // K7: X of the earliest good checkpoint from which the journal alone is unbroken up to C; -1: none, or not known yet
} rwd_status;

// name (prefix rewind_), OpenMetrics type, unit or "", help, member, divisor (ns to seconds: 1e9)
#define RWD_METRIC_TABLE(X)                                                                                              \
    X("position_offset", "gauge", "", "Next offset to read", position, 1)                                                \
    X("committed_offset", "gauge", "", "Frontier C: the offset committed with the output", frontier, 1)                  \
    X("records_read", "counter", "", "Records read since genesis", read, 1)                                              \
    X("events_applied", "counter", "", "Events applied since genesis", applied, 1)                                       \
    X("events_late", "counter", "", "Events refused as late since genesis", late, 1)                                     \
    X("events_duplicate", "counter", "", "Events refused since their id was applied already, since genesis", duplicate, 1) \
    X("dedup_ids", "gauge", "", "Ids that are remembered", dedup_ids, 1)                                                 \
    X("dedup_memory_bytes", "gauge", "bytes", "Memory of ids", dedup_bytes, 1)                                           \
    X("dedup_store_reads", "counter", "", "Ids asked of RocksDB", dedup_reads, 1)                                        \
    X("events_dropped", "counter", "", "Events dropped since a field is missing or ill-typed (event.missing), since genesis", dropped, 1) \
    X("dead_letters", "counter", "", "Events sent to the dead letters since genesis", dead, 1)                           \
    X("dead_letters_oldest_offset", "gauge", "", "Offset of the oldest dead letter that is open or failed for good; -1: none", dead_oldest, 1) \
    X("dead_letters_oldest_timestamp_seconds", "gauge", "seconds", "Its time; 0: it has none", dead_oldest_us, 1e6)      \
    X("dead_letters_memory_bytes", "gauge", "bytes", "Memory of dead letters that no checkpoint has yet", dead_bytes, 1) \
    X("redriven_applied", "counter", "", "Redriven events that were applied, since this start", redriven, 1)             \
    X("redriven_failed", "counter", "", "Redriven events that failed again, since this start", redriven_failed, 1)       \
    X("redriven_duplicate", "counter", "", "Redriven records whose origin was no open dead letter, since this start", redriven_duplicate, 1) \
    X("source_done_bytes", "gauge", "bytes", "Bytes of the input read", source_done, 1)                                  \
    X("source_total_bytes", "gauge", "bytes", "Bytes of the input", source_total, 1)                                     \
    X("lag_records", "gauge", "", "Records of the partition that are there and not processed; 0: caught up; -1: not known", lag_records, 1) \
    X("lag_seconds", "gauge", "seconds", "How long the oldest of them has waited, at most; 0: caught up; -1: not known", lag_s, 1) \
    X("source_away_seconds", "gauge", "seconds", "For how long no broker has answered the source; 0: one does", source_away_ns, 1e9) \
    X("sink_away_seconds", "gauge", "seconds", "For how long no broker has taken outputs or commits; 0: one does", sink_away_ns, 1e9) \
    X("keys", "gauge", "", "Keys present in all tables", keys, 1)                                                        \
    X("hot_slots", "gauge", "", "Slots in use in the hot table", hot_slots, 1)                                           \
    X("hot_dirty_slots", "gauge", "", "Slots changed since the last freeze", dirty, 1)                                   \
    X("hot_hits", "counter", "", "Keys found in the hot table", hits, 1)                                                 \
    X("hot_misses", "counter", "", "Keys not found in the hot table", misses, 1)                                         \
    X("hot_evicted", "counter", "", "Clean slots evicted", evicted, 1)                                                   \
    X("hot_full", "counter", "", "Times no clean slot was left and the pipeline had to checkpoint first", full, 1)       \
    X("store_reads", "counter", "", "Keys asked of RocksDB", store_reads, 1)                                             \
    X("memory_limit_bytes", "gauge", "bytes", "state.memory", memory_total, 1)                                           \
    X("memory_kafka_bytes", "gauge", "bytes", "What librdkafka's queues may hold, taken out of state.memory before it is shared", memory_kafka, 1) \
    X("memory_hot_bytes", "gauge", "bytes", "Hot tables", memory_hot, 1)                                                 \
    X("memory_frozen_bytes", "gauge", "bytes", "Frozen versions on their way to a checkpoint", memory_frozen, 1)         \
    X("memory_sink_bytes", "gauge", "bytes", "Output of the open and the committing transaction", memory_sink, 1)        \
    X("memory_source_bytes", "gauge", "bytes", "Read buffers", memory_source, 1)                                         \
    X("memory_resident_bytes", "gauge", "bytes", "Resident memory of the process", memory_resident, 1)                   \
    X("commits", "counter", "", "Transactions committed by this process", commits, 1)                                    \
    X("commit_repeats", "counter", "", "Outputs sent again since a commit failed and passed later; at least once, both stand", commit_repeats, 1) \
    X("output_rows", "counter", "", "Output rows committed by this process", rows, 1)                                    \
    X("output_bytes", "counter", "bytes", "Output bytes committed by this process", output_bytes, 1)                     \
    X("commit_duration_seconds", "gauge", "seconds", "How long the newest commit took", last_commit_ns, 1e9)             \
    X("checkpoints", "counter", "", "Checkpoints made by this process", checkpoints, 1)                                  \
    X("checkpoint_failures", "counter", "", "Checkpoints that failed", checkpoint_failures, 1)                           \
    X("checkpoints_skipped", "counter", "", "Checkpoints not tried because the disk is nearly full", checkpoints_skipped, 1) \
    X("checkpoint_offset", "gauge", "", "X of the newest checkpoint", checkpoint_offset, 1)                              \
    X("checkpoint_timestamp_seconds", "gauge", "seconds", "When the newest checkpoint was made", checkpoint_us, 1e6)     \
    X("checkpoint_duration_seconds", "gauge", "seconds", "How long the newest checkpoint took", checkpoint_ns, 1e9)      \
    X("checkpoints_quarantined", "counter", "", "Checkpoints found bad by this process", quarantined, 1)                 \
    X("pause_max_seconds", "gauge", "seconds", "Longest pause of the pipeline for a checkpoint", pause_max_ns, 1e9)      \
    X("recovery_verify_seconds", "gauge", "seconds", "Verification at this start", recovery_verify_ns, 1e9)              \
    X("recovery_open_seconds", "gauge", "seconds", "Opening the state at this start", recovery_open_ns, 1e9)             \
    X("recovery_replay_seconds", "gauge", "seconds", "Silent replay at this start", recovery_replay_ns, 1e9)  \
    X("replay_left_seconds", "gauge", "seconds", "How long the running silent replay will go on, at its pace so far; 0: none runs", replay_left_ns, 1e9) \
    X("rollbacks", "counter", "", "Times it went back to the last good checkpoint by itself: damage, a lost transaction, a failed sync", rollbacks, 1)  \
    X("earlier_job_file", "gauge", "", "1: the job file is an earlier one, and what runs is the lineage in force", earlier_job_file, 1) \
    X("restores", "counter", "", "Restores done by this process", restores, 1)                                            \
    X("restore_failures", "counter", "", "Restores that did not come to their end", restore_failures, 1) \
    X("repairs", "counter", "", "Repairs applied, and undone, by this process", repairs, 1)                               \
    X("repair_failures", "counter", "", "Repairs that were not applied, since something stood against it", repair_failures, 1) \
    X("switch_number", "gauge", "", "How often the lineage was switched, as the committed position says", switch_number, 1) \
    X("journal_bytes", "gauge", "bytes", "Disk that the journal takes", journal_bytes, 1)                                \
    X("journal_segments", "gauge", "", "Segments of the journal", journal_segments, 1)                                   \
    X("journal_blocks", "gauge", "", "Blocks of the journal", journal_blocks, 1)                                         \
    X("journal_appended_bytes", "counter", "bytes", "Bytes appended to the journal since the operator last began or went back", journal_appended, 1) \
    X("journal_first_offset", "gauge", "", "First offset in the journal; -1: none", journal_first, 1)                    \
    X("journal_next_offset", "gauge", "", "Offset behind the last one in the journal; -1: none", journal_next, 1)        \
    X("journal_durable_offset", "gauge", "", "Offset below which the journal's end is durable; -1: none", journal_durable, 1) \
    X("journal_holes", "gauge", "", "Ranges of offsets that are missing in the journal", journal_holes, 1)               \
    X("journal_damaged", "counter", "", "Places in the journal that were found damaged", journal_damaged, 1)             \
    X("journal_suspended", "gauge", "", "1: there is no room for the journal, and the job goes on without (journal.on_full: continue)", journal_suspended, 1) \
    X("journal_waits", "counter", "", "Times the pipeline waited for the journal's disk", journal_waits, 1)              \
    X("horizon_offset", "gauge", "", "X of the earliest good checkpoint from which journal or topic can replay up to C; -1: none, or the input is a file", horizon, 1) \
    X("journal_horizon_offset", "gauge", "", "X of the earliest good checkpoint from which the journal alone can replay up to C; -1: none", journal_horizon, 1)

// /readyz: in a phase in which records may be read, and nothing is stuck. Otherwise, and where `out_why` is not NULL, lines that say why are appended.
bool rwd_status_ready(const rwd_status *status, rwd_buf *out_why);

// The status as a JSON object (for /status and `status -o json`), as OpenMetrics text, and as one screen for people. Append.
void rwd_status_json(const rwd_status *status, rwd_buf *out);
void rwd_status_metrics(const rwd_status *status, rwd_buf *out);
void rwd_status_screen(const rwd_status *status, rwd_buf *out);
// What a run came to, at its end: for people, and as a JSON object. `took_ns` is the run's duration. Append.
void rwd_status_summary(const rwd_status *status, int64_t took_ns, rwd_buf *out);
void rwd_status_summary_json(const rwd_status *status, int64_t took_ns, rwd_buf *out);

#endif
