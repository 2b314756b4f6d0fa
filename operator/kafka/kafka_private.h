// Shared by the files of this folder only.
#ifndef OPERATOR_KAFKA_KAFKA_PRIVATE_H
#define OPERATOR_KAFKA_KAFKA_PRIVATE_H

#include <librdkafka/rdkafka.h>

#include "operator/kafka/client.h"
#include "operator/kafka/error.h"

#define RWD_KAFKA_REASON 512  // librdkafka's own words

// Fails with what the code means: "<what>: <words>". `reason`: librdkafka's words, or NULL.
bool rwd_kafka_fail(rwd_error *err, rd_kafka_resp_err_t code, const char *reason, const char *what_format, ...) RWD_PRINTF(4, 5);

// A configuration with what all clients have in common; the job's properties laid over it. *gives*.
RWD_MUST bool rwd_kafka_conf(const rwd_kafka_settings *settings, rd_kafka_conf_t **out, rwd_error *err);
// Sets a property that is Rewind's. It exists in every librdkafka that we build with.
void rwd_kafka_own(rd_kafka_conf_t *conf, const char *name, const char *value);
// Sets a property unless the job does.
void rwd_kafka_prefer(rd_kafka_conf_t *conf, const rwd_kafka_settings *settings, const char *name, const char *value);
// *takes* the configuration, whatever comes of it. *gives*.
RWD_MUST bool rwd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **out, rwd_error *err);

#endif
