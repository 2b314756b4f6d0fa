// Reads what `export` wrote as JSON Lines: a table's rows, in order of their keys.
//
// Thread: one.
#ifndef OPERATOR_CLI_EXPORT_FILE_H
#define OPERATOR_CLI_EXPORT_FILE_H

#include "checkpoints/io/io.h"
#include "operator/base/fs.h"
#include "operator/config/job.h"

#define RWD_EXPORT_LINE_MAX (16u << 20)  // bytes of a row

typedef struct rwd_export_file {
    rwd_io *io;                       // borrowed, as the table
    const rwd_job_table *table;
    char path[RWD_PATH_MAX];
    int fd;
    uint64_t offset;                  // of the file: behind `text`
    rwd_buf text;                     // read, from `at` on not yet given
    size_t at, line;
    bool end;
    // The row in hand, *borrowed* until the next.
    uint8_t key[RWD_KEY_BYTES_MAX];
    size_t key_size;                  // 0: there is none any more
    rwd_slice tokens[RWD_COLUMNS_MAX + RWD_DERIVED_MAX];  // by rwd_job_table_column's number; data NULL: the row does not say it
    rwd_buf parts[RWD_KEY_PARTS_MAX], bytes;
} rwd_export_file;

// The file of a table. Close it, whatever open answered.
RWD_MUST bool rwd_export_file_open(rwd_io *io, const char *path, const rwd_job_table *table, rwd_export_file *out, rwd_error *err);
void rwd_export_file_close(rwd_export_file *file);
// USAGE: a line is no row of the table, or out of order; with its number.
RWD_MUST bool rwd_export_file_next(rwd_export_file *file, rwd_error *err);

#endif
