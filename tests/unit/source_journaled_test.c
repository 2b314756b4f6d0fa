// The journal and a topic as one source (J1, J3, C5), against a list of records: whatever of them the topic has lost and the journal lacks, they come once, in order, and as they were; or it stops.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/source/journaled.h"
#include "tests/support/random.h"
#include "tests/support/tier.h"
#include "tests/unit/test.h"

#define RECORDS 3000
#define RAW_MAX 64

static rwd_error err;

static void must(bool ok) {
    char text[2048];
    rwd_error_format(&err, text, sizeof text);
    if (!ok) fail_msg("%s", text);
}

// ---- the topic: records by offset, some of which are gone by now

typedef struct topic_record {
    bool is;                  // a record was ever there
    bool gone;                // compacted away
    int64_t time_us;
    uint8_t raw[RAW_MAX + RWD_RECORD_PADDING];
    size_t size;
} topic_record;

typedef struct topic {
    rwd_source base;          // first
    topic_record all[RECORDS];
    int64_t low, high;
    bool away;                // nobody answers
    size_t batch_max;
    int64_t at;
    uint64_t asked;           // batches that were asked for
    rwd_record batch[64];
} topic;

static topic *topic_of(const rwd_source *source) { return (topic *)(uintptr_t)source; }
static bool nobody(rwd_error *e) { return rwd_fail(e, RWD_E_BROKER, "nobody answers"); }
static bool is_there(const topic *t, int64_t offset) { return offset >= t->low && offset < t->high && t->all[offset].is && !t->all[offset].gone; }

static bool topic_bounds(rwd_source *source, int64_t *low, int64_t *high, rwd_error *e) {
    *low = topic_of(source)->low;
    *high = topic_of(source)->high;
    return !topic_of(source)->away || nobody(e);
}

static bool topic_from_raw(rwd_source *source, int64_t offset, rwd_slice raw, rwd_record *out, rwd_error *e) {
    (void)source, (void)e;
    *out = (rwd_record){.offset = offset, .time_us = (int64_t)rwd_get_le64(raw.data), .value = raw, .full_size = raw.size, .hash = rwd_hash128_of(raw.data, raw.size, (uint64_t)offset), .raw = raw};
    return true;
}

static void record_of(topic *t, int64_t offset, rwd_record *out) { (void)topic_from_raw(&t->base, offset, rwd_slice_of(t->all[offset].raw, t->all[offset].size), out, NULL); }

static bool topic_cursor(rwd_source *source, const rwd_record *last, rwd_buf *out, rwd_error *e) {
    (void)e;
    uint8_t bytes[24];
    rwd_put_le64(bytes, (uint64_t)(last ? last->offset + 1 : topic_of(source)->at));
    if (last) rwd_hash128_put(last->hash, bytes + 8);
    rwd_buf_append(out, bytes, last ? 24 : 8);
    return true;
}

static bool topic_assign(rwd_source *source, int64_t offset, rwd_slice cursor, rwd_error *e) {
    topic *t = topic_of(source);
    rwd_record before;
    if (t->away) return nobody(e);
    if (offset < t->low || offset > t->high) return rwd_fail(e, RWD_E_POSITION, "offset %lld is not there", (long long)offset);
    if (cursor.size == 24 && is_there(t, offset - 1)) {
        record_of(t, offset - 1, &before);
        if (!rwd_hash128_equal(before.hash, rwd_hash128_get(cursor.data + 8))) return rwd_fail(e, RWD_E_SOURCE_CHANGED, "it is another topic");
    }
    t->at = offset;
    return true;
}

static bool topic_batch(rwd_source *source, size_t max, int64_t timeout_ns, rwd_batch *out, rwd_error *e) {
    (void)timeout_ns, (void)e;
    topic *t = topic_of(source);
    size_t count = 0, most = max < t->batch_max ? max : t->batch_max;
    t->asked++;
    *out = (rwd_batch){t->batch, 0, false};
    if (t->away) return true;
    for (; t->at < t->high && count < most; t->at++)
        if (is_there(t, t->at)) record_of(t, t->at, &t->batch[count++]);
    *out = (rwd_batch){t->batch, count, t->at >= t->high};
    return true;
}

