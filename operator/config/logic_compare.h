// Two logics side by side: may the second one follow the first at an offset, or only begin at genesis (PROTOCOL.md, L3)?
//
// State that the earlier logic made is read by the later one. So what that state is shaped by must be the same: tables in their order, keys, windows, what is remembered of ids, and each aggregate's
// type. New aggregates, and new tables behind the others, begin where the later logic does ("since N"). All else (formats, fields, conditions, arguments of the same type) decides events to come, and
// may change.
//
// Thread: pure; any.
#ifndef OPERATOR_CONFIG_LOGIC_COMPARE_H
#define OPERATOR_CONFIG_LOGIC_COMPARE_H

#include "operator/config/job.h"

typedef enum rwd_logic_relation {
    RWD_LOGIC_SAME,
    RWD_LOGIC_COMPATIBLE,  // may begin at any offset
    RWD_LOGIC_GENESIS,     // may begin at genesis only
} rwd_logic_relation;

#define RWD_LOGIC_WHAT_MAX 400
typedef struct rwd_logic_comparison {
    rwd_logic_relation relation;
    char what[RWD_LOGIC_WHAT_MAX];  // of GENESIS the first thing that forbids it, as a sentence; of COMPATIBLE what differs
    size_t new_columns;             // of COMPATIBLE: aggregates that begin with it, those of new tables included
} rwd_logic_comparison;

void rwd_logic_compare(const rwd_job *old, const rwd_job *new, rwd_logic_comparison *out);

// What makes `have` another job than `want`, for people: the first lines of logic, or else of sinks, that differ, as `have` should say them.
void rwd_job_difference(const rwd_job *have, const rwd_job *want, char out[RWD_LOGIC_WHAT_MAX]);

// Do both read the same records: cut out of the input alike, with the same limit, and from a topic that may change alike?
bool rwd_logic_same_input(const rwd_job *old, const rwd_job *new);
// Does a row of the one mean the same to the other: the same tables with the same columns, in the same order? Precondition: the two are not GENESIS.
bool rwd_logic_same_rows(const rwd_job *old, const rwd_job *new);

// The column of `old` that column `column` of table `table` of `new` goes on from, or -1: it begins with `new`. Precondition: the two are not GENESIS.
int rwd_logic_column_before(const rwd_job *old, const rwd_job *new, size_t table, size_t column);

#endif
