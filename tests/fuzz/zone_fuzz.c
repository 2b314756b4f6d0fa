// Zone data: the input as a file's bytes, and as the rule in the last line of one that is whole otherwise. What is taken answers for any time.
#include "operator/base/zone.h"

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {
    "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "IST-1GMT0,M10.5.0,M3.5.0/1", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
    "XXX3EDT4,0/0,J365/23", "EET-2EEST,M3.4.4/50,M10.4.4/50", "UTC0", "JST-9", "A5", "CET-1CEST,J59,365/167:59:59", "TZif2", NULL,
};

static void ask(const rwd_zone *zone) {
    static const int64_t times[] = {INT64_MIN / 2, -62135596800, -3000000000, 0, 1700000000, 4102444800, 253402300799, INT64_MAX / 2};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int32_t a = rwd_zone_at(zone, times[i]), b = rwd_zone_at_local(zone, times[i]);
        FUZZ_CHECK(a > -26 * 3600 && a < 27 * 3600 && b > -26 * 3600 && b < 27 * 3600);
    }
}

static void try_bytes(rwd_slice bytes) {
    rwd_zone *zone;
    rwd_error err;
    if (!rwd_zone_read("Fuzz/Zone", bytes, &zone, &err)) {
        FUZZ_CHECK(err.code == RWD_E_CONFIG && err.cause[0]);
        return;
    }
    ask(zone);
    rwd_zone_free(zone);
}

static void put_header(rwd_buf *out, uint32_t times) {
    uint8_t header[44] = "TZif2";
    rwd_put_be32(header + 32, times);
    rwd_put_be32(header + 36, 1);
    rwd_put_be32(header + 40, 4);
    rwd_buf_append(out, header, sizeof header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t type[] = {0, 0, 14, 16, 0, 0, 'L', 'M', 'T', 0};
    try_bytes(rwd_slice_of(data, size));
    if (size > 200) return 0;
    rwd_buf file = {0};
    put_header(&file, 0);
    rwd_buf_append(&file, type, sizeof type);
    put_header(&file, 1);
    uint8_t time[9] = {0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0, 0};
    if (size >= 8) memcpy(time + 4, data, 4);
    rwd_buf_append(&file, time, sizeof time);
    rwd_buf_append(&file, type, sizeof type);
    rwd_buf_append_char(&file, '\n');
    rwd_buf_append(&file, data, size);
    rwd_buf_append_char(&file, '\n');
    try_bytes(rwd_buf_slice(&file));
    rwd_buf_deinit(&file);
    return 0;
}
