// repair plan, list, show, forget.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operator/admin/client.h"
#include "operator/base/log.h"
#include "operator/cli/cli_private.h"
#include "operator/cli/output.h"
#include "operator/cli/pace.h"
#include "operator/cli/render_repair.h"
#include "operator/cli/signals.h"
#include "operator/config/amend_file.h"

#define SHOWN_TABLE 20   // corrections, unless --limit says otherwise
#define SHOWN_LINES 100
#define ALIGN_ROWS 1000
#define SHADOW_EVERY_NS 30000000000LL

// ---- corrections

// Some of them, kept by their sizes.
typedef struct kept { double size; uint64_t number; rwd_correction correction; rwd_buf bytes; } kept;
typedef struct largest { kept *items; size_t count, most, least; } largest;

static void find_least(largest *l) {
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].size < l->items[l->least].size || (l->items[i].size == l->items[l->least].size && l->items[i].number > l->items[l->least].number)) l->least = i;
}

static rwd_slice keep_bytes(rwd_buf *bytes, rwd_slice slice, size_t *at) {
    if (!slice.data) return slice;
    rwd_slice copy = rwd_slice_of(bytes->data + *at, slice.size);
    *at += slice.size;
    return copy;
}

static void keep(largest *l, double size, uint64_t number, const rwd_correction *c) {
    if (l->count == l->most && size <= l->items[l->least].size) return;
    kept *item = &l->items[l->count < l->most ? l->count : l->least];
    rwd_buf_clear(&item->bytes);
    rwd_buf_append_slice(&item->bytes, c->key);
    if (c->old_row.data) rwd_buf_append_slice(&item->bytes, c->old_row);
    if (c->new_row.data) rwd_buf_append_slice(&item->bytes, c->new_row);
    size_t at = 0;
    item->size = size;
    item->number = number;
    item->correction = *c;
    item->correction.key = keep_bytes(&item->bytes, c->key, &at);
    item->correction.old_row = keep_bytes(&item->bytes, c->old_row, &at);
    item->correction.new_row = keep_bytes(&item->bytes, c->new_row, &at);
    if (l->count < l->most) l->least = l->count++;
    find_least(l);
}

