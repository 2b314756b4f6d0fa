// Switches (switch.h): the file SWITCH, and the transactions.
#include "operator/pipeline/switch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/frame.h"
#include "operator/base/crash_point.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"
#include "operator/repair/repair_plan.h"
#include "operator/sink/file.h"
#include "operator/sink/kafka.h"
#include "proto/pack.h"
#include "proto/switch.pb-c.h"

#define VERSION 1
#define FILE_MAX ((size_t)64 << 10)
#define MEMORY_MAX ((size_t)512 << 10)

static const char magic[4] = {'R', 'W', 'S', 'W'};

// ---- the file

void rwd_switch_deinit(rwd_switch *facts) {
    free(facts->kind);
    free(facts->who);
    free(facts->why);
    free(facts->undoes);
    *facts = (rwd_switch){0};
}

static char *text_of(const char *text) { return (char *)(uintptr_t)(text ? text : ""); }

bool rwd_switch_save(const rwd_switch *facts, const char *folder, const char *name, rwd_io *io, rwd_error *err) {
    uint8_t old_lineage[RWD_PROTO_HASH], new_lineage[RWD_PROTO_HASH], corrections[RWD_PROTO_HASH], old_digest[RWD_PROTO_HASH], new_digest[RWD_PROTO_HASH];
    uint8_t old_logic[RWD_PROTO_HASH], new_logic[RWD_PROTO_HASH];
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, folder, name, err)) return false;
    Rewind__Switch message = REWIND__SWITCH__INIT;
    message.id = text_of(facts->id);
    message.kind = text_of(facts->kind);
    message.who = text_of(facts->who);
    message.why = text_of(facts->why);
    message.undoes = text_of(facts->undoes);
    message.decided_us = facts->decided_us;
    message.old_lineage = rwd_proto_put_hash(facts->old_lineage, old_lineage);
    message.new_lineage = rwd_proto_put_hash(facts->new_lineage, new_lineage);
    message.switch_number = facts->switch_number;
    message.next_offset = facts->next_offset;
    message.old_closings = facts->old_closings;
    message.new_closings = facts->new_closings;
    message.time_us = facts->time_us;
    message.rows = facts->rows;
    message.dead = facts->dead;
    message.corrections_hash = rwd_proto_put_hash(facts->corrections, corrections);
    message.old_checkpoint = text_of(facts->old_checkpoint);
    message.new_checkpoint = text_of(facts->new_checkpoint);
    message.old_digest = rwd_proto_put_hash(facts->old_digest, old_digest);
    message.new_digest = rwd_proto_put_hash(facts->new_digest, new_digest);
    message.old_logic = rwd_proto_put_hash(facts->old_logic, old_logic);
    message.new_logic = rwd_proto_put_hash(facts->new_logic, new_logic);
    message.transactions = facts->transactions;
    rwd_buf payload = {0}, file = {0};
    rwd_proto_append(&payload, &message.base);
    rwd_frame_append(&file, magic, VERSION, rwd_buf_slice(&payload));
    bool ok = file.size <= FILE_MAX || rwd_fail(err, RWD_E_TOO_LARGE, "the reason is too long");
    ok = ok && rwd_io_write_file(io, path, rwd_buf_slice(&file), err);
    rwd_buf_deinit(&payload);
    rwd_buf_deinit(&file);
    return ok;
}

