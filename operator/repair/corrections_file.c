// The file of corrections: head, blocks, tail, each a frame (proto/repair.proto).
//
// What must stay true: the file has its name only when all of it is durable; what is read has been checked, frame by frame, and at the end as a whole.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/frame.h"
#include "operator/repair/corrections_private.h"
#include "proto/pack.h"
#include "proto/repair.pb-c.h"

#define MAGIC_HEAD "RWCH"
#define MAGIC_BLOCK "RWCB"
#define MAGIC_TAIL "RWCT"
#define VERSION 1
#define HEAD_BYTES_MAX 4096u
#define TAIL_BYTES_MAX 64u
// A block is closed behind the correction that fills it.
#define BLOCK_BYTES_MAX (RWD_CORRECTIONS_BLOCK + 2 * RWD_ROW_BYTES_MAX + RWD_KEY_BYTES_MAX + 64u)
#define BLOCK_MEMORY_MAX (128u << 20)  // unpacked: small messages are many

// ---------------------------------------------------------------------------------------------- writing
static bool write_frame(rwd_corrections_writer *w, const char magic[4], rwd_slice payload, rwd_error *err) {
    if (!*w->path) return true;
    rwd_buf_clear(&w->frame);
    rwd_frame_append(&w->frame, magic, VERSION, payload);
    if (!rwd_io_write(w->io, w->fd, w->temporary, w->frame.data, w->frame.size, w->written, err)) return false;
    w->written += w->frame.size;
    return true;
}

static bool write_message(rwd_corrections_writer *w, const char magic[4], const ProtobufCMessage *message, rwd_error *err) {
    rwd_buf payload = {0};
    rwd_proto_append(&payload, message);
    bool ok = write_frame(w, magic, rwd_buf_slice(&payload), err);
    rwd_buf_deinit(&payload);
    return ok;
}

static bool write_head(rwd_corrections_writer *w, const rwd_corrections_head *head, rwd_error *err) {
    uint8_t hashes[2][RWD_PROTO_HASH];
    Rewind__CorrectionsHead message;
    rewind__corrections_head__init(&message);
    message.repair = (char *)(uintptr_t)head->repair;
    message.next_offset = head->next_offset;
    message.old_lineage = rwd_proto_put_hash(head->old_lineage, hashes[0]);
    message.new_lineage = rwd_proto_put_hash(head->new_lineage, hashes[1]);
    return write_message(w, MAGIC_HEAD, &message.base, err);
}

bool rwd_corrections_writer_open(rwd_corrections_writer *w, const char *path, rwd_io *io, const rwd_corrections_head *head, rwd_error *err) {
    *w = (rwd_corrections_writer){.io = io, .fd = -1, .hasher = rwd_hasher_new()};
    if (!path) return true;
    int size = snprintf(w->temporary, sizeof(w->temporary), "%s.part", path);
    if (size < 0 || (size_t)size >= sizeof(w->temporary)) return rwd_fail(err, RWD_E_USAGE, "%.200s...: the path is too long", path);
    if (!rwd_io_open(io, w->temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600, &w->fd, err)) {
        w->fd = -1;
        w->temporary[0] = '\0';
        return false;
    }
    memcpy(w->path, path, strlen(path) + 1);
    return write_head(w, head, err);
}

static bool end_block(rwd_corrections_writer *w, rwd_error *err) {
    if (w->block.size == 0) return true;
    rwd_hasher_update(w->hasher, w->block.data, w->block.size);
    bool ok = write_frame(w, MAGIC_BLOCK, rwd_buf_slice(&w->block), err);
    rwd_buf_clear(&w->block);
    return ok;
}

bool rwd_corrections_write(rwd_corrections_writer *w, const rwd_correction *c, rwd_error *err) {
    Rewind__Correction message, *pointer = &message;
    rewind__correction__init(&message);
    message.sink = (uint32_t)c->sink;
    message.key = rwd_proto_bytes(c->key);
    message.was = c->old_row.data != NULL;
    message.old_row = rwd_proto_bytes(c->old_row);
    message.is = c->new_row.data != NULL;
    message.new_row = rwd_proto_bytes(c->new_row);
    // Packed messages of one kind, one behind the other, are one message with all of their elements.
    Rewind__CorrectionBlock block;
    rewind__correction_block__init(&block);
    block.n_corrections = 1;
    block.corrections = &pointer;
    rwd_proto_append(&w->block, &block.base);
    w->rows++;
    return w->block.size < RWD_CORRECTIONS_BLOCK || end_block(w, err);
}

