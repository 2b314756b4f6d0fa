// The pread tier's engine: a few threads that make attempts by system calls.
//
// What must stay true: the threads are shared by all engines of an rwd_io and its clones, so their number does not grow with queues, and they are there only
// while an engine is: a process that has no queue open may fork. An operation is in the shared list, in a thread's hands, or in its engine's list of ended
// ones, and all three change under the one mutex. An engine's memory is not touched once its last operation was taken from its list.
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "checkpoints/io/engine_private.h"

typedef struct op_list {
    rwd_io_op *head, *tail;
} op_list;

struct rwd_io_threads {
    pthread_mutex_t life;   // held while threads are started and joined; taken before `mutex`
    unsigned engines;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    op_list waiting;
    bool stop;
    pthread_t threads[RWD_IO_THREADS];
    unsigned count;
};

typedef struct thread_engine {
    rwd_io_engine engine;  // first
    rwd_io_threads *threads;
    pthread_cond_t ended;
    op_list done;
    size_t under_way;      // started and not reaped
} thread_engine;

static void push(op_list *list, rwd_io_op *op) {
    op->next = NULL;
    if (list->tail) list->tail->next = op;
    else list->head = op;
    list->tail = op;
}

static rwd_io_op *pop(op_list *list) {
    rwd_io_op *op = list->head;
    if (!op) return NULL;
    list->head = op->next;
    if (!list->head) list->tail = NULL;
    op->next = NULL;
    return op;
}

static void *work(void *context) {
    rwd_io_threads *t = context;
    (void)pthread_setname_np(pthread_self(), "rwd-io");
    pthread_mutex_lock(&t->mutex);
    for (;;) {
        rwd_io_op *op = pop(&t->waiting);
        if (!op && t->stop) break;
        if (!op) {
            pthread_cond_wait(&t->work, &t->mutex);
            continue;
        }
        pthread_mutex_unlock(&t->mutex);
        op->attempt = rwd_io_system_attempt(op);
        pthread_mutex_lock(&t->mutex);
        thread_engine *e = op->engine;
        push(&e->done, op);
        pthread_cond_signal(&e->ended);
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

// Signals are for the threads that ask for them.
static int start_threads(rwd_io_threads *t) {
    sigset_t all, before;
    int result = 0;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (t->count < RWD_IO_THREADS && result == 0) {
        result = pthread_create(&t->threads[t->count], NULL, work, t);
        if (result == 0) t->count++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return t->count > 0 ? 0 : -result;  // one will do
}

static void stop_threads(rwd_io_threads *t) {
    pthread_mutex_lock(&t->mutex);
    t->stop = true;
    pthread_cond_broadcast(&t->work);
    pthread_mutex_unlock(&t->mutex);
    for (unsigned i = 0; i < t->count; i++) (void)pthread_join(t->threads[i], NULL);
    t->count = 0;
    t->stop = false;
}

rwd_io_threads *rwd_io_threads_new(void) {
    rwd_io_threads *t = rwd_calloc(1, sizeof(*t));
    pthread_mutex_init(&t->life, NULL);
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->work, NULL);
    return t;
}

void rwd_io_threads_free(rwd_io_threads *t) {
    assert(t->engines == 0);
    pthread_cond_destroy(&t->work);
    pthread_mutex_destroy(&t->mutex);
    pthread_mutex_destroy(&t->life);
    free(t);
}

static void engine_start(rwd_io_engine *engine, rwd_io_op *ops[], size_t count) {
    thread_engine *e = (thread_engine *)engine;
    pthread_mutex_lock(&e->threads->mutex);
    for (size_t i = 0; i < count; i++) {
        ops[i]->engine = e;
        push(&e->threads->waiting, ops[i]);
        pthread_cond_signal(&e->threads->work);
    }
    pthread_mutex_unlock(&e->threads->mutex);
    e->under_way += count;
}

static size_t engine_reap(rwd_io_engine *engine, bool wait, rwd_io_op *done[], size_t capacity) {
    thread_engine *e = (thread_engine *)engine;
    size_t count = 0;
    if (e->under_way == 0) return 0;
    pthread_mutex_lock(&e->threads->mutex);
    while (wait && !e->done.head) pthread_cond_wait(&e->ended, &e->threads->mutex);
    while (count < capacity && e->done.head) done[count++] = pop(&e->done);
    pthread_mutex_unlock(&e->threads->mutex);
    e->under_way -= count;
    return count;
}

static void engine_free(rwd_io_engine *engine) {
    thread_engine *e = (thread_engine *)engine;
    assert(e->under_way == 0);
    pthread_mutex_lock(&e->threads->life);
    if (--e->threads->engines == 0) stop_threads(e->threads);
    pthread_mutex_unlock(&e->threads->life);
    pthread_cond_destroy(&e->ended);
    free(e);
}

static const rwd_io_engine_ops thread_engine_ops = {.start = engine_start, .reap = engine_reap, .free = engine_free};

int rwd_io_threads_engine(rwd_io_threads *t, const rwd_io_engine_spec *spec, rwd_io_engine **out) {
    (void)spec;
    pthread_mutex_lock(&t->life);
    int result = t->engines > 0 ? 0 : start_threads(t);
    if (result == 0) t->engines++;
    pthread_mutex_unlock(&t->life);
    if (result != 0) return result;
    thread_engine *e = rwd_calloc(1, sizeof(*e));
    e->engine.ops = &thread_engine_ops;
    e->engine.tier = RWD_IO_TIER_PREAD;
    e->threads = t;
    pthread_cond_init(&e->ended, NULL);
    *out = &e->engine;
    return 0;
}
