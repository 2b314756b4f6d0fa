// Compression of a block's payload: the only door to liblz4 and libzstd.
//
// Formats: LZ4 block format (lz4_Block_format.md of the LZ4 project), Zstandard (RFC 8878).
//
// Thread: pure functions.
#ifndef CHECKPOINTS_JOURNAL_CODEC_H
#define CHECKPOINTS_JOURNAL_CODEC_H

#include "operator/base/bytes.h"

// The numbers are in the files.
typedef enum rwd_journal_codec { RWD_JOURNAL_PLAIN = 0, RWD_JOURNAL_LZ4 = 1, RWD_JOURNAL_ZSTD = 2, RWD_JOURNAL_CODEC_COUNT } rwd_journal_codec;

// "none", "lz4", "zstd". Static; "?" for what is none of them.
const char *rwd_journal_codec_name(rwd_journal_codec codec);
// Bytes that `size` bytes take at most.
size_t rwd_journal_bound(rwd_journal_codec codec, size_t size);
// Writes at most rwd_journal_bound bytes to `out`; returns how many, or 0 where it does not get smaller: then it is stored as it is.
size_t rwd_journal_compress(rwd_journal_codec codec, rwd_slice plain, void *out, size_t capacity);
// True if `stored` gives exactly `size` bytes, written to `out`. Any bytes may be given.
RWD_MUST bool rwd_journal_expand(rwd_journal_codec codec, rwd_slice stored, void *out, size_t size);

#endif
