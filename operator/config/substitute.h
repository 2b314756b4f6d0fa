// ${NAME} and ${NAME:-default} in values, taken from the environment, or from the file that NAME_FILE names there; $${ stands for ${ itself.
//
// Thread: any, while nobody changes the environment.
#ifndef OPERATOR_CONFIG_SUBSTITUTE_H
#define OPERATOR_CONFIG_SUBSTITUTE_H

#include "operator/config/node.h"

#define RWD_VALUE_BYTES_MAX 65536  // of one value, its variables filled in

// Fills in every scalar below `root`. Keys are taken as they stand. Errors: CONFIG with the place of the variable.
RWD_MUST bool rwd_substitute(const char *file, rwd_node *root, rwd_arena *arena, rwd_error *err);
// The way back: a text in which nothing is a variable. Appends.
void rwd_substitute_escape(const char *text, rwd_buf *out);

#endif
