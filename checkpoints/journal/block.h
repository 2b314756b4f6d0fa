// The block of a journal segment: what stands in a file, byte by byte (J1).
//
// A segment is a file of blocks, one behind the other. A block covers the offsets [from, next): `from` is the `next` of the block before it, so that a gap between
// records (transaction markers, compaction) is told from a block that is lost.
//
//   offset  size  what (little-endian)
//   0       4     magic "RWJB"
//   4       4     format version, 1
//   8       16    repository
//   24      8     term of the owner that made the segment
//   32      8     number of the segment in that term, from 1
//   40      8     from
//   48      8     next
//   56      8     least record time, microseconds since 1970; INT64_MIN where no record has one
//   64      8     greatest record time
//   72      4     records
//   76      4     codec: 0 none, 1 LZ4 block, 2 Zstandard
//   80      4     bytes of the payload, as stored
//   84      4     bytes of the payload, expanded
//   88      4     checksum of the block before it in this segment; 0 for the first
//   92      4     CRC32C of the payload as stored
//   96      4     CRC32C of bytes 0 to 95: so it covers header and payload, and is the block's checksum
//   100     n     payload
//
// The payload, expanded, has one entry for each record: three numbers as base-128 varints (as in Protocol Buffers), then the record's raw bytes. The numbers are how
// far its offset is above the offset behind the record before it (`from`, for the first); its time minus the time before it (0, for the first), zigzag; its size.
//
// Thread: pure functions.
#ifndef CHECKPOINTS_JOURNAL_BLOCK_H
#define CHECKPOINTS_JOURNAL_BLOCK_H

#include "checkpoints/journal/codec.h"
#include "operator/base/hash.h"

#define RWD_JOURNAL_HEADER 100u
#define RWD_JOURNAL_PADDING 64u                       // readable bytes behind the last record of an expanded block
#define RWD_JOURNAL_PAYLOAD_MAX ((1u << 30) + (1u << 20))  // expanded: one record of the greatest size, and what stands around it

// Whose segment it is.
typedef struct rwd_journal_name {
    rwd_hash128 repository;
    uint64_t term, number;
} rwd_journal_name;

typedef struct rwd_journal_block {
    rwd_journal_name name;
    int64_t from, next;
    int64_t min_time, max_time;
    uint32_t count;
    uint32_t codec;
    uint32_t stored, plain;     // bytes of the payload
    uint32_t before;            // checksum of the block before it
    uint32_t payload_checksum;
    uint32_t checksum;          // of this one; filled in by put and get
} rwd_journal_block;

typedef struct rwd_journal_record {
    int64_t offset;
    int64_t time_us;  // INT64_MIN: none
    rwd_slice raw;    // as the source hashes it (E4)
} rwd_journal_record;

// Writes the header, and sets `checksum`.
void rwd_journal_block_put(rwd_journal_block *block, uint8_t out[RWD_JOURNAL_HEADER]);
// GOOD: checksum, magic and version are right, and the numbers are possible.
typedef enum rwd_journal_header { RWD_JOURNAL_HEADER_GOOD, RWD_JOURNAL_HEADER_BAD, RWD_JOURNAL_HEADER_NEWER } rwd_journal_header;
rwd_journal_header rwd_journal_block_get(const uint8_t in[RWD_JOURNAL_HEADER], rwd_journal_block *out);

// Appends one record to a payload. `*expected` and `*time` go from record to record: `from` and 0 to begin.
void rwd_journal_record_put(rwd_buf *payload, const rwd_journal_record *record, int64_t *expected, int64_t *time);
// Takes all records of a payload apart; each *borrows* from it. False: it does not hold exactly block->count records inside [from, next). `out` has room for
// that many.
RWD_MUST bool rwd_journal_records_get(const rwd_journal_block *block, rwd_slice payload, rwd_journal_record *out);

// Checks a stored payload and expands it, with padding behind it, in the place of what `out` held.
RWD_MUST bool rwd_journal_payload_get(const rwd_journal_block *block, rwd_slice stored, rwd_buf *out);

#endif
