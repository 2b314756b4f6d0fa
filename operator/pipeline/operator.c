// The life of an operator: rooms put together, sessions, the main loop, the end.
//
// Thread: pipeline, but for what operator.h marks "any".
#include "operator/pipeline/operator.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/io/probe.h"
#include "operator/base/crash_point.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/base/version.h"
#include "operator/pipeline/operator_private.h"
#include "operator/pipeline/rooms.h"
#include "operator/sink/file.h"
#include "operator/source/amended.h"

// Wait before another session after a rollback: doubled each time.
#define RWD_BACKOFF_NS 200000000LL
// How long the keeper may take to come to its end behind the last checkpoint, and how often we look whether we are asked to stop.
#define RWD_DRAIN_NS 60000000000LL
#define RWD_DRAIN_STEP_NS 100000000LL
// While a broker is away: doubled as often as this, so that the longest is 6 seconds.
#define RWD_WAITS_MAX 5
// How often it is said that it is still waited for.
#define RWD_SAY_AGAIN_NS 60000000000LL
// How often a parked operator looks whether it is asked to stop.
#define RWD_PARKED_NS 100000000LL

bool rwd_operator_new(const rwd_operator_options *options, rwd_operator **out, rwd_error *err) {
    return rwd_operator_new_with(options, &(rwd_operator_hooks){0}, out, err);
}

_Static_assert(RWD_IO_WANTED_AUTO == (int)RWD_IO_TIER_AUTO && RWD_IO_WANTED_PREAD == (int)RWD_IO_TIER_PREAD &&
                   RWD_IO_WANTED_URING == (int)RWD_IO_TIER_URING && RWD_IO_WANTED_URING_REGISTERED == (int)RWD_IO_TIER_URING_REGISTERED,
               "the words of state.io stand for tiers");

// The tier is chosen once, where the files will be.
static bool open_io(rwd_operator *op, rwd_error *err) {
    rwd_io_probe probe;
    rwd_buf text = {0};
    if (!rwd_io_new(op->data, op->options.io, &op->io, &probe, err)) return false;
    rwd_io_probe_text(&probe, &text);
    rwd_log(RWD_LOG_INFO, "io", "tier %s", rwd_buf_cstr(&text));
    rwd_buf_deinit(&text);
    return true;
}

// The job's own data directory, or another one.
static bool set_data(rwd_operator *op, rwd_error *err) {
    if (!op->options.data) return rwd_job_data_path(op->job, op->data, err);
    snprintf(op->data, sizeof(op->data), "%.4000s", op->options.data);
    return true;
}

static void take_schemas(rwd_operator *op) {
    op->schema_count = rwd_job_schemas(op->job, op->schemas);
    op->has_sessions = op->schema_count > op->job->table_count;
}

// All that follows from the job, but for schemas, source, decoder and what sessions make.
static void make_for_job(rwd_operator *op) {
    op->update_sinks = rwd_calloc(op->job->sink_count + 1, sizeof(*op->update_sinks));
    for (size_t i = 0; i < op->job->sink_count; i++)
        if (op->job->sinks[i].emit == RWD_EMIT_UPDATE) op->update_sinks[op->update_sink_count++] = i;
    op->step = rwd_step_new(op->job);
    rwd_group_init(&op->group, op->job, op->step);
    for (size_t i = 0; i < op->job->table_count && !op->due; i++) {
        if (op->job->tables[i].schema.window.kind == RWD_WINDOW_NONE) continue;
        op->due = rwd_calloc(RWD_CLOSE_PORTION, sizeof(*op->due));
        op->due_touches = rwd_calloc(2 * (size_t)RWD_CLOSE_PORTION, sizeof(*op->due_touches));
    }
    rwd_status *s = &op->status;
    s->plugin_count = rwd_plugins_count(op->job->plugins.loaded);
    for (size_t i = 0; i < s->plugin_count; i++) {
        const rwd_plugin_facts *plugin = rwd_plugins_at(op->job->plugins.loaded, i);
        snprintf(s->plugins[i].name, sizeof(s->plugins[i].name), "%s", plugin->name);
        s->plugins[i].hash = plugin->hash;
    }
    s->fingerprint = op->job->logic;
}

static void drop_for_job(rwd_operator *op) {
    if (op->step) op->step->ops->free(op->step);
    rwd_group_deinit(&op->group);
    free(op->due);
    free(op->due_touches);
    free(op->update_sinks);
    rwd_answers_deinit(&op->answers);
    op->step = NULL;
    op->group = (rwd_group){0};
    op->due = NULL;
    op->due_touches = NULL;
    op->update_sinks = NULL;
    op->update_sink_count = 0;
    op->answers = (rwd_answers){0};
}

