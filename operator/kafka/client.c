// Handles of librdkafka and what is heard of their connections (client.h, kafka_private.h).
//
// What must stay true: a broker that is away is never taken for one that refuses us. So a refusal is believed only when it stands for REFUSED_NS and nothing
// was answered meanwhile; one that could as well be a broker going down only where no broker has answered yet, and later.
#include "operator/kafka/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "operator/base/clock.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/base/time.h"
#include "operator/kafka/certificate.h"
#include "operator/kafka/kafka_private.h"

#define SETTLE_NS 12000000
#define SETTLE_MS 200
#define REFUSED_NS 4000000000LL    // librdkafka connects again after two seconds at most
#define UNCLEAR_NS 15000000000LL
#define SCRAM_VERSION 0x020601ff   // librdkafka's first that repeats no nonce; Kafka 4 looks at it (github.com/confluentinc/librdkafka/pull/4895, CVE-2024-56128)
#define AGAIN_NS 200000000LL       // between two questions

// ---- what is heard

static int64_t now_ns(void) { return rwd_clock_ns(rwd_clock_system()); }

// Brokers say the same of several causes; only we know whether there is a certificate to refuse, and when it ends.
static const rwd_kafka_refusal *look_closer(rwd_kafka_client *self, const rwd_kafka_refusal *row, const char *reason) {
    if (row == &rwd_kafka_refusals[RWD_KAFKA_REFUSAL_CREDENTIALS] && strstr(reason, "SCRAM") && rd_kafka_version() < SCRAM_VERSION)
        (void)snprintf(self->detail, sizeof self->detail, "and librdkafka %s cannot do SCRAM with brokers of Kafka 4", rd_kafka_version_str());
    bool ours = row == &rwd_kafka_refusals[RWD_KAFKA_REFUSAL_CLIENT_CERTIFICATE] || row == &rwd_kafka_refusals[RWD_KAFKA_REFUSAL_CLIENT_BAD] ||
                row == &rwd_kafka_refusals[RWD_KAFKA_REFUSAL_CLIENT_EXPIRED];
    if (!ours && row != &rwd_kafka_refusals[RWD_KAFKA_REFUSAL_TLS_HANDSHAKE]) return row;
    if (!self->has_certificate) return &rwd_kafka_refusals[RWD_KAFKA_REFUSAL_NO_CERTIFICATE];
    rwd_buf pem = {0};
    rwd_kafka_validity validity;
    char until[RWD_TIME_TEXT_MAX] = "";
    if (ours && self->certificate && rwd_read_file(self->certificate, RWD_KAFKA_CERTIFICATE_MAX, &pem, NULL) &&
        rwd_kafka_pem_validity(rwd_buf_slice(&pem), &validity) && validity.until_us < rwd_clock_wall_us(rwd_clock_system())) {
        size_t size = rwd_time_text(validity.until_us, until);
        (void)snprintf(self->detail, sizeof self->detail, "it was valid until %.*s", (int)size, until);
        row = &rwd_kafka_refusals[RWD_KAFKA_REFUSAL_CLIENT_EXPIRED];
    }
    rwd_buf_deinit(&pem);
    return row;
}

// The lock is held.
static void note_refusal(rwd_kafka_client *self, const rwd_kafka_refusal *row, const char *reason) {
    int64_t now = now_ns();
    self->detail[0] = '\0';
    if (row->verify_error) (void)snprintf(self->detail, sizeof self->detail, "%s", self->verify_detail);
    row = look_closer(self, row, reason);
    if (self->refusal != row) {
        self->first_ns = now;
        if (row->certainty == RWD_KAFKA_SURE || !self->proven) rwd_log(RWD_LOG_WARN, "kafka", "%s (%s)", row->words, reason);
    }
    self->refusal = row;
    self->last_ns = now;
    self->newest = true;
    (void)snprintf(self->told, sizeof self->told, "%s", reason);
}

