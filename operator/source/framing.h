// Where a record ends: JSON Lines and RFC 4180 rows, found in bytes that come in pieces of any size.
//
// JSON Lines: a record ends at its LF. CSV: a record ends at a LF outside of quotes; a field is quoted if its first byte is a quote, "" inside it is a
// quote. A quote anywhere else changes nothing (the row is judged when it is decoded), so one stray quote in a plain field costs one row. A
// field whose opening quote is never closed takes all that follows, as RFC 4180 has it.
//
// What must stay true: the same bytes give the same records, however they are cut into pieces.
//
// Thread: values; pure functions.
#ifndef OPERATOR_SOURCE_FRAMING_H
#define OPERATOR_SOURCE_FRAMING_H

#include "operator/base/bytes.h"

typedef enum rwd_framing_state {
    RWD_FRAMING_FIELD,   // at the first byte of a field (or of the record)
    RWD_FRAMING_PLAIN,   // inside an unquoted field, or behind a closing quote
    RWD_FRAMING_QUOTED,  // inside quotes
    RWD_FRAMING_QUOTE,   // behind a quote inside quotes: the closing one, or the first of two
} rwd_framing_state;

typedef struct rwd_framing {
    bool csv;
    uint8_t delimiter;
    rwd_framing_state state;
} rwd_framing;

// At the beginning of a record. `delimiter` is of CSV: no quote, CR or LF.
static inline rwd_framing rwd_framing_of(bool csv, char delimiter) {
    return (rwd_framing){.csv = csv, .delimiter = (uint8_t)delimiter, .state = RWD_FRAMING_FIELD};
}

// Index of the LF that ends the record, or `size`: not in this piece; the next call goes on with the bytes that follow. After an
// end the framing stands at the beginning of a record.
size_t rwd_framing_find(rwd_framing *framing, const uint8_t *data, size_t size);

// At the end of the input: is a quoted field still open? Then begins anew.
static inline bool rwd_framing_end(rwd_framing *framing) {
    bool open = framing->state == RWD_FRAMING_QUOTED;
    framing->state = RWD_FRAMING_FIELD;
    return open;
}

// Size of a record without its line ending, where `size` counts the bytes before the LF or the end of the input: one CR there belongs to
// the line ending.
static inline size_t rwd_framing_trim(const uint8_t *data, size_t size) { return size > 0 && data[size - 1] == '\r' ? size - 1 : size; }

#endif
