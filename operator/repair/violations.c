// What keys begin to violate (violations.h).
#include "operator/repair/violations.h"

#include <stdlib.h>

#include "operator/config/logic_compare.h"

static bool same_invariant(const rwd_job *a, size_t x, const rwd_job *b, size_t y) {
    rwd_buf left = {0}, right = {0};
    rwd_invariant_text(a, x, &left);
    rwd_invariant_text(b, y, &right);
    bool same = strcmp(rwd_buf_cstr(&left), rwd_buf_cstr(&right)) == 0;
    rwd_buf_deinit(&left);
    rwd_buf_deinit(&right);
    return same;
}

void rwd_violations_init(rwd_violations *v, const rwd_job *old_job, const rwd_job *new_job) {
    rwd_logic_comparison logics;
    rwd_logic_compare(old_job, new_job, &logics);
    *v = (rwd_violations){.old_job = old_job, .new_job = new_job, .tallies = rwd_calloc(new_job->invariant_count + 1, sizeof(*v->tallies))};
    v->same_rows = logics.relation == RWD_LOGIC_SAME || (logics.relation == RWD_LOGIC_COMPATIBLE && logics.new_columns == 0);
    for (size_t i = 0; i < new_job->invariant_count; i++)
        for (size_t k = 0; k < old_job->invariant_count; k++)
            if (same_invariant(new_job, i, old_job, k)) v->old_of[i] = (uint32_t)1 << k;
}

void rwd_violations_deinit(rwd_violations *v) {
    rwd_answers_deinit(&v->old_answers);
    rwd_answers_deinit(&v->answers);
    free(v->tallies);
    *v = (rwd_violations){0};
}

// As a set of the new job's.
static bool judge_old(rwd_violations *v, uint16_t table, rwd_slice key, rwd_slice row, uint32_t *out, rwd_error *err) {
    const char *name = v->new_job->tables[table].schema.name;
    uint32_t violated;
    *out = 0;
    for (size_t t = 0; t < v->old_job->table_count; t++) {
        const rwd_job_table *old = &v->old_job->tables[t];
        if (strcmp(old->schema.name, name) != 0) continue;
        if (!rwd_answers_open(&v->old_answers, old, key, row.data, (uint32_t)row.size, err)) return false;
        violated = rwd_invariants_violated(&v->old_answers, v->old_job, (uint16_t)t, key, row.data, true);
        for (size_t i = 0; i < v->new_job->invariant_count; i++)
            if (violated & v->old_of[i]) *out |= (uint32_t)1 << i;
    }
    return true;
}

bool rwd_violations_see(void *context, uint16_t table, rwd_slice key, rwd_slice old_row, rwd_slice new_row, rwd_error *err) {
    rwd_violations *v = context;
    uint32_t before = 0;
    if (!rwd_invariants_has(v->new_job, table)) return true;
    if (v->same_rows)
        return rwd_invariants_tally(v->tallies, &v->answers, v->new_job, table, key, old_row.data, (uint32_t)old_row.size, new_row.data, (uint32_t)new_row.size, err);
    if (old_row.data && !judge_old(v, table, key, old_row, &before, err)) return false;
    return rwd_invariants_tally_from(v->tallies, &v->answers, v->new_job, table, key, before, new_row.data, (uint32_t)new_row.size, err);
}

void rwd_violations_note(const rwd_violations *v, rwd_repair_plan *plan) {
    const rwd_job *job = v->new_job;
    rwd_buf text = {0};
    rwd_repair_plan_clear_violations(plan);
    plan->violations = rwd_calloc(job->invariant_count + 1, sizeof(*plan->violations));
    for (size_t i = 0; i < job->invariant_count; i++) {
        const rwd_invariant_tally *tally = &v->tallies[i];
        if (tally->begun == 0) continue;
        rwd_buf_clear(&text);
        rwd_invariant_text(job, i, &text);
        plan->violations[plan->violation_count++] = (rwd_repair_violation){
            .table = rwd_strdup(job->tables[job->invariants[i].table].schema.name), .check = rwd_strdup(rwd_buf_cstr(&text)), .key = rwd_strdup(tally->key), .keys = tally->begun,
            .parks = job->invariants[i].on_violation == RWD_ON_VIOLATION_PARK};
    }
    rwd_buf_deinit(&text);
}
