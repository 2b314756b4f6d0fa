// Paths and folders: what needs no fault injection.
#include "operator/base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define TREE_DEPTH_MAX 64  // folders inside folders that rwd_remove_tree follows
#define READ_STEP ((size_t)64 * 1024)
#define FOLDER_MODE 0700

// ---- paths

static bool path_too_long(const char *path, rwd_error *err) {
    return rwd_fail(err, RWD_E_USAGE, "the path '%.100s...' is longer than %d bytes", path, RWD_PATH_MAX - 1);
}

bool rwd_path_join(char out[RWD_PATH_MAX], const char *dir, const char *name, rwd_error *err) {
    size_t dir_size = strlen(dir);
    while (dir_size > 1 && dir[dir_size - 1] == '/') dir_size--;
    while (*name == '/') name++;
    const char *slash = dir_size == 0 || dir[dir_size - 1] == '/' ? "" : "/";
    if (dir_size + strlen(slash) + strlen(name) >= RWD_PATH_MAX) return path_too_long(dir_size > 100 ? dir : name, err);
    (void)snprintf(out, RWD_PATH_MAX, "%.*s%s%s", (int)dir_size, dir, slash, name);
    return true;
}

const char *rwd_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void rwd_path_dir(char out[RWD_PATH_MAX], const char *path) {
    size_t size = (size_t)(rwd_path_name(path) - path);
    while (size > 1 && path[size - 1] == '/') size--;
    if (size == 0) {
        memcpy(out, ".", 2);
        return;
    }
    if (size >= RWD_PATH_MAX) size = RWD_PATH_MAX - 1;
    memcpy(out, path, size);
    out[size] = '\0';
}

bool rwd_path_exists(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

// ---- folders

static bool make_folder(const char *path, rwd_error *err) {
    struct stat st;
    if (mkdir(path, FOLDER_MODE) == 0) return true;
    int why = errno;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) return true;
        why = ENOTDIR;
    }
    rwd_fail_errno(err, why, "cannot make the folder");
    return rwd_error_at(err, "%s", path);
}

bool rwd_mkdirs(const char *path, rwd_error *err) {
    char part[RWD_PATH_MAX];
    size_t size = strlen(path);
    if (size == 0) return rwd_fail(err, RWD_E_USAGE, "a folder needs a name");
    if (size >= RWD_PATH_MAX) return path_too_long(path, err);
    memcpy(part, path, size + 1);
    for (size_t i = 1; i < size; i++) {
        if (part[i] != '/' || part[i - 1] == '/') continue;
        part[i] = '\0';
        if (!make_folder(part, err)) return false;
        part[i] = '/';
    }
    return make_folder(part, err);
}

static bool remove_failed(const char *name, int system_error, rwd_error *err) {
    return rwd_fail_errno(err, system_error, "cannot remove '%s'", name);
}

// Empties the open folder `fd`, which it *takes*.
static bool empty_folder(int fd, unsigned depth, rwd_error *err) {
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int why = errno;
        close(fd);
        return rwd_fail_errno(err, why, "cannot read a folder");
    }
    bool worked = true;
    while (worked) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            if (errno != 0) worked = rwd_fail_errno(err, errno, "cannot read a folder");
            break;
        }
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        if (unlinkat(dirfd(dir), name, 0) == 0 || errno == ENOENT) continue;
        if (errno != EISDIR && errno != EPERM) {
            worked = remove_failed(name, errno, err);
            break;
        }
        if (depth == TREE_DEPTH_MAX) {
            worked = rwd_fail(err, RWD_E_IO, "cannot remove '%s': folders are nested deeper than %d", name, TREE_DEPTH_MAX);
            break;
        }
        int inner = openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner < 0) worked = remove_failed(name, errno, err);
        else worked = empty_folder(inner, depth + 1, err);
        if (worked && unlinkat(dirfd(dir), name, AT_REMOVEDIR) != 0) worked = remove_failed(name, errno, err);
    }
    closedir(dir);
    return worked;
}

bool rwd_remove_tree(const char *path, rwd_error *err) {
    struct stat st;
    if (lstat(path, &st) != 0) {
        if (errno == ENOENT) return true;
        rwd_fail_errno(err, errno, "cannot remove");
        return rwd_error_at(err, "%s", path);
    }
    struct stat root;
    if (stat("/", &root) == 0 && root.st_dev == st.st_dev && root.st_ino == st.st_ino)
        return rwd_fail(err, RWD_E_INTERNAL, "refusing to remove the root folder");
    if (S_ISLNK(st.st_mode)) {
        rwd_fail(err, RWD_E_IO, "refusing to remove through a symbolic link");
        return rwd_error_at(err, "%s", path);
    }
    if (!S_ISDIR(st.st_mode)) {
        if (unlink(path) == 0) return true;
        rwd_fail_errno(err, errno, "cannot remove");
        return rwd_error_at(err, "%s", path);
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) rwd_fail_errno(err, errno, "cannot open the folder to remove it");
    else if (empty_folder(fd, 0, err) && (rmdir(path) == 0 || remove_failed(path, errno, err))) return true;
    return rwd_error_at(err, "%s", path);
}