static void close_source(rwd_operator *op) {
    if (op->source) op->source->ops->close(op->source);
    rwd_decoder_free(op->decoder);
    op->source = op->raw_source = NULL;
    op->decoder = NULL;
}

static void set_job(rwd_operator *op, const rwd_job *job) {
    pthread_mutex_lock(&op->lock);
    op->job = job;
    pthread_mutex_unlock(&op->lock);
}

void rwd_take_job(rwd_operator *op, const rwd_job *job) {
    assert(!op->sink && !op->tables);
    close_source(op);  // it knows how records are written
    rwd_buf_clear(&op->source_identity);
    drop_for_job(op);
    set_job(op, job);
    take_schemas(op);
    make_for_job(op);
    memset(op->late, 0, sizeof(op->late));
    rwd_publish(op, true);
}

bool rwd_take_job_in_place(rwd_operator *op, const rwd_job *job, rwd_error *err) {
    assert(!op->last_record && !op->inside_record && op->freeze_at < 0);
    rwd_decoder_free(op->decoder);
    op->decoder = NULL;
    drop_for_job(op);
    set_job(op, job);
    make_for_job(op);  // the schemas, which tables and their threads read, say the same already
    if (op->watch) rwd_watch_take_job(op->watch, job);
    return rwd_open_decoder(op, err);
}

bool rwd_operator_new_with(const rwd_operator_options *options, const rwd_operator_hooks *hooks, rwd_operator **out, rwd_error *err) {
    rwd_operator *op = rwd_calloc(1, sizeof(*op));
    op->options = *options;
    op->hooks = *hooks;
    op->job = options->job;
    op->clock = options->clock;
    op->frontier = op->committing = op->freeze_at = op->checkpoint_at = op->hold_offset = -1;
    op->status.stream_time = RWD_TIME_NONE;
    op->status.checkpoint_offset = -1;
    rwd_control_init(op);
    *out = op;
    uint64_t memory = options->manner && options->manner->memory ? options->manner->memory : op->job->state.memory;
    if (!set_data(op, err) || !rwd_budget_init(&op->budget, memory, err) || !open_io(op, err) ||
        !rwd_io_clone(op->io, &op->repo_io, err) || !rwd_io_pread_new(&op->pause_io, err)) {
        rwd_operator_free(op);
        *out = NULL;
        return false;
    }
    rwd_budget_set_aside(&op->budget, rwd_memory_aside(op->job, memory));
    if (getrandom(&op->owner, sizeof(op->owner), 0) != (ssize_t)sizeof(op->owner)) op->owner = (uint64_t)rwd_clock_wall_us(op->clock);
    take_schemas(op);
    make_for_job(op);

    rwd_status *s = &op->status;
    snprintf(s->job, sizeof(s->job), "%s", op->job->name);
    snprintf(s->data, sizeof(s->data), "%.1000s", op->data);
    snprintf(s->version, sizeof(s->version), "%s", rwd_version_text());
    snprintf(s->io_tier, sizeof(s->io_tier), "%s", rwd_io_tier_name(op->io->tier));
    s->pid = (uint64_t)getpid();
    s->started_us = rwd_clock_wall_us(op->clock);
    if (op->job->source.topic) snprintf(s->source, sizeof(s->source), "%.900s/%u", op->job->source.topic, op->job->source.partition);
    rwd_publish(op, true);
    return true;
}

void rwd_operator_free(rwd_operator *op) {
    if (!op) return;
    close_source(op);
    drop_for_job(op);
    rwd_lineage_deinit(&op->lineage);
    rwd_buf_deinit(&op->source_identity);
    rwd_buf_deinit(&op->cursor);
    rwd_buf_deinit(&op->redrive.origin);
    if (op->logics != op->options.logics) rwd_logics_free(op->logics);
    rwd_repo_close(op->repo);
    rwd_io_free(op->pause_io);
    rwd_io_free(op->repo_io);
    rwd_io_free(op->io);
    rwd_buf_deinit(&op->due_again);
    free(op->rebuilt);
    rwd_control_deinit(op);
    free(op);
}

// --fresh: what is there is moved aside under a name of its own, never deleted.
static bool move_aside(rwd_operator *op, const char *path, rwd_error *err) {
    if (!rwd_path_exists(path)) return true;
    char aside[RWD_PATH_MAX + 32];
    snprintf(aside, sizeof(aside), "%s.before-%" PRId64, path, rwd_clock_wall_us(op->clock) / 1000);
    if (!rwd_io_rename(op->io, path, aside, err)) return false;
    rwd_log(RWD_LOG_WARN, "operator", "--fresh: moved %s to %s", path, aside);
    return true;
}

