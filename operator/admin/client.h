// The asking side of the admin socket.
//
// Thread: any; each call has a connection of its own.
#ifndef OPERATOR_ADMIN_CLIENT_H
#define OPERATOR_ADMIN_CLIENT_H

#include "operator/admin/message.h"

// True if an operator answers on this data directory's socket file.
bool rwd_admin_is_running(const char *data_dir);
// Asks the operator and waits for the whole answer. False: the operator's error, or NO_OPERATOR, or IO where it went away or said nothing for `timeout_ns`
// (0: for ever). Output is appended in either case.
RWD_MUST bool rwd_admin_ask(const char *data_dir, const rwd_admin_call *call, int64_t timeout_ns, rwd_buf *out, rwd_error *err);
// The same over a connected socket, which stays open.
RWD_MUST bool rwd_admin_ask_over(int fd, const rwd_admin_call *call, int64_t timeout_ns, rwd_buf *out, rwd_error *err);

#endif
