// Doubles and text by way of <charconv>, whose functions are exact and read no locale.
#include "operator/base/float_chars_private.h"

#include <cassert>
#include <charconv>

bool rwd_float_from_chars(const char *begin, const char *end, double *out) {
    auto result = std::from_chars(begin, end, *out);
    assert(result.ptr == end && "the caller has judged the text");
    return result.ec == std::errc();
}

size_t rwd_float_to_chars(double value, char *out, size_t capacity) {
    auto result = std::to_chars(out, out + capacity, value, std::chars_format::scientific);
    assert(result.ec == std::errc() && "room for any value");
    return static_cast<size_t>(result.ptr - out);
}
