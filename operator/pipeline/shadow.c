// Shadows (shadow.h): an operator with a folder of its own and no outputs, that recovers to a place and is asked for nothing more; one for each run of stages that it can go through in place.
//
//   <folder>/SHADOW   frame "RWSH", version 1: what the shadow was begun with, hashed (16 bytes); the id of the base's manifest (16 letters); the base's X (8, big-endian); the lineage's id (16)
//
// What must stay true: the sink inside takes nothing; the base's repository is only read; checkpoints that are made on the way go into the shadow's own repository, and each of them is a base for
// the rest; SHADOW is durable before the first of them.
#include "operator/pipeline/shadow.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "checkpoints/frame.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"
#include "operator/sink/none.h"

#define PLAN_NAME "SHADOW"
#define PLAN_MAGIC "RWSH"
#define PLAN_VERSION 1u
#define PLAN_SIZE 56u
#define PLAN_FILE_MAX 4096u
// How long a broker that is away is left alone.
#define AWAY_NS 1000000000LL

struct rwd_shadow {
    rwd_shadow_options options;
    rwd_replay_manner manner;
    char folder[RWD_PATH_MAX];
    rwd_io *io;                // for the folder's small files
    rwd_lineage lineage;       // that is replayed; of a sample one that is no other's
    rwd_checkpoint base;       // where the next stage begins: the options', or of our own
    char dir[RWD_PATH_MAX];
    bool own;                  // it is our own, so `base` is to be freed
    bool built;
    int64_t resumed_at;
    atomic_bool stop;
    pthread_mutex_t lock;      // guards what follows, against other threads
    rwd_operator *op;          // of the stage that is under way; NULL: none is
    uint64_t op_began;         // records read below its base
    rwd_shadow_progress done;  // of earlier stages
    int64_t began_ns, began_at;
};

bool rwd_shadow_samples(rwd_slice key, bool windowed, uint32_t sample) {
    size_t size = key.size - (windowed ? 8 : 0);  // the window's start is the last part (state/schema.h)
    return rwd_hash64(key.data, size, RWD_SAMPLE_ALL) % RWD_SAMPLE_ALL < sample;
}

// ---- what it was begun with

// A sample's checkpoints must serve nobody: its lineage is of a source that there is not.
static void set_sampled(rwd_shadow *shadow) {
    uint8_t bytes[20];
    if (shadow->options.sample == 0) return;
    rwd_hash128_put(shadow->lineage.source, bytes);
    rwd_put_be32(bytes + 16, shadow->options.sample);
    shadow->lineage.source = rwd_hash128_of(bytes, sizeof(bytes), 1);
}

static bool load_lineage(rwd_shadow *shadow, rwd_error *err) {
    const rwd_shadow_options *o = &shadow->options;
    rwd_buf text = {0};
    bool ok = true;
    if (o->lineage) rwd_lineage_copy(o->lineage, &shadow->lineage);
    else ok = rwd_repo_load_lineage(o->repo, o->base->facts.lineage, &shadow->lineage, &text, err);
    rwd_buf_deinit(&text);
    if (!ok) return false;
    if (shadow->lineage.segment_count == 0) return rwd_fail(err, RWD_E_CORRUPT, "lineage without a segment");
    // L2, and L6: amendments below the base's X would be in its history.
    if (!rwd_hash128_equal(rwd_lineage_history(&shadow->lineage, o->base->facts.next_offset), o->base->facts.history)) {
        (void)rwd_fail(err, RWD_E_NO_CHECKPOINT, "checkpoint %s at offset %" PRId64 " is not of the history that is to be replayed", o->base->id, o->base->facts.next_offset);
        return rwd_error_next(err, "choose one at or below the first segment or amendment that differs");
    }
    set_sampled(shadow);
    return true;
}

static void plan_bytes(const rwd_shadow *shadow, uint8_t out[PLAN_SIZE]) {
    const rwd_checkpoint *base = shadow->options.base;
    uint8_t both[32];
    rwd_hash128_put(rwd_lineage_id(&shadow->lineage), both);
    rwd_hash128_put(base->manifest_hash, both + 16);
    rwd_hash128_put(rwd_hash128_of(both, sizeof(both), PLAN_VERSION), out);
    memcpy(out + 16, base->id, 16);
    rwd_put_be64(out + 32, (uint64_t)base->facts.next_offset);
    memcpy(out + 40, both, 16);
}

