// Configurations and handles of librdkafka (client.h).
#include "operator/kafka/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "operator/base/log.h"
#include "operator/kafka/kafka_private.h"

#define SETTLE_NS 12000000
#define SETTLE_MS 200

// librdkafka logs every failed attempt to connect as an error. What matters reaches the log through our own errors, so its lines are for those who look closer.
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
    if (strcmp(facility, "CONFWARN") == 0) return;  // one set of properties serves consumer and producer
    rwd_log(level <= 2 ? RWD_LOG_ERROR : RWD_LOG_DEBUG, "kafka", "%s %s: %s", rk ? rd_kafka_name(rk) : "", facility, text);
}

void rwd_kafka_own(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char reason[RWD_KAFKA_REASON];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK) return;
    rwd_log(RWD_LOG_ERROR, "kafka", "librdkafka %s does not take %s=%s: %s", rd_kafka_version_str(), name, value, reason);
    abort();
}

void rwd_kafka_prefer(rd_kafka_conf_t *conf, const rwd_kafka_settings *settings, const char *name, const char *value) {
    for (size_t i = 0; i < settings->property_count; i++)
        if (strcmp(settings->properties[i].name, name) == 0) return;
    rwd_kafka_own(conf, name, value);
}

bool rwd_kafka_conf(const rwd_kafka_settings *settings, rd_kafka_conf_t **out, rwd_error *err) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, on_log);
    rwd_kafka_own(conf, "reconnect.backoff.max.ms", "2000");
    for (size_t i = 0; i < settings->property_count; i++) {
        const rwd_kafka_property *property = &settings->properties[i];
        char reason[RWD_KAFKA_REASON] = "";
        if (rwd_kafka_property_check(property->name, property->value, err)) {
            if (rd_kafka_conf_set(conf, property->name, property->value, reason, sizeof reason) == RD_KAFKA_CONF_OK) continue;
            (void)rwd_fail(err, RWD_E_CONFIG, "%s: librdkafka refuses the value", property->name);
        }
        rd_kafka_conf_destroy(conf);
        return false;
    }
    rwd_kafka_own(conf, "bootstrap.servers", settings->brokers);
    rwd_kafka_own(conf, "client.id", settings->client);
    *out = conf;
    return true;
}

// A handle's own thread often looks for a broker to connect to before there is one to find, and librdkafka (2.0.2, rd_kafka_connect_any) looks again only after
// a second; a question that needs any broker makes it look at once, but not within 10 ms of the first time. What the answer is does not matter here.
static void connect_now(rd_kafka_t *rk) {
    const struct rd_kafka_metadata *metadata;
    (void)nanosleep(&(struct timespec){.tv_nsec = SETTLE_NS}, NULL);
    if (rd_kafka_metadata(rk, 0, NULL, &metadata, SETTLE_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) rd_kafka_metadata_destroy(metadata);
}

bool rwd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **out, rwd_error *err) {
    char reason[RWD_KAFKA_REASON] = "";
    *out = rd_kafka_new(type, conf, reason, sizeof reason);
    if (*out) {
        connect_now(*out);
        return true;
    }
    rd_kafka_conf_destroy(conf);
    (void)rwd_fail(err, RWD_E_CONFIG, "librdkafka cannot make a client: %s", reason);
    return rwd_error_next(err, "look at the properties in the job file");
}
