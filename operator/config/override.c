// What lies over the job file: flags, and below them the environment (REWIND_<KEY>).
//
// An override of a key takes away the key that it excludes, so that `delivery.commit_at.offset_multiple` on the command line wins
// over a `delivery.commit_every` in the file.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/words.h"
#include "operator/config/job_private.h"
#include "operator/config/substitute.h"

#define SETTABLE_MAX 64

static const char flag[] = "--set";

static rwd_place origin(const char *name) { return (rwd_place){.origin = name}; }

static bool is_same_level(const char *a, const char *b) {
    return a && (strcmp(a, flag) == 0) == (strcmp(b, flag) == 0);
}

// The keys on the way to `path` give up what excludes them, unless it stands on the same level (then the check complains).
static void remove_excluded(rwd_job_build *b, const char *path, const char *from) {
    const rwd_key *key;
    for (size_t i = 0; (key = rwd_key_at(i)); i++) {
        if (!key->excludes) continue;
        // Both directions: `key` excludes its neighbour, and is excluded by it.
        char neighbour[RWD_KEY_PATH_MAX];
        size_t holder = (size_t)(rwd_key_name(key) - key->path);
        (void)snprintf(neighbour, sizeof neighbour, "%.*s%s", (int)holder, key->path, key->excludes);
        size_t size = strlen(neighbour);
        bool sets_neighbour = strncmp(path, neighbour, size) == 0 && (path[size] == '.' || path[size] == '\0');
        const char *loser = sets_neighbour ? key->path : strcmp(path, key->path) == 0 ? neighbour : NULL;
        rwd_node *node = loser ? rwd_node_find(b->root, loser) : NULL;
        if (!node || is_same_level(node->key_place.origin, from)) continue;
        char group[RWD_KEY_PATH_MAX];
        (void)snprintf(group, sizeof group, "%.*s", (int)holder - 1, key->path);
        rwd_node_remove(rwd_node_find(b->root, group), node);
    }
}

static bool set_key(rwd_job_build *b, const rwd_key *key, const char *text, const char *from) {
    if (!rwd_text_is_clean(rwd_slice_str(text)) || strlen(text) > RWD_VALUE_BYTES_MAX)
        return rwd_build_fail(b, origin(from), "%s: the value is too long, is not UTF-8, or holds a line break or a control character",
                              key->path);
    remove_excluded(b, key->path, from);
    rwd_node_set(&b->arena, b->root, key->path, rwd_node_scalar(&b->arena, text, origin(from)), origin(from));
    return true;
}

static bool from_environment(rwd_job_build *b) {
    const rwd_key *key;
    for (size_t i = 0; (key = rwd_key_at(i)); i++) {
        if (!key->environment) continue;
        char name[128];
        rwd_key_environment_name(key, name);
        const char *text = getenv(name);
        if (!text || !text[0]) continue;
        const char *from = (const char *)rwd_arena_copy(&b->arena, rwd_slice_of(name, strlen(name) + 1)).data;
        if (!set_key(b, key, text, from)) return false;
    }
    return true;
}

static bool unknown_override(rwd_job_build *b, const char *path) {
    const char *names[SETTABLE_MAX];
    size_t count = 0;
    const rwd_key *key;
    for (size_t i = 0; (key = rwd_key_at(i)) && count < SETTABLE_MAX; i++)
        if (rwd_key_is_settable(key)) names[count++] = key->path;
    char word[RWD_EXCERPT_MAX];
    const char *nearest = rwd_nearest(path, names, count);
    rwd_excerpt(path, word);
    if (nearest) return rwd_build_fail(b, origin(flag), "unknown key \"%s\"; did you mean \"%s\"?", word, nearest);
    rwd_buf list = {0};
    rwd_names_append(&list, names, count);
    rwd_build_fail(b, origin(flag), "unknown key \"%s\"; what can be set here: %s", word, rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    return false;
}

bool rwd_build_override(rwd_job_build *b, const rwd_override *overrides, size_t count) {
    if (b->root->kind != RWD_NODE_MAP) return true;  // the check says so
    if (!from_environment(b)) return false;
    for (size_t i = 0; i < count; i++) {
        const rwd_key *key = overrides[i].key[0] ? rwd_key_by_path(overrides[i].key) : NULL;
        if (!key || !rwd_key_is_settable(key)) return unknown_override(b, overrides[i].key);
        if (!set_key(b, key, overrides[i].value, flag)) return false;
    }
    return true;
}
