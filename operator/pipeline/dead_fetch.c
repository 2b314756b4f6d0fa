// Bytes of dead letters (dead_fetch.h).
//
// What must stay true: offsets are asked for in rising order, so the source is read in one pass; it is gone to anew only where the next offset is far. The dead-letter output is read from
// its beginning, once for all items of a fetch that were found nowhere else.
#include "operator/pipeline/dead_fetch.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/kafka/consumer.h"
#include "operator/pipeline/rooms.h"
#include "operator/sink/kafka_record.h"
#include "operator/source/journaled.h"
#include "state/budget.h"

#define FAR 20000                     // offsets that are read through rather than gone past
#define WAIT_NS 100000000             // for one batch
#define EMPTY_MAX 50                  // batches without a record until the source is taken not to have it
#define LINE_MAX_BYTES (192u << 20)   // of a dead-letter file: a longer line is passed over

struct rwd_dead_fetcher {
    const rwd_job *job;
    rwd_repo *repo;
    rwd_io *io;
    rwd_clock *clock;
    rwd_budget budget;
    rwd_source *source;               // NULL: it cannot be opened
    rwd_journal *journal;             // NULL: there is none
    rwd_buf known;
    bool assigned;
    int64_t next;                     // the source stands there
    rwd_batch batch;                  // in hand
    size_t at;
};

static const char *const found_names[] = {NULL, "journal", "source", "output"};
const char *rwd_dead_found_name(rwd_dead_found found) { return found_names[found]; }

// ---------------------------------------------------------------------------------------------- life

static bool open_source(rwd_dead_fetcher *f, rwd_error *err) {
    rwd_known_source(f->job, f->repo, &f->known);
    if (!rwd_open_known_source(f->job, f->io, f->clock, &f->budget, rwd_buf_slice(&f->known), &f->source, err)) return false;
    if (!f->job->source.topic || f->job->journal.mode != RWD_JOURNAL_ON) return true;
    if (!rwd_open_journal_of(f->repo, f->io, f->clock, &f->journal, err)) return false;
    rwd_journaled_source_use(f->source, f->journal);
    return true;
}

bool rwd_dead_fetcher_open(const rwd_job *job, rwd_repo *repo, rwd_io *io, rwd_clock *clock, rwd_dead_fetcher **out, rwd_error *err) {
    rwd_dead_fetcher *f = rwd_calloc(1, sizeof *f);
    *f = (rwd_dead_fetcher){.job = job, .repo = repo, .io = io, .clock = clock};
    rwd_error why;
    if (!rwd_budget_init(&f->budget, RWD_BUDGET_MIN, err)) {
        rwd_dead_fetcher_close(f);
        return false;
    }
    if (!open_source(f, &why)) {   // the dead-letter output may have them
        rwd_log_error(RWD_LOG_WARN, "dlq", &why);
        if (f->source) f->source->ops->close(f->source);
        f->source = NULL;
    }
    *out = f;
    return true;
}

static void release(rwd_dead_fetcher *f) {
    if (f->source) f->source->ops->release(f->source);
    f->batch = (rwd_batch){0};
    f->at = 0;
}

void rwd_dead_fetcher_close(rwd_dead_fetcher *f) {
    if (!f) return;
    release(f);
    if (f->source && f->journal) rwd_journaled_source_use(f->source, NULL);
    rwd_journal_close(f->journal);
    if (f->source) f->source->ops->close(f->source);
    rwd_buf_deinit(&f->known);
    free(f);
}

const char *rwd_dead_fetcher_origin(const rwd_dead_fetcher *f) { return f->source && f->source->ops->origin ? f->source->ops->origin(f->source) : NULL; }

const char *const *rwd_dead_fetcher_columns(const rwd_dead_fetcher *f, size_t *out_count) {
    *out_count = 0;
    return f->source ? f->source->ops->columns(f->source, out_count) : NULL;
}

// ---------------------------------------------------------------------------------------------- the source

// The cursor of the newest checkpoint at or below `offset`, from which a file is read on; -1: from its beginning.
static bool nearest_cursor(rwd_dead_fetcher *f, int64_t offset, int64_t *out_at, rwd_buf *cursor, rwd_error *err) {
    rwd_checkpoint_list list = {0};
    *out_at = -1;
    if (!rwd_repo_list(f->repo, &list, err)) return false;
    for (size_t i = 0; i < list.count; i++) {
        const rwd_facts *facts = &list.items[i].facts;
        if (facts->next_offset > offset || facts->next_offset <= *out_at || facts->cursor.size == 0) continue;
        *out_at = facts->next_offset;
        rwd_buf_clear(cursor);
        rwd_buf_append_slice(cursor, facts->cursor);
    }
    rwd_checkpoint_list_deinit(&list);
    return true;
}

