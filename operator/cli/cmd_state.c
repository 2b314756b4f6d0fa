// state get, state scan, state at, export: reading rows, live, from a checkpoint or from a shadow.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/admin/client.h"
#include "operator/cli/cli_private.h"
#include "operator/cli/output.h"
#include "operator/cli/render.h"
#include "operator/cli/serve.h"
#include "operator/cli/signals.h"
#include "operator/pipeline/shadow.h"
#include "operator/sink/row_text.h"
#include "state/reader.h"

#define SCAN_ALIGN_ROWS 1000                  // rows whose widths are looked at before they are shown
#define SCAN_LIMIT 100
#define SORT_MEMORY ((size_t)64 << 20)
#define CHOICES_MAX 16u                       // of a checkpoint to read, each gone before it was locked

// A checkpoint under a reader's lock (K6), its tables and the job that made it.
typedef struct reading {
    rwd_place place;
    rwd_checkpoint checkpoint;
    bool found, locked;
    rwd_read_lock lock;
    rwd_job *job;
    rwd_reader_db *reader;
    uint16_t table;
    const rwd_job_table *shape;  // of that table
} reading;

static void end_reading(reading *r) {
    rwd_state_close(r->reader);
    if (r->locked) rwd_read_lock_release(&r->lock);
    if (r->found) rwd_checkpoint_deinit(&r->checkpoint);
    rwd_job_free(r->job);
    rwd_place_deinit(&r->place);
}

// The checkpoint to read: --checkpoint; else, where an operator runs, a new one; else the newest. `out_word` is appended.
static bool choose(rwd_cli *cli, reading *r, rwd_buf *out_word, rwd_error *err) {
    const char *given = cli->in->values[RWD_FLAG_ID_CHECKPOINT];
    if (given) {
        rwd_buf_append_str(out_word, given);
        return true;
    }
    rwd_admin_call call = {.command = "checkpoint-create"};
    if (rwd_admin_ask(r->place.data, &call, 0, out_word, err)) return true;
    if (err->code != RWD_E_NO_OPERATOR && err->code != RWD_E_BUSY) return false;
    if (err->code == RWD_E_BUSY) rwd_cli_say("The operator cannot make a checkpoint now; the newest is read.");
    rwd_error_clear(err);
    rwd_buf_clear(out_word);
    rwd_buf_append_str(out_word, "latest");
    return true;
}

static bool lock_checkpoint(reading *r, const char *word, rwd_error *err) {
    if (!rwd_place_checkpoint(&r->place, word, &r->checkpoint, err)) return false;
    r->found = r->locked = rwd_repo_read_lock(r->place.repo, r->checkpoint.id, &r->lock, err);
    if (!r->found) rwd_checkpoint_deinit(&r->checkpoint);
    return r->found;
}

// K6: retention may take a checkpoint between the choice and the lock. Where nobody named it, a newer one serves as well.
static bool choose_and_lock(rwd_cli *cli, reading *r, rwd_error *err) {
    bool named = rwd_given(cli->in, RWD_FLAG_ID_CHECKPOINT);
    for (unsigned choices = 1;; choices++) {
        rwd_buf word = {0};
        bool chosen = choose(cli, r, &word, err) && (r->place.repo || rwd_place_open_reader(cli, &r->place, err));
        bool locked = chosen && lock_checkpoint(r, rwd_buf_cstr(&word), err);
        rwd_buf_deinit(&word);
        if (locked || !chosen || named || choices == CHOICES_MAX || err->code != RWD_E_NOT_FOUND) return locked;
    }
}

static bool open_checkpoint(reading *r, rwd_error *err) {
    char dir[RWD_PATH_MAX];
    return rwd_repo_job_of(r->place.repo, &r->checkpoint, &r->job, NULL, err) &&
           rwd_repo_checkpoint_path(r->place.repo, r->checkpoint.id, dir, err) && rwd_state_open(dir, &r->reader, err);
}

static bool begin_reading(rwd_cli *cli, reading *r, rwd_error *err) {
    bool worked = choose_and_lock(cli, r, err) && open_checkpoint(r, err) && rwd_find_table(r->job, cli->in->values[RWD_FLAG_ID_TABLE], &r->table, err);
    if (worked) r->shape = &r->job->tables[r->table];
    return worked;
}

