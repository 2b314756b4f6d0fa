// Shared by the files of this folder only.
//
// A client is a handle of librdkafka and what was heard beside the answers to its questions: error callbacks, lines of its log, the judgement on the broker's
// certificate. Together they say whether the broker is away, which is waited for, or refuses us, which is not.
//
// Thread: a client belongs to one thread at a time; librdkafka's own threads write what they hear under its lock.
#ifndef OPERATOR_KAFKA_KAFKA_PRIVATE_H
#define OPERATOR_KAFKA_KAFKA_PRIVATE_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "operator/base/clock.h"
#include "operator/kafka/client.h"
#include "operator/kafka/error.h"

#define RWD_KAFKA_REASON 512          // librdkafka's own words
#define RWD_KAFKA_NAME 256            // a topic's name, and its end
#define RWD_KAFKA_SLICE_MS 200       // a long wait comes by as often as this to see whether it should give up
#define RWD_KAFKA_ANY (-100000)      // in the table of refusals: whichever code

typedef enum rwd_kafka_certainty { RWD_KAFKA_SURE, RWD_KAFKA_UNCLEAR } rwd_kafka_certainty;

// Rows of the second table of error.h.
typedef enum rwd_kafka_refusal_name {
#define KAFKA_REFUSAL_NAME(name, code, verify_error, piece, certainty, words, next) RWD_KAFKA_REFUSAL_##name,
    RWD_KAFKA_REFUSAL_TABLE(KAFKA_REFUSAL_NAME)
#undef KAFKA_REFUSAL_NAME
        RWD_KAFKA_REFUSAL_COUNT
} rwd_kafka_refusal_name;

typedef struct rwd_kafka_refusal {
    int code, verify_error;
    const char *piece;
    rwd_kafka_certainty certainty;
    const char *words, *next;
} rwd_kafka_refusal;

typedef struct rwd_kafka_client {
    rd_kafka_t *rk;
    char *principal;                   // "User:name", or what to write in its place
    char *brokers;
    char *certificate;                 // path of ours in PEM, or NULL
    bool has_certificate;
    pthread_mutex_t lock;              // guards what follows
    const rwd_kafka_refusal *refusal;  // what connections come to; NULL: nothing of the kind
    int64_t first_ns, last_ns;         // when it was heard first and last
    bool newest;                       // nothing else was heard since
    char detail[128];                  // more about it, or empty
    char told[RWD_KAFKA_REASON];       // librdkafka's words for it
    bool proven;                       // a broker has answered a client with these settings
    bool lost;                         // all brokers are down; cleared by who looks
    int verify_error;
    char verify_detail[128];
    char denied_topic[RWD_KAFKA_NAME]; // a topic that could not be added to a transaction
    int offset_fetch;                  // lowest version of OffsetFetch that a broker has; -1: none has said
} rwd_kafka_client;

// What a call needs to be permitted: named when it is not. NULL: not asked for.
typedef struct rwd_kafka_need {
    const char *topic, *topic_operation;
    const char *group;             // READ
    const char *transactional_id;  // WRITE
} rwd_kafka_need;

extern const rwd_kafka_refusal rwd_kafka_refusals[RWD_KAFKA_REFUSAL_COUNT];
// The row that fits, or NULL.
const rwd_kafka_refusal *rwd_kafka_refusal_of(int code, int verify_error, const char *reason);

// A configuration with what all clients have in common; the job's properties laid over it. *gives*.
RWD_MUST bool rwd_kafka_conf(const rwd_kafka_settings *settings, rd_kafka_conf_t **out, rwd_error *err);
// Sets a property that is Rewind's. It exists in every librdkafka that we build with.
void rwd_kafka_own(rd_kafka_conf_t *conf, const char *name, const char *value);
// Sets a property unless the job does.
void rwd_kafka_prefer(rd_kafka_conf_t *conf, const rwd_kafka_settings *settings, const char *name, const char *value);
// *takes* the configuration, whatever comes of it; settings are *borrowed* for the call. *gives*; free with rwd_kafka_free.
RWD_MUST bool rwd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, const rwd_kafka_settings *settings, rwd_kafka_client **out, rwd_error *err);
void rwd_kafka_free(rwd_kafka_client *client);

// What the job sets it to, or NULL.
const char *rwd_kafka_given(const rwd_kafka_settings *settings, const char *name);
// The code is one of a broker that is away or busy.
bool rwd_kafka_is_passing(rd_kafka_resp_err_t code);

// When a question begins, for rwd_kafka_again.
int64_t rwd_kafka_asked(void);
// After each question, in a loop around it: "do code = ask(); while (rwd_kafka_again(client, asked, code));". librdkafka waits for some answers, and gives up others
// at once, as when a connection breaks or a coordinator is loading; one question has RWD_KAFKA_ANSWER_MS for its answer either way. And true where rwd_kafka_unclear is.
bool rwd_kafka_again(rwd_kafka_client *client, int64_t asked_ns, rd_kafka_resp_err_t code);
// The same for those who ask for longer than that, in a loop of their own. True where the broker seems to refuse us, but not for long enough to believe it: a broker that is
// coming up or going down does so, too.
bool rwd_kafka_unclear(rwd_kafka_client *client, rd_kafka_resp_err_t code);
// Connections are refused, and have been for long enough.
bool rwd_kafka_refused(rwd_kafka_client *client);
// Since it was asked last: were all brokers lost? `out` gets why.
bool rwd_kafka_lost(rwd_kafka_client *client, char out[RWD_KAFKA_REASON]);
// An answer came that no question of ours above stands for.
void rwd_kafka_answered(rwd_kafka_client *client);

// A call begins to wait for an answer; has it.
static inline void rwd_kafka_wait_begin(rwd_kafka_wait *wait, rwd_clock *clock) { atomic_store(&wait->since_ns, rwd_clock_ns(clock)); }
static inline void rwd_kafka_wait_end(rwd_kafka_wait *wait) { atomic_store(&wait->since_ns, 0); }
// Told to end. Fails, then, though the answer is true.
bool rwd_kafka_gives_up(const rwd_kafka_wait *wait, rwd_error *err);

// The cluster's id. *gives* a string.
RWD_MUST bool rwd_kafka_cluster(rwd_kafka_client *client, char **out, rwd_error *err);
// A list of one position, for requests. *gives*. `metadata` may be empty.
rd_kafka_topic_partition_list_t *rwd_kafka_position_list(const char *topic, unsigned partition, int64_t offset, rwd_slice metadata);
// Whether a topic is there, and how many partitions it has.
rd_kafka_resp_err_t rwd_kafka_look_at_topic(rwd_kafka_client *client, const char *name, int *out_partitions);

// Fails with what the code means: "<what>: <words>"; or with why the broker refuses us. `reason`: librdkafka's words, or NULL. `need` may be NULL.
bool rwd_kafka_fail(rwd_kafka_client *client, rwd_error *err, rd_kafka_resp_err_t code, const char *reason, const rwd_kafka_need *need,
                    const char *what_format, ...) RWD_PRINTF(6, 7);

#endif
