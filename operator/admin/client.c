// One question, one answer.
#include "operator/admin/client.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "operator/admin/socket.h"

#define READ_STEP ((size_t)64 << 10)
#define NS_PER_MS 1000000

static bool send_all(int fd, rwd_slice bytes, rwd_error *err) {
    while (bytes.size > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return rwd_fail_errno(err, errno, "cannot ask the operator");
        bytes = rwd_slice_of(bytes.data + sent, bytes.size - (size_t)sent);
    }
    return true;
}

static int wait_ms(int64_t timeout_ns) {
    if (timeout_ns <= 0) return -1;
    int64_t ms = timeout_ns / NS_PER_MS;
    return ms < 1 ? 1 : ms > 1 << 30 ? 1 << 30 : (int)ms;
}

static bool receive_some(int fd, int64_t timeout_ns, rwd_buf *in, rwd_error *err) {
    struct pollfd wanted = {fd, POLLIN, 0};
    int ready = poll(&wanted, 1, wait_ms(timeout_ns));
    if (ready < 0 && errno == EINTR) return true;
    if (ready < 0) return rwd_fail_errno(err, errno, "cannot wait for the operator");
    if (ready == 0) return rwd_fail(err, RWD_E_IO, "the operator did not answer in time");
    rwd_buf_reserve(in, READ_STEP);
    ssize_t got = recv(fd, in->data + in->size, READ_STEP, 0);
    if (got < 0 && errno == EINTR) return true;
    if (got < 0) return rwd_fail_errno(err, errno, "cannot read the operator's answer");
    if (got == 0) return rwd_fail(err, RWD_E_IO, "the operator went away before it had answered");
    in->size += (size_t)got;
    return true;
}

// Replies at the front of `in`, until the last or until more bytes are needed.
static bool take_replies(rwd_buf *in, rwd_buf *out, bool *out_done, rwd_error *failure, rwd_error *err) {
    size_t at = 0;
    *out_done = false;
    while (!*out_done) {
        size_t size = 0;
        rwd_admin_read found = rwd_admin_get_reply(rwd_slice_of(in->data + at, in->size - at), out, &size, out_done, failure, err);
        if (found == RWD_ADMIN_BAD) return false;
        if (found == RWD_ADMIN_MORE) break;
        at += size;
    }
    memmove(in->data, in->data + at, in->size - at);
    in->size -= at;
    return true;
}

bool rwd_admin_ask_over(int fd, const rwd_admin_call *call, int64_t timeout_ns, rwd_buf *out, rwd_error *err) {
    rwd_buf bytes = {0};
    rwd_error failure;
    bool done = false;
    bool worked = rwd_admin_put_request(call, &bytes, err) && send_all(fd, rwd_buf_slice(&bytes), err);
    rwd_buf_clear(&bytes);
    while (worked && !done) worked = receive_some(fd, timeout_ns, &bytes, err) && take_replies(&bytes, out, &done, &failure, err);
    rwd_buf_deinit(&bytes);
    if (!worked) return false;
    if (failure.code == RWD_E_NONE) return true;
    *err = failure;
    return false;
}

bool rwd_admin_ask(const char *data_dir, const rwd_admin_call *call, int64_t timeout_ns, rwd_buf *out, rwd_error *err) {
    int fd;
    if (!rwd_admin_connect(data_dir, &fd, err)) return false;
    bool worked = rwd_admin_ask_over(fd, call, timeout_ns, out, err);
    close(fd);
    return worked;
}

bool rwd_admin_is_running(const char *data_dir) {
    int fd;
    rwd_error ignored;
    if (!rwd_admin_connect(data_dir, &fd, &ignored)) return false;
    close(fd);
    return true;
}