// ---- get

static bool get_from_checkpoint(rwd_cli *cli, reading *r, rwd_error *err) {
    uint8_t key[RWD_KEY_BYTES_MAX];
    size_t size;
    bool found;
    rwd_buf row = {0};
    if (!rwd_key_from_texts(&r->shape->schema, cli->in->args, cli->in->arg_count, key, &size, err)) return false;
    bool worked = rwd_state_get(r->reader, r->table, rwd_slice_of(key, size), &found, &row, err);
    if (worked && !found)
        worked = rwd_fail(err, RWD_E_NOT_FOUND, "table '%s' has no such key in checkpoint %s (offset %" PRId64 ")", r->shape->schema.name, r->checkpoint.id,
                          r->checkpoint.facts.next_offset);
    worked = worked && rwd_render_row(r->shape, rwd_slice_of(key, size), rwd_buf_slice(&row), r->checkpoint.facts.next_offset, cli->json, &cli->out, err);
    rwd_buf_deinit(&row);
    return worked;
}

static bool get_live(rwd_cli *cli, reading *r, rwd_error *err) {
    const char *args[RWD_ARGS_MAX + 1];
    const char *table = cli->in->values[RWD_FLAG_ID_TABLE];
    args[0] = table ? table : "";
    for (size_t i = 0; i < cli->in->arg_count; i++) args[i + 1] = cli->in->args[i];
    rwd_admin_call call = {"state-get", args, cli->in->arg_count + 1, cli->json};
    return rwd_admin_ask(r->place.data, &call, 0, &cli->out, err);
}

bool rwd_run_state_get(rwd_cli *cli, rwd_error *err) {
    reading r = {0};
    if (!rwd_place_find(cli, &r.place, err)) return false;
    bool worked = false, live = !rwd_given(cli->in, RWD_FLAG_ID_CHECKPOINT);
    if (live) {
        worked = get_live(cli, &r, err);
        live = worked || err->code != RWD_E_NO_OPERATOR;
        if (!live) rwd_error_clear(err);
    }
    if (!live) worked = begin_reading(cli, &r, err) && get_from_checkpoint(cli, &r, err);
    end_reading(&r);
    return worked;
}

// ---- scan

typedef struct scan {
    rwd_cli *cli;
    const rwd_job_table *table;
    uint64_t left;       // rows to show; UINT64_MAX: all
    uint64_t shown;
    bool more;           // there was at least one row beyond the limit
    rwd_grid grid;
    rwd_row_text how;
    rwd_answers answers;
    int64_t offset;
    bool worked;
    rwd_error *err;
} scan;

static bool scan_row(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    (void)table;
    scan *s = context;
    s->more = s->left == 0;
    if (s->more) return false;
    s->left -= s->left != UINT64_MAX;
    s->shown++;
    rwd_buf *out = &s->cli->out;
    if (s->cli->json) s->worked = rwd_row_text_append(&s->how, key, row.data, (uint32_t)row.size, s->offset, &s->answers, out, s->err);
    else s->worked = rwd_render_row_cells(s->table, key, row, &s->answers, &s->grid, s->err);
    if (s->worked && rwd_grid_rows(&s->grid) > SCAN_ALIGN_ROWS) rwd_grid_flush(&s->grid, out);
    if (s->worked && out->size >= RWD_OUTPUT_PIECE) s->worked = rwd_cli_flush(s->cli, s->err);
    return s->worked;
}

static bool scan_table(rwd_cli *cli, const reading *r, rwd_error *err) {
    uint64_t limit = rwd_count_of(cli->in, RWD_FLAG_ID_LIMIT, SCAN_LIMIT);
    scan s = {.cli = cli, .table = r->shape, .left = limit ? limit : UINT64_MAX, .offset = r->checkpoint.facts.next_offset, .worked = true, .err = err};
    s.how = (rwd_row_text){.table = r->shape, .format = RWD_FORMAT_JSON};
    rwd_grid_init(&s.grid);
    if (!cli->json) rwd_render_row_columns(r->shape, &s.grid);
    bool worked = rwd_state_scan(r->reader, r->table, scan_row, &s, err) && s.worked;
    if (worked) rwd_grid_flush(&s.grid, &cli->out);
    rwd_grid_deinit(&s.grid);
    rwd_answers_deinit(&s.answers);
    if (worked && rwd_cli_flush(cli, err) && !cli->json)
        rwd_cli_say("%" PRIu64 " rows of '%s' at offset %" PRId64 " (checkpoint %s)%s", s.shown, r->shape->schema.name, s.offset, r->checkpoint.id,
                    s.more ? "; there are more: --limit 0 shows all" : "");
    return worked;
}

