// The checkpoint repository: one data directory, one owner, many readers.
//
//   <data>/LOCK                 flock: one owner; holds repository id, job, term (K6)
//   <data>/history.log          append-only, framed, hash-chained (R7)
//   <data>/live/<term>/         files in use by this owner; what an earlier term left is thrown away
//   <data>/checkpoints/<id>/    MANIFEST and the participants' files
//   <data>/checkpoints/<id>.part/    one that is being written: gone at the next start
//   <data>/checkpoints/<id>.bad/     a quarantined one, with WHY
//   <data>/checkpoints/<id>.pruned/  one that is being pruned: finished at the next start
//   <data>/pruned/<id>          the MANIFEST of a pruned one, so that years of them do not slow the search for a good one
//   <data>/GENESIS tags pins horizon verified     small framed files
//   <data>/lineages/<id>/       lineage and normalised job file
//
// What must stay true:
//   - a checkpoint counts only once its folder has the name <id>, which it gets when all in it, MANIFEST last, is durable (K3); a
//     folder of that name without a good MANIFEST is damage, never taken for unfinished work;
//   - nothing here deletes a checkpoint but `prune` and `forget`, under K6's conditions;
//   - pruning removes files and keeps the MANIFEST, so that the chain of parents can always be walked (K5).
//
// Thread: an rwd_repo may be used from several threads; calls are serialised by its own mutex (never the per-event path).
// Locks: repo mutex, held over no wait for another thread.
#ifndef CHECKPOINTS_REPOSITORY_H
#define CHECKPOINTS_REPOSITORY_H

#include "checkpoints/io/io.h"
#include "checkpoints/lineage.h"
#include "operator/base/clock.h"
#include "operator/base/hash.h"

#define RWD_CHECKPOINT_ID 17    // 16 hex digits and a NUL
#define RWD_TAG_MAX 64

typedef struct rwd_repo rwd_repo;

typedef struct rwd_counts {
    uint64_t read, applied, late, duplicate, dead, dropped;
} rwd_counts;

// Open dead letters of a checkpoint.
typedef struct rwd_dead_facts {
    bool known;                   // false: made before they were kept
    int64_t since;                // those of records below it are not known; 0: all are
    uint64_t open, failed;        // waiting; failed for good
} rwd_dead_facts;

// What the pipeline knows at a boundary and the manifest keeps.
typedef struct rwd_facts {
    int64_t next_offset;          // X
    uint64_t closings;            // C7: windows closed since the last record below X
    int64_t frontier;             // C when this was written: equals X but for genesis
    rwd_slice cursor;             // the source's own words for X, opaque here
    rwd_slice source_identity;    // the source's own words for what it is, opaque here
    rwd_hash128 source;           // hash of the identity
    int64_t stream_time;          // RWD_TIME_NONE before the first event
    rwd_counts counts;
    rwd_dead_facts dead;
    uint64_t input_count;         // E4
    rwd_hash128 input_hash;       // E4
    rwd_hash128 lineage;          // id
    rwd_hash128 history;          // hash of the history below X (L2)
    rwd_hash128 fingerprint;      // of the logic at X (L4)
    uint64_t keys;
    const char *reason;           // "genesis" | "interval" | "memory" | "request" | "final" | "restore" | "repair" | "segment"
    const char *violated;         // an invariant that did not hold, or NULL (S5)
    const char *rebuilt;          // the state, or one that it comes from, was rebuilt from outputs: which, and where; or NULL
} rwd_facts;

typedef enum rwd_checkpoint_state {
    RWD_CHECKPOINT_GOOD,          // verified since written, or just written and read back
    RWD_CHECKPOINT_UNVERIFIED,    // files not verified by this process yet
    RWD_CHECKPOINT_BAD,           // quarantined
    RWD_CHECKPOINT_PRUNED,        // only the manifest is left
} rwd_checkpoint_state;

typedef struct rwd_checkpoint_file {
    char *name;                   // relative to the checkpoint's folder
    uint64_t inode;
    uint64_t size;
    rwd_hash128 hash;
} rwd_checkpoint_file;

typedef struct rwd_checkpoint {
    char id[RWD_CHECKPOINT_ID];
    char parent[RWD_CHECKPOINT_ID];   // empty for genesis
    rwd_hash128 parent_hash;          // hash of the parent's MANIFEST bytes
    rwd_hash128 manifest_hash;
    rwd_hash128 repository;
    uint64_t term, sequence;          // order of creation: (term, sequence)
    rwd_facts facts;                  // slices and strings are owned by this checkpoint
    rwd_hash128 digest;               // root of the state digest
    int64_t created_us;               // wall clock, for people only (R2)
    char *build;
    bool independent;                 // K4: a copy that (still) shares no inode with any other
    rwd_checkpoint_file *files;
    size_t file_count;
    uint64_t bytes;                   // sum of file sizes
    rwd_checkpoint_state state;
    char *why_bad;                    // NULL unless bad
    char tag[RWD_TAG_MAX];            // empty if none
    bool below_horizon;               // K7: neither journal nor topic reach from its X to C any more: it can be read and exported, not replayed from
    bool pinned;                      // genesis, tags, and while a repair may be taken back from it
    int64_t pinned_until_us;          // of the latter: until when, by the wall clock; 0: none may
} rwd_checkpoint;

