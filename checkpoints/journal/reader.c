// Reading from an offset on, with several runs of blocks in flight.
//
// What must stay true: `wanted` is where the next run to be asked for begins, `position` where the caller stands; the slots between hold runs in order.
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>

#include "checkpoints/journal/journal_private.h"

#define AHEAD 4u

typedef struct slot {
    rwd_io_op op;
    rwd_buf bytes;
    rwd_journal_name name;
    rwd_journal_entry entry;
    char path[RWD_PATH_MAX];
    int fd;
    bool own_open;          // the segment is the one being written
} slot;

struct rwd_journal_reader {
    rwd_journal *journal;
    rwd_io_queue *queue;
    slot slots[AHEAD];
    uint64_t begun, done;   // slots
    int64_t wanted, position;
    uint64_t at;            // in the oldest slot: bytes of blocks that were given already
    rwd_buf plain;
    rwd_journal_record *records;
    size_t capacity;
};

bool rwd_journal_reader_open(rwd_journal *journal, int64_t offset, rwd_journal_reader **out, rwd_error *err) {
    rwd_journal_reader *r = rwd_calloc(1, sizeof(*r));
    r->journal = journal;
    r->wanted = r->position = offset;
    for (size_t i = 0; i < AHEAD; i++) r->slots[i].fd = -1;
    if (!rwd_io_queue_open(journal->read_io, &(rwd_io_queue_options){.depth = AHEAD}, &r->queue, err)) {
        free(r);
        return false;
    }
    *out = r;
    return true;
}

static void end_slot(rwd_journal_reader *r) {
    slot *s = &r->slots[r->done % AHEAD];
    rwd_io_close(r->journal->read_io, s->fd);
    s->fd = -1;
    r->done++;
    r->at = 0;
}

static void drop_slots(rwd_journal_reader *r) {
    rwd_io_cancel(r->queue);
    while (r->done < r->begun) end_slot(r);
    r->wanted = r->position;
}

void rwd_journal_reader_close(rwd_journal_reader *r) {
    if (!r) return;
    drop_slots(r);
    rwd_io_queue_close(r->queue);
    for (size_t i = 0; i < AHEAD; i++) rwd_buf_deinit(&r->slots[i].bytes);
    rwd_buf_deinit(&r->plain);
    free(r->records);
    free(r);
}

// Where the run that covers `wanted` is. False: there is none.
static bool find_run(rwd_journal_reader *r, slot *s, char file[96]) {
    rwd_journal *j = r->journal;
    size_t segment = 0;
    pthread_mutex_lock(&j->mutex);
    const rwd_journal_entry *entry = rwd_journal_lookup(j, r->wanted, &segment);
    if (entry) {
        s->entry = *entry;
        s->name = j->segments[segment].name;
        s->own_open = j->segments[segment].open;
        memcpy(file, j->segments[segment].file, 96);
    }
    pthread_mutex_unlock(&j->mutex);
    return entry != NULL;
}

// The file went since it was found: its owner deleted it, or somebody did. What it covered is a hole, or in an older segment.
static void forget(rwd_journal *j, const rwd_journal_name *name) {
    pthread_mutex_lock(&j->mutex);
    rwd_journal_segment *s = rwd_journal_segment_find(j, name);
    if (s) rwd_journal_segment_drop(j, s);
    pthread_mutex_unlock(&j->mutex);
}

static bool read_ahead(rwd_journal_reader *r, rwd_error *err) {
    while (r->begun - r->done < AHEAD) {
        slot *s = &r->slots[r->begun % AHEAD];
        char file[96];
        rwd_error why;
        if (!find_run(r, s, file)) return true;
        if (!rwd_journal_path(r->journal, file, s->path, err)) return false;
        if (!rwd_io_open(r->journal->read_io, s->path, O_RDONLY, 0, &s->fd, &why)) {
            if (why.code == RWD_E_NOT_FOUND && !s->own_open) {
                forget(r->journal, &s->name);
                continue;
            }
            if (err) *err = why;
            return false;
        }
        rwd_buf_clear(&s->bytes);
        rwd_buf_reserve(&s->bytes, s->entry.size);
        s->op = (rwd_io_op){.kind = RWD_IO_READ, .fd = s->fd, .data = s->bytes.data, .size = s->entry.size, .offset = s->entry.at};
        rwd_io_op *op = &s->op;
        rwd_io_submit(r->queue, &op, 1);
        r->begun++;
        r->wanted = s->entry.next;
    }
    return true;
}

