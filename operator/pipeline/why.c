// Why two states differ in a key (why.h).
//
// What must stay true: rows are compared behind whole records, inserted ones with the record that they stand before.
#include "operator/pipeline/why.h"

#include <inttypes.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "operator/pipeline/repair_make.h"
#include "operator/sink/row_text.h"
#include "state/key_text.h"
#include "state/reader.h"

// What a record made of the key's row.
typedef struct change {
    int64_t offset;
    rwd_amend_state amended;
    bool present;
    rwd_buf row;
} change;

typedef struct history {
    change *items;
    size_t count, room;
    bool full;
} history;

typedef struct asking {
    const rwd_why_options *o;
    rwd_why *out;
    history histories[2], *hand;
    change start;                  // the row at the base
    const rwd_job *job;            // that the key was encoded for; NULL: none yet
    uint16_t table;
    bool has_table, found_table;
    uint8_t key[RWD_KEY_BYTES_MAX];
    size_t key_size;
    rwd_answers answers;
    rwd_buf scratch;
    rwd_shadow *shadow;
    bool changed;                  // by the record in hand
    change now;
    rwd_error failed;
} asking;

static void free_history(history *h) {
    for (size_t i = 0; i < h->count; i++) rwd_buf_deinit(&h->items[i].row);
    free(h->items);
}

void rwd_why_deinit(rwd_why *why) {
    for (size_t i = 0; i < why->count; i++) {
        rwd_buf_deinit(&why->steps[i].row[0]);
        rwd_buf_deinit(&why->steps[i].row[1]);
    }
    free(why->steps);
    *why = (rwd_why){0};
}

// ---------------------------------------------------------------------------------------------- one history
// The key as this job's table encodes it. A job without the table has no such rows.
static bool take_job(asking *a, const rwd_job *job, rwd_error *err) {
    rwd_value parts[RWD_KEY_PARTS_MAX];
    if (a->job == job) return true;
    a->job = job;
    a->has_table = false;
    for (size_t i = 0; i < job->table_count && !a->has_table; i++) {
        a->has_table = strcmp(job->tables[i].schema.name, a->o->table) == 0;
        a->table = (uint16_t)i;
    }
    if (!a->has_table) return true;
    a->found_table = true;
    const rwd_schema *schema = &job->tables[a->table].schema;
    a->key_size = rwd_key_read_text(schema, rwd_slice_str(a->o->key), &a->scratch, parts) ? rwd_key_encode(schema, parts, a->key) : 0;
    if (a->key_size > 0) return true;
    (void)rwd_fail(err, RWD_E_USAGE, "'%.200s' is no key of table '%s'", a->o->key, a->o->table);
    return rwd_error_next(err, "give it as output records have it: a text as it is; of several fields a JSON array, '[\"DE\",7]'");
}

static bool write_row(asking *a, const rwd_job *job, rwd_slice row, change *out, rwd_error *err) {
    rwd_row_text how = {.table = &job->tables[a->table], .format = RWD_FORMAT_JSON};
    rwd_buf_clear(&out->row);
    out->present = row.data != NULL;
    if (!row.data) return true;
    bool ok = rwd_row_text_append(&how, rwd_slice_of(a->key, a->key_size), row.data, (uint32_t)row.size, 0, &a->answers, &out->row, err);
    if (ok) out->row.size--;  // the newline
    return ok;
}

static void on_change(void *context, const rwd_job *job, const rwd_record *record, uint16_t table, rwd_slice key, rwd_slice old, rwd_slice now) {
    asking *a = context;
    (void)old;
    if (a->failed.code != RWD_E_NONE) return;
    bool ok = take_job(a, job, &a->failed);
    if (ok && (!a->has_table || table != a->table || !rwd_slice_equal(key, rwd_slice_of(a->key, a->key_size)))) return;
    ok = ok && write_row(a, job, now, &a->now, &a->failed);
    a->changed |= ok;
    if (a->now.amended == RWD_AMENDED_NOT) a->now.amended = record->amended;
    if (!ok) rwd_shadow_stop(a->shadow);
}

static void keep(asking *a, int64_t offset) {
    history *h = a->hand;
    change *last = h->count ? &h->items[h->count - 1] : NULL;
    if (!last || last->offset != offset) {
        if (h->count == RWD_WHY_CHANGES_MAX) {
            h->full = true;
            return;
        }
        if (h->count == h->room) {
            h->room = h->room ? h->room * 2 : 64;
            h->items = rwd_realloc(h->items, h->room * sizeof(*h->items));
        }
        last = &h->items[h->count++];
        *last = (change){.offset = offset};
    }
    last->present = a->now.present;
    if (last->amended == RWD_AMENDED_NOT) last->amended = a->now.amended;
    rwd_buf_clear(&last->row);
    rwd_buf_append_slice(&last->row, rwd_buf_slice(&a->now.row));
}

static void on_behind(void *context, const rwd_record *record) {
    asking *a = context;
    a->out->records++;
    if (!a->changed) return;
    keep(a, record->offset);
    a->changed = false;
    a->now.amended = RWD_AMENDED_NOT;
}

