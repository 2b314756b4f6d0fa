// Judging and writing what fills holes (fill.h).
#include "checkpoints/journal/fill.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "checkpoints/journal/journal_private.h"
#include "operator/base/crash_point.h"

typedef struct sum {
    uint64_t count;
    rwd_hash128 hash;
} sum;

struct rwd_journal_fill {
    rwd_journal *journal;
    rwd_journal_point *points;
    size_t point_count;
    rwd_journal_fill_range *ranges;  // in order of offsets
    sum *sums;                       // of what was offered for each,
    sum *written_sums;               // and written
    size_t range_count;
    rwd_journal_fill_counts counts;
    int64_t last;                    // offset of the last record; -1: none yet
    size_t range;                    // where the last record was, or is to be looked for
    // What the journal has, beside what is offered.
    rwd_journal_reader *reader;
    const rwd_journal_record *kept;
    size_t kept_count;
    int64_t kept_from, kept_next;    // what `kept` covers
    size_t written;                  // ranges that were begun
    bool open;                       // the last of them is not ended
};

static void add(sum *s, const rwd_journal_record *record) {
    s->count++;
    s->hash = rwd_hash128_add(s->hash, rwd_hash128_of(record->raw.data, record->raw.size, (uint64_t)record->offset));
}

static bool at_journal(const rwd_journal_fill *fill, rwd_error *err) { return rwd_error_at(err, "%s", fill->journal->dir); }

// ---- holes

// [from, next) in pieces that lie between two neighbouring points.
static void add_hole(rwd_journal_fill *fill, int64_t from, int64_t next) {
    for (size_t i = 0; i + 1 < fill->point_count; i++) {
        int64_t low = fill->points[i].offset > from ? fill->points[i].offset : from, high = fill->points[i + 1].offset < next ? fill->points[i + 1].offset : next;
        if (low < high) fill->ranges[fill->range_count++] = (rwd_journal_fill_range){.from = low, .next = high};
    }
}

static void find_holes(rwd_journal_fill *fill) {
    rwd_journal_range *covered;
    size_t count = rwd_journal_ranges(fill->journal, &covered);
    fill->ranges = rwd_calloc(count + fill->point_count + 1, sizeof(*fill->ranges));
    fill->sums = rwd_calloc(count + fill->point_count + 1, sizeof(*fill->sums));
    fill->written_sums = rwd_calloc(count + fill->point_count + 1, sizeof(*fill->written_sums));
    int64_t at = fill->points[0].offset, end = fill->points[fill->point_count - 1].offset;
    for (size_t i = 0; i < count; i++) {
        if (covered[i].from > at) add_hole(fill, at, covered[i].from < end ? covered[i].from : end);
        if (covered[i].next > at) at = covered[i].next;
    }
    if (at < end) add_hole(fill, at, end);
    free(covered);
}

bool rwd_journal_fill_new(rwd_journal *journal, const rwd_journal_point *points, size_t count, rwd_journal_fill **out, rwd_error *err) {
    if (count < 2) {
        (void)rwd_fail(err, RWD_E_NO_CHECKPOINT, "there are no two checkpoints between which the digest of the input is known");
        return rwd_error_at(err, "%s", journal->dir);
    }
    rwd_journal_fill *fill = rwd_calloc(1, sizeof(*fill));
    fill->journal = journal;
    fill->points = rwd_calloc(count, sizeof(*points));
    memcpy(fill->points, points, count * sizeof(*points));
    fill->point_count = count;
    fill->last = fill->kept_from = fill->kept_next = -1;
    find_holes(fill);
    *out = fill;
    return true;
}

void rwd_journal_fill_free(rwd_journal_fill *fill) {
    if (!fill) return;
    rwd_journal_reader_close(fill->reader);
    free(fill->points);
    free(fill->ranges);
    free(fill->sums);
    free(fill->written_sums);
    free(fill);
}

const rwd_journal_fill_range *rwd_journal_fill_ranges(const rwd_journal_fill *fill, size_t *out_count) {
    *out_count = fill->range_count;
    return fill->ranges;
}

rwd_journal_fill_counts rwd_journal_fill_get_counts(const rwd_journal_fill *fill) { return fill->counts; }

// ---- beside what is there