static bool write_plan(rwd_shadow *shadow, const char *path, rwd_error *err) {
    uint8_t bytes[PLAN_SIZE];
    rwd_buf file = {0};
    plan_bytes(shadow, bytes);
    rwd_frame_append(&file, PLAN_MAGIC, PLAN_VERSION, rwd_slice_of(bytes, sizeof(bytes)));
    bool ok = rwd_io_write_file(shadow->io, path, rwd_buf_slice(&file), err);
    rwd_buf_deinit(&file);
    return ok;
}

static bool refuse_other(const rwd_shadow *shadow, const uint8_t theirs[PLAN_SIZE], rwd_error *err) {
    char hex[RWD_HASH128_HEX];
    rwd_hash128_hex(rwd_hash128_get(theirs + 40), hex);
    (void)rwd_fail(err, RWD_E_EXISTS, "a shadow is there that was begun with something else: from checkpoint %.16s at offset %" PRId64 " with lineage %.8s", (const char *)theirs + 16,
                   (int64_t)rwd_get_be64(theirs + 32), hex);
    (void)rwd_error_at(err, "%s", shadow->folder);
    return rwd_error_next(err, "ask for the same as then to go on with it; or take another name, or remove it: rm -r %s", shadow->folder);
}

// The folder is one that this shadow was begun in, or has nothing in it.
static bool check_plan(rwd_shadow *shadow, rwd_error *err) {
    char path[RWD_PATH_MAX], checkpoints[RWD_PATH_MAX];
    uint8_t ours[PLAN_SIZE];
    rwd_buf file = {0};
    rwd_slice payload;
    size_t size;
    if (!rwd_path_join(path, shadow->folder, PLAN_NAME, err) || !rwd_path_join(checkpoints, shadow->folder, "checkpoints", err)) return false;
    if (!rwd_path_exists(path) && !rwd_path_exists(checkpoints)) return write_plan(shadow, path, err);
    bool ok = rwd_io_read_file(shadow->io, path, PLAN_FILE_MAX, &file, err);
    if (ok && (rwd_frame_read(rwd_buf_slice(&file), PLAN_MAGIC, PLAN_VERSION, &payload, &size) != RWD_FRAME_WHOLE || payload.size != PLAN_SIZE)) {
        ok = rwd_fail(err, RWD_E_CORRUPT, "this does not say what the shadow was begun with");
        (void)rwd_error_at(err, "%s", path);
    }
    plan_bytes(shadow, ours);
    if (ok && memcmp(ours, payload.data, 16) != 0) ok = refuse_other(shadow, payload.data, err);
    rwd_buf_deinit(&file);
    return ok;
}

// ---- life

static uint64_t memory_of(const rwd_shadow_options *o) {
    uint64_t part = o->job->state.memory / RWD_SHADOW_MEMORY_PART;
    if (o->memory) return o->memory;
    return part > RWD_BUDGET_MIN ? part : RWD_BUDGET_MIN;
}

static bool refuse_there(const rwd_shadow *shadow, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_EXISTS, "there is something in the folder of the shadow");
    return rwd_error_at(err, "%s", shadow->folder);
}

static bool is_empty(const char *folder) {
    char **names = NULL;
    size_t count = 0;
    rwd_error ignored;
    bool listed = rwd_list_dir(folder, &names, &count, &ignored);
    for (size_t i = 0; i < count; i++) free(names[i]);
    free(names);
    return listed && count == 0;
}

static bool begin(const rwd_shadow_options *options, bool again, rwd_shadow **out, rwd_error *err) {
    rwd_shadow *shadow = rwd_calloc(1, sizeof(*shadow));
    shadow->options = *options;
    shadow->resumed_at = -1;
    shadow->manner = (rwd_replay_manner){.memory = memory_of(options), .every_ns = options->every_ns, .sample = options->sample, .pace = options->pace, .pace_context = options->pace_context,
                                           .look = options->look};
    pthread_mutex_init(&shadow->lock, NULL);
    bool ok = strlen(options->folder) < sizeof(shadow->folder) || rwd_fail(err, RWD_E_USAGE, "%.200s...: the path is too long", options->folder);
    if (ok) memcpy(shadow->folder, options->folder, strlen(options->folder) + 1);
    bool there = ok && rwd_path_exists(shadow->folder) && !is_empty(shadow->folder);
    if (there && !again) ok = refuse_there(shadow, err);
    ok = ok && rwd_io_pread_new(&shadow->io, err) && load_lineage(shadow, err) && rwd_io_make_dirs(shadow->io, shadow->folder, err);
    ok = ok && check_plan(shadow, err);
    if (!ok) {
        shadow->options.keep = true;  // it is not ours to remove
        rwd_shadow_free(shadow);
        return false;
    }
    *out = shadow;
    return true;
}