// Something else in between: an address without anybody, beside one that refuses; or the broker that refused is gone.
static void note_other(rwd_kafka_client *self) {
    self->newest = false;
    if (self->refusal && now_ns() - self->last_ns > REFUSED_NS) self->refusal = NULL;
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque) {
    (void)rk;
    rwd_kafka_client *self = opaque;
    pthread_mutex_lock(&self->lock);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        self->lost = true;
    } else if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__SSL || code == RD_KAFKA_RESP_ERR__AUTHENTICATION) {
        const rwd_kafka_refusal *row = rwd_kafka_refusal_of(code, self->verify_error, reason);
        if (row) note_refusal(self, row, reason);
        else note_other(self);
    }
    pthread_mutex_unlock(&self->lock);
}

// OpenSSL has judged already; librdkafka passes on that it failed, not why. On a thread of librdkafka's.
static int on_certificate(rd_kafka_t *rk, const char *broker, int32_t broker_id, int *verify_error, int depth, const char *bytes, size_t size, char *reason,
                          size_t reason_size, void *opaque) {
    (void)rk, (void)broker, (void)broker_id, (void)depth;
    rwd_kafka_client *self = opaque;
    if (*verify_error == 0) return 1;
    rwd_kafka_validity validity;
    pthread_mutex_lock(&self->lock);
    self->verify_error = *verify_error;
    self->verify_detail[0] = '\0';
    if (rwd_kafka_certificate_validity(rwd_slice_of(bytes, size), &validity)) {
        char from[RWD_TIME_TEXT_MAX], until[RWD_TIME_TEXT_MAX];
        size_t from_size = rwd_time_text(validity.from_us, from), until_size = rwd_time_text(validity.until_us, until);
        (void)snprintf(self->verify_detail, sizeof self->verify_detail, "it is valid from %.*s until %.*s", (int)from_size, from, (int)until_size, until);
    }
    pthread_mutex_unlock(&self->lock);
    (void)snprintf(reason, reason_size, "X509_V_ERR %d", *verify_error);
    return 0;
}

// `Failed to add partition "orders" [0] to transaction: ...`, for each of the transaction: the error that follows does not name the topic.
static void note_denied(rwd_kafka_client *self, const char *text) {
    const char *from = strchr(text, '"'), *until = from ? strchr(from + 1, '"') : NULL;
    if (!until || !strstr(until, rd_kafka_err2str(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED))) return;
    pthread_mutex_lock(&self->lock);
    (void)snprintf(self->denied_topic, sizeof self->denied_topic, "%.*s", (int)(until - from - 1), from + 1);
    pthread_mutex_unlock(&self->lock);
}

// "ApiKey OffsetFetch (9) Versions 1..9": librdkafka sends the highest version that both know, and says so nowhere else.
static void note_version(rwd_kafka_client *self, const char *text) {
    static const char api[] = "ApiKey OffsetFetch (9) Versions ";
    const char *at = strstr(text, api), *dots = at ? strstr(at, "..") : NULL;
    if (!dots) return;
    int version = (int)strtol(dots + 2, NULL, 10);
    pthread_mutex_lock(&self->lock);
    if (self->offset_fetch < 0 || version < self->offset_fetch) self->offset_fetch = version;
    pthread_mutex_unlock(&self->lock);
}

// librdkafka logs every failed attempt to connect as an error. What matters reaches the log through our own errors, so its lines are for those who look closer.
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
    rwd_kafka_client *self = rk ? rd_kafka_opaque(rk) : NULL;
    if (strcmp(facility, "CONFWARN") == 0) return;  // one set of properties serves consumer and producer
    if (self && strcmp(facility, "ADDPARTS") == 0) note_denied(self, text);
    if (self && strcmp(facility, "APIVERSION") == 0) note_version(self, text);
    rwd_log(level <= 2 ? RWD_LOG_ERROR : RWD_LOG_DEBUG, "kafka", "%s %s: %s", rk ? rd_kafka_name(rk) : "", facility, text);
}

// ---- what it means

