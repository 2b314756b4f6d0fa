// The rows of one transaction (transaction.h).
//
// A chunk holds records one behind the other: a header (output, sizes, offset), the key, the row, of a correction the old value, padding to 8 bytes. An item is what is sorted: eight bytes of
// the key as a number, and where the record is. The eight bytes are the ones behind what all keys of the output have in common, so that most comparisons end
// at the number and do not go to the record, which is far away.
//
// What must stay true: equal keys keep the order in which they were put (the sort is stable), so that the last of them is the newest.
#include "operator/sink/transaction.h"

#include <assert.h>
#include <stdlib.h>

#define VANISHED UINT32_MAX
#define NO_OLD UINT32_MAX
#define RUN 12   // items sorted by insertion before runs are merged
#define AHEAD 8  // records fetched into the cache before they are asked for

typedef struct record {
    uint32_t output;
    uint32_t key_size;
    uint32_t row_size;  // VANISHED: no row
    uint32_t old_size;  // NO_OLD: none
    int64_t offset;
    int64_t time_us;
    uint8_t bytes[];    // key, row, old
} record;

typedef struct chunk {
    struct chunk *next;
    size_t used;
    uint8_t bytes[RWD_TRANSACTION_CHUNK] __attribute__((aligned(8)));
} chunk;

_Static_assert(sizeof(record) + RWD_KEY_BYTES_MAX + RWD_ROW_BYTES_MAX + RWD_CORRECTION_OLD_MAX + 8 <= RWD_TRANSACTION_CHUNK, "the largest row fits into a chunk");

typedef struct item {
    uint64_t prefix;
    const record *at;
} item;

struct rwd_transaction {
    rwd_budget *budget;
    chunk *first, *current;  // from first on; those behind current are empty
    uint64_t used;           // bytes of records
    size_t rows;
    int64_t time_us;         // of the rows that are put now
    size_t counts[RWD_SINKS_MAX];
    const record *firsts[RWD_SINKS_MAX];
    size_t common[RWD_SINKS_MAX];  // bytes that all keys of an output begin with
    item *items, *spare;     // items[starts[o]] .. of output o
    size_t capacity;
    size_t starts[RWD_SINKS_MAX];
};

static void take(rwd_transaction *txn, uint64_t bytes) {
    if (txn->budget) rwd_budget_take(txn->budget, RWD_SHARE_SINK, bytes);
}
static void give(rwd_transaction *txn, uint64_t bytes) {
    if (txn->budget) rwd_budget_give(txn->budget, RWD_SHARE_SINK, bytes);
}

rwd_transaction *rwd_transaction_new(rwd_budget *budget) {
    rwd_transaction *txn = rwd_calloc(1, sizeof(*txn));
    txn->budget = budget;
    txn->time_us = RWD_TIME_NONE;
    return txn;
}

void rwd_transaction_free(rwd_transaction *txn) {
    if (!txn) return;
    while (txn->first) {
        chunk *next = txn->first->next;
        free(txn->first);
        give(txn, sizeof(chunk));
        txn->first = next;
    }
    free(txn->items);
    free(txn->spare);
    give(txn, txn->capacity * 2 * sizeof(item));
    free(txn);
}

void rwd_transaction_clear(rwd_transaction *txn) {
    for (chunk *c = txn->first; c; c = c->next) c->used = 0;
    txn->current = txn->first;
    txn->used = 0;
    txn->rows = 0;
    memset(txn->counts, 0, sizeof(txn->counts));
    memset(txn->firsts, 0, sizeof(txn->firsts));
}

// ---- putting

static chunk *chunk_with_room(rwd_transaction *txn, size_t size) {
    chunk *current = txn->current;
    if (current && size <= RWD_TRANSACTION_CHUNK - current->used) return current;
    if (current && current->next) return txn->current = current->next;
    chunk *fresh = rwd_malloc(sizeof(chunk));
    take(txn, sizeof(chunk));
    fresh->next = NULL;
    fresh->used = 0;
    if (current) current->next = fresh;
    else txn->first = fresh;
    return txn->current = fresh;
}