static bool start_fresh(rwd_operator *op, rwd_error *err) {
    // Whoever still runs on it keeps it: the lock is tried first.
    if (rwd_path_exists(op->data)) {
        rwd_repo *repo = NULL;
        char partition[RWD_PARTITION_TEXT];
        rwd_job_partition_text(op->job, partition);
        rwd_repo_options options = {.path = op->data, .job = op->job->name, .partition = partition};
        rwd_error why;
        if (rwd_repo_open_owner(&options, op->repo_io, op->clock, &repo, &why)) rwd_repo_close(repo);
        else if (why.code == RWD_E_LOCKED) {
            *err = why;
            return false;
        }
    }
    if (!move_aside(op, op->data, err)) return false;
    if (rwd_job_commits_to_kafka(op->job)) return true;  // what is committed there is judged by recovery
    if (op->job->sink_count > 0 || op->job->dead_letter_path) {
        char log[RWD_PATH_MAX];
        if (!rwd_file_sink_log_path(op->job, log, err) || !move_aside(op, log, err)) return false;
    }
    for (size_t i = 0; i < op->job->sink_count; i++)
        if (!move_aside(op, op->job->sinks[i].path, err)) return false;
    return !op->job->dead_letter_path || move_aside(op, op->job->dead_letter_path, err);
}

// What was asked since `asked_us` has no answer; the source may know of an earlier silence.
static int64_t away_since(const rwd_operator *op, int64_t asked_us) {
    rwd_outlook outlook = {.begin = -1, .end = -1};
    if (op->source && op->source->ops->outlook) op->source->ops->outlook(op->source, &outlook);
    return outlook.away_us ? outlook.away_us : asked_us;
}

// A broker that is away is waited for, with longer and longer pauses. False: asked to stop meanwhile.
static bool wait_for_broker(rwd_operator *op, int64_t asked_us, const rwd_error *err) {
    unsigned doubled = op->waits < RWD_WAITS_MAX ? op->waits : RWD_WAITS_MAX;
    op->waits++;
    int64_t now = rwd_clock_ns(op->clock);
    if (op->waits_said_ns == 0 || now - op->waits_said_ns >= RWD_SAY_AGAIN_NS) {
        op->waits_said_ns = now;
        rwd_log_error(RWD_LOG_WARN, "operator", err);
    }
    rwd_error_format(err, op->status.reason, sizeof(op->status.reason));
    snprintf(op->status.next, sizeof(op->status.next), "%s", err->next);
    if (op->away_us == 0) op->away_us = away_since(op, asked_us);
    rwd_set_phase(op, RWD_PHASE_STARTING);
    rwd_publish(op, true);
    int64_t until = rwd_clock_ns(op->clock) + (RWD_BACKOFF_NS << doubled);
    while (!atomic_load(&op->stop) && rwd_clock_ns(op->clock) < until) op->clock->sleep_ns(op->clock, RWD_BACKOFF_NS);
    return !atomic_load(&op->stop);
}

static void broker_is_back(rwd_operator *op) {
    if (op->away_us) {
        char since[RWD_TIME_TEXT_MAX];
        rwd_time_text_ms(op->away_us, since);
        rwd_log(RWD_LOG_INFO, "operator", "a broker answers again; there was none since %s", since);
    }
    op->waits = 0;
    op->away_us = op->waits_said_ns = 0;
    op->status.reason[0] = op->status.next[0] = '\0';
}

// A shadow's own repository is empty: what is known of the source is in its base's.
static bool open_real_source(rwd_operator *op, rwd_error *err) {
    rwd_buf known = {0};
    rwd_repo *repo = op->options.journal_of ? op->options.journal_of : op->repo;
    bool open = false, waits = true;
    if (repo) rwd_known_source(op->job, repo, &known);
    while (!open && waits) {
        int64_t asked_us = rwd_clock_wall_us(op->clock);
        open = rwd_open_known_source(op->job, op->io, op->clock, &op->budget, rwd_buf_slice(&known), &op->raw_source, err);
        waits = open || (err->decision == RWD_RETRY && wait_for_broker(op, asked_us, err));
    }
    rwd_buf_deinit(&known);
    return open;
}

static bool open_source(rwd_operator *op, rwd_error *err) {
    if (op->hooks.open_source) op->raw_source = op->hooks.open_source(op->hooks.context);
    else if (!open_real_source(op, err)) return false;
    op->source = rwd_amended_source_new(op->raw_source, op->job->event.max_size);
    snprintf(op->status.source, sizeof(op->status.source), "%s", op->source->ops->label(op->source));
    if (!op->source->ops->identity(op->source, &op->source_identity, &op->source_hash, err)) return false;
    op->origin = op->source->ops->origin ? op->source->ops->origin(op->source) : NULL;
    op->partitions = op->source->ops->partitions ? op->source->ops->partitions(op->source) : 1;
    // A followed file may have no header yet; then the first record makes the decoder.
    size_t columns = 0;
    bool awaited = op->job->source.format == RWD_FORMAT_CSV && op->job->source.csv_header && op->job->source.follow &&
                   !op->source->ops->columns(op->source, &columns);
    return awaited || rwd_open_decoder(op, err);
}

