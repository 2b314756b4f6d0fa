// Which tier this machine lets us have: found by doing with it what queues will do, at the place where they will do it.
//
// A tier is tried with writes, a sync and reads of an unnamed file, whose bytes are compared. What refuses is a kernel without io_uring, a
// seccomp profile (containers: most refuse io_uring_setup, some only io_uring_enter), kernel.io_uring_disabled, or RLIMIT_MEMLOCK for
// registered memory. Whatever it says (EPERM, ENOSYS, EINVAL, ENOMEM, EOPNOTSUPP, ...), the next tier is tried; pread needs nothing.
//
// Thread: any, one call at a time.
#ifndef CHECKPOINTS_IO_PROBE_H
#define CHECKPOINTS_IO_PROBE_H

#include "checkpoints/io/io.h"

#define RWD_IO_REASON_MAX 160

// What the probe found.
typedef struct rwd_io_probe {
    rwd_io_tier tier;  // the one that is used
    bool forced;       // by a flag or the job file
    char refused[RWD_IO_TIER_COUNT][RWD_IO_REASON_MAX];  // why a better one is not; empty: it works, or was not tried
} rwd_io_probe;

// *gives* an rwd_io of the best tier that works for files in `dir` (or the nearest folder above it that exists), or of the tier that is `wanted` unless that is
// AUTO. Where `dir` cannot be written to, a file in memory is used: kernel and limits are what it is about. A wanted tier that does not work is
// RESOURCE, with the reason. `out_probe` may be NULL.
RWD_MUST bool rwd_io_new(const char *dir, rwd_io_tier wanted, rwd_io **out, rwd_io_probe *out_probe, rwd_error *err);
// "uring-registered", or "pread (uring-registered: ...; uring: ...)": the tier, and why it is not a better one.
void rwd_io_probe_text(const rwd_io_probe *probe, rwd_buf *out);

#endif
