// Recovery's choice (C4 (5), K5): the newest good checkpoint of C's history with X <= C.
//
// What must stay true: what is chosen has a good manifest, right sizes, and right hashes for every file that was not read back since it was written; a
// bad one on the way is set aside aloud, never silently passed; nothing is chosen while a checkpoint of this history lies above C.
#include <assert.h>
#include <stdlib.h>

#include "checkpoints/repository_private.h"
#include "operator/base/log.h"

#define LOOKS_MAX 3  // at manifests that cannot be read at one moment and can at the next

typedef struct choice {
    rwd_repo *repo;
    rwd_io *io;
    const rwd_lineage *lineage;
    int64_t frontier;
    uint64_t closings;
    unsigned skipped;
} choice;

static bool usable(const rwd_checkpoint *c) { return c->state == RWD_CHECKPOINT_GOOD || c->state == RWD_CHECKPOINT_UNVERIFIED; }

// L2: it serves the lineage if the history below its X is the same.
static bool serves(const choice *ch, const rwd_checkpoint *c) {
    return rwd_hash128_equal(c->facts.history, rwd_lineage_history(ch->lineage, c->facts.next_offset));
}

// The least replay first; of equal ones not the independent copy, whose files would be shared from then on (K4); then the newest.
static int compare_preference(const void *a, const void *b) {
    const rwd_checkpoint *x = a, *y = b;
    if (x->facts.next_offset != y->facts.next_offset) return x->facts.next_offset < y->facts.next_offset ? 1 : -1;
    if (x->facts.closings != y->facts.closings) return x->facts.closings < y->facts.closings ? 1 : -1;
    if (x->independent != y->independent) return x->independent ? 1 : -1;
    if (x->term != y->term) return x->term < y->term ? 1 : -1;
    return x->sequence < y->sequence ? 1 : x->sequence > y->sequence ? -1 : 0;
}

// Good: true. Bad: set aside, counted, false with CORRUPT. Anything else ends the search: an error that is no one's damage.
static bool try_one(choice *ch, const char *id, rwd_error *err) {
    if (rwd_repo_verify(ch->repo, ch->io, id, RWD_VERIFY_NEW, NULL, err)) return true;
    if (err->code != RWD_E_CORRUPT) return false;
    char why[1024];
    rwd_error_format(err, why, sizeof(why));
    ch->skipped++;
    if (!ch->repo->owner) {
        rwd_log(RWD_LOG_WARN, "checkpoint", "checkpoint %s is bad: %s", id, why);
        return false;
    }
    rwd_error failed;
    if (rwd_repo_quarantine(ch->repo, id, why, &failed)) return false;
    *err = failed;
    return false;
}

static void take(choice *ch, rwd_checkpoint *from, rwd_checkpoint *out) {
    *out = *from;
    *from = (rwd_checkpoint){0};
    out->state = RWD_CHECKPOINT_GOOD;
    pthread_mutex_lock(&ch->repo->mutex);
    if (ch->repo->owner) memcpy(ch->repo->base, out->id, sizeof(ch->repo->base));
    pthread_mutex_unlock(&ch->repo->mutex);
}

static bool moved_back(const choice *ch, const rwd_checkpoint *c, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_COMMIT_MOVED, "checkpoint %s is at offset %lld, but the committed position is %lld: it has moved back", c->id,
                   (long long)c->facts.next_offset, (long long)ch->frontier);
    (void)rwd_error_at(err, "%s", ch->repo->path);
    return rwd_error_next(err, "put back the newest commit log with its outputs; or, to go on from these: rewind restore JOB --to ID");
}

static bool none_is_good(const choice *ch, rwd_error *err) {
    (void)rwd_repo_fail(err, RWD_E_NO_CHECKPOINT, ch->repo->path, "no good checkpoint serves the committed position %lld (%u found bad)",
                        (long long)ch->frontier, ch->skipped);
    return rwd_error_next(err, "rewind checkpoint list --data %s", ch->repo->path);
}

