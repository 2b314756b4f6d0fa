// A small seeded generator for tests: the same seed gives the same run everywhere (splitmix64, Steele, Lea and Flood, "Fast
// splittable pseudorandom number generators", 2014).
//
// REWIND_TEST_SEED in the environment takes the place of a test's own seed.
//
// Thread: one generator, one thread.
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

typedef struct test_random {
    uint64_t state;
} test_random;

static inline test_random test_random_of(uint64_t seed) {
    const char *other = getenv("REWIND_TEST_SEED");
    return (test_random){other ? strtoull(other, NULL, 10) : seed};
}

static inline uint64_t test_random_u64(test_random *r) {
    uint64_t z = r->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

// 0 .. below-1.
static inline uint64_t test_random_below(test_random *r, uint64_t below) { return test_random_u64(r) % below; }

// Any width equally likely: small numbers and edges come up often.
static inline uint64_t test_random_wide(test_random *r) {
    uint64_t v = test_random_u64(r);
    uint64_t bits = test_random_below(r, 65);
    return bits == 0 ? 0 : v >> (64 - bits);
}

#endif
