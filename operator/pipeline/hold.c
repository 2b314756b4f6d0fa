// The place where an invariant parked the job, remembered in the data directory (S5).
//
// What was read was published up to C, and looked at up to this place. A start reads up to it again, and commits nothing before: so what it finds there does not depend on where commits
// happen to fall, and a violation that stopped the job stops it again. It is lifted where the look finds nothing any more: a row was made well, the job file was changed.
//
// What must stay true: the file is durable before anybody is told that the job stopped for it, and gone before anything above the place is read. Where commits are fixed to
// offsets they fall at the same places anyway, and nothing is remembered.
//
// Thread: pipeline.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"

#define HOLD_FILE "VIOLATED"
#define HOLD_BYTES_MAX 4096

static bool remove_file(rwd_operator *op, rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, op->data, HOLD_FILE, err)) return false;
    return !rwd_path_exists(path) || (rwd_io_unlink(op->io, path, err) && rwd_io_sync_dir(op->io, op->data, err));
}

void rwd_remember_hold(rwd_operator *op, const rwd_error *why) {
    char path[RWD_PATH_MAX];
    rwd_error failed;
    if (op->job->delivery.offset_multiple > 0) return;
    char *text = rwd_strf("%" PRId64 " %s\n", op->position.next_offset, why->cause);
    bool ok = rwd_path_join(path, op->data, HOLD_FILE, &failed) && rwd_io_write_file(op->io, path, rwd_slice_str(text), &failed);
    if (!ok) rwd_log_error(RWD_LOG_WARN, "invariant", &failed);
    free(text);
}

// A file that says no offset says nothing.
int64_t rwd_hold_place(const char *data) {
    char path[RWD_PATH_MAX], *end;
    rwd_buf text = {0};
    rwd_error ignored;
    int64_t place = -1;
    if (!rwd_path_join(path, data, HOLD_FILE, &ignored) || !rwd_path_exists(path)) return -1;
    if (rwd_read_file(path, HOLD_BYTES_MAX, &text, &ignored)) {
        place = strtoll(rwd_buf_cstr(&text), &end, 10);
        if (*end != ' ' || place < 0) place = -1;
    }
    if (place < 0) rwd_log(RWD_LOG_WARN, "invariant", "%s says no offset, and is passed over", path);
    rwd_buf_deinit(&text);
    return place;
}

bool rwd_load_hold(rwd_operator *op, rwd_error *err) {
    int64_t place = rwd_hold_place(op->data);
    op->held = false;
    if (!op->watch || place <= op->position.next_offset || op->job->delivery.offset_multiple > 0) return remove_file(op, err);
    op->held = true;
    op->commit_boundary = place;
    rwd_log(RWD_LOG_INFO, "invariant", "an invariant parked this job at offset %" PRId64 ": nothing is committed before it was looked at there again", place);
    return true;
}

bool rwd_lift_hold(rwd_operator *op, rwd_error *err) {
    op->held = false;
    op->commit_boundary = INT64_MAX;
    rwd_log(RWD_LOG_INFO, "invariant", "what parked this job does not any more, at offset %" PRId64, op->position.next_offset);
    return remove_file(op, err);
}
