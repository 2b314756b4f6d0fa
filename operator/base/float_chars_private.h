// What C lacks: doubles to text and back without a locale. A C face on <charconv>.
//
// Thread: any; pure functions.
#ifndef OPERATOR_BASE_FLOAT_CHARS_PRIVATE_H
#define OPERATOR_BASE_FLOAT_CHARS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// The nearest value to [begin, end), which is a number without a sign +. False: it is too large or too small for a double; `out` is not set.
bool rwd_float_from_chars(const char *begin, const char *end, double *out);
// The shortest text that reads back as `value`, as "1.25e+07". Returns its length; no NUL.
size_t rwd_float_to_chars(double value, char *out, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
