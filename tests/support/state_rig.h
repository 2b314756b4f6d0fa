// Tables in a folder of their own, with one table of string keys and count, sum rows: set up, touched, checkpointed in a few words.
//
// Thread: one; write runs on a thread of the rig's between rig_freeze and rig_join.
#ifndef TESTS_SUPPORT_STATE_RIG_H
#define TESTS_SUPPORT_STATE_RIG_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "state/row.h"
#include "state/tables_private.h"
#include "tests/unit/test.h"

typedef struct rig {
    char root[32];
    rwd_schema schema;
    rwd_budget budget;
    rwd_tables *tables;
    rwd_participant *participant;
    unsigned live, checkpoints;
    char checkpoint[64];  // the newest begun
    pthread_t thread;
    bool written;
    rwd_error error;
} rig;

static inline void rig_must(bool worked, const rwd_error *err) {
    if (worked) return;
    char text[2048];
    rwd_error_format(err, text, sizeof text);
    fail_msg("%s", text);
}

static inline void rig_open(rig *r, const char *from) {
    char dir[64];
    snprintf(dir, sizeof dir, "%s/live-%u", r->root, r->live++);
    rig_must(rwd_mkdirs(dir, &r->error), &r->error);
    rig_must(r->participant->ops->open(r->participant, from, dir, &r->error), &r->error);
}

// `hot` and `frozen` 0: what the least budget gives, with full-size segments; else those limits, with small segments.
static inline void rig_init(rig *r, uint64_t hot, uint64_t frozen) {
    memset(r, 0, sizeof *r);
    strcpy(r->root, "state-rig-XXXXXX");
    assert_non_null(mkdtemp(r->root));
    rwd_schema_init(&r->schema, 0, "customers");
    rig_must(rwd_schema_add_part(&r->schema, "customer", RWD_TYPE_STRING, 0, &r->error), &r->error);
    rig_must(rwd_schema_add_column(&r->schema, "n", rwd_aggregate_find("count"), RWD_TYPE_INT, 0, &r->error), &r->error);
    rig_must(rwd_schema_add_column(&r->schema, "s", rwd_aggregate_find("sum"), RWD_TYPE_INT, 0, &r->error), &r->error);
    rig_must(rwd_budget_init(&r->budget, RWD_BUDGET_MIN, &r->error), &r->error);
    rwd_tables_sizes sizes = {RWD_SEGMENT_SIZE, RWD_POOL_CHUNK_SIZE, RWD_OUT_CHUNK_SIZE};
    if (hot) {
        sizes = (rwd_tables_sizes){4096, 16384, 4096};
        r->budget.limit[RWD_SHARE_HOT] = hot;
        r->budget.limit[RWD_SHARE_FROZEN] = frozen;
    }
    rig_must(rwd_tables_new_sized(&r->schema, 1, &r->budget, &sizes, &r->tables, &r->error), &r->error);
    r->participant = rwd_tables_participant(r->tables);
    rig_open(r, NULL);
}

static inline void rig_deinit(rig *r) {
    rwd_tables_free(r->tables);
    rwd_schema_deinit(&r->schema);
    rig_must(rwd_remove_tree(r->root, &r->error), &r->error);
}

static inline size_t rig_key(const rig *r, size_t number, uint8_t out[RWD_KEY_BYTES_MAX]) {
    char text[32];
    int size = snprintf(text, sizeof text, "key-%zu", number);
    rwd_value part = {.s = rwd_slice_of(text, (size_t)size), .present = true};
    return rwd_key_encode(&r->schema, &part, out);
}

static inline rwd_resolve rig_resolve(rig *r, size_t number, rwd_touch *out, uint8_t key[RWD_KEY_BYTES_MAX]) {
    *out = (rwd_touch){.key = key, .key_size = (uint32_t)rig_key(r, number, key)};
    out->hash = rwd_key_hash(0, rwd_slice_of(key, out->key_size));
    return rwd_tables_resolve(r->tables, out, 1, &r->error);
}

// The sum of a key, or -1 if it is absent.
static inline int64_t rig_sum(rig *r, const uint8_t *row) {
    rwd_value sum;
    if (!row) return -1;
    rwd_row_read(&r->schema, 1, row, &sum);
    return sum.i;
}

// Adds `amount` to a key; at -1 removes it. FULL is the caller's business.
static inline rwd_resolve rig_try(rig *r, size_t number, int64_t amount) {
    uint8_t key[RWD_KEY_BYTES_MAX], row[64];
    rwd_touch touch;
    rwd_resolve result = rig_resolve(r, number, &touch, key);
    if (result != RWD_RESOLVED) return result;
    uint32_t size;
    const uint8_t *old = rwd_tables_row(r->tables, &touch, &size);
    if (amount < 0) {
        rwd_tables_delete(r->tables, &touch);
        return result;
    }
    if (old) memcpy(row, old, size);
    else rwd_row_init(&r->schema, row);
    rwd_value value = {.i = amount, .present = true};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(r->schema.columns[i].update(&r->schema.columns[i].how, row + r->schema.columns[i].offset, &value, &(rwd_moment){0}), RWD_E_NONE);
    rwd_tables_write(r->tables, &touch, row, r->schema.row_size);
    return result;
}

static inline void rig_add(rig *r, size_t number, int64_t amount) {
    rig_must(rig_try(r, number, amount) == RWD_RESOLVED, &r->error);
}

static inline int64_t rig_read(rig *r, size_t number) {
    uint8_t key[RWD_KEY_BYTES_MAX];
    rwd_touch touch;
    uint32_t size;
    rig_must(rig_resolve(r, number, &touch, key) == RWD_RESOLVED, &r->error);
    return rig_sum(r, rwd_tables_row(r->tables, &touch, &size));
}

static inline void *rig_write(void *context) {
    rig *r = context;
    r->written = r->participant->ops->write(r->participant, r->checkpoint, &r->error);
    return NULL;
}

static inline void rig_freeze(rig *r) {
    r->participant->ops->freeze(r->participant, 0);
    snprintf(r->checkpoint, sizeof r->checkpoint, "%s/checkpoint-%u", r->root, r->checkpoints++);
    rig_must(rwd_mkdirs(r->checkpoint, &r->error), &r->error);
    assert_int_equal(pthread_create(&r->thread, NULL, rig_write, r), 0);
}

static inline bool rig_sweep(rig *r, size_t limit) { return r->participant->ops->sweep(r->participant, limit); }

// Sweeps to the end and waits for write; what it says is in r->written.
static inline void rig_join(rig *r) {
    while (!rig_sweep(r, 100)) usleep(20);
    pthread_join(r->thread, NULL);
}

static inline void rig_checkpoint(rig *r) {
    rig_freeze(r);
    rig_join(r);
    rig_must(r->written, &r->error);
    r->participant->ops->thaw(r->participant);
}

static inline rwd_tables_stats rig_stats(const rig *r) {
    rwd_tables_stats stats;
    rwd_tables_get_stats(r->tables, &stats);
    return stats;
}

#endif
