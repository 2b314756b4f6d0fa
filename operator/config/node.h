// A job file as a tree: what stands in it and where, before anyone knows what it means.
//
// Nodes live in an arena and end with it; nothing is freed singly. The same tree is built from a job to print it.
//
// Thread: one at a time.
#ifndef OPERATOR_CONFIG_NODE_H
#define OPERATOR_CONFIG_NODE_H

#include "operator/base/bytes.h"

#define RWD_KEY_PATH_MAX 512  // text of a key's full name, with NUL: "tables.customers.aggregates.orders"

// Where a value comes from: a line and column of the file (both from 1), or the name of what overrides the file.
typedef struct rwd_place {
    unsigned line;
    unsigned column;
    const char *origin;  // NULL: the file; else "REWIND_STATE_PATH" or "--set"
} rwd_place;

typedef enum rwd_node_kind { RWD_NODE_SCALAR, RWD_NODE_MAP, RWD_NODE_LIST } rwd_node_kind;

typedef struct rwd_node {
    rwd_node_kind kind;
    bool bare;                // a scalar without quotes; when printed: a number, true or false
    bool one_line;            // a bare scalar on one line: its characters stand where `place` counts them
    const char *text;         // of a scalar
    const char *written;      // as it stands in the file, where variables were filled in; else NULL
    rwd_place place;
    const char *key;          // of a member of a map
    rwd_place key_place;
    size_t count;             // members or items
    struct rwd_node *first;
    struct rwd_node *last;
    struct rwd_node *next;    // behind this one in the same map or list
} rwd_node;

rwd_node *rwd_node_new(rwd_arena *arena, rwd_node_kind kind, rwd_place place);
rwd_node *rwd_node_scalar(rwd_arena *arena, const char *text, rwd_place place);  // text is copied
void rwd_node_append(rwd_node *parent, rwd_node *child);
// Adds a member; `key` is copied.
void rwd_node_put(rwd_arena *arena, rwd_node *map, const char *key, rwd_place key_place, rwd_node *value);
void rwd_node_remove(rwd_node *map, rwd_node *member);

// The member of that name, or NULL; also where `map` is NULL or no map.
rwd_node *rwd_node_member(const rwd_node *map, const char *key);
// The node at a dotted path ("file.path") below `map`, or NULL.
rwd_node *rwd_node_find(const rwd_node *map, const char *path);
// Sets the scalar at a dotted path, making maps on the way. A node on the way that is no map is left as it is.
void rwd_node_set(rwd_arena *arena, rwd_node *map, const char *path, rwd_node *value, rwd_place place);
// Empty, "~" or "null", without quotes: YAML's way to say that there is no value.
bool rwd_node_is_null(const rwd_node *node);

// Completes an error: "file:line:column", or the origin. False.
bool rwd_place_error(rwd_error *err, const char *file, rwd_place place);

// A text that can be printed and read back: UTF-8 without control characters but tab.
bool rwd_text_is_clean(rwd_slice text);
// The text for a message, cut at a character if it is long.
#define RWD_EXCERPT_MAX 64
const char *rwd_excerpt(const char *text, char out[RWD_EXCERPT_MAX]);

// Writes the tree. YAML: short maps of scalars in one line, as people write them; all else in blocks.
void rwd_node_yaml(const rwd_node *root, rwd_buf *out);
void rwd_node_json(const rwd_node *root, rwd_buf *out);

#endif