static int by_size(const void *a, const void *b) {
    const kept *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static bool show_largest(rwd_cli *cli, rwd_corrections *corrections, rwd_correction_texts *texts, uint64_t limit, rwd_grid *grid, rwd_error *err) {
    largest l = {.most = (size_t)(limit < rwd_corrections_rows(corrections) ? limit : rwd_corrections_rows(corrections))};
    rwd_correction c;
    bool found = l.most > 0, ok = true;
    l.items = rwd_calloc(l.most + 1, sizeof(*l.items));
    for (uint64_t number = 0; ok && found; number++) {
        ok = rwd_corrections_next(corrections, &c, &found, err);
        if (ok && found) ok = rwd_correction_open(texts, &c, err);
        if (ok && found) keep(&l, rwd_correction_size(texts), number, &c);
    }
    if (l.count > 1) qsort(l.items, l.count, sizeof(*l.items), by_size);
    for (size_t i = 0; i < l.count; i++) {
        ok = ok && rwd_correction_open(texts, &l.items[i].correction, err);
        if (ok) rwd_render_correction_cells(texts, grid);
    }
    rwd_grid_flush(grid, &cli->out);
    for (size_t i = 0; i < l.most; i++) rwd_buf_deinit(&l.items[i].bytes);
    free(l.items);
    return ok;
}

// In the order in which they are published.
static bool show_first(rwd_cli *cli, rwd_corrections *corrections, rwd_correction_texts *texts, uint64_t limit, rwd_grid *grid, rwd_error *err) {
    rwd_correction c;
    bool found = true, ok = true;
    for (uint64_t i = 0; i < limit && ok && found; i++) {
        ok = rwd_corrections_next(corrections, &c, &found, err);
        if (!ok || !found) break;
        ok = rwd_correction_open(texts, &c, err);
        if (ok && cli->json) rwd_render_correction_json(texts, &cli->out);
        else if (ok && cli->csv) rwd_render_correction_csv(texts, &cli->out);
        else if (ok) rwd_render_correction_cells(texts, grid);
        if (rwd_grid_rows(grid) > ALIGN_ROWS) rwd_grid_flush(grid, &cli->out);
        if (ok && cli->out.size >= RWD_OUTPUT_PIECE) ok = rwd_cli_flush(cli, err);
    }
    if (!cli->json && !cli->csv) rwd_grid_flush(grid, &cli->out);
    return ok;
}

static bool show_corrections(rwd_cli *cli, const rwd_place *place, rwd_corrections *corrections, rwd_correction_texts *texts, rwd_error *err) {
    bool people = !cli->json && !cli->csv;
    uint64_t limit = rwd_count_of(cli->in, RWD_FLAG_ID_LIMIT, people ? SHOWN_TABLE : SHOWN_LINES), rows = rwd_corrections_rows(corrections);
    rwd_grid grid;
    rwd_grid_init(&grid);
    if (limit == 0) limit = UINT64_MAX;
    if (people && rows > 0) {
        rwd_render_corrections_columns(&grid);
        if (limit < rows)
            rwd_buf_appendf(&cli->out, "\nthe %" PRIu64 " greatest corrections of %" PRIu64 "; all: rewind repair show %s%s %s --limit 0 -o csv\n", limit, rows,
                            cli->in->job ? "" : "--data ", cli->in->job ? cli->in->job : place->data, rwd_corrections_repair(corrections));
        else rwd_buf_append_str(&cli->out, "\ncorrections\n");
    }
    if (cli->csv) rwd_buf_append_str(&cli->out, "output,table,key,change,column,old,new,delta\n");
    bool ok = people && rows > 0 && limit != UINT64_MAX ? show_largest(cli, corrections, texts, limit, &grid, err) : rows == 0 || show_first(cli, corrections, texts, limit, &grid, err);
    rwd_grid_deinit(&grid);
    return ok;
}

// ---- a plan

static const char *state_of(const char *folder) {
    char done[RWD_PATH_MAX], begun[RWD_PATH_MAX];
    rwd_error ignored;
    if (rwd_path_join(done, folder, "DONE", &ignored) && rwd_path_exists(done)) return "applied";
    return rwd_path_join(begun, folder, "SWITCH", &ignored) && rwd_path_exists(begun) ? "applying" : "planned";
}

static bool with_corrections(rwd_cli *cli, rwd_place *place, const rwd_repair_plan *plan, const char *folder, const rwd_job *current, rwd_error *err) {
    const rwd_job *old_job, *new_job;
    char path[RWD_PATH_MAX];
    rwd_corrections *corrections = NULL;
    rwd_correction_texts texts = {0};
    rwd_logics *logics = rwd_logics_new(place->repo, current);
    bool ok = rwd_path_join(path, folder, "corrections", err) && rwd_corrections_open(path, place->io, &corrections, err) &&
              rwd_repair_jobs(plan, folder, place->repo, logics, place->io, &old_job, &new_job, err) && rwd_correction_texts_init(&texts, old_job, new_job, err);
    ok = ok && show_corrections(cli, place, corrections, &texts, err);
    rwd_correction_texts_deinit(&texts);
    rwd_corrections_close(corrections);
    rwd_logics_free(logics);
    return ok;
}

static bool show_plan(rwd_cli *cli, rwd_place *place, const rwd_repair_plan *plan, const rwd_job *current, rwd_error *err) {
    char folder[RWD_PATH_MAX];
    if (!rwd_repair_folder_of(place->data, plan->id, folder, err)) return false;
    const char *state = state_of(folder);
    if (cli->json) {
        rwd_json_out json;
        rwd_json_init(&json, &cli->out, false);
        rwd_json_object(&json);
        rwd_json_key(&json, "plan");
        rwd_render_repair_json(plan, state, &json);
        rwd_json_object_end(&json);
        rwd_buf_append_char(&cli->out, '\n');
    } else if (!cli->csv) {
        rwd_render_repair(plan, &cli->out);
    }
    if (!with_corrections(cli, place, plan, folder, current, err)) return false;
    if (!cli->json && !cli->csv) rwd_render_repair_end(plan, cli->in->job ? cli->in->job : "JOB", strcmp(state, "planned") != 0, &cli->out);
    return true;
}

// The job file's, or where none is named, the one that the newest checkpoint was made with.
static bool current_job(rwd_place *place, rwd_job **out_owned, const rwd_job **out, rwd_error *err) {
    rwd_checkpoint latest;
    *out_owned = NULL;
    *out = place->job;
    if (place->job) return true;
    if (!rwd_place_checkpoint(place, "latest", &latest, err)) return false;
    bool ok = rwd_repo_job_of(place->repo, &latest, out_owned, NULL, err);
    rwd_checkpoint_deinit(&latest);
    *out = *out_owned;
    return ok;
}

bool rwd_run_repair_show(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    rwd_repair_plan plan = {0};
    rwd_job *owned = NULL;
    const rwd_job *current;
    char id[RWD_REPAIR_ID], folder[RWD_PATH_MAX];
    const char *word = cli->in->arg_count > 0 ? cli->in->args[0] : "latest";
    if (!rwd_place_find(cli, &place, err)) return false;
    bool ok = rwd_place_open_reader(cli, &place, err) && rwd_repair_find(place.data, place.io, word, id, err) && rwd_repair_folder_of(place.data, id, folder, err) &&
              rwd_repair_plan_load(folder, place.io, &plan, err) && current_job(&place, &owned, &current, err) && show_plan(cli, &place, &plan, current, err);
    rwd_repair_plan_deinit(&plan);
    rwd_job_free(owned);
    rwd_place_deinit(&place);
    return ok;
}

// ---- all of them

typedef struct plans { rwd_repair_plan *items; size_t count; } plans;

static int newest_first(const void *a, const void *b) {
    const rwd_repair_plan *x = a, *y = b;
    return x->created_us < y->created_us ? 1 : x->created_us > y->created_us ? -1 : strcmp(x->id, y->id);
}

// One that cannot be read hides no others.
static void take_plan(rwd_place *place, const char *folder, plans *out) {
    rwd_error why;
    if (rwd_repair_plan_load(folder, place->io, &out->items[out->count], &why)) out->count++;
    else rwd_log_error(RWD_LOG_WARN, "repair", &why);
}

// Folders without a PLAN are those of plans that are being made, or were left.
static bool load_plans(rwd_place *place, plans *out, rwd_error *err) {
    char folder[RWD_PATH_MAX], file[RWD_PATH_MAX], **names;
    size_t count;
    if (!rwd_path_join(folder, place->data, "repairs", err)) return false;
    if (!rwd_path_exists(folder)) return true;
    if (!rwd_list_dir(folder, &names, &count, err)) return false;
    out->items = rwd_calloc(count + 1, sizeof(*out->items));
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        if (rwd_repair_number(names[i]) == 0) continue;
        ok = rwd_repair_folder_of(place->data, names[i], folder, err) && rwd_path_join(file, folder, RWD_REPAIR_PLAN_FILE, err);
        if (ok && rwd_path_exists(file)) take_plan(place, folder, out);
    }
    rwd_names_free(names, count);
    if (out->count > 1) qsort(out->items, out->count, sizeof(*out->items), newest_first);
    return ok;
}

