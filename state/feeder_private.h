// Maps chunks of memory ahead of their use, on a thread of its own.
//
// The first touch of a page is the system's work: it finds a page and clears it, and on a virtual machine its host does the same again. That takes from a
// tenth of a millisecond to many milliseconds for a chunk, which the pipeline would stand still for whenever a table grows. So two chunks are kept ready.
//
// What must stay true: each chunk that is ready is accounted to the HOT share; none is mapped that would not fit.
//
// Thread: pipeline; the feeder's own thread is private. Locks: one, a leaf.
#ifndef STATE_FEEDER_PRIVATE_H
#define STATE_FEEDER_PRIVATE_H

#include "state/budget.h"

#define RWD_FEEDER_READY 2

typedef struct rwd_feeder rwd_feeder;

// Chunks are `chunk_size` bytes at a multiple of it; `kept` bytes of the share are left alone. NULL if no thread can be had: then nothing is
// fed, and the caller maps for itself.
rwd_feeder *rwd_feeder_start(rwd_budget *budget, size_t chunk_size, uint64_t kept);
// Ends the thread; what was ready is unmapped and given back to the share.
void rwd_feeder_stop(rwd_feeder *feeder);
// *gives* a chunk of zero bytes, accounted; or NULL if none is ready or being made ready.
void *rwd_feeder_take(rwd_feeder *feeder);

// Maps a chunk whose bytes are already taken from the share; its pages are not yet there. Memory that is gone ends the program, as everywhere.
void *rwd_chunk_map(size_t chunk_size);
// Unmaps one and gives its bytes back to the share.
void rwd_chunk_unmap(rwd_budget *budget, void *chunk, size_t chunk_size);

#endif
