// Signals as a thread of their own, so that nothing runs inside a handler and nothing is global.
//
// Thread: block before any thread is made; start and stop from one thread.
#ifndef OPERATOR_CLI_SIGNALS_H
#define OPERATOR_CLI_SIGNALS_H

#include "operator/pipeline/operator.h"
#include "operator/pipeline/shadow.h"

typedef struct rwd_signals rwd_signals;

// Blocks SIGINT, SIGTERM and SIGHUP in this thread and all that it will make. Call first.
void rwd_signals_block(void);
// From now on the first of them stops the operator (*borrowed*); a SIGINT after it ends the process at once with 130, which is as safe as a crash.
RWD_MUST bool rwd_signals_start(rwd_operator *op, rwd_signals **out, rwd_error *err);
// The same for a shadow.
RWD_MUST bool rwd_signals_start_shadow(rwd_shadow *shadow, rwd_signals **out, rwd_error *err);
// True if it was told to stop by a signal.
bool rwd_signals_stop(rwd_signals *signals);

#endif