static bool go_to(rwd_dead_fetcher *f, int64_t offset, rwd_error *err) {
    rwd_buf cursor = {0};
    int64_t at = offset;
    bool ok = true;
    release(f);
    if (!f->job->source.topic) ok = nearest_cursor(f, offset, &at, &cursor, err);
    if (at < 0) at = 0;
    ok = ok && f->source->ops->assign(f->source, at, rwd_buf_slice(&cursor), err);
    rwd_buf_deinit(&cursor);
    f->assigned = ok;
    f->next = at;
    return ok;
}

static bool next_batch(rwd_dead_fetcher *f, bool *out_more, rwd_error *err) {
    *out_more = true;
    for (unsigned empty = 0; *out_more && f->at == f->batch.count; empty++) {
        release(f);
        if (!f->source->ops->batch(f->source, RWD_BATCH_MAX, WAIT_NS, &f->batch, err)) return false;
        bool over = f->batch.end || rwd_source_is_alone(f->source) || empty == EMPTY_MAX;
        *out_more = f->batch.count > 0 || !over;
    }
    return true;
}

// The record at `offset`, in the batch in hand; NULL: there is none.
static bool find_record(rwd_dead_fetcher *f, int64_t offset, const rwd_record **out, rwd_error *err) {
    *out = NULL;
    if ((!f->assigned || offset < f->next || offset - f->next > FAR) && !go_to(f, offset, err)) return false;
    for (bool more = true; more;) {
        if (!next_batch(f, &more, err)) return false;
        for (; more && f->at < f->batch.count && f->batch.records[f->at].offset < offset; f->at++) f->next = f->batch.records[f->at].offset + 1;
        if (f->at == f->batch.count) continue;
        if (f->batch.records[f->at].offset == offset) *out = &f->batch.records[f->at];
        return true;
    }
    return true;
}

static rwd_slice keep(rwd_arena *arena, const void *data, size_t size) {
    uint8_t *at = rwd_arena_alloc(arena, size + RWD_RECORD_PADDING);
    if (size) memcpy(at, data, size);
    memset(at + size, 0, RWD_RECORD_PADDING);
    return rwd_slice_of(at, size);
}

// All of a value, also where the source hands out its beginning only.
static bool keep_value(rwd_dead_fetcher *f, const rwd_record *record, rwd_dead_item *item, rwd_arena *arena, rwd_error *err) {
    item->has_value = record->value.data != NULL;
    item->full_size = record->full_size;
    if (!item->has_value) return true;
    if (record->full_size <= record->value.size || record->full_size > RWD_DEAD_FETCH_BYTES) {
        item->value = keep(arena, record->value.data, record->value.size);
        return true;
    }
    uint8_t *at = rwd_arena_alloc(arena, (size_t)record->full_size + RWD_RECORD_PADDING);
    memset(at + record->full_size, 0, RWD_RECORD_PADDING);
    item->value = rwd_slice_of(at, (size_t)record->full_size);
    return f->source->ops->read_back(f->source, record, 0, at, (size_t)record->full_size, err);
}

static bool take_record(rwd_dead_fetcher *f, const rwd_record *record, rwd_dead_item *item, rwd_arena *arena, rwd_error *err) {
    int64_t until;
    item->has_key = record->key.data != NULL;
    if (item->has_key) item->key = keep(arena, record->key.data, record->key.size);
    if (record->raw.data) item->raw = keep(arena, record->raw.data, record->raw.size);
    item->time_us = record->time_us;
    item->found = f->journal && rwd_journal_covers(f->journal, record->offset, &until) ? RWD_DEAD_IN_JOURNAL : RWD_DEAD_IN_SOURCE;
    return keep_value(f, record, item, arena, err);
}

// What the source cannot give is looked for elsewhere, whatever the reason.
static void fetch_from_source(rwd_dead_fetcher *f, rwd_dead_item *item, rwd_arena *arena) {
    const rwd_record *record;
    rwd_error why;
    if (!f->source || item->entry.id.inserted != RWD_DEAD_RECORD) return;
    bool ok = find_record(f, item->entry.id.offset, &record, &why);
    if (ok && record && rwd_hash128_equal(record->hash, item->entry.hash)) ok = take_record(f, record, item, arena, &why);
    if (ok) return;
    rwd_log_error(RWD_LOG_DEBUG, "dlq", &why);
    f->assigned = false;
    release(f);
    item->found = RWD_DEAD_NOWHERE;
}

