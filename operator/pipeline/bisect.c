// Bisect (bisect.h): verdicts of checkpoints, and one replay that is looked at record by record.
#include "operator/pipeline/bisect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "operator/base/words.h"
#include "operator/pipeline/operator_private.h"
#include "operator/pipeline/plan.h"
#include "operator/sink/row_text.h"
#include "state/key_text.h"
#include "state/reader.h"

// What is asked, over the rows of one job: logics of other segments have tables of their own.
typedef struct question {
    const rwd_job *job;
    uint16_t table;
    rwd_expr *check;
    bool one_key;
    uint8_t key[RWD_KEY_BYTES_MAX];
    size_t key_size;
} question;

#define QUESTIONS_MAX 64  // logics of one history that are asked

// A key that the record in hand changed, with its row before it.
typedef struct touched {
    rwd_buf key, before, after;
    bool was, is, untrue;        // there was a row, there is one, and it is false
} touched;

typedef struct bisecting {
    const rwd_bisect_options *options;
    rwd_bisect *out;
    const char *table;
    rwd_lineage lineage;
    rwd_logics *logics;
    rwd_checkpoint_list list;
    const rwd_checkpoint **order;  // of the history, whole, at or below N, newest place first, each place once
    size_t count;
    question questions[QUESTIONS_MAX];
    size_t question_count;
    rwd_answers answers;
    // While it is replayed.
    rwd_shadow *shadow;
    const question *asked;       // of the job that replays
    touched *touched;            // of the record in hand
    size_t touched_count, touched_room;
    bool found;
    rwd_error failed;            // on the way; code NONE: nothing did
} bisecting;

static const char *const verdict_texts[] = {[RWD_BISECT_TRUE] = "true", [RWD_BISECT_UNTRUE] = "untrue", [RWD_BISECT_UNKNOWN] = "unknown"};
const char *rwd_bisect_verdict_text(rwd_bisect_verdict verdict) { return verdict_texts[verdict]; }

void rwd_bisect_deinit(rwd_bisect *bisect) {
    free(bisect->table);
    free(bisect->check);
    free(bisect->places);
    rwd_buf_deinit(&bisect->record);
    rwd_buf_deinit(&bisect->record_key);
    rwd_buf_deinit(&bisect->key);
    rwd_buf_deinit(&bisect->before);
    rwd_buf_deinit(&bisect->after);
    *bisect = (rwd_bisect){0};
}

// ---- the question

