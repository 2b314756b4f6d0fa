// Making a plan of a repair (repair_make.h).
//
// What must stay true: PLAN is written last; both sides stand behind the same records.
#include "operator/pipeline/repair_make.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/config/logic_compare.h"
#include "operator/logic/step.h"
#include "operator/repair/corrections.h"
#include "operator/repair/violations.h"
#include "operator/pipeline/rooms.h"
#include "state/dead.h"
#include "state/reader.h"

#define SORT_MEMORY ((size_t)64 << 20)
#define FOLDERS_TRIED_MAX 1000u
#define LOOK_WAIT_NS 20000000LL
#define LOOKS_WITHOUT_MAX 500  // empty batches in a row: nobody answers

typedef struct making {
    const rwd_repair_options *o;
    rwd_repair_plan *plan;
    char data[RWD_PATH_MAX], folder[RWD_PATH_MAX];
    rwd_logics *logics;
    rwd_commit commit;
    bool found_c;
    rwd_lineage old, new;
    const rwd_job *logic;          // of `new`, from plan->from on; NULL: no other one
    rwd_checkpoint live, base;     // at C0; common to both
    rwd_read_lock live_lock, base_lock;
    bool live_locked, base_locked;
    rwd_shadow *shadow, *old_shadow;
    rwd_violations violations;
    const rwd_job *new_job;
    int64_t began_us;
} making;

// ---------------------------------------------------------------------------------------------- lineages
static bool same_amendment(const rwd_amendment *a, const rwd_amendment *b) { return a->at == b->at && a->kind == b->kind && rwd_hash128_equal(a->hash, b->hash); }

// Both lists are in order of places: the first place at which they are not the same.
static int64_t amended_from(const rwd_lineage *a, const rwd_lineage *b) {
    size_t i = 0;
    while (i < a->amendment_count && i < b->amendment_count && same_amendment(&a->amendments[i], &b->amendments[i])) i++;
    int64_t x = i < a->amendment_count ? a->amendments[i].at : INT64_MAX, y = i < b->amendment_count ? b->amendments[i].at : INT64_MAX;
    return x < y ? x : y;
}

// At the beginnings of `a`'s segments: the first one from which on the other's logic is another.
static int64_t decided_from(const rwd_lineage *a, const rwd_lineage *b) {
    for (size_t i = 0; i < a->segment_count; i++) {
        int64_t from = a->segments[i].from;
        if (from < b->segments[0].from || !rwd_hash128_equal(a->segments[i].logic, b->segments[rwd_lineage_segment_at(b, from)].logic)) return from;
    }
    return INT64_MAX;
}

int64_t rwd_lineage_differs_from(const rwd_lineage *a, const rwd_lineage *b) {
    int64_t least = amended_from(a, b), others[] = {decided_from(a, b), decided_from(b, a)};
    for (size_t i = 0; i < 2; i++)
        if (others[i] < least) least = others[i];
    return least;
}

// L5: C's; without outputs that of the newest checkpoint.
static bool load_old(making *m, rwd_error *err) {
    rwd_hash128 id = m->commit.lineage;
    rwd_buf text = {0};
    if (!m->found_c) {
        rwd_checkpoint latest;
        if (!rwd_repo_find(m->o->repo, "latest", &latest, err)) return false;
        id = latest.facts.lineage;
        rwd_checkpoint_deinit(&latest);
    }
    bool ok = rwd_repo_load_lineage(m->o->repo, id, &m->old, &text, err);
    rwd_buf_deinit(&text);
    return ok;
}

static bool find_place(making *m, const rwd_target *target, int64_t *out, rwd_error *err) {
    rwd_plan plan;
    rwd_plan_options options = {.job = m->o->job, .repo = m->o->repo, .io = m->o->io, .clock = m->o->clock, .target = *target, .place_only = true};
    if (!rwd_plan_make(&options, &plan, err)) return false;
    *out = plan.place;
    rwd_plan_deinit(&plan);
    return true;
}

