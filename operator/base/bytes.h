// Runs of bytes: borrowed slices, growing buffers, bounded readers, arenas.
//
// Thread: values; one thread at a time.
#ifndef OPERATOR_BASE_BYTES_H
#define OPERATOR_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "operator/base/error.h"

// A borrowed run of bytes; not NUL-terminated.
typedef struct rwd_slice {
    const uint8_t *data;
    size_t size;
} rwd_slice;

static inline rwd_slice rwd_slice_of(const void *data, size_t size) { return (rwd_slice){(const uint8_t *)data, size}; }
static inline rwd_slice rwd_slice_str(const char *text) { return rwd_slice_of(text, strlen(text)); }
static inline bool rwd_slice_equal(rwd_slice a, rwd_slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
// Order by bytes, shorter first where one is the other's beginning: <0, 0, >0.
int rwd_slice_compare(rwd_slice a, rwd_slice b);

// A growing buffer that owns its bytes. Zero-initialised is empty and valid. Growth aborts the program when memory is
// gone (there is nothing sensible to do), so appends do not fail.
typedef struct rwd_buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
} rwd_buf;

void rwd_buf_deinit(rwd_buf *buf);   // frees; `buf` is empty again
static inline void rwd_buf_clear(rwd_buf *buf) { buf->size = 0; }
void rwd_buf_reserve(rwd_buf *buf, size_t more);  // room for `more` bytes beyond size
void rwd_buf_append(rwd_buf *buf, const void *data, size_t size);
void rwd_buf_append_slice(rwd_buf *buf, rwd_slice slice);
void rwd_buf_append_str(rwd_buf *buf, const char *text);
void rwd_buf_append_char(rwd_buf *buf, char c);
void rwd_buf_appendf(rwd_buf *buf, const char *format, ...) RWD_PRINTF(2, 3);
void rwd_buf_append_int(rwd_buf *buf, int64_t value);  // decimal text
static inline rwd_slice rwd_buf_slice(const rwd_buf *buf) { return rwd_slice_of(buf->data, buf->size); }
// The bytes as a C string (a NUL is kept behind them, not counted). *borrows* until the next append.
const char *rwd_buf_cstr(rwd_buf *buf);

// Fixed-width integers, stated byte order, any alignment.
static inline void rwd_put_be16(uint8_t *p, uint16_t v) { v = __builtin_bswap16(v); memcpy(p, &v, 2); }
static inline void rwd_put_be32(uint8_t *p, uint32_t v) { v = __builtin_bswap32(v); memcpy(p, &v, 4); }
static inline void rwd_put_be64(uint8_t *p, uint64_t v) { v = __builtin_bswap64(v); memcpy(p, &v, 8); }
static inline uint16_t rwd_get_be16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return __builtin_bswap16(v); }
static inline uint32_t rwd_get_be32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return __builtin_bswap32(v); }
static inline uint64_t rwd_get_be64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return __builtin_bswap64(v); }
static inline void rwd_put_le32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }
static inline void rwd_put_le64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }
static inline uint32_t rwd_get_le32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline uint64_t rwd_get_le64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the formats are written for little-endian machines");

// A cursor over untrusted bytes: every take checks what is left. After a failed take the cursor is `failed` and every
// later take fails too, so a parser may check once at its end.
typedef struct rwd_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
} rwd_reader;

static inline rwd_reader rwd_reader_of(rwd_slice s) { return (rwd_reader){s.data, s.data + s.size, false}; }
static inline size_t rwd_reader_left(const rwd_reader *r) { return (size_t)(r->end - r->at); }
RWD_MUST bool rwd_reader_take(rwd_reader *r, size_t size, rwd_slice *out);
RWD_MUST bool rwd_reader_u8(rwd_reader *r, uint8_t *out);
RWD_MUST bool rwd_reader_le32(rwd_reader *r, uint32_t *out);
RWD_MUST bool rwd_reader_le64(rwd_reader *r, uint64_t *out);

// A bump arena: allocations live until reset; reset keeps the memory. Used for what lives as long as a batch.
typedef struct rwd_arena {
    struct rwd_arena_block *head;  // newest block
    size_t used;                   // bytes handed out since reset
    size_t held;                   // bytes owned
} rwd_arena;

void *rwd_arena_alloc(rwd_arena *arena, size_t size);  // 16-byte aligned; never NULL
rwd_slice rwd_arena_copy(rwd_arena *arena, rwd_slice slice);
void rwd_arena_reset(rwd_arena *arena);                // all allocations end; one block is kept
void rwd_arena_deinit(rwd_arena *arena);

// Allocation that ends the program with a message when memory is gone. `rwd_calloc` zeroes.
void *rwd_malloc(size_t size);
void *rwd_calloc(size_t count, size_t size);
void *rwd_realloc(void *old, size_t size);
void *rwd_aligned_alloc(size_t alignment, size_t size);  // alignment: a power of two; `size` is rounded up to it
char *rwd_strdup(const char *text);
char *rwd_strndup(const char *text, size_t size);
char *rwd_strf(const char *format, ...) RWD_PRINTF(1, 2);  // gives a new string

// Lower-case hex and base64 (RFC 4648, padded). `out` for hex: 2*size+1 bytes. Decoding rejects any other character.
void rwd_hex(const void *data, size_t size, char *out);
RWD_MUST bool rwd_unhex(const char *text, size_t text_size, uint8_t *out);  // writes text_size/2 bytes
void rwd_base64_append(rwd_buf *out, rwd_slice data);
RWD_MUST bool rwd_base64_decode(rwd_slice text, rwd_buf *out);                         // appends
RWD_MUST bool rwd_base64_bytes(rwd_slice text, uint8_t *out, size_t *out_size);        // room for text.size / 4 * 3 bytes

// True if the bytes are valid UTF-8 (RFC 3629: no surrogates, no over-long forms, at most U+10FFFF).
bool rwd_utf8_valid(rwd_slice text);

#endif