static bool topic_offset_for(rwd_source *source, int64_t time_us, int64_t *out, rwd_error *e) {
    topic *t = topic_of(source);
    if (t->away) return nobody(e);
    for (*out = t->low; *out < t->high; ++*out)
        if (is_there(t, *out) && t->all[*out].time_us >= time_us) return true;
    return true;
}

static void topic_release(rwd_source *source) { (void)source; }
static const char *topic_label(const rwd_source *source) { return (void)source, "topic/0"; }
static void topic_close(rwd_source *source) { free(source); }

static const rwd_source_ops topic_ops = {
    .name = "topic", .bounds = topic_bounds, .offset_for = topic_offset_for, .assign = topic_assign, .batch = topic_batch, .release = topic_release, .cursor = topic_cursor,
    .from_raw = topic_from_raw, .label = topic_label, .close = topic_close,
};

static topic *topic_new(uint64_t seed) {
    topic *t = rwd_calloc(1, sizeof *t);
    test_random random = {seed};
    t->base.ops = &topic_ops;
    t->high = RECORDS;
    t->batch_max = 64;
    for (int64_t o = 0; o < RECORDS; o++) {
        topic_record *r = &t->all[o];
        r->is = test_random_below(&random, 10) > 0;
        r->time_us = o * 1000 - (int64_t)test_random_below(&random, 5000);
        r->size = 8 + test_random_below(&random, RAW_MAX - 8);
        for (size_t i = 8; i < r->size; i++) r->raw[i] = (uint8_t)test_random_u64(&random);
        rwd_put_le64(r->raw, (uint64_t)r->time_us);
    }
    return t;
}

// ---- the rig

typedef struct rig {
    char root[64];
    rwd_clock *clock;
    rwd_journal_options options;
    rwd_journal *journal;
    topic *topic;
    rwd_source *source;
} rig;

static void open_rig(rig *r) {
    r->options.term++;
    must(rwd_journal_open(&r->options, test_tier_new(), r->clock, &r->journal, &err));
    rwd_journaled_source_use(r->source, r->journal);
}

static void close_journal(rig *r) {
    rwd_journaled_source_use(r->source, NULL);
    rwd_journal_close(r->journal);
    r->journal = NULL;
}

static int setup(void **state) {
    static rig r;
    r = (rig){.options = {.repository = {1, 2}, .codec = RWD_JOURNAL_LZ4, .size = RWD_JOURNAL_SIZE_MIN, .keep_ns = INT64_MAX}};
    (void)snprintf(r.root, sizeof r.root, "journaled-test-XXXXXX");
    assert_non_null(mkdtemp(r.root));
    r.options.data = r.root;
    r.clock = rwd_clock_virtual_new(1700000000000000);
    r.topic = topic_new(7);
    r.source = rwd_journaled_source_new(&r.topic->base);
    open_rig(&r);
    *state = &r;
    return 0;
}

static int teardown(void **state) {
    rig *r = *state;
    r->source->ops->release(r->source);
    close_journal(r);
    r->source->ops->close(r->source);
    rwd_clock_virtual_free(r->clock);
    must(rwd_remove_tree(r->root, &err));
    return 0;
}

// Any cursor: from here on reading is a replay, not a job that begins.
static bool go_to(rig *r, int64_t offset) {
    uint8_t cursor[8];
    rwd_put_le64(cursor, (uint64_t)offset);
    return r->source->ops->assign(r->source, offset, rwd_slice_of(cursor, sizeof cursor), &err);
}

