// MANIFEST to bytes and back, for this folder only.
//
// Thread: pure functions.
#ifndef CHECKPOINTS_MANIFEST_PRIVATE_H
#define CHECKPOINTS_MANIFEST_PRIVATE_H

#include "checkpoints/repository.h"

#define RWD_MANIFEST_NAME "MANIFEST"
#define RWD_MANIFEST_MAX (16u << 20)        // bytes of a MANIFEST file
#define RWD_MANIFEST_MEMORY_MAX (64u << 20) // that unpacking one may take
#define RWD_MANIFEST_FILES_MAX 65536u
#define RWD_MANIFEST_WORDS_MAX 65536u       // of a text or of the source's own words

// The framed bytes of a checkpoint's manifest: everything but state, why_bad, tag, pinned, bytes, manifest_hash.
void rwd_manifest_encode(const rwd_checkpoint *checkpoint, rwd_buf *out);
// The way back, from bytes that nobody vouches for. Fills manifest_hash and bytes, too. CORRUPT or NEWER_FORMAT.
RWD_MUST bool rwd_manifest_decode(rwd_slice bytes, rwd_checkpoint *out, rwd_error *err);

// 16 lower-case hex digits and nothing else.
bool rwd_checkpoint_id_valid(const char *text);

#endif
