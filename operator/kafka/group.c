// Questions to a group's coordinator (group.h).
//
// What must stay true: an answer that could not be had is an error, never "nothing is committed" (C4 (4)); a commit without an answer is in doubt, and is not
// repeated here.
#include "operator/kafka/group.h"

#include <stdlib.h>

#include "operator/kafka/kafka_private.h"

#define STABLE_VERSION 7      // of OffsetFetch: the first that waits for stable offsets
#define AGAIN_NS 100000000LL   // between two questions
#define LONGEST_SLICE_MS 3200  // of waiting for an offset: a broker slower than this is taken for one that is away

struct rwd_kafka_group {
    rwd_kafka_client *client;
    const char *name, *topic;
    unsigned partition;
    rwd_clock *clock;
    rwd_kafka_wait *wait;
};

void rwd_kafka_committed_deinit(rwd_kafka_committed *committed) {
    rwd_buf_deinit(&committed->metadata);
    free(committed->cluster);
    *committed = (rwd_kafka_committed){0};
}

// librdkafka asks for stable offsets where the isolation level is read_committed; silently, it does not where the broker cannot (KIP-447, OffsetFetch before
// version 7, Kafka before 2.5). What the broker can is said in the debugging lines of `feature` only.
static bool open_client(const rwd_kafka_settings *settings, bool stable, rwd_kafka_client **out, rwd_error *err) {
    rd_kafka_conf_t *conf;
    if (!rwd_kafka_conf(settings, &conf, err)) return false;
    rwd_kafka_own(conf, "group.id", settings->group);
    rwd_kafka_own(conf, "enable.auto.commit", "false");
    rwd_kafka_own(conf, "isolation.level", stable ? "read_committed" : "read_uncommitted");
    if (stable) {
        const char *given = rwd_kafka_given(settings, "debug");
        char *debug = given && given[0] ? rwd_strf("%s,feature", given) : rwd_strdup("feature");
        rwd_kafka_own(conf, "debug", debug);
        free(debug);
    }
    return rwd_kafka_new(RD_KAFKA_CONSUMER, conf, settings, out, err);
}

static void keep(const rd_kafka_topic_partition_t *at, rwd_kafka_committed *out) {
    out->found = at->offset >= 0;
    out->offset = at->offset;
    bool shown = at->metadata_size == strlen(RWD_KAFKA_SHOWN) && memcmp(at->metadata, RWD_KAFKA_SHOWN, at->metadata_size) == 0;
    if (shown) out->found = false;
    if (out->found && at->metadata_size) rwd_buf_append(&out->metadata, at->metadata, at->metadata_size);
}

// A group that may not be looked at: librdkafka goes on asking for its coordinator, and says so in a message beside.
static rd_kafka_resp_err_t told_beside(rwd_kafka_client *client, rd_kafka_resp_err_t code) {
    rd_kafka_message_t *message;
    while (rwd_kafka_is_passing(code) && (message = rd_kafka_consumer_poll(client->rk, 0)) != NULL) {
        if (!rwd_kafka_is_passing(message->err) && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) code = message->err;
        rd_kafka_message_destroy(message);
    }
    return code;
}

static bool is_new_enough(rwd_kafka_client *client, rwd_error *err) {
    if (client->offset_fetch >= STABLE_VERSION) return true;  // nobody writes it any more
    (void)rwd_fail(err, RWD_E_KAFKA, "the broker is too old: it cannot say which offsets are stable (OffsetFetch is of version %d, not %d)", client->offset_fetch,
                   STABLE_VERSION);
    return rwd_error_next(err, "transactions with stable offsets need a broker of version 2.5 or newer");
}

bool rwd_kafka_read_committed(const rwd_kafka_settings *settings, const char *topic, unsigned partition, bool stable,
                              rwd_kafka_committed *out, rwd_error *err) {
    rwd_kafka_client *client;
    rwd_kafka_need need = {.topic = topic, .topic_operation = "READ", .group = settings->group};
    *out = (rwd_kafka_committed){0};
    if (!open_client(settings, stable, &client, err)) return false;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, topic, (int32_t)partition);
    rd_kafka_resp_err_t code;
    int64_t asked = rwd_kafka_asked();
    do {
        code = rd_kafka_committed(client->rk, list, RWD_KAFKA_ANSWER_MS);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = at->err;
        code = told_beside(client, code);
    } while (rwd_kafka_again(client, asked, code));
    bool ok = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!ok) (void)rwd_kafka_fail(client, err, code, NULL, &need, "cannot read what group %s has committed for %s/%u", settings->group, topic, partition);
    else if (stable && !settings->any_version) ok = is_new_enough(client, err);
    ok = ok && rwd_kafka_cluster(client, &out->cluster, err);
    if (ok) keep(at, out);
    rd_kafka_topic_partition_list_destroy(list);
    rwd_kafka_free(client);
    return ok;
}

