// The state at C from the job's own outputs: where checkpoints and journal are gone, and the input does not go back far enough to begin again.
//
// An output holds the newest row of every key, if it publishes all rows of its table (emit: commit or update, no `where`) and all of its aggregates. Of these count, sum, min and max are their own
// state. first and last are, too, but for the moment of the value: where events have a time (event.time), a later event of an earlier time is judged wrongly, so their rows are *estimated*.
// Everything else (mean, variance, distinct, ...) knows more than it publishes, and is refused; so are tables with windows, whose closing depends on a stream time that no output has.
//
// What comes of it is a new repository, whose genesis is C with this state: nothing before it can be gone back to. It is marked as rebuilt, and so is every checkpoint after it. Ids for dedup
// and open dead letters are not in outputs; they begin anew.
//
// Thread: one.
#ifndef OPERATOR_PIPELINE_FROM_OUTPUT_H
#define OPERATOR_PIPELINE_FROM_OUTPUT_H

#include "operator/config/job.h"

// From which sink each table is rebuilt.
typedef struct rwd_from_output {
    size_t sinks[RWD_TABLES_MAX];   // by table: an index into the job's sinks
} rwd_from_output;

// `names`: topics or files as in the job file, with commas between them. Errors: NOT_FOUND (no such output), USAGE (a table is in none of them; a row or an aggregate is not whole
// there: all that is in the way is named), CONFIG (at-least-once: the outputs may be ahead of C).
RWD_MUST bool rwd_from_output_choose(const rwd_job *job, const char *names, rwd_from_output *out, rwd_error *err);
// Is the table's column no more than an estimate, where its row has a value?
bool rwd_from_output_estimated(const rwd_job *job, const rwd_job_table *table, size_t column);
// Topic or file.
const char *rwd_from_output_name(const rwd_job_sink *sink);

#endif
