// What a file is, and where in it we stand: bytes that are kept in manifests, read back as untrusted.
//
// Identity: a file is known by its name (without folders: data may move to another machine), its CSV header, and its first bytes, as many as there
// were when the identity was taken (a file may grow). Its hash covers the name only, so that it stays the same while the file grows.
//   u8 version (1) | u8 'f' | le32 size of name, name | u8 header there, 16 its hash | le32 count of first bytes, 16 their hash
//
// Cursor: the byte at which the next record may begin, that record's offset, and a hash of up to 4 KiB before it.
//   u8 version (1) | u8 the record before it ended in a newline | le64 byte | le64 offset | le32 count of bytes before, 16 their hash
//
// What must stay true: a cursor that was taken in a file leads to the same records in it, whatever was appended since; in a file that differs
// before the cursor's byte within those 4 KiB, or that is too short, it leads nowhere.
#include "operator/source/file_private.h"

#include "operator/base/fs.h"

#define IDENTITY_VERSION 1
#define CURSOR_VERSION 1
#define KIND_FILE 'f'

static void put_le32(rwd_buf *out, uint32_t value) {
    uint8_t bytes[4];
    rwd_put_le32(bytes, value);
    rwd_buf_append(out, bytes, sizeof bytes);
}
static void put_le64(rwd_buf *out, uint64_t value) {
    uint8_t bytes[8];
    rwd_put_le64(bytes, value);
    rwd_buf_append(out, bytes, sizeof bytes);
}
static void put_hash(rwd_buf *out, rwd_hash128 hash) {
    uint8_t bytes[16];
    rwd_hash128_put(hash, bytes);
    rwd_buf_append(out, bytes, sizeof bytes);
}
static bool take_hash(rwd_reader *in, rwd_hash128 *out) {
    rwd_slice bytes;
    if (!rwd_reader_take(in, 16, &bytes)) return false;
    *out = rwd_hash128_get(bytes.data);
    return true;
}

// Hash of `size` (at most RWD_FILE_HEAD) bytes at `position`; `*out_read` of them are there.
static bool hash_at(rwd_file_source *source, uint64_t position, size_t size, size_t *out_read, rwd_hash128 *out, rwd_error *err) {
    uint8_t bytes[RWD_FILE_HEAD];
    if (!rwd_file_read_at(source, bytes, size, position, out_read, err)) return false;
    *out = rwd_hash128_of(bytes, *out_read, 0);
    return true;
}

// ---------------------------------------------------------------------------------------------- identity

bool rwd_file_identity(rwd_source *self, rwd_buf *out, rwd_hash128 *out_hash, rwd_error *err) {
    rwd_file_source *source = (rwd_file_source *)self;
    size_t head = 0;
    rwd_hash128 head_hash;
    if (!hash_at(source, 0, RWD_FILE_HEAD, &head, &head_hash, err)) return false;
    size_t begin = out->size;
    rwd_buf_append_char(out, IDENTITY_VERSION);
    rwd_buf_append_char(out, KIND_FILE);
    put_le32(out, (uint32_t)strlen(source->name));
    rwd_buf_append_str(out, source->name);
    *out_hash = rwd_hash128_of(out->data + begin, out->size - begin, 0);
    rwd_buf_append_char(out, source->header_read);
    put_hash(out, source->header_hash);
    put_le32(out, (uint32_t)head);
    put_hash(out, head_hash);
    return true;
}

typedef struct identity {
    rwd_slice name;
    uint8_t has_header;
    rwd_hash128 header_hash;
    uint32_t head;
    rwd_hash128 head_hash;
} identity;

static bool bad_bytes(rwd_file_source *source, rwd_error *err, const char *what, uint8_t version, uint8_t known) {
    if (version > known)
        (void)rwd_fail(err, RWD_E_NEWER_FORMAT, "the checkpoint's %s of the input has format %u, this program knows up to %u", what, version, known);
    else (void)rwd_fail(err, RWD_E_CORRUPT, "the checkpoint's %s of the input cannot be read", what);
    return rwd_error_at(err, "%s", source->options.path);
}

static bool read_identity(rwd_file_source *source, rwd_slice stored, identity *out, rwd_error *err) {
    rwd_reader in = rwd_reader_of(stored);
    uint8_t version = 0, kind = 0;
    uint32_t name_size = 0;
    if (!rwd_reader_u8(&in, &version) || version != IDENTITY_VERSION) return bad_bytes(source, err, "identity", version, IDENTITY_VERSION);
    bool good = rwd_reader_u8(&in, &kind) && kind == KIND_FILE && rwd_reader_le32(&in, &name_size) && name_size <= RWD_PATH_MAX &&
                rwd_reader_take(&in, name_size, &out->name) && rwd_reader_u8(&in, &out->has_header) && out->has_header <= 1 &&
                take_hash(&in, &out->header_hash) && rwd_reader_le32(&in, &out->head) && out->head <= RWD_FILE_HEAD &&
                take_hash(&in, &out->head_hash) && rwd_reader_left(&in) == 0;
    return good || bad_bytes(source, err, "identity", version, IDENTITY_VERSION);
}