static bool find_places(making *m, rwd_error *err) {
    const rwd_repair_options *o = m->o;
    rwd_repair_plan *plan = m->plan;
    plan->from = m->old.genesis;
    plan->to = -1;
    if (!o->has_from && o->logic) {
        (void)rwd_fail(err, RWD_E_USAGE, "say from where on the new logic holds");
        return rwd_error_next(err, "--from TIME, or --from with an offset or a checkpoint's id; --from %" PRId64 " is the beginning", m->old.genesis);
    }
    if (o->has_to && !o->logic) return rwd_fail(err, RWD_E_USAGE, "--to ends a new logic, and none is given; amendments say their places themselves");
    if (o->has_from && !find_place(m, &o->from, &plan->from, err)) return false;
    if (o->has_to && !find_place(m, &o->to, &plan->to, err)) return false;
    if (o->has_to && plan->to <= plan->from)
        return rwd_fail(err, RWD_E_USAGE, "nothing is between --from, offset %" PRId64 ", and --to, offset %" PRId64, plan->from, plan->to);
    for (size_t i = 0; o->amendments && i < o->amendments->count; i++) {
        int64_t at = o->amendments->items[i].at;
        if (!o->has_from || (at >= plan->from && (plan->to < 0 || at < plan->to))) continue;
        return rwd_fail(err, RWD_E_USAGE, "the amendment at offset %" PRId64 " is outside of what --from and --to name", at);
    }
    return true;
}

// L3, at a place where one logic follows another.
static bool may_follow(making *m, int64_t at, const rwd_job *before, const rwd_job *after, rwd_error *err) {
    rwd_logic_comparison found;
    if (at <= m->old.genesis) return true;
    rwd_logic_compare(before, after, &found);
    if (found.relation != RWD_LOGIC_GENESIS) return true;
    (void)rwd_fail(err, RWD_E_LOGIC_CHANGED, "this logic can follow the other one only at the beginning, not at offset %" PRId64 ": %s", at, found.what);
    return rwd_error_next(err, "--from %" PRId64 " without --to recomputes everything", m->old.genesis);
}

static bool check_joints(making *m, rwd_error *err) {
    const rwd_repair_plan *plan = m->plan;
    const rwd_job *before, *behind;
    if (!m->logic) return true;
    int64_t last = plan->from > m->old.genesis ? plan->from - 1 : plan->from;
    if (!rwd_logics_job(m->logics, m->old.segments[rwd_lineage_segment_at(&m->old, last)].logic, &before, err) || !may_follow(m, plan->from, before, m->logic, err)) return false;
    if (plan->to < 0) return true;
    return rwd_logics_job(m->logics, m->old.segments[rwd_lineage_segment_at(&m->old, plan->to)].logic, &behind, err) && may_follow(m, plan->to, m->logic, behind, err);
}

// L1: the old segments below `from`, the new logic, and from `to` on the old ones again.
static void build_segments(making *m) {
    const rwd_repair_plan *plan = m->plan;
    const rwd_lineage *old = &m->old;
    rwd_lineage_init(&m->new, old->source, old->genesis);
    for (size_t i = 0; i < old->segment_count; i++)
        if (!m->logic || old->segments[i].from < plan->from) rwd_lineage_add_segment(&m->new, old->segments[i]);
    if (!m->logic) return;
    rwd_lineage_add_segment(&m->new, (rwd_lineage_segment){.from = plan->from, .logic = m->logic->logic, .sinks = m->logic->sinks_hash});
    if (plan->to < 0) return;
    size_t again = rwd_lineage_segment_at(old, plan->to);
    rwd_lineage_segment first = old->segments[again];
    first.from = plan->to;
    rwd_lineage_add_segment(&m->new, first);
    for (size_t i = again + 1; i < old->segment_count; i++) rwd_lineage_add_segment(&m->new, old->segments[i]);
}

static void copy_amendment(rwd_lineage *to, const rwd_amendment *a) {
    rwd_amendment copy = *a;
    copy.key = copy.value = copy.reason = (rwd_buf){0};
    rwd_buf_append_slice(&copy.key, rwd_buf_slice(&a->key));
    rwd_buf_append_slice(&copy.value, rwd_buf_slice(&a->value));
    rwd_buf_append_slice(&copy.reason, rwd_buf_slice(&a->reason));
    rwd_lineage_add_amendment(to, copy);
}

