// `invariants:` of a job file.
#include <stdio.h>

#include "operator/config/job_private.h"

static bool build_invariant(rwd_job_build *b, const rwd_node *node, size_t index, rwd_job_invariant *out) {
    char name[RWD_KEY_PATH_MAX], path[RWD_KEY_PATH_MAX];
    (void)snprintf(name, sizeof name, "invariants[%zu]", index);
    (void)snprintf(path, sizeof path, "invariants[%zu].check", index);
    return rwd_build_fill(b, "invariants[]", node, name, out) && rwd_build_find_table(b, node, name, &out->table) &&
           rwd_build_row_condition(b, rwd_node_member(node, "check"), path, &b->job->tables[out->table], &out->check);
}

static void pass_over(rwd_job_build *b) {
    rwd_job_invariant *last = &b->job->invariants[--b->job->invariant_count];
    rwd_expr_free(last->check);
    *last = (rwd_job_invariant){0};
    rwd_error_clear(b->err);
}

bool rwd_build_invariants(rwd_job_build *b) {
    const rwd_node *invariants = rwd_node_find(b->root, "invariants");
    if (!invariants || invariants->count == 0) return true;
    b->job->invariants = rwd_calloc(invariants->count, sizeof *b->job->invariants);
    for (const rwd_node *node = invariants->first; node; node = node->next) {
        size_t index = b->job->invariant_count++;
        if (build_invariant(b, node, index, &b->job->invariants[index])) continue;
        if (!b->foreign_invariants) return false;
        pass_over(b);
    }
    return true;
}
