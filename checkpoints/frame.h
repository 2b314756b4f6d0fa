// The frame around every message that outlives a process.
//
//   offset  size  what
//   0       4     magic, four letters that name the kind ("RWMF" manifest, "RWHE" history entry, "RWCE" commit entry, ...)
//   4       4     format version, little-endian
//   8       4     payload length, little-endian
//   12      4     CRC32C over bytes 0..11 and the payload
//   16      n     payload
//
// A reader can tell four things apart: a whole frame, the torn beginning of one (bytes end early), corruption, a newer version.
//
// Thread: pure functions.
#ifndef CHECKPOINTS_FRAME_H
#define CHECKPOINTS_FRAME_H

#include "operator/base/bytes.h"

#define RWD_FRAME_HEADER 16
#define RWD_FRAME_PAYLOAD_MAX (64u << 20)

typedef enum rwd_frame_state { RWD_FRAME_WHOLE, RWD_FRAME_END, RWD_FRAME_TORN, RWD_FRAME_CORRUPT, RWD_FRAME_NEWER } rwd_frame_state;

void rwd_frame_append(rwd_buf *out, const char magic[4], uint32_t version, rwd_slice payload);
// Reads the frame at the front of `bytes`. WHOLE: payload (*borrowed*) and the frame's full size. END: no bytes left.
rwd_frame_state rwd_frame_read(rwd_slice bytes, const char magic[4], uint32_t newest_version, rwd_slice *out_payload, size_t *out_size);

#endif
