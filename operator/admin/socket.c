// Making, finding and removing the socket file.
#include "operator/admin/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define OWNER_ONLY 0600

// The address of the socket file. `out_dir_fd` is -1, or the folder that must stay open while the address is in use.
static bool address_of(const char *data_dir, struct sockaddr_un *out, int *out_dir_fd, rwd_error *err) {
    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    *out_dir_fd = -1;
    int size = snprintf(out->sun_path, sizeof(out->sun_path), "%s/" RWD_ADMIN_SOCKET_NAME, data_dir);
    if (size >= 0 && (size_t)size < sizeof(out->sun_path)) return true;
    int fd = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        rwd_fail_errno(err, errno, "cannot open the data directory");
        return rwd_error_at(err, "%s", data_dir);
    }
    *out_dir_fd = fd;
    (void)snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/" RWD_ADMIN_SOCKET_NAME, fd);
    return true;
}

static bool open_socket(const char *data_dir, struct sockaddr_un *out_address, int *out_dir_fd, int *out_fd, rwd_error *err) {
    if (!address_of(data_dir, out_address, out_dir_fd, err)) return false;
    *out_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*out_fd >= 0) return true;
    int why = errno;
    if (*out_dir_fd >= 0) close(*out_dir_fd);
    return rwd_fail_errno(err, why, "cannot make a socket");
}

bool rwd_admin_listen(const char *data_dir, int *out_fd, rwd_error *err) {
    struct sockaddr_un address;
    int dir_fd, fd;
    if (!open_socket(data_dir, &address, &dir_fd, &fd, err)) return false;
    // The mode of the socket becomes the mode of its file: there is no moment at which others could connect.
    bool worked = fchmod(fd, OWNER_ONLY) == 0 && (unlink(address.sun_path) == 0 || errno == ENOENT) &&
                  bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 && chmod(address.sun_path, OWNER_ONLY) == 0 &&
                  listen(fd, RWD_ADMIN_BACKLOG) == 0;
    int why = errno;
    if (dir_fd >= 0) close(dir_fd);
    if (worked) {
        *out_fd = fd;
        return true;
    }
    close(fd);
    rwd_fail_errno(err, why, "cannot listen on the admin socket");
    return rwd_error_at(err, "%s/" RWD_ADMIN_SOCKET_NAME, data_dir);
}

bool rwd_admin_connect(const char *data_dir, int *out_fd, rwd_error *err) {
    struct sockaddr_un address;
    int dir_fd, fd;
    if (!open_socket(data_dir, &address, &dir_fd, &fd, err)) return false;
    int result = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    int why = errno;
    if (dir_fd >= 0) close(dir_fd);
    if (result == 0) {
        *out_fd = fd;
        return true;
    }
    close(fd);
    if (why == ENOENT || why == ECONNREFUSED || why == ENOTDIR)
        rwd_fail(err, RWD_E_NO_OPERATOR, "no operator is running on this data directory");
    else rwd_fail_errno(err, why, "cannot connect to the operator's admin socket");
    return rwd_error_at(err, "%s", data_dir);
}

void rwd_admin_unlink(const char *data_dir) {
    struct sockaddr_un address;
    int dir_fd;
    rwd_error ignored;
    if (!address_of(data_dir, &address, &dir_fd, &ignored)) return;
    unlink(address.sun_path);
    if (dir_fd >= 0) close(dir_fd);
}

bool rwd_admin_peer_allowed(int fd) {
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    return peer.uid == geteuid() || peer.uid == 0;
}
