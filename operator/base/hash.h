// Checksums and hashes.
//
// CRC32C (Castagnoli, RFC 3720 appendix B.4) guards small frames; XXH3 (the xxHash specification, version 0.8) names keys, files
// and digests. Neither resists an adversary; where that is the question a signature answers it.
//
// Thread: any; pure functions.
#ifndef OPERATOR_BASE_HASH_H
#define OPERATOR_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "operator/base/bytes.h"

typedef struct rwd_hash128 {
    uint64_t low;
    uint64_t high;
} rwd_hash128;

#define RWD_HASH128_HEX 33  // 32 digits and a NUL

// CRC32C of `size` bytes, going on from `crc` (0 to begin).
uint32_t rwd_crc32c(uint32_t crc, const void *data, size_t size);
// The same in one pass with copying them, while they are in the cache. The two do not overlap.
uint32_t rwd_crc32c_copy(uint32_t crc, void *to, const void *from, size_t size);

// XXH3 of a run of bytes. Seed 0 unless several hashes of the same bytes are wanted.
uint64_t rwd_hash64(const void *data, size_t size, uint64_t seed);
rwd_hash128 rwd_hash128_of(const void *data, size_t size, uint64_t seed);

// Addition and subtraction modulo 2^128: the additive hash of a set, whatever the order (Bellare and Micciancio,
// "A New Paradigm for Collision-free Hashing", 1997, AdHash; used here against accidents only).
static inline rwd_hash128 rwd_hash128_add(rwd_hash128 a, rwd_hash128 b) {
    rwd_hash128 r = {a.low + b.low, a.high + b.high};
    r.high += r.low < a.low;
    return r;
}
static inline rwd_hash128 rwd_hash128_sub(rwd_hash128 a, rwd_hash128 b) {
    rwd_hash128 r = {a.low - b.low, a.high - b.high};
    r.high -= a.low < b.low;
    return r;
}
static inline bool rwd_hash128_equal(rwd_hash128 a, rwd_hash128 b) { return a.low == b.low && a.high == b.high; }

// 32 hex digits, high half first.
void rwd_hash128_hex(rwd_hash128 hash, char out[RWD_HASH128_HEX]);
RWD_MUST bool rwd_hash128_parse(const char *hex, rwd_hash128 *out);
// 16 bytes, big-endian, high half first (the canonical form of the xxHash specification).
void rwd_hash128_put(rwd_hash128 hash, uint8_t out[16]);
rwd_hash128 rwd_hash128_get(const uint8_t in[16]);

// A hash over a stream of pieces.
typedef struct rwd_hasher rwd_hasher;
rwd_hasher *rwd_hasher_new(void);
void rwd_hasher_free(rwd_hasher *hasher);
void rwd_hasher_update(rwd_hasher *hasher, const void *data, size_t size);
rwd_hash128 rwd_hasher_finish(const rwd_hasher *hasher);  // of all since new or reset; may be called again
void rwd_hasher_reset(rwd_hasher *hasher);
void rwd_hasher_reset_seeded(rwd_hasher *hasher, uint64_t seed);  // then finish answers what rwd_hash128_of does with that seed

#endif
