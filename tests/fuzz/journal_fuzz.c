// Journal blocks: any bytes may be read. What is accepted as a payload says the same after it was written again.
#include <stdlib.h>
#include <string.h>

#include "checkpoints/journal/block.h"

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = {"\x01\x03\x02\x02" "ab", "\x03\x00\x02\x01x\x05\x04\x03" "abc", "\x02\x80\x01\xff\x01\x00\x00\x00\x00", "RWJB\x01", NULL};

// The input as a stored payload of each codec, under a header that fits it.
static void as_payload(const uint8_t *data, size_t size, uint32_t codec, uint32_t plain, uint32_t count) {
    rwd_journal_block block = {.from = 10, .next = 10 + ((int64_t)1 << (size % 40)), .count = count, .codec = codec, .stored = (uint32_t)size, .plain = plain,
                               .payload_checksum = rwd_crc32c(0, data, size)};
    rwd_buf out = {0}, again = {0};
    rwd_journal_record *records = calloc(count + 1, sizeof(*records));
    if (rwd_journal_payload_get(&block, rwd_slice_of(data, size), &out) && rwd_journal_records_get(&block, rwd_buf_slice(&out), records)) {
        int64_t expected = block.from, time = 0;
        for (uint32_t i = 0; i < count; i++) {
            FUZZ_CHECK(records[i].offset >= expected && records[i].offset < block.next);
            rwd_journal_record_put(&again, &records[i], &expected, &time);
        }
        rwd_journal_record *second = calloc(count + 1, sizeof(*second));
        FUZZ_CHECK(rwd_journal_records_get(&block, rwd_buf_slice(&again), second));
        for (uint32_t i = 0; i < count; i++)
            FUZZ_CHECK(second[i].offset == records[i].offset && second[i].time_us == records[i].time_us && rwd_slice_equal(second[i].raw, records[i].raw));
        free(second);
    }
    rwd_buf_deinit(&out);
    rwd_buf_deinit(&again);
    free(records);
}

static void as_header(const uint8_t *data, size_t size) {
    uint8_t header[RWD_JOURNAL_HEADER] = {0};
    rwd_journal_block block;
    if (size > sizeof header) size = sizeof header;
    if (size) memcpy(header, data, size);
    (void)rwd_journal_block_get(header, &block);
    // With the checksum put right, the numbers are judged.
    memcpy(header, "RWJB\x01\0\0", 8);
    rwd_put_le32(header + 96, rwd_crc32c(0, header, 96));
    if (rwd_journal_block_get(header, &block) != RWD_JOURNAL_HEADER_GOOD) return;
    uint8_t again[RWD_JOURNAL_HEADER];
    rwd_journal_block_put(&block, again);
    FUZZ_CHECK(memcmp(header, again, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    as_header(data, size);
    for (uint32_t count = 0; count < 4; count++) as_payload(data, size, RWD_JOURNAL_PLAIN, (uint32_t)size, count);
    as_payload(data, size, RWD_JOURNAL_LZ4, (uint32_t)size * 3, 2);
    as_payload(data, size, RWD_JOURNAL_ZSTD, (uint32_t)size * 3, 2);
    return 0;
}
