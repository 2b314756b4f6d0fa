// replay: a part of the input again, into a shadow; with another logic, or amended; and what came of it.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "operator/base/log.h"
#include "operator/cli/replay.h"
#include "operator/cli/signals.h"
#include "operator/config/logic_compare.h"
#include "state/budget.h"

#define SHADOWS_NAME "shadows"            // <data>/shadows/NAME
#define TEMPORARY_PREFIX "replay-"        // <data>/shadows/replay-XXXXXX: of those that are not kept

// ---- what is asked for

// "1%", "0.25%" or "100%": with up to four digits behind the point.
static bool parse_sample(const char *word, uint32_t *out, rwd_error *err) {
    uint64_t units = 0;
    const char *at = word;
    unsigned after = 0;
    for (; *at >= '0' && *at <= '9' && units < RWD_SAMPLE_ALL; at++) units = units * 10 + (uint64_t)(*at - '0');
    bool digits = at > word;
    if (digits && *at == '.')
        for (at++; *at >= '0' && *at <= '9' && after < 4; at++, after++) units = units * 10 + (uint64_t)(*at - '0');
    for (; after < 4; after++) units *= 10;
    if (digits && strcmp(at, "%") == 0 && units > 0 && units <= RWD_SAMPLE_ALL) return *out = (uint32_t)units, true;
    (void)rwd_fail(err, RWD_E_USAGE, "--sample: '%.100s' is no part of all keys", word);
    return rwd_error_next(err, "write it as 1%% or 0.25%%");
}

static bool parse_memory(const char *word, uint64_t *out, rwd_error *err) {
    char least[RWD_TIME_TEXT_MAX];
    rwd_size_text(RWD_BUDGET_MIN, least);
    if (!rwd_size_parse(word, out)) return rwd_fail(err, RWD_E_USAGE, "--memory: '%.100s' is no size; write it as 256MiB", word);
    return *out >= RWD_BUDGET_MIN || rwd_fail(err, RWD_E_USAGE, "--memory: the least is %s", least);
}

static bool check_name(const char *name, rwd_error *err) {
    size_t good = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    bool ok = name[0] && name[0] != '.' && !name[good] && good <= RWD_TAG_MAX && strncmp(name, TEMPORARY_PREFIX, strlen(TEMPORARY_PREFIX)) != 0;
    return ok ||
           rwd_fail(err, RWD_E_USAGE, "--keep: '%.100s' is no name; it has letters, digits, '.', '_' and '-', at most %d, and does not begin with '.' or '" TEMPORARY_PREFIX "'", name, RWD_TAG_MAX);
}

static bool read_flags(rwd_replay *r, rwd_error *err) {
    const char *const *values = r->cli->in->values;
    if (values[RWD_FLAG_ID_SAMPLE] && !parse_sample(values[RWD_FLAG_ID_SAMPLE], &r->sample, err)) return false;
    if (values[RWD_FLAG_ID_MEMORY] && !parse_memory(values[RWD_FLAG_ID_MEMORY], &r->memory, err)) return false;
    if (values[RWD_FLAG_ID_KEEP_AS] && !check_name(values[RWD_FLAG_ID_KEEP_AS], err)) return false;
    r->amended = values[RWD_FLAG_ID_AMEND] != NULL;
    if (r->amended && !rwd_amend_file_load(values[RWD_FLAG_ID_AMEND], &r->amendments, err)) return false;
    if (r->sample && values[RWD_FLAG_ID_KEEP_AS]) return rwd_fail(err, RWD_E_USAGE, "--sample and --keep: what a sample comes to is no state to keep");
    if (values[RWD_FLAG_ID_FROM_PLACE] || r->amended) return true;
    (void)rwd_fail(err, RWD_E_USAGE, "say where the replay begins: --from OFFSET, TIME or CHECKPOINT");
    return rwd_error_next(err, "rewind checkpoint list%s%s", r->cli->in->job ? " " : "", r->cli->in->job ? r->cli->in->job : "");
}

// ---- from where to where, and with what

static bool make_plan(rwd_replay *r, const rwd_target *target, bool above_c, rwd_plan *out, rwd_error *err) {
    rwd_plan_options options = {.job = r->job, .repo = r->place.repo, .io = r->place.io, .clock = r->cli->clock, .target = *target, .above_c = above_c};
    return rwd_plan_make(&options, out, err);
}

