// checkpoint list, show, create, check, forget, prune, tag.
#include <inttypes.h>
#include <stdlib.h>

#include "operator/admin/client.h"
#include "operator/cli/cli_private.h"
#include "operator/cli/render.h"
#include "operator/cli/serve.h"
#include "operator/pipeline/rooms.h"
#include "state/dead.h"
#include "state/dedup.h"
#include "state/reader.h"

static const char *id_argument(const rwd_cli *cli) { return cli->in->arg_count > 0 ? cli->in->args[0] : "latest"; }

static int64_t now_us(const rwd_cli *cli) { return rwd_clock_wall_us(cli->clock); }

static void show_checkpoint(rwd_cli *cli, const rwd_checkpoint *checkpoint) {
    if (!cli->json) {
        rwd_render_checkpoint(checkpoint, true, now_us(cli), &cli->out);
        return;
    }
    rwd_json_out json;
    rwd_json_init(&json, &cli->out, true);
    rwd_render_checkpoint_json(checkpoint, true, &json);
    rwd_buf_append_char(&cli->out, '\n');
}

static bool show_by_name(rwd_cli *cli, rwd_place *place, const char *word, rwd_error *err) {
    rwd_checkpoint found;
    if (!rwd_place_checkpoint(place, word, &found, err)) return false;
    show_checkpoint(cli, &found);
    rwd_checkpoint_deinit(&found);
    return true;
}

bool rwd_run_checkpoint_list(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    rwd_checkpoint_list list;
    if (!rwd_place_find(cli, &place, err)) return false;
    bool worked = rwd_place_open_reader(cli, &place, err) && rwd_repo_list(place.repo, &list, err);
    if (worked && cli->json) rwd_render_checkpoints_json(&list, &cli->out);
    else if (worked) rwd_render_checkpoints(&list, rwd_given(cli->in, RWD_FLAG_ID_ALL), now_us(cli), &cli->out);
    if (worked) rwd_checkpoint_list_deinit(&list);
    rwd_place_deinit(&place);
    return worked;
}

bool rwd_run_checkpoint_show(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    if (!rwd_place_find(cli, &place, err)) return false;
    bool worked = rwd_place_open_reader(cli, &place, err) && show_by_name(cli, &place, id_argument(cli), err);
    rwd_place_deinit(&place);
    return worked;
}

bool rwd_run_checkpoint_create(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    if (!rwd_place_find(cli, &place, err)) return false;
    const char *tag = cli->in->values[RWD_FLAG_ID_TAG];
    rwd_admin_call call = {.command = "checkpoint-create", .args = &tag, .arg_count = tag ? 1 : 0};
    rwd_buf id = {0};
    bool worked = rwd_admin_ask(place.data, &call, 0, &id, err) || rwd_error_next(err, "rewind status --data %s", place.data);
    worked = worked && rwd_place_open_reader(cli, &place, err) && show_by_name(cli, &place, rwd_buf_cstr(&id), err);
    rwd_buf_deinit(&id);
    rwd_place_deinit(&place);
    return worked;
}

// ---- check

typedef struct finding {
    const rwd_checkpoint *checkpoint;
    bool files_good, scanned, digest_good;
    rwd_hash128 scanned_digest;
    uint64_t scanned_keys;
    rwd_error why;  // of what is not good
} finding;

// Whether the digest that the checkpoint was published with is that of its rows.
static bool scan_again(rwd_repo *repo, finding *found, rwd_error *err) {
    const rwd_checkpoint *c = found->checkpoint;
    char dir[RWD_PATH_MAX];
    rwd_reader_db *reader;
    if (!rwd_repo_checkpoint_path(repo, c->id, dir, err) || !rwd_state_open(dir, &reader, err)) return false;
    rwd_digest *digest = rwd_calloc(1, sizeof(*digest));
    bool worked = rwd_state_scan_digest(reader, digest, &found->scanned_keys, err);
    rwd_state_close(reader);
    rwd_hash128 ids, dead;
    rwd_error why;
    if (worked && (!rwd_dedup_scan_digest(dir, &ids, &why) || !rwd_dead_scan_digest(dir, &dead, &why))) {
        found->why = why;
        worked = why.code == RWD_E_DIGEST_MISMATCH;
        if (worked) found->scanned = true;
        else *err = why;
    } else if (worked) {
        found->scanned = true;
        found->scanned_digest = rwd_hash128_add(rwd_hash128_add(rwd_digest_root(digest), ids), dead);
        found->digest_good = rwd_hash128_equal(found->scanned_digest, c->digest) && found->scanned_keys == c->facts.keys;
        if (!found->digest_good) {
            char has[RWD_HASH128_HEX], must[RWD_HASH128_HEX];
            rwd_hash128_hex(found->scanned_digest, has);
            rwd_hash128_hex(c->digest, must);
            rwd_fail(&found->why, RWD_E_DIGEST_MISMATCH, "its rows have the digest %s (%" PRIu64 " keys), its manifest says %s (%" PRIu64 " keys)", has,
                     found->scanned_keys, must, c->facts.keys);
        }
    }
    free(digest);
    return worked;
}

