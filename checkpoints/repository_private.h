// What the files of this folder share about a repository.
//
// Locks: `mutex` covers everything below it in the struct, and `io`. No function holds it while it hashes or copies files of
// participants. Names on disk need no lock: each change of a checkpoint's name is one rename, and readers accept that a name has just gone.
#ifndef CHECKPOINTS_REPOSITORY_PRIVATE_H
#define CHECKPOINTS_REPOSITORY_PRIVATE_H

#include <pthread.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "checkpoints/repository.h"
#include "operator/base/fs.h"

#define RWD_REPO_VERSION 1u                 // of LOCK and of the layout
#define RWD_SMALL_FILE_MAX (1u << 20)       // LOCK, GENESIS, WHY
#define RWD_TAGS_FILE_MAX (4u << 20)
#define RWD_VERIFIED_FILE_MAX (64u << 20)
#define RWD_HISTORY_ENTRY_MAX (64u << 10)   // payload of one entry
#define RWD_JOB_TEXT_MAX (4u << 20)

#define RWD_SUFFIX_PART ".part"
#define RWD_SUFFIX_BAD ".bad"
#define RWD_SUFFIX_PRUNED ".pruned"

// A file whose bytes matched its manifest's hash. Identified by what changes when the bytes are written to.
typedef struct rwd_known_file {
    uint64_t inode, size;
    int64_t modified_ns;
    rwd_hash128 hash;
    bool read_back;   // read from the files since they were written: may be remembered across processes
    bool from_medium; // and that by this process, past the page cache
    bool bad;         // its bytes are not what a manifest says: nothing may be built on it
} rwd_known_file;

typedef struct rwd_known_files {
    rwd_known_file *items;  // sorted by inode
    size_t count, capacity;
} rwd_known_files;

struct rwd_repo {
    rwd_clock *clock;
    bool owner;
    char path[RWD_PATH_MAX], checkpoints[RWD_PATH_MAX], pruned[RWD_PATH_MAX], live[RWD_PATH_MAX], lock_path[RWD_PATH_MAX];
    char *job, *partition, *who;
    rwd_hash128 id;
    uint64_t term;
    int lock_fd;  // -1 for a reader
    ino_t lock_inode;
    bool is_new;

    pthread_mutex_t mutex;
    rwd_io *io;  // borrowed
    bool genesis_committed;
    uint64_t sequence;  // of the newest checkpoint staged under this term
    char base[RWD_CHECKPOINT_ID];  // parent of the next checkpoint; empty: none
    uint64_t history_size;         // up to where the log is whole
    rwd_hash128 history_last;      // hash of its last entry's frame
    uint64_t history_last_at;      // where that begins
    bool history_must_move;        // a torn tail or a failed sync: the whole entries go to a new file first
    rwd_known_files known;
    bool known_changed;
};

// Fails with the place set to a path inside the repository, for one-line use.
bool rwd_repo_fail(rwd_error *err, rwd_code code, const char *path, const char *format, ...) RWD_PRINTF(4, 5);

// lock.c: LOCK of a new term; fills id, job, partition, term, lock_fd, lock_inode.
RWD_MUST bool rwd_repo_lock(rwd_repo *repo, const rwd_repo_options *options, rwd_error *err);
RWD_MUST bool rwd_repo_read_lock_file(rwd_repo *repo, rwd_error *err);  // a reader's view of it

// One framed message in a small file. CORRUPT, NEWER_FORMAT, NOT_FOUND or what the system says.
RWD_MUST bool rwd_repo_load_small(rwd_io *io, const char *path, const char magic[4], size_t limit, rwd_buf *file, rwd_slice *out_payload, rwd_error *err);
RWD_MUST bool rwd_repo_save_small(rwd_io *io, const char *path, const char magic[4], rwd_slice payload, rwd_error *err);