// ---- files

// Reads until the end or `limit`; one byte more than `limit` tells that the file is larger.
static bool read_all(int fd, size_t limit, rwd_buf *out, rwd_error *err) {
    size_t got = 0;
    for (;;) {
        size_t step = limit - got < READ_STEP ? limit - got + 1 : READ_STEP;
        rwd_buf_reserve(out, step);
        ssize_t n = read(fd, out->data + out->size, step);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return rwd_fail_errno(err, errno, "cannot read");
        if (n == 0) return true;
        got += (size_t)n;
        if (got > limit) return rwd_fail(err, RWD_E_TOO_LARGE, "the file is larger than %zu bytes", limit);
        out->size += (size_t)n;
    }
}

bool rwd_read_file(const char *path, size_t limit, rwd_buf *out, rwd_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        rwd_fail_errno(err, errno, "cannot open");
        return rwd_error_at(err, "%s", path);
    }
    size_t size_before = out->size;
    bool worked = read_all(fd, limit, out, err);
    close(fd);
    if (worked) return true;
    out->size = size_before;
    return rwd_error_at(err, "%s", path);
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

bool rwd_list_dir(const char *path, char ***out_names, size_t *out_count, rwd_error *err) {
    *out_names = NULL;
    *out_count = 0;
    DIR *dir = opendir(path);
    if (!dir) {
        rwd_fail_errno(err, errno, "cannot read the folder");
        return rwd_error_at(err, "%s", path);
    }
    char **names = NULL;
    size_t count = 0, capacity = 0;
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            names = rwd_realloc(names, capacity * sizeof(*names));
        }
        names[count++] = rwd_strdup(entry->d_name);
    }
    int why = errno;
    closedir(dir);
    if (why != 0) {
        rwd_names_free(names, count);
        rwd_fail_errno(err, why, "cannot read the folder");
        return rwd_error_at(err, "%s", path);
    }
    if (count) qsort(names, count, sizeof(*names), compare_names);
    *out_names = names;
    *out_count = count;
    return true;
}

void rwd_names_free(char **names, size_t count) {
    for (size_t i = 0; i < count; i++) free(names[i]);
    free(names);
}

// ---- file systems

// What statfs says of the path, or of its nearest folder that exists.
static bool nearest_statfs(const char *path, struct statfs *out) {
    char part[RWD_PATH_MAX];
    if (strlen(path) >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(part, path, strlen(path) + 1);
    while (statfs(part, out) != 0) {
        if (errno != ENOENT || strcmp(part, ".") == 0 || strcmp(part, "/") == 0) return false;
        size_t size = strlen(part);
        while (size > 1 && part[size - 1] == '/') part[--size] = '\0';
        char dir[RWD_PATH_MAX];
        rwd_path_dir(dir, part);
        memcpy(part, dir, strlen(dir) + 1);
    }
    return true;
}

bool rwd_disk_free(const char *path, uint64_t *out_bytes, rwd_error *err) {
    struct statfs fs;
    if (!nearest_statfs(path, &fs)) {
        rwd_fail_errno(err, errno, "cannot ask the file system for its free space");
        return rwd_error_at(err, "%s", path);
    }
    *out_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
    return true;
}

// File systems whose flock may not reach the other machine, or whose fsync may be another machine's word (statfs(2), linux/magic.h).
static const struct {
    uint32_t magic;
    const char *name;
} network_file_systems[] = {
    {0x00006969, "nfs"},    {0x0000517B, "smb"},   {0xFF534D42, "cifs"}, {0xFE534D42, "smb2"}, {0x00C36400, "ceph"},
    {0x0BD00BD0, "lustre"}, {0x47504653, "gpfs"},  {0x01161970, "gfs2"}, {0x7461636F, "ocfs2"}, {0x5346414F, "afs"},
    {0x6B414653, "afs"},    {0x73757245, "coda"},  {0x0000564C, "ncp"},
};

const char *rwd_network_fs(const char *path) {
    struct statfs fs;
    if (!nearest_statfs(path, &fs)) return NULL;
    for (size_t i = 0; i < sizeof(network_file_systems) / sizeof(network_file_systems[0]); i++)
        if ((uint32_t)fs.f_type == network_file_systems[i].magic) return network_file_systems[i].name;
    return NULL;
}
