// C without transactions (delivery.mode: at-least-once): the group's offset, committed plainly behind the outputs.
//
// No broker fences such a commit. So C is read before each, and must be what this process left there, or found when it took over (C6). What is done by another
// between reading and committing is not seen before the next reading: one process at a time is the promise of whoever runs it.
//
// Thread: one at a time; the sink hands it from the pipeline to its own thread and back.
#ifndef OPERATOR_SINK_KAFKA_POSITION_H
#define OPERATOR_SINK_KAFKA_POSITION_H

#include "operator/kafka/group.h"

typedef struct rwd_kafka_position rwd_kafka_position;

// `found` is C as it was taken over; its content is *taken*, where this works. Settings, topic, clock and wait are *borrowed*. *gives*.
RWD_MUST bool rwd_kafka_position_open(const rwd_kafka_settings *settings, const char *topic, unsigned partition, rwd_clock *clock, rwd_kafka_wait *wait,
                                      rwd_kafka_committed *found, rwd_kafka_position **out, rwd_error *err);
void rwd_kafka_position_close(rwd_kafka_position *position);
// Is C still what this process knows? FENCED: it is not.
RWD_MUST bool rwd_kafka_position_check(rwd_kafka_position *position, rwd_error *err);
// Checks, and commits. Without an answer it looks what stands there, and goes on from that: the new C has been committed, or the old one stands and it goes again.
// FENCED: something else stands there. BROKER: it may have happened or not. Else the broker refuses it.
RWD_MUST bool rwd_kafka_position_commit(rwd_kafka_position *position, int64_t offset, rwd_slice metadata, rwd_error *err);

#endif
