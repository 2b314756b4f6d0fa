// Numbers: nothing is read beyond the text, and what parses reads back from its own text.
#include "operator/base/decimal.h"

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "0", "-12.50", "+1e3", "9223372036854775807", "-9223372036854775808", "0.000000000000000001", "99999999999999999999999999999999999999",
    "1.0e-5", "123456789012345678901234567890e-20", "1E+400", NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rwd_slice text = rwd_slice_of(data, size);
    int64_t number = 0;
    rwd_parse as_int = rwd_int_parse(text, &number);
    bool malformed = false;
    for (unsigned scale = 0; scale <= RWD_DECIMAL_SCALE_MAX; scale++) {
        rwd_i128 value = 0, back = 0;
        rwd_parse parsed = rwd_decimal_parse(text, scale, &value);
        // Whether a text is a number does not depend on the scale.
        if (scale == 0) malformed = parsed == RWD_PARSE_MALFORMED;
        FUZZ_CHECK((parsed == RWD_PARSE_MALFORMED) == malformed);
        if (malformed) FUZZ_CHECK(as_int == RWD_PARSE_MALFORMED);
        if (as_int == RWD_PARSE_OK && scale == 0) FUZZ_CHECK(parsed == RWD_PARSE_OK && value == number);
        if (parsed != RWD_PARSE_OK) continue;
        char again[RWD_DECIMAL_TEXT_MAX];
        size_t length = rwd_decimal_text(value, scale, again);
        FUZZ_CHECK(rwd_decimal_parse(rwd_slice_of(again, length), scale, &back) == RWD_PARSE_OK && back == value);
    }
    return 0;
}
