// Guards around calls (guard_private.h).
//
// Signals: SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT of a thread that is inside a call are the plugin's; others go to whoever had them before. The handler stands on a
// stack of its own (sigaltstack(2)) and calls async-signal-safe functions only (signal-safety(7)).
#include "operator/plugin/guard_private.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "operator/base/ticker.h"
#include "operator/base/time.h"

#define EDGE_BYTE 0xE5
#define LOOKS 8  // of the minder, within the timeout

struct rwd_guard {
    atomic_bool taken;
    atomic_uint turn;  // odd: inside a call
    const void *_Atomic owner;
    const char *_Atomic title;
    const char *_Atomic function;
    atomic_int_fast64_t offset;
    uint8_t room[RWD_GUARD_EDGE + REWIND_CELL_MAX + RWD_GUARD_EDGE];
    uint8_t stack[RWD_GUARD_STACK];
};

static rwd_guard guards[RWD_GUARD_THREADS_MAX];
static _Thread_local rwd_guard *mine;
static pthread_once_t installed = PTHREAD_ONCE_INIT;
static pthread_key_t leaving;

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define CRASHES (sizeof crashes / sizeof *crashes)
static struct sigaction before[CRASHES];

// ---- the message

typedef struct message {
    char text[2048];
    size_t size;
} message;

static void say(message *m, const char *text) {
    while (*text && m->size < sizeof m->text - 1) m->text[m->size++] = *text++;
}

static void say_number(message *m, int64_t number) {
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    say(m, digits + at);
}

noreturn void rwd_guard_end(const rwd_guard *guard, const char *what) {
    message m = {.size = 0};
    int64_t offset = atomic_load(&guard->offset);
    say(&m, "rewind: ");
    say(&m, atomic_load(&guard->title));
    say(&m, ": ");
    say(&m, atomic_load(&guard->function));
    say(&m, "() ");
    say(&m, what);
    if (offset >= 0) {
        say(&m, ", at offset ");
        say_number(&m, offset);
    }
    say(&m, "\nThe process ends here; what was committed is safe. Correct the plugin (rewind plugin check FILE), and start again: the same record comes again.\n");
    (void)!write(STDERR_FILENO, m.text, m.size);
    _exit(RWD_EXIT_PLUGIN);
}

// ---- crashes

static const char *crash_text(int sig) {
    switch (sig) {
    case SIGSEGV: return "crashed with SIGSEGV";
    case SIGBUS: return "crashed with SIGBUS";
    case SIGFPE: return "crashed with SIGFPE";
    case SIGILL: return "crashed with SIGILL";
    default: return "crashed with SIGABRT";
    }
}

static void on_crash(int sig, siginfo_t *info, void *context) {
    (void)context;
    if (mine && (atomic_load(&mine->turn) & 1)) rwd_guard_end(mine, crash_text(sig));
    for (size_t i = 0; i < CRASHES; i++)
        if (crashes[i] == sig) (void)sigaction(sig, &before[i], NULL);
    if (info->si_code <= 0) (void)raise(sig);  // sent by somebody; a fault comes again by itself
}

static void leave_thread(void *guard) {
    stack_t none = {.ss_flags = SS_DISABLE}, now;
    rwd_guard *self = guard;
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == self->stack) (void)sigaltstack(&none, NULL);
    mine = NULL;
    atomic_store(&self->taken, false);
}

static void install(void) {
    struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (pthread_key_create(&leaving, leave_thread) != 0) abort();
    for (size_t i = 0; i < CRASHES; i++) (void)sigaction(crashes[i], &action, &before[i]);
}

// A thread's first call. Threads that block all signals (they are the main thread's business) would die of a crash without a word.
static rwd_guard *take_guard(void) {
    sigset_t set;
    stack_t now;
    (void)pthread_once(&installed, install);
    rwd_guard *guard = NULL;
    for (size_t i = 0; i < RWD_GUARD_THREADS_MAX && !guard; i++)
        if (!atomic_exchange(&guards[i].taken, true)) guard = &guards[i];
    assert(guard && "more threads than RWD_GUARD_THREADS_MAX call plugins");
    stack_t stack = {.ss_sp = guard->stack, .ss_size = sizeof guard->stack};
    if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE)) (void)sigaltstack(&stack, NULL);  // one that is there serves as well
    sigemptyset(&set);
    for (size_t i = 0; i < CRASHES; i++) (void)sigaddset(&set, crashes[i]);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    (void)pthread_setspecific(leaving, guard);
    memset(guard->room, EDGE_BYTE, RWD_GUARD_EDGE);
    mine = guard;
    return guard;
}

