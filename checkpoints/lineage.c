// Lineages: their canonical bytes, and the hashes over them.
//
//   offset  size  what (big-endian)
//   0       4     encoding: 1 without amendments, 2 with any
//   4       16    source
//   20      8     genesis
//   28      4     number of segments
//   32      40 n  each: from (8), logic (16), sinks (16)
//   and in encoding 2
//           4     number of amendments
//           each: kind (1), what is given (1), at (8), time (8, 0 where none is given), sizes of key, value and reason (4 each), then their bytes
//
// What must stay true: equal lineages have equal bytes, so the id is the hash of the bytes; an encoding never changes under its number, since ids are
// in manifests and in commits.
#include "checkpoints/lineage.h"

#include <assert.h>
#include <stdlib.h>

#define ENCODING_PLAIN 1u
#define ENCODING_AMENDED 2u
#define HEAD 32u
#define SEGMENT 40u
#define AMENDMENT_HEAD 30u

#define GIVEN_KEY 1u
#define GIVEN_VALUE 2u
#define GIVEN_TIME 4u

void rwd_lineage_init(rwd_lineage *lineage, rwd_hash128 source, int64_t genesis) {
    assert(genesis >= 0);
    *lineage = (rwd_lineage){.source = source, .genesis = genesis};
}

void rwd_amendment_deinit(rwd_amendment *amendment) {
    rwd_buf_deinit(&amendment->key);
    rwd_buf_deinit(&amendment->value);
    rwd_buf_deinit(&amendment->reason);
    *amendment = (rwd_amendment){0};
}

void rwd_lineage_deinit(rwd_lineage *lineage) {
    for (size_t i = 0; i < lineage->amendment_count; i++) rwd_amendment_deinit(&lineage->amendments[i]);
    free(lineage->amendments);
    free(lineage->segments);
    *lineage = (rwd_lineage){0};
}

void rwd_lineage_add_segment(rwd_lineage *lineage, rwd_lineage_segment segment) {
    assert(lineage->segment_count < RWD_LINEAGE_SEGMENTS_MAX);
    assert(lineage->segment_count == 0 || lineage->segments[lineage->segment_count - 1].from < segment.from);
    lineage->segments = rwd_realloc(lineage->segments, (lineage->segment_count + 1) * sizeof(segment));
    lineage->segments[lineage->segment_count++] = segment;
}

size_t rwd_lineage_segment_at(const rwd_lineage *lineage, int64_t offset) {
    assert(lineage->segment_count > 0 && lineage->segments[0].from <= offset);
    size_t i = lineage->segment_count - 1;
    while (lineage->segments[i].from > offset) i--;
    return i;
}

static void put_hash(rwd_buf *out, rwd_hash128 hash) {
    uint8_t bytes[16];
    rwd_hash128_put(hash, bytes);
    rwd_buf_append(out, bytes, sizeof(bytes));
}

static void put_u32(rwd_buf *out, uint32_t value) {
    uint8_t bytes[4];
    rwd_put_be32(bytes, value);
    rwd_buf_append(out, bytes, sizeof(bytes));
}

static void put_i64(rwd_buf *out, int64_t value) {
    uint8_t bytes[8];
    rwd_put_be64(bytes, (uint64_t)value);
    rwd_buf_append(out, bytes, sizeof(bytes));
}

static rwd_hash128 hash_and_free(rwd_buf *bytes) {
    rwd_hash128 hash = rwd_hash128_of(bytes->data, bytes->size, 0);
    rwd_buf_deinit(bytes);
    return hash;
}

// ---- amendments

static size_t bytes_of(const rwd_amendment *a) { return a->key.size + a->value.size + a->reason.size; }
static bool inserts(const rwd_amendment *a) { return a->kind == RWD_AMEND_INSERT; }

// Everything about it that acts.
static void put_amendment_head(rwd_buf *out, const rwd_amendment *a, size_t reason_size) {
    bool timed = a->time_us != RWD_TIME_NONE;
    rwd_buf_append_char(out, (char)a->kind);
    rwd_buf_append_char(out, (char)((a->has_key ? GIVEN_KEY : 0) | (a->has_value ? GIVEN_VALUE : 0) | (timed ? GIVEN_TIME : 0)));
    put_i64(out, a->at);
    put_i64(out, timed ? a->time_us : 0);
    put_u32(out, (uint32_t)a->key.size);
    put_u32(out, (uint32_t)a->value.size);
    put_u32(out, (uint32_t)reason_size);
    rwd_buf_append_slice(out, rwd_buf_slice(&a->key));
    rwd_buf_append_slice(out, rwd_buf_slice(&a->value));
}

