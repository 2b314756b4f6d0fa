// The admin server.
//
//   READING --whole request--> WAITING --worker takes it--> RUNNING --answered--> WRITING --sent--> FREE
//
// A place in READING or WRITING belongs to the poll thread, in RUNNING to a worker; it changes hands under the mutex.
#include "operator/admin/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "operator/admin/socket.h"
#include "operator/base/clock.h"
#include "operator/base/log.h"

#define CLIENT_TIMEOUT_NS 10000000000   // to send a request, or to take some of the answer
#define FLUSH_TIMEOUT_NS 1000000000     // for answers that are not taken yet when we stop
#define POLL_STEP_MS 250
#define READ_STEP ((size_t)8 << 10)

typedef enum place_state { FREE, READING, WAITING, RUNNING, WRITING } place_state;

typedef struct place {
    place_state state;
    int fd;
    int64_t deadline_ns;
    rwd_buf bytes;      // what came, then what goes
    size_t sent;
    rwd_admin_request request;
} place;

struct rwd_admin {
    char *data_dir;
    rwd_admin_service service;
    int listen_fd, wake_fd;
    pthread_t poller, workers[RWD_ADMIN_WORKERS];
    size_t worker_count;
    bool polling;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    bool no_more_work, no_more_clients;  // under the mutex
    place places[RWD_ADMIN_CLIENTS_MAX];
};

static int64_t now_ns(void) { return rwd_clock_ns(rwd_clock_system()); }

static void wake(rwd_admin *admin) {
    uint64_t one = 1;
    ssize_t ignored = write(admin->wake_fd, &one, sizeof(one));  // a full counter wakes, too
    (void)ignored;
}

// ---- places, poll thread

static void free_place(place *p) {
    if (p->fd >= 0) close(p->fd);
    rwd_buf_deinit(&p->bytes);
    rwd_admin_request_free(&p->request);
    *p = (place){.state = FREE, .fd = -1};
}

static void begin_writing(place *p, rwd_slice output, const rwd_error *failure) {
    rwd_buf_clear(&p->bytes);
    rwd_admin_put_reply(output, failure, &p->bytes);
    p->sent = 0;
    p->deadline_ns = now_ns() + CLIENT_TIMEOUT_NS;
    p->state = WRITING;
}

static void refuse(int fd, const char *why) {
    rwd_error failure;
    rwd_buf bytes = {0};
    rwd_fail(&failure, RWD_E_BUSY, "%s", why);
    rwd_admin_put_reply(rwd_slice_of(NULL, 0), &failure, &bytes);
    ssize_t ignored = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    rwd_buf_deinit(&bytes);
    close(fd);
}