// Without a job file the one that is kept with the newest checkpoint says where records are.
static bool find_job(rwd_replay *r, rwd_error *err) {
    rwd_checkpoint latest;
    r->job = r->place.job;
    if (r->job) return true;
    if (!rwd_place_checkpoint(&r->place, "latest", &latest, err)) return false;
    bool ok = rwd_repo_job_of(r->place.repo, &latest, &r->kept_job, NULL, err);
    rwd_checkpoint_deinit(&latest);
    r->job = r->kept_job;
    return ok;
}

static bool find_logics(rwd_replay *r, rwd_error *err) {
    const char *file = r->cli->in->values[RWD_FLAG_ID_LOGIC];
    r->logics = rwd_logics_new(r->place.repo, r->job);
    return !file || (rwd_job_load(file, NULL, 0, &r->file_job, err) && rwd_logics_add(r->logics, r->file_job, &r->logic, err));
}

static int64_t lowest_amendment(const rwd_replay *r) {
    int64_t lowest = INT64_MAX;
    for (size_t i = 0; i < r->amendments.count; i++)
        if (r->amendments.items[i].at < lowest) lowest = r->amendments.items[i].at;
    return lowest;
}

// L6: the base has X <= the lowest amendment.
static bool find_from(rwd_replay *r, rwd_error *err) {
    const char *word = r->cli->in->values[RWD_FLAG_ID_FROM_PLACE];
    int64_t lowest = lowest_amendment(r);
    rwd_target target = {.kind = RWD_TARGET_OFFSET, .offset = lowest};
    if (word && !rwd_cli_place_target(r->cli, "--from", word, &target, err)) return false;
    if (!make_plan(r, &target, false, &r->plan, err)) return false;
    r->has_base = true;
    r->from = r->plan.place;
    if (r->plan.base.facts.next_offset <= lowest) return true;
    rwd_plan_deinit(&r->plan);
    r->has_base = false;
    target = (rwd_target){.kind = RWD_TARGET_OFFSET, .offset = lowest};
    r->has_base = make_plan(r, &target, false, &r->plan, err);
    return r->has_base;
}

static bool find_to(rwd_replay *r, rwd_error *err) {
    const char *word = r->cli->in->values[RWD_FLAG_ID_TO_PLACE];
    rwd_plan plan;
    r->to = r->plan.frontier;
    if (word) {
        rwd_target target;
        if (!rwd_cli_place_target(r->cli, "--to", word, &target, err)) return false;
        if (target.kind == RWD_TARGET_OFFSET) {
            r->to = target.offset;
        } else {
            if (!make_plan(r, &target, true, &plan, err)) return false;
            r->to = plan.place;
            rwd_plan_deinit(&plan);
        }
    }
    if (r->to >= r->from && r->to >= r->plan.base.facts.next_offset) return true;
    return rwd_fail(err, RWD_E_USAGE, "--to is offset %" PRId64 ", below --from, which is offset %" PRId64, r->to, r->from);
}

// L3, before anything is replayed.
static bool check_logic(const rwd_replay *r, const rwd_lineage *own, rwd_error *err) {
    const rwd_job *before;
    rwd_logic_comparison compared;
    if (r->from <= own->genesis) return true;
    if (!rwd_logics_job(r->logics, own->segments[rwd_lineage_segment_at(own, r->from - 1)].logic, &before, err)) return false;
    rwd_logic_compare(before, r->logic, &compared);
    if (compared.relation != RWD_LOGIC_GENESIS) return true;
    (void)rwd_fail(err, RWD_E_LOGIC_CHANGED, "the logic of %s can only begin with the first record: %s", r->cli->in->values[RWD_FLAG_ID_LOGIC], compared.what);
    return rwd_error_next(err, "replay it from there: --from %" PRId64, own->genesis);
}

