// Words that people type: the nearest right one for a wrong one.
#include "operator/base/words.h"

#include <string.h>

// Longer words are not compared: nobody mistypes them by a letter or two.
#define WORD_MAX 64

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

// Optimal string alignment distance: insert, delete, replace a letter, or swap two neighbours, each counts one.
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size) {
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++) rows[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}

const char *rwd_nearest(const char *word, const char *const *candidates, size_t count) {
    size_t size = strlen(word);
    if (size > WORD_MAX) return NULL;
    size_t limit = size / 3 > 1 ? size / 3 : 1;
    const char *best = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_size = strlen(candidates[i]);
        if (candidate_size > WORD_MAX) continue;
        size_t d = distance(word, size, candidates[i], candidate_size);
        if (d > limit) continue;
        best = candidates[i];
        if (d == 0) break;
        limit = d - 1;  // only a strictly nearer one replaces it
    }
    return best;
}
