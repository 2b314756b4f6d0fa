// diff --why: the first records that made a key differ.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/cli/side.h"
#include "operator/cli/signals.h"
#include "operator/pipeline/why.h"

#define WHY_LIMIT 5

typedef struct asking {
    rwd_cli *cli;
    const rwd_place *place;
    const rwd_cli_side *sides;
    rwd_signals *signals;
    rwd_logics *logics;
    rwd_lineage lineage[2];
} asking;

static void working(void *context, rwd_shadow *shadow) {
    asking *a = context;
    rwd_error ignored;
    if (!shadow) {
        if (a->signals) (void)rwd_signals_stop(a->signals);
        a->signals = NULL;
    } else if (!rwd_signals_start_shadow(shadow, &a->signals, &ignored)) {
        a->signals = NULL;
    }
}

// Its history, and what is needed to replay it. A shadow's repository has its lineage; the plan of the repair has the logic.
static bool take_side(asking *a, int side, rwd_error *err) {
    const rwd_cli_side *s = &a->sides[side];
    char folder[RWD_PATH_MAX];
    rwd_repair_plan plan;
    rwd_buf text = {0};
    if (s->is_file || (!*s->repair && strcmp(s->data, a->place->data) != 0)) {
        (void)rwd_fail(err, RWD_E_USAGE, "--why: '%s' is no state of this job's own history", s->word);
        return rwd_error_next(err, "take live, a checkpoint, or repair:ID");
    }
    bool ok = rwd_repo_load_lineage(s->repo, s->checkpoint.facts.lineage, &a->lineage[side], &text, err);
    rwd_buf_deinit(&text);
    if (!ok || !*s->repair) return ok;
    if (!rwd_repair_folder_of(a->place->data, s->repair, folder, err) || !rwd_repair_plan_load(folder, s->io, &plan, err)) return false;
    ok = rwd_repair_plan_logics(&plan, folder, a->logics, err);
    rwd_repair_plan_deinit(&plan);
    return ok;
}

static const char *const amended_texts[] = {
    [RWD_AMENDED_NOT] = "", [RWD_AMENDED_SKIPPED] = "skipped", [RWD_AMENDED_REPLACED] = "replaced", [RWD_AMENDED_INSERTED] = "with an inserted one"};

static void show(asking *a, rwd_why *why) {
    rwd_buf *out = &a->cli->out;
    const char *names[2] = {"old", "new"};
    rwd_buf_appendf(out, "%s of %s, from checkpoint %s at offset %" PRId64 " on (%" PRIu64 " records read)\n", a->cli->in->values[RWD_FLAG_ID_WHY],
                    a->sides[1].job->table_count == 1 ? a->sides[1].job->tables[0].schema.name : a->cli->in->values[RWD_FLAG_ID_TABLE], why->base, why->base_offset, why->records);
    if (why->count == 0) rwd_buf_append_str(out, "  no record makes its rows differ\n");
    for (size_t i = 0; i < why->count; i++) {
        rwd_why_step *step = &why->steps[i];
        rwd_buf_appendf(out, "\noffset %" PRId64 "\n", step->offset);
        for (int side = 0; side < 2; side++)
            rwd_buf_appendf(out, "  %s  %s%s%s%s%s\n", names[side], step->present[side] ? rwd_buf_cstr(&step->row[side]) : "(no row)", step->changes[side] ? "" : "  (as before)",
                            step->amended[side] ? "  (" : "", amended_texts[step->amended[side]], step->amended[side] ? ")" : "");
    }
    if (why->more) rwd_buf_append_str(out, "\nthere are more: --limit N\n");
}

