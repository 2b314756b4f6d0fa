// The answering side of the admin socket: one thread that polls, a few that run commands.
//
// What must stay true: only our user and root are heard; a client can hold one place, for a bounded time, with bounded bytes; a slow
// command keeps nobody else from being heard (while a worker is free).
//
// Thread: start and stop from one thread. The service's `run` is called from the workers, several at a time.
#ifndef OPERATOR_ADMIN_SERVER_H
#define OPERATOR_ADMIN_SERVER_H

#include "operator/admin/message.h"

#define RWD_ADMIN_CLIENTS_MAX 16
#define RWD_ADMIN_WORKERS 4

typedef struct rwd_admin rwd_admin;

typedef struct rwd_admin_service {
    void *context;
    // Runs one command; appends its output. False: `err` goes to the client.
    bool (*run)(void *context, const rwd_admin_call *call, rwd_buf *out, rwd_error *err);
} rwd_admin_service;

// Listens on <data_dir>/admin.sock. The service is copied. *gives*.
RWD_MUST bool rwd_admin_start(const char *data_dir, const rwd_admin_service *service, rwd_admin **out, rwd_error *err);
// Waits for running commands to return, sends what is answered, removes the socket file.
void rwd_admin_stop(rwd_admin *admin);

#endif