typedef struct rwd_checkpoint_list {
    rwd_checkpoint *items;            // newest first
    size_t count;
} rwd_checkpoint_list;
void rwd_checkpoint_list_deinit(rwd_checkpoint_list *list);

typedef struct rwd_repo_options {
    const char *path;                 // <data>
    const char *job;
    const char *partition;            // "0", or the file's name
    bool create;                      // make it if nothing is there
} rwd_repo_options;

// As owner: takes LOCK (LOCKED names the process that holds it), refuses network file systems (NETWORK_FS), another job's directory (FOREIGN) and
// newer formats (NEWER_FORMAT), raises the term, makes live/<term>, removes what earlier terms left in live/ and unfinished checkpoints.
// `io` is *borrowed*, used from the calling thread and under the repo mutex.
RWD_MUST bool rwd_repo_open_owner(const rwd_repo_options *options, rwd_io *io, rwd_clock *clock, rwd_repo **out, rwd_error *err);
// As reader: takes no lock, changes nothing.
RWD_MUST bool rwd_repo_open_reader(const char *path, rwd_io *io, rwd_clock *clock, rwd_repo **out, rwd_error *err);
void rwd_repo_close(rwd_repo *repo);

rwd_hash128 rwd_repo_id(const rwd_repo *repo);
uint64_t rwd_repo_term(const rwd_repo *repo);
const char *rwd_repo_path(const rwd_repo *repo);
const char *rwd_repo_job(const rwd_repo *repo);
const char *rwd_repo_live(const rwd_repo *repo);      // <data>/live/<term>
bool rwd_repo_is_new(const rwd_repo *repo);           // no checkpoint was ever written here
// False once LOCK no longer holds our term (someone removed or replaced it): stop deleting, stop writing (K6).
bool rwd_repo_still_owner(rwd_repo *repo);
// Genesis: the checkpoint exists; the commit of C = S is known (C2). Durable marks.
RWD_MUST bool rwd_repo_mark_genesis_committed(rwd_repo *repo, rwd_error *err);
bool rwd_repo_genesis_committed(const rwd_repo *repo);

// All checkpoints, bad and pruned ones included, newest first. *gives*: deinit the list.
RWD_MUST bool rwd_repo_list(rwd_repo *repo, rwd_checkpoint_list *out, rwd_error *err);
// By id, unambiguous prefix, tag, or "latest" (the greatest X that is not bad or pruned). *gives* one item: deinit with rwd_checkpoint_deinit.
RWD_MUST bool rwd_repo_find(rwd_repo *repo, const char *word, rwd_checkpoint *out, rwd_error *err);
void rwd_checkpoint_deinit(rwd_checkpoint *checkpoint);
// Folder of a checkpoint.
RWD_MUST bool rwd_repo_checkpoint_path(rwd_repo *repo, const char *id, char out[4096], rwd_error *err);

// Writing one (K3), on the checkpoint thread: stage makes an empty folder; the participants write into it; publish hashes the new files (a parent's hash is
// reused for the same inode), fsyncs files, folder and parent, writes MANIFEST (temporary, fsync, rename, fsync), reads it back, appends to
// history.log. abandon removes the folder.
RWD_MUST bool rwd_repo_stage(rwd_repo *repo, rwd_io *io, char out_dir[4096], rwd_error *err);
RWD_MUST bool rwd_repo_publish(rwd_repo *repo, rwd_io *io, const char *stage_dir, const rwd_facts *facts, rwd_hash128 digest,
                               char out_id[RWD_CHECKPOINT_ID], rwd_error *err);
void rwd_repo_abandon(rwd_repo *repo, rwd_io *io, const char *stage_dir);