void rwd_transaction_stamp(rwd_transaction *txn, int64_t time_us) { txn->time_us = time_us; }

static size_t size_with(size_t key, uint32_t row, uint32_t old) {
    return (sizeof(record) + key + (row == VANISHED ? 0 : row) + (old == NO_OLD ? 0 : old) + 7) & ~(size_t)7;
}

void rwd_transaction_put(rwd_transaction *txn, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset) {
    rwd_transaction_put_correction(txn, output, key, row, row_size, offset, rwd_slice_of(NULL, 0));
}

void rwd_transaction_put_correction(rwd_transaction *txn, size_t output, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset, rwd_slice old) {
    assert(output < RWD_SINKS_MAX && key.size <= RWD_KEY_BYTES_MAX && row_size <= RWD_ROW_BYTES_MAX);
    size_t copied = row ? row_size : 0;
    uint32_t old_size = old.data && old.size <= RWD_CORRECTION_OLD_MAX ? (uint32_t)old.size : NO_OLD;
    size_t size = size_with(key.size, row ? row_size : VANISHED, old_size);
    chunk *c = chunk_with_room(txn, size);
    record *r = (record *)(void *)(c->bytes + c->used);
    *r = (record){
        .output = (uint32_t)output, .key_size = (uint32_t)key.size, .row_size = row ? row_size : VANISHED, .old_size = old_size, .offset = offset, .time_us = txn->time_us,
    };
    if (key.size) memcpy(r->bytes, key.data, key.size);
    if (copied) memcpy(r->bytes + key.size, row, copied);
    if (old_size != NO_OLD && old_size > 0) memcpy(r->bytes + key.size + copied, old.data, old_size);
    c->used += size;
    txn->used += size;
    txn->rows++;
    txn->counts[output]++;
}

uint64_t rwd_transaction_bytes(const rwd_transaction *txn) { return txn->used + txn->rows * 2 * sizeof(item); }

// ---- ordering

static size_t size_of(const record *r) { return size_with(r->key_size, r->row_size, r->old_size); }

static const record *record_at(const chunk *c, size_t at) { return (const record *)(const void *)(c->bytes + at); }

static uint64_t prefix_of(const record *r, size_t from) {
    uint8_t bytes[8] = {0};
    size_t left = r->key_size - from;
    memcpy(bytes, r->bytes + from, left < 8 ? left : 8);
    return rwd_get_be64(bytes);
}

static inline int compare(const item *a, const item *b) {
    if (a->prefix != b->prefix) return a->prefix < b->prefix ? -1 : 1;
    return rwd_slice_compare(rwd_slice_of(a->at->bytes, a->at->key_size), rwd_slice_of(b->at->bytes, b->at->key_size));
}

static void insertion_sort(item *items, size_t count) {
    for (size_t i = 1; i < count; i++) {
        item moving = items[i];
        size_t at = i;
        for (; at > 0 && compare(&moving, &items[at - 1]) < 0; at--) items[at] = items[at - 1];
        items[at] = moving;
    }
}

static void merge(const item *left, size_t left_count, const item *right, size_t right_count, item *out) {
    const item *left_end = left + left_count, *right_end = right + right_count;
    while (left < left_end && right < right_end) *out++ = compare(right, left) < 0 ? *right++ : *left++;
    memcpy(out, left, (size_t)(left_end - left) * sizeof(item));
    out += left_end - left;
    memcpy(out, right, (size_t)(right_end - right) * sizeof(item));
}

// Stable, bottom up. The result is in `items`.
static void merge_sort(item *items, item *spare, size_t count) {
    for (size_t i = 0; i < count; i += RUN) insertion_sort(items + i, count - i < RUN ? count - i : RUN);
    item *from = items, *to = spare;
    for (size_t width = RUN; width < count; width *= 2) {
        for (size_t i = 0; i < count; i += 2 * width) {
            size_t left = count - i < width ? count - i : width;
            size_t right = count - i - left < width ? count - i - left : width;
            merge(from + i, left, from + i + left, right, to + i);
        }
        item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) memcpy(items, from, count * sizeof(item));
}

