// The tree of a job file.
#include "operator/config/node.h"

#include <assert.h>
#include <string.h>

rwd_node *rwd_node_new(rwd_arena *arena, rwd_node_kind kind, rwd_place place) {
    rwd_node *node = rwd_arena_alloc(arena, sizeof *node);
    *node = (rwd_node){.kind = kind, .place = place};
    return node;
}

static const char *copy_text(rwd_arena *arena, const char *text) {
    return (const char *)rwd_arena_copy(arena, rwd_slice_of(text, strlen(text) + 1)).data;
}

rwd_node *rwd_node_scalar(rwd_arena *arena, const char *text, rwd_place place) {
    rwd_node *node = rwd_node_new(arena, RWD_NODE_SCALAR, place);
    node->text = copy_text(arena, text);
    return node;
}

void rwd_node_append(rwd_node *parent, rwd_node *child) {
    assert(parent->kind != RWD_NODE_SCALAR && !child->next);
    if (parent->last) parent->last->next = child;
    else parent->first = child;
    parent->last = child;
    parent->count++;
}

void rwd_node_put(rwd_arena *arena, rwd_node *map, const char *key, rwd_place key_place, rwd_node *value) {
    assert(map->kind == RWD_NODE_MAP);
    value->key = copy_text(arena, key);
    value->key_place = key_place;
    rwd_node_append(map, value);
}

void rwd_node_remove(rwd_node *map, rwd_node *member) {
    rwd_node *before = NULL;
    for (rwd_node *at = map->first; at != member; at = at->next) {
        assert(at);
        before = at;
    }
    if (before) before->next = member->next;
    else map->first = member->next;
    if (map->last == member) map->last = before;
    member->next = NULL;
    map->count--;
}

// ---- finding

static rwd_node *member_of_size(const rwd_node *map, const char *key, size_t size) {
    if (!map || map->kind != RWD_NODE_MAP) return NULL;
    for (rwd_node *at = map->first; at; at = at->next)
        if (strlen(at->key) == size && memcmp(at->key, key, size) == 0) return at;
    return NULL;
}

rwd_node *rwd_node_member(const rwd_node *map, const char *key) { return member_of_size(map, key, strlen(key)); }

rwd_node *rwd_node_find(const rwd_node *map, const char *path) {
    rwd_node *node = NULL;
    for (;;) {
        size_t size = strcspn(path, ".");
        node = member_of_size(map, path, size);
        if (!node || path[size] == '\0') return node;
        map = node;
        path += size + 1;
    }
}

void rwd_node_set(rwd_arena *arena, rwd_node *map, const char *path, rwd_node *value, rwd_place place) {
    for (;;) {
        if (map->kind != RWD_NODE_MAP) return;
        size_t size = strcspn(path, ".");
        bool last = path[size] == '\0';
        rwd_node *member = member_of_size(map, path, size);
        if (member && last) rwd_node_remove(map, member);
        if (last || !member) {
            rwd_slice name = rwd_arena_copy(arena, rwd_slice_of(path, size + 1));
            ((char *)name.data)[size] = '\0';
            member = last ? value : rwd_node_new(arena, RWD_NODE_MAP, place);
            rwd_node_put(arena, map, (const char *)name.data, place, member);
        }
        if (last) return;
        map = member;
        path += size + 1;
    }
}

bool rwd_node_is_null(const rwd_node *node) {
    return node->kind == RWD_NODE_SCALAR && node->bare &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

// ---- messages

bool rwd_place_error(rwd_error *err, const char *file, rwd_place place) {
    if (place.origin) return rwd_error_at(err, "%s", place.origin);
    return rwd_error_at(err, "%s:%u:%u", file, place.line, place.column);
}

bool rwd_text_is_clean(rwd_slice text) {
    if (!rwd_utf8_valid(text)) return false;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t *p = text.data + i;
        size_t left = text.size - i;
        if ((p[0] < 0x20 && p[0] != '\t') || p[0] == 0x7F) return false;
        if (left >= 2 && p[0] == 0xC2 && p[1] < 0xA0) return false;                                              // C1 controls
        if (left >= 3 && p[0] == 0xE2 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9)) return false;           // line breaks
        if (left >= 3 && p[0] == 0xEF && ((p[1] == 0xBB && p[2] == 0xBF) || (p[1] == 0xBF && p[2] >= 0xBE))) return false;  // BOM, U+FFFE
    }
    return true;
}

const char *rwd_excerpt(const char *text, char out[RWD_EXCERPT_MAX]) {
    size_t size = strlen(text);
    if (size < RWD_EXCERPT_MAX) {
        memcpy(out, text, size + 1);
        return out;
    }
    size_t end = RWD_EXCERPT_MAX - sizeof("...");
    while (end > 0 && ((uint8_t)text[end] & 0xC0) == 0x80) end--;
    memcpy(out, text, end);
    memcpy(out + end, "...", sizeof("..."));
    return out;
}