bool rwd_shadow_new(const rwd_shadow_options *options, rwd_shadow **out, rwd_error *err) { return begin(options, false, out, err); }
bool rwd_shadow_open(const rwd_shadow_options *options, rwd_shadow **out, rwd_error *err) { return begin(options, true, out, err); }

void rwd_shadow_free(rwd_shadow *shadow) {
    rwd_error err;
    if (!shadow) return;
    if (shadow->own) rwd_checkpoint_deinit(&shadow->base);
    if (!shadow->options.keep && rwd_path_exists(shadow->folder) && !rwd_remove_tree(shadow->folder, &err)) rwd_log_error(RWD_LOG_WARN, "shadow", &err);
    rwd_lineage_deinit(&shadow->lineage);
    rwd_io_free(shadow->io);
    pthread_mutex_destroy(&shadow->lock);
    free(shadow);
}

void rwd_shadow_stop(rwd_shadow *shadow) {
    pthread_mutex_lock(&shadow->lock);
    atomic_store(&shadow->stop, true);
    if (shadow->op) rwd_operator_stop(shadow->op);
    pthread_mutex_unlock(&shadow->lock);
}

const rwd_checkpoint *rwd_shadow_checkpoint(const rwd_shadow *shadow) { return &shadow->base; }
const char *rwd_shadow_dir(const rwd_shadow *shadow) { return shadow->dir; }
const rwd_lineage *rwd_shadow_lineage(const rwd_shadow *shadow) { return &shadow->lineage; }

// ---- where to go on from

// *Takes* `checkpoint`, of the shadow's own repository.
static bool stand_on(rwd_shadow *shadow, rwd_repo *repo, rwd_checkpoint *checkpoint, rwd_error *err) {
    if (!rwd_repo_checkpoint_path(repo, checkpoint->id, shadow->dir, err)) {
        rwd_checkpoint_deinit(checkpoint);
        return false;
    }
    if (shadow->own) rwd_checkpoint_deinit(&shadow->base);
    shadow->base = *checkpoint;
    shadow->own = true;
    return true;
}

static bool serves(const rwd_shadow *shadow, const rwd_checkpoint *c, int64_t until) {
    bool whole = c->state == RWD_CHECKPOINT_GOOD || c->state == RWD_CHECKPOINT_UNVERIFIED;
    return whole && c->facts.next_offset <= until && rwd_hash128_equal(c->facts.history, rwd_lineage_history(&shadow->lineage, c->facts.next_offset));
}

// The newest good one of its own that is not above `until`, if there is any.
static bool find_own(rwd_shadow *shadow, int64_t until, rwd_error *err) {
    char lock[RWD_PATH_MAX];
    rwd_repo *repo;
    rwd_checkpoint_list list = {0};
    rwd_checkpoint found;
    rwd_error bad;
    if (!rwd_path_join(lock, shadow->folder, "LOCK", err)) return false;
    if (!rwd_path_exists(lock)) return true;
    if (!rwd_repo_open_reader(shadow->folder, shadow->io, shadow->options.clock, &repo, err)) return false;
    const rwd_checkpoint *best = NULL;
    bool ok = rwd_repo_list(repo, &list, err);
    for (size_t i = 0; ok && i < list.count; i++) {  // newest first
        const rwd_checkpoint *c = &list.items[i];
        if (!serves(shadow, c, until) || (best && c->facts.next_offset <= best->facts.next_offset)) continue;
        if (rwd_repo_verify(repo, shadow->io, c->id, RWD_VERIFY_NEW, NULL, &bad)) best = c;
        else rwd_log_error(RWD_LOG_WARN, "shadow", &bad);
    }
    if (ok && best) ok = rwd_repo_find(repo, best->id, &found, err) && stand_on(shadow, repo, &found, err);
    rwd_checkpoint_list_deinit(&list);
    rwd_repo_close(repo);
    return ok;
}