static bool build_new(making *m, rwd_error *err) {
    const rwd_repair_options *o = m->o;
    if (o->lineage) {
        rwd_lineage_copy(o->lineage, &m->new);
        m->plan->from = rwd_lineage_differs_from(&m->old, &m->new);
        m->plan->to = -1;
        return true;
    }
    if (!o->logic && (!o->amendments || o->amendments->count == 0)) {
        (void)rwd_fail(err, RWD_E_USAGE, "a repair needs another logic, or amendments of the input");
        return rwd_error_next(err, "--logic FILE, a job file with the right event and tables; --amend FILE, records to skip, replace or insert");
    }
    if (o->logic && !rwd_logics_add(m->logics, o->logic, &m->logic, err)) return false;
    if (!find_places(m, err)) return false;
    build_segments(m);
    for (size_t i = 0; i < m->old.amendment_count; i++) copy_amendment(&m->new, &m->old.amendments[i]);
    return check_joints(m, err) && (!o->amendments || rwd_amendments_add_to(o->amendments, &m->new, err));
}

// ---------------------------------------------------------------------------------------------- the two ends
static bool is_whole(const rwd_checkpoint *c) { return c->state == RWD_CHECKPOINT_GOOD || c->state == RWD_CHECKPOINT_UNVERIFIED; }

static bool of(const rwd_lineage *lineage, const rwd_checkpoint *c) {
    return rwd_hash128_equal(c->facts.history, rwd_lineage_history(lineage, c->facts.next_offset));
}

// The newest good one of the lineage (L2) at or below a position. One that an invariant marks (S5) serves no repair.
static bool choose(rwd_repo *repo, rwd_io *io, const rwd_lineage *lineage, int64_t at_most, bool marked_too, rwd_checkpoint *out, rwd_error *err) {
    rwd_checkpoint_list list = {0};
    rwd_error why;
    if (!rwd_repo_list(repo, &list, err)) return false;
    const rwd_checkpoint *best = NULL;
    bool *tried = rwd_calloc(list.count + 1, sizeof(*tried));
    for (;;) {
        best = NULL;
        size_t at = 0;
        for (size_t i = 0; i < list.count; i++) {
            const rwd_checkpoint *c = &list.items[i];
            if (tried[i] || !is_whole(c) || c->facts.next_offset > at_most || (c->facts.violated && !marked_too) || !of(lineage, c)) continue;
            if (best && (c->facts.next_offset < best->facts.next_offset || (c->facts.next_offset == best->facts.next_offset && c->facts.closings <= best->facts.closings))) continue;
            best = c;
            at = i;
        }
        if (!best || rwd_repo_verify(repo, io, best->id, RWD_VERIFY_NEW, NULL, &why)) break;
        tried[at] = true;
    }
    bool ok = best ? rwd_repo_find(repo, best->id, out, err) : rwd_fail(err, RWD_E_NO_CHECKPOINT, "no good checkpoint of this history is at or below offset %" PRId64, at_most);
    free(tried);
    rwd_checkpoint_list_deinit(&list);
    return ok || rwd_error_next(err, "rewind checkpoint list --all --data %s", rwd_repo_path(repo));
}

bool rwd_repair_base(rwd_repo *repo, rwd_io *io, const rwd_lineage *lineage, int64_t at_most, rwd_checkpoint *out, rwd_error *err) {
    return choose(repo, io, lineage, at_most, false, out, err);
}

static bool choose_live(making *m, rwd_error *err) {
    const char *named = m->o->old_checkpoint;
    int64_t c = m->found_c ? m->commit.next_offset : INT64_MAX;
    if (!(named ? rwd_repo_find(m->o->repo, named, &m->live, err) : choose(m->o->repo, m->o->io, &m->old, c, true, &m->live, err))) return false;
    if (!of(&m->old, &m->live)) {
        (void)rwd_fail(err, RWD_E_BUSY, "checkpoint %s is not of the history that is live now: it was switched meanwhile", m->live.id);
        return rwd_error_next(err, "ask for the plan again");
    }
    m->live_locked = rwd_repo_read_lock(m->o->repo, m->live.id, &m->live_lock, err);
    return m->live_locked;
}

static bool choose_base(making *m, rwd_error *err) {
    rwd_repair_plan *plan = m->plan;
    plan->differs_from = rwd_lineage_differs_from(&m->old, &m->new);
    if (plan->differs_from == INT64_MAX) return rwd_fail(err, RWD_E_USAGE, "nothing is to be repaired: this is the logic, and these are the amendments, that hold already");
    if (plan->differs_from >= m->live.facts.next_offset)
        return rwd_fail(err, RWD_E_USAGE, "nothing is to be repaired: offset %" PRId64 " was not processed yet, the newest checkpoint is at %" PRId64, plan->differs_from,
                        m->live.facts.next_offset);
    if (!choose(m->o->repo, m->o->io, &m->new, m->live.facts.next_offset, false, &m->base, err)) return false;
    m->base_locked = rwd_repo_read_lock(m->o->repo, m->base.id, &m->base_lock, err);
    return m->base_locked;
}

