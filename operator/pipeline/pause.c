// Pause and resume: asked for by other threads, remembered in the data directory, acted upon at a batch boundary.
//
// What must stay true: the file is durable before the pipeline is told, and gone before it goes on, so that a restart does as was asked last.
//
// Thread: as stated in operator.h; the rest is the pipeline's. Locks: pause_lock over the file, then op->lock for the words; the pipeline takes only the latter.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"

#define PAUSE_FILE "PAUSED"
#define PAUSE_STEP_NS 20000000LL

static void set_paused(rwd_operator *op, const char *why) {
    pthread_mutex_lock(&op->lock);
    snprintf(op->pause_why, sizeof(op->pause_why), "%s", why ? why : "");
    op->pause_why[strcspn(op->pause_why, "\r\n")] = '\0';
    atomic_store(&op->paused, why != NULL);
    pthread_mutex_unlock(&op->lock);
}

bool rwd_load_pause(rwd_operator *op, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_buf text = {0};
    if (!rwd_path_join(path, op->data, PAUSE_FILE, err)) return false;
    bool found = rwd_io_read_file(op->pause_io, path, sizeof(op->pause_why), &text, err);
    if (found) set_paused(op, rwd_buf_cstr(&text));
    rwd_buf_deinit(&text);
    if (found || err->code != RWD_E_NOT_FOUND) return found;
    rwd_error_clear(err);
    return true;
}

void rwd_show_pause(rwd_operator *op) {
    bool began = op->status.phase != RWD_PHASE_PAUSED;
    pthread_mutex_lock(&op->lock);
    snprintf(op->status.reason, sizeof(op->status.reason), "%s", op->pause_why);
    pthread_mutex_unlock(&op->lock);
    snprintf(op->status.next, sizeof(op->status.next), "rewind resume --data %.400s", op->data);
    rwd_set_phase(op, RWD_PHASE_PAUSED);
    if (began) rwd_log(RWD_LOG_WARN, "operator", "paused at offset %" PRId64 ": %s", op->position.next_offset, op->status.reason);
}

void rwd_end_pause(rwd_operator *op) {
    op->status.reason[0] = op->status.next[0] = '\0';
    rwd_set_phase(op, RWD_PHASE_RUNNING);
    rwd_log(RWD_LOG_INFO, "operator", "resumed at offset %" PRId64, op->position.next_offset);
}

// ---- asked for

static bool remember(rwd_operator *op, bool pause, const char *who, const char *why, rwd_error *err) {
    char path[RWD_PATH_MAX], now[RWD_TIME_TEXT_MAX];
    if (!rwd_path_join(path, op->data, PAUSE_FILE, err)) return false;
    bool paused = atomic_load(&op->paused);
    if (paused == pause) return true;  // the first one's reason stays
    if (!pause) {
        if (!rwd_io_unlink(op->pause_io, path, err) || !rwd_io_sync_dir(op->pause_io, op->data, err)) return false;
        set_paused(op, NULL);
        return true;
    }
    rwd_time_text(rwd_clock_wall_us(op->clock) / 1000000 * 1000000, now);
    char *text = rwd_strf("paused by %s at %s%s%.200s\n", who, now, why ? ": " : "", why ? why : "");
    bool ok = rwd_io_write_file(op->pause_io, path, rwd_slice_str(text), err);
    if (ok) set_paused(op, text);
    free(text);
    return ok;
}

// Nothing is read any more, and what was read is committed, as far as a commit may fall here.
static bool in_effect(const rwd_operator *op, const rwd_status *now, bool pause) {
    if (!pause) return now->phase != RWD_PHASE_PAUSED;
    return now->phase == RWD_PHASE_PAUSED && (now->frontier >= now->position || op->job->delivery.offset_multiple > 0);
}

bool rwd_operator_pause(rwd_operator *op, bool pause, const char *who, const char *why, rwd_status *out, bool *out_in_effect, rwd_error *err) {
    rwd_operator_status(op, out);
    if (out->phase == RWD_PHASE_PARKED || out->phase == RWD_PHASE_STOPPING || out->phase == RWD_PHASE_ENDED) {
        rwd_fail(err, RWD_E_BUSY, "the operator is %s", rwd_phase_name(out->phase));
        return rwd_error_next(err, "%s", *out->next ? out->next : "start it again");
    }
    pthread_mutex_lock(&op->pause_lock);
    bool ok = remember(op, pause, who, why, err);
    pthread_mutex_unlock(&op->pause_lock);
    *out_in_effect = false;
    for (int64_t waited = 0; ok && !*out_in_effect && waited < RWD_PAUSE_WAIT_NS; waited += PAUSE_STEP_NS) {
        op->clock->sleep_ns(op->clock, PAUSE_STEP_NS);
        rwd_operator_status(op, out);
        *out_in_effect = in_effect(op, out, pause);
    }
    return ok;
}
