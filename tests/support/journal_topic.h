// The model that tests of the journal compare it with: a topic whose records are known by their offset alone.
//
// Thread: one.
#ifndef TESTS_SUPPORT_JOURNAL_TOPIC_H
#define TESTS_SUPPORT_JOURNAL_TOPIC_H

#include <stdlib.h>

#include "checkpoints/journal/journal.h"
#include "tests/support/random.h"
#include "tests/support/tier.h"
#include "tests/unit/test.h"

static rwd_error err;  // of the call that `must` judges

static inline void must(bool ok) {
    char text[2048];
    rwd_error_format(&err, text, sizeof text);
    if (!ok) fail_msg("%s", text);
}

static inline bool is_record(int64_t offset) { return offset % 7 != 3 && offset % 100 < 90; }

// Bytes that depend on the offset only; every ninth is random, the rest compresses.
static inline rwd_journal_record record_at(int64_t offset, rwd_buf *bytes) {
    test_random random = {(uint64_t)offset * 77 + 5};
    size_t size = test_random_below(&random, 300);
    rwd_buf_clear(bytes);
    for (size_t i = 0; i < size; i++) rwd_buf_append_char(bytes, offset % 9 == 0 ? (char)test_random_u64(&random) : (char)('a' + i % 7));
    int64_t time = offset % 13 == 0 ? INT64_MIN : 1700000000000000 + offset * 1000 - (int64_t)test_random_below(&random, 100000);
    return (rwd_journal_record){offset, time, rwd_buf_slice(bytes)};
}

static inline bool append_topic(rwd_journal *j, int64_t from, int64_t until) {
    rwd_buf bytes = {0};
    bool ok = true;
    if (rwd_journal_position(j) != from) rwd_journal_begin(j, from);
    for (int64_t o = from; o < until && ok; o++) {
        if (!is_record(o)) continue;
        rwd_journal_record record = record_at(o, &bytes);
        ok = rwd_journal_append(j, &record, 1, &err);
    }
    if (ok) rwd_journal_pass(j, until);
    rwd_buf_deinit(&bytes);
    return ok;
}

// Reads from `from` on: each record must be the topic's next one. Returns where the journal ends, or a hole begins.
static inline int64_t read_topic(rwd_journal *j, int64_t from) {
    rwd_journal_reader *reader;
    rwd_buf bytes = {0};
    int64_t at = from, next = from, before;
    must(rwd_journal_reader_open(j, from, &reader, &err));
    do {
        const rwd_journal_record *records;
        size_t count;
        before = next;
        must(rwd_journal_read(reader, &records, &count, &next, &err));
        for (size_t i = 0; i < count; i++, at++) {
            while (!is_record(at)) at++;
            rwd_journal_record wanted = record_at(at, &bytes);
            assert_int_equal(records[i].offset, at);
            assert_int_equal(records[i].time_us, wanted.time_us);
            assert_true(rwd_slice_equal(records[i].raw, wanted.raw));
        }
        for (; at < next; at++) assert_false(is_record(at));
    } while (next != before);
    rwd_journal_reader_close(reader);
    rwd_buf_deinit(&bytes);
    return next;
}

// One pass over what is said to be covered. False: some of it turned out bad, so that what lies behind it was not looked at.
static inline bool check_ranges_once(rwd_journal *j) {
    rwd_journal_range *before, *after;
    size_t count = rwd_journal_ranges(j, &before);
    for (size_t i = 0; i < count; i++) {
        int64_t until;
        (void)read_topic(j, before[i].from);
        if (!rwd_journal_covers(j, before[i].from, &until)) continue;
        assert_int_equal(read_topic(j, before[i].from), until);
    }
    size_t again = rwd_journal_ranges(j, &after);
    bool same = again == count && (count == 0 || memcmp(before, after, count * sizeof(*before)) == 0);
    free(before);
    free(after);
    return same;
}

// All that is said to be covered is there, and right; what turns out bad is said so, and is a hole from then on.
static inline void check_ranges(rwd_journal *j) {
    while (!check_ranges_once(j)) continue;
}

#endif
