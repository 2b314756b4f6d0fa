// What a fuzz target provides: libFuzzer's entry point, and seeds to begin from.
//
// With clang the target is linked with libFuzzer. With other compilers tests/fuzz/driver.c runs the seeds, the files given as
// arguments, and a fixed number of seeded mutations of them, so that a target is a deterministic test.
//
// Thread: one.
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// Always 0. A wrong result ends the program with FUZZ_CHECK.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Texts to begin from, closed by NULL.
extern const char *const fuzz_seeds[];

#define FUZZ_CHECK(condition)                                                                                                     \
    do {                                                                                                                          \
        if (condition) break;                                                                                                     \
        fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                                            \
        abort();                                                                                                                  \
    } while (0)

#endif
