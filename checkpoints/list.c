// Which checkpoints there are: the list, and the one that a word names.
//
// Another process may rename a folder between two looks at it: a name that has just gone is not an error.
#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/manifest_private.h"
#include "checkpoints/repository_private.h"

bool rwd_repo_folder(const rwd_repo *repo, const char *id, const char *suffix, char out[RWD_PATH_MAX], rwd_error *err) {
    char name[64];
    int size = snprintf(name, sizeof(name), "%s%s", id, suffix);
    if (size < 0 || (size_t)size >= sizeof(name)) return rwd_fail(err, RWD_E_NOT_FOUND, "%.100s is no checkpoint's name", id);
    return rwd_path_join(out, repo->checkpoints, name, err);
}

bool rwd_repo_checkpoint_path(rwd_repo *repo, const char *id, char out[4096], rwd_error *err) {
    _Static_assert(RWD_PATH_MAX == 4096, "the header says so");
    return rwd_repo_folder(repo, id, "", out, err);
}

static bool load_manifest_file(rwd_repo *repo, rwd_io *io, const char *path, const char *id, rwd_checkpoint *out, rwd_error *err) {
    rwd_buf file = {0};
    bool ok = rwd_io_read_file(io, path, RWD_MANIFEST_MAX, &file, err) && rwd_manifest_decode(rwd_buf_slice(&file), out, err);
    rwd_buf_deinit(&file);
    if (!ok) return rwd_error_at(err, "%s", path);
    if (strcmp(out->id, id) == 0 && rwd_hash128_equal(out->repository, repo->id)) return true;
    if (strcmp(out->id, id) != 0) (void)rwd_repo_fail(err, RWD_E_CORRUPT, path, "is the manifest of checkpoint %s", out->id);
    else (void)rwd_repo_fail(err, RWD_E_CORRUPT, path, "is of another data directory");
    rwd_checkpoint_deinit(out);
    return false;
}

bool rwd_repo_load_manifest(rwd_repo *repo, rwd_io *io, const char *folder, const char *id, rwd_checkpoint *out, rwd_error *err) {
    char path[RWD_PATH_MAX];
    return rwd_path_join(path, folder, RWD_MANIFEST_NAME, err) && load_manifest_file(repo, io, path, id, out, err);
}

// ---- the list

typedef enum place { PLACE_WHOLE, PLACE_BAD, PLACE_PRUNING, PLACE_PRUNED, PLACE_NONE } place;

// What a name in the folder of checkpoints stands for; `id` gets its first part.
static place place_of(const char *name, char id[RWD_CHECKPOINT_ID]) {
    if (strlen(name) < RWD_CHECKPOINT_ID - 1) return PLACE_NONE;
    memcpy(id, name, RWD_CHECKPOINT_ID - 1);
    id[RWD_CHECKPOINT_ID - 1] = '\0';
    if (!rwd_checkpoint_id_valid(id)) return PLACE_NONE;
    const char *rest = name + RWD_CHECKPOINT_ID - 1;
    if (rest[0] == '\0') return PLACE_WHOLE;
    if (strcmp(rest, RWD_SUFFIX_BAD) == 0) return PLACE_BAD;
    if (strcmp(rest, RWD_SUFFIX_PRUNED) == 0) return PLACE_PRUNING;
    return PLACE_NONE;
}

// K4: a copy that another checkpoint or the live state has since linked files of is one no more.
static bool shares_no_file(const char *folder, const rwd_checkpoint *c) {
    for (size_t i = 0; i < c->file_count; i++) {
        char path[RWD_PATH_MAX];
        struct stat info;
        if (!rwd_path_join(path, folder, c->files[i].name, NULL) || stat(path, &info) != 0 || info.st_nlink != 1) return false;
    }
    return true;
}

static bool all_known(rwd_repo *repo, const rwd_checkpoint *c) {
    pthread_mutex_lock(&repo->mutex);
    bool all = true;
    for (size_t i = 0; i < c->file_count && all; i++) {
        const rwd_known_file *known = rwd_known_find(&repo->known, c->files[i].inode);
        all = known && !known->bad && rwd_hash128_equal(known->hash, c->files[i].hash);
    }
    pthread_mutex_unlock(&repo->mutex);
    return all;
}

static void judge_bad(rwd_io *io, const char *folder, const char *id, const rwd_error *why, rwd_checkpoint *c) {
    memcpy(c->id, id, RWD_CHECKPOINT_ID);
    c->state = RWD_CHECKPOINT_BAD;
    c->why_bad = rwd_note_load(io, folder);
    if (!c->why_bad) c->why_bad = rwd_strdup(why->cause[0] ? why->cause : "quarantined");
}