bool rwd_corrections_writer_commit(rwd_corrections_writer *w, rwd_hash128 *out_hash, rwd_error *err) {
    uint8_t hash[RWD_PROTO_HASH];
    char dir[RWD_PATH_MAX];
    if (!end_block(w, err)) return false;
    *out_hash = rwd_hasher_finish(w->hasher);
    if (!*w->path) return true;
    Rewind__CorrectionsTail tail;
    rewind__corrections_tail__init(&tail);
    tail.rows = w->rows;
    tail.hash = rwd_proto_put_hash(*out_hash, hash);
    rwd_path_dir(dir, w->path);
    if (!write_message(w, MAGIC_TAIL, &tail.base, err) || !rwd_io_fsync(w->io, w->fd, w->temporary, err) || !rwd_io_rename(w->io, w->temporary, w->path, err)) return false;
    w->temporary[0] = '\0';
    return rwd_io_sync_dir(w->io, dir, err);
}

void rwd_corrections_writer_close(rwd_corrections_writer *w) {
    rwd_error ignored;
    if (w->fd >= 0) rwd_io_close(w->io, w->fd);
    if (*w->temporary && !rwd_io_unlink(w->io, w->temporary, &ignored)) rwd_error_clear(&ignored);
    rwd_buf_deinit(&w->block);
    rwd_buf_deinit(&w->frame);
    rwd_hasher_free(w->hasher);
}

// ---------------------------------------------------------------------------------------------- reading
struct rwd_corrections {
    rwd_io *io;
    char path[RWD_PATH_MAX];
    int fd;
    uint64_t at, size;          // in the file; size: without the tail
    uint64_t rows, given;
    rwd_hash128 hash;
    Rewind__CorrectionsHead *head;
    Rewind__CorrectionBlock *block;  // NULL: none in hand
    size_t next;                // in it
    rwd_buf bytes;
    rwd_hasher *hasher;
};

static bool damaged(const rwd_corrections *c, const char *what, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_CORRUPT, "corrections of a repair: %s", what);
    (void)rwd_error_at(err, "%s at byte %llu", c->path, (unsigned long long)c->at);
    return rwd_error_next(err, "make the plan again: rewind repair rebase JOB ID");
}

// The frame at `at`; payload *borrows* from c->bytes.
static bool read_frame(rwd_corrections *c, const char magic[4], size_t payload_max, uint64_t end, rwd_slice *out, rwd_error *err) {
    size_t got, size;
    rwd_buf_clear(&c->bytes);
    rwd_buf_reserve(&c->bytes, RWD_FRAME_HEADER);
    if (!rwd_io_read(c->io, c->fd, c->path, c->bytes.data, RWD_FRAME_HEADER, c->at, &got, err)) return false;
    uint32_t payload = got == RWD_FRAME_HEADER ? rwd_get_le32(c->bytes.data + 8) : 0;
    if (got != RWD_FRAME_HEADER || payload > payload_max || payload > end - c->at - RWD_FRAME_HEADER) return damaged(c, "a part is missing", err);
    rwd_buf_reserve(&c->bytes, RWD_FRAME_HEADER + payload);
    if (!rwd_io_read(c->io, c->fd, c->path, c->bytes.data, RWD_FRAME_HEADER + payload, c->at, &got, err)) return false;
    c->bytes.size = got;
    rwd_frame_state state = rwd_frame_read(rwd_buf_slice(&c->bytes), magic, VERSION, out, &size);
    if (state == RWD_FRAME_NEWER) return rwd_fail(err, RWD_E_NEWER_FORMAT, "a newer version of Rewind wrote these corrections");
    if (state != RWD_FRAME_WHOLE) return damaged(c, "the bytes are not what was written", err);
    c->at += size;
    return true;
}

static bool take_tail(rwd_corrections *c, rwd_slice payload) {
    Rewind__CorrectionsTail *tail = (Rewind__CorrectionsTail *)rwd_proto_unpack(&rewind__corrections_tail__descriptor, payload, HEAD_BYTES_MAX);
    bool ok = tail && rwd_proto_get_hash(tail->hash, &c->hash);
    if (ok) c->rows = tail->rows;
    if (tail) rwd_proto_free(&tail->base);
    return ok;
}

// The tail is the frame that ends the file.
static bool read_tail(rwd_corrections *c, rwd_error *err) {
    uint8_t last[TAIL_BYTES_MAX];
    size_t want = c->size < sizeof(last) ? (size_t)c->size : sizeof(last), got, size;
    rwd_slice payload;
    if (!rwd_io_read(c->io, c->fd, c->path, last, want, c->size - want, &got, err)) return false;
    for (size_t from = 0; got == want && from + RWD_FRAME_HEADER <= want; from++) {
        if (rwd_frame_read(rwd_slice_of(last + from, want - from), MAGIC_TAIL, VERSION, &payload, &size) != RWD_FRAME_WHOLE || size != want - from) continue;
        c->size -= size;
        return take_tail(c, payload) || damaged(c, "its end is not what was written", err);
    }
    return damaged(c, "its end is missing", err);
}

