// Rows as text: one JSON object or one CSV record, the same bytes for the same row every time. Used by sinks, export and state commands.
//
// Order of members: key fields, the window's end, then aggregates and derived columns as asked for, then, where given, "_offset" and "_lineage", of a correction "_repair",
// "_old" (the row that it replaces, or null) and "_reason": those in JSON only, since a CSV file has the columns that its header says. Decimals are exact number tokens, times RFC 3339
// strings, null is null (CSV: empty). A key that vanished has its key fields and "deleted": true (CSV: a last column `deleted`).
//
// Thread: pure; any.
#ifndef OPERATOR_SINK_ROW_TEXT_H
#define OPERATOR_SINK_ROW_TEXT_H

#include "operator/config/answers.h"

typedef struct rwd_row_text {
    const rwd_job_table *table;
    const uint16_t *columns;   // rwd_job_table_column's; NULL: all, in order
    size_t column_count;
    rwd_format format;         // JSON or CSV
    bool with_origin;          // _offset and _lineage
    bool with_deleted;         // outputs: yes; exports: no
    char lineage[RWD_HASH128_HEX];
    const char *repair;        // of a correction: the repair's id; NULL: it is none. Borrowed, as the next two
    rwd_slice old, reason;     // and what it replaces, in this format (data NULL: nothing), and why
} rwd_row_text;

// CSV header line with its newline; nothing for JSON. Appends.
void rwd_row_text_header(const rwd_row_text *how, rwd_buf *out);
// One row with its newline. `row` NULL: deleted. False if the key or row does not decode (CORRUPT). Appends.
RWD_MUST bool rwd_row_text_append(const rwd_row_text *how, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset, rwd_answers *answers,
                                  rwd_buf *out, rwd_error *err);
// Quotes a CSV field where it must be (RFC 4180). Appends.
void rwd_csv_quote(rwd_buf *out, rwd_slice text);

#endif
