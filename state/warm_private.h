// Loading the store into the hot table after open: a thread reads ahead, the pipeline puts rows in.
//
// W1. A row read here is as old as the open. It is put in only where the key has no slot; and once any slot that had
//     changed since, or any row, has left memory, nothing more is put in: a missing slot may then be newer than what was read.
//
// Thread: pipeline; the loader is private. Locks: one, a leaf.
#ifndef STATE_WARM_PRIVATE_H
#define STATE_WARM_PRIVATE_H

#include "state/store_private.h"

#define RWD_WARM_CHUNK_SIZE (256u << 10)
#define RWD_WARM_CHUNKS 4  // read ahead at most

typedef struct rwd_warm rwd_warm;

typedef struct rwd_warm_row {
    uint64_t hash;
    uint16_t table;
    rwd_slice key;   // without the store prefix
    rwd_slice row;
} rwd_warm_row;

// Starts the loader on the store as it is now.
RWD_MUST bool rwd_warm_start(rwd_store *store, rwd_warm **out, rwd_error *err);
// Ends the thread and frees all.
void rwd_warm_stop(rwd_warm *warm);
// Rows that are ready now: up to `limit`, *borrowed* until the next call. Does not wait. `*out_end`: all have been handed out, or
// the loader met an error (then the rows beyond it are not loaded: `*out_failed`).
size_t rwd_warm_take(rwd_warm *warm, rwd_warm_row *out, size_t limit, bool *out_end, bool *out_failed);

#endif