bool rwd_lineage_check_amendment(const rwd_lineage *lineage, const rwd_amendment *a, rwd_error *err) {
    if (a->at < lineage->genesis)
        return rwd_fail(err, RWD_E_USAGE, "an amendment at offset %lld is below the beginning of this history, %lld", (long long)a->at, (long long)lineage->genesis);
    bool gives = a->has_key || a->has_value || a->time_us != RWD_TIME_NONE;
    if (a->kind == RWD_AMEND_SKIP && gives) return rwd_fail(err, RWD_E_USAGE, "the amendment that skips offset %lld gives a key, value or time", (long long)a->at);
    if (a->kind == RWD_AMEND_REPLACE && !gives) return rwd_fail(err, RWD_E_USAGE, "the amendment that replaces offset %lld gives nothing", (long long)a->at);
    if (lineage->amendment_count >= RWD_AMENDMENTS_MAX) return rwd_fail(err, RWD_E_USAGE, "a history has at most %d amendments", RWD_AMENDMENTS_MAX);
    if (bytes_of(a) > RWD_AMENDMENT_BYTES_MAX - lineage->amendment_bytes)
        return rwd_fail(err, RWD_E_USAGE, "the amendments of a history hold at most %u bytes", RWD_AMENDMENT_BYTES_MAX);
    return true;
}

// Where it goes: behind all that act before it. At one place a record is skipped or replaced after what is inserted before it.
static size_t place_of(const rwd_lineage *lineage, const rwd_amendment *a) {
    size_t i = lineage->amendment_count;
    while (i > 0) {
        const rwd_amendment *before = &lineage->amendments[i - 1];
        if (before->at < a->at || (before->at == a->at && (inserts(before) || !inserts(a)))) break;
        i--;
    }
    return i;
}

void rwd_lineage_add_amendment(rwd_lineage *lineage, rwd_amendment amendment) {
    rwd_buf bytes = {0};
    assert(lineage->amendment_count < RWD_AMENDMENTS_MAX && amendment.at >= lineage->genesis);
    assert((amendment.has_key || amendment.key.size == 0) && (amendment.has_value || amendment.value.size == 0));
    put_amendment_head(&bytes, &amendment, 0);
    amendment.hash = hash_and_free(&bytes);
    lineage->amendment_bytes += bytes_of(&amendment);
    size_t place = place_of(lineage, &amendment);
    rwd_amendment *before = place > 0 ? &lineage->amendments[place - 1] : NULL;
    if (before && before->at == amendment.at && !inserts(before) && !inserts(&amendment)) {
        lineage->amendment_bytes -= bytes_of(before);
        rwd_amendment_deinit(before);
        *before = amendment;
        return;
    }
    lineage->amendments = rwd_realloc(lineage->amendments, (lineage->amendment_count + 1) * sizeof(amendment));
    memmove(&lineage->amendments[place + 1], &lineage->amendments[place], (lineage->amendment_count - place) * sizeof(amendment));
    lineage->amendments[place] = amendment;
    lineage->amendment_count++;
}

static rwd_buf copy_of(const rwd_buf *from) {
    rwd_buf copy = {0};
    rwd_buf_append_slice(&copy, rwd_buf_slice(from));
    return copy;
}

void rwd_lineage_copy(const rwd_lineage *from, rwd_lineage *out) {
    rwd_lineage_init(out, from->source, from->genesis);
    for (size_t i = 0; i < from->segment_count; i++) rwd_lineage_add_segment(out, from->segments[i]);
    for (size_t i = 0; i < from->amendment_count; i++) {
        rwd_amendment copy = from->amendments[i];
        copy.key = copy_of(&from->amendments[i].key);
        copy.value = copy_of(&from->amendments[i].value);
        copy.reason = copy_of(&from->amendments[i].reason);
        rwd_lineage_add_amendment(out, copy);
    }
}

