// Dead letters that a repair changes (dead_changes.h): a file of frames, one behind the other.
#include "operator/pipeline/dead_changes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/frame.h"
#include "operator/base/fs.h"
#include "operator/pipeline/dead_fetch.h"
#include "operator/pipeline/operator_private.h"
#include "proto/pack.h"
#include "proto/switch.pb-c.h"
#include "state/dead.h"

#define VERSION 1
#define ITEMS_MAX 4096                     // looked up together
#define CHANGE_MAX ((size_t)192 << 20)     // bytes of one frame: a record, its key and what is said of it
#define HEADER_MAX ((size_t)64)

static const char magic[4] = {'R', 'W', 'D', 'C'};

// ---------------------------------------------------------------------------------------------- making the file

typedef struct making {
    const rwd_dead_changes_options *options;
    rwd_dead_fetcher *fetcher;
    rwd_dead_item *items;      // ITEMS_MAX
    bool *resolved;            // by item
    size_t count;
    rwd_arena fields, bytes;
    char path[RWD_PATH_MAX], temporary[RWD_PATH_MAX];
    int fd;
    uint64_t written, changes;
    rwd_buf payload, frame;
} making;

// What an amendment inserts is nowhere but in the lineage.
static const rwd_amendment *inserted(const making *m, const rwd_dead_id *id) {
    const rwd_lineage *lineage = m->options->lineage;
    uint32_t before = 0;
    for (size_t i = 0; i < lineage->amendment_count; i++) {
        const rwd_amendment *a = &lineage->amendments[i];
        if (a->kind == RWD_AMEND_INSERT && a->at == id->offset && before++ == id->inserted) return a;
    }
    return NULL;
}

static void fill_inserted(const making *m, rwd_dead_item *item) {
    const rwd_amendment *a = item->entry.id.inserted != RWD_DEAD_RECORD ? inserted(m, &item->entry.id) : NULL;
    if (!a) return;
    item->has_key = a->has_key;
    item->key = rwd_buf_slice(&a->key);
    item->has_value = a->has_value;
    item->value = rwd_buf_slice(&a->value);
    item->full_size = a->value.size;
    item->time_us = a->time_us;
}

static bool write_item(making *m, rwd_dead_item *item, bool resolved, rwd_error *err) {
    uint8_t hash[RWD_PROTO_HASH];
    Rewind__DeadChange message = REWIND__DEAD_CHANGE__INIT;
    fill_inserted(m, item);
    char *field = rwd_strndup((const char *)item->entry.field.data, item->entry.field.size);
    message.resolved = resolved;
    message.offset = item->entry.id.offset;
    message.has_ordinal = item->entry.id.ordinal != RWD_DEAD_WHOLE;
    message.ordinal = message.has_ordinal ? item->entry.id.ordinal : 0;
    message.time_us = item->time_us != RWD_TIME_NONE ? item->time_us : item->entry.time_us;
    message.code = (char *)(uintptr_t)rwd_code_name(item->entry.code);
    message.field = field;
    message.hash = rwd_proto_put_hash(item->entry.hash, hash);
    message.has_key = item->has_key;
    message.key = rwd_proto_bytes(item->key);
    message.has_value = item->has_value && !resolved;
    if (message.has_value) message.value = rwd_proto_bytes(item->value);
    message.full_size = message.has_value ? item->value.size : 0;
    rwd_buf_clear(&m->payload);
    rwd_buf_clear(&m->frame);
    rwd_proto_append(&m->payload, &message.base);
    free(field);
    rwd_frame_append(&m->frame, magic, VERSION, rwd_buf_slice(&m->payload));
    if (!rwd_io_write(m->options->io, m->fd, m->temporary, m->frame.data, m->frame.size, m->written, err)) return false;
    m->written += m->frame.size;
    m->changes++;
    return true;
}

