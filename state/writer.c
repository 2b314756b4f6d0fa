// The checkpoint thread's part: frozen versions, as they come, into one sorted file, the store, and the checkpoint (K3).
//
// Entries wait in a list per bucket until the pipeline says that the bucket is complete; then the bucket is sorted by key
// and written. Buckets come in store order, so the file is sorted.
//
// What must stay true: the store gets the frozen set and nothing else (K2); `base` becomes the digest of the frozen set only
// when all of it is in the checkpoint.
//
// Thread: checkpoint, one at a time.
#include <assert.h>
#include <stdlib.h>

#include "operator/base/fs.h"
#include "state/digest_file_private.h"
#include "state/tables_private.h"

// An entry with the first bytes of its key, so that most comparisons need no other memory.
typedef struct sort_item {
    uint64_t head;
    rwd_out_entry *entry;
} sort_item;

typedef struct writing {
    rwd_tables *tables;
    rwd_error *err;
    rwd_out_entry **waiting;  // a list per table and bucket
    size_t at;                // index of the first list not yet written
    sort_item *items;
    size_t item_capacity;
    rwd_store_file *file;     // opened for the first entry
    rwd_digest *delta;
    bool failed;
} writing;

// ---------------------------------------------------------------------------------------------- sorting
static rwd_slice entry_key(const rwd_out_entry *entry) { return rwd_slice_of(rwd_out_bytes(entry), entry->key_size); }

static bool item_less(const sort_item *a, const sort_item *b) {
    if (a->head != b->head) return a->head < b->head;
    return rwd_slice_compare(entry_key(a->entry), entry_key(b->entry)) < 0;
}

static int compare_items(const void *a, const void *b) {
    return item_less(a, b) ? -1 : 1;  // keys are distinct
}

#define INSERTION_MAX 24

static void sort_items(sort_item *items, size_t count) {
    if (count > INSERTION_MAX) {
        qsort(items, count, sizeof *items, compare_items);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        sort_item item = items[i];
        size_t at = i;
        for (; at > 0 && item_less(&item, &items[at - 1]); at--) items[at] = items[at - 1];
        items[at] = item;
    }
}

// The 8 bytes behind `skip` as a number that orders as they do; what is missing counts as zeroes.
static uint64_t key_head(rwd_slice key, size_t skip) {
    uint8_t bytes[8] = {0};
    size_t left = key.size > skip ? key.size - skip : 0;
    memcpy(bytes, key.data + (left ? skip : 0), left < 8 ? left : 8);
    return rwd_get_be64(bytes);
}

static size_t common_prefix(rwd_slice a, rwd_slice b, size_t most) {
    size_t n = 0;
    while (n < most && n < a.size && n < b.size && a.data[n] == b.data[n]) n++;
    return n;
}

// Fills `items` from a list. Keys of a table often begin alike, so their heads are taken behind what all have in common.
static size_t collect(writing *w, rwd_out_entry *list) {
    size_t count = 0, skip = SIZE_MAX;
    for (rwd_out_entry *e = list; e; e = e->next) {
        if (count == w->item_capacity) {
            w->item_capacity = w->item_capacity ? w->item_capacity * 2 : 512;
            w->items = rwd_realloc(w->items, w->item_capacity * sizeof *w->items);
        }
        w->items[count++].entry = e;
        skip = common_prefix(entry_key(list), entry_key(e), skip);
    }
    for (size_t i = 0; i < count; i++) w->items[i].head = key_head(entry_key(w->items[i].entry), skip);
    return count;
}

// ---------------------------------------------------------------------------------------------- writing
static bool begin_file(writing *w) {
    char path[RWD_PATH_MAX];
    return rwd_path_join(path, w->tables->live_dir, RWD_INCOMING_FILE, w->err) &&
           rwd_store_file_begin(w->tables->store, path, &w->file, w->err);
}

static bool write_entry(writing *w, const rwd_out_entry *entry) {
    if (!w->file && !begin_file(w)) return false;
    rwd_slice key = entry_key(entry);
    if (entry->kind == RWD_OUT_DELETE) return rwd_store_file_delete(w->file, key, w->err);
    // T4. The old version was taken off when the slot was first touched.
    rwd_digest_add(w->delta, rwd_get_be16(key.data + 2), rwd_digest_entry(key.data, key.size + entry->row_size, key.size));
    return rwd_store_file_put(w->file, key, rwd_slice_of(key.data + key.size, entry->row_size), w->err);
}

static void write_bucket(writing *w, rwd_out_entry *list) {
    size_t count = collect(w, list);
    sort_items(w->items, count);
    for (size_t i = 0; i < count; i++) {
        if (!w->failed && !write_entry(w, w->items[i].entry)) w->failed = true;
        rwd_outbox_done(&w->tables->outbox, w->items[i].entry);
    }
}

static void write_until(writing *w, size_t end) {
    for (; w->at < end; w->at++) {
        if (w->waiting[w->at]) write_bucket(w, w->waiting[w->at]);
        w->waiting[w->at] = NULL;
    }
}

static void take_entry(writing *w, rwd_out_entry *entry) {
    if (entry->kind == RWD_OUT_MARK) {
        write_until(w, (size_t)entry->table * RWD_BUCKETS + entry->bucket_end);
        rwd_outbox_done(&w->tables->outbox, entry);
        return;
    }
    const uint8_t *key = rwd_out_bytes(entry);
    size_t list = (size_t)rwd_get_be16(key) * RWD_BUCKETS + rwd_get_be16(key + 2);
    assert(list >= w->at);
    entry->next = w->waiting[list];
    w->waiting[list] = entry;
}

// Takes all chunks to the end of the freeze, after a failure too: the pipeline must not wait for a thread that has given up.
static void drain(writing *w) {
    rwd_out_chunk *chunk;
    while ((chunk = rwd_outbox_take(&w->tables->outbox))) {
        for (rwd_out_entry *entry = rwd_out_next(chunk, NULL), *next; entry; entry = next) {
            next = rwd_out_next(chunk, entry);  // taking a mark may free the chunk
            take_entry(w, entry);
        }
    }
    write_until(w, w->tables->count * RWD_BUCKETS);
}

// K3: ingest, then the store's checkpoint, then the digest beside it.
static bool finish(writing *w, const char *dir) {
    rwd_tables *tables = w->tables;
    char store_dir[RWD_PATH_MAX];
    if (w->file) {
        rwd_store_file *file = w->file;
        w->file = NULL;
        if (!rwd_store_file_ingest(file, w->err)) return false;
    }
    if (!rwd_path_join(store_dir, dir, RWD_TABLES_FOLDER, w->err) || !rwd_store_checkpoint(tables->store, store_dir, w->err))
        return false;
    rwd_store_count_memory(tables->store, tables->budget, &tables->store_bytes);
    rwd_digest_merge(tables->base, w->delta);
    memset(w->delta, 0, sizeof *w->delta);
    return rwd_digest_file_write(dir, tables->base, tables->frozen.keys, tables->count, w->err);
}

bool rwd_tables_write_frozen(rwd_tables *tables, const char *dir, rwd_error *err) {
    writing w = {
        .tables = tables,
        .err = err,
        .waiting = rwd_calloc(tables->count * RWD_BUCKETS, sizeof(rwd_out_entry *)),
        .delta = tables->delta[tables->frozen.epoch & 1],
    };
    drain(&w);
    bool worked = !w.failed && finish(&w, dir);
    rwd_store_file_abandon(w.file);
    free(w.waiting);
    free(w.items);
    return worked;
}
