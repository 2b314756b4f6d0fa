// The admin commands.
#include "operator/cli/serve.h"

#include <stdlib.h>

#include "operator/cli/cli_private.h"
#include "operator/cli/render.h"
#include "operator/pipeline/rooms.h"

#define NULL_WORD "\\N"

// ---- on a repository

static bool wants_act(const rwd_admin_call *call, bool *out_act, rwd_error *err) {
    *out_act = call->arg_count > 0 && strcmp(call->args[0], "act") == 0;
    if (*out_act || (call->arg_count > 0 && strcmp(call->args[0], "plan") == 0)) return true;
    return rwd_fail(err, RWD_E_USAGE, "%s needs plan or act", call->command);
}

static bool forget(const rwd_serve_scope *scope, const rwd_admin_call *call, rwd_buf *out, rwd_error *err) {
    bool act;
    if (!wants_act(call, &act, err)) return false;
    if (call->arg_count != 2) return rwd_fail(err, RWD_E_USAGE, "%s needs an id", call->command);
    rwd_checkpoint found;
    if (!rwd_repo_find(scope->repo, call->args[1], &found, err)) return false;
    rwd_prune_item item = {.bytes = found.bytes, .removed = true};
    memcpy(item.id, found.id, sizeof(item.id));
    rwd_checkpoint_deinit(&found);
    rwd_prune_plan plan = {.items = &item, .count = 1};
    if (!rwd_repo_forget(scope->repo, scope->lineage, scope->frontier, item.id, act, &plan.freed, err)) return false;
    item.why_kept = "asked for";
    rwd_render_prune_plan(&plan, act, call->json, out);
    return true;
}

static bool prune(const rwd_serve_scope *scope, const rwd_admin_call *call, rwd_buf *out, rwd_error *err) {
    bool act;
    int64_t keep = scope->keep.last;
    if (!wants_act(call, &act, err)) return false;
    if (call->arg_count > 1 && (rwd_int_parse(rwd_slice_str(call->args[1]), &keep) != RWD_PARSE_OK || keep < 0 || keep > INT32_MAX))
        return rwd_fail(err, RWD_E_USAGE, "'%s' is no number of checkpoints to keep", call->args[1]);
    rwd_keep keeping = scope->keep;
    if (call->arg_count > 1) keeping = (rwd_keep){.last = (unsigned)keep, .full = scope->keep.full};
    rwd_prune_plan plan;
    if (!rwd_repo_prune(scope->repo, scope->lineage, scope->frontier, &keeping, act, &plan, err)) return false;
    rwd_render_prune_plan(&plan, act, call->json, out);
    rwd_prune_plan_deinit(&plan);
    return true;
}

static bool tag(const rwd_serve_scope *scope, const rwd_admin_call *call, rwd_error *err) {
    if (call->arg_count < 1 || call->arg_count > 2) return rwd_fail(err, RWD_E_USAGE, "%s needs an id and a name", call->command);
    rwd_checkpoint found;
    if (!rwd_repo_find(scope->repo, call->args[0], &found, err)) return false;
    bool worked = rwd_repo_tag(scope->repo, found.id, call->arg_count == 2 ? call->args[1] : "", err);
    rwd_checkpoint_deinit(&found);
    return worked;
}

bool rwd_serve_repo(const rwd_serve_scope *scope, const rwd_admin_call *call, rwd_buf *out, rwd_error *err) {
    if (strcmp(call->command, "checkpoint-forget") == 0) return forget(scope, call, out, err);
    if (strcmp(call->command, "checkpoint-prune") == 0) return prune(scope, call, out, err);
    if (strcmp(call->command, "checkpoint-tag") == 0) return tag(scope, call, err);
    return rwd_fail(err, RWD_E_USAGE, "the operator knows no command '%.40s'", call->command);
}


// ---- on a live operator

// While it recovers, the operator has not decided yet which checkpoints its history stands on.
static bool is_recovering(rwd_operator *op, rwd_error *err) {
    rwd_status *now = rwd_calloc(1, sizeof(*now));
    rwd_operator_status(op, now);
    rwd_phase phase = now->phase;
    free(now);
    if (phase != RWD_PHASE_STARTING && phase != RWD_PHASE_VERIFYING && phase != RWD_PHASE_REPLAYING) return false;
    rwd_fail(err, RWD_E_BUSY, "the operator is %s", rwd_phase_name(phase));
    rwd_error_next(err, "try again when rewind status says running");
    return true;
}