// Verification (K5).
typedef enum rwd_verify {
    RWD_VERIFY_SIZES,
    RWD_VERIFY_NEW,     // and hashes of files not read back since they were written
    RWD_VERIFY_MEDIUM,  // and hashes of files that this process has not yet read back past the page cache
    RWD_VERIFY_ALL,     // and all hashes, past the page cache
} rwd_verify;
// Good, or says what is wrong (CORRUPT; place is the file). Remembers verified files across processes (in a file beside LOCK, which a crash may lose).
// `stop`, if not NULL, is polled: true ends early with RETRY.
RWD_MUST bool rwd_repo_verify(rwd_repo *repo, rwd_io *io, const char *id, rwd_verify level, const atomic_bool *stop, rwd_error *err);
// What was read back counts no more: the next verification reads every file again. For when damage showed itself in files that were trusted.
void rwd_repo_distrust(rwd_repo *repo);
// Renames to <id>.bad, with the reason in history.log. Never deletes.
RWD_MUST bool rwd_repo_quarantine(rwd_repo *repo, const char *id, const char *why, rwd_error *err);

// C7: is the checkpoint's position above (C, closings)?
static inline bool rwd_facts_above(const rwd_facts *facts, int64_t frontier, uint64_t closings) {
    return facts->next_offset != frontier ? facts->next_offset > frontier : facts->closings > closings;
}

// Recovery's choice (C4 (5)): the newest good checkpoint at or below (frontier, closings) whose history hash is that of `lineage` below its X. Those found bad on the way are
// quarantined and said aloud; `skipped` counts them. `only_id` restricts to one (restore --to). COMMIT_MOVED if a checkpoint of this lineage has
// a position above that and none is chosen by name (C4 (8)); NO_CHECKPOINT if none is good.
RWD_MUST bool rwd_repo_choose(rwd_repo *repo, rwd_io *io, const rwd_lineage *lineage, int64_t frontier, uint64_t closings, const char *only_id,
                              rwd_checkpoint *out, unsigned *out_skipped, rwd_error *err);

// Readers (K6): a shared flock on MANIFEST while its files are read. *gives* a lock; release by rwd_read_lock_release.
typedef struct rwd_read_lock { int fd; } rwd_read_lock;
RWD_MUST bool rwd_repo_read_lock(rwd_repo *repo, const char *id, rwd_read_lock *out, rwd_error *err);
void rwd_read_lock_release(rwd_read_lock *lock);

// Retention. A checkpoint stays if any of the rules wants it (as in restic's `forget`). Times are those at which checkpoints were made, in UTC; nothing else goes by them (R2).
typedef struct rwd_keep {
    unsigned last;     // newest checkpoints; the newest two good ones of C's history stay whatever is said (K5)
    unsigned hourly;   // the newest one of each of so many hours: of those in which any was made, the last
    unsigned daily;    // likewise of days
    int64_t within_us; // all that were made within so long before the last made one; 0: none for that
    unsigned full;     // newest independent copies; 0: all. The newest of C's history always stays (K4)
} rwd_keep;
typedef struct rwd_prune_item { char id[RWD_CHECKPOINT_ID]; uint64_t bytes; bool removed; const char *why_kept; } rwd_prune_item;
typedef struct rwd_prune_plan { rwd_prune_item *items; size_t count; uint64_t freed; } rwd_prune_plan;
void rwd_prune_plan_deinit(rwd_prune_plan *plan);
// What retention would remove, or with `act` removes: not pinned, not wanted by a rule of `keep`, no reader, our term (K6). why_kept is static.
RWD_MUST bool rwd_repo_prune(rwd_repo *repo, const rwd_lineage *lineage, int64_t frontier, const rwd_keep *keep, bool act, rwd_prune_plan *out, rwd_error *err);
// Drops one by name under the same conditions (its MANIFEST stays); says why not where it may not.
RWD_MUST bool rwd_repo_forget(rwd_repo *repo, const rwd_lineage *lineage, int64_t frontier, const char *id, bool act, uint64_t *out_freed, rwd_error *err);
// Sets (or with "" removes) a tag: unique, [A-Za-z0-9._-]; a tagged checkpoint is pinned.
RWD_MUST bool rwd_repo_tag(rwd_repo *repo, const char *id, const char *tag, rwd_error *err);
// R5, K7: the checkpoint, and the journal from it on, stay until then (wall clock): a repair may be taken back from it. Of two times the later one counts. Durable on return.
RWD_MUST bool rwd_repo_pin(rwd_repo *repo, const char *id, int64_t until_us, rwd_error *err);
// R4 (4): a checkpoint that was built beside the repository (`shadow`, whose manifest it is, in `folder`) becomes one of its own, by K3: files are linked where that works, else copied, and read
// again. `facts` are what its manifest says here; `parent` (NULL: none) is the checkpoint of this repository that it was built from. CORRUPT: a file is not what the shadow's manifest says.
RWD_MUST bool rwd_repo_adopt(rwd_repo *repo, rwd_io *io, const char *folder, const rwd_checkpoint *shadow, const rwd_facts *facts, const rwd_checkpoint *parent,
                             char out_id[RWD_CHECKPOINT_ID], rwd_error *err);
