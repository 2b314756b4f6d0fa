// A list of records as a source. Offsets are the caller's, so gaps are as easy as they are in Kafka.
#include "operator/source/memory.h"

#include <assert.h>
#include <stdlib.h>

typedef struct memory_source {
    rwd_source base;
    rwd_record *records;   // each value is an allocation of its own
    size_t count, capacity;
    size_t batch_max;
    size_t next;           // first record that was not handed out
    int64_t assigned_offset;
} memory_source;

#define CURSOR_SIZE 8

static bool memory_identity(rwd_source *self, rwd_buf *out, rwd_hash128 *out_hash, rwd_error *err) {
    (void)self, (void)err;
    rwd_buf_append_str(out, "memory");
    *out_hash = rwd_hash128_of("memory", 6, 0);
    return true;
}

static bool memory_check_identity(rwd_source *self, rwd_slice stored, rwd_error *err) {
    (void)self;
    return rwd_slice_equal(stored, rwd_slice_str("memory")) || rwd_fail(err, RWD_E_SOURCE_CHANGED, "this is not the source in memory");
}

static bool memory_bounds(rwd_source *self, int64_t *out_low, int64_t *out_high, rwd_error *err) {
    (void)err;
    const memory_source *source = (const memory_source *)self;
    *out_low = source->count ? source->records[0].offset : 0;
    *out_high = source->count ? source->records[source->count - 1].offset + 1 : 0;
    return true;
}

static bool memory_assign(rwd_source *self, int64_t offset, rwd_slice cursor, rwd_error *err) {
    memory_source *source = (memory_source *)self;
    if (cursor.size > 0 && (cursor.size != CURSOR_SIZE || (int64_t)rwd_get_le64(cursor.data) != offset))
        return rwd_fail(err, RWD_E_POSITION, "the cursor does not stand at offset %lld", (long long)offset);
    source->assigned_offset = offset;
    source->next = 0;
    while (source->next < source->count && source->records[source->next].offset < offset) source->next++;
    return true;
}

static bool memory_batch(rwd_source *self, size_t max, int64_t timeout_ns, rwd_batch *out, rwd_error *err) {
    (void)timeout_ns, (void)err;
    memory_source *source = (memory_source *)self;
    size_t left = source->count - source->next, count = max < source->batch_max ? max : source->batch_max;
    if (count > left) count = left;
    *out = (rwd_batch){source->records + source->next, count, count == left};
    source->next += count;
    return true;
}

static void memory_release(rwd_source *self) { (void)self; }

static bool memory_cursor(rwd_source *self, const rwd_record *last, rwd_buf *out, rwd_error *err) {
    (void)err;
    uint8_t bytes[CURSOR_SIZE];
    rwd_put_le64(bytes, (uint64_t)(last ? last->offset + 1 : ((memory_source *)self)->assigned_offset));
    rwd_buf_append(out, bytes, sizeof bytes);
    return true;
}

static bool memory_read_back(rwd_source *self, const rwd_record *record, uint64_t at, void *out, size_t size, rwd_error *err) {
    (void)self, (void)err;
    assert(at <= record->value.size && size <= record->value.size - at);
    if (size) memcpy(out, record->value.data + at, size);
    return true;
}

static const char *memory_label(const rwd_source *self) {
    (void)self;
    return "memory";
}

static void memory_progress(const rwd_source *self, uint64_t *out_done, uint64_t *out_total) {
    const memory_source *source = (const memory_source *)self;
    *out_done = *out_total = 0;
    for (size_t i = 0; i < source->count; i++) {
        if (i < source->next) *out_done += source->records[i].full_size;
        *out_total += source->records[i].full_size;
    }
}

static const char *const *memory_columns(const rwd_source *self, size_t *out_count) {
    (void)self;
    *out_count = 0;
    return NULL;
}

static void memory_close(rwd_source *self) {
    memory_source *source = (memory_source *)self;
    for (size_t i = 0; i < source->count; i++) free((uint8_t *)(uintptr_t)source->records[i].value.data);
    free(source->records);
    free(source);
}

static const rwd_source_ops memory_source_ops = {
    .name = "memory",
    .identity = memory_identity,
    .check_identity = memory_check_identity,
    .bounds = memory_bounds,
    .assign = memory_assign,
    .batch = memory_batch,
    .release = memory_release,
    .cursor = memory_cursor,
    .read_back = memory_read_back,
    .label = memory_label,
    .progress = memory_progress,
    .columns = memory_columns,
    .close = memory_close,
};

// Records of the batch in hand are handed out by address: append between batches.
void rwd_memory_source_append(rwd_source *self, const rwd_memory_record *records, size_t count) {
    memory_source *source = (memory_source *)self;
    if (source->count + count > source->capacity) {
        source->capacity = (source->count + count) * 2;
        source->records = rwd_realloc(source->records, source->capacity * sizeof *source->records);
    }
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(records[i].value);
        uint8_t *value = rwd_calloc(1, size + RWD_RECORD_PADDING);
        memcpy(value, records[i].value, size);
        assert(source->count == 0 || records[i].offset > source->records[source->count - 1].offset);
        source->records[source->count++] = (rwd_record){
            .offset = records[i].offset,
            .time_us = records[i].time_us,
            .value = rwd_slice_of(value, size),
            .full_size = size,
            .hash = rwd_hash128_of(value, size, (uint64_t)records[i].offset),
            .fault = RWD_E_NONE,
        };
    }
}

rwd_source *rwd_memory_source_new(const rwd_memory_record *records, size_t count, size_t batch_max) {
    assert(batch_max > 0);
    memory_source *source = rwd_calloc(1, sizeof *source);
    source->base.ops = &memory_source_ops;
    source->batch_max = batch_max;
    rwd_memory_source_append(&source->base, records, count);
    return &source->base;
}