// The time of the first event of a batch that counts; RWD_TIME_NONE: none does.
static int64_t first_of(rwd_decoder *decoder, rwd_step *step, const rwd_batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        const rwd_record *record = &batch->records[i];
        rwd_fault fault;
        size_t count = 0;
        if (record->fault != RWD_E_NONE || record->tombstone) continue;
        rwd_decoder_begin(decoder, RWD_EVENTS_PER_RECORD_MAX);
        if (!rwd_decode_record(decoder, record, &count, &fault)) continue;
        for (size_t e = 0; e < count; e++) {
            rwd_event event = {.record = record};
            if (rwd_decode_event(decoder, &event, &fault) && event.time_us != RWD_TIME_NONE && step->ops->judge(step, &event, RWD_TIME_NONE) == RWD_E_NONE) return event.time_us;
        }
    }
    return RWD_TIME_NONE;
}

static bool read_first(making *m, const rwd_job *job, rwd_source *source, int64_t *out, rwd_error *err) {
    rwd_decoder *decoder;
    rwd_batch batch = {0};
    size_t columns = 0;
    if (!source->ops->assign(source, m->base.facts.next_offset, m->base.facts.cursor, err)) return false;
    const char *const *names = source->ops->columns(source, &columns);
    if (!rwd_decoder_new(job, names, columns, &decoder, err)) return false;
    rwd_step *step = rwd_step_new(job);
    bool ok = true, more = true;
    for (int empty = 0; ok && more && *out == RWD_TIME_NONE && empty < LOOKS_WITHOUT_MAX; empty++) {
        ok = source->ops->batch(source, RWD_BATCH_MAX, LOOK_WAIT_NS, &batch, err);
        if (!ok) break;
        *out = first_of(decoder, step, &batch);
        if (batch.count > 0) empty = -1;
        more = !batch.end && (batch.count == 0 || batch.records[batch.count - 1].offset < m->live.facts.next_offset);
        source->ops->release(source);
    }
    step->ops->free(step);
    rwd_decoder_free(decoder);
    return ok;
}

// The stream time at the base; in front of all events, that of the first one, below which nothing counts for longer than the grace.
static bool time_at_base(making *m, const rwd_job *job, int64_t *out, rwd_error *err) {
    rwd_budget budget;
    rwd_source *source;
    *out = m->base.facts.stream_time;
    if (*out != RWD_TIME_NONE) return true;
    if (!rwd_budget_init(&budget, m->o->job->state.memory, err) || !rwd_open_source(m->o->job, m->o->io, m->o->clock, &budget, &source, err)) return false;
    rwd_error why;
    if (!read_first(m, job, source, out, &why)) {  // a topic may have dropped what the journal has
        *out = RWD_TIME_NONE;
        rwd_log_error(RWD_LOG_WARN, "repair", &why);
        rwd_log(RWD_LOG_WARN, "repair", "the first record cannot be read from the source: whether windows that it touches have left the state is not known");
    }
    source->ops->close(source);
    return true;
}

// S4: a window that a record behind the base may touch must still be there. Those are the ones that end above the stream time at the base less their grace.
static bool check_windows(making *m, const rwd_job *job, rwd_error *err) {
    int64_t then, now = m->live.facts.stream_time;
    bool any = false;
    for (size_t i = 0; i < job->table_count; i++) any |= job->tables[i].schema.window.kind != RWD_WINDOW_NONE;
    if (!any || now == RWD_TIME_NONE) return true;
    if (!time_at_base(m, job, &then, err)) return false;
    if (then == RWD_TIME_NONE) return true;
    for (size_t i = 0; i < job->table_count; i++) {
        const rwd_schema *schema = &job->tables[i].schema;
        const rwd_window *w = &schema->window;
        if (w->kind == RWD_WINDOW_NONE || then - w->grace + w->retain >= now) continue;
        char from[RWD_TIME_TEXT_MAX], until[RWD_TIME_TEXT_MAX];
        rwd_time_text(then - w->grace, from);
        rwd_time_text(now - w->retain, until);
        (void)rwd_fail(err, RWD_E_USAGE, "windows of table '%s' that ended after %s may be touched, and those that ended before %s have left the state (window.retain)", schema->name, from, until);
        return rwd_error_next(err, "a repair reaches back as far as windows are kept: begin it later, and keep windows longer from now on");
    }
    return true;
}

