// What the files that read checkpoints share: an open one.
//
// Thread: as reader.h.
#ifndef STATE_READER_PRIVATE_H
#define STATE_READER_PRIVATE_H

#include "operator/base/fs.h"
#include "state/reader.h"
#include "state/store_private.h"

struct rwd_reader_db {
    rwd_store *store;
    char dir[RWD_PATH_MAX];  // the checkpoint's folder
};

// A store key is untrusted: the store's own checksums do not say that we wrote it. CORRUPT.
RWD_MUST bool rwd_reader_check_key(rwd_slice store_key, rwd_error *err);

#endif
