// The journal, and the source behind it, as one source (J1, J3).
//
// What must stay true:
//   - an offset that the journal covers is read from there and nowhere else; for the rest the source behind is asked, and what it gives is appended before it is handed out;
//   - where reading goes over from the journal to the source behind, that one is told the last record that was handed out, and compares it (C5): at assign, so that nothing
//     is replayed on top of a topic that was made anew; where no broker answers, when the journal ends;
//   - while no broker answers, what the journal holds is handed out, and then batches are empty: the pipeline waits.
//
// Without a journal (between sessions, or where the job wants none) it is the source behind it. With a reader of another's journal (rwd_journal_open_reader) nothing is appended, and what its
// owner writes meanwhile is found.
//
// Thread: pipeline.
#ifndef OPERATOR_SOURCE_JOURNALED_H
#define OPERATOR_SOURCE_JOURNALED_H

#include "checkpoints/journal/journal.h"
#include "operator/source/source.h"

// `inner` is *taken*; it has `from_raw` and `offset_for`. *gives*: close through ops.
rwd_source *rwd_journaled_source_new(rwd_source *inner);
// The journal of the session that begins (*borrowed*), or NULL: it ends. No batch is held.
void rwd_journaled_source_use(rwd_source *source, rwd_journal *journal);

#endif
