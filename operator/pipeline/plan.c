// Plans for going back (plan.h): place, base, what is passed over and why, what is replayed.
#include "operator/pipeline/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/log.h"
#include "operator/logic/step.h"
#include "operator/pipeline/rooms.h"
#include "operator/source/journaled.h"

#define LOOK_WAIT_NS 20000000LL
#define LOOKS_WITHOUT_MAX 500  // empty batches in a row: nobody answers

typedef struct planning {
    const rwd_plan_options *options;
    rwd_plan *plan;
    rwd_lineage lineage;
    rwd_checkpoint_list list;  // newest first
    bool found_c;
    rwd_commit commit;
    const rwd_checkpoint *newest;  // usable, of this history, with the greatest X; NULL: none
    rwd_budget budget;
    rwd_source *source;        // NULL: not opened
    bool opened;               // with its journal, and found to be the one that was read
    rwd_journal *journal;      // of the data directory; NULL: the job keeps none
    int64_t from;              // where it was gone to
} planning;

static const char *const passed_texts[RWD_PASSED_COUNT] = {
    [RWD_PASSED_ABOVE] = "above the place",
    [RWD_PASSED_NOT_ASKED] = "not the one that was asked for",
    [RWD_PASSED_BAD] = "bad",
    [RWD_PASSED_MARKED] = "an invariant did not hold there",
    [RWD_PASSED_HISTORY] = "of another history: other logic, source or start made it",
    [RWD_PASSED_PRUNED] = "pruned: only its manifest is left",
};

const char *rwd_passed_text(rwd_passed_why why) { return passed_texts[why]; }

void rwd_plan_deinit(rwd_plan *plan) {
    rwd_checkpoint_deinit(&plan->base);
    rwd_lineage_deinit(&plan->lineage);
    free(plan->passed);
    *plan = (rwd_plan){0};
}

bool rwd_peek_commit(const rwd_job *job, rwd_clock *clock, bool *out_found, rwd_commit *out, rwd_error *err) {
    *out_found = false;
    if (!rwd_job_has_outputs(job)) return true;
    rwd_budget budget;
    rwd_io *io;
    rwd_sink *sink;
    if (!rwd_budget_init(&budget, job->state.memory, err) || !rwd_io_pread_new(&io, err)) return false;
    bool ok = rwd_open_sink(job, io, clock, &budget, &sink, err);
    if (ok) {
        ok = sink->ops->peek(sink, out, out_found, err);
        sink->ops->close(sink);
    }
    rwd_io_free(io);
    return ok;
}

// ---- what there is

static bool is_whole(const rwd_checkpoint *c) { return c->state == RWD_CHECKPOINT_GOOD || c->state == RWD_CHECKPOINT_UNVERIFIED; }

static bool of_history(const planning *p, const rwd_checkpoint *c) {
    return rwd_hash128_equal(c->facts.history, rwd_lineage_history(&p->lineage, c->facts.next_offset));
}

// L5: the lineage that C names; without outputs that of the newest checkpoint.
static bool load_history(planning *p, rwd_error *err) {
    rwd_checkpoint latest;
    rwd_buf text = {0};
    rwd_hash128 id = p->commit.lineage;
    if (!p->found_c) {
        if (!rwd_repo_find(p->options->repo, "latest", &latest, err)) return false;
        id = latest.facts.lineage;
        rwd_checkpoint_deinit(&latest);
    }
    bool ok = rwd_repo_load_lineage(p->options->repo, id, &p->lineage, &text, err) && rwd_repo_list(p->options->repo, &p->list, err);
    rwd_buf_deinit(&text);
    for (size_t i = 0; ok && i < p->list.count; i++) {
        const rwd_checkpoint *c = &p->list.items[i];
        if (is_whole(c) && of_history(p, c) && (!p->newest || c->facts.next_offset > p->newest->facts.next_offset)) p->newest = c;
    }
    return ok;
}

static void place_frontier(planning *p) {
    rwd_plan *plan = p->plan;
    plan->has_frontier = p->found_c;
    plan->frontier = p->found_c ? p->commit.next_offset : p->newest ? p->newest->facts.next_offset : p->lineage.genesis;
}

// ---- reading the input

static bool open_known(planning *p, rwd_error *err) {
    const rwd_plan_options *o = p->options;
    rwd_buf known = {0};
    if (p->source) return true;
    if (!rwd_budget_init(&p->budget, o->job->state.memory, err)) return false;
    rwd_known_source(o->job, o->repo, &known);
    bool ok = rwd_open_known_source(o->job, o->io, o->clock, &p->budget, rwd_buf_slice(&known), &p->source, err);
    rwd_buf_deinit(&known);
    return ok;
}

