// The index on disk: which runs of blocks the durable segments have, so that opening a large journal need not walk through all of its headers.
//
// <data>/journal.index is a frame "RWJI", version 1, of little-endian numbers: repository (16 bytes), count of segments; for each segment term, number, size of the file, count of entries; for each
// entry from, next, place, size, least and greatest record time, blocks, records.
//
// What must stay true: it is a hint. A segment is in it only when all of it was durable, without damage and without a hole; it is believed only where the file still has that size; what it says is
// checked block by block when it is read, and what turns out wrong is looked at again (rwd_journal_rescan). Without it, or with a bad one, segments are walked through.
#include <inttypes.h>
#include <stdlib.h>

#include "checkpoints/frame.h"
#include "checkpoints/journal/journal_private.h"
#include "operator/base/log.h"

#define MAGIC "RWJI"
#define VERSION 1u
#define NAME "journal.index"
#define NUMBERS 8u  // of an entry

static bool path_of(const rwd_journal *j, char out[RWD_PATH_MAX], rwd_error *err) { return rwd_path_join(out, j->options.data, NAME, err); }

static void put(rwd_buf *out, uint64_t number) {
    uint8_t bytes[8];
    rwd_put_le64(bytes, number);
    rwd_buf_append(out, bytes, sizeof bytes);
}

static bool get(rwd_reader *in, uint64_t *out) {
    rwd_slice bytes;
    if (!rwd_reader_take(in, 8, &bytes)) return false;
    *out = rwd_get_le64(bytes.data);
    return true;
}

// ---- writing

static bool is_whole(const rwd_journal_segment *s) {
    if (!s->durable || s->open || s->part || s->torn || s->entries.count == 0) return false;
    for (size_t i = 1; i < s->entries.count; i++)
        if (s->entries.items[i].from != s->entries.items[i - 1].next) return false;
    return s->entries.items[0].at == 0;
}

static void put_segment(const rwd_journal_segment *s, rwd_buf *out) {
    put(out, s->name.term);
    put(out, s->name.number);
    put(out, s->size);
    put(out, s->entries.count);
    for (size_t i = 0; i < s->entries.count; i++) {
        const rwd_journal_entry *e = &s->entries.items[i];
        const uint64_t numbers[NUMBERS] = {(uint64_t)e->from, (uint64_t)e->next, e->at, e->size, (uint64_t)e->min_time, (uint64_t)e->max_time, e->blocks, e->records};
        for (size_t n = 0; n < NUMBERS; n++) put(out, numbers[n]);
    }
}

// The mutex is held.
static void put_all(const rwd_journal *j, rwd_buf *out) {
    uint8_t repository[16];
    size_t count = 0;
    for (size_t i = 0; i < j->segment_count; i++) count += is_whole(&j->segments[i]);
    rwd_hash128_put(j->options.repository, repository);
    rwd_buf_append(out, repository, sizeof repository);
    put(out, count);
    for (size_t i = 0; i < j->segment_count; i++)
        if (is_whole(&j->segments[i])) put_segment(&j->segments[i], out);
}

static uint32_t add_name(uint32_t sum, uint64_t term, uint64_t number, uint64_t size) {
    uint8_t bytes[24];
    rwd_put_le64(bytes, term);
    rwd_put_le64(bytes + 8, number);
    rwd_put_le64(bytes + 16, size);
    return rwd_crc32c(sum, bytes, sizeof bytes);
}

// Which segments would be in it. The mutex is held.
static uint32_t names_of(const rwd_journal *j) {
    uint32_t sum = 0;
    for (size_t i = 0; i < j->segment_count; i++)
        if (is_whole(&j->segments[i])) sum = add_name(sum, j->segments[i].name.term, j->segments[i].name.number, j->segments[i].size);
    return sum;
}

void rwd_journal_save_index(rwd_journal *j, rwd_io *io) {
    char path[RWD_PATH_MAX];
    rwd_buf payload = {0}, file = {0};
    rwd_error err;
    pthread_mutex_lock(&j->mutex);
    uint32_t names = names_of(j);
    bool changed = names != j->indexed;
    if (changed) put_all(j, &payload);
    j->indexed = names;
    pthread_mutex_unlock(&j->mutex);
    if (changed && payload.size <= RWD_FRAME_PAYLOAD_MAX) {
        rwd_frame_append(&file, MAGIC, VERSION, rwd_buf_slice(&payload));
        if (!path_of(j, path, &err) || !rwd_io_write_file(io, path, rwd_buf_slice(&file), &err)) rwd_log_error(RWD_LOG_WARN, "journal", &err);
    }
    rwd_buf_deinit(&payload);
    rwd_buf_deinit(&file);
}

