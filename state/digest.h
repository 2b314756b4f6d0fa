// The digest of a state: 4096 buckets, each the sum modulo 2^128 of XXH3-128 over (store key, row) of its keys.
//
// It does not depend on order; two states differ only in buckets that differ. An entry's hash is
// XXH3-128(store key || row, seed = size of store key). It is kept up from dirty keys: minus the hash of the version that the last
// checkpoint had, plus the hash of the new one. It detects accidents, not forgery (E3).
//
// Thread: a value; one thread at a time.
#ifndef STATE_DIGEST_H
#define STATE_DIGEST_H

#include "operator/base/hash.h"
#include "state/schema.h"

typedef struct rwd_digest {
    rwd_hash128 buckets[RWD_BUCKETS];
} rwd_digest;

// Hash of one entry. `store_key_size` is the length of the store key at the front of `entry`.
rwd_hash128 rwd_digest_entry(const uint8_t *entry, size_t entry_size, size_t store_key_size);
void rwd_digest_add(rwd_digest *digest, uint16_t bucket, rwd_hash128 hash);
void rwd_digest_sub(rwd_digest *digest, uint16_t bucket, rwd_hash128 hash);
void rwd_digest_merge(rwd_digest *into, const rwd_digest *delta);  // bucket by bucket
// One number for the whole: XXH3-128 over the buckets' canonical bytes.
rwd_hash128 rwd_digest_root(const rwd_digest *digest);

#endif