static bool of_segment(const rwd_journal_block *b, const rwd_journal_name *name) {
    return rwd_hash128_equal(b->name.repository, name->repository) && b->name.term == name->term && b->name.number == name->number;
}

// The block at `at` of the oldest slot, taken apart into r->records; `*size` is how many bytes it has. False: it is bad.
static bool take_block(rwd_journal_reader *r, rwd_slice bytes, const rwd_journal_name *name, rwd_journal_block *out, uint64_t *size) {
    if (bytes.size < RWD_JOURNAL_HEADER || rwd_journal_block_get(bytes.data, out) != RWD_JOURNAL_HEADER_GOOD || !of_segment(out, name)) return false;
    if (out->stored > bytes.size - RWD_JOURNAL_HEADER) return false;
    *size = RWD_JOURNAL_HEADER + (uint64_t)out->stored;
    if (out->next <= r->position) return true;  // below what is wanted: its records are not looked at
    if (!rwd_journal_payload_get(out, rwd_slice_of(bytes.data + RWD_JOURNAL_HEADER, out->stored), &r->plain)) return false;
    if (out->count > r->capacity) {
        r->capacity = out->count;
        r->records = rwd_realloc(r->records, r->capacity * sizeof(*r->records));
    }
    return rwd_journal_records_get(out, rwd_slice_of(r->plain.data, out->plain), r->records);
}

typedef enum step { GIVEN, AGAIN, NOTHING, REFUSED } step;

// What is good of that run stays in the index; the rest is a hole from now on.
static step give_up_run(rwd_journal_reader *r, rwd_error *err) {
    slot *s = &r->slots[r->done % AHEAD];
    rwd_journal_name name = s->name;
    uint64_t at = s->entry.at;
    drop_slots(r);
    return rwd_journal_rescan(r->journal, r->journal->read_io, &name, at, err) ? AGAIN : REFUSED;
}

static step next_block(rwd_journal_reader *r, const rwd_journal_record **out, size_t *out_count, rwd_error *err) {
    if (!read_ahead(r, err)) return REFUSED;
    if (r->done == r->begun) return NOTHING;
    slot *s = &r->slots[r->done % AHEAD];
    rwd_io_await(r->queue, &s->op);
    if (!rwd_io_check(&s->op, s->path, err)) return REFUSED;
    rwd_journal_block block;
    uint64_t size = 0, have = (uint64_t)s->op.result;
    rwd_slice rest = rwd_slice_of(s->bytes.data + r->at, have > r->at ? (size_t)(have - r->at) : 0);
    if (!take_block(r, rest, &s->name, &block, &size) || block.from > r->position) return give_up_run(r, err);
    r->at += size;
    if (r->at >= s->entry.size) end_slot(r);
    if (block.next <= r->position) return AGAIN;
    size_t first = 0;
    while (first < block.count && r->records[first].offset < r->position) first++;
    *out = r->records + first;
    *out_count = block.count - first;
    r->position = block.next;
    return GIVEN;
}

bool rwd_journal_read(rwd_journal_reader *r, const rwd_journal_record **out, size_t *out_count, int64_t *out_next, rwd_error *err) {
    *out = NULL;
    *out_count = 0;
    step s;
    do s = next_block(r, out, out_count, err);
    while (s == AGAIN);
    *out_next = r->position;
    return s != REFUSED;
}

// ---- the last record below an offset

// Where the run that covers `offset` begins, or -1.
static int64_t run_begin(rwd_journal *j, int64_t offset) {
    size_t segment = 0;
    pthread_mutex_lock(&j->mutex);
    const rwd_journal_entry *entry = rwd_journal_lookup(j, offset, &segment);
    int64_t from = entry ? entry->from : -1;
    pthread_mutex_unlock(&j->mutex);
    return from;
}

