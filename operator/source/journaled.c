// Journal first, then the source behind it (journaled.h).
//
// J3: a record that comes from the source behind although the journal has it, at the end of a hole, is compared with it.
//
// What must stay true: `position` is behind the last record that was handed out, or further where there is known to be none; `inner_at` is where the source behind
// stands (-1: nowhere), and it is asked only where that is `position`; the journal's own position is `inner_at` whenever records were appended.
#include "operator/source/journaled.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/log.h"

_Static_assert(RWD_JOURNAL_PADDING >= RWD_RECORD_PADDING, "what the decoder may read is there");

typedef struct journaled {
    rwd_source base;  // first
    rwd_source *inner;
    rwd_journal *journal;
    rwd_journal_reader *reader;   // where reading is in the journal
    const rwd_journal_record *kept;  // of the block in hand: what was not handed out yet
    size_t kept_count;
    int64_t kept_next;            // behind the block in hand
    int64_t position;
    int64_t inner_at;
    int64_t next_covered;         // while the source behind is read: where the journal goes on; INT64_MAX: nowhere
    rwd_buf assigned;             // the cursor of the last assign
    int64_t assigned_at;
    rwd_record last;              // before position: offset, time, hash
    bool has_last;
    rwd_record records[RWD_BATCH_MAX];
    rwd_journal_record appended[RWD_BATCH_MAX];
    const rwd_record *handed;     // the batch in hand
    size_t held;
    bool holds_inner;
    bool waiting;                 // it was said that the journal has come to its end and nobody answers
} journaled;

static journaled *self_of(const rwd_source *source) { return (journaled *)(uintptr_t)source; }

// The journal is ours to append to; else it is another's, and only read.
static bool is_kept(const journaled *self) { return self->journal && !rwd_journal_is_reader(self->journal); }

// ---- which records were handed out last

static void remember(journaled *self, const rwd_record *record) {
    self->last = (rwd_record){.offset = record->offset, .time_us = record->time_us, .hash = record->hash};
    self->has_last = true;
}

static bool journaled_cursor(rwd_source *source, const rwd_record *last, rwd_buf *out, rwd_error *err) {
    journaled *self = self_of(source);
    if (!last && self->has_last) last = &self->last;
    if (last || self->assigned.size == 0) return self->inner->ops->cursor(self->inner, last, out, err);
    rwd_buf_append_slice(out, rwd_buf_slice(&self->assigned));
    return true;
}

// ---- going over to the source behind

// The cursor with which the source behind begins at `offset`; empty where the record right before that is not known, so that there is nothing to compare.
static bool seam_cursor(journaled *self, int64_t offset, rwd_buf *out, rwd_error *err) {
    rwd_journal_record found;
    rwd_record record;
    rwd_error none;
    rwd_buf bytes = {0};
    if (!self->has_last && offset == self->assigned_at) {
        rwd_buf_append_slice(out, rwd_buf_slice(&self->assigned));
        return true;
    }
    if (self->has_last && self->last.offset == offset - 1) return self->inner->ops->cursor(self->inner, &self->last, out, err);
    bool ok = true;
    if (rwd_journal_last(self->journal, offset - 1, offset, &bytes, &found, &none)) {
        static const uint8_t padding[RWD_RECORD_PADDING];
        size_t size = bytes.size;
        rwd_buf_append(&bytes, padding, sizeof padding);
        ok = self->inner->ops->from_raw(self->inner, found.offset, rwd_slice_of(bytes.data, size), &record, err) &&
             self->inner->ops->cursor(self->inner, &record, out, err);
    }
    rwd_buf_deinit(&bytes);
    return ok;
}

// What the journal lacks, in words, where the source behind does not have it either.
static bool name_hole(const journaled *self, int64_t offset, rwd_error *err) {
    int64_t until;
    rwd_error inner = *err;
    if (inner.code != RWD_E_POSITION) return false;
    bool covered = rwd_journal_covers(self->journal, offset, &until);
    rwd_journal_stats stats;
    rwd_journal_get_stats(self->journal, &stats);
    if (covered || stats.first < 0) return false;
    char to[32] = "";
    if (until != INT64_MAX) (void)snprintf(to, sizeof to, " to %" PRId64, until - 1);
    (void)rwd_fail(err, RWD_E_POSITION, "%.400s; and the journal has no records from %" PRId64 "%s", inner.cause, offset, to);
    (void)rwd_error_at(err, "%s", inner.place);
    return rwd_error_next(err, "%s", inner.next);
}

