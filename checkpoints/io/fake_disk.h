// A disk whose power can fail: remembers, for every file and folder below a root, what has reached the medium. For tests.
//
// The model is the strictest that POSIX allows: the bytes of a file are durable up to its last good sync, a name only by a sync of its folder (a
// rename of a file that was never synced can leave an empty file). What was there when the disk was made is durable. Files may be written by others
// (a store, a test): only syncs have to come through the fault tier that holds this disk.
//
// What a queue wrote (checkpoints/io/queue.h) may reach the medium in any order: with a seed, any subset of the pieces written since the last good sync
// survives, the last bytes of each may be missing, and what is missing below a survivor is what was durable there, or zeros.
//
// A file whose sync failed keeps its dirty bytes in the cache only: a later sync succeeds, but those bytes (appended ones) are zeros after
// a power loss. Cutting the file drops them from the cache: what is written there again is dirty again.
//
// Thread: any; serialised by its own mutex.
#ifndef CHECKPOINTS_IO_FAKE_DISK_H
#define CHECKPOINTS_IO_FAKE_DISK_H

#include "operator/base/error.h"

#include <stdint.h>

typedef struct rwd_fake_disk rwd_fake_disk;

// `root` is an existing folder, small enough to be held in memory.
RWD_MUST bool rwd_fake_disk_new(const char *root, rwd_fake_disk **out, rwd_error *err);
void rwd_fake_disk_free(rwd_fake_disk *disk);

// Makes the tree below the root what it is after a power loss. Seed 0: nothing survives that was not synced. Another seed: each file
// has its durable bytes, or more of what was written since (to any length), or all of it; each folder has its durable names or those of a later moment.
// Descriptors and locks that are open must have been closed. What is there afterwards is durable; the disk may be used again.
RWD_MUST bool rwd_fake_disk_power_loss(rwd_fake_disk *disk, uint64_t seed, rwd_error *err);

// For the fault tier. A descriptor was synced (or its sync failed); a queue wrote to it; a name in the folder of `path` changed; a file was cut; the power went.
void rwd_fake_disk_synced(rwd_fake_disk *disk, int fd, bool ok);
void rwd_fake_disk_wrote(rwd_fake_disk *disk, int fd, uint64_t offset, uint64_t size);
void rwd_fake_disk_named(rwd_fake_disk *disk, const char *path);
void rwd_fake_disk_truncated(rwd_fake_disk *disk, int fd, uint64_t size);
void rwd_fake_disk_power_off(rwd_fake_disk *disk);

#endif
