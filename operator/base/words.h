// Words that people type: the nearest right one for a wrong one.
//
// Thread: any; pure functions.
#ifndef OPERATOR_BASE_WORDS_H
#define OPERATOR_BASE_WORDS_H

#include <stddef.h>

// The candidate nearest to `word` by Damerau-Levenshtein distance (optimal string alignment), or NULL if none is within a third of
// its length (at least 1). Ties go to the first. *borrows* from `candidates`.
const char *rwd_nearest(const char *word, const char *const *candidates, size_t count);

#endif