// ---------------------------------------------------------------------------------------------- the folder
// The same things asked for again lead to the same folder, so that one that was begun is gone on with; a finished one is left alone.
static bool find_folder(making *m, rwd_error *err) {
    rwd_buf text = {0};
    char hex[2][RWD_HASH128_HEX], file[RWD_PATH_MAX];
    rwd_hash128_hex(rwd_lineage_id(&m->old), hex[0]);
    rwd_hash128_hex(rwd_lineage_id(&m->new), hex[1]);
    bool ok = true, found = false;
    for (unsigned salt = 0; ok && !found && salt < FOLDERS_TRIED_MAX; salt++) {
        rwd_buf_clear(&text);
        rwd_buf_appendf(&text, "%s %s %" PRIu64 " %s %u", hex[0], hex[1], m->commit.switch_number, m->base.id, salt);
        uint64_t number = rwd_hash64(text.data, text.size, 0);
        rwd_repair_id_of(number ? number : 1, m->plan->id);
        ok = rwd_repair_folder_of(m->data, m->plan->id, m->folder, err) && rwd_path_join(file, m->folder, RWD_REPAIR_PLAN_FILE, err);
        found = ok && !rwd_path_exists(file);
    }
    rwd_buf_deinit(&text);
    if (ok && !found) ok = rwd_fail(err, RWD_E_EXISTS, "this repair was planned %u times", FOLDERS_TRIED_MAX);
    return ok && rwd_io_make_dirs(m->o->io, m->folder, err);
}

static bool save_amendments(const making *m, rwd_error *err) {
    char file[RWD_PATH_MAX];
    rwd_buf text = {0};
    if (!m->o->amendments || m->o->lineage) return true;
    for (size_t i = 0; i < m->o->amendments->count; i++) rwd_amendment_write(&m->o->amendments->items[i], &text);
    bool ok = rwd_path_join(file, m->folder, "amendments.jsonl", err) && rwd_io_write_file(m->o->io, file, rwd_buf_slice(&text), err);
    rwd_buf_deinit(&text);
    return ok;
}

static bool save_request(making *m, rwd_error *err) {
    char file[RWD_PATH_MAX];
    rwd_buf text = {0};
    bool ok = rwd_repair_plan_save_lineage(&m->new, m->folder, m->o->io, err) && save_amendments(m, err);
    if (ok && m->logic) {
        rwd_job_print(m->o->logic, false, &text);
        ok = rwd_path_join(file, m->folder, RWD_REPAIR_LOGIC_FILE, err) && rwd_io_write_file(m->o->io, file, rwd_buf_slice(&text), err);
    }
    rwd_buf_deinit(&text);
    return ok;
}

// ---------------------------------------------------------------------------------------------- both states
static bool build_shadow(making *m, const rwd_lineage *lineage, const char *name, bool keep, rwd_shadow **out, rwd_error *err) {
    const rwd_repair_options *o = m->o;
    char folder[RWD_PATH_MAX];
    if (!rwd_path_join(folder, m->folder, name, err)) return false;
    rwd_shadow_options options = {
        .job = o->job, .clock = o->clock, .io = o->tier, .repo = o->repo, .base = &m->base, .lineage = lineage, .logics = m->logics, .until = m->live.facts.next_offset, .folder = folder,
        .keep = keep, .memory = o->memory, .every_ns = o->every_ns, .pace = o->pace, .pace_context = o->pace_context, .progress = o->progress,
    };
    if (!rwd_shadow_open(&options, out, err)) return false;
    if (o->working) o->working(o->context, *out);
    bool ok = rwd_shadow_build(*out, err);
    if (o->working) o->working(o->context, NULL);
    return ok;
}

