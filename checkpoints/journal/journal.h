// The journal: the operator's own copy of its input, by offset (J1 to J4).
//
//   <data>/journal/<offset>-<term>-<number>.jnl        a segment: blocks (block.h), from that offset on
//   <data>/journal/<offset>-<term>-<number>.jnl.part   one that is not to be trusted yet: see rwd_journal_confirm
//   <data>/journal/<offset>-<term>-<number>.jnl.copying  one that is being carried here: gone at the next start
//   <data>/journal/<offset>-<term>-<number>.jnl.bad    one whose sync failed: set aside, never read
//   <data>/journal.index                               where runs of blocks are in durable segments: a hint (index.c)
//
// What must stay true:
//   - J1: a block covers [from, next), and begins where the block before it ended; what no block covers is a hole;
//   - J2: an owner writes only segments that it created, each opened anew for every start, rollback and leap of the position; below `durable_to` (the newest checkpoint's
//     X) what fails is corruption, and good blocks behind it are found again; at or above it the first block that fails is the torn end, and nothing behind it counts;
//   - appending never waits for the disk unless RWD_JOURNAL_QUEUE blocks are on their way; a thread of the journal compresses, checksums and writes;
//   - only whole segments are deleted, oldest first, and never one that holds offsets at or above the floor (K7).
//
// Thread: append, begin, pass, flush, settle, confirm, refresh, readers: the pipeline's. What is marked "any" may be called from others. Locks: one mutex, held over no wait
// for the disk but the look at a block that a reader found bad.
#ifndef CHECKPOINTS_JOURNAL_JOURNAL_H
#define CHECKPOINTS_JOURNAL_JOURNAL_H

#include "checkpoints/io/io.h"
#include "checkpoints/journal/block.h"
#include "operator/base/clock.h"
#include "operator/base/participant.h"

#define RWD_JOURNAL_FOLDER "journal"
#define RWD_JOURNAL_COPYING ".copying"
#define RWD_JOURNAL_BLOCK_SIZE (64u << 10)     // a block is closed once its records have that many bytes
#define RWD_JOURNAL_QUEUE 16u                  // blocks between pipeline and disk
#define RWD_JOURNAL_WRITE_SIZE (512u << 10)    // what is written at once while nobody waits: as much as may be registered for long (queue.h)
#define RWD_JOURNAL_SIZE_MIN (16ull << 20)     // the least `size`
#define RWD_JOURNAL_ROOM (32ull << 20)         // of a disk, for the state and its checkpoints: without them a journal is of no use
#define RWD_JOURNAL_SEGMENTS 16u               // `size` and `keep` are this many segments, roughly

typedef struct rwd_journal rwd_journal;

typedef struct rwd_journal_options {
    const char *data;           // <data>; the folder is made by an owner
    rwd_hash128 repository;
    uint64_t term;              // of the owner; 0: a reader, which changes nothing
    int64_t durable_to;         // the newest checkpoint's X: what was there below it when it was made is durable (K3); 0: nothing is known to be
    uint64_t durable_term;      // of the owner that made it: segments of earlier terms were there then; of one as late, holes may have been filled since
    rwd_journal_codec codec;    // of new blocks
    uint64_t size;              // bytes of all segments, roughly
    int64_t keep_ns;            // age of what may go
    uint64_t room;              // with less than that left on the disk, it counts as full
    size_t write_size;          // a multiple of RWD_IO_ALIGN; 0: RWD_JOURNAL_WRITE_SIZE
    bool on_full_continue;      // a full disk, or a full journal, makes a hole; false: it is an error
} rwd_journal_options;

// Looks at all segments: their headers, and the payloads that are not known to be durable. `io` is *taken*. *gives*. A reader of a folder that is not there has an
// empty journal.
RWD_MUST bool rwd_journal_open(const rwd_journal_options *options, rwd_io *io, rwd_clock *clock, rwd_journal **out, rwd_error *err);
// A reader of the journal of a data directory that others own: nothing of it is written, locked or deleted, whatever is called. What its owner deletes meanwhile is a hole. `io` is *taken*. *gives*.
RWD_MUST bool rwd_journal_open_reader(const char *data, rwd_hash128 repository, int64_t durable_to, rwd_io *io, rwd_clock *clock, rwd_journal **out, rwd_error *err);
bool rwd_journal_is_reader(const rwd_journal *journal);
// Of a reader: looks for what the owner wrote and deleted since; at most every RWD_JOURNAL_LOOK_AGAIN_NS, else it does nothing. No reader's records are in hand.
#define RWD_JOURNAL_LOOK_AGAIN_NS 200000000LL
RWD_MUST bool rwd_journal_refresh(rwd_journal *journal, rwd_error *err);
// Writes what was appended, without syncing; ends the thread. No reader is left. NULL is ignored.
void rwd_journal_close(rwd_journal *journal);

// ---- writing (an owner)

