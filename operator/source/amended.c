// Amendments between a source and the pipeline (amended.h).
//
// What must stay true: `next` is the first amendment that has not acted; all below it lie below the position. Of the batch in hand either nothing is amended, and it is the source's own, or each
// record is a copy, and `behind` has the source's own one, which alone knows cursor and bytes.
#include "operator/source/amended.h"

#include <assert.h>
#include <stdlib.h>

// An amendment with its bytes as a decoder wants them.
typedef struct mark {
    rwd_amend_kind kind;
    int64_t at;
    bool has_key, has_value;
    rwd_slice key, value;    // in the arena; padded
    int64_t time_us;
} mark;

typedef struct amended {
    rwd_source base;         // first
    rwd_source_ops ops;      // without what the source behind lacks
    rwd_source *inner;
    uint64_t max_size;
    mark *marks;
    size_t count, next;
    rwd_arena bytes;
    rwd_record *records;     // of the batch in hand, where any is amended
    const rwd_record **behind;
    size_t held, capacity;
} amended;

static amended *self_of(const rwd_source *source) { return (amended *)(uintptr_t)source; }

// ---- records

static bool no_header(const rwd_record *record, rwd_slice name, rwd_slice *out) {
    (void)record, (void)name, (void)out;
    return false;
}

static rwd_record *add(amended *self, const rwd_record *own) {
    if (self->held == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : RWD_BATCH_MAX;
        self->records = rwd_realloc(self->records, self->capacity * sizeof(*self->records));
        self->behind = rwd_realloc(self->behind, self->capacity * sizeof(*self->behind));
    }
    rwd_record *at = &self->records[self->held];
    self->behind[self->held++] = own;
    *at = *own;
    return at;
}

static void set_value(const amended *self, const mark *m, rwd_record *out) {
    out->value = m->value;
    out->full_size = m->value.size;
    out->tombstone = !m->has_value;
    out->fault = m->value.size > self->max_size ? RWD_E_TOO_LARGE : RWD_E_NONE;
}

static void set_key_and_time(const mark *m, rwd_record *out) {
    if (m->has_key) out->key = m->key;
    if (m->time_us != RWD_TIME_NONE) out->time_us = m->time_us;
}

// Time and place are those of the record that it stands before; key and headers are not.
static void insert(amended *self, const mark *m, const rwd_record *own) {
    rwd_record *at = add(self, own);
    at->amended = RWD_AMENDED_INSERTED;
    at->key = at->raw = rwd_slice_of(NULL, 0);
    if (at->header) at->header = no_header;
    at->hash = rwd_hash128_of(m->value.data, m->value.size, (uint64_t)own->offset);
    set_value(self, m, at);
    set_key_and_time(m, at);
}

static void replace(const amended *self, const mark *m, rwd_record *record) {
    record->amended = RWD_AMENDED_REPLACED;
    if (m->has_value) set_value(self, m, record);
    set_key_and_time(m, record);
}

// What acts at one record, and the record.
static void take(amended *self, const rwd_record *own) {
    size_t first = self->next;
    for (; self->next < self->count && self->marks[self->next].at <= own->offset; self->next++) {
        const mark *m = &self->marks[self->next];
        if (m->kind == RWD_AMEND_INSERT) insert(self, m, own);
    }
    rwd_record *record = add(self, own);
    for (size_t i = first; i < self->next; i++) {
        const mark *m = &self->marks[i];
        if (m->at < own->offset || m->kind == RWD_AMEND_INSERT) continue;
        if (m->kind == RWD_AMEND_SKIP) record->amended = RWD_AMENDED_SKIPPED;
        else replace(self, m, record);
    }
}

// ---- batches

static bool amended_batch(rwd_source *source, size_t max, int64_t timeout_ns, rwd_batch *out, rwd_error *err) {
    amended *self = self_of(source);
    self->held = 0;
    if (!self->inner->ops->batch(self->inner, max, timeout_ns, out, err)) return false;
    if (out->count == 0 || self->next == self->count || self->marks[self->next].at > out->records[out->count - 1].offset) return true;
    for (size_t i = 0; i < out->count; i++) take(self, &out->records[i]);
    assert(self->records[self->held - 1].amended != RWD_AMENDED_INSERTED);
    out->records = self->records;
    out->count = self->held;
    return true;
}

static void amended_release(rwd_source *source) {
    amended *self = self_of(source);
    self->held = 0;
    self->inner->ops->release(self->inner);
}

// The source's own record behind one of the batch in hand.
static const rwd_record *own_of(const amended *self, const rwd_record *record) {
    return self->held > 0 ? self->behind[record - self->records] : record;
}

static bool amended_cursor(rwd_source *source, const rwd_record *last, rwd_buf *out, rwd_error *err) {
    const amended *self = self_of(source);
    assert(!last || last->amended != RWD_AMENDED_INSERTED);
    return self->inner->ops->cursor(self->inner, last ? own_of(self, last) : NULL, out, err);
}

static bool amended_read_back(rwd_source *source, const rwd_record *record, uint64_t at, void *out, size_t size, rwd_error *err) {
    const amended *self = self_of(source);
    const rwd_record *own = own_of(self, record);
    if (record->amended != RWD_AMENDED_INSERTED && record->value.data == own->value.data) return self->inner->ops->read_back(self->inner, own, at, out, size, err);
    assert(at <= record->value.size && size <= record->value.size - at);
    if (size > 0) memcpy(out, record->value.data + at, size);
    return true;
}

