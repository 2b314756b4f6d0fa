// What the files of this folder share: segments and their index.
//
// The index is sparse: one entry stands for a run of blocks of about RWD_JOURNAL_ENTRY_BYTES, so that it stays small where each commit closes a small block.
//
// Locks: `mutex` covers all below it. A segment's fd is opened by the writer and closed by the one who makes it durable, or by close.
#ifndef CHECKPOINTS_JOURNAL_JOURNAL_PRIVATE_H
#define CHECKPOINTS_JOURNAL_JOURNAL_PRIVATE_H

#include <pthread.h>

#include "checkpoints/io/queue.h"
#include "checkpoints/journal/journal.h"
#include "operator/base/fs.h"

#define RWD_JOURNAL_ENTRY_BYTES (256u << 10)
#define RWD_JOURNAL_SUFFIX ".jnl"
#define RWD_JOURNAL_PART ".part"
#define RWD_JOURNAL_BAD ".bad"

// Blocks that stand one behind the other in a file and cover [from, next) without a hole.
typedef struct rwd_journal_entry {
    int64_t from, next;
    uint64_t at, size;
    int64_t min_time, max_time;
    uint32_t blocks, records;
} rwd_journal_entry;

typedef struct rwd_journal_entries {
    rwd_journal_entry *items;
    size_t count, capacity;
} rwd_journal_entries;

typedef struct rwd_journal_segment {
    char file[96];             // its name in the folder
    rwd_journal_name name;
    uint64_t size;             // of the file, as far as it counts
    int64_t changed_us;        // wall clock of the last write
    rwd_journal_entries entries;
    bool own;                  // made by this rwd_journal
    bool open;                 // being written
    bool part;                 // not confirmed yet
    bool torn;
    int fd;                    // own, and not durable yet; else -1
    uint64_t durable_size;     // bytes known to be durable
    bool durable;              // all of it
} rwd_journal_segment;

// A block on its way to the disk.
typedef struct rwd_journal_job {
    rwd_buf plain;
    rwd_journal_block block;   // from, next, times, count
    int64_t expected, time;    // as rwd_journal_record_put keeps them
    bool new_segment;
    bool part;
} rwd_journal_job;

// A segment as the index on disk has it (index.c).
typedef struct rwd_journal_known {
    uint64_t term, number, size;
    rwd_journal_entries entries;
} rwd_journal_known;

struct rwd_journal {
    rwd_participant participant;  // first
    rwd_journal_options options;
    char dir[RWD_PATH_MAX];
    rwd_clock *clock;
    rwd_io *io;                // the opener's, then the thread's
    rwd_io *sync_io;           // the checkpoint thread's
    rwd_io *read_io;           // the pipeline's
    bool has_thread;
    pthread_t thread;

    // The pipeline's.
    int64_t position;          // -1: nothing begun
    bool leap;                 // the next block begins a segment
    bool confirmed;
    rwd_journal_job *filling;  // the job at `head`, or NULL

    pthread_mutex_t mutex;
    pthread_cond_t changed;    // room for jobs, or jobs whose fate is known
    pthread_cond_t work;       // for the thread
    rwd_journal_segment *segments;  // in order of (term, number)
    size_t segment_count, segment_capacity;
    uint64_t number;           // of the newest own segment
    rwd_journal_job jobs[RWD_JOURNAL_QUEUE];
    uint64_t head, tail;       // jobs handed over; jobs taken by the thread
    uint64_t written;          // jobs whose fate is known
    uint64_t wanted;           // jobs that somebody waits for, or wants to be written soon
    uint64_t frozen;           // head at the freeze
    int64_t frozen_at;         // X
    bool stop, failed;
    rwd_error error;           // of `failed`
    bool suspended;
    int64_t suspended_ns;      // when that began, or was last tried
    int64_t floor;
    rwd_journal_known *known;  // while it is opened: what the index on disk says
    size_t known_count;
    uint32_t indexed;          // which segments the index on disk has, as a checksum of their names and sizes; 0: none
    int64_t looked_ns;         // a reader: when the folder was last looked at
    rwd_journal_stats stats;   // appended_*, damaged, waits
};

// Fails with the place set to a file of the folder.
bool rwd_journal_fail(const rwd_journal *journal, rwd_error *err, rwd_code code, const char *file, const char *format, ...) RWD_PRINTF(5, 6);
RWD_MUST bool rwd_journal_path(const rwd_journal *journal, const char *file, char out[RWD_PATH_MAX], rwd_error *err);

// journal.c. The mutex is held.
rwd_journal_segment *rwd_journal_segment_add(rwd_journal *journal);
void rwd_journal_entry_add(rwd_journal_entries *entries, const rwd_journal_block *block, uint64_t at);
// What is no file any more leaves the index.
void rwd_journal_segment_drop(rwd_journal *journal, rwd_journal_segment *segment);
rwd_journal_segment *rwd_journal_segment_find(rwd_journal *journal, const rwd_journal_name *name);
// The newest segment's entry that covers `offset`; `out_segment` its index. NULL: none.
const rwd_journal_entry *rwd_journal_lookup(const rwd_journal *journal, int64_t offset, size_t *out_segment);

// scan.c
typedef struct rwd_journal_scan {
    rwd_io *io;
    int fd;
    const char *path;
    rwd_journal_name name;
    uint64_t at, end;          // bytes of the file to look at
    int64_t verify_from;       // payloads of blocks whose `next` is above this are checked
    int64_t torn_from;         // at or above this the first bad block is the torn end; below, good ones behind it are found again
    bool inside;               // `at` is not the file's beginning: the first block's predecessor is unknown,
    int64_t after;             // but for where it ended; -1: that is unknown, too
    rwd_journal_entries *entries;  // appended to
    uint64_t damaged;          // out: runs of bytes below torn_from that are bad
    bool torn;                 // out: bytes behind `size` do not count
    bool newer;                // out: a newer version wrote it
    uint64_t size;             // out: behind the last good block
    const atomic_bool *stop;   // may be NULL
} rwd_journal_scan;
// Walks the blocks. False: the system refused to read.
RWD_MUST bool rwd_journal_scan_run(rwd_journal_scan *scan, rwd_error *err);
// A reader found a bad block in that entry: what is good of it stays, the rest is a hole.
RWD_MUST bool rwd_journal_rescan(rwd_journal *journal, rwd_io *io, const rwd_journal_name *name, uint64_t at, rwd_error *err);

// index.c. Loading and taking: while it is opened. A segment is taken only if its file has the size that it had.
void rwd_journal_load_index(rwd_journal *journal);
void rwd_journal_forget_index(rwd_journal *journal);
bool rwd_journal_take_known(rwd_journal *journal, rwd_journal_segment *segment, uint64_t size);
// An owner's: writes the index anew if other segments are durable and whole than when it was written. Takes the mutex. Best effort.
void rwd_journal_save_index(rwd_journal *journal, rwd_io *io);

// writer.c
void *rwd_journal_thread(void *journal);
// participant.c
extern const rwd_participant_ops rwd_journal_participant_ops;

#endif