bool rwd_run_state_scan(rwd_cli *cli, rwd_error *err) {
    reading r = {0};
    if (!rwd_place_find(cli, &r.place, err)) return false;
    bool worked = begin_reading(cli, &r, err) && scan_table(cli, &r, err);
    end_reading(&r);
    return worked;
}

// ---- at a place of the input

// What the state there is built with: the job file's logic, if it is that of the history; without a job file the one that is kept with it.
static bool job_for(reading *r, rwd_error *err) {
    rwd_lineage lineage;
    rwd_checkpoint latest;
    if (!rwd_place_checkpoint(&r->place, "latest", &latest, err)) return false;
    bool worked = rwd_repo_job_of(r->place.repo, &latest, r->place.job ? NULL : &r->job, &lineage, err);
    rwd_checkpoint_deinit(&latest);
    if (!worked || !r->place.job) {
        if (worked) rwd_lineage_deinit(&lineage);
        return worked;
    }
    bool same = lineage.segment_count > 0 && rwd_hash128_equal(lineage.segments[lineage.segment_count - 1].logic, r->place.job->logic);
    rwd_lineage_deinit(&lineage);
    if (same) return true;
    rwd_fail(err, RWD_E_LOGIC_CHANGED, "the job file's logic is not the logic that made this state");
    rwd_error_at(err, "%s", r->place.job->file);
    return rwd_error_next(err, "ask with the job file as it was then, or with --data %s alone", r->place.data);
}

bool rwd_cli_private_folder(char out[RWD_PATH_MAX], rwd_error *err) {
    const char *folder = getenv("TMPDIR");
    (void)snprintf(out, RWD_PATH_MAX, "%.4000s/rewind-state-XXXXXX", folder && *folder ? folder : "/var/tmp");
    if (mkdtemp(out)) return true;
    int why = errno;
    rwd_fail_errno(err, why, "cannot make a private folder");
    rwd_error_at(err, "%s", out);
    return rwd_error_next(err, "set TMPDIR to a folder that can be written");
}

static bool read_shadow(rwd_cli *cli, reading *r, rwd_shadow *shadow, rwd_error *err) {
    rwd_signals *signals = NULL;
    if (!rwd_signals_start_shadow(shadow, &signals, err)) return false;
    bool worked = rwd_shadow_build(shadow, err);
    (void)rwd_signals_stop(signals);
    if (!worked) return false;
    r->checkpoint = *rwd_shadow_checkpoint(shadow);  // borrowed: r->found stays false
    if (!rwd_state_open(rwd_shadow_dir(shadow), &r->reader, err)) return false;
    worked = cli->in->arg_count > 0 ? get_from_checkpoint(cli, r, err) : scan_table(cli, r, err);
    rwd_state_close(r->reader);
    r->reader = NULL;
    return worked;
}

static bool build_and_read(rwd_cli *cli, reading *r, const rwd_plan *plan, rwd_error *err) {
    char folder[RWD_PATH_MAX], data[RWD_PATH_MAX];
    const rwd_job *job = r->place.job ? r->place.job : r->job;
    rwd_shadow *shadow;
    if (!rwd_cli_private_folder(folder, err)) return false;
    bool worked = rwd_path_join(data, folder, "shadow", err);
    if (worked) {
        rwd_shadow_options options = {.job = job, .clock = cli->clock, .io = rwd_cli_io_tier(cli, job), .repo = r->place.repo, .base = &plan->base, .until = plan->place,
                                      .folder = data, .progress = isatty(STDERR_FILENO)};
        worked = rwd_shadow_new(&options, &shadow, err);
        if (worked) {
            worked = read_shadow(cli, r, shadow, err);
            rwd_shadow_free(shadow);
        }
    }
    (void)rmdir(folder);
    return worked;
}

