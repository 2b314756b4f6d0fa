// Rows: what a table keeps for a key.
//
//   fixed part    schema->row_size bytes: of a session its end, 8 bytes little-endian; then the columns in order; of a fixed cell its bytes, of a variable one
//                 the size of its tail, 4 bytes little-endian
//   tails         of the variable cells, in column order, one behind the other
//
// These bytes are the same in memory, in the store and under the digest, and they are canonical: equal histories give equal bytes. A row has at most
// RWD_ROW_BYTES_MAX bytes; an event that would make one longer is at fault (TOO_LARGE). Before any event the fixed part is all zero and there are no tails.
// Applying and merging leave the end of a session as it is in the (first) old row.
//
// Thread: pure functions over the caller's bytes; any.
#ifndef STATE_ROW_H
#define STATE_ROW_H

#include "state/schema.h"

// A row of zero events, schema->row_size bytes.
void rwd_row_init(const rwd_schema *schema, uint8_t *row);

// The row that an event makes of `old_row` (NULL: the key is new), written to `new_row`, which has `room` bytes (rwd_schema_row_max is enough for every row)
// and does not overlap.
//   args     one per column; not looked at where the aggregate takes no field. Texts are *borrowed* for the call.
//   wanted   one per column: false leaves its cell as it is. NULL: all are wanted.
//   when     the event's moment: for first and last
// RWD_E_NONE, or OVERFLOW or TOO_LARGE with the column in `out_column`; then `new_row` is void. CORRUPT: the old row is none of this schema.
rwd_code rwd_row_apply(const rwd_schema *schema, const uint8_t *old_row, uint32_t old_size, const rwd_value *args, const bool *wanted,
                       const rwd_moment *when, uint8_t *new_row, uint32_t room, uint32_t *out_size, size_t *out_column);
// The same with the arguments where they stand: a pointer for each column, not followed where the aggregate takes no field or the column is not wanted.
rwd_code rwd_row_apply_from(const rwd_schema *schema, const uint8_t *old_row, uint32_t old_size, const rwd_value *const *args, const bool *wanted,
                            const rwd_moment *when, uint8_t *new_row, uint32_t room, uint32_t *out_size, size_t *out_column);
// The row of the events of both. The same errors.
rwd_code rwd_row_merge(const rwd_schema *schema, const uint8_t *row, uint32_t size, const uint8_t *other, uint32_t other_size, uint8_t *new_row,
                       uint32_t room, uint32_t *out_size, size_t *out_column);

// The end of the window whose row this is.
static inline int64_t rwd_row_window_end(const rwd_schema *schema, int64_t start, const uint8_t *row) {
    return schema->window.kind == RWD_WINDOW_SESSION ? (int64_t)rwd_get_le64(row) : rwd_window_end(&schema->window, start);
}
// Of a session's row.
static inline void rwd_row_set_window_end(uint8_t *row, int64_t end) { rwd_put_le64(row, (uint64_t)end); }

// The row whose answers these are, one per column: only where all columns' aggregates are complete. Of dated ones the moment is before all others: the next event takes the place of a `last`,
// and none that of a `first`. The errors of apply.
rwd_code rwd_row_of_answers(const rwd_schema *schema, const rwd_value *answers, uint8_t *row, uint32_t room, uint32_t *out_size, size_t *out_column);

// True if the bytes are a row of the schema: sizes, and tails that are well formed. What is read below has passed this, or came from rwd_row_apply.
bool rwd_row_check(const rwd_schema *schema, rwd_slice row);

// The bytes of a column's cell, of a variable one its tail. *Borrows* from the row.
rwd_slice rwd_row_cell(const rwd_schema *schema, size_t column, const uint8_t *row);
// The answer of column `column`; texts *borrow* from the row. Type and scale of the answer: rwd_column_type, rwd_column_scale. Not of a list.
void rwd_row_read(const rwd_schema *schema, size_t column, const uint8_t *row, rwd_value *out);
// The answer as a JSON token, of any column. Appends.
void rwd_row_append_json(const rwd_schema *schema, size_t column, const uint8_t *row, rwd_buf *out);
// The answer as text, of any column: null is empty, a list is its JSON. Appends. False: null.
bool rwd_row_append_text(const rwd_schema *schema, size_t column, const uint8_t *row, rwd_buf *out);

#endif
