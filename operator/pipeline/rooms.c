// Sources and sinks, chosen by the job (rooms.h).
#include "operator/pipeline/rooms.h"

#include "operator/base/fs.h"
#include "operator/sink/file.h"
#include "operator/sink/kafka.h"
#include "operator/sink/none.h"
#include "operator/source/file.h"
#include "operator/source/journaled.h"
#include "operator/source/kafka.h"

// What librdkafka may hold, as parts of the job's memory: records ahead, and outputs on their way. The rest is shared out (state/budget.h).
#define RWD_KAFKA_AHEAD 8
#define RWD_KAFKA_OUT 8

rwd_kafka_settings rwd_kafka_settings_of(const rwd_job *job, uint64_t memory) {
    return (rwd_kafka_settings){
        .brokers = job->kafka.brokers,
        .group = rwd_job_group(job),
        .client = job->name,
        .properties = job->kafka.properties,
        .property_count = job->kafka.property_count,
        .memory = memory / RWD_KAFKA_AHEAD,
        .memory_out = memory / RWD_KAFKA_OUT,
    };
}

rwd_keep rwd_keep_of(const rwd_job *job) {
    return (rwd_keep){
        .last = job->checkpoints.keep_last, .hourly = job->checkpoints.keep_hourly, .daily = job->checkpoints.keep_daily, .within_us = job->checkpoints.keep_within_us,
        .full = job->checkpoints.full_keep,
    };
}

uint64_t rwd_memory_aside(const rwd_job *job, uint64_t memory) {
    uint64_t bytes = 0;
    if (job->source.topic) bytes += memory / RWD_KAFKA_AHEAD;
    if (rwd_job_commits_to_kafka(job)) bytes += memory / RWD_KAFKA_OUT;
    return bytes;
}

static bool open_file_source(const rwd_job *job, rwd_io *io, rwd_clock *clock, const rwd_budget *budget, rwd_source **out, rwd_error *err) {
    rwd_file_source_options options = {
        .path = job->source.path, .csv = job->source.format == RWD_FORMAT_CSV, .csv_header = job->source.csv_header,
        .sized = job->source.format == RWD_FORMAT_PROTOBUF,
        .csv_delimiter = job->source.csv_delimiter, .follow = job->source.follow, .max_size = job->event.max_size,
        .memory = budget->limit[RWD_SHARE_SOURCE],
    };
    return rwd_file_source_open(&options, io, clock, out, err);
}

void rwd_known_source(const rwd_job *job, rwd_repo *repo, rwd_buf *out) {
    rwd_checkpoint newest;
    rwd_error ignored;
    if (!job->source.topic || job->journal.mode != RWD_JOURNAL_ON || rwd_repo_is_new(repo) || !rwd_repo_find(repo, "latest", &newest, &ignored)) return;
    rwd_buf_append_slice(out, newest.facts.source_identity);
    rwd_checkpoint_deinit(&newest);
}

bool rwd_open_source(const rwd_job *job, rwd_io *io, rwd_clock *clock, const rwd_budget *budget, rwd_source **out, rwd_error *err) {
    return rwd_open_known_source(job, io, clock, budget, rwd_slice_of(NULL, 0), out, err);
}

bool rwd_open_known_source(const rwd_job *job, rwd_io *io, rwd_clock *clock, const rwd_budget *budget, rwd_slice known, rwd_source **out, rwd_error *err) {
    if (!job->source.topic) return open_file_source(job, io, clock, budget, out, err);
    rwd_kafka_settings settings = rwd_kafka_settings_of(job, budget->total);
    if (!rwd_kafka_source_open(job, &settings, known, clock, out, err)) return false;
    if (job->journal.mode == RWD_JOURNAL_ON) *out = rwd_journaled_source_new(*out);
    return true;
}

// Two owners of one log are kept apart by flock, which network file systems do not promise (K6).
static bool refuse_network_fs(const rwd_job *job, rwd_error *err) {
    char log[RWD_PATH_MAX], folder[RWD_PATH_MAX];
    if (!rwd_file_sink_log_path(job, log, err)) return false;
    rwd_path_dir(folder, log);
    const char *network = rwd_network_fs(folder);
    if (!network) return true;
    rwd_fail(err, RWD_E_NETWORK_FS, "the commit log would be on a network file system (%s)", network);
    rwd_error_at(err, "%s", log);
    return rwd_error_next(err, "write outputs to a local disk");
}

bool rwd_open_sink(const rwd_job *job, rwd_io *io, rwd_clock *clock, rwd_budget *budget, rwd_sink **out, rwd_error *err) {
    if (!rwd_job_has_outputs(job)) {
        *out = rwd_none_sink_new();
        return true;
    }
    rwd_io *own = NULL;
    if (rwd_job_commits_to_kafka(job)) {
        rwd_kafka_settings settings = rwd_kafka_settings_of(job, budget->total);
        settings.proven = job->source.topic != NULL;  // the source has read from it
        return rwd_kafka_sink_open(job, &settings, clock, budget, out, err);
    }
    return refuse_network_fs(job, err) && rwd_io_clone(io, &own, err) && rwd_file_sink_open(job, own, clock, budget, out, err);
}
