// The keeper's thread: verify, copy, prune, in this order, whenever there is something to do.
//
// What must stay true:
//   - K5: every file of every checkpoint is read back from the medium once by each process, newest checkpoint first; a bad one is set
//     aside and told;
//   - K6: checkpoints are pruned only after a commit of our own that succeeded after the decision to prune;
//   - `free` is answered within one piece of a file.
#include "checkpoints/keeper.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "operator/base/cond.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/base/time.h"

#define NICENESS 10
#define REASON_MAX 1024

typedef struct bad_one {
    char id[RWD_CHECKPOINT_ID];
    rwd_error why;
} bad_one;

struct rwd_keeper {
    rwd_repo *repo;
    rwd_io *io;
    rwd_clock *clock;
    rwd_keeper_options options;
    atomic_bool stop;
    pthread_t thread;
    bool room_missed;  // the thread's: it was said that there is no room for a copy

    pthread_mutex_t mutex;  // over all below
    pthread_cond_t changed;
    bool verify_due, copy_due, prune_due;
    bool working;
    uint64_t commits, decided_at;  // of our own; how many there were when pruning was decided
    bool told;                     // lineage and frontier are known
    rwd_lineage lineage;
    rwd_hash128 lineage_id;
    int64_t frontier;
    bad_one *bad;
    size_t bad_count;
    bool look_due;                 // at the horizon
    int64_t begin;                 // of the topic; -1: not known
    rwd_horizon horizon;
};

static bool stopping(const rwd_keeper *k) { return atomic_load_explicit(&k->stop, memory_order_relaxed); }

// ---- what it does

static void tell_bad(rwd_keeper *k, const char *id, const rwd_error *why) {
    pthread_mutex_lock(&k->mutex);
    k->bad = rwd_realloc(k->bad, (k->bad_count + 1) * sizeof(*k->bad));
    k->bad[k->bad_count].why = *why;
    memcpy(k->bad[k->bad_count++].id, id, RWD_CHECKPOINT_ID);
    pthread_mutex_unlock(&k->mutex);
}

static void set_aside(rwd_keeper *k, const char *id, const rwd_error *why) {
    char text[REASON_MAX];
    rwd_error failed;
    rwd_error_format(why, text, sizeof(text));
    if (!rwd_repo_quarantine(k->repo, id, text, &failed)) rwd_log_error(RWD_LOG_ERROR, "checkpoint", &failed);
    tell_bad(k, id, why);
}

// K5: what was not read back by this process. False: asked to stop, or something new came in that goes first.
static bool verify_all(rwd_keeper *k) {
    rwd_checkpoint_list list;
    rwd_error err;
    if (!rwd_repo_list(k->repo, &list, &err)) return rwd_log_error(RWD_LOG_WARN, "checkpoint", &err), true;
    bool whole = true;
    for (size_t i = 0; i < list.count && whole; i++) {
        const rwd_checkpoint *c = &list.items[i];
        if (c->state != RWD_CHECKPOINT_GOOD && c->state != RWD_CHECKPOINT_UNVERIFIED) continue;
        rwd_error_clear(&err);
        if (!rwd_repo_verify(k->repo, k->io, c->id, RWD_VERIFY_MEDIUM, &k->stop, &err)) {
            if (err.code == RWD_E_CORRUPT) set_aside(k, c->id, &err);
            else if (!stopping(k) && err.code != RWD_E_NOT_FOUND) rwd_log_error(RWD_LOG_WARN, "checkpoint", &err);
        }
        pthread_mutex_lock(&k->mutex);
        whole = !stopping(k) && !k->verify_due;
        pthread_mutex_unlock(&k->mutex);
    }
    rwd_checkpoint_list_deinit(&list);
    return whole;
}

// Lineage and frontier as last told. False: never told.
static bool snapshot(rwd_keeper *k, rwd_lineage *out_lineage, int64_t *out_frontier) {
    pthread_mutex_lock(&k->mutex);
    bool told = k->told;
    if (told) rwd_lineage_copy(&k->lineage, out_lineage);
    *out_frontier = k->frontier;
    pthread_mutex_unlock(&k->mutex);
    return told;
}

static bool of_history(const rwd_lineage *lineage, const rwd_checkpoint *c) {
    return c->state == RWD_CHECKPOINT_GOOD && rwd_hash128_equal(c->facts.history, rwd_lineage_history(lineage, c->facts.next_offset));
}