static void check_one(rwd_place *place, finding *found, bool scan) {
    rwd_read_lock lock;
    rwd_error_clear(&found->why);
    if (!rwd_repo_read_lock(place->repo, found->checkpoint->id, &lock, &found->why)) return;
    found->files_good = rwd_repo_verify(place->repo, place->io, found->checkpoint->id, RWD_VERIFY_ALL, NULL, &found->why);
    if (found->files_good && scan && !scan_again(place->repo, found, &found->why)) found->digest_good = false;
    rwd_read_lock_release(&lock);
}

static bool is_good(const finding *found, bool scan) { return found->files_good && (!scan || found->digest_good); }

static void show_findings(rwd_cli *cli, const finding *found, size_t count, bool scan, const rwd_history *history) {
    rwd_grid grid;
    rwd_grid_init(&grid);
    static const char *const titles[] = {"ID", "X", "FILES", "SIZE", "FILE HASHES", "DIGEST", "BECAUSE"};
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) rwd_grid_column(&grid, titles[i], i == 1 || i == 2 || i == 3);
    for (size_t i = 0; i < count; i++) {
        char size[RWD_TIME_TEXT_MAX], why[2048];
        rwd_size_text(found[i].checkpoint->bytes, size);
        rwd_grid_text(&grid, found[i].checkpoint->id);
        rwd_grid_int(&grid, found[i].checkpoint->facts.next_offset);
        rwd_grid_int(&grid, (int64_t)found[i].checkpoint->file_count);
        rwd_grid_text(&grid, size);
        rwd_grid_text(&grid, found[i].files_good ? "good" : "BAD");
        rwd_grid_text(&grid, !scan ? "not scanned" : found[i].digest_good ? "good" : "BAD");
        rwd_error_format(&found[i].why, why, sizeof(why));
        rwd_grid_text(&grid, is_good(&found[i], scan) ? "" : why);
    }
    rwd_grid_flush(&grid, &cli->out);
    rwd_grid_deinit(&grid);
    rwd_buf_appendf(&cli->out, "history.log: %zu entries, the chain is whole\n", history->count);
}

static void show_findings_json(rwd_cli *cli, const finding *found, size_t count, bool scan, const rwd_history *history) {
    rwd_json_out json;
    rwd_json_init(&json, &cli->out, true);
    rwd_json_object(&json);
    rwd_json_key(&json, "checkpoints");
    rwd_json_array(&json);
    for (size_t i = 0; i < count; i++) {
        char text[2048], hex[RWD_HASH128_HEX];
        rwd_error_format(&found[i].why, text, sizeof(text));
        rwd_hash128_hex(found[i].scanned_digest, hex);
        rwd_json_object(&json);
        rwd_json_key(&json, "id");
        rwd_json_string(&json, found[i].checkpoint->id);
        rwd_json_key(&json, "good");
        rwd_json_bool(&json, is_good(&found[i], scan));
        rwd_json_key(&json, "files_good");
        rwd_json_bool(&json, found[i].files_good);
        rwd_json_key(&json, "scanned_digest");
        rwd_json_string(&json, found[i].scanned ? hex : NULL);
        rwd_hash128_hex(found[i].checkpoint->digest, hex);
        rwd_json_key(&json, "digest");
        rwd_json_string(&json, hex);
        rwd_json_key(&json, "error");
        rwd_json_string(&json, is_good(&found[i], scan) ? NULL : text);
        rwd_json_object_end(&json);
    }
    rwd_json_array_end(&json);
    rwd_json_key(&json, "history_entries");
    rwd_json_uint(&json, history->count);
    rwd_json_object_end(&json);
    rwd_buf_append_char(&cli->out, '\n');
}

static bool check_list(rwd_cli *cli, rwd_place *place, const rwd_checkpoint *items, size_t count, bool named, rwd_error *err) {
    bool scan = rwd_given(cli->in, RWD_FLAG_ID_SCAN);
    finding *found = rwd_calloc(count + 1, sizeof(*found));
    size_t checked = 0;
    rwd_exit worst = RWD_EXIT_OK;
    for (size_t i = 0; i < count; i++) {
        // What is gone or known to be bad is only looked at when it is named.
        if (!named && (items[i].state == RWD_CHECKPOINT_PRUNED || items[i].state == RWD_CHECKPOINT_BAD)) continue;
        found[checked].checkpoint = &items[i];
        check_one(place, &found[checked], scan);
        if (!is_good(&found[checked], scan) && worst == RWD_EXIT_OK) worst = rwd_code_exit(found[checked].why.code);
        checked++;
    }
    rwd_history history;
    bool worked = rwd_repo_history_read(place->repo, &history, err);
    if (worked) {
        if (cli->json) show_findings_json(cli, found, checked, scan, &history);
        else show_findings(cli, found, checked, scan, &history);
        rwd_history_deinit(&history);
        cli->exit_code = worst;
    }
    free(found);
    return worked;
}

