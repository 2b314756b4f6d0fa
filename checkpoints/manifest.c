// The manifest: a frame "RWMF" around the message of proto/manifest.proto.
//
// What must stay true: what decode lets through can be used without another look. Every size is checked before it is used, every name stays inside the
// checkpoint's folder, every text is bounded, and unpacking takes no more memory than it was given.
#include "checkpoints/manifest_private.h"

#include <assert.h>
#include <stdlib.h>

#include "checkpoints/frame.h"
#include "operator/base/time.h"
#include "proto/manifest.pb-c.h"
#include "proto/pack.h"

#define MAGIC "RWMF"
#define VERSION 1u
#define NAME_MAX_BYTES 1024u

typedef struct hash_bytes {
    uint8_t bytes[RWD_PROTO_HASH];
} hash_bytes;

static char *text_field(const char *text) { return text ? (char *)(uintptr_t)text : (char *)(uintptr_t)""; }

// Storage that a message points into while it is packed.
typedef struct packing {
    Rewind__Manifest manifest;
    Rewind__ManifestCounts counts;
    Rewind__ManifestDead dead;
    Rewind__ManifestFile *files;
    Rewind__ManifestFile **file_pointers;
    hash_bytes *file_hashes;
    hash_bytes hashes[9];
} packing;

static void pack_files(packing *p, const rwd_checkpoint *c) {
    p->files = rwd_calloc(c->file_count + 1, sizeof(*p->files));
    p->file_pointers = rwd_calloc(c->file_count + 1, sizeof(*p->file_pointers));
    p->file_hashes = rwd_calloc(c->file_count + 1, sizeof(*p->file_hashes));
    for (size_t i = 0; i < c->file_count; i++) {
        rewind__manifest_file__init(&p->files[i]);
        p->files[i].name = c->files[i].name;
        p->files[i].inode = c->files[i].inode;
        p->files[i].size = c->files[i].size;
        p->files[i].hash = rwd_proto_put_hash(c->files[i].hash, p->file_hashes[i].bytes);
        p->file_pointers[i] = &p->files[i];
    }
    p->manifest.n_files = c->file_count;
    p->manifest.files = p->file_pointers;
}

static void pack_facts(packing *p, const rwd_facts *f) {
    Rewind__Manifest *m = &p->manifest;
    m->history = rwd_proto_put_hash(f->history, p->hashes[2].bytes);
    m->source_identity = rwd_proto_bytes(f->source_identity);
    m->source = rwd_proto_put_hash(f->source, p->hashes[3].bytes);
    m->next_offset = f->next_offset;
    m->closings = f->closings;
    m->cursor = rwd_proto_bytes(f->cursor);
    m->frontier = f->frontier;
    m->has_stream_time = f->stream_time != RWD_TIME_NONE;
    m->stream_time = m->has_stream_time ? f->stream_time : 0;
    rewind__manifest_counts__init(&p->counts);
    p->counts.read = f->counts.read;
    p->counts.applied = f->counts.applied;
    p->counts.late = f->counts.late;
    p->counts.duplicate = f->counts.duplicate;
    p->counts.dead = f->counts.dead;
    p->counts.dropped = f->counts.dropped;
    m->counts = &p->counts;
    rewind__manifest_dead__init(&p->dead);
    p->dead.since = f->dead.since;
    p->dead.open = f->dead.open;
    p->dead.failed = f->dead.failed;
    m->dead = f->dead.known ? &p->dead : NULL;
    m->input_count = f->input_count;
    m->input_hash = rwd_proto_put_hash(f->input_hash, p->hashes[4].bytes);
    m->fingerprint = rwd_proto_put_hash(f->fingerprint, p->hashes[5].bytes);
    m->lineage = rwd_proto_put_hash(f->lineage, p->hashes[6].bytes);
    m->keys = f->keys;
    m->reason = text_field(f->reason);
    m->violated = text_field(f->violated);
    m->rebuilt = text_field(f->rebuilt);
}

void rwd_manifest_encode(const rwd_checkpoint *c, rwd_buf *out) {
    packing p = {0};
    Rewind__Manifest *m = &p.manifest;
    rewind__manifest__init(m);
    m->repository = rwd_proto_put_hash(c->repository, p.hashes[0].bytes);
    m->id = text_field(c->id);
    m->parent = text_field(c->parent);
    m->parent_hash = rwd_proto_put_hash(c->parent_hash, p.hashes[1].bytes);
    m->term = c->term;
    m->sequence = c->sequence;
    m->digest = rwd_proto_put_hash(c->digest, p.hashes[7].bytes);
    m->build = text_field(c->build);
    m->created_us = c->created_us;
    m->independent = c->independent;
    pack_facts(&p, &c->facts);
    pack_files(&p, c);
    rwd_buf payload = {0};
    rwd_proto_append(&payload, &m->base);
    rwd_frame_append(out, MAGIC, VERSION, rwd_buf_slice(&payload));
    rwd_buf_deinit(&payload);
    free(p.files);
    free(p.file_pointers);
    free(p.file_hashes);
}

