// Runs of bytes: buffers that grow, bounded readers, arenas, and allocation that does not return NULL.
//
// A buffer or arena belongs to one thread at a time; nothing here is shared.
#include "operator/base/bytes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUF_CAPACITY_MIN 64u
#define ARENA_ALIGN 16u
#define ARENA_BLOCK_MIN ((size_t)64 * 1024)

int rwd_slice_compare(rwd_slice a, rwd_slice b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order != 0) return order;
    return (a.size > b.size) - (a.size < b.size);
}

// ---- allocation

// State on disk survives any exit (that is what checkpoints are for), so running out of memory ends the program at once.
static _Noreturn void out_of_memory(size_t size) {
    char text[96];
    int length = snprintf(text, sizeof(text), "rewind: out of memory (%zu bytes asked for)\n", size);
    ssize_t written = write(STDERR_FILENO, text, (size_t)length);
    (void)written;
    _exit((int)rwd_code_exit(RWD_E_RESOURCE));
}

void *rwd_malloc(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) out_of_memory(size);
    return memory;
}

void *rwd_calloc(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory) out_of_memory(size);
    return memory;
}

void *rwd_realloc(void *old, size_t size) {
    void *memory = realloc(old, size ? size : 1);
    if (!memory) out_of_memory(size);
    return memory;
}

void *rwd_aligned_alloc(size_t alignment, size_t size) {
    assert(alignment > 0 && (alignment & (alignment - 1)) == 0);
    size_t rounded = size <= SIZE_MAX / 2 ? ((size ? size : 1) + alignment - 1) & ~(alignment - 1) : size;
    void *memory = aligned_alloc(alignment, rounded);
    if (!memory) out_of_memory(size);
    return memory;
}

char *rwd_strndup(const char *text, size_t size) {
    size_t length = strnlen(text, size);
    char *copy = rwd_malloc(length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *rwd_strdup(const char *text) { return rwd_strndup(text, strlen(text)); }

char *rwd_strf(const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(length >= 0);
    char *text = rwd_malloc((size_t)length + 1);
    (void)vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

// ---- buffer

void rwd_buf_deinit(rwd_buf *buf) {
    free(buf->data);
    *buf = (rwd_buf){0};
}

void rwd_buf_reserve(rwd_buf *buf, size_t more) {
    if (more <= buf->capacity - buf->size) return;
    size_t needed;
    if (__builtin_add_overflow(buf->size, more, &needed) || needed > SIZE_MAX / 2) out_of_memory(more);
    size_t capacity = buf->capacity * 2 > BUF_CAPACITY_MIN ? buf->capacity * 2 : BUF_CAPACITY_MIN;
    if (capacity < needed) capacity = needed;
    buf->data = rwd_realloc(buf->data, capacity);
    buf->capacity = capacity;
}

void rwd_buf_append(rwd_buf *buf, const void *data, size_t size) {
    if (size == 0) return;
    rwd_buf_reserve(buf, size);
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
}

void rwd_buf_append_slice(rwd_buf *buf, rwd_slice slice) { rwd_buf_append(buf, slice.data, slice.size); }
void rwd_buf_append_str(rwd_buf *buf, const char *text) { rwd_buf_append(buf, text, strlen(text)); }
void rwd_buf_append_char(rwd_buf *buf, char c) { rwd_buf_append(buf, &c, 1); }

void rwd_buf_appendf(rwd_buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t room = buf->capacity - buf->size;
    int length = vsnprintf(room ? (char *)buf->data + buf->size : NULL, room, format, args);
    va_end(args);
    assert(length >= 0);
    if ((size_t)length >= room) {
        rwd_buf_reserve(buf, (size_t)length + 1);
        (void)vsnprintf((char *)buf->data + buf->size, (size_t)length + 1, format, again);
    }
    va_end(again);
    buf->size += (size_t)length;
}

void rwd_buf_append_int(rwd_buf *buf, int64_t value) {
    char text[20];  // "-9223372036854775808"
    size_t at = sizeof(text);
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (value < 0) text[--at] = '-';
    rwd_buf_append(buf, text + at, sizeof(text) - at);
}

const char *rwd_buf_cstr(rwd_buf *buf) {
    rwd_buf_reserve(buf, 1);
    buf->data[buf->size] = '\0';
    return (const char *)buf->data;
}

// ---- reader

bool rwd_reader_take(rwd_reader *r, size_t size, rwd_slice *out) {
    if (r->failed || size > rwd_reader_left(r)) {
        r->failed = true;
        return false;
    }
    *out = rwd_slice_of(r->at, size);
    r->at += size;
    return true;
}

bool rwd_reader_u8(rwd_reader *r, uint8_t *out) {
    rwd_slice s;
    if (!rwd_reader_take(r, 1, &s)) return false;
    *out = s.data[0];
    return true;
}

bool rwd_reader_le32(rwd_reader *r, uint32_t *out) {
    rwd_slice s;
    if (!rwd_reader_take(r, 4, &s)) return false;
    *out = rwd_get_le32(s.data);
    return true;
}

bool rwd_reader_le64(rwd_reader *r, uint64_t *out) {
    rwd_slice s;
    if (!rwd_reader_take(r, 8, &s)) return false;
    *out = rwd_get_le64(s.data);
    return true;
}

// ---- arena

typedef struct rwd_arena_block {
    struct rwd_arena_block *older;
    size_t capacity;
    size_t used;
    _Alignas(ARENA_ALIGN) uint8_t bytes[];
} rwd_arena_block;

static void arena_add_block(rwd_arena *arena, size_t capacity) {
    rwd_arena_block *block = rwd_malloc(sizeof(*block) + capacity);
    block->older = arena->head;
    block->capacity = capacity;
    block->used = 0;
    arena->head = block;
    arena->held += capacity;
}

void *rwd_arena_alloc(rwd_arena *arena, size_t size) {
    if (size > SIZE_MAX / 4) out_of_memory(size);
    size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (!arena->head || size > arena->head->capacity - arena->head->used) {
        // Twice what is held, so that a batch makes few blocks.
        size_t capacity = arena->held > ARENA_BLOCK_MIN ? arena->held : ARENA_BLOCK_MIN;
        arena_add_block(arena, capacity > size ? capacity : size);
    }
    rwd_arena_block *block = arena->head;
    void *memory = block->bytes + block->used;
    block->used += size;
    arena->used += size;
    return memory;
}

rwd_slice rwd_arena_copy(rwd_arena *arena, rwd_slice slice) {
    uint8_t *copy = rwd_arena_alloc(arena, slice.size);
    if (slice.size) memcpy(copy, slice.data, slice.size);
    return rwd_slice_of(copy, slice.size);
}

static void arena_free_blocks(rwd_arena *arena) {
    while (arena->head) {
        rwd_arena_block *older = arena->head->older;
        free(arena->head);
        arena->head = older;
    }
    arena->held = 0;
}

// Several blocks become one of their joint size: a steady load of batches allocates nothing after the first ones.
void rwd_arena_reset(rwd_arena *arena) {
    if (arena->head && arena->head->older) {
        size_t held = arena->held;
        arena_free_blocks(arena);
        arena_add_block(arena, held);
    }
    if (arena->head) arena->head->used = 0;
    arena->used = 0;
}

void rwd_arena_deinit(rwd_arena *arena) {
    arena_free_blocks(arena);
    *arena = (rwd_arena){0};
}