// The source behind stands at `offset`.
static bool assign_inner(journaled *self, int64_t offset, rwd_slice cursor, rwd_error *err) {
    if (self->inner_at == offset) return true;
    self->inner_at = -1;
    if (!self->inner->ops->assign(self->inner, offset, cursor, err)) return self->journal ? name_hole(self, offset, err) : false;
    self->inner_at = offset;
    return true;
}

typedef enum answer { ANSWERED, NOBODY, REFUSED } answer;

// Has the source behind go to `offset`, comparing the record before it. NOBODY: `why` says so.
static answer ask_behind(journaled *self, int64_t offset, rwd_error *why) {
    rwd_buf cursor = {0};
    if (self->inner_at == offset) return ANSWERED;
    bool known = seam_cursor(self, offset, &cursor, why);
    bool there = known && assign_inner(self, offset, rwd_buf_slice(&cursor), why);
    rwd_buf_deinit(&cursor);
    return there ? ANSWERED : known && why->decision == RWD_RETRY ? NOBODY : REFUSED;
}

// Ahead of the replay: is what lies behind the journal's end still what it was? Without an answer that is asked later.
static bool look_behind(journaled *self, int64_t until, rwd_error *err) {
    rwd_error why;
    answer got = ask_behind(self, until, &why);
    if (got == NOBODY)
        rwd_log(RWD_LOG_WARN, "journal", "no broker answers: records below offset %" PRId64 " come from the journal, and then one is waited for", until);
    if (got == REFUSED && err) *err = why;
    return got != REFUSED;
}

static void leave_journal(journaled *self) {
    rwd_journal_reader_close(self->reader);
    self->reader = NULL;
    self->kept = NULL;
    self->kept_count = 0;
}

// Reading goes on at `position`: in the journal, if it covers that.
static bool enter(journaled *self, bool *out_inside, rwd_error *err) {
    int64_t until;
    leave_journal(self);
    *out_inside = rwd_journal_covers(self->journal, self->position, &until);
    if (!*out_inside && rwd_journal_is_reader(self->journal)) {
        if (!rwd_journal_refresh(self->journal, err)) return false;
        *out_inside = rwd_journal_covers(self->journal, self->position, &until);
    }
    self->next_covered = *out_inside ? INT64_MAX : until;
    return !*out_inside || (look_behind(self, until, err) && rwd_journal_reader_open(self->journal, self->position, &self->reader, err));
}

static bool journaled_assign(rwd_source *source, int64_t offset, rwd_slice cursor, rwd_error *err) {
    journaled *self = self_of(source);
    bool inside = false;
    assert(self->held == 0 && "release the last batch first");
    leave_journal(self);
    self->position = self->assigned_at = self->kept_next = offset;
    self->has_last = false;
    rwd_buf_clear(&self->assigned);
    rwd_buf_append_slice(&self->assigned, cursor);
    self->next_covered = INT64_MAX;
    if (!self->journal) self->inner_at = -1;
    else if (is_kept(self) && !rwd_journal_settle(self->journal, err)) return false;  // what was appended just now is to be read again, too
    // Without a cursor a job begins: nothing that lies there can be its own. A reader knows whose journal it is.
    if (self->journal && (cursor.size > 0 || !is_kept(self)) && !enter(self, &inside, err)) return false;
    return inside || assign_inner(self, offset, cursor, err);
}

// ---- batches

// Hands out what is left of the block in hand.
static bool give_kept(journaled *self, size_t max, rwd_batch *out, rwd_error *err) {
    size_t count = self->kept_count < max ? self->kept_count : max;
    for (size_t i = 0; i < count; i++)
        if (!self->inner->ops->from_raw(self->inner, self->kept[i].offset, self->kept[i].raw, &self->records[i], err)) return false;
    self->kept += count;
    self->kept_count -= count;
    self->handed = self->records;
    self->held = count;
    *out = (rwd_batch){self->records, count, false};
    return true;
}

