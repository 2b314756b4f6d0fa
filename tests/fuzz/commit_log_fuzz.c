// The scanner of the commit log: any bytes are read or refused, and of a log that was damaged nothing is believed but the entries
// before the damage.
#include <string.h>

#include "operator/sink/commit_log.h"

#include "tests/fuzz/fuzz.h"

#define ENTRIES 4

const char *const fuzz_seeds[] = {
    "RWCE", "\xff\xff", "\xff\xff\x01\x30\x01", "\x01\x10\x01\x20\x05\x01\x30\x80", "\xff\xff\x01\x02\x04\x01\x02\x04", "\x02\x01", NULL,
};

// Where the entries end.
static void build(rwd_buf *log, size_t ends[ENTRIES]) {
    for (uint64_t i = 0; i < ENTRIES; i++) {
        rwd_commit_entry entry = {.sequence = i + 1, .commit = {.next_offset = (int64_t)i * 1000, .owner = 7, .term = 1}};
        rwd_commit_entry_add(&entry, "out.jsonl", i * 100);
        if (i % 2) rwd_commit_entry_add(&entry, "dead.jsonl", i);
        rwd_commit_entry_encode(&entry, log);
        rwd_commit_entry_deinit(&entry);
        ends[i] = log->size;
    }
}

// The input as a cut and a list of changes: two bytes where to cut, then (place, place, what to flip) again and again.
static void damage(rwd_buf *log, const uint8_t *data, size_t size) {
    for (size_t i = 2; i + 3 <= size; i += 3) log->data[rwd_get_be16(data + i) % log->size] ^= data[i + 2];
    size_t cut = size < 2 ? log->size : rwd_get_be16(data);
    if (cut < log->size) log->size = cut;
}

static bool is_whole(const rwd_buf *log, const rwd_buf *before, const size_t ends[ENTRIES], size_t entry) {
    size_t begin = entry == 0 ? 0 : ends[entry - 1];
    return ends[entry] <= log->size && memcmp(log->data + begin, before->data + begin, ends[entry] - begin) == 0;
}

static bool scan(rwd_slice bytes, uint64_t *out_sequence) {
    rwd_commit_entry last;
    bool any;
    rwd_error err;
    bool ok = rwd_commit_log_scan(bytes, "log", &last, &any, &err);
    if (!ok) FUZZ_CHECK(err.code == RWD_E_CORRUPT || err.code == RWD_E_NEWER_FORMAT);
    *out_sequence = ok && any ? last.sequence : 0;
    for (size_t i = 0; i < last.file_count; i++) FUZZ_CHECK(last.files[i].name[0] != '\0');
    rwd_commit_entry_deinit(&last);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t sequence;
    rwd_slice input = rwd_slice_of(data, size);
    (void)scan(input, &sequence);

    rwd_buf log = {0}, before = {0};
    size_t ends[ENTRIES], whole = 0;
    build(&log, ends);
    rwd_buf_append_slice(&before, rwd_buf_slice(&log));
    damage(&log, data, size);
    while (whole < ENTRIES && is_whole(&log, &before, ends, whole)) whole++;
    bool behind = false;
    for (size_t i = whole + 1; i < ENTRIES; i++) behind |= is_whole(&log, &before, ends, i);
    bool ok = scan(rwd_buf_slice(&log), &sequence);
    if (ok) FUZZ_CHECK(sequence == whole);
    if (ok && whole == 0) FUZZ_CHECK(log.size == 0);
    if (behind) FUZZ_CHECK(!ok);
    // Only cut, behind the first entry: torn, never damage.
    bool cut_only = memcmp(log.data, before.data, log.size) == 0;
    if (cut_only && (whole > 0 || log.size == 0)) FUZZ_CHECK(ok);
    rwd_buf_deinit(&log);
    rwd_buf_deinit(&before);
    return 0;
}
