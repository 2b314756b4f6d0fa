// Reads a file in blocks and hands out its records where they lie in the block.
//
// One window of the file is in memory. A batch borrows from it, so the window moves only while no batch is out: what is left of an unfinished record goes
// to its front, and a block is read behind it. The kernel reads ahead (the file is opened for sequential reading), so a read is a copy. A
// record that grows over the size limit leaves the window at once: its bytes pass by, are hashed, and only its beginning is kept.
//
// What must stay true: the bytes decide the records, not where blocks end; memory is bounded by the size limit plus one block (pages
// of the window that no record needed are never touched).
#include "operator/source/file_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/base/wire.h"

// A line may be one CR longer than its record, and one byte more shows that it is too long; before a record may stand its length.
#define SLACK RWD_WIRE_VARINT_MAX

static size_t window_size(const rwd_file_source *source) { return (size_t)source->options.max_size + SLACK + source->block; }

bool rwd_file_changed(rwd_file_source *source, rwd_error *err, const char *format, ...) {
    char cause[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(cause, sizeof cause, format, args);
    va_end(args);
    (void)rwd_fail(err, RWD_E_SOURCE_CHANGED, "%s", cause);
    (void)rwd_error_at(err, "%s", source->options.path);
    return rwd_error_next(err, "put the original file back, or begin anew with: rewind run JOB --fresh");
}

bool rwd_file_read_at(rwd_file_source *source, void *out, size_t size, uint64_t position, size_t *out_read, rwd_error *err) {
    return rwd_io_read(source->io, source->fd, source->options.path, out, size, position, out_read, err);
}

// ---------------------------------------------------------------------------------------------- the window

static void window_move(rwd_file_source *source, uint64_t position) {
    source->position = position;
    source->begin = source->scanned = source->end = 0;
    source->at_end = false;
    source->tail_end = 0;
    source->big.active = false;
    source->no_length = false;
    source->framing.state = RWD_FRAMING_FIELD;
}

// At the end of what there is: is the file still the one that was opened, and as long as it was?
static bool check_file(rwd_file_source *source, rwd_error *err) {
    struct stat now;
    uint64_t seen = source->position + source->end;
    if (fstat(source->fd, &now) != 0) return rwd_fail_errno(err, errno, "cannot look at %s", source->options.path);
    if ((uint64_t)now.st_size < seen)
        return rwd_file_changed(source, err, "the file has %llu bytes and had at least %llu: it shrank while it was read",
                                (unsigned long long)now.st_size, (unsigned long long)seen);
    if (!source->options.follow) return true;
    if (stat(source->options.path, &now) != 0)
        return rwd_file_changed(source, err, "the file that is followed was removed or renamed");
    if (now.st_ino != source->opened.st_ino || now.st_dev != source->opened.st_dev)
        return rwd_file_changed(source, err, "another file (inode %llu) took the place of the one that is followed (inode %llu)",
                                (unsigned long long)now.st_ino, (unsigned long long)source->opened.st_ino);
    return true;
}

// A followed file that was cut and has grown again since we looked is not shorter than it was: then the bytes in front of the new ones tell.
static bool check_tail(rwd_file_source *source, rwd_error *err) {
    if (source->tail_end == 0 || source->tail_end != source->position + source->end) return true;
    uint8_t bytes[RWD_FILE_HEAD];
    size_t got = 0;
    if (!rwd_file_read_at(source, bytes, source->tail_size, source->tail_end - source->tail_size, &got, err)) return false;
    if (got == source->tail_size && rwd_hash128_equal(rwd_hash128_of(bytes, got, 0), source->tail_hash)) return true;
    return rwd_file_changed(source, err, "the %zu bytes before byte %llu are not those that were read: the file was cut or written anew", source->tail_size,
                            (unsigned long long)source->tail_end);
}

static bool note_tail(rwd_file_source *source, rwd_error *err) {
    uint8_t bytes[RWD_FILE_HEAD];
    uint64_t end = source->position + source->end;
    size_t wanted = end < RWD_FILE_HEAD ? (size_t)end : RWD_FILE_HEAD;
    if (!rwd_file_read_at(source, bytes, wanted, end - wanted, &source->tail_size, err)) return false;
    source->tail_end = source->tail_size == wanted ? end : 0;  // shorter: it was cut just now, which the next look will find
    source->tail_hash = rwd_hash128_of(bytes, source->tail_size, 0);
    return true;
}

// Reads a block behind the unfinished record, if there is one. Precondition: no batch is out.
static bool window_fill(rwd_file_source *source, rwd_error *err) {
    size_t kept = source->end - source->begin, got = 0;
    if (source->begin > 0) {
        memmove(source->buffer, source->buffer + source->begin, kept);
        source->position += source->begin;
        source->scanned -= source->begin;
        source->begin = 0;
        source->end = kept;
    }
    assert(window_size(source) - source->end >= source->block);
    if (!rwd_file_read_at(source, source->buffer + source->end, source->block, source->position + source->end, &got, err)) return false;
    if (got > 0 && source->options.follow && !check_tail(source, err)) return false;
    source->end += got;
    source->at_end = got < source->block;
    if (got == 0) return check_file(source, err);
    return !source->options.follow || note_tail(source, err);
}

// A byte order mark at the file's beginning is passed over. False: too few bytes to tell.
static bool pass_byte_order_mark(rwd_file_source *source) {
    if (source->position + source->begin != 0 || source->scanned != source->begin) return true;
    static const uint8_t mark[3] = {0xEF, 0xBB, 0xBF};
    size_t size = source->end - source->begin, compared = size < 3 ? size : 3;
    if (memcmp(source->buffer + source->begin, mark, compared) != 0) return true;
    if (size < 3) return source->at_end && !source->options.follow;
    source->begin = source->scanned = source->begin + 3;
    return true;
}

// ---------------------------------------------------------------------------------------------- records

rwd_record *rwd_file_add_record(rwd_file_source *source, uint64_t behind) {
    source->behind[source->record_count] = behind;
    rwd_record *record = &source->records[source->record_count++];
    *record = (rwd_record){.offset = source->next_offset++, .time_us = RWD_TIME_NONE, .fault = RWD_E_NONE};
    return record;
}

// The record [begin, stop) of the window, `behind` it the next one begins. An empty line is none.
static void take_record(rwd_file_source *source, size_t stop, size_t behind, bool open_quote) {
    const uint8_t *data = source->buffer + source->begin;
    size_t size = rwd_framing_trim(data, stop - source->begin);
    if (size > 0) {
        rwd_record *record = rwd_file_add_record(source, source->position + behind);
        bool large = size > source->options.max_size;
        record->value = rwd_slice_of(data, large && size > RWD_FILE_HEAD ? RWD_FILE_HEAD : size);
        record->full_size = size;
        record->position = source->position + source->begin;
        record->hash = rwd_hash128_of(data, size, (uint64_t)record->offset);
        if (large) record->fault = RWD_E_TOO_LARGE;
        if (open_quote) record->fault = RWD_E_MALFORMED;
    }
    source->begin = source->scanned = behind;
}

// The record in hand is over the size limit: its bytes pass by from here on.
static void big_pass(rwd_file_source *source, const uint8_t *data, size_t size) {
    rwd_file_big *big = &source->big;
    if (size == 0) return;
    size_t room = RWD_FILE_HEAD - big->head_size, more = 0;
    if (big->cr) {
        rwd_hasher_update(big->hasher, "\r", 1);
        big->size++;
        if (room > 0) big->head[big->head_size++] = '\r', room--;
    }
    big->cr = data[size - 1] == '\r';
    size -= big->cr;
    more = size < room ? size : room;
    memcpy(big->head + big->head_size, data, more);
    big->head_size += more;
    big->size += size;
    rwd_hasher_update(big->hasher, data, size);
}

static void big_begin(rwd_file_source *source) {
    rwd_file_big *big = &source->big;
    big->active = true;
    big->position = source->position + source->begin;
    big->size = big->head_size = 0;
    big->cr = false;
    rwd_hasher_reset_seeded(big->hasher, (uint64_t)source->next_offset);
    big_pass(source, source->buffer + source->begin, source->end - source->begin);
    source->position += source->end;
    source->begin = source->scanned = source->end = 0;
}

static void big_end(rwd_file_source *source, size_t behind, bool open_quote) {
    rwd_file_big *big = &source->big;
    big->active = false;
    rwd_record *record = rwd_file_add_record(source, source->position + behind);
    record->value = rwd_slice_of(big->head, big->head_size);
    record->full_size = big->size;
    record->position = big->position;
    record->hash = rwd_hasher_finish(big->hasher);
    record->fault = open_quote ? RWD_E_MALFORMED : RWD_E_TOO_LARGE;
    source->begin = source->scanned = behind;
}

// One record or empty line from the window. False: the window holds no whole one.
static bool take_next(rwd_file_source *source) {
    if (source->options.sized) return rwd_file_take_sized(source);
    if (!pass_byte_order_mark(source)) return false;
    size_t left = source->end - source->scanned;
    size_t found = rwd_framing_find(&source->framing, source->buffer + source->scanned, left);
    size_t stop = source->scanned + found;
    bool ended = found < left;
    source->scanned = stop;
    // The last record of a file needs no newline, unless more may come.
    bool last = !ended && source->at_end && !source->options.follow && (source->begin < source->end || source->big.active);
    if (!ended && !last) {
        if (source->big.active) {
            big_pass(source, source->buffer + source->begin, stop - source->begin);
            source->begin = stop;
        }
        return false;
    }
    size_t behind = ended ? stop + 1 : stop;
    bool open_quote = !ended && rwd_framing_end(&source->framing);
    size_t count = source->record_count;
    if (source->big.active) {
        big_pass(source, source->buffer + source->begin, stop - source->begin);
        big_end(source, behind, open_quote);
    } else {
        take_record(source, stop, behind, open_quote);
    }
    source->unended = last && source->record_count > count ? &source->records[count] : NULL;
    return true;
}

// ---------------------------------------------------------------------------------------------- batches

// Records from the window and, while there is none of them, from the blocks behind it. True with none: the end of what there is, or a large record
// that takes longer than one call.
static bool collect(rwd_file_source *source, size_t max, rwd_error *err) {
    uint64_t passed = 0;
    for (;;) {
        while (source->record_count < max && take_next(source)) {}
        if (source->record_count > 0 || passed > RWD_FILE_STREAM_MAX) return true;
        if (source->no_length) return rwd_file_no_length(source, err);
        if (source->at_end) return true;
        // Two bytes over the limit cannot be a line ending.
        if (!source->options.sized && !source->big.active && source->end - source->begin > source->options.max_size + 1) big_begin(source);
        if (!window_fill(source, err)) return false;
        passed += source->block;
    }
}

static bool file_batch(rwd_source *self, size_t max, int64_t timeout_ns, rwd_batch *out, rwd_error *err) {
    rwd_file_source *source = (rwd_file_source *)self;
    assert(source->record_count == 0 && "release the last batch first");
    assert(max > 0 && max <= RWD_BATCH_MAX);
    int64_t until = rwd_clock_ns(source->clock) + timeout_ns;
    for (;;) {
        bool ready = source->header_read;
        if (!ready && !rwd_file_read_header(source, err)) return false;
        if (!ready && source->header_read) window_move(source, source->data_position), source->assigned_position = source->data_position;
        if (source->options.follow) source->at_end = false;  // look again
        if (source->header_read && !collect(source, max, err)) return false;
        if (!source->header_read && !check_file(source, err)) return false;
        bool at_end = source->at_end || !source->header_read;
        int64_t left = until - rwd_clock_ns(source->clock);
        if (source->record_count > 0 || !source->options.follow || !at_end || left <= 0) {
            *out = (rwd_batch){source->records, source->record_count, at_end && source->record_count < max};
            return true;
        }
        source->clock->sleep_ns(source->clock, left < RWD_FILE_POLL_NS ? left : RWD_FILE_POLL_NS);
    }
}

static void file_release(rwd_source *self) {
    rwd_file_source *source = (rwd_file_source *)self;
    source->record_count = 0;
}

// Passes over `count` records.
static bool pass_records(rwd_file_source *source, int64_t count, rwd_error *err) {
    while (count > 0) {
        size_t max = count < RWD_BATCH_MAX ? (size_t)count : RWD_BATCH_MAX;
        if (source->header_read && !collect(source, max, err)) return false;
        if (source->record_count == 0 && (source->at_end || !source->header_read)) {
            (void)rwd_fail(err, RWD_E_POSITION, "the file ends at offset %lld, before the one to go on from", (long long)source->next_offset);
            return rwd_error_at(err, "%s", source->options.path);
        }
        count -= (int64_t)source->record_count;
        if (source->record_count > 0) source->assigned_position = source->behind[source->record_count - 1];
        source->record_count = 0;
    }
    return true;
}

static bool file_assign(rwd_source *self, int64_t offset, rwd_slice cursor, rwd_error *err) {
    rwd_file_source *source = (rwd_file_source *)self;
    assert(source->record_count == 0 && "release the last batch first");
    assert(offset >= 0);
    uint64_t position = source->data_position;
    if (cursor.size > 0 && !rwd_file_check_cursor(source, cursor, offset, &position, err)) return false;
    window_move(source, position);
    source->next_offset = cursor.size > 0 ? offset : 0;
    source->assigned_position = position;
    source->assigned_offset = offset;
    return pass_records(source, offset - source->next_offset, err);
}

// ---------------------------------------------------------------------------------------------- questions

static bool file_bounds(rwd_source *self, int64_t *out_low, int64_t *out_high, rwd_error *err) {
    (void)err;
    const rwd_file_source *source = (const rwd_file_source *)self;
    bool done = source->at_end && !source->options.follow && source->begin == source->end && !source->big.active;
    *out_low = 0;
    *out_high = done ? source->next_offset : -1;
    return true;
}

static bool file_read_back(rwd_source *self, const rwd_record *record, uint64_t at, void *out, size_t size, rwd_error *err) {
    rwd_file_source *source = (rwd_file_source *)self;
    assert(at <= record->full_size && size <= record->full_size - at);
    size_t got = 0;
    if (!rwd_file_read_at(source, out, size, record->position + at, &got, err)) return false;
    if (got == size) return true;
    return rwd_file_changed(source, err, "the file ends before byte %llu, up to which it was read: it shrank",
                            (unsigned long long)(record->position + at + size));
}

static const char *file_label(const rwd_source *self) { return ((const rwd_file_source *)self)->name; }

static void file_progress(const rwd_source *self, uint64_t *out_done, uint64_t *out_total) {
    const rwd_file_source *source = (const rwd_file_source *)self;
    struct stat now;
    *out_done = source->position + source->begin;
    *out_total = fstat(source->fd, &now) == 0 ? (uint64_t)now.st_size : 0;
}

static const char *const *file_columns(const rwd_source *self, size_t *out_count) {
    const rwd_file_source *source = (const rwd_file_source *)self;
    *out_count = source->column_count;
    return (const char *const *)source->columns;
}

// ---------------------------------------------------------------------------------------------- life

static void file_close(rwd_source *self) {
    rwd_file_source *source = (rwd_file_source *)self;
    rwd_io_close(source->io, source->fd);
    rwd_file_forget_header(source);
    rwd_hasher_free(source->big.hasher);
    free(source->buffer);
    free(source->records);
    free(source->behind);
    free((char *)(uintptr_t)source->options.path);
    free(source);
}

static const rwd_source_ops file_source_ops = {
    .name = "file",
    .identity = rwd_file_identity,
    .check_identity = rwd_file_check_identity,
    .bounds = file_bounds,
    .assign = file_assign,
    .batch = file_batch,
    .release = file_release,
    .cursor = rwd_file_cursor,
    .read_back = file_read_back,
    .label = file_label,
    .progress = file_progress,
    .columns = file_columns,
    .close = file_close,
};

static bool open_file(rwd_file_source *source, rwd_error *err) {
    const char *path = source->options.path;
    if (!rwd_io_open(source->io, path, O_RDONLY, 0, &source->fd, err)) {
        (void)rwd_error_next(err, "ls -l %s", path);
        return false;
    }
    if (fstat(source->fd, &source->opened) != 0) {
        (void)rwd_fail_errno(err, errno, "cannot look at the input");
        return rwd_error_at(err, "%s", path);
    }
    if (!S_ISREG(source->opened.st_mode)) {
        (void)rwd_fail(err, RWD_E_CONFIG, "the input is %s, and a file is needed: its records must be there to be read again",
                       S_ISDIR(source->opened.st_mode) ? "a folder" : "no regular file");
        return rwd_error_at(err, "%s", path);
    }
    (void)posix_fadvise(source->fd, 0, 0, POSIX_FADV_SEQUENTIAL);  // a hint
    return true;
}

bool rwd_file_source_open(const rwd_file_source_options *options, rwd_io *io, rwd_clock *clock, rwd_source **out, rwd_error *err) {
    assert(options->max_size > 0 && options->max_size <= RWD_RECORD_SIZE_MAX);
    rwd_file_source *source = rwd_calloc(1, sizeof *source);
    source->base.ops = &file_source_ops;
    source->options = *options;
    source->options.path = rwd_strdup(options->path);
    source->name = rwd_path_name(source->options.path);
    source->io = io;
    source->clock = clock;
    source->fd = -1;
    source->header_read = !(options->csv && options->csv_header);
    source->framing = rwd_framing_of(options->csv, options->csv_delimiter);
    uint64_t block = options->memory > options->max_size ? options->memory - options->max_size : 0;
    source->block = block < RWD_FILE_BLOCK_MIN ? RWD_FILE_BLOCK_MIN : block > RWD_FILE_BLOCK_MAX ? RWD_FILE_BLOCK_MAX : (size_t)block;
    source->buffer = rwd_aligned_alloc(4096, window_size(source) + RWD_RECORD_PADDING);
    source->records = rwd_calloc(RWD_BATCH_MAX, sizeof *source->records);
    source->behind = rwd_calloc(RWD_BATCH_MAX, sizeof *source->behind);
    source->big.hasher = rwd_hasher_new();
    if (!open_file(source, err) || (!source->header_read && !rwd_file_read_header(source, err))) {
        file_close(&source->base);
        return false;
    }
    window_move(source, source->data_position);
    source->assigned_position = source->data_position;
    *out = &source->base;
    return true;
}