bool rwd_open_decoder(rwd_operator *op, rwd_error *err) {
    size_t columns = 0;
    const char *const *names = op->source->ops->columns(op->source, &columns);
    return rwd_decoder_new(op->job, names, columns, &op->decoder, err);
}

bool rwd_operator_open(rwd_operator *op, rwd_error *err) {
    // A broker may have to be waited for: that is done by run, behind open doors. What --fresh moves aside must have a successor.
    bool later = op->job->source.topic && !op->options.fresh && !op->hooks.open_source;
    if (!later && !open_source(op, err)) return false;
    if (op->options.fresh && !start_fresh(op, err)) return false;
    char partition[RWD_PARTITION_TEXT];
    rwd_job_partition_text(op->job, partition);
    rwd_repo_options options = {.path = op->data, .job = op->job->name, .partition = partition, .create = true};
    if (!rwd_repo_open_owner(&options, op->repo_io, op->clock, &op->repo, err)) return false;
    op->status.repository = rwd_repo_id(op->repo);
    op->status.term = rwd_repo_term(op->repo);
    op->logics = op->options.logics ? op->options.logics : rwd_logics_new(op->repo, op->options.job);
    return op->options.restore_to || op->options.from_output || rwd_load_pause(op, err);
}

// ---------------------------------------------------------------------------------------------- sessions

static bool open_sink(rwd_operator *op, rwd_error *err) {
    if (op->hooks.open_sink) {
        op->sink = op->hooks.open_sink(op->hooks.context);
        return true;
    }
    return rwd_open_sink(op->job, op->io, op->clock, &op->budget, &op->sink, err);
}

// A checkpoint is made of these. Returns how many.
static size_t participants_of(rwd_operator *op, rwd_participant *out[RWD_PARTICIPANTS_MAX]) {
    size_t count = 0;
    out[count++] = rwd_tables_participant(op->tables);
    if (op->timers) out[count++] = rwd_timers_participant(op->timers);
    if (op->dedup) out[count++] = rwd_dedup_participant(op->dedup);
    if (op->watch) out[count++] = rwd_watch_participant(op->watch);
    out[count++] = rwd_dead_participant(op->dead);
    if (op->journal) out[count++] = rwd_journal_participant(op->journal);
    return count;
}

bool rwd_open_session(rwd_operator *op, rwd_error *err) {
    if (!op->source && !open_source(op, err)) return false;
    snprintf(op->live, sizeof(op->live), "%.3900s/%u", rwd_repo_live(op->repo), ++op->session);
    if (!rwd_io_mkdir(op->io, op->live, err)) return false;
    if (!rwd_open_session_journal(op, err)) return false;
    if (!open_sink(op, err)) return false;
    if (!rwd_tables_new(op->schemas, op->schema_count, &op->budget, &op->tables, err)) return false;
    if (op->due) op->timers = rwd_timers_new(&op->budget);
    op->watch = rwd_watch_new(op->job, op->clock, op->tables);
    if (op->job->event.within_us > 0) op->dedup = rwd_dedup_new(&op->budget, op->job->event.within_us);
    op->dead = rwd_dead_new(&op->budget);
    rwd_participant *participants[RWD_PARTICIPANTS_MAX];
    size_t count = participants_of(op, participants);
    rwd_io *io = NULL;
    if (!rwd_io_clone(op->io, &io, err)) return false;
    return rwd_checkpointer_new(op->repo, participants, count, io, op->clock, &op->checkpointer, err);
}

void rwd_warm_up(rwd_operator *op) {
    if (op->warm) return;
    bool tables = rwd_tables_warm(op->tables, RWD_WARM_ROWS), ids = !op->dedup || rwd_dedup_warm(op->dedup, RWD_WARM_ROWS);
    op->warm = tables && ids;
}

static const char *folder_of(rwd_operator *op, const rwd_participant *participant, const rwd_open_dirs *dirs) {
    if (participant == rwd_tables_participant(op->tables)) return dirs->tables;
    return op->timers && participant == rwd_timers_participant(op->timers) ? dirs->timers : dirs->rest;
}

bool rwd_open_participants(rwd_operator *op, const char *checkpoint_dir, rwd_error *err) {
    return rwd_open_participants_from(op, &(rwd_open_dirs){checkpoint_dir, checkpoint_dir, checkpoint_dir}, err);
}

bool rwd_open_participants_from(rwd_operator *op, const rwd_open_dirs *dirs, rwd_error *err) {
    rwd_participant *participants[RWD_PARTICIPANTS_MAX];
    size_t count = participants_of(op, participants);
    for (size_t i = 0; i < count; i++)
        if (!participants[i]->ops->open(participants[i], folder_of(op, participants[i], dirs), op->live, err)) return false;
    if (op->watch) rwd_watch_silently(op->watch);
    return true;
}

