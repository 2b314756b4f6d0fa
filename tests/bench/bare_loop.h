// The loop beside which the program is measured: decode, route, resolve, apply, with the job's own decoder, step and tables, and nothing else: no commit, no checkpoint, no digest, no output.
//
// Thread: one.
#ifndef TESTS_BENCH_BARE_LOOP_H
#define TESTS_BENCH_BARE_LOOP_H

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "operator/logic/step.h"

#define GROUP 256

static inline double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

typedef struct loop {
    rwd_decoder *decoder;
    rwd_step *step;
    rwd_schema *schemas;
    rwd_budget budget;
    rwd_tables *tables;
    rwd_record records[GROUP];
    rwd_event events[GROUP];
    rwd_touch *touches;
    uint8_t *keys, *row;
    uint64_t done;
} loop;

// Takes l->records [0, count).
static inline bool apply(loop *l, size_t count, rwd_error *err) {
    size_t touch_count = 0, keys_used = 0;
    rwd_fault fault;
    rwd_decoder_begin(l->decoder, GROUP);
    for (size_t i = 0; i < count; i++) {
        size_t touches, used;
        if (!rwd_decode(l->decoder, &l->records[i], &l->events[i], &fault) ||
            !l->step->ops->route(l->step, &l->events[i], (uint32_t)i, l->touches + touch_count, &touches, l->keys + keys_used, &used, &fault))
            return rwd_fail(err, fault.code, "record %" PRIu64 " is bad; this loop takes good ones only", l->done + i);
        touch_count += touches;
        keys_used += used;
    }
    rwd_resolve resolved = rwd_tables_resolve(l->tables, l->touches, touch_count, err);
    if (resolved == RWD_RESOLVE_FULL) return rwd_fail(err, RWD_E_RESOURCE, "state.memory is too small for this loop");
    if (resolved == RWD_RESOLVE_FAILED) return false;
    for (size_t i = 0; i < touch_count; i++) {
        uint32_t old_size = 0, new_size = 0;
        const uint8_t *old = rwd_tables_row(l->tables, &l->touches[i], &old_size);
        if (l->step->ops->apply(l->step, &l->events[l->touches[i].event], &l->touches[i], old, old_size, l->row, &new_size, &fault) != RWD_CHANGE_WRITE)
            return rwd_fail(err, fault.code, "record %" PRIu64 " overflows", l->done + l->touches[i].event);
        rwd_tables_write(l->tables, &l->touches[i], l->row, new_size);
    }
    l->done += count;
    return true;
}

// An empty state in `live`, an empty folder.
static inline bool loop_open(const rwd_job *job, const char *live, loop *l, rwd_error *err) {
    l->schemas = rwd_calloc(job->table_count, sizeof *l->schemas);
    for (size_t i = 0; i < job->table_count; i++) l->schemas[i] = job->tables[i].schema;
    if (!rwd_budget_init(&l->budget, job->state.memory, err) || !rwd_decoder_new(job, NULL, 0, &l->decoder, err) ||
        !rwd_tables_new(l->schemas, job->table_count, &l->budget, &l->tables, err))
        return false;
    rwd_participant *participant = rwd_tables_participant(l->tables);
    if (!participant->ops->open(participant, NULL, live, err)) return false;
    l->step = rwd_step_new(job);
    size_t reach = l->step->ops->reach(l->step);
    l->touches = rwd_calloc(GROUP * reach, sizeof *l->touches);
    l->keys = rwd_malloc(GROUP * reach * RWD_KEY_BYTES_MAX);
    l->row = rwd_malloc(RWD_ROW_BYTES_MAX);
    return true;
}

static inline void loop_close(loop *l) {
    l->step->ops->free(l->step);
    rwd_decoder_free(l->decoder);
    rwd_tables_free(l->tables);
    free(l->touches);
    free(l->keys);
    free(l->row);
    free(l->schemas);
}

#endif
