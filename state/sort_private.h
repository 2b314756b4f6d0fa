// Sorts rows by key with a bounded memory: sorted runs in a temporary file without a name, merged at the end.
//
// What must stay true: at most about `memory` bytes of rows are held (one row more at the most); equal input gives
// equal order. Temporary files are never visible, so none is left behind.
//
// Thread: one at a time.
#ifndef STATE_SORT_PRIVATE_H
#define STATE_SORT_PRIVATE_H

#include "operator/base/bytes.h"

#define RWD_SORT_MEMORY_MIN (64u << 10)
#define RWD_SORT_RUNS_MAX 64  // runs merged at once; more are merged into one first

typedef struct rwd_sort rwd_sort;

typedef bool (*rwd_sort_visit)(void *context, rwd_slice key, rwd_slice row);

// `memory` below RWD_SORT_MEMORY_MIN counts as that. `temp_dir` is *borrowed*, and used only if the rows do not fit into memory.
rwd_sort *rwd_sort_new(size_t memory, const char *temp_dir);
void rwd_sort_free(rwd_sort *sort);
RWD_MUST bool rwd_sort_add(rwd_sort *sort, rwd_slice key, rwd_slice row, rwd_error *err);
// Visits all rows by key until `visit` returns false. Nothing can be added afterwards.
RWD_MUST bool rwd_sort_finish(rwd_sort *sort, rwd_sort_visit visit, void *context, rwd_error *err);

#endif