// What it has committed stays counted.
void rwd_drop_sink(rwd_operator *op) {
    rwd_sink_stats k;
    if (!op->sink) return;
    op->sink->ops->stats(op->sink, &k);
    op->earlier.commits += k.commits, op->earlier.repeats += k.repeats, op->earlier.rows += k.rows, op->earlier.bytes += k.bytes;
    if (k.last_commit_us) op->earlier.last_commit_us = k.last_commit_us, op->earlier.last_commit_ns = k.last_commit_ns;
    op->sink->ops->close(op->sink);
    op->sink = NULL;
}

void rwd_close_session(rwd_operator *op) {
    rwd_set_serving(op, false);
    if (op->source) op->source->ops->release(op->source);
    op->last_record = NULL;
    rwd_keeper_free(op->keeper);
    rwd_checkpointer_free(op->checkpointer);
    rwd_close_session_journal(op);
    if (op->sink && op->sink->ops->give_up && atomic_load(&op->stop)) op->sink->ops->give_up(op->sink);
    rwd_drop_sink(op);
    if (op->tables) {
        rwd_participant *participant = rwd_tables_participant(op->tables);
        participant->ops->discard(participant);
        rwd_tables_free(op->tables);
    }
    rwd_timers_free(op->timers);
    rwd_dedup_free(op->dedup);
    rwd_watch_free(op->watch);
    rwd_dead_free(op->dead);
    op->dead = NULL;
    op->redrive.record = NULL;
    op->inserted = 0;
    op->timers = NULL;
    op->dedup = NULL;
    op->watch = NULL;
    op->held = false;
    op->keeper = NULL;
    op->checkpointer = NULL;
    op->tables = NULL;
    op->committing = op->freeze_at = op->hold_offset = -1;
    for (int i = 0; i < RWD_STAGE_COUNT; i++) rwd_watchdog_end(&op->dog, (rwd_stage)i);
    op->freeze_waits = op->warm = op->commit_started = op->inside_record = false;
    op->at_boundary = true;
    rwd_error ignored;
    if (!rwd_remove_tree(op->live, &ignored)) rwd_log_error(RWD_LOG_WARN, "operator", &ignored);
}

static bool go_live(rwd_operator *op, rwd_error *err) {
    rwd_io *io = NULL;
    rwd_keeper_options keep = {
        .keep = rwd_keep_of(op->job), .full_every_ns = op->job->checkpoints.full_every_ns, .full_keep = op->job->checkpoints.full_keep,
        .journal = op->journal,
    };
    if (!rwd_io_clone(op->io, &io, err) || !rwd_keeper_new(op->repo, io, op->clock, &keep, &op->keeper, err)) return false;
    // What replay changed was published before C (C9): changes count from here.
    rwd_track_changes(op);
    broker_is_back(op);
    rwd_sink_set_lineage(op, rwd_lineage_id(&op->lineage));
    op->sink->ops->begin(op->sink);
    op->at_boundary = true;
    op->commit_started_ns = op->checkpoint_started_ns = rwd_clock_ns(op->clock);
    int64_t multiple = op->job->delivery.offset_multiple;
    op->commit_boundary = multiple > 0 ? (op->position.next_offset / multiple + 1) * multiple : INT64_MAX;
    if (!rwd_load_hold(op, err)) return false;
    op->replay_base = op->position.counts.read;
    op->rate_ns = 0;
    op->status.lineage = rwd_lineage_id(&op->lineage);
    op->status.genesis = op->lineage.genesis;
    op->status.switch_number = op->switch_number;
    rwd_show_lineage(op);
    rwd_keeper_notify(op->keeper, &op->lineage, op->frontier, NULL);
    if (atomic_load(&op->paused)) rwd_show_pause(op);
    else rwd_set_phase(op, RWD_PHASE_RUNNING);
    rwd_set_serving(op, true);
    return true;
}

// One batch, with the boundaries that fall inside it.
static bool take_batch(rwd_operator *op, const rwd_batch *batch, rwd_error *err) {
    size_t at = 0;
    int64_t multiple = op->job->delivery.offset_multiple;
    while (at < batch->count) {
        size_t done = 0;
        if (!rwd_apply_records(op, batch->records + at, batch->count - at, op->commit_boundary, true, &done, err)) return false;
        at += done;
        bool crossed = op->position.next_offset >= op->commit_boundary || at < batch->count;
        if (multiple > 0 && crossed) {
            if (!rwd_end_transaction(op, true, err)) return false;
            int64_t next = at < batch->count ? batch->records[at].offset : op->position.next_offset;
            op->commit_boundary = (next / multiple + 1) * multiple;
            if (!rwd_batch_boundary(op, err)) return false;
            // With commits fixed to offsets a repair begins at one of them: what is left of the batch is read again from there.
            bool begun = false;
            if (op->at_boundary && atomic_load_explicit(&op->apply_wanted, memory_order_relaxed) && !rwd_apply_begin(op, false, &begun, err)) return false;
            if (begun) return true;
        }
        if (op->held && crossed && (!rwd_end_transaction(op, true, err) || !rwd_lift_hold(op, err))) return false;
    }
    return rwd_batch_boundary(op, err);
}

