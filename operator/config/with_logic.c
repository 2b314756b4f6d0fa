// A job with other logic: the tree of one job file with what another one says about events and tables put into it.
//
// What must stay true: nothing of the environment is laid over it again: what decides results is what the logic's text says.
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "operator/config/job_private.h"
#include "operator/config/substitute.h"
#include "operator/config/yaml.h"

// What of a job file is its logic.
static const char *const logic_keys[] = {
    "plugins", "event", "tables", "source.format", "source.csv", "source.protobuf", "source.raw", "source.plugin", "source.tombstone",
};

static bool parse_tree(rwd_job_build *b, const char *name, rwd_slice text, rwd_node **out) {
    return rwd_yaml_parse(name, text, &b->arena, out, b->err) && rwd_substitute(name, *out, &b->arena, b->err);
}

// The map that holds the last name of `path`, and that name.
static rwd_node *holder_of(rwd_node *root, const char *path, const char **out_name) {
    const char *dot = strrchr(path, '.');
    *out_name = dot ? dot + 1 : path;
    if (!dot) return root;
    char holder[RWD_KEY_PATH_MAX];
    (void)snprintf(holder, sizeof(holder), "%.*s", (int)(dot - path), path);
    return rwd_node_find(root, holder);
}

// What `to` has at `path` goes, and what `from` has there comes.
static void move_member(rwd_arena *arena, rwd_node *from, rwd_node *to, const char *path) {
    const char *name;
    rwd_node *source = holder_of(from, path, &name), *target = holder_of(to, path, &name);
    rwd_node *old = rwd_node_member(target, name), *new = rwd_node_member(source, name);
    if (old) rwd_node_remove(target, old);
    if (!new || !target || target->kind != RWD_NODE_MAP) return;
    rwd_node_remove(source, new);
    rwd_node_put(arena, target, name, new->key_place, new);
}

static bool set_file(rwd_job_build *b, const char *key, const char *folder, const char *name) {
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, folder, name, b->err)) return false;
    rwd_node_set(&b->arena, b->root, key, rwd_node_scalar(&b->arena, path, (rwd_place){.origin = folder}), (rwd_place){.origin = folder});
    return true;
}

// Descriptor set and plugins stand there under names of their own, wherever the text says that they once were.
static bool set_files(rwd_job_build *b, const rwd_job_logic *logic) {
    if (!logic->folder) return true;
    if (rwd_node_find(b->root, "source.protobuf") && !set_file(b, "source.protobuf.descriptor", logic->folder, logic->descriptor)) return false;
    return !rwd_node_find(b->root, "plugins.files") || set_file(b, "plugins.folder", logic->folder, logic->plugins);
}

static bool merge(rwd_job_build *b, const rwd_job *base, const rwd_job_logic *logic) {
    rwd_buf text = {0};
    rwd_node *from;
    rwd_job_print(base, false, &text);
    bool ok = parse_tree(b, base->file, rwd_buf_slice(&text), &b->root) && parse_tree(b, logic->name, logic->text, &from);
    rwd_buf_deinit(&text);
    if (!ok) return false;
    for (size_t i = 0; i < sizeof(logic_keys) / sizeof(logic_keys[0]); i++) move_member(&b->arena, from, b->root, logic_keys[i]);
    if (logic->sinks == RWD_SINKS_OF_LOGIC) move_member(&b->arena, from, b->root, "sinks");
    static const char *const about_rows[] = {"sinks", "invariants"};
    for (size_t i = 0; logic->sinks == RWD_SINKS_NONE && i < sizeof(about_rows) / sizeof(about_rows[0]); i++) {
        rwd_node *node = rwd_node_member(b->root, about_rows[i]);
        if (node) rwd_node_remove(b->root, node);
    }
    return set_files(b, logic);
}

bool rwd_job_with_logic(const rwd_job *base, const rwd_job_logic *logic, rwd_job **out, rwd_error *err) {
    rwd_job_build b = {.err = err};
    rwd_error unasked;
    if (!err) b.err = &unasked;
    rwd_error_clear(b.err);
    b.foreign_invariants = logic->sinks == RWD_SINKS_OF_LOGIC;
    rwd_job_build_init(&b, logic->name);
    bool worked = merge(&b, base, logic) && rwd_job_build_tree(&b);
    if (worked) {
        free(b.job->file);
        b.job->file = rwd_strdup(base->file);  // what a person edits
    }
    rwd_arena_deinit(&b.arena);
    if (worked) *out = b.job;
    else rwd_job_free(b.job);
    return worked;
}