bool rwd_checkpoint_id_valid(const char *text) {
    size_t size = strspn(text, "0123456789abcdef");
    return size == RWD_CHECKPOINT_ID - 1 && text[size] == '\0';
}

// A path below the checkpoint's folder: no empty, "." or ".." part, not absolute, and not the manifest itself.
static bool name_stays_inside(const char *name) {
    size_t size = strlen(name);
    if (size == 0 || size > NAME_MAX_BYTES || strcmp(name, RWD_MANIFEST_NAME) == 0) return false;
    for (const char *part = name;;) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.')) return false;
        if (part[length] == '\0') return true;
        part += length + 1;
    }
}

static bool take_file(const Rewind__ManifestFile *f, rwd_checkpoint *c, rwd_error *err) {
    const char *before = c->file_count == 0 ? "" : c->files[c->file_count - 1].name;
    if (!name_stays_inside(f->name)) return rwd_fail(err, RWD_E_CORRUPT, "file %zu of the manifest has a name that leaves the folder", c->file_count);
    if (strcmp(before, f->name) >= 0) return rwd_fail(err, RWD_E_CORRUPT, "the files of the manifest are not in order");
    if (f->size > INT64_MAX || __builtin_add_overflow(c->bytes, f->size, &c->bytes) || f->hash.len != RWD_PROTO_HASH)
        return rwd_fail(err, RWD_E_CORRUPT, "%.200s has a size or a hash in the manifest that no file has", f->name);
    rwd_checkpoint_file *file = &c->files[c->file_count];
    *file = (rwd_checkpoint_file){.name = rwd_strdup(f->name), .inode = f->inode, .size = f->size, .hash = rwd_hash128_get(f->hash.data)};
    c->file_count++;
    return true;
}

static bool take_files(const Rewind__Manifest *m, rwd_checkpoint *c, rwd_error *err) {
    if (m->n_files > RWD_MANIFEST_FILES_MAX)
        return rwd_fail(err, RWD_E_CORRUPT, "the manifest lists %zu files, more than %u", m->n_files, RWD_MANIFEST_FILES_MAX);
    c->files = rwd_calloc(m->n_files + 1, sizeof(*c->files));
    for (size_t i = 0; i < m->n_files; i++)
        if (!take_file(m->files[i], c, err)) return false;
    return true;
}

static bool take_hashes(const Rewind__Manifest *m, rwd_checkpoint *c) {
    rwd_facts *f = &c->facts;
    return rwd_proto_get_hash(m->repository, &c->repository) && rwd_proto_get_hash(m->parent_hash, &c->parent_hash) &&
           rwd_proto_get_hash(m->history, &f->history) && rwd_proto_get_hash(m->source, &f->source) &&
           rwd_proto_get_hash(m->input_hash, &f->input_hash) && rwd_proto_get_hash(m->digest, &c->digest) &&
           rwd_proto_get_hash(m->fingerprint, &f->fingerprint) && rwd_proto_get_hash(m->lineage, &f->lineage);
}

static bool sizes_are_right(const Rewind__Manifest *m) {
    return strlen(m->build) <= RWD_MANIFEST_WORDS_MAX && strlen(m->reason) <= RWD_MANIFEST_WORDS_MAX &&
           strlen(m->violated) <= RWD_MANIFEST_WORDS_MAX && strlen(m->rebuilt) <= RWD_MANIFEST_WORDS_MAX && m->cursor.len <= RWD_MANIFEST_WORDS_MAX &&
           m->source_identity.len <= RWD_MANIFEST_WORDS_MAX;
}

static rwd_slice own_words(ProtobufCBinaryData field) {
    if (field.len == 0) return (rwd_slice){0};
    uint8_t *copy = rwd_malloc(field.len);
    memcpy(copy, field.data, field.len);
    return rwd_slice_of(copy, field.len);
}