// ---- bytes

static void put_amendments(const rwd_lineage *lineage, rwd_buf *out) {
    put_u32(out, (uint32_t)lineage->amendment_count);
    for (size_t i = 0; i < lineage->amendment_count; i++) {
        put_amendment_head(out, &lineage->amendments[i], lineage->amendments[i].reason.size);
        rwd_buf_append_slice(out, rwd_buf_slice(&lineage->amendments[i].reason));
    }
}

void rwd_lineage_encode(const rwd_lineage *lineage, rwd_buf *out) {
    put_u32(out, lineage->amendment_count > 0 ? ENCODING_AMENDED : ENCODING_PLAIN);
    put_hash(out, lineage->source);
    put_i64(out, lineage->genesis);
    put_u32(out, (uint32_t)lineage->segment_count);
    for (size_t i = 0; i < lineage->segment_count; i++) {
        put_i64(out, lineage->segments[i].from);
        put_hash(out, lineage->segments[i].logic);
        put_hash(out, lineage->segments[i].sinks);
    }
    if (lineage->amendment_count > 0) put_amendments(lineage, out);
}

rwd_hash128 rwd_lineage_id(const rwd_lineage *lineage) {
    rwd_buf bytes = {0};
    rwd_lineage_encode(lineage, &bytes);
    return hash_and_free(&bytes);
}

// L2: genesis, and (from, logic) of each segment that has acted below X. Where a segment only changed the sinks, the earlier one goes on. Then the amendments below X (L6); where
// there are none the bytes are as if there were none above either.
rwd_hash128 rwd_lineage_history(const rwd_lineage *lineage, int64_t next_offset) {
    rwd_buf bytes = {0};
    bool amended = lineage->amendment_count > 0 && lineage->amendments[0].at < next_offset;
    put_u32(&bytes, amended ? ENCODING_AMENDED : ENCODING_PLAIN);
    put_hash(&bytes, lineage->source);
    put_i64(&bytes, lineage->genesis);
    for (size_t i = 0; i < lineage->segment_count; i++) {
        const rwd_lineage_segment *segment = &lineage->segments[i];
        if (segment->from >= next_offset) break;
        if (i > 0 && rwd_hash128_equal(segment[-1].logic, segment->logic)) continue;
        put_i64(&bytes, segment->from);
        put_hash(&bytes, segment->logic);
    }
    if (amended) put_i64(&bytes, -1);  // where a segment would begin
    for (size_t i = 0; amended && i < lineage->amendment_count && lineage->amendments[i].at < next_offset; i++) put_hash(&bytes, lineage->amendments[i].hash);
    return hash_and_free(&bytes);
}

// ---- the way back

static bool take_segment(const uint8_t *at, rwd_lineage *lineage) {
    rwd_lineage_segment segment = {(int64_t)rwd_get_be64(at), rwd_hash128_get(at + 8), rwd_hash128_get(at + 24)};
    int64_t above = lineage->segment_count == 0 ? -1 : lineage->segments[lineage->segment_count - 1].from;
    if (segment.from <= above) return false;
    rwd_lineage_add_segment(lineage, segment);
    return true;
}

static bool take_bytes(rwd_reader *r, uint32_t size, rwd_buf *out) {
    rwd_slice bytes;
    if (!rwd_reader_take(r, size, &bytes)) return false;
    rwd_buf_append_slice(out, bytes);
    return true;
}

// `out` may hold bytes on a false return.
static bool read_amendment(rwd_reader *r, rwd_amendment *out) {
    rwd_slice head;
    *out = (rwd_amendment){0};
    if (!rwd_reader_take(r, AMENDMENT_HEAD, &head)) return false;
    uint8_t given = head.data[1];
    out->kind = (rwd_amend_kind)head.data[0];
    out->at = (int64_t)rwd_get_be64(head.data + 2);
    out->has_key = given & GIVEN_KEY;
    out->has_value = given & GIVEN_VALUE;
    int64_t time = (int64_t)rwd_get_be64(head.data + 10);
    out->time_us = given & GIVEN_TIME ? time : RWD_TIME_NONE;
    uint32_t key = rwd_get_be32(head.data + 18), value = rwd_get_be32(head.data + 22), reason = rwd_get_be32(head.data + 26);
    bool known = out->kind >= RWD_AMEND_SKIP && out->kind <= RWD_AMEND_INSERT && given <= (GIVEN_KEY | GIVEN_VALUE | GIVEN_TIME);
    bool one_form = given & GIVEN_TIME ? time >= RWD_TIME_MIN && time <= RWD_TIME_MAX : time == 0;
    one_form = one_form && (out->has_key || key == 0) && (out->has_value || value == 0);
    return known && one_form && take_bytes(r, key, &out->key) && take_bytes(r, value, &out->value) && take_bytes(r, reason, &out->reason);
}