// The next batch from the journal. An empty one, and no reader: it ends, or has a hole, at `position`.
static bool read_journal(journaled *self, size_t max, rwd_batch *out, rwd_error *err) {
    while (self->reader) {
        if (self->kept_count > 0) return give_kept(self, max, out, err);
        if (self->kept_next > self->position) self->position = self->kept_next;
        int64_t before = self->position;
        if (!rwd_journal_read(self->reader, &self->kept, &self->kept_count, &self->kept_next, err)) return false;
        if (self->kept_next == before) leave_journal(self);
    }
    return true;
}

// The journal has nothing at `position`. True, and not there: nobody answers now.
static bool go_behind(journaled *self, bool *out_there, rwd_error *err) {
    rwd_error why;
    answer got = ask_behind(self, self->position, &why);
    *out_there = got == ANSWERED;
    if (got == NOBODY && !self->waiting) rwd_log_error(RWD_LOG_WARN, "journal", &why);
    self->waiting = got == NOBODY;
    if (got == REFUSED && err) *err = why;
    return got != REFUSED;
}

// J3: what the journal covers is not taken from behind it.
static size_t cut_at_covered(const journaled *self, const rwd_batch *batch) {
    size_t count = batch->count;
    while (count > 0 && batch->records[count - 1].offset >= self->next_covered) count--;
    return count;
}

static bool append(journaled *self, const rwd_batch *batch, size_t count, rwd_error *err) {
    if (!is_kept(self)) return true;
    if (rwd_journal_position(self->journal) != self->position) rwd_journal_begin(self->journal, self->position);
    for (size_t i = 0; i < count; i++)
        self->appended[i] = (rwd_journal_record){batch->records[i].offset, batch->records[i].time_us, batch->records[i].raw};
    return rwd_journal_append(self->journal, self->appended, count, err);
}

// There is no record below where the journal goes on.
static void pass_to_covered(journaled *self) {
    if (is_kept(self)) rwd_journal_pass(self->journal, self->next_covered);
    self->kept_next = self->next_covered;
}

static bool differs(const journaled *self, const rwd_record *record, bool known, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_SOURCE_CHANGED, known ? "the record at offset %" PRId64 " is not the one that the journal has" :
                   "the topic has a record at offset %" PRId64 ", and had none when the journal was written", record->offset);
    (void)rwd_error_next(err, "put back the topic that was there; or start over with another `group` and other output topics");
    return rwd_error_at(err, "%s", self->inner->ops->label(self->inner));
}

// Those of `records` that lie below `next` beside the journal's of the same offsets. `*at` goes on.
static bool compare_block(const journaled *self, const rwd_record *records, size_t count, size_t *at, const rwd_journal_record *kept, size_t kept_count, int64_t next, rwd_error *err) {
    for (size_t k = 0; *at < count && records[*at].offset < next; ++*at) {
        const rwd_record *record = &records[*at];
        while (k < kept_count && kept[k].offset < record->offset) k++;
        bool known = k < kept_count && kept[k].offset == record->offset;
        if (!known || kept[k].time_us != record->time_us || !rwd_slice_equal(kept[k].raw, record->raw)) return differs(self, record, known, err);
    }
    return true;
}

// J3: what came although the journal has it. The topic may hold less by now (compaction), but nothing else.
static bool compare_refetched(const journaled *self, const rwd_record *records, size_t count, rwd_error *err) {
    rwd_journal_reader *reader;
    int64_t next = self->next_covered, before;
    size_t at = 0;
    bool ok = true;
    if (count == 0) return true;
    if (!rwd_journal_reader_open(self->journal, next, &reader, err)) return false;
    do {
        const rwd_journal_record *kept;
        size_t kept_count;
        before = next;
        ok = rwd_journal_read(reader, &kept, &kept_count, &next, err) && compare_block(self, records, count, &at, kept, kept_count, next, err);
    } while (ok && at < count && next != before);
    rwd_journal_reader_close(reader);
    return ok;
}

