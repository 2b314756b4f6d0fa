// One byte budget, `state.memory`, shared out once: who may hold how much, and who holds how much now.
//
// A library that bounds its own queues (librdkafka) has its part set aside first. Resident memory stays within the budget plus a constant (program text, stacks, allocator slack). Shares are fixed at
// start, so that no part can starve another; `used` is kept by the part itself.
//
// Thread: limits are immutable; `used` is relaxed-atomic, written by the owner of the share (of HOT also by the feeder's thread), read by metrics.
#ifndef STATE_BUDGET_H
#define STATE_BUDGET_H

#include <stdatomic.h>
#include <stdint.h>

#include "operator/base/error.h"

#define RWD_BUDGET_MIN (64ull << 20)

// share, what it holds, percent of the budget
#define RWD_BUDGET_TABLE(X)                                                        \
    X(HOT, "hot", "slots and spilled keys of the hot tables", 55)                  \
    X(FROZEN, "frozen", "frozen versions on their way into a checkpoint", 15)      \
    X(STORE, "store", "RocksDB: block cache, index and filter blocks, write buffers", 17) \
    X(SINK, "sink", "changed rows and output text of the open and the committing transaction", 8) \
    X(SOURCE, "source", "raw records of the current batch, read-ahead", 5)

typedef enum rwd_share {
#define RWD_BUDGET_ENUM(id, name, doc, percent) RWD_SHARE_##id,
    RWD_BUDGET_TABLE(RWD_BUDGET_ENUM)
#undef RWD_BUDGET_ENUM
        RWD_SHARE_COUNT
} rwd_share;

typedef struct rwd_budget {
    uint64_t total;
    uint64_t aside;           // not shared: rwd_budget_set_aside
    uint64_t limit[RWD_SHARE_COUNT];
    _Atomic uint64_t used[RWD_SHARE_COUNT];
} rwd_budget;

// Takes `bytes` out before the rest is shared: what a library holds beside the shares, by limits that it was given. Before anything is taken. At most half.
void rwd_budget_set_aside(rwd_budget *budget, uint64_t bytes);
// Shares out `total` bytes; less than RWD_BUDGET_MIN is a CONFIG error.
RWD_MUST bool rwd_budget_init(rwd_budget *budget, uint64_t total, rwd_error *err);
const char *rwd_share_name(rwd_share share);
const char *rwd_share_doc(rwd_share share);
void rwd_budget_take(rwd_budget *budget, rwd_share share, uint64_t bytes);
void rwd_budget_give(rwd_budget *budget, rwd_share share, uint64_t bytes);
// Takes `bytes` if `kept` bytes of the share are still left behind them; looking and taking are one act, for threads that take from the same share.
RWD_MUST bool rwd_budget_try(rwd_budget *budget, rwd_share share, uint64_t bytes, uint64_t kept);
// True if `bytes` more fit into the share.
bool rwd_budget_fits(const rwd_budget *budget, rwd_share share, uint64_t bytes);

#endif