// `kept` is the block that covers `offset`. False: an error.
static bool find_kept(rwd_journal_fill *fill, int64_t offset, rwd_error *err) {
    while (offset < fill->kept_from || offset >= fill->kept_next) {
        if (!fill->reader || offset < fill->kept_from || offset - fill->kept_next > 1000000) {
            rwd_journal_reader_close(fill->reader);
            fill->reader = NULL;
            if (!rwd_journal_reader_open(fill->journal, offset, &fill->reader, err)) return false;
            fill->kept_next = offset;
        }
        fill->kept_from = fill->kept_next;
        if (!rwd_journal_read(fill->reader, &fill->kept, &fill->kept_count, &fill->kept_next, err)) return false;
        if (fill->kept_next > fill->kept_from) continue;
        // A hole before it: begin behind that.
        rwd_journal_reader_close(fill->reader);
        fill->reader = NULL;
        int64_t ignored;
        if (rwd_journal_covers(fill->journal, offset, &ignored)) continue;
        return rwd_fail(err, RWD_E_CORRUPT, "a block around offset %" PRId64 " turned out damaged while it was compared", offset) || at_journal(fill, err);
    }
    return true;
}

static bool compare(rwd_journal_fill *fill, const rwd_journal_record *record, rwd_error *err) {
    if (!find_kept(fill, record->offset, err)) return false;
    size_t i = 0;
    while (i < fill->kept_count && fill->kept[i].offset < record->offset) i++;
    bool known = i < fill->kept_count && fill->kept[i].offset == record->offset;
    fill->counts.there += known;
    if (known && fill->kept[i].time_us == record->time_us && rwd_slice_equal(fill->kept[i].raw, record->raw)) return true;
    (void)rwd_fail(err, RWD_E_SOURCE_CHANGED, known ? "the record at offset %" PRId64 " is not the one that the journal has" :
                   "there is no record at offset %" PRId64 ": the journal covers it", record->offset);
    (void)rwd_error_next(err, "an import fills holes and changes nothing; another record at an offset is an amendment");
    return at_journal(fill, err);
}

// ---- judging

static bool rises(rwd_journal_fill *fill, const rwd_journal_record *record, rwd_error *err) {
    bool ok = record->offset > fill->last || rwd_fail(err, RWD_E_USAGE, "offset %" PRId64 " stands behind offset %" PRId64 ": they must rise", record->offset, fill->last);
    fill->last = record->offset;
    return ok;
}

// The hole that an offset is in, or -1.
static ptrdiff_t hole_of(rwd_journal_fill *fill, int64_t offset) {
    while (fill->range < fill->range_count && fill->ranges[fill->range].next <= offset) fill->range++;
    return fill->range < fill->range_count && fill->ranges[fill->range].from <= offset ? (ptrdiff_t)fill->range : -1;
}

bool rwd_journal_fill_offer(rwd_journal_fill *fill, const rwd_journal_record *record, rwd_error *err) {
    if (!rises(fill, record, err)) return false;
    if (record->offset < fill->points[0].offset || record->offset >= fill->points[fill->point_count - 1].offset) return fill->counts.outside++, true;
    ptrdiff_t hole = hole_of(fill, record->offset);
    if (hole < 0) return compare(fill, record, err);
    add(&fill->sums[hole], record);
    fill->ranges[hole].records++;
    return true;
}

// What the journal has of [from, until), added.
static bool add_kept(rwd_journal_fill *fill, int64_t from, int64_t until, sum *s, rwd_error *err) {
    int64_t end;
    bool ok = true;
    for (int64_t at = from; ok && at < until;) {
        rwd_journal_reader *reader;
        if (!rwd_journal_covers(fill->journal, at, &end)) {
            at = end;
            continue;
        }
        if (!rwd_journal_reader_open(fill->journal, at, &reader, err)) return false;
        for (int64_t before = -1; ok && at < until && at != before;) {
            const rwd_journal_record *records;
            size_t count;
            before = at;
            ok = rwd_journal_read(reader, &records, &count, &at, err);
            for (size_t i = 0; ok && i < count && records[i].offset < until; i++) add(s, &records[i]);
        }
        rwd_journal_reader_close(reader);
    }
    return ok;
}

