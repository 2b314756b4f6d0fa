// The feeder. See feeder_private.h.
#include "state/feeder_private.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "operator/base/bytes.h"

struct rwd_feeder {
    rwd_budget *budget;
    size_t chunk_size;
    uint64_t kept;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wanted, made;
    void *ready[RWD_FEEDER_READY];
    unsigned count;
    bool asked;      // one was taken since the thread last looked
    bool in_making;  // accounted, not yet ready
    bool stopping;
};

void *rwd_chunk_map(size_t chunk_size) {
    uint8_t *wide = mmap(NULL, chunk_size * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (wide == MAP_FAILED) {
        fputs("rewind: out of memory\n", stderr);
        abort();
    }
    uintptr_t begin = ((uintptr_t)wide + chunk_size - 1) & ~(uintptr_t)(chunk_size - 1);
    size_t before = begin - (uintptr_t)wide;
    if (before) munmap(wide, before);
    munmap((void *)(begin + chunk_size), chunk_size - before);
    // One page table entry for many segments: touches are random, so address translation would cost as much as the data. Best effort.
    (void)madvise((void *)begin, chunk_size, MADV_HUGEPAGE);
    return (void *)begin;
}

void rwd_chunk_unmap(rwd_budget *budget, void *chunk, size_t chunk_size) {
    munmap(chunk, chunk_size);
    rwd_budget_give(budget, RWD_SHARE_HOT, chunk_size);
}

// Makes the pages of a chunk be there.
static void populate(uint8_t *chunk, size_t size) {
#ifdef MADV_POPULATE_WRITE
    if (madvise(chunk, size, MADV_POPULATE_WRITE) == 0) return;
#endif
    for (size_t at = 0; at < size; at += 4096) ((volatile uint8_t *)chunk)[at] = 0;
}

static bool fits(const rwd_feeder *feeder) {
    return rwd_budget_fits(feeder->budget, RWD_SHARE_HOT, feeder->chunk_size + feeder->kept);
}

static void *feed(void *context) {
    rwd_feeder *feeder = context;
    pthread_mutex_lock(&feeder->lock);
    while (!feeder->stopping) {
        if (!feeder->asked || feeder->count == RWD_FEEDER_READY || !rwd_budget_try(feeder->budget, RWD_SHARE_HOT, feeder->chunk_size, feeder->kept)) {
            feeder->asked = false;
            pthread_cond_wait(&feeder->wanted, &feeder->lock);
            continue;
        }
        void *chunk = rwd_chunk_map(feeder->chunk_size);
        feeder->in_making = true;
        pthread_mutex_unlock(&feeder->lock);
        populate(chunk, feeder->chunk_size);
        pthread_mutex_lock(&feeder->lock);
        feeder->in_making = false;
        feeder->ready[feeder->count++] = chunk;
        pthread_cond_signal(&feeder->made);
    }
    pthread_mutex_unlock(&feeder->lock);
    return NULL;
}

rwd_feeder *rwd_feeder_start(rwd_budget *budget, size_t chunk_size, uint64_t kept) {
    rwd_feeder *feeder = rwd_calloc(1, sizeof *feeder);
    *feeder = (rwd_feeder){.budget = budget, .chunk_size = chunk_size, .kept = kept};
    pthread_mutex_init(&feeder->lock, NULL);
    pthread_cond_init(&feeder->wanted, NULL);
    pthread_cond_init(&feeder->made, NULL);
    // Signals are for the main thread.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int error = pthread_create(&feeder->thread, NULL, feed, feeder);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!error) return feeder;
    pthread_cond_destroy(&feeder->made);
    pthread_cond_destroy(&feeder->wanted);
    pthread_mutex_destroy(&feeder->lock);
    free(feeder);
    return NULL;
}

void rwd_feeder_stop(rwd_feeder *feeder) {
    if (!feeder) return;
    pthread_mutex_lock(&feeder->lock);
    feeder->stopping = true;
    pthread_cond_signal(&feeder->wanted);
    pthread_mutex_unlock(&feeder->lock);
    pthread_join(feeder->thread, NULL);
    while (feeder->count > 0) rwd_chunk_unmap(feeder->budget, feeder->ready[--feeder->count], feeder->chunk_size);
    pthread_cond_destroy(&feeder->made);
    pthread_cond_destroy(&feeder->wanted);
    pthread_mutex_destroy(&feeder->lock);
    free(feeder);
}

void *rwd_feeder_take(rwd_feeder *feeder) {
    pthread_mutex_lock(&feeder->lock);
    while (feeder->count == 0 && feeder->in_making) pthread_cond_wait(&feeder->made, &feeder->lock);
    void *chunk = feeder->count > 0 ? feeder->ready[--feeder->count] : NULL;
    if (!feeder->asked && fits(feeder)) {  // a full table asks in vain, often: the thread is left asleep
        feeder->asked = true;
        pthread_cond_signal(&feeder->wanted);
    }
    pthread_mutex_unlock(&feeder->lock);
    return chunk;
}
