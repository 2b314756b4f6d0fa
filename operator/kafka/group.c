// Questions to a group's coordinator (group.h).
//
// What must stay true: an answer that could not be had is an error, never "nothing is committed" (C4 (4)).
#include "operator/kafka/group.h"

#include <stdlib.h>

#include "operator/kafka/kafka_private.h"

void rwd_kafka_committed_deinit(rwd_kafka_committed *committed) {
    rwd_buf_deinit(&committed->metadata);
    free(committed->cluster);
    *committed = (rwd_kafka_committed){0};
}

// librdkafka asks for stable offsets where the isolation level is read_committed.
static bool open_client(const rwd_kafka_settings *settings, bool stable, rd_kafka_t **out, rwd_error *err) {
    rd_kafka_conf_t *conf;
    if (!rwd_kafka_conf(settings, &conf, err)) return false;
    rwd_kafka_own(conf, "group.id", settings->group);
    rwd_kafka_own(conf, "enable.auto.commit", "false");
    rwd_kafka_own(conf, "isolation.level", stable ? "read_committed" : "read_uncommitted");
    return rwd_kafka_new(RD_KAFKA_CONSUMER, conf, out, err);
}

static void close_client(rd_kafka_t *rk) { rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }

static bool keep_cluster(rd_kafka_t *rk, char **out, rwd_error *err) {
    char *id = rd_kafka_clusterid(rk, RWD_KAFKA_ANSWER_MS);
    if (!id) return rwd_kafka_fail(err, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, "cannot learn the cluster's id");
    *out = rwd_strdup(id);
    rd_kafka_mem_free(rk, id);
    return true;
}

static void keep(const rd_kafka_topic_partition_t *at, rwd_kafka_committed *out) {
    out->found = at->offset >= 0;
    out->offset = at->offset;
    if (out->found && at->metadata_size) rwd_buf_append(&out->metadata, at->metadata, at->metadata_size);
}

bool rwd_kafka_read_committed(const rwd_kafka_settings *settings, const char *topic, unsigned partition, bool stable,
                              rwd_kafka_committed *out, rwd_error *err) {
    rd_kafka_t *rk;
    *out = (rwd_kafka_committed){0};
    if (!open_client(settings, stable, &rk, err)) return false;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, topic, (int32_t)partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(rk, list, RWD_KAFKA_ANSWER_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = at->err;
    bool ok = code == RD_KAFKA_RESP_ERR_NO_ERROR && keep_cluster(rk, &out->cluster, err);
    if (ok) keep(at, out);
    else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) (void)rwd_kafka_fail(err, code, NULL, "cannot read what group %s has committed for %s/%u", settings->group, topic, partition);
    rd_kafka_topic_partition_list_destroy(list);
    close_client(rk);
    return ok;
}

bool rwd_kafka_group_is_free(const rwd_kafka_settings *settings, rwd_error *err) {
    rd_kafka_t *rk;
    if (!open_client(settings, false, &rk, err)) return false;
    const struct rd_kafka_group_list *groups = NULL;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(rk, settings->group, &groups, RWD_KAFKA_ANSWER_MS);
    const struct rd_kafka_group_info *group = groups && groups->group_cnt == 1 ? &groups->groups[0] : NULL;
    bool ok = true;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        ok = rwd_kafka_fail(err, code, NULL, "cannot look at group %s", settings->group);
    } else if (group && group->member_cnt > 0) {
        ok = rwd_fail(err, RWD_E_FOREIGN, "consumer group %s has %d members (the first is %.100s): another program subscribes with its name", settings->group,
                      group->member_cnt, group->members[0].client_id ? group->members[0].client_id : "nameless");
        (void)rwd_error_next(err, "give the job a group of its own: `group: NAME` in the job file");
    }
    if (groups) rd_kafka_group_list_destroy(groups);
    close_client(rk);
    return ok;
}
