// The only door to xxhash.h, and CRC32C by the machine's own instruction where it has one.
#include "operator/base/hash.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

// ---- CRC32C

#if defined(__SSE4_2__) && !defined(RWD_CRC32C_PORTABLE)

static uint32_t crc_u8(uint32_t crc, uint8_t v) { return __builtin_ia32_crc32qi(crc, v); }
static uint32_t crc_u64(uint32_t crc, uint64_t v) { return (uint32_t)__builtin_ia32_crc32di(crc, v); }

#elif defined(__ARM_FEATURE_CRC32) && !defined(RWD_CRC32C_PORTABLE)

#include <arm_acle.h>

static uint32_t crc_u8(uint32_t crc, uint8_t v) { return __crc32cb(crc, v); }
static uint32_t crc_u64(uint32_t crc, uint64_t v) { return __crc32cd(crc, v); }

#else

// The remainder of each half byte by the reflected polynomial 0x82F63B78.
static const uint32_t crc_nibble[16] = {
    0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
    0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
};

static uint32_t crc_u8(uint32_t crc, uint8_t v) {
    crc ^= v;
    crc = crc >> 4 ^ crc_nibble[crc & 15];
    return crc >> 4 ^ crc_nibble[crc & 15];
}

static uint32_t crc_u64(uint32_t crc, uint64_t v) {
    for (int i = 0; i < 8; i++) crc = crc_u8(crc, (uint8_t)(v >> (8 * i)));
    return crc;
}

#endif

#define LANE ((size_t)4096)
#define LANE_SHIFT 0x35D73A62u  // x^(8 * LANE) modulo the polynomial, reflected

// a * b modulo the polynomial, bits reflected (as crc32_combine of zlib).
static uint32_t crc_multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (unsigned bit = 32; bit-- > 0;) {
        product ^= b & (0u - (a >> bit & 1));
        b = b >> 1 ^ (0x82F63B78u & (0u - (b & 1)));
    }
    return product;
}

// Three lanes at once, since the instruction takes three cycles and can begin anew in each (Gopal et al., "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction", Intel, 2011).
static uint32_t crc_lanes(uint32_t crc, const uint8_t *p) {
    uint32_t second = 0, third = 0;
    for (size_t i = 0; i < LANE; i += 8) {
        crc = crc_u64(crc, rwd_get_le64(p + i));
        second = crc_u64(second, rwd_get_le64(p + LANE + i));
        third = crc_u64(third, rwd_get_le64(p + 2 * LANE + i));
    }
    return crc_multiply(crc_multiply(crc, LANE_SHIFT) ^ second, LANE_SHIFT) ^ third;
}

uint32_t rwd_crc32c(uint32_t crc, const void *data, size_t size) {
    const uint8_t *p = data;
    crc = ~crc;
    for (; size >= 3 * LANE; size -= 3 * LANE, p += 3 * LANE) crc = crc_lanes(crc, p);
    for (; size >= 8; size -= 8, p += 8) crc = crc_u64(crc, rwd_get_le64(p));
    for (; size > 0; size--, p++) crc = crc_u8(crc, *p);
    return ~crc;
}

uint32_t rwd_crc32c_copy(uint32_t crc, void *to, const void *from, size_t size) {
    for (size_t at = 0; at < size; at += 3 * LANE) {
        size_t piece = size - at < 3 * LANE ? size - at : 3 * LANE;
        memcpy((uint8_t *)to + at, (const uint8_t *)from + at, piece);
        crc = rwd_crc32c(crc, (uint8_t *)to + at, piece);
    }
    return crc;
}

// ---- XXH3

uint64_t rwd_hash64(const void *data, size_t size, uint64_t seed) { return XXH3_64bits_withSeed(data, size, seed); }

static rwd_hash128 from_xxh(XXH128_hash_t h) { return (rwd_hash128){.low = h.low64, .high = h.high64}; }

rwd_hash128 rwd_hash128_of(const void *data, size_t size, uint64_t seed) {
    return from_xxh(XXH3_128bits_withSeed(data, size, seed));
}

void rwd_hash128_put(rwd_hash128 hash, uint8_t out[16]) {
    rwd_put_be64(out, hash.high);
    rwd_put_be64(out + 8, hash.low);
}

rwd_hash128 rwd_hash128_get(const uint8_t in[16]) {
    return (rwd_hash128){.high = rwd_get_be64(in), .low = rwd_get_be64(in + 8)};
}

void rwd_hash128_hex(rwd_hash128 hash, char out[RWD_HASH128_HEX]) {
    uint8_t bytes[16];
    rwd_hash128_put(hash, bytes);
    rwd_hex(bytes, sizeof(bytes), out);
}

bool rwd_hash128_parse(const char *hex, rwd_hash128 *out) {
    uint8_t bytes[16];
    size_t length = strnlen(hex, RWD_HASH128_HEX);
    if (length != RWD_HASH128_HEX - 1 || !rwd_unhex(hex, length, bytes)) return false;
    *out = rwd_hash128_get(bytes);
    return true;
}

struct rwd_hasher {
    XXH3_state_t *state;
};

rwd_hasher *rwd_hasher_new(void) {
    rwd_hasher *hasher = rwd_calloc(1, sizeof(*hasher));
    hasher->state = rwd_aligned_alloc(64, sizeof(*hasher->state));
    XXH3_INITSTATE(hasher->state);
    rwd_hasher_reset(hasher);
    return hasher;
}

void rwd_hasher_free(rwd_hasher *hasher) {
    if (!hasher) return;
    free(hasher->state);
    free(hasher);
}

void rwd_hasher_update(rwd_hasher *hasher, const void *data, size_t size) {
    if (size) (void)XXH3_128bits_update(hasher->state, data, size);
}

rwd_hash128 rwd_hasher_finish(const rwd_hasher *hasher) { return from_xxh(XXH3_128bits_digest(hasher->state)); }
void rwd_hasher_reset(rwd_hasher *hasher) { (void)XXH3_128bits_reset(hasher->state); }
void rwd_hasher_reset_seeded(rwd_hasher *hasher, uint64_t seed) { (void)XXH3_128bits_reset_withSeed(hasher->state, seed); }