// ---- reading

static bool get_entry(rwd_reader *in, rwd_journal_entry *out) {
    uint64_t n[NUMBERS];
    for (size_t i = 0; i < NUMBERS; i++)
        if (!get(in, &n[i])) return false;
    *out = (rwd_journal_entry){(int64_t)n[0], (int64_t)n[1], n[2], n[3], (int64_t)n[4], (int64_t)n[5], (uint32_t)n[6], (uint32_t)n[7]};
    return out->from >= 0 && out->from < out->next && out->size > 0 && n[6] <= UINT32_MAX && n[7] <= UINT32_MAX;
}

// Entries stand one behind the other, in the file and in offsets, up to its size.
static bool get_entries(rwd_reader *in, uint64_t count, uint64_t size, rwd_journal_entries *out) {
    uint64_t at = 0;
    if (count > rwd_reader_left(in) / (8 * NUMBERS)) return false;
    out->items = rwd_calloc((size_t)count + 1, sizeof(*out->items));
    out->capacity = (size_t)count + 1;
    for (; out->count < count; out->count++) {
        rwd_journal_entry *e = &out->items[out->count];
        if (!get_entry(in, e) || e->at != at || e->size > size - at || (out->count > 0 && e->from != e[-1].next)) return false;
        at += e->size;
    }
    return count > 0 && at == size;
}

static bool get_segment(rwd_reader *in, rwd_journal_known *out) {
    uint64_t count;
    return get(in, &out->term) && get(in, &out->number) && get(in, &out->size) && get(in, &count) && get_entries(in, count, out->size, &out->entries);
}

static bool get_all(rwd_journal *j, rwd_slice payload) {
    rwd_reader in = rwd_reader_of(payload);
    rwd_slice repository;
    uint64_t count;
    if (!rwd_reader_take(&in, 16, &repository) || !rwd_hash128_equal(rwd_hash128_get(repository.data), j->options.repository) || !get(&in, &count)) return false;
    if (count > rwd_reader_left(&in) / 32) return false;
    j->known = rwd_calloc((size_t)count + 1, sizeof(*j->known));
    for (; j->known_count < count; j->known_count++)
        if (!get_segment(&in, &j->known[j->known_count])) return false;
    return rwd_reader_left(&in) == 0;
}

void rwd_journal_load_index(rwd_journal *j) {
    char path[RWD_PATH_MAX];
    rwd_buf file = {0};
    rwd_slice payload;
    size_t size;
    rwd_error ignored;
    if (!path_of(j, path, &ignored) || !rwd_path_exists(path)) return;
    bool ok = rwd_io_read_file(j->io, path, RWD_FRAME_PAYLOAD_MAX + RWD_FRAME_HEADER, &file, &ignored) &&
              rwd_frame_read(rwd_buf_slice(&file), MAGIC, VERSION, &payload, &size) == RWD_FRAME_WHOLE && get_all(j, payload);
    for (size_t i = 0; ok && i < j->known_count; i++) j->indexed = add_name(j->indexed, j->known[i].term, j->known[i].number, j->known[i].size);
    if (!ok) rwd_journal_forget_index(j);
    rwd_buf_deinit(&file);
}

void rwd_journal_forget_index(rwd_journal *j) {
    for (size_t i = 0; j->known && i <= j->known_count; i++) free(j->known[i].entries.items);  // the last one may be half there
    free(j->known);
    j->known = NULL;
    j->known_count = 0;
}

bool rwd_journal_take_known(rwd_journal *j, rwd_journal_segment *s, uint64_t size) {
    for (size_t i = 0; i < j->known_count; i++) {
        rwd_journal_known *k = &j->known[i];
        if (k->term != s->name.term || k->number != s->name.number || k->size != size || !k->entries.items) continue;
        s->entries = k->entries;
        k->entries = (rwd_journal_entries){0};
        s->size = size;
        s->durable = true;
        return true;
    }
    return false;
}
