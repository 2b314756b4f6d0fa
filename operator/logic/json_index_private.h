// Where the tokens of a JSON text begin: the part of simdjson that we use (its first stage), behind a C face.
//
// The first stage also proves that the text is valid UTF-8, that no string is left open, and that no string holds a bare control character. All
// else is judged by the walk over the tokens (decode_json.c), so that members that nobody asked for are judged, too.
//
// Thread: one at a time per index.
#ifndef OPERATOR_LOGIC_JSON_INDEX_PRIVATE_H
#define OPERATOR_LOGIC_JSON_INDEX_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rwd_json_index rwd_json_index;

typedef enum rwd_json_verdict {
    RWD_JSON_OK, RWD_JSON_EMPTY, RWD_JSON_UTF8, RWD_JSON_UNCLOSED, RWD_JSON_CONTROL, RWD_JSON_OTHER,
} rwd_json_verdict;

rwd_json_index *rwd_json_index_new(void);
void rwd_json_index_free(rwd_json_index *index);
// OK: `out_at[0 .. out_count)` are the positions at which tokens begin, rising; `out_at[out_count]` is `size`. Borrowed until the next call. Reads
// only `size` bytes, changes none. Allocates only when `size` is larger than ever before.
rwd_json_verdict rwd_json_index_build(rwd_json_index *index, const uint8_t *text, size_t size, const uint32_t **out_at, size_t *out_count);

#ifdef __cplusplus
}
#endif
#endif
