// The step: (event, old rows) -> new rows. Pure: no clock, no randomness, no I/O, no locale.
//
// An event touches any number of rows, at most `reach`. All of its rows change, or none: the new rows are computed first, and a fault
// is reported without anything having changed.
//
//   judge    is the event acceptable at this stream time (S2)?
//   route    which keys does it touch? A table takes an event if its `where` is true
//   admits   does a touch still count at this stream time (S4)?
//   apply    what becomes of the row of one touch
//   merge    what becomes of two rows that become one
//
// A table with sessions has RWD_SESSION_TOUCHES touches for an event, in the order of rwd_session_touch. Which sessions the event joins follows from the list of open
// ones (state/sessions.h), so route makes them for a session that begins with the event, and whoever has the list turns them to the right ones
// (operator/pipeline/sessions.c).
//
// A record without a value (a tombstone) comes undecoded: its event has neither fields nor time. With tombstone: delete it touches the row whose key is the
// record's own (state/key_text.h), in each table that has no windows and whose keys have that form, and deletes it.
//
// Implementations: the job's tables (rwd_step_new) and functions given by a test.
//
// Thread: pipeline; no allocation.
#ifndef OPERATOR_LOGIC_STEP_H
#define OPERATOR_LOGIC_STEP_H

#include "operator/logic/decode.h"
#include "state/tables.h"

typedef struct rwd_step rwd_step;

typedef enum rwd_session_touch {
    RWD_SESSION_GONE,   // a session that vanishes into another; published before that
    RWD_SESSION_MADE,   // the one that the event is in
    RWD_SESSION_NEAR,   // one that it might have joined: only brought into memory
    RWD_SESSION_LIST,   // the key's open sessions
    RWD_SESSION_TOUCHES,
} rwd_session_touch;

// What an event makes of a row.
typedef enum rwd_change {
    RWD_CHANGE_NONE,    // nothing
    RWD_CHANGE_WRITE,   // the new row takes the old one's place
    RWD_CHANGE_DELETE,  // the key vanishes
    RWD_CHANGE_FAULT,   // the event is at fault
} rwd_change;

typedef struct rwd_step_ops {
    // A new group of events begins: what was computed for earlier ones ends. NULL: nothing is kept.
    void (*begin)(rwd_step *self);
    // RWD_E_NONE, or FUTURE. `stream_time` is the highest accepted event time so far (RWD_TIME_NONE: none yet).
    rwd_code (*judge)(rwd_step *self, const rwd_event *event, int64_t stream_time);
    // How many rows one event touches at most. Constant.
    size_t (*reach)(const rwd_step *self);
    // Writes the event's touches (room for `reach`), keys encoded into `keys` (room for `reach` times RWD_KEY_BYTES_MAX), `out_used` bytes of it.
    // Evaluates all expressions that the event needs, for `apply` to find. `event_index` tells the events of a group apart.
    // False: `out_fault` (TOO_LARGE; MISSING_FIELD: a table has windows, and the event has no time; of a tombstone MALFORMED; what an expression's fault is).
    bool (*route)(rwd_step *self, const rwd_event *event, uint32_t event_index, rwd_touch *touches, size_t *out_count, uint8_t *keys,
                  size_t *out_used, rwd_fault *out_fault);
    // False: the touch's window is closed. Not of a table with sessions.
    bool (*admits)(const rwd_step *self, const rwd_touch *touch, int64_t stream_time);
    // WRITE: the new row of one touch, from the old one (NULL: the key is new), is in `new_row` (room for the schema's rwd_schema_row_max), `out_size`
    // bytes of it. FAULT: `out_fault` (OVERFLOW).
    rwd_change (*apply)(rwd_step *self, const rwd_event *event, const rwd_touch *touch, const uint8_t *old_row, uint32_t old_size, uint8_t *new_row,
                  uint32_t *out_size, rwd_fault *out_fault);
    // The row of the events of both rows of one table, into `new_row` as above. WRITE, or FAULT: `out_fault`. NULL: no table has sessions.
    rwd_change (*merge)(rwd_step *self, uint16_t table, rwd_slice row, rwd_slice other, uint8_t *new_row, uint32_t *out_size, rwd_fault *out_fault);
    void (*free)(rwd_step *self);
} rwd_step_ops;

struct rwd_step {
    const rwd_step_ops *ops;
};

// The step that the job's tables define. `job` is *borrowed*. *gives*.
rwd_step *rwd_step_new(const rwd_job *job);

#endif
