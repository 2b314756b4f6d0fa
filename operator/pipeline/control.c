// Requests from other threads, and the status that they see.
//
// Other threads put a request into a list and wait; the pipeline looks at one atomic flag per batch and answers at a batch boundary, where position
// and rows belong together. When the pipeline cannot answer (recovery, parked, ended) the requests are refused with the reason.
//
// Thread: functions of operator.h as stated there; the rest is the pipeline's. Locks: op->lock, never held over I/O.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"

#define RWD_PUBLISH_NS 100000000LL
// The rate shown is over at least this long.
#define RWD_RATE_NS 1000000000LL

void rwd_control_init(rwd_operator *op) {
    pthread_mutex_init(&op->lock, NULL);
    pthread_mutex_init(&op->pause_lock, NULL);
    pthread_cond_init(&op->answered, NULL);
}

void rwd_control_deinit(rwd_operator *op) {
    pthread_mutex_destroy(&op->lock);
    pthread_mutex_destroy(&op->pause_lock);
    pthread_cond_destroy(&op->answered);
}

static void refuse(const rwd_operator *op, rwd_request *request) {
    rwd_fail(&request->error, RWD_E_BUSY, "the operator is %s%s%s", rwd_phase_name(op->published.phase), op->published.reason[0] ? ": " : "",
             op->published.reason);
    rwd_error_next(&request->error, "%s", op->published.next[0] ? op->published.next : "try again when `rewind status` says running");
    request->ok = false;
    request->done = true;
}

void rwd_set_serving(rwd_operator *op, bool serving) {
    pthread_mutex_lock(&op->lock);
    op->serving = serving;
    if (!serving) {
        for (rwd_request *r = op->requests; r; r = r->next) refuse(op, r);
        op->requests = NULL;
        atomic_store(&op->has_requests, false);
        pthread_cond_broadcast(&op->answered);
    }
    pthread_mutex_unlock(&op->lock);
}

// Thread: any but pipeline. The request lives on the caller's stack until it is answered.
static bool ask(rwd_operator *op, rwd_request *request, rwd_error *err) {
    pthread_mutex_lock(&op->lock);
    if (op->serving) {
        request->next = op->requests;
        op->requests = request;
        atomic_store(&op->has_requests, true);
        while (!request->done) pthread_cond_wait(&op->answered, &op->lock);
    } else {
        refuse(op, request);
    }
    pthread_mutex_unlock(&op->lock);
    if (!request->ok && err) *err = request->error;
    return request->ok;
}

bool rwd_operator_checkpoint(rwd_operator *op, const char *tag, char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    rwd_request request = {.kind = RWD_REQUEST_CHECKPOINT};
    if (!ask(op, &request, err)) return false;
    memcpy(out_id, request.id, RWD_CHECKPOINT_ID);
    return !tag || rwd_repo_tag(op->repo, out_id, tag, err);
}

bool rwd_operator_state_get(rwd_operator *op, const rwd_job *job, uint16_t table, rwd_slice key, bool *out_found, rwd_buf *out_row, int64_t *out_offset, rwd_error *err) {
    rwd_request request = {.kind = RWD_REQUEST_GET, .job = job, .table = table, .key = key, .row = out_row};
    if (!ask(op, &request, err)) return false;
    *out_found = request.found;
    *out_offset = request.offset;
    return true;
}

// Takes answered requests out of the list. Holds the lock.
static void drop_answered(rwd_operator *op) {
    rwd_request **at = &op->requests;
    while (*at) {
        if ((*at)->done) *at = (*at)->next;
        else at = &(*at)->next;
    }
    atomic_store(&op->has_requests, op->requests != NULL);
    pthread_cond_broadcast(&op->answered);
}

bool rwd_refuse_phase(rwd_operator *op, rwd_error *err) {
    rwd_status *now = rwd_calloc(1, sizeof(*now));
    rwd_operator_status(op, now);
    rwd_phase phase = now->phase;
    free(now);
    if (phase == RWD_PHASE_RUNNING || phase == RWD_PHASE_WAITING || phase == RWD_PHASE_PAUSED || phase == RWD_PHASE_PARKED) return false;
    rwd_fail(err, RWD_E_BUSY, "the operator is %s", rwd_phase_name(phase));
    rwd_error_next(err, "try again when `rewind status --data %s` says running", op->data);
    return true;
}

