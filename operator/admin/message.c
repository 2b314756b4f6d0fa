// Requests and replies of the admin socket, packed and unpacked.
#include "operator/admin/message.h"

#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/frame.h"
#include "proto/admin.pb-c.h"
#include "proto/pack.h"

#define MESSAGE_VERSION 1
#define LENGTH_AT 8  // of the payload's length in a frame

static const char request_magic[4] = {'R', 'W', 'A', 'Q'};
static const char reply_magic[4] = {'R', 'W', 'A', 'R'};

// What stands in a message must not be cut by an invisible NUL; protobuf-c ends every string with one of its own.
static bool too_long(size_t size, size_t most, rwd_error *err) {
    return rwd_fail(err, RWD_E_USAGE, "a message of %zu bytes is above the bound of %zu", size, most);
}

bool rwd_admin_put_request(const rwd_admin_call *call, rwd_buf *out, rwd_error *err) {
    if (call->arg_count > RWD_ADMIN_ARGS_MAX)
        return rwd_fail(err, RWD_E_USAGE, "%zu arguments are above the bound of %d", call->arg_count, RWD_ADMIN_ARGS_MAX);
    char *args[RWD_ADMIN_ARGS_MAX];
    for (size_t i = 0; i < call->arg_count; i++) args[i] = (char *)(uintptr_t)call->args[i];
    Rewind__AdminRequest message = REWIND__ADMIN_REQUEST__INIT;
    message.command = (char *)(uintptr_t)call->command;
    message.args = args;
    message.n_args = call->arg_count;
    message.json = call->json;
    rwd_buf packed = {0};
    rwd_proto_append(&packed, &message.base);
    bool fits = packed.size + RWD_FRAME_HEADER <= RWD_ADMIN_REQUEST_MAX || too_long(packed.size, RWD_ADMIN_REQUEST_MAX, err);
    if (fits) rwd_frame_append(out, request_magic, MESSAGE_VERSION, rwd_buf_slice(&packed));
    rwd_buf_deinit(&packed);
    return fits;
}

static rwd_admin_read bad(rwd_error *err, const char *what) {
    rwd_fail(err, RWD_E_USAGE, "the message on the admin socket %s", what);
    return RWD_ADMIN_BAD;
}

// The frame at the front, as far as it has come. A length above `most` is refused before its bytes are waited for.
static rwd_admin_read get_frame(rwd_slice bytes, const char magic[4], size_t most, rwd_slice *out_payload, size_t *out_size, rwd_error *err) {
    if (bytes.size >= RWD_FRAME_HEADER && rwd_get_le32(bytes.data + LENGTH_AT) > most - RWD_FRAME_HEADER) return bad(err, "is too long");
    switch (rwd_frame_read(bytes, magic, MESSAGE_VERSION, out_payload, out_size)) {
    case RWD_FRAME_WHOLE: return RWD_ADMIN_WHOLE;
    case RWD_FRAME_END:
    case RWD_FRAME_TORN: return RWD_ADMIN_MORE;
    case RWD_FRAME_NEWER: return bad(err, "is of a newer version of rewind");
    case RWD_FRAME_CORRUPT: break;
    }
    return bad(err, "is not one of rewind's");
}

rwd_admin_read rwd_admin_get_request(rwd_slice bytes, rwd_admin_request *out, rwd_error *err) {
    *out = (rwd_admin_request){0};
    rwd_slice payload;
    size_t size;
    rwd_admin_read found = get_frame(bytes, request_magic, RWD_ADMIN_REQUEST_MAX, &payload, &size, err);
    if (found != RWD_ADMIN_WHOLE) return found;
    if (size != bytes.size) return bad(err, "has bytes behind it");
    Rewind__AdminRequest *message =
        (Rewind__AdminRequest *)rwd_proto_unpack(&rewind__admin_request__descriptor, payload, 4 * RWD_ADMIN_REQUEST_MAX);
    if (!message) return bad(err, "does not unpack");
    out->memory = message;
    out->call = (rwd_admin_call){message->command, (const char *const *)message->args, message->n_args, message->json};
    if (message->n_args <= RWD_ADMIN_ARGS_MAX) return RWD_ADMIN_WHOLE;
    rwd_admin_request_free(out);
    return bad(err, "has too many arguments");
}

void rwd_admin_request_free(rwd_admin_request *request) {
    rwd_proto_free(request->memory);
    *request = (rwd_admin_request){0};
}

static void put_one(rwd_slice piece, const rwd_error *failure, bool last, rwd_buf *out) {
    Rewind__AdminReply message = REWIND__ADMIN_REPLY__INIT;
    message.output = rwd_proto_bytes(piece);
    message.last = last;
    if (last && failure) {
        message.exit_code = (uint32_t)rwd_code_exit(failure->code);
        message.code = (char *)(uintptr_t)rwd_code_name(failure->code);
        message.place = (char *)(uintptr_t)failure->place;
        message.error = (char *)(uintptr_t)failure->cause;
        message.next = (char *)(uintptr_t)failure->next;
    }
    rwd_buf packed = {0};
    rwd_proto_append(&packed, &message.base);
    rwd_frame_append(out, reply_magic, MESSAGE_VERSION, rwd_buf_slice(&packed));
    rwd_buf_deinit(&packed);
}

void rwd_admin_put_reply(rwd_slice output, const rwd_error *failure, rwd_buf *out) {
    while (output.size > RWD_ADMIN_CHUNK_MAX) {
        put_one(rwd_slice_of(output.data, RWD_ADMIN_CHUNK_MAX), NULL, false, out);
        output = rwd_slice_of(output.data + RWD_ADMIN_CHUNK_MAX, output.size - RWD_ADMIN_CHUNK_MAX);
    }
    put_one(output, failure, true, out);
}

// The error that a reply names; an unknown word is a bug of somebody's, but the text is still worth showing.
static void take_error(const Rewind__AdminReply *message, rwd_error *failure) {
    rwd_error_clear(failure);
    if (message->exit_code == 0 && !*message->code) return;
    rwd_code code = RWD_E_INTERNAL;
    for (int i = RWD_E_NONE + 1; i < RWD_E_COUNT; i++)
        if (strcmp(rwd_code_name((rwd_code)i), message->code) == 0) code = (rwd_code)i;
    rwd_fail(failure, code, "%s", message->error);
    if (*message->place) rwd_error_at(failure, "%s", message->place);
    if (*message->next) rwd_error_next(failure, "%s", message->next);
}

rwd_admin_read rwd_admin_get_reply(rwd_slice bytes, rwd_buf *output, size_t *out_size, bool *out_last, rwd_error *failure, rwd_error *err) {
    rwd_slice payload;
    *out_last = false;
    rwd_error_clear(failure);
    rwd_admin_read found = get_frame(bytes, reply_magic, RWD_ADMIN_REPLY_MAX, &payload, out_size, err);
    if (found != RWD_ADMIN_WHOLE) return found;
    Rewind__AdminReply *message =
        (Rewind__AdminReply *)rwd_proto_unpack(&rewind__admin_reply__descriptor, payload, 4 * RWD_ADMIN_REPLY_MAX);
    if (!message) return bad(err, "does not unpack");
    if (message->output.len > RWD_ADMIN_OUTPUT_MAX - output->size) {
        rwd_proto_free(&message->base);
        return bad(err, "brings more output than the bound");
    }
    rwd_buf_append(output, message->output.data, message->output.len);
    *out_last = message->last;
    if (message->last) take_error(message, failure);
    rwd_proto_free(&message->base);
    return RWD_ADMIN_WHOLE;
}