// The history that C names, with the other logic from `from` on, and the amendments.
static bool make_lineage(rwd_replay *r, rwd_error *err) {
    const rwd_lineage *own = &r->plan.lineage;
    if (!r->logic) {
        rwd_lineage_copy(own, &r->lineage);
        return rwd_amendments_add_to(&r->amendments, &r->lineage, err);
    }
    if (!check_logic(r, own, err)) return false;
    rwd_lineage kept;
    rwd_lineage_copy(own, &kept);
    while (kept.segment_count > 0 && kept.segments[kept.segment_count - 1].from >= r->from) kept.segment_count--;
    int64_t from = r->from > own->genesis ? r->from : own->genesis;
    rwd_lineage_add_segment(&kept, (rwd_lineage_segment){.from = from, .logic = r->logic->logic, .sinks = r->logic->sinks_hash});
    r->lineage = kept;
    return rwd_amendments_add_to(&r->amendments, &r->lineage, err);
}

// ---- the folder

// What a replay that was killed left behind, and nobody works on.
static void remove_left_behind(const char *shadows) {
    char **names = NULL;
    size_t count = 0;
    rwd_error ignored;
    if (!rwd_list_dir(shadows, &names, &count, &ignored)) return;
    for (size_t i = 0; i < count; i++) {
        char folder[RWD_PATH_MAX];
        bool ours = strncmp(names[i], TEMPORARY_PREFIX, strlen(TEMPORARY_PREFIX)) == 0 && rwd_path_join(folder, shadows, names[i], &ignored);
        free(names[i]);
        int fd = ours ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (fd < 0) continue;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && !rwd_remove_tree(folder, &ignored)) rwd_log_error(RWD_LOG_WARN, "replay", &ignored);
        close(fd);
    }
    free(names);
}

// Beside the checkpoints, so that files are linked; where that cannot be written, among temporary files. It is held while we live.
static bool temporary_folder(rwd_replay *r, const char *shadows, int *out_fd, rwd_error *err) {
    const char *elsewhere = getenv("TMPDIR");
    (void)snprintf(r->folder, sizeof(r->folder), "%.4000s/" TEMPORARY_PREFIX "XXXXXX", shadows);
    if (!mkdtemp(r->folder)) {
        (void)snprintf(r->folder, sizeof(r->folder), "%.4000s/rewind-" TEMPORARY_PREFIX "XXXXXX", elsewhere && *elsewhere ? elsewhere : "/var/tmp");
        if (!mkdtemp(r->folder)) return rwd_fail_errno(err, errno, "cannot make a folder for the shadow");
    }
    r->temporary = true;
    *out_fd = open(r->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out_fd >= 0) (void)flock(*out_fd, LOCK_SH | LOCK_NB);
    return true;
}

static bool choose_folder(rwd_replay *r, int *out_fd, rwd_error *err) {
    char shadows[RWD_PATH_MAX];
    const char *name = r->cli->in->values[RWD_FLAG_ID_KEEP_AS];
    rwd_error ignored;
    if (!rwd_path_join(shadows, r->place.data, SHADOWS_NAME, err)) return false;
    if (name) return rwd_path_join(r->folder, shadows, name, err);
    if (rwd_io_make_dirs(r->place.io, shadows, &ignored)) remove_left_behind(shadows);
    return temporary_folder(r, shadows, out_fd, err);
}

// ---- the act

static bool build(const rwd_replay *r, rwd_shadow *shadow, rwd_error *err) {
    rwd_signals *signals = NULL;
    if (!rwd_signals_start_shadow(shadow, &signals, err)) return false;
    bool ok = rwd_shadow_build(shadow, err);
    bool stopped = rwd_signals_stop(signals);
    if (!ok && stopped && !r->temporary) (void)rwd_error_next(err, "give the same command again: it goes on from there");
    return ok;
}

// `lineage` NULL: the base's own history.
static bool make_shadow(rwd_replay *r, const char *name, const rwd_lineage *lineage, rwd_shadow **out, rwd_error *err) {
    char folder[RWD_PATH_MAX];
    if (r->temporary && !rwd_path_join(folder, r->folder, name, err)) return false;
    rwd_shadow_options options = {
        .job = r->job, .clock = r->cli->clock, .io = rwd_cli_io_tier(r->cli, r->job), .repo = r->place.repo, .base = &r->plan.base, .lineage = lineage, .logics = r->logics,
        .until = r->to, .folder = r->temporary ? folder : r->folder, .keep = !r->temporary, .memory = r->memory, .every_ns = r->temporary ? 0 : r->job->checkpoints.every_ns, .sample = r->sample,
        .pace = rwd_pace_step, .pace_context = &r->pace, .progress = isatty(STDERR_FILENO),
    };
    if (!rwd_shadow_open(&options, out, err)) return false;
    if (build(r, *out, err)) return true;
    rwd_shadow_free(*out);
    *out = NULL;
    return false;
}

