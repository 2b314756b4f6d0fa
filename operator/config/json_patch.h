// Puts another value into a JSON text, at a path, and leaves every other byte as it is.
//
// Thread: any; pure.
#ifndef OPERATOR_CONFIG_JSON_PATCH_H
#define OPERATOR_CONFIG_JSON_PATCH_H

#include "operator/config/json_path.h"

// Appends `json` with `value` (JSON text, put there as it is) at `path`. Of members with one name the last counts, as in decoding; a member that is missing is added at the end of its object, with the
// objects that lead to it. MALFORMED: the text is not JSON, has no such element, or something on the path is neither object nor array; then what was appended is taken back.
RWD_MUST bool rwd_json_patch(rwd_slice json, const rwd_json_path *path, rwd_slice value, rwd_buf *out, rwd_error *err);
// The JSON text of a value that somebody typed: a number, true, false or null as it stands where `plain`, else the text quoted. Appends.
void rwd_json_typed(rwd_slice text, bool plain, rwd_buf *out);

#endif