static bool read_head(rwd_corrections *c, rwd_error *err) {
    rwd_slice payload;
    if (!read_frame(c, MAGIC_HEAD, HEAD_BYTES_MAX, c->size, &payload, err)) return false;
    c->head = (Rewind__CorrectionsHead *)rwd_proto_unpack(&rewind__corrections_head__descriptor, payload, 2 * HEAD_BYTES_MAX);
    return c->head || damaged(c, "its beginning is not what was written", err);
}

bool rwd_corrections_open(const char *path, rwd_io *io, rwd_corrections **out, rwd_error *err) {
    struct stat found;
    rwd_corrections *c = rwd_calloc(1, sizeof(*c));
    c->io = io;
    c->fd = -1;
    c->hasher = rwd_hasher_new();
    (void)snprintf(c->path, sizeof(c->path), "%s", path);
    bool ok = rwd_io_open(io, path, O_RDONLY, 0, &c->fd, err);
    if (ok && fstat(c->fd, &found) != 0) ok = rwd_fail(err, RWD_E_IO, "cannot look at the file of corrections");
    if (ok) c->size = (uint64_t)found.st_size;
    ok = ok && read_tail(c, err) && read_head(c, err);
    if (!ok) {
        rwd_corrections_close(c);
        return false;
    }
    *out = c;
    return true;
}

static void drop_block(rwd_corrections *c) {
    if (c->block) rwd_proto_free(&c->block->base);
    c->block = NULL;
    c->next = 0;
}

void rwd_corrections_close(rwd_corrections *c) {
    if (!c) return;
    drop_block(c);
    if (c->head) rwd_proto_free(&c->head->base);
    if (c->fd >= 0) rwd_io_close(c->io, c->fd);
    rwd_buf_deinit(&c->bytes);
    rwd_hasher_free(c->hasher);
    free(c);
}

uint64_t rwd_corrections_rows(const rwd_corrections *c) { return c->rows; }
rwd_hash128 rwd_corrections_hash(const rwd_corrections *c) { return c->hash; }
int64_t rwd_corrections_next_offset(const rwd_corrections *c) { return c->head->next_offset; }
const char *rwd_corrections_repair(const rwd_corrections *c) { return c->head->repair; }

static bool next_block(rwd_corrections *c, rwd_error *err) {
    rwd_slice payload;
    drop_block(c);
    if (!read_frame(c, MAGIC_BLOCK, BLOCK_BYTES_MAX, c->size, &payload, err)) return false;
    rwd_hasher_update(c->hasher, payload.data, payload.size);
    c->block = (Rewind__CorrectionBlock *)rwd_proto_unpack(&rewind__correction_block__descriptor, payload, BLOCK_MEMORY_MAX);
    return c->block || damaged(c, "a block does not hold corrections", err);
}

static bool check_all(const rwd_corrections *c, rwd_error *err) {
    return (c->given == c->rows && rwd_hash128_equal(rwd_hasher_finish(c->hasher), c->hash)) || damaged(c, "it does not hold what its end says", err);
}

static rwd_slice present(bool has, ProtobufCBinaryData bytes) {
    return has ? rwd_slice_of(bytes.data ? bytes.data : (const uint8_t *)"", bytes.len) : (rwd_slice){0};
}

bool rwd_corrections_next(rwd_corrections *c, rwd_correction *out, bool *out_found, rwd_error *err) {
    *out_found = false;
    while (!c->block || c->next == c->block->n_corrections) {
        if (c->at == c->size) return check_all(c, err);
        if (!next_block(c, err)) return false;
    }
    const Rewind__Correction *found = c->block->corrections[c->next++];
    if (found->sink >= RWD_SINKS_MAX) return damaged(c, "a correction of an output that no job can have", err);
    *out = (rwd_correction){.sink = found->sink, .key = rwd_proto_slice(found->key), .old_row = present(found->was, found->old_row),
                            .new_row = present(found->is, found->new_row), .offset = c->head->next_offset - 1};
    c->given++;
    *out_found = true;
    return true;
}

bool rwd_corrections_skip(rwd_corrections *c, uint64_t rows, rwd_error *err) {
    rwd_correction ignored;
    bool found = true;
    for (uint64_t i = 0; i < rows && found; i++)
        if (!rwd_corrections_next(c, &ignored, &found, err)) return false;
    return true;
}
