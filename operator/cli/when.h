// Times on the command line: RFC 3339, or a local time of day, which is the last one that was.
//
// Thread: any.
#ifndef OPERATOR_CLI_WHEN_H
#define OPERATOR_CLI_WHEN_H

#include <stdint.h>

#include "operator/base/error.h"

// "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.5+01:00", "12:00", "12:00:30". `now_us` is the wall clock. USAGE with what is taken.
RWD_MUST bool rwd_when_parse(const char *text, int64_t now_us, int64_t *out_us, rwd_error *err);

#endif