static bool flush(making *m, rwd_error *err) {
    for (size_t at = 0; at < m->count;) {
        size_t done = 0;
        rwd_arena_reset(&m->bytes);
        if (!rwd_dead_fetch(m->fetcher, m->items + at, m->count - at, &m->bytes, &done, err)) return false;
        for (size_t i = 0; i < done; i++)
            if (!write_item(m, &m->items[at + i], m->resolved[at + i], err)) return false;
        at += done;
    }
    m->count = 0;
    rwd_arena_reset(&m->fields);
    return true;
}

static bool take_change(void *context, const rwd_dead_entry *a, const rwd_dead_entry *b, rwd_error *err) {
    making *m = context;
    if (a && b && a->code == b->code && rwd_slice_equal(a->field, b->field)) return true;  // how often it was tried is not published
    if (m->count == ITEMS_MAX && !flush(m, err)) return false;
    rwd_dead_item *item = &m->items[m->count];
    *item = (rwd_dead_item){.entry = b ? *b : *a, .time_us = RWD_TIME_NONE};
    item->entry.field = rwd_arena_copy(&m->fields, item->entry.field);
    m->resolved[m->count++] = !b;
    return true;
}

static bool write_all(making *m, rwd_error *err) {
    const rwd_dead_changes_options *o = m->options;
    if (!rwd_io_open(o->io, m->temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600, &m->fd, err)) return false;
    return rwd_dead_compare(o->old_dir, o->new_dir, take_change, m, err) && flush(m, err) && rwd_io_fsync(o->io, m->fd, m->temporary, err) &&
           rwd_io_rename(o->io, m->temporary, m->path, err) && rwd_io_sync_dir(o->io, o->folder, err);
}

bool rwd_dead_changes_make(const rwd_dead_changes_options *options, uint64_t *out_count, rwd_error *err) {
    making m = {.options = options, .fd = -1};
    *out_count = 0;
    if (!rwd_path_join(m.path, options->folder, RWD_FINAL_DEAD, err) || !rwd_path_join(m.temporary, options->folder, RWD_FINAL_DEAD ".new", err) ||
        !rwd_dead_fetcher_open(options->job, options->repo, options->io, options->clock, &m.fetcher, err))
        return false;
    m.items = rwd_calloc(ITEMS_MAX, sizeof(*m.items));
    m.resolved = rwd_calloc(ITEMS_MAX, sizeof(*m.resolved));
    bool ok = write_all(&m, err);
    *out_count = m.changes;
    rwd_io_close(options->io, m.fd);
    rwd_dead_fetcher_close(m.fetcher);
    free(m.items);
    free(m.resolved);
    rwd_arena_deinit(&m.fields);
    rwd_arena_deinit(&m.bytes);
    rwd_buf_deinit(&m.payload);
    rwd_buf_deinit(&m.frame);
    return ok;
}

// ---------------------------------------------------------------------------------------------- reading it

struct rwd_dead_changes {
    rwd_io *io;
    int fd;
    char path[RWD_PATH_MAX];
    uint64_t at;
    const char *source, *topic;
    unsigned partition;
    char repair[RWD_REPAIR_ID];
    rwd_buf bytes, reason;
    ProtobufCMessage *message;
    rwd_dead_letter letter;
};

bool rwd_dead_changes_open(const char *folder, rwd_io *io, rwd_operator *op, const char *repair, rwd_dead_changes **out, rwd_error *err) {
    rwd_dead_changes *c = rwd_calloc(1, sizeof(*c));
    *c = (rwd_dead_changes){.io = io, .fd = -1, .source = op->status.source, .topic = op->job->source.topic, .partition = op->job->source.partition};
    (void)snprintf(c->repair, sizeof(c->repair), "%s", repair);
    if (!rwd_path_join(c->path, folder, RWD_FINAL_DEAD, err) || !rwd_io_open(io, c->path, O_RDONLY, 0, &c->fd, err)) {
        rwd_dead_changes_close(c);
        return false;
    }
    *out = c;
    return true;
}

void rwd_dead_changes_close(rwd_dead_changes *c) {
    if (!c) return;
    rwd_io_close(c->io, c->fd);
    if (c->message) rwd_proto_free(c->message);
    rwd_buf_deinit(&c->bytes);
    rwd_buf_deinit(&c->reason);
    free(c);
}

