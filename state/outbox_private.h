// The way of frozen versions from the pipeline to the checkpoint thread: a queue of chunks, bounded by the FROZEN share.
//
// Entries are made in place in a chunk (store key and row in one run, ready to be hashed and written). The lock is taken once per chunk.
// The checkpoint thread holds entries back until their bucket is complete, and frees a chunk when its last entry is done.
//
// Chunks that are done are kept for the next freeze: the pages of new ones would have to be found and cleared by the system while the pipeline waits.
//
// What must stay true: `used` of FROZEN is the memory of all chunks in use, and with those kept it stays within the share; a put that must not fail goes over the limit, and its
// caller has asked `fits` before. A sweep is refused memory only while the checkpoint thread has something left to do, so
// that neither waits for the other.
//
// Thread: put, mark, end, fits: pipeline. take, done: checkpoint. reset: pipeline, while no write is running.
// Locks: outbox.lock, a leaf.
#ifndef STATE_OUTBOX_PRIVATE_H
#define STATE_OUTBOX_PRIVATE_H

#include <pthread.h>

#include "operator/base/bytes.h"
#include "state/budget.h"

#define RWD_OUT_CHUNK_SIZE (64u << 10)

typedef enum rwd_out_kind {
    RWD_OUT_ROW,     // a key and its row
    RWD_OUT_DELETE,  // a key that the store must forget
    RWD_OUT_MARK,    // all of the tables before, and all buckets before `bucket_end` of this table, have been put
} rwd_out_kind;

typedef struct rwd_out_chunk rwd_out_chunk;

typedef struct rwd_out_entry {
    struct rwd_out_entry *next;  // for the checkpoint thread
    rwd_out_chunk *chunk;
    union {
        uint32_t row_size;
        uint32_t bucket_end;     // of a mark
    };
    union {
        uint16_t key_size;       // of the store key, prefix included
        uint16_t table;          // of a mark
    };
    uint8_t kind;
    uint8_t padding;
} rwd_out_entry;                 // then the store key, then the row; then up to 7 bytes nothing

static inline uint8_t *rwd_out_bytes(const rwd_out_entry *entry) { return (uint8_t *)(uintptr_t)entry + sizeof *entry; }

struct rwd_out_chunk {
    rwd_out_chunk *next;
    size_t capacity, size;  // of the entries behind this header
    size_t live;            // entries not yet done
};

typedef struct rwd_outbox {
    rwd_budget *budget;
    size_t chunk_size;
    rwd_out_chunk *open;    // being filled; the pipeline's
    pthread_mutex_t lock;
    pthread_cond_t filled;
    rwd_out_chunk *head, *tail;  // queued
    rwd_out_chunk *kept;    // not in use, all of chunk_size
    uint64_t kept_bytes;
    bool ended;             // no more will come for this freeze
    bool starving;          // the checkpoint thread waits and has nothing
} rwd_outbox;

void rwd_outbox_init(rwd_outbox *box, rwd_budget *budget, size_t chunk_size);
void rwd_outbox_deinit(rwd_outbox *box);
// Drops all that is queued; the box is as after init.
void rwd_outbox_reset(rwd_outbox *box);

// Space for an entry, for the caller to fill; NULL if the share has no room for it now (`must`: never).
rwd_out_entry *rwd_outbox_put(rwd_outbox *box, rwd_out_kind kind, size_t store_key_size, size_t row_size, bool must);
void rwd_outbox_mark(rwd_outbox *box, uint16_t table, uint32_t bucket_end);
// Hands over what is in the open chunk.
void rwd_outbox_flush(rwd_outbox *box);
void rwd_outbox_end(rwd_outbox *box);
// True if entries of `bytes` in all can be put.
bool rwd_outbox_fits(const rwd_outbox *box, size_t bytes);
static inline size_t rwd_out_entry_size(size_t store_key_size, size_t row_size) {
    return (sizeof(rwd_out_entry) + store_key_size + row_size + 7) & ~(size_t)7;
}

// The next chunk; waits for one. NULL: the freeze has ended, and the box is ready for the next.
rwd_out_chunk *rwd_outbox_take(rwd_outbox *box);
// Walks over a chunk's entries; NULL begins, NULL ends.
rwd_out_entry *rwd_out_next(rwd_out_chunk *chunk, rwd_out_entry *after);
// The entry is not needed any more.
void rwd_outbox_done(rwd_outbox *box, rwd_out_entry *entry);

#endif
