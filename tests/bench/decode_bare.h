// The bare loop beside which decoding is measured: simdjson on demand, as its manual shows it, touching the same members.
//
// Thread: one.
#ifndef TESTS_BENCH_DECODE_BARE_H
#define TESTS_BENCH_DECODE_BARE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Decodes `count` orders (padded behind each) and returns a sum over what was read, so that nothing is left out. `all`: all seven members, else
// customer, amount, quantity and ts.
uint64_t bench_bare_json(const uint8_t *const *records, const uint32_t *sizes, size_t count, int all);

#ifdef __cplusplus
}
#endif
#endif
