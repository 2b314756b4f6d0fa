// The digest: sums of entry hashes by bucket.
#include "state/digest.h"

#include <assert.h>

rwd_hash128 rwd_digest_entry(const uint8_t *entry, size_t entry_size, size_t store_key_size) {
    assert(store_key_size <= entry_size);
    return rwd_hash128_of(entry, entry_size, store_key_size);
}

void rwd_digest_add(rwd_digest *digest, uint16_t bucket, rwd_hash128 hash) {
    assert(bucket < RWD_BUCKETS);
    digest->buckets[bucket] = rwd_hash128_add(digest->buckets[bucket], hash);
}

void rwd_digest_sub(rwd_digest *digest, uint16_t bucket, rwd_hash128 hash) {
    assert(bucket < RWD_BUCKETS);
    digest->buckets[bucket] = rwd_hash128_sub(digest->buckets[bucket], hash);
}

void rwd_digest_merge(rwd_digest *into, const rwd_digest *delta) {
    for (size_t i = 0; i < RWD_BUCKETS; i++) into->buckets[i] = rwd_hash128_add(into->buckets[i], delta->buckets[i]);
}

rwd_hash128 rwd_digest_root(const rwd_digest *digest) {
    rwd_hasher *hasher = rwd_hasher_new();
    for (size_t i = 0; i < RWD_BUCKETS; i++) {
        uint8_t bytes[16];
        rwd_hash128_put(digest->buckets[i], bytes);
        rwd_hasher_update(hasher, bytes, sizeof bytes);
    }
    rwd_hash128 root = rwd_hasher_finish(hasher);
    rwd_hasher_free(hasher);
    return root;
}
