// Checkpoints and rows, for people and as JSON. All append.
//
// Thread: any.
#ifndef OPERATOR_CLI_RENDER_H
#define OPERATOR_CLI_RENDER_H

#include "checkpoints/repository.h"
#include "operator/base/json_out.h"
#include "operator/cli/grid.h"
#include "operator/config/answers.h"
#include "operator/repair/difference.h"
#include "operator/pipeline/plan.h"

// "good", "unverified", "bad", "pruned". Static.
const char *rwd_checkpoint_state_name(rwd_checkpoint_state state);

// All that the manifest says, one line each; as a JSON object.
void rwd_render_checkpoint(const rwd_checkpoint *checkpoint, bool with_files, int64_t now_us, rwd_buf *out);
void rwd_render_checkpoint_json(const rwd_checkpoint *checkpoint, bool with_files, rwd_json_out *json);
// A line each, pruned ones only if asked for; a JSON array of objects without their files.
void rwd_render_checkpoints(const rwd_checkpoint_list *list, bool with_pruned, int64_t now_us, rwd_buf *out);
void rwd_render_checkpoints_json(const rwd_checkpoint_list *list, rwd_buf *out);

// What retention would remove or has removed.
void rwd_render_prune_plan(const rwd_prune_plan *plan, bool done, bool json, rwd_buf *out);

// A plan for going back.
void rwd_render_plan(const rwd_plan *plan, const rwd_target *target, const char *job, rwd_buf *out);
void rwd_render_plan_json(const rwd_plan *plan, const rwd_target *target, rwd_buf *out);

// What a table's rows differ in, all together.
void rwd_render_table_difference(const rwd_table_difference *table, rwd_buf *out);

// One row: its fields a line each, or a JSON object {"table", "offset", "row"}. CORRUPT if key or row does not decode.
RWD_MUST bool rwd_render_row(const rwd_job_table *table, rwd_slice key, rwd_slice row, int64_t offset, bool json, rwd_buf *out, rwd_error *err);
// A row as cells of a grid, and the columns for it.
void rwd_render_row_columns(const rwd_job_table *table, rwd_grid *grid);
RWD_MUST bool rwd_render_row_cells(const rwd_job_table *table, rwd_slice key, rwd_slice row, rwd_answers *answers, rwd_grid *grid, rwd_error *err);

#endif