static bool open_source(planning *p, rwd_error *err) {
    const rwd_plan_options *o = p->options;
    if (p->opened) return true;
    if (!open_known(p, err)) return false;
    p->opened = true;
    if (o->job->source.topic && o->job->journal.mode == RWD_JOURNAL_ON) {
        if (!rwd_open_journal_of(o->repo, o->io, o->clock, &p->journal, err)) return false;
        rwd_journaled_source_use(p->source, p->journal);
    }
    return !p->newest || p->source->ops->check_identity(p->source, p->newest->facts.source_identity, err);
}

// Goes to the last place at or below `offset` that can be gone to: anywhere in a topic, in a file where a checkpoint's cursor stands. A pruned one's serves, too.
// `time_us`: and below it in stream time; RWD_TIME_NONE: whatever that is.
static bool go_to(planning *p, int64_t offset, int64_t time_us, rwd_error *err) {
    p->from = offset;
    if (p->source->ops->offset_for) return p->source->ops->assign(p->source, offset, rwd_slice_of(NULL, 0), err);
    const rwd_checkpoint *best = NULL;
    for (size_t i = 0; i < p->list.count; i++) {
        const rwd_checkpoint *c = &p->list.items[i];
        if (c->state == RWD_CHECKPOINT_BAD || !of_history(p, c) || c->facts.next_offset > offset || c->facts.cursor.size == 0) continue;
        if (time_us != RWD_TIME_NONE && c->facts.stream_time >= time_us) continue;
        if (!best || c->facts.next_offset > best->facts.next_offset) best = c;
    }
    p->from = best ? best->facts.next_offset : p->lineage.genesis;
    return p->source->ops->assign(p->source, p->from, best ? best->facts.cursor : rwd_slice_of(NULL, 0), err);
}

// The next batch that has any records; `out->count` 0: the input ends here.
static bool next_batch(planning *p, rwd_batch *out, rwd_error *err) {
    for (int looks = 0; looks < LOOKS_WITHOUT_MAX; looks++) {
        if (!p->source->ops->batch(p->source, RWD_BATCH_MAX, LOOK_WAIT_NS, out, err)) return false;
        if (out->count > 0 || out->end) return true;
        p->source->ops->release(p->source);
    }
    rwd_fail(err, RWD_E_BROKER, "no record came while the place was looked for");
    return rwd_error_at(err, "%s", p->source->ops->label(p->source));
}

// A time of every record: its own, or where it has none, the highest of its accepted events.
typedef struct times {
    rwd_decoder *decoder;
    rwd_step *step;
    int64_t stream_time;
} times;

static void take_event(times *t, rwd_event *event, int64_t *highest) {
    if (event->time_us == RWD_TIME_NONE || t->step->ops->judge(t->step, event, t->stream_time) != RWD_E_NONE) return;
    if (event->time_us > t->stream_time) t->stream_time = event->time_us;
    if (event->time_us > *highest) *highest = event->time_us;
}

static int64_t time_of(times *t, const rwd_record *record) {
    rwd_fault fault;
    size_t count = 0;
    int64_t highest = RWD_TIME_NONE;
    if (!t->decoder) return record->time_us;
    if (record->fault != RWD_E_NONE || record->tombstone) return RWD_TIME_NONE;
    rwd_decoder_begin(t->decoder, RWD_EVENTS_PER_RECORD_MAX);
    if (!rwd_decode_record(t->decoder, record, &count, &fault)) return RWD_TIME_NONE;
    for (size_t i = 0; i < count; i++) {
        rwd_event event = {.record = record};
        if (rwd_decode_event(t->decoder, &event, &fault)) take_event(t, &event, &highest);
    }
    return highest;
}

static void note_record(rwd_plan *plan, const rwd_record *record, int64_t time_us) {
    plan->has_record = true;
    plan->record_offset = record->offset;
    plan->record_time_us = time_us;
    plan->record_size = record->full_size;
}

static void note_later(rwd_plan *plan, const rwd_record *record, int64_t time_us, int64_t wanted_us) {
    plan->looked_at++;
    if (time_us == RWD_TIME_NONE || time_us >= wanted_us || record->offset == plan->record_offset) return;
    if (plan->earlier++ > 0) return;
    plan->earlier_offset = record->offset;
    plan->earlier_time_us = time_us;
}