static bool find_table(const rwd_job *job, const char *name, uint16_t *out, rwd_error *err) {
    const char *names[RWD_TABLES_MAX];
    for (size_t i = 0; i < job->table_count; i++) {
        names[i] = job->tables[i].schema.name;
        if (name ? strcmp(names[i], name) != 0 : job->table_count > 1) continue;
        *out = (uint16_t)i;
        return true;
    }
    if (!name) return rwd_fail(err, RWD_E_USAGE, "the job has several tables; say which with --table");
    const char *nearest = rwd_nearest(name, names, job->table_count);
    return rwd_fail(err, RWD_E_NOT_FOUND, "there is no table '%s'%s%s%s", name, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static bool read_key(const bisecting *b, question *q, rwd_error *err) {
    rwd_value parts[RWD_KEY_PARTS_MAX];
    rwd_buf scratch = {0};
    const rwd_schema *schema = &q->job->tables[q->table].schema;
    q->one_key = b->options->key != NULL;
    if (!q->one_key) return true;
    bool ok = rwd_key_read_text(schema, rwd_slice_str(b->options->key), &scratch, parts);
    if (ok) q->key_size = rwd_key_encode(schema, parts, q->key);
    rwd_buf_deinit(&scratch);
    if (ok) return true;
    rwd_fail(err, RWD_E_USAGE, "--key: this is no key of table %s", schema->name);
    return rwd_error_next(err, "give it as output records have it: of several fields a JSON array, the start of a window last");
}

static bool ask(bisecting *b, const rwd_job *job, const question **out, rwd_error *err) {
    for (size_t i = 0; i < b->question_count; i++)
        if (b->questions[i].job == job) return *out = &b->questions[i], true;
    if (b->question_count == QUESTIONS_MAX) return rwd_fail(err, RWD_E_RESOURCE, "the history has more than %d logics", QUESTIONS_MAX);
    question *q = &b->questions[b->question_count];
    *q = (question){.job = job};
    if (!find_table(job, b->table, &q->table, err) || !read_key(b, q, err)) return false;
    if (!rwd_answers_compile(&job->tables[q->table], "--check", b->options->check, &q->check, err)) return false;
    b->question_count++;
    *out = q;
    return true;
}

static bool is_untrue(bisecting *b, const question *q, rwd_slice key, rwd_slice row) {
    if (!row.data) return false;
    rwd_answers_begin(&b->answers, &q->job->tables[q->table], key, row.data);
    return rwd_answers_deny(&b->answers, q->check);
}

// ---- checkpoints

typedef struct scan {
    bisecting *b;
    const question *q;
    bool untrue, failed;
    rwd_error *err;
} scan;

static bool scan_row(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    scan *s = context;
    (void)table;
    s->failed = !rwd_answers_open(&s->b->answers, &s->q->job->tables[s->q->table], key, row.data, (uint32_t)row.size, s->err);
    s->untrue = !s->failed && rwd_answers_deny(&s->b->answers, s->q->check);
    return !s->failed && !s->untrue;
}

static bool read_verdict(bisecting *b, const question *q, rwd_reader_db *reader, bool *out_untrue, rwd_error *err) {
    scan s = {.b = b, .q = q, .err = err};
    if (!q->one_key) {
        bool ok = rwd_state_scan(reader, q->table, scan_row, &s, err) && !s.failed;
        *out_untrue = s.untrue;
        return ok;
    }
    rwd_buf row = {0};
    bool found = false, ok = rwd_state_get(reader, q->table, rwd_slice_of(q->key, q->key_size), &found, &row, err);
    if (ok && found) (void)scan_row(&s, q->table, rwd_slice_of(q->key, q->key_size), rwd_buf_slice(&row));
    *out_untrue = s.untrue;
    rwd_buf_deinit(&row);
    return ok && !s.failed;
}

static bool judge_checkpoint(bisecting *b, const rwd_checkpoint *c, bool *out_untrue, rwd_error *err) {
    const rwd_job *job;
    const question *q;
    char dir[RWD_PATH_MAX];
    rwd_read_lock lock;
    rwd_reader_db *reader;
    if (!rwd_logics_job(b->logics, c->facts.fingerprint, &job, err) || !ask(b, job, &q, err)) return false;
    if (!rwd_repo_checkpoint_path(b->options->repo, c->id, dir, err) || !rwd_repo_read_lock(b->options->repo, c->id, &lock, err)) return false;
    bool ok = rwd_state_open(dir, &reader, err);
    if (ok) {
        ok = read_verdict(b, q, reader, out_untrue, err);
        rwd_state_close(reader);
    }
    rwd_read_lock_release(&lock);
    return ok;
}

// One that cannot be read says nothing, and the next older one is asked.
static rwd_bisect_verdict look_at(bisecting *b, const rwd_checkpoint *c) {
    rwd_bisect_place *place = &b->out->places[b->out->place_count++];
    bool untrue = false;
    rwd_error why;
    *place = (rwd_bisect_place){.next_offset = c->facts.next_offset};
    memcpy(place->id, c->id, sizeof place->id);
    rwd_error_clear(&why);
    bool ok = judge_checkpoint(b, c, &untrue, &why);
    place->verdict = !ok ? RWD_BISECT_UNKNOWN : untrue ? RWD_BISECT_UNTRUE : RWD_BISECT_TRUE;
    if (!ok) (void)snprintf(place->why, sizeof place->why, "%.199s", why.cause);
    return place->verdict;
}

static int compare_places(const void *a, const void *b) {
    const rwd_checkpoint *x = *(const rwd_checkpoint *const *)a, *y = *(const rwd_checkpoint *const *)b;
    if (x->facts.next_offset != y->facts.next_offset) return x->facts.next_offset < y->facts.next_offset ? 1 : -1;
    return x->facts.closings < y->facts.closings ? 1 : x->facts.closings > y->facts.closings ? -1 : 0;
}

static bool is_candidate(const bisecting *b, const rwd_checkpoint *c) {
    bool whole = c->state == RWD_CHECKPOINT_GOOD || c->state == RWD_CHECKPOINT_UNVERIFIED;
    return whole && c->facts.next_offset <= b->out->until && rwd_hash128_equal(c->facts.history, rwd_lineage_history(&b->lineage, c->facts.next_offset));
}

static void sort_places(bisecting *b) {
    size_t count = 0;
    b->order = rwd_calloc(b->list.count + 1, sizeof *b->order);
    for (size_t i = 0; i < b->list.count; i++)
        if (is_candidate(b, &b->list.items[i])) b->order[count++] = &b->list.items[i];
    if (count > 1) qsort(b->order, count, sizeof *b->order, compare_places);
    for (size_t i = 0; i < count; i++)
        if (b->count == 0 || b->order[i]->facts.next_offset != b->order[b->count - 1]->facts.next_offset) b->order[b->count++] = b->order[i];
    b->out->places = rwd_calloc(b->count + 1, sizeof *b->out->places);
}

// L5: the lineage that C names; without outputs that of the newest checkpoint. N is behind C where an invariant parked the job.
static bool load_history(bisecting *b, rwd_error *err) {
    const rwd_bisect_options *o = b->options;
    rwd_buf text = {0};
    rwd_commit commit = {0};
    rwd_checkpoint latest;
    bool found = false;
    if (!rwd_peek_commit(o->job, o->clock, &found, &commit, err)) return false;
    if (!rwd_repo_find(o->repo, "latest", &latest, err)) return rwd_error_next(err, "rewind checkpoint list --data %s", rwd_repo_path(o->repo));
    rwd_hash128 id = found ? commit.lineage : latest.facts.lineage;
    int64_t place = rwd_hold_place(rwd_repo_path(o->repo)), end = found ? commit.next_offset : latest.facts.next_offset;
    rwd_checkpoint_deinit(&latest);
    b->out->until = o->until >= 0 ? o->until : place > end ? place : end;
    bool ok = rwd_repo_load_lineage(o->repo, id, &b->lineage, &text, err) && rwd_repo_list(o->repo, &b->list, err);
    rwd_buf_deinit(&text);
    return ok;
}

// ---- one interval

static touched *find_touched(bisecting *b, rwd_slice key) {
    for (size_t i = 0; i < b->touched_count; i++)
        if (rwd_slice_equal(rwd_buf_slice(&b->touched[i].key), key)) return &b->touched[i];
    return NULL;
}

static touched *add_touched(bisecting *b, rwd_slice key, rwd_slice old) {
    if (b->touched_count == b->touched_room) {
        size_t room = b->touched_room ? b->touched_room * 2 : 16;
        b->touched = rwd_realloc(b->touched, room * sizeof *b->touched);
        memset(b->touched + b->touched_room, 0, (room - b->touched_room) * sizeof *b->touched);
        b->touched_room = room;
    }
    touched *t = &b->touched[b->touched_count++];
    rwd_buf_clear(&t->key);
    rwd_buf_clear(&t->before);
    rwd_buf_append_slice(&t->key, key);
    if (old.data) rwd_buf_append_slice(&t->before, old);
    t->was = old.data != NULL;
    return t;
}

static const question *question_for(bisecting *b, const rwd_job *job) {
    const question *q = NULL;
    if (b->failed.code == RWD_E_NONE && !ask(b, job, &q, &b->failed)) rwd_shadow_stop(b->shadow);
    return q;
}

static void on_change(void *context, const rwd_job *job, const rwd_record *record, uint16_t table, rwd_slice key, rwd_slice old, rwd_slice now) {
    bisecting *b = context;
    (void)record;
    const question *q = b->found ? NULL : question_for(b, job);
    b->asked = q;
    if (!q || q->table != table || (q->one_key && !rwd_slice_equal(key, rwd_slice_of(q->key, q->key_size)))) return;
    touched *t = find_touched(b, key);
    bool untrue = is_untrue(b, q, key, now);
    if (!t && !untrue && !job->event.each) return;  // of a record that is one event nothing can follow
    if (!t) t = add_touched(b, key, old);
    t->untrue = untrue;
    t->is = now.data != NULL;
    rwd_buf_clear(&t->after);
    if (now.data) rwd_buf_append_slice(&t->after, now);
}

static bool write_row(bisecting *b, const question *q, const touched *t, bool there, const rwd_buf *row, rwd_buf *out) {
    rwd_row_text how = {.table = &q->job->tables[q->table], .format = RWD_FORMAT_JSON};
    if (!there) return true;
    bool ok = rwd_row_text_append(&how, rwd_buf_slice(&t->key), row->data, (uint32_t)row->size, 0, &b->answers, out, &b->failed);
    if (ok) out->size--;  // the newline
    return ok;
}

static void take_record(rwd_bisect *out, const rwd_record *record) {
    size_t size = record->value.size < RWD_BISECT_RECORD_MAX ? record->value.size : RWD_BISECT_RECORD_MAX;
    size_t key = record->key.size < RWD_BISECT_RECORD_MAX ? record->key.size : RWD_BISECT_RECORD_MAX;
    out->offset = record->offset;
    out->time_us = record->time_us;
    out->amended = record->amended;
    out->record_size = record->full_size;
    if (record->value.data) rwd_buf_append(&out->record, record->value.data, size);
    out->has_record_key = record->key.data != NULL;
    if (out->has_record_key) rwd_buf_append(&out->record_key, record->key.data, key);
}

static void take_answer(bisecting *b, const question *q, const touched *t, const rwd_record *record) {
    rwd_buf scratch = {0};
    take_record(b->out, record);
    bool ok = rwd_key_write_text(&q->job->tables[q->table].schema, rwd_buf_slice(&t->key), &scratch, &b->out->key);
    ok = ok && write_row(b, q, t, t->was, &t->before, &b->out->before) && write_row(b, q, t, t->is, &t->after, &b->out->after);
    rwd_buf_deinit(&scratch);
    b->found = ok;
    rwd_shadow_stop(b->shadow);
}

// Only the rows behind the whole record are a place.
static void on_behind(void *context, const rwd_record *record) {
    bisecting *b = context;
    if (!b->found) b->out->records++;
    for (size_t i = 0; i < b->touched_count && !b->found; i++)
        if (b->touched[i].untrue) take_answer(b, b->asked, &b->touched[i], record);
    b->touched_count = 0;
}

static bool build(bisecting *b, rwd_error *err) {
    const rwd_bisect_options *o = b->options;
    bool begun = !o->begun || o->begun(o->context, b->shadow, err);
    if (!begun) return false;
    bool ok = rwd_shadow_build(b->shadow, err);
    if (o->ended) o->ended(o->context);
    return ok;
}

// `out_found`: it became untrue between the checkpoint and `to`.
static bool replay(bisecting *b, const rwd_checkpoint *base, int64_t to, bool *out_found, rwd_error *err) {
    const rwd_bisect_options *o = b->options;
    rwd_look look = {.context = b, .change = on_change, .behind = on_behind};
    rwd_shadow_options options = {.job = o->job, .clock = o->clock, .io = o->tier, .repo = o->repo, .base = base, .lineage = &b->lineage, .logics = b->logics, .until = to,
                                  .folder = o->folder, .look = &look, .progress = o->progress};
    rwd_read_lock lock;
    *out_found = false;
    if (!rwd_repo_verify(o->repo, o->io, base->id, RWD_VERIFY_NEW, NULL, err) || !rwd_repo_read_lock(o->repo, base->id, &lock, err)) return false;
    rwd_error_clear(&b->failed);
    bool ok = rwd_shadow_new(&options, &b->shadow, err);
    if (ok) {
        b->out->from = base->facts.next_offset;
        b->out->to = to;
        memcpy(b->out->base, base->id, sizeof b->out->base);
        ok = build(b, err) || b->found;  // what was looked for ended it
        rwd_shadow_free(b->shadow);
        b->shadow = NULL;
    }
    if (b->failed.code != RWD_E_NONE) {
        *err = b->failed;
        ok = false;
    }
    rwd_read_lock_release(&lock);
    *out_found = ok && b->found;
    return ok;
}

// ---- both steps

static bool not_by_a_record(const rwd_checkpoint *base, const rwd_checkpoint *untrue, rwd_error *err) {
    rwd_fail(err, RWD_E_INVARIANT, "it is true at checkpoint %s and untrue at %s, and no record between them makes it so: offsets [%" PRId64 ", %" PRId64 ")", base->id, untrue->id,
             base->facts.next_offset, untrue->facts.next_offset);
    return rwd_error_next(err, "one of the two is damaged: rewind checkpoint check --scan; or the logic changed between them, and with it what its columns mean");
}

static bool search(bisecting *b, rwd_error *err) {
    const rwd_checkpoint *untrue = NULL, *newest = b->order[0];
    bool found = false;
    for (size_t i = 0; i < b->count; i++) {
        const rwd_checkpoint *c = b->order[i];
        rwd_bisect_verdict verdict = look_at(b, c);
        if (verdict == RWD_BISECT_UNTRUE) untrue = c;
        if (verdict != RWD_BISECT_TRUE) continue;
        if (!untrue && (c != newest || c->facts.next_offset == b->out->until)) continue;
        if (!replay(b, c, untrue ? untrue->facts.next_offset : b->out->until, &found, err)) return false;
        if (found) b->out->outcome = RWD_BISECT_FOUND;
        if (found) return true;
        if (untrue) return not_by_a_record(c, untrue, err);
    }
    b->out->outcome = untrue ? RWD_BISECT_BEFORE : RWD_BISECT_HOLDS;
    return true;
}

static bool prepare(bisecting *b, rwd_error *err) {
    const question *q;
    if (!ask(b, b->options->job, &q, err)) return false;
    b->table = q->job->tables[q->table].schema.name;
    b->out->table = rwd_strdup(b->table);
    b->out->check = rwd_strdup(rwd_expr_text(q->check));
    if (!load_history(b, err)) return false;
    sort_places(b);
    if (b->count > 0) return true;
    rwd_fail(err, RWD_E_NO_CHECKPOINT, "no good checkpoint is at or below offset %" PRId64, b->out->until);
    return rwd_error_next(err, "rewind checkpoint list --all --data %s", rwd_repo_path(b->options->repo));
}

bool rwd_bisect_run(const rwd_bisect_options *options, rwd_bisect *out, rwd_error *err) {
    bisecting b = {.options = options, .out = out, .table = options->table};
    *out = (rwd_bisect){.from = -1, .to = -1, .offset = -1, .time_us = RWD_TIME_NONE};
    b.logics = rwd_logics_new(options->repo, options->job);
    bool ok = prepare(&b, err) && search(&b, err);
    for (size_t i = 0; i < b.question_count; i++) rwd_expr_free(b.questions[i].check);
    for (size_t i = 0; i < b.touched_room; i++) {
        rwd_buf_deinit(&b.touched[i].key);
        rwd_buf_deinit(&b.touched[i].before);
        rwd_buf_deinit(&b.touched[i].after);
    }
    free(b.touched);
    free(b.order);
    rwd_answers_deinit(&b.answers);
    rwd_checkpoint_list_deinit(&b.list);
    rwd_lineage_deinit(&b.lineage);
    rwd_logics_free(b.logics);
    if (!ok) rwd_bisect_deinit(out);
    return ok;
}