static bool on_operators_repo(rwd_operator *op, const rwd_admin_call *call, rwd_buf *out, rwd_error *err) {
    if (is_recovering(op, err)) return false;
    rwd_lineage lineage;
    rwd_serve_scope scope = {.repo = rwd_operator_repo(op), .lineage = &lineage, .keep = rwd_keep_of(rwd_operator_job(op))};
    rwd_operator_lineage(op, &lineage, &scope.frontier);
    // K5, K7: parked before it knew its lineage, it cannot say which checkpoints C's history needs.
    if (lineage.segment_count == 0) {
        rwd_lineage_deinit(&lineage);
        rwd_fail(err, RWD_E_BUSY, "the operator stopped before it knew which checkpoints its commits stand on");
        return rwd_error_next(err, "rewind status --data %s", rwd_repo_path(scope.repo));
    }
    bool worked = rwd_serve_repo(&scope, call, out, err);
    rwd_lineage_deinit(&lineage);
    return worked;
}

static bool status(rwd_operator *op, const rwd_admin_call *call, rwd_buf *out) {
    rwd_status *now = rwd_calloc(1, sizeof(*now));
    rwd_operator_status(op, now);
    if (call->json) rwd_status_json(now, out);
    else rwd_status_screen(now, out);
    free(now);
    return true;
}

// For the pace of a replay beside it: microseconds, or RWD_LAG_UNKNOWN. One that does not run on has none to keep.
static bool lag(rwd_operator *op, rwd_buf *out) {
    rwd_status *now = rwd_calloc(1, sizeof(*now));
    rwd_operator_status(op, now);
    bool reads = now->phase == RWD_PHASE_RUNNING || now->phase == RWD_PHASE_WAITING || now->phase == RWD_PHASE_REPLAYING;
    rwd_buf_appendf(out, "%lld", (long long)(reads ? now->lag_us : 0));
    free(now);
    return true;
}

static bool create(rwd_operator *op, const rwd_admin_call *call, rwd_buf *out, rwd_error *err) {
    char id[RWD_CHECKPOINT_ID];
    if (!rwd_operator_checkpoint(op, call->arg_count > 0 ? call->args[0] : NULL, id, err)) return false;
    rwd_buf_append_str(out, id);
    return true;
}

static bool encode_texts(const rwd_schema *schema, const char *const *texts, rwd_buf *scratch, uint8_t *out, size_t *out_size, rwd_error *err) {
    rwd_value parts[RWD_KEY_PARTS_MAX];
    size_t room = 1;
    for (size_t i = 0; i < schema->part_count; i++) room += strlen(texts[i]);
    rwd_buf_reserve(scratch, room);  // it must not move while parts borrow from it
    for (size_t i = 0; i < schema->part_count; i++) {
        const rwd_key_part *part = &schema->parts[i];
        parts[i] = (rwd_value){0};
        if (strcmp(texts[i], NULL_WORD) == 0) continue;
        if (!rwd_value_from_text(rwd_slice_str(texts[i]), part->type, part->scale, scratch, &parts[i], err)) {
            err->code = RWD_E_USAGE;
            return rwd_error_at(err, "key part '%s'", part->name);
        }
    }
    *out_size = rwd_key_encode(schema, parts, out);
    return *out_size > 0 || rwd_fail(err, RWD_E_USAGE, "the key is longer than %d bytes", RWD_KEY_BYTES_MAX);
}

