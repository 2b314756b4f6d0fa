// The loader: reads the store in its order on a thread of its own and hands chunks of rows to the pipeline.
//
// What must stay true: at most RWD_WARM_CHUNKS chunks exist; the loader ends when told to, between two rows.
#include "state/warm_private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "state/schema.h"

typedef struct chunk {
    struct chunk *next;
    rwd_buf rows;
    size_t read;  // handed out so far
} chunk;

// Before each row's key and row.
typedef struct row_header {
    uint64_t hash;
    uint32_t key_size, row_size;
    uint32_t table;
    uint32_t padding;
} row_header;

struct rwd_warm {
    rwd_store_scan *scan;
    pthread_t thread;
    _Atomic bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    chunk *head, *tail;
    unsigned queued;
    bool ended, failed;
    chunk *open;  // the pipeline's
};

static void free_chunk(chunk *c) {
    if (!c) return;
    rwd_buf_deinit(&c->rows);
    free(c);
}

// ---------------------------------------------------------------------------------------------- the loader's side
static void add_row(chunk *c, rwd_slice store_key, rwd_slice row) {
    rwd_slice key = rwd_slice_of(store_key.data + RWD_STORE_KEY_PREFIX, store_key.size - RWD_STORE_KEY_PREFIX);
    uint16_t table = rwd_get_be16(store_key.data);
    row_header header = {rwd_key_hash(table, key), (uint32_t)key.size, (uint32_t)row.size, table, 0};
    size_t size = sizeof header + key.size + row.size;
    if (c->rows.capacity - c->rows.size < size) rwd_buf_reserve(&c->rows, size);
    uint8_t *at = c->rows.data + c->rows.size;
    memcpy(at, &header, sizeof header);
    memcpy(at + sizeof header, key.data, key.size);
    if (row.size) memcpy(at + sizeof header + key.size, row.data, row.size);
    c->rows.size += size;
}

// Queues a chunk; waits for room. False: told to stop, and the chunk is gone.
static bool hand_over(rwd_warm *warm, chunk *c) {
    pthread_mutex_lock(&warm->lock);
    while (warm->queued == RWD_WARM_CHUNKS && !atomic_load(&warm->stopping)) pthread_cond_wait(&warm->freed, &warm->lock);
    bool go_on = !atomic_load(&warm->stopping);
    if (go_on) {
        if (warm->tail) warm->tail->next = c;
        else warm->head = c;
        warm->tail = c;
        warm->queued++;
    }
    pthread_mutex_unlock(&warm->lock);
    if (!go_on) free_chunk(c);
    return go_on;
}

static void end(rwd_warm *warm, bool failed) {
    pthread_mutex_lock(&warm->lock);
    warm->failed = failed;
    warm->ended = true;
    pthread_mutex_unlock(&warm->lock);
}

static void *load(void *context) {
    rwd_warm *warm = context;
    chunk *c = NULL;
    rwd_slice key, row;
    while (!atomic_load_explicit(&warm->stopping, memory_order_relaxed) && rwd_store_scan_next(warm->scan, &key, &row)) {
        if (key.size < RWD_STORE_KEY_PREFIX) continue;
        if (!c) {
            c = rwd_calloc(1, sizeof *c);
            rwd_buf_reserve(&c->rows, RWD_WARM_CHUNK_SIZE);
        }
        add_row(c, key, row);
        if (c->rows.size < RWD_WARM_CHUNK_SIZE - 1024) continue;
        if (!hand_over(warm, c)) return NULL;
        c = NULL;
    }
    if (c && !hand_over(warm, c)) return NULL;
    // The misses that the rows not loaded lead to will report what is wrong with the store.
    end(warm, !rwd_store_scan_ok(warm->scan, NULL));
    return NULL;
}

// ---------------------------------------------------------------------------------------------- the pipeline's side
bool rwd_warm_start(rwd_store *store, rwd_warm **out, rwd_error *err) {
    rwd_warm *warm = rwd_calloc(1, sizeof *warm);
    warm->scan = rwd_store_scan_open(store, (rwd_slice){0}, (rwd_slice){0});
    pthread_mutex_init(&warm->lock, NULL);
    pthread_cond_init(&warm->freed, NULL);
    // Signals are for the main thread.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int error = pthread_create(&warm->thread, NULL, load, warm);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) {
        rwd_store_scan_close(warm->scan);
        pthread_cond_destroy(&warm->freed);
        pthread_mutex_destroy(&warm->lock);
        free(warm);
        return rwd_fail_errno(err, error, "cannot start the thread that loads the state");
    }
    *out = warm;
    return true;
}

void rwd_warm_stop(rwd_warm *warm) {
    if (!warm) return;
    pthread_mutex_lock(&warm->lock);
    atomic_store(&warm->stopping, true);
    pthread_cond_signal(&warm->freed);
    pthread_mutex_unlock(&warm->lock);
    pthread_join(warm->thread, NULL);
    while (warm->head) {
        chunk *next = warm->head->next;
        free_chunk(warm->head);
        warm->head = next;
    }
    free_chunk(warm->open);
    rwd_store_scan_close(warm->scan);
    pthread_cond_destroy(&warm->freed);
    pthread_mutex_destroy(&warm->lock);
    free(warm);
}

// Makes `open` a chunk with rows left, if one is ready.
static void next_chunk(rwd_warm *warm, bool *out_end, bool *out_failed) {
    pthread_mutex_lock(&warm->lock);
    if (warm->open && warm->open->read == warm->open->rows.size) {
        free_chunk(warm->open);
        warm->open = NULL;
    }
    if (!warm->open && warm->head) {
        warm->open = warm->head;
        warm->head = warm->open->next;
        if (!warm->head) warm->tail = NULL;
        warm->queued--;
        pthread_cond_signal(&warm->freed);
    }
    *out_end = warm->ended && !warm->open;
    *out_failed = warm->failed;
    pthread_mutex_unlock(&warm->lock);
}

size_t rwd_warm_take(rwd_warm *warm, rwd_warm_row *out, size_t limit, bool *out_end, bool *out_failed) {
    *out_end = *out_failed = false;
    if (!warm->open || warm->open->read == warm->open->rows.size) next_chunk(warm, out_end, out_failed);
    chunk *c = warm->open;
    size_t count = 0;
    while (c && count < limit && c->read < c->rows.size) {
        row_header header;
        const uint8_t *at = c->rows.data + c->read;
        memcpy(&header, at, sizeof header);
        at += sizeof header;
        out[count++] = (rwd_warm_row){
            .hash = header.hash,
            .table = (uint16_t)header.table,
            .key = rwd_slice_of(at, header.key_size),
            .row = rwd_slice_of(at + header.key_size, header.row_size),
        };
        c->read += sizeof header + header.key_size + header.row_size;
    }
    return count;
}
