// Words of other systems (other_words.h): SQL, Flink, Kafka Streams, ksqlDB.
#include "operator/config/other_words.h"

#include <stddef.h>
#include <strings.h>

static const struct {
    const char *group, *theirs, *ours;
} other_keys[] = {
    {"source.kafka", "bootstrap.servers", "brokers"}, {"source.kafka", "bootstrap_servers", "brokers"}, {"source.kafka", "offset", "start"},
    {"event", "timestamp", "time"},                   {"event", "columns", "fields"},                   {"event", "schema", "fields"},
    {"event.time", "max_ahead", "ahead"},             {"event.time", "column", "field"},                {"event.dedup", "window", "within"},
    {"event.dedup", "ttl", "within"},                 {"event.dedup", "for", "within"},                 {"event.dedup", "retain", "within"},
    {"event.fields.*", "nullable", "optional"},       {"event.fields.*", "fallback", "default"},        {"event.fields.*", "column", "path"},
    {"tables.*", "group_by", "key"},                  {"tables.*", "by", "key"},                        {"tables.*", "filter", "where"},
    {"tables.*", "columns", "aggregates"},            {"tables.*", "select", "aggregates"},             {"tables.*", "computed", "derived"},
    {"tables.*.window", "size", "tumbling"},          {"tables.*.window", "length", "tumbling"},        {"tables.*.window", "slide", "advance"},
    {"tables.*.window", "hop", "advance"},            {"tables.*.window", "every", "advance"},          {"tables.*.window", "lateness", "grace"},
    {"tables.*.window", "gap", "session"},            {"tables.*.window", "sessions", "session"},       {"tables.*.window", "inactivity", "session"},
    {"tables.*.window", "retention", "retain"},       {"sinks[]", "filter", "where"},                   {"sinks[]", "having", "where"},
    {"sinks[]", "columns", "fields"},                 {"sinks[]", "output", "file"},
};

static const struct {
    const char *theirs, *ours;
} other_aggregates[] = {
    {"avg", "mean(FIELD)"},
    {"average", "mean(FIELD)"},
    {"median", "quantile(FIELD, 0.5)"},
    {"percentile", "quantile(FIELD, Q), with Q between 0 and 1"},
    {"p50", "quantile(FIELD, 0.5)"},
    {"p95", "quantile(FIELD, 0.95)"},
    {"p99", "quantile(FIELD, 0.99)"},
    {"std", "stddev(FIELD)"},
    {"var", "variance(FIELD)"},
    {"total", "sum(FIELD)"},
    {"count_distinct", "distinct(FIELD)"},
    {"cardinality", "distinct(FIELD)"},
    {"nunique", "distinct(FIELD)"},
    {"unique", "distinct(FIELD)"},
    {"approx_count_distinct", "distinct(FIELD)"},
    {"latest", "last(FIELD)"},
    {"latest_by_offset", "last(FIELD)"},
    {"earliest", "first(FIELD)"},
    {"earliest_by_offset", "first(FIELD)"},
    {"most_common", "topk(FIELD, K)"},
};

const char *rwd_other_key(const char *group, const char *word) {
    for (size_t i = 0; i < sizeof other_keys / sizeof *other_keys; i++)
        if (strcasecmp(other_keys[i].group, group) == 0 && strcasecmp(other_keys[i].theirs, word) == 0) return other_keys[i].ours;
    return NULL;
}

const char *rwd_other_aggregate(const char *word) {
    for (size_t i = 0; i < sizeof other_aggregates / sizeof *other_aggregates; i++)
        if (strcasecmp(other_aggregates[i].theirs, word) == 0) return other_aggregates[i].ours;
    return NULL;
}
