// The files that --amend takes: amendments of the input (L6), one JSON object a line (JSON Lines; RFC 8259).
//
//   {"skip": N}                               the record at offset N makes no event
//   {"replace": N, ...}                       it has another value, key or time; what is not given stays as it is
//   {"insert": N, ...}                        a record more, immediately before the first one at offset N or above; several at one N in the order of the file
//
//   "value"          a text: its bytes. An object or an array: its JSON text as it stands here. null (only of an insert): no value, a tombstone
//   "value_base64"   the same for any bytes (RFC 4648, padded)
//   "key"            a text; of an insert null is as good as nothing
//   "key_base64"
//   "time"           the record's time, RFC 3339; an insert has that of the record it stands before unless this says another
//   "reason"         for people
//
// An insert has a value; a replace has a value, a key or a time. Empty lines are passed over. An offset is skipped or replaced once. The same members are written by rwd_amendment_write.
//
// Thread: any.
#ifndef OPERATOR_CONFIG_AMEND_FILE_H
#define OPERATOR_CONFIG_AMEND_FILE_H

#include "checkpoints/lineage.h"

// As large as amendments of RWD_AMENDMENT_BYTES_MAX are in base64 or with many escapes, and their members' names.
#define RWD_AMEND_FILE_MAX (128u << 20)

typedef struct rwd_amendments {
    rwd_amendment *items;    // in the order of the file
    size_t count;
} rwd_amendments;
void rwd_amendments_deinit(rwd_amendments *list);

// Reads a file. USAGE: a mistake, with file and line; or it has none, too many (RWD_AMENDMENTS_MAX) or too large ones (RWD_AMENDMENT_BYTES_MAX); or cannot be read. *gives* `out`.
RWD_MUST bool rwd_amend_file_load(const char *path, rwd_amendments *out, rwd_error *err);
// The same of a text; `name` stands for the file in messages.
RWD_MUST bool rwd_amend_text_parse(const char *name, rwd_slice text, rwd_amendments *out, rwd_error *err);
// Adds copies to a lineage (checkpoints/lineage.h has the rules). USAGE: not of this lineage.
RWD_MUST bool rwd_amendments_add_to(const rwd_amendments *list, rwd_lineage *lineage, rwd_error *err);
// One line, its end included, that reads back as the same amendment. Appends.
void rwd_amendment_write(const rwd_amendment *amendment, rwd_buf *out);

#endif