// Reads on: to the first record that is at the place, and, where times are asked for, to C. `wanted_us` RWD_TIME_NONE: the place is an offset.
static bool look(planning *p, times *t, int64_t wanted_us, rwd_error *err) {
    rwd_plan *plan = p->plan;
    bool timed = wanted_us != RWD_TIME_NONE;
    plan->looked_at_all = true;
    for (;;) {
        rwd_batch batch;
        if (!next_batch(p, &batch, err)) return false;
        if (batch.count == 0) return p->source->ops->release(p->source), true;
        bool done = false;
        for (size_t i = 0; i < batch.count && !done; i++) {
            const rwd_record *record = &batch.records[i];
            int64_t time_us = time_of(t, record);
            done = record->offset >= plan->frontier && !p->options->above_c;
            if (done && plan->has_record) break;
            bool here = timed ? time_us != RWD_TIME_NONE && time_us >= wanted_us && !done : record->offset >= plan->place;
            if (here && !plan->has_record) note_record(plan, record, time_us);
            if (timed && !plan->has_record && !done && record->offset >= plan->place) plan->place = record->offset + 1;
            if (plan->has_record && (!timed || p->options->above_c)) done = true;
            if (timed && plan->has_record) note_later(plan, record, time_us, wanted_us);
            if (plan->looked_at >= RWD_PLAN_LOOK_MAX) done = true, plan->looked_at_all = false;
        }
        // The last record below C is the one before it: who has it needs to wait for none behind it.
        bool at_c = batch.records[batch.count - 1].offset + 1 >= plan->frontier && !p->options->above_c;
        done = done || (at_c && (timed || plan->has_record));
        p->source->ops->release(p->source);
        if (done) return true;
    }
}

// ---- the place

static bool has_event_time(const rwd_job *job) { return job->event.time_field >= 0; }

static bool refuse_without_times(const planning *p, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_USAGE, "records of a file have no time, and the job names none of their events (event.time)");
    (void)rwd_error_at(err, "%s", p->options->job->file);
    return rwd_error_next(err, "name the place by --offset; rewind checkpoint list %s shows the offsets of checkpoints", p->options->job->file);
}

// R2, by the events' times: the first record below C that has one at or after it; behind all, C.
static bool place_by_event_time(planning *p, rwd_error *err) {
    rwd_plan *plan = p->plan;
    times t = {.stream_time = RWD_TIME_NONE};
    size_t columns = 0;
    if (!has_event_time(p->options->job)) return refuse_without_times(p, err);
    plan->event_times = true;
    if (!go_to(p, INT64_MAX, p->options->target.time_us, err)) return false;
    plan->place = p->from;
    const char *const *names = p->source->ops->columns(p->source, &columns);
    if (!rwd_decoder_new(p->options->job, names, columns, &t.decoder, err)) return false;
    t.step = rwd_step_new(p->options->job);
    bool ok = look(p, &t, p->options->target.time_us, err);
    t.step->ops->free(t.step);
    rwd_decoder_free(t.decoder);
    if (plan->has_record) plan->place = plan->record_offset;
    return ok;
}

// R2. The broker's answer may be below: transaction markers have the time at which they were written.
static bool place_by_time(planning *p, rwd_error *err) {
    rwd_plan *plan = p->plan;
    times own = {0};
    if (!open_source(p, err)) return false;
    if (!p->source->ops->offset_for) return place_by_event_time(p, err);
    if (!p->source->ops->offset_for(p->source, p->options->target.time_us, &plan->place, err)) return false;
    if (plan->place < p->lineage.genesis) plan->place = p->lineage.genesis;  // nothing that the job read is earlier
    if (!go_to(p, plan->place, RWD_TIME_NONE, err) || !look(p, &own, p->options->target.time_us, err)) return false;
    if (plan->has_record) plan->place = plan->record_offset;
    return true;
}

static bool place_by_offset(planning *p, rwd_error *err) {
    rwd_plan *plan = p->plan;
    times none = {0};
    plan->place = p->options->target.offset;
    if (plan->place < p->lineage.genesis) {
        (void)rwd_fail(err, RWD_E_USAGE, "offset %" PRId64 " is below %" PRId64 ", where the job began", plan->place, p->lineage.genesis);
        return rwd_error_next(err, "rewind checkpoint list --data %s", rwd_repo_path(p->options->repo));
    }
    if (p->options->place_only) return true;
    // Its record is shown; where it cannot be had, the plan stands without it.
    rwd_error ignored;
    if (!open_source(p, &ignored) || !go_to(p, plan->place, RWD_TIME_NONE, &ignored) || !look(p, &none, RWD_TIME_NONE, &ignored)) plan->has_record = false;
    return true;
}