static void list_plans(rwd_cli *cli, const rwd_place *place, const plans *list) {
    rwd_grid grid;
    rwd_json_out json;
    static const char *const titles[] = {"id", "planned", "kind", "state", "from", "corrections", "by"};
    rwd_grid_init(&grid);
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) rwd_grid_column(&grid, titles[i], i == 4 || i == 5);
    rwd_json_init(&json, &cli->out, true);
    if (cli->json) rwd_json_array(&json);
    for (size_t i = 0; i < list->count; i++) {
        const rwd_repair_plan *p = &list->items[i];
        char folder[RWD_PATH_MAX], time[RWD_TIME_TEXT_MAX];
        rwd_error ignored;
        const char *state = rwd_repair_folder_of(place->data, p->id, folder, &ignored) ? state_of(folder) : "planned";
        if (cli->json) {
            rwd_render_repair_json(p, state, &json);
            continue;
        }
        rwd_time_text(p->created_us, time);
        rwd_grid_text(&grid, p->id);
        rwd_grid_text(&grid, time);
        rwd_grid_text(&grid, p->kind);
        rwd_grid_text(&grid, state);
        rwd_grid_int(&grid, p->differs_from);
        rwd_grid_int(&grid, (int64_t)p->rows);
        rwd_grid_text(&grid, p->who);
    }
    if (cli->json) {
        rwd_json_array_end(&json);
        rwd_buf_append_char(&cli->out, '\n');
    } else if (list->count == 0) {
        rwd_buf_append_str(&cli->out, "no repair was planned\n");
    } else {
        rwd_grid_flush(&grid, &cli->out);
    }
    rwd_grid_deinit(&grid);
}

