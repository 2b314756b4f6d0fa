// The source of a job: what a Kafka partition has that a file has not, the properties of the cluster's clients, and what formats need.
#include <stdlib.h>
#include <string.h>

#include "operator/config/job_private.h"

#define HOUR_US 3600000000LL

// ---- properties

static bool add_property(rwd_job_build *b, const rwd_node *node, const char *name) {
    rwd_job *job = b->job;
    if (rwd_kafka_property_is_secret(node->key) && !node->written)
        return rwd_build_fail(b, node->place, "%s: %s is a secret, which does not belong into the job file; write ${NAME}, and set NAME, or NAME_FILE to the "
                              "path of a file", name, node->key);
    if (!rwd_kafka_property_check(node->key, node->text, b->err)) return rwd_place_error(b->err, b->file, node->key_place);
    job->kafka.properties[job->kafka.property_count++] = (rwd_kafka_property){
        .name = rwd_strdup(node->key), .value = rwd_strdup(node->text), .written = node->written ? rwd_strdup(node->written) : NULL,
    };
    return true;
}

static bool build_properties(rwd_job_build *b) {
    const char *name = b->job->source.topic ? "source.kafka.properties" : "kafka.properties";
    const rwd_node *map = rwd_node_find(b->root, name);
    b->job->kafka.properties = rwd_calloc(map ? map->count : 0, sizeof *b->job->kafka.properties);
    for (const rwd_node *node = map ? map->first : NULL; node; node = node->next)
        if (!add_property(b, node, name)) return false;
    return true;
}

// ---- a Kafka partition

static bool build_kafka(rwd_job_build *b) {
    rwd_job *job = b->job;
    job->source.follow = true;
    // S2: records have a time of their own, so a wild event time is found out by it.
    if (!rwd_node_find(b->root, "event.time.ahead")) job->event.ahead_us = HOUR_US;
    const rwd_node *header = rwd_node_find(b->root, "source.csv.header");
    if (header && job->source.csv_header)
        return rwd_build_fail(b, header->place, "source.csv.header: a record of Kafka is one row without a header; columns go by the order of the fields");
    job->source.csv_header = false;
    return true;
}

// ---- formats

static rwd_place format_place(const rwd_job_build *b) { return rwd_node_find(b->root, "source.format")->place; }

static bool build_protobuf(rwd_job_build *b) {
    rwd_job *job = b->job;
    if (!rwd_node_find(b->root, "source.protobuf"))
        return rwd_build_fail(b, format_place(b), "source.protobuf is missing; for example protobuf: {descriptor: orders.desc, message: shop.Order}");
    const rwd_node *descriptor = rwd_node_find(b->root, "source.protobuf.descriptor"), *message = rwd_node_find(b->root, "source.protobuf.message");
    rwd_error why;
    rwd_error_clear(&why);
    if (!rwd_descriptor_load(job->source.descriptor, &job->source.types, &why)) {
        (void)rwd_build_fail(b, descriptor->place, "source.protobuf.descriptor: %s: %s", job->source.descriptor, why.cause);
        return rwd_error_next(b->err, "%s", why.next);
    }
    job->source.message_type = rwd_descriptor_message(job->source.types, job->source.message, &why);
    return job->source.message_type || rwd_build_fail(b, message->place, "source.protobuf.message: %s", why.cause);
}

static bool build_raw(rwd_job_build *b) {
    const rwd_job *job = b->job;
    if (!job->source.topic)
        return rwd_build_fail(b, format_place(b), "source.format: raw records have a key and a value, which a file has not; read them from Kafka");
    if (job->source.raw_key == RWD_RAW_TYPE_NONE && job->source.raw_value == RWD_RAW_TYPE_NONE)
        return rwd_build_fail(b, format_place(b), "source.raw says of neither key nor value what it is; for example raw: {key: string, value: int64be}");
    if (job->source.tombstone == RWD_TOMBSTONE_DELETE && job->source.raw_key != RWD_RAW_TYPE_STRING)
        return rwd_build_fail(b, rwd_node_find(b->root, "source.tombstone")->place,
                              "source.tombstone: delete finds rows by the record's key as text; with raw records this needs raw: {key: string}");
    return true;
}

static bool build_format(rwd_job_build *b) {
    if (b->job->source.format == RWD_FORMAT_PROTOBUF) return build_protobuf(b);
    if (b->job->source.format == RWD_FORMAT_PLUGIN) return rwd_build_decoder(b);
    return b->job->source.format != RWD_FORMAT_RAW || build_raw(b);
}

bool rwd_build_source(rwd_job_build *b) {
    return (!b->job->source.topic || build_kafka(b)) && build_properties(b) && build_format(b);
}