static void accept_client(rwd_admin *admin) {
    int fd = accept4(admin->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (!rwd_admin_peer_allowed(fd)) {
        rwd_log(RWD_LOG_WARN, "admin", "refused a connection of another user");
        close(fd);
        return;
    }
    for (size_t i = 0; i < RWD_ADMIN_CLIENTS_MAX; i++) {
        place *p = &admin->places[i];
        if (p->state != FREE) continue;
        *p = (place){.state = READING, .fd = fd, .deadline_ns = now_ns() + CLIENT_TIMEOUT_NS};
        return;
    }
    refuse(fd, "too many commands are waiting for this operator");
}

static void read_request(rwd_admin *admin, place *p) {
    rwd_buf_reserve(&p->bytes, READ_STEP);
    ssize_t got = recv(p->fd, p->bytes.data + p->bytes.size, READ_STEP, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        free_place(p);
        return;
    }
    p->bytes.size += (size_t)got;
    rwd_error failure;
    switch (rwd_admin_get_request(rwd_buf_slice(&p->bytes), &p->request, &failure)) {
    case RWD_ADMIN_MORE: return;
    case RWD_ADMIN_BAD: begin_writing(p, rwd_slice_of(NULL, 0), &failure); return;
    case RWD_ADMIN_WHOLE: break;
    }
    p->state = WAITING;
    pthread_cond_signal(&admin->work);
}

static void write_answer(place *p) {
    ssize_t sent = send(p->fd, p->bytes.data + p->sent, p->bytes.size - p->sent, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent > 0) {
        p->sent += (size_t)sent;
        p->deadline_ns = now_ns() + CLIENT_TIMEOUT_NS;
    }
    if (sent <= 0 || p->sent == p->bytes.size) free_place(p);
}

// What to poll for; returns how many. The first two are the wake-up and the listening socket.
static nfds_t list_fds(rwd_admin *admin, struct pollfd fds[], place *owners[]) {
    nfds_t count = 0;
    fds[count++] = (struct pollfd){admin->wake_fd, POLLIN, 0};
    fds[count++] = (struct pollfd){admin->no_more_clients ? -1 : admin->listen_fd, POLLIN, 0};
    for (size_t i = 0; i < RWD_ADMIN_CLIENTS_MAX; i++) {
        place *p = &admin->places[i];
        if (p->state != READING && p->state != WRITING) continue;
        if (now_ns() > p->deadline_ns || (p->state == READING && admin->no_more_clients)) {
            free_place(p);
            continue;
        }
        owners[count] = p;
        fds[count++] = (struct pollfd){p->fd, p->state == READING ? POLLIN : POLLOUT, 0};
    }
    return count;
}

static void *poll_clients(void *argument) {
    rwd_admin *admin = argument;
    struct pollfd fds[RWD_ADMIN_CLIENTS_MAX + 2];
    place *owners[RWD_ADMIN_CLIENTS_MAX + 2];
    int64_t flush_until = 0;
    for (;;) {
        pthread_mutex_lock(&admin->mutex);
        nfds_t count = list_fds(admin, fds, owners);
        bool ending = admin->no_more_clients;
        pthread_mutex_unlock(&admin->mutex);
        if (ending && flush_until == 0) flush_until = now_ns() + FLUSH_TIMEOUT_NS;
        if (ending && (count == 2 || now_ns() > flush_until)) return NULL;
        if (poll(fds, count, POLL_STEP_MS) <= 0) continue;
        if (fds[0].revents) {
            uint64_t ignored;
            ssize_t got = read(admin->wake_fd, &ignored, sizeof(ignored));
            (void)got;
        }
        pthread_mutex_lock(&admin->mutex);
        for (nfds_t i = 2; i < count; i++) {
            if (!fds[i].revents) continue;
            if (owners[i]->state == READING) read_request(admin, owners[i]);
            else if (owners[i]->state == WRITING) write_answer(owners[i]);
        }
        if (fds[1].revents) accept_client(admin);
        pthread_mutex_unlock(&admin->mutex);
    }
}

// ---- workers

static place *find_waiting(rwd_admin *admin) {
    for (size_t i = 0; i < RWD_ADMIN_CLIENTS_MAX; i++)
        if (admin->places[i].state == WAITING) return &admin->places[i];
    return NULL;
}

static void run_command(rwd_admin *admin, place *p) {
    rwd_buf output = {0};
    rwd_error failure;
    rwd_error_clear(&failure);
    bool worked = admin->service.run(admin->service.context, &p->request.call, &output, &failure);
    if (output.size > RWD_ADMIN_OUTPUT_MAX) {
        rwd_buf_clear(&output);
        worked = rwd_fail(&failure, RWD_E_TOO_LARGE, "the answer is larger than the admin socket carries");
    }
    pthread_mutex_lock(&admin->mutex);
    rwd_admin_request_free(&p->request);
    begin_writing(p, rwd_buf_slice(&output), worked ? NULL : &failure);
    pthread_mutex_unlock(&admin->mutex);
    rwd_buf_deinit(&output);
    wake(admin);
}

static void *work(void *argument) {
    rwd_admin *admin = argument;
    for (;;) {
        pthread_mutex_lock(&admin->mutex);
        place *p;
        while (!(p = find_waiting(admin)) && !admin->no_more_work) pthread_cond_wait(&admin->work, &admin->mutex);
        if (p) p->state = RUNNING;
        pthread_mutex_unlock(&admin->mutex);
        if (!p) return NULL;
        run_command(admin, p);
    }
}

// ---- life

static bool start_threads(rwd_admin *admin, rwd_error *err) {
    int why = pthread_create(&admin->poller, NULL, poll_clients, admin);
    if (why) return rwd_fail_errno(err, why, "cannot start the thread of the admin socket");
    admin->polling = true;
    (void)pthread_setname_np(admin->poller, "rwd-admin");
    while (admin->worker_count < RWD_ADMIN_WORKERS) {
        why = pthread_create(&admin->workers[admin->worker_count], NULL, work, admin);
        if (why) return rwd_fail_errno(err, why, "cannot start a worker of the admin socket");
        (void)pthread_setname_np(admin->workers[admin->worker_count++], "rwd-admin-work");
    }
    return true;
}

bool rwd_admin_start(const char *data_dir, const rwd_admin_service *service, rwd_admin **out, rwd_error *err) {
    rwd_admin *admin = rwd_calloc(1, sizeof(*admin));
    admin->service = *service;
    admin->data_dir = rwd_strdup(data_dir);
    admin->listen_fd = -1;
    pthread_mutex_init(&admin->mutex, NULL);
    pthread_cond_init(&admin->work, NULL);
    for (size_t i = 0; i < RWD_ADMIN_CLIENTS_MAX; i++) admin->places[i].fd = -1;
    admin->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool worked = admin->wake_fd >= 0 || rwd_fail_errno(err, errno, "cannot make an event descriptor");
    worked = worked && rwd_admin_listen(data_dir, &admin->listen_fd, err);
    if (worked) (void)fcntl(admin->listen_fd, F_SETFL, O_NONBLOCK);
    worked = worked && start_threads(admin, err);
    if (!worked) {
        rwd_admin_stop(admin);
        return false;
    }
    *out = admin;
    return true;
}

void rwd_admin_stop(rwd_admin *admin) {
    if (!admin) return;
    pthread_mutex_lock(&admin->mutex);
    admin->no_more_work = true;
    pthread_cond_broadcast(&admin->work);
    pthread_mutex_unlock(&admin->mutex);
    for (size_t i = 0; i < admin->worker_count; i++) pthread_join(admin->workers[i], NULL);
    pthread_mutex_lock(&admin->mutex);
    admin->no_more_clients = true;
    pthread_mutex_unlock(&admin->mutex);
    if (admin->wake_fd >= 0) wake(admin);
    if (admin->polling) pthread_join(admin->poller, NULL);
    for (size_t i = 0; i < RWD_ADMIN_CLIENTS_MAX; i++) free_place(&admin->places[i]);
    if (admin->listen_fd >= 0) {
        rwd_admin_unlink(admin->data_dir);
        close(admin->listen_fd);
    }
    if (admin->wake_fd >= 0) close(admin->wake_fd);
    pthread_cond_destroy(&admin->work);
    pthread_mutex_destroy(&admin->mutex);
    free(admin->data_dir);
    free(admin);
}
