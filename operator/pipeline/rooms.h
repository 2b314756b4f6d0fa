// Which source and which sink a job has.
//
// Thread: pipeline, or a command that runs no operator.
#ifndef OPERATOR_PIPELINE_ROOMS_H
#define OPERATOR_PIPELINE_ROOMS_H

#include "checkpoints/io/io.h"
#include "checkpoints/journal/journal.h"
#include "checkpoints/repository.h"
#include "operator/base/clock.h"
#include "operator/config/job.h"
#include "operator/kafka/client.h"
#include "operator/sink/sink.h"
#include "operator/source/source.h"
#include "state/budget.h"

// `job`, `io`, `clock` and `budget` are *borrowed*. *gives*: close through ops.
RWD_MUST bool rwd_open_source(const rwd_job *job, rwd_io *io, rwd_clock *clock, const rwd_budget *budget, rwd_source **out, rwd_error *err);
// As above; `known` is the source's identity as the newest manifest has it, or empty: with it a broker that is away is no reason to wait (source/kafka.h).
RWD_MUST bool rwd_open_known_source(const rwd_job *job, rwd_io *io, rwd_clock *clock, const rwd_budget *budget, rwd_slice known, rwd_source **out, rwd_error *err);
// What the newest manifest says of the source; appends nothing where there is none, or the job keeps no journal, which alone could serve without a broker.
void rwd_known_source(const rwd_job *job, rwd_repo *repo, rwd_buf *out);
// Nobody answers it now, as far as it knows.
static inline bool rwd_source_is_alone(rwd_source *source) {
    rwd_outlook outlook = {0};
    if (source->ops->outlook) source->ops->outlook(source, &outlook);
    return outlook.away_us != 0;
}
// The sink that all outputs of the job go to (C1). It makes a clone of `io` for its thread. *gives*: close through ops.
RWD_MUST bool rwd_open_sink(const rwd_job *job, rwd_io *io, rwd_clock *clock, rwd_budget *budget, rwd_sink **out, rwd_error *err);
// The journal of a data directory, to be read beside its owner or without one (journal.c). *gives*.
RWD_MUST bool rwd_open_journal_of(rwd_repo *repo, rwd_io *io, rwd_clock *clock, rwd_journal **out, rwd_error *err);
// Of the job's cluster; `memory`: of the whole job. What they hold is *borrowed* from the job.
rwd_kafka_settings rwd_kafka_settings_of(const rwd_job *job, uint64_t memory);
// Does the job publish anything?
static inline bool rwd_job_has_outputs(const rwd_job *job) { return job->sink_count > 0 || rwd_job_has_dead_letters(job); }

// How the job's cluster is talked to, with so much memory. What it points to is the job's.
rwd_kafka_settings rwd_kafka_settings_of(const rwd_job *job, uint64_t memory);

// The retention that a job asks for.
rwd_keep rwd_keep_of(const rwd_job *job);

// Bytes of `memory` that librdkafka's queues may hold; 0 where nothing is Kafka's.
uint64_t rwd_memory_aside(const rwd_job *job, uint64_t memory);

#endif