void rwd_serve_requests(rwd_operator *op) {
    if (!atomic_load_explicit(&op->has_requests, memory_order_relaxed)) return;
    pthread_mutex_lock(&op->lock);
    for (rwd_request *r = op->requests; r; r = r->next) {
        if (r->kind != RWD_REQUEST_GET) continue;
        r->ok = r->job == op->job || rwd_fail(&r->error, RWD_E_BUSY, "the operator has gone on with another job file meanwhile");
        r->ok = r->ok && rwd_tables_get(op->tables, r->table, r->key, &r->found, r->row, &r->error);
        r->offset = op->position.next_offset;
        r->done = true;
    }
    drop_answered(op);
    pthread_mutex_unlock(&op->lock);
}

bool rwd_checkpoint_requested(rwd_operator *op) {
    if (!atomic_load_explicit(&op->has_requests, memory_order_relaxed)) return false;
    pthread_mutex_lock(&op->lock);
    bool found = false;
    for (const rwd_request *r = op->requests; r; r = r->next) found |= r->kind == RWD_REQUEST_CHECKPOINT && !r->begun;
    pthread_mutex_unlock(&op->lock);
    return found;
}

void rwd_begin_checkpoints(rwd_operator *op) {
    if (!atomic_load(&op->has_requests)) return;
    pthread_mutex_lock(&op->lock);
    for (rwd_request *r = op->requests; r; r = r->next) r->begun = true;
    pthread_mutex_unlock(&op->lock);
}

void rwd_answer_checkpoints(rwd_operator *op, const char *id, const rwd_error *failure) {
    if (!atomic_load(&op->has_requests)) return;
    pthread_mutex_lock(&op->lock);
    for (rwd_request *r = op->requests; r; r = r->next) {
        if (r->kind != RWD_REQUEST_CHECKPOINT || (id && !r->begun)) continue;
        r->ok = id != NULL;
        if (id) memcpy(r->id, id, RWD_CHECKPOINT_ID);
        else r->error = *failure;
        r->done = true;
    }
    drop_answered(op);
    pthread_mutex_unlock(&op->lock);
}

// ---------------------------------------------------------------------------------------------- status