bool rwd_run_checkpoint_check(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    rwd_checkpoint_list list;
    rwd_checkpoint one;
    bool all = rwd_given(cli->in, RWD_FLAG_ID_ALL), worked;
    if (all && cli->in->arg_count > 0) return rwd_fail(err, RWD_E_USAGE, "give an id or --all, not both");
    if (!rwd_place_find(cli, &place, err)) return false;
    worked = rwd_place_open_reader(cli, &place, err);
    if (worked && all && (worked = rwd_repo_list(place.repo, &list, err))) {
        worked = check_list(cli, &place, list.items, list.count, false, err);
        rwd_checkpoint_list_deinit(&list);
    } else if (worked && !all && (worked = rwd_place_checkpoint(&place, id_argument(cli), &one, err))) {
        worked = check_list(cli, &place, &one, 1, true, err);
        rwd_checkpoint_deinit(&one);
    }
    rwd_place_deinit(&place);
    return worked;
}

// ---- forget, prune, tag: through the operator where one runs, as owner where none does

static bool offline(rwd_cli *cli, rwd_place *place, const rwd_admin_call *call, bool as_owner, rwd_error *err) {
    if (!(as_owner ? rwd_place_open_owner(cli, place, err) : rwd_place_open_reader(cli, place, err))) return false;
    // C's history is that of the newest checkpoint, and C is not below its X: keeping what X needs keeps what C needs.
    rwd_checkpoint newest;
    rwd_lineage lineage;
    rwd_job *job = NULL;
    if (!rwd_place_checkpoint(place, "latest", &newest, err)) return false;
    bool worked = rwd_repo_job_of(place->repo, &newest, &job, &lineage, err);
    if (worked) {
        rwd_serve_scope scope = {place->repo, &lineage, newest.facts.next_offset, rwd_keep_of(place->job ? place->job : job)};
        worked = rwd_serve_repo(&scope, call, &cli->out, err);
        rwd_lineage_deinit(&lineage);
        rwd_job_free(job);
    }
    rwd_checkpoint_deinit(&newest);
    rwd_repo_close(place->repo);
    place->repo = NULL;
    return worked;
}

static bool perform(rwd_cli *cli, rwd_place *place, const rwd_admin_call *call, bool as_owner, rwd_error *err) {
    if (rwd_admin_ask(place->data, call, 0, &cli->out, err)) return true;
    if (err->code != RWD_E_NO_OPERATOR) return false;
    rwd_error_clear(err);
    return offline(cli, place, call, as_owner, err);
}

// Shows the plan, asks, acts. `args[0]` is the word plan or act.
static bool plan_and_act(rwd_cli *cli, const char *command, const char *args[], size_t arg_count, const char *question, rwd_error *err) {
    rwd_place place;
    bool act = false;
    if (!rwd_place_find(cli, &place, err)) return false;
    bool asking = !rwd_given(cli->in, RWD_FLAG_ID_YES) || rwd_given(cli->in, RWD_FLAG_ID_DRY_RUN), worked = true;
    rwd_admin_call call = {command, args, arg_count, cli->json};
    args[0] = "plan";
    if (asking) worked = perform(cli, &place, &call, false, err);
    worked = worked && rwd_cli_may_act(cli, question, &act, err);
    args[0] = "act";
    if (worked && act) worked = perform(cli, &place, &call, true, err);
    rwd_place_deinit(&place);
    return worked;
}

bool rwd_run_checkpoint_forget(rwd_cli *cli, rwd_error *err) {
    const char *args[] = {"plan", cli->in->args[0]};
    return plan_and_act(cli, "checkpoint-forget", args, 2, "Remove the files of this checkpoint?", err);
}

bool rwd_run_checkpoint_prune(rwd_cli *cli, rwd_error *err) {
    const char *keep = cli->in->values[RWD_FLAG_ID_KEEP], *args[] = {"plan", keep};
    return plan_and_act(cli, "checkpoint-prune", args, keep ? 2 : 1, "Remove the files of these checkpoints?", err);
}

// The id that a word stands for, before the act: the word may be the tag that goes away.
static bool id_of(rwd_cli *cli, rwd_place *place, const char *word, char out_id[RWD_CHECKPOINT_ID], rwd_error *err) {
    rwd_checkpoint found;
    bool worked = rwd_place_open_reader(cli, place, err) && rwd_place_checkpoint(place, word, &found, err);
    if (worked) {
        memcpy(out_id, found.id, RWD_CHECKPOINT_ID);
        rwd_checkpoint_deinit(&found);
    }
    rwd_repo_close(place->repo);
    place->repo = NULL;
    return worked;
}

bool rwd_run_checkpoint_tag(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    char id[RWD_CHECKPOINT_ID];
    if (!rwd_place_find(cli, &place, err)) return false;
    const rwd_invocation *in = cli->in;
    rwd_admin_call call = {"checkpoint-tag", (const char *const *)in->args, in->arg_count, cli->json};
    bool worked = id_of(cli, &place, in->args[0], id, err) && perform(cli, &place, &call, true, err) && rwd_place_open_reader(cli, &place, err) &&
                  show_by_name(cli, &place, id, err);
    rwd_place_deinit(&place);
    return worked;
}