// E4: what was skipped or replaced counts as the topic has it, so both sides have read the same.
static bool check_same_records(const making *m, const rwd_checkpoint *built, rwd_error *err) {
    const rwd_facts *is = &built->facts, *was = &m->live.facts;
    if (is->next_offset == was->next_offset && is->input_count == was->input_count && rwd_hash128_equal(is->input_hash, was->input_hash)) return true;
    (void)rwd_fail(err, RWD_E_SOURCE_CHANGED, "the records of [%" PRId64 ", %" PRId64 ") are not those that were processed: %" PRIu64 " were read below it then, %" PRIu64 " now",
                   m->base.facts.next_offset, was->next_offset, was->input_count, is->input_count);
    return rwd_error_next(err, "rewind journal check --data %s", m->data);
}

static bool build(making *m, rwd_error *err) {
    if (!build_shadow(m, &m->new, RWD_REPAIR_SHADOW, true, &m->shadow, err) || !check_same_records(m, rwd_shadow_checkpoint(m->shadow), err)) return false;
    if (!m->o->rebuild_old) return true;
    return build_shadow(m, &m->old, "old", false, &m->old_shadow, err) && check_same_records(m, rwd_shadow_checkpoint(m->old_shadow), err);
}

// ---------------------------------------------------------------------------------------------- what it comes to
// The rows of a state have the tables of the logic that decided the record below its position. The outputs are those of the lineage, where they fit.
static bool job_at(rwd_logics *logics, const rwd_lineage *lineage, int64_t position, const rwd_job **out, rwd_error *err) {
    int64_t last = position > lineage->segments[0].from ? position - 1 : lineage->segments[0].from;
    const rwd_lineage_segment *segment = &lineage->segments[rwd_lineage_segment_at(lineage, last)];
    if (rwd_hash128_equal(segment->logic, lineage->segments[lineage->segment_count - 1].logic)) return rwd_logics_last(logics, lineage, out, err);
    return rwd_logics_job(logics, segment->logic, out, err);
}

bool rwd_repair_jobs(const rwd_repair_plan *plan, const char *folder, rwd_repo *repo, rwd_logics *logics, rwd_io *io, const rwd_job **out_old, const rwd_job **out_new, rwd_error *err) {
    rwd_lineage old = {0}, new = {0};
    rwd_buf text = {0};
    bool ok = rwd_repo_load_lineage(repo, plan->old_lineage, &old, &text, err) && rwd_repair_plan_lineage(folder, io, &new, err) &&
              rwd_repair_plan_logics(plan, folder, logics, err) && job_at(logics, &old, plan->position, out_old, err) && job_at(logics, &new, plan->position, out_new, err);
    rwd_lineage_deinit(&old);
    rwd_lineage_deinit(&new);
    rwd_buf_deinit(&text);
    return ok;
}

static char *text_of(rwd_buf *text, bool known) {
    char *copy = rwd_strndup(known ? (const char *)text->data : "", known ? text->size : 0);
    rwd_buf_clear(text);
    return copy;
}

static void note_column(rwd_repair_column *out, const rwd_column_difference *column) {
    rwd_buf text = {0};
    out->name = rwd_strdup(column->name);
    out->changed = column->changed;
    out->before = text_of(&text, rwd_column_difference_sum(column, RWD_OLD, &text));
    out->after = text_of(&text, rwd_column_difference_sum(column, RWD_NEW, &text));
    out->delta = text_of(&text, rwd_column_difference_delta(column, &text));
    rwd_buf_deinit(&text);
}

static void note_tables(rwd_repair_plan *plan, const rwd_corrections_summary *summary) {
    plan->tables = rwd_calloc(summary->table_count + 1, sizeof(*plan->tables));
    for (size_t i = 0; i < summary->table_count; i++) {
        const rwd_table_difference *from = &summary->tables[i];
        if (from->changed + from->added + from->vanished == 0) continue;
        rwd_repair_table *to = &plan->tables[plan->table_count++];
        *to = (rwd_repair_table){.name = rwd_strdup(from->name), .changed = from->changed, .added = from->added, .vanished = from->vanished};
        to->columns = rwd_calloc(from->column_count + 1, sizeof(*to->columns));
        for (size_t c = 0; c < from->column_count; c++)
            if (from->columns[c].changed) note_column(&to->columns[to->column_count++], &from->columns[c]);
    }
}

