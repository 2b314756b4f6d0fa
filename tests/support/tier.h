// The io tier that a test runs on: pread, or what REWIND_TEST_IO names. A tier that this kernel refuses is skipped aloud (exit code 77).
//
// Thread: one at a time.
#ifndef TESTS_SUPPORT_TIER_H
#define TESTS_SUPPORT_TIER_H

#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/io/probe.h"

// The tier under test.
static inline rwd_io_tier test_tier(void) {
    rwd_io_tier tier = RWD_IO_TIER_PREAD;
    const char *word = getenv("REWIND_TEST_IO");
    if (word && !rwd_io_tier_parse(word, &tier)) {
        (void)fprintf(stderr, "REWIND_TEST_IO=%s is no tier\n", word);
        exit(1);
    }
    return tier;
}

// *gives* an rwd_io of it.
static inline rwd_io *test_tier_new(void) {
    rwd_io *io = NULL;
    rwd_error err;
    if (rwd_io_new(".", test_tier(), &io, NULL, &err)) return io;
    (void)fprintf(stderr, "skipped: %s\n", err.cause);
    exit(77);
}

#endif