// ---- the base

static void pass(planning *p, const rwd_checkpoint *c, rwd_passed_why why, const char *more) {
    rwd_plan *plan = p->plan;
    rwd_passed *one = &plan->passed[plan->passed_count++];
    *one = (rwd_passed){.next_offset = c->facts.next_offset, .why = why};
    memcpy(one->id, c->id, sizeof(one->id));
    (void)snprintf(one->more, sizeof(one->more), "%s", more ? more : "");
}

// The least replay first; of equal ones not the independent copy; then the newest, as the list has them. Bubbles up from the list's order.
static int compare_nearness(const void *a, const void *b) {
    const rwd_checkpoint *x = *(const rwd_checkpoint *const *)a, *y = *(const rwd_checkpoint *const *)b;
    if (x->facts.next_offset != y->facts.next_offset) return x->facts.next_offset < y->facts.next_offset ? 1 : -1;
    if (x->facts.closings != y->facts.closings) return x->facts.closings < y->facts.closings ? 1 : -1;
    if (x->independent != y->independent) return x->independent ? 1 : -1;
    if (x->term != y->term) return x->term < y->term ? 1 : -1;
    return x->sequence < y->sequence ? 1 : x->sequence > y->sequence ? -1 : 0;
}

// A named one is taken as it is, marked or not; it must serve.
static bool take_named(planning *p, const rwd_checkpoint *c, rwd_error *err) {
    const rwd_plan_options *o = p->options;
    if (c->state == RWD_CHECKPOINT_PRUNED) return rwd_fail(err, RWD_E_NOT_FOUND, "checkpoint %s was pruned: only its manifest is left", c->id);
    if (c->state == RWD_CHECKPOINT_BAD) return rwd_fail(err, RWD_E_CORRUPT, "checkpoint %s is bad: %s", c->id, c->why_bad ? c->why_bad : "set aside");
    if (!of_history(p, c)) {
        (void)rwd_fail(err, RWD_E_NO_CHECKPOINT, "checkpoint %s belongs to another history: other logic, source or start made it", c->id);
        return rwd_error_next(err, "rewind checkpoint list --data %s", rwd_repo_path(o->repo));
    }
    return rwd_repo_verify(o->repo, o->io, c->id, RWD_VERIFY_NEW, NULL, err);
}

static bool try_base(planning *p, const rwd_checkpoint *c, bool *out_taken, rwd_error *err) {
    rwd_error why;
    char text[1024];
    *out_taken = false;
    bool above = c->facts.next_offset > p->plan->place || (!p->options->above_c && c->facts.next_offset > p->plan->frontier);
    if (c->state == RWD_CHECKPOINT_BAD) pass(p, c, RWD_PASSED_BAD, c->why_bad);
    else if (!of_history(p, c)) pass(p, c, RWD_PASSED_HISTORY, NULL);
    else if (above) pass(p, c, RWD_PASSED_ABOVE, NULL);
    else if (c->state == RWD_CHECKPOINT_PRUNED) pass(p, c, RWD_PASSED_PRUNED, NULL);
    else if (c->facts.violated) pass(p, c, RWD_PASSED_MARKED, c->facts.violated);
    else if (rwd_repo_verify(p->options->repo, p->options->io, c->id, RWD_VERIFY_NEW, NULL, &why)) *out_taken = true;
    else if (why.code == RWD_E_CORRUPT || why.code == RWD_E_NOT_FOUND) {
        rwd_error_format(&why, text, sizeof(text));
        pass(p, c, RWD_PASSED_BAD, text);
    } else {
        *err = why;
        return false;
    }
    return true;
}

static bool none_serves(const planning *p, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_NO_CHECKPOINT, "no good checkpoint is at or below offset %" PRId64, p->plan->place);
    (void)rwd_error_at(err, "%s", rwd_repo_path(p->options->repo));
    return rwd_error_next(err, "rewind checkpoint list --all --data %s", rwd_repo_path(p->options->repo));
}