// With commits fixed to offsets a checkpoint can only be made at one of them (K1), and at the end of the input none may come for long.
static void refuse_between_commits(rwd_operator *op) {
    if (op->job->delivery.offset_multiple == 0 || op->at_boundary || !rwd_checkpoint_requested(op)) return;
    rwd_error busy;
    rwd_fail(&busy, RWD_E_BUSY, "a checkpoint is made where a commit falls, next at offset %" PRId64 ", and the input ends at %" PRId64 " for now",
             op->commit_boundary, op->position.next_offset);
    rwd_error_next(&busy, "try again when more records have come");
    rwd_answer_checkpoints(op, NULL, &busy);
}

static bool idle(rwd_operator *op, rwd_error *err) {
    rwd_set_phase(op, RWD_PHASE_WAITING);
    if (op->held && !rwd_lift_hold(op, err)) return false;  // the input ends before the place: here is where it is looked at
    if (!rwd_batch_boundary(op, err)) return false;
    if (op->freeze_at < 0) refuse_between_commits(op);
    return true;
}

// Nothing is read. What was read is committed, where commits are not fixed to offsets; checkpoints that are asked for and idle commits (C3) are made.
static bool stay_paused(rwd_operator *op, rwd_error *err) {
    rwd_show_pause(op);
    if (op->job->delivery.offset_multiple == 0 && !rwd_end_transaction(op, false, err)) return false;
    if (!rwd_batch_boundary(op, err)) return false;
    if (op->freeze_at < 0) refuse_between_commits(op);
    bool busy = op->freeze_at >= 0 || op->committing >= 0;
    op->clock->sleep_ns(op->clock, busy ? 1000000 : RWD_IDLE_NS);
    return true;
}

// Live, until the input ends or someone asks to stop, or to restore.
static bool run_live(rwd_operator *op, bool *out_input_ended, rwd_error *err) {
    *out_input_ended = false;
    while (!atomic_load_explicit(&op->stop, memory_order_relaxed)) {
        rwd_serve_requests(op);
        if (rwd_windows_due(op) && !rwd_close_windows(op, true, err)) return false;  // a restart in the midst of it
        bool changed = false;
        bool all = op->switch_to && op->switch_to->on_change == RWD_ON_CHANGE_REPLAY;
        if (all && !rwd_change_all(op, err)) return false;
        if (op->switch_to && !rwd_change_now(op, &changed, err)) return false;
        if (changed) return true;
        if (op->hooks.at_batch && !op->hooks.at_batch(op->hooks.context, op)) return rwd_fail(err, RWD_E_FENCED, "the test ends this life");
        if (atomic_load_explicit(&op->restore_wanted, memory_order_relaxed)) return rwd_restore_begin(op, err);
        if (atomic_load_explicit(&op->apply_wanted, memory_order_relaxed)) {
            bool begun = false;
            if (!rwd_apply_begin(op, op->status.phase == RWD_PHASE_WAITING || op->status.phase == RWD_PHASE_PAUSED, &begun, err)) return false;
            if (begun) return true;
        }
        if (atomic_load_explicit(&op->paused, memory_order_relaxed)) {
            if (!stay_paused(op, err)) return false;
            continue;
        }
        if (op->status.phase == RWD_PHASE_PAUSED) rwd_end_pause(op);
        rwd_batch batch;
        bool busy = op->freeze_at >= 0 || op->committing >= 0 || !op->at_boundary || !op->warm;
        rwd_watchdog_begin(&op->dog, RWD_STAGE_FETCH, rwd_clock_ns(op->clock));  // kept, where the batch stays empty, by what the source knows
        if (!op->source->ops->batch(op->source, RWD_BATCH_MAX, busy ? 1000000 : RWD_IDLE_NS, &batch, err)) return false;
        if (batch.count > 0) {
            if (op->status.phase == RWD_PHASE_WAITING) rwd_set_phase(op, RWD_PHASE_RUNNING);
            rwd_watchdog_end(&op->dog, RWD_STAGE_FETCH);
            rwd_watchdog_begin(&op->dog, RWD_STAGE_DECODE, rwd_clock_ns(op->clock));
            bool taken = take_batch(op, &batch, err);
            rwd_watchdog_end(&op->dog, RWD_STAGE_DECODE);
            if (!taken) return false;
            if (op->apply_stage == RWD_APPLY_PAUSED) return rwd_release_batch(op, err);
        } else if (batch.end && !op->job->source.follow) {
            *out_input_ended = true;
            return rwd_release_batch(op, err);
        } else if (!idle(op, err)) {
            return false;
        }
        if (!rwd_release_batch(op, err)) return false;
    }
    return true;
}

