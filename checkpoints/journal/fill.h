// Filling holes of the journal with records that come from elsewhere (J4).
//
// What must stay true: only holes are filled, and only where the interval between two positions whose input digest is known (E4: those of manifests) has, with what is filled in, exactly the count and
// hash that it must have; what the journal has already must be the same. Nothing is written before all that was offered was judged, and nothing counts before all of it is durable.
//
// Records are offered twice, in the same order: to be judged, then to be written.
//
//   new -> offer... -> judge -> (look at ranges) -> write... -> finish -> free
//
// Thread: one; the journal is an owner's, and nobody else uses it.
#ifndef CHECKPOINTS_JOURNAL_FILL_H
#define CHECKPOINTS_JOURNAL_FILL_H

#include "checkpoints/journal/journal.h"

// Below `offset` so many records, with this hash.
typedef struct rwd_journal_point {
    int64_t offset;
    uint64_t count;
    rwd_hash128 hash;
} rwd_journal_point;

typedef struct rwd_journal_fill rwd_journal_fill;

// A hole, as far as it lies between two points.
typedef struct rwd_journal_fill_range {
    int64_t from, next;
    uint64_t records;   // offered
    bool fits;          // it will be filled
} rwd_journal_fill_range;

typedef struct rwd_journal_fill_counts {
    uint64_t there;     // records that the journal has, and they are the same
    uint64_t outside;   // below the first point or above the last: nothing can tell whether they are right
    uint64_t filled;
} rwd_journal_fill_counts;

// Points rise in offset; copied. The journal is *borrowed*. *gives*.
RWD_MUST bool rwd_journal_fill_new(rwd_journal *journal, const rwd_journal_point *points, size_t count, rwd_journal_fill **out, rwd_error *err);
void rwd_journal_fill_free(rwd_journal_fill *fill);  // NULL is ignored

// USAGE: its offset is not above the one before. SOURCE_CHANGED: the journal has another record there, or knows that there is none.
RWD_MUST bool rwd_journal_fill_offer(rwd_journal_fill *fill, const rwd_journal_record *record, rwd_error *err);
// Each interval that has holes. SOURCE_CHANGED: with what was offered one does not reproduce its digest; not so with `takes_what_fits`: then its holes stay.
RWD_MUST bool rwd_journal_fill_judge(rwd_journal_fill *fill, bool takes_what_fits, rwd_error *err);
// The holes, after judge. Borrowed.
const rwd_journal_fill_range *rwd_journal_fill_ranges(const rwd_journal_fill *fill, size_t *out_count);
rwd_journal_fill_counts rwd_journal_fill_get_counts(const rwd_journal_fill *fill);

// The same records again.
RWD_MUST bool rwd_journal_fill_write(rwd_journal_fill *fill, const rwd_journal_record *record, rwd_error *err);
// Makes all of it durable, and then count. SOURCE_CHANGED: what was written is not what was judged; nothing of it counts.
RWD_MUST bool rwd_journal_fill_finish(rwd_journal_fill *fill, rwd_error *err);

#endif