// The checkpoint under one name. False with NOT_FOUND: the name has gone meanwhile.
static bool load_one(rwd_repo *repo, rwd_io *io, const char *path, const char *id, place where, rwd_checkpoint *out, rwd_error *err) {
    rwd_error why;
    rwd_error_clear(&why);
    *out = (rwd_checkpoint){0};
    bool ok = where == PLACE_PRUNED ? load_manifest_file(repo, io, path, id, out, &why) : rwd_repo_load_manifest(repo, io, path, id, out, &why);
    if (!ok && why.code == RWD_E_NOT_FOUND && !rwd_path_exists(path)) {
        *err = why;
        return false;
    }
    bool damage = !ok && (why.code == RWD_E_CORRUPT || why.code == RWD_E_NOT_FOUND || why.code == RWD_E_NEWER_FORMAT || why.code == RWD_E_IO);
    if (!ok && !damage) {
        *err = why;
        return false;
    }
    if (!ok || where == PLACE_BAD) {
        judge_bad(io, path, id, &why, out);
    } else if (where == PLACE_WHOLE) {
        out->independent = out->independent && shares_no_file(path, out);
        out->state = all_known(repo, out) ? RWD_CHECKPOINT_GOOD : RWD_CHECKPOINT_UNVERIFIED;
    } else {
        out->state = RWD_CHECKPOINT_PRUNED;
    }
    return true;
}

static void add(rwd_checkpoint_list *list, rwd_checkpoint c) {
    if ((list->count & (list->count - 1)) == 0)  // grows at powers of two
        list->items = rwd_realloc(list->items, (list->count == 0 ? 1 : list->count * 2) * sizeof(c));
    list->items[list->count++] = c;
}

// Adds what one folder of the repository holds.
static bool list_folder(rwd_repo *repo, rwd_io *io, const char *folder, bool pruned, rwd_checkpoint_list *list, rwd_error *err) {
    char **names = NULL;
    size_t count = 0;
    if (!rwd_path_exists(folder)) return true;
    if (!rwd_list_dir(folder, &names, &count, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        char id[RWD_CHECKPOINT_ID], path[RWD_PATH_MAX];
        rwd_checkpoint c;
        rwd_error why;
        place where = place_of(names[i], id);
        if (pruned) where = where == PLACE_WHOLE ? PLACE_PRUNED : PLACE_NONE;
        if (where == PLACE_NONE) continue;
        ok = rwd_path_join(path, folder, names[i], err);
        if (!ok) break;
        rwd_error_clear(&why);
        if (load_one(repo, io, path, id, where, &c, &why)) {
            add(list, c);
        } else if (why.code != RWD_E_NOT_FOUND) {
            if (err) *err = why;
            ok = false;
        }
    }
    rwd_names_free(names, count);
    return ok;
}

// Newest first. A damaged one whose manifest says nothing has no age: it goes last.
static int compare_age(const void *a, const void *b) {
    const rwd_checkpoint *x = a, *y = b;
    if (x->term != y->term) return x->term < y->term ? 1 : -1;
    if (x->sequence != y->sequence) return x->sequence < y->sequence ? 1 : -1;
    return strcmp(x->id, y->id);
}

// A checkpoint seen under two names while it was renamed is one.
static void drop_doubles(rwd_checkpoint_list *list) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        bool twice = kept > 0 && strcmp(list->items[kept - 1].id, list->items[i].id) == 0;
        if (twice) rwd_checkpoint_deinit(&list->items[i]);
        else list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

// Pins: genesis, what has a tag, and what a repair may be taken back from (K7).
static void mark_pins(rwd_checkpoint_list *list, const rwd_tags *tags, const rwd_pins *pins, int64_t now_us) {
    for (size_t i = 0; i < list->count; i++) {
        rwd_checkpoint *c = &list->items[i];
        for (size_t j = 0; j < tags->count; j++)
            if (strcmp(tags->items[j].id, c->id) == 0) memcpy(c->tag, tags->items[j].tag, RWD_TAG_MAX);
        for (size_t j = 0; j < pins->count; j++)
            if (strcmp(pins->items[j].id, c->id) == 0 && pins->items[j].until_us > now_us) c->pinned_until_us = pins->items[j].until_us;
        c->pinned = c->tag[0] || c->pinned_until_us || (c->facts.reason && strcmp(c->facts.reason, "genesis") == 0);
    }
}

static void mark_horizon(rwd_repo *repo, rwd_io *io, rwd_checkpoint_list *list) {
    int64_t horizon;
    if (!rwd_repo_horizon(repo, io, &horizon)) return;
    for (size_t i = 0; i < list->count; i++) list->items[i].below_horizon = list->items[i].facts.next_offset < horizon;
}

bool rwd_repo_list_with(rwd_repo *repo, rwd_io *io, bool pruned, rwd_checkpoint_list *out, rwd_error *err) {
    *out = (rwd_checkpoint_list){0};
    rwd_tags tags = {0};
    rwd_pins pins = {0};
    bool ok = rwd_tags_load(repo, io, &tags, err) && rwd_pins_load(repo, io, &pins, err) && list_folder(repo, io, repo->checkpoints, false, out, err) &&
              (!pruned || list_folder(repo, io, repo->pruned, true, out, err));
    if (ok && out->count > 1) qsort(out->items, out->count, sizeof(*out->items), compare_age);
    if (ok) drop_doubles(out);
    if (ok) mark_pins(out, &tags, &pins, rwd_clock_wall_us(repo->clock));
    if (ok) mark_horizon(repo, io, out);
    rwd_tags_deinit(&tags);
    rwd_pins_deinit(&pins);
    if (!ok) rwd_checkpoint_list_deinit(out);
    return ok;
}

// A tier of one's own, so that the repository's is used by no two threads at once.
bool rwd_repo_list(rwd_repo *repo, rwd_checkpoint_list *out, rwd_error *err) {
    rwd_io *io = NULL;
    if (!rwd_io_clone(repo->io, &io, err)) return false;
    bool ok = rwd_repo_list_with(repo, io, true, out, err);
    rwd_io_free(io);
    return ok;
}

// ---- the one that a word names

static bool names_it(const rwd_checkpoint *c, const char *word, size_t size) { return strncmp(c->id, word, size) == 0; }

static bool ambiguous(const rwd_checkpoint_list *list, const char *word, size_t size, rwd_error *err) {
    char examples[3 * RWD_CHECKPOINT_ID + 8] = "";
    size_t shown = 0, matches = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (!names_it(&list->items[i], word, size)) continue;
        if (matches++ < 3) shown += (size_t)snprintf(examples + shown, sizeof(examples) - shown, "%s%s", shown ? ", " : "", list->items[i].id);
    }
    return rwd_fail(err, RWD_E_USAGE, "%s is the beginning of %zu checkpoints' ids: %s%s", word, matches, examples, matches > 3 ? ", ..." : "");
}

