// Takes JSON apart, piece by piece, as the reader asks for it (RFC 8259): for files of JSON Lines in formats of our own, which know what comes next, and for finding places in a text.
//
// Each take_* begins at the next token and goes behind it. A false return has failed with USAGE, the byte, and the line as the place; errors are said once.
//
// Thread: one at a time.
#ifndef OPERATOR_BASE_JSON_IN_H
#define OPERATOR_BASE_JSON_IN_H

#include "operator/base/bytes.h"
#include "operator/base/error.h"

typedef struct rwd_json_in {
    const char *name;            // of the file, for errors; borrowed
    size_t line;
    const uint8_t *at, *end;     // of the line, which is UTF-8
    const uint8_t *begin;
    rwd_error *err;
} rwd_json_in;

// Sets the error's place to the line. False.
bool rwd_json_at_line(const rwd_json_in *in);
// Fails at this byte. False.
bool rwd_json_fails(const rwd_json_in *in, const char *cause);

void rwd_json_pass_space(rwd_json_in *in);
// Behind white space: is this the next character, or are these the next ones (no white space before)? If so, they are passed; no error otherwise.
bool rwd_json_next_is(rwd_json_in *in, char c);
bool rwd_json_word_is(rwd_json_in *in, const char *word);
// One value of any kind.
RWD_MUST bool rwd_json_pass_value(rwd_json_in *in);
// A text without its escapes, appended; take_text from behind its opening quote. `wanted` is the error where there is no text.
RWD_MUST bool rwd_json_take_text(rwd_json_in *in, rwd_buf *out);
RWD_MUST bool rwd_json_take_quoted(rwd_json_in *in, rwd_buf *out, const char *wanted);
// A whole number from 0; bytes as base64 (RFC 4648, padded), appended; a time as RFC 3339, microseconds since 1970.
RWD_MUST bool rwd_json_take_offset(rwd_json_in *in, int64_t *out);
RWD_MUST bool rwd_json_take_base64(rwd_json_in *in, rwd_buf *out);
RWD_MUST bool rwd_json_take_time(rwd_json_in *in, int64_t *out);

#endif