bool rwd_kafka_group_is_free(const rwd_kafka_settings *settings, rwd_error *err) {
    rwd_kafka_client *client;
    rwd_kafka_need need = {.group = settings->group};
    if (!open_client(settings, false, &client, err)) return false;
    const struct rd_kafka_group_list *groups = NULL;
    rd_kafka_resp_err_t code;
    int64_t asked = rwd_kafka_asked();
    do {
        if (groups) rd_kafka_group_list_destroy(groups);  // what some of the brokers said
        groups = NULL;
        code = rd_kafka_list_groups(client->rk, settings->group, &groups, RWD_KAFKA_ANSWER_MS);
    } while (rwd_kafka_again(client, asked, code));
    const struct rd_kafka_group_info *group = groups && groups->group_cnt == 1 ? &groups->groups[0] : NULL;
    bool ok = true;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        ok = rwd_kafka_fail(client, err, code, NULL, &need, "cannot look at group %s", settings->group);
    } else if (group && group->member_cnt > 0) {
        ok = rwd_fail(err, RWD_E_FOREIGN, "consumer group %s has %d members (the first is %.100s): another program subscribes with its name", settings->group,
                      group->member_cnt, group->members[0].client_id ? group->members[0].client_id : "nameless");
        (void)rwd_error_next(err, "give the job a group of its own: `group: NAME` in the job file");
    }
    if (groups) rd_kafka_group_list_destroy(groups);
    rwd_kafka_free(client);
    return ok;
}

// ---- commits without transactions

bool rwd_kafka_group_open(const rwd_kafka_settings *settings, const char *topic, unsigned partition, rwd_clock *clock, rwd_kafka_wait *wait,
                          rwd_kafka_group **out, rwd_error *err) {
    rwd_kafka_client *client;
    if (!open_client(settings, false, &client, err)) return false;
    rwd_kafka_group *self = rwd_calloc(1, sizeof *self);
    *self = (rwd_kafka_group){.client = client, .name = settings->group, .topic = topic, .partition = partition, .clock = clock, .wait = wait};
    *out = self;
    return true;
}

void rwd_kafka_group_close(rwd_kafka_group *self) {
    if (!self) return;
    rwd_kafka_free(self->client);
    free(self);
}

static bool failed(rwd_kafka_group *self, rd_kafka_resp_err_t code, const char *what, rwd_error *err) {
    rwd_kafka_need need = {.topic = self->topic, .topic_operation = "READ", .group = self->name};
    return rwd_kafka_fail(self->client, err, code, NULL, &need, "cannot %s what group %s has committed for %s/%u", what, self->name, self->topic, self->partition);
}

// librdkafka cannot be told to end this wait, so it is asked in slices; they grow, or a slow broker's answer would always come too late.
bool rwd_kafka_group_read(rwd_kafka_group *self, rwd_kafka_committed *out, rwd_error *err) {
    *out = (rwd_kafka_committed){0};
    rwd_kafka_wait_begin(self->wait, self->clock);
    for (int slice_ms = RWD_KAFKA_SLICE_MS;; slice_ms = slice_ms < LONGEST_SLICE_MS ? slice_ms * 2 : slice_ms) {
        rd_kafka_topic_partition_list_t *list = rwd_kafka_position_list(self->topic, self->partition, RD_KAFKA_OFFSET_INVALID, rwd_slice_of(NULL, 0));
        rd_kafka_resp_err_t code = rd_kafka_committed(self->client->rk, list, slice_ms);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = list->elems[0].err;
        code = told_beside(self->client, code);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) keep(&list->elems[0], out);
        rd_kafka_topic_partition_list_destroy(list);
        if (rwd_kafka_unclear(self->client, code)) continue;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) break;
        if (!rwd_kafka_is_passing(code) || rwd_kafka_refused(self->client)) return failed(self, code, "read", err);
        if (rwd_kafka_gives_up(self->wait, err)) return false;
        if (code != RD_KAFKA_RESP_ERR__TIMED_OUT) self->clock->sleep_ns(self->clock, AGAIN_NS);
    }
    rwd_kafka_wait_end(self->wait);
    return true;
}

static rd_kafka_resp_err_t result_of(rd_kafka_event_t *event) {
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR && list && list->cnt == 1 ? list->elems[0].err : code;
}

// False: the wait ended before there was an answer.
static bool await_answer(rwd_kafka_group *self, rd_kafka_queue_t *answers, rd_kafka_resp_err_t *out_code, rwd_error *err) {
    rd_kafka_event_t *event;
    while (!(event = rd_kafka_queue_poll(answers, RWD_KAFKA_SLICE_MS))) {
        rd_kafka_resp_err_t beside = told_beside(self->client, RD_KAFKA_RESP_ERR__TIMED_OUT);
        if (!rwd_kafka_is_passing(beside) || rwd_kafka_refused(self->client)) return failed(self, beside, "change", err);
        if (rwd_kafka_gives_up(self->wait, err)) return false;
    }
    *out_code = result_of(event);
    rd_kafka_event_destroy(event);
    return true;
}

bool rwd_kafka_group_commit(rwd_kafka_group *self, int64_t offset, rwd_slice metadata, rwd_error *err) {
    rd_kafka_queue_t *answers = rd_kafka_queue_new(self->client->rk);
    rd_kafka_topic_partition_list_t *list = rwd_kafka_position_list(self->topic, self->partition, offset, metadata);
    rwd_kafka_wait_begin(self->wait, self->clock);
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(self->client->rk, list, answers, NULL, NULL);
    bool answered = code != RD_KAFKA_RESP_ERR_NO_ERROR || await_answer(self, answers, &code, err);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_destroy(answers);
    if (!answered) return false;
    rwd_kafka_wait_end(self->wait);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || failed(self, code, "change", err);
}