static bool usable(const rwd_checkpoint *c) { return c->state == RWD_CHECKPOINT_GOOD || c->state == RWD_CHECKPOINT_UNVERIFIED; }

// The usable one with the greatest X, the youngest of equals: an independent copy is younger than what it copies, not newer. -1: none.
static ptrdiff_t latest(const rwd_checkpoint_list *list) {
    ptrdiff_t best = -1;
    for (size_t i = 0; i < list->count; i++) {
        if (!usable(&list->items[i])) continue;
        if (best < 0 || list->items[i].facts.next_offset > list->items[best].facts.next_offset) best = (ptrdiff_t)i;
    }
    return best;
}

// Index in the list, or -1 with the error.
static ptrdiff_t find(rwd_repo *repo, const rwd_checkpoint_list *list, const char *word, rwd_error *err) {
    size_t size = strlen(word);
    ptrdiff_t found = strcmp(word, "latest") == 0 ? latest(list) : -1;
    if (found >= 0) return found;
    for (size_t i = 0; i < list->count; i++) {
        const rwd_checkpoint *c = &list->items[i];
        if (strcmp(c->id, word) == 0 || (c->tag[0] && strcmp(c->tag, word) == 0)) return (ptrdiff_t)i;
    }
    bool prefix = size > 0 && strspn(word, "0123456789abcdef") == size;
    for (size_t i = 0; i < list->count && prefix; i++) {
        if (!names_it(&list->items[i], word, size)) continue;
        if (found >= 0) return ambiguous(list, word, size, err), -1;
        found = (ptrdiff_t)i;
    }
    if (found >= 0) return found;
    if (strcmp(word, "latest") == 0) (void)rwd_fail(err, RWD_E_NOT_FOUND, "there is no usable checkpoint yet");
    else (void)rwd_fail(err, RWD_E_NOT_FOUND, "no checkpoint has the id or tag %.100s", word);
    (void)rwd_error_next(err, "rewind checkpoint list --data %s", repo->path);
    return -1;
}

bool rwd_repo_find(rwd_repo *repo, const char *word, rwd_checkpoint *out, rwd_error *err) {
    rwd_checkpoint_list list = {0};
    if (!rwd_repo_list(repo, &list, err)) return false;
    ptrdiff_t at = find(repo, &list, word, err);
    if (at >= 0) {
        *out = list.items[at];
        list.items[at] = (rwd_checkpoint){0};
    }
    rwd_checkpoint_list_deinit(&list);
    return at >= 0;
}
