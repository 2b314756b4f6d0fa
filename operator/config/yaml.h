// The door to libyaml: a job file's text becomes a tree.
//
// Accepted: one document of maps, lists and scalars. Refused, each with its line and column: anchors, aliases, tags, several
// documents, a key that stands twice in a map, nesting and sizes above the bounds, control characters.
//
// Thread: any.
#ifndef OPERATOR_CONFIG_YAML_H
#define OPERATOR_CONFIG_YAML_H

#include "operator/config/node.h"

#define RWD_YAML_BYTES_MAX ((size_t)1024 * 1024)
#define RWD_YAML_DEPTH_MAX 16
#define RWD_YAML_NODES_MAX 16384

// `file` stands for the text in messages. The tree lives in `arena`. Errors: CONFIG.
RWD_MUST bool rwd_yaml_parse(const char *file, rwd_slice text, rwd_arena *arena, rwd_node **out_root, rwd_error *err);

#endif