// C4 (8) on all before any is tried; then one after the other.
static bool choose_newest(choice *ch, rwd_checkpoint_list *list, rwd_checkpoint *out, rwd_error *err) {
    if (list->count > 1) qsort(list->items, list->count, sizeof(*list->items), compare_preference);
    for (size_t i = 0; i < list->count; i++) {
        const rwd_checkpoint *c = &list->items[i];
        if (usable(c) && rwd_facts_above(&c->facts, ch->frontier, ch->closings) && serves(ch, c)) return moved_back(ch, c, err);
    }
    for (size_t i = 0; i < list->count; i++) {
        rwd_checkpoint *c = &list->items[i];
        if (!usable(c) || !serves(ch, c)) continue;
        rwd_error_clear(err);
        if (try_one(ch, c->id, err)) return take(ch, c, out), true;
        if (err->code != RWD_E_CORRUPT && err->code != RWD_E_NOT_FOUND) return false;
    }
    return none_is_good(ch, err);
}

static bool choose_named(choice *ch, rwd_checkpoint *c, rwd_checkpoint *out, rwd_error *err) {
    if (c->state == RWD_CHECKPOINT_BAD) return rwd_fail(err, RWD_E_CORRUPT, "checkpoint %s is bad: %s", c->id, c->why_bad);
    if (!serves(ch, c)) {
        (void)rwd_fail(err, RWD_E_NO_CHECKPOINT, "checkpoint %s belongs to another history: other logic, source or start made it", c->id);
        return rwd_error_next(err, "rewind checkpoint list --data %s", ch->repo->path);
    }
    if (rwd_facts_above(&c->facts, ch->frontier, ch->closings))
        return rwd_fail(err, RWD_E_NO_CHECKPOINT, "checkpoint %s is at offset %lld, above the committed position %lld", c->id,
                        (long long)c->facts.next_offset, (long long)ch->frontier);
    if (!try_one(ch, c->id, err)) return false;
    take(ch, c, out);
    return true;
}

// What could not be listed as a checkpoint but has a checkpoint's name is damage as well: said aloud here, since nothing else looks at it. One of a
// newer version stops everything.
static bool set_aside_unreadable(choice *ch, const rwd_checkpoint_list *list, bool *out_look_again, rwd_error *err) {
    *out_look_again = false;
    for (size_t i = 0; i < list->count; i++) {
        const rwd_checkpoint *c = &list->items[i];
        char folder[RWD_PATH_MAX];
        if (c->state != RWD_CHECKPOINT_BAD || !rwd_repo_folder(ch->repo, c->id, "", folder, err) || !rwd_path_exists(folder)) continue;
        rwd_error_clear(err);
        if (try_one(ch, c->id, err)) *out_look_again = true;  // the fault has passed: it is no damage
        else if (err->code != RWD_E_CORRUPT && err->code != RWD_E_NOT_FOUND) return false;
    }
    return true;
}

// The list in which every checkpoint could be judged.
static bool list_readable(choice *ch, rwd_checkpoint_list *out, rwd_error *err) {
    for (unsigned look = 0; look < LOOKS_MAX; look++) {
        bool again = false;
        if (!rwd_repo_list_with(ch->repo, ch->io, false, out, err)) return false;
        bool ok = set_aside_unreadable(ch, out, &again, err);
        if (ok && !again) return true;
        rwd_checkpoint_list_deinit(out);
        if (!ok) return false;
    }
    return rwd_repo_fail(err, RWD_E_IO, ch->repo->checkpoints, "manifests can be read at one moment and not at the next");
}

bool rwd_repo_choose(rwd_repo *repo, rwd_io *io, const rwd_lineage *lineage, int64_t frontier, uint64_t closings, const char *only_id,
                     rwd_checkpoint *out, unsigned *out_skipped, rwd_error *err) {
    choice ch = {.repo = repo, .io = io, .lineage = lineage, .frontier = frontier, .closings = closings};
    rwd_error own;
    if (!err) err = &own;
    rwd_error_clear(err);
    bool ok = false;
    if (only_id) {
        rwd_checkpoint c;
        if (rwd_repo_find(repo, only_id, &c, err)) {
            ok = choose_named(&ch, &c, out, err);
            rwd_checkpoint_deinit(&c);
        }
    } else {
        rwd_checkpoint_list list = {0};
        ok = list_readable(&ch, &list, err) && choose_newest(&ch, &list, out, err);
        rwd_checkpoint_list_deinit(&list);
    }
    if (out_skipped) *out_skipped = ch.skipped;
    return ok;
}
