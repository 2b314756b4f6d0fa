// Named places where a test can kill the process: what stands on disk there is what recovery must cope with.
//
// REWIND_CRASH_POINT=<name>[:n], read once by main and handed to rwd_crash_points_setup, makes the n-th passing of that place (1 unless told) raise
// SIGKILL. The places are one table: tests walk it, so a place that is not reached by a test is found. They are in every build, so that what is tested
// is what is shipped; when off, a place costs one relaxed load.
//
// To add one: a row in the table (under its room's line), RWD_CRASH_POINT(row) where it stands.
//
// Thread: setup before threads start; places: any.
#ifndef OPERATOR_BASE_CRASH_POINT_H
#define OPERATOR_BASE_CRASH_POINT_H

#include <stdatomic.h>
#include <stddef.h>

#include "operator/base/error.h"

// row, name, where it stands
#define RWD_CRASH_POINT_TABLE(X)                                                                                                  \
    /* checkpoints */                                                                                                             \
    X(lock_before_term, "lock-before-term", "LOCK is held, the new term is not written yet")                                      \
    X(lock_written, "lock-written", "the new term is in a file beside LOCK")                                                      \
    X(lock_renamed, "lock-renamed", "the new LOCK has its name, which is not durable yet")                                        \
    X(live_made, "live-made", "the folder for files in use is made, that of the earlier term is not gone yet")                    \
    X(stage_before, "stage-before", "before the folder of a new checkpoint is made")                                              \
    X(stage_after, "stage-after", "the folder of a new checkpoint is made and empty")                                             \
    X(participant_written, "participant-written", "a participant has written its files")                                          \
    X(publish_before_hash, "publish-before-hash", "all files of a checkpoint are written, none is hashed")                        \
    X(publish_file_synced, "publish-file-synced", "one file of a checkpoint is durable")                                          \
    X(publish_before_manifest, "publish-before-manifest", "files and folders of a checkpoint are durable, there is no manifest")  \
    X(manifest_written, "manifest-written", "the manifest is durable under its temporary name")                                   \
    X(manifest_renamed, "manifest-renamed", "the manifest has its name, the checkpoint does not")                                 \
    X(manifest_synced, "manifest-synced", "the manifest is durable in the unfinished checkpoint's folder")                        \
    X(checkpoint_renamed, "checkpoint-renamed", "the checkpoint has its name, which is not durable yet")                          \
    X(checkpoint_synced, "checkpoint-synced", "the checkpoint is durable, not in the history log yet")                            \
    X(history_before_append, "history-before-append", "before an entry is appended to the history log")                           \
    X(history_half_append, "history-half-append", "half of an entry is in the history log")                                       \
    X(history_appended, "history-appended", "an entry is in the history log, not synced")                                         \
    X(history_synced, "history-synced", "an entry of the history log is durable")                                                 \
    X(quarantine_noted, "quarantine-noted", "why a checkpoint is bad is written in its folder")                                   \
    X(quarantine_renamed, "quarantine-renamed", "a bad checkpoint is set aside, the history log does not say so yet")             \
    X(prune_marked, "prune-marked", "a checkpoint is marked as pruned, its files are there")                                      \
    X(prune_between_files, "prune-between-files", "one file of a pruned checkpoint is removed")                                   \
    X(prune_done, "prune-done", "the files of a pruned checkpoint are removed, the history log does not say so yet")              \
    X(tag_written, "tag-written", "the tags are durable, the history log does not say so yet")                                    \
    X(copy_file, "copy-file", "one file of an independent copy is written")                                                       \
    X(copy_before_publish, "copy-before-publish", "all files of an independent copy are written")                                 \
    X(repair_adopt_file, "repair-adopt-file", "one file of a checkpoint that was built beside the repository stands in it, under no name that counts") \
    X(repair_adopt_before_publish, "repair-adopt-before-publish", "all files of such a checkpoint do")                                          \
    X(repair_pin_written, "repair-pin-written", "a checkpoint is pinned for a repair")                                                          \
    X(genesis_before_mark, "genesis-before-mark", "C = S is committed, the mark that says so is not written")                     \
    X(genesis_marked, "genesis-marked", "the mark of C = S is durable")                                                           \
    X(lineage_job_written, "lineage-job-written", "the job file of a lineage is kept, the lineage is not yet")                    \
    X(carry_file, "carry-file", "one file of a checkpoint is in another data directory")                                           \
    X(carry_before_name, "carry-before-name", "all of a checkpoint is in another data directory, under no name that counts")       \
    X(carry_segment, "carry-segment", "a segment of the journal is in another data directory, under no name that counts")          \
    X(journal_segment_made, "journal-segment-made", "a segment of the journal is made and empty, its name is not durable yet")     \
    X(journal_block_written, "journal-block-written", "a block of the journal is written, not synced")                            \
    X(journal_before_sync, "journal-before-sync", "a checkpoint's files are written, the journal below it is not synced yet")     \
    X(journal_segment_removed, "journal-segment-removed", "a segment of the journal is deleted")                                  \
    X(fill_durable, "fill-durable", "records that fill holes of the journal are durable, and do not count yet")                   \
    /* state */                                                                                                                   \
    /* sink */                                                                                                                    \
    X(sink_before_append, "sink-before-append", "a commit of the file sink has written nothing")                                  \
    X(sink_output_appended, "sink-output-appended", "one output has the commit's rows, not synced")                               \
    X(sink_dead_ahead, "sink-dead-ahead", "dead letters of the open transaction are written ahead of their commit")               \
    X(sink_output_synced, "sink-output-synced", "one output of a commit is durable")                                              \
    X(sink_outputs_synced, "sink-outputs-synced", "all outputs of a commit are durable, its entry is not written")                \
    X(sink_entry_torn, "sink-entry-torn", "half of a commit's entry is in the commit log")                                        \
    X(sink_entry_appended, "sink-entry-appended", "a commit's entry is in the commit log, not synced")                            \
    X(sink_entry_synced, "sink-entry-synced", "a commit's entry is durable, nobody was told")                                     \
    X(sink_outputs_opened, "sink-outputs-opened", "new outputs are made and empty, the commit log is the old one")                 \
    X(sink_log_written, "sink-log-written", "a new commit log is durable under its temporary name")                               \
    X(sink_log_renamed, "sink-log-renamed", "the new commit log has its name, which is not durable yet")                          \
    X(sink_output_cut, "sink-output-cut", "one output is cut to its committed length")                                            \
    X(sink_recovered, "sink-recovered", "all outputs are cut, C is not told yet")                                                 \
    X(kafka_taken_over, "kafka-taken-over", "earlier producers are fenced (at least once: none is), C is not read yet")                                  \
    X(kafka_before_begin, "kafka-before-begin", "a commit of the Kafka sink has sent nothing")                                      \
    X(kafka_output_sent, "kafka-output-sent", "rows of one output are handed to the producer")                                      \
    X(kafka_outputs_acknowledged, "kafka-outputs-acknowledged", "the broker has all outputs of a transaction, not the position")    \
    X(kafka_position_sent, "kafka-position-sent", "the position is in the transaction, which is not committed")                     \
    X(kafka_committed, "kafka-committed", "a transaction is committed, nobody was told")                                            \
    X(kafka_claim, "kafka-claim", "a C of an earlier owner is being committed again as our own")                                     \
    /* pipeline */                                                                                                                 \
    X(recovery_peeked, "recovery-peeked", "C was looked at, nothing is taken over yet")                                            \
    X(recovery_taken_over, "recovery-taken-over", "outputs are cut and C is read, no checkpoint is chosen yet")                    \
    X(recovery_done, "recovery-done", "the state stands at C, nothing is read yet")                                                \
    X(restore_asked, "restore-asked", "a running operator begins to restore, what it read is not committed yet")                   \
    X(restore_committed, "restore-committed", "a running operator has committed what it read, and is to recover from an older checkpoint") \
    X(restore_rebuilt, "restore-rebuilt", "a restore has built the state at C again, it is no checkpoint yet")                     \
    X(restore_checkpoint, "restore-checkpoint", "the rebuilt state is a checkpoint, history.log has no entry of the restore yet")  \
    X(change_lineage_kept, "change-lineage-kept", "a lineage with a segment from C on is kept, nothing names it")                  \
    X(change_checkpoint, "change-checkpoint", "the checkpoint X = C under a new lineage is durable, C names the old one")          \
    X(change_committing, "change-committing", "the commit that moves C to a new lineage has begun")                                \
    X(change_committed, "change-committed", "C names a new lineage, history.log does not")                                         \
    X(boundary_crossed, "boundary-crossed", "recovery has built the state at the place where a segment begins, and goes on from there") \
    X(repair_asked, "repair-asked", "a running operator begins to apply a repair, what it read is not committed yet")              \
    X(repair_paused, "repair-paused", "what was read is committed and the state at C is a checkpoint, the shadow is behind")        \
    X(repair_built, "repair-built", "the shadow of a repair stands at C, the difference is not made again yet")                     \
    X(repair_compared, "repair-compared", "the corrections of a repair are durable, its lineage is not kept yet")                   \
    X(repair_lineage, "repair-lineage", "the new lineage of a repair is kept, no checkpoint is of it yet")                         \
    X(repair_adopted, "repair-adopted", "the state at C under the new lineage is a checkpoint, C names the old one")                \
    X(repair_decided, "repair-decided", "all of a repair is durable, nothing of it is published")                                  \
    X(repair_sending, "repair-sending", "corrections are put into a transaction, which is not committed")                          \
    X(repair_part_sent, "repair-part-sent", "some transactions of a repair are committed, and not all")                            \
    X(repair_switched, "repair-switched", "all corrections of a repair are committed, history.log does not say so yet")            \
    X(repair_entered, "repair-entered", "history.log has the repair, its folder does not say that it is done")                     \
    X(repair_done, "repair-done", "a repair is done, the state at C is not opened yet")                                            \
    X(genesis_checkpoint, "genesis-checkpoint", "the empty checkpoint is durable, C = S is not committed")                         \
    X(genesis_committing, "genesis-committing", "the commit of C = S has begun")                                                   \
    X(genesis_committed, "genesis-committed", "C = S is committed, which is not marked yet")                                       \
    X(windows_closed, "windows-closed", "a portion of due windows is closed, and put into the open transaction")                     \
    X(commit_begin, "commit-begin", "outputs of a transaction are put, its commit has not begun")                                  \
    X(commit_known, "commit-known", "a commit is known to have succeeded, its checkpoint is not told yet")                         \
    X(freeze_begun, "freeze-begun", "the state is frozen, nothing of it is written")                                               \
    X(checkpoint_thawed, "checkpoint-thawed", "a checkpoint is durable and the pipeline knows")

typedef enum rwd_crash_point {
#define RWD_CRASH_POINT_ENUM(row, name, where) RWD_CRASH_POINT_##row,
    RWD_CRASH_POINT_TABLE(RWD_CRASH_POINT_ENUM)
#undef RWD_CRASH_POINT_ENUM
        RWD_CRASH_POINT_COUNT
} rwd_crash_point;

// `spec` is "<name>" or "<name>:<n>"; NULL or empty disarms. An unknown name is USAGE, with the nearest right one.
RWD_MUST bool rwd_crash_points_setup(const char *spec, rwd_error *err);
const char *rwd_crash_point_name(rwd_crash_point point);
const char *rwd_crash_point_where(rwd_crash_point point);

// For the macro below only.
extern atomic_bool rwd_crash_points_armed;
void rwd_crash_point_pass(rwd_crash_point point);

#define RWD_CRASH_POINT(row)                                                                                                      \
    do {                                                                                                                          \
        if (__builtin_expect(atomic_load_explicit(&rwd_crash_points_armed, memory_order_relaxed), 0))                             \
            rwd_crash_point_pass(RWD_CRASH_POINT_##row);                                                                          \
    } while (0)

#endif