static void show_pause(const rwd_status *now, bool pause, bool in_effect, bool json_wanted, rwd_buf *out) {
    if (json_wanted) {
        rwd_json_out json;
        rwd_json_init(&json, out, true);
        rwd_json_object(&json);
        rwd_json_put_bool(&json, "paused", pause);
        rwd_json_put_bool(&json, "in_effect", in_effect);
        rwd_json_put_string(&json, "phase", rwd_phase_name(now->phase));
        rwd_json_put_int(&json, "position", now->position);
        rwd_json_put_int(&json, "committed", now->frontier);
        rwd_json_object_end(&json);
        rwd_buf_append_char(out, '\n');
        return;
    }
    rwd_buf_appendf(out, "%s: %s%s; next offset %lld, committed %lld\n", now->job, pause ? "paused" : "resumed",
                    in_effect ? "" : pause ? ", as soon as what was read is committed" : ", as soon as it can", (long long)now->position, (long long)now->frontier);
    if (!in_effect) rwd_buf_appendf(out, "it is %s now: rewind status --data %s\n", rwd_phase_name(now->phase), now->data);
}

static bool pause(rwd_operator *op, const rwd_admin_call *call, bool pauses, rwd_buf *out, rwd_error *err) {
    if (call->arg_count < 1) return rwd_fail(err, RWD_E_USAGE, "%s needs to know who asks", call->command);
    rwd_status *now = rwd_calloc(1, sizeof(*now));
    bool in_effect = false;
    bool worked = rwd_operator_pause(op, pauses, call->args[0], call->arg_count > 1 ? call->args[1] : NULL, now, &in_effect, err);
    if (worked) show_pause(now, pauses, in_effect, call->json, out);
    free(now);
    return worked;
}

#define RESTORE_WAIT_NS INT64_C(250000000)

static bool restore(rwd_operator *op, const rwd_admin_call *call, rwd_error *err) {
    if (call->arg_count < 2) return rwd_fail(err, RWD_E_USAGE, "%s needs a checkpoint and who asks", call->command);
    return rwd_operator_restore(op, call->args[0], call->args[1], call->arg_count > 2 ? call->args[2] : NULL, err);
}

static void show_restore_json(const rwd_restore_result *r, rwd_buf *out) {
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "from", r->from);
    rwd_json_put_string(&json, "checkpoint", r->made);
    rwd_json_put_int(&json, "committed", r->frontier);
    rwd_json_put_hash(&json, "digest", r->digest);
    rwd_json_put_uint(&json, "equal_checkpoints", r->equal);
    rwd_json_put_uint(&json, "different_checkpoints", r->different);
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
}

static void show_restore(const rwd_restore_result *r, rwd_buf *out) {
    char digest[RWD_HASH128_HEX];
    rwd_hash128_hex(r->digest, digest);
    rwd_buf_appendf(out, "restored from checkpoint %s: the state at C = %lld is checkpoint %s, digest %s\n", r->from, (long long)r->frontier, r->made, digest);
    if (r->different > 0) rwd_buf_appendf(out, "%u checkpoint%s at C had ANOTHER digest: the state was damaged, and is not any more\n", r->different, r->different == 1 ? "" : "s");
    else if (r->equal > 0) rwd_buf_append_str(out, "it is the same state as before: the checkpoint that was made of that has the same digest\n");
}

static void show_replay(rwd_operator *op, const char *what, rwd_buf *out) {
    rwd_status *now = rwd_calloc(1, sizeof(*now));
    rwd_operator_status(op, now);
    rwd_buf_appendf(out, "%s%s", what, rwd_phase_name(now->phase));
    if (now->phase == RWD_PHASE_REPLAYING)
        rwd_buf_appendf(out, "  offset %lld of [%lld, %lld)  %.0f records/s  about %lld s left", (long long)now->position, (long long)now->replay_from,
                        (long long)now->replay_to, now->rate, (long long)(now->replay_left_ns / 1000000000));
    free(now);
}

static bool wait_for_restore(rwd_operator *op, const rwd_admin_call *call, rwd_buf *out, rwd_error *err) {
    rwd_restore_result result;
    if (!rwd_operator_restore_wait(op, RESTORE_WAIT_NS, &result, err)) return false;
    if (result.state == RWD_RESTORE_NONE) return rwd_fail(err, RWD_E_NOT_FOUND, "no restore was asked for since this operator started");
    if (result.state != RWD_RESTORE_DONE) show_replay(op, ".restoring: ", out);
    else if (call->json) show_restore_json(&result, out);
    else show_restore(&result, out);
    return true;
}