// The interval between two points, whose holes are ranges [first, last).
static bool judge_interval(rwd_journal_fill *fill, const rwd_journal_point *low, size_t first, size_t last, bool takes_what_fits, rwd_error *err) {
    sum all = {0};
    uint64_t offered = 0;
    if (!add_kept(fill, low[0].offset, low[1].offset, &all, err)) return false;
    for (size_t i = first; i < last; i++) {
        all.count += fill->sums[i].count;
        all.hash = rwd_hash128_add(all.hash, fill->sums[i].hash);
        offered += fill->sums[i].count;
    }
    uint64_t wanted = low[1].count - low[0].count;
    bool fits = all.count == wanted && rwd_hash128_equal(all.hash, rwd_hash128_sub(low[1].hash, low[0].hash));
    for (size_t i = first; i < last; i++) fill->ranges[i].fits = fits;
    if (fits) fill->counts.filled += offered;
    if (fits || offered == 0 || takes_what_fits) return true;  // a hole that nothing was offered for stays one
    (void)rwd_fail(err, RWD_E_SOURCE_CHANGED, "offsets [%" PRId64 ", %" PRId64 ") had %" PRIu64 " records, and have %" PRIu64 " with these%s", low[0].offset, low[1].offset, wanted,
                   all.count, all.count == wanted ? ", with other bytes" : "");
    (void)rwd_error_next(err, "an import must reproduce what was read, from one checkpoint to the next: give all records of that range; other ones are amendments");
    return at_journal(fill, err);
}

bool rwd_journal_fill_judge(rwd_journal_fill *fill, bool takes_what_fits, rwd_error *err) {
    size_t at = 0;
    for (size_t i = 0; i + 1 < fill->point_count; i++) {
        size_t first = at;
        while (at < fill->range_count && fill->ranges[at].next <= fill->points[i + 1].offset) at++;
        if (at > first && !judge_interval(fill, &fill->points[i], first, at, takes_what_fits, err)) return false;
    }
    fill->last = -1;
    fill->range = 0;
    return true;
}

// ---- writing

static void end_range(rwd_journal_fill *fill) {
    if (fill->open) rwd_journal_pass(fill->journal, fill->ranges[fill->written - 1].next);
    fill->open = false;
}

// Begins those up to and with `range`: one in which no record is has none.
static void begin_up_to(rwd_journal_fill *fill, size_t range) {
    for (; fill->written <= range; ) {
        end_range(fill);
        const rwd_journal_fill_range *r = &fill->ranges[fill->written++];
        if (!r->fits) continue;
        if (rwd_journal_position(fill->journal) != r->from) rwd_journal_begin(fill->journal, r->from);
        fill->open = true;
    }
}

bool rwd_journal_fill_write(rwd_journal_fill *fill, const rwd_journal_record *record, rwd_error *err) {
    if (!rises(fill, record, err)) return false;
    ptrdiff_t hole = hole_of(fill, record->offset);
    if (hole < 0 || !fill->ranges[hole].fits) return true;
    begin_up_to(fill, (size_t)hole);
    add(&fill->written_sums[hole], record);
    return rwd_journal_append(fill->journal, record, 1, err);
}

// The records may have changed between the two times that they were read.
static bool is_what_was_judged(const rwd_journal_fill *fill, rwd_error *err) {
    for (size_t i = 0; i < fill->range_count; i++) {
        const sum *a = &fill->sums[i], *b = &fill->written_sums[i];
        if (!fill->ranges[i].fits || (a->count == b->count && rwd_hash128_equal(a->hash, b->hash))) continue;
        (void)rwd_fail(err, RWD_E_SOURCE_CHANGED, "the records of [%" PRId64 ", %" PRId64 ") changed while they were read", fill->ranges[i].from, fill->ranges[i].next);
        return at_journal(fill, err);
    }
    return true;
}

bool rwd_journal_fill_finish(rwd_journal_fill *fill, rwd_error *err) {
    rwd_participant *p = rwd_journal_participant(fill->journal);
    if (fill->range_count > 0) begin_up_to(fill, fill->range_count - 1);
    end_range(fill);
    if (!is_what_was_judged(fill, err)) return false;
    p->ops->freeze(p, INT64_MAX);
    if (!p->ops->write(p, fill->journal->dir, err)) return false;
    RWD_CRASH_POINT(fill_durable);
    return rwd_journal_confirm(fill->journal, err);
}
