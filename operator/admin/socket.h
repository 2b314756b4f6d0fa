// The socket file <data>/admin.sock. sun_path holds 108 bytes; a longer path is reached through the open folder, /proc/self/fd/N/admin.sock.
//
// Thread: any.
#ifndef OPERATOR_ADMIN_SOCKET_H
#define OPERATOR_ADMIN_SOCKET_H

#include "operator/base/error.h"

#define RWD_ADMIN_SOCKET_NAME "admin.sock"
#define RWD_ADMIN_BACKLOG 16

// Makes and listens on the socket file, mode 0600. A file of that name is a dead owner's: the caller holds the data directory's lock.
RWD_MUST bool rwd_admin_listen(const char *data_dir, int *out_fd, rwd_error *err);
// NO_OPERATOR if there is no socket file or nobody behind it.
RWD_MUST bool rwd_admin_connect(const char *data_dir, int *out_fd, rwd_error *err);
void rwd_admin_unlink(const char *data_dir);
// True if the process at the other end runs as our user or as root.
bool rwd_admin_peer_allowed(int fd);

#endif
