// What two rows of a key differ in, column by column, and the sums of that over a table.
//
// The two sides may be of two jobs: columns are matched by their names, aggregates and derived ones alike; a column that one side lacks is null there.
//
// Thread: one at a time.
#ifndef OPERATOR_REPAIR_DIFFERENCE_H
#define OPERATOR_REPAIR_DIFFERENCE_H

#include "operator/config/answers.h"

typedef enum rwd_side { RWD_OLD, RWD_NEW } rwd_side;

// A sum, or a delta. Exact, but for floats; what does not fit is not known.
typedef struct rwd_amount {
    bool known;
    rwd_i128 units;  // of the column's scale
    double real;     // of a float
} rwd_amount;

typedef struct rwd_column_difference {
    const char *name;
    int16_t column[2];       // as rwd_job_table_column numbers them, by side; -1: that side has none
    bool same_type;          // of its answer, on both sides
    bool number, real;       // its answers are numbers: deltas and sums are made; floats
    uint8_t scale;           // of those
    uint64_t changed;        // rows
    rwd_amount sum[2];       // over the rows that were counted, by side
} rwd_column_difference;

typedef struct rwd_table_difference {
    const rwd_job_table *table[2];   // *borrowed*; NULL: that side has none
    const char *name;
    rwd_column_difference *columns;  // the new side's in their order, then those that only the old one has
    size_t column_count;
    uint64_t changed, added, vanished;  // keys
} rwd_table_difference;

// Either table may be NULL, not both.
void rwd_table_difference_init(rwd_table_difference *table, const rwd_job_table *old_table, const rwd_job_table *new_table);
void rwd_table_difference_deinit(rwd_table_difference *table);

// Two rows in hand. Zero-initialised is ready.
typedef struct rwd_row_difference {
    const rwd_table_difference *table;
    rwd_answers answers[2];
    bool present[2];
    const rwd_slice *tokens[2];  // of a side that is given as text: JSON, by column as rwd_job_table_column numbers them; data NULL: null. Else NULL
    bool changed[2 * (RWD_COLUMNS_MAX + RWD_DERIVED_MAX)];  // by column
    bool any;                // one of them
    rwd_buf text[2];
} rwd_row_difference;
void rwd_row_difference_deinit(rwd_row_difference *rows);

// Begins a key; its rows are *borrowed* until the next. A row's data NULL: that side has none (one of them has). `key` is one of the side that has a row. CORRUPT: key or row is none of the table's.
RWD_MUST bool rwd_row_difference_open(rwd_row_difference *rows, const rwd_table_difference *table, rwd_slice key, rwd_slice old_row, rwd_slice new_row, rwd_error *err);
// The same where `side` is known as text only: its row is `tokens`, *borrowed* until the next key; NULL: it has none. `row` is the other side's.
RWD_MUST bool rwd_row_difference_open_text(rwd_row_difference *rows, const rwd_table_difference *table, rwd_slice key, rwd_slice row, rwd_side side, const rwd_slice *tokens, rwd_error *err);
// Counts the rows in hand into the table's sums (`table` is the one that they were opened with).
void rwd_row_difference_count(rwd_row_difference *rows, rwd_table_difference *table);
// The answer of a column as a JSON token; "null" where there is none. Appends.
void rwd_row_difference_json(rwd_row_difference *rows, size_t column, rwd_side side, rwd_buf *out);
// The same as text (state/row.h). False: null, and nothing is appended.
bool rwd_row_difference_text(rwd_row_difference *rows, size_t column, rwd_side side, rwd_buf *out);
// New minus old; no row and null count as 0. False: the column has no numbers, or the difference does not fit. Appends.
bool rwd_row_difference_delta(rwd_row_difference *rows, size_t column, rwd_buf *out);
// The same, for sorting by size.
double rwd_row_difference_size(rwd_row_difference *rows, size_t column);

// A sum of a column, and the difference of both. False: there is none. Append.
bool rwd_column_difference_sum(const rwd_column_difference *column, rwd_side side, rwd_buf *out);
bool rwd_column_difference_delta(const rwd_column_difference *column, rwd_buf *out);

#endif
