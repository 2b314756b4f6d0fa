// The file source's own struct and the functions that its files share.
//
//   file.c           life, reading, batches, following
//   file_header.c    the CSV header
//   file_sized.c     records behind their length
//   file_identity.c  what the file is, and where in it we stand
//
// Thread: pipeline.
#ifndef OPERATOR_SOURCE_FILE_PRIVATE_H
#define OPERATOR_SOURCE_FILE_PRIVATE_H

#include <sys/stat.h>

#include "operator/source/file.h"
#include "operator/source/framing.h"

#define RWD_FILE_HEAD 4096            // of a record over the size limit that is handed out; of a file that tells it apart
#define RWD_FILE_BLOCK_MIN (64u << 10)
#define RWD_FILE_BLOCK_MAX (1u << 20)
#define RWD_FILE_HEADER_MAX (256u << 10)
#define RWD_FILE_COLUMNS_MAX 4096
#define RWD_FILE_POLL_NS 100000000    // between two looks at a followed file
#define RWD_FILE_STREAM_MAX (64u << 20)  // of a record over the size limit that one call of batch passes over

// A record over the size limit, while its bytes pass by.
typedef struct rwd_file_big {
    bool active;
    uint64_t position;                // where it begins
    uint64_t size;                    // so far, without `cr`
    uint64_t left;                    // of a record behind its length: what is still to come
    bool cr;                          // a CR came last: it may belong to the line ending
    rwd_hasher *hasher;
    uint8_t head[RWD_FILE_HEAD + RWD_RECORD_PADDING];
    size_t head_size;
} rwd_file_big;

typedef struct rwd_file_source {
    rwd_source base;
    rwd_file_source_options options;  // `path` is ours
    const char *name;                 // last part of the path
    rwd_io *io;
    rwd_clock *clock;
    int fd;
    struct stat opened;               // of the descriptor, when it was opened

    // The window: bytes [position, position + end) of the file stand at buffer[0 .. end); records before `begin` were handed out; the framing has
    // seen all before `scanned`.
    uint8_t *buffer;
    size_t block, begin, scanned, end;
    uint64_t position;
    bool at_end;                      // the last read met the end of the file
    uint64_t tail_end;                // of a followed file: where the last block that was read ended; 0: nothing is known
    size_t tail_size;                 // bytes in front of it,
    rwd_hash128 tail_hash;            // and their hash
    rwd_framing framing;
    bool no_length;                   // at `begin` stands no record's length, though one should
    rwd_file_big big;
    int64_t next_offset;

    // The batch in hand.
    rwd_record *records;              // RWD_BATCH_MAX
    uint64_t *behind;                 // where the record after each one begins
    size_t record_count;
    const rwd_record *unended;        // the one that had no newline (the file ends with it), or NULL

    int64_t assigned_offset;
    uint64_t assigned_position;

    // The header, or just where the first record may begin.
    bool header_read;
    char **columns;
    size_t column_count;
    rwd_hash128 header_hash;
    uint64_t data_position;           // behind the header, else 0
} rwd_file_source;

// file.c: the next record, which ends before byte `behind`.
rwd_record *rwd_file_add_record(rwd_file_source *source, uint64_t behind);
// file_sized.c: one record from the window. False: it holds no whole one, or source->no_length.
bool rwd_file_take_sized(rwd_file_source *source);
bool rwd_file_no_length(const rwd_file_source *source, rwd_error *err);  // fails

// file_header.c. Reads the header if it is there yet: `source->header_read`. SOURCE_HEADER if it is none, or can never come.
RWD_MUST bool rwd_file_read_header(rwd_file_source *source, rwd_error *err);
void rwd_file_forget_header(rwd_file_source *source);

// file_identity.c
RWD_MUST bool rwd_file_identity(rwd_source *self, rwd_buf *out, rwd_hash128 *out_hash, rwd_error *err);
RWD_MUST bool rwd_file_check_identity(rwd_source *self, rwd_slice stored, rwd_error *err);
RWD_MUST bool rwd_file_cursor(rwd_source *self, const rwd_record *last, rwd_buf *out, rwd_error *err);
// Where a cursor stands, after the bytes before it were compared.
RWD_MUST bool rwd_file_check_cursor(rwd_file_source *source, rwd_slice cursor, int64_t offset, uint64_t *out_position, rwd_error *err);

// file.c: SOURCE_CHANGED with the place and the way out. Ends a function: returns false.
bool rwd_file_changed(rwd_file_source *source, rwd_error *err, const char *format, ...) RWD_PRINTF(3, 4);
// `size` bytes at `position`, or fewer at the end of the file.
RWD_MUST bool rwd_file_read_at(rwd_file_source *source, void *out, size_t size, uint64_t position, size_t *out_read, rwd_error *err);

#endif