static void show_json(asking *a, rwd_why *why) {
    rwd_json_out json;
    rwd_json_init(&json, &a->cli->out, true);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "key", a->cli->in->values[RWD_FLAG_ID_WHY]);
    rwd_json_put_string(&json, "base", why->base);
    rwd_json_put_int(&json, "base_offset", why->base_offset);
    rwd_json_put_uint(&json, "records_read", why->records);
    rwd_json_key(&json, "offsets");
    rwd_json_array(&json);
    for (size_t i = 0; i < why->count; i++) {
        const rwd_why_step *step = &why->steps[i];
        rwd_json_object(&json);
        rwd_json_put_int(&json, "offset", step->offset);
        for (int side = 0; side < 2; side++) {
            rwd_json_put_object(&json, side == RWD_OLD ? "old" : "new");
            rwd_json_put_bool(&json, "changes", step->changes[side]);
            rwd_json_put_string(&json, "amended", step->amended[side] ? amended_texts[step->amended[side]] : NULL);
            rwd_json_key(&json, "row");
            if (step->present[side]) rwd_json_raw(&json, rwd_buf_slice(&step->row[side]));
            else rwd_json_null(&json);
            rwd_json_object_end(&json);
        }
        rwd_json_object_end(&json);
    }
    rwd_json_array_end(&json);
    rwd_json_put_bool(&json, "more", why->more);
    rwd_json_object_end(&json);
    rwd_buf_append_char(&a->cli->out, '\n');
}

static bool ask(asking *a, const rwd_job *job, const char *folder, rwd_error *err) {
    uint16_t table;
    uint64_t limit = rwd_count_of(a->cli->in, RWD_FLAG_ID_LIMIT, WHY_LIMIT);
    rwd_why why;
    if (!rwd_find_table(a->sides[1].job, a->cli->in->values[RWD_FLAG_ID_TABLE], &table, err)) return false;
    for (int side = 0; side < 2; side++)
        if (!take_side(a, side, err)) return false;
    rwd_why_options options = {
        .job = job, .repo = a->place->repo, .logics = a->logics, .io = a->place->io, .tier = rwd_cli_io_tier(a->cli, job), .clock = a->cli->clock,
        .table = a->sides[1].job->tables[table].schema.name, .key = a->cli->in->values[RWD_FLAG_ID_WHY], .lineage = {&a->lineage[0], &a->lineage[1]},
        .position = {a->sides[0].checkpoint.facts.next_offset, a->sides[1].checkpoint.facts.next_offset}, .most = limit && limit < RWD_WHY_CHANGES_MAX ? (size_t)limit : RWD_WHY_CHANGES_MAX,
        .folder = folder, .progress = isatty(STDERR_FILENO), .working = working, .context = a,
    };
    if (!rwd_why_run(&options, &why, err)) return false;
    if (a->cli->json) show_json(a, &why);
    else show(a, &why);
    if (why.count) a->cli->exit_code = RWD_EXIT_DIFFERENT;
    rwd_why_deinit(&why);
    return true;
}

bool rwd_diff_why(rwd_cli *cli, rwd_place *place, const rwd_cli_side sides[2], rwd_error *err) {
    char private[RWD_PATH_MAX], folder[RWD_PATH_MAX];
    const char *temporary = getenv("TMPDIR");
    if (cli->csv) return rwd_fail(err, RWD_E_USAGE, "--why is shown as a table or as JSON");
    if (!*place->data) return rwd_fail(err, RWD_E_USAGE, "--why needs a job file, or --data: both sides are states of one job");
    if (!place->repo && !rwd_place_open_reader(cli, place, err)) return false;
    (void)snprintf(private, sizeof(private), "%.4000s/rewind-why-XXXXXX", temporary && *temporary ? temporary : "/var/tmp");
    if (!mkdtemp(private)) {
        (void)rwd_fail_errno(err, errno, "cannot make a private folder");
        return rwd_error_at(err, "%s", private);
    }
    asking a = {.cli = cli, .place = place, .sides = sides};
    const rwd_job *job = place->job ? place->job : sides[0].job;
    a.logics = rwd_logics_new(place->repo, job);
    bool ok = rwd_path_join(folder, private, "shadow", err) && ask(&a, job, folder, err);
    rwd_lineage_deinit(&a.lineage[0]);
    rwd_lineage_deinit(&a.lineage[1]);
    rwd_logics_free(a.logics);
    (void)rmdir(private);
    return ok;
}
