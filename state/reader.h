// Reads the tables of a checkpoint: single keys, a scan in store order, a scan in key order, the digest from scratch.
//
// Creates and changes nothing inside the checkpoint's folder. The caller holds the checkpoint's reader lock (K6).
//
// Thread: one at a time per reader; any.
#ifndef STATE_READER_H
#define STATE_READER_H

#include "state/digest.h"
#include "state/schema.h"

typedef struct rwd_reader_db rwd_reader_db;

// `dir` is what the tables' participant was given to write.
RWD_MUST bool rwd_state_open(const char *dir, rwd_reader_db **out, rwd_error *err);
void rwd_state_close(rwd_reader_db *reader);

// One key, without the store prefix. Appends its row to `out`.
RWD_MUST bool rwd_state_get(rwd_reader_db *reader, uint16_t table, rwd_slice key, bool *out_found, rwd_buf *out, rwd_error *err);

// Visits rows until `visit` returns false or the end. `key` is the encoded key without the store prefix. Checksums of blocks are verified.
typedef bool (*rwd_row_visit)(void *context, uint16_t table, rwd_slice key, rwd_slice row);
// In store order (by table, bucket, key). `table` < 0: all tables.
RWD_MUST bool rwd_state_scan(rwd_reader_db *reader, int table, rwd_row_visit visit, void *context, rwd_error *err);
// In key order, one table: an external merge sort with at most `memory` bytes of rows at a time; runs go to unlinked
// temporary files in `temp_dir`. The same rows in the same order every time.
RWD_MUST bool rwd_state_scan_sorted(rwd_reader_db *reader, uint16_t table, size_t memory, const char *temp_dir, rwd_row_visit visit,
                                    void *context, rwd_error *err);

// The digest as stored with the checkpoint, and computed by a scan of every row: equal unless something is broken.
RWD_MUST bool rwd_state_stored_digest(const char *dir, rwd_digest *out, rwd_error *err);
RWD_MUST bool rwd_state_scan_digest(rwd_reader_db *reader, rwd_digest *out, uint64_t *out_keys, rwd_error *err);

#endif