// ---------------------------------------------------------------------------------------------- the dead-letter output

typedef struct wanted {
    rwd_dead_item *items;
    size_t count, missing;
    rwd_arena *arena;
} wanted;

// The first item with this id, found nowhere yet.
static rwd_dead_item *wanted_item(const wanted *w, int64_t offset, uint32_t ordinal) {
    rwd_dead_id id = {.offset = offset, .inserted = RWD_DEAD_RECORD, .ordinal = ordinal};
    size_t low = 0, high = w->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rwd_dead_id_compare(&w->items[middle].entry.id, &id) < 0) low = middle + 1;
        else high = middle;
    }
    bool here = low < w->count && rwd_dead_id_compare(&w->items[low].entry.id, &id) == 0 && w->items[low].found == RWD_DEAD_NOWHERE;
    return here ? &w->items[low] : NULL;
}

static bool number_behind(rwd_slice line, const char *name, uint64_t *out) {
    char word[32];
    int size = snprintf(word, sizeof word, ",\"%s\":", name);
    const uint8_t *at = memmem(line.data, line.size, word, (size_t)size);
    if (!at) return false;
    *out = 0;
    for (at += size; at < line.data + line.size && *at >= '0' && *at <= '9' && *out < UINT64_MAX / 16; at++) *out = *out * 10 + (uint64_t)(*at - '0');
    return true;
}

// One line as operator/sink/dead_letter_text.c writes it: names of members stand in no text of it, for quotes are escaped there; `value` is the last one.
static void take_line(wanted *w, rwd_slice line) {
    static const char member[] = ",\"value\":\"";
    uint64_t offset, ordinal, size;
    if (!number_behind(line, "offset", &offset) || offset > INT64_MAX) return;
    if (!number_behind(line, "ordinal", &ordinal)) ordinal = RWD_DEAD_WHOLE;
    rwd_dead_item *item = wanted_item(w, (int64_t)offset, (uint32_t)ordinal);
    const uint8_t *value = item ? memmem(line.data, line.size, member, sizeof member - 1) : NULL;
    if (!value || line.size < 2 || memcmp(line.data + line.size - 2, "\"}", 2) != 0 || !number_behind(line, "size", &size)) return;
    value += sizeof member - 1;
    rwd_buf bytes = {0};
    size_t encoded = (size_t)(line.data + line.size - 2 - value);
    if (rwd_base64_decode(rwd_slice_of(value, encoded), &bytes) && bytes.size == size &&
        rwd_hash128_equal(rwd_hash128_of(bytes.data, bytes.size, offset), item->entry.hash)) {
        item->found = RWD_DEAD_IN_OUTPUT;
        item->has_value = true;
        item->value = keep(w->arena, bytes.data, bytes.size);
        item->full_size = bytes.size;
        w->missing--;
    }
    rwd_buf_deinit(&bytes);
}

static bool read_file(const char *path, wanted *w, rwd_error *err) {
    if (!rwd_path_exists(path)) return true;
    FILE *file = fopen(path, "re");
    if (!file) {
        (void)rwd_fail_errno(err, errno, "cannot read the dead letters");
        return rwd_error_at(err, "%s", path);
    }
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t size; w->missing > 0 && (size = getline(&line, &capacity, file)) > 0;)
        if ((size_t)size < LINE_MAX_BYTES) take_line(w, rwd_slice_of(line, (size_t)size - (line[size - 1] == '\n')));
    free(line);
    (void)fclose(file);
    return true;
}

static bool header_number(rwd_slice raw, const char *name, uint64_t *out) {
    rwd_slice text;
    char digits[24];
    if (!rwd_kafka_record_header(raw, rwd_slice_str(name), &text) || text.size == 0 || text.size >= sizeof digits) return false;
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    char *end;
    *out = strtoull(digits, &end, 10);
    return *end == '\0';
}

static bool header_is(rwd_slice raw, const char *name, const char *text) {
    rwd_slice found;
    return rwd_kafka_record_header(raw, rwd_slice_str(name), &found) && rwd_slice_equal(found, rwd_slice_str(text));
}

