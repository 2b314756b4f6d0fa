// Headers and payloads of journal blocks (block.h).
//
// What must stay true: any bytes may be read; what is taken from them is checked against the block's own numbers before it is used.
#include "checkpoints/journal/block.h"

#include <assert.h>

#define MAGIC "RWJB"
#define VERSION 1u
#define CHECKED 96u     // bytes of the header below its checksum
#define VARINT_MAX 10
#define RECORD_LEAST 3  // bytes of the smallest record

void rwd_journal_block_put(rwd_journal_block *block, uint8_t out[RWD_JOURNAL_HEADER]) {
    memcpy(out, MAGIC, 4);
    rwd_put_le32(out + 4, VERSION);
    rwd_hash128_put(block->name.repository, out + 8);
    rwd_put_le64(out + 24, block->name.term);
    rwd_put_le64(out + 32, block->name.number);
    rwd_put_le64(out + 40, (uint64_t)block->from);
    rwd_put_le64(out + 48, (uint64_t)block->next);
    rwd_put_le64(out + 56, (uint64_t)block->min_time);
    rwd_put_le64(out + 64, (uint64_t)block->max_time);
    rwd_put_le32(out + 72, block->count);
    rwd_put_le32(out + 76, block->codec);
    rwd_put_le32(out + 80, block->stored);
    rwd_put_le32(out + 84, block->plain);
    rwd_put_le32(out + 88, block->before);
    rwd_put_le32(out + 92, block->payload_checksum);
    block->checksum = rwd_crc32c(0, out, CHECKED);
    rwd_put_le32(out + 96, block->checksum);
}

static bool possible(const rwd_journal_block *b) {
    if (b->from < 0 || b->next <= b->from || b->codec >= RWD_JOURNAL_CODEC_COUNT) return false;
    if (b->plain > RWD_JOURNAL_PAYLOAD_MAX || b->stored > b->plain || (uint64_t)b->count > (uint64_t)(b->next - b->from)) return false;
    return (uint64_t)b->count * RECORD_LEAST <= b->plain && (b->codec != RWD_JOURNAL_PLAIN || b->stored == b->plain);
}

rwd_journal_header rwd_journal_block_get(const uint8_t in[RWD_JOURNAL_HEADER], rwd_journal_block *out) {
    if (memcmp(in, MAGIC, 4) != 0 || rwd_get_le32(in + 96) != rwd_crc32c(0, in, CHECKED)) return RWD_JOURNAL_HEADER_BAD;
    if (rwd_get_le32(in + 4) != VERSION) return RWD_JOURNAL_HEADER_NEWER;
    *out = (rwd_journal_block){
        .name = {rwd_hash128_get(in + 8), rwd_get_le64(in + 24), rwd_get_le64(in + 32)},
        .from = (int64_t)rwd_get_le64(in + 40), .next = (int64_t)rwd_get_le64(in + 48),
        .min_time = (int64_t)rwd_get_le64(in + 56), .max_time = (int64_t)rwd_get_le64(in + 64),
        .count = rwd_get_le32(in + 72), .codec = rwd_get_le32(in + 76), .stored = rwd_get_le32(in + 80), .plain = rwd_get_le32(in + 84),
        .before = rwd_get_le32(in + 88), .payload_checksum = rwd_get_le32(in + 92), .checksum = rwd_get_le32(in + 96),
    };
    return possible(out) ? RWD_JOURNAL_HEADER_GOOD : RWD_JOURNAL_HEADER_BAD;
}

// ---- records

static size_t put_varint(uint8_t *out, uint64_t v) {
    size_t size = 0;
    for (; v >= 0x80; v >>= 7) out[size++] = (uint8_t)(v | 0x80);
    out[size++] = (uint8_t)v;
    return size;
}

static bool get_varint(rwd_reader *r, uint64_t *out) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        uint8_t byte = *r->at++;
        if (shift == 63 && byte > 1) return false;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            return true;
        }
    }
    return false;
}

void rwd_journal_record_put(rwd_buf *payload, const rwd_journal_record *record, int64_t *expected, int64_t *time) {
    assert(record->offset >= *expected);
    uint64_t moved = (uint64_t)record->time_us - (uint64_t)*time;
    uint64_t zigzag = moved << 1 ^ (moved >> 63 ? UINT64_MAX : 0);
    if (payload->capacity - payload->size < 3 * VARINT_MAX + record->raw.size) rwd_buf_reserve(payload, 3 * VARINT_MAX + record->raw.size);
    uint8_t *at = payload->data + payload->size;
    at += put_varint(at, (uint64_t)(record->offset - *expected));
    at += put_varint(at, zigzag);
    at += put_varint(at, record->raw.size);
    if (record->raw.size) memcpy(at, record->raw.data, record->raw.size);
    payload->size = (size_t)(at - payload->data) + record->raw.size;
    *expected = record->offset + 1;
    *time = record->time_us;
}

bool rwd_journal_records_get(const rwd_journal_block *block, rwd_slice payload, rwd_journal_record *out) {
    rwd_reader r = rwd_reader_of(payload);
    int64_t expected = block->from;
    uint64_t time = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        uint64_t gap, zigzag, size;
        if (!get_varint(&r, &gap) || !get_varint(&r, &zigzag) || !get_varint(&r, &size)) return false;
        if (expected >= block->next || gap >= (uint64_t)(block->next - expected) || size > rwd_reader_left(&r)) return false;
        time += zigzag >> 1 ^ (zigzag & 1 ? UINT64_MAX : 0);
        out[i].offset = expected + (int64_t)gap;
        out[i].time_us = (int64_t)time;
        if (!rwd_reader_take(&r, (size_t)size, &out[i].raw)) return false;
        expected = out[i].offset + 1;
    }
    return rwd_reader_left(&r) == 0;
}

bool rwd_journal_payload_get(const rwd_journal_block *block, rwd_slice stored, rwd_buf *out) {
    assert(stored.size == block->stored);
    if (rwd_crc32c(0, stored.data, stored.size) != block->payload_checksum) return false;
    rwd_buf_clear(out);
    rwd_buf_reserve(out, (size_t)block->plain + RWD_JOURNAL_PADDING);
    if (!rwd_journal_expand((rwd_journal_codec)block->codec, stored, out->data, block->plain)) return false;
    memset(out->data + block->plain, 0, RWD_JOURNAL_PADDING);
    out->size = block->plain;
    return true;
}