// The topic has nothing more, and the journal has: what is between was compacted away, or the topic lost its end.
static bool end_of_hole(journaled *self, rwd_error *err) {
    int64_t low, high;
    if (!self->inner->ops->bounds(self->inner, &low, &high, err)) return false;
    if (high >= self->next_covered) {
        if (is_kept(self) && rwd_journal_position(self->journal) != self->position) rwd_journal_begin(self->journal, self->position);
        pass_to_covered(self);
        return true;
    }
    (void)rwd_fail(err, RWD_E_SOURCE_CHANGED, "the topic ends at offset %" PRId64 ", and the journal has records from %" PRId64 " on: it lost its end, or was made anew",
                   high, self->next_covered);
    (void)rwd_error_next(err, "put back the topic that was there; or start over with another `group` and other output topics");
    return rwd_error_at(err, "%s", self->inner->ops->label(self->inner));
}

static bool read_inner(journaled *self, size_t max, int64_t timeout_ns, rwd_batch *out, rwd_error *err) {
    if (!self->inner->ops->batch(self->inner, max, timeout_ns, out, err)) return false;
    size_t count = cut_at_covered(self, out), all = out->count;
    self->holds_inner = true;
    if (all == 0) {
        bool ends = out->end && self->next_covered != INT64_MAX;
        out->end = out->end && !ends;
        return !ends || end_of_hole(self, err);
    }
    self->inner_at = -1;  // behind this batch, or after an error nowhere
    if (!compare_refetched(self, out->records + count, all - count, err) || !append(self, out, count, err)) return false;
    self->handed = out->records;
    self->held = count;
    self->inner_at = out->records[all - 1].offset + 1;
    if (count == all) return true;
    // The hole is filled up to where the journal goes on.
    pass_to_covered(self);
    *out = (rwd_batch){out->records, count, false};
    return true;
}

static bool through_journal(journaled *self, size_t max, int64_t timeout_ns, rwd_batch *out, rwd_error *err) {
    bool there, inside, was_inside = self->reader != NULL;
    if (!read_journal(self, max, out, err)) return false;
    if (self->held > 0) return true;
    // Behind the end of what is covered there may be more: a hole that ended here, or one that begins and must not be read beyond its end.
    if (was_inside || self->position == self->next_covered || self->inner_at != self->position) {
        if (!enter(self, &inside, err)) return false;
        if (inside) return read_journal(self, max, out, err);
    }
    return go_behind(self, &there, err) && (!there || read_inner(self, max, timeout_ns, out, err));
}

static bool journaled_batch(rwd_source *source, size_t max, int64_t timeout_ns, rwd_batch *out, rwd_error *err) {
    journaled *self = self_of(source);
    assert(self->held == 0 && "release the last batch first");
    *out = (rwd_batch){self->records, 0, false};
    if (self->journal) return through_journal(self, max, timeout_ns, out, err);
    if (!self->inner->ops->batch(self->inner, max, timeout_ns, out, err)) return false;
    self->holds_inner = true;
    self->handed = out->records;
    self->held = out->count;
    return true;
}

static void journaled_release(rwd_source *source) {
    journaled *self = self_of(source);
    if (self->held > 0) {
        remember(self, &self->handed[self->held - 1]);
        self->position = self->last.offset + 1;
    }
    if (self->holds_inner) self->inner->ops->release(self->inner);
    if (self->kept_count == 0 && self->kept_next > self->position) self->position = self->kept_next;
    self->held = 0;
    self->holds_inner = false;
}

static bool journaled_read_back(rwd_source *source, const rwd_record *record, uint64_t at, void *out, size_t size, rwd_error *err) {
    return self_of(source)->inner->ops->read_back(self_of(source)->inner, record, at, out, size, err);
}

// ---- what the source behind says for itself

static bool journaled_identity(rwd_source *source, rwd_buf *out, rwd_hash128 *out_hash, rwd_error *err) {
    return self_of(source)->inner->ops->identity(self_of(source)->inner, out, out_hash, err);
}

static bool journaled_check_identity(rwd_source *source, rwd_slice stored, rwd_error *err) {
    return self_of(source)->inner->ops->check_identity(self_of(source)->inner, stored, err);
}

static bool journaled_bounds(rwd_source *source, int64_t *out_low, int64_t *out_high, rwd_error *err) {
    return self_of(source)->inner->ops->bounds(self_of(source)->inner, out_low, out_high, err);
}

