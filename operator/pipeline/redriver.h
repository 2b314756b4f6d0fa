// Sends records of dead letters into the source topic again, each with its origin in a header (S3).
//
// What was sent twice is applied once, so whoever was killed halfway sends all again.
//
// Thread: one.
#ifndef OPERATOR_PIPELINE_REDRIVER_H
#define OPERATOR_PIPELINE_REDRIVER_H

#include "operator/pipeline/dead_fetch.h"

typedef struct rwd_redriver rwd_redriver;

// Into the job's source topic and partition. `origin`: CLUSTER/TOPIC/PARTITION (rwd_dead_fetcher_origin). All is *borrowed*. *gives*.
RWD_MUST bool rwd_redriver_open(const rwd_job *job, const char *origin, rwd_clock *clock, rwd_redriver **out, rwd_error *err);
void rwd_redriver_close(rwd_redriver *redriver);
// May it be sent? NULL: yes; else why not, in words (static).
const char *rwd_redriver_refuses(const rwd_job *job, const rwd_dead_item *item);
// With this value (data NULL: none) instead of its own; key, headers and time are the record's. All is copied. Precondition: it is not refused.
RWD_MUST bool rwd_redriver_send(rwd_redriver *redriver, const rwd_dead_item *item, rwd_slice value, rwd_error *err);
// Waits until the broker has all that was sent.
RWD_MUST bool rwd_redriver_flush(rwd_redriver *redriver, rwd_error *err);

#endif
