// The signal thread.
#include "operator/cli/signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "operator/base/log.h"

struct rwd_signals {
    rwd_operator *op;      // one of the two
    rwd_shadow *shadow;
    int signal_fd, end_fd;
    pthread_t thread;
    bool stopped;  // the thread's until it is joined
};

static void our_signals(sigset_t *out) {
    sigemptyset(out);
    sigaddset(out, SIGINT);
    sigaddset(out, SIGTERM);
    sigaddset(out, SIGHUP);
}

void rwd_signals_block(void) {
    sigset_t set;
    our_signals(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void take_signal(rwd_signals *signals) {
    struct signalfd_siginfo info;
    if (read(signals->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) return;
    if (!signals->stopped) {
        signals->stopped = true;
        rwd_log(RWD_LOG_INFO, "run", "%s: %s, then the end%s", info.ssi_signo == SIGINT ? "SIGINT" : info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGHUP",
                signals->op ? "last commit, last checkpoint" : "the replay stops",
                info.ssi_signo == SIGINT ? "; once more ends at once" : "");
        if (signals->op) rwd_operator_stop(signals->op);
        else rwd_shadow_stop(signals->shadow);
    } else if (info.ssi_signo == SIGINT) {
        _exit(RWD_EXIT_INTERRUPTED);
    }
}

static void *watch(void *argument) {
    rwd_signals *signals = argument;
    struct pollfd fds[] = {{signals->signal_fd, POLLIN, 0}, {signals->end_fd, POLLIN, 0}};
    while (!fds[1].revents) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) return NULL;
        if (fds[0].revents) take_signal(signals);
    }
    return NULL;
}

static bool start(rwd_operator *op, rwd_shadow *shadow, rwd_signals **out, rwd_error *err) {
    rwd_signals *signals = rwd_calloc(1, sizeof(*signals));
    sigset_t set;
    our_signals(&set);
    signals->op = op;
    signals->shadow = shadow;
    signals->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    signals->end_fd = eventfd(0, EFD_CLOEXEC);
    int why = signals->signal_fd < 0 || signals->end_fd < 0 ? errno : pthread_create(&signals->thread, NULL, watch, signals);
    if (why == 0) {
        (void)pthread_setname_np(signals->thread, "rwd-signals");
        *out = signals;
        return true;
    }
    if (signals->signal_fd >= 0) close(signals->signal_fd);
    if (signals->end_fd >= 0) close(signals->end_fd);
    free(signals);
    return rwd_fail_errno(err, why, "cannot watch for signals");
}

bool rwd_signals_start(rwd_operator *op, rwd_signals **out, rwd_error *err) { return start(op, NULL, out, err); }
bool rwd_signals_start_shadow(rwd_shadow *shadow, rwd_signals **out, rwd_error *err) { return start(NULL, shadow, out, err); }

bool rwd_signals_stop(rwd_signals *signals) {
    if (!signals) return false;
    uint64_t one = 1;
    ssize_t ignored = write(signals->end_fd, &one, sizeof(one));
    (void)ignored;
    pthread_join(signals->thread, NULL);
    bool stopped = signals->stopped;
    close(signals->signal_fd);
    close(signals->end_fd);
    free(signals);
    return stopped;
}