// The lock is held. `out_left_ns`: how long until it is believed, if it stands.
static bool stands(const rwd_kafka_client *self, int64_t *out_left_ns) {
    const rwd_kafka_refusal *row = self->refusal;
    if (!row || (row->certainty == RWD_KAFKA_UNCLEAR && self->proven)) return false;
    int64_t wanted = row->certainty == RWD_KAFKA_SURE ? REFUSED_NS : UNCLEAR_NS;
    *out_left_ns = wanted - (now_ns() - self->first_ns);
    return *out_left_ns > 0 || self->newest || self->last_ns - self->first_ns >= wanted;
}

bool rwd_kafka_refused(rwd_kafka_client *self) {
    int64_t left_ns;
    pthread_mutex_lock(&self->lock);
    bool refused = stands(self, &left_ns) && left_ns <= 0;
    pthread_mutex_unlock(&self->lock);
    return refused;
}

void rwd_kafka_answered(rwd_kafka_client *self) {
    pthread_mutex_lock(&self->lock);
    self->proven = true;
    self->refusal = NULL;
    pthread_mutex_unlock(&self->lock);
}

bool rwd_kafka_lost(rwd_kafka_client *self, char out[RWD_KAFKA_REASON]) {
    pthread_mutex_lock(&self->lock);
    bool lost = self->lost;
    self->lost = false;
    (void)snprintf(out, RWD_KAFKA_REASON, "%s", self->refusal ? self->refusal->words : rd_kafka_err2str(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN));
    pthread_mutex_unlock(&self->lock);
    return lost;
}

int64_t rwd_kafka_asked(void) { return now_ns(); }

bool rwd_kafka_again(rwd_kafka_client *self, int64_t asked_ns, rd_kafka_resp_err_t code) {
    if (rwd_kafka_unclear(self, code)) return true;
    if (!rwd_kafka_is_passing(code) || rwd_kafka_refused(self) || now_ns() - asked_ns >= RWD_KAFKA_ANSWER_MS * 1000000LL) return false;
    rwd_clock_system()->sleep_ns(rwd_clock_system(), AGAIN_NS);
    return true;
}

bool rwd_kafka_unclear(rwd_kafka_client *self, rd_kafka_resp_err_t code) {
    int64_t left_ns;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rwd_kafka_answered(self);
        return false;
    }
    (void)rd_kafka_poll(self->rk, 0);  // serves on_error
    if (!rwd_kafka_is_passing(code)) return false;
    pthread_mutex_lock(&self->lock);
    bool again = stands(self, &left_ns) && left_ns > 0;
    pthread_mutex_unlock(&self->lock);
    if (again) rwd_clock_system()->sleep_ns(rwd_clock_system(), AGAIN_NS);
    return again;
}

bool rwd_kafka_gives_up(const rwd_kafka_wait *wait, rwd_error *err) {
    if (!atomic_load(&wait->give_up)) return false;
    (void)rwd_fail(err, RWD_E_BROKER, "stopped before the broker had answered");
    return true;
}

// ---- configurations

void rwd_kafka_own(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char reason[RWD_KAFKA_REASON];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK) return;
    rwd_log(RWD_LOG_ERROR, "kafka", "librdkafka %s does not take %s=%s: %s", rd_kafka_version_str(), name, value, reason);
    abort();
}

const char *rwd_kafka_given(const rwd_kafka_settings *settings, const char *name) {
    for (size_t i = 0; i < settings->property_count; i++)
        if (strcmp(settings->properties[i].name, name) == 0) return settings->properties[i].value;
    return NULL;
}

void rwd_kafka_prefer(rd_kafka_conf_t *conf, const rwd_kafka_settings *settings, const char *name, const char *value) {
    if (!rwd_kafka_given(settings, name)) rwd_kafka_own(conf, name, value);
}

bool rwd_kafka_conf(const rwd_kafka_settings *settings, rd_kafka_conf_t **out, rwd_error *err) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    (void)rd_kafka_conf_set_ssl_cert_verify_cb(conf, on_certificate);
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

