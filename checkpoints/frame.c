// The frame: 16 bytes of header in front of a payload (the layout is in the header file). One function writes it, one reads it.
//
// What must stay true: the checksum is looked at before the version, so that a damaged version number is damage and not "newer"; a
// length is compared with what is there before it is used.
#include "checkpoints/frame.h"

#include <assert.h>

#include "operator/base/hash.h"

enum { AT_VERSION = 4, AT_LENGTH = 8, AT_CHECKSUM = 12 };

static uint32_t checksum(const uint8_t header[RWD_FRAME_HEADER], rwd_slice payload) {
    uint32_t crc = rwd_crc32c(0, header, AT_CHECKSUM);
    return rwd_crc32c(crc, payload.data, payload.size);
}

void rwd_frame_append(rwd_buf *out, const char magic[4], uint32_t version, rwd_slice payload) {
    assert(payload.size <= RWD_FRAME_PAYLOAD_MAX);
    uint8_t header[RWD_FRAME_HEADER];
    memcpy(header, magic, 4);
    rwd_put_le32(header + AT_VERSION, version);
    rwd_put_le32(header + AT_LENGTH, (uint32_t)payload.size);
    rwd_put_le32(header + AT_CHECKSUM, checksum(header, payload));
    rwd_buf_append(out, header, sizeof(header));
    rwd_buf_append_slice(out, payload);
}

// Disks that lost power may have made a file longer without its bytes: zeros up to the end are a beginning that never came.
static bool all_zero(rwd_slice bytes) {
    return bytes.data[0] == 0 && (bytes.size == 1 || memcmp(bytes.data, bytes.data + 1, bytes.size - 1) == 0);
}

rwd_frame_state rwd_frame_read(rwd_slice bytes, const char magic[4], uint32_t newest_version, rwd_slice *out_payload, size_t *out_size) {
    *out_payload = (rwd_slice){0};
    *out_size = 0;
    if (bytes.size == 0) return RWD_FRAME_END;
    size_t seen = bytes.size < 4 ? bytes.size : 4;
    if (memcmp(bytes.data, magic, seen) != 0) return all_zero(bytes) ? RWD_FRAME_TORN : RWD_FRAME_CORRUPT;
    if (bytes.size < RWD_FRAME_HEADER) return RWD_FRAME_TORN;
    size_t length = rwd_get_le32(bytes.data + AT_LENGTH);
    if (length > RWD_FRAME_PAYLOAD_MAX) return RWD_FRAME_CORRUPT;
    if (length > bytes.size - RWD_FRAME_HEADER) return RWD_FRAME_TORN;
    rwd_slice payload = rwd_slice_of(bytes.data + RWD_FRAME_HEADER, length);
    if (rwd_get_le32(bytes.data + AT_CHECKSUM) != checksum(bytes.data, payload)) return RWD_FRAME_CORRUPT;
    *out_size = RWD_FRAME_HEADER + length;
    if (rwd_get_le32(bytes.data + AT_VERSION) > newest_version) return RWD_FRAME_NEWER;
    *out_payload = payload;
    return RWD_FRAME_WHOLE;
}
