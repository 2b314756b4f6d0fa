// Calls into a plugin, and what becomes of one that goes wrong.
//
// A thread says before a call whose function it enters, and after it that it is back. In between, a signal of a crash, and a clock that runs out, find there whom to name.
// Both end the process with a message and RWD_EXIT_PLUGIN, from where they are: nothing of the process can be trusted any more, and a crash is safe.
//
// What must stay true: on the way in and out there is no lock, no allocation and no system call, except in a thread's first call.
//
// Thread: any.
#ifndef OPERATOR_PLUGIN_GUARD_PRIVATE_H
#define OPERATOR_PLUGIN_GUARD_PRIVATE_H

#include <stdatomic.h>
#include <stdnoreturn.h>

#include "operator/base/bytes.h"
#include "operator/plugin/rewind_plugin.h"

#define RWD_GUARD_THREADS_MAX 64    // threads that call plugins at one time
#define RWD_GUARD_STACK 32768       // of the handler: a plugin may have used up its thread's
#define RWD_GUARD_EDGE 64           // bytes on each side of what a plugin may write, looked at after the call

typedef struct rwd_guard rwd_guard;  // of one thread

// Begins a call. `owner` is whoever minds it (rwd_minder); `title` ("plugin 'shop' (./shop.so)") and `function` ("median.update") are *borrowed* until
// leave. `offset`: of the record in hand, or -1.
rwd_guard *rwd_guard_enter(const void *owner, const char *title, const char *function, int64_t offset);
void rwd_guard_leave(rwd_guard *guard);
// A room of `size` bytes (at most REWIND_CELL_MAX) between two edges, for the thread's call. `rwd_guard_edges` ends the process if an edge changed.
uint8_t *rwd_guard_room(rwd_guard *guard, uint32_t size);
void rwd_guard_edges(const rwd_guard *guard, uint32_t size);
// Ends the process: the call in hand did `what`.
noreturn void rwd_guard_end(const rwd_guard *guard, const char *what);

// A thread that ends the process where a call of `owner` takes longer than that. *gives*.
typedef struct rwd_minder rwd_minder;
RWD_MUST bool rwd_minder_start(const void *owner, int64_t timeout_ns, rwd_minder **out, rwd_error *err);
void rwd_minder_stop(rwd_minder *minder);  // NULL is fine

#endif