bool rwd_run_repair_list(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    plans list = {0};
    if (!rwd_place_find(cli, &place, err)) return false;
    bool ok = rwd_place_open_reader(cli, &place, err) && load_plans(&place, &list, err);
    if (ok) list_plans(cli, &place, &list);
    for (size_t i = 0; i < list.count; i++) rwd_repair_plan_deinit(&list.items[i]);
    free(list.items);
    rwd_place_deinit(&place);
    return ok;
}

// ---- one no more

static void add_size(const char *folder, uint64_t *bytes) {
    char **names, path[RWD_PATH_MAX];
    size_t count;
    struct stat found;
    rwd_error ignored;
    if (!rwd_list_dir(folder, &names, &count, &ignored)) return;
    for (size_t i = 0; i < count; i++) {
        if (!rwd_path_join(path, folder, names[i], &ignored) || lstat(path, &found) != 0) continue;
        if (S_ISDIR(found.st_mode)) add_size(path, bytes);
        else *bytes += (uint64_t)found.st_size;
    }
    rwd_names_free(names, count);
}

// A plan, or what one that was killed has left.
static bool find_any(const rwd_cli *cli, rwd_place *place, char id[RWD_REPAIR_ID], char folder[RWD_PATH_MAX], rwd_error *err) {
    const char *word = cli->in->args[0];
    if (rwd_repair_number(word) == 0) return rwd_repair_find(place->data, place->io, word, id, err) && rwd_repair_folder_of(place->data, id, folder, err);
    memcpy(id, word, RWD_REPAIR_ID);
    if (!rwd_repair_folder_of(place->data, id, folder, err)) return false;
    return rwd_path_exists(folder) || rwd_repair_find(place->data, place->io, word, id, err);
}

static bool forget(rwd_cli *cli, rwd_place *place, rwd_error *err) {
    char id[RWD_REPAIR_ID], folder[RWD_PATH_MAX], size[RWD_TIME_TEXT_MAX];
    uint64_t bytes = 0;
    bool act;
    if (!find_any(cli, place, id, folder, err)) return false;
    const char *state = state_of(folder);
    if (strcmp(state, "planned") != 0) {
        (void)rwd_fail(err, RWD_E_BUSY, "repair %s is %s: it is part of the history", id, state);
        return rwd_error_next(err, "rewind repair report --data %s %s", place->data, id);
    }
    add_size(folder, &bytes);
    rwd_size_text(bytes, size);
    if (!cli->json) rwd_buf_appendf(&cli->out, "remove the plan of repair %s, with its second state: %s in %s\n", id, size, folder);
    if (!rwd_cli_may_act(cli, "Remove it?", &act, err)) return false;
    if (act && !rwd_remove_tree(folder, err)) return false;
    if (!cli->json) return true;
    rwd_json_out json;
    rwd_json_init(&json, &cli->out, true);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "id", id);
    rwd_json_put_uint(&json, "bytes", bytes);
    rwd_json_put_bool(&json, "removed", act);
    rwd_json_object_end(&json);
    rwd_buf_append_char(&cli->out, '\n');
    return true;
}

bool rwd_run_repair_forget(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    if (!rwd_place_find(cli, &place, err)) return false;
    bool ok = rwd_place_open_reader(cli, &place, err) && forget(cli, &place, err);
    rwd_place_deinit(&place);
    return ok;
}

// ---- a new one

// What goes on while it is made.
typedef struct planning {
    rwd_signals *signals;
    bool stopped;         // by one
    rwd_buf checkpoint;   // that the running operator made; empty: none runs
    rwd_pace pace;
} planning;

// What is asked for.
typedef struct request { rwd_job *logic; rwd_amendments amendments; } request;

// Signals end the shadow that is being built.
static void working(void *context, rwd_shadow *shadow) {
    planning *p = context;
    rwd_error ignored;
    if (!shadow) {
        p->stopped |= rwd_signals_stop(p->signals);
        p->signals = NULL;
    } else if (!rwd_signals_start_shadow(shadow, &p->signals, &ignored)) {
        p->signals = NULL;
    }
}

