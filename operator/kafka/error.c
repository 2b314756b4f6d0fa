// Errors of librdkafka and of brokers, translated (error.h).
#include <stdio.h>

#include "operator/kafka/kafka_private.h"

typedef struct meaning {
    rd_kafka_resp_err_t theirs;
    rwd_code ours;
    const char *words, *next;
} meaning;

static const meaning meanings[] = {
#define KAFKA_MEANING(theirs, ours, words, next) {RD_KAFKA_RESP_ERR_##theirs, RWD_E_##ours, words, next},
    RWD_KAFKA_ERROR_TABLE(KAFKA_MEANING)
#undef KAFKA_MEANING
};

#define RD_KAFKA_RESP_ERR_ANY RWD_KAFKA_ANY
const rwd_kafka_refusal rwd_kafka_refusals[RWD_KAFKA_REFUSAL_COUNT] = {
#define KAFKA_REFUSAL(name, code, verify_error, piece, certainty, words, next) \
    {RD_KAFKA_RESP_ERR_##code, verify_error, piece, RWD_KAFKA_##certainty, words, next},
    RWD_KAFKA_REFUSAL_TABLE(KAFKA_REFUSAL)
#undef KAFKA_REFUSAL
};

static const meaning *find(rd_kafka_resp_err_t code) {
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].theirs == code) return &meanings[i];
    return NULL;
}

bool rwd_kafka_is_passing(rd_kafka_resp_err_t code) {
    const meaning *found = find(code);
    return found && found->ours == RWD_E_BROKER;
}

const rwd_kafka_refusal *rwd_kafka_refusal_of(int code, int verify_error, const char *reason) {
    for (size_t i = 0; i < RWD_KAFKA_REFUSAL_COUNT; i++) {
        const rwd_kafka_refusal *row = &rwd_kafka_refusals[i];
        bool fits = (row->code == code || row->code == RWD_KAFKA_ANY) && (row->verify_error == 0 || row->verify_error == verify_error);
        if (fits && strstr(reason, row->piece)) return row;
    }
    return NULL;
}

// ---- refused connections

static bool fail_refused(rwd_kafka_client *client, const char *what, rwd_error *err) {
    pthread_mutex_lock(&client->lock);
    const rwd_kafka_refusal *row = client->refusal;
    if (row) {
        (void)rwd_fail(err, RWD_E_REFUSED, "%s: %s%s%s (%.300s)", what, row->words, client->detail[0] ? "; " : "", client->detail, client->told);
        (void)rwd_error_next(err, "%s", row->next);
    }
    pthread_mutex_unlock(&client->lock);
    return row != NULL;
}

// ---- missing permissions

typedef struct grant {
    const char *operation, *option, *kind;
    char name[RWD_KAFKA_NAME];
} grant;

static bool grant_of(rwd_kafka_client *client, rd_kafka_resp_err_t code, const rwd_kafka_need *need, grant *out) {
    const char *name = NULL;
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        *out = (grant){.operation = need->topic_operation, .option = "--topic", .kind = "topic"};
        pthread_mutex_lock(&client->lock);
        if (client->denied_topic[0]) out->operation = "WRITE";
        (void)snprintf(out->name, sizeof out->name, "%s", client->denied_topic[0] ? client->denied_topic : need->topic ? need->topic : "");
        client->denied_topic[0] = '\0';
        pthread_mutex_unlock(&client->lock);
        return out->name[0] != '\0';
    }
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
        *out = (grant){.operation = "READ", .option = "--group", .kind = "consumer group"};
        name = need->group;
    } else if (code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED) {
        *out = (grant){.operation = "WRITE", .option = "--transactional-id", .kind = "transactional id"};
        name = need->transactional_id;
    }
    if (name) (void)snprintf(out->name, sizeof out->name, "%s", name);
    return name != NULL;
}

static bool fail_denied(rwd_kafka_client *client, rd_kafka_resp_err_t code, const rwd_kafka_need *need, const char *what, rwd_error *err) {
    grant missing;
    if (!need || !grant_of(client, code, need, &missing)) return false;
    (void)rwd_fail(err, RWD_E_REFUSED, "%s: permission to %s %s %s is missing (%s)", what, missing.operation, missing.kind, missing.name, rd_kafka_err2name(code));
    (void)rwd_error_next(err, "kafka-acls --bootstrap-server %s --add --allow-principal %s --operation %s %s %s", client->brokers, client->principal,
                         missing.operation, missing.option, missing.name);
    return true;
}

bool rwd_kafka_fail(rwd_kafka_client *client, rwd_error *err, rd_kafka_resp_err_t code, const char *reason, const rwd_kafka_need *need,
                    const char *what_format, ...) {
    char what[256];
    va_list args;
    va_start(args, what_format);
    (void)vsnprintf(what, sizeof what, what_format, args);
    va_end(args);
    const meaning *found = find(code);
    const char *name = rd_kafka_err2name(code);
    if (!reason || !reason[0]) reason = rd_kafka_err2str(code);
    if (client && rwd_kafka_is_passing(code) && rwd_kafka_refused(client) && fail_refused(client, what, err)) return false;
    if (client && fail_denied(client, code, need, what, err)) return false;
    if (!found) return rwd_fail(err, RWD_E_KAFKA, "%s: %s (%s)", what, reason, name);
    (void)rwd_fail(err, found->ours, "%s: %s (%s: %.300s)", what, found->words, name, reason);
    if (found->next[0]) (void)rwd_error_next(err, "%s", found->next);
    return false;
}
