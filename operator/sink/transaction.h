// The rows of one transaction, as they were put, and in the order in which they are published.
//
// Rows are copied into chunks of one size, which are kept for the next transaction: putting a row is a copy, with an allocation once per chunk. The order is
// made when the transaction ends, in two arrays of exactly the size that is needed.
//
// Thread: one at a time; the file sink hands it from the pipeline to its own thread and back.
#ifndef OPERATOR_SINK_TRANSACTION_H
#define OPERATOR_SINK_TRANSACTION_H

#include "operator/base/bytes.h"
#include "operator/config/job.h"
#include "state/budget.h"

#define RWD_TRANSACTION_CHUNK ((size_t)256 * 1024)
#define RWD_CORRECTION_OLD_MAX ((size_t)128 * 1024)

typedef struct rwd_transaction rwd_transaction;

typedef struct rwd_transaction_row {
    rwd_slice key;
    const uint8_t *row;  // NULL: the key vanished
    uint32_t row_size;
    int64_t offset;
    int64_t time_us;     // as stamped; RWD_TIME_NONE: never
    rwd_slice old;       // of a correction: the value that stands published; data NULL: none does
} rwd_transaction_row;

// `budget` is *borrowed*; NULL: nothing is accounted. *gives*.
rwd_transaction *rwd_transaction_new(rwd_budget *budget);
void rwd_transaction_free(rwd_transaction *txn);
void rwd_transaction_clear(rwd_transaction *txn);  // empty again; memory is kept

// Rows put from here on come from a record of this time.
void rwd_transaction_stamp(rwd_transaction *txn, int64_t time_us);
// Copies a row for `output` (below RWD_SINKS_MAX). `row` NULL: the key vanished.
void rwd_transaction_put(rwd_transaction *txn, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset);
// The same for a correction; `old` of more than RWD_CORRECTION_OLD_MAX bytes is left out.
void rwd_transaction_put_correction(rwd_transaction *txn, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset, rwd_slice old);
// Bytes that the transaction holds or will need to be ordered.
uint64_t rwd_transaction_bytes(const rwd_transaction *txn);

// Fixes the order of publication (E1): with by_key[output] by key, the newest row of each key only; else as put. Nothing may be put after it
// until the transaction is cleared.
void rwd_transaction_order(rwd_transaction *txn, const bool by_key[RWD_SINKS_MAX]);
// After order: rows of an output. They *borrow* from the transaction.
size_t rwd_transaction_count(const rwd_transaction *txn, size_t output);
rwd_transaction_row rwd_transaction_at(const rwd_transaction *txn, size_t output, size_t index);

#endif
