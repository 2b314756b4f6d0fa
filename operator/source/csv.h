// The fields of one CSV row (RFC 4180), strictly: what is not CSV is said to be so, with its place.
//
// A field is quoted if its first byte is a quote; inside, "" is a quote, and any byte may stand. Behind the closing quote comes the delimiter or the
// end of the row. In an unquoted field a quote, CR or LF is a mistake. Spaces belong to their field.
//
// Thread: values; pure functions.
#ifndef OPERATOR_SOURCE_CSV_H
#define OPERATOR_SOURCE_CSV_H

#include "operator/base/bytes.h"

typedef struct rwd_csv_row {
    const uint8_t *begin, *at, *end;
    uint8_t delimiter;
    bool done;           // the last field was taken
} rwd_csv_row;

typedef struct rwd_csv_field {
    rwd_slice text;      // borrowed from the row, without the quotes
    bool quoted;         // a quoted empty field is an empty text; an unquoted one is no value
    bool escaped;        // `text` holds "" for quotes
} rwd_csv_field;

// `row` is one record without its line ending. At least RWD_CSV_PADDING bytes behind it must be readable.
#define RWD_CSV_PADDING 16
static inline rwd_csv_row rwd_csv_row_of(rwd_slice row, char delimiter) {
    return (rwd_csv_row){row.data, row.data, row.data + row.size, (uint8_t)delimiter, false};
}

// The next field. False: there is none left (`*out_mistake` NULL), or what stands at `row->at` is not CSV (static words).
bool rwd_csv_next(rwd_csv_row *row, rwd_csv_field *out, const char **out_mistake);

// The text of an escaped field: `out` has room for text.size bytes; returns the size.
size_t rwd_csv_unescape(rwd_slice text, uint8_t *out);

#endif
