// Tickers: turns follow each other until stop, on one thread of their own with signals blocked, and none comes after stop.
#include "operator/base/ticker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/test.h"

typedef struct seen {
    atomic_uint turns;
    atomic_bool blocked, named, elsewhere;
    pthread_t starter;
} seen;

static void look(void *context) {
    seen *s = context;
    sigset_t now;
    char name[16] = "";
    (void)pthread_sigmask(SIG_SETMASK, NULL, &now);
    (void)pthread_getname_np(pthread_self(), name, sizeof name);
    atomic_store(&s->blocked, sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGINT) == 1);
    atomic_store(&s->named, strcmp(name, "looks") == 0);
    atomic_store(&s->elsewhere, !pthread_equal(pthread_self(), s->starter));
    atomic_fetch_add(&s->turns, 1);
}

static void turns_follow_each_other_on_a_thread_of_their_own_until_stop(void **state) {
    (void)state;
    seen s = {.starter = pthread_self()};
    rwd_ticker *ticker;
    rwd_error err;
    sigset_t before, after;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_true(rwd_ticker_start("looks", 1000, look, &s, &ticker, &err));
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
    while (atomic_load(&s.turns) < 3) usleep(100);
    rwd_ticker_stop(ticker);
    unsigned turns = atomic_load(&s.turns);
    usleep(5000);
    assert_int_equal(atomic_load(&s.turns), turns);
    assert_true(s.blocked && s.named && s.elsewhere);
}

static void a_stop_does_not_wait_for_the_pause(void **state) {
    (void)state;
    seen s = {.starter = pthread_self()};
    rwd_ticker *ticker;
    rwd_error err;
    const int64_t a_year = INT64_C(365) * 24 * 3600 * 1000000000;
    assert_true(rwd_ticker_start("waits", a_year, look, &s, &ticker, &err));
    rwd_ticker_stop(ticker);  // else the test would not end
    assert_int_equal(atomic_load(&s.turns), 0);
    rwd_ticker_stop(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_follow_each_other_on_a_thread_of_their_own_until_stop),
        cmocka_unit_test(a_stop_does_not_wait_for_the_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
