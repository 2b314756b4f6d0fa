// Floats: nothing is read beyond the text, a text is a number exactly where it is one as a decimal, and what parses has one shortest text.
#include "operator/base/float.h"

#include <stdio.h>

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "0", "-0.0", "1.5", "+1e3", "0.1", "1e400", "1e-400", "4.9e-324", "2.2250738585072011e-308", "1.7976931348623158e308", "9007199254740993",
    "123456789012345678901234567890", "0.000001", "1e21", "inf", "nan", "0x1p3", "1e", NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rwd_slice text = rwd_slice_of(data, size);
    rwd_i128 units;
    double value = 0, back = 0;
    rwd_parse parsed = rwd_float_parse(text, &value);
    FUZZ_CHECK((parsed == RWD_PARSE_MALFORMED) == (rwd_decimal_parse(text, 0, &units) == RWD_PARSE_MALFORMED));
    if (parsed == RWD_PARSE_OK) {
        FUZZ_CHECK(__builtin_isfinite(value) && !(value == 0 && __builtin_signbit(value)));
        // strtod is the second opinion; it needs an end.
        char *ended = rwd_strndup((const char *)data, size);
        FUZZ_CHECK(strtod(ended, NULL) == value);
        free(ended);
    }
    if (parsed != RWD_PARSE_OK && size >= sizeof value) memcpy(&value, data, sizeof value);
    if (!rwd_float_normal(value, &value)) return 0;
    char again[RWD_FLOAT_TEXT_MAX];
    size_t length = rwd_float_text(value, again);
    FUZZ_CHECK(length < sizeof again && again[length] == '\0');
    FUZZ_CHECK(rwd_float_parse(rwd_slice_of(again, length), &back) == RWD_PARSE_OK && back == value);
    return 0;
}