static bool run_session(rwd_operator *op, rwd_error *err) {
    if (op->apply_stage == RWD_APPLY_DECIDED) return rwd_apply_switch(op, err);
    if (op->options.from_output) return rwd_open_session(op, err) && rwd_recover_from_output(op, err);
    if (!rwd_open_session(op, err) || !rwd_recover(op, err)) return false;
    if (op->options.restore_to) return rwd_finish_restore(op, err);
    if (*op->restore_to && !rwd_finish_live_restore(op, err)) return false;
    if (op->apply_stage == RWD_APPLY_SWITCHED) {
        rwd_apply_finish(op);
        if (op->options.apply) return true;
    }
    if (!go_live(op, err)) return false;
    bool ended = false;
    if (!run_live(op, &ended, err)) {
        // An event that stops the job, or an input that was taken away, is no damage: what came before is kept. Between the events of a record there is no
        // position to keep: the next start begins where the last commit ended.
        bool kept = !op->inside_record;
        if (!kept) rwd_log(RWD_LOG_WARN, "operator", "stopped between two events of one record: what is not committed is read again by the next start");
        if (kept && (rwd_code_decision(err->code) == RWD_SKIP || err->code == RWD_E_SOURCE_CHANGED || err->code == RWD_E_PARTIAL_KEY)) {
            rwd_error second;
            if (!rwd_finish(op, false, &second)) rwd_log_error(RWD_LOG_WARN, "operator", &second);
        }
        return false;
    }
    if (*op->restore_to || op->next_job || op->apply_stage == RWD_APPLY_PAUSED) return true;
    if (!rwd_finish(op, ended, err)) return false;
    // Who wants us gone does not wait for verification, the copy and retention: the next start goes on with them.
    for (int64_t waited = 0; waited < RWD_DRAIN_NS && !atomic_load(&op->stop); waited += RWD_DRAIN_STEP_NS)
        if (rwd_keeper_drain(op->keeper, RWD_DRAIN_STEP_NS)) break;
    return true;
}

// For who reads the last error: what it is, and that going back did not help.
static void say_what_was_tried(const rwd_operator *op, rwd_error *err) {
    char bases[RWD_ROLLBACKS_MAX * (RWD_CHECKPOINT_ID + 2)] = "", *cause = rwd_strdup(err->cause);
    for (unsigned i = 0; i < RWD_ROLLBACKS_MAX; i++) {
        size_t used = strlen(bases);
        (void)snprintf(bases + used, sizeof(bases) - used, "%s%s", i ? ", " : "", *op->tried[i] ? op->tried[i] : "none");
    }
    (void)snprintf(err->cause, sizeof(err->cause), "%.500s; went back to the last good checkpoint %d times (%s), and it came to this again", cause, RWD_ROLLBACKS_MAX, bases);
    free(cause);
}

static bool another_session(rwd_operator *op, rwd_error *err, unsigned *rollbacks) {
    if (atomic_load(&op->stop)) return false;
    if (err->decision != RWD_ROLLBACK && err->decision != RWD_ABORT_TXN && err->decision != RWD_RETRY) return false;
    if (err->decision == RWD_RETRY && op->job->kafka.brokers) return wait_for_broker(op, rwd_clock_wall_us(op->clock), err);
    if (op->commit_started) *rollbacks = 0;
    if (++*rollbacks > RWD_ROLLBACKS_MAX) return say_what_was_tried(op, err), false;
    op->status.rollbacks++;
    op->tried[*rollbacks - 1][0] = '\0';  // filled in by the recovery that follows
    op->tries = *rollbacks;
    rwd_log_error(RWD_LOG_WARN, "operator", err);
    // K5: files that were good when they were read back need not be so now; the choice of a base must not rest on that.
    if (err->code == RWD_E_CORRUPT) rwd_repo_distrust(op->repo);
    rwd_log(RWD_LOG_WARN, "operator", "going back to the last good checkpoint (attempt %u of %u)", *rollbacks, RWD_ROLLBACKS_MAX);
    op->clock->sleep_ns(op->clock, RWD_BACKOFF_NS << (*rollbacks - 1));
    return true;
}

