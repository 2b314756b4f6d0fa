// C's metadata (kafka_metadata.h).
#include "operator/sink/kafka_metadata.h"

#include <assert.h>

#define MAGIC "rewind1 "
#define MAGIC_SIZE (sizeof MAGIC - 1)
#define BYTES 116      // without what follows
#define CLOSINGS 8     // C7, where there are any; before the checksum
#define PROGRESS 24    // R4 (5): the closings, the repair that is under way, its rows

static void put_u64(rwd_buf *out, uint64_t value) {
    uint8_t bytes[8];
    rwd_put_be64(bytes, value);
    rwd_buf_append(out, bytes, sizeof bytes);
}

static void put_hash(rwd_buf *out, rwd_hash128 hash) {
    uint8_t bytes[16];
    rwd_hash128_put(hash, bytes);
    rwd_buf_append(out, bytes, sizeof bytes);
}

void rwd_kafka_metadata_encode(const rwd_commit *commit, rwd_hash128 cluster, rwd_buf *out) {
    rwd_buf bytes = {0};
    put_hash(&bytes, commit->repository);
    put_u64(&bytes, commit->owner);
    put_u64(&bytes, commit->term);
    put_hash(&bytes, commit->lineage);
    put_u64(&bytes, commit->switch_number);
    put_u64(&bytes, commit->input_count);
    put_hash(&bytes, commit->input_hash);
    put_hash(&bytes, commit->source);
    put_hash(&bytes, cluster);
    if (commit->closings || commit->repair) put_u64(&bytes, commit->closings);
    if (commit->repair) {
        put_u64(&bytes, commit->repair);
        put_u64(&bytes, commit->repair_rows);
    }
    uint8_t crc[4];
    rwd_put_be32(crc, rwd_crc32c(0, bytes.data, bytes.size));
    rwd_buf_append(&bytes, crc, sizeof crc);
    assert(bytes.size == BYTES + (commit->repair ? PROGRESS : commit->closings ? CLOSINGS : 0));
    size_t begin = out->size;
    rwd_buf_append_str(out, MAGIC);
    rwd_base64_append(out, rwd_buf_slice(&bytes));
    assert(out->size - begin <= RWD_KAFKA_METADATA_MAX);
    (void)begin;
    rwd_buf_deinit(&bytes);
}

static uint64_t take_u64(const uint8_t **at) {
    uint64_t value = rwd_get_be64(*at);
    *at += 8;
    return value;
}

static rwd_hash128 take_hash(const uint8_t **at) {
    rwd_hash128 hash = rwd_hash128_get(*at);
    *at += 16;
    return hash;
}

static void take_all(const uint8_t *at, size_t progress, int64_t offset, rwd_commit *out, rwd_hash128 *out_cluster) {
    *out = (rwd_commit){.next_offset = offset};
    out->repository = take_hash(&at);
    out->owner = take_u64(&at);
    out->term = take_u64(&at);
    out->lineage = take_hash(&at);
    out->switch_number = take_u64(&at);
    out->input_count = take_u64(&at);
    out->input_hash = take_hash(&at);
    out->source = take_hash(&at);
    *out_cluster = take_hash(&at);
    if (progress >= CLOSINGS) out->closings = take_u64(&at);
    if (progress < PROGRESS) return;
    out->repair = take_u64(&at);
    out->repair_rows = take_u64(&at);
}

bool rwd_kafka_metadata_decode(rwd_slice text, int64_t offset, rwd_commit *out, rwd_hash128 *out_cluster) {
    if (text.size < MAGIC_SIZE || memcmp(text.data, MAGIC, MAGIC_SIZE) != 0) return false;
    rwd_buf bytes = {0};
    bool ok = rwd_base64_decode(rwd_slice_of(text.data + MAGIC_SIZE, text.size - MAGIC_SIZE), &bytes) &&
              (bytes.size == BYTES || bytes.size == BYTES + CLOSINGS || bytes.size == BYTES + PROGRESS) &&
              rwd_crc32c(0, bytes.data, bytes.size - 4) == rwd_get_be32(bytes.data + bytes.size - 4);
    if (ok) take_all(bytes.data, bytes.size - BYTES, offset, out, out_cluster);
    rwd_buf_deinit(&bytes);
    return ok;
}

bool rwd_kafka_metadata_is_newer(rwd_slice text) {
    static const char any[] = "rewind";
    size_t size = sizeof any - 1;
    return text.size > size && memcmp(text.data, any, size) == 0 && text.data[size] >= '2' && text.data[size] <= '9';
}
