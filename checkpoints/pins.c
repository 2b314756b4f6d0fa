// Pins: checkpoints that stay until a time, whatever the rules of retention say, since a repair may be taken back from them (R5, K7). In one small file.
//
// What must stay true: a pin is durable before what it is for happens; one whose time has come counts no more, whether it was removed or not.
#include <stdlib.h>

#include "checkpoints/manifest_private.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"
#include "proto/pack.h"
#include "proto/repository.pb-c.h"

#define MAGIC "RWPN"
#define PINS_MAX 10000u
#define PINS_FILE_MAX (4u << 20)

void rwd_pins_deinit(rwd_pins *pins) {
    free(pins->items);
    *pins = (rwd_pins){0};
}

static bool take(const Rewind__Pins *message, rwd_pins *out) {
    if (message->n_pins > PINS_MAX) return false;
    out->items = rwd_calloc(message->n_pins + 1, sizeof(*out->items));
    for (size_t i = 0; i < message->n_pins; i++) {
        const Rewind__Pin *p = message->pins[i];
        if (strlen(p->checkpoint) != RWD_CHECKPOINT_ID - 1) return false;
        memcpy(out->items[i].id, p->checkpoint, RWD_CHECKPOINT_ID);
        out->items[i].until_us = p->until_us;
        out->count++;
    }
    return true;
}

bool rwd_pins_load(rwd_repo *repo, rwd_io *io, rwd_pins *out, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_buf file = {0};
    rwd_slice payload;
    *out = (rwd_pins){0};
    if (!rwd_path_join(path, repo->path, "pins", err)) return false;
    if (!rwd_path_exists(path)) return true;
    bool ok = rwd_repo_load_small(io, path, MAGIC, PINS_FILE_MAX, &file, &payload, err);
    if (ok) {
        Rewind__Pins *message = (Rewind__Pins *)rwd_proto_unpack(&rewind__pins__descriptor, payload, 8 * (size_t)PINS_FILE_MAX);
        ok = message && take(message, out);
        if (!ok) (void)rwd_repo_fail(err, RWD_E_CORRUPT, path, "does not hold pins");
        if (message) rwd_proto_free(&message->base);
    }
    rwd_buf_deinit(&file);
    if (!ok) rwd_pins_deinit(out);
    return ok;
}

static bool save(rwd_repo *repo, const rwd_pins *pins, rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, repo->path, "pins", err)) return false;
    Rewind__Pin *items = rwd_calloc(pins->count + 1, sizeof(*items));
    Rewind__Pin **pointers = rwd_calloc(pins->count + 1, sizeof(*pointers));
    for (size_t i = 0; i < pins->count; i++) {
        rewind__pin__init(&items[i]);
        items[i].checkpoint = pins->items[i].id;
        items[i].until_us = pins->items[i].until_us;
        pointers[i] = &items[i];
    }
    Rewind__Pins message;
    rewind__pins__init(&message);
    message.n_pins = pins->count;
    message.pins = pointers;
    rwd_buf payload = {0};
    rwd_proto_append(&payload, &message.base);
    bool ok = rwd_repo_save_small(repo->io, path, MAGIC, rwd_buf_slice(&payload), err);
    rwd_buf_deinit(&payload);
    free(items);
    free(pointers);
    return ok;
}

// Those whose time has come go; the later of two times counts.
static bool change(rwd_pins *pins, const char *id, int64_t until_us, int64_t now_us, rwd_error *err) {
    size_t kept = 0;
    for (size_t i = 0; i < pins->count; i++) {
        if (strcmp(pins->items[i].id, id) == 0) {
            if (pins->items[i].until_us > until_us) until_us = pins->items[i].until_us;
        } else if (pins->items[i].until_us > now_us) {
            pins->items[kept++] = pins->items[i];
        }
    }
    if (kept == PINS_MAX) return rwd_fail(err, RWD_E_RESOURCE, "%u checkpoints are pinned by repairs, no more are kept", PINS_MAX);
    pins->items = rwd_realloc(pins->items, (kept + 1) * sizeof(*pins->items));
    memcpy(pins->items[kept].id, id, RWD_CHECKPOINT_ID);
    pins->items[kept].until_us = until_us;
    pins->count = kept + 1;
    return true;
}

bool rwd_repo_pin(rwd_repo *repo, const char *id, int64_t until_us, rwd_error *err) {
    rwd_pins pins = {0};
    if (!rwd_repo_still_owner(repo)) return rwd_repo_fail(err, RWD_E_FENCED, repo->path, "another owner took this data directory over");
    if (!rwd_checkpoint_id_valid(id)) return rwd_fail(err, RWD_E_USAGE, "%.40s is no checkpoint's id", id);
    pthread_mutex_lock(&repo->mutex);
    bool ok = rwd_pins_load(repo, repo->io, &pins, err) && change(&pins, id, until_us, rwd_clock_wall_us(repo->clock), err) && save(repo, &pins, err);
    pthread_mutex_unlock(&repo->mutex);
    rwd_pins_deinit(&pins);
    if (ok) RWD_CRASH_POINT(repair_pin_written);
    return ok;
}