// L6: position X covers the amendments below it.
static bool amended_assign(rwd_source *source, int64_t offset, rwd_slice cursor, rwd_error *err) {
    amended *self = self_of(source);
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->marks[middle].at < offset) low = middle + 1;
        else high = middle;
    }
    self->next = low;
    self->held = 0;
    return self->inner->ops->assign(self->inner, offset, cursor, err);
}

// ---- what the source behind says for itself

static bool amended_identity(rwd_source *source, rwd_buf *out, rwd_hash128 *out_hash, rwd_error *err) {
    return self_of(source)->inner->ops->identity(self_of(source)->inner, out, out_hash, err);
}

static bool amended_check_identity(rwd_source *source, rwd_slice stored, rwd_error *err) {
    return self_of(source)->inner->ops->check_identity(self_of(source)->inner, stored, err);
}

static bool amended_bounds(rwd_source *source, int64_t *out_low, int64_t *out_high, rwd_error *err) {
    return self_of(source)->inner->ops->bounds(self_of(source)->inner, out_low, out_high, err);
}

static bool amended_start(rwd_source *source, int64_t *out, rwd_error *err) {
    return self_of(source)->inner->ops->start(self_of(source)->inner, out, err);
}

static bool amended_offset_for(rwd_source *source, int64_t time_us, int64_t *out, rwd_error *err) {
    return self_of(source)->inner->ops->offset_for(self_of(source)->inner, time_us, out, err);
}

static bool amended_from_raw(rwd_source *source, int64_t offset, rwd_slice raw, rwd_record *out, rwd_error *err) {
    return self_of(source)->inner->ops->from_raw(self_of(source)->inner, offset, raw, out, err);
}

static const char *amended_origin(const rwd_source *source) { return self_of(source)->inner->ops->origin(self_of(source)->inner); }
static unsigned amended_partitions(const rwd_source *source) { return self_of(source)->inner->ops->partitions(self_of(source)->inner); }
static const char *amended_label(const rwd_source *source) { return self_of(source)->inner->ops->label(self_of(source)->inner); }
static void amended_outlook(rwd_source *source, rwd_outlook *out) { self_of(source)->inner->ops->outlook(self_of(source)->inner, out); }
static void amended_show(rwd_source *source, int64_t offset) { self_of(source)->inner->ops->show(self_of(source)->inner, offset); }

static void amended_progress(const rwd_source *source, uint64_t *out_done, uint64_t *out_total) {
    self_of(source)->inner->ops->progress(self_of(source)->inner, out_done, out_total);
}

static const char *const *amended_columns(const rwd_source *source, size_t *out_count) {
    return self_of(source)->inner->ops->columns(self_of(source)->inner, out_count);
}

static void amended_close(rwd_source *source) {
    amended *self = self_of(source);
    self->inner->ops->close(self->inner);
    free(self->marks);
    free(self->records);
    free(self->behind);
    rwd_arena_deinit(&self->bytes);
    free(self);
}

static rwd_source_ops ops_of(const rwd_source *inner) {
    const rwd_source_ops *has = inner->ops;
    return (rwd_source_ops){
        .name = has->name,
        .identity = amended_identity,
        .check_identity = amended_check_identity,
        .bounds = amended_bounds,
        .start = has->start ? amended_start : NULL,
        .offset_for = has->offset_for ? amended_offset_for : NULL,
        .assign = amended_assign,
        .batch = amended_batch,
        .release = amended_release,
        .cursor = amended_cursor,
        .read_back = amended_read_back,
        .from_raw = has->from_raw ? amended_from_raw : NULL,
        .partitions = has->partitions ? amended_partitions : NULL,
        .origin = has->origin ? amended_origin : NULL,
        .label = amended_label,
        .progress = amended_progress,
        .outlook = has->outlook ? amended_outlook : NULL,
        .show = has->show ? amended_show : NULL,
        .columns = amended_columns,
        .close = amended_close,
    };
}

rwd_source *rwd_amended_source_new(rwd_source *inner, uint64_t max_size) {
    amended *self = rwd_calloc(1, sizeof(*self));
    self->ops = ops_of(inner);
    self->base.ops = &self->ops;
    self->inner = inner;
    self->max_size = max_size;
    return &self->base;
}

static rwd_slice padded(amended *self, const rwd_buf *from) {
    uint8_t *at = rwd_arena_alloc(&self->bytes, from->size + RWD_RECORD_PADDING);
    if (from->size > 0) memcpy(at, from->data, from->size);
    memset(at + from->size, 0, RWD_RECORD_PADDING);
    return rwd_slice_of(at, from->size);
}

void rwd_amended_source_use(rwd_source *source, const rwd_amendment *amendments, size_t count) {
    amended *self = self_of(source);
    assert(self->held == 0 && "release the last batch first");
    rwd_arena_reset(&self->bytes);
    free(self->marks);
    self->marks = count > 0 ? rwd_calloc(count, sizeof(*self->marks)) : NULL;
    self->count = self->next = count;  // none acts before the next assign
    for (size_t i = 0; i < count; i++) {
        const rwd_amendment *a = &amendments[i];
        assert(i == 0 || amendments[i - 1].at <= a->at);
        self->marks[i] = (mark){.kind = a->kind, .at = a->at, .has_key = a->has_key, .has_value = a->has_value, .time_us = a->time_us};
        if (a->has_key) self->marks[i].key = padded(self, &a->key);
        if (a->has_value) self->marks[i].value = padded(self, &a->value);
    }
}
