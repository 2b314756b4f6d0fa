// What a job may tell librdkafka (properties.h).
#include "operator/kafka/properties.h"

#include "operator/kafka/kafka_private.h"

static const struct { const char *name, *why; } owned[] = {
#define KAFKA_OWNED(name, why) {name, why},
    RWD_KAFKA_OWNED_TABLE(KAFKA_OWNED)
#undef KAFKA_OWNED
};

static const char *const secrets[] = {
    "sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config",
};

bool rwd_kafka_property_is_secret(const char *name) {
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (strcmp(secrets[i], name) == 0) return true;
    return false;
}

// librdkafka itself says whether a property exists and takes the value. Its words repeat the value, so they are not passed on for secrets.
bool rwd_kafka_property_check(const char *name, const char *value, rwd_error *err) {
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if (strcmp(owned[i].name, name) == 0) return rwd_fail(err, RWD_E_CONFIG, "%s cannot be set: %s", name, owned[i].why);
    char reason[RWD_KAFKA_REASON] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, reason, sizeof reason);
    rd_kafka_conf_destroy(conf);
    if (result == RD_KAFKA_CONF_OK) return true;
    if (result == RD_KAFKA_CONF_UNKNOWN) return rwd_fail(err, RWD_E_CONFIG, "librdkafka knows no property \"%s\"", name);
    return rwd_fail(err, RWD_E_CONFIG, "%s: %s", name, rwd_kafka_property_is_secret(name) ? "librdkafka refuses the value" : reason);
}
