// Durations and sizes as people write them, and words near to others.
#include "operator/base/time.h"
#include "operator/base/words.h"

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "0", "200ms", "1d2h3m4s5ms6us7ns", "106751d23h", "9223372036854775807ns", "512MiB", "20GiB", "18446744073709551615", "3TB", "64KiB", NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = rwd_strndup((const char *)data, size);
    char again[RWD_TIME_TEXT_MAX];
    int64_t ns, ns_back;
    if (rwd_duration_parse(text, &ns)) {
        FUZZ_CHECK(ns >= 0);
        rwd_duration_text(ns, again);
        FUZZ_CHECK(rwd_duration_parse(again, &ns_back) && ns_back == ns);
    }
    uint64_t bytes;
    if (rwd_size_parse(text, &bytes)) rwd_size_text(bytes, again);
    const char *nearest = rwd_nearest(text, fuzz_seeds, sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]) - 1);
    if (nearest && strlen(text) < 6) FUZZ_CHECK(strlen(nearest) <= strlen(text) + 1);
    free(text);
    return 0;
}
