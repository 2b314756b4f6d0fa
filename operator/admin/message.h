// The words on the admin socket: one request, then replies until the last (proto/admin.proto, framed by checkpoints/frame.h).
//
// Requests come from a process of the same user, but are read as if they did not: every size is bounded before it is believed.
//
// Thread: pure functions over the caller's memory; any.
#ifndef OPERATOR_ADMIN_MESSAGE_H
#define OPERATOR_ADMIN_MESSAGE_H

#include "operator/base/bytes.h"

#define RWD_ADMIN_REQUEST_MAX ((size_t)64 << 10)  // bytes of a framed request
#define RWD_ADMIN_ARGS_MAX 32
#define RWD_ADMIN_CHUNK_MAX ((size_t)256 << 10)   // bytes of output in one reply
#define RWD_ADMIN_REPLY_MAX ((size_t)320 << 10)   // bytes of a framed reply
#define RWD_ADMIN_OUTPUT_MAX ((size_t)64 << 20)   // bytes of output of one command

// A command and its arguments. Strings are *borrowed*.
typedef struct rwd_admin_call {
    const char *command;
    const char *const *args;
    size_t arg_count;
    bool json;
} rwd_admin_call;

typedef enum rwd_admin_read { RWD_ADMIN_MORE, RWD_ADMIN_WHOLE, RWD_ADMIN_BAD } rwd_admin_read;

// Appends the framed request. USAGE if it is over a bound.
RWD_MUST bool rwd_admin_put_request(const rwd_admin_call *call, rwd_buf *out, rwd_error *err);
// Reads the request at the front of `bytes`. WHOLE: `out` is filled; its strings are freed with rwd_admin_request_free.
typedef struct rwd_admin_request {
    rwd_admin_call call;
    void *memory;
} rwd_admin_request;
rwd_admin_read rwd_admin_get_request(rwd_slice bytes, rwd_admin_request *out, rwd_error *err);
void rwd_admin_request_free(rwd_admin_request *request);

// Appends the framed replies that carry `output` and, where `failure` is not NULL, the error.
void rwd_admin_put_reply(rwd_slice output, const rwd_error *failure, rwd_buf *out);
// Reads the reply at the front of `bytes`: its output is appended, `out_size` is what it took, `out_last` whether it ends the answer. In a last reply that
// carries an error, `failure` becomes that error; otherwise it is cleared. BAD: `err` says what is wrong with the bytes.
rwd_admin_read rwd_admin_get_reply(rwd_slice bytes, rwd_buf *output, size_t *out_size, bool *out_last, rwd_error *failure, rwd_error *err);

#endif
