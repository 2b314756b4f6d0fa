// Tags: names that people give to checkpoints, in one small file. A tagged checkpoint is pinned (K7).
#include <stdlib.h>

#include "checkpoints/frame.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"
#include "proto/pack.h"
#include "proto/repository.pb-c.h"

#define MAGIC "RWTG"
#define TAGS_MAX 10000u
#define TAG_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

void rwd_tags_deinit(rwd_tags *tags) {
    free(tags->items);
    *tags = (rwd_tags){0};
}

static bool take(const Rewind__Tags *message, rwd_tags *out) {
    if (message->n_tags > TAGS_MAX) return false;
    out->items = rwd_calloc(message->n_tags + 1, sizeof(*out->items));
    for (size_t i = 0; i < message->n_tags; i++) {
        const Rewind__Tag *t = message->tags[i];
        if (strlen(t->tag) >= RWD_TAG_MAX || strlen(t->checkpoint) != RWD_CHECKPOINT_ID - 1) return false;
        memcpy(out->items[i].tag, t->tag, strlen(t->tag) + 1);
        memcpy(out->items[i].id, t->checkpoint, RWD_CHECKPOINT_ID);
        out->count++;
    }
    return true;
}

static bool load(const char *folder, rwd_io *io, rwd_tags *out, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_buf file = {0};
    rwd_slice payload;
    *out = (rwd_tags){0};
    if (!rwd_path_join(path, folder, "tags", err)) return false;
    if (!rwd_path_exists(path)) return true;
    bool ok = rwd_repo_load_small(io, path, MAGIC, RWD_TAGS_FILE_MAX, &file, &payload, err);
    if (ok) {
        Rewind__Tags *message = (Rewind__Tags *)rwd_proto_unpack(&rewind__tags__descriptor, payload, 8 * (size_t)RWD_TAGS_FILE_MAX);
        ok = message && take(message, out);
        if (!ok) (void)rwd_repo_fail(err, RWD_E_CORRUPT, path, "does not hold tags");
        if (message) rwd_proto_free(&message->base);
    }
    rwd_buf_deinit(&file);
    if (!ok) rwd_tags_deinit(out);
    return ok;
}

bool rwd_tags_load(rwd_repo *repo, rwd_io *io, rwd_tags *out, rwd_error *err) { return load(repo->path, io, out, err); }

static bool save(const char *folder, rwd_io *io, const rwd_tags *tags, rwd_error *err) {
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, folder, "tags", err)) return false;
    Rewind__Tag *items = rwd_calloc(tags->count + 1, sizeof(*items));
    Rewind__Tag **pointers = rwd_calloc(tags->count + 1, sizeof(*pointers));
    for (size_t i = 0; i < tags->count; i++) {
        rewind__tag__init(&items[i]);
        items[i].tag = tags->items[i].tag;
        items[i].checkpoint = tags->items[i].id;
        pointers[i] = &items[i];
    }
    Rewind__Tags message;
    rewind__tags__init(&message);
    message.n_tags = tags->count;
    message.tags = pointers;
    rwd_buf payload = {0};
    rwd_proto_append(&payload, &message.base);
    bool ok = rwd_repo_save_small(io, path, MAGIC, rwd_buf_slice(&payload), err);
    rwd_buf_deinit(&payload);
    free(items);
    free(pointers);
    return ok;
}

// A tag must not read as an id, nor as a word that has a meaning of its own where an id is asked for.
static bool tag_is_allowed(const char *tag, rwd_error *err) {
    size_t size = strlen(tag);
    if (size >= RWD_TAG_MAX) return rwd_fail(err, RWD_E_USAGE, "a tag has at most %d characters", RWD_TAG_MAX - 1);
    if (strspn(tag, TAG_LETTERS) != size) return rwd_fail(err, RWD_E_USAGE, "a tag has letters, digits, '.', '_' and '-' only: %s", tag);
    if (strcmp(tag, "latest") == 0 || strcmp(tag, "live") == 0) return rwd_fail(err, RWD_E_USAGE, "%s has a meaning of its own", tag);
    if (size > 0 && size < RWD_CHECKPOINT_ID && strspn(tag, "0123456789abcdef") == size)
        return rwd_fail(err, RWD_E_USAGE, "the tag %s would read as the beginning of an id; add a letter beyond f or a '-'", tag);
    return true;
}

