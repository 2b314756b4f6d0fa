// Plans of repairs and their corrections, for people, as JSON and as CSV. All append.
//
// Thread: any.
#ifndef OPERATOR_CLI_RENDER_REPAIR_H
#define OPERATOR_CLI_RENDER_REPAIR_H

#include "operator/base/json_out.h"
#include "operator/cli/grid.h"
#include "operator/repair/corrections.h"
#include "operator/pipeline/repair_make.h"

// A correction in hand, as what it changes in its output.
typedef struct rwd_correction_texts {
    const rwd_job *job[2];           // by side; borrowed
    rwd_table_difference *tables;    // one for each output
    size_t sink_count;
    rwd_row_difference rows;
    rwd_buf key, scratch;            // the key as output records have it
    size_t sink;
    const char *change;              // "changed", "added", "vanished"
} rwd_correction_texts;
RWD_MUST bool rwd_correction_texts_init(rwd_correction_texts *texts, const rwd_job *old_job, const rwd_job *new_job, rwd_error *err);
void rwd_correction_texts_deinit(rwd_correction_texts *texts);
// Begins one, which is *borrowed* until the next. CORRUPT: it is none of these jobs'.
RWD_MUST bool rwd_correction_open(rwd_correction_texts *texts, const rwd_correction *correction, rwd_error *err);
// Does it change this column of the output's table, as it is published?
bool rwd_correction_shows(const rwd_correction_texts *texts, size_t column);
// The greatest change of a number in it.
double rwd_correction_size(rwd_correction_texts *texts);

void rwd_render_correction_json(rwd_correction_texts *texts, rwd_buf *out);  // a line
// A line for each column that changes: output, table, key, change, column, old, new, delta.
void rwd_render_correction_csv(rwd_correction_texts *texts, rwd_buf *out);
void rwd_render_corrections_columns(rwd_grid *grid);
void rwd_render_correction_cells(rwd_correction_texts *texts, rwd_grid *grid);

// The page of a plan, up to its corrections; and what stands behind them. `job` is what to type for it.
void rwd_render_repair(const rwd_repair_plan *plan, rwd_buf *out);
void rwd_render_repair_end(const rwd_repair_plan *plan, const char *job, bool applied, rwd_buf *out);
// `state`: "planned", "applied".
void rwd_render_repair_json(const rwd_repair_plan *plan, const char *state, rwd_json_out *json);

#endif
