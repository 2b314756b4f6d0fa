// Retention (K5, K6): which checkpoints may go, and how one goes.
//
// A checkpoint goes in steps that a crash may fall between, each a rename: <id> -> <id>.pruned, files removed, MANIFEST -> pruned/<id>. From the first step on
// it is no checkpoint any more; the next start finishes what is left.
//
// What must stay true: LOCK holds our term when the first step is taken; no reader holds the MANIFEST; pins, the newest two good checkpoints of C's
// history, and the newest independent copy of that history stay.
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "checkpoints/manifest_private.h"
#include "checkpoints/repository_private.h"
#include "operator/base/crash_point.h"
#include "operator/base/log.h"

#define GOOD_ONES_KEPT 2  // K5
#define HOUR_US INT64_C(3600000000)

// ---- removing one

static bool remove_files(rwd_io *io, const char *folder, rwd_error *err) {
    rwd_tree tree = {0};
    if (!rwd_tree_walk(folder, &tree, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < tree.file_count && ok; i++) {
        char path[RWD_PATH_MAX];
        ok = rwd_path_join(path, folder, tree.files[i].name, err) && rwd_io_unlink(io, path, err);
        RWD_CRASH_POINT(prune_between_files);
    }
    rwd_tree_deinit(&tree);
    return ok;
}

// From <id>.pruned on: also what the next start does.
static bool finish_one(rwd_repo *repo, rwd_io *io, const char *id, rwd_error *err) {
    char folder[RWD_PATH_MAX], manifest[RWD_PATH_MAX], kept[RWD_PATH_MAX];
    if (!rwd_repo_folder(repo, id, RWD_SUFFIX_PRUNED, folder, err) || !rwd_path_join(manifest, folder, RWD_MANIFEST_NAME, err) ||
        !rwd_path_join(kept, repo->pruned, id, err))
        return false;
    if (!remove_files(io, folder, err)) return false;
    if (rwd_path_exists(manifest) && (!rwd_io_rename(io, manifest, kept, err) || !rwd_io_sync_dir(io, repo->pruned, err))) return false;
    RWD_CRASH_POINT(prune_done);
    return rwd_remove_tree(folder, err);
}

bool rwd_repo_finish_pruning(rwd_repo *repo, rwd_io *io, rwd_error *err) {
    char **names = NULL;
    size_t count = 0;
    if (!rwd_list_dir(repo->checkpoints, &names, &count, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        size_t size = strlen(names[i]), id = RWD_CHECKPOINT_ID - 1;
        if (size <= id || strcmp(names[i] + id, RWD_SUFFIX_PRUNED) != 0) continue;
        names[i][id] = '\0';
        ok = finish_one(repo, io, names[i], err);
    }
    rwd_names_free(names, count);
    return ok;
}

typedef enum removal { REMOVED, HELD_BY_READER, GONE, FAILED } removal;

static removal remove_locked(rwd_repo *repo, rwd_io *io, const char *id, const char *folder, rwd_error *err) {
    char pruned[RWD_PATH_MAX];
    // K6: decided under our term, done under our term.
    if (!rwd_repo_still_owner(repo)) return (void)rwd_repo_fail(err, RWD_E_FENCED, repo->path, "another owner took this data directory over"), FAILED;
    if (!rwd_repo_folder(repo, id, RWD_SUFFIX_PRUNED, pruned, err) || !rwd_io_rename(io, folder, pruned, err)) return FAILED;
    if (!rwd_io_sync_dir(io, repo->checkpoints, err)) return FAILED;
    RWD_CRASH_POINT(prune_marked);
    return finish_one(repo, io, id, err) ? REMOVED : FAILED;
}

static removal remove_one(rwd_repo *repo, rwd_io *io, const char *id, rwd_error *err) {
    char folder[RWD_PATH_MAX], manifest[RWD_PATH_MAX];
    if (!rwd_repo_folder(repo, id, "", folder, err) || !rwd_path_join(manifest, folder, RWD_MANIFEST_NAME, err)) return FAILED;
    int fd = open(manifest, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? GONE : ((void)rwd_fail_errno(err, errno, "cannot open %s", manifest), FAILED);
    removal result = HELD_BY_READER;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) result = remove_locked(repo, io, id, folder, err);
    (void)close(fd);
    return result;
}

static bool held_by_reader(rwd_repo *repo, const char *id) {
    char folder[RWD_PATH_MAX], manifest[RWD_PATH_MAX];
    if (!rwd_repo_folder(repo, id, "", folder, NULL) || !rwd_path_join(manifest, folder, RWD_MANIFEST_NAME, NULL)) return false;
    int fd = open(manifest, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool held = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    (void)close(fd);
    return held;
}

// ---- deciding

static const char HELD[] = "a reader holds it";

typedef struct decision {
    rwd_repo *repo;
    rwd_io *io;
    const rwd_lineage *lineage;
    int64_t frontier;
    rwd_checkpoint_list list;  // newest first
    const char **why_kept;     // by index; NULL: may go
} decision;

static bool of_this_history(const decision *d, const rwd_checkpoint *c) {
    return rwd_hash128_equal(c->facts.history, rwd_lineage_history(d->lineage, c->facts.next_offset));
}

static void keep(decision *d, size_t i, const char *why) {
    if (!d->why_kept[i]) d->why_kept[i] = why;
}

static void keep_pins(decision *d) {
    for (size_t i = 0; i < d->list.count; i++) {
        const rwd_checkpoint *c = &d->list.items[i];
        if (c->state == RWD_CHECKPOINT_BAD) keep(d, i, "it is bad: what was set aside is never deleted");
        else if (c->state == RWD_CHECKPOINT_PRUNED) keep(d, i, "it is pruned already");
        else if (c->tag[0]) keep(d, i, "it has a tag");
        else if (c->pinned_until_us) keep(d, i, "a repair may be undone from it");
        else if (c->pinned) keep(d, i, "it is genesis");
    }
}

static void keep_last(decision *d, const rwd_keep *wanted) {
    unsigned last = 0, full = 0;
    for (size_t i = 0; i < d->list.count; i++) {
        const rwd_checkpoint *c = &d->list.items[i];
        if (c->state == RWD_CHECKPOINT_BAD || c->state == RWD_CHECKPOINT_PRUNED) continue;
        if (c->independent && (full++ < wanted->full || wanted->full == 0)) keep(d, i, "it is one of the newest independent copies");
        if (!c->independent && last++ < wanted->last) keep(d, i, "it is one of the newest");
    }
}

// Copies of bytes have a rule of their own.
static bool is_counted(const rwd_checkpoint *c) { return c->state != RWD_CHECKPOINT_BAD && c->state != RWD_CHECKPOINT_PRUNED && !c->independent; }

// Which hour, or day, a time is in. Rounds down, before 1970 as well.
static int64_t span_of(int64_t at_us, int64_t span_us) { return at_us / span_us - (at_us % span_us < 0); }

static int compare_spans(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

// The newest one of each of the last `wanted` spans that have any. A clock that went back makes no more spans of it.
static void keep_spans(decision *d, int64_t span_us, unsigned wanted, const char *why) {
    int64_t *spans = rwd_calloc(d->list.count + 1, sizeof(*spans));
    size_t count = 0, distinct = 0;
    for (size_t i = 0; i < d->list.count; i++)
        if (is_counted(&d->list.items[i])) spans[count++] = span_of(d->list.items[i].created_us, span_us);
    if (count > 1) qsort(spans, count, sizeof(*spans), compare_spans);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || spans[i] != spans[i - 1]) spans[distinct++] = spans[i];
    for (size_t s = 0; s < distinct && s < wanted; s++) {
        size_t i = 0;  // the list is newest first
        while (!is_counted(&d->list.items[i]) || span_of(d->list.items[i].created_us, span_us) != spans[s]) i++;
        keep(d, i, why);
    }
    free(spans);
}

static void keep_within(decision *d, int64_t within_us) {
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < d->list.count; i++)
        if (is_counted(&d->list.items[i]) && d->list.items[i].created_us > last) last = d->list.items[i].created_us;
    for (size_t i = 0; i < d->list.count && within_us > 0; i++)
        if (is_counted(&d->list.items[i]) && last - d->list.items[i].created_us <= within_us) keep(d, i, "it was made within checkpoints.keep.within");
}

// Index of the next one of C's history by X, from the top; each index once. -1 at the end.
static ptrdiff_t next_by_position(const decision *d, bool independent, const bool *seen) {
    ptrdiff_t best = -1;
    for (size_t i = 0; i < d->list.count; i++) {
        const rwd_checkpoint *c = &d->list.items[i];
        bool usable = c->state == RWD_CHECKPOINT_GOOD || c->state == RWD_CHECKPOINT_UNVERIFIED;
        if (seen[i] || !usable || c->independent != independent || !of_this_history(d, c)) continue;
        if (best < 0 || c->facts.next_offset > d->list.items[best].facts.next_offset) best = (ptrdiff_t)i;
    }
    return best;
}

// Keeps the newest `wanted` good ones of C's history, and all of it that is above or between them: what is not good does not count, and is left to those
// who judge it.
static bool keep_good(decision *d, bool independent, unsigned wanted, const char *why, rwd_error *err) {
    bool *seen = rwd_calloc(d->list.count + 1, sizeof(*seen));
    bool ok = true;
    unsigned good = 0;
    for (ptrdiff_t i = next_by_position(d, independent, seen); i >= 0 && good < wanted && ok; i = next_by_position(d, independent, seen)) {
        const rwd_checkpoint *c = &d->list.items[i];
        rwd_error bad;
        rwd_error_clear(&bad);
        seen[i] = true;
        if (c->facts.next_offset > d->frontier) {
            keep(d, (size_t)i, "it is above the committed position");
        } else if (rwd_repo_verify(d->repo, d->io, c->id, RWD_VERIFY_NEW, NULL, &bad)) {
            keep(d, (size_t)i, why);
            good++;
        } else if (bad.code == RWD_E_CORRUPT || bad.code == RWD_E_NOT_FOUND) {
            keep(d, (size_t)i, "it does not verify");
        } else {
            if (err) *err = bad;
            ok = false;
        }
    }
    free(seen);
    return ok;
}

static bool decide(decision *d, const rwd_keep *wanted, rwd_error *err) {
    if (!rwd_repo_list_with(d->repo, d->io, false, &d->list, err)) return false;
    d->why_kept = rwd_calloc(d->list.count + 1, sizeof(*d->why_kept));
    keep_pins(d);
    if (!keep_good(d, false, GOOD_ONES_KEPT, "it is one of the newest two good ones of the committed history", err)) return false;
    if (!keep_good(d, true, 1, "it is the newest independent copy of the committed history", err)) return false;
    keep_last(d, wanted);
    keep_spans(d, HOUR_US, wanted->hourly, "it is the newest of its hour");
    keep_spans(d, 24 * HOUR_US, wanted->daily, "it is the newest of its day");
    keep_within(d, wanted->within_us);
    for (size_t i = 0; i < d->list.count; i++)
        if (!d->why_kept[i] && held_by_reader(d->repo, d->list.items[i].id)) d->why_kept[i] = HELD;
    return true;
}

static void decision_deinit(decision *d) {
    rwd_checkpoint_list_deinit(&d->list);
    free(d->why_kept);
    rwd_io_free(d->io);
}

// ---- what it frees: a file's bytes come back when its last name goes

typedef struct link_count {
    uint64_t inode, size;
    nlink_t links;
} link_count;

static int compare_inodes(const void *a, const void *b) {
    uint64_t x = ((const link_count *)a)->inode, y = ((const link_count *)b)->inode;
    return x < y ? -1 : x > y;
}

static size_t count_links(const decision *d, const rwd_checkpoint *c, link_count *out) {
    size_t count = 0;
    char folder[RWD_PATH_MAX], path[RWD_PATH_MAX];
    struct stat info;
    if (!rwd_repo_folder(d->repo, c->id, "", folder, NULL)) return 0;
    for (size_t i = 0; i < c->file_count; i++)
        if (rwd_path_join(path, folder, c->files[i].name, NULL) && stat(path, &info) == 0)
            out[count++] = (link_count){info.st_ino, (uint64_t)info.st_size, info.st_nlink};
    return count;
}

static uint64_t freed_by(const decision *d, const bool *goes) {
    size_t capacity = 1, count = 0;
    for (size_t i = 0; i < d->list.count; i++)
        if (goes[i]) capacity += d->list.items[i].file_count;
    link_count *all = rwd_calloc(capacity, sizeof(*all));
    for (size_t i = 0; i < d->list.count; i++)
        if (goes[i]) count += count_links(d, &d->list.items[i], all + count);
    if (count > 1) qsort(all, count, sizeof(*all), compare_inodes);
    uint64_t freed = 0;
    for (size_t i = 0; i < count;) {
        size_t same = 1;
        while (i + same < count && all[i + same].inode == all[i].inode) same++;
        if (same >= all[i].links) freed += all[i].size;
        i += same;
    }
    free(all);
    return freed;
}

// ---- prune and forget

void rwd_prune_plan_deinit(rwd_prune_plan *plan) {
    free(plan->items);
    *plan = (rwd_prune_plan){0};
}

// Oldest first, so that a crash leaves the newer ones.
static bool act_on(decision *d, rwd_prune_plan *plan, rwd_error *err) {
    for (size_t i = plan->count; i-- > 0;) {
        rwd_prune_item *item = &plan->items[i];
        if (item->why_kept) continue;
        switch (remove_one(d->repo, d->io, item->id, err)) {
        case REMOVED: item->removed = true; break;
        case HELD_BY_READER: item->why_kept = HELD; break;
        case GONE: item->why_kept = "it has just gone"; break;
        case FAILED: return false;
        }
    }
    return true;
}

static void make_plan(const decision *d, rwd_prune_plan *out) {
    bool *goes = rwd_calloc(d->list.count + 1, sizeof(*goes));
    out->items = rwd_calloc(d->list.count + 1, sizeof(*out->items));
    out->count = d->list.count;
    for (size_t i = 0; i < d->list.count; i++) {
        memcpy(out->items[i].id, d->list.items[i].id, RWD_CHECKPOINT_ID);
        out->items[i].bytes = d->list.items[i].bytes;
        out->items[i].why_kept = d->why_kept[i];
        goes[i] = d->why_kept[i] == NULL;
    }
    out->freed = freed_by(d, goes);
    free(goes);
}

bool rwd_repo_prune(rwd_repo *repo, const rwd_lineage *lineage, int64_t frontier, const rwd_keep *wanted, bool act, rwd_prune_plan *out,
                    rwd_error *err) {
    decision d = {.repo = repo, .lineage = lineage, .frontier = frontier};
    *out = (rwd_prune_plan){0};
    if (!rwd_io_clone(repo->io, &d.io, err)) return false;
    bool ok = decide(&d, wanted, err);
    if (ok) make_plan(&d, out);
    ok = ok && (!act || act_on(&d, out, err));
    decision_deinit(&d);
    if (!ok) rwd_prune_plan_deinit(out);
    return ok;
}

static bool enter_history(rwd_repo *repo, const rwd_checkpoint *c, rwd_error *err) {
    rwd_history_entry entry = {.kind = (char *)(uintptr_t)"forget", .subject = (char *)(uintptr_t)c->id, .next_offset = c->facts.next_offset,
                               .digest = c->digest, .lineage = c->facts.lineage};
    return rwd_repo_history_append(repo, &entry, err);
}

static bool forget(decision *d, size_t at, bool act, uint64_t *out_freed, rwd_error *err) {
    const rwd_checkpoint *c = &d->list.items[at];
    if (d->why_kept[at]) {
        (void)rwd_fail(err, RWD_E_USAGE, "checkpoint %s stays: %s", c->id, d->why_kept[at]);
        return rwd_error_next(err, "rewind checkpoint list --data %s", d->repo->path);
    }
    bool *goes = rwd_calloc(d->list.count, sizeof(*goes));
    goes[at] = true;
    *out_freed = freed_by(d, goes);
    free(goes);
    if (!act) return true;
    switch (remove_one(d->repo, d->io, c->id, err)) {
    case REMOVED: return enter_history(d->repo, c, err);
    case HELD_BY_READER: return rwd_fail(err, RWD_E_USAGE, "checkpoint %s stays: %s", c->id, HELD);
    case GONE: return rwd_fail(err, RWD_E_NOT_FOUND, "checkpoint %s has just gone", c->id);
    case FAILED: break;
    }
    return false;
}

bool rwd_repo_forget(rwd_repo *repo, const rwd_lineage *lineage, int64_t frontier, const char *id, bool act, uint64_t *out_freed, rwd_error *err) {
    decision d = {.repo = repo, .lineage = lineage, .frontier = frontier};
    rwd_checkpoint c;
    const rwd_keep least = {.last = 0, .full = 1};
    if (!rwd_repo_find(repo, id, &c, err)) return false;
    bool ok = rwd_io_clone(repo->io, &d.io, err) && decide(&d, &least, err);
    size_t at = 0;
    while (ok && at < d.list.count && strcmp(d.list.items[at].id, c.id) != 0) at++;
    if (ok && at == d.list.count) ok = rwd_fail(err, RWD_E_NOT_FOUND, "checkpoint %s was pruned already", c.id);
    ok = ok && forget(&d, at, act, out_freed, err);
    rwd_checkpoint_deinit(&c);
    decision_deinit(&d);
    return ok;
}