static bool find_begin(rwd_shadow *shadow, int64_t until, rwd_error *err) {
    if (!find_own(shadow, until, err)) return false;
    if (shadow->own) {
        shadow->resumed_at = shadow->base.facts.next_offset;
        return true;
    }
    shadow->base = *shadow->options.base;  // *borrowed*
    return rwd_repo_checkpoint_path(shadow->options.repo, shadow->base.id, shadow->dir, err);
}

// ---- one stage

static rwd_sink *no_outputs(void *context) {
    (void)context;
    return rwd_none_sink_new();
}

static bool begin_operator(rwd_shadow *shadow, const rwd_job *job, rwd_error *err) {
    const rwd_shadow_options *o = &shadow->options;
    rwd_operator_options run = {.job = job, .clock = o->clock, .io = o->io, .data = shadow->folder, .logics = o->logics, .journal_of = o->repo, .progress = o->progress, .shows_error = true,
                                .manner = &shadow->manner};
    rwd_operator_hooks hooks = {.open_sink = no_outputs};
    rwd_operator *op;
    if (!rwd_operator_new_with(&run, &hooks, &op, err)) return false;
    pthread_mutex_lock(&shadow->lock);
    shadow->op = op;
    shadow->op_began = shadow->base.facts.counts.read;
    if (atomic_load(&shadow->stop)) rwd_operator_stop(op);
    pthread_mutex_unlock(&shadow->lock);
    return true;
}

// What it did goes into what is done.
static void end_operator(rwd_shadow *shadow) {
    rwd_operator *op = shadow->op;
    rwd_shadow_progress *done = &shadow->done;
    rwd_close_session(op);  // what was built is on disk; memory is wanted back
    rwd_log_progress(NULL);
    pthread_mutex_lock(&shadow->lock);
    if (op->position.counts.read > shadow->op_began) done->records += op->position.counts.read - shadow->op_began;
    if (op->position.next_offset > done->at) done->at = op->position.next_offset;
    done->amended.skipped += op->amended[RWD_AMENDED_SKIPPED];
    done->amended.replaced += op->amended[RWD_AMENDED_REPLACED];
    done->amended.inserted += op->amended[RWD_AMENDED_INSERTED];
    shadow->op = NULL;
    pthread_mutex_unlock(&shadow->lock);
    rwd_operator_free(op);
}

// The state at the end of the stage is a checkpoint, unless the last one made on the way is at that place.
static bool keep_result(rwd_shadow *shadow, rwd_operator *op, rwd_error *err) {
    rwd_checkpoint found;
    if (!rwd_drive_checkpoint(op, err)) return false;
    if (!rwd_checkpoint_is_here(op) && (!rwd_freeze(op, "shadow", true, err) || !rwd_drive_checkpoint(op, err))) return false;
    return rwd_repo_find(op->repo, op->checkpoint_id, &found, err) && stand_on(shadow, op->repo, &found, err);
}

static bool job_of(const rwd_shadow_options *o, rwd_hash128 logic, const rwd_job **out, rwd_error *err) {
    char hex[RWD_HASH128_HEX];
    if (o->logics) return rwd_logics_job(o->logics, logic, out, err);
    *out = o->job;
    if (rwd_hash128_equal(logic, o->job->logic)) return true;
    rwd_hash128_hex(logic, hex);
    return rwd_fail(err, RWD_E_LOGIC_CHANGED, "the records are replayed with logic %s, which is not the job's", hex);
}

// L3: the state that a stage begins with was made by another logic.
static bool check_rows(const rwd_shadow_options *o, const rwd_facts *base, const rwd_job *job, rwd_error *err) {
    const rwd_job *before;
    bool from_nothing;
    if (rwd_hash128_equal(base->fingerprint, job->logic)) return true;
    return job_of(o, base->fingerprint, &before, err) && rwd_may_follow(before, job, base, &from_nothing, err);
}

// Whoever reads the result finds the job that made it.
static bool save_lineage(const rwd_shadow *shadow, rwd_repo *repo, rwd_error *err) {
    return !shadow->options.logics || rwd_logics_save_in(shadow->options.logics, repo, &shadow->lineage, err);
}