static uint64_t resident_bytes(void) {
    char text[128];
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    uint64_t pages = 0;
    if (fgets(text, sizeof(text), file) && sscanf(text, "%*u %" SCNu64, &pages) != 1) pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void fill_dead(rwd_operator *op, rwd_status *s) {
    rwd_dead_stats dead;
    rwd_dead_get_stats(op->dead, &dead);
    s->dead_open = dead.open_total, s->dead_failed = dead.failed_total, s->dead_bytes = dead.bytes;
    memcpy(s->dead_open_by, dead.open, sizeof s->dead_open_by);
    memcpy(s->dead_failed_by, dead.failed, sizeof s->dead_failed_by);
    s->dead_oldest = dead.has_oldest ? dead.oldest.offset : -1;
    s->dead_oldest_us = dead.has_oldest && dead.oldest_us != RWD_TIME_NONE ? dead.oldest_us : 0;
    s->dead_since = op->dead_since;
    s->redriven = op->redriven.applied, s->redriven_failed = op->redriven.failed, s->redriven_duplicate = op->redriven.duplicate;
}

static void fill_state(rwd_operator *op, rwd_status *s) {
    if (!op->tables) return;
    rwd_tables_stats t;
    rwd_tables_get_stats(op->tables, &t);
    s->keys = t.keys, s->hot_slots = t.hot_slots, s->hot_bytes = t.hot_bytes, s->dirty = t.dirty, s->hits = t.hits, s->misses = t.misses;
    s->evicted = t.evicted, s->splits = t.splits, s->full = t.full, s->store_reads = t.store_reads, s->hot_complete = t.complete;
    s->table_count = op->job->table_count;
    for (size_t i = 0; i < s->table_count; i++) {
        snprintf(s->tables[i].name, sizeof(s->tables[i].name), "%s", op->schemas[i].name);
        s->tables[i].keys = rwd_tables_keys(op->tables, (uint16_t)i);
        s->tables[i].windowed = op->schemas[i].window.kind != RWD_WINDOW_NONE;
        s->tables[i].late = op->late[i];
    }
    if (op->dedup) {
        rwd_dedup_stats ids;
        rwd_dedup_get_stats(op->dedup, &ids);
        s->dedup_ids = ids.ids, s->dedup_bytes = ids.bytes, s->dedup_reads = ids.store_reads;
    }
    if (op->watch) rwd_watch_status(op->watch, s);
    fill_dead(op, s);
    rwd_fill_journal_status(op);
    s->memory_total = op->budget.total;
    s->memory_kafka = op->budget.aside;
    s->memory_hot = atomic_load(&op->budget.used[RWD_SHARE_HOT]);
    s->memory_frozen = atomic_load(&op->budget.used[RWD_SHARE_FROZEN]);
    s->memory_sink = atomic_load(&op->budget.used[RWD_SHARE_SINK]);
    s->memory_source = atomic_load(&op->budget.used[RWD_SHARE_SOURCE]);
}

static void fill_sink(rwd_operator *op, rwd_status *s) {
    if (!op->sink) {
        rwd_watchdog_end(&op->dog, RWD_STAGE_SINK);
        rwd_watchdog_end(&op->dog, RWD_STAGE_COMMIT);
        s->sink_away_us = 0;
        return;
    }
    rwd_sink_stats k;
    op->sink->ops->stats(op->sink, &k);
    rwd_watchdog_since(&op->dog, RWD_STAGE_SINK, k.sending_ns);
    rwd_watchdog_since(&op->dog, RWD_STAGE_COMMIT, k.committing_ns);
    s->sink_away_us = k.away_us;
    const rwd_sink_stats *earlier = &op->earlier, *last = k.last_commit_us ? &k : earlier;
    s->commits = earlier->commits + k.commits, s->commit_repeats = earlier->repeats + k.repeats, s->rows = earlier->rows + k.rows, s->output_bytes = earlier->bytes + k.bytes;
    s->last_commit_us = last->last_commit_us, s->last_commit_ns = last->last_commit_ns;
}

static void fill_position(rwd_operator *op, rwd_status *s, int64_t now) {
    const rwd_position *p = &op->position;
    s->position = p->next_offset, s->frontier = op->frontier, s->stream_time = p->stream_time, s->input_hash = p->input_hash;
    s->read = p->counts.read, s->applied = p->counts.applied, s->late = p->counts.late, s->duplicate = p->counts.duplicate, s->dead = p->counts.dead, s->dropped = p->counts.dropped;
    s->read_live = p->counts.read - op->replay_base;
    if (op->source) op->source->ops->progress(op->source, &s->source_done, &s->source_total);
    memcpy(s->checkpoint_id, op->checkpoint_id, sizeof(s->checkpoint_id));
    s->checkpoint_offset = op->checkpoint_at;
    s->checkpoint_running = op->freeze_at >= 0;
    if (op->rate_ns == 0 || p->counts.read < op->rate_read) {
        op->rate_ns = now, op->rate_read = p->counts.read;
    } else if (now - op->rate_ns >= RWD_RATE_NS) {
        s->rate = (double)(p->counts.read - op->rate_read) * 1e9 / (double)(now - op->rate_ns);
        op->rate_ns = now, op->rate_read = p->counts.read;
    }
}

// Records: what is readable and not processed. Seconds: the oldest of them came after the newest processed one, and after the last moment when there was none.
static void fill_lag(rwd_operator *op, rwd_status *s, int64_t end) {
    int64_t wall = rwd_clock_wall_us(op->clock);
    s->lag_records = s->lag_s = s->lag_us = RWD_LAG_UNKNOWN;
    if (end < 0 || op->position.next_offset < 0) return;
    s->lag_records = end > op->position.next_offset ? end - op->position.next_offset : 0;
    if (s->lag_records == 0) op->caught_up_us = wall;
    int64_t since = op->record_time_us > op->caught_up_us ? op->record_time_us : op->caught_up_us;
    if (s->lag_records == 0 || since > wall) s->lag_us = 0;
    else if (since > 0) s->lag_us = wall - since;
    if (s->lag_us != RWD_LAG_UNKNOWN) s->lag_s = s->lag_us / 1000000;
}

// A broker that is away while we recover is known by what failed; later the source and the sink know.
static void fill_outlook(rwd_operator *op, rwd_status *s) {
    rwd_outlook outlook = {.begin = -1, .end = -1};
    if (op->source && op->source->ops->outlook) op->source->ops->outlook(op->source, &outlook);
    if (op->keeper) rwd_keeper_tell_begin(op->keeper, outlook.begin);
    fill_lag(op, s, op->source && op->sink ? outlook.end : -1);
    rwd_watchdog_since(&op->dog, RWD_STAGE_FETCH, s->phase == RWD_PHASE_PAUSED ? 0 : outlook.waiting_ns);
    s->source_away_us = op->away_us && op->job->source.topic ? op->away_us : outlook.away_us;
    if (op->away_us && rwd_job_commits_to_kafka(op->job)) s->sink_away_us = op->away_us;
}

static void fill_stage(rwd_operator *op, int64_t now) {
    if (op->freeze_at >= 0 && !op->freeze_waits) rwd_watchdog_begin(&op->dog, RWD_STAGE_CHECKPOINT, now);
    else rwd_watchdog_end(&op->dog, RWD_STAGE_CHECKPOINT);
}

// From the offsets that are done and those that are left.
static void fill_replay(const rwd_operator *op, rwd_status *s, int64_t now) {
    int64_t done = op->position.next_offset - s->replay_from, left = s->replay_to - op->position.next_offset;
    s->replay_left_ns = 0;
    if (s->phase != RWD_PHASE_REPLAYING || done <= 0 || left <= 0) return;
    s->replay_left_ns = (int64_t)((double)(now - op->replay_began_ns) * (double)left / (double)done);
}

// A line of replay: where it stands, and when it will be done.
static void show_replay(const rwd_status *s) {
    char line[256];
    int64_t whole = s->replay_to - s->replay_from, done = s->position - s->replay_from;
    snprintf(line, sizeof(line), "%s  offset %" PRId64 " of [%" PRId64 ", %" PRId64 ") (%.0f %%)  %.0f records/s  about %" PRId64 " s left", rwd_phase_name(s->phase), s->position,
             s->replay_from, s->replay_to, whole > 0 ? 100.0 * (double)done / (double)whole : 100.0, s->rate, s->replay_left_ns / 1000000000);
    rwd_log_progress(line);
}

static void show_progress(const rwd_operator *op, const rwd_status *s) {
    char line[256], of[64] = "";
    if (s->phase == RWD_PHASE_REPLAYING) {
        show_replay(s);
        return;
    }
    if (s->source_total > 0) snprintf(of, sizeof(of), " (%.0f %%)", 100.0 * (double)s->source_done / (double)s->source_total);
    int64_t ago = s->checkpoint_us > 0 ? (rwd_clock_wall_us(op->clock) - s->checkpoint_us) / 1000000 : -1;
    char last[64] = "none yet";
    if (ago >= 0) snprintf(last, sizeof(last), "%.8s %" PRId64 " s ago", s->checkpoint_id, ago);
    snprintf(line, sizeof(line), "%s  %.0f records/s  offset %" PRId64 "%s  %" PRIu64 " keys  checkpoint %s", rwd_phase_name(s->phase), s->rate,
             s->position, of, s->keys, last);
    rwd_log_progress(line);
}

void rwd_publish(rwd_operator *op, bool force) {
    int64_t now = rwd_clock_ns(op->clock);
    if (!force && now - op->published_ns < RWD_PUBLISH_NS) return;
    op->published_ns = op->status.heartbeat_ns = now;
    fill_state(op, &op->status);
    fill_sink(op, &op->status);
    fill_position(op, &op->status, now);
    fill_replay(op, &op->status, now);
    fill_outlook(op, &op->status);
    fill_stage(op, now);
    op->status.memory_resident = resident_bytes();
    pthread_mutex_lock(&op->lock);
    op->published = op->status;
    pthread_mutex_unlock(&op->lock);
    if (op->options.progress) show_progress(op, &op->status);
}

void rwd_set_phase(rwd_operator *op, rwd_phase phase) {
    bool changed = op->status.phase != phase;
    op->status.phase = phase;
    if (changed) rwd_publish(op, true);
}

void rwd_operator_status(rwd_operator *op, rwd_status *out) {
    pthread_mutex_lock(&op->lock);
    *out = op->published;
    pthread_mutex_unlock(&op->lock);
    int64_t wall = rwd_clock_wall_us(op->clock);
    if (out->source_away_us) out->source_away_ns = (wall - out->source_away_us) * 1000;
    if (out->sink_away_us) out->sink_away_ns = (wall - out->sink_away_us) * 1000;
    rwd_watchdog_look(&op->dog, op->clock, out);
}

void rwd_operator_lineage(rwd_operator *op, rwd_lineage *out, int64_t *out_frontier) {
    pthread_mutex_lock(&op->lock);
    rwd_lineage_copy(&op->lineage, out);
    *out_frontier = op->published.frontier;
    pthread_mutex_unlock(&op->lock);
}
