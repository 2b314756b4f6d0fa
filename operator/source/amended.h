// A source with amendments (L6): records are skipped or replaced, and events are inserted, where a lineage says so.
//
// What must stay true:
//   - a record that is skipped or replaced is still delivered, with the hash of what the topic holds, so that E4 counts it and X moves by it;
//   - what is inserted at N stands immediately before the first record at or above N, in the order in which it is listed, and has that record's offset; it counts nothing, and is never
//     the last of a batch: there is no position between it and its record. Above the end of the input it waits for a record;
//   - gone to X, what is listed below X has acted already.
//
// A batch may hold more than was asked for, by what was inserted. Without amendments batches are handed on as they are.
//
// Thread: pipeline.
#ifndef OPERATOR_SOURCE_AMENDED_H
#define OPERATOR_SOURCE_AMENDED_H

#include "checkpoints/lineage.h"
#include "operator/source/source.h"

// `inner` is *taken*. A value of more than `max_size` bytes is TOO_LARGE, as a record's is. *gives*: close through ops.
rwd_source *rwd_amended_source_new(rwd_source *inner, uint64_t max_size);
// These from the next assign on; sorted by `at` (as in a lineage). Copied. No batch is held.
void rwd_amended_source_use(rwd_source *source, const rwd_amendment *amendments, size_t count);

#endif