// K4: the checkpoint to copy now, if the newest copy is too old or there is none. Genesis holds nothing worth a copy.
static const rwd_checkpoint *to_copy(rwd_keeper *k, const rwd_checkpoint_list *list, const rwd_lineage *lineage, int64_t frontier) {
    const rwd_checkpoint *newest = NULL, *copy = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const rwd_checkpoint *c = &list->items[i];
        if (!of_history(lineage, c) || c->facts.next_offset > frontier) continue;
        if (c->independent && !copy) copy = c;
        if (!c->independent && !newest && strcmp(c->facts.reason, "genesis") != 0) newest = c;
    }
    if (!newest || !copy) return newest;
    int64_t age_us = rwd_clock_wall_us(k->clock) - copy->created_us;
    bool old = age_us < 0 || age_us >= k->options.full_every_ns / 1000;  // a clock that went back proves nothing about age
    return old && copy->facts.next_offset != newest->facts.next_offset ? newest : NULL;
}

// As much as the copy takes must stay free behind it: commits and the next checkpoints come first.
static bool room_for_copy(rwd_keeper *k, const rwd_checkpoint *source) {
    uint64_t free_bytes = 0;
    rwd_error ignored;
    bool room = !rwd_disk_free(rwd_repo_path(k->repo), &free_bytes, &ignored) || free_bytes / 2 >= source->bytes;
    if (!room && !k->room_missed) {
        char have[RWD_TIME_TEXT_MAX], takes[RWD_TIME_TEXT_MAX];
        rwd_size_text(free_bytes, have);
        rwd_size_text(source->bytes, takes);
        rwd_log(RWD_LOG_WARN, "checkpoint", "no independent copy is made: it takes %s, and of %s that are free as much must stay. Until there is room, one "
                "damaged file may condemn all checkpoints; next: df -h %s", takes, have, rwd_repo_path(k->repo));
    }
    k->room_missed = !room;
    return room;
}

static void copy_if_due(rwd_keeper *k) {
    rwd_checkpoint_list list;
    rwd_lineage lineage;
    rwd_error err;
    int64_t frontier = 0;
    char id[RWD_CHECKPOINT_ID];
    if (k->options.full_every_ns <= 0 || k->options.full_keep == 0 || !snapshot(k, &lineage, &frontier)) return;
    if (rwd_repo_list(k->repo, &list, &err)) {
        const rwd_checkpoint *source = to_copy(k, &list, &lineage, frontier);
        rwd_error_clear(&err);
        if (source && room_for_copy(k, source) && !rwd_repo_copy_independent(k->repo, k->io, source->id, &k->stop, id, &err)) {
            if (!stopping(k)) rwd_log_error(RWD_LOG_WARN, "checkpoint", &err);
            pthread_mutex_lock(&k->mutex);
            k->verify_due |= err.code == RWD_E_CORRUPT;  // the source is at fault: judged there
            pthread_mutex_unlock(&k->mutex);
        }
        rwd_checkpoint_list_deinit(&list);
    } else {
        rwd_log_error(RWD_LOG_WARN, "checkpoint", &err);
    }
    rwd_lineage_deinit(&lineage);
}

// What the journal must keep (K7), and from where it reaches up to C.
typedef struct reach { int64_t floor; rwd_horizon horizon; } reach;

// Where the run that reaches up to `to` begins.
static int64_t run_to(int64_t to, const rwd_journal_range *ranges, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (ranges[i].from < to && ranges[i].next >= to) return ranges[i].from;
    return to;
}

// X of the earliest good one at or above `unbroken`; -1: none.
static int64_t earliest(const rwd_checkpoint_list *list, const rwd_lineage *lineage, int64_t frontier, int64_t unbroken) {
    int64_t best = -1;
    for (size_t i = 0; i < list->count; i++) {
        const rwd_checkpoint *c = &list->items[i];
        int64_t x = c->facts.next_offset;
        if (of_history(lineage, c) && x <= frontier && x >= unbroken && (best < 0 || x < best)) best = x;
    }
    return best;
}