static void take_facts(const Rewind__Manifest *m, rwd_facts *f) {
    f->next_offset = m->next_offset;
    f->closings = m->closings;
    f->frontier = m->frontier;
    f->cursor = own_words(m->cursor);
    f->source_identity = own_words(m->source_identity);
    f->stream_time = m->has_stream_time ? m->stream_time : RWD_TIME_NONE;
    if (m->counts)
        f->counts = (rwd_counts){m->counts->read, m->counts->applied, m->counts->late, m->counts->duplicate, m->counts->dead, m->counts->dropped};
    if (m->dead) f->dead = (rwd_dead_facts){.known = true, .since = m->dead->since, .open = m->dead->open, .failed = m->dead->failed};
    f->input_count = m->input_count;
    f->keys = m->keys;
    f->reason = rwd_strdup(m->reason);
    f->violated = m->violated[0] ? rwd_strdup(m->violated) : NULL;
    f->rebuilt = m->rebuilt[0] ? rwd_strdup(m->rebuilt) : NULL;
}

static bool take(const Rewind__Manifest *m, rwd_checkpoint *c, rwd_error *err) {
    if (!rwd_checkpoint_id_valid(m->id) || (m->parent[0] && !rwd_checkpoint_id_valid(m->parent)))
        return rwd_fail(err, RWD_E_CORRUPT, "the manifest's own or parent's id is not 16 hex digits");
    if (!sizes_are_right(m)) return rwd_fail(err, RWD_E_CORRUPT, "a text of the manifest is longer than %u bytes", RWD_MANIFEST_WORDS_MAX);
    if (m->next_offset < 0 || m->frontier < 0) return rwd_fail(err, RWD_E_CORRUPT, "the manifest has a negative offset");
    if (!take_hashes(m, c)) return rwd_fail(err, RWD_E_CORRUPT, "a hash of the manifest does not have 16 bytes");
    memcpy(c->id, m->id, RWD_CHECKPOINT_ID);
    if (m->parent[0]) memcpy(c->parent, m->parent, RWD_CHECKPOINT_ID);
    c->term = m->term;
    c->sequence = m->sequence;
    c->created_us = m->created_us;
    c->independent = m->independent;
    c->build = rwd_strdup(m->build);
    take_facts(m, &c->facts);
    return take_files(m, c, err);
}

bool rwd_manifest_decode(rwd_slice bytes, rwd_checkpoint *out, rwd_error *err) {
    *out = (rwd_checkpoint){0};
    rwd_slice payload;
    size_t size = 0;
    if (bytes.size > RWD_MANIFEST_MAX) return rwd_fail(err, RWD_E_CORRUPT, "a manifest has at most %u bytes", RWD_MANIFEST_MAX);
    switch (rwd_frame_read(bytes, MAGIC, VERSION, &payload, &size)) {
    case RWD_FRAME_WHOLE: break;
    case RWD_FRAME_NEWER: return rwd_fail(err, RWD_E_NEWER_FORMAT, "the manifest was written by a newer version of the program");
    case RWD_FRAME_END:
    case RWD_FRAME_TORN: return rwd_fail(err, RWD_E_CORRUPT, "the manifest is cut short at %zu bytes", bytes.size);
    case RWD_FRAME_CORRUPT: return rwd_fail(err, RWD_E_CORRUPT, "the manifest does not match its checksum");
    }
    if (size != bytes.size) return rwd_fail(err, RWD_E_CORRUPT, "there are %zu bytes behind the manifest", bytes.size - size);
    Rewind__Manifest *m = (Rewind__Manifest *)rwd_proto_unpack(&rewind__manifest__descriptor, payload, RWD_MANIFEST_MEMORY_MAX);
    if (!m) return rwd_fail(err, RWD_E_CORRUPT, "the manifest's frame does not hold a manifest");
    bool ok = take(m, out, err);
    rwd_proto_free(&m->base);
    out->manifest_hash = rwd_hash128_of(bytes.data, bytes.size, 0);
    if (!ok) rwd_checkpoint_deinit(out);
    return ok;
}

void rwd_checkpoint_deinit(rwd_checkpoint *c) {
    free((void *)(uintptr_t)c->facts.cursor.data);
    free((void *)(uintptr_t)c->facts.source_identity.data);
    free((void *)(uintptr_t)c->facts.reason);
    free((void *)(uintptr_t)c->facts.violated);
    free((void *)(uintptr_t)c->facts.rebuilt);
    for (size_t i = 0; i < c->file_count; i++) free(c->files[i].name);
    free(c->files);
    free(c->build);
    free(c->why_bad);
    *c = (rwd_checkpoint){0};
}

void rwd_checkpoint_list_deinit(rwd_checkpoint_list *list) {
    for (size_t i = 0; i < list->count; i++) rwd_checkpoint_deinit(&list->items[i]);
    free(list->items);
    *list = (rwd_checkpoint_list){0};
}