static bool broken(const rwd_dead_changes *c, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_CORRUPT, "is damaged at byte %llu", (unsigned long long)c->at);
    return rwd_error_at(err, "%s", c->path);
}

// The frame that begins at `at`. False with no bytes: the file ends there.
static bool read_frame(rwd_dead_changes *c, rwd_slice *out, bool *out_found, rwd_error *err) {
    size_t got = 0, size = 0;
    rwd_buf_clear(&c->bytes);
    rwd_buf_reserve(&c->bytes, HEADER_MAX);
    *out_found = false;
    if (!rwd_io_read(c->io, c->fd, c->path, c->bytes.data, HEADER_MAX, c->at, &got, err)) return false;
    if (got == 0) return true;
    if (got < RWD_FRAME_HEADER) return broken(c, err);
    size_t payload = rwd_get_le32(c->bytes.data + 8);
    if (payload > CHANGE_MAX) return broken(c, err);
    rwd_buf_reserve(&c->bytes, payload + 2 * HEADER_MAX);
    if (!rwd_io_read(c->io, c->fd, c->path, c->bytes.data, payload + HEADER_MAX, c->at, &got, err)) return false;
    c->bytes.size = got;
    if (rwd_frame_read(rwd_buf_slice(&c->bytes), magic, VERSION, out, &size) != RWD_FRAME_WHOLE) return broken(c, err);
    c->at += size;
    *out_found = true;
    return true;
}

static rwd_code code_named(const char *word) {
    for (int i = 0; i < RWD_E_COUNT; i++)
        if (strcmp(rwd_code_name((rwd_code)i), word) == 0) return (rwd_code)i;
    return RWD_E_MALFORMED;  // of a version that had another word for it
}

static bool fill(rwd_dead_changes *c, const Rewind__DeadChange *m, rwd_error *err) {
    rwd_hash128 hash;
    if (!rwd_proto_get_hash(m->hash, &hash)) return broken(c, err);
    rwd_code code = code_named(m->code);
    rwd_buf_clear(&c->reason);
    rwd_buf_appendf(&c->reason, "%s (repair %s)", rwd_code_meaning(code), c->repair);
    c->letter = (rwd_dead_letter){
        .source = c->source, .topic = c->topic, .partition = c->partition, .hash = hash, .resolved_by = m->resolved ? c->repair : NULL, .offset = m->offset, .has_ordinal = m->has_ordinal,
        .ordinal = m->ordinal, .time_us = m->time_us, .code = code, .field = *m->field ? m->field : NULL, .reason = rwd_buf_slice(&c->reason),
        .key = m->has_key ? rwd_proto_slice(m->key) : rwd_slice_of(NULL, 0), .value = m->has_value ? rwd_proto_slice(m->value) : rwd_slice_of(NULL, 0), .full_size = m->full_size,
    };
    // Bytes of no length are bytes: only data NULL is none.
    if (m->has_key && !c->letter.key.data) c->letter.key.data = (const uint8_t *)"";
    if (m->has_value && !c->letter.value.data) c->letter.value.data = (const uint8_t *)"";
    return true;
}

bool rwd_dead_changes_next(rwd_dead_changes *c, const rwd_dead_letter **out, bool *out_found, rwd_error *err) {
    rwd_slice payload;
    *out = NULL;
    if (!read_frame(c, &payload, out_found, err)) return false;
    if (!*out_found) return true;
    if (c->message) rwd_proto_free(c->message);
    c->message = rwd_proto_unpack(&rewind__dead_change__descriptor, payload, 2 * CHANGE_MAX);
    if (!c->message) return broken(c, err);
    *out = &c->letter;
    return fill(c, (const Rewind__DeadChange *)(const void *)c->message, err);
}

bool rwd_dead_changes_skip(rwd_dead_changes *c, uint64_t count, rwd_error *err) {
    rwd_slice payload;
    bool found = true;
    for (uint64_t i = 0; i < count && found; i++)
        if (!read_frame(c, &payload, &found, err)) return false;
    return found || broken(c, err);
}