static reach reach_of(const rwd_checkpoint_list *list, const rwd_lineage *lineage, int64_t frontier, int64_t begin, const rwd_journal_range *ranges, size_t count) {
    int64_t first = -1, second = -1, lowest = INT64_MAX;
    reach r = {.horizon = {-1, -1}};
    for (size_t i = 0; i < list->count; i++) {
        const rwd_checkpoint *c = &list->items[i];
        int64_t x = c->facts.next_offset;
        if (!of_history(lineage, c) || x > frontier) continue;
        if (x > first) second = first, first = x;
        else if (x > second && x < first) second = x;
        if (x < lowest) lowest = x;
    }
    // What lies between the newest of them and C may be on its way to the disk: up to that one the journal is durable (K3).
    int64_t kept = run_to(first, ranges, count), any = kept;
    if (begin >= 0 && begin < any) any = begin;                     // the topic goes on where the journal ends,
    if (begin >= 0 && begin <= first) any = run_to(any, ranges, count);  // and the journal below where the topic does
    if (count == 0 && begin > first && frontier > first) any = INT64_MAX;  // the topic has lost what is to be replayed, and there is no journal
    if (count > 0) r.horizon.journal = earliest(list, lineage, frontier, kept);
    r.horizon.any = earliest(list, lineage, frontier, any);
    r.floor = second >= 0 ? second : lowest != INT64_MAX ? lowest : 0;
    for (size_t i = 0; i < list->count; i++)  // R5: what a repair is taken back with
        if (list->items[i].pinned_until_us && list->items[i].state != RWD_CHECKPOINT_PRUNED && list->items[i].facts.next_offset < r.floor) r.floor = list->items[i].facts.next_offset;
    return r;
}

static int64_t begin_of(rwd_keeper *k) {
    pthread_mutex_lock(&k->mutex);
    int64_t begin = k->begin;
    pthread_mutex_unlock(&k->mutex);
    return begin;
}

static reach look(rwd_keeper *k, const rwd_checkpoint_list *list, const rwd_lineage *lineage, int64_t frontier) {
    rwd_journal_range *ranges = NULL;
    size_t count = k->options.journal ? rwd_journal_ranges(k->options.journal, &ranges) : 0;
    reach r = reach_of(list, lineage, frontier, begin_of(k), ranges, count);
    free(ranges);
    return r;
}

static void take_horizon(rwd_keeper *k, rwd_horizon horizon) {
    rwd_error err;
    pthread_mutex_lock(&k->mutex);
    bool moved = horizon.any != k->horizon.any;
    k->horizon = horizon;
    pthread_mutex_unlock(&k->mutex);
    if (moved && horizon.any >= 0 && !rwd_repo_note_horizon(k->repo, k->io, horizon.any, &err)) rwd_log_error(RWD_LOG_WARN, "journal", &err);
}

// What of the journal may go, if `act`; and how far back is left.
static void keep_reach(rwd_keeper *k, bool act) {
    rwd_checkpoint_list list;
    rwd_lineage lineage;
    rwd_error err;
    int64_t frontier = 0;
    if ((!k->options.journal && begin_of(k) < 0) || !rwd_repo_still_owner(k->repo) || !snapshot(k, &lineage, &frontier)) return;  // K6
    if (rwd_repo_list(k->repo, &list, &err)) {
        reach r = look(k, &list, &lineage, frontier);
        if (act && k->options.journal && !rwd_journal_prune(k->options.journal, k->io, r.floor, NULL, &err)) rwd_log_error(RWD_LOG_WARN, "journal", &err);
        take_horizon(k, look(k, &list, &lineage, frontier).horizon);
        rwd_checkpoint_list_deinit(&list);
    } else {
        rwd_log_error(RWD_LOG_WARN, "journal", &err);
    }
    rwd_lineage_deinit(&lineage);
}

rwd_horizon rwd_keeper_horizon(rwd_keeper *k) {
    pthread_mutex_lock(&k->mutex);
    rwd_horizon horizon = k->horizon;
    pthread_mutex_unlock(&k->mutex);
    return horizon;
}

void rwd_keeper_tell_begin(rwd_keeper *k, int64_t begin) {
    pthread_mutex_lock(&k->mutex);
    if (begin != k->begin) {
        k->begin = begin;
        k->look_due = true;
        pthread_cond_broadcast(&k->changed);
    }
    pthread_mutex_unlock(&k->mutex);
}

static void prune(rwd_keeper *k) {
    rwd_lineage lineage;
    rwd_prune_plan plan;
    rwd_error err;
    int64_t frontier = 0;
    rwd_keep keep = k->options.keep;
    if (!snapshot(k, &lineage, &frontier)) return;
    keep.full = k->options.full_keep;
    if (rwd_repo_prune(k->repo, &lineage, frontier, &keep, true, &plan, &err)) rwd_prune_plan_deinit(&plan);
    else rwd_log_error(RWD_LOG_WARN, "checkpoint", &err);
    rwd_lineage_deinit(&lineage);
    keep_reach(k, true);
}

// ---- its thread

static bool prune_allowed(const rwd_keeper *k) { return k->prune_due && k->commits > k->decided_at; }
static bool has_work(const rwd_keeper *k) { return k->verify_due || k->copy_due || prune_allowed(k) || k->look_due; }

typedef enum job { VERIFY, COPY, PRUNE, LOOK } job;