static void note_sinks(rwd_repair_plan *plan, const rwd_corrections_summary *summary, const rwd_job *job) {
    plan->sinks = rwd_calloc(summary->sink_count + 1, sizeof(*plan->sinks));
    plan->sink_count = summary->sink_count;
    for (size_t i = 0; i < summary->sink_count; i++) {
        const rwd_job_sink *sink = &job->sinks[i];
        const rwd_corrections_count *count = &summary->sinks[i];
        plan->sinks[i] = (rwd_repair_sink){.table = rwd_strdup(job->tables[sink->table].schema.name), .target = rwd_strdup(sink->topic ? sink->topic : sink->path),
                                           .changed = count->changed, .added = count->added, .vanished = count->vanished};
    }
}

static void note(making *m, const rwd_corrections_summary *summary) {
    rwd_repair_plan *plan = m->plan;
    plan->rows = plan->approved = summary->rows;
    plan->corrections = summary->hash;
    note_tables(plan, summary);
    note_sinks(plan, summary, m->new_job);
    rwd_violations_note(&m->violations, plan);
    plan->rows_per_transaction = m->o->job->repair.max_transaction;
    // One moves C even where there is nothing to correct.
    plan->transactions = plan->rows ? (plan->rows + plan->rows_per_transaction - 1) / plan->rows_per_transaction : 1;
    uint64_t longest = plan->rows < plan->rows_per_transaction ? plan->rows : plan->rows_per_transaction;
    plan->readers_wait_us = (int64_t)(longest * 1000000 / RWD_REPAIR_ROWS_PER_SECOND);
}

static bool compare(making *m, const rwd_checkpoint *old_side, rwd_reader_db *old_state, rwd_reader_db *new_state, rwd_error *err) {
    const rwd_checkpoint *new_side = rwd_shadow_checkpoint(m->shadow);
    const rwd_job *old_job;
    char path[RWD_PATH_MAX];
    int64_t at = old_side->facts.next_offset;
    if (!job_at(m->logics, &m->old, at, &old_job, err) || !job_at(m->logics, &m->new, at, &m->new_job, err) || !rwd_path_join(path, m->folder, "corrections", err)) return false;
    rwd_violations_init(&m->violations, old_job, m->new_job);
    rwd_corrections_options options = {
        .old_view = {.job = old_job, .state = old_state, .stream_time = old_side->facts.stream_time, .lineage = rwd_lineage_id(&m->old)},
        .new_view = {.job = m->new_job, .state = new_state, .stream_time = new_side->facts.stream_time, .lineage = rwd_lineage_id(&m->new)},
        .next_offset = old_side->facts.next_offset, .repair = m->plan->id, .path = path, .io = m->o->io, .memory = SORT_MEMORY, .temp_dir = m->folder,
        .see = rwd_violations_see, .context = &m->violations,
    };
    rwd_corrections_summary summary;
    if (!rwd_corrections_make(&options, &summary, err)) return false;
    note(m, &summary);
    rwd_corrections_summary_deinit(&summary);
    return true;
}

// R6. One that both have with other contents is neither.
static bool count_dead(void *context, const rwd_dead_entry *a, const rwd_dead_entry *b, rwd_error *err) {
    rwd_repair_plan *plan = context;
    (void)err;
    plan->dead_new += !a;
    plan->dead_resolved += !b;
    return true;
}

static bool compare_sides(making *m, rwd_error *err) {
    rwd_reader_db *old_state = NULL, *new_state = NULL;
    char live[RWD_PATH_MAX];
    const rwd_checkpoint *old_side = m->old_shadow ? rwd_shadow_checkpoint(m->old_shadow) : &m->live;
    bool ok = rwd_repo_checkpoint_path(m->o->repo, m->live.id, live, err);
    ok = ok && rwd_state_open(m->old_shadow ? rwd_shadow_dir(m->old_shadow) : live, &old_state, err) && rwd_state_open(rwd_shadow_dir(m->shadow), &new_state, err);
    ok = ok && compare(m, old_side, old_state, new_state, err);
    ok = ok && rwd_dead_compare(m->old_shadow ? rwd_shadow_dir(m->old_shadow) : live, rwd_shadow_dir(m->shadow), count_dead, m->plan, err);
    if (ok) m->plan->old_digest = old_side->digest;
    rwd_state_close(old_state);
    rwd_state_close(new_state);
    return ok;
}