// The tags with `id`'s set to `tag`, or without it.
static bool change(rwd_tags *tags, const char *id, const char *tag, rwd_error *err) {
    size_t kept = 0;
    for (size_t i = 0; i < tags->count; i++) {
        if (strcmp(tags->items[i].id, id) == 0) continue;
        if (tag[0] && strcmp(tags->items[i].tag, tag) == 0)
            return rwd_fail(err, RWD_E_USAGE, "checkpoint %s has the tag %s already", tags->items[i].id, tag);
        tags->items[kept++] = tags->items[i];
    }
    tags->count = kept;
    if (!tag[0]) return true;
    if (kept == TAGS_MAX) return rwd_fail(err, RWD_E_USAGE, "there are %u tags, no more are kept", TAGS_MAX);
    tags->items = rwd_realloc(tags->items, (kept + 1) * sizeof(*tags->items));
    memcpy(tags->items[kept].tag, tag, strlen(tag) + 1);
    memcpy(tags->items[kept].id, id, RWD_CHECKPOINT_ID);
    tags->count++;
    return true;
}

static const char *tag_of(const rwd_tags *tags, const char *id) {
    for (size_t i = 0; i < tags->count; i++)
        if (strcmp(tags->items[i].id, id) == 0) return tags->items[i].tag;
    return NULL;
}

static bool is_taken(const rwd_tags *tags, const char *tag) {
    for (size_t i = 0; i < tags->count; i++)
        if (strcmp(tags->items[i].tag, tag) == 0) return true;
    return false;
}

bool rwd_tags_carry(rwd_repo *from, const char *folder, const char *id, rwd_io *io, rwd_error *err) {
    rwd_tags here = {0}, there = {0};
    bool ok = load(from->path, io, &here, err) && load(folder, io, &there, err);
    const char *tag = ok ? tag_of(&here, id) : NULL;
    if (tag && !tag_of(&there, id) && !is_taken(&there, tag)) ok = change(&there, id, tag, err) && save(folder, io, &there, err);
    rwd_tags_deinit(&here);
    rwd_tags_deinit(&there);
    return ok;
}

static bool set_locked(rwd_repo *repo, const rwd_checkpoint *c, const char *tag, rwd_error *err) {
    rwd_tags tags = {0};
    bool ok = rwd_tags_load(repo, repo->io, &tags, err) && change(&tags, c->id, tag, err) && save(repo->path, repo->io, &tags, err);
    rwd_tags_deinit(&tags);
    if (!ok) return false;
    RWD_CRASH_POINT(tag_written);
    rwd_history_entry entry = {.kind = (char *)(uintptr_t)"tag", .subject = (char *)(uintptr_t)c->id, .why = (char *)(uintptr_t)tag,
                               .next_offset = c->facts.next_offset, .digest = c->digest, .lineage = c->facts.lineage};
    return rwd_history_append_locked(repo, &entry, err);
}

bool rwd_repo_tag(rwd_repo *repo, const char *id, const char *tag, rwd_error *err) {
    rwd_checkpoint c;
    if (!tag_is_allowed(tag, err)) return false;
    if (!rwd_repo_find(repo, id, &c, err)) return false;
    bool usable = c.state == RWD_CHECKPOINT_GOOD || c.state == RWD_CHECKPOINT_UNVERIFIED;
    bool ok = usable || !tag[0] || rwd_fail(err, RWD_E_USAGE, "checkpoint %s is %s: a tag keeps what can be gone back to", c.id,
                                            c.state == RWD_CHECKPOINT_BAD ? "bad" : "pruned");
    if (ok && !rwd_repo_still_owner(repo)) ok = rwd_repo_fail(err, RWD_E_FENCED, repo->path, "another owner took this data directory over");
    if (ok) {
        pthread_mutex_lock(&repo->mutex);
        ok = set_locked(repo, &c, tag, err);
        pthread_mutex_unlock(&repo->mutex);
    }
    rwd_checkpoint_deinit(&c);
    return ok;
}
