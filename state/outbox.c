// The chunk queue. See outbox_private.h.
#include "state/outbox_private.h"

#include <assert.h>
#include <stdlib.h>

static uint8_t *chunk_bytes(const rwd_out_chunk *chunk) { return (uint8_t *)(uintptr_t)chunk + sizeof *chunk; }

void rwd_outbox_init(rwd_outbox *box, rwd_budget *budget, size_t chunk_size) {
    *box = (rwd_outbox){.budget = budget, .chunk_size = chunk_size};
    pthread_mutex_init(&box->lock, NULL);
    pthread_cond_init(&box->filled, NULL);
}

static size_t chunk_memory(const rwd_out_chunk *chunk) { return sizeof *chunk + chunk->capacity; }

// Takes a chunk out of use: kept, if it is of the usual size and the share has room for it. Under the lock.
static void retire(rwd_outbox *box, rwd_out_chunk *chunk) {
    size_t bytes = chunk_memory(chunk);
    rwd_budget_give(box->budget, RWD_SHARE_FROZEN, bytes);
    if (bytes == box->chunk_size && rwd_budget_fits(box->budget, RWD_SHARE_FROZEN, box->kept_bytes + bytes)) {
        chunk->next = box->kept;
        box->kept = chunk;
        box->kept_bytes += bytes;
    } else {
        free(chunk);
    }
}

static void drop_kept(rwd_outbox *box) {
    while (box->kept) {
        rwd_out_chunk *next = box->kept->next;
        free(box->kept);
        box->kept = next;
    }
    box->kept_bytes = 0;
}

void rwd_outbox_reset(rwd_outbox *box) {
    pthread_mutex_lock(&box->lock);
    while (box->head) {
        rwd_out_chunk *next = box->head->next;
        retire(box, box->head);
        box->head = next;
    }
    box->tail = NULL;
    if (box->open) retire(box, box->open);
    box->open = NULL;
    drop_kept(box);
    box->ended = box->starving = false;
    pthread_mutex_unlock(&box->lock);
}

void rwd_outbox_deinit(rwd_outbox *box) {
    rwd_outbox_reset(box);
    pthread_cond_destroy(&box->filled);
    pthread_mutex_destroy(&box->lock);
}

// ---------------------------------------------------------------------------------------------- pipeline
void rwd_outbox_flush(rwd_outbox *box) {
    if (!box->open) return;
    pthread_mutex_lock(&box->lock);
    box->open->next = NULL;
    if (box->tail) box->tail->next = box->open;
    else box->head = box->open;
    box->tail = box->open;
    box->starving = false;
    pthread_cond_signal(&box->filled);
    pthread_mutex_unlock(&box->lock);
    box->open = NULL;
}

void rwd_outbox_end(rwd_outbox *box) {
    rwd_outbox_flush(box);
    pthread_mutex_lock(&box->lock);
    box->ended = true;
    pthread_cond_signal(&box->filled);
    pthread_mutex_unlock(&box->lock);
}

// A chunk that is not in use, or a new one. NULL if the share has no room and the checkpoint thread has something to do.
static rwd_out_chunk *get_chunk(rwd_outbox *box, size_t bytes, bool must) {
    pthread_mutex_lock(&box->lock);
    bool may = must || box->starving || rwd_budget_fits(box->budget, RWD_SHARE_FROZEN, bytes);
    rwd_out_chunk *chunk = NULL;
    if (may && bytes == box->chunk_size && box->kept) {
        chunk = box->kept;
        box->kept = chunk->next;
        box->kept_bytes -= bytes;
    }
    if (may && bytes > box->chunk_size) drop_kept(box);  // memory for a large one
    pthread_mutex_unlock(&box->lock);
    if (!may) return NULL;
    rwd_budget_take(box->budget, RWD_SHARE_FROZEN, bytes);
    return chunk ? chunk : rwd_malloc(bytes);
}

static bool open_chunk(rwd_outbox *box, size_t least, bool must) {
    rwd_outbox_flush(box);
    size_t capacity = box->chunk_size - sizeof(rwd_out_chunk);
    if (capacity < least) capacity = least;
    rwd_out_chunk *chunk = get_chunk(box, sizeof *chunk + capacity, must);
    if (!chunk) return false;
    *chunk = (rwd_out_chunk){.capacity = capacity};
    box->open = chunk;
    return true;
}

static rwd_out_entry *append(rwd_outbox *box, size_t size, bool must) {
    rwd_out_chunk *chunk = box->open;
    if (!chunk || chunk->capacity - chunk->size < size) {
        if (!open_chunk(box, size, must)) return NULL;
        chunk = box->open;
    }
    rwd_out_entry *entry = (rwd_out_entry *)(void *)(chunk_bytes(chunk) + chunk->size);
    *entry = (rwd_out_entry){.chunk = chunk};
    chunk->size += size;
    chunk->live++;
    return entry;
}

rwd_out_entry *rwd_outbox_put(rwd_outbox *box, rwd_out_kind kind, size_t store_key_size, size_t row_size, bool must) {
    rwd_out_entry *entry = append(box, rwd_out_entry_size(store_key_size, row_size), must);
    if (!entry) return NULL;
    entry->kind = (uint8_t)kind;
    entry->key_size = (uint16_t)store_key_size;
    entry->row_size = (uint32_t)row_size;
    return entry;
}

void rwd_outbox_mark(rwd_outbox *box, uint16_t table, uint32_t bucket_end) {
    rwd_out_entry *entry = append(box, rwd_out_entry_size(0, 0), true);
    entry->kind = RWD_OUT_MARK;
    entry->table = table;
    entry->bucket_end = bucket_end;
}

bool rwd_outbox_fits(const rwd_outbox *box, size_t bytes) {
    // What is open may be too full for the next entry, and the last chunk stays partly empty.
    return rwd_budget_fits(box->budget, RWD_SHARE_FROZEN, bytes + 2 * box->chunk_size);
}

// ---------------------------------------------------------------------------------------------- checkpoint thread
rwd_out_chunk *rwd_outbox_take(rwd_outbox *box) {
    pthread_mutex_lock(&box->lock);
    while (!box->head && !box->ended) {
        box->starving = true;
        pthread_cond_wait(&box->filled, &box->lock);
    }
    box->starving = false;
    rwd_out_chunk *chunk = box->head;
    if (chunk) {
        box->head = chunk->next;
        if (!box->head) box->tail = NULL;
    } else {
        box->ended = false;
    }
    pthread_mutex_unlock(&box->lock);
    return chunk;
}

rwd_out_entry *rwd_out_next(rwd_out_chunk *chunk, rwd_out_entry *after) {
    size_t at = 0;
    if (after) {
        size_t key_size = after->kind == RWD_OUT_MARK ? 0 : after->key_size;
        size_t row_size = after->kind == RWD_OUT_MARK ? 0 : after->row_size;
        at = (size_t)((uint8_t *)after - chunk_bytes(chunk)) + rwd_out_entry_size(key_size, row_size);
    }
    return at < chunk->size ? (rwd_out_entry *)(void *)(chunk_bytes(chunk) + at) : NULL;
}

void rwd_outbox_done(rwd_outbox *box, rwd_out_entry *entry) {
    rwd_out_chunk *chunk = entry->chunk;
    assert(chunk->live > 0);
    if (--chunk->live > 0) return;
    pthread_mutex_lock(&box->lock);
    retire(box, chunk);
    pthread_mutex_unlock(&box->lock);
}