bool rwd_file_check_identity(rwd_source *self, rwd_slice stored, rwd_error *err) {
    rwd_file_source *source = (rwd_file_source *)self;
    identity was;
    size_t head = 0;
    rwd_hash128 head_hash;
    if (!read_identity(source, stored, &was, err)) return false;
    if (!rwd_slice_equal(was.name, rwd_slice_str(source->name)))
        return rwd_file_changed(source, err, "this job reads a file named '%.*s', and this one is named '%s'", (int)was.name.size,
                                (const char *)was.name.data, source->name);
    if (was.has_header && source->header_read && !rwd_hash128_equal(was.header_hash, source->header_hash))
        return rwd_file_changed(source, err, "the header line is not the one that the job began with");
    if (!hash_at(source, 0, was.head, &head, &head_hash, err)) return false;
    if (head < was.head || (was.has_header && !source->header_read))
        return rwd_file_changed(source, err, "the file has %zu bytes and had at least %u when the job began", head, was.head);
    if (!rwd_hash128_equal(head_hash, was.head_hash))
        return rwd_file_changed(source, err, "the first %u bytes are not those that the job began with: the file was replaced", was.head);
    return true;
}

// ---------------------------------------------------------------------------------------------- cursor

bool rwd_file_cursor(rwd_source *self, const rwd_record *last, rwd_buf *out, rwd_error *err) {
    rwd_file_source *source = (rwd_file_source *)self;
    uint64_t position = last ? source->behind[last - source->records] : source->assigned_position;
    int64_t offset = last ? last->offset + 1 : source->assigned_offset;
    size_t before = position < RWD_FILE_HEAD ? (size_t)position : RWD_FILE_HEAD, got = 0;
    rwd_hash128 hash;
    if (!hash_at(source, position - before, before, &got, &hash, err)) return false;
    if (got < before) return rwd_file_changed(source, err, "the file ends before byte %llu, up to which it was read", (unsigned long long)position);
    rwd_buf_append_char(out, CURSOR_VERSION);
    rwd_buf_append_char(out, !(last && last == source->unended));
    put_le64(out, position);
    put_le64(out, (uint64_t)offset);
    put_le32(out, (uint32_t)before);
    put_hash(out, hash);
    return true;
}

typedef struct place {
    uint8_t ended;
    uint64_t position, offset;
    uint32_t before;
    rwd_hash128 hash;
} place;

static bool read_cursor(rwd_file_source *source, rwd_slice cursor, place *out, rwd_error *err) {
    rwd_reader in = rwd_reader_of(cursor);
    uint8_t version = 0;
    if (!rwd_reader_u8(&in, &version) || version != CURSOR_VERSION) return bad_bytes(source, err, "cursor", version, CURSOR_VERSION);
    bool good = rwd_reader_u8(&in, &out->ended) && out->ended <= 1 && rwd_reader_le64(&in, &out->position) && rwd_reader_le64(&in, &out->offset) && rwd_reader_le32(&in, &out->before) &&
                take_hash(&in, &out->hash) && rwd_reader_left(&in) == 0 && out->position <= INT64_MAX && out->offset <= INT64_MAX &&
                out->before == (out->position < RWD_FILE_HEAD ? out->position : RWD_FILE_HEAD);
    return good || bad_bytes(source, err, "cursor", version, CURSOR_VERSION);
}

// The last record was read without a newline. A newline may have come since, but no more of the record.
static bool check_not_continued(rwd_file_source *source, uint64_t position, rwd_error *err) {
    uint8_t next[2];
    size_t got = 0;
    if (!rwd_file_read_at(source, next, 2, position, &got, err)) return false;
    if (got == 0) return true;
    if (!source->options.sized && (next[0] == '\n' || (next[0] == '\r' && (got == 1 || next[1] == '\n')))) return true;
    return rwd_file_changed(source, err, "the record before byte %llu was read as the file's last one, and was continued since",
                            (unsigned long long)position);
}

bool rwd_file_check_cursor(rwd_file_source *source, rwd_slice cursor, int64_t offset, uint64_t *out_position, rwd_error *err) {
    place at;
    size_t got = 0;
    rwd_hash128 hash;
    if (!read_cursor(source, cursor, &at, err)) return false;
    if ((int64_t)at.offset != offset) {
        (void)rwd_fail(err, RWD_E_POSITION, "the checkpoint's cursor stands at offset %llu and not at %lld", (unsigned long long)at.offset,
                       (long long)offset);
        return rwd_error_at(err, "%s", source->options.path);
    }
    if (!hash_at(source, at.position - at.before, at.before, &got, &hash, err)) return false;
    if (got < at.before)
        return rwd_file_changed(source, err, "the file ends before byte %llu, up to which it was read: it shrank", (unsigned long long)at.position);
    if (!rwd_hash128_equal(hash, at.hash))
        return rwd_file_changed(source, err, "the %u bytes before byte %llu are not those that were read", at.before, (unsigned long long)at.position);
    // A followed file that was empty: its header came later.
    *out_position = at.position < source->data_position && offset == 0 ? source->data_position : at.position;
    if (*out_position < source->data_position) return bad_bytes(source, err, "cursor", CURSOR_VERSION, CURSOR_VERSION);
    return at.ended || check_not_continued(source, *out_position, err);
}