// <data>/checkpoints/<id><suffix>
RWD_MUST bool rwd_repo_folder(const rwd_repo *repo, const char *id, const char *suffix, char out[RWD_PATH_MAX], rwd_error *err);
// The manifest in `folder`, whose bytes must say `id` and this repository.
RWD_MUST bool rwd_repo_load_manifest(rwd_repo *repo, rwd_io *io, const char *folder, const char *id, rwd_checkpoint *out, rwd_error *err);
// list.c: with or without pruned ones, newest first.
RWD_MUST bool rwd_repo_list_with(rwd_repo *repo, rwd_io *io, bool pruned, rwd_checkpoint_list *out, rwd_error *err);

// history.c. `_locked`: the mutex is held.
RWD_MUST bool rwd_history_open(rwd_repo *repo, rwd_error *err);  // finds the end of the log
RWD_MUST bool rwd_history_append_locked(rwd_repo *repo, const rwd_history_entry *entry, rwd_error *err);

// tags.c
typedef struct rwd_tag { char tag[RWD_TAG_MAX], id[RWD_CHECKPOINT_ID]; } rwd_tag;
typedef struct rwd_tags { rwd_tag *items; size_t count; } rwd_tags;
RWD_MUST bool rwd_tags_load(rwd_repo *repo, rwd_io *io, rwd_tags *out, rwd_error *err);
void rwd_tags_deinit(rwd_tags *tags);
// Gives `id` in another data directory the tag that it has here; one of that name which another checkpoint has there is left to it.
RWD_MUST bool rwd_tags_carry(rwd_repo *from, const char *folder, const char *id, rwd_io *io, rwd_error *err);
// carry_journal.c. The segments that hold records at or above `x`, to another data directory.
RWD_MUST bool rwd_carry_journal(rwd_repo *from, const char *folder, int64_t x, rwd_io *io, rwd_carried *out, rwd_error *err);

// pins.c
typedef struct rwd_pin { char id[RWD_CHECKPOINT_ID]; int64_t until_us; } rwd_pin;
typedef struct rwd_pins { rwd_pin *items; size_t count; } rwd_pins;
RWD_MUST bool rwd_pins_load(rwd_repo *repo, rwd_io *io, rwd_pins *out, rwd_error *err);
void rwd_pins_deinit(rwd_pins *pins);

// quarantine.c: why a checkpoint is bad, as its folder says, or NULL. *gives*.
char *rwd_note_load(rwd_io *io, const char *folder);

// known.c. The mutex is held.
const rwd_known_file *rwd_known_find(const rwd_known_files *known, uint64_t inode);
bool rwd_known_is_bad(const rwd_known_file *known, const struct stat *info);  // unless the inode belongs to another file by now
bool rwd_known_matches(const rwd_known_file *known, const struct stat *info, rwd_hash128 hash);
void rwd_known_put(rwd_repo *repo, const struct stat *info, rwd_hash128 hash, bool read_back, bool from_medium, bool bad);
void rwd_known_load(rwd_repo *repo);                       // best effort: it is a hint
void rwd_known_deinit(rwd_known_files *known);
// Remembers across processes what was read back. Takes the mutex. Best effort.
void rwd_repo_save_known(rwd_repo *repo, rwd_io *io);

// publish.c: the end of a publication that stage and copy share: manifest, final name, read back, history entry. `checkpoint` is complete but for id.
RWD_MUST bool rwd_publish_staged(rwd_repo *repo, rwd_io *io, const char *stage_dir, rwd_checkpoint *checkpoint, const char *kind, rwd_error *err);
// Files below a folder, sorted, MANIFEST left out, and folders below it, deepest first. Names only; hash and size are not filled in.
typedef struct rwd_tree { rwd_checkpoint_file *files; size_t file_count; char **folders; size_t folder_count; } rwd_tree;
RWD_MUST bool rwd_tree_walk(const char *root, rwd_tree *out, rwd_error *err);
void rwd_tree_deinit(rwd_tree *tree);

// retention.c: removes what is left of half pruned checkpoints.
RWD_MUST bool rwd_repo_finish_pruning(rwd_repo *repo, rwd_io *io, rwd_error *err);

#endif