// ---- stages

// The end of the run of records from `at` on that one logic decides, at most `until`.
static int64_t stage_end(const rwd_lineage *lineage, int64_t at, int64_t until) {
    size_t first = rwd_lineage_segment_at(lineage, at);
    for (size_t i = first + 1; i < lineage->segment_count; i++) {
        if (rwd_hash128_equal(lineage->segments[i].logic, lineage->segments[first].logic)) continue;
        return lineage->segments[i].from < until ? lineage->segments[i].from : until;
    }
    return until;
}

static bool stage_job(const rwd_shadow *shadow, int64_t at, const rwd_job **out, rwd_error *err) {
    return job_of(&shadow->options, shadow->lineage.segments[rwd_lineage_segment_at(&shadow->lineage, at)].logic, out, err);
}

static void say_stage(const rwd_shadow *shadow, int64_t at, int64_t end, int64_t until) {
    if (end == until && at <= shadow->done.from) return;
    rwd_log(RWD_LOG_INFO, "shadow", "offsets [%" PRId64 ", %" PRId64 ") with the logic of the segment from %" PRId64, at, end,
            shadow->lineage.segments[rwd_lineage_segment_at(&shadow->lineage, at)].from);
}

// Behind the stage that ends at `*at`: those that its operator can go on with as it stands.
static bool go_on_in_place(rwd_shadow *shadow, int64_t *at, int64_t until, rwd_error *err) {
    rwd_operator *op = shadow->op;
    const rwd_job *job;
    while (*at < until) {
        int64_t end = stage_end(&shadow->lineage, *at, until);
        if (!stage_job(shadow, *at, &job, err)) return false;
        if (!rwd_changes_in_place(op->job, job)) return true;
        say_stage(shadow, *at, end, until);
        if (!rwd_rebuild_on(op, job, end, err)) return false;
        *at = end;
    }
    return true;
}

// From where it stands to `*at` with this logic, and further, up to `until`, with those that go on in place; `*at` is where they end. The state there is a checkpoint.
static bool run_stage(rwd_shadow *shadow, const rwd_job *job, int64_t *at, int64_t until, rwd_error *err) {
    rwd_lineage lineage;
    if (!begin_operator(shadow, job, err)) return false;
    rwd_operator *op = shadow->op;
    bool ok = rwd_operator_open(op, err) && save_lineage(shadow, op->repo, err) && rwd_open_session(op, err);
    if (ok) rwd_lineage_copy(&shadow->lineage, &lineage);
    ok = ok && rwd_rebuild(op, &lineage, &shadow->base, shadow->dir, *at, err) && go_on_in_place(shadow, at, until, err) && keep_result(shadow, op, err);
    end_operator(shadow);
    return ok;
}

// Where the next stage begins: at the place that the state stands for, or, where the rows are of a later segment that found no record yet, with that one. Rows of the logic that decided the record
// below X are of no later segment, though one may have that logic again.
static int64_t stage_begin(const rwd_shadow *shadow) {
    const rwd_lineage *lineage = &shadow->lineage;
    int64_t at = shadow->base.facts.next_offset;
    size_t i = rwd_lineage_segment_at(lineage, at > lineage->segments[0].from ? at - 1 : at);
    while (shadow->own && i + 1 < lineage->segment_count && !rwd_hash128_equal(lineage->segments[i].logic, shadow->base.facts.fingerprint)) i++;
    bool later = rwd_hash128_equal(lineage->segments[i].logic, shadow->base.facts.fingerprint);
    return later && lineage->segments[i].from > at ? lineage->segments[i].from : at;
}

static bool run_stages(rwd_shadow *shadow, int64_t until, rwd_error *err) {
    const rwd_job *job;
    int64_t at = stage_begin(shadow);
    if (at >= until && shadow->own) return true;
    if (at >= until) return job_of(&shadow->options, shadow->base.facts.fingerprint, &job, err) && run_stage(shadow, job, &until, until, err);
    while (at < until) {
        if (!stage_job(shadow, at, &job, err) || !check_rows(&shadow->options, &shadow->base.facts, job, err)) return false;
        int64_t end = stage_end(&shadow->lineage, at, until);
        say_stage(shadow, at, end, until);
        at = end;
        if (!run_stage(shadow, job, &at, until, err)) return false;
    }
    return true;
}

