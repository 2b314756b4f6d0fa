// Files that are known to hold what their manifest says: which need not be read again at a start (K5), and which must never be built on.
//
// Kept in memory by inode; what was read back since it was written is kept across processes in <data>/verified. That file is a hint: a start
// without it reads more, nothing else.
#include <stdlib.h>

#include "checkpoints/repository_private.h"
#include "proto/pack.h"
#include "proto/repository.pb-c.h"

#define MAGIC "RWVF"

static int64_t modified_ns(const struct stat *info) { return (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec; }

// Where `inode` is, or where it would go.
static size_t place_of(const rwd_known_files *known, uint64_t inode) {
    size_t low = 0, high = known->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (known->items[middle].inode < inode) low = middle + 1;
        else high = middle;
    }
    return low;
}

const rwd_known_file *rwd_known_find(const rwd_known_files *known, uint64_t inode) {
    size_t at = place_of(known, inode);
    return at < known->count && known->items[at].inode == inode ? &known->items[at] : NULL;
}

static bool same_file(const rwd_known_file *known, const struct stat *info) {
    return known && known->inode == info->st_ino && known->size == (uint64_t)info->st_size && known->modified_ns == modified_ns(info);
}

bool rwd_known_is_bad(const rwd_known_file *known, const struct stat *info) { return same_file(known, info) && known->bad; }

bool rwd_known_matches(const rwd_known_file *known, const struct stat *info, rwd_hash128 hash) {
    return same_file(known, info) && !known->bad && rwd_hash128_equal(known->hash, hash);
}

static void put(rwd_known_files *known, rwd_known_file file) {
    size_t at = place_of(known, file.inode);
    if (at < known->count && known->items[at].inode == file.inode) {
        known->items[at] = file;
        return;
    }
    if (known->count == known->capacity) {
        known->capacity = known->capacity ? known->capacity * 2 : 256;
        known->items = rwd_realloc(known->items, known->capacity * sizeof(*known->items));
    }
    memmove(known->items + at + 1, known->items + at, (known->count - at) * sizeof(*known->items));
    known->items[at] = file;
    known->count++;
}

void rwd_known_put(rwd_repo *repo, const struct stat *info, rwd_hash128 hash, bool read_back, bool from_medium, bool bad) {
    rwd_known_file file = {info->st_ino, (uint64_t)info->st_size, modified_ns(info), hash, read_back, from_medium, bad};
    const rwd_known_file *before = rwd_known_find(&repo->known, file.inode);
    if (!bad && rwd_known_matches(before, info, hash)) {  // what is known is not forgotten for less
        file.read_back |= before->read_back;
        file.from_medium |= before->from_medium;
    }
    repo->known_changed |= file.read_back && !(before && before->read_back && rwd_known_matches(before, info, hash));
    repo->known_changed |= bad;
    put(&repo->known, file);
}

void rwd_repo_distrust(rwd_repo *repo) {
    pthread_mutex_lock(&repo->mutex);
    for (size_t i = 0; i < repo->known.count; i++) repo->known.items[i].read_back = repo->known.items[i].from_medium = false;
    repo->known_changed = true;
    pthread_mutex_unlock(&repo->mutex);
}

void rwd_known_deinit(rwd_known_files *known) {
    free(known->items);
    *known = (rwd_known_files){0};
}

static bool verified_path(const rwd_repo *repo, char out[RWD_PATH_MAX]) { return rwd_path_join(out, repo->path, "verified", NULL); }

// Fills the known files, and the end of the history log as it was (history.c checks it).
void rwd_known_load(rwd_repo *repo) {
    char path[RWD_PATH_MAX];
    rwd_buf file = {0};
    rwd_slice payload;
    Rewind__Verified *verified = NULL;
    if (verified_path(repo, path) && rwd_repo_load_small(repo->io, path, MAGIC, RWD_VERIFIED_FILE_MAX, &file, &payload, NULL))
        verified = (Rewind__Verified *)rwd_proto_unpack(&rewind__verified__descriptor, payload, 4 * (size_t)RWD_VERIFIED_FILE_MAX);
    for (size_t i = 0; verified && i < verified->n_files; i++) {
        const Rewind__VerifiedFile *f = verified->files[i];
        if (f->hash.len != RWD_PROTO_HASH) continue;
        put(&repo->known, (rwd_known_file){.inode = f->inode, .size = f->size, .modified_ns = f->modified_ns, .hash = rwd_hash128_get(f->hash.data),
                                           .read_back = true});
    }
    if (verified && rwd_proto_get_hash(verified->history_last, &repo->history_last)) {
        repo->history_last_at = verified->history_last_at;
        repo->history_size = verified->history_size;
    }
    if (verified) rwd_proto_free(&verified->base);
    rwd_buf_deinit(&file);
}