static bool replay(asking *a, const rwd_checkpoint *base, rwd_side side, rwd_error *err) {
    const rwd_why_options *o = a->o;
    rwd_look look = {.context = a, .change = on_change, .behind = on_behind};
    rwd_shadow_options options = {.job = o->job, .clock = o->clock, .io = o->tier, .repo = o->repo, .base = base, .lineage = o->lineage[side], .logics = o->logics, .until = o->position[side],
                                  .folder = o->folder, .look = &look, .progress = o->progress};
    a->hand = &a->histories[side];
    if (base->facts.next_offset >= o->position[side]) return true;
    if (!rwd_shadow_new(&options, &a->shadow, err)) return false;
    if (o->working) o->working(o->context, a->shadow);
    bool ok = rwd_shadow_build(a->shadow, err);
    if (o->working) o->working(o->context, NULL);
    rwd_shadow_free(a->shadow);
    a->shadow = NULL;
    if (a->failed.code == RWD_E_NONE) return ok;
    *err = a->failed;
    return false;
}

// ---------------------------------------------------------------------------------------------- side by side
static bool same(const change *x, const change *y) { return x->present == y->present && (!x->present || rwd_slice_equal(rwd_buf_slice(&x->row), rwd_buf_slice(&y->row))); }

static void add_step(asking *a, int64_t offset, const change *const rows[2], const bool changes[2]) {
    rwd_why *out = a->out;
    if (out->count == a->o->most) {
        out->more = true;
        return;
    }
    out->steps = rwd_realloc(out->steps, (out->count + 1) * sizeof(*out->steps));
    rwd_why_step *step = &out->steps[out->count++];
    *step = (rwd_why_step){.offset = offset};
    for (int side = 0; side < 2; side++) {
        step->changes[side] = changes[side];
        step->amended[side] = changes[side] ? rows[side]->amended : RWD_AMENDED_NOT;
        step->present[side] = rows[side]->present;
        rwd_buf_append_slice(&step->row[side], rwd_buf_slice(&rows[side]->row));
    }
}

static void merge(asking *a) {
    const change *rows[2] = {&a->start, &a->start};
    size_t at[2] = {0, 0};
    while (!a->out->more && (at[0] < a->histories[0].count || at[1] < a->histories[1].count)) {
        int64_t offset = INT64_MAX;
        bool changes[2] = {false, false};
        for (int side = 0; side < 2; side++)
            if (at[side] < a->histories[side].count && a->histories[side].items[at[side]].offset < offset) offset = a->histories[side].items[at[side]].offset;
        for (int side = 0; side < 2; side++) {
            history *h = &a->histories[side];
            if (at[side] == h->count || h->items[at[side]].offset != offset) continue;
            rows[side] = &h->items[at[side]++];
            changes[side] = true;
        }
        if (!same(rows[0], rows[1])) add_step(a, offset, rows, changes);
    }
    a->out->more |= a->histories[0].full || a->histories[1].full;
}

static bool read_start(asking *a, const rwd_checkpoint *base, rwd_error *err) {
    const rwd_job *job;
    char dir[RWD_PATH_MAX];
    rwd_reader_db *reader;
    rwd_buf row = {0};
    bool found = false;
    if (!rwd_logics_job(a->o->logics, base->facts.fingerprint, &job, err) || !take_job(a, job, err)) return false;
    if (!a->has_table) return true;
    if (!rwd_repo_checkpoint_path(a->o->repo, base->id, dir, err) || !rwd_state_open(dir, &reader, err)) return false;
    bool ok = rwd_state_get(reader, a->table, rwd_slice_of(a->key, a->key_size), &found, &row, err);
    ok = ok && write_row(a, job, found ? rwd_buf_slice(&row) : (rwd_slice){0}, &a->start, err);
    rwd_state_close(reader);
    rwd_buf_deinit(&row);
    return ok;
}

static bool run(asking *a, const rwd_checkpoint *base, rwd_error *err) {
    memcpy(a->out->base, base->id, sizeof(a->out->base));
    a->out->base_offset = base->facts.next_offset;
    bool ok = read_start(a, base, err) && replay(a, base, RWD_OLD, err) && replay(a, base, RWD_NEW, err);
    if (ok && !a->found_table) ok = rwd_fail(err, RWD_E_NOT_FOUND, "there is no table '%s'", a->o->table);
    if (ok) merge(a);
    return ok;
}

bool rwd_why_run(const rwd_why_options *o, rwd_why *out, rwd_error *err) {
    int64_t at_most = rwd_lineage_differs_from(o->lineage[RWD_OLD], o->lineage[RWD_NEW]);
    rwd_checkpoint base;
    rwd_read_lock lock;
    *out = (rwd_why){0};
    for (int side = 0; side < 2; side++)
        if (o->position[side] < at_most) at_most = o->position[side];
    if (!rwd_repair_base(o->repo, o->io, o->lineage[RWD_OLD], at_most, &base, err)) return false;
    bool ok = rwd_repo_read_lock(o->repo, base.id, &lock, err);
    if (ok) {
        asking *a = rwd_calloc(1, sizeof(*a));
        *a = (asking){.o = o, .out = out};
        rwd_error_clear(&a->failed);
        ok = run(a, &base, err);
        for (int side = 0; side < 2; side++) free_history(&a->histories[side]);
        rwd_buf_deinit(&a->start.row);
        rwd_buf_deinit(&a->now.row);
        rwd_buf_deinit(&a->scratch);
        rwd_answers_deinit(&a->answers);
        free(a);
        rwd_read_lock_release(&lock);
    }
    rwd_checkpoint_deinit(&base);
    if (!ok) rwd_why_deinit(out);
    return ok;
}
