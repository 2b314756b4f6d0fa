// The invariants of a running job (S5): how many keys violate each, and what follows from that.
//
// Counts are exact, and cost a look at each changed key when it first changes since the last commit, and another at the commit: what it was and what it is. Nothing is scanned, but where a
// checkpoint does not have the counts of just these invariants: one that was made before the job file had them.
//
// A violated one marks every checkpoint until no key violates it any more. One that parks ends the open transaction before any of it is sent: C stands where it was. The offset up to which
// was looked is remembered in the data directory, and the next start reads up to it before it commits anything: so it comes to the same finding, and parks again, unless the job file
// says otherwise by then. Nothing that follows is published by a restart alone.
//
// A participant: the counts, and examples, are one small file of each checkpoint. They are in no digest.
//
// Thread: pipeline, but for the participant's write.
#ifndef OPERATOR_PIPELINE_INVARIANTS_H
#define OPERATOR_PIPELINE_INVARIANTS_H

#include "operator/base/clock.h"
#include "operator/base/participant.h"
#include "operator/config/invariants.h"
#include "operator/pipeline/status.h"
#include "state/tables.h"

typedef struct rwd_watch rwd_watch;

// `job`, `clock` and `tables` are *borrowed*. NULL: the job has no invariants; so is then every `watch` below, of which only rwd_watch_free takes it.
rwd_watch *rwd_watch_new(const rwd_job *job, rwd_clock *clock, rwd_tables *tables);
void rwd_watch_free(rwd_watch *watch);
rwd_participant *rwd_watch_participant(rwd_watch *watch);

// ---- what changes. During silent replay the watch takes the tables' changes itself; live, those who publish them tell it.

// From here on, behind the opening of tables and watch: silent replay. Then `look` at the end of each batch, and before a freeze.
void rwd_watch_silently(rwd_watch *watch);
void rwd_watch_look(rwd_watch *watch);
// The records that follow are another job's, whose invariants are the same. Silent; no checkpoint is being written. *Borrows* `job`.
void rwd_watch_take_job(rwd_watch *watch, const rwd_job *job);
// Live from position `from` on. The tables' changes were looked at before.
void rwd_watch_live(rwd_watch *watch, int64_t from);
// Is the table tracked for it? The upper half of a change's mark says what the row violated.
bool rwd_watch_wants(const rwd_watch *watch, uint16_t table);
uint64_t rwd_watch_mark(rwd_watch *watch, uint16_t table, rwd_slice key, const uint8_t *row);
// A taken change. `row` NULL: the key vanished.
void rwd_watch_change(rwd_watch *watch, uint16_t table, rwd_slice key, const uint8_t *row, uint64_t mark);
// A window's row that is about to leave, live or not; before it is retired.
void rwd_watch_leave(rwd_watch *watch, const rwd_touch *touch, const uint8_t *row);

// ---- what follows

// Live, with the changes of the open transaction taken, before it is sent: it ends at `next_offset`. INVARIANT: one that parks is violated by what it holds. Says what began and what ended.
RWD_MUST bool rwd_watch_judge(rwd_watch *watch, const char *source, int64_t next_offset, rwd_error *err);
// What a manifest says of it: NULL where nothing is violated. *gives*.
char *rwd_watch_violated(const rwd_watch *watch);
void rwd_watch_status(const rwd_watch *watch, rwd_status *out);

#endif