static int compare_inodes(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

// Inodes that a checkpoint lists; others are of no use any more. *gives*.
static bool listed_inodes(rwd_repo *repo, rwd_io *io, uint64_t **out, size_t *out_count) {
    rwd_checkpoint_list list = {0};
    if (!rwd_repo_list_with(repo, io, false, &list, NULL)) return false;
    size_t total = 0, count = 0;
    for (size_t i = 0; i < list.count; i++) total += list.items[i].file_count;
    uint64_t *inodes = rwd_calloc(total + 1, sizeof(*inodes));
    for (size_t i = 0; i < list.count; i++)
        for (size_t j = 0; j < list.items[i].file_count; j++) inodes[count++] = list.items[i].files[j].inode;
    qsort(inodes, count, sizeof(*inodes), compare_inodes);
    rwd_checkpoint_list_deinit(&list);
    *out = inodes;
    *out_count = count;
    return true;
}

// The read-back files among `inodes`, packed.
static void pack(rwd_repo *repo, const uint64_t *inodes, size_t inode_count, rwd_buf *out) {
    size_t capacity = repo->known.count + 1, count = 0;
    Rewind__VerifiedFile *files = rwd_calloc(capacity, sizeof(*files));
    Rewind__VerifiedFile **pointers = rwd_calloc(capacity, sizeof(*pointers));
    uint8_t(*hashes)[RWD_PROTO_HASH] = rwd_calloc(capacity, RWD_PROTO_HASH);
    for (size_t i = 0; i < repo->known.count; i++) {
        const rwd_known_file *k = &repo->known.items[i];
        if (!k->read_back || k->bad || !bsearch(&k->inode, inodes, inode_count, sizeof(*inodes), compare_inodes)) continue;
        rewind__verified_file__init(&files[count]);
        files[count].inode = k->inode;
        files[count].size = k->size;
        files[count].modified_ns = k->modified_ns;
        files[count].hash = rwd_proto_put_hash(k->hash, hashes[count]);
        pointers[count] = &files[count];
        count++;
    }
    Rewind__Verified verified;
    rewind__verified__init(&verified);
    verified.n_files = count;
    verified.files = pointers;
    uint8_t history[RWD_PROTO_HASH];
    verified.history_last = rwd_proto_put_hash(repo->history_last, history);
    verified.history_last_at = repo->history_last_at;
    verified.history_size = repo->history_must_move ? 0 : repo->history_size;
    rwd_proto_append(out, &verified.base);
    free(files);
    free(pointers);
    free(hashes);
}

void rwd_repo_save_known(rwd_repo *repo, rwd_io *io) {
    uint64_t *inodes = NULL;
    size_t count = 0;
    char path[RWD_PATH_MAX];
    pthread_mutex_lock(&repo->mutex);
    bool wanted = repo->owner && repo->known_changed;
    repo->known_changed = false;
    pthread_mutex_unlock(&repo->mutex);
    if (!wanted || !verified_path(repo, path) || !rwd_repo_still_owner(repo) || !listed_inodes(repo, io, &inodes, &count)) return;
    rwd_buf payload = {0};
    pthread_mutex_lock(&repo->mutex);
    pack(repo, inodes, count, &payload);
    pthread_mutex_unlock(&repo->mutex);
    if (!rwd_repo_save_small(io, path, MAGIC, rwd_buf_slice(&payload), NULL)) {
        pthread_mutex_lock(&repo->mutex);
        repo->known_changed = true;  // another time
        pthread_mutex_unlock(&repo->mutex);
    }
    rwd_buf_deinit(&payload);
    free(inodes);
}