// ---- calls

rwd_guard *rwd_guard_enter(const void *owner, const char *title, const char *function, int64_t offset) {
    rwd_guard *guard = mine ? mine : take_guard();
    unsigned turn = atomic_load_explicit(&guard->turn, memory_order_relaxed);
    assert(!(turn & 1) && "a call inside a call");
    atomic_store_explicit(&guard->owner, owner, memory_order_relaxed);
    atomic_store_explicit(&guard->title, title, memory_order_relaxed);
    atomic_store_explicit(&guard->function, function, memory_order_relaxed);
    atomic_store_explicit(&guard->offset, offset, memory_order_relaxed);
    atomic_store_explicit(&guard->turn, turn + 1, memory_order_release);
    return guard;
}

void rwd_guard_leave(rwd_guard *guard) {
    atomic_store_explicit(&guard->turn, atomic_load_explicit(&guard->turn, memory_order_relaxed) + 1, memory_order_release);
}

uint8_t *rwd_guard_room(rwd_guard *guard, uint32_t size) {
    assert(size <= REWIND_CELL_MAX);
    memset(guard->room + RWD_GUARD_EDGE + size, EDGE_BYTE, RWD_GUARD_EDGE);
    return guard->room + RWD_GUARD_EDGE;
}

void rwd_guard_edges(const rwd_guard *guard, uint32_t size) {
    const uint8_t *low = guard->room, *high = guard->room + RWD_GUARD_EDGE + size;
    unsigned different = 0;
    for (size_t i = 0; i < RWD_GUARD_EDGE; i++) different |= (low[i] ^ EDGE_BYTE) | (high[i] ^ EDGE_BYTE);
    if (different) rwd_guard_end(guard, "wrote outside the room of its cell");
}

// ---- the minder

struct rwd_minder {
    const void *owner;
    int64_t timeout_ns;
    char what[RWD_TIME_TEXT_MAX + 32];
    rwd_ticker *ticker;
    unsigned turn[RWD_GUARD_THREADS_MAX];  // the thread's: as it was last seen, and since when
    int64_t since_ns[RWD_GUARD_THREADS_MAX];
};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void look_at(rwd_minder *self, size_t i) {
    unsigned turn = atomic_load_explicit(&guards[i].turn, memory_order_acquire);
    int64_t now = now_ns();
    bool inside = (turn & 1) && atomic_load_explicit(&guards[i].owner, memory_order_relaxed) == self->owner;
    if (!inside || turn != self->turn[i]) {
        self->turn[i] = turn;
        self->since_ns[i] = now;
        return;
    }
    if (now - self->since_ns[i] >= self->timeout_ns) rwd_guard_end(&guards[i], self->what);
}

static void look(void *minder) {
    for (size_t i = 0; i < RWD_GUARD_THREADS_MAX; i++) look_at(minder, i);
}

bool rwd_minder_start(const void *owner, int64_t timeout_ns, rwd_minder **out, rwd_error *err) {
    rwd_minder *self = rwd_calloc(1, sizeof *self);
    char timeout[RWD_TIME_TEXT_MAX];
    self->owner = owner;
    self->timeout_ns = timeout_ns;
    rwd_duration_text(timeout_ns, timeout);
    (void)snprintf(self->what, sizeof self->what, "did not return within %s", timeout);
    if (!rwd_ticker_start("plugins", timeout_ns / LOOKS, look, self, &self->ticker, err)) {
        free(self);
        return false;
    }
    *out = self;
    return true;
}

void rwd_minder_stop(rwd_minder *self) {
    if (!self) return;
    rwd_ticker_stop(self->ticker);
    free(self);
}