static bool journaled_start(rwd_source *source, int64_t *out, rwd_error *err) {
    int64_t high;
    rwd_source *inner = self_of(source)->inner;
    return inner->ops->start ? inner->ops->start(inner, out, err) : inner->ops->bounds(inner, out, &high, err);
}

static bool journaled_from_raw(rwd_source *source, int64_t offset, rwd_slice raw, rwd_record *out, rwd_error *err) {
    return self_of(source)->inner->ops->from_raw(self_of(source)->inner, offset, raw, out, err);
}

// R2: the first record of both. What the topic does not hold any more, the journal may; where no broker answers, it alone is asked.
static bool journaled_offset_for(rwd_source *source, int64_t time_us, int64_t *out, rwd_error *err) {
    journaled *self = self_of(source);
    rwd_error why;
    int64_t own = -1;
    if (self->journal && !rwd_journal_offset_for(self->journal, 0, time_us, &own, err)) return false;
    if (self->inner->ops->offset_for(self->inner, time_us, out, &why)) {
        if (own >= 0 && own < *out) *out = own;
        return true;
    }
    bool away = why.decision == RWD_RETRY && own >= 0;
    if (!away && err) *err = why;
    if (away) rwd_log_error(RWD_LOG_WARN, "journal", &why);
    if (away) rwd_log(RWD_LOG_WARN, "journal", "the first record of that time is looked for in the journal alone");
    *out = own;
    return away;
}

static void journaled_show(rwd_source *source, int64_t offset) {
    rwd_source *inner = self_of(source)->inner;
    if (inner->ops->show) inner->ops->show(inner, offset);
}

static const char *journaled_origin(const rwd_source *source) {
    const rwd_source *inner = self_of(source)->inner;
    return inner->ops->origin ? inner->ops->origin(inner) : NULL;
}

static unsigned journaled_partitions(const rwd_source *source) {
    const rwd_source *inner = self_of(source)->inner;
    return inner->ops->partitions ? inner->ops->partitions(inner) : 1;
}

static const char *journaled_label(const rwd_source *source) { return self_of(source)->inner->ops->label(self_of(source)->inner); }

static void journaled_progress(const rwd_source *source, uint64_t *out_done, uint64_t *out_total) {
    self_of(source)->inner->ops->progress(self_of(source)->inner, out_done, out_total);
}

static void journaled_outlook(rwd_source *source, rwd_outlook *out) {
    rwd_source *inner = self_of(source)->inner;
    *out = (rwd_outlook){.begin = -1, .end = -1};
    if (inner->ops->outlook) inner->ops->outlook(inner, out);
}

static const char *const *journaled_columns(const rwd_source *source, size_t *out_count) {
    return self_of(source)->inner->ops->columns(self_of(source)->inner, out_count);
}

static void journaled_close(rwd_source *source) {
    journaled *self = self_of(source);
    leave_journal(self);
    self->inner->ops->close(self->inner);
    rwd_buf_deinit(&self->assigned);
    free(self);
}

static const rwd_source_ops journaled_ops = {
    .name = "journaled",
    .identity = journaled_identity,
    .check_identity = journaled_check_identity,
    .bounds = journaled_bounds,
    .start = journaled_start,
    .offset_for = journaled_offset_for,
    .assign = journaled_assign,
    .batch = journaled_batch,
    .release = journaled_release,
    .cursor = journaled_cursor,
    .read_back = journaled_read_back,
    .from_raw = journaled_from_raw,
    .partitions = journaled_partitions, .origin = journaled_origin,
    .label = journaled_label,
    .progress = journaled_progress,
    .outlook = journaled_outlook,
    .show = journaled_show,
    .columns = journaled_columns,
    .close = journaled_close,
};

rwd_source *rwd_journaled_source_new(rwd_source *inner) {
    assert(inner->ops->from_raw && inner->ops->offset_for);
    journaled *self = rwd_calloc(1, sizeof(*self));
    self->base.ops = &journaled_ops;
    self->inner = inner;
    self->inner_at = -1;
    return &self->base;
}

void rwd_journaled_source_use(rwd_source *source, rwd_journal *journal) {
    journaled *self = self_of(source);
    assert(self->held == 0);
    leave_journal(self);
    self->journal = journal;
    self->inner_at = -1;
}