// Of the records that were replayed, those that the journal has: offsets, so that gaps of a topic count in.
static uint64_t journal_part(making *m) {
    rwd_journal *journal;
    rwd_error ignored;
    int64_t at = m->base.facts.next_offset, end = m->live.facts.next_offset, until, covered = 0;
    if (!m->o->job->source.topic || !rwd_open_journal_of(m->o->repo, m->o->io, m->o->clock, &journal, &ignored)) return 0;
    while (at < end) {
        bool here = rwd_journal_covers(journal, at, &until);
        if (until > end) until = end;
        if (here) covered += until - at;
        if (until <= at) break;
        at = until;
    }
    rwd_journal_close(journal);
    uint64_t read = m->plan->records_read, offsets = (uint64_t)(end - m->base.facts.next_offset);
    return offsets == 0 ? 0 : (uint64_t)((double)read * (double)covered / (double)offsets);
}

static void describe(making *m) {
    rwd_repair_plan *plan = m->plan;
    const rwd_checkpoint *built = rwd_shadow_checkpoint(m->shadow);
    plan->kind = rwd_strdup(m->o->kind ? m->o->kind : "repair");
    plan->undoes = rwd_strdup(m->o->undoes ? m->o->undoes : "");
    plan->who = rwd_strdup(m->o->who);
    plan->build = rwd_strdup(built->build ? built->build : "");
    plan->created_us = rwd_clock_wall_us(m->o->clock);
    plan->took_us = plan->created_us - m->began_us;
    plan->repository = rwd_repo_id(m->o->repo);
    plan->old_lineage = rwd_lineage_id(&m->old);
    plan->new_lineage = rwd_lineage_id(&m->new);
    plan->switch_number = m->commit.switch_number;
    plan->has_logic = m->logic != NULL;
    plan->amendments = m->o->lineage ? 0 : m->o->amendments ? m->o->amendments->count : 0;
    plan->rebuilt_old = m->o->rebuild_old;
    memcpy(plan->base, m->base.id, sizeof(plan->base));
    memcpy(plan->old_checkpoint, m->live.id, sizeof(plan->old_checkpoint));
    plan->base_offset = m->base.facts.next_offset;
    plan->position = m->live.facts.next_offset;
    plan->closings = m->live.facts.closings;
    plan->records_read = built->facts.input_count - m->base.facts.input_count;
    plan->records_journal = journal_part(m);
    plan->shadow_bytes = built->bytes;
    plan->new_digest = built->digest;
    if (!m->logic && !m->o->lineage) plan->from = plan->differs_from;
}

static bool make(making *m, rwd_error *err) {
    const rwd_repair_options *o = m->o;
    const rwd_job *job;
    bool ok = rwd_peek_commit(o->job, o->clock, &m->found_c, &m->commit, err) && load_old(m, err) && build_new(m, err) && choose_live(m, err) && choose_base(m, err);
    ok = ok && rwd_logics_last(m->logics, &m->new, &job, err) && check_windows(m, job, err) && find_folder(m, err) && save_request(m, err) && build(m, err) && compare_sides(m, err);
    if (!ok) return false;
    describe(m);
    return rwd_repair_plan_save(m->plan, m->folder, o->io, err);
}

bool rwd_repair_make(const rwd_repair_options *options, rwd_repair_plan *out, rwd_error *err) {
    making *m = rwd_calloc(1, sizeof(*m));
    *m = (making){.o = options, .plan = out, .began_us = rwd_clock_wall_us(options->clock)};
    *out = (rwd_repair_plan){0};
    (void)snprintf(m->data, sizeof(m->data), "%s", rwd_repo_path(options->repo));
    m->logics = rwd_logics_new(options->repo, options->job);
    bool ok = make(m, err);
    if (m->shadow) rwd_shadow_free(m->shadow);
    if (m->old_shadow) rwd_shadow_free(m->old_shadow);
    if (m->live_locked) rwd_read_lock_release(&m->live_lock);
    if (m->base_locked) rwd_read_lock_release(&m->base_lock);
    rwd_checkpoint_deinit(&m->live);
    rwd_checkpoint_deinit(&m->base);
    rwd_lineage_deinit(&m->old);
    rwd_lineage_deinit(&m->new);
    rwd_violations_deinit(&m->violations);
    rwd_logics_free(m->logics);
    free(m);
    if (!ok) rwd_repair_plan_deinit(out);
    return ok;
}
