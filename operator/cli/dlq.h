// Dead letters that a command line chooses: by reason, place, time, key, state, or one by one.
//
// They are those of a checkpoint: the one that --checkpoint names; else, where an operator runs, a new one; else the newest.
//
// Thread: one.
#ifndef OPERATOR_CLI_DLQ_H
#define OPERATOR_CLI_DLQ_H

#include "operator/cli/side.h"
#include "operator/logic/decode.h"
#include "operator/logic/step.h"
#include "operator/pipeline/dead_fetch.h"

#define RWD_DLQ_CHUNK 1024  // dead letters in hand

typedef struct rwd_dlq {
    rwd_cli *cli;
    rwd_place place;
    rwd_cli_side side;
    const rwd_job *job;             // the job file's; without one that of the checkpoint. Borrowed
    rwd_dead_reader *reader;

    bool codes[RWD_E_COUNT], some_codes;
    int64_t from, to;               // offsets
    int64_t from_us, to_us;
    rwd_slice key;                  // data NULL: any
    bool open, failed;              // which states
    rwd_dead_id ids[RWD_ARGS_MAX];  // one by one
    size_t id_count;

    bool with_bytes;
    rwd_dead_fetcher *fetcher;      // NULL: bytes are not asked for
    rwd_arena bytes, names;
    rwd_dead_item *items;           // RWD_DLQ_CHUNK
    size_t count, done, at;
    bool ended;
    uint64_t passed;                // that the filters left out

    rwd_decoder *decoder;           // for keys; NULL: not made yet
    rwd_step *step;
    rwd_buf key_text, scratch;
} rwd_dlq;

// `with_bytes`: their records are looked for (they always are where a key is asked for). Close it, whatever open answered.
RWD_MUST bool rwd_dlq_open(rwd_cli *cli, bool with_bytes, rwd_dlq *out, rwd_error *err);
void rwd_dlq_close(rwd_dlq *dlq);
// The next one, in order of offsets, *borrowed* until the next call; NULL: there are no more.
RWD_MUST bool rwd_dlq_next(rwd_dlq *dlq, const rwd_dead_item **out, rwd_error *err);
// The same once more, from the first one on.
void rwd_dlq_again(rwd_dlq *dlq);
// "12", or "12/3" for an event of a record; an inserted record's has "+N" behind the offset.
void rwd_dlq_name(const rwd_dead_id *id, rwd_buf *out);
// One as an object; with `bytes` also key, value and where they were found.
void rwd_dlq_json(const rwd_dead_item *item, bool bytes, bool indent, rwd_buf *out);

#endif