static size_t keep_newest(item *items, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && compare(&items[i], &items[i + 1]) == 0) continue;
        items[kept++] = items[i];
    }
    return kept;
}

static void make_room(rwd_transaction *txn) {
    if (txn->rows <= txn->capacity) return;
    free(txn->items);
    free(txn->spare);
    txn->items = rwd_malloc(txn->rows * sizeof(item));
    txn->spare = rwd_malloc(txn->rows * sizeof(item));
    take(txn, (txn->rows - txn->capacity) * 2 * sizeof(item));
    txn->capacity = txn->rows;
}

static void shorten_common(rwd_transaction *txn, const record *r) {
    const record *first = txn->firsts[r->output];
    if (!first) {
        txn->firsts[r->output] = r;
        txn->common[r->output] = r->key_size;
        return;
    }
    size_t *common = &txn->common[r->output];
    if (*common > r->key_size) *common = r->key_size;
    if (memcmp(first->bytes, r->bytes, *common) == 0) return;
    for (size_t i = 0; i < *common; i++) {
        if (first->bytes[i] != r->bytes[i]) *common = i;
    }
}

static void distribute(rwd_transaction *txn) {
    size_t next[RWD_SINKS_MAX], sum = 0;
    for (size_t o = 0; o < RWD_SINKS_MAX; o++) {
        next[o] = txn->starts[o] = sum;
        sum += txn->counts[o];
    }
    assert(sum == txn->rows);
    for (const chunk *c = txn->first; c && c->used > 0; c = c->next) {
        for (size_t at = 0; at < c->used; at += size_of(record_at(c, at))) shorten_common(txn, record_at(c, at));
    }
    for (const chunk *c = txn->first; c && c->used > 0; c = c->next) {
        for (size_t at = 0; at < c->used; at += size_of(record_at(c, at))) {
            const record *r = record_at(c, at);
            txn->items[next[r->output]++] = (item){prefix_of(r, txn->common[r->output]), r};
        }
    }
}

void rwd_transaction_order(rwd_transaction *txn, const bool by_key[RWD_SINKS_MAX]) {
    make_room(txn);
    distribute(txn);
    for (size_t o = 0; o < RWD_SINKS_MAX; o++) {
        if (!by_key[o] || txn->counts[o] < 2) continue;
        item *items = txn->items + txn->starts[o];
        merge_sort(items, txn->spare + txn->starts[o], txn->counts[o]);
        txn->counts[o] = keep_newest(items, txn->counts[o]);
    }
}

size_t rwd_transaction_count(const rwd_transaction *txn, size_t output) { return txn->counts[output]; }

rwd_transaction_row rwd_transaction_at(const rwd_transaction *txn, size_t output, size_t index) {
    assert(index < txn->counts[output]);
    const item *items = txn->items + txn->starts[output];
    const record *r = items[index].at;
    if (index + AHEAD < txn->counts[output]) {
        __builtin_prefetch(items[index + AHEAD].at);
        __builtin_prefetch(items[index + AHEAD].at->bytes + 64 - sizeof(record));
    }
    bool vanished = r->row_size == VANISHED;
    const uint8_t *old = r->bytes + r->key_size + (vanished ? 0 : r->row_size);
    return (rwd_transaction_row){
        .key = rwd_slice_of(r->bytes, r->key_size),
        .row = vanished ? NULL : r->bytes + r->key_size,
        .row_size = vanished ? 0 : r->row_size,
        .offset = r->offset,
        .time_us = r->time_us,
        .old = r->old_size == NO_OLD ? rwd_slice_of(NULL, 0) : rwd_slice_of(old, r->old_size),
    };
}
