// The journal of a session: opened before recovery, behind the lock; handed to the source, which reads and appends; closed behind the checkpoint thread and the keeper.
//
// Thread: pipeline.
#include <stdlib.h>

#include "operator/pipeline/operator_private.h"
#include "operator/pipeline/rooms.h"
#include "operator/source/journaled.h"

// How often the status looks at the journal's index.
#define RWD_JOURNAL_LOOK_NS 1000000000LL

_Static_assert((int)RWD_JOURNAL_PLAIN == 0 && (int)RWD_JOURNAL_LZ4 == 1 && (int)RWD_JOURNAL_ZSTD == 2, "the words of journal.codec stand for codecs");

// Without hooks a Kafka source is wrapped when it is opened (rooms.c).
static bool is_journaled(const rwd_operator *op) { return op->job->source.topic && !op->hooks.open_source && op->job->journal.mode == RWD_JOURNAL_ON; }

// K3: whatever manifest there is was written behind a sync of the journal below its X, whether it is good, bad or pruned by now.
static bool durable_to(rwd_repo *repo, int64_t *out, uint64_t *out_term, rwd_error *err) {
    rwd_checkpoint_list list = {0};
    *out = 0;
    *out_term = 0;
    if (!rwd_repo_list(repo, &list, err)) return false;
    for (size_t i = 0; i < list.count; i++) {
        const rwd_checkpoint *c = &list.items[i];
        if (c->facts.next_offset < *out || (c->facts.next_offset == *out && c->term <= *out_term)) continue;
        *out = c->facts.next_offset;
        *out_term = c->term;
    }
    rwd_checkpoint_list_deinit(&list);
    return true;
}

bool rwd_open_journal_of(rwd_repo *repo, rwd_io *io, rwd_clock *clock, rwd_journal **out, rwd_error *err) {
    rwd_io *own = NULL;
    int64_t durable;
    uint64_t term;
    return durable_to(repo, &durable, &term, err) && rwd_io_clone(io, &own, err) &&
           rwd_journal_open_reader(rwd_repo_path(repo), rwd_repo_id(repo), durable, own, clock, out, err);
}

// A shadow keeps no copy of what it reads, and reads first what the owner of its base has.
static bool open_others(rwd_operator *op, rwd_error *err) {
    if (!op->options.journal_of) return true;
    if (!rwd_open_journal_of(op->options.journal_of, op->io, op->clock, &op->read_journal, err)) return false;
    rwd_journaled_source_use(op->raw_source, op->read_journal);
    return true;
}

bool rwd_open_session_journal(rwd_operator *op, rwd_error *err) {
    rwd_io *io = NULL;
    if (!is_journaled(op)) return true;
    if (op->options.data) return open_others(op, err);
    rwd_journal_options options = {
        .data = op->data, .repository = rwd_repo_id(op->repo), .term = rwd_repo_term(op->repo), .codec = (rwd_journal_codec)op->job->journal.codec,
        .size = op->job->journal.size, .keep_ns = op->job->journal.keep_ns, .room = RWD_JOURNAL_ROOM, .on_full_continue = op->job->journal.on_full == RWD_ON_FULL_CONTINUE,
    };
    if (!durable_to(op->repo, &options.durable_to, &options.durable_term, err) || !rwd_io_clone(op->io, &io, err)) return false;
    if (!rwd_journal_open(&options, io, op->clock, &op->journal, err)) return false;
    rwd_journaled_source_use(op->raw_source, op->journal);
    return true;
}

void rwd_close_session_journal(rwd_operator *op) {
    if (!op->journal && !op->read_journal) return;
    rwd_journaled_source_use(op->raw_source, NULL);
    rwd_journal_close(op->journal);
    rwd_journal_close(op->read_journal);
    op->journal = op->read_journal = NULL;
    op->journal_looked_ns = 0;
}

bool rwd_confirm_journal(rwd_operator *op, rwd_error *err) { return !op->journal || rwd_journal_confirm(op->journal, err); }

void rwd_fill_journal_status(rwd_operator *op) {
    rwd_status *s = &op->status;
    int64_t now = rwd_clock_ns(op->clock);
    rwd_horizon horizon = op->keeper ? rwd_keeper_horizon(op->keeper) : (rwd_horizon){-1, -1};
    s->journal_horizon = horizon.journal;
    s->horizon = horizon.any;
    s->journal_on = op->journal != NULL;
    if (!op->journal || (op->journal_looked_ns && now - op->journal_looked_ns < RWD_JOURNAL_LOOK_NS)) return;
    rwd_journal_stats j;
    op->journal_looked_ns = now;
    rwd_journal_get_stats(op->journal, &j);
    s->journal_bytes = j.bytes, s->journal_segments = j.segments, s->journal_blocks = j.blocks, s->journal_records = j.records;
    s->journal_appended = j.appended_bytes, s->journal_holes = j.holes, s->journal_damaged = j.damaged, s->journal_waits = j.waits;
    s->journal_first = j.first, s->journal_next = j.next, s->journal_durable = j.durable, s->journal_suspended = j.suspended;
}
