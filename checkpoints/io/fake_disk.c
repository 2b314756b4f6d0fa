// The disk model: nodes (files and folders) known by inode number, each with its durable content.
//
// What must stay true: a node's number is never given to another file while the model lives, so each node holds its file open; the tree is
// rebuilt from durable names downwards, so what no durable name leads to is gone.
#include "checkpoints/io/fake_disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operator/base/bytes.h"
#include "operator/base/fs.h"

typedef struct name {
    char *text;
    size_t node;
} name;

typedef struct listing {
    name *names;
    size_t count;
} listing;

typedef struct range {
    size_t from, to;
} range;

typedef struct node {
    ino_t inode;
    int fd;                 // keeps the inode number taken
    bool folder;
    rwd_buf durable;        // of a file
    rwd_buf current;        // of a file, when the power went
    range *holes;           // bytes that were dirty when a sync failed: the cache has them, the medium never will
    size_t hole_count;
    range *pieces;          // written by queues since the last sync, in the order of writing
    size_t piece_count;
    rwd_buf mixed;          // durable bytes with some of the pieces
    listing *moments;       // of a folder: [0] is durable, later ones are what it held after each change since
    size_t moment_count;
    char *built;            // path where power loss has made this file again: further names are links to it
} node;

struct rwd_fake_disk {
    pthread_mutex_t mutex;
    char root[RWD_PATH_MAX];
    node *nodes;            // [0] is the root
    size_t count;
    bool off;
};

static void listing_deinit(listing *l) {
    for (size_t i = 0; i < l->count; i++) free(l->names[i].text);
    free(l->names);
}

static void read_all(int fd, rwd_buf *out) {
    rwd_buf_clear(out);
    for (;;) {
        rwd_buf_reserve(out, 65536);
        ssize_t got = pread(fd, out->data + out->size, 65536, (off_t)out->size);
        if (got <= 0) return;
        out->size += (size_t)got;
    }
}

static size_t find(const rwd_fake_disk *disk, ino_t inode) {
    for (size_t i = 0; i < disk->count; i++)
        if (disk->nodes[i].inode == inode) return i;
    return SIZE_MAX;
}

static void add_moment(node *n, listing l) {
    n->moments = rwd_realloc(n->moments, (n->moment_count + 1) * sizeof(listing));
    n->moments[n->moment_count++] = l;
}

// The node of an open file, made if it is new: nothing of a new one is durable. Takes `fd`.
static size_t node_of(rwd_fake_disk *disk, int fd) {
    struct stat info;
    if (fstat(fd, &info) != 0) abort();
    size_t known = find(disk, info.st_ino);
    if (known != SIZE_MAX) {
        close(fd);
        return known;
    }
    disk->nodes = rwd_realloc(disk->nodes, (disk->count + 1) * sizeof(node));
    node *n = &disk->nodes[disk->count];
    *n = (node){.inode = info.st_ino, .fd = fd, .folder = S_ISDIR(info.st_mode)};
    if (n->folder) add_moment(n, (listing){0});
    return disk->count++;
}

// What a folder holds now.
static listing listing_of(rwd_fake_disk *disk, int folder_fd) {
    listing l = {0};
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) return l;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        int file = openat(folder_fd, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (file < 0) continue;  // a socket or a symbolic link: not modelled
        l.names = rwd_realloc(l.names, (l.count + 1) * sizeof(name));
        l.names[l.count].text = rwd_strdup(entry->d_name);
        l.names[l.count].node = node_of(disk, file);
        l.count++;
    }
    closedir(dir);
    return l;
}

static void forget_moments(node *n, size_t keep) {
    for (size_t i = keep; i < n->moment_count; i++) listing_deinit(&n->moments[i]);
    n->moment_count = keep;
}

// The sync of a file whose earlier sync failed brings all but what was lost then.
static void sync_file(node *n, bool ok) {
    n->piece_count = 0;
    if (!ok) {
        rwd_buf now = {0};
        read_all(n->fd, &now);
        if (now.size > n->durable.size) {
            n->holes = rwd_realloc(n->holes, (n->hole_count + 1) * sizeof(range));
            n->holes[n->hole_count++] = (range){n->durable.size, now.size};
        }
        rwd_buf_deinit(&now);
        return;
    }
    read_all(n->fd, &n->durable);
    for (size_t i = 0; i < n->hole_count; i++)
        for (size_t at = n->holes[i].from; at < n->holes[i].to && at < n->durable.size; at++) n->durable.data[at] = 0;
}

static void sync_folder(rwd_fake_disk *disk, size_t index) {
    listing now = listing_of(disk, disk->nodes[index].fd);  // may move `nodes`
    forget_moments(&disk->nodes[index], 0);
    add_moment(&disk->nodes[index], now);
}