// The mutex is held.
static job take_job(rwd_keeper *k) {
    if (k->verify_due) {
        k->verify_due = false;
        return VERIFY;
    }
    if (k->copy_due) {
        k->copy_due = false;
        return COPY;
    }
    k->look_due = false;
    if (!prune_allowed(k)) return LOOK;
    k->prune_due = false;
    return PRUNE;
}

static void do_job(rwd_keeper *k, job what) {
    switch (what) {
    case VERIFY: (void)verify_all(k); break;
    case COPY: copy_if_due(k); break;
    case PRUNE: prune(k); break;
    case LOOK: keep_reach(k, false); break;
    }
}

static void *run(void *context) {
    rwd_keeper *k = context;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);  // of this thread, on Linux
    pthread_mutex_lock(&k->mutex);
    while (!stopping(k)) {
        if (!has_work(k)) {
            pthread_cond_broadcast(&k->changed);
            pthread_cond_wait(&k->changed, &k->mutex);
            continue;
        }
        job what = take_job(k);
        k->working = true;
        pthread_mutex_unlock(&k->mutex);
        do_job(k, what);
        pthread_mutex_lock(&k->mutex);
        k->working = false;
    }
    pthread_mutex_unlock(&k->mutex);
    return NULL;
}

// ---- the pipeline's side

bool rwd_keeper_new(rwd_repo *repo, rwd_io *io, rwd_clock *clock, const rwd_keeper_options *options, rwd_keeper **out, rwd_error *err) {
    rwd_keeper *k = rwd_calloc(1, sizeof(*k));
    k->repo = repo;
    k->io = io;
    k->clock = clock;
    k->options = *options;
    k->verify_due = true;
    k->begin = -1;
    k->horizon = (rwd_horizon){-1, -1};
    pthread_mutex_init(&k->mutex, NULL);
    rwd_cond_init(&k->changed);
    int result = pthread_create(&k->thread, NULL, run, k);
    if (result == 0) {
        *out = k;
        return true;
    }
    k->thread = pthread_self();  // there is none to join
    rwd_keeper_free(k);
    return rwd_fail_errno(err, result, "cannot start the keeper's thread");
}

void rwd_keeper_free(rwd_keeper *k) {
    if (!k) return;
    pthread_mutex_lock(&k->mutex);
    atomic_store(&k->stop, true);
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->mutex);
    if (!pthread_equal(k->thread, pthread_self())) pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->mutex);
    rwd_lineage_deinit(&k->lineage);
    free(k->bad);
    rwd_io_free(k->io);
    free(k);
}

void rwd_keeper_notify(rwd_keeper *k, const rwd_lineage *lineage, int64_t frontier, const char *new_checkpoint_id) {
    rwd_hash128 id = rwd_lineage_id(lineage);
    pthread_mutex_lock(&k->mutex);
    if (!k->told || !rwd_hash128_equal(id, k->lineage_id)) {
        rwd_lineage_deinit(&k->lineage);
        rwd_lineage_copy(lineage, &k->lineage);
        k->lineage_id = id;
    }
    // What the last process left is looked at, too: a job that only ever runs to the end of its input would never prune.
    bool first = !k->told;
    k->told = true;
    k->frontier = frontier;
    if (!new_checkpoint_id) k->commits++;  // the commit that a checkpoint stands on was told before it
    if (new_checkpoint_id) k->verify_due = k->copy_due = true;
    if (new_checkpoint_id || first) {
        if (!k->prune_due) k->decided_at = k->commits;  // K6: the next commit of our own allows it
        k->prune_due = true;
    }
    if (has_work(k)) pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->mutex);
}

bool rwd_keeper_found_bad(rwd_keeper *k, char out_id[RWD_CHECKPOINT_ID], rwd_error *out_why) {
    pthread_mutex_lock(&k->mutex);
    bool found = k->bad_count > 0;
    if (found) {
        memcpy(out_id, k->bad[0].id, RWD_CHECKPOINT_ID);
        *out_why = k->bad[0].why;
        memmove(k->bad, k->bad + 1, --k->bad_count * sizeof(*k->bad));
    }
    pthread_mutex_unlock(&k->mutex);
    return found;
}

bool rwd_keeper_drain(rwd_keeper *k, int64_t timeout_ns) {
    struct timespec until = rwd_deadline_in(timeout_ns);
    pthread_mutex_lock(&k->mutex);
    while ((k->working || has_work(k)) && pthread_cond_timedwait(&k->changed, &k->mutex, &until) == 0) {}
    bool idle = !k->working && !has_work(k);
    pthread_mutex_unlock(&k->mutex);
    return idle;
}
