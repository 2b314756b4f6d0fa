// A checkpoint's tables with other columns: rows as a later logic keeps them, made from those of an earlier one.
//
// Cells go on from those that they name, byte for byte; a column that begins here is as before any event. Keys, and with them order and buckets, stay.
//
// Thread: one; any.
#ifndef STATE_MIGRATE_H
#define STATE_MIGRATE_H

#include "state/schema.h"

typedef struct rwd_migration {
    const rwd_schema *from;            // NULL: the table begins here
    const rwd_schema *to;
    int16_t before[RWD_COLUMNS_MAX];   // by column of `to`: the column of `from` that it goes on from, of the same aggregate and type; -1: it begins here
} rwd_migration;

// One row. Replaces `out`. CORRUPT: `row` is none of `from`. TOO_LARGE: it would have more than RWD_ROW_BYTES_MAX bytes.
RWD_MUST bool rwd_row_migrate(const rwd_migration *how, rwd_slice row, rwd_buf *out, rwd_error *err);

// Reads the tables of the checkpoint in `from_dir` and makes what their participant can open in `to_dir`, an empty folder. `tables`: one for each of the later logic, those that go on first and in the
// order of the earlier one. The caller holds the checkpoint's reader lock (K6).
RWD_MUST bool rwd_state_migrate(const char *from_dir, const char *to_dir, const rwd_migration *tables, size_t count, rwd_error *err);

#endif
