// Aligned columns for people. Rows are kept until flushed; widths only grow, so a long listing can be flushed in pieces.
//
// Thread: one.
#ifndef OPERATOR_CLI_GRID_H
#define OPERATOR_CLI_GRID_H

#include "operator/base/bytes.h"

#define RWD_GRID_COLUMNS_MAX 80
#define RWD_GRID_CELL_MAX 60   // shown characters of a cell but the last of a row; a longer one ends in "..."

typedef struct rwd_grid {
    size_t columns;
    bool right[RWD_GRID_COLUMNS_MAX];
    size_t width[RWD_GRID_COLUMNS_MAX];
    rwd_buf cells;      // each ended by NUL
    size_t cell_count;
} rwd_grid;

void rwd_grid_init(rwd_grid *grid);
void rwd_grid_deinit(rwd_grid *grid);
void rwd_grid_column(rwd_grid *grid, const char *title, bool right);  // before the first cell
// The next cell, row by row. What is no printable text is shown as '?'.
void rwd_grid_cell(rwd_grid *grid, rwd_slice text);
void rwd_grid_text(rwd_grid *grid, const char *text);
void rwd_grid_int(rwd_grid *grid, int64_t value);
size_t rwd_grid_rows(const rwd_grid *grid);  // not flushed yet, the titles included
// Appends the rows as text and forgets them.
void rwd_grid_flush(rwd_grid *grid, rwd_buf *out);

// "3 s", "12 min", "5 h", "8 d": how long ago; "in the future" for a clock that was turned back.
void rwd_age_text(int64_t then_us, int64_t now_us, rwd_buf *out);

#endif