static bool below_root(const rwd_fake_disk *disk, int fd) {
    char link[64], path[RWD_PATH_MAX];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof(path) - 1);
    size_t root = strlen(disk->root);
    return size >= (ssize_t)root && memcmp(path, disk->root, root) == 0 && ((size_t)size == root || path[root] == '/');
}

void rwd_fake_disk_synced(rwd_fake_disk *disk, int fd, bool ok) {
    pthread_mutex_lock(&disk->mutex);
    if (!disk->off && below_root(disk, fd)) {
        // The descriptor may be write-only; the node reads.
        char link[64];
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        int own = open(link, O_RDONLY | O_CLOEXEC);
        if (own >= 0) {
            size_t index = node_of(disk, own);
            if (!disk->nodes[index].folder) sync_file(&disk->nodes[index], ok);
            else if (ok) sync_folder(disk, index);
        }
    }
    pthread_mutex_unlock(&disk->mutex);
}

void rwd_fake_disk_wrote(rwd_fake_disk *disk, int fd, uint64_t offset, uint64_t size) {
    struct stat info;
    pthread_mutex_lock(&disk->mutex);
    bool ours = !disk->off && below_root(disk, fd) && fstat(fd, &info) == 0;
    size_t index = ours ? find(disk, info.st_ino) : SIZE_MAX;
    if (index != SIZE_MAX) {
        node *n = &disk->nodes[index];
        n->pieces = rwd_realloc(n->pieces, (n->piece_count + 1) * sizeof(range));
        n->pieces[n->piece_count++] = (range){(size_t)offset, (size_t)(offset + size)};
    }
    pthread_mutex_unlock(&disk->mutex);
}

void rwd_fake_disk_named(rwd_fake_disk *disk, const char *path) {
    char dir[RWD_PATH_MAX];
    rwd_path_dir(dir, path);
    pthread_mutex_lock(&disk->mutex);
    int fd = disk->off ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && below_root(disk, fd)) {
        size_t index = node_of(disk, fd);
        listing now = listing_of(disk, disk->nodes[index].fd);
        add_moment(&disk->nodes[index], now);
    } else if (fd >= 0) {
        close(fd);
    }
    pthread_mutex_unlock(&disk->mutex);
}

void rwd_fake_disk_truncated(rwd_fake_disk *disk, int fd, uint64_t size) {
    struct stat info;
    pthread_mutex_lock(&disk->mutex);
    size_t index = !disk->off && fstat(fd, &info) == 0 ? find(disk, info.st_ino) : SIZE_MAX;
    node *n = index == SIZE_MAX ? NULL : &disk->nodes[index];
    size_t kept = 0;
    for (size_t i = 0; n && i < n->hole_count; i++) {
        range h = n->holes[i];
        if (h.to > size) h.to = (size_t)size;
        if (h.from < h.to) n->holes[kept++] = h;
    }
    if (n) n->hole_count = kept;
    pthread_mutex_unlock(&disk->mutex);
}

// Takes all that the tree holds now as the last moment before the power went.
static void capture(rwd_fake_disk *disk) {
    if (disk->off) return;
    disk->off = true;
    for (size_t i = 0; i < disk->count; i++) {  // grows while folders are listed
        if (disk->nodes[i].folder) {
            listing now = listing_of(disk, disk->nodes[i].fd);
            add_moment(&disk->nodes[i], now);
        } else {
            read_all(disk->nodes[i].fd, &disk->nodes[i].current);
        }
    }
}

void rwd_fake_disk_power_off(rwd_fake_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    capture(disk);
    pthread_mutex_unlock(&disk->mutex);
}

static uint64_t next_random(uint64_t *seed) {  // xorshift64 (Marsaglia, "Xorshift RNGs", 2003)
    uint64_t x = *seed;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return *seed = x;
}

// Some of what queues wrote, each piece whole, cut short, or not at all.
static rwd_slice some_pieces(node *n, uint64_t *seed) {
    rwd_buf_clear(&n->mixed);
    rwd_buf_append_slice(&n->mixed, rwd_buf_slice(&n->durable));
    for (size_t i = 0; i < n->piece_count; i++) {
        range piece = n->pieces[i];
        uint64_t choice = next_random(seed) % 4;
        if (piece.to > n->current.size) piece.to = n->current.size;
        if (choice == 0 || piece.from >= piece.to) continue;
        if (choice == 1) piece.to = piece.from + (size_t)(next_random(seed) % (piece.to - piece.from)) + 1;
        if (n->mixed.size < piece.to) {
            rwd_buf_reserve(&n->mixed, piece.to - n->mixed.size);
            memset(n->mixed.data + n->mixed.size, 0, piece.to - n->mixed.size);
            n->mixed.size = piece.to;
        }
        memcpy(n->mixed.data + piece.from, n->current.data + piece.from, piece.to - piece.from);
    }
    return rwd_buf_slice(&n->mixed);
}

