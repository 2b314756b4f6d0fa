// Paths into JSON: which member or element of a record a field is.
//
//   PATH   = STEP { "." STEP }               a.b       member b of member a
//   STEP   = ( NAME | QUOTED ) { INDEX | QUOTED }
//   INDEX  = "[" DIGITS "]"                  a[0]      the first element of a
//   QUOTED = "[" '"' TEXT '"' "]"            a["b.c"]  the member whose name is b.c (or ['b.c']; in TEXT a backslash takes the next character as it is)
//
// A NAME is any text without dot and opening bracket. A path that begins with a dot begins at the element that `event.each` names; the dot alone is that element.
//
// Thread: any; pure.
#ifndef OPERATOR_CONFIG_JSON_PATH_H
#define OPERATOR_CONFIG_JSON_PATH_H

#include "operator/base/bytes.h"
#include "operator/base/error.h"

#define RWD_JSON_STEPS_MAX 32         // of one path
#define RWD_JSON_INDEX_MAX 1000000    // the greatest index

typedef struct rwd_json_step {
    char *name;      // of a member; NULL: an element
    uint32_t index;  // of an element
} rwd_json_step;

typedef struct rwd_json_path {
    bool inside;     // begins at the element of event.each
    rwd_json_step steps[RWD_JSON_STEPS_MAX];
    size_t count;    // 0: that element itself
} rwd_json_path;

// *gives* the names. Errors: CONFIG, without a place; nothing is to be freed then.
RWD_MUST bool rwd_json_path_parse(const char *text, rwd_json_path *out, rwd_error *err);
void rwd_json_path_deinit(rwd_json_path *path);

#endif
