// Strings: case and length, by code points.
//
// Thread: any; pure functions.
#ifndef OPERATOR_EXPR_TEXT_PRIVATE_H
#define OPERATOR_EXPR_TEXT_PRIVATE_H

#include "operator/base/bytes.h"

// A run of code points first, first+step, ..., last whose mapping is `delta` away.
typedef struct rwd_case_run { uint32_t first, last; int32_t delta; uint32_t step; } rwd_case_run;
// In rising order of code points, without overlap (case_table.c).
extern const rwd_case_run rwd_lower_runs[], rwd_upper_runs[];
extern const size_t rwd_lower_run_count, rwd_upper_run_count;

#define RWD_CASE_GROWTH 2u  // bytes of a mapped text are at most so many times those of the text
// The text with every code point mapped, into `out` (RWD_CASE_GROWTH times its size); returns the size. What is not UTF-8 stays as it is.
size_t rwd_text_lower(rwd_slice text, uint8_t *out);
size_t rwd_text_upper(rwd_slice text, uint8_t *out);
// Code points: the bytes that do not continue one.
int64_t rwd_text_length(rwd_slice text);

#endif