// In the order in which they are kept, each place skipped or replaced once: equal lineages have equal bytes.
static bool stands_behind(const rwd_lineage *lineage, const rwd_amendment *a) {
    if (lineage->amendment_count == 0) return true;
    const rwd_amendment *before = &lineage->amendments[lineage->amendment_count - 1];
    return before->at < a->at || (before->at == a->at && inserts(before));
}

static bool take_amendments(rwd_slice bytes, rwd_lineage *lineage, rwd_error *err) {
    rwd_reader r = rwd_reader_of(bytes);
    rwd_slice head;
    if (!rwd_reader_take(&r, 4, &head)) return rwd_fail(err, RWD_E_CORRUPT, "a lineage ends before its amendments");
    uint32_t count = rwd_get_be32(head.data);
    if (count == 0 || count > RWD_AMENDMENTS_MAX) return rwd_fail(err, RWD_E_CORRUPT, "a lineage cannot have %u amendments", count);
    for (uint32_t i = 0; i < count; i++) {
        rwd_amendment a;
        rwd_error why = {0};
        bool whole = read_amendment(&r, &a);
        if (!whole || !stands_behind(lineage, &a) || !rwd_lineage_check_amendment(lineage, &a, &why)) {
            rwd_amendment_deinit(&a);
            return rwd_fail(err, RWD_E_CORRUPT, "amendment %u of a lineage is none that can stand there%s%s", i, why.cause[0] ? ": " : "", why.cause);
        }
        rwd_lineage_add_amendment(lineage, a);
    }
    return rwd_reader_left(&r) == 0 || rwd_fail(err, RWD_E_CORRUPT, "a lineage goes on behind its last amendment");
}

static bool take_segments(rwd_slice bytes, size_t count, rwd_lineage *out, rwd_error *err) {
    for (size_t i = 0; i < count; i++)
        if (!take_segment(bytes.data + HEAD + i * SEGMENT, out)) return rwd_fail(err, RWD_E_CORRUPT, "segment %zu of a lineage does not begin above the one before it", i);
    return true;
}

bool rwd_lineage_decode(rwd_slice bytes, rwd_lineage *out, rwd_error *err) {
    if (bytes.size < HEAD) return rwd_fail(err, RWD_E_CORRUPT, "a lineage has at least %u bytes, this has %zu", HEAD, bytes.size);
    uint32_t encoding = rwd_get_be32(bytes.data);
    if (encoding > ENCODING_AMENDED) return rwd_fail(err, RWD_E_NEWER_FORMAT, "lineage encoding %u is newer than this program's %u", encoding, ENCODING_AMENDED);
    int64_t genesis = (int64_t)rwd_get_be64(bytes.data + 20);
    size_t count = rwd_get_be32(bytes.data + 28), segments_end = HEAD + count * SEGMENT;
    if (encoding == 0 || genesis < 0) return rwd_fail(err, RWD_E_CORRUPT, "a lineage begins with bytes that none begins with");
    bool amended = encoding == ENCODING_AMENDED;
    if (count > RWD_LINEAGE_SEGMENTS_MAX || bytes.size < segments_end || (!amended && bytes.size != segments_end))
        return rwd_fail(err, RWD_E_CORRUPT, "a lineage of %zu segments cannot have %zu bytes", count, bytes.size);
    rwd_lineage_init(out, rwd_hash128_get(bytes.data + 4), genesis);
    bool ok = take_segments(bytes, count, out, err) &&
              (!amended || take_amendments(rwd_slice_of(bytes.data + segments_end, bytes.size - segments_end), out, err));
    if (!ok) rwd_lineage_deinit(out);
    return ok;
}
