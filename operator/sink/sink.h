// Where results go, and where C lives: outputs and the position that made them are committed together (C1).
//
// The pipeline puts rows and dead letters into the open transaction and ends it at a batch boundary; formatting, writing and syncing happen on the sink's own thread,
// so the pipeline never waits in a commit. Two transactions exist at a time: one open, one committing.
//
//   peek      what was committed last, without changing anything (C4 (2))
//   recover   take over: end the predecessor's log, cut outputs to the last entry, answer C (C1, C4 (3), (4))
//   begin     open a transaction
//   put_*     into the open transaction
//   correct   what is put into the open transaction is corrections of a repair (R4)
//   commit_async(metadata)   end it; it is now committing
//   poll      idle | running | committed | aborted | fenced | unknown
//
// Implementations: files (file.h); topics (kafka.h); nothing (none.h: a job without outputs, whose checkpoints are the truth); a recording one for tests (memory.h).
//
// Thread: pipeline, unless stated.
#ifndef OPERATOR_SINK_SINK_H
#define OPERATOR_SINK_SINK_H

#include "operator/base/bytes.h"
#include "operator/base/hash.h"
#include "operator/base/time.h"

#define RWD_REPAIR_ID 17  // of a repair: 16 hex digits, and a NUL

// C and what travels with it (C3).
typedef struct rwd_commit {
    int64_t next_offset;       // C
    rwd_hash128 source;        // identity of the partition
    rwd_hash128 repository;
    uint64_t owner;            // random per start
    uint64_t term;
    rwd_hash128 lineage;
    uint64_t switch_number;
    uint64_t input_count;      // E4
    rwd_hash128 input_hash;    // E4
    uint64_t closings;         // C7: windows closed since the last record below C; not all that are due need be
    uint64_t repair;           // R4 (5): the repair whose corrections are not all sent, as a number; 0: there is none
    uint64_t repair_rows;      // of them: how many are
} rwd_commit;

typedef enum rwd_commit_outcome {
    RWD_COMMIT_IDLE, RWD_COMMIT_RUNNING, RWD_COMMIT_COMMITTED,
    RWD_COMMIT_ABORTED,   // known not to have happened; what was put is lost: roll back
    RWD_COMMIT_FENCED,    // another owner
    RWD_COMMIT_UNKNOWN,   // may or may not have happened: recover decides (C6)
} rwd_commit_outcome;

// One dead letter. Slices are copied, but for records over the size limit, whose bytes are read through `read_back` piece by piece.
typedef struct rwd_dead_letter {
    const char *source;        // label
    const char *topic;         // of the source; NULL: it is a file
    unsigned partition;        // likewise
    rwd_hash128 hash;          // of the raw record, as the source has it (E4)
    const char *origin;        // of a record that was redriven: CLUSTER/TOPIC/PARTITION/OFFSET[/ORDINAL] of the dead letter that it comes from; or NULL
    uint32_t attempts;         // how often that was tried, this time included; 0: it was not redriven
    const char *resolved_by;   // R6: the repair under which it is none any more: of the record only its key is there; or NULL
    int64_t offset;
    bool has_ordinal;          // it is one event of a job with event.each, and this is its place in the record
    uint32_t ordinal;
    int64_t time_us;           // record time or RWD_TIME_NONE
    uint64_t position;
    rwd_code code;
    const char *field;         // name, or NULL
    rwd_slice reason;          // for people
    rwd_slice key;             // of the record; data NULL: none
    rwd_slice value;           // raw bytes
    uint64_t full_size;        // above value.size: the rest comes from read_back
    bool (*read_back)(void *context, uint64_t at, void *out, size_t size, rwd_error *err);
    void *context;
} rwd_dead_letter;

typedef struct rwd_sink_stats {
    uint64_t commits, rows, dead_letters, bytes;
    uint64_t repeats;          // tries of commits that succeeded, but for the last of each: outputs of them were sent before
    int64_t last_commit_ns;    // how long the newest commit took
    int64_t last_commit_us;    // wall clock when it ended
    int64_t sending_ns;        // monotonic: since when outputs wait to be taken; 0: none do
    int64_t committing_ns;     // likewise, of the position and the commit itself
    int64_t away_us;           // wall clock: since when nobody answers; 0: somebody does
} rwd_sink_stats;

typedef struct rwd_sink rwd_sink;
typedef struct rwd_sink_ops {
    const char *name;
    // False in `out_found`: nothing was ever committed. Changes nothing.
    RWD_MUST bool (*peek)(rwd_sink *self, rwd_commit *out, bool *out_found, rwd_error *err);
    RWD_MUST bool (*recover)(rwd_sink *self, rwd_commit *out, bool *out_found, rwd_error *err);
    // True if C is kept here; false: checkpoints are the truth (no outputs at all).
    bool (*holds_c)(const rwd_sink *self);
    void (*begin)(rwd_sink *self);
    // E2: rows put from here on come from a record of this time. NULL: outputs have no time.
    void (*stamp)(rwd_sink *self, int64_t time_us);
    // A row of output `sink` (index into the job's sinks); `row` NULL: the key vanished. `offset`: the last record that the value includes. Copied.
    // Called in any order for emit: commit (the sink sorts by key), in event order for emit: update.
    void (*put_row)(rwd_sink *self, size_t sink, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset);
    // R4 (5): the open transaction is one of a repair: put_correction is what fills it, and each row carries the repair's id and the reason. Both are copied.
    void (*correct)(rwd_sink *self, const char *repair, rwd_slice reason);
    // As put_row. `old`: the value of the key that stands published, as this output writes values (rwd_kafka_record_value); data NULL: none does. Copied; one of more than
    // RWD_CORRECTION_OLD_MAX bytes is left out.
    void (*put_correction)(rwd_sink *self, size_t sink, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset, rwd_slice old);
    RWD_MUST bool (*put_dead_letter)(rwd_sink *self, const rwd_dead_letter *letter, rwd_error *err);
    // Bytes held by the open transaction; the pipeline commits early above the budget.
    uint64_t (*pending_bytes)(const rwd_sink *self);
    // True if a transaction may be ended now (none is committing).
    bool (*ready)(rwd_sink *self);
    // Ends the open transaction. Precondition: ready. The next begin may follow at once.
    void (*commit_async)(rwd_sink *self, const rwd_commit *commit);
    // COMMITTED and the failures are told once per commit; `out` is the commit they are about, `err` the reason.
    rwd_commit_outcome (*poll)(rwd_sink *self, rwd_commit *out, rwd_error *err);
    // Blocks up to `timeout_ns` while a commit is running.
    void (*wait)(rwd_sink *self, int64_t timeout_ns);
    // Thread: any.
    void (*stats)(rwd_sink *self, rwd_sink_stats *out);
    // The running commit is not waited for any more: it ends soon, and what became of it is UNKNOWN. NULL: it ends by itself. Thread: any.
    void (*give_up)(rwd_sink *self);
    // Waits for the running commit to end. What is open and not committed is gone.
    void (*close)(rwd_sink *self);
} rwd_sink_ops;

struct rwd_sink {
    const rwd_sink_ops *ops;
};

#endif
