// Condition variables that are waited on for a bounded time, by the monotonic clock of the system, not by a job's: setting the time of day neither shortens nor prolongs a wait
// (POSIX, pthread_condattr_setclock).
//
// Thread: any.
#ifndef OPERATOR_BASE_COND_H
#define OPERATOR_BASE_COND_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

// One whose timed waits take deadlines of rwd_deadline_in. Ends with pthread_cond_destroy.
void rwd_cond_init(pthread_cond_t *cond);
// `ns` from now, at least 0, for pthread_cond_timedwait.
struct timespec rwd_deadline_in(int64_t ns);

#endif
