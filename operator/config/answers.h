// What a row answers: the parts of its key, the bounds of its window, its aggregates, and what is derived from them. The one place for all who show, write or
// test rows.
//
// An answer is made when it is asked for, and once per row. A derived column whose expression is at fault for this row (a division by zero, a number that does
// not fit) is null, and a condition that is, false: an answer cannot stop what made it.
//
// Columns are numbered as sinks list them: the table's aggregates, then its derived columns.
//
// Thread: one at a time. Nothing is allocated once buffers have grown to the largest row.
#ifndef OPERATOR_CONFIG_ANSWERS_H
#define OPERATOR_CONFIG_ANSWERS_H

#include "operator/config/job.h"

// Zero-initialised is ready, for rows of any table.
typedef struct rwd_answers {
    const rwd_job_table *table;
    rwd_slice key;
    const uint8_t *row;
    bool known[RWD_ROW_SLOTS];
    rwd_value values[RWD_ROW_SLOTS];
    rwd_buf texts;             // of the key's parts
    rwd_expr_scratch scratch;
} rwd_answers;

void rwd_answers_deinit(rwd_answers *answers);

// Begins a row, which is *borrowed* until the next one. `row` NULL: the key vanished, and only the key is there. CORRUPT: key or row is none of the table's.
RWD_MUST bool rwd_answers_open(rwd_answers *answers, const rwd_job_table *table, rwd_slice key, const uint8_t *row, uint32_t row_size, rwd_error *err);
// The same for what the table itself holds: nothing is checked.
void rwd_answers_begin(rwd_answers *answers, const rwd_job_table *table, rwd_slice key, const uint8_t *row);

// Strings are *borrowed* until the next row.
const rwd_value *rwd_answers_part(rwd_answers *answers, size_t part);
const rwd_value *rwd_answers_window_end(rwd_answers *answers);             // precondition: the table has windows; null: a session that vanished
const rwd_value *rwd_answers_column(rwd_answers *answers, size_t column);  // precondition: it is no list
// As JSON, and as text (false: null); also of a list. Append.
void rwd_answers_append_json(rwd_answers *answers, size_t column, rwd_buf *out);
bool rwd_answers_append_text(rwd_answers *answers, size_t column, rwd_buf *out);
// A condition over the row; NULL: true. Null and a fault are false.
bool rwd_answers_pass(rwd_answers *answers, const rwd_expr *condition);
// Is the condition known to be false? Null and a fault are not.
bool rwd_answers_deny(rwd_answers *answers, const rwd_expr *condition);
// A condition over rows of the table, given on a command line. *gives*. USAGE with `what` and the column of the mistake.
RWD_MUST bool rwd_answers_compile(const rwd_job_table *table, const char *what, const char *text, rwd_expr **out, rwd_error *err);

#endif
