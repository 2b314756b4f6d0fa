// Lineages: their canonical bytes, and the hashes over them.
//
//   offset  size  what (big-endian)
//   0       4     encoding, 1
//   4       16    source
//   20      8     genesis
//   28      4     number of segments
//   32      40 n  each: from (8), logic (16), sinks (16)
//
// What must stay true: equal lineages have equal bytes, so the id is the hash of the bytes; the encoding never changes under number 1, since ids are
// in manifests and in commits.
#include "checkpoints/lineage.h"

#include <assert.h>
#include <stdlib.h>

#define ENCODING 1u
#define HEAD 32u
#define SEGMENT 40u

void rwd_lineage_init(rwd_lineage *lineage, rwd_hash128 source, int64_t genesis) {
    assert(genesis >= 0);
    *lineage = (rwd_lineage){.source = source, .genesis = genesis};
}

void rwd_lineage_deinit(rwd_lineage *lineage) {
    free(lineage->segments);
    *lineage = (rwd_lineage){0};
}

void rwd_lineage_add_segment(rwd_lineage *lineage, rwd_lineage_segment segment) {
    assert(lineage->segment_count < RWD_LINEAGE_SEGMENTS_MAX);
    assert(lineage->segment_count == 0 || lineage->segments[lineage->segment_count - 1].from < segment.from);
    lineage->segments = rwd_realloc(lineage->segments, (lineage->segment_count + 1) * sizeof(segment));
    lineage->segments[lineage->segment_count++] = segment;
}

void rwd_lineage_copy(const rwd_lineage *from, rwd_lineage *out) {
    rwd_lineage_init(out, from->source, from->genesis);
    for (size_t i = 0; i < from->segment_count; i++) rwd_lineage_add_segment(out, from->segments[i]);
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

void rwd_lineage_encode(const rwd_lineage *lineage, rwd_buf *out) {
    put_u32(out, ENCODING);
    put_hash(out, lineage->source);
    put_i64(out, lineage->genesis);
    put_u32(out, (uint32_t)lineage->segment_count);
    for (size_t i = 0; i < lineage->segment_count; i++) {
        put_i64(out, lineage->segments[i].from);
        put_hash(out, lineage->segments[i].logic);
        put_hash(out, lineage->segments[i].sinks);
    }
}

static rwd_hash128 hash_and_free(rwd_buf *bytes) {
    rwd_hash128 hash = rwd_hash128_of(bytes->data, bytes->size, 0);
    rwd_buf_deinit(bytes);
    return hash;
}

rwd_hash128 rwd_lineage_id(const rwd_lineage *lineage) {
    rwd_buf bytes = {0};
    rwd_lineage_encode(lineage, &bytes);
    return hash_and_free(&bytes);
}

// L2: genesis, and (from, logic) of each segment that has acted below X. Where a segment only changed the sinks, the earlier one goes on.
rwd_hash128 rwd_lineage_history(const rwd_lineage *lineage, int64_t next_offset) {
    rwd_buf bytes = {0};
    put_u32(&bytes, ENCODING);
    put_hash(&bytes, lineage->source);
    put_i64(&bytes, lineage->genesis);
    for (size_t i = 0; i < lineage->segment_count; i++) {
        const rwd_lineage_segment *segment = &lineage->segments[i];
        if (segment->from >= next_offset) break;
        if (i > 0 && rwd_hash128_equal(segment[-1].logic, segment->logic)) continue;
        put_i64(&bytes, segment->from);
        put_hash(&bytes, segment->logic);
    }
    return hash_and_free(&bytes);
}

static bool take_segment(const uint8_t *at, rwd_lineage *lineage) {
    rwd_lineage_segment segment = {(int64_t)rwd_get_be64(at), rwd_hash128_get(at + 8), rwd_hash128_get(at + 24)};
    int64_t above = lineage->segment_count == 0 ? -1 : lineage->segments[lineage->segment_count - 1].from;
    if (segment.from <= above) return false;
    rwd_lineage_add_segment(lineage, segment);
    return true;
}

bool rwd_lineage_decode(rwd_slice bytes, rwd_lineage *out, rwd_error *err) {
    if (bytes.size < HEAD) return rwd_fail(err, RWD_E_CORRUPT, "a lineage has at least %u bytes, this has %zu", HEAD, bytes.size);
    uint32_t encoding = rwd_get_be32(bytes.data);
    if (encoding > ENCODING) return rwd_fail(err, RWD_E_NEWER_FORMAT, "lineage encoding %u is newer than this program's %u", encoding, ENCODING);
    int64_t genesis = (int64_t)rwd_get_be64(bytes.data + 20);
    size_t count = rwd_get_be32(bytes.data + 28);
    if (encoding != ENCODING || genesis < 0) return rwd_fail(err, RWD_E_CORRUPT, "a lineage begins with bytes that none begins with");
    if (count > RWD_LINEAGE_SEGMENTS_MAX || bytes.size != HEAD + count * SEGMENT)
        return rwd_fail(err, RWD_E_CORRUPT, "a lineage of %zu segments cannot have %zu bytes", count, bytes.size);
    rwd_lineage_init(out, rwd_hash128_get(bytes.data + 4), genesis);
    for (size_t i = 0; i < count; i++) {
        if (take_segment(bytes.data + HEAD + i * SEGMENT, out)) continue;
        rwd_lineage_deinit(out);
        return rwd_fail(err, RWD_E_CORRUPT, "segment %zu of a lineage does not begin above the one before it", i);
    }
    return true;
}