static bool state_at(rwd_cli *cli, reading *r, const rwd_target *target, rwd_error *err) {
    rwd_plan plan;
    if (!rwd_place_open_reader(cli, &r->place, err) || !job_for(r, err)) return false;
    const rwd_job *job = r->place.job ? r->place.job : r->job;
    if (!rwd_find_table(job, cli->in->values[RWD_FLAG_ID_TABLE], &r->table, err)) return false;
    r->shape = &job->tables[r->table];
    rwd_plan_options options = {.job = job, .repo = r->place.repo, .io = r->place.io, .clock = cli->clock, .target = *target, .above_c = true};
    if (!rwd_plan_make(&options, &plan, err)) return false;
    bool worked = rwd_repo_read_lock(r->place.repo, plan.base.id, &r->lock, err);
    if (worked) {
        r->locked = true;
        worked = build_and_read(cli, r, &plan, err);
    }
    rwd_plan_deinit(&plan);
    return worked;
}

bool rwd_run_state_at(rwd_cli *cli, rwd_error *err) {
    reading r = {0};
    rwd_target target;
    if (!rwd_cli_target(cli, RWD_FLAG_ID_TIME, RWD_FLAG_ID_COUNT, &target, err) || !rwd_place_find(cli, &r.place, err)) return false;
    rwd_signals_block();
    bool worked = state_at(cli, &r, &target, err);
    end_reading(&r);
    return worked;
}

// ---- export

typedef struct export {
    rwd_output output;
    rwd_row_text how;
    int64_t offset;
    uint64_t rows;
    rwd_answers answers;
    bool worked;
    rwd_error *err;
} export;

static bool export_row(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    (void)table;
    export *e = context;
    e->rows++;
    e->worked = rwd_row_text_append(&e->how, key, row.data, (uint32_t)row.size, e->offset, &e->answers, &e->output.text, e->err) &&
                rwd_output_step(&e->output, e->err);
    return e->worked;
}

// Sorted runs that do not fit into memory go beside the file that is made, else into the folder for temporary files.
static void sort_folder(const char *file, char out[RWD_PATH_MAX]) {
    const char *folder = getenv("TMPDIR");
    if (file) rwd_path_dir(out, file);
    else (void)snprintf(out, RWD_PATH_MAX, "%.4000s", folder && *folder ? folder : "/var/tmp");
}

bool rwd_run_export(rwd_cli *cli, rwd_error *err) {
    reading r = {0};
    const char *file = cli->in->values[RWD_FLAG_ID_FILE], *format = cli->in->values[RWD_FLAG_ID_FORMAT];
    if (!rwd_place_find(cli, &r.place, err)) return false;
    bool worked = begin_reading(cli, &r, err);
    if (worked) {
        char folder[RWD_PATH_MAX];
        export e = {.offset = r.checkpoint.facts.next_offset, .worked = true, .err = err};
        e.how = (rwd_row_text){.table = r.shape, .format = format && strcmp(format, "csv") == 0 ? RWD_FORMAT_CSV : RWD_FORMAT_JSON};
        sort_folder(file, folder);
        worked = rwd_output_open(r.place.io, file, &e.output, err);
        if (worked) rwd_row_text_header(&e.how, &e.output.text);
        worked = worked && rwd_state_scan_sorted(r.reader, r.table, SORT_MEMORY, folder, export_row, &e, err) && e.worked;
        worked = worked && rwd_output_commit(&e.output, err);
        rwd_output_close(&e.output);
        rwd_answers_deinit(&e.answers);
        char hex[RWD_HASH128_HEX];
        rwd_hash128_hex(r.checkpoint.digest, hex);
        if (worked && (file || isatty(STDERR_FILENO)))
            rwd_cli_say("%" PRIu64 " rows of '%s' at offset %" PRId64 " (checkpoint %s, digest %s)%s%s", e.rows, r.shape->schema.name, e.offset, r.checkpoint.id,
                        hex, file ? " written to " : "", file ? file : "");
    }
    end_reading(&r);
    return worked;
}
