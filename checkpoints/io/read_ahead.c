// Sequential reads with several pieces in flight (read_ahead.h).
//
// What must stay true: piece n is in slot n modulo `ahead`; `next` is the piece to hand out, `begun` the first that was not asked for yet, and
// next <= begun <= next + ahead. The piece that is handed out keeps its slot until the next call.
#include "checkpoints/io/read_ahead.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct slot {
    rwd_io_op op;
    void *buffer;
} slot;

struct rwd_read_ahead {
    rwd_io_queue *queue;
    rwd_read_ahead_options options;
    uint64_t size;         // of the file when it was opened: reads beyond it are not made in advance
    uint64_t begun, next;  // pieces
    bool ended;
    slot slots[RWD_READ_AHEAD_MAX];
};

static uint64_t piece_offset(const rwd_read_ahead *r, uint64_t piece) { return r->options.from + piece * r->options.piece; }

// Beyond the size that the file had, one piece is asked for, which finds the end, or that there is more.
static bool may_begin(const rwd_read_ahead *r) {
    uint64_t offset = piece_offset(r, r->begun);
    if (r->begun == r->next + r->options.ahead || offset >= r->options.until) return false;
    return offset < r->size || r->begun == r->next;
}

static void begin(rwd_read_ahead *r) {
    rwd_io_op *batch[RWD_READ_AHEAD_MAX];
    size_t count = 0;
    while (!r->ended && may_begin(r)) {
        slot *s = &r->slots[r->begun % r->options.ahead];
        uint64_t offset = piece_offset(r, r->begun), left = r->options.until - offset;
        s->op = (rwd_io_op){.kind = RWD_IO_READ, .fd = r->options.fd, .data = s->buffer, .size = r->options.piece, .offset = offset};
        // A direct read must have whole blocks: what is behind `until` is read and not shown.
        if (left < s->op.size) s->op.size = (left + RWD_IO_ALIGN - 1) / RWD_IO_ALIGN * RWD_IO_ALIGN;
        if (s->op.size > r->options.piece) s->op.size = r->options.piece;
        batch[count++] = &s->op;
        r->begun++;
    }
    if (count > 0) rwd_io_submit(r->queue, batch, count);
}

bool rwd_read_ahead_open(rwd_io_queue *queue, const rwd_read_ahead_options *options, rwd_read_ahead **out, rwd_error *err) {
    assert(options->ahead > 0 && options->ahead <= RWD_READ_AHEAD_MAX && options->piece > 0);
    struct stat info;
    rwd_read_ahead *r = rwd_calloc(1, sizeof(*r));
    r->queue = queue;
    r->options = *options;
    if (fstat(options->fd, &info) == 0) r->size = (uint64_t)info.st_size;
    for (unsigned i = 0; i < options->ahead; i++) {
        r->slots[i].buffer = rwd_io_buffer_take(queue);
        if (r->slots[i].buffer) continue;
        rwd_read_ahead_close(r);
        return rwd_fail(err, RWD_E_RESOURCE, "no buffer is left to read with");
    }
    begin(r);
    *out = r;
    return true;
}

bool rwd_read_ahead_next(rwd_read_ahead *r, rwd_slice *out, rwd_error *err) {
    *out = rwd_slice_of(NULL, 0);
    begin(r);  // the piece handed out last is free now
    if (r->next == r->begun) return true;
    slot *s = &r->slots[r->next % r->options.ahead];
    rwd_io_await(r->queue, &s->op);
    if (!rwd_io_check(&s->op, r->options.path, err)) return false;
    uint64_t left = r->options.until - s->op.offset, got = (uint64_t)s->op.result;
    if (got < s->op.size) r->ended = true;
    if (got == 0) return true;
    *out = rwd_slice_of(s->buffer, (size_t)(got < left ? got : left));
    if (r->ended) r->begun = r->next + 1;
    r->next++;
    return true;
}

void rwd_read_ahead_close(rwd_read_ahead *r) {
    if (!r) return;
    for (unsigned i = 0; i < r->options.ahead; i++) {
        slot *s = &r->slots[i];
        if (s->op.data) rwd_io_await(r->queue, &s->op);
        if (s->buffer) rwd_io_buffer_give(r->queue, s->buffer);
    }
    free(r);
}
