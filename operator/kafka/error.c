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

static const meaning *find(rd_kafka_resp_err_t code) {
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].theirs == code) return &meanings[i];
    return NULL;
}

bool rwd_kafka_fail(rwd_error *err, rd_kafka_resp_err_t code, const char *reason, const char *what_format, ...) {
    char what[256];
    va_list args;
    va_start(args, what_format);
    (void)vsnprintf(what, sizeof what, what_format, args);
    va_end(args);
    const meaning *found = find(code);
    const char *name = rd_kafka_err2name(code);
    if (!reason || !reason[0]) reason = rd_kafka_err2str(code);
    if (!found) return rwd_fail(err, RWD_E_KAFKA, "%s: %s (%s)", what, reason, name);
    (void)rwd_fail(err, found->ours, "%s: %s (%s: %.300s)", what, found->words, name, reason);
    if (found->next[0]) (void)rwd_error_next(err, "%s", found->next);
    return false;
}