// K4: makes an independent copy of the bytes of `id` as a checkpoint of its own, reading back and comparing. `stop` as in verify. Older copies go by
// `prune`.
RWD_MUST bool rwd_repo_copy_independent(rwd_repo *repo, rwd_io *io, const char *id, const atomic_bool *stop, char out_id[RWD_CHECKPOINT_ID],
                                        rwd_error *err);

// Carries a checkpoint of `from` (as reader or owner; it may be in use) into `folder`, which is empty, not there yet, a data directory of the same repository, or one without any
// checkpoint, which then becomes the same repository: with lineages, history.log, the mark of genesis, its tag, and the journal from its X on. Every byte is verified before and read back after; files
// whose bytes the target has are linked there.
// LOCKED: an operator owns the target. FOREIGN: it is another repository's, or its history went on by itself. EXISTS: it is something else.
typedef struct rwd_carried {
    char id[RWD_CHECKPOINT_ID];
    int64_t next_offset;
    bool was_there;                   // nothing was to be done
    size_t copied, linked;            // files
    size_t journal_copied;            // segments of the journal's tail
    int64_t journal_next;             // up to where that reaches without a hole from X on; -1: there is none
    uint64_t bytes;                   // of what was copied
} rwd_carried;
RWD_MUST bool rwd_repo_carry(rwd_repo *from, const char *folder, const char *word, rwd_io *io, rwd_clock *clock, rwd_carried *out, rwd_error *err);

// K7: X of the earliest good checkpoint from which journal or topic reach up to C, as the keeper last found it. Noted by the owner; false: nobody has yet.
RWD_MUST bool rwd_repo_note_horizon(rwd_repo *repo, rwd_io *io, int64_t horizon, rwd_error *err);
bool rwd_repo_horizon(rwd_repo *repo, rwd_io *io, int64_t *out);

// Lineages kept with the repository: lineages/<id>/ has the encoded lineage, the normalised job file that made its last segment, and under logics/<logic>/ those of its other segments. Beside each
// job file stand the descriptor set and the plugins that it needs. `logic`: of which segment; the last one's goes into the lineage's own folder.
typedef struct rwd_kept_file { const char *name; rwd_slice bytes; } rwd_kept_file;
typedef struct rwd_kept_logic {
    rwd_hash128 logic;
    rwd_slice job_text;
    rwd_slice descriptor;           // empty: it needs none
    const rwd_kept_file *plugins;
    size_t plugin_count;
} rwd_kept_logic;
#define RWD_LINEAGE_JOB "job.yaml"
#define RWD_LINEAGE_DESCRIPTOR "protobuf.desc"
#define RWD_LINEAGE_PLUGINS "plugins"
// Keeps what a segment needs: before the lineage itself is saved; after that it does nothing.
RWD_MUST bool rwd_repo_save_logic(rwd_repo *repo, const rwd_lineage *lineage, const rwd_kept_logic *kept, rwd_error *err);
// The lineage itself, and the job file of its last segment.
RWD_MUST bool rwd_repo_save_lineage(rwd_repo *repo, const rwd_lineage *lineage, rwd_slice job_text, rwd_error *err);
// The folder with the job file, descriptor set and plugins of a logic, in any lineage that is kept; with `sinks`: of the last segment of one, which has these, too. Of several it is one that has them
// as the last segment, if any has. NOT_FOUND: none has it.
RWD_MUST bool rwd_repo_logic_folder(rwd_repo *repo, rwd_hash128 logic, const rwd_hash128 *sinks, char out[4096], rwd_error *err);
RWD_MUST bool rwd_repo_load_lineage(rwd_repo *repo, rwd_hash128 id, rwd_lineage *out, rwd_buf *out_job_text, rwd_error *err);

// history.log (R7): one entry per checkpoint, restore, quarantine, ...; each holds the hash of the entry before.
typedef struct rwd_history_entry {
    char *kind;        // "checkpoint" "restore" "quarantine" "forget" "tag" "genesis" "copy" "rebuild" "logic" "repair" "undo" ...
    char *subject;     // checkpoint id or other name
    char *who, *why;
    int64_t at_us, next_offset;
    uint64_t term;
    rwd_hash128 digest, lineage, before;
} rwd_history_entry;
typedef struct rwd_history { rwd_history_entry *items; size_t count; } rwd_history;
void rwd_history_deinit(rwd_history *history);
// `before` and `at_us`, `term` are filled in here. Durable on return.
RWD_MUST bool rwd_repo_history_append(rwd_repo *repo, const rwd_history_entry *entry, rwd_error *err);
// Reads and checks the chain. A torn last entry is not an error (it never counted); anything else that does not check is CORRUPT.
RWD_MUST bool rwd_repo_history_read(rwd_repo *repo, rwd_history *out, rwd_error *err);

#endif