static bool take_id(const char *text, char out[RWD_CHECKPOINT_ID]) {
    if (strlen(text) >= RWD_CHECKPOINT_ID) return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

_Static_assert(RWD_REPAIR_ID == RWD_CHECKPOINT_ID, "ids of both have as many digits");

static bool take(const Rewind__Switch *message, rwd_switch *out) {
    *out = (rwd_switch){
        .kind = rwd_strdup(message->kind), .who = rwd_strdup(message->who), .why = rwd_strdup(message->why), .undoes = rwd_strdup(message->undoes),
        .decided_us = message->decided_us, .switch_number = message->switch_number, .next_offset = message->next_offset, .old_closings = message->old_closings,
        .new_closings = message->new_closings, .time_us = message->time_us, .rows = message->rows, .dead = message->dead, .transactions = message->transactions,
    };
    return rwd_repair_number(message->id) != 0 && message->next_offset >= 0 && take_id(message->id, out->id) && take_id(message->old_checkpoint, out->old_checkpoint) &&
           take_id(message->new_checkpoint, out->new_checkpoint) && rwd_proto_get_hash(message->old_lineage, &out->old_lineage) &&
           rwd_proto_get_hash(message->new_lineage, &out->new_lineage) && rwd_proto_get_hash(message->corrections_hash, &out->corrections) &&
           rwd_proto_get_hash(message->old_digest, &out->old_digest) && rwd_proto_get_hash(message->new_digest, &out->new_digest) && rwd_proto_get_hash(message->old_logic, &out->old_logic) &&
           rwd_proto_get_hash(message->new_logic, &out->new_logic);
}

bool rwd_switch_load(const char *folder, const char *name, rwd_io *io, rwd_switch *out, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_buf file = {0};
    rwd_slice payload;
    size_t size;
    *out = (rwd_switch){0};
    if (!rwd_path_join(path, folder, name, err) || !rwd_io_read_file(io, path, FILE_MAX, &file, err)) {
        rwd_buf_deinit(&file);
        return false;
    }
    rwd_frame_state state = rwd_frame_read(rwd_buf_slice(&file), magic, VERSION, &payload, &size);
    Rewind__Switch *message = state == RWD_FRAME_WHOLE ? (Rewind__Switch *)rwd_proto_unpack(&rewind__switch__descriptor, payload, MEMORY_MAX) : NULL;
    bool ok = message && take(message, out);
    if (message) rwd_proto_free(&message->base);
    rwd_buf_deinit(&file);
    if (ok) return true;
    rwd_switch_deinit(out);
    if (state == RWD_FRAME_NEWER) (void)rwd_fail(err, RWD_E_NEWER_FORMAT, "was written by a newer version of rewind");
    else (void)rwd_fail(err, RWD_E_CORRUPT, "does not say what a repair decided");
    return rwd_error_at(err, "%s", path);
}

// ---- what C says (C6)

rwd_switch_stage rwd_switch_stage_of(const rwd_switch *facts, const rwd_commit *c) {
    uint64_t number = rwd_repair_number(facts->id);
    bool is_new = rwd_hash128_equal(c->lineage, facts->new_lineage) && c->switch_number == facts->switch_number;
    if (is_new && c->repair == number && c->next_offset == facts->next_offset) return RWD_SWITCH_UNDER_WAY;
    if (is_new && c->repair == 0) return RWD_SWITCH_AFTER;
    bool is_old = rwd_hash128_equal(c->lineage, facts->old_lineage) && c->switch_number + 1 == facts->switch_number && c->repair == 0;
    return is_old && c->next_offset == facts->next_offset && c->closings == facts->old_closings ? RWD_SWITCH_BEFORE : RWD_SWITCH_ELSEWHERE;
}

// ---- transactions (R4 (5))

// Fills the open transaction. `out_last`: nothing is left behind it.
static bool put_rows(rwd_operator *op, const rwd_switch_rows *rows, uint64_t most, uint64_t *out_count, bool *out_last, rwd_error *err) {
    *out_count = 0;
    *out_last = false;
    while (*out_count < most && op->sink->ops->pending_bytes(op->sink) < op->budget.limit[RWD_SHARE_SINK]) {
        rwd_switch_row row;
        bool found = false;
        if (!rows->next(rows->context, &row, &found, err)) return false;
        if (!found) {
            *out_last = true;
            return true;
        }
        if (row.dead && !op->sink->ops->put_dead_letter(op->sink, row.dead, err)) return false;
        if (!row.dead) op->sink->ops->put_correction(op->sink, row.sink, row.key, row.row.data, (uint32_t)row.row.size, row.offset, row.old);
        ++*out_count;
    }
    return true;
}

static bool commit_part(rwd_operator *op, const rwd_switch *facts, rwd_commit *c, uint64_t sent, bool last, rwd_error *err) {
    c->lineage = facts->new_lineage;
    c->switch_number = facts->switch_number;
    c->closings = facts->new_closings;
    c->owner = op->owner;
    c->term = rwd_repo_term(op->repo);
    c->repair = last ? 0 : rwd_repair_number(facts->id);
    c->repair_rows = last ? 0 : sent;
    op->sink->ops->commit_async(op->sink, c);
    op->committing = c->next_offset;
    return rwd_drive_commit(op, err);
}

bool rwd_switch_send(rwd_operator *op, const rwd_switch *facts, const rwd_switch_rows *rows, rwd_commit *commit, uint64_t *out_transactions, rwd_error *err) {
    // At least once C goes first: corrections that are out while C names the old history would stand there unanswered.
    bool empty = op->job->delivery.mode == RWD_DELIVERY_AT_LEAST_ONCE && commit->switch_number != facts->switch_number;
    uint64_t sent = commit->repair_rows, all = facts->rows + facts->dead;
    rwd_sink_set_lineage(op, facts->new_lineage);
    for (bool last = false; !last; empty = false) {
        if (atomic_load(&op->stop)) {
            (void)rwd_fail(err, RWD_E_BUSY, "stopped: %" PRIu64 " of %" PRIu64 " corrections of repair %s are published", sent, all, facts->id);
            return rwd_error_next(err, "start it again: it publishes the rest first");
        }
        uint64_t count = 0;
        op->sink->ops->begin(op->sink);
        op->sink->ops->correct(op->sink, facts->id, rwd_slice_str(facts->why));
        if (op->sink->ops->stamp) op->sink->ops->stamp(op->sink, facts->time_us);
        if (!put_rows(op, rows, empty ? 0 : op->job->repair.max_transaction, &count, &last, err)) return false;
        sent += count;
        if (last && sent != all) return rwd_fail(err, RWD_E_CORRUPT, "repair %s decided on %" PRIu64 " corrections, and its folder has %" PRIu64, facts->id, all, sent);
        last = last || (!empty && sent == all);
        RWD_CRASH_POINT(repair_sending);
        if (!commit_part(op, facts, commit, sent, last, err)) return false;
        ++*out_transactions;
        if (!last) RWD_CRASH_POINT(repair_part_sent);
    }
    RWD_CRASH_POINT(repair_switched);
    return true;
}

void rwd_sink_set_lineage(rwd_operator *op, rwd_hash128 lineage) {
    if (!op->sink->ops->holds_c(op->sink) || op->hooks.open_sink) return;
    if (rwd_job_commits_to_kafka(op->job)) rwd_kafka_sink_set_lineage(op->sink, lineage);
    else rwd_file_sink_set_lineage(op->sink, lineage);
}