static bool ask_for_checkpoint(const rwd_place *place, rwd_buf *out, rwd_error *err) {
    rwd_admin_call call = {.command = "checkpoint-create"};
    if (rwd_admin_ask(place->data, &call, 0, out, err)) return true;
    rwd_buf_clear(out);
    if (err->code != RWD_E_NO_OPERATOR && err->code != RWD_E_BUSY) return false;
    if (err->code == RWD_E_BUSY) rwd_cli_say("The operator cannot make a checkpoint now; the newest is taken.");
    rwd_error_clear(err);
    return true;
}

bool rwd_cli_stopped(rwd_error *err) {
    (void)rwd_fail(err, RWD_E_BUSY, "stopped behind the replay");
    return rwd_error_next(err, "start the same command again; outputs stand as they were");
}

bool rwd_cli_make_plan(rwd_cli *cli, rwd_place *place, rwd_repair_options *options, rwd_repair_plan *out, rwd_error *err) {
    planning p = {0};
    char who[RWD_CLI_WHO];
    rwd_cli_who(who);
    bool ok = ask_for_checkpoint(place, &p.checkpoint, err) && (place->repo || rwd_place_open_reader(cli, place, err));
    if (ok) {
        rwd_pace_init(&p.pace, place->data, cli->clock);
        options->job = place->job, options->clock = cli->clock, options->io = place->io, options->tier = rwd_cli_io_tier(cli, place->job), options->repo = place->repo;
        options->who = who;
        options->old_checkpoint = p.checkpoint.size ? rwd_buf_cstr(&p.checkpoint) : NULL;
        options->every_ns = SHADOW_EVERY_NS;
        options->pace = rwd_pace_step, options->pace_context = &p.pace;
        options->working = working, options->context = &p;
        options->progress = isatty(STDERR_FILENO);
        ok = rwd_repair_make(options, out, err);
        if (ok && p.stopped) {
            rwd_repair_plan_deinit(out);
            ok = rwd_cli_stopped(err);
        }
    }
    rwd_buf_deinit(&p.checkpoint);
    return ok;
}

static bool read_request(rwd_cli *cli, request *r, rwd_repair_options *o, rwd_error *err) {
    const char *const *values = cli->in->values;
    const char *from = values[RWD_FLAG_ID_FROM_PLACE], *to = values[RWD_FLAG_ID_TO_PLACE], *logic = values[RWD_FLAG_ID_LOGIC], *amend = values[RWD_FLAG_ID_AMEND], *memory = values[RWD_FLAG_ID_MEMORY];
    o->has_from = from != NULL;
    o->has_to = to != NULL;
    if (from && !rwd_cli_place_target(cli, "--from", from, &o->from, err)) return false;
    if (to && !rwd_cli_place_target(cli, "--to", to, &o->to, err)) return false;
    if (memory && !rwd_size_parse(memory, &o->memory)) return rwd_fail(err, RWD_E_USAGE, "--memory takes a size such as 512MiB, not '%s'", memory);
    if (logic && !rwd_job_load(logic, NULL, 0, &r->logic, err)) return false;
    if (amend && !rwd_amend_file_load(amend, &r->amendments, err)) return false;
    o->logic = r->logic;
    o->amendments = amend ? &r->amendments : NULL;
    o->rebuild_old = rwd_given(cli->in, RWD_FLAG_ID_REBUILD_OLD);
    return true;
}

static bool make_plan(rwd_cli *cli, rwd_place *place, request *r, rwd_error *err) {
    rwd_repair_options options = {0};
    rwd_repair_plan plan;
    if (!read_request(cli, r, &options, err) || !rwd_cli_make_plan(cli, place, &options, &plan, err)) return false;
    bool ok = show_plan(cli, place, &plan, place->job, err);
    rwd_repair_plan_deinit(&plan);
    return ok;
}

bool rwd_run_repair_plan(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    request r = {0};
    if (!rwd_place_find(cli, &place, err)) return false;
    rwd_signals_block();
    bool ok = make_plan(cli, &place, &r, err);
    rwd_job_free(r.logic);
    rwd_amendments_deinit(&r.amendments);
    rwd_place_deinit(&place);
    return ok;
}
