// Times: "format|text", and the whole input by each format. What parses is in range and reads back.
#include "operator/base/time.h"

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "2026-01-02T03:04:05.678901Z", "0001-01-01T00:00:00Z", "9999-12-31 23:59:59.999999999+23:59", "1767323045", "-62135596800000",
    "%Y-%m-%d %H:%M:%S.%f|2026-01-02 03:04:05.25", "%d %b %Y %I:%M %p%z|2 January 2026 12:04 AM+0200", "%y%j|26366", "%s.%f|-5.1",
    "%D%t%R%n%%|01/02/26 03:04%", "%e.%B %Y|  7.March 2025", NULL,
};

static void check(const rwd_time_format *format, rwd_slice text) {
    int64_t us, back;
    if (rwd_time_parse(format, text, &us) != RWD_PARSE_OK) return;
    FUZZ_CHECK(us >= RWD_TIME_MIN && us <= RWD_TIME_MAX);
    char again[RWD_TIME_TEXT_MAX];
    size_t size = rwd_time_text(us, again);
    const rwd_time_format rfc3339 = {.kind = RWD_TIME_RFC3339};
    FUZZ_CHECK(rwd_time_parse(&rfc3339, rwd_slice_of(again, size), &back) == RWD_PARSE_OK && back == us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int kind = RWD_TIME_EPOCH_S; kind <= RWD_TIME_RFC3339; kind++)
        check(&(rwd_time_format){.kind = (rwd_time_kind)kind}, rwd_slice_of(data, size));
    const uint8_t *bar = size ? memchr(data, '|', size) : NULL;
    if (!bar) return 0;
    char *pattern = rwd_strndup((const char *)data, (size_t)(bar - data));
    rwd_time_format format;
    rwd_error err;
    if (rwd_time_format_parse(pattern, &format, &err)) check(&format, rwd_slice_of(bar + 1, size - (size_t)(bar - data) - 1));
    else FUZZ_CHECK(err.code == RWD_E_CONFIG && err.cause[0]);
    free(pattern);
    return 0;
}
