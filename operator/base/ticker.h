// A thread that takes a turn at something again and again, with a pause before each.
//
// Signals are blocked in it: they are the business of the program's main thread. It goes by the monotonic clock of the system, not by a job's.
//
// Thread: start and stop from one; the turns run on the ticker's own.
#ifndef OPERATOR_BASE_TICKER_H
#define OPERATOR_BASE_TICKER_H

#include <stdint.h>

#include "operator/base/error.h"

typedef struct rwd_ticker rwd_ticker;

// `name` (at most 15 bytes) is the thread's. `turn` and `context` are *borrowed* until stop. IO: no thread can be started. *gives*.
RWD_MUST bool rwd_ticker_start(const char *name, int64_t pause_ns, void (*turn)(void *context), void *context, rwd_ticker **out, rwd_error *err);
// Waits for the turn in hand; no other follows. NULL is fine.
void rwd_ticker_stop(rwd_ticker *ticker);

#endif
