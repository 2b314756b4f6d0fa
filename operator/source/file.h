// A file as a partition: its records have the offsets 0, 1, 2 ...
//
// JSON Lines: a record is a line. CSV: a record is a row of RFC 4180, so quoted newlines belong to it; the header is no record. Of both: an empty line is
// no record; a UTF-8 byte order mark at the start is passed over; lines end in LF or CRLF. Without `follow` the last record needs no newline; with it a record exists once
// its newline does. Messages of Protocol Buffers: a record stands behind its length (file_sized.c). A file that shrinks below what was read, or that is replaced while
// followed (another inode under its name), stops the job (SOURCE_CHANGED).
//
// Thread: pipeline.
#ifndef OPERATOR_SOURCE_FILE_H
#define OPERATOR_SOURCE_FILE_H

#include "checkpoints/io/io.h"
#include "operator/base/clock.h"
#include "operator/source/source.h"

typedef struct rwd_file_source_options {
    const char *path;
    bool csv;               // else JSON Lines,
    bool sized;             // or messages, each behind its length
    bool csv_header;
    char csv_delimiter;
    bool follow;
    uint64_t max_size;      // of a record; above: fault TOO_LARGE, never held whole
    uint64_t memory;        // bytes of read buffers it may hold
} rwd_file_source_options;

// Opens the file; reads and checks the header. `io` and `clock` are *borrowed*; the path is copied. *gives*: close through ops.
RWD_MUST bool rwd_file_source_open(const rwd_file_source_options *options, rwd_io *io, rwd_clock *clock, rwd_source **out, rwd_error *err);

#endif