// Reads up to `until`: each record must be the next one that ever was. False: it stopped, `err` says why. `idle`: empty batches that are no end, before it gives up waiting.
static bool read_to(rig *r, int64_t from, int64_t until, int idle, int64_t *out_at) {
    int64_t at = from;
    rwd_batch batch;
    bool ends = false;
    while (at < until && !ends && idle > 0) {
        if (!r->source->ops->batch(r->source, 50, 0, &batch, &err)) {
            r->source->ops->release(r->source);
            return false;
        }
        for (size_t i = 0; i < batch.count; i++, at++) {
            rwd_record wanted;
            while (at < RECORDS && !r->topic->all[at].is) at++;
            record_of(r->topic, at, &wanted);
            assert_int_equal(batch.records[i].offset, at);
            assert_int_equal(batch.records[i].time_us, wanted.time_us);
            assert_true(rwd_slice_equal(batch.records[i].raw, wanted.raw) && rwd_hash128_equal(batch.records[i].hash, wanted.hash));
        }
        ends = batch.end;
        idle -= batch.count == 0 && !batch.end;
        r->source->ops->release(r->source);
    }
    *out_at = at;
    return true;
}

static void must_read(rig *r, int64_t from, int64_t until) {
    int64_t at;
    must(go_to(r, from) && read_to(r, from, until, 3, &at));
    while (at < until && !r->topic->all[at].is) at++;
    assert_true(at >= until);
}

// All that was read counts, and is found again by a process of its own.
static void restart(rig *r) {
    must(rwd_journal_confirm(r->journal, &err));
    close_journal(r);
    open_rig(r);
}

// What is not there any more in neither place.
static void compact(topic *t, int64_t from, int64_t until) {
    for (int64_t o = from; o < until; o++) t->all[o].gone = true;
}

// ---- claims

static void what_was_read_comes_from_the_journal_and_the_topic_is_not_asked(void **state) {
    rig *r = *state;
    must_read(r, 0, 2000);
    restart(r);
    compact(r->topic, 0, 2000);
    uint64_t before = r->topic->asked;
    must_read(r, 0, 1900);
    assert_int_equal(r->topic->asked, before);
    must_read(r, 0, RECORDS);
}

static void holes_are_filled_from_the_topic_and_the_seams_are_exact(void **state) {
    rig *r = *state;
    const int64_t parts[][2] = {{100, 400}, {900, 901}, {1200, 2000}, {2500, 2600}};
    for (size_t i = 0; i < 4; i++) must_read(r, parts[i][0], parts[i][1]);
    restart(r);
    for (size_t i = 0; i < 4; i++) compact(r->topic, parts[i][0] + 60, parts[i][1]);
    must_read(r, 0, RECORDS);
    restart(r);
    compact(r->topic, 0, RECORDS);
    must_read(r, 0, RECORDS);  // all of it is in the journal now
}

// J3
static void a_record_that_comes_again_and_is_another_stops_it(void **state) {
    rig *r = *state;
    must_read(r, 1000, 2000);
    restart(r);
    r->topic->batch_max = 64;
    for (int kind = 0; kind < 3; kind++) {
        int64_t at, place = 1010;
        while (r->topic->all[place].is != (kind < 2)) place++;
        topic_record *changed = &r->topic->all[place], was = *changed;
        if (kind == 0) changed->raw[changed->size - 1] ^= 1;                              // other bytes
        if (kind == 1) rwd_put_le64(changed->raw, (uint64_t)(changed->time_us + 1000));   // another time
        if (kind == 2) changed->is = true;                                                // where there was none
        must(go_to(r, 960));
        assert_false(read_to(r, 960, 1500, 3, &at));
        assert_int_equal(err.code, RWD_E_SOURCE_CHANGED);
        *changed = was;
    }
    must_read(r, 0, RECORDS);
}

static void fewer_records_than_the_journal_has_are_no_difference(void **state) {
    rig *r = *state;
    must_read(r, 1000, 2000);
    restart(r);
    for (int64_t o = 1000; o < 1100; o += 2) r->topic->all[o].gone = true;
    must_read(r, 900, 2000);
}

static void without_a_broker_the_journal_is_read_and_then_it_waits(void **state) {
    rig *r = *state;
    int64_t at;
    must_read(r, 0, 2000);
    restart(r);
    r->topic->away = true;
    must(go_to(r, 500) && read_to(r, 500, RECORDS, 5, &at));
    assert_true(at >= 1990 && at < 2060);
    r->topic->away = false;
    must(read_to(r, at, RECORDS, 3, &at));
    must_read(r, 0, RECORDS);
}