static void wait_for_broker(rwd_shadow *shadow, const rwd_error *why) {
    rwd_log_error(RWD_LOG_WARN, "shadow", why);
    for (int64_t left = AWAY_NS; left > 0 && !atomic_load(&shadow->stop); left -= RWD_IDLE_NS) {
        if (shadow->options.stop && atomic_load(shadow->options.stop)) atomic_store(&shadow->stop, true);
        shadow->options.clock->sleep_ns(shadow->options.clock, RWD_IDLE_NS);
    }
}

static void begin_progress(rwd_shadow *shadow, int64_t until) {
    pthread_mutex_lock(&shadow->lock);
    if (shadow->began_ns == 0) {
        shadow->began_ns = rwd_clock_ns(shadow->options.clock);
        shadow->began_at = shadow->base.facts.next_offset;
        shadow->done.from = shadow->options.base->facts.next_offset;
        shadow->done.at = shadow->began_at;
    }
    shadow->done.until = until;
    shadow->done.ns = 0;
    pthread_mutex_unlock(&shadow->lock);
}

static void end_progress(rwd_shadow *shadow) {
    const rwd_lineage *lineage = &shadow->lineage;
    rwd_amend_counts *counts = &shadow->done.amended;
    uint64_t of_records = 0;
    pthread_mutex_lock(&shadow->lock);
    shadow->done.ns = rwd_clock_ns(shadow->options.clock) - shadow->began_ns;
    counts->waiting = 0;
    for (size_t i = 0; i < lineage->amendment_count; i++) {
        const rwd_amendment *a = &lineage->amendments[i];
        if (a->at >= shadow->base.facts.next_offset) counts->waiting++;
        else if (a->at >= shadow->began_at && a->kind != RWD_AMEND_INSERT) of_records++;
    }
    counts->missed = of_records > counts->skipped + counts->replaced ? of_records - counts->skipped - counts->replaced : 0;
    pthread_mutex_unlock(&shadow->lock);
}

static bool go_to(rwd_shadow *shadow, int64_t until, rwd_error *err) {
    begin_progress(shadow, until);
    bool ok = run_stages(shadow, until, err);
    while (!ok && err->decision == RWD_RETRY && !atomic_load(&shadow->stop)) {
        wait_for_broker(shadow, err);
        ok = find_own(shadow, until, err) && run_stages(shadow, until, err);
    }
    rwd_error second;
    if (!ok && shadow->built && !find_own(shadow, until, &second)) rwd_log_error(RWD_LOG_WARN, "shadow", &second);
    end_progress(shadow);
    return ok;
}

bool rwd_shadow_build(rwd_shadow *shadow, rwd_error *err) {
    shadow->built = find_begin(shadow, shadow->options.until, err) && go_to(shadow, shadow->options.until, err);
    return shadow->built;
}

bool rwd_shadow_extend(rwd_shadow *shadow, int64_t until, rwd_error *err) {
    assert(shadow->built && "build it first");
    if (until < shadow->base.facts.next_offset)
        return rwd_fail(err, RWD_E_POSITION, "the shadow is at offset %" PRId64 " already, above %" PRId64, shadow->base.facts.next_offset, until);
    return go_to(shadow, until, err);
}

void rwd_shadow_get_progress(rwd_shadow *shadow, rwd_shadow_progress *out) {
    rwd_status *now = rwd_calloc(1, sizeof(*now));
    pthread_mutex_lock(&shadow->lock);
    *out = shadow->done;
    out->resumed_at = shadow->resumed_at;
    if (shadow->op) {
        rwd_operator_status(shadow->op, now);
        if (now->position > out->at) out->at = now->position;
        if (now->read > shadow->op_began) out->records += now->read - shadow->op_began;
        out->rate = now->rate;
        out->ns = rwd_clock_ns(shadow->options.clock) - shadow->began_ns;
        int64_t passed = out->at - shadow->began_at;
        if (passed > 0 && out->until > out->at) out->left_ns = (int64_t)((double)out->ns * (double)(out->until - out->at) / (double)passed);
    } else if (out->ns > 0) {
        out->rate = (double)out->records * 1e9 / (double)out->ns;
    }
    pthread_mutex_unlock(&shadow->lock);
    free(now);
}