// A checkpoint of the job's own history at the same place, to compare with.
static bool find_live(rwd_replay *r, int64_t next_offset, rwd_checkpoint *out) {
    rwd_checkpoint_list list = {0};
    rwd_error ignored;
    bool found = false;
    if (!rwd_repo_list(r->place.repo, &list, &ignored)) return false;
    for (size_t i = 0; i < list.count && !found; i++) {
        const rwd_checkpoint *c = &list.items[i];
        bool whole = c->state == RWD_CHECKPOINT_GOOD || c->state == RWD_CHECKPOINT_UNVERIFIED;
        if (!whole || c->facts.next_offset != next_offset || !rwd_hash128_equal(c->facts.history, rwd_lineage_history(&r->plan.lineage, next_offset))) continue;
        found = rwd_repo_find(r->place.repo, c->id, out, &ignored);
    }
    rwd_checkpoint_list_deinit(&list);
    return found;
}

static bool show(rwd_replay *r, rwd_shadow *shadow, const rwd_shadow *before, rwd_error *err) {
    rwd_shadow_progress progress;
    rwd_checkpoint live;
    rwd_json_out json;
    bool ok = true, found = !r->sample && find_live(r, rwd_shadow_checkpoint(shadow)->facts.next_offset, &live);
    rwd_shadow_get_progress(shadow, &progress);
    if (r->cli->json) {
        rwd_json_init(&json, &r->cli->out, true);
        rwd_json_object(&json);
    }
    rwd_render_replay(r, shadow, &progress, found ? &live : NULL, r->cli->json ? &json : NULL, &r->cli->out);
    if (before) ok = rwd_replay_compare(r, before, shadow, r->cli->json ? &json : NULL, &r->cli->out, err);
    if (r->cli->json) {
        rwd_json_object_end(&json);
        rwd_buf_append_char(&r->cli->out, '\n');
    }
    if (found) rwd_checkpoint_deinit(&live);
    return ok;
}

// A sample of another history is compared with the same sample of the job's own.
static bool act(rwd_replay *r, rwd_error *err) {
    rwd_shadow *shadow = NULL, *before = NULL;
    bool compares = r->sample && (r->logic || r->amended);
    rwd_pace_init(&r->pace, r->place.data, r->cli->clock);
    bool ok = !compares || make_shadow(r, "before", &r->plan.lineage, &before, err);
    ok = ok && make_shadow(r, "shadow", &r->lineage, &shadow, err) && show(r, shadow, before, err);
    rwd_shadow_free(shadow);
    rwd_shadow_free(before);
    return ok;
}

static bool replay(rwd_replay *r, rwd_error *err) {
    int fd = -1;
    if (!rwd_place_open_reader(r->cli, &r->place, err) || !find_job(r, err) || !find_logics(r, err) || !find_from(r, err) || !find_to(r, err) || !make_lineage(r, err)) return false;
    if (!rwd_repo_read_lock(r->place.repo, r->plan.base.id, &r->lock, err)) return false;
    r->locked = true;
    bool ok = choose_folder(r, &fd, err) && act(r, err);
    if (r->temporary) (void)rmdir(r->folder);
    if (fd >= 0) close(fd);
    return ok;
}

bool rwd_run_replay(rwd_cli *cli, rwd_error *err) {
    rwd_replay *r = rwd_calloc(1, sizeof(*r));
    r->cli = cli;
    rwd_signals_block();
    bool ok = read_flags(r, err) && rwd_place_find(cli, &r->place, err);
    if (ok) {
        ok = replay(r, err);
        if (r->locked) rwd_read_lock_release(&r->lock);
        rwd_lineage_deinit(&r->lineage);
        if (r->has_base) rwd_plan_deinit(&r->plan);
        rwd_logics_free(r->logics);
        rwd_job_free(r->file_job);
        rwd_job_free(r->kept_job);
        rwd_place_deinit(&r->place);
    }
    rwd_amendments_deinit(&r->amendments);
    free(r);
    return ok;
}