static void a_range_that_neither_has_is_named(void **state) {
    rig *r = *state;
    must_read(r, 1000, 2000);
    restart(r);
    r->topic->low = 1500;
    assert_false(go_to(r, 200));
    assert_int_equal(err.code, RWD_E_POSITION);
    assert_non_null(strstr(err.cause, "the journal has no records from 200 to 999"));
}

// R2
static void the_first_record_of_a_time_is_that_of_both(void **state) {
    rig *r = *state;
    int64_t found;
    must_read(r, 0, 1500);
    must(rwd_journal_settle(r->journal, &err));
    r->topic->low = 1000;
    for (int64_t time = -5000; time < RECORDS * 1000; time += 7919) {
        int64_t wanted = 0;
        while (wanted < RECORDS && (!r->topic->all[wanted].is || r->topic->all[wanted].time_us < time)) wanted++;
        must(r->source->ops->offset_for(r->source, time, &found, &err));
        assert_int_equal(found, wanted);
    }
    r->topic->away = true;
    must(r->source->ops->offset_for(r->source, 1000000, &found, &err));
    assert_true(found >= 1000 && found <= 1010);
    assert_false(r->source->ops->offset_for(r->source, 2000000, &found, &err));
    assert_int_equal(err.code, RWD_E_BROKER);
}

// A reader beside the owner takes what that writes, and appends nothing.
static void a_reader_appends_nothing(void **state) {
    rig *r = *state;
    rwd_journal_stats before, after;
    must_read(r, 0, 1000);
    must(rwd_journal_confirm(r->journal, &err));
    rwd_journal_get_stats(r->journal, &before);
    rwd_journal *reader, *owner = r->journal;
    must(rwd_journal_open_reader(r->root, r->options.repository, 0, test_tier_new(), r->clock, &reader, &err));
    rwd_journaled_source_use(r->source, reader);
    must_read(r, 0, RECORDS);
    rwd_journaled_source_use(r->source, owner);
    rwd_journal_close(reader);
    rwd_journal_get_stats(r->journal, &after);
    assert_memory_equal(&before, &after, sizeof before);
}

// Random reads, losses, restarts and absences: what comes is right, or it stops and says why.
static void whatever_was_lost_what_comes_is_right(void **state) {
    rig *r = *state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        test_random random = {seed * 101};
        for (int step = 0; step < 25; step++) {
            int64_t from = (int64_t)test_random_below(&random, RECORDS), at, until = from + (int64_t)test_random_below(&random, 700);
            switch (test_random_below(&random, 6)) {
            case 0: restart(r); break;
            case 1: compact(r->topic, from, from + 40 < RECORDS ? from + 40 : RECORDS); break;
            case 2: r->topic->away = !r->topic->away; break;
            case 3: r->topic->batch_max = 1 + test_random_below(&random, 64); break;
            default:
                // A record that is gone from the topic before the journal had it is a hole that nobody sees: then nothing can be claimed.
                for (int64_t o = 0; o < RECORDS; o++) {
                    int64_t ignored;
                    if (r->topic->all[o].gone && !rwd_journal_covers(r->journal, o, &ignored)) r->topic->all[o].gone = false;
                }
                if (until > RECORDS) until = RECORDS;
                if (go_to(r, from)) must(read_to(r, from, until, 3, &at));
                else assert_int_equal(err.code, RWD_E_BROKER);
            }
        }
        r->topic->away = false;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_read_comes_from_the_journal_and_the_topic_is_not_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(holes_are_filled_from_the_topic_and_the_seams_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_that_comes_again_and_is_another_stops_it, setup, teardown),
        cmocka_unit_test_setup_teardown(fewer_records_than_the_journal_has_are_no_difference, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_broker_the_journal_is_read_and_then_it_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_range_that_neither_has_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_record_of_a_time_is_that_of_both, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_appends_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(whatever_was_lost_what_comes_is_right, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