// What a file has after the loss: durable bytes; or all that was written; or the durable ones and a part of what was written since.
static rwd_slice surviving(node *n, uint64_t *seed) {
    rwd_slice durable = rwd_buf_slice(&n->durable), all = rwd_buf_slice(&n->current);
    if (*seed == 0) return durable;
    if (n->piece_count > 0 && n->hole_count == 0) return some_pieces(n, seed);
    switch (next_random(seed) % 3) {
    case 0: return durable;
    case 1: return n->hole_count == 0 ? all : durable;
    default: break;
    }
    bool appended = n->hole_count == 0 && all.size > durable.size && (durable.size == 0 || memcmp(all.data, durable.data, durable.size) == 0);
    if (!appended) return durable;
    return rwd_slice_of(all.data, durable.size + (size_t)(next_random(seed) % (all.size - durable.size + 1)));
}

static bool build_file(node *n, const char *path, uint64_t *seed, rwd_error *err) {
    if (n->built) return link(n->built, path) == 0 || rwd_fail_errno(err, errno, "cannot link %s", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return rwd_fail_errno(err, errno, "cannot create %s", path);
    rwd_slice bytes = surviving(n, seed);
    bool ok = bytes.size == 0 || pwrite(fd, bytes.data, bytes.size, 0) == (ssize_t)bytes.size;
    if (!ok) (void)rwd_fail_errno(err, errno, "cannot write %s", path);
    close(fd);
    n->built = rwd_strdup(path);
    return ok;
}

static bool build_folder(rwd_fake_disk *disk, size_t index, const char *path, uint64_t *seed, rwd_error *err) {
    node *n = &disk->nodes[index];
    const listing *l = &n->moments[*seed == 0 ? 0 : next_random(seed) % n->moment_count];
    for (size_t i = 0; i < l->count; i++) {
        char child[RWD_PATH_MAX];
        if (!rwd_path_join(child, path, l->names[i].text, err)) return false;
        node *c = &disk->nodes[l->names[i].node];
        if (!c->folder) {
            if (!build_file(c, child, seed, err)) return false;
            continue;
        }
        // Folders chosen at different moments may both name a folder that was moved between them: it is where it is found first.
        if (c->built) continue;
        c->built = rwd_strdup(child);
        if (mkdir(child, 0700) != 0) return rwd_fail_errno(err, errno, "cannot make %s", child);
        if (!build_folder(disk, l->names[i].node, child, seed, err)) return false;
    }
    return true;
}

static void forget(rwd_fake_disk *disk) {
    for (size_t i = 0; i < disk->count; i++) {
        node *n = &disk->nodes[i];
        close(n->fd);
        rwd_buf_deinit(&n->durable);
        rwd_buf_deinit(&n->current);
        rwd_buf_deinit(&n->mixed);
        free(n->holes);
        free(n->pieces);
        forget_moments(n, 0);
        free(n->moments);
        free(n->built);
    }
    free(disk->nodes);
    disk->nodes = NULL;
    disk->count = 0;
}

// All that is there is durable.
static bool scan(rwd_fake_disk *disk, rwd_error *err) {
    int fd = open(disk->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return rwd_fail_errno(err, errno, "cannot open %s", disk->root);
    (void)node_of(disk, fd);
    for (size_t i = 0; i < disk->count; i++) {
        if (disk->nodes[i].folder) sync_folder(disk, i);
        else read_all(disk->nodes[i].fd, &disk->nodes[i].durable);
    }
    disk->off = false;
    return true;
}

static bool empty_root(const rwd_fake_disk *disk, rwd_error *err) {
    char **names = NULL;
    size_t count = 0;
    if (!rwd_list_dir(disk->root, &names, &count, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        char path[RWD_PATH_MAX];
        ok = rwd_path_join(path, disk->root, names[i], err);
        if (ok && unlink(path) != 0) ok = rwd_remove_tree(path, err);
    }
    rwd_names_free(names, count);
    return ok;
}

bool rwd_fake_disk_power_loss(rwd_fake_disk *disk, uint64_t seed, rwd_error *err) {
    pthread_mutex_lock(&disk->mutex);
    capture(disk);
    bool ok = empty_root(disk, err) && build_folder(disk, 0, disk->root, &seed, err);
    forget(disk);
    ok = ok && scan(disk, err);
    pthread_mutex_unlock(&disk->mutex);
    return ok;
}

bool rwd_fake_disk_new(const char *root, rwd_fake_disk **out, rwd_error *err) {
    rwd_fake_disk *disk = rwd_calloc(1, sizeof(*disk));
    pthread_mutex_init(&disk->mutex, NULL);
    bool ok = realpath(root, disk->root) != NULL || rwd_fail_errno(err, errno, "cannot find %s", root);
    if (ok && scan(disk, err)) {
        *out = disk;
        return true;
    }
    rwd_fake_disk_free(disk);
    return false;
}

void rwd_fake_disk_free(rwd_fake_disk *disk) {
    if (!disk) return;
    forget(disk);
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}