// ---- life

static rwd_kafka_client *new_client(const rwd_kafka_settings *settings) {
    rwd_kafka_client *self = rwd_calloc(1, sizeof *self);
    const char *user = rwd_kafka_given(settings, "sasl.username"), *certificate = rwd_kafka_given(settings, "ssl.certificate.location");
    if (!user) user = rwd_kafka_given(settings, "sasl.user.name");
    self->principal = user ? rwd_strf("User:%s", user) : rwd_strdup("User:NAME");
    self->brokers = rwd_strdup(settings->brokers);
    self->certificate = certificate ? rwd_strdup(certificate) : NULL;
    self->has_certificate = certificate || rwd_kafka_given(settings, "ssl.certificate.pem") || rwd_kafka_given(settings, "ssl.keystore.location");
    self->proven = settings->proven;
    self->offset_fetch = -1;
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

void rwd_kafka_free(rwd_kafka_client *self) {
    if (!self) return;
    if (self->rk) rd_kafka_destroy_flags(self->rk, rd_kafka_type(self->rk) == RD_KAFKA_CONSUMER ? RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE : 0);  // none joins its group
    pthread_mutex_destroy(&self->lock);
    free(self->principal);
    free(self->brokers);
    free(self->certificate);
    free(self);
}

bool rwd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, const rwd_kafka_settings *settings, rwd_kafka_client **out, rwd_error *err) {
    char reason[RWD_KAFKA_REASON] = "";
    rwd_kafka_client *self = new_client(settings);
    rd_kafka_conf_set_opaque(conf, self);
    self->rk = rd_kafka_new(type, conf, reason, sizeof reason);
    if (self->rk) {
        connect_now(self->rk);
        *out = self;
        return true;
    }
    rd_kafka_conf_destroy(conf);
    rwd_kafka_free(self);
    (void)rwd_fail(err, RWD_E_CONFIG, "librdkafka cannot make a client: %s", reason);
    return rwd_error_next(err, "look at the properties in the job file");
}

// ---- questions

bool rwd_kafka_cluster(rwd_kafka_client *self, char **out, rwd_error *err) {
    char *id;
    int64_t asked = rwd_kafka_asked();
    do id = rd_kafka_clusterid(self->rk, RWD_KAFKA_ANSWER_MS);
    while (rwd_kafka_again(self, asked, id ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR__TIMED_OUT));
    if (!id) return rwd_kafka_fail(self, err, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, NULL, "cannot learn the cluster's id");
    *out = rwd_strdup(id);
    rd_kafka_mem_free(self->rk, id);
    return true;
}

rd_kafka_topic_partition_list_t *rwd_kafka_position_list(const char *topic, unsigned partition, int64_t offset, rwd_slice metadata) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, topic, (int32_t)partition);
    at->offset = offset;
    if (metadata.size == 0) return list;
    at->metadata = rwd_malloc(metadata.size);  // librdkafka frees it with free()
    memcpy(at->metadata, metadata.data, metadata.size);
    at->metadata_size = metadata.size;
    return list;
}

rd_kafka_resp_err_t rwd_kafka_look_at_topic(rwd_kafka_client *self, const char *name, int *out_partitions) {
    rd_kafka_resp_err_t code;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(self->rk, name, NULL);
    if (!topic) return rd_kafka_last_error();
    int64_t asked = rwd_kafka_asked();
    do {
        const struct rd_kafka_metadata *metadata = NULL;
        code = rd_kafka_metadata(self->rk, 0, topic, &metadata, RWD_KAFKA_ANSWER_MS);
        const rd_kafka_metadata_topic_t *found = metadata && metadata->topic_cnt == 1 ? &metadata->topics[0] : NULL;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = found ? found->err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
        *out_partitions = found ? found->partition_cnt : 0;
        if (metadata) rd_kafka_metadata_destroy(metadata);
    } while (rwd_kafka_again(self, asked, code));
    rd_kafka_topic_destroy(topic);
    return code;
}