// From here on what is appended has been read from `offset` on, without a leap: a new segment. Precondition: `offset` is not covered.
void rwd_journal_begin(rwd_journal *journal, int64_t offset);
// Appends records in order of offsets; each is copied. An error is that of a write that failed since: nothing more is taken then.
RWD_MUST bool rwd_journal_append(rwd_journal *journal, const rwd_journal_record *records, size_t count, rwd_error *err);
// There is no record below `next` that was not appended.
void rwd_journal_pass(rwd_journal *journal, int64_t next);
// Behind what was appended last: where begin must be called if reading goes on elsewhere. -1: nothing was begun.
int64_t rwd_journal_position(const rwd_journal *journal);
// Hands over the open block, and has all that was handed over written at once, so that a reader, or the next process, can have it soon.
void rwd_journal_flush(rwd_journal *journal);
// Flushes, and waits until all that was handed over is written (not synced): readers see it then.
RWD_MUST bool rwd_journal_settle(rwd_journal *journal, rwd_error *err);
// E4: segments that begin before this call count for the next process only after it; called once the input digest of what they hold was compared. What was begun later
// has its name at once.
RWD_MUST bool rwd_journal_confirm(rwd_journal *journal, rwd_error *err);
// What makes a checkpoint at X wait for the journal below X: freeze flushes, write syncs all segments below it that are not known durable, inherited ones too (K3). It
// has no files and no digest. *borrows*.
rwd_participant *rwd_journal_participant(rwd_journal *journal);

// ---- what is there (any thread)

// True if a block covers `offset`; `out_until` is where the unbroken run that covers it ends, or, where none does, the next covered offset above (INT64_MAX: none).
bool rwd_journal_covers(rwd_journal *journal, int64_t offset, int64_t *out_until);

typedef struct rwd_journal_range { int64_t from, next; } rwd_journal_range;
// The covered ranges, merged, in order. *gives*: free.
size_t rwd_journal_ranges(rwd_journal *journal, rwd_journal_range **out);

typedef struct rwd_journal_stats {
    uint64_t bytes;             // of segments
    uint64_t segments, blocks, records;
    uint64_t appended_bytes, appended_blocks, appended_records;  // by this process since open
    uint64_t holes;             // between the first and the last covered offset
    uint64_t damaged;           // blocks, or runs of bytes, that failed below `durable_to`, since open
    uint64_t waits;             // appends that waited for the disk
    int64_t first, next;        // covered offsets, holes included; -1: none
    int64_t durable;            // the newest offset that is durable with all below it back to a hole; -1: none
    bool suspended;             // a full disk, and on_full_continue
} rwd_journal_stats;
void rwd_journal_get_stats(rwd_journal *journal, rwd_journal_stats *out);

// One segment, for people.
typedef struct rwd_journal_segment_info {
    char name[96];
    uint64_t term, number, bytes, blocks, records;
    int64_t first, next, min_time, max_time;  // -1 and INT64_MIN: none
    uint64_t holes;             // inside it
    bool torn;                  // bytes behind the last good block do not count
    char why[160];              // what is wrong with it; empty: nothing
} rwd_journal_segment_info;
// In order of offsets. *gives*: free.
size_t rwd_journal_list(rwd_journal *journal, rwd_journal_segment_info **out);
// Reads every block back, and fills in what is wrong. `stop` (may be NULL) is polled. Any thread, with an io of its own. *gives*: free.
RWD_MUST bool rwd_journal_check(rwd_journal *journal, rwd_io *io, const atomic_bool *stop, rwd_journal_segment_info **out, size_t *out_count, rwd_error *err);

// Deletes whole segments below `floor`, oldest first, while there is more than `size`, or while they are older than `keep_ns`. From then on the floor binds: where what
// lies above it is more than `size`, appending fails, or makes a hole. Any thread, with an io of its own; the caller keeps K6. `out_freed` may be NULL.
RWD_MUST bool rwd_journal_prune(rwd_journal *journal, rwd_io *io, int64_t floor, uint64_t *out_freed, rwd_error *err);

// ---- reading

typedef struct rwd_journal_reader rwd_journal_reader;
// From `offset` on, with several reads in flight. *gives*; the journal is *borrowed*.
RWD_MUST bool rwd_journal_reader_open(rwd_journal *journal, int64_t offset, rwd_journal_reader **out, rwd_error *err);
// The records of the next block that are at or above the position, which goes on to `out_next`. *borrows* until the next call. None, and the position as it was: there
// is a hole, or the end. A block that turns out bad becomes a hole, and is said aloud.
RWD_MUST bool rwd_journal_read(rwd_journal_reader *reader, const rwd_journal_record **out, size_t *out_count, int64_t *out_next, rwd_error *err);
void rwd_journal_reader_close(rwd_journal_reader *reader);  // NULL is ignored
// The last record of [from, until), with its bytes copied into `bytes`. NOT_FOUND: there is none, or not all of it is covered.
RWD_MUST bool rwd_journal_last(rwd_journal *journal, int64_t from, int64_t until, rwd_buf *bytes, rwd_journal_record *out, rwd_error *err);
// R2: the offset of the first covered record at or above `from` whose time is at or after `time_us`, by the times in the block headers; -1: there is none. What holes hold is not known.
RWD_MUST bool rwd_journal_offset_for(rwd_journal *journal, int64_t from, int64_t time_us, int64_t *out, rwd_error *err);

#endif