static bool apply(rwd_operator *op, const rwd_admin_call *call, rwd_error *err) {
    int64_t percent = 0;
    if (call->arg_count != 4) return rwd_fail(err, RWD_E_USAGE, "%s needs a repair, who asks, why, and a tolerance", call->command);
    if (rwd_int_parse(rwd_slice_str(call->args[3]), &percent) != RWD_PARSE_OK || percent < 0 || percent > INT32_MAX) return rwd_fail(err, RWD_E_USAGE, "'%s' is no percentage", call->args[3]);
    rwd_apply_order order = {.repair = call->args[0], .who = call->args[1], .why = call->args[2], .tolerance = (unsigned)percent};
    return rwd_operator_apply(op, &order, err);
}

static bool wait_for_apply(rwd_operator *op, rwd_buf *out, rwd_error *err) {
    rwd_apply_result result;
    if (!rwd_operator_apply_wait(op, RESTORE_WAIT_NS, &result, err)) return false;
    if (result.state == RWD_RESTORE_NONE) return rwd_fail(err, RWD_E_NOT_FOUND, "no repair was asked for since this operator started");
    if (result.state != RWD_RESTORE_DONE) show_replay(op, ".repairing: ", out);
    return true;
}

bool rwd_key_from_texts(const rwd_schema *schema, const char *const *texts, size_t count, uint8_t *out, size_t *out_size, rwd_error *err) {
    if (count != schema->part_count) {
        rwd_buf names = {0};
        for (size_t i = 0; i < schema->part_count; i++) rwd_buf_appendf(&names, " %s", schema->parts[i].name);
        rwd_fail(err, RWD_E_USAGE, "a key of table '%s' has %zu parts, not %zu:%s", schema->name, schema->part_count, count, rwd_buf_cstr(&names));
        rwd_buf_deinit(&names);
        return false;
    }
    rwd_buf scratch = {0};
    bool worked = encode_texts(schema, texts, &scratch, out, out_size, err);
    rwd_buf_deinit(&scratch);
    return worked;
}

static bool get(rwd_operator *op, const rwd_admin_call *call, rwd_buf *out, rwd_error *err) {
    const rwd_job *job = rwd_operator_job(op);
    uint16_t table;
    if (call->arg_count < 2) return rwd_fail(err, RWD_E_USAGE, "%s needs a table and a key", call->command);
    if (!rwd_find_table(job, *call->args[0] ? call->args[0] : NULL, &table, err)) return false;
    const rwd_schema *schema = &job->tables[table].schema;
    uint8_t key[RWD_KEY_BYTES_MAX];
    size_t size;
    if (!rwd_key_from_texts(schema, call->args + 1, call->arg_count - 1, key, &size, err)) return false;
    bool found;
    int64_t offset;
    rwd_buf row = {0};
    bool worked = rwd_operator_state_get(op, job, table, rwd_slice_of(key, size), &found, &row, &offset, err);
    if (worked && !found) worked = rwd_fail(err, RWD_E_NOT_FOUND, "table '%s' has no such key at offset %lld", schema->name, (long long)offset);
    worked = worked && rwd_render_row(&job->tables[table], rwd_slice_of(key, size), rwd_buf_slice(&row), offset, call->json, out, err);
    rwd_buf_deinit(&row);
    return worked;
}

bool rwd_serve_operator(void *context, const rwd_admin_call *call, rwd_buf *out, rwd_error *err) {
    rwd_operator *op = context;
    if (strcmp(call->command, "status") == 0) return status(op, call, out);
    if (strcmp(call->command, "lag") == 0) return lag(op, out);
    if (strcmp(call->command, "pause") == 0) return pause(op, call, true, out, err);
    if (strcmp(call->command, "resume") == 0) return pause(op, call, false, out, err);
    if (strcmp(call->command, "restore") == 0) return restore(op, call, err);
    if (strcmp(call->command, "restore-wait") == 0) return wait_for_restore(op, call, out, err);
    if (strcmp(call->command, "repair-apply") == 0) return apply(op, call, err);
    if (strcmp(call->command, "repair-wait") == 0) return wait_for_apply(op, out, err);
    if (strcmp(call->command, "checkpoint-create") == 0) return create(op, call, out, err);
    if (strcmp(call->command, "state-get") == 0) return get(op, call, out, err);
    return on_operators_repo(op, call, out, err);
}