static void park(rwd_operator *op, const rwd_error *err) {
    rwd_error_format(err, op->status.reason, sizeof(op->status.reason));
    snprintf(op->status.next, sizeof(op->status.next), "%s", err->next);
    rwd_set_phase(op, RWD_PHASE_PARKED);
    rwd_log(RWD_LOG_WARN, "operator", "parked: the lock is held and nothing is processed until this is resolved and the operator is started again");
    while (!atomic_load(&op->stop) && !atomic_load(&op->restore_wanted) && !atomic_load(&op->apply_wanted)) op->clock->sleep_ns(op->clock, RWD_PARKED_NS);
    if (!atomic_load(&op->restore_wanted) && !atomic_load(&op->apply_wanted)) return;
    op->status.reason[0] = op->status.next[0] = '\0';
    if (atomic_load(&op->restore_wanted)) rwd_restore_begin_parked(op);
    rwd_set_phase(op, RWD_PHASE_STARTING);
}

// Asked to stop while recovering, or while somebody was away: nothing was lost, and the next start goes on. Of a restore, nothing was done.
static bool was_asked_to(const rwd_operator *op, const rwd_error *err) {
    if (err->decision != RWD_RETRY || !atomic_load(&op->stop) || op->options.restore_to || op->options.apply) return false;
    rwd_log_error(RWD_LOG_WARN, "operator", err);
    return true;
}

static void status_of(void *op, rwd_status *out) { rwd_operator_status(op, out); }

// Does another session follow this one? A restore that failed is answered, and an ordinary recovery follows.
static bool goes_on(rwd_operator *op, bool ok, rwd_error *err, unsigned *rollbacks) {
    bool restoring = *op->restore_to != '\0', repairing = op->apply_stage != RWD_APPLY_NONE;
    if (ok) return (restoring || repairing || op->next_job) && !atomic_load(&op->stop);
    if (restoring) rwd_restore_failed(op, err);
    if (repairing && rwd_apply_goes_on(op, err)) return true;
    if (op->options.apply && op->apply_now.state == RWD_RESTORE_FAILED) return false;
    return (restoring && !atomic_load(&op->stop)) || another_session(op, err, rollbacks);
}

// Sessions, one after the other, until one is the last.
static bool run_sessions(rwd_operator *op, rwd_error *err) {
    unsigned rollbacks = 0;
    bool ok, again;
    do {
        ok = run_session(op, err) || op->next_job || was_asked_to(op, err);
        rwd_publish(op, true);
        again = goes_on(op, ok, err, &rollbacks);
        if (!again && !ok) ok = was_asked_to(op, err);
        rwd_close_session(op);
        if (op->next_job && again) rwd_take_job(op, op->next_job);
        op->next_job = NULL;
        if (again && op->apply_stage == RWD_APPLY_PAUSED && !rwd_apply_act(op, err)) {
            rwd_apply_failed(op, err);
            ok = !op->options.apply;
            again = ok && !atomic_load(&op->stop);
        }
    } while (again);
    return ok;
}

// Nobody will act on a restore any more.
static void refuse_restores(rwd_operator *op) {
    rwd_error ending;
    rwd_fail(&ending, RWD_E_BUSY, "the operator ended before the restore was done");
    rwd_error_next(&ending, "rewind restore %s", op->job->file);
    rwd_restore_failed(op, &ending);
    rwd_fail(&ending, RWD_E_BUSY, "the operator ended before the repair was applied");
    rwd_error_next(&ending, "rewind repair list --data %s", op->data);
    rwd_apply_failed(op, &ending);
}

bool rwd_operator_run(rwd_operator *op, rwd_error *err) {
    bool ok, parks;
    if (op->options.apply) rwd_apply_order_first(op, op->options.apply);
    // Tests with rooms of their own have a clock of their own, too.
    if (!op->hooks.open_source && !rwd_watchdog_start(status_of, op, &op->dog_thread, err)) return false;
    do {
        ok = run_sessions(op, err);
        rwd_log_progress(NULL);
        parks = !ok && op->job->on_stop == RWD_ON_STOP_PARK && !op->options.restore_to && !op->options.apply && !op->options.from_output;
        if (!ok && (parks || !op->options.shows_error)) rwd_log_error(RWD_LOG_ERROR, "operator", err);
        if (parks) park(op, err);
    } while ((*op->restore_to || atomic_load(&op->apply_wanted)) && !op->options.apply && !atomic_load(&op->stop));
    if (!parks) rwd_set_phase(op, RWD_PHASE_ENDED);
    refuse_restores(op);
    rwd_watchdog_stop(op->dog_thread);
    op->dog_thread = NULL;
    return ok;
}

void rwd_operator_stop(rwd_operator *op) { atomic_store(&op->stop, true); }
rwd_repo *rwd_operator_repo(rwd_operator *op) { return op->repo; }

const rwd_job *rwd_operator_job(rwd_operator *op) {
    pthread_mutex_lock(&op->lock);
    const rwd_job *job = op->job;
    pthread_mutex_unlock(&op->lock);
    return job;
}
