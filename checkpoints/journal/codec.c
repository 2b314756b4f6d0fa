// LZ4 and Zstandard (codec.h).
#include "checkpoints/journal/codec.h"

#include <limits.h>
#include <lz4.h>
#include <zstd.h>

#define ZSTD_LEVEL 1  // about the ratio of LZ4's slow modes at a third of LZ4's speed

const char *rwd_journal_codec_name(rwd_journal_codec codec) {
    static const char *const names[] = {"none", "lz4", "zstd"};
    return codec < RWD_JOURNAL_CODEC_COUNT ? names[codec] : "?";
}

size_t rwd_journal_bound(rwd_journal_codec codec, size_t size) {
    if (codec == RWD_JOURNAL_LZ4 && size <= LZ4_MAX_INPUT_SIZE) return (size_t)LZ4_compressBound((int)size);
    return codec == RWD_JOURNAL_ZSTD ? ZSTD_compressBound(size) : size;
}

size_t rwd_journal_compress(rwd_journal_codec codec, rwd_slice plain, void *out, size_t capacity) {
    size_t size = 0;
    if (codec == RWD_JOURNAL_LZ4 && plain.size <= LZ4_MAX_INPUT_SIZE && capacity <= INT_MAX) {
        int got = LZ4_compress_default((const char *)plain.data, out, (int)plain.size, (int)capacity);
        size = got > 0 ? (size_t)got : 0;
    } else if (codec == RWD_JOURNAL_ZSTD) {
        size_t got = ZSTD_compress(out, capacity, plain.data, plain.size, ZSTD_LEVEL);
        size = ZSTD_isError(got) ? 0 : got;
    }
    return size < plain.size ? size : 0;
}

bool rwd_journal_expand(rwd_journal_codec codec, rwd_slice stored, void *out, size_t size) {
    switch (codec) {
    case RWD_JOURNAL_PLAIN:
        if (stored.size != size) return false;
        if (size) memcpy(out, stored.data, size);
        return true;
    case RWD_JOURNAL_LZ4:
        if (stored.size > INT_MAX || size > INT_MAX) return false;
        return LZ4_decompress_safe((const char *)stored.data, out, (int)stored.size, (int)size) == (int)size;
    case RWD_JOURNAL_ZSTD: return ZSTD_decompress(out, size, stored.data, stored.size) == size;
    case RWD_JOURNAL_CODEC_COUNT: break;
    }
    return false;
}
