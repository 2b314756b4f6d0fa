// What a folder holds: its files with their paths, sorted, and its folders, deepest first.
#include <errno.h>
#include <stdlib.h>

#include "checkpoints/manifest_private.h"
#include "checkpoints/repository_private.h"

#define DEPTH_MAX 16

static bool add_file(rwd_tree *tree, const char *name, const struct stat *info, rwd_error *err) {
    if (tree->file_count == RWD_MANIFEST_FILES_MAX) return rwd_fail(err, RWD_E_RESOURCE, "a checkpoint has at most %u files", RWD_MANIFEST_FILES_MAX);
    if ((tree->file_count & (tree->file_count - 1)) == 0)  // grows at powers of two
        tree->files = rwd_realloc(tree->files, (tree->file_count == 0 ? 1 : tree->file_count * 2) * sizeof(*tree->files));
    tree->files[tree->file_count++] = (rwd_checkpoint_file){.name = rwd_strdup(name), .inode = info->st_ino, .size = (uint64_t)info->st_size};
    return true;
}

static void add_folder(rwd_tree *tree, const char *path) {
    tree->folders = rwd_realloc(tree->folders, (tree->folder_count + 1) * sizeof(*tree->folders));
    tree->folders[tree->folder_count++] = rwd_strdup(path);
}

static bool walk(rwd_tree *tree, const char *root, const char *below, unsigned depth, rwd_error *err);

static bool visit(rwd_tree *tree, const char *root, const char *name, unsigned depth, rwd_error *err) {
    char path[RWD_PATH_MAX];
    struct stat info;
    if (!rwd_path_join(path, root, name, err)) return false;
    if (lstat(path, &info) != 0) return rwd_fail_errno(err, errno, "cannot look at %s", path);
    if (S_ISREG(info.st_mode)) return strcmp(name, RWD_MANIFEST_NAME) == 0 || add_file(tree, name, &info, err);
    if (!S_ISDIR(info.st_mode)) return rwd_repo_fail(err, RWD_E_IO, path, "is neither a file nor a folder");
    if (!walk(tree, root, name, depth + 1, err)) return false;
    add_folder(tree, path);
    return true;
}

static bool walk(rwd_tree *tree, const char *root, const char *below, unsigned depth, rwd_error *err) {
    char path[RWD_PATH_MAX], **names = NULL;
    size_t count = 0;
    if (depth > DEPTH_MAX) return rwd_repo_fail(err, RWD_E_IO, root, "folders are nested deeper than %d", DEPTH_MAX);
    if (below[0] == '\0') memcpy(path, root, strlen(root) + 1);
    else if (!rwd_path_join(path, root, below, err)) return false;
    if (!rwd_list_dir(path, &names, &count, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        char name[RWD_PATH_MAX];
        if (below[0] == '\0') memcpy(name, names[i], strlen(names[i]) + 1);
        else ok = rwd_path_join(name, below, names[i], err);
        ok = ok && visit(tree, root, name, depth, err);
    }
    rwd_names_free(names, count);
    return ok;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const rwd_checkpoint_file *)a)->name, ((const rwd_checkpoint_file *)b)->name);
}

bool rwd_tree_walk(const char *root, rwd_tree *out, rwd_error *err) {
    *out = (rwd_tree){0};
    if (walk(out, root, "", 0, err)) {
        if (out->file_count > 1) qsort(out->files, out->file_count, sizeof(*out->files), compare_names);
        return true;
    }
    rwd_tree_deinit(out);
    return false;
}

void rwd_tree_deinit(rwd_tree *tree) {
    for (size_t i = 0; i < tree->file_count; i++) free(tree->files[i].name);
    free(tree->files);
    rwd_names_free(tree->folders, tree->folder_count);
    *tree = (rwd_tree){0};
}