static void take_message(const rwd_job *job, wanted *w, const rwd_kafka_record *record) {
    uint64_t offset, ordinal, partition, size;
    char hash[RWD_HASH128_HEX];
    if (!header_number(record->raw, RWD_HEADER_DEAD_OFFSET, &offset) || offset > INT64_MAX) return;
    if (!header_number(record->raw, RWD_HEADER_DEAD_ORDINAL, &ordinal)) ordinal = RWD_DEAD_WHOLE;
    rwd_dead_item *item = wanted_item(w, (int64_t)offset, (uint32_t)ordinal);
    if (!item) return;
    rwd_hash128_hex(item->entry.hash, hash);
    if (!header_is(record->raw, RWD_HEADER_DEAD_HASH, hash) || (job->source.topic && !header_is(record->raw, RWD_HEADER_DEAD_TOPIC, job->source.topic))) return;
    if (job->source.topic && (!header_number(record->raw, RWD_HEADER_DEAD_PARTITION, &partition) || partition != job->source.partition)) return;
    if (header_number(record->raw, RWD_HEADER_DEAD_KEY_SIZE, &size)) return;  // with a cut key it is another record
    item->found = RWD_DEAD_IN_OUTPUT;
    item->has_key = record->key.data != NULL;
    if (item->has_key) item->key = keep(w->arena, record->key.data, record->key.size);
    item->has_value = record->value.data != NULL;
    if (item->has_value) item->value = keep(w->arena, record->value.data, record->value.size);
    item->full_size = header_number(record->raw, RWD_HEADER_DEAD_SIZE, &size) ? size : record->value.size;
    item->time_us = record->time_ms < 0 ? RWD_TIME_NONE : record->time_ms * 1000;
    w->missing--;
}

static bool read_partition(const rwd_dead_fetcher *f, rwd_kafka_consumer *consumer, wanted *w, rwd_error *err) {
    int64_t low, high, next;
    if (!rwd_kafka_consumer_bounds(consumer, &low, &high, err) || !rwd_kafka_consumer_assign(consumer, low, err)) return false;
    rwd_kafka_batch batch;
    unsigned empty = 0;
    for (next = low; next < high && w->missing > 0 && empty < EMPTY_MAX;) {
        if (!rwd_kafka_consumer_batch(consumer, RWD_KAFKA_BATCH_MAX, WAIT_NS, &batch, err)) return false;
        for (size_t i = 0; i < batch.count; i++) take_message(f->job, w, &batch.records[i]);
        if (batch.count > 0) next = batch.records[batch.count - 1].offset + 1;
        empty = batch.count > 0 ? 0 : empty + 1;
        if (batch.count == 0 && batch.end) break;
    }
    return true;
}

static bool read_topic(const rwd_dead_fetcher *f, wanted *w, rwd_error *err) {
    rwd_kafka_settings settings = rwd_kafka_settings_of(f->job, f->budget.total);
    int partitions = 1;
    for (int i = 0; i < partitions && w->missing > 0; i++) {
        rwd_kafka_consumer *consumer;
        if (!rwd_kafka_consumer_open(&settings, f->job->dead_letter_topic, (unsigned)i, f->clock, &consumer, err)) return false;
        bool ok = rwd_kafka_consumer_partitions(consumer, &partitions, err) && read_partition(f, consumer, w, err);
        rwd_kafka_consumer_close(consumer);
        if (!ok) return false;
    }
    return true;
}

static bool fetch_from_output(const rwd_dead_fetcher *f, wanted *w, rwd_error *err) {
    if (w->missing == 0) return true;
    if (f->job->dead_letter_path) return read_file(f->job->dead_letter_path, w, err);
    return !f->job->dead_letter_topic || read_topic(f, w, err);
}

bool rwd_dead_fetch(rwd_dead_fetcher *f, rwd_dead_item *items, size_t count, rwd_arena *arena, size_t *out_done, rwd_error *err) {
    assert(count > 0);
    wanted w = {.items = items, .arena = arena};
    for (; w.count < count && (w.count == 0 || arena->used < RWD_DEAD_FETCH_BYTES); w.count++) {
        rwd_dead_item *item = &items[w.count];
        *item = (rwd_dead_item){.entry = item->entry, .time_us = RWD_TIME_NONE};
        fetch_from_source(f, item, arena);
        w.missing += item->found == RWD_DEAD_NOWHERE;
    }
    *out_done = w.count;
    return fetch_from_output(f, &w, err);
}