static bool choose_base(planning *p, rwd_error *err) {
    const rwd_checkpoint **order = rwd_calloc(p->list.count + 1, sizeof(*order));
    const rwd_checkpoint *base = NULL;
    const char *named = p->options->target.kind == RWD_TARGET_CHECKPOINT ? p->plan->base.id : NULL;
    bool ok = true;
    for (size_t i = 0; i < p->list.count; i++) order[i] = &p->list.items[i];
    if (p->list.count > 1) qsort(order, p->list.count, sizeof(*order), compare_nearness);
    p->plan->passed = rwd_calloc(p->list.count + 1, sizeof(*p->plan->passed));
    for (size_t i = 0; i < p->list.count && ok && !base; i++) {
        bool taken = named && strcmp(order[i]->id, named) == 0;
        if (!named) ok = try_base(p, order[i], &taken, err);
        else if (!taken && is_whole(order[i])) pass(p, order[i], RWD_PASSED_NOT_ASKED, NULL);
        if (taken) base = order[i];
    }
    if (ok && named) ok = base ? take_named(p, base, err) : none_serves(p, err);
    else if (ok && !base) ok = none_serves(p, err);
    free(order);
    return ok && (named || rwd_repo_find(p->options->repo, base->id, &p->plan->base, err));
}

// ---- what it will take

// The most records per second between two neighbours that one process made: a replay publishes nothing and is faster.
static double best_rate(const planning *p) {
    double best = 0;
    for (size_t i = 0; i + 1 < p->list.count; i++) {
        const rwd_checkpoint *a = &p->list.items[i], *b = &p->list.items[i + 1];
        if (a->term != b->term || a->created_us <= b->created_us || a->facts.input_count <= b->facts.input_count) continue;
        double rate = (double)(a->facts.input_count - b->facts.input_count) * 1e6 / (double)(a->created_us - b->created_us);
        if (rate > best) best = rate;
    }
    return best;
}

static void estimate(planning *p) {
    rwd_plan *plan = p->plan;
    uint64_t end = p->found_c ? p->commit.input_count : p->newest ? p->newest->facts.input_count : 0, begin = plan->base.facts.input_count;
    plan->records = end > begin ? end - begin : 0;
    plan->rate = best_rate(p);
    plan->keys = p->newest ? p->newest->facts.keys : 0;
}

static bool find_place(planning *p, rwd_error *err) {
    switch (p->options->target.kind) {
    case RWD_TARGET_TIME: return place_by_time(p, err);
    case RWD_TARGET_OFFSET: return place_by_offset(p, err);
    case RWD_TARGET_CHECKPOINT: break;
    }
    if (!rwd_repo_find(p->options->repo, p->options->target.checkpoint, &p->plan->base, err))
        return rwd_error_next(err, "rewind checkpoint list --data %s", rwd_repo_path(p->options->repo));
    p->plan->place = p->plan->base.facts.next_offset;
    return true;
}

// C is the broker's to say. Where none answers, all that a checkpoint covers is known to be committed (K1), and the plan leads up to the newest of them.
static bool learn_frontier(planning *p, rwd_error *err) {
    const rwd_job *job = p->options->job;
    bool may_go_on = job->source.topic && job->journal.mode == RWD_JOURNAL_ON && rwd_job_commits_to_kafka(job) && !rwd_repo_is_new(p->options->repo);
    p->plan->no_broker = may_go_on && open_known(p, err) && rwd_source_is_alone(p->source);
    if (may_go_on && !p->source) return false;
    if (p->plan->no_broker || rwd_peek_commit(job, p->options->clock, &p->found_c, &p->commit, err)) return true;
    if (err->code != RWD_E_BROKER || !may_go_on) return false;
    rwd_log_error(RWD_LOG_WARN, "plan", err);
    p->found_c = false;
    p->plan->no_broker = true;
    return true;
}

bool rwd_plan_make(const rwd_plan_options *options, rwd_plan *out, rwd_error *err) {
    *out = (rwd_plan){.record_time_us = RWD_TIME_NONE, .place = -1};
    planning p = {.options = options, .plan = out};
    bool ok = learn_frontier(&p, err) && load_history(&p, err);
    if (ok) {
        rwd_lineage_copy(&p.lineage, &out->lineage);
        place_frontier(&p);
    }
    ok = ok && find_place(&p, err) && choose_base(&p, err);
    if (ok) estimate(&p);
    if (p.source) p.source->ops->close(p.source);
    rwd_journal_close(p.journal);
    rwd_lineage_deinit(&p.lineage);
    rwd_checkpoint_list_deinit(&p.list);
    if (!ok) rwd_plan_deinit(out);
    return ok;
}
