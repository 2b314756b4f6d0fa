// Bytes on the admin socket, either way: a request that is accepted is within its bounds and is the same when it is sent on.
#include "operator/admin/message.h"

#include "checkpoints/frame.h"
#include "tests/fuzz/fuzz.h"

// The first byte says how the rest is framed: 0 as it is, 1 as a request, 2 as a reply.
const char *const fuzz_seeds[] = {
    "\x01\x0a\x06status\x18\x01",
    "\x01\x0a\x09state-get\x12\x09" "customers\x12\x01" "k",
    "\x02\x08\x0a\x12\x03why\x20\x01\x2a\x09not-found\x32\x02" "at\x3a\x04next",
    "\x02\x1a\x05hello",
    "\x00RWAQ\x01",
    NULL,
};

static void check_request(rwd_slice bytes) {
    rwd_admin_request request, again;
    rwd_error err;
    if (rwd_admin_get_request(bytes, &request, &err) != RWD_ADMIN_WHOLE) return;
    FUZZ_CHECK(request.call.arg_count <= RWD_ADMIN_ARGS_MAX);
    rwd_buf sent = {0};
    if (rwd_admin_put_request(&request.call, &sent, &err)) {
        FUZZ_CHECK(rwd_admin_get_request(rwd_buf_slice(&sent), &again, &err) == RWD_ADMIN_WHOLE);
        FUZZ_CHECK(strcmp(again.call.command, request.call.command) == 0 && again.call.arg_count == request.call.arg_count);
        FUZZ_CHECK(again.call.json == request.call.json);
        for (size_t i = 0; i < again.call.arg_count; i++) FUZZ_CHECK(strcmp(again.call.args[i], request.call.args[i]) == 0);
        rwd_admin_request_free(&again);
    }
    rwd_buf_deinit(&sent);
    rwd_admin_request_free(&request);
}

static void check_replies(rwd_slice bytes) {
    rwd_buf output = {0};
    rwd_error failure, err;
    size_t size;
    bool last = false;
    while (!last && rwd_admin_get_reply(bytes, &output, &size, &last, &failure, &err) == RWD_ADMIN_WHOLE) {
        FUZZ_CHECK(size >= RWD_FRAME_HEADER && size <= bytes.size && size <= RWD_ADMIN_REPLY_MAX);
        bytes = rwd_slice_of(bytes.data + size, bytes.size - size);
    }
    FUZZ_CHECK(output.size <= RWD_ADMIN_OUTPUT_MAX);
    rwd_buf_deinit(&output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    rwd_buf framed = {0};
    rwd_slice rest = rwd_slice_of(data + 1, size - 1);
    if (data[0] == 1) rwd_frame_append(&framed, "RWAQ", 1, rest);
    else if (data[0] == 2) rwd_frame_append(&framed, "RWAR", 1, rest);
    else rwd_buf_append_slice(&framed, rest);
    check_request(rwd_buf_slice(&framed));
    check_replies(rwd_buf_slice(&framed));
    rwd_buf_deinit(&framed);
    return 0;
}
