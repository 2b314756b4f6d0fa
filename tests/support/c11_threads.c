// C11's threads over POSIX's, under ThreadSanitizer only: it sees pthread_create and knows nothing of thrd_create, by which librdkafka starts its threads and then
// falls over. Linked into a test, these take the place of the C library's for librdkafka, too.
//
// glibc's mtx_t and cnd_t have room for the POSIX ones, since they are those inside.
#if defined(__SANITIZE_THREAD__)

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t) && sizeof(cnd_t) >= sizeof(pthread_cond_t) && sizeof(thrd_t) == sizeof(pthread_t), "room");

typedef struct call {
    thrd_start_t function;
    void *argument;
} call;

static int result_of(int code) { return code == 0 ? thrd_success : code == ETIMEDOUT ? thrd_timedout : code == EBUSY ? thrd_busy : thrd_error; }

static void *run(void *argument) {
    call it = *(call *)argument;
    free(argument);
    return (void *)(intptr_t)it.function(it.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *argument) {
    call *it = malloc(sizeof *it);
    if (!it) return thrd_nomem;
    *it = (call){function, argument};
    int code = pthread_create((pthread_t *)thread, NULL, run, it);
    if (code != 0) free(it);
    return result_of(code);
}

int thrd_join(thrd_t thread, int *result) {
    void *value = NULL;
    int code = pthread_join((pthread_t)thread, &value);
    if (result) *result = (int)(intptr_t)value;
    return result_of(code);
}

int thrd_detach(thrd_t thread) { return result_of(pthread_detach((pthread_t)thread)); }

int mtx_init(mtx_t *mutex, int type) {
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    int code = pthread_mutex_init((pthread_mutex_t *)mutex, &kind);
    pthread_mutexattr_destroy(&kind);
    return result_of(code);
}

int mtx_lock(mtx_t *mutex) { return result_of(pthread_mutex_lock((pthread_mutex_t *)mutex)); }
int mtx_trylock(mtx_t *mutex) { return result_of(pthread_mutex_trylock((pthread_mutex_t *)mutex)); }
int mtx_unlock(mtx_t *mutex) { return result_of(pthread_mutex_unlock((pthread_mutex_t *)mutex)); }
void mtx_destroy(mtx_t *mutex) { (void)pthread_mutex_destroy((pthread_mutex_t *)mutex); }

int cnd_init(cnd_t *cond) { return result_of(pthread_cond_init((pthread_cond_t *)cond, NULL)); }
int cnd_signal(cnd_t *cond) { return result_of(pthread_cond_signal((pthread_cond_t *)cond)); }
int cnd_broadcast(cnd_t *cond) { return result_of(pthread_cond_broadcast((pthread_cond_t *)cond)); }
int cnd_wait(cnd_t *cond, mtx_t *mutex) { return result_of(pthread_cond_wait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex)); }
int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *until) {
    return result_of(pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until));
}
void cnd_destroy(cnd_t *cond) { (void)pthread_cond_destroy((pthread_cond_t *)cond); }

#else
typedef int nothing_here;
#endif