// Records of [from, until), the last one kept. `out_end`: how far the journal goes on from `from`.
static bool keep_last(rwd_journal *j, int64_t from, int64_t until, rwd_buf *bytes, rwd_journal_record *last, int64_t *out_end, rwd_error *err) {
    rwd_journal_reader *r;
    const rwd_journal_record *records;
    size_t count;
    int64_t before = from;
    bool ok = true;
    if (!rwd_journal_reader_open(j, from, &r, err)) return false;
    do {
        before = r->position;
        ok = rwd_journal_read(r, &records, &count, out_end, err);
        while (count > 0 && records[count - 1].offset >= until) count--;
        if (!ok || count == 0) continue;
        rwd_buf_clear(bytes);
        rwd_buf_append_slice(bytes, records[count - 1].raw);
        *last = records[count - 1];
    } while (ok && *out_end < until && *out_end != before);
    rwd_journal_reader_close(r);
    return ok;
}

bool rwd_journal_last(rwd_journal *j, int64_t from, int64_t until, rwd_buf *bytes, rwd_journal_record *out, rwd_error *err) {
    out->offset = -1;
    for (int64_t end = until; end > from;) {
        int64_t begin = run_begin(j, end - 1), reached;
        if (begin < 0) break;
        if (begin < from) begin = from;
        if (!keep_last(j, begin, end, bytes, out, &reached, err)) return false;
        if (reached < end) break;  // a part of it turned out bad
        if (out->offset >= 0) {
            out->raw = rwd_buf_slice(bytes);
            return true;
        }
        end = begin;
    }
    return rwd_fail(err, RWD_E_NOT_FOUND, "the journal has no record there");
}

// ---- the first record at or after a time

// Where the next run at or above `at` begins that may hold one. -1: none does. `out_next`: where it ends.
static int64_t next_with_time(rwd_journal *j, int64_t at, int64_t time_us, int64_t *out_next) {
    int64_t best = -1;
    pthread_mutex_lock(&j->mutex);
    for (size_t i = 0; i < j->segment_count; i++) {
        const rwd_journal_entries *entries = &j->segments[i].entries;
        for (size_t k = 0; k < entries->count; k++) {
            const rwd_journal_entry *e = &entries->items[k];
            int64_t from = e->from > at ? e->from : at;
            if (e->max_time == INT64_MIN || e->max_time < time_us || e->next <= at || (best >= 0 && from >= best)) continue;
            best = from;
            *out_next = e->next;
        }
    }
    pthread_mutex_unlock(&j->mutex);
    return best;
}

// The first record of [from, next) at or after the time, or -1.
static bool first_with_time(rwd_journal *j, int64_t from, int64_t next, int64_t time_us, int64_t *out, rwd_error *err) {
    rwd_journal_reader *r;
    int64_t at = from, before;
    bool ok = true;
    *out = -1;
    if (!rwd_journal_reader_open(j, from, &r, err)) return false;
    do {
        const rwd_journal_record *records;
        size_t count;
        before = at;
        ok = rwd_journal_read(r, &records, &count, &at, err);
        for (size_t i = 0; ok && i < count && *out < 0 && records[i].offset < next; i++)
            if (records[i].time_us != INT64_MIN && records[i].time_us >= time_us) *out = records[i].offset;
    } while (ok && *out < 0 && at < next && at != before);
    rwd_journal_reader_close(r);
    return ok;
}

bool rwd_journal_offset_for(rwd_journal *j, int64_t from, int64_t time_us, int64_t *out, rwd_error *err) {
    int64_t next = 0;
    *out = -1;
    for (int64_t at = next_with_time(j, from, time_us, &next); at >= 0; at = next_with_time(j, next, time_us, &next)) {
        if (!first_with_time(j, at, next, time_us, out, err)) return false;
        if (*out >= 0) return true;
    }
    return true;
}
