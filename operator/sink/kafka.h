// Topics as outputs, with C as the group's offset in the same transaction (C1, C3, C6); or, with delivery.mode: at-least-once, behind outputs that are acknowledged.
//
// C stands at the source's partition, or, with a file as source, at partition 0 of the first output's topic. Its metadata (kafka_metadata.h) says whose it is.
// The transactional id is "rewind/<group>/<topic>/<partition>" (C7): whoever recovers last is the only one who can commit.
// At least once there is none: C is a plain commit (kafka_position.h). Its metadata is the same, so that a job may change from one mode to the other.
//
// A record's key is the row's key: its text, or of several parts a JSON array. Its value is the row, or nothing for a key that vanished. Headers: rewind-offset,
// rewind-lineage; on corrections rewind-repair, rewind-old (the value that the record replaces, if there was one) and rewind-reason.
// Dead letters keep the original key and value, and say in headers what was wrong: kafka_record.h has the table;
// where the value had to be cut, rewind-size is its whole size.
//
// Thread: pipeline; the work runs on the sink's thread "commit".
#ifndef OPERATOR_SINK_KAFKA_H
#define OPERATOR_SINK_KAFKA_H

#include "operator/base/clock.h"
#include "operator/config/job.h"
#include "operator/kafka/client.h"
#include "operator/sink/sink.h"
#include "state/budget.h"

// `job`, `clock` and `budget` are *borrowed*; so is what the settings point at. Connects when it is asked something. *gives*: close through ops.
RWD_MUST bool rwd_kafka_sink_open(const rwd_job *job, const rwd_kafka_settings *settings, rwd_clock *clock, rwd_budget *budget, rwd_sink **out,
                                  rwd_error *err);
// Names the lineage that records carry from now on (after recovery decided it).
void rwd_kafka_sink_set_lineage(rwd_sink *sink, rwd_hash128 lineage);

#endif
