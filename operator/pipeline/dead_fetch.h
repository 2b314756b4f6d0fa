// The bytes of dead letters, for commands: from the journal, the source, or the dead-letter output, whichever has them.
//
// Reads beside a running operator, or without one, and changes nothing. Bytes count only if their hash is that of the index (E4); the dead-letter output of a topic keeps no headers, so there the
// hash that it carries is compared.
//
// Thread: one.
#ifndef OPERATOR_PIPELINE_DEAD_FETCH_H
#define OPERATOR_PIPELINE_DEAD_FETCH_H

#include "checkpoints/repository.h"
#include "operator/config/job.h"
#include "operator/kafka/client.h"
#include "operator/source/source.h"
#include "state/dead.h"

#define RWD_DEAD_FETCH_BYTES (64u << 20)  // of records in hand, roughly: a fetch ends early above it

typedef enum rwd_dead_found { RWD_DEAD_NOWHERE, RWD_DEAD_IN_JOURNAL, RWD_DEAD_IN_SOURCE, RWD_DEAD_IN_OUTPUT } rwd_dead_found;
const char *rwd_dead_found_name(rwd_dead_found found);  // "journal"; NULL: nowhere

typedef struct rwd_dead_item {
    rwd_dead_entry entry;   // field: in the arena
    rwd_dead_found found;
    bool has_key, has_value;
    rwd_slice key, value;   // in the arena; value is followed by RWD_RECORD_PADDING readable bytes
    uint64_t full_size;     // of the value; above value.size: the rest is not there
    int64_t time_us;        // of the record; RWD_TIME_NONE: it has none
    rwd_slice raw;          // of a Kafka record from journal or source: all of it (kafka/consumer.h); in the arena; data NULL: none
} rwd_dead_item;

typedef struct rwd_dead_fetcher rwd_dead_fetcher;

// All is *borrowed*. Where no broker answers, what is in the journal is found all the same. *gives*.
RWD_MUST bool rwd_dead_fetcher_open(const rwd_job *job, rwd_repo *repo, rwd_io *io, rwd_clock *clock, rwd_dead_fetcher **out, rwd_error *err);
void rwd_dead_fetcher_close(rwd_dead_fetcher *fetcher);
// CLUSTER/TOPIC/PARTITION, or NULL where records are not redriven. *borrows*.
const char *rwd_dead_fetcher_origin(const rwd_dead_fetcher *fetcher);
// The columns of a CSV file, for a decoder; NULL: none.
const char *const *rwd_dead_fetcher_columns(const rwd_dead_fetcher *fetcher, size_t *out_count);
// Fills in items [0, out_done), which are in order of ids, from `entry` alone; at least one.
RWD_MUST bool rwd_dead_fetch(rwd_dead_fetcher *fetcher, rwd_dead_item *items, size_t count, rwd_arena *arena, size_t *out_done, rwd_error *err);

#endif
