// A dead letter as one line of JSON, in pieces, so that a record of any size needs little memory.
//
// Thread: pipeline.
#ifndef OPERATOR_SINK_DEAD_LETTER_TEXT_H
#define OPERATOR_SINK_DEAD_LETTER_TEXT_H

#include "operator/sink/sink.h"

#define RWD_DEAD_TEXT_MAX 4096               // bytes of a record that are shown as text, too
#define RWD_DEAD_PIECE ((size_t)96 * 1024)   // raw bytes of a record in one piece; divisible by 3, as base64 wants

// All up to the bytes of the record. Appends.
void rwd_dead_letter_head(const rwd_dead_letter *letter, rwd_buf *out);
// The raw bytes from `at` (a multiple of RWD_DEAD_PIECE) on, one piece of them. `scratch` is cleared and used. Appends.
RWD_MUST bool rwd_dead_letter_piece(const rwd_dead_letter *letter, uint64_t at, rwd_buf *scratch, rwd_buf *out, rwd_error *err);
// What closes the line. Appends.
void rwd_dead_letter_tail(const rwd_dead_letter *letter, rwd_buf *out);

#endif
