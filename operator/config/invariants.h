// Invariants over rows (S5): which a row violates, and what changed rows come to.
//
// An invariant is a number, its place in rwd_job.invariants; what a row violates is a set of them, a bit each. A row violates one where its check is false; where
// it is null or cannot be evaluated it does not (as a CHECK of SQL). A key that is not there violates nothing.
//
// They decide no result and nothing that is published, so they are in no fingerprint and no digest.
//
// Thread: one at a time per rwd_answers and tally.
#ifndef OPERATOR_CONFIG_INVARIANTS_H
#define OPERATOR_CONFIG_INVARIANTS_H

#include "operator/config/answers.h"

// Has the table any?
bool rwd_invariants_has(const rwd_job *job, uint16_t table);
// Those of the table that the row violates. `row` NULL: none. The row is the table's own (answers.h: begin), and is begun here unless `begun`.
uint32_t rwd_invariants_violated(rwd_answers *answers, const rwd_job *job, uint16_t table, rwd_slice key, const uint8_t *row, bool begun);
// Of these, the ones that park a job.
uint32_t rwd_invariants_parking(const rwd_job *job, uint32_t violated);
// "customers: revenue >= 0". Appends.
void rwd_invariant_text(const rwd_job *job, size_t invariant, rwd_buf *out);
// What they are all together: two jobs with the same have equal hashes.
rwd_hash128 rwd_invariants_hash(const rwd_job *job);

// ---- many rows, old and new: what a plan would make of the invariants

// Texts of a violating row that is kept to be shown are cut here.
#define RWD_INVARIANT_TEXT_MAX 512

typedef struct rwd_invariant_tally {
    uint64_t before, after;  // keys of the rows that were given: those whose old, and whose new row violates it
    uint64_t begun, ended;   // keys that do now and did not, and the other way round
    char key[RWD_INVARIANT_TEXT_MAX];  // of the first one that begins: as output records have it
    char row[RWD_INVARIANT_TEXT_MAX];  // ... as JSON
} rwd_invariant_tally;

// Counts one changed key into `tallies`, one for each of the job's invariants, zeroed at the beginning. `old` or `now` NULL: it is not there. Sizes are those of the rows.
// CORRUPT: key or row is none of the table's.
RWD_MUST bool rwd_invariants_tally(rwd_invariant_tally *tallies, rwd_answers *answers, const rwd_job *job, uint16_t table, rwd_slice key, const uint8_t *old,
                                   uint32_t old_size, const uint8_t *now, uint32_t now_size, rwd_error *err);
// The same where somebody else has judged the old row: `before` is what it violates.
RWD_MUST bool rwd_invariants_tally_from(rwd_invariant_tally *tallies, rwd_answers *answers, const rwd_job *job, uint16_t table, rwd_slice key, uint32_t before, const uint8_t *now,
                                        uint32_t now_size, rwd_error *err);
// Key and row of a table, cut, for people and for JSON.
void rwd_invariants_show(rwd_answers *answers, const rwd_job *job, uint16_t table, rwd_slice key, const uint8_t *row, char out_key[RWD_INVARIANT_TEXT_MAX],
                         char out_row[RWD_INVARIANT_TEXT_MAX]);

#endif
